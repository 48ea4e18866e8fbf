/* watch.h: how a run is looked at.
 *
 * A world tells its watchers of every event: one input delivered to one
 * process, together with what the step noted. A watcher is called after the
 * step and before its effects are carried out, so whoever acts on what it
 * sees (a story, a c:on) acts inside the event. Watchers are called in the
 * order in which they were added. State, traces, claims, properties and
 * stories are all watchers; none of them can change what a run does except by
 * giving orders (control.h).
 */
#pragma once

#include "runtime/notes.h"
#include "runtime/process.h"

typedef enum {
    MOB_ROLE_NODE,
    MOB_ROLE_GCS,
    MOB_ROLE_WORKER,
    MOB_ROLE_DRIVER,
    MOB_ROLE_WORLD, /* the world itself: faults, scenario alarms */
} MobRole;

typedef struct {
    MobAddress address;
    const char *name; /* "n1/w0", "n1" (its node manager), "gcs", "driver" (of job 2: "driver2") */
    const char *node_name; /* "n1" */
    MobRole role;
    uint32_t incarnation; /* of the same name, from 1 */
    uint32_t pid;         /* real processes: the system's number on their machine */
    int64_t cpus;         /* real node managers: of their machine, in MOB_UNIT … */
    uint64_t store_bytes; /* … and the capacity of its store */
} MobProcInfo;

/* One event. For MOB_ROLE_WORLD there is no input, only notes. */
typedef struct {
    uint64_t number; /* from 1 */
    uint64_t cause;  /* the event that put this one on the queue, 0 if none */
    MobTime at;
    MobAddress process;
    MobRole role;
    const MobInput *input; /* borrowed; NULL for MOB_ROLE_WORLD */
    const MobNote *notes;  /* borrowed */
    size_t note_count;
} MobEvent;

/* The event in which something happened, and its time. */
typedef struct {
    uint64_t event;
    MobTime at;
} MobWhen;

typedef struct MobWatcher MobWatcher;

struct MobWatcher {
    uint64_t wanted; /* bit per MobNoteKind: the notes that must be made for it; MOB_WANT_STEPS */
    void (*event)(MobWatcher *self, const MobEvent *event);
    /* Of births and deaths one is told at once; event() follows if they come with notes. May be
     * NULL. */
    void (*born)(MobWatcher *self, const MobProcInfo *proc, MobWhen when);
    void (*died)(MobWatcher *self, MobAddress proc, const char *why, MobWhen when);
    /* Bit per MobNoteKind: it may act on them inside the event, so a real process stands still
     * there until it has been told. */
    uint64_t acts;
};

#define MOB_WANT(CONSTANT) (UINT64_C(1) << MOB_NOTE_##CONSTANT)
#define MOB_WANT_ALL       (~UINT64_C(0))
/* Also the events in which nothing is noted. Who does not say so may be told of
 * them, or not: real processes spare themselves the report. */
#define MOB_WANT_STEPS (UINT64_C(1) << 63)
#define MOB_WANT_DEAR  (MOB_WANT(MESSAGE_SENT) | MOB_WANT(MESSAGE_DELIVERED))
