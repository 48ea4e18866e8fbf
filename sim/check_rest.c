/* check_rest.c: what must hold when nothing is left to happen, and what a job
 * may answer.
 */
#include "sim/check_parts.h"

static bool
owner_lives(MobCheck *check, MobAddress owner)
{
    return mob_check_process(check, owner) != NULL;
}

/* --- the directory --- */

static bool
has_copy(MobCheck *check, MobNodeId node, MobObjectId object)
{
    const MobProcess *process = mob_check_process(check, mob_node_address(node.v));
    size_t at = 0;
    MobCopyInfo copy;

    while (process != NULL && mob_node_next_copy(process, &at, &copy))
        if (copy.sealed && mob_object_eq(copy.object, object))
            return true;
    return false;
}

static void
check_borrowers(MobCheck *check, const MobProcess *worker, const char *name, const MobRefInfo *ref)
{
    size_t at = 0;
    MobAddress borrower;

    while (ref->owned && mob_worker_next_borrower(worker, ref->object, &at, &borrower))
        if (mob_check_process(check, borrower) == NULL)
            mob_check_fail(check, "I38", "fate-sharing",
                           "%s still counts a borrower of %s that is dead", name,
                           mob_check_object_name(check, ref->object));
}

/* A child runs on, and nobody wants what it makes. */
static void
check_running(MobCheck *check, const MobProcess *worker, const char *name)
{
    MobWorkerStats stats;

    mob_worker_stats(worker, &stats);
    if (stats.running && mob_address_is(stats.caller) && !owner_lives(check, stats.caller))
        mob_check_fail(check, "I38", "fate-sharing", "%s runs a task of an owner that is dead",
                       name);
}

static void
check_rows(MobCheck *check, const MobProcess *worker, const char *name, bool drained)
{
    size_t at = 0;
    MobRefInfo ref;

    while (mob_worker_next_ref(worker, &at, &ref)) {
        if (drained)
            mob_check_fail(check, "I6", "no leak", "%s still has a row for %s", name,
                           mob_check_object_name(check, ref.object));
        check_borrowers(check, worker, name, &ref);
        for (uint32_t i = 0; ref.owned && i < ref.node_count; i++)
            if (!has_copy(check, ref.nodes[i], ref.object))
                mob_check_fail(check, "I34", "directory soundness",
                               "%s believes that %s is on %s, and it is not", name,
                               mob_check_object_name(check, ref.object),
                               mob_state_node_name(check->state, ref.nodes[i]));
    }
}

/* --- stores and leases --- */

static void
check_node_at_rest(MobCheck *check, const MobProcess *node, const char *name, bool drained)
{
    size_t at = 0;
    MobCopyInfo copy;
    MobLeaseInfo lease;
    MobNodeStats stats;

    mob_node_stats(node, &stats);
    while (mob_node_next_copy(node, &at, &copy)) {
        if (!owner_lives(check, copy.owner))
            mob_check_fail(check, "I38", "fate-sharing", "%s holds %s, whose owner is dead", name,
                           mob_check_object_name(check, copy.object));
        if (drained)
            mob_check_fail(check, "I6", "no leak", "%s still holds a copy of %s", name,
                           mob_check_object_name(check, copy.object));
    }
    at = 0;
    while (mob_node_next_lease(node, &at, &lease)) {
        if (!owner_lives(check, lease.lease.owner))
            mob_check_fail(check, "I38", "fate-sharing",
                           "%s keeps a lease for an owner that is dead", name);
        if (drained)
            mob_check_fail(check, "I6", "no leak", "%s still has a lease of %s", name,
                           mob_state_proc_name(check->state, lease.lease.owner));
    }
    mob_check_disk_at_rest(check, node, name);
    if (drained && stats.pulls > 0)
        mob_check_fail(check, "I6", "no leak", "%s still pulls %u objects", name, stats.pulls);
}

/* What an owner counts as its leases and what node managers keep for it agree. */
static void
check_owned_leases(MobCheck *check, const MobProcess *worker, const char *name)
{
    size_t at = 0;
    MobProcInfo info;
    const MobProcess *process;
    MobWorkerStats stats;
    uint32_t kept = 0;

    mob_worker_stats(worker, &stats);
    while ((process = mob_world_next_process(check->world, &at, &info))) {
        size_t next = 0;
        MobLeaseInfo lease;
        while (info.role == MOB_ROLE_NODE && mob_node_next_lease(process, &next, &lease))
            kept += mob_address_eq(lease.lease.owner, worker->address);
    }
    if (kept != stats.leases)
        mob_check_fail(check, "I25", "task conservation",
                       "%s counts %u leases, and the node managers keep %u for it", name,
                       stats.leases, kept);
}

/* Every job has ended, whether it answered or its driver died. */
static bool
jobs_are_over(const MobState *state)
{
    for (guint i = 0; i < state->jobs->len; i++) {
        const MobStateJob *job = state->jobs->pdata[i];
        const MobStateProc *driver = mob_state_proc_by_address(state, job->driver);
        if (driver != NULL && driver->alive)
            return false;
    }
    return state->jobs->len > 0;
}

void
mob_check_at_rest(MobCheck *check, bool drained)
{
    size_t at = 0;
    MobProcInfo info;
    const MobProcess *process;

    if (check->violation.property != NULL)
        return;
    drained = drained || jobs_are_over(check->state);
    while ((process = mob_world_next_process(check->world, &at, &info))) {
        check->credit = UINT64_MAX; /* whatever it costs */
        if (info.role == MOB_ROLE_NODE) {
            mob_check_node(check, process);
            check_node_at_rest(check, process, info.name, drained);
        } else if (info.role == MOB_ROLE_WORKER || info.role == MOB_ROLE_DRIVER) {
            mob_check_worker(check, process);
            check_rows(check, process, info.name, drained);
            check_running(check, process, info.name);
            check_owned_leases(check, process, info.name);
        }
    }
    check->credit = 0;
    check->count++;
}

/* --- answers --- */

/* The error at the end of the chain of causes (transfer full). */
static MobFaultKind
root_of(const MobValue *value, GStringChunk *text, const char **message, bool *timed_out)
{
    MobFault fault = {0};
    MobFaultKind kind = MOB_FAULT_NONE;
    g_autoptr(MobValue) at = mob_value_ref((MobValue *)value);

    while (at != NULL && mob_fault_read(at, &fault, text)) {
        kind = fault.kind;
        *message = fault.message;
        *timed_out = *timed_out || kind == MOB_FAULT_GET_TIMEOUT;
        mob_value_unref(at);
        at = (MobValue *)fault.cause;
    }
    return kind;
}

/* A time-out further up excuses everything: the program asked for it. */
static bool
is_licensed(const MobCheck *check, MobFaultKind kind, bool timed_out)
{
    bool of_the_cluster = kind != MOB_FAULT_NONE && kind != MOB_FAULT_TASK &&
                          kind != MOB_FAULT_GET_TIMEOUT && kind != MOB_FAULT_DEADLOCK &&
                          kind != MOB_FAULT_CANCELLED;

    return timed_out || (of_the_cluster && mob_check_is_licensed(check, kind));
}

static bool
same_message(const MobValue *want, const char *message)
{
    g_autoptr(GStringChunk) text = g_string_chunk_new(256);
    const char *expected = NULL;
    bool timed_out = false;

    root_of(want, text, &expected, &timed_out);
    return g_strcmp0(expected, message) == 0;
}

void
mob_check_answer(MobCheck *check, const MobOracle *oracle, const MobValue *result)
{
    g_autoptr(GStringChunk) text = g_string_chunk_new(256);
    const MobValue *want = mob_oracle_result(oracle);
    const char *message = NULL;
    bool timed_out = false;

    if (result == NULL || check->violation.property != NULL)
        return; /* its driver died: there is no answer to judge */
    check->count++;
    if (result->fault == 0) {
        if (mob_oracle_silent(oracle) == NULL && want->ref_count == 0 && result->ref_count == 0 &&
            !check->errors_seen && (want->hash != result->hash || want->size != result->size))
            mob_check_fail(check, "oracle", "the answer is the program's",
                           "the job answers something else than the program makes");
        return;
    }
    MobFaultKind kind = root_of(result, text, &message, &timed_out);
    if (is_licensed(check, kind, timed_out) || mob_oracle_silent(oracle) != NULL)
        return;
    if (want->fault == 0 || !same_message(want, message))
        mob_check_fail(check, "oracle", "an error has a licence",
                       "the job fails with %s (%s), and nothing that happened excuses it",
                       mob_fault_name(kind), message != NULL ? message : "no message");
}
