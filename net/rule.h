/* rule.h: a fault as hosts are told of it: a Rule record (runtime/records.def). */
#pragma once

#include "runtime/msg.h"

/* Whom one end of a rule is about. */
typedef enum {
    MOB_SIDE_ANY,
    MOB_SIDE_MACHINE, /* all processes of the node */
    MOB_SIDE_PROCESS,
} MobSide;

/* (transfer full) */
static inline MobRule *
mob_rule_copy(const MobRule *rule)
{
    return g_memdup2(rule, sizeof *rule); /* it owns nothing */
}
