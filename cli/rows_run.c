/* rows_run.c: the tables of a run folder, from its run.db; see rows.h. */
#include "cli/rows_run.h"

#include <sqlite3.h>
#include <string.h>

/* "J2" of "J2:T1"; the names of the first job have no prefix. */
#define JOB_OF(name)                                                                               \
    " CASE WHEN instr(" name ", ':') THEN substr(" name ", 1, instr(" name ", ':') - 1)"           \
    " ELSE 'J1' END"

/* Of each noun its columns, in order; ?1 is the run. */
static const struct {
    const char *noun;
    const char *sql;
} queries[] = {
    {"tasks",
     "SELECT t.task, t.name, t.state, p.name, a.attempt,"
     " CASE WHEN a.started_ns NOT NULL THEN coalesce(a.ended_ns, r.end_ns) - a.started_ns END,"
     " coalesce(a.started_ns, r.end_ns) - a.submitted_ns," JOB_OF(
         "t.task") ","
                   " p.node, o.name, t.parent, t.executions, t.submitted_ns,"
                   " (SELECT group_concat(obj, ', ') FROM (SELECT obj FROM args g WHERE g.run = ?1"
                   "  AND g.task = t.task AND g.kind = 'data' ORDER BY n)),"
                   " CASE WHEN t.file <> '' THEN t.file || ':' || t.line END, t.error"
                   " FROM tasks t JOIN runs r ON r.run = t.run LEFT JOIN attempts a ON a.run = "
                   "t.run"
                   " AND a.task = t.task AND a.attempt ="
                   "  (SELECT max(attempt) FROM attempts b WHERE b.run = ?1 AND b.task = t.task)"
                   " LEFT JOIN procs p ON p.proc = a.proc LEFT JOIN procs o ON o.proc = t.owner"
                   " WHERE t.run = ?1 ORDER BY t.n"},
    {"attempts",
     "SELECT a.task || '.' || a.attempt, a.task, p.name, a.outcome, a.submitted_ns, a.started_ns,"
     " a.ended_ns FROM attempts a LEFT JOIN procs p ON p.proc = a.proc WHERE a.run = ?1"
     " ORDER BY a.submitted, a.task, a.attempt"},
    {"objects",
     "SELECT b.obj, CASE WHEN b.made THEN b.bytes END, b.state,"
     " (SELECT group_concat(place, ', ') FROM (SELECT place FROM copies c WHERE c.run = ?1"
     "  AND c.obj = b.obj AND c.to_seq IS NULL ORDER BY c.rowid)),"
     " b.maker, o.name, (SELECT count(*) FROM refs f WHERE f.run = ?1 AND f.obj = b.obj"
     "  AND f.to_seq IS NULL)," JOB_OF("b.obj") ", b.made, b.lost, b.created_ns, b.ended_ns"
                                                " FROM objects b LEFT JOIN procs o ON o.proc = "
                                                "b.owner WHERE b.run = ?1 ORDER BY b.n"},
    {"copies", "SELECT obj, place, from_ns, to_ns, end_why FROM copies WHERE run = ?1"
               " ORDER BY rowid"},
    {"refs", "SELECT f.obj, p.name, f.kind, f.from_ns, f.to_ns FROM refs f"
             " LEFT JOIN procs p ON p.proc = f.proc WHERE f.run = ?1 ORDER BY f.rowid"},
    {"nodes",
     "SELECT p.name, CASE WHEN p.died IS NULL THEN 'ALIVE' ELSE 'DEAD' END, NULL, NULL,"
     " (SELECT count(*) FROM procs w WHERE w.run = ?1 AND w.node = p.node AND w.role = 'worker'"
     "  AND w.died IS NULL),"
     " (SELECT count(*) FROM attempts a JOIN procs w ON w.proc = a.proc WHERE a.run = ?1"
     "  AND w.node = p.node AND a.started NOT NULL AND a.ended IS NULL),"
     " NULL, p.born_ns, p.died_ns, p.why FROM procs p WHERE p.run = ?1 AND p.role = 'node'"
     " ORDER BY p.proc"},
    {"workers",
     "SELECT p.name, p.role, CASE WHEN p.died NOT NULL THEN 'DEAD' WHEN a.task NOT NULL"
     " OR p.role = 'driver' THEN 'RUNNING' ELSE 'IDLE' END, a.task, NULL, p.node, p.born_ns,"
     " p.died_ns, p.why FROM procs p LEFT JOIN attempts a ON a.proc = p.proc AND a.run = ?1"
     " AND a.started NOT NULL AND a.ended IS NULL"
     " WHERE p.run = ?1 AND p.role IN ('worker', 'driver') ORDER BY p.proc"},
    {"jobs",
     "SELECT 'J' || j.job, j.name, CASE WHEN NOT j.finished THEN 'RUNNING' WHEN r.verdict = 'ok'"
     "  THEN 'SUCCEEDED' ELSE 'FAILED' END,"
     " (SELECT count(*) FROM tasks t WHERE t.run = ?1 AND" JOB_OF(
         "t.task") " = 'J' || j.job),"
                   " coalesce(j.finished_ns, r.end_ns) - j.started_ns, p.name, j.started_ns, NULL"
                   " FROM jobs j JOIN runs r ON r.run = j.run LEFT JOIN procs p ON p.proc = "
                   "j.driver"
                   " WHERE j.run = ?1 ORDER BY j.job"},
};

static const char *
query_of(const MobNoun *noun)
{
    for (size_t i = 0; i < G_N_ELEMENTS(queries); i++)
        if (strcmp(queries[i].noun, noun->name) == 0)
            return queries[i].sql;
    g_assert_not_reached();
}

static void
add_cell(MobRows *rows, sqlite3_stmt *select, int column)
{
    bool is_text = rows->noun->columns[column].kind == MOB_CELL_TEXT;

    if (sqlite3_column_type(select, column) == SQLITE_NULL)
        mob_rows_none(rows);
    else if (is_text)
        mob_rows_text(rows, (const char *)sqlite3_column_text(select, column));
    else
        mob_rows_number(rows, (uint64_t)sqlite3_column_int64(select, column));
}

static bool
read_rows(sqlite3 *sqlite, MobRows *rows)
{
    sqlite3_stmt *select = NULL;
    int status = sqlite3_prepare_v2(sqlite, query_of(rows->noun), -1, &select, NULL);

    if (status == SQLITE_OK) {
        g_assert(sqlite3_column_count(select) == (int)rows->noun->column_count);
        sqlite3_bind_int64(select, 1, 1);
        while ((status = sqlite3_step(select)) == SQLITE_ROW)
            for (int i = 0; i < (int)rows->noun->column_count; i++)
                add_cell(rows, select, i);
    }
    sqlite3_finalize(select);
    return status == SQLITE_DONE;
}

MobRows *
mob_run_rows(const char *folder, const MobNoun *noun, GError **error)
{
    g_autofree char *path = g_build_filename(folder, "run.db", NULL);
    g_autoptr(MobRows) rows = mob_rows_new(noun);
    sqlite3 *sqlite = NULL;
    bool ok = false;

    if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
        g_set_error(error, MOB_ROWS_ERROR, 0,
                    "%s is no run folder: it has no run.db; mobula run FILE makes one", folder);
        return NULL;
    }
    if (sqlite3_open_v2(path, &sqlite, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK)
        ok = read_rows(sqlite, rows);
    if (!ok)
        g_set_error(error, MOB_ROWS_ERROR, 0, "cannot read %s: %s", path, sqlite3_errmsg(sqlite));
    sqlite3_close(sqlite);
    return ok ? g_steal_pointer(&rows) : NULL;
}
