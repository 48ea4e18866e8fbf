/* test_gcs.c: who joins, lives, dies and is fenced; jobs and keys; and that a
 * restart at any point changes none of it.
 */
#include "tests/gcs_rig.h"

/* --- nodes --- */

Test(gcs, tells_those_that_follow_of_a_node_that_joins)
{
    Rig *rig = gcs_new();

    registers(rig, HEAD, "head");
    cr_assert_eq(noted(rig, MOB_NOTE_NODE_JOINED, NULL), 1);
    cr_assert_gt(rig->out.alarms[MOB_TIMER_HEALTH], rig->now);
    cr_assert_gt(rig->out.alarms[MOB_TIMER_JOIN], rig->now);
    rig_timer(rig, MOB_TIMER_JOIN, rig->now);
    const MobMsg *answer = rig_sent(rig, manager(HEAD), MOB_MSG_NODE_REGISTERED, 0);
    cr_assert_eq(mob_node_registered(answer)->views.count, 1);
    cr_assert_eq(mob_node_registered(answer)->views.items[0].node.v, HEAD);
    join(rig, N1, "n1");
    const MobViews *views =
        &mob_node_changed(rig_sent(rig, manager(HEAD), MOB_MSG_NODE_CHANGED, 0))->views;
    cr_assert_eq(views->count, 1);
    cr_assert_str_eq(mob_str(views->items[0].name), "n1");
    cr_assert_eq(views->items[0].node.v, N1);
    cr_assert(views->items[0].alive);
    cr_assert_eq(views->items[0].available.cpu, 4 * MOB_UNIT);

    join(rig, N2, "n2");
    cr_assert_eq(rig_count_to(rig, manager(HEAD), MOB_MSG_NODE_CHANGED), 1);
    cr_assert_eq(rig_count_to(rig, manager(N1), MOB_MSG_NODE_CHANGED), 0, "it does not follow");
    gcs_free(rig);
}

Test(gcs, tells_a_node_that_joins_who_is_dead_and_no_more)
{
    Rig *rig = gcs_new();

    join_three(rig);
    registers(rig, N1_AGAIN, "n1");
    cr_assert_eq(rig_count_to(rig, manager(N2), MOB_MSG_NODE_CHANGED), 1, "death concerns all");
    rig_timer(rig, MOB_TIMER_JOIN, rig->now);
    const MobMsg *answer = rig_sent(rig, manager(N1_AGAIN), MOB_MSG_NODE_REGISTERED, 0);
    const MobViews *views = &mob_node_registered(answer)->views;
    cr_assert_eq(views->count, 1);
    cr_assert_eq(views->items[0].node.v, N1);
    cr_assert_not(views->items[0].alive);
    gcs_free(rig);
}

Test(gcs, repeats_its_answer_to_a_node_only_where_the_connection_broke)
{
    Rig *rig = gcs_new();

    join_three(rig);
    join(rig, N1, "n1");
    join(rig, HEAD, "head");
    cr_assert_eq(rig->out.effects->len, 0, "the answer is under way");
    cr_assert_eq(rig->out.notes->len, 0);

    rig_reset(rig, manager(HEAD));
    rig_reset(rig, manager(N1));
    for (int again = 0; again < 2; again++) {
        registers(rig, N1, "n1");
        cr_assert_eq(rig->out.effects->len, again == 0 ? 1 : 0);
        registers(rig, HEAD, "head");
        const MobMsg *answer = rig_sent(rig, manager(HEAD), MOB_MSG_NODE_REGISTERED, 0);
        cr_assert_eq(rig->out.effects->len, again == 0 ? 1 : 0);
        cr_assert(again == 1 || mob_node_registered(answer)->views.count == 3,
                  "news of who is there may have been lost");
    }
    gcs_free(rig);
}

Test(gcs, believes_no_node_that_speaks_for_another)
{
    Rig *rig = gcs_new();
    MobRegisterNode *msg = mob_register_node_new();

    msg->node.v = N2;
    msg->name = mob_str_new("n2");
    rig_give(rig, manager(N1), msg);
    cr_assert_not(mob_gcs_node_is_alive(rig->process, (MobNodeId){N2}));
    join_three(rig);
    worker_dies(rig, N1, (MobAddress){N2, W0});
    cr_assert_eq(rig_count(rig, MOB_MSG_WORKER_DIED), 0);
    worker_dies(rig, N1, manager(N1));
    cr_assert_eq(rig_count(rig, MOB_MSG_WORKER_DIED), 0);

    MobRegisterNode *nameless = mob_register_node_new();
    nameless->node.v = 9;
    rig_give(rig, manager(9), nameless);
    cr_assert_eq(rig_count_to(rig, manager(9), MOB_MSG_FENCE), 1);
    cr_assert_not(mob_gcs_node_is_alive(rig->process, (MobNodeId){9}));
    gcs_free(rig);
}

Test(gcs, declares_a_silent_node_dead_and_fences_it_for_good)
{
    Rig *rig = gcs_new();

    join_three(rig);
    add_job(rig, (MobAddress){N1, MOB_LOCAL_WORKER});
    for (int i = 0; i < 5; i++)
        probe(rig, ~0u);
    cr_assert_eq(rig_count(rig, MOB_MSG_HEALTH_CHECK), 3);
    probe(rig, ~(1u << N1));
    probe(rig, ~(1u << N1));
    cr_assert(mob_gcs_node_is_alive(rig->process, (MobNodeId){N1}));
    probe(rig, ~(1u << N1));
    cr_assert_not(mob_gcs_node_is_alive(rig->process, (MobNodeId){N1}));
    cr_assert_eq(noted(rig, MOB_NOTE_NODE_DECLARED_DEAD, "2 heartbeats missed"), 1);
    cr_assert_eq(rig_count(rig, MOB_MSG_NODE_CHANGED), 2);
    cr_assert_eq(rig_count_to(rig, manager(N1), MOB_MSG_HEALTH_CHECK), 0);
    cr_assert_eq(rig_count_to(rig, manager(N1), MOB_MSG_FENCE), 1, "it may have nothing to say");
    /* The driver there is gone with it, and so is its job. */
    cr_assert_eq(rig_count_to(rig, manager(N2), MOB_MSG_JOB_FINISHED), 1);

    /* It was only cut off, and its processes go on talking. */
    report(rig, N1, 0, false);
    cr_assert_eq(rig_count_to(rig, manager(N1), MOB_MSG_FENCE), 1);
    cr_assert_eq(rig->out.effects->len, 1);
    join(rig, N1, "n1");
    cr_assert_eq(rig_count_to(rig, manager(N1), MOB_MSG_FENCE), 1);
    add_job(rig, (MobAddress){N1, W0});
    cr_assert_eq(rig_count_to(rig, manager(N1), MOB_MSG_FENCE), 1);
    cr_assert_eq(rig_count(rig, MOB_MSG_JOB_ADDED), 0);
    cr_assert_not(mob_gcs_node_is_alive(rig->process, (MobNodeId){N1}));

    /* A new life of the machine is another node. */
    join(rig, N1_AGAIN, "n1");
    cr_assert(mob_gcs_node_is_alive(rig->process, (MobNodeId){N1_AGAIN}));
    gcs_free(rig);
}

Test(gcs, one_missed_probe_is_forgiven_and_a_late_answer_counts)
{
    Rig *rig = gcs_new();

    join_three(rig);
    for (int i = 0; i < 20; i++)
        probe(rig, i % 2 == 0 ? ~0u : ~(1u << N1));
    cr_assert(mob_gcs_node_is_alive(rig->process, (MobNodeId){N1}));

    MobHealthReply *boast = mob_health_reply_new();
    boast->number = 1000000; /* no such probe: it earns nothing */
    rig_give(rig, manager(N1), boast);
    for (int i = 0; i < 3; i++)
        probe(rig, ~(1u << N1));
    cr_assert_not(mob_gcs_node_is_alive(rig->process, (MobNodeId){N1}));
    gcs_free(rig);
}

Test(gcs, a_new_life_of_a_machine_ends_the_old_one)
{
    Rig *rig = gcs_new();

    join_three(rig);
    registers(rig, N1_AGAIN, "n1");
    cr_assert_not(mob_gcs_node_is_alive(rig->process, (MobNodeId){N1}));
    cr_assert(mob_gcs_node_is_alive(rig->process, (MobNodeId){N1_AGAIN}));
    cr_assert_eq(noted(rig, MOB_NOTE_NODE_DECLARED_DEAD, "the machine was started again"), 1);
    cr_assert_eq(rig_count_to(rig, manager(N1), MOB_MSG_FENCE), 1);
    cr_assert_eq(rig_count_to(rig, manager(N2), MOB_MSG_NODE_CHANGED), 1);
    rig_timer(rig, MOB_TIMER_JOIN, rig->now);
    cr_assert_eq(rig_count_to(rig, manager(HEAD), MOB_MSG_NODE_CHANGED), 1);

    /* A message of an older life that was long on its way. */
    join(rig, 7, "n3");
    join(rig, 6, "n3");
    cr_assert(mob_gcs_node_is_alive(rig->process, (MobNodeId){7}));
    cr_assert_eq(rig_count_to(rig, manager(6), MOB_MSG_FENCE), 1);
    gcs_free(rig);
}

Test(gcs, nodes_that_join_together_are_made_known_together)
{
    Rig *rig = gcs_new();

    join(rig, HEAD, "head");
    registers(rig, N1, "n1");
    cr_assert_gt(rig->out.alarms[MOB_TIMER_JOIN], rig->now);
    registers(rig, N2, "n2");
    cr_assert_eq(rig->out.alarms[MOB_TIMER_JOIN], 0, "it is set already");
    registers(rig, N2, "n2"); /* again, because nobody answered */
    cr_assert_eq(rig->out.effects->len, 0);
    rig_timer(rig, MOB_TIMER_JOIN, rig->now);
    const MobMsg *news = rig_sent(rig, manager(HEAD), MOB_MSG_NODE_CHANGED, 0);
    cr_assert_eq(mob_node_changed(news)->views.count, 2);
    const MobMsg *hello = rig_sent(rig, manager(N1), MOB_MSG_NODE_REGISTERED, 0);
    cr_assert_eq(hello, rig_sent(rig, manager(N2), MOB_MSG_NODE_REGISTERED, 0));
    gcs_free(rig);
}

Test(gcs, a_node_that_leaves_is_not_declared_dead)
{
    Rig *rig = gcs_new();
    MobUnregisterNode *msg = mob_unregister_node_new();

    join_three(rig);
    msg->reason = mob_str_new("drained");
    rig_give(rig, manager(N2), msg);
    cr_assert_eq(noted(rig, MOB_NOTE_NODE_LEFT, "drained"), 1);
    cr_assert_eq(noted(rig, MOB_NOTE_NODE_DECLARED_DEAD, "drained"), 0);
    const MobMsg *changed = rig_sent(rig, manager(N1), MOB_MSG_NODE_CHANGED, 0);
    cr_assert_not(mob_node_changed(changed)->views.items[0].alive);
    gcs_free(rig);
}

Test(gcs, publishes_what_changed_once_a_period_to_those_who_follow)
{
    Rig *rig = gcs_new();

    join_three(rig);
    report(rig, N1, 3 * MOB_UNIT, false);
    cr_assert_eq(rig->out.alarms[MOB_TIMER_VIEW], rig->now + rig->config.view_period);
    report(rig, N1, 2 * MOB_UNIT, false);
    cr_assert_eq(rig->out.alarms[MOB_TIMER_VIEW], 0, "it is set already");
    report(rig, N1, 2 * MOB_UNIT, false);
    report(rig, N2, 4 * MOB_UNIT, false); /* as before */
    const MobMsg *all = rig_sent(rig, manager(N2), MOB_MSG_RESOURCE_VIEW, 0);
    cr_assert_eq(mob_resource_view(all)->views.count, 3, "who begins to follow gets all of it");
    fire(rig, MOB_TIMER_VIEW);
    cr_assert_null(rig_sent(rig, manager(N1), MOB_MSG_RESOURCE_VIEW, 0), "it does not follow");
    const MobMsg *view = rig_sent(rig, manager(HEAD), MOB_MSG_RESOURCE_VIEW, 0);
    cr_assert_eq(view, rig_sent(rig, manager(N2), MOB_MSG_RESOURCE_VIEW, 0));
    cr_assert_eq(mob_resource_view(view)->views.count, 1);
    cr_assert_eq(mob_resource_view(view)->views.items[0].available.cpu, 2 * MOB_UNIT);
    cr_assert_eq(rig->out.alarms[MOB_TIMER_VIEW], 0, "nothing more to publish");

    report(rig, N2, 4 * MOB_UNIT, true);
    const MobMsg *changed = rig_sent(rig, manager(HEAD), MOB_MSG_NODE_CHANGED, 0);
    cr_assert(mob_node_changed(changed)->views.items[0].draining, "draining is told at once");
    cr_assert_eq(rig_count_to(rig, manager(N1), MOB_MSG_NODE_CHANGED), 0);
    gcs_free(rig);
}

/* --- workers and jobs --- */

Test(gcs, spreads_the_death_of_a_worker_once)
{
    Rig *rig = gcs_new();

    join_three(rig);
    worker_dies(rig, N1, (MobAddress){N1, W0});
    cr_assert_eq(rig_count(rig, MOB_MSG_WORKER_DIED), 3);
    worker_dies(rig, N1, (MobAddress){N1, W0});
    cr_assert_eq(rig_count(rig, MOB_MSG_WORKER_DIED), 0);
    gcs_free(rig);
}

Test(gcs, says_again_what_a_broken_connection_may_have_lost)
{
    Rig *rig = gcs_new();

    join_three(rig);
    rig_reset(rig, manager(N2));
    cr_assert(mob_gcs_node_is_alive(rig->process, (MobNodeId){N2}), "a reset is not a death");
    cr_assert_eq(rig->out.effects->len, 0);
    worker_dies(rig, N1, (MobAddress){N1, W0});
    report(rig, N2, 0, false);
    cr_assert_eq(rig_count_to(rig, manager(N2), MOB_MSG_WORKER_DIED), 1);
    cr_assert_eq(rig_count_to(rig, manager(N2), MOB_MSG_NODE_REGISTERED), 1);
    report(rig, N2, 0, false);
    cr_assert_eq(rig->out.effects->len, 0, "once is enough");
    gcs_free(rig);
}

Test(gcs, numbers_jobs_and_ends_them_with_their_drivers)
{
    Rig *rig = gcs_new();
    MobAddress second = {N1, MOB_LOCAL_WORKER};

    join_three(rig);
    add_job(rig, driver);
    cr_assert_eq(mob_job_added(rig_sent(rig, driver, MOB_MSG_JOB_ADDED, 0))->job, 1);
    cr_assert_eq(noted(rig, MOB_NOTE_JOB_STARTED, NULL), 1);
    add_job(rig, driver);
    cr_assert_eq(mob_job_added(rig_sent(rig, driver, MOB_MSG_JOB_ADDED, 0))->job, 1);
    cr_assert_eq(noted(rig, MOB_NOTE_JOB_STARTED, NULL), 0);
    add_job(rig, second);
    cr_assert_eq(mob_job_added(rig_sent(rig, second, MOB_MSG_JOB_ADDED, 0))->job, 2);

    rig_give(rig, driver, mob_finish_job_new());
    cr_assert_eq(rig_count(rig, MOB_MSG_JOB_FINISHED), 4);
    rig_give(rig, driver, mob_finish_job_new());
    cr_assert_eq(rig_count(rig, MOB_MSG_JOB_FINISHED), 1);

    worker_dies(rig, N1, second);
    cr_assert_eq(rig_count_to(rig, manager(N2), MOB_MSG_JOB_FINISHED), 1);
    add_job(rig, second);
    cr_assert_eq(rig->out.effects->len, 0, "the dead begin nothing");
    gcs_free(rig);
}

Test(gcs, remembers_values_under_keys)
{
    Rig *rig = gcs_new();

    put(rig, "a\0b", 3, 1, false);
    const MobMsg *reply = rig_sent(rig, driver, MOB_MSG_KV_PUT_REPLY, 0);
    cr_assert(mob_kv_put_reply(reply)->added);
    cr_assert_eq(mob_kv_put_reply(reply)->request, 5);
    put(rig, "a\0c", 3, 2, false);
    put(rig, "", 0, 3, false);
    put(rig, "a\0b", 3, 9, false);
    cr_assert_not(mob_kv_put_reply(rig_sent(rig, driver, MOB_MSG_KV_PUT_REPLY, 0))->added);
    cr_assert_eq(mob_gcs_kv_bytes(rig->process), 3);
    put(rig, "a\0c", 3, 1000, true);
    cr_assert_eq(mob_gcs_kv_bytes(rig->process), 5);
    for (int life = 0; life < 2; life++) {
        cr_assert_eq(get(rig, "a\0b", 3), 1);
        cr_assert_eq(get(rig, "a\0c", 3), 1000);
        cr_assert_eq(get(rig, "", 0), 3);
        cr_assert_eq(get(rig, "b", 1), -1);
        restart(rig);
    }
    cr_assert_eq(mob_gcs_kv_bytes(rig->process), 5);
    rig_give(rig, driver, mob_kv_put_new()); /* without a value */
    cr_assert_not(mob_kv_put_reply(rig_sent(rig, driver, MOB_MSG_KV_PUT_REPLY, 0))->added);
    gcs_free(rig);
}

/* --- restarts --- */

/* One thing that happens in the story below; false when it is over. */
static bool
happen(Rig *rig, int moment)
{
    MobUnregisterNode *leaves;

    switch (moment) {
    case 0:
        join(rig, HEAD, "head");
        break;
    case 1:
        join(rig, N1, "n1");
        break;
    case 2:
        add_job(rig, driver);
        break;
    case 3:
        put(rig, "program", 7, 1, false);
        break;
    case 4:
        join(rig, N2, "n2");
        break;
    case 5:
        worker_dies(rig, N2, (MobAddress){N2, W0});
        break;
    case 6:
        join(rig, N1_AGAIN, "n1");
        break;
    case 7:
        add_job(rig, (MobAddress){N2, MOB_LOCAL_WORKER});
        break;
    case 8:
        put(rig, "program", 7, 2, true);
        break;
    case 9:
        rig_give(rig, driver, mob_finish_job_new());
        break;
    case 10:
        worker_dies(rig, N2, (MobAddress){N2, MOB_LOCAL_WORKER});
        break;
    case 11:
        leaves = mob_unregister_node_new();
        rig_give(rig, manager(N2), leaves);
        break;
    case 12:
        add_job(rig, (MobAddress){HEAD, MOB_LOCAL_WORKER + 1});
        break;
    default:
        return false;
    }
    return true;
}

/* What a restart must not change, line by line. */
static char *
durable(const Rig *rig)
{
    g_autoptr(GString) text = g_string_new(NULL);
    GString *kept = g_string_new(NULL);

    rig->process->class->dump(rig->process, text);
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

static int
count_nodes(const Rig *rig, const char *what)
{
    g_autofree char *text = durable(rig);
    int count = 0;

    for (const char *at = text; (at = strstr(at, what)) != NULL; at++)
        count++;
    return count;
}

Test(gcs, killed_at_any_point_goes_on_as_if_nothing_had_been)
{
    Rig *calm = gcs_new();
    int moments = 0;

    while (happen(calm, moments))
        moments++;
    g_autofree char *end = durable(calm);
    cr_assert_not_null(strstr(end, "job 3 chain"));
    gcs_free(calm);

    for (int killed = 0; killed <= moments; killed++) {
        Rig *rig = gcs_new();
        for (int i = 0; i < killed; i++)
            happen(rig, i);
        g_autofree char *before = durable(rig);
        int alive = count_nodes(rig, " alive");
        int known = count_nodes(rig, "node ");
        restart(rig);
        g_autofree char *after = durable(rig);
        cr_assert_str_eq(after, before);
        cr_assert_eq(noted(rig, MOB_NOTE_GCS_RESTARTED, NULL), 1);
        cr_assert_eq(rig_count(rig, MOB_MSG_GCS_RESTARTED), alive);
        cr_assert_eq(rig_count(rig, MOB_MSG_HEALTH_CHECK), alive);
        cr_assert_eq(rig_count(rig, MOB_MSG_FENCE), known - alive);

        /* The newest thing may have been answered or not: it happens again. */
        for (int i = MAX(killed - 1, 0); i < moments; i++)
            happen(rig, i);
        g_autofree char *finally = durable(rig);
        cr_assert_str_eq(finally, end);
        gcs_free(rig);
    }
}

Test(gcs, with_unreadable_files_says_so_and_exits)
{
    Rig *rig = gcs_new();

    join_three(rig);
    for (guint i = 0; i < rig->disk->len; i++) {
        MobPersisted *record = &g_array_index(rig->disk, MobPersisted, i);
        GBytes *whole = record->value;
        record->value = g_bytes_new_from_bytes(whole, 0, g_bytes_get_size(whole) - 1);
        restart(rig);
        cr_assert_eq(rig->out.effects->len, 1);
        const MobEffect *effect = &g_array_index(rig->out.effects, MobEffect, 0);
        cr_assert_eq(effect->kind, MOB_EFFECT_EXIT);
        cr_assert_not_null(strstr(mob_str(effect->str), mob_str(record->key)));
        cr_assert_eq(rig->out.persists->len, 0);
        g_bytes_unref(record->value);
        record->value = whole;
    }
    restart(rig);
    cr_assert_eq(noted(rig, MOB_NOTE_GCS_RESTARTED, NULL), 1);
    gcs_free(rig);
}
