/* owner_ahead.c: how many tasks are under way under one lease.
 *
 * A worker runs one task at a time, the first of the list. The others were
 * sent ahead, so that it need not wait for the owner between two of them: as
 * many as it finishes in ahead_time at the pace that was measured, and at
 * most tasks_in_flight. It hands back what it has not started as soon as its
 * body blocks or runs for longer than that; what was handed back never was an
 * attempt, and goes to the front of its queue.
 *
 * If the worker is lost with them, nobody knows which it had started, so all
 * count as attempts. Hence a task that must not fail for another's sake, the
 * one that may not be retried any more, is never sent ahead.
 */
#include "runtime/worker_parts.h"

void
mob_lease_add_task(MobOwnLease *lease, MobTask *task)
{
    g_assert(task->next == NULL);
    if (lease->task == NULL)
        lease->task = task;
    else
        lease->last->next = task;
    lease->last = task;
    lease->in_flight++;
    task->lease = lease;
}

/* It stays known to the task, for those who say where it was. */
void
mob_lease_take_task(MobOwnLease *lease, MobTask *task)
{
    MobTask *before = NULL;

    if (lease->task == task) {
        lease->task = task->next;
    } else {
        for (before = lease->task; before->next != task; before = before->next)
            ;
        before->next = task->next;
    }
    if (lease->last == task)
        lease->last = before;
    task->next = NULL;
    lease->in_flight--;
}

bool
mob_lease_has_room(const MobStep *step, const MobOwnLease *lease, const MobTask *task)
{
    if (lease->in_flight == 0)
        return true;
    return lease->in_flight < MIN(lease->ahead, step->worker->config->tasks_in_flight) &&
           lease->state == MOB_OWN_BUSY && !lease->leaving && task->retries_left != 0;
}

/* An idle worker waits for us, which says nothing of its pace. */
void
mob_lease_begin_pace(const MobStep *step, MobOwnLease *lease)
{
    lease->measured = step->input->now;
    lease->done = 0;
}

/* A task has ended. As many as were done in one stretch of time are sent ahead
 * for the next. */
void
mob_lease_keep_pace(const MobStep *step, MobOwnLease *lease)
{
    MobTime stretch = step->worker->config->ahead_time;
    MobTime took = step->input->now - lease->measured;

    lease->done++;
    if (took < stretch) {
        lease->ahead = MAX(lease->ahead, lease->done);
        return;
    }
    lease->ahead = lease->done * stretch / took;
    mob_lease_begin_pace(step, lease);
}

/* The worker has not started it. */
void
mob_lease_handed_back(MobStep *step, MobTask *task)
{
    MobOwnLease *lease = task->lease;
    MobShape *shape = lease->shape;

    NOTE(step->out, TASK_HANDED_BACK, .spec = task->spec, .attempt = task->attempt,
         .owner = task->spec->owner, .worker = lease->worker);
    mob_lease_take_task(lease, task);
    lease->ahead = 1;
    mob_lease_begin_pace(step, lease);
    task->place = MOB_TASK_QUEUED;
    task->lease = NULL;
    task->next = shape->first;
    shape->first = task;
    if (shape->last == NULL)
        shape->last = task;
    shape->queued++;
    mob_own_leases_pump(step, shape);
}
