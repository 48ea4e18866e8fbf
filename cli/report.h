/* report.h: tests as lines for people, as TAP and as JUnit. */
#pragma once

#include "cli/test.h"

typedef struct {
    char *name;
    uint32_t line;
    uint64_t seen; /* in so many seeds */
} MobTestSometimes;

/* One test over all its seeds. */
typedef struct {
    const MobTestFile *file;
    const char *name;
    uint64_t done;
    uint64_t failed;
    uint64_t vacuous;
    uint64_t events;
    gint64 us;
    MobTestResult worst; /* what failed, with the least seed */
    uint64_t seed;       /* of worst */
    GArray *sometimes;   /* of MobTestSometimes */
    MobOutcome outcome;  /* of all of them together; holds once it was told */
    bool told;           /* false at the end: it did not run to its end */
} MobTestTally;

typedef struct {
    const MobTestPlan *plan;
    const MobTestTally *tallies;
    gint64 us;
} MobReport;

/* The line of one test, and what went wrong in it. */
void mob_report_test(MobTerm *term, const MobTestPlan *plan, const MobTestTally *tally);
/* The last lines, and the exit code of it all. */
MobExit mob_report_total(MobTerm *term, const MobReport *report);
void mob_report_tap(const MobReport *report);
bool mob_report_junit(const MobReport *report, const char *path, GError **error);
