/* memory.h: what keeps objects alive, and where it was made: memory, summary objects.
 *
 * Every reference that is held is a row, and so is every primary copy that a store pins (Ray:
 * `ray memory`). An object that is named by several rows weighs in each of them, and once in
 * a group and in the total.
 */
#pragma once

#include "cli/tell.h"

/* The rows that pass the filters; @by "line", "node" or "holder": groups of them. */
int mob_tell_memory(const MobRowSource *source, const char *by, const char *filters,
                    const MobSink *sink);

/* How many objects that were made at one line are in each state. */
int mob_tell_objects(const MobRowSource *source, const MobSink *sink);
