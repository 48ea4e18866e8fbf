/* submit.c: tasks on their way, from submission to reply (Ray: task_manager.cc
 * and the dependency resolver).
 *
 * A task waits until all its arguments exist somewhere. Small ones are then
 * put into it by value; large ones stay references and are fetched by the node
 * that grants the lease. When its reply comes, what it returned becomes
 * available, and the task is kept only if something that it returned lives in
 * a store and could be lost: that is its lineage.
 */
#include "runtime/worker_parts.h"

void
mob_task_free(MobTask *task)
{
    if (task == NULL)
        return;
    mob_spec_unref(task->spec);
    mob_args_unref(task->args);
    mob_value_unref(task->last_fault);
    g_free(task);
}

static MobTask *
find_task(const MobWorker *worker, MobTaskId id)
{
    return mob_table_get(worker->tasks, mob_key_task(id));
}

static MobRow *
row_of_return(const MobStep *step, const MobTask *task, uint32_t index)
{
    return mob_row_find(step->worker, mob_object_return(task->spec->id, index));
}

MobTask *
mob_submit(MobStep *step, MobTaskSpec *spec, MobArgs *args)
{
    MobWorker *worker = step->worker;
    MobTask *task = mob_new0(MobTask, 1);

    task->spec = spec;
    task->args = args;
    task->attempt = 1;
    task->retries_left = spec->retries;
    task->rows = spec->returns;
    mob_table_add(worker->tasks, mob_key_task(spec->id), task);
    worker->pending_tasks++;
    for (uint32_t i = 1; i <= spec->returns; i++) {
        MobRef ref = {mob_object_return(spec->id, i), spec->owner, spec->path};
        mob_row_of(worker, &ref)->task = task;
    }
    NOTE(step->out, TASK_SUBMITTED, .spec = spec, .attempt = 1, .owner = spec->owner, .args = args,
         .path = spec->path, .label = mob_str(spec->label));
    mob_args_count(step, spec->id, args, 1, 1);
    mob_submit_resolve(step, task);
    return task;
}

/* --- arguments --- */

/* A borrowed value stays where it is if others are nested in it: the reference
 * to it protects them, which we are not registered for. */
static bool
may_travel_along(const MobRow *row)
{
    return row != NULL && row->state == MOB_ROW_INLINE &&
           (row->owned || row->value->ref_count == 0);
}

/* Small values take the place of the references to them, and count no more. */
static void
fill_in(MobStep *step, MobTask *task)
{
    MobArgs *filled = NULL;

    for (uint32_t i = 0; i < task->args->count; i++) {
        const MobArg *arg = &task->args->items[i];
        MobRow *row = mob_object_is(arg->ref.id) ? mob_row_find(step->worker, arg->ref.id) : NULL;
        if (!may_travel_along(row))
            continue;
        if (filled == NULL) {
            filled = mob_args_new(task->args->count);
            for (uint32_t k = 0; k < filled->count; k++) {
                filled->items[k].ref = mob_ref_copy(&task->args->items[k].ref);
                filled->items[k].value = mob_value_ref(task->args->items[k].value);
            }
        }
        mob_ref_clear(&filled->items[i].ref);
        filled->items[i].ref = (MobRef){0};
        filled->items[i].value = mob_value_ref(row->value);
    }
    if (filled == NULL)
        return;
    g_autoptr(MobArgs) before = task->args;
    task->args = filled;
    for (uint32_t i = 0; i < filled->count; i++) {
        if (!mob_object_is(before->items[i].ref.id) || mob_object_is(filled->items[i].ref.id))
            continue; /* as before */
        mob_arg_count(step, task->spec->id, &filled->items[i], 1, 1);
        mob_arg_count(step, task->spec->id, &before->items[i], -1, -1);
    }
}

static const MobValue *
failed_argument(const MobTask *task)
{
    for (uint32_t i = 0; i < task->args->count; i++)
        if (task->args->items[i].value != NULL && task->args->items[i].value->fault != 0)
            return task->args->items[i].value;
    return NULL;
}

static void
args_are_there(MobStep *step, MobTask *task)
{
    fill_in(step, task);
    const MobValue *failed = failed_argument(task);
    if (failed == NULL) {
        mob_own_leases_enqueue(step, task);
        return;
    }
    g_ptr_array_add(step->worker->doomed, task);
    step->worker->unfinished = true;
}

/* A task whose argument is an error fails without running. The tasks behind it
 * fail in turn, as many as there are, so this is a list and not recursion. */
void
mob_submit_fail_doomed(MobStep *step)
{
    GPtrArray *doomed = step->worker->doomed;

    for (guint i = 0; i < doomed->len; i++) {
        MobTask *task = g_ptr_array_index(doomed, i);
        mob_submit_fail(step, task,
                        mob_worker_fault(step, MOB_FAULT_TASK, task, (MobAddress){0},
                                         "an argument is an error", failed_argument(task)));
    }
    g_ptr_array_set_size(doomed, 0);
}

void
mob_submit_resolve(MobStep *step, MobTask *task)
{
    task->place = MOB_TASK_ARGS;
    task->missing = 1; /* so that nothing is queued before the loop is over */
    for (uint32_t i = 0; i < task->args->count; i++) {
        const MobRef *ref = &task->args->items[i].ref;
        MobRow *row = mob_object_is(ref->id) ? mob_row_find(step->worker, ref->id) : NULL;
        if (row == NULL || mob_row_is_available(row))
            continue;
        MobRowMore *more = mob_row_more(row);
        if (more->waiters == NULL)
            more->waiters = g_ptr_array_new();
        g_ptr_array_add(more->waiters, task);
        task->missing++;
        mob_object_want(step, row);
    }
    mob_submit_arg_ready(step, task);
}

void
mob_submit_arg_ready(MobStep *step, MobTask *task)
{
    g_assert(task->place == MOB_TASK_ARGS && task->missing > 0);
    if (--task->missing == 0)
        args_are_there(step, task);
}

/* --- the end of an attempt --- */

static void
release_lineage(MobStep *step, MobTask *task)
{
    MobWorker *worker = step->worker;

    worker->lineage_bytes -= task->lineage_bytes;
    task->lineage_bytes = 0;
    mob_table_take(worker->tasks, mob_key_task(task->spec->id));
    mob_args_count(step, task->spec->id, task->args, 0, -1);
    mob_task_free(task);
}

void
mob_task_row_gone(MobStep *step, MobTask *task)
{
    g_assert(task->rows > 0);
    if (--task->rows == 0 && task->place == MOB_TASK_DONE)
        release_lineage(step, task);
}

static uint64_t
footprint(const MobTask *task)
{
    uint64_t bytes = sizeof(MobTask) + sizeof(MobTaskSpec) + task->args->count * sizeof(MobArg);

    for (uint32_t i = 0; i < task->args->count; i++)
        if (task->args->items[i].value != NULL)
            bytes += task->args->items[i].value->length;
    return bytes;
}

/* Rows that could not be lost, or not be made again, need the task no more. */
static void
detach_rows(MobStep *step, MobTask *task)
{
    for (uint32_t i = 1; i <= task->spec->returns; i++) {
        MobRow *row = row_of_return(step, task, i);
        if (row == NULL || row->task != task)
            continue;
        if (row->state == MOB_ROW_STORED && task->spec->retries != 0)
            continue; /* even if its retries are used up: the error will say so */
        row->task = NULL;
        task->rows--;
    }
}

/* The task is over: its arguments are let go, and it stays only for lineage. */
static void
finish(MobStep *step, MobTask *task)
{
    MobWorker *worker = step->worker;
    g_autoptr(MobTaskSpec) spec = mob_spec_ref(task->spec);

    g_assert(task->place != MOB_TASK_DONE);
    task->place = MOB_TASK_DONE;
    task->shape = NULL;
    task->lease = NULL;
    worker->pending_tasks--;
    g_clear_pointer(&task->last_fault, mob_value_unref);
    detach_rows(step, task);
    g_autoptr(MobArgs) args = mob_args_ref(task->args);
    if (task->rows > 0) {
        task->lineage_bytes = footprint(task);
        worker->lineage_bytes += task->lineage_bytes;
        mob_args_count(step, spec->id, args, -1, 0);
        mob_recover_evict_lineage(step);
    } else {
        mob_table_take(worker->tasks, mob_key_task(spec->id));
        mob_task_free(task);
        mob_args_count(step, spec->id, args, -1, -1);
    }
    for (uint32_t i = 1; i <= spec->returns; i++) {
        MobRow *row = mob_row_find(worker, mob_object_return(spec->id, i));
        if (row != NULL)
            mob_row_settle(step, row);
    }
}

void
mob_submit_fail(MobStep *step, MobTask *task, MobValue *fault)
{
    g_autoptr(MobValue) owned = fault;

    NOTE(step->out, TASK_FAILED, .spec = task->spec, .attempt = task->attempt,
         .owner = task->spec->owner, .value = owned, .final = true,
         .reason = mob_fault_name((MobFaultKind)owned->fault));
    for (uint32_t i = 1; i <= task->spec->returns; i++) {
        MobRow *row = row_of_return(step, task, i);
        if (row != NULL && !mob_row_is_available(row))
            mob_object_set_inline(step, row, mob_value_ref(owned));
    }
    finish(step, task);
}

static void
run_again(MobStep *step, MobTask *task, const char *why)
{
    task->attempt++;
    NOTE(step->out, TASK_RETRIED, .spec = task->spec, .attempt = task->attempt,
         .owner = task->spec->owner, .reason = why, .bytes = (uint64_t)task->retries_left);
    mob_submit_resolve(step, task);
}

void
mob_submit_attempt_failed(MobStep *step, MobTask *task, MobFaultKind kind, const char *why,
                          bool charge)
{
    MobAddress worker = task->lease != NULL ? task->lease->worker : (MobAddress){0};
    MobValue *fault = mob_worker_fault(step, kind, task, worker, why, NULL);

    task->lease = NULL;
    if (charge && task->retries_left == 0) {
        mob_submit_fail(step, task, fault);
        return;
    }
    NOTE(step->out, TASK_FAILED, .spec = task->spec, .attempt = task->attempt,
         .owner = task->spec->owner, .worker = worker, .value = fault, .reason = why);
    mob_value_unref(task->last_fault);
    task->last_fault = fault;
    if (charge && task->retries_left > 0)
        task->retries_left--;
    run_again(step, task, why);
}

/* --- replies --- */

/* References of third owners in the results come with a registration of ours,
 * and our own do if we have run the task ourselves. They stay until the results
 * have been taken in. */
static void
remember_tokens(MobStep *step, const MobTaskReply *reply, GArray **inner)
{
    MobAddress self = step->worker->base.address;
    uint64_t token = reply->token + reply->borrowed.count;

    for (uint32_t i = 0; i < reply->results.count; i++) {
        const MobResult *result = &reply->results.items[i];
        const MobRef *refs = result->value != NULL ? result->value->refs : result->nested.items;
        uint32_t count = result->value != NULL ? result->value->ref_count : result->nested.count;
        for (uint32_t k = 0; k < count; k++) {
            bool ours = mob_address_eq(refs[k].owner, self);
            if (ours && !mob_address_eq(step->input->from, self))
                continue;
            MobRow *row = mob_row_of(step->worker, &refs[k]);
            if (ours)
                mob_borrow_remove(step, row, self, token++);
            else
                mob_borrow_remember(step->worker, row, step->input->from, token++);
            if (*inner == NULL)
                *inner = g_array_new(FALSE, FALSE, sizeof(MobObjectId));
            g_array_append_vals(*inner, &refs[k].id, 1);
            mob_row_begin_containing(row);
        }
    }
}

static void
release_tokens(MobStep *step, const GArray *inner)
{
    for (guint i = 0; i < inner->len; i++)
        mob_row_end_containing(step,
                               mob_row_find(step->worker, g_array_index(inner, MobObjectId, i)));
}

/* Another return of the task was lost, and this one was not, or nobody needs it
 * any more: there is a copy too many, unless it is as good as those there are. */
static void
take_spare_result(MobStep *step, const MobTask *task, uint32_t index, const MobResult *result)
{
    MobRow *row = row_of_return(step, task, index);

    if (result->value != NULL || mob_object_is_on(row, result->node))
        return;
    if (row != NULL && row->state == MOB_ROW_STORED && mob_object_hash(row) == result->hash)
        mob_object_set_stored(step, row, row->more->size, result->hash, result->node);
    else
        mob_row_free_on(step, mob_object_return(task->spec->id, index), result->node);
}

static void
take_result(MobStep *step, const MobTask *task, uint32_t index, const MobResult *result)
{
    MobRow *row = row_of_return(step, task, index);

    if (row == NULL || mob_row_is_available(row)) {
        take_spare_result(step, task, index, result);
        return;
    }
    mob_row_contain(step, row, result->value != NULL ? result->value->refs : result->nested.items,
                    result->value != NULL ? result->value->ref_count : result->nested.count,
                    mob_spec_site(task->spec));
    if (result->value != NULL) {
        mob_object_set_inline(step, row, mob_value_ref(result->value));
        return;
    }
    mob_object_set_stored(step, row, result->size, result->hash, result->node);
    row = row_of_return(step, task, index);
    if (row != NULL)
        mob_row_free_strays(step, row);
}

static bool
error_is_retried(const MobTask *task, const MobValue *value)
{
    if (task->retries_left == 0 || !task->spec->retry_exceptions)
        return false;
    if (task->spec->retry_only == NULL)
        return true;
    g_autoptr(GStringChunk) text = g_string_chunk_new(256);
    g_auto(GStrv) lines = g_strsplit(mob_str(task->spec->retry_only), "\n", -1);
    MobFault fault;
    if (!mob_fault_read(value, &fault, text))
        return false;
    mob_value_unref((MobValue *)fault.cause);
    for (char **line = lines; *line != NULL; line++)
        if (**line != '\0' && (g_strcmp0(*line, mob_fault_name(fault.kind)) == 0 ||
                               (fault.message != NULL && strstr(fault.message, *line) != NULL)))
            return true;
    return false;
}

/* One of several results did not fit into the store; those before it did. */
static void
free_partial_results(MobStep *step, const MobTask *task)
{
    MobNodeId node = {step->input->from.node};

    for (uint32_t i = 1; i <= task->spec->returns; i++)
        if (!mob_object_is_on(row_of_return(step, task, i), node))
            mob_row_free_on(step, mob_object_return(task->spec->id, i), node);
}

static void
body_failed(MobStep *step, MobTask *task, const MobValue *fault)
{
    if (fault->fault == MOB_FAULT_STORE_FULL || fault->fault == MOB_FAULT_OUT_OF_DISK)
        free_partial_results(step, task);
    if (!error_is_retried(task, fault)) {
        mob_submit_fail(step, task, mob_value_ref((MobValue *)fault));
        return;
    }
    NOTE(step->out, TASK_FAILED, .spec = task->spec, .attempt = task->attempt,
         .owner = task->spec->owner, .worker = step->input->from, .value = fault,
         .reason = mob_fault_name((MobFaultKind)fault->fault));
    if (task->retries_left > 0)
        task->retries_left--;
    task->lease = NULL;
    run_again(step, task, "its body raised an error");
}

static void
body_returned(MobStep *step, MobTask *task, const MobTaskReply *reply)
{
    NOTE(step->out, TASK_FINISHED, .spec = task->spec, .attempt = task->attempt,
         .owner = task->spec->owner, .worker = step->input->from);
    for (uint32_t i = 0; i < reply->results.count; i++)
        take_result(step, task, i + 1, &reply->results.items[i]);
    finish(step, task);
}

/* W3: a reply counts only for the attempt that is under way, under its lease. */
static MobTask *
task_of_reply(const MobStep *step, const MobTaskReply *reply)
{
    MobTask *task = find_task(step->worker, reply->task);

    if (task == NULL || task->place != MOB_TASK_PUSHED || task->attempt != reply->attempt)
        return NULL;
    const MobOwnLease *lease = task->lease;
    if (lease == NULL || lease->id.number != reply->lease.number ||
        !mob_address_eq(lease->worker, step->input->from))
        return NULL;
    return task;
}

static void
add_borrowers(MobStep *step, const MobTaskReply *reply)
{
    for (uint32_t i = 0; i < reply->borrowed.count; i++) {
        MobRow *row = mob_row_find(step->worker, reply->borrowed.items[i].id);
        if (row != NULL && row->owned)
            mob_borrow_add(step, row, step->input->from, step->input->from, reply->token + i);
    }
}

/* The worker runs something else. If that is ours, it has only handed back what
 * was sent ahead. */
static void
refused(MobStep *step, MobTask *task)
{
    MobOwnLease *lease = task->lease;

    if (task != lease->task || lease->leaving) {
        mob_lease_handed_back(step, task);
    } else {
        mob_lease_take_task(lease, task);
        lease->leaving = true;
        mob_submit_attempt_failed(step, task, MOB_FAULT_WORKER_CRASHED, "its worker refused it",
                                  false);
    }
    if (lease->leaving && lease->in_flight == 0)
        mob_own_leases_give_back(step, lease, false);
}

/* As many values as the task returns; what is in a store is in that of the
 * machine that speaks, or we would look for it where nobody has it. */
static bool
has_the_right_shape(const MobStep *step, const MobTask *task, const MobTaskReply *reply)
{
    for (uint32_t i = 0; i < reply->results.count; i++)
        if (reply->results.items[i].value == NULL &&
            reply->results.items[i].node.v != step->input->from.node)
            return false;
    return reply->results.count == task->spec->returns;
}

static void
ended(MobStep *step, MobTask *task, const MobTaskReply *reply)
{
    MobOwnLease *lease = task->lease;

    mob_own_leases_task_ends(lease, task);
    if (reply->fault != NULL && reply->fault->fault != 0)
        body_failed(step, task, reply->fault);
    else if (has_the_right_shape(step, task, reply))
        body_returned(step, task, reply);
    else
        mob_submit_attempt_failed(step, task, MOB_FAULT_WORKER_CRASHED,
                                  "its worker sent a reply of the wrong shape", true);
    mob_own_leases_task_over(step, lease);
}

static void
fetch(const void *what, size_t size)
{
    for (size_t at = 0; at < size; at += 64)
        __builtin_prefetch((const char *)what + at);
}

void
mob_submit_ahead(const MobProcess *self, const MobMsg *msg, MobAhead how_near)
{
    if (msg->type != MOB_MSG_TASK_REPLY)
        return;
    const MobWorker *worker = (const MobWorker *)self;
    const MobTaskReply *reply = mob_task_reply(msg);
    MobObjectId result = mob_object_return(reply->task, 1);

    if (how_near == MOB_AHEAD_FAR) {
        mob_table_prefetch(worker->tasks, mob_key_task(reply->task));
        mob_table_prefetch(worker->rows, mob_key_object(result));
        return;
    }
    const MobTask *task = find_task(worker, reply->task);
    if (task != NULL && how_near == MOB_AHEAD_NEAR) {
        fetch(task, sizeof *task);
        fetch(mob_row_find(worker, result), sizeof(MobRow));
    } else if (task != NULL) {
        fetch(task->lease, sizeof *task->lease);
        fetch(task->spec, sizeof *task->spec);
    }
}

void
mob_submit_on_reply(MobStep *step)
{
    const MobTaskReply *reply = mob_task_reply(step->input->msg);
    MobTask *task = task_of_reply(step, reply);
    g_autoptr(GArray) inner = NULL;

    remember_tokens(step, reply, &inner);
    add_borrowers(step, reply);
    if (task != NULL) {
        if (reply->refused)
            refused(step, task);
        else
            ended(step, task, reply);
    }
    if (inner != NULL)
        release_tokens(step, inner);
}

/* --- the end of a driver --- */

/* What is still under way is not run any more: the node managers end it when
 * the job is over. */
void
mob_submit_abandon_all(MobStep *step)
{
    size_t at = 0;
    MobTask *task;

    while ((task = mob_table_next(step->worker->tasks, &at)))
        if (task->place != MOB_TASK_DONE)
            NOTE(step->out, TASK_CANCELLED, .spec = task->spec, .attempt = task->attempt,
                 .owner = task->spec->owner, .reason = "the job is over");
}
