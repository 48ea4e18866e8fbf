/* test_worker_lost.c: what cannot be had, and what is said of it: each reason
 * for giving up, values that are freed by hand, references that are pinned, and
 * the bound on lineage.
 */
#include "runtime/ref_text.h"
#include "tests/worker_rig.h"

#define A (rig_ref(1, DRIVER))
#define X (rig_ref(3, W3))

static MobRef
load(Rig *rig, const char *function, int64_t retries, MobArgs *args, MobAddress worker)
{
    const MobPushTask *push = rig_run(rig, rig_spec(function, retries), args, worker);

    rig_reply_stored(rig, worker, push, MOB_MS);
    return rig_result_of(push);
}

static void
says(Rig *rig, MobRef ref, MobFaultKind kind, const char *reason, const char *message)
{
    g_autoptr(GStringChunk) text = g_string_chunk_new(64);
    MobFault fault;

    rig_get_one(rig, ref);
    cr_assert_not_null(rig_answer(rig));
    cr_assert(mob_fault_read(rig_answer(rig)->fault, &fault, text));
    mob_value_unref((MobValue *)fault.cause);
    cr_assert_eq(fault.kind, kind, "%s", mob_fault_name(fault.kind));
    cr_assert_str_eq(fault.reason, reason);
    cr_assert_str_eq(fault.message, message);
}

/* --- each reason --- */

Test(worker_lost, a_put_that_is_lost_says_that_nothing_makes_it)
{
    g_auto(Rig) rig;
    rig_drive(&rig);
    MobRef put = rig_put(&rig, rig_value(MOB_MS, 1));

    rig_moved(&rig, NODE1, put, false);
    says(&rig, put, MOB_FAULT_RECONSTRUCTION, "put",
         "P1 is lost and cannot be made again: P1 is a put, no task makes it");
}

Test(worker_lost, a_task_with_no_retries_at_all_says_so)
{
    g_auto(Rig) rig;
    rig_drive(&rig);
    MobRef ref = load(&rig, "f", 0, NO_ARGS, W2);

    rig_node_dies(&rig, 2);
    says(&rig, ref, MOB_FAULT_RECONSTRUCTION, "retries_off",
         "O1 is lost and cannot be made again: its task may not be retried, it has "
         "max_retries = 0");
}

Test(worker_lost, a_task_that_has_used_up_its_retries_says_so)
{
    g_auto(Rig) rig;
    rig_drive(&rig);
    MobRef ref = load(&rig, "f", 1, NO_ARGS, W2);

    rig_moved(&rig, NODE2, ref, false);
    rig_reply_stored(&rig, W2, rig_pushed(&rig, W2), MOB_MS);
    rig_moved(&rig, NODE2, ref, false);
    says(&rig, ref, MOB_FAULT_RECONSTRUCTION, "retries_used_up",
         "O1 is lost and cannot be made again: the retries of its task are used up");
}

Test(worker_lost, evicted_lineage_says_so_and_the_oldest_goes_first_down_to_half)
{
    g_auto(Rig) rig;
    rig_drive(&rig);
    MobRef refs[9];

    refs[0] = load(&rig, "f", 3, NO_ARGS, W2);
    uint64_t one = rig_stats(&rig).lineage_bytes;
    rig.config.lineage_max = 8 * one;
    for (int i = 1; i < 9; i++)
        refs[i] = load(&rig, "f", 3, NO_ARGS, W2);
    cr_assert_eq(rig_stats(&rig).lineage_bytes, 4 * one, "to half, and not everything");
    rig_node_dies(&rig, 2);
    cr_assert_eq(rig_stats(&rig).tasks_pending, 4);
    for (int i = 0; i < 9; i++) {
        MobRefInfo row;
        cr_assert(rig_row(&rig, refs[i].id, &row));
        cr_assert_eq(row.available, i < 5, "object %d", i);
    }
    says(&rig, refs[4], MOB_FAULT_RECONSTRUCTION, "lineage_evicted",
         "O5 is lost and cannot be made again: its lineage was evicted, to stay within "
         "lineage_max");
}

Test(worker_lost, a_value_whose_lineage_was_evicted_stays_as_long_as_a_task_may_need_it)
{
    g_auto(Rig) rig;
    rig_drive(&rig);
    MobRef first = load(&rig, "f", 3, NO_ARGS, W2);
    uint64_t one = rig_stats(&rig).lineage_bytes;

    load(&rig, "g", 3, ARGS(by_ref(first)), W2);
    rig.config.lineage_max = 3 * one; /* less than three tasks, one of which has an argument */
    load(&rig, "h", 3, NO_ARGS, W2);
    cr_assert_lt(rig_stats(&rig).lineage_bytes, 3 * one);
    rig_drop(&rig, first);
    cr_counts(&rig, first, "gone"); /* g went as well, and nothing can need it now */

    rig.config.lineage_max = 100 * one;
    MobRef old = load(&rig, "f", 3, NO_ARGS, W2);
    MobRef other = load(&rig, "f", 3, NO_ARGS, W2);
    rig.config.lineage_max = rig_stats(&rig).lineage_bytes;
    load(&rig, "g", 3, ARGS(by_ref(old)), W2); /* evicts, oldest first, h and old */
    MobRefInfo row;
    rig_drop(&rig, old);
    cr_assert(rig_row(&rig, old.id, &row), "g may run again");
    cr_assert(!row.freed && row.available, "and nothing else makes it");
    rig_drop(&rig, other);
}

Test(worker_lost, a_dead_owner_is_named_and_why_it_died)
{
    static const struct {
        MobAddress owner;
        int dies; /* 0: the process, 1: its machine */
        const char *says;
    } cases[] = {
        {{1, MOB_LOCAL_WORKER}, 0, "the owner of O7 is dead: driver J1 on n1 died: killed"},
        {{3, MOB_LOCAL_POOL}, 0, "the owner of O7 is dead: n3/w0 died: killed"},
        {{3, MOB_LOCAL_POOL},
         1,
         "the owner of O7 is dead: n3/w0 died: n3 died: 2 heartbeats missed"},
        {{3, MOB_LOCAL_WORKER},
         1,
         "the owner of O7 is dead: driver J1 on n3 died: n3 died: 2 heartbeats missed"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        for (int late = 0; late < 2; late++) {
            g_auto(Rig) rig;
            g_autoptr(MobStr) path = mob_str_new("7");
            rig_work(&rig);
            MobRef ref = rig_ref(7, cases[i].owner);
            ref.path = path;
            if (late == 0)
                rig_begin(&rig, W2, ARGS(by_value(HOLDING(10, ref))));
            if (cases[i].dies == 0)
                rig_worker_dies(&rig, cases[i].owner);
            else
                rig_node_dies(&rig, cases[i].owner.node);
            if (late == 1) /* it comes by the reference when it knows already */
                rig_begin(&rig, W2, ARGS(by_value(HOLDING(10, ref))));
            says(&rig, ref, MOB_FAULT_OWNER_DIED, "borrowed_owner_dead", cases[i].says);
        }
}

Test(worker_lost, the_driver_of_another_job_is_named_by_its_job)
{
    g_auto(Rig) rig;
    g_autoptr(MobStr) path = mob_str_new("3:7/2");
    MobRef ref = rig_ref(7, DRIVER);

    ref.path = path;
    rig_work(&rig);
    rig_begin(&rig, W2, ARGS(by_value(HOLDING(10, ref))));
    rig_worker_dies(&rig, DRIVER);
    says(&rig, ref, MOB_FAULT_OWNER_DIED, "borrowed_owner_dead",
         "the owner of J3:O7/2 is dead: driver J3 on n1 died: killed");
}

Test(worker_lost, values_that_were_inlined_are_not_lost_with_a_machine)
{
    g_auto(Rig) rig;
    rig_drive(&rig);
    const MobPushTask *push = rig_run(&rig, rig_spec("f", 3), NO_ARGS, W2);

    rig_reply(&rig, W2, push, rig_value(5, 7));
    rig_node_dies(&rig, 2);
    rig_get_one(&rig, rig_result_of(push));
    cr_assert_eq(rig_answer(&rig)->values[0]->size, 5);
    cr_assert_eq(rig_stats(&rig).tasks_pending, 0);
}

/* --- lineage --- */

/* A chain of @length tasks whose links are dropped as soon as the next one is
 * there; all are in stores, or the last is inline. Returns it. */
static MobRef
chain(Rig *rig, uint32_t length, bool last_is_inline)
{
    MobRef at = load(rig, "f", 3, NO_ARGS, W2);

    for (uint32_t i = 1; i < length; i++) {
        const MobPushTask *push = rig_run(rig, rig_spec("f", 3), ARGS(by_ref(at)), W2);
        if (i + 1 == length && last_is_inline)
            rig_reply(rig, W2, push, rig_value(5, 7));
        else
            rig_reply_stored(rig, W2, push, MOB_MS);
        MobRef next = rig_result_of(push);
        rig_drop(rig, at);
        at = next;
    }
    return at;
}

Test(worker_lost, a_chain_whose_last_value_is_inline_keeps_no_specs_at_all)
{
    static const uint32_t lengths[] = {2, 10, 100, 1000};

    for (size_t i = 0; i < G_N_ELEMENTS(lengths); i++) {
        g_auto(Rig) rig;
        rig_drive(&rig);
        rig.check = NULL;
        MobRef last = chain(&rig, lengths[i], true);
        rig_count_again(&rig);
        cr_assert_eq(rig_stats(&rig).lineage_tasks, 0, "%u links", lengths[i]);
        cr_assert_eq(rig_stats(&rig).lineage_bytes, 0);
        cr_assert_eq(rig_stats(&rig).owned, 1);
        rig_drop(&rig, last);
        cr_assert_eq(rig_stats(&rig).owned, 0);
    }
}

Test(worker_lost, a_chain_in_stores_keeps_all_its_specs_and_lets_all_go_with_the_last)
{
    g_auto(Rig) rig;
    rig_drive(&rig);
    rig.check = NULL;
    MobRef last = chain(&rig, 1000, false);

    rig_count_again(&rig);
    cr_assert_eq(rig_stats(&rig).lineage_tasks, 1000);
    rig_drop(&rig, last);
    rig_count_again(&rig);
    cr_assert_eq(rig_stats(&rig).lineage_tasks, 0);
    cr_assert_eq(rig_stats(&rig).owned, 0);
}

Test(worker_lost, an_argument_of_several_lost_results_is_made_again_once)
{
    g_auto(Rig) rig;
    rig_drive(&rig);
    MobRef base = load(&rig, "base", 3, NO_ARGS, W2);
    MobTaskSpec *spec = rig_spec("three", 3);

    spec->returns = 3;
    const MobPushTask *push = rig_run(&rig, spec, ARGS(by_ref(base), by_ref(base)), W2);
    MobTaskReply *reply = rig_reply_to(push);
    for (int i = 0; i < 3; i++)
        rig_add_result(reply, (MobResult){.size = MOB_MS, .hash = HASH, .node = {2}});
    rig_give(&rig, W2, reply);
    load(&rig, "more", 3, ARGS(by_ref(base)), W2);
    rig_drop(&rig, base);
    rig_node_dies(&rig, 2);
    cr_assert_eq(rig_stats(&rig).tasks_pending, 3, "base, three and more, each once");
    cr_assert_eq(rig_count(&rig, MOB_MSG_REQUEST_LEASE), 1, "arguments first");
    const MobRequestLease *request =
        mob_request_lease(rig_sent(&rig, (MobAddress){0}, MOB_MSG_REQUEST_LEASE, 0));
    cr_assert_str_eq(mob_str(request->spec->function), "base");
}

/* --- by hand --- */

static void
free_by_hand(Rig *rig, MobRef ref)
{
    rig_call(rig, (MobCall){.kind = MOB_CALL_FREE, .refs = &ref, .ref_count = 1});
    cr_assert_not_null(rig_answer(rig));
}

#define FREED "O1 was freed by hand, while references to it were left"

Test(worker_lost, what_is_freed_by_hand_goes_everywhere_and_is_an_error_to_all)
{
    g_auto(Rig) rig;
    rig_drive(&rig);
    MobRef ref = load(&rig, "f", 3, NO_ARGS, W2);
    MobSubscribeLocations *follow = mob_subscribe_locations_new();

    follow->object = ref.id;
    rig_give(&rig, NODE1, follow);
    rig_moved(&rig, NODE3, ref, true);
    rig_call(&rig, (MobCall){.kind = MOB_CALL_FREE, .refs = &ref, .ref_count = 1});
    cr_assert_eq(rig_count_to(&rig, NODE2, MOB_MSG_FREE_OBJECTS), 1);
    cr_assert_eq(rig_count_to(&rig, NODE3, MOB_MSG_FREE_OBJECTS), 1);
    rig_is_error(mob_locations(rig_sent(&rig, NODE1, MOB_MSG_LOCATIONS, 0))->value,
                 MOB_FAULT_OBJECT_FREED, FREED);
    cr_assert_eq(rig_count(&rig, MOB_MSG_REQUEST_LEASE), 0, "nothing runs again for that");
    rig_moved(&rig, NODE1, ref, true);
    cr_assert_eq(rig_count_to(&rig, NODE1, MOB_MSG_FREE_OBJECTS), 1, "a copy that came too late");
    says(&rig, ref, MOB_FAULT_OBJECT_FREED, "freed", FREED);
    free_by_hand(&rig, ref);
    cr_assert_eq(rig_count(&rig, MOB_MSG_FREE_OBJECTS), 0, "twice does no harm");
    rig_drop(&rig, ref);
    cr_assert_eq(rig_stats(&rig).owned, 0);
}

Test(worker_lost, a_freed_argument_is_made_again_for_a_task_that_runs_again)
{
    g_auto(Rig) rig;
    rig_drive(&rig);
    MobRef first = load(&rig, "first", 3, NO_ARGS, W2);
    MobRef second = load(&rig, "second", 3, ARGS(by_ref(first)), W2);

    free_by_hand(&rig, first);
    rig_moved(&rig, NODE2, second, false);
    cr_assert_eq(rig_stats(&rig).tasks_pending, 2);
    const MobPushTask *again = rig_pushed(&rig, W2);
    cr_assert_str_eq(mob_str(again->spec->function), "first", "arguments first");
    rig_reply_stored(&rig, W2, again, MOB_MS);
    MobRefInfo row;
    cr_assert(rig_row(&rig, first.id, &row) && row.available && row.value == NULL);
    cr_assert_eq(row.primary.v, 2);
}

Test(worker_lost, a_borrower_asks_the_owner_to_free_until_it_answers_and_has_nothing_itself)
{
    g_auto(Rig) rig;
    rig_work(&rig);
    rig_begin(&rig, DRIVER, ARGS(by_value(HOLDING(10, A, X))));
    MobRef refs[] = {A, X, A};

    rig_call(&rig, (MobCall){.kind = MOB_CALL_FREE, .refs = refs, .ref_count = 3});
    cr_assert_not_null(rig_answer(&rig), "nobody waits for the answer");
    const MobFreeValues *ask = mob_free_values(rig_sent(&rig, DRIVER, MOB_MSG_FREE_VALUES, 0));
    cr_assert_eq(rig_count(&rig, MOB_MSG_FREE_VALUES), 2, "one for each owner");
    cr_assert(mob_object_eq(ask->objects.items[0], A.id));
    uint64_t token = ask->token;
    rig_reset(&rig, DRIVER);
    rig_timer(&rig, MOB_TIMER_RETRY, rig.now + rig.config.retry_delay);
    cr_assert_eq(mob_free_values(rig_sent(&rig, DRIVER, MOB_MSG_FREE_VALUES, 0))->token, token);
    MobValuesFreed *freed = mob_values_freed_new();
    freed->token = token;
    rig_give(&rig, W2, freed); /* nobody asked it */
    rig_reset(&rig, DRIVER);
    rig_timer(&rig, MOB_TIMER_RETRY, rig.now + rig.config.retry_delay);
    cr_assert_eq(rig_count_to(&rig, DRIVER, MOB_MSG_FREE_VALUES), 1);
    freed = mob_values_freed_new();
    freed->token = token;
    rig_give(&rig, DRIVER, freed);
    rig_worker_dies(&rig, W3);
    rig_reset(&rig, DRIVER);
    rig_timer(&rig, MOB_TIMER_RETRY, rig.now + rig.config.retry_delay);
    cr_assert_eq(rig_count(&rig, MOB_MSG_FREE_VALUES), 0);
    rig_get_one(&rig, A);
    rig_is_error(rig_answer(&rig)->fault, MOB_FAULT_OBJECT_FREED, "was freed by hand");
}

Test(worker_lost, asking_twice_to_free_does_not_free_what_was_made_again_meanwhile)
{
    g_auto(Rig) rig;
    rig_drive(&rig);
    MobRef first = load(&rig, "first", 3, NO_ARGS, W2);
    MobRef second = load(&rig, "second", 3, ARGS(by_ref(first)), W2);

    for (int i = 0; i < 2; i++) {
        MobFreeValues *ask = mob_free_values_new();
        ask->objects = (MobObjects){g_memdup2(&first.id, sizeof first.id), 1};
        ask->token = 9;
        rig_give(&rig, W3, ask);
        cr_assert_eq(mob_values_freed(rig_sent(&rig, W3, MOB_MSG_VALUES_FREED, 0))->token, 9);
        cr_assert_eq(rig_count_to(&rig, NODE2, MOB_MSG_FREE_OBJECTS), i == 0);
        if (i == 1)
            break;
        rig_moved(&rig, NODE2, second, false);
        rig_reply_stored(&rig, W2, rig_pushed(&rig, W2), MOB_MS);
    }
    MobRefInfo row;
    cr_assert(rig_row(&rig, first.id, &row) && row.available && row.value == NULL);
}

/* --- references as text --- */

Test(worker_lost, a_reference_that_was_written_down_stays_when_the_body_drops_it)
{
    g_auto(Rig) rig;
    rig_drive(&rig);
    MobRef ref = load(&rig, "f", 3, NO_ARGS, W2);

    for (int i = 0; i < 2; i++) {
        rig_call(&rig, (MobCall){.kind = MOB_CALL_PIN, .refs = &ref, .ref_count = 1});
        cr_assert_eq(rig_answer(&rig)->value_count, 1);
    }
    rig_drop(&rig, ref);
    cr_counts(&rig, ref, "0/0/0/1/0");
    rig_call(&rig, (MobCall){.kind = MOB_CALL_ADOPT, .refs = &ref, .ref_count = 1});
    cr_assert(mob_object_eq(rig_answer(&rig)->refs[0].id, ref.id));
    cr_counts(&rig, ref, "1/0/0/1/0");
    rig_node_dies(&rig, 2);
    cr_assert_eq(rig_stats(&rig).tasks_pending, 1, "it is made again like any other");
}

Test(worker_lost, what_a_program_has_dropped_can_be_freed_or_pinned_and_leaves_nothing_behind)
{
    for (int borrowed = 0; borrowed < 2; borrowed++) {
        g_auto(Rig) rig;
        MobRef ref = A;
        if (borrowed) {
            rig_work(&rig);
            rig_begin(&rig, DRIVER, ARGS(by_value(HOLDING(10, ref))));
        } else {
            rig_drive(&rig);
            ref = load(&rig, "f", 3, NO_ARGS, W2);
        }
        rig_drop(&rig, ref);
        cr_counts(&rig, ref, "gone");
        free_by_hand(&rig, ref);
        cr_counts(&rig, ref, "gone");
        rig_call(&rig, (MobCall){.kind = MOB_CALL_PIN, .refs = &ref, .ref_count = 1});
        rig_is_error(rig_answer(&rig)->fault, MOB_FAULT_OBJECT_LOST, "nobody held a reference");
        cr_counts(&rig, ref, "gone");
    }
}

Test(worker_lost, a_task_pins_with_the_driver_and_goes_on_when_that_has_answered)
{
    for (int dies = 0; dies < 2; dies++) {
        g_auto(Rig) rig;
        rig_work(&rig);
        rig_begin(&rig, DRIVER, ARGS(by_value(HOLDING(10, A, X))));
        MobRef mine = A;

        rig_call(&rig, (MobCall){.kind = MOB_CALL_PIN, .refs = &mine, .ref_count = 1});
        cr_assert_null(rig_answer(&rig));
        const MobAddBorrower *add =
            mob_add_borrower(rig_sent(&rig, DRIVER, MOB_MSG_ADD_BORROWER, 0));
        cr_assert(mob_address_eq(add->borrower, DRIVER), "the owner itself");
        if (dies)
            rig_worker_dies(&rig, DRIVER);
        else
            rig_added(&rig, DRIVER);
        cr_assert_not_null(rig_answer(&rig));
        if (dies)
            rig_is_error(rig_answer(&rig)->fault, MOB_FAULT_OWNER_DIED, "driver J1 on n1 died");
        MobRef other = X;
        rig_call(&rig, (MobCall){.kind = MOB_CALL_PIN, .refs = &other, .ref_count = 1});
        rig_is_error(rig_answer(&rig)->fault, MOB_FAULT_TASK, "a worker owns it");
    }
}

Test(worker_lost, an_owner_pins_for_others_and_once_is_enough)
{
    g_auto(Rig) rig;
    rig_drive(&rig);
    MobRef ref = load(&rig, "f", 3, NO_ARGS, W2);

    for (uint64_t token = 5; token < 8; token++) {
        MobAddBorrower *add = mob_add_borrower_new();
        add->borrows = (MobBorrows){g_new0(MobBorrow, 1), 1};
        add->borrows.items[0] = (MobBorrow){.object = ref.id, .registrar = W3, .token = token / 2};
        add->borrower = DRIVER;
        rig_give(&rig, W3, add);
        cr_assert_eq(rig_count_to(&rig, W3, MOB_MSG_BORROWER_ADDED), 1);
    }
    rig_drop(&rig, ref);
    rig_worker_dies(&rig, W3); /* who has asked for it does not matter */
    cr_counts(&rig, ref, "0/0/0/1/0");
}

Test(worker_lost, a_text_gives_the_reference_back_and_no_other_text_does)
{
    g_autoptr(MobStr) path = mob_str_new("2:3/1");
    g_autoptr(MobStr) same = mob_str_new("2:9");
    g_autoptr(MobStr) first = mob_str_new("9");
    g_autoptr(GString) text = g_string_new(NULL);
    MobRef ref = {{{7, UINT64_MAX}, 3, 0}, {4, MOB_LOCAL_POOL + 2}, path};
    const char *why;
    MobRef back;

    mob_ref_write(&ref, text);
    cr_assert(mob_ref_read(text->str, text->len, same, &back, &why));
    cr_assert(mob_object_eq(back.id, ref.id) && mob_address_eq(back.owner, ref.owner));
    cr_assert(mob_str_eq(back.path, path));
    mob_ref_clear(&back);
    cr_assert_not(mob_ref_read(text->str, text->len, first, &back, &why));
    cr_assert_not_null(strstr(why, "another job"));
    for (gsize i = 0; i < text->len; i++)
        for (int bit = 0; bit < 8; bit++) {
            g_autofree char *changed = g_strdup(text->str);
            changed[i] = (char)(changed[i] ^ (1 << bit));
            cr_assert_not(mob_ref_read(changed, text->len, same, &back, &why), "%s", changed);
            cr_assert_not(mob_ref_read(text->str, i, same, &back, &why));
        }
}
