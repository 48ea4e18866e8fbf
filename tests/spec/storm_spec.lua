-- storm_spec.lua: several jobs at once in a cluster in which nothing is spared.
--
--   mobula test tests/spec/storm_spec.lua --seeds 1000
--
-- survive_spec.lua has one job, and faults that pass. Here drivers die as
-- well, processes stop for longer than it takes to be given up and then go on,
-- the GCS goes while machines are cut off from it, machines are started again
-- twice in a row, leave and join while others are recovered from; stores are
-- nearly full, lineage is short, workers come late and go early, and messages
-- may cost time. A job ends as it would in a quiet run, or with an error that
-- what happened allows; and when all are over nothing may be left.
local sim = require "mobula.sim"
local survival = require "shared.survival"
local trouble = require "shared.trouble"

local one_of, at = survival.one_of, trouble.at

local B = 300000 -- bytes: too many to travel in messages

local programs = {
  { "chain", B, answer = 7 }, { "mixed", answer = 36 }, { "tree", B, answer = 36 },
  { "fan", B, answer = 84 }, { "shuffle", B, answer = 60 }, { "partial", B, answer = 65 },
  { "wide", B, answer = 465 }, { "fib", B, answer = 5 }, { "boxes", B, answer = 10 },
  { "lend", B, answer = 10 }, { "dolls", B, answer = 31 }, { "puts", B, answer = 18 },
  { "large", B, answer = 4 * B + 110 }, { "stash", B, answer = 10 },
  { "waits", B, answer = 36 }, { "window", B, answer = 78 }, { "errors", answer = 363 },
  { "timeouts", B, answer = 10 }, { "forget", B, answer = 2 },
  { "places", B, answer = 45 }, { "resource", B, answer = 21 }, { "hard", B, answer = 10 },
  { "nest", "shuffle", B, answer = 60 }, { "nest", "wide", B, answer = 465 },
  { "nest", "lend", B, answer = 10 }, { "nest2", "tree", B, answer = 36 },
  { "nest2", "boxes", B, answer = 10 },
}

local function storm(count)
  local profile = one_of { "ideal", "ideal", "ideal", "osdi18", "ray07", "own21", "modern" }
  local own = trouble.config(one_of)
  local c = sim.cluster {
    profile = profile,
    nodes = { head = {}, n1 = { resources = { disk = 2 } }, n2 = {},
              n3 = { resources = { disk = 1 } } },
    cpus = one_of { 2, 1, 2, 4 },
    store = one_of { "1GiB", "4MiB", "1.5MiB", "700KB" },
    config = profile == "ideal" and own or {},
  }
  local jobs, cases = {}, {}
  for i = 1, count do cases[i] = one_of(programs) end
  jobs[1] = c:submit("programs/many.lua", table.unpack(cases[1]))
  for i = 2, count do
    at(c, one_of { 0, 0.003, 0.02, 0.1 }, function() -- unless the head is gone by then
      jobs[i] = c:submit("programs/many.lua", table.unpack(cases[i]))
    end)
  end
  if sim.seed ~= 0 then
    trouble.chaos(c, one_of)
    trouble.tell_stories(c, one_of)
  end
  c:at("3s"):calm()
  local failed = profile ~= "ideal" -- in the others a death may be unknown for long
  c:on("output", function(e) failed = failed or e.text == "failed\n" end)
  c:story("quiet", function() -- unless a driver has died
    for _ = 1, count do c:await("output", { text = "quiet\n" }) end
    c:calm()
    c:sleep("2800ms") -- idle leases have gone back by then
    if not failed then survival.nothing_is_left(c) end
  end)
  c:run { until_time = "200ms" }
  for i = 1, count do
    if jobs[i] then c:run { until_done = jobs[i], limit = "300s" } end
  end
  c:run { until_idle = true, limit = "300s", drain = true }
  for i = 1, count do
    if jobs[i] then survival.ends_well(jobs[i], cases[i].answer) end
  end
end

describe("in a storm", function()
  for count = 1, 4 do
    it(count .. " jobs at once", function() storm(count) end)
  end
end)
