"""One part on a shelf, what commands do to it, and what people do to it behind their back."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from tasks.records import State
from tasks.stock import AddStock, MoveStock, RemoveStock
from tests.conformance.catalogue.case import event
from tests.integration.reconciler_harness import COLLEAGUE, warehouse
from tests.sandbox.partsbox import PartsBoxSandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from tasks.commands import Command
    from tests.integration.reconciler_harness import Warehouse

#: Long before any comparison.
LONG_AGO_MS: Final = 1_700_000_000_000


@asynccontextmanager
async def opened_bench(redis: Redis, **changes: Any) -> AsyncIterator[Bench]:
    """A vendor with a shelf and a line, workers for it, and one part; `changes` are settings of the vendor's worker."""
    async with PartsBoxSandbox.running() as vendor:
        for name in ("shelf", "line"):
            vendor.load.storage(name)
        async with warehouse(redis, vendor, **changes) as house:
            yield Bench(vendor, house, "bench")


class Bench:
    """One part with a hundred pieces on the shelf, and what happens to it."""

    def __init__(self, sandbox: PartsBoxSandbox, house: Warehouse, name: str) -> None:
        self.sandbox, self.house = sandbox, house
        self.shelf, self.line = list(sandbox.state.storages)
        self.part = sandbox.load.part(name)
        sandbox.load.stock(self.part, self.shelf, 100, timestamp_ms=LONG_AGO_MS)

    def add(self, **fields: Any) -> AddStock:
        return AddStock(**{"part_id": self.part, "storage_id": self.shelf, "quantity": 5, **fields, **event()})

    def remove(self, **fields: Any) -> RemoveStock:
        return RemoveStock(**{"part_id": self.part, "storage_id": self.shelf, "quantity": 5, **fields, **event()})

    def move(self, **fields: Any) -> MoveStock:
        places = {"from_storage_id": self.shelf, "to_storage_id": self.line}
        return MoveStock(**{"part_id": self.part, "quantity": 5, **places, **fields, **event()})

    @property
    def newest(self) -> Any:
        return self.sandbox.state.history[self.part][-1]

    def on_hand(self) -> tuple[int, int]:
        on_hand = self.sandbox.state.on_hand
        return on_hand(self.part, self.shelf, None), on_hand(self.part, self.line, None)

    async def applied(self, command: Command) -> str:
        (record,) = await self.house.apply(command)
        assert record.state is State.APPLIED, record.reason
        return record.key

    def update(self, user: str = COLLEAGUE, **fields: Any) -> None:
        """Someone changes the newest entry."""
        named = {f"stock/{name}": value for name, value in fields.items()}
        identity = {"stock/part-id": self.part, "stock/timestamp": self.newest.timestamp_ms}
        self.sandbox.write_as(user, "stock/update", {**identity, **named})

    def write(self, user: str, comments: str = "", *, quantity: int = 3) -> None:
        """Someone adds pieces to the shelf."""
        given = {"stock/part-id": self.part, "stock/storage-id": self.shelf, "stock/quantity": quantity}
        self.sandbox.write_as(user, "stock/add", {**given, "stock/comments": comments})
