-- Lecture: the GCS keeps metadata, not data.
--
-- A shuffle moves a lot: every map returns one piece for every reduce, and
-- every reduce fetches its pieces from wherever they were made. Those bytes
-- go from object store to object store. The GCS hears of machines and of
-- jobs; where an object is, its owner knows. So what goes through the GCS
-- does not grow with the data: four times the bytes, and not a byte more
-- there.
--
-- The figures alone:  mobula run -q scenarios/metadata-not-data.lua
local sim = require "mobula.sim"

local MAPS, REDUCES = 8, 8
local MiB = 1024 * 1024

local function program(m, maps, reduces, piece)
  local map = m.remote("map", function(reduces, piece)
    local pieces = {}
    for i = 1, reduces do pieces[i] = m.bytes(piece) end
    m.compute("5ms")
    return table.unpack(pieces)
  end, { num_returns = reduces })
  local reduce = m.remote("reduce", function(...)
    local bytes = 0
    for _, piece in ipairs { ... } do bytes = bytes + #piece end
    m.compute("5ms")
    return bytes
  end)
  local pieces, sums, total = {}, {}, 0
  for i = 1, maps do pieces[i] = { map.remote(reduces, piece) } end
  for r = 1, reduces do
    local column = {}
    for i = 1, maps do column[i] = pieces[i][r] end
    sums[r] = reduce.remote(table.unpack(column))
  end
  for _, sum in ipairs(sums) do total = total + m.get(sum) end
  return total
end

-- Bytes to and from the GCS without the checks of health, which go on and on,
-- and bytes between object stores.
local function measure(piece)
  local c = sim.cluster {
    nodes = 5, cpus = 2, messages = true,
    config = { health_period = "500ms" }, -- a full link holds up a health check
  }
  c:run { until_time = "50ms" } -- the machines have found each other
  local job = c:submit(program, MAPS, REDUCES, piece)
  c:run { until_done = job, limit = "60s" }
  assert.are.equal(MAPS * REDUCES * piece, job:result())
  local gcs, stores = 0, 0
  for row in c.state.messages do
    local about_health = row.kind == "HealthCheck" or row.kind == "HealthReply"
      or row.kind == "ReportResources" or row.kind == "ResourceView"
    if (row.from == "gcs" or row.to == "gcs") and not about_health then
      gcs = gcs + row.bytes
    end
    if row.kind == "Chunk" and row.remote then stores = stores + row.bytes end
  end
  print(string.format("%4d MiB in pieces of %2d MiB: GCS %7d B, between stores %11d B",
    MAPS * REDUCES * piece // MiB, piece // MiB, gcs, stores))
  return gcs, stores
end

local gcs, stores = measure(1 * MiB)
local gcs_4, stores_4 = measure(4 * MiB)

assert.is_true(stores > 1000 * gcs, "data goes from store to store")
assert.near(4 * stores, stores_4, sim.world == "sim" and stores or 2 * stores, "four times the data")
if sim.world == "sim" then
  assert.are.equal(gcs, gcs_4, "and the same for the GCS")
else -- real processes report and ask again when it suits them
  assert.near(gcs, gcs_4, gcs / 10, "and the same for the GCS")
end
