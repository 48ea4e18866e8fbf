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

function m.main(what, ...)
  local held = {}
  local function keep(ref)
    held[#held + 1] = ref
    return ref
  end
  local ok, answer = pcall(W[what], keep, ...)
  for _, r in ipairs(held) do r:drop() end
  print "quiet"
  m.sleep("3s")
  if not ok then error(answer, 0) end
  return answer
end
