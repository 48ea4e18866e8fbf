-- tree.lua: so many leaves, added up two by two; every value carries some bytes.
local m = require "mobula"

local leaf = m.remote("leaf", function(time, bytes)
  m.compute(time)
  return { n = 1, data = m.bytes(bytes) }
end, { max_retries = -1 })

local add = m.remote("add", function(a, b, time, bytes)
  m.compute(time)
  return { n = a.n + b.n, data = m.bytes(bytes) }
end, { max_retries = -1 })

function m.main(leaves, time, bytes)
  local refs = {}
  for i = 1, leaves do refs[i] = leaf.remote(time, bytes) end
  while #refs > 1 do
    local a, b = table.remove(refs, 1), table.remove(refs, 1)
    refs[#refs + 1] = add.remote(a, b, time, bytes)
  end
  return m.get(refs[1]).n
end
