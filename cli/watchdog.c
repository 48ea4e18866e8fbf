/* watchdog.c: see watchdog.h. A signal handler can be told of nothing but
 * through globals; these are the only ones of the command.
 *
 * Patience is counted in processor time, so that a machine that is busy with
 * other things does not make a body look as if it looped. What uses none, a
 * body in C that sleeps, is given ten times as long.
 */
#include "cli/watchdog.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "lua/body.h"

enum {
    TICK_MS = 100,
    IDLE_FACTOR = 10,
};

static struct {
    MobLoader *volatile lua; /* NULL: nobody is watched */
    const volatile uint64_t *progress;
    uint64_t seen;
    MobTime patience; /* until it strikes */
    MobTime since;    /* processor time then */
    uint64_t ticks;
    volatile sig_atomic_t struck;
} watch;

static MobTime patience = 2 * MOB_SECOND;
static char how_long[32] = "2 s";

void
mob_watchdog_set_patience(MobTime time)
{
    patience = time;
    snprintf(how_long, sizeof how_long, "%.3g s", (double)time / (double)MOB_SECOND);
}

static MobTime
used(void)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (MobTime)now.tv_sec * MOB_SECOND + (MobTime)now.tv_nsec;
}

/* The process ends with this; what runs cannot be asked to stop. */
static void
give_up(void)
{
    char place[256];
    char text[512];
    bool lua = mob_lua_loader_where(watch.lua, place, sizeof place);
    int length = snprintf(text, sizeof text,
                          "the body loops: %s%s has run for more than %s without a call, and the "
                          "run is given up\n  a computation that needs longer: --body-limit 1min\n",
                          lua ? "a function of a library that is called in " : "a function in C",
                          lua ? place : "", how_long);
    if (write(STDERR_FILENO, text, MIN((size_t)length, sizeof text - 1)) >= 0)
        _exit(MOB_EXIT_HANG);
    _exit(MOB_EXIT_HANG);
}

static void
on_alarm(int signal)
{
    if (watch.lua == NULL)
        return;
    if (*watch.progress != watch.seen) {
        watch.seen = *watch.progress;
        watch.since = used();
        watch.ticks = 0;
        return;
    }
    MobTime spent = used() - watch.since;
    watch.ticks++;
    if (spent >= 2 * patience || watch.ticks * TICK_MS * MOB_MS >= IDLE_FACTOR * patience)
        give_up();
    if (spent < watch.patience || watch.struck)
        return;
    watch.struck = true;
    mob_lua_loader_interrupt(watch.lua, how_long);
}

void
mob_watchdog_begin(MobLoader *lua, const uint64_t *progress, bool rehearsal)
{
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    struct itimerval tick = {{0, TICK_MS * 1000}, {0, TICK_MS * 1000}};
    watch.patience = rehearsal ? patience / 4 : patience;
    watch.progress = progress;
    watch.seen = *progress;
    watch.since = used();
    watch.ticks = 0;
    watch.struck = false;
    watch.lua = lua;
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &tick, NULL);
}

bool
mob_watchdog_end(void)
{
    struct itimerval never = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &never, NULL);
    watch.lua = NULL;
    return watch.struck;
}
