/* test_node_storm.c: a node manager in a storm: everything that can arrive,
 * twice, late and in any order, from a fixed set of processes. After every
 * step its sums must be right; when all is given back nothing may be left. */
#include "tests/disk_rig.h"

enum {
    STEPS = 4000,
    OBJECTS = 8,
    LEASES = 12,
    STORE = 1000,
};

typedef struct {
    Rig rig;
    RigDisk disk;
    uint64_t state;
    GArray *spawned; /* of MobAddress: processes that live */
    bool gone;
} Storm;

static uint64_t
below(Storm *storm, uint64_t limit)
{
    storm->state = mob_mix(storm->state + UINT64_C(0x9e3779b97f4a7c15));
    return storm->state % limit;
}

static MobAddress
any_process(Storm *storm)
{
    if (storm->spawned->len > 0 && below(storm, 2) == 0)
        return g_array_index(storm->spawned, MobAddress, below(storm, storm->spawned->len));
    return below(storm, 2) == 0 ? DRIVER : OTHER;
}

static MobAddress
local_process(Storm *storm)
{
    MobAddress process = any_process(storm);
    return process.node == SELF ? process : DRIVER;
}

/* Objects are owned by the driver, by OTHER, or by a worker. */
static MobAddress
owner_of(const Storm *storm, uint32_t number)
{
    if (number % 4 == 3 && storm->spawned->len > 0)
        return g_array_index(storm->spawned, MobAddress, 0);
    return number % 2 == 0 ? DRIVER : OTHER;
}

static uint64_t
size_of(uint32_t number)
{
    return 90 + number * 40;
}

static MobObjectId
object(uint32_t number)
{
    return (MobObjectId){{7, number}, 1, 0};
}

static void
request(Storm *storm)
{
    MobAddress owner = any_process(storm);
    MobRequestLease *ask =
        rig_request(owner, below(storm, LEASES) + 1, (int64_t)below(storm, 3) * MOB_UNIT / 2);
    ask->grant_or_reject = below(storm, 3) == 0;
    ask->deps.count = (uint32_t)below(storm, 4);
    ask->deps.items = g_new(MobRef, ask->deps.count);
    for (uint32_t i = 0; i < ask->deps.count; i++) {
        uint32_t number = (uint32_t)below(storm, OBJECTS);
        ask->deps.items[i] = rig_ref(number, owner_of(storm, number));
    }
    rig_give(&storm->rig, owner, ask);
}

static void
end_lease(Storm *storm)
{
    MobLeaseId id = {any_process(storm), below(storm, LEASES) + 1};
    if (below(storm, 4) == 0) {
        MobCancelLease *cancel = mob_cancel_lease_new();
        cancel->lease = id;
        rig_give(&storm->rig, id.owner, cancel);
    } else {
        rig_return(&storm->rig, id.owner, id.number, below(storm, 5) == 0);
    }
}

static void
locations(Storm *storm)
{
    uint32_t number = (uint32_t)below(storm, OBJECTS);
    g_autoptr(MobValue) value = rig_value(size_of(number), (uint8_t)number);
    MobLocations *msg = mob_locations_new();
    msg->object = object(number);
    msg->pending = below(storm, 3) == 0;
    if (below(storm, 8) == 0) {
        msg->value = rig_value(1, 1);
    } else if (!msg->pending) {
        msg->size = value->size;
        msg->hash = value->hash;
        msg->nodes.count = (uint32_t)below(storm, 3);
        msg->nodes.items = g_new0(MobNodeId, msg->nodes.count);
        for (uint32_t i = 0; i < msg->nodes.count; i++)
            msg->nodes.items[i].v = 2 + i;
    }
    rig_give(&storm->rig, owner_of(storm, number), msg);
}

static void
chunk(Storm *storm)
{
    uint32_t number = (uint32_t)below(storm, OBJECTS);
    uint64_t size = size_of(number);
    uint64_t offset = below(storm, size / storm->rig.config.chunk + 1) * storm->rig.config.chunk;
    if (offset < size)
        rig_chunk(&storm->rig, 2 + (uint32_t)below(storm, 2), number, size, (uint8_t)number,
                  below(storm, 3) + 1, offset);
}

static void
from_peer(Storm *storm)
{
    MobAddress peer = mob_node_address(2 + (uint32_t)below(storm, 2));
    MobObjectId id = object((uint32_t)below(storm, OBJECTS));
    if (below(storm, 3) == 0) {
        MobPull *pull = mob_pull_new();
        pull->object = (MobRef){.id = id, .owner = DRIVER};
        rig_give(&storm->rig, peer, pull);
    } else if (below(storm, 4) == 0) {
        MobPullFailed *failed = mob_pull_failed_new();
        failed->object = id;
        rig_give(&storm->rig, peer, failed);
    } else {
        MobChunkReceived *received = mob_chunk_received_new();
        received->object = id;
        received->push = below(storm, 20);
        received->offset = below(storm, 6) * storm->rig.config.chunk;
        received->enough = below(storm, 4) == 0;
        rig_give(&storm->rig, peer, received);
    }
}

static void
use_object(Storm *storm)
{
    uint32_t number = (uint32_t)below(storm, OBJECTS);
    MobAddress owner = owner_of(storm, number);
    MobAddress worker = local_process(storm);
    switch (below(storm, 5)) {
    case 0:
        rig_store(&storm->rig, worker, number, owner, size_of(number));
        break;
    case 1: {
        MobFreeObjects *freed = mob_free_objects_new();
        freed->objects = (MobObjects){g_new(MobObjectId, 1), 1};
        freed->objects.items[0] = object(number);
        rig_give(&storm->rig, owner, freed);
        break;
    }
    case 2: {
        MobPinObject *pin = mob_pin_object_new();
        pin->object = rig_ref(number, owner);
        rig_give(&storm->rig, owner, pin);
        break;
    }
    case 3: {
        MobCancelGet *cancel = mob_cancel_get_new();
        cancel->object = object(number);
        rig_give(&storm->rig, worker, cancel);
        break;
    }
    default:
        rig_get(&storm->rig, worker, number, owner);
        break;
    }
}

static void
misfortune(Storm *storm)
{
    Rig *rig = &storm->rig;
    switch (below(storm, 6)) {
    case 0:
        if (storm->spawned->len > 0) {
            uint64_t which = below(storm, storm->spawned->len);
            MobAddress worker = g_array_index(storm->spawned, MobAddress, which);
            g_array_remove_index(storm->spawned, (guint)which);
            rig_child(rig, worker, "killed");
        }
        break;
    case 1:
        rig_reset(rig, any_process(storm));
        break;
    case 2:
        rig_reset(rig,
                  below(storm, 4) == 0 ? GCS : mob_node_address(2 + (uint32_t)below(storm, 2)));
        break;
    case 3:
        rig_give(rig, GCS, mob_node_registered_new());
        break;
    case 4:
        rig_step(rig, (MobInput){.kind = MOB_INPUT_EVICT,
                                 .object = object((uint32_t)below(storm, OBJECTS))});
        break;
    default:
        rig->now += below(storm, 100) * MOB_MS;
        rig_timer(rig, (MobTimer)below(storm, MOB_TIMER_COUNT), rig->now);
        break;
    }
}

static void
work(Storm *storm)
{
    MobAddress worker = local_process(storm);
    if (below(storm, 2) == 0) {
        rig_register(&storm->rig, worker, worker.local == DRIVER.local);
    } else {
        MobWorkerBlocked *blocked = mob_worker_blocked_new();
        blocked->blocked = below(storm, 2) == 0;
        rig_give(&storm->rig, worker, blocked);
    }
}

/* What is in @file cannot be read any more. */
static void
lose(MobDiskOrder *file)
{
    g_ptr_array_set_size(file->values, 0);
}

/* An order to the disk ends, now and then badly; or the disk loses a file. */
static void
use_disk(Storm *storm)
{
    RigDisk *disk = &storm->disk;
    uint64_t luck = below(storm, 10);

    if (luck == 0 && disk->files->len > 0)
        lose(g_ptr_array_index(disk->files, below(storm, disk->files->len)));
    if (disk->orders->len > 0)
        rig_disk_end(&storm->rig, disk, (uint32_t)below(storm, disk->orders->len),
                     luck == 1   ? MOB_DISK_FULL
                     : luck == 2 ? MOB_DISK_FAILED
                                 : MOB_DISK_OK);
}

/* Takes note of processes that the node started or ended. */
static void
carry_out(Storm *storm)
{
    for (uint32_t i = 0;; i++) {
        const MobEffect *spawn = rig_effect(&storm->rig, MOB_EFFECT_SPAWN, i);
        if (spawn == NULL)
            break;
        g_array_append_val(storm->spawned, spawn->address);
    }
    rig_disk_take(&storm->rig, &storm->disk);
    storm->gone |= rig_effect(&storm->rig, MOB_EFFECT_EXIT, 0) != NULL;
}

static void
check(const Storm *storm)
{
    MobNodeStats stats = rig_stats(&storm->rig);
    MobCopyInfo copy;
    MobLeaseInfo lease;
    uint64_t used = 0;
    int64_t held = 0;
    size_t at = 0;

    while (mob_node_next_copy(storm->rig.process, &at, &copy))
        used += copy.held ? copy.size : 0;
    cr_assert_eq(stats.store_used, used);
    cr_assert_leq(used, STORE);
    at = 0;
    while (mob_node_next_lease(storm->rig.process, &at, &lease))
        if (mob_address_is(lease.worker) && !lease.blocked)
            held += lease.needs.cpu;
    cr_assert_leq(stats.available.cpu, stats.total.cpu - held);
    cr_assert_leq(stats.leases_granted, storm->spawned->len);
}

/* All owners die, and the other nodes: nothing may be left. */
static void
end_all(Storm *storm)
{
    Rig *rig = &storm->rig;

    while (storm->spawned->len > 0) {
        MobAddress worker = g_array_index(storm->spawned, MobAddress, 0);
        g_array_remove_index(storm->spawned, 0);
        rig_child(rig, worker, "killed");
        carry_out(storm);
    }
    rig_give(rig, GCS, rig_changed(rig_view(2, 0, false)));
    carry_out(storm);
    rig_give(rig, GCS, rig_changed(rig_view(3, 0, false)));
    carry_out(storm);
    rig_register(rig, DRIVER, true);
    carry_out(storm);
    rig_child(rig, DRIVER, "killed");
    carry_out(storm);
    while (storm->disk.orders->len > 0)
        rig_disk_end(rig, &storm->disk, 0, MOB_DISK_OK);
    check(storm);
    cr_assert_eq(storm->disk.files->len, 0);
    MobNodeStats stats = rig_stats(rig);
    cr_assert_eq(stats.objects, 0);
    cr_assert_eq(stats.store_used, 0);
    cr_assert_eq(stats.files + stats.spilled, 0);
    cr_assert_eq(stats.disk_used, 0);
    cr_assert_eq(stats.leases_granted + stats.leases_waiting, 0);
    cr_assert_eq(stats.available.cpu, stats.total.cpu);
    cr_assert_eq(stats.workers, 0);
    cr_assert_eq(stats.pulls, 0);
}

static void
blow(uint64_t seed)
{
    static void (*const acts[])(Storm *) = {request, request, end_lease,  end_lease,  locations,
                                            chunk,   chunk,   from_peer,  use_object, use_object,
                                            work,    work,    misfortune, use_disk,   use_disk};
    Storm storm = {.state = seed, .spawned = g_array_new(false, false, sizeof(MobAddress))};

    rig_init(&storm.rig, 4, STORE, 2);
    rig_disk_init(&storm.disk);
    storm.rig.config.min_spilling_size = seed % 2 == 0 ? 100 : 1000000;
    storm.rig.config.chunk = 100;
    storm.rig.config.chunks_in_flight = 2;
    storm.rig.config.gcs_reconnect = 1000 * MOB_SECOND;
    rig_register(&storm.rig, DRIVER, true);
    for (int i = 0; i < STEPS && !storm.gone; i++) {
        acts[below(&storm, G_N_ELEMENTS(acts))](&storm);
        carry_out(&storm);
        check(&storm);
    }
    cr_assert(!storm.gone);
    end_all(&storm);
    rig_clear(&storm.rig);
    rig_disk_clear(&storm.disk);
    g_array_unref(storm.spawned);
}

Test(node_storm, a_node_keeps_its_sums_and_leaves_nothing_behind)
{
    for (uint64_t seed = 1; seed <= 25; seed++)
        blow(seed);
}
