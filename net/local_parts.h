/* local_parts.h: what the files of a local cluster share.
 *
 *     local.c         making and ending it, time, jobs: control.h
 *     local_boxes.c   machines: daemons and what they are told
 *     local_lines.c   the lines over which processes tell
 *     local_sight.c   what they tell, put in order, and told to watchers
 *     local_orders.c  faults
 *     local_wire.c    machines that talk over TCP
 *
 * Order. A process tells of a step before anything of the step leaves, so when
 * the report of an effect has been read, that of its cause is there to be read.
 * Hence what was read in one pass over all lines is told after one more pass,
 * in the order of the hybrid clocks.
 */
#pragma once

#include "net/alarms.h"
#include "net/birth.h"
#include "net/clock.h"
#include "net/host.h"
#include "net/join.h"
#include "net/local.h"
#include "net/loop.h"
#include "net/nest.h"
#include "net/roster.h"
#include "net/rule.h"
#include "net/stream.h"
#include "runtime/report.h"

typedef struct MobLocalBox MobLocalBox;
typedef struct MobLocalProc MobLocalProc;

/* The line from one process. */
typedef struct {
    MobInterest interest; /* must be first */
    MobStream stream;
    MobLocal *local;
    MobLocalProc *proc; /* NULL: it has not told of its birth */
    MobAddress address;
    pid_t pid;
    uint64_t clock; /* of the newest report */
    uint64_t since; /* real time */
    bool known;     /* it has said who it is */
    bool born;      /* it has told of its birth */
    uint32_t acks;  /* orders that it has not answered yet */
    bool rests;     /* it would do nothing by itself … */
    bool asked;     /* … and has not said yet whether that is so now */
    bool gone;
} MobSight;

struct MobLocalProc {
    MobAddress address;
    const char *name;
    MobRole role;
    pid_t pid;
    MobLocalBox *box;
    MobSight *sight; /* NULL: its line has ended */
    bool alive;
    bool killed; /* by us; the word of its end is still to come */
    char *why;   /* owned; how it died, as far as was said */
    uint32_t incarnation;
};

struct MobLocalBox {
    char *name; /* owned */
    MobMachine machine;
    bool head;
    bool alive;
    uint32_t node; /* of its present life */
    uint32_t lives;
    pid_t pid;    /* of its daemon; 0: it is dead, or somebody else's child */
    bool foreign; /* somebody else has started it, on a machine of his own */
};

typedef struct {
    MobReport *report; /* owned; NULL: the end of a line */
    MobSight *sight;
    MobAddress cause; /* whose event caused it … */
    uint64_t event;   /* … and its number there */
    uint64_t clock;
    uint64_t order; /* of reading */
    uint32_t pass;
    bool held; /* its process stands still until it has been told */
} MobPending;

typedef struct {
    uint32_t number;
    MobAddress driver;
    MobBirth *birth; /* owned; NULL once its driver was started */
    bool done;
    MobValue *result; /* owned */
} MobLocalJob;

typedef struct {
    MobLocalBox *box;   /* a machine, all of it */
    MobLocalProc *proc; /* one process */
    bool any;
} MobLocalTarget;

typedef struct {
    uint32_t number; /* from 1 */
    MobVerb verb;
    bool healed;
    uint64_t bites;
    const char *text;
    uint32_t line;
    MobLocalTarget target;
    MobLocalTarget from;
    MobLocalTarget to;
    GArray *stopped; /* PAUSE: of MobAddress */
    MobRule rule;    /* as hosts were told */
    bool ruled;      /* they were */
} MobLocalFault;

/* How machines talk over TCP. */
typedef struct {
    bool tls;
    char *token;   /* owned; "" without TLS */
    char **spaces; /* owned; SPACE@HOST by machine; NULL: all on loopback */
    char *command; /* owned: what daemons are started from */
    MobSite *head; /* owned; where it listens; NULL: it does not yet */
} MobLocalWire;

struct MobLocal {
    MobControl control; /* must be first */
    MobLocalOptions options;
    MobNest *nest;      /* owned: the folder */
    const char *root;   /* where it is */
    MobNest *spill;     /* owned: where machines spill to; NULL: there */
    MobLocalWire *wire; /* owned; NULL: by sockets of Unix */
    MobLoop *loop;
    MobClock clock;
    MobInterest listener;
    GStringChunk *texts;
    GPtrArray *boxes;      /* of MobLocalBox, owned */
    GPtrArray *procs;      /* of MobLocalProc, owned, in order of birth */
    GPtrArray *sights;     /* of MobSight, owned */
    GPtrArray *jobs;       /* of MobLocalJob, owned */
    GPtrArray *faults;     /* of MobLocalFault, owned */
    GPtrArray *watchers;   /* of MobWatcher, borrowed */
    GArray *alarms;        /* of MobNetAlarm, the next one last */
    GArray *pending;       /* of MobPending */
    GArray *news;          /* of MobNote: what orders did, not told yet */
    MobTable *numbers;     /* process and its number -> ours, as a pointer */
    MobTable *old_numbers; /* likewise; the older ones, until there are many new ones */
    uint64_t orders;       /* counts up, for ties */
    uint64_t events;
    uint64_t wanted;
    uint64_t held;
    uint32_t pass;
    uint32_t next_node;
    void (*probed)(void *data, uint64_t number); /* NULL: nobody asks */
    void *probed_data;
    bool inside;
    bool running;      /* inside run() */
    MobTime rested_at; /* when run() ended last */
    bool stop;
    MobTime busy_at;  /* when something last happened that was not background */
    MobTime asked_at; /* the same, when all were asked last whether they are at rest */
    MobPickConfig pick_config;
    MobPicks *picks;
};

/* local_boxes.c */
bool mob_local_start(MobLocal *local, MobLocalBox *box, GError **error);
MobLocalBox *mob_local_box(const MobLocal *local, const char *name);
MobLocalBox *mob_local_box_new(MobLocal *local, const MobMachine *machine);
/* The machine @name has come to be node @born by itself. */
MobLocalBox *mob_local_adopt(MobLocal *local, const MobProcInfo *born);
void mob_local_box_free(void *box);
MobBirth *mob_local_birth(MobLocal *local, const MobLocalBox *box);
/* Sends what a child of the daemon of @box is to be. */
bool mob_local_bear(MobLocal *local, const MobLocalBox *box, const MobBirth *birth);
void mob_local_start_gcs(MobLocal *local);
/* SIGKILL, SIGSTOP or SIGCONT, on whatever machine it is. */
void mob_local_signal(MobLocal *local, const MobLocalProc *proc, int number);
/* Ends all processes of the machine and, if it was started here, waits for its daemon. */
void mob_local_end_box(MobLocal *local, MobLocalBox *box);
MobLocalProc *mob_local_proc(const MobLocal *local, const char *name);
MobLocalProc *mob_local_proc_at(const MobLocal *local, MobAddress address);
void mob_local_proc_free(void *proc);

/* local_wire.c */
bool mob_local_wire_open(MobLocal *local, GError **error);
void mob_local_wire_free(MobLocal *local);
/* Where the machine keeps its sockets (transfer full). */
char *mob_local_wire_folder(const MobLocal *local, const MobLocalBox *box);
/* What to start its daemon with (transfer full). */
GStrv mob_local_wire_argv(const MobLocal *local, const MobLocalBox *box);
/* How the daemon of @box is to connect (transfer full); NULL: by sockets of Unix. */
MobJoin *mob_local_wire_join(const MobLocal *local, const MobLocalBox *box);
/* Waits until the head, which was told so on @fd, listens. */
bool mob_local_wire_await_head(MobLocal *local, int fd, GError **error);

/* local_lines.c */
bool mob_local_listen(MobLocal *local, GError **error);
void mob_local_sight_free(void *sight);
/* A process that stands still may go on. */
void mob_local_send_go(MobSight *sight);
/* Cuts off who does not say who it is; returns when the next one has had its time. */
uint64_t mob_local_look_at_strangers(MobLocal *local);

/* local_sight.c */
/* Reads, waiting until @until in real time, and tells what is in order; false
 * if there was nothing to read. */
bool mob_local_look(MobLocal *local, uint64_t until);
/* Reads without telling: for an order that waits for its answers. */
void mob_local_read(MobLocal *local, uint64_t until);
/* Tells what orders did as an event of the world. */
void mob_local_tell_news(MobLocal *local);
void mob_local_tell_world(MobLocal *local, uint64_t tag);
void mob_local_want(MobLocal *local);
/* Asks all whether they are at rest. A process that runs a body says nothing
 * before it makes a call, and what it has said last may be long ago. */
void mob_local_ask_rest(MobLocal *local);
void mob_local_note(MobLocal *local, MobNote note);

/* local_orders.c */
/* Whether the process stands still by our order, and cannot answer. */
bool mob_local_is_stopped(const MobLocal *local, MobAddress process);
uint32_t mob_local_order(MobLocal *local, const MobOrder *order, GError **error);
void mob_local_heal(MobLocal *local, uint32_t number);
/* Whether some fault is about it. */
bool mob_local_is_target(const MobLocal *local, const MobLocalProc *proc);
void mob_local_fault_free(void *fault);
/* A process is born: it is told of what is in force. */
void mob_local_newborn(MobLocal *local, MobSight *sight);
