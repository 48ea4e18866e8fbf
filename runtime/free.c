/* free.c: values that a program gives up by hand (m.free; Ray: internal free).
 *
 * Every copy goes although references live, and whoever gets the object from
 * then on gets an ObjectFreedError. The references stay, and so do those that
 * are nested in the value, because a task may have taken it a moment ago.
 * If a task that has to run again takes the object as an argument, the object
 * is made again, if something can make it; then it has a value for everybody.
 *
 * Only an owner frees. A borrower asks it to, and has nothing itself from then
 * on. A request is named by who asks and a number, so that one which is repeated
 * does not free what was made again meanwhile.
 */
#include "runtime/worker_parts.h"

struct MobFreeing {
    uint64_t token;
    MobAddress owner;
    MobObjects objects; /* owned */
};

void
mob_freeing_free(MobFreeing *freeing)
{
    g_free(freeing->objects.items);
    g_free(freeing);
}

static MobValue *
freed_fault(MobStep *step, const MobRow *row)
{
    return mob_worker_lost(step, MOB_LOST_FREED, &row->ref, row->task);
}

/* An error stays what it is, and what no store has yet is on its way there. */
static bool
has_nothing_to_free(const MobRow *row)
{
    return row->state == MOB_ROW_FREED || row->unsealed ||
           (row->value != NULL && row->value->fault != 0);
}

static void
free_owned(MobStep *step, MobRow *row)
{
    if (has_nothing_to_free(row))
        return;
    NOTE(step->out, OBJECT_FREED, .object = row->ref.id, .path = row->ref.path,
         .owner = row->ref.owner, .reason = "by hand");
    mob_row_free_copies(step, row);
    row->pinning = false;
    if (row->more != NULL)
        row->more->lost = 0;
    mob_object_set_inline(step, row, freed_fault(step, row));
}

bool
mob_free_take_back(MobStep *step, MobRow *row)
{
    if (!row->owned || row->state != MOB_ROW_INLINE ||
        row->value->fault != MOB_FAULT_OBJECT_FREED || row->task == NULL ||
        row->task->place != MOB_TASK_DONE)
        return false;
    step->worker->inline_bytes -= row->value->size;
    g_clear_pointer(&row->value, mob_value_unref);
    row->state = MOB_ROW_LOST;
    mob_row_more(row)->lost = step->input->event;
    row->more->hash = 0; /* no copy of before counts */
    return true;
}

/* --- asking the owner --- */

static void
ask(MobStep *step, const MobFreeing *freeing)
{
    MobFreeValues *request = mob_free_values_new();

    request->objects.count = freeing->objects.count;
    request->objects.items =
        g_memdup2(freeing->objects.items, freeing->objects.count * sizeof(MobObjectId));
    request->token = freeing->token;
    mob_send(step->out, freeing->owner, request);
}

/* Asks the owner of refs[@first] to free all of the list that are its own. */
static void
free_borrowed(MobStep *step, const MobRef *refs, uint32_t first, uint32_t count)
{
    MobAddress owner = refs[first].owner;
    MobFreeing *freeing = g_new0(MobFreeing, 1);

    freeing->token = mob_borrow_token(step->worker, 1);
    freeing->owner = owner;
    freeing->objects.items = g_new(MobObjectId, count - first);
    for (uint32_t i = first; i < count; i++) {
        if (!mob_address_eq(refs[i].owner, owner))
            continue;
        MobRow *row = mob_row_received(step, &refs[i]);
        if (!has_nothing_to_free(row))
            mob_object_set_inline(step, row, freed_fault(step, row));
        freeing->objects.items[freeing->objects.count++] = refs[i].id;
    }
    mob_table_add(step->worker->freeing, mob_key_word(freeing->token), freeing);
    ask(step, freeing);
}

static bool
is_first_of_owner(const MobRef *refs, uint32_t at)
{
    for (uint32_t i = 0; i < at; i++)
        if (mob_address_eq(refs[i].owner, refs[at].owner))
            return false;
    return true;
}

void
mob_free_on_call(MobStep *step, const MobCall *call)
{
    MobWorker *worker = step->worker;

    for (uint32_t i = 0; i < call->ref_count; i++) {
        const MobRef *ref = &call->refs[i];
        if (mob_address_eq(ref->owner, worker->base.address))
            free_owned(step, mob_row_received(step, ref));
        else if (!mob_worker_is_dead(worker, ref->owner) && is_first_of_owner(call->refs, i))
            free_borrowed(step, call->refs, i, call->ref_count);
    }
    for (uint32_t i = 0; i < call->ref_count;
         i++) { /* a program in C may name what it has dropped */
        MobRow *row = mob_row_find(worker, call->refs[i].id);
        if (row != NULL)
            mob_row_settle(step, row);
    }
    mob_calls_resume(step, (MobAnswer){0});
}

/* --- messages --- */

static void
on_free_values(MobStep *step)
{
    const MobFreeValues *request = mob_free_values(step->input->msg);
    uint64_t sender = mob_address_word(step->input->from);
    bool again = mob_spans_has(step->worker->removed, sender, request->token);
    MobValuesFreed *answer = mob_values_freed_new();

    answer->token = request->token;
    mob_send(step->out, step->input->from, answer);
    mob_spans_add(step->worker->removed, sender, request->token);
    for (uint32_t i = 0; !again && i < request->objects.count; i++) {
        MobRow *row = mob_row_find(step->worker, request->objects.items[i]);
        if (row != NULL && row->owned)
            free_owned(step, row);
    }
}

static void
on_values_freed(MobStep *step)
{
    MobKey key = mob_key_word(mob_values_freed(step->input->msg)->token);
    const MobFreeing *freeing = mob_table_get(step->worker->freeing, key);

    if (freeing != NULL && mob_address_eq(freeing->owner, step->input->from))
        mob_freeing_free(mob_table_take(step->worker->freeing, key));
}

void
mob_free_on_message(MobStep *step)
{
    if (step->input->msg->type == MOB_MSG_FREE_VALUES)
        on_free_values(step);
    else
        on_values_freed(step);
}

void
mob_free_again(MobStep *step, MobAddress peer)
{
    size_t at = 0;
    const MobFreeing *freeing;

    while ((freeing = mob_table_next(step->worker->freeing, &at)))
        if (mob_address_eq(freeing->owner, peer))
            ask(step, freeing);
}

void
mob_free_forget_dead(MobStep *step)
{
    g_autoptr(GArray) gone = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    size_t at = 0;
    const MobFreeing *freeing;

    while ((freeing = mob_table_next(step->worker->freeing, &at)))
        if (mob_worker_is_dead(step->worker, freeing->owner))
            g_array_append_vals(gone, &freeing->token, 1);
    for (guint i = 0; i < gone->len; i++)
        mob_freeing_free(
            mob_table_take(step->worker->freeing, mob_key_word(g_array_index(gone, uint64_t, i))));
}
