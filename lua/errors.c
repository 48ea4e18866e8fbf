/* errors.c: see errors.h.
 *
 * The value that an error object was made of is a userdata in the field
 * "_value", so that rereading and passing it on lose nothing.
 */
#include "lua/errors.h"

#include <string.h>

#include "lua/sandbox.h"

#define ERROR_META "mobula.Error"
#define VALUE_META "mobula.ErrorValue"

static void push_fault(lua_State *lua, MobValue *error);

/* --- the value behind an error object --- */

static int
value_gc(lua_State *lua)
{
    MobValue **held = lua_touserdata(lua, 1);

    mob_value_unref(*held);
    *held = NULL;
    return 0;
}

static void
push_held(lua_State *lua, MobValue *value)
{
    MobValue **held = lua_newuserdatauv(lua, sizeof(MobValue *), 0);

    *held = NULL;
    if (luaL_newmetatable(lua, VALUE_META)) {
        lua_pushcfunction(lua, value_gc);
        lua_setfield(lua, -2, "__gc");
        lua_pushboolean(lua, 0);
        lua_setfield(lua, -2, "__metatable");
    }
    lua_setmetatable(lua, -2);
    *held = mob_value_ref(value);
}

bool
mob_lua_is_error(lua_State *lua, int index)
{
    if (!lua_istable(lua, index) || !lua_getmetatable(lua, index))
        return false;
    luaL_getmetatable(lua, ERROR_META);
    bool same = lua_rawequal(lua, -1, -2);
    lua_pop(lua, 2);
    return same;
}

MobValue *
mob_lua_error_value(lua_State *lua, int index)
{
    if (!mob_lua_is_error(lua, index))
        return NULL;
    index = lua_absindex(lua, index);
    lua_pushliteral(lua, "_value");
    lua_rawget(lua, index);
    MobValue **held = luaL_testudata(lua, -1, VALUE_META);
    lua_pop(lua, 1);
    return held != NULL ? *held : NULL;
}

static const char *field(lua_State *lua, int index, const char *name);

MobValue *
mob_lua_error_to_value(lua_State *lua, int index)
{
    MobValue *value = mob_lua_error_value(lua, index);

    if (value != NULL)
        return mob_value_ref(value);
    index = lua_absindex(lua, index);
    MobFault fault = {.kind = MOB_FAULT_TASK,
                      .message = field(lua, index, "message"),
                      .code = field(lua, index, "code")};
    value = mob_fault_value(&fault);
    lua_pop(lua, 2);
    return value;
}

/* --- methods --- */

/* Pushes the field of the error object at @index, without metamethods. */
static const char *
field(lua_State *lua, int index, const char *name)
{
    index = lua_absindex(lua, index);
    lua_pushstring(lua, name);
    lua_rawget(lua, index);
    return lua_type(lua, -1) == LUA_TSTRING ? lua_tostring(lua, -1) : NULL;
}

static void
describe_plain(lua_State *lua, int index, GString *into)
{
    const char *code = field(lua, index, "code");
    const char *name = field(lua, index, "name");
    const char *message = field(lua, index, "message");
    const char *file = field(lua, index, "file");
    const char *notes = field(lua, index, "notes");

    if (code != NULL)
        g_string_append_printf(into, "error[%s]: %s", code, message != NULL ? message : "");
    else
        g_string_append_printf(into, "%s: %s", name != NULL ? name : "Error",
                               message != NULL ? message : "");
    if (file != NULL) {
        lua_pushliteral(lua, "line");
        lua_rawget(lua, lua_absindex(lua, index));
        g_string_append_printf(into, "\n  --> %s:%d", file, (int)lua_tointeger(lua, -1));
        lua_pop(lua, 1);
    }
    if (notes != NULL)
        g_string_append_printf(into, "\n%s", notes);
    while (into->len > 0 && into->str[into->len - 1] == '\n')
        g_string_truncate(into, into->len - 1);
    lua_pop(lua, 5);
}

void
mob_lua_describe_error(lua_State *lua, int index, GString *into)
{
    index = lua_absindex(lua, index);
    MobValue *value = mob_lua_error_value(lua, index);

    if (value != NULL) {
        mob_fault_report(value, into);
        while (into->len > 0 && into->str[into->len - 1] == '\n')
            g_string_truncate(into, into->len - 1);
    } else if (mob_lua_is_error(lua, index)) {
        describe_plain(lua, index, into);
    } else if (lua_type(lua, index) == LUA_TSTRING) {
        size_t length;
        const char *text = lua_tolstring(lua, index, &length);
        g_string_append_len(into, text, (gssize)length);
    } else {
        g_string_append_printf(into, "a %s was raised as an error", luaL_typename(lua, index));
    }
}

static int
error_report(lua_State *lua)
{
    g_autoptr(GString) text = g_string_new(NULL);

    if (!mob_lua_is_error(lua, 1))
        return luaL_argerror(lua, 1, "an error object is needed: err:report()");
    mob_lua_describe_error(lua, 1, text);
    lua_pushlstring(lua, text->str, text->len);
    return 1;
}

/* The chain in one line: TaskError because of ObjectLostError: every copy is gone */
static int
error_why(lua_State *lua)
{
    if (!mob_lua_is_error(lua, 1))
        return luaL_argerror(lua, 1, "an error object is needed: err:why()");
    luaL_Buffer buffer;
    lua_settop(lua, 1);
    luaL_buffinit(lua, &buffer);
    luaL_addstring(&buffer, "");
    lua_pushvalue(lua, 1);
    lua_replace(lua, 1);
    for (int depth = 0; depth < 64 && mob_lua_is_error(lua, 1); depth++) {
        if (depth > 0)
            luaL_addstring(&buffer, ", because of ");
        for (int part = 0; part < 2; part++) {
            if (field(lua, 1, part == 0 ? "name" : "message") == NULL) {
                lua_pop(lua, 1);
                continue;
            }
            if (part == 1)
                luaL_addstring(&buffer, ": ");
            luaL_addvalue(&buffer);
        }
        field(lua, 1, "cause");
        lua_replace(lua, 1);
    }
    luaL_pushresult(&buffer);
    return 1;
}

static int
error_is(lua_State *lua)
{
    const char *wanted = luaL_checkstring(lua, 2);

    if (!mob_lua_is_error(lua, 1))
        return luaL_argerror(lua, 1, "an error object is needed: err:is(m.errors.TaskError)");
    const char *name = field(lua, 1, "name");
    lua_pushboolean(lua, name != NULL && strcmp(name, wanted) == 0);
    return 1;
}

static int
error_concat(lua_State *lua)
{
    mob_lua_tostring(lua, 1, NULL);
    mob_lua_tostring(lua, 2, NULL);
    lua_concat(lua, 2);
    return 1;
}

static void
push_metatable(lua_State *lua)
{
    static const luaL_Reg methods[] = {
        {"is", error_is}, {"report", error_report}, {"why", error_why}, {NULL, NULL}};

    if (!luaL_newmetatable(lua, ERROR_META))
        return;
    luaL_newlib(lua, methods);
    lua_setfield(lua, -2, "__index");
    lua_pushcfunction(lua, error_report);
    lua_setfield(lua, -2, "__tostring");
    lua_pushcfunction(lua, error_concat);
    lua_setfield(lua, -2, "__concat");
    lua_pushliteral(lua, "error");
    lua_setfield(lua, -2, "__metatable");
}

/* --- making error objects --- */

static void
set_text(lua_State *lua, const char *name, const char *text)
{
    if (text == NULL)
        return;
    lua_pushstring(lua, text);
    lua_setfield(lua, -2, name);
}

static void
set_number(lua_State *lua, const char *name, uint64_t number)
{
    if (number == 0)
        return;
    lua_pushinteger(lua, (lua_Integer)number);
    lua_setfield(lua, -2, name);
}

static void
fill_object(lua_State *lua, MobValue *error, const MobFault *fault)
{
    set_text(lua, "name", mob_fault_name(fault->kind));
    set_text(lua, "message", fault->message);
    set_text(lua, "code", fault->code);
    set_text(lua, "reason", fault->reason);
    set_text(lua, "task", fault->task);
    set_number(lua, "attempt", fault->attempt);
    set_number(lua, "attempts", fault->attempts_max);
    set_text(lua, "node", fault->node);
    set_text(lua, "traceback", fault->trace);
    if (fault->at != 0) {
        lua_pushnumber(lua, (double)fault->at / 1e9);
        lua_setfield(lua, -2, "at");
    }
    push_held(lua, error);
    lua_setfield(lua, -2, "_value");
}

static void
push_fault(lua_State *lua, MobValue *error)
{
    g_autoptr(GStringChunk) text = g_string_chunk_new(256);
    MobFault fault;

    luaL_checkstack(lua, 6, "too many causes");
    lua_newtable(lua);
    push_metatable(lua);
    lua_setmetatable(lua, -2);
    if (!mob_fault_read(error, &fault, text)) {
        set_text(lua, "name", "Error");
        return;
    }
    fill_object(lua, error, &fault);
    g_autoptr(MobValue) cause = (MobValue *)fault.cause;
    if (cause != NULL) {
        push_fault(lua, cause);
        lua_setfield(lua, -2, "cause");
    }
}

void
mob_lua_push_error(lua_State *lua, MobValue *error)
{
    push_fault(lua, error);
}

void
mob_lua_push_plain_error(lua_State *lua, const char *name, const char *message)
{
    lua_newtable(lua);
    set_text(lua, "name", name);
    set_text(lua, "message", message);
    push_metatable(lua);
    lua_setmetatable(lua, -2);
}

const char *
mob_lua_where(lua_State *lua, uint32_t *line)
{
    lua_Debug info;

    for (int level = 0; lua_getstack(lua, level, &info); level++) {
        lua_getinfo(lua, "l", &info);
        if (info.currentline > 0) {
            *line = (uint32_t)info.currentline;
            lua_getinfo(lua, "S", &info);
            return *info.source == '@' ? info.source + 1 : info.source;
        }
    }
    *line = 0;
    return NULL;
}

int
mob_lua_raise_at(lua_State *lua, const char *code, const char *file, uint32_t line,
                 const char *notes, const char *message)
{
    mob_lua_push_plain_error(lua, "UsageError", message);
    set_text(lua, "code", code);
    set_text(lua, "file", file);
    set_number(lua, "line", line);
    set_text(lua, "notes", notes);
    lua_error(lua);
    g_assert_not_reached();
}

int
mob_lua_raise(lua_State *lua, const char *code, const char *notes, const char *format, ...)
{
    char message[1024];
    uint32_t line;
    va_list args;

    va_start(args, format);
    g_vsnprintf(message, sizeof message, format, args);
    va_end(args);
    const char *file = mob_lua_where(lua, &line);
    mob_lua_raise_at(lua, code, file, line, notes, message);
}

void
mob_lua_push_error_names(lua_State *lua)
{
    lua_createtable(lua, 0, MOB_FAULT_COUNT + 2);
    for (int kind = MOB_FAULT_NONE + 1; kind < MOB_FAULT_COUNT; kind++) {
        lua_pushstring(lua, mob_fault_name((MobFaultKind)kind));
        lua_pushvalue(lua, -1);
        lua_rawset(lua, -3);
    }
    set_text(lua, "UsageError", "UsageError");
    set_text(lua, "LoopError", "LoopError");
}

/* --- near misses --- */

/* The Levenshtein distance of two short texts. */
static unsigned
distance(const char *a, const char *b)
{
    unsigned row[65];
    size_t length = strlen(b);

    if (length > 64 || strlen(a) > 64)
        return 64;
    for (size_t j = 0; j <= length; j++)
        row[j] = (unsigned)j;
    for (size_t i = 0; a[i] != '\0'; i++) {
        unsigned before = row[0];
        row[0] = (unsigned)i + 1;
        for (size_t j = 0; j < length; j++) {
            unsigned change = before + (g_ascii_tolower(a[i]) != g_ascii_tolower(b[j]));
            before = row[j + 1];
            row[j + 1] = MIN(change, MIN(row[j], row[j + 1]) + 1);
        }
    }
    return row[length];
}

const char *
mob_lua_nearest(const char *name, const char *const *names, size_t count)
{
    const char *best = NULL;
    unsigned least = (unsigned)strlen(name) / 2 + 1;

    for (size_t i = 0; i < count; i++) {
        unsigned found = distance(name, names[i]);
        if (found < least) {
            least = found;
            best = names[i];
        }
    }
    return best;
}
