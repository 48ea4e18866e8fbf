/* control.h: the simulated cluster as runtime/control.h wants it. */
#pragma once

#include "sim/inside.h"

void mob_world_init_control(MobWorld *world);
/* MOB_AT_ALARM. */
void mob_world_alarm(MobWorld *world, MobSlot *slot);
/* The driver of @place has taken a step: its job may be over. */
void mob_world_look_at_job(MobWorld *world, const MobPlace *place);
/* run() of world.c. */
MobRunEnd mob_world_run(MobWorld *world, const MobUntil *until);
