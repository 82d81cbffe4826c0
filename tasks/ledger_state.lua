-- What every step of the ledger shares: the clock, the closed set of states, lanes, hints and events.
-- Loaded in front of ledger.lua and ledger_desk.lua; they make one script.
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

local prefix, queue, template = KEYS[1], ARGV[2], ARGV[3]
local args = cjson.decode(ARGV[4])
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)

--: enough history for a client that was away for a while; older events are trimmed
local EVENTS_KEPT = 100000

local NEXT = {
  waiting = {ready = 1, cancelled = 1, applied = 1, rejected = 1},
  ready = {sending = 1, cancelled = 1},
  delayed = {ready = 1, cancelled = 1},
  sending = {applied = 1, rejected = 1, held = 1, delayed = 1, in_doubt = 1, ready = 1, waiting = 1},
  in_doubt = {applied = 1, rejected = 1, held = 1, ready = 1, in_doubt = 1},
  rejected = {ready = 1, waiting = 1, rejected = 1},
  held = {ready = 1, waiting = 1, rejected = 1},
}

local FINAL = {applied = 1, rejected = 1, held = 1, cancelled = 1}
--: HINCRBY fails on what is no integer
local COUNTERS = {
  'attempts', 'waits', 'looks', 'failed_looks', 'crashes', 'hints', 'blocked', 'total', 'done', 'failed', 'decisions',
}

local function cmd(key) return prefix .. 'cmd:' .. key end
local function type_of(name) return redis.call('TYPE', name).ok end
local function get(key, field)
  local value = redis.pcall('HGET', cmd(key), field)
  return type(value) == 'string' and value or nil
end
local function number(key, field) return tonumber(get(key, field) or '0') or 0 end
local function present(value) return value and value ~= cjson.null and value ~= '' end
local function ms(value) return string.format('%.0f', value) end

local function announce(key, kind, state, reason)
  redis.call('XADD', prefix .. 'events', 'MAXLEN', '~', EVENTS_KEPT, '*',
    'key', key, 'kind', kind or '', 'state', state, 'reason', reason or '', 'at_ms', ms(now),
    'client', get(key, 'client') or '')
end

-- Change the state, refuse an impossible change. Returns true, or false where it is refused.
local function move(key, to, reason)
  local from = get(key, 'state')
  if not (NEXT[from] and NEXT[from][to]) then return false end
  if from ~= to then
    redis.call('HINCRBY', prefix .. 'counts', from, -1)
    redis.call('HINCRBY', prefix .. 'counts', to, 1)
  end
  redis.call('HSET', cmd(key), 'state', to, 'updated_ms', ms(now), 'reason', reason or '')
  redis.call('ZREM', prefix .. 'ready', key)
  redis.call('ZREM', prefix .. 'delayed', key)
  announce(key, get(key, 'kind'), to, reason)
  return true
end

local function drop_lease(key)
  redis.call('ZREM', prefix .. 'sending', key)
  redis.call('HDEL', cmd(key), 'owner', 'lease_ms', 'hinted_ms')
end

-- The owner ends its own lease by this step. It is noted, so that the step may be repeated when its answer was lost.
local function release(key)
  drop_lease(key)
  redis.call('HSET', cmd(key), 'released_by', args.owner .. ' ' .. ARGV[1])
end

-- Put a hint for a worker into the vendor's Celery queue. The tag says when, for the search for lost hints.
local function hint(key)
  local n = redis.call('HINCRBY', cmd(key), 'hints', 1)
  local message = string.gsub(template, '@(%a+)@', {
    key = key,
    kind = get(key, 'kind'),
    args = cjson.encode(get(key, 'summary') or ''),
    tag = key .. ':' .. ms(now) .. ':' .. n,
  })
  redis.call('LPUSH', queue, message)
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

--: RFC 3629, section 4
local UTF8 = {
  '[\194-\223][\128-\191]', '\224[\160-\191][\128-\191]', '[\225-\236\238\239][\128-\191][\128-\191]',
  '\237[\128-\159][\128-\191]', '\240[\144-\191][\128-\191][\128-\191]',
  '[\241-\243][\128-\191][\128-\191][\128-\191]', '\244[\128-\143][\128-\191][\128-\191]',
}

-- Neither a hint nor the answer of a claim can carry other bytes.
local function is_utf8(text)
  if not string.find(text, '[\128-\255]') then return true end
  for _, character in ipairs(UTF8) do text = string.gsub(text, character, ' ') end
  return not string.find(text, '[\128-\255]')
end

local function text_fault(key)
  local flat = redis.call('HGETALL', cmd(key))
  for i = 1, #flat, 2 do
    if not is_utf8(flat[i]) then return 'a field with a name that is not UTF-8' end
    if not is_utf8(flat[i + 1]) then return 'field ' .. flat[i] .. ': not UTF-8' end
  end
end

-- What keeps a machine from deciding about a command, or nil. `states`: those that fit where it stands.
local function fault_of(key, states)
  local found, state = type_of(cmd(key)), get(key, 'state')
  if found ~= 'hash' then return found == 'none' and 'it is not there' or 'it is a ' .. found .. ', not a hash' end
  if not present(state) then return 'field state: missing' end
  local shown = string.gsub(string.sub(state, 1, 40), '[^%w_-]', '?')
  if not (NEXT[state] or FINAL[state]) then return 'field state: unknown: ' .. shown end
  if states and not states[state] then return 'field state: ' .. shown .. ' does not fit the index it is in' end
  if not string.match(get(key, 'kind') or '', '^[%w_.-]+$') then return 'field kind: missing or not a name' end
  if not present(get(key, 'digest')) then return 'field digest: missing' end
  for _, name in ipairs(COUNTERS) do
    if not string.match(get(key, name) or '0', '^-?%d+$') then return 'field ' .. name .. ': not a number' end
  end
  found = type_of(prefix .. 'evidence:' .. key)
  if found ~= 'list' and found ~= 'none' then return 'its evidence is a ' .. found .. ', not a list' end
  return lane_fault(readable_names(get(key, 'lanes'))) or text_fault(key)
end

local function stands_in(index, key) return redis.call('ZSCORE', prefix .. index, key) end

-- False for a key that was never accepted, or was forgotten after the retention.
local function known_at_all(key)
  if redis.call('EXISTS', cmd(key)) == 1 then return true end
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
  if found ~= wanted and found ~= 'none' then redis.call('RENAME', name, prefix .. 'damaged:' .. key) end
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
  redis.call('HINCRBY', prefix .. 'counts', was, -1)
  redis.call('HINCRBY', prefix .. 'counts', 'held', 1)
  redis.call('HDEL', cmd(key), 'owner', 'lease_ms', 'hinted_ms')
  redis.call('HSET', cmd(key), 'state', 'held', 'updated_ms', ms(now), 'reason', reason)
  redis.call('PERSIST', cmd(key))
  redis.call('ZADD', prefix .. 'dead', ms(now), key)
  announce(key, get(key, 'kind'), 'held', reason)
  damaged[#damaged + 1] = {key = key, problem = problem}
end

-- Whether a step may go on with a command; a damaged one is held. Without `states`, an ended one is left as it is.
local function sound(key, states)
  if not states and FINAL[get(key, 'state') or ''] then return true end
  local problem = fault_of(key, states)
  if problem then hold_damaged(key, problem) end
  return not problem
end

local function unblock(key)
  if not sound(key, {waiting = 1, held = 1}) then return end
  if redis.call('HINCRBY', cmd(key), 'blocked', -1) == 0 and get(key, 'state') == 'waiting' then
    make_ready(key, '')
  end
end

-- Leave every lane; whoever becomes the head of one is blocked by one lane less.
local function leave_lanes(key, lanes)
  for _, name in ipairs(lanes or lanes_of(key)) do
    local lane = prefix .. 'lane:' .. name
    if type_of(lane) ~= 'list' then
      -- nobody can stand in it
    elseif redis.call('LINDEX', lane, 0) == key then
      redis.call('LPOP', lane)
      local head = redis.call('LINDEX', lane, 0)
      if head then unblock(head) end
    else
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
  redis.call('HSET', cmd(key), 'blocked', blocked)
  return blocked
end

-- A place at the tail of every lane. Among waiting commands a lower place is never behind a higher one in any lane, so
-- that no two can wait for each other.
local function enter_lanes(key)
  redis.call('HSET', cmd(key), 'place', redis.call('INCR', prefix .. 'places'))
  for _, name in ipairs(lanes_of(key)) do redis.call('RPUSH', prefix .. 'lane:' .. name, key) end
end

-- A child stands where its parent was accepted: before whoever came later and still waits.
local function enter_behind(lane, key, place)
  for _, other in ipairs(redis.call('LRANGE', lane, 0, -1)) do
    if number(other, 'place') > place and get(other, 'state') == 'waiting' then
      redis.call('LINSERT', lane, 'BEFORE', other, key)
      take_place(other)
      return
    end
  end
  redis.call('RPUSH', lane, key)
end

-- The entry is JSON already: what a vendor answered may be what cjson cannot write (NaN, deep nesting).
local function keep_evidence(key, entry)
  if present(entry) then
    redis.call('RPUSH', prefix .. 'evidence:' .. key, '{"at_ms": ' .. ms(now) .. ', ' .. string.sub(entry, 2))
  end
end

local function retire(key)
  redis.call('HDEL', cmd(key), 'image', 'due_ms', 'intent_ms', 'open_ms', 'doubt_ms', 'refusal', 'confirmed', 'blocked',
    'place')
  redis.call('EXPIRE', cmd(key), args.retention_seconds)
  for _, kind in ipairs({'evidence:', 'damaged:'}) do
    redis.call('EXPIRE', prefix .. kind .. key, args.retention_seconds)
  end
end

local close_child

-- A child is named by its key, another vendor's as "vendor:key".
local function key_of(name) return string.match(name, '[^:]*$') end

-- Count a parent's children that are closed for good; the last one ends it. Before it is expanded nothing is to be said.
local function count_children(parent)
  local done, total, failed = number(parent, 'done'), number(parent, 'total'), number(parent, 'failed')
  if get(parent, 'state') ~= 'waiting' or total == 0 then return end
  if done < total then
    local progress = done .. '/' .. total .. ' done'
    redis.call('HSET', cmd(parent), 'reason', progress, 'updated_ms', ms(now))
    announce(parent, get(parent, 'kind'), 'waiting', progress)
    return
  end
  if failed == 0 then
    move(parent, 'applied', total .. '/' .. total .. ' applied')
  else
    move(parent, 'rejected', (total - failed) .. '/' .. total .. ' applied, the rest discarded or cancelled')
  end
  retire(parent)
  close_child(parent, failed == 0)
end

-- Whether an expanded parent became this child: one that a lost worker admitted for it may be another one's.
local function is_child(parent, child)
  local readable, names = pcall(cjson.decode, get(parent, 'children') or '')
  if not readable or type(names) ~= 'table' then return true end
  for _, name in ipairs(names) do
    if key_of(name) == child then return true end
  end
  return false
end

-- Once for each child, however often it is told. A dead letter notes it too: it may be replayed.
local function close_child_of(parent, child, applied)
  if not known_at_all(parent) then return end
  if FINAL[get(parent, 'state') or ''] and not stands_in('dead', parent) then return end
  if not sound(parent) or (number(parent, 'total') > 0 and not is_child(parent, child)) then return end
  if redis.call('HSETNX', cmd(parent), 'closed:' .. child, applied and 1 or 0) == 0 then return end
  if number(parent, 'total') == 0 then return end
  redis.call('HINCRBY', cmd(parent), 'done', 1)
  if not applied then redis.call('HINCRBY', cmd(parent), 'failed', 1) end
  count_children(parent)
end

-- A child is closed for good: when it was the last, so is its parent. Another vendor's parent, "vendor:key", is told by
-- a worker: its keys may be on another server.
function close_child(key, applied)
  local parent = get(key, 'parent')
  if not present(parent) then return end
  if string.find(parent, ':', 1, true) then
    redis.call('RPUSH', prefix .. 'closed', cjson.encode({parent = parent, child = key, applied = applied}))
  else
    close_child_of(parent, key, applied)
  end
end

-- A lease ended without a settlement: its worker is gone or frozen. Returns the state it leaves the command in.
local function recover(key)
  local crashes = redis.call('HINCRBY', cmd(key), 'crashes', 1)
  local state, lease_ended = get(key, 'state'), number(key, 'lease_ms')
  drop_lease(key)
  local in_doubt = state == 'in_doubt' or present(get(key, 'intent_ms'))
  if crashes >= args.max_crashes then
    move(key, 'held', 'its worker died ' .. crashes .. ' times while it ran')
    redis.call('ZREM', prefix .. 'doubt', key)
    redis.call('ZADD', prefix .. 'dead', ms(now), key)
  elseif in_doubt then
    -- until its lease ended the lost worker may have begun a request, which it then holds open for its whole timeout:
    -- only then does the settle time begin
    local closed = math.max(now, lease_ended + number(key, 'open_ms'))
    if not present(get(key, 'doubt_ms')) then redis.call('HSET', cmd(key), 'doubt_ms', ms(closed)) end
    move(key, 'in_doubt', 'its worker was lost after the intent to send')
    redis.call('HSET', cmd(key), 'doubted', 1, 'due_ms', ms(now))
    redis.call('ZADD', prefix .. 'doubt', ms(now), key)
  else
    make_ready(key, 'its worker was lost before it sent')
  end
  return get(key, 'state')
end

local function record(key)
  local flat, fields = redis.call('HGETALL', cmd(key)), {}
  for i = 1, #flat, 2 do fields[flat[i]] = flat[i + 1] end
  fields['now_ms'] = ms(now)
  return fields
end

-- Nothing was changed. The repetition of a step that its owner has made already is no error.
local function refused(key)
  local state = get(key, 'state') or 'unknown'
  if args.owner and get(key, 'released_by') == args.owner .. ' ' .. ARGV[1] then return {state = state} end
  return {error = 'refused', state = state}
end

-- The owner's right to act: a known command, in one of these states, under this owner's lease.
local function owned(key, states)
  local state = get(key, 'state')
  return states[state] ~= nil and get(key, 'owner') == args.owner
end
