/* inner.h: tasks that are defined inside functions; for lua/ alone.
 *
 * Such a function may use locals of the top level, which every worker has, and
 * the module. A local of a running function is E103.
 */
#pragma once

#include "lua/env.h"

/* Whether there is a task at @index. */
bool mob_lua_is_task(lua_State *lua, int index);

/* Checks the function at @function, and pushes and returns the name by which
 * workers find it: NAME@FILE:LINE:LAST[a,b]. */
const char *mob_lua_push_inner_name(lua_State *lua, MobLuaEnv *env, int function, const char *name);

/* Pushes the function that such a name means; false if it means none. Raises
 * an error if it cannot be made. */
bool mob_lua_push_inner(lua_State *lua, MobLuaEnv *env, const char *name);

/* Makes the text of E103: the notes that show the source, and (transfer full)
 * both. @file's text is @text. */
typedef struct {
    const char *task;
    const char *name; /* of the local */
    const char *file;
    const char *text;
    size_t length;
    uint32_t line; /* of the function */
    uint32_t last_line;
    bool task_is_main; /* the function is an inline program */
    bool local_is_task;
} MobLuaCapture;

char *mob_lua_capture_message(const MobLuaCapture *capture, uint32_t *use_line, char **notes);
