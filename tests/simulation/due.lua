-- For idle looks that are left out: when something comes due, by UTC milliseconds or "never", for each of KEYS but the
-- queues; and behind these how many of the queues hold something.
-- KEYS: prefixes of ledgers, slots of limiters, queues. ARGV[1] how long a hint may lie before it is taken for lost, in
-- ms; ARGV[2] how many of KEYS are ledgers, ARGV[3] how many are limiters.

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)

local function first(index, later)
  local found = redis.call('ZRANGE', index, 0, 0, 'WITHSCORES')
  return found[2] and tonumber(found[2]) + (later or 0) or math.huge
end

local function told(moment) return moment == math.huge and 'never' or string.format('%.0f', moment) end

local function of_ledger(prefix)
  if redis.call('LLEN', prefix .. 'closed') > 0 then return '0' end
  local stale = first(prefix .. 'ready', tonumber(ARGV[1]))
  local others = math.min(first(prefix .. 'delayed'), first(prefix .. 'doubt'), stale)
  -- a pause keeps everything back but what a lost worker has left
  local paused_us = tonumber(redis.call('HGET', prefix .. 'limit:state', 'paused_us') or 0)
  if paused_us > now * 1000 then others = math.max(others, math.ceil(paused_us / 1000)) end
  return told(math.min(first(prefix .. 'sending'), others))
end

local ledgers, limiters = tonumber(ARGV[2]), tonumber(ARGV[3])
local found = {}
for place = 1, ledgers do found[place] = of_ledger(KEYS[place]) end
for place = ledgers + 1, ledgers + limiters do found[place] = told(math.ceil(first(KEYS[place]) / 1000)) end
local full = 0
for place = ledgers + limiters + 1, #KEYS - 1 do full = full + redis.call('EXISTS', KEYS[place]) end
found[#found + 1] = full
return found
