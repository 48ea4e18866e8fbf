/* check_parts.h: shared by the files of the checks.
 *
 *     check.c          the watcher: who judges what of an event; violations
 *     check_tasks.c    tasks and their attempts
 *     check_objects.c  objects: when they come, when they go, and what is in them
 *     check_moves.c    copies on their way from node to node
 *     check_nodes.c    node managers: leases, resources, stores
 *     check_disk.c     spilled copies and the files they are in
 *     check_owners.c   workers: counts, rows, and whom they must not believe
 *     check_deaths.c   who is dead, who knows it, and what that forbids
 *     check_refs.c     references: what holders tell of them is what they count
 *     check_rest.c     a cluster at rest; answers
 *
 * Each keeps its own tables here. All of them see an event after the step and
 * before its effects: what is in a process is what it will be until its next.
 */
#pragma once

#include "runtime/gcs.h"
#include "runtime/node.h"
#include "runtime/worker.h"
#include "sim/check.h"

/* An object and the value that it had when that was first known. */
typedef struct {
    uint64_t hash;
    uint64_t size;
    MobAddress owner;
    uint64_t freed; /* the event at which it was last freed: no copy from before counts */
} Known;

typedef struct {
    MobAddress owner;
    MobAddress worker; /* the newest attempt was leased to it */
    int64_t retries;
    uint64_t started;  /* bit per attempt, up to 64 of them */
    uint64_t lost;     /* likewise: those that their owner has given up, though they may go on */
    uint32_t finished; /* the newest attempt whose results were taken */
    uint32_t leased;   /* the newest attempt that was sent to a worker */
    uint32_t failed;   /* the newest attempt that failed */
    bool submitted;
    bool done;    /* finished or failed for good */
    bool evicted; /* its lineage was given up */
} TaskSeen;

/* What a worker ran last. */
typedef struct {
    MobTaskId task;
    uint32_t attempt;
    MobAddress owner;
    MobArgs *args; /* owned */
} RunSeen;

/* An object whose value mentions others. */
typedef struct {
    MobObjectId id;
    uint32_t value; /* counts its values: another attempt mentions others */
    bool gone;      /* freed, lost, or an error */
} Outer;

/* One object on one node. */
typedef struct {
    uint64_t size;
    GByteArray *got;   /* a bit per chunk that has come; NULL: none */
    uint64_t received; /* bytes of those */
    uint64_t taken;    /* of them the node had taken in when the last one came */
    MobAddress source; /* the node that was asked for it last */
    MobTime last_at;   /* it was asked for, or a piece of it came */
    bool slow;        /* it was asked for again, because nothing came for long, or was given back */
    uint64_t stopped; /* the push that the node has said is enough, as its sender knows; 0: none */
    bool late;        /* a piece of that push came after all, and it is asked for again */
    bool copied;      /* it has come whole and is there still */
    bool primary;     /* as of the event before */
    uint64_t told;    /* the event at which its owner heard of this copy; 0: it has not */
} Moved;

typedef struct {
    MobAddress holder; /* node that granted it and has not ended it; nobody: none has */
    MobAddress asked;  /* node that was asked last … */
    bool second_hop;   /* … to grant or reject */
} LeaseSeen;

/* One direction between two processes. */
typedef struct {
    uint64_t cause; /* the event that sent what was delivered last */
    uint64_t reset; /* what was sent before this event may still come late */
} ConnSeen;

typedef struct {
    MobAddress worker;
    MobTime at;
} DeathSeen;

struct MobCheck {
    MobWatcher watcher;
    MobWorld *world;
    const MobState *state;
    const MobConfig *config;
    const MobOracle *oracle; /* NULL: there is none, or it is silent */
    bool deterministic;      /* the same task gives the same value, as far as we know */
    bool errors_seen;        /* a program may have taken another way since */
    bool network_faults;     /* living nodes may look dead */
    bool disturbed;          /* there was a fault of any kind */
    bool files_lost;         /* a fault took files from a disk */
    bool sampled;            /* something was too large to be judged: not all is known */
    uint32_t kills;
    uint32_t evictions;
    MobTable *known;     /* object -> Known, owned */
    MobTable *tasks;     /* task -> TaskSeen, owned */
    MobTable *functions; /* path -> MobStr, owned: what runs there */
    MobTable *runs;      /* worker -> RunSeen, owned */
    MobTable *pending;   /* owner -> uint32_t, owned: its tasks that have not ended */
    MobTable *brought;   /* process and object -> itself: references that came by message */
    MobTable *told;      /* process and object -> Told in check_refs.c, owned */
    MobTable *outers;    /* object -> Outer, owned */
    MobTable *inners;    /* object -> GArray of Inner in check_objects.c, owned */
    MobTable *moved;     /* object and node -> Moved, owned */
    MobTable *leases;    /* lease -> LeaseSeen, owned */
    MobTable *conns;     /* from and to -> ConnSeen, owned */
    MobTable *deaths;    /* process, and node or process -> itself: who was told of whose death */
    MobTable *by_hand;   /* object -> itself: a program has freed it */
    GArray *unreported;  /* of DeathSeen: workers whose node manager has not noticed yet */
    MobTime gcs_since;   /* the GCS was started again; MOB_TIME_NEVER: it is dead */
    MobTime last_at;
    uint64_t credit; /* work that may be done beyond the least; see mob_check_affords() */
    uint64_t count;
    MobViolation violation;
};

/* --- check.c --- */

/* Whether a task that runs again must do and make the same. One that was handed an
 * error may go on without the value, and then so may all that take its results. */
static inline bool
mob_check_repeats(const MobCheck *check)
{
    return check->deterministic && !check->errors_seen;
}

void mob_check_fail(MobCheck *check, const char *property, const char *name, const char *format,
                    ...) G_GNUC_PRINTF(4, 5);
/* Whether a judgement of @cost looks may be made now. Small ones always; of the
 * others as many as keeps the work per event bounded, so that a run of a
 * million tasks is judged by samples, and a lecture after every event. */
bool mob_check_affords(MobCheck *check, uint64_t cost);
const MobProcess *mob_check_process(const MobCheck *check, MobAddress address);
/* "n1/w0" */
const char *mob_check_process_name(const MobCheck *check, MobAddress address);
const char *mob_check_object_name(const MobCheck *check, MobObjectId id);
/* The entry of @key in @table, of @size bytes, made now if need be. */
void *mob_check_entry(MobTable *table, MobKey key, size_t size);

/* --- check_tasks.c --- */

void mob_check_task_note(MobCheck *check, const MobEvent *event, const MobNote *note);
/* Whether the process has run an attempt that its owner has given up, because a
 * connection broke or its node was declared dead, or that belongs to such a one:
 * nobody protects what it holds, and it will be ended. */
bool mob_check_runs_in_vain(const MobCheck *check, MobAddress holder);
/* The worker of that node that runs, under a lease, a task which takes @object;
 * nobody if none does. */
MobAddress mob_check_reader(MobCheck *check, MobNodeId node, MobObjectId object);
const TaskSeen *mob_check_task(const MobCheck *check, MobTaskId id);
void mob_check_run_free(gpointer run);

/* --- check_objects.c --- */

/* What the message brings to the process. */
void mob_check_objects_message(MobCheck *check, const MobEvent *event);
/* What a body asks for. */
void mob_check_objects_call(MobCheck *check, const MobEvent *event);
void mob_check_object_note(MobCheck *check, const MobEvent *event, const MobNote *note);
/* @object has this value somewhere; false if it had another one before. */
bool mob_check_learn_value(MobCheck *check, MobObjectId object, MobAddress owner, uint64_t size,
                           uint64_t hash);
void mob_check_inners_free(gpointer inners);

/* --- check_moves.c --- */

void mob_check_moves_message(MobCheck *check, const MobEvent *event);
void mob_check_move_note(MobCheck *check, const MobEvent *event, const MobNote *note);
/* NULL if nothing was seen of that object on that node. */
Moved *mob_check_moved(MobCheck *check, MobObjectId object, MobNodeId node, bool add);
void mob_check_moved_free(gpointer moved);

/* --- check_nodes.c --- */

void mob_check_node(MobCheck *check, const MobProcess *node);
void mob_check_lease_message(MobCheck *check, const MobEvent *event);
void mob_check_lease_note(MobCheck *check, const MobEvent *event, const MobNote *note);
/* Whether a node that lives and takes leases could run @spec. */
bool mob_check_some_node_fits(MobCheck *check, const MobTaskSpec *spec);

/* --- check_disk.c --- */

void mob_check_spilled(MobCheck *check, const MobProcess *node, const MobCopyInfo *copy);
void mob_check_spill_note(MobCheck *check, const MobEvent *event, const MobNote *note);
void mob_check_disk_at_rest(MobCheck *check, const MobProcess *node, const char *name);

/* --- check_owners.c --- */

void mob_check_worker(MobCheck *check, const MobProcess *worker);
/* A task of @owner has come to be (1) or ended (-1). */
void mob_check_pending(MobCheck *check, MobAddress owner, int by);

/* --- check_refs.c --- */

void mob_check_refs_event(MobCheck *check, const MobEvent *event, const MobProcess *process);

/* --- check_deaths.c --- */

void mob_check_deaths_message(MobCheck *check, const MobEvent *event);
void mob_check_death_note(MobCheck *check, const MobEvent *event, const MobNote *note);
void mob_check_deaths_event(MobCheck *check, const MobEvent *event);
void mob_check_proc_died(MobWatcher *watcher, MobAddress address, const char *why, MobWhen when);
/* Whether @process was told that @who, or its node, is dead. */
bool mob_check_knows_dead(const MobCheck *check, MobAddress process, MobAddress who);
void mob_check_fault_note(MobCheck *check, const MobNote *note);
/* Whether something that happened in this run excuses an error of this kind. */
bool mob_check_is_licensed(const MobCheck *check, MobFaultKind kind);
