/* exec.c: running the body of a task (Ray: task_receiver.cc).
 *
 * A pushed task first gets its program and the arguments that live in the
 * store, then its body starts. When the body ends, large results go to the
 * store, references that outlive the body are registered with their owners,
 * and only then the reply leaves: until it does, the caller protects whatever
 * was in the arguments.
 *
 *     FETCHING -> RUNNING -> STORING -> HANDING -> reply
 */
#include "runtime/worker_parts.h"

static void
clear_call(MobExec *exec)
{
    for (uint32_t i = 0; i < exec->ref_count; i++) {
        mob_ref_clear(&exec->refs[i]);
        if (exec->values != NULL)
            mob_value_unref(exec->values[i]);
    }
    g_clear_pointer(&exec->refs, g_free);
    g_clear_pointer(&exec->same, g_free);
    g_clear_pointer(&exec->values, g_free);
    g_clear_pointer(&exec->ready, g_free);
    exec->ref_count = 0;
}

void
mob_exec_clear(MobExec *exec)
{
    GArray *held = exec->held;
    uint32_t live = exec->held_live;
    GArray *registering = exec->registering;

    clear_call(exec);
    if (exec->returned != NULL)
        for (uint32_t i = 0; i < exec->spec->returns; i++)
            mob_value_unref(exec->returned[i]);
    g_free(exec->returned);
    if (exec->reply != NULL)
        mob_msg_unref(&exec->reply->base);
    mob_args_unref(exec->args);
    mob_spec_unref(exec->spec);
    *exec = (MobExec){.held = held, .held_live = live, .registering = registering};
}

/* --- program and arguments --- */

static MobKey
bundle_key(const MobStr *id)
{
    return (MobKey){mob_str_hash(id), id != NULL ? id->length : 0};
}

static void
ask_bundle(MobStep *step, const MobStr *id)
{
    MobKvGet *get = mob_kv_get_new();

    get->key = mob_str_printf("bundle:%s", mob_str(id));
    mob_send(step->out, step->worker->gcs, get);
}

static void
start_body(MobStep *step)
{
    MobExec *exec = &step->worker->exec;
    MobValue *bundle = mob_table_get(step->worker->bundles, bundle_key(exec->spec->bundle));

    exec->phase = MOB_EXEC_RUNNING;
    exec->body = (MobBodyId){++step->worker->next_body};
    for (uint32_t i = 0; i < exec->args->count; i++) {
        const MobValue *value = exec->args->items[i].value;
        for (uint32_t k = 0; value != NULL && k < value->ref_count; k++)
            mob_row_hold(step, mob_row_received(step, &value->refs[k]));
    }
    NOTE(step->out, TASK_RUNNING, .spec = exec->spec, .attempt = exec->attempt,
         .owner = exec->spec->owner, .worker = step->worker->base.address, .args = exec->args,
         .lease = exec->lease);
    mob_start(step->out, exec->body, mob_spec_ref(exec->spec), mob_args_ref(exec->args),
              exec->attempt, mob_value_ref(bundle));
}

static void
start_if_complete(MobStep *step)
{
    MobExec *exec = &step->worker->exec;

    if (exec->missing > 0 || exec->bundle_missing)
        return;
    for (uint32_t i = 0; i < exec->args->count; i++) {
        const MobValue *value = exec->args->items[i].value;
        if (value->fault == 0)
            continue;
        exec->phase = MOB_EXEC_RUNNING;
        mob_exec_raise(step, mob_worker_fault(step, MOB_FAULT_TASK, NULL, (MobAddress){0},
                                              "an argument is an error", value));
        return;
    }
    start_body(step);
}

static bool
is_repeated(const MobArgs *args, uint32_t at)
{
    for (uint32_t i = 0; i < at; i++)
        if (mob_object_eq(args->items[i].ref.id, args->items[at].ref.id))
            return true;
    return false;
}

static void
fetch_args(MobStep *step)
{
    MobExec *exec = &step->worker->exec;

    for (uint32_t i = 0; i < exec->args->count; i++) {
        const MobArg *arg = &exec->args->items[i];
        if (arg->value != NULL)
            continue;
        exec->missing++;
        if (!is_repeated(exec->args, i))
            mob_worker_pull(step, &arg->ref, false);
    }
}

static void
fetch_bundle(MobStep *step)
{
    MobExec *exec = &step->worker->exec;

    if (mob_table_get(step->worker->bundles, bundle_key(exec->spec->bundle)) != NULL)
        return;
    exec->bundle_missing = true;
    ask_bundle(step, exec->spec->bundle);
}

static MobArgs *
own_args(MobArgs *args)
{
    bool whole = true;

    for (uint32_t i = 0; i < args->count; i++)
        whole = whole && args->items[i].value != NULL;
    if (whole)
        return mob_args_ref(args); /* nothing will be filled in */
    MobArgs *copy = mob_args_new(args->count);
    for (uint32_t i = 0; i < args->count; i++) {
        copy->items[i].ref = mob_ref_copy(&args->items[i].ref);
        copy->items[i].value = mob_value_ref(args->items[i].value);
    }
    return copy;
}

static void
refuse(MobStep *step, const MobPushTask *push)
{
    MobTaskReply *reply = mob_task_reply_new();

    reply->task = push->spec->id;
    reply->attempt = push->attempt;
    reply->lease = push->lease;
    reply->refused = true;
    mob_send(step->out, step->input->from, reply);
}

void
mob_exec_on_push(MobStep *step)
{
    const MobPushTask *push = mob_push_task(step->input->msg);
    MobExec *exec = &step->worker->exec;

    if (push->spec == NULL || push->args == NULL)
        return;
    if (exec->phase != MOB_EXEC_NONE || step->worker->driver) {
        refuse(step, push);
        return;
    }
    exec->phase = MOB_EXEC_FETCHING;
    exec->spec = mob_spec_ref(push->spec);
    exec->args = own_args(push->args);
    exec->attempt = push->attempt;
    exec->lease = push->lease;
    exec->store = push->store;
    exec->execution = mob_task_execution(push->spec->id, push->attempt);
    exec->deadline = MOB_TIME_NEVER;
    fetch_bundle(step);
    fetch_args(step);
    start_if_complete(step);
}

void
mob_exec_on_bundle(MobStep *step)
{
    const MobKvGetReply *reply = mob_kv_get_reply(step->input->msg);
    MobExec *exec = &step->worker->exec;

    if (exec->phase != MOB_EXEC_FETCHING || !exec->bundle_missing)
        return;
    if (!g_str_has_prefix(mob_str(reply->key), "bundle:") ||
        g_strcmp0(mob_str(reply->key) + strlen("bundle:"), mob_str(exec->spec->bundle)) != 0)
        return;
    exec->bundle_missing = false;
    if (reply->value == NULL) {
        exec->phase = MOB_EXEC_RUNNING;
        mob_exec_raise(step, mob_worker_fault(step, MOB_FAULT_TASK, NULL, (MobAddress){0},
                                              "the GCS does not have the program", NULL));
        return;
    }
    mob_table_add(step->worker->bundles, bundle_key(exec->spec->bundle),
                  mob_value_ref(reply->value));
    start_if_complete(step);
}

static void
take_argument(MobStep *step, MobObjectId object, MobValue *value)
{
    MobExec *exec = &step->worker->exec;

    for (uint32_t i = 0; i < exec->args->count; i++) {
        MobArg *arg = &exec->args->items[i];
        if (arg->value != NULL || !mob_object_eq(arg->ref.id, object))
            continue;
        arg->value = mob_value_ref(value);
        exec->missing--;
    }
    start_if_complete(step);
}

void
mob_exec_on_object(MobStep *step, MobObjectId object, MobValue *value)
{
    if (step->worker->exec.phase == MOB_EXEC_FETCHING)
        take_argument(step, object, value);
    else if (step->worker->exec.waiting)
        mob_calls_on_object(step, object, value);
}

/* --- main --- */

void
mob_exec_start_main(MobStep *step)
{
    MobWorker *worker = step->worker;
    MobExec *exec = &worker->exec;
    MobTaskSpec *spec = mob_spec_new();

    spec->id = worker->root;
    spec->path = mob_str_ref(worker->root_path);
    spec->function = mob_str_new("main");
    spec->label = mob_str_ref(worker->job_name);
    spec->bundle = mob_str_ref(worker->bundle_id);
    spec->owner = worker->base.address;
    spec->returns = 1;
    mob_table_add(worker->bundles, bundle_key(worker->bundle_id), mob_value_ref(worker->bundle));
    exec->phase = MOB_EXEC_FETCHING;
    exec->spec = spec;
    exec->args = mob_args_ref(worker->main_args);
    exec->attempt = 1;
    exec->execution = mob_task_execution(worker->root, 1);
    exec->deadline = MOB_TIME_NEVER;
    start_if_complete(step);
}

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

static bool
waits_for_registrations(const MobWorker *worker)
{
    size_t at = 0;
    MobRegistration *registration;

    while ((registration = mob_table_next(worker->registrations, &at)))
        if (registration->for_reply)
            return true;
    return false;
}

void
mob_exec_registered(MobStep *step)
{
    if (step->worker->exec.phase == MOB_EXEC_HANDING && !waits_for_registrations(step->worker))
        send_reply(step);
}

/* Whether the row outlives the body and only the caller protects it so far. */
static bool
must_be_registered(const MobRow *row)
{
    return row != NULL && !row->owned && row->submitted + row->contained > 0 &&
           (row->more == NULL || row->more->tokens == NULL || row->more->tokens->len == 0);
}

/* The rows that the body leaves behind and that have to be registered. */
static GPtrArray *
rows_kept(const MobWorker *worker)
{
    GPtrArray *kept = g_ptr_array_new();
    const GArray *held = worker->exec.held;

    for (guint i = 0; i < held->len; i++) {
        MobRow *row = mob_row_find(worker, g_array_index(held, MobObjectId, i));
        if (must_be_registered(row) && !g_ptr_array_find(kept, row, NULL))
            g_ptr_array_add(kept, row);
    }
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
            mob_borrow_remember(row, self, self, token++);
            reply->borrowed.items[reply->borrowed.count++] = mob_ref_copy(&row->ref);
            continue;
        }
        uint64_t own = mob_borrow_token(worker, 1);
        mob_borrow_remember(row, self, self, own);
        if (!mob_worker_is_dead(worker, row->ref.owner))
            mob_borrow_register(step, &row->ref, 1, self, own, true);
    }
    return token;
}

static uint32_t
count_of_caller(const MobExec *exec, const GPtrArray *kept)
{
    uint32_t count = 0;

    for (guint i = 0; i < kept->len; i++)
        count += mob_address_eq(((MobRow *)g_ptr_array_index(kept, i))->ref.owner,
                                exec->spec->owner);
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
        mob_borrow_register(step, ref, 1, caller, token, true);
    }
}

static const MobRef *
nested_in(const MobResult *result, uint32_t *count)
{
    *count = result->value != NULL ? result->value->ref_count : result->nested.count;
    return result->value != NULL ? result->value->refs : result->nested.items;
}

/* Counts the references in the results whose owner is not the caller, and
 * registers the caller with those owners if asked to. */
static uint32_t
walk_handed(MobStep *step, bool do_register, uint64_t token)
{
    const MobExec *exec = &step->worker->exec;
    uint32_t found = 0;

    for (uint32_t i = 0; i < exec->reply->results.count; i++) {
        uint32_t count;
        const MobRef *refs = nested_in(&exec->reply->results.items[i], &count);
        for (uint32_t k = 0; k < count; k++) {
            if (mob_address_eq(refs[k].owner, exec->spec->owner))
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
    g_autoptr(GPtrArray) kept = rows_kept(step->worker);
    uint32_t handed = walk_handed(step, false, 0);
    uint64_t token =
        mob_borrow_token(step->worker, count_of_caller(exec, kept) + handed);

    exec->phase = MOB_EXEC_HANDING;
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
        bool small = value->size <= config->inline_max &&
                     total + value->size <= config->inline_total_max;
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
    exec->reply->results = (MobResults){g_new0(MobResult, call->value_count), call->value_count};
    exec->returned = call->value_count > 0 ? g_new0(MobValue *, call->value_count) : NULL;
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

static void
result_stored(MobStep *step, uint32_t index, const MobObjectStored *answer)
{
    MobExec *exec = &step->worker->exec;

    g_clear_pointer(&exec->returned[index], mob_value_unref);
    if (!answer->ok) {
        g_autofree char *text = g_strdup_printf(
            "the object store of %s is full: %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
            " bytes are in use",
            mob_str(step->worker->node_name), answer->used, answer->capacity);
        mob_exec_raise(step, mob_worker_fault(step, MOB_FAULT_STORE_FULL, NULL,
                                              step->worker->base.address, text, NULL));
        return;
    }
    if (--exec->missing == 0)
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
    if (answer->ok) {
        mob_object_set_stored(step, row, value->size, value->hash,
                              (MobNodeId){worker->base.address.node});
    } else {
        mob_object_set_inline(step, row,
                              mob_worker_fault(step, MOB_FAULT_STORE_FULL, NULL,
                                               worker->base.address, "the object store is full",
                                               NULL));
    }
    if (worker->exec.waiting && worker->exec.call == MOB_CALL_PUT &&
        mob_object_eq(worker->exec.putting, answer->object))
        mob_calls_put_stored(step, answer->ok, answer->used, answer->capacity);
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

/* --- after a broken connection --- */

void
mob_exec_again(MobStep *step, MobAddress peer)
{
    MobExec *exec = &step->worker->exec;

    if (exec->phase == MOB_EXEC_FETCHING && exec->bundle_missing &&
        mob_address_eq(peer, step->worker->gcs))
        ask_bundle(step, exec->spec->bundle);
    if (!mob_address_eq(peer, step->worker->manager))
        return;
    if (exec->phase == MOB_EXEC_FETCHING && exec->missing > 0) {
        exec->missing = 0;
        fetch_args(step);
    }
    if (exec->phase == MOB_EXEC_STORING)
        for (uint32_t i = 0; i < exec->spec->returns; i++)
            if (exec->returned[i] != NULL)
                send_to_store(step, i);
    mob_calls_again(step);
}
