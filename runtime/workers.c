/* workers.c: see workers.h. */
#include "runtime/workers.h"

static void
free_worker(void *data)
{
    MobLocalWorker *worker = data;

    mob_str_unref(worker->reason);
    g_free(worker);
}

void
mob_workers_init(MobWorkers *workers, uint32_t node, uint32_t first_local)
{
    *workers = (MobWorkers){.all = mob_table_new(), .node = node, .next_local = first_local};
}

void
mob_workers_clear(MobWorkers *workers)
{
    mob_table_free_full(workers->all, free_worker);
}

MobLocalWorker *
mob_workers_get(const MobWorkers *workers, MobAddress address)
{
    return mob_table_get(workers->all, mob_key_address(address));
}

static MobLocalWorker *
add(MobWorkers *workers, MobAddress address, MobWorkerStage stage)
{
    MobLocalWorker *worker = g_new0(MobLocalWorker, 1);

    worker->address = address;
    worker->stage = stage;
    mob_table_add(workers->all, mob_key_address(address), worker);
    return worker;
}

MobLocalWorker *
mob_workers_start(MobWorkers *workers, MobTime now)
{
    /* A driver may have been given a number that we have not come to yet. */
    while (mob_workers_get(workers, (MobAddress){workers->node, workers->next_local}) != NULL)
        workers->next_local++;
    MobAddress address = {workers->node, workers->next_local++};
    MobLocalWorker *worker = add(workers, address, MOB_WORKER_STARTING);

    worker->since = now;
    workers->starting++;
    return worker;
}

MobLocalWorker *
mob_workers_add_driver(MobWorkers *workers, MobAddress address)
{
    MobLocalWorker *worker = add(workers, address, MOB_WORKER_DRIVER);

    worker->registered = true;
    workers->registered++;
    workers->drivers++;
    return worker;
}

static void
leave_idle(MobWorkers *workers, MobLocalWorker *worker)
{
    if (worker->before != NULL)
        worker->before->next = worker->next;
    else
        workers->newest = worker->next;
    if (worker->next != NULL)
        worker->next->before = worker->before;
    else
        workers->oldest = worker->before;
    worker->next = worker->before = NULL;
    workers->idle--;
}

/* Ends what its present stage means to the pool. */
static void
leave_stage(MobWorkers *workers, MobLocalWorker *worker)
{
    if (worker->stage == MOB_WORKER_STARTING)
        workers->starting--;
    if (worker->stage == MOB_WORKER_IDLE)
        leave_idle(workers, worker);
    if (worker->stage == MOB_WORKER_DRIVER)
        workers->drivers--;
    worker->lease = NULL;
}

void
mob_workers_make_idle(MobWorkers *workers, MobLocalWorker *worker, MobTime now)
{
    g_assert(worker->stage == MOB_WORKER_STARTING || worker->stage == MOB_WORKER_LEASED ||
             worker->stage == MOB_WORKER_EXITING);
    leave_stage(workers, worker);
    if (!worker->registered) {
        worker->registered = true;
        workers->registered++;
    }
    worker->stage = MOB_WORKER_IDLE;
    worker->since = now;
    worker->next = workers->newest;
    if (workers->newest != NULL)
        workers->newest->before = worker;
    else
        workers->oldest = worker;
    workers->newest = worker;
    workers->idle++;
}

MobLocalWorker *
mob_workers_lease(MobWorkers *workers, MobLease *lease)
{
    MobLocalWorker *worker = workers->newest;

    if (worker == NULL)
        return NULL;
    leave_stage(workers, worker);
    worker->stage = MOB_WORKER_LEASED;
    worker->refused = false;
    worker->stored_for = (MobAddress){0};
    worker->lease = lease;
    return worker;
}

MobLocalWorker *
mob_workers_oldest(const MobWorkers *workers)
{
    MobLocalWorker *worker = workers->oldest;

    while (worker != NULL && worker->refused)
        worker = worker->before;
    return worker;
}

void
mob_workers_make_exiting(MobWorkers *workers, MobLocalWorker *worker)
{
    g_assert(worker->stage == MOB_WORKER_IDLE);
    leave_stage(workers, worker);
    worker->stage = MOB_WORKER_EXITING;
}

void
mob_workers_make_dying(MobWorkers *workers, MobLocalWorker *worker, MobStr *reason)
{
    if (worker->stage == MOB_WORKER_DYING) {
        mob_str_unref(reason);
        return;
    }
    leave_stage(workers, worker);
    worker->stage = MOB_WORKER_DYING;
    worker->reason = reason;
}

void
mob_workers_remove(MobWorkers *workers, MobLocalWorker *worker)
{
    leave_stage(workers, worker);
    workers->registered -= worker->registered;
    mob_table_take(workers->all, mob_key_address(worker->address));
    free_worker(worker);
}

MobLocalWorker *
mob_workers_longest_starting(const MobWorkers *workers)
{
    MobLocalWorker *worker;
    size_t at = 0;

    if (workers->starting == 0)
        return NULL;
    while ((worker = mob_table_next(workers->all, &at)) != NULL)
        if (worker->stage == MOB_WORKER_STARTING)
            return worker; /* the table is in the order of starting */
    return NULL;
}
