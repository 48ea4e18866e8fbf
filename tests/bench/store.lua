-- What a driver waits for: puts and gets of one large value, one after the other.
local sim = require "mobula.sim"

local c = sim.cluster { nodes = 1, cpus = 2, store = "2GiB", config = { health_period = "5s" } }
local job = c:submit(function(m, size)
  local put, get = math.huge, math.huge
  for i = 1, 20 do
    local start = m.now()
    local x = m.put(m.bytes(size))
    local stored = m.now()
    local v = m.get(x)
    local got = m.now()
    local _ = v:byte(#v)
    put, get = math.min(put, stored - start), math.min(get, got - stored)
    x:drop()
  end
  return { put = put, get = get }
end, 100 * 1024 * 1024)
c:run { until_done = job, limit = "60s" }
local r = job:result()
print(string.format('{"put_gbps": %.2f, "get_us": %.1f}', 100 * 1024 * 1024 / r.put / 1e9, r.get * 1e6))
