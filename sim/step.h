/* step.h: an input reaches a process: the one place where steps are taken. */
#pragma once

#include "sim/inside.h"

/* Carries out what was taken from the queue. */
void mob_world_dispatch(MobWorld *world, const MobEntry *entry, MobSlot *slot);
