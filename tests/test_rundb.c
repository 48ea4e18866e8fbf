/* test_rundb.c: a run as a database. */
#include <criterion/criterion.h>
#include <glib/gstdio.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "tests/told.h"
#include "viz/rundb.h"

static char *
temporary_folder(void)
{
    char *folder = g_dir_make_tmp("mobula-rundb-XXXXXX", NULL);

    cr_assert_not_null(folder);
    return folder;
}

static char *
in_folder(const char *folder, const char *name)
{
    return g_build_filename(folder, name, NULL);
}

static MobRun
run_of(const Told *told)
{
    return (MobRun){
        .info = {.scenario = "kill-task-2",
                 .seed = 7,
                 .backend = "sim",
                 .verdict = "ok",
                 .hash = 0x9f3c1ab0},
        .state = told->state,
        .trace = told->trace,
    };
}

/* The first column of the rows of a query, separated by commas. */
static char *
ask(sqlite3 *sqlite, const char *sql)
{
    GString *answer = g_string_new(NULL);
    sqlite3_stmt *select = NULL;

    cr_assert_eq(sqlite3_prepare_v2(sqlite, sql, -1, &select, NULL), SQLITE_OK, "%s: %s", sql,
                 sqlite3_errmsg(sqlite));
    while (sqlite3_step(select) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(select, 0);
        g_string_append_printf(answer, "%s%s", answer->len > 0 ? "," : "",
                               text != NULL ? text : "NULL");
    }
    sqlite3_finalize(select);
    return g_string_free(answer, FALSE);
}

static void
expect(sqlite3 *sqlite, const char *sql, const char *expected)
{
    g_autofree char *answer = ask(sqlite, sql);

    cr_assert_str_eq(answer, expected, "%s: %s", sql, answer);
}

Test(rundb, answers_the_questions_of_the_lecture)
{
    g_autoptr(Told) told = told_kill_task_2();
    g_autofree char *folder = temporary_folder();
    g_autofree char *path = in_folder(folder, "run.db");
    g_autofree char *part = in_folder(folder, "run.db.part");
    g_autoptr(GError) error = NULL;
    MobRun run = run_of(told);
    sqlite3 *db = NULL;

    cr_assert(mob_rundb_write(path, &run, 1, &error), "%s", error != NULL ? error->message : "");
    cr_assert(!g_file_test(part, G_FILE_TEST_EXISTS));
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);

    expect(db, "PRAGMA integrity_check", "ok");
    expect(db, "SELECT name || '|' || count(*) FROM attempts GROUP BY name HAVING count(*) > 1",
           "load|2,parse|2");
    expect(db, "SELECT outcome FROM attempts WHERE task = 'T2' ORDER BY attempt",
           "crashed,finished");
    expect(db,
           "SELECT p.name FROM attempts a JOIN procs p USING (proc) WHERE a.task = 'T2'"
           " ORDER BY attempt",
           "n1/w0,n2/w0");
    expect(db, "SELECT max(n) FROM tasks", "4");
    expect(db, "SELECT max(n) FROM objects", "4");
    expect(db, "SELECT task FROM tasks ORDER BY n", "T1,T2,T3,T4");
    expect(db, "SELECT obj FROM objects ORDER BY n", "O1,O2,O3,O4");
    expect(db, "SELECT task || '<' || obj FROM args ORDER BY task, n", "T2<O1,T4<O2,T4<O3");
    expect(db,
           "SELECT place FROM copies WHERE obj = 'O1' AND from_ns <= 10000000"
           " AND (to_ns IS NULL OR to_ns > 10000000)",
           "");
    expect(db,
           "SELECT place FROM copies WHERE obj = 'O1' AND from_ns <= 35000000"
           " AND (to_ns IS NULL OR to_ns > 35000000)",
           "n2");
    expect(db, "SELECT verb || ' ' || target FROM faults", "kill n1");
    expect(db, "SELECT hash || ' ' || seed || ' ' || verdict FROM runs", "000000009f3c1ab0 7 ok");
    expect(db, "SELECT count(*) FROM events WHERE n = 0", "30");
    expect(db, "SELECT kind FROM events WHERE task = 'T2' AND kind LIKE 'task.r%' ORDER BY seq",
           "task.running,task.retried,task.running");
    /* Why was this attempt made? */
    expect(db,
           "SELECT b.role || ': ' || e.kind FROM events f JOIN because b USING (seq)"
           " JOIN events e ON e.seq = b.cause AND e.n = 1"
           " WHERE f.kind = 'task.failed' AND f.task = 'T2' ORDER BY b.cause",
           "its worker died: node.died,its node was declared dead: node.declared_dead");
    expect(db,
           "SELECT DISTINCT b.role || ': ' || e.kind FROM attempts a JOIN because b ON b.seq = "
           "a.reason"
           " JOIN events e ON e.seq = b.cause AND e.n = 1"
           " WHERE a.task = 'T1' AND a.attempt = 2 ORDER BY 1",
           "a task needs it: task.submitted,its node was declared dead: node.declared_dead,"
           "the last copy is gone: node.died");
    expect(db, "SELECT count(*) FROM because WHERE cause >= seq", "0");

    sqlite3_close(db);
    g_unlink(path);
    g_rmdir(folder);
}

Test(rundb, keeps_the_clusters_of_a_file_apart)
{
    g_autoptr(Told) first = told_kill_task_2();
    g_autoptr(Told) second = told_family();
    g_autofree char *folder = temporary_folder();
    g_autofree char *path = in_folder(folder, "run.db");
    const uint64_t checkpoints[] = {11, 12, 13};
    const MobRunClaim claim = {"no job is lost", "always", "a.lua:3", 9, 1, 2, 8};
    const MobRunMark mark = {5, "here", "and now"};
    const uint64_t bites[] = {17};
    MobRun runs[] = {run_of(first), run_of(second)};
    sqlite3 *db = NULL;

    runs[1].info.checkpoints = checkpoints;
    runs[1].info.checkpoint_count = 3;
    runs[1].info.checkpoint_events = 1024;
    runs[1].info.claims = &claim;
    runs[1].info.claim_count = 1;
    runs[1].info.marks = &mark;
    runs[1].info.mark_count = 1;
    told_cut(second, 50 * MOB_MS, 60 * MOB_MS);
    runs[1].info.file = "a.lua";
    runs[1].info.bites = bites;
    runs[1].info.bites_count = 1;
    runs[0].trace = NULL;
    cr_assert(mob_rundb_write(path, runs, 2, NULL));
    cr_assert(mob_rundb_write(path, runs, 2, NULL), "in the place of the first");
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);

    expect(db, "SELECT run FROM runs", "1,2");
    expect(db, "SELECT DISTINCT run FROM events", "2");
    expect(db, "SELECT count(*) FROM tasks GROUP BY run", "4,5");
    expect(db, "SELECT count(*) = count(DISTINCT proc) FROM procs", "1");
    expect(db,
           "SELECT DISTINCT p.run FROM tasks t JOIN procs p ON p.proc = t.owner"
           " WHERE t.run = 2",
           "2");
    expect(db, "SELECT seq || ':' || all_hash FROM hashes",
           "0:000000000000000b,1024:000000000000000c,2048:000000000000000d");
    expect(db, "SELECT name || first_fail FROM claims", "no job is lost8");
    expect(db, "SELECT detail FROM marks", "and now");
    expect(
        db,
        "SELECT verb || '|' || target || '|' || bites || '|' || source FROM faults WHERE run = 2",
        "cut|n1 n2|17|a.lua:9");
    expect(
        db,
        "SELECT (SELECT t FROM events e WHERE e.run = 2 AND e.n = 0 AND e.seq = f.from_seq) || ' '"
        " || (SELECT t FROM events e WHERE e.run = 2 AND e.n = 0 AND e.seq = f.to_seq)"
        " FROM faults f WHERE f.run = 2",
        "50000000 60000000");
    expect(db, "SELECT bites FROM faults WHERE run = 1", "NULL"); /* nobody has counted */
    expect(db, "SELECT error FROM tasks WHERE run = 2 AND task = 'T2'", "TaskError");
    expect(db, "SELECT parent FROM tasks WHERE task = 'T1/1/1'", "T1/1");

    sqlite3_close(db);
    g_unlink(path);
    g_rmdir(folder);
}

Test(rundb, an_unwritable_place_or_a_full_disk_is_one_error_and_no_file)
{
    g_autoptr(Told) told = told_kill_task_2();
    g_autofree char *folder = temporary_folder();
    g_autofree char *missing = g_build_filename(folder, "no", "such", "run.db", NULL);
    g_autofree char *full = g_strdup("/dev/full/run.db");
    g_autofree char *blocked = in_folder(folder, "run.db");
    g_autofree char *part = in_folder(folder, "run.db.part");
    MobRun run = run_of(told);
    const char *const paths[] = {missing, full, blocked};

    g_mkdir(blocked, 0700); /* a folder stands where the file should be */
    for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
        g_autoptr(GError) error = NULL;
        cr_assert(!mob_rundb_write(paths[i], &run, 1, &error));
        cr_assert_not_null(error);
        cr_assert_not_null(strstr(error->message, paths[i]), "%s", error->message);
        cr_assert_not_null(strstr(error->message, "cannot write"), "%s", error->message);
    }
    cr_assert(!g_file_test(part, G_FILE_TEST_EXISTS));
    g_rmdir(blocked);
    g_rmdir(folder);
}
