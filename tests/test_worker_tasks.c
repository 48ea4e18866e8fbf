/* test_worker_tasks.c: tasks at their owner: arguments, replies, retries, and
 * what is left when they are over.
 */
#include "tests/worker_rig.h"

#define KIB 1024

/* --- arguments --- */

Test(worker_tasks, values_up_to_100_kib_travel_along_and_larger_ones_are_put)
{
    g_auto(Rig) rig;
    rig_drive(&rig);

    const MobPushTask *push =
        rig_run(&rig, rig_spec("f", 3), ARGS(by_value(rig_value(100 * KIB, 1))), W1);
    cr_assert_eq(push->args->items[0].value->size, 100 * KIB);
    rig_reply(&rig, W1, push, rig_value(5, 7));

    rig_submit(&rig, "f", ARGS(by_value(rig_value(100 * KIB + 1, 1))));
    const MobStoreObject *store = mob_store_object(rig_sent(&rig, NODE1, MOB_MSG_STORE_OBJECT, 0));
    cr_assert_eq(rig_count_all(&rig), 1, "the task waits for it");
    cr_assert_eq(store->value->size, 100 * KIB + 1);
    cr_assert(mob_object_is_put(store->object.id));
    cr_assert_str_eq(mob_str(store->object.path), "1", "the first put of main");
    cr_counts(&rig, store->object, "0/1/1/0/0");
    rig_stored(&rig, store, true);
    const MobRequestLease *request =
        mob_request_lease(rig_sent(&rig, NODE1, MOB_MSG_REQUEST_LEASE, 0));
    cr_assert(mob_object_eq(request->deps.items[0].id, store->object.id));
    rig_grant(&rig, request->lease, W1);
    push = rig_pushed(&rig, W1);
    cr_assert_null(push->args->items[0].value);
    rig_reply(&rig, W1, push, rig_value(5, 7));
    cr_counts(&rig, store->object, "gone");
    cr_assert_not_null(rig_sent(&rig, NODE1, MOB_MSG_FREE_OBJECTS, 0));
}

Test(worker_tasks, values_up_to_10_mib_together_travel_along)
{
    g_auto(Rig) rig;
    rig_drive(&rig);

    for (int extra = 0; extra < 2; extra++) {
        MobArgs *args = mob_args_new(104);
        for (uint32_t i = 0; i < 102; i++)
            args->items[i].value = rig_value(100 * KIB, 1);
        args->items[102].value = rig_value(40 * KIB + (uint64_t)extra - 1, 1);
        args->items[103].value = rig_value(1, 1); /* 10 MiB, or one byte more */
        rig_submit(&rig, extra ? "f" : "g", args);
        cr_assert_eq(rig_count(&rig, MOB_MSG_STORE_OBJECT), (uint32_t)extra);
    }
    cr_assert_eq(mob_store_object(rig_sent(&rig, NODE1, MOB_MSG_STORE_OBJECT, 0))->value->size, 1);
}

Test(worker_tasks, an_argument_that_finds_no_room_is_an_error)
{
    g_auto(Rig) rig;
    rig_drive(&rig);

    MobRef ref = rig_submit(&rig, "f", ARGS(by_value(rig_value(200 * KIB, 1))));
    rig_stored(&rig, mob_store_object(rig_sent(&rig, NODE1, MOB_MSG_STORE_OBJECT, 0)), false);
    rig_get_one(&rig, ref);
    rig_is_error(rig_answer(&rig)->fault, MOB_FAULT_TASK, "an argument is an error");
    rig_is_error(rig_answer(&rig)->fault, MOB_FAULT_TASK, "the object store of n1 is full");
    rig_drop(&rig, ref);
    cr_assert_eq(rig_stats(&rig).owned, 0);
}

Test(worker_tasks, small_results_take_the_place_of_references_to_them)
{
    g_auto(Rig) rig;
    rig_drive(&rig);

    const MobPushTask *first = rig_run(&rig, rig_spec("load", 3), NO_ARGS, W1);
    MobRef small = rig_result_of(first);
    MobArgs *args = ARGS(by_ref(small), by_value(rig_value(3, 1)), by_ref(small));
    MobArgs *mine = mob_args_ref(args);
    rig_submit(&rig, "f", args);
    cr_assert_eq(rig_count_all(&rig), 0, "it waits for its argument");
    cr_counts(&rig, small, "1/2/2/0/0");
    rig_drop(&rig, small);
    cr_counts(&rig, small, "0/2/2/0/0");

    rig_reply(&rig, W1, first, rig_value(5, 7));
    cr_counts(&rig, small, "gone");
    rig_grant(&rig, rig_asked(&rig, NODE1), W1);
    const MobPushTask *push = rig_pushed(&rig, W1);
    cr_assert_eq(push->args->items[0].value->size, 5);
    cr_assert_eq(push->args->items[2].value->size, 5);
    cr_assert_not(mob_object_is(push->args->items[0].ref.id));
    cr_assert_null(mine->items[0].value, "what the program gave is not touched");
    mob_args_unref(mine);
}

Test(worker_tasks, an_argument_that_is_an_error_fails_all_tasks_behind_it_without_running_them)
{
    g_auto(Rig) rig;
    rig_drive(&rig);
    const MobPushTask *push = rig_run(&rig, rig_spec("load", 0), NO_ARGS, W1);
    MobRef last = rig_result_of(push);

    for (int i = 0; i < 20000; i++) {
        rig.check = i < 3 ? rig_count_again : NULL;
        last = rig_submit(&rig, "f", ARGS(by_ref(last)));
    }
    rig_reply_error(&rig, W1, push, "no luck");
    cr_assert_eq(rig_count_all(&rig), 0);
    rig_count_again(&rig);
    cr_assert_eq(rig_stats(&rig).tasks_pending, 0);

    rig.check = rig_count_again;
    rig_get_one(&rig, rig_result_of(push));
    rig_is_error(rig_answer(&rig)->fault, MOB_FAULT_TASK, "no luck");
    MobRef next = {
        mob_object_return(mob_task_child(mob_task_execution((MobTaskId){1, 1}, 1), 2), 1), DRIVER,
        NULL};
    rig_get_one(&rig, next);
    rig_is_error(rig_answer(&rig)->fault, MOB_FAULT_TASK, "an argument is an error");
    rig_is_error(rig_answer(&rig)->fault, MOB_FAULT_TASK, "no luck");
}

/* --- replies --- */

Test(worker_tasks, only_the_newest_attempt_under_its_lease_counts)
{
    g_auto(Rig) rig;
    rig_drive(&rig);

    const MobPushTask *first = rig_run(&rig, rig_spec("f", 3), NO_ARGS, W1);
    rig_worker_dies(&rig, W1);
    rig_place(&rig, rig_asked(&rig, NODE1), W2);
    const MobPushTask *second = rig_pushed(&rig, W2);
    cr_assert_eq(second->attempt, 2);

    rig_reply(&rig, W1, first, rig_value(5, 7));  /* the dead are not believed */
    rig_reply(&rig, W2, first, rig_value(5, 7));  /* of an attempt that is over */
    rig_reply(&rig, W3, second, rig_value(5, 7)); /* of a worker that does not have it */
    MobPushTask other = *second;
    other.lease.number = 99;
    rig_reply(&rig, W2, &other, rig_value(5, 7)); /* under another lease */
    other = *second;
    MobTaskSpec unknown = *second->spec;
    unknown.id.lo++;
    other.spec = &unknown;
    rig_reply(&rig, W2, &other, rig_value(5, 7));
    cr_assert_eq(rig_stats(&rig).tasks_pending, 1);

    rig_reply(&rig, W2, second, rig_value(5, 7));
    cr_assert_not_null(rig_note(&rig, MOB_NOTE_TASK_FINISHED));
    rig_reply(&rig, W2, second, rig_value(6, 8));
    cr_assert_null(rig_note(&rig, MOB_NOTE_TASK_FINISHED), "said twice");
    rig_get_one(&rig, rig_result_of(second));
    cr_assert_eq(rig_answer(&rig)->values[0]->size, 5);
}

Test(worker_tasks, a_worker_may_refuse_and_a_reply_of_the_wrong_shape_is_a_failure)
{
    g_auto(Rig) rig;
    rig_drive(&rig);

    const MobPushTask *push = rig_run(&rig, rig_spec("f", 1), NO_ARGS, W1);
    MobTaskReply *reply = rig_reply_to(push);
    reply->refused = true;
    rig_give(&rig, W1, reply);
    cr_assert_eq(rig_count(&rig, MOB_MSG_RETURN_LEASE), 1);
    rig_grant(&rig, rig_asked(&rig, NODE1), W1);
    push = rig_pushed(&rig, W1);
    cr_assert_eq(push->attempt, 2);

    rig_give(&rig, W1, rig_reply_to(push)); /* no result */
    push = rig_pushed(&rig, W1);
    cr_assert_eq(push->attempt, 3, "a refusal was free of charge, this was not");
    rig_give(&rig, W1, rig_reply_to(push));
    rig_get_one(&rig, rig_result_of(push));
    rig_is_error(rig_answer(&rig)->fault, MOB_FAULT_WORKER_CRASHED, "a reply of the wrong shape");
    rig_is_error(rig_answer(&rig)->fault, MOB_FAULT_WORKER_CRASHED, "n1/w1");
}

Test(worker_tasks, return_none_or_several_values_some_of_them_in_a_store)
{
    g_auto(Rig) rig;
    rig_drive(&rig);

    MobTaskSpec *spec = rig_spec("none", 3);
    spec->returns = 0;
    rig_give(&rig, W1, rig_reply_to(rig_run(&rig, spec, NO_ARGS, W1)));
    cr_assert_eq(rig_stats(&rig).tasks_pending + rig_stats(&rig).owned, 0);

    spec = rig_spec("three", 3);
    spec->returns = 3;
    const MobPushTask *push = rig_run(&rig, spec, NO_ARGS, W2);
    MobTaskReply *reply = rig_reply_to(push);
    rig_add_result(reply, (MobResult){.value = rig_value(5, 7), .size = 5});
    rig_add_result(reply, (MobResult){.size = MOB_MS, .hash = HASH, .node = {2}});
    rig_add_result(reply, (MobResult){.value = rig_error("an error as a value"), .size = 9});
    rig_give(&rig, W2, reply);
    cr_assert_eq(rig_stats(&rig).lineage_tasks, 1, "one of them could be lost");

    MobRefInfo row;
    MobObjectId stored = mob_object_return(push->spec->id, 2);
    cr_assert(rig_row(&rig, stored, &row));
    cr_assert_eq(row.primary.v, 2);
    cr_assert(rig_row(&rig, mob_object_return(push->spec->id, 3), &row));
    cr_assert_eq(row.value->fault, MOB_FAULT_TASK);
    rig_drop(&rig, (MobRef){.id = stored});
    cr_assert_eq(rig_count_to(&rig, NODE2, MOB_MSG_FREE_OBJECTS), 1);
    cr_assert_eq(rig_stats(&rig).lineage_tasks, 0);
    cr_assert_eq(rig_stats(&rig).owned, 2);
}

Test(worker_tasks, leave_nothing_behind_when_their_results_are_dropped)
{
    g_auto(Rig) rig;
    rig_drive(&rig);

    const MobPushTask *large = rig_run(&rig, rig_spec("load", 3), NO_ARGS, W2);
    rig_reply_stored(&rig, W2, large, MOB_MS);
    rig_submit(&rig, "f", ARGS(by_ref(rig_result_of(large))));
    rig_grant(&rig, rig_asked(&rig, NODE2), W2B);
    const MobPushTask *push = rig_pushed(&rig, W2B);
    rig_drop(&rig, rig_result_of(large));
    rig_drop(&rig, rig_result_of(push));
    cr_counts(&rig, rig_result_of(large), "0/1/1/0/0");
    cr_counts(&rig, rig_result_of(push), "0/0/0/0/0");

    rig_reply_stored(&rig, W2B, push, MOB_MS);
    cr_assert_eq(rig_count_to(&rig, NODE2, MOB_MSG_FREE_OBJECTS), 2);
    MobWorkerStats stats = rig_stats(&rig);
    cr_assert_eq(stats.owned + stats.tasks_pending + stats.lineage_tasks, 0);
    cr_assert_eq(stats.lineage_bytes + stats.inline_bytes, 0);
}

Test(worker_tasks, keep_their_arguments_for_their_lineage_and_no_longer)
{
    g_auto(Rig) rig;
    rig_drive(&rig);

    const MobPushTask *large = rig_run(&rig, rig_spec("load", 3), NO_ARGS, W2);
    MobRef load = rig_result_of(large);
    rig_reply_stored(&rig, W2, large, MOB_MS);
    rig_submit(&rig, "f", ARGS(by_ref(load)));
    rig_grant(&rig, rig_asked(&rig, NODE2), W2B);
    const MobPushTask *push = rig_pushed(&rig, W2B);
    rig_reply_stored(&rig, W2B, push, MOB_MS);
    rig_drop(&rig, load);
    cr_counts(&rig, load, "0/0/1/0/0");
    cr_assert_eq(rig_count_to(&rig, NODE2, MOB_MSG_FREE_OBJECTS), 1, "it can be made again");
    MobRefInfo row;
    cr_assert(rig_row(&rig, load.id, &row) && row.freed);
    cr_assert_gt(rig_stats(&rig).lineage_bytes, 0);

    /* A put cannot be made again, so its value stays. */
    MobRef put = rig_put(&rig, rig_value(MOB_MS, 1));
    rig_submit(&rig, "g", ARGS(by_ref(put)));
    rig_grant(&rig, rig_asked(&rig, NODE1), W1);
    rig_reply_stored(&rig, W1, rig_pushed(&rig, W1), MOB_MS);
    const MobRef made = rig_result_of(push);
    rig_drop(&rig, put);
    cr_counts(&rig, put, "0/0/1/0/0");
    cr_assert(rig_row(&rig, put.id, &row) && !row.freed && row.primary.v == 1);

    rig_drop(&rig, made);
    cr_counts(&rig, load, "gone");
    rig_return(&rig, mob_value_nil());
    cr_counts(&rig, put, "gone");
    cr_assert_eq(rig_stats(&rig).owned, 0);
}

/* --- retries --- */

Test(worker_tasks, are_tried_as_often_as_they_may_and_the_error_tells_of_all_attempts)
{
    g_auto(Rig) rig;
    rig_drive(&rig);
    MobAddress workers[] = {W1, W2, W3};
    MobRef ref = rig_submit_spec(&rig, rig_spec("f", 2), NO_ARGS);

    for (int i = 0; i < 3; i++) {
        rig_place(&rig, rig_asked(&rig, NODE1), workers[i]);
        cr_assert_eq(rig_pushed(&rig, workers[i])->attempt, (uint32_t)i + 1);
        rig_worker_dies(&rig, workers[i]);
    }
    cr_assert(rig_note(&rig, MOB_NOTE_TASK_FAILED)->final);
    rig_get_one(&rig, ref);
    const MobValue *fault = rig_answer(&rig)->fault;
    rig_is_error(fault, MOB_FAULT_WORKER_CRASHED, "attempt 3 of 3");
    rig_is_error(fault, MOB_FAULT_WORKER_CRASHED, "n3/w0");
    rig_is_error(fault, MOB_FAULT_WORKER_CRASHED, "n1/w1");

    ref = rig_submit_spec(&rig, rig_spec("g", -1), NO_ARGS); /* for ever */
    for (uint32_t i = 0; i < 9; i++) {
        MobAddress worker = {1, 2000 + i};
        rig_grant(&rig, rig_asked(&rig, NODE1), worker);
        rig_worker_dies(&rig, worker);
    }
    cr_assert_eq(rig_stats(&rig).tasks_pending, 1);
}

Test(worker_tasks, a_body_that_fails_is_tried_again_only_if_its_options_say_so)
{
    static const struct {
        bool retry;
        const char *only;
        bool again;
    } cases[] = {
        {false, NULL, false},      {true, NULL, true},       {true, "other\nno luck", true},
        {true, "TaskError", true}, {true, "other\n", false}, {false, "no luck", false},
    };
    g_auto(Rig) rig;
    rig_drive(&rig);

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        MobTaskSpec *spec = rig_spec("f", 1);
        spec->retry_exceptions = cases[i].retry;
        spec->retry_only = cases[i].only != NULL ? mob_str_new(cases[i].only) : NULL;
        rig_submit_spec(&rig, spec, NO_ARGS);
        if (i == 0)
            rig_grant(&rig, rig_asked(&rig, NODE1), W1);
        const MobPushTask *push = rig_pushed(&rig, W1);
        rig_reply_error(&rig, W1, push, "no luck today");
        cr_assert_eq(rig_stats(&rig).tasks_pending, cases[i].again, "case %zu", i);
        if (!cases[i].again)
            continue;
        push = rig_pushed(&rig, W1);
        cr_assert_eq(push->attempt, 2);
        rig_reply_error(&rig, W1, push, "no luck today");
        cr_assert_eq(rig_stats(&rig).tasks_pending, 0, "once");
    }
}
