/* test_node_room.c: who has the room when there is not enough for all: the pull
 * manager (Ray's test family of that name). A store of 1000 bytes; object N lies
 * on n2. */
#include "tests/node_rig.h"

#define N2 (mob_node_address(2))

static uint64_t
hash_of(uint64_t size, uint32_t number)
{
    g_autoptr(MobValue) value = rig_value(size, (uint8_t)number);
    return value->hash;
}

static MobAddress
driver(uint32_t number)
{
    return (MobAddress){SELF, 2 + number};
}

static void
begin(Rig *rig)
{
    rig_init(rig, 4, 1000, 0);
    rig->config.chunk = 100;
    rig->config.args_memory = 1000;
    rig->config.max_spills = 0; /* what is here stays here, unless a test says otherwise */
    for (uint32_t i = 0; i < 4; i++)
        rig_register(rig, driver(i), true);
}

/* @driver gets (or waits for) an object of @size. */
static void
want(Rig *rig, uint32_t number, bool wait, uint32_t object, uint64_t size)
{
    MobGetObject *get = mob_get_object_new();

    get->object = rig_ref(object, OTHER);
    get->wait = wait;
    rig_give(rig, driver(number), get);
    rig_locations(rig, OTHER, object, size, hash_of(size, object), 2);
}

/* A lease with up to two arguments of @size each. */
static void
request(Rig *rig, uint64_t lease, uint32_t first, uint32_t second, uint64_t size)
{
    MobRequestLease *request = rig_request(DRIVER, lease, MOB_UNIT);
    uint32_t count = 1 + (second != 0);

    request->deps = (MobRefs){g_new(MobRef, count), count};
    request->deps.items[0] = rig_ref(first, OTHER);
    if (count == 2)
        request->deps.items[1] = rig_ref(second, OTHER);
    rig_give(rig, DRIVER, request);
    rig_locations(rig, OTHER, first, size, hash_of(size, first), 2);
    if (count == 2)
        rig_locations(rig, OTHER, second, size, hash_of(size, second), 2);
}

/* Pieces of @object from @offset to its end. */
static void
come(Rig *rig, uint32_t object, uint64_t size, uint64_t push, uint64_t from, uint64_t to)
{
    for (uint64_t offset = from; offset < to; offset += 100)
        rig_chunk(rig, 2, object, size, (uint8_t)object, push, offset);
}

static MobFetchInfo
fetch(const Rig *rig, uint32_t object)
{
    MobFetchInfo info;

    cr_assert(mob_node_find_fetch(rig->process, (MobObjectId){{7, object}, 1, 0}, &info));
    return info;
}

static bool
is_stored(Rig *rig, uint32_t object, uint64_t size)
{
    return rig_store(rig, DRIVER, object, DRIVER, size);
}

static const MobObjectHere *
here(const Rig *rig, uint32_t number)
{
    const MobMsg *msg = rig_sent(rig, driver(number), MOB_MSG_OBJECT_HERE, 0);
    return msg != NULL ? mob_object_here(msg) : NULL;
}

static void
cancel(Rig *rig, uint32_t number, uint32_t object)
{
    MobCancelGet *cancel = mob_cancel_get_new();

    cancel->object = (MobObjectId){{7, object}, 1, 0};
    rig_give(rig, driver(number), cancel);
}

/* --- what is dearer --- */

Test(node_room, a_get_takes_the_room_of_arguments_that_come_and_their_lease_steps_back)
{
    g_auto(Rig) rig;
    begin(&rig);
    request(&rig, 1, 1, 2, 300);
    come(&rig, 1, 300, 1, 0, 300);
    come(&rig, 2, 300, 2, 0, 100);
    cr_assert_eq(rig_stats(&rig).store_pinned, 600);

    want(&rig, 0, false, 3, 800);
    cr_assert_eq(rig_count(&rig, MOB_MSG_PULL), 1);
    cr_assert(mob_chunk_received(rig_sent(&rig, N2, MOB_MSG_CHUNK_RECEIVED, 0))->enough,
              "what came for the argument is not wanted any more");
    cr_assert_eq(rig_note(&rig, MOB_NOTE_OBJECT_EVICTED)->object.task.lo, 1, "nor pinned");
    cr_assert_eq(rig_stats(&rig).store_used, 800);
    rig_locations(&rig, OTHER, 1, 300, hash_of(300, 1), 2);

    come(&rig, 3, 800, 3, 0, 800);
    cr_assert_not_null(here(&rig, 0));
    cr_assert_eq(rig_count(&rig, MOB_MSG_PULL), 2, "the lease is admitted again");
    come(&rig, 1, 300, 4, 0, 300);
    come(&rig, 2, 300, 5, 0, 300);
    rig_register(&rig, rig_worker(0), false);
    cr_assert_eq(mob_lease_reply(rig_sent(&rig, DRIVER, MOB_MSG_LEASE_REPLY, 0))->answer,
                 MOB_LEASE_GRANTED);
}

Test(node_room, a_get_takes_the_room_of_a_wait_but_not_of_a_get)
{
    g_auto(Rig) rig;
    begin(&rig);
    want(&rig, 0, true, 1, 600);
    come(&rig, 1, 600, 1, 0, 300);
    want(&rig, 1, false, 2, 600);
    cr_assert(fetch(&rig, 1).queued);
    cr_assert(fetch(&rig, 2).active);
    want(&rig, 2, false, 3, 600);
    cr_assert(fetch(&rig, 2).active, "it comes to an end by itself");
    cr_assert(fetch(&rig, 3).queued);
    come(&rig, 2, 600, 2, 0, 600);
    cr_assert_not_null(here(&rig, 1));
    cr_assert(fetch(&rig, 3).active, "first the other get");
    cr_assert(fetch(&rig, 1).queued);
    come(&rig, 3, 600, 3, 0, 600);
    cr_assert(fetch(&rig, 1).active, "then the wait");
}

Test(node_room, a_wait_takes_the_room_of_arguments_but_not_of_a_wait)
{
    g_auto(Rig) rig;
    begin(&rig);
    request(&rig, 1, 1, 0, 600);
    want(&rig, 0, true, 2, 600);
    cr_assert(fetch(&rig, 2).active);
    cr_assert_not(fetch(&rig, 1).holds);
    want(&rig, 1, true, 3, 600);
    cr_assert(fetch(&rig, 2).active, "it was first");
    cr_assert(fetch(&rig, 3).queued);
}

Test(node_room, arguments_take_no_room_of_a_wait)
{
    g_auto(Rig) rig;
    begin(&rig);
    want(&rig, 0, true, 1, 600);
    request(&rig, 1, 2, 0, 600);
    cr_assert(fetch(&rig, 1).active);
    cr_assert(fetch(&rig, 2).queued);
}

Test(node_room, a_value_that_is_made_here_takes_the_room_of_arguments_and_waits)
{
    g_auto(Rig) rig;
    begin(&rig);
    want(&rig, 0, true, 1, 300);
    request(&rig, 1, 2, 0, 300);
    come(&rig, 2, 300, 1, 0, 100);
    cr_assert(is_stored(&rig, 3, 600), "only the arguments need to go");
    cr_assert(fetch(&rig, 1).active);
    cr_assert_not(fetch(&rig, 2).holds);
    cr_assert(is_stored(&rig, 4, 300));
    cr_assert(fetch(&rig, 1).queued);
}

/* It waits for a CPU: its task may be behind the body that makes the value. */
Test(node_room, a_lease_that_has_all_of_its_arguments_steps_back_until_it_has_resources)
{
    g_auto(Rig) rig;
    begin(&rig);
    rig_grant(&rig, DRIVER, 8, 3 * MOB_UNIT);
    request(&rig, 1, 1, 0, 300); /* is promised the last CPU … */
    MobRequestLease *last = rig_request(DRIVER, 9, MOB_UNIT);
    rig_give(&rig, DRIVER, last); /* … which this one takes meanwhile */
    rig_register(&rig, rig_worker(1), false);
    come(&rig, 1, 300, 1, 0, 300);
    cr_assert_eq(rig_stats(&rig).available.cpu, 0);
    cr_assert(is_stored(&rig, 2, 800));
    cr_assert_eq(rig_stats(&rig).store_used, 800, "what was here for it is gone");
    rig_return(&rig, DRIVER, 9, false);
    cr_assert_null(rig_sent(&rig, DRIVER, MOB_MSG_LEASE_REPLY, 0), "not without its argument");
    rig_locations(&rig, OTHER, 1, 300, hash_of(300, 1), 2);
    cr_assert(fetch(&rig, 1).queued);
}

Test(node_room, what_a_granted_lease_works_with_is_taken_by_nobody)
{
    g_auto(Rig) rig;
    begin(&rig);
    request(&rig, 1, 1, 0, 600);
    come(&rig, 1, 600, 1, 0, 600);
    rig_register(&rig, rig_worker(0), false);
    want(&rig, 0, false, 2, 600);
    cr_assert(fetch(&rig, 2).queued);
    cr_assert_not(is_stored(&rig, 3, 600));
    cr_assert_eq(rig_stats(&rig).store_pinned, 600);
    rig_return(&rig, DRIVER, 1, false);
    cr_assert_eq(rig_count(&rig, MOB_MSG_OBJECT_STORED), 1);
}

Test(node_room, nothing_is_taken_for_what_does_not_fit_even_then)
{
    g_auto(Rig) rig;
    begin(&rig);
    cr_assert(is_stored(&rig, 1, 500));
    request(&rig, 1, 2, 0, 300);
    come(&rig, 2, 300, 1, 0, 100);
    want(&rig, 0, false, 3, 600);
    cr_assert(fetch(&rig, 3).queued);
    cr_assert(fetch(&rig, 2).active, "it goes on");
}

Test(node_room, only_as_much_is_taken_as_is_needed_from_the_youngest)
{
    g_auto(Rig) rig;
    begin(&rig);
    for (uint32_t i = 1; i <= 3; i++)
        request(&rig, i, i, 0, 300);
    want(&rig, 0, false, 4, 300);
    cr_assert(fetch(&rig, 1).active && fetch(&rig, 2).active && fetch(&rig, 4).active);
    cr_assert_not(fetch(&rig, 3).active);
}

/* Two leases want it: it stays as long as one of them keeps it. */
Test(node_room, an_argument_of_two_leases_gives_way_with_the_last_of_them)
{
    g_auto(Rig) rig;
    begin(&rig);
    request(&rig, 1, 1, 0, 300);
    request(&rig, 2, 1, 2, 300);
    come(&rig, 1, 300, 1, 0, 300);
    want(&rig, 0, false, 3, 400);
    cr_assert(fetch(&rig, 2).active, "there is room");
    want(&rig, 1, false, 4, 300);
    cr_assert_not(fetch(&rig, 2).holds);
    cr_assert_eq(rig_stats(&rig).store_used, 1000, "object 1 stays");
    want(&rig, 2, false, 5, 300);
    cr_assert(fetch(&rig, 5).queued, "a task has it by now");
}

/* --- turns --- */

Test(node_room, of_one_kind_the_oldest_comes_first)
{
    g_auto(Rig) rig;
    begin(&rig);
    want(&rig, 0, false, 1, 800);
    want(&rig, 1, true, 2, 300);
    want(&rig, 2, false, 3, 400);
    want(&rig, 3, false, 4, 700);
    cr_assert_eq(rig_stats(&rig).pulls_queued, 3);
    come(&rig, 1, 800, 1, 0, 800);
    cr_assert(fetch(&rig, 3).active && fetch(&rig, 4).queued && fetch(&rig, 2).queued);
}

Test(node_room, a_wish_that_becomes_dearer_takes_its_turn_among_those)
{
    g_auto(Rig) rig;
    begin(&rig);
    want(&rig, 0, false, 1, 900);
    want(&rig, 1, true, 2, 600);
    want(&rig, 2, false, 3, 600);
    want(&rig, 3, false, 2, 600);
    come(&rig, 1, 900, 1, 0, 900);
    cr_assert(fetch(&rig, 3).active, "a get since before");
    cr_assert(fetch(&rig, 2).queued);
}

/* Gets that fit come to an end soon, so the large one has its turn; otherwise it
 * might never. */
Test(node_room, a_large_get_is_not_starved_by_small_ones)
{
    g_auto(Rig) rig;
    begin(&rig);
    want(&rig, 0, false, 1, 300);
    want(&rig, 1, false, 2, 900);
    want(&rig, 2, false, 3, 300);
    cr_assert(fetch(&rig, 2).queued && fetch(&rig, 3).queued, "in turn");
    come(&rig, 1, 300, 1, 0, 300);
    cr_assert(fetch(&rig, 2).active && fetch(&rig, 3).queued);
}

/* The task that is in the way may be the one that gets the small one. */
Test(node_room, a_small_get_passes_a_large_one_that_waits_for_a_task)
{
    g_auto(Rig) rig;
    begin(&rig);
    request(&rig, 1, 1, 0, 600);
    come(&rig, 1, 600, 1, 0, 600);
    rig_register(&rig, rig_worker(0), false);
    want(&rig, 0, false, 2, 600);
    want(&rig, 1, false, 3, 300);
    cr_assert(fetch(&rig, 2).queued);
    cr_assert(fetch(&rig, 3).active);
}

Test(node_room, leases_go_one_by_one_while_a_get_waits_for_room)
{
    g_auto(Rig) rig;
    begin(&rig);
    request(&rig, 1, 1, 0, 200);
    come(&rig, 1, 200, 1, 0, 200);
    rig_register(&rig, rig_worker(0), false);
    want(&rig, 0, false, 5, 900);
    cr_assert(fetch(&rig, 5).queued);
    request(&rig, 2, 2, 0, 200);
    cr_assert_not(fetch(&rig, 2).active, "it would only keep the room from it");
    rig_return(&rig, DRIVER, 1, false);
    cr_assert(fetch(&rig, 5).active, "the get is first");
    cr_assert(fetch(&rig, 2).queued, "one lease may always go on when there is room");
    come(&rig, 5, 900, 2, 0, 900);
    cr_assert(fetch(&rig, 2).active);
}

/* --- quota --- */

Test(node_room, a_lease_is_admitted_when_all_that_it_lacks_has_room)
{
    g_auto(Rig) rig;
    begin(&rig);
    cr_assert(is_stored(&rig, 9, 300));
    request(&rig, 1, 1, 2, 200);
    request(&rig, 2, 3, 4, 200);
    cr_assert(fetch(&rig, 1).active && fetch(&rig, 2).active);
    cr_assert_not(fetch(&rig, 3).active, "not half of it");
    come(&rig, 1, 200, 1, 0, 200);
    come(&rig, 2, 200, 2, 0, 200);
    rig_register(&rig, rig_worker(0), false);
    rig_return(&rig, DRIVER, 1, false);
    cr_assert(fetch(&rig, 3).active && fetch(&rig, 4).active);
}

Test(node_room, what_can_be_spilled_counts_as_room_for_leases)
{
    g_auto(Rig) rig;
    begin(&rig);
    rig.config.max_spills = 4;
    cr_assert(is_stored(&rig, 9, 600));
    request(&rig, 1, 1, 0, 300);
    request(&rig, 2, 2, 0, 300);
    cr_assert(fetch(&rig, 1).active);
    cr_assert(fetch(&rig, 2).queued, "it waits for room, so it is spilled for");
}

Test(node_room, one_lease_always_goes_on_and_takes_the_room_of_younger_ones)
{
    g_auto(Rig) rig;
    begin(&rig);
    request(&rig, 1, 1, 2, 400);
    come(&rig, 1, 400, 1, 0, 400);
    request(&rig, 2, 3, 0, 200);
    cr_assert(fetch(&rig, 2).active && fetch(&rig, 3).active);
    MobPullFailed *failed = mob_pull_failed_new();
    failed->object = (MobObjectId){{7, 2}, 1, 0};
    rig_give(&rig, N2, failed);
    rig_locations(&rig, OTHER, 2, 400, hash_of(400, 2), 2);
    cr_assert_not(fetch(&rig, 2).holds, "nobody can be asked for it now");
    want(&rig, 0, false, 5, 200);
    rig_timer(&rig, MOB_TIMER_PULL, rig.now + rig.config.pull_retry);
    cr_assert(fetch(&rig, 2).active && fetch(&rig, 5).active);
    cr_assert_not(fetch(&rig, 3).holds, "the younger lease steps back");
}

Test(node_room, arguments_of_one_task_that_are_larger_than_the_store_are_an_error_at_once)
{
    g_auto(Rig) rig;
    begin(&rig);
    request(&rig, 1, 1, 2, 600);
    const MobLeaseReply *reply = mob_lease_reply(rig_sent(&rig, DRIVER, MOB_MSG_LEASE_REPLY, 0));
    cr_assert_eq(reply->answer, MOB_LEASE_CANCELLED);
    cr_assert_eq(reply->fault->fault, MOB_FAULT_STORE_FULL);
    cr_assert_eq(rig_stats(&rig).store_used, 0);
    request(&rig, 2, 3, 3, 600);
    cr_assert(fetch(&rig, 3).active, "the same twice is there once");
}

/* --- giving up --- */

Test(node_room, what_is_cancelled_while_it_waits_lets_the_next_in)
{
    g_auto(Rig) rig;
    begin(&rig);
    cr_assert(is_stored(&rig, 9, 300));
    want(&rig, 0, false, 1, 500);
    want(&rig, 1, false, 2, 700);
    want(&rig, 2, false, 3, 200);
    cr_assert(fetch(&rig, 2).queued && fetch(&rig, 3).queued);
    cancel(&rig, 1, 2);
    cr_assert(fetch(&rig, 3).active);
}

Test(node_room, what_gives_way_is_collected_from_the_start_when_there_is_room_again)
{
    g_auto(Rig) rig;
    begin(&rig);
    want(&rig, 0, true, 1, 600);
    come(&rig, 1, 600, 1, 0, 300);
    want(&rig, 1, false, 2, 600);
    come(&rig, 2, 600, 2, 0, 600);
    cr_assert(fetch(&rig, 1).active);
    cr_assert_eq(fetch(&rig, 1).received, 0);
    come(&rig, 1, 600, 3, 0, 600);
    cr_assert_not_null(here(&rig, 0));
}
