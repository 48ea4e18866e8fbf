/* Lua values as CBOR and back. */
#include "lua/errors.h"
#include "lua/refs.h"
#include "lua/sandbox.h"
#include "lua/value.h"
#include "tests/lua_fake.h"

typedef struct {
    MobLuaSandbox sandbox;
    lua_State *lua;
} Lua;

static void
open_lua(Lua *lua)
{
    *lua = (Lua){0};
    lua->lua = mob_lua_sandbox_open(&lua->sandbox);
}

/* The encoding of what @expression gives, in hexadecimal. */
static char *
encode(Lua *lua, const char *expression)
{
    g_autofree char *text = g_strconcat("return ", expression, NULL);
    GString *hex = g_string_new(NULL);

    cr_assert_eq(mob_lua_sandbox_load(lua->lua, "x", text, strlen(text)), LUA_OK);
    lua_call(lua->lua, 0, 1);
    g_autoptr(MobValue) value = mob_lua_to_value(lua->lua, -1, "it");
    for (uint32_t i = 0; i < value->length; i++)
        g_string_append_printf(hex, "%02x", value->bytes[i]);
    g_autoptr(MobValue) parsed = mob_value_parse(value->bytes, value->length, NULL);
    cr_assert_not_null(parsed, "%s is in the deterministic encoding", expression);
    cr_assert_eq(parsed->hash, value->hash);
    lua_settop(lua->lua, 0);
    return g_string_free(hex, FALSE);
}

#define assert_encodes(expression, hex)                                                            \
    do {                                                                                           \
        g_autofree char *encoded_ = encode(&lua, expression);                                      \
        cr_assert_str_eq(encoded_, hex, "%s: %s", expression, encoded_);                           \
    } while (0)

Test(lua_value, values_have_one_encoding)
{
    Lua lua;

    open_lua(&lua);
    assert_encodes("nil", "f6");
    assert_encodes("true", "f5");
    assert_encodes("-1", "20");
    assert_encodes("1000000", "1a000f4240");
    assert_encodes("1.0", "f93c00");
    assert_encodes("0/0", "f97e00");
    assert_encodes("'a'", "6161");
    assert_encodes("'\\xff'", "41ff");
    assert_encodes("{}", "80");
    assert_encodes("{ 1, 2, 3 }", "83010203");
    assert_encodes("{ 1, nil, 3 }", "a201010303");
    assert_encodes("{ b = 1, aa = 2, [1] = 3, [-1] = 4, [true] = 5, [1.5] = 6, ['\\xff'] = 7 }",
                   "a701032004"
                   "41ff07"
                   "616201"
                   "62616102"
                   "f505"
                   "f93e0006");
    assert_encodes("{ { {} } }", "818180");
    lua_close(lua.lua);
}

/* Turns what is on top into a value and back, on top again. */
static void
through(Lua *lua)
{
    MobValue *value = mob_lua_to_value(lua->lua, -1, "it");

    lua_pop(lua->lua, 1);
    mob_lua_push_value(lua->lua, value, NULL);
    mob_value_unref(value);
}

static int
lua_through(lua_State *lua)
{
    Lua all = {.lua = lua};

    through(&all);
    return 1;
}

Test(lua_value, values_come_back_as_they_were)
{
    static const char text[] =
        "local function same(a, b)\n"
        "  if type(a) ~= 'table' then\n"
        "    return rawequal(a, b) and math.type(a) == math.type(b) or a ~= a and b ~= b end\n"
        "  for k in pairs(a) do if not same(a[k], b[k]) then return false end end\n"
        "  for k in pairs(b) do if a[k] == nil then return false end end\n"
        "  return true\n"
        "end\n"
        "local deep = {}\n"
        "for i = 1, 55 do deep = { deep } end\n"
        "local long, wide = {}, {}\n"
        "for i = 1, 1000 do long[i] = i * 1.5 wide['key' .. i] = -i end\n"
        "for _, v in ipairs { 1, 1.0, -0.0, math.maxinteger, math.mininteger, 1e308, 2^53, "
        "'x\\0y', '',\n"
        "    ('x'):rep(70000), '\\xff\\0', true, false, 0/0, 1/0, -1/0, {}, { {} }, { 1, { 2, x = "
        "'y' } },\n"
        "    { [1] = 1, [3] = 3 }, { [0.5] = 1, [false] = 2 }, deep, long, wide } do\n"
        "  assert(same(v, through(v)), tostring(v))\n"
        "end\n"
        "local shared = { 1 }\n"
        "local flat = through { shared, shared }\n"
        "assert(flat[1] ~= flat[2] and flat[2][1] == 1)\n"
        "local frozen = {}\n"
        "assert(not pcall(through, print))\n"
        "local ok, err = pcall(through, { a = { b = { ['x y'] = print } } })\n"
        "assert(err.message == 'cannot travel: it.a.b[\"x y\"]: a function', err.message)\n"
        "for i = 1, 20 do deep = { deep } end\n"
        "local ok, err = pcall(through, deep)\n"
        "assert(err.code == 'E104' and err.message:find('nested too deeply'), err.message)\n"
        "local loop = {} loop[1] = loop\n"
        "local ok, err = pcall(through, loop)\n"
        "assert(err.message:find('contains itself'), err.message)\n";
    Lua lua;

    open_lua(&lua);
    lua_pushcfunction(lua.lua, lua_through);
    lua_setglobal(lua.lua, "through");
    cr_assert_eq(mob_lua_sandbox_load(lua.lua, "x", text, strlen(text)), LUA_OK, "%s",
                 lua_tostring(lua.lua, -1));
    cr_assert_eq(lua_pcall(lua.lua, 0, 0, 0), LUA_OK, "%s", lua_tostring(lua.lua, -1));
    lua_close(lua.lua);
}

static int
push_bytes(lua_State *lua)
{
    mob_lua_push_bytes(lua, (uint64_t)lua_tointeger(lua, 1), (uint64_t)lua_tointeger(lua, 2));
    return 1;
}

Test(lua_value, bytes_are_a_rule_until_somebody_looks)
{
    Lua lua;

    open_lua(&lua);
    mob_lua_push_bytes(lua.lua, UINT64_C(1) << 40, 5);
    g_autoptr(MobValue) value = mob_lua_to_value(lua.lua, -1, "it");
    cr_assert_eq(value->size - value->length, UINT64_C(1) << 40);
    cr_assert_lt(value->length, 32);
    lua_close(lua.lua);

    g_autofree char *printed = fake_print(
        "local m = require 'mobula'\n"
        "local f = m.remote('f', function(b) return #b, b end, { num_returns = 2 })\n"
        "function m.main()\n"
        "  local b = m.bytes('1GiB', 3)\n"
        "  local n, back = f.remote(b)\n"
        "  print(m.get(n), m.get(back) == b, m.bytes(4) == m.bytes(4, 0), b == m.bytes(9, 3))\n"
        "  print(#b:sub(1, 100), b:sub(5, 5):byte() == b:byte(5), b:sub(-3) == b:sub(#b - 2))\n"
        "  print(b:sub(10, 9) == '', pcall(b.sub, b, 1))\n"
        "  print(b:byte(1, 17))\n"
        "end\n");
    g_autoptr(GString) expected =
        g_string_new("1073741824\ttrue\ttrue\tfalse\n100\ttrue\ttrue\n"
                     "true\tfalse\tb:sub: a string of more than 64 MiB; take it in pieces\n");
    for (uint64_t i = 0; i < 17; i++)
        g_string_append_printf(expected, "%u%c",
                               (unsigned)(mob_mix(3 + i / 8) >> 8 * (i % 8) & 0xff),
                               i < 16 ? '\t' : '\n');
    cr_assert_str_eq(printed, expected->str);
}

static void
count(void *data)
{
    ++*(int *)data;
}

/* The value of @expression, written out to @bytes, which the value then uses. */
static MobValue *
write_out(Lua *lua, const char *expression, uint8_t **bytes, int *released)
{
    g_autofree char *text = g_strconcat("return ", expression, NULL);

    cr_assert_eq(mob_lua_sandbox_load(lua->lua, "x", text, strlen(text)), LUA_OK);
    lua_call(lua->lua, 0, 1);
    g_autoptr(MobValue) rule = mob_lua_to_value(lua->lua, -1, "it");
    lua_settop(lua->lua, 0);
    *bytes = g_malloc(rule->size);
    mob_value_write_out(rule, *bytes);
    return mob_value_parse_in_place(*bytes, rule->size, rule->hash, (MobHold){count, released},
                                    NULL);
}

Test(lua_value, bytes_that_are_written_out_are_seen_where_they_are)
{
    static const char text[] =
        "local v, rule, n = ...\n"
        "local b = v.b\n"
        "assert(#b == n and b == rule and rule == b and tostring(b) == tostring(rule))\n"
        "assert(b:byte(1) == 99 and b:sub(1, 1) == 'c', 'what was changed there is seen')\n"
        "assert(b:sub(2) == rule:sub(2) and b:sub(5000, 9000) == rule:sub(5000, 9000))\n"
        "assert(b:byte(-1) == rule:byte(-1) and b:sub(3, 2) == '' and b:len() == n)\n"
        "assert(b ~= v.other and #v.other == n)\n"
        "return b\n";
    Lua lua;
    g_autofree uint8_t *bytes = NULL;
    int released = 0;

    open_lua(&lua);
    lua_pushcfunction(lua.lua, push_bytes);
    lua_setglobal(lua.lua, "bytes");
    MobValue *value =
        write_out(&lua, "{ b = bytes(100000, 3), other = bytes(100000, 4) }", &bytes, &released);
    cr_assert_eq(value->bytes, bytes);
    uint8_t *first = memchr(bytes, mob_fill_byte(3, 0), value->length);
    cr_assert_eq(first[1], mob_fill_byte(3, 1));
    *first = 99;
    cr_assert_eq(mob_lua_sandbox_load(lua.lua, "x", text, strlen(text)), LUA_OK);
    mob_lua_push_value(lua.lua, value, NULL);
    mob_lua_push_bytes(lua.lua, 100000, 3);
    lua_pushinteger(lua.lua, 100000);
    mob_value_unref(value);
    cr_assert_eq(lua_pcall(lua.lua, 3, 1, 0), LUA_OK, "%s", lua_tostring(lua.lua, -1));

    g_autoptr(MobValue) back = mob_lua_to_value(lua.lua, -1, "it");
    cr_assert_lt(back->length, 32, "it goes on as its rule");
    lua_gc(lua.lua, LUA_GCCOLLECT);
    cr_assert_eq(released, 0, "somebody has it");
    lua_settop(lua.lua, 0);
    lua_gc(lua.lua, LUA_GCCOLLECT);
    cr_assert_eq(released, 1);
    lua_close(lua.lua);
}

Test(lua_value, errors_travel_inside_values)
{
    assert_prints(
        "local bad = m.remote('bad', function() error('root') end)\n"
        "local id = m.remote('id', function(x) return { seen = x.err.message, err = x.err } end)\n"
        "function m.main()\n"
        "  local _, err = m.try(bad.remote())\n"
        "  local got = m.get(id.remote { err = err })\n"
        "  print(got.seen, got.err.name, got.err.task, got.err:is(m.errors.TaskError))\n"
        "end\n",
        "root\tTaskError\tT1 bad\ttrue\n");
}

Test(lua_value, durations_and_sizes_are_read_exactly)
{
    static const struct {
        const char *text;
        uint64_t ns;
    } good[] = {{"20ms", 20 * MOB_MS},
                {"1.5s", 1500 * MOB_MS},
                {"0.1 us", 100},
                {"3", 3 * MOB_SECOND},
                {"2h", 7200 * MOB_SECOND},
                {"0.000000001s", 1},
                {"1ns", 1},
                {"1.5 min", 90 * MOB_SECOND}};
    static const char *const bad[] = {
        "", "ms", "-1s", "1 parsec", "1e3s", "99999999999999999999s", "1s s"};
    uint64_t value;

    for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
        cr_assert(mob_lua_parse_time(good[i].text, &value), "%s", good[i].text);
        cr_assert_eq(value, good[i].ns, "%s", good[i].text);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
        cr_assert_not(mob_lua_parse_time(bad[i], &value), "%s", bad[i]);
    cr_assert(mob_lua_parse_size("64MiB", &value) && value == 64 * 1024 * 1024);
    cr_assert(mob_lua_parse_size("1.5GB", &value) && value == 1500000000);
    cr_assert(mob_lua_parse_size("0.5KiB", &value) && value == 512);
    cr_assert_not(mob_lua_parse_size("64MB/s", &value));
}
