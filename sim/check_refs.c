/* check_refs.c: what is told of references is what their holders count. Whoever looks at
 * a cluster (c.state.refs, mobula memory, run.db) knows references from notes alone; a
 * note that is forgotten, or made up, would show what is not there.
 */
#include "sim/check_parts.h"

/* What one process has said of one object. */
typedef struct {
    uint32_t local; /* 0 or 1: it is told of the first and the last */
    uint32_t argument;
    uint32_t lineage;
    uint32_t inside; /* nested, pinned */
    uint32_t borrowed;
} Told;

static MobKey
told_key(MobAddress process, MobObjectId object)
{
    MobKey key = mob_key_object(object);

    return (MobKey){key.a ^ mob_mix(mob_address_word(process)), key.b};
}

static uint32_t *
field_of(Told *told, const MobNote *note)
{
    const char *kind = note->kind == MOB_NOTE_REF_BORROWED ? "borrowed" : note->reason;

    if (g_strcmp0(kind, "local") == 0)
        return &told->local;
    if (g_strcmp0(kind, "argument") == 0)
        return &told->argument;
    if (g_strcmp0(kind, "lineage") == 0)
        return &told->lineage;
    return g_strcmp0(kind, "borrowed") == 0 ? &told->borrowed : &told->inside;
}

static bool
is_ref_note(const MobNote *note)
{
    return note->kind == MOB_NOTE_REF_ADDED || note->kind == MOB_NOTE_REF_BORROWED ||
           note->kind == MOB_NOTE_REF_DROPPED;
}

static void
hear(MobCheck *check, MobAddress process, const MobNote *note)
{
    Told *told = mob_check_entry(check->told, told_key(process, note->object), sizeof(Told));
    uint32_t *field = field_of(told, note);

    if (note->kind != MOB_NOTE_REF_DROPPED)
        ++*field;
    else if (*field > 0)
        --*field;
    else
        mob_check_fail(check, "S1", "what is shown",
                       "%s says that it drops a reference (%s) to %s of which it has not told",
                       mob_check_process_name(check, process), note->reason,
                       mob_check_object_name(check, note->object));
}

static bool
agrees(const Told *told, const MobRefInfo *ref)
{
    return told->local == (ref->local > 0) && told->argument == ref->submitted &&
           told->argument + told->lineage == ref->lineage && told->borrowed == ref->borrowers &&
           told->inside <= ref->contained; /* which also counts what is on its way to a body */
}

static void
compare(MobCheck *check, const MobProcess *process, MobObjectId object)
{
    MobKey key = told_key(process->address, object);
    const Told *told = mob_table_get(check->told, key);
    MobRefInfo ref = {0};

    if (told == NULL)
        return; /* the same object was noted twice */
    mob_worker_find_ref(process, object, &ref);
    if (!agrees(told, &ref))
        mob_check_fail(check, "S1", "what is shown",
                       "%s has told of references to %s that it does not count: local %u of %u, "
                       "argument %u of %u, lineage %u of %u, borrowed %u of %u, nested %u of %u",
                       mob_check_process_name(check, process->address),
                       mob_check_object_name(check, object), told->local, ref.local, told->argument,
                       ref.submitted, told->argument + told->lineage, ref.lineage, told->borrowed,
                       ref.borrowers, told->inside, ref.contained);
    if (told->local + told->argument + told->lineage + told->borrowed + told->inside == 0)
        g_free(mob_table_take(check->told, key));
}

void
mob_check_refs_event(MobCheck *check, const MobEvent *event, const MobProcess *process)
{
    for (size_t i = 0; i < event->note_count; i++)
        if (is_ref_note(&event->notes[i]))
            hear(check, event->process, &event->notes[i]);
    for (size_t i = 0; i < event->note_count; i++)
        if (is_ref_note(&event->notes[i]))
            compare(check, process, event->notes[i].object);
}
