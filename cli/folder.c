/* folder.c: see folder.h. */
#include "cli/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

char *
mob_run_name(const char *file)
{
    g_autofree char *base = g_path_get_basename(file);
    char *dot = strrchr(base, '.');
    if (dot != NULL && dot != base)
        *dot = '\0';
    return g_steal_pointer(&base);
}

static bool
fail(GError **error, const char *what, const char *path)
{
    int code = errno;
    g_set_error(error, G_FILE_ERROR, (int)g_file_error_from_errno(code), "cannot %s %s: %s", what,
                path, g_strerror(code));
    return false;
}

bool
mob_folder_begin(MobFolder *folder, const char *file, uint64_t seed, GError **error)
{
    g_autofree char *name = mob_run_name(file);
    g_autofree char *parent = g_build_filename("runs", name, NULL);

    *folder = (MobFolder){0};
    if (g_mkdir_with_parents(parent, 0777) != 0)
        return fail(error, "make the folder", parent);
    folder->work = g_strdup_printf("%s/.%" G_GUINT64_FORMAT ".XXXXXX", parent, seed);
    if (g_mkdtemp_full(folder->work, 0777) == NULL) {
        fail(error, "write in", parent);
        g_clear_pointer(&folder->work, g_free);
        return false;
    }
    folder->place = g_strdup_printf("%s/%" G_GUINT64_FORMAT, parent, seed);
    return true;
}

bool
mob_folder_finish(MobFolder *folder, GError **error)
{
    bool moved = g_rename(folder->work, folder->place) == 0; /* there was none */
    /* Otherwise the two change places in one step, so that there is always
     * one; what was there before is deleted by mob_folder_clear(). */
    if (!moved && renameat2(AT_FDCWD, folder->work, AT_FDCWD, folder->place, RENAME_EXCHANGE) == 0)
        return true;
    if (!moved) { /* a file system that cannot do this */
        mob_remove_tree(folder->place);
        moved = g_rename(folder->work, folder->place) == 0;
    }
    if (!moved)
        return fail(error, "write", folder->place);
    g_clear_pointer(&folder->work, g_free);
    return true;
}

void
mob_folder_clear(MobFolder *folder)
{
    if (folder->work != NULL) {
        g_autofree char *parent = g_path_get_dirname(folder->work);
        mob_remove_tree(folder->work); /* what was not finished, or the one before */
        if (rmdir(parent) == 0)        /* there never was a whole one */
            rmdir("runs");
    }
    g_clear_pointer(&folder->work, g_free);
    g_clear_pointer(&folder->place, g_free);
}

char *
mob_folder_file(const MobFolder *folder, const char *name)
{
    return g_build_filename(folder->work, name, NULL);
}

bool
mob_folder_write(const MobFolder *folder, const char *name, const char *text, gssize length,
                 GError **error)
{
    g_autofree char *path = mob_folder_file(folder, name);
    return g_file_set_contents_full(path, text, length, G_FILE_SET_CONTENTS_NONE, 0666, error);
}

bool
mob_write_whole(const char *path, const char *text, gssize length, GError **error)
{
    g_autoptr(GError) cause = NULL;
    if (g_file_set_contents_full(path, text, length, G_FILE_SET_CONTENTS_CONSISTENT, 0666, &cause))
        return true;
    const char *why = strrchr(cause->message, ':'); /* before it stands a temporary name */
    g_set_error(error, cause->domain, cause->code, "cannot write %s%s", path,
                why != NULL ? why : ": it failed");
    return false;
}

char *
mob_read_whole(const char *path, size_t *length, GError **error)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    guint8 block[16384];
    ssize_t count;
    int fd = g_open(path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0) {
        fail(error, "read", path);
        return NULL;
    }
    while ((count = read(fd, block, sizeof block)) > 0)
        g_byte_array_append(bytes, block, (guint)count);
    bool ok = count == 0 || fail(error, "read", path);
    close(fd);
    if (!ok)
        return NULL;
    if (length != NULL)
        *length = bytes->len;
    g_byte_array_append(bytes, (const guint8 *)"", 1);
    return (char *)g_byte_array_free(g_steal_pointer(&bytes), FALSE);
}

void
mob_remove_tree(const char *path)
{
    g_autoptr(GDir) dir = NULL;
    const char *name;
    if (!g_file_test(path, G_FILE_TEST_IS_SYMLINK))
        dir = g_dir_open(path, 0, NULL);
    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *child = g_build_filename(path, name, NULL);
        mob_remove_tree(child);
    }
    g_remove(path);
}

/* Keeps in *newest the youngest of the folders in @parent that hold a run. */
static void
look_for_runs(const char *parent, char **newest, gint64 *when)
{
    g_autoptr(GDir) dir = g_dir_open(parent, 0, NULL);
    const char *name;
    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        if (*name == '.')
            continue;
        g_autofree char *path = g_build_filename(parent, name, NULL);
        g_autofree char *db = g_build_filename(path, "run.db", NULL);
        struct stat info;
        if (g_stat(db, &info) != 0)
            continue;
        gint64 at = (gint64)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec;
        if (at > *when || (at == *when && g_strcmp0(path, *newest) > 0)) {
            *when = at;
            g_free(*newest);
            *newest = g_steal_pointer(&path);
        }
    }
}

char *
mob_folder_named(const char *word)
{
    g_autofree char *db = g_build_filename(word, "run.db", NULL);
    char *newest = NULL;
    gint64 when = -1;
    if (g_file_test(word, G_FILE_TEST_IS_DIR) && !g_file_test(db, G_FILE_TEST_EXISTS))
        look_for_runs(word, &newest, &when);
    return newest != NULL ? newest : g_strdup(word);
}

char *
mob_folder_newest(GError **error)
{
    g_autoptr(GDir) dir = g_dir_open("runs", 0, NULL);
    char *newest = NULL;
    gint64 when = -1;
    const char *name;
    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename("runs", name, NULL);
        look_for_runs(path, &newest, &when);
    }
    if (newest == NULL)
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT,
                    "there is no run in runs/; make one with: mobula run FILE");
    return newest;
}
