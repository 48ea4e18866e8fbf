/* test_worker_leases.c: leases seen from the owner: how they are asked for,
 * used again, refused, crossed with a change of mind, and lost.
 */
#include "tests/worker_rig.h"

/* What the worker sent about leases, in order: "ask n2, cancel n1". */
static char *
said(const Rig *rig)
{
    static const struct {
        MobMsgType type;
        const char *word;
    } words[] = {{MOB_MSG_REQUEST_LEASE, "ask"},
                 {MOB_MSG_CANCEL_LEASE, "cancel"},
                 {MOB_MSG_RETURN_LEASE, "return"},
                 {MOB_MSG_ASK_FAILURE_CAUSE, "why"},
                 {MOB_MSG_PUSH_TASK, "push"}};
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < rig->out.effects->len; i++) {
        const MobEffect *effect = &g_array_index(rig->out.effects, MobEffect, i);
        for (size_t k = 0; k < G_N_ELEMENTS(words); k++)
            if (rig_sends(effect, (MobAddress){0}, words[k].type))
                g_string_append_printf(text, "%s%s n%u", text->len > 0 ? ", " : "", words[k].word,
                                       effect->address.node);
    }
    return g_string_free(text, FALSE);
}

#define cr_said(rig, wanted)                                                                       \
    do {                                                                                           \
        g_autofree char *said_now = said(rig);                                                     \
        cr_assert_str_eq(said_now, wanted);                                                        \
    } while (0)

static const MobRequestLease *
request_to(const Rig *rig, MobAddress node, uint32_t nth)
{
    const MobMsg *msg = rig_sent(rig, node, MOB_MSG_REQUEST_LEASE, nth);

    cr_assert_not_null(msg);
    return mob_request_lease(msg);
}

static void
reclaim(Rig *rig, MobAddress from, MobLeaseId lease)
{
    MobReclaimLease *msg = mob_reclaim_lease_new();

    msg->lease = lease;
    rig_give(rig, from, msg);
}

static void
tell_cause(Rig *rig, MobLeaseId lease, MobAddress worker, bool alive)
{
    MobFailureCause *cause = mob_failure_cause_new();

    cause->lease = lease;
    cause->worker = worker;
    cause->alive = alive;
    cause->reason = alive ? NULL : mob_str_new("killed");
    rig_give(rig, mob_node_address(worker.node), cause);
}

static bool
is_killed(const Rig *rig)
{
    return mob_return_lease(rig_sent(rig, (MobAddress){0}, MOB_MSG_RETURN_LEASE, 0))->kill;
}

/* --- asking and using --- */

Test(worker_leases, a_task_is_pushed_under_a_lease_and_the_next_one_uses_it_again)
{
    g_auto(Rig) rig;
    rig_drive(&rig);

    MobRef first = rig_submit(&rig, "f", NO_ARGS);
    cr_said(&rig, "ask n1");
    const MobRequestLease *request = request_to(&rig, NODE1, 0);
    cr_assert_str_eq(mob_str(request->spec->function), "f");
    cr_assert_not(request->grant_or_reject || request->for_locality);
    cr_assert_eq(request->deps.count, 0);
    cr_counts(&rig, first, "1/0/0/0/0");

    rig_grant(&rig, request->lease, W1);
    cr_said(&rig, "push n1");
    const MobPushTask *push = rig_pushed(&rig, W1);
    cr_assert_eq(push->attempt, 1);
    cr_assert(mob_object_eq(mob_object_return(push->spec->id, 1), first.id));
    rig_reply(&rig, W1, push, rig_value(5, 7));
    cr_assert_eq(rig_count_all(&rig), 0, "the lease is kept, and nobody is told");
    cr_assert_eq(rig_stats(&rig).tasks_pending, 0);

    rig_submit(&rig, "f", NO_ARGS);
    cr_said(&rig, "push n1");
    rig_reply(&rig, W1, rig_pushed(&rig, W1), rig_value(5, 7));
    rig_submit(&rig, "g", NO_ARGS);
    cr_said(&rig, "ask n1");
    cr_assert_eq(rig_stats(&rig).leases, 2, "another function is another shape");
}

Test(worker_leases, an_idle_lease_is_returned_after_a_while_and_not_before)
{
    g_auto(Rig) rig;
    rig_drive(&rig);

    const MobPushTask *push = rig_run(&rig, rig_spec("f", 3), NO_ARGS, W1);
    MobTime alarm = rig.now + rig.config.lease_idle; /* set at the grant */
    rig.now += 100 * MOB_MS;
    rig_reply(&rig, W1, push, rig_value(5, 7));
    rig_timer(&rig, MOB_TIMER_LEASE_IDLE, alarm);
    cr_said(&rig, "");
    cr_assert_eq(rig.out.alarms[MOB_TIMER_LEASE_IDLE], alarm + 100 * MOB_MS);
    rig_timer(&rig, MOB_TIMER_LEASE_IDLE, alarm + 100 * MOB_MS);
    cr_said(&rig, "return n1");
    cr_assert_not(is_killed(&rig));
    cr_assert_eq(rig_stats(&rig).leases, 0);
    rig_submit(&rig, "f", NO_ARGS);
    cr_said(&rig, "ask n1");
}

Test(worker_leases, as_many_are_asked_for_as_there_are_nodes_and_never_more_than_tasks_wait)
{
    g_auto(Rig) rig;
    rig_drive(&rig);
    MobLeaseId asked[3];

    for (int i = 0; i < 5; i++) {
        rig_submit(&rig, "f", NO_ARGS);
        cr_said(&rig, i < 3 ? "ask n1" : "");
        if (i < 3)
            asked[i] = rig_asked(&rig, NODE1);
    }
    rig_grant(&rig, asked[0], W1);
    cr_said(&rig, "push n1, ask n1");
    cr_assert_eq(request_to(&rig, NODE1, 0)->backlog, 4);
    rig_place(&rig, asked[1], W2);
    rig_place(&rig, asked[2], W3);
    cr_said(&rig, "push n3");
    rig_node_dies(&rig, 2);
    cr_said(&rig, "");
    cr_assert_eq(rig_stats(&rig).leases, 2 + 2, "two held, two asked for, and three wait");
    cr_assert_eq(rig_stats(&rig).tasks_pending, 5);
}

Test(worker_leases, a_body_that_began_before_the_cluster_was_known_asks_for_as_many)
{
    g_auto(Rig) rig;
    rig_make(&rig, false);

    rig_begin(&rig, DRIVER, NO_ARGS);
    for (int i = 0; i < 3; i++)
        rig_submit(&rig, "f", NO_ARGS);
    cr_said(&rig, "");
    rig_registered(&rig);
    cr_said(&rig, "ask n1, ask n1");
}

Test(worker_leases, a_chain_of_tasks_stays_on_one_lease_without_asking_for_another)
{
    g_auto(Rig) rig;
    rig_drive(&rig);

    const MobPushTask *push = rig_run(&rig, rig_spec("f", 3), NO_ARGS, W1);
    MobRef next = rig_submit(&rig, "f", ARGS(by_ref(rig_result_of(push))));
    cr_said(&rig, "");
    rig_reply(&rig, W1, push, rig_value(5, 7));
    cr_said(&rig, "push n1");
    push = rig_pushed(&rig, W1);
    cr_assert(mob_object_eq(rig_result_of(push).id, next.id));
    cr_assert_eq(push->args->items[0].value->size, 5);
    rig_reply(&rig, W1, push, rig_value(5, 7));
    cr_assert_eq(rig_stats(&rig).leases, 1);
}

Test(worker_leases, a_body_that_is_tried_again_stays_on_its_lease)
{
    g_auto(Rig) rig;
    rig_drive(&rig);
    MobTaskSpec *spec = rig_spec("f", 3);

    spec->retry_exceptions = true;
    const MobPushTask *push = rig_run(&rig, spec, NO_ARGS, W1);
    rig_reply_error(&rig, W1, push, "no luck");
    cr_said(&rig, "push n1");
    cr_assert_eq(rig_pushed(&rig, W1)->attempt, 2);
}

Test(worker_leases, one_with_arguments_in_a_store_is_near_them_and_is_not_kept)
{
    g_auto(Rig) rig;
    rig_drive(&rig);

    const MobPushTask *large = rig_run(&rig, rig_spec("load", 3), NO_ARGS, W2);
    rig_reply_stored(&rig, W2, large, MOB_MS);
    rig_submit(&rig, "f", ARGS(by_ref(rig_result_of(large)), by_value(rig_value(5, 1))));
    cr_said(&rig, "ask n2");
    const MobRequestLease *request = request_to(&rig, NODE2, 0);
    cr_assert(request->for_locality);
    cr_assert_eq(request->deps.count, 1);
    cr_assert(mob_object_eq(request->deps.items[0].id, rig_result_of(large).id));
    rig_grant(&rig, request->lease, W2B);
    const MobPushTask *push = rig_pushed(&rig, W2B);
    cr_assert_null(push->args->items[0].value);
    rig_reply(&rig, W2B, push, rig_value(5, 7));
    cr_said(&rig, "return n2");

    /* Its own machine, if that is no worse. */
    rig_moved(&rig, NODE1, rig_result_of(large), true);
    rig_submit(&rig, "f", ARGS(by_ref(rig_result_of(large))));
    cr_said(&rig, "ask n1");
}

Test(worker_leases, one_bound_to_a_machine_is_asked_for_there)
{
    g_auto(Rig) rig;
    rig_drive(&rig);

    for (int i = 0; i < 2; i++) {
        MobTaskSpec *spec = rig_spec("f", 3);
        spec->strategy = MOB_STRATEGY_AFFINITY;
        spec->node = mob_str_new(i == 0 ? "n3" : "n9");
        rig_submit_spec(&rig, spec, NO_ARGS);
        cr_said(&rig, i == 0 ? "ask n3" : "ask n1");
    }
    MobTaskSpec *spec = rig_spec("f", 3);
    spec->strategy = MOB_STRATEGY_SPREAD;
    rig_submit_spec(&rig, spec, NO_ARGS);
    cr_said(&rig, "ask n1");
}

/* --- other answers --- */

Test(worker_leases, it_goes_where_it_is_sent_but_only_once)
{
    g_auto(Rig) rig;
    rig_drive(&rig);

    rig_submit(&rig, "f", NO_ARGS);
    MobLeaseId lease = rig_asked(&rig, NODE1);
    rig_spill(&rig, lease, NODE1, 2);
    cr_said(&rig, "ask n2");
    cr_assert(request_to(&rig, NODE2, 0)->grant_or_reject);
    rig_spill(&rig, lease, NODE1, 3);
    cr_said(&rig, "");
    rig_give(&rig, NODE2, rig_lease_reply(lease, MOB_LEASE_REJECTED));
    cr_said(&rig, "ask n1");
    cr_assert_not(request_to(&rig, NODE1, 0)->grant_or_reject);
    rig_spill(&rig, lease, NODE1, 3);
    cr_said(&rig, "ask n3");
    rig_spill(&rig, lease, NODE3, 2);
    cr_said(&rig, "ask n1");

    rig_node_dies(&rig, 2);
    rig_spill(&rig, lease, NODE1, 2);
    cr_said(&rig, "ask n1");
    rig_grant(&rig, lease, W1);
    cr_said(&rig, "push n1");
}

Test(worker_leases, a_grant_by_a_node_that_was_not_asked_is_returned)
{
    g_auto(Rig) rig;
    rig_drive(&rig);

    rig_submit(&rig, "f", NO_ARGS);
    MobLeaseId lease = rig_asked(&rig, NODE1);
    rig_spill(&rig, lease, NODE1, 2);
    rig_grant(&rig, lease, W1);
    cr_said(&rig, "return n1");
    rig_grant(&rig, lease, W2);
    cr_said(&rig, "push n2");
    rig_grant(&rig, lease, W2);
    cr_said(&rig, "");
    rig_grant(&rig, lease, W3);
    cr_said(&rig, "return n3");
    reclaim(&rig, NODE3, lease);
    cr_said(&rig, "return n3");
    cr_assert(is_killed(&rig));
}

Test(worker_leases, a_shape_that_fits_nowhere_fails_all_its_tasks)
{
    g_auto(Rig) rig;
    rig_drive(&rig);
    MobRef refs[2];

    refs[0] = rig_submit(&rig, "f", NO_ARGS);
    MobLeaseId lease = rig_asked(&rig, NODE1);
    refs[1] = rig_submit(&rig, "f", NO_ARGS);
    MobLeaseId other = rig_asked(&rig, NODE1);
    MobLeaseReply *reply = rig_lease_reply(lease, MOB_LEASE_CANCELLED);
    reply->fault = rig_error("no node can ever satisfy it");
    rig_give(&rig, NODE1, reply);
    cr_assert_eq(rig_stats(&rig).tasks_pending, 0);
    for (int i = 0; i < 2; i++) {
        rig_get_one(&rig, refs[i]);
        rig_is_error(rig_answer(&rig)->fault, MOB_FAULT_TASK, "no node can ever satisfy it");
    }
    reply = rig_lease_reply(other, MOB_LEASE_CANCELLED);
    reply->fault = rig_error("no node can ever satisfy it");
    rig_give(&rig, NODE1, reply);
    cr_assert_eq(rig_stats(&rig).leases, 0);
}

Test(worker_leases, what_is_not_needed_any_more_is_cancelled_even_if_it_is_just_being_granted)
{
    g_auto(Rig) rig;
    rig_drive(&rig);

    rig_submit(&rig, "f", NO_ARGS);
    MobLeaseId first = rig_asked(&rig, NODE1);
    rig_submit(&rig, "f", NO_ARGS);
    MobLeaseId second = rig_asked(&rig, NODE1);
    rig_grant(&rig, first, W1);
    cr_said(&rig, "push n1");
    rig_reply(&rig, W1, rig_pushed(&rig, W1), rig_value(5, 7));
    cr_said(&rig, "push n1, cancel n1");

    rig_grant(&rig, second, W2); /* from n2, which was never asked */
    cr_said(&rig, "return n2");
    rig_grant(&rig, second, (MobAddress){1, W1.local + 1});
    cr_said(&rig, "");
    cr_assert_eq(rig_stats(&rig).leases, 2, "its node will say that it is returned");
    rig_give(&rig, NODE1, rig_lease_reply(second, MOB_LEASE_CANCELLED));
    cr_assert_eq(rig_stats(&rig).leases, 1);
    rig_grant(&rig, second, W1);
    cr_said(&rig, "return n1");

    /* The cancelling is lost with its connection. */
    rig_submit(&rig, "g", NO_ARGS);
    rig_submit(&rig, "g", NO_ARGS);
    first = rig_asked(&rig, NODE1);
    rig_grant(&rig, first, W1);
    rig_reply(&rig, W1, rig_pushed(&rig, W1), rig_value(5, 7));
    cr_said(&rig, "push n1, cancel n1");
    rig_reset(&rig, NODE1);
    rig_timer(&rig, MOB_TIMER_RETRY, rig.out.alarms[MOB_TIMER_RETRY]);
    cr_said(&rig, "cancel n1");
}

Test(worker_leases, its_node_may_have_it_back_when_it_is_idle)
{
    g_auto(Rig) rig;
    rig_drive(&rig);

    const MobPushTask *push = rig_run(&rig, rig_spec("f", 3), NO_ARGS, W1);
    rig_reply(&rig, W1, push, rig_value(5, 7));
    reclaim(&rig, NODE1, push->lease);
    cr_said(&rig, "return n1");

    push = rig_run(&rig, rig_spec("f", 3), NO_ARGS, W1);
    reclaim(&rig, NODE1, push->lease);
    cr_said(&rig, "");
    rig_submit(&rig, "f", NO_ARGS);
    rig_reply(&rig, W1, push, rig_value(5, 7));
    cr_said(&rig, "push n1, cancel n1");
    rig_reply(&rig, W1, rig_pushed(&rig, W1), rig_value(5, 7));
    cr_said(&rig, "return n1");

    push = rig_run(&rig, rig_spec("f", 3), NO_ARGS, W1);
    reclaim(&rig, NODE1, push->lease);
    rig_submit(&rig, "f", NO_ARGS);
    rig_submit(&rig, "f", NO_ARGS);
    rig.now += rig.config.lease_idle;
    rig_reply(&rig, W1, push, rig_value(5, 7));
    cr_said(&rig, "return n1"); /* after so long it is the turn of others */

    reclaim(&rig, NODE1, push->lease);
    cr_said(&rig, "return n1");
    cr_assert(is_killed(&rig), "it was returned, and its worker may be at work nevertheless");
}

/* --- failures --- */

Test(worker_leases, when_a_connection_breaks_under_a_task_its_node_is_asked_why)
{
    for (int alive = 0; alive < 2; alive++) {
        g_auto(Rig) rig;
        rig_drive(&rig);
        const MobPushTask *push = rig_run(&rig, rig_spec("f", 3), NO_ARGS, W2);

        rig_reset(&rig, W2);
        cr_said(&rig, "why n2");
        rig_reply(&rig, W2, push, rig_value(5, 7));
        cr_assert_eq(rig_stats(&rig).tasks_pending, 0, "its reply may still come");
        rig_submit(&rig, "f", NO_ARGS);
        push = rig_pushed(&rig, W2);
        rig_reset(&rig, W2);
        tell_cause(&rig, push->lease, W1, true);
        tell_cause(&rig, (MobLeaseId){DRIVER, 99}, W2, true);
        cr_said(&rig, "");

        tell_cause(&rig, push->lease, W2, alive == 1);
        cr_said(&rig, "return n2, ask n1");
        cr_assert_eq(is_killed(&rig), alive == 1, "an attempt that was given up may not go on");
        cr_assert_not_null(rig_note(&rig, MOB_NOTE_TASK_RETRIED));
        rig_grant(&rig, rig_asked(&rig, NODE1), W1);
        cr_assert_eq(rig_pushed(&rig, W1)->attempt, 2);
    }
}

Test(worker_leases, an_idle_one_whose_connection_breaks_is_returned)
{
    g_auto(Rig) rig;
    rig_drive(&rig);

    const MobPushTask *push = rig_run(&rig, rig_spec("f", 3), NO_ARGS, W2);
    rig_reply(&rig, W2, push, rig_value(5, 7));
    rig_reset(&rig, W2);
    cr_said(&rig, "return n2");
    rig_submit(&rig, "f", NO_ARGS);
    MobLeaseId lease = rig_asked(&rig, NODE1);
    rig_worker_dies(&rig, W2);
    rig_place(&rig, lease, W3);
    rig_reply(&rig, W3, rig_pushed(&rig, W3), rig_value(5, 7));
    rig_worker_dies(&rig, W3);
    cr_said(&rig, "return n3");

    rig_submit(&rig, "f", NO_ARGS);
    lease = rig_asked(&rig, NODE1);
    rig_worker_dies(&rig, W1);
    rig_grant(&rig, lease, W1); /* granted just before it died */
    cr_said(&rig, "return n1, ask n1");
}

Test(worker_leases, what_a_broken_connection_to_a_node_may_have_lost_is_asked_again)
{
    g_auto(Rig) rig;
    rig_drive(&rig);

    const MobPushTask *push = rig_run(&rig, rig_spec("f", 3), NO_ARGS, W2);
    rig_reset(&rig, W2);
    rig_submit(&rig, "f", NO_ARGS);
    MobLeaseId lease = rig_asked(&rig, NODE1);
    rig_spill(&rig, lease, NODE1, 2);
    rig_reset(&rig, NODE2);
    cr_said(&rig, "");
    MobTime at = rig.now + rig.config.retry_delay;
    rig.now = at;
    rig_timer(&rig, MOB_TIMER_RETRY, at);
    cr_said(&rig, "why n2, ask n2");
    cr_assert(request_to(&rig, NODE2, 0)->grant_or_reject);
    tell_cause(&rig, push->lease, W2, false);
    cr_said(&rig, "return n2, ask n1");
}

Test(worker_leases, a_node_that_dies_takes_its_leases_along_and_costs_each_task_one_attempt)
{
    g_auto(Rig) rig;
    rig_drive(&rig);
    const MobPushTask *push[3];
    const MobAddress workers[] = {W2, W2B, (MobAddress){2, W2B.local + 1}};

    for (int i = 0; i < 3; i++) {
        rig_submit_spec(&rig, rig_spec("f", 1), NO_ARGS);
        rig_place(&rig, rig_asked(&rig, NODE1), workers[i]);
        push[i] = rig_pushed(&rig, workers[i]);
    }
    rig_reply(&rig, W2B, push[1], rig_value(5, 7)); /* an idle lease amid two busy ones */
    rig_submit(&rig, "g", NO_ARGS);
    MobLeaseId lease = rig_asked(&rig, NODE1);
    rig_spill(&rig, lease, NODE1, 2);

    rig_node_dies(&rig, 2);
    cr_said(&rig, "ask n1, ask n1, ask n1");
    cr_assert_eq(rig_count(&rig, MOB_MSG_PUSH_TASK), 0);
    cr_assert_eq(rig_stats(&rig).leases, 3);
    cr_assert_not(rig_note(&rig, MOB_NOTE_TASK_FAILED)->final);
    rig_grant(&rig, request_to(&rig, NODE1, 0)->lease, W2);
    cr_said(&rig, "");
}

Test(worker_leases, all_are_returned_when_the_driver_ends)
{
    g_auto(Rig) rig;
    rig_drive(&rig);

    const MobPushTask *idle = rig_run(&rig, rig_spec("f", 3), NO_ARGS, W1);
    rig_reply(&rig, W1, idle, rig_value(5, 7));
    rig_run(&rig, rig_spec("g", 3), NO_ARGS, W2);
    rig_submit(&rig, "h", NO_ARGS);
    rig_return(&rig, mob_value_nil());
    cr_said(&rig, "return n1, return n2, cancel n1");
    cr_assert_not_null(rig_note(&rig, MOB_NOTE_TASK_CANCELLED));
}

Test(worker_leases, the_death_of_nobody_takes_no_lease_that_is_asked_for)
{
    g_auto(Rig) rig;
    rig_drive(&rig);

    rig_submit(&rig, "f", NO_ARGS);
    MobLeaseId lease = rig_asked(&rig, NODE1);
    rig_worker_dies(&rig, (MobAddress){0});
    rig_grant(&rig, lease, W1);
    cr_said(&rig, "push n1");
}

/* A borrower on another machine has no business here. */
Test(worker_leases, nobody_but_its_node_manager_tells_a_worker_who_is_dead)
{
    g_auto(Rig) rig;
    rig_drive(&rig);
    MobWorkerDied *news = mob_worker_died_new();
    MobView view = rig_view(1, 4, false);

    rig_submit(&rig, "f", NO_ARGS);
    MobLeaseId lease = rig_asked(&rig, NODE1);
    news->worker = W1;
    rig_give(&rig, W2, news);
    rig_give(&rig, W2, rig_changed(view));
    rig_grant(&rig, lease, W1);
    cr_said(&rig, "push n1");
    rig_give(&rig, W2, mob_exit_worker_new());
    cr_assert_eq(rig_count_all(&rig), 0);
}

Test(worker_leases, what_became_of_a_worker_its_node_says_and_nobody_else)
{
    g_auto(Rig) rig;
    rig_drive(&rig);

    rig_submit(&rig, "f", NO_ARGS);
    MobLeaseId lease = rig_asked(&rig, NODE1);
    rig_grant(&rig, lease, W1);
    rig_reset(&rig, W1);
    MobFailureCause *cause = mob_failure_cause_new();
    cause->lease = lease;
    cause->worker = W1;
    rig_give(&rig, W2, cause);
    cr_assert_null(rig_note(&rig, MOB_NOTE_TASK_RETRIED));
    tell_cause(&rig, lease, W1, false);
    cr_assert_not_null(rig_note(&rig, MOB_NOTE_TASK_RETRIED));
}
