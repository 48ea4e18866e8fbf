/* watchdog.c: see watchdog.h. A signal handler can be told of nothing but
 * through globals; these are the only ones of the command.
 */
#include "cli/watchdog.h"

#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "lua/body.h"

enum {
    PATIENCE = 5, /* seconds without progress */
    HANG = 3,     /* the exit code of a hang */
};

static MobLoader *volatile watched;
static volatile sig_atomic_t progress;
static volatile sig_atomic_t seen;
static volatile sig_atomic_t idle;

static void
on_alarm(int signal)
{
    static const char last_words[] =
        "a body in C runs and runs without a call; the run is given up\n";
    if (progress != seen) {
        seen = progress;
        idle = 0;
        return;
    }
    idle++;
    if (idle == PATIENCE && watched != NULL)
        mob_lua_loader_interrupt(watched);
    if (idle < 2 * PATIENCE)
        return;
    if (write(STDERR_FILENO, last_words, strlen(last_words)) < 0)
        idle = 0;
    _exit(HANG);
}

void
mob_watchdog_begin(MobLoader *lua)
{
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    struct itimerval second = {{1, 0}, {1, 0}};
    watched = lua;
    idle = 0;
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &second, NULL);
}

void
mob_watchdog_end(void)
{
    struct itimerval never = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &never, NULL);
    watched = NULL;
}

void
mob_watchdog_progress(void)
{
    progress = progress == 1000 * 1000 * 1000 ? 0 : progress + 1;
}
