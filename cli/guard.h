/* guard.h: a control that stands before another one.
 *
 * It lets everything through, except that nothing runs past a limit, and it
 * tells whoever made it of every job and of the end of every run. So --limit and the oracle need
 * nothing of scenarios or worlds.
 */
#pragma once

#include "runtime/control.h"

typedef struct {
    MobControl base;   /* what the scenario is given */
    MobControl *inner; /* borrowed */
    MobTime limit;     /* MOB_TIME_NEVER: none */
    void (*submitted)(void *data, const MobJob *job, uint32_t number);
    void (*running)(void *data); /* a run begins; all of these may be NULL */
    void (*rested)(void *data);  /* and has ended */
    void *data;
} MobGuard;

/* Fills in guard->base; the rest is the caller's. */
void mob_guard_init(MobGuard *guard, MobControl *inner);
