/* test_node_objects.c: the objects of a node: its store, what it fetches, what
 * it sends, and the arguments of leases. */
#include "tests/disk_rig.h"

#define N2 (mob_node_address(2))
#define N3 (mob_node_address(3))

static const MobObjectHere *
here_to(const Rig *rig, MobAddress worker)
{
    const MobMsg *msg = rig_sent(rig, worker, MOB_MSG_OBJECT_HERE, 0);
    return msg != NULL ? mob_object_here(msg) : NULL;
}

static uint64_t
hash_of(uint64_t size, uint8_t byte)
{
    g_autoptr(MobValue) value = rig_value(size, byte);
    return value->hash;
}

/* Fetches object @number of @size for the driver from n2. */
static void
fetch(Rig *rig, uint32_t number, uint64_t size)
{
    rig_get(rig, DRIVER, number, OTHER);
    rig_locations(rig, OTHER, number, size, hash_of(size, (uint8_t)number), 2);
    cr_assert_not_null(rig_sent(rig, N2, MOB_MSG_PULL, 0));
    for (uint64_t offset = 0; offset < size; offset += rig->config.chunk)
        rig_chunk(rig, 2, number, size, (uint8_t)number, 1, offset);
    cr_assert_not_null(here_to(rig, DRIVER));
}

Test(node_objects, the_first_sealed_value_wins)
{
    g_auto(Rig) rig;
    rig_init(&rig, 2, 1000, 2);
    rig_register(&rig, DRIVER, true);
    cr_assert(rig_store(&rig, DRIVER, 1, DRIVER, 100));
    cr_assert(rig_store(&rig, DRIVER, 1, DRIVER, 500), "a repeat is answered");
    cr_assert_eq(rig_stats(&rig).store_used, 100);
    cr_assert_eq(rig_stats(&rig).store_pinned, 100, "a primary copy");
    rig_get(&rig, DRIVER, 1, DRIVER);
    cr_assert_eq(here_to(&rig, DRIVER)->value->size, 100);
}

Test(node_objects, a_full_store_evicts_copies_and_then_makes_creates_wait_in_turn)
{
    g_auto(Rig) rig;
    g_auto(RigDisk) disk;
    rig_disk_init(&disk);
    rig_init(&rig, 2, 1000, 2);
    rig_register(&rig, DRIVER, true);
    fetch(&rig, 1, 300);
    fetch(&rig, 2, 300);
    rig_get(&rig, DRIVER, 1, OTHER); /* used again: 2 is the older now */
    cr_assert(rig_store(&rig, DRIVER, 3, DRIVER, 600));
    cr_assert_eq(rig_note(&rig, MOB_NOTE_OBJECT_EVICTED)->object.task.lo, 2);
    const MobMoves *moves =
        &mob_object_moved(rig_sent(&rig, OTHER, MOB_MSG_OBJECT_MOVED, 0))->moves;
    cr_assert(moves->count == 1 && !moves->items[0].here);

    cr_assert(!rig_store(&rig, DRIVER, 4, DRIVER, 500));
    cr_assert_eq(rig_count(&rig, MOB_MSG_OBJECT_STORED), 0, "it waits");
    rig_disk_take(&rig, &disk);
    rig_disk_end(&rig, &disk, 0, MOB_DISK_FULL); /* nothing can be spilled */
    cr_assert(!rig_store(&rig, DRIVER, 5, DRIVER, 10), "behind the other");
    cr_assert_eq(rig_count(&rig, MOB_MSG_OBJECT_STORED), 0);
    MobFreeObjects *freed = mob_free_objects_new();
    freed->objects = (MobObjects){g_new(MobObjectId, 1), 1};
    freed->objects.items[0] = (MobObjectId){{7, 3}, 1, 0};
    rig_give(&rig, DRIVER, freed);
    cr_assert_not_null(rig_note(&rig, MOB_NOTE_OBJECT_DELETED));
    cr_assert_eq(rig_count(&rig, MOB_MSG_OBJECT_STORED), 2);

    cr_assert(!rig_store(&rig, DRIVER, 6, DRIVER, 900));
    cr_assert_eq(disk.orders->len, 0, "it has just been found to be full");
    rig_timer(&rig, MOB_TIMER_PULL, rig.now + rig.config.store_full_grace);
    const MobObjectStored *stored =
        mob_object_stored(rig_sent(&rig, DRIVER, MOB_MSG_OBJECT_STORED, 0));
    cr_assert(!stored->ok && stored->no_disk && stored->capacity == 1000);
    cr_assert(!rig_store(&rig, DRIVER, 7, DRIVER, 1001));
    cr_assert_eq(rig_count(&rig, MOB_MSG_OBJECT_STORED), 1, "never: no waiting");
}

Test(node_objects, fetches_once_for_all_who_want_it_and_counts_each_piece_once)
{
    g_auto(Rig) rig;
    rig_init(&rig, 2, 100 * MOB_UNIT, 2);
    rig.config.chunk = 100;
    rig_register(&rig, DRIVER, true);
    MobAddress worker = rig_grant(&rig, DRIVER, 1, MOB_UNIT);
    uint64_t hash = hash_of(250, 1);

    rig_get(&rig, DRIVER, 1, OTHER);
    cr_assert_not_null(rig_sent(&rig, OTHER, MOB_MSG_SUBSCRIBE_LOCATIONS, 0));
    rig_get(&rig, worker, 1, OTHER);
    cr_assert_eq(rig.out.effects->len, 0, "asked already");
    rig_locations(&rig, OTHER, 1, 250, hash, 2);
    cr_assert_not_null(rig_sent(&rig, N2, MOB_MSG_PULL, 0));
    rig_locations(&rig, OTHER, 1, 250, hash, 2);
    cr_assert_eq(rig.out.effects->len, 0, "pulled already");

    rig_chunk(&rig, 2, 1, 250, 1, 1, 200);
    rig_chunk(&rig, 2, 1, 250, 1, 1, 0);
    rig_chunk(&rig, 2, 1, 250, 1, 1, 0);
    cr_assert(!mob_chunk_received(rig_sent(&rig, N2, MOB_MSG_CHUNK_RECEIVED, 0))->enough);
    cr_assert_null(here_to(&rig, DRIVER));
    rig_chunk(&rig, 2, 1, 250, 1, 1, 100);
    cr_assert_eq(here_to(&rig, DRIVER)->value->hash, hash);
    cr_assert_not_null(here_to(&rig, worker));
    cr_assert_not_null(rig_note(&rig, MOB_NOTE_OBJECT_COPIED));
    cr_assert_not_null(rig_sent(&rig, OTHER, MOB_MSG_UNSUBSCRIBE_LOCATIONS, 0));
    cr_assert(
        mob_object_moved(rig_sent(&rig, OTHER, MOB_MSG_OBJECT_MOVED, 0))->moves.items[0].here);
    cr_assert_eq(rig_stats(&rig).store_used, 250);
    cr_assert_eq(rig_stats(&rig).store_pinned, 0);

    rig_chunk(&rig, 2, 1, 250, 1, 1, 100);
    cr_assert(mob_chunk_received(rig_sent(&rig, N2, MOB_MSG_CHUNK_RECEIVED, 0))->enough);
}

Test(node_objects, an_inline_value_or_error_is_handed_on)
{
    g_auto(Rig) rig;
    rig_init(&rig, 2, 1000, 2);
    rig_get(&rig, DRIVER, 1, OTHER);
    MobLocations *locations = mob_locations_new();
    locations->object = (MobObjectId){{7, 1}, 1, 0};
    locations->value = rig_value(1, 9);
    rig_give(&rig, OTHER, locations);
    cr_assert_eq(here_to(&rig, DRIVER)->value->size, 1);
    rig_locations(&rig, OTHER, 1, 0, 0, 0);
    cr_assert_not_null(rig_sent(&rig, OTHER, MOB_MSG_UNSUBSCRIBE_LOCATIONS, 0), "late news");
}

Test(node_objects, goes_on_with_another_source_when_one_fails)
{
    g_auto(Rig) rig;
    rig_init(&rig, 2, 100 * MOB_UNIT, 2);
    rig.config.chunk = 100;
    uint64_t hash = hash_of(150, 1);
    rig_get(&rig, DRIVER, 1, OTHER);
    MobLocations *locations = mob_locations_new();
    locations->object = (MobObjectId){{7, 1}, 1, 0};
    locations->size = 150;
    locations->hash = hash;
    locations->nodes = (MobNodes){g_new(MobNodeId, 2), 2};
    locations->nodes.items[0].v = 2;
    locations->nodes.items[1].v = 3;
    rig_give(&rig, OTHER, locations);
    rig_chunk(&rig, 2, 1, 150, 1, 5, 0);

    MobPullFailed *failed = mob_pull_failed_new();
    failed->object = (MobObjectId){{7, 1}, 1, 0};
    rig_give(&rig, N2, mob_msg_ref(&failed->base));
    cr_assert_not_null(rig_sent(&rig, N3, MOB_MSG_PULL, 0));
    rig_chunk(&rig, 2, 1, 150, 1, 5, 100);
    cr_assert(mob_chunk_received(rig_sent(&rig, N2, MOB_MSG_CHUNK_RECEIVED, 0))->enough);
    rig_reset(&rig, N3);
    rig_timer(&rig, MOB_TIMER_RETRY, rig.now + rig.config.retry_delay);
    cr_assert_not_null(rig_sent(&rig, N3, MOB_MSG_PULL, 0), "asked again after the reset");
    rig_timer(&rig, MOB_TIMER_PULL, rig.now + rig.config.pull_retry);
    cr_assert_not_null(rig_sent(&rig, N2, MOB_MSG_PULL, 0), "all over again");
    cr_assert_eq(mob_pull(rig_sent(&rig, N2, MOB_MSG_PULL, 0))->offset, 100, "but for what came");
    rig_give(&rig, N2, failed);
    const MobSubscribeLocations *ask =
        mob_subscribe_locations(rig_sent(&rig, OTHER, MOB_MSG_SUBSCRIBE_LOCATIONS, 0));
    cr_assert_eq(ask->failed.v, 2, "nobody is left");
    cr_assert_eq(rig_stats(&rig).pulls, 0);
    cr_assert_eq(rig_stats(&rig).store_used, 150, "what came is kept");
    rig_timer(&rig, MOB_TIMER_PULL, rig.now + rig.config.pull_retry);
    cr_assert_not_null(rig_sent(&rig, N2, MOB_MSG_PULL, 0));
    rig_chunk(&rig, 2, 1, 150, 1, 6, 100);
    cr_assert_not_null(here_to(&rig, DRIVER));
}

Test(node_objects, without_any_copy_for_long_it_is_an_error)
{
    g_auto(Rig) rig;
    rig_init(&rig, 2, 1000, 2);
    rig_get(&rig, DRIVER, 1, OTHER);
    rig_locations(&rig, OTHER, 1, 0, 0, 0);
    cr_assert_eq(rig.out.alarms[MOB_TIMER_PULL], 0, "it is being made: no hurry");
    MobLocations *nowhere = mob_locations_new();
    nowhere->object = (MobObjectId){{7, 1}, 1, 0};
    rig_give(&rig, OTHER, nowhere);
    rig_timer(&rig, MOB_TIMER_PULL, rig.now + rig.config.fetch_timeout);
    cr_assert_eq(here_to(&rig, DRIVER)->value->fault, MOB_FAULT_FETCH_TIMED_OUT);
}

Test(node_objects, pushes_a_few_pieces_at_a_time_and_stops_when_it_is_enough)
{
    g_auto(Rig) rig;
    rig_init(&rig, 2, 100 * MOB_UNIT, 2);
    rig.config.chunk = 10;
    rig.config.chunks_in_flight = 2;
    rig_register(&rig, DRIVER, true);
    cr_assert(rig_store(&rig, DRIVER, 1, DRIVER, 45));
    MobObjectId object = {{7, 1}, 1, 0};

    MobPull *pull = mob_pull_new();
    pull->object = (MobRef){.id = object, .owner = DRIVER};
    rig_give(&rig, N2, mob_msg_ref(&pull->base));
    cr_assert_eq(rig_count(&rig, MOB_MSG_CHUNK), 2);
    rig_give(&rig, N2, mob_msg_ref(&pull->base));
    cr_assert_eq(rig_count(&rig, MOB_MSG_CHUNK), 0, "it runs already");
    uint32_t pieces = 2;
    for (uint64_t offset = 0; offset < 50; offset += 10) {
        MobChunkReceived *received = mob_chunk_received_new();
        received->object = object;
        received->push = 1;
        received->offset = offset;
        rig_give(&rig, N2, received);
        pieces += rig_count(&rig, MOB_MSG_CHUNK);
    }
    cr_assert_eq(pieces, 5);

    rig_give(&rig, N2, mob_msg_ref(&pull->base));
    cr_assert_eq(mob_chunk(rig_sent(&rig, N2, MOB_MSG_CHUNK, 0))->push, 2);
    rig_reset(&rig, N2);
    rig_give(&rig, N2, mob_msg_ref(&pull->base));
    cr_assert_eq(mob_chunk(rig_sent(&rig, N2, MOB_MSG_CHUNK, 0))->push, 3, "from the start");
    MobChunkReceived *enough = mob_chunk_received_new();
    enough->object = object;
    enough->push = 3;
    enough->enough = true;
    rig_give(&rig, N2, enough);
    cr_assert_eq(rig.out.effects->len, 0);

    pull->object.id.index = 2;
    rig_give(&rig, N2, pull);
    cr_assert_not_null(rig_sent(&rig, N2, MOB_MSG_PULL_FAILED, 0));
    const MobMoves *moves =
        &mob_object_moved(rig_sent(&rig, DRIVER, MOB_MSG_OBJECT_MOVED, 0))->moves;
    cr_assert_eq(moves->count, 1);
    cr_assert_eq(moves->items[0].object.index, 2);
    cr_assert_not(moves->items[0].here, "its owner believes in a copy that is not there");
}

static MobRequestLease *
request_with_arg(uint64_t lease, uint32_t object)
{
    MobRequestLease *request = rig_request(DRIVER, lease, MOB_UNIT);
    request->deps = (MobRefs){g_new(MobRef, 1), 1};
    request->deps.items[0] = rig_ref(object, OTHER);
    return request;
}

Test(node_objects, a_lease_is_granted_when_its_arguments_are_here_and_pinned)
{
    g_auto(Rig) rig;
    rig_init(&rig, 1, 1000, 0);
    MobObjectId object = {{7, 1}, 1, 0};
    rig_give(&rig, DRIVER, request_with_arg(1, 1));
    cr_assert_not_null(rig_sent(&rig, OTHER, MOB_MSG_SUBSCRIBE_LOCATIONS, 0));
    cr_assert_null(rig_effect(&rig, MOB_EFFECT_SPAWN, 0));
    cr_assert_eq(rig_stats(&rig).available.cpu, MOB_UNIT, "it holds nothing yet");
    rig_locations(&rig, OTHER, 1, 300, hash_of(300, 1), 2);
    rig_chunk(&rig, 2, 1, 300, 1, 1, 0);
    cr_assert_eq(rig_stats(&rig).store_pinned, 300);
    cr_assert_not_null(rig_effect(&rig, MOB_EFFECT_SPAWN, 0));
    rig_register(&rig, rig_worker(0), false);
    cr_assert_not_null(rig_sent(&rig, DRIVER, MOB_MSG_LEASE_REPLY, 0));

    rig_step(&rig, (MobInput){.kind = MOB_INPUT_EVICT, .object = object});
    cr_assert_eq(rig_stats(&rig).objects, 1, "a running task reads it");
    rig_return(&rig, DRIVER, 1, false);
    cr_assert_eq(rig_stats(&rig).objects, 0, "then it goes");
    cr_assert_not_null(rig_note(&rig, MOB_NOTE_OBJECT_COPY_LOST));
    cr_assert_not_null(rig_sent(&rig, OTHER, MOB_MSG_OBJECT_MOVED, 0));
}

Test(node_objects, arguments_take_a_share_of_the_store_but_one_lease_always_goes_on)
{
    g_auto(Rig) rig;
    rig_init(&rig, 4, 1000, 0);
    for (uint32_t i = 1; i <= 3; i++) {
        rig_give(&rig, DRIVER, request_with_arg(i, i));
        rig_locations(&rig, OTHER, i, i == 1 ? 800 : 100, hash_of(i == 1 ? 800 : 100, (uint8_t)i),
                      2);
        cr_assert_eq(rig_count(&rig, MOB_MSG_PULL), i == 1);
    }
    rig_chunk(&rig, 2, 1, 800, 1, 1, 0);
    rig_register(&rig, rig_worker(0), false);
    rig_return(&rig, DRIVER, 1, false);
    cr_assert_eq(rig_count(&rig, MOB_MSG_PULL), 2, "the others now");
}

Test(node_objects, a_lease_whose_argument_is_lost_steps_back_for_others)
{
    g_auto(Rig) rig;
    rig_init(&rig, 4, 1000, 0);
    rig_give(&rig, DRIVER, request_with_arg(1, 1));
    rig_locations(&rig, OTHER, 1, 600, hash_of(600, 1), 3);
    rig_give(&rig, DRIVER, request_with_arg(2, 2));
    rig_locations(&rig, OTHER, 2, 600, hash_of(600, 2), 2);
    cr_assert_eq(rig_count(&rig, MOB_MSG_PULL), 0);
    rig_give(&rig, GCS, rig_changed(rig_view(3, 0, false)));
    cr_assert_not_null(rig_sent(&rig, OTHER, MOB_MSG_SUBSCRIBE_LOCATIONS, 0), "any other?");
    rig_locations(&rig, OTHER, 1, 600, hash_of(600, 1), 0);
    cr_assert_not_null(rig_sent(&rig, N2, MOB_MSG_PULL, 0));
    cr_assert_eq(rig_stats(&rig).store_used, 600);
}

/* While two CPUs were taken, the others were promised to two that wait for
 * arguments. The oldest request can be promised the machine when one of them has
 * taken what it was promised. */
Test(node_objects, a_kept_promise_makes_another_possible)
{
    g_auto(Rig) rig;
    rig_init(&rig, 3, 1000, 0);
    rig_give(&rig, DRIVER, rig_request(DRIVER, 8, 2 * MOB_UNIT));
    rig_register(&rig, rig_worker(0), false);
    rig_give(&rig, DRIVER, rig_request(DRIVER, 9, 2 * MOB_UNIT));
    for (uint32_t i = 1; i <= 2; i++) {
        rig_give(&rig, DRIVER, request_with_arg(i, i));
        rig_locations(&rig, OTHER, i, 300, hash_of(300, (uint8_t)i), 2);
    }
    rig_return(&rig, DRIVER, 8, false);
    cr_assert_null(rig_sent(&rig, DRIVER, MOB_MSG_LEASE_REPLY, 0), "the arguments are on the way");
    rig_chunk(&rig, 2, 1, 300, 1, 1, 0);
    cr_assert_eq(rig_stats(&rig).available.cpu, 0, "one of those two, and the oldest");
}

Test(node_objects, leases_whose_arguments_are_to_be_made_keep_nobody_back)
{
    g_auto(Rig) rig;
    rig_init(&rig, 2, 1000, 0);
    for (uint32_t i = 1; i <= 3; i++) {
        rig_give(&rig, DRIVER, request_with_arg(i, i));
        rig_locations(&rig, OTHER, i, 0, 0, 0);
    }
    rig_give(&rig, DRIVER, rig_request(DRIVER, 9, 2 * MOB_UNIT));
    cr_assert_not_null(rig_effect(&rig, MOB_EFFECT_SPAWN, 0));
    rig_register(&rig, rig_worker(0), false);
    cr_assert_not_null(rig_sent(&rig, DRIVER, MOB_MSG_LEASE_REPLY, 0));
    rig_return(&rig, DRIVER, 9, false);
    cr_assert(rig_store(&rig, rig_worker(0), 2, OTHER, 100), "it is made here");
    const MobLeaseReply *reply = mob_lease_reply(rig_sent(&rig, DRIVER, MOB_MSG_LEASE_REPLY, 0));
    cr_assert_eq(reply->lease.number, 2);
}

/* The owner names one who collects it; those with a copy die before it is asked. */
Test(node_objects, whom_the_owner_names_is_asked_though_all_with_a_copy_have_died)
{
    g_auto(Rig) rig;
    rig_init(&rig, 4, 1000, 0);
    rig_give(&rig, DRIVER, request_with_arg(1, 1));
    rig_locations(&rig, OTHER, 1, 800, hash_of(800, 1), 2);
    rig_give(&rig, DRIVER, request_with_arg(2, 2));
    MobLocations *locations = mob_locations_new();
    locations->object = (MobObjectId){{7, 2}, 1, 0};
    locations->size = 300;
    locations->hash = hash_of(300, 2);
    locations->nodes = (MobNodes){g_new(MobNodeId, 1), 1};
    locations->nodes.items[0].v = 3;
    locations->source.v = 2;
    locations->rank = 2;
    rig_give(&rig, OTHER, locations);
    cr_assert_eq(rig_count(&rig, MOB_MSG_PULL), 0, "there is no room for both");
    rig_give(&rig, GCS, rig_changed(rig_view(3, 0, false)));
    MobCancelLease *cancel = mob_cancel_lease_new();
    cancel->lease = (MobLeaseId){DRIVER, 1};
    rig_give(&rig, DRIVER, cancel);
    cr_assert_not_null(rig_sent(&rig, N2, MOB_MSG_PULL, 0));
}

/* Its news came before it, and nobody tells them again. */
Test(node_objects, a_lease_that_comes_when_its_argument_is_known_to_be_nowhere_keeps_nobody_back)
{
    g_auto(Rig) rig;
    rig_init(&rig, 1, 1000, 0);
    rig_give(&rig, DRIVER, request_with_arg(1, 1));
    rig_locations(&rig, OTHER, 1, 0, 0, 0);
    rig_give(&rig, DRIVER, request_with_arg(2, 1));
    rig_give(&rig, DRIVER, rig_request(DRIVER, 3, MOB_UNIT));
    cr_assert_not_null(rig_effect(&rig, MOB_EFFECT_SPAWN, 0));
}

Test(node_objects, owners_pin_and_are_told_again_after_a_reset)
{
    g_auto(Rig) rig;
    rig_init(&rig, 2, 1000, 2);
    rig_register(&rig, DRIVER, true);
    fetch(&rig, 1, 300);
    fetch(&rig, 2, 300);
    MobPinObject *pin = mob_pin_object_new();
    pin->object = rig_ref(1, OTHER);
    rig_give(&rig, OTHER, pin);
    cr_assert(mob_object_pinned(rig_sent(&rig, OTHER, MOB_MSG_OBJECT_PINNED, 0))->ok);
    cr_assert_eq(rig_stats(&rig).store_pinned, 300);
    pin = mob_pin_object_new();
    pin->object = rig_ref(9, OTHER);
    rig_give(&rig, OTHER, pin);
    cr_assert(!mob_object_pinned(rig_sent(&rig, OTHER, MOB_MSG_OBJECT_PINNED, 0))->ok);

    rig_step(&rig, (MobInput){.kind = MOB_INPUT_EVICT, .object = {{7, 1}, 1, 0}});
    cr_assert_eq(rig_stats(&rig).objects, 1, "primary or not");
    rig_reset(&rig, OTHER);
    rig_timer(&rig, MOB_TIMER_RETRY, rig.now + rig.config.retry_delay);
    const MobMoves *moves =
        &mob_object_moved(rig_sent(&rig, OTHER, MOB_MSG_OBJECT_MOVED, 0))->moves;
    cr_assert_eq(moves->count, 2);
    cr_assert(!moves->items[0].here && moves->items[1].here);
}

Test(node_objects, a_get_that_finds_no_room_is_an_error_in_the_end)
{
    g_auto(Rig) rig;
    g_auto(RigDisk) disk;
    rig_disk_init(&disk);
    rig_init(&rig, 2, 1000, 2);
    rig_register(&rig, DRIVER, true);
    cr_assert(rig_store(&rig, DRIVER, 1, DRIVER, 900));
    rig_disk_take(&rig, &disk); /* it is written ahead, see test_node_spill.c */
    rig_get(&rig, DRIVER, 2, OTHER);
    rig_locations(&rig, OTHER, 2, 300, hash_of(300, 2), 2);
    cr_assert_eq(rig_count(&rig, MOB_MSG_PULL), 0, "it waits for room");
    rig_disk_end(&rig, &disk, 0, MOB_DISK_FULL);
    rig_timer(&rig, MOB_TIMER_PULL, rig.now + rig.config.store_full_grace);
    cr_assert_eq(here_to(&rig, DRIVER)->value->fault, MOB_FAULT_OUT_OF_DISK);
}

Test(node_objects, what_waits_for_room_takes_that_of_a_copy_that_has_just_come)
{
    g_auto(Rig) rig;
    rig_init(&rig, 2, 1000, 2);
    rig_register(&rig, DRIVER, true);
    rig_get(&rig, DRIVER, 1, OTHER);
    rig_locations(&rig, OTHER, 1, 600, hash_of(600, 1), 2);
    rig_get(&rig, DRIVER, 2, OTHER);
    rig_locations(&rig, OTHER, 2, 500, hash_of(500, 2), 2);
    cr_assert_eq(rig_count(&rig, MOB_MSG_PULL), 0, "it waits for room");
    rig_chunk(&rig, 2, 1, 600, 1, 1, 0);
    cr_assert_eq(rig_note(&rig, MOB_NOTE_OBJECT_EVICTED)->object.task.lo, 1);
    cr_assert_eq(rig_count(&rig, MOB_MSG_PULL), 1);
}

Test(node_objects, a_wish_that_is_cancelled_stops_the_transfer)
{
    g_auto(Rig) rig;
    rig_init(&rig, 2, 100 * MOB_UNIT, 2);
    rig.config.chunk = 100;
    rig_get(&rig, DRIVER, 1, OTHER);
    rig_locations(&rig, OTHER, 1, 150, hash_of(150, 1), 2);
    rig_chunk(&rig, 2, 1, 150, 1, 1, 0);
    MobCancelGet *cancel = mob_cancel_get_new();
    cancel->object = (MobObjectId){{7, 1}, 1, 0};
    rig_give(&rig, DRIVER, cancel);
    cr_assert(mob_chunk_received(rig_sent(&rig, N2, MOB_MSG_CHUNK_RECEIVED, 0))->enough);
    cr_assert_not_null(rig_sent(&rig, OTHER, MOB_MSG_UNSUBSCRIBE_LOCATIONS, 0));
    cr_assert_eq(rig_stats(&rig).store_used, 0);
}

/* --- what no honest peer would say --- */

/* Ids are hashes, so only who makes them up has two with one key in a table. */
Test(node_objects, arguments_with_ids_that_were_made_up_stop_nobody_else)
{
    g_auto(Rig) rig;
    rig_init(&rig, 2, 1000, 2);
    MobRequestLease *request = rig_request(OTHER, 1, MOB_UNIT);
    MobLocations *locations = mob_locations_new();

    request->deps = (MobRefs){g_new(MobRef, 2), 2};
    for (uint32_t i = 0; i < 2; i++)
        request->deps.items[i] = rig_ref(1, OTHER);
    locations->object = request->deps.items[0].id;
    request->deps.items[1].id.index = 2;
    request->deps.items[1].id.task.hi ^= 1 ^ 2;
    rig_give(&rig, OTHER, request);
    locations->value = mob_value_nil();
    rig_give(&rig, OTHER, locations);
    rig_grant(&rig, OTHER, 2, MOB_UNIT);
}
