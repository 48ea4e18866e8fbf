/* node_leases.c: who gets a worker here, and who is sent elsewhere.
 *
 * A request is placed by the policy. If that is this node, its arguments are
 * fetched and pinned, then resources are taken, then a worker; if it is
 * another, its owner is told to ask there. If all that could take it are full
 * it waits here, and is placed again when something here is given back or the
 * view of the others changes; of many that ask for the same only the first is
 * looked at.
 *
 * A node that has had no owners knows nothing of the others. With the first
 * request, or the first driver, it begins to follow the view; until that comes
 * it takes what no other could do better.
 */
#include "runtime/node_parts.h"

static MobLeaseReply *
new_reply(const MobLease *lease, MobLeaseAnswer answer)
{
    MobLeaseReply *reply = mob_lease_reply_new();

    reply->lease = lease->id;
    reply->answer = answer;
    return reply;
}

static void
reply_granted(const MobLease *lease, MobOutbox *out)
{
    MobLeaseReply *reply = new_reply(lease, MOB_LEASE_GRANTED);

    reply->worker = lease->worker->address;
    mob_send(out, lease->id.owner, reply);
}

void
mob_node_grant(MobNode *node, MobLease *lease, MobOutbox *out)
{
    mob_leases_move(&node->leases, lease, MOB_STAGE_HELD);
    mob_note(out, (MobNote){.kind = MOB_NOTE_LEASE_GRANTED,
                            .lease = lease->id,
                            .owner = lease->id.owner,
                            .worker = lease->worker->address,
                            .node = node->self,
                            .spec = lease->spec});
    reply_granted(lease, out);
}

void
mob_node_end_lease(MobNode *node, MobLease *lease, const char *reason, MobOutbox *out)
{
    if (lease->stage == MOB_STAGE_HELD)
        mob_note(out, (MobNote){.kind = MOB_NOTE_LEASE_RETURNED,
                                .lease = lease->id,
                                .owner = lease->id.owner,
                                .worker = lease->worker != NULL ? lease->worker->address
                                                                : (MobAddress){0},
                                .node = node->self,
                                .reason = reason});
    mob_node_drop_args(node, lease, out);
    mob_leases_close(&node->leases, lease);
    node->schedule_due = true;
}

void
mob_node_refuse_lease(MobNode *node, MobLease *lease, MobValue *fault, MobOutbox *out)
{
    MobLeaseReply *reply = new_reply(lease, MOB_LEASE_CANCELLED);

    reply->fault = fault;
    mob_send(out, lease->id.owner, reply);
    mob_node_end_lease(node, lease, "refused", out);
}

/* The lease goes elsewhere: its owner is told, and here it is forgotten. */
static void
send_away(MobNode *node, MobLease *lease, MobLeaseReply *reply, MobOutbox *out)
{
    mob_send(out, lease->id.owner, reply);
    mob_node_drop_args(node, lease, out);
    mob_leases_forget(&node->leases, lease);
}

static void
spill(MobNode *node, MobLease *lease, MobNodeId target, MobTime now, MobOutbox *out)
{
    MobLeaseReply *reply = new_reply(lease, MOB_LEASE_SPILLED);

    reply->retry_at = target;
    mob_note(out, (MobNote){.kind = MOB_NOTE_LEASE_SPILLED,
                            .lease = lease->id,
                            .owner = lease->id.owner,
                            .node = node->self,
                            .target = target});
    mob_cluster_debit(&node->cluster, target, &lease->spec->needs, now);
    send_away(node, lease, reply, out);
}

/* It runs here: it takes what it needs, or first waits for its arguments. */
static void
promise(MobNode *node, MobLease *lease, const MobInput *in, MobOutbox *out)
{
    if (lease->arg_count > 0) {
        mob_leases_move(&node->leases, lease, MOB_STAGE_FETCHING);
        mob_node_find_args(node, lease, in, out);
        return;
    }
    mob_leases_move(&node->leases, lease, MOB_STAGE_STARTING);
    mob_node_staff(node, in, out);
}

static void
refuse_for_ever(MobNode *node, MobLease *lease, const MobInput *in, MobOutbox *out)
{
    g_autoptr(GString) why = g_string_new(NULL);

    mob_policy_explain_never(&node->cluster, lease->spec, why);
    mob_node_refuse_lease(
        node, lease,
        mob_node_fault(node, MOB_FAULT_UNSCHEDULABLE, why->str, lease->spec, "E130", in->now), out);
}

/* While a cluster comes up, a machine may be just about to join. */
static bool
is_settled(MobNode *node, const MobInput *in, MobOutbox *out)
{
    MobTime settled = node->joined_at + node->config->join_settle;

    if (in->now >= settled)
        return true;
    mob_node_wake(node, MOB_TIMER_SCHEDULE, settled, out);
    return false;
}

static bool
may_promise(const MobNode *node, const MobLease *lease)
{
    return !node->draining && mob_leases_may_promise(&node->leases, &lease->spec->needs);
}

/* The view of the others is on its way. */
static bool
awaits_view(const MobNode *node)
{
    return node->registered && node->cluster.self_index == UINT32_MAX;
}

/* Whether a request that fits is to run here although nothing is known of the
 * others: none could be better, or there is no GCS that could tell of any. */
static bool
needs_no_other(const MobNode *node, const MobTaskSpec *spec)
{
    const MobLeases *leases = &node->leases;

    if (spec->strategy == MOB_STRATEGY_AFFINITY)
        return mob_str_eq(spec->node, node->name);
    return !awaits_view(node) ||
           (spec->strategy == MOB_STRATEGY_DEFAULT &&
            mob_policy_packs(node->config, &leases->total, &leases->available));
}

/* Decides on a WAITING lease; false if it has to go on waiting. */
static bool
place(MobNode *node, MobLease *lease, const MobInput *in, MobOutbox *out)
{
    MobPlaceRequest request = {lease->spec, may_promise(node, lease)};
    MobNodeId target;

    if (node->known_at == 0)
        return false;
    mob_cluster_set_self(&node->cluster, &node->leases.available, node->draining);
    if (lease->near_args && request.local_ok && lease->spec->strategy == MOB_STRATEGY_DEFAULT) {
        promise(node, lease, in, out); /* leases kept idle here must not send it from its data */
        return true;
    }
    if (node->cluster.self_index == UINT32_MAX) {
        bool here = request.local_ok && needs_no_other(node, lease->spec);
        if (here)
            promise(node, lease, in, out);
        return here;
    }
    switch (mob_policy_place(&node->policy, node->config, &node->cluster, &request, in->picks,
                             &target)) {
    case MOB_PLACE_LOCAL:
        promise(node, lease, in, out);
        return true;
    case MOB_PLACE_REMOTE:
        spill(node, lease, target, in->now, out);
        return true;
    case MOB_PLACE_NEVER:
        if (!is_settled(node, in, out))
            return false;
        refuse_for_ever(node, lease, in, out);
        return true;
    case MOB_PLACE_BUSY:
        break;
    }
    return false;
}

static void
send_reclaim(const MobLease *held, MobOutbox *out)
{
    MobReclaimLease *reclaim = mob_reclaim_lease_new();

    reclaim->lease = held->id;
    mob_send(out, held->id.owner, reclaim);
}

bool
mob_node_doubt_leases(MobNode *node, MobAddress owner)
{
    bool any = false;

    for (MobLease *held = node->leases.held.first; held != NULL; held = held->next)
        if (mob_address_eq(held->id.owner, owner))
            held->doubtful = any = true;
    return any;
}

void
mob_node_verify_leases(MobNode *node, MobOutbox *out)
{
    for (MobLease *held = node->leases.held.first; held != NULL; held = held->next) {
        if (held->doubtful)
            send_reclaim(held, out);
        held->doubtful = false;
    }
}

/* Asks owners for idle workers that @waiting could use, once each. */
static void
reclaim_for(MobNode *node, const MobLease *waiting, MobOutbox *out)
{
    if (!mob_resources_fit(&node->leases.total, &waiting->spec->needs))
        return;
    for (MobLease *held = node->leases.held.first; held != NULL; held = held->next) {
        if (held->reclaimed || mob_lease_is_kin(held, waiting))
            continue;
        send_reclaim(held, out);
        held->reclaimed = true;
        node->reclaiming = true;
    }
}

static void
end_reclaiming(MobNode *node)
{
    for (MobLease *held = node->leases.held.first; held != NULL; held = held->next)
        held->reclaimed = false;
    node->reclaiming = false;
}

static void
reclaim(MobNode *node, MobOutbox *out)
{
    const MobLeaseShape *shape;
    size_t at = 0;

    if (mob_leases_waiting(&node->leases) == node->leases.fetching.count) {
        if (node->reclaiming)
            end_reclaiming(node);
        return;
    }
    while ((shape = mob_table_next(node->leases.shapes, &at)) != NULL) {
        const MobLease *first =
            shape->ready.first != NULL ? shape->ready.first : shape->waiting.first;
        if (first != NULL)
            reclaim_for(node, first, out);
    }
}

/* Somebody waits: what can be done about it. */
static void
seek_room(MobNode *node, MobOutbox *out)
{
    if (awaits_view(node))
        return; /* there may be room elsewhere */
    reclaim(node, out);
    if (mob_leases_waiting(&node->leases) > 0 && node->cluster.debts_due != MOB_TIME_NEVER)
        mob_node_wake(node, MOB_TIMER_SCHEDULE, node->cluster.debts_due, out);
}

void
mob_node_schedule(MobNode *node, const MobInput *in, MobOutbox *out)
{
    MobLease *lease;

    node->schedule_due = false;
    mob_cluster_settle(&node->cluster, in->now);
    mob_leases_begin(&node->leases);
    while ((lease = mob_leases_next(&node->leases)) != NULL) {
        if (lease->stage == MOB_STAGE_READY &&
            mob_leases_fit(&node->leases, &lease->shape->needs)) {
            mob_leases_move(&node->leases, lease, MOB_STAGE_STARTING);
            mob_node_staff(node, in, out);
        } else if (lease->stage == MOB_STAGE_READY || !place(node, lease, in, out)) {
            mob_leases_set_aside(&node->leases, lease);
        }
    }
    seek_room(node, out);
}

/* Asked again, or late. True if there is nothing more to do. */
static bool
is_known(MobNode *node, const MobRequestLease *request, MobOutbox *out)
{
    const MobLease *lease = mob_leases_get(&node->leases, request->lease);

    if (lease != NULL) {
        if (lease->stage == MOB_STAGE_HELD)
            reply_granted(lease, out);
        return true;
    }
    if (!mob_recent_has(node->leases.closed, mob_key_lease(request->lease)))
        return false;
    MobLeaseReply *reply = mob_lease_reply_new();
    reply->lease = request->lease;
    reply->answer = MOB_LEASE_CANCELLED;
    mob_send(out, request->lease.owner, reply);
    return true;
}

static bool
is_sane(const MobRequestLease *request, MobAddress from)
{
    const MobTaskSpec *spec = request->spec;

    return mob_address_eq(request->lease.owner, from) && spec != NULL && spec->needs.cpu >= 0 &&
           spec->needs.memory >= 0;
}

void
mob_node_on_request_lease(MobNode *node, const MobInput *in, MobOutbox *out)
{
    const MobRequestLease *request = mob_request_lease(in->msg);

    if (!is_sane(request, in->from) || is_known(node, request, out))
        return;
    MobLease *lease = mob_leases_add(&node->leases, request);
    if (lease->one_hop && may_promise(node, lease)) {
        promise(node, lease, in, out);
        return;
    }
    if (lease->one_hop) {
        send_away(node, lease, new_reply(lease, MOB_LEASE_REJECTED), out);
        return;
    }
    mob_node_follow(node);
    mob_cluster_settle(&node->cluster, in->now);
    if (lease->shape->waiting.first != lease || !place(node, lease, in, out))
        seek_room(node, out);
}

/* @worker had @lease and may work for somebody else, or has to die. */
static void
give_back(MobNode *node, MobLease *lease, bool kill, const char *reason, const MobInput *in,
          MobOutbox *out)
{
    MobLocalWorker *worker = lease->worker;

    mob_node_end_lease(node, lease, reason, out);
    if (worker == NULL)
        return;
    if (kill)
        mob_node_kill_worker(node, worker, "its attempt was given up", out);
    else
        mob_node_free_worker(node, worker, in, out);
}

/* The end of a lease that may not have begun. */
static void
close_lease(MobNode *node, MobLeaseId id, bool kill, const char *reason, const MobInput *in,
            MobOutbox *out)
{
    MobLease *lease = mob_leases_get(&node->leases, id);

    if (!mob_address_eq(id.owner, in->from))
        return;
    if (lease == NULL)
        mob_recent_add(node->leases.closed, mob_key_lease(id), NULL);
    else
        give_back(node, lease, kill, reason, in, out);
}

void
mob_node_on_return_lease(MobNode *node, const MobInput *in, MobOutbox *out)
{
    const MobReturnLease *returned = mob_return_lease(in->msg);

    close_lease(node, returned->lease, returned->kill, returned->kill ? "given up" : "returned", in,
                out);
}

void
mob_node_on_cancel_lease(MobNode *node, const MobInput *in, MobOutbox *out)
{
    MobLeaseReply *reply = mob_lease_reply_new();

    reply->lease = mob_cancel_lease(in->msg)->lease;
    reply->answer = MOB_LEASE_CANCELLED;
    mob_send(out, in->from, reply);
    close_lease(node, reply->lease, false, "cancelled", in, out);
}

void
mob_node_end_dead_leases(MobNode *node, MobOutbox *out)
{
    MobLease *lease;
    size_t at = 0;

    while ((lease = mob_table_next(node->leases.by_id, &at)) != NULL) {
        MobLocalWorker *worker = lease->worker;
        if (!mob_cluster_is_dead(&node->cluster, lease->id.owner))
            continue;
        mob_node_end_lease(node, lease, "its owner died", out);
        if (worker != NULL)
            mob_node_kill_worker(node, worker, "its owner died", out);
    }
}

void
mob_node_turn_away(MobNode *node, MobOutbox *out)
{
    MobLease *lease;
    size_t at = 0;

    while ((lease = mob_table_next(node->leases.by_id, &at)) != NULL) {
        if (lease->stage != MOB_STAGE_FETCHING && lease->stage != MOB_STAGE_READY)
            continue;
        if (lease->one_hop) {
            send_away(node, lease, new_reply(lease, MOB_LEASE_REJECTED), out);
            continue;
        }
        mob_node_drop_args(node, lease, out);
        mob_leases_move(&node->leases, lease, MOB_STAGE_WAITING);
    }
}
