-- references_spec.lua: what Ray's tests promise of references, as sentences;
-- course/ray-tests.md says which is which.
--
--   mobula test tests/spec/references_spec.lua --seeds 1000
--
-- Each seed takes other times (shared/weather.lua), and in the end messages are
-- lost, too. After each test nothing may be left.
local sim = require "mobula.sim"
local weather = require "shared.weather"

local holders, when = weather.holders, weather.when

local B = 300000 -- bytes: too many to travel in messages

local function program(c, ...) return c:submit("programs/references.lua", ...) end

-- Whoever runs a task of a dead owner is about to be ended, with what it holds.
local function is_doomed(s, worker)
  for a in s.attempts { worker = worker, running = true } do
    if not s.workers[a.owner].alive then return true end
  end
  return false
end

local function cluster(options)
  local c = weather.cluster(options or {})
  c:never("what somebody holds is freed", function(s)
    for o in s.objects { state = "FREED" } do
      for ref in o.refs do
        if ref.kind ~= "borrowed" and not is_doomed(s, ref.holder) then return true end
      end
    end
  end)
  return c
end

-- Runs a program that ends with "quiet": by then all must be gone.
local function to_the_end(c, job)
  weather.until_quiet(c)
  c:run { until_done = job, limit = "20s" }
  return job:result()
end

local function all_freed(c, ...)
  for _, object in ipairs { ... } do
    assert.are.equal("FREED", c.state.objects[object].state, object)
  end
end

describe("a reference", function()
  it("counts as often as a process has it", function()
    local c = cluster()
    local job = program(c, "twice", B)
    when(c, "one is left", function() assert.are.equal("driver local", holders(c, "O1")) end)
    assert.are.equal(7, to_the_end(c, job))
  end)

  it("in an argument counts until the task is over", function()
    local c = cluster()
    local job = program(c, "argument", B)
    c:once("task.running", { task = "T2" }, function(e)
      assert.matches("driver argument", holders(c, "O1"))
    end)
    when(c, "over", function() all_freed(c, "O1") end)
    assert.are.equal(7, to_the_end(c, job))
  end)

  it("to a small value is let go when the value takes its place in a task", function()
    local c = cluster()
    local job = program(c, "argument", 10)
    c:once("task.running", { task = "T2" }, function() all_freed(c, "O1") end)
    assert.are.equal(7, to_the_end(c, job))
  end)

  for _, how in ipairs { "argument", "table" } do
    it("in an " .. how .. " is let go when the task fails", function()
      local c = cluster()
      local job = program(c, "fails", B, how == "table")
      assert.are.equal("TaskError", to_the_end(c, job))
    end)

    it("in an " .. how .. " is let go when the worker of the task crashes", function()
      local c = cluster()
      local job = program(c, "fails", B, how == "table")
      when(c, "about to fail", function(e) c:kill(e.worker) end)
      assert.are.equal("WorkerCrashedError", to_the_end(c, job))
    end)
  end

  it("of a task that waits keeps its object in the store, however full that is", function()
    local c = cluster { nodes = { head = { cpus = 0, store = "1MB" }, n1 = {}, n2 = {}, n3 = {} } }
    local job = program(c, "pending", B)
    c:run { until_done = job, limit = "20s" }
    assert.are.equal(7, job:result())
  end)

  it("of a body keeps its object in the store, however full that is", function()
    local c = cluster { nodes = { head = { cpus = 0 }, n1 = {}, n2 = { store = "1MB" }, n3 = {} } }
    local job = program(c, "keeper", B)
    c:run { until_done = job, limit = "20s" }
    assert.are.equal(7, job:result())
  end)

  it("is given up in the order in which a body got it", function()
    local c = cluster()
    local job, got, gone = program(c, "careless"), {}, {}
    local function in_careless(e) return c.state.tasks.T1 and e.to == c.state.tasks.T1.worker end
    c:on("ref.added", { reason = "local" }, function(e)
      if in_careless(e) then got[#got + 1] = e.object end
    end)
    c:on("ref.dropped", { reason = "local" }, function(e)
      if in_careless(e) then gone[#gone + 1] = e.object end
    end)
    c:run { until_done = job, limit = "20s" }
    assert.is_true(#got >= 4, "what it was lent, what it put, called, and found in a value")
    assert.are.same(got, gone)
  end)
end)

describe("a reference in a table", function()
  it("keeps its object for a task that waits, and for one that runs", function()
    local c = cluster()
    local job = program(c, "serialized", B)
    when(c, "opened", function(e)
      assert.are.equal("driver argument, " .. e.worker .. " local", holders(c, "O1"))
    end)
    assert.are.equal(7, to_the_end(c, job))
  end)

  it("is let go when the worker that has it crashes", function()
    local c = cluster()
    local job = program(c, "serialized", B)
    when(c, "opened", function(e) c:kill(e.worker) end)
    assert.are.equal("WorkerCrashedError", to_the_end(c, job))
  end)

  it("goes along a chain of tasks as long as the last of them runs", function()
    local c = cluster()
    local job = program(c, "recursive", B, 5)
    when(c, "the last one", function() assert.are.equal("SEALED", c.state.objects.O1.state) end)
    assert.are.equal(7, to_the_end(c, job))
  end)

  it("is let go when the last of a chain of tasks crashes", function()
    local c = cluster()
    local job = program(c, "recursive", B, 5)
    when(c, "the last one", function(e) c:kill(e.worker) end)
    assert.matches("Error", to_the_end(c, job))
  end)

  it("that came three times is held until the last of them is needed no more", function()
    local c = cluster()
    local job = program(c, "duplicate", B)
    when(c, "kept", function()
      local worker = c.state.tasks.T2.worker
      assert.are.equal(worker .. " argument, " .. worker .. " borrowed", holders(c, "O1"))
    end)
    assert.are.equal(7, to_the_end(c, job))
  end)

  it("comes back to its owner, who does not borrow from itself", function()
    local c = cluster()
    local job = program(c, "back", B, 1)
    when(c, "back", function() assert.are.equal("driver local", holders(c, "O1")) end)
    assert.are.equal(7, to_the_end(c, job))
  end)

  it("goes to and fro as often as one likes", function()
    local c = cluster()
    local job = program(c, "back", B, 6)
    assert.are.equal(7, to_the_end(c, job))
  end)
end)

describe("a value", function()
  it("keeps what it mentions, and lets it go with it, however deep", function()
    local c = cluster()
    local job = program(c, "nested", B, 5)
    when(c, "nested", function()
      assert.are.equal("driver nested", holders(c, "O1"))
      assert.are.equal("driver nested", holders(c, "P4"))
      assert.are.equal("driver local", holders(c, "P5"))
    end)
    to_the_end(c, job)
    all_freed(c, "P5", "P4", "P3", "P2", "P1", "O1")
  end)

  it("is opened by as many tasks as it is deep", function()
    local c = cluster()
    local job = program(c, "unwrap", B, 5)
    when(c, "the last one", function() assert.are.equal("SEALED", c.state.objects.O1.state) end)
    assert.are.equal(7, to_the_end(c, job))
  end)

  it("lets go of what it mentions when the task that opens it crashes", function()
    local c = cluster()
    local job = program(c, "unwrap", B, 5)
    when(c, "the last one", function(e) c:kill(e.worker) end)
    assert.matches("Error", to_the_end(c, job))
  end)

  for _, how in ipairs { "put", "task" } do
    local inner = how == "put" and "P1/1" or "O1/1"

    it("that mentions a " .. how .. " of who returns it makes its reader a borrower", function()
      local c = cluster()
      local job = program(c, "given", B, how)
      when(c, "the outer one is gone", function()
        assert.are.equal("driver borrowed, driver local", holders(c, inner))
      end)
      assert.are.equal(7, to_the_end(c, job))
    end)

    it("that mentions a " .. how .. " of who returns it does not survive that one", function()
      local c = cluster()
      local job, owner = program(c, "given", B, how), nil
      when(c, "the outer one is gone", function()
        owner = c.state.tasks.T1.worker
        c:kill(owner)
      end)
      assert.matches(owner or "n1/w", to_the_end(c, job), "the error says whose it was")
    end)

    it("that mentions a " .. how .. " may be handed on unopened", function()
      local c = cluster()
      local job = program(c, "passed", B, how)
      assert.are.equal(7, to_the_end(c, job))
    end)

    it("that mentions a " .. how .. " goes down a chain and comes back from each of it", function()
      local c = cluster()
      local job = program(c, "carried", B, how, 4)
      when(c, "carried", function()
        assert.matches("driver borrowed", holders(c, inner))
      end)
      assert.are.equal(14, to_the_end(c, job))
    end)

    local deep = how == "put" and "P1/1/1/1/1/1" or "O1/1/1/1/1/1"

    it("that mentions a " .. how .. " goes up a chain, and its maker stays its owner", function()
      local c = cluster()
      local job = program(c, "raised", B, how, 4)
      when(c, "the outer one is gone", function()
        assert.are.equal(c.state.tasks["T1/1/1/1/1"].worker, c:owner(deep))
        assert.matches("driver borrowed", holders(c, deep))
      end)
      assert.are.equal(7, to_the_end(c, job))
    end)

    it("that mentions a " .. how .. " goes up a chain, and its maker dies", function()
      local c = cluster()
      local job, owner = program(c, "raised", B, how, 4), nil
      when(c, "the outer one is gone", function()
        owner = c:owner(deep)
        c:kill(owner)
      end)
      assert.matches("died", to_the_end(c, job))
    end)
  end

  it("that takes the place of an argument counts what it mentions, for every attempt", function()
    local c = cluster()
    local job = program(c, "second", B)
    when(c, "first attempt", function(e) c:kill(e.worker) end)
    assert.are.equal(7, to_the_end(c, job))
    assert.are.equal(2, c:attempts "T3")
  end)

  it("that a finished task took in a table is there when it runs again", function()
    local c = cluster()
    local job = program(c, "lineage", B)
    when(c, "lose", function()
      assert.are.equal("", holders(c, "P1"), "nobody holds it")
      c:kill "n1"
    end)
    assert.are.equal(7, to_the_end(c, job))
    assert.are.equal(2, c:attempts "T1")
  end)
end)

describe("a borrower", function()
  it("keeps what it was lent for a task of its own, after it has returned", function()
    local c = cluster()
    local job = program(c, "kept", B)
    when(c, "kept", function()
      local worker = c.state.tasks.T2.worker
      assert.matches(worker .. " argument, " .. worker .. " borrowed", holders(c, "O1"))
      assert.are.equal("driver borrowed, driver local", holders(c, "O2/1"))
    end)
    assert.are.equal(7, to_the_end(c, job))
  end)

  it("that dies is struck off, and what it alone kept goes", function()
    local c = cluster()
    local job = program(c, "kept", B)
    when(c, "kept", function() c:kill(c.state.tasks.T2.worker) end)
    assert.are.equal("OwnerDiedError", to_the_end(c, job))
    all_freed(c, "O1")
  end)

  it("that dies before its reply comes leaves nothing on the list", function()
    local c = cluster()
    local job = program(c, "kept", B)
    c:once("message.sent", { kind = "TaskReply", to = "driver", count = 2 }, function(e)
      c:kill(e.from)
    end)
    assert.are.equal(7, to_the_end(c, job))
    assert.are.equal(2, c:attempts "T2")
  end)

  it("that is cut off for long is not forgotten", function()
    local c = cluster { config = { health_misses = 100 } }
    local job = program(c, "kept", B)
    when(c, "kept", function()
      local hold = c:hold("n1", "head")
      c:at(c:now() + 0.2, function() hold:heal() end)
    end)
    assert.are.equal(7, to_the_end(c, job))
  end)
end)

describe("an owner", function()
  for _, what in ipairs { "worker", "machine" } do
    it("that dies with its " .. what .. " takes along what it owns and who works for it", function()
      local c = cluster()
      local job, owner, run = program(c, "owned", B), nil, nil
      when(c, "lose", function()
        owner = c.state.tasks.T1.worker
        run = c:runner "T1/2"
        assert.is_not_nil(run)
        if what == "worker" then c:kill(owner) else c:kill "n1" end
      end)
      c:run { until_done = job, limit = "20s" }
      local x, why_x, y, why_y, elsewhere = table.unpack(job:result())
      assert.are.equal("OwnerDiedError", x)
      assert.are.equal("OwnerDiedError", y)
      for _, why in ipairs { why_x, why_y, elsewhere } do
        assert.matches(owner, why, "it says who died")
        assert.matches(what == "worker" and "killed" or "n1 died", why, "and why")
      end
      c:run { until_idle = true, limit = "20s" }
      assert.are.equal(0, c.state.store.used)
      assert.are.equal(0, #c.state.leases { owner = owner, live = true })
      assert.is_false(c.state.workers[run].alive, "who ran its task was ended")
    end)
  end

  it("that ends with everything in its hands leaves nothing behind", function()
    local c = cluster()
    local job = program(c, "ends", B)
    c:run { until_done = job, limit = "20s", drain = true }
    assert.is_true(job:result())
    assert.are.equal(0, c.state.store.used)
  end)
end)

describe("whatever is lost of what is said about references", function()
  local kinds = {
    "AddBorrower", "BorrowerAdded", "RemoveBorrower", "BorrowerRemoved", "GetStatus",
    "ObjectStatus", "FreeObjects", "SubscribeLocations", "Locations", "TaskReply", "PushTask",
  }
  for _, kind in ipairs(kinds) do
    it("is said again: " .. kind, function()
      local c = weather.cluster {} -- an attempt that was given up may hold something for a moment
      local job = program(c, "parade", B)
      local how = ({ "request", "reply", "inflight" })[sim.seed % 3 + 1]
      c:rpc { kind = kind, lose = how, times = 1 + sim.seed // 3 % 4 }
      assert.are.equal(9, to_the_end(c, job))
    end)
  end
end)
