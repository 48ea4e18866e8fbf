/* net_journal_rig.h: a journal in a folder of its own, and a disk that can be
 * told to fail: SQLite syncs through the functions here.
 */
#pragma once

#include <criterion/criterion.h>
#include <errno.h>
#include <glib/gstdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "net/journal.h"

static int syncs;
static bool sync_fails;
static bool sync_idle; /* says yes at once: for tests of another subject */

int fdatasync(int fd);
int fsync(int fd);

int
fdatasync(int fd)
{
    syncs++;
    if (!sync_fails)
        return sync_idle ? 0 : (int)syscall(SYS_fdatasync, fd);
    errno = EIO;
    return -1;
}

int
fsync(int fd)
{
    return fdatasync(fd);
}

static char *folder;
static char *path;

static inline void
make_folder(void)
{
    folder = g_dir_make_tmp("mobula-journal-XXXXXX", NULL);
    cr_assert_not_null(folder);
    path = g_build_filename(folder, "gcs.db", NULL);
}

static inline void
remove_folder(void)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *file = g_build_filename(folder, name, NULL);
        g_remove(file);
    }
    cr_assert_eq(g_rmdir(folder), 0);
    g_free(folder);
    g_free(path);
}

static inline MobNetJournal *
open_at(const char *file)
{
    g_autoptr(GError) error = NULL;
    MobNetJournal *journal = mob_net_journal_open(file, &error);

    cr_assert_not_null(journal, "%s", error != NULL ? error->message : "no error");
    return journal;
}

static inline void
reopen(MobNetJournal **journal)
{
    mob_net_journal_free(*journal);
    *journal = open_at(path);
}

static inline void
put(MobNetJournal *journal, const char *key, const char *value)
{
    g_autoptr(MobStr) str = mob_str_new(key);
    g_autoptr(GBytes) bytes = value != NULL ? g_bytes_new(value, strlen(value)) : NULL;

    mob_net_journal_write(journal, str, bytes);
}

static inline void
commit(MobNetJournal *journal)
{
    g_autoptr(GError) error = NULL;

    cr_assert(mob_net_journal_commit(journal, &error), "%s", error != NULL ? error->message : "");
    cr_assert_null(error);
}

static inline void
expect_records(MobNetJournal *journal, const char *expected)
{
    g_autoptr(GString) text = g_string_new(NULL);
    size_t count;
    const MobPersisted *records = mob_net_journal_records(journal, &count);

    for (size_t i = 0; i < count; i++) {
        size_t size;
        const char *value = g_bytes_get_data(records[i].value, &size);
        g_string_append_printf(text, "%s%s=%.*s", i > 0 ? " " : "", mob_str(records[i].key),
                               (int)size, value != NULL ? value : "");
    }
    cr_expect_str_eq(text->str, expected);
}

static inline uint64_t
count_up(MobNetJournal *journal, const char *name)
{
    g_autoptr(GError) error = NULL;
    uint64_t count = mob_net_journal_count_up(journal, name, &error);

    cr_assert_null(error, "%s", error != NULL ? error->message : "");
    return count;
}

static inline void
expect_refused(const char *file, MobNetJournalError code, const char *said)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(MobNetJournal) journal = mob_net_journal_open(file, &error);

    cr_assert_null(journal);
    cr_assert_not_null(error);
    cr_expect(g_error_matches(error, MOB_NET_JOURNAL_ERROR, (int)code), "%d: %s", error->code,
              error->message);
    cr_expect_not_null(strstr(error->message, file), "no path: %s", error->message);
    cr_expect_not_null(strstr(error->message, said), "not '%s': %s", said, error->message);
}
