-- many.lua: small programs, each with a pattern of its own: what is owned by
-- whom, what is nested in what, how values travel, what is dropped when.
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

-- --- values by reference and by value ---

local make = m.remote("make", function(bytes, n)
  m.compute("2ms")
  return { n = n, data = m.bytes(bytes, n) }
end, FOREVER)

local follow = m.remote("follow", function(x, bytes)
  m.compute("1ms")
  return { n = x.n + 1, data = m.bytes(bytes, x.n) }
end, FOREVER)

local join = m.remote("join", function(a, b, bytes)
  m.compute("1ms")
  return { n = a.n + b.n, data = m.bytes(bytes, a.n + b.n) }
end, FOREVER)

local number = m.remote("number", function(x) return x.n end, FOREVER)

-- A chain whose links are dropped as soon as the next one is made.
function W.chain(keep, bytes)
  local at = make.remote(bytes, 0)
  for _ = 1, 7 do
    local following = follow.remote(at, bytes)
    at:drop()
    at = following
  end
  return m.get(keep(at)).n
end

-- Links of different sizes: some in stores, some inline.
function W.mixed(keep)
  local refs = { keep(make.remote(10, 0)) }
  for i = 1, 8 do refs[i + 1] = keep(follow.remote(refs[i], i % 2 == 0 and 10 or 300000)) end
  local s = 0
  for _, r in ipairs(refs) do s = s + m.get(r).n end
  return s
end

function W.tree(keep, bytes)
  local refs = {}
  for i = 1, 8 do refs[i] = make.remote(bytes, i) end
  while #refs > 1 do
    local a, b = table.remove(refs, 1), table.remove(refs, 1)
    refs[#refs + 1] = join.remote(a, b, bytes)
    a:drop()
    b:drop()
  end
  return m.get(keep(number.remote(keep(refs[1]))))
end

-- The same value wanted at many places at once.
function W.fan(keep, bytes)
  local x = keep(make.remote(bytes, 7))
  local refs = {}
  for i = 1, 12 do refs[i] = keep(number.remote(x)) end
  return sum(m.get(refs))
end

-- --- several results, some of which are dropped ---

local map = m.remote("map", function(i, parts, bytes)
  m.compute("2ms")
  local out = {}
  for k = 1, parts do out[k] = { n = i * k, data = m.bytes(k % 3 == 0 and 10 or bytes, i * k) } end
  return table.unpack(out)
end, FOREVER)

local reduce = m.remote("reduce", function(...)
  m.compute("1ms")
  local s = 0
  for _, x in ipairs { ... } do s = s + x.n end
  return s
end, FOREVER)

function W.shuffle(keep, bytes)
  local rows, out = {}, {}
  local mapper = map.options { num_returns = 4 }
  for i = 1, 4 do rows[i] = { mapper.remote(i, 4, bytes) } end
  for k = 1, 3 do -- the fourth part is for nobody
    out[k] = keep(reduce.remote(rows[1][k], rows[2][k], rows[3][k], rows[4][k]))
  end
  for i = 1, 4 do
    for k = 1, 4 do rows[i][k]:drop() end
  end
  return sum(m.get(out))
end

-- Some of the results are held for long, and looked at once more at the end.
function W.partial(keep, bytes)
  local a, b, c = map.options { num_returns = 3 }.remote(5, 3, bytes)
  keep(b, c)
  a:drop()
  local s = 0
  for _ = 1, 4 do
    s = s + m.get(keep(number.remote(b)))
    m.sleep("4ms")
  end
  return s + m.get(c).n + m.get(b).n
end

-- Very many results of one task, most of which nobody looks at.
function W.wide(keep, bytes)
  local refs = { map.options { num_returns = 30 }.remote(1, 30, bytes // 10) }
  for i = 1, 30, 3 do refs[i]:drop() end
  local s = 0
  for i = 1, 30 do
    if i % 3 == 1 then s = s + i else s = s + m.get(keep(number.remote(refs[i]))) end
  end
  for i = 1, 30 do refs[i]:drop() end
  return s
end

-- --- owners that are workers ---

local fib
fib = m.remote("fib", function(n, bytes)
  m.compute("1ms")
  if n < 2 then return { n = n, data = m.bytes(bytes, n) } end
  local a, b = fib.remote(n - 1, bytes), fib.remote(n - 2, bytes)
  local x, y = m.get(a), m.get(b)
  return { n = x.n + y.n, data = m.bytes(bytes, x.n + y.n) }
end, FOREVER)

function W.fib(keep, bytes) return m.get(keep(fib.remote(5, bytes))).n end

-- A task that runs another of these programs: its worker owns everything.
local nest
nest = m.remote("nest", function(what, ...)
  local function hold(...) return ... end -- the end of a body drops what is left
  return W[what](hold, ...)
end, FOREVER)

function W.nest(keep, what, ...) return m.get(keep(nest.remote(what, ...))) end
function W.nest2(keep, what, ...) return m.get(keep(nest.remote("nest", what, ...))) end

-- --- references in values ---

local box = m.remote("box", function(n, bytes)
  local r = make.remote(bytes, n)
  return { inner = r, n = n, data = m.bytes(n % 2 == 0 and 10 or bytes, n) }
end, FOREVER)

local rebox = m.remote("rebox", function(b)
  m.compute("1ms")
  return { inner = b.inner, outer = b, n = b.n }
end, FOREVER)

local open = m.remote("open", function(b)
  local x = m.try(b.inner)
  m.compute("1ms")
  return x and x.n or b.n
end, FOREVER)

-- The worker that owns the inner value may die: then it is gone, and that is
-- allowed; open() has another way to know.
function W.boxes(keep, bytes)
  local out = {}
  for i = 1, 4 do
    local b = box.remote(i, bytes)
    local r = rebox.remote(b)
    b:drop()
    out[i] = keep(open.remote(r))
    r:drop()
  end
  return sum(m.get(out))
end

-- References that the driver owns, passed on inside tables.
local sum_of = m.remote("sum_of", function(t)
  local s = 0
  for _, r in ipairs(t) do s = s + m.get(r).n end
  return s
end, FOREVER)

local pass = m.remote("pass", function(t)
  m.compute("1ms")
  return m.get(sum_of.remote { t[1], t[2] }) + m.get(sum_of.remote { t[3] })
end, FOREVER)

-- It keeps what it was lent: a task of its own still runs when it returns.
local lend = m.remote("lend", function(t)
  local r = sum_of.remote { t[1], t[3] }
  return { answer = r }
end, FOREVER)

function W.lend(keep, bytes)
  local refs = {}
  for i = 1, 3 do refs[i] = make.remote(bytes, i) end
  local a = keep(pass.remote(refs))
  local b = keep(lend.remote(refs))
  for i = 1, 3 do refs[i]:drop() end
  local answer = keep(m.get(b).answer)
  local s = m.get(a)
  return s + (m.try(answer) or 4)
end

-- A value that holds a value that holds a value.
function W.dolls(keep, bytes)
  local r = make.remote(bytes, 1)
  for _ = 1, 3 do
    local outer = m.put { inner = r, data = m.bytes(bytes, 3) }
    r:drop()
    r = outer
  end
  keep(r)
  local at, depth = m.get(r), 0
  while at.inner do
    depth = depth + 1
    at = m.get(keep(at.inner))
  end
  return depth * 10 + at.n
end

-- --- freed by hand ---

local free_all = m.remote("free_all", function(t)
  m.compute("1ms")
  m.free(t)
  return #t
end, FOREVER)

-- What others were made of is given up; if one of those is lost, it is made again.
function W.free(keep, bytes)
  local s = 0
  for i = 1, 6 do
    local x = keep(make.remote(bytes, i))
    local y = keep(follow.remote(x, bytes))
    local z = keep(follow.remote(y, bytes))
    m.wait { z }
    if i % 3 == 0 then m.free { x, y } elseif i % 3 == 1 then m.free(x) end
    if i % 3 == 2 then m.try(keep(free_all.remote { x, y, z })) end
    m.sleep(i % 2 * 0.002)
    local v = m.try(keep(number.remote(z)))
    s = s + (v or i + 2)
  end
  return s
end

-- --- puts ---

function W.puts(keep, bytes)
  local p, out = {}, {}
  for i = 1, 3 do p[i] = m.put { n = i, data = m.bytes(bytes, i) } end
  for i = 1, 6 do out[i] = keep(number.remote(p[i % 3 + 1])) end
  out[7] = keep(sum_of.remote(p))
  for i = 1, 3 do p[i]:drop() end
  return sum(m.get(out))
end

-- Large arguments by value: they are put on the way.
local count = m.remote("count", function(a, b)
  m.compute("2ms")
  return #a.data + #b.data
end, FOREVER)

function W.large(keep, bytes)
  local out = {}
  for i = 1, 4 do
    local x = { data = m.bytes(bytes + i, i) }
    out[i] = keep(count.remote(x, { data = m.bytes(10 * i, i) }))
  end
  return sum(m.get(out))
end

-- A put that a task returns inside its value: its worker owns it.
local stash = m.remote("stash", function(bytes, n)
  return { p = m.put { n = n, data = m.bytes(bytes, n) }, n = n }
end, FOREVER)

local unstash = m.remote("unstash", function(t)
  local v = m.try(t.p)
  return v and v.n or t.n
end, FOREVER)

function W.stash(keep, bytes)
  local out = {}
  for i = 1, 4 do
    local t = stash.remote(bytes, i)
    out[i] = keep(unstash.remote(t))
    t:drop()
  end
  return sum(m.get(out))
end

-- --- wait ---

function W.waits(keep, bytes)
  local refs, s = {}, 0
  for i = 1, 8 do refs[i] = keep(make.remote(i % 2 == 0 and bytes or 10, i)) end
  local ready, rest = m.wait(refs, { num_returns = 3 })
  assert(#ready == 3 and #rest == 5, "wait answers with as many as asked for")
  for r in m.as_completed(refs) do s = s + m.get(r).n end
  return s
end

-- As soon as one is done the next is begun, and what is done is dropped.
function W.window(keep, bytes)
  local pending, s, started = {}, 0, 0
  while s < 78 do
    while #pending < 3 and started < 12 do
      started = started + 1
      pending[#pending + 1] = make.remote(bytes, started)
    end
    local ready, rest = m.wait(pending)
    s = s + m.get(ready[1]).n
    ready[1]:drop()
    pending = rest
  end
  return s
end

-- --- errors ---

local fail = m.remote("fail", function(n)
  m.compute("1ms")
  if n % 2 == 1 then error("odd: " .. n) end
  return n
end, FOREVER)

local plus = m.remote("plus", function(a, b)
  m.compute("1ms")
  return a + b
end, FOREVER)

function W.errors(keep)
  local good, bad = 0, 0
  for i = 1, 6 do
    local a = fail.remote(i)
    local b = fail.remote(2 * i)
    local c = keep(plus.remote(a, b))
    a:drop()
    b:drop()
    local v = m.try(c)
    if v then good = good + v else bad = bad + 1 end
  end
  return good * 10 + bad
end

-- An error of the body is tried again, and it is the body that says when.
local flaky = m.remote("flaky", function(bytes, n)
  m.compute("1ms")
  if m.context().attempt % 3 ~= 0 then error("not yet") end
  return { n = n, data = m.bytes(bytes, n) }
end, { max_retries = -1, retry_exceptions = true })

function W.flaky(keep, bytes)
  local out = {}
  for i = 1, 4 do out[i] = keep(number.remote(keep(flaky.remote(i % 2 * bytes, i)))) end
  return sum(m.get(out))
end

-- --- patience ---

local slow = m.remote("slow", function(bytes, n, time)
  m.compute(time)
  return { n = n, data = m.bytes(bytes, n) }
end, FOREVER)

function W.timeouts(keep, bytes)
  local refs, s, early = {}, 0, 0
  for i = 1, 4 do refs[i] = keep(slow.remote(bytes, i, i .. "ms")) end
  for i = 1, 4 do
    if not m.try(refs[i], { timeout = "2ms" }) then early = early + 1 end
    m.wait(refs, { num_returns = 4, timeout = "1ms" })
  end
  for i = 1, 4 do s = s + m.get(refs[i]).n end
  return s
end

-- --- nobody waits ---

local nothing = m.remote("nothing", function(x) m.compute("1ms") end,
  { max_retries = -1, num_returns = 0 })

local leave = m.remote("leave", function(bytes)
  for i = 1, 3 do
    nothing.remote(i)
    make.remote(bytes, i)
  end
  return 1
end, FOREVER)

function W.forget(keep, bytes)
  for i = 1, 4 do
    local a = make.remote(bytes, i)
    local b = follow.remote(a, bytes)
    a:drop()
    if i % 2 == 0 then m.sleep("3ms") end
    b:drop()
    nothing.remote(i)
  end
  return m.get(keep(leave.remote(bytes))) + m.get(keep(leave.remote(10)))
end

-- --- where ---

function W.places(keep, bytes)
  local out = {}
  for i = 1, 9 do
    local how = ({ { scheduling_strategy = { node = "n1", soft = true } },
                   { scheduling_strategy = "SPREAD" }, { num_cpus = 0.5 } })[i % 3 + 1]
    local x = make.options(how).remote(bytes, i)
    out[i] = keep(number.options(how).remote(x))
    x:drop()
  end
  return sum(m.get(out))
end

-- Only one machine at a time has what these ask for.
function W.resource(keep, bytes)
  local out = {}
  for i = 1, 6 do
    local x = make.options { resources = { disk = 1 } }.remote(bytes, i)
    out[i] = keep(number.options { memory = "1GiB" }.remote(x))
    x:drop()
  end
  return sum(m.get(out))
end

-- The machine may go away for good: then the task cannot run, and says so.
function W.hard(keep, bytes)
  local on = { scheduling_strategy = { node = "n2", soft = false } }
  local s = 0
  for i = 1, 4 do
    local v = m.try(keep(make.options(on).remote(bytes, i)))
    s = s + (v and v.n or i)
  end
  return s
end

-- --- many of one kind, of which some are sent ahead ---

-- Most end at once. Some compute for long, some wait for another of the kind.
local one
one = m.remote("one", function(i, deep, bytes)
  if i % 7 == 3 then m.compute("4ms") elseif i % 2 == 0 then m.compute("100us") end
  if i % 5 == 2 and deep > 0 then return m.get(one.remote(i, deep - 1, bytes)) end
  return { n = i, data = m.bytes(i % 13 == 1 and bytes or 10, i) }
end, FOREVER)

-- Every sixth may not be tried twice, and an error is as good as its answer then.
function W.crowd(keep, bytes)
  local refs, s = {}, 0
  for i = 1, 60 do
    local task = i % 6 == 0 and one.options { max_retries = 0 } or one
    refs[i] = keep(task.remote(i, 2, bytes))
  end
  for i, r in ipairs(refs) do
    local v = i % 6 == 0 and m.try(r) or i % 6 ~= 0 and m.get(r) or { n = i }
    s = s + v.n
  end
  return s
end

function m.main(what, ...)
  local held = {}
  local function keep(...)
    for _, r in ipairs { ... } do held[#held + 1] = r end
    return ...
  end
  local ok, answer = pcall(W[what], keep, ...)
  for _, r in ipairs(held) do r:drop() end
  if not ok then print "failed" end -- and may hold what it had no time to keep
  print "quiet"
  m.sleep("3s")
  if not ok then error(answer, 0) end
  return answer
end
