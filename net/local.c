/* local.c: see local.h. */
#include "net/local_parts.h"

#include <unistd.h>

enum {
    JOBS_MAX = MOB_LOCAL_POOL - MOB_LOCAL_WORKER,
    SENT_AHEAD = 100,
    PIECE = 1 << 20,
    PIECES = 16,
};

#define START_TIME (10 * MOB_SECOND)
/* When nobody would do anything by himself, what is under way has come by then. */
#define REST_TIME (200 * MOB_MS)

static MobLocal *
local_of(MobControl *self)
{
    return (MobLocal *)self;
}

/* --- jobs --- */

static MobLocalJob *
job_at(MobControl *self, uint32_t number)
{
    const MobLocal *local = local_of(self);

    g_assert(number >= 1 && number <= local->jobs->len);
    return g_ptr_array_index(local->jobs, number - 1);
}

static MobBirth *
driver_birth(MobLocal *local, const MobJob *job, uint32_t number)
{
    const MobLocalBox *head = g_ptr_array_index(local->boxes, 0);
    MobBirth *birth = mob_local_birth(local, head);

    birth->role = MOB_ROLE_DRIVER;
    birth->address = (MobAddress){head->node, MOB_LOCAL_WORKER + number - 1};
    birth->name = number == 1 ? mob_str_new("driver") : mob_str_printf("driver%u", number);
    birth->job = number;
    birth->job_name = mob_str_new(job->name);
    birth->bundle_id = mob_str_ref(job->bundle_id);
    birth->bundle = mob_value_ref(job->bundle);
    birth->args = job->args != NULL ? mob_args_ref(job->args) : mob_args_new(0);
    birth->beside = job->beside != NULL ? mob_str_new(job->beside) : NULL;
    birth->where = job->where != NULL ? mob_str_new(job->where) : NULL;
    return birth;
}

static uint32_t
submit(MobControl *self, const MobJob *job, GError **error)
{
    MobLocal *local = local_of(self);
    const MobLocalBox *head = g_ptr_array_index(local->boxes, 0);

    if (local->jobs->len == JOBS_MAX) {
        g_set_error(error, MOB_CONTROL_ERROR, 0, "a cluster runs at most %d jobs", JOBS_MAX);
        return 0;
    }
    uint32_t number = local->jobs->len + 1;
    g_autoptr(MobBirth) birth = driver_birth(local, job, number);
    if (!head->alive) {
        g_set_error(error, MOB_CONTROL_ERROR, 0,
                    "%s is dead, and drivers run there; restart it first", head->name);
        return 0;
    }
    MobLocalJob *run = g_new0(MobLocalJob, 1);
    run->number = number;
    run->driver = birth->address;
    run->birth = g_steal_pointer(&birth);
    g_ptr_array_add(local->jobs, run);
    local->busy_at = mob_clock_now(&local->clock);
    return number;
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

static void
job_free(void *data)
{
    MobLocalJob *job = data;

    mob_value_unref(job->result);
    mob_birth_free(job->birth);
    g_free(job);
}

/* --- faults --- */

static uint32_t
order(MobControl *self, const MobOrder *wanted, GError **error)
{
    return mob_local_order(local_of(self), wanted, error);
}

static void
heal(MobControl *self, uint32_t fault)
{
    mob_local_heal(local_of(self), fault);
}

static uint64_t
bites(MobControl *self, uint32_t fault)
{
    return ((const MobLocalFault *)g_ptr_array_index(local_of(self)->faults, fault - 1))->bites;
}

static uint32_t
fault_count(MobControl *self)
{
    return local_of(self)->faults->len;
}

/* --- time --- */

/* Between two runs nobody looks, and no time goes by for those who ask. */
static MobTime
now(MobControl *self)
{
    const MobLocal *local = local_of(self);

    return local->running ? mob_clock_now(&local->clock) : local->rested_at;
}

static void
at(MobControl *self, MobTime when, MobAlarmFunc func, void *data, uint64_t tag)
{
    mob_net_alarms_set(local_of(self)->alarms, (MobNetAlarm){when, func, data, tag});
}

static void
ring(MobLocal *local)
{
    while (mob_net_alarms_next(local->alarms) <= mob_clock_now(&local->clock) && !local->stop) {
        MobNetAlarm alarm = mob_net_alarms_take(local->alarms);
        local->busy_at = mob_clock_now(&local->clock);
        local->inside = true;
        alarm.func(alarm.data, alarm.tag);
        local->inside = false;
        mob_local_tell_world(local, alarm.tag);
        mob_local_tell_news(local);
    }
}

/* Drivers start when time goes on, so that whoever is to look on does so. */
static void
start_drivers(MobLocal *local)
{
    for (guint i = 0; i < local->jobs->len; i++) {
        MobLocalJob *job = g_ptr_array_index(local->jobs, i);
        if (job->birth == NULL)
            continue;
        job->birth->wanted = local->wanted;
        job->birth->held = local->held;
        if (!mob_local_bear(local, g_ptr_array_index(local->boxes, 0), job->birth))
            job->done = true;
        g_clear_pointer(&job->birth, mob_birth_free);
    }
}

static bool
all_rest(const MobLocal *local)
{
    for (guint i = 0; i < local->sights->len; i++) {
        const MobSight *sight = g_ptr_array_index(local->sights, i);
        if (!sight->gone && (!sight->rests || sight->asked))
            return false;
    }
    for (guint i = 0; i < local->jobs->len; i++) {
        const MobLocalJob *job = g_ptr_array_index(local->jobs, i);
        if (!job->done && mob_local_proc_at(local, job->driver) == NULL)
            return false; /* a machine that is busy takes its time to start it */
    }
    return local->alarms->len == 0 && local->pending->len == 0;
}

/* When the cluster will have been at rest for long enough. */
static MobTime
idle_at(const MobLocal *local)
{
    if (local->options.stays)
        return MOB_TIME_NEVER;
    return all_rest(local) ? local->busy_at + REST_TIME / local->clock.pace : MOB_TIME_NEVER;
}

static MobRunEnd
run_until(MobControl *self, const MobUntil *until)
{
    MobLocal *local = local_of(self);

    for (;;) {
        MobTime time = mob_clock_now(&local->clock);
        if (local->stop)
            return MOB_RUN_STOPPED;
        if (until->job != 0 && job_at(self, until->job)->done)
            return MOB_RUN_DONE;
        if (time >= until->time || (until->events != 0 && local->events >= until->events))
            return MOB_RUN_DONE;
        if (time >= until->limit)
            return MOB_RUN_LIMIT;
        if (time >= idle_at(local) && local->asked_at == local->busy_at)
            return MOB_RUN_IDLE;
        if (time >= idle_at(local))
            mob_local_ask_rest(local);
        mob_local_want(local);
        start_drivers(local);
        MobTime due = MIN(MIN(until->time, until->limit),
                          MIN(mob_net_alarms_next(local->alarms), idle_at(local)));
        mob_local_look(local, mob_clock_when(&local->clock, due));
        ring(local);
    }
}

static MobRunEnd
run(MobControl *self, const MobUntil *until)
{
    MobLocal *local = local_of(self);

    local->stop = false;
    local->running = true;
    MobRunEnd end = run_until(self, until);
    local->running = false;
    local->rested_at = mob_clock_now(&local->clock);
    return end;
}

static void
stop(MobControl *self)
{
    local_of(self)->stop = true;
}

/* --- looking on --- */

static void
watch(MobControl *self, MobWatcher *watcher)
{
    MobLocal *local = local_of(self);

    g_ptr_array_add(local->watchers, watcher);
    mob_local_want(local);
}

static void
explain(MobControl *self, GString *into)
{
    const MobLocal *local = local_of(self);

    for (guint i = 0; i < local->boxes->len; i++) {
        const MobLocalBox *box = g_ptr_array_index(local->boxes, i);
        if (!box->alive)
            g_string_append_printf(into, "%s is dead\n", box->name);
    }
    for (guint i = 0; i < local->faults->len; i++) {
        const MobLocalFault *fault = g_ptr_array_index(local->faults, i);
        if (!fault->healed && (fault->ruled || fault->verb == MOB_VERB_PAUSE))
            g_string_append_printf(into, "in force: %s\n", fault->text);
    }
}

static MobPicks *
picks(MobControl *self)
{
    return local_of(self)->picks;
}

static uint64_t
events(MobControl *self)
{
    return local_of(self)->events;
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
mob_local_control(MobLocal *local)
{
    return &local->control;
}

MobLoop *
mob_local_loop(MobLocal *local)
{
    return local->loop;
}

pid_t
mob_local_pid(const MobLocal *local, const char *name)
{
    const MobLocalBox *box = mob_local_box(local, name);
    const MobLocalProc *proc = mob_local_proc(local, name);

    if (box != NULL && box->pid != 0)
        return box->pid;
    return proc != NULL && proc->alive ? proc->pid : 0;
}

size_t
mob_local_machine_count(const MobLocal *local)
{
    return local->boxes->len;
}

const MobMachine *
mob_local_machine(const MobLocal *local, size_t index)
{
    return &((const MobLocalBox *)g_ptr_array_index(local->boxes, index))->machine;
}

bool
mob_local_is_far(const MobLocal *local, const char *name)
{
    const MobLocalBox *box = mob_local_box(local, name);

    return box != NULL && box->foreign;
}

const char *
mob_local_folder(const MobLocal *local)
{
    return local->root;
}

/* --- making and ending --- */

/* Machines that meet over TCP take their time; a run is to begin with all of them. */
static bool
is_ready(const MobLocal *local)
{
    const MobLocalProc *gcs = mob_local_proc(local, "gcs");

    for (guint i = 0; local->wire != NULL && i < local->boxes->len; i++) {
        const MobLocalBox *box = g_ptr_array_index(local->boxes, i);
        if (mob_local_proc_at(local, mob_node_address(box->node)) == NULL)
            return false;
    }
    return gcs != NULL && gcs->alive;
}

static bool
start_all(MobLocal *local, GError **error)
{
    for (guint i = 0; i < local->boxes->len; i++)
        if (!mob_local_start(local, g_ptr_array_index(local->boxes, i), error))
            return false;
    uint64_t until = mob_clock_real() + START_TIME;
    while (!is_ready(local) && mob_clock_real() < until)
        mob_local_look(local, until);
    if (is_ready(local))
        return true;
    g_set_error(error, MOB_NET_ERROR, 0, "the machines did not come up within %d s; see %s",
                (int)(START_TIME / MOB_SECOND), local->root);
    return false;
}

void
mob_local_config(MobConfig *config)
{
    mob_config_init(config, MOB_PROFILE_MODERN);
    config->tasks_in_flight = SENT_AHEAD;
    config->put_inline_max = config->inline_max;
    config->chunk = PIECE;
    config->chunks_in_flight = PIECES;
}

static bool
open_spill(MobLocal *local, GError **error)
{
    const char *parent = local->options.spill;

    if (parent != NULL)
        local->spill = mob_nest_new(parent, local->options.command, error);
    return parent == NULL || local->spill != NULL;
}

MobLocal *
mob_local_new(const MobLocalOptions *options, GError **error)
{
    MobLocal *local = g_new0(MobLocal, 1);

    local->control = (MobControl){.world = "local",
                                  .now = now,
                                  .submit = submit,
                                  .job_done = job_done,
                                  .job_driver = job_driver,
                                  .job_result = job_result,
                                  .order = order,
                                  .heal = heal,
                                  .bites = bites,
                                  .fault_count = fault_count,
                                  .at = at,
                                  .run = run,
                                  .stop = stop,
                                  .watch = watch,
                                  .explain = explain,
                                  .picks = picks,
                                  .events = events,
                                  .hash = hash,
                                  .process = process};
    local->options = *options;
    local->clock = (MobClock){.epoch = mob_clock_real(), .pace = options->pace};
    local->loop = mob_loop_new();
    local->texts = g_string_chunk_new(4096);
    local->boxes = g_ptr_array_new_with_free_func(mob_local_box_free);
    local->procs = g_ptr_array_new_with_free_func(mob_local_proc_free);
    local->sights = g_ptr_array_new_with_free_func(mob_local_sight_free);
    local->jobs = g_ptr_array_new_with_free_func(job_free);
    local->faults = g_ptr_array_new_with_free_func(mob_local_fault_free);
    local->watchers = g_ptr_array_new();
    local->alarms = g_array_new(FALSE, FALSE, sizeof(MobNetAlarm));
    local->pending = g_array_new(FALSE, FALSE, sizeof(MobPending));
    local->news = g_array_new(FALSE, FALSE, sizeof(MobNote));
    local->numbers = mob_table_new();
    local->old_numbers = mob_table_new();
    mob_local_want(local);
    local->pick_config.seed = options->seed;
    local->picks = mob_picks_new(&local->pick_config);
    local->listener.fd = -1;
    for (size_t i = 0; i < options->machine_count; i++)
        mob_local_box_new(local, &options->machines[i]);
    local->nest = mob_nest_new(NULL, options->command, error);
    local->root = local->nest != NULL ? mob_nest_path(local->nest) : NULL;
    if (local->nest != NULL && mob_local_listen(local, error) &&
        mob_local_wire_open(local, error) && open_spill(local, error))
        return local;
    mob_local_free(local);
    return NULL;
}

bool
mob_local_begin(MobLocal *local, GError **error)
{
    return start_all(local, error);
}

void
mob_local_free(MobLocal *local)
{
    if (local == NULL)
        return;
    for (guint i = 0; i < local->boxes->len; i++) {
        const MobLocalBox *box = g_ptr_array_index(local->boxes, i);
        if (box->pid != 0)
            kill(box->pid, SIGKILL); /* all at once, so that nobody complains of another */
    }
    for (guint i = 0; i < local->boxes->len; i++)
        mob_local_end_box(local, g_ptr_array_index(local->boxes, i));
    mob_nest_free(local->spill);
    mob_nest_free(local->nest);
    for (guint i = 0; i < local->pending->len; i++)
        mob_report_free(g_array_index(local->pending, MobPending, i).report);
    if (local->listener.fd >= 0)
        close(local->listener.fd);
    g_ptr_array_unref(local->boxes);
    g_ptr_array_unref(local->procs);
    g_ptr_array_unref(local->sights);
    g_ptr_array_unref(local->jobs);
    g_ptr_array_unref(local->faults);
    g_ptr_array_unref(local->watchers);
    g_array_unref(local->alarms);
    g_array_unref(local->pending);
    g_array_unref(local->news);
    mob_table_free(local->numbers);
    mob_table_free(local->old_numbers);
    mob_picks_free(local->picks);
    mob_loop_free(local->loop);
    g_string_chunk_free(local->texts);
    mob_local_wire_free(local);
    g_free(local);
}
