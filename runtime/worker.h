/* worker.h: a worker or a driver: it owns what it submits and puts, and runs
 * the bodies of tasks (Ray: the core worker).
 */
#pragma once

#include "runtime/process.h"

typedef struct {
    MobAddress gcs;
    MobAddress node_manager; /* of the same machine */
    MobStr *node_name;       /* borrowed during the call */
    bool driver;
    /* The rest is for drivers. All borrowed during the call. */
    MobTaskId root;    /* the identity of main: derived from the submission */
    MobStr *root_path; /* "", or "2:" for the cluster's second job */
    MobStr *job_name;
    MobStr *bundle_id;
    MobValue *bundle; /* the program itself; the driver uploads it */
    MobArgs *args;    /* for main */
} MobWorkerOptions;

/* @config is borrowed and outlives the process. */
MobProcess *mob_worker_new(MobAddress address, const MobConfig *config,
                           const MobWorkerOptions *options);

/* --- for checks and c.state: what is really so --- */

typedef struct {
    uint32_t owned;         /* rows of objects that this process owns */
    uint32_t borrowed;      /* rows of objects that it only holds */
    uint32_t tasks_pending; /* submitted and not finished */
    uint32_t lineage_tasks; /* finished, kept to be run again */
    uint64_t lineage_bytes;
    uint32_t leases;       /* held or asked for */
    uint64_t inline_bytes; /* values and errors that are kept here */
    bool running;          /* a body exists */
    MobTaskId task;        /* whose, if it is not main */
    uint32_t attempt;
    MobAddress caller; /* who owns it */
    bool finished;     /* driver: main has ended */
} MobWorkerStats;

void mob_worker_stats(const MobProcess *process, MobWorkerStats *stats);

typedef struct {
    MobObjectId object;
    MobAddress owner;
    const MobStr *path; /* borrowed */
    bool owned;
    uint32_t local;         /* references held by bodies */
    uint32_t submitted;     /* by pending tasks that take it */
    uint32_t lineage;       /* by finished tasks that might run again */
    uint32_t contained;     /* by values that live here and hold it */
    uint32_t borrowers;     /* owner only: registrations */
    bool pending;           /* its task is to run or runs */
    bool available;         /* a value, an error or a copy is known */
    MobNodeId primary;      /* owner only */
    const MobValue *value;  /* borrowed; inline value or error, or NULL */
    bool freed;             /* out of scope: only lineage keeps the row */
    bool unsealed;          /* a put that the store has not acknowledged */
    const MobNodeId *nodes; /* borrowed: where it thinks that copies are */
    uint32_t node_count;
} MobRefInfo;

bool mob_worker_next_ref(const MobProcess *process, size_t *at, MobRefInfo *ref);
/* False if the process has no row for @object. */
bool mob_worker_find_ref(const MobProcess *process, MobObjectId object, MobRefInfo *ref);

/* Walks those who are registered as borrowers of @object, which @process owns;
 * one may come several times. */
bool mob_worker_next_borrower(const MobProcess *process, MobObjectId object, size_t *at,
                              MobAddress *borrower);

/* Counts everything again from scratch and compares (I7, I18, W1, W2). Returns
 * false and says what is wrong. */
bool mob_worker_check(const MobProcess *process, GString *why);

/* What a driver's main returned or raised; NULL while it runs. Borrowed. */
const MobValue *mob_worker_result(const MobProcess *process);

/* What the body waits for, one line for people, e.g. "T3 waits for O2, which
 * T2 makes; T2 waits for a lease". Nothing is appended if it does not wait. */
void mob_worker_explain(const MobProcess *process, GString *into);
