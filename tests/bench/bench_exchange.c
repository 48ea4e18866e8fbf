/* bench_exchange.c: the bare limit of tasks on real processes: two processes
 * that exchange frames as large as a small task and its reply over a Unix
 * socket, and do nothing else.
 *
 *     bench_exchange sleep|spin|batch SECONDS
 *
 * One at a time: whoever waits sleeps at once, or looks again for 20 us before
 * it does. Batched: 1,000 requests are under way, 100 to a write. Prints a
 * line of JSON.
 */
#include <errno.h>
#include <glib.h>
#include <poll.h>
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
    REQUEST = 320, /* PushTask of an empty task, with its frame */
    REPLY = 170,   /* TaskReply of one, with its frame */
    WINDOW = 1000,
    BATCH = 100,
    WARM_UP = 50 * 1000 * 1000,
};

static bool spins;

static uint64_t
now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static ssize_t
receive_some(int fd, void *into, size_t size)
{
    uint64_t until = spins ? now() + 20000 : 0;

    for (;;) {
        ssize_t got = recv(fd, into, size, MSG_DONTWAIT);
        if (got >= 0 || errno != EAGAIN)
            return got;
        if (spins && now() < until)
            continue;
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        poll(&wait, 1, -1);
        until = spins ? now() + 20000 : 0;
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

/* Answers as many requests as have come whole. */
static void
serve(int fd)
{
    static char in[REQUEST * WINDOW];
    static char out[REPLY * WINDOW];
    size_t have = 0;

    for (;;) {
        ssize_t got = receive_some(fd, in + have, sizeof in - have);
        if (got <= 0)
            _exit(0);
        have += (size_t)got;
        size_t whole = have / REQUEST;
        memmove(in, in + whole * REQUEST, have - whole * REQUEST);
        have -= whole * REQUEST;
        if (whole > 0)
            send_all(fd, out, whole * REPLY);
    }
}

/* Keeps @window requests under way, @batch to a write; returns how many were
 * answered in a second. The first moments do not count. */
static double
ask(int fd, unsigned window, unsigned batch, double seconds)
{
    static char out[REQUEST * WINDOW];
    static char in[REPLY * WINDOW];
    uint64_t begun = now() + WARM_UP;
    uint64_t until = begun + (uint64_t)(seconds * 1e9);
    uint64_t time = now();
    uint64_t sent = 0;
    uint64_t bytes = 0;
    uint64_t before = 0;

    for (; time < until; time = now()) {
        for (; sent + batch <= bytes / REPLY + window; sent += batch)
            send_all(fd, out, (size_t)batch * REQUEST);
        ssize_t got = receive_some(fd, in, sizeof in);
        if (got <= 0)
            break;
        bytes += (uint64_t)got;
        if (time < begun)
            before = bytes;
    }
    return (double)((bytes - before) / REPLY) * 1e9 / (double)(time - begun);
}

int
main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "sleep";
    double seconds = argc > 2 ? g_ascii_strtod(argv[2], NULL) : 1;
    bool batched = g_str_equal(mode, "batch");
    int ends[2];

    spins = g_str_equal(mode, "spin");
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        g_error("socketpair: %s", g_strerror(errno));
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        serve(ends[1]);
    }
    close(ends[1]);
    double rate = ask(ends[0], batched ? WINDOW : 1, batched ? BATCH : 1, seconds);
    printf("{\"bench\":\"exchange\",\"mode\":\"%s\",\"per_s\":%.0f}\n", mode, rate);
    close(ends[0]);
    waitpid(child, NULL, 0);
    return 0;
}
