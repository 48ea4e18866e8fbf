/* test_check.c: the properties of tasks, objects and owners fire: each test
 * breaks the runtime in one place and is told which promise that breaks. The
 * first one breaks nothing. test_check_refs.c and test_check_nodes.c have the
 * others.
 */
#include "tests/check_rig.h"

Test(check, nothing_breaks_when_nothing_is_bent)
{
    void (*const mains[])(MobulaTask *) = {main_small, main_two,   main_large,  main_argument,
                                           main_sleep, main_inner, main_retried};

    for (size_t i = 0; i < G_N_ELEMENTS(mains); i++) {
        g_autofree char *broke = play(&(Plot){mains[i]});
        cr_expect_str_eq(broke, "", "main %zu: %s", i, broke);
    }
}

/* --- tasks --- */

/* Every note of @kind is said twice. */
static void
say_twice(MobOutbox *out, MobNoteKind kind)
{
    const MobNote *note = find_note(out, kind);

    if (note != NULL && bends == 0)
        lie(out, *note);
}

static void
submits_twice(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    go_on(self, input, out);
    say_twice(out, MOB_NOTE_TASK_SUBMITTED);
}

static void
sends_twice(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    go_on(self, input, out);
    say_twice(out, MOB_NOTE_TASK_LEASED);
}

static void
starts_twice(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    go_on(self, input, out);
    say_twice(out, MOB_NOTE_TASK_RUNNING);
}

static void
finishes_twice(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    go_on(self, input, out);
    say_twice(out, MOB_NOTE_TASK_FINISHED);
}

static void
has_it_early(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    go_on(self, input, out);
    const MobNote *note = find_note(out, MOB_NOTE_TASK_LEASED);
    if (note != NULL)
        lie(out, (MobNote){.kind = MOB_NOTE_OBJECT_CREATED,
                           .object = mob_object_return(note->spec->id, 1),
                           .path = note->spec->path,
                           .owner = note->spec->owner});
}

Test(check, a_task_is_itself_and_in_one_place)
{
    expect("I11", "the identity of a task", &(Plot){main_small, .worker = submits_twice});
    expect("I25", "was sent", &(Plot){main_small, .worker = sends_twice});
    expect("I12", "has started twice", &(Plot){main_small, .worker = starts_twice});
    expect("I12", "has finished with attempt 1", &(Plot){main_small, .worker = finishes_twice});
    expect("I12", "no reply has brought it", &(Plot){main_small, .worker = has_it_early});
}

static void
starts_elsewhere(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    go_on(self, input, out);
    for (guint i = 0; i < out->notes->len; i++)
        if (g_array_index(out->notes, MobNote, i).kind == MOB_NOTE_TASK_LEASED)
            g_array_index(out->notes, MobNote, i).worker.local++;
}

static void
hand_back(MobOutbox *out, MobNoteKind when)
{
    const MobNote *note = find_note(out, when);
    if (note != NULL)
        lie(out, (MobNote){.kind = MOB_NOTE_TASK_HANDED_BACK,
                           .spec = note->spec,
                           .attempt = note->attempt});
}

static void
hands_back_what_it_has_started(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    go_on(self, input, out);
    hand_back(out, MOB_NOTE_TASK_RUNNING);
}

static void
hands_back_what_it_starts(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    go_on(self, input, out);
    hand_back(out, MOB_NOTE_TASK_LEASED);
}

static void
hands_back_what_nobody_sent(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    go_on(self, input, out);
    hand_back(out, MOB_NOTE_TASK_SUBMITTED);
}

Test(check, what_is_handed_back_was_sent_and_not_started)
{
    expect("I25", "and has started", &(Plot){main_small, .worker = hands_back_what_it_has_started});
    expect("I25", "where nobody has sent it",
           &(Plot){main_small, .worker = hands_back_what_it_starts});
    expect("I25", "and was not sent", &(Plot){main_small, .worker = hands_back_what_nobody_sent});
}

static void
forgets_a_task(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    go_on(self, input, out);
    if (find_note(out, MOB_NOTE_TASK_SUBMITTED) != NULL)
        ((MobWorker *)self)->pending_tasks--;
}

Test(check, a_task_that_is_submitted_stays_known)
{
    expect("I25", "where nobody has sent it", &(Plot){main_small, .worker = starts_elsewhere});
    expect("I25", "has 0 tasks", &(Plot){main_small, .worker = forgets_a_task});
}

static void
main_fickle(MobulaTask *task)
{
    MobulaOptions options = MOBULA_OPTIONS;

    options.retry_exceptions = true;
    mobula_get(task, mobula_submit(task, &options, "fickle", 0, NULL));
}

Test(check, who_runs_again_submits_the_same)
{
    expect("I11", "was a call of empty and is one of holds", &(Plot){main_fickle});
}

/* The owner takes the reply for that of another attempt. */
static void
takes_any_reply(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    if (is_message(input, MOB_MSG_TASK_REPLY)) {
        MobTaskReply *reply = (MobTaskReply *)input->msg;
        reply->attempt -= 7;
        go_on(self, input, out);
        reply->attempt += 7;
        return;
    }
    go_on(self, input, out);
    for (guint i = 0; i < out->effects->len; i++) {
        MobEffect *effect = &g_array_index(out->effects, MobEffect, i);
        if (effect->kind == MOB_EFFECT_SEND && effect->msg->type == MOB_MSG_TASK_REPLY)
            ((MobTaskReply *)effect->msg)->attempt += 7;
    }
}

Test(check, only_the_newest_attempt_counts)
{
    expect("I12", "the reply of attempt 8", &(Plot){main_small, .worker = takes_any_reply});
}

/* --- again --- */

static MobTask *
first_task(MobProcess *self)
{
    size_t at = 0;

    return mob_table_next(((MobWorker *)self)->tasks, &at);
}

static void
retries_for_ever(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    MobTask *task = first_task(self);

    if (task != NULL)
        task->retries_left = 5;
    go_on(self, input, out);
}

static void
gives_up_at_once(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    MobTask *task = first_task(self);

    if (task != NULL)
        task->retries_left = 0;
    go_on(self, input, out);
}

static void
others_retry(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    go_on(self, input, out);
    const MobNote *note = find_note(out, MOB_NOTE_TASK_RUNNING);
    if (note != NULL)
        lie(out, (MobNote){.kind = MOB_NOTE_TASK_RETRIED, .spec = note->spec, .attempt = 2});
}

static void
retries_what_runs(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    go_on(self, input, out);
    const MobNote *note = find_note(out, MOB_NOTE_TASK_LEASED);
    if (note != NULL)
        lie(out, (MobNote){.kind = MOB_NOTE_TASK_RETRIED,
                           .spec = note->spec,
                           .attempt = 2,
                           .object = mob_object_return(note->spec->id, 1)});
}

Test(check, what_failed_is_tried_again_as_often_as_it_may_and_by_its_owner)
{
    expect("I10", "attempt 3", &(Plot){main_retried, .worker = retries_for_ever});
    expect("I8", "is given up after attempt 1",
           &(Plot){main_two, .worker = gives_up_at_once, .troubles = KILL(20, "n1/w0")});
    expect("I14", "is run again by n1/w0", &(Plot){main_small, .worker = others_retry});
    expect("I14", "is on its way already", &(Plot){main_small, .worker = retries_what_runs});
}

/* It gives up an attempt that runs well. */
static void
loses_patience(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    MobTask *task = first_task(self);

    go_on(self, input, out);
    if (bends > 0 || task == NULL || task->place != MOB_TASK_PUSHED)
        return;
    MobStep step = {(MobWorker *)self, input, out};
    bends++;
    mob_submit_attempt_failed(&step, task, MOB_FAULT_WORKER_CRASHED, "it takes so long", true);
}

/* It takes a result that is in a store for lost. */
static void
takes_it_for_lost(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    MobRow *row = is_driver(self) ? stored_row(self) : NULL;
    MobStep step = {(MobWorker *)self, input, out};

    if (row != NULL && bends++ == 0) {
        row->state = MOB_ROW_LOST;
        mob_recover_later(&step, row);
    }
    go_on(self, input, out);
}

/* It is lost, and nobody does anything about it. */
static void
leaves_it_lost(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    go_on(self, input, out);
    MobRow *row = is_driver(self) ? stored_row(self) : NULL;
    if (row != NULL)
        row->state = MOB_ROW_LOST;
}

static void
says_it_is(MobFaultKind kind, MobProcess *self, const MobInput *input, MobOutbox *out)
{
    static const uint32_t nothing;
    g_autoptr(MobValue) fault = mob_value_new((const uint8_t *)&nothing, 1, 1, NULL, 0, kind);

    go_on(self, input, out);
    MobRow *row = is_driver(self) ? stored_row(self) : NULL;
    if (row != NULL && bends == 0)
        lie(out, (MobNote){.kind = MOB_NOTE_OBJECT_FAILED,
                           .object = row->ref.id,
                           .path = row->ref.path,
                           .owner = row->ref.owner,
                           .value = fault});
}

static void
says_it_is_gone(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    says_it_is(MOB_FAULT_OBJECT_LOST, self, input, out);
}

static void
says_it_was_freed(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    says_it_is(MOB_FAULT_OBJECT_FREED, self, input, out);
}

/* One object is freed by hand, and another one is an error for it. */
static void
main_frees(MobulaTask *task)
{
    MobulaValue *other = make_large(task);
    MobulaValue *ref = call_on(task, "n1", "holds", 0, NULL);

    mobula_free_values(task, 1, &ref);
    mobula_get(task, other);
}

Test(check, nothing_runs_again_without_a_reason_and_nothing_stays_lost)
{
    expect("I9", "nothing has happened to it", &(Plot){main_two, .worker = loses_patience});
    expect("I9", "of which there is a copy on n1",
           &(Plot){main_large, .worker = takes_it_for_lost});
    expect("I8", "nobody makes it again", &(Plot){main_large, .worker = leaves_it_lost});
    expect("I8", "nothing that happened excuses it",
           &(Plot){main_large, .worker = says_it_is_gone});
    expect("I8", "O1 is ObjectFreedError, and nothing that happened excuses it",
           &(Plot){main_frees, .worker = says_it_was_freed});
}

/* --- objects --- */

static MobValue *
another_value(void)
{
    return mob_value_new((const uint8_t *)"\x07", 1, 1, NULL, 0, 0);
}

static void
hands_out_another(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    go_on(self, input, out);
    for (guint i = 0; i < out->effects->len; i++) {
        MobEffect *effect = &g_array_index(out->effects, MobEffect, i);
        if (effect->kind != MOB_EFFECT_SEND || effect->msg->type != MOB_MSG_OBJECT_HERE)
            continue;
        MobObjectHere *here = (MobObjectHere *)effect->msg;
        mob_value_unref(here->value);
        here->value = another_value();
    }
}

/* It answers for an object that its task has not made yet. */
static void
answers_too_early(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    if (!is_message(input, MOB_MSG_GET_STATUS)) {
        go_on(self, input, out);
        return;
    }
    MobObjectStatus *status = mob_object_status_new();
    status->object = mob_get_status(input->msg)->object;
    status->value = another_value();
    mob_send(out, input->from, status);
}

static void
main_reads(MobulaTask *task)
{
    MobulaValue *pending = call_on(task, "n1", "holds", 0, NULL);
    MobulaValue *list = mobula_array(task, 1, &pending);

    mobula_get(task, call_on(task, "n2", "reads", 1, &list));
}

static void
changes_a_copy(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    go_on(self, input, out);
    MobCopy *copy = first_copy(self);
    if (copy != NULL && copy->value != NULL && !copy->primary && bends++ == 0)
        copy->hash++;
}

Test(check, a_value_is_the_one_that_was_made)
{
    expect("I2", "another value", &(Plot){main_large, .node = hands_out_another});
    expect("I4", "which has none", &(Plot){main_reads, .worker = answers_too_early});
    expect("I3", "has another value than the one before",
           &(Plot){main_large, .node = changes_a_copy});
}

/* --- owners --- */

static void
counts_wrong(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    go_on(self, input, out);
    MobRow *row = is_driver(self) ? stored_row(self) : NULL;
    if (row != NULL)
        row->submitted++;
}

static void
keeps_all_lineage(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    go_on(self, input, out);
    ((MobWorker *)self)->lineage_bytes += UINT64_C(2) << 30;
}

/* It has been told, and takes no notice. */
static void
does_not_mourn(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    if (!is_message(input, MOB_MSG_WORKER_DIED) && !is_message(input, MOB_MSG_NODE_CHANGED))
        go_on(self, input, out);
}

Test(check, owners_count_right_and_nobody_believes_the_dead)
{
    expect("I18", "counts", &(Plot){main_large, .worker = counts_wrong});
    expect("I7c", "bytes of lineage", &(Plot){main_small, .worker = keeps_all_lineage});
    expect("I37", "knows that its owner is dead",
           &(Plot){main_inner, .worker = does_not_mourn, .troubles = KILL(60, "n1/w0")});
}

/* --- at rest --- */

static void
believes_in_a_copy(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    go_on(self, input, out);
    MobRow *row = is_driver(self) ? stored_row(self) : NULL;
    if (row != NULL && row->more->nodes->len == 1)
        g_array_append_vals(row->more->nodes, &(MobNodeId){3}, 1);
}

static void
keeps_leases(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    if (!is_message(input, MOB_MSG_RETURN_LEASE))
        go_on(self, input, out);
}

static void
frees_nothing(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    if (!is_message(input, MOB_MSG_FREE_OBJECTS))
        go_on(self, input, out);
}

/* Nor does it hear that a job is over. */
static void
keeps_all(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    if (!is_message(input, MOB_MSG_WORKER_DIED) && !is_message(input, MOB_MSG_JOB_FINISHED))
        go_on(self, input, out);
}

/* A borrower has died, and still counts. */
static void
counts_the_dead(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    go_on(self, input, out);
    MobRow *row = is_driver(self) ? stored_row(self) : NULL;
    if (row == NULL || !is_message(input, MOB_MSG_WORKER_DIED))
        return;
    MobToken token = {.borrower = mob_worker_died(input->msg)->worker, .token = 1};
    mob_tokens_add((MobWorker *)self, row, token);
}

/* It takes a task for that of somebody who never was. */
static void
runs_for_nobody(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    go_on(self, input, out);
    if (input->kind == MOB_INPUT_CALL && !is_driver(self))
        ((MobWorker *)self)->exec.spec->owner = (MobAddress){1, 77};
}

static void
main_drops(MobulaTask *task)
{
    mobula_drop(task, make_large(task));
    mobula_sleep(task, 5 * MOB_SECOND);
}

static void
main_leaves(MobulaTask *task)
{
    make_large(task);
    mobula_sleep(task, 5 * MOB_SECOND);
}

Test(check, at_rest_everybody_agrees_and_nothing_is_left)
{
    expect("I34", "believes that O1 is on n2",
           &(Plot){main_sleep, .worker = believes_in_a_copy, .stop = MOB_SECOND});
    expect("I25", "counts 0 leases, and the node managers keep 1",
           &(Plot){main_drops, .node = keeps_leases, .stop = MOB_SECOND});
    expect("I6", "still holds a copy of O1",
           &(Plot){main_drops, .node = frees_nothing, .stop = MOB_SECOND, .all_gone = true});
    expect("I38", "still counts a borrower of O1 that is dead",
           &(Plot){main_leaves, .worker = counts_the_dead, .troubles = KILL(200, "n1/w0"),
                   .stop = MOB_SECOND});
    expect("I38", "runs a task of an owner that is dead",
           &(Plot){main_two, .worker = runs_for_nobody, .stop = 20 * MOB_MS});
    expect("I38", "whose owner is dead",
           &(Plot){main_leaves, .node = keeps_all, .troubles = KILL(100, "driver")});
}
