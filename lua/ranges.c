/* ranges.c: what may be drawn from: sim.uniform(a, b), sim.between(a, b),
 * sim.among{…}. A range is only a description; whoever takes it draws.
 */
#include "lua/scenario_parts.h"

static bool
reads_as_time(lua_State *lua, int index, MobTime *time, double *number)
{
    if (lua_type(lua, index) == LUA_TSTRING) {
        *time = mob_lua_to_time(lua, index, "an end of the range");
        return true;
    }
    *number = luaL_checknumber(lua, index);
    *time = *number >= 0 ? mob_lua_to_time(lua, index, "an end of the range") : 0;
    return false;
}

static int
push_between(lua_State *lua)
{
    MobRange range = {0};
    bool low = reads_as_time(lua, 1, &range.least, &range.low);
    bool high = reads_as_time(lua, 2, &range.most, &range.high);
    MobRange *box;

    if (range.least > range.most || (!low && !high && range.low > range.high))
        return luaL_error(lua, "a range goes from the least to the most");
    range.is_time = low || high;
    box = lua_newuserdatauv(lua, sizeof *box, 0);
    *box = range;
    luaL_setmetatable(lua, MOB_META_RANGE);
    return 1;
}

int
mob_sim_uniform(lua_State *lua)
{
    return push_between(lua);
}

int
mob_sim_between(lua_State *lua)
{
    return push_between(lua);
}

/* sim.among { "a", "b" } */
int
mob_sim_among(lua_State *lua)
{
    MobRange *box;
    lua_Integer count;

    luaL_checktype(lua, 1, LUA_TTABLE);
    count = (lua_Integer)lua_rawlen(lua, 1);
    luaL_argcheck(lua, count > 0 && count < 1000000, 1, "a list with at least one value");
    box = lua_newuserdatauv(lua, sizeof *box, 1);
    *box = (MobRange){.count = (uint32_t)count};
    lua_pushvalue(lua, 1);
    lua_setiuservalue(lua, -2, 1);
    luaL_setmetatable(lua, MOB_META_RANGE);
    return 1;
}

static int
range_tostring(lua_State *lua)
{
    const MobRange *range = luaL_checkudata(lua, 1, MOB_META_RANGE);

    if (range->count > 0)
        lua_pushfstring(lua, "among %d", (int)range->count);
    else
        lua_pushliteral(lua, "a range");
    return 1;
}

static const luaL_Reg range_metas[] = {{"__tostring", range_tostring}, {NULL, NULL}};

void
mob_ranges_open(lua_State *lua)
{
    mob_class_new(lua, MOB_META_RANGE, NULL, range_metas);
}
