/* tasks.c: m.remote, and what it returns.
 *
 * A task is a name that every worker finds in the same text. One that is
 * defined at the top level is found by that name; one that is defined inside
 * a function travels as NAME@FILE:LINE:LAST[a,b], from which the worker cuts
 * its text out of the program: a and b are the locals of the top level that it
 * uses, which the worker has too.
 */
#include <string.h>

#include "lua/env.h"
#include "lua/errors.h"
#include "lua/inner.h"
#include "lua/refs.h"
#include "lua/source.h"
#include "lua/value.h"

#define TASK_META       "mobula.Task"
#define DEFINITION_META "mobula.TaskDefinition"

/* The template of a task's specs. */
typedef struct {
    MobTaskSpec *spec; /* owned */
} Definition;

static void push_task(lua_State *lua, MobTaskSpec *spec);

/* --- options --- */

static const char *const option_names[] = {
    "num_cpus",         "resources", "memory", "num_returns",         "max_retries",
    "retry_exceptions", "name",      "label",  "scheduling_strategy",
};

/* A copy of @from that can be changed. */
static MobTaskSpec *
copy_spec(const MobTaskSpec *from)
{
    MobTaskSpec *spec = mob_spec_new();

    spec->function = mob_str_ref(from->function);
    spec->label = mob_str_ref(from->label);
    spec->bundle = mob_str_ref(from->bundle);
    spec->returns = from->returns;
    spec->needs = mob_resources_copy(&from->needs);
    spec->retries = from->retries;
    spec->retry_exceptions = from->retry_exceptions;
    spec->retry_only = mob_str_ref(from->retry_only);
    spec->strategy = from->strategy;
    spec->node = mob_str_ref(from->node);
    spec->soft = from->soft;
    return spec;
}

static void
replace_str(MobStr **field, MobStr *str)
{
    mob_str_unref(*field);
    *field = str;
}

/* An amount of a resource in ten-thousandths, as the number at @index. */
static int64_t
read_amount(lua_State *lua, int index, const char *name)
{
    double amount = lua_type(lua, index) == LUA_TNUMBER ? lua_tonumber(lua, index) : -1;

    if (!(amount >= 0 && amount <= 1e9))
        luaL_error(lua, "the amount of %s is a number from 0 on, such as 1 or 0.5", name);
    return (int64_t)(amount * (double)MOB_UNIT + 0.5);
}

static void
read_resources(lua_State *lua, int index, MobTaskSpec *spec)
{
    if (!lua_istable(lua, index))
        luaL_error(lua, "resources is a table, such as { gpu = 1 }");
    mob_lua_push_keys(lua, index);
    mob_lua_push_behind(lua, index);
    int keys = lua_gettop(lua) - 1;
    uint32_t count = (uint32_t)lua_rawlen(lua, keys);
    MobCustoms *customs = mob_customs_new(count);
    mob_customs_unref(spec->needs.customs);
    spec->needs.customs = customs; /* owned at once: an error must not lose it */
    customs->count = 0;
    for (uint32_t i = 0; i < count; i++) {
        lua_rawgeti(lua, keys, (lua_Integer)i + 1);
        if (lua_type(lua, -1) != LUA_TSTRING)
            luaL_error(lua, "resources is a table with names, such as { gpu = 1 }");
        const char *name = lua_tostring(lua, -1);
        lua_pushvalue(lua, -1);
        lua_rawget(lua, keys + 1);
        int64_t amount = read_amount(lua, -1, name);
        if (amount > 0)
            customs->items[customs->count++] = (MobCustom){mob_str_new(name), amount};
        lua_pop(lua, 2);
    }
    lua_settop(lua, keys - 1);
    if (customs->count == 0) {
        mob_customs_unref(customs);
        spec->needs.customs = NULL;
        return;
    }
    mob_customs_sort(customs);
}

static void
read_retry_exceptions(lua_State *lua, int index, MobTaskSpec *spec)
{
    replace_str(&spec->retry_only, NULL);
    if (lua_isboolean(lua, index)) {
        spec->retry_exceptions = lua_toboolean(lua, index);
        return;
    }
    if (!lua_istable(lua, index))
        luaL_error(lua, "retry_exceptions is true, false or a list of names or messages");
    luaL_Buffer buffer;
    luaL_buffinit(lua, &buffer);
    lua_Integer count = luaL_len(lua, index);
    for (lua_Integer i = 1; i <= count; i++) {
        if (i > 1)
            luaL_addchar(&buffer, '\n');
        if (lua_geti(lua, index, i) != LUA_TSTRING)
            luaL_error(lua, "retry_exceptions is a list of names or messages: element %d is a %s",
                       (int)i, luaL_typename(lua, -1));
        luaL_addvalue(&buffer);
    }
    luaL_pushresult(&buffer);
    spec->retry_exceptions = count > 0;
    replace_str(&spec->retry_only, mob_str_new(lua_tostring(lua, -1)));
    lua_pop(lua, 1);
}

static void
read_affinity(lua_State *lua, int index, MobTaskSpec *spec)
{
    if (lua_getfield(lua, index, "node") != LUA_TSTRING)
        luaL_error(lua, "scheduling_strategy { node = … } needs the name of a machine");
    replace_str(&spec->node, mob_str_new(lua_tostring(lua, -1)));
    lua_getfield(lua, index, "soft");
    spec->soft = lua_toboolean(lua, -1);
    spec->strategy = MOB_STRATEGY_AFFINITY;
    lua_pop(lua, 2);
}

static void
read_strategy(lua_State *lua, int index, MobTaskSpec *spec)
{
    const char *name = lua_type(lua, index) == LUA_TSTRING ? lua_tostring(lua, index) : "";

    replace_str(&spec->node, NULL);
    spec->soft = false;
    if (lua_istable(lua, index))
        read_affinity(lua, index, spec);
    else if (strcmp(name, "DEFAULT") == 0)
        spec->strategy = MOB_STRATEGY_DEFAULT;
    else if (strcmp(name, "SPREAD") == 0)
        spec->strategy = MOB_STRATEGY_SPREAD;
    else
        luaL_error(
            lua,
            "scheduling_strategy is \"DEFAULT\", \"SPREAD\" or { node = \"n1\", soft = true }");
}

static lua_Integer
read_count(lua_State *lua, int index, const char *name, lua_Integer least, lua_Integer most)
{
    int exact = 0;
    lua_Integer count =
        lua_type(lua, index) == LUA_TNUMBER ? lua_tointegerx(lua, index, &exact) : 0;

    if (!exact || count < least || count > most)
        luaL_error(lua, "%s is a whole number from %I to %I", name, least, most);
    return count;
}

static void
read_option(lua_State *lua, const char *name, int value, MobTaskSpec *spec)
{
    if (strcmp(name, "num_cpus") == 0) {
        spec->needs.cpu = read_amount(lua, value, name);
    } else if (strcmp(name, "memory") == 0) {
        spec->needs.memory = (int64_t)mob_lua_to_size(lua, value, name);
    } else if (strcmp(name, "resources") == 0) {
        read_resources(lua, value, spec);
    } else if (strcmp(name, "num_returns") == 0) {
        spec->returns = (uint32_t)read_count(lua, value, name, 0, 1000);
    } else if (strcmp(name, "max_retries") == 0) {
        spec->retries = read_count(lua, value, name, -1, INT32_MAX);
    } else if (strcmp(name, "retry_exceptions") == 0) {
        read_retry_exceptions(lua, value, spec);
    } else if (strcmp(name, "name") == 0 || strcmp(name, "label") == 0) {
        if (lua_type(lua, value) != LUA_TSTRING)
            luaL_error(lua, "the option name is a string");
        replace_str(&spec->label, mob_str_new(lua_tostring(lua, value)));
    } else if (strcmp(name, "scheduling_strategy") == 0) {
        read_strategy(lua, value, spec);
    } else {
        const char *near = mob_lua_nearest(name, option_names, G_N_ELEMENTS(option_names));
        mob_lua_raise(lua, "E105", NULL, "tasks have no option '%s'%s%s%s", name,
                      near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
                      near != NULL ? "'?" : "");
    }
}

static void
read_options(lua_State *lua, int index, MobTaskSpec *spec)
{
    if (lua_isnoneornil(lua, index))
        return;
    if (!lua_istable(lua, index))
        luaL_error(lua, "options are a table, such as { num_cpus = 2 }, and not a %s",
                   luaL_typename(lua, index));
    mob_lua_push_keys(lua, index);
    mob_lua_push_behind(lua, index);
    int keys = lua_gettop(lua) - 1;
    lua_Integer count = (lua_Integer)lua_rawlen(lua, keys);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(lua, keys, i);
        if (lua_type(lua, -1) != LUA_TSTRING)
            luaL_error(lua, "options are a table with names, such as { num_cpus = 2 }");
        lua_pushvalue(lua, -1);
        lua_rawget(lua, keys + 1);
        read_option(lua, lua_tostring(lua, keys + 2), keys + 3, spec);
        lua_settop(lua, keys + 1);
    }
    lua_settop(lua, keys - 1);
}

/* --- submit --- */

static Definition *
definition_of(lua_State *lua)
{
    return lua_touserdata(lua, lua_upvalueindex(1));
}

static int
submitted(lua_State *lua, int status, lua_KContext context)
{
    const MobAnswer *answer = mob_lua_answer(lua);

    luaL_checkstack(lua, (int)answer->ref_count, "too many results");
    for (uint32_t i = 0; i < answer->ref_count; i++)
        mob_lua_push_ref(lua, &answer->refs[i]);
    return (int)answer->ref_count;
}

/* The file of the place where the program is now, made into a MobStr once. */
static MobStr *
note_place(lua_State *lua, MobLuaEnv *env, uint32_t *line)
{
    const char *file = mob_lua_where(lua, line);

    if (file == NULL)
        return NULL;
    if (file != env->last_source) {
        mob_str_unref(env->last_file);
        env->last_file = mob_str_new(file);
        env->last_source = file;
    }
    return mob_str_ref(env->last_file);
}

static int
task_remote(lua_State *lua)
{
    MobLuaBody *body = mob_lua_calling(lua, "a task's remote");
    const Definition *definition = definition_of(lua);
    uint32_t count = (uint32_t)lua_gettop(lua);
    MobArgs *args = mob_args_new(count);
    const MobRef *ref;

    body->call.args = args; /* owned at once: an error must not lose it */
    for (uint32_t i = 0; i < count; i++) {
        if (mob_lua_get_ref(lua, (int)i + 1, &ref))
            args->items[i].ref = mob_ref_copy(mob_lua_check_ref(lua, (int)i + 1, "an argument"));
        else
            args->items[i].value = mob_lua_to_nth_value(lua, (int)i + 1, "argument", i + 1);
    }
    MobTaskSpec *spec = copy_spec(definition->spec);
    spec->file = note_place(lua, body->env, &spec->line);
    body->call.spec = spec;
    return mob_lua_call(lua, body, MOB_CALL_SUBMIT, submitted, 0);
}

static int
task_options(lua_State *lua)
{
    MobTaskSpec *spec = copy_spec(definition_of(lua)->spec);

    push_task(lua, spec);
    read_options(lua, 1, spec);
    return 1;
}

/* --- the task object --- */

static int
task_call(lua_State *lua)
{
    lua_getfield(lua, 1, "remote");
    lua_getupvalue(lua, -1, 1);
    const Definition *definition = lua_touserdata(lua, -1);
    const char *label = mob_str(definition->spec->label);
    char notes[256];

    g_snprintf(notes, sizeof notes,
               "   = submit it:   %.60s.remote(…)   and m.get what it returns\n", label);
    mob_lua_raise(lua, "E101", notes, "task '%s' was called like a function", label);
}

static int
task_tostring(lua_State *lua)
{
    lua_getfield(lua, 1, "remote");
    lua_getupvalue(lua, -1, 1);
    const Definition *definition = lua_touserdata(lua, -1);
    lua_pushfstring(lua, "task %s", mob_str(definition->spec->label));
    return 1;
}

static int
task_index(lua_State *lua)
{
    mob_lua_tostring(lua, 2, NULL);
    return luaL_error(lua, "a task has remote and options, and no '%s'", lua_tostring(lua, -1));
}

static int
definition_gc(lua_State *lua)
{
    Definition *definition = lua_touserdata(lua, 1);

    mob_spec_unref(definition->spec);
    definition->spec = NULL;
    return 0;
}

bool
mob_lua_is_task(lua_State *lua, int index)
{
    mob_lua_push_behind(lua, index);
    bool is_table = lua_istable(lua, -1);
    bool is_task = is_table && lua_getmetatable(lua, -1);
    if (is_task) {
        luaL_getmetatable(lua, TASK_META);
        is_task = lua_rawequal(lua, -1, -2);
        lua_pop(lua, 2);
    }
    lua_pop(lua, 1);
    return is_task;
}

/* Pushes a task object that owns @spec. */
static void
push_task(lua_State *lua, MobTaskSpec *spec)
{
    static const luaL_Reg metamethods[] = {{"__call", task_call},
                                           {"__tostring", task_tostring},
                                           {"__index", task_index},
                                           {NULL, NULL}};

    lua_createtable(lua, 0, 2);
    Definition *definition = lua_newuserdatauv(lua, sizeof *definition, 0);
    definition->spec = spec;
    if (luaL_newmetatable(lua, DEFINITION_META)) {
        lua_pushcfunction(lua, definition_gc);
        lua_setfield(lua, -2, "__gc");
    }
    lua_setmetatable(lua, -2);
    lua_pushvalue(lua, -1);
    lua_pushcclosure(lua, task_remote, 1);
    lua_setfield(lua, -3, "remote");
    lua_pushcclosure(lua, task_options, 1);
    lua_setfield(lua, -2, "options");
    if (luaL_newmetatable(lua, TASK_META)) {
        luaL_setfuncs(lua, metamethods, 0);
        lua_pushliteral(lua, "task");
        lua_setfield(lua, -2, "__metatable");
    }
    lua_setmetatable(lua, -2);
    mob_lua_push_view(lua);
}

/* --- m.remote --- */

static MobTaskSpec *
new_spec(MobLuaEnv *env, const char *function, const char *label)
{
    MobTaskSpec *spec = mob_spec_new();

    spec->function = mob_str_new(function);
    spec->label = mob_str_new(label);
    spec->bundle = mob_str_ref(env->bundle_id);
    spec->returns = 1;
    spec->needs.cpu = MOB_UNIT;
    spec->retries = 3;
    return spec;
}

/* Pushes the name of a task without one: what the line assigns it to, if that
 * is free, else the place. */
static const char *
push_own_name(lua_State *lua, MobLuaEnv *env, int function)
{
    lua_Debug info;
    uint32_t line;
    size_t length;
    const char *file = mob_lua_where(lua, &line);

    const char *text = file != NULL ? mob_lua_env_text(env, file, &length) : NULL;
    char *name = text != NULL ? mob_source_assigned_name(text, length, line) : NULL;
    if (name != NULL) {
        lua_pushstring(lua, name);
        g_free(name);
        const char *own = lua_tostring(lua, -1);
        if (strcmp(own, "main") != 0 && (!env->sandbox.defining || !mob_lua_env_has(env, own)))
            return own;
    }
    lua_pushvalue(lua, function);
    lua_getinfo(lua, ">S", &info);
    lua_pushfstring(lua, "%s:%d", *info.source == '@' ? info.source + 1 : info.source,
                    info.linedefined);
    for (int i = 2; env->sandbox.defining && mob_lua_env_has(env, lua_tostring(lua, -1)); i++)
        lua_pushfstring(lua, "%s:%d#%d", *info.source == '@' ? info.source + 1 : info.source,
                        info.linedefined, i);
    return lua_tostring(lua, -1);
}

/* Pushes the task that the function at @function is, under @name or its own. */
static void
define(lua_State *lua, int function, const char *name, int options)
{
    MobLuaEnv *env = mob_lua_env(lua);
    int top = lua_gettop(lua);

    if (lua_iscfunction(lua, function))
        luaL_error(lua, "a task is a function of the program, and not one of the library");
    if (name == NULL)
        name = push_own_name(lua, env, function);
    if (strcmp(name, "main") == 0)
        luaL_error(lua, "the name main is the driver's; call the task something else");
    const char *found = name; /* by which a worker finds it */
    if (env->sandbox.defining) {
        lua_pushvalue(lua, function);
        if (!mob_lua_env_define(env, name))
            luaL_error(lua, "there are two tasks named '%s'; give one of them another name", name);
    } else {
        found = mob_lua_push_inner_name(lua, env, function, name);
    }
    MobTaskSpec *spec = new_spec(env, found, name);
    push_task(lua, spec);
    lua_copy(lua, -1, top + 1);
    lua_settop(lua, top + 1);
    read_options(lua, options, spec);
}

/* m.remote { name = fn, … } */
static int
remote_table(lua_State *lua)
{
    lua_settop(lua, 1);
    lua_newtable(lua);
    mob_lua_push_keys(lua, 1);
    lua_pushnil(lua); /* 4: no options */
    lua_Integer count = (lua_Integer)lua_rawlen(lua, 3);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(lua, 3, i);
        if (lua_type(lua, -1) != LUA_TSTRING)
            return luaL_error(lua, "m.remote { name = function … end }: the names are missing");
        lua_getfield(lua, 1, lua_tostring(lua, -1));
        if (!lua_isfunction(lua, -1))
            return luaL_error(lua, "m.remote: '%s' is a %s and not a function",
                              lua_tostring(lua, -2), luaL_typename(lua, -1));
        define(lua, 6, lua_tostring(lua, 5), 4);
        lua_setfield(lua, 2, lua_tostring(lua, 5));
        lua_settop(lua, 4);
    }
    lua_settop(lua, 2);
    return 1;
}

static int
module_remote(lua_State *lua)
{
    if (lua_istable(lua, 1))
        return remote_table(lua);
    if (lua_isfunction(lua, 1)) {
        lua_settop(lua, 2);
        define(lua, 1, NULL, 2);
        return 1;
    }
    if (lua_type(lua, 1) != LUA_TSTRING || !lua_isfunction(lua, 2))
        return luaL_error(
            lua, "m.remote needs a function: m.remote(fn), m.remote(\"name\", fn, options) "
                 "or m.remote { name = fn }");
    lua_settop(lua, 3);
    define(lua, 2, lua_tostring(lua, 1), 3);
    return 1;
}

void
mob_lua_add_tasks(lua_State *lua)
{
    lua_pushcfunction(lua, module_remote);
    lua_setfield(lua, -2, "remote");
}
