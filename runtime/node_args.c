/* node_args.c: the arguments of leases, which are fetched and pinned before
 * anything runs.
 *
 * Leases could starve each other by each holding half of what it needs. So a
 * lease is admitted as a whole, once it is known where all its arguments are
 * and how large: then it pins what is here and fetches the rest. Admitted
 * leases together take at most a share of the store, and no more than there is
 * room for, but one may always go on, however large. A lease that has no
 * resources yet steps back when something dearer needs the room (node_room.c). One whose argument
 * is nowhere at present steps back, because the task that makes it needs room too, and perhaps this
 * machine; and what a blocked task has pinned does not count, because it may wait for tasks that
 * come after it.
 */
#include "runtime/node_parts.h"

/* Finds out whether @arg is here, and asks where it is if not. */
static void
look_for(MobNode *node, MobLease *lease, MobLeaseArg *arg, MobOutbox *out)
{
    const MobCopy *copy = mob_store_sealed(&node->store, arg->ref.id);

    if (copy != NULL || mob_cluster_is_dead(&node->cluster, arg->ref.owner)) {
        arg->bytes = copy != NULL ? copy->size : 0; /* else the task will find the error */
        lease->missing -= !arg->here;
        arg->here = true;
        return;
    }
    lease->missing += arg->here;
    arg->here = false;
    mob_fetch_add_lease(mob_node_fetch(node, &arg->ref, out), lease);
}

void
mob_node_find_args(MobNode *node, MobLease *lease, const MobInput *in, MobOutbox *out)
{
    for (uint32_t i = 0; i < lease->arg_count; i++)
        look_for(node, lease, &lease->args[i], out);
    mob_node_admit(node, in, out);
}

/* What was here may have made room since. */
static void
look_again(MobNode *node, MobLease *lease, MobOutbox *out)
{
    for (uint32_t i = 0; i < lease->arg_count; i++)
        if (lease->args[i].here && lease->args[i].bytes > 0)
            look_for(node, lease, &lease->args[i], out);
}

/* Whether it is known where everything is, and how large it is together. */
static bool
measure(const MobNode *node, MobLease *lease)
{
    lease->arg_bytes = 0;
    for (uint32_t i = 0; i < lease->arg_count; i++) {
        MobLeaseArg *arg = &lease->args[i];
        if (!arg->here) {
            const MobFetch *fetch = mob_fetches_get(&node->fetches, arg->ref.id);
            if (fetch == NULL || !mob_fetch_is_located(fetch))
                return false;
            arg->bytes = fetch->size;
        }
        lease->arg_bytes += arg->bytes;
    }
    return true;
}

/* Whether it is known that one of them is nowhere at present. Who comes when that
 * is known already is told of it by nobody else. */
static bool
is_nowhere(const MobNode *node, const MobLease *lease)
{
    for (uint32_t i = 0; i < lease->arg_count; i++) {
        const MobFetch *fetch = mob_fetches_get(&node->fetches, lease->args[i].ref.id);
        if (!lease->args[i].here && fetch != NULL && fetch->answered &&
            fetch->stage == MOB_FETCH_LOOKING && !mob_fetch_is_located(fetch))
            return true;
    }
    return false;
}

static void
pin(MobNode *node, MobLeaseArg *arg)
{
    MobCopy *copy = mob_store_sealed(&node->store, arg->ref.id);

    if (arg->pinned || copy == NULL)
        return;
    mob_store_pin(&node->store, copy);
    arg->pinned = true;
}

static void
make_ready(MobNode *node, MobLease *lease)
{
    mob_leases_move(&node->leases, lease, MOB_STAGE_READY);
    node->schedule_due = true;
}

static bool
is_repeated(const MobLease *lease, uint32_t at)
{
    for (uint32_t i = 0; i < at; i++)
        if (mob_object_eq(lease->args[i].ref.id, lease->args[at].ref.id))
            return true;
    return false;
}

/* Whether its arguments could never be here all together. */
static bool
is_too_large(const MobNode *node, const MobLease *lease)
{
    uint64_t bytes = 0;

    if (lease->arg_bytes <= node->store.capacity)
        return false;
    for (uint32_t i = 0; i < lease->arg_count; i++)
        bytes += is_repeated(lease, i) ? 0 : lease->args[i].bytes;
    return bytes > node->store.capacity;
}

static void
refuse_too_large(MobNode *node, MobLease *lease, MobTime now, MobOutbox *out)
{
    mob_node_refuse_lease(node, lease,
                          mob_node_fault(node, MOB_FAULT_STORE_FULL,
                                         "its arguments together are larger than the object store "
                                         "of the node",
                                         lease->spec, NULL, now),
                          out);
}

static void
admit(MobNode *node, MobLease *lease, const MobInput *in, MobOutbox *out)
{
    lease->admitted = true;
    node->arg_bytes += lease->arg_bytes;
    for (uint32_t i = 0; i < lease->arg_count; i++)
        if (lease->args[i].here)
            pin(node, &lease->args[i]);
    if (lease->missing == 0) {
        make_ready(node, lease);
        return;
    }
    for (uint32_t i = 0; i < lease->arg_count && lease->admitted; i++) {
        MobFetch *fetch = mob_fetches_get(&node->fetches, lease->args[i].ref.id);
        if (!lease->args[i].here && fetch != NULL)
            mob_node_advance(node, fetch, in, out);
    }
}

/* Of its arguments, what has to be fetched. */
static uint64_t
missing_bytes(const MobLease *lease)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < lease->arg_count; i++)
        bytes += lease->args[i].here ? 0 : lease->args[i].bytes;
    return bytes;
}

/* The first may always go on, whether there is room or not; and none but the first
 * while somebody dearer waits for room. */
static bool
is_within_quota(const MobNode *node, const MobLease *lease)
{
    uint64_t share = node->store.capacity / 1000 * node->config->args_memory;

    if (node->arg_bytes == 0)
        return true;
    return node->arg_bytes + lease->arg_bytes <= share && !mob_node_dearer_waits(node) &&
           mob_node_may_have_room(node, missing_bytes(lease));
}

void
mob_node_admit(MobNode *node, const MobInput *in, MobOutbox *out)
{
    MobLease *next;

    node->admit_due = false;
    for (MobLease *lease = node->leases.fetching.first; lease != NULL; lease = next) {
        next = lease->next;
        if (lease->admitted)
            continue;
        look_again(node, lease, out);
        if (!measure(node, lease)) {
            if (is_nowhere(node, lease))
                mob_node_stall(node, lease, out);
            continue;
        }
        if (is_too_large(node, lease)) {
            refuse_too_large(node, lease, in->now, out);
            continue;
        }
        mob_leases_stall(&node->leases, lease, false);
        if (!is_within_quota(node, lease))
            break; /* in turn, or a large one would never come to it */
        admit(node, lease, in, out);
    }
}

void
mob_node_arg_here(MobNode *node, MobLease *lease, MobObjectId object, MobCopy *copy, MobOutbox *out)
{
    (void)out;
    for (uint32_t i = 0; i < lease->arg_count; i++) {
        MobLeaseArg *arg = &lease->args[i];
        uint64_t bytes = copy != NULL ? copy->size : 0;
        if (arg->here || !mob_object_eq(arg->ref.id, object))
            continue;
        arg->here = true;
        lease->missing--;
        if (lease->admitted) {
            node->arg_bytes += bytes - arg->bytes;
            lease->arg_bytes += bytes - arg->bytes;
            pin(node, arg);
        }
        arg->bytes = bytes;
    }
    if (lease->admitted && lease->missing == 0)
        make_ready(node, lease);
    else if (!lease->admitted)
        node->admit_due = true;
}

static void
unpin_all(MobNode *node, MobLease *lease, MobOutbox *out)
{
    for (uint32_t i = 0; i < lease->arg_count; i++) {
        MobLeaseArg *arg = &lease->args[i];
        if (!arg->pinned)
            continue;
        arg->pinned = false;
        mob_node_unpin(node, mob_store_get(&node->store, arg->ref.id), out);
    }
    if (lease->admitted && !lease->blocked)
        node->arg_bytes -= lease->arg_bytes;
    node->admit_due |= lease->admitted;
    lease->admitted = false;
}

/* Other arguments that are being fetched for it need not come for now. */
static void
review_missing(MobNode *node, MobLease *lease, bool leave, MobOutbox *out)
{
    for (uint32_t i = 0; i < lease->arg_count; i++) {
        MobFetch *fetch = mob_fetches_get(&node->fetches, lease->args[i].ref.id);
        if (lease->args[i].here || fetch == NULL)
            continue;
        if (leave)
            mob_fetch_remove_lease(fetch, lease);
        mob_node_review(node, fetch, out);
    }
}

void
mob_node_stall(MobNode *node, MobLease *lease, MobOutbox *out)
{
    if (!lease->stalled) {
        mob_leases_stall(&node->leases, lease, true);
        node->schedule_due = true; /* others may be promised to run here */
    }
    if (!lease->admitted)
        return;
    unpin_all(node, lease, out);
    review_missing(node, lease, false, out);
}

void
mob_node_step_back(MobNode *node, MobLease *lease, MobOutbox *out)
{
    unpin_all(node, lease, out);
    if (lease->stage == MOB_STAGE_READY)
        mob_leases_step_back(&node->leases, lease);
    else
        review_missing(node, lease, false, out);
}

void
mob_node_drop_args(MobNode *node, MobLease *lease, MobOutbox *out)
{
    unpin_all(node, lease, out);
    if (lease->stage == MOB_STAGE_FETCHING)
        review_missing(node, lease, true, out);
    for (uint32_t i = 0; i < lease->arg_count; i++) {
        lease->args[i].here = false;
        lease->args[i].bytes = 0;
    }
    lease->missing = lease->arg_count;
}
