-- NAME_spec.lua: what must hold, whatever breaks.
--
--   mobula test spec/NAME_spec.lua --seeds 100
local sim = require "mobula.sim"

local function program(m)
  local double = m.remote("double", function(x)
    m.compute("5ms")
    return 2 * x
  end)
  local x = double.remote(21)
  return m.get(x)
end

describe("NAME", function()
  local c

  before_each(function()
    c = sim.cluster { nodes = 3, cpus = 2 }
  end)

  it("gives the right answer", function()
    local job = c:submit(program)
    c:run { until_done = job, limit = "5s" }
    assert.are.equal(42, job:result())
  end)

  it("gives it although workers die", function()
    local job = c:submit(program)
    c:chaos { kill = { every = "5ms", of = { "worker" } }, max = 2 }
    c:run { until_done = job, limit = "5s" }
    assert.are.equal(42, job:result())
  end)
end)
