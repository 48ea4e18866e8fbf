/* program.h: the program that the benchmarks of the whole protocol run.
 *
 * main keeps a window of tasks submitted, gets the oldest when it is full, and
 * drops each reference, or keeps all of them. A task takes its argument, if
 * there is one, computes for a while, if it is told to, and returns. Bodies
 * are plain C.
 */
#pragma once

#include "tests/bench/bench.h"

typedef struct {
    MobLoader base;
    uint64_t tasks;
    uint64_t window; /* submitted and not got yet, at most */
    bool keep;       /* every reference until the end */
    MobTime work;    /* that each task computes */
    MobValue *load;  /* what each takes and returns; NULL: nothing, and nil */
    MobStr *function;
    MobStr *bundle;
    /* What main saw. */
    MobTime begun;
    MobTime ended;
    uint64_t heap_before;
    uint64_t heap_after; /* all tasks are done, nothing is dropped yet */
} BenchProgram;

void bench_program_init(BenchProgram *program, uint64_t tasks, uint64_t window);
void bench_program_clear(BenchProgram *program);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BenchProgram, bench_program_clear)

/* Runs the program to its end; aborts if it fails. */
void bench_program_run(BenchProgram *program, MobWorld *world);
