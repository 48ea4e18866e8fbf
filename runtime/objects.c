/* objects.c: values and places. The owner of an object is its directory: it
 * knows the value if that is small, and otherwise which nodes hold copies; it
 * tells whoever asks for the value (Ray: future_resolver.cc, and the in-process
 * memory store), and whoever follows the places (owner_places.c).
 *
 * An object becomes available once, by its task's reply or by the store's
 * answer to a put. After that it may lose copies, be recovered, or be replaced
 * by an error, but never change its value.
 */
#include "runtime/worker_parts.h"

static GArray *
nodes_of(MobRow *row)
{
    MobRowMore *more = mob_row_more(row);

    if (more->nodes == NULL)
        more->nodes = g_array_new(FALSE, FALSE, sizeof(MobNodeId));
    return more->nodes;
}

static void
add_copy(MobRow *row, MobNodeId node)
{
    g_array_append_vals(nodes_of(row), &node, 1);
    mob_places_set(row, node, true);
}

static int
find_in(const GArray *nodes, MobNodeId node)
{
    for (guint i = 0; nodes != NULL && i < nodes->len; i++)
        if (g_array_index(nodes, MobNodeId, i).v == node.v)
            return (int)i;
    return -1;
}

static int
find_node(const MobRow *row, MobNodeId node)
{
    return row->more != NULL ? find_in(row->more->nodes, node) : -1;
}

bool
mob_object_is_on(const MobRow *row, MobNodeId node)
{
    return row != NULL && find_node(row, node) >= 0;
}

/* An attempt has sealed a copy and its reply has not come, or never will: the
 * copy counts for nothing, but it must go when the object goes. */
static void
add_stray(MobRow *row, MobNodeId node)
{
    MobRowMore *more = mob_row_more(row);

    if (more->strays == NULL)
        more->strays = g_array_new(FALSE, FALSE, sizeof(MobNodeId));
    if (find_in(more->strays, node) < 0)
        g_array_append_vals(more->strays, &node, 1);
}

static void
remove_stray(MobRow *row, MobNodeId node)
{
    int at = row->more != NULL ? find_in(row->more->strays, node) : -1;

    if (at >= 0)
        g_array_remove_index(row->more->strays, (guint)at);
}

MobNodes
mob_object_nodes(const MobRow *row)
{
    const GArray *nodes = row->more != NULL ? row->more->nodes : NULL;

    if (nodes == NULL || nodes->len == 0)
        return (MobNodes){0};
    return (MobNodes){g_memdup2(nodes->data, nodes->len * sizeof(MobNodeId)), nodes->len};
}

/* --- telling others --- */

MobValue *
mob_object_freed_fault(MobStep *step, const MobRow *row)
{
    if (row != NULL)
        return mob_worker_lost(step, MOB_LOST_OUT_OF_SCOPE, &row->ref, NULL);
    return mob_worker_fault(step, MOB_FAULT_OBJECT_LOST, NULL, (MobAddress){0},
                            "the object was freed: nobody held a reference to it", NULL);
}

static void
send_status(MobStep *step, const MobRow *row, MobObjectId object, MobAddress to)
{
    MobObjectStatus *status = mob_object_status_new();

    status->object = object;
    if (row == NULL || row->state == MOB_ROW_FREED) {
        status->value = mob_object_freed_fault(step, row);
    } else {
        status->value = mob_value_ref(row->value);
        status->size = mob_object_size(row);
        status->nodes = mob_object_nodes(row);
    }
    mob_send(step->out, to, status);
}

void
mob_object_tell(MobStep *step, MobRow *row)
{
    if (row->more == NULL || !row->owned)
        return;
    mob_places_tell(step, row);
    GArray *askers = row->more->askers;
    if (askers == NULL || (!mob_row_is_available(row) && row->state != MOB_ROW_FREED))
        return;
    for (guint i = 0; i < askers->len; i++)
        send_status(step, row, row->ref.id, g_array_index(askers, MobAddress, i));
    g_array_set_size(askers, 0);
}

/* --- becoming available --- */

static void
wake(MobStep *step, MobRow *row)
{
    mob_object_tell(step, row);
    MobObjectId id = row->ref.id;
    if (row->waits != 0)
        mob_waits_row_ready(step, row);
    row = mob_row_find(step->worker, id); /* the body may have been the last that held it */
    if (row == NULL)
        return;
    if (row->more == NULL || row->more->waiters == NULL)
        return;
    GPtrArray *waiters = g_steal_pointer(&row->more->waiters);
    for (guint i = 0; i < waiters->len; i++)
        mob_submit_arg_ready(step, g_ptr_array_index(waiters, i));
    g_ptr_array_unref(waiters);
}

/* --- what is known of the value --- */

uint64_t
mob_object_size(const MobRow *row)
{
    if (row->value != NULL)
        return row->value->size;
    return row->more != NULL ? row->more->size : 0;
}

uint64_t
mob_object_hash(const MobRow *row)
{
    if (row->value != NULL)
        return row->value->hash;
    return row->more != NULL ? row->more->hash : 0;
}

MobNodeId
mob_object_primary(const MobRow *row)
{
    return row->more != NULL ? row->more->primary : (MobNodeId){0};
}

static bool
was_lost(const MobRow *row)
{
    return row->more != NULL && row->more->lost != 0;
}

static void
note_available(MobStep *step, const MobRow *row, bool again)
{
    const MobValue *value = row->value;

    if (value != NULL && value->fault != 0)
        NOTE(step->out, OBJECT_FAILED, .object = row->ref.id, .path = row->ref.path,
             .owner = row->ref.owner, .value = value,
             .reason = mob_fault_name((MobFaultKind)value->fault));
    else if (again)
        NOTE(step->out, OBJECT_RECOVERED, .object = row->ref.id, .path = row->ref.path,
             .owner = row->ref.owner, .node = mob_object_primary(row),
             .bytes = mob_object_size(row));
    else
        NOTE(step->out, OBJECT_CREATED, .object = row->ref.id, .path = row->ref.path,
             .owner = row->ref.owner, .node = mob_object_primary(row),
             .bytes = mob_object_size(row), .value = value);
}

void
mob_object_set_inline(MobStep *step, MobRow *row, MobValue *value)
{
    bool again = was_lost(row);

    step->worker->inline_bytes += value->size;
    if (row->value != NULL)
        step->worker->inline_bytes -= row->value->size;
    mob_value_unref(row->value);
    row->value = value;
    row->state = MOB_ROW_INLINE;
    row->asked = false;
    mob_row_free_strays(step, row);
    if (row->owned || value->fault != 0)
        note_available(step, row, again);
    wake(step, row);
}

void
mob_object_set_stored(MobStep *step, MobRow *row, uint64_t size, uint64_t hash, MobNodeId node)
{
    bool again = was_lost(row);
    bool news = row->state != MOB_ROW_STORED;
    MobRowMore *more = mob_row_more(row);

    row->state = MOB_ROW_STORED;
    more->size = size;
    more->hash = hash;
    row->asked = false;
    if (find_node(row, node) < 0)
        add_copy(row, node);
    remove_stray(row, node);
    if (more->primary.v == 0)
        more->primary = node;
    if (row->owned && news)
        note_available(step, row, again);
    wake(step, row);
}

/* --- losing copies --- */

void
mob_object_lose_copy(MobStep *step, MobRow *row, MobNodeId node, const char *why)
{
    int at = find_node(row, node);

    remove_stray(row, node);
    if (at < 0)
        return;
    g_array_remove_index(row->more->nodes, (guint)at);
    mob_places_set(row, node, false);
    bool was_primary = row->more->primary.v == node.v || (row->pinning && at == 0);
    if (was_primary) {
        row->more->primary = (MobNodeId){0};
        row->pinning = false;
    }
    if (!row->owned || row->state != MOB_ROW_STORED)
        return;
    NOTE(step->out, OBJECT_COPY_LOST, .object = row->ref.id, .path = row->ref.path,
         .owner = row->ref.owner, .node = node, .reason = why);
    if (row->more->nodes->len > 0) {
        if (was_primary)
            mob_recover_later(step, row);
        mob_object_tell(step, row);
        return;
    }
    row->state = MOB_ROW_LOST;
    row->more->lost = step->input->event;
    NOTE(step->out, OBJECT_LOST, .object = row->ref.id, .path = row->ref.path,
         .owner = row->ref.owner, .node = node, .reason = why);
    mob_object_tell(step, row);
    mob_recover_later(step, row);
}

void
mob_objects_on_node_dead(MobStep *step, MobNodeId node)
{
    MobWorker *worker = step->worker;
    size_t at = 0;
    MobRow *row;

    while ((row = mob_table_next(worker->rows, &at))) {
        mob_object_lose_copy(step, row, node, "its node died");
        mob_places_node_dead(step, row, node);
    }
}

/* --- objects of other owners --- */

static void
ask_owner(MobStep *step, MobRow *row)
{
    MobGetStatus *ask = mob_get_status_new();

    ask->object = row->ref.id;
    row->asked = true;
    mob_send(step->out, row->ref.owner, ask);
}

void
mob_object_want(MobStep *step, MobRow *row)
{
    if (row->owned || row->asked || mob_row_is_available(row))
        return;
    if (mob_worker_is_dead(step->worker, row->ref.owner))
        mob_object_set_inline(step, row,
                              mob_worker_lost(step, MOB_LOST_OWNER_DEAD, &row->ref, NULL));
    else
        ask_owner(step, row);
}

void
mob_objects_on_owner_dead(MobStep *step, MobAddress worker, MobNodeId node)
{
    if (step->worker->borrowed_rows == 0)
        return;
    g_autoptr(GArray) hit = g_array_new(FALSE, FALSE, sizeof(MobObjectId));
    size_t at = 0;
    MobRow *row;
    while ((row = mob_table_next(step->worker->rows, &at))) {
        if (row->owned || (row->value != NULL && row->value->fault == MOB_FAULT_OWNER_DIED))
            continue;
        if (node.v != 0 ? row->ref.owner.node == node.v : mob_address_eq(row->ref.owner, worker))
            g_array_append_val(hit, row->ref.id);
    }
    for (guint i = 0; i < hit->len; i++) { /* one error may let the next row go */
        row = mob_row_find(step->worker, g_array_index(hit, MobObjectId, i));
        if (row != NULL)
            mob_object_set_inline(step, row,
                                  mob_worker_lost(step, MOB_LOST_OWNER_DEAD, &row->ref, NULL));
    }
}

void
mob_objects_again(MobStep *step, MobAddress peer)
{
    size_t at = 0;
    MobRow *row;

    if (step->worker->borrowed_rows == 0)
        return;
    while ((row = mob_table_next(step->worker->rows, &at)))
        if (!row->owned && row->asked && mob_address_eq(row->ref.owner, peer))
            ask_owner(step, row);
}

/* --- what others ask and tell --- */

static void
remember(GArray **where, MobAddress who)
{
    if (*where == NULL)
        *where = g_array_new(FALSE, FALSE, sizeof(MobAddress));
    for (guint i = 0; i < (*where)->len; i++)
        if (mob_address_eq(g_array_index(*where, MobAddress, i), who))
            return;
    g_array_append_vals(*where, &who, 1);
}

static void
on_get_status(MobStep *step)
{
    MobObjectId object = mob_get_status(step->input->msg)->object;
    MobRow *row = mob_row_find(step->worker, object);

    if (row != NULL && row->owned && row->state != MOB_ROW_FREED && !mob_row_is_available(row))
        remember(&mob_row_more(row)->askers, step->input->from);
    else
        send_status(step, row != NULL && row->owned ? row : NULL, object, step->input->from);
}

static void
on_object_status(MobStep *step)
{
    const MobObjectStatus *status = mob_object_status(step->input->msg);
    MobRow *row = mob_row_find(step->worker, status->object);

    if (row == NULL || row->owned || !row->asked ||
        !mob_address_eq(row->ref.owner, step->input->from))
        return;
    if (status->value != NULL) {
        mob_object_set_inline(step, row, mob_value_ref(status->value));
        return;
    }
    GArray *nodes = nodes_of(row);
    g_array_set_size(nodes, 0);
    g_array_append_vals(nodes, status->nodes.items, status->nodes.count);
    row->more->size = status->size;
    row->state = MOB_ROW_STORED;
    row->asked = false;
    wake(step, row);
}

/* Whether a copy is one too many: the object was freed while it was on its way,
 * or is small, or it is the value of an attempt that did not count. */
static bool
is_refused(const MobRow *row, uint64_t hash)
{
    return row == NULL || !row->owned || row->state == MOB_ROW_FREED ||
           row->state == MOB_ROW_INLINE ||
           (row->state == MOB_ROW_STORED && mob_object_hash(row) != hash);
}

static void
on_copy_made(MobStep *step, MobObjectId object, MobNodeId node, uint64_t hash)
{
    MobRow *row = mob_row_find(step->worker, object);

    if (row != NULL && row->state == MOB_ROW_STORED && find_node(row, node) >= 0)
        return;
    if (is_refused(row, hash)) {
        mob_row_free_on(step, object, node);
    } else if (row->state == MOB_ROW_LOST && mob_object_hash(row) == hash) {
        mob_object_set_stored(step, row, row->more->size, hash, node);
        row->more->primary =
            (MobNodeId){0}; /* the node does not know that it is the primary one now */
        mob_recover_later(step, row);
    } else if (row->state == MOB_ROW_STORED) {
        add_copy(row, node);
        mob_object_tell(step, row);
    } else {
        add_stray(row, node); /* the reply of its task or the answer to its put makes it count */
    }
}

static void
on_object_moved(MobStep *step)
{
    const MobObjectMoved *moved = mob_object_moved(step->input->msg);
    MobNodeId node = {step->input->from.node};

    for (uint32_t i = 0; i < moved->moves.count; i++) {
        const MobMove *move = &moved->moves.items[i];
        MobRow *row = mob_row_find(step->worker, move->object);
        if (move->here)
            on_copy_made(step, move->object, node, move->hash);
        else if (row != NULL)
            mob_object_lose_copy(step, row, node, "its node dropped it");
    }
}

void
mob_objects_on_message(MobStep *step)
{
    switch (step->input->msg->type) {
    case MOB_MSG_GET_STATUS:
        on_get_status(step);
        break;
    case MOB_MSG_OBJECT_STATUS:
        on_object_status(step);
        break;
    case MOB_MSG_SUBSCRIBE_LOCATIONS:
        mob_places_on_subscribe(step);
        break;
    case MOB_MSG_UNSUBSCRIBE_LOCATIONS:
        mob_places_on_unsubscribe(step);
        break;
    default:
        on_object_moved(step);
        break;
    }
}
