/* cast.h: who plays the parts in a simulated cluster. Tests and benchmarks put
 * in processes of their own.
 */
#pragma once

#include "runtime/node.h"
#include "runtime/worker.h"
#include "sim/world.h"

typedef struct {
    MobProcess *(*gcs)(MobAddress address, const MobConfig *config);
    MobProcess *(*node)(MobAddress address, const MobConfig *config, const MobNodeOptions *options,
                        uint32_t first_worker);
    MobProcess *(*worker)(MobAddress address, const MobConfig *config,
                          const MobWorkerOptions *options);
    /* What the driver's main has returned, once the driver is finished; else NULL. */
    const MobValue *(*result)(const MobProcess *driver);
    void (*explain)(const MobProcess *worker, GString *into);
} MobCast;

/* Like mob_world_new(), with other actors; @cast is borrowed. */
MobWorld *mob_world_new_with(const MobWorldOptions *options, const MobCast *cast);
