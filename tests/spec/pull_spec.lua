-- pull_spec.lua: large values on their way: from one machine to many, and into
-- stores that have hardly room for them.
--
--   mobula test tests/spec/pull_spec.lua --seeds 1000
--
-- A job ends with the answer of a quiet run, or with an error that what
-- happened allows. Then its references are dropped while its driver stays, the
-- faults end, and nothing may be left anywhere; and once more when it is over.
local sim = require "mobula.sim"
local survival = require "shared.survival"

local one_of = survival.one_of

local every, lasts = sim.between("1ms", "40ms"), sim.between("1ms", "30ms")

local function chaos(c)
  c:chaos {
    kill  = { every = every, restart = sim.among { "20ms", "80ms" }, of = { "node", "worker" } },
    cut   = { every = every, lasts = lasts,
              shape = sim.among { "pair", "one", "halves", "oneway" } },
    slow  = { every = every, lasts = lasts, speed = 0.1 },
    pause = { every = every, lasts = lasts, of = { "worker", "node", "driver" } },
    link  = { loss = sim.between(0.001, 0.1), jitter = sim.between("10us", "2ms"),
              latency = sim.between("50us", "2ms") },
    rpc   = { kind = sim.among { "Pull", "PullFailed", "Chunk", "ChunkReceived", "Locations",
                                 "SubscribeLocations", "UnsubscribeLocations", "ObjectMoved",
                                 "GetObject", "CancelGet", "ObjectHere", "FreeObjects" },
              chance = sim.between(0.01, 0.3), lose = sim.among { "request", "reply", "inflight" } },
    max   = 6,
    spare = { driver_node = true, max_down = 2 },
  }
end

local function run(c, program, answer)
  local job = c:submit("programs/pulls.lua", table.unpack(program))
  survival.lives_through(c, job, answer, function(goes_on)
    chaos(c)
    if one_of { 0, 1 } == 1 then survival.evict(c, one_of { "2ms", "7ms" }, 5, goes_on) end
  end)
  return job
end

local MACHINES = 8

local function machines(store)
  local config = {
    chunk = one_of { "100KiB", "20000", "5MiB" },
    chunks_in_flight = one_of { 4, 1, 16 },
    receivers_max = one_of { 8, 2, 1, 0 },
    pull_retry = one_of { "100ms", "10ms", "3ms" },
    retry_delay = one_of { "1ms", "10ms" },
    store_full_grace = one_of { "2s", "200ms" },
    lease_idle = one_of { "500ms", "5ms" },
  }
  return sim.cluster { nodes = MACHINES + 1, cpus = 2, store = store, config = config }
end

describe("broadcast", function()
  for _, program in ipairs { "spread", "spread_get", "change_of_mind" } do
    for _, bytes in ipairs { 2000000, 150000 } do
      it(program .. " " .. bytes, function()
        run(machines("1GiB"), { program, bytes, MACHINES }, 3 * MACHINES)
      end)
    end
  end
  it("spread_all", function()
    run(machines(one_of { "1GiB", "4MiB" }), { "spread_all", 1000000, MACHINES }, 48)
  end)
end)

-- Values of a megabyte on "big"; "small" has room for three of them.
local function tight()
  local config = {
    chunk = one_of { "5MiB", "100KiB" },
    pull_retry = one_of { "100ms", "10ms" },
    store_full_grace = one_of { "2s", "200ms" },
    args_memory = one_of { 700, 700, 300, 1000 },
    lease_idle = one_of { "500ms", "5ms" },
  }
  return sim.cluster {
    nodes = { head = { cpus = 0 }, big = { cpus = 4 },
              small = { cpus = one_of { 4, 1, 2 }, store = "3.1MB", resources = { disk = 1 } } },
    config = config,
  }
end

local MB = 1000000

local cases = {
  ["arguments of all tasks together may be many times the store"] = { "args", MB, 1, answer = 156 },
  ["tasks that work for long have their arguments in turn"] = { "args", MB, 30, answer = 156 },
  ["a body may get more than the store holds"] = { "gets", MB, answer = 78 },
  ["a body may wait for more than the store holds"] = { "wait_all", MB, answer = 78 },
  ["gets, waits and arguments share a store that is too small"] = { "medley", MB, 1, answer = 104 },
  ["gets, waits and tasks that work share it"] = { "medley", MB, 30, answer = 104 },
  ["a get does not wait for arguments that wait for its body"] = { "held_cpu", MB, answer = 21 },
  ["a result does not wait for arguments either"] = { "held_cpu_put", MB, answer = 21 },
  ["a body that lent its CPU has room when it comes back"] = { "lent_cpu", MB, answer = 66 },
  ["what is pinned for long is no reason to give up"] = { "long_task", MB, answer = 21 },
  ["a large get is not starved by a stream of tasks"] = { "not_starved", MB, answer = 8 },
}

describe("pull manager", function()
  for name, case in pairs(cases) do
    it(name, function() run(tight(), case, case.answer) end)
  end
end)
