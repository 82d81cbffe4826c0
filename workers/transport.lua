-- Takes messages from Celery's queues and registers each as delivered, in one step; kombu needs two for one message.
--
-- script(KEYS[1] unacked_index, KEYS[2] unacked, KEYS[3] ... queues, the most urgent priority first;
--        ARGV[1] at most so many, ARGV[2] the worker's clock (s), ARGV[3] how many queues are of one priority)
-- -> {{place of the queue in KEYS, message, delivery tag}, ...}
--
-- Queues of one priority take turns, the first begins. No tag: not registered, as it is nothing that kombu could
-- restore; the caller decides what it is.
--
-- Keys, all Celery's:
--   <queue>         LIST  messages, the oldest at the right end
--   unacked         HASH  delivery tag -> JSON [message, exchange, routing key]
--   unacked_index   ZSET  delivery tag -> when it was taken (s, by the clock of the worker that took it)

local index, unacked, first = KEYS[1], KEYS[2], 3
local most, now, width = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])

--: UTF-8 beyond ASCII, as Python takes it
local SEQUENCES = {
  '[\194-\223][\128-\191]', '\224[\160-\191][\128-\191]', '[\225-\236\238\239][\128-\191][\128-\191]',
  '\237[\128-\159][\128-\191]', '\240[\144-\191][\128-\191][\128-\191]',
  '[\241-\243][\128-\191][\128-\191][\128-\191]', '\244[\128-\143][\128-\191][\128-\191]',
}

local function is_text(raw)
  if not string.find(raw, '[\128-\255]') then return true end
  for _, sequence in ipairs(SEQUENCES) do raw = string.gsub(raw, sequence, '.') end
  return not string.find(raw, '[\128-\255]')
end

local function field(value, name) return type(value) == 'table' and value[name] or nil end

-- the delivery tag and the entry of `unacked`, the message in it byte by byte as it came
local function registration(raw)
  local ok, message = pcall(cjson.decode, raw)
  local properties = ok and is_text(raw) and field(message, 'properties')
  local tag, delivery = field(properties, 'delivery_tag'), field(properties, 'delivery_info')
  local exchange, routing_key = field(delivery, 'exchange'), field(delivery, 'routing_key')
  if type(tag) ~= 'string' or type(exchange) ~= 'string' or type(routing_key) ~= 'string' then return nil end
  return tag, '[' .. raw .. ', ' .. cjson.encode(exchange) .. ', ' .. cjson.encode(routing_key) .. ']'
end

-- all of them, first: a key of a wrong type must show before anything is taken
local waiting, total = {}, 0
for place = first, #KEYS do
  waiting[place] = redis.call('LLEN', KEYS[place])
  total = total + waiting[place]
end
if total == 0 then return {} end
redis.call('ZCARD', index)
redis.call('HLEN', unacked)

local taken, scores, entries = {}, {}, {}

local function take(place)
  local raw = redis.call('RPOP', KEYS[place])
  waiting[place] = waiting[place] - 1
  local tag, entry = registration(raw)
  if tag then
    scores[#scores + 1], scores[#scores + 2] = now, tag
    entries[#entries + 1], entries[#entries + 2] = tag, entry
  end
  taken[#taken + 1] = {place, raw, tag or false}
end

for urgent = first, #KEYS, width do
  local before
  repeat
    before = #taken
    for place = urgent, urgent + width - 1 do
      if waiting[place] > 0 and #taken < most then take(place) end
    end
  until #taken == before
end

if #scores > 0 then
  redis.call('ZADD', index, unpack(scores))
  redis.call('HSET', unacked, unpack(entries))
end
return taken
