-- The steps of a command's life. Each checks first and writes after: a refused step changes nothing.
-- Signature and keys: see ledger_state.lua, which stands in front of this file; what people decide: ledger_desk.lua,
-- which stands behind it.

local step = {}

local function store(c)
  redis.call('HSET', cmd(c.key), 'kind', c.kind, 'command', c.command, 'summary', c.summary, 'client', c.client,
    'lanes', cjson.encode(c.lanes), 'digest', c.digest, 'state', 'waiting', 'reason', '',
    'accepted_ms', ms(now), 'updated_ms', ms(now), 'attempts', 0, 'waits', 0, 'looks', 0, 'crashes', 0)
  if present(c.parent) then redis.call('HSET', cmd(c.key), 'parent', c.parent) end
  if c.family then redis.call('HSET', cmd(c.key), 'family', 1) end
  redis.call('HINCRBY', prefix .. 'counts', 'waiting', 1)
  announce(c.key, c.kind, 'accepted', '')
end

-- The state of a known command, which is held by now where it is damaged; a forgotten one counts as cancelled.
local function state_of(key)
  if redis.call('EXISTS', cmd(key)) == 0 then return 'cancelled' end
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
  elseif redis.call('EXISTS', cmd(c.key)) == 1 then
    local conflict = sound(c.key) and known ~= c.digest
    answer = {key = c.key, state = get(c.key, 'state'), fresh = false, conflict = conflict}
  else
    store(c)
    enter_lanes(c.key)
    if take_place(c.key) == 0 then make_ready(c.key, '') end
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

-- {calls: commands of each caller} -> {admitted: {key, state, fresh, conflict} each} or {error} for each caller: new
-- ones are stored, laned and hinted in one step. What fails for one caller ends that call alone.
function step.admit()
  local answers = {}
  for i, commands in ipairs(args.calls) do
    local went_well, found = pcall(admit_all, commands)
    answers[i] = went_well and found or {error = type(found) == 'table' and found.err or tostring(found)}
  end
  return answers
end

local function lease(key, verdict)
  local ends = ms(now + args.lease_ms)
  redis.call('HSET', cmd(key), 'owner', args.owner, 'lease_ms', ends)
  redis.call('ZADD', prefix .. 'sending', ends, key)
  return {verdict = verdict, record = record(key)}
end

-- {key, owner, lease_ms, max_crashes} -> {verdict, record}; what was damaged is held by then
function step.claim()
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

-- {owners: key -> owner, lease_ms} -> keys that are no longer their owner's
function step.renew()
  local lost = {}
  for key, owner in pairs(args.owners) do
    if get(key, 'owner') == owner then
      local ends = ms(now + args.lease_ms)
      redis.call('HSET', cmd(key), 'lease_ms', ends)
      redis.call('ZADD', prefix .. 'sending', ends, key)
    else
      lost[#lost + 1] = key
    end
  end
  return {lost = lost}
end

-- {key, owner, image, request_ms}: the durable note that the first byte follows
function step.intent()
  local key = args.key
  if not owned(key, {sending = 1}) then return refused(key) end
  if number(key, 'lease_ms') <= now then return refused(key) end
  redis.call('HSET', cmd(key), 'intent_ms', ms(now), 'open_ms', args.request_ms, 'image', args.image)
  redis.call('HINCRBY', cmd(key), 'attempts', 1)
  return {attempts = number(key, 'attempts')}
end

-- {key, owner, state, reason, receipt, evidence, retention_seconds}
function step.settle()
  local key = args.key
  if not owned(key, {sending = 1, in_doubt = 1}) then return refused(key) end
  if not move(key, args.state, args.reason) then return refused(key) end
  release(key)
  redis.call('ZREM', prefix .. 'doubt', key)
  keep_evidence(key, args.evidence)
  if present(args.receipt) then redis.call('HSET', cmd(key), 'receipt', args.receipt) end
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

-- {key, owner, due_in_ms, failed, refusal, confirmed, reason, evidence}: outcome unknown, look at due time
function step.doubt()
  local key = args.key
  if not owned(key, {sending = 1, in_doubt = 1}) then return refused(key) end
  if get(key, 'state') == 'sending' then
    redis.call('HSET', cmd(key), 'doubt_ms', ms(now), 'looks', 0, 'failed_looks', 0)
  else
    redis.call('HINCRBY', cmd(key), 'looks', 1)
  end
  if args.failed then redis.call('HINCRBY', cmd(key), 'failed_looks', 1) end
  move(key, 'in_doubt', args.reason)
  release(key)
  local due = ms(now + args.due_in_ms)
  redis.call('HSET', cmd(key), 'doubted', 1, 'due_ms', due, 'crashes', 0)
  if present(args.refusal) then redis.call('HSET', cmd(key), 'refusal', args.refusal) end
  if args.confirmed then redis.call('HSET', cmd(key), 'confirmed', 1) end
  redis.call('ZADD', prefix .. 'doubt', due, key)
  keep_evidence(key, args.evidence)
  return {state = 'in_doubt'}
end

-- {key, owner, due_in_ms, spent, reason, evidence}: certainly not applied, again at due time
function step.delay()
  local key = args.key
  if not owned(key, {sending = 1}) then return refused(key) end
  if not args.spent then
    redis.call('HINCRBY', cmd(key), 'waits', 1)
    if present(get(key, 'intent_ms')) then redis.call('HINCRBY', cmd(key), 'attempts', -1) end
  elseif not present(get(key, 'intent_ms')) then
    redis.call('HINCRBY', cmd(key), 'attempts', 1)
  end
  move(key, 'delayed', args.reason)
  release(key)
  local due = ms(now + args.due_in_ms)
  redis.call('HDEL', cmd(key), 'intent_ms')
  redis.call('HSET', cmd(key), 'due_ms', due, 'crashes', 0)
  redis.call('ZADD', prefix .. 'delayed', due, key)
  keep_evidence(key, args.evidence)
  return {state = 'delayed'}
end

-- {key, owner, evidence}: the look-up proved that the write is not there; it may be sent again
function step.absent()
  local key = args.key
  if not owned(key, {in_doubt = 1}) then return refused(key) end
  release(key)
  redis.call('HDEL', cmd(key), 'intent_ms', 'doubt_ms', 'due_ms', 'confirmed')
  redis.call('HSET', cmd(key), 'crashes', 0)
  keep_evidence(key, args.evidence)
  make_ready(key, 'looked up: not applied')
  return {state = 'ready'}
end

-- {key, owner}: a worker that stops gives back what it has not sent
function step.hand_back()
  local key = args.key
  if not owned(key, {sending = 1, in_doubt = 1}) then return refused(key) end
  if get(key, 'state') == 'in_doubt' then
    release(key)
    redis.call('ZADD', prefix .. 'doubt', ms(now), key)
  elseif present(get(key, 'intent_ms')) then
    return refused(key)
  else
    release(key)
    redis.call('HSET', cmd(key), 'crashes', 0)
    make_ready(key, 'handed back by a stopping worker')
  end
  return {state = get(key, 'state')}
end

-- Count what was closed before its parent was expanded.
local function count_closed(parent, children)
  for _, name in ipairs(children) do
    local applied = get(parent, 'closed:' .. key_of(name))
    if applied then redis.call('HINCRBY', cmd(parent), 'done', 1) end
    if applied == '0' then redis.call('HINCRBY', cmd(parent), 'failed', 1) end
  end
end

-- {key, owner, commands, foreign, evidence, retention_seconds}: the parent's children take its place in its lanes and
-- theirs, in one step.
-- `foreign`: those that other vendors have admitted, as "vendor:key".
function step.expand()
  local key = args.key
  if not owned(key, {sending = 1}) then return refused(key) end
  for _, c in ipairs(args.commands) do
    if get(c.key, 'digest') then return refused(key) end
  end
  local children, mine, place = {}, {}, number(key, 'place')
  for _, name in ipairs(lanes_of(key)) do mine[name] = true end
  for i, c in ipairs(args.commands) do
    c.parent = key
    children[i] = c.key
    store(c)
    redis.call('HSET', cmd(c.key), 'place', place)
    for _, name in ipairs(c.lanes) do
      local lane = prefix .. 'lane:' .. name
      if mine[name] then redis.call('LINSERT', lane, 'BEFORE', key, c.key)
      else enter_behind(lane, c.key, place) end
    end
  end
  local own = #children
  for _, child in ipairs(args.foreign) do children[#children + 1] = child end
  redis.call('HSET', cmd(key), 'total', #children, 'children', cjson.encode(children))
  release(key)
  move(key, 'waiting', '0/' .. #children .. ' done')
  leave_lanes(key)
  redis.call('HSET', cmd(key), 'lanes', '[]')
  keep_evidence(key, args.evidence)
  for i = 1, own do
    if take_place(children[i]) == 0 then make_ready(children[i], '') end
  end
  count_closed(key, args.foreign)
  count_children(key)
  return {children = children}
end

-- {key, child, applied, retention_seconds}: another vendor's child of this parent is closed for good
function step.child_closed()
  close_child_of(args.key, args.child, args.applied)
  return {state = get(args.key, 'state') or 'unknown'}
end

-- {key, owner}: the children of a parent are about to be admitted at other vendors; from now on it can't be cancelled
function step.announce_children()
  local key = args.key
  if not owned(key, {sending = 1}) or number(key, 'lease_ms') <= now then return refused(key) end
  redis.call('HSET', cmd(key), 'family', 1)
  return {state = 'sending'}
end

local function due(index, limit)
  return redis.call('ZRANGE', prefix .. index, '-inf', ms(now), 'BYSCORE', 'LIMIT', 0, limit)
end

-- When the oldest hint in the queue was published: every older hint has left the queue.
local function oldest_hint()
  local message = redis.call('LINDEX', queue, -1)
  if not message then return now end
  return tonumber(string.match(message, '"delivery_tag": ?"%w+:(%d+):%d+"') or '0')
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

-- {limit, stale_ms, max_crashes, paused}: time passes. `closed` in the answer counts what other vendors' parents are to
-- be told. Due, lost and forgotten commands move on; while the vendor is
-- paused only ended leases are recovered, since nothing that came back could be sent.
function step.promote()
  local answer = {promoted = 0, recovered = 0, hinted = 0, republished = 0, closed = redis.call('LLEN', prefix .. 'closed')}
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
      redis.call('HSET', cmd(key), 'hinted_ms', ms(now))
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
