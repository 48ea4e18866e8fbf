/* orders.c: orders, carried out; see faults.h.
 *
 * An order is checked, then carried out at once, then told of. That holds
 * inside an event as well: a process that is killed while its own step is
 * being told of is dead, and its effects do not happen.
 */
#include "sim/fault_parts.h"

#include "sim/cores.h"
#include "sim/disk.h"
#include "sim/machine.h"
#include "sim/network.h"
#include "sim/tell.h"

static bool
refuse(GError **error, const char *format, const char *name)
{
    g_autofree char *text = g_strdup_printf("%s %s", name, format);

    g_set_error_literal(error, MOB_CONTROL_ERROR, 0, text);
    return false;
}

/* --- notes --- */

/* A machine stands under the address of its node manager. */
static MobAddress
address_of(const MobTarget *target)
{
    if (target->place != NULL)
        return target->place->address;
    return target->box != NULL ? mob_node_address(target->box->life->node) : (MobAddress){0};
}

static void
note_fault(MobWorld *world, const MobFaultRun *fault)
{
    g_autofree char *text = g_strconcat(fault->healed ? "heal " : "", fault->text, NULL);
    MobNote note = {
        .kind = MOB_NOTE_FAULT,
        .reason = fault->healed ? "heal" : mob_verb_name(fault->verb),
        .text = mob_world_text(world, text),
        .line = fault->line,
        .bytes = fault->number,
        .from = address_of(&fault->from),
        .to = address_of(&fault->to),
    };

    if (fault->target.box != NULL)
        note.node.v = fault->target.box->life->node;
    else
        note.worker = address_of(&fault->target);
    mob_tell_note(world, note);
}

static void
note_node_died(MobWorld *world, const MobBox *box, const char *why)
{
    mob_tell_note(world, (MobNote){
                             .kind = MOB_NOTE_NODE_DIED,
                             .node = {box->life->node},
                             .label = box->name,
                             .reason = why,
                         });
}

static void
note_gcs_died(MobWorld *world)
{
    mob_tell_note(world, (MobNote){.kind = MOB_NOTE_GCS_DIED, .reason = "killed"});
}

/* --- kill, restart --- */

static bool
kill_box(MobWorld *world, MobFaultRun *fault, MobBox *box, GError **error)
{
    bool had_gcs = box->head && mob_gcs_place(world) != NULL;

    if (!box->alive)
        return refuse(error, "is already dead; restart it first", box->name);
    for (guint i = 0; i < world->places->len; i++) {
        const MobPlace *place = g_ptr_array_index(world->places, i);
        fault->bites += place->life->box == box && place->state == MOB_PLACE_LIVE;
    }
    note_fault(world, fault);
    note_node_died(world, box, "killed");
    if (had_gcs)
        note_gcs_died(world);
    mob_box_kill(world, box, "killed");
    return true;
}

static bool
kill_place(MobWorld *world, MobFaultRun *fault, MobPlace *place, GError **error)
{
    if (place->state == MOB_PLACE_DEAD)
        return refuse(error, "is already dead", place->name);
    fault->bites++;
    note_fault(world, fault);
    if (place->role == MOB_ROLE_NODE)
        note_node_died(world, place->life->box, "its node manager was killed");
    else if (place->role == MOB_ROLE_GCS)
        note_gcs_died(world);
    else if (place->life->manager->state != MOB_PLACE_LIVE)
        mob_tell_note(world, (MobNote){
                                 .kind = MOB_NOTE_WORKER_DIED,
                                 .worker = place->address,
                                 .node = {place->address.node},
                                 .reason = "killed",
                             });
    mob_place_end(world, place, "killed", false);
    return true;
}

static bool
do_kill(MobWorld *world, const MobOrder *order, MobFaultRun *fault, GError **error)
{
    return fault->target.box != NULL ? kill_box(world, fault, fault->target.box, error)
                                     : kill_place(world, fault, fault->target.place, error);
}

static bool
do_restart(MobWorld *world, const MobOrder *order, MobFaultRun *fault, GError **error)
{
    MobBox *box = fault->target.box;
    const MobPlace *place = fault->target.place;

    if (box != NULL) {
        if (box->alive && box->life->manager->state != MOB_PLACE_DEAD)
            return refuse(error, "is alive; only a dead machine can be restarted", box->name);
        note_fault(world, fault);
        mob_box_restart(world, box, order->wipe);
    } else if (place->role != MOB_ROLE_GCS) {
        return refuse(error, "cannot be restarted; only machines and gcs can", place->name);
    } else if (place->state != MOB_PLACE_DEAD) {
        return refuse(error, "is alive; kill it first", place->name);
    } else if (!place->life->box->alive) {
        return refuse(error, "is on a machine that is dead; restart that", place->name);
    } else {
        note_fault(world, fault);
        if (order->wipe)
            mob_journal_wipe(mob_place_journal(fault->target.place));
        mob_gcs_start(world);
    }
    fault->bites++;
    return true;
}

/* --- pause, slow --- */

/* Calls @func for every process that @target means. */
static void
for_each(MobWorld *world, const MobTarget *target, MobFaultRun *fault,
         void (*func)(MobWorld *, MobPlace *, MobFaultRun *))
{
    if (target->place != NULL) {
        func(world, target->place, fault);
        return;
    }
    for (guint i = 0; i < world->places->len; i++) {
        MobPlace *place = g_ptr_array_index(world->places, i);
        if (place->life->box == target->box && place->state == MOB_PLACE_LIVE)
            func(world, place, fault);
    }
}

static void
pause_place(MobWorld *world, MobPlace *place, MobFaultRun *fault)
{
    if (place->state != MOB_PLACE_LIVE)
        return;
    fault->bites++;
    if (place->paused == 0)
        mob_cores_park(world, place);
    g_ptr_array_add(fault->paused, place);
    place->paused++;
}

void
mob_faults_newborn(MobWorld *world, MobPlace *place)
{
    for (guint i = 0; i < world->faults->len; i++) {
        MobFaultRun *fault = g_ptr_array_index(world->faults, i);
        if (fault->verb == MOB_VERB_PAUSE && !fault->healed &&
            fault->target.box == place->life->box && fault->target.box->life == fault->life)
            pause_place(world, place, fault);
    }
}

static void
unpause(MobWorld *world, MobFaultRun *fault)
{
    for (guint i = 0; i < fault->paused->len; i++) {
        MobPlace *place = g_ptr_array_index(fault->paused, i);
        if (--place->paused > 0 || place->state != MOB_PLACE_LIVE)
            continue;
        mob_cores_unpark(world, place);
        mob_world_pump(world, place);
    }
    g_ptr_array_set_size(fault->paused, 0);
}

static bool
is_dead(const MobTarget *target)
{
    return target->box != NULL ? !target->box->alive : target->place->state == MOB_PLACE_DEAD;
}

static bool
do_pause(MobWorld *world, const MobOrder *order, MobFaultRun *fault, GError **error)
{
    if (is_dead(&fault->target))
        return refuse(error, "is dead and cannot be paused", order->target);
    note_fault(world, fault);
    fault->life = mob_target_box(&fault->target)->life;
    for_each(world, &fault->target, fault, pause_place);
    return true;
}

/* The newest order about its speed counts. */
static uint32_t
speed_of(const MobWorld *world, const MobBox *box)
{
    for (guint i = world->faults->len; i > 0; i--) {
        const MobFaultRun *fault = g_ptr_array_index(world->faults, i - 1);
        if (fault->verb == MOB_VERB_SLOW && !fault->healed && mob_target_box(&fault->target) == box)
            return fault->speed_ppm;
    }
    return box->speed_usual;
}

static bool
do_slow(MobWorld *world, const MobOrder *order, MobFaultRun *fault, GError **error)
{
    MobBox *box = mob_target_box(&fault->target);

    if (!box->alive)
        return refuse(error, "is dead and cannot be slowed down", order->target);
    note_fault(world, fault);
    fault->speed_ppm = order->speed_ppm;
    fault->bites += box->shares->len;
    mob_cores_set_speed(world, box, order->speed_ppm);
    return true;
}

static bool
do_disk(MobWorld *world, const MobOrder *order, MobFaultRun *fault, GError **error)
{
    MobBox *box = mob_target_box(&fault->target);

    if (!box->alive)
        return refuse(error, "is dead, and so is its disk", order->target);
    note_fault(world, fault);
    fault->trouble = order->trouble;
    fault->speed_ppm = order->speed_ppm;
    fault->bites += mob_disk_trouble(world, box, order->trouble, true);
    return true;
}

/* --- the network --- */

static bool
do_block(MobWorld *world, const MobOrder *order, MobFaultRun *fault, GError **error)
{
    world->blocking++;
    note_fault(world, fault);
    return true;
}

static bool
do_link(MobWorld *world, const MobOrder *order, MobFaultRun *fault, GError **error)
{
    fault->link = world->wire;
    if (order->latency != MOB_TIME_NEVER)
        fault->link.latency = order->latency;
    if (order->jitter != MOB_TIME_NEVER)
        fault->link.jitter = order->jitter;
    if (order->bps != 0)
        fault->link.ns_per_byte = mob_link_rate(order->bps);
    fault->link.loss_ppm = order->loss_ppm;
    world->linking++;
    note_fault(world, fault);
    return true;
}

static bool
do_rpc(MobWorld *world, const MobOrder *order, MobFaultRun *fault, GError **error)
{
    fault->message = mob_msg_by_name(order->message != NULL ? order->message : "");
    if (fault->message == MOB_MSG_COUNT) {
        g_set_error(error, MOB_CONTROL_ERROR, 0,
                    "there is no message '%s'; they are listed in runtime/messages.def, "
                    "PushTask for one",
                    order->message != NULL ? order->message : "");
        return false;
    }
    fault->lose = order->lose;
    fault->times = order->times;
    fault->chance_ppm = order->chance_ppm;
    world->tripping++;
    note_fault(world, fault);
    return true;
}

/* --- evict, leave, join --- */

static MobPlace *
live_manager(const MobTarget *target)
{
    MobPlace *manager = target->box != NULL ? target->box->life->manager : target->place;

    return manager->state == MOB_PLACE_LIVE && manager->role == MOB_ROLE_NODE ? manager : NULL;
}

static bool
to_manager(MobWorld *world, const MobOrder *order, MobFaultRun *fault, MobHappening kind,
           GError **error)
{
    MobPlace *manager = live_manager(&fault->target);

    if (manager == NULL)
        return refuse(error, "has no live node manager", order->target);
    MobSlot slot = {.kind = (uint8_t)kind, .foreground = true, .subject = manager};
    if (kind == MOB_AT_EVICT)
        slot.what = g_memdup2(&order->object, sizeof order->object);
    note_fault(world, fault);
    mob_world_schedule(world, world->now, mob_address_word(manager->address), slot);
    fault->bites++;
    return true;
}

static bool
do_evict(MobWorld *world, const MobOrder *order, MobFaultRun *fault, GError **error)
{
    return to_manager(world, order, fault, MOB_AT_EVICT, error);
}

static bool
do_leave(MobWorld *world, const MobOrder *order, MobFaultRun *fault, GError **error)
{
    return to_manager(world, order, fault, MOB_AT_LEAVE, error);
}

static bool
do_join(MobWorld *world, const MobOrder *order, MobFaultRun *fault, GError **error)
{
    g_assert(order->machine != NULL);
    if (mob_box_named(world, order->machine->name) != NULL ||
        mob_place_named(world, order->machine->name) != NULL)
        return refuse(error, "exists already; a machine that joins needs a new name",
                      order->machine->name);
    note_fault(world, fault);
    mob_box_new(world, order->machine);
    fault->bites++;
    return true;
}

/* --- orders --- */

static const struct {
    bool (*carry_out)(MobWorld *world, const MobOrder *order, MobFaultRun *fault, GError **error);
    bool has_target;
} verbs[MOB_VERB_COUNT] = {
    [MOB_VERB_KILL] = {do_kill, true},   [MOB_VERB_RESTART] = {do_restart, true},
    [MOB_VERB_PAUSE] = {do_pause, true}, [MOB_VERB_SLOW] = {do_slow, true},
    [MOB_VERB_CUT] = {do_block, false},  [MOB_VERB_HOLD] = {do_block, false},
    [MOB_VERB_LINK] = {do_link, false},  [MOB_VERB_RPC] = {do_rpc, false},
    [MOB_VERB_EVICT] = {do_evict, true}, [MOB_VERB_LEAVE] = {do_leave, true},
    [MOB_VERB_JOIN] = {do_join, false},  [MOB_VERB_DISK] = {do_disk, true},
};

static bool
find_targets(MobWorld *world, const MobOrder *order, MobFaultRun *fault, GError **error)
{
    if (verbs[order->verb].has_target && order->target == NULL) {
        g_set_error(error, MOB_CONTROL_ERROR, 0, "%s what? Name a machine or a process",
                    mob_verb_name(order->verb));
        return false;
    }
    return mob_target_find(world, order->target, &fault->target, error) &&
           mob_target_find(world, order->from, &fault->from, error) &&
           mob_target_find(world, order->to, &fault->to, error);
}

uint32_t
mob_faults_order(MobWorld *world, const MobOrder *order, GError **error)
{
    MobFaultRun *fault = g_new0(MobFaultRun, 1);
    g_autofree char *text = mob_order_text(order);

    g_assert(order->verb < MOB_VERB_COUNT);
    fault->number = world->faults->len + 1;
    fault->verb = order->verb;
    fault->oneway = order->oneway || order->verb == MOB_VERB_RPC;
    fault->line = order->line;
    fault->links = mob_table_new();
    fault->paused = g_ptr_array_new();
    g_ptr_array_add(world->faults, fault);
    if (!find_targets(world, order, fault, error)) {
        g_ptr_array_set_size(world->faults, (int)fault->number - 1);
        return 0;
    }
    fault->text = mob_world_text(world, text);
    if (!verbs[order->verb].carry_out(world, order, fault, error)) {
        g_ptr_array_set_size(world->faults, (int)fault->number - 1);
        return 0;
    }
    uint32_t number = fault->number;
    world->busy_at = world->now;
    mob_world_settle(world);
    return number;
}

void
mob_faults_heal(MobWorld *world, uint32_t number)
{
    g_assert(number >= 1 && number <= world->faults->len);
    MobFaultRun *fault = g_ptr_array_index(world->faults, number - 1);

    if (fault->healed)
        return;
    fault->healed = true;
    switch (fault->verb) {
    case MOB_VERB_PAUSE:
        unpause(world, fault);
        break;
    case MOB_VERB_SLOW:
        mob_cores_set_speed(world, mob_target_box(&fault->target),
                            speed_of(world, mob_target_box(&fault->target)));
        break;
    case MOB_VERB_DISK:
        mob_disk_trouble(world, mob_target_box(&fault->target), fault->trouble, false);
        break;
    case MOB_VERB_CUT:
    case MOB_VERB_HOLD:
        world->blocking--;
        mob_net_unstall(world);
        break;
    case MOB_VERB_LINK:
        world->linking--;
        break;
    case MOB_VERB_RPC:
        world->tripping--;
        break;
    default:
        return; /* what has happened has happened */
    }
    note_fault(world, fault);
    world->busy_at = world->now;
    mob_world_settle(world);
}
