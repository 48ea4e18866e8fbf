/* control.h: what an outsider may do to a cluster: submit jobs, break things,
 * mend them, let time pass. Scenarios, chaos and the command speak only this;
 * sim/ implements it for the simulated cluster, net/ for a real one.
 *
 * An order that cannot be carried out (a name that does not exist, a machine
 * that is already dead) is a GError that says what there is instead.
 */
#pragma once

#include "runtime/state.h"
#include "runtime/watch.h"

typedef struct {
    const char *name;   /* "head", "n1" */
    int64_t cpus;       /* logical, 1/10000 */
    uint32_t cores;     /* physical; 0: as many as cpus, at least 1 */
    uint32_t speed_ppm; /* 1000000 is nominal */
    int64_t memory;     /* bytes */
    uint64_t store_bytes;
    uint64_t disk_bytes; /* for spilled objects; 0: no limit. A real machine has the disk it has */
    MobCustoms *customs; /* owned by whoever made the struct; may be NULL */
    bool head;
} MobMachine;

typedef struct {
    const char *name; /* of the program, for people */
    MobStr *bundle_id;
    MobValue *bundle;
    MobArgs *args; /* for main */
    /* Where a real driver looks for files: beside the program, then where whoever
     * submitted it is. NULL: as everybody else. */
    const char *beside;
    const char *where;
} MobJob;

typedef enum {
    MOB_VERB_KILL,    /* target: a machine, node manager, worker, gcs or driver */
    MOB_VERB_RESTART, /* target: a dead machine, or gcs; heal means nothing */
    MOB_VERB_PAUSE,   /* target; healed: it goes on */
    MOB_VERB_SLOW,    /* target machine, speed_ppm */
    MOB_VERB_CUT,     /* from, to, oneway: silence */
    MOB_VERB_HOLD,    /* from, to: parked until healed */
    MOB_VERB_LINK,    /* from, to, link */
    MOB_VERB_RPC,     /* message, from, to, lose, times, chance_ppm */
    MOB_VERB_EVICT,   /* object, target: the node; the copy there is dropped */
    MOB_VERB_LEAVE,   /* target machine drains and goes */
    MOB_VERB_JOIN,    /* machine */
    MOB_VERB_DISK,    /* target machine, trouble, speed_ppm; healed: its disk is as it was */
    MOB_VERB_COUNT,
} MobVerb;

const char *mob_verb_name(MobVerb verb);

typedef enum {
    MOB_LOSE_REQUEST,  /* the connection breaks before the other end sees it */
    MOB_LOSE_REPLY,    /* the other end has handled it, then the connection breaks */
    MOB_LOSE_INFLIGHT, /* the connection breaks at once, the other end handles it later */
} MobLose;

/* What is wrong with a disk. It hits what is under way too. */
typedef enum {
    MOB_TROUBLE_SLOW, /* it reads and writes at speed_ppm */
    MOB_TROUBLE_FULL, /* no more can be written; what is there can be read and removed */
    MOB_TROUBLE_GONE, /* the folder and all files in it are gone, and no new one can be made */
    MOB_TROUBLE_COUNT,
} MobTrouble;

const char *mob_trouble_name(MobTrouble trouble);

typedef struct {
    MobVerb verb;
    const char *target; /* "n1", "n1/node", "n1/w0", "gcs", "driver" */
    const char *from;   /* a machine or process; NULL: any */
    const char *to;
    bool oneway;
    bool wipe; /* RESTART: the disk is empty */
    uint32_t speed_ppm;
    MobTime latency; /* LINK; MOB_TIME_NEVER leaves it as it is */
    MobTime jitter;
    uint64_t bps; /* bits per second; 0 leaves it as it is */
    uint32_t loss_ppm;
    const char *message; /* RPC: the name of the request, "PushTask" */
    MobLose lose;
    uint32_t times;      /* RPC: at most so often; 0: no limit */
    uint32_t chance_ppm; /* RPC: 1000000 is always */
    MobObjectId object;  /* EVICT */
    MobTrouble trouble;  /* DISK */
    const char *object_name;
    const MobMachine *machine; /* JOIN */
    const char *file;          /* where in the scenario, for people; may be NULL */
    uint32_t line;
} MobOrder;

/* (transfer full) "cut n1 n2 oneway", as somebody would say it. */
char *mob_order_text(const MobOrder *order);

typedef enum {
    MOB_RUN_DONE,     /* what was asked for has come */
    MOB_RUN_STOPPED,  /* a watcher asked for it: mob_control_stop() */
    MOB_RUN_IDLE,     /* at rest: nothing is left to happen */
    MOB_RUN_LIMIT,    /* the time limit was reached */
    MOB_RUN_LIVELOCK, /* very many events at one instant */
} MobRunEnd;

typedef struct {
    uint32_t job;    /* until this job is done; 0: no matter */
    MobTime time;    /* until then; MOB_TIME_NEVER: no matter */
    uint64_t events; /* until so many events have happened; 0: no matter */
    MobTime limit;   /* and never past this */
} MobUntil;

#define MOB_CONTROL_ERROR (g_quark_from_static_string("mob-control-error"))

typedef struct MobControl MobControl;

/* Called when an alarm that was set by at() goes off. */
typedef void (*MobAlarmFunc)(void *data, uint64_t tag);

struct MobControl {
    const char *world; /* "sim", "local" */
    MobTime (*now)(MobControl *self);
    /* Returns the job's number, from 1; or 0 with an error. */
    uint32_t (*submit)(MobControl *self, const MobJob *job, GError **error);
    bool (*job_done)(MobControl *self, uint32_t job);
    MobAddress (*job_driver)(MobControl *self, uint32_t job);
    /* What main returned or raised (borrowed); NULL while it runs or if its driver died. */
    const MobValue *(*job_result)(MobControl *self, uint32_t job);
    /* Returns the fault's number, from 1; or 0 with an error. */
    uint32_t (*order)(MobControl *self, const MobOrder *order, GError **error);
    void (*heal)(MobControl *self, uint32_t fault);
    /* How much the fault has touched so far: processes killed, messages lost or late. */
    uint64_t (*bites)(MobControl *self, uint32_t fault);
    uint32_t (*fault_count)(MobControl *self);
    /* Calls @func at @when, inside an event of the world; tags are the caller's. */
    void (*at)(MobControl *self, MobTime when, MobAlarmFunc func, void *data, uint64_t tag);
    MobRunEnd (*run)(MobControl *self, const MobUntil *until);
    /* Makes run() return after the present event. */
    void (*stop)(MobControl *self);
    void (*watch)(MobControl *self, MobWatcher *watcher); /* borrowed */
    /* Who waits for whom, several lines for people; empty if nobody waits. */
    void (*explain)(MobControl *self, GString *into);
    /* Chance that is not any process's: chaos, c.pick. */
    MobPicks *(*picks)(MobControl *self);
    /* Events so far, and the trace hash of all of them. */
    uint64_t (*events)(MobControl *self);
    uint64_t (*hash)(MobControl *self);
    /* Borrowed for inspection (sim only): NULL if there is no such live process. */
    const MobProcess *(*process)(MobControl *self, MobAddress address);
};
