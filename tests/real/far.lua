-- A value larger than a line may have under way gets to another machine whole.
local m = require "mobula"

local SIZE = 300 * 1024 * 1024

local last = m.remote("last", function(bytes) return #bytes, bytes:byte(#bytes) end,
  { num_returns = 2, scheduling_strategy = { node = "n1", soft = false } })

function m.main()
  local bytes = m.bytes(SIZE)
  local size, byte = last.remote(m.put(bytes))
  assert(m.get(size) == SIZE and m.get(byte) == bytes:byte(SIZE))
end
