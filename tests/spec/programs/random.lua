-- random.lua: programs that nobody wrote. Each task draws what it does: submit,
-- put, get, wait, drop, lend, hand on, return. What it draws follows from the key
-- that it was given, so that another attempt does the same again; main's key is
-- the seed's.
--
-- Every reference travels with the number that its value must have. The number
-- of a result follows from the key that its task was given and from the values
-- that the task has read; the caller works it out from what it believes that
-- these are. So a wrong value anywhere is an error that nothing excuses.
--
-- main drops every reference that is left, says "quiet" and stays for a while:
-- whatever is still there then has leaked.
local m = require "mobula"

-- Errors with which a get may end although the program is right.
local licensed = {
  WorkerCrashedError = true, NodeDiedError = true, OwnerDiedError = true,
  ObjectLostError = true, ObjectReconstructionFailedError = true,
  ObjectStoreFullError = true, OutOfDiskError = true, TaskUnschedulableError = true,
}

local function root_name(err)
  while err.cause do err = err.cause end
  return err.name
end

-- --- values ---

-- What many values have in common would hide that one stands for another.
local function mix(a, b)
  a = (a ~ b * 0x9e3779b1) & 0xffffffff
  a = (a ~ a >> 16) * 0x85ebca6b & 0xffffffff
  return (a ~ a >> 13) & 0x3fffffff
end

-- Of the result @k of a task with @key that has read @numbers.
local function number_of(key, k, numbers)
  local n = mix(key, k)
  for _, other in ipairs(numbers) do n = mix(n, other) end
  return n
end

local function bytes_of(n, sizes) return m.bytes(sizes[n % #sizes + 1], n) end

-- References in a value are nested as deep as there are of them.
local function pack(slots)
  local kids
  for _, s in ipairs(slots) do kids = { r = s.r, n = s.n, kids = kids } end
  return kids
end

local function value(n, slots, how)
  return { n = n, data = bytes_of(n, how.sizes), kids = pack(slots) }
end

-- --- a body: what it holds, and what it knows of it ---

local function body(key, how, depth)
  return { key = key, how = how, depth = depth, slots = {}, made = 0, drawn = 0 }
end

-- From 0 to @most; from @least on if there is one.
local function draw(b, most, least)
  b.drawn = b.drawn + 1
  return (least or 0) + mix(b.key, 7 * b.drawn + 3) % (most - (least or 0) + 1)
end

local function one_of(b, list) return list[draw(b, #list, 1)] end

local function add(b, r, n) b.slots[#b.slots + 1] = { r = r, n = n } end

local function adopt(b, kids)
  while kids do
    add(b, kids.r, kids.n)
    kids = kids.kids
  end
end

local function check(b, v, n)
  if type(v) ~= "table" or v.n ~= n or v.data ~= bytes_of(n, b.how.sizes) then
    error("not the value " .. n .. " but " .. tostring(type(v) == "table" and v.n or v))
  end
  adopt(b, v.kids)
end

-- Up to @most different slots.
local function some(b, most)
  local chosen, taken = {}, {}
  for _ = 1, #b.slots > 0 and draw(b, most) or 0 do
    local i = draw(b, #b.slots, 1)
    if not taken[i] then chosen[#chosen + 1] = b.slots[i] end
    taken[i] = true
  end
  return chosen
end

local function drop(b, i)
  local s = table.remove(b.slots, i)
  s.r:drop()
end

-- Gets @slots together, and takes over what their values mention. An error must
-- be one that the cluster may give; now and then a task fails because of it.
local function look(b, slots, timeout)
  local refs = {}
  for i, s in ipairs(slots) do refs[i] = s.r end
  local got, err = m.try(refs, timeout and { timeout = timeout } or nil)
  if err then
    local name = root_name(err)
    local fine = licensed[name] and not b.how.strict or name == b.how.excused
    if not fine and not (timeout and name == "GetTimeoutError") then
      error("no licence: " .. err:why(), 0)
    end
    if b.depth < b.how.depth and draw(b, 2) == 0 then m.get(refs) end
    return
  end
  for i, s in ipairs(slots) do check(b, got[i], s.n) end
end

-- --- what a body may do ---

local task -- the only one there is
local Do = {}

local function options(b, returns)
  local retries = one_of(b, b.how.retries)
  return {
    num_returns = returns, max_retries = retries,
    num_cpus = one_of(b, { 1, 1, 0.5 }), scheduling_strategy = one_of(b, b.how.where),
    retry_exceptions = draw(b, 3) == 0 and retries >= 0, -- or it would never end
  }
end

local function call(b)
  b.made = b.made + 1
  local args, read, returns = {}, {}, one_of(b, { 1, 1, 2, 3 })
  for i, s in ipairs(some(b, 2)) do args[i], read[i] = s.r, s.n end
  local plan = { key = mix(b.key, b.made), how = b.how, depth = b.depth - 1, returns = returns,
                 read = read, lent = pack(some(b, 3)) }
  if draw(b, 7) == 0 then plan.blob = m.bytes(b.how.blob, plan.key) end
  local refs = { task.options(options(b, returns)).remote(plan, table.unpack(args)) }
  for k, r in ipairs(refs) do add(b, r, number_of(plan.key, k, read)) end
  return returns
end

function Do.call(b)
  if b.depth > 0 then call(b) end
end

-- Nobody waits for it.
function Do.forget(b)
  if b.depth == 0 then return end
  for _ = 1, call(b) do drop(b, #b.slots) end
end

function Do.put(b)
  b.made = b.made + 1
  local n = mix(b.key, b.made)
  add(b, m.put(value(n, some(b, 3), b.how)), n)
end

function Do.look(b) look(b, some(b, 3)) end

function Do.look_briefly(b)
  if b.how.hasty then look(b, some(b, 2), one_of(b, { "0ms", "1ms", "5ms" })) end
end

function Do.wait(b)
  local refs = {}
  for i, s in ipairs(some(b, 4)) do refs[i] = s.r end
  if #refs == 0 then return end
  local enough = b.how.hasty and draw(b, #refs, 1) or #refs
  local timeout = b.how.hasty and one_of(b, { "1ms", "5ms" }) or nil
  m.wait(refs, { num_returns = enough, timeout = timeout })
end

function Do.drop(b)
  if #b.slots > 0 then drop(b, draw(b, #b.slots, 1)) end
end

function Do.drop_half(b)
  for i = #b.slots, 1, -2 do drop(b, i) end
end

function Do.compute(b) m.compute(one_of(b, { "200us", "1ms", "3ms" })) end

function Do.sleep(b) m.sleep(one_of(b, { "1ms", "4ms", "12ms" })) end

local often = {
  "call", "call", "call", "call", "put", "put", "look", "look", "look", "wait", "look_briefly",
  "forget", "drop", "drop", "drop_half", "compute", "sleep",
}

local function act(b, times)
  for _ = 1, times do Do[one_of(b, often)](b) end
end

-- --- tasks ---

-- Reads its arguments, does a few things, and returns some of what it holds.
task = m.remote("task", function(plan, ...)
  local b, read = body(plan.key, plan.how, plan.depth), {}
  for i, v in ipairs { ... } do
    check(b, v, plan.read[i])
    read[i] = v.n
  end
  adopt(b, plan.lent)
  if plan.blob and plan.blob ~= m.bytes(b.how.blob, plan.key) then error "not its blob" end
  if draw(b, 1) == 0 then Do.compute(b) end
  act(b, draw(b, b.how.busy))
  local results = {}
  for k = 1, plan.returns do
    results[k] = value(number_of(plan.key, k, read), some(b, 3), b.how)
  end
  return table.unpack(results)
end)

-- how: sizes (bytes of values), blob (bytes of a large argument), retries (of
-- which each task draws), where (strategies), depth, long (what main does), busy
-- (what a task does at most), hasty (waits for some, or not for long), strict
-- (no error is excused but the one that excused names).
function m.main(key, how)
  local b = body(key, how, how.depth)
  local ok, err = pcall(function()
    act(b, how.long)
    for _, s in ipairs(some(b, 9)) do look(b, { s }) end
  end)
  while #b.slots > 0 do drop(b, #b.slots) end
  if not ok then print "failed" end -- and may hold what it had no time to take over
  print "quiet"
  m.sleep("3000ms")
  if not ok then error(err, 0) end
  return "right"
end
