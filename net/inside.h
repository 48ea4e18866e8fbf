/* inside.h: what a host is made of; for the files of this folder only.
 *
 *     host.c    steps, effects, timers, the round
 *     bodies.c  user code that the process runs
 *     nudge.c   and what must not wait until it makes its next call
 *     lines.c   sockets
 *     peers.c   connections: who is where, what they say, how they end
 *     shim.c    faults played on what is sent
 *     look.c    who looks on: reports, standing still, orders
 *     shared.c  the object store: large values in memory that processes share
 *     disk.c   files of values that memory has no room for; of a node manager's host
 *     daemon.c a node manager's host besides: children
 *     pairs.c  and who talks through it
 *     tap.c    and what the children print past us
 *     mesh.c   a daemon's connections with other machines, over TCP
 *
 * Connections are one-way. Whoever sends to somebody opens a *line* to it, and
 * nothing comes back on it; so no two lines compete, and what one process
 * sends another stays in order. All processes of a machine have lines to each
 * other. To other machines everything goes through the daemons, so that a
 * machine has one port, and user code never holds a key of the cluster.
 *
 * A peer is reset when the last line with it has closed: what it had sent
 * before it ended has been handled by then. What is sent to it meanwhile goes
 * into the void, as into a socket whose reset has not been read.
 */
#pragma once

#include "net/clock.h"
#include "net/disk.h"
#include "net/host.h"
#include "net/join.h"
#include "net/journal.h"
#include "net/log.h"
#include "net/loop.h"
#include "net/meet.h"
#include "net/spin.h"
#include "net/stream.h"
#include "runtime/link.h"
#include "runtime/process.h"
#include "runtime/watch.h"

typedef struct MobPeer MobPeer;
typedef struct MobLine MobLine;
typedef struct MobDaemon MobDaemon;
typedef struct MobPairs MobPairs;
typedef struct MobShim MobShim;
typedef struct MobLook MobLook;

typedef enum {
    MOB_LINE_OUT,        /* we send on it */
    MOB_LINE_IN,         /* somebody sends to us, once it has said who it is */
    MOB_LINE_CONTROLLER, /* both ways */
    MOB_LINE_ZYGOTE,     /* both ways */
} MobLineKind;

struct MobLine {
    MobInterest interest; /* must be first */
    MobStream stream;
    MobNetHost *host;
    MobLineKind kind;
    MobPeer *peer;  /* NULL: it has not said who it is */
    MobMeet *meet;  /* owned; to another machine, until both have proven who they are */
    uint64_t since; /* real time */
    bool dirty;     /* in host->dirty */
    bool closed;    /* waits in host->closed to be freed */
};

struct MobPeer {
    MobAddress address;
    MobLine *out;
    MobLine *in;
    bool near;       /* on this machine; else behind the daemons */
    bool broken;     /* we broke it: it is told of at once */
    bool known;      /* something was sent or received since it was reset last */
    bool resetting;  /* in host->resets */
    bool heard;      /* something was received since something was sent */
    uint64_t ending; /* real time by which the other line must have closed too; 0: not so */
};

typedef struct {
    MobBodyId id;
    MobBody *body;     /* owned */
    MobTaskSpec *spec; /* owned */
    MobArgs *args;     /* owned */
    MobBodyContext context;
    MobCall call;
    MobAnswer answer; /* for the next run, owned */
    bool ready;       /* to be run in this round */
    bool writes;      /* past us too: it is no Lua */
    MobTime due;      /* it computes or sleeps until then; MOB_TIME_NEVER: it does not */
} MobRunning;

/* What one step came from, for causes. */
typedef struct {
    MobAddress from;
    uint64_t event;
} MobCause;

struct MobNetHost {
    const MobBirth *birth;
    MobLoader *loader;
    MobInterest leave;
    MobLoop *loop;
    MobClock clock;
    MobSpin spin;
    MobConfig config;
    MobPickConfig pick_config;
    MobPicks *picks;
    MobProcess *process;
    MobAddress address;
    MobRole role;
    uint64_t events;
    MobCause cause; /* of the present step */
    MobOutbox out;
    MobTime alarms[MOB_TIMER_COUNT];
    MobNetJournal *journal; /* owned; NULL unless the process persists */
    char *trouble;          /* owned; why it cannot, as was said; NULL: it can */
    bool over;              /* the process is done */
    char *over_why;         /* owned */
    MobLog log;             /* what its programs print */
    MobAddress deaf;        /* what the present step sends there is lost */

    /* bodies.c */
    GPtrArray *running; /* of MobRunning, owned */
    GPtrArray *bundles; /* of MobValue, owned: programs that it has run */
    uint32_t speed_ppm; /* of m.compute */

    /* peers.c */
    MobInterest listener;
    MobTable *peers;   /* address -> MobPeer, owned */
    size_t peers_most; /* with more than that it is looked which are of no use any more */
    MobPeer *recent;   /* the one that was looked up last */
    GPtrArray *lines;  /* of MobLine, owned */
    MobLine *heard;    /* on which something came last; NULL: none, or it is closed */
    uint64_t looked;   /* real time when it was seen last what comes on all of them */
    MobLine *urgent;   /* the present step has sent something on it for which its peer waits */
    GPtrArray *dirty;  /* of MobLine: have output */
    GPtrArray *resets; /* of MobPeer: to be told of in this round */
    uint64_t look_at;  /* real time: some line may be overdue then */
    GQueue self;       /* of MobMsg, owned: to this very process */
    MobTexts texts;    /* of what came last */

    MobShim *shim;
    MobLook *look;
    struct MobShared *shared; /* owned; NULL: it shares no memory */
    MobNetDisk *disk;         /* owned; NULL unless it is a node manager's */
    MobDaemon *daemon;        /* likewise */
    MobPairs *pairs;          /* likewise, owned */
    MobMesh *mesh; /* owned; NULL: machines are all here, and find each other by sockets of Unix */
};

/* --- host.c --- */

/* Steps the process with @input; @from and @event say what it came from. */
void mob_nethost_step(MobNetHost *host, MobInput *input, MobAddress from, uint64_t event);
void mob_nethost_end(MobNetHost *host, const char *why);
/* What mob_nethost_run() does: it begins, then has round after round until it is
 * over. A round that does not wait takes what is there. */
void mob_nethost_begin(MobNetHost *host);
void mob_nethost_round(MobNetHost *host, bool waits);
/* Steps for @timer if it is due. */
void mob_nethost_fire(MobNetHost *host, MobTimer timer);
/* What was done is made durable, told and sent; true if something was sent. */
bool mob_nethost_finish_round(MobNetHost *host);

/* --- nudge.c --- */

/* A body runs from here … */
void mob_nudge_begin(MobNetHost *host);
/* No signal comes any more until that is called. */
void mob_nudge_rest(void);
/* … to here, and if that is long the process has a round in between. */
void mob_nudge_end(void);
void mob_nudge_clear(MobNetHost *host);

/* --- bodies.c --- */

void mob_running_start(MobNetHost *host, MobEffect *effect);
void mob_running_resume(MobNetHost *host, MobEffect *effect);
void mob_running_wait(MobNetHost *host, const MobEffect *effect);
void mob_running_end(MobNetHost *host, MobBodyId body);
void mob_running_clear(MobNetHost *host);
/* Runs those that are ready or due to their next call; true if any was. */
bool mob_running_run(MobNetHost *host);
/* The earliest moment at which one is due. */
MobTime mob_running_due(const MobNetHost *host);

/* --- peers.c --- */

bool mob_peers_listen(MobNetHost *host, GError **error);
/* A frame on a line that somebody opened to us. */
void mob_peers_frame(MobLine *line, const MobFrame *frame, const uint8_t *body);
void mob_peers_free(MobNetHost *host);
MobPeer *mob_peers_get(MobNetHost *host, MobAddress address);
/* The line on which frames for @peer leave, opened if need be; NULL: nobody is there. */
MobLine *mob_peers_line(MobNetHost *host, MobPeer *peer);
/* @line is from @from: that is known now. */
void mob_peers_adopt(MobLine *line, MobAddress from);
/* Sends @msg (transfer full) to @to, past the shim. */
void mob_peers_send(MobNetHost *host, MobAddress to, MobMsg *msg, uint8_t flags);
/* Tells our daemon why we end. */
void mob_peers_leave(MobNetHost *host, const char *why);
/* Passes on a frame whose body is there already. */
void mob_peers_pass(MobNetHost *host, MobAddress by, const MobFrame *frame, const uint8_t *body);
/* Tells the process that the connection to @peer broke, once this step is over. */
void mob_peers_reset(MobNetHost *host, MobPeer *peer);
/* Breaks the connection to @to for both ends. */
void mob_peers_break(MobNetHost *host, MobAddress to);
/* Sends the question with @number to another daemon. */
void mob_peers_probe(MobNetHost *host, MobAddress to, uint64_t number);
/* Steps for what is due: messages to oneself, resets. True if there was any. */
bool mob_peers_settle(MobNetHost *host);
/* Sends what is there; true if anything was. */
bool mob_peers_flush(MobNetHost *host);
/* Sends what is urgent, and goes along with it, before the round is over. */
void mob_peers_hurry(MobNetHost *host);

/* --- lines.c --- */

/* A line over @fd, which it owns, in the loop. */
MobLine *mob_line_new(MobNetHost *host, int fd, MobLineKind kind, MobPeer *peer);
void mob_line_close(MobLine *line);
void mob_line_free(void *line);
/* Reads what is there and acts on it. */
void mob_line_drain(MobLine *line);
/* Waits awake for so many nanoseconds at most until something has come, above
 * all on the line where something came last. It is acted on when … */
bool mob_lines_spin(MobNetHost *host, uint64_t time);
/* … this is called, as on all that the loop is ready to tell of. */
void mob_lines_act(MobNetHost *host);
/* Something is overdue at @when, in real time, unless it comes before. */
void mob_lines_look_by(MobNetHost *host, uint64_t when);
/* Lines that are overdue: strangers who say nothing, peers that are half gone. */
void mob_lines_look(MobNetHost *host);
/* Something was put into its stream. */
void mob_line_touch(MobLine *line);
/* Connects to the socket at @path; -1 if nobody listens there. */
int mob_line_connect(const char *path);
/* The first frame on a line: who we are, and what we speak. */
void mob_line_hello(MobLine *line);

/* --- mesh.c --- */

void mob_mesh_begin(MobNetHost *host);
/* Opens a line to a daemon of another machine; NULL: it cannot be reached now.
 * What is sent on it waits until both have met. */
MobLine *mob_mesh_dial(MobNetHost *host, MobPeer *peer);
/* The two ends of @line go on meeting; MOB_MEET_TIME is over if @late. */
void mob_mesh_meet(MobLine *line, bool late);
/* Where a machine is, as the head says. */
void mob_mesh_roster(MobNetHost *host, const MobFrame *frame, const uint8_t *body);
/* A line to whoever looks on at the head, if this machine's processes report
 * there; NULL if not, or if it cannot be had. */
MobLine *mob_mesh_look(MobNetHost *host);
bool mob_mesh_is_relayed(const MobNetHost *host);
/* Whether the GCS is behind the daemon of the machine @node. */
bool mob_mesh_is_head(const MobNetHost *host, uint32_t node);

/* --- shim.c --- */

void mob_shim_init(MobNetHost *host);
void mob_shim_free(MobNetHost *host);
/* What the process sends; takes @msg. */
void mob_shim_send(MobNetHost *host, MobAddress to, MobMsg *msg);
void mob_shim_rule(MobNetHost *host, const MobRule *rule);
/* Sends what is held back no longer; breaks what was held for too long. */
void mob_shim_go_on(MobNetHost *host);
MobTime mob_shim_due(const MobNetHost *host);
/* Whether nothing of @peer gets through, not even that it has gone. */
bool mob_shim_is_silent(MobNetHost *host, MobAddress peer);
/* The connection broke: nothing is held for it any more. */
void mob_shim_forget(MobNetHost *host, MobAddress peer);

/* --- look.c --- */

void mob_look_init(MobNetHost *host);
void mob_look_free(MobNetHost *host);
/* Tells of the step that was just taken, and stands still if it is asked to. */
void mob_look_step(MobNetHost *host, const MobInput *input);
void mob_look_died(MobNetHost *host, MobAddress process, const char *why);
void mob_look_frame(MobNetHost *host, const MobFrame *frame, const uint8_t *body);
/* The fault with @number has touched something here. */
void mob_look_bite(MobNetHost *host, uint32_t number);
/* Reports leave before what they tell of does. */
void mob_look_flush(MobNetHost *host);
/* Tells whether it would do nothing any more by itself but what goes on for
 * ever; after what was to be sent has left, or could not. */
void mob_look_rest(MobNetHost *host);
/* Carries out what was ordered while it stood still; true if there was any. */
bool mob_look_settle(MobNetHost *host);
/* What another daemon sent, to see whether it gets here, did. */
void mob_look_probed(MobNetHost *host, const MobFrame *frame);
/* The connection to the controller has ended. */
void mob_look_gone(MobNetHost *host);
uint64_t mob_look_held(const MobNetHost *host);

/* --- show.c --- */

/* For what is encoded into reports: no values that are large. */
void mob_show_init(MobPlaces *places);

/* --- daemon.c --- */

void mob_daemon_init(MobNetHost *host, int zygote);
void mob_daemon_free(MobNetHost *host);
void mob_daemon_spawn(MobNetHost *host, MobAddress address);
void mob_daemon_kill(MobNetHost *host, MobAddress address);
/* SIGKILL, SIGSTOP or SIGCONT for a child, or SIGKILL for itself and so for all of them. */
void mob_daemon_signal(MobNetHost *host, MobAddress address, int number);
/* Whether the process at @address has been started and has not ended. */
bool mob_daemon_has(const MobNetHost *host, MobAddress address);
/* The child at @address has connected. */
void mob_daemon_greeted(MobNetHost *host, MobAddress address);
/* Whether a child that was started has yet to connect. */
bool mob_daemon_waits(const MobNetHost *host);
/* A child waits to be looked after: in a moment. */
void mob_daemon_hurry(MobNetHost *host);
/* A frame from the zygote. */
void mob_daemon_frame(MobNetHost *host, const MobFrame *frame);
/* Somebody asks why the process at @address is gone. If it is ending, it has ended now. */
void mob_daemon_asked(MobNetHost *host, MobAddress address);
/* The child at @address ends by itself, and says why. */
void mob_daemon_left(MobNetHost *host, MobAddress address, const uint8_t *why, uint32_t length);
/* Starts a child that is not the protocol's to start: the GCS, a driver. */
void mob_daemon_child(MobNetHost *host, const MobBirth *birth);

/* --- pairs.c --- */

/* So many may a process of this machine, or another machine, bring up: as many as two
 * machines have whose 362 processes each talk to all of the other. */
enum {
    MOB_PAIRS_MAX = 1 << 17
};

MobPairs *mob_pairs_new(void);
void mob_pairs_free(MobPairs *pairs);
/* @near, of this machine, and @far have something to do with each other, as @by said:
 * if one goes, the other is told. False: there are too many. */
bool mob_pairs_add(MobPairs *pairs, MobAddress near, MobAddress far, MobAddress by);
/* They have no more. */
void mob_pairs_end(MobPairs *pairs, MobAddress near, MobAddress far);
size_t mob_pairs_count(const MobPairs *pairs);
/* The process at @address, or the machine of the daemon at @address, is gone. */
void mob_pairs_lost(MobNetHost *host, MobAddress address);
