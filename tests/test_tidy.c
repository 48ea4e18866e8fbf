/* Properties of the source itself: which layer knows which, what nobody may
 * call, sizes, and that the runtime keeps no state of its own. A rule that is
 * worth saying in a review is worth a line here.
 */
#include <criterion/criterion.h>
#include <glib.h>
#include <string.h>

enum {
    MAX_LINES = 600,
    MAX_COLUMNS = 100,
    MAX_FUNCTION = 60,
};

typedef struct {
    const char *folder;
    const char *may_include; /* folders of ours, separated by spaces */
    const char *no_header;   /* system headers that would be a way around a rule */
    const char *no_call;
} Rule;

/* What would make two runs of one seed differ. */
#define CHANCE                                                                                     \
    "rand( random( srand( rand_r( drand48( g_random_ g_rand_ getrandom( arc4random( "              \
    "g_hash_table_iter_init g_hash_table_foreach g_hash_table_get_keys g_hash_table_get_values "   \
    "%p qsort( g_datalist_ "
/* What only a host may look at. */
#define OUTSIDE                                                                                    \
    "time( gettimeofday( clock_gettime( clock( g_get_monotonic_time g_get_real_time g_date_time_ " \
    "getenv( g_getenv sleep( usleep( nanosleep( g_usleep getpid( system( popen( setlocale( "       \
    "GMainLoop g_main_ g_object_ g_variant_ pthread_ g_thread_ g_mutex_ "
/* The clock on the wall may jump; only a certificate has a date. */
#define WALL     "time( gettimeofday( CLOCK_REALTIME g_get_real_time g_date_time_ "
#define PRINTING "printf( fprintf( puts( fopen( open( read( write( close( g_print( g_file_ "

static const Rule rules[] = {
    {"runtime", "runtime",
     "stdio.h time.h unistd.h sys/ pthread.h threads.h locale.h math.h lua.h sqlite3.h",
     CHANCE OUTSIDE PRINTING "strtod( g_ascii_strtod "},
    {"sim", "sim runtime", "time.h unistd.h sys/ pthread.h threads.h locale.h math.h lua.h",
     CHANCE OUTSIDE},
    {"lua", "lua runtime", "time.h sys/ pthread.h threads.h locale.h sqlite3.h",
     CHANCE OUTSIDE "luaL_openlibs luaopen_io luaopen_os luaopen_debug "},
    {"net", "net runtime", "lua.h", CHANCE WALL},
    {"viz", "viz runtime", "time.h lua.h", CHANCE OUTSIDE},
    {"cli", "cli sim net lua viz runtime", "", CHANCE},
    {"tests", "tests cli sim net lua viz runtime", "", ""},
};

/* The order inside runtime/: a file knows its own layer and those below. What
 * stands nowhere is a part: the store, the leases, the owner and their kin. */
typedef enum {
    BASE,
    MESSAGES,
    SEAM,
    PARTS,
    PROCESSES,
} Layer;

static const char *const layer_names[] = {"base", "messages", "seam", "parts", "processes"};
static const char *const layers[] = {
    [BASE] = "ids str buf table pick value cbor fault faults resources link sha256 heap prng",
    [MESSAGES] = "kinds messages records msg codec",
    [SEAM] = "process body disk fiber config control notes timers watch report state reasons trace "
             "mobula",
    [PROCESSES] = "gcs node worker",
};

static Layer
layer_of(const char *file)
{
    g_autofree char *stem = g_strdup(file);
    if (strchr(stem, '.') != NULL)
        *strchr(stem, '.') = '\0';
    for (Layer layer = BASE; layer <= PROCESSES; layer++) {
        if (layers[layer] == NULL)
            continue;
        g_auto(GStrv) stems = g_strsplit(layers[layer], " ", -1);
        /* state_task.c and state.c are one module in two files */
        for (char **at = stems; *at != NULL; at++) {
            size_t length = strlen(*at);
            if (strncmp(stem, *at, length) != 0)
                continue;
            if (stem[length] == '\0' || (layer != PROCESSES && stem[length] == '_'))
                return layer;
        }
    }
    return PARTS;
}

static void
check_include(const Rule *rule, const char *name, const char *line, int number)
{
    g_auto(GStrv) parts = g_strsplit_set(line, "\"<>", 3);
    if (g_strv_length(parts) < 3)
        return; /* #include MACRO */
    const char *target = parts[1];
    if (g_str_has_suffix(target, ".lua.h"))
        return; /* made from a template while building */
    if (strchr(line, '<') != NULL) {
        if (strcmp(name, "fiber.c") == 0)
            return; /* the only file that knows about stacks */
        g_auto(GStrv) banned = g_strsplit(rule->no_header, " ", -1);
        for (char **header = banned; *header != NULL; header++)
            cr_expect(**header == '\0' || !g_str_has_prefix(target, *header),
                      "%s/%s:%d: %s/ may not include <%s>", rule->folder, name, number,
                      rule->folder, target);
        return;
    }
    const char *slash = strchr(target, '/');
    if (slash == NULL && strcmp(rule->folder, "tests") == 0)
        return; /* tests know what stands beside them */
    cr_assert_not_null(slash, "%s/%s:%d: write the include from the root: \"%s/%s\"", rule->folder,
                       name, number, rule->folder, target);
    g_autofree char *folder = g_strndup(target, (size_t)(slash - target));
    g_auto(GStrv) allowed = g_strsplit(rule->may_include, " ", -1);
    cr_expect(g_strv_contains((const char *const *)allowed, folder),
              "%s/%s:%d: %s/ may not include %s/", rule->folder, name, number, rule->folder,
              folder);
    if (strcmp(rule->folder, "runtime") == 0 && strcmp(folder, "runtime") == 0) {
        Layer mine = layer_of(name);
        Layer theirs = layer_of(slash + 1);
        size_t stem = strcspn(slash + 1, ".");
        if (strncmp(name, slash + 1, stem) == 0 && name[stem] == '_')
            return; /* worker_parts.h knows worker.h: one module in several files */
        cr_expect_leq(theirs, mine,
                      "runtime/%s:%d: a file of the %s may not include %s, which is of the %s",
                      name, number, layer_names[mine], target, layer_names[theirs]);
    }
}

/* The calls in @line, without what stands in comments; texts stay, for "%p". */
static void
check_calls(const Rule *rule, const char *name, const char *line, int number)
{
    g_auto(GStrv) banned = g_strsplit(rule->no_call, " ", -1);
    for (char **call = banned; *call != NULL; call++) {
        if (**call == '\0' || (strcmp(name, "certs.c") == 0 && strcmp(*call, "time(") == 0))
            continue;
        for (const char *hit = strstr(line, *call); hit != NULL; hit = strstr(hit + 1, *call)) {
            char before = hit == line ? ' ' : hit[-1];
            if (before == '%')
                continue; /* a percent sign that is printed */
            bool inside =
                g_ascii_isalnum(before) || before == '_' || before == '.' || before == '>';
            cr_expect(**call != '%' && inside, "%s/%s:%d: %s/ may not use %s", rule->folder, name,
                      number, rule->folder, *call);
        }
    }
}

/* Blanks the comments of @text, so that prose may name what code may not. */
static void
blank_comments(char *text)
{
    bool comment = false;
    bool quoted = false;
    for (char *at = text; *at != '\0'; at++) {
        if (!comment && *at == '"' && (at == text || at[-1] != '\\') &&
            (at == text || at[-1] != '\''))
            quoted = !quoted;
        if (*at == '\n')
            quoted = false;
        if (!quoted && !comment && at[0] == '/' && at[1] == '*')
            comment = true;
        bool last = comment && at[0] == '*' && at[1] == '/';
        if (comment && *at != '\n')
            *at = ' ';
        if (last) {
            at[1] = ' ';
            comment = false;
        }
    }
}

static void
check_functions(const char *folder, const char *name, char **lines)
{
    int start = 0;
    for (int i = 0; lines[i] != NULL; i++) {
        if (strcmp(lines[i], "{") == 0)
            start = i;
        if (strcmp(lines[i], "}") == 0)
            cr_expect_lt(i - start, MAX_FUNCTION, "%s/%s:%d: a function of %d lines", folder, name,
                         start + 1, i - start + 1);
    }
}

static void
check_file(const Rule *rule, const char *folder, const char *name)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    g_autofree char *text = NULL;
    cr_assert(g_file_get_contents(path, &text, NULL, NULL));
    cr_expect(g_str_has_prefix(text, "/* "), "%s/%s: a file opens with what it is for",
              rule->folder, name);
    cr_expect(g_str_has_suffix(text, "\n"), "%s/%s: the last line has no end", rule->folder, name);
    cr_expect(g_utf8_validate(text, -1, NULL), "%s/%s: not UTF-8", rule->folder, name);
    if (strcmp(name, "test_tidy.c") != 0)
        for (const char *const *word = (const char *const[]){"Copyright", "SPDX-", "All rights",
                                                             "TODO", "FIXME", "XXX:", NULL};
             *word != NULL; word++)
            cr_expect_null(strstr(text, *word), "%s/%s says \"%s\"", rule->folder, name, *word);
    if (!g_str_has_suffix(name, ".def")) {
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
        cr_expect_leq(g_strv_length(lines) - 1, MAX_LINES, "%s/%s is too long", rule->folder, name);
        for (int i = 0; lines[i] != NULL; i++) {
            cr_expect_leq(g_utf8_strlen(lines[i], -1), MAX_COLUMNS, "%s/%s:%d is too long",
                          rule->folder, name, i + 1);
            cr_expect_null(strchr(lines[i], '\t'), "%s/%s:%d has a tab", rule->folder, name, i + 1);
        }
        check_functions(rule->folder, name, lines);
    }
    blank_comments(text);
    g_auto(GStrv) code = g_strsplit(text, "\n", -1);
    for (int i = 0; code[i] != NULL; i++) {
        if (g_str_has_prefix(code[i], "#include"))
            check_include(rule, name, code[i], i + 1);
        else if (strcmp(name, "test_tidy.c") != 0)
            check_calls(rule, name, code[i], i + 1);
    }
}

Test(tidy, every_folder_keeps_its_rules)
{
    int files = 0;
    for (size_t i = 0; i < G_N_ELEMENTS(rules); i++) {
        g_autofree char *folder = g_build_filename(SOURCE_ROOT, rules[i].folder, NULL);
        g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
        const char *name;
        while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
            if (!g_str_has_suffix(name, ".c") && !g_str_has_suffix(name, ".h") &&
                !g_str_has_suffix(name, ".def"))
                continue;
            check_file(&rules[i], folder, name);
            files++;
        }
    }
    cr_assert_gt(files, 40, "the sources are not where this test looks");
}

/* Two runs of one process may share nothing, so nothing in runtime/ is both
 * static and writable. Sanitizers add statics of their own. */
Test(tidy, the_runtime_has_no_writable_statics)
{
#ifdef __SANITIZE_ADDRESS__
    cr_skip_test("built with a sanitizer");
#endif
    g_autofree char *out = NULL;
    const char *nm[] = {"nm", "--format=sysv", RUNTIME_LIBRARY, NULL};
    int status = 0;
    cr_assert(g_spawn_sync(NULL, (char **)nm, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, NULL,
                           &status, NULL));
    cr_assert_eq(status, 0);
    int symbols = 0;
    g_auto(GStrv) lines = g_strsplit(out, "\n", -1);
    for (char **line = lines; *line != NULL; line++) {
        g_auto(GStrv) columns = g_strsplit(*line, "|", -1);
        if (g_strv_length(columns) < 7)
            continue;
        const char *section = g_strstrip(columns[6]);
        symbols += g_str_has_prefix(section, ".text");
        bool writable =
            strcmp(section, ".data") == 0 || g_str_has_prefix(section, ".bss") ||
            g_str_has_prefix(section, ".tbss") || g_str_has_prefix(section, ".tdata") ||
            strcmp(section, "*COM*") == 0 ||
            (g_str_has_prefix(section, ".data.") && !g_str_has_prefix(section, ".data.rel.ro"));
        cr_expect(!writable, "%s is writable and static (%s)", g_strstrip(columns[0]), section);
    }
    cr_assert_gt(symbols, 10, "nm told nothing about %s", RUNTIME_LIBRARY);
}
