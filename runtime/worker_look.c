/* worker_look.c: a worker as others may see it: for checks, for people who
 * wonder why nothing happens, and for tests. Changes nothing. What it counts is
 * counted again in worker_check.c.
 */
#include "runtime/worker_parts.h"

void
mob_worker_stats(const MobProcess *process, MobWorkerStats *stats)
{
    const MobWorker *worker = (const MobWorker *)process;
    uint32_t rows = (uint32_t)mob_table_count(worker->rows);

    *stats = (MobWorkerStats){
        .owned = rows - (uint32_t)worker->borrowed_rows,
        .borrowed = (uint32_t)worker->borrowed_rows,
        .tasks_pending = worker->pending_tasks,
        .lineage_tasks = (uint32_t)mob_table_count(worker->tasks) - worker->pending_tasks,
        .lineage_bytes = worker->lineage_bytes,
        .leases = (uint32_t)mob_table_count(worker->leases),
        .inline_bytes = worker->inline_bytes,
        .running = worker->exec.phase != MOB_EXEC_NONE,
        .finished = worker->finished,
    };
    if (stats->running && !worker->driver) {
        stats->task = worker->exec.spec->id;
        stats->attempt = worker->exec.attempt;
        stats->caller = worker->exec.spec->owner;
    }
}

static void
describe_row(const MobRow *row, MobRefInfo *ref)
{
    *ref = (MobRefInfo){
        .object = row->ref.id,
        .owner = row->ref.owner,
        .path = row->ref.path,
        .owned = row->owned,
        .local = row->local,
        .submitted = row->submitted,
        .lineage = row->lineage,
        .contained = row->contained,
        .borrowers = row->owned ? mob_tokens_count(row) : 0,
        .pending = row->task != NULL && row->task->place != MOB_TASK_DONE,
        .available = mob_row_is_available(row),
        .primary = mob_object_primary(row),
        .value = row->unsealed ? NULL : row->value,
        .freed = row->state == MOB_ROW_FREED,
        .unsealed = row->unsealed,
    };
    if (row->more != NULL && row->more->nodes != NULL) {
        ref->nodes = (const MobNodeId *)(const void *)row->more->nodes->data;
        ref->node_count = row->more->nodes->len;
    }
}

bool
mob_worker_next_ref(const MobProcess *process, size_t *at, MobRefInfo *ref)
{
    const MobRow *row = mob_table_next(((const MobWorker *)process)->rows, at);

    if (row != NULL)
        describe_row(row, ref);
    return row != NULL;
}

bool
mob_worker_next_borrower(const MobProcess *process, MobObjectId object, size_t *at,
                         MobAddress *borrower)
{
    const MobWorker *worker = (const MobWorker *)process;
    const MobRow *row = mob_row_find(worker, object);

    if (row == NULL || !row->owned || *at >= mob_tokens_count(row))
        return false;
    *borrower = mob_tokens_at(worker, row, (uint32_t)(*at)++).borrower;
    return true;
}

bool
mob_worker_find_ref(const MobProcess *process, MobObjectId object, MobRefInfo *ref)
{
    const MobRow *row = mob_row_find((const MobWorker *)process, object);

    if (row != NULL)
        describe_row(row, ref);
    return row != NULL;
}

const MobValue *
mob_worker_result(const MobProcess *process)
{
    return ((const MobWorker *)process)->result;
}

/* --- why nothing happens --- */

static const char *
place_of(const MobTask *task)
{
    if (task->place == MOB_TASK_ARGS)
        return "waits for its arguments";
    if (task->place == MOB_TASK_QUEUED)
        return task->shape->leases > 0 ? "waits for a leased worker" : "waits for a lease";
    return "";
}

static void
explain_task(MobWorker *worker, const MobTask *task, GString *into)
{
    mob_name_task(into, task->spec->path);
    g_string_append_printf(into, " %s ", mob_str(task->spec->label));
    if (task->place == MOB_TASK_PUSHED) {
        g_string_append(into, "runs on ");
        mob_worker_name(worker, task->lease->worker, into);
        return;
    }
    g_string_append(into, place_of(task));
    for (uint32_t i = 0; i < task->args->count && task->place == MOB_TASK_ARGS; i++) {
        MobObjectId id = task->args->items[i].ref.id;
        const MobRow *row = mob_object_is(id) ? mob_row_find(worker, id) : NULL;
        if (row == NULL || mob_row_is_available(row))
            continue;
        g_string_append(into, ", of which ");
        mob_name_object(into, row->ref.path, id.index);
        g_string_append(into, row->owned ? " is not there yet" : " belongs to ");
        if (!row->owned)
            mob_worker_name(worker, row->ref.owner, into);
        return;
    }
}

static void
explain_row(MobWorker *worker, const MobRow *row, GString *into)
{
    mob_name_object(into, row->ref.path, row->ref.id.index);
    if (!row->owned) {
        g_string_append(into, ", which ");
        mob_worker_name(worker, row->ref.owner, into);
        g_string_append(into, " owns");
    } else if (row->state == MOB_ROW_STORED) {
        g_string_append(into, ", which is being fetched");
    } else if (row->task != NULL) {
        g_string_append(into, ", which ");
        mob_name_task(into, row->task->spec->path);
        g_string_append(into, " makes; ");
        explain_task(worker, row->task, into);
    }
}

static void
explain_start(const MobWorker *worker, GString *into)
{
    if (!worker->driver || worker->finished || worker->next_body > 0)
        return;
    g_string_append_printf(into, "driver waits for %s\n",
                           !worker->registered ? "its node manager" : "the GCS");
}

void
mob_worker_explain(const MobProcess *process, GString *into)
{
    MobWorker *worker = (MobWorker *)process; /* looking a node up remembers it, no more */
    const MobExec *exec = &worker->exec;

    explain_start(worker, into);
    if (!exec->waiting)
        return;
    if (worker->driver)
        g_string_append(into, "main");
    else
        mob_name_task(into, exec->spec->path);
    g_string_append_printf(into, " waits for ");
    uint32_t missing = 0;
    for (uint32_t i = 0; i < exec->ref_count; i++) {
        const MobRow *row = mob_row_find(worker, exec->refs[i].id);
        if (exec->ready[i] || row == NULL)
            continue;
        if (missing++ == 0)
            explain_row(worker, row, into);
    }
    if (exec->call == MOB_CALL_PUT)
        g_string_append(into, "room in the object store");
    else if (exec->call == MOB_CALL_PIN)
        g_string_append(into, "the driver to pin an object");
    else if (missing > 1)
        g_string_append_printf(into, " (and %u more)", missing - 1);
    g_string_append_c(into, '\n');
}

void
mob_worker_dump(const MobProcess *process, GString *into)
{
    MobWorker *worker = (MobWorker *)process;
    size_t at = 0;
    const MobRow *row;
    const MobTask *task;

    g_string_append_printf(
        into, "worker %u/%u lease %" G_GUINT64_FORMAT " token %" G_GUINT64_FORMAT " phase %d\n",
        worker->base.address.node, worker->base.address.local, worker->next_lease,
        worker->next_token, (int)worker->exec.phase);
    while ((row = mob_table_next(worker->rows, &at))) {
        g_string_append(into, "  ");
        mob_name_object(into, row->ref.path, row->ref.id.index);
        g_string_append_printf(into, " state %d local %u submitted %u lineage %u contained %u\n",
                               (int)row->state, row->local, row->submitted, row->lineage,
                               row->contained);
    }
    at = 0;
    while ((task = mob_table_next(worker->tasks, &at))) {
        g_string_append(into, "  ");
        explain_task(worker, task, into);
        g_string_append_printf(into, " attempt %u left %" G_GINT64_FORMAT "\n", task->attempt,
                               task->retries_left);
    }
}
