-- Lecture: what exactly is done again, for everything that can be killed.
--
-- The chain 1 -> 2 -> 3 -> 4 runs with task i on machine ni and the driver on
-- the head. One row is one kill. What is redone depends on three things: where
-- the value was (10 MB lie in the store of the machine that made them, 10 B
-- travel to the owner inside the reply), whether another copy is left, and who
-- owns it. Nothing is redone that is not lost, and nothing that is lost and
-- wanted is forgotten.
--
--   * A worker is not a machine: the store survives its workers.
--   * A copy that was fetched is as good as the first: the owner pins it.
--   * Redoing a task needs its arguments, so the owner walks back through the
--     lineage, but only as far as values are missing.
--   * By call, worker 3 owns what task 2 returns. When it dies, its children's
--     values die with it: 3, 2 and 1 are done again, though only 3 was hit.
--
-- The table alone, without the stories:  mobula run -q scenarios/chain-kill-matrix.lua
local sim = require "mobula.sim"

local BIG, SMALL = 10 * 1000 * 1000, 10
local TIME, HALF = "1s", "500ms"
if sim.world ~= "sim" then TIME, HALF = "60ms", "30ms" end -- nobody wants to wait for it

local function chain(shape, bytes, story)
  local c = sim.cluster { nodes = { "head", "n1", "n2", "n3", "n4" }, cpus = 2 }
  c:run { until_time = "50ms" }
  local job = c:submit("programs/chain.lua", shape, bytes, TIME)
  c:story(shape, function() story(c) end)
  c:run { until_done = job, limit = "60s" }
  return c, job
end

local function say(shape, bytes, title, again)
  print(string.format("%-8s %-5s %-29s again: %s", shape, bytes == BIG and "10 MB" or "10 B", title,
    #again > 0 and table.concat(again, " ") or "-"))
end

-- One row: the tasks that run twice are exactly `redone`, and the answer is right.
local function row(title, shape, bytes, redone, story)
  local c, job = chain(shape, bytes, story)
  local again = c.state.tasks { replayed = true }:ids()
  say(shape, bytes, title, again)
  assert.are.equal(4, job:result(), title)
  assert.are.same(redone, again, title)
  for t in c.state.tasks do
    assert.is_true(t.attempts <= 2, title .. ": nothing runs a third time")
    assert.is_true((t.owner == "driver") == (shape == "by data" or t.id == "T1"),
      title .. ": who calls a task owns it, and only the owner has it done again")
  end
  return c
end

-- The moments of the table.
local function while_2_runs(c)
  local e = c:await { "task.running", task = "T2" }
  c:sleep(HALF)
  return e
end

local function when_2_is_done(c) -- and nobody has fetched what it returned
  return c:await { "task.finished", task = "T2" }
end

for _, size in ipairs { BIG, SMALL } do
  local big = size == BIG
  local lost = big and { "T2" } or {}
  row("worker 2, running", "by data", size, { "T2" }, function(c)
    c:kill(while_2_runs(c).worker)
  end)
  row("worker 2, finished", "by data", size, {}, function(c)
    c:kill(when_2_is_done(c).worker)
  end)
  row("n2, running", "by data", size, { "T2" }, function(c)
    c:kill(while_2_runs(c).node)
  end)
  row("n2, finished, y2 not fetched", "by data", size, lost, function(c)
    when_2_is_done(c)
    c:kill "n2"
  end)
  if big then
    local c = row("n2, y2 fetched by n3", "by data", size, {}, function(c)
      c:await { "object.copied", object = "O2", node = "n3" }
      c:kill "n2"
    end)
    assert.is_true(c.state.copies["O2@n3"].primary, "the copy on n3 is now the primary one")
  end
  row("n2, 3 finished", "by data", size, {}, function(c)
    c:await { "task.finished", task = "T3" }
    c:kill "n2"
  end)
  row("n1 and n2, y2 not fetched", "by data", size, big and { "T1", "T2" } or {}, function(c)
    when_2_is_done(c)
    c:kill "n1"
    c:kill "n2"
  end)
end

-- By call the driver owns 4 only; T1 is task 4, T1/1 is 3, T1/1/1 is 2, T1/1/1/1 is 1.
row("worker 2, running", "by call", BIG, { "T1/1/1", "T1/1/1/1" }, function(c)
  local e = c:await { "task.running", name = "two" }
  c:await { "task.finished", name = "one" }
  c:sleep(HALF)
  c:kill(e.worker)
end)
row("worker 3, running", "by call", BIG, { "T1/1", "T1/1/1", "T1/1/1/1" }, function(c)
  local e = c:await { "task.running", name = "three" }
  c:await { "task.finished", name = "two" }
  c:sleep(HALF)
  c:kill(e.worker)
end)

-- The driver owns everything that it called: when it dies, the job is over and
-- every value is freed.
local c, job = chain("by data", BIG, function(c)
  when_2_is_done(c)
  c:kill "driver"
end)
c:run { until_idle = true, limit = "60s" }
say("by data", BIG, "driver", c.state.tasks { replayed = true }:ids())
assert.error_is(job, "OwnerDiedError")
assert.are.equal(0, c.state.store.used, "no value outlives its owner")
assert.are.equal(0, #c.state.leases { live = true })
assert.are.equal(0, #c.state.tasks { replayed = true })
