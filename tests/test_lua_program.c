/* How a program is read, checked and cut. */
#include "lua/errors.h"
#include "lua/sandbox.h"
#include "lua/source.h"
#include "tests/lua_fake.h"

Test(lua_program, a_bundle_has_the_files_and_an_id_of_their_contents)
{
    const char *files[] = {"dir/sums.lua",
                           "#!/usr/bin/mobula\nlocal m = require 'mobula'\n"
                           "local h = require 'lib.help'\nlocal other = require 'other'\n"
                           "function m.main(a, b) return h.twice(other) .. a .. b end\n",
                           "dir/lib/help.lua",
                           "return { twice = function(x) return x .. x end }\n",
                           "dir/other/init.lua",
                           "return 'o'",
                           NULL};
    g_autoptr(Fake) fake = fake_load(files);
    size_t length;
    bool is_inline = true;

    g_autofree char *entry = mob_lua_program_entry(fake->bundle, &is_inline);
    cr_assert_str_eq(entry, "sums.lua");
    cr_assert_not(is_inline);
    cr_assert(mob_lua_program_check(fake->bundle));
    cr_assert(g_str_has_prefix(mob_str(fake->bundle_id), "sha256:"));
    cr_assert_eq(fake->bundle_id->length, 7 + 64);
    cr_assert_not_null(mob_lua_program_file(fake->bundle, "lib/help.lua", &length));
    cr_assert_null(mob_lua_program_file(fake->bundle, "nothing.lua", &length));
    g_autoptr(MobValue) parsed = mob_value_parse(fake->bundle->bytes, fake->bundle->length, NULL);
    cr_assert_not_null(parsed, "the bundle is in the deterministic encoding");

    g_autoptr(MobValue) value = fake_main(fake, (const char *const[]){"1", "2", NULL});
    cr_assert_eq(value->length, 5);
    cr_assert_arr_eq(value->bytes, "\x64oo12", 5);

    /* where the files are does not matter, what is in them does */
    files[0] = "sums.lua";
    files[2] = "lib/help.lua";
    files[4] = "other/init.lua";
    g_autoptr(Fake) same = fake_load(files);
    cr_assert_str_eq(mob_str(same->bundle_id), mob_str(fake->bundle_id));
    files[5] = "return 'p'";
    g_autoptr(Fake) changed = fake_load(files);
    cr_assert_str_neq(mob_str(changed->bundle_id), mob_str(fake->bundle_id));
}

Test(lua_program, a_program_that_cannot_be_loaded_says_where_and_why)
{
    assert_refuses("local m = require 'mobula'\nfunction m.main(\n", "test.lua:3:");
    assert_refuses("local m = require 'mobula'\nerror('early')\n", "test.lua:2: early");
    assert_refuses("local m = require 'mobula'\n", "test.lua sets no main");
    assert_refuses("\x1bLua", "test.lua");
    assert_refuses("local x = require 'nothing'", "module 'nothing' not found", "test.lua");
    assert_refuses("local x = require '../etc/passwd'", "is named like a file beside the program");
    assert_refuses("local x = require 'mobula.sim'", "for scenarios");
    assert_refuses("while true do end", "LoopError", "test.lua:1");
    assert_refuses(
        "local m = require 'mobula'\nlocal f = m.remote('f', function() end, { num_cpu = 2 })",
        "error[E105]: tasks have no option 'num_cpu'; did you mean 'num_cpus'?", "--> test.lua:2");
    assert_refuses(
        "local m = require 'mobula'\nm.remote('f', function() end)\nm.remote('f', function() end)",
        "test.lua:3: there are two tasks named 'f'");
    assert_refuses("local m = require 'mobula'\nm.remote('main', function() end)",
                   "is the driver's");
    assert_refuses("local m = require 'mobula'\nm.remote(print)", "not one of the library");
    assert_refuses("local m = require 'mobula'\nm.mian = function() end",
                   "sets main in the module");
    fake_refuses((const char *const[]){"a.lua", "require 'b'", "b.lua", "require 'c'", "c.lua",
                                       "require 'b'", NULL},
                 (const char *const[]){"c.lua:1: module 'b' requires itself", NULL});
    fake_refuses((const char *const[]){"a.lua", "require 'b'", "b.lua", "local x = = 1", NULL},
                 (const char *const[]){"b.lua:1:", NULL});
    fake_refuses((const char *const[]){"missing.lua", NULL},
                 (const char *const[]){"missing.lua: there is no such file", NULL});
}

Test(lua_program, effects_at_the_top_level_are_refused)
{
    static const char *const effects[] = {"f.remote()",  "print(1)",
                                          "m.get(1)",    "m.random()",
                                          "m.now()",     "m.put(1)",
                                          "m.log('x')",  "math.random(3)",
                                          "os.time()",   "m.sleep(1)",
                                          "m.context()", "m.read('x')",
                                          "m.wait({})",  "coroutine.wrap(m.get)"};

    for (size_t i = 0; i < G_N_ELEMENTS(effects); i++) {
        g_autofree char *text = g_strdup_printf("local m = require 'mobula'\n"
                                                "local f = m.remote('f', function() end)\n"
                                                "%s\nfunction m.main() end\n",
                                                effects[i]);
        assert_refuses(text, "error[E102]: ", "at the top level of a program", "--> test.lua:3",
                       "function m.main(...)");
    }
}

Test(lua_program, tasks_are_called_after_what_defines_them)
{
    assert_prints("local square = m.remote(function() end)\n"
                  "local T = {}\n"
                  "T.cube = m.remote(function() return square.remote() end)\n"
                  "local list = { m.remote(function() end), m.remote(function() end) }\n"
                  "T.square = m.remote(function() end)\n"
                  "function m.main() print(square, T.cube, list[1], list[2], T.square) end\n",
                  "task square\ttask cube\ttask test.lua:5\ttask test.lua:5#2\ttask test.lua:6\n");
}

Test(lua_program, a_task_inside_a_function_travels_as_its_text)
{
    assert_prints("local base, unit = 100, { one = 1 }\n"
                  "local function helper(x) return x + base end\n"
                  "local function define()\n"
                  "  return m.remote('deep', function(x) return helper(x) + unit.one end)\n"
                  "end\n"
                  "function m.main(...)\n"
                  "  local scale = m.remote(function(x, k) -- end ]] function\n"
                  "    local s = \"end\" .. [[ function ]] .. 'if'\n"
                  "    for i = 1, 2 do if i > 1 then repeat local y = 1 until true end end\n"
                  "    m.compute('1ms')\n"
                  "    return x * k + base, #s\n"
                  "  end)\n"
                  "  local function plain(x) return helper(x), m.now() end\n"
                  "  local a, b = scale.options { num_returns = 2 }.remote(3, 4)\n"
                  "  print(m.get(a), m.get(b), scale)\n"
                  "  local c, d = m.remote(plain).options { num_returns = 2 }.remote(1)\n"
                  "  print(m.get(c), m.get({ c, d })[1])\n"
                  "  print(m.get(define().remote(5)))\n"
                  "end\n",
                  "112\t15\ttask scale\n101\t101\n106\n");
}

Test(lua_program, a_captured_local_is_shown_in_the_source)
{
    const char *files[] = {"sums.lua",
                           "local m = require 'mobula'\n"
                           "\n\n\n\n\n\n\n\n\n"
                           "function m.main(arg)\n"
                           "  local k = tonumber(arg)\n"
                           "  local scale = m.remote(function(x)\n"
                           "    return x * k\n"
                           "  end)\n"
                           "end\n",
                           NULL};
    g_autoptr(Fake) fake = fake_load(files);
    g_autofree char *report = fake_report(fake);

    cr_assert_str_eq(
        report, "TaskError: task 'scale' uses 'k', which exists only in this run\n"
                "  --> sums.lua:14\n"
                "   12 |   local k = tonumber(arg)\n"
                "   13 |   local scale = m.remote(function(x)\n"
                "   14 |     return x * k\n"
                "      |                ^ a local of main()\n"
                "   = workers load sums.lua again and call 'scale' by name; they never see this k\n"
                "   = pass it:   m.remote(\"scale\", function(x, k) return x * k end)   …   "
                "scale.remote(x, k) [E103]\n"
                "  in task main, on n1/w0\n"
                "  sums.lua:13\n");
    assert_fails("function m.main() local f, g = m.remote(function() return 1 end), "
                 "m.remote(function() return 2 end) end\n",
                 "[E112]", "two functions start on this line");
    assert_fails("function m.main()\n  local one = m.remote(function() return 1 end)\n"
                 "  local two = m.remote(function() return m.get(one.remote()) end)\nend\n",
                 "task 'two' uses 'one', which exists only in this run",
                 "a task that others submit belongs to the top level", "[E103]");
}

static char *
make_inline(const char *text, MobValue **bundle, MobStr **id)
{
    MobLuaSandbox sandbox = {.keep_globals = true};
    lua_State *lua = mob_lua_sandbox_open(&sandbox);
    GError *error = NULL;

    cr_assert_eq(mob_lua_sandbox_load(lua, "spec.lua", text, strlen(text)), LUA_OK, "%s",
                 lua_tostring(lua, -1));
    lua_call(lua, 0, 1);
    *bundle = mob_lua_program_inline(lua, -1, "spec.lua", text, id, &error);
    lua_close(lua);
    if (*bundle != NULL)
        return NULL;
    char *message = g_strdup(error->message);
    g_error_free(error);
    return message;
}

Test(lua_program, a_function_of_a_scenario_is_a_program)
{
    MobValue *bundle = NULL;
    MobStr *id = NULL;
    g_autofree char *none = make_inline("local x = 1\n"
                                        "return function(m, word)\n"
                                        "  local f = m.remote('f', function(x)\n"
                                        "    return x .. m.context().task\n"
                                        "  end)\n"
                                        "  print(m.get(f.remote(word)))\n"
                                        "  error('here')\n"
                                        "end\n",
                                        &bundle, &id);
    cr_assert_null(none);
    g_autoptr(Fake) fake = fake_new(bundle, id);
    g_autoptr(MobValue) value = fake_main(fake, (const char *const[]){"w", NULL});
    g_autoptr(GString) report = g_string_new(NULL);
    mob_fault_report(value, report);
    cr_assert_str_eq(fake->output->str, "wT1\n", "%s", report->str);
    cr_assert_str_eq(report->str, "TaskError: here\n  in task main, on n1/w0\n  spec.lua:7\n");

    g_autofree char *captured = make_inline("local n = 4\n"
                                            "return function(m)\n"
                                            "  return n\n"
                                            "end\n",
                                            &bundle, &id);
    cr_assert_str_eq(captured, "error[E103]: task 'main' uses 'n', which exists only in this run\n"
                               "  --> spec.lua:3\n"
                               "    1 | local n = 4\n"
                               "    2 | return function(m)\n"
                               "    3 |   return n\n"
                               "      |          ^ a local of this run\n"
                               "   = the program runs in the cluster, where there is no n\n"
                               "   = pass it:   c:submit(function(m, n) … end, n)");
    g_autofree char *twice =
        make_inline("return (function() return 1 end) and function() return 2 end", &bundle, &id);
    cr_assert(strstr(twice, "error[E112]") != NULL);
}

Test(lua_program, a_broken_bundle_is_a_body_that_raises)
{
    static const uint8_t nonsense[] = {0x83, 0x65, 'e', 'n', 't', 'r', 'y', 0x01};
    MobValue *bundle = mob_value_new(nonsense, sizeof nonsense, sizeof nonsense, NULL, 0, 0);

    cr_assert_not(mob_lua_program_check(bundle));
    g_autoptr(Fake) fake = fake_new(bundle, mob_str_new("sha256:0"));
    g_autofree char *report = fake_report(fake);
    cr_assert(strstr(report, "TaskError: ") != NULL, "%s", report);

    /* a task that the program does not have */
    g_autoptr(Fake) other = fake_text("local m = require 'mobula'\nfunction m.main() end\n");
    static const char *const names[] = {"nothing", "f@test.lua:1:1[]", "f@x[a]", "@:1:[",
                                        "f@test.lua:2:2[x]"};
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(MobTaskSpec) spec = mob_spec_new();
        g_autoptr(MobArgs) args = mob_args_new(0);
        spec->function = mob_str_new(names[i]);
        spec->bundle = mob_str_ref(other->bundle_id);
        spec->returns = 1;
        MobValue **values = fake_body(other, spec, args);
        g_autoptr(GString) text = g_string_new(NULL);
        if (i < 4) {
            cr_assert_neq(values[0]->fault, 0, "%s", names[i]);
            mob_fault_report(values[0], text);
            cr_assert(strstr(text->str, "the program has no task") != NULL, "%s", text->str);
        }
        mob_value_unref(values[0]);
        g_free(values);
    }
}

Test(lua_program, programs_are_told_from_scenarios_by_what_they_set)
{
    cr_assert(mob_lua_is_program("local m = require 'mobula'\nfunction m.main() end"));
    cr_assert(mob_lua_is_program("local ray = require 'mobula'\nray.main = function() end"));
    cr_assert_not(mob_lua_is_program("local sim = require 'mobula.sim'\nfunction m.main() end"));
    cr_assert_not(mob_lua_is_program("-- function m.main() end\nlocal s = 'm.main = 1'"));
    cr_assert_not(mob_lua_is_program(""));
}

Test(lua_program, every_code_has_a_title_and_help)
{
    size_t at = 0;
    unsigned count = 0;

    for (const char *code; (code = mob_lua_code_next(&at)) != NULL; count++) {
        cr_assert_not_null(mob_lua_code_title(code));
        cr_assert(strlen(mob_lua_code_help(code)) > 100, "%s", code);
    }
    cr_assert_geq(count, 13);
    cr_assert_null(mob_lua_code_help("E999"));
}
