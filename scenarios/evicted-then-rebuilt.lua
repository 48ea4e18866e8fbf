-- Lecture: which copies make room, and what that costs later.
--
-- O1 is made on n1: its copy there is the primary one, and stays, on disk if
-- need be. A task on n2 reads it, so now n2 has a copy as well. Nobody asked for
-- that one and nobody guards it: when n2 needs room, the copy that was used
-- longest ago is thrown away. That costs nothing: whoever wants it fetches it
-- again.
--
-- Unless n1 dies. Then it depends on what n2 still has. If the copy is there it
-- becomes the primary one, and nothing runs again: a cache was a backup. If
-- it was evicted, O1 is gone and its task runs again. A copy on the disk of n1 is
-- of no use: the disk died with the machine.
--
-- So eviction is always safe, and never free: it spends redundancy that nobody
-- had promised.
local sim = require "mobula.sim"

local MiB = 1024 * 1024

local function program(m, bytes)
  local function on(node) return { scheduling_strategy = { node = node, soft = true } } end
  local make = m.remote("make", function(i, bytes)
    m.compute("10ms")
    return { i = i, data = m.bytes(bytes) }
  end, { num_cpus = 2 }) -- more than n2 has: it makes nothing, it only reads
  local look = m.remote("look", function(x)
    m.compute("5ms")
    return x.i
  end)
  local refs = {}
  for i = 1, 4 do -- n2 reads one after the other
    refs[i] = make.options(on(i == 1 and "n1" or "n3")).remote(i, bytes)
    m.get(look.options(on "n2").remote(refs[i]))
  end
  local other = make.options(on "n1").remote(5, bytes) -- where is O1, if n1 has room for one?
  m.wait { other }
  other:drop()
  print "all were read"
  m.sleep("100ms")
  return m.get(look.options(on "n2").remote(refs[1]))
end

-- One row: what n1 and n2 have room for.
local function run(title, n1, n2)
  local c = sim.cluster {
    nodes = { head = { cpus = 0 }, n1 = { store = n1 }, n2 = { cpus = 1, store = n2 }, n3 = {} },
  }
  c:run { until_time = "50ms" }
  local job, place = c:submit(program, 8 * MiB), nil
  c:story("lose n1", function()
    c:await { "output", text = "all were read\n" }
    place = c.state.copies["O1@n1"].place
    local list = {}
    for copy in c.state.copies { object = "O1", live = true } do
      list[#list + 1] = copy.node .. " (" .. copy.place .. ")"
    end
    print(string.format("%6.1f ms  %-8s %-16s %s", c:now() * 1000, "", "O1 is on",
      table.concat(list, ", ")))
    c:kill "n1"
  end)
  c:run { until_done = job, limit = "10s" }
  assert.are.equal(1, job:result())
  local again = c.state.tasks { replayed = true }:ids()
  print(string.format("%-36s again: %s", title, #again > 0 and table.concat(again, " ") or "-"))
  return c, again, place
end

local c, again, place = run("n2 has room for all of them", "64MiB", "64MiB")
assert.are.same({}, again)
assert.is_true(c.state.copies["O1@n2"].primary, "the cache was a backup")

c, again, place = run("n2 has room for two", "64MiB", "20MiB")
assert.are.same({ "T1" }, again)
assert.are.equal("memory", place)

c, again, place = run("and n1 had O1 on its disk", "10MiB", "20MiB")
assert.are.same({ "T1" }, again)
assert.are.equal("disk", place)
