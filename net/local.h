/* local.h: a cluster of real processes on this machine, behind control.h: the
 * twin of sim/world.h.
 *
 * Every machine of it is a daemon with children of its own; killing one kills
 * them all. Everything it leaves (sockets, logs, the GCS's journal) is in one
 * folder, which goes when the cluster is freed; if whoever made it dies, so
 * does the cluster.
 */
#pragma once

#include <sys/types.h>

#include "net/join.h"
#include "runtime/control.h"

typedef struct MobLocal MobLocal;

typedef struct {
    MobConfig config;
    uint64_t seed;
    uint32_t pace;              /* real nanoseconds to one of the cluster's, see clock.h */
    const char *command;        /* the file to start daemons from; borrowed */
    const MobMachine *machines; /* borrowed during the call; the head first */
    size_t machine_count;
    bool stays; /* it is not over when nothing happens, and keeps little of what is over */
    /* How machines talk to each other: NULL: by sockets of Unix; "tcp", "tls": over
     * loopback, each with a folder of its own; "tls:SPACE@HOST,…": each in a
     * network namespace of its own, where it has that address. Borrowed during the call. */
    const char *wire;
    /* Where machines spill to, in a folder that goes with the cluster; NULL: where their
     * sockets are. Borrowed during the call. */
    const char *spill;
    /* How the head, then the only machine made here, listens for machines that
     * somebody else starts; NULL: it does not. Borrowed, outlives the cluster. */
    MobJoin *outside;
} MobLocalOptions;

/* The settings of a cluster that plays no textbook: today's Ray, but tasks are
 * sent ahead, small puts stay with their owner, and objects move in pieces that
 * a cache holds, as many as keep a wire busy. */
void mob_local_config(MobConfig *config);

/* Returns a cluster of which nothing runs yet, so that watchers may be added;
 * NULL with an error. */
MobLocal *mob_local_new(const MobLocalOptions *options, GError **error);
/* Starts the daemons and waits until the head answers. */
bool mob_local_begin(MobLocal *local, GError **error);
void mob_local_free(MobLocal *local);

MobControl *mob_local_control(MobLocal *local); /* borrowed */
/* What it waits with: others may wait for something there too. Borrowed. */
struct MobLoop *mob_local_loop(MobLocal *local);
/* Of the machine or process of that name; 0: there is none, or it is dead. */
pid_t mob_local_pid(const MobLocal *local, const char *name);
/* The machines, in order of first coming: those that were made here, then those that
 * joined by themselves. Borrowed, until the next one joins. */
size_t mob_local_machine_count(const MobLocal *local);
const MobMachine *mob_local_machine(const MobLocal *local, size_t index);
/* Whether the machine of that name has joined by itself. */
bool mob_local_is_far(const MobLocal *local, const char *name);
/* Where the head listens; NULL: it does not. Borrowed. */
const MobSite *mob_local_head(const MobLocal *local);
/* Makes the machine @from send something to the machine @to; when it has come
 * there, what was set is called with @number. False if either is dead. */
bool mob_local_probe(MobLocal *local, const char *from, const char *to, uint64_t number);
void mob_local_on_probe(MobLocal *local, void (*probed)(void *data, uint64_t number), void *data);
/* Where its sockets and logs are; borrowed. */
const char *mob_local_folder(const MobLocal *local);
