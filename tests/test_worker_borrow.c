/* test_worker_borrow.c: references that cross processes: who is registered
 * with whom, when, and until when.
 *
 * The worker runs T9, which the driver has submitted. A is the driver's, X and
 * Y belong to other workers.
 */
#include "tests/worker_rig.h"

#define A (rig_ref(1, DRIVER))
#define B (rig_ref(2, DRIVER))
#define X (rig_ref(3, W3))
#define Y (rig_ref(4, W2))

static const MobAddBorrower *
registered(const Rig *rig, MobAddress owner)
{
    const MobMsg *msg = rig_sent(rig, owner, MOB_MSG_ADD_BORROWER, 0);

    cr_assert_not_null(msg);
    return mob_add_borrower(msg);
}

static const MobRemoveBorrower *
removed(const Rig *rig, MobAddress owner)
{
    const MobMsg *msg = rig_sent(rig, owner, MOB_MSG_REMOVE_BORROWER, 0);

    cr_assert_not_null(msg);
    return mob_remove_borrower(msg);
}

/* The token of the first that was registered with, or removed from, @owner. */
static uint64_t
registered_as(const Rig *rig, MobAddress owner)
{
    return registered(rig, owner)->borrows.items[0].token;
}

static uint64_t
removed_as(const Rig *rig, MobAddress owner)
{
    return removed(rig, owner)->borrows.items[0].token;
}

static bool
same(MobRef a, MobRef b)
{
    return mob_object_eq(a.id, b.id);
}

/* --- what a body keeps --- */

Test(worker_borrow, what_a_body_was_given_and_does_not_keep_is_not_registered)
{
    g_auto(Rig) rig;
    rig_work(&rig);

    rig_begin(&rig, DRIVER, ARGS(by_value(HOLDING(10, A, X, A))));
    cr_counts(&rig, A, "2/0/0/0/0");
    cr_counts(&rig, X, "1/0/0/0/0");
    rig_return(&rig, rig_value(5, 7));
    const MobTaskReply *reply = rig_replied(&rig, DRIVER);
    cr_assert_eq(reply->borrowed.count, 0);
    cr_assert_eq(rig_count_all(&rig), 1);
    cr_assert_eq(rig_stats(&rig).borrowed, 0);
}

Test(worker_borrow, what_a_body_keeps_is_registered_before_or_with_the_reply)
{
    g_auto(Rig) rig;
    rig_work(&rig);

    rig_begin(&rig, DRIVER, ARGS(by_value(HOLDING(10, A, X))));
    MobRef kept = rig_put(&rig, HOLDING(MOB_MS, A, X)); /* by a value that somebody may need */
    cr_counts(&rig, X, "1/0/0/1/0");
    rig_return(&rig, rig_holding(10, &kept, 1));
    const MobAddBorrower *add = registered(&rig, W3);
    cr_assert(mob_address_eq(add->borrower, SELF));
    cr_assert(mob_address_eq(add->borrows.items[0].registrar, SELF));
    cr_assert_null(rig_replied(&rig, DRIVER), "the driver protects X until the reply");
    cr_counts(&rig, kept, "1/0/0/0/1");
    uint64_t token = add->borrows.items[0].token;
    rig_added(&rig, W3);

    const MobTaskReply *reply = rig_replied(&rig, DRIVER);
    cr_assert_eq(reply->borrowed.count, 1);
    cr_assert(same(reply->borrowed.items[0], A));
    cr_assert_neq(reply->token, token);
    cr_counts(&rig, kept, "0/0/0/0/1");

    /* The driver lets go: so do we. */
    rig_unborrow(&rig, DRIVER, kept, SELF, reply->token + 1);
    cr_assert_not_null(rig_sent(&rig, DRIVER, MOB_MSG_BORROWER_REMOVED, 0));
    cr_assert_eq(removed_as(&rig, W3), token);
    cr_assert_eq(removed_as(&rig, DRIVER), reply->token);
    cr_assert_eq(rig_count(&rig, MOB_MSG_FREE_OBJECTS), 1);
    cr_assert_eq(rig_stats(&rig).owned + rig_stats(&rig).borrowed, 0);
}

Test(worker_borrow, an_argument_of_a_task_that_is_still_running_is_kept)
{
    g_auto(Rig) rig;
    rig_work(&rig);

    rig_begin(&rig, DRIVER, ARGS(by_value(HOLDING(10, A))));
    MobRef child = rig_submit(&rig, "child", ARGS(by_ref(A)));
    cr_assert_eq(rig_count_to(&rig, DRIVER, MOB_MSG_GET_STATUS), 1);
    rig_drop(&rig, A);
    cr_counts(&rig, A, "0/1/1/0/0");
    rig_return(&rig, rig_holding(10, &child, 1));
    cr_assert_eq(rig_replied(&rig, DRIVER)->borrowed.count, 1, "given up by the body, not by us");
    uint64_t token = rig_replied(&rig, DRIVER)->token;

    rig_status(&rig, A, rig_value(5, 7));
    cr_counts(&rig, A, "gone"); /* its value takes its place */
    cr_assert_eq(removed_as(&rig, DRIVER), token);
    rig_grant(&rig, rig_asked(&rig, NODE1), W1);
    cr_assert_eq(rig_pushed(&rig, W1)->args->items[0].value->size, 5);
}

Test(worker_borrow, a_borrowed_value_that_holds_references_protects_them_until_the_task_is_over)
{
    g_auto(Rig) rig;
    rig_work(&rig);

    rig_begin(&rig, DRIVER, ARGS(by_value(HOLDING(10, A))));
    MobRef child = rig_submit(&rig, "child", ARGS(by_ref(A)));
    rig_status(&rig, A, HOLDING(10, X));
    const MobRequestLease *request =
        mob_request_lease(rig_sent(&rig, NODE1, MOB_MSG_REQUEST_LEASE, 0));
    cr_counts(&rig, A, "1/1/1/0/0");
    cr_counts(&rig, X, "gone"); /* we never held it */
    cr_assert(same(request->deps.items[0], A));
    rig_return(&rig, rig_holding(10, &child, 1));
    cr_assert(same(rig_replied(&rig, DRIVER)->borrowed.items[0], A));
    rig_grant(&rig, request->lease, W1);
    const MobPushTask *push = rig_pushed(&rig, W1);
    cr_assert(same(push->args->items[0].ref, A));
    rig_reply(&rig, W1, push, rig_value(5, 7));
    cr_assert_not_null(removed(&rig, DRIVER));
}

/* --- what a body returns --- */

Test(worker_borrow, whoever_returns_a_reference_registers_the_caller)
{
    g_auto(Rig) rig;
    rig_work(&rig);

    rig_begin(&rig, DRIVER, ARGS(by_value(HOLDING(10, A, X))));
    MobRef mine = rig_submit(&rig, "child", NO_ARGS);
    rig_return(&rig, HOLDING(10, A, X, mine));
    const MobAddBorrower *add = registered(&rig, W3);
    cr_assert(mob_address_eq(add->borrower, DRIVER));
    cr_assert(mob_address_eq(add->borrows.items[0].registrar, SELF));
    uint64_t token = add->borrows.items[0].token;
    cr_counts(&rig, mine, "1/0/0/0/1");
    rig_added(&rig, W3);
    const MobTaskReply *reply = rig_replied(&rig, DRIVER);
    cr_assert_eq(reply->borrowed.count, 0);
    cr_assert_eq(reply->token, token, "A is its own; the first token is for X, the next for mine");
    cr_assert_eq(rig_stats(&rig).borrowed, 0);
    rig_worker_dies(&rig, DRIVER);
    cr_counts(&rig, mine, "0/0/0/0/0"); /* its task runs, then it goes */
}

Test(worker_borrow, a_registration_is_said_again_until_it_is_answered_or_the_owner_is_dead)
{
    for (int dies = 0; dies < 3; dies++) {
        g_auto(Rig) rig;
        rig_work(&rig);
        rig_begin(&rig, DRIVER, ARGS(by_value(HOLDING(10, X))));
        rig_return(&rig, HOLDING(10, X));
        uint64_t token = registered_as(&rig, W3);
        rig_reset(&rig, W3);
        rig_timer(&rig, MOB_TIMER_RETRY, rig.now + rig.config.retry_delay);
        cr_assert_eq(registered_as(&rig, W3), token);
        if (dies == 1)
            rig_worker_dies(&rig, W3);
        else if (dies == 2)
            rig_node_dies(&rig, 3);
        else
            rig_added(&rig, W3);
        cr_assert_not_null(rig_replied(&rig, DRIVER), "case %d", dies);
        rig_give(&rig, W3, mob_borrower_added_new());
    }
}

Test(worker_borrow, what_is_given_up_before_its_registration_is_answered_is_removed_after_it)
{
    g_auto(Rig) rig;
    rig_work(&rig);

    rig_begin(&rig, DRIVER, ARGS(by_value(HOLDING(10, X))));
    MobRef child = rig_submit(&rig, "child", ARGS(by_ref(X)));
    rig_drop(&rig, X);
    rig_return(&rig, rig_holding(10, &child, 1));
    uint64_t token = registered_as(&rig, W3);
    rig_status(&rig, X, rig_value(5, 7)); /* its value takes its place */
    cr_counts(&rig, X, "gone");
    cr_assert_eq(removed_as(&rig, W3), token);
    rig_reset(&rig, W3);
    rig_timer(&rig, MOB_TIMER_RETRY, rig.now + rig.config.retry_delay);
    const MobEffect *first = rig_effect(&rig, MOB_EFFECT_SEND, 0);
    cr_assert_eq(first->msg->type, MOB_MSG_ADD_BORROWER, "in the order in which they were said");
    cr_assert_eq(registered_as(&rig, W3), token);
    cr_assert_eq(removed_as(&rig, W3), token);
}

Test(worker_borrow, what_a_step_says_to_one_owner_is_one_message)
{
    enum {
        MANY = 40
    };
    g_auto(Rig) rig;
    MobRef refs[MANY];

    rig_work(&rig);
    for (uint32_t i = 0; i < MANY; i++)
        refs[i] = rig_ref(100 + i, i % 2 == 0 ? W3 : W2);
    MobRef outer = rig_ref(9, DRIVER);
    rig_begin(&rig, DRIVER, ARGS(by_value(rig_holding(10, &outer, 1))));
    rig_get(&rig, &outer, 1, MOB_TIME_NEVER);
    rig_status(&rig, outer, rig_holding(10, refs, MANY));
    cr_assert_eq(rig_count(&rig, MOB_MSG_ADD_BORROWER), 2);
    const MobAddBorrower *add = registered(&rig, W3);
    cr_assert_eq(add->borrows.count, MANY / 2);
    for (uint32_t i = 0; i < MANY / 2; i++)
        cr_assert(mob_object_eq(add->borrows.items[i].object, refs[i * 2].id));
    const MobMsg *other = rig_sent(&rig, W2, MOB_MSG_ADD_BORROWER, 0);
    rig_added(&rig, W3);
    cr_assert_null(rig_answer(&rig));
    MobBorrowerAdded *added = mob_borrower_added_new();
    added->batch = mob_add_borrower(other)->batch;
    rig_give(&rig, W2, added);
    cr_assert_eq(rig_answer(&rig)->value_count, 1);

    rig_return(&rig, rig_value(5, 7));
    cr_assert_eq(rig_count(&rig, MOB_MSG_REMOVE_BORROWER), 2);
    for (uint32_t i = 0; i < MANY / 2; i++)
        cr_assert_eq(removed(&rig, W3)->borrows.items[i].token, add->borrows.items[i].token);
    cr_assert_eq(rig_stats(&rig).borrowed, 0);
}

/* --- as a caller --- */

Test(worker_borrow, references_in_results_come_registered_and_are_removed_with_them)
{
    g_auto(Rig) rig;
    rig_drive(&rig);

    const MobPushTask *push = rig_run(&rig, rig_spec("f", 3), NO_ARGS, W2);
    MobTaskReply *reply = rig_reply_to(push);
    rig_add_result(reply, (MobResult){.value = HOLDING(10, X, Y, X), .size = 10});
    reply->token = 30;
    rig_give(&rig, W2, reply);
    cr_counts(&rig, X, "0/0/0/2/0");
    cr_assert_eq(rig_stats(&rig).borrowed, 2);
    rig_get_one(&rig, rig_result_of(push));
    cr_counts(&rig, X, "2/0/0/2/0");
    cr_assert_eq(rig_count(&rig, MOB_MSG_ADD_BORROWER), 0, "it is registered already");
    rig_drop(&rig, X);
    rig_drop(&rig, X);
    rig_drop(&rig, Y);
    rig_drop(&rig, rig_result_of(push));
    cr_assert_eq(rig_count_to(&rig, W3, MOB_MSG_REMOVE_BORROWER), 1);
    cr_assert_eq(removed(&rig, W3)->borrows.count, 2, "X had two tokens");
    cr_assert_eq(removed_as(&rig, W3), 30);
    cr_assert_eq(removed(&rig, W3)->borrows.items[1].token, 32);
    cr_assert_eq(removed_as(&rig, W2), 31);

    /* Lost with its connection, and said again. */
    rig_reset(&rig, W2);
    rig_timer(&rig, MOB_TIMER_RETRY, rig.now + rig.config.retry_delay);
    cr_assert_eq(removed_as(&rig, W2), 31);
    MobBorrowerRemoved *answer = mob_borrower_removed_new();
    answer->batch = removed(&rig, W2)->batch;
    rig_give(&rig, W2, answer);
    rig_reset(&rig, W2);
    rig_timer(&rig, MOB_TIMER_RETRY, rig.now + rig.config.retry_delay);
    cr_assert_eq(rig_count(&rig, MOB_MSG_REMOVE_BORROWER), 0);
}

Test(worker_borrow, references_of_a_result_that_does_not_count_are_removed_at_once)
{
    g_auto(Rig) rig;
    rig_drive(&rig);

    const MobPushTask *push = rig_run(&rig, rig_spec("f", 3), NO_ARGS, W2);
    rig_reply(&rig, W2, push, rig_value(5, 7));
    MobRef ref = rig_result_of(push);
    MobTaskReply *late = rig_reply_to(push);
    rig_add_result(late, (MobResult){.value = HOLDING(10, X, ref), .size = 10});
    late->borrowed = (MobRefs){g_new(MobRef, 1), 1};
    late->borrowed.items[0] = mob_ref_copy(&ref);
    late->token = 30;
    rig_give(&rig, W2, late);
    cr_assert_eq(removed_as(&rig, W3), 31);
    cr_counts(&rig, ref, "1/0/0/0/1"); /* but it does borrow what it says that it keeps */
    rig_worker_dies(&rig, W2);
    cr_counts(&rig, ref, "1/0/0/0/0");
}

/* --- as an owner --- */

Test(worker_borrow, an_object_lives_as_long_as_somebody_is_registered)
{
    g_auto(Rig) rig;
    rig_drive(&rig);
    const MobPushTask *push = rig_run(&rig, rig_spec("load", 3), NO_ARGS, W2);
    MobRef ref = rig_result_of(push);
    rig_reply_stored(&rig, W2, push, MOB_MS);

    static const MobAddress borrowers[] = {{2, MOB_LOCAL_POOL}, {3, MOB_LOCAL_POOL}};
    for (uint64_t i = 0; i < 6; i++) { /* each says everything twice */
        MobAddBorrower *add = mob_add_borrower_new();
        add->borrows = (MobBorrows){g_new0(MobBorrow, 2), 2};
        add->borrows.items[0] = (MobBorrow){.object = ref.id, .registrar = W1, .token = 10 + i / 2};
        add->borrows.items[1] = (MobBorrow){.object = A.id, .registrar = W1, .token = 20 + i / 2};
        add->borrower = borrowers[i / 2 % 2]; /* A is long gone: nothing comes of it */
        add->batch = i + 5;
        rig_give(&rig, W1, add);
        cr_assert_eq(mob_borrower_added(rig_sent(&rig, W1, MOB_MSG_BORROWER_ADDED, 0))->batch,
                     i + 5);
    }
    cr_counts(&rig, ref, "1/0/0/0/3");
    rig_drop(&rig, ref);
    rig_node_dies(&rig, 3);
    cr_counts(&rig, ref, "0/0/0/0/2");
    for (uint64_t token = 10; token <= 12; token++) {
        rig_unborrow(&rig, W2, ref, W1, token);
        cr_assert_eq(rig_count_to(&rig, W2, MOB_MSG_BORROWER_REMOVED), 1);
    }
    cr_counts(&rig, ref, "gone");
}

Test(worker_borrow, the_objects_of_a_dead_owner_are_errors)
{
    g_auto(Rig) rig;
    rig_work(&rig);

    rig_begin(&rig, DRIVER, ARGS(by_value(HOLDING(10, X, Y))));
    MobRef refs[] = {X, Y};
    MobRef child = rig_submit(&rig, "child", ARGS(by_ref(X), by_ref(Y)));
    rig_status(&rig, X, rig_value(5, 7));
    rig_drop(&rig, X); /* its value now counts for the task alone */
    rig_get(&rig, &refs[1], 1, MOB_TIME_NEVER);
    rig_node_dies(&rig, 2);
    rig_is_error(rig_answer(&rig)->fault, MOB_FAULT_OWNER_DIED, "n2 died");
    cr_counts(&rig, X, "gone");
    rig_get_one(&rig, child);
    rig_is_error(rig_answer(&rig)->fault, MOB_FAULT_TASK, "the owner of");
    rig_get_one(&rig, Y);
    rig_is_error(rig_answer(&rig)->fault, MOB_FAULT_OWNER_DIED, "n2 died");
}

Test(worker_borrow, the_death_of_a_worker_says_where_it_was)
{
    g_auto(Rig) rig;
    rig_work(&rig);
    MobRef far = rig_ref(5, (MobAddress){77, MOB_LOCAL_POOL});

    rig_begin(&rig, DRIVER, ARGS(by_value(HOLDING(10, far))));
    rig_get(&rig, &far, 1, MOB_TIME_NEVER);
    MobWorkerDied *news = mob_worker_died_new();
    news->worker = far.owner;
    news->machine = mob_str_new("n76"); /* nobody has said that there is one */
    news->reason = mob_str_new("killed");
    rig_give(&rig, NODE1, news);
    rig_is_error(rig_answer(&rig)->fault, MOB_FAULT_OWNER_DIED, "n76/w0 died: killed");
}

Test(worker_borrow, several_objects_of_a_dead_owner_may_go_at_once)
{
    g_auto(Rig) rig;
    rig_work(&rig);
    MobRef other = rig_ref(5, W2);

    rig_begin(&rig, DRIVER, ARGS(by_value(HOLDING(10, Y, other))));
    rig_submit(&rig, "child", ARGS(by_ref(Y), by_ref(other)));
    rig_status(&rig, other, rig_value(5, 7));
    rig_drop(&rig, Y);
    rig_drop(&rig, other);
    cr_counts(&rig, other, "0/1/1/0/0");
    rig_worker_dies(&rig, W2); /* Y is an error, so the task is over, so both go */
    cr_assert_eq(rig_stats(&rig).borrowed, 0);
}

/* --- in which order, and what comes in the wrong one --- */

Test(worker_borrow, what_a_task_holds_at_its_end_is_dropped_in_the_order_in_which_it_came)
{
    g_auto(Rig) rig;
    rig_work(&rig);
    MobRef third = rig_ref(5, W2B);

    rig_begin(&rig, DRIVER, ARGS(by_value(HOLDING(10, X, Y, third))));
    MobRef kept = rig_put(&rig, HOLDING(MOB_MS, Y, third, X));
    rig_drop(&rig, kept);
    MobAddress owners[] = {W3, W2, W2B};
    guint count = 0;
    rig_return(&rig, rig_value(5, 7));
    for (guint i = 0; i < rig.out.notes->len; i++) {
        const MobNote *note = &g_array_index(rig.out.notes, MobNote, i);
        if (note->kind == MOB_NOTE_REF_DROPPED && !mob_address_eq(note->owner, SELF))
            cr_assert(mob_address_eq(note->owner, owners[count++]), "as they came");
    }
    cr_assert_eq(count, 3);
}

Test(worker_borrow, a_removal_that_overtakes_the_reply_which_it_belongs_to_is_remembered)
{
    g_auto(Rig) rig;
    rig_drive(&rig);
    const MobPushTask *large = rig_run(&rig, rig_spec("load", 3), NO_ARGS, W2);
    MobRef ref = rig_result_of(large);
    rig_reply_stored(&rig, W2, large, MOB_MS);
    const MobPushTask *push = rig_run(&rig, rig_spec("f", 3), ARGS(by_value(HOLDING(5, ref))), W3);

    rig_unborrow(&rig, W3, ref, W3, 30);
    cr_assert_not_null(rig_sent(&rig, W3, MOB_MSG_BORROWER_REMOVED, 0));
    MobTaskReply *reply = rig_reply_to(push);
    rig_add_result(reply, (MobResult){.value = rig_value(5, 7), .size = 5});
    reply->borrowed = (MobRefs){g_new(MobRef, 1), 1};
    reply->borrowed.items[0] = mob_ref_copy(&ref);
    reply->token = 30;
    rig_give(&rig, W3, reply);
    cr_counts(&rig, ref, "1/0/0/0/0");
    rig_drop(&rig, ref);
    cr_counts(&rig, ref, "gone");
}

Test(worker_borrow, ten_thousand_removals_are_remembered_until_they_can_be_of_no_use)
{
    g_auto(Rig) rig;
    rig_drive(&rig);
    const MobPushTask *large = rig_run(&rig, rig_spec("load", 3), NO_ARGS, W2);
    MobRef ref = rig_result_of(large);
    rig_reply_stored(&rig, W2, large, MOB_MS);

    rig.check = NULL;
    for (uint64_t token = 1; token <= 10000; token++)
        rig_unborrow(&rig, W2B, ref, W3, token);
    for (uint64_t token = 1; token <= 10000; token++) {
        MobAddBorrower *add = mob_add_borrower_new();
        add->borrows = (MobBorrows){g_new0(MobBorrow, 1), 1};
        add->borrows.items[0] = (MobBorrow){.object = ref.id, .registrar = W3, .token = token};
        add->borrower = W2B;
        rig_give(&rig, W3, add);
    }
    rig_count_again(&rig);
    cr_counts(&rig, ref, "1/0/0/0/0");
}

Test(worker_borrow, the_borrowers_of_a_reply_count_before_its_argument_is_let_go)
{
    g_auto(Rig) rig;
    rig_drive(&rig);
    const MobPushTask *large = rig_run(&rig, rig_spec("load", 3), NO_ARGS, W2);
    MobRef ref = rig_result_of(large);
    rig_reply_stored(&rig, W2, large, MOB_MS);
    const MobPushTask *push = rig_run(&rig, rig_spec("f", 3), ARGS(by_value(HOLDING(5, ref))), W3);

    rig_drop(&rig, ref);
    cr_counts(&rig, ref, "0/1/1/0/0"); /* the task alone protects it */
    MobTaskReply *reply = rig_reply_to(push);
    rig_add_result(reply, (MobResult){.value = rig_value(5, 7), .size = 5});
    reply->borrowed = (MobRefs){g_new(MobRef, 1), 1};
    reply->borrowed.items[0] = mob_ref_copy(&ref);
    reply->token = 30;
    rig_give(&rig, W3, reply);
    cr_counts(&rig, ref, "0/0/0/0/1");
    cr_assert_eq(rig_count(&rig, MOB_MSG_FREE_OBJECTS), 0);
    rig_worker_dies(&rig, W3);
    cr_counts(&rig, ref, "gone");
    cr_assert_eq(rig_count_to(&rig, NODE2, MOB_MSG_FREE_OBJECTS), 1);
}
