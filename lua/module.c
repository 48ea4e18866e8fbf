/* module.c: the module mobula, but for tasks (tasks.c). Each function checks
 * its arguments, fills in the call, and yields; its continuation gives the
 * answer. */
#include <string.h>

#include "lua/env.h"
#include "lua/errors.h"
#include "lua/refs.h"
#include "lua/value.h"

static const char module_key = 'm'; /* registry: the module */

/* --- arguments --- */

static uint32_t
read_num_returns(lua_State *lua, uint32_t most)
{
    lua_Integer count = lua_tointeger(lua, -1);

    if (count < 1 || count > (lua_Integer)most)
        luaL_error(lua, "m.wait: num_returns is a number from 1 to the number of references, %d",
                   (int)most);
    return (uint32_t)count;
}

/* Reads the option @name, whose value is on top. */
static void
read_option(lua_State *lua, const char *name, const char *what, MobCall *call)
{
    static const char *const names[] = {"timeout", "num_returns"};
    bool waits = strcmp(what, "m.wait") == 0;

    if (strcmp(name, "timeout") == 0) {
        call->timeout = mob_lua_to_time(lua, lua_gettop(lua), "timeout");
    } else if (waits && strcmp(name, "num_returns") == 0) {
        call->count = read_num_returns(lua, call->ref_count);
    } else {
        const char *near = mob_lua_nearest(name, names, waits ? 2 : 1);
        mob_lua_raise(lua, "E105", NULL, "%s has no option '%s'%s%s%s", what, name,
                      near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
                      near != NULL ? "'?" : "");
    }
}

/* Reads { timeout = …, num_returns = … } at @index. */
static void
read_options(lua_State *lua, int index, const char *what, MobCall *call)
{
    const MobRef *ref;

    if (lua_isnoneornil(lua, index))
        return;
    if (mob_lua_get_ref(lua, index, &ref))
        luaL_error(lua, "%s takes several references as a list: %s { r1, r2 }", what, what);
    if (!lua_istable(lua, index))
        luaL_error(lua, "%s: options are a table, such as { timeout = \"1s\" }", what);
    mob_lua_push_keys(lua, index);
    int keys = lua_gettop(lua);
    for (lua_Integer i = 1; lua_rawgeti(lua, keys, i) != LUA_TNIL; i++) {
        const char *name = lua_type(lua, -1) == LUA_TSTRING ? lua_tostring(lua, -1) : "?";
        lua_getfield(lua, index, name);
        read_option(lua, name, what, call);
        lua_settop(lua, keys);
    }
    lua_settop(lua, keys - 1);
}

static void
ask(MobLuaBody *body, const MobRef *ref)
{
    if (body->asked == NULL)
        body->asked = g_array_new(FALSE, FALSE, sizeof(MobRef));
    g_array_append_vals(body->asked, ref, 1);
    body->call.refs = (MobRef *)(void *)body->asked->data;
    body->call.ref_count = body->asked->len;
}

static void
ask_nothing(MobLuaBody *body)
{
    if (body->asked != NULL)
        g_array_set_size(body->asked, 0);
}

/* Reads the list of references at @index. */
static void
ask_list(lua_State *lua, MobLuaBody *body, int index, const char *what)
{
    if (!lua_istable(lua, index))
        luaL_error(lua, "%s needs a reference or a list of references, and not %s%s", what,
                   lua_isnoneornil(lua, index) ? "" : "a ", luaL_typename(lua, index));
    ask_nothing(body);
    lua_Integer count = luaL_len(lua, index);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_geti(lua, index, i);
        ask(body, mob_lua_check_ref(lua, -1, what));
        lua_pop(lua, 1);
    }
}

bool
mob_lua_ask(lua_State *lua, MobLuaBody *body, int index, const char *what)
{
    const MobRef *ref;

    if (!mob_lua_get_ref(lua, index, &ref)) {
        ask_list(lua, body, index, what);
        return true;
    }
    ask_nothing(body);
    ask(body, mob_lua_check_ref(lua, index, what));
    return false;
}

/* --- get and try --- */

enum {
    GET_LIST = 1, /* the answer is a list */
    GET_TRY = 2,  /* errors are returned */
};

/* Pushes the values, or the first error among them and returns false. */
static bool
push_values(lua_State *lua, const MobAnswer *answer, bool list)
{
    if (answer->fault != NULL) {
        mob_lua_push_error(lua, answer->fault);
        return false;
    }
    for (uint32_t i = 0; i < answer->value_count; i++)
        if (answer->values[i]->fault != 0) {
            mob_lua_push_error(lua, answer->values[i]);
            return false;
        }
    if (list)
        lua_createtable(lua, (int)answer->value_count, 0);
    for (uint32_t i = 0; i < answer->value_count; i++) {
        mob_lua_push_value(lua, answer->values[i], mob_lua_push_ref);
        if (!list)
            break;
        lua_rawseti(lua, -2, (lua_Integer)i + 1);
    }
    return true;
}

static int
got(lua_State *lua, int status, lua_KContext how)
{
    MobLuaEnv *env = mob_lua_env(lua);

    env->sandbox.calling = false;
    if (push_values(lua, env->body->answer, (how & GET_LIST) != 0))
        return 1;
    if ((how & GET_TRY) == 0)
        return lua_error(lua);
    lua_pushnil(lua);
    lua_insert(lua, -2);
    return 2;
}

static int
get(lua_State *lua, const char *what, int how)
{
    MobLuaBody *body = mob_lua_calling(lua, what);

    lua_settop(lua, 2);
    if (mob_lua_ask(lua, body, 1, what))
        how |= GET_LIST;
    read_options(lua, 2, what, &body->call);
    if (body->call.ref_count == 0) {
        lua_newtable(lua);
        return 1;
    }
    return mob_lua_call_here(lua, body, MOB_CALL_GET, got, how);
}

static int
module_get(lua_State *lua)
{
    return get(lua, "m.get", 0);
}

static int
module_try(lua_State *lua)
{
    return get(lua, "m.try", GET_TRY);
}

/* --- wait --- */

static int
waited(lua_State *lua, int status, lua_KContext context)
{
    const MobAnswer *answer = mob_lua_answer(lua);
    lua_Integer count = luaL_len(lua, 1);
    lua_Integer ready = 0;
    lua_Integer pending = 0;

    lua_createtable(lua, (int)answer->ready_count, 0);
    lua_createtable(lua, (int)(count - (lua_Integer)answer->ready_count), 0);
    int lists = lua_gettop(lua) - 1;
    for (lua_Integer i = 1; i <= count; i++) {
        bool is_ready =
            ready < (lua_Integer)answer->ready_count && answer->ready[ready] == (uint64_t)(i - 1);
        lua_geti(lua, 1, i);
        if (is_ready)
            lua_rawseti(lua, lists, ++ready);
        else
            lua_rawseti(lua, lists + 1, ++pending);
    }
    return 2;
}

static int
module_wait(lua_State *lua)
{
    MobLuaBody *body = mob_lua_calling(lua, "m.wait");

    lua_settop(lua, 2);
    ask_list(lua, body, 1, "m.wait");
    body->call.count = 1;
    read_options(lua, 2, "m.wait", &body->call);
    if (body->call.ref_count == 0) {
        lua_newtable(lua);
        lua_newtable(lua);
        return 2;
    }
    return mob_lua_call(lua, body, MOB_CALL_WAIT, waited, 0);
}

/* --- as_completed: the refs that are left are upvalue 1 --- */

static int
completed(lua_State *lua, int status, lua_KContext context)
{
    const MobAnswer *answer = mob_lua_answer(lua);
    int list = lua_upvalueindex(1);

    if (answer->ready_count == 0)
        return luaL_error(lua, "m.as_completed: nothing can complete any more");
    lua_Integer count = (lua_Integer)lua_rawlen(lua, list);
    lua_Integer at = (lua_Integer)answer->ready[0] + 1;
    lua_rawgeti(lua, list, at);
    for (; at <= count; at++) {
        lua_rawgeti(lua, list, at + 1);
        lua_rawseti(lua, list, at);
    }
    return 1;
}

static int
next_completed(lua_State *lua)
{
    MobLuaBody *body = mob_lua_calling(lua, "m.as_completed");

    lua_settop(lua, 0);
    lua_pushvalue(lua, lua_upvalueindex(1));
    ask_list(lua, body, 1, "m.as_completed");
    if (body->call.ref_count == 0)
        return 0;
    body->call.count = 1;
    return mob_lua_call(lua, body, MOB_CALL_WAIT, completed, 0);
}

static int
module_as_completed(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TTABLE);
    lua_Integer count = luaL_len(lua, 1);
    lua_createtable(lua, (int)count, 0);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_geti(lua, 1, i);
        mob_lua_check_ref(lua, -1, "m.as_completed");
        lua_rawseti(lua, -2, i);
    }
    lua_pushcclosure(lua, next_completed, 1);
    return 1;
}

/* --- put and bytes --- */

static int
put_done(lua_State *lua, int status, lua_KContext context)
{
    const MobAnswer *answer = mob_lua_answer(lua);

    g_assert(answer->ref_count == 1);
    mob_lua_push_ref(lua, &answer->refs[0]);
    return 1;
}

static int
module_put(lua_State *lua)
{
    MobLuaBody *body = mob_lua_calling(lua, "m.put");
    const MobRef *ref;

    luaL_checkany(lua, 1);
    if (mob_lua_get_ref(lua, 1, &ref))
        return luaL_error(lua, "m.put of a reference: what it refers to is stored already");
    MobValue *value = mob_lua_to_value(lua, 1, "the value");
    g_free(body->results);
    body->results = g_new0(MobValue *, 1);
    body->results[0] = value;
    body->result_count = 1;
    return mob_lua_call_here(lua, body, MOB_CALL_PUT, put_done, 0);
}

static int
module_bytes(lua_State *lua)
{
    uint64_t size = mob_lua_to_size(lua, 1, "the size of m.bytes");
    lua_Integer seed = luaL_optinteger(lua, 2, 0);

    luaL_argcheck(lua, size <= MOB_FILL_MAX, 1, "too many bytes");
    mob_lua_push_bytes(lua, size, (uint64_t)seed & INT64_MAX);
    return 1;
}

/* --- time --- */

static int
nothing(lua_State *lua, int status, lua_KContext context)
{
    mob_lua_answer(lua);
    return 0;
}

static int
module_sleep(lua_State *lua)
{
    MobLuaBody *body = mob_lua_calling(lua, "m.sleep");

    body->call.time = mob_lua_to_time(lua, 1, "what m.sleep is given");
    return mob_lua_call(lua, body, MOB_CALL_SLEEP, nothing, 0);
}

static int
module_compute(lua_State *lua)
{
    MobLuaBody *body = mob_lua_calling(lua, "m.compute");

    body->call.time = mob_lua_to_time(lua, 1, "what m.compute is given");
    return mob_lua_call(lua, body, MOB_CALL_COMPUTE, nothing, 0);
}

/* --- the module --- */

static const luaL_Reg functions[] = {
    {"as_completed", module_as_completed},
    {"bytes", module_bytes},
    {"compute", module_compute},
    {"context", mob_lua_context},
    {"free", mob_lua_free},
    {"get", module_get},
    {"now", mob_lua_now},
    {"pin", mob_lua_pin},
    {"put", module_put},
    {"random", mob_lua_random},
    {"read", mob_lua_read},
    {"ref", mob_lua_ref},
    {"sleep", module_sleep},
    {"sorted", mob_lua_pairs},
    {"top", mob_lua_top},
    {"try", module_try},
    {"wait", module_wait},
    {NULL, NULL},
};

/* Reading what the module does not have. */
static int
module_missing(lua_State *lua)
{
    static const char *const names[] = {
        "as_completed", "bytes",  "compute", "context", "errors", "free",   "get",
        "log",          "main",   "now",     "pin",     "put",    "random", "read",
        "ref",          "remote", "sleep",   "sorted",  "top",    "try",    "wait"};
    const char *name = lua_type(lua, 2) == LUA_TSTRING ? lua_tostring(lua, 2) : "?";

    if (strcmp(name, "main") == 0)
        return 0;
    const char *near = mob_lua_nearest(name, names, G_N_ELEMENTS(names));
    return luaL_error(lua, "the module has no '%s'%s%s%s", name,
                      near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
                      near != NULL ? "'?" : "");
}

/* The only thing that a program may set is main, at the top level. */
static int
module_set(lua_State *lua)
{
    if (lua_type(lua, 2) != LUA_TSTRING || strcmp(lua_tostring(lua, 2), "main") != 0)
        return luaL_error(lua, "a program sets main in the module, and nothing else");
    if (!mob_lua_sandbox(lua)->defining)
        mob_lua_raise(lua, "E109", NULL, "main is set at the top level of the program");
    luaL_argexpected(lua, lua_isfunction(lua, 3) && !lua_iscfunction(lua, 3), 3,
                     "function m.main(...) … end");
    mob_lua_push_behind(lua, 1);
    lua_insert(lua, 2);
    lua_rawset(lua, 2);
    return 0;
}

static void
make_module(lua_State *lua)
{
    luaL_newlib(lua, functions);
    lua_getglobal(lua, "string");
    lua_getfield(lua, -1, "format");
    lua_remove(lua, -2);
    lua_pushcclosure(lua, mob_lua_log, 1);
    lua_setfield(lua, -2, "log");
    mob_lua_push_error_names(lua);
    mob_lua_push_view(lua);
    lua_setfield(lua, -2, "errors");
    mob_lua_add_tasks(lua);
    lua_createtable(lua, 0, 1);
    lua_pushcfunction(lua, module_missing);
    lua_setfield(lua, -2, "__index");
    lua_setmetatable(lua, -2);
    mob_lua_push_view(lua);
    lua_getmetatable(lua, -1);
    lua_pushcfunction(lua, module_set);
    lua_setfield(lua, -2, "__newindex");
    lua_pop(lua, 1);
}

void
mob_lua_push_module(lua_State *lua)
{
    if (lua_rawgetp(lua, LUA_REGISTRYINDEX, &module_key) != LUA_TNIL)
        return;
    lua_pop(lua, 1);
    make_module(lua);
    lua_pushvalue(lua, -1);
    lua_rawsetp(lua, LUA_REGISTRYINDEX, &module_key);
}

bool
mob_lua_is_module(lua_State *lua, int index)
{
    index = lua_absindex(lua, index);
    lua_rawgetp(lua, LUA_REGISTRYINDEX, &module_key);
    bool same = lua_rawequal(lua, -1, index) && !lua_isnil(lua, -1);
    lua_pop(lua, 1);
    return same;
}
