"""The dead-letter desk under test: real commands of several vendors, ended by hand, and their time of death chosen."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tasks.dead_letters import DeadLetters
from tasks.ledger import Ledger, prefix_of
from tasks.records import State
from tasks.registry import parse_command, vendors
from tasks.submit import to_new_command
from tests.command_examples import GOOD, NOW_MS, PART

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis.asyncio import Redis

    from tasks.records import NewCommand

OTHER_PART: Final = "r" * 26
LEASE_SECONDS: Final = 60.0


@dataclass
class Bench:
    """The desk, and the hands that put dead letters on it."""

    redis: Redis
    desk: DeadLetters
    ledgers: dict[str, Ledger]
    _events: Iterator[int] = field(default_factory=itertools.count)

    @classmethod
    def at(cls, redis: Redis) -> Bench:
        return cls(redis, DeadLetters(redis), {vendor: Ledger(redis, vendor) for vendor in vendors()})

    def command(self, kind: str = "stock.add", **fields: Any) -> NewCommand:
        """Make a command of an event of its own; None leaves a field out."""
        given = {**GOOD[kind], "stock_timestamp": NOW_MS + next(self._events), **fields}
        parsed = parse_command(kind, {name: value for name, value in given.items() if value is not None})
        return to_new_command(parsed, parsed.key(), "station-1")

    async def admit(self, kind: str = "stock.add", **fields: Any) -> str:
        new = self.command(kind, **fields)
        await self.ledger_of(kind).admit([new])
        return new.key

    def ledger_of(self, kind: str) -> Ledger:
        return self.ledgers[vendor_of(kind)]

    async def end(
        self, key: str, state: State, *, kind: str = "stock.add", reason: str = "refused", **more: Any
    ) -> None:
        """Let a worker take a command and end it."""
        ledger = self.ledger_of(kind)
        claim = await ledger.claim(key, "host:1", LEASE_SECONDS)
        assert claim.record is not None, claim.verdict
        await ledger.settle(key, "host:1", state, reason=reason, **more)

    async def dead(
        self,
        kind: str = "stock.add",
        *,
        state: State = State.REJECTED,
        reason: str = "not enough stock",
        died_ms: int | None = None,
        **fields: Any,
    ) -> str:
        """Put a dead letter on the desk; `died_ms` says when it died."""
        key = await self.admit(kind, **fields)
        await self.end(key, state, kind=kind, reason=reason)
        if died_ms is not None:
            await self.redis.zadd(prefix_of(vendor_of(kind)) + "dead", {key: died_ms}, xx=True)
        return key

    async def copies(self, key: str, count: int, *, died_ms: int) -> list[str]:
        """Put copies of a dead letter of PartsBox beside it, outside every lane; returns all keys."""
        prefix = prefix_of("partsbox")
        fields: dict[Any, Any] = await self.redis.hgetall(f"{prefix}cmd:{key}")
        names = [f"{number:020d}" for number in range(count)]
        async with self.redis.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.hset(f"{prefix}cmd:{name}", mapping=fields)
                pipeline.zadd(prefix + "dead", {name: died_ms})
            await pipeline.execute()
        return [key, *names]

    async def spoil(self, key: str, field_name: str, value: str, *, kind: str = "stock.add") -> None:
        await self.redis.hset(f"{prefix_of(vendor_of(kind))}cmd:{key}", field_name, value)

    async def state(self, key: str) -> State:
        for ledger in self.ledgers.values():
            record = await ledger.find(key)
            if record is not None:
                return record.state
        raise AssertionError(f"{key} is not there")

    async def lane(self, part_id: str = PART) -> list[str]:
        _, keys = await self.ledgers["partsbox"].lane(f"part:{part_id}", 1_000)
        return keys


def vendor_of(kind: str) -> str:
    return {"catalog.upsert_part": "partium", "catalog.set_property": "openbom"}.get(kind, "partsbox")
