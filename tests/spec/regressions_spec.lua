-- regressions_spec.lua: what chaos and reading have found, told again exactly.
--
-- Each test is one bug that was there: the shortest story that showed it, and
-- what has to be so instead. Every one of them fails without its repair.
local sim = require "mobula.sim"

local B = 300000 -- bytes: too many to travel in messages

-- What is left once every reference is dropped and nothing runs has leaked,
-- though the owner still lives.
local function nothing_is_left(c)
  for n in c.state.nodes { alive = true } do
    assert.are.equal(0, n.used, "bytes in the store of " .. n.name)
    assert.are.equal(0, n.leases, "leases of " .. n.name)
  end
  for w in c.state.workers { alive = true } do
    assert.are.equal(0, w.owned, "objects that " .. w.name .. " owns")
    assert.are.equal(0, w.borrowed, "objects that " .. w.name .. " borrows")
  end
end

-- Runs until main has said "quiet" and dropped what it held, and a while more.
local function run_until_quiet(c)
  c:run { until_event = { "output", text = "quiet\n" }, limit = "10s" }
  c:run { until_time = c:now() + 1.5 }
end

local function program(c, ...) return c:submit("programs/regressions.lua", ...) end

local function cluster(more)
  local options = { nodes = { head = { cpus = 0 }, n1 = {}, n2 = {} } }
  for k, v in pairs(more or {}) do options[k] = v end
  return sim.cluster(options)
end

describe("what an attempt leaves behind", function()
  it("goes when its worker has died before it replied", function()
    local c = cluster()
    local job = c:submit(function(m)
      local make = m.remote("make", function(bytes) m.compute("1ms") return m.bytes(bytes) end,
        { scheduling_strategy = "SPREAD" })
      local r = make.remote(300000)
      local n = #m.get(r)
      r:drop()
      print "quiet"
      m.sleep("3s")
      return n
    end)
    c:once("message.delivered", { kind = "ObjectStored" }, function(e) c:kill(e.to) end)
    run_until_quiet(c)
    nothing_is_left(c)
    c:run { until_done = job, drain = true }
    assert.are.equal(B, job:result())
    assert.are.equal(2, c:attempts("T1"))
  end)

  it("goes when the task ran again for another of its results", function()
    local c = cluster()
    local job = c:submit(function(m)
      local map = m.remote("map", function(bytes)
        m.compute("1ms")
        return m.bytes(bytes, 1), m.bytes(bytes, 2), 3
      end, { num_returns = 3 })
      local a, b, three = map.remote(300000)
      m.wait({ a, b, three }, { num_returns = 3 })
      a:drop()
      print "kill"
      m.sleep("10ms")
      local n = #m.get(b) + m.get(three)
      b:drop()
      three:drop()
      print "quiet"
      m.sleep("3s")
      return n
    end)
    c:once("output", { text = "kill\n" }, function() c:kill(c:sole_holder("O1.2")) end)
    run_until_quiet(c)
    nothing_is_left(c)
    c:run { until_done = job, drain = true }
    assert.are.equal(B + 3, job:result())
  end)

  it("goes when one of its results did not fit into the store", function()
    local c = cluster { nodes = { head = { cpus = 0 }, n1 = { store = "400KB", disk = "1KB" } },
                        config = { store_full_grace = "10ms" } }
    local job = c:submit(function(m)
      local map = m.remote("map", function(bytes) return m.bytes(bytes, 1), m.bytes(bytes, 2) end,
        { num_returns = 2 })
      local a, b = map.remote(300000)
      local _, err = m.try(b)
      a:drop()
      b:drop()
      print "quiet"
      m.sleep("3s")
      return err.name
    end)
    run_until_quiet(c)
    nothing_is_left(c)
    c:run { until_done = job, drain = true }
    assert.are.equal("OutOfDiskError", job:result())
  end)

  it("goes when who registered a borrower died before it could say so", function()
    local c = cluster()
    local job = program(c, "handed", B)
    c:once("message.sent", { kind = "BorrowerAdded", to = "n2/w1" }, function(e) c:kill(e.to) end)
    run_until_quiet(c)
    nothing_is_left(c)
    c:run { until_done = job, drain = true }
    assert.are.equal(7, job:result())
    assert.are.equal(2, c:attempts("T2"))
  end)
end)

describe("recovery", function()
  it("keeps the references of the value that was made again", function()
    local c = cluster()
    local job = program(c, "boxed_again", B)
    c:once("output", { text = "kill\n" }, function() c:kill "n1" end)
    run_until_quiet(c)
    nothing_is_left(c)
    c:run { until_done = job, drain = true }
    assert.are.equal(7, job:result())
  end)

  it("may make a value with other references, which goes to the disk", function()
    local c = cluster { nodes = { head = { cpus = 0 }, n1 = {}, n2 = { store = "400KB" } } }
    local job = program(c, "boxed_and_spilled", B)
    c:once("output", { text = "kill\n" }, function() c:kill "n1" end)
    run_until_quiet(c)
    nothing_is_left(c)
    c:run { until_done = job, drain = true }
    assert.are.equal(10, job:result())
  end)

  it("pins another copy when the one that was being pinned is lost too", function()
    local c = cluster { nodes = { head = { cpus = 0 }, n1 = {}, n2 = {}, n3 = { store = "700KB" } } }
    local job = program(c, "pinned", B)
    c:once("output", { text = "kill\n" }, function() c:kill "n1" end)
    c:once("message.sent", { kind = "PinObject" }, function(e) c:kill(e.to) end)
    c:run { until_done = job, limit = "10s" }
    assert.are.equal(5, job:result())
  end)

  it("charges one retry for one death, and pushes nothing to the dead", function()
    local c = cluster()
    local job = program(c, "two_naps")
    c:never("a task is sent to a dead machine", function(s)
      for a in s.attempts { node = "n1", attempt = 2 } do return true end
    end)
    c:at("20ms", function() c:kill "n1" end)
    c:run { until_done = job, limit = "10s" }
    assert.are.equal(2, job:result())
  end)

  it("has the arguments that a finished task borrowed", function()
    local c = cluster()
    local job = program(c, "lineage", B)
    c:once("output", { text = "kill\n" }, function() c:evict("O2/1", "n2") end)
    c:run { until_done = job, limit = "10s" }
    assert.are.equal(4, job:result())
  end)
end)

describe("a copy that was dropped before its owner had heard of it", function()
  -- The machine's word of the drop overtakes the worker's word that it is there.
  local function drop_early(c)
    c:once("message.sent", { kind = "ObjectStored" }, function(e) c:evict("O1", e.from) end)
  end

  it("is not looked for for ever by another machine", function()
    local c = cluster()
    local job = program(c, "elsewhere", B)
    drop_early(c)
    c:run { until_done = job, limit = "10s", drain = true }
    assert.are.equal(B, job:result())
    assert.are.equal(2, c:attempts("T1"))
  end)

  it("is not waited for for ever by the machine itself", function()
    local c = cluster()
    local job = program(c, "right_there", B)
    drop_early(c)
    c:run { until_done = job, limit = "10s", drain = true }
    assert.are.equal(B, job:result())
    assert.are.equal(2, c:attempts("T1"))
  end)
end)

describe("a result that was let go", function()
  it("is wanted again while its task runs again for another one", function()
    local c = cluster()
    local job = program(c, "twins", B)
    c:once("output", { text = "kill\n" }, function()
      c:evict("O1.2", "n1")
      c:at(c:now() + 0.003, function() c:evict("O2", "n1") end)
    end)
    c:run { until_done = job, limit = "10s" }
    assert.are.equal(7, job:result())
    assert.are.equal(2, c:attempts("T1"))
    assert.are.equal(2, c:attempts("T2"))
  end)
end)

describe("a copy that a task still reads when it is to go", function()
  it("is there for one that the task waits for", function()
    local c = cluster()
    local job = program(c, "read_on", B)
    c:once("output", { text = "evict\n" }, function() c:evict("O1", "n1") end)
    c:run { until_done = job, limit = "10s", drain = true }
    assert.are.equal(7, job:result())
  end)
end)

describe("the word that a copy is gone", function()
  it("may come when the object was made there again", function()
    local c = cluster()
    local job = program(c, "remade", B)
    c:once("message.sent", { kind = "Pull", to = "n1" }, function() c:evict("O1", "n1") end)
    c:once("message.sent", { kind = "ObjectMoved", from = "n1", count = 2 }, function()
      local hold = c:hold("n1/node", "driver")
      c:at(c:now() + 0.02, function() hold:heal() end)
    end)
    run_until_quiet(c)
    nothing_is_left(c)
    c:run { until_done = job, drain = true }
    assert.are.equal(7, job:result())
  end)
end)

describe("the word of a death", function()
  it("comes to the workers of a machine that has missed it", function()
    local c = cluster()
    local job = program(c, "one_nap")
    c:at("20ms", function()
      c:rpc { kind = "NodeChanged", to = "head", lose = "request", times = 1 }
      c:kill "n1"
    end)
    c:run { until_done = job, limit = "10s" }
    assert.are.equal(1, job:result())
  end)

  it("comes to the machine itself, which may have nothing to say", function()
    local c = cluster { nodes = { head = { cpus = 0 }, n1 = {} } }
    local job = program(c, "unheard", B)
    c:once("output", { text = "lose\n" }, function()
      c:rpc { kind = "HealthReply", from = "n1", lose = "request", times = 2 }
    end)
    run_until_quiet(c)
    assert.is_nil(c.state.nodes["n1"].leases, "nobody is there to be asked")
    assert.are.equal(0, #c.state.workers { node = "n1", alive = true })
    c:run { until_done = job, drain = true }
    assert.are.equal(B, job:result())
  end)

  it("ends the drivers of a machine with it", function()
    local c = cluster()
    local job = program(c, "one_nap")
    c:at("10ms", function() c:pause("head/node", { lasts = "60ms" }) end)
    c:run { until_done = job, limit = "10s", drain = true }
    assert.are.equal("OwnerDiedError", job:error().name)
    assert.are.equal(0, #c.state.workers { node = "head", alive = true })
  end)

  it("comes to a machine that joins after it", function()
    local c = cluster { nodes = { head = { cpus = 0 }, n1 = {} } }
    local job = program(c, "late", B)
    c:once("output", { text = "kill\n" }, function()
      c:kill "n1/w0"
      c:at("100ms", function() c:join("n2") end)
    end)
    c:run { until_done = job, limit = "10s" }
    assert.are.equal("OwnerDiedError", job:result())
  end)

  it("may let go of several objects of one owner at once", function()
    local c = cluster()
    local job = program(c, "let_go")
    c:once("output", { text = "kill\n" }, function() c:kill "n1/w0" end)
    c:run { until_done = job, limit = "10s" }
    assert.are.equal("OwnerDiedError", job:result())
  end)
end)

describe("the GCS", function()
  it("is believed when the machine that it is on was started again", function()
    local c = cluster()
    local first, job = program(c, "one_nap"), nil
    c:at("10ms", function()
      c:kill "head"
      c:restart "head"
    end)
    c:at("40ms", function() job = program(c, "elsewhere", B) end)
    c:run { until_time = "50ms" }
    c:run { until_done = job, limit = "10s", drain = true }
    assert.are.equal("OwnerDiedError", first:error().name)
    assert.are.equal(B, job:result())
  end)
end)

describe("a process that is busy with a probe", function()
  it("is not at rest when something else waits behind it", function()
    local c = cluster { nodes = { head = { cpus = 0 }, n1 = { store = "400KB", disk = "1KB" } },
                        config = { cost_node = "5ms", health_misses = 4,
                                   store_full_grace = "1502ms" } }
    local job = program(c, "overfull", B)
    c:run { until_done = job, limit = "10s", drain = true }
    assert.are.equal("OutOfDiskError", job:result())
  end)
end)

describe("a worker", function()
  it("gets its program though the GCS has taken the question into its grave", function()
    local c = cluster { config = { lease_idle = "0ms" } }
    local job = program(c, "begun", B)
    c:once("message.delivered", { kind = "KvGet", from = "n2/w0" }, function()
      c:kill("head", { restart = "5ms" })
    end)
    c:run { until_done = job, limit = "10s", drain = true }
    assert.are.equal("OwnerDiedError", job:error().name)
  end)
end)

describe("a machine", function()
  it("may leave while there is no GCS, and is declared dead later", function()
    local c = cluster()
    c:at("10ms", function()
      c:kill "head"
      c:leave "n2"
    end)
    c:at("50ms", function() c:restart "head" end)
    c:run { until_event = { "node.declared_dead", node = "n2" }, limit = "1s" }
  end)
end)

describe("a broken connection", function()
  it("does not lend a CPU for ever", function()
    local c = cluster { nodes = { head = { cpus = 0 }, n1 = { cpus = 1 }, n2 = {} } }
    local job = program(c, "lent", B)
    c:once("message.delivered", { kind = "WorkerBlocked" }, function(e)
      c:rpc { kind = "WorkerBlocked", from = e.from, lose = "request", times = 1 }
    end)
    c:run { until_event = { "output", text = "goes on\n" }, limit = "10s" }
    c:run { until_time = c:now() + 0.01 }
    assert.are.equal(0, c.state.nodes["n1"].available)
    c:run { until_done = job }
    assert.are.equal(4, job:result())
  end)
end)

describe("a task", function()
  it("may return what it owns to its own worker", function()
    local c = cluster { nodes = { head = { cpus = 0 }, n1 = { cpus = 1 } } }
    local job = program(c, "own_errand")
    c:run { until_done = job, limit = "10s", drain = true }
    assert.are.equal(7, job:result())
    for a in c.state.attempts do assert.are.equal("n1/w0", a.worker) end
  end)

  it("has what it was lent when it runs again", function()
    local c = cluster()
    local job = program(c, "lent_again", B)
    c:once("output", { text = "kill\n" }, function() c:evict("O2", "n1") end)
    c:run { until_done = job, limit = "10s" }
    assert.are.equal(7, job:result())
    assert.are.equal(2, c:attempts("T1"))
    assert.are.equal(2, c:attempts("T2"))
  end)

  it("runs again though what it was lent is not there yet", function()
    local c = cluster()
    local job = program(c, "lent_early", B)
    c:once("output", { text = "kill\n" }, function() c:evict("O2", "n1") end)
    c:run { until_done = job, limit = "10s" }
    assert.are.equal(8, job:result())
    assert.are.equal(1, c:attempts("T1"))
    assert.are.equal(2, c:attempts("T2"))
  end)

  it("borrows no longer than it needs to", function()
    local c = cluster()
    local job = program(c, "handed_on")
    run_until_quiet(c)
    nothing_is_left(c)
    c:run { until_done = job, drain = true }
    assert.are.equal(1, job:result())
  end)

  it("has what its arguments mention though their owner dies", function()
    local c = cluster()
    local job = program(c, "third", B)
    c:once("output", { text = "kill\n" }, function() c:kill "n1/w0" end)
    c:run { until_done = job, limit = "10s", drain = true }
    assert.are.equal(7, job:result())
  end)

  it("keeps one of very many references that it was lent", function()
    local c = cluster()
    local job = program(c, "many", B)
    c:run { until_done = job, limit = "10s", drain = true }
    assert.are.equal(1, job:result())
  end)
end)
