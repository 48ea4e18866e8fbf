/* hooks.c: what is to happen when: c:on, c:once, c:after, c:at, c:every.
 *
 * Each returns a chain, which takes the verbs of a cluster and keeps them
 * until the moment comes: c:at("5ms"):evict("P1"):from("head"). An argument
 * that is a function is asked then: c:on("task.running", { task = "T2" })
 * :kill(function(e) return e.node end).
 *
 * Hooks fire in the order in which they were made, inside the event.
 */
#include "lua/scenario_parts.h"

/* The uservalue is the list of steps: { verb = "cut", n = 1, {…} }. */
typedef struct {
    MobScene *scene;
    uint32_t line;
} Chain;

/* --- hooks --- */

MobHook *
mob_hook_add(MobScene *scene, MobMatch *match, void (*fire)(MobScene *, MobHook *, const MobFact *),
             void *data)
{
    MobHook *hook = g_new0(MobHook, 1);
    MobNoteKind kind = mob_match_kind(match);

    hook->match = match;
    hook->fire = fire;
    hook->data = data;
    hook->function = hook->chain = LUA_NOREF;
    if (scene->by_kind[kind] == NULL)
        scene->by_kind[kind] = g_ptr_array_new();
    g_ptr_array_add(scene->by_kind[kind], hook);
    g_ptr_array_add(scene->hooks, hook);
    scene->watcher.acts |= UINT64_C(1) << kind;
    mob_scene_want(scene, kind);
    return hook;
}

void
mob_hook_free(MobHook *hook)
{
    mob_match_free(hook->match);
    g_free(hook);
}

/* What is added while the hooks of an event run waits for the next event. */
void
mob_hooks_fire(MobScene *scene, const MobFact *fact)
{
    GPtrArray *bucket = scene->by_kind[fact->note->kind];
    guint count = bucket->len;

    for (guint i = 0; i < count && scene->failure == NULL; i++) {
        MobHook *hook = bucket->pdata[i];
        if (hook->dead || !mob_match_fits(hook->match, fact) ||
            ++hook->seen < mob_match_count(hook->match))
            continue;
        if (!hook->every)
            hook->dead = scene->has_dead_hooks = true;
        hook->fired++;
        hook->fire(scene, hook, fact);
    }
}

/* The dead leave the buckets, between events; the list keeps them for the result. */
void
mob_hooks_sweep(MobScene *scene)
{
    scene->has_dead_hooks = false;
    for (int kind = 0; kind < MOB_NOTE_COUNT; kind++) {
        GPtrArray *bucket = scene->by_kind[kind];
        guint kept = 0;
        if (bucket == NULL)
            continue;
        for (guint i = 0; i < bucket->len; i++) {
            MobHook *hook = bucket->pdata[i];
            if (!hook->dead)
                bucket->pdata[kept++] = hook;
        }
        g_ptr_array_set_size(bucket, (int)kept);
        if (kept == 0)
            scene->watcher.acts &= ~(UINT64_C(1) << kind);
    }
}

/* --- alarms --- */

static void
drop_alarm(MobScene *scene, MobAlarm *alarm)
{
    guint slot = alarm->slot;

    g_ptr_array_remove_index_fast(scene->alarms, slot);
    if (slot < scene->alarms->len)
        ((MobAlarm *)scene->alarms->pdata[slot])->slot = slot;
}

void
mob_alarm_free(MobAlarm *alarm)
{
    if (alarm->owns_data)
        g_free(alarm->data);
    g_free(alarm);
}

static void
alarm_rang(void *data, uint64_t tag)
{
    MobAlarm *alarm = data;
    MobScene *scene = alarm->scene;

    alarm->set = false;
    if (scene->failure == NULL)
        alarm->fire(scene, alarm);
    if (!alarm->set)
        drop_alarm(scene, alarm);
}

void
mob_alarm_again(MobAlarm *alarm, MobTime when)
{
    MobControl *control = alarm->scene->control;

    alarm->set = true;
    control->at(control, when, alarm_rang, alarm, 0);
}

MobAlarm *
mob_alarm_add(MobScene *scene, MobTime when, void (*fire)(MobScene *, MobAlarm *), void *data)
{
    MobAlarm *alarm = g_new0(MobAlarm, 1);

    alarm->scene = scene;
    alarm->fire = fire;
    alarm->data = data;
    alarm->function = alarm->chain = LUA_NOREF;
    alarm->slot = scene->alarms->len;
    g_ptr_array_add(scene->alarms, alarm);
    mob_alarm_again(alarm, when);
    return alarm;
}

/* --- running a chain or a function --- */

static lua_CFunction
find_verb(const char *name)
{
    const luaL_Reg *const tables[] = {mob_scene_verbs, mob_scene_chaos};

    for (size_t t = 0; t < G_N_ELEMENTS(tables); t++)
        for (const luaL_Reg *verb = tables[t]; verb->name != NULL; verb++)
            if (strcmp(verb->name, name) == 0)
                return verb->func;
    return NULL;
}

/* Replaces the function on top of the stack by what it says of the event at @event. */
static void
ask(lua_State *lua, int event)
{
    if (!lua_isfunction(lua, -1))
        return;
    lua_pushvalue(lua, event);
    lua_call(lua, 1, 1);
}

/* Pushes the @i-th argument of the step at @step, with what it says of the event. */
static void
push_argument(lua_State *lua, int step, lua_Integer i, int event)
{
    int keys, copy;

    if (lua_rawgeti(lua, step, i) != LUA_TTABLE) {
        ask(lua, event);
        return;
    }
    lua_newtable(lua);
    copy = lua_gettop(lua);
    mob_lua_push_keys(lua, copy - 1);
    keys = lua_gettop(lua);
    for (lua_Integer k = 1; k <= (lua_Integer)lua_rawlen(lua, keys); k++) {
        lua_rawgeti(lua, keys, k);
        lua_pushvalue(lua, -1);
        lua_gettable(lua, copy - 1);
        ask(lua, event);
        lua_settable(lua, copy);
    }
    lua_settop(lua, copy);
    lua_remove(lua, copy - 1);
}

/* step, event, cluster -> nothing */
static void
run_step(lua_State *lua, int step, int event, int cluster)
{
    lua_Integer count;

    lua_getfield(lua, step, "n");
    count = lua_tointeger(lua, -1);
    lua_getfield(lua, step, "verb");
    if (strcmp(lua_tostring(lua, -1), "evict") == 0 && count < 2)
        luaL_error(lua, "evict does not say from where: :evict(\"P1\"):from(\"head\")");
    lua_pushcfunction(lua, find_verb(lua_tostring(lua, -1)));
    lua_pushvalue(lua, cluster);
    luaL_checkstack(lua, (int)count + 8, NULL);
    for (lua_Integer i = 1; i <= count; i++)
        push_argument(lua, step, i, event);
    lua_call(lua, (int)count + 1, 0);
}

/* (chain or nil, function or nil, event or nil, cluster) */
static int
run_script(lua_State *lua)
{
    if (!lua_isnil(lua, 1)) {
        lua_getiuservalue(lua, 1, 1);
        for (lua_Integer i = 1; lua_rawgeti(lua, 5, i) == LUA_TTABLE; i++) {
            run_step(lua, 6, 3, 4);
            lua_settop(lua, 5);
        }
        lua_settop(lua, 4);
    }
    if (!lua_isnil(lua, 2)) {
        lua_pushvalue(lua, 2);
        lua_pushvalue(lua, 3);
        lua_call(lua, 1, 0);
    }
    return 0;
}

static void
push_ref(lua_State *lua, int ref)
{
    if (ref == LUA_NOREF)
        lua_pushnil(lua);
    else
        lua_rawgeti(lua, LUA_REGISTRYINDEX, ref);
}

/* Both kinds of things that a script left behind: first the chain, which gives
 * its orders under the line it stands on, then the function. */
static void
run_left_behind(MobScene *scene, int chain, int function, uint32_t line, const char *verb,
                const MobFact *fact)
{
    lua_State *lua = scene->scenario->now;
    char *what = g_strdup_printf("%s (line %u)", verb, line);
    int top = lua_gettop(lua);

    lua_checkstack(lua, LUA_MINSTACK);
    lua_pushcfunction(lua, run_script);
    push_ref(lua, chain);
    push_ref(lua, function);
    if (fact != NULL)
        mob_fact_push(lua, fact);
    else
        lua_pushnil(lua);
    mob_scene_push(lua, scene);
    scene->call_line = function == LUA_NOREF ? line : 0;
    mob_scene_call(scene, lua, 4, 0, what);
    scene->call_line = 0;
    lua_settop(lua, top);
    g_free(what);
}

static void
fire_script(MobScene *scene, MobHook *hook, const MobFact *fact)
{
    run_left_behind(scene, hook->chain, hook->function, hook->line, "c:on", fact);
}

static void
fire_at(MobScene *scene, MobAlarm *alarm)
{
    run_left_behind(scene, alarm->chain, alarm->function, alarm->line, "c:at", NULL);
}

/* c:every goes on while a job runs. */
static void
fire_every(MobScene *scene, MobAlarm *alarm)
{
    MobTime jitter = 0;

    if (scene->jobs->len > 0 && mob_scene_jobs_done(scene))
        return;
    alarm->rounds++;
    run_left_behind(scene, alarm->chain, alarm->function, alarm->line, "c:every", NULL);
    if (scene->failure != NULL || (alarm->left > 0 && --alarm->left == 0))
        return;
    if (alarm->jitter > 0)
        jitter = mob_pick(scene->control->picks(scene->control), MOB_PICK_FAULT,
                          mob_mix(alarm->line), alarm->jitter, 0);
    mob_alarm_again(alarm, scene->control->now(scene->control) + alarm->period + jitter);
}

/* --- chains --- */

/* Leaves a new chain on the stack, and a reference to it in the registry. */
static int
new_chain(lua_State *lua, MobScene *scene)
{
    Chain *chain = lua_newuserdatauv(lua, sizeof *chain, 1);

    chain->scene = scene;
    chain->line = mob_script_line(lua);
    lua_newtable(lua);
    lua_setiuservalue(lua, -2, 1);
    luaL_setmetatable(lua, MOB_META_CHAIN);
    lua_pushvalue(lua, -1);
    return luaL_ref(lua, LUA_REGISTRYINDEX);
}

/* chain:VERB(argument...), with VERB as upvalue 1: remembers it. */
static int
chain_step(lua_State *lua)
{
    int count = lua_gettop(lua) - 1;

    luaL_checkudata(lua, 1, MOB_META_CHAIN);
    lua_createtable(lua, count, 2);
    lua_pushvalue(lua, lua_upvalueindex(1));
    lua_setfield(lua, -2, "verb");
    lua_pushinteger(lua, count);
    lua_setfield(lua, -2, "n");
    for (int i = 1; i <= count; i++) {
        lua_pushvalue(lua, i + 1);
        lua_rawseti(lua, -2, i);
    }
    lua_getiuservalue(lua, 1, 1);
    lua_insert(lua, -2);
    lua_rawseti(lua, -2, (lua_Integer)lua_rawlen(lua, -2) + 1);
    lua_settop(lua, 1);
    return 1;
}

/* chain:from(node): the rest of the last step, which is an evict. */
static int
chain_from(lua_State *lua)
{
    const char *verb = NULL;

    luaL_checkudata(lua, 1, MOB_META_CHAIN);
    lua_settop(lua, 2);
    lua_getiuservalue(lua, 1, 1);
    if (lua_rawgeti(lua, 3, (lua_Integer)lua_rawlen(lua, 3)) == LUA_TTABLE) {
        lua_getfield(lua, 4, "verb");
        verb = lua_tostring(lua, -1);
        lua_pop(lua, 1);
    }
    if (g_strcmp0(verb, "evict") != 0)
        luaL_error(lua, "from belongs to evict: :evict(\"P1\"):from(\"head\")");
    lua_pushvalue(lua, 2);
    lua_rawseti(lua, 4, 2);
    lua_pushinteger(lua, 2);
    lua_setfield(lua, 4, "n");
    lua_settop(lua, 1);
    return 1;
}

static int
index_chain(lua_State *lua)
{
    const char *words[48];
    const char *name = luaL_checkstring(lua, 2);
    size_t count = 0;

    if (strcmp(name, "from") == 0) {
        lua_pushcfunction(lua, chain_from);
        return 1;
    }
    if (find_verb(name) == NULL) {
        for (const luaL_Reg *verb = mob_scene_verbs; verb->name != NULL; verb++)
            words[count++] = verb->name;
        words[count] = NULL;
        return mob_unknown_word(lua, "verb", name, words);
    }
    lua_pushvalue(lua, 2);
    lua_pushcclosure(lua, chain_step, 1);
    return 1;
}

static const luaL_Reg chain_metas[] = {{"__index", index_chain}, {NULL, NULL}};

void
mob_hooks_open(lua_State *lua)
{
    mob_class_new(lua, MOB_META_CHAIN, NULL, chain_metas);
}

/* --- the verbs of time --- */

static int
keep_function(lua_State *lua, int index)
{
    if (lua_isnoneornil(lua, index))
        return LUA_NOREF;
    luaL_checktype(lua, index, LUA_TFUNCTION);
    lua_pushvalue(lua, index);
    return luaL_ref(lua, LUA_REGISTRYINDEX);
}

/* (event, match?, function?) from @first on; or one table that begins with the event. */
static MobHook *
add_script_hook(lua_State *lua, MobScene *scene, int first)
{
    const char *name = NULL;
    int match_at = first + 1, function_at = first + 2, function;
    MobMatch *match;
    MobHook *hook;

    if (lua_istable(lua, first)) {
        match_at = first;
        function_at = first + 1;
    } else {
        name = luaL_checkstring(lua, first);
        if (lua_isfunction(lua, match_at)) {
            lua_pushnil(lua);
            lua_insert(lua, match_at);
        }
    }
    lua_settop(lua, function_at);
    function = keep_function(lua, function_at);
    match = mob_match_new(lua, name, match_at);
    hook = mob_hook_add(scene, match, fire_script, NULL);
    hook->function = function;
    hook->line = mob_script_line(lua);
    hook->chain = new_chain(lua, scene);
    return hook;
}

static int
hook_on(lua_State *lua)
{
    MobHook *hook = add_script_hook(lua, mob_scene_check(lua, 1), 2);

    hook->every = mob_match_count(hook->match) == 1;
    return 1;
}

static int
hook_once(lua_State *lua)
{
    add_script_hook(lua, mob_scene_check(lua, 1), 2);
    return 1;
}

/* c:after(n, event, match?, function?) */
static int
hook_after(lua_State *lua)
{
    MobScene *scene = mob_scene_check(lua, 1);
    lua_Integer count = luaL_checkinteger(lua, 2);

    luaL_argcheck(lua, count >= 1 && count <= UINT32_MAX, 2,
                  "after how many: a whole number from 1");
    mob_match_set_count(add_script_hook(lua, scene, 3)->match, (uint32_t)count);
    return 1;
}

static int
hook_at(lua_State *lua)
{
    MobScene *scene = mob_scene_check(lua, 1);
    MobTime when = mob_lua_to_time(lua, 2, "the time of c:at"),
            now = scene->control->now(scene->control);
    MobAlarm *alarm;
    int function;

    if (when < now)
        luaL_error(lua, "c:at names a moment that has passed; it is %f s now", (double)now / 1e9);
    lua_settop(lua, 3);
    function = keep_function(lua, 3);
    alarm = mob_alarm_add(scene, when, fire_at, NULL);
    alarm->function = function;
    alarm->line = mob_script_line(lua);
    alarm->chain = new_chain(lua, scene);
    return 1;
}

/* c:every(period, { times, jitter }?, function?) */
static int
hook_every(lua_State *lua)
{
    static const char *const words[] = {"times", "jitter", NULL};
    MobScene *scene = mob_scene_check(lua, 1);
    MobTime period = mob_lua_to_time(lua, 2, "the period of c:every"), jitter = 0;
    lua_Integer times = 0;
    MobAlarm *alarm;
    int function;

    luaL_argcheck(lua, period > 0, 2, "the period is above 0");
    if (lua_isfunction(lua, 3)) {
        lua_pushnil(lua);
        lua_insert(lua, 3);
    }
    lua_settop(lua, 4);
    if (lua_istable(lua, 3)) {
        mob_check_words(lua, 3, "every", words);
        jitter = mob_field_time(lua, 3, "jitter", 0);
        lua_getfield(lua, 3, "times");
        times = luaL_optinteger(lua, -1, 0);
        luaL_argcheck(lua, times >= 0, 3, "times is a whole number from 1");
        lua_settop(lua, 4);
    }
    function = keep_function(lua, 4);
    alarm = mob_alarm_add(scene, scene->control->now(scene->control) + period, fire_every, NULL);
    alarm->function = function;
    alarm->period = period;
    alarm->jitter = jitter;
    alarm->left = (uint64_t)times;
    alarm->line = mob_script_line(lua);
    alarm->chain = new_chain(lua, scene);
    return 1;
}

const luaL_Reg mob_scene_hooks[] = {
    {"on", hook_on}, {"once", hook_once},   {"after", hook_after},
    {"at", hook_at}, {"every", hook_every}, {NULL, NULL},
};

/* --- what never came --- */

void
mob_unfired_add(GPtrArray *into, uint32_t line, char *text)
{
    MobFaultResult *row = g_new0(MobFaultResult, 1);

    row->text = text;
    row->line = line;
    g_ptr_array_add(into, row);
}

void
mob_hooks_unfired(MobScene *scene, GPtrArray *into)
{
    for (guint i = 0; i < scene->hooks->len; i++) {
        const MobHook *hook = scene->hooks->pdata[i];
        if (hook->chain != LUA_NOREF && hook->fired == 0)
            mob_unfired_add(into, hook->line,
                            g_strdup_printf("c:on(%s) never fired", mob_match_text(hook->match)));
    }
    for (guint i = 0; i < scene->alarms->len; i++) {
        const MobAlarm *alarm = scene->alarms->pdata[i];
        if (alarm->chain != LUA_NOREF && alarm->rounds == 0)
            mob_unfired_add(into, alarm->line,
                            g_strdup_printf("the time of %s never came: the run was over before",
                                            alarm->period > 0 ? "c:every" : "c:at"));
    }
}
