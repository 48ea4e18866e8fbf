/* pin.c: references that a program writes down (m.pin) and reads again (m.ref;
 * Ray: a reference that is serialised out of band is pinned for ever).
 *
 * Nobody knows who has read a text, or will. So an object whose reference was
 * written down stays as long as its job, and is pinned where somebody lives so
 * long: with the driver. A driver pins whatever it holds. A task asks the driver
 * that owns the object, and goes on when that has answered; it cannot pin what a
 * worker owns, since workers come and go.
 *
 * To pin is to register the owner as a borrower of its own object, which is
 * never removed. A reference that is made from a text needs no registration: the
 * pin protects it.
 */
#include "runtime/cbor.h"
#include "runtime/ref_text.h"
#include "runtime/worker_parts.h"

static bool
is_driver(MobAddress process)
{
    return process.local >= MOB_LOCAL_WORKER && process.local < MOB_LOCAL_POOL;
}

void
mob_pin_row(MobStep *step, MobRow *row, MobCallSite site)
{
    MobKey key = mob_key_object(row->ref.id);

    if (mob_table_get(step->worker->pins, key) != NULL)
        return;
    mob_table_add(step->worker->pins, key, row);
    row->contained++;
    NOTE(step->out, REF_ADDED, .object = row->ref.id, .path = row->ref.path,
         .owner = row->ref.owner, .to = step->worker->base.address, .reason = "pinned",
         .text = site.file, .line = site.line);
}

/* What belonged to the dead is an error and need not stay. */
void
mob_pins_forget_dead(MobStep *step)
{
    MobWorker *worker = step->worker;
    g_autoptr(GPtrArray) gone = g_ptr_array_new();
    size_t at = 0;
    MobRow *row;

    while ((row = mob_table_next(worker->pins, &at)))
        if (mob_worker_is_dead(worker, row->ref.owner))
            g_ptr_array_add(gone, row);
    for (guint i = 0; i < gone->len; i++) {
        row = g_ptr_array_index(gone, i);
        mob_table_take(worker->pins, mob_key_object(row->ref.id));
        row->contained--;
        NOTE(step->out, REF_DROPPED, .object = row->ref.id, .owner = row->ref.owner,
             .to = worker->base.address, .reason = "pinned");
        mob_row_settle(step, row);
    }
}

/* --- what the body asks for --- */

static void
answer_text(MobStep *step, const MobRow *row)
{
    g_autoptr(GString) text = g_string_new(NULL);
    MobAnswer answer = {.values = g_new(MobValue *, 1), .value_count = 1};
    MobCborWriter writer;

    mob_ref_write(&row->ref, text);
    mob_cbor_init(&writer);
    mob_cbor_string(&writer, text->str, text->len);
    answer.values[0] = mob_cbor_finish(&writer, 0);
    mob_cbor_clear(&writer);
    mob_calls_resume(step, answer);
}

static void
refuse(MobStep *step, const MobRef *ref)
{
    g_autoptr(GString) text = g_string_new("only main can pin ");

    mob_name_object(text, ref->path, ref->id.index);
    g_string_append(text,
                    ", because a worker owns it and may end at any time; return the reference");
    mob_calls_resume(
        step, (MobAnswer){.fault = mob_worker_fault(step, MOB_FAULT_TASK, NULL,
                                                    step->worker->base.address, text->str, NULL)});
}

void
mob_pin_on_call(MobStep *step, const MobCall *call)
{
    MobWorker *worker = step->worker;
    MobExec *exec = &worker->exec;
    MobRow *row = mob_row_received(step, &call->refs[0]);

    if (row->local == 0) { /* a program in C may name what it has dropped */
        mob_calls_resume(step, (MobAnswer){.fault = mob_object_freed_fault(step, row)});
        mob_row_settle(step, row);
    } else if (mob_worker_is_dead(worker, row->ref.owner)) {
        mob_calls_resume(step, (MobAnswer){.fault = mob_worker_lost(step, MOB_LOST_OWNER_DEAD,
                                                                    &row->ref, NULL)});
    } else if (worker->driver) {
        mob_pin_row(step, row, mob_call_site(call));
        answer_text(step, row);
    } else if (!is_driver(row->ref.owner)) {
        refuse(step, &row->ref);
    } else {
        exec->waiting = true;
        exec->call = MOB_CALL_PIN;
        exec->putting = row->ref.id;
        mob_borrow_register(step, &row->ref, row->ref.owner, mob_borrow_token(worker, 1), false);
    }
}

/* The owner has pinned it, or is dead. */
void
mob_pin_registered(MobStep *step)
{
    MobExec *exec = &step->worker->exec;
    const MobRow *row = mob_row_find(step->worker, exec->putting);

    exec->waiting = false;
    if (mob_worker_is_dead(step->worker, row->ref.owner))
        mob_calls_resume(step, (MobAnswer){.fault = mob_worker_lost(step, MOB_LOST_OWNER_DEAD,
                                                                    &row->ref, NULL)});
    else
        answer_text(step, row);
}

void
mob_pin_on_adopt(MobStep *step, const MobCall *call)
{
    MobRow *row = mob_row_received(step, &call->refs[0]);
    MobAnswer answer = {.refs = g_new(MobRef, 1), .ref_count = 1};

    mob_row_hold(step, row, mob_call_site(call));
    answer.refs[0] = mob_ref_copy(&row->ref);
    mob_calls_resume(step, answer);
}
