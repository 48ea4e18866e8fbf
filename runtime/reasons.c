/* reasons.c: see reasons.h. */
#include "runtime/reasons.h"

#include <string.h>

typedef struct {
    MobBecause *into;
    uint32_t count;
    uint64_t now; /* the event whose reasons these are */
} Reasons;

/* What is of this very event is no reason for it. */
static void
add(Reasons *reasons, uint64_t event, const char *role)
{
    if (event == 0 || event >= reasons->now || reasons->count == MOB_BECAUSE_MAX)
        return;
    reasons->into[reasons->count++] = (MobBecause){event, role};
}

/* --- an object has to be made again --- */

static const MobStateCopy *
last_copy(const MobStateObject *object)
{
    const MobStateCopy *last = NULL;

    for (guint i = 0; i < object->copies->len; i++) {
        const MobStateCopy *copy = g_ptr_array_index(object->copies, i);
        if (copy->to != 0 && (last == NULL || copy->to >= last->to))
            last = copy;
    }
    return last;
}

static const char *
need(const char *kind)
{
    if (strcmp(kind, "argument") == 0)
        return "a task needs it";
    if (strcmp(kind, "nested") == 0)
        return "a value mentions it";
    if (strcmp(kind, "borrowed") == 0)
        return "another process holds it";
    return "a body holds it";
}

static void
of_resubmit(Reasons *reasons, const MobState *state, const MobStateObject *object)
{
    const MobStateCopy *copy = last_copy(object);

    if (copy != NULL) {
        const MobStateNode *node = mob_state_node_by_id(state, copy->node);
        add(reasons, copy->to, "the last copy is gone");
        if (node != NULL)
            add(reasons, node->declared, "its node was declared dead");
    }
    for (guint i = 0; i < object->refs->len; i++) {
        const MobStateRef *ref = g_ptr_array_index(object->refs, i);
        if (ref->to == 0 || ref->to == reasons->now)
            add(reasons, ref->from, need(ref->kind));
    }
}

/* --- what was decided --- */

static const MobStateAttempt *
newest_attempt(const MobState *state, const MobNote *note)
{
    const MobStateTask *task = mob_state_task_by_id(state, note->spec->id);

    if (task == NULL || task->attempts->len == 0)
        return NULL;
    return g_ptr_array_index(task->attempts, task->attempts->len - 1);
}

static void
of_decision(Reasons *reasons, const MobState *state, const MobNote *note)
{
    const MobStateObject *object = mob_state_object_by_id(state, note->object);

    if (object != NULL) {
        of_resubmit(reasons, state, object);
    } else if (note->spec != NULL) { /* its lineage is given up */
        const MobStateAttempt *attempt = newest_attempt(state, note);
        if (attempt != NULL)
            add(reasons, attempt->ended, "its lineage was kept from then on");
    }
}

static void
of_failure(Reasons *reasons, const MobState *state, const MobNote *note)
{
    const MobStateAttempt *attempt = mob_state_attempt(state, note->spec->id, note->attempt);

    if (attempt == NULL || g_strcmp0(attempt->outcome, "crashed") != 0)
        return;
    add(reasons, attempt->ended, "its worker died");
    const MobStateNode *node = mob_state_node_by_id(state, (MobNodeId){attempt->worker.node});
    if (node != NULL)
        add(reasons, node->declared, "its node was declared dead");
}

uint32_t
mob_reasons(const MobState *state, const MobEvent *event, const MobNote *note,
            MobBecause into[MOB_BECAUSE_MAX])
{
    Reasons reasons = {.into = into, .now = event->number};

    if (note->kind == MOB_NOTE_DECIDE) {
        of_decision(&reasons, state, note);
    } else if (note->kind == MOB_NOTE_TASK_FAILED && note->spec != NULL) {
        of_failure(&reasons, state, note);
    } else if (note->kind == MOB_NOTE_NODE_DECLARED_DEAD) {
        const MobStateNode *node = mob_state_node_by_id(state, note->node);
        if (node != NULL)
            add(&reasons, node->died, "it died");
    }
    return reasons.count;
}
