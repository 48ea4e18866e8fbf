-- recovery.lua: the programs of recovery_spec.lua that need tasks which submit
-- tasks. "quiet" is said when nothing should be left but what is said to stay.
local m = require "mobula"

local P = {}

local function on(node) return { scheduling_strategy = { node = node, soft = false } } end
local function near(node) return { scheduling_strategy = { node = node, soft = true } } end

local function quiet()
  print "quiet"
  m.sleep("3s")
end

-- Gets a value once and for all.
local function take(r)
  local v = m.get(r)
  r:drop()
  return v
end

local make = m.remote("make", function(bytes, n)
  m.compute("1ms")
  return { n = n, data = m.bytes(bytes, n) }
end, { max_retries = -1 })

local add = m.remote("add", function(x, bytes)
  m.compute("1ms")
  return { n = x.n + 1, data = m.bytes(bytes, x.n) }
end, { max_retries = -1 })

local number = m.remote("number", function(x) return x.n end, { max_retries = -1 })

-- What the error at the root of the chain says of itself.
local function root(err)
  while err.cause do err = err.cause end
  return err.name .. " " .. tostring(err.reason)
end

local name_of = m.remote("name_of", function(t)
  local v, err = m.try(t[1])
  return v and v.n or root(err)
end)

-- --- an owner that dies ---

local keep = m.remote("keep", function(bytes)
  local r = make.options(near "n2").remote(bytes, 1)
  m.wait { r }
  return { r }
end, { max_retries = 0 })

-- The value that was had before stays; a get after it is an error.
function P.owner_dies(bytes)
  local r = m.get(keep.options(on "n1").remote(bytes))[1]
  local before = m.get(r)
  print "kill"
  m.sleep("100ms")
  local _, err = m.try(r)
  return { n = before.n, size = #before.data, name = err.name, reason = err.reason,
           message = err.message, task = m.get(name_of.remote { r }) }
end

-- Its children run on, somewhere, when it dies: they end with it.
local parent = m.remote("parent", function(bytes)
  local child = m.remote("child", function() m.compute("10s") return 1 end)
  local r = make.options(on "n2").remote(bytes, 1)
  local s = child.options(on "n2").remote()
  m.wait { r }
  print "kill"
  return m.get(s)
end, { max_retries = 0 })

function P.family(bytes)
  local _, err = m.try(parent.options(on "n1").remote(bytes))
  m.sleep("100ms")
  print "quiet"
  m.sleep("3s")
  return err.name
end

-- The lost object needs what somebody owned who is dead.
local borrow = m.remote("borrow", function(t, bytes)
  local r = add.options(near "n2").remote(t[1], bytes)
  m.wait { r }
  return { r }
end, { max_retries = 0 })

function P.argument_of_a_dead_owner(bytes)
  local x = m.get(keep.options(on "n1").remote(bytes))[1]
  local y = add.options(near "n3").remote(x, bytes)
  m.wait { y }
  x:drop()
  print "kill"
  m.sleep("200ms")
  local _, err = m.try(y)
  return root(err)
end

-- --- free by hand ---

-- A borrower frees what main owns.
local free = m.remote("free", function(t)
  m.get(t[1])
  m.free(t)
  local _, err = m.try(t[1])
  return root(err)
end)

function P.freed_by_a_borrower(bytes)
  local x = make.options(near "n2").remote(bytes, 7)
  local answer = take(free.options(near "n1").remote { x })
  local _, err = m.try(x)
  answer = answer .. ", " .. root(err)
  x:drop()
  quiet()
  return answer
end

-- What is nested in a value that is freed stays while the reference does.
function P.freed_outside(bytes)
  local inner = make.remote(bytes, 7)
  local outer = m.put { inner }
  inner:drop()
  local r = m.get(outer)[1]
  m.free(outer)
  m.sleep("10ms")
  local n = m.get(r).n
  r:drop()
  outer:drop()
  quiet()
  return n
end

-- --- references as text ---

local read = m.remote("read", function(text)
  local r = m.ref(text)
  return m.get(r).n
end)

local write = m.remote("write", function(t) return m.pin(t[1]) end)

function P.pinned(bytes, who)
  local x = make.options(near "n2").remote(bytes, 7)
  local text
  if who == "a task" then
    text = m.get(write.options(near "n1").remote { x })
  else
    text = m.pin(x)
    assert(text == m.pin(x), "the same text twice")
  end
  x:drop()
  m.sleep("50ms")
  print "kill"
  m.sleep("100ms")
  return m.get(read.remote(text)) + m.get(m.ref(text)).n
end

-- Many are written down, by main and by tasks, and read everywhere while machines die.
local through
through = m.remote("through", function(text, deep)
  m.compute("1ms")
  if deep > 0 then return m.get(through.remote(text, deep - 1)) end
  return m.get(m.ref(text)).n
end, { max_retries = -1 })
local pin_again = m.remote("pin_again", function(t)
  m.compute("1ms")
  return m.pin(t[1])
end, { max_retries = -1 })

function P.texts(bytes)
  local texts, refs, s = {}, {}, 0
  for i = 1, 6 do
    local x = make.remote(i % 3 == 0 and 10 or bytes, i)
    texts[i] = i % 2 == 0 and m.pin(x) or take(pin_again.remote { x })
    x:drop()
  end
  for i = 1, 6 do refs[i] = through.remote(texts[i], i % 3) end
  for i = 1, 6 do
    s = s + take(refs[i]) + m.get(m.ref(texts[i])).n
    m.sleep("2ms")
  end
  return s
end

-- A reference that came from a text is kept beyond the task.
local later = m.remote("later", function(t) m.sleep("20ms") return m.get(t[1]).n end)
local relay = m.remote("relay", function(text)
  local r = m.ref(text)
  return { later.remote { r }, r }
end)

function P.pinned_and_kept(bytes)
  local x = make.options(near "n2").remote(bytes, 7)
  local text = m.pin(x)
  x:drop()
  local t = m.get(relay.options(near "n1").remote(text))
  return m.get(t[1]) + m.get(t[2]).n
end

function P.pinned_of_a_worker(bytes)
  local r = m.get(keep.options(on "n1").remote(bytes))[1]
  local _, err = m.try(write.remote { r })
  while err.cause do err = err.cause end
  local text = m.pin(r) -- main may
  r:drop()
  m.sleep("20ms")
  local n = m.get(m.ref(text)).n
  print "kill"
  m.sleep("100ms")
  local _, gone = m.try(m.ref(text))
  return { why = err.message, n = n, gone = gone.name }
end

-- --- tasks that are not deterministic ---

-- What it returns says which attempt made it, in its size and in its bytes.
local function made(size, attempt) return { n = attempt, data = m.bytes(size, attempt) } end

local function whole(v, sizes)
  return v.data == m.bytes(sizes[math.min(v.n, #sizes)], v.n)
end

local vary = m.remote("vary", function(sizes)
  m.compute("1ms")
  local n = m.context().attempt
  return made(sizes[math.min(n, #sizes)], n)
end, { max_retries = -1 })

local check = m.remote("check", function(v, sizes) return whole(v, sizes) and v.n or -1 end,
  { max_retries = -1 })

-- One size first, another when it is made again; whoever waits gets one of them whole.
function P.other_size(...)
  local sizes = { ... }
  local o = vary.options(near "n1").remote(sizes)
  m.wait { o }
  print "lose"
  local seen = {}
  for i = 1, 6 do
    seen[i] = check.options(near(({ "n1", "n2", "n3" })[i % 3 + 1])).remote(o, sizes)
    m.sleep("2ms")
  end
  local v = m.get(o)
  local list = m.get(seen)
  list[7] = whole(v, sizes) and v.n or -1
  return list
end

-- Two values of one task, which change places from attempt to attempt.
local two = m.remote("two", function(sizes)
  m.compute("1ms")
  local n = m.context().attempt
  local a, b = made(sizes[1], n), made(sizes[2], n)
  if n % 2 == 0 then a, b = b, a end
  return a, b
end, { max_retries = -1, num_returns = 2 })

function P.change_places(...)
  local sizes = { ... }
  local a, b = two.options(near "n1").remote(sizes)
  m.wait({ a, b }, { num_returns = 2 })
  print "lose"
  m.sleep("60ms")
  local out = {}
  for i, r in ipairs { a, b } do
    local v = m.get(r)
    out[i] = #v.data == sizes[1] and v.data == m.bytes(sizes[1], v.n)
      or #v.data == sizes[2] and v.data == m.bytes(sizes[2], v.n)
  end
  return out[1] and out[2]
end

-- It returns one value more, or one less, when it runs again.
local other = m.remote("other", function(how, bytes)
  local n = m.context().attempt
  m.compute("1ms")
  if n == 1 then return made(bytes, 1), made(bytes, 2) end
  if how == "more" then return 1, 2, 3 end
  if how == "less" then return made(bytes, 3) end
  error("another time")
end, { num_returns = 2 })

function P.other_number(how, bytes)
  local a, b = other.options(near "n1").remote(how, bytes)
  m.wait({ a, b }, { num_returns = 2 })
  print "lose"
  m.sleep("60ms")
  local out = {}
  for i, r in ipairs { a, b } do
    local v, err = m.try(r)
    if err then
      while err.cause do err = err.cause end
      out[i] = err.code or err.message
    else
      out[i] = v and v.n or "nil"
    end
  end
  return out
end

-- --- what is made again, and how often ---

-- f(a, b), g(a), h(b): all is lost, and each is made again once, arguments first.
local join = m.remote("join", function(x, y, bytes)
  m.compute("1ms")
  return { n = x.n + y.n, data = m.bytes(bytes, x.n + y.n) }
end, { max_retries = -1 })

function P.diamond(bytes)
  local a, b = make.options(near "n1").remote(bytes, 1), make.options(near "n1").remote(bytes, 2)
  local f = join.options(near "n1").remote(a, b, bytes)
  local g, h = add.options(near "n1").remote(a, bytes), add.options(near "n1").remote(b, bytes)
  local z = join.options(near "n1").remote(f, g, bytes)
  m.wait({ f, g, h, z }, { num_returns = 4 })
  a:drop()
  b:drop()
  print "lose"
  m.sleep("100ms")
  return m.get(z).n * 100 + m.get(g).n * 10 + m.get(h).n
end

-- A small value is where its owner is, and stays when the machine that made it goes.
function P.inlined(bytes)
  local small = number.options(near "n1").remote { n = 7 }
  local large = add.options(near "n1").remote({ n = m.get(small) }, bytes)
  m.wait { large }
  print "lose"
  m.sleep("100ms")
  return m.get(small) + m.get(large).n
end

-- --- every message of borrowing ---

-- Everything that the protocol of references says is said here at least once.
local box = m.remote("box", function(bytes)
  local r = make.options(near "n2").remote(bytes, 5)
  m.wait { r }
  return { r = r, data = m.bytes(bytes) }
end, { max_retries = -1 })
local hand_on = m.remote("hand_on", function(b) m.compute("1ms") return { b.r } end,
  { max_retries = -1 })
local open = m.remote("open", function(t) return m.get(t[1]).n end, { max_retries = -1 })

function P.everything(bytes)
  local b = box.options(near "n1").remote(bytes)
  local c = hand_on.options(near "n3").remote(b)
  local n = 0
  local t, err = m.try(c)
  if t then
    local o = open.options(near "n3").remote(t)
    n = m.try(o) or 5
    o:drop()
    t[1]:drop()
  end
  b:drop()
  c:drop()
  local p = m.put { n = 2, data = m.bytes(bytes, 2) }
  n = n + take(number.options(near "n1").remote(p)) + take(number.options(near "n2").remote(p))
  p:drop()
  local x = make.options(near "n2").remote(bytes, 1)
  local y = add.options(near "n3").remote(x, bytes)
  m.wait({ x, y }, { num_returns = 2 })
  m.free(x)
  local f = free.options(near "n1").remote { y }
  m.try(f)
  f:drop()
  x:drop()
  y:drop()
  quiet()
  return t and n or "lost"
end

function m.main(what, ...) return P[what](...) end
