/* world.h: a simulated cluster.
 *
 * The world owns the machines, the processes on them, the clock, the network,
 * the disks and the cores. It takes the next event in the order (time, tie,
 * sequence), steps one process, tells the watchers, and turns the effects into
 * later events. A world is a function of its options, the orders given to it
 * and the seed: the same ones give the same trace, byte for byte.
 *
 * mob_world_control() is how jobs, faults and time are driven; see control.h.
 */
#pragma once

#include "runtime/control.h"

typedef struct MobWorld MobWorld;

typedef struct {
    MobConfig config;
    MobPickConfig picks;        /* seed and decisions; its arrays are borrowed */
    bool encode;                /* pass every message through the codec; tests always do */
    bool shuffle;               /* order events of one instant by pick instead of by age */
    MobLoader *loader;          /* borrowed; makes the bodies */
    const MobMachine *machines; /* borrowed during the call; the head first */
    size_t machine_count;
    MobTime latency; /* MOB_TIME_NEVER: the profile's */
    MobTime jitter;
    uint64_t bps;          /* 0: the profile's */
    bool output_to_stdout; /* unused by the world itself; for whoever prints */
} MobWorldOptions;

MobWorld *mob_world_new(const MobWorldOptions *options);
void mob_world_free(MobWorld *world);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MobWorld, mob_world_free)

MobControl *mob_world_control(MobWorld *world); /* borrowed */

/* Checkpoints of the trace hash, for finding where two runs part: the hash
 * after event i * MOB_CHECKPOINT_EVENTS. */
enum {
    MOB_CHECKPOINT_EVENTS = 1024
};
const uint64_t *mob_world_checkpoints(const MobWorld *world, size_t *count);

/* --- for checks: every live process, in order of birth; *at starts at 0 --- */
const MobProcess *mob_world_next_process(const MobWorld *world, size_t *at, MobProcInfo *info);
/* Messages on the wires and events in the queue, background ones apart. */
size_t mob_world_pending(const MobWorld *world);
