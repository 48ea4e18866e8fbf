/* nest.c: see nest.h. */
#include "net/nest.h"

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

#include "net/host.h"
#include "net/launch.h"

#define PREFIX "mobula-"
#define RANDOM "XXXXXX"

enum {
    TRIES = 16, /* for a folder, and to be rid of it */
};

struct MobNest {
    char *path;
    int lock;  /* a file in it that is locked as long as we live; -1: none */
    int alive; /* closed when we end, which the cleaner waits for; -1: there is none */
    pid_t cleaner;
};

/* All but the folder and its lock. */
static int
remove_one(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info;
    (void)type;
    if (where->level == 0 || (where->level == 1 && strcmp(path + where->base, "lock") == 0))
        return 0;
    return remove(path) == 0 || errno == ENOENT ? 0 : -1; /* others may be cleaning up, too */
}

/* The lock goes last: whoever is killed in the middle of this leaves a folder
 * that is still known as one, or an empty one. So does a daemon that has written
 * something meanwhile: then there is a lock again, and false is returned. */
static bool
remove_folder(const char *folder)
{
    g_autofree char *lock = g_build_filename(folder, "lock", NULL);
    int again;

    if (nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0 || unlink(lock) != 0)
        return false;
    if (rmdir(folder) == 0 || errno == ENOENT)
        return true;
    again = open(lock, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (again >= 0)
        close(again);
    return false;
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
mob_nest_clean(const char *folder)
{
    char byte;

    while (read(MOB_LAUNCH_FD, &byte, 1) > 0 || errno == EINTR)
        errno = 0;
    for (int i = 0; i < 200; i++) {
        remove_dead(folder);
        if (access(folder, F_OK) != 0)
            return;
        nanosleep(&(struct timespec){.tv_nsec = 10 * MOB_MS}, NULL);
    }
}

static void
start_cleaner(MobNest *nest, const char *command)
{
    char *const argv[] = {(char *)command, (char *)"_sweep", nest->path, NULL};
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0)
        return;
    if (mob_launch_spawn(argv, ends[0], &nest->cleaner) == 0)
        nest->alive = ends[1];
    else
        close(ends[1]);
    close(ends[0]);
}

static void
end_cleaner(MobNest *nest)
{
    if (nest->alive < 0)
        return;
    kill(nest->cleaner, SIGKILL);
    while (waitpid(nest->cleaner, NULL, 0) < 0 && errno == EINTR)
        ;
    close(nest->alive);
}

/* --- the folder --- */

/* A new folder whose lock is ours; false if somebody who sweeps was faster. */
static bool
try_folder(MobNest *nest, const char *parent)
{
    nest->path = g_build_filename(parent, PREFIX RANDOM, NULL);
    if (g_mkdtemp_full(nest->path, 0700) != NULL)
        nest->lock = take_lock(nest->path, O_CREAT);
    if (nest->lock >= 0)
        return true;
    g_clear_pointer(&nest->path, g_free);
    return false;
}

static bool
settle(MobNest *nest, const char *parent, const char *command, GError **error)
{
    for (int i = 0; i < TRIES && nest->path == NULL; i++)
        try_folder(nest, parent);
    if (nest->path == NULL) {
        g_set_error(error, MOB_NET_ERROR, 0, "cannot make a folder in %s: %s", parent,
                    g_strerror(errno));
        return false;
    }
    start_cleaner(nest, command);
    g_autofree char *logs = g_build_filename(nest->path, "logs", NULL);
    if (mkdir(logs, 0700) == 0)
        return true;
    g_set_error(error, MOB_NET_ERROR, 0, "cannot write in %s: %s", nest->path, g_strerror(errno));
    return false;
}

MobNest *
mob_nest_new(const char *parent, const char *command, GError **error)
{
    MobNest *nest = g_new0(MobNest, 1);

    nest->lock = nest->alive = -1;
    parent = parent != NULL ? parent : g_get_tmp_dir();
    sweep(parent);
    if (settle(nest, parent, command, error))
        return nest;
    mob_nest_free(nest);
    return NULL;
}

void
mob_nest_free(MobNest *nest)
{
    if (nest == NULL)
        return;
    for (int i = 0; nest->path != NULL && i < TRIES && !remove_folder(nest->path); i++)
        ;
    end_cleaner(nest);
    if (nest->lock >= 0)
        close(nest->lock);
    g_free(nest->path);
    g_free(nest);
}

const char *
mob_nest_path(const MobNest *nest)
{
    return nest->path;
}
