-- borrowing.lua: a reference is lent to a task, and another one comes back.
local m = require "mobula"

local function on(node)
  return { scheduling_strategy = { node = node, soft = true } }
end

local make = m.remote("make", function(bytes)
  m.compute("5ms")
  return m.bytes(bytes)
end)

local count = m.remote("count", function(data)
  m.compute("20ms")
  return #data
end)

-- What it is lent it needs for longer than it runs: a task of its own takes it.
local use = m.remote("use", function(box)
  return { answer = count.options(on "n2").remote(box.data) }
end)

function m.main(bytes)
  local data = make.options(on "n2").remote(bytes)
  local box = use.options(on "n1").remote { data = data }
  local answer = m.get(box).answer
  box:drop()
  data:drop()
  print "dropped the data"
  local n = m.get(answer)
  answer:drop()
  print "dropped the answer"
  m.sleep("20ms")
  return n
end
