-- relay.lua: a future inside a future, handed on by a task that does not wait.
local m = require "mobula"

local make = m.remote("make", function()
  return 7
end)

-- Wraps the future that it is given.
local wrap = m.remote("wrap", function(box)
  return { ref = box.ref }
end)

local read = m.remote("read", function(box)
  m.compute("20ms")
  return m.get(box.ref)
end)

-- Has the inner future read by a task of its own, and returns before it runs.
local relay = m.remote("relay", function(box)
  return { ref = read.remote(box.ref) }
end)

function m.main()
  local inner = make.remote()
  local outer = wrap.remote { ref = inner }
  local answer = relay.remote { ref = outer }
  inner:drop() -- from here on only tasks hold them
  outer:drop()
  return m.get(m.get(answer).ref)
end
