/* check_tasks.c: tasks and their attempts: each is in one place, runs where it
 * was sent, as often as it may, and again only when there is a reason.
 */
#include "sim/check_parts.h"

const TaskSeen *
mob_check_task(const MobCheck *check, MobTaskId id)
{
    return mob_table_get(check->tasks, mob_key_task(id));
}

static TaskSeen *
seen_task(MobCheck *check, MobTaskId id)
{
    return mob_check_entry(check->tasks, mob_key_task(id), sizeof(TaskSeen));
}

static const char *
task_name(const MobCheck *check, const MobNote *note)
{
    const MobStateTask *task = mob_state_task_by_id(check->state, note->spec->id);

    return task != NULL ? task->name : mob_str(note->spec->path);
}

static uint64_t
bit_of(uint32_t attempt)
{
    return UINT64_C(1) << MIN(attempt, 63);
}

/* --- submission --- */

/* Whoever runs the body of the parent again submits the same. */
static void
check_function(MobCheck *check, const MobNote *note)
{
    MobKey key = {mob_str_hash(note->spec->path), 2};
    MobStr *before = mob_table_get(check->functions, key);

    if (before == NULL)
        mob_table_add(check->functions, key, mob_str_ref(note->spec->function));
    else if (mob_check_repeats(check) && !mob_str_eq(before, note->spec->function))
        mob_check_fail(check, "I11", "deterministic identity",
                       "%s was a call of %s and is one of %s now", task_name(check, note),
                       mob_str(before), mob_str(note->spec->function));
}

static void
on_submitted(MobCheck *check, const MobNote *note)
{
    TaskSeen *task = seen_task(check, note->spec->id);

    if (task->submitted)
        mob_check_fail(check, "I11", "deterministic identity",
                       "%s has the identity of a task that there was before",
                       task_name(check, note));
    *task =
        (TaskSeen){.owner = note->spec->owner, .retries = note->spec->retries, .submitted = true};
    check_function(check, note);
    mob_check_pending(check, task->owner, 1);
}

static void
on_leased(MobCheck *check, const MobNote *note)
{
    TaskSeen *task = seen_task(check, note->spec->id);

    if (task->done)
        mob_check_fail(check, "I25", "task conservation", "%s is sent to %s, and it has ended",
                       task_name(check, note), mob_check_process_name(check, note->worker));
    if (note->attempt <= task->leased)
        mob_check_fail(check, "I25", "task conservation",
                       "attempt %u of %s is sent to %s after attempt %u was sent", note->attempt,
                       task_name(check, note), mob_check_process_name(check, note->worker),
                       task->leased);
    task->leased = note->attempt;
    task->worker = note->worker;
}

/* It may be sent once more; before that it must not run. */
static void
on_handed_back(MobCheck *check, const MobNote *note)
{
    TaskSeen *task = seen_task(check, note->spec->id);

    if (note->attempt != task->leased || (task->started & bit_of(note->attempt)) != 0)
        mob_check_fail(check, "I25", "task conservation", "attempt %u of %s is handed back, and %s",
                       note->attempt, task_name(check, note),
                       note->attempt != task->leased ? "was not sent" : "has started");
    task->leased = note->attempt - 1;
}

/* --- running --- */

void
mob_check_run_free(gpointer data)
{
    RunSeen *run = data;

    mob_args_unref(run->args);
    g_free(run);
}

static void
remember_run(MobCheck *check, const MobNote *note)
{
    RunSeen *run = mob_check_entry(check->runs, mob_key_address(note->worker), sizeof(RunSeen));

    mob_args_unref(run->args);
    *run = (RunSeen){note->spec->id, note->attempt, note->spec->owner,
                     mob_args_ref((MobArgs *)note->args)};
}

static bool
takes(const RunSeen *run, MobObjectId object)
{
    for (uint32_t i = 0; i < run->args->count; i++)
        if (mob_object_eq(run->args->items[i].ref.id, object))
            return true;
    return false;
}

static bool
is_leased(const MobCheck *check, MobAddress worker)
{
    const MobProcess *node = mob_check_process(check, mob_node_address(worker.node));
    size_t at = 0;
    MobLeaseInfo lease;

    while (node != NULL && mob_node_next_lease(node, &at, &lease))
        if (mob_address_eq(lease.worker, worker))
            return true;
    return false;
}

MobAddress
mob_check_reader(MobCheck *check, MobNodeId node, MobObjectId object)
{
    size_t at = 0;
    MobProcInfo info;
    const MobProcess *process;

    if (!mob_check_affords(check, check->state->procs->len))
        return (MobAddress){0};
    while ((process = mob_world_next_process(check->world, &at, &info))) {
        const RunSeen *run = mob_table_get(check->runs, mob_key_address(info.address));
        MobWorkerStats stats;
        if (info.address.node != node.v || run == NULL || !takes(run, object))
            continue;
        mob_worker_stats(process, &stats);
        if (stats.running && mob_task_eq(stats.task, run->task) && stats.attempt == run->attempt &&
            is_leased(check, info.address))
            return info.address;
    }
    return (MobAddress){0};
}

/* A small value that only its owner has comes by message. */
static bool
is_in_stores(const MobCheck *check, MobObjectId id)
{
    const MobStateObject *object = mob_state_object_by_id(check->state, id);

    return object == NULL || object->copies->len > 0;
}

static bool
find_copy(const MobProcess *node, MobObjectId object, MobCopyInfo *copy)
{
    size_t at = 0;

    while (mob_node_next_copy(node, &at, copy))
        if (copy->sealed && mob_object_eq(copy->object, object))
            return true;
    return false;
}

static void
check_args(MobCheck *check, const MobNote *note)
{
    const MobProcess *node = mob_check_process(check, mob_node_address(note->worker.node));
    MobCopyInfo copy;

    for (uint32_t i = 0; node != NULL && i < note->args->count; i++) {
        MobObjectId id = note->args->items[i].ref.id;
        if (!mob_object_is(id) || !is_in_stores(check, id))
            continue;
        if (!find_copy(node, id, &copy))
            mob_check_fail(check, "I27", "arguments first",
                           "%s runs on %s, which has no copy of %s", task_name(check, note),
                           mob_check_process_name(check, note->worker),
                           mob_check_object_name(check, id));
        else if (copy.pins == 0 && !check->disturbed)
            mob_check_fail(check, "I27", "arguments first", "%s runs on %s, where nothing keeps %s",
                           task_name(check, note), mob_check_process_name(check, note->worker),
                           mob_check_object_name(check, id));
    }
}

static void
on_running(MobCheck *check, const MobNote *note)
{
    TaskSeen *task = seen_task(check, note->spec->id);
    uint64_t bit = bit_of(note->attempt);

    remember_run(check, note);
    if (note->attempt < 63 && (task->started & bit) != 0)
        mob_check_fail(check, "I12", "each attempt runs at most once",
                       "attempt %u of %s has started twice", note->attempt, task_name(check, note));
    task->started |= bit;
    if (note->spec->retries >= 0 && note->attempt > (uint64_t)note->spec->retries + 1)
        mob_check_fail(check, "I10", "retry budget",
                       "attempt %u of %s runs, but it may be retried %" G_GINT64_FORMAT " times",
                       note->attempt, task_name(check, note), note->spec->retries);
    if (note->attempt > task->leased ||
        (note->attempt == task->leased && !mob_address_eq(note->worker, task->worker)))
        mob_check_fail(check, "I25", "task conservation",
                       "attempt %u of %s runs on %s, where nobody has sent it", note->attempt,
                       task_name(check, note), mob_check_process_name(check, note->worker));
    check_args(check, note);
}

/* --- the end of an attempt --- */

static void
task_ends(MobCheck *check, TaskSeen *task, const MobNote *note)
{
    if (task->done || !task->submitted)
        mob_check_fail(check, "I25", "task conservation", "%s ends twice", task_name(check, note));
    task->done = true;
    mob_check_pending(check, task->owner, -1);
}

/* The reply that ends an attempt is that of the attempt. */
static void
check_reply(MobCheck *check, const MobEvent *event, const MobNote *note, const TaskSeen *task)
{
    const MobInput *input = event->input;
    bool reply =
        input != NULL && input->kind == MOB_INPUT_MESSAGE && input->msg->type == MOB_MSG_TASK_REPLY;

    if (!reply)
        mob_check_fail(check, "I42", "causality", "%s has finished, and nobody has said so",
                       task_name(check, note));
    else if (mob_task_reply(input->msg)->attempt != task->leased ||
             !mob_address_eq(input->from, task->worker))
        mob_check_fail(check, "I12", "only the newest attempt counts",
                       "the reply of attempt %u of %s from %s is taken, and attempt %u is on %s",
                       mob_task_reply(input->msg)->attempt, task_name(check, note),
                       mob_check_process_name(check, input->from), task->leased,
                       mob_check_process_name(check, task->worker));
}

static void
on_finished(MobCheck *check, const MobEvent *event, const MobNote *note)
{
    TaskSeen *task = seen_task(check, note->spec->id);

    if (note->attempt <= task->finished)
        mob_check_fail(check, "I12", "a result is taken once",
                       "%s has finished with attempt %u after attempt %u", task_name(check, note),
                       note->attempt, task->finished);
    task->finished = note->attempt;
    if ((task->started & bit_of(note->attempt)) == 0)
        mob_check_fail(check, "I42", "causality", "attempt %u of %s has finished and never ran",
                       note->attempt, task_name(check, note));
    check_reply(check, event, note, task);
    task_ends(check, task, note);
}

static bool
budget_is_used_up(const TaskSeen *task, uint32_t attempt)
{
    return task->retries >= 0 && attempt > (uint64_t)task->retries;
}

static void
on_failed(MobCheck *check, const MobNote *note)
{
    TaskSeen *task = seen_task(check, note->spec->id);
    MobFaultKind fault = note->value != NULL ? (MobFaultKind)note->value->fault : MOB_FAULT_NONE;
    bool crashed = fault == MOB_FAULT_WORKER_CRASHED || fault == MOB_FAULT_NODE_DIED;

    task->failed = note->attempt;
    if (crashed)
        task->lost |= bit_of(note->attempt);
    if (crashed && !mob_check_is_licensed(check, fault))
        mob_check_fail(check, "I9", "demand and minimality",
                       "attempt %u of %s is given up, and nothing has happened to it",
                       note->attempt, task_name(check, note));
    if (!note->final)
        return;
    if (crashed && !budget_is_used_up(task, note->attempt))
        mob_check_fail(check, "I8", "recoverability",
                       "%s is given up after attempt %u, and may be retried %" G_GINT64_FORMAT
                       " times",
                       task_name(check, note), note->attempt, task->retries);
    if (fault == MOB_FAULT_UNSCHEDULABLE && !check->network_faults &&
        mob_check_some_node_fits(check, note->spec))
        mob_check_fail(check, "I26", "no lost wake-up",
                       "no machine can ever run %s, it is said, and one could",
                       task_name(check, note));
    task_ends(check, task, note);
}

/* --- again --- */

/* Whether the owner has been told of a copy that still is there. */
static const MobStateCopy *
find_copy_left(MobCheck *check, MobObjectId id)
{
    const MobStateObject *object = mob_state_object_by_id(check->state, id);
    const Known *known = mob_table_get(check->known, mob_key_object(id));

    if (known == NULL)
        return NULL;
    for (guint i = 0; object != NULL && i < object->copies->len; i++) {
        const MobStateCopy *copy = object->copies->pdata[i];
        const MobStateNode *node = mob_state_node_by_id(check->state, copy->node);
        const Moved *moved = mob_check_moved(check, id, copy->node, false);
        if (copy->to == 0 && node != NULL && !node->declared_dead && moved != NULL &&
            moved->told >= copy->from && moved->told > known->freed &&
            mob_object_eq(object->id, id))
            return copy;
    }
    return NULL;
}

/* What was needed when it was decided may not be any more when the step is over. */
static bool
goes_at_once(const MobEvent *event, MobObjectId object)
{
    for (size_t i = 0; i < event->note_count; i++)
        if ((event->notes[i].kind == MOB_NOTE_OBJECT_FREED ||
             event->notes[i].kind == MOB_NOTE_OBJECT_FAILED) &&
            mob_object_eq(event->notes[i].object, object))
            return true;
    return false;
}

/* A task that had finished runs again because what it made is lost and needed. */
static void
check_demand(MobCheck *check, const MobEvent *event, const MobNote *note)
{
    const MobProcess *owner = mob_check_process(check, note->owner);
    const MobStateCopy *copy = find_copy_left(check, note->object);
    MobRefInfo ref = {0};

    if (copy != NULL)
        mob_check_fail(check, "I9", "demand and minimality",
                       "%s runs again for %s, of which there is a copy on %s",
                       task_name(check, note), mob_check_object_name(check, note->object),
                       mob_state_node_name(check->state, copy->node));
    if (owner != NULL && mob_worker_find_ref(owner, note->object, &ref) &&
        ref.local + ref.submitted + ref.contained + ref.borrowers > 0)
        return;
    if (goes_at_once(event, note->object))
        return;
    mob_check_fail(check, "I9", "demand and minimality", "%s runs again for %s, which nobody needs",
                   task_name(check, note), mob_check_object_name(check, note->object));
}

static void
on_retried(MobCheck *check, const MobEvent *event, const MobNote *note)
{
    TaskSeen *task = seen_task(check, note->spec->id);

    if (!mob_address_eq(event->process, note->spec->owner))
        mob_check_fail(check, "I14", "only the owner resubmits", "%s is run again by %s",
                       task_name(check, note), mob_check_process_name(check, event->process));
    if (mob_object_is(note->object)) {
        if (!task->done)
            mob_check_fail(check, "I14", "one recovery at a time",
                           "%s is run again for a lost result, and is on its way already",
                           task_name(check, note));
        check_demand(check, event, note);
    } else if (task->failed + 1 != note->attempt) {
        mob_check_fail(check, "I9", "demand and minimality",
                       "%s is run again, and its attempt %u has not failed", task_name(check, note),
                       note->attempt - 1);
    }
    if (task->done)
        mob_check_pending(check, task->owner, 1);
    task->done = false;
}

void
mob_check_task_note(MobCheck *check, const MobEvent *event, const MobNote *note)
{
    switch ((int)note->kind) {
    case MOB_NOTE_TASK_SUBMITTED:
        on_submitted(check, note);
        break;
    case MOB_NOTE_TASK_LEASED:
        on_leased(check, note);
        break;
    case MOB_NOTE_TASK_HANDED_BACK:
        on_handed_back(check, note);
        break;
    case MOB_NOTE_TASK_RUNNING:
        on_running(check, note);
        break;
    case MOB_NOTE_TASK_FINISHED:
        on_finished(check, event, note);
        break;
    case MOB_NOTE_TASK_FAILED:
        on_failed(check, note);
        break;
    case MOB_NOTE_TASK_RETRIED:
        on_retried(check, event, note);
        break;
    default:
        if (g_strcmp0(note->reason, "evict_lineage") == 0)
            seen_task(check, note->spec->id)->evicted = true;
        break;
    }
}

/* --- attempts that count for nothing --- */

bool
mob_check_runs_in_vain(const MobCheck *check, MobAddress holder)
{
    for (int depth = 0; depth < 64; depth++) { /* up the tree of calls */
        const MobStateNode *node = mob_state_node_by_id(check->state, (MobNodeId){holder.node});
        const RunSeen *run = mob_table_get(check->runs, mob_key_address(holder));
        if ((node != NULL && node->declared_dead) || mob_check_process(check, holder) == NULL)
            return true;
        if (run == NULL)
            return false; /* a driver */
        const TaskSeen *task = mob_check_task(check, run->task);
        if ((task->lost & bit_of(run->attempt)) != 0)
            return true;
        holder = run->owner;
    }
    return false;
}
