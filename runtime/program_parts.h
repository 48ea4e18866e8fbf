/* program_parts.h: what the files of C programs share; only for program*.c.
 *
 * A MobulaTask is a body. A blocking function runs on a fiber and leaves it at
 * each call; a kernel runs to its end when it is first resumed, and what it
 * printed and computed is handed out call by call before its result.
 */
#pragma once

#define MOBULA_WITHOUT_LINES
#include <setjmp.h>

#include "runtime/cbor.h"
#include "runtime/fiber.h"
#include "runtime/program.h"

typedef struct {
    MobStr *name;
    MobulaFunction function;
    bool kernel;
} MobProgramFunction;

struct MobulaProgram {
    MobStr *path;
    GArray *functions; /* of MobProgramFunction, owned, in order of registration */
    char *problem;     /* why nothing of it can run; NULL: all is well */
};

/* A value as a program sees it: an item inside the bytes of a whole one. */
struct MobulaValue {
    MobValue *whole;   /* owned */
    const uint8_t *at; /* of the item, inside whole */
    uint32_t length;
    uint32_t position; /* in task->values */
    /* Where the item with the number @next begins; items are read in order. */
    uint64_t next;
    const uint8_t *next_at;
};

struct MobulaTask {
    MobBody base;
    MobBodyContext context; /* @now is kept up to date */
    MobArgs *args;          /* owned */
    const MobulaProgram *program;
    const MobProgramFunction *function; /* NULL: it cannot be run */
    char *problem;                      /* why, owned */
    GPtrArray *values;                  /* of MobulaValue, owned */
    MobulaValue **argv;                 /* what the function was called with; the array is owned */
    GStringChunk *texts;                /* NULL until there is one */
    GArray *drops;                      /* of MobObjectId, for the next call */
    MobCall call;
    MobAnswer answer; /* owned, of the last call */
    MobFiberPool *pool;
    MobFiber *fiber; /* NULL: a kernel, or not started */
    bool started;
    jmp_buf out;        /* of a kernel that raised */
    GArray *queue;      /* of MobCall, owned: what a kernel has printed and computed */
    guint queue_at;     /* calls that were handed out */
    MobValue **leaving; /* values that the present call hands over; the array is owned */
    MobRef *naming;     /* references that the present call names, owned */
    uint32_t naming_count;
    uint64_t drawn; /* random numbers so far */
    const char *file;
    uint32_t line;
};

/* --- program.c --- */

/* Makes @call and stops until it is answered. Kernels cannot, and raise. */
void mob_program_call(MobulaTask *task, const MobCall *call);
/* Makes a call that needs no answer; kernels do it later. */
void mob_program_tell(MobulaTask *task, const MobCall *call);
/* Ends the task with the error @fault (transfer full). */
MOBULA_NORETURN void mob_program_raise(MobulaTask *task, MobValue *fault);
/* Ends it with a TaskError that has this message; the cause is borrowed. */
MOBULA_NORETURN void mob_program_fail(MobulaTask *task, const MobValue *cause, const char *format,
                                      ...) MOBULA_PRINTF(3, 4);
/* Returns (transfer full) an error of this task; the cause is borrowed. */
MobValue *mob_program_fault(const MobulaTask *task, const char *message, const MobValue *cause);

/* --- program_value.c --- */

/* Hands @whole (transfer full) to the program. */
MobulaValue *mob_program_wrap(MobulaTask *task, MobValue *whole);
/* Returns (transfer full) the item as a whole value. */
MobValue *mob_program_unwrap(MobulaTask *task, const MobulaValue *value);
/* Whether the value is a reference; fills in @ref (owned by the caller). */
bool mob_program_read_ref(const MobulaValue *value, MobRef *ref);
void mob_program_free_value(MobulaValue *value);
