-- regressions.lua: the programs of regressions_spec.lua that need tasks which
-- submit tasks. "quiet" is said when nothing should be left.
local m = require "mobula"

local P = {}

local function on(node) return { scheduling_strategy = { node = node, soft = false } } end
local function near(node) return { scheduling_strategy = { node = node, soft = true } } end

local make = m.remote("make", function(bytes, n)
  m.compute("1ms")
  return { n = n, data = m.bytes(bytes, n) }
end, { max_retries = -1 })

local number = m.remote("number", function(x) return x.n end, { max_retries = -1 })

local function quiet()
  print "quiet"
  m.sleep("3s")
end

-- A value in a store whose reference belongs to the worker that made it.
local box = m.remote("box", function(bytes)
  local r = make.options(near "n2").remote(bytes, 7)
  m.wait { r }
  return { r = r, data = m.bytes(bytes) }
end, { max_retries = -1 })

function P.boxed_again(bytes)
  local b = box.options(near "n1").remote(bytes)
  m.wait { b }
  print "kill"
  m.sleep("100ms")
  local r = m.get(b).r
  b:drop()
  m.sleep("10ms")
  local n = m.get(r).n
  r:drop()
  quiet()
  return n
end

-- It is made again where there is room for nothing else.
function P.boxed_and_spilled(bytes)
  local b = box.options(near "n1").remote(bytes)
  m.wait { b }
  print "kill"
  m.sleep("100ms")
  local more = { make.options(near "n2").remote(bytes, 1), make.options(near "n2").remote(bytes, 2) }
  m.wait(more, { num_returns = 2 })
  local r = m.get(b).r
  local n = m.get(r).n + m.get(more[1]).n + m.get(more[2]).n
  b:drop()
  r:drop()
  for i = 1, 2 do more[i]:drop() end
  quiet()
  return n
end

-- Three copies, and nothing that could make it again.
local once = m.remote("once", function(bytes) return { n = 5, data = m.bytes(bytes) } end,
  { max_retries = 0 })

function P.pinned(bytes)
  local x = once.options(on "n1").remote(bytes)
  m.get { number.options(on "n2").remote(x), number.options(on "n3").remote(x) }
  print "kill"
  m.sleep("100ms")
  -- What is not pinned makes room for this.
  local others = {}
  for i = 1, 3 do others[i] = make.options(on "n3").remote(bytes, i) end
  m.wait(others, { num_returns = 3 })
  return m.get(x).n
end

-- Two leases on n1: one idles, under the other a task runs.
local nap = m.remote("nap", function(time) m.sleep(time) return 1 end,
  { max_retries = 1, scheduling_strategy = { node = "n1", soft = true } })

function P.two_naps()
  local long, short = nap.remote("40ms"), nap.remote("5ms")
  return m.get(short) + m.get(long)
end

function P.one_nap() return m.get(nap.remote("40ms")) end

-- What it needed from n1 it has, and n1 has nothing more to do.
function P.unheard(bytes)
  local x = make.options(on "n1").remote(bytes, 1)
  local n = #m.get(x).data
  m.sleep("600ms") -- idle leases have gone back
  print "lose"
  m.sleep("100ms")
  x:drop()
  quiet()
  return n
end

-- The owner of the inner value dies; whoever comes later must be told as well.
local keep = m.remote("keep", function(bytes) return { make.remote(bytes, 1) } end)
local look = m.remote("look", function(t)
  local v, err = m.try(t[1])
  return err and err.name or v.n
end)

function P.late(bytes)
  local t = m.get(keep.options(on "n1").remote(bytes))
  print "kill"
  m.sleep("200ms")
  return m.get(look.options(on "n2").remote { t[1] })
end

-- It hands on what another worker owns.
local again = m.remote("again", function(t) m.compute("1ms") return { t.r } end,
  { max_retries = -1 })

function P.handed(bytes)
  local b = box.options(near "n1").remote(bytes)
  local c = again.options(near "n2").remote(b)
  local r = m.get(c)[1]
  b:drop()
  c:drop()
  local n = m.get(r).n
  r:drop()
  quiet()
  return n
end

-- A finished task whose argument belongs to somebody else may have to run again.
local follow = m.remote("follow", function(x, bytes)
  return { n = x.n + 1, data = m.bytes(bytes, x.n) }
end, { max_retries = -1 })

local wrap = m.remote("wrap", function(t, bytes)
  local r = follow.options(near "n2").remote(t[1], bytes)
  m.wait { r }
  return { r = r }
end)

function P.lineage(bytes)
  local x = make.remote(bytes, 3)
  local r = m.get(wrap.options(near "n1").remote({ x }, bytes)).r
  x:drop()
  m.sleep("10ms")
  print "kill"
  m.sleep("100ms")
  return m.get(r).n
end

-- One error lets go of two arguments that came from the same owner.
local slowly = m.remote("slowly", function(n) m.sleep("50ms") return n end)
local pair = m.remote("pair", function()
  local small, late = number.remote { n = 1 }, slowly.remote(2)
  m.wait { small }
  return { small, late }
end)
local both = m.remote("both", function(a, b) return a + b end)

function P.let_go()
  local t = m.get(pair.options(on "n1").remote())
  m.get(t[1])
  local r = both.remote(t[1], t[2])
  t[1]:drop()
  t[2]:drop()
  print "kill"
  local _, err = m.try(r)
  while err.cause do err = err.cause end
  return err.name
end

-- It waits in get, goes on and computes: its CPU is lent and taken back.
local waiter = m.remote("waiter", function(t)
  local x = m.get(t[1])
  print "goes on"
  m.compute("30ms")
  return x.n
end, { scheduling_strategy = { node = "n1", soft = false } })

function P.lent(bytes)
  local x = make.options(on "n2").remote(bytes, 4)
  return m.get(waiter.remote { x })
end

-- Of 300 references that it is lent it keeps one, for a task of its own.
local later = m.remote("later", function(t) m.sleep("50ms") return m.get(t[1]).n end)
local few = m.remote("few", function(t)
  local answer = later.remote { t[1] }
  for i = 1, 300 do t[i]:drop() end
  m.get(m.put { m.put(1), m.put(2) })
  return { answer }
end)

function P.many(bytes)
  local list = {}
  for i = 1, 300 do list[i] = make.remote(i == 1 and bytes or 1, i) end
  local answer = m.get(few.remote(list))[1]
  for i = 1, 300 do list[i]:drop() end
  return m.get(answer)
end

-- It does not wait for what it has submitted: the worker stays for it.
local begin = m.remote("begin", function(bytes)
  make.options(on "n2").remote(bytes, 1)
end, { num_returns = 0 })

function P.begun(bytes)
  begin.options(on "n1").remote(bytes)
  m.sleep("3s")
end

-- What n1 had lost is made there again, and copied to n2.
function P.remade(bytes)
  local x = make.options(on "n1").remote(bytes, 7)
  m.wait { x }
  local r = number.options(on "n2").remote(x)
  local n = m.get(r)
  m.sleep("50ms")
  x:drop()
  r:drop()
  quiet()
  return n
end

-- The store has room for one of them, and the disk for none.
function P.overfull(bytes)
  local x = make.remote(bytes, 1)
  m.wait { x }
  local y = make.remote(bytes, 2)
  local _, err = m.try(y)
  return err.name
end

-- The size of a value that a task at @where has to read.
local size = m.remote("size", function(t) m.compute("1ms") return t.n end)
local function size_at(where, bytes)
  return m.get(size.options(on(where)).remote(make.options(on "n1").remote(bytes, bytes)))
end

function P.elsewhere(bytes) return size_at("n2", bytes) end

function P.right_there(bytes) return size_at("n1", bytes) end

-- Its own worker runs it: nobody else is there, and it has ended.
local stash = m.remote("stash", function() return { m.put(7) } end)
local errand = m.remote("errand", function() return { stash.remote() } end)

function P.own_errand()
  return m.get(m.get(m.get(errand.remote())[1])[1])
end

-- What it reads belongs to another worker, and mentions what the driver owns.
local mention = m.remote("mention", function(t) return { x = t[1] } end)
local wrapped = m.remote("wrapped", function(t)
  local r = mention.remote { t[1] }
  m.wait { r }
  return { r }
end)
local read_late = m.remote("read_late", function(v)
  print "kill"
  m.sleep("50ms")
  return m.get(v.x).n
end)

function P.third(bytes)
  local x = make.options(near "n2").remote(bytes, 7)
  local r = m.get(wrapped.options(near "n1").remote { x })[1]
  x:drop()
  return m.get(read_late.options(on "n2").remote(r))
end

-- What it was lent is dropped once it has ended, and it has to run again.
local take = m.remote("take", function(t, bytes)
  return { n = m.get(t[1]).n + 1, data = m.bytes(bytes) }
end, { max_retries = -1 })

function P.lent_again(bytes)
  local x = make.options(near "n2").remote(bytes, 6)
  local y = take.options(on "n1").remote({ x }, bytes)
  m.wait { y }
  x:drop()
  m.sleep("10ms")
  print "kill"
  m.sleep("100ms")
  return m.get(y).n
end

-- x was let go; it is made again for its sister, and then for what was made of it.
local twins = m.remote("twins", function(bytes)
  m.compute("10ms")
  return { n = 3, data = m.bytes(bytes) }, { n = 4, data = m.bytes(bytes) }
end, { max_retries = -1, num_returns = 2 })
local made_of = m.remote("made_of", function(x, bytes)
  return { n = x.n, data = m.bytes(bytes) }
end, { max_retries = -1 })

function P.twins(bytes)
  local x, y = twins.options(on "n1").remote(bytes)
  local z = made_of.options(on "n1").remote(x, bytes)
  m.wait({ y, z }, { num_returns = 2 })
  x:drop()
  m.sleep("10ms")
  print "kill"
  m.sleep("5ms")
  return m.get(y).n + m.get(z).n
end

-- It reads x, and waits for one that needs x elsewhere.
local sum_up = m.remote("sum_up", function(a, b) return a.n + b.n end, { max_retries = -1 })
local read_on = m.remote("read_on", function(x, t)
  print "evict"
  return x.n + m.get(t[1])
end, { max_retries = -1 })
local slow = m.remote("slow", function(n) m.compute("30ms") return { n = n } end)

function P.read_on(bytes)
  local x = make.options(near "n1").remote(bytes, 3)
  local sum = sum_up.options(on "n2").remote(x, slow.remote(1))
  return m.get(read_on.options(on "n1").remote(x, { sum }))
end

-- What it was lent is being made, when it has to run again.
local ignore = m.remote("ignore", function(_, bytes) return { n = 1, data = m.bytes(bytes) } end,
  { max_retries = -1 })

function P.lent_early(bytes)
  local x = slow.remote(6)
  local y = ignore.options(on "n1").remote({ x }, bytes)
  local z = take.options(near "n2").remote({ x }, 10)
  m.wait { y }
  print "kill"
  return m.get(y).n + m.get(z).n
end

-- It ends while a task of its own still looks for what it has handed on; the
-- value comes before the owner says that it knows of the new borrower.
local say = m.remote("say", function(v) return v.n end)
local hand_on = m.remote("hand_on", function(t)
  say.remote(t[1])
  t[1]:drop()
end, { num_returns = 0 })
local through = m.remote("through", function(t) hand_on.remote { t[1] } m.sleep("20ms") end,
  { num_returns = 0 })

function P.handed_on()
  local x = make.remote(10, 1)
  m.wait { x }
  through.remote { x }
  m.sleep("50ms")
  x:drop()
  quiet()
  return 1
end

function m.main(what, ...) return P[what](...) end
