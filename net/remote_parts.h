/* remote_parts.h: what the files of a cluster that is there already share.
 *
 *     remote.c        time, jobs, looking on: control.h
 *     remote_line.c   what is heard from the observer, and what it is asked
 *     remote_faults.c orders
 */
#pragma once

#include "net/alarms.h"
#include "net/clock.h"
#include "net/remote.h"
#include "runtime/report.h"
#include "runtime/str.h"

typedef struct {
    uint32_t number; /* there */
    MobAddress driver;
    bool done;
    MobValue *result; /* owned */
} MobRemoteJob;

typedef struct {
    uint32_t number; /* there */
    bool healed;
} MobRemoteFault;

/* What has come and is not told yet. */
typedef struct {
    MobReport *report;
    uint64_t event;
    bool held; /* something stands still until it has been told */
} MobRemoteNews;

struct MobRemote {
    MobControl control; /* must be first */
    MobStream stream;
    const char *version; /* borrowed */
    GPtrArray *watchers; /* borrowed */
    GArray *jobs;        /* of MobRemoteJob */
    GArray *faults;      /* of MobRemoteFault */
    GArray *alarms;      /* of MobNetAlarm, the next one last */
    GQueue news;         /* of MobRemoteNews, owned */
    int64_t offset;      /* of the cluster's time to our clock */
    uint64_t wanted;     /* as was said last */
    uint64_t acts;
    uint32_t jobs_before; /* had been submitted there when we came */
    uint64_t events;
    uint64_t beat_at; /* real time: said last that it is there */
    MobTime busy_at;
    MobTime rested_at;
    MobPickConfig pick_config;
    MobPicks *picks;
    bool running;
    bool stop;
    bool lost;
    bool answered;   /* to the newest request … */
    uint64_t answer; /* … so … */
    MobAddress answerer;
    char *why; /* … or not, owned */
};

static inline MobRemote *
mob_remote_of(MobControl *self)
{
    return (MobRemote *)self;
}

/* The cluster's time. */
static inline MobTime
mob_remote_now(const MobRemote *remote)
{
    return (MobTime)((int64_t)mob_clock_real() + remote->offset);
}

/* --- remote_line.c --- */

/* Says that it is there, and waits until @until in real time for what comes. */
void mob_remote_hear(MobRemote *remote, uint64_t until);
/* Sends, and waits for the answer; false with an error. */
bool mob_remote_request(MobRemote *remote, const MobFrame *frame, const MobBuf *body,
                        GError **error);
/* What the scenario calls its drivers, they are not called there (transfer full). */
MobStr *mob_remote_name_there(const MobRemote *remote, const char *name);

/* --- remote_faults.c: see control.h --- */

uint32_t mob_remote_order(MobControl *self, const MobOrder *wanted, GError **error);
void mob_remote_heal(MobControl *self, uint32_t number);
uint64_t mob_remote_bites(MobControl *self, uint32_t number);
uint32_t mob_remote_fault_count(MobControl *self);
