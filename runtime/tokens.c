/* tokens.c: the registrations of a row: of those who borrow what we own, or of
 * ourselves with the owner of what we borrow.
 *
 * Most rows have one at most, and most who borrow have counted it themselves:
 * that one stands in the row, with a number for the address of its registrar. The
 * others stand in a list. None is in both, and none twice.
 */
#include "runtime/worker_parts.h"

/* --- addresses by number --- */

static uint32_t
number_of(MobWorker *worker, MobAddress registrar)
{
    if (mob_address_eq(registrar, worker->base.address))
        return 0;
    GArray *known = worker->registrars;
    uint32_t last = worker->registrar_last;
    if (last != 0 && mob_address_eq(g_array_index(known, MobAddress, last - 1), registrar))
        return last;
    MobKey key = mob_key_address(registrar);
    size_t number = GPOINTER_TO_SIZE(mob_table_get(worker->registrar_numbers, key));
    if (number == 0) {
        g_array_append_val(known, registrar);
        number = known->len;
        mob_table_add(worker->registrar_numbers, key, GSIZE_TO_POINTER(number));
    }
    worker->registrar_last = (uint32_t)number;
    return (uint32_t)number;
}

static MobAddress
registrar_of(const MobWorker *worker, const MobRow *row)
{
    return row->registrar == 0 ? worker->base.address
                               : g_array_index(worker->registrars, MobAddress, row->registrar - 1);
}

/* --- the registrations of a row --- */

static uint32_t
in_row(const MobRow *row)
{
    return row->token != 0;
}

static GArray *
listed(const MobRow *row)
{
    return row->more != NULL ? row->more->tokens : NULL;
}

uint32_t
mob_tokens_count(const MobRow *row)
{
    const GArray *list = listed(row);

    return in_row(row) + (list != NULL ? list->len : 0);
}

MobToken
mob_tokens_at(const MobWorker *worker, const MobRow *row, uint32_t at)
{
    if (at >= in_row(row))
        return g_array_index(listed(row), MobToken, at - in_row(row));
    MobAddress registrar = registrar_of(worker, row);
    return (MobToken){.borrower = row->owned ? registrar : worker->base.address,
                      .registrar = registrar,
                      .token = row->token};
}

int
mob_tokens_find(const MobWorker *worker, const MobRow *row, MobAddress registrar, uint64_t token)
{
    const GArray *list = listed(row);

    if (row->token == token && token != 0 && mob_address_eq(registrar_of(worker, row), registrar))
        return 0;
    for (guint i = 0; list != NULL && i < list->len; i++) {
        const MobToken *it = &g_array_index(list, MobToken, i);
        if (it->token == token && mob_address_eq(it->registrar, registrar))
            return (int)(i + in_row(row));
    }
    return -1;
}

void
mob_tokens_add(MobWorker *worker, MobRow *row, MobToken token)
{
    MobAddress counts = row->owned ? token.borrower : worker->base.address;

    if (row->token == 0 && token.token != 0 && !token.doubtful &&
        (!row->owned || mob_address_eq(counts, token.registrar))) {
        row->token = token.token;
        row->registrar = number_of(worker, token.registrar);
        return;
    }
    MobRowMore *more = mob_row_more(row);
    if (more->tokens == NULL)
        more->tokens = g_array_new(FALSE, FALSE, sizeof(MobToken));
    g_array_append_val(more->tokens, token);
}

void
mob_tokens_remove(MobRow *row, uint32_t at)
{
    if (at >= in_row(row))
        g_array_remove_index(listed(row), at - in_row(row));
    else
        row->token = 0;
}

void
mob_tokens_doubt(MobRow *row, uint32_t at, bool doubtful)
{
    g_assert(at >= in_row(row)); /* whoever counted for itself is not in doubt when it dies */
    g_array_index(listed(row), MobToken, at - in_row(row)).doubtful = doubtful;
}
