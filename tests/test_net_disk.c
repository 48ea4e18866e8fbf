/* test_net_disk.c: a node manager's files on a real disk: written whole or not at
 * all, by threads for which nobody waits, and gone when they ought to be.
 */
#include "tests/net_disk_rig.h"

TestSuite(net_disk, .init = begin, .fini = end);

/* --- bytes --- */

Test(net_disk, what_was_written_in_one_file_is_read_value_by_value)
{
    g_autoptr(MobValue) small = text_of(10, 1);
    g_autoptr(MobValue) middle = text_of(100000, 2);
    g_autoptr(MobValue) large = text_of(3 * MIB + 17, 3);
    g_autoptr(MobValue) rule = rule_of(2 * MIB + 5);
    MobValue *const all[] = {small, rule, small, middle, large, small};
    GPtrArray *values = g_ptr_array_new_with_free_func((GDestroyNotify)mob_value_unref);
    uint64_t at = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(all); i++)
        g_ptr_array_add(values, mob_value_ref(all[i]));
    cr_assert_eq(end_of(write_file(1, values)), MOB_DISK_OK);
    for (size_t i = 0; i < G_N_ELEMENTS(all); i++) {
        const Heard *answer = await(read_whole(1, at, all[i]));
        cr_assert_eq(answer->end, MOB_DISK_OK);
        cr_assert_eq(answer->verb, MOB_DISK_READ);
        cr_assert_eq(answer->event, 8, "an answer comes from its order");
        assert_is(answer->value, all[i]);
        at += all[i]->size;
    }
    cr_assert_gt(g_atomic_int_get(&writes), 0, "the disk here was asked");
}

Test(net_disk, a_value_is_read_into_memory_that_others_may_map_and_a_part_of_it_is_not)
{
    g_autoptr(MobValue) value = text_of(MIB, 5);

    cr_assert_eq(end_of(write_one(1, value)), MOB_DISK_OK);
    const Heard *whole = await(read_whole(1, 0, value));
    cr_assert_eq(rooms, 1);
    cr_assert_not_null(mob_value_hold(whole->value), "it stands where it was read");
    const Heard *part = await(read_part(1, 0, value, 0, 10));
    cr_assert_eq(rooms, 1);
    cr_assert_null(part->value);
    cr_assert_eq(g_bytes_get_size(part->piece), 10);
}

Test(net_disk, parts_are_the_bytes_of_the_value_there)
{
    g_autoptr(MobValue) before = text_of(77, 1);
    g_autoptr(MobValue) value = rule_of(MIB);
    g_autofree uint8_t *bytes = g_malloc(value->size);
    GPtrArray *values = some(before);

    mob_value_write_out(value, bytes);
    g_ptr_array_add(values, mob_value_ref(value));
    cr_assert_eq(end_of(write_file(1, values)), MOB_DISK_OK);
    for (uint64_t offset = 0; offset < value->size; offset += 300001) {
        uint64_t length = MIN(UINT64_C(300001), value->size - offset);
        const Heard *answer = await(read_part(1, before->size, value, offset, length));
        cr_assert_eq(answer->offset, offset);
        cr_assert_eq(memcmp(g_bytes_get_data(answer->piece, NULL), bytes + offset, length), 0);
    }
}

Test(net_disk, a_disk_that_takes_little_at_a_time_has_it_all_in_the_end)
{
    g_autoptr(MobValue) value = text_of(2 * MIB, 5);

    g_atomic_int_set(&short_writes, 1);
    cr_assert_eq(end_of(write_one(1, value)), MOB_DISK_OK);
    assert_is(await(read_whole(1, 0, value))->value, value);
}

Test(net_disk, values_are_held_on_to_until_the_answer)
{
    g_autoptr(MobValue) value = text_of(4 * MIB, 5);

    slow_down(20);
    uint64_t number = write_one(1, value);
    cr_assert_eq(value->refs_held, 2);
    await(number);
    mob_loop_wait(loop, 0);
    cr_assert_eq(value->refs_held, 1);
}

Test(net_disk, very_many_orders_at_once_are_each_answered_once)
{
    enum {
        FILES = 300
    };
    g_autoptr(MobValue) value = text_of(70000, 5);
    uint64_t first = numbers + 1;

    for (uint64_t file = 1; file <= FILES; file++)
        write_one(file, value);
    for (uint64_t number = first; number < first + FILES; number++)
        cr_assert_eq(end_of(number), MOB_DISK_OK);
    for (uint64_t file = 1; file <= FILES; file++) {
        read_whole(file, 0, value);
        remove_file(file);
    }
    for (uint64_t number = first + FILES; number <= numbers; number++)
        if ((number - first) % 2 == FILES % 2)
            assert_is(await(number)->value, value);
    cr_assert_eq(mob_net_disk_pending(disk), 0);
    await_files(0);
}

/* --- files --- */

Test(net_disk, nobody_else_may_look_into_the_folder_or_a_file)
{
    g_autoptr(MobValue) value = text_of(1000, 5);
    g_autofree char *file = path_of("17");
    struct stat info;

    umask(0);
    cr_assert_eq(end_of(write_one(17, value)), MOB_DISK_OK);
    cr_assert_eq(stat(folder, &info), 0);
    cr_assert_eq(info.st_mode & 07777, 0700);
    cr_assert_eq(stat(file, &info), 0);
    cr_assert_eq(info.st_mode & 07777, 0600);
    cr_assert_eq((uint64_t)info.st_size, value->size);
}

Test(net_disk, a_file_that_is_removed_goes_when_those_who_read_it_have_read_it)
{
    g_autoptr(MobValue) value = text_of(2 * MIB, 5);

    cr_assert_eq(end_of(write_one(1, value)), MOB_DISK_OK);
    cr_assert_eq(end_of(write_one(2, value)), MOB_DISK_OK);
    slow_down(20);
    uint64_t first = read_whole(1, 0, value);
    uint64_t second = read_whole(1, 0, value);
    remove_file(1);
    cr_assert_eq(files_there(), 2);
    assert_is(await(first)->value, value);
    assert_is(await(second)->value, value);
    await_files(1);
    cr_assert_eq(end_of(read_whole(1, 0, value)), MOB_DISK_FAILED);
    assert_is(await(read_whole(2, 0, value))->value, value);
}

Test(net_disk, a_file_that_is_removed_while_it_is_written_goes_afterwards)
{
    g_autoptr(MobValue) value = text_of(2 * MIB, 5);
    g_autoptr(MobValue) small = text_of(100, 5);

    slow_down(20);
    uint64_t number = write_one(1, value);
    remove_file(1);
    for (uint64_t file = 2; file <= 1000; file++) {
        write_one(file, small);
        remove_file(file);
    }
    for (; number <= numbers; number += 2)
        cr_assert_eq(end_of(number), MOB_DISK_OK);
    await_files(0);
}

Test(net_disk, what_an_earlier_life_left_is_removed)
{
    g_autoptr(MobValue) value = text_of(1000, 5);
    g_autofree char *file = path_of("1");

    close_disk();
    cr_assert_eq(g_mkdir(folder, 0700), 0);
    cr_assert(g_file_set_contents(file, "left", -1, NULL));
    open_disk();
    cr_assert_neq(g_access(folder, F_OK), 0);
    cr_assert_eq(end_of(write_one(1, value)), MOB_DISK_OK);
    assert_is(await(read_whole(1, 0, value))->value, value);
}

Test(net_disk, no_file_descriptor_is_left)
{
    g_autoptr(MobValue) value = text_of(100000, 5);
    guint before = 0;
    guint after = 0;

    for (int round = 0; round < 2; round++) {
        g_autoptr(GDir) dir = NULL;
        for (uint64_t file = 1; file <= 20; file++) {
            uint64_t number = (uint64_t)round * 100 + file;
            await(write_one(number, value));
            await(read_whole(number, 0, value));
            await(read_whole(number + 50, 0, value));
        }
        dir = g_dir_open("/proc/self/fd", 0, NULL);
        after = 0;
        while (g_dir_read_name(dir) != NULL)
            after++;
        before = round == 0 ? after : before;
    }
    cr_assert_eq(before, after);
}

/* --- what may go wrong --- */

Test(net_disk, a_write_that_fails_in_the_middle_leaves_no_file)
{
    static const struct {
        int code;
        MobDiskEnd end;
    } cases[] = {
        {ENOSPC, MOB_DISK_FULL},
        {EDQUOT, MOB_DISK_FULL},
        {EIO, MOB_DISK_FAILED},
        {EROFS, MOB_DISK_FAILED},
    };
    g_autoptr(MobValue) value = text_of(4 * MIB, 5);

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        fail_with(cases[i].code, 2);
        cr_assert_eq(end_of(write_one(i + 1, value)), cases[i].end);
        cr_assert_eq(files_there(), 0);
    }
    fail_with(0, 0);
    cr_assert_eq(end_of(write_one(100, value)), MOB_DISK_OK, "it is tried again");
    assert_is(await(read_whole(100, 0, value))->value, value);
}

Test(net_disk, a_limit_on_files_is_an_error_and_not_the_end)
{
    g_autoptr(MobValue) value = text_of(4 * MIB, 5);
    struct rlimit limit = {MIB, MIB};

    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_assert_eq(end_of(write_one(1, value)), MOB_DISK_FAILED);
    cr_assert_eq(files_there(), 0);
}

Test(net_disk, a_folder_that_was_removed_is_made_again_and_what_was_in_it_is_lost)
{
    g_autoptr(MobValue) value = text_of(100000, 5);
    g_autofree char *file = path_of("1");

    cr_assert_eq(end_of(write_one(1, value)), MOB_DISK_OK);
    cr_assert_eq(g_remove(file), 0);
    cr_assert_eq(end_of(read_whole(1, 0, value)), MOB_DISK_FAILED);
    cr_assert_eq(g_rmdir(folder), 0);
    cr_assert_eq(end_of(read_whole(1, 0, value)), MOB_DISK_FAILED);
    cr_assert_eq(end_of(write_one(2, value)), MOB_DISK_OK);
    assert_is(await(read_whole(2, 0, value))->value, value);
}

Test(net_disk, nothing_is_written_where_somebody_else_could_reach_it)
{
    g_autoptr(MobValue) value = text_of(1000, 5);
    g_autofree char *elsewhere = g_build_filename(parent, "elsewhere", NULL);
    g_autofree char *file = g_build_filename(elsewhere, "1", NULL);

    cr_assert_eq(g_mkdir(elsewhere, 0700), 0);
    cr_assert_eq(symlink(elsewhere, folder), 0);
    cr_assert_eq(end_of(write_one(1, value)), MOB_DISK_FAILED);
    cr_assert_neq(g_access(file, F_OK), 0);
    cr_assert_eq(unlink(folder), 0);
    cr_assert_eq(chmod(elsewhere, 0770), 0);
    cr_assert_eq(rename(elsewhere, folder), 0);
    cr_assert_eq(end_of(write_one(2, value)), MOB_DISK_FAILED, "others may write there");
    cr_assert_eq(g_rmdir(folder), 0);
}

Test(net_disk, a_file_that_is_there_already_is_not_written_over)
{
    g_autoptr(MobValue) value = text_of(1000, 5);
    g_autofree char *file = path_of("2");
    g_autofree char *text = NULL;

    cr_assert_eq(end_of(write_one(1, value)), MOB_DISK_OK);
    cr_assert(g_file_set_contents(file, "mine", -1, NULL));
    cr_assert_eq(end_of(write_one(2, value)), MOB_DISK_FAILED);
    cr_assert(g_file_get_contents(file, &text, NULL, NULL));
    cr_assert_str_eq(text, "mine");
}

Test(net_disk, a_file_that_was_cut_off_or_written_over_is_no_value)
{
    g_autoptr(MobValue) value = text_of(100000, 5);
    g_autofree char *file = path_of("1");
    g_autofree char *other = g_malloc(value->size);

    cr_assert_eq(end_of(write_one(1, value)), MOB_DISK_OK);
    memset(other, 0xff, value->size);
    cr_assert(g_file_set_contents(file, other, (gssize)value->size, NULL));
    cr_assert_eq(end_of(read_whole(1, 0, value)), MOB_DISK_FAILED);
    cr_assert_eq(rooms, 0);
    cr_assert_eq(truncate(file, 1000), 0);
    cr_assert_eq(end_of(read_whole(1, 0, value)), MOB_DISK_FAILED);
    cr_assert_eq(end_of(read_part(1, 0, value, 500, 500)), MOB_DISK_OK);
    cr_assert_eq(end_of(read_part(1, 0, value, 500, 501)), MOB_DISK_FAILED);
}

Test(net_disk, a_value_for_which_there_is_no_memory_may_be_asked_for_again)
{
    g_autoptr(MobValue) value = text_of(100000, 5);

    cr_assert_eq(end_of(write_one(1, value)), MOB_DISK_OK);
    no_room = true;
    cr_assert_eq(end_of(read_whole(1, 0, value)), MOB_DISK_FULL);
    no_room = false;
    assert_is(await(read_whole(1, 0, value))->value, value);
}

/* --- a disk that is small --- */

/* One that only this process sees. */
static bool
mount_small(uint64_t size)
{
    g_autofree char *options = g_strdup_printf("size=%" G_GUINT64_FORMAT, size);

    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("small", parent, "tmpfs", 0, options) == 0;
}

static void
unmount(void)
{
    close_disk();
    cr_assert_eq(umount(parent), 0);
}

Test(net_disk, some_of_a_disk_is_always_left_to_others)
{
    if (!mount_small(10 * MIB))
        cr_skip_test("a tmpfs may not be mounted here: %s", g_strerror(errno));
    g_autoptr(MobValue) large = text_of(9 * MIB + 8 * MIB / 10, 5);
    g_autoptr(MobValue) half = text_of(5 * MIB, 5);
    int before = g_atomic_int_get(&writes);

    cr_assert_eq(end_of(write_one(1, large)), MOB_DISK_FULL);
    cr_assert_eq(g_atomic_int_get(&writes), before, "it is known before anything is written");
    cr_assert_eq(end_of(write_one(2, half)), MOB_DISK_OK);
    cr_assert_eq(end_of(write_one(3, half)), MOB_DISK_FULL);
    cr_assert_eq(files_there(), 1);
    remove_file(2);
    await_files(0);
    uint64_t until = mob_clock_real() + PATIENCE;
    uint64_t file = 4; /* the system may take a moment to have its room again */
    while (end_of(write_one(file++, half)) != MOB_DISK_OK && mob_clock_real() < until)
        g_usleep(1000);
    assert_is(await(read_whole(file - 1, 0, half))->value, half);
    unmount();
}

Test(net_disk, a_disk_that_others_fill_in_the_middle_of_a_write_is_full)
{
    if (!mount_small(10 * MIB))
        cr_skip_test("a tmpfs may not be mounted here: %s", g_strerror(errno));
    g_autoptr(MobValue) value = text_of(8 * MIB, 5);
    g_autoptr(MobValue) small = text_of(MIB, 6);
    g_autofree char *other = g_build_filename(parent, "other", NULL);
    g_autofree char *contents = g_malloc0(9 * MIB);

    cr_assert_eq(end_of(write_one(1, small)), MOB_DISK_OK);
    slow_down(50);
    uint64_t number = write_one(2, value);
    while (files_there() < 2)
        g_usleep(1000);
    int fd = open(other, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    while (write(fd, contents, 100000) > 0)
        ;
    close(fd);
    heal(9);
    cr_assert_eq(end_of(number), MOB_DISK_FULL);
    cr_assert_eq(files_there(), 1, "nothing of it is left");
    assert_is(await(read_whole(1, 0, small))->value, small);
    unmount();
}

/* --- nobody waits for it --- */

Test(net_disk, giving_an_order_takes_no_time_however_slow_the_disk_is)
{
    g_autoptr(MobValue) value = text_of(20 * MIB, 5);

    slow_down(1000); /* 20 s for it all */
    uint64_t begun = mob_clock_real();
    for (uint64_t file = 1; file <= 10; file++)
        write_one(file, value);
    mob_loop_wait(loop, 0);
    cr_assert_lt(mob_clock_real() - begun, MOB_SECOND);
    cr_assert_eq(mob_net_disk_pending(disk), 10);
}

Test(net_disk, its_end_waits_for_no_order_and_leaves_nothing)
{
    g_autoptr(MobValue) value = text_of(20 * MIB, 5);

    cr_assert_eq(end_of(write_one(1, value)), MOB_DISK_OK);
    slow_down(1000);
    for (uint64_t file = 2; file <= 10; file++) {
        write_one(file, value);
        read_whole(1, 0, value);
        remove_file(1 + file % 2);
    }
    uint64_t begun = mob_clock_real();
    close_disk();
    cr_assert_lt(mob_clock_real() - begun, MOB_SECOND);
    cr_assert_eq(answers->len, 1);
    cr_assert_eq(value->refs_held, 1);
}

/* --- faults --- */

Test(net_disk, a_disk_that_is_said_to_be_full_takes_nothing_and_gives_what_it_has)
{
    g_autoptr(MobValue) value = text_of(100000, 5);

    cr_assert_eq(end_of(write_one(1, value)), MOB_DISK_OK);
    break_disk(1, MOB_TROUBLE_FULL, 0);
    uint64_t number = write_one(2, value);
    cr_assert_null(heard(number), "never before the order has been given");
    cr_assert_eq(end_of(number), MOB_DISK_FULL);
    cr_assert_eq(bites[1], 1);
    assert_is(await(read_whole(1, 0, value))->value, value);
    cr_assert_eq(bites[1], 1);
    heal(1);
    cr_assert_eq(end_of(write_one(3, value)), MOB_DISK_OK);
}

Test(net_disk, a_folder_that_is_said_to_be_gone_is_gone_until_it_is_healed)
{
    g_autoptr(MobValue) value = text_of(100000, 5);

    cr_assert_eq(end_of(write_one(1, value)), MOB_DISK_OK);
    break_disk(2, MOB_TROUBLE_GONE, 0);
    cr_assert_neq(g_access(folder, F_OK), 0);
    cr_assert_eq(bites[2], 1);
    cr_assert_eq(end_of(read_whole(1, 0, value)), MOB_DISK_FAILED);
    cr_assert_eq(end_of(write_one(2, value)), MOB_DISK_FAILED);
    cr_assert_eq(bites[2], 3);
    cr_assert_neq(g_access(folder, F_OK), 0);
    heal(2);
    cr_assert_eq(end_of(read_whole(1, 0, value)), MOB_DISK_FAILED);
    cr_assert_eq(end_of(write_one(3, value)), MOB_DISK_OK);
}

Test(net_disk, a_fault_hits_what_is_under_way)
{
    g_autoptr(MobValue) value = text_of(8 * MIB, 5);

    cr_assert_eq(end_of(write_one(1, value)), MOB_DISK_OK);
    slow_down(1000);
    uint64_t writing = write_one(2, value);
    uint64_t reading = read_whole(1, 0, value);
    while (files_there() < 2)
        g_usleep(1000);
    break_disk(1, MOB_TROUBLE_FULL, 0);
    cr_assert_eq(end_of(writing), MOB_DISK_FULL);
    cr_assert_null(heard(reading), "who reads needs no room");
    cr_assert_eq(files_there(), 1);
    break_disk(2, MOB_TROUBLE_GONE, 0);
    cr_assert_eq(end_of(reading), MOB_DISK_FAILED);
    cr_assert_eq(files_there(), 0);
}

Test(net_disk, a_slow_disk_takes_its_time_and_may_become_fast_in_the_middle)
{
    g_autoptr(MobValue) value = text_of(MIB, 5);
    uint64_t begun = mob_clock_real();

    slow_down(200); /* 0.2 s for a MiB */
    cr_assert_eq(end_of(write_one(1, value)), MOB_DISK_OK);
    cr_assert_geq(mob_clock_real() - begun, 200 * MOB_MS);
    cr_assert_eq(bites[9], 1);
    break_disk(3, MOB_TROUBLE_SLOW, 0); /* it stands still */
    uint64_t number = read_whole(1, 0, value);
    mob_loop_wait(loop, mob_clock_real() + 50 * MOB_MS);
    cr_assert_null(heard(number));
    heal(3);
    heal(9);
    assert_is(await(number)->value, value);
}
