/* story_parts.h: what the files of the story share. */
#pragma once

#include "cli/story.h"

typedef struct {
    MobTime at;
    GString *who;
    GString *what;
    GString *where; /* with the glyph */
    GString *why;
    bool held;
    bool may_join; /* a task like it may follow on the same line */
} MobTellerLine;

typedef struct {
    MobAddress address;
    MobTime at;
    bool machine;
    const char *why;
} MobTellerDeath;

struct MobTeller {
    MobWatcher watcher;
    MobTellerOptions options;
    MobTellerLine line;
    GArray *deaths; /* of MobTellerDeath */
    uint64_t ordinary;
    uint64_t dear;
    uint64_t untold;
    uint64_t joined;
    GString *failure; /* of the newest attempt that failed */
    MobTime now;
    MobAddress process; /* whose event it is */
};

/* Begins a line; what is said about it is appended to its texts. */
MobTellerLine *mob_teller_begin(MobTeller *teller, MobTime at, const char *who);
const char *mob_teller_proc(const MobTeller *teller, MobAddress address);
/* The task that the note is about; NULL: main. */
const MobStateTask *mob_teller_task(const MobTeller *teller, const MobNote *note);
/* Appends "T2 parse(O1)". */
void mob_teller_add_task(GString *into, const MobStateTask *task, bool args);
const char *mob_teller_object(const MobTeller *teller, const MobNote *note);
/* Whether one more task, or one more thing that went wrong, may be told; what
 * may not is counted. */
bool mob_teller_ordinary(MobTeller *teller);
bool mob_teller_dear(MobTeller *teller);

/* --- story_losses.c --- */

/* Tells what was held back of those who died. */
void mob_teller_deaths(MobTeller *teller);
/* Tells in one line what @event loses and has done again, if that is much; then
 * the single notes of it, mob_teller_is_loss(), are not to be told. */
bool mob_teller_losses(MobTeller *teller, const MobEvent *event);
bool mob_teller_is_loss(const MobNote *note);
