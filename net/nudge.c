/* nudge.c: what must not wait until a body makes its next call.
 *
 * A body runs on the thread of its process, so nothing else happens before it
 * calls; but tasks that were sent ahead are to be handed back if it runs for
 * long, and those that come meanwhile, too. So while bodies run a signal comes
 * again and again, and if it finds the same stretch of a body twice, then in
 * the middle of that, at its next instruction, the process has a round of its
 * own: it takes what has come, steps, and sends what comes of it. It can do no
 * harm there: the process steps between two inputs as ever, it starts no other
 * body while one runs, and the body knows nothing of it.
 *
 * What is written in C cannot be stopped between two instructions, so no signal
 * comes while it runs: it would only cut short its sleep.
 *
 * A signal handler can be told of nothing but through globals: this process.
 */
#include "net/inside.h"

#include <signal.h>
#include <sys/time.h>

enum {
    QUIET_TICKS = 8, /* without a body: then there are no more */
};

static struct {
    MobNetHost *volatile host;
    volatile uint64_t bodies; /* stretches of bodies that were begun */
    uint64_t seen;
    int quiet;
    volatile sig_atomic_t ticking;
    volatile sig_atomic_t inside; /* a body runs */
} nudge;

static void
go_on(void *data)
{
    MobNetHost *host = data;

    mob_clock_tick(&host->clock);
    mob_nethost_fire(host, MOB_TIMER_AHEAD);
    mob_loop_wait(host->loop, 0);
    mob_nethost_finish_round(host);
}

static void
tick_every(uint64_t microseconds)
{
    struct timeval time = {(time_t)(microseconds / 1000000), (suseconds_t)(microseconds % 1000000)};
    struct itimerval timer = {time, time};

    setitimer(ITIMER_REAL, &timer, NULL);
}

static void
on_signal(int signal)
{
    MobNetHost *host = nudge.host;

    (void)signal;
    if (nudge.seen != nudge.bodies) {
        nudge.seen = nudge.bodies;
        nudge.quiet = 0;
    } else if (nudge.inside && host != NULL) {
        host->loader->poke(host->loader, go_on, host);
    } else if (++nudge.quiet >= QUIET_TICKS) {
        nudge.ticking = 0;
        tick_every(0);
    }
}

void
mob_nudge_begin(MobNetHost *host)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

    if (host->role != MOB_ROLE_WORKER || host->config.tasks_in_flight <= 1 ||
        host->loader->poke == NULL)
        return;
    nudge.bodies++;
    nudge.inside = 1;
    if (nudge.ticking)
        return;
    if (nudge.host == NULL)
        sigaction(SIGALRM, &action, NULL);
    nudge.host = host;
    nudge.quiet = 0;
    nudge.ticking = 1;
    tick_every(MAX(host->config.ahead_time * host->clock.pace / MOB_US, 1));
}

void
mob_nudge_rest(void)
{
    if (!nudge.ticking)
        return;
    tick_every(0);
    nudge.ticking = 0;
}

void
mob_nudge_end(void)
{
    nudge.inside = 0;
}

void
mob_nudge_clear(MobNetHost *host)
{
    if (nudge.host != host)
        return;
    tick_every(0);
    nudge.ticking = 0;
    nudge.host = NULL;
}
