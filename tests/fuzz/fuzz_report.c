/* fuzz_report.c: whatever calls itself a report is refused or is one.
 *
 * What is understood is written again, and must then be the same bytes.
 */
#include "tests/fuzz/fuzz.h"

#include "tests/generate_report.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(MobReport) report = mob_report_decode(data, size, NULL);
    g_auto(MobBuf) again = {0};

    if (report == NULL)
        return 0;
    if (report->kind == MOB_REPORT_EVENT)
        mob_report_event_encode(&report->event, report->clock, &again);
    else if (report->kind == MOB_REPORT_BORN)
        mob_report_born_encode(&report->born, report->at, report->clock, &again);
    else
        mob_report_died_encode(report->died.process, report->died.why, report->at, report->clock,
                               &again);
    g_assert(again.length == size && memcmp(again.data, data, size) == 0);
    return 0;
}

void
fuzz_seed(uint64_t *state, MobBuf *into)
{
    generate_report(state, into);
}
