-- A tree of tasks over four machines of real processes while machines, workers
-- and the GCS are killed, stopped, slowed and cut off. The answer is right, or an
-- error that what happened allows.
--
--   tests/endurance.sh MOBULA SOURCE SECONDS
local sim = require "mobula.sim"

local LEAVES = 64

local c = sim.cluster { nodes = { "head", "n1", "n2", "n3" }, cpus = 2 }
local job = c:submit(function(m, leaves)
  local for_ever = { max_retries = -1 }
  local leaf = m.remote("leaf", function(i)
    m.compute("3ms")
    return { v = i, pad = m.bytes(200000) }
  end, for_ever)
  local add = m.remote("add", function(a, b)
    m.compute("2ms")
    return { v = a.v + b.v, pad = m.bytes(200000) }
  end, for_ever)
  local level = {}
  for i = 1, leaves do level[i] = leaf.remote(i) end
  while #level > 1 do
    local up = {}
    for i = 1, #level, 2 do up[#up + 1] = add.remote(level[i], level[i + 1]) end
    level = up
  end
  return m.get(level[1]).v
end, LEAVES)

c:chaos {
  kill = { every = "60ms", restart = "40ms", of = { "worker", "node", "gcs" } },
  pause = { every = "50ms", lasts = "10ms", of = { "worker", "node" } },
  cut = { every = "50ms", lasts = "20ms", shape = "pair" },
  slow = { every = "50ms", lasts = "20ms", speed = 0.3 },
  link = { loss = sim.between(0, 0.02), latency = "200us", jitter = "300us" },
  spare = { driver_node = true, max_down = 2 },
}
c:run { until_done = job, limit = "60s" }
local err = job:error()
if err then
  while err.cause do err = err.cause end
  local licensed = { OwnerDiedError = true, ObjectLostError = true,
                     ObjectReconstructionFailedError = true, TaskUnschedulableError = true }
  assert.is_true(licensed[err.name] == true, job:error():report())
else
  assert.are.equal(LEAVES * (LEAVES + 1) // 2, job:result())
end
