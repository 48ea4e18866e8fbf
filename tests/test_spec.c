/* Failure tests in busted's shape: what is collected, what is run, and what
 * came of each.
 */
#include "tests/stage.h"

static void
play(const char *text, uint64_t seed, const MobSpecOptions *options, MobSpecResult *result)
{
    Stage *stage = stage_new(seed);
    static const MobSpecOptions all = {0};

    mob_spec_run(&stage->host, "case_spec.lua", text, options != NULL ? options : &all, result);
    stage_free(stage);
}

static const MobSpecTest *
test_at(const MobSpecResult *result, guint i)
{
    cr_assert_lt(i, result->tests->len);
    return result->tests->pdata[i];
}

static const char lineage[] = //
    "local sim = require 'mobula.sim'\n"
    "local order = {}\n"
    "local function program(m)\n"
    "  local f = m.remote('f', function(x)\n"
    "    m.compute('10ms')\n"
    "    return x + 1\n"
    "  end)\n"
    "  return m.get(f.remote(f.remote(40)))\n"
    "end\n"
    "describe('lineage', function()\n"
    "  local c\n"
    "  before_each(function() c = sim.cluster { nodes = 3 } end)\n"
    "  it('gives the answer', function()\n"
    "    local job = c:submit(program)\n"
    "    c:run { until_done = job }\n"
    "    assert.are.equal(42, job:result())\n"
    "  end)\n"
    "  describe('when a worker dies', function()\n"
    "    it('replays', function()\n"
    "      local job = c:submit(program)\n"
    "      c:on('task.running', { task = 'T2', attempt = 1 }, function(e) c:kill(e.worker) end)\n"
    "      c:run { until_done = job }\n"
    "      assert.are.same({ 'T2' }, c.state.tasks { replayed = true }:ids())\n"
    "    end)\n"
    "    pending('does more', 'not yet')\n"
    "  end)\n"
    "  it('is wrong', function()\n"
    "    c:submit(program)\n"
    "    c:run()\n"
    "    assert.are.equal(1, 2)\n"
    "  end)\n"
    "  it('hangs', function()\n"
    "    local job = c:submit(program)\n"
    "    c:run { until_done = job, limit = '1ms' }\n"
    "  end)\n"
    "  it('aims at nothing', function()\n"
    "    c:submit(program)\n"
    "    c:on('task.running', { task = 'T9' }, function(e) c:kill(e.worker) end)\n"
    "  end)\n"
    "  it('has a mistake', function()\n"
    "    c:kil 'n1'\n"
    "  end)\n"
    "end)\n"
    "it('stands alone', function() sim.cluster { nodes = 1 } end)\n";

Test(spec, tests_are_numbered_named_and_judged_one_by_one)
{
    static const struct {
        const char *number;
        const char *name;
        MobOutcome outcome;
        uint32_t line;
        const char *says;
    } expected[] = {
        {"1.1", "lineage gives the answer", MOB_OUTCOME_OK, 13, NULL},
        {"1.2.1", "lineage when a worker dies replays", MOB_OUTCOME_OK, 19, NULL},
        {"1.2.2", "lineage when a worker dies does more", MOB_OUTCOME_OK, 25, "not yet"},
        {"1.3", "lineage is wrong", MOB_OUTCOME_FAILED, 27, "case_spec.lua:30: expected 1, got 2"},
        {"1.4", "lineage hangs", MOB_OUTCOME_HANG, 32, "limit reached at 1.0 ms"},
        {"1.5", "lineage aims at nothing", MOB_OUTCOME_VACUOUS, 36, "task=T9"},
        {"1.6", "lineage has a mistake", MOB_OUTCOME_BAD_INPUT, 40, "did you mean 'kill'?"},
        {"2", "stands alone", MOB_OUTCOME_OK, 44, NULL},
    };
    MobSpecResult result;

    play(lineage, 0, NULL, &result);
    cr_expect_null(result.message, "%s", result.message);
    cr_expect_eq(result.outcome, MOB_OUTCOME_FAILED, "the worst of all");
    cr_assert_eq(result.tests->len, G_N_ELEMENTS(expected));
    for (guint i = 0; i < result.tests->len; i++) {
        const MobSpecTest *test = test_at(&result, i);
        cr_expect_str_eq(test->number, expected[i].number);
        cr_expect_str_eq(test->name, expected[i].name);
        cr_expect_eq(test->line, expected[i].line, "%s is on line %d", test->name, (int)test->line);
        cr_expect_eq(test->result.outcome, expected[i].outcome, "%s is %s: %s", test->name,
                     mob_outcome_name(test->result.outcome), test->result.message);
        cr_expect_eq(test->pending, i == 2);
        if (expected[i].says == NULL)
            cr_expect_null(test->result.message, "%s", test->result.message);
        else
            cr_expect(test->result.message != NULL &&
                          strstr(test->result.message, expected[i].says) != NULL,
                      "%s", test->result.message);
        if (!test->pending)
            cr_expect_eq(test->result.clusters->len, 1, "%s has a cluster of its own", test->name);
    }
    mob_spec_result_clear(&result);
}

Test(spec, the_same_test_alone_is_the_same_run)
{
    MobSpecOptions one = {.filter = "1.2.1"};
    MobSpecResult all, alone;

    play(lineage, 0, NULL, &all);
    play(lineage, 0, &one, &alone);
    cr_assert_eq(alone.tests->len, 1);
    const MobClusterResult *a = test_at(&all, 1)->result.clusters->pdata[0];
    const MobClusterResult *b = test_at(&alone, 0)->result.clusters->pdata[0];
    cr_expect_eq(a->hash, b->hash);
    cr_expect_eq(a->events, b->events);
    mob_spec_result_clear(&all);
    mob_spec_result_clear(&alone);
}

static void
count_told(void *data, const MobSpecTest *test)
{
    ++*(int *)data;
}

Test(spec, tests_are_chosen_listed_and_told_of)
{
    int told = 0;
    struct {
        MobSpecOptions options;
        guint count;
        int told;
    } cases[] = {
        {{.filter = "1.2"}, 2, 0},
        {{.filter = "1"}, 7, 0},
        {{.filter = "replays"}, 1, 0},
        {{.filter = "no such"}, 0, 0},
        {{.list = true, .listener = count_told, .data = &told}, 8, 8},
        {{.stop = true, .listener = count_told, .data = &told}, 4, 4},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        MobSpecResult result;
        told = 0;
        play(lineage, 0, &cases[i].options, &result);
        cr_expect_eq(result.tests->len, cases[i].count, "case %d: %d", (int)i,
                     (int)result.tests->len);
        cr_expect_eq(told, cases[i].told);
        if (cases[i].options.list)
            cr_expect_eq(result.outcome, MOB_OUTCOME_OK, "nothing was run");
        mob_spec_result_clear(&result);
    }
}

Test(spec, blocks_around_tests_are_called_from_the_outside_in_and_back)
{
    MobSpecResult result;

    play("local said = ''\n"
         "local function say(x) return function() said = said .. x end end\n"
         "before_each(say 'a')\n"
         "after_each(say 'z')\n"
         "describe('outer', function()\n"
         "  before_each(say 'b')\n"
         "  after_each(say 'y')\n"
         "  it('one', say '1')\n"
         "  describe('inner', function()\n"
         "    before_each(say 'c')\n"
         "    it('two', say '2')\n"
         "  end)\n"
         "end)\n"
         "it('checks', function() assert.are.equal('ab1yzabc2yza', said) end)\n"
         "it('fails', function() error('stop') end)\n"
         "it('is torn down all the same', function()\n"
         "  assert.are.equal('ab1yzabc2yzazaza', said) end)\n",
         0, NULL, &result);
    cr_assert_eq(result.tests->len, 5);
    cr_expect_eq(test_at(&result, 2)->result.outcome, MOB_OUTCOME_OK, "%s",
                 test_at(&result, 2)->result.message);
    cr_expect_eq(test_at(&result, 3)->result.outcome, MOB_OUTCOME_BAD_INPUT);
    cr_expect_eq(test_at(&result, 4)->result.outcome, MOB_OUTCOME_OK, "%s",
                 test_at(&result, 4)->result.message);
    mob_spec_result_clear(&result);
}

Test(spec, a_file_that_is_wrong_says_where)
{
    static const struct {
        const char *text;
        const char *says;
    } cases[] = {
        {"describe('x', function()\n  it('y' function() end)\nend)", "case_spec.lua:2:"},
        {"describe('x', function()\n  local y = nil\n  y.z = 1\nend)", "case_spec.lua:3:"},
        {"describe('x')", "function expected"},
        {"it(function() end)", "string expected"},
        {"require('mobula.sim').cluster { nodes = 1 }", "in before_each or in a test"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        MobSpecResult result;
        play(cases[i].text, 0, NULL, &result);
        cr_expect_eq(result.outcome, MOB_OUTCOME_BAD_INPUT, "%s", cases[i].text);
        cr_expect(result.message != NULL && strstr(result.message, cases[i].says) != NULL, "%s",
                  result.message);
        mob_spec_result_clear(&result);
    }
}

Test(spec, words_of_a_file_do_not_work_inside_tests)
{
    MobSpecResult result;

    play("it('nests', function() it('inside', function() end) end)", 0, NULL, &result);
    cr_expect(strstr(test_at(&result, 0)->result.message, "belongs outside of tests") != NULL, "%s",
              test_at(&result, 0)->result.message);
    mob_spec_result_clear(&result);
}

Test(spec, a_cluster_of_an_earlier_test_is_closed)
{
    MobSpecResult result;

    play("local sim = require 'mobula.sim'\n"
         "local kept\n"
         "it('keeps', function() kept = sim.cluster { nodes = 1 } end)\n"
         "it('uses', function() kept:kill 'head' end)\n"
         "it('looks', function() print(#kept.state.nodes) end)\n",
         0, NULL, &result);
    for (guint i = 1; i < 3; i++)
        cr_expect(strstr(test_at(&result, i)->result.message, "closed") != NULL, "%s",
                  test_at(&result, i)->result.message);
    mob_spec_result_clear(&result);
}
