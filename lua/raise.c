/* raise.c: what a body raised, as an error value: what it says, where in the
 * program, in which task, and because of what. */
#include <string.h>

#include "lua/env.h"
#include "lua/errors.h"

enum {
    FRAMES_MAX = 20,  /* of a traceback */
    LEVELS_MAX = 100, /* that are looked at for them: each costs as much as its depth */
};

static void
append_frame(GString *into, const lua_Debug *info, int line)
{
    g_string_append_printf(into, "%s%s:%d", into->len > 0 ? "\n" : "",
                           *info->source == '@' ? info->source + 1 : info->source, line);
}

/* Appends the user's frames, innermost first; of a recursion the first. */
static void
append_trace(lua_State *thread, GString *into)
{
    lua_Debug info;
    size_t before = 0; /* where the newest frame begins */

    for (int level = 0, frames = 0;
         level < LEVELS_MAX && frames < FRAMES_MAX && lua_getstack(thread, level, &info); level++) {
        lua_getinfo(thread, "Sl", &info);
        if (info.currentline <= 0)
            continue;
        size_t length = into->len;
        append_frame(into, &info, info.currentline);
        size_t same = length - before; /* as long as the one before, and the same? */
        if (length > 0 && into->len - length - 1 == same &&
            memcmp(into->str + length + 1, into->str + before, same) == 0) {
            g_string_truncate(into, length);
            continue;
        }
        before = length > 0 ? length + 1 : 0;
        frames++;
    }
}

/* What a task returned is looked at when it is over: then its beginning has to do. */
static void
append_function(const MobLuaBody *body, GString *into)
{
    lua_State *lua = body->thread;
    lua_Debug info;

    mob_lua_env_push_function(body->env, lua, body->context.spec->function);
    lua_getinfo(lua, ">S", &info);
    append_frame(into, &info, info.linedefined);
}

/* Cuts "file:line: " off the message if the trace begins with that place, so
 * that it is not said twice. */
static void
strip_place(GString *message, const GString *trace)
{
    size_t length = strcspn(trace->str, "\n");

    if (length > 0 && message->len > length + 2 && strncmp(message->str, trace->str, length) == 0 &&
        strncmp(message->str + length, ": ", 2) == 0)
        g_string_erase(message, 0, (gssize)length + 2);
}

/* Shows a table that was raised as an error: { code = 3, text = "no" }. */
static void
describe_table(lua_State *lua, int index, GString *into)
{
    size_t length;

    index = lua_absindex(lua, index);
    lua_getfield(lua, index, "message");
    if (lua_type(lua, -1) == LUA_TSTRING) {
        g_string_append(into, lua_tostring(lua, -1));
        lua_pop(lua, 1);
        return;
    }
    lua_pop(lua, 1);
    mob_lua_push_keys(lua, index);
    lua_Integer count = (lua_Integer)lua_rawlen(lua, -1);
    g_string_append(into, "{");
    for (lua_Integer i = 1; i <= MIN(count, 8); i++) {
        lua_rawgeti(lua, -1, i);
        g_string_append_printf(into, "%s%s = ", i > 1 ? ", " : " ",
                               mob_lua_tostring(lua, -1, &length));
        lua_pop(lua, 1);
        lua_gettable(lua, index);
        g_string_append_printf(into, "%.80s", mob_lua_tostring(lua, -1, &length));
        lua_pop(lua, 2);
    }
    g_string_append(into, count > 8 ? ", … }" : " }");
    lua_pop(lua, 1);
}

/* Protected: describing may run the user's __tostring. Stack: the error, a GString. */
static int
describe_raised(lua_State *lua)
{
    GString *into = lua_touserdata(lua, 2);
    size_t length;

    bool shown = luaL_getmetafield(lua, 1, "__tostring") != LUA_TNIL;
    if (lua_istable(lua, 1) && !shown)
        describe_table(lua, 1, into);
    else
        g_string_append(into, mob_lua_tostring(lua, 1, &length));
    return 0;
}

static const char *
field_text(lua_State *lua, int index, const char *name)
{
    lua_pushstring(lua, name);
    lua_rawget(lua, index);
    const char *text = lua_type(lua, -1) == LUA_TSTRING ? lua_tostring(lua, -1) : NULL;
    lua_pop(lua, 1); /* the table still holds it */
    return text;
}

/* Appends the place that the error object is about, if the trace does not
 * begin with it. */
static void
append_place(lua_State *lua, int error, const GString *trace, GString *into)
{
    const char *file = field_text(lua, error, "file");

    if (file == NULL)
        return;
    lua_pushliteral(lua, "line");
    lua_rawget(lua, error);
    g_autofree char *place = g_strdup_printf("%s:%d", file, (int)lua_tointeger(lua, -1));
    lua_pop(lua, 1);
    size_t length = strcspn(trace->str, "\n");
    if (strlen(place) != length || strncmp(place, trace->str, length) != 0)
        g_string_append_printf(into, "\n  --> %s", place);
}

/* Reads the error on top of the thread's stack into @fault and @message. */
static void
read_raised(lua_State *thread, MobFault *fault, const GString *trace, GString *message)
{
    int error = lua_gettop(thread);
    MobValue *cause = mob_lua_error_value(thread, error);

    if (cause != NULL) {
        fault->cause = cause;
        const char *task = field_text(thread, error, "task");
        g_string_append_printf(message, "the %s of %s was not caught",
                               mob_fault_name((MobFaultKind)cause->fault),
                               task != NULL ? task : "what it got");
    } else if (mob_lua_is_error(thread, error)) {
        const char *text = field_text(thread, error, "message");
        const char *notes = field_text(thread, error, "notes");
        fault->code = field_text(thread, error, "code");
        g_string_append(message, text != NULL ? text : "");
        append_place(thread, error, trace, message);
        if (notes != NULL)
            g_string_append_printf(message, "\n%s", notes);
        g_strchomp(message->str);
        message->len = strlen(message->str);
    } else {
        lua_pushcfunction(thread, describe_raised);
        lua_pushvalue(thread, error);
        lua_pushlightuserdata(thread, message);
        if (lua_pcall(thread, 2, 0, 0) != LUA_OK)
            g_string_append(message, "an error that cannot be shown");
    }
    lua_settop(thread, error);
}

static char *
task_title(const MobLuaBody *body)
{
    const MobTaskSpec *spec = body->context.spec;
    const char *path = mob_str(spec->path);
    GString *title = g_string_new(NULL);

    if (*path == '\0' || g_str_has_suffix(path, ":")) {
        g_string_append(title, "main");
    } else {
        mob_name_task(title, spec->path);
        if (spec->label != NULL)
            g_string_append_printf(title, " %s", mob_str(spec->label));
    }
    return g_string_free(title, FALSE);
}

static MobValue *
make_fault(const MobLuaBody *body, MobFault *fault)
{
    const MobTaskSpec *spec = body->context.spec;
    g_autofree char *title = task_title(body);

    fault->kind = MOB_FAULT_TASK;
    fault->task = title;
    fault->attempt = strcmp(title, "main") == 0 ? 0 : body->context.attempt;
    fault->attempts_max = fault->attempt != 0 && spec->retries >= 0 && spec->retries < UINT32_MAX
                              ? (uint32_t)spec->retries + 1
                              : 0;
    fault->node = body->context.worker_name;
    fault->at = body->now;
    return mob_fault_value(fault);
}

MobValue *
mob_lua_raised(MobLuaBody *body, int status)
{
    g_autoptr(GString) message = g_string_new(NULL);
    g_autoptr(GString) trace = g_string_new(NULL);
    MobFault fault = {0};

    append_trace(body->thread, trace);
    if (status == LUA_ERRMEM)
        g_string_append_printf(
            message,
            "not enough memory: the programs of one worker may use %" G_GUINT64_FORMAT " MiB",
            body->env->sandbox.memory_max / (1024 * 1024));
    else
        read_raised(body->thread, &fault, trace, message);
    strip_place(message, trace);
    if (trace->len == 0 && body->returning)
        append_function(body, trace);
    fault.message = message->str;
    fault.trace = trace->len > 0 ? trace->str : NULL;
    return make_fault(body, &fault);
}

MobValue *
mob_lua_broken(const MobLuaBody *body)
{
    MobFault fault = {.message = body->env->broken};

    return make_fault(body, &fault);
}
