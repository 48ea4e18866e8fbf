/* leases.c: see leases.h. */
#include "runtime/leases.h"

enum {
    CLOSED_MAX = 4096 /* Ray keeps tombstones for ten minutes, at most 100000 */
};

static void
unlink_lease(MobLease *lease)
{
    MobLeaseList *list = lease->list;

    if (lease->before != NULL)
        lease->before->next = lease->next;
    else
        list->first = lease->next;
    if (lease->next != NULL)
        lease->next->before = lease->before;
    else
        list->last = lease->before;
    list->count--;
    lease->next = lease->before = NULL;
    lease->list = NULL;
}

static void
append(MobLeaseList *list, MobLease *lease)
{
    lease->list = list;
    lease->before = list->last;
    lease->next = NULL;
    if (list->last != NULL)
        list->last->next = lease;
    else
        list->first = lease;
    list->last = lease;
    list->count++;
}

static MobLeaseList *
list_of(MobLeases *leases, MobLease *lease, MobStage stage)
{
    switch (stage) {
    case MOB_STAGE_WAITING:
        return &lease->shape->waiting;
    case MOB_STAGE_FETCHING:
        return &leases->fetching;
    case MOB_STAGE_READY:
        return &lease->shape->ready;
    case MOB_STAGE_STARTING:
        return &leases->starting;
    case MOB_STAGE_HELD:
        return &leases->held;
    case MOB_STAGE_COUNT:
        break;
    }
    g_assert_not_reached();
}

static void
free_shape(void *data)
{
    MobLeaseShape *shape = data;

    mob_resources_clear(&shape->needs);
    mob_str_unref(shape->node);
    g_free(shape);
}

static void
free_lease(void *data)
{
    MobLease *lease = data;

    for (uint32_t i = 0; i < lease->arg_count; i++)
        mob_ref_clear(&lease->args[i].ref);
    g_free(lease->args);
    mob_spec_unref(lease->spec);
    g_free(lease);
}

void
mob_leases_init(MobLeases *leases, const MobResources *total)
{
    *leases = (MobLeases){.by_id = mob_table_new(),
                          .shapes = mob_table_new(),
                          .total = mob_resources_copy(total),
                          .available = mob_resources_copy(total),
                          .headroom = mob_resources_copy(total),
                          .closed = mob_recent_new(CLOSED_MAX)};
}

void
mob_leases_clear(MobLeases *leases)
{
    mob_table_free_full(leases->by_id, free_lease);
    mob_table_free_full(leases->shapes, free_shape);
    mob_resources_clear(&leases->total);
    mob_resources_clear(&leases->available);
    mob_resources_clear(&leases->headroom);
    mob_recent_free(leases->closed);
}

MobLease *
mob_leases_get(const MobLeases *leases, MobLeaseId id)
{
    return mob_table_get(leases->by_id, mob_key_lease(id));
}

static bool
is_shape(const MobLeaseShape *shape, const MobTaskSpec *spec)
{
    return shape->strategy == spec->strategy && shape->soft == spec->soft &&
           mob_resources_eq(&shape->needs, &spec->needs) && mob_str_eq(shape->node, spec->node);
}

static MobLeaseShape *
intern_shape(MobLeases *leases, const MobTaskSpec *spec)
{
    MobKey key = {mob_resources_hash(&spec->needs),
                  mob_str_hash(spec->node) + spec->strategy * 2 + spec->soft};
    MobLeaseShape *shape;

    while ((shape = mob_table_get(leases->shapes, key)) != NULL && !is_shape(shape, spec))
        key.b++;
    if (shape != NULL)
        return shape;

    shape = g_new0(MobLeaseShape, 1);
    shape->key = key;
    shape->needs = mob_resources_copy(&spec->needs);
    shape->strategy = spec->strategy;
    shape->soft = spec->soft;
    shape->node = mob_str_ref(spec->node);
    mob_table_add(leases->shapes, key, shape);
    return shape;
}

static void
copy_args(MobLease *lease, const MobRefs *deps)
{
    lease->arg_count = deps->count;
    lease->missing = deps->count;
    if (deps->count == 0)
        return;
    lease->args = g_new0(MobLeaseArg, deps->count);
    for (uint32_t i = 0; i < deps->count; i++)
        lease->args[i].ref = mob_ref_copy(&deps->items[i]);
}

MobLease *
mob_leases_add(MobLeases *leases, const MobRequestLease *request)
{
    MobLease *lease = g_new0(MobLease, 1);

    lease->id = request->lease;
    lease->spec = mob_spec_ref(request->spec);
    lease->shape = intern_shape(leases, request->spec);
    lease->shape->leases++;
    lease->order = ++leases->orders;
    lease->one_hop = request->grant_or_reject;
    lease->near_args = request->for_locality;
    copy_args(lease, &request->deps);
    mob_table_add(leases->by_id, mob_key_lease(lease->id), lease);
    lease->stage = MOB_STAGE_WAITING;
    append(&lease->shape->waiting, lease);
    return lease;
}

/* Takes (-1) or gives back (1) what @lease holds in its stage. */
static void
account(MobLeases *leases, const MobLease *lease, int times)
{
    MobResources held = lease->shape->needs; /* borrowed */

    if ((lease->stage == MOB_STAGE_FETCHING && !lease->stalled) || lease->stage == MOB_STAGE_READY)
        mob_resources_add(&leases->headroom, &held, times);
    if (lease->stage < MOB_STAGE_STARTING)
        return;
    if (lease->blocked)
        held.cpu = 0; /* lent already */
    mob_resources_add(&leases->available, &held, times);
}

void
mob_leases_move(MobLeases *leases, MobLease *lease, MobStage stage)
{
    g_assert(!lease->blocked);
    account(leases, lease, 1);
    unlink_lease(lease);
    lease->stalled = false;
    lease->stage = stage;
    append(list_of(leases, lease, stage), lease);
    account(leases, lease, -1);
}

void
mob_leases_step_back(MobLeases *leases, MobLease *lease)
{
    MobLeaseList *list = &leases->fetching;
    MobLease *next = list->first;

    g_assert(lease->stage == MOB_STAGE_READY);
    unlink_lease(lease);
    lease->stage = MOB_STAGE_FETCHING; /* which holds as little as READY */
    while (next != NULL && next->order < lease->order)
        next = next->next;
    if (next == NULL) {
        append(list, lease);
        return;
    }
    lease->list = list;
    lease->next = next;
    lease->before = next->before;
    if (next->before != NULL)
        next->before->next = lease;
    else
        list->first = lease;
    next->before = lease;
    list->count++;
}

void
mob_leases_forget(MobLeases *leases, MobLease *lease)
{
    MobLeaseShape *shape = lease->shape;

    account(leases, lease, 1);
    unlink_lease(lease);
    mob_table_take(leases->by_id, mob_key_lease(lease->id));
    if (--shape->leases == 0) {
        /* One with the same hash is not found any more behind it, and gets a twin. */
        mob_table_take(leases->shapes, shape->key);
        free_shape(shape);
    }
    free_lease(lease);
}

void
mob_leases_close(MobLeases *leases, MobLease *lease)
{
    mob_recent_add(leases->closed, mob_key_lease(lease->id), NULL);
    mob_leases_forget(leases, lease);
}

void
mob_leases_stall(MobLeases *leases, MobLease *lease, bool stalled)
{
    g_assert(lease->stage == MOB_STAGE_FETCHING);
    if (lease->stalled == stalled)
        return;
    account(leases, lease, 1);
    lease->stalled = stalled;
    account(leases, lease, -1);
}

void
mob_leases_lend(MobLeases *leases, MobLease *lease, bool lent)
{
    g_assert(lease->stage == MOB_STAGE_HELD);
    if (lease->blocked == lent)
        return;
    lease->blocked = lent;
    leases->available.cpu += lent ? lease->shape->needs.cpu : -lease->shape->needs.cpu;
}

bool
mob_leases_fit(const MobLeases *leases, const MobResources *needs)
{
    return mob_resources_fit(&leases->available, needs);
}

bool
mob_leases_may_promise(const MobLeases *leases, const MobResources *needs)
{
    return mob_leases_fit(leases, needs) && mob_resources_fit(&leases->headroom, needs);
}

void
mob_leases_begin(MobLeases *leases)
{
    leases->passes++;
}

static MobLease *
first_of(const MobLeaseShape *shape, uint64_t pass)
{
    if (shape->ready.first != NULL && shape->ready_pass != pass)
        return shape->ready.first;
    return shape->waiting_pass != pass ? shape->waiting.first : NULL;
}

MobLease *
mob_leases_next(MobLeases *leases)
{
    MobLease *best = NULL;
    const MobLeaseShape *shape;
    size_t at = 0;

    while ((shape = mob_table_next(leases->shapes, &at)) != NULL) {
        MobLease *lease = first_of(shape, leases->passes);
        if (lease != NULL && (best == NULL || lease->order < best->order))
            best = lease;
    }
    return best;
}

void
mob_leases_set_aside(MobLeases *leases, MobLease *lease)
{
    if (lease->stage == MOB_STAGE_READY)
        lease->shape->ready_pass = leases->passes;
    else
        lease->shape->waiting_pass = leases->passes;
}

size_t
mob_leases_waiting(const MobLeases *leases)
{
    return mob_table_count(leases->by_id) - leases->held.count - leases->starting.count;
}

bool
mob_lease_is_kin(const MobLease *a, const MobLease *b)
{
    if (!mob_address_eq(a->id.owner, b->id.owner) || a->shape != b->shape ||
        a->arg_count != b->arg_count || !mob_str_eq(a->spec->function, b->spec->function) ||
        !mob_str_eq(a->spec->bundle, b->spec->bundle))
        return false;
    for (uint32_t i = 0; i < a->arg_count; i++)
        if (!mob_object_eq(a->args[i].ref.id, b->args[i].ref.id))
            return false;
    return true;
}
