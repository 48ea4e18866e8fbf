-- spill.lua: programs whose data do not fit into the stores of all machines
-- together: what is made goes to disk and comes back, or is sent from there.
--
-- main runs the one that it is asked for, drops every reference that is left,
-- says "quiet" and stays for a while: whatever is still there then has leaked.
local m = require "mobula"

local FOREVER = { max_retries = -1 }
local W = {}

local function sum(list)
  local s = 0
  for _, x in ipairs(list) do s = s + x end
  return s
end

local make = m.remote("make", function(bytes, n)
  m.compute("1ms")
  return { n = n, data = m.bytes(bytes, n) }
end, FOREVER)

local follow = m.remote("follow", function(x, bytes)
  m.compute("1ms")
  return { n = x.n + 1, data = m.bytes(bytes, x.n) }
end, FOREVER)

local number = m.remote("number", function(...)
  m.compute("1ms")
  local s = 0
  for _, x in ipairs { ... } do s = s + x.n end
  return s
end, FOREVER)

-- The driver puts more than there is room for and reads it, forwards and back.
function W.puts(keep, bytes, count)
  local refs, s = {}, 0
  for i = 1, count do refs[i] = keep(m.put { n = i, data = m.bytes(bytes, i) }) end
  for i = 1, count do s = s + m.get(refs[i]).n end
  for i = count, 1, -1 do s = s + m.get(refs[i]).n end
  return s
end

-- Tasks make more than there is room for; then each is used on some machine.
function W.results(keep, bytes, count)
  local refs, out = {}, {}
  for i = 1, count do refs[i] = keep(make.remote(bytes, i)) end
  m.wait(refs, { num_returns = #refs })
  for i = 1, count do out[i] = keep(number.remote(refs[i])) end
  return sum(m.get(out))
end

-- All of them at once, by one get.
function W.gets(keep, bytes, count)
  local refs, s = {}, 0
  for i = 1, count do refs[i] = keep(make.remote(bytes, i)) end
  for _, x in ipairs(m.get(refs)) do s = s + x.n end
  return s
end

-- Several arguments each, from all over.
function W.shuffle(keep, bytes, count)
  local rows, out = {}, {}
  for i = 1, count do rows[i] = keep(make.remote(bytes, i)) end
  for i = 1, count do
    local j, k = i % count + 1, (i + count // 2) % count + 1
    out[i] = keep(number.remote(rows[i], rows[j], rows[k]))
  end
  return sum(m.get(out))
end

-- Chains side by side whose links stay.
function W.chains(keep, bytes, count)
  local ends, s = {}, 0
  for i = 1, 4 do
    local at = keep(make.remote(bytes, i))
    for _ = 2, count // 4 do at = keep(follow.remote(at, bytes)) end
    ends[i] = at
  end
  for _, r in ipairs(ends) do s = s + m.get(r).n end
  return s
end

-- Half of what is in a file is dropped, the rest is wanted.
function W.halves(keep, bytes, count)
  local refs, s = {}, 0
  for i = 1, count do refs[i] = make.remote(bytes, i) end
  for i = 2, count, 2 do keep(refs[i]) end
  m.wait(refs, { num_returns = #refs })
  for i = 1, count, 2 do refs[i]:drop() end
  for i = 2, count, 2 do s = s + m.get(keep(number.remote(refs[i]))) end
  return s
end

-- What is spilled is wanted by many at the same time.
function W.fan(keep, bytes, count)
  local refs, out = {}, {}
  for i = 1, count do refs[i] = keep(make.remote(bytes, i)) end
  m.wait(refs, { num_returns = #refs })
  for i = 1, 16 do out[i] = keep(number.remote(refs[1 + i % 2])) end
  return sum(m.get(out))
end

-- A worker owns it all, and reads it while its task runs.
local nest = m.remote("nest", function(what, bytes, count)
  return W[what](function(...) return ... end, bytes, count)
end, FOREVER)

function W.nest(keep, bytes, count) return m.get(keep(nest.remote("puts", bytes, count))) end

function m.main(what, bytes, count)
  local held = {}
  local function keep(...)
    for _, r in ipairs { ... } do held[#held + 1] = r end
    return ...
  end
  local ok, answer = pcall(W[what], keep, bytes, count)
  for _, r in ipairs(held) do r:drop() end
  if not ok then print "failed" end
  print "quiet"
  m.sleep("3s")
  if not ok then error(answer, 0) end
  return answer
end
