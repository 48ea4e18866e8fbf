/* control.c: what an outsider may do to a simulated cluster; see
 * runtime/control.h. */
#include "sim/control.h"

#include "sim/faults.h"
#include "sim/machine.h"
#include "sim/tell.h"

enum {
    JOBS_MAX = MOB_FIRST_WORKER - MOB_LOCAL_WORKER
};

static MobWorld *
world_of(MobControl *self)
{
    return (MobWorld *)self;
}

/* --- jobs --- */

static MobJobRun *
job_at(MobControl *self, uint32_t number)
{
    const MobWorld *world = world_of(self);

    g_assert(number >= 1 && number <= world->jobs->len);
    return g_ptr_array_index(world->jobs, number - 1);
}

static uint32_t
submit(MobControl *self, const MobJob *job, GError **error)
{
    MobWorld *world = world_of(self);
    const MobBox *head = g_ptr_array_index(world->boxes, 0);

    if (!head->alive || head->life->manager->state == MOB_PLACE_DEAD) {
        g_set_error(error, MOB_CONTROL_ERROR, 0,
                    "%s is dead, and drivers run there; restart it first", head->name);
        return 0;
    }
    if (world->jobs->len == JOBS_MAX) {
        g_set_error(error, MOB_CONTROL_ERROR, 0, "a cluster runs at most %d jobs", JOBS_MAX);
        return 0;
    }
    MobJobRun *run = g_new0(MobJobRun, 1);
    g_ptr_array_add(world->jobs, run);
    run->number = world->jobs->len;
    run->driver = mob_driver_start(world, job, run->number);
    world->busy_at = world->now;
    return run->number;
}

void
mob_world_look_at_job(MobWorld *world, const MobPlace *place)
{
    MobJobRun *job = g_ptr_array_index(world->jobs, place->job - 1);
    const MobValue *result = job->done ? NULL : world->cast->result(place->process);

    if (result == NULL)
        return;
    job->result = mob_value_ref((MobValue *)result);
    job->done = true;
}

static bool
job_done(MobControl *self, uint32_t number)
{
    return job_at(self, number)->done;
}

static MobAddress
job_driver(MobControl *self, uint32_t number)
{
    return job_at(self, number)->driver->address;
}

static const MobValue *
job_result(MobControl *self, uint32_t number)
{
    return job_at(self, number)->result;
}

/* --- faults --- */

static uint32_t
order(MobControl *self, const MobOrder *wanted, GError **error)
{
    return mob_faults_order(world_of(self), wanted, error);
}

static void
heal(MobControl *self, uint32_t fault)
{
    mob_faults_heal(world_of(self), fault);
}

static uint64_t
bites(MobControl *self, uint32_t fault)
{
    return mob_faults_bites(world_of(self), fault);
}

static uint32_t
fault_count(MobControl *self)
{
    return world_of(self)->faults->len;
}

/* --- time --- */

typedef struct {
    MobAlarmFunc func;
    void *data;
    uint64_t tag;
} Alarm;

static void
at(MobControl *self, MobTime when, MobAlarmFunc func, void *data, uint64_t tag)
{
    MobWorld *world = world_of(self);
    Alarm *alarm = g_new(Alarm, 1);

    *alarm = (Alarm){func, data, tag};
    MobSlot slot = {.kind = MOB_AT_ALARM, .foreground = true, .what = alarm};
    mob_world_schedule(world, MAX(when, world->now), tag, slot);
}

void
mob_world_alarm(MobWorld *world, MobSlot *slot)
{
    g_autofree Alarm *alarm = slot->what;

    world->cause = ++world->events;
    world->busy_at = world->now;
    world->inside = true;
    alarm->func(alarm->data, alarm->tag);
    world->inside = false;
    mob_tell_event(world, slot->cause, alarm->tag);
    world->cause = 0;
    mob_world_settle(world);
}

static MobTime
now(MobControl *self)
{
    return world_of(self)->now;
}

static MobRunEnd
run(MobControl *self, const MobUntil *until)
{
    return mob_world_run(world_of(self), until);
}

static void
stop(MobControl *self)
{
    world_of(self)->stop = true;
}

/* --- looking on --- */

static void
watch(MobControl *self, MobWatcher *watcher)
{
    MobWorld *world = world_of(self);

    g_ptr_array_add(world->watchers, watcher);
    mob_tell_ask(world);
}

static void
explain(MobControl *self, GString *into)
{
    const MobWorld *world = world_of(self);
    g_autoptr(GString) line = g_string_new(NULL);

    if (world->livelock != NULL)
        g_string_append_printf(into, "%s turns in circles at one instant\n", world->livelock->name);
    for (guint i = 0; i < world->places->len; i++) {
        const MobPlace *place = g_ptr_array_index(world->places, i);
        if (place->state != MOB_PLACE_LIVE ||
            (place->role != MOB_ROLE_DRIVER && place->role != MOB_ROLE_WORKER))
            continue;
        g_string_truncate(line, 0);
        world->cast->explain(place->process, line);
        if (line->len > 0)
            g_string_append_printf(into, "%s: %s%s", place->name, line->str,
                                   g_str_has_suffix(line->str, "\n") ? "" : "\n");
    }
    mob_faults_explain(world, into);
}

static MobPicks *
picks(MobControl *self)
{
    return world_of(self)->picks;
}

static uint64_t
events(MobControl *self)
{
    return world_of(self)->events;
}

static uint64_t
hash(MobControl *self)
{
    return world_of(self)->hash;
}

static const MobProcess *
process(MobControl *self, MobAddress address)
{
    const MobPlace *place = mob_place_at(world_of(self), address);

    return place != NULL ? place->process : NULL;
}

void
mob_world_init_control(MobWorld *world)
{
    world->control = (MobControl){
        .world = "sim",
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
        .process = process,
    };
}
