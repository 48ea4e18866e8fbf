/* check_nodes.c: node managers: what they have granted, what they hold, and
 * that nobody waits there for what is free.
 */
#include "sim/check_parts.h"

/* --- resources and leases --- */

static int64_t
custom_amount(const MobResources *resources, const MobStr *name)
{
    for (uint32_t i = 0; resources->customs != NULL && i < resources->customs->count; i++)
        if (mob_str_eq(resources->customs->items[i].name, name))
            return resources->customs->items[i].amount;
    return 0;
}

/* Of the @nth custom resource of the node, what leases hold. */
static int64_t
custom_held(const MobProcess *node, const MobStr *name)
{
    size_t at = 0;
    MobLeaseInfo lease;
    int64_t held = 0;

    while (mob_node_next_lease(node, &at, &lease))
        held += lease.holds ? custom_amount(&lease.needs, name) : 0;
    return held;
}

static void
check_customs(MobCheck *check, const MobProcess *node, const MobNodeStats *stats)
{
    const MobCustoms *customs = stats->total.customs;

    for (uint32_t i = 0; customs != NULL && i < customs->count; i++) {
        const MobCustom *has = &customs->items[i];
        int64_t held = custom_held(node, has->name);
        int64_t available = custom_amount(&stats->available, has->name);
        if (held + available == has->amount && available >= 0)
            continue;
        mob_check_fail(check, "I24", "no over-allocation",
                       "%s has %" G_GINT64_FORMAT " of %s, %" G_GINT64_FORMAT
                       " are held and %" G_GINT64_FORMAT " available (in 1/10000)",
                       mob_check_process_name(check, node->address), has->amount,
                       mob_str(has->name), held, available);
    }
}

static void
check_amounts(MobCheck *check, const MobProcess *node, const MobNodeStats *stats,
              const MobResources *held)
{
    if (held->cpu + stats->available.cpu != stats->total.cpu)
        mob_check_fail(check, "I24", "no over-allocation",
                       "%s has %" G_GINT64_FORMAT " of CPU, %" G_GINT64_FORMAT
                       " are held and %" G_GINT64_FORMAT " available (in 1/10000)",
                       mob_check_process_name(check, node->address), stats->total.cpu, held->cpu,
                       stats->available.cpu);
    if (held->memory + stats->available.memory != stats->total.memory ||
        stats->available.memory < 0)
        mob_check_fail(check, "I24", "no over-allocation",
                       "%s has %" G_GINT64_FORMAT " bytes of memory, %" G_GINT64_FORMAT
                       " are held and %" G_GINT64_FORMAT " available",
                       mob_check_process_name(check, node->address), stats->total.memory,
                       held->memory, stats->available.memory);
}

static bool
is_elsewhere(const MobLeaseInfo *lease, const char *name)
{
    return lease->strategy == MOB_STRATEGY_AFFINITY && lease->place != NULL &&
           g_strcmp0(mob_str(lease->place), name) != 0;
}

/* What could be granted now has been: nothing else would wake it. */
static void
check_wait(MobCheck *check, const MobProcess *node, const MobNodeStats *stats,
           const MobLeaseInfo *lease)
{
    const char *name = mob_check_process_name(check, node->address);

    if (!stats->places || !(lease->ready || lease->waits) ||
        !mob_resources_fit(&stats->available, &lease->needs))
        return;
    if (lease->waits &&
        (!mob_resources_fit(&stats->headroom, &lease->needs) || is_elsewhere(lease, name)))
        return;
    mob_check_fail(check, "I26", "no lost wake-up",
                   "a request of %s waits at %s, which has all that it asks for",
                   mob_check_process_name(check, lease->lease.owner), name);
}

static void
check_leases(MobCheck *check, const MobProcess *node, const MobNodeStats *stats)
{
    size_t at = 0;
    MobLeaseInfo lease;
    MobResources held = {0};
    g_autoptr(MobTable) workers = mob_table_new();

    while (mob_node_next_lease(node, &at, &lease)) {
        if (lease.holds) {
            held.cpu += lease.blocked ? 0 : lease.needs.cpu;
            held.memory += lease.needs.memory;
        }
        check_wait(check, node, stats, &lease);
        if (!mob_address_is(lease.worker))
            continue;
        MobKey key = mob_key_address(lease.worker);
        if (mob_table_get(workers, key) != NULL)
            mob_check_fail(check, "I28", "lease exclusivity", "%s is leased twice at the same time",
                           mob_check_process_name(check, lease.worker));
        else
            mob_table_add(workers, key, check);
    }
    check_amounts(check, node, stats, &held);
    check_customs(check, node, stats);
}

/* --- the store --- */

/* All sealed copies of an object have the same value. If it holds references, a
 * task that ran again has made it anew: its children have other identities. */
static void
check_copy(MobCheck *check, const MobProcess *node, const MobCopyInfo *copy)
{
    if (!copy->sealed)
        return;
    mob_check_moved(check, copy->object, (MobNodeId){node->address.node}, true)->primary =
        copy->primary;
    if (!mob_check_learn_value(check, copy->object, copy->owner, copy->size, copy->hash) &&
        mob_check_repeats(check) && copy->refs == 0)
        mob_check_fail(check, "I3", "replica agreement",
                       "the copy of %s on %s has another value than the one before",
                       mob_check_object_name(check, copy->object),
                       mob_check_process_name(check, node->address));
}

static bool
comes_before(const MobFetchInfo *a, const MobFetchInfo *b)
{
    return a->wish < b->wish || (a->wish == b->wish && a->order < b->order);
}

/* A get or wait does not wait for room into which something cheaper comes. */
static void
check_precedence(MobCheck *check, const MobProcess *node, const MobNodeStats *stats,
                 const MobFetchInfo *first)
{
    uint64_t room = stats->store_capacity - stats->store_pinned;
    size_t at = 0;
    MobFetchInfo fetch;

    while (mob_node_next_fetch(node, &at, &fetch))
        if (fetch.holds && fetch.wish > first->wish)
            room += fetch.size;
    if (first->size <= room)
        mob_check_fail(check, "I36", "admission",
                       "%s lets something cheaper come, and has no room for %s",
                       mob_check_process_name(check, node->address),
                       mob_check_object_name(check, first->object));
}

/* Of what waits for room, the first does not fit. */
static void
check_queue(MobCheck *check, const MobProcess *node, const MobNodeStats *stats)
{
    size_t at = 0;
    MobFetchInfo fetch;
    MobFetchInfo first = {.wish = UINT32_MAX};

    if (stats->pulls_queued == 0)
        return;
    while (mob_node_next_fetch(node, &at, &fetch))
        if (fetch.queued && comes_before(&fetch, &first))
            first = fetch;
    if (first.size <= stats->store_capacity - stats->store_pinned)
        mob_check_fail(check, "I36", "admission", "%s has room for %s, which waits for it",
                       mob_check_process_name(check, node->address),
                       mob_check_object_name(check, first.object));
    check_precedence(check, node, stats, &first);
}

static void
check_store(MobCheck *check, const MobProcess *node, const MobNodeStats *stats)
{
    size_t at = 0;
    MobCopyInfo copy;
    uint64_t used = 0;

    while (mob_node_next_copy(node, &at, &copy)) {
        used += copy.held ? copy.size : 0;
        check_copy(check, node, &copy);
        mob_check_spilled(check, node, &copy);
    }
    if (stats->store_used > stats->store_capacity)
        mob_check_fail(check, "I33", "capacity",
                       "the store of %s holds %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " bytes",
                       mob_check_process_name(check, node->address), stats->store_used,
                       stats->store_capacity);
    if (used != stats->store_used)
        mob_check_fail(check, "I33", "capacity",
                       "the store of %s counts %" G_GUINT64_FORMAT
                       " bytes and holds %" G_GUINT64_FORMAT,
                       mob_check_process_name(check, node->address), stats->store_used, used);
    check_queue(check, node, stats);
}

void
mob_check_node(MobCheck *check, const MobProcess *node)
{
    MobNodeStats stats;

    mob_node_stats(node, &stats);
    if (!mob_check_affords(check, stats.objects + stats.leases_granted + stats.leases_waiting))
        return;
    check_leases(check, node, &stats);
    check_store(check, node, &stats);
}

/* --- where leases go --- */

void
mob_check_lease_message(MobCheck *check, const MobEvent *event)
{
    const MobMsg *msg = event->input->msg;

    if (msg->type != MOB_MSG_REQUEST_LEASE)
        return;
    LeaseSeen *lease =
        mob_check_entry(check->leases, mob_key_lease(mob_request_lease(msg)->lease), sizeof *lease);
    lease->asked = event->process;
    lease->second_hop = mob_request_lease(msg)->grant_or_reject;
}

/* A node grants what it has, and what may run there. */
static void
check_grant(MobCheck *check, const MobEvent *event, const MobNote *note)
{
    const MobProcess *node = mob_check_process(check, event->process);
    const char *name = mob_check_process_name(check, event->process);
    MobNodeStats stats;

    if (node == NULL || note->spec == NULL)
        return;
    mob_node_stats(node, &stats);
    if (!mob_resources_fit(&stats.total, &note->spec->needs))
        mob_check_fail(check, "I29", "placement legality",
                       "%s grants a lease for more than it will ever have", name);
    if (note->spec->strategy == MOB_STRATEGY_AFFINITY && !note->spec->soft &&
        g_strcmp0(mob_str(note->spec->node), name) != 0)
        mob_check_fail(check, "I29", "placement legality",
                       "%s grants a lease for tasks that are to run on %s", name,
                       mob_str(note->spec->node));
}

/* Another node holds the same lease, as far as anybody can know. A request that
 * comes late, behind a broken connection, may be granted once more: its owner
 * returns it. */
static bool
is_held_elsewhere(const MobCheck *check, const LeaseSeen *lease, MobAddress node)
{
    const MobStateNode *holder =
        mob_state_node_by_id(check->state, (MobNodeId){lease->holder.node});

    return !check->network_faults && mob_address_is(lease->holder) &&
           !mob_address_eq(lease->holder, node) &&
           mob_check_process(check, lease->holder) != NULL && holder != NULL &&
           !holder->declared_dead;
}

void
mob_check_lease_note(MobCheck *check, const MobEvent *event, const MobNote *note)
{
    MobKey key = mob_key_lease(note->lease);

    if (event->role != MOB_ROLE_NODE)
        return; /* what owners believe */
    LeaseSeen *lease = mob_check_entry(check->leases, key, sizeof *lease);
    if (note->kind == MOB_NOTE_LEASE_RETURNED) {
        g_free(mob_table_take(check->leases, key));
    } else if (note->kind == MOB_NOTE_LEASE_SPILLED) {
        if (lease->second_hop && mob_address_eq(lease->asked, event->process))
            mob_check_fail(check, "I29", "one hop", "%s sends on a request that was sent on to it",
                           mob_check_process_name(check, event->process));
    } else {
        check_grant(check, event, note);
        if (is_held_elsewhere(check, lease, event->process))
            mob_check_fail(check, "I25", "task conservation", "%s grants a lease that %s holds",
                           mob_check_process_name(check, event->process),
                           mob_check_process_name(check, lease->holder));
        lease->holder = event->process;
    }
}

bool
mob_check_some_node_fits(MobCheck *check, const MobTaskSpec *spec)
{
    MobTime settled = 4 * MAX(check->config->view_period, check->config->report_period);
    size_t at = 0;
    MobProcInfo info;
    const MobProcess *process;
    MobNodeStats stats;

    while ((process = mob_world_next_process(check->world, &at, &info))) {
        const MobStateNode *node =
            mob_state_node_by_id(check->state, (MobNodeId){info.address.node});
        if (info.role != MOB_ROLE_NODE || node == NULL || node->declared_dead ||
            node->joined == 0 || node->joined_at + settled > check->state->now)
            continue;
        mob_node_stats(process, &stats);
        bool there = spec->strategy != MOB_STRATEGY_AFFINITY || spec->soft ||
                     g_strcmp0(mob_str(spec->node), info.name) == 0;
        if (stats.places && there && mob_resources_fit(&stats.total, &spec->needs))
            return true;
    }
    return false;
}
