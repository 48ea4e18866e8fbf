/* scenario.c: see scenario.h and scenario_parts.h: clusters of a scenario,
 * from making to closing.
 *
 * The scene looks at every event after c.state has taken it in: first the
 * hooks and stories that wait for it, then the claims. All of them may give
 * orders, so they act inside the event. After the first failure nothing of
 * the script runs any more.
 */
#include "lua/scenario_parts.h"

#include "lua/errors.h"

/* --- words for people --- */

const char *
mob_outcome_name(MobOutcome outcome)
{
    switch (outcome) {
    case MOB_OUTCOME_OK:
        return "ok";
    case MOB_OUTCOME_FAILED:
        return "failed";
    case MOB_OUTCOME_BAD_INPUT:
        return "bad input";
    case MOB_OUTCOME_HANG:
        return "hang";
    case MOB_OUTCOME_VACUOUS:
        return "vacuous";
    }
    g_assert_not_reached();
}

char *
mob_time_text(MobTime time)
{
    uint64_t us = time / MOB_US;

    if (time < MOB_SECOND)
        return g_strdup_printf("%u.%u ms", (unsigned)(us / 1000), (unsigned)(us % 1000 / 100));
    return g_strdup_printf("%" G_GUINT64_FORMAT ".%03u s", time / MOB_SECOND,
                           (unsigned)(time % MOB_SECOND / MOB_MS));
}

void
mob_say(MobScenario *scenario, const char *format, ...)
{
    va_list args;
    char *text;

    if (scenario->host->say == NULL)
        return;
    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    scenario->host->say(scenario->host->data, text);
    g_free(text);
}

uint32_t
mob_script_line(lua_State *lua)
{
    lua_Debug where;

    for (int level = 0; lua_getstack(lua, level, &where); level++) {
        lua_getinfo(lua, "l", &where);
        if (where.currentline > 0)
            return (uint32_t)where.currentline;
    }
    return 0;
}

void
mob_class_new(lua_State *lua, const char *name, const luaL_Reg *methods, const luaL_Reg *metas)
{
    luaL_newmetatable(lua, name);
    if (metas != NULL)
        luaL_setfuncs(lua, metas, 0);
    if (methods != NULL) {
        lua_newtable(lua);
        luaL_setfuncs(lua, methods, 0);
        lua_setfield(lua, -2, "__index");
    }
    lua_pushboolean(lua, false);
    lua_setfield(lua, -2, "__metatable");
    lua_pop(lua, 1);
}

/* --- failures --- */

void
mob_scene_fail(MobScene *scene, MobOutcome outcome, uint32_t line, char *message)
{
    if (scene->failure != NULL) {
        g_free(message);
        return;
    }
    scene->outcome = outcome;
    scene->failure = message;
    scene->failure_line = line;
    if (scene->control != NULL && scene->running)
        scene->control->stop(scene->control);
}

void
mob_scene_raise(lua_State *lua, MobScene *scene)
{
    if (scene->failure == NULL)
        return;
    lua_pushstring(lua, scene->failure);
    lua_error(lua);
}

bool
mob_scenario_pcall(MobScenario *scenario, lua_State *lua, int count, int results)
{
    bool outermost = !scenario->sandbox.limited;
    int status;

    if (outermost)
        mob_lua_sandbox_enter(&scenario->sandbox);
    status = lua_pcall(lua, count, results, 0);
    if (outermost)
        mob_lua_sandbox_leave(&scenario->sandbox);
    return status == LUA_OK;
}

MobOutcome
mob_scenario_classify(MobScenario *scenario, lua_State *lua)
{
    const char *text = lua_type(lua, -1) == LUA_TSTRING ? lua_tostring(lua, -1) : NULL;

    if (mob_lua_is_error(lua, -1) && mob_lua_error_value(lua, -1) != NULL)
        return MOB_OUTCOME_FAILED;
    if (text != NULL && g_strcmp0(text, scenario->assertion) == 0)
        return MOB_OUTCOME_FAILED;
    return MOB_OUTCOME_BAD_INPUT;
}

static char *
describe(lua_State *lua, MobScene *scene, const char *what)
{
    GString *text = g_string_new(NULL);
    char *now = mob_time_text(scene->state->now);

    if (scene->call_line != 0) /* of a chain, which has no code of its own */
        g_string_append_printf(text, "%s:%u: ", scene->scenario->file, scene->call_line);
    mob_lua_describe_error(lua, -1, text);
    g_string_append_printf(text, "\n  in %s, at %s simulated, event @%" G_GUINT64_FORMAT, what, now,
                           scene->state->event);
    g_free(now);
    return g_string_free(text, FALSE);
}

static uint32_t
error_line(const MobScene *scene, lua_State *lua)
{
    if (scene->call_line != 0)
        return scene->call_line;
    if (lua_type(lua, -1) != LUA_TSTRING)
        return 0;
    return mob_message_line(scene->scenario->file, lua_tostring(lua, -1));
}

bool
mob_scene_call(MobScene *scene, lua_State *lua, int count, int results, const char *what)
{
    if (mob_scenario_pcall(scene->scenario, lua, count, results))
        return true;
    mob_scene_fail(scene, mob_scenario_classify(scene->scenario, lua), error_line(scene, lua),
                   describe(lua, scene, what));
    lua_pop(lua, 1);
    return false;
}

/* --- looking --- */

static void
on_event(MobWatcher *watcher, const MobEvent *event)
{
    MobScene *scene = (MobScene *)((char *)watcher - G_STRUCT_OFFSET(MobScene, watcher));

    scene->depth++;
    for (size_t i = 0; i < event->note_count && scene->failure == NULL; i++) {
        MobFact fact = {scene->state, &event->notes[i], event};
        if (scene->by_kind[event->notes[i].kind] != NULL)
            mob_hooks_fire(scene, &fact);
    }
    if (scene->failure == NULL && scene->claims->len > 0)
        mob_claims_judge(scene, event);
    if (scene->calm_until != MOB_TIME_NEVER && scene->failure == NULL)
        mob_calm_judge(scene);
    if (--scene->depth == 0 && scene->has_dead_hooks)
        mob_hooks_sweep(scene);
}

static void
on_born(MobWatcher *watcher, const MobProcInfo *proc, MobWhen when)
{
    ((MobScene *)((char *)watcher - G_STRUCT_OFFSET(MobScene, watcher)))->proc_changed = true;
}

static void
on_died(MobWatcher *watcher, MobAddress proc, const char *why, MobWhen when)
{
    ((MobScene *)((char *)watcher - G_STRUCT_OFFSET(MobScene, watcher)))->proc_changed = true;
}

static void
count_message(MobScene *scene, const MobNote *note)
{
    MobKey key = {mob_address_word(note->from) << 8 | note->msg->type,
                  mob_address_word(note->to) | UINT64_C(1) << 63};
    MobTraffic *traffic = mob_table_get(scene->traffic_by_link, key);

    if (traffic == NULL) {
        traffic = g_new0(MobTraffic, 1);
        traffic->from = note->from;
        traffic->to = note->to;
        traffic->type = note->msg->type;
        mob_table_add(scene->traffic_by_link, key, traffic);
        g_ptr_array_add(scene->traffic, traffic);
    }
    traffic->count++;
    traffic->bytes += mob_msg_weight(note->msg);
}

/* Messages are dear to note, so this watcher is added when somebody asks. */
static void
on_message_event(MobWatcher *watcher, const MobEvent *event)
{
    MobScene *scene = (MobScene *)((char *)watcher - G_STRUCT_OFFSET(MobScene, dear));

    for (size_t i = 0; scene->traffic != NULL && i < event->note_count; i++)
        if (event->notes[i].kind == MOB_NOTE_MESSAGE_SENT && event->notes[i].msg != NULL)
            count_message(scene, &event->notes[i]);
}

static void
want_messages(MobScene *scene)
{
    if (scene->dear.event != NULL)
        return;
    scene->dear.event = on_message_event;
    scene->dear.wanted = MOB_WANT_DEAR;
    scene->control->watch(scene->control, &scene->dear);
}

void
mob_scene_want(MobScene *scene, MobNoteKind kind)
{
    if ((MOB_WANT_DEAR >> kind & 1) != 0)
        want_messages(scene);
}

void
mob_scene_count_messages(MobScene *scene)
{
    if (scene->traffic != NULL)
        return;
    scene->traffic = g_ptr_array_new_with_free_func(g_free);
    scene->traffic_by_link = mob_table_new();
    want_messages(scene);
}

/* --- making --- */

void
mob_scene_push(lua_State *lua, MobScene *scene)
{
    MobScene **box = lua_newuserdatauv(lua, sizeof(MobScene *), 0);
    *box = scene;
    luaL_setmetatable(lua, MOB_META_CLUSTER);
}

MobScene *
mob_scene_check(lua_State *lua, int index)
{
    MobScene *scene = *(MobScene **)luaL_checkudata(lua, index, MOB_META_CLUSTER);

    if (scene->control == NULL)
        luaL_error(lua, "this cluster is from an earlier test and is closed");
    return scene;
}

static void
free_job(void *data)
{
    MobScenarioJob *job = data;

    g_free(job->name);
    g_free(job);
}

static MobScene *
scene_new(MobScenario *scenario, const MobClusterPlan *plan)
{
    MobScene *scene = g_new0(MobScene, 1);

    scene->scenario = scenario;
    scene->number = plan->options.number;
    scene->line = plan->options.line;
    scene->seed = plan->options.seed;
    scene->calm_until = MOB_TIME_NEVER;
    scene->hooks = g_ptr_array_new_with_free_func((GDestroyNotify)mob_hook_free);
    scene->alarms = g_ptr_array_new_with_free_func((GDestroyNotify)mob_alarm_free);
    scene->stories = g_ptr_array_new_with_free_func((GDestroyNotify)mob_story_free);
    scene->claims = g_ptr_array_new_with_free_func((GDestroyNotify)mob_claim_free);
    scene->faults = g_ptr_array_new_with_free_func((GDestroyNotify)mob_fault_record_free);
    scene->jobs = g_ptr_array_new_with_free_func(free_job);
    scene->watcher.wanted = MOB_WANT_ALL & ~MOB_WANT_DEAR;
    scene->watcher.event = on_event;
    scene->watcher.born = on_born;
    scene->watcher.died = on_died;
    mob_claims_init(scene);
    g_ptr_array_add(scenario->clusters, scene);
    return scene;
}

static void
scene_free(void *data)
{
    MobScene *scene = data;

    for (int kind = 0; kind < MOB_NOTE_COUNT; kind++)
        if (scene->by_kind[kind] != NULL)
            g_ptr_array_unref(scene->by_kind[kind]);
    g_ptr_array_unref(scene->hooks);
    g_ptr_array_unref(scene->alarms);
    g_ptr_array_unref(scene->stories);
    g_ptr_array_unref(scene->claims);
    g_ptr_array_unref(scene->faults);
    g_ptr_array_unref(scene->jobs);
    mob_table_free(scene->traffic_by_link);
    if (scene->traffic != NULL)
        g_ptr_array_unref(scene->traffic);
    mob_chaos_free(scene->chaos);
    if (scene->own_state)
        mob_state_free(scene->state);
    g_free(scene->failure);
    g_free(scene);
}

static void
take_state(MobScene *scene)
{
    const MobScenarioHost *host = scene->scenario->host;

    if (host->state != NULL)
        scene->state = host->state(host->data, scene->control);
    if (scene->state == NULL) {
        scene->own_state = true;
        scene->state = mob_state_new();
        scene->control->watch(scene->control, &scene->state->watcher);
    }
    scene->control->watch(scene->control, &scene->watcher);
}

/* sim.cluster{…} */
static int
new_cluster(lua_State *lua)
{
    MobScenario *scenario = mob_scenario_of(lua);
    MobClusterPlan *plan = mob_plan_new(lua, 1);
    GError *error = NULL;
    MobControl *control;
    MobScene *scene;

    plan->options.number = scenario->clusters->len + 1;
    plan->options.line = mob_script_line(lua);
    control = scenario->host->cluster(scenario->host->data, &plan->options, &error);
    if (control == NULL) {
        lua_pushfstring(lua, "sim.cluster: %s", error->message);
        g_error_free(error);
        luaL_where(lua, 1);
        lua_insert(lua, -2);
        lua_concat(lua, 2);
        return lua_error(lua);
    }
    scene = scene_new(scenario, plan);
    scene->control = control;
    take_state(scene);
    if (plan->count_messages)
        mob_scene_count_messages(scene);
    mob_scene_push(lua, scene);
    return 1;
}

/* --- the cluster object --- */

static int
index_cluster(lua_State *lua)
{
    MobScene *scene = *(MobScene **)luaL_checkudata(lua, 1, MOB_META_CLUSTER);
    const char *name = luaL_checkstring(lua, 2);
    const char *words[128];
    size_t count = 0;

    if (strcmp(name, "state") == 0) {
        mob_state_push(lua, scene);
        return 1;
    }
    lua_pushvalue(lua, 2);
    if (lua_rawget(lua, lua_upvalueindex(1)) != LUA_TNIL)
        return 1;
    if (strcmp(name, "seed") == 0) {
        lua_pushinteger(lua, (lua_Integer)scene->seed);
        return 1;
    }
    mob_lua_push_keys(lua, lua_upvalueindex(1));
    for (lua_Integer i = 1; count + 2 < G_N_ELEMENTS(words); i++) {
        if (lua_rawgeti(lua, -1, i) != LUA_TSTRING)
            break;
        words[count++] = lua_tostring(lua, -1); /* the method table keeps it */
        lua_pop(lua, 1);
    }
    words[count++] = "state";
    words[count] = NULL;
    return mob_unknown_word(lua, "verb or field of a cluster", name, words);
}

static int
cluster_tostring(lua_State *lua)
{
    MobScene *scene = *(MobScene **)luaL_checkudata(lua, 1, MOB_META_CLUSTER);

    lua_pushfstring(lua, "cluster %d", (int)scene->number);
    return 1;
}

static const luaL_Reg cluster_methods[] = {
    {"submit", mob_scene_submit}, {"run", mob_scene_run}, {"step", mob_scene_step},
    {"now", mob_scene_now},       {NULL, NULL},
};

static void
open_cluster_class(lua_State *lua)
{
    luaL_newmetatable(lua, MOB_META_CLUSTER);
    lua_newtable(lua);
    luaL_setfuncs(lua, cluster_methods, 0);
    luaL_setfuncs(lua, mob_scene_verbs, 0);
    luaL_setfuncs(lua, mob_scene_hooks, 0);
    luaL_setfuncs(lua, mob_scene_stories, 0);
    luaL_setfuncs(lua, mob_scene_claims, 0);
    luaL_setfuncs(lua, mob_scene_chaos, 0);
    luaL_setfuncs(lua, mob_scene_selectors, 0);
    lua_pushcclosure(lua, index_cluster, 1);
    lua_setfield(lua, -2, "__index");
    lua_pushcfunction(lua, cluster_tostring);
    lua_setfield(lua, -2, "__tostring");
    lua_pushboolean(lua, false);
    lua_setfield(lua, -2, "__metatable");
    lua_pop(lua, 1);
}

static const luaL_Reg sim_functions[] = {
    {"cluster", new_cluster},
    {"uniform", mob_sim_uniform},
    {"between", mob_sim_between},
    {"among", mob_sim_among},
    {NULL, NULL},
};

static const char *const sim_words[] = {"cluster", "uniform", "between", "among",
                                        "seed",    "world",   NULL};

static int
index_sim(lua_State *lua)
{
    return mob_unknown_word(lua, "sim function", luaL_tolstring(lua, 2, NULL), sim_words);
}

void
mob_scenario_open(lua_State *lua, MobScenario *scenario)
{
    open_cluster_class(lua);
    mob_jobs_open(lua);
    mob_verbs_open(lua);
    mob_hooks_open(lua);
    mob_state_view_open(lua);
    mob_ranges_open(lua);
    luaL_newlib(lua, sim_functions);
    lua_pushinteger(lua, (lua_Integer)scenario->host->seed);
    lua_setfield(lua, -2, "seed");
    lua_pushstring(lua, scenario->host->world != NULL ? scenario->host->world : "sim");
    lua_setfield(lua, -2, "world");
    lua_newtable(lua);
    lua_pushcfunction(lua, index_sim);
    lua_setfield(lua, -2, "__index");
    lua_setmetatable(lua, -2);
    lua_setfield(lua, LUA_REGISTRYINDEX, "mobula.sim");
}

void
mob_scenes_free(GPtrArray *clusters)
{
    g_ptr_array_set_free_func(clusters, scene_free);
    g_ptr_array_unref(clusters);
}
