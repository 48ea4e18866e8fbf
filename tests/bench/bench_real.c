/* bench_real.c: what bench_master.c does, as real tasks through the whole
 * protocol: leases, pushes, replies, results inlined, references dropped.
 *
 *     bench_real WORKERS TASKS
 *
 * Every task takes an argument of 100 bytes, computes 1 ms on the core of its
 * machine and returns 100 bytes. WORKERS machines have one core each; the
 * driver has the head to itself and keeps two tasks per worker submitted, so
 * that a worker gets its next as soon as it is free. Prints a line of JSON.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/program.h"

enum {
    LOAD_SIZE = 98 /* 100 with the head of the CBOR item */
};

int
main(int argc, char **argv)
{
    uint32_t workers = argc > 1 ? (uint32_t)atoi(argv[1]) : 10;
    uint64_t tasks = argc > 2 ? (uint64_t)atoll(argv[2]) : 300000;
    g_auto(BenchProgram) program;

    bench_program_init(&program, tasks, 2 * (uint64_t)workers);
    program.load = bench_bytes(LOAD_SIZE);
    program.work = MOB_MS;
    g_assert(program.load->size == 100);
    bench_keep_memory();
    BenchClock begun = bench_now();
    g_autoptr(MobWorld) world = bench_world(&(BenchCluster){.machines = workers,
                                                            .cores = 1,
                                                            .idle_head = true,
                                                            .latency = 50 * MOB_US,
                                                            .bps = UINT64_C(1000000000),
                                                            .loader = &program.base});
    bench_program_run(&program, world);
    BenchClock took = bench_since(begun);
    MobControl *control = mob_world_control(world);
    printf("{\"bench\":\"real\",\"workers\":%u,\"tasks\":%" G_GUINT64_FORMAT
           ",\"virtual_s\":%.6f,\"wall_s\":%.3f,\"cpu_s\":%.3f,\"tasks_per_s\":%.0f,"
           "\"events_per_s\":%.0f,\"peak_kib\":%" G_GUINT64_FORMAT "}\n",
           workers, tasks, (double)(program.ended - program.begun) / 1e9, took.wall, took.cpu,
           (double)tasks / took.cpu, (double)control->events(control) / took.cpu, bench_peak_kib());
    return 0;
}
