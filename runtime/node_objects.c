/* node_objects.c: the store of this machine and those who use it.
 *
 * Workers seal values here and ask for values; owners say which copy is the
 * primary one and which objects are needed no more. Owners are told of every
 * other copy that comes or goes, all that one step did in one message each.
 */
#include "runtime/node_parts.h"

void
mob_node_send_here(MobAddress worker, MobObjectId object, MobValue *value, MobOutbox *out)
{
    MobObjectHere *here = mob_object_here_new();

    here->object = object;
    here->value = mob_value_ref(value);
    mob_send(out, worker, here);
}

static void
send_stored(const MobNode *node, MobAddress worker, MobObjectId object, bool ok, MobOutbox *out)
{
    MobObjectStored *stored = mob_object_stored_new();

    stored->object = object;
    stored->ok = ok;
    if (!ok) {
        stored->no_disk = mob_node_no_room(node) == MOB_FAULT_OUT_OF_DISK;
        stored->used = node->store.used;
        stored->capacity = node->store.capacity;
    }
    mob_send(out, worker, stored);
}

/* --- copies that come and go --- */

void
mob_node_moved(MobNode *node, MobCopy *copy, bool here)
{
    if (mob_store_moved(copy, here))
        g_array_append_val(node->movers, copy->owner->owner);
}

void
mob_node_deny(MobNode *node, const MobRef *ref)
{
    if (!mob_cluster_is_dead(&node->cluster, ref->owner) && mob_store_missing(&node->store, ref))
        g_array_append_val(node->movers, ref->owner);
}

void
mob_node_tell_owners(MobNode *node, MobOutbox *out)
{
    for (uint32_t i = 0; i < node->movers->len; i++) {
        MobAddress owner = g_array_index(node->movers, MobAddress, i);
        MobOwnerRow *row = mob_store_owner(&node->store, owner, false);
        if (row == NULL)
            continue;
        row->listed = false;
        if (row->moves == NULL || row->moves->len == 0)
            continue;
        MobObjectMoved *moved = mob_object_moved_new();
        moved->moves.count = row->moves->len;
        moved->moves.items = (MobMove *)(void *)g_array_free(row->moves, false);
        row->moves = NULL;
        mob_send(out, owner, moved);
    }
    g_array_set_size(node->movers, 0);
}

void
mob_node_resync_owners(MobNode *node, MobOutbox *out)
{
    MobOwnerRow *row;
    size_t at = 0;

    (void)out;
    while ((row = mob_table_next(node->store.owners, &at)) != NULL) {
        if (!row->resync)
            continue;
        row->resync = false;
        mob_store_tell_again(&node->store, row);
        if (!row->listed)
            g_array_append_val(node->movers, row->owner);
        row->listed = true;
    }
}

static const char *
drop_reason(MobDrop why)
{
    switch (why) {
    case MOB_DROP_FAULT:
        return "evicted";
    case MOB_DROP_FILE_LOST:
        return "its spill file is gone";
    default:
        return "its owner died";
    }
}

static void
note_drop(MobNode *node, const MobCopy *copy, MobDrop why, MobOutbox *out)
{
    MobNote note = {
        .object = copy->ref.id, .node = node->self, .owner = copy->ref.owner, .bytes = copy->size};

    if (why == MOB_DROP_UNFINISHED)
        return;
    if (why == MOB_DROP_ROOM) {
        note.kind = MOB_NOTE_OBJECT_EVICTED;
    } else if (why == MOB_DROP_FREED) {
        note.kind = MOB_NOTE_OBJECT_DELETED;
    } else {
        note.kind = MOB_NOTE_OBJECT_COPY_LOST;
        note.reason = drop_reason(why);
    }
    mob_note(out, note);
}

void
mob_node_drop_copy(MobNode *node, MobCopy *copy, MobDrop why, MobOutbox *out)
{
    mob_pushes_drop_object(&node->pushes, &node->store, copy->ref.id, out);
    if (copy->pins > 0) {
        copy->doomed = true;
        copy->why = why;
        return;
    }
    note_drop(node, copy, why, out);
    if (why == MOB_DROP_ROOM || why == MOB_DROP_FAULT || why == MOB_DROP_FILE_LOST)
        mob_node_moved(node, copy, false);
    mob_node_leave_file(node, copy, out);
    mob_store_remove(&node->store, copy);
}

void
mob_node_unpin(MobNode *node, MobCopy *copy, MobOutbox *out)
{
    if (mob_store_unpin(&node->store, copy))
        mob_node_drop_copy(node, copy, (MobDrop)copy->why, out);
}

void
mob_node_make_room(MobNode *node, uint64_t size, MobOutbox *out)
{
    MobCopy *victim;

    while ((victim = mob_store_victim(&node->store, size)) != NULL)
        if (victim->durable)
            mob_node_unload(node, victim, out);
        else
            mob_node_drop_copy(node, victim, MOB_DROP_ROOM, out);
}

/* --- creating --- */

/* The value becomes the primary copy, unless there is one already; whoever
 * waited for it is told. */
static void
store_primary(MobNode *node, const MobRef *ref, MobValue *value, MobAddress maker, MobOutbox *out)
{
    MobFetch *fetch = mob_fetches_get(&node->fetches, ref->id);
    MobCopy *copy = mob_store_get(&node->store, ref->id);
    MobLocalWorker *worker = mob_workers_get(&node->workers, maker);

    if (worker != NULL && !mob_address_eq(ref->owner, maker))
        worker->stored_for = ref->owner;
    if (copy != NULL && mob_copy_is_kept(copy)) {
        copy->maker = maker;
        copy->doomed = false;
        mob_store_make_primary(&node->store, copy);
        return;
    }
    if (copy != NULL)
        mob_node_stop_fetch(node, fetch, out);
    mob_node_make_room(node, value->size, out);
    copy = mob_store_create(&node->store, ref, value->size, value->hash);
    copy->maker = maker;
    mob_store_seal(&node->store, copy, value, true);
    /* That it had gone may still be on its way, and come behind the reply of the task. */
    if (mob_store_was_gone(copy))
        mob_node_moved(node, copy, true);
    if (fetch != NULL)
        mob_node_fetched(node, fetch, copy, value, out);
}

static void
free_create(MobCreate *create)
{
    mob_ref_clear(&create->ref);
    mob_value_unref(create->value);
    g_free(create);
}

/* It has its room, or will not get it. */
static void
take_create(MobNode *node, GList *at)
{
    MobCreate *create = at->data;

    node->create_bytes -= create->value->size;
    g_queue_delete_link(&node->creates, at);
    free_create(create);
}

static bool
is_waiting(const MobNode *node, MobObjectId object, MobAddress worker)
{
    for (const GList *at = node->creates.head; at != NULL; at = at->next) {
        const MobCreate *create = at->data;
        if (mob_object_eq(create->ref.id, object) && mob_address_eq(create->worker, worker))
            return true;
    }
    return false;
}

static void
wait_for_room(MobNode *node, const MobStoreObject *request, const MobInput *in, MobOutbox *out)
{
    MobCreate *create = g_new0(MobCreate, 1);

    create->ref = mob_ref_copy(&request->object);
    create->value = mob_value_ref(request->value);
    create->worker = in->from;
    create->since = in->now;
    g_queue_push_tail(&node->creates, create);
    node->create_bytes += create->value->size;
    mob_node_wake(node, MOB_TIMER_PULL, in->now + node->config->store_full_grace, out);
}

void
mob_node_on_store_object(MobNode *node, const MobInput *in, MobOutbox *out)
{
    const MobStoreObject *request = mob_store_object(in->msg);
    MobObjectId object = request->object.id;
    const MobCopy *copy = mob_store_get(&node->store, object);
    bool known = copy != NULL && mob_copy_is_kept(copy);

    if (in->from.node != node->self.v || request->value == NULL ||
        is_waiting(node, object, in->from))
        return;
    if (mob_cluster_is_dead(&node->cluster, request->object.owner)) {
        send_stored(node, in->from, object, true, out); /* nobody can ask for it any more */
        return;
    }
    if (copy != NULL && !known) /* it need not come from afar, nor take room twice */
        mob_node_stop_fetch(node, mob_fetches_get(&node->fetches, object), out);
    if (!known && request->value->size > node->store.capacity) {
        send_stored(node, in->from, object, false, out);
    } else if (!known &&
               (node->creates.length > 0 ||
                !mob_node_claim_room(node, MOB_CLAIM_CREATE, request->value->size, in->now, out))) {
        wait_for_room(node, request, in, out);
    } else {
        store_primary(node, &request->object, request->value, in->from, out);
        send_stored(node, in->from, object, true, out);
    }
}

void
mob_node_use_room(MobNode *node, const MobInput *in, MobOutbox *out)
{
    MobCreate *create;
    MobFetch *fetch;

    node->room_at = in->now;
    while ((create = g_queue_peek_head(&node->creates)) != NULL &&
           mob_node_claim_room(node, MOB_CLAIM_CREATE, create->value->size, in->now, out)) {
        node->progress_at = in->now;
        store_primary(node, &create->ref, create->value, create->worker, out);
        send_stored(node, create->worker, create->ref.id, true, out);
        take_create(node, node->creates.head);
    }
    node->admit_due |= node->leases.fetching.count > 0;
    while ((fetch = mob_fetches_next_queued(&node->fetches)) != NULL &&
           mob_node_claim_room(node, mob_node_claim_of(fetch), fetch->size, in->now, out)) {
        mob_fetches_set_stage(&node->fetches, fetch, MOB_FETCH_LOOKING);
        mob_node_advance(node, fetch, in, out);
    }
}

void
mob_node_expire_creates(MobNode *node, const MobInput *in, MobOutbox *out)
{
    MobCreate *create;

    while ((create = g_queue_peek_head(&node->creates)) != NULL) {
        MobTime due = mob_node_grace_ends(node, create->since);
        if (due <= in->now && mob_node_may_get_room(node, in->now))
            due = mob_node_grace_ends(node, in->now);
        if (due > in->now) {
            mob_node_wake(node, MOB_TIMER_PULL, due, out);
            return;
        }
        send_stored(node, create->worker, create->ref.id, false, out);
        take_create(node, node->creates.head);
        node->room_due = true; /* the next one may be smaller */
    }
}

static bool
is_among(MobObjectId object, const MobObjects *objects)
{
    for (uint32_t i = 0; objects != NULL && i < objects->count; i++)
        if (mob_object_eq(objects->items[i], object))
            return true;
    return false;
}

/* Drops the creates of the dead, and of what is freed. Whoever made that is told
 * that it is stored: it may be another attempt than the one whose copy was to go,
 * and waits for the answer; its owner finds out that the copy is gone. */
static void
drop_creates(MobNode *node, const MobObjects *freed, MobOutbox *out)
{
    for (GList *at = node->creates.head; at != NULL;) {
        GList *next = at->next;
        MobCreate *create = at->data;
        bool is_freed = is_among(create->ref.id, freed);
        if (is_freed)
            send_stored(node, create->worker, create->ref.id, true, out);
        if (is_freed || mob_cluster_is_dead(&node->cluster, create->ref.owner) ||
            mob_cluster_is_dead(&node->cluster, create->worker)) {
            take_create(node, at);
            node->room_due = true;
        }
        at = next;
    }
}

/* Owners hear of primary copies from the reply of the task. A worker that died
 * may not have replied, and then nobody else would ever tell. */
void
mob_node_tell_of_orphans(MobNode *node, const MobLocalWorker *worker)
{
    const MobOwnerRow *row = mob_store_owner(&node->store, worker->stored_for, false);

    for (MobCopy *copy = row != NULL ? row->copies : NULL; copy != NULL; copy = copy->sibling_next)
        if (mob_copy_is_kept(copy) && !copy->doomed && mob_address_eq(copy->maker, worker->address))
            mob_node_moved(node, copy, true);
}

/* --- asking --- */

void
mob_node_on_get_object(MobNode *node, const MobInput *in, MobOutbox *out)
{
    const MobGetObject *get = mob_get_object(in->msg);
    MobCopy *copy = mob_store_sealed(&node->store, get->object.id);

    if (in->from.node != node->self.v)
        return;
    if (copy != NULL) {
        mob_store_touch(&node->store, copy);
        mob_node_send_here(in->from, get->object.id, copy->value, out);
        return;
    }
    if (mob_cluster_is_dead(&node->cluster, get->object.owner)) {
        g_autoptr(MobValue) fault = mob_node_owner_died(node, &get->object, in->now);
        mob_node_send_here(in->from, get->object.id, fault, out);
        return;
    }
    MobFetch *fetch = mob_node_fetch(node, &get->object, out);
    mob_fetch_add_waiter(fetch, in->from, get->wait);
    mob_node_advance(node, fetch, in, out);
}

void
mob_node_on_cancel_get(MobNode *node, const MobInput *in, MobOutbox *out)
{
    MobFetch *fetch = mob_fetches_get(&node->fetches, mob_cancel_get(in->msg)->object);

    if (fetch != NULL && mob_fetch_remove_waiter(fetch, in->from))
        mob_node_review(node, fetch, out);
}

/* --- what owners say --- */

void
mob_node_on_pin_object(MobNode *node, const MobInput *in, MobOutbox *out)
{
    const MobPinObject *pin = mob_pin_object(in->msg);
    MobCopy *copy = mob_store_kept(&node->store, pin->object.id);
    MobObjectPinned *pinned = mob_object_pinned_new();

    pinned->object = pin->object.id;
    pinned->ok = copy != NULL && !copy->doomed && mob_address_eq(copy->ref.owner, in->from);
    if (pinned->ok)
        mob_store_make_primary(&node->store, copy);
    mob_send(out, in->from, pinned);
}

void
mob_node_on_free_objects(MobNode *node, const MobInput *in, MobOutbox *out)
{
    const MobObjects *objects = &mob_free_objects(in->msg)->objects;

    if (node->creates.length > 0)
        drop_creates(node, objects, out);
    for (uint32_t i = 0; i < objects->count; i++) {
        MobCopy *copy = mob_store_get(&node->store, objects->items[i]);
        if (copy == NULL || !mob_address_eq(copy->ref.owner, in->from))
            continue;
        if (mob_copy_is_kept(copy))
            mob_node_drop_copy(node, copy, MOB_DROP_FREED, out);
        else
            mob_node_stop_fetch(node, mob_fetches_get(&node->fetches, objects->items[i]), out);
    }
}

void
mob_node_on_evict(MobNode *node, const MobInput *in, MobOutbox *out)
{
    MobCopy *copy = mob_store_kept(&node->store, in->object);

    if (copy != NULL)
        mob_node_drop_copy(node, copy, MOB_DROP_FAULT, out);
}

void
mob_node_drop_dead_objects(MobNode *node, MobOutbox *out)
{
    MobOwnerRow *row;
    size_t at = 0;

    drop_creates(node, NULL, out);
    while ((row = mob_table_next(node->store.owners, &at)) != NULL) {
        MobCopy *next;
        if (!mob_cluster_is_dead(&node->cluster, row->owner))
            continue;
        for (MobCopy *copy = row->copies; copy != NULL; copy = next) {
            next = copy->sibling_next;
            mob_node_drop_copy(node, copy,
                               mob_copy_is_kept(copy) ? MOB_DROP_OWNER_DIED : MOB_DROP_UNFINISHED,
                               out);
        }
        if (row->copies == NULL)
            mob_store_forget_owner(&node->store, row);
    }
}
