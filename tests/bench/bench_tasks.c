/* bench_tasks.c: empty tasks through the whole protocol: submit, leases, push,
 * reply, inlined result, references dropped.
 *
 *     bench_tasks MACHINES CORES TASKS [WINDOW [keep]]
 *
 * The driver keeps WINDOW tasks in flight. With "keep" it holds every
 * reference to the end, and what is allocated per finished task is told.
 * Prints one line of JSON.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/program.h"

int
main(int argc, char **argv)
{
    uint32_t machines = argc > 1 ? (uint32_t)atoi(argv[1]) : 10;
    uint32_t cores = argc > 2 ? (uint32_t)atoi(argv[2]) : 4;
    uint64_t tasks = argc > 3 ? (uint64_t)atoll(argv[3]) : 1000000;
    uint64_t window = argc > 4 ? (uint64_t)atoll(argv[4]) : 10000;
    g_auto(BenchProgram) program;

    bench_program_init(&program, tasks, window);
    program.keep = argc > 5;
    bench_keep_memory();
    BenchClock begun = bench_now();
    g_autoptr(MobWorld) world = bench_world(&(BenchCluster){
        .machines = machines, .cores = cores, .latency = MOB_TIME_NEVER, .loader = &program.base});
    bench_program_run(&program, world);
    BenchClock took = bench_since(begun);
    MobControl *control = mob_world_control(world);
    uint64_t events = control->events(control);
    printf("{\"bench\":\"%s\",\"machines\":%u,\"cores\":%u,\"tasks\":%" G_GUINT64_FORMAT
           ",\"window\":%" G_GUINT64_FORMAT ",\"wall_s\":%.3f,\"cpu_s\":%.3f,\"tasks_per_s\":%.0f"
           ",\"events\":%" G_GUINT64_FORMAT ",\"events_per_s\":%.0f,\"virtual_s\":%.6f"
           ",\"peak_kib\":%" G_GUINT64_FORMAT ",\"heap_bytes_per_task\":%.0f"
           ",\"trace\":\"%016" G_GINT64_MODIFIER "x\"}\n",
           program.keep ? "keep-tasks" : "many-tasks", machines, cores, tasks, window, took.wall,
           took.cpu, (double)tasks / took.cpu, events, (double)events / took.cpu,
           (double)(program.ended - program.begun) / 1e9, bench_peak_kib(),
           ((double)program.heap_after - (double)program.heap_before) / (double)tasks,
           control->hash(control));
    return 0;
}
