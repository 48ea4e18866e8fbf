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

#include "net/log.h"
#include "net/stream.h"
#include "runtime/watch.h"

/* A child of our parent, which is told of its end. */
static pid_t
fork_sibling(void)
{
    return (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL);
}

/* What the process writes by itself (printf in C, a crash) goes where @out leads; its errors
 * too if @errors. */
static void
redirect(int out, bool errors)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    if (null >= 0)
        dup2(null, STDIN_FILENO);
    if (out >= 0) {
        dup2(out, STDOUT_FILENO);
        if (errors)
            dup2(out, STDERR_FILENO);
        setvbuf(stdout, NULL, _IOLBF, 0); /* it may be killed at any time */
    }
    if (null >= 0)
        close(null);
}

static void
be_born(MobStream *stream, const MobBirth *birth, int out, pid_t daemon, MobZygoteChild child)
{
    MobLog log = {.fd = -1};

    mob_stream_clear(stream);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != daemon)
        _exit(1); /* it has died meanwhile */
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (out < 0)
        log = mob_log_open(mob_str(birth->folder), mob_str(birth->name));
    /* The GCS runs no program; what it has to say is for whoever looks after the machine, and
     * its disk may be what is full: it says it where the daemon does. */
    redirect(out >= 0 ? out : log.fd, birth->role != MOB_ROLE_GCS);
    mob_log_close(&log);
    if (out >= 0)
        close(out);
    int code = child(birth);
    fflush(NULL);
    _exit(code);
}

/* What user code writes is read by the daemon, which gets the other end of a
 * pipe (see tap.h); what the rest write goes to their logs. */
static void
serve(MobStream *stream, const MobFrame *frame, const uint8_t *body, pid_t daemon,
      MobZygoteChild child)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(MobBirth) birth = mob_record_decode(MOB_RECORD_birth, body, frame->length, &error);
    int ends[2] = {-1, -1};

    if (birth == NULL)
        g_error("the zygote cannot read what its daemon wrote: %s", error->message);
    bool piped = mob_birth_runs_programs(birth->role) && pipe2(ends, O_CLOEXEC) == 0;
    pid_t pid = fork_sibling();
    if (pid == 0) {
        if (piped)
            close(ends[0]);
        be_born(stream, birth, ends[1], daemon, child);
    }
    MobFrame answer = {.kind = MOB_FRAME_CHILD,
                       .from = birth->address,
                       .event = pid < 0 ? 0 : (uint64_t)pid,
                       .clock = pid < 0 ? (uint64_t)errno : piped};
    if (pid > 0 && piped)
        mob_stream_put_fd(stream, ends[0]);
    mob_stream_put(stream, &answer, NULL, 0);
    for (int i = 0; piped && i < 2; i++)
        close(ends[i]);
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
