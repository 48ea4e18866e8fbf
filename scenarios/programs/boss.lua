-- boss.lua: the boss calls a part and answers with its value, or with the future of it.
local m = require "mobula"

local function on(node)
  return { scheduling_strategy = { node = node, soft = true } }
end

local part = m.remote("part", function()
  m.compute("40ms")
  return 7
end)

local boss = m.remote("boss", function(waits)
  local ref = part.options(on "n2").remote()
  if waits then return m.get(ref) end
  return { ref = ref }
end)

function m.main(waits)
  local answer = m.get(boss.options(on "n1").remote(waits))
  if waits then return answer end
  return m.get(answer.ref)
end
