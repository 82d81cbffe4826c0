"""What a try's outcome does to the command, to the vendor's limits and to the evidence; the vendor is a script."""

from __future__ import annotations

import asyncio
import itertools
import json
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from tasks import telemetry
from tasks.commands import Currency
from tasks.errors import InDoubtError, RejectedError, RetryableError, VendorBlockedError
from tasks.identity import with_marker
from tasks.ports import StockEntry
from tasks.records import State
from tasks.stock import CorrectStock, StockCorrection
from tasks.submit import now_ms
from tasks.task import Target
from tests.integration.executor_harness import EXCHANGE, PART, POLICY, SHELF, VENDOR, Bench, ScriptedVendor, ticks
from workers.limiter import Limiter
from workers.outcomes import FORBIDDEN_IN_A_ROW
from workers.reach import Reach

if TYPE_CHECKING:
    from redis.asyncio import Redis


@pytest.fixture
def bench(redis_client: Redis) -> Bench:
    return Bench(redis_client, ScriptedVendor())


def forbidden() -> RejectedError:
    return RejectedError("forbidden", code="forbidden", exchange=EXCHANGE)


async def test_refusals_with_successes_between_them_do_not_close_the_vendor(bench: Bench) -> None:
    for _ in range(FORBIDDEN_IN_A_ROW):
        bench.vendor.writes = [forbidden()]
        assert (await bench.state(await bench.run()))[0] is State.REJECTED
        assert (await bench.state(await bench.run()))[0] is State.APPLIED

    assert not await bench.limiter.paused()


async def test_operations_forbidden_in_a_row_close_the_vendor(bench: Bench) -> None:
    bench.vendor.writes = [forbidden() for _ in range(FORBIDDEN_IN_A_ROW)]

    for _ in range(FORBIDDEN_IN_A_ROW):
        await bench.run()

    assert await bench.limiter.paused()


UNREACHABLE = RetryableError("no connection", unreachable=True, exchange=EXCHANGE)


@pytest.mark.parametrize(
    ("trouble", "is_paused"),
    [
        (UNREACHABLE, False),
        (VendorBlockedError("503", throttled=True, retry_after_seconds=30.0, exchange=EXCHANGE), True),
    ],
    ids=["unreachable", "overloaded"],
)
@pytest.mark.parametrize("at", ["reads", "writes"])
async def test_a_vendor_that_is_away_costs_no_command_an_attempt(
    bench: Bench, trouble: Exception, at: str, *, is_paused: bool
) -> None:
    """An outage of an hour must not turn the head of every lane into a dead letter."""
    setattr(bench.vendor, at, [trouble])

    key = await bench.run()

    assert await bench.state(key) == (State.DELAYED, 0)
    assert await bench.limiter.paused() is is_paused


async def test_a_vendor_that_nobody_reaches_is_paused_and_one_that_others_reach_is_not(bench: Bench) -> None:
    """Each failed connection of one cut-off machine paused the vendor for everybody."""
    outcomes = bench.executor.outcomes
    outcomes.reach = Reach(partial(next, itertools.count(0.0, 10.0)))  # ten seconds later at each look

    async def fails_to_connect() -> bool:
        await outcomes.reach.await_turn("slot")
        outcomes.reach.left("slot", was_heard=False)
        await outcomes.pause(UNREACHABLE)
        return await bench.limiter.paused()

    assert not await fails_to_connect()
    await bench.redis.hincrby(f"sr:{{{VENDOR}}}:counts", "applied", 1)  # another process
    assert not await fails_to_connect()
    assert await fails_to_connect()


async def test_a_failure_that_may_be_the_commands_own_spends_an_attempt_and_pauses_nobody(bench: Bench) -> None:
    bench.vendor.reads = [RetryableError("HTTP 500", exchange=EXCHANGE)]

    key = await bench.run()

    assert await bench.state(key) == (State.DELAYED, 1)
    assert not await bench.limiter.paused()


async def test_an_overloaded_vendor_is_paused_though_the_write_is_in_doubt(bench: Bench) -> None:
    bench.vendor.writes = [InDoubtError("503", overloaded=True, retry_after_seconds=30.0, exchange=EXCHANGE)]

    key = await bench.run()

    assert await bench.state(key) == (State.IN_DOUBT, 1)
    assert await bench.limiter.paused()


async def test_commands_that_shared_a_request_pause_the_vendor_once(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    told = [VendorBlockedError("maintenance", throttled=True, retry_after_seconds=5.0) for _ in range(100)]

    with caplog.at_level("WARNING"):
        await asyncio.gather(*(bench.executor.outcomes.pause(error) for error in told))

    assert [record.message for record in caplog.records] == [telemetry.VENDOR_PAUSED]
    assert await bench.limiter.paused()
    assert (await bench.limiter.snapshot()).factor == 0.5


async def test_a_pause_that_redis_did_not_take_is_everybodys_error(bench: Bench) -> None:
    await bench.redis.aclose()
    bench.redis.connection_pool.connection_kwargs["port"] = 1
    told = [VendorBlockedError("maintenance", throttled=True) for _ in range(3)]

    found = await asyncio.gather(*(bench.executor.outcomes.pause(error) for error in told), return_exceptions=True)

    assert [type(error) for error in found] == [RedisConnectionError] * 3


async def test_the_settle_time_of_a_lost_worker_begins_when_its_request_is_surely_closed(bench: Bench) -> None:
    """It lost Redis, not the vendor: its request stays open for the whole timeout."""
    key = await bench.submit()
    claim = await bench.ledger.claim(key, "lost", 15.0)
    assert claim.record is not None
    await bench.ledger.intent(key, "lost", {})
    name = f"sr:{{{VENDOR}}}:"
    lease_ended = now_ms() - 1_000
    await bench.redis.hset(f"{name}cmd:{key}", "lease_ms", lease_ended)
    await bench.redis.zadd(f"{name}sending", {key: lease_ended})

    await bench.ledger.promote()

    record = await bench.ledger.find(key)
    assert record is not None
    # as long as it had its lease it may have begun the request
    assert (record.state, record.doubt_ms) == (State.IN_DOUBT, lease_ended + 30_000)


async def test_the_slot_of_a_killed_worker_is_freed_by_the_one_who_finds_its_write(bench: Bench) -> None:
    key = await bench.submit()
    killed = Limiter(bench.redis, VENDOR, POLICY)
    await killed.acquire(key)
    await bench.ledger.claim(key, "killed", 15.0)
    await bench.ledger.intent(key, "killed", {})
    await bench.ledger.doubt(key, "killed", 0.0, reason="killed")
    bench.vendor.entries = [StockEntry(PART, next(ticks), 5, SHELF, comments=with_marker("", key))]

    assert await bench.executor.deliver(key) == "applied"

    found = await bench.limiter.snapshot()
    assert (found.in_flight, found.ghosts) == (0, 0)


async def test_evidence_does_not_grow_with_the_parts_history(bench: Bench) -> None:
    bench.vendor.entries = [StockEntry(PART, next(ticks), 1, SHELF, comments="old") for _ in range(500)]

    key = await bench.run()

    (entry,) = await bench.ledger.evidence(key)
    assert entry["before"] == {"stock_entries": 500}
    assert len(json.dumps(entry)) < 2_000


@pytest.mark.parametrize(
    ("there", "landed"), [("0.00000001", True), ("0.00000002", False), ("0.010000000000000002", False)]
)
async def test_a_price_that_differs_by_the_smallest_unit_is_another_price(there: str, *, landed: bool) -> None:
    entry = StockEntry(PART, next(ticks), 5, SHELF, price=Decimal(there), currency="eur")
    command = CorrectStock(
        part_id=PART,
        entry_timestamp=entry.timestamp_ms,
        stock_timestamp=next(ticks),
        price=Decimal("0.00000001"),
        currency=Currency.EUR,
    )
    target: Target[Any] = Target(ScriptedVendor(entries=[entry]), "k" * 20)

    before = await StockCorrection().before(command, target)

    assert (type(before.finding).__name__ == "Landed") is landed
