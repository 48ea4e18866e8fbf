/* test_node_spill.c: object spilling, as Ray describes it: the create queue of a
 * full store, which copies go to disk and in what files, how they come back or
 * are sent from there, and when files go. A node manager with a disk whose
 * orders end as the test says. */
#include "tests/disk_rig.h"

#define N2 (mob_node_address(2))

static MobObjectId
object(uint32_t number)
{
    return (MobObjectId){{7, number}, 1, 0};
}

/* A store of 1000 bytes. */
static void
init(Rig *rig, RigDisk *disk)
{
    rig_disk_init(disk);
    rig_init(rig, 2, 1000, 2);
    rig_register(rig, DRIVER, true);
}

static bool
store(Rig *rig, RigDisk *disk, uint32_t number, uint64_t size)
{
    bool stored = rig_store(rig, DRIVER, number, DRIVER, size);

    rig_disk_take(rig, disk);
    return stored;
}

static void
get(Rig *rig, RigDisk *disk, uint32_t number)
{
    rig_get(rig, DRIVER, number, DRIVER);
    rig_disk_take(rig, disk);
}

static void
free_object(Rig *rig, RigDisk *disk, uint32_t number)
{
    MobFreeObjects *freed = mob_free_objects_new();

    freed->objects = (MobObjects){g_new(MobObjectId, 1), 1};
    freed->objects.items[0] = object(number);
    rig_give(rig, DRIVER, freed);
    rig_disk_take(rig, disk);
}

static void
pull(Rig *rig, RigDisk *disk, uint32_t number)
{
    MobPull *wish = mob_pull_new();

    wish->object = rig_ref(number, DRIVER);
    rig_give(rig, N2, wish);
    rig_disk_take(rig, disk);
}

static void
received(Rig *rig, RigDisk *disk, uint32_t number, uint64_t offset)
{
    MobChunkReceived *word = mob_chunk_received_new();

    word->object = object(number);
    word->push = 1;
    word->offset = offset;
    rig_give(rig, N2, word);
    rig_disk_take(rig, disk);
}

static const MobObjectHere *
here(const Rig *rig)
{
    const MobMsg *msg = rig_sent(rig, DRIVER, MOB_MSG_OBJECT_HERE, 0);

    return msg != NULL ? mob_object_here(msg) : NULL;
}

static MobCopyInfo
copy_of(const Rig *rig, uint32_t number)
{
    MobCopyInfo copy;
    size_t at = 0;

    while (mob_node_next_copy(rig->process, &at, &copy))
        if (mob_object_eq(copy.object, object(number)))
            return copy;
    return (MobCopyInfo){0};
}

static bool
is_on_disk_alone(const Rig *rig, uint32_t number)
{
    MobCopyInfo copy = copy_of(rig, number);

    return copy.sealed && copy.durable && !copy.held;
}

/* Object 1 of @size is on disk alone, object 2 has its room. */
static void
spill_one(Rig *rig, RigDisk *disk, uint64_t size)
{
    init(rig, disk);
    cr_assert(store(rig, disk, 1, size));
    cr_assert(!store(rig, disk, 2, 900));
    cr_assert_eq(disk->orders->len, 1);
    rig_disk_end(rig, disk, 0, MOB_DISK_OK);
    cr_assert(mob_object_stored(rig_sent(rig, DRIVER, MOB_MSG_OBJECT_STORED, 0))->ok);
    cr_assert(is_on_disk_alone(rig, 1));
    while (disk->orders->len > 0) /* 2 is written ahead */
        rig_disk_end(rig, disk, 0, MOB_DISK_OK);
}

/* --- the create queue --- */

Test(node_spill, secondary_copies_are_evicted_before_anything_is_spilled)
{
    g_auto(Rig) rig;
    g_auto(RigDisk) disk;
    init(&rig, &disk);
    g_autoptr(MobValue) value = rig_value(300, 9);
    rig_get(&rig, DRIVER, 9, OTHER);
    rig_locations(&rig, OTHER, 9, 300, value->hash, 2);
    rig_chunk(&rig, 2, 9, 300, 9, 1, 0);
    cr_assert(store(&rig, &disk, 1, 500));
    cr_assert(store(&rig, &disk, 2, 300), "the copy of the other owner's has made room");
    cr_assert_not_null(rig_note(&rig, MOB_NOTE_OBJECT_EVICTED));
    cr_assert_eq(disk.orders->len, 0);
}

Test(node_spill, creates_wait_in_turn_while_copies_are_written_and_then_have_their_room)
{
    g_auto(Rig) rig;
    g_auto(RigDisk) disk;
    init(&rig, &disk);
    cr_assert(store(&rig, &disk, 1, 400));
    cr_assert(store(&rig, &disk, 2, 400));
    cr_assert(!store(&rig, &disk, 3, 600));
    cr_assert(!store(&rig, &disk, 4, 100), "it would fit, but it is behind the other");
    cr_assert_eq(rig_count(&rig, MOB_MSG_OBJECT_STORED), 0);
    rig_disk_end(&rig, &disk, 0, MOB_DISK_OK);
    const MobMsg *first = rig_sent(&rig, DRIVER, MOB_MSG_OBJECT_STORED, 0);
    const MobMsg *second = rig_sent(&rig, DRIVER, MOB_MSG_OBJECT_STORED, 1);
    cr_assert(mob_object_stored(first)->ok && mob_object_stored(first)->object.task.lo == 3);
    cr_assert(mob_object_stored(second)->ok && mob_object_stored(second)->object.task.lo == 4);
    cr_assert_leq(rig_stats(&rig).store_used, 1000);
}

Test(node_spill, no_grace_ends_while_a_file_is_being_written)
{
    g_auto(Rig) rig;
    g_auto(RigDisk) disk;
    init(&rig, &disk);
    cr_assert(store(&rig, &disk, 1, 800));
    cr_assert(!store(&rig, &disk, 2, 800));
    for (int i = 0; i < 5; i++) {
        rig_timer(&rig, MOB_TIMER_PULL, rig.now + rig.config.store_full_grace);
        cr_assert_eq(rig_count(&rig, MOB_MSG_OBJECT_STORED), 0);
    }
    rig_disk_end(&rig, &disk, 0, MOB_DISK_OK);
    cr_assert(mob_object_stored(rig_sent(&rig, DRIVER, MOB_MSG_OBJECT_STORED, 0))->ok);
}

Test(node_spill, without_progress_the_store_is_full_after_the_grace)
{
    g_auto(Rig) rig;
    g_auto(RigDisk) disk;
    init(&rig, &disk);
    cr_assert(store(&rig, &disk, 1, 800));
    MobRequestLease *request = rig_request(DRIVER, 1, MOB_UNIT);
    request->deps = (MobRefs){g_new(MobRef, 1), 1};
    request->deps.items[0] = rig_ref(1, DRIVER);
    rig_give(&rig, DRIVER, request);
    MobAddress worker = rig_effect(&rig, MOB_EFFECT_SPAWN, 0)->address;
    rig_register(&rig, worker, false);
    cr_assert_eq(copy_of(&rig, 1).pins, 1);
    rig_store(&rig, worker, 2, DRIVER, 500); /* the task waits for room itself */
    rig_disk_take(&rig, &disk);
    cr_assert_eq(disk.orders->len, 0, "what it reads is not spilled");
    rig_timer(&rig, MOB_TIMER_PULL, rig.now + rig.config.store_full_grace);
    const MobMsg *stored = rig_sent(&rig, worker, MOB_MSG_OBJECT_STORED, 0);
    cr_assert(!mob_object_stored(stored)->ok && !mob_object_stored(stored)->no_disk);
}

Test(node_spill, as_long_as_a_task_works_with_what_fills_the_store_others_wait)
{
    g_auto(Rig) rig;
    g_auto(RigDisk) disk;
    init(&rig, &disk);
    cr_assert(store(&rig, &disk, 1, 800));
    MobRequestLease *request = rig_request(DRIVER, 1, MOB_UNIT);
    request->deps = (MobRefs){g_new(MobRef, 1), 1};
    request->deps.items[0] = rig_ref(1, DRIVER);
    rig_give(&rig, DRIVER, request);
    rig_register(&rig, rig_effect(&rig, MOB_EFFECT_SPAWN, 0)->address, false);
    cr_assert(!store(&rig, &disk, 2, 500));
    rig_timer(&rig, MOB_TIMER_PULL, rig.now + rig.config.store_full_grace);
    cr_assert_eq(rig_count(&rig, MOB_MSG_OBJECT_STORED), 0);
    rig_return(&rig, DRIVER, 1, false);
    rig_disk_take(&rig, &disk);
    rig_disk_end(&rig, &disk, 0, MOB_DISK_OK);
    cr_assert(mob_object_stored(rig_sent(&rig, DRIVER, MOB_MSG_OBJECT_STORED, 0))->ok);
}

Test(node_spill, a_disk_without_room_is_an_error_of_its_own)
{
    g_auto(Rig) rig;
    g_auto(RigDisk) disk;
    init(&rig, &disk);
    cr_assert(store(&rig, &disk, 1, 800));
    cr_assert(!store(&rig, &disk, 2, 800));
    rig_disk_end(&rig, &disk, 0, MOB_DISK_FULL);
    cr_assert_eq(rig_count(&rig, MOB_MSG_OBJECT_STORED), 0, "it may pass");
    rig_timer(&rig, MOB_TIMER_PULL, rig.now + rig.config.store_full_grace);
    const MobMsg *stored = rig_sent(&rig, DRIVER, MOB_MSG_OBJECT_STORED, 0);
    cr_assert(!mob_object_stored(stored)->ok && mob_object_stored(stored)->no_disk);
    cr_assert(copy_of(&rig, 1).held, "nothing that was acknowledged is lost");
}

Test(node_spill, an_object_larger_than_the_store_is_refused_at_once)
{
    g_auto(Rig) rig;
    g_auto(RigDisk) disk;
    init(&rig, &disk);
    store(&rig, &disk, 1, 1001);
    const MobMsg *stored = rig_sent(&rig, DRIVER, MOB_MSG_OBJECT_STORED, 0);
    cr_assert(!mob_object_stored(stored)->ok && !mob_object_stored(stored)->no_disk);
}

/* --- what goes to disk --- */

Test(node_spill, above_the_threshold_copies_are_written_ahead_of_need_and_stay_in_memory)
{
    g_auto(Rig) rig;
    g_auto(RigDisk) disk;
    init(&rig, &disk);
    rig.config.min_spilling_size = 100;
    cr_assert(store(&rig, &disk, 1, 300));
    cr_assert(store(&rig, &disk, 2, 500));
    cr_assert_eq(disk.orders->len, 0, "80 % is allowed");
    cr_assert(store(&rig, &disk, 3, 100));
    cr_assert_eq(disk.orders->len, 1);
    cr_assert_eq(rig_disk_order(&disk, 0)->values->len, 1, "the one that was used longest ago");
    rig_disk_end(&rig, &disk, 0, MOB_DISK_OK);
    cr_assert(copy_of(&rig, 1).durable && copy_of(&rig, 1).held);
    cr_assert_eq(rig_stats(&rig).store_pinned, 600);
    cr_assert(store(&rig, &disk, 4, 200), "there is room at once");
    cr_assert(is_on_disk_alone(&rig, 1));
}

Test(node_spill, a_primary_copy_leaves_memory_only_when_it_is_durable)
{
    g_auto(Rig) rig;
    g_auto(RigDisk) disk;
    init(&rig, &disk);
    cr_assert(store(&rig, &disk, 1, 600));
    cr_assert(!store(&rig, &disk, 2, 600));
    cr_assert(copy_of(&rig, 1).held && !copy_of(&rig, 1).durable);
    get(&rig, &disk, 1);
    cr_assert_eq(here(&rig)->value->size, 600, "it is read from memory meanwhile");
    rig_disk_end(&rig, &disk, 0, MOB_DISK_OK);
    cr_assert(is_on_disk_alone(&rig, 1));
    cr_assert_eq(rig_note(&rig, MOB_NOTE_OBJECT_SPILLED)->bytes, 600);
    cr_assert_eq(rig_count(&rig, MOB_MSG_OBJECT_MOVED), 0, "it is a copy on this node still");
}

Test(node_spill, copies_are_fused_until_the_file_is_large_enough)
{
    g_auto(Rig) rig;
    g_auto(RigDisk) disk;
    init(&rig, &disk);
    rig.config.min_spilling_size = 250;
    for (uint32_t i = 1; i <= 8; i++)
        cr_assert(store(&rig, &disk, i, 100));
    cr_assert(!store(&rig, &disk, 9, 500));
    cr_assert_geq(disk.orders->len, 2);
    cr_assert_eq(rig_disk_order(&disk, 0)->values->len, 3, "300 bytes: enough");
    cr_assert_eq(rig_disk_order(&disk, 1)->values->len, 3);
    cr_assert_eq(disk.orders->len, 2, "two are left: too little while others are written");
    rig_disk_end(&rig, &disk, 0, MOB_DISK_OK);
    rig_disk_end(&rig, &disk, 0, MOB_DISK_OK);
    cr_assert(copy_of(&rig, 9).sealed);
}

Test(node_spill, no_more_than_so_many_go_into_one_file_and_so_many_files_are_written_at_once)
{
    g_auto(Rig) rig;
    g_auto(RigDisk) disk;
    init(&rig, &disk);
    rig.config.max_fused = 2;
    rig.config.max_spills = 3;
    for (uint32_t i = 1; i <= 8; i++)
        cr_assert(store(&rig, &disk, i, 100));
    cr_assert(!store(&rig, &disk, 9, 900));
    cr_assert_eq(disk.orders->len, 3);
    for (uint32_t i = 0; i < 3; i++)
        cr_assert_eq(rig_disk_order(&disk, i)->values->len, 2);
    rig_disk_end(&rig, &disk, 1, MOB_DISK_OK);
    cr_assert_eq(disk.orders->len, 3, "the fourth has taken its place");
}

Test(node_spill, what_a_push_reads_from_memory_is_not_spilled)
{
    g_auto(Rig) rig;
    g_auto(RigDisk) disk;
    init(&rig, &disk);
    cr_assert(store(&rig, &disk, 1, 500));
    pull(&rig, &disk, 1);
    cr_assert_eq(rig_count(&rig, MOB_MSG_CHUNK), 1);
    cr_assert(!store(&rig, &disk, 2, 600));
    cr_assert_eq(disk.orders->len, 0);
    received(&rig, &disk, 1, 0);
    cr_assert_eq(disk.orders->len, 1);
}

Test(node_spill, what_cannot_be_written_stays_in_memory_and_is_tried_again_later_and_later)
{
    g_auto(Rig) rig;
    g_auto(RigDisk) disk;
    MobTime wait;
    init(&rig, &disk);
    wait = rig.config.spill_retry;
    cr_assert(store(&rig, &disk, 1, 800));
    cr_assert(!store(&rig, &disk, 2, 800));
    for (int i = 0; i < 3; i++, wait *= 2) {
        rig_disk_end(&rig, &disk, 0, MOB_DISK_FAILED);
        cr_assert(copy_of(&rig, 1).held && !copy_of(&rig, 1).durable);
        rig_timer(&rig, MOB_TIMER_PULL, rig.now + wait - 1);
        rig_disk_take(&rig, &disk);
        cr_assert_eq(disk.orders->len, 0);
        rig_timer(&rig, MOB_TIMER_PULL, rig.now + 1);
        rig_disk_take(&rig, &disk);
        cr_assert_eq(disk.orders->len, 1);
    }
    rig_disk_end(&rig, &disk, 0, MOB_DISK_OK);
    cr_assert(mob_object_stored(rig_sent(&rig, DRIVER, MOB_MSG_OBJECT_STORED, 0))->ok);
}

/* --- files --- */

Test(node_spill, a_file_goes_with_its_last_object)
{
    g_auto(Rig) rig;
    g_auto(RigDisk) disk;
    init(&rig, &disk);
    cr_assert(store(&rig, &disk, 1, 300));
    cr_assert(store(&rig, &disk, 2, 300));
    cr_assert(!store(&rig, &disk, 3, 700));
    rig_disk_end(&rig, &disk, 0, MOB_DISK_OK);
    cr_assert_eq(copy_of(&rig, 1).file, copy_of(&rig, 2).file, "both are in one");
    free_object(&rig, &disk, 1);
    cr_assert_eq(disk.removed, 0, "half of it is needed still");
    free_object(&rig, &disk, 2);
    cr_assert_eq(disk.removed, 1);
    free_object(&rig, &disk, 3);
    cr_assert_eq(rig_stats(&rig).disk_used, 0);
    cr_assert_eq(rig_stats(&rig).files, 0);
}

/* The order may be for a copy of an earlier attempt. Whoever waits would wait for ever. */
Test(node_spill, what_is_freed_while_it_waits_for_room_is_answered)
{
    g_auto(Rig) rig;
    g_auto(RigDisk) disk;
    init(&rig, &disk);
    cr_assert(store(&rig, &disk, 1, 800));
    cr_assert(!store(&rig, &disk, 2, 700));
    free_object(&rig, &disk, 2);
    cr_assert(mob_object_stored(rig_sent(&rig, DRIVER, MOB_MSG_OBJECT_STORED, 0))->ok);
    rig_disk_end(&rig, &disk, 0, MOB_DISK_OK);
    cr_assert_eq(rig_stats(&rig).store_used, 800, "nothing came in its place");
}

Test(node_spill, what_is_freed_while_it_is_written_leaves_no_file)
{
    g_auto(Rig) rig;
    g_auto(RigDisk) disk;
    init(&rig, &disk);
    cr_assert(store(&rig, &disk, 1, 800));
    cr_assert(!store(&rig, &disk, 2, 700));
    free_object(&rig, &disk, 1);
    cr_assert(mob_object_stored(rig_sent(&rig, DRIVER, MOB_MSG_OBJECT_STORED, 0))->ok);
    cr_assert_eq(disk.orders->len, 1);
    rig_disk_end(&rig, &disk, 0, MOB_DISK_OK);
    cr_assert_eq(disk.files->len, 0);
    cr_assert_eq(disk.removed, 1);
    cr_assert_eq(rig_stats(&rig).files, 0);
}

Test(node_spill, files_of_an_owner_that_died_are_removed)
{
    g_auto(Rig) rig;
    g_auto(RigDisk) disk;
    spill_one(&rig, &disk, 500);
    rig_child(&rig, DRIVER, "killed");
    rig_disk_take(&rig, &disk);
    cr_assert_eq(disk.files->len, 0);
    cr_assert_eq(rig_stats(&rig).objects, 0);
}

/* --- coming back --- */

Test(node_spill, a_copy_is_read_once_for_all_who_want_it)
{
    g_auto(Rig) rig;
    g_auto(RigDisk) disk;
    spill_one(&rig, &disk, 500);
    MobAddress worker = rig_worker(0);
    get(&rig, &disk, 1);
    rig_get(&rig, worker, 1, DRIVER);
    rig_disk_take(&rig, &disk);
    cr_assert_eq(disk.orders->len, 1);
    cr_assert_eq(rig_count(&rig, MOB_MSG_SUBSCRIBE_LOCATIONS), 0, "nobody else is asked");
    rig_disk_end(&rig, &disk, 0, MOB_DISK_OK);
    cr_assert_eq(here(&rig)->value->size, 500);
    cr_assert_not_null(rig_sent(&rig, worker, MOB_MSG_OBJECT_HERE, 0));
    cr_assert_not_null(rig_note(&rig, MOB_NOTE_OBJECT_RESTORED));
    cr_assert(copy_of(&rig, 1).held && copy_of(&rig, 1).durable);
    cr_assert_eq(rig_count(&rig, MOB_MSG_UNSUBSCRIBE_LOCATIONS), 0);
}

Test(node_spill, what_has_come_back_leaves_memory_again_without_being_written)
{
    g_auto(Rig) rig;
    g_auto(RigDisk) disk;
    spill_one(&rig, &disk, 500);
    get(&rig, &disk, 1);
    cr_assert(is_on_disk_alone(&rig, 2), "it has made room");
    rig_disk_end(&rig, &disk, 0, MOB_DISK_OK);
    get(&rig, &disk, 2);
    cr_assert(is_on_disk_alone(&rig, 1));
    rig_disk_end(&rig, &disk, 0, MOB_DISK_OK);
    cr_assert_eq(here(&rig)->value->size, 900);
    cr_assert_eq(disk.orders->len, 0);
    cr_assert_eq(disk.files->len, 2);
}

Test(node_spill, a_lease_has_its_spilled_arguments_back_and_pinned_before_it_is_granted)
{
    g_auto(Rig) rig;
    g_auto(RigDisk) disk;
    spill_one(&rig, &disk, 500);
    MobRequestLease *request = rig_request(DRIVER, 1, MOB_UNIT);
    request->deps = (MobRefs){g_new(MobRef, 1), 1};
    request->deps.items[0] = rig_ref(1, DRIVER);
    rig_give(&rig, DRIVER, request);
    rig_disk_take(&rig, &disk);
    cr_assert_null(rig_effect(&rig, MOB_EFFECT_SPAWN, 0));
    rig_disk_end(&rig, &disk, 0, MOB_DISK_OK);
    cr_assert_eq(copy_of(&rig, 1).pins, 1);
    cr_assert_not_null(rig_effect(&rig, MOB_EFFECT_SPAWN, 0));
    get(&rig, &disk, 2);
    cr_assert_eq(disk.orders->len, 0, "it waits: what the task reads does not make room");
    rig_give(&rig, DRIVER, ({
        MobCancelLease *cancel = mob_cancel_lease_new();
        cancel->lease = (MobLeaseId){DRIVER, 1};
        cancel;
    }));
    rig_disk_take(&rig, &disk);
    rig_disk_end(&rig, &disk, 0, MOB_DISK_OK);
    cr_assert_eq(here(&rig)->value->size, 900);
}

Test(node_spill, another_node_is_sent_pieces_from_the_file_without_a_copy_in_memory)
{
    g_auto(Rig) rig;
    g_auto(RigDisk) disk;
    spill_one(&rig, &disk, 250);
    rig.config.chunk = 100;
    rig.config.chunks_in_flight = 2;
    uint64_t used = rig_stats(&rig).store_used;
    pull(&rig, &disk, 1);
    cr_assert_eq(disk.orders->len, 2, "as many as may be under way");
    rig_disk_end(&rig, &disk, 1, MOB_DISK_OK);
    const MobChunk *chunk = mob_chunk(rig_sent(&rig, N2, MOB_MSG_CHUNK, 0));
    cr_assert(chunk->offset == 100 && chunk->piece.length == 100 && chunk->size == 250);
    rig_disk_end(&rig, &disk, 0, MOB_DISK_OK);
    cr_assert_eq(mob_chunk(rig_sent(&rig, N2, MOB_MSG_CHUNK, 0))->offset, 0);
    received(&rig, &disk, 1, 100);
    cr_assert_eq(rig_disk_order(&disk, 0)->offset, 200);
    rig_disk_end(&rig, &disk, 0, MOB_DISK_OK);
    cr_assert_eq(mob_chunk(rig_sent(&rig, N2, MOB_MSG_CHUNK, 0))->piece.length, 50);
    cr_assert(is_on_disk_alone(&rig, 1));
    cr_assert_eq(rig_stats(&rig).store_used, used);
}

Test(node_spill, a_copy_whose_file_is_gone_is_lost_and_its_owner_hears_of_it)
{
    g_auto(Rig) rig;
    g_auto(RigDisk) disk;
    spill_one(&rig, &disk, 500);
    get(&rig, &disk, 1);
    rig_disk_end(&rig, &disk, 0, MOB_DISK_FAILED);
    cr_assert_str_eq(rig_note(&rig, MOB_NOTE_OBJECT_COPY_LOST)->reason, "its spill file is gone");
    const MobMsg *moved = rig_sent(&rig, DRIVER, MOB_MSG_OBJECT_MOVED, 0);
    cr_assert(!mob_object_moved(moved)->moves.items[0].here);
    cr_assert_not_null(rig_sent(&rig, DRIVER, MOB_MSG_SUBSCRIBE_LOCATIONS, 0),
                       "who waits for it is to have another");
    cr_assert(!copy_of(&rig, 1).sealed);
}

Test(node_spill, a_piece_that_cannot_be_read_tells_the_other_node_so)
{
    g_auto(Rig) rig;
    g_auto(RigDisk) disk;
    spill_one(&rig, &disk, 250);
    rig.config.chunk = 100;
    pull(&rig, &disk, 1);
    rig_disk_end(&rig, &disk, 0, MOB_DISK_FAILED);
    cr_assert_not_null(rig_sent(&rig, N2, MOB_MSG_PULL_FAILED, 0));
    cr_assert(!copy_of(&rig, 1).sealed);
    while (disk.orders->len > 0)
        rig_disk_end(&rig, &disk, 0, MOB_DISK_OK);
    cr_assert_eq(rig_count(&rig, MOB_MSG_CHUNK), 0, "what comes late is for nobody");
}

Test(node_spill, a_piece_that_cannot_be_read_is_sent_from_memory_if_the_copy_has_come_back)
{
    g_auto(Rig) rig;
    g_auto(RigDisk) disk;
    spill_one(&rig, &disk, 250);
    rig.config.chunk = 100;
    rig.config.chunks_in_flight = 1;
    pull(&rig, &disk, 1);
    get(&rig, &disk, 1);
    rig_disk_end(&rig, &disk, 1, MOB_DISK_OK);
    cr_assert(copy_of(&rig, 1).held);
    rig_disk_end(&rig, &disk, 0, MOB_DISK_FAILED);
    const MobChunk *chunk = mob_chunk(rig_sent(&rig, N2, MOB_MSG_CHUNK, 0));
    cr_assert(chunk->offset == 0 && chunk->piece.length == 100);
    cr_assert(copy_of(&rig, 1).held && !copy_of(&rig, 1).durable, "it may be spilled anew");
}

Test(node_spill, a_wish_that_is_cancelled_gives_the_room_back)
{
    g_auto(Rig) rig;
    g_auto(RigDisk) disk;
    spill_one(&rig, &disk, 500);
    get(&rig, &disk, 1);
    cr_assert(copy_of(&rig, 1).held);
    MobCancelGet *cancel = mob_cancel_get_new();
    cancel->object = object(1);
    rig_give(&rig, DRIVER, cancel);
    cr_assert(is_on_disk_alone(&rig, 1));
    cr_assert_eq(rig_stats(&rig).store_used, 0);
    rig_disk_end(&rig, &disk, 0, MOB_DISK_OK);
    cr_assert(is_on_disk_alone(&rig, 1));
}

Test(node_spill, what_is_freed_while_it_is_read_is_asked_of_its_owner)
{
    g_auto(Rig) rig;
    g_auto(RigDisk) disk;
    spill_one(&rig, &disk, 500);
    get(&rig, &disk, 1);
    free_object(&rig, &disk, 1);
    cr_assert_not_null(rig_sent(&rig, DRIVER, MOB_MSG_SUBSCRIBE_LOCATIONS, 0));
    cr_assert_eq(rig_stats(&rig).store_used, 0);
    rig_disk_end(&rig, &disk, 0, MOB_DISK_OK);
    cr_assert_null(here(&rig));
}

Test(node_spill, what_is_on_disk_can_be_pinned_and_is_told_again_after_a_reset)
{
    g_auto(Rig) rig;
    g_auto(RigDisk) disk;
    spill_one(&rig, &disk, 500);
    MobPinObject *pin = mob_pin_object_new();
    pin->object = rig_ref(1, DRIVER);
    rig_give(&rig, DRIVER, pin);
    cr_assert(mob_object_pinned(rig_sent(&rig, DRIVER, MOB_MSG_OBJECT_PINNED, 0))->ok);
    rig_reset(&rig, DRIVER);
    rig_timer(&rig, MOB_TIMER_RETRY, rig.now + rig.config.retry_delay);
    const MobMoves *moves =
        &mob_object_moved(rig_sent(&rig, DRIVER, MOB_MSG_OBJECT_MOVED, 0))->moves;
    cr_assert_eq(moves->count, 2);
    cr_assert(moves->items[0].here && moves->items[1].here);
}
