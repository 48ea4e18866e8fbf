/* remote.c: see remote.h. */
#include "net/remote_parts.h"

#include "net/host.h"
#include "net/serve.h"

/* A cluster that others use too is never at rest; so long nothing but background is. */
#define REST_TIME MOB_SECOND

/* --- telling --- */

static void
job_is_over(MobRemote *remote, MobAddress driver, MobValue *result)
{
    for (guint i = 0; i < remote->jobs->len; i++) {
        MobRemoteJob *job = &g_array_index(remote->jobs, MobRemoteJob, i);
        if (job->done || !mob_address_eq(job->driver, driver))
            continue;
        job->done = true;
        job->result = result != NULL ? mob_value_ref(result) : NULL;
    }
}

static void
look_at_jobs(MobRemote *remote, const MobReport *report)
{
    if (report->kind == MOB_REPORT_DIED)
        job_is_over(remote, report->died.process, NULL);
    if (report->kind != MOB_REPORT_EVENT)
        return;
    for (size_t i = 0; i < report->event.note_count; i++) {
        const MobNote *note = &report->event.notes[i];
        if (note->kind == MOB_NOTE_JOB_FINISHED)
            job_is_over(remote, note->owner, (MobValue *)note->value);
    }
}

/* Nothing was done for anybody. */
static bool
is_background(const MobReport *report)
{
    const MobEvent *event = &report->event;

    if (report->kind != MOB_REPORT_EVENT)
        return false;
    return event->input != NULL ? mob_look_is_background(event->input) : event->note_count == 0;
}

/* What is wanted changes while stories go on. */
static void
say_wanted(MobRemote *remote)
{
    MobFrame want = {.kind = MOB_FRAME_WANT, .clock = MOB_WANT(JOB_FINISHED)};

    for (guint i = 0; i < remote->watchers->len; i++) {
        const MobWatcher *watcher = g_ptr_array_index(remote->watchers, i);
        want.clock |= watcher->wanted;
        want.event |= watcher->acts;
    }
    if (want.clock == remote->wanted && want.event == remote->acts)
        return;
    remote->wanted = want.clock;
    remote->acts = want.event;
    mob_stream_put(&remote->stream, &want, NULL, 0);
}

static void
tell(MobRemote *remote, MobRemoteNews *news)
{
    MobFrame go = {.kind = MOB_FRAME_GO};

    if (!is_background(news->report))
        remote->busy_at = mob_remote_now(remote);
    remote->events = MAX(remote->events, news->event);
    look_at_jobs(remote, news->report);
    for (guint i = 0; i < remote->watchers->len; i++)
        mob_report_tell(news->report, news->event, g_ptr_array_index(remote->watchers, i));
    say_wanted(remote); /* before anything goes on */
    if (news->held)
        mob_stream_put(&remote->stream, &go, NULL, 0);
    mob_report_free(news->report);
    g_free(news);
}

static void
ring(MobRemote *remote)
{
    while (!remote->stop) {
        MobEvent event = {
            .number = remote->events, .at = mob_remote_now(remote), .role = MOB_ROLE_WORLD};
        if (mob_net_alarms_next(remote->alarms) > event.at)
            return;
        MobNetAlarm alarm = mob_net_alarms_take(remote->alarms);
        remote->busy_at = event.at;
        alarm.func(alarm.data, alarm.tag);
        for (guint i = 0; i < remote->watchers->len; i++) {
            MobWatcher *watcher = g_ptr_array_index(remote->watchers, i);
            watcher->event(watcher, &event);
        }
    }
}

/* --- time --- */

static MobTime
now(MobControl *self)
{
    const MobRemote *remote = mob_remote_of(self);

    return remote->running ? mob_remote_now(remote) : remote->rested_at;
}

static void
at(MobControl *self, MobTime when, MobAlarmFunc func, void *data, uint64_t tag)
{
    mob_net_alarms_set(mob_remote_of(self)->alarms, (MobNetAlarm){when, func, data, tag});
}

static MobTime
idle_at(const MobRemote *remote)
{
    for (guint i = 0; i < remote->jobs->len; i++)
        if (!g_array_index(remote->jobs, MobRemoteJob, i).done)
            return MOB_TIME_NEVER;
    return remote->alarms->len == 0 ? remote->busy_at + REST_TIME : MOB_TIME_NEVER;
}

static const MobRemoteJob *
job_at(MobControl *self, uint32_t number)
{
    return &g_array_index(mob_remote_of(self)->jobs, MobRemoteJob, number - 1);
}

static MobRunEnd
run_until(MobControl *self, const MobUntil *until)
{
    MobRemote *remote = mob_remote_of(self);

    for (;;) {
        MobRemoteNews *news;
        while (!remote->stop && (news = g_queue_pop_head(&remote->news)) != NULL)
            tell(remote, news);
        ring(remote);
        say_wanted(remote);
        MobTime time = mob_remote_now(remote);
        if (remote->stop || remote->lost)
            return MOB_RUN_STOPPED;
        if (until->job != 0 && job_at(self, until->job)->done)
            return MOB_RUN_DONE;
        if (time >= until->time || (until->events != 0 && remote->events >= until->events))
            return MOB_RUN_DONE;
        if (time >= until->limit)
            return MOB_RUN_LIMIT;
        if (time >= idle_at(remote))
            return MOB_RUN_IDLE;
        MobTime due = MIN(MIN(until->time, until->limit),
                          MIN(mob_net_alarms_next(remote->alarms), idle_at(remote)));
        mob_remote_hear(remote,
                        mob_clock_real() + (due == MOB_TIME_NEVER ? MOB_SECOND : due - time));
    }
}

static MobRunEnd
run(MobControl *self, const MobUntil *until)
{
    MobRemote *remote = mob_remote_of(self);

    remote->stop = false;
    remote->running = true;
    MobRunEnd end = run_until(self, until);
    remote->running = false;
    remote->rested_at = mob_remote_now(remote);
    return end;
}

static void
stop(MobControl *self)
{
    mob_remote_of(self)->stop = true;
}

/* --- jobs --- */

static uint32_t
submit(MobControl *self, const MobJob *job, GError **error)
{
    MobRemote *remote = mob_remote_of(self);
    MobFrame frame = {.kind = MOB_FRAME_SUBMIT};
    MobAsk *ask = g_new0(MobAsk, 1);
    g_auto(MobBuf) buf = {0};

    ask->refs_held = 1;
    ask->name = mob_str_new(job->name);
    ask->bundle_id = mob_str_ref(job->bundle_id);
    ask->bundle = mob_value_ref(job->bundle);
    ask->args = job->args != NULL ? mob_args_ref(job->args) : mob_args_new(0);
    mob_record_encode(MOB_RECORD_ask, ask, &buf);
    mob_record_free(MOB_RECORD_ask, ask);
    if (!mob_remote_request(remote, &frame, &buf, error))
        return 0;
    MobRemoteJob run = {.number = (uint32_t)remote->answer, .driver = remote->answerer};
    g_array_append_val(remote->jobs, run);
    remote->busy_at = mob_remote_now(remote);
    return remote->jobs->len;
}

static bool
job_done(MobControl *self, uint32_t number)
{
    return job_at(self, number)->done;
}

static MobAddress
job_driver(MobControl *self, uint32_t number)
{
    return job_at(self, number)->driver;
}

static const MobValue *
job_result(MobControl *self, uint32_t number)
{
    return job_at(self, number)->result;
}

/* --- looking on --- */

static void
watch(MobControl *self, MobWatcher *watcher)
{
    g_ptr_array_add(mob_remote_of(self)->watchers, watcher);
}

static void
explain(MobControl *self, GString *into)
{
    if (mob_remote_of(self)->lost)
        g_string_append(into, "the cluster has ended\n");
}

static MobPicks *
picks(MobControl *self)
{
    return mob_remote_of(self)->picks;
}

static uint64_t
events(MobControl *self)
{
    return mob_remote_of(self)->events;
}

static uint64_t
hash(MobControl *self)
{
    (void)self;
    return 0; /* two real runs are never the same, event by event */
}

static const MobProcess *
process(MobControl *self, MobAddress address)
{
    (void)self;
    (void)address;
    return NULL;
}

MobControl *
mob_remote_control(MobRemote *remote)
{
    return &remote->control;
}

/* --- making and ending --- */

static void
job_clear(void *data)
{
    mob_value_unref(((MobRemoteJob *)data)->result);
}

MobRemote *
mob_remote_new(MobStream *stream, uint64_t seed)
{
    MobRemote *remote = g_new0(MobRemote, 1);

    remote->control = (MobControl){.world = "local",
                                   .now = now,
                                   .submit = submit,
                                   .job_done = job_done,
                                   .job_driver = job_driver,
                                   .job_result = job_result,
                                   .order = mob_remote_order,
                                   .heal = mob_remote_heal,
                                   .bites = mob_remote_bites,
                                   .fault_count = mob_remote_fault_count,
                                   .at = at,
                                   .run = run,
                                   .stop = stop,
                                   .watch = watch,
                                   .explain = explain,
                                   .picks = picks,
                                   .events = events,
                                   .hash = hash,
                                   .process = process};
    remote->stream = *stream;
    remote->stream.frame_max = MOB_FRAME_MAX;
    remote->watchers = g_ptr_array_new();
    remote->jobs = g_array_new(FALSE, FALSE, sizeof(MobRemoteJob));
    g_array_set_clear_func(remote->jobs, job_clear);
    remote->faults = g_array_new(FALSE, FALSE, sizeof(MobRemoteFault));
    remote->alarms = g_array_new(FALSE, FALSE, sizeof(MobNetAlarm));
    g_queue_init(&remote->news);
    remote->pick_config.seed = seed;
    remote->picks = mob_picks_new(&remote->pick_config);
    return remote;
}

bool
mob_remote_begin(MobRemote *remote, const char *version, GError **error)
{
    MobFrame begin = {.kind = MOB_FRAME_REST};
    MobAsk *ask = g_new0(MobAsk, 1);

    remote->version = version;
    ask->refs_held = 1;
    ask->verb = mob_str_new("attach");
    mob_ask_begin(&remote->stream, version, ask);
    mob_record_free(MOB_RECORD_ask, ask);
    say_wanted(remote);
    if (!mob_remote_request(remote, &begin, NULL, error))
        return false;
    remote->jobs_before = (uint32_t)(remote->answer - 1);
    remote->busy_at = remote->rested_at = mob_remote_now(remote);
    return true;
}

uint32_t
mob_remote_jobs_before(const MobRemote *remote)
{
    return remote->jobs_before;
}

void
mob_remote_leave(MobRemote *remote)
{
    MobFrame over = {.kind = MOB_FRAME_OVER};

    if (!remote->lost)
        mob_remote_request(remote, &over, NULL, NULL);
    remote->lost = true;
}

void
mob_remote_free(MobRemote *remote)
{
    MobRemoteNews *news;

    if (remote == NULL)
        return;
    mob_remote_leave(remote);
    while ((news = g_queue_pop_head(&remote->news)) != NULL) {
        mob_report_free(news->report);
        g_free(news);
    }
    mob_stream_clear(&remote->stream);
    g_ptr_array_unref(remote->watchers);
    g_array_unref(remote->jobs);
    g_array_unref(remote->faults);
    g_array_unref(remote->alarms);
    mob_picks_free(remote->picks);
    g_free(remote->why);
    g_free(remote);
}
