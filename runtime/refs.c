/* refs.c: the reference table of a worker: who counts on each object, and what
 * happens when nobody does (Ray: core_worker/reference_counter.cc).
 *
 * A row counts what this process itself holds: references of its body (local),
 * of tasks it has submitted that are not finished (submitted), of finished
 * tasks that might have to run again (lineage), and of values that live here
 * (contained). Others count through it: if this process owns the object they
 * are its borrowers, otherwise this process is one.
 *
 *  - in scope: anything but lineage counts. Out of scope the value goes.
 *  - lineage alone keeps the row, so that the object can be made again. A value
 *    that cannot be made again (a put, or one whose lineage was evicted) stays as
 *    long as lineage needs it.
 *  - nothing counts: the row goes, and with it the lineage of its task.
 */
#include "runtime/worker_parts.h"

MobKey
mob_row_key(const void *row)
{
    return mob_key_object(((const MobRow *)row)->ref.id);
}

MobRow *
mob_row_find(const MobWorker *worker, MobObjectId object)
{
    return mob_table_get(worker->rows, mob_key_object(object));
}

MobRow *
mob_row_add(MobWorker *worker, const MobRef *ref)
{
    MobRow *row = mob_new0(MobRow, 1);

    row->ref = mob_ref_copy(ref);
    row->owned = mob_address_eq(ref->owner, worker->base.address);
    worker->borrowed_rows += !row->owned;
    mob_table_add(worker->rows, mob_key_object(ref->id), row);
    return row;
}

MobRow *
mob_row_of(MobWorker *worker, const MobRef *ref)
{
    MobRow *row = mob_row_find(worker, ref->id);

    return row != NULL ? row : mob_row_add(worker, ref);
}

MobRow *
mob_row_received(MobStep *step, const MobRef *ref)
{
    MobRow *row = mob_row_find(step->worker, ref->id);

    if (row != NULL)
        return row;
    row = mob_row_of(step->worker, ref);
    if (row->owned)
        mob_object_set_inline(step, row, mob_object_freed_fault(step, row));
    return row;
}

MobRowMore *
mob_row_more(MobRow *row)
{
    if (row->more == NULL)
        row->more = g_new0(MobRowMore, 1);
    return row->more;
}

bool
mob_row_is_available(const MobRow *row)
{
    return row->state == MOB_ROW_INLINE || row->state == MOB_ROW_STORED;
}

static bool
has_borrowers(const MobRow *row)
{
    return row->owned && mob_tokens_count(row) > 0;
}

bool
mob_row_in_scope(const MobRow *row)
{
    return row->local + row->submitted + row->contained > 0 || has_borrowers(row);
}

static void
clear_refs(MobRefs *refs)
{
    for (uint32_t i = 0; i < refs->count; i++)
        mob_ref_clear(&refs->items[i]);
    g_free(refs->items);
    *refs = (MobRefs){0};
}

static void
free_more(MobRowMore *more)
{
    if (more == NULL)
        return;
    clear_refs(&more->nested);
    GArray *arrays[] = {more->tokens, more->askers, more->nodes, more->strays};
    for (size_t i = 0; i < G_N_ELEMENTS(arrays); i++)
        if (arrays[i] != NULL)
            g_array_unref(arrays[i]);
    if (more->waiters != NULL)
        g_ptr_array_unref(more->waiters);
    mob_spread_free(more->spread);
    g_free(more);
}

void
mob_row_free(MobRow *row)
{
    if (row == NULL)
        return;
    free_more(row->more);
    mob_value_unref(row->value);
    mob_ref_clear(&row->ref);
    g_free(row);
}

/* --- the body's references --- */

/* Rows that were let go of leave holes in the list; keep it in proportion. */
static void
compact_held(MobExec *exec)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < exec->held->len; i++) {
        MobRow *row = g_ptr_array_index(exec->held, i);
        if (row == NULL)
            continue;
        exec->held->pdata[kept++] = row;
        row->held = kept;
    }
    g_ptr_array_set_size(exec->held, (gint)kept);
    exec->holes = 0;
}

static void
add_held(MobExec *exec, MobRow *row)
{
    if (exec->held == NULL)
        exec->held = g_ptr_array_new();
    if (exec->holes > 64 && exec->holes > exec->held->len / 2)
        compact_held(exec);
    g_ptr_array_add(exec->held, row);
    row->held = exec->held->len;
}

static void
take_held(MobExec *exec, MobRow *row)
{
    if (row->held == 0)
        return;
    exec->held->pdata[row->held - 1] = NULL;
    row->held = 0;
    if (++exec->holes < exec->held->len)
        return;
    g_ptr_array_set_size(exec->held, 0);
    exec->holes = 0;
}

void
mob_row_hold(MobStep *step, MobRow *row, MobCallSite site)
{
    MobExec *exec = &step->worker->exec;

    exec->held_live++;
    if (row->held == 0)
        add_held(exec, row);
    if (++row->local == 1)
        NOTE(step->out, REF_ADDED, .object = row->ref.id, .path = row->ref.path,
             .owner = row->ref.owner, .to = step->worker->base.address, .reason = "local",
             .text = site.file, .line = site.line);
}

static void
drop_row(MobStep *step, MobRow *row, uint32_t count)
{
    MobExec *exec = &step->worker->exec;

    row->local -= count;
    exec->held_live -= count;
    if (row->local > 0)
        return;
    NOTE(step->out, REF_DROPPED, .object = row->ref.id, .owner = row->ref.owner,
         .to = step->worker->base.address, .reason = "local");
    if (row->owned) /* a borrowed one may have to be registered yet */
        take_held(exec, row);
    mob_row_settle(step, row);
}

void
mob_row_drop(MobStep *step, MobObjectId object)
{
    MobRow *row = mob_row_find(step->worker, object);

    if (row != NULL && row->local > 0) /* a body drops what it likes; twice does no harm */
        drop_row(step, row, 1);
}

void
mob_row_drop_all(MobStep *step)
{
    MobExec *exec = &step->worker->exec;

    for (uint32_t i = 0; exec->held != NULL && i < exec->held->len; i++) {
        MobRow *row = g_ptr_array_index(exec->held, i);
        if (row == NULL)
            continue;
        take_held(exec, row);
        if (row->local > 0)
            drop_row(step, row, row->local);
    }
    g_assert(exec->held_live == 0);
}

/* --- arguments and nested references --- */

static void
note_use(MobStep *step, const MobRow *row, MobTaskId task, const char *kind, int change)
{
    if (change > 0)
        NOTE(step->out, REF_ADDED, .object = row->ref.id, .path = row->ref.path,
             .owner = row->ref.owner, .to = step->worker->base.address, .reason = kind,
             .task = task);
    else if (change < 0)
        NOTE(step->out, REF_DROPPED, .object = row->ref.id, .owner = row->ref.owner,
             .to = step->worker->base.address, .reason = kind, .task = task);
}

static void
count_one(MobStep *step, MobTaskId task, const MobRef *ref, int submitted, int lineage)
{
    MobRow *row = submitted > 0 || lineage > 0 ? mob_row_received(step, ref)
                                               : mob_row_find(step->worker, ref->id);
    if (row == NULL)
        return; /* its owner died, and the row was given up */
    row->submitted = (uint32_t)((int64_t)row->submitted + submitted);
    row->lineage = (uint32_t)((int64_t)row->lineage + lineage);
    g_assert(row->submitted < G_MAXINT32 && row->lineage < G_MAXINT32);
    note_use(step, row, task, "argument", submitted);
    note_use(step, row, task, "lineage", lineage - submitted); /* of tasks that are over */
    if (submitted < 0 || lineage < 0)
        mob_row_settle(step, row);
}

void
mob_arg_count(MobStep *step, MobTaskId task, const MobArg *arg, int submitted, int lineage)
{
    if (mob_object_is(arg->ref.id))
        count_one(step, task, &arg->ref, submitted, lineage);
    if (arg->value == NULL)
        return;
    for (uint32_t k = 0; k < arg->value->ref_count; k++)
        count_one(step, task, &arg->value->refs[k], submitted, lineage);
}

void
mob_args_count(MobStep *step, MobTaskId task, const MobArgs *args, int submitted, int lineage)
{
    for (uint32_t i = 0; i < args->count; i++)
        mob_arg_count(step, task, &args->items[i], submitted, lineage);
}

/* What a value mentions is held once for each value that does. */
static void
note_nested(MobStep *step, const MobRow *outer, const MobRow *inner, MobCallSite site, bool more)
{
    if (more)
        NOTE(step->out, REF_ADDED, .object = inner->ref.id, .path = inner->ref.path,
             .owner = inner->ref.owner, .to = step->worker->base.address, .reason = "nested",
             .outer = outer->ref.id, .label = mob_str(outer->ref.path), .text = site.file,
             .line = site.line);
    else
        NOTE(step->out, REF_DROPPED, .object = inner->ref.id, .owner = inner->ref.owner,
             .to = step->worker->base.address, .reason = "nested", .outer = outer->ref.id);
}

void
mob_row_begin_containing(MobRow *inner)
{
    inner->contained++;
}

void
mob_row_end_containing(MobStep *step, MobRow *inner)
{
    g_assert(inner->contained > 0);
    inner->contained--;
    mob_row_settle(step, inner);
}

/* The value is gone: what stood in it is held no more. */
static void
release_contained(MobStep *step, MobRow *row)
{
    if (row->more == NULL)
        return;
    MobRefs nested = row->more->nested;
    row->more->nested = (MobRefs){0};
    for (uint32_t i = 0; i < nested.count; i++) {
        MobRow *inner = mob_row_find(step->worker, nested.items[i].id);
        if (inner == NULL)
            continue;
        note_nested(step, row, inner, (MobCallSite){0}, false);
        mob_row_end_containing(step, inner);
    }
    clear_refs(&nested);
}

/* A task that runs again may mention other references than before: its children
 * are others. Those of before stay until the object goes, because a task that
 * runs may have taken the value of before. */
void
mob_row_contain(MobStep *step, MobRow *row, const MobRef *refs, uint32_t count, MobCallSite site)
{
    if (count == 0)
        return;
    MobRefs *nested = &mob_row_more(row)->nested;
    nested->items = g_renew(MobRef, nested->items, nested->count + count);
    for (uint32_t i = 0; i < count; i++) {
        nested->items[nested->count++] = mob_ref_copy(&refs[i]);
        MobRow *inner = mob_row_received(step, &refs[i]);
        mob_row_begin_containing(inner);
        note_nested(step, row, inner, site, true);
    }
}

/* --- the end of an object --- */

void
mob_row_free_on(MobStep *step, MobObjectId object, MobNodeId node)
{
    MobFreeObjects *order = mob_free_objects_new();

    order->objects = (MobObjects){g_new(MobObjectId, 1), 1};
    order->objects.items[0] = object;
    mob_send(step->out, mob_node_address(node.v), order);
}

static void
free_on_all(MobStep *step, const MobRow *row, GArray *nodes)
{
    for (uint32_t i = 0; nodes != NULL && i < nodes->len; i++)
        mob_row_free_on(step, row->ref.id, g_array_index(nodes, MobNodeId, i));
    if (nodes != NULL)
        g_array_set_size(nodes, 0);
}

void
mob_row_free_strays(MobStep *step, MobRow *row)
{
    if (row->owned && row->more != NULL)
        free_on_all(step, row, row->more->strays);
}

void
mob_row_free_copies(MobStep *step, MobRow *row)
{
    if (row->owned && row->more != NULL) {
        free_on_all(step, row, row->more->nodes);
        free_on_all(step, row, row->more->strays);
    }
    if (row->more != NULL)
        row->more->primary = (MobNodeId){0};
}

static void
forget_value(MobStep *step, MobRow *row)
{
    if (row->value != NULL)
        step->worker->inline_bytes -= row->value->size;
    g_clear_pointer(&row->value, mob_value_unref);
}

/* Out of scope: the value goes; the row may stay for lineage. */
static void
free_value(MobStep *step, MobRow *row)
{
    forget_value(step, row);
    mob_row_free_copies(step, row);
    NOTE(step->out, OBJECT_FREED, .object = row->ref.id, .path = row->ref.path,
         .owner = row->ref.owner);
    row->state = MOB_ROW_FREED;
    release_contained(step, row);
}

static void
erase(MobStep *step, MobRow *row)
{
    MobTask *task = row->task;

    mob_object_tell(step, row); /* whoever still asks learns that it is gone */
    take_held(&step->worker->exec, row);
    forget_value(step, row);
    mob_table_take(step->worker->rows, mob_key_object(row->ref.id));
    step->worker->borrowed_rows -= !row->owned;
    mob_row_free(row);
    if (task != NULL)
        mob_task_row_gone(step, task);
}

static bool
task_is_pending(const MobRow *row)
{
    return row->task != NULL && row->task->place != MOB_TASK_DONE;
}

static void
settle_one(MobStep *step, MobRow *row)
{
    if (mob_row_in_scope(row) || row->unsealed || row->waits != 0)
        return; /* in the last case the body has given it up, and waits for it all the same */
    if (!row->owned) {
        if (row->lineage > 0)
            return; /* a task that may run again needs it */
        mob_borrow_end(step, row);
        erase(step, row);
        return;
    }
    if (task_is_pending(row))
        return; /* W1: settled when the task ends */
    bool can_be_made_again = row->task != NULL && !row->task->lineage_evicted;
    if (row->state != MOB_ROW_FREED && (row->lineage == 0 || can_be_made_again))
        free_value(step, row);
    if (row->lineage == 0)
        erase(step, row);
}

/* What one row lets go may let go of the next, along a lineage as long as one
 * likes; so rows are worked off from a list and not by recursion. A row may be
 * gone when this returns, or a little later in the same step. */
void
mob_row_settle(MobStep *step, MobRow *row)
{
    MobWorker *worker = step->worker;

    if (mob_row_in_scope(row))
        return;
    if (worker->is_settling) {
        g_array_append_vals(worker->settling, &row->ref.id, 1);
        return;
    }
    worker->is_settling = true;
    settle_one(step, row);
    for (guint i = 0; i < worker->settling->len; i++) {
        row = mob_row_find(worker, g_array_index(worker->settling, MobObjectId, i));
        if (row != NULL)
            settle_one(step, row);
    }
    g_array_set_size(worker->settling, 0);
    worker->is_settling = false;
}
