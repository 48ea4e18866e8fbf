-- What one machine has spilled goes to another one: by TCP, piece by piece from the
-- file.
--
--   tests/spilled.sh MOBULA SOURCE
local sim = require "mobula.sim"

local machine = { cpus = 2, store = "32MiB" }
local c = sim.cluster { nodes = { head = { cpus = 2, store = "256MiB" }, n1 = machine },
  config = { health_period = "500ms" } }
local spilled = 0
c:on("object.spilled", function() spilled = spilled + 1 end)
c:run { until_time = "20ms" }
local job = c:submit(function(m)
  local there = { scheduling_strategy = { node = "n1", soft = false } }
  local make = m.remote("make", function(i) return m.bytes(6000000 + i, i) end, there)
  local length = m.remote("length", function(v) return #v end, there)
  local refs = {}
  for i = 1, 12 do
    refs[i] = make.remote(i)
    assert(m.get(length.remote(refs[i])) == 6000000 + i)
  end
  for i = 1, 12 do assert(m.get(refs[i]) == m.bytes(6000000 + i, i)) end
  return "right"
end)
c:run { until_done = job, limit = "60s" }
assert.are.equal("right", job:result())
assert.is_true(spilled >= 5)
