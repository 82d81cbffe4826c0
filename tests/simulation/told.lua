-- Everything that a ledger tells, as JSON: {entries: key -> {kind, state, reason, parent, attempts}, steps: [...]}.
-- KEYS[1] the ledger's prefix.

local prefix = KEYS[1]
local entries, steps = {}, {}
for _, event in ipairs(redis.call('XRANGE', prefix .. 'events', '-', '+')) do
  local fields, step = event[2], {}
  for i = 1, #fields, 2 do step[fields[i]] = fields[i + 1] end
  steps[#steps + 1] = {step.key, step.state, step.reason}
  if not entries[step.key] then
    local found = redis.call('HMGET', prefix .. 'cmd:' .. step.key, 'kind', 'state', 'reason', 'parent', 'attempts')
    for i = 1, 5 do found[i] = found[i] or '' end
    entries[step.key] = found
  end
end
return cjson.encode({entries = entries, steps = steps})
