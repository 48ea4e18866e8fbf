/* reasons.h: which events made something so.
 *
 * The event that put another one on the queue is its cause; but a decision
 * has reasons that lie elsewhere: the death that took the last copy, the task
 * that needs it. Who decides knows only what it was told, and when; so these
 * are read from what was true, by whoever looks on.
 */
#pragma once

#include "runtime/state.h"

typedef struct {
    uint64_t event;
    const char *role; /* a static text: "the last copy is gone" */
} MobBecause;

enum {
    MOB_BECAUSE_MAX = 8
};

/* The reasons of a note of @event, all of them earlier; @state has seen the
 * event. Returns how many there are; most notes need none. */
uint32_t mob_reasons(const MobState *state, const MobEvent *event, const MobNote *note,
                     MobBecause into[MOB_BECAUSE_MAX]);
