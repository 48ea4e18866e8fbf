/* launch.c: see launch.h. */
#include "net/launch.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/clock.h"
#include "net/host.h"
#include "net/stream.h"

#define JOIN_TIME (10 * MOB_SECOND)

extern char **environ;

int
mob_launch_spawn(char *const *argv, int fd, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fd, MOB_LAUNCH_FD);
    posix_spawnattr_init(&attributes);
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    /* A Ctrl-C is for whoever runs the cluster, which then ends it in order. */
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    int error = posix_spawnp(pid, argv[0], &actions, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return error;
}

/* --- what it is to be --- */

static void
put_record(MobFrameKind kind, MobAddress to, MobRecord type, const void *record, MobBuf *into)
{
    MobFrame frame = {.kind = kind, .to = to};
    size_t begin = mob_frame_begin(into, &frame);

    mob_record_encode(type, record, into);
    mob_frame_end(into, begin);
}

static bool
write_all(int fd, const MobBuf *buf)
{
    for (size_t at = 0; at < buf->length;) {
        ssize_t sent = write(fd, buf->data + at, buf->length - at);
        if (sent < 0 && errno != EINTR)
            return false;
        at += sent > 0 ? (size_t)sent : 0;
    }
    return true;
}

static bool
tell(int fd, const MobJoin *join, const MobBirth *birth)
{
    g_auto(MobBuf) buf = {0};

    if (join != NULL)
        put_record(MOB_FRAME_JOIN, birth->address, MOB_RECORD_join, join, &buf);
    put_record(MOB_FRAME_BIRTH, birth->address, MOB_RECORD_birth, birth, &buf);
    return write_all(fd, &buf);
}

int
mob_launch(char *const *argv, const MobJoin *join, const MobBirth *birth, pid_t *pid,
           GError **error)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        g_set_error(error, MOB_NET_ERROR, 0, "cannot start a daemon: %s", g_strerror(errno));
        return -1;
    }
    int code = mob_launch_spawn(argv, ends[1], pid);
    close(ends[1]);
    if (code == 0 && tell(ends[0], join, birth))
        return ends[0];
    g_set_error(error, MOB_NET_ERROR, 0, "cannot start a daemon from %s: %s", argv[0],
                g_strerror(code != 0 ? code : errno));
    close(ends[0]);
    return -1;
}

/* --- what it answers --- */

static MobSite *
read_answer(const MobFrame *frame, const uint8_t *body, GError **error)
{
    if (frame->event != 0)
        return mob_record_decode(MOB_RECORD_site, body, frame->length, error);
    g_set_error(error, MOB_NET_ERROR, 0, "%.*s", (int)frame->length, (const char *)body);
    return NULL;
}

MobSite *
mob_launch_joined(int fd, GError **error)
{
    uint64_t until = mob_clock_real() + JOIN_TIME;
    MobStream stream;
    MobFrame frame = {.kind = MOB_FRAME_COUNT};
    const uint8_t *body = NULL;
    bool heard = false;

    mob_stream_init(&stream, dup(fd));
    while (!heard && stream.state == MOB_STREAM_OPEN && mob_clock_real() < until) {
        struct pollfd wait = {.fd = stream.fd, .events = POLLIN};
        poll(&wait, 1, 100);
        mob_stream_read(&stream, SIZE_MAX);
        heard = mob_stream_next(&stream, &frame, &body) && frame.kind == MOB_FRAME_JOINED;
    }
    MobSite *site = heard ? read_answer(&frame, body, error) : NULL;
    if (!heard)
        g_set_error(error, MOB_NET_ERROR, 0, "its daemon has said nothing within %d s",
                    (int)(JOIN_TIME / MOB_SECOND));
    mob_stream_clear(&stream);
    return site;
}
