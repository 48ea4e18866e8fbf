-- messages_spec.lua: references survive the loss of any message that is about them.
--
--   mobula test tests/spec/messages_spec.lua --seeds 1000
--
-- A seed is another order of events (latency by chance).
local sim = require "mobula.sim"
local survival = require "shared.survival"
local recovery = require "shared.recovery"

local one_of = survival.one_of

-- A connection holds what it carries in order, so nothing is lost or doubled
-- inside one. A message is lost with its connection; it is doubled because
-- whoever heard no answer asks again; it is late because the wire was.
describe("references survive a message that is", function()
  local kinds = {
    "AddBorrower", "BorrowerAdded", "RemoveBorrower", "BorrowerRemoved", "VerifyBorrower",
    "BorrowerVerified", "GetStatus", "ObjectStatus", "SubscribeLocations",
    "UnsubscribeLocations", "Locations", "ObjectMoved", "FreeObjects", "StoreObject",
    "ObjectStored", "GetObject", "ObjectHere", "PushTask", "TaskReply", "PinObject",
    "ObjectPinned", "FreeValues", "ValuesFreed", "Pull", "Chunk", "ChunkReceived",
  }
  local lateness = 0.03
  local ways = {
    lost = function(c, kind) return c:rpc { kind = kind, lose = "request", times = 1 } end,
    doubled = function(c, kind) return c:rpc { kind = kind, lose = "reply", times = 1 } end,
    late = function(c, kind)
      local held = { bites = 0 }
      c:after(one_of { 1, 2, 3 }, "message.sent", { kind = kind }, function(e)
        held.bites = 1
        local hold = c:hold(e.from, e.to)
        c:at(c:now() + lateness, function() hold:heal() end)
      end)
      return held
    end,
  }

  local function survives(how, kind)
    local c = recovery.cluster()
    local job = recovery.program(c, "everything", recovery.B)
    local fault = ways[how](c, kind)
    if kind == "VerifyBorrower" then -- who has registered main dies before it can say so
      c:once("message.sent", { kind = "BorrowerAdded", from = "n1/w0" },
        function(e) c:kill(e.to) end)
    elseif kind == "BorrowerVerified" then -- … or after it
      c:once("task.finished", { name = "hand_on" }, function(e) c:kill(e.worker) end)
    elseif kind:find "Pin" then -- the primary copy goes, and another is there
      c:once("task.finished", { name = "number" }, function() c:evict("P1", "head") end)
    end
    recovery.run_until_quiet(c)
    survival.nothing_is_left(c)
    c:run { until_done = job, drain = true }
    assert.are.equal(9, job:result())
    if sim.seed == 0 then assert.is_true(fault.bites > 0, kind .. " was not sent") end
  end

  for _, how in ipairs { "lost", "doubled", "late" } do
    for _, kind in ipairs(kinds) do
      it(how .. ": " .. kind, function() survives(how, kind) end)
    end
  end
end)
