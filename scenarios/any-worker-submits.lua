-- Lecture: any worker may submit tasks, so the driver need not be a bottleneck.
--
-- Every process that calls a remote function owns what it returns and does
-- the work of an owner: it asks for leases, sends the task, takes the reply,
-- counts references. That costs its own CPU, some 60 microseconds a message
-- here. One driver that submits everything is therefore a bottleneck, however
-- many machines there are. Let it submit a few tasks that submit the rest,
-- and the work of owners is spread over the cluster.
--
-- It is the program that decides: no scheduler can spread submissions that
-- all come from one process.
--
-- The figures alone:  mobula run -q scenarios/any-worker-submits.lua
local sim = require "mobula.sim"

local MACHINES, CPUS = 9, 4
local SUBMITTERS, EACH = 16, 250

-- Tasks per second.
local function rate(title, submitters, each)
  local c = sim.cluster {
    nodes = MACHINES, cpus = CPUS,
    profile = "own21",
    config = { worker_start = "1ms", cost_worker = "60us" },
  }
  c:run { until_time = "300ms" } -- the machines have found each other
  local job = c:submit("programs/submitters.lua", submitters, each)
  c:run { until_done = job, limit = "60s" }
  local result = job:result()
  assert.are.equal(SUBMITTERS * EACH, result.sum)
  local owners = {}
  for t in c.state.tasks { name = "work" } do owners[t.owner] = true end
  local count = 0
  for _ in pairs(owners) do count = count + 1 end
  local rate = result.sum / result.seconds
  print(string.format("%-28s %2d owners %8.0f tasks per second", title, count, rate))
  return rate
end

local driver = rate("the driver submits all", 0, SUBMITTERS * EACH)
local spread = rate("tasks submit tasks", SUBMITTERS, EACH)
-- On real processes a message costs what it costs, and all share the cores of one machine.
assert.is_true(sim.world ~= "sim" or spread > 1.5 * driver, "nested submission spreads the work of owners")
