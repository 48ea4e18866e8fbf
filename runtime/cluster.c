/* cluster.c: see cluster.h. */
#include "runtime/cluster.h"

enum {
    DEAD_WORKERS_MAX = 100000 /* Ray: maximum_gcs_dead_worker_cached_count */
};

static void
clear_peer(void *data)
{
    MobPeer *peer = data;

    mob_str_unref(peer->name);
    mob_str_unref(peer->reason);
    mob_resources_clear(&peer->total);
    mob_resources_clear(&peer->reported);
    mob_resources_clear(&peer->available);
}

void
mob_cluster_init(MobCluster *cluster, MobNodeId self, const MobConfig *config)
{
    *cluster = (MobCluster){.self = self, .self_index = UINT32_MAX, .debts_due = MOB_TIME_NEVER};
    cluster->peers = g_array_new(false, true, sizeof(MobPeer));
    g_array_set_clear_func(cluster->peers, clear_peer);
    cluster->places = mob_table_new();
    cluster->dead_workers = mob_recent_new(DEAD_WORKERS_MAX);
    /* Long enough for the grant there to be reported, published and back. */
    cluster->debts_last = 2 * (config->report_period + config->view_period);
}

void
mob_cluster_clear(MobCluster *cluster)
{
    g_array_unref(cluster->peers);
    mob_table_free(cluster->places);
    mob_recent_free(cluster->dead_workers);
}

/* How full a resource is, 1/1000; memory is in bytes, hence the shift. */
static uint32_t
fullness(int64_t total, int64_t available)
{
    int64_t used = total - available;

    if (total <= 0 || used <= 0)
        return 0;
    if (total > INT64_MAX / 1024) {
        total >>= 10;
        used >>= 10;
    }
    return (uint32_t)MIN(used * 1000 / total, 1000);
}

uint32_t
mob_cluster_fullness(const MobResources *total, const MobResources *available)
{
    return MAX(fullness(total->cpu, available->cpu), fullness(total->memory, available->memory));
}

static void
rate(MobPeer *peer)
{
    peer->score = mob_cluster_fullness(&peer->total, &peer->available);
}

static void
assign(MobResources *to, const MobResources *from)
{
    if (to->customs == from->customs) {
        to->cpu = from->cpu;
        to->memory = from->memory;
        return;
    }
    mob_resources_clear(to);
    *to = mob_resources_copy(from);
}

MobPeer *
mob_cluster_peer(const MobCluster *cluster, MobNodeId node)
{
    size_t place = GPOINTER_TO_SIZE(mob_table_get(cluster->places, mob_key_word(node.v)));

    return place != 0 ? mob_cluster_peer_at(cluster, (uint32_t)place - 1) : NULL;
}

MobPeer *
mob_cluster_peer_by_name(const MobCluster *cluster, const MobStr *name)
{
    for (uint32_t i = cluster->peers->len; i-- > 0;) {
        MobPeer *peer = mob_cluster_peer_at(cluster, i);
        if (peer->alive && mob_str_eq(peer->name, name))
            return peer;
    }
    return NULL;
}

static MobPeerNews
add_peer(MobCluster *cluster, const MobView *view)
{
    MobPeer peer = {.id = view->node,
                    .name = mob_str_ref(view->name),
                    .reason = mob_str_ref(view->reason),
                    .alive = view->alive,
                    .draining = view->draining,
                    .total = mob_resources_copy(&view->total),
                    .reported = mob_resources_copy(&view->available),
                    .available = mob_resources_copy(&view->available)};

    rate(&peer);
    g_array_append_val(cluster->peers, peer);
    mob_table_add(cluster->places, mob_key_word(view->node.v),
                  GSIZE_TO_POINTER((size_t)cluster->peers->len));
    if (view->node.v == cluster->self.v)
        cluster->self_index = cluster->peers->len - 1;
    cluster->alive_count += view->alive;
    return view->alive ? MOB_PEER_JOINED : MOB_PEER_DIED;
}

static MobPeerNews
kill_peer(MobCluster *cluster, MobPeer *peer, const MobView *view)
{
    if (!peer->alive)
        return MOB_PEER_SAME;
    peer->alive = false;
    mob_str_unref(peer->reason);
    peer->reason = mob_str_ref(view->reason);
    cluster->alive_count--;
    return MOB_PEER_DIED;
}

MobPeerNews
mob_cluster_learn(MobCluster *cluster, const MobView *view)
{
    MobPeer *peer = mob_cluster_peer(cluster, view->node);

    if (view->node.v == 0)
        return MOB_PEER_SAME; /* nobody */
    if (peer == NULL)
        return add_peer(cluster, view);
    if (!view->alive)
        return kill_peer(cluster, peer, view);
    if (!peer->alive || view->node.v == cluster->self.v)
        return MOB_PEER_SAME;

    peer->draining = view->draining;
    assign(&peer->reported, &view->available);
    assign(&peer->available, &view->available);
    peer->debited_at = 0;
    rate(peer);
    return MOB_PEER_CHANGED;
}

void
mob_cluster_set_self(MobCluster *cluster, const MobResources *available, bool draining)
{
    if (cluster->self_index == UINT32_MAX)
        return;
    MobPeer *self = mob_cluster_peer_at(cluster, cluster->self_index);
    self->draining = draining;
    assign(&self->available, available);
    rate(self);
}

void
mob_cluster_debit(MobCluster *cluster, MobNodeId node, const MobResources *needs, MobTime now)
{
    MobPeer *peer = mob_cluster_peer(cluster, node);

    g_assert(peer != NULL);
    mob_resources_add(&peer->available, needs, -1);
    rate(peer);
    peer->debited_at = MAX(now, 1);
    cluster->debts_due = MIN(cluster->debts_due, peer->debited_at + cluster->debts_last);
}

bool
mob_cluster_settle(MobCluster *cluster, MobTime now)
{
    bool any = false;

    if (now < cluster->debts_due)
        return false;
    cluster->debts_due = MOB_TIME_NEVER;
    for (uint32_t i = 0; i < cluster->peers->len; i++) {
        MobPeer *peer = mob_cluster_peer_at(cluster, i);
        if (peer->debited_at == 0)
            continue;
        MobTime due = peer->debited_at + cluster->debts_last;
        if (due > now) {
            cluster->debts_due = MIN(cluster->debts_due, due);
            continue;
        }
        peer->debited_at = 0;
        assign(&peer->available, &peer->reported);
        rate(peer);
        any = true;
    }
    return any;
}

bool
mob_cluster_bury(MobCluster *cluster, MobAddress worker, MobStr *reason)
{
    MobKey key = mob_key_address(worker);

    if (mob_recent_has(cluster->dead_workers, key))
        return false;
    mob_recent_add(cluster->dead_workers, key, mob_str_ref(reason));
    return true;
}

bool
mob_cluster_is_dead_node(const MobCluster *cluster, MobNodeId node)
{
    const MobPeer *peer = mob_cluster_peer(cluster, node);

    return peer != NULL && !peer->alive;
}

bool
mob_cluster_is_dead(const MobCluster *cluster, MobAddress process)
{
    return mob_cluster_is_dead_node(cluster, (MobNodeId){process.node}) ||
           mob_recent_has(cluster->dead_workers, mob_key_address(process));
}

void
mob_cluster_views(const MobCluster *cluster, MobViews *views)
{
    views->count = cluster->peers->len;
    views->items = g_new0(MobView, views->count);
    for (uint32_t i = 0; i < views->count; i++) {
        const MobPeer *peer = mob_cluster_peer_at(cluster, i);
        views->items[i] = (MobView){.node = peer->id,
                                    .name = mob_str_ref(peer->name),
                                    .alive = peer->alive,
                                    .draining = peer->draining,
                                    .reason = mob_str_ref(peer->reason),
                                    .total = mob_resources_copy(&peer->total),
                                    .available = mob_resources_copy(&peer->available)};
    }
}
