-- holders.lua: who holds an object just now, told in the columns of the story.
--
-- A holder has a reference for a reason: its program has it (local), a task
-- that it called takes it (argument), a value that lives there mentions it
-- (nested), or it has written the reference down (pinned). "borrowed" says that the
-- owner knows of a holder that is not itself. What may be needed to run a task again
-- (lineage) is no reason to keep a value that can be made again.
local H = {}

-- "driver (local), n1/w0 (argument, borrowed)", by name; "nobody".
function H.of(c, object)
  local kinds, names = {}, {}
  local entry = c.state.objects[object]
  for ref in entry and entry.refs or c.state.refs { object = object, live = true } do
    if ref.kind ~= "lineage" then
      if not kinds[ref.holder] then
        kinds[ref.holder] = {}
        names[#names + 1] = ref.holder
      end
      kinds[ref.holder][ref.kind] = true
    end
  end
  table.sort(names)
  for i, name in ipairs(names) do
    local list = {}
    for _, kind in ipairs { "local", "argument", "nested", "pinned", "borrowed" } do
      if kinds[name][kind] then list[#list + 1] = kind end
    end
    names[i] = name .. " (" .. table.concat(list, ", ") .. ")"
  end
  return #names > 0 and table.concat(names, ", ") or "nobody"
end

-- Prints who holds the object, and returns it.
function H.say(c, object)
  local text = H.of(c, object)
  print(string.format("%6.1f ms  %-8s %-16s %s", c:now() * 1000, "", object .. " held by", text))
  return text
end

return H
