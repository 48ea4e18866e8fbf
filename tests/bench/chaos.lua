-- What a seed costs: 20 tasks on 3 machines of which any may break, with
-- every property checked after every event. bench/run.py runs it.
local sim = require "mobula.sim"

local c = sim.cluster { nodes = 3, cpus = 1 }

local job = c:submit(function(m)
  local leaf = m.remote("leaf", function(i)
    m.compute("5ms")
    return i
  end)
  local add = m.remote("add", function(a, b)
    m.compute("5ms")
    return a + b
  end)
  local sums = {}
  for i = 1, 10 do
    sums[i] = leaf.remote(i)
  end
  for i = 2, 10 do
    sums[i] = add.remote(sums[i - 1], sums[i])
  end
  return m.get(add.remote(sums[10], sums[5]))
end)

c:chaos {
  kill = { every = sim.between("10ms", "40ms"), of = { "worker", "node" }, restart = "20ms" },
  cut = { every = sim.between("20ms", "60ms"), lasts = "10ms" },
  max = 4,
  spare = { driver_node = true },
}
c:run { until_done = job, limit = "60s" }

assert.are.equal(70, job:result())
