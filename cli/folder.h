/* folder.h: runs/NAME/SEED/, what a run leaves behind.
 *
 * A folder is written beside its place and moved there when it is whole, so
 * that nobody ever sees half of one, and the one before it stays until then.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    char *place; /* "runs/kill-task-2/0" */
    char *work;  /* where it is written until it is whole */
} MobFolder;

/* Makes the place to write in; an error names the path. The name of the run
 * is that of @file without folders and suffix. */
bool mob_folder_begin(MobFolder *folder, const char *file, uint64_t seed, GError **error);
/* Moves it to its place. */
bool mob_folder_finish(MobFolder *folder, GError **error);
/* Frees it; what was not finished is deleted. */
void mob_folder_clear(MobFolder *folder);

/* (transfer full) "WORK/name" */
char *mob_folder_file(const MobFolder *folder, const char *name);
bool mob_folder_write(const MobFolder *folder, const char *name, const char *text, gssize length,
                      GError **error);

/* (transfer full) The newest run folder below runs/, or NULL with an error
 * that says how to get one. */
char *mob_folder_newest(GError **error);
/* (transfer full) The run folder that is meant by @word: itself, or the newest
 * in it if it holds the runs of one file. */
char *mob_folder_named(const char *word);

/* (transfer full) "kill-task-2" of "scenarios/kill-task-2.lua" */
char *mob_run_name(const char *file);

/* (transfer full) The text of a file, with a final zero that is not counted. */
char *mob_read_whole(const char *path, size_t *length, GError **error);

/* Deletes @path and everything in it. */
void mob_remove_tree(const char *path);

/* Writes @path beside its place, then renames it. */
bool mob_write_whole(const char *path, const char *text, gssize length, GError **error);
