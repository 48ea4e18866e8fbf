/* worker_parts.h: what a worker is made of; for the files of the worker only.
 *
 * One process, two duties. It *owns* what it submits and puts: references,
 * values, locations, lineage, retries. And it *runs* the body of one task (or,
 * in a driver, of main). The parts, each in a file of its own:
 *
 *     refs.c     rows of the reference table: who holds what, and when it goes
 *     objects.c  values and places: an object becomes known, moves, is asked for
 *     submit.c   tasks on their way: arguments, scheduling keys, push, reply
 *     owner_leases.c  leases seen from the owner: shapes, requests, push, return
 *     owner_ahead.c   tasks under way under one lease, and its pace
 *     owner_answers.c  what node managers say of leases, and what failures mean
 *     recover.c  objects that were lost, and tasks that run again
 *     borrow.c   references of other owners, and others' references of ours
 *     free.c     values that a program gives up by hand
 *     pin.c      references that a program writes down
 *     exec.c     the body: program, arguments, start
 *     results.c  its end: results to the store, references handed over, the reply
 *     calls.c    what a body asks for: submit, put, output
 *     waits.c    get and wait
 *     worker_nodes.c  the machines and workers it knows of; who is told of deaths
 *
 * worker.c dispatches, and tells the parts of broken connections.
 *
 * Invariants, quoted by assertions:
 *  W1  A row is gone exactly when nothing counts on it: no local, submitted,
 *      lineage or contained reference, no borrower, no pending task that makes it.
 *  W2  A task is in exactly one place: waiting for arguments, in the queue of
 *      its key, pushed under one lease, or finished and kept for its lineage.
 *  W3  Only the newest attempt of a task can change anything.
 *  W4  A body holds every reference that it was given until it drops it or ends.
 */
#pragma once

#include "runtime/call_site.h"
#include "runtime/lost.h"
#include "runtime/spans.h"
#include "runtime/worker.h"
#include "runtime/worker_rows.h"

typedef struct MobWorker MobWorker;
typedef struct MobShape MobShape;
typedef struct MobOwnLease MobOwnLease;
typedef struct MobFreeing MobFreeing;

#define NOTE(out, KIND, ...)                                                                       \
    do {                                                                                           \
        if (mob_wants(out, MOB_NOTE_##KIND))                                                       \
            mob_note(out, (MobNote){.kind = MOB_NOTE_##KIND, __VA_ARGS__});                        \
    } while (0)

/* --- tasks: what this process has submitted --- */

typedef enum {
    MOB_TASK_ARGS,   /* waits for arguments */
    MOB_TASK_QUEUED, /* in the queue of its shape */
    MOB_TASK_PUSHED, /* under a lease */
    MOB_TASK_DONE,   /* kept for its lineage */
} MobTaskPlace;

struct MobTask {
    MobTaskSpec *spec; /* owned */
    MobArgs *args;     /* owned; small values take the place of references once they exist */
    MobTaskPlace place;
    uint32_t attempt;
    int64_t retries_left;
    uint32_t missing; /* arguments that are not available; valid in MOB_TASK_ARGS */
    uint32_t rows;    /* rows of its returned values that still exist */
    bool again;       /* it has succeeded before: others look for its results in stores */
    bool lineage_evicted;
    MobShape *shape;
    MobTask *next; /* in the queue of its shape, or under its lease */
    MobOwnLease *lease;
    MobValue *last_fault; /* what ended the attempt before, owned */
    uint64_t lineage_bytes;
};

/* Tasks that can use each other's leases (Ray: SchedulingKey). */
struct MobShape {
    MobKey key;
    MobTaskSpec *spec; /* of one of them, owned */
    MobRefs deps;      /* arguments in stores, owned */
    MobTask *first;
    MobTask *last;
    uint32_t queued;
    uint32_t leases;    /* held, idle or not */
    uint32_t requests;  /* under way, cancelled ones not counted */
    uint32_t ending;    /* leases whose reply is being taken in: free in a moment */
    uint32_t users;     /* functions on the stack that need it to stay */
    MobOwnLease *idle;  /* most recently used first */
    MobOwnLease *asked; /* the requests, newest first */
};

typedef enum {
    MOB_OWN_ASKED,      /* a request is under way */
    MOB_OWN_IDLE,       /* granted, no task */
    MOB_OWN_BUSY,       /* granted, tasks in flight */
    MOB_OWN_BROKEN,     /* the connection broke under them; the node is asked why */
    MOB_OWN_CANCELLING, /* not wanted; the node has not said that it knows */
} MobOwnLeaseState;

struct MobOwnLease {
    MobLeaseId id;
    MobOwnLeaseState state;
    MobShape *shape; /* NULL once it is being cancelled */
    MobAddress node; /* the node manager that was asked or that granted */
    MobAddress worker;
    MobTask *task; /* in flight: the one that runs, … */
    MobTask *last; /* … up to the last that was sent ahead */
    uint32_t in_flight;
    uint64_t ahead;   /* so many may be, by its pace: … */
    uint64_t done;    /* … so many were done … */
    MobTime measured; /* … since then */
    MobTime since;    /* granted at */
    MobTime idle_since;
    bool second_hop;
    bool reclaimed;    /* its node wants it back */
    bool leaving;      /* the worker does not take our tasks: it is given back */
    MobOwnLease *next; /* in shape->idle or shape->asked */
    MobOwnLease *prev;
};

/* --- the body --- */

typedef enum {
    MOB_EXEC_NONE,
    MOB_EXEC_FETCHING, /* program and arguments */
    MOB_EXEC_RUNNING,
    MOB_EXEC_STORING, /* results go to the store */
    MOB_EXEC_HANDING, /* references are being registered before the reply */
} MobExecPhase;

typedef struct {
    MobExecPhase phase;
    MobBodyId body;
    MobTaskSpec *spec; /* owned */
    MobArgs *args;     /* owned; filled in as values arrive */
    uint32_t attempt;
    MobLeaseId lease;
    MobTime begun;
    bool store; /* small results go to the store too */
    MobTaskId execution;
    uint32_t submits;
    uint32_t puts;
    uint32_t missing; /* what the present phase still waits for */
    bool bundle_missing;
    GPtrArray *held;    /* of MobRow, in order of acquisition: W4; NULL until there is one */
    uint32_t holes;     /* in held, where a row has been */
    uint32_t held_live; /* references: a row may be held more than once */

    /* the call that the body is stopped at, if it waits */
    MobCallKind call;
    bool waiting;
    bool blocked; /* the node manager was told */
    MobRef *refs; /* owned copies */
    uint32_t ref_count;
    uint32_t *same;         /* next position + 1 of the same object, or 0 */
    MobValue **values;      /* by position, owned; NULL: not there yet */
    uint8_t *ready;         /* by position, for wait */
    uint32_t enough;        /* wait: how many */
    uint32_t have;          /* positions that are ready */
    uint32_t prefix;        /* get: all before it are ready and no errors */
    uint32_t unregistered;  /* get, start: answers to AddBorrower that are to come, plus one */
    GPtrArray *registering; /* of MobRow: kept while they are being registered; NULL: none */
    bool noted;             /* the trace was told that the body waits */
    MobTime deadline;       /* MOB_TIME_NEVER: none */
    MobTime asked_at;
    MobCallSite site;    /* get: what is nested in the values is received there; the body's */
    MobObjectId putting; /* put, pin: the object that is being stored or pinned */

    /* the reply that is being put together */
    MobTaskReply *reply; /* owned */
    MobValue **returned; /* owned: values on their way to the store, by result; NULL if inline */
} MobExec;

/* --- the process --- */

/* Another node, as far as this process was told. */
typedef struct {
    MobNodeId node;
    MobStr *name; /* owned */
    bool alive;
    MobStr *reason;
} MobPeerNode;

/* A worker or driver that has died. */
typedef struct {
    MobStr *machine; /* owned; NULL: nobody has said */
    MobStr *reason;  /* owned */
} MobDeadWorker;

/* A process that a request was sent to and whose connection broke. */
typedef struct {
    MobAddress peer;
    MobTime at;
} MobBroken;

/* AddBorrower or RemoveBorrower that was not answered. In the step that begins
 * it, it grows; then it is said, and said again until it is answered. */
typedef struct {
    MobAddress owner;
    MobAddress borrower; /* of an AddBorrower */
    bool removal;
    bool for_reply; /* the reply waits for it; otherwise the present get does */
    MobMsg *msg;    /* owned */
    uint32_t room;  /* its list of borrows has room for so many */
} MobRegistration;

struct MobWorker {
    MobProcess base;
    const MobConfig *config;
    MobAddress gcs;
    MobAddress manager; /* the node manager of this machine */
    MobStr *node_name;
    bool driver;
    bool registered;

    MobTable *rows;   /* object -> MobRow, owned */
    MobTable *tasks;  /* task -> MobTask, owned */
    MobTable *shapes; /* key -> MobShape, owned */
    MobTable *leases; /* lease -> MobOwnLease, owned */
    MobMsg
        *roll; /* the newest WorkerRegistered: the nodes at that time; shared with other workers */
    MobTable *nodes;         /* node -> MobPeerNode, owned: those that joined or died since, or
                              * were looked up */
    uint32_t dead_nodes;     /* how many of those are dead */
    MobTable *dead;          /* address of a dead worker -> MobDeadWorker, owned */
    uint32_t dead_workers;   /* how many: asked for every message, so not of the table */
    MobSpans *removed;       /* by registrar, tokens: borrowers that were removed */
    MobTable *registrations; /* batch -> MobRegistration, owned */
    GPtrArray *open;         /* of MobRegistration, owned: begun in this step */
    MobTable *freeing;       /* token -> MobFreeing, owned: FreeValues that were not answered */
    MobTable *pins;          /* object -> MobRow: references to it were written down; each counts
                              * in contained */
    GArray *registrars;      /* of MobAddress: who has counted tokens; the first has number 1 */
    MobTable *registrar_numbers; /* address -> its number */
    uint32_t registrar_last;     /* number of the one that was asked for last, or 0 */
    GArray *unverified;          /* of MobUnverified */
    uint32_t doubts;             /* doubtful borrowers of what we own */
    GArray *settling;            /* of MobObjectId: rows to look at again; see mob_row_settle() */
    bool is_settling;
    GPtrArray *doomed;      /* of MobTask: an argument is an error; failed at the end of the step */
    MobTable *bundles;      /* hash of id -> MobValue, owned */
    MobValue *bundle_used;  /* the last one, borrowed from bundles … */
    MobStr *bundle_used_id; /* … and its id, owned */
    GArray *broken;         /* of MobBroken, by time */
    GArray *lost;           /* of MobObjectId: to be recovered in this step */
    bool unfinished;        /* something has been added to doomed or lost */
    uint32_t alive_nodes;
    uint64_t next_lease;
    uint64_t next_token;
    uint64_t next_batch;
    uint64_t followers; /* counts those that began to follow a place */
    uint32_t next_body;
    MobTime idle_alarm; /* when LEASE_IDLE fires; 0: not set */
    uint64_t lineage_bytes;
    uint64_t inline_bytes;
    uint64_t borrowed_rows;
    uint32_t pending_tasks;

    MobExec exec;
    GQueue ahead;     /* of MobMsg, owned: pushed, and not started */
    bool ahead_alarm; /* AHEAD is set */

    /* drivers */
    MobTaskId root;
    MobStr *root_path;
    MobStr *job_name;
    MobStr *bundle_id;
    MobValue *bundle;
    MobArgs *main_args;
    uint32_t job;
    bool job_known;     /* the GCS has numbered it */
    bool bundle_stored; /* the GCS has the program */
    bool finished;
    bool closing; /* main has ended, FinishJob is under way */
    MobValue *result;
};

/* One step's company: everything a part needs to act. */
typedef struct {
    MobWorker *worker;
    const MobInput *input;
    MobOutbox *out;
} MobStep;

/* --- refs.c --- */

MobRow *mob_row_find(const MobWorker *worker, MobObjectId object);
/* Finds the row of @ref or adds one (owned by whoever @ref says). */
MobRow *mob_row_of(MobWorker *worker, const MobRef *ref);
/* Adds one: there is none. */
MobRow *mob_row_add(MobWorker *worker, const MobRef *ref);
/* The same for a reference that came out of a value: one of ours that is gone
 * already stands for an error. */
MobRow *mob_row_received(MobStep *step, const MobRef *ref);
MobKey mob_row_key(const void *row); /* in the table of rows */
MobRowMore *mob_row_more(MobRow *row);
bool mob_row_is_available(const MobRow *row);
/* Whether anything but lineage counts on it. */
bool mob_row_in_scope(const MobRow *row);
void mob_row_free(MobRow *row);
/* The body gets a reference, at @site, … */
void mob_row_hold(MobStep *step, MobRow *row, MobCallSite site);
void mob_row_drop(MobStep *step, MobObjectId object); /* and gives it up */
void mob_row_drop_all(MobStep *step);                 /* when a body ends */
/* Looks again whether the row may be freed or erased, after a count went down. */
void mob_row_settle(MobStep *step, MobRow *row);
/* The copy on @node of an object that we own is not needed. */
void mob_row_free_on(MobStep *step, MobObjectId object, MobNodeId node);
void mob_row_free_strays(MobStep *step, MobRow *row);
/* A value that is here mentions @inner, or no longer does. */
void mob_row_begin_containing(MobRow *inner);
void mob_row_end_containing(MobStep *step, MobRow *inner);
void mob_row_free_copies(MobStep *step, MobRow *row); /* all of them */
/* The row now contains @refs, too, by what was said at @site: each is counted. @refs is copied. */
void mob_row_contain(MobStep *step, MobRow *row, const MobRef *refs, uint32_t count,
                     MobCallSite site);
/* Counts the arguments of @task: by reference and nested; settle when down. */
void mob_arg_count(MobStep *step, MobTaskId task, const MobArg *arg, int submitted, int lineage);
void mob_args_count(MobStep *step, MobTaskId task, const MobArgs *args, int submitted, int lineage);

/* --- owner_places.c --- */

/* All that follow @row and have to do something else now. */
void mob_places_tell(MobStep *step, const MobRow *row);
/* A copy came to @node, or went. */
void mob_places_set(const MobRow *row, MobNodeId node, bool here);
void mob_places_node_dead(MobStep *step, const MobRow *row, MobNodeId node);
void mob_places_on_subscribe(MobStep *step);
void mob_places_on_unsubscribe(MobStep *step);

/* --- tokens.c: the registrations of a row, by position --- */

uint32_t mob_tokens_count(const MobRow *row);
MobToken mob_tokens_at(const MobWorker *worker, const MobRow *row, uint32_t at);
/* -1: there is none. */
int mob_tokens_find(const MobWorker *worker, const MobRow *row, MobAddress registrar,
                    uint64_t token);
void mob_tokens_add(MobWorker *worker, MobRow *row, MobToken token);
void mob_tokens_remove(MobRow *row, uint32_t at);
void mob_tokens_doubt(MobRow *row, uint32_t at, bool doubtful);

/* --- objects.c --- */

/* Of a value that is here or in stores; 0 before there is one. */
uint64_t mob_object_size(const MobRow *row);
uint64_t mob_object_hash(const MobRow *row);
/* Zero: none, or it is not known. */
MobNodeId mob_object_primary(const MobRow *row);

void mob_object_set_inline(MobStep *step, MobRow *row, MobValue *value); /* takes value */
void mob_object_set_stored(MobStep *step, MobRow *row, uint64_t size, uint64_t hash,
                           MobNodeId node);
/* Returns (transfer full) where copies are known to be. */
MobNodes mob_object_nodes(const MobRow *row);
/* Whether a copy is known to be on @node; row may be NULL. */
bool mob_object_is_on(const MobRow *row, MobNodeId node);
/* A copy on @node is known to be gone. */
void mob_object_lose_copy(MobStep *step, MobRow *row, MobNodeId node, const char *why);
/* Sees to it that the row becomes available: asks the owner of a borrowed one. */
void mob_object_want(MobStep *step, MobRow *row);
/* (transfer full) what stands in the place of an object that was freed; row may be NULL. */
MobValue *mob_object_freed_fault(MobStep *step, const MobRow *row);
void mob_object_tell(MobStep *step, MobRow *row); /* all subscribers and askers */
void mob_objects_on_message(MobStep *step); /* GetStatus, ObjectStatus, SubscribeLocations … */
void mob_objects_on_node_dead(MobStep *step, MobNodeId node);
void mob_objects_on_owner_dead(MobStep *step, MobAddress worker, MobNodeId node);
void mob_objects_again(MobStep *step, MobAddress peer); /* after a reset */

/* --- submit.c --- */

/* Takes spec and args; adds the rows of what it returns. */
MobTask *mob_submit(MobStep *step, MobTaskSpec *spec, MobArgs *args);
void mob_submit_arg_ready(MobStep *step, MobTask *task);
/* See MobProcessClass. */
void mob_submit_ahead(const MobProcess *self, const MobMsg *msg, MobAhead how_near);
void mob_submit_on_reply(MobStep *step);
/* The newest attempt ended without a reply: run it again or fail it. */
void mob_submit_attempt_failed(MobStep *step, MobTask *task, MobFaultKind kind, const char *why,
                               bool charge);
/* Ends the task with @fault (taken) as the value of all that it returns. */
void mob_submit_fail(MobStep *step, MobTask *task, MobValue *fault);
/* Looks at the arguments and queues the task when all are there. */
void mob_submit_resolve(MobStep *step, MobTask *task);
void mob_submit_fail_doomed(MobStep *step);
void mob_task_free(MobTask *task);
/* A returned row is gone; when none is left the lineage goes. */
void mob_task_row_gone(MobStep *step, MobTask *task);
void mob_submit_abandon_all(MobStep *step); /* the driver ends */

/* --- owner_leases.c --- */

void mob_lease_unlink(MobOwnLease **list, MobOwnLease *lease);
void mob_lease_send_request(MobStep *step, const MobOwnLease *lease);
/* Asks the first choice, as the first hop. */
void mob_lease_ask_first(MobStep *step, MobOwnLease *lease);
void mob_lease_send_cancel(MobStep *step, const MobOwnLease *lease);
void mob_lease_send_return(MobStep *step, MobAddress node, MobLeaseId id, bool kill);
void mob_lease_become_idle(MobStep *step, MobOwnLease *lease);
void mob_lease_detach(MobStep *step, MobOwnLease *lease); /* from its shape */
void mob_lease_forget(MobStep *step, MobOwnLease *lease);
void mob_shape_fail(MobStep *step, MobShape *shape, MobValue *fault); /* takes fault */
void mob_shape_drop_if_unused(MobStep *step, MobShape *shape);

void mob_own_leases_enqueue(MobStep *step, MobTask *task);
void mob_own_leases_pump(MobStep *step, MobShape *shape);
/* There are more nodes now, so more requests may be under way. */
void mob_own_leases_pump_all(MobStep *step);
/* The task under @lease has ended. Until mob_own_leases_task_over() frees the
 * lease for the next, none is asked for in its place. */
void mob_own_leases_task_ends(MobOwnLease *lease, MobTask *task);
void mob_own_leases_task_over(MobStep *step, MobOwnLease *lease);
void mob_own_leases_give_back(MobStep *step, MobOwnLease *lease, bool kill);
void mob_own_leases_on_timer(MobStep *step); /* LEASE_IDLE */
void mob_own_leases_close(MobStep *step);    /* the driver ends: return everything */
void mob_shape_free(MobShape *shape);

/* --- owner_ahead.c --- */

void mob_lease_add_task(MobOwnLease *lease, MobTask *task);
void mob_lease_take_task(MobOwnLease *lease, MobTask *task);
/* Whether @task may be sent now. */
bool mob_lease_has_room(const MobStep *step, const MobOwnLease *lease, const MobTask *task);
void mob_lease_begin_pace(const MobStep *step, MobOwnLease *lease);
void mob_lease_keep_pace(const MobStep *step, MobOwnLease *lease);
void mob_lease_handed_back(MobStep *step, MobTask *task);

/* --- owner_answers.c --- */

void mob_own_leases_on_message(MobStep *step); /* LeaseReply, ReclaimLease, FailureCause */
void mob_own_leases_on_reset(MobStep *step, MobAddress peer);
void mob_own_leases_on_node_dead(MobStep *step, MobNodeId node);
void mob_own_leases_on_worker_dead(MobStep *step, MobAddress worker, const char *why);
void mob_own_leases_again(MobStep *step, MobAddress peer);

/* --- recover.c --- */

/* The row has no copy left and somebody needs it; works off worker->lost. */
void mob_recover_later(MobStep *step, MobRow *row);
void mob_recover_run(MobStep *step);
void mob_recover_on_pinned(MobStep *step);
void mob_recover_again(MobStep *step, MobAddress peer);
void mob_recover_evict_lineage(MobStep *step);

/* --- borrow.c --- */

uint64_t mob_borrow_token(MobWorker *worker, uint32_t count);
/* Registers @borrower with the owner of @ref at the end of the step, together
 * with what else is registered there; true if there is one answer more to be
 * waited for. */
bool mob_borrow_register(MobStep *step, const MobRef *ref, MobAddress borrower, uint64_t token,
                         bool for_reply);
void mob_borrow_flush(MobStep *step); /* the end of a step: says what has come together */
void mob_borrow_add(MobStep *step, MobRow *row, MobAddress borrower, MobAddress registrar,
                    uint64_t token);
/* That registration is over; whoever asks for it counts the row or settles it. */
void mob_borrow_remove(MobStep *step, MobRow *row, MobAddress registrar, uint64_t token);
void mob_borrow_remember(MobWorker *worker, MobRow *row, MobAddress registrar, uint64_t token);
void mob_borrow_end(MobStep *step, MobRow *row); /* the last reference went: tell the owner */
void mob_borrow_on_message(MobStep *step);       /* AddBorrower, BorrowerAdded, RemoveBorrower */
void mob_borrow_on_dead(MobStep *step, MobAddress worker, MobNodeId node);
void mob_borrow_again(MobStep *step, MobAddress peer);
void mob_registration_free(MobRegistration *registration);

/* --- free.c --- */

void mob_free_on_call(MobStep *step, const MobCall *call);
void mob_free_on_message(MobStep *step); /* FreeValues, ValuesFreed */
/* A freed object that can be made again is to be: it counts as lost from now on. */
bool mob_free_take_back(MobStep *step, MobRow *row);
void mob_free_again(MobStep *step, MobAddress peer);
void mob_free_forget_dead(MobStep *step);
void mob_freeing_free(MobFreeing *freeing);

/* --- pin.c --- */

/* The object stays as long as this process. */
void mob_pin_row(MobStep *step, MobRow *row, MobCallSite site);
void mob_pins_forget_dead(MobStep *step);
void mob_pin_on_call(MobStep *step, const MobCall *call);
void mob_pin_on_adopt(MobStep *step, const MobCall *call);
void mob_pin_registered(MobStep *step); /* what the body waits for */

/* --- exec.c --- */

void mob_exec_on_push(MobStep *step);
void mob_exec_start_main(MobStep *step);
void mob_exec_on_bundle(MobStep *step);
void mob_exec_args_registered(MobStep *step);
/* False if the program that is to run is here, or none is. */
bool mob_exec_ask_program(MobStep *step);
void mob_exec_on_object(MobStep *step, MobObjectId object, MobValue *value); /* ObjectHere */
void mob_exec_again(MobStep *step, MobAddress peer);
/* Begins with what was sent ahead, if the body is over. */
void mob_exec_next(MobStep *step);
/* Hands back what was sent ahead: it would wait for too long here. */
void mob_exec_hand_back(MobStep *step);
void mob_exec_on_ahead(MobStep *step); /* AHEAD */
void mob_exec_clear(MobExec *exec);

/* --- results.c --- */

void mob_exec_return(MobStep *step, const MobCall *call);
void mob_exec_raise(MobStep *step, MobValue *fault); /* takes fault */
void mob_exec_registered(MobStep *step);             /* an AddBorrower for the reply was answered */
void mob_exec_on_stored(MobStep *step);              /* ObjectStored */
void mob_results_again(MobStep *step);

/* --- calls.c --- */

void mob_calls_on_call(MobStep *step);
/* The put that the body waits for has come to its end; takes fault, NULL if all is well. */
void mob_calls_put_stored(MobStep *step, MobValue *fault);
void mob_calls_resume(MobStep *step, MobAnswer answer); /* takes what is in answer */
void mob_calls_again(MobStep *step);

/* --- waits.c --- */

void mob_waits_on_call(MobStep *step, const MobCall *call);
void mob_waits_again(MobStep *step);
/* A row that the body waits for has become available. */
void mob_waits_row_ready(MobStep *step, MobRow *row);
/* The node manager has handed over a value that the body waits for. */
void mob_waits_on_object(MobStep *step, MobObjectId object, MobValue *value);
void mob_waits_on_deadline(MobStep *step);
/* Makes us known to the owners of what is nested in @value, which nobody protects
 * for us; mob_waits_registered() hears of each answer. */
void mob_waits_register(MobStep *step, const MobValue *value);
void mob_waits_registered(MobStep *step);
void mob_waits_release(MobStep *step); /* the body holds what was registered */

/* --- worker_look.c --- */

void mob_worker_dump(const MobProcess *process, GString *into);

/* --- worker_nodes.c --- */

/* NULL for a node that nobody has told us of. */
MobPeerNode *mob_worker_peer(MobWorker *worker, MobNodeId node);
/* The newest live node of that name, or NULL. */
MobPeerNode *mob_worker_peer_by_name(MobWorker *worker, const MobStr *name);
bool mob_worker_is_dead(const MobWorker *worker, MobAddress process);
/* Appends that the owner of @ref has died: who that was, and why. */
void mob_worker_say_owner(MobWorker *worker, const MobRef *ref, GString *into);
void mob_worker_dead_free(MobDeadWorker *dead);
/* "n2/w0" */
void mob_worker_name(MobWorker *worker, MobAddress process, GString *into);
void mob_worker_take_roll(MobStep *step);
void mob_worker_on_node_changed(MobStep *step);
void mob_worker_on_worker_died(MobStep *step);

/* --- worker.c --- */

/* After retry_delay, ask @peer again what it has not answered. */
void mob_worker_retry(MobStep *step, MobAddress peer);
/* (transfer full) an error value about @task (may be NULL) on @where (may be nobody). */
MobValue *mob_worker_fault(MobStep *step, MobFaultKind kind, const MobTask *task, MobAddress where,
                           const char *message, const MobValue *cause);
/* (transfer full) the error that stands for an object that cannot be had; @task
 * (may be NULL) has made it. */
MobValue *mob_worker_lost(MobStep *step, MobLost lost, const MobRef *ref, const MobTask *task);
void mob_worker_pull(MobStep *step, const MobRef *ref, bool wait); /* GetObject */
