/* test.h: running many tests with many seeds. */
#pragma once

#include "cli/cli.h"
#include "lua/scenario.h"

/* A file that holds tests. */
typedef struct {
    char *path;
    char *text;
    GPtrArray *names; /* of char, owned: "1.2 it replays"; a scenario is one test */
    bool spec;
} MobTestFile;

/* One test with one seed. */
typedef struct {
    guint number; /* of the unit: tests in order, all seeds of a test together */
    guint file;
    guint test;
    uint64_t seed;
} MobTestUnit;

typedef struct {
    char *name;
    uint32_t line;
    bool seen;
} MobTestMark;

/* What came of a unit. */
typedef struct {
    guint number;
    MobOutcome outcome;
    bool done; /* false: it has only begun */
    gint64 us;
    uint64_t hash;
    uint64_t events;
    uint32_t line;
    char *message;  /* owned; NULL if all is well */
    char *settings; /* owned; what chaos drew, if it failed */
    GArray *marks;  /* of MobTestMark: every sometimes of the unit */
} MobTestResult;

void mob_test_result_clear(MobTestResult *result);

typedef struct {
    GArray *files; /* of MobTestFile */
    guint tests;   /* in all of them */
    uint64_t first_seed;
    uint64_t seeds;
    MobTime limit;
    bool check;
    MobTerm *term;
} MobTestPlan;

guint mob_test_plan_units(const MobTestPlan *plan);
MobTestUnit mob_test_plan_unit(const MobTestPlan *plan, guint number);

/* --- test_worker.c --- */

/* Runs the test of a spec whose number @name begins with. */
void mob_test_run_spec(const MobScenarioHost *host, const char *path, const char *text,
                       const char *name, MobScenarioResult *result);
/* Runs one unit in this process. */
void mob_test_run(const MobTestPlan *plan, const MobTestUnit *unit, MobTestResult *result);

/* Runs all units in @jobs processes and calls @each as they end, in no
 * particular order; it returns the number of the last unit that is still
 * wanted. False if a process of ours crashed: @crashed is the unit, @how its status. */
typedef guint (*MobTestEach)(void *data, MobTestResult *result);
bool mob_test_run_all(const MobTestPlan *plan, int jobs, MobTestEach each, void *data,
                      guint *crashed, int *how);

/* Whether mobula test takes the file for a spec, and not for a scenario. */
bool mob_test_is_spec(const char *path, const char *text);

/* --- for replay --- */
MobExit mob_test_replay(MobCli *cli, uint64_t seed);
