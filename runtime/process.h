/* process.h: the seam between the protocol and the world.
 *
 * A process is a state machine. It is given one input at a time and answers
 * with effects; it reads no clock, opens no socket and draws no entropy, so a
 * sequence of inputs fully determines what it does. sim/ and net/ are the two
 * worlds that drive processes, and neither is known here.
 *
 *                 input                    effects
 *     world  ---------------->  process  ------------->  world
 *             one at a time      step      in order, after the step
 *
 * The contract:
 *  - An input is borrowed for the length of the step; whatever is put in the
 *    outbox is given away.
 *  - Effects are carried out after the step: first everything persisted, so
 *    that it is durable before any message leaves, then the rest in order.
 *  - A step cannot fail, and cannot be entered again while it runs.
 *  - A process that is killed inside a step has taken the step but none of
 *    its effects happen, what it persisted included.
 *  - Between two processes messages arrive in order, or the connection breaks
 *    and both ends that still live are told by MOB_INPUT_RESET; what was under
 *    way is lost then. A message sent after that opens a new connection. A
 *    reset is not a death: only the GCS (for nodes) and the node manager (for
 *    workers) say who is dead. A machine that died says nothing at all.
 */
#pragma once

#include "runtime/body.h"
#include "runtime/config.h"
#include "runtime/disk.h"
#include "runtime/msg.h"
#include "runtime/notes.h"
#include "runtime/pick.h"

typedef struct MobProcess MobProcess;

/* One alarm each per process; setting it again replaces it. */
typedef enum {
#define TIMER(CONSTANT, background, doc) MOB_TIMER_##CONSTANT,
#include "runtime/timers.def"
    MOB_TIMER_COUNT,
} MobTimer;

/* Whether a cluster in which only such timers pend is at rest. */
bool mob_timer_is_background(MobTimer timer);
const char *mob_timer_name(MobTimer timer);

typedef enum {
    MOB_INPUT_START,   /* first input of every process; records: what an earlier life persisted */
    MOB_INPUT_MESSAGE, /* from, msg */
    MOB_INPUT_RESET,   /* from: the connection to this process broke */
    MOB_INPUT_TIMER,   /* timer */
    MOB_INPUT_CALL,    /* body, call: a task body stopped at a call */
    MOB_INPUT_CHILD,   /* from, reason: a worker process of this machine has ended */
    MOB_INPUT_LEAVE,   /* node manager: drain, then exit */
    MOB_INPUT_EVICT,   /* node manager: object: drop the copy here, primary or not (a fault) */
    MOB_INPUT_PRINTED, /* node manager: from, reason: a process of this machine wrote that text */
    MOB_INPUT_DISK,    /* node manager: disk: an order to the disk has come to its end */
    MOB_INPUT_COUNT,
} MobInputKind;

const char *mob_input_name(MobInputKind kind);

/* What was persisted: the newest value under each key, in order of first writing. */
typedef struct {
    const MobStr *key;
    GBytes *value;
} MobPersisted;

typedef struct {
    MobInputKind kind;
    MobTime now;
    uint64_t event;  /* the number of this event */
    MobPicks *picks; /* this process's choices */
    MobAddress from;
    const MobMsg *msg;
    MobTimer timer;
    MobBodyId body;
    const MobCall *call;
    MobObjectId object;
    const char *reason;
    const MobDiskAnswer *disk;
    const MobPersisted *records;
    size_t record_count;
} MobInput;

typedef enum {
    MOB_EFFECT_SEND,    /* address, msg (owned) */
    MOB_EFFECT_START,   /* body, spec, args, attempt, bundle (owned): run to its first call */
    MOB_EFFECT_RESUME,  /* body, answer (owned) */
    MOB_EFFECT_COMPUTE, /* body, time: hold a core for so long, then resume with an empty answer */
    MOB_EFFECT_SLEEP,   /* body, time: resume with an empty answer at that moment */
    MOB_EFFECT_END,     /* body: free it */
    MOB_EFFECT_SPAWN,   /* address: start a worker process there */
    MOB_EFFECT_KILL,    /* address: end that worker process of this machine */
    MOB_EFFECT_OUTPUT,  /* value: text a program printed; body */
    MOB_EFFECT_DISK,    /* disk (owned), see disk.h */
    MOB_EFFECT_EXIT,    /* str: this process is done, and why */
} MobEffectKind;

typedef struct {
    MobEffectKind kind;
    MobAddress address;
    MobMsg *msg;
    MobBodyId body;
    MobTime time;
    MobTaskSpec *spec;
    MobArgs *args;
    uint32_t attempt;
    MobValue *bundle;
    MobAnswer answer;
    MobStr *str;
    MobDiskOrder *disk;
} MobEffect;

typedef struct {
    GArray *effects;                 /* of MobEffect, in order */
    GArray *persists;                /* of MobPersist */
    GArray *notes;                   /* of MobNote */
    GStringChunk *words;             /* texts of notes; NULL until there is one */
    uint64_t wanted;                 /* bit per MobNoteKind: which notes anybody listens to */
    MobTime alarms[MOB_TIMER_COUNT]; /* when each timer fires next; 0 leaves it alone */
    bool alarmed;                    /* something was set in alarms */
    guint room;                      /* so many effects fit: there have been as many before */
} MobOutbox;

typedef struct {
    MobStr *key;   /* owned */
    GBytes *value; /* owned; NULL deletes */
} MobPersist;

void mob_outbox_init(MobOutbox *out);
void mob_outbox_clear(MobOutbox *out);
/* Frees what the effects own and empties the outbox. */
void mob_outbox_drop(MobOutbox *out);

static inline MobEffect *
mob_effect(MobOutbox *out, MobEffectKind kind)
{
    GArray *effects = out->effects;

    if (effects->len < out->room) {
        effects->len++;
    } else {
        g_array_set_size(effects, effects->len + 1);
        out->room = effects->len;
    }
    MobEffect *effect = &g_array_index(effects, MobEffect, effects->len - 1);
    memset(effect, 0, sizeof *effect);
    effect->kind = kind;
    return effect;
}

/* Sends @msg (transfer full) once the step is over. */
static inline void
mob_send(MobOutbox *out, MobAddress to, void *msg)
{
    MobEffect *effect = mob_effect(out, MOB_EFFECT_SEND);
    effect->address = to;
    effect->msg = msg;
}

/* Sets a timer; a timer has one alarm, so this replaces an earlier one. */
static inline void
mob_set_timer(MobOutbox *out, MobTimer timer, MobTime at)
{
    g_assert(at > 0);
    out->alarms[timer] = at;
    out->alarmed = true;
}

static inline void
mob_stop_timer(MobOutbox *out, MobTimer timer)
{
    out->alarms[timer] = MOB_TIME_NEVER;
    out->alarmed = true;
}

/* Makes the body @body of this process (its references transferred) and runs
 * it to its first call, which comes back as MOB_INPUT_CALL. @bundle is the
 * program; the world keeps it loaded for the life of the process. */
void mob_start(MobOutbox *out, MobBodyId body, MobTaskSpec *spec, MobArgs *args, uint32_t attempt,
               MobValue *bundle);
void mob_resume(MobOutbox *out, MobBodyId body, MobAnswer answer);
void mob_compute(MobOutbox *out, MobBodyId body, MobTime duration);
void mob_sleep(MobOutbox *out, MobBodyId body, MobTime until);
void mob_end(MobOutbox *out, MobBodyId body);
void mob_output(MobOutbox *out, MobBodyId body, MobStr *text);
void mob_spawn(MobOutbox *out, MobAddress worker);
void mob_kill(MobOutbox *out, MobAddress worker);
void mob_exit(MobOutbox *out, MobStr *reason);
/* Gives @order (taken) to the disk of this machine. */
void mob_disk(MobOutbox *out, MobDiskOrder *order);
/* Takes @value; NULL forgets @key. */
void mob_persist(MobOutbox *out, MobStr *key, GBytes *value);

/* Whether anybody listens to this kind of note: ask before making a dear one. */
static inline bool
mob_wants(const MobOutbox *out, MobNoteKind kind)
{
    return (out->wanted >> kind & 1) != 0;
}

/* Keeps what @note points to: a step may free it before anybody is told. */
void mob_note_keep(MobOutbox *out, const MobNote *note);
/* Empties the notes, when whoever listens has been told. */
void mob_outbox_forget_notes(MobOutbox *out);

/* Notes a fact for the trace. */
static inline void
mob_note(MobOutbox *out, MobNote note)
{
    if (mob_wants(out, note.kind))
        mob_note_keep(out, &note);
}

/* How soon a message arrives: what is fetched at one distance says at the next
 * where more is. */
typedef enum {
    MOB_AHEAD_FAR,
    MOB_AHEAD_NEAR,
    MOB_AHEAD_NEXT,
} MobAhead;

typedef struct {
    const char *name; /* "gcs", "node", "worker" */
    void (*step)(MobProcess *self, const MobInput *input, MobOutbox *out);
    /* Appends the whole state, in a fixed order, for people and for tests. */
    void (*dump)(const MobProcess *self, GString *into);
    void (*free)(MobProcess *self);
    /* Brings into the cache what a step with @msg is going to read. For speed
     * alone: it changes nothing. May be NULL. */
    void (*ahead)(const MobProcess *self, const MobMsg *msg, MobAhead how_near);
} MobProcessClass;

struct MobProcess {
    const MobProcessClass *class;
    MobAddress address;
};
