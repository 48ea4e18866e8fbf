/* test_disk.c: the disk of a simulated machine: how long orders take, what
 * becomes of files, and what faults do to both. With a fake node manager that
 * writes, reads and removes files as it is told by messages. */
#include "fake_bodies.h"

#include "sim/disk.h"

enum {
    WRITE = 1000,  /* + file: two values of half a megabyte */
    READ = 2000,   /* + file: the second of them, whole */
    PIECE = 3000,  /* + file: a hundred bytes of it */
    REMOVE = 4000, /* + file */
    HALF = 500000,
};

static MobValue *
half(uint64_t rule)
{
    MobCborWriter writer;

    mob_cbor_init(&writer);
    mob_cbor_fill(&writer, HALF, rule);
    MobValue *value = mob_cbor_finish(&writer, 0);
    mob_cbor_clear(&writer);
    return value;
}

static MobDiskOrder *
order_of(Fake *fake, uint64_t number)
{
    MobDiskOrder *order = g_new0(MobDiskOrder, 1);
    g_autoptr(MobValue) second = half(2);

    order->number = ++fake->count;
    order->file = number % 1000;
    order->verb = number < READ     ? MOB_DISK_WRITE
                  : number < REMOVE ? MOB_DISK_READ
                                    : MOB_DISK_REMOVE;
    if (order->verb == MOB_DISK_WRITE) {
        order->values = g_ptr_array_new_with_free_func((GDestroyNotify)mob_value_unref);
        g_ptr_array_add(order->values, half(1));
        g_ptr_array_add(order->values, half(2));
        return order;
    }
    order->at = order->size = second->size;
    order->hash = second->hash;
    order->offset = number < PIECE ? 0 : 100;
    order->length = number < PIECE ? second->size : 100;
    return order;
}

static void
use_disk(Fake *fake, const MobInput *input, MobOutbox *out)
{
    static const char *const ends[] = {"ok", "full", "failed"};
    g_autoptr(MobValue) second = half(2);

    if (input->kind == MOB_INPUT_MESSAGE) {
        uint64_t number = mob_kv_get(input->msg)->request;
        g_string_truncate(fake->log, fake->log->len - (fake->log->len > 0 ? 1 : 0));
        while (fake->log->len > 0 && fake->log->str[fake->log->len - 1] != '\n')
            g_string_truncate(fake->log, fake->log->len - 1);
        mob_disk(out, order_of(fake, number));
    }
    if (input->kind != MOB_INPUT_DISK)
        return;
    const MobDiskAnswer *answer = input->disk;
    g_string_truncate(fake->log, fake->log->len - 1);
    g_string_append_printf(fake->log, " %" PRIu64 " %s", answer->number, ends[answer->end]);
    if (answer->value != NULL)
        g_string_append(fake->log, answer->value->hash == second->hash ? " it" : " another");
    if (answer->piece.value != NULL)
        g_string_append_printf(fake->log, " %" PRIu64 "+%" PRIu64, answer->piece.offset,
                               answer->piece.length);
    g_string_append_c(fake->log, '\n');
}

static MobProcess *
disk_node(MobAddress address, const MobConfig *config, const MobNodeOptions *options,
          uint32_t first_worker)
{
    return fake_new(address, use_disk, true);
}

static MobWorld *
start_disks(uint64_t bytes)
{
    MobMachine machines[] = {{.name = "head", .cpus = MOB_UNIT, .head = true},
                             {.name = "n1", .cpus = MOB_UNIT, .disk_bytes = bytes}};
    static MobCast cast;
    MobWorldOptions options;

    cast = ticking;
    cast.node = disk_node;
    fake_options(&options);
    options.machines = machines;
    options.machine_count = G_N_ELEMENTS(machines);
    MobWorld *world = start_with(&cast, &options);
    run_until(world, MOB_MS / 2);
    g_free(heard(world, addr(2, 0)));
    return world;
}

/* Tells n1 at @ms what to do; it hears of it a tenth later. */
static void
tell(MobWorld *world, uint64_t ms, uint64_t what)
{
    plan(world, addr(1, GCS), ms * MOB_MS, addr(2, 0), what, 0);
}

static MobBox *
n1(MobWorld *world)
{
    return g_ptr_array_index(world->boxes, 1);
}

Test(disk, orders_are_carried_out_one_after_the_other_at_the_speed_of_the_disk)
{
    g_autoptr(MobWorld) world = start_disks(0);

    tell(world, 1, WRITE + 1);
    tell(world, 1, WRITE + 2);
    tell(world, 1, READ + 1);
    tell(world, 1, PIECE + 2);
    run_until(world, 10 * MOB_MS);
    cr_heard(world, addr(2, 0),
             "2.200 disk 1 ok\n3.300 disk 2 ok\n3.900 disk 3 ok it\n4.000 disk 4 ok 100+100\n");
}

Test(disk, a_file_that_is_removed_can_still_be_read_by_whoever_asked_before)
{
    g_autoptr(MobWorld) world = start_disks(0);
    uint64_t bytes;

    tell(world, 1, WRITE + 1);
    tell(world, 1, READ + 1);
    tell(world, 1, REMOVE + 1);
    tell(world, 1, READ + 1);
    run_until(world, 10 * MOB_MS);
    cr_heard(world, addr(2, 0), "2.200 disk 1 ok\n2.800 disk 2 ok it\n2.900 disk 4 failed\n");
    cr_assert_eq(mob_disk_files(n1(world), &bytes), 0);
    cr_assert_eq(bytes, 0);
}

Test(disk, what_does_not_fit_is_written_as_far_as_it_goes_and_leaves_nothing)
{
    g_autoptr(MobWorld) world = start_disks(2000000); /* 95 % of it may be used */
    uint64_t bytes;

    tell(world, 1, WRITE + 1);
    tell(world, 1, WRITE + 2);
    tell(world, 5, REMOVE + 1);
    tell(world, 5, WRITE + 3);
    run_until(world, 4 * MOB_MS);
    cr_heard(world, addr(2, 0), "2.200 disk 1 ok\n3.200 disk 2 full\n");
    cr_assert(!mob_disk_has(n1(world), 2));
    run_until(world, 10 * MOB_MS);
    cr_heard(world, addr(2, 0), "6.200 disk 4 ok\n");
    cr_assert_eq(mob_disk_files(n1(world), &bytes), 1);
}

Test(disk, a_slow_disk_takes_longer_for_what_is_under_way_too)
{
    g_autoptr(MobWorld) world = start_disks(0);

    tell(world, 1, WRITE + 1);
    tell(world, 1, WRITE + 2);
    run_until(world, 1600000);
    uint32_t fault = give(world, (MobOrder){.verb = MOB_VERB_DISK,
                                            .target = "n1",
                                            .trouble = MOB_TROUBLE_SLOW,
                                            .speed_ppm = 100000});
    run_until(world, 7601000);
    cr_heard(world, addr(2, 0), "7.600 disk 1 ok\n");
    heal_it(world, fault);
    run_until(world, 20 * MOB_MS);
    cr_heard(world, addr(2, 0), "8.701 disk 2 ok\n");
    cr_assert_eq(bites_of(world, fault), 2);
}

Test(disk, a_disk_that_fills_up_in_the_middle_of_a_write_refuses_it_and_reads_on)
{
    g_autoptr(MobWorld) world = start_disks(0);

    tell(world, 1, WRITE + 1);
    tell(world, 1, WRITE + 2);
    tell(world, 3, READ + 1);
    run_until(world, 2500000);
    uint32_t fault =
        give(world, (MobOrder){.verb = MOB_VERB_DISK, .target = "n1", .trouble = MOB_TROUBLE_FULL});
    tell(world, 5, WRITE + 3);
    run_until(world, 6 * MOB_MS);
    cr_heard(world, addr(2, 0),
             "2.200 disk 1 ok\n2.500 disk 2 full\n3.700 disk 3 ok it\n5.200 disk 4 full\n");
    cr_assert_eq(bites_of(world, fault), 3);
    heal_it(world, fault);
    tell(world, 7, WRITE + 3);
    run_until(world, 10 * MOB_MS);
    cr_heard(world, addr(2, 0), "8.200 disk 5 ok\n");
}

Test(disk, what_was_in_a_folder_that_disappears_does_not_come_back)
{
    g_autoptr(MobWorld) world = start_disks(0);

    tell(world, 1, WRITE + 1);
    tell(world, 1, READ + 1);
    run_until(world, 2500000);
    uint32_t fault =
        give(world, (MobOrder){.verb = MOB_VERB_DISK, .target = "n1", .trouble = MOB_TROUBLE_GONE});
    tell(world, 3, WRITE + 2);
    run_until(world, 4 * MOB_MS);
    cr_heard(world, addr(2, 0), "2.200 disk 1 ok\n2.500 disk 2 failed\n3.200 disk 3 failed\n");
    heal_it(world, fault);
    tell(world, 5, READ + 1);
    tell(world, 5, WRITE + 3);
    run_until(world, 10 * MOB_MS);
    cr_heard(world, addr(2, 0), "5.200 disk 4 failed\n6.300 disk 5 ok\n");
}

Test(disk, nothing_outlives_the_node_manager)
{
    g_autoptr(MobWorld) world = start_disks(0);
    uint64_t bytes;

    tell(world, 1, WRITE + 1);
    tell(world, 1, WRITE + 2);
    run_until(world, 2500000);
    cr_assert(mob_disk_has(n1(world), 1));
    give(world, (MobOrder){.verb = MOB_VERB_KILL, .target = "n1/node"});
    cr_assert_eq(mob_disk_files(n1(world), &bytes), 0);
    run_until(world, 4 * MOB_MS);
    give(world, (MobOrder){.verb = MOB_VERB_RESTART, .target = "n1"});
    run_until(world, 10 * MOB_MS);
    cr_heard(world, addr(3, 0), "4.000 start\n");
    cr_assert_eq(mob_disk_files(n1(world), &bytes), 0);
}
