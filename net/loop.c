/* loop.c: see loop.h. */
#include "net/loop.h"

#include <errno.h>
#include <glib.h>
#include <unistd.h>

#include "net/clock.h"

enum {
    READY_MAX = 64
};

struct MobLoop {
    int epoll;
    struct epoll_event ready[READY_MAX];
    int ready_count; /* of those not told of yet; so that a removed one is not */
};

MobLoop *
mob_loop_new(void)
{
    MobLoop *loop = g_new0(MobLoop, 1);

    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll < 0)
        g_error("epoll_create1: %s", g_strerror(errno));
    return loop;
}

void
mob_loop_free(MobLoop *loop)
{
    if (loop == NULL)
        return;
    close(loop->epoll);
    g_free(loop);
}

static void
control(MobLoop *loop, int what, MobInterest *interest)
{
    struct epoll_event event = {.events = interest->events, .data.ptr = interest};

    if (epoll_ctl(loop->epoll, what, interest->fd, &event) != 0)
        g_error("epoll_ctl(%d, fd %d): %s", what, interest->fd, g_strerror(errno));
}

void
mob_loop_add(MobLoop *loop, MobInterest *interest)
{
    control(loop, EPOLL_CTL_ADD, interest);
}

void
mob_loop_change(MobLoop *loop, MobInterest *interest, uint32_t events)
{
    if (interest->events == events)
        return;
    interest->events = events;
    control(loop, EPOLL_CTL_MOD, interest);
}

void
mob_loop_remove(MobLoop *loop, MobInterest *interest)
{
    control(loop, EPOLL_CTL_DEL, interest);
    for (int i = 0; i < loop->ready_count; i++)
        if (loop->ready[i].data.ptr == interest)
            loop->ready[i].data.ptr = NULL;
}

/* Milliseconds are too coarse for timers of the protocol. */
static int
wait(MobLoop *loop, uint64_t until)
{
    struct timespec time = {0};
    uint64_t now = until == 0 || until == UINT64_MAX ? 0 : mob_clock_real();
    uint64_t left = until > now ? until - now : 0;

    time.tv_sec = (time_t)(left / MOB_SECOND);
    time.tv_nsec = (long)(left % MOB_SECOND);
    return epoll_pwait2(loop->epoll, loop->ready, READY_MAX, until == UINT64_MAX ? NULL : &time,
                        NULL);
}

int
mob_loop_poll(MobLoop *loop, uint64_t until)
{
    loop->ready_count = wait(loop, until);
    if (loop->ready_count < 0 && errno != EINTR)
        g_error("epoll_pwait2: %s", g_strerror(errno));
    loop->ready_count = MAX(loop->ready_count, 0);
    return loop->ready_count;
}

void
mob_loop_act(MobLoop *loop)
{
    for (int i = 0; i < loop->ready_count; i++) {
        MobInterest *interest = loop->ready[i].data.ptr;
        if (interest != NULL)
            interest->ready(interest, loop->ready[i].events);
    }
    loop->ready_count = 0;
}

int
mob_loop_wait(MobLoop *loop, uint64_t until)
{
    int count = mob_loop_poll(loop, until);

    mob_loop_act(loop);
    return count;
}
