-- Keeping the directory: who refreshes it and when, and the moment in which a new generation takes the old one's place.
--
--   directory.lua  KEYS prefix  ARGV operation owner [argument ...]
--
-- prefix, its keys and their lives are described in tasks/directory.lua.

local prefix, operation, owner = KEYS[1], ARGV[1], ARGV[2]
local HEAD, WANTED, LEASE = prefix .. 'head', prefix .. 'wanted', prefix .. 'lease'

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local function text(number) return string.format('%.0f', number) end

-- Milliseconds since a moment in head; huge where there was none, or where the clock was set back behind it.
local function since(field)
  local moment = tonumber(redis.call('HGET', HEAD, field) or nil)
  if not moment or moment > now then return math.huge end
  return now - moment
end

-- owner, lease_ms, refresh_ms, gap_ms -> {1, misses} when the caller is to refresh now, else {0, ms until it may be due}
if operation == 'take' then
  local lease_ms, refresh_ms, gap_ms = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
  if redis.call('EXISTS', LEASE) == 1 then return {0, text(redis.call('PTTL', LEASE))} end
  local tried, refreshed = since('tried_ms'), since('refreshed_ms')
  if tried < gap_ms then return {0, text(gap_ms - tried)} end
  local wanted = redis.call('GET', WANTED)
  if refreshed < refresh_ms and not wanted then return {0, text(refresh_ms - refreshed)} end
  redis.call('SET', LEASE, owner, 'PX', lease_ms)
  redis.call('HSET', HEAD, 'tried_ms', text(now))
  return {1, wanted or '0'}
end

-- owner -> the lease is free for others, if it is still the owner's
if operation == 'release' then
  if redis.call('GET', LEASE) == owner then redis.call('DEL', LEASE) end
  return 1
end

-- owner, generation, things, codes, counts, old_seconds, misses -> "published"; or why not, and nothing is changed:
-- "lost" when another owner may be at it, "incomplete" when not all that was written is there
if operation == 'publish' then
  local generation, things, codes, counts = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
  if redis.call('GET', LEASE) ~= owner then return 'lost' end
  local fresh = {prefix .. generation .. ':things', prefix .. generation .. ':codes'}
  if redis.call('HLEN', fresh[1]) ~= things or redis.call('HLEN', fresh[2]) ~= codes then return 'incomplete' end
  local old = redis.call('HGET', HEAD, 'generation')
  for _, key in ipairs(fresh) do redis.call('PERSIST', key) end
  redis.call('HSET', HEAD, 'generation', generation, 'refreshed_ms', text(now), 'counts', counts, 'codes', text(codes))
  for _, name in ipairs(old and {':things', ':codes'} or {}) do redis.call('EXPIRE', prefix .. old .. name, ARGV[7]) end
  -- a miss during the refresh may be about something newer than what was read
  if redis.call('GET', WANTED) == ARGV[8] then redis.call('DEL', WANTED) end
  redis.call('DEL', LEASE)
  return 'published'
end

return redis.error_reply('directory.lua: no such operation')
