/* test_trace.c: what happened in a run, as rows. */
#include <criterion/criterion.h>

#include "tests/told.h"

static const MobTraceEvent *
event_at(const Told *told, guint index)
{
    return &g_array_index(told->trace->events, MobTraceEvent, index);
}

static const MobTraceMessage *
message_at(const Told *told, guint index)
{
    return &g_array_index(told->trace->messages, MobTraceMessage, index);
}

static uint64_t
send(Told *told, MobTime at, MobAddress from, MobAddress to, const MobMsg *msg)
{
    told_note(told, (MobNote){.kind = MOB_NOTE_MESSAGE_SENT, .from = from, .to = to, .msg = msg});
    told_event(told, at, from);
    return told->number;
}

static void
reset(Told *told, MobTime at, MobAddress process, MobAddress from)
{
    MobInput input = {.kind = MOB_INPUT_RESET, .now = at, .from = from};
    MobEvent event = {.number = ++told->number, .at = at, .process = process, .input = &input};

    told->state->watcher.event(&told->state->watcher, &event);
    told->trace->watcher.event(&told->trace->watcher, &event);
}

Test(trace, keeps_every_event_with_its_cause_and_its_notes)
{
    g_autoptr(Told) told = told_kill_task_2();

    cr_assert_eq(told->trace->events->len, told->number);
    cr_assert_eq(told->trace->cut_at, 0);
    for (guint i = 0; i < told->trace->events->len; i++) {
        cr_assert_eq(event_at(told, i)->number, i + 1);
        cr_assert_eq(mob_trace_event(told->trace, i + 1), event_at(told, i));
    }
    cr_assert_eq(mob_trace_event(told->trace, told->number + 1), NULL);

    guint retried = 0;
    for (guint i = 0; i < told->trace->notes->len; i++) {
        const MobTraceNote *note = &g_array_index(told->trace->notes, MobTraceNote, i);
        cr_assert_leq(event_at(told, note->event)->note, i);
        if (note->kind != MOB_NOTE_TASK_RETRIED)
            continue;
        retried++;
        cr_assert_eq(note->attempt->number, 2);
        cr_assert_eq(note->attempt->task, note->task);
        cr_assert_str_eq(note->text, "its result is lost");
    }
    cr_assert_eq(retried, 2);
}

static const MobTraceNote *
find_note(const Told *told, MobNoteKind kind, const char *task)
{
    for (guint i = 0; i < told->trace->notes->len; i++) {
        const MobTraceNote *note = &g_array_index(told->trace->notes, MobTraceNote, i);
        if (note->kind == kind && (task == NULL || g_strcmp0(note->task->name, task) == 0))
            return note;
    }
    cr_assert_fail("no such note");
    return NULL;
}

/* The kind of the first note of the event that is the reason of @note by that name. */
static const char *
reason_of(const Told *told, const MobTraceNote *note, const char *role)
{
    for (guint i = 0; i < note->because_count; i++) {
        const MobBecause *because =
            &g_array_index(told->trace->because, MobBecause, note->because + i);
        cr_assert_lt(because->event, event_at(told, note->event)->number);
        if (g_str_equal(because->role, role)) {
            guint first = mob_trace_event(told->trace, because->event)->note;
            return mob_note_name(g_array_index(told->trace->notes, MobTraceNote, first).kind);
        }
    }
    return "";
}

Test(trace, a_decision_is_linked_to_the_events_that_made_it_so)
{
    g_autoptr(Told) told = told_kill_task_2();

    const MobTraceNote *decision = find_note(told, MOB_NOTE_DECIDE, "T1");
    cr_assert_str_eq(reason_of(told, decision, "the last copy is gone"), "node.died");
    cr_assert_str_eq(reason_of(told, decision, "its node was declared dead"), "node.declared_dead");
    cr_assert_str_eq(reason_of(told, decision, "a task needs it"), "task.submitted");
    const MobTraceNote *failed = find_note(told, MOB_NOTE_TASK_FAILED, "T2");
    cr_assert_str_eq(reason_of(told, failed, "its worker died"), "node.died");
    const MobTraceNote *declared = find_note(told, MOB_NOTE_NODE_DECLARED_DEAD, NULL);
    cr_assert_str_eq(reason_of(told, declared, "it died"), "node.died");
}

Test(trace, a_lineage_that_is_given_up_is_linked_to_what_kept_it)
{
    g_autoptr(Told) told = told_new();
    told_cluster(told);
    MobTaskSpec *spec = told_spec(told, "1", "make", told_driver, (MobTaskId){1, 1}, 1);
    told_submitted(told, MOB_MS, spec, NULL);
    told_started(told, 2 * MOB_MS, spec, 1, told_n1_w0);
    told_finished(told, 3 * MOB_MS, spec, 1, told_n1_w0, 2, 1000);
    told_note(told, (MobNote){.kind = MOB_NOTE_DECIDE, .reason = "evict_lineage", .spec = spec});
    told_event(told, 4 * MOB_MS, told_driver);

    const MobTraceNote *decision = find_note(told, MOB_NOTE_DECIDE, "T1");
    cr_assert_str_eq(reason_of(told, decision, "its lineage was kept from then on"),
                     "task.finished");
}

Test(trace, finds_the_message_that_arrives_by_who_sent_it_when)
{
    g_autoptr(Told) told = told_new();
    told_cluster(told);
    g_autoptr(MobMsg) one = &mob_get_status_new()->base;
    g_autoptr(MobMsg) two = &mob_get_status_new()->base;
    uint64_t first = send(told, MOB_MS, told_driver, told_n1_w0, one);
    uint64_t second = send(told, 2 * MOB_MS, told_driver, told_n1_w0, two);
    send(told, 2 * MOB_MS, told_driver, told_n2_w0, two);

    told_message(told, 3 * MOB_MS, told_driver, told_n1_w0, one, first);
    told_message(told, 4 * MOB_MS, told_driver, told_n1_w0, two, second);

    cr_assert_eq(told->trace->messages->len, 3);
    cr_assert_eq(message_at(told, 0)->arrived_at, 3 * MOB_MS);
    cr_assert_eq(message_at(told, 1)->arrived_at, 4 * MOB_MS);
    cr_assert_eq(message_at(told, 1)->sent_at, 2 * MOB_MS);
    cr_assert_eq(mob_trace_fate(told->trace, message_at(told, 1)), MOB_FATE_ARRIVED);
    cr_assert_eq(mob_trace_fate(told->trace, message_at(told, 2)), MOB_FATE_UNDER_WAY);
    cr_assert_eq(mob_trace_bytes(message_at(told, 0)), mob_msg_weight(one));
    cr_assert_eq(event_at(told, told->trace->events->len - 1)->message, 2);

    told_died(told, told_n2_w0, "killed");
    cr_assert_eq(mob_trace_fate(told->trace, message_at(told, 2)), MOB_FATE_DEAD);
}

Test(trace, a_reset_loses_what_was_under_way_and_nothing_later)
{
    g_autoptr(Told) told = told_new();
    told_cluster(told);
    g_autoptr(MobMsg) msg = &mob_get_status_new()->base;
    send(told, MOB_MS, told_driver, told_n1_w0, msg);
    uint64_t late = send(told, 2 * MOB_MS, told_driver, told_n1_w0, msg);
    reset(told, 3 * MOB_MS, told_driver, told_n1_w0);
    uint64_t again = send(told, 4 * MOB_MS, told_driver, told_n1_w0, msg);
    cr_assert_eq(message_at(told, 0)->fate, MOB_FATE_RESET);
    cr_assert_eq(message_at(told, 1)->fate, MOB_FATE_RESET);

    told_message(told, 5 * MOB_MS, told_driver, told_n1_w0, msg, again);
    cr_assert_eq(message_at(told, 0)->fate, MOB_FATE_RESET);
    cr_assert_eq(message_at(told, 2)->fate, MOB_FATE_ARRIVED);

    uint64_t last = send(told, 6 * MOB_MS, told_driver, told_n1_w0, msg);
    reset(told, 7 * MOB_MS, told_driver, told_n1_w0);
    told_message(told, 8 * MOB_MS, told_driver, told_n1_w0, msg, last);
    cr_assert_eq(message_at(told, 3)->fate, MOB_FATE_ARRIVED, "the fault let it through");
    told_message(told, 9 * MOB_MS, told_driver, told_n1_w0, msg, late);
    cr_assert_leq(message_at(told, 1)->fate, MOB_FATE_RESET);
}

Test(trace, stops_at_its_bound_and_says_so)
{
    g_autoptr(MobState) state = mob_state_new();
    g_autoptr(MobTrace) trace = mob_trace_new(state, 10);
    MobInput input = {.kind = MOB_INPUT_TIMER};

    for (uint64_t number = 1; number <= 100; number++) {
        MobEvent event = {.number = number, .at = number, .process = told_driver, .input = &input};
        trace->watcher.event(&trace->watcher, &event);
    }
    cr_assert_eq(trace->events->len, 10);
    cr_assert_eq(trace->cut_at, 11);
    cr_assert_not_null(mob_trace_event(trace, 10));
    cr_assert_eq(mob_trace_event(trace, 11), NULL);
}

Test(trace, remembers_every_choice)
{
    g_autoptr(MobState) state = mob_state_new();
    g_autoptr(MobTrace) trace = mob_trace_new(state, 0);
    MobPickConfig config = {.seed = 9, .listener = mob_trace_pick, .listener_data = trace};
    MobPicks *picks = mob_picks_new(&config);

    uint64_t picked = mob_pick(picks, MOB_PICK_NODE, 77, 5, 0);
    mob_pick(picks, MOB_PICK_NODE, 77, 5, 0);
    mob_picks_free(picks);

    cr_assert_eq(trace->choices->len, 2);
    const MobTraceChoice *choice = &g_array_index(trace->choices, MobTraceChoice, 0);
    cr_assert_eq(choice->key, 77);
    cr_assert_eq(choice->arity, 5);
    cr_assert_eq(choice->picked, picked);
    cr_assert_eq(g_array_index(trace->choices, MobTraceChoice, 1).ordinal, choice->ordinal + 1);
}
