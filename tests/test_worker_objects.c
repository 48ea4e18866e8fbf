/* test_worker_objects.c: the owner as the directory of its objects: who asks
 * and is told, where copies are, and what becomes of objects that are lost.
 */
#include "tests/worker_rig.h"

/* A task of @function, with @retries, whose large result is on the node of @worker. */
static const MobPushTask *
load(Rig *rig, const char *function, int64_t retries, MobArgs *args, MobAddress worker)
{
    const MobPushTask *push = rig_run(rig, rig_spec(function, retries), args, worker);

    rig_reply_stored(rig, worker, push, MOB_MS);
    return push;
}

static void
subscribe(Rig *rig, MobAddress node, MobRef ref)
{
    MobSubscribeLocations *msg = mob_subscribe_locations_new();

    msg->object = ref.id;
    rig_give(rig, node, msg);
}

static void
unsubscribe(Rig *rig, MobAddress node, MobRef ref)
{
    MobUnsubscribeLocations *msg = mob_unsubscribe_locations_new();

    msg->object = ref.id;
    rig_give(rig, node, msg);
}

static void
ask(Rig *rig, MobAddress borrower, MobRef ref)
{
    MobGetStatus *msg = mob_get_status_new();

    msg->object = ref.id;
    rig_give(rig, borrower, msg);
}

static const MobLocations *
told(const Rig *rig, MobAddress node)
{
    const MobMsg *msg = rig_sent(rig, node, MOB_MSG_LOCATIONS, 0);

    cr_assert_not_null(msg);
    return mob_locations(msg);
}

static void
pinned(Rig *rig, MobAddress node, MobRef ref, bool ok)
{
    MobObjectPinned *msg = mob_object_pinned_new();

    msg->object = ref.id;
    msg->ok = ok;
    rig_give(rig, node, msg);
}

static uint32_t
primary(const Rig *rig, MobRef ref)
{
    MobRefInfo row;

    cr_assert(rig_row(rig, ref.id, &row));
    return row.primary.v;
}

/* --- the directory --- */

Test(worker_objects, a_small_put_may_stay_with_its_owner)
{
    g_auto(Rig) rig;
    rig_drive(&rig);
    MobValue *small = rig_value(100, 1);

    rig.config.put_inline_max = 100;
    rig_call(&rig, (MobCall){.kind = MOB_CALL_PUT, .values = &small, .value_count = 1});
    cr_assert_eq(rig_count_all(&rig), 0, "nobody is asked to store it");
    MobRef ref = rig_answer(&rig)->refs[0];
    cr_assert_not_null(rig_note(&rig, MOB_NOTE_OBJECT_CREATED));
    rig_get_one(&rig, ref);
    cr_assert_eq(rig_answer(&rig)->values[0]->size, 100);
    rig_submit(&rig, "f", ARGS(by_ref(ref)));
    rig_grant(&rig, rig_asked(&rig, NODE1), W1);
    cr_assert_eq(rig_pushed(&rig, W1)->args->items[0].value->size, 100, "it travels by value");
    rig_drop(&rig, ref);
    cr_assert_not_null(rig_note(&rig, MOB_NOTE_OBJECT_FREED));

    MobValue *large = rig_value(101, 1);
    rig_call(&rig, (MobCall){.kind = MOB_CALL_PUT, .values = &large, .value_count = 1});
    cr_assert_eq(rig_count_to(&rig, NODE1, MOB_MSG_STORE_OBJECT), 1);
    cr_assert_null(rig_answer(&rig));
}

Test(worker_objects, without_sources_nodes_that_follow_an_object_hear_of_each_change)
{
    g_auto(Rig) rig;
    rig_drive(&rig);
    rig.config.receivers_max = 0;
    const MobPushTask *push = rig_run(&rig, rig_spec("load", 3), NO_ARGS, W2);
    MobRef ref = rig_result_of(push);

    subscribe(&rig, NODE1, ref);
    cr_assert(told(&rig, NODE1)->pending);
    cr_assert_eq(told(&rig, NODE1)->nodes.count, 0);
    subscribe(&rig, NODE1, ref);
    subscribe(&rig, NODE3, ref);
    rig_reply_stored(&rig, W2, push, MOB_MS);
    cr_assert_eq(rig_count(&rig, MOB_MSG_LOCATIONS), 2, "once each");
    const MobLocations *news = told(&rig, NODE3);
    cr_assert_not(news->pending);
    cr_assert_eq(news->size, MOB_MS);
    cr_assert_eq(news->hash, HASH);
    cr_assert_eq(news->nodes.items[0].v, 2);

    rig_moved(&rig, NODE1, ref, true);
    cr_assert_eq(told(&rig, NODE3)->nodes.count, 2);
    cr_assert_eq(told(&rig, NODE3)->nodes.items[1].v, 1);
    unsubscribe(&rig, NODE1, ref);
    unsubscribe(&rig, NODE1, ref);
    rig_moved(&rig, NODE1, ref, true);
    cr_assert_eq(rig_count(&rig, MOB_MSG_LOCATIONS), 0, "that is no news");
    rig_moved(&rig, NODE1, ref, false);
    cr_assert_eq(rig_count(&rig, MOB_MSG_LOCATIONS), 1);
    cr_assert_eq(told(&rig, NODE3)->nodes.count, 1);

    rig_drop(&rig, ref);
    rig_is_error(told(&rig, NODE3)->value, MOB_FAULT_OBJECT_LOST, "O1 was freed");
    subscribe(&rig, NODE2, ref);
    rig_is_error(told(&rig, NODE2)->value, MOB_FAULT_OBJECT_LOST, "freed");
    rig_moved(&rig, NODE1, ref, true);
    cr_assert_eq(rig_count_to(&rig, NODE1, MOB_MSG_FREE_OBJECTS), 1, "a copy that came too late");
}

/* The next message for @node says whom it is to ask. */
static void
names(const Rig *rig, MobAddress node, uint32_t source, uint32_t depth, uint64_t rank)
{
    cr_assert_eq(told(rig, node)->source.v, source);
    cr_assert_eq(told(rig, node)->depth, depth);
    cr_assert_eq(told(rig, node)->rank, rank);
}

static void
subscribe_failed(Rig *rig, MobAddress node, MobRef ref, uint32_t failed)
{
    MobSubscribeLocations *msg = mob_subscribe_locations_new();

    msg->object = ref.id;
    msg->failed.v = failed;
    rig_give(rig, node, msg);
}

/* A copy on node 2, of a thousand pieces; nodes 3 and 1 want one, in this order. */
static MobRef
spread_to_two(Rig *rig)
{
    rig_drive(rig);
    rig->config.chunk = MOB_MS / 1000;
    MobRef ref = rig_result_of(load(rig, "load", 3, NO_ARGS, W2));

    subscribe(rig, NODE3, ref);
    names(rig, NODE3, 2, 1, 1);
    subscribe(rig, NODE1, ref);
    names(rig, NODE1, 3, 2, 2);
    return ref;
}

Test(worker_objects, whoever_wants_a_copy_is_sent_to_one_that_collects_it)
{
    g_auto(Rig) rig;
    MobRef ref = spread_to_two(&rig);
    MobUnsubscribeLocations *has = mob_unsubscribe_locations_new();

    subscribe(&rig, NODE1, ref);
    names(&rig, NODE1, 3, 2, 2);
    has->object = ref.id;
    has->here = true;
    rig_give(&rig, NODE3, has);
    rig_moved(&rig, NODE3, ref, true);
    cr_assert_eq(rig_count(&rig, MOB_MSG_LOCATIONS), 0, "no news for one that is fed");
    subscribe_failed(&rig, NODE1, ref, 3);
    names(&rig, NODE1, 2, 1, 2);
}

Test(worker_objects, whoever_is_fed_by_one_that_gives_up_is_sent_elsewhere)
{
    g_auto(Rig) rig;
    MobRef ref = spread_to_two(&rig);

    unsubscribe(&rig, NODE3, ref);
    names(&rig, NODE1, 2, 1, 2);
    subscribe(&rig, NODE3, ref);
    names(&rig, NODE3, 1, 2, 3);
}

Test(worker_objects, whoever_is_fed_by_a_node_that_dies_is_sent_elsewhere)
{
    g_auto(Rig) rig;

    spread_to_two(&rig);
    rig_node_dies(&rig, 3);
    names(&rig, NODE1, 2, 1, 2);
    cr_assert_eq(rig_count(&rig, MOB_MSG_LOCATIONS), 1);
}

Test(worker_objects, one_that_refuses_to_hand_on_is_named_to_nobody_else)
{
    g_auto(Rig) rig;
    MobRef ref = spread_to_two(&rig);

    subscribe_failed(&rig, NODE1, ref, 3);
    names(&rig, NODE1, 2, 1, 2);
    unsubscribe(&rig, NODE1, ref);
    subscribe(&rig, NODE1, ref);
    names(&rig, NODE1, 2, 1, 3);
}

Test(worker_objects, whoever_waits_for_an_object_is_told_when_it_exists)
{
    g_auto(Rig) rig;
    rig_drive(&rig);
    const MobPushTask *push = rig_run(&rig, rig_spec("f", 3), NO_ARGS, W1);
    MobRef small = rig_result_of(push);

    ask(&rig, W2, small);
    ask(&rig, W2, small);
    subscribe(&rig, NODE2, small);
    ask(&rig, W3, small);
    cr_assert_eq(rig_count(&rig, MOB_MSG_OBJECT_STATUS), 0);
    rig_reply(&rig, W1, push, rig_value(5, 7));
    cr_assert_eq(rig_count(&rig, MOB_MSG_OBJECT_STATUS), 2);
    cr_assert_eq(mob_object_status(rig_sent(&rig, W2, MOB_MSG_OBJECT_STATUS, 0))->value->size, 5);
    cr_assert_eq(told(&rig, NODE2)->value->size, 5, "it is in no store");
    ask(&rig, W3, small);
    cr_assert_eq(rig_count_to(&rig, W3, MOB_MSG_OBJECT_STATUS), 1);

    const MobPushTask *large = load(&rig, "load", 3, NO_ARGS, W2);
    ask(&rig, W3, rig_result_of(large));
    const MobObjectStatus *status = mob_object_status(rig_sent(&rig, W3, MOB_MSG_OBJECT_STATUS, 0));
    cr_assert_null(status->value);
    cr_assert_eq(status->size, MOB_MS);
    cr_assert_eq(status->nodes.items[0].v, 2);

    ask(&rig, W3, rig_ref(99, DRIVER));
    status = mob_object_status(rig_sent(&rig, W3, MOB_MSG_OBJECT_STATUS, 0));
    rig_is_error(status->value, MOB_FAULT_OBJECT_LOST, "the object was freed");
}

Test(worker_objects, a_copy_that_is_there_before_the_reply_does_not_count_yet)
{
    g_auto(Rig) rig;
    rig_drive(&rig);
    const MobPushTask *push = rig_run(&rig, rig_spec("load", 3), NO_ARGS, W2);
    MobRef ref = rig_result_of(push);

    rig_moved(&rig, NODE2, ref, true);
    MobRefInfo row;
    cr_assert(rig_row(&rig, ref.id, &row) && !row.available && row.node_count == 0);
    rig_worker_dies(&rig, W2);
    rig_place(&rig, rig_asked(&rig, NODE1), W3);
    rig_reply(&rig, W3, rig_pushed(&rig, W3), rig_value(5, 7));
    cr_assert_eq(rig_count_to(&rig, NODE2, MOB_MSG_FREE_OBJECTS), 1, "of an attempt that failed");
}

/* --- copies --- */

Test(worker_objects, when_the_primary_copy_is_lost_another_one_is_pinned)
{
    g_auto(Rig) rig;
    rig_drive(&rig);
    MobRef ref = rig_result_of(load(&rig, "load", 3, NO_ARGS, W2));

    rig_moved(&rig, NODE3, ref, true);
    rig_moved(&rig, NODE1, ref, true);
    cr_assert_eq(primary(&rig, ref), 2);
    rig_moved(&rig, NODE2, ref, false);
    cr_assert_eq(rig_count_to(&rig, NODE3, MOB_MSG_PIN_OBJECT), 1);
    cr_assert_eq(primary(&rig, ref), 0);
    pinned(&rig, NODE1, ref, true); /* nobody asked it */
    cr_assert_eq(primary(&rig, ref), 0);
    pinned(&rig, NODE3, ref, true);
    cr_assert_eq(primary(&rig, ref), 3);
    cr_assert_not_null(rig_note(&rig, MOB_NOTE_OBJECT_RECOVERED));
    pinned(&rig, NODE3, ref, false);
    cr_assert_eq(primary(&rig, ref), 3, "said twice");
    cr_assert_eq(rig_stats(&rig).tasks_pending, 0, "nothing runs again");
}

Test(worker_objects, copies_are_pinned_one_after_the_other_until_one_says_yes)
{
    g_auto(Rig) rig;
    rig_drive(&rig);
    MobRef ref = rig_result_of(load(&rig, "load", 3, NO_ARGS, W1));

    rig_moved(&rig, NODE2, ref, true);
    rig_moved(&rig, NODE3, ref, true);
    rig_moved(&rig, NODE1, ref, false);
    cr_assert_eq(rig_count_to(&rig, NODE2, MOB_MSG_PIN_OBJECT), 1);
    rig_reset(&rig, NODE2);
    rig_timer(&rig, MOB_TIMER_RETRY, rig.out.alarms[MOB_TIMER_RETRY]);
    cr_assert_eq(rig_count_to(&rig, NODE2, MOB_MSG_PIN_OBJECT), 1, "asked again");
    rig_node_dies(&rig, 2);
    cr_assert_eq(rig_count_to(&rig, NODE3, MOB_MSG_PIN_OBJECT), 1);
    rig_moved(&rig, NODE1, ref, true);
    pinned(&rig, NODE3, ref, false);
    cr_assert_eq(rig_count_to(&rig, NODE1, MOB_MSG_PIN_OBJECT), 1);
    pinned(&rig, NODE1, ref, false);
    cr_assert_not_null(rig_note(&rig, MOB_NOTE_OBJECT_LOST));
    cr_assert_eq(rig_stats(&rig).tasks_pending, 1, "now its task runs again");
}

/* --- recovery --- */

Test(worker_objects, what_is_lost_is_made_again_by_its_task)
{
    g_auto(Rig) rig;
    rig_drive(&rig);
    const MobPushTask *first = load(&rig, "load", 3, NO_ARGS, W2);
    MobRef ref = rig_result_of(first);

    subscribe(&rig, NODE1, ref);
    rig_node_dies(&rig, 2);
    cr_assert(told(&rig, NODE1)->pending);
    const MobNote *decision = rig_note(&rig, MOB_NOTE_DECIDE);
    cr_assert_str_eq(decision->reason, "resubmit");
    cr_assert(mob_object_eq(decision->object, ref.id), "the trace finds its reasons by it");
    rig_place(&rig, rig_asked(&rig, NODE1), W3);
    const MobPushTask *again = rig_pushed(&rig, W3);
    cr_assert_eq(again->attempt, 2);
    cr_assert(again->store, "others look for it in stores, even if it is small now");
    rig_reply_stored(&rig, W3, again, MOB_MS);
    cr_assert_eq(told(&rig, NODE1)->nodes.items[0].v, 3);
    cr_assert_not_null(rig_note(&rig, MOB_NOTE_OBJECT_RECOVERED));
    cr_assert_eq(primary(&rig, ref), 3);
}

Test(worker_objects, what_a_lost_object_was_made_of_is_made_again_first)
{
    g_auto(Rig) rig;
    rig_drive(&rig);
    MobRef refs[3];

    refs[0] = rig_result_of(load(&rig, "a", 3, NO_ARGS, W2));
    refs[1] = rig_result_of(load(&rig, "b", 3, ARGS(by_ref(refs[0])), W2));
    refs[2] = rig_result_of(load(&rig, "c", 3, ARGS(by_ref(refs[1])), W2));
    rig_drop(&rig, refs[0]);
    cr_counts(&rig, refs[0], "0/0/1/0/0");
    rig_drop(&rig, refs[1]);
    cr_assert_eq(rig_count_to(&rig, NODE2, MOB_MSG_FREE_OBJECTS), 1);

    rig_node_dies(&rig, 2);
    cr_assert_eq(rig_stats(&rig).tasks_pending, 3, "all three");
    cr_assert_eq(rig_count(&rig, MOB_MSG_REQUEST_LEASE), 1, "but first things first");
    cr_counts(&rig, refs[0], "0/1/1/0/0");
    static const char *const functions[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++) {
        const MobMsg *request = rig_sent(&rig, (MobAddress){0}, MOB_MSG_REQUEST_LEASE, 0);
        cr_assert_str_eq(mob_str(mob_request_lease(request)->spec->function), functions[i]);
        MobLeaseId lease = mob_request_lease(request)->lease;
        if (i == 0)
            rig_place(&rig, lease, W3);
        else
            rig_grant(&rig, lease, W3); /* its arguments are there */
        rig_reply_stored(&rig, W3, rig_pushed(&rig, W3), MOB_MS);
    }
    cr_assert_eq(rig_count_to(&rig, NODE3, MOB_MSG_FREE_OBJECTS), 1, "b's result is not needed");
    cr_assert_eq(primary(&rig, refs[2]), 3);
    cr_counts(&rig, refs[0], "0/0/1/0/0");
    rig_drop(&rig, refs[2]);
    cr_assert_eq(rig_stats(&rig).owned, 0);
}

Test(worker_objects, what_nobody_can_make_again_is_an_error_that_says_why)
{
    g_auto(Rig) rig;
    rig_drive(&rig);

    MobRef never = rig_result_of(load(&rig, "once", 0, NO_ARGS, W2));
    MobRef used_up = rig_result_of(load(&rig, "twice", 1, NO_ARGS, W2));
    MobRef put = rig_put(&rig, rig_value(MOB_MS, 1));
    MobRef behind = rig_submit(&rig, "f", ARGS(by_ref(never)));
    rig_node_dies(&rig, 2);
    const MobRequestLease *request =
        mob_request_lease(rig_sent(&rig, NODE1, MOB_MSG_REQUEST_LEASE, 1));
    cr_assert_str_eq(mob_str(request->spec->function), "twice");
    rig_place(&rig, request->lease, W3);
    rig_reply_stored(&rig, W3, rig_pushed(&rig, W3), MOB_MS);
    rig_node_dies(&rig, 3);
    rig_moved(&rig, NODE1, put, false);

    rig_get_one(&rig, never);
    rig_is_error(rig_answer(&rig)->fault, MOB_FAULT_RECONSTRUCTION, "may not be retried");
    rig_get_one(&rig, used_up);
    rig_is_error(rig_answer(&rig)->fault, MOB_FAULT_RECONSTRUCTION, "retries of its task are used");
    rig_get_one(&rig, put);
    rig_is_error(rig_answer(&rig)->fault, MOB_FAULT_RECONSTRUCTION, "is a put");
    rig_get_one(&rig, behind);
    cr_assert_null(rig_answer(&rig), "its lease was asked for before; its node will find out");
}

Test(worker_objects, what_nobody_needs_is_not_made_again)
{
    g_auto(Rig) rig;
    rig_drive(&rig);
    MobRef ref = rig_result_of(load(&rig, "load", 3, NO_ARGS, W2));

    rig_drop(&rig, ref);
    rig_node_dies(&rig, 2);
    cr_assert_eq(rig_count_all(&rig), 0);
    cr_assert_eq(rig_stats(&rig).owned, 0);
}

Test(worker_objects, a_value_that_is_made_again_may_mention_other_references)
{
    g_auto(Rig) rig;
    rig_drive(&rig);
    MobRef inner[] = {rig_ref(1, W2), rig_ref(2, W3)};

    const MobPushTask *push = rig_run(&rig, rig_spec("f", 3), NO_ARGS, W2);
    MobRef ref = rig_result_of(push);
    for (uint32_t i = 0; i < 2; i++) {
        MobTaskReply *reply = rig_reply_to(push);
        rig_add_result(reply, (MobResult){.size = MOB_MS, .hash = HASH, .node = {2}});
        reply->results.items[0].nested = (MobRefs){g_memdup2(&inner[i], sizeof(MobRef)), 1};
        reply->token = 10 + i;
        rig_give(&rig, W2, reply);
        cr_counts(&rig, inner[i], "0/0/0/1/0");
        if (i == 1)
            break;
        rig_moved(&rig, NODE2, ref, false);
        push = rig_pushed(&rig, W2);
        cr_assert_eq(push->attempt, 2);
    }
    cr_counts(&rig, inner[0], "0/0/0/1/0"); /* somebody may have taken the value of before */
    rig_drop(&rig, ref);
    const MobRemoveBorrower *gone =
        mob_remove_borrower(rig_sent(&rig, W2, MOB_MSG_REMOVE_BORROWER, 0));
    cr_assert_eq(gone->borrows.items[0].token, 10);
    cr_assert(mob_address_eq(gone->borrows.items[0].registrar, W2));
    cr_assert_eq(rig_count_to(&rig, W3, MOB_MSG_REMOVE_BORROWER), 1);
    cr_assert_eq(rig_stats(&rig).borrowed, 0);
}

Test(worker_objects, lineage_is_bounded_and_what_is_over_it_cannot_be_made_again)
{
    g_auto(Rig) rig;
    rig_drive(&rig);
    MobRef refs[4];

    refs[0] = rig_result_of(load(&rig, "f", 3, NO_ARGS, W2));
    uint64_t one = rig_stats(&rig).lineage_bytes;
    rig.config.lineage_max = 2 * one;
    for (int i = 1; i < 4; i++) {
        refs[i] = rig_result_of(load(&rig, "f", 3, NO_ARGS, W2));
        cr_assert_leq(rig_stats(&rig).lineage_bytes, 2 * one);
    }
    cr_assert_eq(rig_stats(&rig).lineage_bytes, 2 * one, "two went when the third came");
    rig_node_dies(&rig, 2);
    rig_get_one(&rig, refs[0]);
    rig_is_error(rig_answer(&rig)->fault, MOB_FAULT_RECONSTRUCTION, "its lineage was evicted");
    rig_get_one(&rig, refs[3]);
    cr_assert_null(rig_answer(&rig), "this one runs again");
    cr_assert_eq(rig_stats(&rig).tasks_pending, 2);
}
