/* state_fields.c: what the entries of c.state tell.
 *
 * One table per kind of entry; the first field is the name that people use.
 * Times are seconds, and nil for what has not happened.
 */
#include "lua/scenario_parts.h"

#include "runtime/node.h"
#include "runtime/worker.h"

/* DEFINE(function, Type, statement about `it`): the push function of one field. */
#define DEFINE(function, Type, statement)                                                          \
    static void function(lua_State *lua, MobScene *scene, const void *entry)                       \
    {                                                                                              \
        const Type *it = entry;                                                                    \
        (void)scene;                                                                               \
        (void)it;                                                                                  \
        statement;                                                                                 \
    }
#define TEXT(function, Type, value) DEFINE(function, Type, push_text(lua, value))
#define NUMBER(function, Type, value)                                                              \
    DEFINE(function, Type, lua_pushinteger(lua, (lua_Integer)(value)))
#define FLAG(function, Type, value) DEFINE(function, Type, lua_pushboolean(lua, value))
#define WHEN(function, Type, happened, value)                                                      \
    DEFINE(function, Type, push_time(lua, (happened) != 0, value))
#define PROCESS(function, Type, value) DEFINE(function, Type, push_process(lua, scene, value))
#define NODE(function, Type, value)    DEFINE(function, Type, push_node(lua, scene, value))

static void
push_text(lua_State *lua, const char *text)
{
    if (text != NULL)
        lua_pushstring(lua, text);
    else
        lua_pushnil(lua);
}

static void
push_time(lua_State *lua, bool happened, MobTime time)
{
    if (happened)
        lua_pushnumber(lua, (lua_Number)time / 1e9);
    else
        lua_pushnil(lua);
}

static void
push_process(lua_State *lua, MobScene *scene, MobAddress address)
{
    push_text(lua, mob_address_is(address) ? mob_state_proc_name(scene->state, address) : NULL);
}

static void
push_node(lua_State *lua, MobScene *scene, MobNodeId node)
{
    push_text(lua, node.v != 0 ? mob_state_node_name(scene->state, node) : NULL);
}

/* --- nodes --- */

TEXT(node_name, MobStateNode, it->name)
FLAG(node_alive, MobStateNode, it->alive)
FLAG(node_declared_dead, MobStateNode, it->declared_dead)
WHEN(node_joined_at, MobStateNode, it->joined, it->joined_at)
WHEN(node_died_at, MobStateNode, it->died, it->died_at)
TEXT(node_reason, MobStateNode, it->reason)
/* What the node manager itself knows; false if it is not there to be asked. */
static bool
get_stats(MobScene *scene, const MobStateNode *node, MobNodeStats *stats)
{
    MobAddress address = mob_node_address(node->node.v);
    const MobProcess *process =
        node->alive ? scene->control->process(scene->control, address) : NULL;

    scene->views_read |= MOB_VIEW_ALL;
    if (process != NULL)
        mob_node_stats(process, stats);
    return process != NULL;
}

/* Bytes of copies in memory or on the disk of a node, as far as was heard. */
static uint64_t
heard_of(const MobScene *scene, const MobStateNode *node, bool on_disk)
{
    uint64_t bytes = 0;

    for (guint i = 0; i < scene->state->copies->len; i++) {
        const MobStateCopy *copy = scene->state->copies->pdata[i];
        if (node->alive && copy->to == 0 && copy->node.v == node->node.v &&
            copy->on_disk == on_disk)
            bytes += copy->object->size;
    }
    return bytes;
}

/* Bytes in the store: what the node says, else what was heard of its copies. */
uint64_t
mob_store_used(MobScene *scene, const MobStateNode *node)
{
    MobNodeStats stats;

    return get_stats(scene, node, &stats) ? stats.store_used : heard_of(scene, node, false);
}

static void
push_cpus(lua_State *lua, MobScene *scene, const MobStateNode *node, bool available)
{
    MobNodeStats stats;

    if (!get_stats(scene, node, &stats)) {
        lua_pushnil(lua);
        return;
    }
    int64_t cpu = available ? stats.available.cpu : stats.total.cpu;
    lua_pushnumber(lua, (lua_Number)cpu / (lua_Number)MOB_UNIT);
}

static void
push_leases(lua_State *lua, MobScene *scene, const MobStateNode *node, bool waiting)
{
    MobNodeStats stats;

    if (get_stats(scene, node, &stats))
        lua_pushinteger(lua, waiting ? stats.leases_waiting : stats.leases_granted);
    else
        lua_pushnil(lua);
}

static void
push_disk(lua_State *lua, MobScene *scene, const MobStateNode *node, bool files)
{
    MobNodeStats stats;

    if (get_stats(scene, node, &stats))
        lua_pushinteger(lua, files ? (lua_Integer)stats.files : (lua_Integer)stats.disk_used);
    else if (!files)
        lua_pushinteger(lua, (lua_Integer)heard_of(scene, node, true));
    else
        lua_pushnil(lua);
}

NUMBER(node_used, MobStateNode, mob_store_used(scene, it))
DEFINE(node_disk_used, MobStateNode, push_disk(lua, scene, it, false))
DEFINE(node_files, MobStateNode, push_disk(lua, scene, it, true))
DEFINE(node_cpus, MobStateNode, push_cpus(lua, scene, it, false))
DEFINE(node_available, MobStateNode, push_cpus(lua, scene, it, true))
DEFINE(node_leases, MobStateNode, push_leases(lua, scene, it, false))
DEFINE(node_waiting, MobStateNode, push_leases(lua, scene, it, true))

static const MobViewField node_fields[] = {
    {"id", node_name},
    {"name", node_name},
    {"alive", node_alive},
    {"declared_dead", node_declared_dead},
    {"joined_at", node_joined_at},
    {"died_at", node_died_at},
    {"reason", node_reason},
    {"used", node_used},
    {"disk_used", node_disk_used},
    {"files", node_files},
    {"cpus", node_cpus},
    {"available", node_available},
    {"leases", node_leases},
    {"waiting", node_waiting},
    {NULL, NULL},
};

/* --- workers and drivers --- */

TEXT(worker_name, MobStateProc, it->name)
TEXT(worker_node, MobStateProc, it->node_name)
FLAG(worker_alive, MobStateProc, it->alive)
FLAG(worker_blocked, MobStateProc, it->blocked)
FLAG(worker_driver, MobStateProc, it->role == MOB_ROLE_DRIVER)
NUMBER(worker_incarnation, MobStateProc, it->incarnation)
WHEN(worker_born_at, MobStateProc, true, it->born_at)
WHEN(worker_died_at, MobStateProc, !it->alive, it->died_at)
TEXT(worker_why, MobStateProc, it->why)

/* What the process itself counts; nil if it is not there to be asked. */
static void
push_count(lua_State *lua, MobScene *scene, const MobStateProc *proc, size_t field)
{
    const MobProcess *process =
        proc->alive ? scene->control->process(scene->control, proc->address) : NULL;
    MobWorkerStats stats;

    scene->views_read |= MOB_VIEW_ALL;
    if (process == NULL) {
        lua_pushnil(lua);
        return;
    }
    mob_worker_stats(process, &stats);
    lua_pushinteger(lua, G_STRUCT_MEMBER(uint32_t, &stats, field));
}

#define COUNT(function, field)                                                                     \
    DEFINE(function, MobStateProc, push_count(lua, scene, it, offsetof(MobWorkerStats, field)))

COUNT(worker_owned, owned)
COUNT(worker_borrowed, borrowed)
COUNT(worker_pending, tasks_pending)

static const MobViewField worker_fields[] = {
    {"id", worker_name},
    {"name", worker_name},
    {"node", worker_node},
    {"alive", worker_alive},
    {"blocked", worker_blocked},
    {"driver", worker_driver},
    {"incarnation", worker_incarnation},
    {"born_at", worker_born_at},
    {"died_at", worker_died_at},
    {"why", worker_why},
    {"owned", worker_owned},
    {"borrowed", worker_borrowed},
    {"pending", worker_pending},
    {NULL, NULL},
};

/* --- tasks --- */

static const MobStateAttempt *
newest_attempt(const MobStateTask *task)
{
    return task->attempts->len > 0 ? task->attempts->pdata[task->attempts->len - 1] : NULL;
}

static void
push_names_of_objects(lua_State *lua, const GPtrArray *objects)
{
    lua_createtable(lua, (int)objects->len, 0);
    for (guint i = 0; i < objects->len; i++) {
        lua_pushstring(lua, ((const MobStateObject *)objects->pdata[i])->name);
        lua_rawseti(lua, -2, (lua_Integer)i + 1);
    }
}

TEXT(task_id, MobStateTask, it->name)
TEXT(task_name, MobStateTask, it->label)
TEXT(task_state, MobStateTask, mob_task_state_name(it->state))
NUMBER(task_attempts, MobStateTask, it->executions)
NUMBER(task_attempt, MobStateTask, it->last_attempt)
FLAG(task_replayed, MobStateTask, it->executions > 1)
PROCESS(task_owner, MobStateTask, it->owner)
TEXT(task_parent, MobStateTask, it->parent != NULL ? it->parent->name : NULL)
WHEN(task_submitted_at, MobStateTask, it->submitted, it->submitted_at)
TEXT(task_error, MobStateTask, it->error)
DEFINE(task_args, MobStateTask, push_names_of_objects(lua, it->args))
DEFINE(task_returns, MobStateTask, push_names_of_objects(lua, it->returns))
static void
task_worker(lua_State *lua, MobScene *scene, const void *entry)
{
    const MobStateTask *it = entry;
    const MobStateAttempt *attempt = newest_attempt(it);
    push_process(lua, scene, attempt != NULL ? attempt->worker : (MobAddress){0, 0});
}
static void
task_node(lua_State *lua, MobScene *scene, const void *entry)
{
    const MobStateTask *it = entry;
    const MobStateAttempt *attempt = newest_attempt(it);
    push_node(lua, scene, (MobNodeId){attempt != NULL ? attempt->worker.node : 0});
}

static const MobViewField task_fields[] = {
    {"id", task_id},
    {"name", task_name},
    {"state", task_state},
    {"attempts", task_attempts},
    {"attempt", task_attempt},
    {"replayed", task_replayed},
    {"owner", task_owner},
    {"parent", task_parent},
    {"args", task_args},
    {"returns", task_returns},
    {"worker", task_worker},
    {"node", task_node},
    {"submitted_at", task_submitted_at},
    {"error", task_error},
    {NULL, NULL},
};

/* --- attempts --- */

DEFINE(attempt_id, MobStateAttempt, lua_pushfstring(lua, "%s.%d", it->task->name, (int)it->number))
TEXT(attempt_task, MobStateAttempt, it->task->name)
TEXT(attempt_name, MobStateAttempt, it->task->label)
NUMBER(attempt_number, MobStateAttempt, it->number)
PROCESS(attempt_worker, MobStateAttempt, it->worker)
NODE(attempt_node, MobStateAttempt, (MobNodeId){it->worker.node})
PROCESS(attempt_owner, MobStateAttempt, it->owner)
WHEN(attempt_submitted_at, MobStateAttempt, it->submitted, it->submitted_at)
WHEN(attempt_leased_at, MobStateAttempt, it->leased, it->leased_at)
WHEN(attempt_started_at, MobStateAttempt, it->started, it->started_at)
WHEN(attempt_ended_at, MobStateAttempt, it->ended, it->ended_at)
TEXT(attempt_outcome, MobStateAttempt, it->outcome)
FLAG(attempt_running, MobStateAttempt, it->started != 0 && it->ended == 0)

static const MobViewField attempt_fields[] = {
    {"id", attempt_id},
    {"task", attempt_task},
    {"name", attempt_name},
    {"attempt", attempt_number},
    {"worker", attempt_worker},
    {"node", attempt_node},
    {"owner", attempt_owner},
    {"outcome", attempt_outcome},
    {"running", attempt_running},
    {"submitted_at", attempt_submitted_at},
    {"leased_at", attempt_leased_at},
    {"started_at", attempt_started_at},
    {"ended_at", attempt_ended_at},
    {NULL, NULL},
};

/* --- objects, copies, references --- */

static void
object_copies(lua_State *lua, MobScene *scene, const void *entry)
{
    const MobStateObject *it = entry;
    GPtrArray *live = g_ptr_array_new();
    scene->views_read |= UINT32_C(1) << MOB_VIEW_copies;
    for (guint i = 0; i < it->copies->len; i++)
        if (((const MobStateCopy *)it->copies->pdata[i])->to == 0)
            g_ptr_array_add(live, it->copies->pdata[i]);
    mob_list_push(lua, scene, MOB_VIEW_copies, live);
}
static void
object_refs(lua_State *lua, MobScene *scene, const void *entry)
{
    const MobStateObject *it = entry;
    GPtrArray *live = g_ptr_array_new();
    scene->views_read |= UINT32_C(1) << MOB_VIEW_refs;
    for (guint i = 0; i < it->refs->len; i++)
        if (((const MobStateRef *)it->refs->pdata[i])->to == 0)
            g_ptr_array_add(live, it->refs->pdata[i]);
    mob_list_push(lua, scene, MOB_VIEW_refs, live);
}
TEXT(object_id, MobStateObject, it->name)
TEXT(object_state, MobStateObject, mob_object_state_name(it->state))
FLAG(object_put, MobStateObject, it->put)
TEXT(object_task, MobStateObject, it->maker != NULL ? it->maker->name : NULL)
PROCESS(object_owner, MobStateObject, it->owner)
NUMBER(object_size, MobStateObject, it->size)
NUMBER(object_times_lost, MobStateObject, it->times_lost)
NUMBER(object_times_made, MobStateObject, it->times_made)
WHEN(object_created_at, MobStateObject, it->created, it->created_at)

static const MobViewField object_fields[] = {
    {"id", object_id},
    {"state", object_state},
    {"put", object_put},
    {"task", object_task},
    {"owner", object_owner},
    {"size", object_size},
    {"copies", object_copies},
    {"refs", object_refs},
    {"times_lost", object_times_lost},
    {"times_made", object_times_made},
    {"created_at", object_created_at},
    {NULL, NULL},
};

static void
copy_id(lua_State *lua, MobScene *scene, const void *entry)
{
    const MobStateCopy *it = entry;
    lua_pushfstring(lua, "%s@%s", it->object->name, mob_state_node_name(scene->state, it->node));
}
TEXT(copy_object, MobStateCopy, it->object->name)
NODE(copy_node, MobStateCopy, it->node)
FLAG(copy_primary, MobStateCopy, it->primary)
TEXT(copy_place, MobStateCopy, it->on_disk ? "disk" : "memory")
FLAG(copy_live, MobStateCopy, it->to == 0)
NUMBER(copy_size, MobStateCopy, it->object->size)
WHEN(copy_from_at, MobStateCopy, it->from, it->from_at)
WHEN(copy_to_at, MobStateCopy, it->to, it->to_at)
TEXT(copy_end_why, MobStateCopy, it->end_why)

static const MobViewField copy_fields[] = {
    {"id", copy_id},       {"object", copy_object},
    {"node", copy_node},   {"primary", copy_primary},
    {"place", copy_place}, {"live", copy_live},
    {"size", copy_size},   {"from_at", copy_from_at},
    {"to_at", copy_to_at}, {"end_why", copy_end_why},
    {NULL, NULL},
};

static void
ref_id(lua_State *lua, MobScene *scene, const void *entry)
{
    const MobStateRef *it = entry;
    lua_pushfstring(lua, "%s at %s", it->object->name,
                    mob_state_proc_name(scene->state, it->holder));
}
TEXT(ref_object, MobStateRef, it->object->name)
PROCESS(ref_holder, MobStateRef, it->holder)
TEXT(ref_kind, MobStateRef, it->kind)
FLAG(ref_live, MobStateRef, it->to == 0)
TEXT(ref_of, MobStateRef,
     it->task != NULL    ? it->task->name
     : it->outer != NULL ? it->outer->name
                         : NULL)
NODE(ref_node, MobStateRef, (MobNodeId){it->holder.node})
TEXT(ref_file, MobStateRef, it->file)
NUMBER(ref_line, MobStateRef, it->line)
NUMBER(ref_times, MobStateRef, it->times)
NUMBER(ref_size, MobStateRef, it->object->size)
WHEN(ref_from_at, MobStateRef, it->from, it->from_at)
WHEN(ref_to_at, MobStateRef, it->to, it->to_at)

static const MobViewField ref_fields[] = {
    {"id", ref_id},       {"object", ref_object}, {"holder", ref_holder},
    {"kind", ref_kind},   {"live", ref_live},     {"from_at", ref_from_at},
    {"to_at", ref_to_at}, {"of", ref_of},         {"node", ref_node},
    {"file", ref_file},   {"line", ref_line},     {"times", ref_times},
    {"size", ref_size},   {NULL, NULL},
};

/* --- leases, logs, jobs --- */

static void
lease_id(lua_State *lua, MobScene *scene, const void *entry)
{
    const MobStateLease *it = entry;
    lua_pushfstring(lua, "%s-%d", mob_state_proc_name(scene->state, it->lease.owner),
                    (int)it->lease.number);
}
PROCESS(lease_owner, MobStateLease, it->lease.owner)
PROCESS(lease_worker, MobStateLease, it->worker)
NODE(lease_node, MobStateLease, it->node)
FLAG(lease_live, MobStateLease, it->to == 0)
WHEN(lease_from_at, MobStateLease, it->from, it->from_at)
WHEN(lease_to_at, MobStateLease, it->to, it->to_at)

static const MobViewField lease_fields[] = {
    {"id", lease_id},       {"owner", lease_owner}, {"worker", lease_worker},
    {"node", lease_node},   {"live", lease_live},   {"from_at", lease_from_at},
    {"to_at", lease_to_at}, {NULL, NULL},
};

/* Without the newline that print ended it with. */
static void
log_text(lua_State *lua, MobScene *scene, const void *entry)
{
    const char *text = ((const MobStateLog *)entry)->text;
    size_t length = strlen(text);

    (void)scene;
    lua_pushlstring(lua, text, length > 0 && text[length - 1] == '\n' ? length - 1 : length);
}

PROCESS(log_worker, MobStateLog, it->worker)
NODE(log_node, MobStateLog, (MobNodeId){it->worker.node})
TEXT(log_task, MobStateLog, it->task != NULL ? it->task->name : NULL)
WHEN(log_at, MobStateLog, true, it->at)

static const MobViewField log_fields[] = {
    {"id", log_text},   {"text", log_text}, {"worker", log_worker}, {"node", log_node},
    {"task", log_task}, {"at", log_at},     {NULL, NULL},
};

NUMBER(job_number, MobStateJob, it->number)
TEXT(job_name, MobStateJob, it->name)
PROCESS(job_driver, MobStateJob, it->driver)
FLAG(job_finished, MobStateJob, it->finished)
FLAG(job_ok, MobStateJob, it->finished && it->result != NULL && it->result->fault == 0)
WHEN(job_started_at, MobStateJob, true, it->started_at)
WHEN(job_ended_at, MobStateJob, it->finished, it->ended_at)

static const MobViewField job_fields[] = {
    {"id", job_number},         {"name", job_name}, {"driver", job_driver},
    {"finished", job_finished}, {"ok", job_ok},     {"started_at", job_started_at},
    {"ended_at", job_ended_at}, {NULL, NULL},
};

/* --- messages: how many of a kind went from one process to another --- */

static void
traffic_id(lua_State *lua, MobScene *scene, const void *entry)
{
    const MobTraffic *it = entry;
    lua_pushfstring(lua, "%s from %s", mob_msg_info(it->type)->name,
                    mob_state_proc_name(scene->state, it->from));
}
PROCESS(traffic_from, MobTraffic, it->from)
PROCESS(traffic_to, MobTraffic, it->to)
NODE(traffic_from_node, MobTraffic, (MobNodeId){it->from.node})
NODE(traffic_to_node, MobTraffic, (MobNodeId){it->to.node})
FLAG(traffic_remote, MobTraffic, it->from.node != it->to.node)
TEXT(traffic_kind, MobTraffic, mob_msg_info(it->type)->name)
NUMBER(traffic_count, MobTraffic, it->count)
NUMBER(traffic_bytes, MobTraffic, it->bytes)

static const MobViewField traffic_fields[] = {
    {"id", traffic_id},           {"from", traffic_from},
    {"to", traffic_to},           {"from_node", traffic_from_node},
    {"to_node", traffic_to_node}, {"remote", traffic_remote},
    {"kind", traffic_kind},       {"count", traffic_count},
    {"bytes", traffic_bytes},     {NULL, NULL},
};

const MobViewField *
mob_view_fields(MobViewKind kind)
{
    static const MobViewField *const all[] = {
        [MOB_VIEW_nodes] = node_fields,       [MOB_VIEW_workers] = worker_fields,
        [MOB_VIEW_tasks] = task_fields,       [MOB_VIEW_attempts] = attempt_fields,
        [MOB_VIEW_objects] = object_fields,   [MOB_VIEW_copies] = copy_fields,
        [MOB_VIEW_refs] = ref_fields,         [MOB_VIEW_leases] = lease_fields,
        [MOB_VIEW_logs] = log_fields,         [MOB_VIEW_jobs] = job_fields,
        [MOB_VIEW_messages] = traffic_fields,
    };

    return all[kind];
}
