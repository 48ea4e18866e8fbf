-- trouble.lua: what storm_spec.lua and objects_spec.lua put a cluster through:
-- settings of every kind, chaos, and stories: what chaos does not do, several
-- things in a row or at the same time. All of it is chosen by a function that
-- is handed in, so that each file has choices of its own.
local sim = require "mobula.sim"

local T = {}

-- Whatever is sent may be what a connection breaks under.
T.messages = require("shared.survival").messages

function T.config(one_of)
  return {
    chunk = one_of { "5MiB", "100KiB", "10000" },
    chunks_in_flight = one_of { 4, 1, 16 },
    lineage_max = one_of { "1GiB", "1GiB", "3000", "0" },
    inline_max = one_of { "100KiB", "100KiB", "100" },
    lease_idle = one_of { "500ms", "5ms", "0ms" },
    worker_idle = one_of { "1s", "10ms", "1ms" },
    worker_start = one_of { "1ms", "1ms", "30ms" },
    worker_register_timeout = one_of { "1s", "1s", "40ms" },
    retry_delay = one_of { "1ms", "1ms", "10ms" },
    pull_retry = one_of { "100ms", "10ms" },
    store_full_grace = one_of { "200ms", "20ms" },
    args_memory = one_of { 700, 700, 300 },
    health_misses = one_of { 2, 2, 1, 5 },
    cost_gcs = one_of { "0ms", "0ms", "50us" },
    cost_node = one_of { "0ms", "0ms", "40us" },
    cost_worker = one_of { "0ms", "0ms", "60us" },
  }
end

local every, lasts = sim.between("2ms", "100ms"), sim.between("1ms", "400ms")

-- @disk: what disks do, if anything.
function T.chaos(c, one_of, disk)
  c:chaos {
    disk  = disk,
    kill  = { every = every, restart = sim.among { "1ms", "20ms", "80ms" },
              of = one_of { { "worker", "node", "gcs" }, { "worker" }, { "node", "gcs" },
                            { "worker", "driver" } } },
    cut   = { every = every, lasts = lasts,
              shape = sim.among { "pair", "one", "halves", "oneway" } },
    slow  = { every = every, lasts = lasts, speed = 0.1 },
    pause = { every = every, lasts = lasts, of = { "worker", "node", "gcs", "driver" } },
    link  = { loss = sim.between(0.001, 0.2), jitter = sim.between("10us", "5ms"),
              latency = sim.between("50us", "5ms") },
    rpc   = { lose = sim.among { "request", "reply", "inflight" },
              chance = sim.between(0.001, 0.1) },
    max   = 8,
    spare = { driver_node = true, max_down = 3 },
  }
end

local stories = {}

-- Whom it is aimed at may have gone meanwhile.
local function at(c, time, order)
  c:at(time, function() pcall(order) end)
end

function stories.driver_dies(c, when, one_of)
  local name = one_of { "driver", "driver2", "driver3", "driver4" }
  at(c, when, function() c:kill(name) end)
end

function stories.gcs_dies_while_cut_off(c, when, one_of)
  local node = one_of { "n1", "n2", "n3" }
  local back, healed = one_of { 0.005, 0.05 }, one_of { 0.003, 0.04, 0.3 }
  at(c, when, function()
    local cut = c:cut { from = "head", to = node }
    c:at(c:now() + healed, function() cut:heal() end)
    c:kill("gcs")
  end)
  at(c, when + back, function() c:restart("gcs") end)
end

function stories.twice_in_a_row(c, when, one_of)
  local node = one_of { "n1", "n2", "n3" }
  local pause = one_of { 0, 0.0005, 0.004, 0.03 }
  at(c, when, function() c:kill(node) end)
  at(c, when + pause, function() c:restart(node) end)
  at(c, when + 2 * pause, function() c:kill(node) end)
  at(c, when + 3 * pause, function() c:restart(node) end)
end

function stories.leave_and_join(c, when, one_of)
  local first, second = one_of { "n1", "n2" }, one_of { "n2", "n3" }
  at(c, when, function() c:kill(first) end)
  at(c, when + one_of { 0, 0.001, 0.03 }, function() c:leave(second) end)
  at(c, when + one_of { 0, 0.001, 0.03 }, function() c:join("n4") end)
  at(c, when + one_of { 0.002, 0.05 }, function() c:leave("n4") end)
end

function stories.manager_dies(c, when, one_of)
  local node = one_of { "n1", "n2", "n3" }
  at(c, when, function() c:kill(node .. "/node") end)
  at(c, when + one_of { 0.001, 0.05 }, function() c:restart(node) end)
end

function stories.fenced_and_back(c, when, one_of)
  local target = one_of { "n1", "n2", "n3" } .. one_of { "/node", "" }
  local lasts = one_of { "35ms", "100ms" }
  at(c, when, function() c:pause(target, { lasts = lasts }) end)
end

function stories.copies_vanish(c, when)
  for i = 0, 3 do
    at(c, when + i * 0.002, function()
      local live = {}
      for copy in c.state.copies { live = true } do live[#live + 1] = copy end
      if #live > 0 then
        local copy = c:pick(live)
        c:evict(copy.object, copy.node)
      end
    end)
  end
end

function stories.held(c, when, one_of)
  local a, b = one_of { "head", "n1", "n2" }, one_of { "n3", "n4", "n1" }
  local healed = one_of { 0.005, 0.1 }
  at(c, when, function()
    local hold = c:hold(a, b)
    c:at(c:now() + healed, function() hold:heal() end)
  end)
end

-- Some connections break under messages of a few kinds.
function stories.losses(c, when, one_of)
  for _ = 1, 4 do
    local kind, lose = one_of(T.messages), one_of { "request", "reply", "inflight" }
    local times, chance = one_of { 1, 1, 2, 5 }, one_of { 1, 0.3 }
    at(c, when, function() c:rpc { kind = kind, lose = lose, times = times, chance = chance } end)
  end
end

-- Who sends or is sent a message of some kind dies, or stops, at that very moment.
function stories.at_a_message(c, _, one_of)
  local kind, count = one_of(T.messages), one_of { 1, 1, 2, 3, 5, 9 }
  local whom, how = one_of { "from", "to" }, one_of { "kill", "kill", "pause" }
  local back = one_of { 0.0001, 0.005, 0.05 }
  c:once("message.sent", { kind = kind, count = count }, function(e)
    local target = e[whom]
    pcall(function()
      if how == "pause" then c:pause(target, { lasts = "35ms" }) else c:kill(target) end
    end)
    at(c, c:now() + back, function() c:restart(target) end)
  end)
end

-- All drivers and the GCS go with it; what runs for them elsewhere has to go, too.
function stories.head_dies(c, when, one_of)
  local back = one_of { 0, 0.005, 0.05 }
  at(c, when, function() c:kill("head") end)
  at(c, when + back, function() c:restart("head") end)
end

local names = { "losses", "losses", "losses", "at_a_message", "at_a_message", "at_a_message",
                "head_dies", "driver_dies", "gcs_dies_while_cut_off", "twice_in_a_row",
                "leave_and_join", "manager_dies", "fenced_and_back", "copies_vanish", "held" }

-- Tells a few of them.
function T.tell_stories(c, one_of)
  for _ = 1, one_of { 1, 2, 3 } do
    stories[one_of(names)](c, one_of { 0.001, 0.004, 0.008, 0.015, 0.03, 0.06 }, one_of)
  end
end

T.at = at

return T
