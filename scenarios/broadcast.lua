-- Lecture: one object, wanted by many machines.
--
-- A gigabyte lies on the head, and a task on each of n machines needs it. The
-- naive way asks whoever has it: the head sends it n times through one network
-- card, and with 50 machines the last has it after forty seconds, while 49
-- other cards have sent nothing.
--
-- Here the owner of the object is its directory, and sends each machine to one
-- that collects the object already: pieces are handed on as they arrive. A
-- large object runs along a chain, in which every card receives it once and
-- sends it once, so 50 machines take hardly longer than one (Hoplite does this
-- for Ray). A chain of single pieces would be slow, so a small object spreads
-- in a tree instead. Who stands where is the owner's to say, and nobody is sent
-- to a machine that began after it: so they never wait in a circle.
--
-- A machine in the middle may die: those behind it are sent to another, keep
-- what they have, and go on from there.
--
-- The figures alone:  mobula run -q scenarios/broadcast.lua
local sim = require "mobula.sim"

local function program(m, bytes, receivers)
  local measure = m.remote("measure", function(value) return #value end)
  local value = m.put(m.bytes(bytes))
  local start, refs = m.now(), {}
  for i = 1, receivers do
    local there = { scheduling_strategy = { node = "n" .. i, soft = false }, max_retries = 0 }
    refs[i] = measure.options(there).remote(value)
  end
  local here = 0
  for _, ref in ipairs(refs) do
    local ok, size = pcall(m.get, ref)
    if ok and size == bytes then here = here + 1 end
  end
  return { seconds = m.now() - start, here = here }
end

local function cluster(receivers, config)
  config.pull_retry = "60s" -- the head's card is busy for so long; nobody becomes impatient
  local c = sim.cluster { nodes = receivers + 1, cpus = 1, config = config }
  c:run { until_time = "50ms" } -- the machines have found each other
  return c
end

local function measure(bytes, receivers, config)
  local c = cluster(receivers, config)
  local job = c:submit(program, bytes, receivers)
  c:run { until_done = job, limit = "100s" }
  local result = job:result()
  assert.are.equal(receivers, result.here)
  return result.seconds
end

local function bar(seconds, longest)
  local width = 44
  return string.rep("█", math.max(1, math.floor(seconds / longest * width + 0.5)))
end

local function compare(title, bytes, counts)
  local naive, broadcast = {}, {}
  for _, n in ipairs(counts) do
    naive[n] = measure(bytes, n, { receivers_max = 0 })
    broadcast[n] = measure(bytes, n, {})
  end
  local slowest = naive[counts[#counts]]
  print(title)
  for _, n in ipairs(counts) do
    print(string.format("%4d machines  naive     %9.3f s %s", n, naive[n], bar(naive[n], slowest)))
    print(string.format("               broadcast %9.3f s %s", broadcast[n], bar(broadcast[n], slowest)))
  end
  return naive, broadcast
end

local MB = 1000000
if sim.world ~= "sim" then -- real cards are as fast as they are, and all of one machine
  compare("twenty megabytes", 20 * MB, { 1, 2, 3 })
  return
end

local GB = 1000 * MB
local naive, broadcast = compare("a gigabyte, in 191 pieces", GB, { 1, 2, 5, 10, 20, 50 })
assert.is_true(naive[50] > 45 * naive[1], "one card sends it fifty times")
assert.is_true(broadcast[50] < 3 * broadcast[1])
assert.near(naive[1], broadcast[1], 0.001)

naive, broadcast = compare("four megabytes, in one piece", 4 * MB, { 1, 50 })
assert.is_true(broadcast[50] < naive[50] / 4, "about as many rounds as fifty has binary digits")

-- n5 dies in the middle, and with it the one of whom n6 was fed.
local c = cluster(10, {})
local job = c:submit(program, GB, 10)
c:at("400ms", function() c:kill("n5") end)
c:run { until_done = job, limit = "100s" }
local result = job:result()
print(string.format("ten machines, of which n5 dies on the way: the other %d have it after %.3f s",
  result.here, result.seconds))
assert.are.equal(9, result.here)
assert.is_true(result.seconds < 1.5 * measure(GB, 10, {}), "what they had is not sent again")
