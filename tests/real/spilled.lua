-- What a store has no room for goes to files of a real disk and comes back: right to
-- the last byte, to whatever machine; and a disk that is full, or whose folder is
-- gone, is an error to whoever needs it and to nobody else.
--
--   tests/spilled.sh MOBULA SOURCE
local sim = require "mobula.sim"

local MB = 1000000
local SIZE, COUNT = 2 * MB, 50 -- 100 MB through stores of 32 MiB

local function cluster(config)
  config = config or {}
  config.health_period = "500ms" -- much data holds up a health check
  local machine = { cpus = 2, store = "32MiB" }
  local c = sim.cluster { nodes = { head = machine, n1 = machine }, config = config }
  local told = { spilled = 0, restored = 0 }
  c:on("object.spilled", function() told.spilled = told.spilled + 1 end)
  c:on("object.restored", function() told.restored = told.restored + 1 end)
  c:run { until_time = "20ms" } -- they have found each other
  return c, told
end

-- The driver's values, and those of tasks on both machines; each is read by the driver
-- and by a task on either machine.
local function program(m, SIZE, COUNT)
  local function on(node) return { scheduling_strategy = { node = node, soft = false } } end
  local make = m.remote("make", function(i, size) return { i = i, data = m.bytes(size + i, i) } end)
  local look = m.remote("look", function(v)
    return { v.i, #v.data, v.data:byte(1), v.data:byte(#v.data // 2), v.data:byte(#v.data) }
  end)
  local refs, sum = {}, 0
  for i = 1, COUNT do
    if i % 3 == 0 then
      refs[i] = m.put { i = i, data = m.bytes(SIZE + i, i) }
    else
      refs[i] = make.options(on(i % 3 == 1 and "n1" or "head")).remote(i, SIZE)
      m.wait { refs[i] }
    end
  end
  for i = 1, COUNT do
    local same = m.bytes(SIZE + i, i)
    local there = m.get(look.options(on(i % 2 == 0 and "n1" or "head")).remote(refs[i]))
    local v = m.get(refs[i])
    assert(v.i == i and there[1] == i and there[2] == SIZE + i and #v.data == SIZE + i)
    assert(v.data:sub(1, 5000) == same:sub(1, 5000) and v.data:sub(-5000) == same:sub(-5000))
    assert(there[3] == same:byte(1) and there[4] == same:byte(#same // 2)
      and there[5] == same:byte(#same))
    sum = sum + i
  end
  return sum
end

local c, told = cluster()
local job = c:submit(program, SIZE, COUNT)
c:run { until_done = job, limit = "60s" }
assert.are.equal(COUNT * (COUNT + 1) // 2, job:result())
assert.is_true(told.spilled >= 20 and told.restored >= 20)

-- The disk of the machine where the driver is fills up: putting more is an error, what is
-- there stays, and the other machine goes on. Once there is room again, so does this one.
c = cluster { store_full_grace = "200ms" }
job = c:submit(function(m, SIZE)
  local function on(node) return { scheduling_strategy = { node = node, soft = false } } end
  local make = m.remote("make", function(i, size) return m.bytes(size, i) end)
  local refs = {}
  for i = 1, 30 do refs[i] = m.put(m.bytes(SIZE, i)) end
  print "full"
  m.sleep "100ms"
  local ok, err
  for i = 31, 60 do
    ok, err = pcall(m.put, m.bytes(SIZE, i))
    if not ok then break end
  end
  assert(not ok, "a disk that is full took it")
  local why = tostring(err)
  local there = {}
  for i = 1, 30 do there[i] = make.options(on "n1").remote(i, SIZE) end
  m.wait(there, { num_returns = 30 })
  print "heal"
  m.sleep "300ms"
  for i = 31, 50 do refs[i] = m.put(m.bytes(SIZE, i)) end
  for i = 1, 50 do
    assert(m.get(refs[i]):sub(-1000) == m.bytes(SIZE, i):sub(-1000))
  end
  return why
end, SIZE)
local full
c:story("the disk is full for a while", function()
  c:await("output", { text = "full\n" })
  full = c:disk("head", { full = true })
  c:await("output", { text = "heal\n" })
  full:heal()
end)
c:run { until_done = job, limit = "60s" }
assert.is_truthy(job:result():find("OutOfDiskError", 1, true))

-- The folder is removed in the middle: what tasks have made is made again, what was put
-- is lost, and says so; and new files are written in a new folder.
c, told = cluster()
job = c:submit(function(m, SIZE)
  local make = m.remote("make", function(i, size) return m.bytes(size, i) end, { max_retries = -1,
    scheduling_strategy = { node = "head", soft = false } })
  local puts, made = {}, {}
  for i = 1, 30 do
    puts[i] = m.put(m.bytes(SIZE, i))
    made[i] = make.remote(i, SIZE)
    m.wait { made[i] }
  end
  print "gone"
  m.sleep "100ms"
  local lost = 0
  for i = 1, 30 do
    assert(m.get(made[i]):sub(-1000) == m.bytes(SIZE, i):sub(-1000))
    local ok, v = pcall(m.get, puts[i])
    if ok then
      assert(v:sub(-1000) == m.bytes(SIZE, i):sub(-1000))
    else
      assert(tostring(v):find("ObjectLostError", 1, true) or
        tostring(v):find("ObjectReconstructionFailedError", 1, true), tostring(v))
      lost = lost + 1
    end
  end
  return lost
end, SIZE)
local before
c:story("the folder is gone for a moment", function()
  c:await("output", { text = "gone\n" })
  local gone = c:disk("head", { gone = true })
  c:sleep "20ms"
  gone:heal()
  before = told.spilled
end)
c:run { until_done = job, limit = "60s" }
assert.is_true(job:result() > 0)
assert.is_true(told.spilled > before, "nothing was spilled any more")
