/* node_fetch.c: bringing objects here from other nodes, and sending them.
 *
 * The owner of an object is its directory: it is asked where copies are, and
 * tells of each change until it is told to stop. One of the nodes it names is
 * asked to push. What does not come in time, or is not there, is asked of
 * another; when all have been tried the owner is asked anew, and so on until
 * nobody had it for very long.
 */
#include "runtime/node_parts.h"

static void
ask_owner(const MobFetch *fetch, MobOutbox *out)
{
    MobSubscribeLocations *ask = mob_subscribe_locations_new();

    ask->object = fetch->ref.id;
    mob_send(out, fetch->ref.owner, ask);
}

MobFetch *
mob_node_fetch(MobNode *node, const MobRef *ref, MobOutbox *out)
{
    MobFetch *fetch = mob_fetches_get(&node->fetches, ref->id);

    if (fetch != NULL)
        return fetch;
    fetch = mob_fetches_add(&node->fetches, ref);
    ask_owner(fetch, out);
    return fetch;
}

static void
unsubscribe(const MobNode *node, MobObjectId object, MobAddress owner, MobOutbox *out)
{
    if (mob_cluster_is_dead(&node->cluster, owner))
        return;
    MobUnsubscribeLocations *stop = mob_unsubscribe_locations_new();
    stop->object = object;
    mob_send(out, owner, stop);
}

static void
send_received(MobNodeId to, MobObjectId object, uint64_t push, uint64_t offset, bool enough,
              MobOutbox *out)
{
    MobChunkReceived *received = mob_chunk_received_new();

    received->object = object;
    received->push = push;
    received->offset = offset;
    received->enough = enough;
    mob_send(out, mob_node_address(to.v), received);
}

static void
send_pull(MobNode *node, MobFetch *fetch, MobTime now, MobOutbox *out)
{
    MobPull *pull = mob_pull_new();

    pull->object = mob_ref_copy(&fetch->ref);
    mob_send(out, mob_node_address(fetch->source.v), pull);
    fetch->push = 0;
    fetch->ask_source = false;
    fetch->progress_at = now;
    mob_node_wake(node, MOB_TIMER_PULL, now + node->config->pull_retry, out);
}

/* Gives back the room that was made for it. */
static void
drop_unfinished(MobNode *node, MobFetch *fetch, MobOutbox *out)
{
    MobCopy *copy = mob_store_get(&node->store, fetch->ref.id);

    mob_fetch_drop_pieces(fetch);
    if (copy != NULL && copy->value == NULL)
        mob_node_drop_copy(node, copy, MOB_DROP_UNFINISHED, out);
}

void
mob_node_stop_fetch(MobNode *node, MobFetch *fetch, MobOutbox *out)
{
    if (fetch->stage == MOB_FETCH_ACTIVE && fetch->push != 0 &&
        !mob_cluster_is_dead_node(&node->cluster, fetch->source))
        send_received(fetch->source, fetch->ref.id, fetch->push, 0, true, out);
    drop_unfinished(node, fetch, out);
    node->room_due |= fetch->stage == MOB_FETCH_QUEUED; /* the next one may be smaller */
    mob_fetches_set_stage(&node->fetches, fetch, MOB_FETCH_LOOKING);
    fetch->push = 0;
}

static void
remove_fetch(MobNode *node, MobFetch *fetch, MobOutbox *out)
{
    unsubscribe(node, fetch->ref.id, fetch->ref.owner, out);
    mob_fetches_remove(&node->fetches, fetch);
}

void
mob_node_review(MobNode *node, MobFetch *fetch, MobOutbox *out)
{
    if (mob_fetch_wish(fetch) == MOB_WISH_NONE)
        mob_node_stop_fetch(node, fetch, out);
    node->room_due |= fetch->stage == MOB_FETCH_QUEUED; /* another may be wanted more now */
    if (!mob_fetch_is_wanted(fetch))
        remove_fetch(node, fetch, out);
}

void
mob_node_fetched(MobNode *node, MobFetch *fetch, MobCopy *copy, MobValue *value, MobOutbox *out)
{
    MobObjectId object = fetch->ref.id;

    if (copy == NULL)
        mob_node_stop_fetch(node, fetch, out);
    for (uint32_t i = 0; i < fetch->waiters->len; i++)
        mob_node_send_here(g_array_index(fetch->waiters, MobWaiter, i).worker, object, value, out);
    for (uint32_t i = 0; i < fetch->leases->len; i++)
        mob_node_arg_here(node, g_ptr_array_index(fetch->leases, i), object, copy, out);
    remove_fetch(node, fetch, out);
}

/* It cannot be had. Leases that need it are refused, since a worker would only
 * wait for it again. */
static void
fail(MobNode *node, MobFetch *fetch, MobFaultKind kind, const char *why, MobTime now,
     MobOutbox *out)
{
    g_autoptr(MobValue) fault = mob_node_fault(node, kind, why, NULL, NULL, now);
    MobObjectId object = fetch->ref.id;

    mob_node_stop_fetch(node, fetch, out);
    for (uint32_t i = 0; i < fetch->waiters->len; i++)
        mob_node_send_here(g_array_index(fetch->waiters, MobWaiter, i).worker, object, fault, out);
    g_array_set_size(fetch->waiters, 0);
    /* A refused lease leaves the row; the row goes with the last of them. */
    g_autoptr(GPtrArray) leases = g_ptr_array_copy(fetch->leases, NULL, NULL);
    if (leases->len == 0)
        remove_fetch(node, fetch, out);
    for (uint32_t i = 0; i < leases->len; i++)
        mob_node_refuse_lease(node, g_ptr_array_index(leases, i), mob_value_ref(fault), out);
}

/* --- going on with one --- */

/* Nobody is left who could be asked now. */
static void
wait_for_news(MobNode *node, MobFetch *fetch, MobTime now, MobOutbox *out)
{
    const MobConfig *config = node->config;

    mob_node_stop_fetch(node, fetch, out);
    fetch->progress_at = now;
    if (fetch->sources->len > 0 || !fetch->pending) {
        if (fetch->lost_at == MOB_TIME_NEVER && fetch->answered)
            fetch->lost_at = now;
    } else {
        fetch->lost_at = MOB_TIME_NEVER;
    }
    if (fetch->sources->len > 0)
        mob_node_wake(node, MOB_TIMER_PULL, now + config->pull_retry, out);
    if (fetch->lost_at != MOB_TIME_NEVER)
        mob_node_wake(node, MOB_TIMER_PULL, fetch->lost_at + config->fetch_timeout, out);
    if (fetch->sources->len > 0)
        return;
    for (uint32_t i = 0; i < fetch->leases->len; i++)
        mob_node_stall(node, g_ptr_array_index(fetch->leases, i), out);
}

static void
wait_for_room(MobNode *node, MobFetch *fetch, MobTime now, MobOutbox *out)
{
    mob_node_stop_fetch(node, fetch, out);
    mob_fetches_set_stage(&node->fetches, fetch, MOB_FETCH_QUEUED);
    fetch->progress_at = now;
    mob_node_wake(node, MOB_TIMER_PULL, now + node->config->store_full_grace, out);
}

/* Makes room and begins to collect; false if there is no room now. */
static bool
begin(MobNode *node, MobFetch *fetch, uint64_t size, uint64_t hash, MobOutbox *out)
{
    drop_unfinished(node, fetch, out);
    if (!mob_store_has_room(&node->store, size))
        return false;
    mob_node_make_room(node, size, out);
    mob_store_create(&node->store, &fetch->ref, size, hash);
    mob_fetch_begin(fetch, size, hash, node->config->chunk);
    return true;
}

void
mob_node_advance(MobNode *node, MobFetch *fetch, const MobInput *in, MobOutbox *out)
{
    MobNodeId source;

    if (mob_fetch_wish(fetch) == MOB_WISH_NONE || fetch->stage == MOB_FETCH_ACTIVE ||
        !fetch->answered)
        return;
    if (fetch->size > node->store.capacity) {
        fail(node, fetch, MOB_FAULT_STORE_FULL, "the object is larger than the store of the node",
             in->now, out);
        return;
    }
    if (!mob_fetch_pick_source(fetch, in->picks, &source)) {
        wait_for_news(node, fetch, in->now, out);
        return;
    }
    if (fetch->got == NULL && fetch->size > 0 &&
        !begin(node, fetch, fetch->size, fetch->hash, out)) {
        if (fetch->stage != MOB_FETCH_QUEUED)
            wait_for_room(node, fetch, in->now, out);
        return;
    }
    mob_fetches_set_stage(&node->fetches, fetch, MOB_FETCH_ACTIVE);
    fetch->source = source;
    send_pull(node, fetch, in->now, out);
}

/* The source has failed: what has come is kept for the next. */
static void
try_another(MobNode *node, MobFetch *fetch, const MobInput *in, MobOutbox *out)
{
    mob_fetch_set_tried(fetch, fetch->source);
    mob_fetches_set_stage(&node->fetches, fetch, MOB_FETCH_LOOKING);
    fetch->push = 0;
    mob_node_advance(node, fetch, in, out);
}

/* --- messages --- */

static void
drop_dead_sources(const MobNode *node, MobFetch *fetch)
{
    for (uint32_t i = fetch->sources->len; i-- > 0;) {
        MobNodeId source = g_array_index(fetch->sources, MobSource, i).node;
        if (mob_cluster_is_dead_node(&node->cluster, source))
            mob_fetch_drop_source(fetch, source);
    }
}

void
mob_node_on_locations(MobNode *node, const MobInput *in, MobOutbox *out)
{
    const MobLocations *locations = mob_locations(in->msg);
    MobFetch *fetch = mob_fetches_get(&node->fetches, locations->object);

    if (fetch == NULL) {
        unsubscribe(node, locations->object, in->from, out);
        return;
    }
    if (!mob_address_eq(fetch->ref.owner, in->from))
        return;
    if (locations->value != NULL) {
        mob_node_fetched(node, fetch, NULL, locations->value, out);
        return;
    }
    bool had_none = fetch->sources->len == 0;
    if (mob_fetch_set_sources(fetch, locations, node->self))
        mob_node_deny(node, &fetch->ref);
    drop_dead_sources(node, fetch);
    fetch->answered = true;
    fetch->pending = locations->pending;
    if (fetch->got == NULL) {
        fetch->size = locations->size;
        fetch->hash = locations->hash;
    }
    if (had_none && fetch->sources->len > 0)
        fetch->lost_at = MOB_TIME_NEVER;
    if (fetch->sources->len == 0 && fetch->stage != MOB_FETCH_ACTIVE)
        wait_for_news(node, fetch, in->now, out);
    else
        mob_node_advance(node, fetch, in, out);
    node->admit_due = true;
}

void
mob_node_on_pull(MobNode *node, const MobInput *in, MobOutbox *out)
{
    const MobRef *ref = &mob_pull(in->msg)->object;
    MobCopy *copy = mob_store_sealed(&node->store, ref->id);

    if (in->from.local != MOB_LOCAL_NODE)
        return;
    if (copy == NULL || copy->doomed) {
        MobPullFailed *failed = mob_pull_failed_new();
        failed->object = ref->id;
        mob_send(out, in->from, failed);
        if (copy == NULL)
            mob_node_deny(node, ref);
        return;
    }
    mob_pushes_start(&node->pushes, &node->store, node->config, copy, (MobNodeId){in->from.node},
                     out);
}

void
mob_node_on_chunk_received(MobNode *node, const MobInput *in, MobOutbox *out)
{
    if (in->from.local != MOB_LOCAL_NODE)
        return;
    mob_pushes_on_received(&node->pushes, &node->store, node->config, (MobNodeId){in->from.node},
                           mob_chunk_received(in->msg), out);
}

void
mob_node_on_pull_failed(MobNode *node, const MobInput *in, MobOutbox *out)
{
    MobFetch *fetch = mob_fetches_get(&node->fetches, mob_pull_failed(in->msg)->object);

    if (fetch != NULL && fetch->stage == MOB_FETCH_ACTIVE && fetch->source.v == in->from.node)
        try_another(node, fetch, in, out);
}

/* All pieces are there. */
static void
seal(MobNode *node, MobFetch *fetch, const MobInput *in, MobOutbox *out)
{
    g_autoptr(MobValue) value = mob_fetch_finish(fetch);
    MobCopy *copy = mob_store_get(&node->store, fetch->ref.id);

    if (value == NULL) { /* not what was announced */
        drop_unfinished(node, fetch, out);
        try_another(node, fetch, in, out);
        return;
    }
    mob_store_seal(&node->store, copy, value, false);
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
    if (chunk->size == 0 || chunk->size > node->store.capacity)
        return false;
    if (begin(node, fetch, chunk->size, chunk->hash, out))
        return true;
    fetch->size = chunk->size;
    fetch->hash = chunk->hash;
    wait_for_room(node, fetch, in->now, out);
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
        send_received(from, chunk->object, chunk->push, chunk->offset, true, out);
        return;
    }
    fetch->push = chunk->push;
    MobPiece piece = mob_fetch_take_piece(fetch, chunk);
    send_received(from, chunk->object, chunk->push, chunk->offset, piece == MOB_PIECE_BAD, out);
    if (piece == MOB_PIECE_BAD) {
        try_another(node, fetch, in, out);
        return;
    }
    fetch->progress_at = in->now;
    if (piece == MOB_PIECE_NEW)
        fetch->lost_at = MOB_TIME_NEVER;
    if (fetch->received == fetch->size)
        seal(node, fetch, in, out);
}

/* --- what does not come --- */

static void
ask_everybody_again(MobNode *node, MobFetch *fetch, const MobInput *in, MobOutbox *out)
{
    mob_fetch_forget_tried(fetch);
    ask_owner(fetch, out);
    mob_node_advance(node, fetch, in, out);
}

static bool
is_lost_for_long(const MobNode *node, const MobFetch *fetch, MobTime now)
{
    return fetch->lost_at != MOB_TIME_NEVER && fetch->lost_at + node->config->fetch_timeout <= now;
}

/* When something is to be done about @fetch if nothing happens. */
static MobTime
due_at(const MobNode *node, const MobFetch *fetch)
{
    const MobConfig *config = node->config;
    MobTime due = fetch->progress_at + config->pull_retry;

    if (fetch->stage == MOB_FETCH_QUEUED)
        return MAX(fetch->progress_at, node->room_at) + config->store_full_grace;
    if (fetch->stage == MOB_FETCH_LOOKING &&
        (fetch->sources->len == 0 || !fetch->answered || mob_fetch_wish(fetch) == MOB_WISH_NONE))
        due = MOB_TIME_NEVER;
    if (fetch->lost_at != MOB_TIME_NEVER)
        due = MIN(due, fetch->lost_at + config->fetch_timeout);
    return due;
}

static void
hurry(MobNode *node, MobFetch *fetch, const MobInput *in, MobOutbox *out)
{
    if (fetch->stage == MOB_FETCH_QUEUED) {
        fail(node, fetch, MOB_FAULT_STORE_FULL, "the object store of the node has no room for it",
             in->now, out);
    } else if (is_lost_for_long(node, fetch, in->now)) {
        fail(node, fetch, MOB_FAULT_FETCH_TIMED_OUT, "no copy could be fetched in time", in->now,
             out);
    } else if (fetch->stage == MOB_FETCH_ACTIVE) {
        try_another(node, fetch, in, out);
    } else {
        ask_everybody_again(node, fetch, in, out);
    }
}

void
mob_node_on_pull_timer(MobNode *node, const MobInput *in, MobOutbox *out)
{
    MobFetch *fetch;
    size_t at = 0;

    while ((fetch = mob_table_next(node->fetches.rows, &at)) != NULL)
        if (due_at(node, fetch) <= in->now)
            hurry(node, fetch, in, out);
    at = 0;
    while ((fetch = mob_table_next(node->fetches.rows, &at)) != NULL)
        if (due_at(node, fetch) != MOB_TIME_NEVER)
            mob_node_wake(node, MOB_TIMER_PULL, due_at(node, fetch), out);
}

void
mob_node_drop_dead_fetches(MobNode *node, const MobInput *in, MobOutbox *out)
{
    MobFetch *fetch;
    size_t at = 0;

    while ((fetch = mob_table_next(node->fetches.rows, &at)) != NULL) {
        if (mob_cluster_is_dead(&node->cluster, fetch->ref.owner)) {
            g_autoptr(MobValue) fault = mob_node_owner_died(node, &fetch->ref, in->now);
            mob_node_fetched(node, fetch, NULL, fault, out);
            continue;
        }
        drop_dead_sources(node, fetch);
        if (fetch->stage != MOB_FETCH_ACTIVE && fetch->answered && fetch->sources->len == 0)
            wait_for_news(node, fetch, in->now, out);
        if (fetch->stage == MOB_FETCH_ACTIVE &&
            mob_cluster_is_dead_node(&node->cluster, fetch->source))
            try_another(node, fetch, in, out);
    }
}

bool
mob_node_mark_broken_fetches(MobNode *node, MobAddress from)
{
    MobFetch *fetch;
    bool any = false;
    size_t at = 0;

    while ((fetch = mob_table_next(node->fetches.rows, &at)) != NULL) {
        if (mob_address_eq(fetch->ref.owner, from))
            fetch->ask_owner = any = true;
        if (fetch->stage == MOB_FETCH_ACTIVE && from.local == MOB_LOCAL_NODE &&
            fetch->source.v == from.node)
            fetch->ask_source = any = true;
    }
    return any;
}

void
mob_node_ask_again(MobNode *node, const MobInput *in, MobOutbox *out)
{
    MobFetch *fetch;
    size_t at = 0;

    while ((fetch = mob_table_next(node->fetches.rows, &at)) != NULL) {
        if (fetch->ask_owner)
            ask_owner(fetch, out);
        fetch->ask_owner = false;
        if (fetch->ask_source && fetch->stage == MOB_FETCH_ACTIVE)
            send_pull(node, fetch, in->now, out);
        fetch->ask_source = false;
    }
}
