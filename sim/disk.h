/* disk.h: the disk of a simulated machine; see runtime/disk.h for what the
 * node manager sees of it.
 *
 * One order is carried out after the other, in the order in which they were
 * given. Each takes the latency of the disk and the time for its bytes; a file
 * is removed in no time. What does not fit into the room that the disk has is
 * written as far as it goes, and refused then. Values are not copied: a file is
 * the list of what is in it.
 *
 * Faults (MOB_VERB_DISK) hit what is under way too. While the folder is gone
 * nothing can be written, and what was in it does not come back.
 */
#pragma once

#include "sim/inside.h"

MobDisk *mob_disk_new(void);
void mob_disk_free(MobDisk *disk);

/* Takes @order of @manager. */
void mob_disk_give(MobWorld *world, MobPlace *manager, MobDiskOrder *order);
/* MOB_AT_DISK: the first order has come to its end. */
void mob_disk_due(MobWorld *world, MobBox *box, const MobSlot *slot);
/* The node manager has ended: nothing is left of its files and orders. */
void mob_disk_reset(MobWorld *world, MobBox *box);
/* A fault began or ended; @gone: the folder has just disappeared. Returns how
 * many files and orders that has touched. */
uint64_t mob_disk_trouble(MobWorld *world, MobBox *box, MobTrouble trouble, bool begins);
/* Frees what MOB_AT_ANSWER carries. */
void mob_disk_answer_free(MobDiskAnswer *answer);

/* --- for checks --- */

/* How many files there are, and their bytes. */
uint32_t mob_disk_files(const MobBox *box, uint64_t *bytes);
bool mob_disk_has(const MobBox *box, uint64_t file);
