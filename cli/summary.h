/* summary.h: how a run ended, for people and as JSON. */
#pragma once

#include "cli/cli.h"
#include "cli/host.h"

typedef struct {
    const char *file;
    uint64_t seed;
    const MobHost *host;
    const MobScenarioResult *result;
    gint64 wall_us;
    bool real; /* on real processes */
} MobSummary;

/* What went wrong, if anything did, and the line with the result. */
void mob_summary_say(MobTerm *term, const MobSummary *summary);

/* One JSON object on stdout; with @checkpoints one more before it. */
void mob_summary_json(const MobSummary *summary, bool checkpoints);
