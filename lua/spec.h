/* spec.h: failure tests in busted's shape: describe, it, before_each,
 * after_each, pending. One call runs one file for one seed; every `it` has a
 * fresh cluster of its own, and what came of it is data.
 */
#pragma once

#include "lua/scenario.h"

typedef struct {
    char *number; /* "1.2": the second test of the first describe */
    char *name;   /* "lineage replays a lost parent" */
    uint32_t line;
    bool pending; /* not run: it says why in result.message, if it says so */
    MobScenarioResult result;
} MobSpecTest;

typedef struct {
    MobOutcome outcome; /* the worst of all tests; BAD_INPUT if the file itself is wrong */
    char *message;      /* what is wrong with the file; NULL */
    uint32_t line;
    GPtrArray *tests; /* of MobSpecTest, in the order of the file, owned */
} MobSpecResult;

/* Told of each test as soon as it is over; may be NULL. */
typedef void (*MobSpecListener)(void *data, const MobSpecTest *test);

typedef struct {
    const char *filter; /* only tests whose number is this, or begins with it and a dot, or whose
                         * name contains it; NULL: all */
    bool list;          /* run nothing: what tests there are */
    bool stop;          /* after the first test that is not all right */
    MobSpecListener listener;
    void *data;
} MobSpecOptions;

/* Runs the tests in @text with the seed of @host; the caller clears @result. */
void mob_spec_run(const MobScenarioHost *host, const char *path, const char *text,
                  const MobSpecOptions *options, MobSpecResult *result);
void mob_spec_result_clear(MobSpecResult *result);
