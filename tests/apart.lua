-- A shuffle: every reduce takes what every map has made, on whatever machine.
-- For tests/apart.sh, which cuts a machine off meanwhile.
local sim = require "mobula.sim"

local PARTS = 8

local c = sim.cluster { nodes = { head = { cpus = 1 }, n1 = { cpus = 2 }, n2 = { cpus = 2 } } }

local job = c:submit(function(m, parts)
  local map = m.remote("map", function(i)
    m.compute("40ms")
    return { n = i, data = string.rep(tostring(i), 1048576) }
  end)
  local reduce = m.remote("reduce", function(r, ...)
    local sum = 0
    for _, part in ipairs { ... } do
      assert(#part.data == 1048576)
      sum = sum + part.n
    end
    m.compute("40ms")
    return r * sum
  end)
  local made, reduced, total = {}, {}, 0
  for i = 1, parts do
    made[i] = map.remote(i)
  end
  for r = 1, parts do
    reduced[r] = reduce.remote(r, table.unpack(made))
  end
  for r = 1, parts do
    total = total + m.get(reduced[r])
  end
  return total
end, PARTS)

c:run { until_done = job, limit = "60s" }
assert.are.equal(1296, job:result())
