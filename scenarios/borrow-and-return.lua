-- Lecture: borrowing, and giving back.
--
-- A future inside a table stays a future. Who receives it can neither make the
-- value again nor say where it is: its owner can. So the receiver borrows it,
-- and the owner keeps a list of its borrowers. As long as somebody is on that
-- list the value stays, even when the owner itself has dropped it.
--
-- Here both directions happen in five lines. The driver lends a reference to
-- the worker of "use", which hands it to a task of its own and is done: it
-- keeps what it borrowed, because that task still needs it. And what "use"
-- returns is a future that its worker owns, so now the driver borrows.
--
-- The trick is the order. The worker is on the owner's list before its reply
-- is believed, and only then does the driver let go of the argument. The other
-- way round there would be a moment in which nobody counts, and in that moment
-- the value would go.
--
-- Who holds what at some moment of the run:  mobula memory --at 52ms
local sim = require "mobula.sim"
local holders = require "shared.holders"

local c = sim.cluster { nodes = { "head", "n1", "n2" }, cpus = 2 }
c:run { until_time = "50ms" }
local job = c:submit("programs/borrowing.lua", 8 * 1024 * 1024)

c:never("what somebody holds is freed", function(s)
  for o in s.objects { state = "FREED" } do
    if #o.refs > 0 then return true end
  end
end)
c:leads_to("what the last one gives back is freed at once",
  { "ref.dropped", object = "O1", reason = "borrowed" }, { "object.freed", object = "O1" }, "1ms")

c:story("who holds what", function()
  local worker = c:await({ "task.running", name = "use" }).worker
  assert.are.equal("driver (local, argument), " .. worker .. " (local)", holders.say(c, "O1"),
    "while it runs, the caller's argument protects what it was lent")

  c:await { "output", text = "dropped the data\n" }
  assert.are.equal(worker .. " (argument, borrowed)", holders.say(c, "O1"))
  assert.are.equal("driver (local, borrowed)", holders.say(c, "O2/1"))

  c:await { "object.freed", object = "O1" }
  assert.are.equal("FINISHED", c.state.tasks["T2/1"].state)
  holders.say(c, "O1")
  c:await { "object.freed", object = "O2/1" }
  holders.say(c, "O2/1")
  assert.is_true(c.state.workers[worker].alive, "its owner had stayed for that")
end)

c:run { until_done = job, limit = "5s" }
assert.are.equal(8 * 1024 * 1024, job:result())
