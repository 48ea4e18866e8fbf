-- NAME: what this run shows, in a sentence or two.
--
--   mobula run NAME.lua
--   mobula test NAME.lua --seeds 100
local sim = require "mobula.sim"

local c = sim.cluster { nodes = 3, cpus = 1 }

local job = c:submit(function(m)
  local load = m.remote("load", function()
    m.compute("4ms")
    return 20
  end)
  local add = m.remote("add", function(a, b)
    m.compute("4ms")
    return a + b
  end)
  local a = load.remote()
  local b = add.remote(a, 1)
  return m.get(add.remote(a, b))
end)

-- The worker dies while it runs the second task.
c:story("kill T2", function()
  local e = c:await { "task.running", task = "T2", attempt = 1 }
  c:kill(e.worker)
end)

c:run { until_done = job, limit = "5s" }

assert.are.equal(41, job:result())
assert.are.equal(2, c.state.tasks.T2.attempts)
