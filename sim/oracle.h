/* oracle.h: what a program should answer.
 *
 * The program is evaluated a second time in the simplest way there is: one
 * process, no cluster, each task run to its end at the moment it is submitted.
 * What that gives is the answer; whatever a run of the cluster gives must be
 * the same, value by value, or an error that something which happened in that
 * run excuses.
 *
 * It applies to programs whose answer does not depend on time or place: those
 * that ask for the time or where they run, or wait for some of several objects,
 * have no single answer, and the oracle says so.
 */
#pragma once

#include "runtime/body.h"
#include "runtime/control.h"

typedef struct MobOracle MobOracle;

/* Evaluates main of @job, whose identity is @root and @path as in the world;
 * at most @steps calls. @config says what is large. @loader is borrowed and used under an address
 * of its own. */
MobOracle *mob_oracle_new(MobLoader *loader, const MobPickConfig *picks, const MobConfig *config,
                          const MobJob *job, const char *root_path, uint64_t steps);
void mob_oracle_free(MobOracle *oracle);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MobOracle, mob_oracle_free)

/* NULL if the oracle applies, else why not. */
const char *mob_oracle_silent(const MobOracle *oracle);
/* What main returned or raised. Borrowed. */
const MobValue *mob_oracle_result(const MobOracle *oracle);
/* The value of the object with this path and return or put index, or NULL. */
const MobValue *mob_oracle_value(const MobOracle *oracle, const MobStr *path, uint32_t index);
