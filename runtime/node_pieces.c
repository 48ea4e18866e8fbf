/* node_pieces.c: objects that travel: what is sent to other nodes, and what
 * comes from them piece by piece. Whom to ask, and when, is node_fetch.c's.
 *
 * A node that still collects an object hands on what has come to it, to those
 * of a higher rank than its own (spread.h), so nodes never wait for each other
 * in a circle; and it collects the value that it was asked for, or it refuses.
 * Everybody compares the hash in the end, so a wrong value is sealed nowhere.
 */
#include "runtime/node_parts.h"

/* --- sending --- */

/* Whether @fetch, which collects what @pull asks for, hands it on. */
static bool
may_hand_on(const MobFetch *fetch, const MobPull *pull)
{
    return fetch != NULL && fetch->stage == MOB_FETCH_ACTIVE && fetch->got != NULL &&
           fetch->rank != 0 && fetch->rank < pull->rank && fetch->hash == pull->hash;
}

/* It is to go, and nobody may want it. What a fault takes away while somebody has
 * it pinned is here as long as that lasts, and others may wait for it who hold
 * what that one waits for. */
static bool
is_unwanted(const MobCopy *copy)
{
    return copy->doomed && copy->why != MOB_DROP_FAULT;
}

/* Whether what @pull asks for is here or comes, and what is to be sent of it. */
static bool
find_pushed(const MobNode *node, const MobPull *pull, MobPushed *what)
{
    const MobFetch *fetch = mob_fetches_get(&node->fetches, pull->object.id);
    MobCopy *copy = mob_store_get(&node->store, pull->object.id);
    bool sealed = copy != NULL && mob_copy_is_kept(copy);

    if (copy == NULL || is_unwanted(copy) || !(sealed || may_hand_on(fetch, pull)))
        return false;
    *what = (MobPushed){.copy = copy, .fetch = sealed ? NULL : fetch};
    if (copy->hash == pull->hash && pull->offset < copy->size &&
        pull->offset % node->config->chunk == 0)
        what->offset = pull->offset;
    return true;
}

void
mob_node_on_pull(MobNode *node, const MobInput *in, MobOutbox *out)
{
    const MobPull *pull = mob_pull(in->msg);
    MobPushed what;

    if (in->from.local != MOB_LOCAL_NODE)
        return;
    if (find_pushed(node, pull, &what)) {
        mob_pushes_start(&node->pushes, &node->store, node->config, &what,
                         (MobNodeId){in->from.node}, out);
        return;
    }
    MobPullFailed *failed = mob_pull_failed_new();
    failed->object = pull->object.id;
    mob_send(out, in->from, failed);
    if (pull->rank == 0 && mob_store_kept(&node->store, pull->object.id) == NULL)
        mob_node_deny(node, &pull->object);
}

void
mob_node_on_chunk_received(MobNode *node, const MobInput *in, MobOutbox *out)
{
    if (in->from.local != MOB_LOCAL_NODE)
        return;
    node->progress_at = in->now;
    mob_pushes_on_received(&node->pushes, &node->store, node->config, (MobNodeId){in->from.node},
                           mob_chunk_received(in->msg), out);
}

/* --- receiving --- */

void
mob_node_send_received(MobNodeId to, MobObjectId object, uint64_t push, uint64_t offset,
                       bool enough, MobOutbox *out)
{
    MobChunkReceived *received = mob_chunk_received_new();

    received->object = object;
    received->push = push;
    received->offset = offset;
    received->enough = enough;
    mob_send(out, mob_node_address(to.v), received);
}

/* All pieces are there. */
static void
seal(MobNode *node, MobFetch *fetch, const MobInput *in, MobOutbox *out)
{
    g_autoptr(MobValue) value = mob_fetch_finish(fetch);
    MobCopy *copy = mob_store_get(&node->store, fetch->ref.id);

    if (value == NULL) { /* not what was announced */
        mob_node_drop_unfinished(node, fetch, out);
        mob_node_try_another(node, fetch, in, out);
        return;
    }
    mob_store_seal(&node->store, copy, value, false);
    mob_pushes_go_on(&node->pushes, node->config, copy, out);
    mob_note(out, (MobNote){.kind = MOB_NOTE_OBJECT_COPIED,
                            .object = fetch->ref.id,
                            .node = node->self,
                            .from = in->from,
                            .owner = fetch->ref.owner,
                            .bytes = copy->size});
    mob_node_moved(node, copy, true);
    mob_node_fetched(node, fetch, copy, value, out);
}

/* Whether the piece belongs to what is being collected; begins if it is the
 * first, or of another value than the pieces before it. */
static bool
is_collected(MobNode *node, MobFetch *fetch, const MobChunk *chunk, const MobInput *in,
             MobOutbox *out)
{
    if (fetch->got != NULL && fetch->size == chunk->size && fetch->hash == chunk->hash)
        return true;
    if (fetch->partial) /* what only comes together there counts if the owner knows of it */
        return false;
    if (chunk->size == 0 || chunk->size > node->store.capacity)
        return false;
    if (mob_node_begin(node, fetch, chunk->size, chunk->hash, in->now, out))
        return true;
    fetch->size = chunk->size;
    fetch->hash = chunk->hash;
    mob_node_wait_for_room(node, fetch, in->now, out);
    return false;
}

void
mob_node_on_chunk(MobNode *node, const MobInput *in, MobOutbox *out)
{
    const MobChunk *chunk = mob_chunk(in->msg);
    MobNodeId from = {in->from.node};
    MobFetch *fetch = mob_fetches_get(&node->fetches, chunk->object);

    if (in->from.local != MOB_LOCAL_NODE)
        return;
    if (fetch == NULL || fetch->stage != MOB_FETCH_ACTIVE || fetch->source.v != from.v ||
        chunk->push < fetch->push || !is_collected(node, fetch, chunk, in, out)) {
        mob_node_send_received(from, chunk->object, chunk->push, chunk->offset, true, out);
        return;
    }
    fetch->push = chunk->push;
    MobPiece piece = mob_fetch_take_piece(fetch, chunk);
    mob_node_send_received(from, chunk->object, chunk->push, chunk->offset, piece == MOB_PIECE_BAD,
                           out);
    if (piece == MOB_PIECE_BAD) {
        mob_node_try_another(node, fetch, in, out);
        return;
    }
    fetch->progress_at = node->progress_at = in->now;
    if (piece == MOB_PIECE_NEW)
        fetch->lost_at = MOB_TIME_NEVER;
    if (fetch->received == fetch->size)
        seal(node, fetch, in, out);
    else
        mob_pushes_go_on(&node->pushes, node->config, mob_store_get(&node->store, chunk->object),
                         out);
}
