/* body.h: user code, seen from the runtime.
 *
 * A body is a computation that is stopped at a call. Resuming it hands it the
 * answer to that call and runs it up to the next one. Returning a value and
 * raising an error are calls as well, the last that a body makes.
 *
 * The runtime never runs user code inside a step: it asks its world to resume
 * a body, and the call comes back as an input. So user code cannot reenter
 * the protocol, a blocked get costs one suspended body and no thread, and the
 * simulator decides how much virtual time a body takes.
 *
 * There are two kinds: Lua coroutines (lua/body.c) and C fibers (fiber.c).
 */
#pragma once

#include "runtime/msg.h"
#include "runtime/pick.h"

/* Counts up per process, from 1. */
typedef struct {
    uint32_t v;
} MobBodyId;

typedef enum {
    MOB_CALL_SUBMIT,  /* spec, args -> refs: one per returned value */
    MOB_CALL_GET,     /* refs, timeout -> values, one per ref, or fault */
    MOB_CALL_WAIT,    /* refs, count, timeout -> ready */
    MOB_CALL_PUT,     /* value -> refs[0] */
    MOB_CALL_COMPUTE, /* time */
    MOB_CALL_SLEEP,   /* time: how long */
    MOB_CALL_OUTPUT,  /* text, as printed or logged */
    MOB_CALL_RETURN,  /* values: exactly spec.returns of them */
    MOB_CALL_RAISE,   /* fault: an error value */
    MOB_CALL_FREE,    /* refs: give up their values, whoever holds references */
    MOB_CALL_PIN,     /* refs[0], which stays for ever -> values[0], its text, or fault */
    MOB_CALL_ADOPT,   /* refs[0], read from a text -> refs[0] */
    MOB_CALL_COUNT,
} MobCallKind;

const char *mob_call_name(MobCallKind kind);

/* What a body asks for. Everything is borrowed from the body until it is
 * resumed or freed, except where "taken" is said: those are transferred to
 * the runtime by the step that handles the call, and the field is left alone
 * by the body afterwards. */
typedef struct {
    MobCallKind kind;
    MobTaskSpec *spec;  /* SUBMIT: taken; the runtime fills in id, path, owner, parent_attempt */
    MobArgs *args;      /* SUBMIT: taken */
    const MobRef *refs; /* GET, WAIT, FREE, PIN, ADOPT */
    uint32_t ref_count;
    uint32_t count;    /* WAIT: how many are enough */
    MobTime timeout;   /* GET, WAIT: MOB_TIME_NEVER if there is none */
    MobTime time;      /* COMPUTE, SLEEP */
    MobValue **values; /* PUT (one), RETURN: taken */
    uint32_t value_count;
    MobValue *fault;          /* RAISE: taken */
    MobStr *text;             /* OUTPUT: taken */
    const MobObjectId *drops; /* references that the body has given up since its last call */
    uint32_t drop_count;
    const char *file; /* where the program made the call, for people; may be NULL */
    uint32_t line;
} MobCall;

/* What a body is told. Owned by the effect that carries it; a body keeps what
 * it wants by ref. A body holds one local reference on every object in @refs,
 * and on every reference nested in @values, until it drops it or ends. */
typedef struct {
    MobTime now;
    bool places;  /* whoever looks on wants to be told where calls are made; else nobody need ask */
    MobRef *refs; /* owned array */
    uint32_t ref_count;
    MobValue **values; /* owned array of owned values */
    uint32_t value_count;
    uint32_t *ready; /* owned: positions in the call's refs that are ready, ascending */
    uint32_t ready_count;
    MobValue *fault; /* owned; the call failed: the error to raise */
} MobAnswer;

void mob_answer_clear(MobAnswer *answer);

/* What a body may know about where it is. */
typedef struct {
    MobAddress worker;
    const char *worker_name; /* "n1/w0", borrowed for the life of the worker */
    const char *node_name;   /* "n1" */
    const MobTaskSpec *spec; /* borrowed for the life of the body */
    uint32_t attempt;
    MobTime now;
    MobPicks *picks; /* for m.random: MOB_PICK_APP keyed by the path */
} MobBodyContext;

typedef struct MobBody MobBody;

typedef struct {
    /* Runs @body up to its next call; @answer is for its last one (for the
     * first resume it has only now). */
    void (*resume)(MobBody *body, const MobAnswer *answer, MobCall *call);
    void (*free)(MobBody *body);
} MobBodyClass;

struct MobBody {
    const MobBodyClass *class;
};

/* Whoever can make bodies: lua/ for Lua programs, the C loader for shared
 * objects. One loader serves all the workers of a world, and keeps what it
 * loaded apart for each of them. */
typedef struct MobLoader MobLoader;

struct MobLoader {
    /* Returns a body that is stopped before its first call. Never NULL: a
     * program or function that cannot be loaded is a body that raises. A
     * function named "main" is the driver's. */
    MobBody *(*start)(MobLoader *self, const MobBodyContext *context, const MobValue *bundle,
                      const MobArgs *args);
    /* Forgets what was loaded for @worker, which has ended; its bodies have
     * been freed. */
    void (*drop)(MobLoader *self, MobAddress worker);
    /* Calls @func soon, in the middle of the body that runs, if that can be
     * stopped there; safe inside a signal handler. NULL: no body can. */
    void (*poke)(MobLoader *self, void (*func)(void *data), void *data);
    /* How often programs asked for what may differ between two right runs: the
     * time, where they are, which attempt. Counted up by the loader. */
    uint64_t impure;
    /* How often the oracle has let one of its bodies go on: what a watchdog looks at. */
    uint64_t resumed;
};
