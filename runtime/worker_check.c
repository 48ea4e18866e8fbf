/* worker_check.c: a worker counts everything again, from scratch, and compares:
 * what counts on each row (W1), and where each task is (W2). For checks and
 * tests, between two steps. Changes nothing.
 */
#include "runtime/worker_parts.h"

/* Appends the sentence to why and says no, unless @condition holds. */
#define EXPECT(condition, ...)                                                                     \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            g_string_append_printf(why, __VA_ARGS__);                                              \
            return false;                                                                          \
        }                                                                                          \
    } while (0)

/* --- rows --- */

typedef struct {
    uint32_t submitted;
    uint32_t lineage;
    uint32_t contained;
} Counts;

static void
recount(MobTable *counts, MobObjectId object, Counts add)
{
    Counts *it = mob_table_get(counts, mob_key_object(object));

    if (it == NULL) {
        it = g_new0(Counts, 1);
        mob_table_add(counts, mob_key_object(object), it);
    }
    it->submitted += add.submitted;
    it->lineage += add.lineage;
    it->contained += add.contained;
}

static void
recount_task(MobTable *counts, const MobTask *task)
{
    Counts add = {task->place != MOB_TASK_DONE, 1, 0};

    for (uint32_t i = 0; i < task->args->count; i++) {
        const MobArg *arg = &task->args->items[i];
        if (mob_object_is(arg->ref.id))
            recount(counts, arg->ref.id, add);
        for (uint32_t k = 0; arg->value != NULL && k < arg->value->ref_count; k++)
            recount(counts, arg->value->refs[k].id, add);
    }
}

static MobTable *
recount_all(const MobWorker *worker)
{
    MobTable *counts = mob_table_new();
    size_t at = 0;
    const MobTask *task;
    const MobRow *row;

    while ((task = mob_table_next(worker->tasks, &at)))
        recount_task(counts, task);
    at = 0;
    while ((row = mob_table_next(worker->rows, &at)))
        for (uint32_t i = 0; row->more != NULL && i < row->more->nested.count; i++)
            recount(counts, row->more->nested.items[i].id, (Counts){0, 0, 1});
    at = 0;
    while ((row = mob_table_next(worker->pins, &at)))
        recount(counts, row->ref.id, (Counts){0, 0, 1});
    const GPtrArray *registering = worker->exec.registering;
    for (guint i = 0; registering != NULL && i < registering->len; i++)
        recount(counts, ((MobRow *)g_ptr_array_index(registering, i))->ref.id, (Counts){0, 0, 1});
    return counts;
}

static bool
row_is_sound(const MobRow *row, const Counts *want, GString *why)
{
    bool pending = row->task != NULL && row->task->place != MOB_TASK_DONE;
    bool somewhere = row->more != NULL && row->more->nodes != NULL && row->more->nodes->len > 0;
    uint32_t submitted = want != NULL ? want->submitted : 0;
    uint32_t lineage = want != NULL ? want->lineage : 0;
    uint32_t contained = want != NULL ? want->contained : 0;

    EXPECT(row->submitted == submitted && row->lineage == lineage && row->contained == contained,
           "counts %u/%u/%u, should be %u/%u/%u", row->submitted, row->lineage, row->contained,
           submitted, lineage, contained);
    EXPECT(mob_row_in_scope(row) || row->lineage > 0 || pending || row->unsealed || row->waits > 0,
           "nothing counts on it, and it is still there");
    EXPECT(!row->owned || !mob_row_in_scope(row) || row->state != MOB_ROW_FREED,
           "it was freed, and it is referenced");
    EXPECT(!row->owned || row->state != MOB_ROW_STORED || somewhere,
           "it is in a store, but in none");
    EXPECT(row->state != MOB_ROW_INLINE || row->value != NULL, "it has no value");
    EXPECT(row->local == 0 || row->held > 0, "the body holds it, and its list does not say so");
    return true;
}

static bool
rows_are_sound(const MobWorker *worker, MobTable *counts, GString *why)
{
    size_t counted = 0;
    size_t at = 0;
    const MobRow *row;

    while ((row = mob_table_next(worker->rows, &at))) {
        const Counts *want = mob_table_get(counts, mob_key_object(row->ref.id));
        counted += want != NULL;
        if (row_is_sound(row, want, why))
            continue;
        g_string_append(why, ": ");
        mob_name_object(why, row->ref.path, row->ref.id.index);
        return false;
    }
    EXPECT(counted == mob_table_count(counts), "something counts on a row that is gone");
    return true;
}

/* --- sums --- */

typedef struct {
    uint64_t live;     /* references of the body */
    uint64_t listed;   /* rows in the list of what the body holds */
    uint64_t borrowed; /* rows */
    uint64_t bytes;    /* of values that are here */
    uint64_t made;     /* rows that their task can make again, or makes */
    uint64_t waiters;
} RowSums;

static bool
is_listed(const MobWorker *worker, const MobRow *row)
{
    const GPtrArray *held = worker->exec.held;

    return row->held > 0 && held != NULL && row->held <= held->len &&
           g_ptr_array_index(held, row->held - 1) == row;
}

static RowSums
sum_rows(const MobWorker *worker)
{
    RowSums sums = {0};
    size_t at = 0;
    const MobRow *row;

    while ((row = mob_table_next(worker->rows, &at))) {
        sums.live += row->local;
        sums.listed += is_listed(worker, row);
        sums.borrowed += !row->owned;
        sums.bytes += row->value != NULL && !row->unsealed ? row->value->size : 0;
        sums.made += row->task != NULL;
        if (row->more != NULL && row->more->waiters != NULL)
            sums.waiters += row->more->waiters->len;
    }
    return sums;
}

typedef struct {
    uint64_t at[MOB_TASK_DONE + 1]; /* by place */
    uint64_t missing;
    uint64_t rows;
    uint64_t lineage_bytes;
} TaskSums;

static TaskSums
sum_tasks(const MobWorker *worker)
{
    TaskSums sums = {0};
    size_t at = 0;
    const MobTask *task;

    while ((task = mob_table_next(worker->tasks, &at))) {
        sums.at[task->place]++;
        sums.missing += task->place == MOB_TASK_ARGS ? task->missing : 0;
        sums.rows += task->rows;
        sums.lineage_bytes += task->lineage_bytes;
    }
    return sums;
}

static bool
sums_are_right(const MobWorker *worker, const TaskSums *tasks, GString *why)
{
    RowSums rows = sum_rows(worker);
    uint64_t pending = mob_table_count(worker->tasks) - tasks->at[MOB_TASK_DONE];

    EXPECT(rows.live == worker->exec.held_live, "the body's references are miscounted");
    EXPECT(rows.listed ==
               (worker->exec.held != NULL ? worker->exec.held->len : 0) - worker->exec.holes,
           "the list of what the body holds is wrong");
    EXPECT(rows.borrowed == worker->borrowed_rows, "borrowed rows are miscounted");
    EXPECT(rows.bytes == worker->inline_bytes, "inline bytes are miscounted");
    EXPECT(rows.made == tasks->rows, "the rows of tasks are miscounted");
    EXPECT(rows.waiters == tasks->missing, "missing arguments are miscounted");
    EXPECT(pending == worker->pending_tasks, "pending tasks are miscounted");
    EXPECT(tasks->lineage_bytes == worker->lineage_bytes, "lineage is miscounted");
    EXPECT(worker->lost->len + worker->doomed->len + worker->settling->len == 0,
           "the step left something undone");
    return true;
}

/* --- tasks and leases --- */

static bool
lease_is_sound(const MobOwnLease *lease, GString *why)
{
    bool busy = lease->state == MOB_OWN_BUSY || lease->state == MOB_OWN_BROKEN;

    uint32_t in_flight = 0;

    EXPECT(busy == (lease->task != NULL), "a lease has a task in the wrong state");
    EXPECT((lease->shape == NULL) == (lease->state == MOB_OWN_CANCELLING),
           "a lease is in no shape, or in one too many");
    for (const MobTask *task = lease->task; task != NULL; task = task->next, in_flight++)
        EXPECT(task->lease == lease && task->place == MOB_TASK_PUSHED &&
                   (task->next != NULL || task == lease->last),
               "a task is not where its lease says");
    EXPECT(in_flight == lease->in_flight, "%u tasks are in flight, %u are counted", in_flight,
           lease->in_flight);
    return true;
}

static uint32_t
count_list(const MobOwnLease *lease, MobOwnLeaseState state)
{
    uint32_t count = 0;

    for (; lease != NULL; lease = lease->next)
        count += lease->state == state;
    return count;
}

static bool
shape_is_sound(const MobWorker *worker, const MobShape *shape, GString *why)
{
    uint32_t queued = 0;

    for (const MobTask *task = shape->first; task != NULL; task = task->next, queued++)
        EXPECT(task->place == MOB_TASK_QUEUED && task->shape == shape,
               "a task stands in the wrong queue");
    EXPECT(queued == shape->queued, "%u tasks wait, %u are counted", queued, shape->queued);
    EXPECT(count_list(shape->asked, MOB_OWN_ASKED) == shape->requests, "requests are miscounted");
    EXPECT(shape->ending + shape->users == 0, "a shape is still in use");
    EXPECT(worker->closing || queued == 0 || shape->idle == NULL,
           "a task waits for a lease, and one is idle");
    EXPECT(worker->closing || queued <= shape->requests ||
               shape->requests >= MAX(1, worker->alive_nodes),
           "a task waits for a lease that nobody asks for");
    return true;
}

static bool
leases_are_sound(const MobWorker *worker, const TaskSums *tasks, GString *why)
{
    uint64_t busy = 0;
    uint64_t pushed = 0;
    uint64_t idle = 0;
    uint64_t held = 0;
    uint64_t listed = 0;
    uint64_t queued = 0;
    size_t at = 0;
    const MobOwnLease *lease;
    const MobShape *shape;

    while ((lease = mob_table_next(worker->leases, &at))) {
        if (!lease_is_sound(lease, why))
            return false;
        busy += lease->task != NULL;
        pushed += lease->in_flight;
        held += lease->state != MOB_OWN_ASKED && lease->state != MOB_OWN_CANCELLING;
    }
    at = 0;
    while ((shape = mob_table_next(worker->shapes, &at))) {
        if (!shape_is_sound(worker, shape, why))
            return false;
        queued += shape->queued;
        idle += count_list(shape->idle, MOB_OWN_IDLE);
        listed += shape->leases;
    }
    EXPECT(listed == held && busy + idle == held, "held leases are miscounted");
    EXPECT(pushed == tasks->at[MOB_TASK_PUSHED], "a task that was pushed is under no lease");
    EXPECT(queued == tasks->at[MOB_TASK_QUEUED], "a task that waits for a lease is in no queue");
    return true;
}

bool
mob_worker_check(const MobProcess *process, GString *why)
{
    const MobWorker *worker = (const MobWorker *)process;
    MobTable *counts = recount_all(worker);
    TaskSums tasks = sum_tasks(worker);
    bool sound = rows_are_sound(worker, counts, why) && sums_are_right(worker, &tasks, why) &&
                 leases_are_sound(worker, &tasks, why);

    mob_table_free_full(counts, g_free);
    return sound;
}
