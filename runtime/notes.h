/* notes.h: facts that processes and worlds report, for whoever looks on.
 *
 * Nothing in a run depends on its notes. They are the one source of stories,
 * claims, properties, traces and pictures; so a new thing to see is a new
 * note, never a look into a process.
 */
#pragma once

#include "runtime/msg.h"

typedef enum {
#define NOTE(CONSTANT, name, doc) MOB_NOTE_##CONSTANT,
#include "runtime/notes.def"
    MOB_NOTE_COUNT,
} MobNoteKind;

G_STATIC_ASSERT(MOB_NOTE_COUNT < 64); /* see MOB_WANT_STEPS */

/* A new field belongs into notes_fields.def too. */
typedef struct {
    MobNoteKind kind;
    uint32_t attempt;
    MobTaskId task; /* filled in from spec if that is given */
    MobObjectId object;
    MobObjectId outer;
    MobAddress owner;
    MobAddress worker;
    MobAddress from;
    MobAddress to;
    MobNodeId node;
    MobNodeId target;
    MobLeaseId lease;
    uint64_t bytes;
    bool final;
    uint32_t line;
    const MobTaskSpec *spec;
    const MobArgs *args;
    const MobValue *value;
    const MobMsg *msg;
    const MobStr *path;
    const char *label;
    const char *reason; /* static, or borrowed like the rest */
    const char *text;
} MobNote;

/* Gives back the references that a kept note holds; its texts are the keeper's. */
void mob_note_release(const MobNote *note);

const char *mob_note_name(MobNoteKind kind);
/* MOB_NOTE_COUNT where there is no such note. */
MobNoteKind mob_note_by_name(const char *name);
