/* program.h: running one program, Lua or C, without a scenario around it. */
#pragma once

#include "cli/host.h"

/* Runs the program @file with @words for its main on the default cluster and
 * fills in @result as a scenario would. @limit is in the run's own time. */
void mob_program_run(MobHost *host, const char *file, char **words, MobTime limit,
                     MobScenarioResult *result);
