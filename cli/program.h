/* program.h: running one program, Lua or C, without a scenario around it. */
#pragma once

#include "cli/host.h"
#include "cli/loaders.h"

/* Runs the program @file with @words for its main on the default cluster and
 * fills in @result as a scenario would. @limit is in the run's own time. */
void mob_program_run(MobHost *host, const char *file, char **words, MobTime limit,
                     MobScenarioResult *result);

/* Fills in the bundle of @job and its id, which the caller owns, also where
 * it returns false with an error. */
bool mob_program_load(const char *file, const MobLuaReader *reader, const MobLoaders *loaders,
                      MobJob *job, GError **error);
/* (transfer full) The words of a command line, as texts for main. */
MobArgs *mob_program_args(char **words);
