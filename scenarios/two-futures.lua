-- Lecture: two tasks of one second take one second, not two; and the three
-- ways to get two seconds all the same.
--
-- A call to a remote function returns at once with a future. Call both first,
-- get afterwards, and the tasks run side by side. That needs (1) the get
-- outside of the loop that calls, (2) two free CPUs, and (3) workers that have
-- been started: a cold one adds its start-up time.
--
-- The figures alone:  mobula run -q scenarios/two-futures.lua
local sim = require "mobula.sim"

-- The same program in every run: two tasks of a second. `warm` runs two very
-- short ones first, so that workers and leases are there.
local function program(m, how, warm)
  local slow = m.remote("slow", function(x, time)
    m.compute(time or "1s")
    return x
  end)
  local function both(first, second)
    if how == "one after the other" then
      return m.get(slow.remote(first)) + m.get(slow.remote(second))
    end
    local a, b = slow.remote(first), slow.remote(second)
    return m.get(a) + m.get(b)
  end
  if warm then
    m.get { slow.remote(0, "20ms"), slow.remote(0, "20ms") }
  end
  local start = m.now()
  local sum = both(1, 2)
  return { sum = sum, seconds = m.now() - start }
end

-- How long the two tasks took, in simulated seconds.
local function seconds(title, options, how, warm)
  local c = sim.cluster(options)
  c:run { until_time = "50ms" } -- the machines have found each other
  local job = c:submit(program, how, warm)
  c:run { until_done = job, limit = "10s" }
  local result = job:result()
  assert.are.equal(3, result.sum)
  print(string.format("%-32s %.3f s", title, result.seconds))
  return result.seconds
end

local two = { nodes = 2, cpus = 1 }
local one = { nodes = 1, cpus = 1 }
-- Starting a worker takes half a second on a real machine.
local cold = { nodes = 2, cpus = 1, config = { worker_start = "500ms" } }

assert.near(1.0, seconds("two futures", two, "together", true), 0.01)
assert.near(2.0, seconds("trap 1: get inside the loop", two, "one after the other", true), 0.01)
assert.near(2.0, seconds("trap 2: one CPU", one, "together", true), 0.01)
if sim.world == "sim" then -- a real worker starts as fast as it does, whatever a knob says
  assert.near(1.5, seconds("trap 3: cold workers", cold, "together", false), 0.01)
end
