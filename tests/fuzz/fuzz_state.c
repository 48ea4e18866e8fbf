/* fuzz_state.c: whatever processes report of themselves, in whatever order, whoever
 * keeps what is true neither crashes nor keeps more than it should.
 *
 * An input is reports, each behind its length; what cannot be decoded is left
 * out, as it is by whoever looks on.
 */
#include "tests/fuzz/fuzz.h"

#include "runtime/report.h"
#include "runtime/state.h"
#include "tests/fuzz/tame.h"
#include "tests/generate_report.h"

enum {
    KEPT = 20,
    RETURNS_MAX = 100,  /* a task that returns a million values may be, and takes its time */
    GROWS_TO = 1 << 18, /* entries; no other input can tell of so many */
};

static bool
is_quick(const MobReport *report)
{
    for (size_t i = 0; report->kind == MOB_REPORT_EVENT && i < report->event.note_count; i++)
        if (report->event.notes[i].spec != NULL &&
            report->event.notes[i].spec->returns > RETURNS_MAX)
            return false;
    return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    MobState *state = mob_state_new();
    uint64_t number = 0;

    mob_state_keep(state, KEPT);
    for (size_t at = 0; at + 2 <= size;) {
        size_t length = MIN((size_t)(data[at] | data[at + 1] << 8), size - at - 2);
        g_autoptr(MobReport) report = mob_report_decode(data + at + 2, length, NULL);
        at += 2 + length;
        if (report == NULL || !is_quick(report))
            continue;
        report->event.number = ++number;
        mob_report_tell(report, number, &state->watcher);
        g_assert(state->objects->len + state->tasks->len < GROWS_TO);
    }
    mob_state_free(state);
    return 0;
}

static void
tame_report(uint64_t *state, MobBuf *into)
{
    GeneratedEvent event;

    generate_event(state, &event);
    for (size_t i = 0; i < event.event.note_count; i++)
        tame_note(state, &event.notes[i]);
    mob_report_event_encode(&event.event, 1, into);
    generate_event_clear(&event);
}

static void
born_or_died(uint64_t *state, MobBuf *into)
{
    MobAddress who = tame_address(generate_below(state, TAME_ADDRESSES));
    MobProcInfo proc = {.address = who,
                        .name = "n1",
                        .node_name = "n1",
                        .role = (MobRole)generate_below(state, MOB_ROLE_WORLD + 1)};

    if (generate_below(state, 2) == 0)
        mob_report_died_encode(who, "why", 1, 1, into);
    else
        mob_report_born_encode(&proc, 1, 1, into);
}

void
fuzz_seed(uint64_t *state, MobBuf *into)
{
    for (uint64_t count = 1 + generate_below(state, 30); count > 0; count--) {
        g_auto(MobBuf) report = {0};
        if (generate_below(state, 6) == 0)
            born_or_died(state, &report);
        else
            tame_report(state, &report);
        if (report.length > UINT16_MAX)
            continue;
        uint8_t head[] = {(uint8_t)(report.length & 0xff), (uint8_t)(report.length >> 8)};
        mob_buf_add(into, head, sizeof head);
        mob_buf_add(into, report.data, report.length);
    }
}
