-- Every decision of the vendor limiter: one call, one decision, on the clock of the Redis server.
--
--   limiter.lua  KEYS state rates slots owners turns promises  ARGV operation [argument ...]
--
-- Times and durations are integer microseconds; factors are per mille.
--
-- state     hash  policy (JSON, overrides the caller's but for slot_us), factor, ramped_us, streak, paused_us,
--                 pause_reason, throttled (the pause answers a 429), operator_reason (a pause without end), probing,
--                 probe, probe_token, granted, waits. A fixed set of fields, kept.
-- rates     hash  <period>:<n> -> theoretical arrival time (TAT) of that rate; last -> token of the latest grant.
--                 Expires when the last TAT is past: it holds no information then.
-- slots     zset  slot id -> when the slot is free again if nobody frees it. Expires with its last member.
-- owners    hash  slot id -> "<token>@<time of the grant>", or "ghost". Same members and life as slots.
-- turns     zset  process -> since when it waits without a grant. Expires 5 s after the last refusal.
-- promises  zset  process -> until when it keeps its turn; it said it would ask again before. Expires with turns.

local STATE, RATES, SLOTS, OWNERS, TURNS, PROMISES = unpack(KEYS)

-- How far ahead a permit may be reserved: longer than a poller oversleeps, so that no token is lost to late timers.
local LEAD = 25000
-- A slot freed by another process is noticed this late at most.
local POLL = 20000
-- A process that asks again within this time keeps its turn; limiter.py sleeps no longer (MAX_NAP_SECONDS).
local NAP = 500000
-- Beyond its promise a late process may be this late (a busy machine) before its turn is gone.
local GRACE = 300000
-- A process waiting this much longer than another goes first; less than that, the quickest wins, which wastes nothing.
local PATIENCE = 250000
-- An operator's pause has no end: look again after this time.
local OPERATOR_RECHECK = 30000000
local FULL, FLOOR, RAMP_STEP, RAMP_EVERY = 1000, 100, 50, 1000000
local BACKOFF_FIRST, BACKOFF_CAP = 1000000, 60000000

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])

-- tostring() would round to 14 digits, and a time has 16.
local function text(number) return string.format('%.0f', number) end

local function milliseconds_until(moment) return text(math.ceil((moment - now) / 1000) + 1000) end

local function read_state()
  local names = {'factor', 'paused_us', 'pause_reason', 'throttled', 'operator_reason', 'probing', 'probe',
                 'probe_token', 'streak', 'ramped_us'}
  local values = redis.call('HMGET', STATE, unpack(names))
  local state = {}
  for i, name in ipairs(names) do state[name] = values[i] end
  state.factor = tonumber(state.factor or FULL)
  state.paused_us = tonumber(state.paused_us or 0)
  return state
end

-- What the caller needs to know to reward cheaply: 0 at full speed, 1 ramping up, 2 probing.
local function slowness(state)
  if state.probing then return 2 end
  return state.factor < FULL and 1 or 0
end

-- The policy set live, but for the life of a slot, which is the caller's own.
local function effective_policy(given)
  local own, live = cjson.decode(given), redis.call('HGET', STATE, 'policy')
  if not live then return own end
  local policy = cjson.decode(live)
  policy.slot_us = own.slot_us
  return policy
end

-- GCRA. spacing grows as the factor falls; the tolerance stays, so TATs are never below those of the full rate
-- and a change of the factor cannot let more through than the full rate would.
local function read_rates(policy, factor)
  local rates, seen = {}, {}
  for _, given in ipairs(policy.rates) do
    local limit, period, burst = given[1], given[2], given[3]
    seen[period] = (seen[period] or 0) + 1
    local rate = {field = text(period) .. ':' .. seen[period], interval = math.ceil(period / limit)}
    rate.tolerance = (burst - 1) * rate.interval
    rate.spacing = math.ceil(rate.interval * FULL / factor)
    rate.tat = tonumber(redis.call('HGET', RATES, rate.field) or 0)
    -- No grant leaves a TAT this far ahead: the server's clock went back, or the rate was another one.
    if rate.tat > now + LEAD + rate.tolerance + rate.interval * FULL / FLOOR then
      rate.tat = now + rate.tolerance + rate.interval
      redis.call('HSET', RATES, rate.field, text(rate.tat))
    end
    rates[#rates + 1] = rate
  end
  return rates
end

local function earliest(rates)
  local at, spacing = now, 0
  for _, rate in ipairs(rates) do
    local allowed = rate.tat - rate.tolerance
    if allowed > at then at, spacing = allowed, rate.spacing end
  end
  return at, spacing
end

local function write_rates(rates)
  local last = now
  for _, rate in ipairs(rates) do
    redis.call('HSET', RATES, rate.field, text(rate.tat))
    last = math.max(last, rate.tat)
  end
  local life = milliseconds_until(last)
  -- Only ever longer: a rate taken out of the policy and put back must find its TAT.
  if redis.call('PTTL', RATES) < tonumber(life) then redis.call('PEXPIRE', RATES, life) end
end

local function drop_expired_slots()
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', SLOTS, '-inf', text(now))) do
    redis.call('ZREM', SLOTS, id)
    redis.call('HDEL', OWNERS, id)
  end
end

local function take_slot(id, owner, free_again)
  redis.call('ZADD', SLOTS, text(free_again), id)
  redis.call('HSET', OWNERS, id, owner)
end

-- After slots were taken: both keys live as long as the last of them.
local function prolong_slots()
  local last = redis.call('ZRANGE', SLOTS, -1, -1, 'WITHSCORES')
  local life = milliseconds_until(tonumber(last[2]))
  redis.call('PEXPIRE', SLOTS, life)
  redis.call('PEXPIRE', OWNERS, life)
end

local function owned_by(owner, token)
  return owner and string.sub(owner, 1, #token + 1) == token .. '@'
end

-- The time until a process that has waited much longer should have asked, or nil when it is the caller's turn.
local function wait_for_elders(process)
  for _, late in ipairs(redis.call('ZRANGEBYSCORE', PROMISES, '-inf', text(now))) do
    redis.call('ZREM', PROMISES, late)
    redis.call('ZREM', TURNS, late)
  end
  local head = redis.call('ZRANGE', TURNS, 0, 0, 'WITHSCORES')
  if not head[1] or head[1] == process then return nil end
  local mine = tonumber(redis.call('ZSCORE', TURNS, process) or now)
  if tonumber(head[2]) + PATIENCE >= mine then return nil end
  local promised = tonumber(redis.call('ZSCORE', PROMISES, head[1]) or now) - GRACE
  return math.min(POLL, math.max(2000, promised - now))
end

local function keep_turn(process, wait, granted)
  if granted then redis.call('ZADD', TURNS, text(now), process)
  else redis.call('ZADD', TURNS, 'NX', text(now), process) end
  -- Written only when half used up: with appendfsync always every write costs a sync.
  local promised = tonumber(redis.call('ZSCORE', PROMISES, process) or 0)
  if promised < now + wait + GRACE / 2 then
    redis.call('ZADD', PROMISES, text(now + wait + GRACE), process)
    redis.call('PEXPIRE', TURNS, 5000)
    redis.call('PEXPIRE', PROMISES, 5000)
  end
end

local function leave_turn(process)
  redis.call('ZREM', TURNS, process)
  redis.call('ZREM', PROMISES, process)
end

local function pause_of(state)
  if state.operator_reason then return OPERATOR_RECHECK, state.operator_reason end
  if state.paused_us > now then return state.paused_us - now, state.pause_reason or '' end
  return nil
end

-- After a 429 the vendor is asked with one request at a time until it accepts one.
local function probe_is_out(state, id)
  if not state.probing or not state.probe or state.probe == id then return false end
  return owned_by(redis.call('HGET', OWNERS, state.probe), state.probe_token)
end

-- Why the slot `id` cannot be had now: {wait, reason, spacing, only_new}, or nil and the time of the grant.
-- only_new: the refusal is about a further slot, so ids that hold one may still be served.
local function refusal(call, id, held)
  local wait, reason = pause_of(call.state)
  if wait then return {wait, reason, 0} end
  local at, spacing = earliest(call.rates)
  local rate_wait = at - LEAD - now
  if probe_is_out(call.state, id) then return {math.max(POLL, rate_wait), 'probing after a 429', 0} end
  if not held and call.taken >= call.policy.concurrency then
    local first = redis.call('ZRANGE', SLOTS, 0, 0, 'WITHSCORES')
    local free = math.min(POLL, tonumber(first[2]) - now)
    return {math.max(free, rate_wait), 'all slots taken', spacing, true}
  end
  if rate_wait > 0 then return {rate_wait, 'rate limit', spacing} end
  if not held and call.elders_wait then return {call.elders_wait, 'another process first', 0, true} end
  return nil, at
end

local function grant(call, id, token, waited, held, at)
  for _, rate in ipairs(call.rates) do rate.tat = math.max(rate.tat, at) + rate.spacing end
  take_slot(id, token .. '@' .. text(at), at + call.policy.slot_us)
  call.last = token
  call.grants = call.grants + 1
  if waited == '1' or at > now then call.waits = call.waits + 1 end
  if not held then call.taken = call.taken + 1 end
  if call.state.probing then
    call.state.probe, call.state.probe_token = id, token
    redis.call('HSET', STATE, 'probe', id, 'probe_token', token)
  end
end

-- What all grants of one call leave behind, written once.
local function write_grants(call)
  write_rates(call.rates)
  prolong_slots()
  redis.call('HSET', RATES, 'last', call.last)
  redis.call('HINCRBY', STATE, 'granted', call.grants)
  if call.waits > 0 then redis.call('HINCRBY', STATE, 'waits', call.waits) end
end

-- The time of the grant for one waiter, 0 when refused. A token that was granted before (the answer was lost and
-- the client library asked again) gets the same grant again, uncharged.
local function decide(call, id, token, waited)
  local owner = redis.call('HGET', OWNERS, id)
  if owned_by(owner, token) then return tonumber(string.sub(owner, #token + 2)) end
  if call.stopped or call.refused and not owner then return 0 end
  local refused, at = refusal(call, id, owner)
  if refused then
    call.refused = call.refused or refused
    call.stopped = not refused[4]
    return 0
  end
  grant(call, id, token, waited, owner, at)
  return at
end

local operations = {}

-- process, policy, then slot id, token, "1" if it waited already, for each waiter in order
-- -> {now, wait (0: nobody refused), reason, spacing of the binding rate, slowness, 1 if paused,
--     time of grant or 0, ...}
function operations.acquire(process, policy)
  drop_expired_slots()
  local call = {state = read_state(), policy = effective_policy(policy), taken = redis.call('ZCARD', SLOTS),
                grants = 0, waits = 0}
  call.rates = read_rates(call.policy, call.state.factor)
  call.elders_wait = wait_for_elders(process)
  local reply = {now, 0, '', 0, slowness(call.state), pause_of(call.state) and 1 or 0}
  for i = 4, #ARGV, 3 do reply[#reply + 1] = decide(call, ARGV[i], ARGV[i + 1], ARGV[i + 2]) end
  local granted = call.grants > 0
  if granted then write_grants(call) end
  if call.refused then
    reply[2], reply[3], reply[4] = math.max(1, math.ceil(call.refused[1])), call.refused[2], call.refused[3]
    if reply[2] <= NAP and not pause_of(call.state) then keep_turn(process, reply[2], granted) end
  elseif granted then
    leave_turn(process)
  end
  return reply
end

-- Without a token only a ghost is freed; with a token only its own grant, so a process that overslept cannot free the
-- slot of the one that took over. Whether it was freed.
local function free(id, token)
  local owner = redis.call('HGET', OWNERS, id)
  if not (token == '' and owner == 'ghost' or token ~= '' and owned_by(owner, token)) then return false end
  redis.call('ZREM', SLOTS, id)
  redis.call('HDEL', OWNERS, id)
  return true
end

-- slot id, token or "", ... -> {1}
function operations.release(...)
  local slots = {...}
  for i = 1, #slots, 2 do free(slots[i], slots[i + 1]) end
  return {1}
end

-- slot id, token, policy -> {1}: the permit was never used
function operations.take_back(id, token, policy)
  -- Only the latest grant can be taken back: later ones were spaced after it.
  if free(id, token) and redis.call('HGET', RATES, 'last') == token then
    local rates = read_rates(effective_policy(policy), FULL)
    for _, rate in ipairs(rates) do rate.tat = math.max(0, rate.tat - rate.interval) end
    write_rates(rates)
    redis.call('HDEL', RATES, 'last')
  end
  return {1}
end

-- slot id, token or "", duration
function operations.ghost(id, token, duration)
  local free_again = now + tonumber(duration)
  local owner = redis.call('HGET', OWNERS, id)
  if owner and owner ~= 'ghost' and token ~= '' and not owned_by(owner, token) then
    -- Someone took the slot over and is working: it stays theirs, and taken at least as long as asked.
    take_slot(id, owner, math.max(free_again, tonumber(redis.call('ZSCORE', SLOTS, id))))
  else
    take_slot(id, 'ghost', free_again)
  end
  prolong_slots()
  return {1}
end

-- duration or "" (an operator's, until resume), reason
function operations.pause(duration, reason)
  if duration == '' then
    redis.call('HSET', STATE, 'operator_reason', reason)
  elseif now + tonumber(duration) > read_state().paused_us then
    -- Whether a 429 is behind the pause that still runs decides how the next 429 counts.
    if read_state().paused_us <= now then redis.call('HDEL', STATE, 'throttled') end
    redis.call('HSET', STATE, 'paused_us', text(now + tonumber(duration)), 'pause_reason', reason)
  end
  return {1}
end

function operations.resume()
  redis.call('HDEL', STATE, 'paused_us', 'pause_reason', 'throttled', 'operator_reason')
  return {1}
end

-- Retry-After or "", jitter (per mille of the pause, without Retry-After), reason -> {time until the pause ends}
function operations.penalise(retry_after, jitter, reason)
  local state = read_state()
  local paused_until = retry_after ~= '' and now + tonumber(retry_after) or 0
  if not (state.throttled and state.paused_us > now) then
    -- Several requests in flight are refused together: that is one event, so only the first one counts.
    local streak = math.min(tonumber(state.streak or 0), 30)
    if retry_after == '' then
      local backoff = math.min(BACKOFF_CAP, BACKOFF_FIRST * 2 ^ streak)
      paused_until = now + math.floor(backoff * (1 + tonumber(jitter) / 1000))
    end
    local factor = math.max(FLOOR, math.floor(state.factor / 2))
    redis.call('HSET', STATE, 'factor', text(factor), 'streak', streak + 1, 'ramped_us', text(now), 'probing', '1',
               'throttled', '1')
    redis.call('HDEL', STATE, 'probe', 'probe_token')
  end
  if paused_until > state.paused_us then
    redis.call('HSET', STATE, 'paused_us', text(paused_until), 'pause_reason', reason)
  end
  return {math.max(paused_until, state.paused_us) - now}
end

-- -> {slowness afterwards}
function operations.reward()
  local state = read_state()
  -- Accepted before the 429, answered after it: says nothing about now.
  if pause_of(state) or (state.probing and not state.probe) then return {slowness(state)} end
  if state.probing then
    redis.call('HDEL', STATE, 'probing', 'probe', 'probe_token', 'streak')
    state.probing = false
  end
  if state.factor < FULL and now - tonumber(state.ramped_us or 0) >= RAMP_EVERY then
    state.factor = math.min(FULL, state.factor + RAMP_STEP)
    redis.call('HSET', STATE, 'factor', text(state.factor), 'ramped_us', text(now))
  end
  return {slowness(state)}
end

-- -> {1 if nothing is let through until a pause ends}
function operations.paused()
  return {pause_of(read_state()) and 1 or 0}
end

-- policy as JSON, or "" for the callers' own
function operations.configure(policy)
  if policy == '' then redis.call('HDEL', STATE, 'policy') else redis.call('HSET', STATE, 'policy', policy) end
  return {1}
end

-- policy -> {policy in force, "1" if set live, factor, "1" if probing, in flight, ghosts, pause end or 0, reason,
--            operator's "1", granted, waits}
function operations.snapshot(policy)
  drop_expired_slots()
  local state, ghosts = read_state(), 0
  for _, owner in ipairs(redis.call('HVALS', OWNERS)) do
    if owner == 'ghost' then ghosts = ghosts + 1 end
  end
  local live = redis.call('HGET', STATE, 'policy')
  local paused, reason = pause_of(state)
  local paused_until = paused and not state.operator_reason and state.paused_us or 0
  return {live or policy, live and 1 or 0, state.factor, state.probing and 1 or 0,
          redis.call('ZCARD', SLOTS) - ghosts, ghosts, paused_until, reason or '', state.operator_reason and 1 or 0,
          tonumber(redis.call('HGET', STATE, 'granted') or 0), tonumber(redis.call('HGET', STATE, 'waits') or 0)}
end

return operations[ARGV[1]](unpack(ARGV, 2))
