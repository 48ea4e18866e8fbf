-- Lecture: what a task returned can be made again, what was put cannot.
--
-- The same bytes come into the cluster in two ways: a task returns them, or the
-- driver puts them. Then "parse" makes something out of them, the driver drops
-- what it has parsed from, and machines are lost.
--
-- A task has a description: what is lost is made again from it, and before that
-- its arguments, back along the lineage as far as need be. A put has none. It is
-- where lineage ends, so there is one thing that can be done for it: not to free
-- it. As long as a task may have to run again that takes it, a put stays in the
-- store, although nobody holds it. (What a task returned goes: it could be made
-- again.) That is why the second row below ends well.
--
-- But if its last copy is lost all the same, here because it vanishes from the
-- memory of the driver's machine, it is lost for good, and with it everything
-- that was made from it and is lost now or later. The error names the put.
--
-- So: what must survive is read by a task, not by the driver.
local sim = require "mobula.sim"

local BYTES = 8 * 1024 * 1024

local function program(m, bytes, how)
  local load = m.remote("load", function(bytes) return m.bytes(bytes) end)
  local parse = m.remote("parse", function(data)
    m.compute("4ms")
    return { n = #data, data = data }
  end)
  local there = { scheduling_strategy = { node = "n1", soft = true } }
  local data = how == "put" and m.put(m.bytes(bytes)) or load.options(there).remote(bytes)
  local parsed = parse.options(there).remote(data)
  m.wait { parsed }
  data:drop()
  print "parsed"
  m.sleep("60ms")
  return m.get(parsed).n
end

-- Returns the cluster, the job, and the names of the tasks that ran again.
local function run(title, how, lose)
  local c = sim.cluster { nodes = { head = { cpus = 0 }, n1 = {}, n2 = {} } }
  c:run { until_time = "50ms" }
  local job = c:submit(program, BYTES, how)
  c:story("lose it", function()
    c:await { "output", text = "parsed\n" }
    c:sleep("1ms")
    lose(c)
  end)
  c:run { until_done = job, limit = "10s" }
  local again = c.state.tasks { replayed = true }:ids()
  local err = job:error()
  while err and err.cause do err = err.cause end
  print(string.format("%-42s again: %-8s %s", title, #again > 0 and table.concat(again, " ") or "-",
    err and err.message or job:result() .. " bytes"))
  return c, job, again, err and err.reason
end

local c, job, again = run("returned, and its machine is lost", "returned", function(c)
  assert.are.equal("FREED", c.state.objects.O1.state, "it could be made again")
  c:kill "n1"
end)
assert.are.equal(BYTES, job:result())
assert.are.same({ "T1", "T2" }, again)

c, job, again = run("put, and the machine of the task is lost", "put", function(c)
  assert.are.equal("SEALED", c.state.objects.P1.state, "nobody holds it, and it stays")
  assert.are.equal("lineage", c.state.refs { object = "P1", live = true }[1].kind, "of T1")
  c:kill "n1"
end)
assert.are.equal(BYTES, job:result())
assert.are.same({ "T1" }, again)

local reason
c, job, again, reason = run("put, and its copy is lost as well", "put", function(c)
  c:evict("P1", "head")
  c:kill "n1"
end)
assert.error_is(job, "ObjectReconstructionFailedError")
assert.are.equal("put", reason)
assert.matches("P1 is a put", job:error():report())
assert.are.same({}, again, "there is nothing to make it from")
