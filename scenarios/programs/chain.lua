-- chain.lua: 1 -> 2 -> 3 -> 4, task i on machine n<i> as long as that lives.
--
-- "by data": main calls all four, each takes what the one before returns.
-- "by call": 4 calls 3, which calls 2, which calls 1.
-- Every value is a number and `bytes` bytes beside it.
local m = require "mobula"

local function on(node)
  return { scheduling_strategy = { node = node, soft = true } }
end

local function step(n, bytes, time)
  m.compute(time)
  return { n = n + 1, data = m.bytes(bytes) }
end

local one = m.remote("one", function(bytes, time)
  return step(0, bytes, time)
end)

local follow = m.remote("follow", function(x, bytes, time)
  return step(x.n, bytes, time)
end)

local two = m.remote("two", function(bytes, time)
  local x = m.get(one.options(on "n1").remote(bytes, time))
  return step(x.n, bytes, time)
end)

local three = m.remote("three", function(bytes, time)
  local x = m.get(two.options(on "n2").remote(bytes, time))
  return step(x.n, bytes, time)
end)

local four = m.remote("four", function(bytes, time)
  local x = m.get(three.options(on "n3").remote(bytes, time))
  return step(x.n, bytes, time)
end)

function m.main(shape, bytes, time)
  if shape == "by call" then
    return m.get(four.options(on "n4").remote(bytes, time)).n
  end
  local y1 = one.options(on "n1").remote(bytes, time)
  local y2 = follow.options(on "n2").remote(y1, bytes, time)
  local y3 = follow.options(on "n3").remote(y2, bytes, time)
  local y4 = follow.options(on "n4").remote(y3, bytes, time)
  return m.get(y4).n
end
