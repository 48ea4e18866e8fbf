/* story.h: a run as it is told to people, while it happens.
 *
 * One line for each thing that matters: when, who, what, how it went and
 * where, and why. The story reads notes and the state behind them and nothing
 * else, and cannot change a run.
 */
#pragma once

#include "cli/term.h"
#include "runtime/state.h"

typedef struct MobTeller MobTeller;

typedef struct {
    MobTerm *term;         /* borrowed, as all of these */
    const MobState *state; /* is told of every event before the story is */
    int verbose;           /* 1: leases, blocked gets, evictions; 2: messages too */
    bool plain;            /* tabs instead of columns */
    const char *file;      /* in which the lines of faults are */
    size_t machines;       /* that are there from the beginning */
} MobTellerOptions;

MobTeller *mob_teller_new(const MobTellerOptions *options);
/* Tells what was held back, and frees the story. */
void mob_teller_free(MobTeller *teller);

/* Tells what was held back: the world stands still, and others may speak. */
void mob_teller_rest(MobTeller *teller);
/* Says the line that is held back, if there is one: somebody else is about to speak.
 * @teller may be NULL. */
void mob_teller_flush(MobTeller *teller);

MobWatcher *mob_teller_watcher(MobTeller *teller); /* borrowed */
