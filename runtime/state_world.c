/* state_world.c: machines, processes and leases; see state.h. */
#include "runtime/state_parts.h"

/* --- machines --- */

Node *
mob_state_get_node(State *state, MobNodeId id, const char *name)
{
    Node *node = mob_table_get(state->nodes, mob_key_word(id.v));

    if (node != NULL) {
        if (*node->base.name == '\0' && name != NULL)
            node->base.name = mob_state_text(state, name);
        return node;
    }
    node = mob_state_alloc(state, sizeof *node);
    node->base.node = id;
    node->base.name = mob_state_text(state, name != NULL ? name : "");
    node->base.alive = true;
    mob_table_add(state->nodes, mob_key_word(id.v), node);
    g_ptr_array_add(state->base.nodes, node);
    return node;
}

static void
node_is_gone(State *state, Node *node, const char *reason)
{
    if (!node->base.alive)
        return;
    node->base.alive = false;
    node->base.died = state->event;
    node->base.died_at = state->now;
    node->base.reason = mob_state_text(state, reason);
    mob_state_drop_copies(state, node, "node died");
}

/* --- processes --- */

static Proc *
find_proc(const State *state, MobAddress address)
{
    return mob_table_get(state->procs, mob_key_address(address));
}

void
mob_state_on_born(MobWatcher *self, const MobProcInfo *info, MobWhen when)
{
    State *state = (State *)self;
    Proc *proc = mob_state_alloc(state, sizeof *proc);

    state->event = when.event;
    state->now = when.at;
    proc->base = (MobStateProc){
        .address = info->address,
        .name = mob_state_text(state, info->name),
        .node_name = mob_state_text(state, info->node_name),
        .role = info->role,
        .incarnation = info->incarnation,
        .alive = true,
        .born_at = when.at,
        .born = state->event,
    };
    mob_state_set(state->procs, mob_key_address(info->address), proc);
    g_ptr_array_add(state->base.procs, proc);
    if (info->role == MOB_ROLE_NODE)
        mob_state_get_node(state, (MobNodeId){info->address.node}, info->node_name);
    else if (info->role == MOB_ROLE_GCS)
        state->base.gcs_alive = true;
}

static void
proc_is_gone(State *state, Proc *proc, const char *why)
{
    if (!proc->base.alive)
        return;
    proc->base.alive = false;
    proc->base.died = state->event;
    proc->base.died_at = state->now;
    proc->base.why = mob_state_text(state, why);

    proc->last = proc->running;
    if (proc->running != NULL)
        mob_state_end_attempt(state, proc->running, "crashed");
    proc->running = NULL;
    if (proc->lease != NULL && proc->lease->to == 0) {
        proc->lease->to = state->event;
        proc->lease->to_at = state->now;
    }
    if (proc->owns)
        mob_state_drop_owner(state, proc->base.address);
    mob_state_drop_holder(state, proc->base.address);
    if (proc->base.role == MOB_ROLE_GCS)
        state->base.gcs_alive = false;
    if (proc->base.role == MOB_ROLE_DRIVER)
        mob_state_job_is_over(state);
    if (proc->base.role == MOB_ROLE_NODE) {
        Node *node = mob_table_get(state->nodes, mob_key_word(proc->base.address.node));
        if (node != NULL)
            mob_state_drop_copies(state, node, "node died");
    }
}

void
mob_state_on_died(MobWatcher *self, MobAddress address, const char *why, MobWhen when)
{
    State *state = (State *)self;
    Proc *proc = find_proc(state, address);

    state->event = when.event;
    state->now = when.at;
    if (proc != NULL)
        proc_is_gone(state, proc, why);
}

static void
on_worker(State *state, const MobNote *note)
{
    Proc *proc = find_proc(state, note->worker);

    if (proc == NULL)
        return;
    if (note->kind == MOB_NOTE_WORKER_DIED)
        proc_is_gone(state, proc, note->reason);
    else
        proc->base.blocked = note->kind == MOB_NOTE_WORKER_BLOCKED;
}

void
mob_state_on_machine(State *state, const MobNote *note)
{
    switch ((int)note->kind) {
    case MOB_NOTE_WORKER_DIED:
    case MOB_NOTE_WORKER_BLOCKED:
    case MOB_NOTE_WORKER_UNBLOCKED:
        on_worker(state, note);
        return;
    case MOB_NOTE_GCS_DIED:
        state->base.gcs_alive = false;
        return;
    case MOB_NOTE_GCS_RESTARTED:
        state->base.gcs_alive = true;
        return;
    default:
        break;
    }

    Node *node = mob_state_get_node(state, note->node, note->label);
    if (note->kind == MOB_NOTE_NODE_DECLARED_DEAD) {
        node->base.declared_dead = true;
        node->base.declared = state->event;
        if (node->base.reason == NULL)
            node->base.reason = mob_state_text(state, note->reason);
    } else if (note->kind != MOB_NOTE_NODE_JOINED) {
        node_is_gone(state, node, note->reason);
    } else if (node->base.joined == 0) {
        node->base.joined = state->event;
        node->base.joined_at = state->now;
    }
}

/* --- what was done to the cluster --- */

void
mob_state_on_fault(State *state, const MobNote *note)
{
    MobStateFault *fault;
    const char *target = note->text != NULL ? strchr(note->text, ' ') : NULL;

    for (guint i = state->base.faults->len; i-- > 0;) {
        fault = g_ptr_array_index(state->base.faults, i);
        if (fault->number < note->bytes)
            break;
        if (fault->number > note->bytes)
            continue;
        fault->to = state->event; /* it is healed */
        fault->to_at = state->now;
        return;
    }
    if (g_strcmp0(note->reason, "heal") == 0)
        return; /* of one that was given before we looked on */
    fault = mob_state_alloc(state, sizeof *fault);
    *fault = (MobStateFault){
        .number = (uint32_t)note->bytes,
        .verb = mob_state_text(state, note->reason),
        .target = mob_state_text(state, target != NULL ? target + 1 : ""),
        .line = note->line,
        .from = state->event,
        .from_at = state->now,
    };
    g_ptr_array_add(state->base.faults, fault);
}

/* --- leases --- */

void
mob_state_on_lease(State *state, const MobNote *note)
{
    MobKey key = mob_key_lease(note->lease);
    MobStateLease *lease = mob_table_get(state->leases, key);

    if (note->kind == MOB_NOTE_LEASE_RETURNED) {
        if (lease == NULL)
            return;
        mob_table_take(state->leases, key);
        if (lease->to == 0) {
            lease->to = state->event;
            lease->to_at = state->now;
        }
        return;
    }
    if (lease != NULL)
        return; /* the owner heard of it, after its node manager */
    lease = mob_state_alloc(state, sizeof *lease);
    *lease = (MobStateLease){
        .lease = note->lease,
        .worker = note->worker,
        .node = note->node,
        .from = state->event,
        .from_at = state->now,
    };
    mob_table_add(state->leases, key, lease);
    g_ptr_array_add(state->base.leases, lease);

    Proc *proc = find_proc(state, note->worker);
    if (proc != NULL)
        proc->lease = lease;
}

/* --- what is looked up --- */

MobStateNode *
mob_state_node(const MobState *state, const char *name)
{
    for (guint i = state->nodes->len; i-- > 0;) {
        MobStateNode *node = g_ptr_array_index(state->nodes, i);
        if (g_str_equal(node->name, name))
            return node;
    }
    return NULL;
}

MobStateProc *
mob_state_proc(const MobState *state, const char *name)
{
    for (guint i = state->procs->len; i-- > 0;) {
        MobStateProc *proc = g_ptr_array_index(state->procs, i);
        if (g_str_equal(proc->name, name))
            return proc;
    }
    return NULL;
}

MobStateNode *
mob_state_node_by_id(const MobState *base, MobNodeId node)
{
    const State *state = (const State *)base;

    return mob_table_get(state->nodes, mob_key_word(node.v));
}

MobStateProc *
mob_state_proc_by_address(const MobState *base, MobAddress address)
{
    return (MobStateProc *)find_proc((const State *)base, address);
}

const char *
mob_state_proc_name(const MobState *base, MobAddress address)
{
    const Proc *proc = find_proc((const State *)base, address);

    return proc != NULL ? proc->base.name : "";
}

const char *
mob_state_node_name(const MobState *base, MobNodeId id)
{
    const MobStateNode *node = mob_state_node_by_id(base, id);

    return node != NULL ? node->name : "";
}
