/* trace.h: everything that happened in a run, kept compactly in memory.
 *
 * A watcher that writes one row per event, one per note and one per message
 * as it looks on; nothing is formatted until somebody reads. The run's
 * database is written from it afterwards. It is dear (it makes the world note
 * every message), so sweeps leave it out.
 *
 * A trace names tasks, attempts and objects by pointing into a MobState, which
 * must be watching already: add the state to the world first, and free the
 * trace before the state.
 *
 * What was left out because a bound was reached is said by @cut_at.
 */
#pragma once

#include "runtime/pick.h"
#include "runtime/reasons.h"

typedef struct {
    uint64_t number;
    uint64_t cause;
    MobTime at;
    MobAddress process;
    uint32_t message; /* row + 1 of the one that was delivered; 0 if none was */
    uint32_t note;    /* row of the first note */
    uint16_t note_count;
    uint8_t input;  /* MobInputKind; MOB_INPUT_COUNT: an event of the world itself */
    uint8_t detail; /* timer or call kind */
    uint32_t padding;
} MobTraceEvent;

/* A note; @worker and @other are the processes it is about, by kind: owner
 * and worker of a task, holder of a reference, from and to of a fault. */
typedef struct {
    const MobStateTask *task;
    const MobStateAttempt *attempt;
    const MobStateObject *object;
    MobAddress worker;
    MobAddress other;
    uint64_t bytes; /* of a fault: its line */
    const char *text;
    uint32_t node;
    uint32_t because; /* row of the first */
    uint8_t kind;     /* MobNoteKind */
    uint8_t because_count;
    bool final;
    uint8_t padding;
    uint32_t event; /* row of its event */
} MobTraceNote;

typedef enum {
    MOB_FATE_UNDER_WAY, /* when the run ended */
    MOB_FATE_ARRIVED,
    MOB_FATE_RESET, /* the connection broke */
    MOB_FATE_DEAD,  /* nobody lived there any more */
} MobFate;

const char *mob_fate_name(MobFate fate);

typedef struct {
    MobAddress from;
    MobAddress to;
    uint64_t sent; /* event */
    MobTime sent_at;
    uint64_t arrived;
    MobTime arrived_at;
    uint32_t bytes_low;
    uint16_t bytes_high;
    uint8_t type; /* MobMsgType */
    uint8_t fate;
    uint32_t next; /* row + 1 of the next one between the same two */
    uint32_t padding;
} MobTraceMessage;

typedef struct {
    uint64_t event;
    uint64_t key;
    uint64_t ordinal;
    uint64_t arity;
    uint64_t picked;
    uint64_t boring;
    uint32_t kind; /* MobPickKind */
} MobTraceChoice;

typedef struct {
    MobWatcher watcher; /* add this to the world, after the state's */
    const MobState *state;
    GArray *events;   /* of MobTraceEvent, ascending numbers */
    GArray *notes;    /* of MobTraceNote; those about messages are rows of messages */
    GArray *messages; /* of MobTraceMessage, in order of sending */
    GArray *because;  /* of MobBecause */
    GArray *choices;  /* of MobTraceChoice */
    uint64_t cut_at;  /* the first event that was not kept; 0: all were */
} MobTrace;

enum {
    MOB_TRACE_ROWS = 4 * 1000 * 1000
};

/* Keeps at most @rows_max events, notes and messages each; 0 is MOB_TRACE_ROWS. */
MobTrace *mob_trace_new(const MobState *state, size_t rows_max);
void mob_trace_free(MobTrace *trace);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MobTrace, mob_trace_free)

/* A MobPickListener; its data is the trace. */
void mob_trace_pick(void *trace, MobPickKind kind, uint64_t key, uint64_t ordinal, uint64_t n,
                    uint64_t picked, uint64_t boring);

/* The event of that number; NULL if it was not kept. */
const MobTraceEvent *mob_trace_event(const MobTrace *trace, uint64_t number);
/* Of a message: what has become of it, its receiver's death considered. */
MobFate mob_trace_fate(const MobTrace *trace, const MobTraceMessage *message);

static inline uint64_t
mob_trace_bytes(const MobTraceMessage *message)
{
    return (uint64_t)message->bytes_high << 32 | message->bytes_low;
}
