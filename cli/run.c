/* run.c: mobula run: one scenario or program, its story, and its run folder. */
#include "cli/run.h"

#include <errno.h>
#include <string.h>

#include "cli/folder.h"
#include "cli/host.h"
#include "cli/program.h"
#include "cli/record.h"
#include "cli/summary.h"
#include "cli/test.h"
#include "cli/up.h"
#include "lua/program.h"
#include "lua/run.h"
#include "sim/world.h"
#include "viz/lineage.h"
#include "viz/rundb.h"

typedef struct {
    MobCli *cli;
    const MobRunJob *job;
    char *text;            /* of the file; NULL: a shared object */
    bool keep;             /* a run folder is wanted */
    bool drawn;            /* its lineage */
    MobClusterInfo *there; /* owned; the cluster that it runs on; NULL: one of its own */
    MobFolder folder;
    GString *story;
} Run;

/* --- what is left behind --- */

/* (transfer full) the claims of the cluster at @index, with their places; the
 * texts belong to the result and to @places. */
static GArray *
claims_of(const Run *run, const MobSummary *summary, guint index, GStringChunk *places)
{
    GArray *claims = g_array_new(FALSE, FALSE, sizeof(MobRunClaim));
    g_autofree char *file = g_path_get_basename(run->job->file);

    if (index >= summary->result->clusters->len)
        return claims; /* a program, which claims nothing */
    const MobClusterResult *cluster = g_ptr_array_index(summary->result->clusters, index);
    for (guint i = 0; i < cluster->claims->len; i++) {
        const MobClaimResult *from = g_ptr_array_index(cluster->claims, i);
        g_autofree char *at = g_strdup_printf("%s:%u", file, from->line);
        MobRunClaim claim = {
            .name = from->name,
            .kind = from->kind,
            .at = g_string_chunk_insert(places, at),
            .passes = from->passes,
            .fails = from->fails,
            .first_pass = from->first_pass,
            .first_fail = from->first_fail,
        };
        g_array_append_val(claims, claim);
    }
    return claims;
}

/* One row for each cluster of the file. */
static bool
write_database(const Run *run, const MobSummary *summary, GError **error)
{
    guint count = mob_host_count(summary->host);
    g_autofree MobRun *rows = g_new0(MobRun, MAX(count, 1));
    g_autoptr(GPtrArray) claims = g_ptr_array_new_with_free_func((GDestroyNotify)g_array_unref);
    g_autoptr(GStringChunk) places = g_string_chunk_new(1024);
    g_autofree char *file = g_path_get_basename(run->job->file);
    g_autofree char *name = mob_run_name(run->job->file);
    g_autofree char *path = mob_folder_file(&run->folder, "run.db");
    g_autofree char *sha =
        g_compute_checksum_for_string(G_CHECKSUM_SHA256, run->text != NULL ? run->text : "", -1);

    for (guint i = 0; i < count; i++) {
        const MobHostCluster *cluster = mob_host_cluster(summary->host, i);
        GArray *own = claims_of(run, summary, i, places);
        g_ptr_array_add(claims, own);
        rows[i].state = cluster->state;
        rows[i].trace = cluster->trace;
        rows[i].info = (MobRunInfo){
            .scenario = name,
            .file = file,
            .script_sha = sha,
            .seed = cluster->seed,
            .backend = "sim",
            .verdict = mob_outcome_name(summary->result->outcome),
            .hash = cluster->hash,
            .events = cluster->events,
            .end = cluster->now,
            .bites = (const uint64_t *)(const void *)cluster->bites->data,
            .bites_count = cluster->bites->len,
            .claims = (const MobRunClaim *)(const void *)own->data,
            .claim_count = own->len,
            .checkpoints = &g_array_index(cluster->checkpoints, uint64_t, 0),
            .checkpoint_count = cluster->checkpoints->len,
            .checkpoint_events = MOB_CHECKPOINT_EVENTS,
        };
    }
    return mob_rundb_write(path, rows, count, error);
}

static bool
write_record(const Run *run, const MobSummary *summary, GError **error)
{
    MobRunRecord record = {
        .file = (char *)run->job->file,
        .words = run->job->words,
        .test = (char *)run->job->test,
        .seed = run->job->seed,
        .hash = mob_host_hash(summary->host),
        .outcome = (char *)mob_outcome_name(summary->result->outcome),
        .limit = (char *)run->job->limit_text,
    };
    g_autofree char *text = mob_run_record_text(&record);
    return mob_folder_write(&run->folder, "run.ini", text, -1, error);
}

/* The picture of the file's last cluster. */
static bool
write_lineage(Run *run, const MobSummary *summary, GError **error)
{
    guint count = mob_host_count(summary->host);
    const MobHostCluster *cluster = mob_host_cluster(summary->host, count - 1);
    g_autoptr(GString) svg = g_string_new(NULL);
    g_autofree char *name = mob_run_name(run->job->file);
    run->drawn = mob_lineage_of_state(cluster->state, name, cluster->seed, svg);
    if (!run->drawn)
        return true; /* no task and no object: nothing to draw */
    return mob_folder_write(&run->folder, "lineage.svg", svg->str, (gssize)svg->len, error);
}

static bool
write_folder(Run *run, const MobSummary *summary, GError **error)
{
    return write_database(run, summary, error) && write_record(run, summary, error) &&
           write_lineage(run, summary, error) &&
           mob_folder_write(&run->folder, "story.txt", run->story->str, (gssize)run->story->len,
                            error) &&
           mob_folder_finish(&run->folder, error);
}

/* Returns the exit code, which is another if the folder could not be written. */
static MobExit
leave_folder(Run *run, const MobSummary *summary, MobExit code)
{
    MobTerm *term = run->cli->term;
    g_autoptr(GError) error = NULL;

    if (mob_host_count(summary->host) == 0 || code == MOB_EXIT_USAGE)
        return code; /* the file itself is wrong */
    if (!mob_folder_begin(&run->folder, run->job->file, run->job->seed, &error) ||
        !write_folder(run, summary, &error)) {
        mob_term_complain(term, "✗ the run folder could not be written: %s", error->message);
        mob_term_complain(term, "  make room or go elsewhere; -q runs without a run folder");
        return MOB_EXIT_USAGE;
    }
    term->kept = NULL;
    if (run->drawn)
        mob_term_say(term, "%s/lineage.svg   next: mobula export lineage --frames -o frames/",
                     run->folder.place);
    else
        mob_term_say(term, "%s/run.db   next: mobula replay", run->folder.place);
    return code;
}

/* --- the run --- */

static void
run_text(Run *run, MobHost *host, MobScenarioResult *result)
{
    const MobRunJob *job = run->job;
    if (job->test != NULL)
        mob_test_run_spec(mob_host_scenario(host), job->file, run->text, job->test, result);
    else if (run->text == NULL || mob_lua_is_program(run->text))
        mob_program_run(host, job->file, job->words, job->limit, result);
    else
        mob_scenario_run(mob_host_scenario(host), job->file, run->text, result);
}

static bool
connect_there(void *data, MobStream *stream, GError **error)
{
    const Run *run = data;

    return mob_client_connect(run->cli, run->there, stream, error);
}

static MobExit
perform(Run *run, uint64_t *hash)
{
    MobCli *cli = run->cli;
    const MobFlags *flags = &cli->flags;
    bool real = flags->on != NULL && strcmp(flags->on, "sim") != 0;
    bool local = mob_is_local(flags->on);
    g_autoptr(MobHost) host = mob_host_new(&(MobHostOptions){
        .term = cli->term,
        .file = run->job->file,
        .story = !flags->quiet,
        .plain = flags->plain,
        .json = flags->json,
        .state = run->keep || flags->json || !flags->no_check || !real, /* else nobody asks */
        .trace = run->keep,
        .check = !flags->no_check,
        .oracle = !flags->no_check,
        .encode = g_getenv("MOBULA_ENCODE") != NULL,
        .verbose = flags->verbose,
        .seed = run->job->seed,
        .limit = run->job->limit,
        .local = real,
        .connect = run->there != NULL ? connect_there : NULL,
        .connect_data = run,
        .wire = local && flags->on[strlen("local")] == '+' ? flags->on + strlen("local+") : NULL,
        .pace = (uint32_t)flags->pace,
        .print_from = flags->events_from,
        .print_to = flags->events_to,
    });
    MobScenarioResult result;
    mob_scenario_result_init(&result);
    gint64 begin = g_get_monotonic_time();
    run_text(run, host, &result);
    MobSummary summary = {
        .file = run->job->file,
        .seed = run->job->seed,
        .host = host,
        .result = &result,
        .wall_us = g_get_monotonic_time() - begin,
        .real = real,
    };
    MobExit code = (MobExit)result.outcome;
    mob_summary_say(cli->term, &summary);
    if (run->keep)
        code = leave_folder(run, &summary, code);
    if (flags->json)
        mob_summary_json(&summary, flags->verbose > 0);
    if (hash != NULL)
        *hash = mob_host_hash(host);
    mob_scenario_result_clear(&result);
    return code;
}

char *
mob_run_read(MobTerm *term, const char *file)
{
    g_autoptr(GError) error = NULL;
    size_t length = 0;
    g_autofree char *text = mob_read_whole(file, &length, &error);
    if (text == NULL && g_file_test(file, G_FILE_TEST_IS_DIR)) {
        mob_term_complain(
            term, "%s is a folder, and a file is wanted; mobula test %s runs all that is in it",
            file, file);
        return NULL;
    }
    if (text == NULL) {
        mob_term_complain(term, "%s", error->message);
        return NULL;
    }
    if (strlen(text) != length || !g_utf8_validate(text, (gssize)length, NULL)) {
        mob_term_complain(term, "%s is no text, so it is no scenario and no program", file);
        return NULL;
    }
    return g_steal_pointer(&text);
}

/* The cluster that --on names, unless one is to be made; false after saying what is wrong. */
static bool
find_there(Run *run)
{
    const char *on = run->cli->flags.on;

    if (on == NULL || strcmp(on, "sim") == 0 || mob_is_local(on))
        return true;
    run->there = mob_clusters_find(run->cli->term, on);
    if (run->there == NULL)
        mob_term_complain(run->cli->term,
                          "--on %s: it is sim, local (real processes for this run; local+tcp, "
                          "local+tls: that talk as machines do), or a cluster that is there, by "
                          "its name or HOST:PORT",
                          on);
    return run->there != NULL;
}

MobExit
mob_run_file(MobCli *cli, const MobRunJob *job, uint64_t *hash)
{
    Run run = {.cli = cli, .job = job, .keep = !cli->flags.quiet || cli->flags.trace};
    g_autoptr(GError) error = NULL;
    MobExit code = MOB_EXIT_USAGE;

    if (!g_str_has_suffix(job->file, ".so")) {
        run.text = mob_run_read(cli->term, job->file);
        if (run.text == NULL)
            return MOB_EXIT_USAGE;
    }
    if (job->test == NULL && run.text != NULL && mob_test_is_spec(job->file, run.text)) {
        mob_term_complain(cli->term, "%s holds tests", job->file);
        mob_term_complain(cli->term, "next: mobula test %s", job->file);
        g_free(run.text);
        return MOB_EXIT_USAGE;
    }
    if (!find_there(&run)) {
        g_free(run.text);
        return MOB_EXIT_USAGE;
    }
    if (run.keep && !mob_folder_begin(&run.folder, job->file, job->seed, &error)) {
        mob_term_complain(cli->term, "%s", error->message);
        mob_term_complain(cli->term, "  -q runs without a run folder");
    } else {
        /* That was only to see whether it can be: a run that is interrupted leaves nothing. */
        mob_folder_clear(&run.folder);
        run.story = g_string_new(NULL);
        cli->term->quiet = cli->flags.quiet;
        cli->term->kept = run.keep ? run.story : NULL;
        code = perform(&run, hash);
        cli->term->kept = NULL;
        g_string_free(run.story, TRUE);
        mob_folder_clear(&run.folder);
    }
    mob_cluster_info_free(run.there);
    g_free(run.text);
    return code;
}

MobExit
mob_cli_run(MobCli *cli)
{
    if (cli->word_count != 1) {
        mob_term_complain(cli->term, cli->word_count == 0
                                         ? "which file? mobula run FILE"
                                         : "one file, please; words for the program follow \"--\"");
        return MOB_EXIT_USAGE;
    }
    MobRunJob job = {
        .file = cli->words[0],
        .words = cli->program_words,
        .seed = cli->flags.seed,
        .limit_text = cli->flags.limit_text,
        .limit = cli->flags.limit,
    };
    return mob_run_file(cli, &job, NULL);
}
