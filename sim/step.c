/* step.c: see step.h.
 *
 * The order of things in an event:
 *   1. the process takes the step and leaves effects and notes in the outbox;
 *   2. the event goes into the trace hash;
 *   3. the watchers are told, and may give orders, which are in force at once;
 *   4. what the orders did is told;
 *   5. if the process still lives: what it persisted becomes durable, its
 *      timers are set, its effects are carried out in order. If not, it took
 *      the step, and nothing of it happens.
 *
 * A process whose steps cost CPU is a single server: a message that comes while
 * it is busy, and everything behind it, waits in the inbox. The step is taken
 * when the service ends. Without a cost there is no inbox and no extra event.
 */
#include "sim/step.h"

#include "sim/bodies.h"
#include "sim/control.h"
#include "sim/cores.h"
#include "sim/disk.h"
#include "sim/fold.h"
#include "sim/machine.h"
#include "sim/network.h"
#include "sim/tell.h"

/* --- timers --- */

static void
queue_alarm(MobWorld *world, MobPlace *place, MobTimer timer)
{
    MobAlarm *alarm = &place->alarms[timer];
    MobSlot slot = {
        .kind = MOB_AT_TIMER,
        .end = (uint8_t)timer,
        .foreground = !mob_timer_is_background(timer),
        .subject = place,
    };
    uint64_t key = mob_address_word(place->address) ^ (uint64_t)timer << 48;

    alarm->queued = alarm->at;
    alarm->handle = mob_queue_push_aged(&world->queue, alarm->at,
                                        mob_world_tie(world, key, alarm->at), alarm->seq, &slot);
}

/* Timers are set far more often than they go off. So an entry that is in the
 * queue stays there when its alarm is put off, and is put back when it comes
 * to the front too early; only an alarm that comes nearer needs a new one. */
static void
set_alarm(MobWorld *world, MobPlace *place, MobTimer timer, MobTime at)
{
    MobAlarm *alarm = &place->alarms[timer];

    alarm->ringing = false;
    alarm->at = at == MOB_TIME_NEVER ? at : MAX(at, world->now);
    if (at == MOB_TIME_NEVER) {
        if (alarm->handle != 0)
            mob_queue_set_foreground(&world->queue, alarm->handle, false);
        return;
    }
    alarm->seq = ++world->queue.seq;
    alarm->cause = world->cause;
    alarm->depth = mob_world_depth(world, alarm->at);
    if (alarm->handle != 0 && alarm->queued <= alarm->at) {
        mob_queue_set_foreground(&world->queue, alarm->handle, !mob_timer_is_background(timer));
        return;
    }
    if (alarm->handle != 0)
        mob_queue_cancel(&world->queue, alarm->handle);
    queue_alarm(world, place, timer);
}

static void
set_alarms(MobWorld *world, MobPlace *place)
{
    if (!world->out.alarmed)
        return;
    world->out.alarmed = false;
    for (unsigned timer = 0; timer < MOB_TIMER_COUNT; timer++) {
        if (world->out.alarms[timer] == 0)
            continue;
        set_alarm(world, place, (MobTimer)timer, world->out.alarms[timer]);
        world->out.alarms[timer] = 0;
    }
}

static void
on_timer(MobWorld *world, const MobEntry *entry, MobSlot *slot)
{
    MobPlace *place = slot->subject;
    MobAlarm *alarm = &place->alarms[slot->end];

    alarm->handle = 0;
    if (alarm->at == MOB_TIME_NEVER)
        return; /* it was stopped */
    if (alarm->at != entry->at || alarm->seq != entry->seq) {
        queue_alarm(world, place, (MobTimer)slot->end);
        return;
    }
    alarm->at = MOB_TIME_NEVER;
    alarm->ringing = true;
    slot->cause = alarm->cause;
    slot->depth = alarm->depth;
    mob_world_receive(world, place, slot);
}

/* --- effects --- */

static void
persist(MobWorld *world, MobPlace *place)
{
    GArray *persists = world->out.persists;

    if (persists->len == 0)
        return;
    for (guint i = 0; i < persists->len; i++) {
        MobPersist *record = &g_array_index(persists, MobPersist, i);
        mob_journal_write(mob_place_journal(place), record->key, record->value);
        mob_str_unref(record->key);
        if (record->value != NULL)
            g_bytes_unref(record->value);
    }
    g_array_set_size(persists, 0);
}

static void
kill_worker(MobWorld *world, MobPlace *manager, MobAddress address)
{
    MobLife *life = manager->life;
    guint index = address.local - MOB_FIRST_WORKER;

    g_assert(address.node == life->node && address.local >= MOB_FIRST_WORKER);
    MobPlace *worker = index < life->workers->len ? life->workers->pdata[index] : NULL;
    if (worker != NULL)
        mob_place_end(world, worker, "killed by its node manager", false);
}

/* Carries out one effect and empties it. Returns whether the process goes on. */
static bool
carry_out(MobWorld *world, MobPlace *place, MobEffect *effect)
{
    switch (effect->kind) {
    case MOB_EFFECT_SEND:
        mob_net_send(world, place, effect->address, effect->msg);
        break;
    case MOB_EFFECT_START:
        mob_bodies_start(world, place, effect);
        mob_value_unref(effect->bundle);
        break;
    case MOB_EFFECT_RESUME:
        mob_bodies_resume(world, place, effect);
        break;
    case MOB_EFFECT_COMPUTE:
        mob_bodies_compute(world, place, effect);
        break;
    case MOB_EFFECT_SLEEP:
        mob_bodies_sleep(world, place, effect);
        break;
    case MOB_EFFECT_END:
        mob_bodies_end(world, place, effect);
        break;
    case MOB_EFFECT_SPAWN:
        mob_place_spawn(world, place, effect->address);
        break;
    case MOB_EFFECT_KILL:
        kill_worker(world, place, effect->address);
        break;
    case MOB_EFFECT_OUTPUT:
        mob_str_unref(effect->str);
        break;
    case MOB_EFFECT_DISK:
        mob_disk_give(world, place, effect->disk);
        break;
    case MOB_EFFECT_EXIT:
        mob_place_end(world, place, mob_str(effect->str), false);
        mob_str_unref(effect->str);
        return false;
    }
    return true;
}

/* What comes behind an exit does not happen. */
static void
carry_out_all(MobWorld *world, MobPlace *place)
{
    GArray *effects = world->out.effects;
    guint i = 0;

    persist(world, place);
    set_alarms(world, place);
    world->inside = true;
    while (i < effects->len && carry_out(world, place, &g_array_index(effects, MobEffect, i)))
        i++;
    world->inside = false;
    if (i < effects->len)
        g_array_remove_range(effects, 0, i + 1);
    else
        effects->len = 0; /* nothing to free: no call needed */
    if (effects->len > 0)
        mob_outbox_drop(&world->out);
}

/* --- one step --- */

static void
note_sent(MobWorld *world, const MobPlace *place)
{
    for (guint i = 0; i < world->out.effects->len; i++) {
        const MobEffect *effect = &g_array_index(world->out.effects, MobEffect, i);
        if (effect->kind == MOB_EFFECT_SEND)
            mob_note(&world->out, (MobNote){.kind = MOB_NOTE_MESSAGE_SENT,
                                            .from = place->address,
                                            .to = effect->address,
                                            .msg = effect->msg});
    }
}

static void
tell(MobWorld *world, MobPlace *place, const MobSlot *slot, const MobInput *input)
{
    if (mob_wants(&world->out, MOB_NOTE_MESSAGE_SENT))
        note_sent(world, place);
    MobEvent event = {
        .number = input->event,
        .cause = slot->cause,
        .at = world->now,
        .process = place->address,
        .role = place->role,
        .input = input,
        .notes = (const MobNote *)(const void *)world->out.notes->data,
        .note_count = world->out.notes->len,
    };
    mob_tell_step(world, &event);
    mob_outbox_forget_notes(&world->out);
    mob_tell(world);
}

static void
take_step(MobWorld *world, MobPlace *place, const MobSlot *slot, MobInput *input)
{
    input->now = world->now;
    input->event = ++world->events;
    world->cause = input->event;
    input->picks = place->picks;
    world->depth = slot->depth;
    if (slot->foreground)
        world->busy_at = world->now;
    /* Before the step, which may take what the input holds. */
    world->hash = mob_fold_input(world->hash, place->address, input);
    mob_world_checkpoint(world);

    place->process->class->step(place->process, input, &world->out);

    if (world->watchers->len > 0)
        tell(world, place, slot, input);
    if (place->job != 0 && place->state == MOB_PLACE_LIVE)
        mob_world_look_at_job(world, place);
}

static void
finish_step(MobWorld *world, MobPlace *place)
{
    if (place->state == MOB_PLACE_LIVE)
        carry_out_all(world, place);
    else
        mob_outbox_drop(&world->out);
    world->here = NULL;
    world->cause = 0;
    if (world->dead->len > 0 || world->news->len > 0)
        mob_world_settle(world);
    if (world->depth > MOB_LIVELOCK_DEPTH)
        world->livelock = place;
}

/* --- inputs --- */

static void
take_message(MobWorld *world, MobPlace *place, MobSlot *slot)
{
    MobConn *conn = slot->subject;
    MobInput input = {
        .kind = MOB_INPUT_MESSAGE, .from = conn->end[slot->end].address, .msg = slot->what};

    world->here = slot->flags & MOB_FLAG_STRAY ? NULL : conn;
    if (mob_wants(&world->out, MOB_NOTE_MESSAGE_DELIVERED))
        mob_note(&world->out, (MobNote){.kind = MOB_NOTE_MESSAGE_DELIVERED,
                                        .from = input.from,
                                        .to = place->address,
                                        .msg = input.msg});
    take_step(world, place, slot, &input);
    if (slot->flags & MOB_FLAG_LOSE_REPLY)
        world->deaf = input.from;
    finish_step(world, place);
    if (slot->flags & MOB_FLAG_LOSE_REPLY) {
        world->deaf = (MobAddress){0};
        mob_net_break(world, conn);
    }
}

static void
take_call(MobWorld *world, MobPlace *place, MobSlot *slot)
{
    MobHosted *hosted = mob_bodies_find(place, slot->number);

    if (hosted == NULL)
        return; /* it has been ended */
    MobInput input = {.kind = MOB_INPUT_CALL, .body = hosted->id, .call = &hosted->call};
    bool endless = false;
    if (mob_bodies_progress(hosted, &endless))
        slot->depth = 0;
    hosted->calling = false;
    take_step(world, place, slot, &input);
    finish_step(world, place);
    if (endless)
        world->livelock = place;
}

static void
take_start(MobWorld *world, MobPlace *place, MobSlot *slot)
{
    MobInput input = {.kind = MOB_INPUT_START};

    if (place->incarnation > 1 || place->journal != NULL)
        input.records = mob_journal_records(mob_place_journal(place), &input.record_count);
    take_step(world, place, slot, &input);
    finish_step(world, place);
}

static void
take_simple(MobWorld *world, MobPlace *place, MobSlot *slot, MobInput input)
{
    take_step(world, place, slot, &input);
    finish_step(world, place);
}

/* The process is given what has arrived. Frees what @slot owns. */
static void
take(MobWorld *world, MobPlace *place, MobSlot *slot)
{
    MobConn *conn = slot->subject;
    MobHosted *hosted;

    switch (slot->kind) {
    case MOB_AT_START:
        take_start(world, place, slot);
        break;
    case MOB_AT_MESSAGE:
        take_message(world, place, slot);
        break;
    case MOB_AT_RESET:
        mob_net_told(conn, slot->end);
        take_simple(world, place, slot,
                    (MobInput){.kind = MOB_INPUT_RESET, .from = conn->end[!slot->end].address});
        break;
    case MOB_AT_TIMER:
        if (!place->alarms[slot->end].ringing)
            break; /* it was set again while this waited */
        place->alarms[slot->end].ringing = false;
        take_simple(world, place, slot,
                    (MobInput){.kind = MOB_INPUT_TIMER, .timer = (MobTimer)slot->end});
        break;
    case MOB_AT_CALL:
        take_call(world, place, slot);
        break;
    case MOB_AT_CHILD:
        take_simple(world, place, slot,
                    (MobInput){.kind = MOB_INPUT_CHILD,
                               .from = {(uint32_t)(slot->number >> 32), (uint32_t)slot->number},
                               .reason = slot->what});
        break;
    case MOB_AT_LEAVE:
        take_simple(world, place, slot, (MobInput){.kind = MOB_INPUT_LEAVE});
        break;
    case MOB_AT_EVICT:
        take_simple(
            world, place, slot,
            (MobInput){.kind = MOB_INPUT_EVICT, .object = *(const MobObjectId *)slot->what});
        break;
    case MOB_AT_ANSWER:
        take_simple(world, place, slot, (MobInput){.kind = MOB_INPUT_DISK, .disk = slot->what});
        break;
    case MOB_AT_WAKE:
        hosted = mob_bodies_find(place, slot->number);
        if (hosted != NULL)
            mob_bodies_go_on(world, hosted);
        break;
    default:
        g_assert_not_reached();
    }
    mob_world_discard(world, slot);
}

void
mob_world_discard(MobWorld *world, MobSlot *slot)
{
    switch (slot->kind) {
    case MOB_AT_MESSAGE:
        mob_msg_unref(slot->what);
        mob_net_unref(slot->subject);
        break;
    case MOB_AT_RESET:
    case MOB_AT_BREAK:
    case MOB_AT_STALL:
        mob_net_unref(slot->subject);
        break;
    case MOB_AT_EVICT:
    case MOB_AT_ALARM:
        g_free(slot->what);
        break;
    case MOB_AT_ANSWER:
        mob_disk_answer_free(slot->what);
        break;
    default:
        break;
    }
}

/* --- the inbox --- */

/* Serves what is at the head of the inbox, which takes time for a message. */
void
mob_world_pump(MobWorld *world, MobPlace *place)
{
    const MobSlot *next = mob_inbox_peek(&place->inbox);

    if (place->serve != 0 || place->paused > 0 || next == NULL)
        return;
    MobTime takes = next->kind == MOB_AT_MESSAGE ? place->cost : 0;
    MobSlot slot = {
        .kind = MOB_AT_SERVE, .foreground = place->inbox.foreground > 0, .subject = place};
    place->serve =
        mob_world_schedule(world, world->now + takes, mob_address_word(place->address), slot);
}

static void
on_serve(MobWorld *world, MobPlace *place)
{
    MobSlot slot;

    place->serve = 0;
    if (place->paused > 0 || place->state != MOB_PLACE_LIVE)
        return;
    if (mob_inbox_take(&place->inbox, &slot))
        take(world, place, &slot);
    mob_world_pump(world, place);
}

void
mob_world_receive(MobWorld *world, MobPlace *place, MobSlot *slot)
{
    if (place->state != MOB_PLACE_LIVE) {
        mob_world_discard(world, slot);
        return;
    }
    bool waits = place->serve != 0 || place->paused > 0 || place->inbox.count > 0 ||
                 (place->cost > 0 && slot->kind == MOB_AT_MESSAGE);
    if (!waits) {
        take(world, place, slot);
        return;
    }
    mob_inbox_put(&place->inbox, slot);
    if (place->serve != 0 && slot->foreground) /* it may wait behind what is not */
        mob_queue_set_foreground(&world->queue, place->serve, true);
    mob_world_pump(world, place);
}

/* --- what comes from the queue --- */

static void
on_wire(MobWorld *world, const MobEntry *entry, MobSlot *slot)
{
    MobPlace *place = mob_net_arrive(world, entry, slot);

    if (place != NULL)
        mob_world_receive(world, place, slot);
}

static void
on_start(MobWorld *world, MobSlot *slot)
{
    MobPlace *place = slot->subject;

    mob_place_begin(world, place);
    mob_world_receive(world, place, slot);
}

void
mob_world_dispatch(MobWorld *world, const MobEntry *entry, MobSlot *slot)
{
    switch ((MobHappening)slot->kind) {
    case MOB_AT_MESSAGE:
    case MOB_AT_RESET:
        on_wire(world, entry, slot);
        break;
    case MOB_AT_START:
        on_start(world, slot);
        break;
    case MOB_AT_TIMER:
        on_timer(world, entry, slot);
        break;
    case MOB_AT_WAKE:
        mob_bodies_awaken(slot->subject, slot->number);
        mob_world_receive(world, slot->subject, slot);
        break;
    case MOB_AT_CALL:
    case MOB_AT_CHILD:
    case MOB_AT_LEAVE:
    case MOB_AT_EVICT:
    case MOB_AT_ANSWER:
        mob_world_receive(world, slot->subject, slot);
        break;
    case MOB_AT_SERVE:
        on_serve(world, slot->subject);
        break;
    case MOB_AT_CORES:
        world->depth = slot->depth;
        mob_cores_due(world, slot->subject);
        break;
    case MOB_AT_DISK:
        world->depth = slot->depth;
        mob_disk_due(world, slot->subject, slot);
        break;
    case MOB_AT_BREAK:
        mob_net_broken(world, slot);
        break;
    case MOB_AT_STALL:
        mob_net_stalled(world, slot);
        break;
    case MOB_AT_ORPHANS:
        mob_life_end(world, slot->subject);
        mob_world_settle(world);
        break;
    case MOB_AT_ALARM:
        mob_world_alarm(world, slot);
        break;
    }
}
