/* borrow.c: references that cross processes.
 *
 * A reference nested in a value or returned by a task makes its holder a
 * borrower, and a borrower is registered with the owner before whoever
 * protected the reference lets go of it:
 *
 *  - a task's caller protects what is in its arguments until the reply, so the
 *    reply waits until everything that the worker keeps is registered;
 *  - a value protects what is nested in it, so get hands the value to a body
 *    only when the nested references are registered;
 *  - who returns a reference registers the caller in its stead.
 *
 * Who registered somebody else may die before that one hears of it. So the owner
 * then asks whether the borrower knows; one that does not, and knows of the
 * death, so that it never will, gives the registration up.
 *
 * A registration is named by who counted it and a number (a token), so both
 * adding and removing it may be repeated, and two registrations of the same
 * holder never cancel each other. Ray reports borrowers up the tree of calls
 * instead and asks them with WaitForRefRemoved.
 *
 * What one step says to one owner goes as one message: a value may hold ten
 * thousand references, and a task may end that had as many.
 */
#include "runtime/worker_parts.h"

enum {
    BORROWS_MAX = 16384 /* of one message */
};

uint64_t
mob_borrow_token(MobWorker *worker, uint32_t count)
{
    uint64_t first = worker->next_token + 1;

    worker->next_token += count;
    return first;
}

static void look_at_unverified(MobStep *step);

/* --- the owner's side --- */

void
mob_borrow_add(MobStep *step, MobRow *row, MobAddress borrower, MobAddress registrar,
               uint64_t token)
{
    if (mob_worker_is_dead(step->worker, borrower) ||
        mob_spans_has(step->worker->removed, mob_address_word(registrar), token))
        return; /* in the second case it was removed already, and this comes late */
    if (mob_tokens_find(step->worker, row, registrar, token) >= 0)
        return;
    mob_tokens_add(step->worker, row,
                   (MobToken){.borrower = borrower, .registrar = registrar, .token = token});
    NOTE(step->out, REF_BORROWED, .object = row->ref.id, .path = row->ref.path,
         .owner = row->ref.owner, .to = borrower);
}

static void
remove_at(MobStep *step, MobRow *row, uint32_t at)
{
    MobToken gone = mob_tokens_at(step->worker, row, at);

    mob_tokens_remove(row, at);
    step->worker->doubts -= gone.doubtful;
    NOTE(step->out, REF_DROPPED, .object = row->ref.id, .owner = row->ref.owner,
         .to = gone.borrower, .reason = "borrowed");
}

void
mob_borrow_remove(MobStep *step, MobRow *row, MobAddress registrar, uint64_t token)
{
    int at = mob_tokens_find(step->worker, row, registrar, token);

    if (at >= 0)
        remove_at(step, row, (uint32_t)at);
}

static void
on_add_borrower(MobStep *step)
{
    const MobAddBorrower *add = mob_add_borrower(step->input->msg);

    for (uint32_t i = 0; i < add->borrows.count; i++) {
        const MobBorrow *borrow = &add->borrows.items[i];
        MobRow *row = mob_row_find(step->worker, borrow->object);
        if (row == NULL || !row->owned)
            continue;
        if (mob_address_eq(add->borrower, step->worker->base.address))
            mob_pin_row(step, row, (MobCallSite){0});
        else
            mob_borrow_add(step, row, add->borrower, borrow->registrar, borrow->token);
    }
    MobBorrowerAdded *reply = mob_borrower_added_new();
    reply->batch = add->batch;
    mob_send(step->out, step->input->from, reply);
}

static void
end_borrow(MobStep *step, const MobBorrow *borrow)
{
    MobRow *row = mob_row_find(step->worker, borrow->object);
    int at = row != NULL && row->owned
                 ? mob_tokens_find(step->worker, row, borrow->registrar, borrow->token)
                 : -1;

    mob_spans_add(step->worker->removed, mob_address_word(borrow->registrar), borrow->token);
    if (at < 0)
        return;
    remove_at(step, row, (uint32_t)at);
    mob_row_settle(step, row);
}

static void
on_remove_borrower(MobStep *step)
{
    const MobRemoveBorrower *gone = mob_remove_borrower(step->input->msg);
    MobBorrowerRemoved *reply = mob_borrower_removed_new();

    reply->batch = gone->batch;
    mob_send(step->out, step->input->from, reply);
    for (uint32_t i = 0; i < gone->borrows.count; i++)
        end_borrow(step, &gone->borrows.items[i]);
}

static bool
is_one_of(MobAddress process, MobAddress worker, MobNodeId node)
{
    return node.v != 0 ? process.node == node.v : mob_address_eq(process, worker);
}

static void
verify(MobStep *step, const MobRow *row, const MobToken *token)
{
    MobVerifyBorrower *ask = mob_verify_borrower_new();

    ask->object = row->ref.id;
    ask->registrar = token->registrar;
    ask->token = token->token;
    mob_send(step->out, token->borrower, ask);
}

static void
doubt(MobStep *step, MobRow *row, uint32_t at)
{
    MobToken token = mob_tokens_at(step->worker, row, at);

    step->worker->doubts += !token.doubtful;
    mob_tokens_doubt(row, at, true);
    verify(step, row, &token);
}

static void
on_borrower_verified(MobStep *step)
{
    const MobBorrowerVerified *answer = mob_borrower_verified(step->input->msg);
    MobRow *row = mob_row_find(step->worker, answer->object);
    int at = row != NULL && row->owned
                 ? mob_tokens_find(step->worker, row, answer->registrar, answer->token)
                 : -1;

    if (at < 0 || !mob_tokens_at(step->worker, row, (uint32_t)at).doubtful)
        return;
    mob_tokens_doubt(row, (uint32_t)at, false);
    step->worker->doubts--;
}

static void
verify_again(MobStep *step, MobAddress peer)
{
    size_t at = 0;
    MobRow *row;

    if (step->worker->doubts == 0)
        return;
    while ((row = mob_table_next(step->worker->rows, &at))) {
        uint32_t count = row->owned ? mob_tokens_count(row) : 0;
        for (uint32_t i = 0; i < count; i++) {
            MobToken token = mob_tokens_at(step->worker, row, i);
            if (token.doubtful && mob_address_eq(token.borrower, peer))
                verify(step, row, &token);
        }
    }
}

void
mob_borrow_on_dead(MobStep *step, MobAddress worker, MobNodeId node)
{
    size_t at = 0;
    MobRow *row;

    while ((row = mob_table_next(step->worker->rows, &at))) {
        uint32_t before = row->owned ? mob_tokens_count(row) : 0;
        for (uint32_t i = before; i > 0; i--) {
            MobToken token = mob_tokens_at(step->worker, row, i - 1);
            if (is_one_of(token.borrower, worker, node))
                remove_at(step, row, i - 1);
            else if (is_one_of(token.registrar, worker, node))
                doubt(step, row, i - 1);
        }
        if (before > 0 && mob_tokens_count(row) < before)
            mob_row_settle(step, row);
    }
    look_at_unverified(step);
}

/* --- the borrower's side --- */

void
mob_borrow_remember(MobWorker *worker, MobRow *row, MobAddress registrar, uint64_t token)
{
    if (mob_tokens_find(worker, row, registrar, token) < 0)
        mob_tokens_add(
            worker, row,
            (MobToken){.borrower = worker->base.address, .registrar = registrar, .token = token});
}

/* --- what is said to owners: one message each in a step --- */

static MobBorrows *
borrows_of(const MobRegistration *registration)
{
    return registration->removal ? &((MobRemoveBorrower *)registration->msg)->borrows
                                 : &((MobAddBorrower *)registration->msg)->borrows;
}

static MobMsg *
new_message(MobStep *step, const MobRegistration *registration)
{
    uint64_t batch = ++step->worker->next_batch;

    if (registration->removal) {
        MobRemoveBorrower *gone = mob_remove_borrower_new();
        gone->batch = batch;
        return &gone->base;
    }
    MobAddBorrower *add = mob_add_borrower_new();
    add->batch = batch;
    add->borrower = registration->borrower;
    return &add->base;
}

/* The registration of this step that takes one more borrow of the kind of
 * @like; *is_new if it had to be begun. */
static MobRegistration *
open_registration(MobStep *step, const MobRegistration *like, bool *is_new)
{
    GPtrArray *open = step->worker->open;

    *is_new = false;
    for (guint i = open->len; i > 0; i--) {
        MobRegistration *it = g_ptr_array_index(open, i - 1);
        if (mob_address_eq(it->owner, like->owner) &&
            mob_address_eq(it->borrower, like->borrower) && it->removal == like->removal &&
            it->for_reply == like->for_reply && borrows_of(it)->count < BORROWS_MAX)
            return it;
    }
    MobRegistration *it = g_new(MobRegistration, 1);
    *it = *like;
    it->msg = new_message(step, it);
    g_ptr_array_add(open, it);
    *is_new = true;
    return it;
}

/* True if there is one answer more to be waited for. */
static bool
enlist(MobStep *step, const MobRegistration *like, const MobBorrow *borrow)
{
    bool is_new;
    MobRegistration *registration = open_registration(step, like, &is_new);
    MobBorrows *borrows = borrows_of(registration);

    if (borrows->count == registration->room) {
        registration->room = MAX(1, registration->room * 4);
        borrows->items = g_renew(MobBorrow, borrows->items, registration->room);
    }
    borrows->items[borrows->count++] = *borrow;
    return is_new;
}

static uint64_t
batch_of(const MobRegistration *registration)
{
    return registration->removal ? mob_remove_borrower(registration->msg)->batch
                                 : mob_add_borrower(registration->msg)->batch;
}

void
mob_borrow_flush(MobStep *step)
{
    GPtrArray *open = step->worker->open;

    for (guint i = 0; i < open->len; i++) {
        MobRegistration *registration = g_ptr_array_index(open, i);
        mob_table_add(step->worker->registrations, mob_key_word(batch_of(registration)),
                      registration);
        mob_send(step->out, registration->owner, mob_msg_ref(registration->msg));
    }
    g_ptr_array_set_size(open, 0);
}

bool
mob_borrow_register(MobStep *step, const MobRef *ref, MobAddress borrower, uint64_t token,
                    bool for_reply)
{
    MobRegistration like = {.owner = ref->owner, .borrower = borrower, .for_reply = for_reply};
    MobBorrow borrow = {.object = ref->id, .registrar = step->worker->base.address, .token = token};

    return enlist(step, &like, &borrow);
}

static void
end_token(MobStep *step, const MobRef *ref, const MobToken *token)
{
    MobRegistration like = {.owner = ref->owner, .removal = true};
    MobBorrow borrow = {.object = ref->id, .registrar = token->registrar, .token = token->token};

    if (!mob_worker_is_dead(step->worker, ref->owner))
        enlist(step, &like, &borrow);
}

void
mob_borrow_end(MobStep *step, MobRow *row)
{
    uint32_t count = mob_tokens_count(row);

    for (uint32_t i = 0; i < count; i++) {
        MobToken token = mob_tokens_at(step->worker, row, i);
        end_token(step, &row->ref, &token);
    }
    for (uint32_t i = count; i > 0; i--)
        mob_tokens_remove(row, i - 1);
}

/* The registrar is dead and does not speak any more: what we do not know by now
 * we will never know. */
static void
answer_verify(MobStep *step, const MobUnverified *asked)
{
    const MobToken *token = &asked->token;
    const MobRow *row = mob_row_find(step->worker, asked->object);
    MobRef ref = {asked->object, token->borrower, NULL};

    if (row == NULL || row->owned ||
        mob_tokens_find(step->worker, row, token->registrar, token->token) < 0) {
        end_token(step, &ref, token);
        return;
    }
    MobBorrowerVerified *answer = mob_borrower_verified_new();
    answer->object = asked->object;
    answer->registrar = token->registrar;
    answer->token = token->token;
    mob_send(step->out, token->borrower, answer);
}

static void
look_at_unverified(MobStep *step)
{
    GArray *unverified = step->worker->unverified;

    for (guint i = unverified->len; i > 0; i--) {
        MobUnverified asked = g_array_index(unverified, MobUnverified, i - 1);
        if (!mob_worker_is_dead(step->worker, asked.token.registrar))
            continue;
        g_array_remove_index(unverified, i - 1);
        answer_verify(step, &asked);
    }
}

static void
on_verify(MobStep *step)
{
    const MobVerifyBorrower *ask = mob_verify_borrower(step->input->msg);
    MobUnverified asked = {
        .token = {.borrower = step->input->from, .registrar = ask->registrar, .token = ask->token},
        .object = ask->object};

    g_array_append_val(step->worker->unverified, asked);
    look_at_unverified(step);
}

void
mob_registration_free(MobRegistration *registration)
{
    mob_msg_unref(registration->msg);
    g_free(registration);
}

/* The owner has it, or is dead: either way nobody waits for it any more. */
static void
settle_registration(MobStep *step, MobRegistration *registration)
{
    bool for_reply = registration->for_reply;
    bool removal = registration->removal;

    mob_table_take(step->worker->registrations, mob_key_word(batch_of(registration)));
    mob_registration_free(registration);
    if (removal)
        return;
    if (for_reply)
        mob_exec_registered(step);
    else
        mob_waits_registered(step);
}

static void
on_answer(MobStep *step, uint64_t batch, bool removal)
{
    MobRegistration *registration = mob_table_get(step->worker->registrations, mob_key_word(batch));

    if (registration != NULL && registration->removal == removal &&
        mob_address_eq(registration->owner, step->input->from))
        settle_registration(step, registration);
}

void
mob_borrow_on_message(MobStep *step)
{
    switch (step->input->msg->type) {
    case MOB_MSG_ADD_BORROWER:
        on_add_borrower(step);
        break;
    case MOB_MSG_BORROWER_ADDED:
        on_answer(step, mob_borrower_added(step->input->msg)->batch, false);
        break;
    case MOB_MSG_BORROWER_REMOVED:
        on_answer(step, mob_borrower_removed(step->input->msg)->batch, true);
        break;
    case MOB_MSG_VERIFY_BORROWER:
        on_verify(step);
        break;
    case MOB_MSG_BORROWER_VERIFIED:
        on_borrower_verified(step);
        break;
    default:
        on_remove_borrower(step);
        break;
    }
}

void
mob_borrow_again(MobStep *step, MobAddress peer)
{
    bool dead = mob_worker_is_dead(step->worker, peer);
    size_t at = 0;

    verify_again(step, peer);
    MobRegistration *registration;
    g_autoptr(GPtrArray) settled = g_ptr_array_new();

    while ((registration = mob_table_next(step->worker->registrations, &at))) {
        if (!mob_address_eq(registration->owner, peer))
            continue;
        if (dead)
            g_ptr_array_add(settled, registration);
        else
            mob_send(step->out, peer, mob_msg_ref(registration->msg));
    }
    for (guint i = 0; i < settled->len; i++)
        settle_registration(step, g_ptr_array_index(settled, i));
}
