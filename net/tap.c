/* tap.c: see tap.h. */
#include "net/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "net/log.h"

enum {
    PIECE = 8 << 10,   /* told at once */
    TURN = 64 << 10,   /* others have their turn after so much */
    MOST = 512 << 10,  /* in a moment */
    REST = 1024 << 10, /* of a process that has died */
};

struct MobTap {
    MobInterest interest; /* must be first */
    MobNetHost *host;
    MobAddress address;
    MobLog log;
    size_t left; /* bytes of this moment */
    bool waits;
    size_t length; /* of a line whose end has not come */
    char line[PIECE + 1];
};

/* --- telling --- */

/* At once: when nothing is left in the pipe, the process goes on and may say that
 * the task that wrote it is over (bodies.c). */
static void
tell(MobTap *tap, const char *text, size_t length)
{
    g_autofree char *valid = g_utf8_make_valid(text, (gssize)length);
    MobInput input = {.kind = MOB_INPUT_PRINTED, .from = tap->address, .reason = valid};

    mob_nethost_step(tap->host, &input, tap->host->address, tap->host->events);
    mob_look_flush(tap->host);
    mob_log_write(&tap->log, text, length);
}

/* Whole lines, as long as there is one; and what stands behind them if nothing more comes now. */
static void
tell_lines(MobTap *tap, bool more)
{
    const char *end = more ? memrchr(tap->line, '\n', tap->length) : NULL;
    size_t whole = end != NULL ? (size_t)(end - tap->line) + 1 : tap->length;

    if (more && end == NULL && tap->length < PIECE)
        return;
    if (whole > 0)
        tell(tap, tap->line, whole);
    tap->length -= whole;
    memmove(tap->line, tap->line + whole, tap->length);
}

/* --- reading --- */

static void
stop(MobTap *tap)
{
    if (tap->interest.fd < 0)
        return;
    mob_loop_remove(tap->host->loop, &tap->interest);
    close(tap->interest.fd);
    tap->interest.fd = -1;
}

/* Reads up to @most bytes; false if there was nothing more. */
static bool
take(MobTap *tap, size_t most)
{
    ssize_t count = 1;

    while (most > 0 && count > 0) {
        /* Before the pipe is empty: what the process says then is later. */
        mob_clock_tick(&tap->host->clock);
        count = read(tap->interest.fd, tap->line + tap->length, MIN(PIECE - tap->length, most));
        if (count < 0 && errno == EINTR) {
            count = 1;
            continue;
        }
        tap->length += (size_t)MAX(count, 0);
        most -= (size_t)MAX(count, 0);
        tap->left -= MIN(tap->left, (size_t)MAX(count, 0));
        tell_lines(tap, count > 0);
    }
    if (count == 0)
        stop(tap); /* nobody can write to it any more */
    return count > 0;
}

static void
on_pipe(MobInterest *interest, uint32_t events)
{
    MobTap *tap = (MobTap *)interest;

    if (tap->left == 0 && (events & EPOLLHUP) == 0)
        return;
    bool more = take(tap, events & EPOLLHUP ? REST : MIN(tap->left, TURN));
    if (!more || tap->left > 0)
        return;
    tap->waits = true;
    mob_daemon_hurry(tap->host);
    mob_loop_change(tap->host->loop, &tap->interest, 0);
}

void
mob_tap_say(MobTap *tap, const char *text)
{
    mob_clock_tick(&tap->host->clock);
    tell(tap, text, strlen(text));
}

void
mob_tap_refill(MobTap *tap)
{
    tap->left = MOST;
    if (tap->waits && tap->interest.fd >= 0)
        mob_loop_change(tap->host->loop, &tap->interest, EPOLLIN);
    tap->waits = false;
}

MobTap *
mob_tap_new(MobNetHost *host, MobAddress address, const char *process, int pipe)
{
    MobTap *tap = g_new0(MobTap, 1);

    fcntl(pipe, F_SETFL, fcntl(pipe, F_GETFL) | O_NONBLOCK);
    tap->host = host;
    tap->address = address;
    tap->log = mob_log_open(mob_str(host->birth->folder), process);
    tap->left = MOST;
    tap->interest = (MobInterest){.fd = pipe, .events = EPOLLIN, .ready = on_pipe};
    mob_loop_add(host->loop, &tap->interest);
    return tap;
}

void
mob_tap_free(MobTap *tap)
{
    if (tap == NULL)
        return;
    if (tap->interest.fd >= 0)
        take(tap, REST);
    tell_lines(tap, false);
    stop(tap);
    mob_log_close(&tap->log);
    g_free(tap);
}
