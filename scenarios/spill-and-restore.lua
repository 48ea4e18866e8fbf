-- Lecture: a store that holds more than fits into it.
--
-- n1 has room for four objects, and eight are made there. None of them may be
-- thrown away: each is the only copy, and somebody holds it. So the oldest are
-- written to disk, several in one file, before the store is quite full, and
-- whoever makes the next one waits no longer than that takes.
--
-- What is on disk is as good as what is in memory, only slower. A task on n1
-- that needs it has it read back, and something else goes to disk in its stead.
-- A task on n2 gets it piece by piece from the file: it never comes back into
-- the memory of n1, which is short already. Compare this with losing it: nothing
-- runs again here, not one task.
--
-- A file goes when the last object in it does; a disk is memory as well.
local sim = require "mobula.sim"

local MiB = 1024 * 1024

local c = sim.cluster {
  nodes = { head = { cpus = 0 }, n1 = { cpus = 1, store = "36MiB" }, n2 = {} },
}
c:run { until_time = "50ms" }

local job = c:submit(function(m, bytes)
  local function on(node) return { scheduling_strategy = { node = node, soft = false } } end
  local make = m.remote("make", function(i, bytes)
    m.compute("10ms")
    return { i = i, data = m.bytes(bytes) }
  end)
  local look = m.remote("look", function(x)
    m.compute("10ms")
    return x.i
  end)
  local refs, sum = {}, 0
  for i = 1, 8 do refs[i] = make.options(on "n1").remote(i, bytes) end
  m.wait(refs, { num_returns = 8 })
  m.sleep("20ms")
  print "all are made"
  sum = sum + m.get(look.options(on "n1").remote(refs[1]))
  print "the first was read on n1"
  for i = 2, 8 do sum = sum + m.get(look.options(on "n2").remote(refs[i])) end
  print "the others were read on n2"
  for i = 1, 8 do refs[i]:drop() end
  m.sleep("100ms")
  return sum
end, 8 * MiB)

-- What is where, in the columns of the story.
local function say()
  local n1 = c.state.nodes.n1
  local places = { memory = {}, disk = {} }
  for copy in c.state.copies { node = "n1", live = true } do
    table.insert(places[copy.place], copy.object)
  end
  for _, place in ipairs { "memory", "disk" } do
    print(string.format("%6.1f ms  %-8s %-16s %2d MiB  %s", c:now() * 1000, "n1", place,
      (place == "memory" and n1.used or n1.disk_used) // MiB, table.concat(places[place], " ")))
  end
  return places
end

c:never("a copy is thrown away", function(s) return #s.tasks { replayed = true } > 0 end)
c:story("what is where", function()
  c:await { "output", text = "all are made\n" }
  local places = say()
  assert.are.equal(8, #places.memory + #places.disk)
  assert.is_true(#places.disk >= 4, "no more than four fit into the store")
  c:await { "output", text = "the first was read on n1\n" }
  assert.are.equal("memory", c.state.copies["O1@n1"].place)
  say()
  c:await { "output", text = "the others were read on n2\n" }
  local again = say()
  assert.is_true(#again.disk >= 4, "reading elsewhere needs no room here")
end)

c:run { until_done = job, limit = "10s" }
assert.are.equal(36, job:result())
assert.are.equal(0, c.state.nodes.n1.used)
assert.are.equal(0, c.state.nodes.n1.disk_used)
if sim.world == "sim" then -- nobody counts the files of a real machine from here
  assert.are.equal(0, c.state.nodes.n1.files, "no file outlives what is in it")
end
