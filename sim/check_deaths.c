/* check_deaths.c: who is dead, who was told so, and what that forbids.
 *
 * What the dead still say changes nothing, for whoever knows. And while nothing
 * but deaths disturbs the cluster, they are noticed in time, and only they.
 */
#include "sim/check_parts.h"

/* --- faults --- */

void
mob_check_fault_note(MobCheck *check, const MobNote *note)
{
    static const char *const harmless[] = {"evict", "join", "leave", "restart", "disk"};

    check->disturbed = check->disturbed || g_strcmp0(note->reason, "join") != 0;
    bool gone = g_strcmp0(note->reason, "disk") == 0 && g_str_has_suffix(note->text, " gone");
    check->files_lost = check->files_lost || gone;
    check->evictions += gone || g_strcmp0(note->reason, "evict") == 0;
    for (size_t i = 0; i < G_N_ELEMENTS(harmless); i++)
        if (g_strcmp0(note->reason, harmless[i]) == 0)
            return;
    check->kills += g_strcmp0(note->reason, "kill") == 0;
    if (g_strcmp0(note->reason, "kill") != 0 || note->text == NULL ||
        strstr(note->text, "/node") != NULL || strstr(note->text, "gcs") != NULL)
        check->network_faults = true; /* a living node may look dead from now on */
}

bool
mob_check_is_licensed(const MobCheck *check, MobFaultKind kind)
{
    switch (kind) {
    case MOB_FAULT_WORKER_CRASHED:
    case MOB_FAULT_NODE_DIED:
    case MOB_FAULT_OWNER_DIED:
    case MOB_FAULT_OBJECT_LOST:
    case MOB_FAULT_RECONSTRUCTION:
    case MOB_FAULT_FETCH_TIMED_OUT:
        return check->kills > 0 || check->network_faults || check->evictions > 0;
    default:
        return true; /* the program's own, or it asked for more than there is */
    }
}

/* --- who was told of whose death --- */

enum {
    WHOLE_NODE = UINT32_MAX
};

static MobKey
death_key(MobAddress process, MobAddress who)
{
    return (MobKey){mob_address_word(process), mob_address_word(who)};
}

bool
mob_check_knows_dead(const MobCheck *check, MobAddress process, MobAddress who)
{
    MobAddress node = {who.node, WHOLE_NODE};

    return mob_table_count(check->deaths) > 0 &&
           (mob_table_get(check->deaths, death_key(process, who)) != NULL ||
            mob_table_get(check->deaths, death_key(process, node)) != NULL);
}

static void
learn(MobCheck *check, MobAddress process, MobAddress who)
{
    MobKey key = death_key(process, who);

    if (mob_table_get(check->deaths, key) == NULL)
        mob_table_add(check->deaths, key, check);
}

static void
learn_views(MobCheck *check, MobAddress process, const MobViews *views)
{
    for (uint32_t i = 0; i < views->count; i++)
        if (!views->items[i].alive)
            learn(check, process, (MobAddress){views->items[i].node.v, WHOLE_NODE});
}

void
mob_check_deaths_message(MobCheck *check, const MobEvent *event)
{
    const MobMsg *msg = event->input->msg;

    switch ((int)msg->type) {
    case MOB_MSG_NODE_CHANGED:
        learn_views(check, event->process, &mob_node_changed(msg)->views);
        break;
    case MOB_MSG_NODE_REGISTERED:
        learn_views(check, event->process, &mob_node_registered(msg)->views);
        break;
    case MOB_MSG_WORKER_REGISTERED:
        learn_views(check, event->process, &mob_worker_registered(msg)->views);
        break;
    case MOB_MSG_WORKER_DIED:
        if (event->role != MOB_ROLE_GCS)
            learn(check, event->process, mob_worker_died(msg)->worker);
        break;
    default:
        break;
    }
}

/* --- the dead are not believed --- */

static bool
is_effect(MobNoteKind kind)
{
    return kind <= MOB_NOTE_LEASE_RETURNED || kind == MOB_NOTE_NODE_JOINED ||
           kind == MOB_NOTE_JOB_STARTED || kind == MOB_NOTE_JOB_FINISHED;
}

static void
check_fencing(MobCheck *check, const MobEvent *event)
{
    const MobInput *input = event->input;

    if (input == NULL || input->kind != MOB_INPUT_MESSAGE || event->note_count == 0 ||
        input->from.local == MOB_LOCAL_GCS ||
        !mob_check_knows_dead(check, event->process, input->from))
        return;
    for (size_t i = 0; i < event->note_count; i++)
        if (is_effect(event->notes[i].kind))
            mob_check_fail(check, "I40", "fencing",
                           "%s is dead, as %s knows, and what it says still counts: %s",
                           mob_check_process_name(check, input->from),
                           mob_check_process_name(check, event->process),
                           mob_note_name(event->notes[i].kind));
}

/* --- detection --- */

enum {
    VIEW_BITS = 2000, /* of what is told of one node, with room to spare */
};

/* From a machine's death until the GCS must have noticed. It sends no probe
 * while the wires are full of what every node has for every node. */
static MobTime
node_bound(const MobCheck *check)
{
    const MobConfig *config = check->config;
    MobTime nodes = check->state->nodes->len;
    MobTime entry = VIEW_BITS * MOB_US / MAX(config->bandwidth, 1);

    return (MAX(config->health_misses, 1) + 3) * MAX(config->health_period, 1) +
           nodes * nodes * entry + config->join_window + 10 * config->hop;
}

static void
check_nodes_noticed(MobCheck *check, const MobEvent *event)
{
    const MobState *state = check->state;

    if (check->network_faults || !mob_check_affords(check, state->nodes->len))
        return;
    for (guint i = 0; i < state->nodes->len; i++) {
        const MobStateNode *node = state->nodes->pdata[i];
        MobTime since =
            MAX(node->died_at, check->gcs_since); /* nobody was there to notice before */
        if (node->alive || node->joined == 0 || since + node_bound(check) > event->at ||
            mob_check_knows_dead(check, event->process, mob_node_address(node->node.v)))
            continue;
        mob_check_fail(check, "I39", "detection", "%s died long ago, and the GCS has not noticed",
                       node->name);
    }
}

/* From a worker's death until its node manager must have noticed. */
static MobTime
worker_bound(const MobConfig *config)
{
    return 10 * config->ipc_hop + 10 * MOB_MS + (config->cost_node > 0 ? MOB_SECOND : 0);
}

static void
check_workers_noticed(MobCheck *check, const MobEvent *event)
{
    for (guint i = check->unreported->len; i-- > 0;) {
        const DeathSeen *death = &g_array_index(check->unreported, DeathSeen, i);
        MobAddress manager = mob_node_address(death->worker.node);
        if (check->network_faults || mob_check_process(check, manager) == NULL) {
            g_array_remove_index(check->unreported, i);
            continue;
        }
        if (!mob_address_eq(manager, event->process) ||
            death->at + worker_bound(check->config) > event->at)
            continue;
        mob_check_fail(check, "I39", "detection",
                       "%s died long ago, and its node manager has not noticed",
                       mob_check_process_name(check, death->worker));
    }
}

void
mob_check_proc_died(MobWatcher *watcher, MobAddress address, const char *why, MobWhen when)
{
    MobCheck *check = (MobCheck *)watcher;
    DeathSeen death = {address, when.at};

    if (address.local == MOB_LOCAL_GCS)
        check->gcs_since = MOB_TIME_NEVER;
    if (address.local >= MOB_LOCAL_POOL)
        g_array_append_val(check->unreported, death);
}

static void
worker_is_reported(MobCheck *check, MobAddress worker)
{
    for (guint i = check->unreported->len; i-- > 0;)
        if (mob_address_eq(g_array_index(check->unreported, DeathSeen, i).worker, worker))
            g_array_remove_index(check->unreported, i);
}

static void
on_declared_dead(MobCheck *check, const MobNote *note)
{
    if (!check->network_faults && mob_check_process(check, mob_node_address(note->node.v)) != NULL)
        mob_check_fail(check, "I39", "accuracy", "%s is declared dead, and it lives",
                       mob_state_node_name(check->state, note->node));
}

void
mob_check_death_note(MobCheck *check, const MobEvent *event, const MobNote *note)
{
    if (note->kind == MOB_NOTE_WORKER_DIED) {
        worker_is_reported(check, note->worker);
        return;
    }
    if (note->kind == MOB_NOTE_NODE_DECLARED_DEAD)
        on_declared_dead(check, note);
    learn(check, event->process, (MobAddress){note->node.v, WHOLE_NODE});
}

void
mob_check_deaths_event(MobCheck *check, const MobEvent *event)
{
    check_fencing(check, event);
    if (event->role == MOB_ROLE_GCS && check->gcs_since == MOB_TIME_NEVER)
        check->gcs_since = event->at;
    if (check->unreported->len > 0)
        check_workers_noticed(check, event);
    if (event->role == MOB_ROLE_GCS && event->input->kind == MOB_INPUT_TIMER &&
        event->input->timer == MOB_TIMER_HEALTH)
        check_nodes_noticed(check, event);
}
