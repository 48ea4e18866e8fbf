/* notes.c: see notes.h. */
#include "runtime/notes.h"

#include <string.h>

static const char *const names[MOB_NOTE_COUNT] = {
#define NOTE(CONSTANT, name, doc) name,
#include "runtime/notes.def"
};

const char *
mob_note_name(MobNoteKind kind)
{
    g_assert(kind < MOB_NOTE_COUNT);
    return names[kind];
}

MobNoteKind
mob_note_by_name(const char *name)
{
    for (int i = 0; i < MOB_NOTE_COUNT; i++)
        if (strcmp(names[i], name) == 0)
            return (MobNoteKind)i;
    return MOB_NOTE_COUNT;
}
