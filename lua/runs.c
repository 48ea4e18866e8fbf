/* runs.c: c:run, c:step, c:now: letting time pass until something is so.
 *
 * A run that ends otherwise than it was asked to has failed: it is a hang if
 * nothing is left to happen, if the limit was reached or if time stands
 * still, and says who waits for whom.
 */
#include "lua/scenario_parts.h"

#include "lua/errors.h"
#include "runtime/node.h"

#define LIMIT_DEFAULT (3600 * MOB_SECOND)

enum {
    LEFT_MAX = 5, /* how much of what is left is named */
};

typedef struct {
    MobUntil until;
    bool idle;
    MobHook *event; /* which ends the run; NULL: none */
    bool drain;
    const char *what; /* is waited for: for people */
} Plan;

/* --- one stretch of a run --- */

MobRunEnd
mob_scene_run_world(MobScene *scene, lua_State *lua, const MobUntil *until)
{
    MobScenario *scenario = scene->scenario;
    lua_State *before = scenario->now;
    bool limited = scenario->sandbox.limited;
    MobRunEnd end;
    char *verdict;

    if (!scene->ran) {
        scene->ran = true;
        mob_claims_judge(scene, NULL);
    }
    if (scene->failure != NULL)
        return MOB_RUN_STOPPED;
    scenario->now = lua;
    scene->running = true;
    mob_lua_sandbox_leave(&scenario->sandbox);
    end = scene->control->run(scene->control, until);
    if (limited)
        mob_lua_sandbox_enter(&scenario->sandbox);
    scene->running = false;
    scenario->now = before;
    verdict = scenario->host->verdict != NULL
                  ? scenario->host->verdict(scenario->host->data, scene->control, false)
                  : NULL;
    if (verdict != NULL)
        mob_scene_fail(scene, MOB_OUTCOME_FAILED, 0, verdict);
    return end;
}

static void
hang(MobScene *scene, uint32_t line, const char *how, const char *what)
{
    GString *text = g_string_new(NULL);
    char *now = mob_time_text(scene->control->now(scene->control));

    if (line != 0)
        g_string_append_printf(text, "%s:%u: ", scene->scenario->file, line);
    g_string_append_printf(text, "%s at %s simulated, and %s\n", how, now, what);
    scene->control->explain(scene->control, text);
    while (text->len > 0 && text->str[text->len - 1] == '\n')
        g_string_truncate(text, text->len - 1);
    g_free(now);
    mob_scene_fail(scene, MOB_OUTCOME_HANG, line, g_string_free(text, FALSE));
}

/* --- what is left when all is done --- */

static void
name_left(GString *text, guint count, const char *a, const char *is_still, const char *b)
{
    if (count <= LEFT_MAX)
        g_string_append_printf(text, "\n  %s is still %s %s", a, is_still, b);
    else if (count == LEFT_MAX + 1)
        g_string_append(text, "\n  …");
}

/* The dead hold nothing, whatever was last heard of them. */
static bool
is_live(const MobState *state, MobAddress process)
{
    const MobStateProc *proc = mob_state_proc_by_address(state, process);

    return proc != NULL && proc->alive;
}

static guint
refs_left(const MobState *state, GString *text)
{
    guint count = 0;

    for (guint i = 0; i < state->refs->len; i++) {
        const MobStateRef *ref = state->refs->pdata[i];
        if (ref->to != 0 || !is_live(state, ref->holder))
            continue;
        name_left(text, ++count, ref->object->name, "held by",
                  mob_state_proc_name(state, ref->holder));
    }
    return count;
}

static guint
leases_left(const MobState *state, GString *text)
{
    guint count = 0;

    for (guint i = 0; i < state->leases->len; i++) {
        const MobStateLease *lease = state->leases->pdata[i];
        if (lease->to != 0 || !is_live(state, lease->worker))
            continue;
        name_left(text, ++count, mob_state_proc_name(state, lease->worker), "leased to",
                  mob_state_proc_name(state, lease->lease.owner));
    }
    return count;
}

/* Of copies the store itself knows best: an owner that was given up for dead
 * may still have told of one that was deleted long ago. */
static guint
copies_left(MobScene *scene, GString *text)
{
    const MobState *state = scene->state;
    guint count = 0;

    for (guint i = 0; i < state->nodes->len; i++) {
        const MobStateNode *node = state->nodes->pdata[i];
        MobAddress address = mob_node_address(node->node.v);
        const MobProcess *process = scene->control->process(scene->control, address);
        MobCopyInfo copy;
        size_t at = 0;
        while (process != NULL && mob_node_next_copy(process, &at, &copy)) {
            const MobStateObject *object = mob_state_object_by_id(state, copy.object);
            name_left(text, ++count, object != NULL ? object->name : "an object", "in the store of",
                      node->name);
        }
    }
    return count;
}

static void
check_drained(MobScene *scene, uint32_t line)
{
    GString *text = g_string_new(NULL);
    guint left;

    g_string_printf(text, "%s:%u: drain: the job is done and something is left",
                    scene->scenario->file, line);
    left = refs_left(scene->state, text);
    left += leases_left(scene->state, text);
    left += copies_left(scene, text);
    if (left > 0)
        mob_scene_fail(scene, MOB_OUTCOME_FAILED, line, g_string_free(text, FALSE));
    else
        g_string_free(text, TRUE);
}

static void
drain(MobScene *scene, lua_State *lua, const Plan *plan, uint32_t line)
{
    MobUntil until = {.time = MOB_TIME_NEVER, .limit = plan->until.limit};
    MobRunEnd end = mob_scene_run_world(scene, lua, &until);

    if (scene->failure != NULL)
        return;
    if (end == MOB_RUN_IDLE)
        check_drained(scene, line);
    else
        hang(scene, line, end == MOB_RUN_LIVELOCK ? "livelock" : "limit reached",
             "the cluster does not come to rest (drain)");
}

/* --- c:run --- */

static void
run_plan(MobScene *scene, lua_State *lua, const Plan *plan, uint32_t line)
{
    MobRunEnd end = mob_scene_run_world(scene, lua, &plan->until);

    if (scene->failure != NULL)
        return;
    switch (end) {
    case MOB_RUN_DONE:
    case MOB_RUN_STOPPED:
        break;
    case MOB_RUN_IDLE:
        if (!plan->idle)
            hang(scene, line, "deadlock: nothing is left to happen", plan->what);
        break;
    case MOB_RUN_LIMIT:
        hang(scene, line, "limit reached", plan->what);
        break;
    case MOB_RUN_LIVELOCK:
        hang(scene, line, "livelock: time stands still", plan->what);
        break;
    }
}

static void
on_awaited(MobScene *scene, MobHook *hook, const MobFact *fact)
{
    scene->control->stop(scene->control);
}

static const char *const run_words[] = {"until_done", "until_time", "until_event", "until_idle",
                                        "limit",      "drain",      NULL};

static void
read_until(lua_State *lua, MobScene *scene, Plan *plan)
{
    if (lua_getfield(lua, 2, "until_done") != LUA_TNIL) {
        if (luaL_testudata(lua, -1, MOB_META_JOB) == NULL)
            luaL_error(lua, "until_done is a job, which c:submit returns, and not a %s",
                       luaL_typename(lua, -1));
        MobScenarioJob *job = mob_job_check(lua, -1);
        if (job->scene != scene)
            luaL_error(lua, "until_done names a job of another cluster");
        plan->until.job = job->number;
        plan->what = "the job is not done";
    }
    plan->until.time = mob_field_time(lua, 2, "until_time", MOB_TIME_NEVER);
    if (plan->until.time != MOB_TIME_NEVER)
        plan->idle = true; /* nothing more can happen until then */
    lua_getfield(lua, 2, "until_idle");
    plan->idle = plan->idle || lua_toboolean(lua, -1);
    lua_getfield(lua, 2, "drain");
    plan->drain = lua_toboolean(lua, -1);
    plan->until.limit = mob_field_time(lua, 2, "limit", LIMIT_DEFAULT);
    if (lua_getfield(lua, 2, "until_event") != LUA_TNIL) {
        MobMatch *match = mob_match_new(lua, NULL, -1);
        plan->event = mob_hook_add(scene, match, on_awaited, NULL);
        plan->event->line = mob_script_line(lua);
        plan->what = "the awaited event has not come";
    }
    lua_settop(lua, 2);
}

/* All the jobs that were submitted, one after the other. */
static void
run_jobs(MobScene *scene, lua_State *lua, Plan *plan, uint32_t line)
{
    plan->what = "a job is not done";
    if (scene->jobs->len == 0) {
        plan->idle = true;
        run_plan(scene, lua, plan, line);
    }
    for (guint i = 0; i < scene->jobs->len && scene->failure == NULL; i++) {
        plan->until.job = ((MobScenarioJob *)scene->jobs->pdata[i])->number;
        if (!scene->control->job_done(scene->control, plan->until.job))
            run_plan(scene, lua, plan, line);
    }
}

static void
check_can_run(lua_State *lua, MobScene *scene)
{
    mob_scene_raise(lua, scene);
    if (scene->running)
        luaL_error(lua,
                   "the cluster runs already: a story or a callback waits with c:await or c:sleep");
}

int
mob_scene_run(lua_State *lua)
{
    MobScene *scene = mob_scene_check(lua, 1);
    Plan plan = {.until.time = MOB_TIME_NEVER, .until.limit = LIMIT_DEFAULT};
    MobTime now = scene->control->now(scene->control);
    uint32_t line = mob_script_line(lua);

    check_can_run(lua, scene);
    lua_settop(lua, 2);
    if (!lua_isnil(lua, 2)) {
        luaL_checktype(lua, 2, LUA_TTABLE);
        mob_check_words(lua, 2, "c:run", run_words);
        read_until(lua, scene, &plan);
    }
    plan.until.limit += now;
    if (plan.until.job != 0 || plan.until.time != MOB_TIME_NEVER || plan.event != NULL || plan.idle)
        run_plan(scene, lua, &plan, line);
    else
        run_jobs(scene, lua, &plan, line);
    if (plan.event != NULL) /* whatever ended the run, it ends no other one */
        plan.event->dead = scene->has_dead_hooks = true;
    if (plan.drain && scene->failure == NULL)
        drain(scene, lua, &plan, line);
    mob_scene_raise(lua, scene);
    return 0;
}

/* c:step(n) */
int
mob_scene_step(lua_State *lua)
{
    MobScene *scene = mob_scene_check(lua, 1);
    lua_Integer count = luaL_optinteger(lua, 2, 1);
    MobUntil until = {.time = MOB_TIME_NEVER, .limit = MOB_TIME_NEVER};
    MobRunEnd end;

    luaL_argcheck(lua, count >= 1, 2, "how many events: a whole number from 1");
    check_can_run(lua, scene);
    until.events = scene->control->events(scene->control) + (uint64_t)count;
    end = mob_scene_run_world(scene, lua, &until);
    mob_scene_raise(lua, scene);
    lua_pushboolean(lua, end == MOB_RUN_DONE);
    return 1;
}

int
mob_scene_now(lua_State *lua)
{
    MobScene *scene = mob_scene_check(lua, 1);

    lua_pushnumber(lua, (lua_Number)scene->control->now(scene->control) / 1e9);
    return 1;
}

/* --- what was submitted and never run --- */

static int
run_submitted(lua_State *lua)
{
    MobScene *scene = lua_touserdata(lua, 1);
    Plan plan = {.until.time = MOB_TIME_NEVER, .until.limit = LIMIT_DEFAULT};

    plan.until.limit += scene->control->now(scene->control);
    run_jobs(scene, lua, &plan, ((MobScenarioJob *)scene->jobs->pdata[0])->line);
    return 0;
}

void
mob_scene_run_out(MobScene *scene)
{
    lua_State *lua = scene->scenario->lua;

    if (scene->ran || scene->jobs->len == 0)
        return;
    lua_pushcfunction(lua, run_submitted);
    lua_pushlightuserdata(lua, scene);
    mob_scene_call(scene, lua, 1, 0, "the run at the end of the file");
}
