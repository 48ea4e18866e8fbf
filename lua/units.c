/* units.c: durations and sizes as people write them, without floating point
 * where there is a text. */
#include <math.h>
#include <string.h>

#include "lua/value.h"

typedef struct {
    const char *name;
    uint64_t factor;
} Unit;

static const Unit times[] = {
    {"ns", 1},         {"us", MOB_US},         {"\302\265s", MOB_US},    {"ms", MOB_MS},
    {"s", MOB_SECOND}, {"m", 60 * MOB_SECOND}, {"min", 60 * MOB_SECOND}, {"h", 3600 * MOB_SECOND},
    {"", MOB_SECOND},
};

static const Unit sizes[] = {
    {"", 1},
    {"B", 1},
    {"kB", 1000},
    {"KB", 1000},
    {"MB", 1000 * 1000},
    {"GB", UINT64_C(1000) * 1000 * 1000},
    {"TB", UINT64_C(1000) * 1000 * 1000 * 1000},
    {"KiB", 1024},
    {"MiB", 1024 * 1024},
    {"GiB", UINT64_C(1024) * 1024 * 1024},
    {"TiB", UINT64_C(1024) * 1024 * 1024 * 1024},
};

/* Reads "12.5 unit": at most nine digits behind the point, no sign. */
static bool
parse(const char *text, const Unit *units, size_t count, uint64_t *result)
{
    uint64_t whole = 0;
    uint64_t part = 0;
    uint64_t scale = 1;

    while (g_ascii_isspace(*text))
        text++;
    if (!g_ascii_isdigit(*text))
        return false;
    for (; g_ascii_isdigit(*text); text++)
        if (__builtin_mul_overflow(whole, 10, &whole) ||
            __builtin_add_overflow(whole, (uint64_t)(*text - '0'), &whole))
            return false;
    if (*text == '.')
        for (text++; g_ascii_isdigit(*text) && scale < 1000000000; text++, scale *= 10)
            part = part * 10 + (uint64_t)(*text - '0');
    while (g_ascii_isspace(*text))
        text++;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(text, units[i].name) != 0)
            continue;
        if (__builtin_mul_overflow(whole, units[i].factor, &whole))
            return false;
        uint64_t more = units[i].factor / scale * part + units[i].factor % scale * part / scale;
        return !__builtin_add_overflow(whole, more, result) && *result <= INT64_MAX;
    }
    return false;
}

bool
mob_lua_parse_time(const char *text, MobTime *time)
{
    return parse(text, times, G_N_ELEMENTS(times), time);
}

bool
mob_lua_parse_size(const char *text, uint64_t *size)
{
    return parse(text, sizes, G_N_ELEMENTS(sizes), size);
}

MobTime
mob_lua_to_time(lua_State *lua, int index, const char *what)
{
    MobTime time;

    if (lua_type(lua, index) == LUA_TNUMBER) {
        double seconds = lua_tonumber(lua, index);
        if (seconds >= 0 && seconds < 9e9)
            return (MobTime)(seconds * 1e9 + 0.5);
    } else if (lua_type(lua, index) == LUA_TSTRING &&
               mob_lua_parse_time(lua_tostring(lua, index), &time)) {
        return time;
    }
    lua_pushvalue(lua, index);
    luaL_tolstring(lua, -1, NULL);
    return (MobTime)luaL_error(lua,
                               "%s is a duration, such as \"20ms\", \"1.5s\" or a number of "
                               "seconds, and not %s",
                               what,
                               lua_type(lua, -2) == LUA_TSTRING || lua_type(lua, -2) == LUA_TNUMBER
                                   ? lua_tostring(lua, -1)
                                   : luaL_typename(lua, -2));
}

uint64_t
mob_lua_to_size(lua_State *lua, int index, const char *what)
{
    uint64_t size;

    if (lua_type(lua, index) == LUA_TNUMBER) {
        double bytes = lua_tonumber(lua, index);
        if (bytes >= 0 && bytes < 9e18 && bytes == floor(bytes))
            return lua_isinteger(lua, index) ? (uint64_t)lua_tointeger(lua, index)
                                             : (uint64_t)bytes;
    } else if (lua_type(lua, index) == LUA_TSTRING &&
               mob_lua_parse_size(lua_tostring(lua, index), &size)) {
        return size;
    }
    lua_pushvalue(lua, index);
    luaL_tolstring(lua, -1, NULL);
    return (uint64_t)luaL_error(
        lua, "%s is a size, such as \"64MiB\" or a number of bytes, and not %s", what,
        lua_type(lua, -2) == LUA_TSTRING || lua_type(lua, -2) == LUA_TNUMBER
            ? lua_tostring(lua, -1)
            : luaL_typename(lua, -2));
}
