/* node_rig.h: one node manager without a world: messages in, effects out. */
#pragma once

#include "runtime/node.h"
#include "tests/rig.h"

#define SELF    1
#define GCS     ((MobAddress){SELF, MOB_LOCAL_GCS})
#define DRIVER  ((MobAddress){SELF, 2})
#define OTHER   ((MobAddress){2, 200}) /* an owner on another machine */
#define WORKER0 100

/* A node n1 with @cpus, registered in a cluster with n2 and n3, of @others
 * CPUs each; after the time in which machines may still join. */
static inline void
rig_init(Rig *rig, int cpus, uint64_t store_bytes, int others)
{
    g_autoptr(MobStr) name = mob_str_new("n1");
    MobNodeOptions options = {.name = name,
                              .total = {.cpu = cpus * MOB_UNIT},
                              .store_bytes = store_bytes,
                              .cores = 4,
                              .gcs = GCS};

    rig_open(rig);
    rig_start(rig, mob_node_new(mob_node_address(SELF), &rig->config, &options, WORKER0));
    MobNodeRegistered *registered = mob_node_registered_new();
    registered->views = (MobViews){g_new(MobView, 3), 3};
    for (uint32_t i = 0; i < 3; i++)
        registered->views.items[i] = rig_view(i + 1, i == 0 ? cpus : others, true);
    rig_give(rig, GCS, registered);
    rig->now = MOB_SECOND;
}

static inline MobNodeStats
rig_stats(const Rig *rig)
{
    MobNodeStats stats;
    mob_node_stats(rig->process, &stats);
    return stats;
}

/* --- messages --- */

static inline MobRequestLease *
rig_request(MobAddress owner, uint64_t number, int64_t cpu)
{
    MobRequestLease *request = mob_request_lease_new();
    request->lease = (MobLeaseId){owner, number};
    request->spec = mob_spec_new();
    request->spec->path = mob_str_printf("%u", (unsigned)number);
    request->spec->function = mob_str_new("f");
    request->spec->label = mob_str_new("f");
    request->spec->needs.cpu = cpu;
    return request;
}

static inline void
rig_return(Rig *rig, MobAddress owner, uint64_t number, bool kill)
{
    MobReturnLease *back = mob_return_lease_new();
    back->lease = (MobLeaseId){owner, number};
    back->kill = kill;
    rig_give(rig, owner, back);
}

static inline void
rig_register(Rig *rig, MobAddress worker, bool driver)
{
    MobRegisterWorker *here = mob_register_worker_new();
    here->driver = driver;
    rig_give(rig, worker, here);
}

static inline MobAddress
rig_worker(uint32_t number)
{
    return (MobAddress){SELF, WORKER0 + number};
}

/* Asks for a lease of @cpu and lets a worker start for it if need be. */
static inline MobAddress
rig_grant(Rig *rig, MobAddress owner, uint64_t number, int64_t cpu)
{
    rig_give(rig, owner, rig_request(owner, number, cpu));
    const MobMsg *reply = rig_sent(rig, owner, MOB_MSG_LEASE_REPLY, 0);
    if (reply == NULL) {
        const MobEffect *spawn = rig_effect(rig, MOB_EFFECT_SPAWN, 0);
        cr_assert_not_null(spawn);
        rig_register(rig, spawn->address, false);
        reply = rig_sent(rig, owner, MOB_MSG_LEASE_REPLY, 0);
    }
    cr_assert_not_null(reply);
    cr_assert_eq(mob_lease_reply(reply)->answer, MOB_LEASE_GRANTED);
    return mob_lease_reply(reply)->worker;
}

static inline MobRef
rig_ref(uint32_t number, MobAddress owner)
{
    return (MobRef){{{7, number}, 1, 0}, owner, mob_str_printf("%u", number)};
}

static inline bool
rig_store(Rig *rig, MobAddress worker, uint32_t number, MobAddress owner, uint64_t size)
{
    MobStoreObject *store = mob_store_object_new();
    store->object = rig_ref(number, owner);
    store->value = rig_value(size, (uint8_t)number);
    rig_give(rig, worker, store);
    const MobMsg *stored = rig_sent(rig, worker, MOB_MSG_OBJECT_STORED, 0);
    return stored != NULL && mob_object_stored(stored)->ok;
}

static inline void
rig_get(Rig *rig, MobAddress worker, uint32_t number, MobAddress owner)
{
    MobGetObject *get = mob_get_object_new();
    get->object = rig_ref(number, owner);
    rig_give(rig, worker, get);
}

/* The object is on @node, and @source of @rank is to be asked. */
static inline void
rig_names(Rig *rig, MobAddress owner, uint32_t number, uint64_t size, uint64_t hash, uint32_t node,
          uint32_t source, uint64_t rank)
{
    MobLocations *locations = mob_locations_new();
    locations->object = (MobObjectId){{7, number}, 1, 0};
    locations->size = size;
    locations->hash = hash;
    locations->nodes = (MobNodes){g_new(MobNodeId, 1), 1};
    locations->nodes.items[0].v = node;
    locations->source.v = source;
    locations->depth = 1 + (source != node);
    locations->rank = rank;
    rig_give(rig, owner, locations);
}

static inline void
rig_locations(Rig *rig, MobAddress owner, uint32_t number, uint64_t size, uint64_t hash,
              uint32_t node)
{
    MobLocations *locations = mob_locations_new();
    locations->object = (MobObjectId){{7, number}, 1, 0};
    locations->size = size;
    locations->hash = hash;
    locations->pending = node == 0;
    if (node != 0) {
        locations->nodes = (MobNodes){g_new(MobNodeId, 1), 1};
        locations->nodes.items[0].v = node;
    }
    rig_give(rig, owner, locations);
}

/* One piece of the value of @size that @byte makes. */
static inline void
rig_chunk(Rig *rig, uint32_t from, uint32_t number, uint64_t size, uint8_t byte, uint64_t push,
          uint64_t offset)
{
    MobChunk *chunk = mob_chunk_new();
    MobValue *value = rig_value(size, byte);
    chunk->object = (MobObjectId){{7, number}, 1, 0};
    chunk->size = size;
    chunk->hash = value->hash;
    chunk->offset = offset;
    chunk->push = push;
    chunk->piece = (MobSlice){value, NULL, offset, MIN(rig->config.chunk, size - offset)};
    rig_give(rig, mob_node_address(from), chunk);
}
