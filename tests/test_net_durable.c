/* test_net_durable.c: what was called durable is there after kill -9, after a
 * disk that failed and after one that was full.
 */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "tests/net_journal_rig.h"

TestSuite(net_durable, .init = make_folder, .fini = remove_folder);

/* --- kill -9 --- */

enum {
    KILLS = 100,
    KEPT = 20, /* so many rounds the victim keeps */
};

typedef struct {
    uint64_t round;
    uint64_t count;
} Ack;

/* What round @round writes: of a size and with bytes that no other round has. */
static GBytes *
value_of(uint64_t round)
{
    size_t size = 16 + (size_t)(round * 7919 % 12000);
    g_autofree char *bytes = g_malloc(size);

    memset(bytes, (int)(round * 31 + 1), size);
    memcpy(bytes, &round, sizeof round);
    return g_bytes_new(bytes, size);
}

static MobStr *
key_of(char half, uint64_t round)
{
    return mob_str_printf("%c/%" G_GUINT64_FORMAT, half, round);
}

static void
write_round(MobNetJournal *journal, uint64_t round)
{
    g_autoptr(MobStr) newest = mob_str_new("newest");
    g_autoptr(GBytes) number = g_bytes_new(&round, sizeof round);
    g_autoptr(GBytes) value = value_of(round);

    mob_net_journal_write(journal, newest, number);
    for (const char *half = "ab"; *half != '\0'; half++) {
        g_autoptr(MobStr) key = key_of(*half, round);
        mob_net_journal_write(journal, key, value);
        if (round <= KEPT)
            continue;
        g_autoptr(MobStr) old = key_of(*half, round - KEPT);
        mob_net_journal_write(journal, old, NULL);
    }
}

/* Writes round after round and tells which are durable, until it is killed. */
static G_GNUC_NORETURN void
be_the_victim(int acks, uint64_t round)
{
    MobNetJournal *journal = mob_net_journal_open(path, NULL);

    while (journal != NULL) {
        Ack ack = {++round, mob_net_journal_count_up(journal, "round", NULL)};
        write_round(journal, round);
        if (ack.count == 0 || !mob_net_journal_commit(journal, NULL) ||
            write(acks, &ack, sizeof ack) != sizeof ack)
            break;
    }
    _exit(1);
}

static pid_t
start_victim(int *acks, uint64_t round)
{
    int ends[2];

    cr_assert_eq(pipe(ends), 0);
    pid_t victim = fork();
    cr_assert_geq(victim, 0);
    if (victim == 0)
        be_the_victim(ends[1], round);
    close(ends[1]);
    *acks = ends[0];
    return victim;
}

static void
kill_child(pid_t child)
{
    int status;

    kill(child, SIGKILL);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFSIGNALED(status), "it ended by itself, with %d", WEXITSTATUS(status));
}

/* The newest round that is there, with exactly what belongs to it. */
static uint64_t
expect_whole(MobNetJournal *journal)
{
    size_t count;
    const MobPersisted *records = mob_net_journal_records(journal, &count);
    uint64_t newest;

    if (count == 0)
        return 0;
    cr_assert_str_eq(mob_str(records[0].key), "newest");
    cr_assert_eq(g_bytes_get_size(records[0].value), sizeof newest);
    memcpy(&newest, g_bytes_get_data(records[0].value, NULL), sizeof newest);
    uint64_t round = newest > KEPT ? newest - KEPT : 0;
    cr_assert_eq(count, 1 + 2 * (newest - round));
    for (size_t i = 1; i < count; i++) {
        char half = i % 2 == 1 ? 'a' : 'b';
        round += half == 'a';
        g_autoptr(MobStr) key = key_of(half, round);
        g_autoptr(GBytes) value = value_of(round);
        cr_assert(mob_str_eq(records[i].key, key), "%s where %s should be", mob_str(records[i].key),
                  mob_str(key));
        cr_assert(g_bytes_equal(records[i].value, value), "%s is torn", mob_str(key));
    }
    return newest;
}

Test(net_durable, what_was_acknowledged_survives_kill_9, .timeout = 120)
{
    GRand *rand = g_rand_new_with_seed(9);
    Ack last = {0};
    uint64_t newest = 0;

    for (int i = 0; i < KILLS; i++) {
        int acks;
        pid_t victim = start_victim(&acks, newest);
        /* Every fourth may die while it opens the file. */
        if (i % 4 > 0)
            cr_assert_eq(poll(&(struct pollfd){.fd = acks, .events = POLLIN}, 1, 20000), 1);
        g_usleep((gulong)g_rand_int_range(rand, 0, 10000));
        kill_child(victim);
        while (read(acks, &last, sizeof last) == sizeof last)
            ;
        close(acks);
        g_autoptr(MobNetJournal) journal = open_at(path);
        newest = expect_whole(journal);
        cr_assert(newest == last.round || newest == last.round + 1,
                  "round %" G_GUINT64_FORMAT " was durable, %" G_GUINT64_FORMAT " is there",
                  last.round, newest);
        last.round = newest;
        cr_assert_gt(count_up(journal, "round"), last.count);
    }
    cr_assert_gt(newest, KILLS / 2);
    g_rand_free(rand);
}

Test(net_durable, a_second_opener_is_refused_while_the_first_lives)
{
    int acks;
    pid_t first = start_victim(&acks, 0);

    cr_assert_eq(poll(&(struct pollfd){.fd = acks, .events = POLLIN}, 1, 20000), 1);
    expect_refused(path, MOB_NET_JOURNAL_ERROR_IN_USE, "another GCS runs on this folder");
    kill_child(first);
    close(acks);
    g_autoptr(MobNetJournal) journal = open_at(path);
    expect_refused(path, MOB_NET_JOURNAL_ERROR_IN_USE, "another GCS runs on this folder");
    cr_assert_gt(expect_whole(journal), 0);
}

/* --- durable --- */

Test(net_durable, a_commit_is_synced_before_it_is_called_durable)
{
    g_autoptr(MobNetJournal) journal = open_at(path);

    for (int i = 0; i < 5; i++) {
        syncs = 0;
        put(journal, "a", "1");
        cr_expect_eq(syncs, 0);
        commit(journal);
        cr_expect_gt(syncs, 0);
        syncs = 0;
        commit(journal);
        cr_expect_eq(syncs, 0, "nothing was written");
        count_up(journal, "node");
        cr_expect_gt(syncs, 0);
        syncs = 0;
        cr_assert(mob_net_journal_wipe(journal, NULL));
        cr_expect_gt(syncs, 0);
    }
}

Test(net_durable, a_commit_that_failed_can_be_tried_again)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(MobNetJournal) journal = open_at(path);

    put(journal, "a", "1");
    commit(journal);
    put(journal, "b", "2");
    put(journal, "a", "3");
    sync_fails = true;
    for (int i = 0; i < 3; i++) {
        cr_assert_not(mob_net_journal_commit(journal, &error));
        cr_expect_not_null(strstr(error->message, "Input/output error"), "%s", error->message);
        g_clear_error(&error);
    }
    cr_assert_eq(mob_net_journal_count_up(journal, "node", &error), 0);
    cr_assert_not_null(error);
    sync_fails = false;
    put(journal, "c", "4");
    commit(journal);
    cr_assert_gt(count_up(journal, "node"), 0);
    reopen(&journal);
    expect_records(journal, "a=3 b=2 c=4");
}

/* Mounts a tiny disk over the folder that only this process sees, or skips. */
static void
mount_tiny_disk(void)
{
    if (unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
        mount("tiny", folder, "tmpfs", 0, "size=512k") == 0)
        return;
    int saved = errno;
    remove_folder();
    cr_skip_test("a tmpfs may not be mounted here: %s", g_strerror(saved));
}

/* Fills all there is except @left bytes. */
static void
fill_disk(const char *file, off_t left)
{
    static const char block[4096];
    int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    while (write(fd, block, sizeof block) > 0)
        ;
    cr_assert_eq(errno, ENOSPC);
    cr_assert_eq(ftruncate(fd, lseek(fd, 0, SEEK_END) - left), 0);
    close(fd);
}

Test(net_durable, on_a_full_disk_the_writes_wait_for_room)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *ballast = g_build_filename(folder, "ballast", NULL);
    g_autofree char *large = g_strnfill(100000, 'x');

    mount_tiny_disk();
    fill_disk(ballast, 0);
    expect_refused(path, MOB_NET_JOURNAL_ERROR_FULL, "the disk is full");
    g_remove(ballast);
    g_autoptr(MobNetJournal) journal = open_at(path);
    put(journal, "a", "1");
    commit(journal);
    fill_disk(ballast, 8192);
    put(journal, "large", large);
    put(journal, "b", "2");
    for (int i = 0; i < 3; i++) {
        cr_assert_not(mob_net_journal_commit(journal, &error));
        cr_expect(g_error_matches(error, MOB_NET_JOURNAL_ERROR, MOB_NET_JOURNAL_ERROR_FULL));
        cr_expect_not_null(strstr(error->message, "the disk is full; make room"), "%s",
                           error->message);
        g_clear_error(&error);
    }
    g_remove(ballast);
    put(journal, "large", "3");
    commit(journal);
    reopen(&journal);
    expect_records(journal, "a=1 large=3 b=2");
    g_clear_pointer(&journal, mob_net_journal_free);
    cr_assert_eq(umount(folder), 0);
}
