-- One cluster of real processes that works for long: tasks and transfers on four
-- machines, round after round, while once a second something is killed, stopped
-- or cut off. Every answer is right or an error that what happened allows.
--
--   tests/endurance.sh MOBULA SOURCE SECONDS
local sim = require "mobula.sim"

local SECONDS = 1 -- of the cluster, which is ten times as slow as ours
local LEAVES = 64

-- A round makes 25 MB: much of it goes to disk, and is read from there.
local c = sim.cluster { nodes = { "head", "n1", "n2", "n3" }, cpus = 2, store = "4MiB" }
local job = c:submit(function(m, seconds, leaves)
  local for_ever = { max_retries = -1 }
  local leaf = m.remote("leaf", function(i)
    m.compute("3ms")
    return { v = i, pad = m.bytes(200000) }
  end, for_ever)
  local add = m.remote("add", function(a, b)
    m.compute("2ms")
    return { v = a.v + b.v, pad = m.bytes(200000) }
  end, for_ever)
  local licensed = { OwnerDiedError = true, ObjectLostError = true,
                     ObjectReconstructionFailedError = true, TaskUnschedulableError = true }
  local till, rounds = m.now() + seconds, 0
  while m.now() < till do
    local level, all = {}, {}
    for i = 1, leaves do level[i] = leaf.remote(i) end
    while #level > 1 do
      local up = {}
      for i = 1, #level, 2 do up[#up + 1] = add.remote(level[i], level[i + 1]) end
      for _, ref in ipairs(level) do all[#all + 1] = ref end
      level = up
    end
    local value, err = m.try(level[1])
    while err and err.cause do err = err.cause end
    if err then
      assert(licensed[err.name], err.name)
    else
      assert(value.v == leaves * (leaves + 1) // 2, "a wrong answer")
      rounds = rounds + 1
    end
    for _, ref in ipairs(all) do ref:drop() end
    level[1]:drop()
  end
  return rounds
end, SECONDS, LEAVES)

c:chaos {
  kill = { every = "300ms", restart = "50ms", of = { "worker", "node", "gcs" } },
  pause = { every = "300ms", lasts = "20ms", of = { "worker", "node" } },
  disk = { every = "300ms", lasts = "30ms", trouble = "full" },
  cut = { every = "300ms", lasts = "30ms", shape = "pair" },
  spare = { driver_node = true, max_down = 2 },
}
c:run { until_done = job, limit = "1h" }
assert.is_nil(job:error())
assert.is_true(job:result() > SECONDS, "it came to nearly nothing")
