/* verbs.c: breaking and mending a cluster: what scripts may order.
 *
 * A fault lasts until it is healed, by its handle, by c:calm or after `lasts`.
 * Every verb returns a handle with :heal() and .bites.
 */
#include "lua/scenario_parts.h"

/* --- targets --- */

const char *
mob_check_target(lua_State *lua, int index, const char *what)
{
    const char *name;

    if (lua_type(lua, index) == LUA_TUSERDATA) { /* an entry of c.state stands for its name */
        luaL_tolstring(lua, index, NULL);
        lua_replace(lua, index);
    }
    name = lua_type(lua, index) == LUA_TSTRING ? lua_tostring(lua, index) : NULL;
    if (name == NULL && lua_istable(lua, index))
        luaL_error(lua, "%s is a name; of an event take a field: e.worker, e.node", what);
    if (name == NULL)
        luaL_error(lua, "%s is a name such as \"n1\", \"n1/w0\" or \"gcs\", not %s", what,
                   luaL_typename(lua, index));
    return name;
}

/* The text stays valid as long as the table does. */
static const char *
field_target(lua_State *lua, int index, const char *name)
{
    const char *target = NULL;

    if (lua_getfield(lua, index, name) != LUA_TNIL) {
        target = mob_check_target(lua, lua_gettop(lua), name);
        lua_pushvalue(lua, -1);
        lua_setfield(lua, index, name); /* an entry became a text: the table keeps it */
    }
    lua_pop(lua, 1);
    return target;
}

/* Gives the order that a script stands behind and pushes its handle. */
static MobFaultRecord *
give(lua_State *lua, MobScene *scene, MobOrder *order)
{
    GError *error = NULL;
    MobFaultRecord *fault, **box;

    order->file = scene->scenario->file;
    order->line = scene->call_line != 0 ? scene->call_line : mob_script_line(lua);
    fault = mob_fault_give(scene, order, false, &error);
    if (fault == NULL) {
        luaL_where(lua, 1);
        lua_pushfstring(lua, "%s: %s", mob_verb_name(order->verb), error->message);
        g_error_free(error);
        lua_concat(lua, 2);
        lua_error(lua);
    }
    box = lua_newuserdatauv(lua, sizeof(MobFaultRecord *), 0);
    *box = fault;
    luaL_setmetatable(lua, MOB_META_FAULT);
    return fault;
}

static void
read_lasts(lua_State *lua, int index, MobFaultRecord *fault)
{
    MobTime lasts = mob_field_time(lua, index, "lasts", MOB_TIME_NEVER);

    if (lasts != MOB_TIME_NEVER)
        mob_fault_heal_after(fault, lasts);
}

/* Options in a table at @index, which may be missing; false if it is. */
static bool
has_options(lua_State *lua, int index, const char *what, const char *const *words)
{
    if (lua_isnoneornil(lua, index))
        return false;
    luaL_checktype(lua, index, LUA_TTABLE);
    mob_check_words(lua, index, what, words);
    return true;
}

/* --- processes and machines --- */

static bool
read_disk(lua_State *lua, int index)
{
    static const char *const words[] = {"keep", "wipe", NULL};
    bool wipe = false;

    if (lua_getfield(lua, index, "disk") != LUA_TNIL) {
        const char *disk = lua_tostring(lua, -1);
        if (disk == NULL || (strcmp(disk, "keep") != 0 && strcmp(disk, "wipe") != 0))
            mob_unknown_word(lua, "disk", luaL_tolstring(lua, -1, NULL), words);
        wipe = strcmp(disk, "wipe") == 0;
    }
    lua_pop(lua, 1);
    return wipe;
}

typedef struct {
    bool wipe;
    bool chaos;
    uint32_t line;
    char target[];
} Revival;

static void
restart_alarm(MobScene *scene, MobAlarm *alarm)
{
    Revival *revival = alarm->data;
    MobOrder order = {.verb = MOB_VERB_RESTART,
                      .target = revival->target,
                      .wipe = revival->wipe,
                      .file = scene->scenario->file,
                      .line = revival->line};
    GError *error = NULL;

    if (mob_fault_give(scene, &order, revival->chaos, &error) == NULL && !revival->chaos)
        mob_scene_fail(scene, MOB_OUTCOME_BAD_INPUT, revival->line,
                       g_strdup_printf("%s:%u: restart: %s", scene->scenario->file, revival->line,
                                       error->message));
    g_clear_error(&error);
}

void
mob_restart_after(MobScene *scene, const char *target, bool wipe, MobTime after, uint32_t line,
                  bool chaos)
{
    size_t length = strlen(target) + 1;
    Revival *revival = g_malloc0(sizeof *revival + length);

    revival->wipe = wipe;
    revival->chaos = chaos;
    revival->line = line;
    memcpy(revival->target, target, length);
    mob_alarm_add(scene, scene->control->now(scene->control) + after, restart_alarm, revival)
        ->owns_data = true;
}

/* c:kill(target, { restart = "300ms", disk = "wipe" }) */
static int
verb_kill(lua_State *lua)
{
    static const char *const words[] = {"restart", "disk", NULL};
    MobScene *scene = mob_scene_check(lua, 1);
    MobOrder order = {.verb = MOB_VERB_KILL};
    bool options = has_options(lua, 3, "kill", words), wipe = false;
    MobTime restart = MOB_TIME_NEVER;

    lua_settop(lua, 3);
    order.target = mob_check_target(lua, 2, "the target of kill");
    if (options) {
        restart = mob_field_time(lua, 3, "restart", MOB_TIME_NEVER);
        wipe = read_disk(lua, 3);
    }
    give(lua, scene, &order);
    if (restart != MOB_TIME_NEVER)
        mob_restart_after(scene, order.target, wipe, restart, order.line, false);
    return 1;
}

static int
verb_restart(lua_State *lua)
{
    static const char *const words[] = {"disk", NULL};
    MobScene *scene = mob_scene_check(lua, 1);
    MobOrder order = {.verb = MOB_VERB_RESTART};

    order.target = mob_check_target(lua, 2, "the target of restart");
    order.wipe = has_options(lua, 3, "restart", words) && read_disk(lua, 3);
    give(lua, scene, &order);
    return 1;
}

static int
verb_pause(lua_State *lua)
{
    static const char *const words[] = {"lasts", NULL};
    MobScene *scene = mob_scene_check(lua, 1);
    MobOrder order = {.verb = MOB_VERB_PAUSE};
    bool options = has_options(lua, 3, "pause", words);

    order.target = mob_check_target(lua, 2, "the target of pause");
    MobFaultRecord *fault = give(lua, scene, &order);
    if (options)
        read_lasts(lua, 3, fault);
    return 1;
}

/* c:slow(target, speed, { lasts }) */
static int
verb_slow(lua_State *lua)
{
    static const char *const words[] = {"lasts", NULL};
    MobScene *scene = mob_scene_check(lua, 1);
    MobOrder order = {.verb = MOB_VERB_SLOW};
    bool options = has_options(lua, 4, "slow", words);

    order.target = mob_check_target(lua, 2, "the target of slow");
    order.speed_ppm = mob_check_share(lua, 3, "speed", 1);
    MobFaultRecord *fault = give(lua, scene, &order);
    if (options)
        read_lasts(lua, 4, fault);
    return 1;
}

static bool
field_is_set(lua_State *lua, int index, const char *name)
{
    bool set = lua_getfield(lua, index, name) != LUA_TNIL && lua_toboolean(lua, -1);

    lua_pop(lua, 1);
    return set;
}

/* c:disk(target, { full = true }), { gone = true } or { speed = 0.1 } */
static int
verb_disk(lua_State *lua)
{
    static const char *const words[] = {"full", "gone", "speed", "lasts", NULL};
    MobScene *scene = mob_scene_check(lua, 1);
    MobOrder order = {.verb = MOB_VERB_DISK};
    bool options = has_options(lua, 3, "disk", words);
    bool full = options && field_is_set(lua, 3, "full");
    bool gone = options && field_is_set(lua, 3, "gone");
    bool slow = options && field_is_set(lua, 3, "speed");

    order.target = mob_check_target(lua, 2, "the target of disk");
    if (full + gone + slow != 1)
        luaL_error(lua, "disk says what is wrong with it, one thing at a time: { full = true }, "
                        "{ gone = true } or { speed = 0.1 }");
    order.trouble = full ? MOB_TROUBLE_FULL : gone ? MOB_TROUBLE_GONE : MOB_TROUBLE_SLOW;
    order.speed_ppm = mob_field_share(lua, 3, "speed", 1000000);
    read_lasts(lua, 3, give(lua, scene, &order));
    return 1;
}

static int
verb_leave(lua_State *lua)
{
    MobScene *scene = mob_scene_check(lua, 1);
    MobOrder order = {.verb = MOB_VERB_LEAVE};

    order.target = mob_check_target(lua, 2, "the target of leave");
    give(lua, scene, &order);
    return 1;
}

static int
free_machine(lua_State *lua)
{
    mob_machine_clear(lua_touserdata(lua, 1));
    return 0;
}

static const luaL_Reg machine_metas[] = {{"__gc", free_machine}, {NULL, NULL}};

/* c:join(name, { cpus = 2 }) */
static int
verb_join(lua_State *lua)
{
    MobScene *scene = mob_scene_check(lua, 1);
    const char *name = luaL_checkstring(lua, 2);
    MobMachine *machine;
    MobOrder order = {.verb = MOB_VERB_JOIN};

    lua_settop(lua, 3);
    machine = lua_newuserdatauv(lua, sizeof *machine, 0);
    mob_machine_init(machine);
    if (luaL_newmetatable(lua, "mobula.machine"))
        luaL_setfuncs(lua, machine_metas, 0);
    lua_setmetatable(lua, -2);
    mob_machine_read(lua, 3, name, machine);
    order.machine = machine;
    give(lua, scene, &order);
    return 1;
}

/* --- network --- */

static int
verb_cut(lua_State *lua)
{
    static const char *const words[] = {"from", "to", "oneway", "lasts", NULL};
    MobScene *scene = mob_scene_check(lua, 1);
    MobOrder order = {.verb = MOB_VERB_CUT};

    luaL_checktype(lua, 2, LUA_TTABLE);
    mob_check_words(lua, 2, "cut", words);
    order.from = field_target(lua, 2, "from");
    order.to = field_target(lua, 2, "to");
    if (order.from == NULL && order.to == NULL)
        luaL_error(lua, "cut names at least one end: c:cut { from = \"n1\", to = \"n2\" }");
    lua_getfield(lua, 2, "oneway");
    order.oneway = lua_toboolean(lua, -1);
    read_lasts(lua, 2, give(lua, scene, &order));
    return 1;
}

static int
verb_hold(lua_State *lua)
{
    MobScene *scene = mob_scene_check(lua, 1);
    MobOrder order = {.verb = MOB_VERB_HOLD};

    order.from = mob_check_target(lua, 2, "one end of hold");
    order.to = mob_check_target(lua, 3, "the other end of hold");
    give(lua, scene, &order);
    return 1;
}

static int
verb_link(lua_State *lua)
{
    static const char *const words[] = {"from", "to",   "latency", "jitter",
                                        "bps",  "loss", "lasts",   NULL};
    MobScene *scene = mob_scene_check(lua, 1);
    MobOrder order = {.verb = MOB_VERB_LINK};

    luaL_checktype(lua, 2, LUA_TTABLE);
    mob_check_words(lua, 2, "link", words);
    order.from = field_target(lua, 2, "from");
    order.to = field_target(lua, 2, "to");
    order.latency = mob_field_time(lua, 2, "latency", MOB_TIME_NEVER);
    order.jitter = mob_field_time(lua, 2, "jitter", MOB_TIME_NEVER);
    order.bps = mob_field_bps(lua, 2, "bps");
    order.loss_ppm = mob_field_share(lua, 2, "loss", 0);
    read_lasts(lua, 2, give(lua, scene, &order));
    return 1;
}

static void
check_message(lua_State *lua, const char *name)
{
    const char *words[MOB_MSG_COUNT + 1];

    if (mob_msg_by_name(name) != MOB_MSG_COUNT)
        return;
    for (int i = 0; i < MOB_MSG_COUNT; i++)
        words[i] = mob_msg_info((MobMsgType)i)->name;
    words[MOB_MSG_COUNT] = NULL;
    mob_unknown_word(lua, "message", name, words);
}

static MobLose
check_lose(lua_State *lua, const char *lose)
{
    static const char *const words[] = {"request", "reply", "inflight", NULL};

    for (int i = 0; words[i] != NULL; i++)
        if (lose != NULL && strcmp(lose, words[i]) == 0)
            return (MobLose)i;
    mob_unknown_word(lua, "way to lose a message", lose != NULL ? lose : "nil", words);
    return MOB_LOSE_REQUEST;
}

/* c:rpc { "PushTask", from, to, lose = "reply", times = 1, chance = 0.1 } */
static int
verb_rpc(lua_State *lua)
{
    static const char *const words[] = {"kind",  "from",   "to",    "lose",
                                        "times", "chance", "lasts", NULL};
    MobScene *scene = mob_scene_check(lua, 1);
    MobOrder order = {.verb = MOB_VERB_RPC};

    luaL_checktype(lua, 2, LUA_TTABLE);
    mob_check_words(lua, 2, "rpc", words);
    if (lua_getfield(lua, 2, "kind") == LUA_TNIL)
        lua_rawgeti(lua, 2, 1);
    order.message = lua_tostring(lua, -1);
    if (order.message == NULL)
        luaL_error(lua, "rpc names a request: c:rpc { kind = \"PushTask\", lose = \"reply\" }");
    check_message(lua, order.message);
    order.from = field_target(lua, 2, "from");
    order.to = field_target(lua, 2, "to");
    lua_getfield(lua, 2, "lose");
    order.lose = check_lose(lua, lua_tostring(lua, -1));
    lua_getfield(lua, 2, "times");
    lua_Integer times = luaL_optinteger(lua, -1, 0);
    if (times < 0 || times > UINT32_MAX)
        luaL_error(lua, "times is how often at most: a whole number from 0");
    order.times = (uint32_t)times;
    order.chance_ppm = mob_field_share(lua, 2, "chance", 1000000);
    read_lasts(lua, 2, give(lua, scene, &order));
    return 1;
}

/* --- objects --- */

/* The second half of c:evict(object):from(node): cluster, object and what
 * stands for the first half are upvalues. */
static int
evict_from(lua_State *lua)
{
    MobScene *scene = mob_scene_check(lua, lua_upvalueindex(1));
    MobOrder order = {.verb = MOB_VERB_EVICT};
    const MobStateObject *object;

    order.object_name = lua_tostring(lua, lua_upvalueindex(2));
    order.target = mob_check_target(lua, 2, "the node to evict from");
    object = mob_state_object(scene->state, order.object_name);
    if (object == NULL)
        return luaL_error(lua, "there is no object '%s' yet", order.object_name);
    order.object = object->id;
    g_ptr_array_remove(scene->faults, lua_touserdata(lua, lua_upvalueindex(3)));
    give(lua, scene, &order);
    return 1;
}

/* c:evict(object):from(node), or c:evict(object, node). Until it is said from
 * where, a fault that touches nothing stands for it. */
static int
verb_evict(lua_State *lua)
{
    MobScene *scene = mob_scene_check(lua, 1);
    const char *object = mob_check_target(lua, 2, "the object to evict");
    MobFaultRecord *half = g_new0(MobFaultRecord, 1);

    half->scene = scene;
    half->verb = MOB_VERB_EVICT;
    half->line = mob_script_line(lua);
    half->text = g_strdup_printf("evict %s without :from(node)", object);
    g_ptr_array_add(scene->faults, half);
    lua_settop(lua, 3);
    lua_newtable(lua);
    lua_pushvalue(lua, 1);
    lua_pushvalue(lua, 2);
    lua_pushlightuserdata(lua, half);
    lua_pushcclosure(lua, evict_from, 3);
    if (!lua_isnil(lua, 3)) {
        lua_pushvalue(lua, 4);
        lua_pushvalue(lua, 3);
        lua_call(lua, 2, 1);
        return 1;
    }
    lua_setfield(lua, 4, "from");
    return 1;
}

/* --- mending --- */

/* Heals what @verb did to @a (and @b, in either order); returns how many faults that were. */
static lua_Integer
heal_matching(MobScene *scene, MobVerb verb, const char *a, const char *b)
{
    lua_Integer healed = 0;

    for (guint i = 0; i < scene->faults->len; i++) {
        MobFaultRecord *fault = scene->faults->pdata[i];
        bool straight = g_strcmp0(fault->a, a) == 0 && g_strcmp0(fault->b, b) == 0;
        bool crossed = b != NULL && g_strcmp0(fault->a, b) == 0 && g_strcmp0(fault->b, a) == 0;
        if (fault->verb != verb || fault->healed || !(straight || crossed))
            continue;
        mob_fault_heal(fault);
        healed++;
    }
    return healed;
}

static int
verb_release(lua_State *lua)
{
    MobScene *scene = mob_scene_check(lua, 1);
    const char *a = mob_check_target(lua, 2, "one end"),
               *b = mob_check_target(lua, 3, "the other end");

    if (heal_matching(scene, MOB_VERB_HOLD, a, b) == 0)
        return luaL_error(lua, "nothing is held between %s and %s", a, b);
    return 0;
}

static int
verb_resume(lua_State *lua)
{
    MobScene *scene = mob_scene_check(lua, 1);
    const char *target = mob_check_target(lua, 2, "the target of resume");

    if (heal_matching(scene, MOB_VERB_PAUSE, target, NULL) == 0)
        return luaL_error(lua, "%s is not paused", target);
    return 0;
}

/* c:heal(fault), or c:heal() for all of them */
static int
verb_heal(lua_State *lua)
{
    MobScene *scene = mob_scene_check(lua, 1);

    if (lua_isnoneornil(lua, 2)) {
        for (guint i = 0; i < scene->faults->len; i++)
            mob_fault_heal(scene->faults->pdata[i]);
        return 0;
    }
    mob_fault_heal(*(MobFaultRecord **)luaL_checkudata(lua, 2, MOB_META_FAULT));
    return 0;
}

const luaL_Reg mob_scene_verbs[] = {
    {"kill", verb_kill}, {"restart", verb_restart}, {"pause", verb_pause},
    {"slow", verb_slow}, {"leave", verb_leave},     {"join", verb_join},
    {"cut", verb_cut},   {"hold", verb_hold},       {"link", verb_link},
    {"rpc", verb_rpc},   {"evict", verb_evict},     {"release", verb_release},
    {"heal", verb_heal}, {"resume", verb_resume},   {"disk", verb_disk},
    {NULL, NULL},
};
