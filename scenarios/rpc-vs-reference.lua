-- Lecture: pass by reference against pass by value.
--
-- a = f() and b = g() run on two machines, c = h(a, b) on a third. With plain
-- RPC the caller receives a and b and sends them on to h: every byte crosses
-- the caller's network card twice. With references the caller handles names;
-- the machine of h fetches the values from where they were made, once each.
--
-- Small values are another matter: up to 100 KiB they travel inside the
-- messages that are sent anyway, so both ways come to the same. The price of
-- a reference begins to pay off just above that.
--
-- The figures alone:  mobula run -q scenarios/rpc-vs-reference.lua
local sim = require "mobula.sim"

local function program(m, bytes, by_reference)
  local function on(node)
    return { scheduling_strategy = { node = node, soft = false } }
  end
  local make = m.remote("make", function(bytes) return m.bytes(bytes) end)
  local join = m.remote("join", function(a, b) return #a + #b end)
  local start = m.now()
  local a = make.options(on "n1").remote(bytes)
  local b = make.options(on "n2").remote(bytes)
  local c
  if by_reference then
    c = join.options(on "n3").remote(a, b)
  else
    c = join.options(on "n3").remote(m.get(a), m.get(b))
  end
  return { sum = m.get(c), seconds = m.now() - start }
end

-- Bytes through the caller's network card, bytes between machines in all, seconds.
local function measure(bytes, by_reference)
  -- 100 MiB fill a link for 84 ms: a health check waits behind them.
  local c = sim.cluster { nodes = 4, messages = true, config = { health_period = "200ms" } }
  c:run { until_time = "50ms" } -- the machines have found each other
  local job = c:submit(program, bytes, by_reference)
  c:run { until_done = job, limit = "60s" }
  local result = job:result()
  assert.are.equal(2 * bytes, result.sum)
  local sent = c.state.messages { remote = true }
  local caller = sent { from_node = "head" }:sum("bytes") + sent { to_node = "head" }:sum("bytes")
  return caller, sent:sum("bytes"), result.seconds
end

local KiB, MiB = 1024, 1024 * 1024
local value, reference = {}, {}

print("size          caller by value   by reference      time by value   by reference")
for _, bytes in ipairs { 1, KiB, 90 * KiB, 110 * KiB, MiB, 10 * MiB, 100 * MiB } do
  local v, r = {}, {}
  v.caller, v.all, v.time = measure(bytes, false)
  r.caller, r.all, r.time = measure(bytes, true)
  value[bytes], reference[bytes] = v, r
  print(string.format("%11d B %13d B %12d B %13.3f ms %11.3f ms",
    bytes, v.caller, r.caller, v.time * 1000, r.time * 1000))
end

-- By value: two values come to the caller and leave it again. By reference:
-- each crosses one wire, and the caller sees only descriptions of them.
local big = 100 * MiB
-- A real machine that is slow to answer is asked again, and a piece may cross a wire twice.
local spare = sim.world == "sim" and big / 100 or big
assert.near(4 * big, value[big].caller, spare)
assert.near(2 * big, reference[big].all, spare)
assert.is_true(reference[big].caller < 200 * KiB)
if sim.world == "sim" then -- real wires are as fast as they are
  assert.is_true(value[big].time > 1.5 * reference[big].time)
end

-- Below the threshold both inline the values.
assert.near(value[KiB].caller, reference[KiB].caller, 2 * KiB)
