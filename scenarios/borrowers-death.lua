-- Lecture: a borrower dies.
--
-- The driver owns the data and lends it to "keep", whose worker puts it into a
-- value of its own: a box. Then the driver drops the data, so that the borrower
-- is all that keeps it. The driver hands the box to "read", which opens it.
-- Then the worker of "keep" is killed, and with it the box.
--
-- The owner hears of the death and strikes the borrower from its list. What
-- then? If nobody else is on the list, the data goes: nobody will ever give it
-- back, and it must not stay for ever. But if "read" has opened the box, it is
-- on the list itself, since before it saw the reference, and the data stays.
--
-- That is a choice. In Ray a borrower tells whom it has passed a reference to
-- when it replies or gives it back. One that dies first takes this knowledge
-- with it: the owner frees the data under the reader, who gets a
-- ReferenceCountingAssertionError. Here every borrower is known to the owner
-- before anybody who protects it lets go; that costs a message each.
local sim = require "mobula.sim"
local holders = require "shared.holders"

local BYTES = 8 * 1024 * 1024

local function program(m, bytes, opened)
  local function on(node) return { scheduling_strategy = { node = node, soft = true } } end
  local make = m.remote("make", function(bytes) return m.bytes(bytes) end)
  local keep = m.remote("keep", function(lent) return { box = m.put { data = lent.data } } end)
  local read = m.remote("read", function(lent)
    local data = m.get(lent.box).data
    print "the reader has the reference"
    m.compute("60ms")
    return #m.get(data)
  end)
  local data = make.options(on "n3").remote(bytes)
  local kept = keep.options(on "n1").remote { data = data }
  local box = m.get(kept).box
  kept:drop()
  m.wait { data }
  data:drop()
  if not opened then
    print "only the box is left"
    m.sleep("60ms")
  end
  return m.get(read.options(on "n2").remote { box = box })
end

local function run(opened)
  local c = sim.cluster { nodes = { head = { cpus = 0 }, n1 = {}, n2 = {}, n3 = {} } }
  c:run { until_time = "50ms" }
  local job = c:submit(program, BYTES, opened)
  c:story("kill the borrower", function()
    c:await { "output", text = opened and "the reader has the reference\n" or "only the box is left\n" }
    holders.say(c, "O1")
    c:kill(c.state.tasks { name = "keep" }[1].worker)
    c:sleep("20ms") -- by then its owner has heard of it
    local left = holders.say(c, "O1")
    local reader = opened and c.state.tasks { name = "read" }[1].worker
    assert.are.equal(opened and reader .. " (local, borrowed)" or "nobody", left)
    assert.are.equal(opened and "SEALED" or "FREED", c.state.objects.O1.state)
  end)
  c:run { until_done = job, limit = "10s", drain = true }
  assert.are.equal(0, c.state.store.used, "nothing is left")
  return c, job
end

-- Somebody else has borrowed it meanwhile, and notices nothing.
local c, job = run(true)
assert.are.equal(BYTES, job:result())
assert.are.equal(1, c:attempts "T3")
print("the box was opened before: " .. job:result() .. " bytes")

-- Nobody has: the data goes, and who comes with the box in its hand is told why.
c, job = run(false)
assert.error_is(job, "OwnerDiedError")
print("the box was not opened: " .. job:error():report())
