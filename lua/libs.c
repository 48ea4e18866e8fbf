/* libs.c: the libraries of a sandbox: string, table, math, os, utf8 and
 * coroutine, without what differs between runs and machines. */
#include <math.h>
#include <string.h>

#include "lua/errors.h"
#include "lua/sandbox.h"

/* --- string --- */

/* Shows the argument at @index as print would, if %s is to print an object. */
static void
prepare_argument(lua_State *lua, int index)
{
    if (index > lua_gettop(lua))
        return;
    switch (lua_type(lua, index)) {
    case LUA_TNUMBER:
    case LUA_TSTRING:
        return;
    default:
        mob_lua_tostring(lua, index, NULL);
        lua_replace(lua, index);
    }
}

/* string.format, in which %s shows objects as print does and %p does not exist. */
static int
string_format(lua_State *lua)
{
    size_t length;
    const char *format = luaL_checklstring(lua, 1, &length);
    int argument = 1;

    for (const char *at = format; at < format + length; at++) {
        if (*at != '%')
            continue;
        at++;
        if (*at == '%')
            continue;
        while (*at != '\0' && strchr("-+ #0123456789.", *at) != NULL)
            at++;
        argument++;
        if (*at == 'p')
            return luaL_error(lua,
                              "string.format: %%p shows an address, which differs in every run");
        if (*at == 's')
            prepare_argument(lua, argument);
    }
    int count = lua_gettop(lua);
    lua_pushvalue(lua, lua_upvalueindex(1));
    lua_insert(lua, 1);
    lua_call(lua, count, 1);
    return 1;
}

/* The globals are on top. */
static void
open_string(lua_State *lua)
{
    luaopen_string(lua);
    lua_pushnil(lua);
    lua_setfield(lua, -2, "dump");
    lua_getfield(lua, -1, "format");
    lua_pushcclosure(lua, string_format, 1);
    lua_setfield(lua, -2, "format");
    mob_lua_push_view(lua);
    lua_setfield(lua, -2, "string");
}

static void
open_table(lua_State *lua)
{
    luaopen_table(lua);
    lua_pushcfunction(lua, mob_lua_sort);
    lua_setfield(lua, -2, "sort");
    mob_lua_push_view(lua);
    lua_setfield(lua, -2, "table");
}

static void
open_utf8(lua_State *lua)
{
    luaopen_utf8(lua);
    mob_lua_push_view(lua);
    lua_setfield(lua, -2, "utf8");
}

/* --- math --- */

static uint64_t
draw(lua_State *lua, uint64_t n)
{
    MobLuaSandbox *self = mob_lua_sandbox(lua);

    mob_lua_check_effect(lua, "random");
    if (self->random == NULL)
        return (uint64_t)luaL_error(lua, "random is not available here");
    return self->random(self, lua, n);
}

int
mob_lua_random(lua_State *lua)
{
    lua_Integer low = 1;
    lua_Integer high;

    switch (lua_gettop(lua)) {
    case 0:
        lua_pushnumber(lua, (double)(draw(lua, 0) >> 11) * 0x1p-53);
        return 1;
    case 1:
        high = luaL_checkinteger(lua, 1);
        break;
    default:
        low = luaL_checkinteger(lua, 1);
        high = luaL_checkinteger(lua, 2);
        break;
    }
    luaL_argcheck(lua, low <= high, lua_gettop(lua) > 1 ? 2 : 1, "the interval is empty");
    uint64_t n = (uint64_t)high - (uint64_t)low + 1; /* 0: all 64 bits */
    lua_pushinteger(lua, (lua_Integer)((uint64_t)low + draw(lua, n)));
    return 1;
}

static int
math_randomseed(lua_State *lua)
{
    return 0; /* the seed is the run's */
}

static void
open_math(lua_State *lua)
{
    luaopen_math(lua);
    lua_pushcfunction(lua, mob_lua_random);
    lua_setfield(lua, -2, "random");
    lua_pushcfunction(lua, math_randomseed);
    lua_setfield(lua, -2, "randomseed");
    mob_lua_push_view(lua);
    lua_setfield(lua, -2, "math");
}

/* --- os --- */

static MobTime
time_now(lua_State *lua, const char *what)
{
    MobLuaSandbox *self = mob_lua_sandbox(lua);

    mob_lua_check_effect(lua, what);
    if (self->now == NULL)
        return (MobTime)luaL_error(lua, "%s is not available here", what);
    return self->now(self, lua);
}

int
mob_lua_now(lua_State *lua)
{
    lua_pushnumber(lua, (double)time_now(lua, "now") / 1e9);
    return 1;
}

static int
os_time(lua_State *lua)
{
    if (!lua_isnoneornil(lua, 1))
        return luaL_error(lua, "os.time: only the present time is available");
    lua_pushinteger(lua, (lua_Integer)(time_now(lua, "os.time") / MOB_SECOND));
    return 1;
}

static int
os_clock(lua_State *lua)
{
    lua_pushnumber(lua, (double)time_now(lua, "os.clock") / 1e9);
    return 1;
}

static int
os_difftime(lua_State *lua)
{
    lua_pushnumber(lua, luaL_checknumber(lua, 1) - luaL_checknumber(lua, 2));
    return 1;
}

static void
open_os(lua_State *lua)
{
    static const luaL_Reg functions[] = {
        {"clock", os_clock}, {"difftime", os_difftime}, {"time", os_time}, {NULL, NULL}};

    luaL_newlib(lua, functions);
    mob_lua_push_view(lua);
    lua_setfield(lua, -2, "os");
}

/* --- coroutine ---
 *
 * A body may use coroutines of its own. When one of them makes a call of the
 * runtime, the yield has to go on to the outermost, the body; the answer finds
 * its way back because each level resumes the one below it.
 */

enum {
    PLAIN, /* coroutine.resume: the coroutine is argument 1 */
    WRAP,  /* coroutine.wrap: it is upvalue 1, and errors are raised */
};

static int after_resume(lua_State *lua, lua_State *inner, int status, int count, int kind);

static lua_State *
inner_of(lua_State *lua, int kind)
{
    return lua_tothread(lua, kind == WRAP ? lua_upvalueindex(1) : 1);
}

static int
resume(lua_State *lua, lua_State *inner, int given, int *count)
{
    mob_lua_sandbox_note_running(mob_lua_sandbox(lua), inner);
    int status = lua_resume(inner, lua, given, count);
    mob_lua_sandbox_note_running(mob_lua_sandbox(lua), lua);
    return status;
}

static int
resume_again(lua_State *lua, int status, lua_KContext kind)
{
    lua_State *inner = inner_of(lua, (int)kind);
    int count;

    status = resume(lua, inner, 0, &count);
    return after_resume(lua, inner, status, count, (int)kind);
}

static int
resume_failed(lua_State *lua, lua_State *inner, int kind)
{
    lua_xmove(inner, lua, 1);
    if (kind == WRAP || mob_lua_sandbox(lua)->exceeded) {
        lua_resetthread(inner);
        return lua_error(lua);
    }
    lua_pushboolean(lua, 0);
    lua_insert(lua, -2);
    return 2;
}

static int
after_resume(lua_State *lua, lua_State *inner, int status, int count, int kind)
{
    MobLuaSandbox *self = mob_lua_sandbox(lua);

    if (status == LUA_YIELD && self->calling) {
        lua_pop(inner, count);
        if (lua_isyieldable(lua))
            return lua_yieldk(lua, 0, kind, resume_again);
        self->calling = false;
        mob_lua_check_yieldable(lua, "a coroutine that waits");
    }
    if (status != LUA_OK && status != LUA_YIELD)
        return resume_failed(lua, inner, kind);
    if (!lua_checkstack(lua, count + 1))
        return luaL_error(lua, "too many results to resume");
    if (kind == PLAIN)
        lua_pushboolean(lua, 1);
    lua_xmove(inner, lua, count);
    return count + (kind == PLAIN);
}

static int
start_resume(lua_State *lua, int kind)
{
    lua_State *inner = inner_of(lua, kind);
    int first = kind == WRAP ? 0 : 1;
    int given = lua_gettop(lua) - first;
    int count;

    if (!lua_checkstack(inner, given))
        return luaL_error(lua, "too many arguments to resume");
    if (lua_status(inner) == LUA_OK && lua_gettop(inner) == 0) {
        lua_settop(lua, first);
        lua_pushliteral(lua, "cannot resume dead coroutine");
        lua_xmove(lua, inner, 1);
        return resume_failed(lua, inner, kind);
    }
    lua_xmove(lua, inner, given);
    int status = resume(lua, inner, given, &count);
    return after_resume(lua, inner, status, count, kind);
}

static int
co_resume(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TTHREAD);
    return start_resume(lua, PLAIN);
}

static int
co_wrapped(lua_State *lua)
{
    return start_resume(lua, WRAP);
}

/* At the top level it would be shared by all the tasks of a worker. */
static int
co_create(lua_State *lua)
{
    mob_lua_check_effect(lua, "a coroutine");
    luaL_checktype(lua, 1, LUA_TFUNCTION);
    lua_State *inner = lua_newthread(lua);
    lua_pushvalue(lua, 1);
    lua_xmove(lua, inner, 1);
    return 1;
}

static int
co_wrap(lua_State *lua)
{
    mob_lua_check_effect(lua, "a coroutine");
    luaL_checktype(lua, 1, LUA_TFUNCTION);
    lua_State *inner = lua_newthread(lua);
    lua_pushvalue(lua, 1);
    lua_xmove(lua, inner, 1);
    lua_pushcclosure(lua, co_wrapped, 1);
    return 1;
}

static int co_yield (lua_State *lua)
{
    if (lua == mob_lua_sandbox(lua)->base)
        return luaL_error(lua, "attempt to yield from outside a coroutine");
    return lua_yield(lua, lua_gettop(lua));
}

static void
open_coroutine(lua_State *lua)
{
    luaopen_coroutine(lua);
    lua_pushcfunction(lua, co_create);
    lua_setfield(lua, -2, "create");
    lua_pushcfunction(lua, co_resume);
    lua_setfield(lua, -2, "resume");
    lua_pushcfunction(lua, co_wrap);
    lua_setfield(lua, -2, "wrap");
    lua_pushcfunction(lua, co_yield );
    lua_setfield(lua, -2, "yield");
    mob_lua_push_view(lua);
    lua_setfield(lua, -2, "coroutine");
}

void
mob_lua_open_libs(lua_State *lua)
{
    open_string(lua);
    open_table(lua);
    open_math(lua);
    open_os(lua);
    open_utf8(lua);
    open_coroutine(lua);
}
