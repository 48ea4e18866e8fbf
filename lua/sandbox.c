/* sandbox.c: see sandbox.h. The state, its limits, and the basic functions. */
#include "lua/sandbox.h"

#include <stdlib.h>
#include <string.h>

#include "lua/errors.h"

enum {
    HOOK_EVERY = 1000000, /* instructions between two looks at the budget */
};

static const char loaded_key = 'l'; /* registry: what require has returned */

/* --- limits --- */

static void *
allocate(void *data, void *block, size_t old_size, size_t new_size)
{
    MobLuaSandbox *self = data;

    if (block == NULL)
        old_size = 0; /* Lua passes the type of the object there */
    if (new_size == 0) {
        free(block);
        self->memory -= old_size;
        return NULL;
    }
    if (self->limited && self->memory_max != 0 && new_size > old_size &&
        self->memory + (new_size - old_size) > self->memory_max)
        return NULL;
    void *grown = realloc(block, new_size);
    if (grown != NULL)
        self->memory += new_size - old_size;
    return grown;
}

static int
on_panic(lua_State *lua)
{
    const char *text = lua_tostring(lua, -1);

    g_error("Lua: %s", text != NULL ? text : "an error outside of any body");
    return 0;
}

/* Raises the error that no pcall catches; @how_long is for people. */
static void
raise_loop(lua_State *lua, lua_Debug *info, const char *how_long)
{
    char message[512];

    lua_getinfo(lua, "Sl", info);
    g_snprintf(message, sizeof message, "the body loops: %s:%d has run for %s without a call",
               *info->source == '@' ? info->source + 1 : info->source, info->currentline, how_long);
    mob_lua_sandbox(lua)->exceeded = true;
    mob_lua_push_plain_error(lua, "LoopError", message);
    lua_error(lua);
}

static void
on_count(lua_State *lua, lua_Debug *info)
{
    MobLuaSandbox *self = mob_lua_sandbox(lua);
    char how_long[64];

    self->spent += MIN(self->budget, HOOK_EVERY);
    if (self->spent < self->budget)
        return;
    g_snprintf(how_long, sizeof how_long, "%" G_GUINT64_FORMAT " million instructions",
               self->spent / 1000000);
    raise_loop(lua, info, how_long);
}

/* Watches the budget, if there is one. */
static void
set_hook(lua_State *lua, const MobLuaSandbox *self)
{
    if (self->budget != 0)
        lua_sethook(lua, on_count, LUA_MASKCOUNT, (int)MIN(self->budget, HOOK_EVERY));
    else
        lua_sethook(lua, NULL, 0, 0);
}

static void
on_interrupt(lua_State *lua, lua_Debug *info)
{
    set_hook(lua, mob_lua_sandbox(lua));
    raise_loop(lua, info, mob_lua_sandbox(lua)->how_long);
}

void
mob_lua_sandbox_interrupt(lua_State *lua, const char *how_long)
{
    mob_lua_sandbox(lua)->how_long = how_long;
    lua_sethook(lua, on_interrupt, LUA_MASKCOUNT, 1);
}

static void
on_poke(lua_State *lua, lua_Debug *info)
{
    MobLuaSandbox *self = mob_lua_sandbox(lua);

    (void)info;
    set_hook(lua, self);
    self->poke(self->poke_data);
}

void
mob_lua_sandbox_poke(lua_State *lua, void (*func)(void *data), void *data)
{
    mob_lua_sandbox(lua)->poke = func;
    mob_lua_sandbox(lua)->poke_data = data;
    lua_sethook(lua, on_poke, LUA_MASKCOUNT, 1);
}

/* --- errors that a body may not catch --- */

static int
finish_pcall(lua_State *lua, int status, lua_KContext extra)
{
    if (status == LUA_OK || status == LUA_YIELD)
        return lua_gettop(lua) - (int)extra;
    if (mob_lua_sandbox(lua)->exceeded)
        return lua_error(lua);
    lua_pushboolean(lua, 0);
    lua_insert(lua, -2);
    return 2;
}

static int
base_pcall(lua_State *lua)
{
    luaL_checkany(lua, 1);
    lua_pushboolean(lua, 1);
    lua_insert(lua, 1);
    int status = lua_pcallk(lua, lua_gettop(lua) - 2, LUA_MULTRET, 0, 0, finish_pcall);
    return finish_pcall(lua, status, 0);
}

static int
base_xpcall(lua_State *lua)
{
    int count = lua_gettop(lua);

    luaL_checktype(lua, 2, LUA_TFUNCTION);
    lua_pushboolean(lua, 1);
    lua_pushvalue(lua, 1);
    lua_rotate(lua, 3, 2);
    int status = lua_pcallk(lua, count - 2, LUA_MULTRET, 2, 2, finish_pcall);
    return finish_pcall(lua, status, 2);
}

/* --- texts --- */

void
mob_lua_sandbox_forget_serials(lua_State *lua, const void *printer)
{
    if (mob_lua_sandbox(lua)->serials == 0)
        return;
    lua_pushnil(lua);
    lua_rawsetp(lua, LUA_REGISTRYINDEX, printer);
}

/* Pushes the table of numbers of whoever prints: object -> number, and how
 * many there are under true. */
static void
push_serials(lua_State *lua)
{
    MobLuaSandbox *self = mob_lua_sandbox(lua);

    if (lua_rawgetp(lua, LUA_REGISTRYINDEX, self->printer) == LUA_TTABLE)
        return;
    lua_pop(lua, 1);
    self->serials++;
    lua_newtable(lua);
    lua_createtable(lua, 0, 1);
    lua_pushliteral(lua, "k");
    lua_setfield(lua, -2, "__mode");
    lua_setmetatable(lua, -2);
    lua_pushvalue(lua, -1);
    lua_rawsetp(lua, LUA_REGISTRYINDEX, self->printer);
}

/* The number of the object at @index, in the order in which they are shown. */
static lua_Integer
serial_of(lua_State *lua, int index)
{
    push_serials(lua);
    lua_pushvalue(lua, index);
    if (lua_rawget(lua, -2) == LUA_TNIL) {
        lua_pushboolean(lua, 1);
        lua_rawget(lua, -3);
        lua_Integer serial = lua_tointeger(lua, -1) + 1;
        lua_pop(lua, 2);
        lua_pushboolean(lua, 1);
        lua_pushinteger(lua, serial);
        lua_rawset(lua, -3);
        lua_pushvalue(lua, index);
        lua_pushinteger(lua, serial);
        lua_rawset(lua, -3);
        lua_pop(lua, 1);
        return serial;
    }
    lua_Integer serial = lua_tointeger(lua, -1);
    lua_pop(lua, 2);
    return serial;
}

const char *
mob_lua_tostring(lua_State *lua, int index, size_t *length)
{
    index = lua_absindex(lua, index);
    switch (lua_type(lua, index)) {
    case LUA_TNIL:
    case LUA_TBOOLEAN:
    case LUA_TNUMBER:
    case LUA_TSTRING:
        return luaL_tolstring(lua, index, length);
    default:
        break;
    }
    if (luaL_callmeta(lua, index, "__tostring")) {
        if (!lua_isstring(lua, -1))
            luaL_error(lua, "'__tostring' must return a string");
        return lua_tolstring(lua, -1, length);
    }
    lua_Integer serial = serial_of(lua, index);
    const char *type = luaL_typename(lua, index);
    int named = luaL_getmetafield(lua, index, "__name");
    lua_pushfstring(lua, "%s: #%I", named == LUA_TSTRING ? lua_tostring(lua, -1) : type, serial);
    if (named != LUA_TNIL)
        lua_remove(lua, -2);
    return lua_tolstring(lua, -1, length);
}

void
mob_lua_push_line(lua_State *lua, int first, int count)
{
    luaL_Buffer buffer;

    luaL_buffinit(lua, &buffer);
    for (int i = 0; i < count; i++) {
        if (i > 0)
            luaL_addchar(&buffer, '\t');
        mob_lua_tostring(lua, first + i, NULL);
        luaL_addvalue(&buffer);
    }
    luaL_addchar(&buffer, '\n');
    luaL_pushresult(&buffer);
}

static int
base_tostring(lua_State *lua)
{
    luaL_checkany(lua, 1);
    mob_lua_tostring(lua, 1, NULL);
    return 1;
}

static int
base_print(lua_State *lua)
{
    MobLuaSandbox *self = mob_lua_sandbox(lua);
    size_t length;

    mob_lua_check_effect(lua, "print");
    mob_lua_push_line(lua, 1, lua_gettop(lua));
    const char *text = lua_tolstring(lua, -1, &length);
    if (self->print == NULL)
        return luaL_error(lua, "print is not available here");
    return self->print(self, lua, text, length);
}

/* --- tables --- */

static int
base_rawget(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TTABLE);
    luaL_checkany(lua, 2);
    mob_lua_push_behind(lua, 1);
    lua_pushvalue(lua, 2);
    lua_rawget(lua, -2);
    return 1;
}

static int
base_rawset(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TTABLE);
    luaL_checkany(lua, 2);
    luaL_checkany(lua, 3);
    lua_settop(lua, 3);
    if (mob_lua_push_behind(lua, 1))
        mob_lua_raise(lua, "E109", NULL, "a table of the top level cannot be changed by rawset");
    lua_settop(lua, 3);
    lua_rawset(lua, 1);
    return 1;
}

static int
base_rawlen(lua_State *lua)
{
    luaL_argcheck(lua, lua_istable(lua, 1) || lua_isstring(lua, 1), 1, "table or string expected");
    mob_lua_push_behind(lua, 1);
    lua_pushinteger(lua, (lua_Integer)lua_rawlen(lua, -1));
    return 1;
}

static int
base_getmetatable(lua_State *lua)
{
    luaL_checkany(lua, 1);
    bool frozen = mob_lua_push_behind(lua, 1);
    if (lua_isstring(lua, 1) || (lua_isuserdata(lua, 1) && !frozen)) {
        lua_pushboolean(lua, 0); /* those of strings and of our objects are nobody's business */
        return 1;
    }
    if (!lua_getmetatable(lua, -1)) {
        lua_pushnil(lua);
        return 1;
    }
    if (luaL_getmetafield(lua, -2, "__metatable") == LUA_TNIL)
        mob_lua_show_metatable(lua);
    return 1;
}

static void
refuse_field(lua_State *lua, const char *name)
{
    lua_pushstring(lua, name);
    bool there = lua_rawget(lua, 2) != LUA_TNIL;
    lua_pop(lua, 1);
    if (there)
        mob_lua_raise(lua, "E111",
                      "   = end what must end with drop(), close or your own function\n",
                      "a metatable with %s depends on the collector", name);
}

static int
base_setmetatable(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TTABLE);
    luaL_argexpected(lua, lua_isnil(lua, 2) || lua_istable(lua, 2), 2, "nil or table");
    lua_settop(lua, 2);
    if (mob_lua_push_behind(lua, 1))
        mob_lua_raise(lua, "E109", NULL, "a table of the top level cannot get another metatable");
    lua_pop(lua, 1);
    if (luaL_getmetafield(lua, 1, "__metatable") != LUA_TNIL)
        return luaL_error(lua, "cannot change a protected metatable");
    if (lua_istable(lua, 2)) {
        mob_lua_push_behind(lua, 2); /* a frozen one is empty itself */
        lua_replace(lua, 2);
        refuse_field(lua, "__mode");
        refuse_field(lua, "__gc");
    }
    lua_setmetatable(lua, 1);
    return 1;
}

/* --- the rest --- */

static int
base_collectgarbage(lua_State *lua)
{
    const char *what = luaL_optstring(lua, 1, "collect");

    if (strcmp(what, "collect") != 0 && strcmp(what, "step") != 0)
        return luaL_error(
            lua, "collectgarbage(\"%s\") is not available: it differs from run to run", what);
    lua_pushinteger(lua, 0);
    return 1;
}

static int
base_require(lua_State *lua)
{
    MobLuaSandbox *self = mob_lua_sandbox(lua);
    const char *name = luaL_checkstring(lua, 1);

    lua_settop(lua, 1);
    if (lua_rawgetp(lua, LUA_REGISTRYINDEX, &loaded_key) != LUA_TTABLE) {
        lua_pop(lua, 1);
        lua_newtable(lua);
        lua_pushvalue(lua, -1);
        lua_rawsetp(lua, LUA_REGISTRYINDEX, &loaded_key);
    }
    lua_pushvalue(lua, 1);
    if (lua_rawget(lua, 2) == LUA_TBOOLEAN)
        return luaL_error(lua, "module '%s' requires itself", name);
    if (!lua_isnil(lua, -1))
        return 1;
    lua_settop(lua, 2);
    if (self->require == NULL)
        return luaL_error(lua, "require is not available here");
    lua_pushvalue(lua, 1);
    lua_pushboolean(lua, 0);
    lua_rawset(lua, 2);
    self->require(self, lua, name);
    if (lua_isnil(lua, -1)) {
        lua_pop(lua, 1);
        lua_pushboolean(lua, 1);
    }
    lua_pushvalue(lua, 1);
    lua_pushvalue(lua, -2);
    lua_rawset(lua, 2);
    return 1;
}

void
mob_lua_check_effect(lua_State *lua, const char *what)
{
    if (!mob_lua_sandbox(lua)->defining)
        return;
    mob_lua_raise(lua, "E102",
                  "   = every worker runs the top level, to learn which tasks there are\n"
                  "   = move it into main:   function m.main(...)   …   end\n",
                  "%s at the top level of a program", what);
}

void
mob_lua_check_yieldable(lua_State *lua, const char *what)
{
    if (lua_isyieldable(lua))
        return;
    luaL_error(lua,
               "%s cannot be called here: a body cannot wait inside a table.sort comparator, a "
               "string.gsub callback or a __tostring; do it before or after",
               what);
}

int
mob_lua_sandbox_load(lua_State *lua, const char *path, const char *text, size_t length)
{
    if (length > 0 && *text == LUA_SIGNATURE[0]) {
        lua_pushfstring(lua, "%s: this is compiled Lua, and only text is run", path);
        return LUA_ERRSYNTAX;
    }
    lua_pushfstring(lua, "@%s", path);
    int status = luaL_loadbufferx(lua, text, length, lua_tostring(lua, -1), "t");
    lua_remove(lua, -2);
    return status;
}

/* Names that programs from elsewhere may use, and what there is instead. */
static int
missing_global(lua_State *lua)
{
    static const char *const gone[][2] = {
        {"io", "print writes output, and m.read reads a file in main"},
        {"debug", "an error object has a traceback"},
        {"load", "a program is its files; use functions"},
        {"loadstring", "a program is its files; use functions"},
        {"loadfile", "use require"},
        {"dofile", "use require"},
        {"package", "require looks beside the program's file"},
    };

    if (lua_type(lua, 2) != LUA_TSTRING)
        return 0;
    const char *name = lua_tostring(lua, 2);
    for (size_t i = 0; i < G_N_ELEMENTS(gone); i++)
        if (strcmp(name, gone[i][0]) == 0)
            return luaL_error(lua, "'%s' is not available in programs: %s", name, gone[i][1]);
    return 0;
}

static const luaL_Reg replaced[] = {
    {"collectgarbage", base_collectgarbage},
    {"getmetatable", base_getmetatable},
    {"next", mob_lua_next},
    {"pairs", mob_lua_pairs},
    {"pcall", base_pcall},
    {"print", base_print},
    {"rawget", base_rawget},
    {"rawlen", base_rawlen},
    {"rawset", base_rawset},
    {"require", base_require},
    {"setmetatable", base_setmetatable},
    {"tostring", base_tostring},
    {"xpcall", base_xpcall},
    {NULL, NULL},
};

/* Makes the globals a view of the table that the registry calls them now. */
static void
open_globals(lua_State *lua)
{
    static const char *const gone[] = {"dofile", "load", "loadfile", "warn"};

    lua_pushcfunction(lua, luaopen_base);
    lua_call(lua, 0, 1);
    luaL_setfuncs(lua, replaced, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(gone); i++) {
        lua_pushnil(lua);
        lua_setfield(lua, -2, gone[i]);
    }
    mob_lua_open_libs(lua);
    lua_createtable(lua, 0, 1);
    lua_pushcfunction(lua, missing_global);
    lua_setfield(lua, -2, "__index");
    lua_setmetatable(lua, -2);

    lua_pushvalue(lua, -1);
    mob_lua_push_view(lua);
    lua_getmetatable(lua, -1);
    lua_pushvalue(lua, -3);
    lua_setfield(lua, -2, "__newindex");
    lua_pop(lua, 1);
    lua_pushvalue(lua, -1);
    lua_setfield(lua, -3, "_G");
    lua_rawseti(lua, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
    lua_pop(lua, 1);
}

lua_State *
mob_lua_sandbox_open(MobLuaSandbox *self)
{
    lua_State *lua = lua_newstate(allocate, self);

    if (lua == NULL)
        g_error("Lua: out of memory");
    lua_atpanic(lua, on_panic);
    *(MobLuaSandbox **)lua_getextraspace(lua) = self;
    self->printer = self;
    lua_gc(lua, LUA_GCSTOP); /* nothing is garbage yet */
    open_globals(lua);
    lua_gc(lua, LUA_GCRESTART);
    set_hook(lua, self);
    return lua;
}
