/* local_folder.c: the folder that a local cluster lives in; see local_parts.h.
 *
 * Whoever makes one holds a lock in it for as long as it lives, so that what a
 * cluster left that was killed is told from what a cluster uses. A small
 * process that waits for that end, however it comes, removes the folder; if it
 * was killed too, the next cluster on the machine does.
 */
#include "net/local_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PREFIX "mobula-"
#define RANDOM "XXXXXX"

enum {
    TRIES = 16, /* for a folder */
};

/* All but the folder and its lock. What somebody else has just removed, or still
 * writes to, does not keep us from the rest. */
static int
remove_one(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info;
    (void)type;
    if (where->level == 0 || (where->level == 1 && strcmp(path + where->base, "lock") == 0))
        return 0;
    remove(path);
    return 0;
}

static bool
holds_its_lock_alone(const char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL)
        if (strcmp(name, "lock") != 0)
            return false;
    return dir != NULL;
}

/* The lock goes last: whoever is killed in the middle of this leaves a folder
 * that is still known as one, or an empty one. */
static void
remove_folder(const char *folder)
{
    g_autofree char *lock = g_build_filename(folder, "lock", NULL);

    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    if (!holds_its_lock_alone(folder))
        return; /* those who die write a little longer */
    unlink(lock);
    rmdir(folder);
}

/* An open file whose lock is ours, or -1. It is not inherited. */
static int
take_lock(const char *folder, int flags)
{
    g_autofree char *path = g_build_filename(folder, "lock", NULL);
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
    struct stat info;

    /* Somebody may have taken it for a leftover and removed it meanwhile. */
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &info) == 0 &&
        info.st_uid == geteuid() && info.st_nlink > 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Removes @folder if a cluster has lived there that is dead. */
static void
remove_dead(const char *folder)
{
    g_autofree char *name = g_path_get_basename(folder);
    int lock;

    if (!g_str_has_prefix(name, PREFIX) || strlen(name) != strlen(PREFIX RANDOM))
        return;
    lock = take_lock(folder, 0);
    if (lock < 0 && errno == ENOENT)
        rmdir(folder); /* an empty one; whoever is just making it takes another */
    if (lock < 0)
        return;
    remove_folder(folder);
    close(lock);
}

static void
sweep(const char *parent)
{
    g_autoptr(GDir) dir = g_dir_open(parent, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *folder = g_build_filename(parent, name, NULL);
        remove_dead(folder);
    }
}

/* --- the cleaner --- */

/* Daemons that are about to be killed may write a little longer. */
void
mob_local_clean(const char *folder)
{
    char byte;

    while (read(MOB_LOCAL_FD, &byte, 1) > 0 || errno == EINTR)
        errno = 0;
    for (int i = 0; i < 200; i++) {
        remove_dead(folder);
        if (access(folder, F_OK) != 0)
            return;
        nanosleep(&(struct timespec){.tv_nsec = 10 * MOB_MS}, NULL);
    }
}

static void
start_cleaner(MobLocal *local)
{
    char *const argv[] = {(char *)local->options.command, (char *)"_sweep", local->root, NULL};
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0)
        return;
    if (mob_local_spawn(argv, ends[0], &local->cleaner) == 0)
        local->alive = ends[1];
    else
        close(ends[1]);
    close(ends[0]);
}

static void
end_cleaner(MobLocal *local)
{
    if (local->alive < 0)
        return;
    kill(local->cleaner, SIGKILL);
    while (waitpid(local->cleaner, NULL, 0) < 0 && errno == EINTR)
        ;
    close(local->alive);
}

/* --- the folder --- */

/* A new folder whose lock is ours; false if somebody who sweeps was faster. */
static bool
try_folder(MobLocal *local)
{
    local->root = g_build_filename(g_get_tmp_dir(), PREFIX RANDOM, NULL);
    if (g_mkdtemp_full(local->root, 0700) != NULL)
        local->lock = take_lock(local->root, O_CREAT);
    if (local->lock >= 0)
        return true;
    g_clear_pointer(&local->root, g_free);
    return false;
}

bool
mob_local_make_folder(MobLocal *local, GError **error)
{
    bool made = false;

    sweep(g_get_tmp_dir());
    for (int i = 0; i < TRIES && !made; i++)
        made = try_folder(local);
    if (!made) {
        g_set_error(error, MOB_NET_ERROR, 0, "cannot make a folder in %s: %s", g_get_tmp_dir(),
                    g_strerror(errno));
        return false;
    }
    start_cleaner(local);
    g_autofree char *logs = g_build_filename(local->root, "logs", NULL);
    if (mkdir(logs, 0700) == 0)
        return true;
    g_set_error(error, MOB_NET_ERROR, 0, "cannot write in %s: %s", local->root, g_strerror(errno));
    return false;
}

void
mob_local_remove_folder(MobLocal *local)
{
    if (local->root != NULL)
        remove_folder(local->root);
    end_cleaner(local);
    if (local->lock >= 0)
        close(local->lock);
    g_clear_pointer(&local->root, g_free);
}
