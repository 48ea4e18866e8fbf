/* body.h: task bodies that are Lua coroutines.
 *
 * A worker has one lua_State per program, made when the first body of it
 * starts and closed when the worker ends; each body is a coroutine in it. A
 * call is a yield: the library function fills in the MobCall and yields, and
 * its continuation turns the answer into Lua values. A yield is impossible
 * inside table.sort comparators and string.gsub callbacks, which is said.
 *
 * What the collector does has no effect that anybody could see: a reference
 * ends when it is dropped or when its body ends.
 */
#pragma once

#include "lua/program.h"
#include "runtime/body.h"

MobLoader *mob_lua_loader_new(void);
void mob_lua_loader_free(MobLoader *loader);

/* How many instructions a body may run without a call; 0: no limit. Holds for
 * workers that start later. */
void mob_lua_loader_set_budget(MobLoader *loader, uint64_t instructions);
/* Ends the body that runs at present, if one does, with an error that says
 * where it is and for how long it has run (borrowed). Safe inside a signal handler, for a watchdog:
 * unlike a budget, which halves the pace of long loops, it costs nothing until it strikes. */
void mob_lua_loader_interrupt(MobLoader *loader, const char *how_long);
/* Writes "FILE:LINE" of the Lua code that runs; false if none does. It reads a
 * state that may be changing: only for the last words of a process. */
bool mob_lua_loader_where(MobLoader *loader, char *into, size_t size);
/* How many bytes the Lua state of one worker may hold; 0: no limit. */
void mob_lua_loader_set_memory(MobLoader *loader, uint64_t bytes);
/* What m.read reads with, in drivers; @reader is borrowed and may be NULL. */
void mob_lua_loader_set_reader(MobLoader *loader, const MobLuaReader *reader);
