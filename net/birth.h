/* birth.h: what a process of the operating system is told when it is born.
 *
 * A daemon is started by somebody who knows the machine; everything else is
 * forked by the daemon's zygote. All are told the same kind of thing: a Birth
 * record (runtime/records.def). This file fills in and reads its odder fields.
 */
#pragma once

#include "runtime/config.h"
#include "runtime/msg.h"

/* The knobs as a text, and back; false if it is no such text. */
MobStr *mob_birth_config(const MobConfig *config);
bool mob_birth_read_config(const MobStr *text, MobConfig *config);

/* Where the process at @address of this host listens: (transfer full). The
 * GCS keeps its place when it is started again, also on another machine. */
char *mob_birth_socket(const MobBirth *birth, MobAddress address);

/* The node number of the machine it is on: another than its own for a GCS whose
 * machine was started again. */
uint32_t mob_birth_home(const MobBirth *birth);

/* Whether a process of @role (MobRole) runs what users wrote. */
bool mob_birth_runs_programs(uint32_t role);

/* Whether @address is on the same machine as the process of @birth. */
bool mob_birth_is_near(const MobBirth *birth, MobAddress address);

/* A copy (transfer full) of what all processes of one machine have in common,
 * for a child; the rest is empty. */
MobBirth *mob_birth_child(const MobBirth *parent);
void mob_birth_free(MobBirth *birth);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MobBirth, mob_birth_free)
