/* spin.c: see spin.h. */
#include "net/spin.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    PAUSE_MAX = 255,
    CROWDED_SHARE = 8, /* crowded: we waited for more than one in so many nanoseconds */
};

#define LOOK_TIME (50 * MOB_MS)

/* "5061 1204 17": nanoseconds on a core, nanoseconds of waiting for one, turns. */
static bool
read_waited(const MobSpin *spin, uint64_t *waited)
{
    char text[128] = {0};
    char *end;

    if (spin->waits < 0 || pread(spin->waits, text, sizeof text - 1, 0) <= 0)
        return false;
    const char *second = strchr(text, ' ');
    if (second == NULL)
        return false;
    *waited = strtoull(second, &end, 10);
    return end > second + 1;
}

/* What cannot be read is not known, and then we sleep. */
static void
look(MobSpin *spin, uint64_t real)
{
    uint64_t waited = 0;
    bool known = read_waited(spin, &waited);

    spin->crowded = !known || (waited - spin->waited) * CROWDED_SHARE > real - spin->looked;
    spin->looked = real;
    spin->waited = waited;
}

void
mob_spin_init(MobSpin *spin)
{
    cpu_set_t cores;

    *spin = (MobSpin){.waits = open("/proc/self/schedstat", O_RDONLY | O_CLOEXEC), .pause = 1};
    if (sched_getaffinity(0, sizeof cores, &cores) == 0)
        spin->cores = (unsigned)CPU_COUNT(&cores);
}

void
mob_spin_clear(MobSpin *spin)
{
    if (spin->waits >= 0)
        close(spin->waits);
    spin->waits = -1;
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
    if (real >= spin->looked + LOOK_TIME)
        look(spin, real);
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
