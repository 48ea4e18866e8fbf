/* Scenarios: scripts that make clusters, give orders and say what must hold,
 * over the simulated world. Each case is a script and what comes of it.
 */
#include "tests/cases.h"

Test(scenario, the_lectures_scenarios_hold)
{
    static const char *const names[] = {
        "two-futures",       "rpc-vs-reference", "any-worker-submits",
        "metadata-not-data", "kill-task-2",      "kill-task-2-by-call",
        "chain-kill-matrix", "kill-the-owner",   "spot-fleet",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_strdup_printf(SOURCE_ROOT "/scenarios/%s.lua", names[i]);
        g_autofree char *text = NULL;
        Stage *stage = stage_new(0);
        MobScenarioResult result;

        cr_assert(g_file_get_contents(path, &text, NULL, NULL), "%s", path);
        stage->folder = SOURCE_ROOT "/scenarios";
        mob_scenario_result_init(&result);
        mob_scenario_run(&stage->host, names[i], text, &result);
        cr_expect_eq(result.outcome, MOB_OUTCOME_OK, "%s: %s", names[i], result.message);
        mob_scenario_result_clear(&result);
        stage_free(stage);
    }
}

Test(scenario, clusters_are_described_in_three_ways)
{
    static const Case cases[] = {
        {"local c = sim.cluster { nodes = 3 }\n"
         "c:run { until_time = '50ms' }\n"
         "assert.are.same({ 'head', 'n1', 'n2' }, c.state.nodes:ids())\n"
         "assert.are.equal(4, c.state.nodes.n1.cpus)",
         MOB_OUTCOME_OK, NULL},
        {"local c = sim.cluster { nodes = { 'a', 'c', 'b' }, cpus = 2 }\n"
         "c:run { until_time = '50ms' }\n"
         "assert.are.equal('a', c.state.nodes[1].id)\n"
         "assert.are.equal(2, c.state.nodes.c.cpus)",
         MOB_OUTCOME_OK, NULL},
        {"local c = sim.cluster { nodes = { n10 = {}, n9 = { cpus = 1.5 }, head = { cpus = 0 } } "
         "}\n"
         "c:run { until_time = '50ms' }\n"
         "assert.are.same({ 'head', 'n9', 'n10' }, c.state.nodes:ids())\n"
         "assert.are.equal(1.5, c.state.nodes.n9.cpus)\n"
         "assert.are.equal(0, c.state.nodes.head.cpus)",
         MOB_OUTCOME_OK, NULL},
        {"sim.cluster {}", MOB_OUTCOME_BAD_INPUT, "case.lua:2: a cluster needs nodes"},
        {"sim.cluster { nodes = 1 }:on('task.running', { hold = 'yes' }, print)",
         MOB_OUTCOME_BAD_INPUT, "hold is true or false"},
        {"sim.cluster { nodes = 0 }", MOB_OUTCOME_BAD_INPUT, "from 1 to"},
        {"sim.cluster { nodes = {} }", MOB_OUTCOME_BAD_INPUT, "at least one"},
        {"sim.cluster { nodes = { 'a', 'a' } }", MOB_OUTCOME_BAD_INPUT,
         "two machines are called a"},
        {"sim.cluster { nodes = { gcs = {} } }", MOB_OUTCOME_BAD_INPUT, "'gcs' cannot be"},
        {"sim.cluster { nodes = { n1 = { cpu = 1 } } }", MOB_OUTCOME_BAD_INPUT,
         "no machine field 'cpu'; did you mean 'cpus'?"},
        {"sim.cluster { nodes = { n1 = { cpus = 'two' } } }", MOB_OUTCOME_BAD_INPUT, "not two"},
        {"sim.cluster { nodes = { n1 = { resources = { gpu = -1 } } } }", MOB_OUTCOME_BAD_INPUT,
         "resource gpu"},
        {"sim.cluster { nods = 3 }", MOB_OUTCOME_BAD_INPUT, "did you mean 'nodes'?"},
        {"sim.cluster { nodes = 3, config = { helth_period = 1 } }", MOB_OUTCOME_BAD_INPUT,
         "did you mean 'health_period'?"},
        {"sim.cluster { nodes = 3, config = { health_misses = -1 } }", MOB_OUTCOME_BAD_INPUT,
         "knob health_misses"},
        {"sim.cluster { nodes = 3, profile = 'idea' }", MOB_OUTCOME_BAD_INPUT,
         "did you mean 'ideal'?"},
        {"sim.cluster { nodes = 3, network = { bps = '10 cows' } }", MOB_OUTCOME_BAD_INPUT,
         "bits per second"},
        {"sim.cluser { nodes = 3 }", MOB_OUTCOME_BAD_INPUT, "did you mean 'cluster'?"},
        {"local x = 1", MOB_OUTCOME_BAD_INPUT, "makes no cluster"},
        {"local x = = 1", MOB_OUTCOME_BAD_INPUT, "case.lua:2:"},
        {"local m = require 'mobula'", MOB_OUTCOME_BAD_INPUT, "has no tasks"},
        {"require 'nothing.there'", MOB_OUTCOME_BAD_INPUT, "nothing/there.lua"},
    };

    CHECK(cases);
}

Test(scenario, jobs_have_results_and_errors)
{
    static const Case cases[] = {
        {"local c, job = cluster()\n"
         "assert.is_false(job.done)\n"
         "assert.has_error(function() job:result() end, 'has not finished')\n"
         "c:run { until_done = job }\n"
         "assert.is_true(job.done)\n"
         "assert.are.equal(42, job:result())\n"
         "assert.is_nil(job:error())\n"
         "assert.are.equal('driver', job.driver)",
         MOB_OUTCOME_OK, NULL},
        {"cluster() -- is run at the end of the file", MOB_OUTCOME_OK, NULL},
        {"local c = sim.cluster { nodes = 1 }\n"
         "local job = c:submit(function(m, a, t) return { a + 1, t.x } end, 6, { x = 'y' })\n"
         "c:run()\n"
         "assert.are.same({ 7, 'y' }, job:result())",
         MOB_OUTCOME_OK, NULL},
        {"local c = sim.cluster { nodes = 1 }\n"
         "local job = c:submit(function(m) error('no luck') end)\n"
         "c:run()\n"
         "assert.error_is(job, 'TaskError')\n"
         "assert.matches('no luck', job:error():report())\n"
         "assert.has_error(function() job:result() end, 'no luck')",
         MOB_OUTCOME_OK, NULL},
        {"local c = sim.cluster { nodes = 1 }\n"
         "c:submit(function(m) error('no luck') end)",
         MOB_OUTCOME_FAILED, "job inline:3 (line 3) failed"},
        {"local c = sim.cluster { nodes = 1 }\n"
         "local job = c:submit(function(m) return 1 end)\n"
         "c:run()\n"
         "assert.error_is(job, 'TaskError')",
         MOB_OUTCOME_FAILED, "but it returned 1"},
        {"local c, job = cluster()\n"
         "c:run()\n"
         "assert.error_is(job, 'TaskEror')",
         MOB_OUTCOME_BAD_INPUT, "did you mean 'TaskError'?"},
        {"local c, job = cluster()\n"
         "c:run()\n"
         "print(job.resutl)",
         MOB_OUTCOME_BAD_INPUT, "did you mean 'result'?"},
        {"sim.cluster { nodes = 1 }:submit('not-there.lua')", MOB_OUTCOME_BAD_INPUT,
         "not-there.lua"},
        {"sim.cluster { nodes = 1 }:submit(function() end, print)", MOB_OUTCOME_BAD_INPUT,
         "argument 1"},
        {"sim.cluster { nodes = 1 }:submit(7)", MOB_OUTCOME_BAD_INPUT, "a program is"},
    };

    CHECK(cases);
}

Test(scenario, runs_end_when_they_are_told_to)
{
    static const Case cases[] = {
        {"local c, job = cluster()\n"
         "c:run { until_time = '5ms' }\n"
         "assert.are.equal(0.005, c:now())\n"
         "c:run { until_event = { 'task.finished', task = 'T1' } }\n"
         "assert.are.equal('FINISHED', c.state.tasks.T1.state)\n"
         "assert.is_false(job.done)\n"
         "c:run { until_done = job, drain = true }\n"
         "assert.are.equal(0, c.state.store.used)",
         MOB_OUTCOME_OK, NULL},
        {"local c, job = cluster()\n"
         "local before = c.state.event\n"
         "c:step(10)\n"
         "assert.are.equal(before + 10, c.state.event)",
         MOB_OUTCOME_OK, NULL},
        {"local c, job = cluster()\n"
         "c:run { until_event = { 'task.finished', task = 'T2' }, until_time = '2ms' }\n"
         "c:run { until_done = job } -- the event of the earlier run does not end this one\n"
         "assert.is_true(job.done)",
         MOB_OUTCOME_OK, NULL},
        {"local c, job = cluster()\n"
         "c:run { until_done = job, limit = '3ms' }",
         MOB_OUTCOME_HANG,
         "case.lua:3: limit reached at 3.0 ms simulated, and the job is not done"},
        {"local c = cluster()\n"
         "c:run { until_event = { 'gcs.died' }, limit = '5s' }",
         MOB_OUTCOME_HANG, "the awaited event has not come"},
        {"local c = cluster()\n"
         "c:run { until_don = 1 }",
         MOB_OUTCOME_BAD_INPUT, "did you mean 'until_done'?"},
        {"local c, job = cluster()\n"
         "c:on('task.running', function() c:run() end)\n"
         "c:run()",
         MOB_OUTCOME_BAD_INPUT, "runs already"},
        {"local c, job = cluster { seed = 5 }\n"
         "local d, other = cluster { seed = 6 }\n"
         "assert.are.equal(5, c.seed)\n"
         "c:run { until_done = other }",
         MOB_OUTCOME_BAD_INPUT, "another cluster"},
        {"local c, job = cluster()\n"
         "while true do end",
         MOB_OUTCOME_BAD_INPUT, "case.lua:3"},
    };

    CHECK(cases);
}

Test(scenario, stories_act_inside_the_event)
{
    static const Case cases[] = {
        {"local c, job = cluster()\n"
         "c:story('kill', function(c)\n"
         "  local e = c:await { 'task.running', task = 'T2', hold = true }\n"
         "  assert.are.equal('task.running', e.event)\n"
         "  assert.are.equal(c.state.event, e.number)\n"
         "  assert.are.equal('f', e.name)\n"
         "  assert.are.equal(1, e.attempt)\n"
         "  assert.are.equal(e.worker, c:runner('T2'))\n"
         "  c:kill(e.worker)\n"
         "  local again = c:await { 'task.running', task = 'T2.2' }\n"
         "  assert.is_true(again.worker ~= e.worker)\n"
         "  local now = c:now()\n"
         "  c:sleep '2ms'\n"
         "  assert.near(now + 0.002, c:now(), 1e-9)\n"
         "end)\n"
         "c:run()\n"
         "assert.are.equal(42, job:result())\n"
         "assert.are.equal(2, c:attempts('T2'))",
         MOB_OUTCOME_OK, NULL},
        {"local c = cluster()\n"
         "c:story('wait for ever', function() c:await { 'task.running', task = 'T77' } end)\n"
         "c:run()",
         MOB_OUTCOME_VACUOUS, "story \"wait for ever\" still awaits task.running task=T77"},
        {"local c = cluster()\n"
         "c:story('wrong', function()\n"
         "  c:await { 'task.running' }\n"
         "  c:kil('n1')\n"
         "end)\n"
         "c:run()",
         MOB_OUTCOME_BAD_INPUT,
         "case.lua:5: there is no verb or field of a cluster 'kil'; did you mean 'kill'?"},
        {"local c = cluster()\n"
         "c:story('breaks', function()\n"
         "  c:await { 'task.running' }\n"
         "  assert.are.equal(1, 2)\n"
         "end)\n"
         "c:run()",
         MOB_OUTCOME_FAILED, "in story \"breaks\", at "},
        {"local c = cluster()\nc:await { 'task.running' }", MOB_OUTCOME_BAD_INPUT,
         "belongs into a story"},
        {"local c = cluster()\nc:story('x', function() c:await { 'task.runing' } end)",
         MOB_OUTCOME_BAD_INPUT, "there is no event 'task.runing'; did you mean 'task.running'?"},
        {"local c = cluster()\nc:story('x', function() c:await { 'task.running', tsk = 1 } end)",
         MOB_OUTCOME_BAD_INPUT, "did you mean 'task'?"},
        {"local c = cluster()\nc:story('x', function() c:await { task = 'T1' } end)",
         MOB_OUTCOME_BAD_INPUT, "a match begins with the name of an event"},
    };

    CHECK(cases);
}

Test(scenario, hooks_fire_when_they_should)
{
    static const Case cases[] = {
        {"local c, job = cluster()\n"
         "local ran, first, second, ticks = 0, 0, 0, 0\n"
         "c:on('task.running', function() ran = ran + 1 end)\n"
         "c:once('task.running', { name = 'f' }, function(e) first = e.task end)\n"
         "c:after(2, 'task.running', function(e) second = e.task end)\n"
         "c:on('task.running', { count = 2 }, function(e) assert.are.equal('T2', e.task) end)\n"
         "c:every('3ms', { times = 4 }, function() ticks = ticks + 1 end)\n"
         "c:at('6ms', function() assert.near(0.006, c:now(), 1e-9) end)\n"
         "c:run()\n"
         "assert.are.equal(2, ran)\n"
         "assert.are.equal('T1', first)\n"
         "assert.are.equal('T2', second)\n"
         "assert.are.equal(4, ticks)",
         MOB_OUTCOME_OK, NULL},
        {"local c = sim.cluster { nodes = 2 }\n"
         "local job = c:submit(function(m)\n"
         "  local p = m.put(m.bytes('1MiB'))\n"
         "  m.sleep('10ms')\n"
         "  return #m.get(p)\n"
         "end)\n"
         "c:at('5ms'):evict('P1'):from('head')\n"
         "c:run()\n"
         "assert.error_is(job, 'ObjectReconstructionFailedError')",
         MOB_OUTCOME_OK, NULL},
        {"local c, job = cluster()\n"
         "c:on('task.running', { task = 'T2', attempt = 1 }):kill(function(e) return e.worker "
         "end)\n"
         "c:run()\n"
         "assert.are.equal(2, c:attempts('T2'))",
         MOB_OUTCOME_OK, NULL},
        {"local c, job = cluster()\n"
         "c:at('2ms'):cut { from = 'n1', to = function() return 'n2' end, lasts = '1ms' }\n"
         "c:on('fault.cut', function(e) assert.are.equal('fault', e.event) end)\n"
         "c:run()",
         MOB_OUTCOME_VACUOUS, ":3: cut from n1 to n2 touched nothing"},
        {"local c = cluster()\nc:on('task.running', { task = 'T9' }, print)\nc:run()",
         MOB_OUTCOME_VACUOUS, ":3: c:on(task.running task=T9) never fired"},
        {"local c = cluster()\nc:at('1 fortnight'):kill('n1')\nc:run()", MOB_OUTCOME_BAD_INPUT,
         "time of c:at"},
        {"local c = cluster()\nc:at('900s'):kill('n1')\nc:run()", MOB_OUTCOME_VACUOUS,
         "the time of c:at never came"},
        {"local c = cluster()\nc:at('1ms'):kil('n1')", MOB_OUTCOME_BAD_INPUT,
         "did you mean 'kill'?"},
        {"local c = cluster()\nc:at('1ms'):kill('n7')\nc:run()", MOB_OUTCOME_BAD_INPUT,
         "there is no machine or process 'n7'; there are head, n1, n2"},
        {"local c = cluster()\nc:at('1ms'):evict('P1')\nc:run()", MOB_OUTCOME_BAD_INPUT,
         "does not say from where"},
        {"local c = cluster()\nc:evict('P1')", MOB_OUTCOME_VACUOUS,
         ":3: evict P1 without :from(node) touched nothing"},
        {"local c = cluster()\nc:at('1ms'):kill('n1'):from('n2')", MOB_OUTCOME_BAD_INPUT,
         "from belongs to evict"},
        {"local c = cluster()\nc:run()\nc:at('1ms'):kill('n1')", MOB_OUTCOME_BAD_INPUT,
         "a moment that has passed"},
    };

    CHECK(cases);
}

Test(scenario, that_a_fault_ends_is_another_event_than_that_it_begins)
{
    static const Case cases[] = {
        {"local c, job = cluster()\n"
         "local cuts, heals = 0, 0\n"
         "c:on('fault.cut', function() cuts = cuts + 1 end)\n"
         "c:on('fault.heal', function() heals = heals + 1 end)\n"
         "c:cut { from = 'head', to = 'n1', lasts = '1ms' }\n"
         "c:run()\n"
         "assert.are.equal(1, cuts) assert.are.equal(1, heals)",
         MOB_OUTCOME_OK, NULL},
    };

    CHECK(cases);
}

Test(scenario, what_woke_while_it_stood_still_may_be_killed)
{
    static const Case cases[] = {
        {"local c = sim.cluster { nodes = 2 }\n"
         "local job = c:submit(function(m)\n"
         "  m.sleep('10ms')\n"
         "end)\n"
         "c:at('5ms'):pause('driver')\n"
         "c:at('20ms'):kill('driver')\n"
         "c:run()\n"
         "assert.error_is(job, 'OwnerDiedError')",
         MOB_OUTCOME_OK, NULL},
    };

    CHECK(cases);
}

Test(scenario, verbs_break_and_mend)
{
    static const Case cases[] = {
        {"local c, job = cluster()\n"
         "c:run { until_time = '1ms' }\n"
         "local f = c:kill('n1', { restart = '60ms' })\n"
         "c:run { until_event = { 'node.joined', node = 'n1' } }\n"
         "assert.is_true(f.bites > 0)\n"
         "assert.are.equal('kill n1', f.text)\n"
         "assert.is_true(c.state.nodes.n1.alive)",
         MOB_OUTCOME_OK, NULL},
        {"local c, job = cluster { nodes = { head = { cpus = 0 }, n1 = {} } }\n"
         "c:run { until_event = { 'task.running', task = 'T1' } }\n"
         "local f = c:pause(c:runner('T1'))\n"
         "c:at('200ms', function() c:resume(f.text:match('%S+$')) end)\n"
         "c:run()\n"
         "assert.is_true(c:now() > 0.2)",
         MOB_OUTCOME_OK, NULL},
        {"local c, job = cluster { nodes = 1 }\n"
         "local f = c:slow('head', 0.1)\n"
         "c:run()\n"
         "assert.is_true(c:now() > 0.15)\n"
         "assert.is_true(f.bites > 0)\n"
         "f:heal()\n"
         "assert.is_true(f.healed)",
         MOB_OUTCOME_OK, NULL},
        {"local c, job = cluster { nodes = { head = { cpus = 0 }, n1 = {} } }\n"
         "local f = c:rpc { 'PushTask', lose = 'reply', times = 1 }\n"
         "c:run()\n"
         "assert.are.equal(1, f.bites)\n"
         "assert.are.equal(42, job:result())",
         MOB_OUTCOME_OK, NULL},
        {"local c, job = cluster { nodes = { head = { cpus = 0 }, n1 = {} } }\n"
         "c:hold('head', 'n1')\n"
         "c:at('15ms', function() c:release('n1', 'head') end)\n"
         "c:run()\n"
         "assert.is_true(c:now() > 0.03)",
         MOB_OUTCOME_OK, NULL},
        {"local c, job = cluster { nodes = { head = { cpus = 0 }, n1 = {} } }\n"
         "c:link { from = 'head', to = 'n1', latency = '3ms' }\n"
         "c:run()\n"
         "assert.is_true(c:now() > 0.035)",
         MOB_OUTCOME_OK, NULL},
        {"local c, job = cluster { nodes = 1 }\n"
         "c:join('n7', { cpus = 3 })\n"
         "c:run { until_event = { 'node.joined', name = 'n7' } }\n"
         "assert.are.equal(3, c.state.nodes.n7.cpus)\n"
         "c:leave('n7')\n"
         "c:run { until_event = { 'node.left', name = 'n7' } }",
         MOB_OUTCOME_OK, NULL},
    };

    CHECK(cases);
}

Test(scenario, verbs_refuse_what_cannot_be)
{
    static const Case cases[] = {
        {"local c = cluster()\nc:kill(nil)", MOB_OUTCOME_BAD_INPUT, "is a name such as"},
        {"local c = cluster()\nc:kill({ node = 'n1' })", MOB_OUTCOME_BAD_INPUT, "take a field"},
        {"local c = cluster()\nc:kill('n1', { disk = 'lost' })", MOB_OUTCOME_BAD_INPUT,
         "there is no disk 'lost'"},
        {"local c = cluster()\nc:slow('n1', 2)", MOB_OUTCOME_BAD_INPUT, "from 0 to 1"},
        {"local c = cluster()\nc:cut {}", MOB_OUTCOME_BAD_INPUT, "at least one end"},
        {"local c = cluster()\nc:rpc { 'PushTsk', lose = 'reply' }", MOB_OUTCOME_BAD_INPUT,
         "did you mean 'PushTask'?"},
        {"local c = cluster()\nc:rpc { 'PushTask', lose = 'replay' }", MOB_OUTCOME_BAD_INPUT,
         "did you mean 'reply'?"},
        {"local c = cluster()\nc:release('n1', 'n2')", MOB_OUTCOME_BAD_INPUT, "nothing is held"},
        {"local c = cluster()\nc:resume('n1')", MOB_OUTCOME_BAD_INPUT, "not paused"},
        {"local c = cluster()\nc:restart('n1')", MOB_OUTCOME_BAD_INPUT, "alive"},
        {"local c = cluster()\nc:evict('O9'):from('n1')", MOB_OUTCOME_BAD_INPUT,
         "there is no object 'O9' yet"},
    };

    CHECK(cases);
}

Test(scenario, the_state_is_walked_filtered_and_named)
{
    static const Case cases[] = {
        {"local c, job = cluster { messages = true }\n"
         "c:run { until_event = { 'task.running', task = 'T2' } }\n"
         "local ids = {}\n"
         "for t in c.state.tasks do ids[#ids + 1] = t.id end\n"
         "assert.are.same({ 'T1', 'T2' }, ids)\n"
         "for a in c.state.tasks do for b in c.state.tasks do assert.is_true(a == b or a.id ~= "
         "b.id) end end\n"
         "assert.are.same({ 'T1' }, c.state.tasks { state = 'FINISHED' }:ids())\n"
         "assert.are.same({ 'T2' }, c.state.tasks { args = function(a) return a[1] == 'O1' end "
         "}:ids())\n"
         "assert.are.equal(2, #c.state.tasks { name = 'f', owner = 'driver' })\n"
         "assert.are.equal(1, #c.state.tasks { name = 'f' } { state = 'FINISHED' })\n"
         "assert.is_nil(c.state.tasks.T3)\n"
         "assert.is_nil(c.state.tasks[3])\n"
         "assert.are.equal('T2', tostring(c.state.tasks[2]))\n"
         "assert.are.equal('INLINE', c.state.objects.O1.state)\n"
         "assert.are.equal('T1', c.state.objects.O1.task)\n"
         "assert.is_true(#c.state.objects.O1.refs > 0)\n"
         "assert.are.equal(2, #c.state.attempts)\n"
         "assert.is_true(c.state.attempts['T2.1'].running)\n"
         "assert.is_true(#c.state.leases { live = true } > 0)\n"
         "assert.are.equal('driver', c:owner('O2'))\n"
         "assert.are.equal('driver', c:owner(c.state.tasks.T1))\n"
         "assert.are.same({}, c:copies('O1'))\n"
         "assert.is_nil(c:sole_holder('O1'))\n"
         "assert.are.equal('a', c:pick { 'a', 'b' })\n"
         "assert.is_true(c.state.gcs.alive)\n"
         "assert.are.equal(2, #c.state.messages { kind = 'PushTask' } + 1)\n"
         "assert.are.equal(2, c.state.messages { kind = 'PushTask' }:sum('count'))\n"
         "assert.is_true(c.state.messages:sum('bytes') > 500)",
         MOB_OUTCOME_OK, NULL},
        {"local c = sim.cluster { nodes = 1 }\n"
         "local job = c:submit(function(m) print('hello') print('world') end)\n"
         "c:run()\n"
         "assert.are.equal(1, #c.state.logs { text = 'hello' })\n"
         "assert.are.equal('driver', c.state.logs[2].worker)\n"
         "assert.is_true(c.state.jobs[1].finished)\n"
         "assert.is_true(c.state.jobs[1].ok)",
         MOB_OUTCOME_OK, NULL},
        {"local c = cluster()\nprint(c.state.taks)", MOB_OUTCOME_BAD_INPUT,
         "did you mean 'tasks'?"},
        {"local c = cluster()\nc.state.tasks { stat = 1 }", MOB_OUTCOME_BAD_INPUT,
         "did you mean 'state'?"},
        {"local c = cluster()\nc:run()\nprint(c.state.tasks.T1.ownr)", MOB_OUTCOME_BAD_INPUT,
         "no field of tasks 'ownr'; did you mean 'owner'?"},
        {"local c = cluster()\nc:run()\nprint(#c.state.messages)", MOB_OUTCOME_BAD_INPUT,
         "messages = true"},
        {"local c = cluster()\nc:owner('O1')", MOB_OUTCOME_BAD_INPUT, "no object 'O1' yet"},
        {"local c = cluster()\nc:runner('T1')", MOB_OUTCOME_BAD_INPUT, "no task 'T1' yet"},
        {"local c = cluster()\nc:pick {}", MOB_OUTCOME_BAD_INPUT, "the list is empty"},
    };

    CHECK(cases);
}
