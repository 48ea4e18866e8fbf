/* results.c: the end of a body.
 *
 * Large results go to the store, references that outlive the body are
 * registered with their owners, and only then the reply leaves: until it does,
 * the caller protects whatever was in the arguments.
 */
#include "runtime/worker_parts.h"

static void
finish_main(MobStep *step, MobValue *result)
{
    MobWorker *worker = step->worker;
    MobFinishJob *news = mob_finish_job_new();

    worker->result = result;
    worker->finished = true;
    worker->closing = true;
    news->ok = result->fault == 0;
    NOTE(step->out, JOB_FINISHED, .owner = worker->base.address, .value = result,
         .label = mob_str(worker->job_name));
    mob_submit_abandon_all(step);
    mob_row_drop_all(step);
    mob_end(step->out, worker->exec.body);
    mob_exec_clear(&worker->exec);
    mob_own_leases_close(step);
    mob_send(step->out, worker->gcs, news);
}

/* --- results --- */

static void
send_reply(MobStep *step)
{
    MobExec *exec = &step->worker->exec;

    mob_send(step->out, exec->spec->owner, g_steal_pointer(&exec->reply));
    mob_row_drop_all(step);
    if (exec->body.v != 0)
        mob_end(step->out, exec->body);
    mob_exec_clear(exec);
}

void
mob_exec_registered(MobStep *step)
{
    MobExec *exec = &step->worker->exec;

    g_assert(exec->phase == MOB_EXEC_HANDING && exec->missing > 0);
    if (--exec->missing == 0)
        send_reply(step);
}

static void
register_for_reply(MobStep *step, const MobRef *ref, MobAddress borrower, uint64_t token)
{
    step->worker->exec.missing += mob_borrow_register(step, ref, borrower, token, true);
}

/* Whether the row outlives the body and only the caller protects it so far. */
static bool
must_be_registered(const MobRow *row)
{
    return row != NULL && !row->owned && row->submitted + row->lineage + row->contained > 0 &&
           mob_tokens_count(row) == 0;
}

/* The rows that the body leaves behind and that have to be registered. */
static GPtrArray *
rows_kept(const MobWorker *worker)
{
    GPtrArray *kept = g_ptr_array_new();
    const GPtrArray *held = worker->exec.held;

    for (guint i = 0; held != NULL && i < held->len; i++)
        if (must_be_registered(g_ptr_array_index(held, i)))
            g_ptr_array_add(kept, g_ptr_array_index(held, i));
    return kept;
}

/* References that this worker keeps after the body: we become borrowers. Those
 * of the caller stand in the reply, the others are registered with their owners. */
static uint64_t
register_kept(MobStep *step, const GPtrArray *kept, uint64_t token)
{
    MobWorker *worker = step->worker;
    MobTaskReply *reply = worker->exec.reply;
    MobAddress self = worker->base.address;

    reply->borrowed.items = g_new(MobRef, kept->len);
    for (guint i = 0; i < kept->len; i++) {
        MobRow *row = g_ptr_array_index(kept, i);
        if (mob_address_eq(row->ref.owner, worker->exec.spec->owner)) {
            mob_borrow_remember(worker, row, self, token++);
            reply->borrowed.items[reply->borrowed.count++] = mob_ref_copy(&row->ref);
            continue;
        }
        uint64_t own = mob_borrow_token(worker, 1);
        mob_borrow_remember(worker, row, self, own);
        if (!mob_worker_is_dead(worker, row->ref.owner))
            register_for_reply(step, &row->ref, self, own);
    }
    return token;
}

static uint32_t
count_of_caller(const MobExec *exec, const GPtrArray *kept)
{
    uint32_t count = 0;

    for (guint i = 0; i < kept->len; i++)
        count +=
            mob_address_eq(((MobRow *)g_ptr_array_index(kept, i))->ref.owner, exec->spec->owner);
    return count;
}

/* References in the results: the caller becomes a borrower, in its stead. */
static void
register_handed(MobStep *step, const MobRef *ref, uint64_t token)
{
    MobWorker *worker = step->worker;
    MobAddress caller = worker->exec.spec->owner;

    if (mob_address_eq(ref->owner, worker->base.address)) {
        MobRow *row = mob_row_find(worker, ref->id);
        if (row != NULL)
            mob_borrow_add(step, row, caller, worker->base.address, token);
    } else if (!mob_worker_is_dead(worker, ref->owner)) {
        register_for_reply(step, ref, caller, token);
    }
}

static const MobRef *
nested_in(const MobResult *result, uint32_t *count)
{
    *count = result->value != NULL ? result->value->ref_count : result->nested.count;
    return result->value != NULL ? result->value->refs : result->nested.items;
}

/* Counts the references in the results whose owner is not the caller, and
 * registers the caller with those owners if asked to. A worker that runs a task
 * of its own is both: what it owns would go with the body before it has taken in
 * its own reply, so it borrows from itself until then. */
static uint32_t
walk_handed(MobStep *step, bool do_register, uint64_t token)
{
    const MobExec *exec = &step->worker->exec;
    uint32_t found = 0;

    for (uint32_t i = 0; i < exec->reply->results.count; i++) {
        uint32_t count;
        const MobRef *refs = nested_in(&exec->reply->results.items[i], &count);
        for (uint32_t k = 0; k < count; k++) {
            if (mob_address_eq(refs[k].owner, exec->spec->owner) &&
                !mob_address_eq(refs[k].owner, step->worker->base.address))
                continue;
            if (do_register)
                register_handed(step, &refs[k], token + found);
            found++;
        }
    }
    return found;
}

/* The tokens of what is kept and of what is handed over follow each other in
 * the reply; W4 keeps every reference until the reply has left. */
static void
hand_over(MobStep *step)
{
    MobExec *exec = &step->worker->exec;
    uint32_t handed = walk_handed(step, false, 0);

    if (handed == 0 && (exec->held == NULL || exec->held->len == 0)) {
        send_reply(step); /* most tasks have seen no reference at all */
        return;
    }
    g_autoptr(GPtrArray) kept = rows_kept(step->worker);
    uint64_t token = mob_borrow_token(step->worker, count_of_caller(exec, kept) + handed);

    exec->phase = MOB_EXEC_HANDING;
    exec->missing = 1; /* so that nothing leaves before all are registered */
    exec->reply->token = token;
    token = register_kept(step, kept, token);
    walk_handed(step, true, token);
    mob_exec_registered(step);
}

static MobTaskReply *
new_reply(const MobExec *exec)
{
    MobTaskReply *reply = mob_task_reply_new();

    reply->task = exec->spec->id;
    reply->attempt = exec->attempt;
    reply->lease = exec->lease;
    return reply;
}

static void
send_to_store(MobStep *step, uint32_t index)
{
    MobExec *exec = &step->worker->exec;
    MobStoreObject *store = mob_store_object_new();

    store->object = (MobRef){mob_object_return(exec->spec->id, index + 1), exec->spec->owner,
                             mob_str_ref(exec->spec->path)};
    store->value = mob_value_ref(exec->returned[index]);
    mob_send(step->out, step->worker->manager, store);
}

static MobRefs
copy_refs(const MobValue *value)
{
    MobRefs refs = {g_new(MobRef, value->ref_count), value->ref_count};

    for (uint32_t i = 0; i < refs.count; i++)
        refs.items[i] = mob_ref_copy(&value->refs[i]);
    return refs;
}

static void
place_results(MobStep *step, MobValue **values)
{
    MobExec *exec = &step->worker->exec;
    const MobConfig *config = step->worker->config;
    uint64_t total = 0;

    for (uint32_t i = 0; i < exec->spec->returns; i++) {
        MobResult *result = &exec->reply->results.items[i];
        MobValue *value = values[i];
        bool small =
            value->size <= config->inline_max && total + value->size <= config->inline_total_max;
        result->size = value->size;
        result->hash = value->hash;
        if (value->fault != 0 || (small && !exec->store)) {
            total += value->size;
            result->value = value;
            continue;
        }
        result->node = (MobNodeId){step->worker->base.address.node};
        result->nested = copy_refs(value);
        exec->returned[i] = value;
        exec->missing++;
        send_to_store(step, i);
    }
}

void
mob_exec_return(MobStep *step, const MobCall *call)
{
    MobExec *exec = &step->worker->exec;

    if (step->worker->driver) {
        finish_main(step, call->value_count > 0 ? call->values[0] : mob_value_nil());
        return;
    }
    g_assert(call->value_count == exec->spec->returns); /* the loaders see to it */
    exec->reply = new_reply(exec);
    exec->reply->results = (MobResults){mob_new0(MobResult, call->value_count), call->value_count};
    exec->returned = call->value_count > 0 ? mob_new0(MobValue *, call->value_count) : NULL;
    exec->phase = MOB_EXEC_STORING;
    exec->missing = 0;
    place_results(step, call->values);
    if (exec->missing == 0)
        hand_over(step);
}

void
mob_exec_raise(MobStep *step, MobValue *fault)
{
    MobExec *exec = &step->worker->exec;

    if (step->worker->driver) {
        finish_main(step, fault);
        return;
    }
    if (exec->reply != NULL)
        mob_msg_unref(&exec->reply->base);
    exec->reply = new_reply(exec);
    exec->reply->fault = fault;
    hand_over(step);
}

/* --- the store's answers --- */

static MobValue *
store_full_fault(MobStep *step, const MobObjectStored *answer, const MobValue *value)
{
    g_autofree char *text = g_strdup_printf(
        "the object store of %s is full: there is no room for %" G_GUINT64_FORMAT
        " bytes, %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " bytes are in use",
        mob_str(step->worker->node_name), value->size, answer->used, answer->capacity);
    g_autofree char *more =
        g_strconcat(text, answer->no_disk ? ", and its disk has no room for more" : "", NULL);

    return mob_worker_fault(step, answer->no_disk ? MOB_FAULT_OUT_OF_DISK : MOB_FAULT_STORE_FULL,
                            NULL, step->worker->base.address, more, NULL);
}

static void
result_stored(MobStep *step, uint32_t index, const MobObjectStored *answer)
{
    MobExec *exec = &step->worker->exec;
    g_autoptr(MobValue) value = g_steal_pointer(&exec->returned[index]);

    if (!answer->ok)
        mob_exec_raise(step, store_full_fault(step, answer, value));
    else if (--exec->missing == 0)
        hand_over(step);
}

static void
put_stored(MobStep *step, const MobObjectStored *answer)
{
    MobWorker *worker = step->worker;
    MobRow *row = mob_row_find(worker, answer->object);

    if (row == NULL || !row->unsealed)
        return;
    row->unsealed = false;
    g_autoptr(MobValue) value = g_steal_pointer(&row->value);
    g_autoptr(MobValue) fault = answer->ok ? NULL : store_full_fault(step, answer, value);
    if (fault == NULL)
        mob_object_set_stored(step, row, value->size, value->hash,
                              (MobNodeId){worker->base.address.node});
    else
        mob_object_set_inline(step, row, mob_value_ref(fault));
    if (worker->exec.waiting && worker->exec.call == MOB_CALL_PUT &&
        mob_object_eq(worker->exec.putting, answer->object))
        mob_calls_put_stored(step, mob_value_ref(fault));
    row = mob_row_find(worker, answer->object);
    if (row != NULL)
        mob_row_settle(step, row);
}

void
mob_exec_on_stored(MobStep *step)
{
    const MobObjectStored *answer = mob_object_stored(step->input->msg);
    MobExec *exec = &step->worker->exec;

    if (exec->phase == MOB_EXEC_STORING && mob_task_eq(answer->object.task, exec->spec->id) &&
        !mob_object_is_put(answer->object)) {
        uint32_t index = answer->object.index - 1;
        if (index < exec->spec->returns && exec->returned[index] != NULL)
            result_stored(step, index, answer);
        return;
    }
    put_stored(step, answer);
}

void
mob_results_again(MobStep *step)
{
    const MobExec *exec = &step->worker->exec;

    if (exec->phase != MOB_EXEC_STORING)
        return;
    for (uint32_t i = 0; i < exec->spec->returns; i++)
        if (exec->returned[i] != NULL)
            send_to_store(step, i);
}
