/* test_lineage.c: pictures of lineages, compared with golden ones. */
#include <criterion/criterion.h>
#include <glib/gstdio.h>
#include <locale.h>

#include "tests/told.h"
#include "viz/lineage.h"
#include "viz/rundb.h"

/* --- golden files: MOB_GOLDEN=write makes them anew --- */

static void
expect_golden(const char *name, const char *text, size_t size)
{
    g_autofree char *path = g_build_filename(SOURCE_ROOT, "tests", "golden", name, NULL);
    g_autofree char *golden = NULL;
    gsize golden_size = 0;

    if (g_strcmp0(g_getenv("MOB_GOLDEN"), "write") == 0)
        cr_assert(g_file_set_contents(path, text, (gssize)size, NULL));
    cr_assert(g_file_get_contents(path, &golden, &golden_size, NULL), "no %s", path);
    cr_assert(golden_size == size && memcmp(golden, text, size) == 0,
              "%s differs; look at it, then MOB_GOLDEN=write makes it anew", name);
}

typedef struct {
    char *folder;
    char *db;
} Place;

static Place
place_of(const Told *told, const char *scenario)
{
    Place place = {.folder = g_dir_make_tmp("mobula-lineage-XXXXXX", NULL)};
    MobRun run = {
        .info = {.scenario = scenario, .seed = 7, .backend = "sim", .verdict = "ok"},
        .state = told->state,
        .trace = told->trace,
    };

    place.db = g_build_filename(place.folder, "run.db", NULL);
    cr_assert(mob_rundb_write(place.db, &run, 1, NULL));
    return place;
}

static void
remove_all(const char *path)
{
    GDir *folder = g_dir_open(path, 0, NULL);

    for (const char *name; folder != NULL && (name = g_dir_read_name(folder)) != NULL;) {
        g_autofree char *child = g_build_filename(path, name, NULL);
        remove_all(child);
    }
    if (folder != NULL)
        g_dir_close(folder);
    g_remove(path);
}

static void
place_clear(Place *place)
{
    remove_all(place->folder);
    g_free(place->folder);
    g_free(place->db);
}

static char *
drawn(const Place *place, const char *at, bool dot)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    MobLineageOptions options = {.db = place->db, .at = at, .dot = dot, .text = text};

    cr_assert(mob_lineage_export(&options, &error), "%s", error != NULL ? error->message : "");
    cr_assert_eq(options.made, 1);
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static guint
occurrences(const char *text, const char *what)
{
    guint count = 0;

    for (const char *at = text; (at = strstr(at, what)) != NULL; at += strlen(what))
        count++;
    return count;
}

/* Well-formed: what a strict reader of markup accepts. */
static void
expect_markup(const char *svg)
{
    static const GMarkupParser parser = {NULL};
    GMarkupParseContext *context =
        g_markup_parse_context_new(&parser, (GMarkupParseFlags)0, NULL, NULL);
    g_autoptr(GError) error = NULL;

    cr_assert(g_markup_parse_context_parse(context, svg, -1, &error), "%s",
              error != NULL ? error->message : "");
    cr_assert(g_markup_parse_context_end_parse(context, &error));
    g_markup_parse_context_free(context);
}

Test(lineage, looks_as_it_did)
{
    g_autoptr(Told) lecture = told_kill_task_2();
    g_autoptr(Told) family = told_family();
    g_autoptr(Told) many = told_map_reduce(45);
    g_autoptr(Told) tree = told_recursion();
    const Told *const runs[] = {lecture, family, many, tree};
    const char *const names[] = {"kill-task-2", "family", "map-reduce", "recursion"};

    for (size_t i = 0; i < G_N_ELEMENTS(runs); i++) {
        Place place = place_of(runs[i], names[i]);
        g_autofree char *svg = drawn(&place, NULL, false);
        g_autofree char *dot = drawn(&place, NULL, true);
        g_autofree char *svg_name = g_strconcat(names[i], ".svg", NULL);
        g_autofree char *dot_name = g_strconcat(names[i], ".dot", NULL);

        expect_markup(svg);
        expect_golden(svg_name, svg, strlen(svg));
        expect_golden(dot_name, dot, strlen(dot));
        place_clear(&place);
    }
    Place place = place_of(lecture, "kill-task-2");
    g_autofree char *lost = drawn(&place, "30ms", false);
    expect_golden("kill-task-2-lost.svg", lost, strlen(lost));
    place_clear(&place);
}

Test(lineage, is_the_same_from_memory_as_from_the_database)
{
    Told *runs[] = {told_kill_task_2(), told_family(), told_map_reduce(45), told_map_reduce(3)};

    for (size_t i = 0; i < G_N_ELEMENTS(runs); i++) {
        Place place = place_of(runs[i], "same");
        g_autoptr(GString) svg = g_string_new(NULL);
        g_autofree char *read = drawn(&place, NULL, false);
        cr_assert(mob_lineage_of_state(runs[i]->state, "same", 7, svg));
        cr_assert(g_str_equal(svg->str, read), "run %zu", i);
        place_clear(&place);
        told_free(runs[i]);
    }
}

Test(lineage, shows_what_was_lost_and_what_was_replayed)
{
    g_autoptr(Told) told = told_kill_task_2();
    Place place = place_of(told, "kill-task-2");
    g_autofree char *end = drawn(&place, NULL, false);
    g_autofree char *lost = drawn(&place, "30ms", false);
    g_autofree char *before = drawn(&place, "5ms", false);

    cr_assert_not_null(strstr(end, "<g id=\"T2\" class=\"task finished replayed\""));
    cr_assert_not_null(strstr(end, ">T2.2  finished on n2/w0<"));
    cr_assert_not_null(strstr(end, ">T2.1  crashed on n1/w0<"));
    cr_assert_not_null(strstr(end, ">lost on n1<"));
    cr_assert_not_null(strstr(end, "<g id=\"O1-T2\" class=\"edge data\""));
    cr_assert_not_null(strstr(end, ">owner driver<"));
    cr_assert_not_null(strstr(end, "Lineage of kill-task-2, seed 7, at 41.9 ms: T1 finished"));

    cr_assert_not_null(strstr(lost, "<g id=\"O1\" class=\"object lost\""));
    cr_assert_not_null(strstr(lost, "<g id=\"T1\" class=\"task again replayed\""));
    cr_assert_not_null(strstr(lost, "<g id=\"T2\" class=\"task pending\""));
    cr_assert_not_null(strstr(lost, "at 30 ms: "));

    cr_assert_not_null(strstr(before, "<g id=\"T2\" class=\"task running\""));
    cr_assert_null(strstr(before, "replayed"));
    cr_assert_null(strstr(before, "lost"));
    place_clear(&place);
}

Test(lineage, every_moment_has_the_layout_of_the_whole_run)
{
    g_autoptr(Told) told = told_kill_task_2();
    Place place = place_of(told, "kill-task-2");
    g_autofree char *frames = g_build_filename(place.folder, "frames", NULL);
    MobLineageOptions options = {.db = place.db, .frames = true, .output = frames};
    g_autofree char *head = NULL;

    cr_assert(mob_lineage_export(&options, NULL));
    cr_assert_gt(options.made, 10);
    for (uint32_t i = 1; i <= options.made; i++) {
        g_autofree char *name = g_strdup_printf("%03u.svg", i);
        g_autofree char *path = g_build_filename(frames, name, NULL);
        g_autofree char *text = NULL;
        cr_assert(g_file_get_contents(path, &text, NULL, NULL), "%s", path);
        *strchr(text, '\n') = '\0';
        if (head == NULL)
            head = g_strdup(text);
        cr_assert_str_eq(text, head, "width and height");
    }
    uint32_t all = options.made;
    options.only = "T1";
    cr_assert(mob_lineage_export(&options, NULL));
    cr_assert_lt(options.made, all);
    options.only = "T77";
    g_autoptr(GError) error = NULL;
    cr_assert(!mob_lineage_export(&options, &error));
    cr_assert_not_null(error);
    place_clear(&place);
}

Test(lineage, folds_by_name_what_nobody_could_read)
{
    g_autoptr(Told) few = told_map_reduce(16);
    g_autoptr(Told) many = told_map_reduce(45);
    Place few_place = place_of(few, "few");
    Place many_place = place_of(many, "many");
    g_autofree char *each = drawn(&few_place, NULL, false);
    g_autofree char *folded = drawn(&many_place, NULL, false);

    cr_assert_not_null(strstr(each, "<g id=\"T144\""));
    cr_assert_null(strstr(folded, "<g id=\"T1\""));
    cr_assert_not_null(strstr(folded, ">map ×360<"));
    cr_assert_not_null(strstr(folded, ">merge ×45<"));
    cr_assert_not_null(strstr(folded, ">4 replayed: T19, T20, T21 …<"));
    cr_assert_eq(occurrences(folded, "class=\"task "), 2);
    cr_assert_eq(occurrences(folded, "class=\"object "), 2);
    place_clear(&few_place);
    place_clear(&many_place);
}

Test(lineage, names_of_programs_cannot_break_the_picture)
{
    static const char *const labels[] = {
        "<script>alert(1)</script>",
        "a & b \"c\" 'd'",
        "back\\slash \\N \\l",
        "line\nbreak",
        "\x01\xff\xfe",
        "日本語のとても長い名前がここにあります、もっと長く、もっと",
        "",
        "%s%n%d",
        "<b>x</b>",
    };
    g_autoptr(Told) told = told_new();
    told_cluster(told);
    for (uint32_t i = 0; i < G_N_ELEMENTS(labels); i++) {
        char path[] = {(char)('1' + i), '\0'};
        MobTaskSpec *spec = told_spec(told, path, labels[i], told_driver, (MobTaskId){1, 1}, 1);
        told_submitted(told, MOB_MS, spec, NULL);
    }
    Place place = place_of(told, "<names> & \"such\"");
    g_autofree char *svg = drawn(&place, NULL, false);
    g_autofree char *dot = drawn(&place, NULL, true);

    expect_markup(svg);
    cr_assert_null(strstr(svg, "<script"));
    cr_assert(g_utf8_validate(svg, -1, NULL));
    cr_assert_not_null(strstr(dot, "T9"));
    place_clear(&place);
}

Test(lineage, does_not_depend_on_the_locale)
{
    g_autoptr(Told) told = told_kill_task_2();
    Place place = place_of(told, "kill-task-2");
    g_autofree char *plain = drawn(&place, NULL, false);

    /* Where no such locale is installed, this says less, but nothing wrong. */
    if (setlocale(LC_ALL, "de_DE.UTF-8") == NULL)
        setlocale(LC_ALL, "");
    g_autofree char *german = drawn(&place, NULL, false);
    setlocale(LC_ALL, "C");
    cr_assert(g_str_equal(plain, german));
    place_clear(&place);
}

Test(lineage, reads_moments)
{
    static const struct {
        const char *text;
        uint64_t seq;
        MobTime at;
    } good[] = {
        {"28.6ms", 0, 28600000},
        {"2s", 0, 2000000000},
        {"150us", 0, 150000},
        {"17", 0, 17},
        {"0.5us", 0, 500},
        {"@58", 58, 0},
        {"1.000000001s", 0, 1000000001},
    };
    static const char *const bad[] = {"", "ms", "@", "@x", "@5ms", "-1ms", "3 ms", "1h", "x"};

    for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
        MobMoment moment;
        cr_assert(mob_lineage_moment(good[i].text, &moment, NULL), "%s", good[i].text);
        cr_assert_eq(moment.seq, good[i].seq, "%s", good[i].text);
        cr_assert_eq(moment.at, good[i].at, "%s", good[i].text);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        MobMoment moment;
        g_autoptr(GError) error = NULL;
        cr_assert(!mob_lineage_moment(bad[i], &moment, &error), "%s", bad[i]);
        cr_assert_not_null(strstr(error->message, "28.6ms"), "it says how");
    }
}

Test(lineage, what_cannot_be_drawn_is_an_error_that_says_why)
{
    g_autoptr(Told) told = told_kill_task_2();
    g_autoptr(Told) idle = told_new();
    told_cluster(idle);
    Place place = place_of(told, "kill-task-2");
    Place empty = place_of(idle, "idle");
    g_autofree char *text_file = g_build_filename(place.folder, "not.db", NULL);
    g_autofree char *strange = g_build_filename(place.folder, "x.jpeg", NULL);
    g_autofree char *nowhere = g_build_filename(place.folder, "no", "x.svg", NULL);
    g_autofree char *good = g_build_filename(place.folder, "x.svg", NULL);
    g_file_set_contents(text_file, "this is no database, but long enough to look like one", -1,
                        NULL);
    const struct {
        MobLineageOptions options;
        const char *says;
    } cases[] = {
        {{.db = "/nowhere/run.db", .output = good}, "run something first"},
        {{.db = text_file, .output = good}, "not a database"},
        {{.db = place.db, .output = strange}, ".svg, .dot, .png and .pdf"},
        {{.db = place.db, .output = nowhere}, "cannot write"},
        {{.db = place.db, .output = good, .at = "noon"}, "28.6ms"},
        {{.db = place.db, .output = good, .run = 9}, "no cluster 9"},
        {{.db = empty.db, .output = good}, "nothing to draw"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        MobLineageOptions options = cases[i].options;
        g_autoptr(GError) error = NULL;
        cr_assert(!mob_lineage_export(&options, &error), "%s", cases[i].says);
        cr_assert_not_null(error, "%s", cases[i].says);
        cr_assert_not_null(strstr(error->message, cases[i].says), "%s", error->message);
        cr_assert(!g_file_test(good, G_FILE_TEST_EXISTS));
    }
    g_autoptr(GString) svg = g_string_new(NULL);
    cr_assert(!mob_lineage_of_state(idle->state, "idle", 0, svg));
    cr_assert_eq(svg->len, 0);
    place_clear(&place);
    place_clear(&empty);
}

Test(lineage, png_and_pdf_are_made_where_librsvg_is)
{
    g_autoptr(Told) told = told_kill_task_2();
    Place place = place_of(told, "kill-task-2");
    static const char *const names[] = {"x.png", "x.pdf"};
    static const char *const magic[] = {"\x89PNG", "%PDF"};

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(place.folder, names[i], NULL);
        g_autofree char *bytes = NULL;
        g_autoptr(GError) error = NULL;
        gsize size = 0;
        MobLineageOptions options = {.db = place.db, .output = path};
        if (!mob_lineage_export(&options, &error)) {
            cr_assert_not_null(strstr(error->message, "librsvg"), "%s", error->message);
            cr_assert(!g_file_test(path, G_FILE_TEST_EXISTS));
            continue;
        }
        cr_assert(g_file_get_contents(path, &bytes, &size, NULL));
        cr_assert_gt(size, 1000);
        cr_assert_eq(memcmp(bytes, magic[i], 4), 0);
    }
    place_clear(&place);
}
