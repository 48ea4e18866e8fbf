/* node_parts.h: the state of a node manager, and what its parts ask of each
 * other. Internal to node*.c.
 *
 *     node.c          dispatch
 *     node_look.c     what is looked at from outside
 *     node_members.c  the GCS, the other nodes, who is dead
 *     node_workers.c  worker processes
 *     node_leases.c   lease requests
 *     node_args.c     arguments of leases
 *     node_objects.c  the store, and those who ask for objects
 *     node_fetch.c    objects from other nodes: whom to ask for them, and when
 *     node_pieces.c   objects that travel, piece by piece
 *     node_room.c     whose turn it is when the store has no room for all
 *     node_spill.c    objects on disk
 *
 * Whatever makes something else possible (room in the store, room for
 * arguments, resources) only says so in a flag; at the end of a step
 * mob_node_settle() looks after all of it, so no part calls back another.
 */
#pragma once

#include "runtime/cluster.h"
#include "runtime/leases.h"
#include "runtime/lost.h"
#include "runtime/node.h"
#include "runtime/policy.h"
#include "runtime/pull.h"
#include "runtime/push.h"
#include "runtime/spill.h"
#include "runtime/store.h"
#include "runtime/workers.h"

enum {
    MOB_NODE_CAUSES_MAX = 4096, /* why workers died */
    MOB_NODE_DEATHS_MAX = 1024, /* what a new worker is told of */
};

/* A value that waits for room. */
typedef struct {
    MobRef ref;      /* owned */
    MobValue *value; /* owned */
    MobAddress worker;
    MobTime since;
} MobCreate;

typedef struct {
    MobProcess base;
    const MobConfig *config;
    MobNodeId self;
    MobAddress gcs;
    MobStr *name; /* owned */
    uint32_t cores;
    bool head;
    bool gone; /* it has exited: nothing is done any more */
    bool draining;

    /* the GCS */
    bool registered;     /* and the connection has held since */
    bool ask_gcs;        /* register at the next TIMER_REGISTER */
    MobTime known_at;    /* when the GCS first answered; 0: not yet */
    MobTime joined_at;   /* when it last heard of a node that joined */
    MobTime lost_gcs_at; /* MOB_TIME_NEVER: it is there */
    MobTime reported_at;
    bool follows;          /* owners are here: it needs to know who is there and has what */
    bool report_due;       /* even if the resources are as reported */
    MobResources reported; /* what the GCS was told last */
    MobTable *untold;      /* worker -> MobMsg (WorkerDied), owned: until the GCS says it itself */
    GPtrArray *deaths;     /* of MobMsg (WorkerDied), owned: for workers that come later */
    MobRecent *spread;     /* workers whose death was passed on */
    MobMsg *welcome;       /* owned; WorkerRegistered for all that start now */

    /* parts */
    MobCluster cluster;
    MobPolicy policy;
    MobLeases leases;
    MobWorkers workers;
    MobRecent *causes; /* worker -> why it died */
    MobStore store;
    GQueue creates;        /* of MobCreate, owned */
    uint64_t create_bytes; /* of all of them */
    MobSpills spills;
    uint64_t spill_above; /* bytes that stay in memory, from which on copies are spilled */
    MobTime progress_at;  /* when anything last happened that makes room in the end */
    MobFetches fetches;
    MobPushes pushes;
    GArray *movers;     /* of MobAddress: owners with moves to be told */
    uint64_t arg_bytes; /* of admitted leases, but for the blocked ones */
    MobTime room_at;    /* when something in the store last went or became free to go */

    /* what has become possible in this step */
    bool room_due; /* somebody else may have the room; see also store.roomier */
    bool admit_due;
    bool schedule_due;
    bool reclaiming; /* some owners were asked to give leases back */

    MobTime alarms[MOB_TIMER_COUNT]; /* as they are set; MOB_TIME_NEVER: not */
} MobNode;

/* Why a copy goes. */
typedef enum {
    MOB_DROP_ROOM,  /* it makes room */
    MOB_DROP_FAULT, /* a fault took it */
    MOB_DROP_FREED, /* its owner has freed it */
    MOB_DROP_OWNER_DIED,
    MOB_DROP_FILE_LOST,  /* it was on disk alone, and cannot be read any more */
    MOB_DROP_UNFINISHED, /* it was not sealed */
} MobDrop;

typedef void (*MobNodeHandler)(MobNode *node, const MobInput *in, MobOutbox *out);

/* --- node.c and node_look.c --- */

void mob_node_dump(const MobProcess *self, GString *into);
/* Sees to it that @timer fires at @at or before. */
void mob_node_wake(MobNode *node, MobTimer timer, MobTime at, MobOutbox *out);
void mob_node_still(MobNode *node, MobTimer timer, MobOutbox *out);
/* Returns (transfer full) an error value. @spec may be NULL; @message is one
 * sentence without a period. */
MobValue *mob_node_fault(const MobNode *node, MobFaultKind kind, const char *message,
                         const MobTaskSpec *spec, const char *code, MobTime now);

/* --- node_members.c --- */

/* Returns (transfer full) the error for an object whose owner is known to be dead. */
MobValue *mob_node_owner_died(const MobNode *node, const MobRef *ref, MobTime now);
void mob_node_on_start(MobNode *node, const MobInput *in, MobOutbox *out);
void mob_node_on_node_registered(MobNode *node, const MobInput *in, MobOutbox *out);
void mob_node_on_resource_view(MobNode *node, const MobInput *in, MobOutbox *out);
void mob_node_on_node_changed(MobNode *node, const MobInput *in, MobOutbox *out);
void mob_node_on_gcs_restarted(MobNode *node, const MobInput *in, MobOutbox *out);
void mob_node_on_health_check(MobNode *node, const MobInput *in, MobOutbox *out);
void mob_node_on_fence(MobNode *node, const MobInput *in, MobOutbox *out);
void mob_node_on_worker_died(MobNode *node, const MobInput *in, MobOutbox *out);
void mob_node_on_job_finished(MobNode *node, const MobInput *in, MobOutbox *out);
void mob_node_on_leave(MobNode *node, const MobInput *in, MobOutbox *out);
void mob_node_on_register_timer(MobNode *node, const MobInput *in, MobOutbox *out);
void mob_node_lost_gcs(MobNode *node, const MobInput *in, MobOutbox *out);
/* A worker of this machine has died. */
void mob_node_announce_death(MobNode *node, MobAddress worker, MobStr *reason, const MobInput *in,
                             MobOutbox *out);
/* Reports, and leaves, if it is time. */
void mob_node_report(MobNode *node, const MobInput *in, MobOutbox *out);
/* Asks the GCS for the resource view, from now on. */
void mob_node_follow(MobNode *node);
void mob_node_leave_if_done(MobNode *node, MobOutbox *out);

/* --- node_workers.c --- */

/* The GCS has answered for the first time: so have those that came before. */
void mob_node_welcome_early(MobNode *node, MobOutbox *out);
/* Tells the workers anew which nodes there are. */
void mob_node_call_roll(MobNode *node, MobOutbox *out);
void mob_node_on_register_worker(MobNode *node, const MobInput *in, MobOutbox *out);
void mob_node_on_exit_refused(MobNode *node, const MobInput *in, MobOutbox *out);
void mob_node_on_worker_blocked(MobNode *node, const MobInput *in, MobOutbox *out);
void mob_node_on_child(MobNode *node, const MobInput *in, MobOutbox *out);
void mob_node_on_worker_start_timer(MobNode *node, const MobInput *in, MobOutbox *out);
void mob_node_on_idle_workers_timer(MobNode *node, const MobInput *in, MobOutbox *out);
void mob_node_on_ask_failure_cause(MobNode *node, const MobInput *in, MobOutbox *out);
/* Sends @msg on to every registered worker and driver. */
void mob_node_pass_on(MobNode *node, const MobMsg *msg, MobOutbox *out);
/* The own process of the worker is ended; @reason is static. */
void mob_node_kill_worker(MobNode *node, MobLocalWorker *worker, const char *reason,
                          MobOutbox *out);
void mob_node_kill_all(MobNode *node, const char *reason, MobOutbox *out);
/* The lease of @worker is over. */
void mob_node_free_worker(MobNode *node, MobLocalWorker *worker, const MobInput *in,
                          MobOutbox *out);
/* Gives workers to the leases that have resources, and starts more. */
void mob_node_staff(MobNode *node, const MobInput *in, MobOutbox *out);
/* Asks again what broke, after the delay. */
void mob_node_refresh_workers(MobNode *node, MobOutbox *out);

/* --- node_leases.c --- */

void mob_node_on_request_lease(MobNode *node, const MobInput *in, MobOutbox *out);
void mob_node_on_return_lease(MobNode *node, const MobInput *in, MobOutbox *out);
void mob_node_on_cancel_lease(MobNode *node, const MobInput *in, MobOutbox *out);
/* Grants, spills and refuses what can be decided now. */
void mob_node_schedule(MobNode *node, const MobInput *in, MobOutbox *out);
/* @lease has a worker now. */
void mob_node_grant(MobNode *node, MobLease *lease, MobOutbox *out);
/* @lease is over, in whatever stage; @reason is static. */
void mob_node_end_lease(MobNode *node, MobLease *lease, const char *reason, MobOutbox *out);
/* @lease cannot be granted, for good; takes @fault. */
void mob_node_refuse_lease(MobNode *node, MobLease *lease, MobValue *fault, MobOutbox *out);
/* Leases of dead owners go, and the workers with them. */
void mob_node_end_dead_leases(MobNode *node, MobOutbox *out);
/* Requests that hold nothing yet are placed anew, because this node drains. */
void mob_node_turn_away(MobNode *node, MobOutbox *out);

/* --- node_args.c --- */

/* Looks where the arguments of @lease are, which is FETCHING now. */
void mob_node_find_args(MobNode *node, MobLease *lease, const MobInput *in, MobOutbox *out);
/* What @lease waited for is here: @copy, or NULL for an error or small value. */
void mob_node_arg_here(MobNode *node, MobLease *lease, MobObjectId object, MobCopy *copy,
                       MobOutbox *out);
/* Lets leases take room for arguments, oldest first. */
void mob_node_admit(MobNode *node, const MobInput *in, MobOutbox *out);
/* An argument of @lease, which is FETCHING, is nowhere: others may go first. */
void mob_node_stall(MobNode *node, MobLease *lease, MobOutbox *out);
/* Gives back what @lease, which has no resources yet, has of its arguments: it
 * waits to be admitted again. */
void mob_node_step_back(MobNode *node, MobLease *lease, MobOutbox *out);
/* @lease is over: its arguments are not needed any more. */
void mob_node_drop_args(MobNode *node, MobLease *lease, MobOutbox *out);

/* --- node_objects.c --- */

void mob_node_on_store_object(MobNode *node, const MobInput *in, MobOutbox *out);
void mob_node_on_get_object(MobNode *node, const MobInput *in, MobOutbox *out);
void mob_node_on_cancel_get(MobNode *node, const MobInput *in, MobOutbox *out);
void mob_node_on_pin_object(MobNode *node, const MobInput *in, MobOutbox *out);
void mob_node_on_free_objects(MobNode *node, const MobInput *in, MobOutbox *out);
void mob_node_on_evict(MobNode *node, const MobInput *in, MobOutbox *out);
void mob_node_send_here(MobAddress worker, MobObjectId object, MobValue *value, MobOutbox *out);
/* Removes the copy, or dooms it while a lease has it pinned. */
void mob_node_drop_copy(MobNode *node, MobCopy *copy, MobDrop why, MobOutbox *out);
void mob_node_unpin(MobNode *node, MobCopy *copy, MobOutbox *out);
/* Evicts until there is room for @size, which there can be. */
void mob_node_make_room(MobNode *node, uint64_t size, MobOutbox *out);
/* The owner is to be told that a copy came or went. */
void mob_node_moved(MobNode *node, MobCopy *copy, bool here);
/* The owner of @ref believes in a copy here that there is not: word that it was
 * dropped has overtaken word that it was made, on another connection. */
void mob_node_deny(MobNode *node, const MobRef *ref);
void mob_node_tell_owners(MobNode *node, MobOutbox *out);
/* @worker has died: what it stored for its owner may be known to nobody. */
void mob_node_tell_of_orphans(MobNode *node, const MobLocalWorker *worker);
/* Creates and fetches that waited for room. */
void mob_node_use_room(MobNode *node, const MobInput *in, MobOutbox *out);
void mob_node_expire_creates(MobNode *node, const MobInput *in, MobOutbox *out);
void mob_node_drop_dead_objects(MobNode *node, MobOutbox *out);
void mob_node_resync_owners(MobNode *node, MobOutbox *out);

/* --- node_spill.c --- */

void mob_node_on_disk(MobNode *node, const MobInput *in, MobOutbox *out);
/* Writes copies to disk, if there is need. */
void mob_node_spill(MobNode *node, const MobInput *in, MobOutbox *out);
/* @copy is in a file and leaves memory. */
void mob_node_unload(MobNode *node, MobCopy *copy, MobOutbox *out);
/* Asks the disk for what is on it alone, if there is room. */
void mob_node_advance_restore(MobNode *node, MobFetch *fetch, const MobInput *in, MobOutbox *out);
/* @copy is about to go, and is in no file any more: who waits for it is to find another. */
void mob_node_leave_file(MobNode *node, MobCopy *copy, MobOutbox *out);
/* When what has waited for room since then has waited for too long. */
MobTime mob_node_grace_ends(const MobNode *node, MobTime since);
/* Whether there may be room soon, though there was no progress: then the wait begins anew. */
bool mob_node_may_get_room(MobNode *node, MobTime now);
/* What to call it that there is no room. */
MobFaultKind mob_node_no_room(const MobNode *node);

/* --- node_fetch.c --- */

void mob_node_on_locations(MobNode *node, const MobInput *in, MobOutbox *out);
void mob_node_on_pull_failed(MobNode *node, const MobInput *in, MobOutbox *out);
void mob_node_on_pull_timer(MobNode *node, const MobInput *in, MobOutbox *out);
/* The row of @ref; a new one asks the owner. */
MobFetch *mob_node_fetch(MobNode *node, const MobRef *ref, MobOutbox *out);
/* Goes on with @fetch as far as it can: the wishes, sources or room changed. */
void mob_node_advance(MobNode *node, MobFetch *fetch, const MobInput *in, MobOutbox *out);
/* It queues for room. */
void mob_node_wait_for_room(MobNode *node, MobFetch *fetch, MobTime now, MobOutbox *out);
/* It was on disk here, and is no more. */
void mob_node_look_elsewhere(MobNode *node, MobFetch *fetch, MobOutbox *out);
/* Sees to it that the waits for room end in time. */
void mob_node_arm_graces(MobNode *node, const MobInput *in, MobOutbox *out);
/* Somebody wants it less: stops or removes it if that was the last. */
void mob_node_review(MobNode *node, MobFetch *fetch, MobOutbox *out);
/* Nothing is asked for any more, and the room goes back; the row stays. */
void mob_node_stop_fetch(MobNode *node, MobFetch *fetch, MobOutbox *out);
/* It has come: everybody who waits is told, and the row goes. */
void mob_node_fetched(MobNode *node, MobFetch *fetch, MobCopy *copy, MobValue *value,
                      MobOutbox *out);
/* Makes room for a value and begins to collect it; false if there is no room now. */
bool mob_node_begin(MobNode *node, MobFetch *fetch, uint64_t size, uint64_t hash, MobTime now,
                    MobOutbox *out);
void mob_node_wait_for_room(MobNode *node, MobFetch *fetch, MobTime now, MobOutbox *out);
/* What has come is thrown away, and its room goes back. */
void mob_node_drop_unfinished(MobNode *node, MobFetch *fetch, MobOutbox *out);
/* The source of @fetch, which is ACTIVE, has failed. */
void mob_node_try_another(MobNode *node, MobFetch *fetch, const MobInput *in, MobOutbox *out);
/* Fetches that dead owners, nodes or workers are part of. */
void mob_node_drop_dead_fetches(MobNode *node, const MobInput *in, MobOutbox *out);
/* What broke with @from is asked again later; true if there is anything. */
bool mob_node_mark_broken_fetches(MobNode *node, MobAddress from);
/* A return may have been lost with a connection: the owners are asked for the
 * leases, and return those that they do not know. */
bool mob_node_doubt_leases(MobNode *node, MobAddress owner);
void mob_node_verify_leases(MobNode *node, MobOutbox *out);
void mob_node_ask_again(MobNode *node, const MobInput *in, MobOutbox *out);

/* --- node_room.c --- */

/* How dear it is that somebody gets room. */
typedef struct {
    MobWish wish;
    uint64_t order; /* the lower the dearer, of one wish */
} MobClaim;

/* Of values that are made here. */
#define MOB_CLAIM_CREATE ((MobClaim){MOB_WISH_GET, 0})

MobClaim mob_node_claim_of(const MobFetch *fetch);
/* Sees to it that there is room for @size, if it can be had: what is cheaper gives way. */
bool mob_node_claim_room(MobNode *node, MobClaim claim, uint64_t size, MobTime now, MobOutbox *out);
/* Whether @fetch, which wants room, need not wait for another that waits already. */
bool mob_node_is_its_turn(const MobNode *node, const MobFetch *fetch);
/* Whether there is room for @size, or will be when copies are spilled for it. */
bool mob_node_may_have_room(const MobNode *node, uint64_t size);
/* Whether somebody waits for room who is dearer than arguments. */
bool mob_node_dearer_waits(const MobNode *node);

/* --- node_pieces.c --- */

void mob_node_on_pull(MobNode *node, const MobInput *in, MobOutbox *out);
void mob_node_on_chunk(MobNode *node, const MobInput *in, MobOutbox *out);
void mob_node_on_chunk_received(MobNode *node, const MobInput *in, MobOutbox *out);
void mob_node_send_received(MobNodeId to, MobObjectId object, uint64_t push, uint64_t offset,
                            bool enough, MobOutbox *out);
