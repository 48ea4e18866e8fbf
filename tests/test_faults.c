/* test_faults.c: faults, inside events and between them; what survives them;
 * and that a run with faults is the same every time. With fake processes. */
#include "fake_bodies.h"

/* --- faults inside events --- */

typedef struct {
    MobWatcher base;
    MobWorld *world;
    MobAddress victim; /* is killed as soon as it is given a message */
    const char *name;
    GString *seen; /* "number role" of every event, deaths and births */
    uint64_t last;
} Killer;

static void
killer_event(MobWatcher *self, const MobEvent *event)
{
    Killer *killer = (Killer *)self;

    cr_assert_gt(event->number, killer->last);
    killer->last = event->number;
    for (size_t i = 0; i < event->note_count; i++)
        if (event->notes[i].kind == MOB_NOTE_FAULT || event->notes[i].kind == MOB_NOTE_GCS_DIED)
            g_string_append_printf(killer->seen, "%s %s\n", mob_note_name(event->notes[i].kind),
                                   event->notes[i].kind == MOB_NOTE_FAULT ? event->notes[i].text
                                                                          : "");
    if (event->input == NULL || event->input->kind != MOB_INPUT_MESSAGE ||
        !mob_address_eq(event->process, killer->victim))
        return;
    give(killer->world, (MobOrder){.verb = MOB_VERB_KILL, .target = killer->name});
    g_string_append(killer->seen, "ordered\n");
}

static void
killer_died(MobWatcher *self, MobAddress process, const char *why, MobWhen when)
{
    g_string_append_printf(((Killer *)self)->seen, "died %u.%u %s\n", process.node, process.local,
                           why);
}

static void
remember(Fake *fake, const MobInput *input, MobOutbox *out)
{
    if (input->kind == MOB_INPUT_MESSAGE)
        mob_persist(out, mob_str_new("key"), g_bytes_new_static("value", 5));
}

static MobProcess *
remembering_gcs(MobAddress address, const MobConfig *config)
{
    return fake_new(address, remember, true);
}

Test(faults, a_process_killed_inside_its_step_has_taken_it_without_any_effect)
{
    MobWorldOptions options;
    MobCast cast = ticking;
    cast.gcs = remembering_gcs;
    fake_options(&options);
    g_autoptr(MobWorld) world = start_with(&cast, &options);
    MobControl *control = mob_world_control(world);
    Killer killer = {.base = {.wanted = MOB_WANT_ALL, killer_event, NULL, killer_died},
                     .world = world,
                     .victim = addr(1, GCS),
                     .name = "gcs",
                     .seen = g_string_new(NULL)};

    control->watch(control, &killer.base);
    plan(world, addr(2, 0), MOB_MS, addr(1, GCS), 100, 0);
    run_until(world, 2 * MOB_MS);
    cr_assert_str_eq(killer.seen->str, "ordered\ndied 1.1 killed\nfault kill gcs\ngcs.died \n");
    cr_heard(world, addr(2, 0), "0.000 start\n1.200 reset from 1.1\n");

    give(world, (MobOrder){.verb = MOB_VERB_RESTART, .target = "gcs"});
    run_until(world, 2 * MOB_MS);
    cr_heard(world, addr(1, GCS), "2.000 start\n");
    g_string_free(killer.seen, TRUE);
}

Test(faults, what_was_persisted_survives_a_crash_unless_the_disk_is_wiped)
{
    MobWorldOptions options;
    MobCast cast = ticking;
    cast.gcs = remembering_gcs;
    fake_options(&options);
    g_autoptr(MobWorld) world = start_with(&cast, &options);

    plan(world, addr(2, 0), MOB_MS, addr(1, GCS), 1, 0);
    run_until(world, 2 * MOB_MS);
    give(world, (MobOrder){.verb = MOB_VERB_KILL, .target = "gcs"});
    give(world, (MobOrder){.verb = MOB_VERB_RESTART, .target = "gcs"});
    run_until(world, 2 * MOB_MS);
    cr_heard(world, addr(1, GCS), "2.000 start 1 records\n");
    give(world, (MobOrder){.verb = MOB_VERB_KILL, .target = "head"});
    give(world, (MobOrder){.verb = MOB_VERB_RESTART, .target = "head"});
    run_until(world, 2 * MOB_MS);
    cr_heard(world, addr(1, GCS), "2.000 start 1 records\n");
    cr_heard(world, addr(4, 0), "2.000 start\n");
    give(world, (MobOrder){.verb = MOB_VERB_KILL, .target = "head"});
    give(world, (MobOrder){.verb = MOB_VERB_RESTART, .target = "head", .wipe = true});
    run_until(world, 2 * MOB_MS);
    cr_heard(world, addr(1, GCS), "2.000 start\n");
}

Test(faults, a_journal_keeps_the_newest_value_in_the_order_of_the_first)
{
    g_autoptr(MobJournal) journal = mob_journal_new();
    const char *const writes[] = {"a=1", "b=2", "c=3", "a=4", "b", "d=5", "b=6"};

    for (size_t i = 0; i < G_N_ELEMENTS(writes); i++) {
        g_auto(GStrv) parts = g_strsplit(writes[i], "=", 2);
        g_autoptr(MobStr) key = mob_str_new(parts[0]);
        g_autoptr(GBytes) value = parts[1] != NULL ? g_bytes_new(parts[1], 1) : NULL;
        mob_journal_write(journal, key, value);
    }
    size_t count;
    const MobPersisted *records = mob_journal_records(journal, &count);
    g_autoptr(GString) got = g_string_new(NULL);
    for (size_t i = 0; i < count; i++)
        g_string_append_printf(got, "%s=%c ", mob_str(records[i].key),
                               *(const char *)g_bytes_get_data(records[i].value, NULL));
    cr_assert_str_eq(got->str, "a=4 c=3 d=5 b=6 ");
}

/* --- alarms, orders --- */

static void
on_alarm(void *data, uint64_t tag)
{
    MobWorld *world = data;
    MobControl *control = mob_world_control(world);

    cr_assert_eq(control->now(control), tag);
    if (tag == 3 * MOB_MS)
        give(world, (MobOrder){.verb = MOB_VERB_KILL, .target = "n1", .line = 7});
    else
        control->stop(control);
}

Test(faults, alarms_are_events_in_which_orders_may_be_given)
{
    MobWorldOptions options;
    fake_options(&options);
    g_autoptr(MobWorld) world = start_with(&ticking, &options);
    MobControl *control = mob_world_control(world);

    control->at(control, 3 * MOB_MS, on_alarm, world, 3 * MOB_MS);
    control->at(control, 6 * MOB_MS, on_alarm, world, 6 * MOB_MS);
    cr_assert_eq(run_until(world, 9 * MOB_MS), MOB_RUN_STOPPED);
    cr_assert_eq(control->now(control), 6 * MOB_MS);
    cr_assert_null(control->process(control, addr(2, 0)));
    cr_assert_eq(control->fault_count(control), 1);
    cr_assert_eq(run_until(world, 9 * MOB_MS), MOB_RUN_DONE);
}

Test(faults, orders_that_make_no_sense_are_refused_with_a_reason)
{
    MobWorldOptions options;
    fake_options(&options);
    g_autoptr(MobWorld) world = start_with(&ticking, &options);
    MobControl *control = mob_world_control(world);
    MobMachine again = {.name = "n1", .cpus = MOB_UNIT};
    const struct {
        MobOrder order;
        const char *answer;
    } cases[] = {
        {{.verb = MOB_VERB_KILL, .target = "n7"},
         "there is no machine or process 'n7'; there are head, n1, n2, gcs"},
        {{.verb = MOB_VERB_KILL}, "kill what?"},
        {{.verb = MOB_VERB_CUT, .from = "n1", .to = "moon"}, "'moon'"},
        {{.verb = MOB_VERB_RESTART, .target = "n1"}, "n1 is alive"},
        {{.verb = MOB_VERB_RESTART, .target = "gcs"}, "gcs is alive"},
        {{.verb = MOB_VERB_RESTART, .target = "n1/node"}, "only machines and gcs"},
        {{.verb = MOB_VERB_KILL, .target = "n2"}, NULL},
        {{.verb = MOB_VERB_KILL, .target = "n2"}, "n2 is already dead"},
        {{.verb = MOB_VERB_KILL, .target = "n2/node"}, "n2 is already dead"},
        {{.verb = MOB_VERB_PAUSE, .target = "n2"}, "n2 is dead"},
        {{.verb = MOB_VERB_LEAVE, .target = "n2"}, "n2 has no live node manager"},
        {{.verb = MOB_VERB_RPC, .message = "Frobnicate"}, "no message 'Frobnicate'"},
        {{.verb = MOB_VERB_JOIN, .machine = &again}, "n1 exists already"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        uint32_t fault = control->order(control, &cases[i].order, &error);
        if (cases[i].answer == NULL) {
            cr_assert_neq(fault, 0);
            continue;
        }
        cr_assert_eq(fault, 0);
        cr_assert(strstr(error->message, cases[i].answer) != NULL, "%s", error->message);
    }
    cr_assert_eq(control->fault_count(control), 1);
}

Test(faults, a_machine_may_join_and_be_asked_to_leave)
{
    MobWorldOptions options;
    fake_options(&options);
    g_autoptr(MobWorld) world = start_with(&ticking, &options);
    MobMachine machine = {.name = "n3", .cpus = MOB_UNIT};
    MobObjectId object = {{1, 2}, 1, 0};

    give(world, (MobOrder){.verb = MOB_VERB_JOIN, .machine = &machine});
    run_until(world, MOB_MS);
    give(world, (MobOrder){.verb = MOB_VERB_EVICT, .target = "n3", .object = object});
    give(world, (MobOrder){.verb = MOB_VERB_LEAVE, .target = "n3"});
    run_until(world, 2 * MOB_MS);
    cr_heard(world, addr(4, 0), "0.000 start\n1.000 evict\n1.000 leave\n");
}

/* --- determinism --- */

static uint64_t
hash_of(uint64_t seed, bool shuffle, bool encode, bool watched, bool jitter)
{
    MobWorldOptions options;
    fake_options(&options);
    options.picks.seed = seed;
    options.shuffle = shuffle;
    options.encode = encode;
    options.jitter = jitter ? 50 * MOB_US : MOB_TIME_NEVER;
    g_autoptr(MobWorld) world = start_with(&ticking, &options);
    MobControl *control = mob_world_control(world);
    Killer watcher = {.base = {.wanted = MOB_WANT_ALL, killer_event, NULL, killer_died},
                      .seen = g_string_new(NULL)};

    if (watched)
        control->watch(control, &watcher.base);
    for (uint64_t i = 0; i < 30; i++) {
        plan(world, addr(2, 0), (1 + i % 5) * MOB_MS, addr(1, GCS), 100 + i, i % 2 * 4000);
        plan(world, addr(3, 0), (1 + i % 5) * MOB_MS, addr(1, GCS), 100 + i, 0);
    }
    run_until(world, 3 * MOB_MS);
    give(world, (MobOrder){.verb = MOB_VERB_KILL, .target = "n2"});
    run_until(world, 20 * MOB_MS);
    g_string_free(watcher.seen, TRUE);
    return control->hash(control);
}

Test(faults, the_same_options_and_orders_give_the_same_hash)
{
    uint64_t plain = hash_of(0, false, true, false, false);

    cr_assert_eq(plain, hash_of(0, false, true, false, false));
    cr_assert_eq(plain, hash_of(0, false, false, false, false), "with the codec or without");
    cr_assert_eq(plain, hash_of(0, false, true, true, false), "looked at or not");
    cr_assert_eq(hash_of(5, true, true, false, true), hash_of(5, true, false, true, true));
    cr_assert_neq(plain, hash_of(5, true, true, false, false));
    cr_assert_neq(hash_of(6, true, true, false, false), hash_of(5, true, true, false, false));
    cr_assert_neq(hash_of(6, false, true, false, true), hash_of(5, false, true, false, true));
}

Test(faults, the_hash_is_remembered_every_so_often)
{
    MobWorldOptions options;
    fake_options(&options);
    g_autoptr(MobWorld) world = start_with(&ticking, &options);
    MobControl *control = mob_world_control(world);
    size_t count = 0;

    run_until(world, MOB_SECOND);
    mob_world_checkpoints(world, &count);
    cr_assert_eq(count, control->events(control) / MOB_CHECKPOINT_EVENTS);
    cr_assert_gt(count, 2);
}

/* --- everything at once --- */

static uint64_t
next_word(uint64_t *state)
{
    return mob_mix(*state += UINT64_C(0x9e3779b97f4a7c15));
}

/* A node manager with workers that all talk to each other. */
static void
mingle(Fake *fake, const MobInput *input, MobOutbox *out)
{
    MobAddress self = fake->base.address;

    if (self.local == 0 && input->kind == MOB_INPUT_START)
        for (uint32_t i = 0; i < 2; i++)
            mob_spawn(out, addr(self.node, MOB_FIRST_WORKER + i));
    if (self.local == 0 && input->kind == MOB_INPUT_LEAVE)
        mob_exit(out, mob_str_new("asked to leave"));
    if (input->kind == MOB_INPUT_TIMER) {
        uint64_t dice = mob_mix(input->now ^ mob_address_word(self));
        fake_send(out, addr(1 + dice % 5, dice / 8 % 3), 100 + dice % 50, 0);
        fake_send(out, addr(1 + dice / 64 % 5, MOB_FIRST_WORKER + dice / 512 % 2), 1,
                  dice % 3 == 0 ? 20000 : 0);
        mob_persist(out, mob_str_printf("%d", (int)(dice % 7)), g_bytes_new(&dice, 8));
    }
    host_bodies(fake, input, out);
}

static MobProcess *
mingling_node(MobAddress address, const MobConfig *config, const MobNodeOptions *options,
              uint32_t first_worker)
{
    return fake_new(address, mingle, true);
}

static MobProcess *
mingling_worker(MobAddress address, const MobConfig *config, const MobWorkerOptions *options)
{
    return fake_new(address, mingle, true);
}

static const MobCast mingling = {.gcs = ticking_gcs,
                                 .node = mingling_node,
                                 .worker = mingling_worker,
                                 .result = fake_result,
                                 .explain = fake_explain};

/* Most of these make no sense at the moment they are given, and are refused. */
static void
random_order(MobWorld *world, uint64_t *state)
{
    static const char *const names[] = {"head", "n1",      "n2",      "n1/node", "n1/w0",
                                        "gcs",  "n2/node", "head/w1", "driver",  NULL};
    MobControl *control = mob_world_control(world);
    g_autoptr(GError) error = NULL;
    uint64_t dice = next_word(state);
    MobOrder order = {
        .verb = (MobVerb)(dice % MOB_VERB_JOIN),
        .target = names[dice / 16 % (G_N_ELEMENTS(names) - 1)],
        .from = names[dice / 256 % G_N_ELEMENTS(names)],
        .to = names[dice / 4096 % G_N_ELEMENTS(names)],
        .oneway = dice / 65536 % 2 == 1,
        .speed_ppm = (uint32_t)(dice / 131072 % 1000000),
        .latency = dice >> 40 & 0xfffff,
        .jitter = dice >> 30 & 0xffff,
        .loss_ppm = (uint32_t)(dice >> 34 & 0x3ffff),
        .bps = dice >> 50 << 16,
        .message = "KvGet",
        .lose = (MobLose)(dice / 7 % 3),
        .times = (uint32_t)(dice % 5),
        .chance_ppm = (uint32_t)(dice % 1000000),
    };
    control->order(control, &order, &error);
    uint32_t count = control->fault_count(control);
    if (count > 0 && dice % 3 != 0)
        control->heal(control, 1 + (uint32_t)(dice / 11 % count));
}

static uint64_t
chaos(uint64_t seed, bool watched)
{
    MobWorldOptions options;
    FakeLoader loader = {.base = loader_class, .calls = computes};
    fake_options(&options);
    options.picks.seed = seed;
    options.shuffle = seed % 2 == 0;
    options.encode = watched;
    options.jitter = seed % 3 * 20 * MOB_US;
    options.loader = &loader.base;
    if (seed % 4 == 0) {
        options.config.cost_gcs = options.config.cost_worker = 70 * MOB_US;
        options.config.stall_limit = 30 * MOB_MS;
    }
    g_autoptr(MobWorld) world = start_with(&mingling, &options);
    MobControl *control = mob_world_control(world);
    Killer watcher = {.base = {.wanted = MOB_WANT_ALL, killer_event, NULL, killer_died},
                      .seen = g_string_new(NULL)};
    uint64_t state = seed;

    if (watched)
        control->watch(control, &watcher.base);
    for (MobTime at = 1; at < 150; at += 1 + next_word(&state) % 4) {
        cr_assert_eq(run_until(world, at * MOB_MS + next_word(&state) % MOB_MS), MOB_RUN_DONE);
        random_order(world, &state);
    }
    g_string_free(watcher.seen, TRUE);
    return control->hash(control);
}

Test(faults, chaos_is_the_same_every_time)
{
    for (uint64_t seed = 1; seed <= 60; seed++)
        cr_assert_eq(chaos(seed, false), chaos(seed, true), "seed %" PRIu64, seed);
}
