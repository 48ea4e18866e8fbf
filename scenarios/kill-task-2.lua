-- Lecture: what Ray does when a machine dies in the middle of task 2.
--
-- The driver calls four tasks, each of which takes what the one before it
-- returns: 1 -> 2 -> 3 -> 4. All four are submitted at once and return
-- futures; they cannot run at once, because 2 waits for the value of 1.
--
-- Who redoes task 2? Not task 3, which wants its value, and not task 2, which
-- is dead. The owner does: the process that called the task and so owns what
-- it returns. That is the driver, for all four. It kept the description of
-- every task, so it sends task 2 to another machine. But task 2 needs the
-- value of task 1, whose only copy died with the machine: so the owner goes
-- one step back along the lineage and redoes task 1 first. Tasks 3 and 4 have
-- not run yet and just wait a little longer.
local sim = require "mobula.sim"

local c = sim.cluster {
  nodes = { head = { cpus = 0 }, n1 = {}, n2 = {}, n3 = {} },
}

local job = c:submit(function(m)
  -- Each value carries 8 MiB, so it lives in the store of the machine that
  -- made it. A small one would have gone to its owner, and could not be lost.
  local load = m.remote("load", function()
    m.compute("4ms")
    return { n = 20, data = m.bytes("8MiB") }
  end)
  local parse = m.remote("parse", function(x)
    m.compute("4ms")
    return { n = x.n + 1, data = m.bytes("8MiB") }
  end)
  local double = m.remote("double", function(x)
    m.compute("4ms")
    return { n = x.n * 2, data = m.bytes("8MiB") }
  end)
  local total = m.remote("total", function(x)
    m.compute("4ms")
    return x.n
  end)
  return m.get(total.remote(double.remote(parse.remote(load.remote()))))
end)

c:story("lose the machine that runs task 2", function()
  local e = c:await { "task.running", task = "T2" }
  c:sleep("2ms")
  assert(c:sole_holder("O1") == e.node, "task 2 runs where the only copy of its argument is")
  c:kill(e.node)
end)

c:run { until_done = job, limit = "5s" }

-- What must be so: the answer is right, exactly tasks 1 and 2 ran twice, and
-- it was the driver that asked for it.
assert.are.equal(42, job:result())
assert.are.same({ "T1", "T2" }, c.state.tasks { replayed = true }:ids())
assert.are.equal(2, c:attempts("T1"))
assert.are.equal(2, c:attempts("T2"))
assert.are.equal(1, c:attempts("T3"))
assert.are.equal(1, c:attempts("T4"))
for t in c.state.tasks do
  assert.are.equal(job.driver, t.owner)
end
