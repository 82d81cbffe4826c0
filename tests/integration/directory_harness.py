"""A vendor's lists in memory, and the keepers and readers of its directory on a real server.

Run as a module, this file is a keeper that stands in the middle of a refresh until it is killed:
`python -m tests.integration.directory_harness URL LEASE_SECONDS`.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tasks.directory import Directory, OrderHead
from tasks.endings import end_loops
from tasks.lots import Lot
from tasks.parts import Part
from tasks.redis_client import open_redis
from tasks.storage import Storage
from workers.directory import DirectoryKeeper

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from redis.asyncio import Redis

PREFIX: Final = "sr:{partsbox}:directory:"
NEVER_SECONDS: Final = 3_600.0


def vid(number: int) -> str:
    """Make an id in the vendor's form."""
    return f"{number:026}"


PART, SHELF, LOT, ORDER = vid(1), vid(2), vid(3), vid(4)


@dataclass
class Vendor:
    """Lists that a test changes; `troubles` are raised once each, first; at the gate a read of storages waits."""

    part_list: tuple[Part, ...] = (Part(PART, "Resistor 10k", mpn="RC-10K", manufacturer="Yageo"),)
    storage_list: tuple[Storage, ...] = (Storage(SHELF, "Shelf 1"),)
    lot_list: tuple[Lot, ...] = (Lot(LOT, "Lot 7"),)
    order_list: tuple[OrderHead, ...] = (OrderHead(ORDER, "ordered", "Acme 77"),)
    skus: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    troubles: dict[str, list[BaseException]] = field(default_factory=dict)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    at_gate: asyncio.Event = field(default_factory=asyncio.Event)
    reads: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gate.set()

    def _read(self, what: str) -> None:
        self.reads.append(what)
        if self.troubles.get(what):
            raise self.troubles[what].pop(0)

    async def parts(self) -> tuple[Part, ...]:
        self._read("parts")
        return self.part_list

    async def storages(self) -> tuple[Storage, ...]:
        self._read("storages")
        found = self.storage_list
        self.at_gate.set()
        await self.gate.wait()
        return found

    async def lots(self) -> tuple[Lot, ...]:
        self._read("lots")
        return self.lot_list

    async def orders(self) -> tuple[OrderHead, ...]:
        self._read("orders")
        return self.order_list

    async def order_skus(self, order_id: str) -> tuple[tuple[str, str], ...]:
        self._read(f"skus of {order_id}")
        return self.skus.get(order_id, ())

    @property
    def refreshes(self) -> int:
        """Count the refreshes that began."""
        return self.reads.count("parts")


@dataclass
class Room:
    """Everything that shares one Redis: a vendor, as many keepers as a test starts, and a reader."""

    redis: Redis
    vendor: Vendor = field(default_factory=Vendor)
    paused_by: list[Any] = field(default_factory=list)

    @property
    def directory(self) -> Directory:
        return Directory(self.redis)

    async def pause(self, error: Any) -> float:
        self.paused_by.append(error)
        return 0.0

    def keeper(self, vendor: Vendor | None = None, **options: Any) -> DirectoryKeeper:
        """Make a keeper that refreshes when asked, without a gap unless one is given."""
        given = {"refresh_seconds": NEVER_SECONDS, "min_gap_seconds": 0.0} | options
        return DirectoryKeeper(self.redis, vendor or self.vendor, self.pause, **given)

    @asynccontextmanager
    async def running(self, vendor: Vendor | None = None, **options: Any) -> AsyncIterator[asyncio.Task[None]]:
        """Run a keeper as a worker does; it is killed at the end."""
        task = asyncio.create_task(self.keeper(vendor, **options).keep_for_ever())
        try:
            yield task
        finally:
            await end_loops([task])

    async def generation(self) -> str:
        """Name the generation that is read now; empty before the first."""
        return str(await self.redis.hget(PREFIX + "head", "generation") or "")

    async def refresh(self, **options: Any) -> None:
        """Refresh once."""
        before = await self.generation()

        async def renewed() -> bool:
            return await self.generation() != before

        async with self.running(**options):
            await self.until(renewed, "a new generation is there")

    async def until(self, holds: Callable[[], Awaitable[bool]], what: str) -> None:
        """Wait for what is there soon or never."""
        for _ in range(2_000):
            if await holds():
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"never: {what}")

    async def until_known(self, vendor_id: str) -> None:
        async def known() -> bool:
            return await self.directory.resolve(vendor_id) is not None

        await self.until(known, f"{vendor_id} is known")


async def stand(url: str, lease_seconds: float) -> None:
    """Take the refresh and never end it."""
    vendor = Vendor()
    vendor.gate.clear()
    async with Room(open_redis(url), vendor).running(lease_seconds=lease_seconds):
        await vendor.at_gate.wait()
        print("at the gate", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(stand(sys.argv[1], float(sys.argv[2])))
