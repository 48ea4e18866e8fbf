/* scenario.h: what a scenario file needs from whoever runs it, and what came
 * of a run.
 *
 * A scenario is Lua that makes clusters, submits jobs, gives orders and says
 * what must hold. It speaks control.h only; which world is behind it is the
 * host's business. Everything that a run produced is data here, and nothing
 * is printed except through the host.
 */
#pragma once

#include "runtime/control.h"

typedef struct {
    const MobMachine *machines; /* the head first; borrowed during the call */
    size_t machine_count;
    MobConfig config; /* the profile with the scenario's knobs */
    MobProfile profile;
    MobTime latency; /* MOB_TIME_NEVER: the profile's */
    MobTime jitter;
    uint64_t bps; /* 0: the profile's */
    uint64_t seed;
    bool oracle;     /* compare every answer with the sequential one */
    bool check;      /* the built-in properties, after every event */
    uint32_t number; /* of the cluster in its file, from 1 */
    uint32_t line;   /* where it was made */
} MobClusterOptions;

typedef struct {
    /* Makes a cluster; NULL with an error that a person can act on. */
    MobControl *(*cluster)(void *data, const MobClusterOptions *options, GError **error);
    /* The scenario is done with @control; called before anything of it is freed. May be NULL. */
    void (*close)(void *data, MobControl *control);
    /* What is true in that cluster, if the host keeps it anyway; NULL: the scenario keeps its own.
     */
    MobState *(*state)(void *data, MobControl *control);
    /* Whether the host itself found something wrong: a property, an answer, a leak. Asked after
     * every c:run, and with @final before closing. (transfer full), NULL: nothing. May be NULL. */
    char *(*verdict)(void *data, MobControl *control, bool final);
    /* The text of a file that the scenario names, relative to the scenario; zero-ended. May be
     * NULL. */
    char *(*read)(void *data, const char *path, size_t *length, GError **error);
    /* Whether the program in C with this id can be run, opened now for a good message. May be NULL:
     * there are none here. */
    bool (*check_program)(void *data, const MobStr *bundle_id, GError **error);
    /* A line for the person in front of it (without a newline): print(), settings that were drawn.
     */
    void (*say)(void *data, const char *text);
    void *data;
    const char *world; /* where its clusters are: "sim", "local" */
    uint64_t seed;     /* 0: the textbook run */
    bool check;
    bool oracle;
} MobScenarioHost;

/* The exit codes of the command. */
typedef enum {
    MOB_OUTCOME_OK = 0,
    MOB_OUTCOME_FAILED = 1,    /* a claim, an assertion or a job */
    MOB_OUTCOME_BAD_INPUT = 2, /* the scenario itself is wrong */
    MOB_OUTCOME_HANG = 3,      /* deadlock, livelock, limit reached */
    MOB_OUTCOME_VACUOUS = 5,   /* something that was meant to happen did not */
} MobOutcome;

typedef struct {
    char *kind; /* "always" */
    char *name;
    uint32_t line;
    uint64_t passes;
    uint64_t fails;
    uint64_t first_pass; /* event numbers; 0: never */
    uint64_t first_fail;
    bool ok; /* for sometimes: whether it was seen */
} MobClaimResult;

/* A fault that was ordered, or something that was to order faults and never came to it. */
typedef struct {
    char *text;   /* "kill n1", "c:on(task.running) never fired" */
    bool ordered; /* a fault; else what was to order one */
    uint32_t line;
    uint64_t bites;
    bool chaos; /* drawn by c:chaos: may well touch nothing */
} MobFaultResult;

typedef struct {
    uint32_t number;
    char *name;
    bool finished;
    MobValue *value; /* owned; NULL: its driver died or it runs */
} MobJobResult;

typedef struct {
    uint32_t line;
    uint64_t seed;
    MobTime now;
    uint64_t events;
    uint64_t hash;
    GPtrArray *jobs;   /* of MobJobResult, owned */
    GPtrArray *claims; /* of MobClaimResult, owned */
    GPtrArray *faults; /* of MobFaultResult, owned */
    char *settings;    /* what chaos drew, several lines; NULL without chaos */
} MobClusterResult;

typedef struct {
    MobOutcome outcome;
    char *message;       /* NULL if all is well; several lines for people */
    uint32_t line;       /* of the scenario, 0 if unknown */
    GPtrArray *clusters; /* of MobClusterResult, owned, in the order of making */
} MobScenarioResult;

void mob_scenario_result_init(MobScenarioResult *result);
void mob_scenario_result_clear(MobScenarioResult *result);

/* Words for an outcome: "ok", "failed", "hang" … */
const char *mob_outcome_name(MobOutcome outcome);
