/* behind.h: going on in the background once everything is ready.
 *
 * What is said until then reaches whoever typed the command, and so does a
 * failure; afterwards it goes to a log.
 */
#pragma once

#include "cli/cli.h"

/* What is to run; @ready is to be given to mob_behind_ready(), -1: stay in front. */
typedef MobExit (*MobBehindFunc)(MobCli *cli, void *data, int ready);

/* Runs it in a process of its own and returns when that is ready or has ended. */
MobExit mob_behind(MobCli *cli, MobBehindFunc func, void *data);

/* From now on nobody reads what we say: it goes to the file @log. */
void mob_behind_ready(int ready, const char *log);

/* A descriptor that can be read when somebody wants us to end (struct signalfd_siginfo). The
 * signals are blocked for this process, not for those that it starts. */
int mob_behind_signals(void);
