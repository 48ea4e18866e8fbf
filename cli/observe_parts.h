/* observe_parts.h: what the files of the observer share.
 *
 *     observe.c         who looks on and who asks
 *     observe_jobs.c    jobs, and clients that follow them
 *     observe_logs.c    logs of processes, and clients that follow them
 *     observe_doctor.c  which machine reaches which
 *     observe_attach.c  clients that run a scenario on the cluster
 */
#pragma once

#include "cli/live.h"
#include "cli/observe.h"
#include "cli/print.h"
#include "cli/tell.h"

enum {
    MOB_OBSERVE_LATER = -1, /* the answer is not over yet */
};

typedef enum {
    MOB_FOLLOW_JOB, /* what it prints, and its answer */
    MOB_FOLLOW_END, /* that it has ended */
    MOB_FOLLOW_FILE,
} MobFollowKind;

typedef struct {
    MobClient *client;
    MobFollowKind kind;
    MobSink sink;
    uint32_t job;    /* 0: of a file */
    char *path;      /* of a file, owned */
    uint64_t at;     /* of the file: told so far */
    uint64_t missed; /* bytes that a job printed while the client did not read */
} MobFollower;

typedef struct {
    MobWatcher base; /* must be first */
    MobObserver *observer;
} MobObserverWatcher;

struct MobObserver {
    MobObserverOptions options;
    MobLive live;
    MobState *state;
    MobServe *serve;
    MobObserverWatcher watcher;
    GPtrArray *followers;         /* of MobFollower, owned */
    MobInterest tail;             /* goes off while somebody follows a file; fd -1: nobody does */
    GPtrArray *rounds;            /* of MobRound, owned: doctor */
    uint64_t probes;              /* counts up */
    struct MobAttached *attached; /* owned; NULL: nobody runs a scenario here */
    uint64_t attachments;         /* counts up */
    GArray *left;                 /* of uint32_t: faults of somebody who has gone, to be healed */
    bool joined;                  /* all machines have */
    bool stopped;
    bool broken; /* the head has died */
};

/* What the observer itself wants to be told. */
#define MOB_OBSERVED (MOB_WANT(OUTPUT) | MOB_WANT(JOB_FINISHED) | MOB_WANT(NODE_JOINED))

typedef struct MobAttached MobAttached;

void mob_follower_free(void *follower);
/* Says how much it was not told, if anything. */
void mob_follower_say_missed(MobFollower *follower);
/* The job whose task it is, or whose driver @worker is; 0: none. */
uint32_t mob_observer_job_of(const MobObserver *observer, const MobStateTask *task,
                             MobAddress worker);

/* Each answers @sink and returns the exit code, or MOB_OBSERVE_LATER. */
int mob_observer_status(MobObserver *observer, const MobSink *sink);
int mob_observer_job(MobObserver *observer, MobClient *client, const MobAsk *ask, char **words,
                     const MobSink *sink);
int mob_observer_logs(MobObserver *observer, MobClient *client, const MobAsk *ask, char **words,
                      const MobSink *sink);
/* What the job has printed, then the rest if the client follows. */
int mob_observer_job_logs(MobObserver *observer, MobClient *client, const MobAsk *ask,
                          const char *name, const MobSink *sink);

/* Says which processes were stopped from outside, and what makes them go on; how many. */
guint mob_observer_say_stopped(const MobObserver *observer, const MobSink *sink);

int mob_observer_doctor(MobObserver *observer, MobClient *client, const MobSink *sink);
void mob_round_free(void *round);
/* The client does not wait any more. */
void mob_observer_forget_rounds(MobObserver *observer, const MobClient *client);

/* Submits the program of @ask; 0 with an error. */
uint32_t mob_observer_submit(MobObserver *observer, const MobAsk *ask, GError **error);
/* Ends it soon, unless it has ended. */
void mob_observer_stop_job(MobObserver *observer, uint32_t number);
int mob_observer_attach(MobObserver *observer, MobClient *client, const MobSink *sink);
void mob_attached_frame(MobObserver *observer, MobClient *client, const MobFrame *frame,
                        const uint8_t *body);
void mob_attached_event(MobObserver *observer, const MobEvent *event);
void mob_attached_born(MobObserver *observer, const MobProcInfo *born, MobWhen when);
void mob_attached_died(MobObserver *observer, MobAddress process, const char *why, MobWhen when);
/* @client NULL: whoever it is. */
void mob_attached_gone(MobObserver *observer, const MobClient *client);

/* Some job may have ended. */
void mob_observer_look_at_jobs(MobObserver *observer);

void mob_observer_tail_init(MobObserver *observer);
void mob_observer_tail_clear(MobObserver *observer);
