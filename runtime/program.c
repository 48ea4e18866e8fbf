/* program.c: see program.h. The loader, what is registered, and how a function
 * becomes a body.
 */
#include "runtime/program_parts.h"

#include <string.h>

#define PREFIX "so:"

typedef struct {
    MobLoader base;
    const MobProgramOpener *opener;
    GPtrArray *programs; /* of MobulaProgram, owned; a run has one or two */
    MobFiberPool *pool;
} Loader;

/* --- registration --- */

static const MobProgramFunction *
find_function(const MobulaProgram *program, const char *name)
{
    for (guint i = 0; i < program->functions->len; i++) {
        const MobProgramFunction *function =
            &g_array_index(program->functions, MobProgramFunction, i);
        if (strcmp(mob_str(function->name), name) == 0)
            return function;
    }
    return NULL;
}

static void
add_function(MobulaProgram *program, const char *name, MobulaFunction function, bool kernel)
{
    MobProgramFunction added = {NULL, function, kernel};

    if (program->problem != NULL)
        return;
    if (name == NULL || *name == '\0' || function == NULL) {
        program->problem = g_strdup_printf("%s registers a function without a name or without code",
                                           mob_str(program->path));
        return;
    }
    if (find_function(program, name) != NULL) {
        program->problem =
            g_strdup_printf("%s registers two functions as %s", mob_str(program->path), name);
        return;
    }
    added.name = mob_str_new(name);
    g_array_append_val(program->functions, added);
}

void
mobula_register(MobulaProgram *program, const char *name, MobulaFunction function)
{
    add_function(program, name, function, false);
}

void
mobula_register_kernel(MobulaProgram *program, const char *name, MobulaFunction function)
{
    add_function(program, name, function, true);
}

static void
program_free(void *data)
{
    MobulaProgram *program = data;

    for (guint i = 0; i < program->functions->len; i++)
        mob_str_unref(g_array_index(program->functions, MobProgramFunction, i).name);
    g_array_free(program->functions, TRUE);
    mob_str_unref(program->path);
    g_free(program->problem);
    g_free(program);
}

/* Returns the program behind @bundle_id; it is opened when it is first asked
 * for, and never again, so that all workers see the same. */
static const MobulaProgram *
get_program(Loader *loader, const MobStr *bundle_id)
{
    const char *path = mob_str(bundle_id) + strlen(PREFIX);
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < loader->programs->len; i++) {
        const MobulaProgram *program = g_ptr_array_index(loader->programs, i);
        if (strcmp(mob_str(program->path), path) == 0)
            return program;
    }
    MobulaProgram *program = g_new0(MobulaProgram, 1);
    program->path = mob_str_new(path);
    program->functions = g_array_new(FALSE, FALSE, sizeof(MobProgramFunction));
    g_ptr_array_add(loader->programs, program);
    MobProgramEntry entry = loader->opener->open(loader->opener->data, path, &error);
    if (entry != NULL)
        entry(program);
    else
        program->problem = g_strdup(error->message);
    return program;
}

/* Returns a sentence that says which functions there are. */
static char *
describe_missing(const MobulaProgram *program, const char *name)
{
    GString *text = g_string_new(NULL);

    g_string_append_printf(text, "%s registers no function %s; it has", mob_str(program->path),
                           name);
    for (guint i = 0; i < program->functions->len; i++)
        g_string_append_printf(
            text, "%s %s", i > 0 ? "," : "",
            mob_str(g_array_index(program->functions, MobProgramFunction, i).name));
    if (program->functions->len == 0)
        g_string_append(text, " none");
    return g_string_free(text, FALSE);
}

bool
mob_program_is_ours(const MobStr *bundle_id)
{
    return g_str_has_prefix(mob_str(bundle_id), PREFIX);
}

MobValue *
mob_program_bundle(const char *path, MobStr **bundle_id)
{
    MobCborWriter writer;

    *bundle_id = mob_str_printf(PREFIX "%s", path);
    mob_cbor_init(&writer);
    mob_cbor_string(&writer, mob_str(*bundle_id), (*bundle_id)->length);
    MobValue *bundle = mob_cbor_finish(&writer, 0);
    mob_cbor_clear(&writer);
    return bundle;
}

bool
mob_program_check(MobLoader *loader, const MobStr *bundle_id, GError **error)
{
    const MobulaProgram *program = get_program((Loader *)loader, bundle_id);

    if (program->problem != NULL) {
        g_set_error(error, MOB_PROGRAM_ERROR, 0, "%s", program->problem);
        return false;
    }
    if (find_function(program, "main") == NULL) {
        g_autofree char *text = describe_missing(program, "main");
        g_set_error(error, MOB_PROGRAM_ERROR, 0,
                    "%s; the driver needs mobula_register(program, \"main\", ...)", text);
        return false;
    }
    return true;
}

/* --- calls --- */

/* Makes @call the one that the body is stopped at. */
static void
set_call(MobulaTask *task, const MobCall *call)
{
    task->call = *call;
    task->call.drops = (const MobObjectId *)(void *)task->drops->data;
    task->call.drop_count = task->drops->len;
    if (task->call.file == NULL) {
        task->call.file = task->file;
        task->call.line = task->line;
    }
}

void
mob_program_call(MobulaTask *task, const MobCall *call)
{
    if (task->fiber == NULL)
        mob_program_fail(task, NULL,
                         "%s stops in %s, but was registered as a kernel, which never stops: use "
                         "mobula_register",
                         mob_str(task->function->name), mob_call_name(call->kind));
    set_call(task, call);
    mob_fiber_leave(task->fiber);
}

void
mob_program_tell(MobulaTask *task, const MobCall *call)
{
    if (task->fiber == NULL)
        g_array_append_vals(task->queue, call, 1);
    else
        mob_program_call(task, call);
}

MobValue *
mob_program_fault(const MobulaTask *task, const char *message, const MobValue *cause)
{
    const MobTaskSpec *spec = task->context.spec;
    g_autoptr(GString) name = g_string_new(NULL);
    g_autofree char *trace = NULL;

    mob_name_task(name, spec->path);
    if (strcmp(name->str, "main") != 0)
        g_string_append_printf(name, " %s", mob_str(spec->label));
    if (task->file != NULL)
        trace = g_strdup_printf("%s:%" G_GUINT32_FORMAT, task->file, task->line);
    return mob_fault_value(&(MobFault){
        .kind = MOB_FAULT_TASK,
        .message = message,
        .task = name->str,
        .attempt = task->context.attempt,
        .attempts_max =
            spec->retries >= 0 && spec->retries < UINT32_MAX ? (uint32_t)spec->retries + 1 : 0,
        .node = task->context.worker_name,
        .at = task->context.now,
        .trace = trace,
        .cause = cause,
    });
}

void
mob_program_raise(MobulaTask *task, MobValue *fault)
{
    MobCall call = {.kind = MOB_CALL_RAISE, .fault = fault};

    if (task->fiber == NULL) {
        g_array_append_val(task->queue, call);
        longjmp(task->out, 1);
    }
    set_call(task, &call);
    mob_fiber_leave(task->fiber);
    g_assert_not_reached(); /* nobody resumes a body after its last call */
}

void
mob_program_fail(MobulaTask *task, const MobValue *cause, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    g_autofree char *message = g_strdup_vprintf(format, list);
    va_end(list);
    MobValue *fault = mob_program_fault(task, message, cause);
    /* This frame is never left, so nothing is freed by itself. */
    g_free(g_steal_pointer(&message));
    mob_program_raise(task, fault);
}

/* --- running --- */

/* Turns what the function returned into one value for each that is expected. */
static MobCall
return_call(MobulaTask *task, MobulaValue *value)
{
    uint32_t returns = task->context.spec->returns;

    if (value == NULL)
        value = mobula_nil(task);
    if (returns > 1 && (mobula_type(value) != MOBULA_ARRAY || mobula_count(task, value) != returns))
        mob_program_fail(task, NULL,
                         "%s was asked for %" G_GUINT32_FORMAT
                         " values and must return an array of so many",
                         mob_str(task->function->name), returns);
    task->leaving = g_new0(MobValue *, MAX(returns, 1));
    for (uint32_t i = 0; i < returns; i++)
        task->leaving[i] =
            mob_program_unwrap(task, returns == 1 ? value : mobula_at(task, value, i));
    return (MobCall){.kind = MOB_CALL_RETURN, .values = task->leaving, .value_count = returns};
}

static MobCall
run_function(MobulaTask *task)
{
    /* Not on the stack, which is small: there may be many. */
    task->argv = g_new(MobulaValue *, task->args->count + 1);
    for (uint32_t i = 0; i < task->args->count; i++)
        task->argv[i] = mob_program_wrap(task, mob_value_ref(task->args->items[i].value));
    return return_call(task, task->function->function(task, task->argv, task->args->count));
}

static void
run_on_fiber(void *data)
{
    MobulaTask *task = data;
    MobCall call = run_function(task);

    set_call(task, &call);
    mob_fiber_leave(task->fiber);
}

/* Runs a kernel to its end; what it asked for stands in the queue. */
static void
run_kernel(MobulaTask *task)
{
    task->queue = g_array_new(FALSE, FALSE, sizeof(MobCall));
    if (setjmp(task->out) == 0) {
        MobCall call = run_function(task);
        g_array_append_val(task->queue, call);
    }
}

static void
resume_kernel(MobulaTask *task)
{
    if (!task->started)
        run_kernel(task);
    g_assert(task->queue_at < task->queue->len);
    set_call(task, &g_array_index(task->queue, MobCall, task->queue_at));
    task->queue_at++;
}

static void
resume_fiber(MobulaTask *task)
{
    if (!task->started)
        task->fiber = mob_fiber_take(task->pool, run_on_fiber, task);
    mob_fiber_enter(task->fiber);
}

/* Copies what the answer holds: it is borrowed until the next resume. */
static void
take_answer(MobulaTask *task, const MobAnswer *answer)
{
    MobAnswer own = {
        .now = answer->now,
        .refs = g_memdup2(answer->refs, answer->ref_count * sizeof *answer->refs),
        .ref_count = answer->ref_count,
        .values = g_memdup2(answer->values, answer->value_count * sizeof *answer->values),
        .value_count = answer->value_count,
        .ready = g_memdup2(answer->ready, answer->ready_count * sizeof *answer->ready),
        .ready_count = answer->ready_count,
        .fault = mob_value_ref(answer->fault),
    };

    for (uint32_t i = 0; i < own.ref_count; i++)
        mob_str_ref(own.refs[i].path);
    for (uint32_t i = 0; i < own.value_count; i++)
        mob_value_ref(own.values[i]);
    mob_answer_clear(&task->answer);
    task->answer = own;
}

/* Frees what the call before named; what it handed over belongs to others. */
static void
forget_call(MobulaTask *task)
{
    for (uint32_t i = 0; i < task->naming_count; i++)
        mob_ref_clear(&task->naming[i]);
    task->naming_count = 0;
    g_clear_pointer(&task->naming, g_free);
    g_clear_pointer(&task->leaving, g_free);
    g_array_set_size(task->drops, 0);
}

static void
task_resume(MobBody *body, const MobAnswer *answer, MobCall *call)
{
    MobulaTask *task = (MobulaTask *)body;

    task->context.now = answer->now;
    take_answer(task, answer);
    if (task->function == NULL) {
        set_call(task, &(MobCall){.kind = MOB_CALL_RAISE,
                                  .fault = mob_program_fault(task, task->problem, NULL)});
    } else if (task->function->kernel) {
        if (task->started)
            g_array_set_size(task->drops, 0); /* the result waits in the queue */
        resume_kernel(task);
    } else {
        forget_call(task);
        resume_fiber(task);
    }
    task->started = true;
    *call = task->call;
}

/* Frees the calls of a kernel that it did not get round to. */
static void
free_queue(MobulaTask *task)
{
    for (guint i = task->queue_at; i < task->queue->len; i++) {
        MobCall *call = &g_array_index(task->queue, MobCall, i);
        mob_str_unref(call->text);
        mob_value_unref(call->fault);
        for (uint32_t k = 0; k < call->value_count; k++)
            mob_value_unref(call->values[k]);
    }
    g_array_free(task->queue, TRUE);
}

static void
task_free(MobBody *body)
{
    MobulaTask *task = (MobulaTask *)body;

    if (task->fiber != NULL)
        mob_fiber_give(task->pool, task->fiber);
    if (task->queue != NULL)
        free_queue(task);
    forget_call(task);
    mob_answer_clear(&task->answer);
    for (guint i = 0; i < task->values->len; i++)
        mob_program_free_value(g_ptr_array_index(task->values, i));
    g_ptr_array_free(task->values, TRUE);
    if (task->texts != NULL)
        g_string_chunk_free(task->texts);
    g_array_free(task->drops, TRUE);
    g_free(task->argv);
    mob_args_unref(task->args);
    g_free(task->problem);
    g_free(task);
}

static const MobBodyClass task_class = {task_resume, task_free};

/* --- the loader --- */

static MobBody *
start_task(MobLoader *self, const MobBodyContext *context, const MobValue *bundle,
           const MobArgs *args)
{
    Loader *loader = (Loader *)self;
    const char *name = mob_str(context->spec->function);
    MobulaTask *task = g_new0(MobulaTask, 1);

    task->base.class = &task_class;
    task->context = *context;
    task->args = mob_args_ref((MobArgs *)args);
    task->pool = loader->pool;
    task->values = g_ptr_array_new();
    task->drops = g_array_new(FALSE, FALSE, sizeof(MobObjectId));
    task->program = get_program(loader, context->spec->bundle);
    if (task->program->problem == NULL)
        task->function = find_function(task->program, name);
    if (task->function == NULL)
        task->problem = task->program->problem != NULL ? g_strdup(task->program->problem)
                                                       : describe_missing(task->program, name);
    return &task->base;
}

/* A shared object stays: it is the same for all workers. */
static void
drop_worker(MobLoader *self, MobAddress worker)
{
}

MobLoader *
mob_program_loader_new(const MobProgramOpener *opener)
{
    Loader *loader = g_new0(Loader, 1);

    loader->base = (MobLoader){start_task, drop_worker};
    loader->opener = opener;
    loader->programs = g_ptr_array_new_with_free_func(program_free);
    loader->pool = mob_fiber_pool_new();
    return &loader->base;
}

void
mob_program_loader_free(MobLoader *self)
{
    Loader *loader = (Loader *)self;

    if (loader == NULL)
        return;
    g_ptr_array_free(loader->programs, TRUE);
    mob_fiber_pool_free(loader->pool);
    g_free(loader);
}
