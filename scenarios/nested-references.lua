-- Lecture: a value keeps alive what it mentions.
--
-- Dolls: O3 mentions O2, and O2 mentions O1. The driver drops O1 and O2 as soon
-- as they are wrapped, and they stay: a reference inside a value counts as long
-- as the value is there. So one future is enough to hold all three.
--
-- Then a task is lent the outermost doll and opens them one after the other.
-- Each get hands it a value with another reference inside; it is on the list
-- of borrowers of that one before it sees the value. So the driver may drop
-- the outermost doll in the middle of it, and nothing breaks under the reader.
--
-- When the reader is done nobody holds O3. It goes, and with its value the
-- reference to O2, and with that the one to O1: no cycle can come to be,
-- because a value can only mention what was there before it.
--
-- Who holds what at some moment of the run:  mobula memory --at 60ms
local sim = require "mobula.sim"
local holders = require "shared.holders"

local c = sim.cluster { nodes = { head = { cpus = 0 }, n1 = {}, n2 = {} } }
c:run { until_time = "50ms" }

local job = c:submit(function(m, bytes)
  local leaf = m.remote("leaf", function(bytes) return { data = m.bytes(bytes) } end)
  local wrap = m.remote("wrap", function(doll, bytes)
    return { inner = doll[1], data = m.bytes(bytes) }
  end)
  local open = m.remote("open", function(doll)
    local value, opened = m.get(doll[1]), 1
    while value.inner do
      print("opened " .. opened)
      m.compute("5ms")
      value, opened = m.get(value.inner), opened + 1
    end
    return opened
  end)
  local doll = leaf.remote(bytes)
  for _ = 1, 2 do
    local outer = wrap.remote({ doll }, bytes)
    m.wait { outer }
    doll:drop()
    doll = outer
  end
  print "one future is left"
  local opened = open.remote { doll }
  doll:drop()
  local count = m.get(opened)
  m.sleep("10ms")
  return count
end, 1024 * 1024)

-- What a value mentions is there as long as the value is.
c:always("an inner doll outlives the outer one", function(s)
  local freed = { O1 = false, O2 = false, O3 = false }
  for o in s.objects { state = "FREED" } do freed[o.id] = true end
  return (not freed.O1 or freed.O2) and (not freed.O2 or freed.O3)
end)

c:story("who holds what", function()
  c:await { "output", text = "one future is left\n" }
  for _, object in ipairs { "O1", "O2" } do
    assert.are.equal("driver (nested)", holders.say(c, object))
  end
  assert.are.equal("driver (local)", holders.say(c, "O3"))
  local reader = c:await({ "output", text = "opened 1\n" }).worker
  assert.are.equal("driver (argument), " .. reader .. " (local)", holders.say(c, "O3"))
  assert.are.equal("driver (nested), " .. reader .. " (local, borrowed)", holders.say(c, "O2"))
  assert.are.equal("driver (nested)", holders.say(c, "O1"), "it has not come to that yet")
end)
for _, object in ipairs { "O3", "O2", "O1" } do
  c:on("object.freed", { object = object }, function() holders.say(c, object) end)
end

c:run { until_done = job, limit = "5s" }
assert.are.equal(3, job:result())
c:run { until_idle = true, limit = "5s" }
assert.are.equal(0, c.state.store.used, "one after the other they have gone")
