/* generate_report.h: random things to tell watchers, for tests and fuzzers. */
#pragma once

#include "runtime/report.h"
#include "tests/generate.h"

enum {
    GENERATED_NOTES_MAX = 4,
};

typedef struct {
    MobEvent event; /* points to the rest */
    MobInput input;
    MobCall call;
    MobDiskAnswer disk;
    MobNote notes[GENERATED_NOTES_MAX];
} GeneratedEvent;

/* A note of @kind with about three in four of all fields, whether or not such
 * a note has them, and those that it cannot be without. */
void generate_note(uint64_t *state, MobNoteKind kind, MobNote *note);
void generate_note_clear(MobNote *note);

void generate_event(uint64_t *state, GeneratedEvent *into);
void generate_event_clear(GeneratedEvent *event);

/* Appends a report of any kind. */
void generate_report(uint64_t *state, MobBuf *into);
