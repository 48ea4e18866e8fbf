/* nest.h: a folder in the place for temporary files in which real processes
 * keep their sockets, logs and journals for as long as whoever made it lives.
 *
 * Whoever makes one holds a lock in it, so that what was left by one that was killed
 * is told from what is in use. A small process that waits for that end, however it
 * comes, removes the folder; if it was killed too, the next one on the machine does.
 */
#pragma once

#include <glib.h>

typedef struct MobNest MobNest;

/* A new one in @parent (NULL: where temporary files are), after removing those there
 * whose makers are dead; @command is what the small process is started from. There is
 * a folder logs in it. NULL with an error. */
MobNest *mob_nest_new(const char *parent, const char *command, GError **error);
/* Removes it. */
void mob_nest_free(MobNest *nest);
const char *mob_nest_path(const MobNest *nest);

/* What the small process does for @folder: waits on MOB_LAUNCH_FD for the end of
 * whoever made it, then removes what that has not. */
void mob_nest_clean(const char *folder);
