/* sandbox.h: Lua without surprises.
 *
 * A state that is opened here behaves the same in every run and on every
 * machine: walks over tables have a fixed order, tables print as serial
 * numbers, time and chance are those of the world, and there is no way to
 * files, the clock, bytecode or the collector. Memory is counted, and a body
 * that runs too long without a call is stopped.
 *
 * Programs (body.c) and scenarios use the same layer; each says through the
 * struct how its world tells time, draws numbers and prints.
 */
#pragma once

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "runtime/ids.h"
#include "runtime/str.h"

#define MOB_LUA_BUDGET UINT64_C(200000000)
#define MOB_LUA_MEMORY (UINT64_C(512) * 1024 * 1024)

typedef struct MobLuaSandbox MobLuaSandbox;

struct MobLuaSandbox {
    /* Filled in by whoever opens the sandbox. Where a function is NULL, what
     * needs it raises an error. All of them run inside Lua and may raise. */
    MobTime (*now)(MobLuaSandbox *self, lua_State *lua);
    /* A number below @n; n = 0 means any 64 bits. */
    uint64_t (*random)(MobLuaSandbox *self, lua_State *lua, uint64_t n);
    /* Writes one piece of output. Its result is that of print, so it may yield. */
    int (*print)(MobLuaSandbox *self, lua_State *lua, const char *text, size_t length);
    /* Pushes the module @name, which require remembers. */
    void (*require)(MobLuaSandbox *self, lua_State *lua, const char *name);
    uint64_t budget;     /* instructions without a call; 0: no limit */
    uint64_t memory_max; /* bytes; 0: no limit */
    bool defining;       /* the top level of a program runs: effects raise E102 */
    bool keep_globals;   /* globals may be set for ever (scenarios) */

    /* Set by whoever runs coroutines as bodies: the one that may not yield to
     * itself, and whether a call of its waits for an answer. */
    lua_State *base;
    bool calling;
    lua_State *volatile *running; /* where to note the coroutine that runs; may be NULL */
    const void *printer;          /* whose serial numbers count; any address that is unique */

    /* The sandbox's own. */
    bool limited;         /* inside user code: the memory limit applies */
    const char *how_long; /* of an interruption: for people */
    void (*poke)(void *data);
    void *poke_data;
    bool exceeded; /* the budget is used up: no pcall may catch it */
    uint64_t spent;
    uint64_t memory;
    void *writer;     /* value.c: what values are written with */
    uint64_t serials; /* tables of serial numbers that were made */
};

/* Returns a new state for @self, which outlives it and is closed with lua_close().
 * All the libraries are there; nothing is on the stack. */
lua_State *mob_lua_sandbox_open(MobLuaSandbox *self);

/* The sandbox of any thread of a state. */
static inline MobLuaSandbox *
mob_lua_sandbox(lua_State *lua)
{
    return *(MobLuaSandbox **)lua_getextraspace(lua);
}

/* Before user code runs: the budget is fresh and the memory limit applies. */
static inline void
mob_lua_sandbox_enter(MobLuaSandbox *self)
{
    self->limited = true;
    self->exceeded = false;
    self->spent = 0;
}

static inline void
mob_lua_sandbox_note_running(MobLuaSandbox *self, lua_State *lua)
{
    if (self->running != NULL)
        *self->running = lua;
}

/* Makes the coroutine @lua, which runs, raise a LoopError at its next
 * instruction. Safe inside a signal handler. */
void mob_lua_sandbox_interrupt(lua_State *lua, const char *how_long);
/* Calls @func before its next instruction, and it goes on. Safe there, too. */
void mob_lua_sandbox_poke(lua_State *lua, void (*func)(void *data), void *data);

static inline void
mob_lua_sandbox_leave(MobLuaSandbox *self)
{
    self->limited = false;
}

/* Forgets the numbers of the objects that @printer has printed. */
void mob_lua_sandbox_forget_serials(lua_State *lua, const void *printer);

/* Compiles @text under the name @path, with the sandbox's globals: pushes the
 * function and returns LUA_OK, or pushes a message. Never bytecode. */
int mob_lua_sandbox_load(lua_State *lua, const char *path, const char *text, size_t length);

/* Raises E102 while the top level of a program runs. */
void mob_lua_check_effect(lua_State *lua, const char *what);

/* Raises an error of ours where a yield is impossible, see body.h. */
void mob_lua_check_yieldable(lua_State *lua, const char *what);

/* Pushes the text of the value at @index, as print and tostring show it. */
const char *mob_lua_tostring(lua_State *lua, int index, size_t *length);

/* Like print: pushes the texts of all arguments, with tabs between them and a newline. */
void mob_lua_push_line(lua_State *lua, int first, int count);

/* --- order.c: walks in a fixed order --- */
int mob_lua_pairs(lua_State *lua);
int mob_lua_next(lua_State *lua);
int mob_lua_sort(lua_State *lua);
/* Pushes a list of the keys of the table at @index in their fixed order. */
void mob_lua_push_keys(lua_State *lua, int index);
/* The same, but keys that have no order are left out instead of raised. */
void mob_lua_push_some_keys(lua_State *lua, int index);

/* --- freeze.c: what may not change any more --- */
/* Makes the globals read-only, and all that they and the @count values from
 * @first of the stack reach: tables, and what functions have captured. */
void mob_lua_freeze(lua_State *lua, int first, int count);
/* Replaces the table behind a frozen metatable, on top, by the metatable. */
void mob_lua_show_metatable(lua_State *lua);
/* Replaces the table on top by a read-only view of it. */
void mob_lua_push_view(lua_State *lua);
/* Pushes what is behind the table at @index if it is frozen, or the table
 * itself; returns whether it is frozen. */
bool mob_lua_push_behind(lua_State *lua, int index);

/* --- libs.c --- */
/* Sets the globals of the libraries in the table on top. */
void mob_lua_open_libs(lua_State *lua);
/* The Lua functions m.random and m.now. */
int mob_lua_random(lua_State *lua);
int mob_lua_now(lua_State *lua);
