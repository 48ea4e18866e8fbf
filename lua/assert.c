/* assert.c: assert stays callable, and is also the part of luassert that
 * failure tests need, with error_is for jobs.
 *
 * What fails is remembered, so that whoever catches the error can tell a
 * broken expectation from a mistake in the script.
 */
#include "lua/scenario_parts.h"

#include "lua/errors.h"

enum {
    SHOW_DEPTH_MAX = 4,
    SHOW_KEYS_MAX = 20,
    SAME_DEPTH_MAX = 100,
};

/* Raises the message on top of the stack as a failed assertion. */
static int
fail(lua_State *lua)
{
    MobScenario *scenario = mob_scenario_of(lua);

    luaL_where(lua, 1);
    lua_insert(lua, -2);
    lua_concat(lua, 2);
    g_free(scenario->assertion);
    scenario->assertion = g_strdup(lua_tostring(lua, -1));
    return lua_error(lua);
}

/* Puts the caller's own message, if there is one at @index, before the one on top. */
static int
fail_with(lua_State *lua, int index)
{
    if (!lua_isnoneornil(lua, index)) {
        luaL_tolstring(lua, index, NULL);
        lua_pushliteral(lua, ": ");
        lua_rotate(lua, -3, 2);
        lua_concat(lua, 3);
    }
    return fail(lua);
}

/* --- showing values --- */

static void show(lua_State *lua, int index, int depth);

static void
show_table(lua_State *lua, int index, int depth)
{
    int keys;
    lua_Integer count;

    mob_lua_push_keys(lua, index);
    keys = lua_gettop(lua);
    count = (lua_Integer)lua_rawlen(lua, keys);
    lua_pushliteral(lua, "{");
    for (lua_Integer i = 1; i <= count && i <= SHOW_KEYS_MAX; i++) {
        lua_pushstring(lua, i == 1 ? " " : ", ");
        lua_rawgeti(lua, keys, i);
        if (lua_isinteger(lua, -1) && lua_tointeger(lua, -1) == i) {
            lua_pop(lua, 1);
            lua_pushliteral(lua, "");
        } else {
            luaL_tolstring(lua, -1, NULL);
            lua_remove(lua, -2);
            lua_pushliteral(lua, " = ");
            lua_concat(lua, 2);
        }
        lua_rawgeti(lua, keys, i);
        lua_gettable(lua, index);
        show(lua, lua_gettop(lua), depth + 1);
        lua_remove(lua, -2);
        lua_concat(lua, 4);
    }
    lua_pushstring(lua, count > SHOW_KEYS_MAX ? ", … }" : count > 0 ? " }" : "}");
    lua_concat(lua, 2);
    lua_remove(lua, keys);
}

/* Pushes a text for the value at @index. */
static void
show(lua_State *lua, int index, int depth)
{
    luaL_checkstack(lua, 12, NULL);
    if (lua_type(lua, index) == LUA_TSTRING)
        lua_pushfstring(lua, "\"%s\"", lua_tostring(lua, index));
    else if (lua_istable(lua, index) && !mob_lua_is_error(lua, index) && depth < SHOW_DEPTH_MAX)
        show_table(lua, index, depth);
    else
        mob_lua_tostring(lua, index, NULL);
}

static void
push_shown(lua_State *lua, int index)
{
    show(lua, lua_absindex(lua, index), 0);
}

static int
fail_expected(lua_State *lua, int expected, int got, const char *word, int message)
{
    lua_pushfstring(lua, "expected %s", word);
    push_shown(lua, expected);
    lua_pushliteral(lua, ", got ");
    push_shown(lua, got);
    lua_concat(lua, 4);
    return fail_with(lua, message);
}

/* --- equality --- */

static bool
same(lua_State *lua, int a, int b, int depth)
{
    int keys, top = lua_gettop(lua);
    bool good = true;

    if (depth > SAME_DEPTH_MAX)
        luaL_error(lua, "are.same: the tables are nested too deeply");
    if (lua_compare(lua, a, b, LUA_OPEQ))
        return true;
    if (!lua_istable(lua, a) || !lua_istable(lua, b))
        return false;
    luaL_checkstack(lua, 12, NULL);
    mob_lua_push_keys(lua, b);
    mob_lua_push_keys(lua, a);
    keys = lua_gettop(lua);
    good = lua_rawlen(lua, keys) == lua_rawlen(lua, keys - 1);
    for (lua_Integer i = 1; good && lua_rawgeti(lua, keys, i) != LUA_TNIL; i++) {
        lua_pushvalue(lua, -1);
        lua_gettable(lua, a);
        lua_pushvalue(lua, -2);
        lua_gettable(lua, b);
        good = same(lua, lua_gettop(lua) - 1, lua_gettop(lua), depth + 1);
        lua_settop(lua, keys);
    }
    lua_settop(lua, top);
    return good;
}

static int
assert_equal(lua_State *lua)
{
    luaL_checkany(lua, 2);
    lua_settop(lua, 3);
    return lua_compare(lua, 1, 2, LUA_OPEQ) ? 0 : fail_expected(lua, 1, 2, "", 3);
}

static int
assert_not_equal(lua_State *lua)
{
    luaL_checkany(lua, 2);
    lua_settop(lua, 3);
    return lua_compare(lua, 1, 2, LUA_OPEQ) ? fail_expected(lua, 1, 2, "anything but ", 3) : 0;
}

static int
assert_same(lua_State *lua)
{
    luaL_checkany(lua, 2);
    lua_settop(lua, 3);
    return same(lua, 1, 2, 0) ? 0 : fail_expected(lua, 1, 2, "", 3);
}

static int
assert_not_same(lua_State *lua)
{
    luaL_checkany(lua, 2);
    lua_settop(lua, 3);
    return same(lua, 1, 2, 0) ? fail_expected(lua, 1, 2, "anything but ", 3) : 0;
}

/* --- single values --- */

static int
expect(lua_State *lua, bool good, const char *what)
{
    if (good)
        return 0;
    lua_pushfstring(lua, "expected %s, got ", what);
    push_shown(lua, 1);
    lua_concat(lua, 2);
    return fail_with(lua, 2);
}

static int
assert_true(lua_State *lua)
{
    luaL_checkany(lua, 1);
    lua_settop(lua, 2);
    return expect(lua, lua_isboolean(lua, 1) && lua_toboolean(lua, 1), "true");
}

static int
assert_false(lua_State *lua)
{
    luaL_checkany(lua, 1);
    lua_settop(lua, 2);
    return expect(lua, lua_isboolean(lua, 1) && !lua_toboolean(lua, 1), "false");
}

static int
assert_nil(lua_State *lua)
{
    lua_settop(lua, 2);
    return expect(lua, lua_isnil(lua, 1), "nil");
}

static int
assert_not_nil(lua_State *lua)
{
    lua_settop(lua, 2);
    return expect(lua, !lua_isnil(lua, 1), "anything but nil");
}

static int
assert_truthy(lua_State *lua)
{
    lua_settop(lua, 2);
    return expect(lua, lua_toboolean(lua, 1), "something true");
}

static int
assert_falsy(lua_State *lua)
{
    lua_settop(lua, 2);
    return expect(lua, !lua_toboolean(lua, 1), "nil or false");
}

/* assert.near(expected, got, tolerance) */
static int
assert_near(lua_State *lua)
{
    lua_Number expected = luaL_checknumber(lua, 1), got = luaL_checknumber(lua, 2),
               tolerance = luaL_checknumber(lua, 3);

    lua_settop(lua, 4);
    if (got >= expected - tolerance && got <= expected + tolerance)
        return 0;
    lua_pushfstring(lua, "expected %f within %f, got %f", expected, tolerance, got);
    return fail_with(lua, 4);
}

/* Whether the pattern at 1 occurs in the text at 2, by string.find. */
static bool
finds(lua_State *lua, int text)
{
    bool found;

    lua_getglobal(lua, "string");
    lua_getfield(lua, -1, "find");
    lua_pushvalue(lua, text);
    lua_pushvalue(lua, 1);
    lua_call(lua, 2, 1);
    found = !lua_isnil(lua, -1);
    lua_pop(lua, 2);
    return found;
}

/* assert.matches(pattern, text) */
static int
assert_matches(lua_State *lua)
{
    luaL_checkstring(lua, 1);
    luaL_checkany(lua, 2);
    lua_settop(lua, 3);
    if (lua_type(lua, 2) != LUA_TSTRING)
        return fail_expected(lua, 1, 2, "a text that matches ", 3);
    return finds(lua, 2) ? 0 : fail_expected(lua, 1, 2, "a text that matches ", 3);
}

/* assert.has_error(function, pattern?) */
static int
assert_has_error(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TFUNCTION);
    lua_settop(lua, 2);
    lua_pushvalue(lua, 1);
    if (lua_pcall(lua, 0, 0, 0) == LUA_OK) {
        lua_pushliteral(lua, "expected an error, and there was none");
        return fail(lua);
    }
    if (lua_isnil(lua, 2))
        return 0;
    mob_lua_tostring(lua, 3, NULL);
    lua_pushvalue(lua, 2);
    lua_replace(lua, 1);
    lua_pushnil(lua);
    return finds(lua, 4) ? 0 : fail_expected(lua, 2, 4, "an error that matches ", 5);
}

/* --- jobs --- */

/* Whether @value or what caused it is an error of that kind. */
static bool
is_caused_by(const MobValue *value, MobFaultKind kind)
{
    GStringChunk *text = g_string_chunk_new(256);
    MobValue *at = mob_value_ref((MobValue *)value);
    bool found = false;

    while (at != NULL && !found) {
        MobFault fault = {0};
        bool read = mob_fault_read(at, &fault, text);
        found = read && fault.kind == kind;
        mob_value_unref(at);
        at = read ? (MobValue *)fault.cause : NULL;
    }
    mob_value_unref(at);
    g_string_chunk_free(text);
    return found;
}

static void
check_error_name(lua_State *lua, const char *name)
{
    const char *words[MOB_FAULT_COUNT];
    int count = 0;

    if (mob_fault_by_name(name) != MOB_FAULT_NONE)
        return;
    for (int kind = 1; kind < MOB_FAULT_COUNT; kind++)
        words[count++] = mob_fault_name((MobFaultKind)kind);
    words[count] = NULL;
    mob_unknown_word(lua, "error", name, words);
}

/* assert.error_is(job, "WorkerCrashedError"): the job failed with it, or because of it. */
static int
assert_error_is(lua_State *lua)
{
    MobScenarioJob *job = mob_job_check(lua, 1);
    MobControl *control = job->scene->control;
    const char *name = luaL_checkstring(lua, 2);
    const MobValue *value;
    MobFaultKind kind;

    check_error_name(lua, name);
    lua_settop(lua, 3);
    if (!control->job_done(control, job->number)) {
        lua_pushfstring(lua, "expected the job to fail with %s, but it has not finished", name);
        return fail(lua);
    }
    job->looked_at = true;
    value = control->job_result(control, job->number);
    kind = mob_fault_by_name(name);
    if (value != NULL ? is_caused_by(value, kind) : kind == MOB_FAULT_OWNER_DIED)
        return 0;
    lua_pushfstring(lua, "expected the job to fail with %s, but ", name);
    if (value == NULL) {
        lua_pushliteral(lua, "its driver died");
    } else if (value->fault == 0) {
        lua_pushliteral(lua, "it returned ");
        mob_lua_push_value(lua, value, NULL);
        push_shown(lua, -1);
        lua_remove(lua, -2);
        lua_concat(lua, 2);
    } else {
        lua_pushfstring(lua, "it failed with %s", mob_fault_name((MobFaultKind)value->fault));
    }
    lua_concat(lua, 2);
    return fail_with(lua, 3);
}

/* --- the table --- */

/* assert(value, message, ...) as ever */
static int
call_assert(lua_State *lua)
{
    lua_remove(lua, 1);
    luaL_checkany(lua, 1);
    if (lua_toboolean(lua, 1))
        return lua_gettop(lua);
    if (lua_type(lua, 2) == LUA_TSTRING) {
        lua_pushvalue(lua, 2);
        return fail(lua);
    }
    if (!lua_isnoneornil(lua, 2)) {
        lua_settop(lua, 2);
        return lua_error(lua);
    }
    lua_pushliteral(lua, "assertion failed!");
    return fail(lua);
}

static const luaL_Reg functions[] = {
    {"equal", assert_equal},         {"equals", assert_equal},
    {"same", assert_same},           {"is_true", assert_true},
    {"is_false", assert_false},      {"is_nil", assert_nil},
    {"is_not_nil", assert_not_nil},  {"truthy", assert_truthy},
    {"falsy", assert_falsy},         {"is_truthy", assert_truthy},
    {"is_falsy", assert_falsy},      {"matches", assert_matches},
    {"has_error", assert_has_error}, {"near", assert_near},
    {"error_is", assert_error_is},   {NULL, NULL},
};

static const luaL_Reg are_functions[] = {
    {"equal", assert_equal}, {"equals", assert_equal}, {"same", assert_same}, {NULL, NULL}};

static const luaL_Reg are_not_functions[] = {{"equal", assert_not_equal},
                                             {"equals", assert_not_equal},
                                             {"same", assert_not_same},
                                             {NULL, NULL}};

static int
unknown_assertion(lua_State *lua)
{
    const char *words[G_N_ELEMENTS(functions) + 2];
    size_t count = 0;

    for (const luaL_Reg *function = functions; function->name != NULL; function++)
        words[count++] = function->name;
    words[count++] = "are";
    words[count++] = "are_not";
    words[count] = NULL;
    return mob_unknown_word(lua, "assertion", luaL_tolstring(lua, 2, NULL), words);
}

void
mob_assert_open(lua_State *lua)
{
    luaL_newlib(lua, functions);
    luaL_newlib(lua, are_functions);
    lua_setfield(lua, -2, "are");
    luaL_newlib(lua, are_not_functions);
    lua_setfield(lua, -2, "are_not");
    lua_createtable(lua, 0, 2);
    lua_pushcfunction(lua, call_assert);
    lua_setfield(lua, -2, "__call");
    lua_pushcfunction(lua, unknown_assertion);
    lua_setfield(lua, -2, "__index");
    lua_setmetatable(lua, -2);
    lua_setglobal(lua, "assert");
}
