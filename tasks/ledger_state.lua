-- What every step of the ledger shares: the clock, the closed set of states, lanes, hints and events.
-- Loaded in front of ledger.lua and ledger_desk.lua; they make one script. It is built anew for each call, which costs
-- as much as a step does: of the steps only the one that is asked for is built.
--
-- script(KEYS[1] prefix; ARGV[1] step, ARGV[2] queue, ARGV[3] hint template, ARGV[4] JSON arguments)
-- -> JSON {answer, damaged: {key, problem} of every record found damaged, and held, on the way}
--
-- Keys, all under the prefix `sr:{vendor}:` (the queue excepted, which is Celery's):
--   cmd:<key>       HASH   the command, its state and counters
--   evidence:<key>  LIST   what was read, sent and answered, one JSON each
--   lane:<lane>     LIST   keys in the order accepted; the head may run
--   alias:<hash>    STRING a sender's own Idempotency-Key -> the key it was used for, as long as the retention
--   ready           ZSET   key -> when its hint was published (ms)
--   sending         ZSET   key -> when its lease ends (ms), in doubt and being looked up included
--   delayed         ZSET   key -> when it is due (ms)
--   doubt           ZSET   key -> when to look next (ms)
--   dead            ZSET   key -> when it was rejected or held (ms)
--   closed          LIST   children of another vendor's parents that ended for good, until their parents know; JSON
--   damaged:<key>   any    what stood where the command's hash or evidence belongs
--   counts          HASH   state -> how many
--   places          STRING counter of the places at the tails of the lanes; first_places: of those before all others
--   redrive:<id>    HASH   a bulk replay: state, by, filter, per_second, total, replayed, skipped, times
--   redrive:<id>:keys LIST what it has still to replay, "<revision> <key>"; expires until the bulk replay has begun
--   redrive:<id>:left_alone LIST the first it skipped, JSON {key, why}
--   redriving       ZSET   running bulk replay -> when its next replay is due (ms)
--   redrives        ZSET   bulk replay -> when it was begun (ms), ended ones included
--   events          STREAM key, kind, state, reason, client of every step

local prefix, asked, queue, template = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local args = cjson.decode(ARGV[4])
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)

--: enough history for a client that was away for a while; older events are trimmed
local EVENTS_KEPT = 100000

--: the states that may follow; a string is cheaper to build than a table
local NEXT = {
  waiting = ' ready cancelled applied rejected ',
  ready = ' sending cancelled ',
  delayed = ' ready cancelled ',
  sending = ' applied rejected held delayed in_doubt ready waiting ',
  in_doubt = ' applied rejected held ready in_doubt ',
  rejected = ' ready waiting rejected ',
  held = ' ready waiting rejected ',
}

local FINAL = {applied = 1, rejected = 1, held = 1, cancelled = 1}

local function cmd(key) return prefix .. 'cmd:' .. key end
local function type_of(name) return redis.call('TYPE', name).ok end
local function present(value) return value and value ~= cjson.null and value ~= '' end
local function ms(value) return string.format('%.0f', value) end

-- Records. Each is read once, and written once: when the step is made.

--: key -> {fields: false for one that is known not to be there; changed: their names; flat: what HGETALL found, nil
--: where only some fields were read; found: whether there is anything; expires: in seconds}
local records = {}
--: state -> by how many its count changes
local tally = {}

local function read_whole(key)
  local one, flat = records[key] or {fields = {}, changed = {}}, redis.pcall('HGETALL', cmd(key))
  local fields, changed = one.fields, one.changed
  for i = 1, #flat, 2 do
    if not changed[flat[i]] then fields[flat[i]] = flat[i + 1] end
  end
  one.flat, one.found = flat, flat.err ~= nil or flat[1] ~= nil
  records[key] = one
  return one
end

-- Read what a step needs of a record that it does not read as a whole.
local function read_some(key, ...)
  local found, fields = redis.pcall('HMGET', cmd(key), ...), {}
  if found.err then return end
  for i, name in ipairs({...}) do fields[name] = found[i] end
  records[key] = {fields = fields, changed = {}}
end

local function whole(key)
  local one = records[key]
  return one and one.flat and one or read_whole(key)
end

local function get(key, field)
  local one = records[key] or read_whole(key)
  local value = one.fields[field]
  if value == nil and not one.flat then value = read_whole(key).fields[field] end
  return value or nil
end

local function number(key, field) return tonumber(get(key, field) or '0') or 0 end

-- `values`: false takes a field out.
local function set(key, values)
  local one = records[key] or read_whole(key)
  for field, value in pairs(values) do
    one.fields[field] = type(value) == 'number' and ms(value) or value
    one.changed[field] = true
  end
  one.found = true
end

-- Returns the new count. One that is no number is not counted on from 0: the step fails.
local function add(key, field, by)
  local count = get(key, field) or '0'
  if not string.find(count, '^-?%d+$') then error({err = 'ERR ' .. key .. ': field ' .. field .. ': not a number'}) end
  set(key, {[field] = tonumber(count) + by})
  return tonumber(count) + by
end

local function count(state, by) tally[state] = (tally[state] or 0) + by end

local function write_all()
  for state, by in pairs(tally) do
    if by ~= 0 then redis.call('HINCRBY', prefix .. 'counts', state, by) end
  end
  for key, one in pairs(records) do
    local kept, gone = {}, {}
    for field in pairs(one.changed) do
      local value = one.fields[field]
      if value then kept[#kept + 1], kept[#kept + 2] = field, value else gone[#gone + 1] = field end
    end
    if kept[1] then redis.call('HSET', cmd(key), unpack(kept)) end
    if gone[1] then redis.call('HDEL', cmd(key), unpack(gone)) end
    if one.expires then redis.call('EXPIRE', cmd(key), one.expires) end
  end
end

local function announce(key, state, reason)
  redis.call('XADD', prefix .. 'events', 'MAXLEN', '~', EVENTS_KEPT, '*', 'key', key, 'kind', get(key, 'kind') or '',
    'state', state, 'reason', reason or '', 'at_ms', ms(now), 'client', get(key, 'client') or '')
end

-- Change the state, refuse an impossible change. Returns true, or false where it is refused.
-- The event is written first: a server that is full refuses it, and with it the step.
local function move(key, to, reason)
  local from = get(key, 'state')
  if not (NEXT[from] and string.find(NEXT[from], ' ' .. to .. ' ', 1, true)) then return false end
  announce(key, to, reason)
  count(from, -1)
  count(to, 1)
  set(key, {state = to, updated_ms = now, reason = reason or ''})
  if from == 'ready' or from == 'delayed' then redis.call('ZREM', prefix .. from, key) end
  return true
end

local function drop_lease(key)
  redis.call('ZREM', prefix .. 'sending', key)
  set(key, {owner = false, lease_ms = false, hinted_ms = false})
end

-- The owner ends its own lease by this step. It is noted, so that the step may be repeated when its answer was lost.
local function release(key)
  drop_lease(key)
  set(key, {released_by = args.owner .. ' ' .. asked})
end

--: the template in pieces: a text, the name of what follows it, and so on
local pieces

local function template_pieces()
  local found, from, at = {}, 1, string.find(template, '@', 1, true)
  while at do
    local name = string.match(template, '^@(%a+)@', at)
    if name then
      found[#found + 1] = string.sub(template, from, at - 1)
      found[#found + 1] = name
      from = at + #name + 2
    end
    at = string.find(template, '@', name and from or at + 1, true)
  end
  found[#found + 1] = string.sub(template, from)
  return found
end

-- Put a hint for a worker into the vendor's Celery queue. The tag says when, for the search for lost hints.
local function hint(key)
  pieces = pieces or template_pieces()
  local values = {
    key = key,
    kind = get(key, 'kind'),
    args = cjson.encode(get(key, 'summary') or ''),
    tag = key .. ':' .. ms(now) .. ':' .. add(key, 'hints', 1),
  }
  local message = {}
  for i, piece in ipairs(pieces) do message[i] = i % 2 == 1 and piece or values[piece] or '' end
  redis.call('LPUSH', queue, table.concat(message))
end

local function make_ready(key, reason)
  if not move(key, 'ready', reason) then return false end
  redis.call('ZADD', prefix .. 'ready', ms(now), key)
  hint(key)
  return true
end

-- A list of names as it is kept, or nil where it cannot be read.
local function readable_names(text)
  local readable, found = pcall(cjson.decode, text or '')
  if not readable or type(found) ~= 'table' then return nil end
  local names = 0
  for _, name in pairs(found) do
    if type(name) ~= 'string' then return nil end
    names = names + 1
  end
  return names == #found and found or nil
end

local function lanes_of(key) return readable_names(get(key, 'lanes')) or {} end

local function lane_fault(lanes)
  if not lanes then return 'field lanes: not a list of names' end
  for _, name in ipairs(lanes) do
    local found = type_of(prefix .. 'lane:' .. name)
    if found ~= 'list' and found ~= 'none' then return 'its lane is a ' .. found .. ', not a list' end
  end
end

-- Neither a hint nor the answer of a claim can carry other bytes. RFC 3629, section 4.
local function is_utf8(text)
  -- one span is found in a third of the time of a search
  if string.find(text, '^[^\128-\255]*$') then return true end
  text = string.gsub(text, '[^\128-\255]+', ' ')
  for _, character in ipairs({
    '[\194-\223][\128-\191]', '\224[\160-\191][\128-\191]', '[\225-\236\238\239][\128-\191][\128-\191]',
    '\237[\128-\159][\128-\191]', '\240[\144-\191][\128-\191][\128-\191]',
    '[\241-\243][\128-\191][\128-\191][\128-\191]', '\244[\128-\143][\128-\191][\128-\191]',
  }) do text = string.gsub(text, character, ' ') end
  return not string.find(text, '[\128-\255]')
end

local function text_fault(key)
  local flat = whole(key).flat
  if is_utf8(table.concat(flat, '\n')) then return nil end
  for i = 1, #flat, 2 do
    if not is_utf8(flat[i]) then return 'a field with a name that is not UTF-8' end
    if not is_utf8(flat[i + 1]) then return 'field ' .. flat[i] .. ': not UTF-8' end
  end
end

-- What keeps a machine from deciding about a command, or nil. `states`: those that fit where it stands.
local function fault_of(key, states)
  local one = whole(key)
  local fields = one.fields
  if one.flat.err then return 'it is a ' .. type_of(cmd(key)) .. ', not a hash' end
  if not one.found then return 'it is not there' end
  local state = fields.state
  if not present(state) then return 'field state: missing' end
  if not (NEXT[state] or FINAL[state]) then
    return 'field state: unknown: ' .. string.gsub(string.sub(state, 1, 40), '[^%w_-]', '?')
  end
  if states and not states[state] then return 'field state: ' .. state .. ' does not fit the index it is in' end
  if not string.find(fields.kind or '', '^[%w_.-]+$') then return 'field kind: missing or not a name' end
  if not present(fields.digest) then return 'field digest: missing' end
  for _, name in ipairs({
    'attempts', 'waits', 'looks', 'failed_looks', 'crashes', 'hints', 'blocked', 'total', 'done', 'failed', 'decisions',
  }) do
    local count = fields[name]
    if count and not string.find(count, '^-?%d+$') then return 'field ' .. name .. ': not a number' end
  end
  local found = type_of(prefix .. 'evidence:' .. key)
  if found ~= 'list' and found ~= 'none' then return 'its evidence is a ' .. found .. ', not a list' end
  return lane_fault(readable_names(fields.lanes)) or text_fault(key)
end

local function stands_in(index, key) return redis.call('ZSCORE', prefix .. index, key) end

-- False for a key that was never accepted, or was forgotten after the retention.
local function known_at_all(key)
  if whole(key).found then return true end
  for _, index in ipairs({'ready', 'sending', 'delayed', 'doubt', 'dead'}) do
    if stands_in(index, key) then return true end
  end
  return false
end

-- The state that a damaged command is counted under: its index knows better than its record.
local function counted_as(key)
  local state = get(key, 'state')
  if stands_in('ready', key) then return 'ready' end
  if stands_in('delayed', key) then return 'delayed' end
  if stands_in('doubt', key) then return 'in_doubt' end
  if stands_in('sending', key) then return present(get(key, 'doubt_ms')) and 'in_doubt' or 'sending' end
  if stands_in('dead', key) then return state == 'rejected' and state or 'held' end
  return (NEXT[state or ''] or FINAL[state or '']) and state or 'waiting'
end

local function set_aside(kind, key, wanted)
  local name = prefix .. kind .. key
  local found = type_of(name)
  if found == wanted or found == 'none' then return end
  redis.call('RENAME', name, prefix .. 'damaged:' .. key)
  if kind == 'cmd:' then records[key] = nil end
end

--: what this call found, for the caller's log
local damaged = {}

-- No machine can decide about a damaged command: it becomes a dead letter, and keeps its lane until a person discards
-- it.
local function hold_damaged(key, problem)
  local was, reason = counted_as(key), 'damaged record: ' .. problem
  set_aside('cmd:', key, 'hash')
  set_aside('evidence:', key, 'list')
  for _, index in ipairs({'ready', 'sending', 'delayed', 'doubt'}) do redis.call('ZREM', prefix .. index, key) end
  count(was, -1)
  count('held', 1)
  set(key, {owner = false, lease_ms = false, hinted_ms = false, state = 'held', updated_ms = now, reason = reason})
  redis.call('PERSIST', cmd(key))
  redis.call('ZADD', prefix .. 'dead', ms(now), key)
  announce(key, 'held', reason)
  damaged[#damaged + 1] = {key = key, problem = problem}
end

-- Whether a step may go on with a command; a damaged one is held. Without `states`, an ended one is left as it is.
local function sound(key, states)
  if not states and FINAL[get(key, 'state') or ''] then return true end
  local problem = fault_of(key, states)
  if problem then hold_damaged(key, problem) end
  return not problem
end

-- Leave every lane; whoever becomes the head of one is blocked by one lane less.
local function leave_lanes(key, lanes)
  for _, name in ipairs(lanes or lanes_of(key)) do
    local lane = prefix .. 'lane:' .. name
    -- where it is no list, nobody can stand in it
    local front = redis.pcall('LRANGE', lane, 0, 1)
    if front[1] == key then
      redis.call('LPOP', lane)
      local head = front[2]
      if head and sound(head, {waiting = 1, held = 1}) and add(head, 'blocked', -1) == 0
        and get(head, 'state') == 'waiting' then
        make_ready(head, '')
      end
    elseif front[1] then
      redis.call('LREM', lane, 1, key)
    end
  end
end

-- Count the lanes in which the command is not the head, and wait or become ready.
local function take_place(key)
  local blocked = 0
  for _, name in ipairs(lanes_of(key)) do
    if redis.call('LINDEX', prefix .. 'lane:' .. name, 0) ~= key then blocked = blocked + 1 end
  end
  set(key, {blocked = blocked})
  return blocked
end

-- The entry is JSON already: what a vendor answered may be what cjson cannot write (NaN, deep nesting).
local function keep_evidence(key, entry)
  if not present(entry) then return end
  local name, text = prefix .. 'evidence:' .. key, '{"at_ms": ' .. ms(now) .. ', ' .. string.sub(entry, 2)
  if type(redis.pcall('RPUSH', name, text)) == 'table' then
    set_aside('evidence:', key, 'list')
    redis.call('RPUSH', name, text)
  end
end

-- What is kept of an ended command for the retention: what was asked, what came of it, and by whom.
local function retire(key)
  set(key, {image = false, due_ms = false, intent_ms = false, open_ms = false, doubt_ms = false, refusal = false,
    confirmed = false, blocked = false, place = false})
  records[key].expires = args.retention_seconds
  for _, kind in ipairs({'evidence:', 'damaged:'}) do
    redis.call('EXPIRE', prefix .. kind .. key, args.retention_seconds)
  end
end

-- What a step has changed before it fails is written too: its lists and indexes are so already.
local function answer_of(step)
  local went_well, answer = pcall(step)
  write_all()
  if not went_well then return redis.error_reply(type(answer) == 'table' and answer.err or answer) end
  return cjson.encode({answer = answer, damaged = damaged})
end

-- Nothing was changed. The repetition of a step that its owner has made already is no error.
local function refused(key)
  local state = get(key, 'state') or 'unknown'
  if args.owner and get(key, 'released_by') == args.owner .. ' ' .. asked then return {state = state} end
  return {error = 'refused', state = state}
end

-- The owner's right to act: a known command, in one of these states, under this owner's lease.
local function owned(key, states)
  local state = get(key, 'state')
  return states[state] ~= nil and get(key, 'owner') == args.owner
end
