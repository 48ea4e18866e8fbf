-- Forty values of 8 MB one after the other; then one of 100 MB that two readers
-- look at for a while, so that somebody can look at them: tests/shared.sh.
local sim = require "mobula.sim"

local c = sim.cluster { nodes = 1, cpus = 4, config = { health_period = "500ms" } }
local job = c:submit(function(m)
  local look = m.remote("look", function(v)
    local byte = v:byte(#v)
    for i = 1, #v, 4096 do byte = byte + v:byte(i) end
    m.sleep("200ms")
    return #v + byte - byte
  end)
  for _ = 1, 40 do
    local x = m.put(m.bytes(8000000))
    m.get(x)
    x:drop()
  end
  local x = m.put(m.bytes(100000000))
  local a, b = look.remote(x), look.remote(x)
  return m.get(a) + m.get(b)
end)
c:run { until_done = job, limit = "60s" }
assert.are.equal(200000000, job:result())
