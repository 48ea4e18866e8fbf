/* program_calls.c: see mobula.h. What a C program asks the cluster for.
 *
 * A body may be freed while it is stopped in any of these, and then its stack
 * is gone without being unwound. So whatever has to be freed belongs to the
 * task, never to a local variable, by the time the call is made.
 */
#include <string.h>

#include "runtime/program_parts.h"
#include "runtime/ref_text.h"

MobulaTask *
mobula_here(MobulaTask *task, const char *file, int line)
{
    const char *slash = strrchr(file, '/');

    /* Only the name: how the compiler was called must not be seen in a trace. */
    task->file = slash != NULL ? slash + 1 : file;
    task->line = (uint32_t)line;
    return task;
}

/* --- submitting --- */

static int64_t
read_amount(MobulaTask *task, const char *name, double amount)
{
    if (!(amount >= 0) || amount > 1e9)
        mob_program_fail(task, NULL, "%s is %g, but has to be at least 0", name, amount);
    return (int64_t)(amount * (double)MOB_UNIT + 0.5);
}

static void
check_resources(MobulaTask *task, const MobulaOptions *options)
{
    for (size_t i = 0; i < options->resource_count; i++) {
        const MobulaResource *resource = &options->resources[i];
        if (resource->name == NULL || *resource->name == '\0')
            mob_program_fail(task, NULL, "a resource has no name");
        read_amount(task, resource->name, resource->amount);
        for (size_t k = 0; k < i; k++)
            if (strcmp(options->resources[k].name, resource->name) == 0)
                mob_program_fail(task, NULL, "the resource %s is named twice", resource->name);
    }
}

static void
check_options(MobulaTask *task, const MobulaOptions *options, const char *function)
{
    if (function == NULL || *function == '\0')
        mob_program_fail(task, NULL, "the task to submit has no function");
    read_amount(task, "num_cpus", options->num_cpus);
    if (options->memory < 0 || options->memory > INT64_C(1) << 50)
        mob_program_fail(task, NULL, "memory is %" G_GINT64_FORMAT " bytes, which cannot be",
                         options->memory);
    if (options->num_returns > MOB_TASK_RETURNS_MAX)
        mob_program_fail(task, NULL, "num_returns is %" G_GUINT32_FORMAT ", which is too many",
                         options->num_returns);
    if (options->max_retries < -1)
        mob_program_fail(task, NULL,
                         "max_retries is %" G_GINT64_FORMAT "; -1 is for ever, less is nothing",
                         options->max_retries);
    check_resources(task, options);
}

static MobResources
make_needs(MobulaTask *task, const MobulaOptions *options)
{
    MobResources needs = {
        .cpu = read_amount(task, "num_cpus", options->num_cpus),
        .memory = options->memory,
    };
    uint32_t count = 0;

    for (size_t i = 0; i < options->resource_count; i++)
        count += options->resources[i].amount > 0;
    if (count == 0)
        return needs;
    needs.customs = mob_customs_new(count);
    uint32_t at = 0;
    for (size_t i = 0; i < options->resource_count; i++) {
        const MobulaResource *resource = &options->resources[i];
        if (resource->amount > 0)
            needs.customs->items[at++] = (MobCustom){
                mob_str_new(resource->name), read_amount(task, resource->name, resource->amount)};
    }
    mob_customs_sort(needs.customs);
    return needs;
}

/* The options have been checked, so nothing here can raise. */
static MobTaskSpec *
make_spec(MobulaTask *task, const MobulaOptions *options, const char *function)
{
    MobTaskSpec *spec = mob_spec_new();

    spec->function = mob_str_new(function);
    spec->label = options->name != NULL ? mob_str_new(options->name) : mob_str_ref(spec->function);
    spec->bundle = mob_str_ref(task->context.spec->bundle);
    spec->returns = options->num_returns;
    spec->needs = make_needs(task, options);
    spec->retries = options->max_retries;
    spec->retry_exceptions = options->retry_exceptions;
    spec->strategy = options->node != NULL ? MOB_STRATEGY_AFFINITY
                     : options->spread     ? MOB_STRATEGY_SPREAD
                                           : MOB_STRATEGY_DEFAULT;
    spec->node = mob_str_new(options->node);
    spec->soft = options->soft;
    spec->file = mob_str_new(task->file);
    spec->line = task->line;
    return spec;
}

static MobArgs *
make_args(MobulaTask *task, size_t count, MobulaValue *const *args)
{
    MobArgs *made = mob_args_new((uint32_t)count);

    for (uint32_t i = 0; i < made->count; i++)
        if (args[i] != NULL && !mob_program_read_ref(args[i], &made->items[i].ref))
            made->items[i].value = mob_program_unwrap(task, args[i]);
        else if (args[i] == NULL)
            made->items[i].value = mob_value_nil();
    return made;
}

/* Raises what the call failed with, if it did. */
static void
check_answer(MobulaTask *task, const char *what)
{
    if (task->answer.fault != NULL)
        mob_program_fail(task, task->answer.fault, "%s failed", what);
}

static MobulaValue *
wrap_ref(MobulaTask *task, const MobRef *ref)
{
    MobCborWriter writer;

    mob_cbor_init(&writer);
    mob_cbor_ref(&writer, ref);
    MobulaValue *value = mob_program_wrap(task, mob_cbor_finish(&writer, 0));
    mob_cbor_clear(&writer);
    return value;
}

void
mobula_submit_many(MobulaTask *task, const MobulaOptions *options, const char *function,
                   size_t count, MobulaValue *const *args, MobulaValue **refs)
{
    static const MobulaOptions defaults = MOBULA_OPTIONS;

    options = options != NULL ? options : &defaults;
    check_options(task, options, function);
    if (count > UINT16_MAX)
        mob_program_fail(task, NULL, "a task takes no more than 65535 arguments; use an array");
    if (task->fiber == NULL)
        mob_program_call(task, &(MobCall){.kind = MOB_CALL_SUBMIT}); /* raises */
    MobCall call = {
        .kind = MOB_CALL_SUBMIT,
        .spec = make_spec(task, options, function),
        .args = make_args(task, count, args),
    };
    mob_program_call(task, &call);
    check_answer(task, "submit");
    for (uint32_t i = 0; i < task->answer.ref_count; i++)
        refs[i] = wrap_ref(task, &task->answer.refs[i]);
}

MobulaValue *
mobula_submit(MobulaTask *task, const MobulaOptions *options, const char *function, size_t count,
              MobulaValue *const *args)
{
    MobulaValue *ref = NULL;

    if (options != NULL && options->num_returns != 1)
        mob_program_fail(task, NULL, "num_returns is %" G_GUINT32_FORMAT ": use mobula_submit_many",
                         options->num_returns);
    mobula_submit_many(task, options, function, count, args, &ref);
    return ref;
}

MobulaValue *
mobula_put(MobulaTask *task, MobulaValue *value)
{
    MobRef ref;

    if (value == NULL)
        value = mobula_nil(task);
    if (mob_program_read_ref(value, &ref)) {
        mob_ref_clear(&ref);
        mob_program_fail(task, NULL, "a reference cannot be put: it is one already");
    }
    if (task->fiber == NULL)
        mob_program_call(task, &(MobCall){.kind = MOB_CALL_PUT}); /* raises */
    task->leaving = g_new(MobValue *, 1);
    task->leaving[0] = mob_program_unwrap(task, value);
    mob_program_call(task,
                     &(MobCall){.kind = MOB_CALL_PUT, .values = task->leaving, .value_count = 1});
    check_answer(task, "put");
    return wrap_ref(task, &task->answer.refs[0]);
}

/* --- waiting --- */

/* Makes the references in @refs those of the next call. */
static void
name_refs(MobulaTask *task, size_t count, MobulaValue *const *refs)
{
    g_assert(task->naming == NULL);
    if (count >= UINT32_MAX)
        mob_program_fail(task, NULL, "these are too many references");
    task->naming = g_new0(MobRef, MAX(count, 1));
    for (uint32_t i = 0; i < count; i++) {
        if (refs[i] == NULL || !mob_program_read_ref(refs[i], &task->naming[i]))
            mob_program_fail(task, NULL, "item %" G_GUINT32_FORMAT " is not a reference", i + 1);
        task->naming_count = i + 1;
    }
}

static void
call_get(MobulaTask *task, size_t count, MobulaValue *const *refs, uint64_t timeout_ns)
{
    name_refs(task, count, refs);
    mob_program_call(task, &(MobCall){.kind = MOB_CALL_GET,
                                      .refs = task->naming,
                                      .ref_count = task->naming_count,
                                      .timeout = timeout_ns});
}

/* What get failed with: of the call, or in place of a value. NULL if it did not. */
static MobValue *
failure_of_get(const MobulaTask *task)
{
    if (task->answer.fault != NULL)
        return task->answer.fault;
    for (uint32_t i = 0; i < task->answer.value_count; i++)
        if (task->answer.values[i]->fault != 0)
            return task->answer.values[i];
    return NULL;
}

void
mobula_get_all(MobulaTask *task, size_t count, MobulaValue *const *refs, MobulaValue **values)
{
    call_get(task, count, refs, MOB_TIME_NEVER);
    const MobValue *failure = failure_of_get(task);
    if (failure != NULL)
        mob_program_fail(task, failure, "get failed");
    for (uint32_t i = 0; i < task->answer.value_count; i++)
        values[i] = mob_program_wrap(task, mob_value_ref(task->answer.values[i]));
}

MobulaValue *
mobula_get(MobulaTask *task, MobulaValue *ref)
{
    MobulaValue *value = NULL;

    mobula_get_all(task, 1, &ref, &value);
    return value;
}

bool
mobula_try_get(MobulaTask *task, MobulaValue *ref, uint64_t timeout_ns, MobulaValue **value)
{
    call_get(task, 1, &ref, timeout_ns);
    MobValue *failure = failure_of_get(task);
    *value =
        mob_program_wrap(task, mob_value_ref(failure != NULL ? failure : task->answer.values[0]));
    return failure == NULL;
}

size_t
mobula_wait(MobulaTask *task, size_t count, MobulaValue *const *refs, size_t enough,
            uint64_t timeout_ns, bool *ready)
{
    if (enough > count)
        mob_program_fail(task, NULL, "wait for %zu of %zu references would never end", enough,
                         count);
    name_refs(task, count, refs);
    mob_program_call(task, &(MobCall){.kind = MOB_CALL_WAIT,
                                      .refs = task->naming,
                                      .ref_count = task->naming_count,
                                      .count = (uint32_t)enough,
                                      .timeout = timeout_ns});
    check_answer(task, "wait");
    memset(ready, 0, count * sizeof *ready);
    for (uint32_t i = 0; i < task->answer.ready_count; i++)
        ready[task->answer.ready[i]] = true;
    return task->answer.ready_count;
}

void
mobula_drop(MobulaTask *task, MobulaValue *ref)
{
    MobRef named;

    if (ref == NULL)
        return;
    if (!mob_program_read_ref(ref, &named))
        mob_program_fail(task, NULL, "what is dropped is not a reference");
    g_array_append_val(task->drops, named.id);
    mob_ref_clear(&named);
    mobula_free(task, ref);
}

/* --- by hand --- */

void
mobula_free_values(MobulaTask *task, size_t count, MobulaValue *const *refs)
{
    name_refs(task, count, refs);
    mob_program_call(
        task,
        &(MobCall){.kind = MOB_CALL_FREE, .refs = task->naming, .ref_count = task->naming_count});
    check_answer(task, "free");
}

const char *
mobula_pin(MobulaTask *task, MobulaValue *ref)
{
    name_refs(task, 1, &ref);
    mob_program_call(task, &(MobCall){.kind = MOB_CALL_PIN, .refs = task->naming, .ref_count = 1});
    check_answer(task, "pin");
    MobulaValue *text = mob_program_wrap(task, mob_value_ref(task->answer.values[0]));
    return mobula_to_string(task, text, NULL);
}

MobulaValue *
mobula_ref(MobulaTask *task, const char *text)
{
    const char *why = "there is none";

    g_assert(task->naming == NULL);
    task->naming = g_new0(MobRef, 1);
    if (text == NULL ||
        !mob_ref_read(text, strlen(text), task->context.spec->path, &task->naming[0], &why))
        mob_program_fail(task, NULL, "this text is no reference: %s", why);
    task->naming_count = 1;
    mob_program_call(task,
                     &(MobCall){.kind = MOB_CALL_ADOPT, .refs = task->naming, .ref_count = 1});
    return wrap_ref(task, &task->answer.refs[0]);
}

/* --- the world --- */

void
mobula_compute(MobulaTask *task, uint64_t duration_ns)
{
    mob_program_tell(task, &(MobCall){.kind = MOB_CALL_COMPUTE, .time = duration_ns});
}

void
mobula_sleep(MobulaTask *task, uint64_t duration_ns)
{
    mob_program_call(task, &(MobCall){.kind = MOB_CALL_SLEEP, .time = duration_ns});
}

void
mobula_print(MobulaTask *task, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    char *text = g_strdup_vprintf(format, list);
    va_end(list);
    MobStr *str = mob_str_new(text);
    g_free(text);
    mob_program_tell(task, &(MobCall){.kind = MOB_CALL_OUTPUT, .text = str});
}

void
mobula_raise(MobulaTask *task, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    char *message = g_strdup_vprintf(format, list);
    va_end(list);
    MobValue *fault = mob_program_fault(task, message, NULL);
    g_free(message);
    mob_program_raise(task, fault);
}

/* Maps @word to [0, @n). */
static uint64_t
scale(uint64_t word, uint64_t n)
{
    __extension__ typedef unsigned __int128 Wide;

    return (uint64_t)(((Wide)word * n) >> 64);
}

uint64_t
mobula_random(MobulaTask *task, uint64_t n)
{
    uint64_t key = mob_str_hash(task->context.spec->path);

    if (n == 0)
        mob_program_fail(task, NULL, "random needs a limit of at least 1");
    /* Boring, but not always the same: the textbook run has its dice too. */
    uint64_t boring = scale(mob_mix(mob_mix(key) + ++task->drawn), n);
    return mob_pick(task->context.picks, MOB_PICK_APP, key, n, boring);
}

uint64_t
mobula_now(MobulaTask *task)
{
    return task->context.now;
}

uint32_t
mobula_attempt(MobulaTask *task)
{
    return task->context.attempt;
}

const char *
mobula_node(MobulaTask *task)
{
    return task->context.node_name;
}

const char *
mobula_worker(MobulaTask *task)
{
    return task->context.worker_name;
}
