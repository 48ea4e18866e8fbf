/* check.c: see check.h and check_parts.h. Who judges what of an event.
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
    if (check->credit < cost) {
        check->sampled = true;
        return false;
    }
    check->credit -= cost;
    return true;
}

const MobProcess *
mob_check_process(const MobCheck *check, MobAddress address)
{
    MobControl *control = mob_world_control(check->world);

    return control->process(control, address);
}

const char *
mob_check_process_name(const MobCheck *check, MobAddress address)
{
    return mob_state_proc_name(check->state, address);
}

const char *
mob_check_object_name(const MobCheck *check, MobObjectId id)
{
    const MobStateObject *object = mob_state_object_by_id(check->state, id);

    return object != NULL ? object->name : "an object that nobody made";
}

void *
mob_check_entry(MobTable *table, MobKey key, size_t size)
{
    void *entry = mob_table_get(table, key);

    if (entry == NULL) {
        entry = g_malloc0(size);
        mob_table_add(table, key, entry);
    }
    return entry;
}

/* --- events --- */

static void
on_note(MobCheck *check, const MobEvent *event, const MobNote *note)
{
    switch (note->kind) {
    case MOB_NOTE_TASK_SUBMITTED:
    case MOB_NOTE_TASK_LEASED:
    case MOB_NOTE_TASK_RUNNING:
    case MOB_NOTE_TASK_FINISHED:
    case MOB_NOTE_TASK_FAILED:
    case MOB_NOTE_TASK_RETRIED:
    case MOB_NOTE_TASK_HANDED_BACK:
    case MOB_NOTE_DECIDE:
        mob_check_task_note(check, event, note);
        break;
    case MOB_NOTE_OBJECT_CREATED:
    case MOB_NOTE_OBJECT_RECOVERED:
    case MOB_NOTE_OBJECT_LOST:
    case MOB_NOTE_OBJECT_FAILED:
    case MOB_NOTE_OBJECT_FREED:
    case MOB_NOTE_REF_ADDED:
        mob_check_object_note(check, event, note);
        break;
    case MOB_NOTE_OBJECT_COPIED:
    case MOB_NOTE_OBJECT_EVICTED:
    case MOB_NOTE_OBJECT_DELETED:
    case MOB_NOTE_OBJECT_COPY_LOST:
        mob_check_move_note(check, event, note);
        break;
    case MOB_NOTE_OBJECT_SPILLED:
        mob_check_spill_note(check, event, note);
        break;
    case MOB_NOTE_LEASE_GRANTED:
    case MOB_NOTE_LEASE_SPILLED:
    case MOB_NOTE_LEASE_RETURNED:
        mob_check_lease_note(check, event, note);
        break;
    case MOB_NOTE_NODE_DECLARED_DEAD:
    case MOB_NOTE_NODE_LEFT:
    case MOB_NOTE_WORKER_DIED:
        mob_check_death_note(check, event, note);
        break;
    case MOB_NOTE_FAULT:
        mob_check_fault_note(check, note);
        break;
    default:
        break;
    }
}

/* Between two processes things arrive in the order in which they were sent, as
 * long as the connection holds. */
static void
check_order(MobCheck *check, const MobEvent *event)
{
    MobAddress from = event->input->from;
    MobKey key = {mob_address_word(from), mob_address_word(event->process)};
    ConnSeen *conn = mob_check_entry(check->conns, key, sizeof *conn);

    if (event->input->kind == MOB_INPUT_RESET) {
        MobKey back = {key.b, key.a};
        conn->reset = event->number;
        conn = mob_check_entry(check->conns, back, sizeof *conn);
        conn->reset = event->number;
        return;
    }
    const MobStateProc *sender = mob_state_proc_by_address(check->state, from);
    bool earlier = sender != NULL && event->cause < sender->born; /* another life sent it */
    if (event->cause <= conn->reset || earlier)
        return;
    if (event->cause < conn->cause)
        mob_check_fail(check, "I42", "order of messages",
                       "%s hears from %s what was sent at @%" G_GUINT64_FORMAT
                       " after what was sent at @%" G_GUINT64_FORMAT,
                       mob_check_process_name(check, event->process),
                       mob_check_process_name(check, from), event->cause, conn->cause);
    conn->cause = event->cause;
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
on_input(MobCheck *check, const MobEvent *event)
{
    if (event->input->kind == MOB_INPUT_MESSAGE || event->input->kind == MOB_INPUT_RESET)
        check_order(check, event);
    if (event->input->kind == MOB_INPUT_CALL)
        mob_check_objects_call(check, event);
    if (event->input->kind != MOB_INPUT_MESSAGE)
        return;
    mob_check_objects_message(check, event);
    mob_check_moves_message(check, event);
    mob_check_lease_message(check, event);
    mob_check_deaths_message(check, event);
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
    if (event->input != NULL)
        on_input(check, event);
    for (size_t i = 0; i < event->note_count; i++)
        on_note(check, event, &event->notes[i]);
    mob_check_deaths_event(check, event);
    const MobProcess *process =
        event->role == MOB_ROLE_WORLD ? NULL : mob_check_process(check, event->process);
    if (process == NULL)
        return;
    if (event->role == MOB_ROLE_NODE)
        mob_check_node(check, process);
    else if (event->role == MOB_ROLE_WORKER || event->role == MOB_ROLE_DRIVER)
        mob_check_worker(check, process);
    if (event->role == MOB_ROLE_WORKER || event->role == MOB_ROLE_DRIVER)
        mob_check_refs_event(check, event, process);
}

/* --- life --- */

static void
unref_text(gpointer text)
{
    mob_str_unref(text);
}

MobCheck *
mob_check_new(MobWorld *world, const MobState *state, const MobConfig *config)
{
    MobCheck *check = g_new0(MobCheck, 1);
    MobTable **tables[] = {&check->known,   &check->tasks,   &check->functions, &check->runs,
                           &check->pending, &check->brought, &check->outers,    &check->inners,
                           &check->moved,   &check->leases,  &check->conns,     &check->deaths,
                           &check->by_hand, &check->told};

    check->watcher = (MobWatcher){
        .wanted = MOB_WANT(TASK_SUBMITTED) | MOB_WANT(TASK_LEASED) | MOB_WANT(TASK_RUNNING) |
                  MOB_WANT(TASK_FINISHED) | MOB_WANT(TASK_FAILED) | MOB_WANT(TASK_RETRIED) |
                  MOB_WANT(TASK_HANDED_BACK) | MOB_WANT(DECIDE) | MOB_WANT(OBJECT_CREATED) |
                  MOB_WANT(OBJECT_RECOVERED) | MOB_WANT(OBJECT_LOST) | MOB_WANT(OBJECT_FAILED) |
                  MOB_WANT(OBJECT_FREED) | MOB_WANT(OBJECT_COPIED) | MOB_WANT(OBJECT_SPILLED) |
                  MOB_WANT(OBJECT_EVICTED) | MOB_WANT(OBJECT_DELETED) | MOB_WANT(OBJECT_COPY_LOST) |
                  MOB_WANT(REF_ADDED) | MOB_WANT(REF_BORROWED) | MOB_WANT(REF_DROPPED) |
                  MOB_WANT(LEASE_GRANTED) | MOB_WANT(LEASE_SPILLED) | MOB_WANT(LEASE_RETURNED) |
                  MOB_WANT(NODE_DECLARED_DEAD) | MOB_WANT(NODE_LEFT) | MOB_WANT(WORKER_DIED) |
                  MOB_WANT(FAULT),
        .event = on_event,
        .died = mob_check_proc_died};
    check->world = world;
    check->state = state;
    check->config = config;
    check->deterministic = true;
    for (size_t i = 0; i < G_N_ELEMENTS(tables); i++)
        *tables[i] = mob_table_new();
    check->unreported = g_array_new(FALSE, FALSE, sizeof(DeathSeen));
    return check;
}

void
mob_check_free(MobCheck *check)
{
    if (check == NULL)
        return;
    MobTable *plain[] = {check->known,  check->tasks, check->pending, check->outers,
                         check->leases, check->conns, check->told};
    for (size_t i = 0; i < G_N_ELEMENTS(plain); i++)
        mob_table_free_full(plain[i], g_free);
    mob_table_free_full(check->functions, unref_text);
    mob_table_free_full(check->runs, mob_check_run_free);
    mob_table_free_full(check->inners, mob_check_inners_free);
    mob_table_free_full(check->moved, mob_check_moved_free);
    mob_table_free(check->brought);
    mob_table_free(check->deaths);
    mob_table_free(check->by_hand);
    g_array_unref(check->unreported);
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
