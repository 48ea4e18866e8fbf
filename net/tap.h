/* tap.h: what a process that runs user code writes to its standard output and
 * standard error past mobula: printf in C, a library that complains, a crash.
 *
 * Both go into a pipe that the daemon reads, so what was written before a crash
 * is told all the same. It goes to the log of the process, and, as an input of
 * the node manager, to whoever looks on. A process writes so much a moment and
 * then waits until there is a new one: who prints without end is slowed
 * down, and takes neither memory nor time from others.
 */
#pragma once

#include "net/inside.h"

typedef struct MobTap MobTap;

/* Takes @pipe, which @process ("n1/w0" at @address) writes to. */
MobTap *mob_tap_new(MobNetHost *host, MobAddress address, const char *process, int pipe);
/* Tells what is still there. */
void mob_tap_free(MobTap *tap);

/* Tells @text, a line of ours, as if the process had written it. */
void mob_tap_say(MobTap *tap, const char *text);

/* A new moment: it may write again. */
void mob_tap_refill(MobTap *tap);
