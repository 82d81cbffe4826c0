"""Reading the ledger's indexes for a person who watches; the keys are described in tasks/ledger_state.lua."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from tasks.ledger import prefix_of
from workers.newer import WAITS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from redis.asyncio import Redis
    from redis.commands.core import AsyncScript

    from tasks.records import CommandRecord

#: Commands that a worker may take, has taken, or is to look at again; and those that others may wait behind.
_OPEN_INDEXES: Final = ("ready", "sending", "delayed", "doubt", "dead")
#: Keys looked at in one call: a few milliseconds of the server's time at most, which every worker shares.
_PAGE_KEYS: Final = 250
#: prefix, index, cursor, keys a page -> next cursor, {key, when it was accepted} of the oldest, if any. Reads only.
_OLDEST_OF_PAGE: Final = """
local prefix, index = ARGV[1], ARGV[2]
local oldest, oldest_ms = '', math.huge
local function get(key, field)
  local value = redis.pcall('HGET', prefix .. 'cmd:' .. key, field)
  return type(value) == 'string' and value or nil
end
local function consider(key)
  local accepted_ms = tonumber(key and get(key, 'accepted_ms') or nil)
  if accepted_ms and accepted_ms < oldest_ms then oldest, oldest_ms = key, accepted_ms end
end
local page = redis.call('ZSCAN', KEYS[1], ARGV[3], 'COUNT', ARGV[4])
for i = 1, #page[2], 2 do
  local key = page[2][i]
  if index ~= 'dead' then consider(key)
  elseif get(key, 'state') == 'held' then
    local readable, lanes = pcall(cjson.decode, get(key, 'lanes') or '[]')
    for _, lane in ipairs(readable and type(lanes) == 'table' and lanes or {}) do
      local behind = redis.pcall('LINDEX', prefix .. 'lane:' .. tostring(lane), 1)
      consider(type(behind) == 'string' and behind)
    end
  end
end
return {page[1], oldest == '' and {} or {{oldest, string.format('%.0f', oldest_ms)}}}
"""
#: prefix, index, cursor, keys a page -> next cursor, {key, state, since, lane, commands behind} for each lane in which
#: others wait behind one that is stuck. Reads only.
_BLOCKED_OF_PAGE: Final = """
local prefix, found = ARGV[1], {}
local page = redis.call('ZSCAN', KEYS[1], ARGV[3], 'COUNT', ARGV[4])
for i = 1, #page[2], 2 do
  local key = page[2][i]
  local record = redis.pcall('HMGET', prefix .. 'cmd:' .. key, 'state', 'lanes', 'updated_ms')
  local readable, lanes = pcall(cjson.decode, not record.err and record[2] or '[]')
  if readable and type(lanes) == 'table' and record[1] ~= 'rejected' then
    for _, lane in ipairs(lanes) do
      local name = prefix .. 'lane:' .. tostring(lane)
      local length = redis.pcall('LLEN', name)
      if type(length) == 'number' and length > 1 and redis.call('LINDEX', name, 0) == key then
        found[#found + 1] = {key, record[1] or '', record[3] or '', tostring(lane), length - 1}
      end
    end
  end
end
return {page[1], found}
"""
#: prefix, index, cursor, keys a page, how a reason begins -> next cursor, 1 for each command with such a reason. Reads
#: only.
_BEGINNING_OF_PAGE: Final = """
local prefix, found, start = ARGV[1], {}, ARGV[5]
local page = redis.call('ZSCAN', KEYS[1], ARGV[3], 'COUNT', ARGV[4])
for i = 1, #page[2], 2 do
  local reason = redis.pcall('HGET', prefix .. 'cmd:' .. page[2][i], 'reason')
  if type(reason) == 'string' and string.sub(reason, 1, #start) == start then found[#found + 1] = 1 end
end
return {page[1], found}
"""
#: Where those stand.
_STUCK_INDEXES: Final = ("dead", "doubt", "delayed")

#: The type of what every step of the ledger needs; another type stops all of them.
_TYPES: Final = {
    "ready": "zset",
    "sending": "zset",
    "delayed": "zset",
    "doubt": "zset",
    "dead": "zset",
    "counts": "hash",
    "events": "stream",
}


@dataclass(frozen=True, slots=True)
class BlockedLane:
    """A lane in which commands wait behind one that does not go on by itself, or not yet."""

    lane: str
    #: The one at its head, its state, and since when; None where its record does not say.
    key: str
    state: str
    since_ms: int | None
    #: Commands behind it.
    behind: int


class Indexes:
    """What one vendor's indexes say. Reads only."""

    def __init__(self, redis: Redis, vendor: str) -> None:
        self._redis = redis
        self._oldest_of_page = redis.register_script(_OLDEST_OF_PAGE)
        self._blocked_of_page = redis.register_script(_BLOCKED_OF_PAGE)
        self._beginning_of_page = redis.register_script(_BEGINNING_OF_PAGE)
        self._prefix = prefix_of(vendor)

    async def dead_count(self) -> int:
        """Count the dead letters."""
        return int(await self._redis.zcard(self._prefix + "dead"))

    async def of_wrong_type(self) -> dict[str, str]:
        """Find the indexes that are none, with what they are instead: something else wrote into this Redis."""
        found = {name: str(await self._redis.type(self._prefix + name)) for name in _TYPES}
        return {self._prefix + name: kind for name, kind in found.items() if kind not in (_TYPES[name], "none")}

    async def is_dead_letter(self, key: str) -> bool:
        """Tell whether the command waits for a person's decision."""
        return await self._redis.zscore(self._prefix + "dead", key) is not None

    async def oldest_open(self) -> str | None:
        """Name the command that was accepted first of those that are neither finished nor dead letters.

        Waiting ones are behind an older one in their lane, so only those right behind a held one are looked at.
        Parents are left out, since their children are the work. Looks at all that is open, page by page.
        """
        found: list[tuple[int, str]] = []
        for index in _OPEN_INDEXES:
            async for page in self._pages(self._oldest_of_page, index):
                found += [(int(accepted_ms), key) for key, accepted_ms in page]
        return min(found)[1] if found else None

    async def blocked_lanes(self) -> tuple[BlockedLane, ...]:
        """List the lanes in which others wait behind a held, doubtful or delayed command; the longest first.

        Looks at all such commands, page by page.
        """
        found = [
            BlockedLane(lane, key, state, int(since) if since.isdecimal() else None, behind)
            for index in _STUCK_INDEXES
            async for page in self._pages(self._blocked_of_page, index)
            for key, state, since, lane, behind in page
        ]
        return tuple(sorted(set(found), key=lambda one: (-one.behind, one.lane)))

    async def newer_count(self) -> int:
        """Count the commands that wait for a worker of a newer release."""
        found = 0
        for index in ("delayed", "doubt"):
            async for page in self._pages(self._beginning_of_page, index, WAITS):
                found += len(page)
        return found

    async def _pages(self, script: AsyncScript, index: str, *more: str) -> AsyncIterator[list[Any]]:
        """Run a script for each page of an index; it answers the next cursor, and what it found."""
        cursor = -1
        while cursor != 0:
            arguments: tuple[str | int, ...] = (self._prefix, index, max(cursor, 0), _PAGE_KEYS, *more)
            cursor_text, found = await script(keys=[self._prefix + index], args=arguments)
            cursor = int(cursor_text)
            yield found

    async def ahead_of(self, record: CommandRecord) -> tuple[str, ...]:
        """Name the commands at the head of the lanes in which this one waits."""
        heads = []
        for lane in record.lanes:
            head = await cast("Awaitable[str | None]", self._redis.lindex(self._prefix + "lane:" + lane, 0))
            if head is not None and head != record.key:
                heads.append(head)
        return tuple(dict.fromkeys(heads))

    async def keys_starting(self, start: str) -> list[str]:
        """Find the keys that begin so; looks at every key of the server once."""
        begin = self._prefix + "cmd:"
        found = self._redis.scan_iter(match=f"{begin}{start}*", count=_PAGE_KEYS)
        return sorted({cast("str", key).removeprefix(begin) async for key in found})
