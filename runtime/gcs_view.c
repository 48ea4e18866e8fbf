/* gcs_view.c: who is told which nodes there are, and what they have.
 *
 * What n nodes have is n entries, and sent to n nodes it is more than wires and
 * memories hold, with a thousand machines. So it goes to the few that need it:
 * those that *follow* the view, because owners are there whose tasks they
 * place. Such a node gets all of it when it begins, and then what changes.
 * Others are told of the dead alone, whom all must know.
 *
 * One message to many nodes is one message, shared. Nodes that join at about
 * the same time are welcomed and made known together. Where many nodes follow,
 * views fill the network card for a while; a probe that is sent behind them
 * would come late, so none is sent as long as more than a period's worth waits.
 */
#include "runtime/gcs_parts.h"

/* --- views --- */

typedef bool (*Test)(const GcsNode *node);

static bool
is_anybody(const GcsNode *node)
{
    return true;
}

static bool
is_dead(const GcsNode *node)
{
    return !node->view.alive;
}

static bool
is_newcomer(const GcsNode *node)
{
    return node->newcomer;
}

static bool
has_changed(const GcsNode *node)
{
    return node->changed;
}

static GcsNode *
node_at(const Gcs *gcs, guint i)
{
    return g_ptr_array_index(gcs->nodes, i);
}

static MobViews
copy_views(const Gcs *gcs, Test test)
{
    MobViews views = {0};

    for (guint i = 0; i < gcs->nodes->len; i++)
        views.count += test(node_at(gcs, i));
    views.items = g_new0(MobView, views.count);
    for (guint i = 0, at = 0; i < gcs->nodes->len; i++)
        if (test(node_at(gcs, i)))
            mob_view_copy(&views.items[at++], &node_at(gcs, i)->view);
    return views;
}

MobViews
mob_gcs_dead_views(const Gcs *gcs)
{
    return copy_views(gcs, is_dead);
}

MobMsg *
mob_gcs_node_changed(const GcsNode *node)
{
    MobNodeChanged *msg = mob_node_changed_new();

    msg->views = (MobViews){g_new0(MobView, 1), 1};
    mob_view_copy(msg->views.items, &node->view);
    return &msg->base;
}

/* --- who gets them --- */

/* @copies of @msg are going to be sent. */
static void
fill_wires(Gcs *gcs, const MobMsg *msg, uint64_t copies, MobTime now)
{
    uint64_t bits = mob_msg_weight(msg) * copies * 8;

    gcs->wires_free = MAX(gcs->wires_free, now) + bits * MOB_US / MAX(gcs->config->bandwidth, 1);
}

bool
mob_gcs_wires_are_full(const Gcs *gcs, const MobInput *input)
{
    return gcs->wires_free > input->now + gcs->config->health_period;
}

/* Sends @msg (transfer full) to every live node that follows the view. */
static void
tell_followers(Gcs *gcs, MobMsg *msg, MobTime now, MobOutbox *out)
{
    uint64_t copies = 0;

    for (guint i = 0; i < gcs->nodes->len; i++) {
        const GcsNode *node = node_at(gcs, i);
        if (!node->view.alive || !node->follows || node->newcomer)
            continue;
        mob_send(out, mob_gcs_manager(node), mob_msg_ref(msg));
        copies++;
    }
    fill_wires(gcs, msg, copies, now);
    mob_msg_unref(msg);
}

static MobMsg *
welcome_message(const Gcs *gcs, Test whom)
{
    MobNodeRegistered *msg = mob_node_registered_new();

    msg->views = copy_views(gcs, whom);
    msg->version = gcs->version;
    return &msg->base;
}

void
mob_gcs_welcome(Gcs *gcs, const GcsNode *node, const MobInput *input, MobOutbox *out)
{
    MobMsg *msg = welcome_message(gcs, node->follows ? is_anybody : is_dead);

    fill_wires(gcs, msg, 1, input->now);
    mob_send(out, mob_gcs_manager(node), msg);
}

void
mob_gcs_on_join_timer(Gcs *gcs, const MobInput *input, MobOutbox *out)
{
    MobNodeChanged *news = mob_node_changed_new();
    g_autoptr(MobMsg) hello = welcome_message(gcs, is_dead);

    gcs->join_pending = false;
    news->views = copy_views(gcs, is_newcomer);
    tell_followers(gcs, &news->base, input->now, out);
    for (guint i = 0; i < gcs->nodes->len; i++) {
        GcsNode *node = node_at(gcs, i);
        bool welcome = node->newcomer && node->view.alive;
        node->newcomer = false;
        if (!welcome)
            continue;
        if (node->follows)
            mob_gcs_welcome(gcs, node, input, out);
        else
            mob_send(out, mob_gcs_manager(node), mob_msg_ref(hello));
        mob_gcs_tell_the_dead(gcs, node, out);
    }
}

/* --- what nodes have --- */

static void
set_view_timer(Gcs *gcs, const MobInput *input, MobOutbox *out)
{
    if (gcs->view_pending)
        return;
    gcs->view_pending = true;
    mob_set_timer(out, MOB_TIMER_VIEW, input->now + MAX(gcs->config->view_period, 1));
}

static void
begin_to_follow(Gcs *gcs, GcsNode *node, const MobInput *input, MobOutbox *out)
{
    MobResourceView *all = mob_resource_view_new();

    node->follows = true;
    all->version = gcs->version;
    all->views = copy_views(gcs, is_anybody);
    fill_wires(gcs, &all->base, 1, input->now);
    mob_send(out, input->from, all);
}

void
mob_gcs_on_report_resources(Gcs *gcs, const MobInput *input, MobOutbox *out)
{
    const MobReportResources *msg = mob_report_resources(input->msg);
    GcsNode *node = mob_gcs_find_node(gcs, input->from.node);

    if (node == NULL || input->from.local != MOB_LOCAL_NODE)
        return; /* it will register */
    bool drains = msg->draining != node->view.draining;
    if (msg->follows && !node->follows)
        begin_to_follow(gcs, node, input, out);
    if (!drains && mob_resources_eq(&node->view.available, &msg->available))
        return;
    mob_resources_clear(&node->view.available);
    node->view.available = mob_resources_copy(&msg->available);
    node->view.draining = msg->draining;
    node->changed = true;
    set_view_timer(gcs, input, out);
    if (drains)
        tell_followers(gcs, mob_gcs_node_changed(node), input->now, out);
}

void
mob_gcs_on_view_timer(Gcs *gcs, const MobInput *input, MobOutbox *out)
{
    MobResourceView *msg = mob_resource_view_new();

    gcs->view_pending = false;
    msg->version = ++gcs->version;
    msg->views = copy_views(gcs, has_changed);
    for (guint i = 0; i < gcs->nodes->len; i++)
        node_at(gcs, i)->changed = false;
    tell_followers(gcs, &msg->base, input->now, out);
}
