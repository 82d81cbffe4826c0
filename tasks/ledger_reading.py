"""Reading the ledger: what it keeps of a command, readable or not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from redis.exceptions import ResponseError

from tasks.errors import DamagedRecordError
from tasks.records import CommandRecord, DamagedRecord, State, lane_names

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from redis.asyncio import Redis

T = TypeVar("T")

#: Keys looked at in one call of a search: a few milliseconds of the server's time.
_SCAN_KEYS: Final = 250


def prefix_of(vendor: str) -> str:
    """Name the key prefix of a vendor; the braces keep its keys on one node of any Redis."""
    return f"sr:{{{vendor}}}:"


async def _unless_other_type(answer: Awaitable[T]) -> T | None:
    """Await an answer of Redis; None where the key holds another type of value."""
    try:
        return await answer
    except ResponseError as error:
        if not str(error).startswith("WRONGTYPE"):
            raise
        return None


def _evidence(text: str) -> dict[str, Any]:
    """Read one entry; what cannot be read is shown as it is."""
    try:
        entry = json.loads(text)
    except (ValueError, RecursionError):
        entry = None
    if isinstance(entry, dict) and isinstance(entry.get("at_ms"), int):
        return entry
    return {"what": "unreadable", "at_ms": 0, "raw": text}


class LedgerReading:
    """What one vendor's part of the ledger says. Reads only; the keys are described in ledger_state.lua."""

    def __init__(self, redis: Redis, vendor: str) -> None:
        self.vendor = vendor
        self._redis = redis
        self._prefix = prefix_of(vendor)

    async def _lanes_of_damaged(self, key: str) -> list[str] | None:
        """Search the lanes for a command whose record does not name them; None where it does."""
        fields = await self._raw(key)
        if lane_names((fields or {}).get("lanes")) is not None:
            return None
        start = self._prefix + "lane:"
        return [
            cast("str", lane).removeprefix(start)
            async for lane in self._redis.scan_iter(match=start + "*", _type="LIST", count=_SCAN_KEYS)
            if await cast("Awaitable[Any]", self._redis.lpos(lane, key)) is not None
        ]

    async def read(self, key: str) -> CommandRecord | DamagedRecord | None:
        """Read what is known of a command, readable or not; None for one that is not known."""
        fields = await self._raw(key)
        if fields is None:
            return DamagedRecord(key, self.vendor, "it is not a hash", {})
        if fields:
            try:
                return CommandRecord.from_hash(key, self.vendor, fields)
            except DamagedRecordError as error:
                return error.record
        if await self._redis.zscore(self._prefix + "dead", key) is None:
            return None
        return DamagedRecord(key, self.vendor, "it is not there", {})

    async def _raw(self, key: str) -> dict[str, str] | None:
        """Read a command's hash, empty where there is none; None where something else stands there."""
        return await _unless_other_type(
            cast("Awaitable[dict[str, str]]", self._redis.hgetall(self._prefix + "cmd:" + key))
        )

    async def knows(self, key: str) -> bool:
        """Tell whether there is a command of this key, readable or not."""
        return bool(await self._redis.exists(self._prefix + "cmd:" + key))

    async def find(self, key: str) -> CommandRecord | None:
        """Read what is known of a command; raises DamagedRecordError where that cannot be read."""
        record = await self.read(key)
        if isinstance(record, DamagedRecord):
            raise DamagedRecordError(record)
        return record

    async def evidence(self, key: str) -> list[dict[str, Any]]:
        """Read everything that was seen, sent and answered for a command, oldest first."""
        entries = await _unless_other_type(
            cast("Awaitable[list[str]]", self._redis.lrange(self._prefix + "evidence:" + key, 0, -1))
        )
        return [_evidence(entry) for entry in entries or ()]

    async def lane(self, name: str, count: int) -> tuple[int, list[str]]:
        """Tell how many commands stand in a lane, and the keys of the first of them."""
        lane = self._prefix + "lane:" + name
        keys = await _unless_other_type(cast("Awaitable[list[str]]", self._redis.lrange(lane, 0, count - 1)))
        return (await self._redis.llen(lane), keys) if keys else (0, [])

    async def dead_letters(self, limit: int = 100) -> list[CommandRecord | DamagedRecord]:
        """List the dead letters, newest first, the unreadable ones too."""
        keys = cast("list[str]", await self._redis.zrange(self._prefix + "dead", 0, limit - 1, desc=True))
        found = [await self.read(key) for key in keys]
        return [record for record in found if record is not None]

    async def counts(self) -> dict[State, int]:
        """Count the commands by state; applied ones that were forgotten after the retention stay counted."""
        fields = cast("dict[str, str]", await self._redis.hgetall(self._prefix + "counts"))
        return {state: int(fields[state]) for state in State if fields.get(state, "0") != "0"}
