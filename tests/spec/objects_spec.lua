-- objects_spec.lua: random programs: references that are nested, returned,
-- lent, put, dropped, handed on, waited for and got, while everything breaks.
--
--   mobula test tests/spec/objects_spec.lua --seeds 10000
--
-- The seed makes the program (programs/random.lua), the cluster and the faults.
-- Whatever happens, each get gives the value that the program makes or an error
-- that what happened allows; nothing hangs, no property breaks, and once all
-- references are dropped nothing is left anywhere.
local sim = require "mobula.sim"
local survival = require "shared.survival"
local trouble = require "shared.trouble"

local pick, at = survival.pick, trouble.at

local B = 300000 -- bytes: too many to travel in messages

local FOREVER, FEW = { -1 }, { 0, 1, 3, -1 }

-- How the programs of a seed are, but for what the test itself asks for.
local function how(more)
  local h = {
    sizes = pick("sizes", { { 10, B }, { B }, { 10, 40, B, 20000, B, 150000 }, { 10 } }),
    blob = B,
    retries = FOREVER,
    where = pick("where", { { "DEFAULT" }, { "SPREAD" }, { "DEFAULT", "SPREAD" } }),
    depth = pick("depth", { 2, 1, 2, 3 }),
    long = pick("long", { 12, 6, 9, 16 }),
    busy = pick("busy", { 4, 2, 4, 6 }),
    hasty = pick("hasty", { false, true }),
    strict = false,
  }
  for key, value in pairs(more.how or {}) do h[key] = value end
  return h
end

local function cluster(more)
  local config = trouble.config(survival.picker "config")
  config.put_inline_max = pick("put_inline", { 0, 0, "1MiB" })
  config.tasks_in_flight = pick("in flight", { 1, 10 })
  if more.spills then
    config.min_spilling_size = pick("fused", { "100MiB", "1", "600KB" })
    config.max_fused = pick("fused", { 2000, 2, 3 })
    config.max_spills = pick("spills", { 4, 1 })
    config.spill_threshold = pick("threshold", { 800, 300, 1000 })
    config.disk_bandwidth = pick("bandwidth", { 8000, 800, 80000 })
    config.disk_latency = pick("seek", { "100us", "0ms", "3ms" })
  end
  return sim.cluster {
    nodes = { head = {}, n1 = {}, n2 = {}, n3 = {} },
    cpus = pick("cpus", { 2, 1, 2, 4 }),
    store = pick("store", more.stores or { "1GiB", "1GiB", "4MiB" }),
    config = config,
  }
end

-- Submits the others when their time has come, unless the head is gone by then.
local function submit(c, count, program)
  local function start(i) return c:submit("programs/random.lua", 4 * sim.seed + i, program) end
  local jobs = { start(1) }
  for i = 2, count do
    at(c, pick("start" .. i, { 0, 0.003, 0.02, 0.1 }), function() jobs[i] = start(i) end)
  end
  return jobs
end

-- What chaos has no class for: copies vanish, also the last one, again and again.
local function lose_copies(c, goes_on)
  local period = pick("evictions", { "never", "never", "2ms", "7ms" })
  if period == "never" then return end
  survival.evict(c, period, 12, goes_on)
end

local disk = { every = sim.between("2ms", "60ms"), lasts = sim.between("1ms", "60ms"),
               trouble = sim.among { "slow", "full", "gone" } }

local errors_too = { WorkerCrashedError = true, NodeDiedError = true }

-- more: jobs, stores, spills (settings and faults of disks), how, calm (no faults).
local function survive(more)
  local count = more.jobs or 1
  local c = cluster(more)
  local jobs = submit(c, count, how(more))
  local quiet = false
  local function calm()
    quiet = true
    c:calm()
  end
  if sim.seed ~= 0 and not more.calm then
    trouble.chaos(c, survival.picker "chaos", more.spills and disk or nil)
    trouble.tell_stories(c, survival.picker "stories")
    lose_copies(c, function() return not quiet end)
  end
  c:at("3s", calm)
  local failed = false
  c:on("output", function(e) failed = failed or e.text == "failed\n" end)
  c:story("quiet", function() -- unless a driver has died
    for _ = 1, count do c:await("output", { text = "quiet\n" }) end
    calm()
    c:sleep("2800ms") -- leases have gone back, and who found no room has tried for the last time
    if not failed then survival.nothing_is_left(c) end
  end)
  c:run { until_time = "200ms" }
  for i = 1, count do
    if jobs[i] then c:run { until_done = jobs[i], limit = "300s" } end
  end
  c:run { until_idle = true, limit = "300s", drain = true }
  for i = 1, count do
    if jobs[i] then survival.ends_well(jobs[i], "right", errors_too) end
  end
end

describe("random programs", function()
  it("in a quiet cluster", function()
    survive { calm = true, stores = { "1GiB" }, how = { strict = true } }
  end)

  it("that try for ever", function() survive { how = { hasty = false } } end)

  it("with few retries", function() survive { how = { retries = FEW } } end)

  it("several at once", function()
    survive { jobs = pick("jobs", { 2, 3, 4 }), how = { retries = FEW } }
  end)

  it("in small stores", function()
    survive { jobs = pick("jobs", { 1, 2 }), stores = { "1.5MiB", "700KB", "400KB" } }
  end)

  it("that spill what they hold", function()
    survive {
      spills = true, jobs = pick("jobs", { 1, 2 }), stores = { "700KB", "1MB", "1.5MiB" },
      how = { sizes = pick("sizes", { { B }, { B, 150000, 20000, 40 } }), retries = FEW },
    }
  end)

  -- What running tasks take and what they make may exceed a store all the same.
  it("that spill, while nothing breaks", function()
    survive { spills = true, calm = true, stores = { "1MB", "1.5MiB" },
              how = { strict = true, excused = "ObjectStoreFullError", sizes = { B, 150000 } } }
  end)
end)
