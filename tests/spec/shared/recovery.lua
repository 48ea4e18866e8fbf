-- recovery.lua: the cluster of recovery_spec.lua and messages_spec.lua, in which a
-- seed is another order of events, and their programs.
local sim = require "mobula.sim"

local R = {}

R.B = 300000 -- bytes: too many to travel in messages

function R.cluster(more)
  local options = { nodes = { head = { cpus = 0 }, n1 = {}, n2 = {}, n3 = {} },
                    network = { latency = sim.uniform("0.05ms", "0.5ms") } }
  for k, v in pairs(more or {}) do options[k] = v end
  return sim.cluster(options)
end

function R.program(c, ...) return c:submit("programs/recovery.lua", ...) end

-- Runs until main has said "quiet" and dropped what it held, and a while more.
function R.run_until_quiet(c)
  c:run { until_event = { "output", text = "quiet\n" }, limit = "20s" }
  c:run { until_time = c:now() + 2.8 }
end

return R
