/* check.c: see check.h. The properties of one event; check_rest.c has those of
 * a cluster at rest and of answers.
 *
 * A property that broke is kept and the run is stopped: what comes after a
 * broken promise means nothing.
 */
#include "sim/check_parts.h"

void
mob_check_fail(MobCheck *check, const char *property, const char *name, const char *format, ...)
{
    va_list args;

    if (check->violation.property != NULL)
        return;
    va_start(args, format);
    check->violation = (MobViolation){.property = property,
                                      .name = name,
                                      .text = g_strdup_vprintf(format, args),
                                      .event = check->state->event,
                                      .at = check->state->now};
    va_end(args);
    MobControl *control = mob_world_control(check->world);
    control->stop(control);
}

enum {
    WORK_PER_EVENT = 64,
    CREDIT_MAX = 1 << 20,
};

bool
mob_check_affords(MobCheck *check, uint64_t cost)
{
    if (cost <= WORK_PER_EVENT)
        return true;
    if (check->credit < cost)
        return false;
    check->credit -= cost;
    return true;
}

const MobProcess *
mob_check_process(const MobCheck *check, MobAddress address)
{
    MobControl *control = mob_world_control(check->world);

    return control->process(control, address);
}

static const char *
process_name(const MobCheck *check, MobAddress address)
{
    return mob_state_proc_name(check->state, address);
}

const char *
mob_check_object_name(const MobCheck *check, MobObjectId id)
{
    const MobStateObject *object = mob_state_object_by_id(check->state, id);

    return object != NULL ? object->name : "an object that nobody made";
}

/* --- node managers --- */

static void
check_leases(MobCheck *check, const MobProcess *node, const MobNodeStats *stats)
{
    size_t at = 0;
    MobLeaseInfo lease;
    MobResources held = {0};
    g_autoptr(MobTable) workers = mob_table_new();

    while (mob_node_next_lease(node, &at, &lease)) {
        if (lease.holds) {
            held.cpu += lease.blocked ? 0 : lease.needs.cpu;
            held.memory += lease.needs.memory;
        }
        if (!mob_address_is(lease.worker))
            continue;
        MobKey key = mob_key_address(lease.worker);
        if (mob_table_get(workers, key) != NULL)
            mob_check_fail(check, "I28", "lease exclusivity", "%s is leased twice at the same time",
                           process_name(check, lease.worker));
        else
            mob_table_add(workers, key, check);
    }
    if (held.cpu + stats->available.cpu != stats->total.cpu)
        mob_check_fail(check, "I24", "no over-allocation",
                       "%s has %" G_GINT64_FORMAT " of CPU, %" G_GINT64_FORMAT
                       " are held and %" G_GINT64_FORMAT " available (in 1/10000)",
                       process_name(check, node->address), stats->total.cpu, held.cpu,
                       stats->available.cpu);
    if (held.memory + stats->available.memory != stats->total.memory || stats->available.memory < 0)
        mob_check_fail(check, "I24", "no over-allocation",
                       "%s has %" G_GINT64_FORMAT " bytes of memory, %" G_GINT64_FORMAT
                       " are held and %" G_GINT64_FORMAT " available",
                       process_name(check, node->address), stats->total.memory, held.memory,
                       stats->available.memory);
}

/* All sealed copies of an object have the same value. If it holds references, a
 * task that ran again has made it anew: its children have other identities. */
static void
check_copy(MobCheck *check, const MobProcess *node, const MobCopyInfo *copy)
{
    MobKey key = mob_key_object(copy->object);
    Sealed *first = mob_table_get(check->sealed, key);

    if (!copy->sealed)
        return;
    if (first == NULL) {
        first = g_new(Sealed, 1);
        *first = (Sealed){copy->hash, copy->size};
        mob_table_add(check->sealed, key, first);
    } else if (check->deterministic && copy->refs == 0 &&
               (first->hash != copy->hash || first->size != copy->size)) {
        mob_check_fail(check, "I3", "replica agreement",
                       "the copy of %s on %s has another value than the one before",
                       mob_check_object_name(check, copy->object),
                       process_name(check, node->address));
    }
}

static void
check_store(MobCheck *check, const MobProcess *node, const MobNodeStats *stats)
{
    size_t at = 0;
    MobCopyInfo copy;
    uint64_t used = 0;

    while (mob_node_next_copy(node, &at, &copy)) {
        used += copy.size;
        check_copy(check, node, &copy);
    }
    if (stats->store_used > stats->store_capacity)
        mob_check_fail(check, "I33", "capacity",
                       "the store of %s holds %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " bytes",
                       process_name(check, node->address), stats->store_used,
                       stats->store_capacity);
    if (used != stats->store_used)
        mob_check_fail(check, "I33", "capacity",
                       "the store of %s counts %" G_GUINT64_FORMAT
                       " bytes and holds %" G_GUINT64_FORMAT,
                       process_name(check, node->address), stats->store_used, used);
}

void
mob_check_node(MobCheck *check, const MobProcess *node)
{
    MobNodeStats stats;

    mob_node_stats(node, &stats);
    if (!mob_check_affords(check, stats.objects + stats.leases_granted + stats.leases_waiting))
        return;
    check_leases(check, node, &stats);
    check_store(check, node, &stats);
}

void
mob_check_worker(MobCheck *check, const MobProcess *worker)
{
    MobWorkerStats stats;

    mob_worker_stats(worker, &stats);
    if (!mob_check_affords(check, stats.owned + stats.borrowed))
        return;
    g_autoptr(GString) why = g_string_new(NULL);
    if (!mob_worker_check(worker, why))
        mob_check_fail(check, "I18", "counters", "%s: %s", process_name(check, worker->address),
                       why->str);
}

/* --- tasks --- */

static TaskSeen *
seen_task(MobCheck *check, MobTaskId id)
{
    TaskSeen *task = mob_table_get(check->tasks, mob_key_task(id));

    if (task == NULL) {
        task = g_new0(TaskSeen, 1);
        mob_table_add(check->tasks, mob_key_task(id), task);
    }
    return task;
}

static const char *
task_name(const MobCheck *check, const MobNote *note)
{
    const MobStateTask *task = mob_state_task_by_id(check->state, note->spec->id);

    return task != NULL ? task->name : mob_str(note->spec->path);
}

static bool
has_sealed_copy(const MobProcess *node, MobObjectId object)
{
    size_t at = 0;
    MobCopyInfo copy;

    while (mob_node_next_copy(node, &at, &copy))
        if (copy.sealed && mob_object_eq(copy.object, object))
            return true;
    return false;
}

static uint64_t
bit_of(uint32_t attempt)
{
    return UINT64_C(1) << MIN(attempt, 63);
}

static void
remember_run(MobCheck *check, const MobNote *note)
{
    RunSeen *run = mob_table_get(check->runs, mob_key_address(note->worker));

    if (run == NULL) {
        run = g_new(RunSeen, 1);
        mob_table_add(check->runs, mob_key_address(note->worker), run);
    }
    *run = (RunSeen){note->spec->id, note->attempt, note->spec->owner};
}

/* A small value that only its owner has comes by message. */
static bool
is_in_stores(const MobCheck *check, MobObjectId id)
{
    const MobStateObject *object = mob_state_object_by_id(check->state, id);

    return object == NULL || object->copies->len > 0;
}

static void
on_running(MobCheck *check, const MobNote *note)
{
    TaskSeen *task = seen_task(check, note->spec->id);
    const MobProcess *node = mob_check_process(check, mob_node_address(note->worker.node));
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
    for (uint32_t i = 0; node != NULL && i < note->args->count; i++) {
        MobObjectId id = note->args->items[i].ref.id;
        if (mob_object_is(id) && is_in_stores(check, id) && !has_sealed_copy(node, id))
            mob_check_fail(check, "I27", "arguments first",
                           "%s runs on %s, which has no copy of %s", task_name(check, note),
                           process_name(check, note->worker), mob_check_object_name(check, id));
    }
}

static void
on_finished(MobCheck *check, const MobNote *note)
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
}

static void
on_failed(MobCheck *check, const MobNote *note)
{
    bool replied = note->value == NULL || (note->value->fault != MOB_FAULT_WORKER_CRASHED &&
                                           note->value->fault != MOB_FAULT_NODE_DIED);

    if (!replied)
        seen_task(check, note->spec->id)->lost |= bit_of(note->attempt);
}

static void
on_retried(MobCheck *check, const MobEvent *event, const MobNote *note)
{
    if (!mob_address_eq(event->process, note->spec->owner))
        mob_check_fail(check, "I14", "only the owner resubmits", "%s is run again by %s",
                       task_name(check, note), process_name(check, event->process));
}

/* --- objects --- */

/* Whether @holder counts on @object: a reference that would be left hanging. */
static bool
counts_on(const MobProcess *holder, MobObjectId object)
{
    MobRefInfo ref;

    return mob_worker_find_ref(holder, object, &ref) &&
           ref.local + ref.submitted + ref.contained > 0 &&
           !(ref.value != NULL && ref.value->fault != 0);
}

/* Whether the process has run an attempt that its owner has given up, because a
 * connection broke or its node was declared dead, or that belongs to such a one:
 * nobody protects what it holds, and it will be ended. */
static bool
runs_in_vain(const MobCheck *check, MobAddress holder)
{
    for (int depth = 0; depth < 64; depth++) { /* up the tree of calls */
        const MobStateNode *node = mob_state_node_by_id(check->state, (MobNodeId){holder.node});
        const RunSeen *run = mob_table_get(check->runs, mob_key_address(holder));
        if ((node != NULL && node->declared_dead) || mob_check_process(check, holder) == NULL)
            return true;
        if (run == NULL)
            return false; /* a driver */
        const TaskSeen *task = mob_table_get(check->tasks, mob_key_task(run->task));
        if ((task->lost & bit_of(run->attempt)) != 0)
            return true;
        holder = run->owner;
    }
    return false;
}

static void
on_freed(MobCheck *check, const MobNote *note)
{
    size_t at = 0;
    MobProcInfo info;
    const MobProcess *process;

    if (!mob_check_affords(check, check->state->procs->len))
        return;
    while ((process = mob_world_next_process(check->world, &at, &info))) {
        if (info.role != MOB_ROLE_WORKER && info.role != MOB_ROLE_DRIVER)
            continue;
        if (!mob_address_eq(info.address, note->owner) && counts_on(process, note->object) &&
            !runs_in_vain(check, info.address))
            mob_check_fail(check, "I5", "no premature free", "%s frees %s, and %s still holds it",
                           process_name(check, note->owner),
                           mob_check_object_name(check, note->object), info.name);
    }
}

static void
compare_with_oracle(MobCheck *check, const MobNote *note, uint64_t size, uint64_t hash)
{
    const MobValue *want = check->oracle != NULL && !check->errors_seen
                               ? mob_oracle_value(check->oracle, note->path, note->object.index)
                               : NULL;

    if (want != NULL && want->ref_count == 0 && want->fault == 0 &&
        (want->hash != hash || want->size != size))
        mob_check_fail(check, "I2", "provenance", "%s is not the value that the program makes",
                       mob_check_object_name(check, note->object));
}

static void
on_created(MobCheck *check, const MobNote *note)
{
    if (note->value != NULL) {
        compare_with_oracle(check, note, note->value->size, note->value->hash);
        return;
    }
    const Sealed *sealed = mob_table_get(check->sealed, mob_key_object(note->object));
    if (sealed != NULL)
        compare_with_oracle(check, note, sealed->size, sealed->hash);
}

/* --- nodes --- */

static void
on_declared_dead(MobCheck *check, const MobNote *note)
{
    const MobProcess *node = mob_check_process(check, mob_node_address(note->node.v));

    if (!check->network_faults && node != NULL)
        mob_check_fail(check, "I39", "detection", "%s is declared dead, and it lives",
                       mob_state_node_name(check->state, note->node));
}

static void
on_fault(MobCheck *check, const MobNote *note)
{
    static const char *const harmless[] = {"evict", "join", "leave", "restart"};

    check->evictions += g_strcmp0(note->reason, "evict") == 0;
    for (size_t i = 0; i < G_N_ELEMENTS(harmless); i++)
        if (g_strcmp0(note->reason, harmless[i]) == 0)
            return;
    check->kills += g_strcmp0(note->reason, "kill") == 0;
    if (g_strcmp0(note->reason, "kill") != 0 || note->text == NULL ||
        strchr(note->text, '/') != NULL || strstr(note->text, "gcs") != NULL)
        check->network_faults = true; /* a living node may look dead from now on */
}

static void
on_note(MobCheck *check, const MobEvent *event, const MobNote *note)
{
    switch (note->kind) {
    case MOB_NOTE_TASK_RUNNING:
        on_running(check, note);
        break;
    case MOB_NOTE_TASK_FINISHED:
        on_finished(check, note);
        break;
    case MOB_NOTE_TASK_FAILED:
        on_failed(check, note);
        break;
    case MOB_NOTE_TASK_RETRIED:
        on_retried(check, event, note);
        break;
    case MOB_NOTE_OBJECT_FREED:
        on_freed(check, note);
        break;
    case MOB_NOTE_OBJECT_CREATED:
        on_created(check, note);
        break;
    case MOB_NOTE_OBJECT_FAILED:
        check->errors_seen = true;
        break;
    case MOB_NOTE_NODE_DECLARED_DEAD:
        on_declared_dead(check, note);
        break;
    case MOB_NOTE_FAULT:
        on_fault(check, note);
        break;
    default:
        break;
    }
}

static void
check_causality(MobCheck *check, const MobEvent *event)
{
    if (event->cause >= event->number || event->at < check->last_at)
        mob_check_fail(check, "I42", "causality",
                       "event @%" G_GUINT64_FORMAT " comes before its cause", event->number);
    check->last_at = event->at;
}

static void
on_event(MobWatcher *watcher, const MobEvent *event)
{
    MobCheck *check = (MobCheck *)watcher;

    if (check->violation.property != NULL)
        return;
    check->count++;
    check->credit = MIN(check->credit + WORK_PER_EVENT, CREDIT_MAX);
    check_causality(check, event);
    for (size_t i = 0; i < event->note_count; i++)
        on_note(check, event, &event->notes[i]);
    const MobProcess *process =
        event->role == MOB_ROLE_WORLD ? NULL : mob_check_process(check, event->process);
    if (process == NULL)
        return;
    if (event->role == MOB_ROLE_NODE)
        mob_check_node(check, process);
    else if (event->role == MOB_ROLE_WORKER || event->role == MOB_ROLE_DRIVER)
        mob_check_worker(check, process);
}

/* --- life --- */

MobCheck *
mob_check_new(MobWorld *world, const MobState *state, const MobConfig *config)
{
    MobCheck *check = g_new0(MobCheck, 1);

    check->watcher = (MobWatcher){
        .wanted = MOB_WANT(TASK_RUNNING) | MOB_WANT(TASK_FINISHED) | MOB_WANT(TASK_FAILED) |
                  MOB_WANT(TASK_RETRIED) | MOB_WANT(OBJECT_FREED) | MOB_WANT(OBJECT_CREATED) |
                  MOB_WANT(OBJECT_FAILED) | MOB_WANT(NODE_DECLARED_DEAD) | MOB_WANT(FAULT),
        .event = on_event};
    check->world = world;
    check->state = state;
    check->config = config;
    check->deterministic = true;
    check->sealed = mob_table_new();
    check->tasks = mob_table_new();
    check->runs = mob_table_new();
    return check;
}

void
mob_check_free(MobCheck *check)
{
    if (check == NULL)
        return;
    mob_table_free_full(check->sealed, g_free);
    mob_table_free_full(check->tasks, g_free);
    mob_table_free_full(check->runs, g_free);
    g_free(check->violation.text);
    g_free(check);
}

MobWatcher *
mob_check_watcher(MobCheck *check)
{
    return &check->watcher;
}

void
mob_check_set_oracle(MobCheck *check, const MobOracle *oracle)
{
    const char *silent = mob_oracle_silent(oracle);

    check->oracle = silent == NULL ? oracle : NULL;
    check->deterministic = silent == NULL;
}

const MobViolation *
mob_check_violation(const MobCheck *check)
{
    return check->violation.property != NULL ? &check->violation : NULL;
}

uint64_t
mob_check_count(const MobCheck *check)
{
    return check->count;
}
