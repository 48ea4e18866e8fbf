-- Lecture: the same chain, but by call: 4 calls 3, 3 calls 2, 2 calls 1.
--
-- Now the process that runs task 3 called task 2, so it owns what task 2
-- returns, and it is the one that notices and redoes it: "my son 2 is dead".
-- The driver, which owns only what task 4 returns, hears nothing of it.
--
-- The price of this: ownership dies with the owner. Task 2 had called task 1,
-- so when the worker of task 2 dies, what task 1 returned is gone with it, and
-- the second attempt of task 2 calls task 1 again.
local sim = require "mobula.sim"

local c = sim.cluster { nodes = { "head", "n1", "n2", "n3", "n4" }, cpus = 2 }
c:run { until_time = "50ms" }
local job = c:submit("programs/chain.lua", "by call", "8MiB", "4ms")

local boss -- of task 2: the worker that runs task 3

c:story("lose the worker of task 2", function()
  boss = c:await({ "task.running", name = "three" }).worker
  local e = c:await { "task.running", name = "two" }
  c:await { "task.finished", name = "one" }
  c:sleep "2ms"
  c:kill(e.worker)
end)

-- Whoever asks for another attempt of task 2, it is its owner and nobody else.
c:on("task.retried", { name = "two" }, function(e)
  assert.are.equal(boss, e.owner)
end)

c:run { until_done = job, limit = "5s" }

-- T1 is task 4, T1/1 task 3, T1/1/1 task 2, T1/1/1/1 task 1.
assert.are.equal(4, job:result())
assert.are.same({ "T1/1/1", "T1/1/1/1" }, c.state.tasks { replayed = true }:ids())
assert.are.equal("driver", c:owner "T1")
assert.are.equal(boss, c:owner "T1/1/1")
assert.are.equal(1, c:attempts "T1/1")
