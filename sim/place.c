/* place.c: where a process is, from its spawn to its end; see machine.h. */
#include "sim/place_parts.h"

#include "sim/bodies.h"
#include "sim/disk.h"
#include "sim/faults.h"
#include "sim/network.h"
#include "sim/tell.h"

/* --- finding --- */

/* Returns where the life keeps the place of @local; makes room for it. */
static void **
room_for(MobLife *life, uint32_t local)
{
    GPtrArray *array = local < MOB_FIRST_WORKER ? life->low : life->workers;
    guint index = local < MOB_FIRST_WORKER ? local : local - MOB_FIRST_WORKER;

    g_assert(index < INT32_MAX);
    if (index >= array->len)
        g_ptr_array_set_size(array, (int)index + 1);
    return &array->pdata[index];
}

MobPlace *
mob_gcs_place(const MobWorld *world)
{
    MobPlace *place = g_hash_table_lookup(world->names, "gcs");

    return place != NULL && place->state == MOB_PLACE_LIVE ? place : NULL;
}

MobPlace *
mob_place_at(const MobWorld *world, MobAddress address)
{
    if (address.node == 0 || address.node > world->lives->len)
        return NULL;
    if (mob_address_eq(address, world->gcs))
        return mob_gcs_place(world);

    const MobLife *life = g_ptr_array_index(world->lives, address.node - 1);
    bool low = address.local < MOB_FIRST_WORKER;
    const GPtrArray *array = low ? life->low : life->workers;
    uint32_t index = low ? address.local : address.local - MOB_FIRST_WORKER;
    if (index >= array->len)
        return NULL;
    MobPlace *place = array->pdata[index];
    return place != NULL && place->state == MOB_PLACE_LIVE ? place : NULL;
}

MobPlace *
mob_place_named(const MobWorld *world, const char *name)
{
    return g_hash_table_lookup(world->names, name);
}

void
mob_place_info(const MobPlace *place, MobProcInfo *info)
{
    *info = (MobProcInfo){
        .address = place->address,
        .name = place->name,
        .node_name = place->life->box->name,
        .role = place->role,
        .incarnation = place->incarnation,
    };
}

/* --- starting --- */

static MobTime
cost_of(const MobConfig *config, MobRole role)
{
    switch (role) {
    case MOB_ROLE_GCS:
        return config->cost_gcs;
    case MOB_ROLE_NODE:
        return config->cost_node;
    case MOB_ROLE_WORKER:
    case MOB_ROLE_DRIVER:
    case MOB_ROLE_WORLD:
        break;
    }
    return config->cost_worker;
}

MobPlace *
mob_place_new(MobWorld *world, MobLife *life, MobAddress address, MobRole role, const char *name)
{
    MobPlace *place = g_new0(MobPlace, 1);
    const MobPlace *before = g_hash_table_lookup(world->names, name);

    place->address = address;
    place->role = role;
    place->life = life;
    place->name = mob_world_text(world, name);
    place->node_name = life->box->name;
    place->incarnation = before != NULL ? before->incarnation + 1 : 1;
    place->cost = cost_of(&world->config, role);
    place->picks = mob_picks_new(&world->pick_config);
    place->conns = mob_table_new();
    place->bundles = g_ptr_array_new();
    for (unsigned timer = 0; timer < MOB_TIMER_COUNT; timer++)
        place->alarms[timer].at = MOB_TIME_NEVER;
    g_ptr_array_add(world->places, place);
    g_hash_table_insert(world->names, (void *)place->name, place);
    if (role != MOB_ROLE_GCS) {
        void **room = room_for(life, address.local);
        g_assert(*room == NULL);
        *room = place;
    }
    return place;
}

void
mob_place_start(MobWorld *world, MobPlace *place, MobTime at)
{
    MobSlot slot = {.kind = MOB_AT_START,
                    .foreground = true,
                    .subject = place,
                    .cause = world->cause,
                    .depth = mob_world_depth(world, at)};

    /* Births come first in their instant, shuffled or not. */
    place->start = mob_queue_push(&world->queue, at, 0, MOB_LANE_NONE, &slot);
}

void
mob_place_spawn(MobWorld *world, MobPlace *manager, MobAddress address)
{
    g_assert(address.node == manager->address.node && address.local >= MOB_FIRST_WORKER);
    g_autofree char *name =
        g_strdup_printf("%s/w%u", manager->life->box->name, address.local - MOB_FIRST_WORKER);
    MobPlace *place = mob_place_new(world, manager->life, address, MOB_ROLE_WORKER, name);

    mob_place_start(world, place, world->now + world->config.worker_start);
}

void
mob_place_begin(MobWorld *world, MobPlace *place)
{
    place->start = 0;
    if (place->process == NULL) {
        g_autoptr(MobStr) node_name = mob_str_new(place->life->box->name);
        MobWorkerOptions options = {
            .gcs = world->gcs,
            .node_manager = mob_node_address(place->address.node),
            .node_name = node_name,
        };
        place->process = world->cast->worker(place->address, &world->config, &options);
    }
    place->state = MOB_PLACE_LIVE;
    mob_faults_newborn(world, place);
    mob_tell_born(world, place);
    mob_tell(world);
}

/* --- ending --- */

/* What pends for the process alone does not happen any more. */
static void
stop(MobWorld *world, MobPlace *place)
{
    if (place->start != 0)
        mob_queue_cancel(&world->queue, place->start);
    place->start = 0;
    for (unsigned timer = 0; timer < MOB_TIMER_COUNT; timer++) {
        if (place->alarms[timer].handle != 0)
            mob_queue_cancel(&world->queue, place->alarms[timer].handle);
        place->alarms[timer].handle = 0;
    }
    MobSlot slot;
    while (mob_inbox_take(&place->inbox, &slot))
        mob_world_discard(world, &slot);
    mob_bodies_stop(world, place);
}

/* The kernel tells the node manager of the end of a process of its machine. */
static void
tell_manager(MobWorld *world, MobPlace *place)
{
    MobPlace *manager = place->life->manager;

    if (manager->state != MOB_PLACE_LIVE)
        return;
    MobTime at = MAX(world->now + world->config.ipc_hop, mob_net_settled(world, place, manager));
    MobSlot slot = {
        .kind = MOB_AT_CHILD,
        .foreground = true,
        .subject = manager,
        .what = (void *)place->why,
        .number = mob_address_word(place->address),
    };
    mob_world_schedule(world, at, mob_address_word(place->address), slot);
}

static void
orphan_the_rest(MobWorld *world, MobLife *life)
{
    MobSlot slot = {.kind = MOB_AT_ORPHANS, .foreground = true, .subject = life};

    mob_world_schedule(world, world->now + world->config.ipc_hop, life->node, slot);
}

static void
job_is_over(MobWorld *world, const MobPlace *driver)
{
    MobJobRun *job = g_ptr_array_index(world->jobs, driver->job - 1);

    job->done = true;
}

void
mob_place_end(MobWorld *world, MobPlace *place, const char *why, bool silent)
{
    if (place->state == MOB_PLACE_DEAD)
        return;
    bool lived = place->state == MOB_PLACE_LIVE;
    place->state = MOB_PLACE_DEAD;
    place->why = mob_world_text(world, why);
    world->busy_at = world->now;
    stop(world, place);
    if (!silent && (place->role == MOB_ROLE_WORKER || place->role == MOB_ROLE_DRIVER))
        tell_manager(world, place);
    if (place->role == MOB_ROLE_NODE)
        mob_disk_reset(world, place->life->box);
    if (!silent && place->role == MOB_ROLE_NODE)
        orphan_the_rest(world, place->life);
    mob_net_end(world, place, silent);
    if (place->job != 0)
        job_is_over(world, place);
    if (lived)
        mob_tell_died(world, place);
    g_ptr_array_add(world->dead, place);
}

void
mob_place_bury(MobWorld *world)
{
    for (guint i = 0; i < world->dead->len; i++) {
        MobPlace *place = g_ptr_array_index(world->dead, i);
        mob_bodies_clear(world, place);
        if (place->process != NULL)
            place->process->class->free(place->process);
        place->process = NULL;
        mob_picks_free(g_steal_pointer(&place->picks));
        g_free(g_steal_pointer(&place->inbox.slots));
    }
    g_ptr_array_set_size(world->dead, 0);
}

void
mob_place_free(MobPlace *place)
{
    g_assert(place->process == NULL);
    mob_table_free(place->conns);
    g_ptr_array_unref(place->bundles);
    g_free(place);
}
