/* check_parts.h: shared by check.c and check_rest.c. */
#pragma once

#include "runtime/gcs.h"
#include "runtime/node.h"
#include "runtime/worker.h"
#include "sim/check.h"

/* The value that an object had when it was first sealed. */
typedef struct {
    uint64_t hash;
    uint64_t size;
} Sealed;

typedef struct {
    uint64_t started;  /* bit per attempt, up to 64 of them */
    uint64_t lost;     /* likewise: those that their owner has given up, though they may go on */
    uint32_t finished; /* the newest attempt whose results were taken */
} TaskSeen;

/* What a worker ran last. */
typedef struct {
    MobTaskId task;
    uint32_t attempt;
    MobAddress owner;
} RunSeen;

struct MobCheck {
    MobWatcher watcher;
    MobWorld *world;
    const MobState *state;
    const MobConfig *config;
    const MobOracle *oracle; /* NULL: there is none, or it is silent */
    bool deterministic;      /* the same task gives the same value, as far as we know */
    bool errors_seen;        /* a program may have taken another way since */
    bool network_faults;     /* living nodes may look dead */
    uint32_t kills;
    uint32_t evictions;
    MobTable *sealed; /* object -> Sealed, owned */
    MobTable *tasks;  /* task -> TaskSeen, owned */
    MobTable *runs;   /* worker -> RunSeen, owned */
    MobTime last_at;
    uint64_t credit; /* work that may be done beyond the least; see mob_check_affords() */
    uint64_t count;
    MobViolation violation;
};

void mob_check_fail(MobCheck *check, const char *property, const char *name, const char *format,
                    ...) G_GNUC_PRINTF(4, 5);
/* Whether a judgement of @cost looks may be made now. Small ones always; of the
 * others as many as keeps the work per event bounded, so that a run of a
 * million tasks is judged by samples, and a lecture after every event. */
bool mob_check_affords(MobCheck *check, uint64_t cost);
void mob_check_node(MobCheck *check, const MobProcess *node);
void mob_check_worker(MobCheck *check, const MobProcess *worker);
const MobProcess *mob_check_process(const MobCheck *check, MobAddress address);
const char *mob_check_object_name(const MobCheck *check, MobObjectId id);
