/* spin.h: whether a process looks again for a moment before it goes to sleep.
 *
 * Waking a process on another core takes longer than many an answer, so who
 * has just sent something may wait for it awake. But only while there are cores
 * to spare: spinning on one that somebody else needs delays the very answer.
 * That shows in how long we have to wait for a core ourselves. How many others
 * are runnable would say less: those of idle priority give way to us, and of
 * the rest most are no business of the two that talk.
 *
 * And where looking again did not help it is tried less and less often, but in
 * the end for longer than it takes to wake who is to answer: else two that once
 * went to sleep would each find the other asleep for ever.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "runtime/ids.h"

#define MOB_SPIN_TIME (20 * MOB_US)
#define MOB_SPIN_TRY  (100 * MOB_US)

enum {
    MOB_SPIN_STUCK = 64, /* pauses of so many rounds */
};

typedef struct {
    int waits;       /* /proc/self/schedstat, or -1 */
    unsigned cores;  /* that we may run on */
    uint64_t looked; /* real time when it was read last */
    uint64_t waited; /* for a core, by then, in nanoseconds */
    bool crowded;    /* we waited for too large a share of the time before */
    unsigned pause;  /* after the next failure it is not tried so often */
    unsigned left;   /* not tried so often yet */
} MobSpin;

void mob_spin_init(MobSpin *spin);
void mob_spin_clear(MobSpin *spin);
bool mob_spin_may(MobSpin *spin, uint64_t real);
/* For how long. */
static inline uint64_t
mob_spin_time(const MobSpin *spin)
{
    return spin->pause >= MOB_SPIN_STUCK ? MOB_SPIN_TRY : MOB_SPIN_TIME;
}
/* Something came meanwhile, or did not. */
void mob_spin_learn(MobSpin *spin, bool came);
