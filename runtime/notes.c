/* notes.c: see notes.h. */
#include "runtime/notes.h"

#include <string.h>

static const char *const names[MOB_NOTE_COUNT] = {
#define NOTE(CONSTANT, name, doc) name,
#include "runtime/notes.def"
};

/* Notes only look, so their pointers are const; their references are not. */
void
mob_note_release(const MobNote *note)
{
    mob_spec_unref((MobTaskSpec *)note->spec);
    mob_args_unref((MobArgs *)note->args);
    mob_msg_unref((MobMsg *)note->msg);
    mob_value_unref((MobValue *)note->value);
    mob_str_unref((MobStr *)note->path);
}

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
