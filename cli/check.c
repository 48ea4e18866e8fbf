/* check.c: mobula check: the same file and seed must give the same trace.
 *
 * The file runs twice, each time in a process of its own whose circumstances
 * differ in everything that must not matter: where memory lies, what freed
 * and fresh memory holds, the locale, the size of the environment, the seed of
 * Lua's hashes (which comes from addresses), and whether messages go through
 * the codec. If the hashes differ, the checkpoints say in which stretch of
 * events, and both run again and print that stretch.
 */
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/wait.h>

#include "cli/cli.h"
#include "cli/json.h"
#include "sim/world.h"

typedef struct {
    char *out; /* what it printed on stdout */
    char *err;
    char *hash;             /* NULL: it printed no summary */
    GPtrArray *checkpoints; /* of text, of all clusters one after the other */
    int code;
} Run;

static void
run_clear(Run *run)
{
    g_free(run->out);
    g_free(run->err);
    g_free(run->hash);
    if (run->checkpoints != NULL)
        g_ptr_array_unref(run->checkpoints);
}

static void
fix_addresses(void *data)
{
    personality(
        ADDR_NO_RANDOMIZE); /* the one run lies where the linker put it, the other anywhere */
}

static char **
make_environment(bool second)
{
    char **env = g_get_environ();
    g_autofree char *padding = g_strnfill(20011, 'x');
    env = g_environ_setenv(env, "MALLOC_PERTURB_", second ? "171" : "85", TRUE);
    env = g_environ_setenv(env, "LC_ALL", second ? "tr_TR.UTF-8" : "C", TRUE);
    env = g_environ_setenv(env, "TZ", second ? "Asia/Kathmandu" : "UTC", TRUE);
    env = g_environ_unsetenv(env, "MOBULA_ENCODE");
    if (second) {
        env = g_environ_setenv(env, "MOBULA_ENCODE", "1", TRUE);
        env = g_environ_setenv(env, "MOBULA_PADDING", padding, TRUE);
    }
    return env;
}

/* The text behind @key in a line of our own JSON; NULL if it is not there. */
static char *
json_text(const char *line, const char *key)
{
    g_autofree char *wanted = g_strdup_printf("\"%s\":\"", key);
    const char *at = strstr(line, wanted);
    if (at == NULL)
        return NULL;
    at += strlen(wanted);
    return g_strndup(at, strcspn(at, "\""));
}

static void
read_output(Run *run)
{
    g_auto(GStrv) lines = g_strsplit(run->out, "\n", -1);
    run->checkpoints = g_ptr_array_new_with_free_func(g_free);
    for (char **line = lines; *line != NULL; line++) {
        if (g_str_has_prefix(*line, "{\"type\":\"summary\"")) {
            g_free(run->hash);
            run->hash = json_text(*line, "trace");
        } else if (g_str_has_prefix(*line, "{\"type\":\"checkpoints\"")) {
            const char *list = strchr(*line, '[');
            g_auto(GStrv) parts = g_strsplit_set(list != NULL ? list : "", "\"", -1);
            for (guint i = 0; parts[i] != NULL; i++)
                if (strlen(parts[i]) == 16)
                    g_ptr_array_add(run->checkpoints, g_strdup(parts[i]));
        }
    }
}

/* Runs the file once; @events, if given, is the stretch to print. */
static bool
run_once(MobCli *cli, bool second, const char *events, Run *run)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) env = make_environment(second);
    g_autofree char *seed = g_strdup_printf("%" G_GUINT64_FORMAT, cli->flags.seed);
    const char *fixed[] = {"/proc/self/exe", "run", "--json", "-q", "-v", "--seed", seed};
    for (size_t i = 0; i < G_N_ELEMENTS(fixed); i++)
        g_ptr_array_add(argv, (char *)fixed[i]);
    if (cli->flags.limit_text != NULL) {
        g_ptr_array_add(argv, (char *)"--limit");
        g_ptr_array_add(argv, cli->flags.limit_text);
    }
    if (cli->flags.body_limit_text != NULL) {
        g_ptr_array_add(argv, (char *)"--body-limit");
        g_ptr_array_add(argv, cli->flags.body_limit_text);
    }
    if (events != NULL) {
        g_ptr_array_add(argv, (char *)"--events");
        g_ptr_array_add(argv, (char *)events);
    }
    g_ptr_array_add(argv, cli->words[0]);
    g_ptr_array_add(argv, (char *)"--");
    for (char **word = cli->program_words; *word != NULL; word++)
        g_ptr_array_add(argv, *word);
    g_ptr_array_add(argv, NULL);

    *run = (Run){0};
    int status = 0;
    if (!g_spawn_sync(NULL, (char **)argv->pdata, env, G_SPAWN_DEFAULT,
                      second ? NULL : fix_addresses, NULL, &run->out, &run->err, &status, &error)) {
        mob_term_complain(cli->term, "cannot start a second mobula: %s", error->message);
        return false;
    }
    run->code = WIFEXITED(status) ? WEXITSTATUS(status) : MOB_EXIT_BUG;
    read_output(run);
    return true;
}

/* Prints the first line in which the two differ, and what both did before. */
static void
say_difference(MobTerm *term, const Run *a, const Run *b)
{
    g_auto(GStrv) left = g_strsplit(a->out, "\n", -1);
    g_auto(GStrv) right = g_strsplit(b->out, "\n", -1);
    guint i = 0;
    while (left[i] != NULL && right[i] != NULL && strcmp(left[i], right[i]) == 0)
        i++;
    if (i > 0)
        mob_term_complain(term,
                          "both   %s\nand then, for the first time not the same:", left[i - 1]);
    mob_term_complain(term, "first  %s", left[i] != NULL ? left[i] : "(ended)");
    mob_term_complain(term, "second %s", right[i] != NULL ? right[i] : "(ended)");
}

static MobExit
differ(MobCli *cli, const Run *a, const Run *b)
{
    guint same = 0;
    while (same < a->checkpoints->len && same < b->checkpoints->len &&
           strcmp(a->checkpoints->pdata[same], b->checkpoints->pdata[same]) == 0)
        same++;
    uint64_t from = (uint64_t)same * MOB_CHECKPOINT_EVENTS + 1;
    g_autofree char *events = g_strdup_printf("%" G_GUINT64_FORMAT "..%" G_GUINT64_FORMAT, from,
                                              from + MOB_CHECKPOINT_EVENTS - 1);
    mob_term_complain(cli->term, "✗ not deterministic: traces %s and %s", a->hash, b->hash);
    Run again[2] = {0};
    if (run_once(cli, false, events, &again[0]) && run_once(cli, true, events, &again[1]))
        say_difference(cli->term, &again[0], &again[1]);
    run_clear(&again[0]);
    run_clear(&again[1]);
    return MOB_EXIT_DIFFERS;
}

static MobExit
compare(MobCli *cli, const Run *a, const Run *b)
{
    const Run *runs[] = {a, b};
    for (size_t i = 0; i < G_N_ELEMENTS(runs); i++) {
        if (runs[i]->hash != NULL && runs[i]->code != MOB_EXIT_BUG)
            continue;
        mob_term_complain(cli->term, "%s", g_strchomp(runs[i]->err));
        return (MobExit)runs[i]->code;
    }
    if (strcmp(a->hash, b->hash) != 0)
        return differ(cli, a, b);
    uint64_t hash = g_ascii_strtoull(a->hash, NULL, 16);
    g_autoptr(GString) text = g_string_new(NULL);
    mob_term_hash(text, hash);
    mob_term_say(cli->term, "✓ the same trace twice: %s", text->str);
    if (a->code != MOB_EXIT_OK)
        mob_term_say(cli->term, "  (the run itself ends with exit code %d both times)", a->code);
    mob_term_say(cli->term,
                 "  apart: addresses, memory contents, locale, time zone, environment, encoding");
    return MOB_EXIT_OK;
}

MobExit
mob_cli_check(MobCli *cli)
{
    if (cli->word_count != 1) {
        mob_term_complain(cli->term, "which file? mobula check FILE");
        return MOB_EXIT_USAGE;
    }
    Run runs[2] = {0};
    MobExit code = MOB_EXIT_BUG;
    if (run_once(cli, false, NULL, &runs[0]) && run_once(cli, true, NULL, &runs[1]))
        code = compare(cli, &runs[0], &runs[1]);
    run_clear(&runs[0]);
    run_clear(&runs[1]);
    return code;
}
