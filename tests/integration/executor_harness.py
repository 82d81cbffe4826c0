"""An executor around a vendor that does what the test says: ledger and limiter are real."""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from tasks.errors import Exchange
from tasks.identity import with_marker
from tasks.ledger import Ledger
from tasks.ports import StockEntry
from tasks.stock import AddStock
from tasks.storage import RenameStorage, Storage
from tasks.submit import Submitter, now_ms
from workers.executor import Executor
from workers.leases import Leases
from workers.limiter import Limiter
from workers.limits import LimitPolicy
from workers.outcomes import Outcomes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from redis.asyncio import Redis

    from tasks.ports import Sending
    from tasks.records import State

VENDOR = "partsbox"
PART, SHELF = "p" * 26, "s" * 26
LEASE_SECONDS = 15.0
POLICY = LimitPolicy((), 4, 60.0)
EXCHANGE = Exchange("stock/add", {}, 200, {}, 1)
ticks = itertools.count(now_ms())


@dataclass
class ScriptedVendor:
    """Raises what the script says, one for each call, then books."""

    reads: list[Exception | None] = field(default_factory=list)
    writes: list[Exception | None] = field(default_factory=list)
    entries: list[StockEntry] = field(default_factory=list)
    #: Called when a write may leave.
    at_write: Callable[[Sending], Awaitable[None]] | None = None
    sent: int = 0

    async def stock_entries(self, _part_id: str) -> tuple[StockEntry, ...]:
        trouble = self.reads.pop(0) if self.reads else None
        if trouble is not None:
            raise trouble
        return tuple(self.entries)

    async def add_stock(self, command: AddStock, sending: Sending) -> Exchange:
        await sending.permitted()
        self.sent += 1
        if self.at_write is not None:
            await self.at_write(sending)
        trouble = self.writes.pop(0) if self.writes else None
        if trouble is not None:
            raise trouble
        self.entries.append(
            StockEntry(
                part_id=command.part_id,
                timestamp_ms=next(ticks),
                quantity=command.quantity,
                storage_id=command.storage_id,
                comments=with_marker("", sending.key),
            )
        )
        return EXCHANGE


@dataclass
class ForgetfulVendor(ScriptedVendor):
    """Says yes to a new name, and shows it after so many reads; or never."""

    shown_after: int | None = None
    reads_since: int = 0

    async def storage(self, storage_id: str) -> Storage:
        self.reads_since += 1 if self.sent else 0
        shows = self.shown_after is not None and self.reads_since > self.shown_after
        return Storage(storage_id, "new" if shows else "old")

    async def rename_storage(self, _command: RenameStorage, sending: Sending) -> Exchange:
        await sending.permitted()
        self.sent += 1
        return EXCHANGE


@dataclass
class Bench:
    """A ledger, a limiter and an executor around a scripted vendor."""

    redis: Redis
    vendor: ScriptedVendor
    settle_seconds: float = 60.0
    #: How far this process's clock is ahead: it was frozen so long.
    frozen_seconds: float = 0.0

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.redis, VENDOR, request_seconds=30.0)
        self.limiter = Limiter(self.redis, VENDOR, POLICY)
        self.executor = Executor(
            port=self.vendor,
            ledger_of=partial(Ledger, self.redis),
            leases=Leases(self.ledger, LEASE_SECONDS, clock=lambda: time.monotonic() + self.frozen_seconds),
            outcomes=Outcomes(self.ledger, self.limiter),
            settle_seconds=self.settle_seconds,
            stopping=asyncio.Event(),
        )

    async def submit(self) -> str:
        command = AddStock(part_id=PART, storage_id=SHELF, quantity=5, stock_timestamp=next(ticks))
        return (await Submitter(self.redis).submit(command)).key

    async def run(self) -> str:
        key = await self.submit()
        await self.executor.deliver(key)
        return key

    async def state(self, key: str) -> tuple[State, int]:
        record = await self.ledger.find(key)
        assert record is not None
        return record.state, record.attempts

    async def rename(self) -> str:
        command = RenameStorage(storage_id=SHELF, name="new", stock_timestamp=next(ticks))
        return (await Submitter(self.redis).submit(command)).key

    async def look(self, key: str) -> str:
        """Let the time come for the next look."""
        await self.redis.hset(f"sr:{{{VENDOR}}}:cmd:{key}", "due_ms", now_ms() - 1)
        return await self.executor.deliver(key)
