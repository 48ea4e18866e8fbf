/* node_members.c: a node among the others: registration, views, deaths.
 *
 * The GCS says who is dead; nobody else, and no broken connection. What it
 * says is passed on to the workers of this machine as the same message. A
 * worker of this machine is different: its death is known here first, and is
 * repeated to the GCS until the GCS says it itself.
 */
#include "runtime/node_parts.h"

static void
register_node(MobNode *node, const MobInput *in, MobOutbox *out)
{
    MobRegisterNode *request = mob_register_node_new();

    request->node = node->self;
    request->name = mob_str_ref(node->name);
    request->total = mob_resources_copy(&node->leases.total);
    request->store_bytes = node->store.capacity;
    request->head = node->head;
    request->follows = node->follows;
    mob_send(out, node->gcs, request);
    node->ask_gcs = true;
    mob_node_wake(node, MOB_TIMER_REGISTER, in->now + node->config->register_retry, out);
}

void
mob_node_on_start(MobNode *node, const MobInput *in, MobOutbox *out)
{
    node->lost_gcs_at = in->now;
    register_node(node, in, out);
}

/* @why is for the workers, @reason for this node. */
static void
exit_node(MobNode *node, const char *why, const char *reason, MobOutbox *out)
{
    mob_node_kill_all(node, why, out);
    mob_exit(out, mob_str_new(reason));
    node->gone = true;
}

static void
die(MobNode *node, const MobStr *reason, MobOutbox *out)
{
    g_autofree char *text = g_strdup_printf("declared dead by the GCS: %s", mob_str(reason));

    exit_node(node, "its node was declared dead", text, out);
}

void
mob_node_on_register_timer(MobNode *node, const MobInput *in, MobOutbox *out)
{
    if (!node->ask_gcs)
        return;
    if (in->now - node->lost_gcs_at >= node->config->gcs_reconnect)
        exit_node(node, "its node has lost the GCS", "the GCS did not come back in time", out);
    else
        register_node(node, in, out);
}

void
mob_node_lost_gcs(MobNode *node, const MobInput *in, MobOutbox *out)
{
    node->registered = false;
    node->ask_gcs = true;
    if (node->lost_gcs_at == MOB_TIME_NEVER)
        node->lost_gcs_at = in->now;
    mob_node_still(node, MOB_TIMER_REGISTER, out);
    mob_node_wake(node, MOB_TIMER_REGISTER, in->now + node->config->retry_delay, out);
}

/* Where a dead worker was, if its machine is not known otherwise: as was said of its death. */
static const char *
machine_of(const MobNode *node, MobAddress worker)
{
    const MobPeer *peer = mob_cluster_peer(&node->cluster, (MobNodeId){worker.node});

    if (worker.node == node->self.v)
        return mob_str(node->name);
    if (peer != NULL)
        return mob_str(peer->name);
    for (guint i = 0; i < node->deaths->len; i++) {
        const MobWorkerDied *died = mob_worker_died(g_ptr_array_index(node->deaths, i));
        if (mob_address_eq(died->worker, worker) && died->machine != NULL)
            return mob_str(died->machine);
    }
    return NULL;
}

MobValue *
mob_node_owner_died(const MobNode *node, const MobRef *ref, MobTime now)
{
    const MobPeer *peer = mob_cluster_peer(&node->cluster, (MobNodeId){ref->owner.node});
    MobKey key = mob_key_address(ref->owner);
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *why = NULL;

    if (mob_recent_has(node->cluster.dead_workers, key))
        why = g_strdup(mob_str(mob_recent_text(node->cluster.dead_workers, key)));
    else if (peer != NULL)
        why = g_strdup_printf("%s died: %s", mob_str(peer->name), mob_str(peer->reason));
    mob_lost_say_owner(ref, machine_of(node, ref->owner), why, text);
    return mob_fault_value(&(MobFault){.kind = mob_lost_kind(MOB_LOST_OWNER_DEAD),
                                       .reason = mob_lost_reason(MOB_LOST_OWNER_DEAD),
                                       .message = text->str,
                                       .node = mob_str(node->name),
                                       .at = now});
}

/* After deaths: all that hangs on a process that is no more. */
static void
drop_the_dead(MobNode *node, const MobInput *in, MobOutbox *out)
{
    mob_node_end_dead_leases(node, out);
    mob_node_drop_dead_fetches(node, in, out);
    mob_node_drop_dead_objects(node, out);
    node->schedule_due = true;
}

void
mob_node_follow(MobNode *node)
{
    if (node->follows)
        return;
    node->follows = true;
    node->report_due = true;
    node->reported_at = 0; /* at once */
}

/* NodeChanged is passed on as it is. Of what is first heard by another message,
 * because this node has only begun to follow or because a connection broke, the
 * workers are told in a roll of their own. False if this node itself is dead. */
static bool
learn(MobNode *node, const MobViews *views, const MobInput *in, MobOutbox *out)
{
    bool late = in->msg->type != MOB_MSG_NODE_CHANGED && node->known_at != 0; /* else: welcomed */
    bool died = false;
    bool unheard = false;

    for (uint32_t i = 0; i < views->count; i++) {
        const MobView *view = &views->items[i];
        if (view->node.v == node->self.v && !view->alive) {
            die(node, view->reason, out);
            return false;
        }
        MobPeerNews news = mob_cluster_learn(&node->cluster, view);
        if (news == MOB_PEER_DIED) {
            mob_pushes_drop_node(&node->pushes, &node->store, view->node);
            died = true;
        }
        if (news == MOB_PEER_JOINED)
            node->joined_at = in->now;
        if (news != MOB_PEER_DIED && news != MOB_PEER_JOINED)
            continue;
        g_clear_pointer(&node->welcome, mob_msg_unref);
        unheard = late;
    }
    if (unheard)
        mob_node_call_roll(node, out);
    if (died)
        drop_the_dead(node, in, out);
    if (mob_leases_waiting(&node->leases) > 0)
        node->schedule_due = true;
    return true;
}

static void
tell_all_deaths(MobNode *node, MobOutbox *out)
{
    MobMsg *msg;
    size_t at = 0;

    while ((msg = mob_table_next(node->untold, &at)) != NULL)
        mob_send(out, node->gcs, mob_msg_ref(msg));
}

void
mob_node_on_node_registered(MobNode *node, const MobInput *in, MobOutbox *out)
{
    const MobNodeRegistered *registered = mob_node_registered(in->msg);

    if (!learn(node, &registered->views, in, out))
        return;
    /* It takes a new node for idle; what it knows of an old one may be stale. */
    bool begins = node->follows && node->cluster.self_index == UINT32_MAX;
    node->report_due = node->known_at != 0 || node->draining || begins;
    if (node->known_at == 0) {
        node->known_at = MAX(in->now, 1);
        mob_node_welcome_early(node, out);
    }
    node->registered = true;
    node->ask_gcs = false;
    node->lost_gcs_at = MOB_TIME_NEVER;
    mob_node_still(node, MOB_TIMER_REGISTER, out);
    tell_all_deaths(node, out);
}

void
mob_node_on_gcs_restarted(MobNode *node, const MobInput *in, MobOutbox *out)
{
    if (!learn(node, &mob_gcs_restarted(in->msg)->views, in, out))
        return;
    if (node->lost_gcs_at == MOB_TIME_NEVER)
        node->lost_gcs_at = in->now;
    node->registered = false;
    mob_node_still(node, MOB_TIMER_REGISTER, out);
    register_node(node, in, out);
}

void
mob_node_on_resource_view(MobNode *node, const MobInput *in, MobOutbox *out)
{
    learn(node, &mob_resource_view(in->msg)->views, in, out);
}

void
mob_node_on_node_changed(MobNode *node, const MobInput *in, MobOutbox *out)
{
    if (learn(node, &mob_node_changed(in->msg)->views, in, out))
        mob_node_pass_on(node, in->msg, out);
}

void
mob_node_on_health_check(MobNode *node, const MobInput *in, MobOutbox *out)
{
    MobHealthReply *reply = mob_health_reply_new();

    (void)node;
    reply->number = mob_health_check(in->msg)->number;
    mob_send(out, in->from, reply);
}

void
mob_node_on_fence(MobNode *node, const MobInput *in, MobOutbox *out)
{
    die(node, mob_fence(in->msg)->reason, out);
}

/* Remembers a death for workers that come later, and tells those that are
 * here; once, whoever said it first. */
static void
spread_death(MobNode *node, MobMsg *msg, MobOutbox *out)
{
    MobKey key = mob_key_address(mob_worker_died(msg)->worker);

    if (mob_recent_has(node->spread, key))
        return;
    mob_recent_add(node->spread, key, NULL);
    if (node->deaths->len == MOB_NODE_DEATHS_MAX)
        g_ptr_array_remove_index(node->deaths, 0);
    g_ptr_array_add(node->deaths, mob_msg_ref(msg));
    mob_node_pass_on(node, msg, out);
}

void
mob_node_on_worker_died(MobNode *node, const MobInput *in, MobOutbox *out)
{
    const MobWorkerDied *died = mob_worker_died(in->msg);

    mob_msg_unref(mob_table_take(node->untold, mob_key_address(died->worker)));
    spread_death(node, (MobMsg *)in->msg, out);
    if (mob_cluster_bury(&node->cluster, died->worker, died->reason))
        drop_the_dead(node, in, out);
}

void
mob_node_on_job_finished(MobNode *node, const MobInput *in, MobOutbox *out)
{
    const MobJobFinished *finished = mob_job_finished(in->msg);
    g_autoptr(MobStr) reason = mob_str_new("its job is over");

    mob_node_pass_on(node, in->msg, out);
    if (mob_cluster_bury(&node->cluster, finished->driver, reason))
        drop_the_dead(node, in, out);
}

void
mob_node_announce_death(MobNode *node, MobAddress worker, MobStr *reason, const MobInput *in,
                        MobOutbox *out)
{
    MobWorkerDied *died = mob_worker_died_new();

    died->worker = worker;
    died->machine = mob_str_ref(node->name);
    died->reason = mob_str_ref(reason);
    mob_table_add(node->untold, mob_key_address(worker), died);
    if (node->registered)
        mob_send(out, node->gcs, mob_msg_ref(&died->base));
    mob_cluster_bury(&node->cluster, worker, reason);
    spread_death(node, &died->base, out);
    drop_the_dead(node, in, out);
}

void
mob_node_report(MobNode *node, const MobInput *in, MobOutbox *out)
{
    const MobResources *available = &node->leases.available;
    bool news = node->report_due || !mob_resources_eq(available, &node->reported);
    MobTime next = node->reported_at + node->config->report_period;

    if (!news || !node->registered)
        return;
    if (node->reported_at != 0 && in->now < next) {
        mob_node_wake(node, MOB_TIMER_REPORT, next, out);
        return;
    }
    node->report_due = false;
    MobReportResources *report = mob_report_resources_new();
    report->available = mob_resources_copy(available);
    report->draining = node->draining;
    report->follows = node->follows;
    mob_send(out, node->gcs, report);
    mob_resources_clear(&node->reported);
    node->reported = mob_resources_copy(available);
    node->reported_at = MAX(in->now, 1);
}

void
mob_node_on_leave(MobNode *node, const MobInput *in, MobOutbox *out)
{
    if (node->draining)
        return;
    node->draining = true;
    node->reported_at = 0; /* others must know at once */
    node->report_due = true;
    mob_node_turn_away(node, out);
    mob_node_on_idle_workers_timer(node, in, out);
    node->schedule_due = true;
}

void
mob_node_leave_if_done(MobNode *node, MobOutbox *out)
{
    if (node->leases.held.count + node->leases.starting.count > 0 || node->workers.drivers > 0)
        return;
    MobUnregisterNode *leaving = mob_unregister_node_new();
    leaving->reason = mob_str_new("left");
    mob_send(out, node->gcs, leaving);
    exit_node(node, "its node has left", "left", out);
}
