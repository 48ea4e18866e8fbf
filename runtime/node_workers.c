/* node_workers.c: starting, leasing, ending and burying workers. */
#include "runtime/node_parts.h"

#include <string.h>

enum {
    REASON_MAX = 1000, /* letters of what a worker says when it ends */
};

void
mob_node_pass_on(MobNode *node, const MobMsg *msg, MobOutbox *out)
{
    const MobLocalWorker *worker;
    size_t at = 0;

    while ((worker = mob_table_next(node->workers.all, &at)) != NULL)
        if (worker->registered && worker->stage != MOB_WORKER_DYING)
            mob_send(out, worker->address, mob_msg_ref((MobMsg *)msg));
}

static void
add_self(const MobNode *node, MobViews *views)
{
    views->items = g_renew(MobView, views->items, views->count + 1);
    views->items[views->count++] = (MobView){
        .node = node->self,
        .name = mob_str_ref(node->name),
        .alive = true,
        .total = mob_resources_copy(&node->leases.total),
        .available = mob_resources_copy(&node->leases.available),
    };
}

/* The nodes that are known here, and this one. Workers share one message. */
static void
send_roll(MobNode *node, MobAddress worker, MobOutbox *out)
{
    if (node->welcome == NULL) {
        MobWorkerRegistered *registered = mob_worker_registered_new();
        mob_cluster_views(&node->cluster, &registered->views);
        if (node->cluster.self_index == UINT32_MAX)
            add_self(node, &registered->views);
        node->welcome = &registered->base;
    }
    mob_send(out, worker, mob_msg_ref(node->welcome));
}

/* What a worker must know: all nodes, and who has died of late. */
static void
welcome(MobNode *node, MobAddress worker, MobOutbox *out)
{
    send_roll(node, worker, out);
    for (uint32_t i = 0; i < node->deaths->len; i++)
        mob_send(out, worker, mob_msg_ref(g_ptr_array_index(node->deaths, i)));
}

static void
clear_welcome(MobNode *node)
{
    if (node->workers.starting == 0)
        g_clear_pointer(&node->welcome, mob_msg_unref);
}

/* How many may idle for ever. */
static uint32_t
soft_limit(const MobNode *node)
{
    return node->draining ? 0 : (uint32_t)MAX(1, node->leases.total.cpu / MOB_UNIT);
}

static void
watch_idle(MobNode *node, MobOutbox *out)
{
    const MobLocalWorker *oldest = mob_workers_oldest(&node->workers);

    if (oldest != NULL && node->workers.idle > soft_limit(node))
        mob_node_wake(node, MOB_TIMER_IDLE_WORKERS, oldest->since + node->config->worker_idle, out);
}

void
mob_node_on_idle_workers_timer(MobNode *node, const MobInput *in, MobOutbox *out)
{
    MobLocalWorker *worker;

    while (node->workers.idle > soft_limit(node) &&
           (worker = mob_workers_oldest(&node->workers)) != NULL &&
           (node->draining || worker->since + node->config->worker_idle <= in->now)) {
        mob_workers_make_exiting(&node->workers, worker);
        mob_send(out, worker->address, mob_exit_worker_new());
    }
    watch_idle(node, out);
}

static void
make_idle(MobNode *node, MobLocalWorker *worker, const MobInput *in, MobOutbox *out)
{
    mob_workers_make_idle(&node->workers, worker, in->now);
    mob_node_staff(node, in, out);
    if (node->draining)
        mob_node_on_idle_workers_timer(node, in, out);
    else
        watch_idle(node, out);
}

void
mob_node_on_register_worker(MobNode *node, const MobInput *in, MobOutbox *out)
{
    MobLocalWorker *worker = mob_workers_get(&node->workers, in->from);

    if (in->from.node != node->self.v || (worker == NULL && !mob_register_worker(in->msg)->driver))
        return; /* of another machine, or given up already */
    if (worker == NULL)
        worker = mob_workers_add_driver(&node->workers, in->from);
    if (mob_register_worker(in->msg)->driver)
        mob_node_follow(node); /* it will have tasks to place */
    if (worker->stage == MOB_WORKER_DYING)
        return;
    if (node->known_at != 0) /* before the GCS has answered there is nothing to tell */
        welcome(node, in->from, out);
    if (worker->stage == MOB_WORKER_STARTING) {
        mob_note(out, (MobNote){.kind = MOB_NOTE_WORKER_STARTED,
                                .worker = worker->address,
                                .node = node->self});
        make_idle(node, worker, in, out);
    }
    clear_welcome(node);
}

static void
to_all(MobNode *node, void (*send)(MobNode *, MobAddress, MobOutbox *), MobOutbox *out)
{
    const MobLocalWorker *worker;
    size_t at = 0;

    while ((worker = mob_table_next(node->workers.all, &at)) != NULL)
        if (worker->registered && worker->stage != MOB_WORKER_DYING)
            send(node, worker->address, out);
    clear_welcome(node);
}

void
mob_node_welcome_early(MobNode *node, MobOutbox *out)
{
    to_all(node, welcome, out);
}

void
mob_node_call_roll(MobNode *node, MobOutbox *out)
{
    to_all(node, send_roll, out);
}

void
mob_node_on_exit_refused(MobNode *node, const MobInput *in, MobOutbox *out)
{
    MobLocalWorker *worker = mob_workers_get(&node->workers, in->from);

    if (worker == NULL || worker->stage != MOB_WORKER_EXITING)
        return;
    worker->refused = true; /* until it has worked again */
    make_idle(node, worker, in, out);
}

void
mob_node_on_worker_blocked(MobNode *node, const MobInput *in, MobOutbox *out)
{
    const MobLocalWorker *worker = mob_workers_get(&node->workers, in->from);
    bool blocked = mob_worker_blocked(in->msg)->blocked;

    if (worker == NULL || worker->lease == NULL || worker->lease->blocked == blocked)
        return;
    mob_leases_lend(&node->leases, worker->lease, blocked);
    mob_note(out, (MobNote){.kind = blocked ? MOB_NOTE_WORKER_BLOCKED : MOB_NOTE_WORKER_UNBLOCKED,
                            .worker = worker->address,
                            .node = node->self});
    /* What a blocked task has pinned must not keep others from their arguments. */
    if (blocked) {
        node->arg_bytes -= worker->lease->arg_bytes;
        node->admit_due = node->schedule_due = true;
    } else {
        node->arg_bytes += worker->lease->arg_bytes;
    }
}

void
mob_node_kill_worker(MobNode *node, MobLocalWorker *worker, const char *reason, MobOutbox *out)
{
    if (worker->stage == MOB_WORKER_DYING)
        return;
    mob_workers_make_dying(&node->workers, worker, mob_str_new(reason));
    mob_kill(out, worker->address);
}

void
mob_node_kill_all(MobNode *node, const char *reason, MobOutbox *out)
{
    MobLocalWorker *worker;
    size_t at = 0;

    while ((worker = mob_table_next(node->workers.all, &at)) != NULL)
        if (worker->stage != MOB_WORKER_DRIVER) /* not ours to kill: it goes when we are gone */
            mob_node_kill_worker(node, worker, reason, out);
}

void
mob_node_free_worker(MobNode *node, MobLocalWorker *worker, const MobInput *in, MobOutbox *out)
{
    make_idle(node, worker, in, out);
}

static void
start_worker(MobNode *node, const MobInput *in, MobOutbox *out)
{
    const MobLocalWorker *worker = mob_workers_start(&node->workers, in->now);

    mob_spawn(out, worker->address);
    mob_node_wake(node, MOB_TIMER_WORKER_START, in->now + node->config->worker_register_timeout,
                  out);
}

void
mob_node_staff(MobNode *node, const MobInput *in, MobOutbox *out)
{
    const MobLeaseList *starting = &node->leases.starting;

    while (starting->first != NULL) {
        MobLease *lease = starting->first;
        MobLocalWorker *worker = mob_workers_lease(&node->workers, lease);
        if (worker == NULL)
            break;
        lease->worker = worker;
        mob_node_grant(node, lease, out);
    }
    while (node->workers.starting < MIN(starting->count, node->cores))
        start_worker(node, in, out);
    if (node->workers.starting == 0)
        mob_node_still(node, MOB_TIMER_WORKER_START, out);
}

void
mob_node_on_worker_start_timer(MobNode *node, const MobInput *in, MobOutbox *out)
{
    MobTime patience = node->config->worker_register_timeout;
    MobLocalWorker *worker;

    while ((worker = mob_workers_longest_starting(&node->workers)) != NULL &&
           worker->since + patience <= in->now)
        mob_node_kill_worker(node, worker, "it did not register in time", out);
    if (worker != NULL)
        mob_node_wake(node, MOB_TIMER_WORKER_START, worker->since + patience, out);
    mob_node_staff(node, in, out);
}

/* The worker no longer waits for objects, nor for their room. */
static void
drop_wishes(MobNode *node, MobAddress worker, MobOutbox *out)
{
    MobFetch *fetch;
    size_t at = 0;

    while ((fetch = mob_table_next(node->fetches.rows, &at)) != NULL)
        if (mob_fetch_remove_waiter(fetch, worker))
            mob_node_review(node, fetch, out);
}

void
mob_node_on_child(MobNode *node, const MobInput *in, MobOutbox *out)
{
    MobLocalWorker *worker = mob_workers_get(&node->workers, in->from);

    if (worker == NULL)
        return;
    g_autoptr(MobStr) reason =
        worker->reason != NULL
            ? mob_str_ref(worker->reason)
            : mob_str_new_len(in->reason, MIN(strlen(in->reason), (size_t)REASON_MAX));
    MobLease *lease = worker->lease;

    mob_recent_add(node->causes, mob_key_address(in->from), mob_str_ref(reason));
    mob_node_tell_of_orphans(node, worker);
    mob_workers_remove(&node->workers, worker);
    mob_note(out, (MobNote){.kind = MOB_NOTE_WORKER_DIED,
                            .worker = in->from,
                            .node = node->self,
                            .reason =
                                mob_str(mob_recent_text(node->causes, mob_key_address(in->from)))});
    if (lease != NULL) {
        lease->worker = NULL;
        mob_node_end_lease(node, lease, "its worker died", out);
    }
    drop_wishes(node, in->from, out);
    mob_node_announce_death(node, in->from, reason, in, out);
    mob_node_staff(node, in, out);
}

void
mob_node_on_ask_failure_cause(MobNode *node, const MobInput *in, MobOutbox *out)
{
    const MobAskFailureCause *ask = mob_ask_failure_cause(in->msg);
    const MobLocalWorker *worker = mob_workers_get(&node->workers, ask->worker);
    MobFailureCause *cause = mob_failure_cause_new();

    cause->lease = ask->lease;
    cause->worker = ask->worker;
    cause->alive = worker != NULL && worker->stage != MOB_WORKER_DYING;
    if (worker != NULL)
        cause->reason = mob_str_ref(worker->reason);
    else
        cause->reason = mob_str_ref(mob_recent_text(node->causes, mob_key_address(ask->worker)));
    if (!cause->alive && cause->reason == NULL)
        cause->reason = mob_str_new("it died long ago");
    mob_send(out, in->from, cause);
}

void
mob_node_refresh_workers(MobNode *node, MobOutbox *out)
{
    MobLocalWorker *worker;
    size_t at = 0;

    while ((worker = mob_table_next(node->workers.all, &at)) != NULL) {
        if (!worker->refresh || worker->stage == MOB_WORKER_DYING)
            continue;
        worker->refresh = false;
        welcome(node, worker->address, out);
        if (worker->stage == MOB_WORKER_EXITING)
            mob_send(out, worker->address, mob_exit_worker_new());
    }
    clear_welcome(node);
}
