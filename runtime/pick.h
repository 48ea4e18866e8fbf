/* pick.h: chance, by name.
 *
 * A pick is a function of (seed, kind, key, how often this was asked before),
 * never the next number of a stream: asking for one more thing leaves every
 * other choice as it was. The key is meaning (a path, a process, a link).
 * Every pick has a boring value, which a run without a seed takes, and a list
 * of decisions may force any single one.
 *
 * A table belongs to one process or one part of a world and is handed in.
 */
#pragma once

#include "runtime/table.h"

typedef enum {
    MOB_PICK_NODE,    /* which of equally good nodes gets the lease */
    MOB_PICK_SOURCE,  /* which copy of an object is pulled */
    MOB_PICK_LATENCY, /* jitter of a link */
    MOB_PICK_LOSS,    /* whether a packet is lost */
    MOB_PICK_RPC,     /* whether an rpc fault strikes */
    MOB_PICK_FAULT,   /* what chaos does, and when */
    MOB_PICK_ORDER,   /* the order of events of one instant */
    MOB_PICK_SWARM,   /* the settings of a swarm run */
    MOB_PICK_APP,     /* m.random in programs */
    MOB_PICK_COUNT,
} MobPickKind;

const char *mob_pick_name(MobPickKind kind);

/* One choice that is decided beforehand. */
typedef struct {
    MobPickKind kind;
    uint64_t key;
    uint64_t ordinal;
    uint64_t value;
} MobDecision;

/* Told of every choice, for the trace; may be NULL. */
typedef void (*MobPickListener)(void *data, MobPickKind kind, uint64_t key, uint64_t ordinal,
                                uint64_t n, uint64_t picked, uint64_t boring);

typedef struct {
    uint64_t seed;                /* 0: the textbook run, every pick is boring */
    const MobDecision *decisions; /* borrowed */
    size_t decision_count;
    MobPickListener listener;
    void *listener_data;
} MobPickConfig;

typedef struct MobPicks MobPicks;

/* @config is borrowed and outlives the picks. */
MobPicks *mob_picks_new(const MobPickConfig *config);
void mob_picks_free(MobPicks *picks);

/* Returns a number below @n, which is at least 1. */
uint64_t mob_pick(MobPicks *picks, MobPickKind kind, uint64_t key, uint64_t n, uint64_t boring);
