-- Parents that become children, and what people decide: cancel, and the steps of the dead-letter desk. Signature and
-- keys: see ledger_state.lua. All of these are built together, and for none of the steps in ledger.lua.

local desk = {}

--: what a bulk replay lists of those it left alone
local LEFT_ALONE_KEPT = 100
--: letters in one run of the script, all bulk replays together: a few milliseconds of the server's time
local LETTERS_A_RUN = 25
--: a bulk replay that was not moved on for a while makes up for so much of it at once
local CATCH_UP_MS = 1000
--: ended bulk replays beyond these are forgotten early
local REDRIVES_KEPT = 200

-- The first that waits at or behind a place of the list. Who waits is all of it but the head and damaged ones.
local function first_waiting(lane, from, length)
  for at = from, length - 1 do
    local key = redis.call('LINDEX', lane, at)
    if get(key, 'state') == 'waiting' and get(key, 'place') then return key, at end
  end
end

-- A child stands where its parent was accepted: before whoever came later and still waits. Those that wait stand in
-- the order of their places.
local function enter_behind(lane, key, place)
  local length, low, later = redis.call('LLEN', lane), 0, nil
  local high = length
  while low < high do
    local middle = math.floor((low + high) / 2)
    local other, at = first_waiting(lane, middle, high)
    if other and number(other, 'place') <= place then low = at + 1
    else later, high = other or later, middle end
  end
  if not later then return redis.call('RPUSH', lane, key) end
  redis.call('LINSERT', lane, 'BEFORE', later, key)
  take_place(later)
end

-- Count what was closed before its parent was expanded.
local function count_closed(parent, children)
  for _, name in ipairs(children) do
    local applied = get(parent, 'closed:' .. key_of(name))
    if applied then add(parent, 'done', 1) end
    if applied == '0' then add(parent, 'failed', 1) end
  end
end

-- {key, owner, commands, foreign, evidence, retention_seconds}: the parent's children take its place in their lanes, in
-- one step.
-- `foreign`: those that other vendors have admitted, as "vendor:key".
function desk.expand()
  local key = args.key
  if not owned(key, {sending = 1}) then return refused(key) end
  for _, c in ipairs(args.commands) do
    if get(c.key, 'digest') then return refused(key) end
  end
  local children, free, place = {}, {}, number(key, 'place')
  for i, c in ipairs(args.commands) do
    c.parent = key
    children[i] = c.key
    store(c)
    set(c.key, {place = place})
    -- in its parent's lanes too: who was put before all that wait while the parent ran has a lower place
    for _, name in ipairs(c.lanes) do enter_behind(prefix .. 'lane:' .. name, c.key, place) end
  end
  -- counted with the parent before them, which leaves its lanes then
  for _, child in ipairs(children) do
    if take_place(child) == 0 then free[#free + 1] = child end
  end
  for _, child in ipairs(args.foreign) do children[#children + 1] = child end
  set(key, {total = #children, children = cjson.encode(children)})
  release(key)
  move(key, 'waiting', '0/' .. #children .. ' done')
  leave_lanes(key)
  set(key, {lanes = '[]'})
  keep_evidence(key, args.evidence)
  for _, child in ipairs(free) do make_ready(child, '') end
  count_closed(key, args.foreign)
  count_children(key)
  return {children = children}
end

-- {key, child, applied, retention_seconds}: another vendor's child of this parent is closed for good
function desk.child_closed()
  close_child_of(args.key, args.child, args.applied)
  return {state = get(args.key, 'state') or 'unknown'}
end

-- {key, owner}: the children of a parent are about to be admitted at other vendors; from now on it can't be cancelled
function desk.announce_children()
  local key = args.key
  if not owned(key, {sending = 1}) or number(key, 'lease_ms') <= now then return refused(key) end
  set(key, {family = 1})
  return {state = 'sending'}
end

-- {key, by, retention_seconds}: only what no worker has begun
function desk.cancel()
  local key = args.key
  if not get(key, 'state') or not sound(key) or number(key, 'total') > 0 then return refused(key) end
  if get(key, 'family') then return {error = 'refused', state = 'expanding: its children are at other vendors'} end
  if not move(key, 'cancelled', 'cancelled by ' .. args.by) then return refused(key) end
  leave_lanes(key)
  retire(key)
  close_child(key, false)
  return {state = 'cancelled'}
end

-- A dead letter's revision changes with each death, each replay and each correction.
local function revision_of(key)
  return ms(tonumber(stands_in('dead', key)) or 0) .. '.' .. number(key, 'decisions')
end

local function is_stale(key, revision) return present(revision) and revision ~= revision_of(key) end

local function changed(key)
  return {error = 'refused', state = (get(key, 'state') or 'damaged') .. ', and has changed since it was looked at'}
end

-- Why a person cannot correct or replay it, or nil: it must be a dead letter that can be read, and no parent that waits
-- for its children.
local function refusal_of(key)
  if not stands_in('dead', key) or number(key, 'total') > 0 then return refused(key) end
  local problem = fault_of(key, {rejected = 1, held = 1})
  if problem then return {error = 'refused', state = 'damaged: ' .. problem} end
end

-- The children of such a parent may be at other vendors already: a correction of it would not reach them.
local function family_refusal(key)
  if get(key, 'family') then
    return {error = 'refused', state = 'a parent of commands at other vendors: correct those'}
  end
end

local function forget_correction(key)
  set(key, {corrected = false, corrected_summary = false, corrected_lanes = false, edited_by = false})
end

-- {key, by, revision?, command?, summary?, lanes?, evidence?}: the correction for the next replay; without a command
-- the kept one is taken back.
function desk.edit()
  local key = args.key
  local refusal = refusal_of(key) or is_stale(key, args.revision) and changed(key) or family_refusal(key)
  if refusal then return refusal end
  if present(args.command) then
    set(key, {corrected = args.command, corrected_summary = args.summary, corrected_lanes = cjson.encode(args.lanes),
      edited_by = args.by})
  else
    forget_correction(key)
  end
  add(key, 'decisions', 1)
  keep_evidence(key, args.evidence)
  return {state = get(key, 'state')}
end

-- What a replay runs instead of what was asked: `given` with it, else what was kept before, else nil.
local function correction_of(key, given)
  if present(given.command) then return given end
  local command = get(key, 'corrected')
  if not command then return nil end
  return {
    command = command,
    summary = get(key, 'corrected_summary') or '',
    lanes = readable_names(get(key, 'corrected_lanes')) or lanes_of(key),
  }
end

local function same_names(one, other)
  if #one ~= #other then return false end
  for i, name in ipairs(one) do
    if name ~= other[i] then return false end
  end
  return true
end

local function correct(key, correction)
  local replaced = get(key, 'command')
  local differs = replaced ~= correction.command or not same_names(lanes_of(key), correction.lanes)
  if replaced and differs and not get(key, 'original') then set(key, {original = replaced}) end
  set(key, {command = correction.command, summary = correction.summary, lanes = cjson.encode(correction.lanes)})
  forget_correction(key)
  return replaced
end

-- A place before all that wait, behind what runs or may run now: in every lane that is its head at most, and waits for
-- nobody. Each such place is lower than every other one.
local function enter_lanes_first(key)
  set(key, {place = redis.call('DECR', prefix .. 'first_places')})
  for _, name in ipairs(lanes_of(key)) do
    local lane = prefix .. 'lane:' .. name
    local head = redis.call('LINDEX', lane, 0)
    if not head then
      redis.call('RPUSH', lane, key)
    elseif get(head, 'state') == 'waiting' then
      redis.call('LPUSH', lane, key)
      take_place(head)
    else
      redis.call('LINSERT', lane, 'AFTER', head, key)
    end
  end
end

-- A dead letter runs again. `how`: by, at?, revision?, command?, summary?, lanes?, evidence?, redrive?
-- A held one keeps its place, a rejected one joins the tail, unless `at` says otherwise; what is put into other lanes
-- has no place there yet. What a correction replaces stays in the evidence.
local function replay(key, how)
  local correction = correction_of(key, how)
  local refusal = refusal_of(key) or is_stale(key, how.revision) and changed(key) or correction and family_refusal(key)
  if refusal then return refusal end
  local state, at = get(key, 'state'), present(how.at) and how.at
  local moves = correction and not same_names(lanes_of(key), correction.lanes)
  local problem = moves and lane_fault(correction.lanes)
  if problem then return {error = 'refused', state = state .. ', and cannot enter its new lanes: ' .. problem} end
  if moves and state == 'held' and not at then
    return {error = 'refused', state = 'held and would be in other lanes: say where in them, at the head or the tail'}
  end
  local enters = state == 'rejected' or moves or at == 'tail'
  if enters and state == 'held' then leave_lanes(key) end
  local replaced = correction and correct(key, correction)
  if enters then
    if not get(key, 'accepted_place') then set(key, {accepted_place = number(key, 'place')}) end
    if at == 'head' then enter_lanes_first(key) else enter_lanes(key, lanes_of(key)) end
  end
  redis.call('ZREM', prefix .. 'dead', key)
  add(key, 'decisions', 1)
  set(key, {attempts = false, waits = false, looks = false, failed_looks = false, crashes = false, intent_ms = false,
    doubt_ms = false, due_ms = false, refusal = false, confirmed = false, receipt = false, replayed_by = how.by})
  keep_evidence(key, how.evidence)
  keep_evidence(key, cjson.encode({what = 'replayed', by = how.by, edited = correction ~= nil, replaced = replaced,
    at = at or nil, redrive = how.redrive}))
  if take_place(key) == 0 then make_ready(key, 'replayed by ' .. how.by)
  else move(key, 'waiting', 'replayed by ' .. how.by) end
  return {state = get(key, 'state')}
end

-- {key, by, at?, revision?, command?, summary?, lanes?, evidence?}
function desk.replay() return replay(args.key, args) end

-- {key, by, reason, revision?, retention_seconds, lanes?}: a person decides that a dead letter stays undone.
-- `lanes`: where one that does not say so itself was found standing.
function desk.discard()
  local key = args.key
  if not stands_in('dead', key) then return refused(key) end
  if is_stale(key, args.revision) then return changed(key) end
  local was = get(key, 'state')
  if was ~= 'rejected' and was ~= 'held' then
    hold_damaged(key, fault_of(key, {rejected = 1, held = 1}))
    was = 'held'
  end
  set_aside('evidence:', key, 'list')
  move(key, 'rejected', 'discarded by ' .. args.by .. ': ' .. args.reason)
  redis.call('ZREM', prefix .. 'dead', key)
  set(key, {discarded_by = args.by})
  keep_evidence(key, cjson.encode({what = 'discarded', by = args.by, reason = args.reason, was = was}))
  if was == 'held' then leave_lanes(key, args.lanes) end
  retire(key)
  close_child(key, false)
  return {state = 'rejected'}
end

-- A dead letter as the desk shows it: when it died, and the fields of its record, or what is wrong with them.
local function letter(key)
  local died_ms, found = stands_in('dead', key), type_of(cmd(key))
  if not died_ms then return {is_dead = false} end
  local shown = {is_dead = true, died_ms = died_ms, fields = {}}
  if found ~= 'hash' then
    shown.problem = found == 'none' and 'it is not there' or 'it is a ' .. found .. ', not a hash'
    return shown
  end
  local flat = redis.call('HGETALL', cmd(key))
  for i = 1, #flat, 2 do
    local name, value = flat[i], flat[i + 1]
    -- the answer cannot carry other bytes
    if not (is_utf8(name) and is_utf8(value)) then
      name, value = string.gsub(name, '[\128-\255]', '?'), string.gsub(value, '[\128-\255]', '?')
      shown.problem = 'field ' .. name .. ': not UTF-8'
    end
    shown.fields[name] = value
  end
  return shown
end

-- {keys} -> {is_dead, died_ms, fields, problem?} of each: one answer is read faster than a hash for each
function desk.letters()
  local found = {}
  for i, key in ipairs(args.keys) do found[i] = letter(key) end
  return found
end

-- Bulk replays.

local function job_name(id) return prefix .. 'redrive:' .. id end
local function job_field(id, field) return redis.call('HGET', job_name(id), field) end

local function end_job(id, state)
  redis.call('HSET', job_name(id), 'state', state, 'ended_ms', ms(now))
  redis.call('ZREM', prefix .. 'redriving', id)
  redis.call('DEL', job_name(id) .. ':keys')
  redis.call('EXPIRE', job_name(id), args.retention_seconds)
  redis.call('EXPIRE', job_name(id) .. ':left_alone', args.retention_seconds)
end

-- {id, by, filter, per_second}: the letters, "<revision> <key>" in their order, were staged under its id
function desk.begin_redrive()
  local id = args.id
  if redis.call('EXISTS', job_name(id)) == 1 then return {state = job_field(id, 'state')} end
  local total = redis.call('LLEN', job_name(id) .. ':keys')
  if total == 0 then return {error = 'refused', state = 'unknown'} end
  redis.call('PERSIST', job_name(id) .. ':keys')
  redis.call('HSET', job_name(id), 'state', 'running', 'by', args.by, 'filter', args.filter,
    'per_second', args.per_second, 'total', total, 'replayed', 0, 'skipped', 0, 'created_ms', ms(now))
  redis.call('ZADD', prefix .. 'redriving', ms(now), id)
  redis.call('ZADD', prefix .. 'redrives', ms(now), id)
  redis.call('ZREMRANGEBYRANK', prefix .. 'redrives', 0, -REDRIVES_KEPT - 1)
  return {state = 'running'}
end

-- One letter of a bulk replay: it is taken from the list and replayed in this very step, so that it is neither lost nor
-- replayed twice.
local function redrive_one(id, entry, by)
  local revision, key = string.match(entry, '^(%S+) (.+)$')
  local how = {by = by, revision = revision, redrive = id}
  local answer = key and replay(key, how) or {error = 'refused', state = 'unknown'}
  if not answer.error then
    redis.call('HINCRBY', job_name(id), 'replayed', 1)
    return true
  end
  redis.call('HINCRBY', job_name(id), 'skipped', 1)
  if redis.call('LLEN', job_name(id) .. ':left_alone') < LEFT_ALONE_KEPT then
    redis.call('RPUSH', job_name(id) .. ':left_alone', cjson.encode({key = key or entry, why = answer.state}))
  end
  return false
end

local function is_list(name)
  local found = type_of(name)
  return found == 'list' or found == 'none'
end

local function is_running(id)
  if type_of(job_name(id)) ~= 'hash' or job_field(id, 'state') ~= 'running' then return false end
  for _, field in ipairs({'total', 'replayed', 'skipped'}) do
    if not string.match(job_field(id, field) or '', '^%d+$') then return false end
  end
  return is_list(job_name(id) .. ':keys') and is_list(job_name(id) .. ':left_alone')
    and (tonumber(job_field(id, 'per_second')) or 0) > 0
end

-- Replay what a bulk replay has due: at its rate, whoever asks and however often.
local function move_job(id, due_ms, answer)
  local gap = 1000 / tonumber(job_field(id, 'per_second'))
  local by = job_field(id, 'by') or ''
  due_ms = math.max(due_ms, now - CATCH_UP_MS)
  while due_ms <= now and answer.replayed + answer.skipped < LETTERS_A_RUN do
    local entry = redis.call('LPOP', job_name(id) .. ':keys')
    if not entry then break end
    local kind = redrive_one(id, entry, by) and 'replayed' or 'skipped'
    answer[kind] = answer[kind] + 1
    -- what is left alone costs the vendor nothing
    if kind == 'replayed' then due_ms = due_ms + gap end
  end
  if redis.call('LLEN', job_name(id) .. ':keys') == 0 then
    end_job(id, 'done')
    answer.ended = answer.ended + 1
  else
    redis.call('ZADD', prefix .. 'redriving', due_ms, id)
  end
end

-- {retention_seconds}: the bulk replays go on
function desk.move_redrives()
  local answer = {replayed = 0, skipped = 0, ended = 0}
  local found = redis.call('ZRANGE', prefix .. 'redriving', '-inf', ms(now), 'BYSCORE', 'WITHSCORES')
  for i = 1, #found, 2 do
    if is_running(found[i]) then
      move_job(found[i], tonumber(found[i + 1]), answer)
    else
      redis.call('ZREM', prefix .. 'redriving', found[i])
      damaged[#damaged + 1] = {key = 'redrive:' .. found[i], problem = 'it cannot be read, and ends here'}
    end
  end
  answer.next_in_ms = next_due({'redriving'})
  return answer
end

-- {id, by, retention_seconds}: what was not replayed stays dead
function desk.cancel_redrive()
  local id = args.id
  if type_of(job_name(id)) ~= 'hash' then return {error = 'refused', state = 'unknown'} end
  if job_field(id, 'state') == 'running' then
    redis.call('HSET', job_name(id), 'cancelled_by', args.by)
    end_job(id, 'cancelled')
  end
  return {state = job_field(id, 'state')}
end

return answer_of(desk[asked])
