/* node.h: the manager of one machine: leases, workers, the object store
 * (Ray: the raylet with its object manager).
 */
#pragma once

#include "runtime/process.h"

typedef struct {
    MobStr *name;         /* borrowed during the call */
    MobResources total;   /* borrowed during the call; fixed for the life of the node */
    uint64_t store_bytes; /* capacity of the object store */
    uint32_t cores;       /* how many workers may start at once */
    bool head;
    MobAddress gcs;
    MobRoom room; /* where objects that come from other machines are collected */
} MobNodeOptions;

/* @config is borrowed and outlives the process. The address's local is
 * MOB_LOCAL_NODE; workers get the locals from @first_worker on. */
MobProcess *mob_node_new(MobAddress address, const MobConfig *config, const MobNodeOptions *options,
                         uint32_t first_worker);

/* --- for checks and c.state: what is really so --- */

typedef struct {
    uint64_t store_used; /* bytes of sealed and created copies */
    uint64_t store_capacity;
    uint64_t store_pinned; /* bytes that must not be evicted */
    uint64_t disk_used;    /* bytes of files that are written */
    uint32_t files;        /* those that are being written included */
    uint32_t spilled;      /* copies that are on disk alone */
    uint32_t objects;      /* copies, unsealed and spilled ones included */
    uint32_t leases_granted;
    uint32_t leases_waiting;
    uint32_t workers;       /* registered and not known dead, drivers included */
    uint32_t pulls;         /* under way */
    uint32_t pulls_queued;  /* that wait for room */
    bool places;            /* it takes new leases, and waits for no news to do so */
    MobResources total;     /* borrowed */
    MobResources available; /* borrowed; CPU below zero after a blocked worker went on */
    MobResources headroom;  /* borrowed; total, less what is promised to leases that wait */
} MobNodeStats;

void mob_node_stats(const MobProcess *process, MobNodeStats *stats);

typedef struct {
    MobObjectId object;
    MobAddress owner;
    uint64_t size;
    uint64_t hash;
    bool sealed;   /* in memory or on disk */
    bool held;     /* counts in the store: in memory, or room is made for it */
    uint64_t file; /* that it is in; 0: none */
    bool durable;  /* and that is written */
    bool primary;
    uint32_t pins; /* by leases and reads */
    uint32_t refs; /* references in its value; UINT32_MAX: it is on disk alone, nobody can say */
} MobCopyInfo;

/* Walks the copies in the store in a fixed order; *at starts at 0. */
bool mob_node_next_copy(const MobProcess *process, size_t *at, MobCopyInfo *copy);

typedef struct {
    MobLeaseId lease;
    MobAddress worker;  /* nobody: the lease is queued */
    MobResources needs; /* borrowed */
    MobStrategy strategy;
    const MobStr *place; /* borrowed; of node affinity */
    bool waits;          /* nothing is promised yet */
    bool ready;          /* its arguments are here and pinned; it waits for resources */
    bool blocked;        /* its CPU is lent */
    bool holds;          /* the resources are taken, though a worker may still be starting */
} MobLeaseInfo;

bool mob_node_next_lease(const MobProcess *process, size_t *at, MobLeaseInfo *lease);

typedef struct {
    MobObjectId object;
    uint64_t size;     /* 0: not known */
    uint64_t received; /* bytes */
    uint32_t wish;     /* the lower the sooner; see MobWish */
    bool active;       /* a node was asked for it */
    uint64_t order;    /* since when it is wanted as it is: counts up at the node */
    bool holds;        /* it has room for what comes */
    bool queued;       /* it waits for room */
} MobFetchInfo;

/* Walks what is wanted from other nodes, oldest first. */
bool mob_node_next_fetch(const MobProcess *process, size_t *at, MobFetchInfo *fetch);
/* False if the node does not want @object. */
bool mob_node_find_fetch(const MobProcess *process, MobObjectId object, MobFetchInfo *fetch);
