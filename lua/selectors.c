/* selectors.c: who and where, as names that verbs take: c:owner(x),
 * c:runner(t), c:copies(x), c:sole_holder(x), c:attempts(t), c:pick(list).
 */
#include "lua/scenario_parts.h"

static const MobStateObject *
check_object(lua_State *lua, MobScene *scene, int index)
{
    const char *name = mob_check_target(lua, index, "the object");
    const MobStateObject *object = mob_state_object(scene->state, name);

    scene->views_read |= MOB_VIEW_ALL;
    if (object == NULL)
        luaL_error(lua, "there is no object '%s' yet", name);
    return object;
}

static const MobStateTask *
check_task(lua_State *lua, MobScene *scene, int index)
{
    const char *name = mob_check_target(lua, index, "the task");
    const MobStateTask *task = mob_state_task(scene->state, name);

    scene->views_read |= MOB_VIEW_ALL;
    if (task == NULL)
        luaL_error(lua, "there is no task '%s' yet", name);
    return task;
}

/* Of an object or a task. */
static int
select_owner(lua_State *lua)
{
    MobScene *scene = mob_scene_check(lua, 1);
    const char *name = mob_check_target(lua, 2, "the object or task");
    const MobStateTask *task = mob_state_task(scene->state, name);
    MobAddress owner = task != NULL ? task->owner : check_object(lua, scene, 2)->owner;

    scene->views_read |= MOB_VIEW_ALL;
    lua_pushstring(lua, mob_state_proc_name(scene->state, owner));
    return 1;
}

/* The worker that runs the task just now; nil if none does. */
static int
select_runner(lua_State *lua)
{
    MobScene *scene = mob_scene_check(lua, 1);
    const MobStateTask *task = check_task(lua, scene, 2);

    for (guint i = task->attempts->len; i-- > 0;) {
        const MobStateAttempt *attempt = task->attempts->pdata[i];
        if (attempt->started != 0 && attempt->ended == 0) {
            lua_pushstring(lua, mob_state_proc_name(scene->state, attempt->worker));
            return 1;
        }
    }
    return 0;
}

/* The names of the nodes that hold a copy now. */
static int
select_copies(lua_State *lua)
{
    MobScene *scene = mob_scene_check(lua, 1);
    const MobStateObject *object = check_object(lua, scene, 2);
    lua_Integer count = 0;

    lua_newtable(lua);
    for (guint i = 0; i < object->copies->len; i++) {
        const MobStateCopy *copy = object->copies->pdata[i];
        if (copy->to != 0)
            continue;
        lua_pushstring(lua, mob_state_node_name(scene->state, copy->node));
        lua_rawseti(lua, -2, ++count);
    }
    return 1;
}

/* The node with the only copy; nil if there are none or several. */
static int
select_sole_holder(lua_State *lua)
{
    MobScene *scene = mob_scene_check(lua, 1);
    MobNodeId node = mob_state_sole_holder(check_object(lua, scene, 2));

    if (node.v == 0)
        return 0;
    lua_pushstring(lua, mob_state_node_name(scene->state, node));
    return 1;
}

/* How often the task has run. */
static int
select_attempts(lua_State *lua)
{
    MobScene *scene = mob_scene_check(lua, 1);

    lua_pushinteger(lua, check_task(lua, scene, 2)->executions);
    return 1;
}

/* One of a list, by the seed; the first in the textbook run. */
static int
select_pick(lua_State *lua)
{
    MobScene *scene = mob_scene_check(lua, 1);
    lua_Integer count = luaL_len(lua, 2);
    uint64_t key = mob_mix(mob_script_line(lua)), picked;

    if (count < 1)
        luaL_error(lua, "there is nothing to pick from: the list is empty");
    picked =
        mob_pick(scene->control->picks(scene->control), MOB_PICK_FAULT, key, (uint64_t)count, 0);
    lua_geti(lua, 2, (lua_Integer)picked + 1);
    return 1;
}

const luaL_Reg mob_scene_selectors[] = {
    {"owner", select_owner},
    {"runner", select_runner},
    {"copies", select_copies},
    {"sole_holder", select_sole_holder},
    {"attempts", select_attempts},
    {"pick", select_pick},
    {NULL, NULL},
};
