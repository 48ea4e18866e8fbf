-- spill_spec.lua: object spilling: programs whose data exceed the stores of the
-- whole cluster run to their end with right answers, under every kind of fault.
--
--   mobula test tests/spec/spill_spec.lua --seeds 1000
--
-- Stores hold a handful of objects and disks are slow, full for a while, or
-- lose all their files. When a job has dropped its references no byte and no
-- file may be left. Each seed is another cluster too.
local sim = require "mobula.sim"
local survival = require "shared.survival"

local one_of = survival.one_of

local B, N = 300000, 24 -- 7 MB; four stores of 1 MB each hold 12 objects

local function triangle(n) return n * (n + 1) // 2 end

local cases = {
  { "puts", answer = 2 * triangle(N) }, { "results", answer = triangle(N) },
  { "gets", answer = triangle(N) }, { "shuffle", answer = 3 * triangle(N) },
  { "chains", answer = 10 + 4 * 5 }, { "halves", answer = 156 }, { "fan", answer = 24 },
  { "nest", answer = 2 * triangle(N) },
}

local function config()
  return {
    min_spilling_size = one_of { "100MiB", "1MB", "1", "600KB" },
    max_fused = one_of { 2000, 2000, 2, 1 },
    max_spills = one_of { 4, 1, 2 },
    spill_threshold = one_of { 800, 800, 1000, 300 },
    chunk = one_of { "5MiB", "100KiB", "30000" },
    chunks_in_flight = one_of { 4, 1, 16 },
    disk_bandwidth = one_of { 8000, 800, 80000 },
    disk_latency = one_of { "100us", "0ms", "3ms" },
    retry_delay = one_of { "1ms", "10ms" },
    pull_retry = one_of { "100ms", "10ms" },
    lineage_max = one_of { "1GiB", "1GiB", "3000" },
    args_memory = one_of { 700, 700, 300 },
  }
end

local every, lasts = sim.between("2ms", "100ms"), sim.between("1ms", "60ms")

local function chaos(c)
  c:chaos {
    disk  = { every = every, lasts = lasts, speed = 0.05,
              trouble = sim.among { "slow", "full", "gone" }, always = one_of { false, false, true } },
    kill  = { every = every, restart = sim.among { "20ms", "80ms" },
              of = one_of { { "worker", "node", "gcs" }, { "worker" }, { "node", "gcs" } } },
    cut   = { every = every, lasts = lasts,
              shape = sim.among { "pair", "one", "halves", "oneway" } },
    slow  = { every = every, lasts = lasts, speed = 0.1 },
    pause = { every = every, lasts = lasts, of = { "worker", "node", "gcs", "driver" } },
    link  = { loss = sim.between(0.001, 0.2), jitter = sim.between("10us", "5ms"),
              latency = sim.between("50us", "5ms") },
    rpc   = { kind = sim.among(survival.messages), chance = sim.between(0.01, 0.3),
              lose = sim.among { "request", "reply", "inflight" } },
    max   = 8,
    spare = { driver_node = true, max_down = 2 },
  }
end

local function cluster()
  return sim.cluster {
    nodes = 4,
    cpus = one_of { 2, 1, 2, 4 },
    store = one_of { "1.3MB", "1.3MB", "2MB", "1MB" },
    config = config(),
  }
end

local function spills(case)
  local c = cluster()
  local job = c:submit("programs/spill.lua", case[1], B, N)
  survival.lives_through(c, job, case.answer, function(goes_on)
    chaos(c)
    survival.evict(c, one_of { "3ms", "8ms", "20ms" }, one_of { 0, 2, 5 }, goes_on)
  end)
end

-- No error is excused here: a full store is not one as long as there is a disk.
local function is_right(case)
  local c = cluster()
  local job = c:submit("programs/spill.lua", case[1], B, N)
  local spilled = 0
  c:on("object.spilled", function() spilled = spilled + 1 end)
  c:story("quiet", function()
    c:await("output", { text = "quiet\n" })
    c:sleep("2s")
    survival.nothing_is_left(c)
  end)
  c:run { until_done = job, limit = "60s", drain = true }
  local err = job:error()
  assert.is_true(err == nil, err and err:report())
  assert.are.equal(case.answer, job:result())
  if case[1] ~= "fan" and case[1] ~= "halves" then -- these fit, if copies stay where they are
    assert.is_true(spilled > 0, "nothing went to disk")
  end
end

describe("object spilling", function()
  for _, case in ipairs(cases) do
    it("runs " .. case[1] .. " with more data than all stores hold", function() spills(case) end)
  end
end)

describe("what is spilled", function()
  for _, case in ipairs(cases) do
    it("is right whatever the cluster, as long as nothing breaks: " .. case[1], function()
      is_right(case)
    end)
  end
end)
