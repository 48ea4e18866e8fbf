/* test_report.c: every kind of note, input and report over the wire, whole, cut
 * short, and broken.
 */
#include <criterion/criterion.h>

#include "runtime/kinds.h"
#include "tests/generate_report.h"

/* --- whether two are the same, one function for each kind of field --- */

#define SAME_BYTES(kind, ctype)                                                                    \
    static bool same_##kind(const void *one, const void *two)                                      \
    {                                                                                              \
        return memcmp(one, two, sizeof(ctype)) == 0;                                               \
    }
SAME_BYTES(flag, bool)
SAME_BYTES(u32, uint32_t)
SAME_BYTES(u64, uint64_t)
SAME_BYTES(task, MobTaskId)
SAME_BYTES(object, MobObjectId)
SAME_BYTES(node, MobNodeId)
SAME_BYTES(address, MobAddress)
SAME_BYTES(lease, MobLeaseId)

typedef void (*Put)(const void *field, MobBuf *into);

/* Of pointers: both are none, or two things that look alike on the wire. */
static bool
same_thing(const void *one, const void *two, Put put)
{
    const void *a = *(const void *const *)one;
    const void *b = *(const void *const *)two;
    g_auto(MobBuf) of_one = {0};
    g_auto(MobBuf) of_two = {0};

    if (a == NULL || b == NULL)
        return a == b;
    put(one, &of_one);
    put(two, &of_two);
    return a != b && of_one.length == of_two.length &&
           memcmp(of_one.data, of_two.data, of_one.length) == 0;
}

static void
put_msg(const void *field, MobBuf *into)
{
    mob_msg_encode(*(const MobMsg *const *)field, into);
}

#define SAME_THING(kind, put)                                                                      \
    static bool same_##kind(const void *one, const void *two)                                      \
    {                                                                                              \
        return same_thing(one, two, put);                                                          \
    }
SAME_THING(str, mob_kind_put_str)
SAME_THING(value, mob_kind_put_value)
SAME_THING(args, mob_kind_put_args)
SAME_THING(spec, mob_kind_put_spec)
SAME_THING(msg, put_msg)

static bool
same_text(const void *one, const void *two)
{
    const char *a = *(const char *const *)one;
    const char *b = *(const char *const *)two;

    return g_strcmp0(a, b) == 0 && (a == NULL || a != b);
}

static void
expect_same_note(const MobNote *one, const MobNote *two)
{
    cr_assert_eq(one->kind, two->kind);
#define FIELD(of, name)                                                                            \
    cr_assert(same_##of(&one->name, &two->name), "%s: %s", mob_note_name(one->kind), #name);
#include "runtime/notes_fields.def"
}

/* --- round trips --- */

static MobReport *
decode(const MobBuf *wire)
{
    /* An exact allocation, so that a sanitizer sees one byte too many. */
    g_autofree uint8_t *exact = g_memdup2(wire->data, wire->length);
    g_autoptr(GError) error = NULL;
    MobReport *report = mob_report_decode(exact, wire->length, &error);

    cr_assert_not_null(report, "%s", error != NULL ? error->message : "");
    return report;
}

enum {
#define FIELD(of, name) SEEN_##name,
#include "runtime/notes_fields.def"
    SEEN_COUNT,
};

static void
see_fields(const MobNote *note, bool *seen)
{
    static const MobNote empty;

#define FIELD(of, name)                                                                            \
    seen[SEEN_##name] |= memcmp(&note->name, &empty.name, sizeof empty.name) != 0;
#include "runtime/notes_fields.def"
}

Test(report, every_field_of_every_kind_of_note_survives_the_wire)
{
    uint64_t state = 1;

    for (int kind = 0; kind < MOB_NOTE_COUNT; kind++) {
        bool seen[SEEN_COUNT] = {false};
        for (int i = 0; i < 40; i++) {
            MobNote note;
            MobEvent event = {.role = MOB_ROLE_WORLD, .notes = &note, .note_count = 1};
            g_auto(MobBuf) wire = {0};
            generate_note(&state, (MobNoteKind)kind, &note);
            see_fields(&note, seen);
            mob_report_event_encode(&event, 7, &wire);
            g_autoptr(MobReport) report = decode(&wire);
            cr_assert_eq(report->event.note_count, 1);
            expect_same_note(&note, &report->event.notes[0]);
            generate_note_clear(&note);
        }
        for (int i = 0; i < SEEN_COUNT; i++)
            cr_assert(seen[i], "%s never had field %d", mob_note_name((MobNoteKind)kind), i);
    }
}

static void
expect_same_input(const MobInput *one, const MobInput *two)
{
    cr_assert_eq(one->kind, two->kind);
    cr_assert_eq(one->now, two->now);
    cr_assert_eq(one->event, two->event);
    if (one->kind == MOB_INPUT_MESSAGE || one->kind == MOB_INPUT_RESET ||
        one->kind == MOB_INPUT_CHILD || one->kind == MOB_INPUT_PRINTED)
        cr_assert(mob_address_eq(one->from, two->from));
    if (one->kind == MOB_INPUT_MESSAGE)
        cr_assert_eq(one->msg->type, two->msg->type);
    if (one->kind == MOB_INPUT_TIMER)
        cr_assert_eq(one->timer, two->timer);
    if (one->kind == MOB_INPUT_CALL) {
        cr_assert_eq(one->body.v, two->body.v);
        cr_assert_eq(one->call->kind, two->call->kind);
    }
    if (one->kind == MOB_INPUT_CHILD || one->kind == MOB_INPUT_PRINTED)
        cr_assert(same_text(&one->reason, &two->reason));
    if (one->kind == MOB_INPUT_DISK) {
        cr_assert_eq(one->disk->verb, two->disk->verb);
        cr_assert_eq(one->disk->end, two->disk->end);
        cr_assert_eq(one->disk->number, two->disk->number);
    }
    if (one->kind == MOB_INPUT_EVICT)
        cr_assert(mob_object_eq(one->object, two->object));
}

Test(report, events_survive_the_wire)
{
    uint64_t state = 2;
    int inputs[MOB_INPUT_COUNT + 1] = {0};

    for (uint64_t clock = 0; clock < 2000; clock++) {
        GeneratedEvent from;
        g_auto(MobBuf) wire = {0};
        generate_event(&state, &from);
        mob_report_event_encode(&from.event, clock, &wire);
        g_autoptr(MobReport) report = decode(&wire);
        const MobEvent *event = &report->event;

        cr_assert_eq(report->kind, MOB_REPORT_EVENT);
        cr_assert_eq(report->clock, clock);
        cr_assert_eq(report->at, from.event.at);
        cr_assert_eq(event->at, from.event.at);
        cr_assert_eq(event->number, from.event.number);
        cr_assert_eq(event->cause, from.event.cause);
        cr_assert(mob_address_eq(event->process, from.event.process));
        cr_assert_eq(event->role, from.event.role);
        cr_assert_eq(event->input == NULL, from.event.input == NULL);
        if (event->input != NULL)
            expect_same_input(from.event.input, event->input);
        inputs[event->input != NULL ? event->input->kind : MOB_INPUT_COUNT]++;
        cr_assert_eq(event->note_count, from.event.note_count);
        for (size_t i = 0; i < event->note_count; i++)
            expect_same_note(&from.event.notes[i], &event->notes[i]);
        generate_event_clear(&from);
    }
    for (int i = 0; i <= MOB_INPUT_COUNT; i++)
        cr_assert_gt(inputs[i], 0, "no input of kind %d", i);
}

Test(report, births_and_deaths_survive_the_wire)
{
    const MobProcInfo proc = {{3, 1002}, "n2/w0", "n2", MOB_ROLE_WORKER, 2};
    g_auto(MobBuf) wire = {0};

    mob_report_born_encode(&proc, 40, 41, &wire);
    g_autoptr(MobReport) born = decode(&wire);
    cr_assert_eq(born->kind, MOB_REPORT_BORN);
    cr_assert_eq(born->clock, 41);
    cr_assert_eq(born->at, 40);
    cr_assert(mob_address_eq(born->born.address, proc.address));
    cr_assert_str_eq(born->born.name, "n2/w0");
    cr_assert_str_eq(born->born.node_name, "n2");
    cr_assert_eq(born->born.role, MOB_ROLE_WORKER);
    cr_assert_eq(born->born.incarnation, 2);

    static const char *const whys[] = {NULL, "", "killed"};
    for (size_t i = 0; i < G_N_ELEMENTS(whys); i++) {
        wire.length = 0;
        mob_report_died_encode(proc.address, whys[i], 50, 51, &wire);
        g_autoptr(MobReport) died = decode(&wire);
        cr_assert_eq(died->kind, MOB_REPORT_DIED);
        cr_assert_eq(died->clock, 51);
        cr_assert_eq(died->at, 50);
        cr_assert(mob_address_eq(died->died.process, proc.address));
        cr_assert(same_text(&died->died.why, &whys[i]));
    }
}

/* Whether what is told of the delivery of a HealthCheck holds its number. */
static uint64_t
number_delivered(MobNoteKind kind)
{
    MobHealthCheck *check = mob_health_check_new();
    MobInput input = {.kind = MOB_INPUT_MESSAGE, .msg = &check->base};
    MobNote note = {.kind = kind, .msg = &check->base};
    MobEvent event = {.input = &input, .notes = &note, .note_count = 1};
    g_auto(MobBuf) wire = {0};

    check->number = 9;
    mob_report_event_encode(&event, 1, &wire);
    mob_msg_unref(&check->base);
    g_autoptr(MobReport) report = decode(&wire);
    return mob_health_check(report->event.input->msg)->number;
}

Test(report, a_delivered_message_is_there_if_it_was_noted_and_else_its_type)
{
    cr_assert_eq(number_delivered(MOB_NOTE_MESSAGE_DELIVERED), 9);
    cr_assert_eq(number_delivered(MOB_NOTE_MESSAGE_SENT), 0);
}

Test(report, a_note_takes_what_it_says_and_little_more)
{
    g_autoptr(MobStr) path = mob_str_new("3/1");
    MobNote note = {
        .kind = MOB_NOTE_REF_ADDED,
        .object = {{1, 2}, 3, 0},
        .owner = {1, 2},
        .to = {2, 1002},
        .path = path,
        .reason = "argument",
    };
    MobEvent event = {.role = MOB_ROLE_WORLD};
    g_auto(MobBuf) with = {0};
    g_auto(MobBuf) without = {0};

    mob_report_event_encode(&event, 1, &without);
    event.notes = &note;
    event.note_count = 1;
    mob_report_event_encode(&event, 1, &with);
    cr_assert_eq(with.length - without.length,
                 5 + 20 + 8 + 8 + (4 + strlen("3/1")) + (4 + strlen("argument")));
    cr_assert_lt(without.length, 64);
}

/* --- what is refused --- */

static void
expect_error(const uint8_t *data, size_t size, MobWireError code)
{
    g_autofree uint8_t *exact = g_memdup2(data, size);
    g_autoptr(GError) error = NULL;

    cr_assert_null(mob_report_decode(exact, size, &error));
    cr_assert(g_error_matches(error, MOB_WIRE_ERROR, (int)code), "%s", error->message);
}

Test(report, every_report_is_refused_when_cut_short_or_followed_by_more)
{
    uint64_t state = 3;

    for (int i = 0; i < 300; i++) {
        g_auto(MobBuf) wire = {0};
        generate_report(&state, &wire);
        for (size_t size = 0; size < wire.length; size++)
            expect_error(wire.data, size, MOB_WIRE_ERROR_TRUNCATED);
        mob_buf_add(&wire, "x", 1);
        expect_error(wire.data, wire.length, MOB_WIRE_ERROR_TRAILING);
    }
}

Test(report, noise_is_refused_or_read_but_never_trusted)
{
    uint64_t state = 4;
    int read = 0;

    for (int i = 0; i < 100000; i++) {
        g_auto(MobBuf) wire = {0};
        generate_report(&state, &wire);
        for (uint64_t flips = 1 + generate_below(&state, 4); flips > 0; flips--)
            wire.data[generate_below(&state, wire.length)] ^= (uint8_t)generate_below(&state, 256);
        g_autofree uint8_t *exact = g_memdup2(wire.data, wire.length);
        g_autoptr(MobReport) report = mob_report_decode(exact, wire.length, NULL);
        read += report != NULL;
    }
    cr_assert_gt(read, 0);
    cr_assert_lt(read, 100000);
}

/* --- one broken byte each --- */

typedef struct {
    size_t at;
    uint8_t byte;
    MobWireError error;
    const char *says;
} Broken;

static void
expect_refused(const MobBuf *wire, const Broken *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        g_autofree uint8_t *exact = g_memdup2(wire->data, wire->length);
        g_autoptr(GError) error = NULL;
        cr_assert_lt(cases[i].at, wire->length);
        exact[cases[i].at] = cases[i].byte;
        cr_assert_null(mob_report_decode(exact, wire->length, &error), "%s", cases[i].says);
        cr_expect(g_error_matches(error, MOB_WIRE_ERROR, (int)cases[i].error), "%s", cases[i].says);
        cr_expect_not_null(strstr(error->message, cases[i].says), "%s: not %s", error->message,
                           cases[i].says);
    }
}

/* Where things are: head 17, number, cause, process 24, role 1, input. */
enum {
    ROLE = 41,
    INPUT = 42,
    INPUT_TIMER = 43,
    NOTE_COUNT = 44,
    NOTE = 48,
    NOTE_MASK = 49,
    NOTE_FIELDS = 53,
};

Test(report, what_no_peer_would_send_is_malformed)
{
    MobNote note = {.kind = MOB_NOTE_WORKER_DIED, .final = true, .reason = "it"};
    MobInput input = {.kind = MOB_INPUT_TIMER};
    MobEvent event = {.input = &input, .notes = &note, .note_count = 1};
    g_auto(MobBuf) wire = {0};
    static const Broken cases[] = {
        {0, MOB_REPORT_COUNT, MOB_WIRE_ERROR_MALFORMED, "no such report"},
        {ROLE, MOB_ROLE_WORLD + 1, MOB_WIRE_ERROR_MALFORMED, "no such role"},
        {INPUT, MOB_INPUT_COUNT + 1, MOB_WIRE_ERROR_MALFORMED, "no such input"},
        {INPUT, MOB_INPUT_START, MOB_WIRE_ERROR_TRUNCATED, "ends after"},
        {INPUT_TIMER, MOB_TIMER_COUNT, MOB_WIRE_ERROR_MALFORMED, "no such timer"},
        {NOTE_COUNT + 3, 0xff, MOB_WIRE_ERROR_TRUNCATED, "ends after"},
        {NOTE_COUNT, 0, MOB_WIRE_ERROR_TRAILING, "followed by"},
        {NOTE, MOB_NOTE_COUNT, MOB_WIRE_ERROR_MALFORMED, "no such note"},
        {NOTE, MOB_NOTE_TASK_FAILED, MOB_WIRE_ERROR_MALFORMED, "lacks what it is about"},
        {NOTE, MOB_NOTE_MESSAGE_SENT, MOB_WIRE_ERROR_MALFORMED, "lacks what it is about"},
        {NOTE_MASK + 3, 0x80, MOB_WIRE_ERROR_MALFORMED, "a field that there is not"},
        {NOTE_FIELDS, 2, MOB_WIRE_ERROR_MALFORMED, "a flag is neither 0 nor 1"},
        {NOTE_FIELDS, 0, MOB_WIRE_ERROR_MALFORMED, "said to be set"},
        {NOTE_FIELDS + 1, 0, MOB_WIRE_ERROR_MALFORMED, "said to be set"},
        {NOTE_FIELDS + 4, 0xff, MOB_WIRE_ERROR_TRUNCATED, "ends after"},
        {NOTE_FIELDS + 5, 0, MOB_WIRE_ERROR_MALFORMED, "goes on behind its end"},
    };

    mob_report_event_encode(&event, 1, &wire);
    cr_assert_eq(wire.length, NOTE_FIELDS + 1 + 4 + strlen("it"));
    expect_refused(&wire, cases, G_N_ELEMENTS(cases));
}

Test(report, what_stands_inside_is_not_believed_either)
{
    static const Broken of_message[] = {
        {INPUT_TIMER + 8, 0xff, MOB_WIRE_ERROR_MALFORMED, "no such message"},
        {INPUT, MOB_INPUT_CALL, MOB_WIRE_ERROR_MALFORMED, "no such call"},
    };
    static const Broken of_decision[] = {
        {NOTE - 1 + 5, 0, MOB_WIRE_ERROR_MALFORMED, "said to be set"},
    };
    static const Broken of_message_note[] = {
        {NOTE - 1 + 5 + 1, 0xff, MOB_WIRE_ERROR_MALFORMED, "no such message"},
        {NOTE - 1 + 5 + 4, 2, MOB_WIRE_ERROR_MALFORMED, "a flag is neither 0 nor 1"},
    };
    static const Broken of_birth[] = {
        {17 + 8, 0, MOB_WIRE_ERROR_MALFORMED, "has no name"},
    };
    g_auto(MobBuf) wire = {0};
    MobMsg *msg = mob_msg_new(MOB_MSG_WORKER_BLOCKED);
    MobInput input = {.kind = MOB_INPUT_MESSAGE, .from = {.local = UINT32_MAX}, .msg = msg};
    MobNote note = {.kind = MOB_NOTE_DECIDE, .attempt = 1};
    MobEvent event = {.input = &input};

    mob_report_event_encode(&event, 1, &wire);
    expect_refused(&wire, of_message, G_N_ELEMENTS(of_message));
    event = (MobEvent){.role = MOB_ROLE_WORLD, .notes = &note, .note_count = 1};
    wire.length = 0;
    mob_report_event_encode(&event, 1, &wire);
    expect_refused(&wire, of_decision, G_N_ELEMENTS(of_decision));
    note = (MobNote){.kind = MOB_NOTE_MESSAGE_SENT, .msg = msg};
    wire.length = 0;
    mob_report_event_encode(&event, 1, &wire);
    expect_refused(&wire, of_message_note, G_N_ELEMENTS(of_message_note));
    wire.length = 0;
    mob_report_born_encode(&(MobProcInfo){.name = "", .node_name = "n1"}, 1, 1, &wire);
    expect_refused(&wire, of_birth, G_N_ELEMENTS(of_birth));
    mob_msg_unref(msg);
}
