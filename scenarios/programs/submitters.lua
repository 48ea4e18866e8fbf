-- submitters.lua: many small tasks, submitted by the driver or by tasks.
local m = require "mobula"

local work = m.remote("work", function()
  m.compute("0.2ms")
  return 1
end)

local function all(count)
  local refs, sum = {}, 0
  for i = 1, count do refs[i] = work.remote() end
  for _, ref in ipairs(refs) do sum = sum + m.get(ref) end
  return sum
end

local many = m.remote("many", all, { scheduling_strategy = "SPREAD" })

-- With no submitters the driver submits all `each` tasks itself.
function m.main(submitters, each)
  local start, refs, sum = m.now(), {}, 0
  if submitters == 0 then
    sum = all(each)
  end
  for i = 1, submitters do refs[i] = many.remote(each) end
  for _, ref in ipairs(refs) do sum = sum + m.get(ref) end
  return { sum = sum, seconds = m.now() - start }
end
