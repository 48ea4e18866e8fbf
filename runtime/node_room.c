/* node_room.c: who has the room in the store when there is not enough for all
 * (Ray: the pull manager).
 *
 * Room is wanted in bundles. All arguments of a lease are one, because a task
 * needs them together. Each object of a get or wait is one of its own, because
 * it is handed over when it has come, and needs no room any more: so a body may
 * get more than the store holds. What is dearer comes first: values that are
 * made here, then get, then wait, then arguments; of one kind, the oldest.
 *
 * A bundle that lacks room takes it from cheaper ones, the youngest first, as
 * long as that is enough in the end: values and gets from arguments and waits,
 * waits from arguments, arguments from those of younger leases. What had come
 * for these is given back, and their leases step back, even if everything was
 * there; they never lose what a task works with. Gets take nothing from gets:
 * those that are on their way come to an end by themselves.
 *
 * So whatever may be taken is taken for something that then fits. The dearest
 * bundle of all loses nothing to anybody, and moves as soon as what tasks work
 * with and what is nowhere else leaves room for it: somebody always moves.
 */
#include "runtime/node_parts.h"

MobClaim
mob_node_claim_of(const MobFetch *fetch)
{
    MobClaim claim = {mob_fetch_wish(fetch), UINT64_MAX};

    for (uint32_t i = 0; claim.wish == MOB_WISH_ARGS && i < fetch->leases->len; i++) {
        const MobLease *lease = g_ptr_array_index(fetch->leases, i);
        if (lease->admitted)
            claim.order = MIN(claim.order, lease->order);
    }
    if (claim.wish != MOB_WISH_ARGS)
        claim.order = fetch->order;
    return claim;
}

/* --- what could be taken --- */

/* Whether the arguments of @lease give way. */
static bool
gives_way(const MobLease *lease, MobClaim claim)
{
    bool holds =
        lease->admitted && (lease->stage == MOB_STAGE_FETCHING || lease->stage == MOB_STAGE_READY);

    return holds && (claim.wish < MOB_WISH_ARGS || lease->order > claim.order);
}

/* Whether what has come for @fetch gives way: everybody who wants it does. */
static bool
fetch_gives_way(const MobFetch *fetch, MobClaim claim)
{
    MobWish wish = mob_fetch_wish(fetch);

    if (!mob_fetch_holds_room(fetch) || wish == MOB_WISH_GET)
        return false;
    if (wish == MOB_WISH_WAIT)
        return claim.wish == MOB_WISH_GET;
    for (uint32_t i = 0; i < fetch->leases->len; i++) {
        const MobLease *lease = g_ptr_array_index(fetch->leases, i);
        if (lease->admitted && !gives_way(lease, claim))
            return false;
    }
    return true;
}

/* Copies of which nobody but those leases keeps a hold. */
static uint64_t
bytes_of_lease(const MobNode *node, const MobLease *lease, bool count)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < lease->arg_count; i++) {
        if (!lease->args[i].pinned)
            continue;
        MobCopy *copy = mob_store_get(&node->store, lease->args[i].ref.id);
        if (count) {
            copy->yields++;
            continue;
        }
        if (copy->yields == copy->pins && mob_store_goes_idle(copy))
            bytes += copy->size;
        copy->yields = 0; /* counted once, and clean for the next */
    }
    return bytes;
}

static uint64_t
sum_leases(const MobNode *node, MobClaim claim, bool count)
{
    const MobLease *lease;
    uint64_t bytes = 0;
    size_t at = 0;

    while ((lease = mob_table_next(node->leases.by_id, &at)) != NULL)
        if (gives_way(lease, claim))
            bytes += bytes_of_lease(node, lease, count);
    return bytes;
}

/* What could be taken from others, all together. */
static uint64_t
takeable(const MobNode *node, MobClaim claim)
{
    const MobFetch *fetch;
    uint64_t bytes = 0;
    size_t at = 0;

    while ((fetch = mob_table_next(node->fetches.rows, &at)) != NULL)
        bytes += fetch_gives_way(fetch, claim) ? fetch->size : 0;
    sum_leases(node, claim, true);
    return bytes + sum_leases(node, claim, false);
}

/* --- taking it --- */

static MobLease *
youngest_lease(const MobNode *node, MobClaim claim)
{
    MobLease *youngest = NULL;
    MobLease *lease;
    size_t at = 0;

    while ((lease = mob_table_next(node->leases.by_id, &at)) != NULL)
        if (gives_way(lease, claim) && (youngest == NULL || lease->order > youngest->order))
            youngest = lease;
    return youngest;
}

static MobFetch *
youngest_wait(const MobNode *node, MobClaim claim)
{
    MobFetch *youngest = NULL;
    MobFetch *fetch;
    size_t at = 0;

    while ((fetch = mob_table_next(node->fetches.rows, &at)) != NULL)
        if (fetch->turn == MOB_WISH_WAIT && fetch_gives_way(fetch, claim) &&
            (youngest == NULL || fetch->order > youngest->order))
            youngest = fetch;
    return youngest;
}

bool
mob_node_claim_room(MobNode *node, MobClaim claim, uint64_t size, MobTime now, MobOutbox *out)
{
    MobLease *lease;
    MobFetch *fetch;

    if (mob_store_has_room(&node->store, size))
        return true;
    if (claim.wish == MOB_WISH_NONE ||
        !mob_store_has_room(&node->store, size - MIN(size, takeable(node, claim))))
        return false;
    while (!mob_store_has_room(&node->store, size) && (lease = youngest_lease(node, claim)) != NULL)
        mob_node_step_back(node, lease, out);
    while (!mob_store_has_room(&node->store, size) && (fetch = youngest_wait(node, claim)) != NULL)
        mob_node_wait_for_room(node, fetch, now, out);
    return mob_store_has_room(&node->store, size);
}

/* --- whose turn it is --- */

/* What comes at present. */
static uint64_t
coming(const MobNode *node)
{
    const MobFetch *fetch;
    uint64_t bytes = 0;
    size_t at = 0;

    while ((fetch = mob_table_next(node->fetches.rows, &at)) != NULL)
        bytes += mob_fetch_holds_room(fetch) ? fetch->size : 0;
    return bytes;
}

bool
mob_node_is_its_turn(const MobNode *node, const MobFetch *fetch)
{
    const MobFetch *first = mob_fetches_next_queued(&node->fetches);

    if (first == NULL || first == fetch || mob_fetch_wish(first) > mob_fetch_wish(fetch) ||
        mob_fetch_wish(fetch) == MOB_WISH_ARGS || first->order > fetch->order)
        return true;
    /* If it only waits for what comes at present, others must not come for ever. If it
     * waits for a task to end, that one may need just this. */
    return first->size > node->store.capacity - mob_store_pinned(&node->store) + coming(node);
}

bool
mob_node_may_have_room(const MobNode *node, uint64_t size)
{
    bool spills = node->config->max_spills > 0 && node->spills.failures == 0;
    uint64_t later = spills ? node->store.spillable.bytes + node->spills.writing_bytes : 0;

    return mob_store_has_room(&node->store, size - MIN(size, later));
}

bool
mob_node_dearer_waits(const MobNode *node)
{
    const MobFetch *first = mob_fetches_next_queued(&node->fetches);

    return node->creates.length > 0 || (first != NULL && mob_fetch_wish(first) < MOB_WISH_ARGS);
}
