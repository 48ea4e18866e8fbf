-- recovery_spec.lua: what is lost, what is made again, and what is said when it
-- is not: the sentences of reference counting, lineage and recovery one by one.
--
--   mobula test tests/spec/recovery_spec.lua --seeds 1000
--
-- A seed is another order of events (latency by chance) and, where a test says
-- so, other faults. The names are those of Ray's own tests where there is one.
local sim = require "mobula.sim"
local survival = require "shared.survival"
local recovery = require "shared.recovery"

local one_of = survival.one_of
local B, cluster, program = recovery.B, recovery.cluster, recovery.program
local run_until_quiet = recovery.run_until_quiet

local function on_output(c, text, fn) c:once("output", { text = text .. "\n" }, fn) end

describe("what cannot be made again says why", function()
  -- main loses all copies of one object and returns what the error says.
  local function reason(c, program, faults)
    local job = c:submit(program)
    on_output(c, "lose", faults or function() c:kill(c:sole_holder("O1")) end)
    c:run { until_done = job, limit = "20s", drain = true }
    return job:result()
  end

  it("a put", function()
    local c = cluster { nodes = { head = {}, n1 = {} } }
    local r = reason(c, function(m)
      local p = m.put { data = m.bytes(300000) }
      print "lose"
      m.sleep("50ms")
      local _, err = m.try(p)
      return { name = err.name, reason = err.reason, message = err.message }
    end, function() c:evict("P1", "head") end)
    assert.are.same({ name = "ObjectReconstructionFailedError", reason = "put",
      message = "P1 is lost and cannot be made again: P1 is a put, no task makes it" }, r)
  end)

  it("retries that are off", function()
    local r = reason(cluster(), function(m)
      local make = m.remote("make", function() return m.bytes(300000) end, { max_retries = 0 })
      local o = make.remote()
      m.wait { o }
      print "lose"
      m.sleep("100ms")
      local _, err = m.try(o)
      return { name = err.name, reason = err.reason, message = err.message }
    end)
    assert.are.same({ name = "ObjectReconstructionFailedError", reason = "retries_off",
      message = "O1 is lost and cannot be made again: its task may not be retried, "
        .. "it has max_retries = 0" }, r)
  end)

  it("retries that are used up, by crashes and by losses together", function()
    local c = cluster()
    local crashed = false
    c:on("task.running", { task = "T1", attempt = 1 }, function(e)
      if not crashed then crashed = true c:kill(e.worker) end
    end)
    local job = c:submit(function(m)
      local make = m.remote("make", function() m.compute("1ms") return m.bytes(300000) end,
        { max_retries = 2 })
      local o = make.remote()
      for _ = 1, 2 do
        m.wait { o }
        print "lose"
        m.sleep("100ms")
      end
      local _, err = m.try(o)
      return { name = err.name, reason = err.reason, attempt = err.attempt,
               attempts = err.attempts }
    end)
    c:on("output", { text = "lose\n" }, function() c:evict("O1", c:sole_holder("O1")) end)
    c:run { until_done = job, limit = "20s", drain = true }
    assert.are.same({ name = "ObjectReconstructionFailedError", reason = "retries_used_up",
      attempt = 3, attempts = 3 }, job:result())
  end)

  it("lineage that was evicted, oldest first and down to half", function()
    local c = cluster { config = { lineage_max = "3000" } }
    local job = c:submit(function(m)
      local make = m.remote("make", function(n) m.compute("1ms") return m.bytes(300000, n) end)
      local refs, out = {}, {}
      for i = 1, 12 do
        refs[i] = make.remote(i)
        m.wait { refs[i] }
      end
      print "lose"
      m.sleep("100ms")
      for i = 1, 12 do
        local v, err = m.try(refs[i])
        out[i] = v and "value" or err.reason
      end
      return out
    end)
    on_output(c, "lose", function()
      for copy in c.state.copies { live = true } do c:evict(copy.object, copy.node) end
    end)
    c:run { until_done = job, limit = "20s", drain = true }
    local out = job:result()
    assert.are.equal("lineage_evicted", out[1])
    assert.are.equal("value", out[12])
    local kept = 0
    for i = 2, 12 do
      assert.is_true(out[i - 1] ~= "value" or out[i] == "value", "oldest first: " .. i)
      if out[i] == "value" then kept = kept + 1 end
    end
    assert.is_true(kept >= 2, "not everything goes at once")
  end)

  it("an owner that is dead, who it was and why it died", function()
    local c = cluster()
    local job = program(c, "owner_dies", B)
    on_output(c, "kill", function() c:kill "n1/w0" end)
    c:run { until_done = job, limit = "20s", drain = true }
    assert.are.same({ n = 1, size = B, name = "OwnerDiedError", reason = "borrowed_owner_dead",
      message = "the owner of O1/1 is dead: n1/w0 died: killed",
      task = "OwnerDiedError borrowed_owner_dead" }, job:result())
  end)

  it("an owner that died with its machine", function()
    local c = cluster()
    local job = program(c, "owner_dies", B)
    on_output(c, "kill", function() c:kill "n1" end)
    c:run { until_done = job, limit = "20s", drain = true }
    assert.matches("the owner of O1/1 is dead: n1/w0 died: n1 died: ", job:result().message)
  end)

  it("an argument whose owner is dead", function()
    local c = cluster()
    local job = program(c, "argument_of_a_dead_owner", B)
    on_output(c, "kill", function()
      c:kill "n1/w0"
      c:at(c:now() + 0.05, function() c:evict("O2", "n3") end)
    end)
    c:run { until_done = job, limit = "20s", drain = true }
    assert.are.equal("OwnerDiedError borrowed_owner_dead", job:result())
  end)
end)

describe("m.free", function()
  it("drops every copy although references live, and a later get says so", function()
    local c = cluster()
    local job = c:submit(function(m)
      local make = m.remote("make", function() return m.bytes(300000) end)
      local size = m.remote("size", function(b) return #b end, { scheduling_strategy = "SPREAD" })
      local o = make.remote()
      for _ = 1, 3 do m.get(size.remote(o)) end
      m.free { o, o }
      m.sleep("10ms")
      print "look"
      local _, err = m.try(o)
      local _, behind = m.try(size.remote(o))
      m.free(o)
      return { name = err.name, reason = err.reason, message = err.message,
               behind = behind.cause.name }
    end)
    c:once("output", { text = "look\n" }, function()
      assert.are.equal(0, #c.state.copies { live = true, object = "O1" })
    end)
    c:run { until_done = job, limit = "20s", drain = true }
    assert.are.same({ name = "ObjectFreedError", reason = "freed", behind = "ObjectFreedError",
      message = "O1 was freed by hand, while references to it were left" }, job:result())
  end)

  it("is undone when a task that runs again needs the object", function()
    local c = cluster()
    local job = c:submit(function(m)
      local make = m.remote("make", function() return m.bytes(300000, 3) end)
      local twice = m.remote("twice", function(b) return m.bytes(2 * #b, 4) end)
      local a = make.remote()
      local b = twice.remote(a)
      m.wait { b }
      m.free(a)
      print "lose"
      m.sleep("100ms")
      return #m.get(b) + #m.get(a)
    end)
    on_output(c, "lose", function() c:evict("O2", c:sole_holder("O2")) end)
    c:run { until_done = job, limit = "20s", drain = true }
    assert.are.equal(3 * B, job:result())
    -- Once more if the order to free the old copy comes late and meets the new one.
    assert.is_true(c:attempts("T1") == 2 or sim.seed ~= 0 and c:attempts("T1") > 2)
    assert.are.equal(2, c:attempts("T2"))
  end)

  it("of a put is for good", function()
    local c = cluster()
    local job = c:submit(function(m)
      local twice = m.remote("twice", function(b) return m.bytes(2 * #b, 4) end)
      local p = m.put(m.bytes(300000))
      local b = twice.remote(p)
      m.wait { b }
      m.free(p)
      print "lose"
      m.sleep("100ms")
      local _, err = m.try(b)
      return err.cause.name .. " " .. err.cause.reason
    end)
    on_output(c, "lose", function() c:evict("O1", c:sole_holder("O1")) end)
    c:run { until_done = job, limit = "20s", drain = true }
    assert.are.equal("ObjectFreedError freed", job:result())
  end)

  it("of what is still being made is an error at once, and the value goes when it comes", function()
    local c = cluster()
    local job = c:submit(function(m)
      local slow = m.remote("slow", function() m.compute("50ms") return m.bytes(300000) end)
      local o = slow.remote()
      m.sleep("10ms")
      m.free(o)
      local _, err = m.try(o, { timeout = "1ms" })
      m.sleep("100ms")
      print "look"
      o:drop()
      m.sleep("1s")
      return err.name
    end)
    c:once("output", { text = "look\n" }, function()
      assert.are.equal(0, #c.state.copies { live = true })
    end)
    c:run { until_done = job, limit = "20s", drain = true }
    assert.are.equal("ObjectFreedError", job:result())
  end)

  it("takes what was spilled from the disk as well", function()
    local c = cluster { nodes = { head = { cpus = 0 }, n1 = { store = "700KB" } } }
    local job = c:submit(function(m)
      local make = m.remote("make", function(n) return m.bytes(300000, n) end)
      local refs, out = {}, {}
      for i = 1, 5 do
        refs[i] = make.remote(i)
        m.wait { refs[i] }
      end
      m.sleep("50ms")
      print "free"
      m.free(refs)
      m.sleep("50ms")
      print "look"
      for i = 1, 5 do
        local _, err = m.try(refs[i])
        out[i] = err.reason
      end
      return table.concat(out, " ")
    end)
    on_output(c, "free", function()
      assert.are.equal(5, #c.state.copies { live = true })
      assert.is_true(#c.state.copies { live = true, place = "disk" } > 0, "nothing was spilled")
      assert.is_true(c.state.nodes["n1"].disk_used > 0)
    end)
    on_output(c, "look", function()
      assert.are.equal(0, #c.state.copies { live = true })
      assert.are.equal(0, c.state.nodes["n1"].disk_used)
    end)
    c:run { until_done = job, limit = "20s", drain = true }
    assert.are.equal("freed freed freed freed freed", job:result())
  end)

  it("may be asked for by a borrower", function()
    local c = cluster()
    local job = program(c, "freed_by_a_borrower", B)
    run_until_quiet(c)
    survival.nothing_is_left(c)
    c:run { until_done = job, drain = true }
    assert.are.equal("ObjectFreedError freed, ObjectFreedError freed", job:result())
  end)

  it("leaves alone what is nested in the value", function()
    local c = cluster()
    local job = program(c, "freed_outside", B)
    run_until_quiet(c)
    survival.nothing_is_left(c)
    c:run { until_done = job, drain = true }
    assert.are.equal(7, job:result())
  end)
end)

describe("m.pin", function()
  for _, who in ipairs { "main", "a task" } do
    it("by " .. who .. ": a reference that was written down stays, and is made again", function()
      local c = cluster()
      local job = program(c, "pinned", B, who)
      on_output(c, "kill", function() c:kill(c:sole_holder("O1")) end)
      c:run { until_done = job, limit = "20s", drain = true }
      assert.are.equal(14, job:result())
      assert.are.equal(2, c:attempts("T1"))
    end)
  end

  it("protects whoever reads the text, until he is registered", function()
    local c = cluster()
    local job = program(c, "pinned_and_kept", B)
    c:run { until_done = job, limit = "20s", drain = true }
    assert.are.equal(14, job:result())
  end)

  it("is for main where a worker is the owner, and ends with the owner", function()
    local c = cluster()
    local job = program(c, "pinned_of_a_worker", B)
    on_output(c, "kill", function() c:kill "n1/w0" end)
    c:run { until_done = job, limit = "20s", drain = true }
    local r = job:result()
    assert.matches("only main can pin O1/1, because a worker owns it", r.why)
    assert.are.equal(1, r.n)
    assert.are.equal("OwnerDiedError", r.gone)
  end)

  it("refuses what it did not write, and what another job wrote", function()
    local c = cluster()
    local first = c:submit(function(m)
      local text = m.pin(m.put(m.bytes(300000)))
      local out = {}
      for i, bad in ipairs { "", "O1", text .. "0", text:sub(1, -2), text:gsub("%.", ","),
                             (text:gsub("^mobula%-ref/1", "mobula-ref/2")), "\0" .. text } do
        local ok, err = pcall(m.ref, bad)
        out[i] = not ok and err.code
      end
      print(text)
      m.sleep("100ms")
      return out
    end)
    local second
    c:once("output", {}, function(e)
      second = c:submit(function(m, text)
        local ok, err = pcall(m.ref, text)
        return not ok and err.message
      end, (e.text:gsub("\n", "")))
    end)
    c:run { until_done = first, limit = "20s" }
    c:run { until_done = second, limit = "20s", drain = true }
    assert.are.same({ "E113", "E113", "E113", "E113", "E113", "E113", "E113" }, first:result())
    assert.matches("it was written in another job", second:result())
  end)
end)

describe("under chaos", function()
  it("references that were written down lead to their values", function()
    local c = cluster { nodes = { head = { cpus = 1 }, n1 = {}, n2 = {}, n3 = {} } }
    local job = program(c, "texts", B)
    if sim.seed ~= 0 then
      c:chaos {
        kill = { every = sim.between("3ms", "100ms"), of = { "worker", "node" },
                 restart = sim.between("20ms", "80ms") },
        cut  = { every = sim.between("5ms", "100ms"), lasts = sim.between("1ms", "50ms"),
                 shape = sim.among { "pair", "one", "oneway" } },
        rpc  = { kind = sim.among(survival.messages), chance = sim.between(0.01, 0.3),
                 lose = sim.among { "request", "reply", "inflight" } },
        max  = 6, spare = { driver_node = true, max_down = 2 },
      }
    end
    c:at("2s"):calm()
    c:run { until_done = job, limit = "60s", drain = true }
    survival.ends_well(job, 42)
  end)
end)

describe("bad input", function()
  it("a reference after drop is E108, whatever it is used for", function()
    local c = cluster()
    local job = c:submit(function(m)
      local one = m.remote("one", function(x) return x end)
      local slow = m.remote("slow", function() m.sleep("100ms") end)
      local gives = m.remote("gives", function()
        local p = m.put(1)
        p:drop()
        return { p }
      end)
      local live, out = one.remote(1), {}
      local function dropped()
        local r = one.remote(2)
        r:drop()
        r:drop() -- twice does no harm
        return r
      end
      local closed
      do
        local r <close> = one.remote(3)
        closed = r
      end
      local ways = {
        get = function() m.get(dropped()) end,
        get_list = function() m.get { live, dropped() } end,
        try = function() m.try(dropped()) end,
        wait = function() m.wait { live, dropped() } end,
        as_completed = function() m.as_completed { dropped() } end,
        as_completed_later = function()
          local late = slow.remote()
          for r in m.as_completed { live, late } do late:drop() end
        end,
        argument = function() one.remote(dropped()) end,
        inside = function() one.remote { deep = { dropped() } } end,
        put = function() m.put { dropped() } end,
        free = function() m.free { live, dropped() } end,
        pin = function() m.pin(dropped()) end,
        owner = function() return dropped().owner end,
        close = function() m.get(closed) end,
        result = function() m.get(gives.remote()) end,
      }
      for name, way in pairs(ways) do
        local ok, err = pcall(way)
        while not ok and err.cause do err = err.cause end
        out[#out + 1] = name .. " " .. tostring(not ok and err.code)
      end
      out[#out + 1] = tostring(m.get(live)) -- which is as it was
      return out
    end)
    c:run { until_done = job, limit = "20s", drain = true }
    local out = job:result()
    assert.are.equal(15, #out)
    for i = 1, 14 do assert.matches(" E108$", out[i]) end
    assert.are.equal("1", out[15])
  end)

  it("a value that is too deep or contains itself is E104, and nothing is left of the try", function()
    local c = cluster()
    local job = c:submit(function(m)
      local one = m.remote("one", function(x) return x end)
      local knot = m.remote("knot", function()
        local loop = {}
        loop.a = { loop }
        return loop
      end)
      local pit = m.remote("pit", function()
        local deep = {}
        for _ = 1, 100 do deep = { deep } end
        return deep
      end)
      local r = m.put(m.bytes(300000))
      local loop, deep = { r }, { r }
      loop.loop = { loop }
      for _ = 1, 100 do deep = { deep } end
      local out = {}
      for i, bad in ipairs { loop, deep } do
        local ok, err = pcall(one.remote, bad)
        local also, put = pcall(m.put, bad)
        out[i] = tostring(not ok and err.code) .. tostring(not also and put.code)
      end
      for i, task in ipairs { knot, pit } do
        local o = task.remote()
        local _, err = m.try(o)
        out[i + 2] = err.code
        o:drop()
      end
      r:drop()
      print "quiet"
      m.sleep("3s")
      return out
    end)
    run_until_quiet(c)
    survival.nothing_is_left(c)
    c:run { until_done = job, drain = true }
    assert.are.same({ "E104E104", "E104E104", "E104", "E104" }, job:result())
  end)
end)

describe("an owner that dies", function()
  it("takes its leases, its children that run and its copies with it", function()
    local c = cluster()
    local job = program(c, "family", B)
    local child
    c:once("task.running", { name = "child" }, function(e) child = e.worker end)
    on_output(c, "kill", function()
      assert.are.equal(1, #c.state.workers { name = child, alive = true })
      c:kill "n1/w0"
    end)
    c:run { until_event = { "output", text = "quiet\n" }, limit = "20s" }
    assert.are.equal(0, #c.state.workers { name = child, alive = true })
    assert.are.equal(0, #c.state.copies { live = true })
    assert.are.equal(1, c:attempts("T1/2"), "nobody is left to run the child again")
    c:run { until_done = job, limit = "20s", drain = true }
    assert.are.equal("WorkerCrashedError", job:result())
  end)

  it("is named with its job and its machine if it is a driver", function()
    local c = cluster()
    local job = program(c, "owner_dies", B)
    on_output(c, "kill", function() c:kill "driver" end)
    c:run { until_done = job, limit = "20s", drain = true }
    assert.are.equal("OwnerDiedError", job:error().name)
    assert.are.equal("driver J1 on head died: killed", job:error().message)
  end)

  it("is asked for nothing any more by those who come later", function()
    local c = cluster()
    local job = program(c, "owner_dies", B)
    on_output(c, "kill", function() c:kill "n1/w0" end)
    c:at("50ms", function() c:join "n4" end)
    c:run { until_done = job, limit = "20s", drain = true }
    assert.are.equal("OwnerDiedError borrowed_owner_dead", job:result().task)
  end)
end)

-- Ray: test_reconstruction*.py, and C8 of its traps: an attempt may make another value.
describe("a task that makes something else when it runs again", function()
  local function lose_all(c)
    on_output(c, "lose", function()
      for copy in c.state.copies { live = true } do c:evict(copy.object, copy.node) end
    end)
  end

  -- Once more while it is being made again, or read, if the seed says so.
  local function and_again(c)
    local dead = {}
    for _ = 1, one_of { 0, 1, 2, 3 } do
      c:after(one_of { 1, 2, 3, 5 }, "message.delivered",
        { kind = one_of { "Chunk", "TaskReply", "Pull", "ObjectMoved", "ObjectHere" } }, function()
          local live = {}
          for copy in c.state.copies { live = true } do
            if not dead[copy.node] then live[#live + 1] = copy end
          end
          if #live > 0 and c:now() < 0.2 then
            local copy = c:pick(live)
            if one_of { 0, 1, 1 } == 0 and copy.node ~= "head" and not next(dead) then
              c:kill(copy.node)
              dead[copy.node] = true
            else
              c:evict(copy.object, copy.node)
            end
          end
        end)
    end
  end

  local sizes = {
    { "large, then small", 3000000, 10 }, { "small, then large", 10, 3000000 },
    { "large, then larger", 300000, 3000000, 5000000 }, { "larger, then large", 5000000, 300000 },
  }
  for _, case in ipairs(sizes) do
    it(case[1] .. ": gives everybody one of its values whole", function()
      local c = cluster { config = { chunk = one_of { "5MiB", "100KiB" } } }
      local job = program(c, "other_size", table.unpack(case, 2))
      lose_all(c)
      if sim.seed ~= 0 then and_again(c) end
      c:run { until_done = job, limit = "60s", drain = true }
      local answers = job:result()
      assert.are.equal(7, #answers)
      for i, n in ipairs(answers) do assert.is_true(n > 0, "reader " .. i .. " has " .. n) end
    end)
  end

  it("two values that change places: each is one of them whole", function()
    local c = cluster { config = { chunk = one_of { "5MiB", "100KiB" } } }
    local job = program(c, "change_places", 2000000, 10)
    on_output(c, "lose", function() c:evict("O1", c:sole_holder("O1")) end)
    if sim.seed ~= 0 then and_again(c) end
    c:run { until_done = job, limit = "60s", drain = true }
    assert.is_true(job:result())
  end)

  local others = {
    more = { "E106", 2 }, less = { 3, 2 }, ["an error"] = { "another time", 2 },
  }
  for _, how in ipairs { "more", "less", "an error" } do
    it("another number of values, " .. how .. ": only what was lost changes", function()
      local c = cluster()
      local job = program(c, "other_number", how, B)
      on_output(c, "lose", function() c:evict("O1", c:sole_holder("O1")) end)
      c:run { until_done = job, limit = "20s", drain = true }
      assert.are.same(others[how], job:result())
    end)
  end
end)

describe("what is lost", function()
  it("is made again with its arguments first, and each of them once", function()
    local c = cluster()
    local job = program(c, "diamond", B)
    on_output(c, "lose", function() c:kill "n1" end)
    c:run { until_done = job, limit = "20s", drain = true }
    assert.are.equal(523, job:result())
    for i = 1, 6 do assert.are.equal(2, c:attempts("T" .. i), "T" .. i) end
  end)

  it("is nothing that was inlined", function()
    local c = cluster()
    local job = program(c, "inlined", B)
    on_output(c, "lose", function() c:kill "n1" end)
    c:run { until_done = job, limit = "20s", drain = true }
    assert.are.equal(15, job:result())
    assert.are.equal(1, c:attempts("T1"))
  end)
end)
