-- memory.lua: the programs of memory_spec.lua.
local m = require "mobula"

local P = {}

local function on(node) return { scheduling_strategy = { node = node, soft = false } } end

local function quiet(...)
  print "quiet"
  m.sleep("500ms")
  return ...
end

local make = m.remote("make", function(bytes, n)
  m.compute("1ms")
  return { n = n, data = m.bytes(bytes, n) }
end)
local look = m.remote("look", function(x)
  m.compute("2ms")
  return x.n
end)
local both = m.remote("both", function(x, y)
  m.compute("2ms")
  return x.n + y.n
end)

local function drop(refs) for _, r in ipairs(refs) do r:drop() end end

local function made(node, count, bytes)
  local refs = {}
  for i = 1, count do refs[i] = make.options(on(node)).remote(bytes, i) end
  m.wait(refs, { num_returns = count })
  return refs
end

-- Many objects on one machine, all of which somebody holds; then each is read there.
function P.many(bytes, count)
  local refs, sum = made("n1", count, bytes), 0
  print "made"
  for i = 1, count do
    local n = look.options(on "n1").remote(refs[i])
    sum = sum + m.get(n)
    n:drop()
  end
  drop(refs)
  return quiet(sum)
end

-- Several tasks want the same one at once, here and on another machine.
function P.wanted(bytes, count, node)
  local refs, out, sum = made("n1", count, bytes), {}, 0
  m.sleep("30ms")
  print "made"
  for i = 1, 4 do out[i] = look.options(on(node)).remote(refs[1]) end
  for i = 1, 4 do sum = sum + m.get(out[i]) end
  drop(out)
  drop(refs)
  return quiet(sum)
end

-- All arguments together are many times what the store of n2 holds.
function P.arguments(bytes, count)
  local refs, out, sum = made("n1", count, bytes), {}, 0
  for i = 1, count do
    out[i] = both.options(on "n2").remote(refs[i], refs[i % count + 1])
  end
  for i = 1, count do sum = sum + m.get(out[i]) end
  drop(out)
  drop(refs)
  return quiet(sum)
end

-- It puts more than its store holds, and its worker may be killed.
local hoard = m.remote("hoard", function(bytes, count)
  local refs = {}
  for i = 1, count do refs[i] = m.put { n = i, data = m.bytes(bytes, i) } end
  print "hoarded"
  m.sleep("50ms")
  return count
end, { max_retries = 0 })

function P.hoard(bytes, count)
  local n = hoard.options(on "n1").remote(bytes, count)
  local v, err = m.try(n)
  n:drop()
  return quiet(v or err.name)
end

-- The driver ends while its objects are on disk.
function P.ends(bytes, count)
  local refs = made("n1", count, bytes)
  m.sleep("30ms")
  return #refs
end

-- One larger than the store, and then one that fits.
function P.larger(bytes)
  local x = make.options(on "n1").remote(10 * bytes, 1)
  local _, err = m.try(x)
  local y = make.options(on "n1").remote(bytes, 2)
  local n = m.get(look.options(on "n1").remote(y))
  drop { x, y }
  return { err.name, n }
end

function m.main(what, ...) return P[what](...) end
