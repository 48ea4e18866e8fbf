/* bench_exchange.c: the bare limit of tasks on real processes: two processes
 * that exchange frames as large as a small task and its reply over a Unix
 * socket, and do nothing else.
 *
 *     bench_exchange one|burst|flood sleep|spin CORES SECONDS
 *
 * one: a request, its reply, and so on. burst: 1,000 requests, 100 to a write,
 * then all their replies, and so on. A frame is filled in by whoever sends it
 * and looked at by whoever gets it, as nobody can exchange frames without: it
 * says how long it is and which request it belongs to. flood: 1,000 requests
 * are under way all the time, and nobody looks at a byte of them, so that is
 * what the socket carries, and no exchange.
 *
 * Whoever waits sleeps at once, or looks again for 20 us before it does. Both
 * are tied to the first CORES cores that this may run on, one to each: left to
 * itself the scheduler has them on one or on two, now so, now so, and that
 * makes up to ten times. Prints a line of JSON.
 */
#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    REQUEST = 261, /* PushTask of an empty task, with its frame */
    REPLY = 130,   /* TaskReply of one, with its frame */
    BURST = 1000,
    BATCH = 100,
    SPIN_TIME = 20000,
    WARM_UP = 50 * 1000 * 1000,
};

typedef struct {
    uint32_t length;
    uint32_t number;
} Head;

typedef struct {
    bool spins;
    bool looks; /* at what comes */
    unsigned window;
    unsigned batch;
    bool drains; /* what is under way, before it sends again */
} Way;

static uint64_t
now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static ssize_t
receive_some(const Way *way, int fd, void *into, size_t size)
{
    uint64_t until = way->spins ? now() + SPIN_TIME : 0;

    for (;;) {
        ssize_t got = recv(fd, into, size, MSG_DONTWAIT);
        if (got >= 0 || errno != EAGAIN)
            return got;
        if (way->spins && now() < until)
            continue;
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        poll(&wait, 1, -1);
        until = way->spins ? now() + SPIN_TIME : 0;
    }
}

static void
send_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
        if (sent <= 0)
            _exit(0);
        data += sent;
        size -= (size_t)sent;
    }
}

static void
fill_in(char *frame, uint32_t length, uint32_t number)
{
    static const char rest[REQUEST];
    Head head = {length, number};

    memcpy(frame, &head, sizeof head);
    memcpy(frame + sizeof head, rest, length - sizeof head);
}

/* Looks at a frame at @at, of which @have bytes are there; false: it is not whole. */
static bool
look(const char *at, size_t have, Head *head)
{
    if (have < sizeof *head)
        return false;
    memcpy(head, at, sizeof *head);
    return have >= head->length;
}

/* Writes the replies to the whole frames in @in; returns how much it has read. */
static size_t
answer(const Way *way, const char *in, size_t have, char *out, size_t *length)
{
    size_t at = 0;
    Head head;

    *length = 0;
    if (!way->looks) {
        *length = have / REQUEST * REPLY;
        return have / REQUEST * REQUEST;
    }
    for (; look(in + at, have - at, &head); at += head.length, *length += REPLY)
        fill_in(out + *length, REPLY, head.number);
    return at;
}

static void
serve(const Way *way, int fd)
{
    static char in[REQUEST * BURST];
    static char out[REPLY * BURST];
    size_t have = 0;

    for (;;) {
        size_t length;
        ssize_t got = receive_some(way, fd, in + have, sizeof in - have);
        if (got <= 0)
            _exit(0);
        have += (size_t)got;
        size_t read = answer(way, in, have, out, &length);
        memmove(in, in + read, have - read);
        have -= read;
        if (length > 0)
            send_all(fd, out, length);
    }
}

/* Takes what has come; returns how many replies those were. */
static size_t
take_replies(const Way *way, int fd, char *in, size_t room, size_t *have, uint32_t *expected)
{
    ssize_t got = receive_some(way, fd, in + *have, room - *have);
    size_t at = 0;
    size_t count = 0;
    Head head;

    if (got <= 0)
        g_error("the other end has gone");
    *have += (size_t)got;
    if (!way->looks) {
        count = *have / REPLY;
        at = count * REPLY;
    }
    for (; way->looks && look(in + at, *have - at, &head); at += head.length, count++)
        if (head.number != (*expected)++)
            g_error("that is no answer");
    memmove(in, in + at, *have - at);
    *have -= at;
    return count;
}

/* Returns how many were answered in a second. The first moments do not count. */
static double
ask(const Way *way, int fd, double seconds)
{
    static char out[REQUEST * BURST];
    static char in[REPLY * BURST];
    uint64_t begun = now() + WARM_UP;
    uint64_t until = begun + (uint64_t)(seconds * 1e9);
    uint64_t sent = 0;
    uint64_t answered = 0;
    uint64_t before = 0;
    uint32_t expected = 0;
    size_t have = 0;
    uint64_t time;

    while ((time = now()) < until) {
        while (sent + way->batch <= answered + way->window &&
               !(way->drains && sent % way->window == 0 && sent > answered)) {
            for (unsigned i = 0; way->looks && i < way->batch; i++)
                fill_in(out + i * REQUEST, REQUEST, (uint32_t)(sent + i));
            send_all(fd, out, (size_t)way->batch * REQUEST);
            sent += way->batch;
        }
        answered += take_replies(way, fd, in, sizeof in, &have, &expected);
        if (time < begun)
            before = answered;
    }
    return (double)(answered - before) * 1e9 / (double)(time - begun);
}

/* Ties us to the @index-th core that we may run on. */
static void
tie(int index)
{
    cpu_set_t may;
    cpu_set_t one;

    CPU_ZERO(&one);
    if (sched_getaffinity(0, sizeof may, &may) != 0)
        return;
    for (int core = 0; core < CPU_SETSIZE; core++)
        if (CPU_ISSET(core, &may) && index-- == 0)
            CPU_SET(core, &one);
    if (CPU_COUNT(&one) == 0 || sched_setaffinity(0, sizeof one, &one) != 0)
        g_error("there are not so many cores");
}

int
main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "one";
    bool one = g_str_equal(what, "one");
    Way way = {.spins = argc > 2 && g_str_equal(argv[2], "spin"),
               .looks = !g_str_equal(what, "flood"),
               .window = one ? 1 : BURST,
               .batch = one ? 1 : BATCH,
               .drains = g_str_equal(what, "burst")};
    int cores = argc > 3 ? atoi(argv[3]) : 1;
    double seconds = argc > 4 ? g_ascii_strtod(argv[4], NULL) : 1;
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        g_error("socketpair: %s", g_strerror(errno));
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        tie(cores > 1);
        serve(&way, ends[1]);
    }
    close(ends[1]);
    tie(0);
    double rate = ask(&way, ends[0], seconds);
    printf("{\"bench\":\"exchange\",\"what\":\"%s\",\"spins\":%s,\"cores\":%d,\"per_s\":%.0f}\n",
           what, way.spins ? "true" : "false", cores, rate);
    close(ends[0]);
    waitpid(child, NULL, 0);
    return 0;
}
