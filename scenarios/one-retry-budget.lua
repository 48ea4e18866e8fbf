-- Lecture: crashes and losses are paid for from one purse.
--
-- A task may be tried again three times, unless it says otherwise. It does not
-- matter what for. A worker that crashes under it costs one retry. A machine
-- that is lost with the only copy of its result costs one too, although the
-- task had done all that it was asked for: it has to run again.
--
-- Here it goes: crash, loss, crash, loss. The third retry pays for the second
-- crash, and for the second loss nothing is left. The object is lost for good,
-- and the error says that the retries are used up, not that a machine died.
-- With max_retries = -1 the same misfortunes cost time and nothing else.
--
-- Three misfortunes of one object are much for an afternoon. For a job that
-- runs for weeks on machines that come and go it is not: give it more.
local sim = require "mobula.sim"

local function program(m, retries)
  local make = m.remote("make", function()
    m.compute("20ms")
    return m.bytes("8MiB")
  end, { max_retries = retries })
  local data = make.remote()
  m.wait { data }
  m.sleep("250ms") -- nobody looks at it; a lost object is made again all the same
  return #m.get(data)
end

local function run(retries)
  local c = sim.cluster { nodes = { head = { cpus = 0 }, n1 = {}, n2 = {}, n3 = {} } }
  c:run { until_time = "50ms" }
  local job = c:submit(program, retries)
  c:never("more than was agreed on", function(s)
    return retries >= 0 and #s.attempts { task = "T1" } > 1 + retries
  end)
  c:story("crash, loss, crash, loss", function()
    for i = 1, 2 do
      local e = c:await { "task.running", task = "T1" }
      c:sleep("5ms")
      print(string.format("crash %d, under attempt %d", i, e.attempt))
      c:kill(e.worker)
      e = c:await { "task.finished", task = "T1" }
      c:sleep("5ms")
      print(string.format("loss %d, after attempt %d", i, e.attempt))
      c:kill(c:sole_holder "O1")
    end
  end)
  c:run { until_done = job, limit = "10s" }
  return c, job
end

local c, job = run(3)
assert.error_is(job, "ObjectReconstructionFailedError")
assert.are.equal("retries_used_up", job:error().cause.reason)
assert.are.equal(4, c:attempts "T1")
assert.are.equal(2, c.state.objects.O1.times_lost)
print("three retries: " .. job:error():report())

c, job = run(-1)
assert.are.equal(8 * 1024 * 1024, job:result())
assert.are.equal(5, c:attempts "T1")
print("as many as it takes: " .. job:result() .. " bytes")
