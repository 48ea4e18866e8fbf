/* report.c: see report.h.
 *
 * A note is its kind, a mask of the fields that are set, and these in the order
 * of notes_fields.def. A field that is said to be set and is not is refused, so
 * that nobody can write one report in two ways.
 */
#include "runtime/report.h"

#include "runtime/kinds.h"

#include <stddef.h>

enum {
#define FIELD(kind, name) FIELD_##name,
#include "runtime/notes_fields.def"
    FIELD_COUNT,
};

G_STATIC_ASSERT(FIELD_COUNT < 32);

enum {
    LEAST_NOTE = 5, /* its kind and its mask */
    LISTED_BYTES = sizeof(MobNoteKind)
#define FIELD(kind, name) +sizeof(((const MobNote *)NULL)->name)
#include "runtime/notes_fields.def"
};

/* A field that MobNote has and the list has not would be lost in silence, so
 * the list leaves room for padding alone. */
G_STATIC_ASSERT(sizeof(MobNote) - LISTED_BYTES < sizeof(uint32_t));

/* What a decoded event points to. */
typedef struct {
    MobReport base;
    MobInput input;
    MobCall call;
    MobDiskAnswer disk;
} Report;

/* --- small numbers and texts --- */

static void
put_byte(unsigned number, MobBuf *into)
{
    *mob_buf_grow(into, 1) = (uint8_t)number;
}

/* Reads a number below @limit; 0 after a failure, of which @problem says why. */
static unsigned
get_byte(MobWire *from, unsigned limit, const char *problem)
{
    const uint8_t *byte = mob_wire_take(from, 1);

    if (byte == NULL)
        return 0;
    if (*byte < limit)
        return *byte;
    mob_wire_refuse(from, problem);
    return 0;
}

/* The kinds that kinds.c does not know have functions of the same names, so
 * that one table has all. A text is its length plus one, as none is not an
 * empty one, and its bytes. */
static void
mob_kind_put_text(const void *field, MobBuf *into)
{
    const char *text = *(const char *const *)field;
    uint32_t count = text != NULL ? (uint32_t)strlen(text) + 1 : 0;

    mob_kind_put_u32(&count, into);
    if (count > 0)
        mob_buf_add(into, text, count - 1);
}

static void
mob_kind_get_text(MobWire *from, void *field)
{
    uint32_t count = 0;

    mob_kind_get_u32(from, &count);
    const uint8_t *bytes = count > 0 ? mob_wire_take(from, count - 1) : NULL;
    if (bytes == NULL)
        return;
    if (memchr(bytes, '\0', count - 1) != NULL)
        mob_wire_refuse(from, "a text goes on behind its end");
    else
        *(char **)field = g_strndup((const char *)bytes, count - 1);
}

static void
mob_kind_put_msg(const void *field, MobBuf *into)
{
    mob_msg_encode(*(const MobMsg *const *)field, into);
}

/* Returns a type that there is, or MOB_MSG_COUNT after a failure. */
static MobMsgType
get_msg_type(MobWire *from)
{
    uint32_t type = MOB_MSG_COUNT;

    mob_kind_get_u32(from, &type);
    if (type < MOB_MSG_COUNT)
        return (MobMsgType)type;
    mob_wire_refuse(from, "there is no such message");
    return MOB_MSG_COUNT;
}

static void
mob_kind_get_msg(MobWire *from, void *field)
{
    MobMsgType type = get_msg_type(from);

    if (from->failed)
        return;
    MobMsg *msg = mob_msg_new(type);
    *(MobMsg **)field = msg;
    mob_fields_get(mob_msg_info(type), from, msg);
}

/* --- notes --- */

static const struct {
    size_t offset;
    void (*put)(const void *field, MobBuf *into);
    void (*get)(MobWire *from, void *field);
} fields[FIELD_COUNT] = {
#define FIELD(kind, name) {offsetof(MobNote, name), mob_kind_put_##kind, mob_kind_get_##kind},
#include "runtime/notes_fields.def"
};

/* A bit for each field that is not all zero. */
static uint32_t
mask_of(const MobNote *note)
{
    static const MobNote empty;
    uint32_t mask = 0;

#define FIELD(kind, name)                                                                          \
    mask |= (uint32_t)(memcmp(&note->name, &empty.name, sizeof empty.name) != 0) << FIELD_##name;
#include "runtime/notes_fields.def"
    return mask;
}

static void
put_note(const MobNote *note, MobBuf *into)
{
    uint32_t mask = mask_of(note);

    put_byte(note->kind, into);
    mob_kind_put_u32(&mask, into);
    for (; mask != 0; mask &= mask - 1) {
        int field = g_bit_nth_lsf(mask, -1);
        fields[field].put((const char *)note + fields[field].offset, into);
    }
}

/* Whether it has what every note of its kind has and watchers rely on. */
static bool
is_whole(const MobNote *note)
{
    switch ((int)note->kind) {
    case MOB_NOTE_TASK_SUBMITTED:
    case MOB_NOTE_TASK_LEASED:
    case MOB_NOTE_TASK_RUNNING:
    case MOB_NOTE_TASK_FINISHED:
    case MOB_NOTE_TASK_FAILED:
    case MOB_NOTE_TASK_RETRIED:
    case MOB_NOTE_TASK_CANCELLED:
    case MOB_NOTE_TASK_HANDED_BACK:
        return note->spec != NULL;
    case MOB_NOTE_MESSAGE_SENT:
    case MOB_NOTE_MESSAGE_DELIVERED:
        return note->msg != NULL;
    default:
        return true;
    }
}

static void
get_note(MobWire *from, MobNote *note)
{
    uint32_t mask = 0;

    note->kind = (MobNoteKind)get_byte(from, MOB_NOTE_COUNT, "there is no such note");
    mob_kind_get_u32(from, &mask);
    if (mask >> FIELD_COUNT != 0)
        mob_wire_refuse(from, "a note has a field that there is not");
    for (uint32_t left = mask; left != 0 && !from->failed; left &= left - 1) {
        int field = g_bit_nth_lsf(left, -1);
        fields[field].get(from, (char *)note + fields[field].offset);
    }
    if (!from->failed && mask_of(note) != mask)
        mob_wire_refuse(from, "a field of a note is said to be set and is not");
    if (!from->failed && !is_whole(note))
        mob_wire_refuse(from, "a note lacks what it is about");
}

static void
clear_note(const MobNote *note)
{
    mob_note_release(note);
    g_free((char *)note->label);
    g_free((char *)note->reason);
    g_free((char *)note->text);
}

/* --- inputs --- */

static void
put_input(const MobInput *input, MobBuf *into)
{
    uint32_t type;

    put_byte(input != NULL ? input->kind : MOB_INPUT_COUNT, into);
    switch (input != NULL ? input->kind : MOB_INPUT_COUNT) {
    case MOB_INPUT_MESSAGE:
        type = (uint32_t)input->msg->type;
        mob_kind_put_address(&input->from, into);
        mob_kind_put_u32(&type, into);
        break;
    case MOB_INPUT_RESET:
        mob_kind_put_address(&input->from, into);
        break;
    case MOB_INPUT_TIMER:
        put_byte(input->timer, into);
        break;
    case MOB_INPUT_CALL:
        mob_kind_put_u32(&input->body.v, into);
        put_byte(input->call->kind, into);
        break;
    case MOB_INPUT_CHILD:
    case MOB_INPUT_PRINTED:
        mob_kind_put_address(&input->from, into);
        mob_kind_put_text(&input->reason, into);
        break;
    case MOB_INPUT_EVICT:
        mob_kind_put_object(&input->object, into);
        break;
    case MOB_INPUT_DISK:
        put_byte(input->disk->verb, into);
        put_byte(input->disk->end, into);
        mob_kind_put_u64(&input->disk->number, into);
        break;
    case MOB_INPUT_START:
    case MOB_INPUT_LEAVE:
    case MOB_INPUT_COUNT:
        break;
    }
}

static void
get_input(MobWire *from, Report *into)
{
    MobInput *input = &into->input;
    MobMsgType type;

    input->kind = (MobInputKind)get_byte(from, MOB_INPUT_COUNT + 1, "there is no such input");
    switch (input->kind) {
    case MOB_INPUT_MESSAGE:
        mob_kind_get_address(from, &input->from);
        type = get_msg_type(from);
        input->msg = type != MOB_MSG_COUNT ? mob_msg_new(type) : NULL;
        break;
    case MOB_INPUT_RESET:
        mob_kind_get_address(from, &input->from);
        break;
    case MOB_INPUT_TIMER:
        input->timer = (MobTimer)get_byte(from, MOB_TIMER_COUNT, "there is no such timer");
        break;
    case MOB_INPUT_CALL:
        mob_kind_get_u32(from, &input->body.v);
        into->call.kind = (MobCallKind)get_byte(from, MOB_CALL_COUNT, "there is no such call");
        input->call = &into->call;
        break;
    case MOB_INPUT_CHILD:
    case MOB_INPUT_PRINTED:
        mob_kind_get_address(from, &input->from);
        mob_kind_get_text(from, &input->reason);
        break;
    case MOB_INPUT_EVICT:
        mob_kind_get_object(from, &input->object);
        break;
    case MOB_INPUT_DISK:
        into->disk.verb =
            (MobDiskVerb)get_byte(from, MOB_DISK_REMOVE + 1, "there is no such order");
        into->disk.end = (MobDiskEnd)get_byte(from, MOB_DISK_FAILED + 1, "there is no such end");
        mob_kind_get_u64(from, &into->disk.number);
        input->disk = &into->disk;
        break;
    case MOB_INPUT_START:
    case MOB_INPUT_LEAVE:
    case MOB_INPUT_COUNT:
        break;
    }
}

/* A message that was noted as delivered need not be an empty one. */
static void
share_message(Report *report)
{
    MobInput *input = &report->input;
    const MobEvent *event = &report->base.event;

    for (size_t i = 0; input->msg != NULL && i < event->note_count; i++) {
        const MobNote *note = &event->notes[i];
        if (note->kind != MOB_NOTE_MESSAGE_DELIVERED || note->msg->type != input->msg->type)
            continue;
        mob_msg_unref((MobMsg *)input->msg);
        input->msg = mob_msg_ref((MobMsg *)note->msg);
        return;
    }
}

/* --- reports --- */

static void
put_head(MobReportKind kind, uint64_t clock, MobTime at, MobBuf *into)
{
    put_byte(kind, into);
    mob_kind_put_u64(&clock, into);
    mob_kind_put_u64(&at, into);
}

void
mob_report_event_encode(const MobEvent *event, uint64_t clock, MobBuf *into)
{
    uint32_t count = (uint32_t)event->note_count;

    put_head(MOB_REPORT_EVENT, clock, event->at, into);
    mob_kind_put_u64(&event->number, into);
    mob_kind_put_u64(&event->cause, into);
    mob_kind_put_address(&event->process, into);
    put_byte(event->role, into);
    put_input(event->input, into);
    mob_kind_put_u32(&count, into);
    for (uint32_t i = 0; i < count; i++)
        put_note(&event->notes[i], into);
}

static MobRole
get_role(MobWire *from)
{
    return (MobRole)get_byte(from, MOB_ROLE_WORLD + 1, "there is no such role");
}

static void
get_event(MobWire *from, Report *into)
{
    MobEvent *event = &into->base.event;

    event->at = into->base.at;
    mob_kind_get_u64(from, &event->number);
    mob_kind_get_u64(from, &event->cause);
    mob_kind_get_address(from, &event->process);
    event->role = get_role(from);
    get_input(from, into);
    if (into->input.kind != MOB_INPUT_COUNT)
        event->input = &into->input;
    into->input.now = event->at;
    into->input.event = event->number;

    uint32_t count = mob_wire_count(from, LEAST_NOTE);
    MobNote *notes = mob_new0(MobNote, count);
    event->notes = notes;
    event->note_count = count;
    for (uint32_t i = 0; i < count && !from->failed; i++)
        get_note(from, &notes[i]);
    if (!from->failed)
        share_message(into);
}

void
mob_report_born_encode(const MobProcInfo *proc, MobTime at, uint64_t clock, MobBuf *into)
{
    put_head(MOB_REPORT_BORN, clock, at, into);
    mob_kind_put_address(&proc->address, into);
    mob_kind_put_text(&proc->name, into);
    mob_kind_put_text(&proc->node_name, into);
    put_byte(proc->role, into);
    mob_kind_put_u32(&proc->incarnation, into);
    mob_kind_put_u32(&proc->pid, into);
    mob_kind_put_i64(&proc->cpus, into);
    mob_kind_put_u64(&proc->store_bytes, into);
}

static void
get_born(MobWire *from, MobProcInfo *proc)
{
    mob_kind_get_address(from, &proc->address);
    mob_kind_get_text(from, &proc->name);
    mob_kind_get_text(from, &proc->node_name);
    proc->role = get_role(from);
    mob_kind_get_u32(from, &proc->incarnation);
    mob_kind_get_u32(from, &proc->pid);
    mob_kind_get_i64(from, &proc->cpus);
    mob_kind_get_u64(from, &proc->store_bytes);
    if (proc->name == NULL || proc->node_name == NULL)
        mob_wire_refuse(from, "a process has no name");
}

void
mob_report_died_encode(MobAddress process, const char *why, MobTime at, uint64_t clock,
                       MobBuf *into)
{
    put_head(MOB_REPORT_DIED, clock, at, into);
    mob_kind_put_address(&process, into);
    mob_kind_put_text(&why, into);
}

static void
get_report(MobWire *from, Report *report)
{
    MobReport *base = &report->base;

    base->kind = (MobReportKind)get_byte(from, MOB_REPORT_COUNT, "there is no such report");
    mob_kind_get_u64(from, &base->clock);
    mob_kind_get_u64(from, &base->at);
    if (base->kind == MOB_REPORT_EVENT)
        get_event(from, report);
    else if (base->kind == MOB_REPORT_BORN)
        get_born(from, &base->born);
    else {
        mob_kind_get_address(from, &base->died.process);
        mob_kind_get_text(from, &base->died.why);
    }
}

MobReport *
mob_report_decode(const uint8_t *data, size_t size, GError **error)
{
    Report *report = mob_new0(Report, 1);
    MobWire wire = {.at = data, .end = data + size};

    G_STATIC_ASSERT(G_STRUCT_OFFSET(Report, base) == 0);
    get_report(&wire, report);
    if (mob_wire_is_done(&wire, "a report", size, error))
        return &report->base;
    mob_report_free(&report->base);
    return NULL;
}

void
mob_report_free(MobReport *base)
{
    Report *report = (Report *)base;

    if (report == NULL)
        return;
    switch (base->kind) {
    case MOB_REPORT_EVENT:
        for (size_t i = 0; i < base->event.note_count; i++)
            clear_note(&base->event.notes[i]);
        g_free((MobNote *)base->event.notes);
        mob_msg_unref((MobMsg *)report->input.msg);
        g_free((char *)report->input.reason);
        break;
    case MOB_REPORT_BORN:
        g_free((char *)base->born.name);
        g_free((char *)base->born.node_name);
        break;
    case MOB_REPORT_DIED:
        g_free((char *)base->died.why);
        break;
    case MOB_REPORT_COUNT:
        g_assert_not_reached();
    }
    g_free(report);
}

void
mob_report_tell(const MobReport *report, uint64_t event, MobWatcher *watcher)
{
    MobWhen when = {event, report->at};

    if (report->kind == MOB_REPORT_EVENT)
        watcher->event(watcher, &report->event);
    else if (report->kind == MOB_REPORT_BORN && watcher->born != NULL)
        watcher->born(watcher, &report->born, when);
    else if (report->kind == MOB_REPORT_DIED && watcher->died != NULL)
        watcher->died(watcher, report->died.process, report->died.why, when);
}
