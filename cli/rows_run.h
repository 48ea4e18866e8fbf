/* rows_run.h: the tables of a run folder, as they were at a moment. */
#pragma once

#include "cli/rows.h"

typedef struct {
    const char *folder;
    const char *at; /* "28.6ms", "@57"; NULL: the end, with all that ever was */
} MobRunSource;

/* All rows of the noun in the folder's run, the first if it holds several
 * clusters; NULL with an error. */
MobRows *mob_run_rows(const MobRunSource *source, const MobNoun *noun, GError **error);
