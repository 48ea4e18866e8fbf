/* test_check_refs.c: the properties of references fire; see test_check.c. */
#include "tests/check_rig.h"

/* The reply does not say whose references its worker still needs. */
static void
forgets_borrowed(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    go_on(self, input, out);
    for (guint i = 0; i < out->effects->len; i++) {
        MobEffect *effect = &g_array_index(out->effects, MobEffect, i);
        if (effect->kind != MOB_EFFECT_SEND || effect->msg->type != MOB_MSG_TASK_REPLY)
            continue;
        MobRefs *borrowed = &((MobTaskReply *)effect->msg)->borrowed;
        while (borrowed->count > 0)
            mob_ref_clear(&borrowed->items[--borrowed->count]);
    }
}

static void
main_lends(MobulaTask *task)
{
    MobulaValue *ref = make_large(task);
    MobulaValue *list = mobula_array(task, 1, &ref);
    MobulaValue *outer = call_on(task, "n2", "lends", 1, &list);

    mobula_drop(task, ref);
    mobula_free(task, list);
    mobula_wait(task, 1, &outer, 1, MOBULA_FOREVER, (bool[1]){false});
    mobula_sleep(task, 5 * MOB_MS);
}

/* What its values mention does not count. */
static void
forgets_nested(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    MobStep step = {(MobWorker *)self, input, out};
    size_t at = 0;
    MobRow *row;

    go_on(self, input, out);
    while (is_driver(self) && (row = mob_table_next(step.worker->rows, &at)))
        if (row->more != NULL && row->more->nested.count > 0 && bends++ == 0) {
            MobRow *inner = mob_row_find(step.worker, row->more->nested.items[0].id);
            mob_ref_clear(&row->more->nested.items[--row->more->nested.count]);
            inner->contained--;
            lie(out, (MobNote){.kind = MOB_NOTE_REF_DROPPED,
                               .object = inner->ref.id,
                               .owner = inner->ref.owner,
                               .to = self->address,
                               .reason = "nested"});
            mob_row_settle(&step, inner);
            return;
        }
}

static void
main_holds_outer(MobulaTask *task)
{
    MobulaValue *outer = call_on(task, "n1", "hands_over", 0, NULL);

    mobula_wait(task, 1, &outer, 1, MOBULA_FOREVER, (bool[1]){false});
    mobula_sleep(task, 100 * MOB_MS);
}

static void
knows_too_much(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    go_on(self, input, out);
    const MobNote *note = find_note(out, MOB_NOTE_TASK_RUNNING);
    if (note != NULL)
        lie(out, (MobNote){.kind = MOB_NOTE_REF_ADDED,
                           .object = mob_object_return(note->spec->id, 1),
                           .path = note->spec->path,
                           .owner = note->spec->owner,
                           .to = self->address,
                           .reason = "local"});
}

/* It holds the object, but not for what it says. */
static void
tells_of_another(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    go_on(self, input, out);
    const MobNote *note = find_note(out, MOB_NOTE_TASK_SUBMITTED);
    if (note != NULL)
        lie(out, (MobNote){.kind = MOB_NOTE_REF_ADDED,
                           .object = mob_object_return(note->spec->id, 1),
                           .path = note->spec->path,
                           .owner = note->spec->owner,
                           .to = self->address,
                           .reason = "argument"});
}

static void
tells_of_an_end(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    go_on(self, input, out);
    const MobNote *note = find_note(out, MOB_NOTE_TASK_SUBMITTED);
    if (note != NULL)
        lie(out, (MobNote){.kind = MOB_NOTE_REF_DROPPED,
                           .object = mob_object_return(note->spec->id, 1),
                           .owner = note->spec->owner,
                           .to = self->address,
                           .reason = "borrowed"});
}

Test(check_refs, a_reference_counts_and_is_never_made_up)
{
    expect("S1", "that it does not count", &(Plot){main_small, .worker = tells_of_another});
    expect("S1", "of which it has not told", &(Plot){main_small, .worker = tells_of_an_end});
    expect("I5", "still holds it", &(Plot){main_lends, .worker = forgets_borrowed});
    expect("I17", "O1 mentions it", &(Plot){main_holds_outer, .worker = forgets_nested});
    expect("I16", "which nobody has given to it", &(Plot){main_small, .worker = knows_too_much});
}
