/* bench.h: what the benchmarks share: clocks, memory, clusters of equal
 * machines.
 *
 * Rates are per second of our process's CPU time, because a simulation is one
 * thread and a busy neighbour must not count; the wall clock is printed next
 * to it.
 */
#pragma once

#include "sim/inside.h"

typedef struct {
    double wall;
    double cpu;
} BenchClock;

BenchClock bench_now(void);
BenchClock bench_since(BenchClock begun);

/* The most memory this process ever had, in KiB. (getrusage would count what
 * its parent had.) */
uint64_t bench_peak_kib(void);
/* What is allocated at present, in bytes. */
uint64_t bench_heap(void);
/* Memory that is grown and given back all the time would cost page faults. */
void bench_keep_memory(void);

typedef struct {
    uint32_t machines; /* without the head */
    uint32_t cores;    /* of each */
    bool idle_head;    /* the head runs no tasks */
    MobTime latency;   /* MOB_TIME_NEVER: the profile's */
    uint64_t bps;      /* 0: the profile's */
    MobLoader *loader;
    const MobCast *cast; /* NULL: the real ones */
} BenchCluster;

MobWorld *bench_world(const BenchCluster *cluster);

/* @size bytes that really are there. */
MobValue *bench_bytes(size_t size);
