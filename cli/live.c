/* live.c: see live.h. */
#include "cli/live.h"

#include <string.h>

#include "cli/text.h"
#include "net/vitals.h"

typedef struct {
    const MobLive *live;
    MobRows *rows;
    MobTime now;
} Writer;

/* --- names --- */

uint32_t
mob_live_job_of(const char *name)
{
    /* "J2:T1"; those of the first job have no prefix */
    return strchr(name, ':') != NULL ? (uint32_t)g_ascii_strtoull(name + 1, NULL, 10) : 1;
}

static void
job_cell(MobRows *rows, const char *name)
{
    g_autofree char *job = g_strdup_printf("J%u", mob_live_job_of(name));

    mob_rows_text(rows, job);
}

static const char *
proc_name(const Writer *writer, MobAddress address)
{
    return mob_state_proc_name(writer->live->state, address);
}

static const char *
machine_of(const Writer *writer, MobAddress address)
{
    const MobStateProc *proc = mob_state_proc_by_address(writer->live->state, address);

    return proc != NULL ? proc->node_name : "";
}

const MobMachine *
mob_live_machine(const MobLive *live, const char *name)
{
    for (size_t i = 0; i < mob_local_machine_count(live->local); i++)
        if (strcmp(mob_local_machine(live->local, i)->name, name) == 0)
            return mob_local_machine(live->local, i);
    return NULL;
}

/* "O1, P3" */
static void
objects_cell(MobRows *rows, const GPtrArray *objects)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < objects->len; i++) {
        const MobStateObject *object = g_ptr_array_index(objects, i);
        g_string_append_printf(text, "%s%s", i > 0 ? ", " : "", object->name);
    }
    mob_rows_text(rows, text->str);
}

/* --- tasks --- */

static const MobStateAttempt *
newest_attempt(const MobStateTask *task)
{
    return task->attempts->len > 0 ? g_ptr_array_index(task->attempts, task->attempts->len - 1)
                                   : NULL;
}

static void
task_times(const Writer *writer, const MobStateTask *task, const MobStateAttempt *attempt)
{
    bool started = attempt != NULL && attempt->started != 0;
    bool over = task->state == MOB_TASK_FINISHED || task->state == MOB_TASK_FAILED;
    MobTime end = started && attempt->ended != 0 ? attempt->ended_at : writer->now;
    MobTime from = attempt != NULL ? attempt->submitted_at : task->submitted_at;

    mob_rows_maybe(writer->rows, started, started ? end - MIN(attempt->started_at, end) : 0);
    MobTime until = started ? attempt->started_at : writer->now;
    mob_rows_maybe(writer->rows, started || !over, until - MIN(from, until));
}

static void
line_cell(MobRows *rows, const char *file, uint32_t line)
{
    g_autofree char *at =
        file != NULL && *file != '\0' ? g_strdup_printf("%s:%u", file, line) : NULL;

    mob_rows_text(rows, at);
}

/* "2 of 3 left" */
static void
retries_cell(MobRows *rows, int64_t left, int64_t all)
{
    g_autofree char *text =
        left < 0 ? g_strdup("without end")
                 : g_strdup_printf("%" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " left", left, all);

    mob_rows_text(rows, text);
}

static void
task_line_cell(MobRows *rows, const MobStateTask *task)
{
    const MobTaskSpec *spec = task != NULL ? task->spec : NULL;
    bool is = spec != NULL && spec->file != NULL;

    line_cell(rows, is ? mob_str(spec->file) : NULL, is ? spec->line : 0);
}

static void
task_row(const Writer *writer, const void *item)
{
    const MobStateTask *task = item;
    const MobStateAttempt *attempt = newest_attempt(task);
    MobRows *rows = writer->rows;

    mob_rows_text(rows, task->name);
    mob_rows_text(rows, task->label);
    mob_rows_text(rows, mob_task_state_name(task->state));
    mob_rows_text(rows, attempt != NULL ? proc_name(writer, attempt->worker) : NULL);
    mob_rows_maybe(rows, attempt != NULL, attempt != NULL ? attempt->number : 0);
    task_times(writer, task, attempt);
    job_cell(rows, task->name);
    mob_rows_text(rows, attempt != NULL ? machine_of(writer, attempt->worker) : NULL);
    mob_rows_text(rows, proc_name(writer, task->owner));
    mob_rows_text(rows, task->parent != NULL ? task->parent->name : NULL);
    mob_rows_number(rows, task->executions);
    mob_rows_number(rows, task->submitted_at);
    objects_cell(rows, task->args);
    task_line_cell(rows, task);
    mob_rows_text(rows, task->error);
    retries_cell(rows, task->retries_left, task->spec->retries);
    mob_rows_maybe(rows, task->evicted != 0, task->evicted);
}

static void
attempt_row(const Writer *writer, const void *item)
{
    const MobStateAttempt *attempt = item;
    MobRows *rows = writer->rows;
    g_autofree char *name = g_strdup_printf("%s.%u", attempt->task->name, attempt->number);

    mob_rows_text(rows, name);
    mob_rows_text(rows, attempt->task->name);
    mob_rows_text(rows, proc_name(writer, attempt->worker));
    mob_rows_text(rows, attempt->outcome);
    mob_rows_number(rows, attempt->submitted_at);
    mob_rows_maybe(rows, attempt->started != 0, attempt->started_at);
    mob_rows_maybe(rows, attempt->ended != 0, attempt->ended_at);
}

/* --- objects --- */

static void
places_cell(const Writer *writer, const MobStateObject *object)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < object->copies->len; i++) {
        const MobStateCopy *copy = g_ptr_array_index(object->copies, i);
        if (copy->to != 0)
            continue;
        g_string_append_printf(text, "%s%s%s", text->len > 0 ? ", " : "",
                               mob_state_node_name(writer->live->state, copy->node),
                               !copy->primary  ? ""
                               : copy->on_disk ? " (primary, on disk)"
                                               : " (primary)");
    }
    mob_rows_text(writer->rows, text->str);
}

/* The line of its task's submission, or of its put: who put it was the first to hold it. */
static void
object_line_cell(MobRows *rows, const MobStateObject *object)
{
    if (!object->put) {
        task_line_cell(rows, object->maker);
        return;
    }
    for (guint i = 0; i < object->refs->len; i++) {
        const MobStateRef *ref = g_ptr_array_index(object->refs, i);
        if (ref->file == NULL || !mob_address_eq(ref->holder, object->owner))
            continue;
        line_cell(rows, ref->file, ref->line);
        return;
    }
    mob_rows_none(rows);
}

static void
object_row(const Writer *writer, const void *item)
{
    const MobStateObject *object = item;
    MobRows *rows = writer->rows;
    uint64_t refs = 0;

    for (guint i = 0; i < object->refs->len; i++)
        refs += ((const MobStateRef *)g_ptr_array_index(object->refs, i))->to == 0;
    mob_rows_text(rows, object->name);
    mob_rows_maybe(rows, object->times_made > 0, object->size);
    mob_rows_text(rows, mob_object_state_name(object->state));
    places_cell(writer, object);
    mob_rows_text(rows, object->maker != NULL ? object->maker->name : NULL);
    mob_rows_text(rows, proc_name(writer, object->owner));
    mob_rows_number(rows, refs);
    job_cell(rows, object->name);
    mob_rows_number(rows, object->times_made);
    mob_rows_number(rows, object->times_lost);
    mob_rows_number(rows, object->created_at);
    mob_rows_maybe(rows, object->ended != 0, object->ended_at);
    object_line_cell(rows, object);
    mob_rows_text(rows, object->put ? "yes" : NULL);
}

static MobTime
age(const Writer *writer, MobTime from, uint64_t to, MobTime to_at)
{
    MobTime end = to != 0 ? to_at : writer->now;

    return end - MIN(from, end);
}

static void
copy_row(const Writer *writer, const void *item)
{
    const MobStateCopy *copy = item;
    mob_rows_text(writer->rows, copy->object->name);
    mob_rows_text(writer->rows, mob_state_node_name(writer->live->state, copy->node));
    mob_rows_text(writer->rows, copy->primary ? "primary" : "copy");
    mob_rows_text(writer->rows, copy->on_disk ? "disk" : "memory");
    mob_rows_number(writer->rows, copy->from_at);
    mob_rows_maybe(writer->rows, copy->to != 0, copy->to_at);
    mob_rows_text(writer->rows, copy->end_why);
    mob_rows_number(writer->rows, age(writer, copy->from_at, copy->to, copy->to_at));
}

/* The one whose line is to be shown: where a borrower got it stands in its own. */
static const MobStateRef *
place_of(const MobStateRef *ref)
{
    const GPtrArray *refs = ref->object->refs;

    for (guint i = refs->len; ref->file == NULL && i > 0; i--) {
        const MobStateRef *other = g_ptr_array_index(refs, i - 1);
        if (other->file != NULL && mob_address_eq(other->holder, ref->holder))
            return other;
    }
    return ref;
}

static void
ref_row(const Writer *writer, const void *item)
{
    const MobStateRef *ref = item;
    mob_rows_text(writer->rows, ref->object->name);
    mob_rows_text(writer->rows, proc_name(writer, ref->holder));
    mob_rows_text(writer->rows, ref->kind);
    mob_rows_text(writer->rows, ref->task != NULL    ? ref->task->name
                                : ref->outer != NULL ? ref->outer->name
                                                     : NULL);
    mob_rows_number(writer->rows, ref->from_at);
    mob_rows_maybe(writer->rows, ref->to != 0, ref->to_at);
    line_cell(writer->rows, place_of(ref)->file, place_of(ref)->line);
    mob_rows_number(writer->rows, age(writer, ref->from_at, ref->to, ref->to_at));
    mob_rows_text(writer->rows, machine_of(writer, ref->holder));
}

/* --- machines and processes --- */

/* The task that the worker runs now, or NULL. */
static const MobStateTask *
running_on(const Writer *writer, MobAddress worker)
{
    const GPtrArray *attempts = writer->live->state->attempts;

    for (guint i = attempts->len; i > 0; i--) {
        const MobStateAttempt *attempt = g_ptr_array_index(attempts, i - 1);
        if (attempt->started != 0 && attempt->ended == 0 && mob_address_eq(attempt->worker, worker))
            return attempt->task;
    }
    return NULL;
}

static const char *
proc_state(const Writer *writer, const MobStateProc *proc, const MobStateTask *task)
{
    if (!proc->alive)
        return "DEAD";
    if (mob_vitals_read(mob_local_pid(writer->live->local, proc->name)).stopped)
        return "STOPPED";
    if (proc->blocked)
        return "BLOCKED";
    return task != NULL || proc->role == MOB_ROLE_DRIVER ? "RUNNING" : "IDLE";
}

static void
worker_row(const Writer *writer, const void *item)
{
    const MobStateProc *proc = item;
    const MobStateTask *task = proc->alive ? running_on(writer, proc->address) : NULL;
    MobRows *rows = writer->rows;

    if (proc->role != MOB_ROLE_WORKER && proc->role != MOB_ROLE_DRIVER)
        return;
    mob_rows_text(rows, proc->name);
    mob_rows_text(rows, proc->role == MOB_ROLE_DRIVER ? "driver" : "worker");
    mob_rows_text(rows, proc_state(writer, proc, task));
    mob_rows_text(rows, task != NULL ? task->name : NULL);
    pid_t pid = proc->alive ? mob_local_pid(writer->live->local, proc->name) : 0;
    mob_rows_maybe(rows, pid != 0, (uint64_t)pid);
    mob_rows_text(rows, proc->node_name);
    mob_rows_number(rows, proc->born_at);
    mob_rows_maybe(rows, !proc->alive, proc->died_at);
    mob_rows_text(rows, proc->why);
}

static void
node_row(const Writer *writer, const void *item)
{
    const MobStateNode *node = item;
    const MobState *state = writer->live->state;
    const MobMachine *machine = mob_live_machine(writer->live, node->name);
    MobRows *rows = writer->rows;
    uint64_t workers = 0;
    uint64_t running = 0;

    for (guint i = 0; i < state->procs->len; i++) {
        const MobStateProc *proc = g_ptr_array_index(state->procs, i);
        if (!proc->alive || proc->role != MOB_ROLE_WORKER || proc->address.node != node->node.v)
            continue;
        workers++;
        running += running_on(writer, proc->address) != NULL;
    }
    bool dead = !node->alive || node->declared_dead;
    mob_rows_text(rows, node->name);
    mob_rows_text(rows, dead ? "DEAD" : "ALIVE");
    mob_rows_maybe(rows, machine != NULL, machine != NULL ? (uint64_t)machine->cpus / MOB_UNIT : 0);
    mob_rows_maybe(rows, machine != NULL, machine != NULL ? machine->store_bytes : 0);
    mob_rows_number(rows, workers);
    mob_rows_number(rows, running);
    pid_t pid = dead ? 0 : mob_local_pid(writer->live->local, node->name);
    mob_rows_maybe(rows, pid != 0, (uint64_t)pid);
    mob_rows_maybe(rows, node->joined != 0, node->joined_at);
    mob_rows_maybe(rows, node->died != 0, node->died_at);
    mob_rows_text(rows, node->reason);
}

/* --- jobs --- */

static const MobStateJob *
state_job(const MobLive *live, uint32_t number)
{
    MobAddress driver = live->control->job_driver(live->control, number);

    for (guint i = live->state->jobs->len; i > 0; i--) {
        const MobStateJob *job = g_ptr_array_index(live->state->jobs, i - 1);
        if (mob_address_eq(job->driver, driver))
            return job;
    }
    return NULL;
}

const char *
mob_live_job_state(const MobLive *live, const MobLiveJob *job)
{
    const MobValue *result = live->control->job_result(live->control, job->number);

    if (!live->control->job_done(live->control, job->number))
        return "RUNNING";
    if (result == NULL)
        return job->stopped ? "STOPPED" : "FAILED";
    return result->fault != 0 ? "FAILED" : "SUCCEEDED";
}

static uint64_t
count_tasks(const MobState *state, uint32_t job)
{
    uint64_t count = 0;

    for (guint i = 0; i < state->tasks->len; i++)
        count += mob_live_job_of(
                     ((const MobStateTask *)g_ptr_array_index(state->tasks, i))->name) == job;
    return count;
}

static void
job_row(const Writer *writer, const void *item)
{
    const MobLiveJob *job = item;
    const MobLive *live = writer->live;
    const MobStateJob *known = state_job(live, job->number);
    const MobValue *result = live->control->job_result(live->control, job->number);
    MobAddress driver = live->control->job_driver(live->control, job->number);
    const MobStateProc *proc = mob_state_proc_by_address(live->state, driver);
    MobRows *rows = writer->rows;
    g_autofree char *name = g_strdup_printf("J%u", job->number);
    g_autoptr(GString) answer = g_string_new(NULL);

    if (result != NULL)
        mob_term_value(answer, result, 200);
    MobTime end = known != NULL && known->finished ? known->ended_at
                  : proc != NULL && !proc->alive   ? proc->died_at
                                                   : writer->now;
    mob_rows_text(rows, name);
    mob_rows_text(rows, job->name);
    mob_rows_text(rows, mob_live_job_state(live, job));
    mob_rows_number(rows, count_tasks(live->state, job->number));
    mob_rows_maybe(rows, known != NULL, known != NULL ? end - MIN(known->started_at, end) : 0);
    mob_rows_text(rows, proc != NULL ? proc->name : NULL);
    mob_rows_maybe(rows, known != NULL, known != NULL ? known->started_at : 0);
    mob_rows_text(rows, answer->str);
}

/* --- all of them --- */

typedef void (*RowFunc)(const Writer *writer, const void *item);

static void
write_all(const Writer *writer, const GPtrArray *items, RowFunc row)
{
    for (guint i = 0; i < items->len; i++)
        row(writer, g_ptr_array_index(items, i));
}

/* Machines stand in the order in which they were started, not in that of joining. */
static int
by_number(const void *a, const void *b)
{
    uint32_t left = (*(const MobStateNode *const *)a)->node.v;
    uint32_t right = (*(const MobStateNode *const *)b)->node.v;

    return left < right ? -1 : left > right;
}

MobRows *
mob_live_rows(const MobLive *live, const MobNoun *noun)
{
    const MobState *state = live->state;
    g_autoptr(GPtrArray) nodes = g_ptr_array_copy(state->nodes, NULL, NULL);
    const struct {
        const char *noun;
        const GPtrArray *items;
        RowFunc row;
        uint64_t forgotten;
    } sources[] = {
        {"tasks", state->tasks, task_row, state->forgotten.tasks},
        {"attempts", state->attempts, attempt_row, 0},
        {"objects", state->objects, object_row, state->forgotten.objects},
        {"copies", state->copies, copy_row, 0},
        {"refs", state->refs, ref_row, 0},
        {"nodes", nodes, node_row, 0},
        {"workers", state->procs, worker_row, 0},
        {"jobs", live->jobs, job_row, 0},
    };
    Writer writer = {live, mob_rows_new(noun), live->control->now(live->control)};

    g_ptr_array_sort(nodes, by_number);
    for (size_t i = 0; i < G_N_ELEMENTS(sources); i++) {
        if (strcmp(sources[i].noun, noun->name) != 0)
            continue;
        write_all(&writer, sources[i].items, sources[i].row);
        writer.rows->forgotten = sources[i].forgotten;
    }
    return writer.rows;
}
