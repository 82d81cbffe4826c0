"""The worker's loop that moves bulk replays on: whatever happens, it looks again, and a paused vendor waits."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from tasks.records import RedriveMove
from workers import redrive
from workers.redrive import redrive_for_ever

if TYPE_CHECKING:
    from tasks.ledger import Ledger
    from workers.limiter import Limiter


@dataclass
class FakeLedger:
    """Each trouble is raised once, first; then every look is answered, the last of `enough` sets the event."""

    troubles: list[Exception] = field(default_factory=list)
    enough: int = 1
    looks: int = 0
    vendor: str = "vendor"
    done: asyncio.Event = field(default_factory=asyncio.Event)

    async def move_redrives(self) -> RedriveMove:
        if self.troubles:
            raise self.troubles.pop(0)
        self.looks += 1
        if self.looks == self.enough:
            self.done.set()
        return RedriveMove(replayed=1, skipped=0, ended=0, next_in_ms=0)


@dataclass
class FakeLimiter:
    """Tells its pauses one after the other, then none."""

    pauses: list[bool] = field(default_factory=list)
    asked: int = 0
    at_looks: list[int] = field(default_factory=list)
    ledger: FakeLedger | None = None

    async def paused(self) -> bool:
        self.asked += 1
        if self.ledger is not None:
            self.at_looks.append(self.ledger.looks)
        return self.pauses.pop(0) if self.pauses else False


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LONGEST_GAP_SECONDS", "SHORTEST_GAP_SECONDS", "ERROR_GAP_SECONDS"):
        monkeypatch.setattr(redrive, name, 0.0)


async def run(ledger: FakeLedger, limiter: FakeLimiter) -> None:
    task = asyncio.create_task(redrive_for_ever(cast("Ledger", ledger), cast("Limiter", limiter)))
    try:
        await asyncio.wait_for(ledger.done.wait(), 60)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("trouble", [RedisConnectionError("away"), ValueError("a bug")], ids=["redis", "a bug"])
async def test_the_loop_survives_every_trouble(trouble: Exception) -> None:
    ledger = FakeLedger([trouble])

    await run(ledger, FakeLimiter())

    assert ledger.looks >= 1
    assert ledger.troubles == []


async def test_it_looks_as_long_as_something_is_due() -> None:
    ledger = FakeLedger(enough=5)

    await run(ledger, FakeLimiter())

    assert ledger.looks >= 5


async def test_nothing_is_replayed_while_the_vendor_is_paused() -> None:
    ledger = FakeLedger()
    limiter = FakeLimiter([True, True, True], ledger=ledger)

    await run(ledger, limiter)

    assert limiter.at_looks[:4] == [0, 0, 0, 0]
