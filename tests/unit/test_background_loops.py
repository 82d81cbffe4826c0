"""The worker's background loops: leases that are kept and known to be held, and time that passes whatever happens."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from tasks.endings import end_loops
from tasks.records import Promotion
from workers.leases import Leases
from workers.recovery import recover_for_ever

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.ledger import Ledger
    from workers.limiter import Limiter

TROUBLES = [RedisConnectionError("away"), ValueError("a bug")]


@dataclass
class FakeLedger:
    """Answers renewals and promotions; each trouble is raised once, first."""

    troubles: list[Exception] = field(default_factory=list)
    lost: frozenset[str] = frozenset()
    calls: int = 0
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    vendor: str = "vendor"

    def _call(self) -> None:
        self.calls += 1
        if self.troubles:
            raise self.troubles.pop(0)
        self.answered.set()

    async def renew(self, _owners: Mapping[str, str], _lease_seconds: float) -> frozenset[str]:
        self._call()
        return self.lost

    async def promote(self, **_: Any) -> Promotion:
        self._call()
        return Promotion(0, 0, 0, 0, 0, None)


def no_other(vendor: str) -> Ledger:
    raise LookupError(vendor)


class OpenLimiter:
    async def paused(self) -> bool:
        return False


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def leases_of(ledger: FakeLedger, lease_seconds: float, clock: Clock | None = None) -> Leases:
    return Leases(cast("Ledger", ledger), lease_seconds, **({"clock": clock} if clock else {}))


async def run_until_answered(loop: Any, ledger: FakeLedger) -> None:
    task = asyncio.create_task(loop)
    try:
        await asyncio.wait_for(ledger.answered.wait(), 60)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("trouble", TROUBLES, ids=repr)
async def test_recovery_goes_on_after_any_error(trouble: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.recovery.ERROR_GAP_SECONDS", 0.0)
    ledger = FakeLedger([trouble])

    await run_until_answered(recover_for_ever(cast("Ledger", ledger), cast("Limiter", OpenLimiter()), no_other), ledger)

    assert ledger.calls >= 2


@pytest.mark.parametrize("trouble", TROUBLES, ids=repr)
async def test_leases_are_kept_after_any_error(trouble: Exception) -> None:
    ledger = FakeLedger([trouble])
    leases = leases_of(ledger, 0.03)

    with leases.held("key", "owner", leases.clock()):
        await run_until_answered(leases.keep(), ledger)

    assert ledger.calls >= 2


async def test_a_lease_is_held_from_before_the_claim_was_asked_for_until_its_time_is_over() -> None:
    clock = Clock()
    leases = leases_of(FakeLedger(), 15.0, clock)

    with leases.held("key", "owner", asked_at=clock.now - 2.0):
        assert leases.holds("owner")
        clock.now += 12.9
        assert leases.holds("owner")
        clock.now += 0.2
        assert not leases.holds("owner")
    assert not leases.holds("owner")


async def test_a_renewal_prolongs_what_is_known_to_be_held() -> None:
    clock, ledger = Clock(), FakeLedger()
    leases = leases_of(ledger, 0.03, clock)

    with leases.held("key", "owner", asked_at=clock.now):
        clock.now += 0.02
        await run_until_answered(leases.keep(), ledger)
        await asyncio.sleep(0)
        clock.now += 0.02
        assert leases.holds("owner")


async def test_a_lease_that_redis_has_given_away_is_not_prolonged() -> None:
    clock, ledger = Clock(), FakeLedger(lost=frozenset({"key"}))
    leases = leases_of(ledger, 0.03, clock)

    with leases.held("key", "owner", asked_at=clock.now):
        clock.now += 0.02
        await run_until_answered(leases.keep(), ledger)
        clock.now += 0.02
        assert not leases.holds("owner")


async def test_a_loop_that_missed_its_cancel_is_cancelled_again() -> None:
    cancels = 0

    async def hard_of_hearing() -> None:
        nonlocal cancels
        while cancels < 2:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancels += 1

    loop = asyncio.create_task(hard_of_hearing())
    await asyncio.sleep(0)

    await asyncio.wait_for(end_loops([loop]), 60)

    assert loop.done()
    assert cancels == 2
