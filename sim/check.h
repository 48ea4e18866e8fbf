/* check.h: the properties that every run must have, evaluated after every
 * event from what that event changed, and once more when all is at rest.
 *
 * The properties are those of course/properties.md that concern tasks under
 * ownership; each violation names the one that broke. They are judged from
 * outside: from notes, and from what processes let one see of themselves.
 */
#pragma once

#include "sim/oracle.h"
#include "sim/world.h"

typedef struct MobCheck MobCheck;

typedef struct {
    const char *property; /* "I24" */
    const char *name;     /* "no over-allocation" */
    char *text;           /* what was seen, one sentence; owned */
    uint64_t event;
    MobTime at;
} MobViolation;

/* @world and @state are borrowed and outlive the check; @state is added to the
 * world before it. */
MobCheck *mob_check_new(MobWorld *world, const MobState *state, const MobConfig *config);
void mob_check_free(MobCheck *check);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MobCheck, mob_check_free)

MobWatcher *mob_check_watcher(MobCheck *check);

/* From now on values are compared with those of @oracle (borrowed), as long as
 * no program has seen an error. */
void mob_check_set_oracle(MobCheck *check, const MobOracle *oracle);

/* Judges what must hold when nothing is left to happen; @drained: the jobs are
 * over and dropped everything, so nothing may be left anywhere. */
void mob_check_at_rest(MobCheck *check, bool drained);

/* Judges what a job answered (NULL: its driver died). */
void mob_check_answer(MobCheck *check, const MobOracle *oracle, const MobValue *result);

/* The first property that broke, or NULL. Borrowed. */
const MobViolation *mob_check_violation(const MobCheck *check);
/* How many judgements were made: a check that judged nothing proves nothing. */
uint64_t mob_check_count(const MobCheck *check);
