-- Lecture: a job on machines that may be taken away at any moment.
--
-- Spot machines cost a fraction of the price and are preempted without much
-- ado. A job that starts anew whenever one goes may never finish; one that
-- redoes only what was lost gets through. Here machines go several times
-- a second, all but the one with the driver, and new ones come instead. The
-- answer is right and some tasks ran more than once: what ran again was paid
-- twice, and it is less than the work that was kept.
--
-- Without a seed the machines go in turn. Every seed is another fleet:
--   mobula test scenarios/spot-fleet.lua --seeds 100
local sim = require "mobula.sim"

local LEAVES = 200

local c = sim.cluster { nodes = { head = { cpus = 1 }, n1 = {}, n2 = {}, n3 = {}, n4 = {} } }
c:run { until_time = "50ms" }
local job = c:submit("programs/tree.lua", LEAVES, "20ms", "1MiB")

c:chaos {
  kill = {
    every = sim.between("100ms", "400ms"),
    of = { "node" },
    restart = "60ms", -- the fleet gets another machine
    always = true,
  },
  max = 12,
  spare = { driver_node = true, max_down = 3 },
}

c:sometimes("a task ran again", function(s) return #s.tasks { replayed = true } > 0 end)
c:run { until_done = job, limit = "60s" }

assert.are.equal(LEAVES, job:result())

local once, ran, lost = 0, 0, 0
for t in c.state.tasks do
  once = once + 1
  ran = ran + t.attempts
end
for n in c.state.nodes { alive = false } do lost = lost + 1 end
print(string.format("%d machines lost, %d tasks, %d runs: %.0f %% of the work was paid twice",
  lost, once, ran, 100 * (ran - once) / once))
assert.is_true(ran < 2 * once, "most of the work was kept")
