/* test_cli.c: the small parts of the command; cli.sh tests it as a whole. */
#include <criterion/criterion.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/folder.h"
#include "cli/json.h"
#include "cli/text.h"
#include "runtime/cbor.h"
#include "runtime/fault.h"

Test(cli, times_are_read_with_their_units)
{
    static const struct {
        const char *text;
        MobTime time;
    } good[] = {
        {"0", 0},       {"20ms", 20 * MOB_MS}, {"1.5s", 1500 * MOB_MS}, {"3us", 3000},
        {"250ns", 250}, {"2", 2 * MOB_SECOND}, {"28.6 ms", 28600000},   {"1min", 60 * MOB_SECOND}};
    static const char *const bad[] = {"",          "ms",    "-1s", "@57",
                                      "5 parsecs", "1e30s", "nan", "1.5.2s"};
    for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
        MobTime time = 99;
        cr_expect(mob_parse_time(good[i].text, &time), "%s", good[i].text);
        cr_expect_eq(time, good[i].time, "%s", good[i].text);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        MobTime time = 99;
        cr_expect(!mob_parse_time(bad[i], &time), "%s", bad[i]);
        cr_expect_eq(time, 99);
    }
}

Test(cli, the_nearest_word_is_found_and_no_far_one)
{
    static const char *const words[] = {"run", "test", "replay", "check", "export", NULL};
    cr_expect_str_eq(mob_nearest("rnu", words), "run");
    cr_expect_str_eq(mob_nearest("tset", words), "test");
    cr_expect_str_eq(mob_nearest("exprot", words), "export");
    cr_expect_str_eq(mob_nearest("rep", words), "replay");
    cr_expect_null(mob_nearest("xyzzy", words));
    cr_expect_null(mob_nearest("", words));
    g_autofree char *endless = g_strnfill(10000, 'r');
    cr_expect_null(mob_nearest(endless, words));
}

Test(cli, json_is_json_whatever_the_bytes)
{
    g_autoptr(GString) text = g_string_new(NULL);
    MobJson json = mob_json(text);
    mob_json_open(&json, '{');
    mob_json_put_text(&json, "a", "line\n\"quote\" \\ \t \x01 \xff ü");
    mob_json_key(&json, "b");
    mob_json_open(&json, '[');
    mob_json_int(&json, INT64_MIN);
    mob_json_uint(&json, UINT64_MAX);
    mob_json_double(&json, 0.1);
    mob_json_double(&json, 1.0 / 3);
    mob_json_double(&json, (double)INFINITY);
    mob_json_bool(&json, true);
    mob_json_text(&json, NULL);
    mob_json_bytes(&json, "nul\0!", 5);
    mob_json_close(&json, ']');
    mob_json_close(&json, '}');
    cr_expect_str_eq(text->str,
                     "{\"a\":\"line\\n\\\"quote\\\" \\\\ \\t \\u0001 \uFFFD ü\",\"b\":["
                     "-9223372036854775808,18446744073709551615,0.1,0.3333333333333333,null,"
                     "true,null,\"nul\uFFFD!\"]}");
}

/* {[1] = "x", name = {1, 2.0, true, nil}, data = 3 MiB} */
static MobValue *
make_value(void)
{
    MobCborWriter writer;
    mob_cbor_init(&writer);
    mob_cbor_map(&writer, 3);
    mob_cbor_int(&writer, 1);
    mob_cbor_string(&writer, "x", 1);
    mob_cbor_string(&writer, "name", 4);
    mob_cbor_array(&writer, 4);
    mob_cbor_int(&writer, 1);
    mob_cbor_float(&writer, 2.0);
    mob_cbor_bool(&writer, true);
    mob_cbor_nil(&writer);
    mob_cbor_string(&writer, "data", 4);
    mob_cbor_fill(&writer, 3 << 20, 7);
    MobValue *value = mob_cbor_finish(&writer, 0);
    mob_cbor_clear(&writer);
    return value;
}

Test(cli, values_are_shown_as_lua_writes_them_and_as_json)
{
    g_autoptr(MobValue) value = make_value();
    g_autoptr(GString) text = g_string_new(NULL);
    mob_term_value(text, value, 200);
    cr_expect_str_eq(text->str,
                     "{[1] = \"x\", name = {1, 2.0, true, nil}, data = 3.0 MiB of bytes}");
    g_string_truncate(text, 0);
    mob_term_value(text, value, 5);
    cr_expect_lt(text->len, 30, "%s", text->str);
    g_string_truncate(text, 0);
    MobJson json = mob_json(text);
    mob_json_value(&json, value);
    cr_expect_str_eq(text->str,
                     "{\"1\":\"x\",\"name\":[1,2,true,null],\"data\":{\"bytes\":3145728}}");

    g_autoptr(MobValue) fault = mob_fault_value(
        &(MobFault){.kind = MOB_FAULT_NODE_DIED, .message = "n1 died", .task = "T2 parse"});
    g_string_truncate(text, 0);
    mob_term_value(text, fault, 200);
    cr_expect_str_eq(text->str, "NodeDiedError: n1 died");
    g_string_truncate(text, 0);
    mob_term_value(text, NULL, 200);
    cr_expect_str_eq(text->str, "nil");
}

Test(cli, sizes_times_and_hashes_fit_their_columns)
{
    g_autoptr(GString) text = g_string_new(NULL);
    mob_term_bytes(text, 1023);
    g_string_append_c(text, ' ');
    mob_term_bytes(text, 8 << 20);
    g_string_append_c(text, ' ');
    mob_term_bytes(text, UINT64_MAX);
    g_string_append_c(text, ' ');
    mob_term_duration(text, 41940 * MOB_US);
    g_string_append_c(text, ' ');
    mob_term_duration(text, 75 * MOB_SECOND);
    g_string_append_c(text, ' ');
    mob_term_hash(text, UINT64_C(0x9f3c00000000001a));
    cr_expect_str_eq(text->str, "1023 B 8.0 MiB 16777215.9 TiB 41.9 ms 75.0 s 9f3c·001a");
    cr_expect_eq(mob_term_width("▸ n1/w0"), 7);

    MobTerm term = {.ascii = true};
    g_autofree char *plain = mob_term_render(&term, "✓ O1 ← T1 …");
    cr_expect_str_eq(plain, "+ O1 <- T1 ...");
    cr_expect(!mob_term_init(&term, "blue", false));
}

Test(cli, a_run_folder_is_whole_or_not_there)
{
    g_autofree char *place = g_dir_make_tmp("mobula-XXXXXX", NULL);
    g_autofree char *before = g_get_current_dir();
    g_autoptr(GError) error = NULL;
    MobFolder folder;
    cr_assert_eq(g_chdir(place), 0);

    cr_assert_null(mob_folder_newest(&error));
    cr_assert(mob_folder_begin(&folder, "a/lesson.lua", 7, NULL));
    cr_assert(mob_folder_write(&folder, "run.db", "first", -1, NULL));
    cr_expect(!g_file_test("runs/lesson/7", G_FILE_TEST_EXISTS));
    mob_folder_clear(&folder); /* given up */
    cr_expect(!g_file_test("runs", G_FILE_TEST_EXISTS), "nothing is left of it");

    for (int i = 0; i < 2; i++) { /* the second takes the place of the first */
        cr_assert(mob_folder_begin(&folder, "a/lesson.lua", 7, NULL));
        cr_assert(mob_folder_write(&folder, "run.db", i == 0 ? "first" : "second", -1, NULL));
        cr_assert(mob_folder_finish(&folder, NULL));
        mob_folder_clear(&folder);
    }
    g_autofree char *text = mob_read_whole("runs/lesson/7/run.db", NULL, NULL);
    cr_expect_str_eq(text, "second");
    g_autofree char *newest = mob_folder_newest(NULL);
    cr_expect_str_eq(newest, "runs/lesson/7");
    g_autoptr(GDir) dir = g_dir_open("runs/lesson", 0, NULL);
    cr_expect_str_eq(g_dir_read_name(dir), "7");
    cr_expect_null(g_dir_read_name(dir));
    cr_assert_eq(g_chdir(before), 0);
    mob_remove_tree(place);
}
