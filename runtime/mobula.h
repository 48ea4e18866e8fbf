/* mobula.h: task programs in C.
 *
 * A program is a shared object that exports one function, which registers all
 * others by name:
 *
 *     #include <mobula.h>
 *
 *     static MobulaValue *
 *     square(MobulaTask *task, MobulaValue *const *args, size_t count)
 *     {
 *         int64_t n = mobula_to_int(task, args[0]);
 *         return mobula_int(task, n * n);
 *     }
 *
 *     static MobulaValue *
 *     run(MobulaTask *task, MobulaValue *const *args, size_t count)
 *     {
 *         MobulaValue *nine = mobula_call(task, "square", mobula_int(task, 3));
 *         return mobula_get(task, nine);
 *     }
 *
 *     void
 *     mobula_program(MobulaProgram *program)
 *     {
 *         mobula_register_kernel(program, "square", square);
 *         mobula_register(program, "main", run);
 *     }
 *
 *     $ cc -shared -fPIC $(pkg-config --cflags mobula) -o squares.so squares.c
 *     $ mobula run ./squares.so
 *
 * "main" is what the driver runs; its arguments are the words behind `--`, as
 * strings. The functions below are found in the mobula command that loads the
 * program, so nothing has to be linked.
 *
 * Rules:
 *  - A function may be run again at any time, on any machine: what it returns
 *    must depend on its arguments alone, and it keeps nothing in globals.
 *  - Values are immutable. Values and references that a task made or received
 *    are freed when it ends; mobula_free() and mobula_drop() do it earlier.
 *  - A mistake (a wrong type, a missing item, a failed get) ends the task with
 *    an error, like mobula_raise(): the call does not return. Whatever the
 *    task holds besides its values should therefore be freed before.
 */
#ifndef MOBULA_H
#define MOBULA_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define MOBULA_BEGIN extern "C" {
#define MOBULA_END   }
#else
#define MOBULA_BEGIN
#define MOBULA_END
#endif

MOBULA_BEGIN

#if defined(__GNUC__)
#define MOBULA_PRINTF(text, first) __attribute__((format(printf, text, first)))
#define MOBULA_NORETURN            __attribute__((noreturn))
#else
#define MOBULA_PRINTF(text, first)
#define MOBULA_NORETURN
#endif

typedef struct MobulaProgram MobulaProgram;
typedef struct MobulaTask MobulaTask;   /* one run of a function */
typedef struct MobulaValue MobulaValue; /* nil, a number, …, or a reference */

/* Returns the value of the task, or NULL for nil. A task that was submitted
 * with num_returns above 1 returns an array of so many items, each of which
 * becomes a value of its own. */
typedef MobulaValue *(*MobulaFunction)(MobulaTask *task, MobulaValue *const *args, size_t count);

/* --- the program --- */

/* What the shared object exports. */
void mobula_program(MobulaProgram *program);

/* A function that may block: it has a stack of 64 KiB of its own. */
void mobula_register(MobulaProgram *program, const char *name, MobulaFunction function);

/* A function that only computes and returns: the fastest kind. It may print
 * and mobula_compute(); submit, put, get, wait and sleep are errors in it. */
void mobula_register_kernel(MobulaProgram *program, const char *name, MobulaFunction function);

/* --- tasks --- */

typedef struct {
    const char *name;
    double amount;
} MobulaResource;

/* Start from MOBULA_OPTIONS:
 *
 *     MobulaOptions options = MOBULA_OPTIONS;
 *     options.num_cpus = 0.5;
 */
typedef struct {
    const char *name; /* what people call the task; NULL: its function */
    double num_cpus;  /* held while it runs */
    int64_t memory;   /* bytes, likewise */
    const MobulaResource *resources;
    size_t resource_count;
    uint32_t num_returns;
    int64_t max_retries;   /* after a crash; -1: for ever */
    bool retry_exceptions; /* also when the function raised an error */
    bool spread;           /* place tasks in turn instead of packing them */
    const char *node;      /* run on the machine of this name */
    bool soft;             /* … or, if it is gone, on another */
} MobulaOptions;

#define MOBULA_OPTIONS                                                                             \
    {                                                                                              \
        .num_cpus = 1, .num_returns = 1, .max_retries = 3                                          \
    }

/* Submits a task and returns a reference to what it will return. An argument
 * that is a reference is replaced by its value before the task starts; inside
 * arrays and maps references stay references. @options may be NULL. */
MobulaValue *mobula_submit(MobulaTask *task, const MobulaOptions *options, const char *function,
                           size_t count, MobulaValue *const *args);

/* The same for several returned values: fills in options->num_returns refs. */
void mobula_submit_many(MobulaTask *task, const MobulaOptions *options, const char *function,
                        size_t count, MobulaValue *const *args, MobulaValue **refs);

/* mobula_call(task, "square", a, b): a task with default options. */
#define mobula_call(task, function, ...)                                                           \
    mobula_submit((task), NULL, (function),                                                        \
                  sizeof((MobulaValue *[]){NULL, ##__VA_ARGS__}) / sizeof(void *) - 1,             \
                  (MobulaValue *[]){NULL, ##__VA_ARGS__} + 1)

/* Stores @value and returns a reference to it. */
MobulaValue *mobula_put(MobulaTask *task, MobulaValue *value);

/* Waits until the value exists and returns it; an error is raised here too. */
MobulaValue *mobula_get(MobulaTask *task, MobulaValue *ref);
/* The same for @count references at once. */
void mobula_get_all(MobulaTask *task, size_t count, MobulaValue *const *refs, MobulaValue **values);

#define MOBULA_FOREVER UINT64_MAX

/* Returns whether the value came within @timeout_ns; if not, or if it is an
 * error, *value is that error. */
bool mobula_try_get(MobulaTask *task, MobulaValue *ref, uint64_t timeout_ns, MobulaValue **value);

/* Waits until @enough of the references are ready, or @timeout_ns is over.
 * Says of each in @ready, and returns how many are. */
size_t mobula_wait(MobulaTask *task, size_t count, MobulaValue *const *refs, size_t enough,
                   uint64_t timeout_ns, bool *ready);

/* Says that the reference is not needed any more, and frees it. */
void mobula_drop(MobulaTask *task, MobulaValue *ref);
/* Frees a value before the task ends. */
void mobula_free(MobulaTask *task, MobulaValue *value);

/* Gives up the values of @count references, whoever holds others to them: a get
 * is an ObjectFreedError from then on. m.free in Lua. */
void mobula_free_values(MobulaTask *task, size_t count, MobulaValue *const *refs);
/* Writes the reference down: the text may be kept anywhere, and the object stays
 * as long as the job. A task can do so with what main owns. m.pin in Lua. */
const char *mobula_pin(MobulaTask *task, MobulaValue *ref);
/* The reference that mobula_pin() has written down in this job. m.ref in Lua. */
MobulaValue *mobula_ref(MobulaTask *task, const char *text);

/* --- the world --- */

/* Takes a core for so long; the simulator counts this and nothing else. */
void mobula_compute(MobulaTask *task, uint64_t duration_ns);
void mobula_sleep(MobulaTask *task, uint64_t duration_ns);
void mobula_print(MobulaTask *task, const char *format, ...) MOBULA_PRINTF(2, 3);
/* Ends the task with an error. */
MOBULA_NORETURN void mobula_raise(MobulaTask *task, const char *format, ...) MOBULA_PRINTF(2, 3);
/* A number below @n, the same whenever the run is repeated. */
uint64_t mobula_random(MobulaTask *task, uint64_t n);
uint64_t mobula_now(MobulaTask *task); /* nanoseconds since the cluster started */
uint32_t mobula_attempt(MobulaTask *task);
const char *mobula_node(MobulaTask *task);   /* "n1" */
const char *mobula_worker(MobulaTask *task); /* "n1/w0" */

/* --- making values --- */

MobulaValue *mobula_nil(MobulaTask *task);
MobulaValue *mobula_bool(MobulaTask *task, bool value);
MobulaValue *mobula_int(MobulaTask *task, int64_t value);
MobulaValue *mobula_double(MobulaTask *task, double value);
MobulaValue *mobula_string(MobulaTask *task, const char *text);
/* Any bytes; those that are UTF-8 are a string. */
MobulaValue *mobula_bytes(MobulaTask *task, const void *bytes, size_t length);
/* @size bytes that follow the rule @fill (below 2^63) and weigh what they
 * would, but in simulation need not exist: m.bytes in Lua. */
MobulaValue *mobula_fill(MobulaTask *task, uint64_t size, uint64_t fill);
MobulaValue *mobula_array(MobulaTask *task, size_t count, MobulaValue *const *items);
MobulaValue *mobula_map(MobulaTask *task, size_t count, const char *const *keys,
                        MobulaValue *const *values);

/* --- reading values --- */

typedef enum {
    MOBULA_NIL,
    MOBULA_BOOL,
    MOBULA_INT,
    MOBULA_DOUBLE,
    MOBULA_STRING, /* a text or bytes */
    MOBULA_ARRAY,
    MOBULA_MAP,
    MOBULA_REF,
    MOBULA_FILL,
    MOBULA_ERROR,
    MOBULA_OTHER, /* a tag that this library does not know */
} MobulaType;

MobulaType mobula_type(const MobulaValue *value);
bool mobula_to_bool(MobulaTask *task, const MobulaValue *value);
int64_t mobula_to_int(MobulaTask *task, const MobulaValue *value);
/* An integer will do. */
double mobula_to_double(MobulaTask *task, const MobulaValue *value);
/* With a zero behind its end; lives as long as the task. @length may be NULL. */
const char *mobula_to_string(MobulaTask *task, const MobulaValue *value, size_t *length);
/* The same without a copy and without the zero; lives as long as the value. */
const void *mobula_to_bytes(MobulaTask *task, const MobulaValue *value, size_t *length);
/* How much the value weighs, in bytes, with every fill written out. */
uint64_t mobula_size(const MobulaValue *value);
/* Items of an array, or pairs of a map. */
size_t mobula_count(MobulaTask *task, const MobulaValue *value);
/* The item at @index, from 0, of an array; or a map's value there. */
MobulaValue *mobula_at(MobulaTask *task, MobulaValue *value, size_t index);
/* The key at @index of a map. */
MobulaValue *mobula_key_at(MobulaTask *task, MobulaValue *map, size_t index);
/* What stands under @key in a map, or NULL. */
MobulaValue *mobula_find(MobulaTask *task, MobulaValue *map, const char *key);
/* Of an error: "NodeDiedError", and the report that people read. */
const char *mobula_error_name(MobulaTask *task, const MobulaValue *error);
const char *mobula_error_report(MobulaTask *task, const MobulaValue *error);

/* --- where in the source: filled in by the macros below --- */

MobulaTask *mobula_here(MobulaTask *task, const char *file, int line);

#ifndef MOBULA_WITHOUT_LINES
#define MOBULA_HERE(task)             mobula_here((task), __FILE__, __LINE__)
#define mobula_submit(task, ...)      mobula_submit(MOBULA_HERE(task), __VA_ARGS__)
#define mobula_submit_many(task, ...) mobula_submit_many(MOBULA_HERE(task), __VA_ARGS__)
#define mobula_put(task, ...)         mobula_put(MOBULA_HERE(task), __VA_ARGS__)
#define mobula_get(task, ...)         mobula_get(MOBULA_HERE(task), __VA_ARGS__)
#define mobula_get_all(task, ...)     mobula_get_all(MOBULA_HERE(task), __VA_ARGS__)
#define mobula_try_get(task, ...)     mobula_try_get(MOBULA_HERE(task), __VA_ARGS__)
#define mobula_wait(task, ...)        mobula_wait(MOBULA_HERE(task), __VA_ARGS__)
#define mobula_free_values(task, ...) mobula_free_values(MOBULA_HERE(task), __VA_ARGS__)
#define mobula_pin(task, ...)         mobula_pin(MOBULA_HERE(task), __VA_ARGS__)
#define mobula_ref(task, ...)         mobula_ref(MOBULA_HERE(task), __VA_ARGS__)
#define mobula_raise(task, ...)       mobula_raise(MOBULA_HERE(task), __VA_ARGS__)
#endif

MOBULA_END

#endif
