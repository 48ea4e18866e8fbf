/* test_worker_exec.c: a worker as others see it: what it is given to run, how
 * it begins, how it ends; and the life of a driver.
 */
#include "tests/worker_rig.h"

#define A (rig_ref(1, DRIVER))
#define B (rig_ref(2, DRIVER))

/* --- the beginning --- */

Test(worker_exec, fetches_the_program_once_and_the_arguments_that_are_in_the_store)
{
    g_auto(Rig) rig;
    rig_work(&rig);

    rig_push(&rig, DRIVER, rig_spec("f", 3), ARGS(by_ref(A), by_value(rig_value(5, 7)), by_ref(A)));
    cr_assert_str_eq(mob_str(mob_kv_get(rig_sent(&rig, GCS, MOB_MSG_KV_GET, 0))->key),
                     "bundle:sha256:1");
    cr_assert_eq(rig_count_to(&rig, NODE1, MOB_MSG_GET_OBJECT), 1);
    rig_reset(&rig, NODE1);
    rig_reset(&rig, GCS);
    rig_timer(&rig, MOB_TIMER_RETRY, rig.now + rig.config.retry_delay);
    cr_assert_eq(rig_count_to(&rig, NODE1, MOB_MSG_GET_OBJECT), 1, "asked again");
    rig_give_program(&rig);
    cr_assert_null(rig_effect(&rig, MOB_EFFECT_START, 0));
    rig_here(&rig, B, rig_value(MOB_MS, 1));
    cr_assert_null(rig_effect(&rig, MOB_EFFECT_START, 0), "nobody asked for it");
    rig_here(&rig, A, rig_value(MOB_MS, 1));
    const MobEffect *start = rig_effect(&rig, MOB_EFFECT_START, 0);
    cr_assert_eq(start->args->items[0].value->size, MOB_MS);
    cr_assert_eq(start->args->items[1].value->size, 5);
    cr_assert_eq(start->args->items[2].value->size, MOB_MS);
    cr_assert_eq(start->bundle->size, 10);
    cr_assert_eq(start->attempt, 1);
    cr_assert_not_null(rig_note(&rig, MOB_NOTE_TASK_RUNNING));
    cr_assert(rig_stats(&rig).running);
    rig_return(&rig, rig_value(5, 7));

    rig_push(&rig, W2, rig_spec("f", 3), NO_ARGS);
    cr_assert_not_null(rig_effect(&rig, MOB_EFFECT_START, 0), "the program is here");
}

Test(worker_exec, a_program_or_argument_that_does_not_come_is_an_error)
{
    g_auto(Rig) rig;
    rig_work(&rig);

    rig_push(&rig, DRIVER, rig_spec("f", 3), NO_ARGS);
    MobKvGetReply *none = mob_kv_get_reply_new();
    none->key = mob_str_new("bundle:sha256:1");
    rig_give(&rig, GCS, none);
    rig_is_error(rig_replied(&rig, DRIVER)->fault, MOB_FAULT_TASK, "does not have the program");

    rig_push(&rig, DRIVER, rig_spec("f", 3), ARGS(by_ref(A)));
    rig_give_program(&rig);
    rig_here(&rig, A, rig_error("it is lost"));
    rig_is_error(rig_replied(&rig, DRIVER)->fault, MOB_FAULT_TASK, "an argument is an error");
    rig_is_error(rig_replied(&rig, DRIVER)->fault, MOB_FAULT_TASK, "it is lost");
    cr_assert_null(rig_effect(&rig, MOB_EFFECT_START, 0));
    cr_assert_null(rig_effect(&rig, MOB_EFFECT_END, 0));
    cr_assert_not(rig_stats(&rig).running);
}

Test(worker_exec, runs_one_task_at_a_time_and_a_driver_none)
{
    for (int driver = 0; driver < 2; driver++) {
        g_auto(Rig) rig;
        if (driver)
            rig_drive(&rig);
        else
            rig_work(&rig);
        if (!driver)
            rig_begin(&rig, DRIVER, NO_ARGS);
        rig_push(&rig, W2, rig_spec("f", 3), NO_ARGS);
        const MobTaskReply *reply = rig_replied(&rig, W2);
        cr_assert(reply->refused);
        cr_assert_eq(reply->attempt, 1);
        cr_assert(mob_address_eq(reply->lease.owner, W2));
    }
}

/* --- the end --- */

Test(worker_exec, small_results_travel_and_large_ones_go_to_the_store_first)
{
    g_auto(Rig) rig;
    rig_work(&rig);

    rig_begin(&rig, DRIVER, NO_ARGS);
    rig_return(&rig, rig_value(100 * 1024, 7));
    const MobTaskReply *reply = rig_replied(&rig, DRIVER);
    cr_assert_eq(reply->results.items[0].value->size, 100 * 1024);
    cr_assert_not_null(rig_effect(&rig, MOB_EFFECT_END, 0));

    MobRef nested[] = {A, B};
    rig_begin(&rig, DRIVER, ARGS(by_value(rig_holding(10, nested, 2))));
    rig_return(&rig, rig_holding(100 * 1024 + 1, nested, 2));
    const MobStoreObject *store = mob_store_object(rig_sent(&rig, NODE1, MOB_MSG_STORE_OBJECT, 0));
    cr_assert(mob_object_eq(store->object.id, mob_object_return((MobTaskId){9, 9}, 1)));
    cr_assert(mob_address_eq(store->object.owner, DRIVER));
    cr_assert_null(rig_replied(&rig, DRIVER));
    rig_reset(&rig, NODE1);
    rig_timer(&rig, MOB_TIMER_RETRY, rig.now + rig.config.retry_delay);
    cr_assert_eq(rig_count(&rig, MOB_MSG_STORE_OBJECT), 1, "said again");
    rig_stored(&rig, store, true);
    const MobResult *result = &rig_replied(&rig, DRIVER)->results.items[0];
    cr_assert_null(result->value);
    cr_assert_eq(result->size, 100 * 1024 + 1);
    cr_assert_eq(result->hash, store->value->hash);
    cr_assert_eq(result->node.v, 1);
    cr_assert_eq(result->nested.count, 2);
    rig_stored(&rig, store, true);
    cr_assert_eq(rig_count_all(&rig), 0, "said twice");
}

Test(worker_exec, results_that_are_looked_for_in_stores_go_there_even_if_they_are_small)
{
    g_auto(Rig) rig;
    rig_work(&rig);
    MobPushTask *push = mob_push_task_new();

    push->spec = rig_spec("f", 3);
    push->spec->id = (MobTaskId){9, 9};
    push->spec->owner = DRIVER;
    push->args = NO_ARGS;
    push->attempt = 2;
    push->store = true;
    rig_give(&rig, DRIVER, push);
    rig_give_program(&rig);
    rig_return(&rig, rig_value(5, 7));
    cr_assert_eq(rig_count(&rig, MOB_MSG_STORE_OBJECT), 1);
    rig_stored(&rig, mob_store_object(rig_sent(&rig, NODE1, MOB_MSG_STORE_OBJECT, 0)), true);
    cr_assert_eq(rig_replied(&rig, DRIVER)->attempt, 2);
}

Test(worker_exec, results_together_travel_up_to_10_mib)
{
    g_auto(Rig) rig;
    rig_work(&rig);
    MobTaskSpec *spec = rig_spec("f", 3);
    MobValue *values[104];

    spec->returns = G_N_ELEMENTS(values);
    rig_push(&rig, DRIVER, spec, NO_ARGS);
    rig_give_program(&rig);
    for (uint32_t i = 0; i < 102; i++)
        values[i] = rig_value(100 * 1024, 7);
    values[102] = rig_value(50 * 1024, 7); /* 40 KiB are left */
    values[103] = rig_value(40 * 1024, 7);
    rig_call(&rig,
             (MobCall){.kind = MOB_CALL_RETURN, .values = values, .value_count = spec->returns});
    cr_assert_eq(rig_count(&rig, MOB_MSG_STORE_OBJECT), 1);
    const MobStoreObject *store = mob_store_object(rig_sent(&rig, NODE1, MOB_MSG_STORE_OBJECT, 0));
    cr_assert_eq(store->object.id.index, 103);
    rig_stored(&rig, store, true);
    cr_assert_eq(rig_replied(&rig, DRIVER)->results.count, 104);
}

Test(worker_exec, a_full_store_is_the_error_of_the_task)
{
    g_auto(Rig) rig;
    rig_work(&rig);
    MobTaskSpec *spec = rig_spec("f", 3);
    MobValue *values[2];

    spec->returns = 2;
    rig_push(&rig, DRIVER, spec, NO_ARGS);
    rig_give_program(&rig);
    values[0] = rig_value(MOB_MS, 1);
    values[1] = rig_value(MOB_MS, 2);
    rig_call(&rig, (MobCall){.kind = MOB_CALL_RETURN, .values = values, .value_count = 2});
    const MobStoreObject *first = mob_store_object(rig_sent(&rig, NODE1, MOB_MSG_STORE_OBJECT, 0));
    const MobStoreObject *second = mob_store_object(rig_sent(&rig, NODE1, MOB_MSG_STORE_OBJECT, 1));
    rig_stored(&rig, first, false);
    rig_is_error(rig_replied(&rig, DRIVER)->fault, MOB_FAULT_STORE_FULL, "n1 is full");
    cr_assert_eq(rig_replied(&rig, DRIVER)->results.count, 0);
    rig_stored(&rig, second, true);
    cr_assert_eq(rig_count_all(&rig), 0);
}

Test(worker_exec, an_error_is_a_reply_and_the_references_go)
{
    g_auto(Rig) rig;
    rig_work(&rig);

    rig_begin(&rig, DRIVER, ARGS(by_value(HOLDING(10, A))));
    rig_submit(&rig, "child", NO_ARGS);
    rig_call(&rig, (MobCall){.kind = MOB_CALL_RAISE, .fault = rig_error("no luck")});
    rig_is_error(rig_replied(&rig, DRIVER)->fault, MOB_FAULT_TASK, "no luck");
    cr_assert_eq(rig_stats(&rig).borrowed, 0);
    cr_assert_eq(rig_stats(&rig).tasks_pending, 1, "what it began goes on");
    cr_assert_not_null(rig_effect(&rig, MOB_EFFECT_END, 0));
}

Test(worker_exec, computing_sleeping_and_printing_are_left_to_the_world)
{
    g_auto(Rig) rig;
    rig_work(&rig);
    rig_begin(&rig, DRIVER, NO_ARGS);

    rig_call(&rig, (MobCall){.kind = MOB_CALL_COMPUTE, .time = 7});
    cr_assert_eq(rig_effect(&rig, MOB_EFFECT_COMPUTE, 0)->time, 7);
    rig_call(&rig, (MobCall){.kind = MOB_CALL_SLEEP, .time = 7});
    cr_assert_eq(rig_effect(&rig, MOB_EFFECT_SLEEP, 0)->time, rig.now + 7);
    rig_call(&rig, (MobCall){.kind = MOB_CALL_OUTPUT, .text = mob_str_new("hello")});
    cr_assert_str_eq(mob_str(rig_effect(&rig, MOB_EFFECT_OUTPUT, 0)->str), "hello");
    cr_assert_not_null(rig_answer(&rig));
    cr_assert_str_eq(rig_note(&rig, MOB_NOTE_OUTPUT)->text, "hello");
}

/* --- its own life --- */

Test(worker_exec, exits_when_it_is_told_to_unless_somebody_may_need_it)
{
    g_auto(Rig) rig;
    rig_work(&rig);

    rig_give(&rig, NODE1, mob_exit_worker_new());
    cr_assert_not_null(rig_effect(&rig, MOB_EFFECT_EXIT, 0));
    rig_begin(&rig, DRIVER, NO_ARGS);
    rig_give(&rig, NODE1, mob_exit_worker_new());
    cr_assert_eq(rig_count_to(&rig, NODE1, MOB_MSG_EXIT_REFUSED), 1, "it runs a task");
    MobRef child = rig_submit(&rig, "child", NO_ARGS);
    rig_return(&rig, rig_holding(10, &child, 1));
    rig_give(&rig, NODE1, mob_exit_worker_new());
    cr_assert_eq(rig_count_to(&rig, NODE1, MOB_MSG_EXIT_REFUSED), 1, "it owns an object");
}

Test(worker_exec, registers_until_somebody_answers)
{
    g_auto(Rig) rig;
    rig_make(&rig, false);

    cr_assert_not(mob_register_worker(rig_sent(&rig, NODE1, MOB_MSG_REGISTER_WORKER, 0))->driver);
    MobTime again = rig.out.alarms[MOB_TIMER_REGISTER];
    cr_assert_eq(again, rig.now + rig.config.register_retry);
    rig_timer(&rig, MOB_TIMER_REGISTER, again);
    cr_assert_eq(rig_count(&rig, MOB_MSG_REGISTER_WORKER), 1);
    rig_registered(&rig);
    rig_timer(&rig, MOB_TIMER_REGISTER, again + rig.config.register_retry);
    cr_assert_eq(rig_count_all(&rig), 0);
    cr_assert_eq(rig.out.alarms[MOB_TIMER_REGISTER], 0);
}

Test(worker_exec, a_driver_begins_when_node_job_and_program_are_known_in_any_order)
{
    static const int orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                    {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

    for (size_t i = 0; i < G_N_ELEMENTS(orders); i++) {
        g_auto(Rig) rig;
        rig_make(&rig, true);
        const MobKvPut *put = mob_kv_put(rig_sent(&rig, GCS, MOB_MSG_KV_PUT, 0));
        cr_assert_str_eq(mob_str(put->key), "bundle:sha256:1");
        cr_assert_not(put->overwrite);
        cr_assert_eq(rig_count_to(&rig, GCS, MOB_MSG_ADD_JOB), 1);
        cr_assert(mob_register_worker(rig_sent(&rig, NODE1, MOB_MSG_REGISTER_WORKER, 0))->driver);
        for (int k = 0; k < 3; k++) {
            cr_assert_null(rig_effect(&rig, MOB_EFFECT_START, 0));
            if (orders[i][k] == 0)
                rig_registered(&rig);
            else
                rig_give(&rig, GCS,
                         orders[i][k] == 1 ? (void *)mob_job_added_new()
                                           : (void *)mob_kv_put_reply_new());
        }
        const MobEffect *start = rig_effect(&rig, MOB_EFFECT_START, 0);
        cr_assert_str_eq(mob_str(start->spec->function), "main");
        cr_assert_null(rig_note(&rig, MOB_NOTE_TASK_RUNNING), "main is no task");
        rig_give(&rig, GCS, mob_job_added_new());
        cr_assert_null(rig_effect(&rig, MOB_EFFECT_START, 0), "once");
    }
}

Test(worker_exec, a_driver_ends_its_job_whatever_main_did_and_exits_when_the_gcs_knows)
{
    for (int ok = 0; ok < 2; ok++) {
        g_auto(Rig) rig;
        rig_drive(&rig);
        MobRef ref = rig_put(&rig, rig_value(MOB_MS, 1));
        if (ok)
            rig_return(&rig, rig_holding(10, &ref, 1));
        else
            rig_call(&rig, (MobCall){.kind = MOB_CALL_RAISE, .fault = rig_error("no luck")});
        cr_assert_eq(mob_finish_job(rig_sent(&rig, GCS, MOB_MSG_FINISH_JOB, 0))->ok, ok);
        cr_assert_eq(mob_worker_result(rig.process)->fault, ok ? 0 : MOB_FAULT_TASK);
        cr_assert(rig_stats(&rig).finished);
        cr_assert_eq(rig_count(&rig, MOB_MSG_FREE_OBJECTS), 1);
        rig_reset(&rig, GCS);
        rig_timer(&rig, MOB_TIMER_RETRY, rig.now + rig.config.retry_delay);
        cr_assert_eq(rig_count_to(&rig, GCS, MOB_MSG_FINISH_JOB), 1, "said again");

        MobJobFinished *over = mob_job_finished_new();
        over->driver = W1;
        rig_give(&rig, GCS, over);
        cr_assert_null(rig_effect(&rig, MOB_EFFECT_EXIT, 0), "another job");
        over = mob_job_finished_new();
        over->driver = DRIVER;
        rig_give(&rig, GCS, over);
        cr_assert_not_null(rig_effect(&rig, MOB_EFFECT_EXIT, 0));
    }
}

Test(worker_exec, messages_from_the_dead_and_for_others_are_ignored)
{
    g_auto(Rig) rig;
    rig_drive(&rig);
    MobRef ref = rig_submit(&rig, "f", NO_ARGS);
    MobLeaseId lease = rig_asked(&rig, NODE1);

    rig_worker_dies(&rig, W2);
    rig_push(&rig, W2, rig_spec("f", 3), NO_ARGS);
    cr_assert_eq(rig_count_all(&rig), 0);
    rig_worker_dies(&rig, DRIVER); /* of ourselves: we know better */
    rig_grant(&rig, lease, W1);
    const MobPushTask *push = rig_pushed(&rig, W1);
    MobPushTask *empty = mob_push_task_new();
    rig_give(&rig, W1, empty);
    rig_give(&rig, GCS, mob_health_check_new()); /* for node managers */
    rig_status(&rig, rig_ref(5, W3), rig_value(5, 7));
    rig_status(&rig, ref, rig_value(5, 7)); /* of an object of ours */
    rig_here(&rig, ref, rig_value(5, 7));
    cr_assert_eq(rig_count_all(&rig), 0);
    rig_reply(&rig, W1, push, rig_value(6, 7));
    rig_get_one(&rig, ref);
    cr_assert_eq(rig_answer(&rig)->values[0]->size, 6);
}
