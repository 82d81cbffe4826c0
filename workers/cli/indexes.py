"""Reading the ledger's indexes for a person who watches; the keys are described in tasks/ledger_state.lua."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any, Final, cast

from tasks.ledger import prefix_of
from tasks.records import State

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from redis.asyncio import Redis

    from tasks.records import CommandRecord

#: Commands that a worker may take, has taken, or is to look at again.
_OPEN_INDEXES: Final = ("ready", "sending", "delayed", "doubt")
#: Keys looked at in one call while a prefix is searched: a few hundred microseconds of the server's time.
_SCAN_KEYS: Final = 1_000


class Indexes:
    """What one vendor's indexes say. Reads only."""

    def __init__(self, redis: Redis, vendor: str) -> None:
        self._redis = redis
        self._prefix = prefix_of(vendor)

    async def dead_count(self) -> int:
        """Count the dead letters."""
        return int(await self._redis.zcard(self._prefix + "dead"))

    async def is_dead_letter(self, key: str) -> bool:
        """Tell whether the command waits for a person's decision."""
        return await self._redis.zscore(self._prefix + "dead", key) is not None

    async def oldest_open(self) -> str | None:
        """Name the command that was accepted first of those that are neither finished nor dead letters.

        Waiting ones are behind an older one in their lane, so only those right behind a held one are looked at.
        Parents are left out, since their children are the work. One pass over what is open, nothing is kept.
        """
        candidates = await self._first_of_each_index() + await self._first_behind_held()
        async with self._redis.pipeline(transaction=False) as pipe:
            for key in candidates:
                pipe.hget(self._prefix + "cmd:" + key, "accepted_ms")
            accepted: list[str | None] = await pipe.execute()
        ages = [(int(at), key) for at, key in zip(accepted, candidates, strict=True) if at is not None]
        return min(ages)[1] if ages else None

    async def _first_of_each_index(self) -> list[str]:
        by = self._prefix + "cmd:*->accepted_ms"
        async with self._redis.pipeline(transaction=False) as pipe:
            for index in _OPEN_INDEXES:
                pipe.sort_ro(self._prefix + index, start=0, num=1, by=by)
            found: list[list[str]] = await pipe.execute()
        return [key for keys in found for key in keys]

    async def _first_behind_held(self) -> list[str]:
        fields = [self._prefix + "cmd:*->state", self._prefix + "cmd:*->lanes"]
        answer: Any = await cast("Awaitable[Any]", self._redis.sort_ro(self._prefix + "dead", by="nosort", get=fields))
        held = (
            json.loads(lanes) for state, lanes in zip(answer[::2], answer[1::2], strict=True) if state == State.HELD
        )
        async with self._redis.pipeline(transaction=False) as pipe:
            for lane in itertools.chain.from_iterable(held):
                pipe.lindex(self._prefix + "lane:" + lane, 1)
            found: list[str | None] = await pipe.execute()
        return [key for key in found if key is not None]

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
        found = self._redis.scan_iter(match=f"{begin}{start}*", count=_SCAN_KEYS)
        return sorted({cast("str", key).removeprefix(begin) async for key in found})


async def server_ms(redis: Redis) -> int:
    """Tell the time of the Redis server in UTC milliseconds: the clock of every time in the ledger."""
    seconds, micros = await redis.time()
    return seconds * 1000 + micros // 1000
