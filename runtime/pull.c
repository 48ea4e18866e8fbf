/* pull.c: see pull.h. */
#include "runtime/pull.h"

#include <string.h>

static void
free_fetch(void *data)
{
    MobFetch *fetch = data;

    mob_fetch_drop_pieces(fetch);
    mob_ref_clear(&fetch->ref);
    g_array_unref(fetch->waiters);
    g_ptr_array_unref(fetch->leases);
    g_array_unref(fetch->sources);
    g_free(fetch);
}

void
mob_fetches_init(MobFetches *fetches, MobRoom room)
{
    *fetches = (MobFetches){.rows = mob_table_new(), .room = room};
}

void
mob_fetches_clear(MobFetches *fetches)
{
    mob_table_free_full(fetches->rows, free_fetch);
}

MobFetch *
mob_fetches_get(const MobFetches *fetches, MobObjectId object)
{
    return mob_table_get(fetches->rows, mob_key_object(object));
}

MobFetch *
mob_fetches_add(MobFetches *fetches, const MobRef *ref)
{
    MobFetch *fetch = g_new0(MobFetch, 1);

    fetch->ref = mob_ref_copy(ref);
    fetch->order = ++fetches->orders;
    fetch->room = fetches->room;
    fetch->waiters = g_array_new(false, false, sizeof(MobWaiter));
    fetch->leases = g_ptr_array_new();
    fetch->sources = g_array_new(false, false, sizeof(MobSource));
    fetch->lost_at = MOB_TIME_NEVER;
    mob_table_add(fetches->rows, mob_key_object(ref->id), fetch);
    return fetch;
}

void
mob_fetches_set_stage(MobFetches *fetches, MobFetch *fetch, MobFetchStage stage)
{
    fetches->active += (stage == MOB_FETCH_ACTIVE) - (fetch->stage == MOB_FETCH_ACTIVE);
    fetches->queued += (stage == MOB_FETCH_QUEUED) - (fetch->stage == MOB_FETCH_QUEUED);
    fetch->stage = stage;
}

void
mob_fetches_remove(MobFetches *fetches, MobFetch *fetch)
{
    mob_fetches_set_stage(fetches, fetch, MOB_FETCH_LOOKING);
    mob_table_take(fetches->rows, mob_key_object(fetch->ref.id));
    free_fetch(fetch);
}

MobFetch *
mob_fetches_next_queued(const MobFetches *fetches)
{
    MobFetch *best = NULL;
    MobFetch *fetch;
    size_t at = 0;

    if (fetches->queued == 0)
        return NULL;
    while ((fetch = mob_table_next(fetches->rows, &at)) != NULL)
        if (fetch->stage == MOB_FETCH_QUEUED &&
            (best == NULL || mob_fetch_wish(fetch) < mob_fetch_wish(best)))
            best = fetch; /* the walk is from the oldest */
    return best;
}

MobWish
mob_fetch_wish(const MobFetch *fetch)
{
    MobWish wish = fetch->waiters->len > 0 ? MOB_WISH_WAIT : MOB_WISH_NONE;

    for (uint32_t i = 0; i < fetch->waiters->len; i++)
        if (!g_array_index(fetch->waiters, MobWaiter, i).wait)
            return MOB_WISH_GET;
    for (uint32_t i = 0; wish == MOB_WISH_NONE && i < fetch->leases->len; i++)
        if (((const MobLease *)g_ptr_array_index(fetch->leases, i))->admitted)
            wish = MOB_WISH_ARGS;
    return wish;
}

bool
mob_fetch_is_wanted(const MobFetch *fetch)
{
    return fetch->waiters->len > 0 || fetch->leases->len > 0;
}

void
mob_fetch_add_waiter(MobFetch *fetch, MobAddress worker, bool wait)
{
    MobWaiter waiter = {worker, wait};

    for (uint32_t i = 0; i < fetch->waiters->len; i++) {
        MobWaiter *known = &g_array_index(fetch->waiters, MobWaiter, i);
        if (mob_address_eq(known->worker, worker)) {
            known->wait = wait;
            return;
        }
    }
    g_array_append_val(fetch->waiters, waiter);
}

bool
mob_fetch_remove_waiter(MobFetch *fetch, MobAddress worker)
{
    for (uint32_t i = 0; i < fetch->waiters->len; i++) {
        if (mob_address_eq(g_array_index(fetch->waiters, MobWaiter, i).worker, worker)) {
            g_array_remove_index(fetch->waiters, i);
            return true;
        }
    }
    return false;
}

void
mob_fetch_add_lease(MobFetch *fetch, MobLease *lease)
{
    for (uint32_t i = 0; i < fetch->leases->len; i++)
        if (g_ptr_array_index(fetch->leases, i) == lease)
            return;
    g_ptr_array_add(fetch->leases, lease);
}

void
mob_fetch_remove_lease(MobFetch *fetch, const MobLease *lease)
{
    for (uint32_t i = 0; i < fetch->leases->len; i++) {
        if (g_ptr_array_index(fetch->leases, i) == lease) {
            g_ptr_array_remove_index(fetch->leases, i);
            return;
        }
    }
}

static MobSource *
find_source(const MobFetch *fetch, MobNodeId node)
{
    for (uint32_t i = 0; i < fetch->sources->len; i++) {
        MobSource *source = &g_array_index(fetch->sources, MobSource, i);
        if (source->node.v == node.v)
            return source;
    }
    return NULL;
}

/* News from the owner are a reason to ask again whoever did not have it, but
 * not the one that has just failed, if it is the news of another. */
bool
mob_fetch_set_sources(MobFetch *fetch, const MobLocations *locations, MobNodeId except)
{
    g_autoptr(GArray) sources = g_array_new(false, false, sizeof(MobSource));
    bool named = false;

    for (uint32_t i = 0; i < locations->nodes.count; i++) {
        MobNodeId node = locations->nodes.items[i];
        const MobSource *known = find_source(fetch, node);
        MobSource source = {node, known != NULL && known->tried};
        if (node.v != except.v)
            g_array_append_val(sources, source);
        else
            named = true;
    }
    g_array_unref(fetch->sources);
    fetch->sources = g_steal_pointer(&sources);
    return named;
}

void
mob_fetch_drop_source(MobFetch *fetch, MobNodeId node)
{
    for (uint32_t i = 0; i < fetch->sources->len; i++) {
        if (g_array_index(fetch->sources, MobSource, i).node.v == node.v) {
            g_array_remove_index(fetch->sources, i);
            return;
        }
    }
}

void
mob_fetch_set_tried(MobFetch *fetch, MobNodeId node)
{
    MobSource *source = find_source(fetch, node);

    if (source != NULL)
        source->tried = true;
}

void
mob_fetch_forget_tried(MobFetch *fetch)
{
    for (uint32_t i = 0; i < fetch->sources->len; i++)
        g_array_index(fetch->sources, MobSource, i).tried = false;
}

bool
mob_fetch_pick_source(const MobFetch *fetch, MobPicks *picks, MobNodeId *source)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < fetch->sources->len; i++)
        count += !g_array_index(fetch->sources, MobSource, i).tried;
    if (count == 0)
        return false;

    uint64_t key = mob_str_hash(fetch->ref.path) ^ fetch->ref.id.index;
    uint64_t picked = count == 1 ? 0 : mob_pick(picks, MOB_PICK_SOURCE, key, count, 0);
    for (uint32_t i = 0; i < fetch->sources->len; i++) {
        const MobSource *candidate = &g_array_index(fetch->sources, MobSource, i);
        if (!candidate->tried && picked-- == 0) {
            *source = candidate->node;
            return true;
        }
    }
    g_assert_not_reached();
}

void
mob_fetch_begin(MobFetch *fetch, uint64_t size, uint64_t hash, uint64_t chunk)
{
    mob_fetch_drop_pieces(fetch);
    fetch->size = size;
    fetch->hash = hash;
    fetch->chunk = chunk;
    fetch->got = g_malloc0(size / chunk / 8 + 1);
}

void
mob_fetch_drop_pieces(MobFetch *fetch)
{
    g_clear_pointer(&fetch->value, mob_value_unref);
    if (fetch->bytes != NULL)
        fetch->hold.release(fetch->hold.data);
    fetch->bytes = NULL;
    g_clear_pointer(&fetch->got, g_free);
    fetch->received = 0;
}

static uint8_t *
take_room(MobFetch *fetch)
{
    if (fetch->room.take != NULL)
        return fetch->room.take(fetch->room.data, fetch->size, &fetch->hold);
    uint8_t *bytes = g_try_malloc(fetch->size);
    fetch->hold = (MobHold){g_free, bytes};
    return bytes;
}

/* Keeps the bytes of the piece; false if they are not there. */
static bool
keep_bytes(MobFetch *fetch, const MobChunk *chunk)
{
    size_t length = 0;

    if (chunk->piece.value != NULL) {
        if (fetch->value == NULL)
            fetch->value = mob_value_ref(chunk->piece.value);
        return true;
    }
    const void *data =
        chunk->piece.bytes != NULL ? g_bytes_get_data(chunk->piece.bytes, &length) : NULL;
    if (data == NULL || length != chunk->piece.length)
        return false;
    if (fetch->bytes == NULL)
        fetch->bytes = take_room(fetch);
    if (fetch->bytes == NULL)
        return false;
    memcpy(fetch->bytes + chunk->offset, data, length);
    return true;
}

MobPiece
mob_fetch_take_piece(MobFetch *fetch, const MobChunk *chunk)
{
    uint64_t number = chunk->offset / fetch->chunk;
    uint8_t bit = (uint8_t)(1u << number % 8);

    if (chunk->size != fetch->size || chunk->hash != fetch->hash || chunk->offset >= fetch->size ||
        chunk->offset % fetch->chunk != 0 || chunk->piece.offset != chunk->offset ||
        chunk->piece.length != MIN(fetch->chunk, fetch->size - chunk->offset))
        return MOB_PIECE_BAD;
    if ((fetch->got[number / 8] & bit) != 0)
        return MOB_PIECE_KNOWN;
    if (!keep_bytes(fetch, chunk))
        return MOB_PIECE_BAD;
    fetch->got[number / 8] |= bit;
    fetch->received += chunk->piece.length;
    return MOB_PIECE_NEW;
}

MobValue *
mob_fetch_finish(MobFetch *fetch)
{
    g_autoptr(MobValue) value = g_steal_pointer(&fetch->value);

    g_assert(fetch->received == fetch->size);
    if (value == NULL && fetch->bytes != NULL) {
        value = mob_value_parse_in_place(fetch->bytes, fetch->size, 0, fetch->hold, NULL);
        if (value != NULL)
            fetch->bytes = NULL; /* they are the value's */
    }
    if (value == NULL || value->size != fetch->size || value->hash != fetch->hash)
        return NULL;
    return g_steal_pointer(&value);
}
