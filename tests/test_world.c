/* test_world.c: the loop of the simulated world: steps, timers, service, user
 * code, workers, jobs, rest and circles; with fake processes. */
#include "fake_bodies.h"

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

Test(world, a_body_may_end_whose_process_was_paused_when_it_was_to_wake)
{
    FakeLoader loader = {.calls = sleeps};
    const MobTime begin[] = {1};
    g_autoptr(MobWorld) world = with_bodies(&loader, begin, 1);

    run_until(world, 5 * MOB_MS);
    give(world, (MobOrder){.verb = MOB_VERB_PAUSE, .target = "n1/node"});
    run_until(world, 30 * MOB_MS);
    give(world, (MobOrder){.verb = MOB_VERB_KILL, .target = "n1/node"});
    run_until(world, 50 * MOB_MS);
    cr_assert_eq(mob_world_pending(world), 1, "the ticks of the GCS and nothing else");
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

Test(world, a_paused_process_may_die_when_what_slept_in_it_is_due)
{
    FakeLoader loader = {.calls = sleeps};
    const MobTime begin[] = {1};
    g_autoptr(MobWorld) world = with_bodies(&loader, begin, 1);

    run_until(world, 5 * MOB_MS);
    give(world, (MobOrder){.verb = MOB_VERB_PAUSE, .target = "n1"});
    run_until(world, 50 * MOB_MS);
    give(world, (MobOrder){.verb = MOB_VERB_KILL, .target = "n1/node"});
    run_until(world, 60 * MOB_MS);
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
