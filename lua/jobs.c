/* jobs.c: jobs of a scenario, and letting time pass until something is so. */
#include "lua/scenario_parts.h"

#include "lua/errors.h"
#include "lua/program.h"
#include "runtime/program.h"

/* What c:submit gathers; a userdata, so that an error frees it. */
typedef struct {
    MobStr *bundle_id;
    MobValue *bundle;
    MobArgs *args;
} Submission;

/* --- submit --- */

static int
free_submission(lua_State *lua)
{
    Submission *submission = lua_touserdata(lua, 1);

    mob_str_unref(submission->bundle_id);
    mob_value_unref(submission->bundle);
    mob_args_unref(submission->args);
    *submission = (Submission){0};
    return 0;
}

static const luaL_Reg submission_metas[] = {{"__gc", free_submission}, {NULL, NULL}};

static int
raise_gerror(lua_State *lua, const char *prefix, GError *error)
{
    luaL_where(lua, 1);
    lua_pushstring(lua, prefix);
    lua_pushstring(lua, error->message);
    g_error_free(error);
    lua_concat(lua, 3);
    return lua_error(lua);
}

/* A function travels as its text, cut out of the file that it stands in: the
 * scenario itself, or one that it requires. The scenario goes by its name
 * alone, so that a run is the same from whatever folder it is started. */
static void
load_function(lua_State *lua, MobScenario *scenario, Submission *submission, GError **error)
{
    const MobScenarioHost *host = scenario->host;
    char *read = NULL;
    char *name;
    const char *path;
    lua_Debug where;

    lua_pushvalue(lua, 2);
    lua_getinfo(lua, ">S", &where);
    path = where.source[0] == '@' ? where.source + 1 : where.source;
    if (strcmp(path, scenario->file) != 0) {
        size_t length;
        read = host->read != NULL ? host->read(host->data, path, &length, error) : NULL;
        if (read == NULL) {
            if (host->read == NULL)
                g_set_error(error, MOB_CONTROL_ERROR, 0, "there is no text of %s", path);
            return;
        }
    }
    name = read != NULL ? g_strdup(path) : g_path_get_basename(path);
    submission->bundle = mob_lua_program_inline(lua, 2, name, read != NULL ? read : scenario->text,
                                                &submission->bundle_id, error);
    g_free(name);
    g_free(read);
}

/* A program in C is named as the scenario names it, so that its runs are the
 * same wherever the two lie. */
static void
load_shared_object(const MobScenarioHost *host, const char *path, Submission *submission,
                   GError **error)
{
    submission->bundle = mob_program_bundle(path, &submission->bundle_id);
    if (host->check_program == NULL)
        g_set_error(error, MOB_CONTROL_ERROR, 0, "no program in C can be opened here");
    else
        host->check_program(host->data, submission->bundle_id, error);
}

static void
load_program(lua_State *lua, MobScenario *scenario, Submission *submission)
{
    const MobScenarioHost *host = scenario->host;
    const char *path = lua_tostring(lua, 2);
    GError *error = NULL;

    if (lua_isfunction(lua, 2)) {
        load_function(lua, scenario, submission, &error);
    } else if (g_str_has_suffix(path, ".so")) {
        load_shared_object(host, path, submission, &error);
    } else {
        MobLuaReader reader = {host->read, host->data};
        if (host->read == NULL)
            luaL_error(lua, "there are no files here; submit a function");
        submission->bundle = mob_lua_program_load(path, &reader, &submission->bundle_id, &error);
    }
    if (error != NULL)
        raise_gerror(lua, "c:submit: ", error);
}

static void
read_args(lua_State *lua, Submission *submission)
{
    uint32_t count = (uint32_t)(lua_gettop(lua) - 3);

    submission->args = mob_args_new(count);
    for (uint32_t i = 0; i < count; i++)
        submission->args->items[i].value = mob_lua_to_nth_value(lua, (int)i + 3, "argument", i + 1);
}

static char *
job_name(lua_State *lua, MobScenario *scenario)
{
    char *base, *dot;

    if (lua_isfunction(lua, 2))
        return g_strdup_printf("inline:%u", mob_script_line(lua));
    base = g_path_get_basename(lua_tostring(lua, 2));
    dot = strrchr(base, '.');
    if (dot != NULL && dot != base)
        *dot = '\0';
    return base;
}

static void
push_job(lua_State *lua, MobScenarioJob *job)
{
    MobScenarioJob **box = lua_newuserdatauv(lua, sizeof(MobScenarioJob *), 0);

    *box = job;
    luaL_setmetatable(lua, MOB_META_JOB);
}

/* c:submit(program, argument...) */
int
mob_scene_submit(lua_State *lua)
{
    MobScene *scene = mob_scene_check(lua, 1);
    Submission *submission;
    GError *error = NULL;
    MobScenarioJob *job;

    luaL_argcheck(lua, lua_isfunction(lua, 2) || lua_type(lua, 2) == LUA_TSTRING, 2,
                  "a program is the name of a file or a function(m)");
    submission = lua_newuserdatauv(lua, sizeof *submission, 0);
    *submission = (Submission){0};
    if (luaL_newmetatable(lua, "mobula.submission"))
        luaL_setfuncs(lua, submission_metas, 0);
    lua_setmetatable(lua, -2);
    read_args(lua, submission);
    load_program(lua, scene->scenario, submission);
    job = g_new0(MobScenarioJob, 1);
    job->scene = scene;
    job->name = job_name(lua, scene->scenario);
    job->line = mob_script_line(lua);
    g_ptr_array_add(scene->jobs, job);
    job->number = scene->control->submit(
        scene->control,
        &(MobJob){job->name, submission->bundle_id, submission->bundle, submission->args}, &error);
    if (job->number == 0) {
        g_ptr_array_remove(scene->jobs, job);
        raise_gerror(lua, "c:submit: ", error);
    }
    push_job(lua, job);
    return 1;
}

/* --- job objects --- */

MobScenarioJob *
mob_job_check(lua_State *lua, int index)
{
    MobScenarioJob *job = *(MobScenarioJob **)luaL_checkudata(lua, index, MOB_META_JOB);

    if (job->scene->control == NULL)
        luaL_error(lua, "this job is from an earlier test, whose cluster is closed");
    return job;
}

/* The value or error that the job ended with; NULL if its driver died. */
static const MobValue *
ended_with(lua_State *lua, MobScenarioJob *job)
{
    MobControl *control = job->scene->control;

    if (!control->job_done(control, job->number))
        luaL_error(lua, "job %s has not finished; c:run { until_done = job } comes first",
                   job->name);
    job->looked_at = true;
    return control->job_result(control, job->number);
}

/* Who died, and why, as far as it came: "driver J1 on head died: killed". */
static char *
describe_death(const MobScenarioJob *job)
{
    const GPtrArray *jobs = job->scene->state->jobs;
    const MobStateProc *driver = NULL;

    for (guint i = 0; i < jobs->len; i++) {
        const MobStateJob *seen = g_ptr_array_index(jobs, i);
        if (seen->number == job->number)
            driver = mob_state_proc_by_address(job->scene->state, seen->driver);
    }
    if (driver == NULL || driver->alive)
        return g_strdup_printf("driver J%u died before its job began", job->number);
    return g_strdup_printf("driver J%u on %s died: %s", job->number, driver->node_name,
                           driver->why != NULL ? driver->why : "nobody knows why");
}

static void
push_failure(lua_State *lua, const MobScenarioJob *job, const MobValue *value)
{
    if (value != NULL) {
        mob_lua_push_error(lua, (MobValue *)value);
        return;
    }
    g_autofree char *text = describe_death(job);
    mob_lua_push_plain_error(lua, mob_fault_name(MOB_FAULT_OWNER_DIED), text);
}

static int
job_result(lua_State *lua)
{
    MobScenarioJob *job = mob_job_check(lua, 1);
    const MobValue *value = ended_with(lua, job);

    if (value == NULL || value->fault != 0) {
        push_failure(lua, job, value);
        return lua_error(lua);
    }
    mob_lua_push_value(lua, value, NULL);
    return 1;
}

static int
job_error(lua_State *lua)
{
    MobScenarioJob *job = mob_job_check(lua, 1);
    const MobValue *value = ended_with(lua, job);

    if (value != NULL && value->fault == 0)
        return 0;
    push_failure(lua, job, value);
    return 1;
}

static const char *const job_words[] = {"result", "error", "done", "id", "driver", "name", NULL};

static int
index_job(lua_State *lua)
{
    MobScenarioJob *job = mob_job_check(lua, 1);
    MobControl *control = job->scene->control;
    const char *name = luaL_checkstring(lua, 2);

    if (strcmp(name, "result") == 0)
        lua_pushcfunction(lua, job_result);
    else if (strcmp(name, "error") == 0)
        lua_pushcfunction(lua, job_error);
    else if (strcmp(name, "done") == 0)
        lua_pushboolean(lua, control->job_done(control, job->number));
    else if (strcmp(name, "id") == 0)
        lua_pushinteger(lua, job->number);
    else if (strcmp(name, "name") == 0)
        lua_pushstring(lua, job->name);
    else if (strcmp(name, "driver") == 0)
        lua_pushstring(
            lua, mob_state_proc_name(job->scene->state, control->job_driver(control, job->number)));
    else
        return mob_unknown_word(lua, "field of a job", name, job_words);
    return 1;
}

static int
job_tostring(lua_State *lua)
{
    MobScenarioJob *job = *(MobScenarioJob **)luaL_checkudata(lua, 1, MOB_META_JOB);

    lua_pushfstring(lua, "job %d %s", (int)job->number, job->name);
    return 1;
}

static const luaL_Reg job_metas[] = {
    {"__index", index_job}, {"__tostring", job_tostring}, {NULL, NULL}};

void
mob_jobs_open(lua_State *lua)
{
    mob_class_new(lua, MOB_META_JOB, NULL, job_metas);
}

bool
mob_scene_jobs_done(const MobScene *scene)
{
    for (guint i = 0; i < scene->jobs->len; i++) {
        const MobScenarioJob *job = scene->jobs->pdata[i];
        if (!scene->control->job_done(scene->control, job->number))
            return false;
    }
    return true;
}
