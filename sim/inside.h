/* inside.h: what a world is made of; for the files of this folder only.
 *
 *     MobWorld
 *       MobBox         a machine: cores, speed, network card, disk
 *         MobLife      from one start of it to its end: a NodeId
 *           MobPlace   one process, from its spawn to its end
 *             MobHosted  a body of user code that this process runs
 *       MobConn        a connection between two addresses, with two ends
 *       MobQueue       what is going to happen
 *
 * Boxes, lives and places are never freed before the world is, so a pointer
 * to one is always good; what they own goes when they die. Connections are
 * counted: by the tables of their ends and by what is under way on them.
 *
 * The life of an event:
 *     queue -> (arrives at a place) -> [inbox, while it is busy or paused]
 *           -> step -> hash -> watchers -> effects -> queue
 */
#pragma once

#include "runtime/control.h"
#include "runtime/link.h"
#include "runtime/node.h"
#include "runtime/worker.h"
#include "sim/cast.h"
#include "sim/journal.h"
#include "sim/queue.h"
#include "sim/world.h"

typedef struct MobBox MobBox;
typedef struct MobLife MobLife;
typedef struct MobPlace MobPlace;
typedef struct MobHosted MobHosted;
typedef struct MobConn MobConn;
typedef struct MobFaultRun MobFaultRun;
typedef struct MobDisk MobDisk;

__extension__ typedef unsigned __int128 MobWide;

/* The kinds of slots in the queue. Those up to MOB_AT_ANSWER are inputs. */
typedef enum {
    MOB_AT_START,   /* place */
    MOB_AT_MESSAGE, /* connection; end: of the sender; what: the message; number: its bytes */
    MOB_AT_RESET,   /* connection; end: that is told; what: its place */
    MOB_AT_TIMER,   /* place; end: the timer */
    MOB_AT_CALL,    /* place; number: the body */
    MOB_AT_CHILD,   /* place; number: address of who ended; what: why, a text of the world */
    MOB_AT_LEAVE,   /* place */
    MOB_AT_EVICT,   /* place; what: the object's id, owned */
    MOB_AT_ANSWER,  /* place; what: a MobDiskAnswer of its disk, owned */
    MOB_AT_SERVE,   /* place: it is done with what it had, or goes on: the next in its inbox */
    MOB_AT_WAKE,    /* place; number: the body that slept */
    MOB_AT_CORES,   /* box: a body has had its core time */
    MOB_AT_DISK,    /* box: the order that its disk carries out is at its end */
    MOB_AT_BREAK,   /* connection: the sixth loss in a row */
    MOB_AT_STALL,   /* connection: nothing has got through for too long */
    MOB_AT_ORPHANS, /* life: its node manager is gone, the rest goes too */
    MOB_AT_ALARM,   /* what: an Alarm of control.c, owned */
} MobHappening;

/* What is special about a message under way: bits of its slot's flags. */
enum {
    MOB_FLAG_TAKEN_IN = 1,   /* it has queued at the receiving network card, or behind what has */
    MOB_FLAG_LOSE_IT = 2,    /* the connection breaks when it arrives */
    MOB_FLAG_LOSE_REPLY = 4, /* the connection breaks when it has been handled */
    MOB_FLAG_STRAY = 8,      /* its connection is broken already; it arrives all the same */
};

enum {
    MOB_FIRST_WORKER = 1002,    /* drivers have the locals below */
    MOB_LIVELOCK_DEPTH = 10000, /* see world.c */
    MOB_LIVELOCK_REPEATS = 1000000,
    MOB_PACKET = 1500, /* what fits here does not queue where it arrives */
};

typedef struct {
    MobTime at;     /* MOB_TIME_NEVER: not set */
    uint64_t seq;   /* its age, for the order among its instant */
    uint64_t cause; /* the event that set it */
    uint32_t depth;
    bool ringing;     /* came due, and its input is not taken yet */
    MobTime queued;   /* the moment of the entry in the queue, if any */
    MobHandle handle; /* 0: no entry */
} MobAlarm;

typedef enum {
    MOB_PLACE_STARTING, /* spawned, not born yet */
    MOB_PLACE_LIVE,
    MOB_PLACE_DEAD,
} MobPlaceState;

/* What every message needs stands in the first two cache lines. */
struct MobPlace {
    MobProcess *process; /* owned; NULL unless it lives */
    MobAddress address;
    MobPlaceState state;
    MobRole role;
    MobTime cost;      /* CPU per message; 0: none */
    MobConn *last;     /* of conns: the one used last */
    MobTable *conns;   /* peer -> MobConn, each holding a reference */
    uint32_t paused;   /* by so many faults */
    uint32_t job;      /* of a driver; else 0 */
    MobHandle serve;   /* pending MOB_AT_SERVE; foreground if anything in the inbox is */
    MobHosted *hosted; /* owned, oldest first: few at a time, of a worker one */
    MobInbox inbox;
    MobPicks *picks; /* owned */
    const char *name;
    const char *node_name;
    const MobValue *bundle; /* of bundles: the newest */
    MobLife *life;
    GPtrArray *bundles; /* of MobValue, owned: programs that it has run */
    MobAlarm alarms[MOB_TIMER_COUNT];
    MobHandle start;     /* pending MOB_AT_START */
    MobJournal *journal; /* borrowed from the box; NULL until it is needed */
    const char *why;     /* it died */
    uint32_t incarnation;
};

struct MobLife {
    uint32_t node; /* MobNodeId */
    MobBox *box;
    MobPlace *manager;
    GPtrArray *low;     /* of MobPlace or NULL: locals below MOB_FIRST_WORKER */
    GPtrArray *workers; /* of MobPlace: locals from there on */
};

/* A body that holds a core, and how much it still wants. */
typedef struct {
    MobHosted *hosted;
    MobWide left; /* in millionths of a nanosecond at nominal speed */
} MobShare;

struct MobBox {
    const char *name;
    uint32_t index; /* in world->boxes */
    bool head;
    bool alive;
    MobLife *life;      /* the newest */
    MobResources total; /* owned */
    uint64_t store_bytes;
    uint64_t disk_bytes; /* 0: no limit */
    MobDisk *disk;       /* owned */
    uint32_t cores;
    uint32_t speed_ppm;   /* at present */
    uint32_t speed_usual; /* unless a fault says otherwise */
    MobLink out;          /* the network card, both ways: rate and free_at only */
    MobLink in;
    MobLink quick;       /* single packets going out: they wait for each other alone */
    GPtrArray *journals; /* of Journal in machine.c, owned */
    /* cores.c */
    GArray *shares;    /* of MobShare, in order of starting */
    MobTime shares_at; /* left is as of then */
    MobHandle shares_due;
};

struct MobHosted {
    MobBodyId id;
    MobHosted *next; /* of the same place */
    MobPlace *place;
    MobBody *body;     /* owned */
    MobTaskSpec *spec; /* owned */
    MobArgs *args;     /* owned */
    MobBodyContext context;
    MobCall call;
    bool calling;      /* call waits to be delivered */
    bool computing;    /* is in the shares of its box, or parked */
    MobWide left;      /* parked: what it still wants when its process goes on */
    MobHandle pending; /* a sleep */
    uint64_t cause;    /* the event that let it compute or sleep */
    /* For telling a polling loop from work; see bodies.c. */
    uint64_t tortoise;
    uint32_t steps;
    uint32_t power;
    uint32_t repeats;
};

/* A message that a fault holds back; another may have marked it before. */
typedef struct {
    MobMsg *msg; /* owned */
    uint8_t flags;
    uint64_t cause; /* the event that sent it */
} MobStalled;

/* One end of a connection, and what this end sends. */
typedef struct {
    MobAddress address;
    MobPlace *place;     /* NULL: nobody is there, as far as was seen */
    MobBox *box;         /* NULL: no such machine */
    uint32_t epoch;      /* what is under way with another one is lost */
    uint32_t broken;     /* times the connection broke for this end … */
    uint32_t told;       /* … and was told so; what it sends between is lost */
    bool dangling;       /* the other end vanished silently */
    bool owed;           /* the other process has died, and the word of it is held back by a cut */
    MobTime last_arrive; /* of what this end sent: nothing may overtake it */
    MobTime ready_at;    /* the other end's network card still takes in the one before */
    GArray *stalled;     /* of MobStalled: held back by a fault; NULL if never used */
} MobEnd;

struct MobConn {
    MobEnd end[2]; /* [0] opened it; both are one if a process talks to itself */
    uint32_t refs;
    bool local;      /* inside one machine */
    uint32_t number; /* from 1: the key of its picks and ties */
    bool listed;     /* in world->stalled */
    MobHandle stall; /* pending MOB_AT_STALL */
};

typedef struct {
    uint32_t number; /* from 1 */
    const char *name;
    MobPlace *driver;
    bool done;        /* finished, or its driver is dead */
    MobValue *result; /* owned */
} MobJobRun;

struct MobWorld {
    MobControl control; /* must be first */
    const MobCast *cast;
    MobConfig config;
    MobPickConfig pick_config;
    MobPicks *picks; /* the world's own choices */
    MobLoader *loader;
    bool encode;
    bool shuffle;
    MobLink wire;  /* latency, jitter, loss, repetition between machines */
    uint64_t rate; /* of a network card */

    MobQueue queue;
    MobTime now;
    uint64_t events; /* number of the newest event */
    uint64_t cause;  /* the event that what is scheduled now comes from; 0: nobody's */
    uint32_t depth;  /* of the present event; see world.c */
    uint64_t hash;
    GArray *checkpoints;
    MobTime busy_at; /* when something last happened that was not background */
    bool inside;     /* watchers are being told, or effects carried out */
    bool stop;
    const MobPlace *livelock; /* who turned in circles */

    GPtrArray *boxes;  /* of MobBox, owned */
    GPtrArray *lives;  /* of MobLife, owned; by NodeId - 1 */
    GPtrArray *places; /* of MobPlace, owned, in order of birth */
    GHashTable *names; /* name -> newest MobPlace; for lookup only */
    GPtrArray *jobs;   /* of MobJobRun, owned */
    GPtrArray *dead;   /* of MobPlace, borrowed: to be emptied after the event */
    MobAddress gcs;
    GStringChunk *texts;
    MobConn *here;       /* by which the present input came */
    MobAddress deaf;     /* what the present step sends there is lost */
    uint32_t conn_count; /* ever */

    MobOutbox out;
    MobBuf scratch;
    GArray *news;        /* of News in tell.c: what watchers have not been told */
    GPtrArray *watchers; /* of MobWatcher, borrowed */
    GPtrArray *stalled;  /* of MobConn with something held back */
    GPtrArray *faults;   /* of MobFaultRun in faults.c, owned */
    uint32_t blocking;   /* cut and hold faults in force */
    uint32_t linking;    /* link faults in force */
    uint32_t tripping;   /* rpc faults in force */
};

/* A text that lives as long as the world. */
const char *mob_world_text(MobWorld *world, const char *text);

/* The tie of what @key names at @at: 0 unless this run shuffles. */
static inline uint64_t
mob_world_tie(const MobWorld *world, uint64_t key, MobTime at)
{
    if (!world->shuffle)
        return 0;
    return mob_mix(mob_mix(world->pick_config.seed ^ (key + MOB_PICK_ORDER)) ^ at) | 1;
}

/* How deep in a chain of one instant something is that is scheduled for @at. */
static inline uint32_t
mob_world_depth(const MobWorld *world, MobTime at)
{
    return at == world->now ? world->depth + 1 : 0;
}

/* Schedules @slot; fills in cause and depth. @key is for the tie. */
MobHandle mob_world_schedule(MobWorld *world, MobTime at, uint64_t key, MobSlot slot);

/* The hash is folded on; every so often it is remembered. */
void mob_world_checkpoint(MobWorld *world);

/* After an order: tells of it and buries the dead, unless an event is under
 * way, which does so itself. */
void mob_world_settle(MobWorld *world);

/* Something has arrived at a place: steps it, or puts it in the inbox. */
void mob_world_receive(MobWorld *world, MobPlace *place, MobSlot *slot);
/* Frees what a slot owns. */
void mob_world_discard(MobWorld *world, MobSlot *slot);
/* Goes on with the inbox of a place that may do so again. */
void mob_world_pump(MobWorld *world, MobPlace *place);
