/* cluster.h: what one node knows of the others, and of the dead.
 *
 * The resources of other nodes are as the GCS last published them, less what
 * this node has sent there since: so they are always somewhat wrong, and the
 * node that is asked has the last word. What was sent is forgotten after a
 * while, because a lease that came to nothing changes nothing there that would
 * be published.
 *
 * A node that does not follow the view knows of dead nodes alone; one that
 * does, of every node that there ever was, itself included. Nodes are kept for
 * ever, the living in the order of joining; of the dead workers of live nodes,
 * the newest hundred thousand. Death is final: a node or worker that was said
 * to be dead stays dead, whatever comes later.
 */
#pragma once

#include "runtime/config.h"
#include "runtime/msg.h"
#include "runtime/recent.h"

typedef struct {
    MobNodeId id;
    MobStr *name;   /* owned */
    MobStr *reason; /* owned; why it died */
    bool alive;
    bool draining;
    uint32_t score;     /* its fullest resource, 1/1000, from available */
    MobTime debited_at; /* when @available was last lowered by us; 0: it is as reported */
    MobResources total;
    MobResources reported;
    MobResources available;
} MobPeer;

typedef struct {
    MobNodeId self;
    uint32_t self_index; /* of the own peer, UINT32_MAX until the view has come */
    uint32_t alive_count;
    GArray *peers;           /* of MobPeer, in the order of joining */
    MobTable *places;        /* node -> index in peers + 1 */
    MobRecent *dead_workers; /* with the reasons */
    MobTime debts_last;      /* a debit is forgotten after so long */
    MobTime debts_due;       /* when the oldest debit is to be forgotten; MOB_TIME_NEVER: none */
} MobCluster;

typedef enum {
    MOB_PEER_SAME,
    MOB_PEER_CHANGED, /* its resources, or it drains */
    MOB_PEER_JOINED,
    MOB_PEER_DIED,
} MobPeerNews;

void mob_cluster_init(MobCluster *cluster, MobNodeId self, const MobConfig *config);
void mob_cluster_clear(MobCluster *cluster);

/* Takes in what the GCS says of one node. Of the own node's resources the node
 * itself knows better: see mob_cluster_set_self(). */
MobPeerNews mob_cluster_learn(MobCluster *cluster, const MobView *view);
void mob_cluster_set_self(MobCluster *cluster, const MobResources *available, bool draining);

/* NULL where there is no such node. */
MobPeer *mob_cluster_peer(const MobCluster *cluster, MobNodeId node);
/* The newest live node of that name; NULL where there is none. */
MobPeer *mob_cluster_peer_by_name(const MobCluster *cluster, const MobStr *name);

static inline MobPeer *
mob_cluster_peer_at(const MobCluster *cluster, uint32_t index)
{
    return &g_array_index(cluster->peers, MobPeer, index);
}

/* Notes that a lease for @needs was sent to @node. */
void mob_cluster_debit(MobCluster *cluster, MobNodeId node, const MobResources *needs, MobTime now);
/* Forgets the debits that are too old; true if there were any. */
bool mob_cluster_settle(MobCluster *cluster, MobTime now);

/* False if the worker was known to be dead. */
bool mob_cluster_bury(MobCluster *cluster, MobAddress worker, MobStr *reason);
bool mob_cluster_is_dead_node(const MobCluster *cluster, MobNodeId node);
/* Whether the process is known to have died, alone or with its node. */
bool mob_cluster_is_dead(const MobCluster *cluster, MobAddress process);

/* How full a machine is by its fullest resource, 1/1000. */
uint32_t mob_cluster_fullness(const MobResources *total, const MobResources *available);

/* Fills @views with what is known of every node, (transfer full). */
void mob_cluster_views(const MobCluster *cluster, MobViews *views);
