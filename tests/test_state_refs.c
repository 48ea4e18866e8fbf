/* test_state_refs.c: who holds what, and what for, from the notes of a cluster. */
#include <criterion/criterion.h>

#include "tests/told.h"

static void
note_ref(Told *told, MobNoteKind kind, MobObjectId object, MobAddress to, const char *reason)
{
    told_note(
        told,
        (MobNote){
            .kind = kind, .object = object, .owner = told_driver, .to = to, .reason = reason});
    told_event(told, told->now + MOB_MS, told_driver);
}

Test(state_refs, references_begin_and_end_each_by_itself)
{
    g_autoptr(Told) told = told_new();
    told_cluster(told);
    MobTaskSpec *spec = told_spec(told, "1", "make", told_driver, (MobTaskId){1, 1}, 1);
    told_submitted(told, MOB_MS, spec, NULL);
    MobObjectId object = mob_object_return(spec->id, 1);

    note_ref(told, MOB_NOTE_REF_ADDED, object, told_driver, "local");
    note_ref(told, MOB_NOTE_REF_ADDED, object, told_driver, "argument");
    note_ref(told, MOB_NOTE_REF_BORROWED, object, told_n1_w0, NULL);
    note_ref(told, MOB_NOTE_REF_DROPPED, object, told_driver, "local");
    note_ref(told, MOB_NOTE_REF_DROPPED, object, told_n2_w0, "local");

    const GPtrArray *refs = mob_state_object(told->state, "O1")->refs;
    cr_assert_eq(refs->len, 3);
    const MobStateRef *local = g_ptr_array_index(refs, 0);
    const MobStateRef *argument = g_ptr_array_index(refs, 1);
    const MobStateRef *borrowed = g_ptr_array_index(refs, 2);
    cr_assert_str_eq(local->kind, "local");
    cr_assert_neq(local->to, 0);
    cr_assert_str_eq(argument->kind, "argument");
    cr_assert_eq(argument->to, 0);
    cr_assert_str_eq(borrowed->kind, "borrowed");
    cr_assert_eq(borrowed->to, 0);
    note_ref(told, MOB_NOTE_REF_DROPPED, object, told_n1_w0, "borrowed");
    cr_assert_neq(borrowed->to, 0);
}

static void
note_use(Told *told, MobNoteKind kind, const MobTaskSpec *of, const char *reason,
         const MobTaskSpec *task)
{
    told_note(told, (MobNote){.kind = kind,
                              .object = mob_object_return(of->id, 1),
                              .owner = told_driver,
                              .to = told_driver,
                              .reason = reason,
                              .task = task->id});
    told_event(told, told->now + MOB_MS, told_driver);
}

Test(state_refs, each_task_uses_its_argument_by_itself_and_from_the_line_of_its_submission)
{
    g_autoptr(Told) told = told_new();
    told_cluster(told);
    MobTaskSpec *make = told_spec(told, "1", "make", told_driver, (MobTaskId){1, 1}, 1);
    MobTaskSpec *one = told_spec(told, "2", "use", told_driver, (MobTaskId){1, 1}, 1);
    MobTaskSpec *two = told_spec(told, "3", "use", told_driver, (MobTaskId){1, 1}, 1);
    one->file = mob_str_new("use.lua");
    one->line = 7;
    told_submitted(told, MOB_MS, make, NULL);
    told_submitted(told, MOB_MS, one, NULL);
    told_submitted(told, MOB_MS, two, NULL);

    note_use(told, MOB_NOTE_REF_ADDED, make, "argument", one);
    note_use(told, MOB_NOTE_REF_ADDED, make, "argument", two);
    note_use(told, MOB_NOTE_REF_ADDED, make, "argument", two); /* twice among its arguments */
    note_use(told, MOB_NOTE_REF_DROPPED, make, "argument", one);
    note_use(told, MOB_NOTE_REF_ADDED, make, "lineage", one);
    note_use(told, MOB_NOTE_REF_DROPPED, make, "argument", two);

    const GPtrArray *refs = mob_state_object(told->state, "O1")->refs;
    cr_assert_eq(refs->len, 3);
    const MobStateRef *first = g_ptr_array_index(refs, 0);
    const MobStateRef *second = g_ptr_array_index(refs, 1);
    const MobStateRef *lineage = g_ptr_array_index(refs, 2);
    cr_assert_str_eq(first->task->name, "T2");
    cr_assert_str_eq(first->file, "use.lua");
    cr_assert_eq(first->line, 7);
    cr_assert_neq(first->to, 0);
    cr_assert_str_eq(second->task->name, "T3");
    cr_assert_eq(second->to, 0, "one of its two is left");
    cr_assert_eq(second->times, 1);
    cr_assert_str_eq(lineage->kind, "lineage");
    cr_assert_eq(lineage->to, 0);
    note_use(told, MOB_NOTE_REF_DROPPED, make, "argument", two);
    cr_assert_neq(second->to, 0);
}

static void
note_mention(Told *told, MobNoteKind kind, const MobTaskSpec *inner, MobObjectId outer)
{
    told_note(told, (MobNote){.kind = kind,
                              .object = mob_object_return(inner->id, 1),
                              .owner = told_driver,
                              .to = told_driver,
                              .reason = "nested",
                              .outer = outer,
                              .label = "1",
                              .text = "put.lua",
                              .line = 3});
    told_event(told, told->now + MOB_MS, told_driver);
}

Test(state_refs, a_reference_is_nested_in_each_value_that_mentions_it)
{
    g_autoptr(Told) told = told_new();
    told_cluster(told);
    MobTaskSpec *make = told_spec(told, "1", "make", told_driver, (MobTaskId){1, 1}, 1);
    MobTaskSpec *other = told_spec(told, "2", "make", told_driver, (MobTaskId){1, 1}, 1);
    told_submitted(told, MOB_MS, make, NULL);
    told_submitted(told, MOB_MS, other, NULL);
    MobObjectId put = mob_object_put((MobTaskId){1, 1}, 1);

    note_mention(told, MOB_NOTE_REF_ADDED, make, put); /* before anything else is told of it */
    note_mention(told, MOB_NOTE_REF_ADDED, make, mob_object_return(other->id, 1));
    note_mention(told, MOB_NOTE_REF_DROPPED, make, mob_object_return(other->id, 1));

    const GPtrArray *refs = mob_state_object(told->state, "O1")->refs;
    const MobStateRef *in_put = g_ptr_array_index(refs, 0);
    const MobStateRef *in_result = g_ptr_array_index(refs, 1);
    cr_assert_eq(refs->len, 2);
    cr_assert_str_eq(in_put->outer->name, "P1");
    cr_assert_str_eq(in_put->file, "put.lua");
    cr_assert_eq(in_put->line, 3);
    cr_assert_eq(in_put->to, 0);
    cr_assert_str_eq(in_result->outer->name, "O2");
    cr_assert_neq(in_result->to, 0);
}

/* P4 is in P5 and P2 in P3: those are two references, and each has its own end. */
Test(state_refs, values_in_values_are_told_apart)
{
    g_autoptr(Told) told = told_new();
    told_cluster(told);

    for (uint32_t i = 1; i <= 9; i++)
        for (uint32_t k = 1; k <= 9; k++)
            told_note(
                told,
                (MobNote){.kind = MOB_NOTE_REF_ADDED,
                          .object = mob_object_put((MobTaskId){1, 1}, i),
                          .path = told_spec(told, "1", "", told_driver, (MobTaskId){1, 1}, 1)->path,
                          .owner = told_driver,
                          .to = told_driver,
                          .reason = "nested",
                          .outer = mob_object_put((MobTaskId){1, 1}, k),
                          .label = "1"});
    told_event(told, MOB_MS, told_driver);

    cr_assert_eq(told->state->refs->len, 81);
}

Test(state_refs, knows_what_is_left_of_retries_and_of_lineage)
{
    g_autoptr(Told) told = told_new();
    told_cluster(told);
    MobTaskSpec *spec = told_spec(told, "1", "make", told_driver, (MobTaskId){1, 1}, 1);
    spec->retries = 3;
    told_submitted(told, MOB_MS, spec, NULL);
    const MobStateTask *task = mob_state_task(told->state, "T1");
    cr_assert_eq(task->retries_left, 3);
    told_note(told, (MobNote){.kind = MOB_NOTE_TASK_RETRIED,
                              .spec = spec,
                              .attempt = 2,
                              .owner = told_driver,
                              .bytes = 2});
    told_event(told, 2 * MOB_MS, told_driver);
    cr_assert_eq(task->retries_left, 2);
    cr_assert_eq(task->evicted, 0);
    told_note(told, (MobNote){.kind = MOB_NOTE_DECIDE, .spec = spec, .reason = "evict_lineage"});
    told_event(told, 3 * MOB_MS, told_driver);
    cr_assert_neq(task->evicted, 0);
}

Test(state_refs, very_many_hold_one_object)
{
    g_autoptr(Told) told = told_new();
    told_cluster(told);
    MobTaskSpec *spec = told_spec(told, "9999", "wide", told_driver, (MobTaskId){1, 1}, 1);
    told_submitted(told, told->now, spec, NULL);
    MobObjectId object = mob_object_return(spec->id, 1);
    for (uint32_t i = 0; i < 20000; i++)
        note_ref(told, MOB_NOTE_REF_BORROWED, object, (MobAddress){5, 10 + i}, NULL);
    const GPtrArray *refs = mob_state_object(told->state, "O9999")->refs;
    cr_assert_eq(refs->len, 20000);
    for (guint i = 0; i < refs->len; i++)
        cr_assert_eq(((MobStateRef *)g_ptr_array_index(refs, i))->holder.local, 10 + i);
}
