/* rig.h: one process without a world: an input goes in, and its effects stay
 * to be looked at until the next one. What it persists is kept as on a disk.
 */
#pragma once

#include <criterion/criterion.h>

#include "runtime/process.h"

typedef struct Rig Rig;

struct Rig {
    MobConfig config;
    MobPickConfig pick_config;
    MobPicks *picks;
    MobProcess *process; /* owned */
    MobOutbox out;       /* the effects of the last step */
    MobTime now;
    uint64_t events;
    GArray *disk;            /* of MobPersisted, owned */
    GArray *past;            /* of MobOutbox: earlier effects, if they are to be kept; else NULL */
    void (*check)(Rig *rig); /* called after every step; may be NULL */
};

static inline void
rig_write_disk(Rig *rig)
{
    for (guint i = 0; i < rig->out.persists->len; i++) {
        const MobPersist *persist = &g_array_index(rig->out.persists, MobPersist, i);
        MobPersisted *found = NULL;
        for (guint k = 0; k < rig->disk->len && found == NULL; k++)
            if (mob_str_eq(g_array_index(rig->disk, MobPersisted, k).key, persist->key))
                found = &g_array_index(rig->disk, MobPersisted, k);
        if (found == NULL) {
            MobPersisted record = {mob_str_ref(persist->key), NULL};
            g_array_append_val(rig->disk, record);
            found = &g_array_index(rig->disk, MobPersisted, rig->disk->len - 1);
        }
        g_bytes_unref(found->value);
        found->value = g_bytes_ref(persist->value);
    }
}

static inline void
rig_open_outbox(Rig *rig)
{
    mob_outbox_init(&rig->out);
    rig->out.wanted = ~UINT64_C(0);
}

static inline void
rig_step(Rig *rig, MobInput input)
{
    if (rig->past != NULL) {
        g_array_append_val(rig->past, rig->out);
        rig_open_outbox(rig);
    } else {
        mob_outbox_drop(&rig->out);
    }
    input.now = rig->now;
    input.picks = rig->picks;
    input.event = ++rig->events;
    rig->process->class->step(rig->process, &input, &rig->out);
    rig_write_disk(rig);
    if (rig->check != NULL)
        rig->check(rig);
}

/* Everything but the process itself. */
static inline void
rig_open(Rig *rig)
{
    *rig = (Rig){.now = 1, .disk = g_array_new(FALSE, FALSE, sizeof(MobPersisted))};
    mob_config_init(&rig->config, MOB_PROFILE_IDEAL);
    rig->picks = mob_picks_new(&rig->pick_config);
    rig_open_outbox(rig);
}

/* Starts @process (taken) with what is on the disk. */
static inline void
rig_start(Rig *rig, MobProcess *process)
{
    rig->process = process;
    rig_step(rig, (MobInput){.kind = MOB_INPUT_START,
                             .records = (const MobPersisted *)(void *)rig->disk->data,
                             .record_count = rig->disk->len});
}

static inline void
rig_end(Rig *rig)
{
    mob_outbox_drop(&rig->out);
    rig->process->class->free(rig->process);
    rig->process = NULL;
}

static inline void
rig_clear(Rig *rig)
{
    rig_end(rig);
    mob_outbox_clear(&rig->out);
    for (guint i = 0; rig->past != NULL && i < rig->past->len; i++)
        mob_outbox_clear(&g_array_index(rig->past, MobOutbox, i));
    if (rig->past != NULL)
        g_array_free(rig->past, TRUE);
    for (guint i = 0; i < rig->disk->len; i++) {
        mob_str_unref((MobStr *)g_array_index(rig->disk, MobPersisted, i).key);
        g_bytes_unref(g_array_index(rig->disk, MobPersisted, i).value);
    }
    g_array_free(rig->disk, TRUE);
    mob_picks_free(rig->picks);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Rig, rig_clear)

/* --- inputs --- */

/* Delivers @msg (transfer full). */
static inline void
rig_give(Rig *rig, MobAddress from, void *msg)
{
    g_autoptr(MobMsg) owned = msg;

    rig_step(rig, (MobInput){.kind = MOB_INPUT_MESSAGE, .from = from, .msg = owned});
}

static inline void
rig_timer(Rig *rig, MobTimer timer, MobTime now)
{
    rig->now = now;
    rig_step(rig, (MobInput){.kind = MOB_INPUT_TIMER, .timer = timer});
}

static inline void
rig_reset(Rig *rig, MobAddress from)
{
    rig_step(rig, (MobInput){.kind = MOB_INPUT_RESET, .from = from});
}

static inline void
rig_child(Rig *rig, MobAddress worker, const char *reason)
{
    rig_step(rig, (MobInput){.kind = MOB_INPUT_CHILD, .from = worker, .reason = reason});
}

/* --- effects of the last step --- */

/* The @nth effect of this kind, from 0; NULL if there are not so many. */
static inline const MobEffect *
rig_effect(const Rig *rig, MobEffectKind kind, uint32_t nth)
{
    for (guint i = 0; i < rig->out.effects->len; i++) {
        const MobEffect *effect = &g_array_index(rig->out.effects, MobEffect, i);
        if (effect->kind == kind && nth-- == 0)
            return effect;
    }
    return NULL;
}

/* Whether @effect sends a message of this type to @to, or to anybody if that is zero. */
static inline bool
rig_sends(const MobEffect *effect, MobAddress to, MobMsgType type)
{
    return effect->kind == MOB_EFFECT_SEND && effect->msg->type == type &&
           (!mob_address_is(to) || mob_address_eq(effect->address, to));
}

/* The @nth message of this type that was sent to @to (zero: to anybody). */
static inline const MobMsg *
rig_sent(const Rig *rig, MobAddress to, MobMsgType type, uint32_t nth)
{
    for (guint i = 0; i < rig->out.effects->len; i++) {
        const MobEffect *effect = &g_array_index(rig->out.effects, MobEffect, i);
        if (rig_sends(effect, to, type) && nth-- == 0)
            return effect->msg;
    }
    return NULL;
}

static inline uint32_t
rig_count_to(const Rig *rig, MobAddress to, MobMsgType type)
{
    uint32_t count = 0;

    for (guint i = 0; i < rig->out.effects->len; i++)
        count += rig_sends(&g_array_index(rig->out.effects, MobEffect, i), to, type);
    return count;
}

static inline uint32_t
rig_count(const Rig *rig, MobMsgType type)
{
    return rig_count_to(rig, (MobAddress){0}, type);
}

/* All messages of the last step. */
static inline uint32_t
rig_count_all(const Rig *rig)
{
    uint32_t count = 0;

    for (guint i = 0; i < rig->out.effects->len; i++)
        count += g_array_index(rig->out.effects, MobEffect, i).kind == MOB_EFFECT_SEND;
    return count;
}

static inline const MobNote *
rig_note(const Rig *rig, MobNoteKind kind)
{
    for (guint i = 0; i < rig->out.notes->len; i++) {
        const MobNote *note = &g_array_index(rig->out.notes, MobNote, i);
        if (note->kind == kind)
            return note;
    }
    return NULL;
}

/* --- what several kinds of processes are told --- */

static inline MobView
rig_view(uint32_t node, int cpus, bool alive)
{
    return (MobView){.node = {node},
                     .name = mob_str_printf("n%u", node),
                     .alive = alive,
                     .total = {.cpu = cpus * MOB_UNIT},
                     .available = {.cpu = cpus * MOB_UNIT}};
}

static inline void *
rig_changed(MobView view)
{
    MobNodeChanged *msg = mob_node_changed_new();

    msg->views = (MobViews){g_new(MobView, 1), 1};
    msg->views.items[0] = view;
    return msg;
}

/* A value that weighs @size bytes. */
static inline MobValue *
rig_value(uint64_t size, uint8_t byte)
{
    return mob_value_new(&byte, 1, size, NULL, 0, 0);
}
