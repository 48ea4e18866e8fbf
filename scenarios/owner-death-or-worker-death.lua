-- Lecture: the death of who runs a task, and the death of who owns it.
--
-- The driver calls "boss" and its worker, on n1, calls "part", which runs on
-- n2. So the worker on n2 runs the part and nothing more; the worker on n1 owns
-- what the part returns. Both are killed in the same moment, while the part
-- computes; the verb is the same, what follows is not.
--
-- Who only runs a task can be replaced. Its owner is told, has it run again
-- somewhere else, and nobody above ever learns of it.
--
-- Who owns a task cannot. With the owner goes all knowledge of the task: the
-- worker that runs it is ended, since nobody would take its answer. If the boss
-- was still running, the boss itself is run again by its owner, and calls a
-- new part: twice the work, and the right answer. If the boss had returned the
-- future, it is done and nothing will run it again: the driver holds a
-- future without an owner, and gets OwnerDiedError.
--
-- Hence the rule: let the one own it that lives as long as it is needed.
local sim = require "mobula.sim"

-- Kills who runs the part ("worker") or who owns what it returns ("owner"), and
-- tells how often boss and part ran, and why the worker of the part died.
local function run(title, waits, who)
  local c = sim.cluster { nodes = { "head", "n1", "n2" }, cpus = 2 }
  c:run { until_time = "50ms" }
  local job, reason = c:submit("programs/boss.lua", waits), nil
  c:story("kill", function()
    local part = c:await { "task.running", name = "part" }
    c:sleep("10ms")
    assert.are_not.equal(part.owner, part.worker)
    c:kill(part[who])
    reason = c:await({ "worker.died", worker = part.worker }).reason
  end)
  c:run { until_done = job, limit = "10s" }
  c:run { until_time = c:now() + 0.02 } -- so that the news gets around
  local boss, part = c:attempts "T1", c:attempts "T1/1"
  local err = job:error()
  while err and err.cause do err = err.cause end
  print(string.format("%-44s boss ran %d, part %d: %s", title, boss, part,
    err and err.name or job:result()))
  return job, boss, part, reason
end

-- The boss waits for the part. Its worker owns the part, and runs the boss.
local job, boss, part, reason = run("the boss waits, the part's worker dies", true, "worker")
assert.are.equal(7, job:result())
assert.are.equal("killed", reason)
assert.are.equal(1, boss, "nobody above has noticed")
assert.are.equal(2, part)

job, boss, part, reason = run("the boss waits, the part's owner dies", true, "owner")
assert.are.equal(7, job:result())
assert.are.equal("its owner died", reason)
assert.are.equal(2, boss)
assert.are.equal(2, part)

-- The boss has returned the future. Its worker owns the part, and runs nothing.
job, boss, part, reason = run("the boss is done, the part's worker dies", false, "worker")
assert.are.equal(7, job:result())
assert.are.equal("killed", reason)
assert.are.equal(1, boss)
assert.are.equal(2, part)

job, boss, part, reason = run("the boss is done, the part's owner dies", false, "owner")
assert.error_is(job, "OwnerDiedError")
assert.are.equal("its owner died", reason)
assert.are.equal(1, boss, "it is done, and nobody runs it again")
assert.are.equal(1, part, "nobody is left who could")
