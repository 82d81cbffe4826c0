-- Every look into the directory: one call, one answer from one generation, also while the next one is being put there.
--
--   directory.lua  KEYS prefix  ARGV operation [argument ...]
--
-- prefix is "sr:{vendor}:directory:", and behind it
--   head               HASH   generation, refreshed_ms, counts (JSON), codes; tried_ms: when a refresh last began
--   <generation>:things HASH  vendor's id -> [type, name, archived, manufacturer] as JSON
--   <generation>:codes  HASH  part number as `code_of` writes it -> [part id, ...] as JSON
--   wanted             STRING counts the misses since the last refresh; expires
--   lease              STRING owner of the refresh under way; expires (workers/directory.lua)
-- A generation is written under a time to live, which it loses when head names it and gets back when head names another.

local prefix, operation = KEYS[1], ARGV[1]
local WANTED_SECONDS = 3600

local function of_generation(name, field)
  local generation = redis.call('HGET', prefix .. 'head', 'generation')
  return generation and redis.call('HGET', prefix .. generation .. ':' .. name, field)
end

-- id -> the thing, or nothing
if operation == 'resolve' then return of_generation('things', ARGV[2]) end

-- code -> id, thing, id, thing, ...
if operation == 'parts' then
  local ids = of_generation('codes', ARGV[2])
  local found = {}
  for _, id in ipairs(ids and cjson.decode(ids) or {}) do
    local thing = of_generation('things', id)
    if thing then
      found[#found + 1] = id
      found[#found + 1] = thing
    end
  end
  return found
end

-- id, code -> 1 when neither is known, so that a refresh is wanted
if operation == 'wanted' then
  if of_generation('things', ARGV[2]) or of_generation('codes', ARGV[3]) then return 0 end
  redis.call('INCR', prefix .. 'wanted')
  redis.call('EXPIRE', prefix .. 'wanted', WANTED_SECONDS)
  return 1
end

-- -> refreshed_ms, counts, codes, the time now in milliseconds
if operation == 'summary' then
  local head = redis.call('HMGET', prefix .. 'head', 'refreshed_ms', 'counts', 'codes')
  local time = redis.call('TIME')
  head[4] = string.format('%.0f', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))
  return head
end

return redis.error_reply('directory.lua: no such operation')
