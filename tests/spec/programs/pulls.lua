-- pulls.lua: programs that move large values between machines: one to many, many
-- to one, more than a store holds, and all of it at the same time.
--
-- main runs the one that it is asked for, drops every reference that is left,
-- says "quiet" and stays for a while: whatever is still there then has leaked.
local m = require "mobula"

local FOREVER = { max_retries = -1 }
local W = {}

local make = m.remote("make", function(bytes, n)
  m.compute("1ms")
  return { n = n, data = m.bytes(bytes, n) }
end, FOREVER)

local number = m.remote("number", function(x)
  m.compute("1ms")
  return x.n
end, FOREVER)

local get_it = m.remote("get_it", function(box) return m.get(box[1]).n end, FOREVER)

local function on(node) return { scheduling_strategy = { node = node, soft = true } } end

local function sum(list)
  local s = 0
  for _, x in ipairs(list) do s = s + x end
  return s
end

-- One value, an argument of tasks on every machine.
function W.spread(keep, bytes, machines)
  local value = keep(make.remote(bytes, 3))
  local refs = {}
  for i = 1, machines do refs[i] = keep(number.options(on("n" .. i)).remote(value)) end
  return sum(m.get(refs))
end

-- One value, which tasks on every machine get; half of them come later.
function W.spread_get(keep, bytes, machines)
  local value = keep(make.remote(bytes, 3))
  local refs = {}
  for i = 1, machines do
    refs[i] = keep(get_it.options(on("n" .. i)).remote({ value }))
    if i == machines // 2 then m.sleep("3ms") end
  end
  return sum(m.get(refs))
end

-- Several values, each to every machine, at the same time.
function W.spread_all(keep, bytes, machines)
  local refs = {}
  for v = 1, 3 do
    local value = make.remote(bytes, v)
    for i = 1, machines do
      refs[#refs + 1] = keep((i % 2 == 0 and number or get_it).options(on("n" .. i)).remote(
        i % 2 == 0 and value or { value }))
    end
    keep(value)
  end
  return sum(m.get(refs))
end

-- Wanted by all, and by some no more before it has come.
function W.change_of_mind(keep, bytes, machines)
  local value = keep(make.remote(bytes, 3))
  local early = m.remote("early", function(box)
    m.wait({ box[1] }, { num_returns = 1, timeout = "2ms" })
    return 3
  end, FOREVER)
  local refs = {}
  for i = 1, machines do
    local ask = i % 2 == 1 and early or get_it
    refs[i] = keep(ask.options(on("n" .. i)).remote({ value }))
  end
  return sum(m.get(refs))
end

-- --- more than there is room for: values lie on "big", and are wanted on "small" ---

local SMALL = { scheduling_strategy = { node = "small", soft = false }, max_retries = -1 }
local BIG = { scheduling_strategy = { node = "big", soft = false }, max_retries = -1 }

local function values(keep, count, bytes)
  local refs = {}
  for i = 1, count do refs[i] = keep(make.options(BIG).remote(bytes, i)) end
  return refs
end

local function with(options, more)
  local all = {}
  for k, v in pairs(options) do all[k] = v end
  for k, v in pairs(more) do all[k] = v end
  return all
end

local two = m.remote("two", function(a, b, ms)
  m.compute(ms .. "ms")
  return a.n + b.n
end, FOREVER)

local get_both = m.remote("get_both", function(box)
  local a, b = table.unpack(m.get(box))
  return a.n + b.n
end, FOREVER)

-- Arguments of all tasks together are many times the store.
function W.args(keep, bytes, ms)
  local v, refs = values(keep, 12, bytes), {}
  for i = 1, 12 do refs[i] = keep(two.options(SMALL).remote(v[i], v[i % 12 + 1], ms)) end
  return sum(m.get(refs))
end

-- A body that gets more than the store holds, one after the other and at once.
function W.gets(keep, bytes)
  local v = values(keep, 12, bytes)
  local all = m.remote("all", function(box)
    local s = 0
    for _, x in ipairs(m.get(box)) do s = s + x.n end
    return s
  end, FOREVER)
  return m.get(keep(all.options(SMALL).remote(v)))
end

-- Waiting for all of them does not need room for all.
function W.wait_all(keep, bytes)
  local v = values(keep, 12, bytes)
  local all = m.remote("all", function(box)
    local ready = m.wait(box, { num_returns = #box })
    local s = 0
    for _, r in ipairs(ready) do s = s + m.get(r).n end
    return s
  end, FOREVER)
  return m.get(keep(all.options(SMALL).remote(v)))
end

-- Arguments, gets and waits of many bodies at the same time.
function W.medley(keep, bytes, ms)
  local v, refs = values(keep, 12, bytes), {}
  local await = m.remote("await", function(box)
    local ready, rest = m.wait(box, { num_returns = 1 })
    return m.get(ready[1]).n - m.get(ready[1]).n + #rest
  end, FOREVER)
  for i = 1, 12 do
    local a, b = v[i], v[i % 12 + 1]
    if i % 3 == 0 then refs[i] = keep(two.options(SMALL).remote(a, b, ms))
    elseif i % 3 == 1 then refs[i] = keep(get_both.options(SMALL).remote({ a, b }))
    else refs[i] = keep(await.options(SMALL).remote({ a, b })) end
  end
  return sum(m.get(refs))
end

-- Arguments wait for a CPU that a body holds, which gets something itself: it
-- must not wait for the room that they have.
function W.held_cpu(keep, bytes)
  local v, refs = values(keep, 6, bytes), {}
  local holder = m.remote("holder", function(box)
    m.compute("20ms") -- the others have their arguments by then
    return m.get(box[1]).n
  end, FOREVER)
  local disk = with(SMALL, { num_cpus = 0, resources = { disk = 1 } })
  refs[1] = keep(holder.options(disk).remote({ v[1] }))
  for i = 2, 6 do refs[i] = keep(number.options(disk).remote(v[i])) end
  return sum(m.get(refs))
end

-- The same for a body that makes something.
function W.held_cpu_put(keep, bytes)
  local v, refs = values(keep, 6, bytes), {}
  local maker = m.remote("maker", function(bytes)
    m.compute("20ms")
    return { n = 1, data = m.bytes(bytes, 1) }
  end, FOREVER)
  local disk = with(SMALL, { num_cpus = 0, resources = { disk = 1 } })
  refs[1] = keep(maker.options(disk).remote(bytes))
  for i = 2, 6 do refs[i] = keep(number.options(disk).remote(v[i])) end
  local s = 0
  for i = 2, 6 do s = s + m.get(refs[i]) end
  return s + m.get(refs[1]).n
end

-- A body lends its CPU while it waits for a tick. When it comes back, a task may
-- have its arguments, and wait for that CPU; and the body wants room.
function W.lent_cpu(keep, bytes)
  local tick = m.remote("tick", function(i)
    m.compute(i .. "ms")
    return i
  end, FOREVER)
  local lender = m.remote("lender", function(ticks, bytes)
    local s = 0
    for _, t in ipairs(ticks) do
      s = s + m.get(t)
      m.put(m.bytes(2 * bytes, s)):drop()
    end
    return s
  end, FOREVER)
  local v, ticks, refs = values(keep, 8, bytes), {}, {}
  for i = 1, 4 do ticks[i] = keep(tick.options(with(BIG, { num_cpus = 0 })).remote(3 * i)) end
  local s = keep(lender.options(SMALL).remote(ticks, bytes))
  for i = 1, 4 do refs[i] = keep(two.options(SMALL).remote(v[i], v[i + 4], 1)) end
  return m.get(s) + sum(m.get(refs))
end

-- A task works for longer than anything may wait for room, with all of it pinned.
function W.long_task(keep, bytes)
  local v, refs = values(keep, 6, bytes), {}
  for i = 1, 6, 2 do refs[#refs + 1] = keep(two.options(SMALL).remote(v[i], v[i + 1], 2500)) end
  return sum(m.get(refs))
end

-- A body that gets a value while tasks with arguments come and go all the time.
function W.not_starved(keep, bytes)
  local v, refs = values(keep, 12, bytes), {}
  local large = keep(make.options(BIG).remote(3 * bytes, 7))
  for i = 1, 40 do refs[i] = keep(number.options(SMALL).remote(v[i % 12 + 1])) end
  local late = keep(get_it.options(with(SMALL, { num_cpus = 0 })).remote({ large }))
  local seven = m.get(late)
  local ready = m.wait(refs, { num_returns = #refs, timeout = 0 })
  return seven + (#ready < #refs and 1 or 0), sum(m.get(refs))
end

function m.main(what, ...)
  local held = {}
  local function keep(ref)
    held[#held + 1] = ref
    return ref
  end
  local ok, answer = pcall(W[what], keep, ...)
  if not ok and #held > 0 then m.wait(held, { num_returns = #held }) end -- the other tasks go on
  for _, r in ipairs(held) do r:drop() end
  print "quiet"
  m.sleep("3s")
  if not ok then error(answer, 0) end
  return answer
end
