/* client.c: verbs that ask a cluster that runs, or a run folder in its place. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/clusters.h"
#include "cli/folder.h"
#include "cli/keys.h"
#include "cli/memory.h"
#include "cli/program.h"
#include "cli/rows_run.h"
#include "cli/run.h"
#include "cli/tell.h"
#include "cli/up.h"
#include "lua/program.h"
#include "net/far.h"

enum {
    STOP_PATIENCE_MS = 5000, /* for a cluster to end by itself */
    STOP_LOOK_MS = 5,
};

/* --- what is told --- */

static void
told(void *data, MobTellKind kind, const char *text, size_t length)
{
    MobTerm *term = data;
    g_autofree char *owned = g_strndup(text, length);

    if (kind == MOB_TELL_OUT) {
        fwrite(text, 1, length, stdout);
        fflush(stdout);
    } else if (kind == MOB_TELL_TABLE) {
        g_autofree char *shown = mob_term_render(&(MobTerm){.ascii = term->ascii}, owned);
        fputs(shown, stdout);
        fflush(stdout);
    } else {
        mob_term_say(term, "%s", owned);
    }
}

/* --- what is asked --- */

static MobStr *
lines_of(char **words)
{
    g_autofree char *text = g_strjoinv("\n", words != NULL ? words : (char *[]){NULL});

    return mob_str_new(text);
}

static MobAsk *
make_ask(const MobCli *cli)
{
    MobAsk *ask = g_new0(MobAsk, 1);
    const MobFlags *flags = &cli->flags;

    ask->refs_held = 1;
    ask->verb = mob_str_new(cli->verb);
    ask->words =
        strcmp(cli->verb, "memory") == 0 ? mob_str_new(flags->group_by) : lines_of(cli->words);
    ask->filters = lines_of(flags->filters);
    ask->limit = flags->rows;
    ask->detail = flags->detail;
    ask->json = flags->json;
    ask->plain = flags->plain;
    ask->follow = flags->follow;
    return ask;
}

/* To a cluster whose head is on another machine. */
static bool
connect_far(const MobCli *cli, const MobClusterInfo *info, MobStream *stream, GError **error)
{
    g_autofree char *token = mob_keys_token(cli);
    g_autofree char *certs = mob_keys_certs_path(&cli->flags);
    g_autofree char *host = NULL;
    MobFarHead far = {.token = token, .certs = certs, .ca = mob_keys_has_ca(certs)};

    if (token == NULL) {
        g_set_error(error, MOB_CLUSTERS_ERROR, 0, "without the token nobody asks %s", info->head);
        return false;
    }
    if (!mob_start_read_address(info->head, &host, &far.port)) {
        g_set_error(error, MOB_CLUSTERS_ERROR, 0, "%s: HOST:PORT of the head is expected",
                    info->head);
        return false;
    }
    far.host = host;
    return mob_far_call(&far, stream, error);
}

bool
mob_client_connect(const MobCli *cli, const MobClusterInfo *info, MobStream *stream, GError **error)
{
    return info->head != NULL ? connect_far(cli, info, stream, error)
                              : mob_ask_connect(info->socket, stream, error);
}

/* The log of a process of this machine, of a cluster whose head is elsewhere; false if
 * that was not asked for. */
static bool
tell_own_log(const MobCli *cli, const MobClusterInfo *info)
{
    g_autofree char *text = NULL;
    size_t length;

    if (info->logs == NULL || strcmp(cli->verb, "logs") != 0 || cli->word_count != 1)
        return false;
    g_autofree char *file = g_strdelimit(g_strdup_printf("%s.log", cli->words[0]), "/", '-');
    g_autofree char *path = g_build_filename(info->logs, file, NULL);
    if (!g_file_get_contents(path, &text, &length, NULL))
        return false;
    fwrite(text, 1, length, stdout);
    return true;
}

static MobExit
send_ask(const MobCli *cli, const MobClusterInfo *info, const MobAsk *ask)
{
    g_autoptr(GError) error = NULL;
    MobStream stream;

    if (tell_own_log(cli, info))
        return MOB_EXIT_OK;
    int code = mob_client_connect(cli, info, &stream, &error)
                   ? mob_ask_over(&stream, MOBULA_VERSION, ask, told, cli->term, &error)
                   : -1;
    if (code >= 0)
        return (MobExit)code;
    mob_term_complain(cli->term, "%s: %s", info->name, error->message);
    return MOB_EXIT_FAILED;
}

/* Sends @ask (transfer full) to the cluster that is meant. */
static MobExit
ask_cluster(const MobCli *cli, MobAsk *ask)
{
    static const char *const of_runs_too[] = {"list", "get", "memory", "summary", NULL};
    MobClusterInfo *info = mob_clusters_find(cli->term, cli->flags.address);
    MobExit code = info != NULL ? send_ask(cli, info, ask) : MOB_EXIT_USAGE;

    if (info == NULL && g_strv_contains(of_runs_too, cli->verb))
        mob_term_complain(cli->term, "of a run: mobula %s --run runs/NAME/SEED", cli->verb);

    mob_record_free(MOB_RECORD_ask, ask);
    mob_cluster_info_free(info);
    return code;
}

/* --- a run folder --- */

static MobRows *
rows_of_run(void *data, const MobNoun *noun, GError **error)
{
    return mob_run_rows(data, noun, error);
}

static MobExit
tell_run(const MobCli *cli, const char *folder)
{
    const MobFlags *flags = &cli->flags;
    MobRunSource run = {folder, flags->at};
    MobRowSource source = {flags->at != NULL, rows_of_run, &run};
    MobSink sink = {
        .tell = told,
        .data = cli->term,
        .json = flags->json,
        .plain = flags->plain,
        .detail = flags->detail,
        .limit = flags->rows,
    };
    g_autofree char *filters = flags->filters != NULL ? g_strjoinv("\n", flags->filters) : NULL;

    if (strcmp(cli->verb, "memory") == 0)
        return (MobExit)mob_tell_memory(&source, flags->group_by, filters, &sink);
    if (strcmp(cli->verb, "list") == 0)
        return (MobExit)mob_tell_list(&source, cli->words, filters, &sink);
    if (strcmp(cli->verb, "get") == 0)
        return (MobExit)mob_tell_get(&source, cli->words, &sink);
    return (MobExit)mob_tell_summary(&source, cli->words, &sink);
}

/* A moment is one of a run: of the newest, unless one is named. */
static MobExit
ask_run(const MobCli *cli)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *folder =
        cli->flags.run != NULL ? mob_folder_named(cli->flags.run) : mob_folder_newest(&error);

    if (folder != NULL)
        return tell_run(cli, folder);
    mob_term_complain(cli->term, "%s", error->message);
    return MOB_EXIT_USAGE;
}

static bool
check_words(const MobCli *cli)
{
    const MobFlags *flags = &cli->flags;

    if (flags->address != NULL && (flags->run != NULL || flags->at != NULL)) {
        mob_term_complain(cli->term,
                          "--address is a cluster that runs, as it is now; --run and --at are "
                          "about runs that are over");
        return false;
    }
    if (strcmp(cli->verb, "memory") != 0 || cli->word_count == 0)
        return true;
    mob_term_complain(cli->term,
                      "memory takes no words; mobula memory -f object=%s, or mobula "
                      "get objects %s",
                      cli->words[0], cli->words[0]);
    return false;
}

MobExit
mob_cli_ask(MobCli *cli)
{
    if (!check_words(cli))
        return MOB_EXIT_USAGE;
    if (cli->flags.run != NULL || cli->flags.at != NULL)
        return ask_run(cli);
    return ask_cluster(cli, make_ask(cli));
}

/* --- jobs --- */

static char *
read_beside(void *data, const char *path, size_t *length, GError **error)
{
    g_autofree char *found = mob_loaders_find(data, path);

    return mob_read_whole(found, length, error);
}

/* Fills in the program; false after saying what is wrong with it. */
static bool
add_program(const MobCli *cli, const char *file, MobAsk *ask)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *place = g_canonicalize_filename(file, NULL);
    g_autofree char *folder = g_path_get_dirname(place);
    g_autofree char *where = g_get_current_dir();
    g_autofree char *name = g_path_get_basename(file);
    MobLuaReader reader = {.read = read_beside, .data = folder};
    MobLoaders loaders;
    MobJob job = {.name = name};

    mob_loaders_init(&loaders, folder);
    bool ok = mob_program_load(place, &reader, &loaders, &job, &error);
    mob_loaders_clear(&loaders);
    if (!ok)
        mob_term_complain(cli->term, "%s", error->message);
    ask->name = mob_str_new(name);
    ask->bundle = job.bundle;
    ask->bundle_id = job.bundle_id;
    ask->args = mob_program_args(cli->program_words + 1);
    ask->beside = mob_str_new(folder);
    ask->where = mob_str_new(where);
    return ok;
}

static bool
is_program(const MobCli *cli, const char *file)
{
    if (g_str_has_suffix(file, ".so"))
        return true;
    g_autofree char *text = mob_run_read(cli->term, file);
    if (text == NULL)
        return false;
    if (mob_lua_is_program(text))
        return true;
    mob_term_complain(cli->term, "%s is no program: it sets no main", file);
    mob_term_complain(cli->term, "next: mobula new program NAME");
    return false;
}

static MobExit
submit(MobCli *cli)
{
    const char *file = cli->program_words[0];

    if (cli->word_count > 1 || file == NULL) {
        mob_term_complain(cli->term, "the program follows \"--\": mobula job submit --follow -- "
                                     "wordcount.lua a.txt b.txt");
        return MOB_EXIT_USAGE;
    }
    MobAsk *ask = make_ask(cli);
    if (is_program(cli, file) && add_program(cli, file, ask))
        return ask_cluster(cli, ask);
    mob_record_free(MOB_RECORD_ask, ask);
    return MOB_EXIT_USAGE;
}

MobExit
mob_cli_job(MobCli *cli)
{
    static const char *const verbs[] = {"submit", "status", "logs", "stop", "list", NULL};
    const char *verb = cli->word_count > 0 ? cli->words[0] : "";

    if (strcmp(verb, "submit") == 0)
        return submit(cli);
    if (g_strv_contains(verbs, verb))
        return ask_cluster(cli, make_ask(cli));
    const char *nearest = mob_nearest(verb, verbs);
    if (*verb == '\0')
        mob_term_complain(cli->term, "job what? There are submit, status, logs, stop and list");
    else if (nearest != NULL)
        mob_term_complain(cli->term, "there is no \"job %s\"; did you mean \"mobula job %s\"?",
                          verb, nearest);
    else
        mob_term_complain(cli->term,
                          "there is no \"job %s\"; there are submit, status, logs, stop and list",
                          verb);
    mob_term_complain(cli->term, "next: mobula help job");
    return MOB_EXIT_USAGE;
}

/* --- the end --- */

/* Waits until the observer has gone; false if it takes too long. */
static bool
wait_for_end(const MobClusterInfo *info)
{
    for (int ms = 0; ms < STOP_PATIENCE_MS; ms += STOP_LOOK_MS) {
        if (!mob_clusters_runs(info))
            return true;
        g_usleep(STOP_LOOK_MS * 1000);
    }
    return false;
}

/* An observer that answers ends in order; one that hangs is killed, which ends
 * everything as well. */
MobExit
mob_cli_stop(MobCli *cli)
{
    if (cli->word_count > 0) {
        mob_term_complain(cli->term,
                          "stop takes no words; mobula stop --address %s ends one of "
                          "several clusters",
                          cli->words[0]);
        return MOB_EXIT_USAGE;
    }
    MobClusterInfo *info = mob_clusters_find(cli->term, cli->flags.address);
    if (info == NULL)
        return MOB_EXIT_USAGE;
    if (info->pid == 0) {
        mob_term_complain(cli->term, "the cluster of %s is ended on that machine: mobula stop",
                          info->name);
        mob_cluster_info_free(info);
        return MOB_EXIT_USAGE;
    }
    kill(info->pid, SIGTERM);
    if (!wait_for_end(info)) {
        mob_term_say(cli->term, "%s does not answer; its observer (pid %d) is killed", info->name,
                     (int)info->pid);
        kill(info->pid, SIGKILL);
        wait_for_end(info);
    }
    if (info->head != NULL)
        mob_term_say(cli->term, "✓ this machine has left the cluster of %s", info->head);
    else
        mob_term_say(cli->term, "✓ %s has ended", info->name);
    mob_cluster_info_free(info);
    return MOB_EXIT_OK;
}
