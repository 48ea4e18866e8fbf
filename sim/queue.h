/* queue.h: what is going to happen, in order.
 *
 * Every entry has a moment, a tie and a sequence number, and entries come out
 * in exactly the order (at, tie, seq), wherever they were kept. The tie is 0
 * in a plain run, so that things of one instant happen in the order in which
 * they were scheduled; a run that shuffles gives hashes as ties.
 *
 * Entries are kept in a 4-ary heap, or, when they happen to come in order, in
 * one of a few rings ("lanes"). Most things are scheduled a constant delay
 * ahead, a hop for instance, and so arrive at their lane already sorted: a
 * push is then an append. An entry that would break the order of its lane goes
 * to the heap. The least of all heads is the next event.
 *
 * An entry is 32 bytes and names a slot, where the rest stands. Cancelling
 * frees the slot; the entry stays behind, is known by its old generation, and
 * is dropped when it comes to the front.
 */
#pragma once

#include <glib.h>

#include "runtime/ids.h"

typedef enum {
    MOB_LANE_NOW,  /* at this very instant */
    MOB_LANE_NEAR, /* one hop inside a machine */
    MOB_LANE_FAR,  /* one hop between machines; several rings, because what comes
                    * behind a backlog of a network card is further ahead */
    MOB_LANE_FAR_LAST = MOB_LANE_FAR + 3,
    MOB_LANE_COUNT,
    MOB_LANE_NONE = MOB_LANE_COUNT, /* anything else: the heap */
} MobLane;

typedef struct {
    MobTime at;
    uint64_t tie;
    uint64_t seq;
    uint32_t slot;
    uint32_t generation;
} MobEntry;

G_STATIC_ASSERT(sizeof(MobEntry) == 32);

/* What happens, and to whom. The queue only looks at foreground. */
typedef struct {
    uint8_t kind;    /* MobHappening */
    uint8_t end;     /* of a connection, or a MobTimer */
    bool foreground; /* the cluster is not at rest while this pends */
    uint8_t flags;
    uint32_t epoch;
    uint32_t depth; /* length of the chain of events of one instant that led here */
    void *subject;  /* a place, connection or machine */
    void *what;     /* a message, or whatever the kind says */
    uint64_t number;
    uint64_t cause; /* the event that scheduled this */
} MobSlot;

/* Names a pending entry, for cancelling; 0 is none. */
typedef uint64_t MobHandle;

typedef struct {
    MobSlot content;
    uint32_t generation;
    uint32_t next_free;
} MobQueueCell;

typedef struct {
    MobEntry *entries; /* capacity is a power of two */
    uint32_t capacity;
    uint32_t head;
    uint32_t count;
} MobRing;

typedef struct {
    MobEntry *heap;
    size_t heap_count;
    size_t heap_capacity;
    MobRing lanes[MOB_LANE_COUNT];
    MobQueueCell *cells;
    uint32_t cell_count;
    uint32_t cell_capacity;
    uint32_t free_cell; /* 0: none; cell 0 is never used */
    uint64_t seq;       /* of the newest entry */
    size_t count;       /* pending, cancelled ones not counted */
    size_t foreground;  /* of these, how many are */
    MobLane least;      /* where the head is, if it was peeked at since the last change */
    bool peeked;
} MobQueue;

void mob_queue_init(MobQueue *queue);
/* Frees the memory; what the slots own must be gone. */
void mob_queue_clear(MobQueue *queue);

/* Schedules a copy of @slot. @lane is a hint. */
MobHandle mob_queue_push(MobQueue *queue, MobTime at, uint64_t tie, MobLane lane,
                         const MobSlot *slot);
/* The same under a sequence number that was given earlier: for what has been
 * put off and must keep its place. */
MobHandle mob_queue_push_aged(MobQueue *queue, MobTime at, uint64_t tie, uint64_t seq,
                              const MobSlot *slot);

/* When the next thing happens; false if nothing does. */
bool mob_queue_peek(MobQueue *queue, MobTime *at);
/* Takes the next thing; there must be one. */
MobEntry mob_queue_pop(MobQueue *queue, MobSlot *slot);

/* For who wants to have in the cache what is going to be needed: what stands
 * @ahead places behind the front of @lane; NULL if nothing does. */
const MobSlot *mob_queue_soon(const MobQueue *queue, MobLane lane, uint32_t ahead);
/* The same, where only its slot is wanted in the cache. */
void mob_queue_prefetch(const MobQueue *queue, MobLane lane, uint32_t ahead);

/* Forgets an entry that still pends; what it owned is the caller's. */
void mob_queue_cancel(MobQueue *queue, MobHandle handle);
void mob_queue_set_foreground(MobQueue *queue, MobHandle handle, bool foreground);

/* Empties the queue, calling @drop for each thing in it, in no special order. */
void mob_queue_drain(MobQueue *queue, void (*drop)(void *data, MobSlot *slot), void *data);

/* What has arrived at a process that cannot take it yet; first in, first out. */
typedef struct {
    MobSlot *slots; /* capacity is a power of two, or 0 */
    uint32_t capacity;
    uint32_t head;
    uint32_t count;
    uint32_t foreground; /* of these, how many are */
} MobInbox;

void mob_inbox_put(MobInbox *inbox, const MobSlot *slot);
/* The first, borrowed; NULL if there is none. */
const MobSlot *mob_inbox_peek(const MobInbox *inbox);
bool mob_inbox_take(MobInbox *inbox, MobSlot *slot);
