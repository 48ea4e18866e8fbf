/* machines.c: the table that sim.cluster{…} takes.
 *
 * Machines are sorted with the head first and then by name, numbers in names
 * by their value, so that n2 comes before n10; a list keeps its own order.
 * A machine that is not described further has 4 CPUs, 8 GiB of memory and an
 * object store of 2 GiB; its disk has room for whatever is spilled to it.
 */
#include "lua/scenario_parts.h"

#include "runtime/config.h"

enum {
    MACHINES_MAX = 100000,
    CPUS_DEFAULT = 4,
};

#define GIB (UINT64_C(1) << 30)

static const char *const cluster_words[] = {"seed",   "nodes", "network",  "config", "profile",
                                            "oracle", "check", "messages", "cpus",   "cores",
                                            "memory", "store", "disk",     "speed",  NULL};
static const char *const machine_words[] = {"cpus", "cores", "memory",    "store",
                                            "disk", "speed", "resources", NULL};
static const char *const network_words[] = {"latency", "jitter", "bps", NULL};

/* --- single fields --- */

MobTime
mob_field_time(lua_State *lua, int index, const char *name, MobTime otherwise)
{
    MobTime time = otherwise;

    if (lua_getfield(lua, index, name) != LUA_TNIL)
        time = mob_lua_to_time(lua, -1, name);
    lua_pop(lua, 1);
    return time;
}

uint64_t
mob_field_size(lua_State *lua, int index, const char *name, uint64_t otherwise)
{
    uint64_t size = otherwise;

    if (lua_getfield(lua, index, name) != LUA_TNIL)
        size = mob_lua_to_size(lua, -1, name);
    lua_pop(lua, 1);
    return size;
}

uint32_t
mob_check_share(lua_State *lua, int index, const char *what, double most)
{
    double share = lua_isnumber(lua, index) ? lua_tonumber(lua, index) : -1;

    if (!(share >= 0 && share <= most))
        luaL_error(lua, "%s is a number from 0 to %f, not %s", what, most,
                   luaL_tolstring(lua, index, NULL));
    return (uint32_t)(share * 1e6 + 0.5);
}

uint32_t
mob_field_share(lua_State *lua, int index, const char *name, uint32_t otherwise)
{
    uint32_t share = otherwise;

    if (lua_getfield(lua, index, name) != LUA_TNIL)
        share = mob_check_share(lua, lua_gettop(lua), name, 1);
    lua_pop(lua, 1);
    return share;
}

/* Bits per second: a number, "100Mbps" or "10Gbps". */
uint64_t
mob_field_bps(lua_State *lua, int index, const char *name)
{
    static const struct {
        const char *unit;
        double factor;
    } units[] = {{"bps", 1}, {"kbps", 1e3}, {"Mbps", 1e6}, {"Gbps", 1e9}};
    double bps = 0;
    bool good = true;

    if (lua_getfield(lua, index, name) == LUA_TSTRING) {
        char *end;
        good = false;
        bps = g_ascii_strtod(lua_tostring(lua, -1), &end);
        for (size_t i = 0; i < G_N_ELEMENTS(units); i++)
            if (strcmp(g_strchug(end), units[i].unit) == 0) {
                bps *= units[i].factor;
                good = true;
            }
    } else if (lua_isnumber(lua, -1)) {
        bps = lua_tonumber(lua, -1);
    } else {
        good = lua_isnil(lua, -1);
    }
    if (!good || bps < 0 || bps > 1e15)
        luaL_error(lua, "%s is a number of bits per second or a text such as \"10Gbps\", not %s",
                   name, luaL_tolstring(lua, -1, NULL));
    lua_pop(lua, 1);
    return (uint64_t)bps;
}

/* --- one machine --- */

void
mob_machine_clear(MobMachine *machine)
{
    g_free((char *)machine->name);
    if (machine->customs != NULL)
        mob_customs_unref(machine->customs);
    *machine = (MobMachine){0};
}

static void
read_cpus(lua_State *lua, int index, MobMachine *machine)
{
    if (lua_getfield(lua, index, "cpus") != LUA_TNIL) {
        double cpus = lua_isnumber(lua, -1) ? lua_tonumber(lua, -1) : -1;
        if (!(cpus >= 0 && cpus <= 1e6))
            luaL_error(lua, "cpus is a number from 0 to 1000000, not %s",
                       luaL_tolstring(lua, -1, NULL));
        machine->cpus = (int64_t)(cpus * (double)MOB_UNIT + 0.5);
    }
    lua_pop(lua, 1);
    if (lua_getfield(lua, index, "cores") != LUA_TNIL) {
        lua_Integer cores = lua_isinteger(lua, -1) ? lua_tointeger(lua, -1) : 0;
        if (cores < 1 || cores > 1000000)
            luaL_error(lua, "cores is a whole number from 1 to 1000000, not %s",
                       luaL_tolstring(lua, -1, NULL));
        machine->cores = (uint32_t)cores;
    }
    lua_pop(lua, 1);
}

static double
check_amount(lua_State *lua, const char *name)
{
    double amount = lua_isnumber(lua, -1) ? lua_tonumber(lua, -1) : 0;

    if (!(amount > 0 && amount <= 1e9))
        luaL_error(lua, "resource %s is a number above 0, not %s", name,
                   luaL_tolstring(lua, -1, NULL));
    return amount;
}

static void
read_resources(lua_State *lua, int index, MobMachine *machine)
{
    uint32_t count = 0;
    int keys;

    if (lua_getfield(lua, index, "resources") == LUA_TNIL) {
        lua_pop(lua, 1);
        return;
    }
    luaL_argcheck(lua, lua_istable(lua, -1), 1, "resources is a table: { gpu = 2 }");
    mob_lua_push_keys(lua, -1);
    keys = lua_gettop(lua);
    count = (uint32_t)lua_rawlen(lua, keys);
    for (uint32_t i = 1; i <= count; i++) {
        if (lua_rawgeti(lua, keys, i) != LUA_TSTRING)
            luaL_error(lua, "resources is a table of names: { gpu = 2 }");
        lua_getfield(lua, keys - 1, lua_tostring(lua, -1));
        check_amount(lua, lua_tostring(lua, -2));
        lua_pop(lua, 2);
    }
    if (machine->customs != NULL)
        mob_customs_unref(machine->customs);
    machine->customs = count > 0 ? mob_customs_new(count) : NULL;
    for (uint32_t i = 0; i < count; i++) {
        lua_rawgeti(lua, keys, i + 1);
        lua_getfield(lua, keys - 1, lua_tostring(lua, -1));
        machine->customs->items[i].name = mob_str_new(lua_tostring(lua, -2));
        machine->customs->items[i].amount =
            (int64_t)(lua_tonumber(lua, -1) * (double)MOB_UNIT + 0.5);
        lua_pop(lua, 2);
    }
    if (count > 0)
        mob_customs_sort(machine->customs);
    lua_pop(lua, 2);
}

static void
read_sizes(lua_State *lua, int index, MobMachine *machine)
{
    machine->memory = (int64_t)mob_field_size(lua, index, "memory", (uint64_t)machine->memory);
    machine->store_bytes = mob_field_size(lua, index, "store", machine->store_bytes);
    machine->disk_bytes = mob_field_size(lua, index, "disk", machine->disk_bytes);
    if (lua_getfield(lua, index, "speed") != LUA_TNIL) {
        machine->speed_ppm = mob_check_share(lua, lua_gettop(lua), "speed", 1000);
        if (machine->speed_ppm == 0)
            luaL_error(lua, "speed is above 0; 1 is nominal");
    }
    lua_pop(lua, 1);
}

static void
check_name(lua_State *lua, const char *name)
{
    bool good = name[0] != '\0' && strlen(name) < 64;

    for (const char *at = name; *at != '\0'; at++)
        good = good && (g_ascii_isalnum(*at) || *at == '_' || *at == '-');
    if (!good || strcmp(name, "gcs") == 0 || g_str_has_prefix(name, "driver"))
        luaL_error(lua,
                   "'%s' cannot be the name of a machine: letters, digits, - and _, and neither "
                   "gcs nor driver",
                   name);
}

void
mob_machine_read(lua_State *lua, int index, const char *name, MobMachine *machine)
{
    check_name(lua, name);
    g_free((char *)machine->name);
    machine->name = g_strdup(name);
    if (lua_isnoneornil(lua, index))
        return;
    index = lua_absindex(lua, index);
    if (!lua_istable(lua, index))
        luaL_error(lua, "machine %s is described by a table: { cpus = 2, store = \"64MiB\" }",
                   name);
    mob_check_words(lua, index, "machine", machine_words);
    read_cpus(lua, index, machine);
    read_sizes(lua, index, machine);
    read_resources(lua, index, machine);
}

/* --- all machines --- */

static const MobMachine ordinary = {
    .cpus = CPUS_DEFAULT * MOB_UNIT,
    .speed_ppm = 1000000,
    .memory = 8 * GIB,
    .store_bytes = 2 * GIB,
};

void
mob_machine_init(MobMachine *machine)
{
    *machine = ordinary;
}

/* The plan owns the machine from the start, so that an error frees it. */
static void
add_machine(lua_State *lua, MobClusterPlan *plan, int index, const char *name)
{
    MobMachine machine = plan->ordinary;

    for (guint i = 0; i < plan->machines->len; i++)
        if (g_strcmp0(g_array_index(plan->machines, MobMachine, i).name, name) == 0)
            luaL_error(lua, "two machines are called %s", name);
    g_array_append_val(plan->machines, machine);
    mob_machine_read(lua, index, name,
                     &g_array_index(plan->machines, MobMachine, plan->machines->len - 1));
}

/* Numbers by value, the rest by bytes; head before all. */
static int
compare_names(const char *a, const char *b)
{
    while (*a != '\0' && *b != '\0') {
        if (g_ascii_isdigit(*a) && g_ascii_isdigit(*b)) {
            char *rest_a, *rest_b;
            uint64_t x = g_ascii_strtoull(a, &rest_a, 10), y = g_ascii_strtoull(b, &rest_b, 10);
            if (x != y)
                return x < y ? -1 : 1;
            a = rest_a;
            b = rest_b;
            continue;
        }
        if (*a != *b)
            return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
        a++;
        b++;
    }
    return *a == *b ? 0 : *a == '\0' ? -1 : 1;
}

static int
compare_machines(const void *left, const void *right)
{
    const MobMachine *a = left, *b = right;
    bool head_a = strcmp(a->name, "head") == 0, head_b = strcmp(b->name, "head") == 0;
    int order;

    if (head_a != head_b)
        return head_a ? -1 : 1;
    order = compare_names(a->name, b->name);
    return order != 0 ? order : strcmp(a->name, b->name); /* n1 and n01 */
}

static void
read_count(lua_State *lua, MobClusterPlan *plan)
{
    lua_Integer count = lua_isinteger(lua, -1) ? lua_tointeger(lua, -1) : 0;
    char name[32];

    if (count < 1 || count > MACHINES_MAX)
        luaL_error(lua, "nodes is a whole number from 1 to %d, a list of names or a table",
                   MACHINES_MAX);
    for (lua_Integer i = 0; i < count; i++) {
        MobMachine machine = plan->ordinary;
        g_snprintf(name, sizeof name, i == 0 ? "head" : "n%d", (int)i);
        machine.name = g_strdup(name);
        g_array_append_val(plan->machines, machine);
    }
}

static void
read_table(lua_State *lua, MobClusterPlan *plan, int nodes)
{
    lua_Integer listed = (lua_Integer)lua_rawlen(lua, nodes), count;
    int keys;

    mob_lua_push_keys(lua, nodes);
    keys = lua_gettop(lua);
    count = (lua_Integer)lua_rawlen(lua, keys);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(lua, keys, i);
        lua_pushvalue(lua, -1);
        lua_gettable(lua, nodes);
        if (lua_isinteger(lua, -2) && lua_type(lua, -1) == LUA_TSTRING)
            add_machine(lua, plan, lua_gettop(lua) + 1, lua_tostring(lua, -1)); /* none */
        else if (lua_type(lua, -2) == LUA_TSTRING)
            add_machine(lua, plan, lua_gettop(lua), lua_tostring(lua, -2));
        else
            luaL_error(lua, "nodes is a list of names or a table of machines by name");
        lua_pop(lua, 2);
    }
    lua_pop(lua, 1);
    if (listed != count)
        g_array_sort(plan->machines, compare_machines);
}

static void
read_nodes(lua_State *lua, MobClusterPlan *plan, int index)
{
    if (lua_getfield(lua, index, "nodes") == LUA_TTABLE)
        read_table(lua, plan, lua_gettop(lua));
    else if (lua_isnil(lua, -1))
        luaL_error(lua, "a cluster needs nodes: sim.cluster { nodes = 3 }");
    else
        read_count(lua, plan);
    if (plan->machines->len == 0)
        luaL_error(lua, "a cluster needs at least one machine");
    g_array_index(plan->machines, MobMachine, 0).head = true;
    lua_pop(lua, 1);
}

/* --- network and knobs --- */

static void
read_latency(lua_State *lua, int index, MobClusterOptions *options)
{
    const MobRange *range;

    lua_getfield(lua, index, "latency");
    range = luaL_testudata(lua, -1, MOB_META_RANGE);
    if (range != NULL) {
        if (range->count > 0)
            luaL_error(lua, "latency is a duration or sim.uniform(least, most)");
        options->latency = range->least;
        options->jitter = range->most - range->least;
    } else if (!lua_isnil(lua, -1)) {
        options->latency = mob_lua_to_time(lua, -1, "latency");
    }
    lua_pop(lua, 1);
    options->jitter = mob_field_time(lua, index, "jitter", options->jitter);
    options->bps = mob_field_bps(lua, index, "bps");
}

static void
read_network(lua_State *lua, MobClusterOptions *options, int index)
{
    options->latency = MOB_TIME_NEVER;
    if (lua_getfield(lua, index, "network") != LUA_TNIL) {
        luaL_argcheck(lua, lua_istable(lua, -1), 1, "network is a table: { latency = \"1ms\" }");
        mob_check_words(lua, -1, "network", network_words);
        read_latency(lua, lua_gettop(lua), options);
    }
    lua_pop(lua, 1);
}

static void
read_profile(lua_State *lua, MobClusterOptions *options, int index)
{
    const char *words[MOB_PROFILE_COUNT + 1];

    options->profile = MOB_PROFILE_IDEAL;
    if (lua_getfield(lua, index, "profile") != LUA_TNIL) {
        const char *name = lua_tostring(lua, -1);
        for (int i = 0; i < MOB_PROFILE_COUNT; i++)
            words[i] = mob_profile_name((MobProfile)i);
        words[MOB_PROFILE_COUNT] = NULL;
        options->profile = name != NULL ? mob_profile_by_name(name) : MOB_PROFILE_COUNT;
        if (options->profile == MOB_PROFILE_COUNT)
            mob_unknown_word(lua, "profile", luaL_tolstring(lua, -1, NULL), words);
    }
    lua_pop(lua, 1);
    mob_config_init(&options->config, options->profile);
}

static void
read_knob(lua_State *lua, MobConfig *config, const MobKnobInfo *knob)
{
    uint64_t *value = mob_config_knob(config, knob->name);

    if (strcmp(knob->type, "time") == 0) {
        *value = mob_lua_to_time(lua, -1, knob->name);
    } else if (strcmp(knob->type, "bytes") == 0) {
        *value = mob_lua_to_size(lua, -1, knob->name);
    } else {
        if (!lua_isinteger(lua, -1) || lua_tointeger(lua, -1) < 0)
            luaL_error(lua, "knob %s is a whole number (%s), not %s", knob->name, knob->unit,
                       luaL_tolstring(lua, -1, NULL));
        *value = (uint64_t)lua_tointeger(lua, -1);
    }
}

static void
read_config(lua_State *lua, MobConfig *config, int index)
{
    const MobKnobInfo *knobs = mob_config_knobs();
    const char *words[sizeof(MobConfig) / sizeof(uint64_t) + 1];
    size_t count = 0;

    if (lua_getfield(lua, index, "config") != LUA_TNIL) {
        luaL_argcheck(lua, lua_istable(lua, -1), 1,
                      "config is a table: { health_period = \"50ms\" }");
        while (knobs[count].name != NULL && count + 1 < G_N_ELEMENTS(words)) {
            words[count] = knobs[count].name;
            count++;
        }
        words[count] = NULL;
        mob_check_words(lua, -1, "config", words);
        for (size_t i = 0; i < count; i++) {
            if (lua_getfield(lua, -1, knobs[i].name) != LUA_TNIL)
                read_knob(lua, config, &knobs[i]);
            lua_pop(lua, 1);
        }
    }
    lua_pop(lua, 1);
}

/* --- the whole table --- */

static bool
field_flag(lua_State *lua, int index, const char *name, bool otherwise)
{
    bool flag = otherwise;

    if (lua_getfield(lua, index, name) != LUA_TNIL)
        flag = lua_toboolean(lua, -1);
    lua_pop(lua, 1);
    return flag;
}

static void
read_seed(lua_State *lua, MobClusterOptions *options, int index)
{
    if (lua_getfield(lua, index, "seed") != LUA_TNIL) {
        if (!lua_isinteger(lua, -1) || lua_tointeger(lua, -1) < 0)
            luaL_error(lua, "seed is a whole number from 0, not %s", luaL_tolstring(lua, -1, NULL));
        options->seed = (uint64_t)lua_tointeger(lua, -1);
    }
    lua_pop(lua, 1);
}

static void
clear_machine(void *machine)
{
    mob_machine_clear(machine);
}

static int
free_plan(lua_State *lua)
{
    MobClusterPlan *plan = lua_touserdata(lua, 1);

    g_clear_pointer(&plan->machines, g_array_unref);
    return 0;
}

static const luaL_Reg plan_metas[] = {{"__gc", free_plan}, {NULL, NULL}};

MobClusterPlan *
mob_plan_new(lua_State *lua, int index)
{
    const MobScenarioHost *host = mob_scenario_of(lua)->host;

    if (!lua_istable(lua, index))
        luaL_error(lua, "sim.cluster is given a table: sim.cluster { nodes = 3 }");
    MobClusterPlan *plan = lua_newuserdatauv(lua, sizeof *plan, 0);
    memset(plan, 0, sizeof *plan);
    plan->machines = g_array_new(FALSE, TRUE, sizeof(MobMachine));
    g_array_set_clear_func(plan->machines, clear_machine);
    if (luaL_newmetatable(lua, "mobula.plan"))
        luaL_setfuncs(lua, plan_metas, 0);
    lua_setmetatable(lua, -2);
    mob_check_words(lua, index, "sim.cluster", cluster_words);
    plan->ordinary = ordinary;
    read_cpus(lua, index, &plan->ordinary);
    read_sizes(lua, index, &plan->ordinary);
    read_nodes(lua, plan, index);
    read_network(lua, &plan->options, index);
    read_profile(lua, &plan->options, index);
    read_config(lua, &plan->options.config, index);
    plan->options.seed = host->seed;
    read_seed(lua, &plan->options, index);
    plan->options.oracle = field_flag(lua, index, "oracle", host->oracle);
    plan->options.check = field_flag(lua, index, "check", host->check);
    plan->count_messages = field_flag(lua, index, "messages", false);
    plan->options.machines = (const MobMachine *)(void *)plan->machines->data;
    plan->options.machine_count = plan->machines->len;
    return plan;
}
