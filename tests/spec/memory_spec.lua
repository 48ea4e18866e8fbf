-- memory_spec.lua: what Ray's tests promise of spilling and of pulling objects, as
-- sentences; course/ray-tests.md says which is which.
--
--   mobula test tests/spec/memory_spec.lua --seeds 1000
--
-- Each seed takes other times (shared/weather.lua). After each test no byte and
-- no file may be left.
local sim = require "mobula.sim"
local weather = require "shared.weather"

local B = 300000
local STORE = "1.3MB" -- four of them

local function program(c, ...) return c:submit("programs/memory.lua", ...) end

local function cluster()
  return weather.cluster {
    nodes = { head = { cpus = 0 }, n1 = { cpus = 2, store = STORE },
              n2 = { cpus = 2, store = STORE } },
  }
end

local function no_file_is_left(c)
  for n in c.state.nodes { alive = true } do
    assert.are.equal(0, n.used, "bytes in the store of " .. n.name)
    assert.are.equal(0, n.disk_used, "bytes on the disk of " .. n.name)
    assert.are.equal(0, n.files, "files of " .. n.name)
  end
end

local function to_the_end(c, job)
  weather.until_quiet(c)
  no_file_is_left(c)
  c:run { until_done = job, limit = "20s" }
  return job:result()
end

-- Counts an event by object.
local function count(c, event)
  local times = {}
  c:on(event, function(e) times[e.object] = (times[e.object] or 0) + 1 end)
  return times
end

describe("a store that is full of what somebody holds", function()
  it("writes the oldest to disk and has room again; nothing runs again for it", function()
    local c = cluster()
    local job = program(c, "many", B, 12)
    c:once("output", { text = "made\n" }, function()
      local on_disk = 0
      for copy in c.state.copies { node = "n1", live = true, place = "disk" } do
        assert.is_true(copy.primary)
        on_disk = on_disk + 1
      end
      assert.is_true(on_disk >= 8, "four fit into the store")
    end)
    assert.are.equal(78, to_the_end(c, job))
    assert.are.same({}, c.state.tasks { replayed = true }:ids())
  end)

  it("reads a copy back once for all who want it", function()
    local c = cluster()
    local job = program(c, "wanted", B, 8, "n1")
    local restored = count(c, "object.restored")
    assert.are.equal(4, to_the_end(c, job))
    assert.are.equal(1, restored.O1)
  end)

  it("hands a copy to another machine from the file, without room for it here", function()
    local c = cluster()
    local job = program(c, "wanted", B, 8, "n2")
    c:never("it comes back into memory", function(s)
      return #s.copies { object = "O1", node = "n2", live = true } > 0
        and s.copies["O1@n1"].place == "memory"
    end)
    assert.are.equal(4, to_the_end(c, job))
  end)

  it("refuses what is larger than all of it at once, and nothing else", function()
    local c = cluster()
    local job = program(c, "larger", B)
    c:run { until_done = job, limit = "20s" }
    assert.are.same({ "ObjectStoreFullError", 2 }, job:result())
  end)
end)

describe("a file", function()
  it("goes with the last object in it", function()
    local c = cluster()
    assert.are.equal(9, to_the_end(c, program(c, "hoard", B, 9)))
  end)

  it("goes with the owner of what is in it", function()
    local c = cluster()
    local job = program(c, "hoard", B, 9)
    c:once("output", { text = "hoarded\n" }, function(e)
      assert.is_true(c.state.nodes.n1.files > 0)
      c:kill(e.worker)
    end)
    assert.are.equal("WorkerCrashedError", to_the_end(c, job))
  end)

  it("goes with the driver", function()
    local c = cluster()
    local job, files = program(c, "ends", B, 9), 0
    c:on("object.spilled", function() files = files + 1 end)
    c:run { until_done = job, limit = "20s", drain = true }
    assert.is_true(files > 0)
    no_file_is_left(c)
  end)
end)

describe("objects that a machine wants", function()
  it("may be many times what its store holds: the tasks have their arguments in turn", function()
    local c = cluster()
    assert.are.equal(2 * 78, to_the_end(c, program(c, "arguments", B, 12)))
    assert.are.same({}, c.state.tasks { replayed = true }:ids())
  end)

  it("come once, however many want them", function()
    local c = cluster()
    local job = program(c, "wanted", B, 2, "n2")
    local copied = count(c, "object.copied")
    assert.are.equal(4, to_the_end(c, job))
    assert.are.equal(1, copied.O1)
  end)
end)
