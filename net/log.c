/* log.c: see log.h. */
#include "net/log.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    STRETCH = 1 << 20, /* we write before we look how long it has become */
    PAGE = 4096,
};

MobLog
mob_log_open(const char *folder, const char *process)
{
    g_autofree char *name = g_strdelimit(g_strdup(process), "/", '-');
    g_autofree char *path = g_strdup_printf("%s/logs/%s.log", folder, name);

    return (MobLog){.fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)};
}

void
mob_log_close(MobLog *log)
{
    if (log->fd >= 0)
        close(log->fd);
    log->fd = -1;
}

/* A disk that cannot make holes loses all of it instead. */
static void
give_back(MobLog *log)
{
    struct stat info;

    log->fresh = 0;
    if (fstat(log->fd, &info) != 0 || info.st_size <= MOB_LOG_KEEP)
        return;
    off_t length = (info.st_size - MOB_LOG_KEEP) / PAGE * PAGE;
    if (length > 0 &&
        fallocate(log->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, length) != 0 &&
        errno == EOPNOTSUPP && ftruncate(log->fd, 0) != 0)
        mob_log_close(log);
}

/* What the disk does not take is lost; the process goes on. */
void
mob_log_write(MobLog *log, const char *text, size_t length)
{
    while (length > 0 && log->fd >= 0) {
        ssize_t written = write(log->fd, text, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;
        text += written;
        length -= (size_t)written;
        log->fresh += (uint64_t)written;
        if (log->fresh >= STRETCH)
            give_back(log);
    }
}
