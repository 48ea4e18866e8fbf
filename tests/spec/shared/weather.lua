-- weather.lua: a cluster in which nothing breaks, and no two runs take the same
-- time: each seed has other latencies, and processes that stop for a moment.
--
-- Nobody is taken for dead because of it, so what a test does to its cluster is
-- all that happens to it. Without a seed the cluster is the textbook's.
local sim = require "mobula.sim"
local survival = require "shared.survival"

local W = {}

-- Options as for sim.cluster.
function W.cluster(options)
  options.nodes = options.nodes or { head = { cpus = 0 }, n1 = {}, n2 = {}, n3 = {} }
  options.config = options.config or {}
  options.config.lease_idle = "100ms"
  if sim.seed ~= 0 and not options.config.health_misses then
    options.config.health_misses = 6 -- a pause is not a death
  end
  local c = sim.cluster(options)
  c:run { until_time = "60ms" } -- the machines have found each other
  if sim.seed ~= 0 then
    c:chaos {
      link  = { latency = sim.between("10us", "1ms"), jitter = sim.between("10us", "2ms") },
      pause = { every = sim.between("2ms", "60ms"), lasts = sim.between("0.1ms", "8ms"),
                of = { "worker", "node", "driver" } },
      max   = 12,
    }
  end
  return c
end

-- Runs until main has said "quiet" and dropped what it held, and a while more.
function W.until_quiet(c)
  c:run { until_event = { "output", text = "quiet\n" }, limit = "20s" }
  c:run { until_time = c:now() + 0.35 } -- idle leases have gone back
  survival.nothing_is_left(c)
end

-- Looks inside the event in which the program says it.
function W.when(c, text, look) c:once("output", { text = text .. "\n" }, look) end

-- Who holds an object, and how: "driver nested, n1/w0 local", sorted. What may be needed to
-- run a task again is no reason to keep a value that can be made again.
function W.holders(c, object)
  local list = {}
  for ref in c.state.objects[object].refs do
    if ref.kind ~= "lineage" then list[#list + 1] = ref.holder .. " " .. ref.kind end
  end
  table.sort(list)
  return table.concat(list, ", ")
end

return W
