/* cores.h: who computes on the cores of a machine.
 *
 * Processor sharing: as long as there are no more bodies than cores, each has
 * a core to itself; beyond that all have equal shares. In integers: what a
 * body still wants is counted in millionths of a nanosecond at nominal speed,
 * so that no share and no speed loses time that could be seen.
 */
#pragma once

#include "sim/inside.h"

/* @hosted computes for @duration at nominal speed, and is resumed then. */
void mob_cores_add(MobWorld *world, MobHosted *hosted, MobTime duration);
/* It stops, for good. */
void mob_cores_drop(MobWorld *world, MobHosted *hosted);
/* The bodies of @place stop for a while, and go on. */
void mob_cores_park(MobWorld *world, MobPlace *place);
void mob_cores_unpark(MobWorld *world, MobPlace *place);
void mob_cores_set_speed(MobWorld *world, MobBox *box, uint32_t speed_ppm);
/* MOB_AT_CORES: resumes those that are through. */
void mob_cores_due(MobWorld *world, MobBox *box);
