-- chaos_spec.lua: the lecture's programs while everything around them breaks.
--
--   mobula test tests/spec/chaos_spec.lua --seeds 2000
--
-- Whatever happens, a job ends with the right answer or with an error that
-- what happened allows; nothing hangs, no property breaks, and once the faults
-- are over nothing is left behind. The textbook run (no seed) has no faults.
local sim = require "mobula.sim"

local programs = "../../scenarios/programs/"

-- Errors that a program may end with although it is right: its retries were
-- used up, or the owner of a value died.
local licensed = {
  WorkerCrashedError = true, NodeDiedError = true, OwnerDiedError = true,
  ObjectLostError = true, ObjectReconstructionFailedError = true,
}

local function root_name(err)
  while err.cause do err = err.cause end
  return err.name
end

local function survive(answer, ...)
  local c = sim.cluster {
    nodes = { head = { cpus = 1 }, n1 = {}, n2 = {}, n3 = {}, n4 = {} },
    cpus = 2,
    network = { latency = sim.uniform("0.1ms", "0.4ms") },
  }
  c:run { until_time = "20ms" }
  local job = c:submit(...)
  c:chaos {
    kill  = { every = sim.between("10ms", "1s"), of = { "worker", "node" },
              restart = sim.between("20ms", "200ms") },
    cut   = { every = sim.between("20ms", "1s"), lasts = sim.between("1ms", "100ms"),
              shape = sim.among { "pair", "one", "halves", "oneway" } },
    slow  = { every = sim.between("20ms", "1s"), speed = sim.between(0.05, 0.9), lasts = "50ms" },
    pause = { every = sim.between("20ms", "1s"), of = { "worker", "node" },
              lasts = sim.between("1ms", "60ms") },
    link  = { loss = sim.between(0.001, 0.1) },
    rpc   = { lose = sim.among { "request", "reply", "inflight" }, chance = sim.between(0.001, 0.2) },
    max   = 10,
    spare = { driver_node = true, max_down = 3 },
  }
  c:at("2s"):calm("60s")
  c:run { until_done = job, limit = "120s", drain = true }
  local err = job:error()
  if err then
    assert.is_true(licensed[root_name(err)], err:report())
  else
    local result = job:result()
    assert.are.equal(answer, type(result) == "table" and result.sum or result)
  end
end

-- As in scenarios/metadata-not-data.lua.
local function shuffle(m, maps, reduces, piece)
  local map = m.remote("map", function(reduces, piece)
    local pieces = {}
    for i = 1, reduces do pieces[i] = m.bytes(piece) end
    m.compute("5ms")
    return table.unpack(pieces)
  end, { num_returns = reduces })
  local reduce = m.remote("reduce", function(...)
    local bytes = 0
    for _, piece in ipairs { ... } do bytes = bytes + #piece end
    m.compute("5ms")
    return bytes
  end)
  local pieces, sums, total = {}, {}, 0
  for i = 1, maps do pieces[i] = { map.remote(reduces, piece) } end
  for r = 1, reduces do
    local column = {}
    for i = 1, maps do column[i] = pieces[i][r] end
    sums[r] = reduce.remote(table.unpack(column))
  end
  for _, sum in ipairs(sums) do total = total + m.get(sum) end
  return total
end

-- As in scenarios/rpc-vs-reference.lua, but wherever there is a machine.
local function join(m, bytes, by_reference)
  local function near(node) return { scheduling_strategy = { node = node, soft = true } } end
  local make = m.remote("make", function(bytes) m.compute("10ms") return m.bytes(bytes) end)
  local join = m.remote("join", function(a, b) m.compute("10ms") return #a + #b end)
  local a = make.options(near "n1").remote(bytes)
  local b = make.options(near "n2").remote(bytes)
  if by_reference then return m.get(join.options(near "n3").remote(a, b)) end
  return m.get(join.options(near "n3").remote(m.get(a), m.get(b)))
end

describe("under chaos", function()
  it("a chain by data", function()
    survive(4, programs .. "chain.lua", "by data", "10MB", "20ms")
  end)

  it("a chain of small values", function()
    survive(4, programs .. "chain.lua", "by data", 10, "20ms")
  end)

  it("a chain by call", function()
    survive(4, programs .. "chain.lua", "by call", "10MB", "20ms")
  end)

  it("a tree of many tasks", function()
    survive(24, programs .. "tree.lua", 24, "20ms", "1MiB")
  end)

  it("a future that a worker owns", function()
    survive(8 * 1024 * 1024, programs .. "borrow.lua", "the worker")
  end)

  it("a future that the driver owns", function()
    survive(8 * 1024 * 1024, programs .. "borrow.lua", "the driver")
  end)

  it("a future inside a future", function()
    survive(7, programs .. "relay.lua")
  end)

  it("tasks that submit tasks", function()
    survive(60, programs .. "submitters.lua", 6, 10)
  end)

  it("a shuffle", function()
    survive(5 * 4 * 1000000, shuffle, 5, 4, 1000000)
  end)

  it("values by reference", function()
    survive(20000000, join, 10000000, true)
  end)

  it("values by value", function()
    survive(20000000, join, 10000000, false)
  end)
end)
