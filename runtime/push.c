/* push.c: see push.h. */
#include "runtime/push.h"

struct MobPush {
    MobCopy *copy;         /* borrowed */
    const MobFetch *fetch; /* borrowed: it collects the copy; NULL: it is sealed */
    bool reads;            /* it is being read in memory, so it stays there */
    MobNodeId to;
    uint64_t number;
    uint64_t next;         /* where the next piece begins */
    uint64_t acknowledged; /* bytes */
    uint64_t in_flight;    /* pieces that are read or sent */
};

static MobKey
key_of(MobObjectId object, MobNodeId to)
{
    MobKey key = mob_key_object(object);

    key.a ^= mob_mix(to.v);
    return key;
}

void
mob_pushes_init(MobPushes *pushes, MobSpills *spills)
{
    *pushes = (MobPushes){.rows = mob_table_new(), .spills = spills};
}

void
mob_pushes_clear(MobPushes *pushes)
{
    mob_table_free_full(pushes->rows, g_free);
}

/* How many pieces of one push may be under way: all together share what a
 * single one may have, but each has one. */
static uint64_t
window(const MobPushes *pushes, const MobConfig *config)
{
    return MAX(1, config->chunks_in_flight / MAX(1, mob_table_count(pushes->rows)));
}

/* Takes @piece. */
static void
send_piece(const MobPush *push, MobSlice piece, MobOutbox *out)
{
    const MobCopy *copy = push->copy;
    MobChunk *chunk = mob_chunk_new();

    chunk->object = copy->ref.id;
    chunk->size = copy->size;
    chunk->hash = copy->hash;
    chunk->offset = piece.offset;
    chunk->push = push->number;
    chunk->piece = piece;
    mob_send(out, mob_node_address(push->to.v), chunk);
}

static void
read_piece(const MobPushes *pushes, const MobPush *push, uint64_t length, MobOutbox *out)
{
    MobDiskJob job = {.verb = MOB_DISK_READ,
                      .object = push->copy->ref.id,
                      .push = push->number,
                      .to = push->to,
                      .offset = push->next};

    mob_spills_read(pushes->spills, push->copy, &job, length, out);
}

static MobSlice
piece_of(const MobPush *push, uint64_t length)
{
    if (push->fetch != NULL)
        return mob_fetch_piece(push->fetch, push->next, length);
    return (MobSlice){mob_value_ref(push->copy->value), NULL, push->next, length};
}

static void
send_pieces(const MobPushes *pushes, MobPush *push, const MobConfig *config, MobOutbox *out)
{
    const MobCopy *copy = push->copy;
    uint64_t ready = push->fetch != NULL ? push->fetch->ready : copy->size;

    while (push->next < ready && push->in_flight < window(pushes, config)) {
        uint64_t length = MIN(config->chunk, copy->size - push->next);
        if (push->fetch != NULL || copy->value != NULL)
            send_piece(push, piece_of(push, length), out);
        else
            read_piece(pushes, push, length, out);
        push->next += length;
        push->in_flight++;
    }
}

static void
end_push(MobPushes *pushes, MobStore *store, MobPush *push)
{
    mob_table_take(pushes->rows, key_of(push->copy->ref.id, push->to));
    if (push->reads)
        mob_store_end_read(store, push->copy);
    g_free(push);
}

void
mob_pushes_start(MobPushes *pushes, MobStore *store, const MobConfig *config, const MobPushed *what,
                 MobNodeId to, MobOutbox *out)
{
    MobCopy *copy = what->copy;
    MobKey key = key_of(copy->ref.id, to);

    if (mob_table_get(pushes->rows, key) != NULL)
        return;
    MobPush *push = g_new0(MobPush, 1);
    push->copy = copy;
    push->fetch = what->fetch;
    push->next = push->acknowledged = what->offset;
    push->to = to;
    push->number = ++pushes->numbers;
    mob_table_add(pushes->rows, key, push);
    push->reads = what->fetch != NULL || copy->value != NULL;
    mob_store_touch(store, copy);
    if (push->reads)
        mob_store_read(store, copy);
    send_pieces(pushes, push, config, out);
}

void
mob_pushes_go_on(MobPushes *pushes, const MobConfig *config, const MobCopy *copy, MobOutbox *out)
{
    MobPush *push;
    size_t at = 0;

    if (copy->reads == 0)
        return;
    while ((push = mob_table_next(pushes->rows, &at)) != NULL) {
        if (push->copy != copy)
            continue;
        push->fetch = copy->value == NULL ? push->fetch : NULL;
        send_pieces(pushes, push, config, out);
    }
}

/* A push has ended: the others may have more under way. */
static void
send_more(const MobPushes *pushes, const MobConfig *config, MobOutbox *out)
{
    MobPush *push;
    size_t at = 0;

    while ((push = mob_table_next(pushes->rows, &at)) != NULL)
        send_pieces(pushes, push, config, out);
}

void
mob_pushes_on_received(MobPushes *pushes, MobStore *store, const MobConfig *config, MobNodeId from,
                       const MobChunkReceived *received, MobOutbox *out)
{
    MobPush *push = mob_table_get(pushes->rows, key_of(received->object, from));

    if (push == NULL || push->number != received->push)
        return; /* of an earlier push */
    if (!received->enough && (push->in_flight == 0 || received->offset >= push->copy->size))
        return;
    push->in_flight -= !received->enough;
    push->acknowledged += MIN(config->chunk, push->copy->size - received->offset);
    if (received->enough || push->acknowledged >= push->copy->size) {
        end_push(pushes, store, push);
        send_more(pushes, config, out);
    } else {
        send_pieces(pushes, push, config, out);
    }
}

void
mob_pushes_on_read(MobPushes *pushes, const MobCopy *copy, const MobDiskJob *job,
                   const MobSlice *piece, MobOutbox *out)
{
    const MobPush *push = mob_table_get(pushes->rows, key_of(copy->ref.id, job->to));

    if (push == NULL || push->number != job->push)
        return; /* it has ended */
    MobSlice sent = *piece;
    sent.value = mob_value_ref(piece->value);
    sent.bytes = piece->bytes != NULL ? g_bytes_ref(piece->bytes) : NULL;
    send_piece(push, sent, out);
}

void
mob_pushes_drop_node(MobPushes *pushes, MobStore *store, MobNodeId node)
{
    MobPush *push;
    size_t at = 0;

    while ((push = mob_table_next(pushes->rows, &at)) != NULL)
        if (push->to.v == node.v)
            end_push(pushes, store, push);
}

void
mob_pushes_drop_object(MobPushes *pushes, MobStore *store, MobObjectId object, MobOutbox *out)
{
    MobPush *push;
    size_t at = 0;

    while ((push = mob_table_next(pushes->rows, &at)) != NULL) {
        if (!mob_object_eq(push->copy->ref.id, object))
            continue;
        MobPullFailed *failed = mob_pull_failed_new();
        failed->object = object;
        mob_send(out, mob_node_address(push->to.v), failed);
        end_push(pushes, store, push);
    }
}
