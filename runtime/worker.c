/* worker.c: see worker.h. Dispatch only: which part handles which input, and
 * who is told when somebody dies. What the parts do stands in worker_parts.h.
 */
#include "runtime/worker_parts.h"

enum {
    REMOVED_MAX =
        1024 /* spans of removed borrowers that are remembered, should they be added late */
};

/* Fills in which task @fault is about (may be NULL), and @where (may be nobody). */
static MobValue *
make_fault(MobStep *step, MobFault fault, const MobTask *task, MobAddress where)
{
    const MobExec *exec = &step->worker->exec;
    const MobTaskSpec *spec = task != NULL ? task->spec : NULL;
    uint32_t attempt = task != NULL ? task->attempt : 0;
    g_autoptr(GString) name = g_string_new(NULL);
    g_autoptr(GString) node = g_string_new(NULL);

    if (spec == NULL && exec->spec != NULL && !step->worker->driver) {
        spec = exec->spec;
        attempt = exec->attempt;
    }
    if (spec != NULL) {
        mob_name_task(name, spec->path);
        g_string_append_printf(name, " %s", mob_str(spec->label));
    }
    if (mob_address_is(where))
        mob_worker_name(step->worker, where, node);
    fault.task = name->len > 0 ? name->str : NULL;
    fault.attempt = attempt;
    fault.attempts_max = spec != NULL && spec->retries >= 0 ? (uint32_t)spec->retries + 1 : 0;
    fault.node = node->len > 0 ? node->str : NULL;
    fault.at = step->input->now;
    if (fault.cause == NULL && task != NULL)
        fault.cause = task->last_fault;
    return mob_fault_value(&fault);
}

MobValue *
mob_worker_fault(MobStep *step, MobFaultKind kind, const MobTask *task, MobAddress where,
                 const char *message, const MobValue *cause)
{
    return make_fault(step, (MobFault){.kind = kind, .message = message, .cause = cause}, task,
                      where);
}

MobValue *
mob_worker_lost(MobStep *step, MobLost lost, const MobRef *ref, const MobTask *task)
{
    g_autoptr(GString) text = g_string_new(NULL);
    MobFault fault = {.kind = mob_lost_kind(lost), .reason = mob_lost_reason(lost)};

    if (lost == MOB_LOST_OWNER_DEAD)
        mob_worker_say_owner(step->worker, ref, text);
    else
        mob_lost_say(lost, ref, text);
    fault.message = text->str;
    /* Where a dead owner was stands in the sentence; it is missed here. */
    return make_fault(step, fault, task,
                      lost == MOB_LOST_OWNER_DEAD ? step->worker->base.address : (MobAddress){0});
}

void
mob_worker_pull(MobStep *step, const MobRef *ref, bool wait)
{
    MobGetObject *get = mob_get_object_new();

    get->object = mob_ref_copy(ref);
    get->wait = wait;
    mob_send(step->out, step->worker->manager, get);
}

static void
ask_again_everywhere(MobStep *step, MobAddress peer)
{
    mob_own_leases_again(step, peer);
    mob_objects_again(step, peer);
    mob_recover_again(step, peer);
    mob_borrow_again(step, peer);
    mob_free_again(step, peer);
    mob_exec_again(step, peer);
}

/* --- broken connections --- */

void
mob_worker_retry(MobStep *step, MobAddress peer)
{
    MobWorker *worker = step->worker;
    MobTime at = step->input->now + worker->config->retry_delay;

    for (guint i = 0; i < worker->broken->len; i++)
        if (mob_address_eq(g_array_index(worker->broken, MobBroken, i).peer, peer))
            return;
    g_array_append_vals(worker->broken, &(MobBroken){peer, at}, 1);
    if (worker->broken->len == 1)
        mob_set_timer(step->out, MOB_TIMER_RETRY, at);
}

static void begin(MobStep *step);

static void
on_retry(MobStep *step)
{
    MobWorker *worker = step->worker;

    while (worker->broken->len > 0) {
        MobBroken broken = g_array_index(worker->broken, MobBroken, 0);
        if (broken.at > step->input->now) {
            mob_set_timer(step->out, MOB_TIMER_RETRY, broken.at);
            return;
        }
        g_array_remove_index(worker->broken, 0);
        ask_again_everywhere(step, broken.peer);
        if (mob_address_eq(broken.peer, worker->gcs) ||
            mob_address_eq(broken.peer, worker->manager))
            begin(step);
    }
}

static void
on_reset(MobStep *step)
{
    mob_own_leases_on_reset(step, step->input->from);
    mob_exec_hand_back(step); /* whoever sent it may believe it lost */
    mob_worker_retry(step, step->input->from);
}

/* --- the beginning and the end --- */

static void
send_register(MobStep *step)
{
    MobRegisterWorker *here = mob_register_worker_new();

    here->driver = step->worker->driver;
    mob_send(step->out, step->worker->manager, here);
}

static void
send_job(MobStep *step)
{
    MobWorker *worker = step->worker;

    if (!worker->job_known) {
        MobAddJob *job = mob_add_job_new();
        job->name = mob_str_ref(worker->job_name);
        job->bundle = mob_str_ref(worker->bundle_id);
        mob_send(step->out, worker->gcs, job);
    }
    if (!worker->bundle_stored) {
        MobKvPut *put = mob_kv_put_new();
        put->key = mob_str_printf("bundle:%s", mob_str(worker->bundle_id));
        put->value = mob_value_ref(worker->bundle);
        mob_send(step->out, worker->gcs, put);
    }
    if (worker->closing) {
        MobFinishJob *over = mob_finish_job_new();
        over->ok = worker->result->fault == 0;
        mob_send(step->out, worker->gcs, over);
    }
}

/* Says again whatever has not been answered yet: the GCS may have died with its
 * machine, and then nobody says so. */
static void
begin(MobStep *step)
{
    MobWorker *worker = step->worker;
    bool waits = mob_exec_ask_program(step) || !worker->registered;

    if (!worker->registered)
        send_register(step);
    if (worker->driver) {
        send_job(step);
        waits = waits || !worker->job_known || !worker->bundle_stored || worker->closing;
    }
    if (waits)
        mob_set_timer(step->out, MOB_TIMER_REGISTER,
                      step->input->now + worker->config->register_retry);
}

static void
start_main_if_ready(MobStep *step)
{
    MobWorker *worker = step->worker;

    if (worker->driver && worker->registered && worker->job_known && worker->bundle_stored &&
        worker->next_body == 0 && worker->exec.phase == MOB_EXEC_NONE && !worker->finished)
        mob_exec_start_main(step);
}

static void
on_registered(MobStep *step)
{
    mob_worker_take_roll(step);
    step->worker->registered = true;
    start_main_if_ready(step);
}

static void
on_job_added(MobStep *step)
{
    MobWorker *worker = step->worker;

    worker->job_known = true;
    worker->job = mob_job_added(step->input->msg)->job;
    start_main_if_ready(step);
}

static void
on_kv_put_reply(MobStep *step)
{
    step->worker->bundle_stored = true;
    start_main_if_ready(step);
}

static void
on_job_finished(MobStep *step)
{
    MobWorker *worker = step->worker;

    if (worker->closing &&
        mob_address_eq(mob_job_finished(step->input->msg)->driver, worker->base.address))
        mob_exit(step->out, mob_str_new("its job is over"));
}

static void
on_exit_worker(MobStep *step)
{
    MobWorker *worker = step->worker;

    if (worker->exec.phase == MOB_EXEC_NONE && mob_table_count(worker->rows) == 0 &&
        mob_table_count(worker->registrations) + mob_table_count(worker->leases) +
                mob_table_count(worker->freeing) ==
            0 &&
        !worker->driver)
        mob_exit(step->out, mob_str_new("it was idle"));
    else
        mob_send(step->out, worker->manager, mob_exit_refused_new());
}

static void
on_object_here(MobStep *step)
{
    const MobObjectHere *here = mob_object_here(step->input->msg);

    if (here->value != NULL)
        mob_exec_on_object(step, here->object, here->value);
}

/* --- dispatch --- */

typedef void (*Handler)(MobStep *step);

static const Handler on_message[MOB_MSG_COUNT] = {
    [MOB_MSG_WORKER_REGISTERED] = on_registered,
    [MOB_MSG_JOB_ADDED] = on_job_added,
    [MOB_MSG_KV_PUT_REPLY] = on_kv_put_reply,
    [MOB_MSG_KV_GET_REPLY] = mob_exec_on_bundle,
    [MOB_MSG_JOB_FINISHED] = on_job_finished,
    [MOB_MSG_NODE_CHANGED] = mob_worker_on_node_changed,
    [MOB_MSG_WORKER_DIED] = mob_worker_on_worker_died,
    [MOB_MSG_EXIT_WORKER] = on_exit_worker,
    [MOB_MSG_OBJECT_STORED] = mob_exec_on_stored,
    [MOB_MSG_OBJECT_HERE] = on_object_here,
    [MOB_MSG_PUSH_TASK] = mob_exec_on_push,
    [MOB_MSG_TASK_REPLY] = mob_submit_on_reply,
    [MOB_MSG_LEASE_REPLY] = mob_own_leases_on_message,
    [MOB_MSG_RECLAIM_LEASE] = mob_own_leases_on_message,
    [MOB_MSG_FAILURE_CAUSE] = mob_own_leases_on_message,
    [MOB_MSG_OBJECT_PINNED] = mob_recover_on_pinned,
    [MOB_MSG_GET_STATUS] = mob_objects_on_message,
    [MOB_MSG_OBJECT_STATUS] = mob_objects_on_message,
    [MOB_MSG_SUBSCRIBE_LOCATIONS] = mob_objects_on_message,
    [MOB_MSG_UNSUBSCRIBE_LOCATIONS] = mob_objects_on_message,
    [MOB_MSG_OBJECT_MOVED] = mob_objects_on_message,
    [MOB_MSG_ADD_BORROWER] = mob_borrow_on_message,
    [MOB_MSG_BORROWER_ADDED] = mob_borrow_on_message,
    [MOB_MSG_BORROWER_REMOVED] = mob_borrow_on_message,
    [MOB_MSG_REMOVE_BORROWER] = mob_borrow_on_message,
    [MOB_MSG_VERIFY_BORROWER] = mob_borrow_on_message,
    [MOB_MSG_BORROWER_VERIFIED] = mob_borrow_on_message,
    [MOB_MSG_FREE_VALUES] = mob_free_on_message,
    [MOB_MSG_VALUES_FREED] = mob_free_on_message,
};

static const Handler on_timer[MOB_TIMER_COUNT] = {
    [MOB_TIMER_REGISTER] = begin,          [MOB_TIMER_LEASE_IDLE] = mob_own_leases_on_timer,
    [MOB_TIMER_RETRY] = on_retry,          [MOB_TIMER_DEADLINE] = mob_waits_on_deadline,
    [MOB_TIMER_AHEAD] = mob_exec_on_ahead,
};

/* What only our node manager may say: who there is, who has died, what the
 * store holds, that we are to go. */
static bool
is_from_manager_alone(MobMsgType type)
{
    return type == MOB_MSG_WORKER_REGISTERED || type == MOB_MSG_NODE_CHANGED ||
           type == MOB_MSG_WORKER_DIED || type == MOB_MSG_EXIT_WORKER ||
           type == MOB_MSG_OBJECT_STORED || type == MOB_MSG_OBJECT_HERE;
}

/* What only the GCS may say; that a job is over our node manager passes on. */
static bool
is_from_gcs_alone(MobMsgType type)
{
    return type == MOB_MSG_JOB_ADDED || type == MOB_MSG_KV_PUT_REPLY ||
           type == MOB_MSG_KV_GET_REPLY;
}

/* The dead are not believed; but the GCS keeps its address when its machine is
 * started again, and that of the node which the machine was before is dead. */
static bool
is_believed(const MobWorker *worker, const MobInput *input)
{
    MobMsgType type = input->msg->type;

    if (is_from_manager_alone(type))
        return mob_address_eq(input->from, worker->manager);
    if (mob_address_eq(input->from, worker->gcs))
        return true;
    return !is_from_gcs_alone(type) && !mob_worker_is_dead(worker, input->from);
}

static void
dispatch(MobStep *step)
{
    const MobInput *input = step->input;

    switch (input->kind) {
    case MOB_INPUT_START:
        begin(step);
        break;
    case MOB_INPUT_MESSAGE:
        if (on_message[input->msg->type] != NULL && is_believed(step->worker, input))
            on_message[input->msg->type](step);
        break;
    case MOB_INPUT_RESET:
        on_reset(step);
        break;
    case MOB_INPUT_TIMER:
        on_timer[input->timer](step);
        break;
    case MOB_INPUT_CALL:
        mob_calls_on_call(step);
        break;
    case MOB_INPUT_CHILD:
    case MOB_INPUT_LEAVE:
    case MOB_INPUT_EVICT:
    case MOB_INPUT_PRINTED:
    case MOB_INPUT_DISK:
    case MOB_INPUT_COUNT:
        break; /* for node managers */
    }
}

static void
worker_step(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    MobStep step = {(MobWorker *)self, input, out};

    dispatch(&step);
    mob_exec_next(&step);
    while (step.worker->unfinished) {
        step.worker->unfinished = false;
        mob_submit_fail_doomed(&step); /* first: what they took may be needed by nobody then */
        mob_recover_run(&step);
    }
    mob_borrow_flush(&step);
}

/* --- life --- */

static void
free_peer(gpointer data)
{
    MobPeerNode *peer = data;

    mob_str_unref(peer->name);
    mob_str_unref(peer->reason);
    g_free(peer);
}

static void
worker_free(MobProcess *self)
{
    MobWorker *worker = (MobWorker *)self;

    mob_exec_clear(&worker->exec);
    g_queue_clear_full(&worker->ahead, (GDestroyNotify)mob_msg_unref);
    g_clear_pointer(&worker->exec.held, g_ptr_array_unref);
    g_clear_pointer(&worker->exec.registering, g_ptr_array_unref);
    mob_table_free_full(worker->shapes, (GDestroyNotify)mob_shape_free);
    mob_table_free_full(worker->leases, g_free);
    mob_table_free_full(worker->tasks, (GDestroyNotify)mob_task_free);
    mob_table_free_full(worker->rows, (GDestroyNotify)mob_row_free);
    mob_table_free_full(worker->nodes, free_peer);
    mob_msg_unref(worker->roll);
    mob_table_free_full(worker->dead, (GDestroyNotify)mob_worker_dead_free);
    mob_spans_free(worker->removed);
    mob_table_free_full(worker->registrations, (GDestroyNotify)mob_registration_free);
    g_ptr_array_unref(worker->open);
    mob_table_free_full(worker->freeing, (GDestroyNotify)mob_freeing_free);
    mob_table_free(worker->pins);
    mob_table_free_full(worker->bundles, (GDestroyNotify)mob_value_unref);
    mob_str_unref(worker->bundle_used_id);
    g_array_unref(worker->broken);
    g_array_unref(worker->lost);
    g_array_unref(worker->settling);
    g_array_unref(worker->unverified);
    g_array_unref(worker->registrars);
    mob_table_free(worker->registrar_numbers);
    g_ptr_array_unref(worker->doomed);
    mob_str_unref(worker->node_name);
    mob_str_unref(worker->root_path);
    mob_str_unref(worker->job_name);
    mob_str_unref(worker->bundle_id);
    mob_value_unref(worker->bundle);
    mob_args_unref(worker->main_args);
    mob_value_unref(worker->result);
    g_free(worker);
}

static const MobProcessClass worker_class = {"worker", worker_step, mob_worker_dump, worker_free,
                                             mob_submit_ahead};

MobProcess *
mob_worker_new(MobAddress address, const MobConfig *config, const MobWorkerOptions *options)
{
    MobWorker *worker = g_new0(MobWorker, 1);

    worker->base = (MobProcess){&worker_class, address};
    worker->config = config;
    worker->gcs = options->gcs;
    worker->manager = options->node_manager;
    worker->node_name = mob_str_ref(options->node_name);
    worker->driver = options->driver;
    MobTable **tables[] = {&worker->tasks,   &worker->shapes,  &worker->leases,
                           &worker->nodes,   &worker->dead,    &worker->registrations,
                           &worker->bundles, &worker->freeing, &worker->pins};
    for (size_t i = 0; i < G_N_ELEMENTS(tables); i++)
        *tables[i] = mob_table_new();
    worker->rows = mob_table_new_of(mob_row_key);
    worker->removed = mob_spans_new(REMOVED_MAX);
    worker->open = g_ptr_array_new();
    worker->broken = g_array_new(FALSE, FALSE, sizeof(MobBroken));
    worker->lost = g_array_new(FALSE, FALSE, sizeof(MobObjectId));
    worker->unverified = g_array_new(FALSE, FALSE, sizeof(MobUnverified));
    worker->registrars = g_array_new(FALSE, FALSE, sizeof(MobAddress));
    worker->registrar_numbers = mob_table_new();
    worker->settling = g_array_new(FALSE, FALSE, sizeof(MobObjectId));
    worker->doomed = g_ptr_array_new();
    if (options->driver) {
        worker->root = options->root;
        worker->root_path = mob_str_ref(options->root_path);
        worker->job_name = mob_str_ref(options->job_name);
        worker->bundle_id = mob_str_ref(options->bundle_id);
        worker->bundle = mob_value_ref(options->bundle);
        worker->main_args = options->args != NULL ? mob_args_ref(options->args) : mob_args_new(0);
    }
    return &worker->base;
}
