/* rows_run.h: the tables of a run folder. */
#pragma once

#include "cli/rows.h"

/* All rows of the noun in the folder's run, the first if it holds several
 * clusters; NULL with an error. */
MobRows *mob_run_rows(const char *folder, const MobNoun *noun, GError **error);
