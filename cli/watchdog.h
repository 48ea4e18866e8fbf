/* watchdog.h: an end to bodies that loop without a call.
 *
 * While it watches, a counter must go up; if it stands still for too long, the
 * Lua body that runs is ended with an error that says where it is. A body in C,
 * or one that is inside a function of a library, cannot be ended: then the
 * process is, with a message. Only such a body ever notices real time.
 */
#pragma once

#include "runtime/body.h"

/* How long a body may run without a call, in processor time. */
void mob_watchdog_set_patience(MobTime patience);

/* Both are borrowed until the end. @rehearsal: less patience will do. */
void mob_watchdog_begin(MobLoader *lua, const uint64_t *progress, bool rehearsal);
/* Returns whether a body had to be ended. */
bool mob_watchdog_end(void);
