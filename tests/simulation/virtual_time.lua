-- Stands in front of every script: the server's clock, and the life of keys, are those of the virtual time.
-- The last of KEYS is the time in microseconds.

local redis = (function(server)
  local LIVES = 'virtual:lives'
  local now_us = tonumber(KEYS[#KEYS])
  local now_ms = math.floor(now_us / 1000)
  local ended = server.call('ZRANGEBYSCORE', LIVES, '-inf', now_ms)
  for _, key in ipairs(ended) do server.call('DEL', key) end
  if ended[1] then server.call('ZREM', LIVES, unpack(ended)) end

  local function live(key, life_ms)
    if server.call('EXISTS', key) == 0 then return 0 end
    server.call('ZADD', LIVES, string.format('%.0f', now_ms + tonumber(life_ms)), key)
    return 1
  end

  local own = {}
  function own.TIME()
    return {string.format('%.0f', math.floor(now_us / 1000000)), string.format('%.0f', now_us % 1000000)}
  end
  function own.PEXPIRE(key, life_ms) return live(key, life_ms) end
  function own.EXPIRE(key, life) return live(key, tonumber(life) * 1000) end
  function own.PERSIST(key) return server.call('ZREM', LIVES, key) end
  function own.PTTL(key)
    if server.call('EXISTS', key) == 0 then return -2 end
    local ends = server.call('ZSCORE', LIVES, key)
    return ends and tonumber(ends) - now_ms or -1
  end
  function own.SET(key, value, ...)
    local options, life_ms, given = {}, nil, {...}
    local i = 1
    while given[i] do
      if given[i] == 'PX' or given[i] == 'EX' then
        life_ms = tonumber(given[i + 1]) * (given[i] == 'EX' and 1000 or 1)
        i = i + 2
      else
        options[#options + 1] = given[i]
        i = i + 1
      end
    end
    local answer = server.call('SET', key, value, unpack(options))
    if answer then
      server.call('ZREM', LIVES, key)
      if life_ms then live(key, life_ms) end
    end
    return answer
  end

  return setmetatable({call = function(name, ...)
    local mine = own[string.upper(name)]
    if mine then return mine(...) end
    return server.call(name, ...)
  end}, {__index = server})
end)(redis)

