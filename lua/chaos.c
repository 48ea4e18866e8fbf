/* chaos.c: c:chaos{…}: faults drawn from the seed, and c:calm, which ends them.
 *
 * Each run keeps a random half of the classes and draws its own intensities,
 * logarithmically: a range from 1 ms to 1 s is as often below 30 ms as above.
 * In the textbook run (seed 0) every choice is the boring one: no class is on
 * except those that say `always = true`, and those take the least of what
 * their ranges allow.
 */
#include "lua/chaos_parts.h"

static const char *const class_names[] = {"kill", "cut", "slow", "pause", "link", "rpc", "disk"};
static const char *const target_names[] = {"worker", "node", "gcs", "driver", NULL};
static const char *const shape_names[] = {"pair", "one", "halves", "oneway", NULL};
static const char *const trouble_names[] = {"slow", "full", "gone", NULL};
static const char *const lose_names[] = {"request", "reply", "inflight"};

void
mob_chaos_free(MobChaos *chaos)
{
    if (chaos == NULL)
        return;
    g_strfreev(chaos->spared);
    g_string_free(chaos->settings, TRUE);
    g_free(chaos);
}

char *
mob_chaos_settings(const MobChaos *chaos)
{
    return chaos != NULL ? g_strdup(chaos->settings->str) : NULL;
}

/* --- drawing --- */

/* A key is the class and the field, so that another field changes nothing. */
static uint64_t
draw(MobScene *scene, const char *class, const char *field, uint64_t n)
{
    uint64_t key = mob_mix(g_str_hash(class)) ^ g_str_hash(field);

    return mob_pick(scene->control->picks(scene->control), MOB_PICK_SWARM, key, n, 0);
}

/* Between @low and @high: first an octave, then a number in it. The least is boring. */
static uint64_t
draw_between(MobScene *scene, const char *class, const char *field, uint64_t low, uint64_t high)
{
    uint64_t base = MAX(low, high / 4096), octaves = 1, start, end;

    base = MAX(base, 1);
    if (high <= base)
        return low;
    while (octaves < 63 && base << octaves < high)
        octaves++;
    start = base << draw(scene, class, field, octaves);
    end = MIN(start * 2, high + 1);
    start += draw(scene, class, field, MAX(end - MIN(start, end), 1));
    if (scene->seed == 0)
        return low;
    return MIN(start, high);
}

/* Replaces the value on top, if it is sim.among{…}, by one of them. */
static void
draw_among(lua_State *lua, MobScene *scene, const char *class, const char *field)
{
    const MobRange *range = luaL_testudata(lua, -1, MOB_META_RANGE);
    uint64_t i;

    if (range == NULL || range->count == 0)
        return;
    i = draw(scene, class, field, range->count);
    lua_getiuservalue(lua, -1, 1);
    lua_rawgeti(lua, -1, (lua_Integer)i + 1);
    lua_replace(lua, -3);
    lua_pop(lua, 1);
}

/* The table of the class is at @index. */
static MobTime
read_time(lua_State *lua, MobScene *scene, int index, const char *class, const char *field,
          MobTime otherwise)
{
    MobTime time = otherwise;
    const MobRange *range;

    lua_getfield(lua, index, field);
    draw_among(lua, scene, class, field);
    range = luaL_testudata(lua, -1, MOB_META_RANGE);
    if (range != NULL)
        time = draw_between(scene, class, field, range->least, range->most);
    else if (!lua_isnil(lua, -1))
        time = mob_lua_to_time(lua, lua_gettop(lua), field);
    lua_pop(lua, 1);
    return time;
}

static uint32_t
to_ppm(lua_State *lua, const char *field, double share)
{
    if (!(share >= 0 && share <= 1))
        luaL_error(lua, "%s is a number from 0 to 1", field);
    return (uint32_t)(share * 1e6 + 0.5);
}

static uint32_t
read_share(lua_State *lua, MobScene *scene, int index, const char *class, const char *field,
           uint32_t otherwise)
{
    uint32_t share = otherwise;
    const MobRange *range;

    lua_getfield(lua, index, field);
    draw_among(lua, scene, class, field);
    range = luaL_testudata(lua, -1, MOB_META_RANGE);
    if (range != NULL)
        share = (uint32_t)draw_between(scene, class, field, to_ppm(lua, field, range->low),
                                       to_ppm(lua, field, range->high));
    else if (!lua_isnil(lua, -1))
        share = mob_check_share(lua, lua_gettop(lua), field, 1);
    lua_pop(lua, 1);
    return share;
}

/* One of @names; the field may be sim.among{…}. */
static uint32_t
read_name(lua_State *lua, MobScene *scene, int index, const char *class, const char *field,
          const char *const *names, uint32_t otherwise)
{
    uint32_t i = otherwise;

    lua_getfield(lua, index, field);
    draw_among(lua, scene, class, field);
    if (!lua_isnil(lua, -1)) {
        const char *name = luaL_tolstring(lua, -1, NULL);
        for (i = 0; names[i] != NULL && strcmp(names[i], name) != 0; i++)
            ;
        if (names[i] == NULL)
            mob_unknown_word(lua, field, name, names);
        lua_pop(lua, 1);
    }
    lua_pop(lua, 1);
    return i;
}

/* --- reading a class --- */

bool
mob_chaos_is_timed(MobChaosKind kind)
{
    return kind != MOB_CHAOS_LINK && kind != MOB_CHAOS_RPC;
}

static void
read_targets(lua_State *lua, MobScene *scene, int index, MobChaosKind kind, MobChaosClass *class)
{
    lua_Integer count = 1;

    class->of[0] = MOB_TARGET_WORKER;
    class->of_count = 1;
    if (lua_getfield(lua, index, "of") == LUA_TTABLE) {
        count = (lua_Integer)lua_rawlen(lua, -1);
        luaL_argcheck(lua, count >= 1 && count <= MOB_CHAOS_TARGETS_MAX, 2,
                      "of is a list of some of worker, node, gcs and driver");
        for (lua_Integer i = 0; i < count; i++) {
            lua_rawgeti(lua, -1, i + 1);
            const char *name = luaL_tolstring(lua, -1, NULL);
            uint32_t target = 0;
            while (target < MOB_TARGET_COUNT && strcmp(target_names[target], name) != 0)
                target++;
            if (target == MOB_TARGET_COUNT)
                mob_unknown_word(lua, "target of chaos", name, target_names);
            class->of[i] = target;
            lua_pop(lua, 2);
        }
        class->of_count = (uint32_t)count;
    } else if (!lua_isnil(lua, -1)) {
        class->of[0] = read_name(lua, scene, index, class_names[kind], "of", target_names, 0);
    }
    lua_pop(lua, 1);
}

static MobMsgType
read_message(lua_State *lua, MobScene *scene, int index)
{
    const char *words[MOB_MSG_COUNT + 1];

    for (int i = 0; i < MOB_MSG_COUNT; i++)
        words[i] = mob_msg_info((MobMsgType)i)->name;
    words[MOB_MSG_COUNT] = NULL;
    return (MobMsgType)read_name(lua, scene, index, "rpc", "kind", words, MOB_MSG_COUNT);
}

static const char *const *
words_of(MobChaosKind kind)
{
    static const char *const words[][8] = {
        [MOB_CHAOS_KILL] = {"every", "of", "restart", "always", NULL},
        [MOB_CHAOS_CUT] = {"every", "lasts", "shape", "always", NULL},
        [MOB_CHAOS_SLOW] = {"every", "lasts", "speed", "always", NULL},
        [MOB_CHAOS_PAUSE] = {"every", "lasts", "of", "always", NULL},
        [MOB_CHAOS_LINK] = {"latency", "jitter", "bps", "loss", "always", NULL},
        [MOB_CHAOS_RPC] = {"kind", "lose", "chance", "always", NULL},
        [MOB_CHAOS_DISK] = {"every", "lasts", "trouble", "speed", "always", NULL},
    };

    return words[kind];
}

/* Every field is drawn whether the class is on or not, so that turning one off
 * by a decision leaves the others as they were. */
static void
read_class(lua_State *lua, MobScene *scene, MobChaosKind kind, MobChaosClass *class)
{
    const char *name = class_names[kind];
    int index = lua_gettop(lua);
    bool timed = mob_chaos_is_timed(kind);

    luaL_checktype(lua, index, LUA_TTABLE);
    mob_check_words(lua, index, name, words_of(kind));
    class->on = draw(scene, name, "on", 2) == 1;
    lua_getfield(lua, index, "always");
    class->on = class->on || lua_toboolean(lua, -1);
    lua_pop(lua, 1);
    class->line = mob_script_line(lua);
    class->every = read_time(lua, scene, index, name, "every", MOB_SECOND);
    if (timed && class->every == 0)
        luaL_error(lua, "every is above 0");
    class->lasts = read_time(lua, scene, index, name, "lasts",
                             kind == MOB_CHAOS_KILL || !timed ? MOB_TIME_NEVER : 100 * MOB_MS);
    class->restart = read_time(lua, scene, index, name, "restart", MOB_TIME_NEVER);
    class->speed_ppm = read_share(lua, scene, index, name, "speed", 500000);
    read_targets(lua, scene, index, kind, class);
    class->shape = (MobChaosShape)read_name(lua, scene, index, name, "shape", shape_names, 0);
    class->trouble =
        (MobTrouble)read_name(lua, scene, index, name, "trouble", trouble_names, MOB_TROUBLE_FULL);
    class->latency = read_time(lua, scene, index, name, "latency", MOB_TIME_NEVER);
    class->jitter = read_time(lua, scene, index, name, "jitter", MOB_TIME_NEVER);
    class->bps = kind == MOB_CHAOS_LINK ? mob_field_bps(lua, index, "bps") : 0;
    class->loss_ppm = read_share(lua, scene, index, name, "loss", 0);
    class->chance_ppm = read_share(lua, scene, index, name, "chance", 10000);
    class->message = kind == MOB_CHAOS_RPC ? read_message(lua, scene, index) : MOB_MSG_COUNT;
    static const char *const losses[] = {"request", "reply", "inflight", NULL};
    class->lose = (MobLose)read_name(lua, scene, index, name, "lose", losses, 0);
}

/* --- what was drawn, for people --- */

/* To the nanosecond, so that the settings can stand in a scenario and mean the same. */
static void
say_time(GString *into, const char *what, MobTime time)
{
    if (time == MOB_TIME_NEVER)
        return;
    g_string_append_printf(into, " %s = \"%" G_GUINT64_FORMAT, what, time / MOB_MS);
    if (time % MOB_MS != 0) {
        g_string_append_printf(into, ".%06u", (unsigned)(time % MOB_MS));
        while (into->str[into->len - 1] == '0')
            g_string_truncate(into, into->len - 1);
    }
    g_string_append(into, "ms\",");
}

static void
say_share(GString *into, const char *what, uint32_t ppm)
{
    g_string_append_printf(into, " %s = %u.%06u,", what, ppm / 1000000, ppm % 1000000);
}

static void
say_targets(GString *into, const MobChaosClass *class)
{
    g_string_append(into, " of = {");
    for (uint32_t i = 0; i < class->of_count; i++)
        g_string_append_printf(into, "%s\"%s\"", i > 0 ? ", " : " ", target_names[class->of[i]]);
    g_string_append(into, " },");
}

/* As it would stand in the scenario. */
static void
say_class(GString *into, MobChaosKind kind, const MobChaosClass *class)
{
    g_string_append_printf(into, "%s = {", class_names[kind]);
    if (mob_chaos_is_timed(kind))
        say_time(into, "every", class->every);
    if (mob_chaos_is_timed(kind) && kind != MOB_CHAOS_KILL)
        say_time(into, "lasts", class->lasts);
    if (kind == MOB_CHAOS_KILL || kind == MOB_CHAOS_PAUSE)
        say_targets(into, class);
    if (kind == MOB_CHAOS_KILL)
        say_time(into, "restart", class->restart);
    if (kind == MOB_CHAOS_DISK)
        g_string_append_printf(into, " trouble = \"%s\",", trouble_names[class->trouble]);
    if (kind == MOB_CHAOS_SLOW || kind == MOB_CHAOS_DISK)
        say_share(into, "speed", class->speed_ppm);
    if (kind == MOB_CHAOS_CUT)
        g_string_append_printf(into, " shape = \"%s\",", shape_names[class->shape]);
    if (kind == MOB_CHAOS_LINK) {
        say_time(into, "latency", class->latency);
        say_time(into, "jitter", class->jitter);
        if (class->bps > 0)
            g_string_append_printf(into, " bps = %" G_GUINT64_FORMAT ",", class->bps);
        say_share(into, "loss", class->loss_ppm);
    }
    if (kind == MOB_CHAOS_RPC) {
        if (class->message != MOB_MSG_COUNT)
            g_string_append_printf(into, " kind = \"%s\",", mob_msg_info(class->message)->name);
        g_string_append_printf(into, " lose = \"%s\",", lose_names[class->lose]);
        say_share(into, "chance", class->chance_ppm);
    }
    g_string_append(into, " always = true }\n");
}

/* --- time --- */

/* Half to three halves of the drawn period, each time anew. */
static MobTime
next_strike(MobChaos *chaos, MobChaosKind kind)
{
    MobControl *control = chaos->scene->control;
    MobChaosClass *class = &chaos->classes[kind];
    uint64_t key = mob_mix((uint64_t)kind << 32) ^ mob_mix(class->strikes);

    return control->now(control) + class->every - class->every / 2 +
           mob_pick(control->picks(control), MOB_PICK_FAULT, key, class->every + 1,
                    class->every / 2);
}

/* Chaos goes on while a job runs, up to its maximum. */
static void
strike_alarm(MobScene *scene, MobAlarm *alarm)
{
    MobChaosClass *class = alarm->data;
    MobChaos *chaos = scene->chaos;
    MobChaosKind kind = (MobChaosKind)(class - chaos->classes);

    if (chaos->calm || (chaos->max > 0 && chaos->strikes >= chaos->max) ||
        (scene->jobs->len > 0 && mob_scene_jobs_done(scene)))
        return;
    class->strikes++;
    chaos->strikes += mob_chaos_strike(chaos, kind);
    mob_alarm_again(alarm, next_strike(chaos, kind));
}

static void
begin(MobChaos *chaos)
{
    for (int kind = 0; kind < MOB_CHAOS_COUNT; kind++) {
        MobChaosClass *class = &chaos->classes[kind];
        if (!class->on)
            continue;
        say_class(chaos->settings, (MobChaosKind)kind, class);
        if (mob_chaos_is_timed((MobChaosKind)kind))
            mob_alarm_add(chaos->scene, next_strike(chaos, (MobChaosKind)kind), strike_alarm,
                          class);
        else
            mob_chaos_begin(chaos, (MobChaosKind)kind);
    }
}

/* --- c:chaos --- */

static void
read_spare(lua_State *lua, MobChaos *chaos, int index)
{
    static const char *const words[] = {"driver_node", "max_down", "keep_one_copy_of", "nodes",
                                        NULL};

    chaos->spare_driver_node = true;
    chaos->max_down = MAX(chaos->scene->state->nodes->len, 1) - 1;
    if (lua_getfield(lua, index, "spare") == LUA_TNIL) {
        lua_pop(lua, 1);
        return;
    }
    luaL_checktype(lua, -1, LUA_TTABLE);
    mob_check_words(lua, -1, "spare", words);
    if (lua_getfield(lua, -1, "driver_node") != LUA_TNIL)
        chaos->spare_driver_node = lua_toboolean(lua, -1);
    if (lua_getfield(lua, -2, "max_down") != LUA_TNIL) {
        lua_Integer down = luaL_checkinteger(lua, -1);
        luaL_argcheck(lua, down >= 0 && down <= UINT32_MAX, 2, "max_down is a whole number from 0");
        chaos->max_down = (uint32_t)down;
    }
    if (lua_getfield(lua, -3, "keep_one_copy_of") != LUA_TNIL) {
        luaL_argcheck(lua, g_strcmp0(lua_tostring(lua, -1), "puts") == 0, 2,
                      "keep_one_copy_of is \"puts\": other objects can be made again");
        chaos->spare_puts = true;
    }
    if (lua_getfield(lua, -4, "nodes") == LUA_TTABLE) {
        lua_Integer count = (lua_Integer)lua_rawlen(lua, -1);
        chaos->spared = g_new0(char *, (gsize)count + 1);
        for (lua_Integer i = 0; i < count; i++) {
            lua_rawgeti(lua, -1, i + 1);
            chaos->spared[i] = g_strdup(luaL_tolstring(lua, -1, NULL));
            lua_pop(lua, 2);
        }
    }
    lua_settop(lua, index);
}

static int
chaos_begin(lua_State *lua)
{
    static const char *const words[] = {"kill", "cut",  "slow", "pause", "link",
                                        "rpc",  "disk", "max",  "spare", NULL};
    MobScene *scene = mob_scene_check(lua, 1);
    MobChaos *chaos;

    luaL_checktype(lua, 2, LUA_TTABLE);
    lua_settop(lua, 2);
    mob_check_words(lua, 2, "chaos", words);
    if (scene->chaos != NULL)
        luaL_error(lua, "this cluster has its chaos; one c:chaos takes all the classes");
    chaos = scene->chaos = g_new0(MobChaos, 1);
    chaos->scene = scene;
    chaos->settings = g_string_new(NULL);
    if (lua_getfield(lua, 2, "max") != LUA_TNIL) {
        lua_Integer max = luaL_checkinteger(lua, -1);
        luaL_argcheck(lua, max >= 0, 2, "max is how often it strikes: a whole number from 0");
        chaos->max = (uint64_t)max;
        chaos->calm = max == 0;
    }
    read_spare(lua, chaos, 2);
    for (int kind = 0; kind < MOB_CHAOS_COUNT; kind++) {
        lua_settop(lua, 2);
        if (lua_getfield(lua, 2, class_names[kind]) != LUA_TNIL)
            read_class(lua, scene, (MobChaosKind)kind, &chaos->classes[kind]);
    }
    begin(chaos);
    return 0;
}

/* --- c:calm --- */

static void
revive(MobScene *scene, const char *name)
{
    MobOrder order = {.verb = MOB_VERB_RESTART, .target = name, .file = scene->scenario->file};
    GError *error = NULL;

    order.line = scene->call_line;
    mob_fault_give(scene, &order, true, &error);
    g_clear_error(&error);
}

/* Machines that are down come back; what died with them stays lost. */
static void
revive_all(MobScene *scene)
{
    const MobState *state = scene->state;
    guint count = state->nodes->len;

    for (guint i = 0; i < count; i++) {
        const MobStateNode *node = state->nodes->pdata[i];
        if (mob_state_node(state, node->name) == node && (!node->alive || node->declared_dead))
            revive(scene, node->name);
    }
    if (!state->gcs_alive)
        revive(scene, "gcs");
}

/* No alarm of its own: it would keep a cluster awake that has come to rest. */
void
mob_calm_judge(MobScene *scene)
{
    GString *text;

    if (scene->control->now(scene->control) <= scene->calm_until || mob_scene_jobs_done(scene))
        return;
    text = g_string_new(NULL);
    g_string_append_printf(text, "%s:%u: the jobs are not done so long after the faults ended\n",
                           scene->scenario->file, scene->calm_line);
    scene->control->explain(scene->control, text);
    mob_scene_fail(scene, MOB_OUTCOME_HANG, scene->calm_line, g_string_free(text, FALSE));
}

/* c:calm("30s"): no more faults; from here on everything must come to an end in that time. */
static int
chaos_calm(lua_State *lua)
{
    MobScene *scene = mob_scene_check(lua, 1);
    MobTime within = lua_isnoneornil(lua, 2) ? MOB_TIME_NEVER : mob_lua_to_time(lua, 2, "calm");

    if (scene->chaos != NULL)
        scene->chaos->calm = true;
    for (guint i = 0; i < scene->faults->len; i++)
        mob_fault_heal(scene->faults->pdata[i]);
    revive_all(scene);
    mob_claims_calm(scene);
    scene->calm_until =
        within != MOB_TIME_NEVER ? scene->control->now(scene->control) + within : MOB_TIME_NEVER;
    scene->calm_line = scene->call_line != 0 ? scene->call_line : mob_script_line(lua);
    return 0;
}

const luaL_Reg mob_scene_chaos[] = {{"chaos", chaos_begin}, {"calm", chaos_calm}, {NULL, NULL}};
