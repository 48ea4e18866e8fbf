/* look.c: the module's functions that wait for nothing: what a body may know
 * about itself, what it writes, what main reads, and ordered walks. */
#include <string.h>

#include "lua/env.h"
#include "lua/errors.h"

/* m.log(format, …): string.format is upvalue 1 */
int
mob_lua_log(lua_State *lua)
{
    size_t length;

    mob_lua_check_effect(lua, "m.log");
    luaL_checkstring(lua, 1);
    lua_pushvalue(lua, lua_upvalueindex(1));
    lua_insert(lua, 1);
    lua_call(lua, lua_gettop(lua) - 1, 1);
    lua_pushliteral(lua, "\n");
    lua_concat(lua, 2);
    const char *text = lua_tolstring(lua, -1, &length);
    MobLuaSandbox *sandbox = mob_lua_sandbox(lua);
    return sandbox->print(sandbox, lua, text, length);
}

static void
set_text(lua_State *lua, const char *name, const char *text)
{
    lua_pushstring(lua, text);
    lua_setfield(lua, -2, name);
}

int
mob_lua_context(lua_State *lua)
{
    const MobLuaBody *body = mob_lua_env(lua)->body;

    mob_lua_check_effect(lua, "m.context");
    if (body == NULL)
        return luaL_error(lua, "m.context needs a running task");
    mob_lua_env_impure(body->env);
    const MobTaskSpec *spec = body->context.spec;
    const char *path = mob_str(spec->path);
    const char *colon = strchr(path, ':');
    bool is_main = *path == '\0' || (colon != NULL && colon[1] == '\0');
    lua_createtable(lua, 0, 8);
    lua_pushinteger(lua, colon != NULL ? (lua_Integer)g_ascii_strtoll(path, NULL, 10) : 1);
    lua_setfield(lua, -2, "job");
    GString *task = g_string_new(is_main ? "main" : NULL);
    if (!is_main)
        mob_name_task(task, spec->path);
    set_text(lua, "task", task->str);
    g_string_free(task, TRUE);
    set_text(lua, "name", is_main ? "main" : mob_str(spec->label));
    lua_pushinteger(lua, body->context.attempt);
    lua_setfield(lua, -2, "attempt");
    lua_pushboolean(lua, body->context.attempt > 1);
    lua_setfield(lua, -2, "replay");
    set_text(lua, "node", body->context.node_name);
    set_text(lua, "worker", body->context.worker_name);
    return 1;
}

int
mob_lua_read(lua_State *lua)
{
    const MobLuaEnv *env = mob_lua_env(lua);
    const char *path = luaL_checkstring(lua, 1);
    GError *error = NULL;
    size_t length = 0;

    mob_lua_check_effect(lua, "m.read");
    if (env->body == NULL || strcmp(mob_str(env->body->context.spec->function), "main") != 0)
        return luaL_error(lua, "m.read works in main only: read there, and pass the text to tasks");
    if (env->options->reader == NULL)
        return luaL_error(lua, "m.read is not available here");
    char *text = env->options->reader->read(env->options->reader->data, path, &length, &error);
    if (text == NULL) {
        lua_pushfstring(lua, "m.read: %s", error != NULL ? error->message : path);
        g_clear_error(&error);
        luaL_where(lua, 1);
        lua_insert(lua, -2);
        lua_concat(lua, 2);
        return lua_error(lua);
    }
    lua_pushlstring(lua, text, length);
    g_free(text);
    return 1;
}

/* --- m.top --- */

typedef struct {
    double real;
    lua_Integer integer;
    bool is_integer;
    lua_Integer at; /* of the key in the sorted list */
} Ranked;

static int
compare_ranked(const void *left, const void *right)
{
    const Ranked *a = left;
    const Ranked *b = right;

    if (a->is_integer && b->is_integer && a->integer != b->integer)
        return a->integer > b->integer ? -1 : 1;
    if (a->real != b->real)
        return a->real > b->real ? -1 : 1;
    return a->at < b->at ? -1 : a->at > b->at;
}

/* Upvalues: the table, the list of keys, how many were given. */
static int
next_top(lua_State *lua)
{
    lua_Integer at = lua_tointeger(lua, lua_upvalueindex(3)) + 1;

    lua_pushinteger(lua, at);
    lua_replace(lua, lua_upvalueindex(3));
    if (lua_rawgeti(lua, lua_upvalueindex(2), at) == LUA_TNIL)
        return 1;
    lua_pushvalue(lua, -1);
    lua_rawget(lua, lua_upvalueindex(1));
    return 2;
}

/* Ranks the values of the table at 3 whose keys are listed at 4; false if one
 * is no number. */
static bool
rank(lua_State *lua, GArray *ranked)
{
    for (lua_Integer i = 1; lua_rawgeti(lua, 4, i) != LUA_TNIL; i++) {
        lua_rawget(lua, 3);
        if (lua_type(lua, -1) != LUA_TNUMBER)
            return false;
        Ranked item = {lua_tonumber(lua, -1), lua_tointeger(lua, -1), lua_isinteger(lua, -1), i};
        g_array_append_val(ranked, item);
        lua_pop(lua, 1);
    }
    lua_pop(lua, 1);
    g_array_sort(ranked, compare_ranked);
    return true;
}

/* m.top(t, n): the n largest values, largest first; equals by key. */
int
mob_lua_top(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TTABLE);
    lua_Integer n = luaL_optinteger(lua, 2, INT32_MAX);
    lua_settop(lua, 2);
    mob_lua_push_behind(lua, 1);
    mob_lua_push_keys(lua, 1);
    GArray *ranked = g_array_new(FALSE, FALSE, sizeof(Ranked));
    if (!rank(lua, ranked)) {
        g_array_free(ranked, TRUE);
        return luaL_error(lua, "m.top: the values must be numbers, and one is a %s",
                          luaL_typename(lua, -1));
    }
    lua_newtable(lua);
    for (guint i = 0; i < ranked->len && (lua_Integer)i < n; i++) {
        lua_rawgeti(lua, 4, g_array_index(ranked, Ranked, i).at);
        lua_rawseti(lua, -2, (lua_Integer)i + 1);
    }
    g_array_free(ranked, TRUE);
    lua_replace(lua, 4);
    lua_pushinteger(lua, 0);
    lua_pushcclosure(lua, next_top, 3);
    return 1;
}
