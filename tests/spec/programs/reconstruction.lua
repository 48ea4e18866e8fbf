-- reconstruction.lua: the programs of reconstruction_spec.lua. Each says "lose"
-- when its story is to break something, and gives it time to be noticed.
local m = require "mobula"

local P = {}

local function on(node) return { scheduling_strategy = { node = node, soft = true } } end

local function lose(text)
  print(text or "lose")
  m.sleep("150ms")
end

local function root(err)
  while err.cause do err = err.cause end
  return err
end

local make = m.remote("make", function(bytes, n)
  m.compute("2ms")
  return { n = n, data = m.bytes(bytes, n) }
end)
local once = make.options { max_retries = 0 }
local link = m.remote("link", function(x, bytes)
  m.compute("1ms")
  return { n = x.n + 1, data = m.bytes(bytes, x.n + 1) }
end)
local look = m.remote("look", function(x)
  m.compute("1ms")
  return x.n
end)

-- Fills the store of @node with copies of what is made on n3.
local function crowd(node, bytes)
  local others = {}
  for i = 1, 5 do
    others[i] = make.options(on "n3").remote(bytes, 100 + i)
    assert(m.get(look.options(on(node)).remote(others[i])) == 100 + i)
  end
end

function P.cached(bytes)
  local x = make.options(on "n1").remote(bytes, 7)
  m.get(look.options(on "n2").remote(x))
  lose()
  crowd("n2", bytes)
  return m.get(look.options(on "n2").remote(x))
end

function P.once(bytes)
  local x = make.options(on "n1").remote(bytes, 7)
  m.wait { x }
  lose()
  return m.get(x).n
end

function P.twice(bytes)
  local x = make.options(on "n1").options { max_retries = 1 }.remote(bytes, 7)
  m.wait { x }
  lose()
  local n = m.get(look.options(on "n1").remote(x))
  m.wait { x }
  lose()
  local _, late = m.try(look.remote(x))
  local _, err = m.try(x)
  return { n, root(late).name, err.name, err.message }
end

function P.put(bytes)
  local p = m.put { n = 6, data = m.bytes(bytes, 6) }
  local x = link.options(on "n1").remote(p, bytes)
  m.wait { x }
  p:drop()
  lose()
  for i = 1, 5 do -- they fill the store of the driver's machine
    local y = make.options(on "n3").remote(bytes, i)
    m.get(y)
  end
  return m.get(look.remote(x))
end

-- The first has nobody to make it again, and only the second is lost.
function P.kept(bytes)
  local x = once.options(on "n2").remote(bytes, 6)
  local y = link.options(on "n1").remote(x, bytes)
  m.wait { y }
  x:drop()
  lose()
  return m.get(look.remote(y))
end

function P.downstream(bytes)
  local x, ys, sum = make.options(on "n1").remote(bytes, 1), {}, 0
  for i = 1, 4 do ys[i] = link.options(on "n1").remote(x, bytes) end
  m.wait(ys, { num_returns = 4 })
  lose()
  for i = 1, 4 do sum = sum + m.get(look.remote(ys[i])) end
  return sum
end

-- A chain in which only the last link is held; sizes in turn.
function P.chain(length, ...)
  local sizes = { ... }
  local x = make.options(on "n1").remote(sizes[1], 1)
  for i = 2, length do
    local y = link.options(on "n1").remote(x, sizes[(i - 1) % #sizes + 1])
    x:drop()
    x = y
  end
  m.wait { x }
  m.sleep("20ms")
  lose()
  return m.get(look.remote(x))
end

function P.forgone(bytes)
  local x = make.options(on "n1").remote(bytes, 1)
  m.wait { x }
  x:drop()
  lose()
  return "nobody asked for it"
end

-- The borrower has the reference, and asks for the value when it is lost already.
local borrower = m.remote("borrower", function(t)
  lose()
  return m.get(t.x).n
end)

function P.borrowed(bytes)
  local x = make.options(on "n1").remote(bytes, 7)
  m.wait { x }
  return m.get(borrower.options(on "n2").remote { x = x })
end

-- The borrower waits for the value while it is lost.
local reader = m.remote("reader", function(t)
  local x, err = m.try(t.x)
  return x and x.n or root(err).name
end)

-- Everybody who waits in any way for what cannot come back.
function P.everybody(bytes)
  local x = once.options(on "n1").remote(bytes, 7)
  m.wait { x }
  print "lose" -- and before anybody has noticed:
  local task, borrows = look.options(on "n2").remote(x), reader.options(on "n2").remote { x = x }
  local _, err = m.try(task)
  local ready = m.wait { x }
  local _, own = m.try(x)
  local _, listed = m.try { x }
  local later = reader.options(on "n2").remote { x = x }
  local names = { root(err).name, own.name, listed.name, m.get(borrows), m.get(later) }
  return { names, #ready, own.message }
end

-- What two attempts return is told apart by who made it: the attempt.
local pair = m.remote("pair", function(first, second)
  m.compute("20ms")
  local attempt = m.context().attempt
  local a, b = first[attempt] or first[1], second[attempt] or second[1]
  return { n = attempt, data = m.bytes(a) }, { n = attempt, data = m.bytes(b) }
end, { num_returns = 2 })

-- Loses the first value; the second one is looked at before and after.
function P.pair(first, second)
  local x, y = pair.options(on "n1").remote(first, second)
  m.wait({ x, y }, { num_returns = 2 })
  local before = m.get(look.options(on "n2").remote(y))
  lose()
  local after = m.get(look.options(on "n2").remote(x))
  local borrowed = m.get(reader.options(on "n2").remote { x = x })
  return { before, after, borrowed, m.get(x).n, m.get(y).n, #m.get(x).data, #m.get(y).data }
end

-- main waits in get while what it waits for is being made again.
function P.waiting(bytes)
  local x, y = pair.options(on "n1").remote({ bytes }, { bytes })
  m.wait({ x, y }, { num_returns = 2 })
  print "lose"
  m.sleep("10ms")
  return m.get(x).n
end

-- Both are lost, the second while the task runs again for the first.
function P.both(bytes)
  local x, y = pair.options(on "n1").remote({ bytes }, { bytes })
  m.wait({ x, y }, { num_returns = 2 })
  lose()
  return m.get(look.remote(x)) + m.get(look.remote(y))
end

-- The second attempt returns more values than it said, or raises an error.
local moody = m.remote("moody", function(bytes, how)
  m.compute("2ms")
  if m.context().attempt == 1 then return { n = 1, data = m.bytes(bytes) }, { n = 2 } end
  if how == "raises" then error("not again") end
  return 1, 2, 3
end, { num_returns = 2 })

function P.moody(bytes, how)
  local x, y = moody.options(on "n1").remote(bytes, how)
  m.wait({ x, y }, { num_returns = 2 })
  lose()
  local _, err = m.try(x)
  return { root(err).name, m.get(y).n, err.message }
end

-- A task that puts, hands it to a child, and returns something large.
local nested = m.remote("nested", function(bytes)
  local p = m.put { n = 6, data = m.bytes(bytes, 6) }
  local n = m.get(look.options(on "n2").remote(p))
  return { n = n + 1, data = m.bytes(bytes) }
end)

function P.nested(bytes)
  local x = nested.options(on "n1").remote(bytes)
  m.wait { x }
  lose()
  local n = m.get(x).n
  x:drop()
  print "quiet"
  m.sleep("500ms")
  return n
end

function P.dependency(bytes)
  local x = once.options(on "n1").remote(bytes, 1)
  local y = link.options(on "n1").remote(x, bytes)
  m.wait { y }
  lose()
  local _, err = m.try(y)
  return { err.name, root(err).name, root(err).message }
end

-- It reads where nobody can hear it, and what it has then counts for nothing.
local unheard = m.remote("unheard", function(t)
  print "cut"
  m.sleep("20ms")
  return m.get(t.x).n
end)

function P.unheard(bytes)
  local x = make.options(on "n1").remote(bytes, 7)
  m.wait { x }
  local n = unheard.options(on "n2").remote { x = x }
  m.sleep("400ms")
  return m.get(n) + m.get(look.options(on "n3").remote(x))
end

-- All CPUs of n2 are busy when what the next one takes is lost.
local busy = m.remote("busy", function() m.compute("60ms") return 1 end)
local hard = { scheduling_strategy = { node = "n2", soft = false }, num_cpus = 1 }

function P.queued(bytes)
  local x, others = make.options(on "n1").remote(bytes, 7), {}
  m.wait { x }
  for i = 1, 4 do others[i] = busy.options(hard).remote() end
  m.sleep("20ms")
  local n = look.options(hard).remote(x)
  m.sleep("10ms")
  lose()
  return m.get(n)
end

function P.fetched(bytes)
  local x = make.options(on "n1").remote(bytes, 7)
  m.wait { x }
  return m.get(look.options(on "n2").remote(x))
end

local slow = m.remote("slow", function(bytes)
  m.compute("300ms")
  return { n = m.context().attempt, data = m.bytes(bytes) }
end)

function P.slow(bytes)
  local x, n = slow.remote(bytes), nil
  for _ = 1, 3 do
    m.wait { x }
    lose()
    n = m.get(look.remote(x))
  end
  return n
end

-- It may not be retried, and runs when its machine is to leave.
local last = m.remote("last", function()
  print "leave"
  m.compute("50ms")
  return 1
end, { max_retries = 0 })

function P.leaving(bytes)
  local one = last.options(on "n1").remote()
  return m.get(one) + m.get(look.options(on "n1").remote(make.remote(bytes, 7)))
end

-- Small links leave nothing behind but the last one; large ones go with it.
function P.long(bytes)
  local x = make.remote(bytes, 1)
  for _ = 1, 40 do
    local y = link.remote(x, bytes)
    x:drop()
    x = y
  end
  m.wait { x }
  m.sleep("50ms")
  print "one is held"
  x:drop()
  m.sleep("50ms")
  print "quiet"
  m.sleep("500ms")
end

function m.main(what, ...) return P[what](...) end
