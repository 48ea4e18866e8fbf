/* stories.c: stories: coroutines that wait for events and act inside them.
 *
 * A story begins when it is told to the cluster and runs to its first await;
 * it is resumed inside the event that it awaited, before the effects of that
 * event have been carried out.
 */
#include "lua/scenario_parts.h"

#include "lua/errors.h"

struct MobStory {
    MobScene *scene;
    char *name;
    uint32_t line; /* where it was told */
    lua_State *thread;
    int anchor;        /* keeps the thread from being collected */
    const char *waits; /* what it awaits, borrowed from its match; NULL: it sleeps or is done */
    uint32_t waits_line;
    bool done;
};

void
mob_story_free(MobStory *story)
{
    g_free(story->name);
    g_free(story);
}

static void
story_failed(MobStory *story, lua_State *lua)
{
    MobScene *scene = story->scene;
    GString *text = g_string_new(NULL);
    MobOutcome outcome;
    uint32_t line;
    char *now = mob_time_text(scene->control->now(scene->control));

    lua_xmove(story->thread, lua, 1);
    outcome = mob_scenario_classify(scene->scenario, lua);
    mob_lua_describe_error(lua, -1, text);
    g_string_append_printf(text, "\n  in story \"%s\", at %s simulated", story->name, now);
    line = mob_message_line(scene->scenario->file, text->str);
    mob_scene_fail(scene, outcome, line, g_string_free(text, FALSE));
    lua_pop(lua, 1);
    g_free(now);
}

/* Resumes the story with the @count values on top of its stack. */
static void
story_go_on(MobStory *story, int count)
{
    MobScenario *scenario = story->scene->scenario;
    MobStory *before = scenario->story;
    bool outermost = !scenario->sandbox.limited;
    int results = 0, status;

    story->waits = NULL;
    scenario->story = story;
    if (outermost)
        mob_lua_sandbox_enter(&scenario->sandbox);
    status = lua_resume(story->thread, scenario->now, count, &results);
    if (outermost)
        mob_lua_sandbox_leave(&scenario->sandbox);
    scenario->story = before;
    if (status == LUA_YIELD) {
        lua_pop(story->thread, results);
        return;
    }
    story->done = true;
    if (status != LUA_OK)
        story_failed(story, scenario->now);
}

/* c:story(name?, function(c)) */
static int
story_new(lua_State *lua)
{
    MobScene *scene = mob_scene_check(lua, 1);
    int function = lua_type(lua, 2) == LUA_TSTRING ? 3 : 2;
    MobStory *story;

    luaL_checktype(lua, function, LUA_TFUNCTION);
    story = g_new0(MobStory, 1);
    story->scene = scene;
    story->line = mob_script_line(lua);
    story->name =
        function == 3 ? g_strdup(lua_tostring(lua, 2)) : g_strdup_printf("line %u", story->line);
    g_ptr_array_add(scene->stories, story);
    story->thread = lua_newthread(lua);
    story->anchor = luaL_ref(lua, LUA_REGISTRYINDEX);
    lua_pushvalue(lua, function);
    lua_pushvalue(lua, 1);
    lua_xmove(lua, story->thread, 2);
    story_go_on(story, 1);
    if (!scene->running)
        mob_scene_raise(lua, scene);
    return 0;
}

static MobStory *
check_story(lua_State *lua, MobScene *scene, const char *what)
{
    MobStory *story = scene->scenario->story;

    if (story == NULL || story->thread != lua)
        luaL_error(lua, "%s belongs into a story: c:story(\"name\", function() ... end)", what);
    if (story->scene != scene)
        luaL_error(lua, "this story is about another cluster");
    return story;
}

static void
came(MobScene *scene, MobHook *hook, const MobFact *fact)
{
    MobStory *story = hook->data;

    mob_fact_push(story->thread, fact);
    story_go_on(story, 1);
}

/* c:await{ "task.running", task = "T2" }, or c:await("task.running", { task = "T2" }) */
static int
story_await(lua_State *lua)
{
    MobScene *scene = mob_scene_check(lua, 1);
    MobStory *story = check_story(lua, scene, "c:await");
    const char *name = lua_type(lua, 2) == LUA_TSTRING ? lua_tostring(lua, 2) : NULL;
    MobMatch *match;
    MobHook *hook;

    lua_settop(lua, 3);
    match = mob_match_new(lua, name, name != NULL ? 3 : 2);
    hook = mob_hook_add(scene, match, came, story);
    story->waits = mob_match_text(match);
    story->waits_line = hook->line = mob_script_line(lua);
    return lua_yield(lua, 0);
}

static void
woke(MobScene *scene, MobAlarm *alarm)
{
    story_go_on(alarm->data, 0);
}

static int
story_sleep(lua_State *lua)
{
    MobScene *scene = mob_scene_check(lua, 1);
    MobStory *story = check_story(lua, scene, "c:sleep");
    MobTime duration = mob_lua_to_time(lua, 2, "the time of c:sleep");

    mob_alarm_add(scene, scene->control->now(scene->control) + duration, woke, story);
    return lua_yield(lua, 0);
}

const luaL_Reg mob_scene_stories[] = {
    {"story", story_new}, {"await", story_await}, {"sleep", story_sleep}, {NULL, NULL}};

void
mob_stories_unfinished(MobScene *scene, GPtrArray *into)
{
    for (guint i = 0; i < scene->stories->len; i++) {
        const MobStory *story = scene->stories->pdata[i];
        if (!story->done && story->waits != NULL)
            mob_unfired_add(into, story->waits_line,
                            g_strdup_printf("story \"%s\" still awaits %s, and the run is over",
                                            story->name, story->waits));
    }
}
