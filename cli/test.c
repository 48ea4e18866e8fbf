/* test.c: mobula test: which tests, with which seeds, and what came of them.
 *
 * Tests end in any order, because several processes run them; what is
 * reported does not depend on it: a test is told when all its seeds are in,
 * in the order of the files, and the seed that is blamed is the first one.
 */
#include "cli/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/folder.h"
#include "cli/host.h"
#include "cli/record.h"
#include "cli/report.h"
#include "cli/run.h"
#include "lua/program.h"
#include "lua/spec.h"

static const char last_test[] = "runs/.test";

enum {
    PROGRESS_US = 200 * 1000,
};

typedef struct {
    MobCli *cli;
    MobTestPlan plan;
    MobTestTally *tallies; /* one for each test */
    guint told;            /* so many tests have been reported */
    guint wanted;          /* no unit behind this one has to run */
    bool keep_going;
    bool watched;  /* by a person, at a terminal */
    bool showing;  /* a line of progress stands there */
    gint64 shown;  /* when, in microseconds */
    uint64_t runs; /* that have ended */
} Session;

/* --- which tests --- */

bool
mob_test_is_spec(const char *path, const char *text)
{
    return g_str_has_suffix(path, "_spec.lua") || g_str_has_prefix(text, "describe(") ||
           strstr(text, "\ndescribe(") != NULL;
}

static void
file_clear(void *data)
{
    MobTestFile *file = data;
    g_free(file->path);
    g_free(file->text);
    if (file->names != NULL)
        g_ptr_array_unref(file->names);
}

/* The names of the tests in @file; NULL after saying what is wrong with it. */
static GPtrArray *
list_spec(Session *session, const MobTestFile *file)
{
    g_autoptr(MobHost) host = mob_host_new(
        &(MobHostOptions){.term = session->cli->term, .file = file->path, .limit = MOB_TIME_NEVER});
    MobSpecOptions options = {.list = true};
    MobSpecResult spec = {0};
    GPtrArray *names = NULL;

    mob_spec_run(mob_host_scenario(host), file->path, file->text, &options, &spec);
    if (spec.outcome != MOB_OUTCOME_OK) {
        mob_term_complain(session->cli->term, "✗ %s",
                          spec.message != NULL ? spec.message : "the file cannot be run");
    } else {
        names = g_ptr_array_new_with_free_func(g_free);
        for (guint i = 0; i < spec.tests->len; i++) {
            const MobSpecTest *test = g_ptr_array_index(spec.tests, i);
            g_autofree char *name = g_strdup_printf("%s %s", test->number, test->name);
            if (test->pending)
                mob_term_say(session->cli->term, "· %s   pending", name);
            else
                g_ptr_array_add(names, g_steal_pointer(&name));
        }
    }
    mob_spec_result_clear(&spec);
    return names;
}

/* Adds the tests of @path; false after saying what is wrong with it. */
static bool
add_file(Session *session, const char *path)
{
    MobTestFile file = {.path = g_strdup(path)};
    file.text = mob_run_read(session->cli->term, path);
    if (file.text == NULL) {
        file_clear(&file);
        return false;
    }
    file.spec = mob_test_is_spec(path, file.text);
    file.names = file.spec ? list_spec(session, &file) : g_ptr_array_new_with_free_func(g_free);
    if (file.names == NULL) {
        file_clear(&file);
        return false;
    }
    if (!file.spec)
        g_ptr_array_add(file.names, mob_run_name(path));
    session->plan.tests += file.names->len;
    g_array_append_val(session->plan.files, file);
    return true;
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The files below @folder whose names end with @suffix, by name. */
static void
collect(const char *folder, const char *suffix, GPtrArray *into)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    const char *name;
    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL)
        if (*name != '.')
            g_ptr_array_add(names, g_build_filename(folder, name, NULL));
    g_ptr_array_sort(names, by_name);
    for (guint i = 0; i < names->len; i++) {
        const char *path = g_ptr_array_index(names, i);
        if (g_file_test(path, G_FILE_TEST_IS_DIR))
            collect(path, suffix, into);
        else if (g_str_has_suffix(path, suffix))
            g_ptr_array_add(into, g_strdup(path));
    }
}

/* A folder means its specs; one without specs, its scenarios. */
static bool
add_folder(Session *session, const char *folder)
{
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
    collect(folder, "_spec.lua", paths);
    bool specs = paths->len > 0;
    if (!specs)
        collect(folder, ".lua", paths);
    for (guint i = 0; i < paths->len; i++) {
        const char *path = g_ptr_array_index(paths, i);
        g_autofree char *text = specs ? NULL : mob_read_whole(path, NULL, NULL);
        if (text != NULL && mob_lua_is_program(text))
            continue; /* what a scenario beside it submits */
        if (!add_file(session, path))
            return false;
    }
    return true;
}

static void
say_none(MobCli *cli)
{
    g_autofree char *words = cli->word_count > 0 ? g_strjoinv(" ", cli->words) : g_strdup("spec");
    mob_term_complain(cli->term, "there is no test in %s", words);
    mob_term_complain(cli->term, "  a file NAME_spec.lua has them: it(\"adds\", function() … end)");
    mob_term_complain(cli->term, "next: mobula new test NAME");
}

static bool
add_words(Session *session)
{
    MobCli *cli = session->cli;
    char *fallback[] = {(char *)"spec", NULL};
    if (cli->word_count == 0 && !g_file_test("spec", G_FILE_TEST_IS_DIR)) {
        mob_term_complain(cli->term, "there is no folder spec/ here; which tests?");
        mob_term_complain(cli->term, "next: mobula test FILE   mobula new test NAME");
        return false;
    }
    for (char **word = cli->word_count > 0 ? cli->words : fallback; *word != NULL; word++) {
        bool folder = g_file_test(*word, G_FILE_TEST_IS_DIR);
        if (!(folder ? add_folder(session, *word) : add_file(session, *word)))
            return false;
    }
    if (session->plan.tests == 0)
        say_none(cli);
    return session->plan.tests > 0;
}

/* --- what came of them --- */

static MobTestTally *
tally_of(Session *session, guint number)
{
    return &session->tallies[number / session->plan.seeds];
}

static void
count_marks(MobTestTally *tally, const MobTestResult *result)
{
    for (guint i = 0; i < result->marks->len; i++) {
        const MobTestMark *mark = &g_array_index(result->marks, MobTestMark, i);
        MobTestSometimes *found = NULL;
        for (guint j = 0; j < tally->sometimes->len && found == NULL; j++) {
            MobTestSometimes *other = &g_array_index(tally->sometimes, MobTestSometimes, j);
            if (other->line == mark->line && strcmp(other->name, mark->name) == 0)
                found = other;
        }
        if (found == NULL) {
            MobTestSometimes fresh = {.name = g_strdup(mark->name), .line = mark->line};
            g_array_append_val(tally->sometimes, fresh);
            found = &g_array_index(tally->sometimes, MobTestSometimes, tally->sometimes->len - 1);
        }
        found->seen += mark->seen;
    }
}

/* Keeps the failure with the least seed. A fault that touched nothing fails a
 * test only if it never touched anything, with any seed. */
static void
count_result(Session *session, MobTestResult *result)
{
    MobTestTally *tally = tally_of(session, result->number);
    MobTestUnit unit = mob_test_plan_unit(&session->plan, result->number);
    tally->done++;
    tally->us += result->us;
    tally->events += result->events;
    count_marks(tally, result);
    if (result->outcome == MOB_OUTCOME_OK)
        return;
    bool vacuous = result->outcome == MOB_OUTCOME_VACUOUS;
    tally->vacuous += vacuous;
    tally->failed += !vacuous;
    bool graver = tally->worst.done && tally->worst.outcome == MOB_OUTCOME_VACUOUS && !vacuous;
    bool lesser = tally->worst.done && tally->worst.outcome != MOB_OUTCOME_VACUOUS && vacuous;
    if (lesser || (tally->worst.done && !graver && tally->seed <= unit.seed))
        return;
    mob_test_result_clear(&tally->worst);
    tally->worst = *result;
    tally->seed = unit.seed;
    *result = (MobTestResult){0};
}

/* What the test as a whole came to, once its seeds are in. */
static void
judge(Session *session, MobTestTally *tally)
{
    tally->outcome = MOB_OUTCOME_OK;
    if (tally->failed > 0)
        tally->outcome = tally->worst.outcome;
    else if (tally->vacuous == session->plan.seeds)
        tally->outcome = MOB_OUTCOME_VACUOUS;
    for (guint i = 0; i < tally->sometimes->len && tally->outcome == MOB_OUTCOME_OK; i++)
        if (g_array_index(tally->sometimes, MobTestSometimes, i).seen == 0)
            tally->outcome = MOB_OUTCOME_VACUOUS;
}

/* How far it is, on a line that is written over. */
static void
show_progress(Session *session)
{
    gint64 now = g_get_monotonic_time();
    if (!session->watched || now - session->shown < PROGRESS_US)
        return;
    session->shown = now;
    session->showing = true;
    fprintf(stderr, "\r%" G_GUINT64_FORMAT " of %u runs", session->runs,
            mob_test_plan_units(&session->plan));
}

static void
hide_progress(Session *session)
{
    if (session->showing)
        fputs("\r\033[K", stderr);
    session->showing = false;
}

/* Tells of the tests whose seeds are all in, in their order. */
static void
tell(Session *session)
{
    while (session->told < session->plan.tests) {
        MobTestTally *tally = &session->tallies[session->told];
        bool cut = tally->failed > 0 && !session->keep_going &&
                   session->wanted / session->plan.seeds == session->told &&
                   tally->done > session->wanted % session->plan.seeds;
        if (tally->done < session->plan.seeds && !cut)
            return;
        if (session->wanted / session->plan.seeds < session->told)
            return; /* behind a test that failed: not wanted */
        judge(session, tally);
        tally->told = true;
        hide_progress(session);
        mob_report_test(session->cli->term, &session->plan, tally);
        session->told++;
    }
}

static guint
on_result(void *data, MobTestResult *result)
{
    Session *session = data;
    guint number = result->number;
    bool failed = result->outcome != MOB_OUTCOME_OK && result->outcome != MOB_OUTCOME_VACUOUS;
    session->runs++;
    count_result(session, result);
    if (failed && !session->keep_going)
        session->wanted = MIN(session->wanted, number);
    tell(session);
    show_progress(session);
    return session->wanted;
}

/* --- the verb --- */

/* So that replay knows what a seed is a seed of. */
static void
remember(Session *session)
{
    const MobTestTally *blamed = NULL;
    for (guint i = 0; i < session->plan.tests && blamed == NULL; i++)
        if (session->tallies[i].told && session->tallies[i].outcome != MOB_OUTCOME_OK)
            blamed = &session->tallies[i];
    const MobTestTally *tally = blamed != NULL ? blamed : &session->tallies[0];
    MobRunRecord record = {
        .file = tally->file->path,
        .test = tally->file->spec ? (char *)tally->name : NULL,
        .seed = tally->seed,
        .hash = blamed != NULL ? tally->worst.hash : 0,
        .outcome = (char *)mob_outcome_name(tally->outcome),
        .limit = session->cli->flags.limit_text,
    };
    g_autofree char *text = mob_run_record_text(&record);
    if (g_mkdir_with_parents("runs", 0777) == 0)
        mob_write_whole(last_test, text, -1, NULL); /* without it, replay asks for a file */
}

static void
make_tallies(Session *session)
{
    session->tallies = g_new0(MobTestTally, session->plan.tests);
    guint number = 0;
    for (guint i = 0; i < session->plan.files->len; i++) {
        const MobTestFile *file = &g_array_index(session->plan.files, MobTestFile, i);
        for (guint j = 0; j < file->names->len; j++, number++) {
            session->tallies[number].file = file;
            session->tallies[number].name = g_ptr_array_index(file->names, j);
            session->tallies[number].sometimes = g_array_new(FALSE, TRUE, sizeof(MobTestSometimes));
        }
    }
}

static void
session_clear(Session *session)
{
    for (guint i = 0; session->tallies != NULL && i < session->plan.tests; i++) {
        MobTestTally *tally = &session->tallies[i];
        for (guint j = 0; j < tally->sometimes->len; j++)
            g_free(g_array_index(tally->sometimes, MobTestSometimes, j).name);
        g_array_unref(tally->sometimes);
        mob_test_result_clear(&tally->worst);
    }
    g_free(session->tallies);
    g_array_unref(session->plan.files);
}

static MobExit
run_tests(Session *session)
{
    MobCli *cli = session->cli;
    int jobs = cli->flags.jobs > 0 ? cli->flags.jobs : (int)g_get_num_processors();
    guint crashed = 0;
    int how = 0;

    make_tallies(session);
    session->wanted = mob_test_plan_units(&session->plan);
    gint64 begin = g_get_monotonic_time();
    session->shown = begin;
    session->watched = isatty(STDERR_FILENO) && !cli->term->quiet;
    bool whole = mob_test_run_all(&session->plan, jobs, on_result, session, &crashed, &how);
    hide_progress(session);
    if (!whole) {
        MobTestUnit unit = mob_test_plan_unit(&session->plan, crashed);
        const MobTestFile *file = &g_array_index(session->plan.files, MobTestFile, unit.file);
        bool hangs = WIFEXITED(how) && WEXITSTATUS(how) == MOB_EXIT_HANG; /* the watchdog */
        mob_term_complain(cli->term, "✗ %s %s, \"%s\", seed %" G_GUINT64_FORMAT,
                          hangs ? "that was in" : "Mobula itself crashed in", file->path,
                          (char *)g_ptr_array_index(file->names, unit.test), unit.seed);
        return hangs ? MOB_EXIT_HANG : MOB_EXIT_BUG;
    }
    remember(session);
    MobReport report = {
        .plan = &session->plan,
        .tallies = session->tallies,
        .us = g_get_monotonic_time() - begin,
    };
    if (cli->flags.tap)
        mob_report_tap(&report);
    g_autoptr(GError) error = NULL;
    if (cli->flags.junit != NULL && !mob_report_junit(&report, cli->flags.junit, &error)) {
        mob_term_complain(cli->term, "%s", error->message);
        return MOB_EXIT_USAGE;
    }
    return mob_report_total(cli->term, &report);
}

MobExit
mob_cli_test(MobCli *cli)
{
    Session session = {
        .cli = cli,
        .plan =
            {
                .files = g_array_new(FALSE, TRUE, sizeof(MobTestFile)),
                .first_seed = cli->flags.seed,
                .seeds = cli->flags.seeds > 0 ? cli->flags.seeds : 1,
                .limit = cli->flags.limit,
                .check = !cli->flags.no_check,
                .term = cli->term,
            },
        .keep_going = cli->flags.keep_going,
    };
    MobExit code = MOB_EXIT_USAGE;
    cli->term->quiet = cli->flags.quiet;
    g_array_set_clear_func(session.plan.files, file_clear);
    if (session.plan.seeds > 100 * 1000 * 1000)
        mob_term_complain(cli->term, "--seeds: at most 100 million");
    else if (add_words(&session))
        code = run_tests(&session);
    session_clear(&session);
    return code;
}

/* --- replay --- */

MobExit
mob_test_replay(MobCli *cli, uint64_t seed)
{
    g_autoptr(GError) error = NULL;
    MobRunRecord record;
    if (!mob_run_record_read(last_test, &record, &error)) {
        mob_term_complain(
            cli->term,
            "there is no last test here, so %" G_GUINT64_FORMAT " is the seed of nothing", seed);
        mob_term_complain(cli->term, "next: mobula test   mobula replay RUN-FOLDER");
        mob_run_record_clear(&record);
        return MOB_EXIT_USAGE;
    }
    MobRunJob job = {
        .file = record.file,
        .test = record.test,
        .words = NULL,
        .seed = seed,
        .limit_text = record.limit,
        .limit = MOB_TIME_NEVER,
    };
    if (record.limit != NULL)
        mob_parse_time(record.limit, &job.limit);
    uint64_t hash = 0;
    MobExit code = mob_run_file(cli, &job, &hash);
    if (hash != 0 && seed == record.seed && record.hash != 0) {
        bool same = hash == record.hash;
        mob_term_say(cli->term,
                     same ? "✓ the same trace as in the test" : "✗ another trace than in the test");
        code = same ? code : MOB_EXIT_DIFFERS;
    }
    mob_run_record_clear(&record);
    return code;
}
