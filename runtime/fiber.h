/* fiber.h: functions that can stop in the middle.
 *
 * A fiber has a stack of its own; to stop is to switch to the stack of whoever
 * entered it. Stacks are 64 KiB and pooled, with a page below that nobody may
 * touch, so that a stack that runs over ends the process and not the truth.
 * A pool belongs to one thread.
 */
#pragma once

#include <glib.h>

typedef struct MobFiberPool MobFiberPool;
typedef struct MobFiber MobFiber;

MobFiberPool *mob_fiber_pool_new(void);
/* Every fiber must have been given back. */
void mob_fiber_pool_free(MobFiberPool *pool);

/* Returns a fiber that will run @function(@data), which must never return: its
 * last act is to leave. */
MobFiber *mob_fiber_take(MobFiberPool *pool, void (*function)(void *data), void *data);

/* Gives @fiber back, wherever it stopped. */
void mob_fiber_give(MobFiberPool *pool, MobFiber *fiber);

/* Runs @fiber until it leaves. */
void mob_fiber_enter(MobFiber *fiber);

/* To be called on @fiber: goes on where it was entered. */
void mob_fiber_leave(MobFiber *fiber);
