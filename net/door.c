/* door.c: see door.h. */
#include "net/door.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/host.h"

int
mob_door_open(const char *path, int backlog, GError **error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof address.sun_path) {
        g_set_error(error, MOB_NET_ERROR, 0, "%s is too long for a socket; use a shorter folder",
                    path);
        return -1;
    }
    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
        listen(fd, backlog) == 0)
        return fd;
    g_set_error(error, MOB_NET_ERROR, 0, "cannot listen at %s: %s", path, g_strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

bool
mob_door_is_ours(int fd, pid_t *pid)
{
    struct ucred who;
    socklen_t size = sizeof who;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0 || who.uid != geteuid())
        return false;
    if (pid != NULL)
        *pid = who.pid;
    return true;
}

int
mob_door_next(int door, pid_t *pid)
{
    int fd;

    while ((fd = accept4(door, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        if (mob_door_is_ours(fd, pid))
            return fd;
        close(fd);
    }
    return -1;
}
