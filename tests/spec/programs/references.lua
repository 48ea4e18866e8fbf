-- references.lua: the programs of references_spec.lua. What a program prints is
-- where its story looks; "quiet" is said when nothing should be left.
local m = require "mobula"

local P = {}

local function on(node) return { scheduling_strategy = { node = node, soft = true } } end

local function quiet(...)
  print "quiet"
  m.sleep("500ms")
  return ...
end

local function root(err)
  while err.cause do err = err.cause end
  return err
end

local FOREVER = { max_retries = -1 }

local make = m.remote("make", function(bytes, n)
  m.compute("1ms")
  return { n = n, data = m.bytes(bytes, n) }
end, FOREVER)
local look = m.remote("look", function(x) return x.n end)
local gate = m.remote("gate", function(time) m.compute(time) return { n = 0 } end)

-- --- references of the driver ---

-- Two names for one object: the second came out of a value.
function P.twice(bytes)
  local one = make.remote(bytes, 7)
  local box = m.put { one }
  local two = m.get(box)[1]
  box:drop()
  one:drop()
  print "one is left"
  local n = m.get(two).n
  two:drop()
  return quiet(n)
end

local hold = m.remote("hold", function(x, time)
  m.compute(time)
  return x.n
end, { max_retries = 0 })

-- Its argument is in a store, or small, and dropped at once.
function P.argument(bytes)
  local x = make.remote(bytes, 7)
  m.wait { x }
  local n = hold.remote(x, "60ms")
  x:drop()
  local answer = m.get(n)
  print "over"
  n:drop()
  return quiet(answer)
end

local fails = m.remote("fails", function(x, how)
  print "about to fail"
  m.compute("20ms")
  error "on purpose"
end, { max_retries = 0 })

-- The story may kill it before it can fail.
function P.fails(bytes, nested)
  local x = make.remote(bytes, 7)
  m.wait { x }
  local n
  if nested then n = fails.remote { x } else n = fails.remote(x) end
  x:drop()
  local _, err = m.try(n)
  n:drop()
  return quiet(root(err).name)
end

local both = m.remote("both", function(x, y) return x.n + y.n end)

-- A task that waits keeps its argument where it is.
function P.pending(bytes)
  local x = m.put { n = 7, data = m.bytes(bytes, 7) }
  local closed = gate.remote("200ms")
  local n = both.remote(x, closed)
  x:drop()
  for i = 1, 5 do -- they fill the store of the driver's machine
    local y = make.options(on "n3").remote(bytes, i)
    m.get(y)
    y:drop()
  end
  return m.get(n)
end

local keeper = m.remote("keeper", function(bytes)
  local mine = m.put { n = 7, data = m.bytes(bytes, 7) }
  local others = {}
  for i = 1, 5 do -- they fill the store of this machine
    others[i] = make.options(on "n3").remote(bytes, i)
    m.get(others[i])
  end
  return m.get(mine).n
end)

function P.keeper(bytes) return m.get(keeper.options(on "n2").remote(bytes)) end

-- --- references in arguments ---

local pending = m.remote("pending", function(t, closed)
  print "opened"
  m.compute("20ms")
  return m.get(t[1]).n
end, { max_retries = 0 })

-- It is dropped before the task can begin.
function P.serialized(bytes)
  local x = make.remote(bytes, 7)
  m.wait { x }
  local closed = gate.remote("50ms")
  local n = pending.remote({ x }, closed)
  x:drop()
  closed:drop()
  local answer, err = m.try(n)
  n:drop()
  return quiet(answer or err.name)
end

-- Each hands it to the next and returns that one's future; the last waits.
local recursive
recursive = m.remote("recursive", function(t, depth)
  if depth > 0 then return { recursive.remote(t, depth - 1) } end
  print "the last one"
  m.compute("40ms")
  return { n = m.get(t[1]).n }
end, { max_retries = 0 })

function P.recursive(bytes, deep)
  local x = make.remote(bytes, 7)
  m.wait { x }
  local at = recursive.remote({ x }, deep)
  x:drop()
  local value, err = m.try(at)
  while value and value[1] do
    at:drop()
    at = value[1]
    value, err = m.try(at)
  end
  at:drop()
  return quiet(value and value.n or root(err).name)
end

-- It gets the same one three times, drops two, and keeps the third for a task.
local duplicate = m.remote("duplicate", function(a, t)
  local later = hold.remote(t[2], "40ms")
  t[1]:drop()
  t.again[1]:drop()
  t[2]:drop()
  t[2]:drop()
  return { answer = later }
end)

function P.duplicate(bytes)
  local x = make.remote(bytes, 7)
  local box = duplicate.options(on "n1").remote(x, { x, x, again = { x } })
  local answer = m.get(box).answer
  box:drop()
  x:drop()
  print "kept"
  local n = m.get(answer)
  answer:drop()
  return quiet(n)
end

-- It returns what it was lent: to its owner, who lends it again, and again.
local back = m.remote("back", function(t) return { t[1] } end, FOREVER)

function P.back(bytes, times)
  local x = make.remote(bytes, 7)
  for i = 1, times do
    local box = back.options(on(i % 2 == 0 and "n1" or "n2")).remote { x }
    x:drop()
    x = m.get(box)[1]
    box:drop()
  end
  print "back"
  local n = m.get(x).n
  x:drop()
  return quiet(n)
end

-- --- references in values ---

function P.nested(bytes, deep)
  local x = make.remote(bytes, 7)
  for i = 1, deep do
    local outer = m.put { inner = x, data = m.bytes(i % 2 * bytes) }
    x:drop()
    x = outer
  end
  print "nested"
  m.sleep("20ms")
  x:drop()
  return quiet(deep)
end

-- As many tasks as dolls: each opens one and hands what is in it to the next.
local unwrap
unwrap = m.remote("unwrap", function(t, depth)
  local inner = m.get(t[1]).inner
  if depth > 1 then return { unwrap.remote({ inner }, depth - 1) } end
  print "the last one"
  m.compute("40ms")
  return { n = m.get(inner).n }
end, { max_retries = 0 })

function P.unwrap(bytes, deep)
  local x = make.remote(bytes, 7)
  for _ = 1, deep do
    local outer = m.put { inner = x }
    x:drop()
    x = outer
  end
  local at = unwrap.remote({ x }, deep)
  x:drop()
  local value, err = m.try(at)
  while value and value[1] do
    at:drop()
    at = value[1]
    value, err = m.try(at)
  end
  at:drop()
  return quiet(value and value.n or root(err).name)
end

-- A reference that belongs to the worker which returns it: of a task or of a put.
local give = m.remote("give", function(bytes, how)
  local x = how == "put" and m.put { n = 7, data = m.bytes(bytes, 7) } or make.remote(bytes, 7)
  m.wait { x }
  return { x = x }
end, FOREVER)

function P.given(bytes, how)
  local outer = give.options(on "n1").remote(bytes, how)
  local inner = m.get(outer).x
  outer:drop()
  print "the outer one is gone"
  m.sleep("30ms")
  local value, err = m.try(inner)
  inner:drop()
  return quiet(value and value.n or err.message)
end

local open = m.remote("open", function(t) return m.get(m.get(t[1]).x).n end, FOREVER)

-- It is handed on unopened: the driver never sees what is in it.
function P.passed(bytes, how)
  local outer = give.options(on "n1").remote(bytes, how)
  local n = open.options(on "n2").remote { outer }
  outer:drop()
  local answer = m.get(n)
  n:drop()
  return quiet(answer)
end

-- The reference goes down a chain of tasks, and each gives it back as well.
local carry
carry = m.remote("carry", function(t, depth)
  local inner = m.get(t[1]).x
  if depth == 0 then return { x = inner, n = m.get(inner).n } end
  return { x = inner, next = carry.remote(t, depth - 1) }
end)

function P.carried(bytes, how, deep)
  local outer = give.options(on "n1").remote(bytes, how)
  local box = carry.remote({ outer }, deep)
  outer:drop()
  local at, inner = m.get(box), nil
  box:drop()
  while at.next do
    local following = m.get(at.next)
    at.x:drop()
    at.next:drop()
    at = following
  end
  inner = at.x
  print "carried"
  local n = m.get(inner).n
  inner:drop()
  return quiet(n + at.n)
end

-- Each returns what the next has returned; the last one made it and owns it.
local raise
raise = m.remote("raise", function(bytes, how, depth)
  if depth > 0 then return m.get(raise.remote(bytes, how, depth - 1)) end
  local x = how == "put" and m.put { n = 7, data = m.bytes(bytes, 7) } or make.remote(bytes, 7)
  m.wait { x }
  return { x = x }
end, { num_cpus = 0.1 })

function P.raised(bytes, how, deep)
  local box = raise.remote(bytes, how, deep)
  local inner = m.get(box).x
  box:drop()
  print "the outer one is gone"
  m.sleep("30ms")
  local value, err = m.try(inner)
  inner:drop()
  return quiet(value and value.n or err.message)
end

-- A small argument takes the place of its reference, with what stands in it.
local second = m.remote("second", function(box)
  print(m.context().attempt == 1 and "first attempt" or "second attempt")
  m.compute("20ms")
  return m.get(box.x).n
end, { max_retries = 1 })
local wrap = m.remote("wrap", function(t) return { x = t[1] } end)

function P.second(bytes)
  local x = make.remote(bytes, 7)
  local box = wrap.remote { x }
  local n = second.remote(box)
  x:drop()
  box:drop()
  local answer = m.get(n)
  n:drop()
  return quiet(answer)
end

-- What a finished task took inside a table is needed when it runs again.
local opened = m.remote("opened", function(t, bytes)
  return { n = m.get(t[1]).n, data = m.bytes(bytes) }
end)

function P.lineage(bytes)
  local x = m.put { n = 7, data = m.bytes(bytes, 7) }
  local y = opened.options(on "n1").remote({ x }, bytes)
  m.wait { y }
  x:drop()
  print "lose"
  m.sleep("150ms")
  local n = m.get(y).n
  y:drop()
  return quiet(n)
end

-- --- borrowers and owners ---

local child = m.remote("child", function(t)
  m.compute("60ms")
  return m.get(t[1]).n
end, FOREVER)
-- It keeps what it was lent for a task of its own, and returns.
local keep = m.remote("keep", function(t)
  return { answer = child.options(on "n2").remote(t) }
end, FOREVER)

function P.kept(bytes)
  local x = make.options(on "n3").remote(bytes, 7)
  m.wait { x }
  local box = keep.options(on "n1").remote { x }
  x:drop()
  local answer = m.get(box).answer
  box:drop()
  print "kept"
  local n, err = m.try(answer)
  answer:drop()
  return quiet(n or err.name)
end

-- A worker that owns one object far away and one that is still being made,
-- with the driver and another worker waiting for both.
local own = m.remote("own", function(bytes)
  local x = make.options(on "n2").remote(bytes, 7)
  m.wait { x }
  return { x = x, y = child.options(on "n2").remote { x } }
end)
local wait_for = m.remote("wait_for", function(t)
  local _, err = m.try(t.y)
  return err.message
end)

function P.owned(bytes)
  local box = own.options(on "n1").remote(bytes)
  local t = m.get(box)
  local elsewhere = wait_for.options(on "n3").remote { y = t.y }
  m.sleep("20ms")
  print "lose"
  local _, y = m.try(t.y)
  local _, x = m.try(t.x)
  local other = m.get(elsewhere)
  return { x.name, x.message, y.name, y.message, other }
end

-- A body that gets references in several ways and drops none of them.
local careless = m.remote("careless", function(t)
  local mine = m.put { 1 }
  local called = make.remote(10, 1)
  m.wait { called }
  local got = m.get(t.box)
  m.compute("1ms")
end)

function P.careless()
  local a, b = m.put { 1 }, m.put { 2 }
  local box = m.put { b }
  local done = careless.options(on "n1").remote { x = a, box = box }
  m.get(done)
  m.sleep("20ms")
end

-- The driver ends with all of it in its hands.
function P.ends(bytes)
  local x = make.remote(bytes, 1)
  local box = m.put { x, m.put { n = 1, data = m.bytes(bytes) } }
  local given = m.get(give.remote(bytes, "put")).x
  gate.remote("500ms")
  m.wait { x, given }
  return look.remote(x) ~= nil and #box.id > 0
end

-- A bit of everything, for messages that are lost.
function P.parade(bytes)
  local x = make.options(on "n3").remote(bytes, 1)
  local b1, b2 = keep.options(on "n1").remote { x }, back.options(on "n2").remote { x }
  local outer = give.options(on "n1").remote(bytes, "task")
  local n = open.options(on "n2").remote { outer }
  x:drop()
  outer:drop()
  local a, again = m.get(b1).answer, m.get(b2)[1]
  b1:drop()
  b2:drop()
  local sum = m.get(a) + m.get(again).n + m.get(n)
  a:drop()
  again:drop()
  n:drop()
  return quiet(sum)
end

function m.main(what, ...) return P[what](...) end
