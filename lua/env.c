/* env.c: a program in one Lua state: its top level is run once, which defines
 * the tasks; after that what it has made is frozen. */
#include "lua/env.h"

#include <string.h>

#include "lua/errors.h"
#include "lua/inner.h"

/* --- functions --- */

static int
find_function(const MobLuaEnv *env, const char *name, size_t length)
{
    for (guint i = 0; i < env->functions->len; i++) {
        const MobStr *found = g_array_index(env->functions, MobLuaFunction, i).name;
        if (found->length == length && memcmp(found->text, name, length) == 0)
            return (int)i;
    }
    return -1;
}

bool
mob_lua_env_has(const MobLuaEnv *env, const char *name)
{
    return find_function(env, name, strlen(name)) >= 0;
}

bool
mob_lua_env_define(MobLuaEnv *env, const char *name)
{
    if (mob_lua_env_has(env, name)) {
        lua_pop(env->lua, 1);
        return false;
    }
    MobLuaFunction function = {mob_str_new(name), luaL_ref(env->lua, LUA_REGISTRYINDEX)};
    g_array_append_val(env->functions, function);
    return true;
}

void
mob_lua_env_push_function(MobLuaEnv *env, lua_State *lua, const MobStr *name)
{
    const char *text = mob_str(name);

    if (strcmp(text, "main") == 0) {
        lua_rawgeti(lua, LUA_REGISTRYINDEX, env->main);
        return;
    }
    int found = find_function(env, text, strlen(text));
    if (found < 0) {
        if (!mob_lua_push_inner(lua, env, text))
            luaL_error(lua, "the program has no task '%s'", text);
        MobLuaFunction function = {NULL, LUA_NOREF};
        lua_pushvalue(lua, -1);
        function.function = luaL_ref(lua, LUA_REGISTRYINDEX);
        function.name = mob_str_new(text);
        g_array_append_val(env->functions, function);
        return;
    }
    lua_rawgeti(lua, LUA_REGISTRYINDEX,
                g_array_index(env->functions, MobLuaFunction, found).function);
}

/* --- files --- */

static const MobLuaFile *
find_read(const MobLuaEnv *env, const char *path)
{
    for (guint i = 0; i < env->read_files->len; i++) {
        const MobLuaFile *file = g_ptr_array_index(env->read_files, i);
        if (strcmp(file->path, path) == 0)
            return file;
    }
    return NULL;
}

const char *
mob_lua_env_text(const MobLuaEnv *env, const char *path, size_t *length)
{
    if (env->bundle != NULL)
        return mob_lua_program_file(env->bundle, path, length);
    const MobLuaFile *file = find_read(env, path);
    if (file == NULL)
        return NULL;
    *length = file->length;
    return file->text;
}

/* Reads @path of the program from where it is; false if it is not there. */
static bool
read_file(MobLuaEnv *env, const char *path)
{
    MobLuaFile file = {0};

    if (find_read(env, path) != NULL)
        return true;
    g_autofree char *where = g_strconcat(env->directory, path, NULL);
    g_clear_error(&env->read_error);
    file.text = env->files->read(env->files->data, where, &file.length, &env->read_error);
    if (file.text == NULL)
        return false;
    file.path = g_strdup(path);
    g_ptr_array_add(env->read_files, g_memdup2(&file, sizeof file));
    return true;
}

static bool
have_file(MobLuaEnv *env, const char *path)
{
    size_t length;

    if (env->files != NULL)
        return read_file(env, path);
    return mob_lua_program_file(env->bundle, path, &length) != NULL;
}

static void
free_file(void *data)
{
    MobLuaFile *file = data;

    g_free(file->path);
    g_free(file->text);
    g_free(file);
}

/* --- require --- */

/* Pushes what the file @path returns. */
static void
run_file(lua_State *lua, MobLuaEnv *env, const char *path)
{
    size_t length = 0;
    const char *text = mob_lua_env_text(env, path, &length);

    if (length > 0 && *text == '#') { /* a first line for the shell */
        const char *newline = memchr(text, '\n', length);
        length -= newline != NULL ? (size_t)(newline - text) : length;
        text = newline != NULL ? newline : "";
    }
    if (mob_lua_sandbox_load(lua, path, text, length) != LUA_OK)
        lua_error(lua);
    lua_call(lua, 0, 1);
}

static bool
is_module_name(const char *name)
{
    for (const char *at = name; *at != '\0'; at++)
        if (!g_ascii_isalnum(*at) && *at != '_' && *at != '-' && *at != '.' && *at != '/')
            return false;
    return *name != '\0' && *name != '/' && *name != '.' && strstr(name, "..") == NULL;
}

static void
env_require(MobLuaSandbox *sandbox, lua_State *lua, const char *name)
{
    static const char *const endings[] = {".lua", "/init.lua"};
    MobLuaEnv *env = (MobLuaEnv *)sandbox;
    char path[256];

    if (strcmp(name, "mobula") == 0) {
        mob_lua_push_module(lua);
        return;
    }
    if (g_str_has_prefix(name, "mobula."))
        luaL_error(lua, "'%s' is for scenarios; a program requires \"mobula\"", name);
    if (!sandbox->defining)
        luaL_error(lua, "require \"%s\": modules are loaded at the top level of the program", name);
    if (!is_module_name(name) || strlen(name) > 200)
        luaL_error(lua, "require \"%s\": a module is named like a file beside the program", name);
    for (size_t i = 0; i < G_N_ELEMENTS(endings); i++) {
        g_snprintf(path, sizeof path, "%s%s", name, endings[i]);
        for (char *at = path; *at != '\0' && at < path + strlen(name); at++)
            if (*at == '.')
                *at = '/';
        if (have_file(env, path)) {
            run_file(lua, env, path);
            return;
        }
    }
    luaL_error(lua, "module '%s' not found: there is no %s beside %s", name, path, env->entry);
}

/* --- running the top level --- */

/* Runs the file, and takes what it defined. */
static int
run_top_level(lua_State *lua)
{
    MobLuaEnv *env = mob_lua_env(lua);

    run_file(lua, env, env->entry);
    if (env->is_inline) {
        env->main = luaL_ref(lua, LUA_REGISTRYINDEX);
    } else {
        lua_settop(lua, 0);
        mob_lua_push_module(lua);
        mob_lua_push_behind(lua, -1);
        lua_pushliteral(lua, "main");
        lua_rawget(lua, -2);
        if (!lua_isfunction(lua, -1))
            return luaL_error(
                lua,
                "%s sets no main: a program has   function m.main(...)   …   end   after   "
                "local m = require \"mobula\"",
                env->entry);
        env->main = luaL_ref(lua, LUA_REGISTRYINDEX);
    }
    env->sandbox.defining = false;
    lua_settop(lua, 0);
    luaL_checkstack(lua, (int)env->functions->len + 1, "too many tasks");
    lua_rawgeti(lua, LUA_REGISTRYINDEX, env->main);
    for (guint i = 0; i < env->functions->len; i++)
        lua_rawgeti(lua, LUA_REGISTRYINDEX,
                    g_array_index(env->functions, MobLuaFunction, i).function);
    mob_lua_freeze(lua, 1, lua_gettop(lua));
    return 0;
}

static void
load(MobLuaEnv *env)
{
    GString *problem;

    env->sandbox.defining = true;
    mob_lua_sandbox_enter(&env->sandbox);
    mob_lua_sandbox_note_running(&env->sandbox, env->lua);
    lua_pushcfunction(env->lua, run_top_level);
    int status = lua_pcall(env->lua, 0, 0, 0);
    mob_lua_sandbox_note_running(&env->sandbox, NULL);
    mob_lua_sandbox_leave(&env->sandbox);
    env->sandbox.defining = false;
    mob_lua_sandbox_forget_serials(env->lua, &env->sandbox);
    lua_gc(env->lua, LUA_GCRESTART);
    if (status == LUA_OK)
        return;
    problem = g_string_new(NULL);
    mob_lua_describe_error(env->lua, -1, problem);
    env->broken = g_string_free(problem, FALSE);
    lua_pop(env->lua, 1);
}

MobLuaEnv *
mob_lua_env_new(const MobLuaLoaderOptions *options, MobStr *bundle_id, MobValue *bundle,
                const MobLuaReader *files, const char *path)
{
    MobLuaEnv *env = g_new0(MobLuaEnv, 1);
    const char *slash = path != NULL ? strrchr(path, '/') : NULL;
    g_autofree char *directory =
        slash != NULL ? g_strndup(path, (size_t)(slash + 1 - path)) : g_strdup("");

    env->options = options;
    env->bundle_id = mob_str_ref(bundle_id);
    env->bundle = mob_value_ref(bundle);
    env->files = files;
    env->directory = directory;
    env->read_files = g_ptr_array_new_with_free_func(free_file);
    env->functions = g_array_new(FALSE, FALSE, sizeof(MobLuaFunction));
    env->idle = g_array_new(FALSE, FALSE, sizeof(MobLuaThread));
    env->main = LUA_NOREF;
    env->sandbox.budget = options->budget;
    env->sandbox.memory_max = options->memory_max;
    env->sandbox.running = options->running;
    env->sandbox.require = env_require;
    mob_lua_body_hooks(&env->sandbox);
    env->lua = mob_lua_sandbox_open(&env->sandbox);
    lua_gc(env->lua, LUA_GCSTOP); /* nothing is garbage yet */
    if (files == NULL) {
        env->entry = mob_lua_program_entry(bundle, &env->is_inline);
        if (!mob_lua_program_check(bundle)) {
            env->broken = g_strdup("the program's files are not a bundle of Lua");
            env->directory = NULL;
            return env;
        }
    } else {
        env->entry = g_strdup(slash != NULL ? slash + 1 : path);
        if (!read_file(env, env->entry)) {
            env->broken =
                g_strdup(env->read_error != NULL ? env->read_error->message : "no such file");
            env->directory = NULL;
            return env;
        }
    }
    load(env);
    env->directory = NULL;
    return env;
}

void
mob_lua_env_free(MobLuaEnv *env)
{
    if (env == NULL)
        return;
    lua_close(env->lua);
    for (guint i = 0; i < env->functions->len; i++)
        mob_str_unref(g_array_index(env->functions, MobLuaFunction, i).name);
    g_array_free(env->functions, TRUE);
    g_array_free(env->idle, TRUE);
    g_ptr_array_free(env->read_files, TRUE);
    g_clear_error(&env->read_error);
    mob_str_unref(env->bundle_id);
    mob_value_unref(env->bundle);
    mob_str_unref(env->last_file);
    g_free(env->entry);
    g_free(env->broken);
    g_free(env);
}

void
mob_lua_env_drop(MobLuaEnv *env)
{
    env->dropped = true;
    if (env->living == 0)
        mob_lua_env_free(env);
}

void
mob_lua_env_leave(MobLuaEnv *env)
{
    g_assert(env->living > 0);
    if (--env->living == 0 && env->dropped)
        mob_lua_env_free(env);
}
