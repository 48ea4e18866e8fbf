/* journal.c: see journal.h.
 *
 * Writes wait in memory, not in a transaction: SQLite may undo a whole
 * transaction when the disk is full, and then nobody would know what to try
 * again. So a transaction is open only inside a commit.
 *
 * The write-ahead log is synced at every commit (synchronous=FULL). The
 * connection is exclusive: SQLite keeps its locks until the end, and needs no
 * memory that is shared with others.
 */
#include "net/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

enum {
    APPLICATION = 0x4d6f624a, /* "MobJ" in the head of the file */
    VERSION = 1,
    /* A process that was just killed may need a moment to let go of its locks. */
    LOCK_TIMEOUT_MS = 250,
};

typedef enum {
    BEGIN,
    PUT,
    FORGET,
    COMMIT,
    COUNT_UP,
    STATEMENTS,
} Statement;

static const char *const statements[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    /* A key keeps its place, and a new one comes after all others. */
    [PUT] = "INSERT INTO records (key, value) VALUES (?, ?)"
            " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    [FORGET] = "DELETE FROM records WHERE key = ?",
    [COMMIT] = "COMMIT",
    [COUNT_UP] = "INSERT INTO counts VALUES (?, 1)"
                 " ON CONFLICT (name) DO UPDATE SET count = count + 1 RETURNING count",
};

struct MobNetJournal {
    char *path;
    sqlite3 *sqlite;
    sqlite3_stmt *statements[STATEMENTS];
    GArray *records; /* of MobPersisted, owned; NULL once something was written */
    GArray *pending; /* of MobPersist, owned, in the order of writing */
};

/* --- errors --- */

/* Reports what SQLite has just failed at; false. */
static bool
fail(const MobNetJournal *journal, const char *what, GError **error)
{
    int saved = errno; /* SQLite does not always keep it */
    int code = sqlite3_errcode(journal->sqlite) & 0xff;
    bool system = code == SQLITE_IOERR || code == SQLITE_CANTOPEN;
    bool full = code == SQLITE_FULL || (system && (saved == ENOSPC || saved == EDQUOT));
    MobNetJournalError kind = MOB_NET_JOURNAL_ERROR_FAILED;
    const char *cause = sqlite3_errmsg(journal->sqlite);
    const char *remedy = "look after that disk, or choose another folder";

    if (code == SQLITE_BUSY || code == SQLITE_LOCKED) {
        kind = MOB_NET_JOURNAL_ERROR_IN_USE;
        cause = "another GCS runs on this folder";
        remedy = "stop it first, or choose another folder";
    } else if (full) {
        kind = MOB_NET_JOURNAL_ERROR_FULL;
        cause = "the disk is full";
        remedy = "make room";
    } else if (code == SQLITE_NOTADB) {
        kind = MOB_NET_JOURNAL_ERROR_FOREIGN;
        cause = "it is no database";
        remedy = "move it away, or choose another folder";
    } else if (code == SQLITE_CORRUPT) {
        kind = MOB_NET_JOURNAL_ERROR_FOREIGN;
        cause = "it is damaged";
        remedy = "put a copy back, or move it away to begin with an empty one";
    } else if (system && saved != 0) {
        cause = g_strerror(saved);
    }
    g_set_error(error, MOB_NET_JOURNAL_ERROR, (int)kind, "cannot %s %s: %s; %s", what,
                journal->path, cause, remedy);
    return false;
}

/* Another file than one of ours; false. */
static bool
refuse(const MobNetJournal *journal, const char *cause, const char *remedy, GError **error)
{
    g_set_error(error, MOB_NET_JOURNAL_ERROR, MOB_NET_JOURNAL_ERROR_FOREIGN,
                "cannot open %s: %s; %s", journal->path, cause, remedy);
    return false;
}

/* --- rows --- */

static bool
run_sql(const MobNetJournal *journal, const char *sql)
{
    errno = 0;
    return sqlite3_exec(journal->sqlite, sql, NULL, NULL, NULL) == SQLITE_OK;
}

/* Runs a statement that has no answer. */
static bool
run(const MobNetJournal *journal, Statement which)
{
    sqlite3_stmt *statement = journal->statements[which];

    errno = 0;
    sqlite3_step(statement);
    return sqlite3_reset(statement) == SQLITE_OK;
}

static void
roll_back(const MobNetJournal *journal)
{
    /* After some errors SQLite has done so itself. */
    if (!sqlite3_get_autocommit(journal->sqlite))
        run_sql(journal, "ROLLBACK");
}

/* Asks for one number. */
static bool
ask(const MobNetJournal *journal, const char *sql, int64_t *answer)
{
    sqlite3_stmt *select = NULL;

    if (sqlite3_prepare_v2(journal->sqlite, sql, -1, &select, NULL) != SQLITE_OK)
        return false;
    if (sqlite3_step(select) == SQLITE_ROW)
        *answer = sqlite3_column_int64(select, 0);
    return sqlite3_finalize(select) == SQLITE_OK;
}

/* Without bytes there may be no pointer, and SQLite would take that for NULL. */
static void
bind(sqlite3_stmt *statement, int column, const void *data, size_t size)
{
    sqlite3_bind_blob64(statement, column, size > 0 ? data : "", size, SQLITE_STATIC);
}

static void
persist_clear(void *data)
{
    MobPersist *persist = data;

    mob_str_unref(persist->key);
    if (persist->value != NULL)
        g_bytes_unref(persist->value);
}

static void
persisted_clear(void *data)
{
    MobPersisted *record = data;

    mob_str_unref((MobStr *)record->key);
    g_bytes_unref(record->value);
}

static GArray *
no_records(void)
{
    GArray *records = g_array_new(FALSE, FALSE, sizeof(MobPersisted));

    g_array_set_clear_func(records, persisted_clear);
    return records;
}

/* --- opening --- */

/* SQLite would make a file that everybody may read. */
static bool
make_file(const MobNetJournal *journal, GError **error)
{
    int fd = open(journal->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd >= 0) {
        close(fd);
        return true;
    }
    if (errno == EEXIST)
        return true;
    bool full = errno == ENOSPC || errno == EDQUOT;
    g_set_error(error, MOB_NET_JOURNAL_ERROR,
                full ? MOB_NET_JOURNAL_ERROR_FULL : MOB_NET_JOURNAL_ERROR_FAILED,
                "cannot create %s: %s; %s", journal->path,
                full ? "the disk is full" : g_strerror(errno),
                full ? "make room" : "choose a folder that is there and may be written in");
    return false;
}

static bool
make_tables(const MobNetJournal *journal)
{
    g_autofree char *mark = g_strdup_printf("PRAGMA application_id = %d; PRAGMA user_version = %d",
                                            APPLICATION, VERSION);
    return run_sql(journal, mark) &&
           run_sql(journal, "CREATE TABLE records (place INTEGER PRIMARY KEY,"
                            " key BLOB NOT NULL UNIQUE, value BLOB NOT NULL);"
                            "CREATE TABLE counts (name TEXT PRIMARY KEY,"
                            " count INTEGER NOT NULL) WITHOUT ROWID");
}

/* Makes what an empty file needs, and refuses what is not ours unchanged. */
static bool
know_tables(const MobNetJournal *journal, GError **error)
{
    int64_t application = 0;
    int64_t version = 0;
    int64_t tables = 0;

    if (!ask(journal, "PRAGMA application_id", &application) ||
        !ask(journal, "PRAGMA user_version", &version) ||
        !ask(journal, "SELECT count(*) FROM sqlite_schema", &tables))
        return fail(journal, "read", error);
    if (application == 0 && tables == 0)
        return make_tables(journal) || fail(journal, "write", error);
    if (application != APPLICATION)
        return refuse(journal, "it is the database of another program",
                      "move it away, or choose another folder", error);
    if (version > VERSION)
        return refuse(journal, "a newer version of mobula has written it",
                      "run that version, or choose another folder", error);
    return true;
}

/* Locks the file for good, then looks what it is. */
static bool
lock(const MobNetJournal *journal, GError **error)
{
    if (sqlite3_db_readonly(journal->sqlite, "main") == 1) {
        g_set_error(error, MOB_NET_JOURNAL_ERROR, MOB_NET_JOURNAL_ERROR_FAILED,
                    "cannot write %s: it may only be read; let its owner run this, or choose "
                    "another folder",
                    journal->path);
        return false;
    }
    sqlite3_busy_timeout(journal->sqlite, LOCK_TIMEOUT_MS);
    if (!run_sql(journal, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL;"
                          "BEGIN EXCLUSIVE"))
        return fail(journal, "open", error);
    if (!know_tables(journal, error))
        return false;
    return run_sql(journal, "COMMIT; PRAGMA journal_mode = WAL") || fail(journal, "write", error);
}

static bool
prepare(MobNetJournal *journal, GError **error)
{
    for (Statement i = 0; i < STATEMENTS; i++)
        if (sqlite3_prepare_v3(journal->sqlite, statements[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &journal->statements[i], NULL) != SQLITE_OK)
            return fail(journal, "read", error);
    return true;
}

static bool
read_records(MobNetJournal *journal, GError **error)
{
    sqlite3_stmt *select = NULL;

    sqlite3_prepare_v2(journal->sqlite, "SELECT key, value FROM records ORDER BY place", -1,
                       &select, NULL);
    while (select != NULL && sqlite3_step(select) == SQLITE_ROW) {
        const char *key = sqlite3_column_blob(select, 0);
        size_t key_size = (size_t)sqlite3_column_bytes(select, 0);
        const void *value = sqlite3_column_blob(select, 1);
        size_t value_size = (size_t)sqlite3_column_bytes(select, 1);
        MobPersisted record = {mob_str_new_len(key, key_size), g_bytes_new(value, value_size)};
        g_array_append_val(journal->records, record);
    }
    if (select == NULL || sqlite3_finalize(select) != SQLITE_OK)
        return fail(journal, "read", error);
    return true;
}

MobNetJournal *
mob_net_journal_open(const char *path, GError **error)
{
    g_autoptr(MobNetJournal) journal = g_new0(MobNetJournal, 1);

    journal->path = g_strdup(path);
    journal->records = no_records();
    journal->pending = g_array_new(FALSE, FALSE, sizeof(MobPersist));
    g_array_set_clear_func(journal->pending, persist_clear);
    if (!make_file(journal, error))
        return NULL;
    if (sqlite3_open_v2(path, &journal->sqlite, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK) {
        fail(journal, "open", error);
        return NULL;
    }
    if (!lock(journal, error) || !prepare(journal, error) || !read_records(journal, error))
        return NULL;
    return g_steal_pointer(&journal);
}

void
mob_net_journal_free(MobNetJournal *journal)
{
    if (journal == NULL)
        return;
    for (Statement i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(journal->statements[i]);
    sqlite3_close(journal->sqlite);
    if (journal->records != NULL)
        g_array_unref(journal->records);
    g_array_unref(journal->pending);
    g_free(journal->path);
    g_free(journal);
}

/* --- reading and writing --- */

const MobPersisted *
mob_net_journal_records(MobNetJournal *journal, size_t *count)
{
    g_assert(journal->records != NULL);
    *count = journal->records->len;
    return (const MobPersisted *)(const void *)journal->records->data;
}

void
mob_net_journal_write(MobNetJournal *journal, MobStr *key, GBytes *value)
{
    MobPersist persist = {mob_str_ref(key), value != NULL ? g_bytes_ref(value) : NULL};

    g_array_append_val(journal->pending, persist);
    g_clear_pointer(&journal->records, g_array_unref);
}

static bool
apply(const MobNetJournal *journal, const MobPersist *persist)
{
    Statement which = persist->value != NULL ? PUT : FORGET;
    sqlite3_stmt *statement = journal->statements[which];

    bind(statement, 1, mob_str(persist->key), persist->key != NULL ? persist->key->length : 0);
    if (persist->value != NULL) {
        size_t size;
        const void *data = g_bytes_get_data(persist->value, &size);
        bind(statement, 2, data, size);
    }
    return run(journal, which);
}

bool
mob_net_journal_commit(MobNetJournal *journal, GError **error)
{
    GArray *pending = journal->pending;

    if (pending->len == 0)
        return true;
    bool durable = run(journal, BEGIN);
    for (guint i = 0; i < pending->len && durable; i++)
        durable = apply(journal, &g_array_index(pending, MobPersist, i));
    durable = durable && run(journal, COMMIT);
    if (durable) {
        g_array_set_size(pending, 0);
    } else {
        fail(journal, "write", error);
        roll_back(journal);
    }
    return durable;
}

bool
mob_net_journal_wipe(MobNetJournal *journal, GError **error)
{
    if (!run_sql(journal, "DELETE FROM records"))
        return fail(journal, "write", error);
    g_array_set_size(journal->pending, 0);
    g_clear_pointer(&journal->records, g_array_unref);
    journal->records = no_records();
    return true;
}

uint64_t
mob_net_journal_count_up(MobNetJournal *journal, const char *name, GError **error)
{
    sqlite3_stmt *statement = journal->statements[COUNT_UP];
    uint64_t count = 0;

    errno = 0;
    sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    if (sqlite3_step(statement) == SQLITE_ROW)
        count = (uint64_t)sqlite3_column_int64(statement, 0);
    /* Only the end of the statement makes the count durable. */
    if (sqlite3_reset(statement) == SQLITE_OK)
        return count;
    fail(journal, "write", error);
    return 0;
}
