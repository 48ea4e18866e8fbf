/* leases.h: who waits for this machine, and who holds it.
 *
 * A request goes through stages, each with its queue, oldest first:
 *
 *     WAITING   for a node that has room; nothing is promised yet
 *     FETCHING  it will run here; its arguments are on the way
 *     READY     its arguments are here and pinned; it waits for resources
 *     STARTING  it holds resources and waits for a worker
 *     HELD      it is granted
 *
 * WAITING and READY are kept apart by shape, that is by what was asked for:
 * when the first of a shape has to wait, so do all behind it, and nobody looks
 * at them. What STARTING and HELD hold, less the CPUs that blocked workers
 * lend, never exceeds the total, except by CPUs that a worker took back.
 */
#pragma once

#include "runtime/msg.h"
#include "runtime/recent.h"

typedef struct MobLease MobLease;
typedef struct MobLeaseShape MobLeaseShape;
typedef struct MobLocalWorker MobLocalWorker;

typedef enum {
    MOB_STAGE_WAITING,
    MOB_STAGE_FETCHING,
    MOB_STAGE_READY,
    MOB_STAGE_STARTING,
    MOB_STAGE_HELD,
    MOB_STAGE_COUNT,
} MobStage;

typedef struct {
    MobLease *first;
    MobLease *last;
    size_t count;
} MobLeaseList;

/* A task argument that lives in stores. */
typedef struct {
    MobRef ref;     /* owned */
    uint64_t bytes; /* pinned for the lease */
    bool here;      /* nothing needs to be fetched for it any more */
    bool pinned;
} MobLeaseArg;

struct MobLease {
    MobLeaseId id;
    MobTaskSpec *spec; /* owned */
    MobLeaseShape *shape;
    MobStage stage;
    MobLeaseList *list;
    MobLease *next;
    MobLease *before;
    uint64_t order;         /* counts up with the requests */
    MobLocalWorker *worker; /* HELD: borrowed */
    MobLeaseArg *args;      /* owned */
    uint32_t arg_count;
    uint32_t missing;   /* args that are not here */
    uint64_t arg_bytes; /* of all of them, counted against the store's share */
    bool admitted;      /* its arguments may take room in the store */
    bool stalled;       /* FETCHING: an argument is nowhere at present; it is promised nothing */
    bool blocked;       /* HELD: its CPUs are lent */
    bool one_hop;       /* it was spilled to this node: granted or rejected */
    bool near_args;     /* this node was asked because it holds the arguments */
    bool reclaimed;     /* HELD: its owner was asked to give it back */
    bool doubtful;      /* HELD: the connection to its owner broke; a return may be lost */
};

struct MobLeaseShape {
    MobKey key;
    MobResources needs;
    uint32_t strategy;
    bool soft;
    MobStr *node;
    uint32_t leases; /* in any stage */
    MobLeaseList waiting;
    MobLeaseList ready;
    uint64_t waiting_pass; /* in which its first was found to have to wait */
    uint64_t ready_pass;
};

typedef struct {
    MobTable *by_id;  /* lease -> MobLease, owned */
    MobTable *shapes; /* MobLeaseShape, owned */
    MobLeaseList fetching;
    MobLeaseList starting;
    MobLeaseList held;
    MobResources total;
    MobResources available; /* what nobody holds */
    MobResources headroom;  /* total, less what FETCHING and READY will take */
    MobRecent *closed;      /* cancelled, returned or revoked: a late request is refused */
    uint64_t orders;
    uint64_t passes;
} MobLeases;

void mob_leases_init(MobLeases *leases, const MobResources *total);
void mob_leases_clear(MobLeases *leases);

/* NULL where there is none. */
MobLease *mob_leases_get(const MobLeases *leases, MobLeaseId id);

/* Adds what @request asks for, WAITING. It must be new. */
MobLease *mob_leases_add(MobLeases *leases, const MobRequestLease *request);

/* Moves @lease to the end of a later or earlier stage's queue; resources are
 * taken and given back accordingly. */
void mob_leases_move(MobLeases *leases, MobLease *lease, MobStage stage);

/* Forgets @lease, whose resources return; a late request of it is refused. */
void mob_leases_close(MobLeases *leases, MobLease *lease);
/* Forgets @lease, which another node is to take: it may come back. */
void mob_leases_forget(MobLeases *leases, MobLease *lease);

/* A READY lease has to wait for its arguments again, in its turn: FETCHING. */
void mob_leases_step_back(MobLeases *leases, MobLease *lease);

/* A FETCHING lease waits for an argument that has to be made first (true), and
 * must not keep back the tasks that make it; or that is not so any more. */
void mob_leases_stall(MobLeases *leases, MobLease *lease, bool stalled);

/* The worker waits inside its task (true) or goes on. */
void mob_leases_lend(MobLeases *leases, MobLease *lease, bool lent);

/* Whether a request for @needs could hold resources now. */
bool mob_leases_fit(const MobLeases *leases, const MobResources *needs);
/* Whether it may be promised to run here: it would fit now, and no more is
 * promised already than the whole machine. */
bool mob_leases_may_promise(const MobLeases *leases, const MobResources *needs);

/* Begins to look at all queues; mob_leases_next() then returns, oldest first,
 * the first lease of each queue that was not set aside, of one shape those
 * that are READY before those that are WAITING. NULL at the end. */
void mob_leases_begin(MobLeases *leases);
MobLease *mob_leases_next(MobLeases *leases);
/* @lease, the first of its queue, has to wait, and all behind it. */
void mob_leases_set_aside(MobLeases *leases, MobLease *lease);

/* Requests that hold nothing yet. */
size_t mob_leases_waiting(const MobLeases *leases);

/* Whether the same idle worker would do for both at their owner. */
bool mob_lease_is_kin(const MobLease *a, const MobLease *b);
