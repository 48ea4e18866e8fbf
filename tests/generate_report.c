/* generate_report.c: see generate_report.h. */
#include "tests/generate_report.h"

/* One filling function for each kind of field in notes_fields.def. */
#define FILL(kind)                                                                                 \
    static void fill_##kind(uint64_t *state, void *field)                                          \
    {                                                                                              \
        generate_field(state, MOB_KIND_##kind, field);                                             \
    }
FILL(flag)
FILL(u32)
FILL(u64)
FILL(task)
FILL(object)
FILL(node)
FILL(address)
FILL(lease)
FILL(str)
FILL(value)
FILL(args)
FILL(spec)

static void
fill_text(uint64_t *state, void *field)
{
    g_autoptr(MobStr) text = generate_str(state);

    *(char **)field = g_strdup(mob_str(text));
}

static void
fill_msg(uint64_t *state, void *field)
{
    *(MobMsg **)field = generate_msg(state, (MobMsgType)generate_below(state, MOB_MSG_COUNT));
}

static bool
is_about_task(MobNoteKind kind)
{
    return (kind >= MOB_NOTE_TASK_SUBMITTED && kind <= MOB_NOTE_TASK_CANCELLED) ||
           kind == MOB_NOTE_TASK_HANDED_BACK;
}

void
generate_note(uint64_t *state, MobNoteKind kind, MobNote *note)
{
    *note = (MobNote){.kind = kind};
#define FIELD(of, name)                                                                            \
    if (generate_below(state, 4) > 0)                                                              \
        fill_##of(state, &note->name);
#include "runtime/notes_fields.def"
    if (is_about_task(kind) && note->spec == NULL)
        fill_spec(state, &note->spec);
    if ((kind == MOB_NOTE_MESSAGE_SENT || kind == MOB_NOTE_MESSAGE_DELIVERED) && note->msg == NULL)
        fill_msg(state, &note->msg);
}

void
generate_note_clear(MobNote *note)
{
    mob_note_release(note);
    g_free((char *)note->label);
    g_free((char *)note->reason);
    g_free((char *)note->text);
}

static void
generate_input(uint64_t *state, GeneratedEvent *into)
{
    MobInput *input = &into->input;

    input->kind = (MobInputKind)generate_below(state, MOB_INPUT_COUNT);
    fill_address(state, &input->from);
    fill_object(state, &input->object);
    fill_text(state, &input->reason);
    fill_msg(state, &input->msg);
    input->timer = (MobTimer)generate_below(state, MOB_TIMER_COUNT);
    input->body.v = (uint32_t)generate_below(state, 1000);
    into->call.kind = (MobCallKind)generate_below(state, MOB_CALL_COUNT);
    input->call = &into->call;
    into->disk.verb = (MobDiskVerb)generate_below(state, MOB_DISK_REMOVE + 1);
    into->disk.end = (MobDiskEnd)generate_below(state, MOB_DISK_FAILED + 1);
    fill_u64(state, &into->disk.number);
    input->disk = &into->disk;
    input->now = into->event.at;
    input->event = into->event.number;
}

void
generate_event(uint64_t *state, GeneratedEvent *into)
{
    *into = (GeneratedEvent){0};
    MobEvent *event = &into->event;

    fill_u64(state, &event->number);
    fill_u64(state, &event->cause);
    fill_u64(state, &event->at);
    fill_address(state, &event->process);
    event->role = (MobRole)generate_below(state, MOB_ROLE_WORLD + 1);
    generate_input(state, into);
    if (event->role != MOB_ROLE_WORLD)
        event->input = &into->input;
    event->notes = into->notes;
    event->note_count = generate_below(state, GENERATED_NOTES_MAX + 1);
    for (size_t i = 0; i < event->note_count; i++)
        generate_note(state, (MobNoteKind)generate_below(state, MOB_NOTE_COUNT), &into->notes[i]);
}

void
generate_event_clear(GeneratedEvent *event)
{
    for (size_t i = 0; i < event->event.note_count; i++)
        generate_note_clear(&event->notes[i]);
    mob_msg_unref((MobMsg *)event->input.msg);
    g_free((char *)event->input.reason);
}

void
generate_report(uint64_t *state, MobBuf *into)
{
    g_autoptr(MobStr) name = generate_str(state);
    uint64_t clock = generate_below(state, 0);
    MobTime at = generate_below(state, MOB_SECOND);
    MobProcInfo proc = {.name = mob_str(name), .node_name = "n1"};
    GeneratedEvent event;

    fill_address(state, &proc.address);
    fill_u32(state, &proc.incarnation);
    proc.role = (MobRole)generate_below(state, MOB_ROLE_WORLD + 1);
    switch (generate_below(state, 6)) {
    case 0:
        mob_report_born_encode(&proc, at, clock, into);
        break;
    case 1:
        mob_report_died_encode(proc.address, name != NULL ? mob_str(name) : NULL, at, clock, into);
        break;
    default:
        generate_event(state, &event);
        mob_report_event_encode(&event.event, clock, into);
        generate_event_clear(&event);
        break;
    }
}
