/* rows_run.c: the tables of a run folder, from its run.db; see rows.h.
 *
 * What is true at a moment is asked, never stored: everything is an interval of
 * event numbers. A query knows the run (?1), the moment as an event (?2) and as a
 * time (?3), and whether none was asked for (?4): then it is about the end, and
 * shows whatever there was.
 */
#include "cli/rows_run.h"

#include <sqlite3.h>
#include <string.h>

#include "viz/lineage.h"
#include "viz/rundb.h"

/* clang-format off */

/* "J2" of "J2:T1"; the names of the first job have no prefix. */
#define JOB_OF(name) \
    " CASE WHEN instr(" name ", ':') THEN substr(" name ", 1, instr(" name ", ':') - 1)" \
    " ELSE 'J1' END"
/* Something that has ended by the moment, and when. */
#define IS_OVER(seq)      " (" seq " IS NOT NULL AND " seq " <= ?2)"
#define IS_OPEN(x)        " (" x ".from_seq <= ?2 AND NOT" IS_OVER(x ".to_seq") ")"
#define IS_SHOWN(x)       " (" x ".from_seq <= ?2 AND (?4 OR NOT" IS_OVER(x ".to_seq") "))"
#define END_OF(seq, time) " CASE WHEN" IS_OVER(seq) " THEN " time " END"
#define LINE_OF(x)        " CASE WHEN " x ".file <> '' THEN " x ".file || ':' || " x ".line END"
#define AGE_OF(x) \
    " CASE WHEN" IS_OVER(x ".to_seq") " THEN " x ".to_ns ELSE max(?3, " x ".from_ns) END" \
    " - " x ".from_ns"
/* A copy has been spilled, and not been restored since. */
#define IS_ON_DISK(x) \
    " coalesce((SELECT d.kind FROM events d WHERE d.run = ?1 AND d.obj = " x ".obj" \
    "  AND d.node = " x ".place AND d.kind IN ('object.spilled', 'object.restored')" \
    "  AND d.seq >= " x ".from_seq AND d.seq <= min(?2, coalesce(" x ".to_seq, ?2))" \
    "  ORDER BY d.seq DESC, d.n DESC LIMIT 1) = 'object.spilled', 0)"

#define TASKS \
    "SELECT t.task, t.name, CASE WHEN ?4 THEN t.state" \
    "  WHEN a.ended <= ?2 AND a.outcome = 'finished' THEN 'FINISHED'" \
    "  WHEN t.state = 'FAILED' AND (SELECT max(e.seq) FROM events e WHERE e.run = ?1" \
    "   AND e.task = t.task AND e.kind IN ('task.failed', 'task.cancelled')) <= ?2 THEN 'FAILED'" \
    "  WHEN a.ended <= ?2 THEN 'PENDING'" \
    "  WHEN a.started <= ?2 THEN 'RUNNING' WHEN a.leased <= ?2 THEN 'LEASED' ELSE 'PENDING' END," \
    " p.name, a.attempt," \
    " CASE WHEN a.started <= ?2" \
    "  THEN CASE WHEN a.ended <= ?2 THEN a.ended_ns ELSE ?3 END - a.started_ns END," \
    " CASE WHEN a.started <= ?2 THEN a.started_ns ELSE ?3 END - a.submitted_ns," \
    JOB_OF("t.task") ", p.node, o.name, t.parent," \
    " (SELECT count(*) FROM attempts b WHERE b.run = ?1 AND b.task = t.task AND b.started <= ?2)," \
    " t.submitted_ns," \
    " (SELECT group_concat(obj, ', ') FROM (SELECT obj FROM args g WHERE g.run = ?1" \
    "  AND g.task = t.task AND g.kind = 'data' ORDER BY n))," LINE_OF("t") "," \
    " CASE WHEN ?4 THEN t.error END," \
    " CASE WHEN t.retries < 0 THEN 'without end' ELSE coalesce((SELECT coalesce(e.b, 0)" \
    "   FROM events e WHERE e.run = ?1 AND e.task = t.task AND e.kind = 'task.retried'" \
    "   AND e.seq <= ?2 ORDER BY e.seq DESC LIMIT 1), t.retries)" \
    "  || ' of ' || t.retries || ' left' END," \
    " CASE WHEN t.evicted <= ?2 THEN t.evicted END" \
    " FROM tasks t LEFT JOIN attempts a ON a.run = ?1 AND a.task = t.task AND a.attempt =" \
    "  (SELECT max(attempt) FROM attempts b WHERE b.run = ?1 AND b.task = t.task" \
    "   AND b.submitted <= ?2)" \
    " LEFT JOIN procs p ON p.proc = a.proc AND a.leased <= ?2" \
    " LEFT JOIN procs o ON o.proc = t.owner" \
    " WHERE t.run = ?1 AND t.submitted <= ?2 ORDER BY t.n"

#define ATTEMPTS \
    "SELECT a.task || '.' || a.attempt, a.task, p.name," END_OF("a.ended", "a.outcome") "," \
    " a.submitted_ns, CASE WHEN a.started <= ?2 THEN a.started_ns END," \
    END_OF("a.ended", "a.ended_ns") \
    " FROM attempts a LEFT JOIN procs p ON p.proc = a.proc WHERE a.run = ?1" \
    " AND a.submitted <= ?2 ORDER BY a.submitted, a.task, a.attempt"

/* What has become of an object is the last that was noted of it. */
#define OBJECTS \
    "SELECT b.obj, CASE WHEN b.made AND b.created <= ?2 THEN b.bytes END," \
    " CASE WHEN ?4 THEN b.state WHEN e.kind IS NULL THEN 'PENDING'" \
    "  WHEN e.kind = 'object.failed' THEN 'FAILED' WHEN e.kind = 'object.freed' THEN 'FREED'" \
    "  WHEN e.node IS NULL THEN CASE WHEN o.died <= ?2 THEN 'LOST' ELSE 'INLINE' END" \
    "  WHEN EXISTS (SELECT 1 FROM copies c WHERE c.run = ?1 AND c.obj = b.obj AND" IS_OPEN("c") \
    "   ) THEN 'SEALED' ELSE 'LOST' END," \
    " (SELECT group_concat(place, ', ') FROM (SELECT place || CASE WHEN NOT is_primary THEN ''" \
    "   WHEN" IS_ON_DISK("c") " THEN ' (primary, on disk)' ELSE ' (primary)' END AS place" \
    "  FROM copies c WHERE c.run = ?1 AND c.obj = b.obj AND" IS_OPEN("c") " ORDER BY c.rowid))," \
    " b.maker, o.name, (SELECT count(*) FROM refs f WHERE f.run = ?1 AND f.obj = b.obj" \
    "  AND" IS_OPEN("f") ")," JOB_OF("b.obj") ", CASE WHEN ?4 THEN b.made END," \
    " CASE WHEN ?4 THEN b.lost END, CASE WHEN b.created <= ?2 THEN b.created_ns END," \
    " CASE WHEN ?4 THEN b.ended_ns WHEN e.kind IN ('object.failed', 'object.freed') THEN e.t END," \
    " coalesce((SELECT" LINE_OF("t") " FROM tasks t WHERE NOT b.put AND t.run = ?1" \
    "   AND t.task = b.maker)," \
    "  (SELECT" LINE_OF("f") " FROM refs f WHERE b.put AND f.run = ?1 AND f.obj = b.obj" \
    "   AND f.proc = b.owner AND f.file NOT NULL ORDER BY f.rowid LIMIT 1))," \
    " CASE WHEN b.put THEN 'yes' END" \
    " FROM objects b LEFT JOIN procs o ON o.proc = b.owner" \
    " LEFT JOIN events e ON e.run = ?1 AND (e.seq, e.n) = (SELECT l.seq, l.n FROM events l" \
    "  WHERE l.run = ?1 AND l.obj = b.obj AND l.seq <= ?2 AND l.kind IN ('object.created'," \
    "  'object.recovered', 'object.failed', 'object.freed')" \
    "  ORDER BY l.seq DESC, l.n DESC LIMIT 1)" \
    " WHERE b.run = ?1 AND (?4 OR EXISTS (SELECT 1 FROM events k WHERE k.run = ?1" \
    "  AND k.obj = b.obj AND k.seq <= ?2)) ORDER BY b.n"

#define COPIES \
    "SELECT obj, place, CASE WHEN is_primary THEN 'primary' ELSE 'copy' END," \
    " CASE WHEN" IS_ON_DISK("c") " THEN 'disk' ELSE 'memory' END, from_ns," \
    END_OF("c.to_seq", "c.to_ns") "," END_OF("c.to_seq", "c.end_why") "," AGE_OF("c") \
    " FROM copies c WHERE run = ?1 AND" IS_SHOWN("c") " ORDER BY rowid"

/* Where a borrower got it stands in what it holds itself. */
#define REFS \
    "SELECT f.obj, p.name, f.kind, coalesce(f.task, f.outer), f.from_ns," \
    END_OF("f.to_seq", "f.to_ns") ", coalesce(" LINE_OF("f") ", (SELECT" LINE_OF("g") \
    "  FROM refs g WHERE g.run = ?1 AND g.obj = f.obj AND g.proc = f.proc AND g.file NOT NULL" \
    "  AND g.from_seq <= ?2 ORDER BY g.rowid DESC LIMIT 1))," AGE_OF("f") ", p.node" \
    " FROM refs f LEFT JOIN procs p ON p.proc = f.proc WHERE f.run = ?1 AND" IS_SHOWN("f") \
    " ORDER BY f.rowid"

#define NODES \
    "SELECT p.name, CASE WHEN" IS_OVER("p.died") " THEN 'DEAD' ELSE 'ALIVE' END, NULL, NULL," \
    " (SELECT count(*) FROM procs w WHERE w.run = ?1 AND w.node = p.node AND w.role = 'worker'" \
    "  AND w.born <= ?2 AND NOT" IS_OVER("w.died") ")," \
    " (SELECT count(*) FROM attempts a JOIN procs w ON w.proc = a.proc WHERE a.run = ?1" \
    "  AND w.node = p.node AND a.started <= ?2 AND NOT" IS_OVER("a.ended") ")," \
    " NULL, p.born_ns," END_OF("p.died", "p.died_ns") "," END_OF("p.died", "p.why") \
    " FROM procs p WHERE p.run = ?1 AND p.role = 'node' AND p.born <= ?2 ORDER BY p.proc"

#define WORKERS \
    "SELECT p.name, p.role, CASE WHEN" IS_OVER("p.died") " THEN 'DEAD' WHEN a.task NOT NULL" \
    "  OR p.role = 'driver' THEN 'RUNNING' ELSE 'IDLE' END, a.task, NULL, p.node, p.born_ns," \
    END_OF("p.died", "p.died_ns") "," END_OF("p.died", "p.why") \
    " FROM procs p LEFT JOIN attempts a ON a.proc = p.proc AND a.run = ?1" \
    "  AND a.started <= ?2 AND NOT" IS_OVER("a.ended") \
    " WHERE p.run = ?1 AND p.role IN ('worker', 'driver') AND p.born <= ?2 ORDER BY p.proc"

#define JOBS \
    "SELECT 'J' || j.job, j.name, CASE WHEN NOT j.finished OR j.finished > ?2 THEN 'RUNNING'" \
    "  WHEN r.verdict = 'ok' THEN 'SUCCEEDED' ELSE 'FAILED' END," \
    " (SELECT count(*) FROM tasks t WHERE t.run = ?1 AND t.submitted <= ?2" \
    "  AND" JOB_OF("t.task") " = 'J' || j.job)," \
    " CASE WHEN j.finished <= ?2 THEN coalesce(j.finished_ns, ?3) ELSE ?3 END - j.started_ns," \
    " p.name, j.started_ns, NULL" \
    " FROM jobs j JOIN runs r ON r.run = j.run LEFT JOIN procs p ON p.proc = j.driver" \
    " WHERE j.run = ?1 AND j.started_ns <= ?3 ORDER BY j.job"

/* clang-format on */

/* Of each noun its columns, in order. */
static const struct {
    const char *noun;
    const char *sql;
} queries[] = {
    {"tasks", TASKS}, {"attempts", ATTEMPTS}, {"objects", OBJECTS}, {"copies", COPIES},
    {"refs", REFS},   {"nodes", NODES},       {"workers", WORKERS}, {"jobs", JOBS},
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

/* --- the moment --- */

typedef struct {
    MobMoment at;
    bool whole; /* none was asked for */
} Moment;

/* One row of two numbers; false if there is none. */
static bool
ask_two(sqlite3 *sqlite, const char *sql, int64_t what, MobMoment *found)
{
    sqlite3_stmt *select = NULL;
    bool is = false;

    if (sqlite3_prepare_v2(sqlite, sql, -1, &select, NULL) == SQLITE_OK) {
        sqlite3_bind_int64(select, 1, what);
        is = sqlite3_step(select) == SQLITE_ROW && sqlite3_column_type(select, 0) != SQLITE_NULL;
        *found = (MobMoment){(uint64_t)sqlite3_column_int64(select, 0),
                             (MobTime)sqlite3_column_int64(select, 1)};
    }
    sqlite3_finalize(select);
    return is;
}

/* The last event up to what was asked for. */
static bool
find_moment(sqlite3 *sqlite, const char *at, Moment *moment, GError **error)
{
    MobMoment asked = {0};
    MobMoment end = {0};

    ask_two(sqlite, "SELECT events, end_ns FROM runs WHERE run = ?1", 1, &end);
    *moment = (Moment){{INT64_MAX, end.at}, at == NULL};
    if (at == NULL)
        return true;
    if (!mob_lineage_moment(at, &asked, error))
        return false;
    bool is = asked.seq != 0 ? ask_two(sqlite,
                                       "SELECT max(seq), max(t) FROM events WHERE run = 1 AND n = 0"
                                       " AND seq <= ?1",
                                       (int64_t)MIN(asked.seq, INT64_MAX), &moment->at)
                             : ask_two(sqlite,
                                       "SELECT max(seq), max(?1, max(t)) FROM events WHERE run = 1"
                                       " AND n = 0 AND t <= ?1",
                                       (int64_t)asked.at, &moment->at);
    if (asked.seq == 0)
        moment->at.at = MIN(moment->at.at, end.at);
    if (!is)
        g_set_error(error, MOB_ROWS_ERROR, 0, "--at %s: the run keeps no event so early", at);
    return is;
}

/* --- reading --- */

static bool
read_rows(sqlite3 *sqlite, const Moment *moment, MobRows *rows)
{
    sqlite3_stmt *select = NULL;
    int status = sqlite3_prepare_v2(sqlite, query_of(rows->noun), -1, &select, NULL);

    if (status == SQLITE_OK) {
        g_assert(sqlite3_column_count(select) == (int)rows->noun->column_count);
        sqlite3_bind_int64(select, 1, 1);
        sqlite3_bind_int64(select, 2, (int64_t)moment->at.seq);
        sqlite3_bind_int64(select, 3, (int64_t)moment->at.at);
        sqlite3_bind_int(select, 4, moment->whole);
        while ((status = sqlite3_step(select)) == SQLITE_ROW)
            for (int i = 0; i < (int)rows->noun->column_count; i++)
                add_cell(rows, select, i);
    }
    sqlite3_finalize(select);
    return status == SQLITE_DONE;
}

static bool
is_of_this_version(sqlite3 *sqlite)
{
    MobMoment schema = {0};

    return ask_two(sqlite, "SELECT CAST(v AS INTEGER), 0 FROM meta WHERE k = 'schema' AND ?1", 1,
                   &schema) &&
           schema.seq == MOB_RUNDB_SCHEMA;
}

MobRows *
mob_run_rows(const MobRunSource *source, const MobNoun *noun, GError **error)
{
    g_autofree char *path = g_build_filename(source->folder, "run.db", NULL);
    g_autoptr(MobRows) rows = mob_rows_new(noun);
    sqlite3 *sqlite = NULL;
    GError *why = NULL;
    Moment moment;

    if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
        g_set_error(error, MOB_ROWS_ERROR, 0,
                    "%s is no run folder: it has no run.db; mobula run FILE makes one",
                    source->folder);
        return NULL;
    }
    bool ok = sqlite3_open_v2(path, &sqlite, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK;
    if (ok && !is_of_this_version(sqlite)) {
        g_set_error(&why, MOB_ROWS_ERROR, 0,
                    "%s is of another version of mobula; mobula replay %s writes it again", path,
                    source->folder);
        ok = false;
    }
    ok = ok && find_moment(sqlite, source->at, &moment, &why) && read_rows(sqlite, &moment, rows);
    if (!ok && why == NULL)
        g_set_error(&why, MOB_ROWS_ERROR, 0, "cannot read %s: %s", path, sqlite3_errmsg(sqlite));
    if (!ok)
        g_propagate_error(error, why);
    sqlite3_close(sqlite);
    return ok ? g_steal_pointer(&rows) : NULL;
}
