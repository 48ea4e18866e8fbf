/* pull.c: see pull.h. */
#include "runtime/pull.h"

#include <string.h>

/* Where the bytes of a value are collected. It stays until the last piece that
 * was handed on is sent: whoever collected it may have given it up by then, or
 * made a value of it. */
struct MobSpace {
    GBytes *bytes;
    MobHold hold;    /* who is told when they are not needed any more … */
    MobValue *value; /* … unless this value tells it, owned */
};

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
    fetch->turn = MOB_WISH_NONE;
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
    fetches->queued_bytes -= fetch->stage == MOB_FETCH_QUEUED ? fetch->size : 0;
    fetches->queued_bytes += stage == MOB_FETCH_QUEUED ? fetch->size : 0;
    fetch->stage = stage;
}

void
mob_fetches_set_size(MobFetches *fetches, MobFetch *fetch, uint64_t size, uint64_t hash)
{
    if (fetch->stage == MOB_FETCH_QUEUED)
        fetches->queued_bytes += size - fetch->size;
    fetch->size = size;
    fetch->hash = hash;
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
            (best == NULL || fetch->turn < best->turn ||
             (fetch->turn == best->turn && fetch->order < best->order)))
            best = fetch;
    return best;
}

void
mob_fetches_take_turn(MobFetches *fetches, MobFetch *fetch)
{
    MobWish wish = mob_fetch_wish(fetch);

    if (wish < fetch->turn)
        fetch->order = ++fetches->orders;
    fetch->turn = wish;
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
mob_fetch_is_located(const MobFetch *fetch)
{
    return fetch->disk || fetch->sources->len > 0 || fetch->named.node.v != 0;
}

bool
mob_fetch_holds_room(const MobFetch *fetch)
{
    return fetch->got != NULL || (fetch->disk && fetch->stage == MOB_FETCH_ACTIVE);
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

bool
mob_fetch_has_source(const MobFetch *fetch, MobNodeId node)
{
    return find_source(fetch, node) != NULL;
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
    const MobSource *known = find_source(fetch, locations->source);
    bool again = fetch->named.node.v == locations->source.v && fetch->named.tried;
    fetch->named = (MobSource){locations->source, known != NULL ? known->tried : again};
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
    fetch->named.tried |= fetch->named.node.v == node.v;
}

void
mob_fetch_forget_tried(MobFetch *fetch)
{
    for (uint32_t i = 0; i < fetch->sources->len; i++)
        g_array_index(fetch->sources, MobSource, i).tried = false;
    fetch->named.tried = false;
}

static uint32_t
count_untried(const MobFetch *fetch)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < fetch->sources->len; i++)
        count += !g_array_index(fetch->sources, MobSource, i).tried;
    return count;
}

bool
mob_fetch_has_untried(const MobFetch *fetch)
{
    return count_untried(fetch) > 0;
}

bool
mob_fetch_pick_source(const MobFetch *fetch, MobPicks *picks, MobNodeId *source)
{
    uint32_t count = count_untried(fetch);

    if (fetch->named.node.v != 0 && !fetch->named.tried) {
        *source = fetch->named.node;
        return true;
    }
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

static void
free_space(void *data)
{
    MobSpace *space = data;

    if (space->value != NULL)
        mob_value_unref(space->value);
    else
        space->hold.release(space->hold.data);
    g_free(space);
}

static void
leave_space(MobSpace *space)
{
    g_bytes_unref(space->bytes);
}

void
mob_fetch_drop_pieces(MobFetch *fetch)
{
    g_clear_pointer(&fetch->value, mob_value_unref);
    g_clear_pointer(&fetch->space, leave_space);
    g_clear_pointer(&fetch->got, g_free);
    fetch->received = fetch->ready = 0;
}

static MobSpace *
take_space(const MobFetch *fetch)
{
    MobHold hold = {0};
    uint8_t *bytes;

    if (fetch->room.take != NULL) {
        bytes = fetch->room.take(fetch->room.data, fetch->size, &hold);
    } else {
        bytes = g_try_malloc(fetch->size);
        hold = (MobHold){g_free, bytes};
    }
    if (bytes == NULL)
        return NULL;
    MobSpace *space = g_new0(MobSpace, 1);
    space->hold = hold;
    space->bytes = g_bytes_new_with_free_func(bytes, fetch->size, free_space, space);
    return space;
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
    if (fetch->space == NULL)
        fetch->space = take_space(fetch);
    if (fetch->space == NULL)
        return false;
    /* What is written here is not ready, so nobody else looks at it. */
    memcpy((uint8_t *)g_bytes_get_data(fetch->space->bytes, NULL) + chunk->offset, data, length);
    return true;
}

static bool
has_piece(const MobFetch *fetch, uint64_t number)
{
    return (fetch->got[number / 8] >> number % 8 & 1) != 0;
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
    if (has_piece(fetch, number))
        return MOB_PIECE_KNOWN;
    if (!keep_bytes(fetch, chunk))
        return MOB_PIECE_BAD;
    fetch->got[number / 8] |= bit;
    fetch->received += chunk->piece.length;
    while (fetch->ready < fetch->size && has_piece(fetch, fetch->ready / fetch->chunk))
        fetch->ready = MIN(fetch->ready + fetch->chunk, fetch->size);
    return MOB_PIECE_NEW;
}

MobSlice
mob_fetch_piece(const MobFetch *fetch, uint64_t offset, uint64_t length)
{
    MobSlice piece = {.offset = offset, .length = length};

    g_assert(offset + length <= fetch->ready);
    if (fetch->space != NULL)
        piece.bytes = g_bytes_new_from_bytes(fetch->space->bytes, offset, length);
    else
        piece.value = mob_value_ref(fetch->value);
    return piece;
}

MobValue *
mob_fetch_finish(MobFetch *fetch)
{
    g_autoptr(MobValue) value = g_steal_pointer(&fetch->value);

    g_assert(fetch->received == fetch->size);
    MobSpace *space = fetch->space;

    if (value == NULL && space != NULL) {
        const uint8_t *bytes = g_bytes_get_data(space->bytes, NULL);
        value = mob_value_parse_in_place(bytes, fetch->size, 0, space->hold, NULL);
        space->value = mob_value_ref(value);
        g_clear_pointer(&fetch->space, leave_space);
    }
    if (value == NULL || value->size != fetch->size || value->hash != fetch->hash)
        return NULL;
    return g_steal_pointer(&value);
}
