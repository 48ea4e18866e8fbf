/* spin.h: whether a process looks again for a moment before it goes to sleep.
 *
 * Waking a process on another core takes longer than many an answer, so who
 * has just sent something may wait for it awake. But only while there are cores
 * to spare: spinning on one that somebody else needs delays the very answer.
 * And where looking again did not help it is tried less and less often.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "runtime/ids.h"

#define MOB_SPIN_TIME (20 * MOB_US)

typedef struct {
    int load;        /* /proc/loadavg, or -1 */
    unsigned cores;  /* that we may run on */
    uint64_t looked; /* real time when the load was read last */
    bool crowded;    /* more processes were runnable than there are cores */
    unsigned pause;  /* after the next failure it is not tried so often */
    unsigned left;   /* not tried so often yet */
} MobSpin;

void mob_spin_init(MobSpin *spin);
void mob_spin_clear(MobSpin *spin);
bool mob_spin_may(MobSpin *spin, uint64_t real);
/* Something came meanwhile, or did not. */
void mob_spin_learn(MobSpin *spin, bool came);
