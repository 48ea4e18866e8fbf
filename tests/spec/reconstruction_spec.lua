-- reconstruction_spec.lua: what Ray's tests promise of objects that were lost,
-- as sentences; course/ray-tests.md says which is which.
--
--   mobula test tests/spec/reconstruction_spec.lua --seeds 1000
--
-- Each seed takes other times (shared/weather.lua); what breaks stands in the test.
local sim = require "mobula.sim"
local weather = require "shared.weather"

local B = 300000 -- bytes: too many to travel in messages

local function program(c, ...) return c:submit("programs/reconstruction.lua", ...) end

local function cluster(options) return weather.cluster(options or {}) end

-- Runs the program; what it calls "lose" is what @break does.
local function run(c, break_it, ...)
  local job = program(c, ...)
  c:on("output", { text = "lose\n" }, function() break_it(c) end)
  c:run { until_done = job, limit = "20s" }
  return job
end

local function kill_n1(c) c:kill("n1", { restart = "30ms" }) end
local function kill_holders(c)
  for _, node in ipairs(c:copies "O1") do c:kill(node, { restart = "30ms" }) end
end

-- Everything that ran twice, by name.
local function again(c) return c.state.tasks { replayed = true }:ids() end

describe("an object that is lost", function()
  it("is not made again if a copy is left: that one stays, however full the store", function()
    local c = cluster { nodes = { head = { cpus = 0 }, n1 = {}, n2 = { store = "1MB" }, n3 = {} } }
    local job = run(c, function() c:kill "n1" end, "cached", B)
    assert.are.equal(7, job:result())
    assert.are.same({}, again(c))
    assert.is_true(c.state.copies["O1@n2"].primary)
  end)

  it("is made again, and an error when its retries are used up", function()
    local c = cluster()
    local job = run(c, kill_holders, "twice", B)
    local n, late, own, text = table.unpack(job:result())
    assert.are.equal(7, n)
    assert.are.equal("ObjectReconstructionFailedError", late)
    assert.are.equal("ObjectReconstructionFailedError", own)
    assert.matches("O1", text)
    assert.matches("retries", text)
    assert.are.equal(2, c:attempts "T1")
  end)

  it("is made again after whatever it was made of, each once", function()
    local c = cluster()
    local job = run(c, kill_n1, "downstream", B)
    assert.are.equal(8, job:result())
    assert.are.same({ "T1", "T2", "T3", "T4", "T5" }, again(c))
    for t in c.state.tasks { replayed = true } do assert.are.equal(2, t.attempts, t.id) end
  end)

  it("is made again from the beginning of a long chain whose links were dropped", function()
    local c = cluster()
    local job = run(c, kill_n1, "chain", 20, B)
    assert.are.equal(20, job:result())
    assert.are.equal(20, #again(c))
    for t in c.state.tasks { replayed = true } do assert.are.equal(2, t.attempts, t.id) end
  end)

  it("is not made again if nobody holds it", function()
    local c = cluster()
    run(c, kill_n1, "forgone", B)
    assert.are.same({}, again(c))
  end)

  it("is made again by its owner, and whoever has borrowed it waits", function()
    local c = cluster()
    c:on("task.retried", function(e) assert.are.equal("driver", e.owner) end)
    local job = run(c, kill_n1, "borrowed", B)
    assert.are.equal(7, job:result())
    assert.are.same({ "T1" }, again(c))
  end)

  it("is made again once, though it is lost again while that happens", function()
    local c = cluster()
    local job = run(c, function()
      c:evict("O1", "n1")
      c:once("task.running", { task = "T1", attempt = 2 }, function() c:evict("O1.2", "n1") end)
    end, "both", B)
    job:result()
    assert.are.equal(2, c:attempts "T1")
  end)

  it("is waited for by a body whose get began when it was lost", function()
    local c = cluster()
    local job = run(c, function() c:evict("O1", "n1") end, "waiting", B)
    assert.are.equal(2, job:result())
  end)

  it("costs one more retry if the machine that makes it again dies", function()
    local c = cluster()
    local job = run(c, function()
      c:once("task.running", { task = "T1", attempt = 2 }, function(e) c:kill(e.node) end)
      c:kill "n1"
    end, "once", B)
    assert.are.equal(7, job:result())
    assert.are.equal(3, c:attempts "T1")
  end)

  it("is waited for, though it takes longer than to notice a death", function()
    local c = cluster()
    local job = run(c, kill_holders, "slow", B)
    assert.are.equal(4, job:result())
    assert.are.equal(4, c:attempts "T1")
  end)
end)

describe("what cannot be lost", function()
  it("are values that travel in messages", function()
    local c = cluster()
    local job = run(c, kill_n1, "chain", 5, 10)
    assert.are.equal(5, job:result())
    assert.are.same({}, again(c))
  end)

  it("is what a small value was made of: only the last, large link is made again", function()
    local c = cluster()
    local job = run(c, kill_n1, "chain", 3, B, 10)
    assert.are.equal(3, job:result())
    assert.are.same({ "T3" }, again(c))
  end)

  it("is a put that a task may need again, whoever has dropped it", function()
    local c = cluster { nodes = { head = { cpus = 0, store = "1MB" }, n1 = {}, n2 = {}, n3 = {} } }
    local job = run(c, kill_n1, "put", B)
    assert.are.equal(7, job:result())
    assert.are.same({ "T1" }, again(c))
  end)

  it("is what a task made that may not run again, as long as another may need it", function()
    local c = cluster()
    local job = run(c, kill_n1, "kept", B)
    assert.are.equal(7, job:result())
    assert.are.same({ "T2" }, again(c))
  end)
end)

describe("what cannot come back", function()
  it("is an error for everybody who waits for it in any way, now or later", function()
    local c = cluster()
    local job = run(c, kill_n1, "everybody", B)
    local names, ready, text = table.unpack(job:result())
    assert.are.equal(1, ready)
    assert.are.equal(5, #names)
    for _, name in ipairs(names) do
      assert.are.equal("ObjectReconstructionFailedError", name)
    end
    assert.matches("may not be retried", text)
    assert.are.equal(1, c:attempts "T1")
  end)

  it("is the error of what was made of it", function()
    local c = cluster()
    local job = run(c, kill_n1, "dependency", B)
    local outer, inner, text = table.unpack(job:result())
    assert.are.equal("TaskError", outer)
    assert.are.equal("ObjectReconstructionFailedError", inner)
    assert.matches("O1", text, "it names what is lost, not what was asked for")
    assert.are.equal(1, c:attempts "T2", "it does not run with an error for an argument")
  end)
end)

describe("a task that runs again", function()
  it("changes only that of its values that was lost", function()
    local c = cluster()
    local job = run(c, function() c:kill "n1" end, "pair", { B }, { B })
    assert.are.same({ 1, 2, 2, 2, 1, B, B }, job:result(), "the second had a copy on n2")
    assert.are.equal(2, c:attempts "T1")
  end)

  it("may return a small value where a large one was, and everybody finds it", function()
    local c = cluster()
    local job = run(c, function() c:kill "n1" end, "pair", { B, 10 }, { B })
    assert.are.same({ 1, 2, 2, 2, 1, 10, B }, job:result())
  end)

  it("may return a large value where a small one was, and that does not count", function()
    local c = cluster()
    local job = run(c, function() c:kill "n1" end, "pair", { B }, { 10, B })
    assert.are.same({ 1, 2, 2, 2, 1, B, 10 }, job:result(), "the small one was never lost")
    c:run { until_idle = true, limit = "20s" }
  end)

  it("may return another number of values: then what was lost is an error", function()
    local c = cluster()
    local job = run(c, function() c:evict("O1", "n1") end, "moody", B, "more")
    local name, second, text = table.unpack(job:result())
    assert.are.equal("TaskError", name)
    assert.are.equal(2, second, "what was not lost is what it was")
    assert.matches("returned 3 values", text)
  end)

  it("may fail where it went well before: then what was lost is that error", function()
    local c = cluster()
    local job = run(c, function() c:evict("O1", "n1") end, "moody", B, "raises")
    local name, second, text = table.unpack(job:result())
    assert.are.equal("TaskError", name)
    assert.are.equal(2, second)
    assert.matches("not again", text)
    assert.are.equal(2, c:attempts "T1", "an error of a body is not retried unless it says so")
  end)

  it("calls its children again, and those of before leave nothing behind", function()
    local c = cluster()
    local job = program(c, "nested", B)
    c:once("output", { text = "lose\n" }, function() c:kill "n1" end)
    weather.until_quiet(c)
    c:run { until_done = job, limit = "20s" }
    assert.are.equal(7, job:result())
    assert.are.equal(2, c:attempts "T1")
    assert.are.equal(2, c:attempts "T1/1")
  end)
end)

describe("a task that may not be retried", function()
  it("ends before its machine leaves, and nothing is charged", function()
    local c = cluster()
    local job = program(c, "leaving", B)
    c:once("output", { text = "leave\n" }, function() c:leave "n1" end)
    c:run { until_done = job, limit = "20s" }
    assert.are.equal(8, job:result())
    assert.are.equal(1, c:attempts "T1")
    assert.are_not.equal("n1", c.state.tasks { name = "look" }[1].node, "it takes nothing new")
  end)
end)

describe("an argument that is lost", function()
  it("while its task waits for a machine is made again before the task runs", function()
    local c = cluster { nodes = { head = { cpus = 0 }, n1 = {}, n2 = { cpus = 2 }, n3 = {} } }
    local job = run(c, kill_n1, "queued", B)
    assert.are.equal(7, job:result())
    assert.are.equal(2, c:attempts "T1")
    assert.are.equal(1, c:attempts "T6")
  end)

  it("in the middle of being fetched is made again, and fetched from there", function()
    local c = cluster { config = { chunk = "50KB" } }
    local job = program(c, "fetched", B)
    c:once("message.sent", { kind = "Chunk", count = 3 }, function(e) c:kill(e.from) end)
    c:run { until_done = job, limit = "20s" }
    assert.are.equal(7, job:result())
    assert.are.equal(2, c:attempts "T1")
  end)
end)

describe("a machine that was declared dead", function()
  it("is not believed when it says what it has fetched since", function()
    local c = cluster()
    local job = program(c, "unheard", B)
    c:once("output", { text = "cut\n" }, function(e)
      local cut = c:cut { from = e.node, to = "head" }
      c:once("node.declared_dead", { node = e.node }, function()
        c:at(c:now() + 0.001, function() cut:heal() end)
        c:at(c:now() + 0.02, function() c:kill "n1" end)
      end)
    end)
    c:never("a copy there counts", function(s)
      return #s.nodes { name = "n2", declared_dead = true } > 0
        and #s.copies { node = "n2", primary = true, live = true } > 0
    end)
    c:run { until_done = job, limit = "20s" }
    assert.are.equal(14, job:result())
  end)
end)

describe("lineage", function()
  it("of a chain of small values is that of the last one alone", function()
    local c = cluster()
    local job = program(c, "long", 10)
    c:once("output", { text = "one is held\n" }, function()
      assert.are.equal(1, c.state.workers.driver.owned)
    end)
    weather.until_quiet(c)
    c:run { until_done = job, limit = "20s" }
  end)

  it("of a chain of large values stays as long as the last one, and goes with it", function()
    local c = cluster()
    local job = program(c, "long", B)
    c:once("output", { text = "one is held\n" }, function()
      assert.are.equal(41, c.state.workers.driver.owned, "rows, not values")
      assert.near(B, c.state.store.used, 100, "one value, and what is around it")
    end)
    weather.until_quiet(c)
    c:run { until_done = job, limit = "20s" }
  end)
end)
