/* oracle.c: see oracle.h.
 *
 * A task is run when it is submitted, by recursion; its values are kept under
 * the path of the task. Depth is bounded, and so is the number of calls.
 */
#include "sim/oracle.h"

enum {
    DEPTH_MAX = 200
};

struct MobOracle {
    MobLoader *loader;
    MobPicks *picks;
    const MobConfig *config; /* borrowed */
    const MobValue *bundle;  /* borrowed */
    MobTable *values;        /* path and index -> MobValue, owned */
    MobAddress place;
    const char *silent;
    MobValue *result;
    uint64_t steps_left;
    uint32_t depth;
};

/* One body that is being evaluated. */
typedef struct {
    MobTaskSpec *spec;
    MobTaskId execution;
    uint32_t submits;
    uint32_t puts;
} Frame;

static MobKey
key_of(const MobStr *path, uint32_t index)
{
    return (MobKey){mob_str_hash(path), index};
}

const MobValue *
mob_oracle_value(const MobOracle *oracle, const MobStr *path, uint32_t index)
{
    return mob_table_get(oracle->values, key_of(path, index));
}

static void
keep(MobOracle *oracle, const MobStr *path, uint32_t index, MobValue *value)
{
    mob_table_add(oracle->values, key_of(path, index), value);
}

static MobValue *evaluate(MobOracle *oracle, MobTaskSpec *spec, MobArgs *args, MobValue ***values);

static MobRef
ref_to(const MobTaskSpec *spec, uint32_t index)
{
    return (MobRef){mob_object_return(spec->id, index), spec->owner, mob_str_ref(spec->path)};
}

static MobValue *
dependency_fault(const MobValue *cause)
{
    return mob_fault_value(
        &(MobFault){.kind = MOB_FAULT_TASK, .message = "an argument is an error", .cause = cause});
}

/* Values in the place of references, as a worker gets them. */
static MobArgs *
fill_in(MobOracle *oracle, const MobArgs *args, const MobValue **failed)
{
    MobArgs *filled = mob_args_new(args->count);

    for (uint32_t i = 0; i < args->count; i++) {
        const MobArg *arg = &args->items[i];
        MobValue *value = arg->value;
        if (value == NULL)
            value = (MobValue *)mob_oracle_value(oracle, arg->ref.path, arg->ref.id.index);
        if (value == NULL) {
            oracle->silent = "an argument comes from outside the program";
            value = mob_value_nil();
        } else {
            mob_value_ref(value);
        }
        filled->items[i].value = value;
        if (value->fault != 0 && *failed == NULL)
            *failed = value;
    }
    return filled;
}

/* Large arguments are put on the way, and what is put later is numbered behind. */
static uint32_t
count_large(const MobConfig *config, const MobArgs *args)
{
    uint64_t total = 0;
    uint32_t large = 0;

    for (uint32_t i = 0; i < args->count; i++) {
        const MobValue *value = args->items[i].value;
        if (value == NULL)
            continue;
        if (value->size <= config->inline_max && total + value->size <= config->inline_total_max)
            total += value->size;
        else
            large++;
    }
    return large;
}

static void
submit(MobOracle *oracle, Frame *frame, const MobCall *call, MobAnswer *answer)
{
    g_autoptr(MobTaskSpec) spec = call->spec;
    g_autoptr(MobArgs) args = call->args;
    const MobValue *failed = NULL;
    MobValue **values = NULL;
    uint32_t index = ++frame->submits;

    spec->id = mob_task_child(frame->execution, index);
    spec->path = mob_path_child(frame->spec->path, index);
    spec->owner = oracle->place;
    frame->puts += count_large(oracle->config, args);
    MobArgs *filled = fill_in(oracle, args, &failed);
    MobValue *fault =
        failed != NULL ? dependency_fault(failed) : evaluate(oracle, spec, filled, &values);
    mob_args_unref(filled);
    answer->refs = g_new(MobRef, spec->returns);
    answer->ref_count = spec->returns;
    for (uint32_t i = 0; i < spec->returns; i++) {
        answer->refs[i] = ref_to(spec, i + 1);
        keep(oracle, spec->path, i + 1, fault != NULL ? mob_value_ref(fault) : values[i]);
    }
    mob_value_unref(fault);
    g_free(values);
}

static void
put(MobOracle *oracle, Frame *frame, const MobCall *call, MobAnswer *answer)
{
    uint32_t index = ++frame->puts;
    MobStr *path = mob_path_child(frame->spec->path, index);
    MobObjectId id = mob_object_put(frame->execution, index);

    keep(oracle, path, id.index, call->values[0]);
    answer->refs = g_new(MobRef, 1);
    answer->ref_count = 1;
    answer->refs[0] = (MobRef){id, oracle->place, path};
}

static void
get(MobOracle *oracle, const MobCall *call, MobAnswer *answer)
{
    answer->values = g_new0(MobValue *, MAX(call->ref_count, 1));
    for (uint32_t i = 0; i < call->ref_count; i++) {
        MobValue *value =
            (MobValue *)mob_oracle_value(oracle, call->refs[i].path, call->refs[i].id.index);
        if (value == NULL) {
            oracle->silent = "it gets an object that the oracle does not know";
            value = mob_value_nil();
        } else {
            mob_value_ref(value);
        }
        answer->values[answer->value_count++] = value;
        if (value->fault != 0) {
            answer->fault = mob_value_ref(value);
            return;
        }
    }
}

static void
wait(MobOracle *oracle, const MobCall *call, MobAnswer *answer)
{
    if (call->timeout != MOB_TIME_NEVER)
        oracle->silent = "it waits for a limited time";
    else if (call->count < call->ref_count)
        oracle->silent = "it waits for some of several objects";
    uint32_t enough = MIN(call->count, call->ref_count);
    answer->ready = g_new(uint32_t, MAX(enough, 1));
    for (uint32_t i = 0; i < enough; i++)
        answer->ready[answer->ready_count++] = i;
}

/* Answers one call; false if it was the body's last. */
static bool
answer_call(MobOracle *oracle, Frame *frame, const MobCall *call, MobAnswer *answer)
{
    switch (call->kind) {
    case MOB_CALL_SUBMIT:
        submit(oracle, frame, call, answer);
        return true;
    case MOB_CALL_PUT:
        put(oracle, frame, call, answer);
        return true;
    case MOB_CALL_GET:
        if (call->timeout != MOB_TIME_NEVER)
            oracle->silent = "it gets with a timeout";
        get(oracle, call, answer);
        return true;
    case MOB_CALL_WAIT:
        wait(oracle, call, answer);
        return true;
    case MOB_CALL_OUTPUT:
        mob_str_unref(call->text);
        return true;
    case MOB_CALL_COMPUTE:
    case MOB_CALL_SLEEP:
        return true;
    case MOB_CALL_FREE:
        oracle->silent = "it frees values by hand";
        return true;
    case MOB_CALL_PIN:
        oracle->silent = "it writes references down";
        answer->values = g_new(MobValue *, 1);
        answer->values[answer->value_count++] = mob_value_nil();
        return true;
    case MOB_CALL_ADOPT:
        oracle->silent = "it reads references from texts";
        answer->refs = g_new(MobRef, 1);
        answer->refs[answer->ref_count++] = mob_ref_copy(&call->refs[0]);
        return true;
    case MOB_CALL_RETURN:
    case MOB_CALL_RAISE:
    case MOB_CALL_COUNT:
        break;
    }
    return false;
}

static MobValue *
run_body(MobOracle *oracle, Frame *frame, MobBody *body, MobValue ***values)
{
    MobAnswer answer = {0};
    MobCall call;
    MobValue *fault = NULL;

    for (;;) {
        call = (MobCall){0};
        oracle->loader->resumed++;
        body->class->resume(body, &answer, &call);
        mob_answer_clear(&answer);
        if (!answer_call(oracle, frame, &call, &answer))
            break;
        if (oracle->steps_left == 0) {
            oracle->silent = "it takes too many steps";
            mob_answer_clear(&answer);
            body->class->free(body);
            return mob_fault_value(&(MobFault){.kind = MOB_FAULT_TASK, .message = "too long"});
        }
        oracle->steps_left--;
    }
    if (call.kind == MOB_CALL_RAISE)
        fault = call.fault;
    else
        *values = g_memdup2(call.values, call.value_count * sizeof(MobValue *));
    body->class->free(body);
    return fault;
}

/* Returns (transfer full) the error, or NULL with the values (owned). */
static MobValue *
evaluate(MobOracle *oracle, MobTaskSpec *spec, MobArgs *args, MobValue ***values)
{
    Frame frame = {.spec = spec, .execution = mob_task_execution(spec->id, 1)};
    MobBodyContext context = {.worker = oracle->place,
                              .worker_name = "oracle",
                              .node_name = "oracle",
                              .spec = spec,
                              .attempt = 1,
                              .picks = oracle->picks};

    if (oracle->depth >= DEPTH_MAX) {
        oracle->silent = "its tasks are nested too deep to be run one inside the other";
        return mob_fault_value(&(MobFault){.kind = MOB_FAULT_TASK, .message = "too deep"});
    }
    oracle->depth++;
    MobBody *body = oracle->loader->start(oracle->loader, &context, oracle->bundle, args);
    MobValue *fault = run_body(oracle, &frame, body, values);
    oracle->depth--;
    return fault;
}

MobOracle *
mob_oracle_new(MobLoader *loader, const MobPickConfig *picks, const MobConfig *config,
               const MobJob *job, const char *root_path, uint64_t steps)
{
    MobOracle *oracle = g_new0(MobOracle, 1);
    g_autoptr(MobTaskSpec) spec = mob_spec_new();
    MobValue **values = NULL;

    oracle->loader = loader;
    oracle->picks = mob_picks_new(picks);
    oracle->config = config;
    oracle->bundle = job->bundle;
    oracle->values = mob_table_new();
    oracle->place = (MobAddress){G_MAXUINT32, MOB_LOCAL_WORKER};
    oracle->steps_left = steps;
    spec->path = mob_str_new(root_path);
    spec->id = (MobTaskId){1, mob_str_hash(spec->path) | 1};
    spec->function = mob_str_new("main");
    spec->label = mob_str_new(job->name);
    spec->bundle = mob_str_ref(job->bundle_id);
    spec->owner = oracle->place;
    spec->returns = 1;
    uint64_t impure = loader->impure;
    g_autoptr(MobArgs) args = job->args != NULL ? mob_args_ref(job->args) : mob_args_new(0);
    MobValue *fault = evaluate(oracle, spec, args, &values);
    if (fault != NULL)
        oracle->result = fault;
    else
        oracle->result = values != NULL ? values[0] : mob_value_nil();
    g_free(values);
    if (loader->impure != impure)
        oracle->silent = "it asks for the time or where it runs";
    loader->drop(loader, oracle->place);
    return oracle;
}

void
mob_oracle_free(MobOracle *oracle)
{
    if (oracle == NULL)
        return;
    mob_table_free_full(oracle->values, (GDestroyNotify)mob_value_unref);
    mob_picks_free(oracle->picks);
    mob_value_unref(oracle->result);
    g_free(oracle);
}

const char *
mob_oracle_silent(const MobOracle *oracle)
{
    return oracle->silent;
}

const MobValue *
mob_oracle_result(const MobOracle *oracle)
{
    return oracle->result;
}
