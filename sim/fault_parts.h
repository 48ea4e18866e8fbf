/* fault_parts.h: what faults.c, orders.c and targets.c share. */
#pragma once

#include "sim/faults.h"

/* What an order names: a machine, a process, or anything. */
typedef struct {
    MobBox *box;     /* a machine, all of it */
    MobPlace *place; /* one process, whoever it is at present */
    bool any;
} MobTarget;

struct MobFaultRun {
    uint32_t number; /* from 1 */
    MobVerb verb;
    bool healed;
    uint64_t bites;
    MobTarget target;
    MobTarget from;
    MobTarget to;
    bool oneway;
    const char *text; /* "cut n1 n2 oneway" */
    uint32_t line;
    MobLink link;       /* LINK: what is set, the rest is the usual */
    MobTable *links;    /* LINK: pair of machines -> MobLink, owned; each has its own queue */
    MobMsgType message; /* RPC */
    MobLose lose;
    uint32_t times;
    uint32_t chance_ppm;
    uint32_t struck;
    uint32_t speed_ppm;  /* SLOW, DISK */
    MobTrouble trouble;  /* DISK */
    GPtrArray *paused;   /* PAUSE: of MobPlace, borrowed */
    const MobLife *life; /* PAUSE: of the machine; a restart ends it */
};

/* Finds what @name means; an error says what there is. NULL is anything. */
bool mob_target_find(MobWorld *world, const char *name, MobTarget *target, GError **error);
/* Whether @end of a connection is meant. */
bool mob_target_covers(const MobTarget *target, const MobEnd *end);
/* The machine that @target is or is on. */
MobBox *mob_target_box(const MobTarget *target);
