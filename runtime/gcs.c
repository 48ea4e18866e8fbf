/* gcs.c: see gcs.h. Dispatch, and the beginning of a life.
 *
 * Whoever was declared dead stays dead: every message from its machine is
 * answered with a Fence to its node manager and otherwise ignored.
 */
#include "runtime/gcs_parts.h"

#include <string.h>

typedef void (*Handler)(Gcs *gcs, const MobInput *input, MobOutbox *out);

static const Handler handlers[MOB_MSG_COUNT] = {
    [MOB_MSG_REGISTER_NODE] = mob_gcs_on_register_node,
    [MOB_MSG_UNREGISTER_NODE] = mob_gcs_on_unregister_node,
    [MOB_MSG_HEALTH_REPLY] = mob_gcs_on_health_reply,
    [MOB_MSG_REPORT_RESOURCES] = mob_gcs_on_report_resources,
    [MOB_MSG_WORKER_DIED] = mob_gcs_on_worker_died,
    [MOB_MSG_ADD_JOB] = mob_gcs_on_add_job,
    [MOB_MSG_FINISH_JOB] = mob_gcs_on_finish_job,
    [MOB_MSG_KV_PUT] = mob_gcs_on_kv_put,
    [MOB_MSG_KV_GET] = mob_gcs_on_kv_get,
};

static const Handler timers[MOB_TIMER_COUNT] = {
    [MOB_TIMER_HEALTH] = mob_gcs_on_health_timer,
    [MOB_TIMER_VIEW] = mob_gcs_on_view_timer,
    [MOB_TIMER_JOIN] = mob_gcs_on_join_timer,
};

/* --- persisted values --- */

void
mob_gcs_persist(MobOutbox *out, MobStr *key, MobCborWriter *writer)
{
    mob_persist(out, key, g_bytes_new(writer->bytes->data, writer->bytes->len));
    mob_cbor_clear(writer);
}

MobCborReader
mob_gcs_read(const MobPersisted *record, uint64_t count)
{
    size_t size;
    const uint8_t *bytes = g_bytes_get_data(record->value, &size);
    MobCborReader reader = {bytes, bytes + size, false};
    MobCborItem item = mob_cbor_next(&reader);

    reader.bad |= item.type != MOB_CBOR_ARRAY || item.length != count;
    return reader;
}

uint32_t
mob_gcs_read_number(MobCborReader *reader)
{
    MobCborItem item = mob_cbor_next(reader);

    if (item.type == MOB_CBOR_INT && item.number >= 0 && item.number <= UINT32_MAX)
        return (uint32_t)item.number;
    reader->bad = true;
    return 0;
}

MobStr *
mob_gcs_read_str(MobCborReader *reader)
{
    MobCborItem item = mob_cbor_next(reader);

    if (item.type == MOB_CBOR_STRING && item.length <= MOB_STR_MAX)
        return mob_str_new_len(item.text, item.length);
    reader->bad = true;
    return NULL;
}

void
mob_gcs_put_str(MobCborWriter *writer, const MobStr *str)
{
    mob_cbor_string(writer, mob_str(str), str != NULL ? str->length : 0);
}

/* --- the beginning --- */

static bool
load_starts(Gcs *gcs, const MobPersisted *record)
{
    MobCborReader reader = mob_gcs_read(record, 1);

    gcs->starts = mob_gcs_read_number(&reader);
    return !reader.bad;
}

static bool
load_record(Gcs *gcs, const MobPersisted *record)
{
    static const struct {
        const char *prefix;
        bool (*load)(Gcs *gcs, const MobPersisted *record);
    } loaders[] = {
        {"starts", load_starts},    {"node/", mob_gcs_load_node},
        {"job/", mob_gcs_load_job}, {"worker/", mob_gcs_load_dead_worker},
        {"kv/", mob_gcs_load_kv},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(loaders); i++)
        if (g_str_has_prefix(mob_str(record->key), loaders[i].prefix))
            return loaders[i].load(gcs, record);
    return false;
}

static void
persist_starts(Gcs *gcs, MobOutbox *out)
{
    MobCborWriter writer;

    mob_cbor_init(&writer);
    mob_cbor_array(&writer, 1);
    mob_cbor_int(&writer, (int64_t)gcs->starts);
    mob_gcs_persist(out, mob_str_new("starts"), &writer);
}

static void
on_start(Gcs *gcs, const MobInput *input, MobOutbox *out)
{
    for (size_t i = 0; i < input->record_count; i++) {
        if (!load_record(gcs, &input->records[i])) {
            mob_exit(out, mob_str_printf("the GCS cannot read its own record %s; restore its "
                                         "files, or start a new cluster without them",
                                         mob_str(input->records[i].key)));
            return;
        }
    }
    gcs->starts++;
    persist_starts(gcs, out);
    if (gcs->starts == 1)
        return;
    mob_note(out, (MobNote){.kind = MOB_NOTE_GCS_RESTARTED});
    mob_gcs_resume_nodes(gcs, input, out);
}

static void
on_message(Gcs *gcs, const MobInput *input, MobOutbox *out)
{
    GcsNode *node = mob_gcs_find_node(gcs, input->from.node);
    Handler handler = handlers[input->msg->type];

    if (node != NULL && !node->view.alive) {
        mob_gcs_fence(node, out);
        return;
    }
    if (handler != NULL)
        handler(gcs, input, out);
    /* Its manager is there, so what was lost with a connection can be said again. */
    if (node != NULL && node->resync && node->view.alive && input->from.local == MOB_LOCAL_NODE)
        mob_gcs_resync(gcs, node, input, out);
}

/* The connection to a node broke; it may be dead or not, the probes will tell. */
static void
on_reset(Gcs *gcs, const MobInput *input)
{
    GcsNode *node = mob_gcs_find_node(gcs, input->from.node);

    if (node != NULL && input->from.local == MOB_LOCAL_NODE)
        node->resync = true;
}

static void
gcs_step(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    Gcs *gcs = (Gcs *)self;

    switch (input->kind) {
    case MOB_INPUT_START:
        on_start(gcs, input, out);
        break;
    case MOB_INPUT_MESSAGE:
        on_message(gcs, input, out);
        break;
    case MOB_INPUT_TIMER:
        if (timers[input->timer] != NULL)
            timers[input->timer](gcs, input, out);
        break;
    case MOB_INPUT_RESET:
        on_reset(gcs, input);
        break;
    default:
        break;
    }
}

static void
gcs_dump(const MobProcess *self, GString *into)
{
    const Gcs *gcs = (const Gcs *)self;

    g_string_append_printf(into,
                           "gcs round=%" G_GUINT64_FORMAT " version=%" G_GUINT64_FORMAT
                           " starts=%" G_GUINT64_FORMAT "\n",
                           gcs->round, gcs->version, gcs->starts);
    mob_gcs_dump_nodes(gcs, into);
    mob_gcs_dump_jobs(gcs, into);
    mob_gcs_dump_kv(gcs, into);
}

static void
gcs_free(MobProcess *self)
{
    Gcs *gcs = (Gcs *)self;

    if (gcs == NULL)
        return;
    mob_gcs_free_nodes(gcs);
    mob_gcs_free_jobs(gcs);
    mob_gcs_free_kv(gcs);
    g_free(gcs);
}

static const MobProcessClass gcs_class = {"gcs", gcs_step, gcs_dump, gcs_free};

MobProcess *
mob_gcs_new(MobAddress address, const MobConfig *config)
{
    Gcs *gcs = g_new0(Gcs, 1);

    gcs->base = (MobProcess){&gcs_class, address};
    gcs->config = config;
    gcs->nodes = g_ptr_array_new();
    gcs->by_id = mob_table_new();
    gcs->dead_workers = mob_table_new();
    gcs->jobs = mob_table_new();
    gcs->kv = mob_table_new();
    return &gcs->base;
}

bool
mob_gcs_node_is_alive(const MobProcess *process, MobNodeId node)
{
    const GcsNode *found = mob_gcs_find_node((const Gcs *)process, node.v);

    return found != NULL && found->view.alive;
}

uint64_t
mob_gcs_kv_bytes(const MobProcess *process)
{
    return ((const Gcs *)process)->kv_bytes;
}
