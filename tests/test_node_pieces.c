/* test_node_pieces.c: copies that a node hands on while they come, and what it
 * does when they come no further. */
#include "tests/node_rig.h"

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

static void
pull(Rig *rig, MobAddress from, uint64_t rank, uint64_t hash, uint64_t offset)
{
    MobPull *pull = mob_pull_new();
    pull->object = rig_ref(1, OTHER);
    pull->rank = rank;
    pull->hash = hash;
    pull->offset = offset;
    rig_give(rig, from, pull);
}

static void
take(Rig *rig, MobAddress from, uint64_t push, uint64_t offset)
{
    MobChunkReceived *received = mob_chunk_received_new();
    received->object = (MobObjectId){{7, 1}, 1, 0};
    received->push = push;
    received->offset = offset;
    rig_give(rig, from, received);
}

/* Collects object 1 of 250 bytes, of rank @rank, from n2; 100 bytes are here. */
static uint64_t
collect(Rig *rig, uint64_t rank)
{
    uint64_t hash = hash_of(250, 1);

    rig_init(rig, 2, 100 * MOB_UNIT, 2);
    rig->config.chunk = 100;
    rig_get(rig, DRIVER, 1, OTHER);
    rig_names(rig, OTHER, 1, 250, hash, 2, 2, rank);
    rig_chunk(rig, 2, 1, 250, 1, 1, 0);
    return hash;
}

Test(node_pieces, hands_on_what_has_come_and_the_rest_as_it_comes)
{
    g_auto(Rig) rig;
    uint64_t hash = collect(&rig, 4);

    pull(&rig, N3, 5, hash, 0);
    cr_assert_eq(rig_count(&rig, MOB_MSG_CHUNK), 1, "what is there");
    rig_chunk(&rig, 2, 1, 250, 1, 1, 200);
    cr_assert_eq(rig_count(&rig, MOB_MSG_CHUNK), 0, "not before what is before it");
    rig_chunk(&rig, 2, 1, 250, 1, 1, 100);
    cr_assert_eq(rig_count(&rig, MOB_MSG_CHUNK), 2);
    for (uint64_t offset = 0; offset < 250; offset += 100)
        take(&rig, N3, 1, offset);
    MobFreeObjects *freed = mob_free_objects_new();
    freed->objects = (MobObjects){g_new(MobObjectId, 1), 1};
    freed->objects.items[0] = (MobObjectId){{7, 1}, 1, 0};
    rig_give(&rig, OTHER, freed);
    cr_assert_eq(rig_stats(&rig).store_used, 0, "nobody reads it any more");
    cr_assert_eq(rig_count(&rig, MOB_MSG_PULL_FAILED), 0);
}

Test(node_pieces, hands_on_to_higher_ranks_alone_and_only_what_was_asked_for)
{
    g_auto(Rig) rig;
    uint64_t hash = collect(&rig, 4);

    pull(&rig, N3, 4, hash, 0);
    cr_assert_not_null(rig_sent(&rig, N3, MOB_MSG_PULL_FAILED, 0), "they might wait in a circle");
    pull(&rig, N3, 5, hash + 1, 0);
    cr_assert_not_null(rig_sent(&rig, N3, MOB_MSG_PULL_FAILED, 0), "another value");
    pull(&rig, N3, 0, hash, 0);
    cr_assert_not_null(rig_sent(&rig, N3, MOB_MSG_PULL_FAILED, 0), "a sealed copy was asked for");
    cr_assert_not_null(rig_sent(&rig, OTHER, MOB_MSG_OBJECT_MOVED, 0), "which there is not");
    pull(&rig, N3, 5, hash, 100);
    cr_assert_eq(rig_count(&rig, MOB_MSG_CHUNK), 0, "it has what is here");
    cr_assert_eq(rig_count(&rig, MOB_MSG_PULL_FAILED), 0);
}

Test(node_pieces, whoever_is_fed_is_told_when_the_wish_is_cancelled)
{
    g_auto(Rig) rig;
    uint64_t hash = collect(&rig, 4);

    pull(&rig, N3, 5, hash, 0);
    MobCancelGet *cancel = mob_cancel_get_new();
    cancel->object = (MobObjectId){{7, 1}, 1, 0};
    rig_give(&rig, DRIVER, cancel);
    cr_assert_not_null(rig_sent(&rig, N3, MOB_MSG_PULL_FAILED, 0));
    cr_assert_eq(rig_stats(&rig).store_used, 0);
}

/* The pieces are those of another value than the one that they claim to make up. */
Test(node_pieces, a_wrong_value_is_sealed_nowhere_and_handed_on_no_further)
{
    g_auto(Rig) rig;

    rig_init(&rig, 2, 100 * MOB_UNIT, 2);
    rig.config.chunk = 100;
    rig_get(&rig, DRIVER, 1, OTHER);
    rig_names(&rig, OTHER, 1, 150, 77, 2, 2, 4);
    for (uint64_t offset = 0; offset < 150; offset += 100) {
        MobChunk *chunk = mob_chunk_new();
        chunk->object = (MobObjectId){{7, 1}, 1, 0};
        chunk->size = 150;
        chunk->hash = 77;
        chunk->offset = offset;
        chunk->push = 1;
        chunk->piece = (MobSlice){rig_value(150, 9), NULL, offset, MIN(100, 150 - offset)};
        rig_give(&rig, N2, chunk);
        if (offset == 0)
            pull(&rig, N3, 5, 77, 0);
    }
    cr_assert_null(here_to(&rig, DRIVER));
    cr_assert_eq(rig_stats(&rig).objects, 0);
    cr_assert_not_null(rig_sent(&rig, N3, MOB_MSG_PULL_FAILED, 0));
}

Test(node_pieces, asks_the_owner_for_another_when_one_that_collects_fails)
{
    g_auto(Rig) rig;
    uint64_t hash = hash_of(250, 1);

    rig_init(&rig, 2, 100 * MOB_UNIT, 2);
    rig.config.chunk = 100;
    rig_get(&rig, DRIVER, 1, OTHER);
    rig_names(&rig, OTHER, 1, 250, hash, 2, 3, 4);
    cr_assert_eq(mob_pull(rig_sent(&rig, N3, MOB_MSG_PULL, 0))->rank, 4);
    rig_chunk(&rig, 3, 1, 250, 1, 1, 0);
    MobPullFailed *failed = mob_pull_failed_new();
    failed->object = (MobObjectId){{7, 1}, 1, 0};
    rig_give(&rig, N3, failed);
    cr_assert_eq(
        mob_subscribe_locations(rig_sent(&rig, OTHER, MOB_MSG_SUBSCRIBE_LOCATIONS, 0))->failed.v,
        3);
    cr_assert_eq(rig_count(&rig, MOB_MSG_PULL), 0, "the only copy has others to serve");
    rig_names(&rig, OTHER, 1, 250, hash, 2, 2, 4);
    const MobPull *again = mob_pull(rig_sent(&rig, N2, MOB_MSG_PULL, 0));
    cr_assert(again->rank == 0 && again->offset == 100, "what has come is kept");
    rig_chunk(&rig, 2, 1, 250, 1, 1, 100);
    rig_chunk(&rig, 2, 1, 250, 1, 1, 200);
    cr_assert_not_null(here_to(&rig, DRIVER));
}

Test(node_pieces, follows_the_owner_to_another_source_in_the_middle)
{
    g_auto(Rig) rig;
    uint64_t hash = collect(&rig, 4);

    rig_names(&rig, OTHER, 1, 250, hash, 2, 2, 4);
    cr_assert_eq(rig.out.effects->len, 0, "the same");
    rig_names(&rig, OTHER, 1, 250, hash, 2, 3, 4);
    cr_assert(mob_chunk_received(rig_sent(&rig, N2, MOB_MSG_CHUNK_RECEIVED, 0))->enough);
    cr_assert_eq(mob_pull(rig_sent(&rig, N3, MOB_MSG_PULL, 0))->offset, 100);
    rig_chunk(&rig, 2, 1, 250, 1, 1, 100);
    cr_assert(mob_chunk_received(rig_sent(&rig, N2, MOB_MSG_CHUNK_RECEIVED, 0))->enough);
}

Test(node_pieces, a_slow_source_goes_on_while_the_owner_is_asked_for_another)
{
    g_auto(Rig) rig;

    collect(&rig, 4);
    rig_timer(&rig, MOB_TIMER_PULL, rig.now + rig.config.pull_retry);
    cr_assert_eq(
        mob_subscribe_locations(rig_sent(&rig, OTHER, MOB_MSG_SUBSCRIBE_LOCATIONS, 0))->failed.v,
        2);
    cr_assert_not_null(rig_sent(&rig, N2, MOB_MSG_PULL, 0));
    rig_chunk(&rig, 2, 1, 250, 1, 1, 100);
    cr_assert_not(mob_chunk_received(rig_sent(&rig, N2, MOB_MSG_CHUNK_RECEIVED, 0))->enough);
    rig_timer(&rig, MOB_TIMER_PULL, rig.now + rig.config.pull_retry);
    cr_assert_null(rig_sent(&rig, N2, MOB_MSG_PULL, 0), "more time each time");
    rig_timer(&rig, MOB_TIMER_PULL, rig.now + rig.config.pull_retry);
    cr_assert_not_null(rig_sent(&rig, N2, MOB_MSG_PULL, 0));
}
