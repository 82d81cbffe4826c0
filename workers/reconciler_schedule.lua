-- Who compares a vendor with its ledger tonight, and what came of it: one process at a time, once a day.
--
--   reconciler_schedule.lua  KEYS prefix  ARGV operation owner [argument ...]
--
-- Under the prefix `sr:{vendor}:reconcile:`; all times are UTC milliseconds:
--   head   HASH    slot_ms (the scheduled time that was served last), tried_ms (when that was begun last), began_ms
--                  (of the last one that came to its end). A fixed set of fields, kept.
--   lease  STRING  owner of the comparison under way; expires
--   last   STRING  the last report, JSON, cut to a bounded length by who writes it. Kept until the next one.

local prefix, operation, owner = KEYS[1], ARGV[1], ARGV[2]
local HEAD, LEASE, LAST = prefix .. 'head', prefix .. 'lease', prefix .. 'last'
local DAY_MS = 86400000

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local function text(number) return string.format('%.0f', number) end

-- A moment in head; nil where there is none, or where the clock was set back behind it.
local function moment(field)
  local found = tonumber(redis.call('HGET', HEAD, field) or nil)
  return found and found <= now and found or nil
end

local function is_owner() return redis.call('GET', LEASE) == owner end

-- owner, lease_ms, at_ms (after midnight), gap_ms
-- -> {1, slot_ms, began_ms of the last one or 0} when the caller is to compare now, else {0, ms until it may be due}
if operation == 'take' then
  local lease_ms, at_ms, gap_ms = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
  local slot = math.floor((now - at_ms) / DAY_MS) * DAY_MS + at_ms
  local served, tried = moment('slot_ms'), moment('tried_ms')
  if not served then
    -- the first look ever: the next scheduled time is the first to be served
    redis.call('HSET', HEAD, 'slot_ms', text(slot))
    return {0, text(slot + DAY_MS - now)}
  end
  if served >= slot then return {0, text(slot + DAY_MS - now)} end
  if redis.call('EXISTS', LEASE) == 1 then return {0, text(redis.call('PTTL', LEASE))} end
  if tried and now - tried < gap_ms then return {0, text(gap_ms - (now - tried))} end
  redis.call('SET', LEASE, owner, 'PX', lease_ms)
  redis.call('HSET', HEAD, 'tried_ms', text(now))
  return {1, text(slot), text(moment('began_ms') or 0)}
end

-- owner, lease_ms -> 1 while the lease is the owner's
if operation == 'renew' then
  if not is_owner() then return 0 end
  redis.call('PEXPIRE', LEASE, ARGV[3])
  return 1
end

-- owner, slot_ms, began_ms, report -> 1 and the report is kept, 0 when another owner may be at it
-- slot_ms and began_ms are empty for one that did not come to its end: it is due again after the gap.
if operation == 'keep' then
  if not is_owner() then return 0 end
  if ARGV[3] ~= '' then redis.call('HSET', HEAD, 'slot_ms', ARGV[3], 'began_ms', ARGV[4]) end
  redis.call('SET', LAST, ARGV[5])
  redis.call('DEL', LEASE)
  return 1
end

-- owner -> the lease is free, and the comparison due at once, for another process
if operation == 'release' then
  if is_owner() then
    redis.call('DEL', LEASE)
    redis.call('HDEL', HEAD, 'tried_ms')
  end
  return 1
end

return redis.error_reply('reconciler_schedule.lua: no such operation')
