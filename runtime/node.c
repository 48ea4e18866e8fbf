/* node.c: the node manager as a process: which input goes where. See node.h
 * for what it is and node_parts.h for what it is made of.
 *
 * What comes from a process that is known to be dead is dropped here, for all
 * parts: a node that was declared dead has no effect any more, even if it
 * lives (I40). The GCS alone is believed whatever became of its machine's node
 * manager.
 */
#include "runtime/node_parts.h"

static const MobNodeHandler on_message[MOB_MSG_COUNT] = {
    [MOB_MSG_NODE_REGISTERED] = mob_node_on_node_registered,
    [MOB_MSG_HEALTH_CHECK] = mob_node_on_health_check,
    [MOB_MSG_RESOURCE_VIEW] = mob_node_on_resource_view,
    [MOB_MSG_NODE_CHANGED] = mob_node_on_node_changed,
    [MOB_MSG_FENCE] = mob_node_on_fence,
    [MOB_MSG_WORKER_DIED] = mob_node_on_worker_died,
    [MOB_MSG_JOB_FINISHED] = mob_node_on_job_finished,
    [MOB_MSG_GCS_RESTARTED] = mob_node_on_gcs_restarted,
    [MOB_MSG_REGISTER_WORKER] = mob_node_on_register_worker,
    [MOB_MSG_EXIT_REFUSED] = mob_node_on_exit_refused,
    [MOB_MSG_WORKER_BLOCKED] = mob_node_on_worker_blocked,
    [MOB_MSG_STORE_OBJECT] = mob_node_on_store_object,
    [MOB_MSG_GET_OBJECT] = mob_node_on_get_object,
    [MOB_MSG_CANCEL_GET] = mob_node_on_cancel_get,
    [MOB_MSG_REQUEST_LEASE] = mob_node_on_request_lease,
    [MOB_MSG_RETURN_LEASE] = mob_node_on_return_lease,
    [MOB_MSG_CANCEL_LEASE] = mob_node_on_cancel_lease,
    [MOB_MSG_ASK_FAILURE_CAUSE] = mob_node_on_ask_failure_cause,
    [MOB_MSG_PIN_OBJECT] = mob_node_on_pin_object,
    [MOB_MSG_FREE_OBJECTS] = mob_node_on_free_objects,
    [MOB_MSG_LOCATIONS] = mob_node_on_locations,
    [MOB_MSG_PULL] = mob_node_on_pull,
    [MOB_MSG_PULL_FAILED] = mob_node_on_pull_failed,
    [MOB_MSG_CHUNK] = mob_node_on_chunk,
    [MOB_MSG_CHUNK_RECEIVED] = mob_node_on_chunk_received,
};

/* What only the GCS may say. */
static bool
is_from_gcs_alone(MobMsgType type)
{
    return type == MOB_MSG_NODE_REGISTERED || type == MOB_MSG_RESOURCE_VIEW ||
           type == MOB_MSG_NODE_CHANGED || type == MOB_MSG_FENCE || type == MOB_MSG_WORKER_DIED ||
           type == MOB_MSG_JOB_FINISHED || type == MOB_MSG_GCS_RESTARTED;
}

static void
on_retry_timer(MobNode *node, const MobInput *in, MobOutbox *out)
{
    mob_node_refresh_workers(node, out);
    mob_node_resync_owners(node, out);
    mob_node_verify_leases(node, out);
    mob_node_ask_again(node, in, out);
}

static void
on_pull_timer(MobNode *node, const MobInput *in, MobOutbox *out)
{
    mob_node_expire_creates(node, in, out);
    mob_node_on_pull_timer(node, in, out);
}

static void
on_schedule_timer(MobNode *node, const MobInput *in, MobOutbox *out)
{
    (void)in;
    (void)out;
    node->schedule_due = true;
}

static const MobNodeHandler on_timer[MOB_TIMER_COUNT] = {
    [MOB_TIMER_REPORT] = mob_node_report,
    [MOB_TIMER_REGISTER] = mob_node_on_register_timer,
    [MOB_TIMER_IDLE_WORKERS] = mob_node_on_idle_workers_timer,
    [MOB_TIMER_PULL] = on_pull_timer,
    [MOB_TIMER_WORKER_START] = mob_node_on_worker_start_timer,
    [MOB_TIMER_SCHEDULE] = on_schedule_timer,
    [MOB_TIMER_RETRY] = on_retry_timer,
};

void
mob_node_wake(MobNode *node, MobTimer timer, MobTime at, MobOutbox *out)
{
    if (at >= node->alarms[timer])
        return;
    node->alarms[timer] = at;
    mob_set_timer(out, timer, at);
}

void
mob_node_still(MobNode *node, MobTimer timer, MobOutbox *out)
{
    if (node->alarms[timer] == MOB_TIME_NEVER)
        return;
    node->alarms[timer] = MOB_TIME_NEVER;
    mob_stop_timer(out, timer);
}

MobValue *
mob_node_fault(const MobNode *node, MobFaultKind kind, const char *message, const MobTaskSpec *spec,
               const char *code, MobTime now)
{
    g_autoptr(GString) task = g_string_new(NULL);
    MobFault fault = {
        .kind = kind, .message = message, .node = mob_str(node->name), .at = now, .code = code};

    if (spec != NULL) {
        mob_name_task(task, spec->path);
        g_string_append_printf(task, " %s", mob_str(spec->label));
        fault.task = task->str;
    }
    return mob_fault_value(&fault);
}

static void
on_reset(MobNode *node, const MobInput *in, MobOutbox *out)
{
    MobLocalWorker *worker = mob_workers_get(&node->workers, in->from);
    MobOwnerRow *row = mob_store_owner(&node->store, in->from, false);
    bool again = false;

    if (mob_address_eq(in->from, node->gcs)) {
        mob_node_lost_gcs(node, in, out);
        return;
    }
    if (in->from.local == MOB_LOCAL_NODE)
        mob_pushes_drop_node(&node->pushes, &node->store, (MobNodeId){in->from.node});
    if (mob_cluster_is_dead(&node->cluster, in->from))
        return;
    if (worker != NULL && worker->registered && worker->stage != MOB_WORKER_DYING)
        worker->refresh = again = true;
    if (row != NULL)
        row->resync = again = true;
    again |= mob_node_mark_broken_fetches(node, in->from);
    again |= mob_node_doubt_leases(node, in->from);
    if (again)
        mob_node_wake(node, MOB_TIMER_RETRY, in->now + node->config->retry_delay, out);
}

static bool
has_more_room(MobNode *node)
{
    bool more = node->room_due || node->store.roomier;

    node->store.roomier = node->room_due = false;
    return more;
}

/* Does what this step has made possible, until nothing is left of it. */
static void
settle(MobNode *node, const MobInput *in, MobOutbox *out)
{
    while (!node->gone &&
           (node->room_due || node->store.roomier || node->admit_due || node->schedule_due)) {
        if (has_more_room(node))
            mob_node_use_room(node, in, out);
        if (node->admit_due)
            mob_node_admit(node, in, out);
        if (node->schedule_due)
            mob_node_schedule(node, in, out);
    }
    if (node->movers->len > 0)
        mob_node_tell_owners(node, out);
    if (!node->gone)
        mob_node_report(node, in, out);
    if (node->draining && !node->gone)
        mob_node_leave_if_done(node, out);
    if (!node->gone)
        mob_node_spill(node, in, out);
    if (mob_table_count(node->fetches.rows) == 0 && node->creates.length == 0)
        mob_node_still(node, MOB_TIMER_PULL, out);
}

static void
on_any_message(MobNode *node, const MobInput *in, MobOutbox *out)
{
    MobMsgType type = in->msg->type;

    if (on_message[type] == NULL)
        return; /* not for a node */
    if (!mob_address_eq(in->from, node->gcs) &&
        (is_from_gcs_alone(type) || mob_cluster_is_dead(&node->cluster, in->from)))
        return;
    on_message[type](node, in, out);
}

static void
node_step(MobProcess *self, const MobInput *in, MobOutbox *out)
{
    MobNode *node = (MobNode *)self;

    if (node->gone)
        return;
    switch (in->kind) {
    case MOB_INPUT_START:
        mob_node_on_start(node, in, out);
        break;
    case MOB_INPUT_MESSAGE:
        on_any_message(node, in, out);
        break;
    case MOB_INPUT_RESET:
        on_reset(node, in, out);
        break;
    case MOB_INPUT_TIMER:
        node->alarms[in->timer] = MOB_TIME_NEVER;
        if (on_timer[in->timer] != NULL)
            on_timer[in->timer](node, in, out);
        break;
    case MOB_INPUT_CHILD:
        mob_node_on_child(node, in, out);
        break;
    case MOB_INPUT_LEAVE:
        mob_node_on_leave(node, in, out);
        break;
    case MOB_INPUT_EVICT:
        mob_node_on_evict(node, in, out);
        break;
    case MOB_INPUT_PRINTED:
        mob_note(out, (MobNote){.kind = MOB_NOTE_OUTPUT, .worker = in->from, .text = in->reason});
        break;
    case MOB_INPUT_DISK:
        mob_node_on_disk(node, in, out);
        break;
    case MOB_INPUT_CALL:
    case MOB_INPUT_COUNT:
        break; /* node managers have no bodies */
    }
    settle(node, in, out);
}

static void
free_create(void *data)
{
    MobCreate *create = data;

    mob_ref_clear(&create->ref);
    mob_value_unref(create->value);
    g_free(create);
}

static void
unref_msg(void *data)
{
    mob_msg_unref(data);
}

static void
node_free(MobProcess *self)
{
    MobNode *node = (MobNode *)self;

    mob_pushes_clear(&node->pushes);
    mob_fetches_clear(&node->fetches);
    g_queue_clear_full(&node->creates, free_create);
    mob_spills_clear(&node->spills);
    mob_store_clear(&node->store);
    mob_workers_clear(&node->workers);
    mob_leases_clear(&node->leases);
    mob_cluster_clear(&node->cluster);
    mob_recent_free(node->causes);
    mob_recent_free(node->spread);
    mob_resources_clear(&node->reported);
    mob_table_free_full(node->untold, unref_msg);
    g_ptr_array_unref(node->deaths);
    g_array_unref(node->movers);
    mob_msg_unref(node->welcome);
    mob_str_unref(node->name);
    g_free(node);
}

static const MobProcessClass node_class = {"node", node_step, mob_node_dump, node_free};

MobProcess *
mob_node_new(MobAddress address, const MobConfig *config, const MobNodeOptions *options,
             uint32_t first_worker)
{
    MobNode *node = g_new0(MobNode, 1);

    g_assert(address.local == MOB_LOCAL_NODE);
    node->base = (MobProcess){&node_class, address};
    node->config = config;
    node->self = (MobNodeId){address.node};
    node->gcs = options->gcs;
    node->name = mob_str_ref(options->name);
    node->cores = MAX(options->cores, 1);
    node->head = options->head;
    node->follows = options->head;
    node->lost_gcs_at = MOB_TIME_NEVER;
    node->reported = mob_resources_copy(&options->total);
    node->untold = mob_table_new();
    node->deaths = g_ptr_array_new_with_free_func(unref_msg);
    mob_cluster_init(&node->cluster, node->self, config);
    mob_leases_init(&node->leases, &options->total);
    mob_workers_init(&node->workers, address.node, MAX(first_worker, MOB_LOCAL_WORKER));
    node->causes = mob_recent_new(MOB_NODE_CAUSES_MAX);
    node->spread = mob_recent_new(MOB_NODE_CAUSES_MAX);
    mob_store_init(&node->store, options->store_bytes);
    mob_spills_init(&node->spills);
    node->spill_above = options->store_bytes / 1000 * config->spill_threshold;
    g_queue_init(&node->creates);
    mob_fetches_init(&node->fetches, options->room);
    mob_pushes_init(&node->pushes, &node->spills);
    node->movers = g_array_new(false, false, sizeof(MobAddress));
    for (int i = 0; i < MOB_TIMER_COUNT; i++)
        node->alarms[i] = MOB_TIME_NEVER;
    return &node->base;
}
