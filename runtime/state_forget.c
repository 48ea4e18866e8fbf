/* state_forget.c: what is over is kept up to a bound; see state.h.
 *
 * Entries point at each other everywhere, so nothing is taken out one by one:
 * now and then everything that stays is copied into a new arena and the old
 * one is freed. That happens when half as much has been added as was left the
 * last time, and at least as much as may be kept, so an event costs the same
 * as ever on average; and when a driver has died, with which a whole job is over.
 *
 * A task is over when it has finished or failed and none of its results can be
 * asked for, or when its owner is dead. An object is over when it was freed or
 * failed, or its owner is dead. What belongs to something that is forgotten
 * (attempts, copies, references) goes with it.
 */
#include "runtime/state_parts.h"

enum {
    MEMBERS_MAX = 100,   /* of one thing, of what is over */
    JOB_SHARE = 8,       /* times what is kept: worth a look when a job is over */
    LOG_MOST = 32 << 20, /* bytes of what programs printed; twice as many: time to forget */
};

typedef struct {
    State *from;
    State *to;
    GHashTable *copies; /* entry there -> entry here; looked up, never walked */
    size_t keep;
} Move;

/* --- what is over --- */

static bool
is_dead(const State *state, MobAddress address)
{
    const Proc *proc = mob_table_get(state->procs, mob_key_address(address));

    return mob_address_is(address) && (proc == NULL || !proc->base.alive);
}

static bool
object_is_over(const State *state, const void *item)
{
    const MobStateObject *object = item;

    return object->state == MOB_OBJECT_FREED || object->state == MOB_OBJECT_FAILED ||
           is_dead(state, object->owner);
}

static bool
task_is_over(const State *state, const void *item)
{
    const MobStateTask *task = item;

    if (is_dead(state, task->owner))
        return true;
    if (task->state != MOB_TASK_FINISHED && task->state != MOB_TASK_FAILED)
        return false;
    for (guint i = 0; i < task->returns->len; i++)
        if (!object_is_over(state, g_ptr_array_index(task->returns, i)))
            return false;
    return true;
}

static bool
lease_is_over(const State *state, const void *item)
{
    (void)state;
    return ((const MobStateLease *)item)->to != 0;
}

static bool
node_is_over(const State *state, const void *item)
{
    (void)state;
    return !((const MobStateNode *)item)->alive;
}

static bool
proc_is_over(const State *state, const void *item)
{
    (void)state;
    return !((const MobStateProc *)item)->alive;
}

static bool
job_is_over(const State *state, const void *item)
{
    return is_dead(state, ((const MobStateJob *)item)->driver);
}

static bool
never(const State *state, const void *item)
{
    (void)state;
    (void)item;
    return false;
}

static bool
always(const State *state, const void *item)
{
    (void)state;
    (void)item;
    return true;
}

/* --- things that live long --- */

/* An object that a million tasks have used had a million references. Of what
 * belongs to one task or object and is over, only the newest stay: what is
 * older is cut off from it, and so it is not copied. */
static void
trim_attempts(const GPtrArray *attempts)
{
    for (guint i = 0; i + MEMBERS_MAX < attempts->len; i++) {
        MobStateAttempt *attempt = g_ptr_array_index(attempts, i);
        if (attempt->ended != 0)
            attempt->task = NULL;
    }
}

static void
trim_copies(const GPtrArray *copies)
{
    for (guint i = 0; i + MEMBERS_MAX < copies->len; i++) {
        MobStateCopy *copy = g_ptr_array_index(copies, i);
        if (copy->to != 0)
            copy->object = NULL;
    }
}

static void
trim_refs(const GPtrArray *refs)
{
    for (guint i = 0; i + MEMBERS_MAX < refs->len; i++) {
        MobStateRef *ref = g_ptr_array_index(refs, i);
        if (ref->to != 0)
            ref->object = NULL;
    }
}

/* Who prints without end must not take all memory. */
static void
trim_logs(const GPtrArray *logs)
{
    size_t bytes = 0;

    for (guint i = logs->len; i > 0; i--) {
        MobStateLog *log = g_ptr_array_index(logs, i - 1);
        bytes += strlen(log->text);
        if (bytes > LOG_MOST)
            log->text = NULL;
    }
}

static void
trim(const MobState *state)
{
    trim_logs(state->logs);
    for (guint i = 0; i < state->tasks->len; i++)
        trim_attempts(((const MobStateTask *)g_ptr_array_index(state->tasks, i))->attempts);
    for (guint i = 0; i < state->objects->len; i++) {
        const MobStateObject *object = g_ptr_array_index(state->objects, i);
        trim_copies(object->copies);
        trim_refs(object->refs);
    }
}

/* --- copying --- */

static void *
copy_of(const Move *move, const void *item)
{
    return item != NULL ? g_hash_table_lookup(move->copies, item) : NULL;
}

/* Copies those of @items that stay, in their order, and calls @mend for each
 * copy, which says whether what it belongs to stays too. Returns how many go. */
static uint64_t
copy_list(const Move *move, const GPtrArray *items, GPtrArray *into, size_t size,
          bool (*is_over)(const State *state, const void *item),
          bool (*mend)(const Move *move, void *item))
{
    size_t over = 0;
    size_t skip = 0;

    for (guint i = 0; i < items->len; i++)
        over += is_over(move->from, g_ptr_array_index(items, i));
    if (over > move->keep)
        skip = over - move->keep;
    for (guint i = 0; i < items->len; i++) {
        void *item = g_ptr_array_index(items, i);
        if (skip > 0 && is_over(move->from, item)) {
            skip--;
            continue;
        }
        void *copy = mob_state_alloc(move->to, size);
        memcpy(copy, item, size);
        if (!mend(move, copy))
            continue;
        g_hash_table_insert(move->copies, item, copy);
        g_ptr_array_add(into, copy);
    }
    return items->len - into->len;
}

/* The same list with the copies of what stays. */
static void
copy_members(const Move *move, GPtrArray **list)
{
    const GPtrArray *items = *list;

    *list = (GPtrArray *)move->to->none;
    for (guint i = 0; i < items->len; i++) {
        void *copy = copy_of(move, g_ptr_array_index(items, i));
        if (copy != NULL)
            mob_state_append(move->to, list, copy);
    }
}

static void
copy_text(const Move *move, const char **text)
{
    *text = mob_state_text(move->to, *text);
}

static bool
mend_node(const Move *move, void *item)
{
    Node *node = item;

    copy_text(move, &node->base.name);
    copy_text(move, &node->base.reason);
    node->copies = NULL;
    return true;
}

static bool
mend_proc(const Move *move, void *item)
{
    Proc *proc = item;

    copy_text(move, &proc->base.name);
    copy_text(move, &proc->base.node_name);
    copy_text(move, &proc->base.why);
    return true;
}

static bool
mend_task(const Move *move, void *item)
{
    MobStateTask *task = item;

    task->name = g_string_chunk_insert(move->to->texts, task->name);
    mob_spec_ref(task->spec);
    return true;
}

static bool
mend_object(const Move *move, void *item)
{
    MobStateObject *object = item;

    object->name = g_string_chunk_insert(move->to->texts, object->name);
    object->maker = copy_of(move, object->maker);
    return true;
}

static bool
mend_attempt(const Move *move, void *item)
{
    MobStateAttempt *attempt = item;

    attempt->task = copy_of(move, attempt->task);
    return attempt->task != NULL;
}

static bool
mend_copy(const Move *move, void *item)
{
    Copy *copy = item;

    copy->base.object = copy_of(move, copy->base.object);
    copy->node = copy_of(move, copy->node);
    copy_text(move, &copy->base.end_why);
    copy->next = copy->previous = NULL;
    if (copy->base.object == NULL || (copy->base.to == 0 && copy->node == NULL))
        return false;
    if (copy->base.to != 0)
        return true;
    copy->next = copy->node->copies;
    if (copy->next != NULL)
        copy->next->previous = copy;
    copy->node->copies = copy;
    return true;
}

static bool
mend_ref(const Move *move, void *item)
{
    Ref *ref = item;

    ref->base.object = copy_of(move, ref->base.object);
    ref->base.task = copy_of(move, ref->base.task);
    ref->base.outer = copy_of(move, ref->base.outer);
    copy_text(move, &ref->base.kind);
    copy_text(move, &ref->base.file);
    return ref->base.object != NULL;
}

static bool
mend_log(const Move *move, void *item)
{
    MobStateLog *log = item;
    bool of_task = log->task != NULL;

    log->task = copy_of(move, log->task);
    if (log->text == NULL || (of_task && log->task == NULL))
        return false;
    move->to->log_bytes += strlen(log->text);
    log->text = g_string_chunk_insert(move->to->texts, log->text);
    return true;
}

static bool
mend_job(const Move *move, void *item)
{
    MobStateJob *job = item;

    copy_text(move, &job->name);
    mob_value_ref(job->result);
    return true;
}

static bool
mend_fault(const Move *move, void *item)
{
    MobStateFault *fault = item;

    copy_text(move, &fault->verb);
    copy_text(move, &fault->target);
    return true;
}

static bool
mend_nothing(const Move *move, void *item)
{
    (void)move;
    (void)item;
    return true;
}

static void
copy_lists(const Move *move)
{
    const MobState *from = &move->from->base;
    MobState *to = &move->to->base;

    copy_list(move, from->nodes, to->nodes, sizeof(Node), node_is_over, mend_node);
    copy_list(move, from->procs, to->procs, sizeof(Proc), proc_is_over, mend_proc);
    to->forgotten.tasks +=
        copy_list(move, from->tasks, to->tasks, sizeof(MobStateTask), task_is_over, mend_task);
    to->forgotten.objects += copy_list(move, from->objects, to->objects, sizeof(MobStateObject),
                                       object_is_over, mend_object);
    copy_list(move, from->attempts, to->attempts, sizeof(MobStateAttempt), never, mend_attempt);
    copy_list(move, from->copies, to->copies, sizeof(Copy), never, mend_copy);
    copy_list(move, from->refs, to->refs, sizeof(Ref), never, mend_ref);
    copy_list(move, from->leases, to->leases, sizeof(MobStateLease), lease_is_over, mend_nothing);
    to->forgotten.logs +=
        copy_list(move, from->logs, to->logs, sizeof(MobStateLog), always, mend_log);
    copy_list(move, from->jobs, to->jobs, sizeof(MobStateJob), job_is_over, mend_job);
    copy_list(move, from->faults, to->faults, sizeof(MobStateFault), always, mend_fault);
}

/* What points at what was copied later. */
static void
connect(const Move *move)
{
    MobState *to = &move->to->base;

    for (guint i = 0; i < to->tasks->len; i++) {
        MobStateTask *task = g_ptr_array_index(to->tasks, i);
        task->parent = copy_of(move, task->parent);
        copy_members(move, &task->attempts);
        copy_members(move, &task->args);
        copy_members(move, &task->returns);
        copy_members(move, &task->nested);
    }
    for (guint i = 0; i < to->objects->len; i++) {
        MobStateObject *object = g_ptr_array_index(to->objects, i);
        copy_members(move, &object->copies);
        copy_members(move, &object->refs);
        copy_members(move, &object->nested);
    }
    for (guint i = 0; i < to->procs->len; i++) {
        Proc *proc = g_ptr_array_index(to->procs, i);
        proc->running = copy_of(move, proc->running);
        proc->last = copy_of(move, proc->last);
        proc->lease = copy_of(move, proc->lease);
    }
    for (guint i = 0; i < to->refs->len; i++) {
        Ref *ref = g_ptr_array_index(to->refs, i);
        if (ref->base.to == 0)
            mob_table_add(move->to->refs, ref->key, ref);
    }
}

static void
copy_table(const Move *move, const MobTable *from, MobTable *to)
{
    size_t at = 0;
    const void *item;

    while ((item = mob_table_next(from, &at))) {
        void *copy = copy_of(move, item);
        if (copy != NULL)
            mob_table_add(to, mob_table_key(from, at), copy);
    }
}

static void
copy_tables(const Move *move)
{
    const State *from = move->from;
    State *to = move->to;

    copy_table(move, from->nodes, to->nodes);
    copy_table(move, from->procs, to->procs);
    copy_table(move, from->tasks, to->tasks);
    copy_table(move, from->attempts, to->attempts);
    copy_table(move, from->objects, to->objects);
    copy_table(move, from->names, to->names);
    copy_table(move, from->copies, to->copies);
    copy_table(move, from->leases, to->leases);
}

static size_t
size_of(const MobState *state)
{
    const GPtrArray *lists[] = {state->nodes,   state->procs,  state->tasks, state->attempts,
                                state->objects, state->copies, state->refs,  state->leases,
                                state->logs,    state->jobs,   state->faults};
    size_t size = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(lists); i++)
        size += lists[i]->len;
    return size;
}

static void
forget(State *state)
{
    Move move = {
        .from = state,
        .to = (State *)mob_state_new(),
        .copies = g_hash_table_new(NULL, NULL),
        .keep = state->keep,
    };
    MobState *to = &move.to->base;

    to->watcher = state->base.watcher;
    to->event = state->base.event;
    to->now = state->base.now;
    to->gcs_alive = state->base.gcs_alive;
    to->forgotten = state->base.forgotten;
    move.to->event = state->event;
    move.to->now = state->now;
    move.to->keep = state->keep;
    trim(&state->base);
    copy_lists(&move);
    connect(&move);
    copy_tables(&move);
    g_hash_table_unref(move.copies);

    /* Others know the state by its place, so the two change places. */
    State old = *state;
    *state = *move.to;
    *move.to = old;
    mob_state_free(&move.to->base);
    size_t left = size_of(&state->base);
    state->look_at = left + MAX(state->keep, left / 2);
}

void
mob_state_job_is_over(State *state)
{
    state->look_at = MIN(state->look_at, JOB_SHARE * state->keep);
}

void
mob_state_look_back(State *state)
{
    if (state->keep == 0)
        return;
    if (size_of(&state->base) >= state->look_at || state->log_bytes > 2 * LOG_MOST)
        forget(state);
}

void
mob_state_keep(MobState *base, size_t most)
{
    State *state = (State *)base;

    g_assert(most > 0);
    state->keep = most;
    state->look_at = 2 * most;
}
