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
 */
#include "runtime/worker_parts.h"

uint64_t
mob_borrow_token(MobWorker *worker, uint32_t count)
{
    uint64_t first = worker->next_token + 1;

    worker->next_token += count;
    return first;
}

static GArray *
token_array(GArray **where)
{
    if (*where == NULL)
        *where = g_array_new(FALSE, FALSE, sizeof(MobToken));
    return *where;
}

static int
find_token(const GArray *tokens, MobAddress registrar, uint64_t token)
{
    for (guint i = 0; tokens != NULL && i < tokens->len; i++) {
        const MobToken *it = &g_array_index(tokens, MobToken, i);
        if (it->token == token && mob_address_eq(it->registrar, registrar))
            return (int)i;
    }
    return -1;
}

static MobKey
registration_key(MobAddress registrar, uint64_t token)
{
    return (MobKey){mob_address_word(registrar), token};
}

static void look_at_unverified(MobStep *step);

/* --- the owner's side --- */

void
mob_borrow_add(MobStep *step, MobRow *row, MobAddress borrower, MobAddress registrar,
               uint64_t token)
{
    if (mob_worker_is_dead(step->worker, borrower) ||
        mob_recent_has(step->worker->removed, registration_key(registrar, token)))
        return; /* in the second case it was removed already, and this comes late */
    GArray *tokens = token_array(&mob_row_more(row)->borrowers);
    if (find_token(tokens, registrar, token) >= 0)
        return;
    g_array_append_vals(
        tokens, &(MobToken){.borrower = borrower, .registrar = registrar, .token = token}, 1);
    NOTE(step->out, REF_BORROWED, .object = row->ref.id, .path = row->ref.path,
         .owner = row->ref.owner, .to = borrower);
}

static void
remove_at(MobStep *step, MobRow *row, guint at)
{
    GArray *tokens = row->more->borrowers;
    MobToken gone = g_array_index(tokens, MobToken, at);

    g_array_remove_index(tokens, at);
    step->worker->doubts -= gone.doubtful;
    NOTE(step->out, REF_DROPPED, .object = row->ref.id, .owner = row->ref.owner,
         .to = gone.borrower, .reason = "borrowed");
}

void
mob_borrow_remove(MobStep *step, MobRow *row, MobAddress registrar, uint64_t token)
{
    int at = row->more != NULL ? find_token(row->more->borrowers, registrar, token) : -1;

    if (at >= 0)
        remove_at(step, row, (guint)at);
}

static void
on_add_borrower(MobStep *step)
{
    const MobAddBorrower *add = mob_add_borrower(step->input->msg);

    for (uint32_t i = 0; i < add->refs.count; i++) {
        MobRow *row = mob_row_find(step->worker, add->refs.items[i].id);
        if (row == NULL || !row->owned)
            continue;
        if (mob_address_eq(add->borrower, step->worker->base.address))
            mob_pin_row(step, row);
        else
            mob_borrow_add(step, row, add->borrower, add->registrar, add->token + i);
    }
    MobBorrowerAdded *reply = mob_borrower_added_new();
    reply->token = add->token;
    mob_send(step->out, step->input->from, reply);
}

static void
on_remove_borrower(MobStep *step)
{
    const MobRemoveBorrower *gone = mob_remove_borrower(step->input->msg);
    MobRow *row = mob_row_find(step->worker, gone->object);
    int at = row != NULL && row->more != NULL
                 ? find_token(row->more->borrowers, gone->registrar, gone->token)
                 : -1;
    MobBorrowerRemoved *reply = mob_borrower_removed_new();
    reply->token = gone->token;
    reply->registrar = gone->registrar;
    mob_send(step->out, step->input->from, reply);
    mob_recent_add(step->worker->removed, registration_key(gone->registrar, gone->token), NULL);
    if (at < 0)
        return;
    remove_at(step, row, (guint)at);
    mob_row_settle(step, row);
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
doubt(MobStep *step, const MobRow *row, MobToken *token)
{
    step->worker->doubts += !token->doubtful;
    token->doubtful = true;
    verify(step, row, token);
}

static void
on_borrower_verified(MobStep *step)
{
    const MobBorrowerVerified *answer = mob_borrower_verified(step->input->msg);
    MobRow *row = mob_row_find(step->worker, answer->object);
    GArray *tokens = row != NULL && row->more != NULL ? row->more->borrowers : NULL;
    int at = find_token(tokens, answer->registrar, answer->token);

    if (at < 0 || !g_array_index(tokens, MobToken, at).doubtful)
        return;
    g_array_index(tokens, MobToken, at).doubtful = false;
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
        GArray *tokens = row->more != NULL ? row->more->borrowers : NULL;
        for (guint i = 0; tokens != NULL && i < tokens->len; i++) {
            const MobToken *token = &g_array_index(tokens, MobToken, i);
            if (token->doubtful && mob_address_eq(token->borrower, peer))
                verify(step, row, token);
        }
    }
}

void
mob_borrow_on_dead(MobStep *step, MobAddress worker, MobNodeId node)
{
    size_t at = 0;
    MobRow *row;

    while ((row = mob_table_next(step->worker->rows, &at))) {
        GArray *tokens = row->more != NULL ? row->more->borrowers : NULL;
        guint before = tokens != NULL ? tokens->len : 0;
        for (guint i = before; i > 0; i--) {
            MobToken *token = &g_array_index(tokens, MobToken, i - 1);
            if (is_one_of(token->borrower, worker, node))
                remove_at(step, row, i - 1);
            else if (is_one_of(token->registrar, worker, node))
                doubt(step, row, token);
        }
        if (tokens != NULL && tokens->len < before)
            mob_row_settle(step, row);
    }
    look_at_unverified(step);
}

/* --- the borrower's side --- */

void
mob_borrow_remember(MobRow *row, MobAddress self, MobAddress registrar, uint64_t token)
{
    GArray *tokens = token_array(&mob_row_more(row)->tokens);

    if (find_token(tokens, registrar, token) < 0)
        g_array_append_vals(
            tokens, &(MobToken){.borrower = self, .registrar = registrar, .token = token}, 1);
}

static void
send_removal(MobStep *step, const MobRegistration *removal)
{
    MobRemoveBorrower *gone = mob_remove_borrower_new();

    gone->object = removal->refs.items[0].id;
    gone->registrar = removal->registrar;
    gone->token = removal->token;
    mob_send(step->out, removal->owner, gone);
}

static void
end_token(MobStep *step, const MobRef *ref, const MobToken *token)
{
    MobKey key = registration_key(token->registrar, token->token);

    MobRegistration *pending = mob_table_get(step->worker->registrations, key);
    if (pending != NULL)
        pending->over = true; /* not answered yet: it is taken back when it is */
    if (pending != NULL || mob_worker_is_dead(step->worker, ref->owner))
        return;
    MobRegistration *removal = g_new0(MobRegistration, 1);
    removal->removal = true;
    removal->token = token->token;
    removal->registrar = token->registrar;
    removal->owner = ref->owner;
    removal->refs = (MobRefs){g_new(MobRef, 1), 1};
    removal->refs.items[0] = mob_ref_copy(ref);
    mob_table_add(step->worker->registrations, key, removal);
    send_removal(step, removal);
}

void
mob_borrow_end(MobStep *step, MobRow *row)
{
    GArray *tokens = row->more != NULL ? row->more->tokens : NULL;

    for (guint i = 0; tokens != NULL && i < tokens->len; i++)
        end_token(step, &row->ref, &g_array_index(tokens, MobToken, i));
    if (tokens != NULL)
        g_array_set_size(tokens, 0);
}

/* The registrar of @token is dead and does not speak any more: what we do not
 * know by now we will never know. */
static void
answer_verify(MobStep *step, const MobToken *token)
{
    const MobRow *row = mob_row_find(step->worker, token->object);
    MobRef ref = {token->object, token->borrower, NULL};

    if (find_token(row != NULL && row->more != NULL ? row->more->tokens : NULL, token->registrar,
                   token->token) < 0) {
        end_token(step, &ref, token);
        return;
    }
    MobBorrowerVerified *answer = mob_borrower_verified_new();
    answer->object = token->object;
    answer->registrar = token->registrar;
    answer->token = token->token;
    mob_send(step->out, token->borrower, answer);
}

static void
look_at_unverified(MobStep *step)
{
    GArray *unverified = step->worker->unverified;

    for (guint i = unverified->len; i > 0; i--) {
        MobToken token = g_array_index(unverified, MobToken, i - 1);
        if (!mob_worker_is_dead(step->worker, token.registrar))
            continue;
        g_array_remove_index(unverified, i - 1);
        answer_verify(step, &token);
    }
}

static void
on_verify(MobStep *step)
{
    const MobVerifyBorrower *ask = mob_verify_borrower(step->input->msg);
    MobToken token = {.borrower = step->input->from,
                      .registrar = ask->registrar,
                      .token = ask->token,
                      .object = ask->object};

    g_array_append_val(step->worker->unverified, token);
    look_at_unverified(step);
}

static void
send_registration(MobStep *step, const MobRegistration *registration)
{
    MobAddBorrower *add = mob_add_borrower_new();
    uint32_t count = registration->refs.count;

    add->refs = (MobRefs){g_new(MobRef, count), count};
    for (uint32_t i = 0; i < count; i++)
        add->refs.items[i] = mob_ref_copy(&registration->refs.items[i]);
    add->borrower = registration->borrower;
    add->registrar = step->worker->base.address;
    add->token = registration->token;
    mob_send(step->out, registration->owner, add);
}

void
mob_borrow_register(MobStep *step, const MobRef *refs, uint32_t count, MobAddress borrower,
                    uint64_t token, bool for_reply)
{
    MobRegistration *registration = g_new0(MobRegistration, 1);

    registration->token = token;
    registration->owner = refs[0].owner;
    registration->refs = (MobRefs){g_new(MobRef, count), count};
    for (uint32_t i = 0; i < count; i++)
        registration->refs.items[i] = mob_ref_copy(&refs[i]);
    registration->borrower = borrower;
    registration->registrar = step->worker->base.address;
    registration->for_reply = for_reply;
    mob_table_add(step->worker->registrations, registration_key(registration->registrar, token),
                  registration);
    send_registration(step, registration);
}

void
mob_registration_free(MobRegistration *registration)
{
    for (uint32_t i = 0; i < registration->refs.count; i++)
        mob_ref_clear(&registration->refs.items[i]);
    g_free(registration->refs.items);
    g_free(registration);
}

/* The owner has it, or is dead: either way nobody waits for it any more. */
static void
settle_registration(MobStep *step, MobRegistration *registration)
{
    bool for_reply = registration->for_reply;
    bool removal = registration->removal;

    mob_table_take(step->worker->registrations,
                   registration_key(registration->registrar, registration->token));
    if (registration->over && !removal)
        end_token(step, &registration->refs.items[0],
                  &(MobToken){.registrar = registration->registrar, .token = registration->token});
    mob_registration_free(registration);
    if (removal)
        return;
    if (for_reply)
        mob_exec_registered(step);
    else
        mob_waits_registered(step);
}

static void
on_answer(MobStep *step, MobAddress registrar, uint64_t token, bool removal)
{
    MobRegistration *registration =
        mob_table_get(step->worker->registrations, registration_key(registrar, token));

    if (registration != NULL && registration->removal == removal &&
        mob_address_eq(registration->owner, step->input->from))
        settle_registration(step, registration);
}

static void
on_borrower_added(MobStep *step)
{
    on_answer(step, step->worker->base.address, mob_borrower_added(step->input->msg)->token, false);
}

static void
on_borrower_removed(MobStep *step)
{
    const MobBorrowerRemoved *answer = mob_borrower_removed(step->input->msg);

    on_answer(step, answer->registrar, answer->token, true);
}

void
mob_borrow_on_message(MobStep *step)
{
    switch (step->input->msg->type) {
    case MOB_MSG_ADD_BORROWER:
        on_add_borrower(step);
        break;
    case MOB_MSG_BORROWER_ADDED:
        on_borrower_added(step);
        break;
    case MOB_MSG_BORROWER_REMOVED:
        on_borrower_removed(step);
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
        else if (registration->removal)
            send_removal(step, registration);
        else
            send_registration(step, registration);
    }
    for (guint i = 0; i < settled->len; i++)
        settle_registration(step, g_ptr_array_index(settled, i));
}
