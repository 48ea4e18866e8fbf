/* owner_leases.c: worker leases, seen from the owner that asks for them
 * (Ray: normal_task_submitter.cc).
 *
 * Tasks of one shape (resources, function, strategy, arguments in stores) form
 * a queue and share leases. For each shape at most as many requests are under
 * way as there are nodes, and never more than tasks wait. A request goes to the
 * node that holds most of the arguments, or to our own; that node grants, or
 * names another one, which then grants or rejects: one hop, no more. A leased
 * worker runs one task at a time and is kept while there is work and a little
 * longer, unless its node wants it back.
 *
 *   ASKED -> IDLE <-> BUSY -> BROKEN        (its connection broke: ask its node)
 *     |        |        |        |
 *     v        v        v        v
 *   CANCELLING      returned: ReturnLease, and forgotten here
 */
#include "runtime/worker_parts.h"

static void
unlink_lease(MobOwnLease **list, MobOwnLease *lease)
{
    if (lease->prev != NULL)
        lease->prev->next = lease->next;
    else
        *list = lease->next;
    if (lease->next != NULL)
        lease->next->prev = lease->prev;
    lease->next = lease->prev = NULL;
}

static void
link_lease(MobOwnLease **list, MobOwnLease *lease)
{
    lease->prev = NULL;
    lease->next = *list;
    if (*list != NULL)
        (*list)->prev = lease;
    *list = lease;
}

void
mob_shape_free(MobShape *shape)
{
    mob_spec_unref(shape->spec);
    for (uint32_t i = 0; i < shape->deps.count; i++)
        mob_ref_clear(&shape->deps.items[i]);
    g_free(shape->deps.items);
    g_free(shape);
}

static void
drop_shape_if_unused(MobStep *step, MobShape *shape)
{
    if (shape->queued + shape->leases + shape->requests > 0)
        return;
    mob_table_take(step->worker->shapes, shape->key);
    mob_shape_free(shape);
}

/* --- shapes --- */

static MobKey
shape_key(const MobTask *task)
{
    const MobTaskSpec *spec = task->spec;
    uint64_t a = mob_mix(mob_resources_hash(&spec->needs) + mob_str_hash(spec->function));
    uint64_t b = mob_mix(mob_str_hash(spec->bundle) + spec->strategy * 7 + spec->soft);

    a = mob_mix(a ^ mob_str_hash(spec->node));
    for (uint32_t i = 0; i < task->args->count; i++) {
        MobObjectId id = task->args->items[i].ref.id;
        if (!mob_object_is(id))
            continue;
        a = mob_mix(a ^ id.task.hi) + id.index;
        b = mob_mix(b ^ id.task.lo);
    }
    return (MobKey){a, b | 1};
}

static MobRefs
deps_of(const MobArgs *args)
{
    MobRefs deps = {0};

    for (uint32_t i = 0; i < args->count; i++)
        deps.count += mob_object_is(args->items[i].ref.id);
    if (deps.count == 0)
        return deps;
    deps.items = g_new(MobRef, deps.count);
    deps.count = 0;
    for (uint32_t i = 0; i < args->count; i++)
        if (mob_object_is(args->items[i].ref.id))
            deps.items[deps.count++] = mob_ref_copy(&args->items[i].ref);
    return deps;
}

static MobShape *
shape_of(MobStep *step, const MobTask *task)
{
    MobKey key = shape_key(task);
    MobShape *shape = mob_table_get(step->worker->shapes, key);

    if (shape != NULL)
        return shape;
    shape = g_new0(MobShape, 1);
    shape->key = key;
    shape->spec = mob_spec_ref(task->spec);
    shape->deps = deps_of(task->args);
    mob_table_add(step->worker->shapes, key, shape);
    return shape;
}

static MobTask *
take_task(MobShape *shape)
{
    MobTask *task = shape->first;

    g_assert(task->place == MOB_TASK_QUEUED);
    shape->first = task->next;
    if (shape->first == NULL)
        shape->last = NULL;
    task->next = NULL;
    shape->queued--;
    return task;
}

void
mob_own_leases_enqueue(MobStep *step, MobTask *task)
{
    MobShape *shape = shape_of(step, task);

    task->place = MOB_TASK_QUEUED;
    task->shape = shape;
    if (shape->last != NULL)
        shape->last->next = task;
    else
        shape->first = task;
    shape->last = task;
    shape->queued++;
    mob_own_leases_pump(step, shape);
}

/* No lease will ever come for this shape: its tasks fail. */
static void
fail_shape(MobStep *step, MobShape *shape, MobValue *fault)
{
    g_autoptr(MobValue) owned = fault;

    shape->requests++; /* keeps it alive: failing a task may submit and drop */
    while (shape->first != NULL)
        mob_submit_fail(step, take_task(shape), mob_value_ref(owned));
    shape->requests--;
    drop_shape_if_unused(step, shape);
}

/* --- where to ask --- */

static MobPeerNode *
node_by_name(const MobWorker *worker, const MobStr *name)
{
    size_t at = 0;
    MobPeerNode *peer;
    MobPeerNode *found = NULL;

    while ((peer = mob_table_next(worker->nodes, &at)))
        if (peer->alive && mob_str_eq(peer->name, name))
            found = peer; /* the newest life of that name */
    return found;
}

enum {
    PLACES_MAX = 16
};

typedef struct {
    uint32_t node[PLACES_MAX];
    uint64_t bytes[PLACES_MAX];
    uint32_t count;
} Places;

static void
add_place(Places *places, uint32_t node, uint64_t bytes)
{
    for (uint32_t i = 0; i < places->count; i++)
        if (places->node[i] == node) {
            places->bytes[i] += bytes;
            return;
        }
    if (places->count < PLACES_MAX) {
        places->node[places->count] = node;
        places->bytes[places->count++] = bytes;
    }
}

/* The node that holds most bytes of the arguments; our own if that is no worse. */
static MobAddress
nearest_node(const MobWorker *worker, const MobShape *shape)
{
    Places places = {0};
    uint64_t best = 0;
    uint32_t node = worker->manager.node;

    for (uint32_t i = 0; i < shape->deps.count; i++) {
        MobRow *row = mob_row_find(worker, shape->deps.items[i].id);
        GArray *nodes = row != NULL && row->more != NULL ? row->more->nodes : NULL;
        for (guint k = 0; nodes != NULL && k < nodes->len; k++)
            add_place(&places, g_array_index(nodes, MobNodeId, k).v, row->size);
    }
    for (uint32_t i = 0; i < places.count; i++) {
        const MobPeerNode *peer = mob_worker_peer(worker, (MobNodeId){places.node[i]});
        bool ours = places.node[i] == worker->manager.node;
        if (peer == NULL || !peer->alive || places.bytes[i] < best ||
            (places.bytes[i] == best && !ours))
            continue;
        best = places.bytes[i];
        node = places.node[i];
    }
    return mob_node_address(node);
}

static MobAddress
first_choice(const MobWorker *worker, const MobShape *shape)
{
    switch ((MobStrategy)shape->spec->strategy) {
    case MOB_STRATEGY_AFFINITY: {
        const MobPeerNode *peer = node_by_name(worker, shape->spec->node);
        return peer != NULL ? mob_node_address(peer->node.v) : worker->manager;
    }
    case MOB_STRATEGY_SPREAD:
        return worker->manager;
    case MOB_STRATEGY_DEFAULT:
        break;
    }
    return nearest_node(worker, shape);
}

static void
send_request(MobStep *step, const MobOwnLease *lease)
{
    const MobShape *shape = lease->shape;
    MobRequestLease *ask = mob_request_lease_new();

    ask->lease = lease->id;
    ask->spec = mob_spec_ref(shape->spec);
    ask->deps = (MobRefs){g_new(MobRef, shape->deps.count), shape->deps.count};
    for (uint32_t i = 0; i < shape->deps.count; i++)
        ask->deps.items[i] = mob_ref_copy(&shape->deps.items[i]);
    ask->grant_or_reject = lease->second_hop;
    ask->for_locality =
        !lease->second_hop && !mob_address_eq(lease->node, step->worker->manager);
    ask->backlog = shape->queued;
    mob_send(step->out, lease->node, ask);
    NOTE(step->out, LEASE_REQUESTED, .lease = lease->id, .spec = shape->spec,
         .owner = step->worker->base.address, .node = {lease->node.node});
}

static void
ask_first(MobStep *step, MobOwnLease *lease)
{
    lease->second_hop = false;
    lease->node = first_choice(step->worker, lease->shape);
    send_request(step, lease);
}

static void
request(MobStep *step, MobShape *shape)
{
    MobWorker *worker = step->worker;
    MobOwnLease *lease = g_new0(MobOwnLease, 1);

    lease->id = (MobLeaseId){worker->base.address, ++worker->next_lease};
    lease->state = MOB_OWN_ASKED;
    lease->shape = shape;
    mob_table_add(worker->leases, mob_key_lease(lease->id), lease);
    link_lease(&shape->asked, lease);
    shape->requests++;
    ask_first(step, lease);
}

/* --- cancelling and returning --- */

static void
send_cancel(MobStep *step, const MobOwnLease *lease)
{
    MobCancelLease *cancel = mob_cancel_lease_new();

    cancel->lease = lease->id;
    mob_send(step->out, lease->node, cancel);
}

static void
cancel_requests(MobStep *step, MobShape *shape)
{
    while (shape->asked != NULL) {
        MobOwnLease *lease = shape->asked;
        unlink_lease(&shape->asked, lease);
        shape->requests--;
        lease->state = MOB_OWN_CANCELLING;
        lease->shape = NULL;
        send_cancel(step, lease);
    }
}

static void
forget(MobStep *step, MobOwnLease *lease)
{
    mob_table_take(step->worker->leases, mob_key_lease(lease->id));
    g_free(lease);
}

/* Takes a held lease away from its shape. */
static void
detach(MobStep *step, MobOwnLease *lease)
{
    MobShape *shape = lease->shape;

    if (lease->state == MOB_OWN_IDLE)
        unlink_lease(&shape->idle, lease);
    lease->shape = NULL;
    shape->leases--;
    drop_shape_if_unused(step, shape);
}

static void
send_return(MobStep *step, MobAddress node, MobLeaseId id, bool kill)
{
    MobReturnLease *back = mob_return_lease_new();

    back->lease = id;
    back->kill = kill;
    mob_send(step->out, node, back);
}

void
mob_own_leases_give_back(MobStep *step, MobOwnLease *lease, bool kill)
{
    send_return(step, lease->node, lease->id, kill);
    detach(step, lease);
    forget(step, lease);
}

/* --- pushing --- */

static void
push(MobStep *step, MobOwnLease *lease, MobTask *task)
{
    MobPushTask *push = mob_push_task_new();

    lease->state = MOB_OWN_BUSY;
    lease->task = task;
    task->lease = lease;
    task->place = MOB_TASK_PUSHED;
    push->spec = mob_spec_ref(task->spec);
    push->args = mob_args_ref(task->args);
    push->attempt = task->attempt;
    push->lease = lease->id;
    push->store = task->again;
    mob_send(step->out, lease->worker, push);
    NOTE(step->out, TASK_LEASED, .spec = task->spec, .attempt = task->attempt,
         .owner = task->spec->owner, .worker = lease->worker, .args = task->args);
}

static void
become_idle(MobStep *step, MobOwnLease *lease)
{
    MobWorker *worker = step->worker;
    MobTime at = step->input->now + worker->config->lease_idle;

    lease->state = MOB_OWN_IDLE;
    lease->idle_since = step->input->now;
    link_lease(&lease->shape->idle, lease);
    if (worker->idle_alarm == 0) {
        worker->idle_alarm = at;
        mob_set_timer(step->out, MOB_TIMER_LEASE_IDLE, at);
    }
}

void
mob_own_leases_pump(MobStep *step, MobShape *shape)
{
    uint32_t most = MAX(1, step->worker->alive_nodes);

    if (step->worker->closing)
        return;
    while (shape->first != NULL && shape->idle != NULL) {
        MobOwnLease *lease = shape->idle;
        unlink_lease(&shape->idle, lease);
        push(step, lease, take_task(shape));
    }
    while (shape->requests < most && shape->queued > shape->requests)
        request(step, shape);
    if (shape->queued == 0)
        cancel_requests(step, shape);
}

void
mob_own_leases_task_over(MobStep *step, MobOwnLease *lease)
{
    MobShape *shape = lease->shape;
    bool old = step->input->now - lease->since >= step->worker->config->lease_idle;

    lease->task = NULL;
    if (lease->reclaimed && (shape->queued == 0 || old)) {
        mob_own_leases_give_back(step, lease, false);
    } else if (shape->queued > 0 && !step->worker->closing) {
        push(step, lease, take_task(shape));
        if (shape->queued == 0)
            cancel_requests(step, shape);
    } else {
        become_idle(step, lease);
    }
}

/* --- what node managers say --- */

static void
on_granted(MobStep *step, MobOwnLease *lease, MobAddress worker)
{
    MobShape *shape = lease->shape;

    if (lease->state != MOB_OWN_ASKED)
        return; /* said twice, or crossed with our cancelling, which returns it */
    unlink_lease(&shape->asked, lease);
    shape->requests--;
    shape->leases++;
    lease->node = step->input->from;
    lease->worker = worker;
    lease->since = step->input->now;
    become_idle(step, lease);
    if (mob_worker_is_dead(step->worker, worker))
        mob_own_leases_give_back(step, lease, false);
    else
        mob_own_leases_pump(step, shape);
}

static void
on_spilled(MobStep *step, MobOwnLease *lease, MobNodeId target)
{
    MobPeerNode *peer = mob_worker_peer(step->worker, target);

    if (lease->state != MOB_OWN_ASKED || !mob_address_eq(lease->node, step->input->from))
        return;
    if (lease->second_hop || (peer != NULL && !peer->alive)) {
        ask_first(step, lease);
        return;
    }
    lease->second_hop = true;
    lease->node = mob_node_address(target.v);
    send_request(step, lease);
}

static void
on_refused(MobStep *step, MobOwnLease *lease, const MobValue *fault)
{
    MobShape *shape = lease->shape;

    if (lease->state == MOB_OWN_CANCELLING) {
        forget(step, lease);
        return;
    }
    if (lease->state != MOB_OWN_ASKED)
        return;
    unlink_lease(&shape->asked, lease);
    shape->requests--;
    forget(step, lease);
    if (fault != NULL && fault->fault != 0)
        fail_shape(step, shape, mob_value_ref((MobValue *)fault));
    else
        mob_own_leases_pump(step, shape);
}

static void
on_lease_reply(MobStep *step)
{
    const MobLeaseReply *reply = mob_lease_reply(step->input->msg);
    MobOwnLease *lease = mob_table_get(step->worker->leases, mob_key_lease(reply->lease));

    if (lease == NULL) {
        if (reply->answer == MOB_LEASE_GRANTED) /* we gave it up long ago */
            send_return(step, step->input->from, reply->lease, false);
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
        if (lease->state == MOB_OWN_ASKED && mob_address_eq(lease->node, step->input->from))
            ask_first(step, lease);
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

    if (lease == NULL)
        send_return(step, step->input->from, id, false);
    else if (lease->state == MOB_OWN_IDLE)
        mob_own_leases_give_back(step, lease, false);
    else
        lease->reclaimed = true;
}

/* --- failures --- */

/* The attempt under @lease is lost; the lease is given back, or is gone too. */
static void
attempt_lost(MobStep *step, MobOwnLease *lease, MobFaultKind kind, const char *why, bool gone,
             bool kill)
{
    MobTask *task = g_steal_pointer(&lease->task);
    MobShape *shape = lease->shape;

    g_assert(task != NULL);
    shape->requests++; /* keeps the shape while its lease goes and its task returns */
    if (!gone)
        send_return(step, lease->node, lease->id, kill);
    detach(step, lease);
    mob_submit_attempt_failed(step, task, kind, why, true);
    forget(step, lease);
    shape->requests--;
    drop_shape_if_unused(step, shape);
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
        else if (lease->shape != NULL)
            mob_own_leases_give_back(step, lease, false);
    }
}

void
mob_own_leases_on_node_dead(MobStep *step, MobNodeId node)
{
    g_autoptr(GPtrArray) hit = collect(step->worker, is_at_node, mob_node_address(node.v));
    const MobPeerNode *peer = mob_worker_peer(step->worker, node);
    g_autofree char *why = g_strdup_printf("%s died: %s", mob_str(peer->name),
                                           mob_str(peer->reason));

    for (guint i = 0; i < hit->len; i++) {
        MobOwnLease *lease = g_ptr_array_index(hit, i);
        if (lease->state == MOB_OWN_ASKED) {
            ask_first(step, lease);
        } else if (lease->state == MOB_OWN_CANCELLING) {
            forget(step, lease);
        } else if (lease->task != NULL) {
            attempt_lost(step, lease, MOB_FAULT_NODE_DIED, why, true, false);
        } else {
            detach(step, lease);
            forget(step, lease);
        }
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
            send_request(step, lease);
        else if (lease->state == MOB_OWN_CANCELLING)
            send_cancel(step, lease);
        else if (lease->state == MOB_OWN_BROKEN)
            ask_cause(step, lease);
    }
}

/* --- time --- */

void
mob_own_leases_on_timer(MobStep *step)
{
    MobWorker *worker = step->worker;
    MobTime next = MOB_TIME_NEVER;
    g_autoptr(GPtrArray) expired = g_ptr_array_new();
    size_t at = 0;
    MobOwnLease *lease;

    while ((lease = mob_table_next(worker->leases, &at))) {
        if (lease->state != MOB_OWN_IDLE)
            continue;
        MobTime ends = lease->idle_since + worker->config->lease_idle;
        if (ends <= step->input->now)
            g_ptr_array_add(expired, lease);
        else
            next = MIN(next, ends);
    }
    for (guint i = 0; i < expired->len; i++)
        mob_own_leases_give_back(step, g_ptr_array_index(expired, i), false);
    worker->idle_alarm = next == MOB_TIME_NEVER ? 0 : next;
    if (next != MOB_TIME_NEVER)
        mob_set_timer(step->out, MOB_TIMER_LEASE_IDLE, next);
}

void
mob_own_leases_close(MobStep *step)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new();
    size_t at = 0;
    MobOwnLease *lease;

    while ((lease = mob_table_next(step->worker->leases, &at)))
        g_ptr_array_add(all, lease);
    for (guint i = 0; i < all->len; i++) {
        lease = g_ptr_array_index(all, i);
        if (lease->state == MOB_OWN_ASKED)
            cancel_requests(step, lease->shape);
        else if (lease->state != MOB_OWN_CANCELLING)
            send_return(step, lease->node, lease->id, lease->state != MOB_OWN_IDLE);
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
