/* waits.c: get and wait: a body that stops until objects exist.
 *
 * A body that waits lends the CPU of its lease, so that whatever it waits for
 * can run: without that a tree of tasks would starve itself.
 *
 * Objects that a call waits for are marked in their rows with their position,
 * and positions of the same object are chained, so that waiting for a million
 * of them costs the same for each.
 */
#include "runtime/worker_parts.h"

static MobExec *
exec_of(MobStep *step)
{
    return &step->worker->exec;
}

/* --- waiting --- */

static void
send_blocked(MobStep *step)
{
    MobWorkerBlocked *news = mob_worker_blocked_new();

    news->blocked = exec_of(step)->blocked;
    mob_send(step->out, step->worker->manager, news);
}

static void
tell_blocked(MobStep *step, bool blocked)
{
    MobExec *exec = exec_of(step);

    if (step->worker->driver || exec->blocked == blocked)
        return;
    exec->blocked = blocked;
    send_blocked(step);
    if (blocked)
        mob_exec_hand_back(step);
}

static const MobRef *
first_missing(const MobExec *exec)
{
    for (uint32_t i = 0; i < exec->ref_count; i++)
        if (!exec->ready[i])
            return &exec->refs[i];
    return &exec->refs[0];
}

void
mob_waits_release(MobStep *step)
{
    GPtrArray *rows = g_steal_pointer(&exec_of(step)->registering);

    for (guint i = 0; rows != NULL && i < rows->len; i++)
        mob_row_end_containing(step, g_ptr_array_index(rows, i));
    if (rows != NULL)
        g_ptr_array_unref(rows); /* it may be long, and mostly is not needed */
}

static void
stop_waiting(MobStep *step)
{
    MobExec *exec = exec_of(step);

    for (uint32_t i = 0; i < exec->ref_count; i++) {
        MobRow *row = mob_row_find(step->worker, exec->refs[i].id);
        if (row != NULL && row->waits != 0) {
            row->waits = 0;
            if (!mob_row_in_scope(row))
                mob_row_settle(step, row);
        }
        mob_ref_clear(&exec->refs[i]);
        if (exec->values != NULL)
            mob_value_unref(exec->values[i]);
    }
    g_clear_pointer(&exec->refs, g_free);
    g_clear_pointer(&exec->same, g_free);
    g_clear_pointer(&exec->values, g_free);
    g_clear_pointer(&exec->ready, g_free);
    exec->ref_count = 0;
    exec->waiting = false;
    if (exec->deadline != MOB_TIME_NEVER)
        mob_stop_timer(step->out, MOB_TIMER_DEADLINE);
    exec->deadline = MOB_TIME_NEVER;
    exec->unregistered = 0;
    mob_waits_release(step);
    if (exec->noted)
        NOTE(step->out, GET_RESUMED, .spec = exec->spec, .attempt = exec->attempt,
             .worker = step->worker->base.address);
    exec->noted = false;
    tell_blocked(step, false);
}

static void
cancel_fetches(MobStep *step)
{
    MobExec *exec = exec_of(step);

    if (exec->call != MOB_CALL_GET)
        return;
    for (uint32_t i = 0; i < exec->ref_count; i++) {
        MobRow *row = mob_row_find(step->worker, exec->refs[i].id);
        if (exec->values[i] != NULL || row->waits != i + 1 || row->state != MOB_ROW_STORED)
            continue;
        MobCancelGet *cancel = mob_cancel_get_new();
        cancel->object = exec->refs[i].id;
        mob_send(step->out, step->worker->manager, cancel);
    }
}

/* --- get --- */

static void
finish_get(MobStep *step)
{
    MobExec *exec = exec_of(step);
    MobAnswer answer = {.values = g_steal_pointer(&exec->values), .value_count = exec->ref_count};

    for (uint32_t i = 0; i < answer.value_count; i++)
        for (uint32_t k = 0; k < answer.values[i]->ref_count; k++)
            mob_row_hold(step, mob_row_received(step, &answer.values[i]->refs[k]), exec->site);
    stop_waiting(step);
    mob_calls_resume(step, answer);
}

static void
register_row(MobStep *step, MobRow *row)
{
    MobWorker *worker = step->worker;
    MobExec *exec = exec_of(step);
    uint64_t token = mob_borrow_token(worker, 1);

    mob_borrow_remember(worker, row, worker->base.address, token);
    /* until the body holds it; the next of the same name sees it */
    mob_row_begin_containing(row);
    if (exec->registering == NULL)
        exec->registering = g_ptr_array_new();
    g_ptr_array_add(exec->registering, row);
    exec->unregistered += mob_borrow_register(step, &row->ref, worker->base.address, token, false);
}

void
mob_waits_register(MobStep *step, const MobValue *value)
{
    MobWorker *worker = step->worker;

    for (uint32_t k = 0; k < value->ref_count; k++) {
        const MobRef *ref = &value->refs[k];
        if (mob_address_eq(ref->owner, worker->base.address) ||
            mob_worker_is_dead(worker, ref->owner))
            continue;
        MobRow *row = mob_row_find(worker, ref->id);
        if (row == NULL || !mob_row_in_scope(row))
            register_row(step, row != NULL ? row : mob_row_add(worker, ref));
    }
}

/* What is nested in the values must be known to its owners before the body
 * has it: until then the outer objects, which the body holds, protect it. */
static void
register_nested(MobStep *step)
{
    MobExec *exec = exec_of(step);

    exec->unregistered = 1;
    for (uint32_t i = 0; i < exec->ref_count; i++)
        mob_waits_register(step, exec->values[i]);
    mob_waits_registered(step);
}

void
mob_waits_registered(MobStep *step)
{
    MobExec *exec = exec_of(step);
    bool gets = exec->waiting && exec->call == MOB_CALL_GET;

    if (exec->waiting && exec->call == MOB_CALL_PIN) {
        mob_pin_registered(step);
        return;
    }
    if (exec->unregistered == 0 || !(gets || exec->phase == MOB_EXEC_FETCHING))
        return;
    if (--exec->unregistered > 0)
        return;
    if (gets)
        finish_get(step);
    else
        mob_exec_args_registered(step);
}

static void
get_failed(MobStep *step, MobValue *fault)
{
    cancel_fetches(step);
    stop_waiting(step);
    mob_calls_resume(step, (MobAnswer){.fault = fault});
}

/* Moves over what is ready, and stops at the first error in the list. */
static void
get_advance(MobStep *step)
{
    MobExec *exec = exec_of(step);

    while (exec->prefix < exec->ref_count && exec->values[exec->prefix] != NULL) {
        MobValue *value = exec->values[exec->prefix];
        if (value->fault != 0) {
            get_failed(step, mob_value_ref(value));
            return;
        }
        exec->prefix++;
    }
    if (exec->prefix == exec->ref_count && exec->unregistered == 0)
        register_nested(step);
}

static void
set_value(MobStep *step, uint32_t at, MobValue *value)
{
    MobExec *exec = exec_of(step);

    for (uint32_t i = at; i != 0; i = exec->same[i - 1]) {
        if (exec->values[i - 1] != NULL)
            continue;
        exec->values[i - 1] = mob_value_ref(value);
        exec->ready[i - 1] = 1;
        exec->have++;
    }
}

static void
set_ready(MobStep *step, uint32_t at)
{
    MobExec *exec = exec_of(step);

    for (uint32_t i = at; i != 0; i = exec->same[i - 1]) {
        exec->have += !exec->ready[i - 1];
        exec->ready[i - 1] = 1;
    }
}

/* --- wait --- */

static void
finish_wait(MobStep *step)
{
    MobExec *exec = exec_of(step);
    MobAnswer answer = {.ready = g_new(uint32_t, MAX(1, MIN(exec->enough, exec->have)))};

    for (uint32_t i = 0; i < exec->ref_count && answer.ready_count < exec->enough; i++)
        if (exec->ready[i])
            answer.ready[answer.ready_count++] = i;
    stop_waiting(step);
    mob_calls_resume(step, answer);
}

/* --- both --- */

/* Takes note of a row that is available; a value in a store is fetched. */
static void
take_row(MobStep *step, MobRow *row)
{
    MobExec *exec = exec_of(step);

    if (exec->call == MOB_CALL_WAIT)
        set_ready(step, row->waits);
    else if (row->state == MOB_ROW_INLINE)
        set_value(step, row->waits, row->value);
    else
        mob_worker_pull(step, &row->ref, false);
}

static void
advance(MobStep *step)
{
    MobExec *exec = exec_of(step);

    if (exec->call == MOB_CALL_GET)
        get_advance(step);
    else if (exec->have >= exec->enough)
        finish_wait(step);
}

void
mob_waits_row_ready(MobStep *step, MobRow *row)
{
    MobExec *exec = exec_of(step);

    if (!exec->waiting || row->waits == 0)
        return; /* a put or pin marks no rows */
    take_row(step, row);
    if (exec->refs != NULL)
        advance(step);
}

void
mob_waits_on_object(MobStep *step, MobObjectId object, MobValue *value)
{
    MobExec *exec = exec_of(step);
    MobRow *row = mob_row_find(step->worker, object);

    if (exec->call != MOB_CALL_GET || row == NULL || row->waits == 0)
        return;
    set_value(step, row->waits, value);
    get_advance(step);
}

static void
mark_rows(MobStep *step)
{
    MobExec *exec = exec_of(step);

    for (uint32_t i = exec->ref_count; i > 0; i--) { /* backwards: the first position wins */
        MobRow *row = mob_row_received(step, &exec->refs[i - 1]);
        exec->same[i - 1] = row->waits;
        row->waits = i;
    }
}

static void
look_at_rows(MobStep *step)
{
    MobExec *exec = exec_of(step);

    for (uint32_t i = 0; i < exec->ref_count; i++) {
        MobRow *row = mob_row_find(step->worker, exec->refs[i].id);
        if (row->waits != i + 1)
            continue; /* it stands in the list before */
        if (mob_row_is_available(row))
            take_row(step, row);
        else
            mob_object_want(step, row);
    }
}

static void
start_waiting(MobStep *step, const MobCall *call)
{
    MobExec *exec = exec_of(step);

    exec->waiting = true;
    exec->call = call->kind;
    exec->ref_count = call->ref_count;
    exec->refs = g_new(MobRef, call->ref_count);
    for (uint32_t i = 0; i < call->ref_count; i++)
        exec->refs[i] = mob_ref_copy(&call->refs[i]);
    exec->same = g_new0(uint32_t, call->ref_count);
    exec->ready = g_new0(uint8_t, call->ref_count);
    exec->values = call->kind == MOB_CALL_GET ? g_new0(MobValue *, call->ref_count) : NULL;
    exec->enough = MIN(call->count, call->ref_count);
    exec->have = 0;
    exec->prefix = 0;
    exec->unregistered = 0;
    exec->asked_at = step->input->now;
    exec->site = mob_call_site(call);
    exec->deadline = MOB_TIME_NEVER;
}

static bool
are_all_ours(const MobWorker *worker, const MobCall *call)
{
    for (uint32_t i = 0; i < call->ref_count; i++)
        if (!mob_address_eq(call->refs[i].owner, worker->base.address))
            return false;
    return true;
}

/* Whoever waits for one of many after the other mostly finds it there. Of what
 * is ours nobody is asked, so those behind need not even be looked at. */
static bool
is_over_at_once(MobStep *step, const MobCall *call)
{
    uint32_t enough = MIN(call->count, call->ref_count);
    MobAnswer answer = {0};

    if (call->kind != MOB_CALL_WAIT || !are_all_ours(step->worker, call))
        return false;
    answer.ready = g_new(uint32_t, MAX(1, enough));
    for (uint32_t i = 0; i < call->ref_count && answer.ready_count < enough; i++) {
        const MobRow *row = mob_row_find(step->worker, call->refs[i].id);
        if (row != NULL && mob_row_is_available(row))
            answer.ready[answer.ready_count++] = i;
    }
    if (answer.ready_count < enough)
        mob_answer_clear(&answer);
    else
        mob_calls_resume(step, answer);
    return answer.ready != NULL;
}

void
mob_waits_on_call(MobStep *step, const MobCall *call)
{
    MobExec *exec = exec_of(step);

    if (call->ref_count == 0) {
        mob_calls_resume(step, (MobAnswer){0});
        return;
    }
    if (is_over_at_once(step, call))
        return;
    start_waiting(step, call);
    mark_rows(step);
    look_at_rows(step);
    if (exec->refs != NULL)
        advance(step);
    if (exec->refs == NULL)
        return; /* it did not have to wait */
    if (call->timeout == 0) {
        mob_waits_on_deadline(step);
        return;
    }
    if (call->timeout != MOB_TIME_NEVER) {
        exec->deadline = step->input->now + call->timeout;
        mob_set_timer(step->out, MOB_TIMER_DEADLINE, exec->deadline);
    }
    if (mob_wants(step->out, MOB_NOTE_GET_BLOCKED)) {
        const MobRef *missing = first_missing(exec);
        exec->noted = true;
        NOTE(step->out, GET_BLOCKED, .spec = exec->spec, .attempt = exec->attempt,
             .worker = step->worker->base.address, .object = missing->id, .path = missing->path);
    }
    tell_blocked(step, true);
}

void
mob_waits_on_deadline(MobStep *step)
{
    MobExec *exec = exec_of(step);

    if (!exec->waiting || exec->refs == NULL || exec->unregistered > 0)
        return; /* in the last case every value is there, and on its way to the body */
    if (exec->call == MOB_CALL_WAIT) {
        finish_wait(step);
        return;
    }
    const MobRef *missing = first_missing(exec);
    g_autoptr(GString) text = g_string_new("");
    mob_name_object(text, missing->path, missing->id.index);
    MobTime waited = step->input->now - exec->asked_at;
    g_string_append_printf(text, " was not there after %" G_GUINT64_FORMAT ".%03u ms",
                           waited / MOB_MS, (unsigned)(waited % MOB_MS / MOB_US));
    get_failed(step, mob_worker_fault(step, MOB_FAULT_GET_TIMEOUT, NULL, step->worker->base.address,
                                      text->str, NULL));
}

void
mob_waits_again(MobStep *step)
{
    MobExec *exec = exec_of(step);

    if (!step->worker->driver)
        send_blocked(step); /* the last word about it may be lost, even if it was that we go on */
    if (exec->phase != MOB_EXEC_RUNNING || !exec->waiting || exec->call != MOB_CALL_GET)
        return;
    for (uint32_t i = 0; i < exec->ref_count; i++) {
        MobRow *row = mob_row_find(step->worker, exec->refs[i].id);
        if (exec->values[i] == NULL && row->state == MOB_ROW_STORED && row->waits == i + 1)
            mob_worker_pull(step, &row->ref, false);
    }
}
