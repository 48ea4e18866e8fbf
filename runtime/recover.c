/* recover.c: objects whose last copy is gone (Ray: object_recovery_manager.cc).
 *
 * Only the owner recovers an object. If another copy exists somewhere, that
 * one is pinned as the new primary. If none does, the task that made it runs
 * again, and for that its arguments must exist, so those that are lost are
 * recovered too, back along the lineage, as a list that is worked off and not
 * by recursion. Retries and reconstructions draw from one budget, as in Ray.
 *
 * An object that cannot be made again gets an error as its value, so that
 * whoever waits for it wakes up.
 */
#include "runtime/worker_parts.h"

void
mob_recover_later(MobStep *step, MobRow *row)
{
    g_assert(row->owned);
    g_array_append_vals(step->worker->lost, &row->ref.id, 1);
    step->worker->unfinished = true;
}

static void
pin_first_copy(MobStep *step, MobRow *row)
{
    MobNodeId node = g_array_index(row->more->nodes, MobNodeId, 0);
    MobPinObject *pin = mob_pin_object_new();

    row->pinning = true;
    pin->object = mob_ref_copy(&row->ref);
    mob_send(step->out, mob_node_address(node.v), pin);
    NOTE(step->out, OBJECT_RECOVERING, .object = row->ref.id, .path = row->ref.path,
         .owner = row->ref.owner, .node = node);
}

void
mob_recover_on_pinned(MobStep *step)
{
    const MobObjectPinned *answer = mob_object_pinned(step->input->msg);
    MobRow *row = mob_row_find(step->worker, answer->object);
    MobNodeId node = {step->input->from.node};

    if (row == NULL || !row->pinning || g_array_index(row->more->nodes, MobNodeId, 0).v != node.v)
        return; /* another copy is being pinned meanwhile */
    if (!answer->ok) {
        mob_object_lose_copy(step, row, node, "its node has no copy of it");
        return;
    }
    row->pinning = false;
    if (row->state != MOB_ROW_STORED)
        return;
    row->more->primary = node;
    NOTE(step->out, OBJECT_RECOVERED, .object = row->ref.id, .path = row->ref.path,
         .owner = row->ref.owner, .node = node, .bytes = mob_object_size(row));
}

void
mob_recover_again(MobStep *step, MobAddress peer)
{
    size_t at = 0;
    MobRow *row;

    if (peer.local != MOB_LOCAL_NODE)
        return;
    while ((row = mob_table_next(step->worker->rows, &at)))
        if (row->pinning && row->more->nodes->len > 0 &&
            g_array_index(row->more->nodes, MobNodeId, 0).v == peer.node)
            pin_first_copy(step, row);
}

/* --- running the task again --- */

static void
fail(MobStep *step, MobRow *row, MobLost why)
{
    mob_object_set_inline(step, row, mob_worker_lost(step, why, &row->ref, row->task));
}

static void
note_decision(MobStep *step, const MobRow *row, const MobTask *task)
{
    NOTE(step->out, DECIDE, .reason = "resubmit", .spec = task->spec, .attempt = task->attempt,
         .object = row->ref.id, .path = row->ref.path, .owner = row->ref.owner);
    NOTE(step->out, OBJECT_RECOVERING, .object = row->ref.id, .path = row->ref.path,
         .owner = row->ref.owner);
    NOTE(step->out, TASK_RETRIED, .spec = task->spec, .attempt = task->attempt,
         .owner = task->spec->owner, .object = row->ref.id, .path = row->ref.path,
         .reason = "its result is lost", .bytes = (uint64_t)task->retries_left);
}

static void
recover_arg(MobStep *step, const MobRef *ref)
{
    MobRow *row = mob_object_is(ref->id) ? mob_row_find(step->worker, ref->id) : NULL;

    if (row == NULL || !row->owned || row->state == MOB_ROW_PENDING ||
        (mob_row_is_available(row) && !mob_free_take_back(step, row)))
        return; /* what a task was lent may not have been made yet */
    MobRowMore *more = mob_row_more(row);
    if (more->lost == 0)
        more->lost = step->input->event; /* it was freed, and is wanted again */
    mob_recover_later(step, row);
}

/* The arguments that are not there any more have to be recovered first, and what
 * they mention as well: the body may get it. */
static void
recover_args(MobStep *step, const MobTask *task)
{
    for (uint32_t i = 0; i < task->args->count; i++) {
        const MobArg *arg = &task->args->items[i];
        recover_arg(step, &arg->ref);
        for (uint32_t k = 0; arg->value != NULL && k < arg->value->ref_count; k++)
            recover_arg(step, &arg->value->refs[k]);
    }
}

static void
resubmit(MobStep *step, MobRow *row)
{
    MobTask *task = row->task;

    g_assert(task->place == MOB_TASK_DONE);
    if (task->retries_left > 0)
        task->retries_left--;
    task->attempt++;
    task->again = true;
    step->worker->lineage_bytes -= task->lineage_bytes;
    task->lineage_bytes = 0;
    step->worker->pending_tasks++;
    task->place = MOB_TASK_ARGS;
    mob_args_count(step, task->spec->id, task->args, 1, 0);
    note_decision(step, row, task);
    recover_args(step, task);
    mob_submit_resolve(step, task);
}

static void
recover(MobStep *step, MobRow *row)
{
    if (row->state == MOB_ROW_STORED) {
        if (row->more->primary.v == 0 && !row->pinning && row->more->nodes->len > 0)
            pin_first_copy(step, row);
        return;
    }
    if (mob_row_is_available(row))
        return;
    if (!mob_row_in_scope(row) && row->lineage == 0)
        return;
    if (row->task == NULL) {
        fail(step, row, mob_object_is_put(row->ref.id) ? MOB_LOST_PUT : MOB_LOST_RETRIES_OFF);
        return;
    }
    if (row->task->place != MOB_TASK_DONE) {
        row->state = MOB_ROW_LOST; /* its task is on its way already, maybe for another result */
        return;
    }
    if (row->task->retries_left == 0) {
        fail(step, row,
             row->task->lineage_evicted ? MOB_LOST_LINEAGE_EVICTED : MOB_LOST_RETRIES_USED_UP);
        return;
    }
    row->state = MOB_ROW_LOST;
    resubmit(step, row);
}

void
mob_recover_run(MobStep *step)
{
    GArray *lost = step->worker->lost;

    for (guint i = 0; i < lost->len; i++) { /* it grows while it is worked off */
        MobRow *row = mob_row_find(step->worker, g_array_index(lost, MobObjectId, i));
        if (row != NULL)
            recover(step, row);
    }
    g_array_set_size(lost, 0);
}

/* --- a bound on lineage --- */

void
mob_recover_evict_lineage(MobStep *step)
{
    MobWorker *worker = step->worker;
    size_t at = 0;
    MobRow *row;
    g_autoptr(GPtrArray) evicted = g_ptr_array_new();

    if (worker->lineage_bytes <= worker->config->lineage_max)
        return;
    uint64_t left = worker->lineage_bytes;
    while (left > worker->config->lineage_max / 2 && (row = mob_table_next(worker->rows, &at))) {
        MobTask *task = row->task;
        if (task == NULL || task->place != MOB_TASK_DONE || task->lineage_evicted)
            continue;
        task->lineage_evicted = true;
        left -= task->lineage_bytes;
        g_ptr_array_add(evicted, task);
    }
    for (guint i = 0; i < evicted->len; i++) {
        MobTask *task = g_ptr_array_index(evicted, i);
        NOTE(step->out, DECIDE, .reason = "evict_lineage", .spec = task->spec,
             .owner = task->spec->owner);
        task->retries_left = 0; /* the rows stay; what is lost now is lost */
        worker->lineage_bytes -= task->lineage_bytes;
        task->lineage_bytes = 0;
        g_autoptr(MobArgs) args = task->args;
        task->args = mob_args_new(0);
        mob_args_count(step, task->spec->id, args, 0, -1);
    }
}
