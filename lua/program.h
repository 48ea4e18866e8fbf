/* program.h: programs as bundles.
 *
 * A program is a list of files, each a path and a text, and the path of the
 * one that is run. It is a value like any other, so it travels and is stored
 * as they do; its id is the SHA-256 of its encoding, in which the files are
 * sorted by path. Nothing is compiled before it travels.
 */
#pragma once

#include <lua.h>

#include "runtime/value.h"

#define MOB_LUA_ERROR (g_quark_from_static_string("mob-lua-error"))

/* How the files of a program are read: lua/ itself touches none. Returns
 * (transfer full) the text of @path with a final zero, or NULL with an error. */
typedef struct {
    char *(*read)(void *data, const char *path, size_t *length, GError **error);
    void *data;
} MobLuaReader;

/* Reads the program @path and what it requires, runs its top level, and checks
 * it. Returns (transfer full) the bundle and its id, or NULL with an error of
 * several lines that says where and what to do. */
MobValue *mob_lua_program_load(const char *path, const MobLuaReader *reader, MobStr **bundle_id,
                               GError **error);

/* Makes a program out of the function at @index of @lua, which stands in the
 * file @path with the text @text and becomes main, with the module as its
 * first parameter. The function may capture nothing (E103). */
MobValue *mob_lua_program_inline(lua_State *lua, int index, const char *path, const char *text,
                                 MobStr **bundle_id, GError **error);

/* Whether @text is a program: it sets main and does not load mobula.sim. */
bool mob_lua_is_program(const char *text);

/* Whether @value is an acceptable bundle; for what peers send. */
bool mob_lua_program_check(const MobValue *value);

/* The text of @path in the bundle @value (borrowed, not terminated), or NULL. */
const char *mob_lua_program_file(const MobValue *value, const char *path, size_t *length);
/* The path of the file that is run (transfer full), and whether it is an inline function. */
char *mob_lua_program_entry(const MobValue *value, bool *is_inline);
