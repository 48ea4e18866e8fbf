/* chaos_parts.h: what chaos.c and strikes.c share. */
#pragma once

#include "lua/scenario_parts.h"

typedef enum {
    MOB_CHAOS_KILL,
    MOB_CHAOS_CUT,
    MOB_CHAOS_SLOW,
    MOB_CHAOS_PAUSE,
    MOB_CHAOS_LINK, /* from here on: once, for the whole run */
    MOB_CHAOS_RPC,
    MOB_CHAOS_DISK, /* time and again, like the first; last, so that the keys of the others stay */
    MOB_CHAOS_COUNT,
} MobChaosKind;

enum {
    MOB_CHAOS_TARGETS_MAX = 4,
};

typedef enum {
    MOB_SHAPE_PAIR,   /* two machines */
    MOB_SHAPE_ONE,    /* one machine from all others */
    MOB_SHAPE_HALVES, /* the machines in two halves */
    MOB_SHAPE_ONEWAY, /* one machine is not heard by another */
    MOB_SHAPE_COUNT,
} MobChaosShape;

/* The settings of one class, as drawn for this run. */
typedef struct {
    bool on;
    uint32_t line;
    MobTime every;
    MobTime lasts;
    MobTime restart; /* MOB_TIME_NEVER: what was killed stays dead */
    uint32_t speed_ppm;
    uint32_t of[MOB_CHAOS_TARGETS_MAX]; /* MobChaosTarget */
    uint32_t of_count;
    MobChaosShape shape;
    MobTrouble trouble;
    MobTime latency;
    MobTime jitter;
    uint64_t bps;
    uint32_t loss_ppm;
    MobLose lose;
    uint32_t chance_ppm;
    MobMsgType message; /* MOB_MSG_COUNT: of several kinds */
    uint64_t strikes;
} MobChaosClass;

typedef enum {
    MOB_TARGET_WORKER,
    MOB_TARGET_NODE,
    MOB_TARGET_GCS,
    MOB_TARGET_DRIVER,
    MOB_TARGET_COUNT,
} MobChaosTarget;

struct MobChaos {
    MobScene *scene;
    MobChaosClass classes[MOB_CHAOS_COUNT];
    uint64_t max; /* strikes in all; 0: no limit */
    uint64_t strikes;
    uint32_t max_down;
    bool spare_driver_node;
    bool spare_puts; /* never the only copy of a put */
    char **spared;   /* names of machines; NULL: none */
    bool calm;
    GString *settings;
};

/* Whether the class strikes time and again, rather than once for the whole run. */
bool mob_chaos_is_timed(MobChaosKind kind);
/* Lets the class strike once; false if there was nothing to strike. */
bool mob_chaos_strike(MobChaos *chaos, MobChaosKind kind);
/* Gives the orders of the classes that hold for the whole run. */
void mob_chaos_begin(MobChaos *chaos, MobChaosKind kind);
