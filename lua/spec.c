/* spec.c: see spec.h.
 *
 * The file is run once, which only collects; then the tests are run in order.
 * Blocks and tests are tables of C, their functions references in the Lua
 * state. What before_each and `it` made is closed after each test.
 */
#include "lua/spec.h"

#include "lua/errors.h"
#include "lua/scenario_parts.h"

typedef struct Block Block;

struct Block {
    Block *parent; /* NULL: the file */
    char *name;
    char *number;
    GArray *before; /* of int: references to functions */
    GArray *after;
    guint children; /* blocks and tests so far, for their numbers */
};

typedef struct {
    Block *block;
    char *name;
    char *number;
    uint32_t line;
    int function; /* LUA_NOREF: pending */
    char *why;    /* of pending; may be NULL */
} Test;

typedef struct {
    GPtrArray *blocks; /* of Block, owned */
    GPtrArray *tests;  /* of Test, owned */
    Block *open;       /* whose function runs just now */
    bool collecting;
} Spec;

static const char spec_key = 'S'; /* registry: the Spec */

static void
free_block(void *data)
{
    Block *block = data;

    g_free(block->name);
    g_free(block->number);
    g_array_unref(block->before);
    g_array_unref(block->after);
    g_free(block);
}

static void
free_test(void *data)
{
    Test *test = data;

    g_free(test->name);
    g_free(test->number);
    g_free(test->why);
    g_free(test);
}

static Block *
new_block(Spec *spec, Block *parent, const char *name, char *number)
{
    Block *block = g_new0(Block, 1);

    block->parent = parent;
    block->name = g_strdup(name);
    block->number = number;
    block->before = g_array_new(FALSE, FALSE, sizeof(int));
    block->after = g_array_new(FALSE, FALSE, sizeof(int));
    g_ptr_array_add(spec->blocks, block);
    return block;
}

static Spec *
spec_of(lua_State *lua, const char *what)
{
    Spec *spec;

    lua_rawgetp(lua, LUA_REGISTRYINDEX, &spec_key);
    spec = lua_touserdata(lua, -1);
    lua_pop(lua, 1);
    if (!spec->collecting)
        luaL_error(lua, "%s belongs outside of tests", what);
    return spec;
}

static char *
next_number(Block *block)
{
    guint i = ++block->children;

    return block->number != NULL ? g_strdup_printf("%s.%u", block->number, i)
                                 : g_strdup_printf("%u", i);
}

/* --- collecting --- */

static int
spec_describe(lua_State *lua)
{
    Spec *spec = spec_of(lua, "describe");
    const char *name = luaL_checkstring(lua, 1);
    Block *outer = spec->open;

    luaL_checktype(lua, 2, LUA_TFUNCTION);
    spec->open = new_block(spec, outer, name, next_number(outer));
    lua_settop(lua, 2);
    lua_call(lua, 0, 0); /* an error ends the file, so open need not be put back then */
    spec->open = outer;
    return 0;
}

static Test *
add_test(lua_State *lua, Spec *spec, const char *name)
{
    Test *test = g_new0(Test, 1);

    test->block = spec->open;
    test->name = g_strdup(name);
    test->number = next_number(spec->open);
    test->line = mob_script_line(lua);
    test->function = LUA_NOREF;
    g_ptr_array_add(spec->tests, test);
    return test;
}

static int
spec_it(lua_State *lua)
{
    Spec *spec = spec_of(lua, "it");
    const char *name = luaL_checkstring(lua, 1);

    if (!lua_isnoneornil(lua, 2))
        luaL_checktype(lua, 2, LUA_TFUNCTION);
    lua_settop(lua, 2);
    Test *test = add_test(lua, spec, name);
    if (!lua_isnil(lua, 2))
        test->function = luaL_ref(lua, LUA_REGISTRYINDEX);
    return 0;
}

/* pending("name"), pending("name", function, "why") */
static int
spec_pending(lua_State *lua)
{
    Spec *spec = spec_of(lua, "pending");
    const char *name = luaL_checkstring(lua, 1);
    const char *why =
        lua_type(lua, 2) == LUA_TSTRING ? lua_tostring(lua, 2) : luaL_optstring(lua, 3, NULL);

    add_test(lua, spec, name)->why = g_strdup(why);
    return 0;
}

static int
add_around(lua_State *lua, const char *what, bool before)
{
    Spec *spec = spec_of(lua, what);
    int function;

    luaL_checktype(lua, 1, LUA_TFUNCTION);
    lua_settop(lua, 1);
    function = luaL_ref(lua, LUA_REGISTRYINDEX);
    g_array_append_val(before ? spec->open->before : spec->open->after, function);
    return 0;
}

static int
spec_before_each(lua_State *lua)
{
    return add_around(lua, "before_each", true);
}

static int
spec_after_each(lua_State *lua)
{
    return add_around(lua, "after_each", false);
}

static void
open_spec(lua_State *lua, Spec *spec)
{
    lua_pushlightuserdata(lua, spec);
    lua_rawsetp(lua, LUA_REGISTRYINDEX, &spec_key);
    lua_register(lua, "describe", spec_describe);
    lua_register(lua, "it", spec_it);
    lua_register(lua, "pending", spec_pending);
    lua_register(lua, "before_each", spec_before_each);
    lua_register(lua, "after_each", spec_after_each);
}

/* --- running --- */

static bool
call_function(MobScenario *scenario, int function, guint first, MobScenarioResult *result)
{
    bool good;

    lua_rawgeti(scenario->lua, LUA_REGISTRYINDEX, function);
    good = mob_scenario_pcall(scenario, scenario->lua, 0, 0);
    if (!good)
        mob_scenario_script_failed(scenario, first, result);
    lua_settop(scenario->lua, 0);
    return good;
}

static bool
call_before(MobScenario *scenario, const Block *block, guint first, MobScenarioResult *result)
{
    if (block->parent != NULL && !call_before(scenario, block->parent, first, result))
        return false;
    for (guint i = 0; i < block->before->len; i++)
        if (!call_function(scenario, g_array_index(block->before, int, i), first, result))
            return false;
    return true;
}

static void
call_after(MobScenario *scenario, const Block *block, guint first, MobScenarioResult *result)
{
    for (; block != NULL; block = block->parent)
        for (guint i = 0; i < block->after->len; i++)
            call_function(scenario, g_array_index(block->after, int, i), first, result);
}

static void
run_test(MobScenario *scenario, const Test *test, MobScenarioResult *result)
{
    guint first = scenario->clusters->len;

    if (call_before(scenario, test->block, first, result))
        call_function(scenario, test->function, first, result);
    call_after(scenario, test->block, first, result);
    mob_scenario_finish(scenario, first, result);
}

static void
append_names(const Block *block, GString *into)
{
    if (block->parent == NULL)
        return;
    append_names(block->parent, into);
    g_string_append(into, block->name);
    g_string_append_c(into, ' ');
}

static MobSpecTest *
new_result(const Test *test)
{
    MobSpecTest *row = g_new0(MobSpecTest, 1);
    GString *name = g_string_new(NULL);

    append_names(test->block, name);
    g_string_append(name, test->name);
    row->name = g_string_free(name, FALSE);
    row->number = g_strdup(test->number);
    row->line = test->line;
    row->pending = test->function == LUA_NOREF;
    mob_scenario_result_init(&row->result);
    if (row->pending)
        row->result.message = g_strdup(test->why);
    return row;
}

static bool
is_chosen(const MobSpecTest *test, const MobSpecOptions *options)
{
    const char *filter = options->filter;
    size_t length;

    if (filter == NULL || strstr(test->name, filter) != NULL)
        return true;
    length = strlen(filter);
    return strncmp(test->number, filter, length) == 0 &&
           (test->number[length] == '\0' || test->number[length] == '.');
}

/* Failed before hang before bad input before vacuous: as a person would tell it. */
static int
weight(MobOutcome outcome)
{
    switch (outcome) {
    case MOB_OUTCOME_OK:
        return 0;
    case MOB_OUTCOME_VACUOUS:
        return 1;
    case MOB_OUTCOME_BAD_INPUT:
        return 2;
    case MOB_OUTCOME_HANG:
        return 3;
    case MOB_OUTCOME_FAILED:
        return 4;
    }
    g_assert_not_reached();
}

static void
run_tests(MobScenario *scenario, Spec *spec, const MobSpecOptions *options, MobSpecResult *result)
{
    spec->collecting = false;
    for (guint i = 0; i < spec->tests->len; i++) {
        const Test *test = spec->tests->pdata[i];
        MobSpecTest *row = new_result(test);
        if (!is_chosen(row, options)) {
            mob_scenario_result_clear(&row->result);
            g_free(row->name);
            g_free(row->number);
            g_free(row);
            continue;
        }
        g_ptr_array_add(result->tests, row);
        if (!row->pending && !options->list)
            run_test(scenario, test, &row->result);
        /* A mistake in a test's script fails that test. */
        if (weight(row->result.outcome) > weight(result->outcome))
            result->outcome = row->result.outcome;
        if (options->listener != NULL)
            options->listener(options->data, row);
        if (options->stop && row->result.outcome != MOB_OUTCOME_OK)
            break;
    }
}

static void
free_spec_test(void *data)
{
    MobSpecTest *test = data;

    mob_scenario_result_clear(&test->result);
    g_free(test->name);
    g_free(test->number);
    g_free(test);
}

void
mob_spec_result_clear(MobSpecResult *result)
{
    g_clear_pointer(&result->tests, g_ptr_array_unref);
    g_clear_pointer(&result->message, g_free);
}

/* The file itself is wrong: its message is on top of the stack. */
static void
refuse_file(MobScenario *scenario, MobSpecResult *result)
{
    GString *text = g_string_new(NULL);

    mob_lua_describe_error(scenario->lua, -1, text);
    result->outcome = MOB_OUTCOME_BAD_INPUT;
    result->line = mob_message_line(scenario->file, text->str);
    result->message = g_string_free(text, FALSE);
}

void
mob_spec_run(const MobScenarioHost *host, const char *path, const char *text,
             const MobSpecOptions *options, MobSpecResult *result)
{
    MobScenario *scenario = mob_scenario_new(host, path, text);
    Spec spec = {.collecting = true};

    spec.blocks = g_ptr_array_new_with_free_func(free_block);
    spec.tests = g_ptr_array_new_with_free_func(free_test);
    spec.open = new_block(&spec, NULL, "", NULL);
    *result = (MobSpecResult){.tests = g_ptr_array_new_with_free_func(free_spec_test)};
    open_spec(scenario->lua, &spec);
    if (mob_lua_sandbox_load(scenario->lua, path, text, strlen(text)) != LUA_OK ||
        !mob_scenario_pcall(scenario, scenario->lua, 0, 0)) {
        refuse_file(scenario, result);
    } else if (scenario->clusters->len > 0) {
        result->outcome = MOB_OUTCOME_BAD_INPUT;
        result->message =
            g_strdup_printf("%s: make the cluster in before_each or in a test, so that "
                            "every test has a fresh one",
                            path);
    } else {
        lua_settop(scenario->lua, 0);
        run_tests(scenario, &spec, options, result);
    }
    for (guint i = 0; i < scenario->clusters->len; i++)
        if (((MobScene *)scenario->clusters->pdata[i])->control != NULL) {
            MobScenarioResult rest;
            mob_scenario_result_init(&rest);
            rest.outcome = MOB_OUTCOME_BAD_INPUT;
            mob_scenario_finish(scenario, i, &rest);
            mob_scenario_result_clear(&rest);
        }
    g_ptr_array_unref(spec.tests);
    g_ptr_array_unref(spec.blocks);
    mob_scenario_free(scenario);
}
