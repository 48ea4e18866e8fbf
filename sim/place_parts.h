/* place_parts.h: what machine.c and place.c share. */
#pragma once

#include "sim/machine.h"

/* A place at @address that nobody has been at before, or only the GCS. */
MobPlace *mob_place_new(MobWorld *world, MobLife *life, MobAddress address, MobRole role,
                        const char *name);
/* Its process will be born at @at. */
void mob_place_start(MobWorld *world, MobPlace *place, MobTime at);
