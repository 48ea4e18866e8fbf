/* node_look.c: a node manager seen from outside: for checks, c.state, people. */
#include "runtime/node_parts.h"

void
mob_node_stats(const MobProcess *process, MobNodeStats *stats)
{
    const MobNode *node = (const MobNode *)process;

    *stats = (MobNodeStats){
        .store_used = node->store.used,
        .store_capacity = node->store.capacity,
        .store_pinned = mob_store_pinned(&node->store),
        .disk_used = node->spills.bytes,
        .files = (uint32_t)mob_table_count(node->spills.files),
        .spilled = node->store.spilled,
        .objects = (uint32_t)mob_table_count(node->store.copies),
        .leases_granted = (uint32_t)node->leases.held.count,
        .leases_waiting = (uint32_t)(mob_table_count(node->leases.by_id) - node->leases.held.count),
        .workers = node->workers.registered,
        .pulls = node->fetches.active,
        .pulls_queued = node->fetches.queued,
        .places = node->known_at != 0 &&
                  (node->cluster.self_index != UINT32_MAX || !node->follows) && !node->draining &&
                  !node->gone,
        .total = node->leases.total,
        .available = node->leases.available,
        .headroom = node->leases.headroom,
    };
}

bool
mob_node_next_copy(const MobProcess *process, size_t *at, MobCopyInfo *info)
{
    const MobNode *node = (const MobNode *)process;
    const MobCopy *copy = mob_table_next(node->store.copies, at);

    if (copy == NULL)
        return false;
    *info = (MobCopyInfo){.object = copy->ref.id,
                          .owner = copy->ref.owner,
                          .size = copy->size,
                          .hash = copy->hash,
                          .sealed = mob_copy_is_kept(copy),
                          .held = copy->held,
                          .file = copy->file != NULL ? copy->file->number : 0,
                          .durable = copy->durable,
                          .primary = copy->primary,
                          .pins = copy->pins + copy->reads,
                          .refs = copy->value != NULL ? copy->value->ref_count : UINT32_MAX};
    return true;
}

bool
mob_node_next_lease(const MobProcess *process, size_t *at, MobLeaseInfo *info)
{
    const MobNode *node = (const MobNode *)process;
    const MobLease *lease = mob_table_next(node->leases.by_id, at);

    if (lease == NULL)
        return false;
    *info = (MobLeaseInfo){
        .lease = lease->id,
        .worker = lease->worker != NULL ? lease->worker->address : (MobAddress){0},
        .needs = lease->spec->needs,
        .strategy = (MobStrategy)lease->spec->strategy,
        .place = lease->spec->node,
        .waits = lease->stage == MOB_STAGE_WAITING,
        .ready = lease->stage == MOB_STAGE_READY,
        .blocked = lease->blocked,
        .holds = lease->stage == MOB_STAGE_STARTING || lease->stage == MOB_STAGE_HELD};
    return true;
}

static MobFetchInfo
fetch_info(const MobFetch *fetch)
{
    return (MobFetchInfo){.object = fetch->ref.id,
                          .size = fetch->size,
                          .received = fetch->received,
                          .wish = mob_fetch_wish(fetch),
                          .order = fetch->order,
                          .holds = mob_fetch_holds_room(fetch),
                          .active = fetch->stage == MOB_FETCH_ACTIVE,
                          .queued = fetch->stage == MOB_FETCH_QUEUED};
}

bool
mob_node_next_fetch(const MobProcess *process, size_t *at, MobFetchInfo *info)
{
    const MobNode *node = (const MobNode *)process;
    const MobFetch *fetch = mob_table_next(node->fetches.rows, at);

    if (fetch != NULL)
        *info = fetch_info(fetch);
    return fetch != NULL;
}

bool
mob_node_find_fetch(const MobProcess *process, MobObjectId object, MobFetchInfo *info)
{
    const MobNode *node = (const MobNode *)process;
    const MobFetch *fetch = mob_fetches_get(&node->fetches, object);

    if (fetch != NULL)
        *info = fetch_info(fetch);
    return fetch != NULL;
}

static const char *
stage_name(MobStage stage)
{
    static const char *const names[MOB_STAGE_COUNT] = {"waiting", "fetching", "ready", "starting",
                                                       "held"};

    return names[stage];
}

static void
dump_address(MobAddress address, GString *into)
{
    g_string_append_printf(into, " %" G_GUINT32_FORMAT ".%" G_GUINT32_FORMAT, address.node,
                           address.local);
}

static void
dump_leases(const MobNode *node, GString *into)
{
    const MobLease *lease;
    size_t at = 0;

    while ((lease = mob_table_next(node->leases.by_id, &at)) != NULL) {
        g_string_append_printf(into, "lease %" G_GUINT64_FORMAT " of", lease->id.number);
        dump_address(lease->id.owner, into);
        g_string_append_printf(into, " %s ", stage_name(lease->stage));
        mob_resources_print(&lease->spec->needs, into);
        if (lease->arg_count > 0)
            g_string_append_printf(into, " lacks %" G_GUINT32_FORMAT " of %" G_GUINT32_FORMAT,
                                   lease->missing, lease->arg_count);
        if (lease->worker != NULL)
            dump_address(lease->worker->address, into);
        g_string_append(into, lease->blocked ? " blocked\n" : lease->stalled ? " stalled\n" : "\n");
    }
}

static void
dump_workers(const MobNode *node, GString *into)
{
    static const char *const names[] = {"starting", "idle", "leased", "exiting", "dying", "driver"};
    const MobLocalWorker *worker;
    size_t at = 0;

    while ((worker = mob_table_next(node->workers.all, &at)) != NULL) {
        g_string_append(into, "worker");
        dump_address(worker->address, into);
        g_string_append_printf(into, " %s\n", names[worker->stage]);
    }
}

static void
dump_object(MobObjectId object, const MobStr *path, GString *into)
{
    g_string_append_c(into, ' ');
    mob_name_object(into, path, object.index);
}

static void
dump_objects(const MobNode *node, GString *into)
{
    const MobCopy *copy;
    const MobFetch *fetch;
    size_t at = 0;

    while ((copy = mob_table_next(node->store.copies, &at)) != NULL) {
        g_string_append(into, "copy");
        dump_object(copy->ref.id, copy->ref.path, into);
        g_string_append_printf(into, " size=%" G_GUINT64_FORMAT " pins=%" G_GUINT32_FORMAT "%s%s\n",
                               copy->size, copy->pins + copy->reads,
                               copy->primary ? " primary" : "",
                               copy->value != NULL ? copy->durable ? " in a file" : ""
                               : copy->durable     ? " on disk"
                                                   : " unsealed");
    }
    at = 0;
    while ((fetch = mob_table_next(node->fetches.rows, &at)) != NULL) {
        g_string_append(into, "fetch");
        dump_object(fetch->ref.id, fetch->ref.path, into);
        g_string_append_printf(
            into, " stage=%d waiters=%u leases=%u sources=%u received=%" G_GUINT64_FORMAT "\n",
            fetch->stage, fetch->waiters->len, fetch->leases->len, fetch->sources->len,
            fetch->received);
    }
}

void
mob_node_dump(const MobProcess *self, GString *into)
{
    const MobNode *node = (const MobNode *)self;

    g_string_append_printf(into, "node %s%s%s, free ", mob_str(node->name),
                           node->registered ? "" : ", without GCS",
                           node->draining ? ", draining" : "");
    mob_resources_print(&node->leases.available, into);
    g_string_append_printf(into, ", store %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT "\n",
                           node->store.used, node->store.capacity);
    dump_workers(node, into);
    dump_leases(node, into);
    dump_objects(node, into);
}
