-- Values in memory that processes share: what is put is there, real to the last
-- byte, wherever it is read, also when whoever wrote it is dead; and memory comes
-- back when nobody has a reference any more.
--
--   tests/shared.sh MOBULA SOURCE
local sim = require "mobula.sim"

local MiB = 1024 * 1024

local function cluster(store)
  local machine = { cpus = 2, store = store }
  local c = sim.cluster { nodes = { head = machine, n1 = machine },
    config = { health_period = "500ms" } } -- much data holds up a health check
  c:run { until_time = "20ms" } -- they have found each other
  return c
end

-- A hundred values, nested, read by workers of the same and of another machine.
local c = cluster "256MiB"
local job = c:submit(function(m)
  local function on(node) return { scheduling_strategy = { node = node, soft = false } } end
  local make = m.remote("make", function(i)
    return { i = i, list = { m.bytes(100000 + i), "x", m.bytes(200000 + i) } }
  end)
  local look = m.remote("look", function(v)
    local a, b = v.list[1], v.list[3]
    return { v.i, #a, #b, a:byte(#a) + b:byte(#b) + a:byte(1) + #a:sub(-1000) }
  end)
  local values, here, there = {}, {}, {}
  for i = 1, 100 do
    values[i] = i % 2 == 0 and make.options(on "n1").remote(i)
      or m.put { i = i, list = { m.bytes(100000 + i), "x", m.bytes(200000 + i) } }
    here[i] = look.options(on "head").remote(values[i])
    there[i] = look.options(on "n1").remote(values[i])
  end
  local sum = 0
  for i = 1, 100 do
    local a, b, v = m.get(here[i]), m.get(there[i]), m.get(values[i])
    for k = 1, 4 do assert(a[k] == b[k]) end
    assert(v.i == i and #v.list[1] == a[2] and a[2] == 100000 + i and a[3] == 200000 + i)
    sum = sum + a[1]
  end
  return sum
end)
c:run { until_done = job, limit = "60s" }
assert.are.equal(5050, job:result())

-- Whoever wrote a value is dead before anybody reads it; nothing runs again.
c = cluster "256MiB"
job = c:submit(function(m)
  local make = m.remote("make", function() return m.bytes(20000000) end,
    { scheduling_strategy = { node = "n1", soft = false } })
  local x = make.remote()
  m.wait { x }
  m.sleep "100ms"
  local v, same = m.get(x), m.bytes(20000000)
  return #v == #same and v:sub(-70000) == same:sub(-70000) and v:byte(10000000) == same:byte(10000000)
end)
c:story("the writer dies", function()
  c:kill(c:await { "task.finished", task = "T1" }.worker)
end)
c:run { until_done = job, limit = "60s" }
assert.is_true(job:result())
assert.are.equal(1, c:attempts("T1"))

-- Many times what the stores hold, one value after the other.
c = cluster "32MiB"
job = c:submit(function(m, size)
  local function on(node) return { scheduling_strategy = { node = node, soft = false } } end
  local turn = m.remote("turn", function(v) return #v, m.bytes(#v) end,
    { num_returns = 2 })
  local sum = 0
  for i = 1, 40 do
    local x = m.put(m.bytes(size))
    local length, y = turn.options(on(i % 2 == 0 and "n1" or "head")).remote(x)
    sum = sum + m.get(length) + #m.get(y)
    x:drop()
    y:drop()
    length:drop()
  end
  return sum
end, 8 * MiB)
c:run { until_done = job, limit = "120s" }
assert.are.equal(40 * 2 * 8 * MiB, job:result())
c:run { until_idle = true, limit = "60s" }
assert.are.equal(0, c.state.store.used)
