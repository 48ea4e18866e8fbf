-- borrow.lua: who calls `make`, and so owns what it returns?
local m = require "mobula"

local function on(node)
  return { scheduling_strategy = { node = node, soft = true } }
end

local make = m.remote("make", function()
  m.compute("10ms")
  return m.bytes("8MiB")
end)

-- Calls it if it is not handed the future; a future inside a table stays a future.
local caller = m.remote("caller", function(box)
  return { box.ref or make.options(on "n2").remote() }
end)

function m.main(who)
  local ref
  if who == "the driver" then
    ref = make.options(on "n2").remote()
  end
  local box = m.get(caller.options(on "n1").remote { ref = ref })
  m.sleep("100ms") -- in the meantime the worker of `caller` dies
  return #m.get(box[1])
end
