-- Lecture: the values of a process die with the process that owns them.
--
-- A worker calls a task and returns the future, still unfinished business, to
-- the driver: the driver borrows it. The value itself lies safe in the store
-- of another machine. Then the worker that called the task dies. It owned the
-- future: it alone knew where the value is, who holds references to it and
-- how to make it again. So nobody can count references any more, the copy is
-- freed, and whoever asks gets an error that says why, instead of an answer
-- that nobody can vouch for.
--
-- That is what the ownership design gives up: the 2018 design kept all this
-- in the GCS and could lose any worker. It is also what makes it fast. Let
-- the driver make the call, and the driver owns the future.
local sim = require "mobula.sim"

local function run(who)
  local c = sim.cluster { nodes = { "head", "n1", "n2" }, cpus = 2 }
  c:run { until_time = "50ms" }
  local job = c:submit("programs/borrow.lua", who)
  -- When the value is there and the worker of "caller" has nothing to do but to own it.
  c:story("lose the caller", function()
    local caller = c:await { "task.finished", name = "caller" }
    c:await { "task.finished", name = "make" }
    c:sleep "5ms"
    c:kill(caller.worker)
  end)
  c:run { until_done = job, limit = "10s", drain = true }
  return c, job
end

-- The driver called, and the worker dies: nothing happens.
local c, job = run "the driver"
assert.are.equal(8 * 1024 * 1024, job:result())
print("the driver called: " .. job:result() .. " bytes")

-- The worker called, and the same worker dies: the value is lost although its copy was not.
c, job = run "the worker"
assert.error_is(job, "OwnerDiedError")
assert.are.equal("n1", c.state.tasks { name = "caller" }[1].node)
assert.are.equal("n2", c.state.tasks { name = "make" }[1].node)
assert.are.equal(0, c.state.store.used, "the orphaned copy is freed")
assert.are.equal(0, #c.state.tasks { replayed = true }, "nobody is left who could redo it")
print("the worker called: " .. job:error():report())
