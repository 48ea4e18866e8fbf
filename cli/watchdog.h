/* watchdog.h: an end to bodies that loop without a call.
 *
 * While it watches, somebody must report progress; if none comes for some
 * seconds of real time, the Lua body that runs is ended with an error that
 * says where it is. A C body cannot be ended: then the process is, with a
 * message. Only such a body ever notices real time.
 */
#pragma once

#include "runtime/body.h"

void mob_watchdog_begin(MobLoader *lua);
void mob_watchdog_end(void);

/* An event has happened; cheap. */
void mob_watchdog_progress(void);
