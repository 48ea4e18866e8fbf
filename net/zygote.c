/* zygote.c: see zygote.h. */
#include "net/zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "net/stream.h"
#include "runtime/watch.h"

/* A child of our parent, which is told of its end. */
static pid_t
fork_sibling(void)
{
    return (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL);
}

/* What the process writes by itself (printf in C, a crash) goes to a file of its own.
 * The GCS runs no program; what it has to say is for whoever looks after the
 * machine, and its disk may be what is full: it says it where the daemon does. */
static void
redirect(const MobBirth *birth)
{
    g_autofree char *name = g_strdelimit(g_strdup(mob_str(birth->name)), "/", '-');
    g_autofree char *path = g_strdup_printf("%s/logs/%s.log", mob_str(birth->folder), name);
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    if (null >= 0)
        dup2(null, STDIN_FILENO);
    if (file >= 0) {
        dup2(file, STDOUT_FILENO);
        if (birth->role != MOB_ROLE_GCS)
            dup2(file, STDERR_FILENO);
        close(file);
        setvbuf(stdout, NULL, _IOLBF, 0); /* it may be killed at any time */
    }
    if (null >= 0)
        close(null);
}

static void
be_born(MobStream *stream, const MobBirth *birth, pid_t daemon, MobZygoteChild child)
{
    mob_stream_clear(stream);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != daemon)
        _exit(1); /* it has died meanwhile */
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    redirect(birth);
    int code = child(birth);
    fflush(NULL);
    _exit(code);
}

static void
serve(MobStream *stream, const MobFrame *frame, const uint8_t *body, pid_t daemon,
      MobZygoteChild child)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(MobBirth) birth = mob_record_decode(MOB_RECORD_birth, body, frame->length, &error);

    if (birth == NULL)
        g_error("the zygote cannot read what its daemon wrote: %s", error->message);
    pid_t pid = fork_sibling();
    if (pid == 0)
        be_born(stream, birth, daemon, child);
    MobFrame answer = {.kind = MOB_FRAME_CHILD,
                       .from = birth->address,
                       .event = pid < 0 ? 0 : (uint64_t)pid,
                       .clock = pid < 0 ? (uint64_t)errno : 0};
    mob_stream_put(stream, &answer, NULL, 0);
}

static void
live(int fd, pid_t daemon, MobZygoteChild child)
{
    MobStream stream;
    MobFrame frame;
    const uint8_t *body;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    mob_stream_init(&stream, fd);
    stream.frame_max = MOB_FRAME_MAX;
    while (stream.state == MOB_STREAM_OPEN) {
        struct pollfd wait = {.fd = fd,
                              .events = POLLIN | (mob_stream_has_output(&stream) ? POLLOUT : 0)};
        poll(&wait, 1, -1);
        mob_stream_read(&stream, SIZE_MAX);
        while (mob_stream_next(&stream, &frame, &body))
            if (frame.kind == MOB_FRAME_BIRTH)
                serve(&stream, &frame, body, daemon, child);
        mob_stream_flush(&stream);
    }
    _exit(0);
}

int
mob_zygote_start(MobZygoteChild child)
{
    int ends[2];
    pid_t daemon = getpid();

    signal(SIGXFSZ, SIG_IGN); /* a file or memory that may not be so large is an error, no end */
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return -1;
    pid_t pid = fork();
    if (pid < 0)
        return -1;
    if (pid == 0) {
        close(ends[0]);
        live(ends[1], daemon, child);
    }
    close(ends[1]);
    return ends[0];
}
