-- Lecture: lineage is memory, and memory is bounded.
--
-- To make an object again its owner must keep the description of the task that
-- made it, arguments and all, for as long as the object is there. A description
-- is small, but there are many: a driver that calls a million tasks and keeps
-- what they return would end as a list of everything it ever did. So there
-- is a bound. When it is crossed, the owner throws away the oldest descriptions
-- until half of the bound is free. The objects stay; they only cannot be made
-- again.
--
-- Here every task takes 10 KiB of text by value, and 64 KiB may be kept: six fit,
-- the seventh is too much, and the oldest four go. Nobody notices, until the
-- machine that holds all seven objects is lost: three come back.
--
-- What is dropped costs nothing: the second program drops the second object when
-- it has the third, and so on. It could go on for ever, and still the first comes
-- back: its description was never in the way.
local sim = require "mobula.sim"

local function program(m, hold)
  local make = m.remote("make", function(before, text)
    m.compute("1ms")
    return m.bytes("1MiB")
  end, { scheduling_strategy = { node = "n1", soft = true } })
  local refs = {}
  for i = 1, 7 do
    refs[i] = make.remote(i, ("x"):rep(10 * 1024))
    m.wait { refs[i] }
    if not hold and i > 2 then refs[i - 1]:drop() end
  end
  print "all are made"
  m.sleep("100ms")
  local back, gone = {}, {}
  for _, i in ipairs(hold and { 1, 2, 3, 4, 5, 6, 7 } or { 1, 7 }) do
    local data, err = m.try(refs[i])
    if data then back[#back + 1] = "O" .. i else gone[#gone + 1] = err.message end
  end
  return { back = back, gone = gone }
end

local function run(title, hold)
  local c = sim.cluster {
    nodes = { head = { cpus = 0 }, n1 = {}, n2 = {} }, config = { lineage_max = "64KiB" },
  }
  c:run { until_time = "50ms" }
  local job, evicted = c:submit(program, hold), {}
  local function note(e)
    evicted[#evicted + 1] = e.task
    print(string.format("%6.1f ms  %-8s %-16s its description is thrown away", c:now() * 1000,
      e.owner, e.task))
  end
  if hold then c:on("decide.evict_lineage", note) end
  c:once("output", { text = "all are made\n" }, function() c:kill "n1" end)
  c:run { until_done = job, limit = "10s" }
  local result = job:result()
  print(title .. ": back " .. table.concat(result.back, " "))
  for _, why in ipairs(result.gone) do print("  " .. why) end
  return result, evicted
end

local result, evicted = run("all are held", true)
assert.are.same({ "T1", "T2", "T3", "T4" }, evicted)
assert.are.same({ "O5", "O6", "O7" }, result.back)
assert.are.equal(4, #result.gone)
for _, why in ipairs(result.gone) do assert.matches("its lineage was evicted", why) end

result = run("most are dropped", false)
assert.are.same({ "O1", "O7" }, result.back)
