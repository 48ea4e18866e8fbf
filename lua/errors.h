/* errors.h: mistakes in use, which carry codes, and the cluster's errors as
 * Lua objects.
 *
 * An error object is a table with the fields name, message, code, reason, task,
 * attempt, node, at, cause, traceback, file and line as far as they apply,
 * and the methods is(), report() and why(). What came out of the cluster also
 * keeps the value that it was made of, so that it can be passed on unchanged.
 */
#pragma once

#include <lauxlib.h>
#include <lua.h>

#include "runtime/fault.h"

/* The title of @code ("E103"), or NULL; and what `mobula help E103` prints. */
const char *mob_lua_code_title(const char *code);
const char *mob_lua_code_help(const char *code);
/* Walks the codes: returns the next, or NULL. */
const char *mob_lua_code_next(size_t *at);

/* Raises a mistake in use. @notes are lines that follow the place, each of
 * them indented and with its newline; NULL: none. Never returns. */
int mob_lua_raise(lua_State *lua, const char *code, const char *notes, const char *format, ...)
    G_GNUC_PRINTF(4, 5) G_GNUC_NORETURN;

/* The same, about a place that is not where the program is now. */
int mob_lua_raise_at(lua_State *lua, const char *code, const char *file, uint32_t line,
                     const char *notes, const char *message) G_GNUC_NORETURN;

/* Pushes the error object for @error, a value with a fault. */
void mob_lua_push_error(lua_State *lua, MobValue *error);

/* Pushes an error object that has only a name and a message. */
void mob_lua_push_plain_error(lua_State *lua, const char *name, const char *message);

/* Whether there is an error object at @index, and the value that it was made of
 * (borrowed; NULL if it did not come from the cluster). */
bool mob_lua_is_error(lua_State *lua, int index);
MobValue *mob_lua_error_value(lua_State *lua, int index);

/* Returns (transfer full) the error object at @index as a value. */
MobValue *mob_lua_error_to_value(lua_State *lua, int index);

/* Appends what a person reads of the error object, message or other value at
 * @index of the stack: several lines, the last without its newline. */
void mob_lua_describe_error(lua_State *lua, int index, GString *into);

/* Where the innermost Lua function is: its file (borrowed) and line. */
const char *mob_lua_where(lua_State *lua, uint32_t *line);

/* Pushes the table of error names, m.errors. */
void mob_lua_push_error_names(lua_State *lua);

/* Returns the one of @names that is most like @name, or NULL if none is. */
const char *mob_lua_nearest(const char *name, const char *const *names, size_t count);
