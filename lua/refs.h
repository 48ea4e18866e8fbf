/* refs.h: references and byte views, as Lua sees them.
 *
 * Every reference that a body receives is a userdata of its own, so that each
 * can be dropped once. The MobRef behind it belongs to the body, not to the
 * collector, and lives until it is dropped or the body ends.
 */
#pragma once

#include <lauxlib.h>
#include <lua.h>

#include "runtime/cbor.h"

struct MobLuaBody;

/* Bytes that follow a rule, and perhaps a view of them as they were written
 * out. Two are equal if size and rule are. A view keeps the value whose bytes
 * it shows until the collector finds that nobody has it: a task may keep it. */
typedef struct {
    uint64_t size;
    uint64_t fill;
    const uint8_t *bytes; /* NULL: nowhere written out */
    MobValue *value;      /* owned; that @bytes are part of */
} MobLuaBytes;

/* Pushes a new reference of the running body, with a copy of @ref. */
void mob_lua_push_ref(lua_State *lua, const MobRef *ref);

/* Whether there is a reference at @index. Then *ref is what it refers to
 * (borrowed), or NULL if it was dropped or belongs to a body that has ended. */
bool mob_lua_get_ref(lua_State *lua, int index, const MobRef **ref);

/* The same, but raises an error if there is none, or E108. */
const MobRef *mob_lua_check_ref(lua_State *lua, int index, const char *what);

void mob_lua_push_bytes(lua_State *lua, uint64_t size, uint64_t fill);
/* The same with a view of @fill's bytes, if it has any, inside @value. */
void mob_lua_push_fill(lua_State *lua, const MobFill *fill, const MobValue *value);
const MobLuaBytes *mob_lua_get_bytes(lua_State *lua, int index);
