/* observe.h: the observer of a cluster that stays: it knows what is true there,
 * answers clients, and starts and ends their jobs.
 *
 * It lives in the process that made the cluster. What has ended is kept up to
 * a bound, so it may run for ever.
 */
#pragma once

#include "cli/rows.h"
#include "net/local.h"

enum {
    MOB_OBSERVE_KEEP = 100 * 1000, /* unless another number is given */
};

typedef struct {
    const char *name; /* of the cluster, for people */
    const char *version;
    const char *socket;
    MobLocal *local;      /* borrowed, without watchers */
    size_t machine_count; /* so many have to join until it is up */
    size_t keep;          /* tasks, objects … that are over and are kept; 0: MOB_OBSERVE_KEEP */
} MobObserverOptions;

typedef struct MobObserver MobObserver;

/* Begins to look; NULL with an error if nobody can listen at the socket. */
MobObserver *mob_observer_new(const MobObserverOptions *options, GError **error);
void mob_observer_free(MobObserver *observer);

/* Waits until all machines have joined, at most @limit; false if they have not,
 * or if it is to stop. */
bool mob_observer_wait(MobObserver *observer, MobTime limit);
/* Serves until somebody asks it to stop; false if the cluster came to an end by itself. */
bool mob_observer_run(MobObserver *observer);
/* From a handler in the loop: run() returns. */
void mob_observer_stop(MobObserver *observer);
bool mob_observer_stopped(const MobObserver *observer);
