-- The steps of a command's life. Each checks first and writes after: a refused step changes nothing.
-- Signature and keys: see ledger_state.lua, which stands in front of this file; what people decide: ledger_desk.lua,
-- which stands behind it.

local step

-- A place at the tail of every lane, or in none where one of them is no list. Among waiting commands a lower place is
-- never behind a higher one in any lane, so that no two can wait for each other.
local function enter_lanes(key, lanes)
  local place, blocked = redis.call('INCR', prefix .. 'places'), 0
  for i, name in ipairs(lanes) do
    local lane = prefix .. 'lane:' .. name
    local length = redis.pcall('RPUSH', lane, key)
    if type(length) == 'table' then
      for entered = 1, i - 1 do redis.call('RPOP', prefix .. 'lane:' .. lanes[entered]) end
      error(length, 0)
    end
    if length > 1 and redis.call('LINDEX', lane, 0) ~= key then blocked = blocked + 1 end
  end
  set(key, {place = place, blocked = blocked})
  return blocked
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
    set(parent, {reason = progress, updated_ms = now})
    announce(parent, 'waiting', progress)
    return
  end
  if failed == 0 then move(parent, 'applied', total .. '/' .. total .. ' applied')
  else move(parent, 'rejected', (total - failed) .. '/' .. total .. ' applied, the rest discarded or cancelled') end
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
  if get(parent, 'closed:' .. child) then return end
  set(parent, {['closed:' .. child] = applied and 1 or 0})
  if number(parent, 'total') == 0 then return end
  add(parent, 'done', 1)
  if not applied then add(parent, 'failed', 1) end
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
  local crashes = add(key, 'crashes', 1)
  local state, lease_ended = get(key, 'state'), number(key, 'lease_ms')
  local in_doubt = state == 'in_doubt' or present(get(key, 'intent_ms'))
  if crashes >= args.max_crashes then
    move(key, 'held', 'its worker died ' .. crashes .. ' times while it ran')
    redis.call('ZREM', prefix .. 'doubt', key)
    redis.call('ZADD', prefix .. 'dead', ms(now), key)
  elseif in_doubt then
    -- until its lease ended the lost worker may have begun a request, which it then holds open for its whole timeout:
    -- only then does the settle time begin
    local closed = math.max(now, lease_ended + number(key, 'open_ms'))
    if not present(get(key, 'doubt_ms')) then set(key, {doubt_ms = closed}) end
    move(key, 'in_doubt', 'its worker was lost after the intent to send')
    set(key, {doubted = 1, due_ms = now})
    redis.call('ZADD', prefix .. 'doubt', ms(now), key)
  else
    make_ready(key, 'its worker was lost before it sent')
  end
  drop_lease(key)
  return get(key, 'state')
end

-- Milliseconds until the first key of these indexes is due, -1 for never.
local function next_due(indexes)
  local soonest = nil
  for _, index in ipairs(indexes) do
    local first = redis.call('ZRANGE', prefix .. index, 0, 0, 'WITHSCORES')
    if first[2] and (not soonest or tonumber(first[2]) < soonest) then soonest = tonumber(first[2]) end
  end
  return soonest and math.max(soonest - now, 0) or -1
end

local function store(c)
  set(c.key, {
    kind = c.kind, command = c.command, summary = c.summary, client = c.client, lanes = cjson.encode(c.lanes),
    digest = c.digest, state = 'waiting', reason = '', accepted_ms = now, updated_ms = now,
    parent = present(c.parent) and c.parent, family = c.family and 1 or false, trace = present(c.trace) and c.trace,
  })
  count('waiting', 1)
  announce(c.key, 'accepted', '')
end

if asked == 'admit' then
  -- {calls: commands of each caller} -> {admitted: {key, state, fresh, conflict} each} or {error} for each caller: new
  -- ones are stored, laned and hinted in one step. What fails for one caller ends that call alone.
  -- The state of a known command, which is held by now where it is damaged; a forgotten one counts as cancelled.
  local function state_of(key)
    if not whole(key).found then return 'cancelled' end
    sound(key)
    return get(key, 'state')
  end

  local function admit(c)
    local known = get(c.key, 'digest')
    local alias = present(c.alias) and prefix .. 'alias:' .. c.alias
    local named = alias and redis.call('GET', alias)
    local answer
    if named and named ~= c.key then
      answer = {key = named, state = state_of(named), fresh = false, conflict = true}
    elseif whole(c.key).found then
      local conflict = sound(c.key) and known ~= c.digest
      answer = {key = c.key, state = get(c.key, 'state'), fresh = false, conflict = conflict}
    else
      local blocked = enter_lanes(c.key, c.lanes)
      store(c)
      if blocked == 0 then make_ready(c.key, '') end
      answer = {key = c.key, state = get(c.key, 'state'), fresh = true, conflict = false}
    end
    if alias and not named and not answer.conflict then
      redis.call('SET', alias, c.key, 'EX', args.retention_seconds)
    end
    return answer
  end

  local function admit_all(commands)
    local admitted = {}
    for i, c in ipairs(commands) do admitted[i] = admit(c) end
    return {admitted = admitted}
  end

  function step()
    local answers = {}
    for i, commands in ipairs(args.calls) do
      local went_well, found = pcall(admit_all, commands)
      answers[i] = went_well and found or {error = type(found) == 'table' and found.err or tostring(found)}
    end
    return answers
  end

elseif asked == 'claim' then
  -- {key, owner, lease_ms, max_crashes} -> {verdict, record}; what was damaged is held by then
  local function record(key)
    local fields = whole(key).fields
    for field, value in pairs(fields) do
      if not value then fields[field] = nil end
    end
    fields.now_ms = ms(now)
    return fields
  end

  local function lease(key, verdict)
    local ends = ms(now + args.lease_ms)
    set(key, {owner = args.owner, lease_ms = ends})
    redis.call('ZADD', prefix .. 'sending', ends, key)
    return {verdict = verdict, record = record(key)}
  end

  function step()
    local key = args.key
    if not known_at_all(key) then return {verdict = 'unknown'} end
    local leased = number(key, 'lease_ms')
    if leased > now and get(key, 'owner') == args.owner then
      -- the answer to this very claim was lost, and its owner asks again
      return {verdict = get(key, 'state') == 'in_doubt' and 'in_doubt' or 'fresh', record = record(key)}
    end
    if leased > now then return {verdict = 'held_by_other'} end
    if not sound(key) then return {verdict = 'damaged'} end
    local state = get(key, 'state')
    if leased > 0 then state = recover(key) end
    if state == 'delayed' and number(key, 'due_ms') <= now then
      move(key, 'ready', '')
      state = 'ready'
    end
    if state == 'ready' then
      move(key, 'sending', '')
      return lease(key, 'fresh')
    end
    if state == 'in_doubt' and number(key, 'due_ms') <= now then
      redis.call('ZREM', prefix .. 'doubt', key)
      return lease(key, 'in_doubt')
    end
    if state == 'waiting' or state == 'delayed' or state == 'in_doubt' then
      return {verdict = 'not_ready', state = state}
    end
    if state == 'sending' then
      hold_damaged(key, 'field lease_ms: missing, but it is sending')
      return {verdict = 'damaged'}
    end
    return {verdict = 'settled', state = state}
  end

elseif asked == 'renew' then
  -- {owners: key -> owner, lease_ms} -> keys that are no longer their owner's
  function step()
    local lost = {}
    for key, owner in pairs(args.owners) do
      read_some(key, 'owner')
      if get(key, 'owner') == owner then
        local ends = ms(now + args.lease_ms)
        set(key, {lease_ms = ends})
        redis.call('ZADD', prefix .. 'sending', ends, key)
      else
        lost[#lost + 1] = key
      end
    end
    return {lost = lost}
  end

elseif asked == 'intent' then
  -- {key, owner, image, request_ms, if}: the durable note that the first byte follows; {attempts}: 0 without the grant
  function step()
    local key, grant = args.key, args['if']
    local found = grant and (redis.call('HGET', grant[1], grant[2]) or '')
    if grant and string.sub(found, 1, #grant[3]) ~= grant[3] then return {attempts = 0} end
    read_some(key, 'state', 'owner', 'lease_ms', 'attempts', 'released_by')
    if not owned(key, {sending = 1}) then return refused(key) end
    if number(key, 'lease_ms') <= now then return refused(key) end
    local attempts = add(key, 'attempts', 1)
    set(key, {intent_ms = now, open_ms = args.request_ms, image = args.image})
    return {attempts = attempts}
  end

elseif asked == 'settle' then
  -- {key, owner, state, reason, receipt, evidence, retention_seconds}
  function step()
    local key = args.key
    read_some(key, 'state', 'owner', 'kind', 'client', 'lanes', 'parent', 'released_by')
    if not owned(key, {sending = 1, in_doubt = 1}) then return refused(key) end
    if not move(key, args.state, args.reason) then return refused(key) end
    release(key)
    keep_evidence(key, args.evidence)
    if present(args.receipt) then set(key, {receipt = args.receipt}) end
    if args.state == 'applied' then
      leave_lanes(key)
      retire(key)
      close_child(key, true)
    else
      if args.state == 'rejected' then leave_lanes(key) end
      redis.call('ZADD', prefix .. 'dead', ms(now), key)
    end
    return {state = args.state}
  end

elseif asked == 'doubt' then
  -- {key, owner, due_in_ms, failed, refusal, confirmed, reason, evidence}: outcome unknown, look at due time
  function step()
    local key = args.key
    if not owned(key, {sending = 1, in_doubt = 1}) then return refused(key) end
    if get(key, 'state') == 'sending' then set(key, {doubt_ms = now, looks = 0, failed_looks = 0})
    else add(key, 'looks', 1) end
    if args.failed then add(key, 'failed_looks', 1) end
    move(key, 'in_doubt', args.reason)
    release(key)
    local due = ms(now + args.due_in_ms)
    set(key, {doubted = 1, due_ms = due, crashes = false})
    if present(args.refusal) then set(key, {refusal = args.refusal}) end
    if args.confirmed then set(key, {confirmed = 1}) end
    redis.call('ZADD', prefix .. 'doubt', due, key)
    keep_evidence(key, args.evidence)
    return {state = 'in_doubt'}
  end

elseif asked == 'delay' then
  -- {key, owner, due_in_ms, spent, reason, evidence}: certainly not applied, again at due time
  function step()
    local key = args.key
    if not owned(key, {sending = 1}) then return refused(key) end
    if not args.spent then
      add(key, 'waits', 1)
      if present(get(key, 'intent_ms')) then add(key, 'attempts', -1) end
    elseif not present(get(key, 'intent_ms')) then
      add(key, 'attempts', 1)
    end
    move(key, 'delayed', args.reason)
    release(key)
    local due = ms(now + args.due_in_ms)
    set(key, {due_ms = due, intent_ms = false, crashes = false})
    redis.call('ZADD', prefix .. 'delayed', due, key)
    keep_evidence(key, args.evidence)
    return {state = 'delayed'}
  end

elseif asked == 'absent' then
  -- {key, owner, evidence}: the look-up proved that the write is not there; it may be sent again
  function step()
    local key = args.key
    if not owned(key, {in_doubt = 1}) then return refused(key) end
    release(key)
    set(key, {intent_ms = false, doubt_ms = false, due_ms = false, confirmed = false, crashes = false})
    keep_evidence(key, args.evidence)
    make_ready(key, 'looked up: not applied')
    return {state = 'ready'}
  end

elseif asked == 'hand_back' then
  -- {key, owner, unsent}: a worker that stops gives back what it has not sent
  function step()
    local key = args.key
    if not owned(key, {sending = 1, in_doubt = 1}) then return refused(key) end
    if get(key, 'state') == 'in_doubt' then
      release(key)
      redis.call('ZADD', prefix .. 'doubt', ms(now), key)
    elseif present(get(key, 'intent_ms')) and not args.unsent then
      return refused(key)
    else
      if present(get(key, 'intent_ms')) then add(key, 'attempts', -1) end
      release(key)
      set(key, {crashes = false, intent_ms = false})
      make_ready(key, 'handed back by a stopping worker')
    end
    return {state = get(key, 'state')}
  end

elseif asked == 'promote' then
  -- {limit, stale_ms, max_crashes, paused}: time passes. Due, lost and forgotten commands move on; while the vendor is
  -- paused only ended leases are recovered, since nothing that came back could be sent. `closed` in the answer counts
  -- what other vendors' parents are to be told.
  local function due(index, limit)
    return redis.call('ZRANGE', prefix .. index, '-inf', ms(now), 'BYSCORE', 'LIMIT', 0, limit)
  end

  -- When the oldest hint in the queue was published: every older hint has left the queue.
  local function oldest_hint()
    local message = redis.call('LINDEX', queue, -1)
    if not message then return now end
    return tonumber(string.match(message, '"delivery_tag": ?"%w+:(%d+):%d+"') or '0')
  end

  function step()
    local answer = {promoted = 0, recovered = 0, hinted = 0, republished = 0}
    answer.closed = redis.call('LLEN', prefix .. 'closed')
    for _, key in ipairs(due('sending', args.limit)) do
      if sound(key, {sending = 1, in_doubt = 1}) then
        recover(key)
        answer.recovered = answer.recovered + 1
      end
    end
    answer.next_in_ms = next_due({'sending'})
    if args.paused then return answer end
    for _, key in ipairs(due('delayed', args.limit)) do
      if sound(key, {delayed = 1}) then
        make_ready(key, '')
        answer.promoted = answer.promoted + 1
      end
    end
    local horizon = math.min(oldest_hint(), now) - args.stale_ms
    for _, key in ipairs(due('doubt', args.limit)) do
      redis.call('ZADD', prefix .. 'doubt', ms(now + args.stale_ms), key)
      local hinted = number(key, 'hinted_ms')
      if sound(key, {in_doubt = 1}) and (hinted == 0 or hinted <= horizon) then
        set(key, {hinted_ms = now})
        hint(key)
        answer.hinted = answer.hinted + 1
      end
    end
    local unclaimed = redis.call('ZRANGE', prefix .. 'ready', '-inf', ms(horizon), 'BYSCORE', 'LIMIT', 0, args.limit)
    for _, key in ipairs(unclaimed) do
      if sound(key, {ready = 1}) then
        redis.call('ZADD', prefix .. 'ready', ms(now), key)
        hint(key)
        answer.republished = answer.republished + 1
      end
    end
    answer.next_in_ms = next_due({'delayed', 'sending', 'doubt'})
    return answer
  end
end

if step then return answer_of(step) end
