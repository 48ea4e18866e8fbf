/* machine.h: machines and the processes on them: how they start and end.
 *
 * The head runs the GCS, its node manager and the drivers; the others run a
 * node manager each; workers are spawned by their node managers. A machine
 * that is started again is a new node with a new number; only its disk, which
 * holds the journals of its processes by name, may be the old one. The GCS is
 * always at the same address.
 */
#pragma once

#include "sim/inside.h"

/* Adds a machine and starts it; the first one has the GCS too. */
MobBox *mob_box_new(MobWorld *world, const MobMachine *machine);
void mob_box_free(MobBox *box);
/* Starts a machine that is not running, with its GCS if it had one. */
void mob_box_restart(MobWorld *world, MobBox *box, bool wipe);
/* Every process of it stops; nobody is told. */
void mob_box_kill(MobWorld *world, MobBox *box, const char *why);
MobBox *mob_box_named(const MobWorld *world, const char *name);
/* The machine that @address is or was on; NULL if there was none. */
MobBox *mob_box_of(const MobWorld *world, MobAddress address);

void mob_gcs_start(MobWorld *world);
/* The driver of job @number, on the head, which runs. */
MobPlace *mob_driver_start(MobWorld *world, const MobJob *job, uint32_t number);

/* The live process at @address, or NULL. */
MobPlace *mob_place_at(const MobWorld *world, MobAddress address);
/* The newest process of that name, dead or alive, or NULL. */
MobPlace *mob_place_named(const MobWorld *world, const char *name);
MobPlace *mob_gcs_place(const MobWorld *world);
void mob_place_info(const MobPlace *place, MobProcInfo *info);
/* Its journal; made now if there is none. */
MobJournal *mob_place_journal(MobPlace *place);

void mob_place_spawn(MobWorld *world, MobPlace *manager, MobAddress address);
/* MOB_AT_START: it lives now. */
void mob_place_begin(MobWorld *world, MobPlace *place);
/* The process ends. @silent: its machine does too, and nobody is told. */
void mob_place_end(MobWorld *world, MobPlace *place, const char *why, bool silent);
/* Empties the places of those that have died in the present event. */
void mob_place_bury(MobWorld *world);
void mob_place_free(MobPlace *place);
/* MOB_AT_ORPHANS: the rest of a machine whose node manager is gone. */
void mob_life_end(MobWorld *world, MobLife *life);
void mob_life_free(MobLife *life);
