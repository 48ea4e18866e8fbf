/* spin.c: see spin.h. */
#include "net/spin.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    PAUSE_MAX = 1023,
};

#define LOOK_TIME (50 * MOB_MS)

void
mob_spin_init(MobSpin *spin)
{
    cpu_set_t cores;

    *spin = (MobSpin){.load = open("/proc/loadavg", O_RDONLY | O_CLOEXEC), .pause = 1};
    if (sched_getaffinity(0, sizeof cores, &cores) == 0)
        spin->cores = (unsigned)CPU_COUNT(&cores);
}

void
mob_spin_clear(MobSpin *spin)
{
    if (spin->load >= 0)
        close(spin->load);
    spin->load = -1;
}

/* "0.20 0.18 0.12 3/80 11206": three are runnable, of which we are one. If it
 * cannot be read we do not know, and sleep. */
static bool
is_crowded(const MobSpin *spin)
{
    char text[128] = {0};

    if (spin->load < 0 || pread(spin->load, text, sizeof text - 1, 0) <= 0)
        return true;
    const char *slash = strchr(text, '/');
    if (slash == NULL)
        return true;
    while (slash > text && slash[-1] != ' ')
        slash--;
    return strtoul(slash, NULL, 10) > spin->cores;
}

bool
mob_spin_may(MobSpin *spin, uint64_t real)
{
    if (spin->cores < 2)
        return false; /* who is to answer, runs when we sleep */
    if (spin->left > 0) {
        spin->left--;
        return false;
    }
    if (real >= spin->looked + LOOK_TIME) {
        spin->looked = real;
        spin->crowded = is_crowded(spin);
    }
    return !spin->crowded;
}

void
mob_spin_learn(MobSpin *spin, bool came)
{
    if (came) {
        spin->pause = 1;
        return;
    }
    spin->left = spin->pause;
    spin->pause = spin->pause * 2 < PAUSE_MAX ? spin->pause * 2 : PAUSE_MAX;
}
