/* report.c: see report.h. */
#include "cli/report.h"

#include <stdio.h>
#include <string.h>

#include "cli/folder.h"

/* Why the test failed, in several lines: the seed's message, or what no seed
 * has ever seen; (transfer full). */
static char *
explain(const MobTestPlan *plan, const MobTestTally *tally)
{
    g_autoptr(GString) text = g_string_new(NULL);
    if (tally->failed > 0 || tally->vacuous == plan->seeds)
        g_string_append(text, tally->worst.message != NULL ? tally->worst.message : "failed");
    for (guint i = 0; tally->failed == 0 && i < tally->sometimes->len; i++) {
        const MobTestSometimes *claim = &g_array_index(tally->sometimes, MobTestSometimes, i);
        if (claim->seen == 0)
            g_string_append_printf(text, "%s%s:%u: sometimes \"%s\" was never seen",
                                   text->len > 0 ? "\n" : "", tally->file->path, claim->line,
                                   claim->name);
    }
    return g_strdup(g_strchomp(text->str));
}

static void
say_indented(MobTerm *term, const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line != NULL; line++)
        if (**line != '\0')
            mob_term_complain(term, "     %s", *line);
}

/* For the lines of a pull request. */
static void
annotate(const MobTestTally *tally, const char *why)
{
    if (g_getenv("GITHUB_ACTIONS") == NULL)
        return;
    g_autofree char *first = g_strndup(why, strcspn(why, "\n"));
    fprintf(stderr, "::error file=%s,line=%u::%s: seed %" G_GUINT64_FORMAT " (%s)\n",
            tally->file->path, tally->worst.line, tally->name, tally->seed, first);
}

void
mob_report_test(MobTerm *term, const MobTestPlan *plan, const MobTestTally *tally)
{
    g_autoptr(GString) line = g_string_new(NULL);
    bool ok = tally->outcome == MOB_OUTCOME_OK;

    mob_term_pad(line, tally->name, 44, 2);
    g_string_append(line, ok ? "✓ " : "✗ ");
    if (plan->seeds > 1)
        g_string_append_printf(line, "%" G_GUINT64_FORMAT " seeds  ", tally->done);
    g_string_append_printf(line, "%6d ms", (int)((tally->us + 500) / 1000));
    if (!ok && tally->worst.done)
        g_string_append_printf(line, "   seed %" G_GUINT64_FORMAT, tally->seed);
    if (ok)
        mob_term_say(term, "%s", line->str);
    else
        mob_term_complain(term, "%s", line->str);
    for (guint i = 0; plan->seeds > 1 && i < tally->sometimes->len; i++) {
        const MobTestSometimes *claim = &g_array_index(tally->sometimes, MobTestSometimes, i);
        mob_term_say(term,
                     "     sometimes \"%s\"   seen in %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
                     " seeds",
                     claim->name, claim->seen, tally->done);
    }
    if (ok)
        return;
    g_autofree char *why = explain(plan, tally);
    say_indented(term, why);
    if (tally->worst.settings != NULL && tally->worst.done)
        say_indented(term, tally->worst.settings);
    annotate(tally, why);
}

MobExit
mob_report_total(MobTerm *term, const MobReport *report)
{
    guint passed = 0;
    guint failed = 0;
    uint64_t runs = 0;
    MobExit code = MOB_EXIT_OK;
    const MobTestTally *blamed = NULL;
    g_autoptr(GString) line = g_string_new(NULL);

    for (guint i = 0; i < report->plan->tests; i++) {
        const MobTestTally *tally = &report->tallies[i];
        runs += tally->done;
        if (!tally->told)
            continue;
        passed += tally->outcome == MOB_OUTCOME_OK;
        failed += tally->outcome != MOB_OUTCOME_OK;
        if (tally->outcome == MOB_OUTCOME_OK || blamed != NULL)
            continue;
        blamed = tally;
        code = (MobExit)tally->outcome;
    }
    guint untold = report->plan->tests - passed - failed;
    g_string_printf(line, "%u of %u passed", passed, report->plan->tests);
    if (failed > 0)
        g_string_append_printf(line, ", %u failed", failed);
    if (untold > 0)
        g_string_append_printf(line, ", %u not run (--keep-going)", untold);
    if (report->plan->seeds > 1)
        g_string_append_printf(line, "   %" G_GUINT64_FORMAT " runs", runs);
    g_string_append(line, "   in ");
    mob_term_duration(line, (MobTime)report->us * MOB_US);
    mob_term_complain(term, "%s", line->str);
    if (blamed != NULL)
        mob_term_complain(term, "next: mobula replay %" G_GUINT64_FORMAT, blamed->seed);
    return code;
}

void
mob_report_tap(const MobReport *report)
{
    printf("TAP version 13\n1..%u\n", report->plan->tests);
    for (guint i = 0; i < report->plan->tests; i++) {
        const MobTestTally *tally = &report->tallies[i];
        g_autofree char *name = g_strdup(tally->name);
        g_strdelimit(name, "#\n", ' ');
        bool ok = tally->told && tally->outcome == MOB_OUTCOME_OK;
        printf("%s %u - %s: %s%s\n", ok || !tally->told ? "ok" : "not ok", i + 1, tally->file->path,
               name, tally->told ? "" : " # SKIP not run");
        if (ok || !tally->told)
            continue;
        g_autofree char *why = explain(report->plan, tally);
        g_auto(GStrv) lines = g_strsplit(why, "\n", -1);
        printf("# seed %" G_GUINT64_FORMAT "\n", tally->seed);
        for (char **line = lines; *line != NULL; line++)
            printf("# %s\n", *line);
    }
}

static void
append_case(GString *xml, const MobTestPlan *plan, const MobTestTally *tally)
{
    g_autofree char *file = g_markup_escape_text(tally->file->path, -1);
    g_autofree char *name = g_markup_escape_text(tally->name, -1);
    g_string_append_printf(xml, "  <testcase classname=\"%s\" name=\"%s\" time=\"%d.%03d\"", file,
                           name, (int)(tally->us / G_USEC_PER_SEC),
                           (int)(tally->us % G_USEC_PER_SEC / 1000));
    if (!tally->told) {
        g_string_append(xml, "><skipped/></testcase>\n");
    } else if (tally->outcome == MOB_OUTCOME_OK) {
        g_string_append(xml, "/>\n");
    } else {
        g_autofree char *why = explain(plan, tally);
        g_autofree char *valid = g_utf8_make_valid(why, -1);
        g_autofree char *text = g_markup_escape_text(valid, -1);
        g_string_append_printf(
            xml, "><failure message=\"seed %" G_GUINT64_FORMAT ": %s\">%s</failure></testcase>\n",
            tally->seed, mob_outcome_name(tally->outcome), text);
    }
}

bool
mob_report_junit(const MobReport *report, const char *path, GError **error)
{
    g_autoptr(GString) cases = g_string_new(NULL);
    guint failed = 0;
    guint skipped = 0;
    for (guint i = 0; i < report->plan->tests; i++) {
        const MobTestTally *tally = &report->tallies[i];
        failed += tally->told && tally->outcome != MOB_OUTCOME_OK;
        skipped += !tally->told;
        append_case(cases, report->plan, tally);
    }
    g_autofree char *xml = g_strdup_printf(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<testsuite name=\"mobula\" tests=\"%u\" failures=\"%u\" skipped=\"%u\">\n%s</testsuite>\n",
        report->plan->tests, failed, skipped, cases->str);
    return mob_write_whole(path, xml, -1, error);
}
