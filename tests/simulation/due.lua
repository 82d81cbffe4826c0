-- When a look of the recovery loop will find something to do at a vendor: UTC milliseconds, or "never".
-- KEYS[1] the ledger's prefix; ARGV[1] how long a hint may lie before it is taken for lost, in ms.

local prefix = KEYS[1]
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)

local function first(index, later)
  local found = redis.call('ZRANGE', prefix .. index, 0, 0, 'WITHSCORES')
  return found[2] and tonumber(found[2]) + (later or 0) or math.huge
end

if redis.call('LLEN', prefix .. 'closed') > 0 then return '0' end
local others = math.min(first('delayed'), first('doubt'), first('ready', tonumber(ARGV[1])))
-- a pause keeps everything back but what a lost worker has left
local paused_us = tonumber(redis.call('HGET', prefix .. 'limit:state', 'paused_us') or 0)
if paused_us > now * 1000 then others = math.max(others, math.ceil(paused_us / 1000)) end
local soonest = math.min(first('sending'), others)
return soonest == math.huge and 'never' or string.format('%.0f', soonest)
