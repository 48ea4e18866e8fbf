/* lost.h: why an object cannot be had, in a word for programs and a sentence for
 * people.
 *
 * Each reason for giving up an object is told apart: a program reads it in
 * err.reason, a person in the sentence. Ray has an error type for each
 * (OBJECT_UNRECONSTRUCTABLE_PUT and so on).
 */
#pragma once

#include "runtime/fault.h"

typedef enum {
    MOB_LOST_PUT,             /* nothing makes it again */
    MOB_LOST_RETRIES_OFF,     /* its task has max_retries = 0 */
    MOB_LOST_RETRIES_USED_UP, /* crashes and losses draw from one budget */
    MOB_LOST_LINEAGE_EVICTED, /* how it was made was given up: lineage_max */
    MOB_LOST_OWNER_DEAD,      /* its owner died, and it with its owner */
    MOB_LOST_FREED,           /* by hand: m.free */
    MOB_LOST_OUT_OF_SCOPE,    /* nobody held a reference that its owner knew of */
    MOB_LOST_COUNT,
} MobLost;

/* "put", "retries_off", … */
const char *mob_lost_reason(MobLost lost);
/* Which error says so. */
MobFaultKind mob_lost_kind(MobLost lost);
/* Appends the sentence about the object of @ref, without a period; not for
 * MOB_LOST_OWNER_DEAD. */
void mob_lost_say(MobLost lost, const MobRef *ref, GString *into);
/* Appends that the owner of @ref has died: who that is, on which @machine
 * (NULL: nobody knows) and @why (NULL: nobody knows). */
void mob_lost_say_owner(const MobRef *ref, const char *machine, const char *why, GString *into);
/* "driver J1 on head", "n1/w0". */
void mob_lost_say_process(MobAddress process, const MobStr *path, const char *machine,
                          GString *into);
