/* report.h: what watchers are told, as bytes.
 *
 * A real process is looked at from another one: whatever it would tell a
 * watcher travels as a report and is told there. A report is one event with
 * its notes, one birth or one death, and the hybrid logical clock of the
 * sender, by which the receiver puts the reports of many senders in order.
 *
 * Of a note only the fields that are set are written, so most take less than
 * a hundred bytes. Of an input as much as people are shown: its kind, and
 * whom, which timer, which call and which type of message it was; not what a
 * call asked for, nor the records that a process starts with.
 *
 * The bytes come from a peer: everything in them is checked, and one report
 * has one encoding.
 */
#pragma once

#include "runtime/watch.h"

typedef enum {
    MOB_REPORT_EVENT,
    MOB_REPORT_BORN,
    MOB_REPORT_DIED,
    MOB_REPORT_COUNT,
} MobReportKind;

/* Owns all that it points to, the texts included that are static in the
 * sender; who wants to keep something takes a reference or a copy of it. */
typedef struct {
    MobReportKind kind;
    uint64_t clock; /* the sender's hybrid logical clock */
    MobTime at;     /* as the sender has it, of every kind of report */
    union {
        /* If a message was delivered, event.input->msg is the one that was
         * noted as delivered; if none was noted, an empty one of its type. */
        MobEvent event;
        MobProcInfo born;
        struct {
            MobAddress process;
            const char *why; /* may be NULL */
        } died;
    };
} MobReport;

/* Each appends one report to @into. */
void mob_report_event_encode(const MobEvent *event, uint64_t clock, MobBuf *into);
void mob_report_born_encode(const MobProcInfo *proc, MobTime at, uint64_t clock, MobBuf *into);
/* @why may be NULL. */
void mob_report_died_encode(MobAddress process, const char *why, MobTime at, uint64_t clock,
                            MobBuf *into);

/* Returns (transfer full) the report in @data, or NULL with MOB_WIRE_ERROR. */
MobReport *mob_report_decode(const uint8_t *data, size_t size, GError **error);
void mob_report_free(MobReport *report);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MobReport, mob_report_free)

/* Tells @watcher what the sender would have told it; a birth or death happened
 * in @event. */
void mob_report_tell(const MobReport *report, uint64_t event, MobWatcher *watcher);
