/* pass.c: see pass.h. */
#include "net/pass.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    COME_MAX = 64, /* that nobody has asked for; more are closed */
};

typedef struct {
    int fd;      /* owned */
    uint64_t at; /* leaves with the byte that so many left before */
} MobPassing;

/* Room for the one descriptor that may go with a message. */
typedef union {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(sizeof(int))];
} Control;

void
mob_pass_clear(MobPass *pass)
{
    for (guint i = 0; pass->come != NULL && i < pass->come->len; i++)
        close(g_array_index(pass->come, int, i));
    for (guint i = 0; pass->leaving != NULL && i < pass->leaving->len; i++)
        close(g_array_index(pass->leaving, MobPassing, i).fd);
    g_clear_pointer(&pass->come, g_array_unref);
    g_clear_pointer(&pass->leaving, g_array_unref);
}

void
mob_pass_put(MobPass *pass, int fd, size_t before)
{
    MobPassing passing = {fcntl(fd, F_DUPFD_CLOEXEC, 0), pass->sent + before};

    if (passing.fd < 0)
        return; /* the other end misses it */
    if (pass->leaving == NULL)
        pass->leaving = g_array_new(FALSE, FALSE, sizeof passing);
    g_array_append_val(pass->leaving, passing);
}

int
mob_pass_take(MobPass *pass)
{
    if (pass->come == NULL || pass->come->len == 0)
        return -1;
    int fd = g_array_index(pass->come, int, 0);
    g_array_remove_index(pass->come, 0);
    return fd;
}

static void
keep(MobPass *pass, int fd)
{
    if (pass->come == NULL)
        pass->come = g_array_new(FALSE, FALSE, sizeof fd);
    if (pass->come->len < COME_MAX)
        g_array_append_val(pass->come, fd);
    else
        close(fd);
}

ssize_t
mob_pass_recv(MobPass *pass, int fd, void *at, size_t room)
{
    Control control;
    struct iovec bytes = {at, room};
    struct msghdr msg = {.msg_iov = &bytes,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof control};

    if (pass->bare)
        return recv(fd, at, room, 0);
    ssize_t got = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
    if (got < 0)
        return got;
    for (struct cmsghdr *head = CMSG_FIRSTHDR(&msg); head != NULL; head = CMSG_NXTHDR(&msg, head)) {
        int passed;
        if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS ||
            head->cmsg_len != CMSG_LEN(sizeof passed))
            continue;
        memcpy(&passed, CMSG_DATA(head), sizeof passed);
        keep(pass, passed);
    }
    return got;
}

/* Sends up to the next byte that a descriptor goes with. */
static ssize_t
send_with(MobPass *pass, int fd, const void *at, size_t size)
{
    Control control = {.head = {.cmsg_len = CMSG_LEN(sizeof(int)),
                                .cmsg_level = SOL_SOCKET,
                                .cmsg_type = SCM_RIGHTS}};
    struct iovec bytes = {(void *)at, size};
    struct msghdr msg = {.msg_iov = &bytes, .msg_iovlen = 1};
    GArray *leaving = pass->leaving;
    bool with = g_array_index(leaving, MobPassing, 0).at == pass->sent;

    if (leaving->len > (guint)with) {
        uint64_t next = g_array_index(leaving, MobPassing, with).at - pass->sent;
        bytes.iov_len = MIN(size, next);
    }
    if (with) {
        memcpy(CMSG_DATA(&control.head), &g_array_index(leaving, MobPassing, 0).fd, sizeof(int));
        msg.msg_control = &control;
        msg.msg_controllen = sizeof control;
    }
    ssize_t sent = sendmsg(fd, &msg, MSG_NOSIGNAL);
    if (sent > 0 && with) {
        close(g_array_index(leaving, MobPassing, 0).fd);
        g_array_remove_index(leaving, 0);
    }
    return sent;
}

ssize_t
mob_pass_send(MobPass *pass, int fd, const void *at, size_t size)
{
    bool any = pass->leaving != NULL && pass->leaving->len > 0;
    ssize_t sent = any ? send_with(pass, fd, at, size) : send(fd, at, size, MSG_NOSIGNAL);

    if (sent > 0)
        pass->sent += (uint64_t)sent;
    return sent;
}
