/* workers.h: the worker processes of this machine.
 *
 * A worker is started for a lease and reused for any other: workers load
 * whatever program a task belongs to. Of the idle ones the one that idled the
 * shortest goes first, so that those which are not needed grow old and can be
 * ended. Addresses count up and are never used again.
 *
 *     STARTING -> IDLE <-> LEASED
 *                  |  \        \
 *                  EXITING      \      asked to exit; it may refuse once
 *                      \         \
 *                       `---------`--> DYING   killed; the world will say so
 *
 * Drivers are here too, because what the node hears is passed on to all. They
 * are never leased and never asked to exit.
 */
#pragma once

#include "runtime/leases.h"

typedef enum {
    MOB_WORKER_STARTING,
    MOB_WORKER_IDLE,
    MOB_WORKER_LEASED,
    MOB_WORKER_EXITING,
    MOB_WORKER_DYING,
    MOB_WORKER_DRIVER,
} MobWorkerStage;

struct MobLocalWorker {
    MobAddress address;
    MobWorkerStage stage;
    bool registered;
    bool refused;          /* to exit, since it was leased last */
    bool refresh;          /* the connection broke: tell it again what it must know */
    MobTime since;         /* STARTING: its start; IDLE: the end of its last lease */
    MobLease *lease;       /* LEASED: borrowed */
    MobAddress stored_for; /* under its last lease it has stored results of this owner */
    MobStr *reason;        /* owned; DYING: why it was killed */
    MobLocalWorker *next;  /* IDLE: in the list of idle ones, newest first */
    MobLocalWorker *before;
};

typedef struct {
    MobTable *all;          /* address -> MobLocalWorker, owned */
    MobLocalWorker *newest; /* of the idle ones */
    MobLocalWorker *oldest;
    uint32_t node;
    uint32_t next_local;
    uint32_t starting;
    uint32_t idle;
    uint32_t drivers;
    uint32_t registered; /* and not known dead */
} MobWorkers;

void mob_workers_init(MobWorkers *workers, uint32_t node, uint32_t first_local);
void mob_workers_clear(MobWorkers *workers);

/* NULL where there is none. */
MobLocalWorker *mob_workers_get(const MobWorkers *workers, MobAddress address);

/* A new worker, STARTING since @now, whose process the caller spawns. */
MobLocalWorker *mob_workers_start(MobWorkers *workers, MobTime now);
/* A driver has appeared at @address. */
MobLocalWorker *mob_workers_add_driver(MobWorkers *workers, MobAddress address);

/* A STARTING one has come, or a LEASED or EXITING one is free (again). */
void mob_workers_make_idle(MobWorkers *workers, MobLocalWorker *worker, MobTime now);
/* Gives the newest idle worker to @lease; NULL if there is none. */
MobLocalWorker *mob_workers_lease(MobWorkers *workers, MobLease *lease);
/* The oldest idle worker that did not refuse to exit; NULL if there is none. */
MobLocalWorker *mob_workers_oldest(const MobWorkers *workers);
void mob_workers_make_exiting(MobWorkers *workers, MobLocalWorker *worker);
/* It is being killed; takes @reason. The first reason stays. */
void mob_workers_make_dying(MobWorkers *workers, MobLocalWorker *worker, MobStr *reason);
/* It is gone: forgets and frees it. */
void mob_workers_remove(MobWorkers *workers, MobLocalWorker *worker);

/* The STARTING one that was started first; NULL if there is none. */
MobLocalWorker *mob_workers_longest_starting(const MobWorkers *workers);
