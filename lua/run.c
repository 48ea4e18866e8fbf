/* run.c: see run.h. */
#include "lua/run.h"

#include "lua/errors.h"
#include "lua/scenario_parts.h"

void
mob_scenario_script_failed(MobScenario *scenario, guint first, MobScenarioResult *result)
{
    lua_State *lua = scenario->lua;
    GString *text;

    /* A cluster that failed has raised its own message, and knows the kind. */
    for (guint i = first; i < scenario->clusters->len; i++) {
        const MobScene *scene = scenario->clusters->pdata[i];
        if (scene->failure == NULL)
            continue;
        mob_scenario_result_fail(result, scene->outcome, scene->failure_line, scene->failure);
        return;
    }
    text = g_string_new(NULL);
    mob_lua_describe_error(lua, -1, text);
    mob_scenario_result_fail(result, mob_scenario_classify(scenario, lua),
                             mob_message_line(scenario->file, text->str), text->str);
    g_string_free(text, TRUE);
}

static void
no_cluster(const char *path, MobScenarioResult *result)
{
    char *message = g_strdup_printf("%s makes no cluster; a scenario does so first: local c = "
                                    "require(\"mobula.sim\").cluster { nodes = 3 }",
                                    path);
    mob_scenario_result_fail(result, MOB_OUTCOME_BAD_INPUT, 0, message);
    g_free(message);
}

void
mob_scenario_run(const MobScenarioHost *host, const char *path, const char *text,
                 MobScenarioResult *result)
{
    MobScenario *scenario = mob_scenario_new(host, path, text);
    lua_State *lua = scenario->lua;

    if (mob_lua_sandbox_load(lua, path, text, strlen(text)) != LUA_OK)
        mob_scenario_result_fail(result, MOB_OUTCOME_BAD_INPUT,
                                 mob_message_line(path, lua_tostring(lua, -1)),
                                 lua_tostring(lua, -1));
    else if (!mob_scenario_pcall(scenario, lua, 0, 0))
        mob_scenario_script_failed(scenario, 0, result);
    lua_settop(lua, 0);
    mob_scenario_finish(scenario, 0, result);
    if (result->outcome == MOB_OUTCOME_OK && result->clusters->len == 0)
        no_cluster(path, result);
    mob_scenario_free(scenario);
}
