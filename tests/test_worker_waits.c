/* test_worker_waits.c: bodies that stop: get, wait, put; what they are told,
 * when, and what is left behind.
 */
#include "tests/worker_rig.h"

/* A driver that has submitted @count tasks, of which none has ended. */
static void
submit_some(Rig *rig, const MobPushTask **pushes, MobRef *refs, uint32_t count)
{
    rig_drive(rig);
    for (uint32_t i = 0; i < count; i++) {
        MobAddress worker = {1, 2000 + i};
        refs[i] = rig_submit(rig, "f", NO_ARGS);
        rig_grant(rig, rig_asked(rig, NODE1), worker);
        pushes[i] = rig_pushed(rig, worker);
    }
}

static void
finish(Rig *rig, const MobPushTask *push, uint32_t i, uint64_t size)
{
    rig_reply(rig, (MobAddress){1, 2000 + i}, push, rig_value(size, 1));
}

static void
wait_for(Rig *rig, const MobRef *refs, uint32_t count, uint32_t enough, MobTime timeout)
{
    rig_call(rig, (MobCall){.kind = MOB_CALL_WAIT,
                            .refs = refs,
                            .ref_count = count,
                            .count = enough,
                            .timeout = timeout});
}

static const MobWorkerBlocked *
blocked(const Rig *rig)
{
    const MobMsg *msg = rig_sent(rig, NODE1, MOB_MSG_WORKER_BLOCKED, 0);

    return msg != NULL ? mob_worker_blocked(msg) : NULL;
}

/* --- get --- */

Test(worker_waits, get_answers_in_the_order_of_the_list_with_what_stands_in_it_twice)
{
    g_auto(Rig) rig;
    const MobPushTask *pushes[2];
    MobRef refs[4];
    submit_some(&rig, pushes, refs, 2);

    refs[2] = refs[0];
    refs[3] = refs[1];
    rig_get(&rig, refs, 4, MOB_TIME_NEVER);
    cr_assert_eq(rig_count_all(&rig), 0);
    cr_assert(mob_object_eq(rig_note(&rig, MOB_NOTE_GET_BLOCKED)->object, refs[0].id));
    finish(&rig, pushes[1], 1, 11);
    cr_assert_null(rig_answer(&rig));
    finish(&rig, pushes[0], 0, 10);
    const MobAnswer *answer = rig_answer(&rig);
    cr_assert_eq(answer->value_count, 4);
    for (uint32_t i = 0; i < 4; i++)
        cr_assert_eq(answer->values[i]->size, 10 + i % 2);
    cr_assert_eq(answer->now, rig.now);
    cr_assert_not_null(rig_note(&rig, MOB_NOTE_GET_RESUMED));

    rig_get(&rig, refs, 4, 0);
    cr_assert_eq(rig_answer(&rig)->value_count, 4, "they are there");
    rig_get(&rig, NULL, 0, MOB_TIME_NEVER);
    cr_assert_eq(rig_answer(&rig)->value_count, 0);
}

Test(worker_waits, get_raises_the_first_error_of_the_list_whichever_comes_first)
{
    g_auto(Rig) rig;
    const MobPushTask *pushes[3];
    MobRef refs[3];
    submit_some(&rig, pushes, refs, 3);

    rig_get(&rig, refs, 3, MOB_TIME_NEVER);
    rig_reply_error(&rig, (MobAddress){1, 2002}, pushes[2], "the third");
    cr_assert_null(rig_answer(&rig), "one before it might be an error too");
    rig_reply_error(&rig, (MobAddress){1, 2001}, pushes[1], "the second");
    cr_assert_null(rig_answer(&rig));
    finish(&rig, pushes[0], 0, 10);
    rig_is_error(rig_answer(&rig)->fault, MOB_FAULT_TASK, "the second");

    rig_get(&rig, refs, 3, MOB_TIME_NEVER);
    rig_is_error(rig_answer(&rig)->fault, MOB_FAULT_TASK, "the second");
    rig_get(&rig, refs, 1, MOB_TIME_NEVER);
    cr_assert_eq(rig_answer(&rig)->values[0]->size, 10);
}

Test(worker_waits, get_gives_up_when_its_time_is_over)
{
    g_auto(Rig) rig;
    const MobPushTask *pushes[2];
    MobRef refs[2];
    submit_some(&rig, pushes, refs, 2);
    finish(&rig, pushes[0], 0, 10);

    rig_get(&rig, refs, 2, 0);
    rig_is_error(rig_answer(&rig)->fault, MOB_FAULT_GET_TIMEOUT, "O2 was not there after 0.000 ms");
    rig_get(&rig, refs, 2, 1500 * MOB_US);
    MobTime deadline = rig.now + 1500 * MOB_US;
    cr_assert_eq(rig.out.alarms[MOB_TIMER_DEADLINE], deadline);
    rig_timer(&rig, MOB_TIMER_DEADLINE, deadline);
    rig_is_error(rig_answer(&rig)->fault, MOB_FAULT_GET_TIMEOUT, "O2 was not there after 1.500 ms");
    finish(&rig, pushes[1], 1, 11);
    cr_assert_null(rig_answer(&rig), "too late");

    rig_get(&rig, refs, 2, MOB_MS);
    cr_assert_eq(rig_answer(&rig)->value_count, 2, "but it is there for the next");
    rig_timer(&rig, MOB_TIMER_DEADLINE, rig.now + MOB_MS);
    cr_assert_null(rig_answer(&rig));
}

Test(worker_waits, a_value_in_a_store_is_fetched_once_and_given_up_when_it_is_not_needed)
{
    g_auto(Rig) rig;
    const MobPushTask *pushes[3];
    MobRef refs[3];
    submit_some(&rig, pushes, refs, 3);

    rig_reply_stored(&rig, (MobAddress){1, 2000}, pushes[0], MOB_MS);
    refs[1] = refs[0];
    rig_get(&rig, refs, 2, MOB_TIME_NEVER);
    cr_assert_eq(rig_count_to(&rig, NODE1, MOB_MSG_GET_OBJECT), 1);
    cr_assert_not(mob_get_object(rig_sent(&rig, NODE1, MOB_MSG_GET_OBJECT, 0))->wait);
    rig_reset(&rig, NODE1);
    rig_timer(&rig, MOB_TIMER_RETRY, rig.now + rig.config.retry_delay);
    cr_assert_eq(rig_count_to(&rig, NODE1, MOB_MSG_GET_OBJECT), 1, "asked again");
    rig_here(&rig, refs[2], rig_value(4, 4)); /* nobody asked for it */
    cr_assert_null(rig_answer(&rig));
    rig_here(&rig, refs[0], rig_value(MOB_MS, 1));
    cr_assert_eq(rig_answer(&rig)->values[1]->size, MOB_MS);
    rig_here(&rig, refs[0], rig_value(MOB_MS, 1));
    cr_assert_null(rig_answer(&rig), "said twice");

    rig_get(&rig, refs, 3, MOB_MS);
    rig_timer(&rig, MOB_TIMER_DEADLINE, rig.now + MOB_MS);
    cr_assert_not_null(rig_answer(&rig)->fault);
    cr_assert_eq(rig_count_to(&rig, NODE1, MOB_MSG_CANCEL_GET), 1);

    rig_get(&rig, refs, 1, MOB_TIME_NEVER);
    rig_here(&rig, refs[0], rig_error("its owner died"));
    rig_is_error(rig_answer(&rig)->fault, MOB_FAULT_TASK, "its owner died");
}

Test(worker_waits, a_body_that_waits_for_a_lost_object_gets_it_when_it_is_made_again)
{
    g_auto(Rig) rig;
    const MobPushTask *pushes[1];
    MobRef refs[1];
    submit_some(&rig, pushes, refs, 1);

    rig_reply_stored(&rig, (MobAddress){1, 2000}, pushes[0], MOB_MS);
    rig_get(&rig, refs, 1, MOB_TIME_NEVER);
    rig_moved(&rig, NODE1, refs[0], false);
    cr_assert_null(rig_answer(&rig));
    const MobPushTask *again = rig_pushed(&rig, (MobAddress){1, 2000});
    cr_assert_eq(again->attempt, 2);
    rig_reply_stored(&rig, (MobAddress){1, 2000}, again, MOB_MS);
    cr_assert_eq(rig_count_to(&rig, NODE1, MOB_MSG_GET_OBJECT), 1);
    rig_here(&rig, refs[0], rig_value(MOB_MS, 1));
    cr_assert_eq(rig_answer(&rig)->value_count, 1);
}

Test(worker_waits, what_is_nested_is_registered_before_the_body_has_it)
{
    MobRef inner[] = {rig_ref(1, W3), rig_ref(2, W2)};
    g_auto(Rig) rig;
    rig_work(&rig);
    MobRef outer = rig_ref(3, DRIVER);
    rig_begin(&rig, DRIVER, ARGS(by_value(rig_holding(10, &outer, 1))));

    rig_get(&rig, &outer, 1, MOB_MS);
    cr_assert_eq(rig_count_to(&rig, DRIVER, MOB_MSG_GET_STATUS), 1);
    cr_assert(blocked(&rig)->blocked);
    rig_status(&rig, outer, HOLDING(10, inner[0], inner[1], inner[0]));
    cr_assert_null(rig_answer(&rig));
    cr_assert_eq(rig_count(&rig, MOB_MSG_ADD_BORROWER), 2);
    cr_counts(&rig, inner[0], "0/0/0/1/0");
    const MobMsg *second = rig_sent(&rig, W2, MOB_MSG_ADD_BORROWER, 0);
    rig_added(&rig, W3);
    cr_assert_null(rig_answer(&rig));
    rig_timer(&rig, MOB_TIMER_DEADLINE, rig.now + MOB_MS);
    cr_assert_null(rig_answer(&rig), "all of it is there: it is in time");
    MobBorrowerAdded *added = mob_borrower_added_new();
    added->batch = mob_add_borrower(second)->batch;
    rig_give(&rig, W2, added);
    cr_assert_eq(rig_answer(&rig)->value_count, 1);
    cr_assert_not(blocked(&rig)->blocked);
    cr_counts(&rig, inner[0], "2/0/0/0/0");
    cr_counts(&rig, inner[1], "1/0/0/0/0");

    rig_get(&rig, &outer, 1, MOB_TIME_NEVER);
    cr_assert_eq(rig_answer(&rig)->value_count, 1, "registered once is enough");
    rig_return(&rig, rig_value(5, 7));
    cr_assert_eq(rig_count(&rig, MOB_MSG_REMOVE_BORROWER), 2);
    cr_assert_eq(rig_stats(&rig).borrowed, 0);
}

Test(worker_waits, a_body_may_wait_for_what_it_has_given_up_and_learns_that_it_is_gone)
{
    g_auto(Rig) rig;
    rig_drive(&rig);
    MobRef other = rig_ref(5, W2);
    MobRef mine = rig_put(&rig, rig_value(MOB_MS, 1));

    rig_drop(&rig, mine);
    rig_get_one(&rig, mine);
    rig_is_error(rig_answer(&rig)->fault, MOB_FAULT_OBJECT_LOST, "was freed");
    rig_get_one(&rig, other);
    cr_counts(&rig, other, "0/0/0/0/0");
    rig_status(&rig, other, rig_error("it was freed"));
    rig_is_error(rig_answer(&rig)->fault, MOB_FAULT_TASK, "it was freed");
    cr_assert_eq(rig_stats(&rig).owned + rig_stats(&rig).borrowed, 0);
}

/* --- wait --- */

Test(worker_waits, wait_tells_which_are_ready_in_the_order_of_the_list)
{
    g_auto(Rig) rig;
    const MobPushTask *pushes[4];
    MobRef refs[4];
    submit_some(&rig, pushes, refs, 4);

    wait_for(&rig, refs, 4, 2, MOB_TIME_NEVER);
    finish(&rig, pushes[3], 3, 10);
    cr_assert_null(rig_answer(&rig));
    rig_reply_error(&rig, (MobAddress){1, 2001}, pushes[1], "an error is ready too");
    const MobAnswer *answer = rig_answer(&rig);
    cr_assert_eq(answer->ready_count, 2);
    cr_assert(answer->ready[0] == 1 && answer->ready[1] == 3);

    rig_reply_stored(&rig, (MobAddress){1, 2000}, pushes[0], MOB_MS);
    wait_for(&rig, refs, 4, 2, MOB_TIME_NEVER);
    answer = rig_answer(&rig);
    cr_assert(answer->ready_count == 2 && answer->ready[0] == 0 && answer->ready[1] == 1);
    cr_assert_eq(rig_count(&rig, MOB_MSG_GET_OBJECT), 0, "where it is does not matter");

    wait_for(&rig, refs, 4, 9, 0);
    cr_assert_eq(rig_answer(&rig)->ready_count, 3, "what there is when the time is over");
    wait_for(&rig, refs, 4, 4, MOB_MS);
    rig_timer(&rig, MOB_TIMER_DEADLINE, rig.now + MOB_MS);
    cr_assert_eq(rig_answer(&rig)->ready_count, 3);
    refs[0] = refs[2];
    wait_for(&rig, refs, 3, 3, MOB_TIME_NEVER);
    finish(&rig, pushes[2], 2, 10);
    cr_assert_eq(rig_answer(&rig)->ready_count, 3, "both places of the same object");
    wait_for(&rig, NULL, 0, 1, MOB_TIME_NEVER);
    cr_assert_eq(rig_answer(&rig)->ready_count, 0);
}

Test(worker_waits, a_worker_that_waits_lends_its_cpu_and_a_driver_has_none)
{
    MobRef refs[] = {rig_ref(1, DRIVER), rig_ref(2, DRIVER)};
    g_auto(Rig) rig;
    rig_work(&rig);
    rig_begin(&rig, DRIVER, ARGS(by_value(rig_holding(10, refs, 2))));

    wait_for(&rig, refs, 2, 1, 0);
    cr_assert_null(blocked(&rig), "it did not have to wait");
    wait_for(&rig, refs, 2, 1, MOB_TIME_NEVER);
    cr_assert(blocked(&rig)->blocked);
    cr_assert_eq(rig_count(&rig, MOB_MSG_GET_STATUS), 0, "they were asked for before");
    rig_status(&rig, refs[1], NULL);
    cr_assert_not(blocked(&rig)->blocked);
    cr_assert_eq(rig_answer(&rig)->ready[0], 1);
    g_autoptr(GString) nothing = g_string_new(NULL);
    mob_worker_explain(rig.process, nothing);
    cr_assert_str_eq(nothing->str, "");

    rig_get(&rig, refs, 2, MOB_TIME_NEVER);
    g_autoptr(GString) why = g_string_new(NULL);
    mob_worker_explain(rig.process, why);
    cr_assert_not_null(strstr(why->str, "T9 waits for"), "%s", why->str);
    cr_assert_not_null(strstr(why->str, "driver owns (and 1 more)"), "%s", why->str);
}

/* --- put --- */

Test(worker_waits, a_put_is_answered_when_the_store_has_it)
{
    g_auto(Rig) rig;
    rig_drive(&rig);
    MobRef inner = rig_submit(&rig, "f", NO_ARGS);
    MobValue *value = HOLDING(10, inner);

    rig_call(&rig, (MobCall){.kind = MOB_CALL_PUT, .values = &value, .value_count = 1});
    const MobStoreObject *store = mob_store_object(rig_sent(&rig, NODE1, MOB_MSG_STORE_OBJECT, 0));
    cr_assert_null(rig_answer(&rig));
    cr_counts(&rig, store->object, "1/0/0/0/0");
    cr_counts(&rig, inner, "1/0/0/1/0");
    rig_reset(&rig, NODE1);
    rig_timer(&rig, MOB_TIMER_RETRY, rig.now + rig.config.retry_delay);
    cr_assert_eq(rig_count(&rig, MOB_MSG_STORE_OBJECT), 1, "said again");
    rig_stored(&rig, store, true);
    cr_assert(mob_object_eq(rig_answer(&rig)->refs[0].id, store->object.id));
    cr_assert_str_eq(mob_str(rig_answer(&rig)->refs[0].path), "1");
    rig_stored(&rig, store, true);
    cr_assert_null(rig_answer(&rig), "said twice");
    rig_drop(&rig, store->object);
    cr_counts(&rig, inner, "1/0/0/0/0");
    cr_assert_eq(rig_count_to(&rig, NODE1, MOB_MSG_FREE_OBJECTS), 1);
}

Test(worker_waits, a_put_that_finds_no_room_is_an_error_and_leaves_nothing_behind)
{
    g_auto(Rig) rig;
    rig_drive(&rig);
    MobRef inner = rig_submit(&rig, "f", NO_ARGS);
    MobValue *value = HOLDING(10, inner);

    rig_call(&rig, (MobCall){.kind = MOB_CALL_PUT, .values = &value, .value_count = 1});
    const MobStoreObject *store = mob_store_object(rig_sent(&rig, NODE1, MOB_MSG_STORE_OBJECT, 0));
    rig_stored(&rig, store, false);
    rig_is_error(rig_answer(&rig)->fault, MOB_FAULT_STORE_FULL, "7 of 10 bytes are in use");
    cr_counts(&rig, store->object, "gone");
    cr_counts(&rig, inner, "1/0/0/0/0");
}
