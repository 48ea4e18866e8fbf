/* inner.c: see inner.h. */
#include "lua/inner.h"

#include <string.h>

#include "lua/errors.h"
#include "lua/source.h"

/* --- the message of E103 --- */

static void
append_line(GString *into, const MobLuaCapture *capture, uint32_t line)
{
    size_t length;
    const char *text = mob_source_line(capture->text, capture->length, line, &length);

    if (text != NULL)
        g_string_append_printf(into, "%5" G_GUINT32_FORMAT " | %.*s\n", line, (int)length, text);
}

/* Shows the lines from the declaration to the use; long stretches are left out. */
static void
append_lines(GString *into, const MobLuaCapture *capture, uint32_t from, uint32_t to)
{
    for (uint32_t line = from; line <= to; line++) {
        bool shown = to - from < 6 || line == from || line == capture->line || line == to;
        if (shown)
            append_line(into, capture, line);
        else if (line == from + 1 || line == capture->line + 1)
            g_string_append(into, "      | …\n");
    }
}

/* Appends the parameters between the parentheses, with @name behind them. */
static void
append_parameters(GString *into, const MobCut *cut, const char *name)
{
    const char *close = memchr(cut->start, ')', (size_t)(cut->end - cut->start));
    int length = (int)(close - cut->start - 1);

    g_string_append_printf(into, "%.*s%s%s", length, cut->start + 1, length > 0 ? ", " : "", name);
}

/* Appends the body of the function in one line, or an ellipsis. */
static void
append_body(GString *into, const MobCut *cut)
{
    const char *close = memchr(cut->start, ')', (size_t)(cut->end - cut->start));
    size_t start = into->len;
    bool space = false;

    for (const char *at = close + 1; at < cut->end; at++) {
        if (g_ascii_isspace(*at)) {
            space = true;
            continue;
        }
        if (space)
            g_string_append_c(into, ' ');
        space = false;
        g_string_append_c(into, *at);
    }
    if (into->len - start > 60) {
        g_string_truncate(into, start);
        g_string_append(into, " … end");
    }
}

static void
append_advice(GString *into, const MobLuaCapture *capture)
{
    MobCut cut;

    if (capture->local_is_task) {
        g_string_append_printf(
            into,
            "   = %s is a task of this run; a task that others submit belongs to "
            "the top level of a program file\n",
            capture->name);
        return;
    }
    if (capture->task_is_main) {
        g_string_append_printf(into,
                               "   = the program runs in the cluster, where there is no %s\n"
                               "   = pass it:   c:submit(function(m, %s) … end, %s)\n",
                               capture->name, capture->name, capture->name);
        return;
    }
    g_string_append_printf(
        into, "   = workers load %s again and call '%s' by name; they never see this %s\n",
        capture->file, capture->task, capture->name);
    if (mob_source_cut(capture->text, capture->length, capture->line, capture->last_line, &cut) !=
        1)
        return;
    g_string_append_printf(into, "   = pass it:   m.remote(\"%s\", function(", capture->task);
    append_parameters(into, &cut, capture->name);
    g_string_append_c(into, ')');
    append_body(into, &cut);
    g_string_append_printf(into, ")   …   %s.remote(", capture->task);
    append_parameters(into, &cut, capture->name);
    g_string_append(into, ")\n");
}

char *
mob_lua_capture_message(const MobLuaCapture *capture, uint32_t *use_line, char **notes)
{
    GString *into = g_string_new(NULL);
    MobToken use = {.line = capture->line};
    MobDeclaration declared =
        mob_source_declaration(capture->text, capture->length, capture->name, capture->line);
    bool found = mob_source_use(capture->text, capture->length, capture->name, capture->line,
                                capture->last_line, &use);

    *use_line = found ? use.line : capture->line;
    append_lines(into, capture, declared.line != 0 ? declared.line : capture->line, *use_line);
    if (found) {
        g_string_append_printf(into, "      | %*s^ ", (int)use.column, "");
        if (declared.function != NULL)
            g_string_append_printf(into, "a local of %s()\n", declared.function);
        else
            g_string_append(into, "a local of this run\n");
    }
    append_advice(into, capture);
    g_free(declared.function);
    *notes = g_string_free(into, FALSE);
    return g_strdup_printf("task '%s' uses '%s', which exists only in this run", capture->task,
                           capture->name);
}

/* --- finding a local of the top level --- */

static int
find_upvalue(lua_State *lua, int function, const char *name)
{
    for (int i = 1;; i++) {
        const char *found = lua_getupvalue(lua, function, i);
        if (found == NULL)
            return 0;
        lua_pop(lua, 1);
        if (strcmp(found, name) == 0)
            return i;
    }
}

/* Whether the function at @index stands around @line of @file. */
static bool
encloses(lua_State *lua, int index, const char *file, int line)
{
    lua_Debug info;

    lua_pushvalue(lua, index);
    lua_getinfo(lua, ">S", &info);
    return *info.source == '@' && strcmp(info.source + 1, file) == 0 && info.linedefined <= line &&
           line <= info.lastlinedefined;
}

typedef struct {
    lua_State *lua;
    int list; /* what is to be looked at, oldest first */
    int seen;
    lua_Integer count;
} Search;

static void
look_later(Search *search)
{
    lua_State *lua = search->lua;

    if (lua_istable(lua, -1) || (lua_isfunction(lua, -1) && !lua_iscfunction(lua, -1))) {
        lua_pushvalue(lua, -1);
        if (lua_rawget(lua, search->seen) == LUA_TNIL) {
            lua_pushvalue(lua, -2);
            lua_pushboolean(lua, 1);
            lua_rawset(lua, search->seen);
            lua_pushvalue(lua, -2);
            lua_rawseti(lua, search->list, ++search->count);
        }
        lua_pop(lua, 1);
    }
    lua_pop(lua, 1);
}

static void
look_into(Search *search)
{
    lua_State *lua = search->lua;
    int at = lua_gettop(lua);

    if (lua_isfunction(lua, at)) {
        for (int i = 1; lua_getupvalue(lua, at, i) != NULL; i++)
            look_later(search);
        return;
    }
    mob_lua_push_behind(lua, at);
    mob_lua_push_some_keys(lua, -1); /* in order: the first match is the same everywhere */
    int keys = lua_gettop(lua);
    for (lua_Integer i = 1; lua_rawgeti(lua, keys, i) != LUA_TNIL; i++) {
        lua_rawget(lua, keys - 1);
        look_later(search);
    }
    lua_settop(lua, at);
}

/* Pushes a function that stands around @line and has captured the local @name,
 * and returns which upvalue that is; or returns 0. */
static int
find_enclosing(lua_State *lua, MobLuaEnv *env, const char *file, int line, const char *name)
{
    int top = lua_gettop(lua);
    Search search = {.lua = lua, .list = top + 1, .seen = top + 2};

    lua_newtable(lua);
    lua_newtable(lua);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, env->main);
    look_later(&search);
    for (guint i = 0; i < env->functions->len; i++) {
        lua_rawgeti(lua, LUA_REGISTRYINDEX,
                    g_array_index(env->functions, MobLuaFunction, i).function);
        look_later(&search);
    }
    lua_pushglobaltable(lua);
    look_later(&search);
    for (lua_Integer i = 1; i <= search.count; i++) {
        lua_rawgeti(lua, search.list, i);
        if (lua_isfunction(lua, -1) && encloses(lua, -1, file, line)) {
            int found = find_upvalue(lua, lua_gettop(lua), name);
            if (found != 0) {
                lua_replace(lua, top + 1);
                lua_settop(lua, top + 1);
                return found;
            }
        }
        look_into(&search);
        lua_settop(lua, top + 2);
    }
    lua_settop(lua, top);
    return 0;
}

/* --- on the side that defines it --- */

/* Whether upvalue @number of the function is a local of the top level. */
static bool
is_top_level(lua_State *lua, MobLuaEnv *env, int function, int number, const char *name)
{
    lua_Debug info;

    lua_pushvalue(lua, function);
    lua_getinfo(lua, ">S", &info);
    if (*info.source != '@')
        return false;
    int found = find_enclosing(lua, env, info.source + 1, info.linedefined, name);
    if (found == 0)
        return false;
    bool same = lua_upvalueid(lua, -1, found) == lua_upvalueid(lua, function, number);
    lua_pop(lua, 1);
    return same;
}

static void
raise_capture(lua_State *lua, int function, const char *task, const char *name, bool is_task)
{
    MobLuaEnv *env = mob_lua_env(lua);
    lua_Debug info;
    uint32_t line;
    char *notes;

    lua_pushvalue(lua, function);
    lua_getinfo(lua, ">S", &info);
    MobLuaCapture capture = {.task = task,
                             .name = name,
                             .file = info.source + 1,
                             .line = (uint32_t)info.linedefined,
                             .last_line = (uint32_t)info.lastlinedefined,
                             .local_is_task = is_task};
    capture.text = mob_lua_env_text(env, capture.file, &capture.length);
    if (capture.text == NULL)
        capture.text = "";
    char *message = mob_lua_capture_message(&capture, &line, &notes);
    lua_pushstring(lua, message);
    lua_pushstring(lua, notes);
    g_free(message);
    g_free(notes);
    mob_lua_raise_at(lua, "E103", capture.file, line, lua_tostring(lua, -1), lua_tostring(lua, -2));
}

/* Checks that the function's text can be found again. */
static void
check_cut(lua_State *lua, MobLuaEnv *env, const lua_Debug *info, const char *name)
{
    MobCut cut = {0};
    size_t length;
    const char *file = info->source + 1;
    const char *text = *info->source == '@' ? mob_lua_env_text(env, file, &length) : NULL;

    uint32_t count = text != NULL ? mob_source_cut(text, length, (uint32_t)info->linedefined,
                                                   (uint32_t)info->lastlinedefined, &cut)
                                  : 0;
    if (count == 0)
        luaL_error(lua, "the text of task '%s' cannot be found", name);
    if (count > 1)
        mob_lua_raise_at(lua, "E112", file, (uint32_t)info->linedefined,
                         "   = a task inside a function travels as its text, found by its line\n"
                         "   = put each function on a line of its own\n",
                         "two functions start on this line");
    if (cut.method)
        luaL_error(lua, "task '%s' is defined with a colon, but a task has no self", name);
}

const char *
mob_lua_push_inner_name(lua_State *lua, MobLuaEnv *env, int function, const char *name)
{
    luaL_Buffer buffer;
    lua_Debug info;
    bool first = true;

    function = lua_absindex(lua, function);
    for (int i = 1;; i++) {
        const char *local = lua_getupvalue(lua, function, i);
        if (local == NULL)
            break;
        bool fine = strcmp(local, "_ENV") == 0 || mob_lua_is_module(lua, -1) ||
                    is_top_level(lua, env, function, i, local);
        bool is_task = mob_lua_is_task(lua, -1);
        lua_pop(lua, 1);
        if (!fine)
            raise_capture(lua, function, name, local, is_task);
    }
    lua_pushvalue(lua, function);
    lua_getinfo(lua, ">S", &info);
    check_cut(lua, env, &info, name);
    luaL_buffinit(lua, &buffer);
    lua_pushfstring(lua, "%s@%s:%d:%d[", name, info.source + 1, info.linedefined,
                    info.lastlinedefined);
    luaL_addvalue(&buffer);
    for (int i = 1;; i++) {
        const char *local = lua_getupvalue(lua, function, i);
        if (local == NULL)
            break;
        lua_pop(lua, 1);
        if (strcmp(local, "_ENV") == 0)
            continue;
        if (!first)
            luaL_addchar(&buffer, ',');
        first = false;
        luaL_addstring(&buffer, local);
    }
    luaL_addchar(&buffer, ']');
    luaL_pushresult(&buffer);
    return lua_tostring(lua, -1);
}

/* --- on the side that runs it --- */

typedef struct {
    char *file; /* owned */
    uint32_t line;
    uint32_t last_line;
    char *locals; /* owned: "a,b" */
} InnerName;

static void
clear_inner_name(InnerName *inner)
{
    g_free(inner->file);
    g_free(inner->locals);
}

static bool
parse_number(const char **at, char stop, uint32_t *number)
{
    char *end;
    guint64 value = g_ascii_strtoull(*at, &end, 10);

    if (end == *at || *end != stop || value == 0 || value > INT32_MAX)
        return false;
    *number = (uint32_t)value;
    *at = end + 1;
    return true;
}

static bool
parse_inner_name(const char *name, InnerName *inner)
{
    size_t length = strlen(name);
    const char *bracket = strrchr(name, '[');
    const char *at = NULL;

    *inner = (InnerName){0};
    if (bracket == NULL || name[length - 1] != ']')
        return false;
    for (const char *c = name; c < bracket; c++)
        if (*c == '@')
            at = c + 1;
    const char *last = at != NULL ? g_strrstr_len(at, bracket - at, ":") : NULL;
    const char *first = last != NULL ? g_strrstr_len(at, last - at, ":") : NULL;
    if (first == NULL)
        return false;
    const char *number = first + 1;
    if (!parse_number(&number, ':', &inner->line) || !parse_number(&number, '[', &inner->last_line))
        return false;
    inner->file = g_strndup(at, (size_t)(first - at));
    inner->locals = g_strndup(bracket + 1, (size_t)(name + length - bracket - 2));
    return true;
}

/* Pushes what the compiled text of the function is, with its locals declared
 * around it; raises an error if the text has changed or is not there. */
static bool
compile_inner(lua_State *lua, MobLuaEnv *env, const InnerName *inner)
{
    size_t length;
    MobCut cut;
    const char *text = mob_lua_env_text(env, inner->file, &length);

    if (text == NULL || mob_source_cut(text, length, inner->line, inner->last_line, &cut) != 1)
        return false;
    g_autoptr(GString) chunk = g_string_new(NULL);
    for (uint32_t i = 1; i < cut.line; i++)
        g_string_append_c(chunk, '\n');
    if (*inner->locals != '\0')
        g_string_append_printf(chunk, "local %s;", inner->locals);
    mob_source_append_cut(&cut, false, chunk);
    if (mob_lua_sandbox_load(lua, inner->file, chunk->str, chunk->len) != LUA_OK) {
        lua_pop(lua, 1);
        return false;
    }
    lua_call(lua, 0, 1);
    return lua_isfunction(lua, -1);
}

bool
mob_lua_push_inner(lua_State *lua, MobLuaEnv *env, const char *name)
{
    InnerName inner;

    if (!parse_inner_name(name, &inner))
        return false;
    int function = lua_gettop(lua) + 1;
    bool compiled = compile_inner(lua, env, &inner);
    for (int i = 1; compiled; i++) {
        const char *local = lua_getupvalue(lua, function, i);
        if (local == NULL)
            break;
        lua_pop(lua, 1);
        if (strcmp(local, "_ENV") == 0)
            continue;
        int found = find_enclosing(lua, env, inner.file, (int)inner.line, local);
        if (found != 0) {
            lua_upvaluejoin(lua, function, i, lua_gettop(lua), found);
            lua_pop(lua, 1);
        } else { /* it was checked where it was defined: only the module is left */
            mob_lua_push_module(lua);
            lua_setupvalue(lua, function, i);
        }
    }
    clear_inner_name(&inner);
    return compiled;
}
