/* world.c: the loop, rest and circles; see world.h.
 *
 * Rest. Health checks, resource views and the like go on for ever. Everything
 * else is foreground: other messages and timers, calls, computations, sleeps,
 * alarms. A cluster in which nothing of that pends is at rest, but only after
 * nothing of it has happened for the longest time that a death can go
 * unnoticed: until then a node may still be declared dead, and work begin.
 * What is held by a fault, or waits for a process that is paused, does not
 * count: it cannot happen by itself.
 *
 * Circles. Time stands still while events cause each other without delay. The
 * depth of an event is the length of the chain of causes at its own instant;
 * it starts from zero at a call that gets something done (bodies.c), so a
 * driver may submit a million tasks at one instant, and a million answers may
 * come in at one instant, since none is caused by the one before. A chain of
 * MOB_LIVELOCK_DEPTH events in which nothing gets done is a livelock. So is a
 * body that asks for the same thing again and again, a million times, and
 * always gets it.
 */
#include "sim/world.h"

#include "sim/ahead.h"
#include "sim/control.h"
#include "sim/faults.h"
#include "sim/machine.h"
#include "sim/network.h"
#include "sim/step.h"
#include "sim/tell.h"

const char *
mob_world_text(MobWorld *world, const char *text)
{
    return text == NULL ? NULL : g_string_chunk_insert_const(world->texts, text);
}

MobHandle
mob_world_schedule(MobWorld *world, MobTime at, uint64_t key, MobSlot slot)
{
    MobLane lane = at == world->now ? MOB_LANE_NOW : MOB_LANE_NONE;

    slot.cause = world->cause;
    slot.depth = mob_world_depth(world, at);
    return mob_queue_push(&world->queue, at, mob_world_tie(world, key, at), lane, &slot);
}

void
mob_world_checkpoint(MobWorld *world)
{
    if (world->events % MOB_CHECKPOINT_EVENTS == 0)
        g_array_append_vals(world->checkpoints, &world->hash, 1);
}

void
mob_world_settle(MobWorld *world)
{
    if (world->inside)
        return;
    mob_tell(world);
    if (world->dead->len > 0)
        mob_place_bury(world);
}

/* --- the loop --- */

/* A death is noticed within this; see MobConfig. */
static MobTime
detection_window(const MobWorld *world)
{
    const MobConfig *config = &world->config;

    return config->health_period * (config->health_misses + 2) + 4 * world->wire.latency;
}

static bool
is_at_rest(const MobWorld *world, bool pending, MobTime next)
{
    if (!pending)
        return true;
    return world->queue.foreground == 0 && next > world->busy_at + detection_window(world);
}

static bool
is_reached(const MobWorld *world, const MobUntil *until)
{
    if (until->job != 0) {
        g_assert(until->job <= world->jobs->len);
        if (((const MobJobRun *)g_ptr_array_index(world->jobs, until->job - 1))->done)
            return true;
    }
    return until->events != 0 && world->events >= until->events;
}

MobRunEnd
mob_world_run(MobWorld *world, const MobUntil *until)
{
    /* Who waits for a moment wants to get there, whatever happens until then. */
    bool may_rest = until->job != 0 || until->time == MOB_TIME_NEVER;
    MobTime next = 0;

    g_assert(!world->inside);
    for (;;) {
        if (world->stop) {
            world->stop = false;
            return MOB_RUN_STOPPED;
        }
        if (world->livelock != NULL)
            return MOB_RUN_LIVELOCK;
        if (is_reached(world, until))
            return MOB_RUN_DONE;
        bool pending = mob_queue_peek(&world->queue, &next);
        if (may_rest && is_at_rest(world, pending, next))
            return MOB_RUN_IDLE;
        MobTime last = MIN(until->time, until->limit);
        if (!pending || next > last) {
            world->now = MAX(world->now, last);
            return until->time <= until->limit ? MOB_RUN_DONE : MOB_RUN_LIMIT;
        }

        MobSlot slot;
        MobEntry entry = mob_queue_pop(&world->queue, &slot);
        g_assert(entry.at >= world->now);
        world->now = entry.at;
        mob_look_ahead(world, world->queue.least);
        mob_world_dispatch(world, &entry, &slot);
    }
}

/* --- for checks --- */

const uint64_t *
mob_world_checkpoints(const MobWorld *world, size_t *count)
{
    *count = world->checkpoints->len;
    return (const uint64_t *)(const void *)world->checkpoints->data;
}

const MobProcess *
mob_world_next_process(const MobWorld *world, size_t *at, MobProcInfo *info)
{
    while (*at < world->places->len) {
        const MobPlace *place = g_ptr_array_index(world->places, (*at)++);
        if (place->state != MOB_PLACE_LIVE)
            continue;
        mob_place_info(place, info);
        return place->process;
    }
    return NULL;
}

size_t
mob_world_pending(const MobWorld *world)
{
    size_t count = world->queue.foreground;

    for (guint i = 0; i < world->stalled->len; i++) {
        const MobConn *conn = g_ptr_array_index(world->stalled, i);
        for (unsigned end = 0; end < 2; end++)
            count += conn->end[end].stalled != NULL ? conn->end[end].stalled->len : 0;
    }
    for (guint i = 0; i < world->places->len; i++)
        count += ((const MobPlace *)g_ptr_array_index(world->places, i))->inbox.count;
    return count;
}

MobControl *
mob_world_control(MobWorld *world)
{
    return &world->control;
}

/* --- life --- */

static void
job_free(void *data)
{
    MobJobRun *job = data;

    mob_value_unref(job->result);
    g_free(job);
}

static void
init_wires(MobWorld *world, const MobWorldOptions *options)
{
    const MobConfig *config = &world->config;

    world->wire = (MobLink){
        .latency = options->latency == MOB_TIME_NEVER ? config->hop : options->latency,
        .jitter = options->jitter == MOB_TIME_NEVER ? 0 : options->jitter,
        .rto = config->rto,
    };
    if (options->bps != 0) /* the GCS reckons with it */
        world->config.bandwidth = MAX(options->bps / 1000000, 1);
    world->rate = mob_link_rate(options->bps != 0 ? options->bps : config->bandwidth * 1000000);
}

static void
init_lists(MobWorld *world)
{
    world->checkpoints = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    world->boxes = g_ptr_array_new_with_free_func((GDestroyNotify)mob_box_free);
    world->lives = g_ptr_array_new_with_free_func((GDestroyNotify)mob_life_free);
    world->places = g_ptr_array_new_with_free_func((GDestroyNotify)mob_place_free);
    world->names = g_hash_table_new(g_str_hash, g_str_equal);
    world->jobs = g_ptr_array_new_with_free_func(job_free);
    world->dead = g_ptr_array_new();
    world->texts = g_string_chunk_new(4096);
    world->news = mob_tell_news_new();
    world->watchers = g_ptr_array_new();
    world->stalled = g_ptr_array_new();
    world->faults = g_ptr_array_new_with_free_func((GDestroyNotify)mob_faults_free);
}

MobWorld *
mob_world_new_with(const MobWorldOptions *options, const MobCast *cast)
{
    MobWorld *world = g_new0(MobWorld, 1);

    g_assert(options->machine_count > 0);
    world->cast = cast;
    world->config = options->config;
    world->pick_config = options->picks;
    world->picks = mob_picks_new(&world->pick_config);
    world->loader = options->loader;
    world->encode = options->encode;
    world->shuffle = options->shuffle;
    init_wires(world, options);
    init_lists(world);
    mob_queue_init(&world->queue);
    mob_outbox_init(&world->out);
    mob_world_init_control(world);
    for (size_t i = 0; i < options->machine_count; i++)
        mob_box_new(world, &options->machines[i]);
    return world;
}

static void
discard(void *data, MobSlot *slot)
{
    mob_world_discard(data, slot);
}

void
mob_world_free(MobWorld *world)
{
    if (world == NULL)
        return;
    g_ptr_array_set_size(world->watchers, 0);
    for (guint i = 0; i < world->places->len; i++)
        mob_place_end(world, g_ptr_array_index(world->places, i), "the run is over", true);
    mob_place_bury(world);
    for (guint i = 0; i < world->stalled->len; i++)
        mob_net_unref(g_ptr_array_index(world->stalled, i));
    mob_queue_drain(&world->queue, discard, world);
    mob_queue_clear(&world->queue);
    mob_outbox_clear(&world->out);
    mob_buf_clear(&world->scratch);
    mob_picks_free(world->picks);
    g_ptr_array_unref(world->faults);
    g_ptr_array_unref(world->stalled);
    g_ptr_array_unref(world->watchers);
    g_array_unref(world->news);
    g_ptr_array_unref(world->dead);
    g_ptr_array_unref(world->jobs);
    g_hash_table_unref(world->names);
    g_ptr_array_unref(world->places);
    g_ptr_array_unref(world->lives);
    g_ptr_array_unref(world->boxes);
    g_array_unref(world->checkpoints);
    g_string_chunk_free(world->texts);
    g_free(world);
}
