/* state_tasks.c: tasks and their attempts; see state.h. */
#include "runtime/state_parts.h"

const char *
mob_task_state_name(MobTaskState state)
{
    switch (state) {
    case MOB_TASK_PENDING:
        return "PENDING";
    case MOB_TASK_LEASED:
        return "LEASED";
    case MOB_TASK_RUNNING:
        return "RUNNING";
    case MOB_TASK_FINISHED:
        return "FINISHED";
    case MOB_TASK_FAILED:
        return "FAILED";
    }
    g_assert_not_reached();
}

void
mob_state_end_attempt(State *state, MobStateAttempt *attempt, const char *outcome)
{
    MobStateTask *task = attempt->task;

    if (attempt->ended != 0)
        return;
    attempt->ended = state->event;
    attempt->ended_at = state->now;
    attempt->outcome = outcome;
    /* Nobody runs it now, although its owner may not know yet. */
    if (attempt->number == task->last_attempt && task->state == MOB_TASK_RUNNING)
        task->state = MOB_TASK_PENDING;
}

/* The path "3/1" is that of a child of "3". */
static MobStateTask *
find_parent(State *state, const MobStr *path)
{
    const char *text = mob_str(path);
    const char *slash = strrchr(text, '/');

    if (slash == NULL)
        return NULL;
    g_autoptr(MobStr) parent = mob_str_new_len(text, (size_t)(slash - text));
    g_string_truncate(state->scratch, 0);
    mob_name_task(state->scratch, parent);
    mob_state_own_name(state);
    return mob_table_get(state->names, mob_state_key(state->scratch->str));
}

static void
mark_owner(State *state, MobAddress owner)
{
    Proc *proc = mob_table_get(state->procs, mob_key_address(owner));

    if (proc != NULL)
        proc->owns = true;
}

static void
take_spec(MobStateTask *task, const MobTaskSpec *spec)
{
    MobTaskSpec *old = task->spec;

    task->spec = mob_spec_ref((MobTaskSpec *)spec);
    task->label = mob_str(spec->label != NULL ? spec->label : spec->function);
    task->owner = spec->owner;
    task->retries_left = spec->retries;
    task->evicted = 0;
    mob_spec_unref(old);
}

static MobStateTask *
new_task(State *state, const MobTaskSpec *spec, const char *name, MobKey key)
{
    MobStateTask *task = mob_state_alloc(state, sizeof *task);
    GPtrArray *none = (GPtrArray *)state->none;

    task->name = g_string_chunk_insert(state->texts, name);
    task->attempts = task->args = task->returns = task->nested = none;
    task->submitted = state->event;
    task->submitted_at = state->now;
    mob_table_add(state->names, key, task);
    g_ptr_array_add(state->base.tasks, task);
    task->parent = find_parent(state, spec->path);
    return task;
}

/* The first sight of this identity: a new path, or an old one whose parent has
 * been run again. */
static MobStateTask *
learn_task(State *state, const MobTaskSpec *spec)
{
    g_string_truncate(state->scratch, 0);
    mob_name_task(state->scratch, spec->path);
    mob_state_own_name(state);

    MobKey key = mob_state_key(state->scratch->str);
    MobStateTask *task = mob_table_get(state->names, key);
    if (task == NULL)
        task = new_task(state, spec, state->scratch->str, key);
    mob_table_add(state->tasks, mob_key_task(spec->id), task);
    take_spec(task, spec);
    task->state = MOB_TASK_PENDING;
    task->error = NULL;
    mark_owner(state, spec->owner);

    for (uint32_t i = 1; i <= spec->returns; i++) {
        MobStateObject *object =
            mob_state_get_object(state, mob_object_return(spec->id, i), spec->path);
        if (object == NULL)
            break; /* nothing says what they are called */
        object->owner = spec->owner;
        object->maker = task;
        if (i > task->returns->len)
            mob_state_append(state, &task->returns, object);
    }
    return task;
}

static void
add_once(State *state, GPtrArray **list, MobStateObject *object)
{
    if (object == NULL)
        return;
    for (guint i = 0; i < (*list)->len; i++)
        if (g_ptr_array_index(*list, i) == object)
            return;
    mob_state_append(state, list, object);
}

static void
learn_args(State *state, MobStateTask *task, const MobArgs *args)
{
    for (uint32_t i = 0; i < args->count; i++) {
        const MobArg *arg = &args->items[i];

        if (mob_object_is(arg->ref.id))
            add_once(state, &task->args, mob_state_get_object(state, arg->ref.id, arg->ref.path));
        if (arg->value == NULL || mob_object_is(arg->ref.id))
            continue;
        for (uint32_t j = 0; j < arg->value->ref_count; j++) {
            const MobRef *ref = &arg->value->refs[j];
            add_once(state, &task->nested, mob_state_get_object(state, ref->id, ref->path));
        }
    }
}

static MobStateAttempt *
get_attempt(State *state, MobStateTask *task, MobTaskId id, uint32_t number)
{
    MobStateAttempt *attempt = NULL;

    /* Nearly always it is about the newest one. */
    if (task->attempts->len > 0)
        attempt = g_ptr_array_index(task->attempts, task->attempts->len - 1);
    if (attempt != NULL && attempt->attempt == number && mob_task_eq(attempt->id, id))
        return attempt;
    MobKey key = mob_key_task(mob_task_execution(id, number));
    attempt = mob_table_get(state->attempts, key);
    if (attempt != NULL)
        return attempt;
    attempt = mob_state_alloc(state, sizeof *attempt);
    attempt->task = task;
    attempt->number = ++task->last_attempt;
    attempt->attempt = number;
    attempt->id = id;
    attempt->owner = task->owner;
    attempt->submitted = state->event;
    attempt->submitted_at = state->now;
    mob_table_add(state->attempts, key, attempt);
    mob_state_append(state, &task->attempts, attempt);
    g_ptr_array_add(state->base.attempts, attempt);
    return attempt;
}

static void
on_running(State *state, const MobNote *note, MobStateAttempt *attempt)
{
    Proc *proc = mob_table_get(state->procs, mob_key_address(note->worker));

    if (attempt->started != 0)
        return;
    attempt->worker = note->worker;
    attempt->started = state->event;
    attempt->started_at = state->now;
    attempt->task->executions++;
    if (attempt->number == attempt->task->last_attempt)
        attempt->task->state = MOB_TASK_RUNNING;
    if (proc == NULL)
        return;
    /* A worker runs one body at a time, so what it ran before has ended,
     * although no owner has waited for it. */
    if (proc->running != NULL)
        mob_state_end_attempt(state, proc->running, "abandoned");
    proc->running = attempt;
}

static void
body_has_ended(State *state, MobStateAttempt *attempt)
{
    Proc *proc = mob_table_get(state->procs, mob_key_address(attempt->worker));

    if (proc != NULL && proc->running == attempt)
        proc->running = NULL;
}

static void
on_failed(State *state, const MobNote *note, MobStateAttempt *attempt)
{
    MobFaultKind fault = note->value != NULL ? note->value->fault : MOB_FAULT_NONE;
    bool crashed = fault == MOB_FAULT_WORKER_CRASHED || fault == MOB_FAULT_NODE_DIED;
    MobStateTask *task = attempt->task;

    /* An attempt that the owner has given up may go on behind a cut link. */
    Proc *proc = mob_table_get(state->procs, mob_key_address(attempt->worker));
    bool goes_on = crashed && proc != NULL && proc->base.alive && proc->running == attempt;
    if (!goes_on) {
        body_has_ended(state, attempt);
        mob_state_end_attempt(state, attempt, crashed ? "crashed" : "failed");
    }
    if (attempt->number != task->last_attempt)
        return;
    task->state = note->final ? MOB_TASK_FAILED : MOB_TASK_PENDING;
    if (note->final)
        task->error = fault != MOB_FAULT_NONE ? mob_fault_name(fault) : "TaskError";
}

static void
on_retried(State *state, const MobNote *note, MobStateAttempt *attempt)
{
    attempt->reason = state->event;
    attempt->task->state = MOB_TASK_PENDING;
    attempt->task->error = NULL;
    attempt->task->retries_left = (int64_t)note->bytes;
}

static void
on_cancelled(State *state, MobStateTask *task)
{
    if (task->state == MOB_TASK_FINISHED)
        return;
    if (task->attempts->len > 0) {
        MobStateAttempt *attempt = g_ptr_array_index(task->attempts, task->attempts->len - 1);
        body_has_ended(state, attempt);
        mob_state_end_attempt(state, attempt, "cancelled");
    }
    task->state = MOB_TASK_FAILED;
    task->error = mob_fault_name(MOB_FAULT_CANCELLED);
}

void
mob_state_on_decision(State *state, const MobNote *note)
{
    MobTaskId id = note->spec != NULL ? note->spec->id : note->task;
    MobStateTask *task = mob_state_task_by_id(&state->base, id);

    if (task != NULL && note->reason != NULL && g_str_equal(note->reason, "evict_lineage"))
        task->evicted = state->event;
}

/* A task that is new to us has begun before we looked on; its spec says enough. */
void
mob_state_on_task(State *state, const MobNote *note)
{
    g_assert(note->spec != NULL);
    if (!mob_task_is(note->spec->id))
        return; /* main */

    MobStateTask *task = mob_table_get(state->tasks, mob_key_task(note->spec->id));
    if (task == NULL)
        task = learn_task(state, note->spec);
    if (note->args != NULL)
        learn_args(state, task, note->args);
    if (note->kind == MOB_NOTE_TASK_CANCELLED) {
        on_cancelled(state, task);
        return;
    }

    MobStateAttempt *attempt = get_attempt(state, task, note->spec->id, MAX(note->attempt, 1));
    if (note->kind == MOB_NOTE_TASK_LEASED) {
        attempt->leased = state->event;
        attempt->leased_at = state->now;
        attempt->worker = note->worker;
        if (attempt->number == task->last_attempt)
            task->state = MOB_TASK_LEASED;
    } else if (note->kind == MOB_NOTE_TASK_HANDED_BACK) {
        if (attempt->number == task->last_attempt)
            task->state = MOB_TASK_PENDING;
    } else if (note->kind == MOB_NOTE_TASK_RUNNING) {
        on_running(state, note, attempt);
    } else if (note->kind == MOB_NOTE_TASK_FINISHED) {
        body_has_ended(state, attempt);
        mob_state_end_attempt(state, attempt, "finished");
        attempt->outcome = "finished"; /* whatever became of its worker afterwards */
        if (attempt->number == task->last_attempt)
            task->state = MOB_TASK_FINISHED;
    } else if (note->kind == MOB_NOTE_TASK_FAILED) {
        on_failed(state, note, attempt);
    } else if (note->kind == MOB_NOTE_TASK_RETRIED) {
        on_retried(state, note, attempt);
    }
}
