/* worker_rig.h: one worker or driver without a world. The test is everybody
 * else: node managers, the GCS, other workers, and the program itself, whose
 * calls it makes. After every step the worker counts everything again.
 *
 * The cluster is n1 (with the GCS), n2 and n3. All that was sent stays to be
 * looked at until the end of the test.
 */
#pragma once

#include "runtime/fault.h"
#include "runtime/worker.h"
#include "tests/rig.h"

#define GCS    ((MobAddress){1, MOB_LOCAL_GCS})
#define DRIVER ((MobAddress){1, MOB_LOCAL_WORKER})
#define NODE1  ((MobAddress){1, MOB_LOCAL_NODE})
#define NODE2  ((MobAddress){2, MOB_LOCAL_NODE})
#define NODE3  ((MobAddress){3, MOB_LOCAL_NODE})
#define SELF   ((MobAddress){1, MOB_LOCAL_POOL}) /* of a rig that is no driver */
#define W1     ((MobAddress){1, MOB_LOCAL_POOL + 1})
#define W2     ((MobAddress){2, MOB_LOCAL_POOL})
#define W2B    ((MobAddress){2, MOB_LOCAL_POOL + 1})
#define HASH   UINT64_C(5) /* of every value in a store */
#define W3     ((MobAddress){3, MOB_LOCAL_POOL})

static inline void
rig_count_again(Rig *rig)
{
    g_autoptr(GString) why = g_string_new(NULL);

    cr_assert(mob_worker_check(rig->process, why), "step %u: %s", (unsigned)rig->events, why->str);
}

static inline MobWorkerStats
rig_stats(const Rig *rig)
{
    MobWorkerStats stats;

    mob_worker_stats(rig->process, &stats);
    return stats;
}

/* --- the worker's life --- */

static inline void
rig_registered(Rig *rig)
{
    MobWorkerRegistered *msg = mob_worker_registered_new();

    msg->views = (MobViews){g_new(MobView, 3), 3};
    for (uint32_t i = 0; i < 3; i++)
        msg->views.items[i] = rig_view(i + 1, 4, true);
    rig_give(rig, NODE1, msg);
}

static inline void
rig_make(Rig *rig, bool driver)
{
    g_autoptr(MobStr) name = mob_str_new("n1");
    g_autoptr(MobStr) job = mob_str_new("job");
    g_autoptr(MobStr) bundle_id = mob_str_new("sha256:1");
    g_autoptr(MobValue) bundle = rig_value(10, 1);
    MobWorkerOptions options = {.gcs = GCS,
                                .node_manager = NODE1,
                                .node_name = name,
                                .driver = driver,
                                .root = {1, 1},
                                .job_name = job,
                                .bundle_id = bundle_id,
                                .bundle = bundle};

    rig_open(rig);
    rig->past = g_array_new(FALSE, FALSE, sizeof(MobOutbox));
    rig->check = rig_count_again;
    rig_start(rig, mob_worker_new(driver ? DRIVER : SELF, &rig->config, &options));
}

/* A driver whose main has begun. */
static inline void
rig_drive(Rig *rig)
{
    rig_make(rig, true);
    rig_registered(rig);
    rig_give(rig, GCS, mob_job_added_new());
    rig_give(rig, GCS, mob_kv_put_reply_new());
    cr_assert_not_null(rig_effect(rig, MOB_EFFECT_START, 0));
    rig->now = MOB_MS;
}

/* A worker of n1 that has nothing to do yet. */
static inline void
rig_work(Rig *rig)
{
    rig_make(rig, false);
    rig_registered(rig);
    rig->now = MOB_MS;
}

/* --- values, references, arguments --- */

static inline MobRef
rig_ref(uint32_t number, MobAddress owner)
{
    return (MobRef){{{7, number}, 1, 0}, owner, NULL};
}

/* A value of @size bytes in which @refs are nested. */
static inline MobValue *
rig_holding(uint64_t size, const MobRef *refs, uint32_t count)
{
    MobRef *copies = g_new(MobRef, count);

    for (uint32_t i = 0; i < count; i++)
        copies[i] = mob_ref_copy(&refs[i]);
    return mob_value_new((const uint8_t *)"v", 1, size, copies, count, 0);
}

#define HOLDING(size, ...)                                                                         \
    rig_holding(size, (const MobRef[]){__VA_ARGS__},                                               \
                sizeof((const MobRef[]){__VA_ARGS__}) / sizeof(MobRef))

static inline MobValue *
rig_error(const char *message)
{
    return mob_fault_value(&(MobFault){.kind = MOB_FAULT_TASK, .message = message});
}

/* The kind of the error @value, 0 if it is none; @message receives its text if
 * it contains @says. */
static inline void
rig_is_error(const MobValue *value, MobFaultKind kind, const char *says)
{
    g_autoptr(GString) report = g_string_new(NULL);

    cr_assert_not_null(value);
    cr_assert_eq(value->fault, kind, "it is %s", mob_fault_name((MobFaultKind)value->fault));
    mob_fault_report(value, report);
    cr_assert_not_null(strstr(report->str, says), "%s", report->str);
}

static inline MobArg
by_value(MobValue *value)
{
    return (MobArg){.value = value};
}

static inline MobArg
by_ref(MobRef ref)
{
    return (MobArg){.ref = mob_ref_copy(&ref)};
}

static inline MobArgs *
rig_args(const MobArg *items, uint32_t count)
{
    MobArgs *args = mob_args_new(count);

    for (uint32_t i = 0; i < count; i++)
        args->items[i] = items[i];
    return args;
}

#define ARGS(...)                                                                                  \
    rig_args((const MobArg[]){__VA_ARGS__}, sizeof((const MobArg[]){__VA_ARGS__}) / sizeof(MobArg))
#define NO_ARGS mob_args_new(0)

/* --- what the program does --- */

/* The body that runs: the newest that was started. */
static inline MobBodyId
rig_body(const Rig *rig)
{
    for (guint i = rig->past->len + 1; i > 0; i--) {
        const MobOutbox *out =
            i > rig->past->len ? &rig->out : &g_array_index(rig->past, MobOutbox, i - 1);
        for (guint k = 0; k < out->effects->len; k++) {
            const MobEffect *effect = &g_array_index(out->effects, MobEffect, k);
            if (effect->kind == MOB_EFFECT_START)
                return effect->body;
        }
    }
    cr_assert_fail("no body was started");
    return (MobBodyId){0};
}

static inline void
rig_call(Rig *rig, MobCall call)
{
    rig_step(rig, (MobInput){.kind = MOB_INPUT_CALL, .body = rig_body(rig), .call = &call});
}

/* What the body was told in the last step; NULL while it waits. */
static inline const MobAnswer *
rig_answer(const Rig *rig)
{
    const MobEffect *resume = rig_effect(rig, MOB_EFFECT_RESUME, 0);

    return resume != NULL ? &resume->answer : NULL;
}

static inline MobTaskSpec *
rig_spec(const char *function, int64_t retries)
{
    MobTaskSpec *spec = mob_spec_new();

    spec->function = mob_str_new(function);
    spec->label = mob_str_new(function);
    spec->bundle = mob_str_new("sha256:1");
    spec->needs.cpu = MOB_UNIT;
    spec->returns = 1;
    spec->retries = retries;
    return spec;
}

/* The first of what @spec returns; takes both. */
static inline MobRef
rig_submit_spec(Rig *rig, MobTaskSpec *spec, MobArgs *args)
{
    uint32_t returns = spec->returns;

    rig_call(rig, (MobCall){.kind = MOB_CALL_SUBMIT, .spec = spec, .args = args});
    const MobAnswer *answer = rig_answer(rig);
    cr_assert_not_null(answer);
    cr_assert_eq(answer->ref_count, returns);
    return returns > 0 ? answer->refs[0] : (MobRef){0};
}

static inline MobRef
rig_submit(Rig *rig, const char *function, MobArgs *args)
{
    return rig_submit_spec(rig, rig_spec(function, 3), args);
}

static inline void
rig_get(Rig *rig, const MobRef *refs, uint32_t count, MobTime timeout)
{
    rig_call(rig,
             (MobCall){.kind = MOB_CALL_GET, .refs = refs, .ref_count = count, .timeout = timeout});
}

static inline void
rig_get_one(Rig *rig, MobRef ref)
{
    rig_get(rig, &ref, 1, MOB_TIME_NEVER);
}

/* The body gives up its references to @objects; any call will do. */
static inline void
rig_drop(Rig *rig, MobRef ref)
{
    rig_call(rig, (MobCall){.kind = MOB_CALL_COMPUTE, .drops = &ref.id, .drop_count = 1});
}

static inline void
rig_return(Rig *rig, MobValue *value)
{
    rig_call(rig, (MobCall){.kind = MOB_CALL_RETURN, .values = &value, .value_count = 1});
}

/* The answer of the node manager to @store. */
static inline void
rig_stored(Rig *rig, const MobStoreObject *store, bool ok)
{
    MobObjectStored *stored = mob_object_stored_new();

    stored->object = store->object.id;
    stored->ok = ok;
    stored->used = 7;
    stored->capacity = 10;
    rig_give(rig, NODE1, stored);
}

/* Puts @value and returns the reference; the store says yes. */
static inline MobRef
rig_put(Rig *rig, MobValue *value)
{
    rig_call(rig, (MobCall){.kind = MOB_CALL_PUT, .values = &value, .value_count = 1});
    rig_stored(rig, mob_store_object(rig_sent(rig, NODE1, MOB_MSG_STORE_OBJECT, 0)), true);
    cr_assert_not_null(rig_answer(rig));
    return rig_answer(rig)->refs[0];
}

/* --- what a worker is given to run --- */

/* The GCS hands over the program, if it was asked for. */
static inline void
rig_give_program(Rig *rig)
{
    const MobMsg *get = rig_sent(rig, GCS, MOB_MSG_KV_GET, 0);

    if (get == NULL)
        return;
    MobKvGetReply *reply = mob_kv_get_reply_new();
    reply->key = mob_str_ref(mob_kv_get(get)->key);
    reply->value = rig_value(10, 1);
    rig_give(rig, GCS, reply);
}

/* @caller pushes T9 with @args. */
static inline void
rig_push(Rig *rig, MobAddress caller, MobTaskSpec *spec, MobArgs *args)
{
    MobPushTask *push = mob_push_task_new();

    spec->id = (MobTaskId){9, 9};
    spec->path = mob_str_new("9");
    spec->owner = caller;
    push->spec = spec;
    push->args = args;
    push->attempt = 1;
    push->lease = (MobLeaseId){caller, 1};
    rig_give(rig, caller, push);
}

/* The same, and its body begins. */
static inline void
rig_begin(Rig *rig, MobAddress caller, MobArgs *args)
{
    rig_push(rig, caller, rig_spec("body", 3), args);
    rig_give_program(rig);
    cr_assert_not_null(rig_effect(rig, MOB_EFFECT_START, 0));
}

/* The reply of T9; NULL if the last step did not send it. */
static inline const MobTaskReply *
rig_replied(const Rig *rig, MobAddress caller)
{
    const MobMsg *reply = rig_sent(rig, caller, MOB_MSG_TASK_REPLY, 0);

    return reply != NULL ? mob_task_reply(reply) : NULL;
}

/* --- what other owners say --- */

/* The answer to GetStatus: @value (taken), or a large one on n2. */
static inline void
rig_status(Rig *rig, MobRef ref, MobValue *value)
{
    MobObjectStatus *status = mob_object_status_new();

    status->object = ref.id;
    status->value = value;
    if (value == NULL) {
        status->size = MOB_MS;
        status->nodes = (MobNodes){g_new(MobNodeId, 1), 1};
        status->nodes.items[0].v = 2;
    }
    rig_give(rig, ref.owner, status);
}

/* @owner answers the AddBorrower that it was sent in the last step. */
static inline void
rig_added(Rig *rig, MobAddress owner)
{
    const MobMsg *add = rig_sent(rig, owner, MOB_MSG_ADD_BORROWER, 0);
    MobBorrowerAdded *added = mob_borrower_added_new();

    cr_assert_not_null(add);
    added->batch = mob_add_borrower(add)->batch;
    rig_give(rig, owner, added);
}

/* @from says that the borrow of @ref under @token is over. */
static inline void
rig_unborrow(Rig *rig, MobAddress from, MobRef ref, MobAddress registrar, uint64_t token)
{
    MobRemoveBorrower *gone = mob_remove_borrower_new();

    gone->borrows = (MobBorrows){g_new0(MobBorrow, 1), 1};
    gone->borrows.items[0].object = ref.id;
    gone->borrows.items[0].registrar = registrar;
    gone->borrows.items[0].token = token;
    rig_give(rig, from, gone);
}

/* The node manager hands @value (taken) over. */
static inline void
rig_here(Rig *rig, MobRef ref, MobValue *value)
{
    MobObjectHere *here = mob_object_here_new();

    here->object = ref.id;
    here->value = value;
    rig_give(rig, NODE1, here);
}

/* --- what node managers say of leases --- */

/* The lease that was asked for in the last step. */
static inline MobLeaseId
rig_asked(const Rig *rig, MobAddress node)
{
    const MobMsg *request = rig_sent(rig, node, MOB_MSG_REQUEST_LEASE, 0);

    cr_assert_not_null(request, "no lease was asked for");
    return mob_request_lease(request)->lease;
}

static inline MobLeaseReply *
rig_lease_reply(MobLeaseId lease, MobLeaseAnswer answer)
{
    MobLeaseReply *reply = mob_lease_reply_new();

    reply->lease = lease;
    reply->answer = answer;
    return reply;
}

static inline void
rig_grant(Rig *rig, MobLeaseId lease, MobAddress worker)
{
    MobLeaseReply *reply = rig_lease_reply(lease, MOB_LEASE_GRANTED);

    reply->worker = worker;
    rig_give(rig, mob_node_address(worker.node), reply);
}

static inline void
rig_spill(Rig *rig, MobLeaseId lease, MobAddress from, uint32_t to)
{
    MobLeaseReply *reply = rig_lease_reply(lease, MOB_LEASE_SPILLED);

    reply->retry_at.v = to;
    rig_give(rig, from, reply);
}

/* n1, which was asked, grants @lease on @worker, or sends it there. */
static inline void
rig_place(Rig *rig, MobLeaseId lease, MobAddress worker)
{
    if (worker.node != 1)
        rig_spill(rig, lease, NODE1, worker.node);
    rig_grant(rig, lease, worker);
}

/* What the last step pushed to @worker. */
static inline const MobPushTask *
rig_pushed(const Rig *rig, MobAddress worker)
{
    const MobMsg *push = rig_sent(rig, worker, MOB_MSG_PUSH_TASK, 0);

    cr_assert_not_null(push, "nothing was pushed");
    return mob_push_task(push);
}

/* Submits, and is granted a lease on @worker, unless one is idle. */
static inline const MobPushTask *
rig_run(Rig *rig, MobTaskSpec *spec, MobArgs *args, MobAddress worker)
{
    rig_submit_spec(rig, spec, args);
    const MobMsg *request = rig_sent(rig, (MobAddress){0}, MOB_MSG_REQUEST_LEASE, 0);
    if (request != NULL && rig_sent(rig, NODE1, MOB_MSG_REQUEST_LEASE, 0) == request)
        rig_place(rig, mob_request_lease(request)->lease, worker);
    else if (request != NULL)
        rig_grant(rig, mob_request_lease(request)->lease, worker);
    return rig_pushed(rig, worker);
}

static inline MobRef
rig_result_of(const MobPushTask *push)
{
    return (MobRef){mob_object_return(push->spec->id, 1), push->spec->owner, push->spec->path};
}

/* --- what workers say --- */

static inline MobTaskReply *
rig_reply_to(const MobPushTask *push)
{
    MobTaskReply *reply = mob_task_reply_new();

    reply->task = push->spec->id;
    reply->attempt = push->attempt;
    reply->lease = push->lease;
    return reply;
}

static inline void
rig_add_result(MobTaskReply *reply, MobResult result)
{
    reply->results.items = g_renew(MobResult, reply->results.items, reply->results.count + 1);
    reply->results.items[reply->results.count++] = result;
}

/* The task returns @value. */
static inline void
rig_reply(Rig *rig, MobAddress worker, const MobPushTask *push, MobValue *value)
{
    MobTaskReply *reply = rig_reply_to(push);

    rig_add_result(reply, (MobResult){.value = value, .size = value->size, .hash = value->hash});
    rig_give(rig, worker, reply);
}

/* The task returns a large value, which is in the store of its node. */
static inline void
rig_reply_stored(Rig *rig, MobAddress worker, const MobPushTask *push, uint64_t size)
{
    MobTaskReply *reply = rig_reply_to(push);

    rig_add_result(reply, (MobResult){.size = size, .hash = HASH, .node = {worker.node}});
    rig_give(rig, worker, reply);
}

static inline void
rig_reply_error(Rig *rig, MobAddress worker, const MobPushTask *push, const char *message)
{
    MobTaskReply *reply = rig_reply_to(push);

    reply->fault = rig_error(message);
    rig_give(rig, worker, reply);
}

static inline void
rig_moved(Rig *rig, MobAddress node, MobRef ref, bool here)
{
    MobObjectMoved *moved = mob_object_moved_new();

    moved->moves = (MobMoves){g_new0(MobMove, 1), 1};
    moved->moves.items[0].object = ref.id;
    moved->moves.items[0].here = here;
    moved->moves.items[0].hash = HASH;
    moved->moves.items[0].hash = 5; /* as in rig_reply_stored() */
    rig_give(rig, node, moved);
}

static inline void
rig_node_dies(Rig *rig, uint32_t node)
{
    MobView view = rig_view(node, 4, false);

    view.reason = mob_str_new("2 heartbeats missed");
    rig_give(rig, NODE1, rig_changed(view));
}

static inline void
rig_worker_dies(Rig *rig, MobAddress worker)
{
    MobWorkerDied *news = mob_worker_died_new();

    news->worker = worker;
    news->reason = mob_str_new("killed");
    rig_give(rig, NODE1, news);
}

/* --- what the worker thinks --- */

/* False where there is no such row. */
static inline bool
rig_row(const Rig *rig, MobObjectId object, MobRefInfo *row)
{
    size_t at = 0;

    while (mob_worker_next_ref(rig->process, &at, row))
        if (mob_object_eq(row->object, object))
            return true;
    return false;
}

/* "local/submitted/lineage/contained/borrowers" of an object, or "gone". */
static inline char *
rig_counts(const Rig *rig, MobRef ref)
{
    MobRefInfo row;

    if (!rig_row(rig, ref.id, &row))
        return g_strdup("gone");
    return g_strdup_printf("%u/%u/%u/%u/%u", row.local, row.submitted, row.lineage, row.contained,
                           row.borrowers);
}

#define cr_counts(rig, ref, wanted)                                                                \
    do {                                                                                           \
        g_autofree char *counts_now = rig_counts(rig, ref);                                        \
        cr_assert_str_eq(counts_now, wanted);                                                      \
    } while (0)
