/* zygote.h: a small process that forks the processes of a machine.
 *
 * A daemon grows, and to fork a large process is slow; to start the command
 * anew for each worker costs milliseconds of linking. So the daemon forks a
 * zygote before it does anything else, and the zygote forks what is asked of
 * it: as children of the daemon (CLONE_PARENT), which die when it dies.
 */
#pragma once

#include "net/birth.h"

/* What a child does; returns its exit code. */
typedef int (*MobZygoteChild)(const MobBirth *birth);

/* Returns the daemon's end of a stream to a new zygote, or -1 (errno). To be
 * called before anything else is open or known. */
int mob_zygote_start(MobZygoteChild child);
