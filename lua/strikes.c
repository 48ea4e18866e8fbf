/* strikes.c: what chaos does when its time has come: whom it hits.
 *
 * Every choice is a pick, keyed by the class and the number of the strike, so
 * that a run can be replayed and shrunk choice by choice. What is not there to
 * be hit is passed over: chaos gives no order that cannot be carried out.
 */
#include "lua/chaos_parts.h"

static uint64_t
choose(MobChaos *chaos, MobChaosKind kind, uint64_t what, uint64_t n)
{
    MobControl *control = chaos->scene->control;
    uint64_t key = mob_mix((uint64_t)kind << 32 | what) ^ mob_mix(chaos->classes[kind].strikes);

    return mob_pick(control->picks(control), MOB_PICK_FAULT, key, n, 0);
}

static MobFaultRecord *
give(MobChaos *chaos, MobChaosKind kind, MobOrder *order)
{
    MobScene *scene = chaos->scene;
    GError *error = NULL;
    MobFaultRecord *fault;

    order->file = scene->scenario->file;
    order->line = chaos->classes[kind].line;
    fault = mob_fault_give(scene, order, true, &error);
    g_clear_error(&error);
    if (fault != NULL && chaos->classes[kind].lasts != MOB_TIME_NEVER)
        mob_fault_heal_after(fault, chaos->classes[kind].lasts);
    return fault;
}

/* --- who may be hit --- */

static bool
holds_only_put(const MobState *state, MobNodeId node)
{
    for (guint i = 0; i < state->objects->len; i++) {
        const MobStateObject *object = state->objects->pdata[i];
        if (object->put && mob_state_sole_holder(object).v == node.v)
            return true;
    }
    return false;
}

static bool
has_live_driver(const MobState *state, const char *node)
{
    for (guint i = 0; i < state->procs->len; i++) {
        const MobStateProc *proc = state->procs->pdata[i];
        if (proc->role == MOB_ROLE_DRIVER && proc->alive && g_strcmp0(proc->node_name, node) == 0)
            return true;
    }
    return false;
}

static bool
is_spared(const MobChaos *chaos, const MobStateNode *node)
{
    const MobState *state = chaos->scene->state;

    if (chaos->spare_driver_node &&
        (strcmp(node->name, "head") == 0 || has_live_driver(state, node->name)))
        return true;
    if (chaos->spared != NULL && g_strv_contains((const char *const *)chaos->spared, node->name))
        return true;
    return chaos->spare_puts && holds_only_put(state, node->node);
}

/* How many machines are down: newest lives that are over. */
static uint32_t
count_down(const MobState *state)
{
    uint32_t down = 0;

    for (guint i = 0; i < state->nodes->len; i++) {
        const MobStateNode *node = state->nodes->pdata[i];
        if (!node->alive && mob_state_node(state, node->name) == node)
            down++;
    }
    return down;
}

static GPtrArray *
live_machines(const MobChaos *chaos, bool spare)
{
    const MobState *state = chaos->scene->state;
    GPtrArray *names = g_ptr_array_new();

    for (guint i = 0; i < state->nodes->len; i++) {
        MobStateNode *node = state->nodes->pdata[i];
        if (node->alive && !(spare && is_spared(chaos, node)))
            g_ptr_array_add(names, (void *)node->name);
    }
    return names;
}

static GPtrArray *
live_processes(const MobChaos *chaos, MobRole role)
{
    const MobState *state = chaos->scene->state;
    GPtrArray *names = g_ptr_array_new();

    for (guint i = 0; i < state->procs->len; i++) {
        MobStateProc *proc = state->procs->pdata[i];
        if (proc->alive && proc->role == role)
            g_ptr_array_add(names, (void *)proc->name);
    }
    return names;
}

static GPtrArray *
candidates(const MobChaos *chaos, MobChaosTarget target, bool kills)
{
    switch (target) {
    case MOB_TARGET_WORKER:
        return live_processes(chaos, MOB_ROLE_WORKER);
    case MOB_TARGET_DRIVER:
        return live_processes(chaos, MOB_ROLE_DRIVER);
    case MOB_TARGET_GCS:
        return live_processes(chaos, MOB_ROLE_GCS);
    case MOB_TARGET_NODE:
    default:
        if (kills && count_down(chaos->scene->state) >= chaos->max_down)
            return g_ptr_array_new();
        return live_machines(chaos, kills);
    }
}

/* One of those that may be hit, (transfer full); NULL if there is none. */
static char *
choose_victim(MobChaos *chaos, MobChaosKind kind, MobChaosTarget *target)
{
    MobChaosClass *class = &chaos->classes[kind];
    GPtrArray *names;
    char *victim = NULL;

    *target = (MobChaosTarget) class->of[choose(chaos, kind, 1, class->of_count)];
    names = candidates(chaos, *target, kind == MOB_CHAOS_KILL);
    if (names->len > 0)
        victim = g_strdup(names->pdata[choose(chaos, kind, 2, names->len)]);
    g_ptr_array_unref(names);
    return victim;
}

/* --- strikes --- */

static bool
strike_kill(MobChaos *chaos)
{
    MobChaosClass *class = &chaos->classes[MOB_CHAOS_KILL];
    MobChaosTarget target;
    char *victim = choose_victim(chaos, MOB_CHAOS_KILL, &target);
    MobOrder order = {.verb = MOB_VERB_KILL, .target = victim};
    MobTime restart = class->restart;
    bool struck = victim != NULL && give(chaos, MOB_CHAOS_KILL, &order) != NULL;

    if (target == MOB_TARGET_GCS && restart == MOB_TIME_NEVER)
        restart = 50 * MOB_MS; /* a cluster without one comes to nothing */
    if (struck && restart != MOB_TIME_NEVER &&
        (target == MOB_TARGET_NODE || target == MOB_TARGET_GCS))
        mob_restart_after(chaos->scene, victim, false, restart, class->line, true);
    g_free(victim);
    return struck;
}

static bool
strike_slow(MobChaos *chaos)
{
    GPtrArray *names = live_machines(chaos, false);
    MobOrder order = {.verb = MOB_VERB_SLOW, .speed_ppm = chaos->classes[MOB_CHAOS_SLOW].speed_ppm};
    bool struck = false;

    if (names->len > 0) {
        order.target = names->pdata[choose(chaos, MOB_CHAOS_SLOW, 2, names->len)];
        struck = give(chaos, MOB_CHAOS_SLOW, &order) != NULL;
    }
    g_ptr_array_unref(names);
    return struck;
}

static bool
strike_pause(MobChaos *chaos)
{
    MobChaosTarget target;
    char *victim = choose_victim(chaos, MOB_CHAOS_PAUSE, &target);
    MobOrder order = {.verb = MOB_VERB_PAUSE, .target = victim};
    bool struck = victim != NULL && give(chaos, MOB_CHAOS_PAUSE, &order) != NULL;

    g_free(victim);
    return struck;
}

static bool
strike_disk(MobChaos *chaos)
{
    MobChaosClass *class = &chaos->classes[MOB_CHAOS_DISK];
    GPtrArray *names = live_machines(chaos, false);
    MobOrder order = {
        .verb = MOB_VERB_DISK, .trouble = class->trouble, .speed_ppm = class->speed_ppm};
    bool struck = false;

    if (names->len > 0) {
        order.target = names->pdata[choose(chaos, MOB_CHAOS_DISK, 2, names->len)];
        struck = give(chaos, MOB_CHAOS_DISK, &order) != NULL;
    }
    g_ptr_array_unref(names);
    return struck;
}

static bool
cut_halves(MobChaos *chaos, const GPtrArray *names, guint first)
{
    guint half = names->len / 2;
    bool struck = false;

    for (guint i = 0; i < half; i++)
        for (guint j = half; j < names->len; j++) {
            MobOrder order = {.verb = MOB_VERB_CUT,
                              .from = names->pdata[(first + i) % names->len],
                              .to = names->pdata[(first + j) % names->len]};
            struck |= give(chaos, MOB_CHAOS_CUT, &order) != NULL;
        }
    return struck;
}

static bool
strike_cut(MobChaos *chaos)
{
    MobChaosShape shape = chaos->classes[MOB_CHAOS_CUT].shape;
    GPtrArray *names = live_machines(chaos, false);
    MobOrder order = {.verb = MOB_VERB_CUT};
    bool struck = false;

    if (names->len >= 2) {
        guint a = (guint)choose(chaos, MOB_CHAOS_CUT, 2, names->len);
        guint b = (a + 1 + (guint)choose(chaos, MOB_CHAOS_CUT, 3, names->len - 1)) % names->len;
        order.from = names->pdata[a];
        order.to = shape == MOB_SHAPE_ONE ? NULL : names->pdata[b];
        order.oneway = shape == MOB_SHAPE_ONEWAY;
        if (shape == MOB_SHAPE_HALVES)
            struck = cut_halves(chaos, names, a);
        else
            struck = give(chaos, MOB_CHAOS_CUT, &order) != NULL;
    }
    g_ptr_array_unref(names);
    return struck;
}

bool
mob_chaos_strike(MobChaos *chaos, MobChaosKind kind)
{
    switch (kind) {
    case MOB_CHAOS_KILL:
        return strike_kill(chaos);
    case MOB_CHAOS_CUT:
        return strike_cut(chaos);
    case MOB_CHAOS_SLOW:
        return strike_slow(chaos);
    case MOB_CHAOS_PAUSE:
        return strike_pause(chaos);
    case MOB_CHAOS_DISK:
        return strike_disk(chaos);
    default:
        g_assert_not_reached();
    }
}

/* --- for the whole run --- */

/* Requests that are repeated when their connection breaks; each in half of the runs. */
static void
begin_rpc(MobChaos *chaos)
{
    static const MobMsgType requests[] = {
        MOB_MSG_REQUEST_LEASE, MOB_MSG_PUSH_TASK,           MOB_MSG_GET_STATUS,
        MOB_MSG_ADD_BORROWER,  MOB_MSG_PIN_OBJECT,          MOB_MSG_PULL,
        MOB_MSG_KV_GET,        MOB_MSG_REMOVE_BORROWER,     MOB_MSG_RETURN_LEASE,
        MOB_MSG_REGISTER_NODE, MOB_MSG_SUBSCRIBE_LOCATIONS,
    };
    MobChaosClass *class = &chaos->classes[MOB_CHAOS_RPC];
    MobOrder order = {.verb = MOB_VERB_RPC, .lose = class->lose, .chance_ppm = class->chance_ppm};

    if (class->message != MOB_MSG_COUNT) {
        order.message = mob_msg_info(class->message)->name;
        give(chaos, MOB_CHAOS_RPC, &order);
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(requests); i++) {
        order.message = mob_msg_info(requests[i])->name;
        if (choose(chaos, MOB_CHAOS_RPC, i, 2) == 1)
            give(chaos, MOB_CHAOS_RPC, &order);
    }
}

void
mob_chaos_begin(MobChaos *chaos, MobChaosKind kind)
{
    MobChaosClass *class = &chaos->classes[kind];
    MobOrder order = {.verb = MOB_VERB_LINK,
                      .latency = class->latency,
                      .jitter = class->jitter,
                      .bps = class->bps,
                      .loss_ppm = class->loss_ppm};

    if (kind == MOB_CHAOS_RPC)
        begin_rpc(chaos);
    else
        give(chaos, kind, &order);
}
