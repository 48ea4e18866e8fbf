/* flags.c: reading the words of a command line. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

#define BODY_LIMIT_MIN (200 * MOB_MS)

enum {
    LOCAL_MAX = 100,
    CPUS_MAX = 1024,
    STORE_MIN = 1 << 20,
    MEMORY_MIN = 64 << 20,
};

/* One flag; GOption fills in the field of MobFlags at @offset. */
typedef struct {
    MobFlag bit;
    const char *name;
    char letter;
    GOptionArg arg;
    size_t offset;
    const char *value; /* what stands for the value in the help */
    const char *help;
} FlagInfo;

#define AT(field) offsetof(MobFlags, field)

static const FlagInfo flags[] = {
    {MOB_FLAG_SEED, "seed", 0, G_OPTION_ARG_STRING, AT(seed_text), "N",
     "the run's chance; 0, the default, is the textbook run"},
    {MOB_FLAG_SEEDS, "seeds", 0, G_OPTION_ARG_STRING, AT(seeds_text), "N",
     "every test with the seeds 0 to N-1"},
    {MOB_FLAG_JOBS, "jobs", 'j', G_OPTION_ARG_INT, AT(jobs), "N",
     "so many processes; default: one a core"},
    {MOB_FLAG_KEEP_GOING, "keep-going", 'k', G_OPTION_ARG_NONE, AT(keep_going), NULL,
     "go on after a test that failed"},
    {MOB_FLAG_TAP, "tap", 0, G_OPTION_ARG_NONE, AT(tap), NULL, "TAP on stdout"},
    {MOB_FLAG_TAP, "junit", 0, G_OPTION_ARG_FILENAME, AT(junit), "FILE", "a JUnit report"},
    {MOB_FLAG_ON, "pace", 0, G_OPTION_ARG_INT, AT(pace), "N",
     "--on local: real milliseconds to one of the cluster's; default: 10"},
    {MOB_FLAG_ON, "on", 0, G_OPTION_ARG_STRING, AT(on), "WORLD",
     "sim; local: real processes; NAME or HOST:PORT: a cluster that is there"},
    {MOB_FLAG_LIMIT, "limit", 0, G_OPTION_ARG_STRING, AT(limit_text), "TIME",
     "a run that takes longer, in its own time, hangs"},
    {MOB_FLAG_BODY_LIMIT, "body-limit", 0, G_OPTION_ARG_STRING, AT(body_limit_text), "TIME",
     "a body that computes longer without a call loops; default: 2s"},
    {MOB_FLAG_AT, "at", 0, G_OPTION_ARG_STRING, AT(at), "TIME|@EVENT",
     "the moment: 28.6ms, 1.5s, @57"},
    {MOB_FLAG_CLUSTER, "cluster", 0, G_OPTION_ARG_INT, AT(cluster), "N",
     "of a file that makes several; default: the last"},
    {MOB_FLAG_DOT, "dot", 0, G_OPTION_ARG_NONE, AT(dot), NULL, "DOT, whatever the file is called"},
    {MOB_FLAG_FRAMES, "frames", 0, G_OPTION_ARG_CALLBACK, 0, "[T1,T2]",
     "one picture for each change (of these tasks), all with one layout"},
    {MOB_FLAG_OUT, "output", 'o', G_OPTION_ARG_FILENAME, AT(out), "FILE", "where to; - is stdout"},
    {MOB_FLAG_JSON, "json", 0, G_OPTION_ARG_NONE, AT(json), NULL,
     "one JSON object a line on stdout"},
    {MOB_FLAG_PLAIN, "plain", 0, G_OPTION_ARG_NONE, AT(plain), NULL,
     "the story with tabs between its fields"},
    {MOB_FLAG_TRACE, "trace", 0, G_OPTION_ARG_NONE, AT(trace), NULL,
     "write the run folder, also with -q"},
    {MOB_FLAG_NO_CHECK, "no-check", 0, G_OPTION_ARG_NONE, AT(no_check), NULL,
     "do not evaluate the built-in properties; with -q on real processes nobody looks on"},
    {MOB_FLAG_EVENTS, "events", 0, G_OPTION_ARG_STRING, AT(events_text), "A..B",
     "print these events, as JSON, on stdout"},
    {MOB_FLAG_QUIET, "quiet", 'q', G_OPTION_ARG_NONE, AT(quiet), NULL,
     "no story and no run folder"},
    {MOB_FLAG_VERBOSE, "verbose", 'v', G_OPTION_ARG_CALLBACK, 0, NULL,
     "say more; -vv also tells every message"},
    {MOB_FLAG_LOCAL, "local", 0, G_OPTION_ARG_INT, AT(local), "N",
     "so many machines, all of them on this one: head, n1 …"},
    {MOB_FLAG_HEAD, "head", 0, G_OPTION_ARG_NONE, AT(head), NULL, "the first machine of a cluster"},
    {MOB_FLAG_HEAD, "block", 0, G_OPTION_ARG_NONE, AT(block), NULL, "stay in the foreground"},
    {MOB_FLAG_MAKE, "cpus", 0, G_OPTION_ARG_INT, AT(cpus), "N",
     "of each machine; default: as many as there are here"},
    {MOB_FLAG_MAKE, "store", 0, G_OPTION_ARG_STRING, AT(store_text), "BYTES",
     "object store of each machine: 2GiB, 500MB; default: 30 % of the memory, at most 2GiB each"},
    {MOB_FLAG_MAKE, "spill-dir", 0, G_OPTION_ARG_FILENAME, AT(spill_dir), "FOLDER",
     "what a store has no room for goes to files there, removed at the end; default: in TMPDIR"},
    {MOB_FLAG_MAKE, "memory", 0, G_OPTION_ARG_STRING, AT(memory_text), "BYTES",
     "of each machine, and the most a process of it may take; default: 3/4 of what is here"},
    {MOB_FLAG_MAKE, "name", 0, G_OPTION_ARG_STRING, AT(name), "NAME",
     "what it is called; default: c1, c2 …"},
    {MOB_FLAG_MAKE, "keep", 0, G_OPTION_ARG_STRING, AT(keep_text), "N",
     "so many tasks, objects … that are over can be listed; default: 100000"},
    {MOB_FLAG_LOCAL, "detach", 'd', G_OPTION_ARG_NONE, AT(detach), NULL,
     "in the background; mobula stop ends it"},
    {MOB_FLAG_ADDRESS, "address", 0, G_OPTION_ARG_STRING, AT(address), "NAME|HOST:PORT",
     "which cluster; default: MOBULA_ADDRESS, or the newest that runs"},
    {MOB_FLAG_WIRE, "address", 0, G_OPTION_ARG_STRING, AT(address), "HOST[:PORT]",
     "join the cluster of that head; default port: 7979"},
    {MOB_FLAG_WIRE, "pin", 0, G_OPTION_ARG_STRING, AT(pin), "SHA256",
     "joining: the head's certificate must be this one; it is in the join line"},
    {MOB_FLAG_WIRE, "retry", 0, G_OPTION_ARG_STRING, AT(retry_text), "TIME",
     "joining: wait so long for the head; also when it has gone (then 30s unless given)"},
    {MOB_FLAG_WIRE, "listen", 0, G_OPTION_ARG_STRING, AT(listen), "ADDRESS",
     "listen there; default: 0.0.0.0, everywhere"},
    {MOB_FLAG_WIRE, "port", 0, G_OPTION_ARG_INT, AT(port), "N",
     "listen at that port; default: 7979, or when joining any other if that is taken"},
    {MOB_FLAG_WIRE, "host", 0, G_OPTION_ARG_STRING, AT(host), "NAME",
     "what others reach this machine by; default: what it seems to be"},
    {MOB_FLAG_KEYS, "token-file", 0, G_OPTION_ARG_FILENAME, AT(token_file), "FILE",
     "default: MOBULA_TOKEN_FILE, or ~/.config/mobula/token"},
    {MOB_FLAG_KEYS, "certs", 0, G_OPTION_ARG_FILENAME, AT(certs), "FOLDER",
     "key.pem and cert.pem; default: MOBULA_CERTS, or ~/.config/mobula/certs"},
    {MOB_FLAG_KEYS, "ca", 0, G_OPTION_ARG_FILENAME, AT(ca), "FOLDER",
     "cert issue: of the CA; default: ~/.config/mobula/ca"},
    {MOB_FLAG_FOLLOW, "follow", 'f', G_OPTION_ARG_NONE, AT(follow), NULL, "go on until it is over"},
    {MOB_FLAG_ROWS, "filter", 'f', G_OPTION_ARG_STRING_ARRAY, AT(filters), "KEY=VALUE",
     "only these; also KEY!=VALUE, and several times"},
    {MOB_FLAG_ROWS, "detail", 0, G_OPTION_ARG_NONE, AT(detail), NULL, "all columns"},
    {MOB_FLAG_ROWS, "limit", 0, G_OPTION_ARG_STRING, AT(rows_text), "N",
     "so many rows at most, the newest; default: 100"},
    {MOB_FLAG_RUN, "run", 0, G_OPTION_ARG_FILENAME, AT(run), "FOLDER",
     "of a run instead of a cluster: runs/NAME/0"},
    {MOB_FLAG_RUN, "at", 0, G_OPTION_ARG_STRING, AT(at), "TIME|@EVENT",
     "of a run, the newest unless one is named, at that moment: 28.6ms, 1.5s, @57"},
    {MOB_FLAG_GROUP, "group-by", 0, G_OPTION_ARG_STRING, AT(group_by), "KEY",
     "line, node or holder: one row for all that have it in common"},
    {MOB_FLAG_ALWAYS, "color", 0, G_OPTION_ARG_STRING, AT(color), "WHEN", "auto, always or never"},
    {MOB_FLAG_ALWAYS, "ascii", 0, G_OPTION_ARG_NONE, AT(ascii), NULL, "no glyphs"},
    {MOB_FLAG_ALWAYS, "help", 'h', G_OPTION_ARG_NONE, AT(help), NULL, "this page"},
};

bool
mob_is_local(const char *on)
{
    return on != NULL && (strcmp(on, "local") == 0 || g_str_has_prefix(on, "local+"));
}

bool
mob_parse_time(const char *text, MobTime *time)
{
    static const struct {
        const char *unit;
        uint64_t scale;
    } units[] = {{"ns", 1},         {"us", MOB_US},           {"ms", MOB_MS},
                 {"s", MOB_SECOND}, {"min", 60 * MOB_SECOND}, {"", MOB_SECOND}};
    char *end = NULL;
    if (!g_ascii_isdigit(*text))
        return false;
    double number = g_ascii_strtod(text, &end);
    while (*end == ' ')
        end++;
    for (size_t i = 0; i < G_N_ELEMENTS(units); i++) {
        double scaled = number * (double)units[i].scale;
        if (strcmp(end, units[i].unit) != 0 || scaled >= 9e18)
            continue;
        *time = (MobTime)(scaled + 0.5);
        return true;
    }
    return false;
}

/* "2GiB", "500MB", "4096" */
static bool
parse_bytes(const char *text, uint64_t *bytes)
{
    static const struct {
        const char *unit;
        double scale;
    } units[] = {{"", 1},
                 {"B", 1},
                 {"KB", 1e3},
                 {"MB", 1e6},
                 {"GB", 1e9},
                 {"TB", 1e12},
                 {"KiB", 1024},
                 {"MiB", 1024.0 * 1024},
                 {"GiB", 1024.0 * 1024 * 1024},
                 {"TiB", 1024.0 * 1024 * 1024 * 1024}};
    char *end = NULL;
    double number = g_ascii_isdigit(*text) ? g_ascii_strtod(text, &end) : 0;

    for (size_t i = 0; end != NULL && i < G_N_ELEMENTS(units); i++) {
        if (g_ascii_strcasecmp(end, units[i].unit) != 0 || number * units[i].scale > 1e17)
            continue;
        *bytes = (uint64_t)(number * units[i].scale);
        return *bytes > 0;
    }
    return false;
}

/* The number of single-letter changes between the two, swaps included. */
static size_t
distance(const char *a, const char *b)
{
    size_t m = strlen(a);
    size_t n = strlen(b);
    if (m > 40 || n > 40)
        return 99;
    size_t d[42][42];
    for (size_t i = 0; i <= m; i++) {
        for (size_t j = 0; j <= n; j++) {
            if (i == 0 || j == 0) {
                d[i][j] = i + j;
                continue;
            }
            size_t change = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            d[i][j] = MIN(change, MIN(d[i - 1][j], d[i][j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d[i][j] = MIN(d[i][j], d[i - 2][j - 2] + 1);
        }
    }
    return d[m][n];
}

const char *
mob_nearest(const char *name, const char *const *names)
{
    const char *nearest = NULL;
    size_t least = CLAMP(strlen(name) / 2, 1, 4) + 1;
    for (; *names != NULL; names++) {
        bool begins = strlen(name) >= 2 && g_str_has_prefix(*names, name);
        size_t far = begins ? 1 : distance(name, *names);
        if (far < least) {
            least = far;
            nearest = *names;
        }
    }
    return nearest;
}

static gboolean
on_flag(const char *name, const char *value, void *data, GError **error)
{
    MobFlags *into = data;
    if (strcmp(name, "--frames") == 0) {
        g_free(into->frames);
        into->frames = g_strdup(value != NULL ? value : "");
    } else {
        into->verbose++;
    }
    return TRUE;
}

/* Says what is wrong with @error, with the nearest flag there is. */
static void
explain(MobTerm *term, const MobCommand *command, const GError *error)
{
    const char *dash = strstr(error->message, "-");
    if (!g_error_matches(error, G_OPTION_ERROR, G_OPTION_ERROR_UNKNOWN_OPTION) || dash == NULL) {
        mob_term_complain(term, "mobula %s: %s", command->name, error->message);
        return;
    }
    g_auto(GStrv) split = g_strsplit(dash + strspn(dash, "-"), "=", 2);
    const char *mine[G_N_ELEMENTS(flags) + 1] = {NULL};
    const char *other = NULL;
    size_t count = 0;
    for (size_t i = 0; i < G_N_ELEMENTS(flags); i++) {
        if ((flags[i].bit & (command->flags | MOB_FLAG_ALWAYS)) != 0)
            mine[count++] = flags[i].name;
        else if (strcmp(flags[i].name, split[0]) == 0)
            other = flags[i].name;
    }
    const char *nearest = mob_nearest(split[0], mine);
    const char *dashes = strlen(split[0]) > 1 ? "--" : "-";
    if (other != NULL)
        mob_term_complain(term, "mobula %s has no option --%s, other verbs do", command->name,
                          other);
    else if (nearest != NULL)
        mob_term_complain(term, "there is no option %s%s; did you mean --%s?", dashes, split[0],
                          nearest);
    else
        mob_term_complain(term, "there is no option %s%s", dashes, split[0]);
    mob_term_complain(term, "next: mobula help %s", command->name);
}

static bool
read_number(MobTerm *term, const char *flag, const char *text, uint64_t least, uint64_t *number)
{
    if (text == NULL || g_ascii_string_to_unsigned(text, 10, least, UINT64_MAX, number, NULL))
        return true;
    mob_term_complain(term,
                      "--%s %s: a whole number from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT
                      " is expected",
                      flag, text, least, UINT64_MAX);
    return false;
}

/* "57" or "57..90", with or without @ before the numbers */
static bool
read_events(MobTerm *term, MobFlags *into)
{
    if (into->events_text == NULL)
        return true;
    g_auto(GStrv) ends = g_strsplit(into->events_text, "..", 2);
    const char *from = ends[0] != NULL && *ends[0] == '@' ? ends[0] + 1 : ends[0];
    const char *to = ends[0] != NULL && ends[1] != NULL ? ends[1] : from;
    to = to != NULL && *to == '@' ? to + 1 : to;
    if (from != NULL &&
        g_ascii_string_to_unsigned(from, 10, 1, UINT64_MAX, &into->events_from, NULL) &&
        g_ascii_string_to_unsigned(to, 10, 1, UINT64_MAX, &into->events_to, NULL) &&
        into->events_from <= into->events_to)
        return true;
    mob_term_complain(term, "--events %s: two numbers are expected, the lesser first: 1..100",
                      into->events_text);
    return false;
}

/* Whoever goes into the background goes elsewhere, too. */
static bool
read_folder(MobTerm *term, const char *name, char **folder)
{
    char *given = *folder;

    if (given == NULL)
        return true;
    if (!g_file_test(given, G_FILE_TEST_IS_DIR)) {
        mob_term_complain(term, "--%s %s: there is no such folder; make it first", name, given);
        return false;
    }
    *folder = g_canonicalize_filename(given, NULL);
    g_free(given);
    return true;
}

/* Of clusters and lists. */
static bool
check_cluster_values(MobTerm *term, MobFlags *into)
{
    if (into->local < 0 || into->local > LOCAL_MAX) {
        mob_term_complain(term, "--local %d: 1 to %d machines are expected", into->local,
                          LOCAL_MAX);
        return false;
    }
    if (into->cpus < 0 || into->cpus > CPUS_MAX) {
        mob_term_complain(term, "--cpus %d: a number from 1 to %d is expected", into->cpus,
                          CPUS_MAX);
        return false;
    }
    if (into->port < 0 || into->port > UINT16_MAX) {
        mob_term_complain(term, "--port %d: a number from 1 to %d is expected", into->port,
                          UINT16_MAX);
        return false;
    }
    if (into->retry_text != NULL && !mob_parse_time(into->retry_text, &into->retry)) {
        mob_term_complain(term, "--retry %s: a time is expected: 5s, 2min", into->retry_text);
        return false;
    }
    if (into->store_text != NULL &&
        (!parse_bytes(into->store_text, &into->store) || into->store < STORE_MIN)) {
        mob_term_complain(term, "--store %s: a size is expected, 1MiB or more: 500MB, 2GiB",
                          into->store_text);
        return false;
    }
    if (into->memory_text != NULL &&
        (!parse_bytes(into->memory_text, &into->memory) || into->memory < MEMORY_MIN)) {
        mob_term_complain(term, "--memory %s: a size is expected, 64MiB or more: 500MB, 2GiB",
                          into->memory_text);
        return false;
    }
    return read_folder(term, "spill-dir", &into->spill_dir) &&
           read_number(term, "limit", into->rows_text, 1, &into->rows) &&
           read_number(term, "keep", into->keep_text, 1, &into->keep);
}

/* What GOption cannot check. */
static bool
check_values(MobTerm *term, MobFlags *into)
{
    into->limit = MOB_TIME_NEVER;
    if (!mob_term_init(term, into->color, into->ascii)) {
        mob_term_complain(term, "--color %s: it is auto, always or never", into->color);
        return false;
    }
    if (into->pace < 1 || into->pace > 1000) {
        mob_term_complain(term, "--pace %d: a number from 1 to 1000 is expected", into->pace);
        return false;
    }
    if (into->limit_text != NULL && !mob_parse_time(into->limit_text, &into->limit)) {
        mob_term_complain(term, "--limit %s: a time is expected: 500ms, 20s", into->limit_text);
        return false;
    }
    if (into->body_limit_text != NULL &&
        (!mob_parse_time(into->body_limit_text, &into->body_limit) ||
         into->body_limit < BODY_LIMIT_MIN)) {
        mob_term_complain(term, "--body-limit %s: a time is expected, 200ms or more: 10s, 1min",
                          into->body_limit_text);
        return false;
    }
    if (into->cluster < 0) {
        mob_term_complain(term, "--cluster %d: they are numbered from 1", into->cluster);
        return false;
    }
    if (into->jobs < 0) {
        mob_term_complain(term, "-j %d: at least one process is needed", into->jobs);
        return false;
    }
    return check_cluster_values(term, into) && read_events(term, into) &&
           read_number(term, "seed", into->seed_text, 0, &into->seed) &&
           read_number(term, "seeds", into->seeds_text, 1, &into->seeds);
}

static GOptionContext *
make_context(const MobCommand *command, MobFlags *into)
{
    GOptionContext *context = g_option_context_new(command->args);
    GOptionGroup *group = g_option_group_new("main", "", "", into, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(flags); i++) {
        const FlagInfo *flag = &flags[i];
        if ((flag->bit & (command->flags | MOB_FLAG_ALWAYS)) == 0)
            continue;
        bool callback = flag->arg == G_OPTION_ARG_CALLBACK;
        GOptionEntry entries[2] = {
            {.long_name = flag->name,
             .short_name = flag->letter,
             .arg = flag->arg,
             .arg_data = callback ? (void *)on_flag : (char *)into + flag->offset,
             .description = flag->help,
             .arg_description = flag->value}};
        if (callback)
            entries[0].flags =
                flag->value != NULL ? G_OPTION_FLAG_OPTIONAL_ARG : G_OPTION_FLAG_NO_ARG;
        g_option_group_add_entries(group, entries);
    }
    g_option_context_set_main_group(context, group);
    g_option_context_set_help_enabled(context, FALSE);
    return context;
}

bool
mob_cli_parse(MobCli *cli, const MobCommand *command, char **argv)
{
    guint dashes = 0;
    while (argv[dashes] != NULL && strcmp(argv[dashes], "--") != 0)
        dashes++;
    cli->program_words = g_strdupv(argv[dashes] != NULL ? argv + dashes + 1 : argv + dashes);
    cli->words = g_new0(char *, dashes + 1);
    for (guint i = 0; i < dashes; i++)
        cli->words[i] = g_strdup(argv[i]);

    g_autoptr(GError) error = NULL;
    cli->flags.pace = MOB_PACE_DEFAULT;
    GOptionContext *context = make_context(command, &cli->flags);
    bool ok = g_option_context_parse_strv(context, &cli->words, &error);
    g_option_context_free(context);
    if (!ok) {
        explain(cli->term, command, error);
        return false;
    }
    cli->word_count = (int)g_strv_length(cli->words);
    if (cli->word_count > 0) { /* the verb itself */
        g_free(cli->words[0]);
        memmove(cli->words, cli->words + 1, sizeof(char *) * (size_t)cli->word_count);
        cli->word_count--;
    }
    return check_values(cli->term, &cli->flags);
}

void
mob_cli_clear(MobCli *cli)
{
    g_strfreev(cli->words);
    g_strfreev(cli->program_words);
    char *texts[] = {cli->flags.seed_text,
                     cli->flags.on,
                     cli->flags.at,
                     cli->flags.out,
                     cli->flags.color,
                     cli->flags.limit_text,
                     cli->flags.seeds_text,
                     cli->flags.events_text,
                     cli->flags.junit,
                     cli->flags.frames,
                     cli->flags.body_limit_text,
                     cli->flags.address,
                     cli->flags.name,
                     cli->flags.store_text,
                     cli->flags.memory_text,
                     cli->flags.spill_dir,
                     cli->flags.run,
                     cli->flags.rows_text,
                     cli->flags.keep_text,
                     cli->flags.group_by,
                     cli->flags.token_file,
                     cli->flags.certs,
                     cli->flags.ca,
                     cli->flags.listen,
                     cli->flags.host,
                     cli->flags.pin,
                     cli->flags.retry_text};
    g_strfreev(cli->flags.filters);
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        g_free(texts[i]);
}

void
mob_help_command(MobTerm *term, const MobCommand *command)
{
    GString *page = g_string_new(NULL);
    g_string_append_printf(page, "mobula %s %s\n\n%s\n\nOptions\n", command->name, command->args,
                           command->help);
    for (size_t i = 0; i < G_N_ELEMENTS(flags); i++) {
        if ((flags[i].bit & (command->flags | MOB_FLAG_ALWAYS)) == 0)
            continue;
        g_autofree char *letter =
            flags[i].letter != 0 ? g_strdup_printf("-%c, ", flags[i].letter) : g_strdup("");
        g_autofree char *left = g_strdup_printf("  %s--%s %s", letter, flags[i].name,
                                                flags[i].value != NULL ? flags[i].value : "");
        mob_term_pad(page, left, 26, 2);
        g_string_append_printf(page, "%s\n", flags[i].help);
    }
    g_string_append(page, "\nExamples\n");
    g_auto(GStrv) examples = g_strsplit(command->example, "\n", -1);
    for (char **line = examples; *line != NULL; line++)
        g_string_append_printf(page, "  mobula %s\n", *line);
    g_autofree char *shown = mob_term_render(&(MobTerm){.ascii = term->ascii}, page->str);
    fputs(shown, stdout);
    g_string_free(page, TRUE);
}
