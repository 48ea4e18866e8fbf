/* owner_answers.c: what node managers say of the leases that we asked for, and
 * what it means when a worker, a node or a connection is gone. See
 * owner_leases.c for the states of a lease.
 *
 * An answer may be late, repeated or crossed with our own change of mind; what
 * it is about is looked up, and what does not fit any more is ignored. A lease
 * that we do not know is returned, so that none can be leaked.
 */
#include "runtime/worker_parts.h"

/* --- what node managers say --- */

static void
on_granted(MobStep *step, MobOwnLease *lease, MobAddress worker)
{
    MobShape *shape = lease->shape;

    mob_lease_unlink(&shape->asked, lease);
    shape->requests--;
    shape->leases++;
    lease->worker = worker;
    lease->since = step->input->now;
    mob_lease_become_idle(step, lease);
    if (mob_worker_is_dead(step->worker, worker))
        mob_own_leases_give_back(step, lease, false);
    else
        mob_own_leases_pump(step, shape);
}

static void
on_spilled(MobStep *step, MobOwnLease *lease, MobNodeId target)
{
    const MobPeerNode *peer = mob_worker_peer(step->worker, target);

    if (lease->second_hop || (peer != NULL && !peer->alive)) {
        mob_lease_ask_first(step, lease);
        return;
    }
    lease->second_hop = true;
    lease->node = mob_node_address(target.v);
    mob_lease_send_request(step, lease);
}

static void
on_refused(MobStep *step, MobOwnLease *lease, const MobValue *fault)
{
    MobShape *shape = lease->shape;

    mob_lease_unlink(&shape->asked, lease);
    shape->requests--;
    mob_lease_forget(step, lease);
    if (fault != NULL && fault->fault != 0) {
        mob_shape_fail(step, shape, mob_value_ref((MobValue *)fault));
        return;
    }
    mob_own_leases_pump(step, shape);
    mob_shape_drop_if_unused(step, shape);
}

static void
on_lease_reply(MobStep *step)
{
    const MobLeaseReply *reply = mob_lease_reply(step->input->msg);
    MobOwnLease *lease = mob_table_get(step->worker->leases, mob_key_lease(reply->lease));

    if (lease == NULL || !mob_address_eq(lease->node, step->input->from)) {
        if (reply->answer == MOB_LEASE_GRANTED) /* we gave it up long ago, or went elsewhere */
            mob_lease_send_return(step, step->input->from, reply->lease, false);
        return;
    }
    if (lease->state != MOB_OWN_ASKED) { /* said twice, or crossed with our cancelling */
        if (lease->state == MOB_OWN_CANCELLING && reply->answer == MOB_LEASE_CANCELLED)
            mob_lease_forget(step, lease);
        return;
    }
    switch ((MobLeaseAnswer)reply->answer) {
    case MOB_LEASE_GRANTED:
        on_granted(step, lease, reply->worker);
        break;
    case MOB_LEASE_SPILLED:
        on_spilled(step, lease, reply->retry_at);
        break;
    case MOB_LEASE_REJECTED:
        mob_lease_ask_first(step, lease);
        break;
    case MOB_LEASE_CANCELLED:
        on_refused(step, lease, reply->fault);
        break;
    }
}

static void
on_reclaim(MobStep *step)
{
    MobLeaseId id = mob_reclaim_lease(step->input->msg)->lease;
    MobOwnLease *lease = mob_table_get(step->worker->leases, mob_key_lease(id));

    if (lease == NULL || !mob_address_eq(lease->node, step->input->from))
        /* our return was lost; its worker may still run what we gave up */
        mob_lease_send_return(step, step->input->from, id, true);
    else if (lease->state == MOB_OWN_IDLE)
        mob_own_leases_give_back(step, lease, false);
    else
        lease->reclaimed = true;
}

/* --- failures --- */

/* The attempts under @lease are lost; the lease is given back, or is gone too. */
static void
attempt_lost(MobStep *step, MobOwnLease *lease, MobFaultKind kind, const char *why, bool gone,
             bool kill)
{
    MobShape *shape = lease->shape;
    MobTask *task;

    g_assert(lease->task != NULL);
    shape->users++; /* its lease goes, its task comes back */
    if (!gone)
        mob_lease_send_return(step, lease->node, lease->id, kill);
    mob_lease_detach(step, lease);
    while ((task = lease->task) != NULL) {
        mob_lease_take_task(lease, task);
        mob_submit_attempt_failed(step, task, kind, why, true);
    }
    mob_lease_forget(step, lease);
    shape->users--;
    mob_shape_drop_if_unused(step, shape);
}

static void
ask_cause(MobStep *step, const MobOwnLease *lease)
{
    MobAskFailureCause *ask = mob_ask_failure_cause_new();

    ask->lease = lease->id;
    ask->worker = lease->worker;
    mob_send(step->out, lease->node, ask);
}

static void
on_failure_cause(MobStep *step)
{
    const MobFailureCause *cause = mob_failure_cause(step->input->msg);
    MobOwnLease *lease = mob_table_get(step->worker->leases, mob_key_lease(cause->lease));

    if (lease == NULL || lease->state != MOB_OWN_BROKEN ||
        !mob_address_eq(lease->node, step->input->from) ||
        !mob_address_eq(lease->worker, cause->worker))
        return;
    g_autoptr(MobStr) why = cause->alive ? mob_str_new("the connection to its worker broke")
                                         : mob_str_ref(cause->reason);
    attempt_lost(step, lease, MOB_FAULT_WORKER_CRASHED, mob_str(why), false, cause->alive);
}

typedef bool (*LeaseTest)(const MobOwnLease *lease, MobAddress peer);

/* Handling a lease may add others, so those that are meant are collected first. */
static GPtrArray *
collect(const MobWorker *worker, LeaseTest test, MobAddress peer)
{
    GPtrArray *hit = g_ptr_array_new();
    size_t at = 0;
    MobOwnLease *lease;

    while ((lease = mob_table_next(worker->leases, &at)))
        if (test(lease, peer))
            g_ptr_array_add(hit, lease);
    return hit;
}

static bool
is_of_worker(const MobOwnLease *lease, MobAddress peer)
{
    return mob_address_eq(lease->worker, peer);
}

static bool
is_at_node(const MobOwnLease *lease, MobAddress peer)
{
    return lease->node.node == peer.node;
}

void
mob_own_leases_on_reset(MobStep *step, MobAddress peer)
{
    g_autoptr(GPtrArray) hit = collect(step->worker, is_of_worker, peer);

    for (guint i = 0; i < hit->len; i++) {
        MobOwnLease *lease = g_ptr_array_index(hit, i);
        if (lease->state == MOB_OWN_BUSY) {
            lease->state = MOB_OWN_BROKEN;
            ask_cause(step, lease);
        } else if (lease->state == MOB_OWN_IDLE) {
            mob_own_leases_give_back(step, lease, false);
        }
    }
}

void
mob_own_leases_on_worker_dead(MobStep *step, MobAddress worker, const char *why)
{
    g_autoptr(GPtrArray) hit = collect(step->worker, is_of_worker, worker);

    for (guint i = 0; i < hit->len; i++) {
        MobOwnLease *lease = g_ptr_array_index(hit, i);
        if (lease->task != NULL)
            attempt_lost(step, lease, MOB_FAULT_WORKER_CRASHED, why, false, false);
        else if (lease->state == MOB_OWN_IDLE)
            mob_own_leases_give_back(step, lease, false);
    }
}

/* Takes those of @leases that no task is under, nor will be, out of it and away. */
static void
forget_unused(MobStep *step, GPtrArray *leases)
{
    guint kept = 0;

    for (guint i = 0; i < leases->len; i++) {
        MobOwnLease *lease = g_ptr_array_index(leases, i);
        if (lease->state != MOB_OWN_IDLE && lease->state != MOB_OWN_CANCELLING) {
            leases->pdata[kept++] = lease;
            continue;
        }
        if (lease->state == MOB_OWN_IDLE)
            mob_lease_detach(step, lease);
        mob_lease_forget(step, lease);
    }
    g_ptr_array_set_size(leases, (gint)kept);
}

void
mob_own_leases_on_node_dead(MobStep *step, MobNodeId node)
{
    g_autoptr(GPtrArray) hit = collect(step->worker, is_at_node, mob_node_address(node.v));
    const MobPeerNode *peer = mob_worker_peer(step->worker, node);
    g_autofree char *why =
        g_strdup_printf("%s died: %s", mob_str(peer->name), mob_str(peer->reason));

    forget_unused(step, hit); /* first, or what was lost here would be pushed there again */
    for (guint i = 0; i < hit->len; i++) {
        MobOwnLease *lease = g_ptr_array_index(hit, i);
        if (lease->state == MOB_OWN_ASKED)
            mob_lease_ask_first(step, lease);
        else
            attempt_lost(step, lease, MOB_FAULT_NODE_DIED, why, true, false);
    }
}

void
mob_own_leases_again(MobStep *step, MobAddress peer)
{
    g_autoptr(GPtrArray) hit = collect(step->worker, is_at_node, peer);

    if (peer.local != MOB_LOCAL_NODE)
        return;
    for (guint i = 0; i < hit->len; i++) {
        MobOwnLease *lease = g_ptr_array_index(hit, i);
        if (lease->state == MOB_OWN_ASKED)
            mob_lease_send_request(step, lease);
        else if (lease->state == MOB_OWN_CANCELLING)
            mob_lease_send_cancel(step, lease);
        else if (lease->state == MOB_OWN_BROKEN)
            ask_cause(step, lease);
    }
}

void
mob_own_leases_on_message(MobStep *step)
{
    switch (step->input->msg->type) {
    case MOB_MSG_LEASE_REPLY:
        on_lease_reply(step);
        break;
    case MOB_MSG_RECLAIM_LEASE:
        on_reclaim(step);
        break;
    default:
        on_failure_cause(step);
        break;
    }
}
