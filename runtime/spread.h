/* spread.h: how one object gets to many nodes, as its owner arranges it (after
 * Hoplite, which does this for Ray).
 *
 * The owner knows which nodes have a copy and which want one. It tells each of
 * these one source: a node that has a copy, or one that collects it and hands
 * on the pieces as they come. Large objects go from node to node in a chain,
 * in which every network card sends and receives once; small ones in a tree,
 * because a long chain of single pieces would be slow.
 *
 * What always holds: whoever is told to ask a node without a copy has a higher
 * rank than that node. Ranks count up as nodes begin to follow, and a node that
 * gives up and comes back gets a new one, so they only grow. Hence nodes that
 * wait for each other's pieces never form a circle: the one of the lowest rank
 * waits for a copy. Nodes check the rank themselves (node_fetch.c), since what
 * they were told may be old by then.
 */
#pragma once

#include "runtime/pick.h"

typedef struct {
    MobNodeId node;
    MobNodeId source; /* it was told to ask this one; 0: nobody in particular */
    uint64_t rank;    /* since when it wants a copy; 0: it does not */
    uint32_t depth;   /* so many nodes without a copy stood between it and one */
    uint32_t feeds;   /* so many were told to ask it */
    bool here;        /* it has a copy */
    bool refuses;     /* it did not hand on pieces when it was asked */
} MobSpreadNode;

typedef struct {
    GArray *nodes; /* of MobSpreadNode: whoever had or wanted a copy since the first wish */
    uint32_t followers;
} MobSpread;

/* What one assignment depends on. */
typedef struct {
    uint64_t pieces;  /* of the object */
    uint32_t most;    /* a node feeds so many at most, as long as there is another */
    MobNodeId failed; /* this one failed it; 0: none did */
    MobPicks *picks;
    uint64_t key; /* of the object, for the picks */
} MobSpreadWish;

MobSpread *mob_spread_new(void);
void mob_spread_free(MobSpread *spread);

/* NULL if nothing is known of it. Valid until another is added. */
MobSpreadNode *mob_spread_find(const MobSpread *spread, MobNodeId node);
void mob_spread_set_here(MobSpread *spread, MobNodeId node, bool here);
/* @node wants a copy, with @rank if it did not before. */
MobSpreadNode *mob_spread_follow(MobSpread *spread, MobNodeId node, uint64_t rank);
/* @node wants none any more. If it @has one, a report of that is to come, and
 * those that it feeds stay with it. */
void mob_spread_leave(MobSpread *spread, MobNodeId node, bool has);
/* It is dead. */
void mob_spread_drop(MobSpread *spread, MobNodeId node);
/* Whether what @follower was told is still good. */
bool mob_spread_is_fed(const MobSpread *spread, const MobSpreadNode *follower);
/* Finds a source for @follower; none if there is no copy. */
void mob_spread_assign(MobSpread *spread, MobSpreadNode *follower, const MobSpreadWish *wish);
void mob_spread_unassign(MobSpread *spread, MobSpreadNode *follower);
