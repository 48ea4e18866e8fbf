/* policy.h: which node gets a lease.
 *
 * The hybrid policy packs and then spreads (Ray: hybrid_scheduling_policy). A
 * node's score is how full its fullest resource is, but zero below the
 * threshold; the node that was asked is preferred if none is better, else one
 * of the best few is picked. Nodes of one score stand in the order of joining.
 *
 * The answer is a guess made from views that are always a little old. The
 * node that is chosen checks again.
 */
#pragma once

#include "runtime/cluster.h"
#include "runtime/pick.h"

typedef struct {
    const MobTaskSpec *spec;
    bool local_ok; /* this node could take it now */
} MobPlaceRequest;

typedef enum {
    MOB_PLACE_LOCAL,
    MOB_PLACE_REMOTE, /* a node that seems to have room */
    MOB_PLACE_BUSY,   /* those that could ever take it are full */
    MOB_PLACE_NEVER,  /* no node can ever take it */
} MobPlace;

/* What a policy remembers between two choices. */
typedef struct {
    uint32_t spread_next; /* where round robin goes on */
} MobPolicy;

/* The own entry of @cluster must be up to date; see mob_cluster_set_self().
 * @target is set for MOB_PLACE_REMOTE. */
MobPlace mob_policy_place(MobPolicy *policy, const MobConfig *config, const MobCluster *cluster,
                          const MobPlaceRequest *request, MobPicks *picks, MobNodeId *target);

/* Whether a machine is so empty that tasks are packed there, and no other is better. */
bool mob_policy_packs(const MobConfig *config, const MobResources *total,
                      const MobResources *available);

/* Appends why no node can ever take the task: what was asked for, and what the
 * largest node has. */
void mob_policy_explain_never(const MobCluster *cluster, const MobTaskSpec *spec, GString *into);
