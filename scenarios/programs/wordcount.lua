-- wordcount.lua: how often each word stands in some files; says the three most frequent.
--
--   mobula run wordcount.lua -- a.txt b.txt
--   mobula job submit --follow -- wordcount.lua a.txt b.txt
local m = require "mobula"

local count = m.remote("count", function(text)
  local seen = {}
  for word in text:lower():gmatch("%a+") do seen[word] = (seen[word] or 0) + 1 end
  return seen
end)

local merge = m.remote("merge", function(...)
  local all = {}
  for _, seen in ipairs { ... } do
    for word, n in m.sorted(seen) do all[word] = (all[word] or 0) + n end
  end
  return all
end)

function m.main(...)
  local parts, total = {}, 0
  for i, file in ipairs { ... } do parts[i] = count.remote(m.read(file)) end
  local all = m.get(merge.remote(table.unpack(parts)))
  for word, n in m.top(all, 3) do print(word, n) end
  for _, n in m.sorted(all) do total = total + n end
  return total
end
