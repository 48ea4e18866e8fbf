/* program.c: see program.h. A bundle is the map { entry, files, inline }. */
#include "lua/program.h"

#include <string.h>

#include "lua/env.h"
#include "lua/errors.h"
#include "lua/inner.h"
#include "lua/source.h"
#include "runtime/cbor.h"

/* --- bundles --- */

static void
put_text(MobCborWriter *writer, const char *text)
{
    mob_cbor_string(writer, text, strlen(text));
}

/* The order of keys in the deterministic encoding: by length, then by bytes. */
static int
compare_files(const void *left, const void *right)
{
    const MobLuaFile *const *a = left;
    const MobLuaFile *const *b = right;
    size_t a_length = strlen((*a)->path);
    size_t b_length = strlen((*b)->path);

    if (a_length != b_length)
        return a_length < b_length ? -1 : 1;
    return strcmp((*a)->path, (*b)->path);
}

/* Returns (transfer full) the bundle of @files, which are sorted by this. */
static MobValue *
make_bundle(const char *entry, GPtrArray *files, bool is_inline, MobStr **id)
{
    MobCborWriter writer;

    g_ptr_array_sort(files, compare_files);
    mob_cbor_init(&writer);
    mob_cbor_map(&writer, 3);
    put_text(&writer, "entry");
    put_text(&writer, entry);
    put_text(&writer, "files");
    mob_cbor_map(&writer, files->len);
    for (guint i = 0; i < files->len; i++) {
        const MobLuaFile *file = g_ptr_array_index(files, i);
        put_text(&writer, file->path);
        mob_cbor_string(&writer, file->text, file->length);
    }
    put_text(&writer, "inline");
    mob_cbor_bool(&writer, is_inline);
    MobValue *bundle = mob_cbor_finish(&writer, 0);
    mob_cbor_clear(&writer);
    g_autofree char *sum =
        g_compute_checksum_for_data(G_CHECKSUM_SHA256, bundle->bytes, bundle->length);
    *id = mob_str_printf("sha256:%s", sum);
    return bundle;
}

static bool
key_is(const MobCborItem *key, const char *name)
{
    return key->type == MOB_CBOR_STRING && key->length == strlen(name) &&
           memcmp(key->text, name, key->length) == 0;
}

typedef struct {
    MobCborItem entry;
    MobCborReader files; /* just behind the head of the map */
    uint64_t file_count;
    bool is_inline;
} Bundle;

static bool
read_files(MobCborReader *reader, Bundle *bundle)
{
    MobCborItem files = mob_cbor_next(reader);

    if (files.type != MOB_CBOR_MAP)
        return false;
    bundle->files = *reader;
    bundle->file_count = files.length;
    for (uint64_t i = 0; i < files.length; i++) {
        MobCborItem path = mob_cbor_next(reader);
        MobCborItem text = mob_cbor_next(reader);
        if (path.type != MOB_CBOR_STRING || text.type != MOB_CBOR_STRING)
            return false;
    }
    return true;
}

static bool
read_bundle(const MobValue *value, Bundle *bundle)
{
    MobCborReader reader = {value->bytes, value->bytes + value->length, false};
    MobCborItem map = mob_cbor_next(&reader);

    *bundle = (Bundle){0};
    if (map.type != MOB_CBOR_MAP || map.length != 3)
        return false;
    for (int i = 0; i < 3; i++) {
        MobCborItem key = mob_cbor_next(&reader);
        if (key_is(&key, "entry")) {
            bundle->entry = mob_cbor_next(&reader);
        } else if (key_is(&key, "files")) {
            if (!read_files(&reader, bundle))
                return false;
        } else if (key_is(&key, "inline")) {
            bundle->is_inline = mob_cbor_next(&reader).number != 0;
        } else {
            return false;
        }
    }
    return bundle->entry.type == MOB_CBOR_STRING && bundle->file_count > 0 && !reader.bad;
}

static const char *
find_file(const Bundle *bundle, const char *path, size_t path_length, size_t *length)
{
    MobCborReader reader = bundle->files;

    for (uint64_t i = 0; i < bundle->file_count; i++) {
        MobCborItem key = mob_cbor_next(&reader);
        MobCborItem text = mob_cbor_next(&reader);
        if (key.length == path_length && memcmp(key.text, path, path_length) == 0) {
            *length = text.length;
            return text.text;
        }
    }
    return NULL;
}

bool
mob_lua_program_check(const MobValue *value)
{
    Bundle bundle;
    size_t length;

    return value != NULL && read_bundle(value, &bundle) &&
           memchr(bundle.entry.text, 0, bundle.entry.length) == NULL &&
           find_file(&bundle, bundle.entry.text, bundle.entry.length, &length) != NULL;
}

const char *
mob_lua_program_file(const MobValue *value, const char *path, size_t *length)
{
    Bundle bundle;

    if (!read_bundle(value, &bundle))
        return NULL;
    return find_file(&bundle, path, strlen(path), length);
}

char *
mob_lua_program_entry(const MobValue *value, bool *is_inline)
{
    Bundle bundle;

    *is_inline = false;
    if (value == NULL || !read_bundle(value, &bundle))
        return g_strdup("");
    *is_inline = bundle.is_inline;
    return g_strndup(bundle.entry.text, bundle.entry.length);
}

/* --- reading a program --- */

/* Looks for functions of @env that assign to a local of the top level; sets
 * @error to what it finds. */
static bool
check_assignments(MobLuaEnv *env, GError **error)
{
    lua_State *lua = env->lua;

    for (guint i = 0; i <= env->functions->len; i++) {
        bool is_main = i == env->functions->len;
        lua_rawgeti(lua, LUA_REGISTRYINDEX,
                    is_main ? env->main
                            : g_array_index(env->functions, MobLuaFunction, i).function);
        const char *file = NULL;
        uint32_t line = mob_lua_find_assignment_below(lua, -1, &file);
        if (line == 0) {
            lua_pop(lua, 1);
            continue;
        }
        g_set_error(
            error, MOB_LUA_ERROR, 0,
            "error[E109]: '%s' is a local of the top level and may not be assigned to by a "
            "function that runs later\n  --> %s:%u\n"
            "   = each worker runs the top level by itself, so the others keep the old value\n"
            "   = pass the value as an argument, and return the new one",
            lua_tostring(lua, -1), file, line);
        lua_settop(lua, 0);
        return false;
    }
    return true;
}

MobValue *
mob_lua_program_load(const char *path, const MobLuaReader *reader, MobStr **bundle_id,
                     GError **error)
{
    const MobLuaLoaderOptions options = {.budget = MOB_LUA_BUDGET / 10,
                                         .memory_max = MOB_LUA_MEMORY};
    g_autoptr(MobLuaEnv) env = mob_lua_env_new(&options, NULL, NULL, reader, path);

    if (env->broken != NULL) {
        g_set_error_literal(error, MOB_LUA_ERROR, 0, env->broken);
        return NULL;
    }
    if (!check_assignments(env, error))
        return NULL;
    return make_bundle(env->entry, env->read_files, false, bundle_id);
}

/* --- inline programs --- */

/* Sets @error to the E103 of the captured local @name. */
static void
set_capture_error(const lua_Debug *info, const char *path, const char *text, const char *name,
                  GError **error)
{
    MobLuaCapture capture = {.task = "main",
                             .name = name,
                             .file = path,
                             .text = text,
                             .length = strlen(text),
                             .line = (uint32_t)info->linedefined,
                             .last_line = (uint32_t)info->lastlinedefined,
                             .task_is_main = true};
    uint32_t line;
    g_autofree char *notes = NULL;
    g_autofree char *message = mob_lua_capture_message(&capture, &line, &notes);

    g_strchomp(notes);
    g_set_error(error, MOB_LUA_ERROR, 0, "error[E103]: %s\n  --> %s:%u\n%s", message, path, line,
                notes);
}

static bool
check_captures(lua_State *lua, int index, const lua_Debug *info, const char *path, const char *text,
               GError **error)
{
    for (int i = 1;; i++) {
        const char *name = lua_getupvalue(lua, index, i);
        if (name == NULL)
            return true;
        lua_pop(lua, 1);
        if (strcmp(name, "_ENV") == 0)
            continue;
        set_capture_error(info, path, text, name, error);
        return false;
    }
}

MobValue *
mob_lua_program_inline(lua_State *lua, int index, const char *path, const char *text,
                       MobStr **bundle_id, GError **error)
{
    lua_Debug info;
    MobCut cut;

    index = lua_absindex(lua, index);
    lua_pushvalue(lua, index);
    lua_getinfo(lua, ">S", &info);
    if (!check_captures(lua, index, &info, path, text, error))
        return NULL;
    uint32_t count = info.linedefined > 0
                         ? mob_source_cut(text, strlen(text), (uint32_t)info.linedefined,
                                          (uint32_t)info.lastlinedefined, &cut)
                         : 0;
    if (count != 1) {
        g_set_error(error, MOB_LUA_ERROR, 0,
                    count > 1 ? "error[E112]: two functions start on this line\n  --> %s:%d\n"
                                "   = an inline program travels as its text, found by its line\n"
                                "   = put each function on a line of its own"
                              : "the text of the function cannot be found\n  --> %s:%d",
                    path, info.linedefined);
        return NULL;
    }
    GString *chunk = g_string_new(NULL);
    mob_source_append_cut(&cut, true, chunk);
    MobLuaFile file = {.path = (char *)path, .text = chunk->str, .length = chunk->len};
    g_autoptr(GPtrArray) files = g_ptr_array_new();
    g_ptr_array_add(files, &file);
    MobValue *bundle = make_bundle(path, files, true, bundle_id);
    g_string_free(chunk, TRUE);
    return bundle;
}

/* --- what a file is --- */

bool
mob_lua_is_program(const char *text)
{
    MobLexer lexer = mob_lexer(text, strlen(text));
    MobToken before[3] = {0}; /* the last tokens, the last first */
    MobToken token;
    bool sets_main = false;

    while (mob_lexer_next(&lexer, &token)) {
        if (token.type == MOB_TOKEN_STRING && token.length == strlen("'mobula.sim'") &&
            memcmp(token.text + 1, "mobula.sim", strlen("mobula.sim")) == 0)
            return false;
        bool field = mob_token_is(&before[0], "main") && mob_token_is(&before[1], ".");
        sets_main |= field && (mob_token_is(&token, "=") || mob_token_is(&token, "("));
        before[2] = before[1];
        before[1] = before[0];
        before[0] = token;
    }
    return sets_main;
}
