-- survive_spec.lua: small programs of every pattern, under every kind of fault.
--
--   mobula test tests/spec/survive_spec.lua --seeds 1000
--
-- A job ends with the answer of a quiet run, or with an error that what
-- happened allows. Then its references are dropped while its driver stays, the
-- faults end, and nothing may be left anywhere; and once more when it is over.
-- Each seed is another cluster too: sizes of stores, of pieces, of lineage.
local sim = require "mobula.sim"
local survival = require "shared.survival"

local one_of = survival.one_of

local B = 300000 -- bytes: too many to travel in messages, unless said otherwise

local cases = {
  { "chain", B, answer = 7 }, { "chain", 10, answer = 7 }, { "mixed", answer = 36 },
  { "tree", B, answer = 36 }, { "tree", 2000000, answer = 36, store = "1GiB" },
  { "fan", B, answer = 84 }, { "shuffle", B, answer = 60 }, { "partial", B, answer = 65 },
  { "fib", B, answer = 5 }, { "fib", 10, answer = 5 }, { "boxes", B, answer = 10 },
  { "lend", B, answer = 10 }, { "dolls", B, answer = 31 }, { "dolls", 10, answer = 31 },
  { "puts", B, answer = 18 }, { "large", B, answer = 4 * B + 110 },
  { "free", B, answer = 33 }, { "free", 10, answer = 33 }, { "nest", "free", B, answer = 33 },
  { "stash", B, answer = 10 }, { "stash", 10, answer = 10 }, { "waits", B, answer = 36 },
  { "window", B, answer = 78 }, { "errors", answer = 363 }, { "flaky", B, answer = 10 },
  { "timeouts", B, answer = 10 }, { "forget", B, answer = 2 }, { "places", B, answer = 45 },
  { "resource", B, answer = 21 }, { "hard", B, answer = 10 },
  { "nest", "shuffle", B, answer = 60 }, { "nest", "puts", B, answer = 18 },
  { "nest", "waits", B, answer = 36 }, { "nest", "lend", B, answer = 10 },
  { "nest", "dolls", B, answer = 31 }, { "nest", "partial", B, answer = 65 },
  { "nest", "forget", B, answer = 2 }, { "nest2", "tree", B, answer = 36 },
  { "nest2", "boxes", B, answer = 10 }, { "nest2", "mixed", answer = 36 },
  { "crowd", B, answer = 1830 }, { "crowd", 10, answer = 1830 },
  { "nest", "crowd", B, answer = 1830 },
}

local function config()
  return {
    chunk = one_of { "5MiB", "100KiB", "10000" },
    lineage_max = one_of { "1GiB", "1GiB", "1GiB", "3000" },
    inline_max = one_of { "100KiB", "100KiB", "100" },
    lease_idle = one_of { "500ms", "500ms", "5ms" },
    worker_idle = one_of { "1s", "1s", "10ms" },
    retry_delay = one_of { "1ms", "1ms", "10ms" },
    pull_retry = one_of { "100ms", "10ms" },
    store_full_grace = one_of { "2s", "200ms" },
    tasks_in_flight = sim.seed % 2 == 0 and 1 or 10,
    put_inline_max = sim.seed % 5 == 4 and "1MiB" or 0,
    ahead_time = sim.seed % 4 == 3 and "100ms" or "1ms",
  }
end

local every, lasts = sim.between("2ms", "100ms"), sim.between("1ms", "60ms")

-- Copies vanish, messages are parked, machines come and go.
local function other_faults(c, goes_on)
  local period = one_of { "3ms", "8ms", "20ms" }
  if one_of { 0, 1, 1 } == 1 then
    survival.evict(c, period, 4, goes_on)
  end
  if one_of { 0, 0, 1 } == 1 then
    c:every(period, { times = 3 }, function()
      local a, b = c:pick { "head", "n1", "n2", "n3" }, c:pick { "n1", "n2", "n3" }
      if a ~= b and goes_on() then
        local hold = c:hold(a, b)
        c:at(c:now() + 0.011, function() hold:heal() end)
      end
    end)
  end
  if one_of { 0, 0, 1 } == 1 then
    c:at(period, function() c:join("n4") end)
    local leaver = one_of { "n1", "n2", "n3", "n4" }
    c:at("23ms", function()
      if goes_on() and #c.state.nodes { name = leaver, alive = true } == 1 then c:leave(leaver) end
    end)
  end
end

local function chaos(c)
  c:chaos {
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
    max   = 6,
    spare = { driver_node = true, max_down = 2 },
  }
end

local function survive(case)
  local c = sim.cluster {
    nodes = { head = {}, n1 = { resources = { disk = 2 } }, n2 = {},
              n3 = { resources = { disk = 1 } } },
    cpus = one_of { 2, 1, 2, 4 },
    store = case.store or one_of { "1GiB", "1GiB", "4MiB", "1.5MiB" },
    config = config(),
  }
  local job = c:submit("programs/many.lua", table.unpack(case))
  survival.lives_through(c, job, case.answer, function(goes_on)
    chaos(c)
    other_faults(c, goes_on)
  end)
end

describe("it survives", function()
  for _, case in ipairs(cases) do
    it(table.concat(case, " "), function() survive(case) end)
  end
end)
