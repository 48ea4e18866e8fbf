/* order.c: walks in a fixed order, and a sort that does not depend on luck.
 *
 * The order of keys is 1 to n, other numbers ascending, strings by their
 * bytes, false, true. Lua's own order depends on addresses and the clock. A
 * walk looks at 1 to n directly; only what is left is collected and sorted,
 * once, when the walk gets there.
 */
#include <string.h>

#include "lua/errors.h"
#include "lua/sandbox.h"

static const char cache_key = 'n'; /* registry: what next() sorted last */

typedef struct {
    int rank; /* 0 number, 1 string, 2 boolean */
    bool is_integer;
    lua_Integer integer;
    double real;
    const char *text;
    size_t length;
} Key;

static int
compare_numbers(const Key *a, const Key *b)
{
    if (a->is_integer && b->is_integer)
        return a->integer < b->integer ? -1 : a->integer > b->integer;
    if (!a->is_integer && !b->is_integer)
        return a->real < b->real ? -1 : a->real > b->real;
    /* A float key is never integral, so comparing with its floor is exact. */
    const Key *whole = a->is_integer ? a : b;
    double other = a->is_integer ? b->real : a->real;
    int order = other >= 0x1p63                                        ? -1
                : other < -0x1p63                                      ? 1
                : whole->integer <= (lua_Integer)(other - (other < 0)) ? -1
                                                                       : 1;
    return a->is_integer ? order : -order;
}

static int
compare_keys(const void *left, const void *right)
{
    const Key *a = left;
    const Key *b = right;

    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    if (a->rank == 0)
        return compare_numbers(a, b);
    if (a->rank == 2)
        return a->integer < b->integer ? -1 : a->integer > b->integer;
    int order = memcmp(a->text, b->text, MIN(a->length, b->length));
    return order != 0 ? order : a->length < b->length ? -1 : a->length > b->length;
}

/* Reads the key on top of the stack; false if it has no order. */
static bool
read_key(lua_State *lua, Key *key)
{
    *key = (Key){0};
    switch (lua_type(lua, -1)) {
    case LUA_TNUMBER:
        key->is_integer = lua_isinteger(lua, -1);
        if (key->is_integer)
            key->integer = lua_tointeger(lua, -1);
        else
            key->real = lua_tonumber(lua, -1);
        return true;
    case LUA_TSTRING:
        key->rank = 1;
        key->text = lua_tolstring(lua, -1, &key->length);
        return true;
    case LUA_TBOOLEAN:
        key->rank = 2;
        key->integer = lua_toboolean(lua, -1);
        return true;
    default:
        return false;
    }
}

/* The n up to which the table at @index has the keys 1 to n. */
static lua_Integer
sequence_length(lua_State *lua, int index)
{
    lua_Integer n = 0;

    while (lua_rawgeti(lua, index, n + 1) != LUA_TNIL) {
        n++;
        lua_pop(lua, 1);
    }
    lua_pop(lua, 1);
    return n;
}

static void
push_key(lua_State *lua, const Key *key)
{
    if (key->rank == 1)
        lua_pushlstring(lua, key->text, key->length);
    else if (key->rank == 2)
        lua_pushboolean(lua, key->integer != 0);
    else if (key->is_integer)
        lua_pushinteger(lua, key->integer);
    else
        lua_pushnumber(lua, key->real);
}

static void
raise_unordered(lua_State *lua, int type)
{
    mob_lua_raise(
        lua, "E110",
        "   = keep a list of the keys beside the table, or use names or numbers as keys\n",
        "this table has a %s as a key, and a walk over such keys has no fixed order",
        lua_typename(lua, type));
}

/* Collects the keys of the table at @index that are not within 1 to @skip. The
 * strings stay alive because the table holds them. Returns the type of a key
 * that has no order, unless those are left out, or LUA_TNIL. */
static int
collect(lua_State *lua, int index, lua_Integer skip, bool leave_out, GArray *keys)
{
    Key key;

    lua_pushnil(lua);
    while (lua_next(lua, index)) {
        lua_pop(lua, 1);
        if (!read_key(lua, &key)) {
            if (leave_out)
                continue;
            int type = lua_type(lua, -1);
            lua_pop(lua, 1);
            return type;
        }
        if (!(key.rank == 0 && key.is_integer && key.integer >= 1 && key.integer <= skip))
            g_array_append_val(keys, key);
    }
    return LUA_TNIL;
}

/* Sorts and pushes the keys, and frees them. */
static void
push_list(lua_State *lua, GArray *keys)
{
    if (keys->len > 1)
        g_array_sort(keys, compare_keys);
    lua_createtable(lua, (int)keys->len, 0);
    for (guint i = 0; i < keys->len; i++) {
        push_key(lua, &g_array_index(keys, Key, i));
        lua_rawseti(lua, -2, (lua_Integer)i + 1);
    }
    g_array_free(keys, TRUE);
}

/* Pushes a list of the keys of the raw table at @index that are not within 1
 * to @skip, in order. */
static void
push_sorted(lua_State *lua, int index, lua_Integer skip)
{
    GArray *keys = g_array_new(FALSE, FALSE, sizeof(Key));
    int bad = collect(lua, index, skip, false, keys);

    if (bad != LUA_TNIL) {
        g_array_free(keys, TRUE);
        raise_unordered(lua, bad);
    }
    push_list(lua, keys);
}

void
mob_lua_push_some_keys(lua_State *lua, int index)
{
    GArray *keys = g_array_new(FALSE, FALSE, sizeof(Key));

    mob_lua_push_behind(lua, index);
    int raw = lua_gettop(lua);
    collect(lua, raw, 0, true, keys);
    push_list(lua, keys);
    lua_remove(lua, raw);
}

void
mob_lua_push_keys(lua_State *lua, int index)
{
    mob_lua_push_behind(lua, index);
    int raw = lua_gettop(lua);
    push_sorted(lua, raw, 0);
    lua_remove(lua, raw);
}

/* --- pairs --- */

enum {
    UP_TABLE = 1, /* what is behind it, if it is frozen */
    UP_AT,        /* how many keys have been given */
    UP_KEYS,      /* nil: still within 1 to n; then the sorted rest */
};

/* Gives the next of the sorted rest whose value is still there. */
static int
walk_rest(lua_State *lua)
{
    lua_Integer at = lua_tointeger(lua, lua_upvalueindex(UP_AT));

    while (lua_rawgeti(lua, lua_upvalueindex(UP_KEYS), ++at) != LUA_TNIL) {
        lua_pushvalue(lua, -1);
        if (lua_rawget(lua, lua_upvalueindex(UP_TABLE)) != LUA_TNIL) {
            lua_pushinteger(lua, at);
            lua_replace(lua, lua_upvalueindex(UP_AT));
            return 2;
        }
        lua_pop(lua, 2);
    }
    return 1; /* the nil */
}

static int
walk(lua_State *lua)
{
    if (!lua_isnil(lua, lua_upvalueindex(UP_KEYS)))
        return walk_rest(lua);

    lua_Integer at = lua_tointeger(lua, lua_upvalueindex(UP_AT)) + 1;
    lua_pushinteger(lua, at);
    if (lua_rawgeti(lua, lua_upvalueindex(UP_TABLE), at) != LUA_TNIL) {
        lua_pushvalue(lua, -2);
        lua_replace(lua, lua_upvalueindex(UP_AT));
        return 2;
    }
    lua_settop(lua, 0);
    lua_pushvalue(lua, lua_upvalueindex(UP_TABLE));
    push_sorted(lua, 1, at - 1);
    lua_replace(lua, lua_upvalueindex(UP_KEYS));
    lua_pushinteger(lua, 0);
    lua_replace(lua, lua_upvalueindex(UP_AT));
    return walk_rest(lua);
}

static int
pairs_done(lua_State *lua, int status, lua_KContext context)
{
    return 3;
}

int
mob_lua_pairs(lua_State *lua)
{
    luaL_checkany(lua, 1);
    if (luaL_getmetafield(lua, 1, "__pairs") != LUA_TNIL) {
        lua_pushvalue(lua, 1);
        lua_callk(lua, 1, 3, 0, pairs_done);
        return 3;
    }
    luaL_checktype(lua, 1, LUA_TTABLE);
    mob_lua_push_behind(lua, 1);
    lua_pushinteger(lua, 0);
    lua_pushnil(lua);
    lua_pushcclosure(lua, walk, 3);
    lua_pushvalue(lua, 1);
    return 2;
}

/* --- next --- */

/* Pushes the list of the keys behind 1 to n that next() made when it last left
 * a sequence, if that was this table's; else returns false. */
static bool
push_cached(lua_State *lua, int index)
{
    if (lua_rawgetp(lua, LUA_REGISTRYINDEX, &cache_key) == LUA_TTABLE) {
        lua_rawgeti(lua, -1, 1);
        bool same = lua_rawequal(lua, -1, index);
        lua_pop(lua, 1);
        if (same) {
            lua_rawgeti(lua, -1, 2);
            lua_remove(lua, -2);
            return true;
        }
    }
    lua_pop(lua, 1);
    return false;
}

static void
push_new_list(lua_State *lua, int index)
{
    push_sorted(lua, index, sequence_length(lua, index));
    lua_createtable(lua, 2, 0);
    lua_pushvalue(lua, index);
    lua_rawseti(lua, -2, 1);
    lua_pushvalue(lua, -2);
    lua_rawseti(lua, -2, 2);
    lua_rawsetp(lua, LUA_REGISTRYINDEX, &cache_key);
}

/* The position in the list on top of the first key after @key. */
static lua_Integer
position_after(lua_State *lua, const Key *key)
{
    lua_Integer low = 1;
    lua_Integer high = (lua_Integer)lua_rawlen(lua, -1) + 1;

    while (low < high) {
        lua_Integer middle = low + (high - low) / 2;
        Key found;
        lua_rawgeti(lua, -1, middle);
        read_key(lua, &found);
        int order = compare_keys(&found, key);
        lua_pop(lua, 1);
        if (order <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Gives the first key in the list on top, from @at, that still has a value. */
static int
give_from(lua_State *lua, int index, lua_Integer at)
{
    for (; lua_rawgeti(lua, -1, at) != LUA_TNIL; at++) {
        lua_pushvalue(lua, -1);
        if (lua_rawget(lua, index) != LUA_TNIL)
            return 2;
        lua_pop(lua, 2);
    }
    return 1;
}

static void
forget_cached(lua_State *lua)
{
    lua_pushnil(lua);
    lua_rawsetp(lua, LUA_REGISTRYINDEX, &cache_key);
}

/* A walk by next() is in the sequence until it leaves it; then there is a list
 * of the rest, made once, and the table is the one it was made for. */
int
mob_lua_next(lua_State *lua)
{
    Key key = {0};

    luaL_checktype(lua, 1, LUA_TTABLE);
    lua_settop(lua, 2);
    bool first = lua_isnil(lua, 2);
    if (!first && !read_key(lua, &key))
        raise_unordered(lua, lua_type(lua, 2));
    mob_lua_push_behind(lua, 1);
    if (first)
        forget_cached(lua);
    bool whole = first || (key.rank == 0 && key.is_integer && key.integer >= 1);
    bool cached = !first && push_cached(lua, 3);
    if (whole && !cached && key.integer < INT64_MAX) {
        if (lua_rawgeti(lua, 3, key.integer + 1) != LUA_TNIL) {
            lua_pushinteger(lua, key.integer + 1);
            lua_insert(lua, -2);
            return 2;
        }
        lua_pop(lua, 1);
    }
    if (!cached)
        push_new_list(lua, 3);
    /* Without a list the walk was in the sequence until now. */
    return give_from(lua, 3, whole && !cached ? 1 : position_after(lua, &key));
}

/* --- sort --- */

enum {
    SORT_LIST = 1,
    SORT_LESS = 2,
    SORT_FROM = 3, /* two lists of the elements, by turns the source */
    SORT_TO = 4,
};

/* Whether the value at @a comes before that at @b. */
static bool
less(lua_State *lua, int a, int b)
{
    if (lua_isnil(lua, SORT_LESS))
        return lua_compare(lua, a, b, LUA_OPLT);
    lua_pushvalue(lua, SORT_LESS);
    lua_pushvalue(lua, a);
    lua_pushvalue(lua, b);
    lua_call(lua, 2, 1);
    bool result = lua_toboolean(lua, -1);
    lua_pop(lua, 1);
    return result;
}

/* Merges [@low, @middle) and [@middle, @high) of @from into @to. */
static void
merge(lua_State *lua, int from, int to, const lua_Integer bounds[3])
{
    lua_Integer left = bounds[0];
    lua_Integer right = bounds[1];

    for (lua_Integer at = bounds[0]; at < bounds[2]; at++) {
        bool take_right;
        if (left == bounds[1] || right == bounds[2]) {
            take_right = left == bounds[1];
        } else {
            int top = lua_gettop(lua);
            lua_rawgeti(lua, from, left);
            lua_rawgeti(lua, from, right);
            take_right = less(lua, top + 2, top + 1); /* equal: the left one, so it is stable */
            lua_settop(lua, top);
        }
        lua_rawgeti(lua, from, take_right ? right++ : left++);
        lua_rawseti(lua, to, at);
    }
}

int
mob_lua_sort(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TTABLE);
    if (!lua_isnoneornil(lua, 2))
        luaL_checktype(lua, 2, LUA_TFUNCTION);
    lua_settop(lua, 2);
    lua_Integer count = luaL_len(lua, 1);
    luaL_argcheck(lua, count < INT32_MAX, 1, "array too big");
    lua_createtable(lua, (int)count, 0);
    lua_createtable(lua, (int)count, 0);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_geti(lua, 1, i);
        if (lua_isnil(lua, -1))
            return luaL_error(lua, "table.sort: element %d is nil", (int)i);
        lua_rawseti(lua, SORT_FROM, i);
    }

    int from = SORT_FROM;
    int to = SORT_TO;
    for (lua_Integer width = 1; width < count; width *= 2) {
        for (lua_Integer low = 1; low <= count; low += width * 2)
            merge(lua, from, to,
                  (lua_Integer[3]){low, MIN(low + width, count + 1),
                                   MIN(low + width * 2, count + 1)});
        int swap = from;
        from = to;
        to = swap;
    }
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(lua, from, i);
        lua_seti(lua, 1, i);
    }
    return 0;
}
