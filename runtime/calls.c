/* calls.c: what a body asks for while it runs. Submit and put make objects;
 * get and wait, which stop the body until objects exist, are in waits.c.
 */
#include "runtime/worker_parts.h"

static MobExec *
exec_of(MobStep *step)
{
    return &step->worker->exec;
}

void
mob_calls_resume(MobStep *step, MobAnswer answer)
{
    answer.now = step->input->now;
    mob_resume(step->out, exec_of(step)->body, answer);
}

static MobAnswer
answer_with_ref(const MobRow *row)
{
    MobAnswer answer = {.refs = g_new(MobRef, 1), .ref_count = 1};

    answer.refs[0] = mob_ref_copy(&row->ref);
    return answer;
}

/* --- put --- */

static void
send_put(MobStep *step, const MobRow *row)
{
    MobStoreObject *store = mob_store_object_new();

    store->object = mob_ref_copy(&row->ref);
    store->value = mob_value_ref(row->value);
    mob_send(step->out, step->worker->manager, store);
}

static MobRow *
put(MobStep *step, MobValue *value, MobCallSite site)
{
    MobExec *exec = exec_of(step);
    uint32_t index = ++exec->puts;
    g_autoptr(MobStr) path = mob_path_child(exec->spec->path, index);
    MobRef ref = {mob_object_put(exec->execution, index), step->worker->base.address, path};
    MobRow *row = mob_row_of(step->worker, &ref);

    mob_row_contain(step, row, value->refs, value->ref_count, site);
    if (value->size <= step->worker->config->put_inline_max) {
        mob_object_set_inline(step, row, value);
        return row;
    }
    row->unsealed = true;
    row->value = value; /* until the store has it, to be sent again if need be */
    send_put(step, row);
    return row;
}

static void
on_put(MobStep *step, const MobCall *call)
{
    MobExec *exec = exec_of(step);
    MobCallSite site = mob_call_site(call);
    MobRow *row = put(step, call->values[0], site);

    mob_row_hold(step, row, site);
    if (!row->unsealed) {
        mob_calls_resume(step, answer_with_ref(row));
        return;
    }
    exec->waiting = true;
    exec->call = MOB_CALL_PUT;
    exec->putting = row->ref.id;
}

void
mob_calls_put_stored(MobStep *step, MobValue *fault)
{
    MobExec *exec = exec_of(step);

    exec->waiting = false;
    if (fault == NULL) {
        mob_calls_resume(step, answer_with_ref(mob_row_find(step->worker, exec->putting)));
        return;
    }
    mob_calls_resume(step, (MobAnswer){.fault = fault});
    mob_row_drop(step, exec->putting);
}

/* --- submit --- */

/* Large arguments are put, and travel as references. The put counts for the
 * task alone: no reference of the body is made. */
static MobArgs *
put_large_args(MobStep *step, MobArgs *args, MobCallSite site)
{
    const MobConfig *config = step->worker->config;
    uint64_t total = 0;
    MobArgs *changed = NULL;

    for (uint32_t i = 0; i < args->count; i++) {
        MobValue *value = args->items[i].value;
        if (value == NULL)
            continue;
        if (value->size <= config->inline_max && total + value->size <= config->inline_total_max) {
            total += value->size;
            continue;
        }
        if (changed == NULL) {
            changed = mob_args_new(args->count);
            for (uint32_t k = 0; k < args->count; k++) {
                changed->items[k].ref = mob_ref_copy(&args->items[k].ref);
                changed->items[k].value = mob_value_ref(args->items[k].value);
            }
        }
        MobRow *row = put(step, g_steal_pointer(&changed->items[i].value), site);
        changed->items[i].ref = mob_ref_copy(&row->ref);
    }
    if (changed == NULL)
        return args;
    mob_args_unref(args);
    return changed;
}

static void
on_submit(MobStep *step, const MobCall *call)
{
    MobExec *exec = exec_of(step);
    MobTaskSpec *spec = call->spec;
    uint32_t index = ++exec->submits;

    spec->id = mob_task_child(exec->execution, index);
    spec->path = mob_path_child(exec->spec->path, index);
    spec->owner = step->worker->base.address;
    spec->parent_attempt = exec->attempt;
    MobArgs *args = put_large_args(step, call->args, mob_spec_site(spec));

    MobAnswer answer = {.refs = g_new(MobRef, spec->returns), .ref_count = spec->returns};
    for (uint32_t i = 0; i < spec->returns; i++) {
        MobRef ref = {mob_object_return(spec->id, i + 1), spec->owner, spec->path};
        answer.refs[i] = mob_ref_copy(&ref);
        mob_row_hold(step, mob_row_of(step->worker, &ref), mob_spec_site(spec));
    }
    mob_submit(step, spec, args);
    mob_calls_resume(step, answer);
}

/* After a broken connection: what the store has not acknowledged, and what the
 * body waits for. */
void
mob_calls_again(MobStep *step)
{
    size_t at = 0;
    MobRow *row;

    while ((row = mob_table_next(step->worker->rows, &at)))
        if (row->unsealed)
            send_put(step, row);
    mob_waits_again(step);
}

/* --- dispatch --- */

static void
on_output(MobStep *step, const MobCall *call)
{
    MobExec *exec = exec_of(step);

    NOTE(step->out, OUTPUT, .worker = step->worker->base.address, .spec = exec->spec,
         .attempt = exec->attempt, .text = mob_str(call->text));
    mob_output(step->out, exec->body, call->text);
    mob_calls_resume(step, (MobAnswer){0});
}

void
mob_calls_on_call(MobStep *step)
{
    const MobCall *call = step->input->call;
    MobExec *exec = exec_of(step);

    g_assert(exec->phase == MOB_EXEC_RUNNING && exec->body.v == step->input->body.v);
    for (uint32_t i = 0; i < call->drop_count; i++)
        mob_row_drop(step, call->drops[i]);
    switch (call->kind) {
    case MOB_CALL_SUBMIT:
        on_submit(step, call);
        break;
    case MOB_CALL_GET:
    case MOB_CALL_WAIT:
        mob_waits_on_call(step, call);
        break;
    case MOB_CALL_PUT:
        on_put(step, call);
        break;
    case MOB_CALL_COMPUTE:
        mob_compute(step->out, exec->body, call->time);
        break;
    case MOB_CALL_SLEEP:
        mob_sleep(step->out, exec->body, step->input->now + call->time);
        break;
    case MOB_CALL_OUTPUT:
        on_output(step, call);
        break;
    case MOB_CALL_RETURN:
        mob_exec_return(step, call);
        break;
    case MOB_CALL_RAISE:
        mob_exec_raise(step, call->fault);
        break;
    case MOB_CALL_FREE:
        mob_free_on_call(step, call);
        break;
    case MOB_CALL_PIN:
        mob_pin_on_call(step, call);
        break;
    case MOB_CALL_ADOPT:
        mob_pin_on_adopt(step, call);
        break;
    case MOB_CALL_COUNT:
        g_assert_not_reached();
    }
}
