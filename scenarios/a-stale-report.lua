-- Lecture: what a machine says that was declared dead.
--
-- The line between n1 and the head is cut, in the middle of a task. n1 does not
-- answer two probes, so the GCS declares it dead, and the owner has the task
-- run again on n2. But n1 is well. It finishes the task, puts the value into its
-- store, and when the line is mended it says so, before n2 is done.
--
-- Death is a decision, not an observation. It may be wrong, but it is final:
-- from then on nothing counts that comes from that machine. If it counted, two
-- attempts would compete for one object, and readers would see now this value,
-- now that one. So the owner ignores the late reply and does not note the copy,
-- and the GCS tells n1 to stop: that is called a fence. The machine may join
-- again, as another one.
--
-- The task says where it ran, so that a value of the wrong attempt would show.
local sim = require "mobula.sim"

local c = sim.cluster { nodes = { head = { cpus = 0 }, n1 = {}, n2 = {} } }
c:run { until_time = "50ms" }

local job = c:submit(function(m)
  local work = m.remote("work", function()
    m.compute("40ms")
    return { node = m.context().node, data = m.bytes("8MiB") }
  end, { scheduling_strategy = { node = "n1", soft = true } })
  local ref = work.remote()
  local first = m.get(ref).node
  m.sleep("50ms") -- long after n1 has spoken
  return { first, m.get(ref).node }
end)

c:never("a copy on n1 counts", function(s)
  return #s.copies { object = "O1", node = "n1", primary = true } > 0
end)
c:story("n1 is cut off", function()
  c:await { "task.running", task = "T1" }
  c:sleep("10ms")
  local cut = c:cut { from = "n1", to = "head" }
  c:await { "task.running", task = "T1", attempt = 2 }
  c:sleep("10ms")
  cut:heal()
end)
-- What is said too late, and the answer.
local function say(from, to, text)
  print(string.format("%6.1f ms  %-8s %-16s %s", c:now() * 1000, from, "to " .. to, text))
end
local said = {}
c:on("message.delivered", { kind = "TaskReply", to = "driver" }, function(e)
  if e.from ~= "n1/w0" then return end
  said.reply = true
  say(e.from, e.to, "T1 is done, O1 is here (and nobody listens)")
end)
c:on("message.delivered", { kind = "Fence", to = "n1" }, function(e)
  if not said.fence then say(e.from, e.to, "you are dead, stop") end
  said.fence = true
end)

c:run { until_done = job, limit = "5s", drain = true }
assert.are.same({ "n2", "n2" }, job:result())
assert.are.equal(2, c:attempts "T1")
assert.is_true(said.fence)
if sim.world == "sim" then -- a real n1 may be stopped before it gets a word out
  assert.is_true(said.reply)
end
assert.are.equal(0, #c.state.workers { node = "n1", alive = true }, "it was told to stop")
