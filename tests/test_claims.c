/* What scripts say must hold, what is drawn to break it, and how a broken
 * expectation is told.
 */
#include "tests/cases.h"

Test(claims, claims_are_judged_at_the_event)
{
    static const Case cases[] = {
        {"local c = cluster()\n"
         "c:always('few tasks', function(s) return #s.tasks <= 2 end)\n"
         "c:always('asserted', function(s) assert.is_true(#s.tasks <= 2) end)\n"
         "c:never('many tasks', function(s) return #s.tasks > 2 end)\n"
         "c:eventually('done', { within = '1s' }, function(s) return #s.tasks { state = 'FINISHED' "
         "} == 2 end)\n"
         "c:reached('T2 runs', function(s) return #s.tasks { state = 'RUNNING', id = 'T2' } == 1 "
         "end)\n"
         "c:sometimes('retry', function(s) return #s.tasks { replayed = true } > 0 end)\n"
         "c:leads_to('runs', { 'task.submitted' }, { 'task.running' }, '1s')",
         MOB_OUTCOME_OK, NULL},
        {"local c = cluster()\n"
         "c:always('one job', function(s) assert.are.equal(1, #s.jobs) end)\n"
         "c:always('never touched', function(s) assert.are.equal(1, #s.logs) end)",
         MOB_OUTCOME_OK, NULL},
        {"local c = cluster()\nc:always('no task', function(s) return #s.tasks == 0 end)",
         MOB_OUTCOME_FAILED, "case.lua:3: always \"no task\" broke at @"},
        {"local c = cluster()\nc:always('no task', function(s)\nassert.are.equal(0, "
         "#s.tasks)\nend)",
         MOB_OUTCOME_FAILED, "case.lua:4: expected 0, got 1"},
        {"local c = cluster()\nc:never('a task', function(s) return #s.tasks > 0 end)",
         MOB_OUTCOME_FAILED, "never \"a task\" broke at @"},
        {"local c = cluster()\n"
         "c:eventually('soon', { within = '1ms' }, function(s) return #s.tasks == 2 and "
         "s.tasks.T2.state == 'FINISHED' end)",
         MOB_OUTCOME_FAILED, "it did not come true by 1.0 ms"},
        {"local c = cluster()\nc:eventually('x', function(s) return #s.tasks == 7 end)",
         MOB_OUTCOME_FAILED, "has come to rest and it is not so"},
        {"local c = cluster()\nc:reached('x', function(s) return #s.tasks == 7 end)",
         MOB_OUTCOME_FAILED, "it was never so in this run"},
        {"local c = cluster()\n"
         "c:leads_to('x', { 'task.running', task = 'T1' }, { 'task.failed' }, '1ms')",
         MOB_OUTCOME_FAILED, "nothing followed task.running T1"},
        {"local c = cluster()\n"
         "c:leads_to('x', { 'task.running', task = 'T1' }, { 'task.finished', task = 'T2' })",
         MOB_OUTCOME_FAILED, "leads_to \"x\" broke"},
        {"local c = cluster()\nc:always('x', function(s) return s.nothing end)",
         MOB_OUTCOME_BAD_INPUT, "in always \"x\""},
        {"local c = cluster()\nc:eventually('x', { withn = 1 }, function() end)",
         MOB_OUTCOME_BAD_INPUT, "did you mean 'within'?"},
    };
    MobScenarioResult result;

    CHECK(cases);
    play(cases[0].text, 0, &result, NULL);
    GPtrArray *claims = ((MobClusterResult *)result.clusters->pdata[0])->claims;
    cr_assert_eq(claims->len, 7);
    for (guint i = 0; i < claims->len; i++) {
        const MobClaimResult *claim = claims->pdata[i];
        bool seen = strcmp(claim->kind, "sometimes") != 0;
        cr_expect_eq(claim->ok, seen, "%s %s", claim->kind, claim->name);
        cr_expect_eq(claim->passes > 0, seen, "%s %s", claim->kind, claim->name);
    }
    mob_scenario_result_clear(&result);
}

/* A claim is asked again only when what it has looked at may have changed. */
Test(claims, claims_are_asked_only_when_it_matters)
{
    GString *said = g_string_new(NULL);
    MobScenarioResult result;
    long long asked;

    play("local c = cluster()\n"
         "local asked = 0\n"
         "c:always('x', function(s) asked = asked + 1 return #s.jobs < 2 end)\n"
         "c:run()\n"
         "print(asked)",
         0, &result, said);
    cr_assert_eq(result.outcome, MOB_OUTCOME_OK, "%s", result.message);
    asked = g_ascii_strtoll(said->str, NULL, 10);
    cr_expect_gt(asked, 1);
    cr_expect_lt(asked, 25, "asked %lld times in %d events", asked,
                 (int)((MobClusterResult *)result.clusters->pdata[0])->events);
    mob_scenario_result_clear(&result);
    g_string_free(said, TRUE);
}

static const char chaos_script[] =
    "local c, job = cluster { nodes = 4, network = { latency = sim.uniform('0.1ms', '0.5ms') } }\n"
    "c:chaos { kill = { every = sim.between('5ms', '1s'), of = { 'worker', 'node' }, restart = "
    "'50ms' },\n"
    "  cut = { every = sim.between('10ms', '1s'), lasts = sim.between('1ms', '30ms'),\n"
    "    shape = sim.among { 'pair', 'one', 'halves', 'oneway' } },\n"
    "  slow = { every = '20ms', speed = sim.between(0.1, 0.9), lasts = '10ms' },\n"
    "  pause = { every = '20ms', lasts = '5ms', of = 'worker' },\n"
    "  link = { loss = sim.between(0, 0.1) },\n"
    "  rpc = { lose = sim.among { 'request', 'reply', 'inflight' }, chance = sim.between(0.001, "
    "0.1) },\n"
    "  max = 6, spare = { driver_node = true, max_down = 2, keep_one_copy_of = 'puts' } }\n"
    "c:at('300ms'):calm('10s')\n"
    "c:run { until_done = job, limit = '60s' }\n"
    "if not job:error() then assert.are.equal(42, job:result()) end\n"
    "if c:now() < 0.3 then c:run { until_time = '301ms' } end\n"
    "for n in c.state.nodes do if c.state.nodes[n.id] == n then assert.is_true(n.alive, n.id) end "
    "end\n";

Test(claims, chaos_is_drawn_from_the_seed_and_can_be_repeated)
{
    g_autoptr(GHashTable) settings = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (uint64_t seed = 0; seed < 40; seed++) {
        MobScenarioResult one, two;
        play(chaos_script, seed, &one, NULL);
        play(chaos_script, seed, &two, NULL);
        const MobClusterResult *a = one.clusters->pdata[0], *b = two.clusters->pdata[0];
        cr_expect_eq(one.outcome, MOB_OUTCOME_OK, "seed %d: %s\n%s", (int)seed, one.message,
                     a->settings);
        cr_expect_eq(a->hash, b->hash, "seed %d", (int)seed);
        cr_expect_str_eq(a->settings, b->settings);
        if (seed == 0)
            cr_expect_str_eq(a->settings, "", "the textbook run has no chaos: %s", a->settings);
        g_hash_table_add(settings, g_strdup(a->settings));
        mob_scenario_result_clear(&one);
        mob_scenario_result_clear(&two);
    }
    cr_expect_gt(g_hash_table_size(settings), 30);
}

Test(claims, what_chaos_drew_can_be_written_into_a_scenario)
{
    MobScenarioResult result, again;
    g_autofree char *text = NULL;

    play("local c, job = cluster()\n"
         "c:chaos { kill = { every = sim.between('5ms', '40ms'), always = true }, max = 3 }\n",
         7, &result, NULL);
    const char *settings = ((MobClusterResult *)result.clusters->pdata[0])->settings;
    cr_assert(g_str_has_prefix(settings, "kill = { every = \""), "%s", settings);
    text = g_strdup_printf("local c, job = cluster()\nc:chaos { %s, max = 3 }\n", settings);
    play(text, 7, &again, NULL);
    cr_expect_eq(again.outcome, result.outcome, "%s", again.message);
    cr_expect_eq(((MobClusterResult *)again.clusters->pdata[0])->hash,
                 ((MobClusterResult *)result.clusters->pdata[0])->hash);
    mob_scenario_result_clear(&result);
    mob_scenario_result_clear(&again);
}

Test(claims, chaos_refuses_what_it_does_not_know)
{
    static const Case cases[] = {
        {"local c = cluster()\nc:chaos { kil = {} }", MOB_OUTCOME_BAD_INPUT,
         "did you mean 'kill'?"},
        {"local c = cluster()\nc:chaos { kill = { every = '1s', of = { 'wrker' } } }",
         MOB_OUTCOME_BAD_INPUT, "did you mean 'worker'?"},
        {"local c = cluster()\nc:chaos { kill = { evry = '1s' } }", MOB_OUTCOME_BAD_INPUT,
         "did you mean 'every'?"},
        {"local c = cluster()\nc:chaos { kill = { every = 0 } }", MOB_OUTCOME_BAD_INPUT, "above 0"},
        {"local c = cluster()\nc:chaos { cut = { shape = 'star' } }", MOB_OUTCOME_BAD_INPUT,
         "shape"},
        {"local c = cluster()\nc:chaos {}\nc:chaos {}", MOB_OUTCOME_BAD_INPUT, "has its chaos"},
        {"local c = cluster()\nc:chaos { spare = { keep_one_copy_of = 'all' } }",
         MOB_OUTCOME_BAD_INPUT, "puts"},
        {"local c = cluster()\nsim.between('2s', '1s')", MOB_OUTCOME_BAD_INPUT,
         "least to the most"},
        {"local c = cluster()\nsim.among {}", MOB_OUTCOME_BAD_INPUT, "at least one"},
    };

    CHECK(cases);
}

Test(claims, calm_mends_everything_and_asks_again)
{
    static const Case cases[] = {
        {"local c, job = cluster()\n"
         "c:run { until_time = '5ms' }\n"
         "c:cut { from = 'n1', to = 'head' }\n"
         "c:kill('n2')\n"
         "c:eventually('three machines', { within = '1s' }, function(s)\n"
         "  return #s.nodes { alive = true } == 3 end)\n"
         "c:at('100ms'):calm('5s')\n"
         "c:run()\n"
         "c:run { until_time = '200ms' }\n"
         "assert.is_true(c.state.nodes.n2.alive)",
         MOB_OUTCOME_OK, NULL},
        {"local c = sim.cluster { nodes = 1 }\n"
         "local job = c:submit(function(m) m.sleep('10s') end)\n"
         "c:at('100ms'):calm('1s')\n"
         "c:run()",
         MOB_OUTCOME_HANG, "not done so long after the faults ended"},
    };

    CHECK(cases);
}

Test(claims, assertions_say_what_they_wanted)
{
    static const Case cases[] = {
        {"sim.cluster { nodes = 1 }\n"
         "assert(true) assert.are.equal(1, 1.0) assert.equals('a', 'a')\n"
         "assert.are_not.equal(1, 2) assert.are_not.same({ 1 }, { 2 })\n"
         "assert.are.same({ 1, x = { y = 2 } }, { 1, x = { y = 2 } })\n"
         "assert.is_true(true) assert.is_false(false) assert.is_nil(nil) assert.is_not_nil(1)\n"
         "assert.truthy(1) assert.falsy(nil) assert.near(1, 1.05, 0.1)\n"
         "assert.matches('^a.c$', 'abc')\n"
         "assert.has_error(function() error('boom') end, 'boom')\n"
         "assert.are.equal(2, select('#', assert(1, 'x')))",
         MOB_OUTCOME_OK, NULL},
        {"assert(false)", MOB_OUTCOME_FAILED, "case.lua:2: assertion failed!"},
        {"assert(nil, 'told you')", MOB_OUTCOME_FAILED, "case.lua:2: told you"},
        {"assert.are.equal(1, 2)", MOB_OUTCOME_FAILED, "case.lua:2: expected 1, got 2"},
        {"assert.are.equal('1', 1, 'types')", MOB_OUTCOME_FAILED,
         "case.lua:2: types: expected \"1\", got 1"},
        {"assert.are.same({ 1, { a = true } }, { 1, { a = false } })", MOB_OUTCOME_FAILED,
         "expected { 1, { a = true } }, got { 1, { a = false } }"},
        {"assert.are.same({ 1 }, { 1, 2 })", MOB_OUTCOME_FAILED, "expected { 1 }, got { 1, 2 }"},
        {"assert.are.same({}, { x = 1 })", MOB_OUTCOME_FAILED, "expected {}, got { x = 1 }"},
        {"assert.are_not.equal(1, 1)", MOB_OUTCOME_FAILED, "expected anything but 1"},
        {"assert.is_true(1)", MOB_OUTCOME_FAILED, "expected true, got 1"},
        {"assert.is_nil(false)", MOB_OUTCOME_FAILED, "expected nil, got false"},
        {"assert.near(1, 2, 0.5)", MOB_OUTCOME_FAILED, "within 0.5, got 2"},
        {"assert.matches('x', 'abc')", MOB_OUTCOME_FAILED,
         "a text that matches \"x\", got \"abc\""},
        {"assert.has_error(function() end)", MOB_OUTCOME_FAILED, "there was none"},
        {"assert.has_error(function() error('a') end, 'b')", MOB_OUTCOME_FAILED,
         "that matches \"b\""},
        {"assert.is_ture(1)", MOB_OUTCOME_BAD_INPUT, "did you mean 'is_true'?"},
        {"assert()", MOB_OUTCOME_BAD_INPUT, "value expected"},
        {"local x = nil\nprint(x.y)", MOB_OUTCOME_BAD_INPUT, "case.lua:3: attempt to index"},
    };

    CHECK(cases);
}

Test(claims, the_first_line_that_failed_is_told)
{
    MobScenarioResult result;

    play("local c = cluster()\n\nassert.are.equal(1, 2)\n", 0, &result, NULL);
    cr_expect_eq(result.line, 4);
    cr_expect_eq(result.clusters->len, 1, "the cluster is closed and told of");
    mob_scenario_result_clear(&result);
    play("local c = cluster()\nc:on('task.running', function()\nerror('x')\nend)\n", 0, &result,
         NULL);
    cr_expect_eq(result.line, 4, "%s", result.message);
    cr_expect(strstr(result.message, "in c:on (line 3), at ") != NULL, "%s", result.message);
    mob_scenario_result_clear(&result);
}
