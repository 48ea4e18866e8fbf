/* guard.c: see guard.h. */
#include "cli/guard.h"

#define INNER(self) (((MobGuard *)(self))->inner)

static MobTime
guard_now(MobControl *self)
{
    return INNER(self)->now(INNER(self));
}

static uint32_t
guard_submit(MobControl *self, const MobJob *job, GError **error)
{
    MobGuard *guard = (MobGuard *)self;
    uint32_t number = guard->inner->submit(guard->inner, job, error);
    if (number != 0 && guard->submitted != NULL)
        guard->submitted(guard->data, job, number);
    return number;
}

static bool
guard_job_done(MobControl *self, uint32_t job)
{
    return INNER(self)->job_done(INNER(self), job);
}

static MobAddress
guard_job_driver(MobControl *self, uint32_t job)
{
    return INNER(self)->job_driver(INNER(self), job);
}

static const MobValue *
guard_job_result(MobControl *self, uint32_t job)
{
    return INNER(self)->job_result(INNER(self), job);
}

static uint32_t
guard_order(MobControl *self, const MobOrder *order, GError **error)
{
    return INNER(self)->order(INNER(self), order, error);
}

static void
guard_heal(MobControl *self, uint32_t fault)
{
    INNER(self)->heal(INNER(self), fault);
}

static uint64_t
guard_bites(MobControl *self, uint32_t fault)
{
    return INNER(self)->bites(INNER(self), fault);
}

static uint32_t
guard_fault_count(MobControl *self)
{
    return INNER(self)->fault_count(INNER(self));
}

static void
guard_at(MobControl *self, MobTime when, MobAlarmFunc func, void *data, uint64_t tag)
{
    INNER(self)->at(INNER(self), when, func, data, tag);
}

static MobRunEnd
guard_run(MobControl *self, const MobUntil *until)
{
    MobGuard *guard = (MobGuard *)self;
    MobUntil limited = *until;
    limited.limit = MIN(limited.limit, guard->limit);
    if (guard->running != NULL)
        guard->running(guard->data);
    MobRunEnd end = guard->inner->run(guard->inner, &limited);
    if (guard->rested != NULL)
        guard->rested(guard->data);
    return end;
}

static void
guard_stop(MobControl *self)
{
    INNER(self)->stop(INNER(self));
}

static void
guard_watch(MobControl *self, MobWatcher *watcher)
{
    INNER(self)->watch(INNER(self), watcher);
}

static void
guard_explain(MobControl *self, GString *into)
{
    INNER(self)->explain(INNER(self), into);
}

static MobPicks *
guard_picks(MobControl *self)
{
    return INNER(self)->picks(INNER(self));
}

static uint64_t
guard_events(MobControl *self)
{
    return INNER(self)->events(INNER(self));
}

static uint64_t
guard_hash(MobControl *self)
{
    return INNER(self)->hash(INNER(self));
}

static const MobProcess *
guard_process(MobControl *self, MobAddress address)
{
    return INNER(self)->process(INNER(self), address);
}

void
mob_guard_init(MobGuard *guard, MobControl *inner)
{
    guard->inner = inner;
    guard->base = (MobControl){
        .world = inner->world,
        .now = guard_now,
        .submit = guard_submit,
        .job_done = guard_job_done,
        .job_driver = guard_job_driver,
        .job_result = guard_job_result,
        .order = guard_order,
        .heal = guard_heal,
        .bites = guard_bites,
        .fault_count = guard_fault_count,
        .at = guard_at,
        .run = guard_run,
        .stop = guard_stop,
        .watch = guard_watch,
        .explain = guard_explain,
        .picks = guard_picks,
        .events = guard_events,
        .hash = guard_hash,
        .process = guard_process,
    };
}
