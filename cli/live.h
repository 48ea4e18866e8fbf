/* live.h: a cluster that runs, for those who tell of it. */
#pragma once

#include "cli/rows.h"
#include "net/local.h"

typedef struct {
    uint32_t number;
    char *name;
    bool stopped; /* somebody asked for it */
} MobLiveJob;

typedef struct {
    const MobState *state;
    MobControl *control;
    const MobLocal *local;
    GPtrArray *jobs; /* of MobLiveJob, owned; number - 1 is the index */
} MobLive;

/* All rows of the noun. */
MobRows *mob_live_rows(const MobLive *live, const MobNoun *noun);

/* "RUNNING", "SUCCEEDED", "FAILED", "STOPPED" */
const char *mob_live_job_state(const MobLive *live, const MobLiveJob *job);
/* The number of the job that a task or object of that name belongs to. */
uint32_t mob_live_job_of(const char *name);
const MobMachine *mob_live_machine(const MobLive *live, const char *name);
