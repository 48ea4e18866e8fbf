/* spread.c: see spread.h. */
#include "runtime/spread.h"

MobSpread *
mob_spread_new(void)
{
    MobSpread *spread = g_new0(MobSpread, 1);

    spread->nodes = g_array_new(FALSE, FALSE, sizeof(MobSpreadNode));
    return spread;
}

void
mob_spread_free(MobSpread *spread)
{
    if (spread == NULL)
        return;
    g_array_unref(spread->nodes);
    g_free(spread);
}

MobSpreadNode *
mob_spread_find(const MobSpread *spread, MobNodeId node)
{
    for (guint i = 0; node.v != 0 && i < spread->nodes->len; i++) {
        MobSpreadNode *known = &g_array_index(spread->nodes, MobSpreadNode, i);
        if (known->node.v == node.v)
            return known;
    }
    return NULL;
}

static MobSpreadNode *
find_or_add(MobSpread *spread, MobNodeId node)
{
    MobSpreadNode *known = mob_spread_find(spread, node);
    MobSpreadNode fresh = {.node = node};

    if (known != NULL)
        return known;
    g_array_append_val(spread->nodes, fresh);
    return &g_array_index(spread->nodes, MobSpreadNode, spread->nodes->len - 1);
}

void
mob_spread_unassign(MobSpread *spread, MobSpreadNode *follower)
{
    MobSpreadNode *source = mob_spread_find(spread, follower->source);

    follower->source = (MobNodeId){0};
    if (source == NULL)
        return;
    g_assert(source->feeds > 0);
    source->feeds--;
}

/* Nobody is told any more to ask @node. */
static void
disown(MobSpread *spread, MobNodeId node)
{
    for (guint i = 0; i < spread->nodes->len; i++) {
        MobSpreadNode *known = &g_array_index(spread->nodes, MobSpreadNode, i);
        if (known->source.v == node.v)
            mob_spread_unassign(spread, known);
    }
}

void
mob_spread_set_here(MobSpread *spread, MobNodeId node, bool here)
{
    MobSpreadNode *known = find_or_add(spread, node);

    known->here = here;
    if (!here && known->rank == 0)
        disown(spread, node);
}

MobSpreadNode *
mob_spread_follow(MobSpread *spread, MobNodeId node, uint64_t rank)
{
    MobSpreadNode *known = find_or_add(spread, node);

    if (known->rank == 0) {
        known->rank = rank;
        known->refuses = false;
        spread->followers++;
    }
    return known;
}

void
mob_spread_leave(MobSpread *spread, MobNodeId node, bool has)
{
    MobSpreadNode *known = mob_spread_find(spread, node);

    if (known == NULL || known->rank == 0)
        return;
    known->rank = 0;
    spread->followers--;
    mob_spread_unassign(spread, known);
    if (!has && !known->here)
        disown(spread, node);
}

void
mob_spread_drop(MobSpread *spread, MobNodeId node)
{
    MobSpreadNode *known = mob_spread_find(spread, node);

    if (known == NULL)
        return;
    known->here = false;
    mob_spread_leave(spread, node, false);
    disown(spread, node);
}

/* Whether it hands on to @follower what comes to it. */
static bool
may_hand_on(const MobSpreadNode *node, const MobSpreadNode *follower)
{
    return node->rank != 0 && node->rank < follower->rank && node->source.v != 0 && !node->refuses;
}

bool
mob_spread_is_fed(const MobSpread *spread, const MobSpreadNode *follower)
{
    const MobSpreadNode *source = mob_spread_find(spread, follower->source);

    if (source == NULL)
        return false;
    /* Who wants none any more and is still kept has just got it whole. */
    return source->here || source->rank == 0 ||
           (source->rank < follower->rank && source->source.v != 0);
}

/* In times that a piece takes on the wire: the whole object from a node that
 * has so many others to feed, behind the first piece's way to that node. */
static uint64_t
cost_of(const MobSpreadNode *source, uint64_t pieces)
{
    return pieces * (source->feeds + 1) + (source->here ? 0 : source->depth);
}

typedef struct {
    bool crowded;
    uint64_t cost;
    uint32_t count; /* of those that are as good */
} Best;

/* Counts those that are as good as the best, or finds the one at @pick. */
static MobSpreadNode *
look(const MobSpread *spread, const MobSpreadNode *follower, const MobSpreadWish *wish, Best *best,
     uint64_t pick)
{
    uint32_t seen = 0;

    for (guint i = 0; i < spread->nodes->len; i++) {
        MobSpreadNode *node = &g_array_index(spread->nodes, MobSpreadNode, i);
        uint64_t cost = cost_of(node, wish->pieces);
        bool crowded = node->feeds >= wish->most;
        if (node == follower || node->node.v == wish->failed.v ||
            !(node->here || may_hand_on(node, follower)))
            continue;
        if (pick == UINT64_MAX && (best->count == 0 || crowded < best->crowded ||
                                   (crowded == best->crowded && cost < best->cost)))
            *best = (Best){crowded, cost, 0};
        if (crowded != best->crowded || cost != best->cost)
            continue;
        if (seen++ == pick)
            return node;
        best->count += pick == UINT64_MAX;
    }
    return NULL;
}

void
mob_spread_assign(MobSpread *spread, MobSpreadNode *follower, const MobSpreadWish *wish)
{
    Best best = {0};

    mob_spread_unassign(spread, follower);
    look(spread, follower, wish, &best, UINT64_MAX);
    if (best.count == 0)
        return;
    uint64_t pick =
        best.count == 1 ? 0 : mob_pick(wish->picks, MOB_PICK_SOURCE, wish->key, best.count, 0);
    MobSpreadNode *source = look(spread, follower, wish, &best, pick);
    follower->source = source->node;
    follower->depth = source->here ? 1 : source->depth + 1;
    source->feeds++;
}
