-- NAME.lua: what it computes.
--
--   mobula run NAME.lua -- 1 2 3
local m = require "mobula"

local square = m.remote("square", function(x)
  m.compute("10ms")                 -- what it costs on a core of the cluster
  return x * x
end)

local total = m.remote("total", function(...)
  local sum = 0
  for _, x in ipairs { ... } do sum = sum + x end
  return sum
end)

function m.main(...)
  local refs = {}
  for i, word in ipairs { ... } do
    refs[i] = square.remote(tonumber(word))
  end
  return m.get(total.remote(table.unpack(refs)))
end
