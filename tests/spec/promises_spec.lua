-- promises_spec.lua: promises that chaos puts to the test too rarely.
--
-- Each test is the shortest story in which a mistake of tests/mutants/ shows
-- that the sweeps of the other files did not find within ten seeds.
local sim = require "mobula.sim"

describe("retries", function()
  it("are spent on what is lost as well, and then there are none", function()
    local c = sim.cluster { nodes = { head = { cpus = 0 }, n1 = {} } }
    local job = c:submit(function(m)
      local make = m.remote("make", function() return m.bytes(300000) end, { max_retries = 1 })
      local r = make.remote()
      local name
      for _ = 1, 2 do
        m.wait { r }
        print "lose it"
        m.sleep("50ms")
      end
      local _, err = m.try(r)
      return err and err.name
    end)
    c:on("output", { text = "lose it\n" }, function() c:evict("O1", "n1") end)
    c:run { until_done = job, limit = "10s" }
    assert.are.equal("ObjectReconstructionFailedError", job:result())
    assert.are.equal(2, c:attempts("T1"))
  end)

  it("are spent on crashes, and then there are none", function()
    local c = sim.cluster { nodes = { head = { cpus = 0 }, n1 = {} } }
    local job = c:submit(function(m)
      local nap = m.remote("nap", function() m.sleep("10ms") return 1 end, { max_retries = 1 })
      local _, err = m.try(nap.remote())
      return err and err.name
    end)
    c:on("task.running", function(e) c:kill(e.worker) end)
    c:run { until_done = job, limit = "10s" }
    assert.are.equal("WorkerCrashedError", job:result())
    assert.are.equal(2, c:attempts("T1"))
  end)
end)

describe("a task that waits in get", function()
  it("lends its CPU, and not its memory", function()
    local c = sim.cluster { nodes = { head = { cpus = 0 }, n1 = { cpus = 2, memory = "2GiB" } } }
    local job = c:submit(function(m)
      local slow = m.remote("slow", function() m.compute("50ms") return 1 end)
      local waits = m.remote("waits", function(t)
        local one = m.get(t[1])
        m.compute("10ms")
        return one
      end, { memory = "1.5GiB" })
      local one = slow.remote()
      local a, b = waits.remote { one }, waits.remote { one }
      return m.get(a) + m.get(b)
    end)
    c:never("both of them run", function(s)
      return #s.tasks { name = "waits", state = "RUNNING" } > 1
    end)
    c:run { until_done = job, limit = "10s" }
    assert.are.equal(2, job:result())
  end)
end)

describe("the reply of an attempt that was given up", function()
  it("does not count when it comes after all", function()
    local c = sim.cluster { nodes = { head = { cpus = 0 }, n1 = {}, n2 = {} } }
    local job = c:submit(function(m)
      local work = m.remote("work", function() m.compute("100ms") return 1 end)
      return m.get(work.remote())
    end)
    c:once("task.running", { attempt = 1 }, function(e)
      c:link { from = e.worker, to = "driver", latency = "50ms" }
      c:rpc { kind = "TaskReply", lose = "inflight", times = 1 }
    end)
    c:run { until_done = job, limit = "10s" }
    assert.are.equal(1, job:result())
    assert.are.equal(2, c:attempts("T1"))
    assert.is_true(c:now() > 0.2, "the second attempt was waited for")
  end)
end)
