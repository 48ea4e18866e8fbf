/* owner_leases.c: worker leases, seen from the owner that asks for them
 * (Ray: normal_task_submitter.cc).
 *
 * Tasks of one shape (resources, function, strategy, arguments in stores) form
 * a queue and share leases. For each shape at most as many requests are under
 * way as there are nodes, and never more than tasks wait. A request goes to the
 * node that holds most of the arguments, or to our own; that node grants, or
 * names another one, which then grants or rejects: one hop, no more. A leased
 * worker runs one task at a time (more may be sent ahead: owner_ahead.c) and is kept while there is
 * work and a little longer, unless its node wants it back.
 *
 *   ASKED -> IDLE <-> BUSY -> BROKEN        (its connection broke: ask its node)
 *     |        |        |        |
 *     v        v        v        v
 *   CANCELLING      returned: ReturnLease, and forgotten here
 */
#include "runtime/worker_parts.h"

void
mob_lease_unlink(MobOwnLease **list, MobOwnLease *lease)
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

void
mob_shape_drop_if_unused(MobStep *step, MobShape *shape)
{
    if (shape->queued + shape->leases + shape->requests + shape->users > 0)
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

/* Of tasks that have been waiting since long nothing is in the cache: what the
 * next one needs is fetched while this one is sent. */
static void
fetch_next(const MobTask *next)
{
    for (size_t at = 0; at < sizeof *next->spec; at += 64)
        __builtin_prefetch((const char *)next->spec + at);
    __builtin_prefetch(next->spec->path);
    if (next->next != NULL) {
        __builtin_prefetch(next->next);
        __builtin_prefetch(&next->next->lease);
    }
}

static MobTask *
take_task(MobShape *shape)
{
    MobTask *task = shape->first;

    g_assert(task->place == MOB_TASK_QUEUED);
    shape->first = task->next;
    if (shape->first == NULL)
        shape->last = NULL;
    else
        fetch_next(shape->first);
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
void
mob_shape_fail(MobStep *step, MobShape *shape, MobValue *fault)
{
    g_autoptr(MobValue) owned = fault;

    shape->users++;
    while (shape->first != NULL)
        mob_submit_fail(step, take_task(shape), mob_value_ref(owned));
    shape->users--;
    mob_shape_drop_if_unused(step, shape);
}

/* --- where to ask --- */

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
nearest_node(MobWorker *worker, const MobShape *shape)
{
    Places places = {0};
    uint64_t best = 0;
    uint32_t node = worker->manager.node;

    for (uint32_t i = 0; i < shape->deps.count; i++) {
        MobRow *row = mob_row_find(worker, shape->deps.items[i].id);
        GArray *nodes = row != NULL && row->more != NULL ? row->more->nodes : NULL;
        for (guint k = 0; nodes != NULL && k < nodes->len; k++)
            add_place(&places, g_array_index(nodes, MobNodeId, k).v, mob_object_size(row));
    }
    for (uint32_t i = 0; i < places.count; i++) {
        const MobPeerNode *peer = mob_worker_peer(worker, (MobNodeId){places.node[i]});
        bool ours = places.node[i] == worker->manager.node;
        if ((peer != NULL && !peer->alive) || places.bytes[i] < best ||
            (places.bytes[i] == best && !ours))
            continue;
        best = places.bytes[i];
        node = places.node[i];
    }
    return mob_node_address(node);
}

static MobAddress
first_choice(MobWorker *worker, const MobShape *shape)
{
    switch ((MobStrategy)shape->spec->strategy) {
    case MOB_STRATEGY_AFFINITY: {
        const MobPeerNode *peer = mob_worker_peer_by_name(worker, shape->spec->node);
        return peer != NULL ? mob_node_address(peer->node.v) : worker->manager;
    }
    case MOB_STRATEGY_SPREAD:
        return worker->manager;
    case MOB_STRATEGY_DEFAULT:
        break;
    }
    return nearest_node(worker, shape);
}

void
mob_lease_send_request(MobStep *step, const MobOwnLease *lease)
{
    const MobShape *shape = lease->shape;
    MobRequestLease *ask = mob_request_lease_new();

    ask->lease = lease->id;
    ask->spec = mob_spec_ref(shape->spec);
    ask->deps = (MobRefs){g_new(MobRef, shape->deps.count), shape->deps.count};
    for (uint32_t i = 0; i < shape->deps.count; i++)
        ask->deps.items[i] = mob_ref_copy(&shape->deps.items[i]);
    ask->grant_or_reject = lease->second_hop;
    ask->for_locality = !lease->second_hop && !mob_address_eq(lease->node, step->worker->manager);
    ask->backlog = shape->queued;
    mob_send(step->out, lease->node, ask);
    NOTE(step->out, LEASE_REQUESTED, .lease = lease->id, .spec = shape->spec,
         .owner = step->worker->base.address, .node = {lease->node.node});
}

void
mob_lease_ask_first(MobStep *step, MobOwnLease *lease)
{
    lease->second_hop = false;
    lease->node = first_choice(step->worker, lease->shape);
    mob_lease_send_request(step, lease);
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
    mob_lease_ask_first(step, lease);
}

/* --- cancelling and returning --- */

void
mob_lease_send_cancel(MobStep *step, const MobOwnLease *lease)
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
        mob_lease_unlink(&shape->asked, lease);
        shape->requests--;
        lease->state = MOB_OWN_CANCELLING;
        lease->shape = NULL;
        mob_lease_send_cancel(step, lease);
    }
}

void
mob_lease_forget(MobStep *step, MobOwnLease *lease)
{
    mob_table_take(step->worker->leases, mob_key_lease(lease->id));
    g_free(lease);
}

/* Takes a held lease away from its shape. */
void
mob_lease_detach(MobStep *step, MobOwnLease *lease)
{
    MobShape *shape = lease->shape;

    if (lease->state == MOB_OWN_IDLE)
        mob_lease_unlink(&shape->idle, lease);
    lease->shape = NULL;
    shape->leases--;
    mob_shape_drop_if_unused(step, shape);
}

void
mob_lease_send_return(MobStep *step, MobAddress node, MobLeaseId id, bool kill)
{
    MobReturnLease *back = mob_return_lease_new();

    back->lease = id;
    back->kill = kill;
    mob_send(step->out, node, back);
}

void
mob_own_leases_give_back(MobStep *step, MobOwnLease *lease, bool kill)
{
    MobShape *shape = lease->shape;

    shape->users++;
    mob_lease_send_return(step, lease->node, lease->id, kill);
    mob_lease_detach(step, lease);
    mob_lease_forget(step, lease);
    mob_own_leases_pump(step, shape); /* tasks may still wait for one */
    shape->users--;
    mob_shape_drop_if_unused(step, shape);
}

/* --- pushing --- */

static void
push(MobStep *step, MobOwnLease *lease, MobTask *task)
{
    MobPushTask *push = mob_push_task_new();

    if (lease->state == MOB_OWN_IDLE)
        mob_lease_begin_pace(step, lease);
    lease->state = MOB_OWN_BUSY;
    mob_lease_add_task(lease, task);
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

/* One at least, if there is one. */
static void
push_on(MobStep *step, MobOwnLease *lease)
{
    MobShape *shape = lease->shape;

    while (shape->first != NULL && mob_lease_has_room(step, lease, shape->first))
        push(step, lease, take_task(shape));
}

void
mob_lease_become_idle(MobStep *step, MobOwnLease *lease)
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
        mob_lease_unlink(&shape->idle, lease);
        push(step, lease, take_task(shape));
    }
    while (shape->requests < most && shape->queued > shape->requests + shape->ending)
        request(step, shape);
    if (shape->queued == 0)
        cancel_requests(step, shape);
}

void
mob_own_leases_pump_all(MobStep *step)
{
    size_t at = 0;
    MobShape *shape;

    while ((shape = mob_table_next(step->worker->shapes, &at)))
        mob_own_leases_pump(step, shape);
}

void
mob_own_leases_task_ends(MobOwnLease *lease, MobTask *task)
{
    mob_lease_take_task(lease, task);
    lease->shape->ending++;
}

void
mob_own_leases_task_over(MobStep *step, MobOwnLease *lease)
{
    MobShape *shape = lease->shape;
    bool old = step->input->now - lease->since >= step->worker->config->lease_idle;

    shape->ending--;
    mob_lease_keep_pace(step, lease);
    if (lease->leaving || (lease->reclaimed && (shape->queued == 0 || old))) {
        if (lease->in_flight == 0)
            mob_own_leases_give_back(step, lease, false);
    } else if (lease->in_flight > 0 || (shape->queued > 0 && !step->worker->closing)) {
        if (!step->worker->closing)
            push_on(step, lease);
        if (shape->queued == 0)
            cancel_requests(step, shape);
    } else if (shape->deps.count > 0) {
        mob_own_leases_give_back(step, lease, false); /* it keeps its arguments pinned */
    } else {
        mob_lease_become_idle(step, lease);
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
            mob_lease_send_return(step, lease->node, lease->id, lease->state != MOB_OWN_IDLE);
    }
}
