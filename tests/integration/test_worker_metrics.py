"""What a worker counts of the commands that it runs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tasks.errors import Exchange, InDoubtError, RejectedError, VendorBlockedError
from tasks.identity import with_marker
from tasks.metrics import REGISTRY
from tests.integration.executor_harness import EXCHANGE, VENDOR, Bench, ForgetfulVendor, ScriptedVendor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from redis.asyncio import Redis

    from tasks.ports import Sending

LOST = InDoubtError("connection lost", exchange=Exchange("stock/add", {}, None, None, 1))


class Counted:
    """How far the numbers have moved since the beginning of a test: other tests share them."""

    def __init__(self) -> None:
        self._before = self._all()

    def __getitem__(self, name: str) -> float:
        return self._all().get(name, 0) - self._before.get(name, 0)

    def _all(self) -> dict[str, float]:
        return {
            " ".join((sample.name, *_others(sample.labels))): sample.value
            for family in REGISTRY.collect()
            for sample in family.samples
            if sample.labels.get("vendor") == VENDOR
        }


def _others(labels: Mapping[str, str]) -> list[str]:
    return [value for name, value in sorted(labels.items()) if name != "vendor"]


@pytest.fixture
def counted() -> Counted:
    return Counted()


@pytest.fixture
async def bench(redis_client: Redis) -> AsyncIterator[Bench]:
    made = Bench(redis_client, ScriptedVendor())
    yield made
    await made.limiter.aclose()


async def test_an_applied_command_is_counted_once_with_its_attempts_and_its_time(
    bench: Bench, counted: Counted
) -> None:
    key = await bench.run()
    await bench.executor.deliver(key)

    assert counted["stockrelay_commands_ended_total stock.add applied"] == 1
    assert counted["stockrelay_command_attempts_count"] == counted["stockrelay_command_attempts_sum"] == 1
    assert counted["stockrelay_command_applied_seconds_count"] == 1
    assert counted["stockrelay_deliveries_total applied"] == 1
    assert counted["stockrelay_deliveries_total settled"] == 1


async def test_a_refused_command_is_no_applied_one(bench: Bench, counted: Counted) -> None:
    bench.vendor.writes = [RejectedError("no such part", code="not-found", exchange=EXCHANGE)]
    await bench.run()

    assert counted["stockrelay_commands_ended_total stock.add rejected"] == 1
    assert counted["stockrelay_command_applied_seconds_count"] == 0


async def test_a_write_that_comes_late_is_seen_with_the_time_that_it_was_not_there(
    redis_client: Redis, counted: Counted
) -> None:
    bench = Bench(redis_client, ForgetfulVendor(shown_after=2))
    key = await bench.rename()
    for _ in range(3):
        await bench.look(key)

    assert counted["stockrelay_lookups_total absent"] == 1
    assert counted["stockrelay_lookups_total landed"] == 1
    assert counted["stockrelay_late_commit_seconds_count"] == 1
    assert counted["stockrelay_late_commit_seconds_sum"] > 0
    await bench.limiter.aclose()


async def test_a_write_that_was_there_at_the_first_look_is_not_late(bench: Bench, counted: Counted) -> None:
    async def book(sending: Sending) -> None:
        bench.vendor.entries.append(replace(entry, comments=with_marker("", sending.key)))

    await bench.run()
    entry = bench.vendor.entries.pop()
    bench.vendor.at_write, bench.vendor.writes = book, [LOST]
    key = await bench.submit()
    await bench.executor.deliver(key)

    assert await bench.look(key) == "applied"
    assert counted["stockrelay_lookups_total landed"] == 1
    assert counted["stockrelay_late_commit_seconds_count"] == 0


async def test_a_send_that_was_proved_absent_leaves_no_lateness_to_the_next_one(
    redis_client: Redis, counted: Counted
) -> None:
    bench = Bench(redis_client, ScriptedVendor(writes=[LOST, LOST]), settle_seconds=0.0)
    key = await bench.submit()
    await bench.executor.deliver(key)
    assert await bench.look(key) == "absent"
    await bench.executor.deliver(key)

    assert counted["stockrelay_lookups_total absent"] == 1
    assert counted["stockrelay_late_commit_seconds_count"] == 0
    assert counted["stockrelay_command_attempts_count"] == 0
    await bench.limiter.aclose()


async def test_a_pause_is_counted_where_it_began(bench: Bench, counted: Counted) -> None:
    bench.vendor.writes = [VendorBlockedError("HTTP 429", throttled=True, exchange=EXCHANGE)]
    await bench.run()

    assert counted["stockrelay_vendor_pauses_total"] == 1
    assert counted["stockrelay_commands_ended_total stock.add rejected"] == 0
