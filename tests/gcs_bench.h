/* gcs_bench.h: one GCS without a world: messages and timers in, its outbox and
 * its disk to look at. Every step happens in full, as in a world.
 */
#pragma once

#include <criterion/criterion.h>
#include <string.h>

#include "runtime/cbor.h"
#include "runtime/gcs.h"

/* A GCS alone with its inputs, its outbox and its disk. */
typedef struct {
    MobConfig config;
    MobProcess *gcs;
    MobOutbox out;
    MobTime now;
    GArray *disk; /* of MobPersisted, owned */
} Bench;

enum {
    HEAD = 1, /* nodes */
    N1 = 2,
    N2 = 3,
    N1_AGAIN = 4,
    W0 = MOB_LOCAL_POOL,
};

static const MobAddress gcs_address = {HEAD, MOB_LOCAL_GCS};
static const MobAddress driver = {HEAD, MOB_LOCAL_WORKER};

static MobAddress
manager(uint32_t node)
{
    return (MobAddress){node, MOB_LOCAL_NODE};
}

/* Carries out what was persisted. */
static void
write_disk(Bench *bench)
{
    for (guint i = 0; i < bench->out.persists->len; i++) {
        MobPersist *persist = &g_array_index(bench->out.persists, MobPersist, i);
        MobPersisted *found = NULL;
        for (guint k = 0; k < bench->disk->len; k++)
            if (mob_str_eq(g_array_index(bench->disk, MobPersisted, k).key, persist->key))
                found = &g_array_index(bench->disk, MobPersisted, k);
        if (found != NULL) {
            g_bytes_unref(found->value);
            found->value = g_bytes_ref(persist->value);
        } else {
            MobPersisted record = {mob_str_ref(persist->key), g_bytes_ref(persist->value)};
            g_array_append_val(bench->disk, record);
        }
    }
}

static void
step(Bench *bench, MobInput input)
{
    mob_outbox_drop(&bench->out);
    input.now = bench->now;
    bench->gcs->class->step(bench->gcs, &input, &bench->out);
    write_disk(bench);
}

static void
begin_life(Bench *bench)
{
    bench->gcs = mob_gcs_new(gcs_address, &bench->config);
    step(bench, (MobInput){.kind = MOB_INPUT_START,
                           .records = (const MobPersisted *)(void *)bench->disk->data,
                           .record_count = bench->disk->len});
}

static Bench *
bench_new(void)
{
    Bench *bench = g_new0(Bench, 1);

    mob_config_init(&bench->config, MOB_PROFILE_IDEAL);
    mob_outbox_init(&bench->out);
    bench->out.wanted = UINT64_MAX;
    bench->disk = g_array_new(FALSE, FALSE, sizeof(MobPersisted));
    begin_life(bench);
    return bench;
}

static void
end_life(Bench *bench)
{
    mob_outbox_drop(&bench->out);
    bench->gcs->class->free(bench->gcs);
    bench->gcs = NULL;
}

static void
bench_free(Bench *bench)
{
    end_life(bench);
    mob_outbox_clear(&bench->out);
    for (guint i = 0; i < bench->disk->len; i++) {
        mob_str_unref((MobStr *)g_array_index(bench->disk, MobPersisted, i).key);
        g_bytes_unref(g_array_index(bench->disk, MobPersisted, i).value);
    }
    g_array_free(bench->disk, TRUE);
    g_free(bench);
}

static void
restart(Bench *bench)
{
    end_life(bench);
    begin_life(bench);
}

/* Gives the GCS @msg (transfer full). */
static void
hear(Bench *bench, MobAddress from, void *msg)
{
    step(bench, (MobInput){.kind = MOB_INPUT_MESSAGE, .from = from, .msg = msg});
    mob_msg_unref(msg);
}

static void
fire(Bench *bench, MobTimer timer)
{
    bench->now += bench->config.health_period;
    step(bench, (MobInput){.kind = MOB_INPUT_TIMER, .timer = timer});
}

/* How many messages of @type the last step sent to @to (zero: to anybody). */
static int
sent(const Bench *bench, MobMsgType type, MobAddress to)
{
    int count = 0;

    for (guint i = 0; i < bench->out.effects->len; i++) {
        const MobEffect *effect = &g_array_index(bench->out.effects, MobEffect, i);
        count += effect->kind == MOB_EFFECT_SEND && effect->msg->type == type &&
                 (!mob_address_is(to) || mob_address_eq(effect->address, to));
    }
    return count;
}

static const MobMsg *
find_sent(const Bench *bench, MobMsgType type, MobAddress to)
{
    for (guint i = 0; i < bench->out.effects->len; i++) {
        const MobEffect *effect = &g_array_index(bench->out.effects, MobEffect, i);
        if (effect->kind == MOB_EFFECT_SEND && effect->msg->type == type &&
            mob_address_eq(effect->address, to))
            return effect->msg;
    }
    return NULL;
}

static int
noted(const Bench *bench, MobNoteKind kind, const char *reason)
{
    int count = 0;

    for (guint i = 0; i < bench->out.notes->len; i++) {
        const MobNote *note = &g_array_index(bench->out.notes, MobNote, i);
        count += note->kind == kind && g_strcmp0(note->reason, reason) == 0;
    }
    return count;
}

static void
registers(Bench *bench, uint32_t node, const char *name)
{
    MobRegisterNode *msg = mob_register_node_new();

    msg->node.v = node;
    msg->name = mob_str_new(name);
    msg->total.cpu = 4 * MOB_UNIT;
    msg->head = node == HEAD;
    hear(bench, manager(node), msg);
}

/* Registers, and lets the time pass after which everybody knows. */
static void
join(Bench *bench, uint32_t node, const char *name)
{
    registers(bench, node, name);
    if (bench->out.alarms[MOB_TIMER_JOIN] == 0)
        return;
    bench->now = bench->out.alarms[MOB_TIMER_JOIN];
    step(bench, (MobInput){.kind = MOB_INPUT_TIMER, .timer = MOB_TIMER_JOIN});
}

static void
join_three(Bench *bench)
{
    join(bench, HEAD, "head");
    join(bench, N1, "n1");
    join(bench, N2, "n2");
}

/* The GCS probes; those of the three that are in @mask answer. */
static void
probe(Bench *bench, unsigned mask)
{
    fire(bench, MOB_TIMER_HEALTH);
    for (uint32_t node = HEAD; node <= N2; node++) {
        const MobMsg *check = find_sent(bench, MOB_MSG_HEALTH_CHECK, manager(node));
        if (check == NULL || (mask >> node & 1) == 0)
            continue;
        MobHealthReply *reply = mob_health_reply_new();
        reply->number = mob_health_check(check)->number;
        MobOutbox kept = bench->out; /* of the probe: look at all of it */
        mob_outbox_init(&bench->out);
        bench->out.wanted = UINT64_MAX;
        hear(bench, manager(node), reply);
        mob_outbox_clear(&bench->out);
        bench->out = kept;
    }
}

static void
worker_dies(Bench *bench, uint32_t from, MobAddress worker)
{
    MobWorkerDied *msg = mob_worker_died_new();

    msg->worker = worker;
    msg->reason = mob_str_new("killed");
    hear(bench, manager(from), msg);
}

static void
report(Bench *bench, uint32_t node, int64_t cpu, bool draining)
{
    MobReportResources *msg = mob_report_resources_new();

    msg->available.cpu = cpu;
    msg->draining = draining;
    msg->follows = node != HEAD;
    hear(bench, manager(node), msg);
}

static void
add_job(Bench *bench, MobAddress from)
{
    MobAddJob *msg = mob_add_job_new();

    msg->name = mob_str_new("chain");
    msg->bundle = mob_str_new("sha256:1");
    hear(bench, from, msg);
}

static void
put(Bench *bench, const char *key, size_t length, int64_t number, bool overwrite)
{
    MobCborWriter writer;
    MobKvPut *msg = mob_kv_put_new();

    mob_cbor_init(&writer);
    mob_cbor_int(&writer, number);
    msg->key = mob_str_new_len(key, length);
    msg->value = mob_cbor_finish(&writer, 0);
    msg->overwrite = overwrite;
    msg->request = 5;
    hear(bench, driver, msg);
    mob_cbor_clear(&writer);
}

/* The number under @key, or -1. */
static int64_t
get(Bench *bench, const char *key, size_t length)
{
    MobKvGet *msg = mob_kv_get_new();

    msg->key = mob_str_new_len(key, length);
    msg->request = 6;
    hear(bench, driver, msg);
    const MobKvGetReply *reply = mob_kv_get_reply(find_sent(bench, MOB_MSG_KV_GET_REPLY, driver));
    cr_assert_eq(reply->request, 6);
    if (reply->value == NULL)
        return -1;
    MobCborReader reader = {reply->value->bytes, reply->value->bytes + reply->value->length, false};
    return mob_cbor_next(&reader).number;
}
