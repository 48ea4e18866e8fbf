-- Lecture: a job on machines that may be taken away at any moment.
--
-- Spot machines cost a fraction of the price and are preempted without much
-- ado. A job that starts anew whenever one goes may never finish; one that
-- redoes only what was lost gets through. Here machines go several times
-- a second, all but the one with the driver, and new ones come instead. The
-- answer is right and some tasks ran more than once: that is the price, and
-- it is no more than what was on the machines that went.
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
    every = sim.between("150ms", "600ms"),
    of = { "node" },
    restart = "60ms", -- the fleet gets another machine
    always = true,
  },
  max = 8,
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
for _ in c.state.nodes { alive = false } do lost = lost + 1 end
print(string.format("%d machines lost; %d tasks ran %d times: %.1f times the work of a fleet that stays",
  lost, once, ran, ran / once))
-- One machine of four holds about a quarter of what has been done so far, and
-- that is what a loss can cost; to start anew would have cost all of it.
assert.is_true(ran - once <= lost * once / 4, "only what was lost is done again")
