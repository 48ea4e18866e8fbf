/* exec.c: the beginning of a body (Ray: task_receiver.cc).
 *
 * A pushed task first gets its program and the arguments that live in the
 * store, then its body starts. results.c has the other end.
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
    MobExec kept = {.held = exec->held,
                    .holes = exec->holes,
                    .held_live = exec->held_live,
                    .registering = exec->registering};

    clear_call(exec);
    if (exec->returned != NULL)
        for (uint32_t i = 0; i < exec->spec->returns; i++)
            mob_value_unref(exec->returned[i]);
    g_free(exec->returned);
    if (exec->reply != NULL)
        mob_msg_unref(&exec->reply->base);
    mob_args_unref(exec->args);
    mob_spec_unref(exec->spec);
    *exec = kept;
}

/* --- program and arguments --- */

static MobKey
bundle_key(const MobStr *id)
{
    return (MobKey){mob_str_hash(id), id != NULL ? id->length : 0};
}

/* Most workers run one program all their life: the last one is at hand. */
static MobValue *
find_bundle(MobWorker *worker, MobStr *id)
{
    if (worker->bundle_used != NULL && mob_str_eq(worker->bundle_used_id, id))
        return worker->bundle_used;
    mob_str_unref(worker->bundle_used_id);
    worker->bundle_used_id = mob_str_ref(id);
    worker->bundle_used = mob_table_get(worker->bundles, bundle_key(id));
    return worker->bundle_used;
}

bool
mob_exec_ask_program(MobStep *step)
{
    const MobExec *exec = &step->worker->exec;

    if (exec->phase != MOB_EXEC_FETCHING || !exec->bundle_missing)
        return false;
    MobKvGet *get = mob_kv_get_new();
    get->key = mob_str_printf("bundle:%s", mob_str(exec->spec->bundle));
    mob_send(step->out, step->worker->gcs, get);
    return true;
}

static void
start_body(MobStep *step)
{
    MobExec *exec = &step->worker->exec;
    MobValue *bundle = find_bundle(step->worker, exec->spec->bundle);

    exec->phase = MOB_EXEC_RUNNING;
    exec->body = (MobBodyId){++step->worker->next_body};
    MobCallSite site = mob_spec_site(exec->spec); /* it was handed over there */
    for (uint32_t i = 0; i < exec->args->count; i++) {
        const MobValue *value = exec->args->items[i].value;
        for (uint32_t k = 0; value != NULL && k < value->ref_count; k++)
            mob_row_hold(step, mob_row_received(step, &value->refs[k]), site);
    }
    if (!step->worker->driver) /* main is no task */
        NOTE(step->out, TASK_RUNNING, .spec = exec->spec, .attempt = exec->attempt,
             .owner = exec->spec->owner, .worker = step->worker->base.address, .args = exec->args,
             .lease = exec->lease);
    mob_start(step->out, exec->body, mob_spec_ref(exec->spec), mob_args_ref(exec->args),
              exec->attempt, mob_value_ref(bundle));
}

void
mob_exec_args_registered(MobStep *step)
{
    start_body(step);
    mob_waits_release(step);
}

/* The caller protects what is nested in values of its own until our reply. For
 * those of others it can only hope: their owner may die while the body runs. */
static void
register_args(MobStep *step)
{
    MobExec *exec = &step->worker->exec;

    exec->unregistered = 1;
    for (uint32_t i = 0; i < exec->args->count; i++) {
        const MobArg *arg = &exec->args->items[i];
        if (mob_object_is(arg->ref.id) && !mob_address_eq(arg->ref.owner, exec->spec->owner) &&
            !mob_address_eq(arg->ref.owner, step->worker->base.address))
            mob_waits_register(step, arg->value);
    }
    mob_waits_registered(step);
}

static void
start_if_complete(MobStep *step)
{
    MobExec *exec = &step->worker->exec;

    if (exec->missing > 0 || exec->bundle_missing || exec->unregistered > 0)
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
    register_args(step);
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

    if (find_bundle(step->worker, exec->spec->bundle) != NULL)
        return;
    exec->bundle_missing = true;
    mob_exec_ask_program(step);
    mob_set_timer(step->out, MOB_TIMER_REGISTER,
                  step->input->now + step->worker->config->register_retry);
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

/* It was not started. */
static void
refuse(MobStep *step, const MobPushTask *push, MobAddress owner)
{
    MobTaskReply *reply = mob_task_reply_new();

    reply->task = push->spec->id;
    reply->attempt = push->attempt;
    reply->lease = push->lease;
    reply->refused = true;
    mob_send(step->out, owner, reply);
}

/* --- what was sent ahead --- */

static bool
may_wait(const MobStep *step, const MobPushTask *push)
{
    const MobWorker *worker = step->worker;
    const MobExec *exec = &worker->exec;

    return !worker->driver && worker->ahead.length + 1 < worker->config->tasks_in_flight &&
           mob_address_eq(step->input->from, exec->spec->owner) &&
           mob_address_eq(push->lease.owner, exec->lease.owner) &&
           push->lease.number == exec->lease.number && !exec->blocked &&
           step->input->now < exec->begun + worker->config->ahead_time;
}

static void
wait_here(MobStep *step)
{
    MobWorker *worker = step->worker;

    g_queue_push_tail(&worker->ahead, mob_msg_ref((MobMsg *)step->input->msg));
    if (!worker->ahead_alarm)
        mob_set_timer(step->out, MOB_TIMER_AHEAD, worker->exec.begun + worker->config->ahead_time);
    worker->ahead_alarm = true;
}

/* The last first: each goes to the front of the owner's queue. */
void
mob_exec_hand_back(MobStep *step)
{
    MobMsg *msg;

    while ((msg = g_queue_pop_tail(&step->worker->ahead)) != NULL) {
        refuse(step, mob_push_task(msg), mob_push_task(msg)->spec->owner);
        mob_msg_unref(msg);
    }
}

void
mob_exec_on_ahead(MobStep *step)
{
    MobWorker *worker = step->worker;
    MobTime due = worker->exec.begun + worker->config->ahead_time;

    worker->ahead_alarm = worker->ahead.length > 0 && step->input->now < due;
    if (worker->ahead_alarm)
        mob_set_timer(step->out, MOB_TIMER_AHEAD, due);
    else
        mob_exec_hand_back(step);
}

/* --- a task comes --- */

static void
begin(MobStep *step, const MobPushTask *push)
{
    MobExec *exec = &step->worker->exec;

    exec->phase = MOB_EXEC_FETCHING;
    exec->spec = mob_spec_ref(push->spec);
    exec->args = own_args(push->args);
    exec->attempt = push->attempt;
    exec->lease = push->lease;
    exec->begun = step->input->now;
    exec->store = push->store;
    exec->execution = mob_task_execution(push->spec->id, push->attempt);
    exec->deadline = MOB_TIME_NEVER;
    fetch_bundle(step);
    fetch_args(step);
    start_if_complete(step);
}

void
mob_exec_on_push(MobStep *step)
{
    MobWorker *worker = step->worker;
    const MobPushTask *push = mob_push_task(step->input->msg);

    if (push->spec == NULL || push->args == NULL)
        return;
    if (worker->exec.phase == MOB_EXEC_NONE && !worker->driver)
        begin(step, push);
    else if (may_wait(step, push))
        wait_here(step);
    else
        refuse(step, push, step->input->from);
}

void
mob_exec_next(MobStep *step)
{
    MobWorker *worker = step->worker;

    while (worker->exec.phase == MOB_EXEC_NONE && worker->ahead.length > 0) {
        g_autoptr(MobMsg) msg = g_queue_pop_head(&worker->ahead);
        begin(step, mob_push_task(msg));
    }
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
        mob_waits_on_object(step, object, value);
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

/* --- after a broken connection --- */

void
mob_exec_again(MobStep *step, MobAddress peer)
{
    MobExec *exec = &step->worker->exec;

    if (!mob_address_eq(peer, step->worker->manager))
        return;
    if (exec->phase == MOB_EXEC_FETCHING && exec->missing > 0) {
        exec->missing = 0;
        fetch_args(step);
    }
    mob_results_again(step);
    mob_calls_again(step);
}
