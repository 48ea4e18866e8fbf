/* run.h: runs a scenario file. */
#pragma once

#include "lua/scenario.h"

/* Runs the scenario in @text, which is called @path in messages, and fills in
 * @result, which the caller has initialised and clears. The file makes clusters, submits, gives
 * orders, runs and asserts; what it submitted and never ran is run at the end,
 * and claims about the future are settled.
 *
 * `sometimes` claims say whether they were seen, and faults how much they bit:
 * a fault of the script without a bite makes the run vacuous; what was never
 * seen in a whole sweep is for the caller to judge. */
void mob_scenario_run(const MobScenarioHost *host, const char *path, const char *text,
                      MobScenarioResult *result);
