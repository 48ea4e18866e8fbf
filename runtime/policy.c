/* policy.c: see policy.h.
 *
 * A choice walks over all nodes once or twice and allocates nothing: the
 * scores are whole thousandths and are kept with the nodes, so the k-th best
 * is found by counting instead of sorting.
 */
#include "runtime/policy.h"

#include <string.h>

enum {
    SCORES = 1001
};

typedef struct {
    const MobConfig *config;
    const MobCluster *cluster;
    const MobPlaceRequest *request;
    MobPicks *picks;
    MobNodeId *target;
} Choice;

static bool
is_self(const MobCluster *cluster, const MobPeer *peer)
{
    return peer->id.v == cluster->self.v;
}

static inline bool
fits(const MobResources *have, const MobResources *want)
{
    if (want->cpu > have->cpu || want->memory > have->memory)
        return false;
    return want->customs == NULL || mob_resources_fit(have, want);
}

static bool
is_feasible(const MobPeer *peer, const MobResources *needs)
{
    return peer->alive && fits(&peer->total, needs);
}

static bool
is_available(const Choice *choice, const MobPeer *peer)
{
    if (is_self(choice->cluster, peer))
        return choice->request->local_ok;
    return peer->alive && !peer->draining && fits(&peer->available, &choice->request->spec->needs);
}

static uint32_t
score(const Choice *choice, const MobPeer *peer)
{
    return peer->score < choice->config->spread_threshold ? 0 : peer->score;
}

bool
mob_policy_packs(const MobConfig *config, const MobResources *total, const MobResources *available)
{
    return mob_cluster_fullness(total, available) < config->spread_threshold;
}

static MobPlace
go_to(const Choice *choice, const MobPeer *peer)
{
    if (is_self(choice->cluster, peer))
        return MOB_PLACE_LOCAL;
    *choice->target = peer->id;
    return MOB_PLACE_REMOTE;
}

static MobPlace
busy_or_never(const Choice *choice)
{
    for (uint32_t i = 0; i < choice->cluster->peers->len; i++)
        if (is_feasible(mob_cluster_peer_at(choice->cluster, i), &choice->request->spec->needs))
            return MOB_PLACE_BUSY;
    return MOB_PLACE_NEVER;
}

/* Returns the @rank-th (from 0) of the available nodes, best first. */
static const MobPeer *
ranked(const Choice *choice, const uint16_t *counts, uint32_t rank)
{
    uint32_t wanted = 0;

    while (rank >= counts[wanted])
        rank -= counts[wanted++];
    for (uint32_t i = 0; i < choice->cluster->peers->len; i++) {
        const MobPeer *peer = mob_cluster_peer_at(choice->cluster, i);
        if (score(choice, peer) == wanted && is_available(choice, peer) && rank-- == 0)
            return peer;
    }
    g_assert_not_reached();
}

static MobPlace
place_hybrid(const Choice *choice)
{
    const MobCluster *cluster = choice->cluster;
    const MobPeer *self = mob_cluster_peer_at(cluster, cluster->self_index);
    uint16_t counts[SCORES];
    uint32_t available = 0;
    uint32_t best = SCORES;

    if (choice->request->local_ok && score(choice, self) == 0)
        return MOB_PLACE_LOCAL; /* nothing can be better */

    memset(counts, 0, sizeof counts);
    for (uint32_t i = 0; i < cluster->peers->len; i++) {
        const MobPeer *peer = mob_cluster_peer_at(cluster, i);
        if (!is_available(choice, peer) || available == UINT16_MAX)
            continue;
        counts[score(choice, peer)]++;
        best = MIN(best, score(choice, peer));
        available++;
    }
    if (available == 0)
        return busy_or_never(choice);
    if (choice->request->local_ok && score(choice, self) <= best)
        return MOB_PLACE_LOCAL;

    uint64_t k = MAX(1, cluster->alive_count * choice->config->top_k / 1000);
    uint64_t key = mob_str_hash(choice->request->spec->path) ^ mob_mix(cluster->self.v);
    uint64_t rank = mob_pick(choice->picks, MOB_PICK_NODE, key, MIN(k, available), 0);
    return go_to(choice, ranked(choice, counts, (uint32_t)rank));
}

static MobPlace
place_spread(MobPolicy *policy, const Choice *choice)
{
    uint32_t count = choice->cluster->peers->len;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = (policy->spread_next + i) % count;
        const MobPeer *peer = mob_cluster_peer_at(choice->cluster, at);
        if (is_available(choice, peer)) {
            policy->spread_next = at + 1;
            return go_to(choice, peer);
        }
    }
    return busy_or_never(choice);
}

static MobPlace
place_affinity(const Choice *choice)
{
    const MobTaskSpec *spec = choice->request->spec;
    const MobPeer *peer = mob_cluster_peer_by_name(choice->cluster, spec->node);

    if (peer == NULL || !is_feasible(peer, &spec->needs))
        return spec->soft ? place_hybrid(choice) : MOB_PLACE_NEVER;
    if (peer->draining && spec->soft)
        return place_hybrid(choice);
    return is_available(choice, peer) ? go_to(choice, peer) : MOB_PLACE_BUSY;
}

MobPlace
mob_policy_place(MobPolicy *policy, const MobConfig *config, const MobCluster *cluster,
                 const MobPlaceRequest *request, MobPicks *picks, MobNodeId *target)
{
    Choice choice = {config, cluster, request, picks, target};

    g_assert(cluster->self_index != UINT32_MAX);
    switch ((MobStrategy)request->spec->strategy) {
    case MOB_STRATEGY_SPREAD:
        return place_spread(policy, &choice);
    case MOB_STRATEGY_AFFINITY:
        return place_affinity(&choice);
    case MOB_STRATEGY_DEFAULT:
        break;
    }
    return place_hybrid(&choice);
}

/* The amount of the first custom resource that is asked for, else the CPUs. */
static int64_t
measure(const MobResources *total, const MobResources *needs)
{
    if (needs->customs == NULL || needs->customs->count == 0)
        return needs->cpu > 0 || needs->memory == 0 ? total->cpu : total->memory;
    for (uint32_t i = 0; total->customs != NULL && i < total->customs->count; i++)
        if (mob_str_eq(total->customs->items[i].name, needs->customs->items[0].name))
            return total->customs->items[i].amount;
    return 0;
}

static const MobPeer *
largest(const MobCluster *cluster, const MobResources *needs)
{
    const MobPeer *best = NULL;

    for (uint32_t i = 0; i < cluster->peers->len; i++) {
        const MobPeer *peer = mob_cluster_peer_at(cluster, i);
        if (peer->alive &&
            (best == NULL || measure(&peer->total, needs) > measure(&best->total, needs)))
            best = peer;
    }
    return best;
}

void
mob_policy_explain_never(const MobCluster *cluster, const MobTaskSpec *spec, GString *into)
{
    bool bound = spec->strategy == MOB_STRATEGY_AFFINITY && !spec->soft;
    const MobPeer *peer =
        bound ? mob_cluster_peer_by_name(cluster, spec->node) : largest(cluster, &spec->needs);

    if (bound && peer == NULL) {
        g_string_append_printf(into, "the task may only run on %s, and no such node is alive",
                               mob_str(spec->node));
        return;
    }
    g_string_append(into, bound ? "the task may only run on " : "no node can ever satisfy ");
    if (bound)
        g_string_append_printf(into, "%s, which can never satisfy ", mob_str(spec->node));
    mob_resources_print(&spec->needs, into);
    if (peer == NULL)
        return;
    g_string_append_printf(into, bound ? ": it has " : ": the largest, %s, has ",
                           mob_str(peer->name));
    mob_resources_print(&peer->total, into);
}
