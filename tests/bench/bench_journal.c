/* bench_journal.c: what it costs to persist: commits of a real process's
 * journal, next to the bare limit of the same disk.
 *
 *     bench_journal FOLDER RECORDS COMMITS
 *
 * Each commit writes RECORDS records of 256 bytes, some of them new; the limit
 * is as many bytes written into a file that has its size, and synced. FOLDER
 * must not hold a journal yet. Rates are per second of the wall clock: the time
 * goes by on the disk. Prints a line of JSON.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "net/journal.h"
#include "tests/bench/bench.h"

enum {
    RECORD_SIZE = 256,
    LOG_SIZE = 4000000,
};

/* A value that was never written before: an equal one would cost nothing. */
static void
write_record(MobNetJournal *journal, uint64_t number)
{
    char bytes[RECORD_SIZE] = {0};
    g_autoptr(MobStr) key =
        mob_str_printf("record/%" G_GUINT64_FORMAT, number % 4 == 0 ? number : number / 2);

    memcpy(bytes, &number, sizeof number);
    g_autoptr(GBytes) value = g_bytes_new(bytes, sizeof bytes);
    mob_net_journal_write(journal, key, value);
}

static double
commit_all(const char *folder, uint64_t records, uint64_t commits)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_build_filename(folder, "gcs.db", NULL);
    g_autoptr(MobNetJournal) journal = mob_net_journal_open(path, &error);

    if (journal == NULL)
        g_error("%s", error->message);
    BenchClock begun = bench_now();
    for (uint64_t commit = 0; commit < commits; commit++) {
        for (uint64_t i = 0; i < records; i++)
            write_record(journal, commit * records + i);
        if (!mob_net_journal_commit(journal, &error))
            g_error("%s", error->message);
    }
    return bench_since(begun).wall;
}

/* A log of a few megabytes that is written round and round, as SQLite's is. */
static double
write_all(const char *folder, uint64_t records, uint64_t commits)
{
    g_autofree char *path = g_build_filename(folder, "bare", NULL);
    size_t size = records * RECORD_SIZE;
    size_t room = LOG_SIZE / size * size;
    g_autofree char *bytes = g_strnfill(room, 'x');
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (write(fd, bytes, room) != (ssize_t)room || fsync(fd) != 0)
        g_error("cannot write %s: %s", path, g_strerror(errno));
    BenchClock begun = bench_now();
    for (uint64_t commit = 0; commit < commits; commit++)
        if (pwrite(fd, bytes, size, (off_t)(commit * size % room)) < 0 || fdatasync(fd) != 0)
            g_error("cannot write %s: %s", path, g_strerror(errno));
    double took = bench_since(begun).wall;
    close(fd);
    return took;
}

int
main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : ".";
    uint64_t records = argc > 2 ? (uint64_t)atoll(argv[2]) : 1;
    uint64_t commits = argc > 3 ? (uint64_t)atoll(argv[3]) : 500;
    double took = commit_all(folder, records, commits);
    double bare = write_all(folder, records, commits);

    printf("{\"bench\":\"journal\",\"records_per_commit\":%" G_GUINT64_FORMAT
           ",\"commits\":%" G_GUINT64_FORMAT ",\"wall_s\":%.3f,\"commits_per_s\":%.0f,"
           "\"records_per_s\":%.0f,\"bare_commits_per_s\":%.0f}\n",
           records, commits, took, (double)commits / took, (double)(records * commits) / took,
           (double)commits / bare);
    return 0;
}
