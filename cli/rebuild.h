/* rebuild.h: what an object was made from, and whether it can be made again. */
#pragma once

#include "cli/tell.h"

/* Tells the lineage of the task or object @name, which is one of @rows; of an object also
 * whether it could be made again if all its copies were gone, and if not, why. */
int mob_tell_lineage(const MobRowSource *source, const MobRows *rows, const char *name,
                     const MobSink *sink);
