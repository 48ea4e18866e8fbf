/* state.h: what is true in a cluster, built from its notes.
 *
 * A watcher that keeps, for a whole run, who lived when, every task with its
 * attempts, every object with its copies and references, every lease and what
 * programs printed. c.state, selectors, claims, pictures and the run's
 * database all read it. Nothing is removed: what ended has an end. (Unless a
 * bound was set, for a cluster that runs for days: then the oldest of what is
 * over is forgotten, and counted.)
 *
 * Tasks and objects stand under their short names: the entry is about the
 * newest execution of that path, and attempts count the executions of the
 * path, across attempts of the parent.
 *
 * Times are MobTime, moments are event numbers; 0 is "not yet".
 *
 * It tells the truth, not what anybody believes: a copy ends when its machine
 * dies, an attempt when its worker does, long before the owner hears of it.
 *
 * All arrays are for reading alone.
 */
#pragma once

#include "runtime/watch.h"

typedef struct {
    MobNodeId node;
    const char *name;
    bool alive;         /* the machine, in truth */
    bool declared_dead; /* as the GCS has it */
    MobTime joined_at;
    MobTime died_at;
    uint64_t joined;
    uint64_t died;
    uint64_t declared; /* the event in which it was declared dead */
    const char *reason;
} MobStateNode;

typedef struct {
    MobAddress address;
    const char *name;
    const char *node_name;
    MobRole role;
    uint32_t incarnation;
    bool alive;
    bool blocked;
    MobTime born_at;
    MobTime died_at;
    uint64_t born;
    uint64_t died;
    const char *why;
} MobStateProc;

typedef enum {
    MOB_TASK_PENDING, /* waits for arguments or a lease */
    MOB_TASK_LEASED,  /* sent to a worker */
    MOB_TASK_RUNNING,
    MOB_TASK_FINISHED,
    MOB_TASK_FAILED, /* for good */
} MobTaskState;

const char *mob_task_state_name(MobTaskState state); /* "PENDING" */

typedef struct MobStateTask MobStateTask;
typedef struct MobStateObject MobStateObject;

typedef struct {
    MobStateTask *task;
    uint32_t number;  /* "T2.1": the executions of the path, from 1 */
    uint32_t attempt; /* as its owner counts them */
    MobTaskId id;     /* the identity of the task that this was an attempt of */
    MobAddress worker;
    MobAddress owner;
    MobTime submitted_at;
    MobTime leased_at;
    MobTime started_at;
    MobTime ended_at;
    uint64_t submitted; /* events */
    uint64_t leased;
    uint64_t started;
    uint64_t ended;
    uint64_t reason;     /* the event that asked for this attempt, if not the first */
    const char *outcome; /* NULL while it runs; "finished", "failed", "crashed" … */
} MobStateAttempt;

struct MobStateTask {
    const char *name;  /* "T2" */
    const char *label; /* "parse" */
    MobTaskSpec *spec; /* of the newest execution, owned */
    MobTaskState state;
    uint32_t executions;   /* attempts that started running */
    uint32_t last_attempt; /* number of the newest attempt, started or not */
    MobAddress owner;
    MobStateTask *parent; /* NULL: the driver's */
    GPtrArray *attempts;  /* of MobStateAttempt, borrowed */
    GPtrArray *args;      /* of MobStateObject: those it takes by reference, borrowed */
    GPtrArray *returns;   /* of MobStateObject, borrowed */
    uint64_t submitted;
    MobTime submitted_at;
    const char *error;    /* name of the fault it failed with for good */
    GPtrArray *nested;    /* of MobStateObject: those that its arguments mention, borrowed */
    int64_t retries_left; /* -1: without end */
    uint64_t evicted;     /* event: its owner forgot how to run it again; 0: it has not */
};

typedef enum {
    MOB_OBJECT_PENDING, /* its task has not finished */
    MOB_OBJECT_INLINE,  /* at its owner */
    MOB_OBJECT_SEALED,  /* in at least one store */
    MOB_OBJECT_LOST,    /* every copy gone */
    MOB_OBJECT_FAILED,  /* an error stands in its place */
    MOB_OBJECT_FREED,
} MobObjectState;

const char *mob_object_state_name(MobObjectState state); /* "SEALED" */

typedef struct {
    MobStateObject *object;
    MobNodeId node;
    bool primary;
    bool on_disk; /* and not in memory */
    uint64_t from;
    uint64_t to;
    MobTime from_at;
    MobTime to_at;
    const char *end_why;
} MobStateCopy;

typedef struct {
    MobStateObject *object;
    MobAddress holder;
    const char *kind; /* "local", "argument", "nested", "lineage", "borrowed", "pinned" */
    uint64_t from;
    uint64_t to;
    MobTime from_at;
    MobTime to_at;
    MobStateTask *task;    /* argument: that uses it; lineage: did, and may run again */
    MobStateObject *outer; /* nested: whose value mentions it */
    const char *file;      /* the line of the program that made it, for people: of the put … */
    uint32_t line;         /* … submit or get; NULL and 0 if nobody has told */
    uint32_t times;        /* so often is it counted: as many arguments, registrations … */
} MobStateRef;

struct MobStateObject {
    const char *name; /* "O2", "P1" */
    MobObjectId id;   /* of the newest execution */
    MobObjectState state;
    bool put;
    MobStateTask *maker; /* the task that returned or put it; NULL: the driver put it */
    MobAddress owner;
    uint64_t size;
    GPtrArray *copies; /* of MobStateCopy, all there ever were, borrowed */
    GPtrArray *refs;   /* of MobStateRef, likewise */
    uint32_t times_lost;
    uint32_t times_made;
    uint64_t created;
    MobTime created_at;
    uint64_t ended; /* freed, failed, or gone with its owner */
    MobTime ended_at;
    uint64_t failed; /* an error took its place; it may have been freed since */
    MobTime failed_at;
    GPtrArray *nested; /* of MobStateObject: those that its value mentions, if that is known */
};

typedef struct {
    MobLeaseId lease;
    MobAddress worker;
    MobNodeId node;
    uint64_t from;
    uint64_t to;
    MobTime from_at;
    MobTime to_at;
} MobStateLease;

typedef struct {
    uint64_t event;
    MobTime at;
    MobAddress worker;
    MobStateTask *task; /* NULL: main */
    const char *text;
} MobStateLog;

typedef struct {
    MobAddress driver;
    const char *name;
    uint32_t number;
    bool finished;
    MobValue *result; /* a value or an error, owned; NULL until finished */
    MobTime started_at;
    MobTime ended_at;
    uint64_t ended; /* event */
} MobStateJob;

/* What was done to the cluster; all of it, also what lasts no time. */
typedef struct {
    uint32_t number; /* of control.h, from 1 */
    const char *verb;
    const char *target; /* "n1 n2 oneway"; empty: everything */
    uint32_t line;      /* of the scenario */
    uint64_t from;
    uint64_t to; /* when it was healed */
    MobTime from_at;
    MobTime to_at;
} MobStateFault;

typedef struct {
    MobWatcher watcher;  /* add this to the world */
    GPtrArray *nodes;    /* of MobStateNode, in order of joining */
    GPtrArray *procs;    /* of MobStateProc, in order of birth */
    GPtrArray *tasks;    /* of MobStateTask, in order of first submission */
    GPtrArray *attempts; /* of MobStateAttempt, in order of starting to exist */
    GPtrArray *objects;  /* of MobStateObject, in order of first being known */
    GPtrArray *copies;
    GPtrArray *refs;
    GPtrArray *leases;
    GPtrArray *logs;
    GPtrArray *jobs;
    GPtrArray *faults; /* of MobStateFault, in the order of being given */
    uint64_t event;    /* the newest */
    MobTime now;
    bool gcs_alive;
    struct {
        uint64_t tasks;
        uint64_t objects;
        uint64_t logs;
    } forgotten; /* see mob_state_keep() */
} MobState;

MobState *mob_state_new(void);
void mob_state_free(MobState *state);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MobState, mob_state_free)

/* From now on about so many tasks, objects … that are over are kept, the newest
 * (between @most and twice as many). What the state is asked for is then good
 * until the next event, so no trace may look on as well. */
void mob_state_keep(MobState *state, size_t most);

/* Tasks and objects of the job after the first @before are named as the first one's, and so
 * on: for whoever has come to a cluster in which jobs have run before. */
void mob_state_count_from(MobState *state, uint32_t before);

/* By short name; NULL where there is none. Of lives with one name, the newest. */
MobStateNode *mob_state_node(const MobState *state, const char *name);
MobStateProc *mob_state_proc(const MobState *state, const char *name);
MobStateTask *mob_state_task(const MobState *state, const char *name);
MobStateObject *mob_state_object(const MobState *state, const char *name);

/* By identity; NULL where there is none. */
MobStateNode *mob_state_node_by_id(const MobState *state, MobNodeId node);
MobStateProc *mob_state_proc_by_address(const MobState *state, MobAddress address);
MobStateTask *mob_state_task_by_id(const MobState *state, MobTaskId id);
/* The task in which what @note (OUTPUT) tells of was printed; NULL: main, or none. What a
 * process wrote by itself is of the task that it runs. */
MobStateTask *mob_state_printed(const MobState *state, const MobNote *note);
MobStateObject *mob_state_object_by_id(const MobState *state, MobObjectId id);
/* The number that people see for the attempt that its owner counts as @attempt. */
MobStateAttempt *mob_state_attempt(const MobState *state, MobTaskId id, uint32_t attempt);

/* "n1/w0", "driver", "gcs"; never NULL. */
const char *mob_state_proc_name(const MobState *state, MobAddress address);
const char *mob_state_node_name(const MobState *state, MobNodeId node);
/* Live copies now, and the node that holds the only one (0 if there is none or another). */
uint32_t mob_state_copy_count(const MobStateObject *object);
MobNodeId mob_state_sole_holder(const MobStateObject *object);
