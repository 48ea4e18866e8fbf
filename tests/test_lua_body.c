/* Programs in Lua, from their text to what they print, with a fake runtime. */
#include <signal.h>
#include <sys/time.h>

#include "tests/lua_fake.h"

Test(lua_body, a_program_submits_gets_and_prints)
{
    assert_prints("local square = m.remote(function(x) return x * x end)\n"
                  "function m.main()\n"
                  "  local refs = {}\n"
                  "  for i = 0, 3 do refs[#refs + 1] = square.remote(i) end\n"
                  "  print(table.unpack(m.get(refs)))\n"
                  "  print(m.get(square.remote(2.5)), refs[2], refs[2].id)\n"
                  "  print(#m.get {}, square)\n"
                  "end\n",
                  "0\t1\t4\t9\n6.25\tO2\tO2\n0\ttask square\n");
    /* tasks submit and get too, and several values have several references */
    assert_prints("local T\n"
                  "T = m.remote {\n"
                  "  fib = function(n)\n"
                  "    if n < 2 then return n end\n"
                  "    local a, b = T.fib.remote(n - 1), T.fib.remote(n - 2)\n"
                  "    return m.get(a) + m.get(b)\n"
                  "  end,\n"
                  "  divide = function(a, b) return a // b, a % b end,\n"
                  "}\n"
                  "function m.main()\n"
                  "  print(m.get(T.fib.remote(10)))\n"
                  "  local q, r = T.divide.options { num_returns = 2 }.remote(17, 5)\n"
                  "  print(m.get(q), m.get(r), q.id, r.id)\n"
                  "end\n",
                  "55\n3\t2\tO178\tO178.2\n");
}

Test(lua_body, a_direct_reference_arrives_as_its_value_and_a_nested_one_as_itself)
{
    assert_prints("local T = m.remote {\n"
                  "  one = function() return 1 end,\n"
                  "  direct = function(x) return math.type(x) end,\n"
                  "  nested = function(t) return tostring(t.r), m.get(t.r) end,\n"
                  "  back = function(t) return t end,\n"
                  "}\n"
                  "function m.main()\n"
                  "  local r = T.one.remote()\n"
                  "  print(m.get(T.direct.remote(r)))\n"
                  "  local a, b = T.nested.options { num_returns = 2 }.remote { r = r }\n"
                  "  print(m.get(a), m.get(b))\n"
                  "  local got = m.get(T.back.remote { r, x = { r } })\n"
                  "  print(got[1] == r, got.x[1] == got[1], m.get(got.x[1]))\n"
                  "end\n",
                  "integer\nO1\t1\ntrue\ttrue\t1\n");
}

Test(lua_body, put_wait_try_and_as_completed)
{
    assert_prints("local T = m.remote {\n"
                  "  id = function(x) return x end,\n"
                  "  bad = function() error('no') end,\n"
                  "}\n"
                  "function m.main()\n"
                  "  local p = m.put { 1, 2 }\n"
                  "  print(p, m.get(p)[2])\n"
                  "  local refs = { T.id.remote('a'), T.id.remote('b'), T.id.remote('c') }\n"
                  "  local ready, pending = m.wait(refs, { num_returns = 2, timeout = '1s' })\n"
                  "  print(#ready, ready[1], ready[2], #pending, pending[1])\n"
                  "  for ref in m.as_completed(refs) do print(m.get(ref)) end\n"
                  "  print(m.try(refs[1]))\n"
                  "  local value, err = m.try(T.bad.remote())\n"
                  "  print(value, err.name, err.message, err:is(m.errors.TaskError), err:is('x'))\n"
                  "end\n",
                  "P1\t2\n2\tO3\tO4\t1\tO2\nc\nb\na\na\nnil\tTaskError\tno\ttrue\tfalse\n");
}

Test(lua_body, time_is_the_worlds)
{
    assert_prints("local T = m.remote { work = function() m.compute('1.5s') return m.now() end }\n"
                  "function m.main()\n"
                  "  print(m.now()) m.sleep('250ms') print(m.now(), os.time(), os.clock())\n"
                  "  m.sleep(1) print(m.now(), m.get(T.work.remote()), m.now())\n"
                  "  m.log('%d done at %s', 3, { 1 })\n"
                  "end\n",
                  "0.0\n0.25\t0\t0.25\n1.25\t2.75\t2.75\n3 done at table: #1\n");
}

Test(lua_body, a_get_that_times_out_raises_and_names_it)
{
    g_autoptr(Fake) fake = fake_text("local m = require 'mobula'\n"
                                     "local slow = m.remote('slow', function() end)\n"
                                     "function m.main()\n"
                                     "  local r = slow.remote()\n"
                                     "  local v, err = m.try(r, { timeout = 0.5 })\n"
                                     "  print(v, err.name, m.now())\n"
                                     "  local ok, raised = pcall(m.get, r, { timeout = '100ms' })\n"
                                     "  print(ok, raised:is(m.errors.GetTimeoutError), m.now())\n"
                                     "  print(raised)\n"
                                     "end\n");
    fake->lose = "slow";
    g_autoptr(MobValue) value = fake_main(fake, NULL);
    cr_assert_eq(value->fault, 0);
    cr_assert_str_eq(fake->output->str, "nil\tGetTimeoutError\t0.5\nfalse\ttrue\t0.6\n"
                                        "GetTimeoutError: the value was not there in time\n");
}

Test(lua_body, an_error_keeps_its_cause_and_says_where)
{
    assert_prints(
        "local T\n"
        "T = m.remote {\n"
        "  inner = function() local k; return k + 1 end,\n"
        "  outer = function()\n"
        "    return m.get(T.inner.remote())\n"
        "  end,\n"
        "}\n"
        "function m.main()\n"
        "  local _, err = m.try(T.outer.remote())\n"
        "  print(err.name, err.task, err.attempt, err.node, err.traceback)\n"
        "  print(err.cause.name, err.cause.message, err.cause.traceback)\n"
        "  print(err:why())\n"
        "  print(err:report())\n"
        "end\n",
        "TaskError\tT1 outer\t1\tn1/w0\ttest.lua:6\n"
        "TaskError\tattempt to perform arithmetic on a nil value (local 'k')\ttest.lua:4\n"
        "TaskError: the TaskError of T1/2 inner was not caught, because of TaskError: attempt to "
        "perform "
        "arithmetic on a nil value (local 'k')\n"
        "TaskError: attempt to perform arithmetic on a nil value (local 'k')\n"
        "  in task T1/2 inner, attempt 1 of 4, on n1/w0\n"
        "  test.lua:4\n"
        "  and so TaskError: the TaskError of T1/2 inner was not caught\n"
        "    in task T1 outer, attempt 1 of 4, on n1/w0\n"
        "    test.lua:6\n");
    assert_fails("function m.main() error({ code = 3, text = 'no' }) end\n",
                 "TaskError: { code = 3, text = no }", "in task main, on n1/w0");
    assert_fails("function m.main() error({ message = 'said so' }) end\n", "TaskError: said so");
    assert_fails("function m.main() error() end\n", "TaskError: nil");
    assert_fails("function m.main()\n error(setmetatable({}, { __tostring = error })) end\n",
                 "an error that cannot be shown");
    /* what was caught and raised again stays what it was */
    assert_prints(
        "local bad = m.remote(function() error('root') end)\n"
        "local again = m.remote(function() local _, e = m.try(bad.remote()) error(e) end)\n"
        "function m.main()\n"
        "  local _, err = m.try(again.remote())\n"
        "  print(err.cause.message, err.cause.task)\n"
        "end\n",
        "root\tT1/2 bad\n");
}

Test(lua_body, a_reference_is_dropped_once_and_not_used_after)
{
    g_autoptr(Fake) fake = fake_text("local m = require 'mobula'\n"
                                     "local one = m.remote('one', function() return 1 end)\n"
                                     "function m.main()\n"
                                     "  local a, b = one.remote(), one.remote()\n"
                                     "  do local r <close> = b end\n"
                                     "  a:drop() a:drop()\n"
                                     "  local c = one.remote()\n"
                                     "  print(m.get(c), a)\n"
                                     "  m.get(a)\n"
                                     "end\n");
    g_autofree char *report = fake_report(fake);
    cr_assert_eq(fake->drops, 2);
    cr_assert_str_eq(fake->output->str, "1\tO1\n");
    cr_assert(strstr(report, "m.get of the reference O1, which was dropped") != NULL, "%s", report);
    cr_assert(strstr(report, "[E108]") != NULL, "%s", report);
    cr_assert(strstr(report, "test.lua:9") != NULL, "%s", report);
    /* dropped references are closed when an error leaves the block, too */
    g_autoptr(Fake) other = fake_text("local m = require 'mobula'\n"
                                      "local one = m.remote('one', function() return 1 end)\n"
                                      "function m.main()\n"
                                      "  local r <close> = one.remote()\n"
                                      "  error('out')\n"
                                      "end\n");
    g_autofree char *out = fake_report(other);
    cr_assert_eq(other->drops, 1);
    cr_assert(strstr(out, "TaskError: out") != NULL, "%s", out);
}

Test(lua_body, random_numbers_are_the_tasks_and_not_the_attempts)
{
    const char *text =
        "local m = require 'mobula'\n"
        "local draw = m.remote('draw', function() return m.random(1000), m.random(), "
        "math.random(5, 6) end, { num_returns = 3 })\n"
        "function m.main()\n"
        "  for i = 1, 3 do local a, b, c = draw.remote()\n"
        "    print(m.get(a), m.get(b), m.get(c)) end\n"
        "  print(m.random(1 << 40))\n"
        "end\n";
    g_autoptr(Fake) fake = fake_text(text);
    g_autoptr(MobValue) first = fake_main(fake, NULL);
    g_autofree char *once = g_strdup(fake->output->str);
    g_auto(GStrv) lines = g_strsplit(once, "\n", -1);
    cr_assert_str_neq(lines[0], lines[1]);
    cr_assert_str_neq(lines[1], lines[2]);

    /* a second attempt elsewhere draws the same */
    g_autoptr(Fake) other = fake_text(text);
    other->attempt = 2;
    other->worker = (MobAddress){2, 5};
    g_autoptr(MobValue) second = fake_main(other, NULL);
    cr_assert_str_eq(other->output->str, once);

    /* another seed draws other numbers */
    g_autoptr(Fake) seeded = fake_text(text);
    seeded->pick_config.seed = 7;
    mob_picks_free(seeded->picks);
    seeded->picks = mob_picks_new(&seeded->pick_config);
    g_autoptr(MobValue) third = fake_main(seeded, NULL);
    cr_assert_str_neq(seeded->output->str, once);
}

Test(lua_body, the_context_says_where_and_which_attempt)
{
    assert_prints("local T = m.remote { parse = function()\n"
                  "  local c = m.context()\n"
                  "  return table.concat({ c.job, c.task, c.name, c.attempt, c.node, c.worker, "
                  "tostring(c.replay) }, ' ')\n"
                  "end }\n"
                  "function m.main()\n"
                  "  print(m.get(T.parse.remote()))\n"
                  "  print(m.get(T.parse.options { name = 'p2' }.remote()), m.context().task)\n"
                  "end\n",
                  "1 T1 parse 1 n1 n1/w0 false\n1 T2 p2 1 n1 n1/w0 false\tmain\n");
}

Test(lua_body, a_call_from_a_coroutine_waits_for_its_answer)
{
    assert_prints("local id = m.remote('id', function(x) return x end)\n"
                  "function m.main()\n"
                  "  local function values(n)\n"
                  "    return coroutine.wrap(function()\n"
                  "      for i = 1, n do coroutine.yield(m.get(id.remote(i))) end\n"
                  "    end)\n"
                  "  end\n"
                  "  for v in values(3) do print(v) end\n"
                  "  local co = coroutine.create(function(a) local b = coroutine.yield(a + 1)\n"
                  "    print('got', b) error('inside') end)\n"
                  "  print(coroutine.resume(co, 1)) print(coroutine.resume(co, 5))\n"
                  "  print(coroutine.resume(co))\n"
                  "  print(pcall(coroutine.yield))\n"
                  "  print(pcall(function() return m.get(id.remote('in pcall')) end))\n"
                  "end\n",
                  "1\n2\n3\ntrue\t2\ngot\t5\nfalse\ttest.lua:11: inside\n"
                  "false\tcannot resume dead coroutine\n"
                  "false\tattempt to yield from outside a coroutine\ntrue\tin pcall\n");
    assert_fails("local id = m.remote('id', function(x) return x end)\n"
                 "function m.main()\n"
                 "  table.sort({ 3, 1, 2 }, function(a, b) return m.get(id.remote(a < b)) end)\n"
                 "end\n",
                 "cannot wait inside a table.sort comparator", "test.lua:4");
    /* but it may print */
    assert_prints("function m.main()\n"
                  "  print((('ab'):gsub('.', function(c) print(c) return c .. c end)))\n"
                  "  return 'x'\n"
                  "end\n",
                  "a\nb\naabb\n");
}

Test(lua_body, mistakes_in_use_have_codes_and_say_what_to_do)
{
    assert_fails("local square = m.remote(function(x) return x * x end)\n"
                 "function m.main()\n  print(square(7))\nend\n",
                 "task 'square' was called like a function", "[E101]", "square.remote(…)",
                 "test.lua:4");
    assert_fails(
        "local f = m.remote('f', function() end)\n"
        "function m.main() f.remote({ items = { 1, 2, { f = coroutine.create(print) } } }) end\n",
        "cannot travel: argument 1.items[3].f: a coroutine", "[E104]");
    assert_fails("local f = m.remote('f', function() return { a = print } end)\n"
                 "function m.main() m.get(f.remote()) end\n",
                 "cannot travel: result 1.a: a function", "[E104]");
    assert_fails("function m.main() m.put { setmetatable({}, {}) } end\n",
                 "cannot travel: the value[1]: a table with a metatable", "[E107]");
    assert_fails("function m.main() local t = {} t.next = { t } m.put(t) end\n",
                 "the value.next[1]: a table that contains itself", "[E104]");
    assert_fails("function m.main() m.put { [{}] = 1 } end\n", "the value[key]: a table as a key");
    assert_fails("local f = m.remote('f', function() return nil, 'bad thing' end)\n"
                 "function m.main() m.get(f.remote()) end\n",
                 "task 'f' returned 2 values, and its num_returns is 1", "[E106]",
                 "use error(\"message\") to fail a task");
    assert_fails("local f = m.remote('f', function() return 1, 2, 3 end)\n"
                 "function m.main() m.get(f.remote()) end\n",
                 "returned 3 values", "num_returns = 3");
    assert_fails("function m.main() m.wait({}, { timeout = 1, num_return = 3 }) end\n",
                 "m.wait has no option 'num_return'; did you mean 'num_returns'?", "[E105]");
    assert_fails("function m.main() m.gett(1) end\n",
                 "the module has no 'gett'; did you mean 'get'?");
    assert_fails("function m.main() m.get(3) end\n",
                 "m.get needs a reference or a list of references, and not a number");
    assert_fails("function m.main() m.sleep('fast') end\n", "is a duration, such as \"20ms\"");
}

Test(lua_body, options_reach_the_spec)
{
    g_autoptr(Fake) fake =
        fake_text("local m = require 'mobula'\n"
                  "local f = m.remote('f', function() end, { num_cpus = 0.5, memory = '64MiB',\n"
                  "  resources = { gpu = 2, disk = 0.1 }, max_retries = -1, name = 'label' })\n"
                  "local g = f.options { scheduling_strategy = { node = 'n2', soft = true },\n"
                  "  retry_exceptions = { 'TaskError', 'flaky' } }.options { num_cpus = 3 }\n"
                  "function m.main() f.remote() g.remote(1)\n  f.options { scheduling_strategy = "
                  "'SPREAD' }.remote() end\n");
    g_autoptr(MobValue) value = fake_main(fake, NULL);
    size_t at = 0;

    cr_assert_eq(value->fault, 0);
    const MobTaskSpec *f = ((FakeObject *)mob_table_next(fake->objects, &at))->spec;
    cr_assert_str_eq(mob_str(f->function), "f");
    cr_assert_str_eq(mob_str(f->label), "label");
    cr_assert_eq(f->needs.cpu, MOB_UNIT / 2);
    cr_assert_eq(f->needs.memory, 64 * 1024 * 1024);
    cr_assert_eq(f->needs.customs->count, 2);
    cr_assert_str_eq(mob_str(f->needs.customs->items[0].name), "disk");
    cr_assert_eq(f->needs.customs->items[1].amount, 2 * MOB_UNIT);
    cr_assert_eq(f->retries, -1);
    cr_assert_eq(f->line, 6);
    cr_assert_str_eq(mob_str(f->file), "test.lua");
    cr_assert_str_eq(mob_str(f->bundle), mob_str(fake->bundle_id));
    const MobTaskSpec *g = ((FakeObject *)mob_table_next(fake->objects, &at))->spec;
    cr_assert_eq(g->strategy, MOB_STRATEGY_AFFINITY);
    cr_assert_str_eq(mob_str(g->node), "n2");
    cr_assert(g->soft && g->retry_exceptions);
    cr_assert_str_eq(mob_str(g->retry_only), "TaskError\nflaky");
    cr_assert_eq(g->needs.cpu, 3 * MOB_UNIT);
    cr_assert_eq(g->needs.customs->count, 2);
    const MobTaskSpec *h = ((FakeObject *)mob_table_next(fake->objects, &at))->spec;
    cr_assert_eq(h->strategy, MOB_STRATEGY_SPREAD);
    cr_assert_eq(h->retries, -1);
}

Test(lua_body, a_body_that_loops_or_eats_memory_ends_with_an_error)
{
    g_autoptr(Fake) fake = fake_text("local m = require 'mobula'\n"
                                     "local loop = m.remote('loop', function()\n"
                                     "  while true do\n"
                                     "    pcall(function() while true do end end)\n"
                                     "  end\n"
                                     "end)\n"
                                     "local eat = m.remote('eat', function()\n"
                                     "  local t = {}\n"
                                     "  for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end\n"
                                     "end)\n"
                                     "function m.main()\n"
                                     "  local _, err = m.try(loop.remote())\n"
                                     "  print(err.message) print(err.traceback)\n"
                                     "  print(m.get(m.put('still here')))\n"
                                     "  local _, err = m.try(eat.remote())\n"
                                     "  print(err.message)\n"
                                     "end\n");
    mob_lua_loader_set_budget(fake->loader, 5000000);
    mob_lua_loader_set_memory(fake->loader, 20 * 1024 * 1024);
    g_autoptr(MobValue) value = fake_main(fake, NULL);
    cr_assert_str_eq(
        fake->output->str,
        "the body loops: test.lua:4 has run for 5 million instructions without a call\n"
        "test.lua:4\nstill here\n"
        "not enough memory: the programs of one worker may use 20 MiB\n");
}

static MobLoader *interrupted; /* for the handler alone */

static void
on_alarm(int signal)
{
    mob_lua_loader_interrupt(interrupted, "a tenth of a second");
}

Test(lua_body, a_watchdog_can_end_what_loops)
{
    const struct itimerval soon = {{0, 100000}, {0, 100000}};
    const struct itimerval never = {{0, 0}, {0, 0}};
    g_autoptr(Fake) fake = fake_text("local m = require 'mobula'\n"
                                     "local loop = m.remote('loop', function()\n"
                                     "  coroutine.wrap(function()\n"
                                     "    while true do end\n"
                                     "  end)()\n"
                                     "end)\n"
                                     "function m.main()\n"
                                     "  local _, err = m.try(loop.remote())\n"
                                     "  print(err.message)\n"
                                     "end\n");
    mob_lua_loader_set_budget(fake->loader, 0);
    interrupted = fake->loader;
    char place[64];
    mob_lua_loader_interrupt(interrupted, ""); /* nothing runs */
    cr_assert(!mob_lua_loader_where(interrupted, place, sizeof place));
    signal(SIGALRM, on_alarm);
    setitimer(ITIMER_REAL, &soon, NULL);
    g_autoptr(MobValue) value = fake_main(fake, NULL);
    setitimer(ITIMER_REAL, &never, NULL);
    cr_assert_str_eq(fake->output->str,
                     "the body loops: test.lua:4 has run for a tenth of a second without a call\n");
}

static void
count_poke(void *data)
{
    ++*(int *)data;
}

static int pokes;

static void
on_alarm_that_pokes(int signal)
{
    interrupted->poke(interrupted, count_poke, &pokes);
}

Test(lua_body, a_body_can_be_stopped_for_a_moment_and_goes_on)
{
    const struct itimerval soon = {{0, 20000}, {0, 20000}};
    const struct itimerval never = {{0, 0}, {0, 0}};
    g_autoptr(Fake) fake = fake_text("local m = require 'mobula'\n"
                                     "function m.main()\n"
                                     "  local sum = 0\n"
                                     "  for i = 1, 30000000 do sum = sum + i % 3 end\n"
                                     "  print(sum)\n"
                                     "end\n");
    mob_lua_loader_set_budget(fake->loader, 0);
    interrupted = fake->loader;
    interrupted->poke(interrupted, count_poke, &pokes); /* nothing runs */
    signal(SIGALRM, on_alarm_that_pokes);
    setitimer(ITIMER_REAL, &soon, NULL);
    g_autoptr(MobValue) value = fake_main(fake, NULL);
    setitimer(ITIMER_REAL, &never, NULL);
    cr_assert_str_eq(fake->output->str, "30000000\n");
    cr_assert_geq(pokes, 1);
}

Test(lua_body, bodies_can_be_freed_at_any_call)
{
    g_autoptr(Fake) fake = fake_text("local m = require 'mobula'\n"
                                     "local f = m.remote('f', function(x) return x end)\n"
                                     "function m.main()\n"
                                     "  local r <close> = f.remote({ 1, 2 })\n"
                                     "  print('x') m.put(r and 1) m.sleep(1)\n"
                                     "  return m.get(r)\n"
                                     "end\n");
    g_autoptr(MobTaskSpec) spec = mob_spec_new();
    g_autoptr(MobArgs) args = mob_args_new(0);

    spec->id = (MobTaskId){7, 7};
    spec->function = mob_str_new("main");
    spec->bundle = mob_str_ref(fake->bundle_id);
    spec->returns = 1;
    for (unsigned stop = 0; stop < 6; stop++) {
        MobBodyContext context = {.worker = fake->worker,
                                  .worker_name = "n1/w0",
                                  .node_name = "n1",
                                  .spec = spec,
                                  .attempt = 1,
                                  .picks = fake->picks};
        MobBody *body = fake->loader->start(fake->loader, &context, fake->bundle, args);
        MobAnswer answer = {0};
        MobCall call;
        fake->submits = stop * 10;
        for (unsigned i = 0; i < stop; i++) {
            body->class->resume(body, &answer, &call);
            fake_clear(&answer);
            if (call.kind == MOB_CALL_RETURN)
                mob_value_unref(call.values[0]);
            else
                fake_answer(fake, spec, &call, &answer);
        }
        fake_clear(&answer);
        body->class->free(body);
    }
    fake->loader->drop(fake->loader, fake->worker);
    fake->loader->drop(fake->loader, fake->worker);
}
