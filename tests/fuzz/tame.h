/* tame.h: messages of whoever knows the cluster and means it no good: generated
 * ones, in which nodes, processes, tasks, objects and leases are mostly those
 * that there are, so that what one says is about what another has said.
 */
#pragma once

#include "runtime/notes.h"
#include "tests/generate.h"

#define TAME_GCS    ((MobAddress){1, MOB_LOCAL_GCS})
#define TAME_NODE   ((MobAddress){1, MOB_LOCAL_NODE})
#define TAME_DRIVER ((MobAddress){1, MOB_LOCAL_WORKER})
#define TAME_WORKER ((MobAddress){1, MOB_LOCAL_POOL})
#define TAME_ROOT   ((MobTaskId){1, 1}) /* of the driver */
#define TAME_BUNDLE "b"                 /* the program of most tasks */

enum {
    TAME_ADDRESSES = 12,
};

MobAddress tame_address(uint64_t index);
/* With references inside now and then, and large ones. */
MobValue *tame_value(uint64_t *state);
MobRef tame_ref(uint64_t *state);
MobMsg *tame_msg(uint64_t *state, MobMsgType type);
/* The same for a note that was generated. */
void tame_note(uint64_t *state, MobNote *note);
