/* test_net_journal.c: what a process persists on a real disk, in which order,
 * and which files are no journals.
 */
#include <sqlite3.h>
#include <sys/stat.h>

#include "sim/journal.h"
#include "tests/net_journal_rig.h"

TestSuite(net_journal, .init = make_folder, .fini = remove_folder);

/* --- records --- */

Test(net_journal, keys_stand_in_the_order_of_first_writing)
{
    g_autoptr(MobNetJournal) journal = open_at(path);

    expect_records(journal, "");
    put(journal, "b", "1");
    put(journal, "a", "2");
    commit(journal);
    put(journal, "c", "3");
    put(journal, "b", "4");
    put(journal, "d", "");
    commit(journal);
    reopen(&journal);
    expect_records(journal, "b=4 a=2 c=3 d=");
}

Test(net_journal, a_key_that_was_deleted_comes_last_when_it_is_written_again)
{
    g_autoptr(MobNetJournal) journal = open_at(path);

    put(journal, "a", "1");
    put(journal, "b", "2");
    put(journal, "c", "3");
    put(journal, "c", NULL);
    put(journal, "never written", NULL);
    commit(journal);
    put(journal, "a", NULL);
    put(journal, "a", "4");
    commit(journal);
    reopen(&journal);
    expect_records(journal, "b=2 a=4");
}

Test(net_journal, what_was_not_committed_is_forgotten)
{
    g_autoptr(MobNetJournal) journal = open_at(path);

    put(journal, "a", "1");
    commit(journal);
    put(journal, "a", "2");
    put(journal, "b", "3");
    reopen(&journal);
    expect_records(journal, "a=1");
}

Test(net_journal, a_wipe_forgets_the_records_and_no_count)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(MobNetJournal) journal = open_at(path);

    put(journal, "a", "1");
    commit(journal);
    put(journal, "b", "2");
    cr_assert_eq(count_up(journal, "node"), 1);
    cr_assert(mob_net_journal_wipe(journal, &error));
    expect_records(journal, "");
    commit(journal);
    reopen(&journal);
    expect_records(journal, "");
    cr_assert_eq(count_up(journal, "node"), 2);
}

Test(net_journal, a_count_goes_on_in_the_next_life)
{
    g_autoptr(MobNetJournal) journal = open_at(path);

    cr_assert_eq(count_up(journal, "node"), 1);
    cr_assert_eq(count_up(journal, "node"), 2);
    cr_assert_eq(count_up(journal, "job"), 1);
    put(journal, "node", "no count");
    reopen(&journal);
    cr_assert_eq(count_up(journal, "node"), 3);
    cr_assert_eq(count_up(journal, "job"), 2);
}

/* --- parity with sim/ --- */

/* One of a few keys, so that they meet again; one is empty, one holds a zero. */
static MobStr *
some_key(GRand *rand)
{
    static const char names[] = "\0node/\0job/17";

    return mob_str_new_len(names, (size_t)g_rand_int_range(rand, 0, sizeof names));
}

static GBytes *
some_value(GRand *rand)
{
    g_autofree char *bytes = g_malloc0(200);
    size_t size = (size_t)g_rand_int_range(rand, 0, 200);

    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)g_rand_int(rand);
    return g_bytes_new(bytes, size);
}

static void
do_something(GRand *rand, MobNetJournal *real, MobJournal *twin)
{
    g_autoptr(MobStr) key = some_key(rand);
    g_autoptr(GBytes) value = g_rand_int_range(rand, 0, 3) > 0 ? some_value(rand) : NULL;

    mob_net_journal_write(real, key, value);
    mob_journal_write(twin, key, value);
    if (g_rand_int_range(rand, 0, 10) == 0)
        commit(real);
    if (g_rand_int_range(rand, 0, 200) == 0) {
        cr_assert(mob_net_journal_wipe(real, NULL));
        mob_journal_wipe(twin);
    }
}

static size_t
expect_same(MobNetJournal *real, MobJournal *twin, int sequence)
{
    size_t count;
    size_t twin_count;
    const MobPersisted *mine = mob_net_journal_records(real, &count);
    const MobPersisted *theirs = mob_journal_records(twin, &twin_count);

    cr_assert_eq(count, twin_count, "sequence %d: %zu and %zu records", sequence, count,
                 twin_count);
    for (size_t i = 0; i < count; i++) {
        cr_assert(mob_str_eq(mine[i].key, theirs[i].key), "sequence %d: key %zu", sequence, i);
        cr_assert(g_bytes_equal(mine[i].value, theirs[i].value), "sequence %d: value %zu", sequence,
                  i);
    }
    return count;
}

Test(net_journal, a_thousand_sequences_leave_what_they_leave_in_the_simulation, .timeout = 120)
{
    GRand *rand = g_rand_new_with_seed(20180501);
    g_autoptr(MobNetJournal) real = open_at(path);
    g_autoptr(MobJournal) twin = mob_journal_new();
    size_t seen = 0;

    sync_idle = true;
    for (int sequence = 0; sequence < 1000; sequence++) {
        for (int steps = g_rand_int_range(rand, 1, 40); steps > 0; steps--)
            do_something(rand, real, twin);
        commit(real);
        reopen(&real);
        seen += expect_same(real, twin, sequence);
    }
    cr_assert_gt(seen, 1000);
    g_rand_free(rand);
}

/* --- who may open what --- */

Test(net_journal, only_its_owner_may_read_it)
{
    struct stat status;
    g_autofree char *log = g_strconcat(path, "-wal", NULL);

    umask(0);
    g_autoptr(MobNetJournal) journal = open_at(path);
    put(journal, "a", "1");
    commit(journal);
    cr_assert_eq(stat(path, &status), 0);
    cr_expect_eq(status.st_mode & 0777, 0600);
    cr_assert_eq(stat(log, &status), 0);
    cr_expect_eq(status.st_mode & 0777, 0600);
}

Test(net_journal, a_file_that_is_no_database_is_refused_and_left_alone)
{
    g_autofree char *text = NULL;
    g_autofree char *garbage = g_strnfill(5000, 'g');

    cr_assert(g_file_set_contents(path, garbage, -1, NULL));
    expect_refused(path, MOB_NET_JOURNAL_ERROR_FOREIGN, "it is no database; move it away");
    cr_assert(g_file_get_contents(path, &text, NULL, NULL));
    cr_assert_str_eq(text, garbage);
}

static void
run_sql(const char *sql)
{
    sqlite3 *sqlite;

    cr_assert_eq(sqlite3_open(path, &sqlite), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(sqlite, sql, NULL, NULL, NULL), SQLITE_OK, "%s",
                 sqlite3_errmsg(sqlite));
    sqlite3_close(sqlite);
}

Test(net_journal, the_database_of_another_program_is_refused)
{
    run_sql("CREATE TABLE records (key, value)");
    expect_refused(path, MOB_NET_JOURNAL_ERROR_FOREIGN, "it is the database of another program");
}

Test(net_journal, a_journal_of_a_newer_version_is_refused)
{
    mob_net_journal_free(open_at(path));
    run_sql("PRAGMA user_version = 2");
    expect_refused(path, MOB_NET_JOURNAL_ERROR_FOREIGN, "a newer version of mobula has written it");
}

Test(net_journal, a_damaged_journal_is_refused)
{
    g_autoptr(MobNetJournal) journal = open_at(path);
    g_autofree char *large = g_strnfill(100000, 'x');

    put(journal, "large", large);
    commit(journal);
    g_clear_pointer(&journal, mob_net_journal_free);
    cr_assert_eq(truncate(path, 40960), 0);
    expect_refused(path, MOB_NET_JOURNAL_ERROR_FOREIGN, "it is damaged");
}

Test(net_journal, a_folder_that_is_not_there_is_named)
{
    g_autofree char *nowhere = g_build_filename(folder, "nowhere", "gcs.db", NULL);

    expect_refused(nowhere, MOB_NET_JOURNAL_ERROR_FAILED,
                   "No such file or directory; choose a folder");
    expect_refused(folder, MOB_NET_JOURNAL_ERROR_FAILED, "choose another folder");
}

Test(net_journal, a_folder_or_file_that_may_not_be_written_is_named)
{
    enum {
        NOBODY = 65534
    };
    bool root = geteuid() == 0;
    g_autofree char *theirs = g_build_filename(folder, "theirs.db", NULL);

    mob_net_journal_free(open_at(theirs));
    g_chmod(theirs, 0444);
    g_chmod(folder, 0555);
    if (root)
        cr_assert_eq(seteuid(NOBODY), 0);
    expect_refused(path, MOB_NET_JOURNAL_ERROR_FAILED, "Permission denied; choose a folder");
    expect_refused(theirs, MOB_NET_JOURNAL_ERROR_FAILED, "it may only be read");
    if (root)
        cr_assert_eq(seteuid(0), 0);
    g_chmod(folder, 0700);
}
