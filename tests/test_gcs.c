/* test_gcs.c: who joins, lives, dies and is fenced; jobs and keys; and that a
 * restart at any point changes none of it.
 */
#include "tests/gcs_bench.h"

/* --- nodes --- */

Test(gcs, tells_a_node_that_joins_of_all_and_all_of_the_node)
{
    Bench *bench = bench_new();

    registers(bench, HEAD, "head");
    cr_assert_eq(noted(bench, MOB_NOTE_NODE_JOINED, NULL), 1);
    cr_assert_gt(bench->out.alarms[MOB_TIMER_HEALTH], bench->now);
    cr_assert_gt(bench->out.alarms[MOB_TIMER_JOIN], bench->now);
    step(bench, (MobInput){.kind = MOB_INPUT_TIMER, .timer = MOB_TIMER_JOIN});
    join(bench, N1, "n1");
    const MobMsg *answer = find_sent(bench, MOB_MSG_NODE_REGISTERED, manager(N1));
    const MobViews *views = &mob_node_registered(answer)->views;
    cr_assert_eq(views->count, 2);
    cr_assert_str_eq(mob_str(views->items[0].name), "head");
    cr_assert_eq(views->items[1].node.v, N1);
    cr_assert(views->items[1].alive);
    cr_assert_eq(views->items[1].available.cpu, 4 * MOB_UNIT);
    cr_assert_eq(sent(bench, MOB_MSG_NODE_CHANGED, manager(HEAD)), 1);
    cr_assert_eq(sent(bench, MOB_MSG_NODE_CHANGED, manager(N1)), 0);

    /* The answer was lost: the same again, and nobody hears of it twice. */
    join(bench, N1, "n1");
    cr_assert_eq(sent(bench, MOB_MSG_NODE_REGISTERED, manager(N1)), 1);
    cr_assert_eq(sent(bench, MOB_MSG_NODE_CHANGED, (MobAddress){0}), 0);
    cr_assert_eq(bench->out.notes->len, 0);
    bench_free(bench);
}

Test(gcs, believes_no_node_that_speaks_for_another)
{
    Bench *bench = bench_new();
    MobRegisterNode *msg = mob_register_node_new();

    msg->node.v = N2;
    msg->name = mob_str_new("n2");
    hear(bench, manager(N1), msg);
    cr_assert_not(mob_gcs_node_is_alive(bench->gcs, (MobNodeId){N2}));
    join_three(bench);
    worker_dies(bench, N1, (MobAddress){N2, W0});
    cr_assert_eq(sent(bench, MOB_MSG_WORKER_DIED, (MobAddress){0}), 0);
    worker_dies(bench, N1, manager(N1));
    cr_assert_eq(sent(bench, MOB_MSG_WORKER_DIED, (MobAddress){0}), 0);

    MobRegisterNode *nameless = mob_register_node_new();
    nameless->node.v = 9;
    hear(bench, manager(9), nameless);
    cr_assert_eq(sent(bench, MOB_MSG_FENCE, manager(9)), 1);
    cr_assert_not(mob_gcs_node_is_alive(bench->gcs, (MobNodeId){9}));
    bench_free(bench);
}

Test(gcs, declares_a_silent_node_dead_and_fences_it_for_good)
{
    Bench *bench = bench_new();

    join_three(bench);
    add_job(bench, (MobAddress){N1, MOB_LOCAL_WORKER});
    for (int i = 0; i < 5; i++)
        probe(bench, ~0u);
    cr_assert_eq(sent(bench, MOB_MSG_HEALTH_CHECK, (MobAddress){0}), 3);
    probe(bench, ~(1u << N1));
    probe(bench, ~(1u << N1));
    cr_assert(mob_gcs_node_is_alive(bench->gcs, (MobNodeId){N1}));
    probe(bench, ~(1u << N1));
    cr_assert_not(mob_gcs_node_is_alive(bench->gcs, (MobNodeId){N1}));
    cr_assert_eq(noted(bench, MOB_NOTE_NODE_DECLARED_DEAD, "2 heartbeats missed"), 1);
    cr_assert_eq(sent(bench, MOB_MSG_NODE_CHANGED, (MobAddress){0}), 2);
    cr_assert_eq(sent(bench, MOB_MSG_HEALTH_CHECK, manager(N1)), 0);
    /* The driver there is gone with it, and so is its job. */
    cr_assert_eq(sent(bench, MOB_MSG_JOB_FINISHED, manager(N2)), 1);

    /* It was only cut off, and its processes go on talking. */
    report(bench, N1, 0, false);
    cr_assert_eq(sent(bench, MOB_MSG_FENCE, manager(N1)), 1);
    cr_assert_eq(bench->out.effects->len, 1);
    join(bench, N1, "n1");
    cr_assert_eq(sent(bench, MOB_MSG_FENCE, manager(N1)), 1);
    add_job(bench, (MobAddress){N1, W0});
    cr_assert_eq(sent(bench, MOB_MSG_FENCE, manager(N1)), 1);
    cr_assert_eq(sent(bench, MOB_MSG_JOB_ADDED, (MobAddress){0}), 0);
    cr_assert_not(mob_gcs_node_is_alive(bench->gcs, (MobNodeId){N1}));

    /* A new life of the machine is another node. */
    join(bench, N1_AGAIN, "n1");
    cr_assert(mob_gcs_node_is_alive(bench->gcs, (MobNodeId){N1_AGAIN}));
    bench_free(bench);
}

Test(gcs, one_missed_probe_is_forgiven_and_a_late_answer_counts)
{
    Bench *bench = bench_new();

    join_three(bench);
    for (int i = 0; i < 20; i++)
        probe(bench, i % 2 == 0 ? ~0u : ~(1u << N1));
    cr_assert(mob_gcs_node_is_alive(bench->gcs, (MobNodeId){N1}));

    MobHealthReply *boast = mob_health_reply_new();
    boast->number = 1000000; /* no such probe: it earns nothing */
    hear(bench, manager(N1), boast);
    for (int i = 0; i < 3; i++)
        probe(bench, ~(1u << N1));
    cr_assert_not(mob_gcs_node_is_alive(bench->gcs, (MobNodeId){N1}));
    bench_free(bench);
}

Test(gcs, a_new_life_of_a_machine_ends_the_old_one)
{
    Bench *bench = bench_new();

    join_three(bench);
    registers(bench, N1_AGAIN, "n1");
    cr_assert_not(mob_gcs_node_is_alive(bench->gcs, (MobNodeId){N1}));
    cr_assert(mob_gcs_node_is_alive(bench->gcs, (MobNodeId){N1_AGAIN}));
    cr_assert_eq(noted(bench, MOB_NOTE_NODE_DECLARED_DEAD, "the machine was started again"), 1);
    cr_assert_eq(sent(bench, MOB_MSG_NODE_CHANGED, manager(N2)), 1);
    step(bench, (MobInput){.kind = MOB_INPUT_TIMER, .timer = MOB_TIMER_JOIN});
    cr_assert_eq(sent(bench, MOB_MSG_NODE_CHANGED, manager(N2)), 1);

    /* A message of an older life that was long on its way. */
    join(bench, 7, "n3");
    join(bench, 6, "n3");
    cr_assert(mob_gcs_node_is_alive(bench->gcs, (MobNodeId){7}));
    cr_assert_eq(sent(bench, MOB_MSG_FENCE, manager(6)), 1);
    bench_free(bench);
}

Test(gcs, nodes_that_join_together_are_made_known_together)
{
    Bench *bench = bench_new();

    join(bench, HEAD, "head");
    registers(bench, N1, "n1");
    cr_assert_gt(bench->out.alarms[MOB_TIMER_JOIN], bench->now);
    registers(bench, N2, "n2");
    cr_assert_eq(bench->out.alarms[MOB_TIMER_JOIN], 0, "it is set already");
    registers(bench, N2, "n2"); /* again, because nobody answered */
    cr_assert_eq(bench->out.effects->len, 0);
    step(bench, (MobInput){.kind = MOB_INPUT_TIMER, .timer = MOB_TIMER_JOIN});
    const MobMsg *news = find_sent(bench, MOB_MSG_NODE_CHANGED, manager(HEAD));
    cr_assert_eq(mob_node_changed(news)->views.count, 2);
    const MobMsg *hello = find_sent(bench, MOB_MSG_NODE_REGISTERED, manager(N1));
    cr_assert_eq(hello, find_sent(bench, MOB_MSG_NODE_REGISTERED, manager(N2)));
    cr_assert_eq(mob_node_registered(hello)->views.count, 3);

    /* While the news of many fills the wires nobody is missed … */
    bench->config.join_grace = 50 * MOB_MS;
    join(bench, N1_AGAIN, "n4");
    for (int i = 0; i < 4; i++)
        probe(bench, 0);
    cr_assert_eq(sent(bench, MOB_MSG_HEALTH_CHECK, (MobAddress){0}), 0);
    cr_assert_gt(bench->out.alarms[MOB_TIMER_HEALTH], bench->now);
    /* … but not for ever. */
    for (int i = 0; i < 4; i++)
        probe(bench, 0);
    cr_assert_not(mob_gcs_node_is_alive(bench->gcs, (MobNodeId){N2}));
    bench_free(bench);
}

Test(gcs, a_node_that_leaves_is_not_declared_dead)
{
    Bench *bench = bench_new();
    MobUnregisterNode *msg = mob_unregister_node_new();

    join_three(bench);
    msg->reason = mob_str_new("drained");
    hear(bench, manager(N2), msg);
    cr_assert_eq(noted(bench, MOB_NOTE_NODE_LEFT, "drained"), 1);
    cr_assert_eq(noted(bench, MOB_NOTE_NODE_DECLARED_DEAD, "drained"), 0);
    const MobMsg *changed = find_sent(bench, MOB_MSG_NODE_CHANGED, manager(N1));
    cr_assert_not(mob_node_changed(changed)->views.items[0].alive);
    bench_free(bench);
}

Test(gcs, publishes_what_changed_once_a_period_to_those_who_follow)
{
    Bench *bench = bench_new();

    join_three(bench);
    report(bench, N1, 3 * MOB_UNIT, false);
    cr_assert_eq(bench->out.alarms[MOB_TIMER_VIEW], bench->now + bench->config.view_period);
    report(bench, N1, 2 * MOB_UNIT, false);
    cr_assert_eq(bench->out.alarms[MOB_TIMER_VIEW], 0, "it is set already");
    report(bench, N1, 2 * MOB_UNIT, false);
    report(bench, N2, 4 * MOB_UNIT, false); /* as before */
    const MobMsg *all = find_sent(bench, MOB_MSG_RESOURCE_VIEW, manager(N2));
    cr_assert_eq(mob_resource_view(all)->views.count, 3, "who begins to follow gets all of it");
    fire(bench, MOB_TIMER_VIEW);
    cr_assert_null(find_sent(bench, MOB_MSG_RESOURCE_VIEW, manager(HEAD)), "it does not follow");
    const MobMsg *view = find_sent(bench, MOB_MSG_RESOURCE_VIEW, manager(N1));
    cr_assert_eq(view, find_sent(bench, MOB_MSG_RESOURCE_VIEW, manager(N2)));
    cr_assert_eq(mob_resource_view(view)->views.count, 1);
    cr_assert_eq(mob_resource_view(view)->views.items[0].available.cpu, 2 * MOB_UNIT);
    cr_assert_eq(bench->out.alarms[MOB_TIMER_VIEW], 0, "nothing more to publish");

    report(bench, N2, 4 * MOB_UNIT, true);
    const MobMsg *changed = find_sent(bench, MOB_MSG_NODE_CHANGED, manager(HEAD));
    cr_assert(mob_node_changed(changed)->views.items[0].draining, "draining is told at once");
    bench_free(bench);
}

/* --- workers and jobs --- */

Test(gcs, spreads_the_death_of_a_worker_once)
{
    Bench *bench = bench_new();

    join_three(bench);
    worker_dies(bench, N1, (MobAddress){N1, W0});
    cr_assert_eq(sent(bench, MOB_MSG_WORKER_DIED, (MobAddress){0}), 3);
    worker_dies(bench, N1, (MobAddress){N1, W0});
    cr_assert_eq(sent(bench, MOB_MSG_WORKER_DIED, (MobAddress){0}), 0);
    bench_free(bench);
}

Test(gcs, says_again_what_a_broken_connection_may_have_lost)
{
    Bench *bench = bench_new();

    join_three(bench);
    step(bench, (MobInput){.kind = MOB_INPUT_RESET, .from = manager(N2)});
    cr_assert(mob_gcs_node_is_alive(bench->gcs, (MobNodeId){N2}), "a reset is not a death");
    cr_assert_eq(bench->out.effects->len, 0);
    worker_dies(bench, N1, (MobAddress){N1, W0});
    report(bench, N2, 0, false);
    cr_assert_eq(sent(bench, MOB_MSG_WORKER_DIED, manager(N2)), 1);
    cr_assert_eq(sent(bench, MOB_MSG_NODE_REGISTERED, manager(N2)), 1);
    report(bench, N2, 0, false);
    cr_assert_eq(bench->out.effects->len, 0, "once is enough");
    bench_free(bench);
}

Test(gcs, numbers_jobs_and_ends_them_with_their_drivers)
{
    Bench *bench = bench_new();
    MobAddress second = {N1, MOB_LOCAL_WORKER};

    join_three(bench);
    add_job(bench, driver);
    cr_assert_eq(mob_job_added(find_sent(bench, MOB_MSG_JOB_ADDED, driver))->job, 1);
    cr_assert_eq(noted(bench, MOB_NOTE_JOB_STARTED, NULL), 1);
    add_job(bench, driver);
    cr_assert_eq(mob_job_added(find_sent(bench, MOB_MSG_JOB_ADDED, driver))->job, 1);
    cr_assert_eq(noted(bench, MOB_NOTE_JOB_STARTED, NULL), 0);
    add_job(bench, second);
    cr_assert_eq(mob_job_added(find_sent(bench, MOB_MSG_JOB_ADDED, second))->job, 2);

    hear(bench, driver, mob_finish_job_new());
    cr_assert_eq(sent(bench, MOB_MSG_JOB_FINISHED, (MobAddress){0}), 4);
    hear(bench, driver, mob_finish_job_new());
    cr_assert_eq(sent(bench, MOB_MSG_JOB_FINISHED, (MobAddress){0}), 1);

    worker_dies(bench, N1, second);
    cr_assert_eq(sent(bench, MOB_MSG_JOB_FINISHED, manager(N2)), 1);
    add_job(bench, second);
    cr_assert_eq(bench->out.effects->len, 0, "the dead begin nothing");
    bench_free(bench);
}

Test(gcs, remembers_values_under_keys)
{
    Bench *bench = bench_new();

    put(bench, "a\0b", 3, 1, false);
    const MobMsg *reply = find_sent(bench, MOB_MSG_KV_PUT_REPLY, driver);
    cr_assert(mob_kv_put_reply(reply)->added);
    cr_assert_eq(mob_kv_put_reply(reply)->request, 5);
    put(bench, "a\0c", 3, 2, false);
    put(bench, "", 0, 3, false);
    put(bench, "a\0b", 3, 9, false);
    cr_assert_not(mob_kv_put_reply(find_sent(bench, MOB_MSG_KV_PUT_REPLY, driver))->added);
    cr_assert_eq(mob_gcs_kv_bytes(bench->gcs), 3);
    put(bench, "a\0c", 3, 1000, true);
    cr_assert_eq(mob_gcs_kv_bytes(bench->gcs), 5);
    for (int life = 0; life < 2; life++) {
        cr_assert_eq(get(bench, "a\0b", 3), 1);
        cr_assert_eq(get(bench, "a\0c", 3), 1000);
        cr_assert_eq(get(bench, "", 0), 3);
        cr_assert_eq(get(bench, "b", 1), -1);
        restart(bench);
    }
    cr_assert_eq(mob_gcs_kv_bytes(bench->gcs), 5);
    hear(bench, driver, mob_kv_put_new()); /* without a value */
    cr_assert_not(mob_kv_put_reply(find_sent(bench, MOB_MSG_KV_PUT_REPLY, driver))->added);
    bench_free(bench);
}

/* --- restarts --- */

/* One thing that happens in the story below; false when it is over. */
static bool
happen(Bench *bench, int moment)
{
    MobUnregisterNode *leaves;

    switch (moment) {
    case 0:
        join(bench, HEAD, "head");
        break;
    case 1:
        join(bench, N1, "n1");
        break;
    case 2:
        add_job(bench, driver);
        break;
    case 3:
        put(bench, "program", 7, 1, false);
        break;
    case 4:
        join(bench, N2, "n2");
        break;
    case 5:
        worker_dies(bench, N2, (MobAddress){N2, W0});
        break;
    case 6:
        join(bench, N1_AGAIN, "n1");
        break;
    case 7:
        add_job(bench, (MobAddress){N2, MOB_LOCAL_WORKER});
        break;
    case 8:
        put(bench, "program", 7, 2, true);
        break;
    case 9:
        hear(bench, driver, mob_finish_job_new());
        break;
    case 10:
        worker_dies(bench, N2, (MobAddress){N2, MOB_LOCAL_WORKER});
        break;
    case 11:
        leaves = mob_unregister_node_new();
        hear(bench, manager(N2), leaves);
        break;
    case 12:
        add_job(bench, (MobAddress){HEAD, MOB_LOCAL_WORKER + 1});
        break;
    default:
        return false;
    }
    return true;
}

/* What a restart must not change, line by line. */
static char *
durable(const Bench *bench)
{
    g_autoptr(GString) text = g_string_new(NULL);
    GString *kept = g_string_new(NULL);

    bench->gcs->class->dump(bench->gcs, text);
    g_auto(GStrv) lines = g_strsplit(text->str, "\n", -1);
    for (char **line = lines; *line != NULL; line++) {
        char *soft = strstr(*line, " answered=");
        if (g_str_has_prefix(*line, "gcs "))
            continue;
        if (soft != NULL)
            *soft = '\0';
        g_string_append_printf(kept, "%s\n", *line);
    }
    return g_string_free(kept, FALSE);
}

Test(gcs, killed_at_any_point_goes_on_as_if_nothing_had_been)
{
    Bench *calm = bench_new();
    int moments = 0;

    while (happen(calm, moments))
        moments++;
    g_autofree char *end = durable(calm);
    cr_assert_not_null(strstr(end, "job 3 chain"));
    bench_free(calm);

    for (int killed = 0; killed <= moments; killed++) {
        Bench *bench = bench_new();
        for (int i = 0; i < killed; i++)
            happen(bench, i);
        g_autofree char *before = durable(bench);
        size_t alive = 0;
        for (uint32_t node = HEAD; node <= N1_AGAIN; node++)
            alive += mob_gcs_node_is_alive(bench->gcs, (MobNodeId){node});
        restart(bench);
        g_autofree char *after = durable(bench);
        cr_assert_str_eq(after, before);
        cr_assert_eq(noted(bench, MOB_NOTE_GCS_RESTARTED, NULL), 1);
        cr_assert_eq(sent(bench, MOB_MSG_GCS_RESTARTED, (MobAddress){0}), (int)alive);
        cr_assert_eq(sent(bench, MOB_MSG_HEALTH_CHECK, (MobAddress){0}), (int)alive);

        /* The newest thing may have been answered or not: it happens again. */
        for (int i = MAX(killed - 1, 0); i < moments; i++)
            happen(bench, i);
        g_autofree char *finally = durable(bench);
        cr_assert_str_eq(finally, end);
        bench_free(bench);
    }
}

Test(gcs, with_unreadable_files_says_so_and_exits)
{
    Bench *bench = bench_new();

    join_three(bench);
    for (guint i = 0; i < bench->disk->len; i++) {
        MobPersisted *record = &g_array_index(bench->disk, MobPersisted, i);
        GBytes *whole = record->value;
        record->value = g_bytes_new_from_bytes(whole, 0, g_bytes_get_size(whole) - 1);
        restart(bench);
        cr_assert_eq(bench->out.effects->len, 1);
        const MobEffect *effect = &g_array_index(bench->out.effects, MobEffect, 0);
        cr_assert_eq(effect->kind, MOB_EFFECT_EXIT);
        cr_assert_not_null(strstr(mob_str(effect->str), mob_str(record->key)));
        cr_assert_eq(bench->out.persists->len, 0);
        g_bytes_unref(record->value);
        record->value = whole;
    }
    restart(bench);
    cr_assert_eq(noted(bench, MOB_NOTE_GCS_RESTARTED, NULL), 1);
    bench_free(bench);
}
