/* test_world.c: the loop of the simulated world: steps, timers, service, user
 * code, faults inside events, rest and circles; with fake processes. */
#include "fakes.h"

enum {
    GCS = MOB_LOCAL_GCS
};

static MobWorld *
start_with(const MobCast *cast, const MobWorldOptions *options)
{
    MobWorld *world = mob_world_new_with(options, cast);

    run_until(world, 0);
    return world;
}

static MobProcess *
quiet_gcs(MobAddress address, const MobConfig *config)
{
    return fake_new(address, NULL, false);
}

static MobProcess *
quiet_node(MobAddress address, const MobConfig *config, const MobNodeOptions *options,
           uint32_t first_worker)
{
    return fake_new(address, NULL, false);
}

static MobProcess *
quiet_worker(MobAddress address, const MobConfig *config, const MobWorkerOptions *options)
{
    return fake_new(address, NULL, false);
}

static MobProcess *
ticking_gcs(MobAddress address, const MobConfig *config)
{
    return fake_new(address, NULL, true);
}

static MobProcess *
ticking_node(MobAddress address, const MobConfig *config, const MobNodeOptions *options,
             uint32_t first_worker)
{
    return fake_new(address, NULL, true);
}

static const MobCast quiet = {.gcs = quiet_gcs,
                              .node = quiet_node,
                              .worker = quiet_worker,
                              .result = fake_result,
                              .explain = fake_explain};
static const MobCast ticking = {.gcs = ticking_gcs,
                                .node = ticking_node,
                                .worker = quiet_worker,
                                .result = fake_result,
                                .explain = fake_explain};

/* --- timers --- */

static void
set_timers(Fake *fake, const MobInput *input, MobOutbox *out)
{
    if (input->kind == MOB_INPUT_START) {
        mob_set_timer(out, MOB_TIMER_PULL, 10 * MOB_MS);
        mob_set_timer(out, MOB_TIMER_IDLE_WORKERS, 10 * MOB_MS);
        mob_set_timer(out, MOB_TIMER_DEADLINE, 20 * MOB_MS);
        mob_set_timer(out, MOB_TIMER_SCHEDULE, 5 * MOB_MS);
    } else if (input->timer == MOB_TIMER_SCHEDULE) {
        mob_set_timer(out, MOB_TIMER_PULL, 30 * MOB_MS);
        mob_stop_timer(out, MOB_TIMER_IDLE_WORKERS);
        mob_set_timer(out, MOB_TIMER_DEADLINE, 7 * MOB_MS);
        mob_set_timer(out, MOB_TIMER_RECOVER, 1); /* long past: now */
    }
}

static MobProcess *
timer_gcs(MobAddress address, const MobConfig *config)
{
    return fake_new(address, set_timers, false);
}

Test(world, a_timer_has_one_alarm_and_the_last_one_counts)
{
    MobWorldOptions options;
    MobCast cast = quiet;
    cast.gcs = timer_gcs;
    fake_options(&options);
    g_autoptr(MobWorld) world = start_with(&cast, &options);

    cr_assert_eq(run_to_rest(world), MOB_RUN_IDLE);
    cr_heard(world, addr(1, GCS),
             "0.000 start\n5.000 timer SCHEDULE\n5.000 timer RECOVER\n"
             "7.000 timer DEADLINE\n30.000 timer PULL\n");
    cr_assert_eq(mob_world_pending(world), 0);
}

/* --- service, pauses --- */

Test(world, a_process_that_costs_cpu_serves_one_message_after_the_other)
{
    MobWorldOptions options;
    fake_options(&options);
    options.config.cost_gcs = 300 * MOB_US;
    g_autoptr(MobWorld) world = start_with(&ticking, &options);

    plan(world, addr(2, 0), MOB_MS, addr(1, GCS), 1, 0);
    plan(world, addr(2, 0), MOB_MS, addr(1, GCS), 102, 0);
    plan(world, addr(3, 0), 3 * MOB_MS, addr(1, GCS), 3, 0);
    run_until(world, 5 * MOB_MS);
    cr_heard(world, addr(1, GCS),
             "0.000 start\n1.400 message 1 from 2.0\n1.700 message 102 from 2.0\n"
             "3.400 message 3 from 3.0\n");
    cr_heard(world, addr(2, 0), "0.000 start\n1.800 message reply 102 from 1.1\n");
}

Test(world, a_paused_process_takes_in_later_what_came_meanwhile)
{
    MobWorldOptions options;
    fake_options(&options);
    g_autoptr(MobWorld) world = start_with(&ticking, &options);

    plan(world, addr(2, 0), 2 * MOB_MS, addr(1, GCS), 1, 0);
    plan(world, addr(2, 0), 3 * MOB_MS, addr(1, GCS), 102, 0);
    plan(world, addr(2, 0), 3 * MOB_MS, addr(3, 0), 4, 0);
    run_until(world, MOB_MS);
    uint32_t fault = give(world, (MobOrder){.verb = MOB_VERB_PAUSE, .target = "gcs"});
    uint32_t machine = give(world, (MobOrder){.verb = MOB_VERB_PAUSE, .target = "n2"});
    run_until(world, 10 * MOB_MS);
    cr_heard(world, addr(1, GCS), "0.000 start\n");
    cr_heard(world, addr(3, 0), "0.000 start\n");
    heal_it(world, fault);
    heal_it(world, machine);
    run_until(world, 20 * MOB_MS);
    cr_heard(world, addr(1, GCS), "10.000 message 1 from 2.0\n10.000 message 102 from 2.0\n");
    cr_heard(world, addr(2, 0), "0.000 start\n10.100 message reply 102 from 1.1\n");
    cr_heard(world, addr(3, 0), "10.000 message 4 from 2.0\n");
    cr_assert_eq(bites_of(world, fault), 1);
}

/* --- user code --- */

typedef struct {
    MobBody base;
    const MobCall *calls; /* ends with a RETURN, or goes round for ever */
    size_t at;
    bool round;
} FakeBody;

typedef struct {
    MobLoader base;
    const MobCall *calls;
    bool round;
} FakeLoader;

static void
body_resume(MobBody *base, const MobAnswer *answer, MobCall *call)
{
    FakeBody *body = (FakeBody *)base;

    if (body->round && body->calls[body->at].kind == MOB_CALL_RETURN)
        body->at = 0;
    *call = body->calls[body->at++];
}

static void
body_free(MobBody *base)
{
    g_free(base);
}

static const MobBodyClass body_class = {body_resume, body_free};

static MobBody *
loader_start(MobLoader *self, const MobBodyContext *context, const MobValue *bundle,
             const MobArgs *args)
{
    const FakeLoader *loader = (FakeLoader *)self;
    FakeBody *body = g_new0(FakeBody, 1);

    body->base.class = &body_class;
    body->calls = loader->calls;
    body->round = loader->round;
    return &body->base;
}

static void
loader_drop(MobLoader *self, MobAddress worker)
{
}

static const MobLoader loader_class = {.start = loader_start, .drop = loader_drop};

/* What a worker would do with calls, as short as can be. */
static void
host_bodies(Fake *fake, const MobInput *input, MobOutbox *out)
{
    if (input->kind == MOB_INPUT_MESSAGE && input->msg->type == MOB_MSG_KV_GET) {
        MobBodyId body = {(uint32_t)++fake->count};
        mob_start(out, body, mob_spec_new(), mob_args_new(0), 1, mob_value_nil());
    }
    if (input->kind != MOB_INPUT_CALL)
        return;
    switch (input->call->kind) {
    case MOB_CALL_COMPUTE:
        mob_compute(out, input->body, input->call->time);
        break;
    case MOB_CALL_SLEEP:
        mob_sleep(out, input->body, input->now + input->call->time);
        break;
    case MOB_CALL_RETURN:
        mob_end(out, input->body);
        break;
    default:
        mob_resume(out, input->body, (MobAnswer){0});
        break;
    }
}

static MobProcess *
hosting_node(MobAddress address, const MobConfig *config, const MobNodeOptions *options,
             uint32_t first_worker)
{
    return fake_new(address, host_bodies, false);
}

static const MobCast hosting = {.gcs = ticking_gcs,
                                .node = hosting_node,
                                .worker = quiet_worker,
                                .result = fake_result,
                                .explain = fake_explain};

static const MobCall computes[] = {{.kind = MOB_CALL_COMPUTE, .time = 10 * MOB_MS},
                                   {.kind = MOB_CALL_RETURN}};
static const MobCall sleeps[] = {{.kind = MOB_CALL_SLEEP, .time = 10 * MOB_MS},
                                 {.kind = MOB_CALL_RETURN}};

/* Bodies begin on n1 at the given milliseconds and 100 us. */
static MobWorld *
with_bodies(FakeLoader *loader, const MobTime *begin, size_t count)
{
    MobWorldOptions options;

    fake_options(&options);
    loader->base = loader_class;
    options.loader = &loader->base;
    options.config.bandwidth = 0;
    MobWorld *world = start_with(&hosting, &options);
    for (size_t i = 0; i < count; i++)
        plan(world, addr(1, GCS), begin[i] * MOB_MS, addr(2, 0), 1, 0);
    return world;
}

Test(world, a_body_computes_on_a_core_and_more_of_them_share_it)
{
    FakeLoader loader = {.calls = computes};
    const MobTime begin[] = {1, 6, 50};
    g_autoptr(MobWorld) world = with_bodies(&loader, begin, 3);

    run_until(world, 100 * MOB_MS);
    /* 5 ms alone, 10 ms with half a core each, 5 ms alone. */
    cr_heard(world, addr(2, 0),
             "0.000 start\n1.100 message 1 from 1.1\n1.100 call compute\n"
             "6.100 message 1 from 1.1\n6.100 call compute\n"
             "16.100 call return\n21.100 call return\n"
             "50.100 message 1 from 1.1\n50.100 call compute\n60.100 call return\n");
}

Test(world, on_a_slow_machine_it_takes_longer_and_a_paused_one_does_not_compute)
{
    FakeLoader loader = {.calls = computes};
    const MobTime begin[] = {1};
    g_autoptr(MobWorld) world = with_bodies(&loader, begin, 1);

    MobOrder order = {.verb = MOB_VERB_SLOW, .target = "n1", .speed_ppm = 500000};
    uint32_t slow = give(world, order);
    run_until(world, 3 * MOB_MS + 100 * MOB_US); /* 1 of 10 ms is done */
    uint32_t pause = give(world, (MobOrder){.verb = MOB_VERB_PAUSE, .target = "n1/node"});
    run_until(world, 20 * MOB_MS);
    heal_it(world, pause);
    run_until(world, 24 * MOB_MS); /* 3 of 10 */
    heal_it(world, slow);
    run_until(world, 100 * MOB_MS);
    cr_heard(world, addr(2, 0),
             "0.000 start\n1.100 message 1 from 1.1\n1.100 call compute\n31.000 call return\n");
    cr_assert_eq(bites_of(world, slow), 2, "when it began and when it went on");
    cr_assert_eq(bites_of(world, pause), 1);
}

Test(world, sleeping_takes_no_core)
{
    FakeLoader loader = {.calls = sleeps};
    const MobTime begin[] = {1, 1};
    g_autoptr(MobWorld) world = with_bodies(&loader, begin, 2);

    run_until(world, 100 * MOB_MS);
    g_autofree char *log = heard(world, addr(2, 0));
    cr_assert(g_str_has_suffix(log, "11.100 call return\n11.100 call return\n"));
}

Test(world, bodies_end_with_their_process)
{
    FakeLoader loader = {.calls = computes};
    const MobTime begin[] = {1, 2};
    g_autoptr(MobWorld) world = with_bodies(&loader, begin, 2);

    run_until(world, 5 * MOB_MS);
    give(world, (MobOrder){.verb = MOB_VERB_KILL, .target = "n1/node"});
    run_until(world, 50 * MOB_MS);
    cr_assert_eq(mob_world_pending(world), 1, "the ticks of the GCS and nothing else");
}

/* --- rest and circles --- */

Test(world, a_body_that_asks_the_same_for_ever_turns_in_circles)
{
    static const MobCall polls[] = {{.kind = MOB_CALL_WAIT, .count = 1},
                                    {.kind = MOB_CALL_GET, .count = 2},
                                    {.kind = MOB_CALL_WAIT, .count = 3},
                                    {.kind = MOB_CALL_RETURN}};
    FakeLoader loader = {.calls = polls, .round = true};
    const MobTime begin[] = {1};
    g_autoptr(MobWorld) world = with_bodies(&loader, begin, 1);

    cr_assert_eq(run_until(world, 5 * MOB_MS), MOB_RUN_LIVELOCK);
    MobControl *control = mob_world_control(world);
    g_autoptr(GString) text = g_string_new(NULL);
    control->explain(control, text);
    cr_assert(strstr(text->str, "n1 turns in circles") != NULL, "%s", text->str);
}

Test(world, a_body_that_gets_something_done_does_not)
{
    static const MobCall works[] = {{.kind = MOB_CALL_OUTPUT}, {.kind = MOB_CALL_RETURN}};
    FakeLoader loader = {.calls = works, .round = true};
    const MobTime begin[] = {1};
    g_autoptr(MobWorld) world = with_bodies(&loader, begin, 1);
    MobControl *control = mob_world_control(world);

    MobUntil until = {.time = MOB_TIME_NEVER, .events = 200000, .limit = MOB_SECOND};
    cr_assert_eq(control->run(control, &until), MOB_RUN_DONE);
    cr_assert_eq(control->now(control), MOB_MS + 100 * MOB_US);
}

static void
chase(Fake *fake, const MobInput *input, MobOutbox *out)
{
    if (input->kind == MOB_INPUT_START || input->kind == MOB_INPUT_TIMER)
        mob_set_timer(out, MOB_TIMER_PULL, MAX(input->now, MOB_MS));
}

static MobProcess *
chasing_gcs(MobAddress address, const MobConfig *config)
{
    return fake_new(address, chase, false);
}

Test(world, a_timer_that_sets_itself_for_now_turns_in_circles)
{
    MobWorldOptions options;
    MobCast cast = quiet;
    cast.gcs = chasing_gcs;
    fake_options(&options);
    g_autoptr(MobWorld) world = mob_world_new_with(&options, &cast);

    cr_assert_eq(run_to_rest(world), MOB_RUN_LIVELOCK);
    cr_assert_eq(mob_world_control(world)->now(mob_world_control(world)), MOB_MS);
}

Test(world, many_messages_at_one_instant_are_no_circle)
{
    MobWorldOptions options;
    fake_options(&options);
    options.encode = false;
    options.config.hop = 0;
    g_autoptr(MobWorld) world = start_with(&ticking, &options);

    for (unsigned i = 0; i < 20000; i++)
        plan(world, addr(2, 0), MOB_MS, addr(1, GCS), 100, 0);
    cr_assert_eq(run_until(world, MOB_MS), MOB_RUN_DONE);
}

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
killer_died(MobWatcher *self, MobAddress process, const char *why, MobTime at)
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

Test(world, a_process_killed_inside_its_step_has_taken_it_without_any_effect)
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

Test(world, what_was_persisted_survives_a_crash_unless_the_disk_is_wiped)
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

Test(world, a_journal_keeps_the_newest_value_in_the_order_of_the_first)
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

/* --- workers --- */

static void
manage(Fake *fake, const MobInput *input, MobOutbox *out)
{
    MobAddress self = fake->base.address;

    if (input->kind == MOB_INPUT_START && self.node == 2)
        for (uint32_t i = 0; i < 3; i++)
            mob_spawn(out, addr(self.node, MOB_FIRST_WORKER + i));
    if (input->kind == MOB_INPUT_TIMER && input->now == 5 * MOB_MS && self.node == 2)
        mob_kill(out, addr(self.node, MOB_FIRST_WORKER + 1));
    if (input->kind == MOB_INPUT_TIMER && input->now == 20 * MOB_MS && self.node == 2)
        mob_exit(out, mob_str_new("enough"));
}

static MobProcess *
managing_node(MobAddress address, const MobConfig *config, const MobNodeOptions *options,
              uint32_t first_worker)
{
    cr_assert_eq(first_worker, MOB_FIRST_WORKER);
    return fake_new(address, manage, true);
}

Test(world, a_node_manager_hears_of_its_workers_and_takes_them_along)
{
    MobWorldOptions options;
    MobCast cast = ticking;
    cast.node = managing_node;
    fake_options(&options);
    g_autoptr(MobWorld) world = start_with(&cast, &options);
    MobControl *control = mob_world_control(world);

    run_until(world, MOB_MS - 1);
    cr_assert_null(control->process(control, addr(2, MOB_FIRST_WORKER)));
    run_until(world, 10 * MOB_MS);
    cr_heard(world, addr(2, MOB_FIRST_WORKER), "1.000 start\n");
    give(world, (MobOrder){.verb = MOB_VERB_KILL, .target = "n1/w2"});
    run_until(world, 15 * MOB_MS);
    cr_heard(world, addr(2, 0),
             "0.000 start\n5.010 child from 2.1003 killed by its node manager\n"
             "10.010 child from 2.1004 killed\n");
    run_until(world, 20 * MOB_MS);
    cr_assert_null(control->process(control, addr(2, 0)));
    cr_assert_not_null(control->process(control, addr(2, MOB_FIRST_WORKER)));
    run_until(world, 20 * MOB_MS + 10 * MOB_US);
    cr_assert_null(control->process(control, addr(2, MOB_FIRST_WORKER)));

    size_t at = 0;
    MobProcInfo info;
    g_autoptr(GString) names = g_string_new(NULL);
    while (mob_world_next_process(world, &at, &info) != NULL)
        g_string_append_printf(names, "%s ", info.name);
    cr_assert_str_eq(names->str, "head gcs n2 ");
}

/* --- jobs --- */

static void
finish(Fake *fake, const MobInput *input, MobOutbox *out)
{
    if (input->kind == MOB_INPUT_START)
        mob_set_timer(out, MOB_TIMER_DEADLINE, 5 * MOB_MS);
    if (input->kind == MOB_INPUT_TIMER) {
        fake->result = mob_value_nil();
        mob_exit(out, NULL);
    }
}

static MobProcess *
finishing_worker(MobAddress address, const MobConfig *config, const MobWorkerOptions *options)
{
    cr_assert(options->driver);
    cr_assert_str_eq(mob_str(options->root_path), address.local == 2 ? "" : "2:");
    return fake_new(address, finish, false);
}

Test(world, a_job_is_over_when_its_driver_is_finished_or_dead)
{
    MobWorldOptions options;
    MobCast cast = quiet;
    cast.worker = finishing_worker;
    fake_options(&options);
    g_autoptr(MobWorld) world = start_with(&cast, &options);
    MobControl *control = mob_world_control(world);
    g_autoptr(GError) error = NULL;
    MobJob job = {.name = "a"};

    cr_assert_eq(control->submit(control, &job, &error), 1);
    cr_assert_eq(control->submit(control, &job, &error), 2);
    MobUntil until = {.job = 1, .time = MOB_TIME_NEVER, .limit = MOB_SECOND};
    run_until(world, MOB_MS);
    give(world, (MobOrder){.verb = MOB_VERB_KILL, .target = "driver2"});
    cr_assert(control->job_done(control, 2) && control->job_result(control, 2) == NULL);
    cr_assert(!control->job_done(control, 1));
    cr_assert_eq(control->run(control, &until), MOB_RUN_DONE);
    cr_assert_eq(control->now(control), 5 * MOB_MS);
    cr_assert_not_null(control->job_result(control, 1));
    give(world, (MobOrder){.verb = MOB_VERB_KILL, .target = "head"});
    cr_assert_eq(control->submit(control, &job, &error), 0);
    cr_assert(strstr(error->message, "head is dead") != NULL, "%s", error->message);
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

Test(world, alarms_are_events_in_which_orders_may_be_given)
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

Test(world, orders_that_make_no_sense_are_refused_with_a_reason)
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

Test(world, a_machine_may_join_and_be_asked_to_leave)
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

Test(world, the_same_options_and_orders_give_the_same_hash)
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

Test(world, the_hash_is_remembered_every_so_often)
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

Test(world, chaos_is_the_same_every_time)
{
    for (uint64_t seed = 1; seed <= 60; seed++)
        cr_assert_eq(chaos(seed, false), chaos(seed, true), "seed %" PRIu64, seed);
}

/* --- causes --- */

typedef struct {
    MobWatcher base;
    GString *seen;
} Historian;

static void
historian_event(MobWatcher *self, const MobEvent *event)
{
    const char *what = event->input != NULL ? mob_input_name(event->input->kind) : "world";

    if (event->input == NULL || event->input->kind != MOB_INPUT_TIMER)
        g_string_append_printf(((Historian *)self)->seen, "%" PRIu64 "<-%" PRIu64 " %s\n",
                               event->number, event->cause, what);
}

Test(world, every_event_names_the_one_it_came_from)
{
    FakeLoader loader = {.calls = computes};
    const MobTime begin[] = {1};
    g_autoptr(MobWorld) world = with_bodies(&loader, begin, 1);
    MobControl *control = mob_world_control(world);
    Historian historian = {.base = {.wanted = MOB_WANT_ALL, historian_event},
                           .seen = g_string_new(NULL)};

    /* 1 to 4 are the starts, 5 is the tick of the GCS that sends. */
    control->watch(control, &historian.base);
    run_until(world, 2 * MOB_MS);
    give(world, (MobOrder){.verb = MOB_VERB_KILL, .target = "gcs"});
    run_until(world, 20 * MOB_MS);
    cr_assert_str_eq(historian.seen->str,
                     "6<-5 message\n7<-6 call\n9<-0 world\n10<-0 reset\n11<-7 call\n");
    g_string_free(historian.seen, TRUE);
}
