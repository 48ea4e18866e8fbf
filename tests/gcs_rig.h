/* gcs_rig.h: one GCS without a world. */
#pragma once

#include <string.h>

#include "runtime/cbor.h"
#include "runtime/gcs.h"
#include "tests/rig.h"

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

static Rig *
gcs_new(void)
{
    Rig *rig = g_new0(Rig, 1);

    rig_open(rig);
    rig_start(rig, mob_gcs_new(gcs_address, &rig->config));
    return rig;
}

static void
gcs_free(Rig *rig)
{
    rig_clear(rig);
    g_free(rig);
}

static void
restart(Rig *rig)
{
    rig_end(rig);
    rig_start(rig, mob_gcs_new(gcs_address, &rig->config));
}

static void
fire(Rig *rig, MobTimer timer)
{
    rig_timer(rig, timer, rig->now + rig->config.health_period);
}

static int
noted(const Rig *rig, MobNoteKind kind, const char *reason)
{
    int count = 0;

    for (guint i = 0; i < rig->out.notes->len; i++) {
        const MobNote *note = &g_array_index(rig->out.notes, MobNote, i);
        count += note->kind == kind && g_strcmp0(note->reason, reason) == 0;
    }
    return count;
}

static void
registers(Rig *rig, uint32_t node, const char *name)
{
    MobRegisterNode *msg = mob_register_node_new();

    msg->node.v = node;
    msg->name = mob_str_new(name);
    msg->total.cpu = 4 * MOB_UNIT;
    msg->head = node == HEAD;
    msg->follows = node == HEAD;
    rig_give(rig, manager(node), msg);
}

/* Registers, and lets the time pass after which everybody knows. */
static void
join(Rig *rig, uint32_t node, const char *name)
{
    registers(rig, node, name);
    if (rig->out.alarms[MOB_TIMER_JOIN] == 0)
        return;
    rig_timer(rig, MOB_TIMER_JOIN, rig->out.alarms[MOB_TIMER_JOIN]);
}

static void
join_three(Rig *rig)
{
    join(rig, HEAD, "head");
    join(rig, N1, "n1");
    join(rig, N2, "n2");
}

/* The GCS probes; those of the three that are in @mask answer. */
static void
probe(Rig *rig, unsigned mask)
{
    fire(rig, MOB_TIMER_HEALTH);
    for (uint32_t node = HEAD; node <= N2; node++) {
        const MobMsg *check = rig_sent(rig, manager(node), MOB_MSG_HEALTH_CHECK, 0);
        if (check == NULL || (mask >> node & 1) == 0)
            continue;
        MobHealthReply *reply = mob_health_reply_new();
        reply->number = mob_health_check(check)->number;
        MobOutbox kept = rig->out; /* of the probe: look at all of it */
        rig_open_outbox(rig);
        rig_give(rig, manager(node), reply);
        mob_outbox_clear(&rig->out);
        rig->out = kept;
    }
}

static void
worker_dies(Rig *rig, uint32_t from, MobAddress worker)
{
    MobWorkerDied *msg = mob_worker_died_new();

    msg->worker = worker;
    msg->reason = mob_str_new("killed");
    rig_give(rig, manager(from), msg);
}

static void
report(Rig *rig, uint32_t node, int64_t cpu, bool draining)
{
    MobReportResources *msg = mob_report_resources_new();

    msg->available.cpu = cpu;
    msg->draining = draining;
    msg->follows = node != N1;
    rig_give(rig, manager(node), msg);
}

static void
add_job(Rig *rig, MobAddress from)
{
    MobAddJob *msg = mob_add_job_new();

    msg->name = mob_str_new("chain");
    msg->bundle = mob_str_new("sha256:1");
    rig_give(rig, from, msg);
}

static void
put(Rig *rig, const char *key, size_t length, int64_t number, bool overwrite)
{
    MobCborWriter writer;
    MobKvPut *msg = mob_kv_put_new();

    mob_cbor_init(&writer);
    mob_cbor_int(&writer, number);
    msg->key = mob_str_new_len(key, length);
    msg->value = mob_cbor_finish(&writer, 0);
    msg->overwrite = overwrite;
    msg->request = 5;
    rig_give(rig, driver, msg);
    mob_cbor_clear(&writer);
}

/* The number under @key, or -1. */
static int64_t
get(Rig *rig, const char *key, size_t length)
{
    MobKvGet *msg = mob_kv_get_new();

    msg->key = mob_str_new_len(key, length);
    msg->request = 6;
    rig_give(rig, driver, msg);
    const MobKvGetReply *reply = mob_kv_get_reply(rig_sent(rig, driver, MOB_MSG_KV_GET_REPLY, 0));
    cr_assert_eq(reply->request, 6);
    if (reply->value == NULL)
        return -1;
    MobCborReader reader = {reply->value->bytes, reply->value->bytes + reply->value->length, false};
    return mob_cbor_next(&reader).number;
}
