/* freeze.c: what the top level of a program has made may not change.
 *
 * Workers are reused, so a task that changed a table of the top level would
 * be seen by the next task on the same worker and by no other. Lua has no
 * read-only tables, so a frozen table is empty, and its metatable leads reads
 * to what was in it and refuses writes. It stays the same table for whoever
 * holds it; pairs, next, # and values look behind it.
 */
#include "lua/errors.h"
#include "lua/sandbox.h"

enum {
    METATABLES_MAX = 16, /* of metatables of metatables */
};

static const char behind_key = 'b'; /* in a metatable: what is behind */
static const char fronts_key = 'f'; /* registry: what is behind -> the frozen table */

bool
mob_lua_push_behind(lua_State *lua, int index)
{
    index = lua_absindex(lua, index);
    if (lua_istable(lua, index) && lua_getmetatable(lua, index)) {
        if (lua_rawgetp(lua, -1, &behind_key) == LUA_TTABLE) {
            lua_remove(lua, -2);
            return true;
        }
        lua_pop(lua, 2);
    }
    lua_pushvalue(lua, index);
    return false;
}

static int
refuse_write(lua_State *lua)
{
    static const char notes[] =
        "   = each worker runs the top level by itself, so only this one would see the change\n"
        "   = pass the value as an argument, and return the new one\n";

    if (lua_type(lua, 2) == LUA_TSTRING)
        mob_lua_raise(lua, "E109", notes, "'%s' belongs to the top level and cannot be changed",
                      lua_tostring(lua, 2));
    mob_lua_raise(lua, "E109", notes, "a table of the top level cannot be changed");
}

static int
length_behind(lua_State *lua)
{
    mob_lua_push_behind(lua, 1);
    lua_pushinteger(lua, (lua_Integer)lua_rawlen(lua, -1));
    return 1;
}

/* Copies the metamethods of the metatable at @from to that on top; those that
 * say how a table is read and written are replaced afterwards. */
static void
copy_metamethods(lua_State *lua, int from)
{
    lua_pushnil(lua);
    while (lua_next(lua, from)) {
        lua_pushvalue(lua, -2);
        lua_insert(lua, -2);
        lua_rawset(lua, -4);
    }
}

/* Turns the empty table at @table into a view of the table at @behind. */
static void
make_view(lua_State *lua, int table, int behind)
{
    lua_newtable(lua);
    lua_pushcfunction(lua, length_behind);
    lua_setfield(lua, -2, "__len");
    if (lua_getmetatable(lua, behind)) {
        lua_insert(lua, -2);
        copy_metamethods(lua, lua_gettop(lua) - 1);
        lua_remove(lua, -2);
    }
    lua_pushvalue(lua, behind);
    lua_setfield(lua, -2, "__index");
    lua_pushcfunction(lua, refuse_write);
    lua_setfield(lua, -2, "__newindex");
    lua_pushvalue(lua, behind);
    lua_rawsetp(lua, -2, &behind_key);
    lua_setmetatable(lua, table);
}

void
mob_lua_push_view(lua_State *lua)
{
    int behind = lua_gettop(lua);

    lua_newtable(lua);
    make_view(lua, behind + 1, behind);
    lua_remove(lua, behind);
}

/* Remembers which frozen table the one at @behind is behind. */
static void
note_front(lua_State *lua, int table, int behind)
{
    if (lua_rawgetp(lua, LUA_REGISTRYINDEX, &fronts_key) != LUA_TTABLE) {
        lua_pop(lua, 1);
        lua_newtable(lua);
        lua_pushvalue(lua, -1);
        lua_rawsetp(lua, LUA_REGISTRYINDEX, &fronts_key);
    }
    lua_pushvalue(lua, behind);
    lua_pushvalue(lua, table);
    lua_rawset(lua, -3);
    lua_pop(lua, 1);
}

void
mob_lua_show_metatable(lua_State *lua)
{
    if (lua_rawgetp(lua, LUA_REGISTRYINDEX, &fronts_key) == LUA_TTABLE) {
        lua_pushvalue(lua, -2);
        if (lua_rawget(lua, -2) == LUA_TTABLE) {
            lua_replace(lua, -3);
            lua_pop(lua, 1);
            return;
        }
        lua_pop(lua, 1);
    }
    lua_pop(lua, 1);
}

/* Moves what is in the table at @table behind it. Lua looks for metamethods in
 * the metatable itself, so the metatable of what is behind is never a frozen
 * table but what is behind that. */
static void
freeze_table(lua_State *lua, int table)
{
    lua_newtable(lua);
    int behind = lua_gettop(lua);
    lua_pushnil(lua);
    while (lua_next(lua, table)) {
        lua_pushvalue(lua, -2);
        lua_insert(lua, -2);
        lua_rawset(lua, behind);
    }
    lua_pushnil(lua);
    while (lua_next(lua, behind)) {
        lua_pop(lua, 1);
        lua_pushvalue(lua, -1);
        lua_pushnil(lua);
        lua_rawset(lua, table);
    }
    bool own = lua_getmetatable(lua, table) && lua_rawequal(lua, -1, table);
    if (own) { /* its own metatable */
        lua_pop(lua, 1);
        lua_pushvalue(lua, behind);
    }
    if (lua_gettop(lua) > behind) {
        mob_lua_push_behind(lua, -1);
        lua_setmetatable(lua, behind);
        lua_settop(lua, behind);
    }
    note_front(lua, table, behind);
    make_view(lua, table, behind);
    lua_settop(lua, behind - 1);
}

/* --- the walk: a list of what is to be visited, and a set of what was --- */

typedef struct {
    int list;
    int seen;
    lua_Integer count;
} Walk;

/* Whether the table on top is frozen already. */
static bool
is_view(lua_State *lua)
{
    bool frozen = mob_lua_push_behind(lua, -1);

    lua_pop(lua, 1);
    return frozen;
}

/* Takes the value on top to the list, if it is of a kind that can change. */
static void
visit_later(lua_State *lua, Walk *walk)
{
    if ((lua_istable(lua, -1) && !is_view(lua)) ||
        (lua_isfunction(lua, -1) && !lua_iscfunction(lua, -1))) {
        lua_pushvalue(lua, -1);
        if (lua_rawget(lua, walk->seen) == LUA_TNIL) {
            lua_pop(lua, 1);
            lua_pushvalue(lua, -1);
            lua_pushboolean(lua, 1);
            lua_rawset(lua, walk->seen);
            lua_rawseti(lua, walk->list, ++walk->count);
            return;
        }
        lua_pop(lua, 1);
    }
    lua_pop(lua, 1);
}

/* The metatable comes first, so that it has something behind it already. */
static void
visit_table(lua_State *lua, Walk *walk, unsigned depth)
{
    int table = lua_gettop(lua);

    luaL_checkstack(lua, 12, NULL);
    if (mob_lua_push_behind(lua, table)) {
        lua_pop(lua, 1);
        return;
    }
    lua_pop(lua, 1);
    if (depth < METATABLES_MAX && lua_getmetatable(lua, table)) {
        if (!lua_rawequal(lua, -1, table))
            visit_table(lua, walk, depth + 1);
        lua_settop(lua, table);
    }
    lua_pushnil(lua);
    while (lua_next(lua, table)) {
        visit_later(lua, walk);
        lua_pushvalue(lua, -1);
        visit_later(lua, walk);
    }
    freeze_table(lua, table);
}

static void
visit_function(lua_State *lua, Walk *walk)
{
    int function = lua_gettop(lua);

    for (int i = 1; lua_getupvalue(lua, function, i) != NULL; i++)
        visit_later(lua, walk);
}

/* Visits what is on the list, and all that it reaches. */
static void
visit_all(lua_State *lua, Walk *walk)
{
    while (walk->count > 0) {
        lua_rawgeti(lua, walk->list, walk->count);
        lua_pushnil(lua);
        lua_rawseti(lua, walk->list, walk->count--);
        if (lua_istable(lua, -1))
            visit_table(lua, walk, 0);
        else
            visit_function(lua, walk);
        lua_settop(lua, walk->seen);
    }
}

/* The globals are a view from the start, so that reading one costs the same
 * before and after; only writing changes. */
static void
visit_globals(lua_State *lua, Walk *walk)
{
    lua_pushglobaltable(lua);
    mob_lua_push_behind(lua, -1);
    int behind = lua_gettop(lua);
    lua_pushnil(lua);
    while (lua_next(lua, behind))
        visit_later(lua, walk);
    lua_getmetatable(lua, behind - 1);
    lua_pushcfunction(lua, refuse_write);
    lua_setfield(lua, -2, "__newindex");
    lua_settop(lua, behind - 2);
}

void
mob_lua_freeze(lua_State *lua, int first, int count)
{
    int top = lua_gettop(lua);
    Walk walk = {.list = top + 1, .seen = top + 2};

    luaL_checkstack(lua, 16, NULL);
    lua_newtable(lua);
    lua_newtable(lua);
    for (int i = 0; i < count; i++) {
        lua_pushvalue(lua, first + i);
        visit_later(lua, &walk);
    }
    visit_globals(lua, &walk);
    visit_all(lua, &walk);
    lua_settop(lua, top);
}
