/* worker_nodes.c: which machines and workers a worker knows of, and who is told
 * when one of them comes or dies.
 *
 * Death is final: what is said of a dead one afterwards is not believed. When
 * more machines are known than before, waiting tasks ask for more leases.
 */
#include "runtime/worker_parts.h"

/* --- whom we know --- */

static MobPeerNode *
add_peer(MobWorker *worker, const MobView *view)
{
    MobPeerNode *peer = g_new0(MobPeerNode, 1);

    peer->node = view->node;
    peer->name = mob_str_ref(view->name);
    peer->alive = true;
    mob_table_add(worker->nodes, mob_key_word(view->node.v), peer);
    return peer;
}

static const MobViews *
roll_of(const MobWorker *worker)
{
    static const MobViews none = {0};

    return worker->roll != NULL ? &mob_worker_registered(worker->roll)->views : &none;
}

MobPeerNode *
mob_worker_peer(MobWorker *worker, MobNodeId node)
{
    MobPeerNode *peer = mob_table_get(worker->nodes, mob_key_word(node.v));
    const MobViews *roll = roll_of(worker);

    for (uint32_t i = 0; peer == NULL && i < roll->count; i++)
        if (roll->items[i].node.v == node.v)
            peer = add_peer(worker, &roll->items[i]);
    return peer;
}

MobPeerNode *
mob_worker_peer_by_name(MobWorker *worker, const MobStr *name)
{
    const MobViews *roll = roll_of(worker);
    MobPeerNode *peer;
    MobPeerNode *found = NULL;
    size_t at = 0;

    for (uint32_t i = 0; i < roll->count; i++)
        if (mob_str_eq(roll->items[i].name, name))
            mob_worker_peer(worker, roll->items[i].node);
    while ((peer = mob_table_next(worker->nodes, &at)))
        if (peer->alive && mob_str_eq(peer->name, name) &&
            (found == NULL || peer->node.v > found->node.v))
            found = peer;
    return found;
}

bool
mob_worker_is_dead(const MobWorker *worker, MobAddress process)
{
    if (worker->dead_nodes > 0) {
        const MobPeerNode *peer = mob_table_get(worker->nodes, mob_key_word(process.node));
        if (peer != NULL && !peer->alive)
            return true;
    }
    return worker->dead_workers > 0 &&
           mob_table_get(worker->dead, mob_key_address(process)) != NULL;
}

void
mob_worker_name(MobWorker *worker, MobAddress process, GString *into)
{
    const MobPeerNode *peer = mob_worker_peer(worker, (MobNodeId){process.node});

    if (mob_address_eq(process, worker->gcs))
        g_string_append(into, "gcs");
    else if (process.local >= MOB_LOCAL_WORKER && process.local < MOB_LOCAL_POOL)
        g_string_append(into, "driver");
    else if (peer == NULL)
        g_string_append_printf(into, "node %u", process.node);
    else
        g_string_append(into, mob_str(peer->name));
    if (process.local >= MOB_LOCAL_POOL)
        g_string_append_printf(into, "/w%u", process.local - MOB_LOCAL_POOL);
}

void
mob_worker_say_owner(MobWorker *worker, const MobRef *ref, GString *into)
{
    const MobPeerNode *peer = mob_worker_peer(worker, (MobNodeId){ref->owner.node});
    const MobDeadWorker *dead = mob_table_get(worker->dead, mob_key_address(ref->owner));
    const char *machine = peer != NULL                            ? mob_str(peer->name)
                          : dead != NULL && dead->machine != NULL ? mob_str(dead->machine)
                                                                  : NULL;
    g_autofree char *why = NULL;

    if (dead != NULL)
        why = g_strdup(mob_str(dead->reason));
    else if (peer != NULL && !peer->alive)
        why = g_strdup_printf("%s died: %s", machine, mob_str(peer->reason));
    mob_lost_say_owner(ref, machine, why, into);
}

void
mob_worker_dead_free(MobDeadWorker *dead)
{
    mob_str_unref(dead->machine);
    mob_str_unref(dead->reason);
    g_free(dead);
}

/* --- nodes and workers come and go --- */

static void
node_died(MobStep *step, MobPeerNode *peer)
{
    MobNodeId node = peer->node;

    mob_objects_on_node_dead(step, node);
    mob_own_leases_on_node_dead(step, node);
    mob_objects_on_owner_dead(step, (MobAddress){0}, node);
    mob_borrow_on_dead(step, (MobAddress){0}, node);
    mob_free_forget_dead(step);
    mob_pins_forget_dead(step);
}

/* Takes in what is said of a node; true if it is news that it is dead. */
static bool
learn(MobWorker *worker, const MobView *view)
{
    MobPeerNode *peer = mob_worker_peer(worker, view->node);

    if (peer == NULL) {
        peer = add_peer(worker, view);
        worker->alive_nodes++;
    }
    if (!peer->alive || view->alive)
        return false; /* death is final */
    peer->alive = false;
    peer->reason = mob_str_ref(view->reason);
    worker->alive_nodes--;
    worker->dead_nodes++;
    return true;
}

static void
learn_all(MobStep *step, const MobViews *views)
{
    uint32_t before = step->worker->alive_nodes;

    for (uint32_t i = 0; i < views->count; i++)
        if (learn(step->worker, &views->items[i]))
            node_died(step, mob_worker_peer(step->worker, views->items[i].node));
    if (step->worker->alive_nodes > before)
        mob_own_leases_pump_all(step);
}

/* The roll is shared with the other workers of the machine; only those on it
 * that are dead already are taken down one by one. A newer one has all that
 * the one before had. */
void
mob_worker_take_roll(MobStep *step)
{
    MobWorker *worker = step->worker;
    const MobViews *views = &mob_worker_registered(step->input->msg)->views;
    uint32_t alive = 0;

    mob_msg_unref(worker->roll);
    worker->roll = mob_msg_ref((MobMsg *)step->input->msg);
    for (uint32_t i = 0; i < views->count; i++)
        alive += views->items[i].alive;
    for (uint32_t i = 0; i < views->count; i++) {
        bool died = !views->items[i].alive && learn(worker, &views->items[i]);
        worker->alive_nodes = alive; /* as the roll has it, whoever of the dead was counted */
        if (died)
            node_died(step, mob_worker_peer(worker, views->items[i].node));
    }
    mob_own_leases_pump_all(step); /* a body may run already */
}

void
mob_worker_on_node_changed(MobStep *step)
{
    const MobViews *views = &mob_node_changed(step->input->msg)->views;

    learn_all(step, views);
    for (uint32_t i = 0; i < views->count; i++)
        if (!views->items[i].alive) { /* registrations with its processes are settled */
            size_t at = 0;
            MobRegistration *registration;
            g_autoptr(GArray) owners = g_array_new(FALSE, FALSE, sizeof(MobAddress));
            while ((registration = mob_table_next(step->worker->registrations, &at)))
                if (registration->owner.node == views->items[i].node.v)
                    g_array_append_vals(owners, &registration->owner, 1);
            for (guint k = 0; k < owners->len; k++)
                mob_borrow_again(step, g_array_index(owners, MobAddress, k));
        }
}

void
mob_worker_on_worker_died(MobStep *step)
{
    MobWorker *worker = step->worker;
    const MobWorkerDied *news = mob_worker_died(step->input->msg);
    MobKey key = mob_key_address(news->worker);

    if (mob_address_eq(news->worker, worker->base.address) ||
        mob_table_get(worker->dead, key) != NULL)
        return;
    MobView machine = {.node = {news->worker.node}, .name = news->machine, .alive = true};
    if (news->machine != NULL) /* it may not have been heard of */
        learn_all(step, &(MobViews){&machine, 1});
    MobDeadWorker *dead = g_new(MobDeadWorker, 1);
    *dead = (MobDeadWorker){mob_str_ref(news->machine), mob_str_ref(news->reason)};
    mob_table_add(worker->dead, key, dead);
    worker->dead_workers++;
    mob_own_leases_on_worker_dead(step, news->worker, mob_str(news->reason));
    mob_objects_on_owner_dead(step, news->worker, (MobNodeId){0});
    mob_borrow_on_dead(step, news->worker, (MobNodeId){0});
    mob_borrow_again(step, news->worker);
    mob_free_forget_dead(step);
    mob_pins_forget_dead(step);
}
