/* clock.h: time in the real world, as the protocol sees it.
 *
 * A cluster's time begins at its epoch, a moment of the machine's monotonic
 * clock, and may go by slower than the wall's: at pace 10 a millisecond of the
 * cluster takes ten. So the round numbers of the textbook profile, made for
 * lectures, leave room for what real processes need.
 *
 * The hybrid clock orders events across processes: it follows real time, and
 * whatever a message has caused is later than its sending.
 */
#pragma once

#include <time.h>

#include "runtime/ids.h"

#define MOB_CLOCK_AHEAD_MAX (UINT64_C(3600) * MOB_SECOND)

typedef struct {
    uint64_t epoch;  /* CLOCK_MONOTONIC, in nanoseconds; modulo 2^64 */
    uint32_t pace;   /* real nanoseconds to one of the cluster's; at least 1 */
    uint64_t hybrid; /* the newest stamp given or seen */
    uint64_t round;  /* real time when it was read last; 0: it is read whenever it is asked for */
} MobClock;

static inline uint64_t
mob_clock_real(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * MOB_SECOND + (uint64_t)now.tv_nsec;
}

/* Reads the clock, once for all that is asked until it is read again. */
static inline void
mob_clock_tick(MobClock *clock)
{
    clock->round = mob_clock_real();
}

static inline uint64_t
mob_clock_read(const MobClock *clock)
{
    return clock->round != 0 ? clock->round : mob_clock_real();
}

/* Real nanoseconds since the epoch; the same on all machines, whenever each of
 * them was switched on: a machine that is younger than the cluster has an
 * epoch before its own beginning. */
static inline uint64_t
mob_clock_elapsed(const MobClock *clock)
{
    uint64_t elapsed = mob_clock_read(clock) - clock->epoch;

    return elapsed > INT64_MAX ? 0 : elapsed;
}

/* The cluster's time; never 0, which stands for "not yet". */
static inline MobTime
mob_clock_now(const MobClock *clock)
{
    return mob_clock_elapsed(clock) / clock->pace + 1;
}

/* When the cluster's time is @at, in real time; 0: before this machine began. */
static inline uint64_t
mob_clock_when(const MobClock *clock, MobTime at)
{
    uint64_t when = clock->epoch + at * clock->pace;

    return at == MOB_TIME_NEVER ? MOB_TIME_NEVER : when > INT64_MAX ? 0 : when;
}

/* A stamp for something that happens now: later than all before it. */
static inline uint64_t
mob_clock_stamp(MobClock *clock)
{
    uint64_t elapsed = mob_clock_elapsed(clock);

    clock->hybrid = elapsed > clock->hybrid ? elapsed : clock->hybrid + 1;
    return clock->hybrid;
}

/* Something that was stamped @seen elsewhere has come. A clock that is far ahead
 * is not followed: one that is wrong must not make all others so. */
static inline void
mob_clock_see(MobClock *clock, uint64_t seen)
{
    if (seen > clock->hybrid && seen <= mob_clock_elapsed(clock) + MOB_CLOCK_AHEAD_MAX)
        clock->hybrid = seen;
}
