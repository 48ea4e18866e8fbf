-- real.lua: the workloads of real.py, on real processes. Prints one figure: so
-- many a second, GB a second, or seconds.
local m = require "mobula"

local nop = m.remote("nop", function() end)

-- Ray has one machine here, and the limit two processes; so has this.
local near = nop.options { scheduling_strategy = { node = "head", soft = false } }

local function per_second(count, work)
  local begun = m.now()
  work()
  return count / (m.now() - begun)
end

local function drop(refs)
  for i = 1, #refs do refs[i]:drop() end
end

-- Submits all, then gets all.
local function burst(count)
  local refs = {}
  for i = 1, count do refs[i] = nop.remote() end
  m.get(refs)
  drop(refs)
end

local function bursts(count)
  for left = count, 1, -1000 do burst(math.min(left, 1000)) end
end

local client = m.remote("client", function(count)
  bursts(count)
  return count
end)

local where = m.remote("where", function() return true end)
local length = m.remote("length", function(bytes) return #bytes end)

local work = {}

function work.sync(n)
  m.get(near.remote())
  return per_second(n, function()
    for _ = 1, n do
      local ref = near.remote()
      m.get(ref)
      ref:drop()
    end
  end)
end

function work.async(n)
  return per_second(n, function() bursts(n) end)
end

-- Each of them owns what it submits, as a driver does.
function work.clients(n)
  return per_second(n, function()
    local refs = {}
    for i = 1, 4 do refs[i] = client.remote(n // 4) end
    m.get(refs)
    drop(refs)
  end)
end

function work.put(n)
  return per_second(n, function()
    for i = 1, n do
      local ref = m.put(i)
      m.get(ref)
      ref:drop()
    end
  end)
end

function work.wait(n)
  return per_second(n, function()
    for _ = 1, n // 1000 do
      local refs = {}
      for i = 1, 1000 do refs[i] = nop.remote() end
      while #refs > 0 do
        local ready, rest = m.wait(refs)
        drop(ready)
        refs = rest
      end
    end
  end)
end

function work.queued(n)
  return per_second(n, function() burst(n) end)
end

-- A task has run on every machine.
function work.up()
  local refs = {}
  for i, name in ipairs { "head", "n1", "n2" } do
    refs[i] = where.options { scheduling_strategy = { node = name, soft = false } }.remote()
  end
  m.get(refs)
  return 1
end

-- The median of the second half: in the first, memory comes to be mapped.
local function settled(count, once)
  local took = {}
  for i = 1, count do took[i] = once() end
  took = table.move(took, count // 2 + 1, count, 1, {})
  table.sort(took)
  return took[#took // 2 + 1]
end

local MB = 1000000

function work.put_large(megabytes)
  return megabytes / 1000 / settled(megabytes > 400 and 8 or 16, function()
    local begun = m.now()
    local ref = m.put(m.bytes(megabytes * MB))
    local took = m.now() - begun
    ref:drop()
    return took
  end)
end

function work.get_large(megabytes)
  return settled(16, function()
    local ref = m.put(m.bytes(megabytes * MB))
    local begun = m.now()
    local bytes = m.get(ref)
    local _ = bytes:byte(#bytes)
    local took = m.now() - begun
    ref:drop()
    return took
  end)
end

-- A task on another machine has the value.
function work.wire(megabytes)
  local far = length.options { scheduling_strategy = { node = "n1", soft = false } }
  return megabytes / 1000 / settled(16, function()
    local ref = m.put(m.bytes(megabytes * MB))
    local begun = m.now()
    local result = far.remote(ref)
    m.get(result)
    local took = m.now() - begun
    drop { ref, result }
    return took
  end)
end

local alone = { up = true, put_large = true, get_large = true, wire = true }

function m.main(what, n)
  n = tonumber(n or 1000)
  if not alone[what] then burst(math.min(n, 1000)) end -- workers are there, and warm
  print(string.format("%.9f", work[what](n)))
end
