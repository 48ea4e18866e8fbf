/* told.h: runs that are told by hand, for whatever looks on.
 *
 * No world and no process: a test says which notes an event has and when, and
 * a state and a trace hear it as they would hear a world.
 */
#pragma once

#include "runtime/trace.h"

typedef struct {
    MobState *state;
    MobTrace *trace;
    MobWatcher *other; /* hears the same; borrowed, NULL: nobody */
    GArray *notes;     /* of the event that is being told */
    GPtrArray *owned;  /* specs, args and values in it */
    GPtrArray *specs;  /* owned, until the end */
    uint64_t number;
    MobTime now;
    uint64_t cause; /* of the next event */
} Told;

Told *told_new(void);
void told_free(Told *told);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Told, told_free)

void told_born(Told *told, MobAddress address, const char *name, MobRole role);
void told_died(Told *told, MobAddress address, const char *why);

/* Adds a note to the event; told_event() ends it. */
void told_note(Told *told, MobNote note);
void told_event(Told *told, MobTime at, MobAddress process);
/* An event that delivers @msg, which the event @cause has sent. */
void told_message(Told *told, MobTime at, MobAddress from, MobAddress to, const MobMsg *msg,
                  uint64_t cause);

/* A task of the driver, or of @parent's @parent_attempt. Borrowed. */
MobTaskSpec *told_spec(Told *told, const char *path, const char *label, MobAddress owner,
                       MobTaskId parent, uint32_t parent_attempt);
/* Borrowed until the event ends: arguments that are the first results of @tasks. */
MobArgs *told_args(Told *told, MobTaskSpec **tasks, uint32_t count);

/* Notes about a task and its first result; each is an event of its own. */
void told_submitted(Told *told, MobTime at, MobTaskSpec *spec, MobArgs *args);
void told_started(Told *told, MobTime at, MobTaskSpec *spec, uint32_t attempt, MobAddress worker);
/* @node 0: the result is inline. */
void told_finished(Told *told, MobTime at, MobTaskSpec *spec, uint32_t attempt, MobAddress worker,
                   uint32_t node, uint64_t bytes);
void told_retried(Told *told, MobTime at, MobTaskSpec *spec, uint32_t attempt);

/* n1 and n2 do not hear each other for a while; fault 1, line 9. */
void told_cut(Told *told, MobTime from, MobTime to);

/* head, n1, n2; gcs and driver on the head; two workers on each of the others. */
extern const MobAddress told_driver;
extern const MobAddress told_gcs;
extern const MobAddress told_n1_w0;
extern const MobAddress told_n2_w0;
void told_cluster(Told *told);

/* The lecture's run: T1 load, T2 parse(O1), T3 rates, T4 total(O2, O3); n1 dies
 * while T2 runs there, with the only copy of O1. */
Told *told_kill_task_2(void);
/* @rounds of 8 maps and a merge of them each; the third round is replayed. */
Told *told_map_reduce(uint32_t rounds);
/* By call: T1 calls T1/1, which calls T1/1/1; P1 is put by the driver and taken
 * by T2, which fails; T3 is given a list that mentions O1. */
Told *told_family(void);
/* A tree of calls of one name, 400 tasks: T1 calls three of its own, and so on. */
Told *told_recursion(void);
