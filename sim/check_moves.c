/* check_moves.c: copies on their way from node to node.
 *
 * A copy comes whole or not at all, and it comes once: as long as nothing
 * disturbs the cluster, no byte of it is sent to a node twice. Of a copy that
 * came to be, its owner is told; from then on it is no longer lost in secret.
 */
#include "sim/check_parts.h"

static MobKey
moved_key(MobObjectId object, MobNodeId node)
{
    MobKey key = mob_key_object(object);

    return (MobKey){key.a ^ mob_mix(node.v), key.b};
}

Moved *
mob_check_moved(MobCheck *check, MobObjectId object, MobNodeId node, bool add)
{
    MobKey key = moved_key(object, node);

    return add ? mob_check_entry(check->moved, key, sizeof(Moved))
               : mob_table_get(check->moved, key);
}

/* The pieces of one value of the object, which another node may have made anew. */
static Moved *
pieces_of(MobCheck *check, MobObjectId object, MobNodeId node, uint64_t hash)
{
    MobKey key = moved_key(object, node);

    key.a ^= mob_mix(hash);
    return mob_check_entry(check->moved, key, sizeof(Moved));
}

void
mob_check_moved_free(gpointer data)
{
    Moved *moved = data;

    if (moved->got != NULL)
        g_byte_array_unref(moved->got);
    g_free(moved);
}

/* --- pieces --- */

static void
begin(Moved *moved, uint64_t size)
{
    if (moved->got == NULL)
        moved->got = g_byte_array_new();
    g_byte_array_set_size(moved->got, 0);
    moved->size = size;
    moved->received = 0;
}

/* Whether the piece at @index has come before. */
static bool
has_piece(const Moved *moved, uint64_t index)
{
    return index / 8 < moved->got->len && (moved->got->data[index / 8] >> index % 8 & 1) != 0;
}

static void
take_piece(Moved *moved, uint64_t index, uint64_t length)
{
    guint byte = (guint)(index / 8);
    guint before = moved->got->len;

    if (byte >= before) {
        g_byte_array_set_size(moved->got, byte + 1);
        memset(moved->got->data + before, 0, byte + 1 - before);
    }
    moved->received += has_piece(moved, index) ? 0 : length;
    moved->got->data[byte] |= (guint8)(1u << index % 8);
}

/* The node has given back some of what had come: something dearer needed the room. */
static bool
gave_back(const MobCheck *check, const Moved *moved, MobObjectId object, MobAddress asker)
{
    const MobProcess *node = mob_check_process(check, asker);
    MobFetchInfo fetch;

    return node != NULL && mob_node_find_fetch(node, object, &fetch) &&
           fetch.received < moved->received;
}

/* A piece comes twice if it was asked for twice; so it was lost, or late, or given back. */
static void
on_pull(MobCheck *check, const MobEvent *event)
{
    MobObjectId object = mob_pull(event->input->msg)->object.id;
    Moved *moved = mob_check_moved(check, object, (MobNodeId){event->input->from.node}, true);

    if (event->at - moved->last_at >= check->config->pull_retry)
        moved->slow = moved->last_at > 0;
    moved->slow |= gave_back(check, moved, object, event->input->from);
    moved->source = event->process;
    moved->last_at = event->at;
}

static void
comes_again(MobCheck *check, const MobEvent *event, const Moved *moved)
{
    const MobChunk *chunk = mob_chunk(event->input->msg);

    if (check->disturbed || moved->slow || moved->late ||
        !mob_address_eq(moved->source, event->input->from))
        return;
    mob_check_fail(check, "I35", "a copy is sent once",
                   "%s is sent the piece at %" G_GUINT64_FORMAT " of %s twice",
                   mob_check_process_name(check, event->process), chunk->offset,
                   mob_check_object_name(check, chunk->object));
}

/* Who gives a get up and begins anew may be sent what was on its way meanwhile;
 * whoever sends it learns of both a moment later. */
static void
on_chunk_received(MobCheck *check, const MobEvent *event)
{
    const MobChunkReceived *answer = mob_chunk_received(event->input->msg);
    Moved *moved =
        mob_check_moved(check, answer->object, (MobNodeId){event->input->from.node}, false);

    if (moved != NULL && answer->enough && moved->received < moved->size)
        moved->stopped = answer->push;
}

/* Every piece that comes is counted, wanted or not: it may have been asked for
 * by a pull that was stopped meanwhile. */
static void
on_chunk(MobCheck *check, const MobEvent *event)
{
    const MobChunk *chunk = mob_chunk(event->input->msg);
    const MobProcess *node = mob_check_process(check, event->process);
    uint64_t index = chunk->offset / check->config->chunk;
    MobFetchInfo fetch = {0};

    if (node == NULL)
        return;
    MobNodeId here = {event->process.node};
    Moved *moved = mob_check_moved(check, chunk->object, here, true);
    Moved *pieces = pieces_of(check, chunk->object, here, chunk->hash);
    bool wanted = mob_node_find_fetch(node, chunk->object, &fetch) && fetch.active;
    if (pieces->got == NULL || pieces->size != chunk->size)
        begin(pieces, chunk->size);
    moved->late = moved->late || (moved->stopped != 0 && chunk->push == moved->stopped);
    if (moved->copied || (wanted && has_piece(pieces, index) && fetch.received == moved->taken))
        comes_again(check, event, moved);
    if (fetch.received > moved->taken)
        moved->last_at = event->at;
    moved->taken = fetch.received;
    take_piece(pieces, index, chunk->piece.length);
    moved->received = MAX(moved->received, pieces->received);
}

/* --- what owners are told --- */

static bool
is_listed(const MobRefInfo *ref, MobNodeId node)
{
    for (uint32_t i = 0; i < ref->node_count; i++)
        if (ref->nodes[i].v == node.v)
            return true;
    return false;
}

/* What an owner has heard counts if it has taken it in. */
static void
told(MobCheck *check, const MobEvent *event, MobObjectId object, MobNodeId node)
{
    const MobProcess *owner = mob_check_process(check, event->process);
    MobRefInfo ref;

    if (owner == NULL || !mob_worker_find_ref(owner, object, &ref) || !ref.owned ||
        !is_listed(&ref, node))
        return;
    mob_check_moved(check, object, node, true)->told = event->number;
}

static void
untold(MobCheck *check, MobObjectId object, MobNodeId node)
{
    Moved *moved = mob_check_moved(check, object, node, false);

    if (moved != NULL)
        moved->told = 0;
}

static void
on_object_moved(MobCheck *check, const MobEvent *event)
{
    const MobMoves *moves = &mob_object_moved(event->input->msg)->moves;
    MobNodeId node = {event->input->from.node};

    for (uint32_t i = 0; i < moves->count; i++)
        if (moves->items[i].here)
            told(check, event, moves->items[i].object, node);
        else
            untold(check, moves->items[i].object, node);
}

static void
on_reply(MobCheck *check, const MobEvent *event)
{
    const MobTaskReply *reply = mob_task_reply(event->input->msg);

    for (uint32_t i = 0; i < reply->results.count; i++)
        if (reply->results.items[i].value == NULL)
            told(check, event, mob_object_return(reply->task, i + 1), reply->results.items[i].node);
}

void
mob_check_moves_message(MobCheck *check, const MobEvent *event)
{
    const MobMsg *msg = event->input->msg;

    switch ((int)msg->type) {
    case MOB_MSG_PULL:
        on_pull(check, event);
        break;
    case MOB_MSG_CHUNK:
        on_chunk(check, event);
        break;
    case MOB_MSG_CHUNK_RECEIVED:
        on_chunk_received(check, event);
        break;
    case MOB_MSG_OBJECT_MOVED:
        on_object_moved(check, event);
        break;
    case MOB_MSG_TASK_REPLY:
        on_reply(check, event);
        break;
    case MOB_MSG_OBJECT_PINNED:
        if (!mob_object_pinned(msg)->ok)
            untold(check, mob_object_pinned(msg)->object, (MobNodeId){event->input->from.node});
        break;
    default:
        break;
    }
}

/* --- what nodes note --- */

static void
on_copied(MobCheck *check, const MobEvent *event, const MobNote *note)
{
    Moved *moved = mob_check_moved(check, note->object, note->node, true);
    uint64_t hash =
        event->input->kind == MOB_INPUT_MESSAGE && event->input->msg->type == MOB_MSG_CHUNK
            ? mob_chunk(event->input->msg)->hash
            : 0;
    Moved *pieces = pieces_of(check, note->object, note->node, hash);

    if (moved->copied)
        mob_check_fail(check, "I35", "a copy is sent once", "%s came to %s, which has it",
                       mob_check_object_name(check, note->object),
                       mob_check_process_name(check, event->process));
    if (pieces->received != note->bytes)
        mob_check_fail(check, "I35", "byte conservation",
                       "%s has a copy of %s, of whose %" G_GUINT64_FORMAT
                       " bytes %" G_GUINT64_FORMAT " have come",
                       mob_check_process_name(check, event->process),
                       mob_check_object_name(check, note->object), note->bytes, pieces->received);
    begin(pieces, 0);
    moved->received = moved->taken = 0;
    moved->copied = true;
}

/* It has made room: it was neither the primary copy nor in use. */
static void
on_evicted(MobCheck *check, const MobEvent *event, const MobNote *note, const Moved *moved)
{
    MobAddress reader = mob_check_reader(check, note->node, note->object);

    if (moved != NULL && moved->primary)
        mob_check_fail(check, "I33", "capacity and pins",
                       "%s evicts its copy of %s, which is the primary one",
                       mob_check_process_name(check, event->process),
                       mob_check_object_name(check, note->object));
    if (mob_address_is(reader))
        mob_check_fail(check, "I27", "arguments stay", "%s evicts %s, with which %s works",
                       mob_check_process_name(check, event->process),
                       mob_check_object_name(check, note->object),
                       mob_check_process_name(check, reader));
}

void
mob_check_move_note(MobCheck *check, const MobEvent *event, const MobNote *note)
{
    if (!mob_address_eq(event->process, mob_node_address(note->node.v)))
        return; /* what owners believe */
    if (note->kind == MOB_NOTE_OBJECT_COPIED) {
        on_copied(check, event, note);
        return;
    }
    Moved *moved = mob_check_moved(check, note->object, note->node, false);
    if (note->kind == MOB_NOTE_OBJECT_EVICTED)
        on_evicted(check, event, note, moved);
    if (moved != NULL)
        moved->copied = moved->primary = moved->slow = moved->late = false;
}
