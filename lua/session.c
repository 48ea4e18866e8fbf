/* session.c: the Lua state that a scenario file runs in, and what came of its
 * clusters once it is over.
 */
#include "lua/scenario_parts.h"

#include "lua/errors.h"
#include "lua/program.h"

/* --- the sandbox's view of the world --- */

static uint64_t
script_random(MobLuaSandbox *sandbox, lua_State *lua, uint64_t n)
{
    MobScenario *scenario = (MobScenario *)sandbox;

    if (n == 0)
        return mob_pick(scenario->picks, MOB_PICK_FAULT, 1, UINT64_MAX, 0);
    return mob_pick(scenario->picks, MOB_PICK_FAULT, 0, n, 0);
}

static int
script_print(MobLuaSandbox *sandbox, lua_State *lua, const char *text, size_t length)
{
    MobScenario *scenario = (MobScenario *)sandbox;

    while (length > 0 && text[length - 1] == '\n')
        length--;
    mob_say(scenario, "%.*s", (int)length, text);
    return 0;
}

/* Another file of the scenario: a.b is a/b.lua. */
static void
require_file(MobScenario *scenario, lua_State *lua, const char *name)
{
    const MobScenarioHost *host = scenario->host;
    GError *error = NULL;
    size_t length = 0;
    char *path, *text;
    int status;

    luaL_gsub(lua, name, ".", "/");
    lua_pushliteral(lua, ".lua");
    lua_concat(lua, 2);
    path = g_strdup(lua_tostring(lua, -1));
    text = host->read != NULL ? host->read(host->data, path, &length, &error) : NULL;
    if (text == NULL) {
        luaL_where(lua, 1);
        lua_pushfstring(lua, "cannot require '%s': %s", name,
                        error != NULL ? error->message : "there are no files here");
        lua_concat(lua, 2);
        g_clear_error(&error);
        g_free(path);
        lua_error(lua);
    }
    status = mob_lua_sandbox_load(lua, path, text, length);
    g_free(path);
    g_free(text);
    if (status != LUA_OK)
        lua_error(lua);
    lua_call(lua, 0, 1);
}

static void
script_require(MobLuaSandbox *sandbox, lua_State *lua, const char *name)
{
    MobScenario *scenario = (MobScenario *)sandbox;

    if (strcmp(name, "mobula.sim") == 0) {
        lua_getfield(lua, LUA_REGISTRYINDEX, "mobula.sim");
        return;
    }
    if (strcmp(name, "mobula") == 0)
        luaL_error(lua, "a scenario runs outside the cluster and has no tasks; give its program to "
                        "c:submit(\"file.lua\") or c:submit(function(m) ... end); a program sets "
                        "m.main, a function");
    require_file(scenario, lua, name);
}

MobScenario *
mob_scenario_new(const MobScenarioHost *host, const char *file, const char *text)
{
    MobScenario *scenario = g_new0(MobScenario, 1);

    scenario->host = host;
    scenario->file = g_strdup(file);
    scenario->text = text;
    scenario->clusters = g_ptr_array_new();
    scenario->pick_config.seed = host->seed;
    scenario->picks = mob_picks_new(&scenario->pick_config);
    scenario->sandbox.random = script_random;
    scenario->sandbox.print = script_print;
    scenario->sandbox.require = script_require;
    scenario->sandbox.budget = MOB_LUA_BUDGET;
    scenario->sandbox.memory_max = MOB_LUA_MEMORY;
    scenario->sandbox.keep_globals = true;
    scenario->lua = mob_lua_sandbox_open(&scenario->sandbox);
    scenario->now = scenario->lua;
    mob_assert_open(scenario->lua);
    mob_scenario_open(scenario->lua, scenario);
    return scenario;
}

void
mob_scenario_free(MobScenario *scenario)
{
    if (scenario == NULL)
        return;
    lua_close(scenario->lua);
    mob_scenes_free(scenario->clusters);
    mob_picks_free(scenario->picks);
    g_free(scenario->assertion);
    g_free(scenario->file);
    g_free(scenario);
}

/* --- results --- */

static void
free_claim_result(void *data)
{
    MobClaimResult *claim = data;

    g_free(claim->kind);
    g_free(claim->name);
    g_free(claim);
}

static void
free_fault_result(void *data)
{
    MobFaultResult *fault = data;

    g_free(fault->text);
    g_free(fault);
}

static void
free_job_result(void *data)
{
    MobJobResult *job = data;

    g_free(job->name);
    mob_value_unref(job->value);
    g_free(job);
}

static void
free_cluster_result(void *data)
{
    MobClusterResult *cluster = data;

    g_ptr_array_unref(cluster->jobs);
    g_ptr_array_unref(cluster->claims);
    g_ptr_array_unref(cluster->faults);
    g_free(cluster->settings);
    g_free(cluster);
}

void
mob_scenario_result_init(MobScenarioResult *result)
{
    *result = (MobScenarioResult){.clusters = g_ptr_array_new_with_free_func(free_cluster_result)};
}

void
mob_scenario_result_clear(MobScenarioResult *result)
{
    g_clear_pointer(&result->clusters, g_ptr_array_unref);
    g_clear_pointer(&result->message, g_free);
}

void
mob_scenario_result_fail(MobScenarioResult *result, MobOutcome outcome, uint32_t line,
                         const char *message)
{
    if (result->outcome != MOB_OUTCOME_OK)
        return;
    result->outcome = outcome;
    result->line = line;
    result->message = g_strdup(message);
}

/* "scenarios/x.lua:14: text" -> 14 */
uint32_t
mob_message_line(const char *file, const char *message)
{
    size_t length = strlen(file);

    if (strncmp(message, file, length) != 0 || message[length] != ':')
        return 0;
    return (uint32_t)g_ascii_strtoull(message + length + 1, NULL, 10);
}

static void
add_jobs(MobScene *scene, MobClusterResult *result)
{
    for (guint i = 0; i < scene->jobs->len; i++) {
        const MobScenarioJob *job = scene->jobs->pdata[i];
        MobJobResult *row = g_new0(MobJobResult, 1);
        const MobValue *value = scene->control->job_result(scene->control, job->number);
        row->number = job->number;
        row->name = g_strdup(job->name);
        row->finished = scene->control->job_done(scene->control, job->number);
        row->value = mob_value_ref((MobValue *)value);
        g_ptr_array_add(result->jobs, row);
    }
}

static void
add_faults(MobScene *scene, MobClusterResult *result)
{
    for (guint i = 0; i < scene->faults->len; i++) {
        const MobFaultRecord *fault = scene->faults->pdata[i];
        MobFaultResult *row = g_new0(MobFaultResult, 1);
        row->text = g_strdup(fault->text);
        row->line = fault->line;
        row->chaos = fault->chaos;
        row->ordered = true;
        row->bites = fault->number != 0 ? scene->control->bites(scene->control, fault->number) : 0;
        g_ptr_array_add(result->faults, row);
    }
    mob_hooks_unfired(scene, result->faults);
    mob_stories_unfinished(scene, result->faults);
}

static MobClusterResult *
make_result(MobScene *scene)
{
    MobClusterResult *result = g_new0(MobClusterResult, 1);

    result->line = scene->line;
    result->seed = scene->seed;
    result->now = scene->control->now(scene->control);
    result->events = scene->control->events(scene->control);
    result->hash = scene->control->hash(scene->control);
    result->jobs = g_ptr_array_new_with_free_func(free_job_result);
    result->claims = g_ptr_array_new_with_free_func(free_claim_result);
    result->faults = g_ptr_array_new_with_free_func(free_fault_result);
    result->settings = mob_chaos_settings(scene->chaos);
    add_jobs(scene, result);
    add_faults(scene, result);
    mob_claims_results(scene, result->claims);
    return result;
}

static void
judge_vacuous(const MobScenario *scenario, const MobClusterResult *cluster,
              MobScenarioResult *result)
{
    for (guint i = 0; i < cluster->faults->len; i++) {
        const MobFaultResult *fault = cluster->faults->pdata[i];
        if (fault->bites > 0 || fault->chaos)
            continue;
        char *message =
            g_strdup_printf("the run shows nothing: %s:%u: %s%s", scenario->file, fault->line,
                            fault->text, fault->ordered ? " touched nothing" : "");
        mob_scenario_result_fail(result, MOB_OUTCOME_VACUOUS, fault->line, message);
        g_free(message);
        return;
    }
}

/* A job that failed and that nobody asked about fails the run. */
static void
judge_jobs(MobScene *scene, const MobClusterResult *cluster, MobScenarioResult *result)
{
    for (guint i = 0; i < cluster->jobs->len; i++) {
        const MobJobResult *row = cluster->jobs->pdata[i];
        const MobScenarioJob *job = scene->jobs->pdata[i];
        if (job->looked_at || !row->finished || (row->value != NULL && row->value->fault == 0))
            continue;
        GString *text = g_string_new(NULL);
        g_string_append_printf(text, "job %s (line %u) failed: ", row->name, job->line);
        if (row->value != NULL)
            mob_fault_report(row->value, text);
        else
            g_string_append(text, "its driver died");
        mob_scenario_result_fail(result, MOB_OUTCOME_FAILED, job->line, text->str);
        g_string_free(text, TRUE);
    }
}

static void
close_scene(MobScene *scene, MobScenarioResult *result)
{
    const MobScenarioHost *host = scene->scenario->host;
    MobControl *control = scene->control;
    MobClusterResult *made;

    if (scene->failure == NULL && host->verdict != NULL) {
        char *verdict = host->verdict(host->data, control, true);
        if (verdict != NULL)
            mob_scene_fail(scene, MOB_OUTCOME_FAILED, 0, verdict);
    }
    made = make_result(scene);
    g_ptr_array_add(result->clusters, made);
    if (scene->failure != NULL)
        mob_scenario_result_fail(result, scene->outcome, scene->failure_line, scene->failure);
    else
        judge_jobs(scene, made, result);
    if (host->close != NULL)
        host->close(host->data, control);
    scene->control = NULL;
    if (!scene->own_state)
        scene->state = NULL;
}

void
mob_scenario_finish(MobScenario *scenario, guint first, MobScenarioResult *result)
{
    guint first_result = result->clusters->len;

    for (guint i = first; i < scenario->clusters->len; i++) {
        MobScene *scene = scenario->clusters->pdata[i];
        if (scene->control == NULL)
            continue;
        if (result->outcome == MOB_OUTCOME_OK && scene->failure == NULL) {
            mob_scene_run_out(scene);
            mob_claims_settle(scene);
        }
        close_scene(scene, result);
    }
    for (guint i = first_result; i < result->clusters->len; i++)
        judge_vacuous(scenario, result->clusters->pdata[i], result);
}
