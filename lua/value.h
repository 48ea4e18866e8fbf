/* value.h: Lua values as CBOR and back.
 *
 * A table with the keys 1 to n is an array, any other a map whose keys are in
 * the order of the deterministic encoding. Integers and floats stay apart,
 * strings are bytes, sharing is flattened. References, byte views and errors
 * travel; functions, coroutines, cycles and tables with a metatable do not.
 */
#pragma once

#include <lauxlib.h>
#include <lua.h>

#include "runtime/cbor.h"

enum {
    MOB_LUA_VALUE_BYTES_MAX = 256 * 1024 * 1024,
};

/* How references in a value become Lua values; NULL: their short names. */
typedef void (*MobLuaPushRef)(lua_State *lua, const MobRef *ref);

/* Returns (transfer full) the value at @index. What cannot travel is raised as
 * E104 or E107 with the path to it, which begins with @what ("argument 1"). */
MobValue *mob_lua_to_value(lua_State *lua, int index, const char *what);

/* The same for a value that a body returns, which is @number-th (from 1) of
 * its kind: "argument 2", made into text only when something is wrong. */
MobValue *mob_lua_to_nth_value(lua_State *lua, int index, const char *what, uint32_t number);

/* Pushes @value; an error value becomes an error object. */
void mob_lua_push_value(lua_State *lua, const MobValue *value, MobLuaPushRef push_ref);

/* --- units.c: durations and sizes as people write them --- */

/* Reads "10ms", "1.5 s" or a number of seconds; raises an error about @what. */
MobTime mob_lua_to_time(lua_State *lua, int index, const char *what);
/* Reads "64MiB", "1.5 GB" or a number of bytes. */
uint64_t mob_lua_to_size(lua_State *lua, int index, const char *what);
bool mob_lua_parse_time(const char *text, MobTime *time);
bool mob_lua_parse_size(const char *text, uint64_t *size);
