-- refs.lua: values that hold many references, and an owner of many objects, on
-- real processes. Prints one line of JSON: so many a second.
local m = require "mobula"

local function drop(refs)
  for i = 1, #refs do refs[i]:drop() end
end

local function puts(count)
  local refs = {}
  for i = 1, count do refs[i] = m.put(i) end
  return refs
end

-- The time does not go on within a step of a task: only a call moves it.
local function clock()
  m.put(0):drop()
  return m.now()
end

-- How often a second @once can be done: the median of @times.
local function rate(times, once)
  local took = {}
  for i = 1, times do
    local begun = clock()
    once()
    took[i] = clock() - begun
  end
  table.sort(took)
  return 1 / took[times // 2 + 1]
end

local function get_and_drop(ref)
  drop(m.get(ref))
end

local make = m.remote("make", puts)

local read = m.remote("read", function(box, times)
  get_and_drop(box[1])
  return rate(times, function() get_and_drop(box[1]) end)
end)

local work = {}

-- References of the driver, which it has put itself.
function work.own(count, times)
  local refs = puts(count)
  local outer = m.put(refs)
  return rate(times, function() get_and_drop(outer) end)
end

-- References of a worker; the driver has been registered with the value, as in Ray's benchmark.
function work.known(count, times)
  local outer = make.remote(count)
  get_and_drop(outer)
  return rate(times, function() get_and_drop(outer) end)
end

-- References of the driver, for which a worker is registered at each get.
function work.strange(count, times)
  local refs = puts(count)
  local outer = m.put(refs)
  return m.get(read.remote({ outer }, times))
end

-- One put, get and drop more, with @count objects alive.
function work.live(count, times)
  local refs = puts(count)
  local each = 1000
  return each * rate(times, function()
    for _ = 1, each do
      local ref = m.put(1)
      m.get(ref)
      ref:drop()
    end
  end) + 0 * #refs
end

function m.main(what, count, times)
  print(string.format("%.3f", work[what](tonumber(count), tonumber(times))))
end
