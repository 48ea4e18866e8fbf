/* gcs_nodes.c: who is in the cluster.
 *
 * A node joins by registering and lives as long as it answers probes: when
 * health_misses of them in a row go unanswered it is declared dead, which is
 * final. The machine may well live on behind a cut link, so it is told by a
 * Fence: at once, because it may have nothing to say for ever, and again
 * whenever it says something. A Fence that is lost takes its connection along,
 * and then the node registers once more.
 *
 * Who is dead, all must know; who lives and has what, only some: gcs_view.c.
 *
 * A node registers again when no answer comes. If the connection holds, the
 * answer is on its way and is not repeated; if it broke, the node is told all
 * anew (resync).
 */
#include "runtime/gcs_parts.h"

#include <string.h>

GcsNode *
mob_gcs_find_node(const Gcs *gcs, uint32_t node)
{
    return mob_table_get(gcs->by_id, mob_key_word(node));
}

static GcsNode *
node_at(const Gcs *gcs, guint i)
{
    return g_ptr_array_index(gcs->nodes, i);
}

void
mob_gcs_publish(Gcs *gcs, MobMsg *msg, MobOutbox *out)
{
    for (guint i = 0; i < gcs->nodes->len; i++) {
        const GcsNode *node = node_at(gcs, i);
        if (node->view.alive)
            mob_send(out, mob_gcs_manager(node), mob_msg_ref(msg));
    }
    mob_msg_unref(msg);
}

static void
persist_node(const GcsNode *node, MobOutbox *out)
{
    g_auto(MobBuf) buf = {0};

    mob_record_encode(MOB_RECORD_view, &node->view, &buf);
    mob_persist(out, mob_str_printf("node/%" G_GUINT32_FORMAT, node->view.node.v),
                g_bytes_new(buf.data, buf.length));
}

static GcsNode *
add_node(Gcs *gcs)
{
    GcsNode *node = g_new0(GcsNode, 1);

    node->answered = gcs->round;
    g_ptr_array_add(gcs->nodes, node);
    return node;
}

bool
mob_gcs_load_node(Gcs *gcs, const MobPersisted *record)
{
    size_t size;
    const uint8_t *bytes = g_bytes_get_data(record->value, &size);
    MobView *view = mob_record_decode(MOB_RECORD_view, bytes, size, NULL);

    if (view == NULL || mob_gcs_find_node(gcs, view->node.v) != NULL) {
        mob_record_free(MOB_RECORD_view, view);
        return false;
    }
    GcsNode *node = add_node(gcs);
    mob_view_copy(&node->view, view);
    mob_record_free(MOB_RECORD_view, view);
    mob_table_add(gcs->by_id, mob_key_word(node->view.node.v), node);
    node->resync = true;
    gcs->alive += node->view.alive;
    return true;
}

/* --- joining --- */

/* Probing stops with the last node and starts with the first. */
static void
set_health_timer(const Gcs *gcs, const MobInput *input, MobOutbox *out)
{
    mob_set_timer(out, MOB_TIMER_HEALTH, input->now + MAX(gcs->config->health_period, 1));
}

/* Takes @node out of the living, for good. */
static void
bury(Gcs *gcs, GcsNode *node, MobStr *reason, MobNoteKind note, MobOutbox *out)
{
    g_assert(node->view.alive);
    node->view.alive = false;
    node->view.draining = false;
    mob_str_unref(node->view.reason);
    node->view.reason = reason;
    gcs->alive--;
    if (gcs->alive == 0)
        mob_stop_timer(out, MOB_TIMER_HEALTH);
    persist_node(node, out);
    mob_note(out, (MobNote){.kind = note,
                            .node = node->view.node,
                            .label = mob_str(node->view.name),
                            .reason = mob_str(reason)});
    mob_gcs_publish(gcs, mob_gcs_node_changed(node), out);
    mob_gcs_node_of_drivers_died(gcs, node->view.node, out);
}

static void
refuse_node(MobAddress to, MobStr *reason, MobOutbox *out)
{
    MobFence *msg = mob_fence_new();

    msg->reason = reason;
    mob_send(out, to, msg);
}

void
mob_gcs_fence(const GcsNode *node, MobOutbox *out)
{
    refuse_node(mob_gcs_manager(node), mob_str_ref(node->view.reason), out);
}

/* If it lives after all, it is to stop. */
static void
declare_dead(Gcs *gcs, GcsNode *node, MobStr *reason, MobOutbox *out)
{
    bury(gcs, node, reason, MOB_NOTE_NODE_DECLARED_DEAD, out);
    mob_gcs_fence(node, out);
}

static GcsNode *
find_living_namesake(const Gcs *gcs, const MobStr *name)
{
    for (guint i = gcs->nodes->len; i-- > 0;) {
        GcsNode *node = node_at(gcs, i);
        if (node->view.alive && mob_str_eq(node->view.name, name))
            return node;
    }
    return NULL;
}

static bool
amounts_are_sane(const MobResources *total)
{
    for (uint32_t i = 0; total->customs != NULL && i < total->customs->count; i++)
        if (total->customs->items[i].amount < 0)
            return false;
    return total->cpu >= 0 && total->memory >= 0;
}

static void
join(Gcs *gcs, const MobRegisterNode *msg, const MobInput *input, MobOutbox *out)
{
    GcsNode *node = add_node(gcs);

    node->view = (MobView){
        .node = msg->node,
        .name = mob_str_ref(msg->name),
        .alive = true,
        .total = mob_resources_copy(&msg->total),
        .available = mob_resources_copy(&msg->total),
    };
    mob_table_add(gcs->by_id, mob_key_word(msg->node.v), node);
    if (gcs->alive++ == 0)
        set_health_timer(gcs, input, out);
    persist_node(node, out);
    mob_note(out, (MobNote){.kind = MOB_NOTE_NODE_JOINED,
                            .node = msg->node,
                            .label = mob_str(node->view.name)});
    node->newcomer = true;
    node->follows = msg->follows;
    if (gcs->join_pending)
        return;
    gcs->join_pending = true;
    mob_set_timer(out, MOB_TIMER_JOIN, input->now + MAX(gcs->config->join_window, 1));
}

static MobMsg *
worker_died(const Gcs *gcs, const GcsDeadWorker *dead)
{
    const GcsNode *home = mob_gcs_find_node(gcs, dead->worker.node);
    MobWorkerDied *msg = mob_worker_died_new();

    msg->worker = dead->worker;
    msg->machine = home != NULL ? mob_str_ref(home->view.name) : NULL;
    msg->reason = mob_str_ref(dead->reason);
    return &msg->base;
}

void
mob_gcs_tell_the_dead(const Gcs *gcs, const GcsNode *node, MobOutbox *out)
{
    size_t at = 0;
    const GcsDeadWorker *dead;

    while ((dead = mob_table_next(gcs->dead_workers, &at))) {
        const GcsNode *home = mob_gcs_find_node(gcs, dead->worker.node);
        if (home != NULL && home->view.alive)
            mob_send(out, mob_gcs_manager(node), worker_died(gcs, dead));
    }
}

void
mob_gcs_on_register_node(Gcs *gcs, const MobInput *input, MobOutbox *out)
{
    const MobRegisterNode *msg = mob_register_node(input->msg);
    GcsNode *node = mob_gcs_find_node(gcs, msg->node.v);

    if (input->from.local != MOB_LOCAL_NODE || input->from.node != msg->node.v || msg->node.v == 0)
        return;         /* nobody registers another */
    if (node != NULL) { /* the answer is under way, or is given anew after this (resync) */
        node->follows |= msg->follows;
        return;
    }
    if (msg->name == NULL || !amounts_are_sane(&msg->total)) {
        refuse_node(input->from, mob_str_new("a node needs a name and resources of at least 0"),
                    out);
        return;
    }
    GcsNode *old = find_living_namesake(gcs, msg->name);
    if (old != NULL && old->view.node.v > msg->node.v) {
        refuse_node(input->from, mob_str_new("the machine has begun a newer life"), out);
        return;
    }
    if (old != NULL)
        declare_dead(gcs, old, mob_str_new("the machine was started again"), out);
    join(gcs, msg, input, out);
}

void
mob_gcs_on_unregister_node(Gcs *gcs, const MobInput *input, MobOutbox *out)
{
    const MobUnregisterNode *msg = mob_unregister_node(input->msg);
    GcsNode *node = mob_gcs_find_node(gcs, input->from.node);

    if (node == NULL || input->from.local != MOB_LOCAL_NODE)
        return;
    MobStr *reason = msg->reason != NULL ? mob_str_ref(msg->reason) : mob_str_new("it left");
    bury(gcs, node, reason, MOB_NOTE_NODE_LEFT, out);
}

/* --- health --- */

void
mob_gcs_on_health_reply(Gcs *gcs, const MobInput *input, MobOutbox *out)
{
    uint64_t number = mob_health_reply(input->msg)->number;
    GcsNode *node = mob_gcs_find_node(gcs, input->from.node);

    if (node != NULL && input->from.local == MOB_LOCAL_NODE && number <= gcs->round)
        node->answered = MAX(node->answered, number);
}

static void
declare_the_silent_dead(Gcs *gcs, MobOutbox *out)
{
    uint64_t limit = MAX(gcs->config->health_misses, 1);

    for (guint i = 0; i < gcs->nodes->len; i++) {
        GcsNode *node = node_at(gcs, i);
        if (!node->view.alive || gcs->round - node->answered < limit)
            continue;
        declare_dead(gcs, node, mob_str_printf("%" G_GUINT64_FORMAT " heartbeats missed", limit),
                     out);
    }
}

static void
probe(Gcs *gcs, const MobInput *input, MobOutbox *out)
{
    MobHealthCheck *msg = mob_health_check_new();

    msg->number = ++gcs->round;
    mob_gcs_publish(gcs, &msg->base, out);
    set_health_timer(gcs, input, out);
}

void
mob_gcs_on_health_timer(Gcs *gcs, const MobInput *input, MobOutbox *out)
{
    declare_the_silent_dead(gcs, out);
    if (gcs->alive == 0)
        return;
    if (mob_gcs_wires_are_full(gcs, input)) /* a probe would come too late */
        set_health_timer(gcs, input, out);
    else
        probe(gcs, input, out);
}

/* --- workers that died --- */

bool
mob_gcs_worker_is_dead(const Gcs *gcs, MobAddress worker)
{
    return mob_table_get(gcs->dead_workers, mob_key_address(worker)) != NULL;
}

static GcsDeadWorker *
add_dead_worker(Gcs *gcs, MobAddress worker, MobStr *reason)
{
    GcsDeadWorker *dead = g_new(GcsDeadWorker, 1);

    *dead = (GcsDeadWorker){worker, reason};
    mob_table_add(gcs->dead_workers, mob_key_address(worker), dead);
    return dead;
}

static void
persist_dead_worker(const GcsDeadWorker *dead, MobOutbox *out)
{
    MobCborWriter writer;

    mob_cbor_init(&writer);
    mob_cbor_array(&writer, 3);
    mob_cbor_int(&writer, dead->worker.node);
    mob_cbor_int(&writer, dead->worker.local);
    mob_gcs_put_str(&writer, dead->reason);
    mob_gcs_persist(out,
                    mob_str_printf("worker/%" G_GUINT32_FORMAT ".%" G_GUINT32_FORMAT,
                                   dead->worker.node, dead->worker.local),
                    &writer);
}

bool
mob_gcs_load_dead_worker(Gcs *gcs, const MobPersisted *record)
{
    MobCborReader reader = mob_gcs_read(record, 3);
    MobAddress worker = {mob_gcs_read_number(&reader), 0};

    worker.local = mob_gcs_read_number(&reader);
    g_autoptr(MobStr) reason = mob_gcs_read_str(&reader);
    if (reader.bad || mob_gcs_worker_is_dead(gcs, worker))
        return false;
    add_dead_worker(gcs, worker, g_steal_pointer(&reason));
    return true;
}

void
mob_gcs_on_worker_died(Gcs *gcs, const MobInput *input, MobOutbox *out)
{
    const MobWorkerDied *msg = mob_worker_died(input->msg);

    if (input->from.local != MOB_LOCAL_NODE || msg->worker.node != input->from.node ||
        msg->worker.local < MOB_LOCAL_WORKER)
        return; /* a node only knows about its own workers */
    if (mob_gcs_worker_is_dead(gcs, msg->worker))
        return;
    const GcsDeadWorker *dead = add_dead_worker(gcs, msg->worker, mob_str_ref(msg->reason));
    persist_dead_worker(dead, out);
    mob_gcs_publish(gcs, worker_died(gcs, dead), out);
    mob_gcs_driver_died(gcs, msg->worker, out);
}

/* --- after a broken connection, and after a restart --- */

void
mob_gcs_resync(Gcs *gcs, GcsNode *node, const MobInput *input, MobOutbox *out)
{
    node->resync = false;
    mob_gcs_welcome(gcs, node, input, out);
    mob_gcs_tell_the_dead(gcs, node, out);
    mob_gcs_resync_jobs(gcs, node, out);
}

void
mob_gcs_resume_nodes(Gcs *gcs, const MobInput *input, MobOutbox *out)
{
    MobGcsRestarted *msg = mob_gcs_restarted_new();

    msg->views = mob_gcs_dead_views(gcs);
    mob_gcs_publish(gcs, &msg->base, out);
    for (guint i = 0; i < gcs->nodes->len; i++)
        if (!node_at(gcs, i)->view.alive)
            mob_gcs_fence(node_at(gcs, i), out); /* it may have been told with the last breath */
    if (gcs->alive > 0)
        probe(gcs, input, out);
}

void
mob_gcs_dump_nodes(const Gcs *gcs, GString *into)
{
    size_t at = 0;
    const GcsDeadWorker *dead;

    for (guint i = 0; i < gcs->nodes->len; i++) {
        const GcsNode *node = node_at(gcs, i);
        g_string_append_printf(
            into, "node %" G_GUINT32_FORMAT " %s %s answered=%" G_GUINT64_FORMAT "%s%s%s ",
            node->view.node.v, mob_str(node->view.name),
            node->view.alive ? "alive" : mob_str(node->view.reason), node->answered,
            node->changed ? " changed" : "", node->resync ? " resync" : "",
            node->view.draining ? " draining" : "");
        mob_resources_print(&node->view.available, into);
        g_string_append(into, " of ");
        mob_resources_print(&node->view.total, into);
        g_string_append_c(into, '\n');
    }
    while ((dead = mob_table_next(gcs->dead_workers, &at)))
        g_string_append_printf(into, "dead %" G_GUINT32_FORMAT ":%" G_GUINT32_FORMAT " %s\n",
                               dead->worker.node, dead->worker.local, mob_str(dead->reason));
}

static void
dead_worker_free(void *data)
{
    GcsDeadWorker *dead = data;

    mob_str_unref(dead->reason);
    g_free(dead);
}

void
mob_gcs_free_nodes(Gcs *gcs)
{
    for (guint i = 0; i < gcs->nodes->len; i++) {
        mob_view_clear(&node_at(gcs, i)->view);
        g_free(node_at(gcs, i));
    }
    g_ptr_array_free(gcs->nodes, TRUE);
    mob_table_free(gcs->by_id);
    mob_table_free_full(gcs->dead_workers, dead_worker_free);
}
