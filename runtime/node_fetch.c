/* node_fetch.c: bringing objects here from other nodes, and sending them.
 *
 * The owner of an object is its directory: it is asked where copies are, and
 * tells again when that has changed until it is told to stop. The node that it
 * names, or one of those with a copy, is asked to push. What does not come in
 * time, or is not there, is asked of another, and what has come is kept; when
 * all have been tried the owner is asked anew, and so on until nobody had it
 * for very long.
 */
#include "runtime/node_parts.h"

enum {
    RETRIES_MAX = 10 /* from then on the time between them is the same */
};

static void
ask_owner(const MobFetch *fetch, MobOutbox *out)
{
    MobSubscribeLocations *ask = mob_subscribe_locations_new();

    ask->object = fetch->ref.id;
    ask->failed = fetch->failed;
    mob_send(out, fetch->ref.owner, ask);
}

MobFetch *
mob_node_fetch(MobNode *node, const MobRef *ref, MobOutbox *out)
{
    MobFetch *fetch = mob_fetches_get(&node->fetches, ref->id);

    if (fetch != NULL)
        return fetch;
    fetch = mob_fetches_add(&node->fetches, ref);
    const MobCopy *copy = mob_store_kept(&node->store, ref->id);
    fetch->disk = copy != NULL;
    if (fetch->disk)
        mob_fetches_set_size(&node->fetches, fetch, copy->size, copy->hash);
    else
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
    stop->here = mob_store_kept(&node->store, object) != NULL;
    mob_send(out, owner, stop);
}

static void
send_pull(MobFetch *fetch, MobOutbox *out)
{
    MobPull *pull = mob_pull_new();

    fetch->partial = !mob_fetch_has_source(fetch, fetch->source);
    pull->object = mob_ref_copy(&fetch->ref);
    pull->rank = fetch->partial ? fetch->rank : 0;
    pull->hash = fetch->hash;
    pull->offset = fetch->ready;
    mob_send(out, mob_node_address(fetch->source.v), pull);
    fetch->push = 0;
    fetch->ask_source = false;
}

static void
ask_source(MobNode *node, MobFetch *fetch, MobTime now, MobOutbox *out)
{
    send_pull(fetch, out);
    fetch->progress_at = now;
    mob_node_wake(node, MOB_TIMER_PULL, now + node->config->pull_retry, out);
}

/* Gives back the room that was made for it. */
void
mob_node_drop_unfinished(MobNode *node, MobFetch *fetch, MobOutbox *out)
{
    MobCopy *copy = mob_store_get(&node->store, fetch->ref.id);

    mob_fetch_drop_pieces(fetch);
    if (fetch->disk && copy->held && copy->value == NULL)
        mob_store_stop_load(&node->store, copy);
    else if (!fetch->disk && copy != NULL && copy->value == NULL)
        mob_node_drop_copy(node, copy, MOB_DROP_UNFINISHED, out);
}

void
mob_node_stop_fetch(MobNode *node, MobFetch *fetch, MobOutbox *out)
{
    if (fetch->stage == MOB_FETCH_ACTIVE && fetch->push != 0 &&
        !mob_cluster_is_dead_node(&node->cluster, fetch->source))
        mob_node_send_received(fetch->source, fetch->ref.id, fetch->push, 0, true, out);
    mob_node_drop_unfinished(node, fetch, out);
    node->room_due |= fetch->stage == MOB_FETCH_QUEUED; /* the next one may be smaller */
    mob_fetches_set_stage(&node->fetches, fetch, MOB_FETCH_LOOKING);
    fetch->push = fetch->read = 0;
    fetch->asking = false;
}

void
mob_node_look_elsewhere(MobNode *node, MobFetch *fetch, MobOutbox *out)
{
    mob_node_stop_fetch(node, fetch, out);
    fetch->disk = false;
    if (!mob_cluster_is_dead(&node->cluster, fetch->ref.owner))
        ask_owner(fetch, out);
}

static void
remove_fetch(MobNode *node, MobFetch *fetch, MobOutbox *out)
{
    if (!fetch->disk)
        unsubscribe(node, fetch->ref.id, fetch->ref.owner, out);
    mob_fetches_remove(&node->fetches, fetch);
}

void
mob_node_review(MobNode *node, MobFetch *fetch, MobOutbox *out)
{
    MobWish before = fetch->turn;

    mob_fetches_take_turn(&node->fetches, fetch);
    if (fetch->turn == MOB_WISH_NONE)
        mob_node_stop_fetch(node, fetch, out);
    node->room_due |=
        fetch->turn != before && mob_fetch_holds_room(fetch); /* it gives way to others now */
    node->room_due |= fetch->stage == MOB_FETCH_QUEUED;       /* another may be wanted more now */
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
    if (mob_fetch_is_located(fetch) || !fetch->pending) {
        if (fetch->lost_at == MOB_TIME_NEVER && fetch->answered)
            fetch->lost_at = now;
    } else {
        fetch->lost_at = MOB_TIME_NEVER;
    }
    if (mob_fetch_is_located(fetch))
        mob_node_wake(node, MOB_TIMER_PULL, now + config->pull_retry, out);
    if (fetch->lost_at != MOB_TIME_NEVER)
        mob_node_wake(node, MOB_TIMER_PULL, fetch->lost_at + config->fetch_timeout, out);
    if (mob_fetch_is_located(fetch))
        return;
    for (uint32_t i = 0; i < fetch->leases->len; i++)
        mob_node_stall(node, g_ptr_array_index(fetch->leases, i), out);
}

void
mob_node_wait_for_room(MobNode *node, MobFetch *fetch, MobTime now, MobOutbox *out)
{
    mob_node_stop_fetch(node, fetch, out);
    mob_fetches_set_stage(&node->fetches, fetch, MOB_FETCH_QUEUED);
    fetch->progress_at = now;
    mob_node_wake(node, MOB_TIMER_PULL, now + node->config->store_full_grace, out);
}

/* Makes room and begins to collect; false if there is no room now. */
bool
mob_node_begin(MobNode *node, MobFetch *fetch, uint64_t size, uint64_t hash, MobTime now,
               MobOutbox *out)
{
    mob_node_drop_unfinished(node, fetch, out);
    if (!mob_node_is_its_turn(node, fetch) ||
        !mob_node_claim_room(node, mob_node_claim_of(fetch), size, now, out))
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

    mob_fetches_take_turn(&node->fetches, fetch);
    if (fetch->turn == MOB_WISH_NONE || fetch->stage == MOB_FETCH_ACTIVE ||
        !(fetch->answered || fetch->disk) || fetch->asking)
        return;
    if (fetch->disk) {
        mob_node_advance_restore(node, fetch, in, out);
        return;
    }
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
        !mob_node_begin(node, fetch, fetch->size, fetch->hash, in->now, out)) {
        if (fetch->stage != MOB_FETCH_QUEUED)
            mob_node_wait_for_room(node, fetch, in->now, out);
        return;
    }
    mob_fetches_set_stage(&node->fetches, fetch, MOB_FETCH_ACTIVE);
    fetch->source = source;
    ask_source(node, fetch, in->now, out);
}

/* The source has failed, and nobody else is known who should be asked: the
 * owner may know, or names somebody who has time. */
static void
ask_for_another(MobNode *node, MobFetch *fetch, const MobInput *in, MobOutbox *out)
{
    fetch->failed = fetch->source;
    fetch->asking = true;
    fetch->progress_at = in->now;
    ask_owner(fetch, out);
    mob_node_wake(node, MOB_TIMER_PULL, in->now + node->config->pull_retry, out);
}

/* The source has failed: what has come is kept for the next. */
void
mob_node_try_another(MobNode *node, MobFetch *fetch, const MobInput *in, MobOutbox *out)
{
    mob_fetch_set_tried(fetch, fetch->source);
    mob_fetches_set_stage(&node->fetches, fetch, MOB_FETCH_LOOKING);
    fetch->push = 0;
    if (mob_fetch_wish(fetch) != MOB_WISH_NONE && (fetch->partial || !mob_fetch_has_untried(fetch)))
        ask_for_another(node, fetch, in, out);
    else
        mob_node_advance(node, fetch, in, out);
}

/* The owner names another source than the one that was asked: it knows that
 * this one is gone, or has given up. */
static void
change_source(MobNode *node, MobFetch *fetch, const MobInput *in, MobOutbox *out)
{
    if (fetch->push != 0 && !mob_cluster_is_dead_node(&node->cluster, fetch->source))
        mob_node_send_received(fetch->source, fetch->ref.id, fetch->push, 0, true, out);
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
    if (mob_cluster_is_dead_node(&node->cluster, fetch->named.node))
        fetch->named = (MobSource){0};
}

static bool
names_another(const MobFetch *fetch)
{
    return fetch->named.node.v != 0 && !fetch->named.tried &&
           fetch->named.node.v != fetch->source.v;
}

void
mob_node_on_locations(MobNode *node, const MobInput *in, MobOutbox *out)
{
    const MobLocations *locations = mob_locations(in->msg);
    MobFetch *fetch = mob_fetches_get(&node->fetches, locations->object);

    if (fetch == NULL || fetch->disk) {
        unsubscribe(node, locations->object, in->from, out);
        return;
    }
    if (!mob_address_eq(fetch->ref.owner, in->from))
        return;
    if (locations->value != NULL) {
        mob_node_fetched(node, fetch, NULL, locations->value, out);
        return;
    }
    bool had_none = !mob_fetch_is_located(fetch);
    if (mob_fetch_set_sources(fetch, locations, node->self))
        mob_node_deny(node, &fetch->ref);
    drop_dead_sources(node, fetch);
    fetch->answered = true;
    fetch->asking = false;
    fetch->failed = (MobNodeId){0};
    fetch->rank = locations->rank;
    fetch->depth = locations->depth;
    fetch->pending = locations->pending;
    if (fetch->got == NULL) {
        mob_fetches_set_size(&node->fetches, fetch, locations->size, locations->hash);
    }
    if (had_none && mob_fetch_is_located(fetch))
        fetch->lost_at = MOB_TIME_NEVER;
    if (!mob_fetch_is_located(fetch) && fetch->stage != MOB_FETCH_ACTIVE)
        wait_for_news(node, fetch, in->now, out);
    else if (fetch->stage == MOB_FETCH_ACTIVE && names_another(fetch))
        change_source(node, fetch, in, out);
    else
        mob_node_advance(node, fetch, in, out);
    node->admit_due = true;
}

void
mob_node_on_pull_failed(MobNode *node, const MobInput *in, MobOutbox *out)
{
    MobFetch *fetch = mob_fetches_get(&node->fetches, mob_pull_failed(in->msg)->object);

    if (fetch != NULL && fetch->stage == MOB_FETCH_ACTIVE && fetch->source.v == in->from.node)
        mob_node_try_another(node, fetch, in, out);
}

/* --- what does not come --- */

static void
ask_everybody_again(MobNode *node, MobFetch *fetch, const MobInput *in, MobOutbox *out)
{
    mob_fetch_forget_tried(fetch);
    fetch->asking = false;
    fetch->failed = (MobNodeId){0};
    ask_owner(fetch, out);
    mob_node_advance(node, fetch, in, out);
}

static bool
is_lost_for_long(const MobNode *node, const MobFetch *fetch, MobTime now)
{
    return fetch->lost_at != MOB_TIME_NEVER && fetch->lost_at + node->config->fetch_timeout <= now;
}

/* Who is slow may be busy with others, and gets more time each time (Ray too). What
 * is handed on takes its time from node to node, and stops for as long as one of them
 * takes to find another source. */
static MobTime
patience(const MobConfig *config, const MobFetch *fetch)
{
    if (fetch->stage != MOB_FETCH_ACTIVE)
        return config->pull_retry;
    return (config->pull_retry << MIN(fetch->retries, RETRIES_MAX)) *
           (fetch->partial ? 1 + fetch->depth : 1);
}

/* When something is to be done about @fetch if nothing happens. */
static MobTime
due_at(const MobNode *node, const MobFetch *fetch)
{
    const MobConfig *config = node->config;
    MobTime due = fetch->progress_at + patience(config, fetch);

    if (fetch->stage == MOB_FETCH_QUEUED)
        return mob_node_grace_ends(node, MAX(fetch->progress_at, node->room_at));
    if (fetch->disk)
        return MOB_TIME_NEVER; /* the disk always answers */
    if (fetch->stage == MOB_FETCH_LOOKING &&
        ((!mob_fetch_is_located(fetch) && !fetch->asking) || !fetch->answered ||
         mob_fetch_wish(fetch) == MOB_WISH_NONE))
        due = MOB_TIME_NEVER;
    if (fetch->lost_at != MOB_TIME_NEVER)
        due = MIN(due, fetch->lost_at + config->fetch_timeout);
    return due;
}

/* Another source is tried; if there is none, the owner may know one. Until then
 * this one goes on: it may be slow because it has many to serve. */
static void
comes_slowly(MobNode *node, MobFetch *fetch, const MobInput *in, MobOutbox *out)
{
    fetch->retries++;
    mob_fetch_set_tried(fetch, fetch->source);
    if (!mob_fetch_has_untried(fetch)) {
        if (fetch->lost_at == MOB_TIME_NEVER)
            fetch->lost_at = in->now;
        mob_fetch_forget_tried(fetch);
        mob_fetch_set_tried(fetch, fetch->source);
    }
    if (!fetch->partial && mob_fetch_has_untried(fetch)) {
        mob_node_try_another(node, fetch, in, out);
        return;
    }
    fetch->failed = fetch->source;
    ask_owner(fetch, out);
    ask_source(node, fetch, in->now, out);
}

static void
hurry(MobNode *node, MobFetch *fetch, const MobInput *in, MobOutbox *out)
{
    if (fetch->stage == MOB_FETCH_QUEUED) {
        if (mob_node_may_get_room(node, in->now))
            return;
        fail(node, fetch, mob_node_no_room(node), "the object store of the node has no room for it",
             in->now, out);
    } else if (is_lost_for_long(node, fetch, in->now)) {
        fail(node, fetch, MOB_FAULT_FETCH_TIMED_OUT, "no copy could be fetched in time", in->now,
             out);
    } else if (fetch->stage == MOB_FETCH_ACTIVE) {
        comes_slowly(node, fetch, in, out);
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
    mob_node_arm_graces(node, in, out);
}

void
mob_node_arm_graces(MobNode *node, const MobInput *in, MobOutbox *out)
{
    MobFetch *fetch;
    size_t at = 0;

    if (node->creates.length > 0)
        mob_node_expire_creates(node, in, out);
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
        if (fetch->disk)
            continue;
        drop_dead_sources(node, fetch);
        if (fetch->stage != MOB_FETCH_ACTIVE && fetch->answered && !fetch->asking &&
            !mob_fetch_is_located(fetch))
            wait_for_news(node, fetch, in->now, out);
        if (fetch->stage == MOB_FETCH_ACTIVE &&
            mob_cluster_is_dead_node(&node->cluster, fetch->source))
            mob_node_try_another(node, fetch, in, out);
    }
}

bool
mob_node_mark_broken_fetches(MobNode *node, MobAddress from)
{
    MobFetch *fetch;
    bool any = false;
    size_t at = 0;

    while ((fetch = mob_table_next(node->fetches.rows, &at)) != NULL) {
        if (fetch->disk)
            continue;
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
        bool again = fetch->ask_source && fetch->stage == MOB_FETCH_ACTIVE;
        if (again && fetch->partial)
            mob_node_try_another(node, fetch, in, out);
        else if (again)
            send_pull(fetch, out); /* the patience goes on: it may break again and again */
        fetch->ask_source = false;
    }
}
