-- survival.lua: what the failure tests under chaos have in common: chance by the
-- seed, what may be lost, how a job may end and what may be left of it.
local sim = require "mobula.sim"

local S = {}

-- One of a list, by the seed alone; the first without one.
local state = sim.seed
function S.one_of(list)
  state = (state * 6364136223846793005 + 1442695040888963407) & 0x7fffffffffffffff
  return list[sim.seed == 0 and 1 or (state >> 33) % #list + 1]
end

-- The same, by a name as well: what else is asked for changes nothing.
function S.pick(name, list)
  local x = sim.seed
  for i = 1, #name do
    x = (x ~ name:byte(i)) * 0x100000001b3
    x = x ~ x >> 29
  end
  return list[sim.seed == 0 and 1 or (x >> 33) % #list + 1]
end

-- A function such as one_of whose choices have names of their own.
function S.picker(name)
  local asked = 0
  return function(list)
    asked = asked + 1
    return S.pick(name .. asked, list)
  end
end

-- Whatever is sent may be what a connection breaks under.
S.messages = {
  "RegisterNode", "NodeRegistered", "UnregisterNode", "HealthCheck", "HealthReply",
  "ReportResources", "ResourceView", "NodeChanged", "Fence", "WorkerDied", "GcsRestarted",
  "AddJob", "JobAdded", "FinishJob", "JobFinished", "KvPut", "KvPutReply", "KvGet", "KvGetReply",
  "RegisterWorker", "WorkerRegistered", "ExitWorker", "ExitRefused", "StoreObject",
  "ObjectStored", "GetObject", "CancelGet", "ObjectHere", "WorkerBlocked", "RequestLease",
  "LeaseReply", "ReturnLease", "CancelLease", "ReclaimLease", "AskFailureCause", "FailureCause",
  "PinObject", "ObjectPinned", "FreeObjects", "SubscribeLocations", "UnsubscribeLocations",
  "Locations", "ObjectMoved", "Pull", "PullFailed", "Chunk", "ChunkReceived", "PushTask",
  "TaskReply", "GetStatus", "ObjectStatus", "AddBorrower", "BorrowerAdded", "RemoveBorrower",
  "BorrowerRemoved", "VerifyBorrower", "BorrowerVerified", "FreeValues", "ValuesFreed",
}

-- Errors that a program may end with although it is right: tasks here are
-- retried for ever, but owners die, puts are lost, machines go with what only
-- they have, and a store may be too small for what waits.
local licensed = {
  OwnerDiedError = true, ObjectLostError = true, ObjectReconstructionFailedError = true,
  TaskUnschedulableError = true, ObjectStoreFullError = true, OutOfDiskError = true,
}

local function root_name(err)
  while err.cause do err = err.cause end
  return err.name
end

-- @also: names of other errors that are allowed.
function S.ends_well(job, answer, also)
  local err = job:error()
  if err then
    local name = root_name(err)
    local allowed = licensed[name] or also and also[name]
    assert.is_true(sim.seed ~= 0 and allowed == true, err:report())
  else
    assert.are.equal(answer, job:result())
  end
end

-- While the drivers still live: what they have dropped must have gone.
function S.nothing_is_left(c)
  for n in c.state.nodes { alive = true } do
    if n.leases then -- its manager is there to be asked
      assert.are.equal(0, n.used, "bytes in the store of " .. n.name)
      assert.are.equal(0, n.files, "files on the disk of " .. n.name)
      assert.are.equal(0, n.leases, "leases of " .. n.name)
      assert.are.equal(0, n.waiting, "leases that wait at " .. n.name)
    end
  end
  for w in c.state.workers { alive = true } do
    if w.owned then
      assert.are.equal(0, w.owned, "objects that " .. w.name .. " owns")
      assert.are.equal(0, w.borrowed, "objects that " .. w.name .. " borrows")
    end
  end
end

-- The copies of somebody vanish, now here, now there, as long as @goes_on says so.
function S.evict(c, period, times, goes_on)
  c:every(period, { times = times }, function()
    local live = {}
    for copy in c.state.copies { live = true } do live[#live + 1] = copy end
    if #live > 0 and goes_on() then
      local copy = c:pick(live)
      c:evict(copy.object, copy.node)
    end
  end)
end

-- Runs @job to its end. With a seed @trouble is called with a function that says
-- whether trouble may still be made: until the program says "quiet", and holds
-- nothing any more.
function S.lives_through(c, job, answer, trouble)
  local quiet = false
  local function calm()
    quiet = true
    c:calm()
  end
  if sim.seed ~= 0 then trouble(function() return not quiet end) end
  c:at("3s", calm)
  c:story("quiet", function()
    c:await("output", { text = "quiet\n" })
    calm()
    c:sleep("2800ms") -- idle leases have gone back by then
    S.nothing_is_left(c)
  end)
  c:run { until_done = job, limit = "60s", drain = true }
  S.ends_well(job, answer)
end

return S
