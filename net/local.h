/* local.h: a cluster of real processes on this machine, behind control.h: the
 * twin of sim/world.h.
 *
 * Every machine of it is a daemon with children of its own; killing one kills
 * them all. Everything it leaves (sockets, logs, the GCS's journal) is in one
 * folder, which goes when the cluster is freed; if whoever made it dies, so
 * does the cluster.
 */
#pragma once

#include "runtime/control.h"

typedef struct MobLocal MobLocal;

typedef struct {
    MobConfig config;
    uint64_t seed;
    uint32_t pace;              /* real nanoseconds to one of the cluster's, see clock.h */
    const char *command;        /* the file to start daemons from; borrowed */
    const MobMachine *machines; /* borrowed during the call; the head first */
    size_t machine_count;
    bool messages; /* somebody may ask for every message */
    /* How machines talk to each other: NULL: by sockets of Unix; "tcp", "tls": over
     * loopback, each with a folder of its own; "tls:SPACE@HOST,…": each in a
     * network namespace of its own, where it has that address. Borrowed during the call. */
    const char *wire;
} MobLocalOptions;

/* Returns a cluster of which nothing runs yet, so that watchers may be added;
 * NULL with an error. */
MobLocal *mob_local_new(const MobLocalOptions *options, GError **error);
/* Starts the daemons and waits until the head answers. */
bool mob_local_begin(MobLocal *local, GError **error);
void mob_local_free(MobLocal *local);

MobControl *mob_local_control(MobLocal *local); /* borrowed */
