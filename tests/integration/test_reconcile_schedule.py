"""Reconciling by schedule: once a day, by one process, made up for when it was missed, and kept for people."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pytest

from tasks import telemetry
from tasks.endings import end_loops
from tasks.redis_client import server_ms
from workers.reconciler.findings import KEPT_DIFFERENCES, Difference, Finding, Report, Uncompared
from workers.reconciler_schedule import ScheduledReconciler, last_report, minutes_of, reconcile_prefix, tell
from workers.work import WorkerStoppingError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from redis.asyncio import Redis

    from workers.reconciler.reconciling import Reconciler

PREFIX = reconcile_prefix("partsbox")
DAY_MS = 86_400_000
HOUR_MS = 3_600_000


@dataclass
class Comparing:
    """Stands for the reconciler: notes since when it is to compare, and ends as told."""

    redis: Redis
    outcomes: list[Any] = field(default_factory=list)
    since: list[int] = field(default_factory=list)
    vendor: str = "partsbox"
    began: asyncio.Event = field(default_factory=asyncio.Event)
    may_end: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.may_end.set()

    async def run(self, since_ms: int) -> Report:
        self.since.append(since_ms)
        self.began.set()
        now_ms = await server_ms(self.redis)
        await self.may_end.wait()
        outcome = self.outcomes.pop(0) if self.outcomes else {}
        if isinstance(outcome, BaseException):
            raise outcome
        return Report(self.vendor, since_ms, now_ms, now_ms, 3, 0, **outcome)


def scheduled(redis: Redis, comparing: Comparing, **changes: Any) -> ScheduledReconciler:
    given = {"at_minutes": 0, "retry_gap_seconds": 3_600.0, **changes}
    return ScheduledReconciler(redis, cast("Reconciler", comparing), **given)


@asynccontextmanager
async def kept(*reconcilers: ScheduledReconciler) -> AsyncIterator[None]:
    loops = [asyncio.create_task(each.keep_for_ever()) for each in reconcilers]
    try:
        yield
    finally:
        await end_loops(loops)


async def missed(redis: Redis, days: float = 1.0) -> int:
    """Let the schedule have been served for the last time so many days ago; gives when."""
    served_ms = await server_ms(redis) - int(days * DAY_MS)
    await redis.hset(PREFIX + "head", mapping={"slot_ms": served_ms, "began_ms": served_ms})
    return served_ms


async def eventually(is_so: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(60):
        while not await is_so():  # noqa: ASYNC110  Redis tells nobody
            await asyncio.sleep(0.01)


async def until(redis: Redis, what: str) -> None:
    await eventually(lambda: redis.exists(PREFIX + what))


async def gone(redis: Redis, what: str) -> None:
    async def is_gone() -> bool:
        return not await redis.exists(PREFIX + what)

    await eventually(is_gone)


async def test_a_new_installation_waits_for_its_first_scheduled_time(redis_client: Redis) -> None:
    comparing = Comparing(redis_client)
    async with kept(scheduled(redis_client, comparing)):
        await until(redis_client, "head")

    assert comparing.since == []
    slot = int(cast("str", await redis_client.hget(PREFIX + "head", "slot_ms")))
    assert slot % DAY_MS == 0
    assert 0 <= await server_ms(redis_client) - slot < 2 * DAY_MS


async def test_a_time_that_was_missed_is_made_up_for_once_and_the_report_is_kept(redis_client: Redis) -> None:
    await missed(redis_client)
    comparing = Comparing(redis_client)
    others = [scheduled(redis_client, comparing) for _ in range(3)]
    async with kept(*others):
        await until(redis_client, "last")
        await gone(redis_client, "lease")

    assert len(comparing.since) == 1
    report = await last_report(redis_client, "partsbox")
    assert report is not None
    assert (report["vendor"], report["compared"], report["counts"]["missing"]) == ("partsbox", 3, 0)


@pytest.mark.parametrize(("away_days", "back_days"), [(1, 2.0), (5, 5 + 1 / 24)])
async def test_it_looks_back_two_days_or_to_before_the_last_one(
    redis_client: Redis, away_days: int, back_days: float
) -> None:
    await missed(redis_client, away_days)
    comparing = Comparing(redis_client)
    async with kept(scheduled(redis_client, comparing)):
        await until(redis_client, "last")

    back_ms = await server_ms(redis_client) - comparing.since[0]
    assert back_days * DAY_MS <= back_ms < back_days * DAY_MS + HOUR_MS / 2


async def test_a_vendor_that_could_not_be_read_is_tried_again_after_the_gap(redis_client: Redis) -> None:
    served = await missed(redis_client)
    gap = Uncompared("everything", "closed")
    comparing = Comparing(redis_client, [{"gave_up": True, "uncompared": (gap,)}, {}])

    async def is_served() -> bool:
        return int(await redis_client.hget(PREFIX + "head", "slot_ms") or 0) > served

    async with kept(scheduled(redis_client, comparing, retry_gap_seconds=0.2)):
        await eventually(is_served)

    report = await last_report(redis_client, "partsbox")
    assert report is not None
    assert (len(comparing.since), report["gave_up"], report["uncompared"]) == (2, False, [])


async def test_it_is_not_tried_again_before_the_gap(redis_client: Redis) -> None:
    await missed(redis_client)
    comparing = Comparing(redis_client, [{"gave_up": True}])
    async with kept(scheduled(redis_client, comparing)):
        await until(redis_client, "last")
        await gone(redis_client, "lease")
        mine, wait_ms = await scheduled(redis_client, comparing)._run("take", "me", 1_000, 0, HOUR_MS)

    assert (mine, int(wait_ms) > 0, len(comparing.since)) == (0, True, 1)


async def test_the_lease_is_kept_while_it_takes_long(redis_client: Redis) -> None:
    await missed(redis_client)
    comparing = Comparing(redis_client)
    comparing.may_end.clear()
    async with kept(scheduled(redis_client, comparing, lease_seconds=9)):
        await asyncio.wait_for(comparing.began.wait(), 60)
        await redis_client.pexpire(PREFIX + "lease", 8_000)

        async def is_renewed() -> bool:
            return await redis_client.pttl(PREFIX + "lease") > 8_000

        await eventually(is_renewed)
        comparing.may_end.set()
        await until(redis_client, "last")


async def test_one_that_lost_its_lease_keeps_nothing(redis_client: Redis, caplog: pytest.LogCaptureFixture) -> None:
    await missed(redis_client)
    comparing = Comparing(redis_client)
    comparing.may_end.clear()
    async with kept(scheduled(redis_client, comparing, lease_seconds=60)):
        await asyncio.wait_for(comparing.began.wait(), 60)
        await redis_client.set(PREFIX + "lease", "another")
        comparing.may_end.set()

        async def is_told() -> bool:
            return telemetry.LEASE_LOST in caplog.text

        await eventually(is_told)

    assert await last_report(redis_client, "partsbox") is None
    assert await redis_client.get(PREFIX + "lease") == "another"


async def test_while_one_is_at_it_no_other_begins_however_long_ago_that_began(redis_client: Redis) -> None:
    await missed(redis_client)
    await redis_client.set(PREFIX + "lease", "at it", px=60_000)

    mine, wait_ms = await scheduled(redis_client, Comparing(redis_client))._run("take", "me", 1_000, 0, 0)

    assert (mine, 0 < int(wait_ms) <= 60_000) == (0, True)


async def test_a_killed_process_is_replaced_when_its_lease_ends(redis_client: Redis) -> None:
    await missed(redis_client)
    await redis_client.set(PREFIX + "lease", "killed", px=300)
    comparing = Comparing(redis_client)
    async with kept(scheduled(redis_client, comparing)):
        await until(redis_client, "last")

    assert len(comparing.since) == 1


async def test_a_stopping_worker_leaves_it_to_another_at_once(redis_client: Redis) -> None:
    await missed(redis_client)
    comparing = Comparing(redis_client, [WorkerStoppingError()])
    async with kept(scheduled(redis_client, comparing)):
        await asyncio.wait_for(comparing.began.wait(), 60)
        await gone(redis_client, "lease")
        other = Comparing(redis_client)
        async with kept(scheduled(redis_client, other)):
            await until(redis_client, "last")

    assert (len(comparing.since), len(other.since)) == (1, 1)


async def test_a_cancelled_comparison_is_ended_and_its_lease_free(redis_client: Redis) -> None:
    await missed(redis_client)
    comparing = Comparing(redis_client)
    comparing.may_end.clear()
    async with kept(scheduled(redis_client, comparing)):
        await asyncio.wait_for(comparing.began.wait(), 60)

    assert not await redis_client.exists(PREFIX + "lease")
    assert [task.get_name() for task in asyncio.all_tasks() if "comparison" in task.get_name()] == []


async def test_an_error_of_our_own_does_not_end_the_loop(redis_client: Redis, caplog: pytest.LogCaptureFixture) -> None:
    await missed(redis_client)
    comparing = Comparing(redis_client, [ZeroDivisionError("a bug"), {}])
    async with kept(scheduled(redis_client, comparing, lease_seconds=0.2, retry_gap_seconds=0.1)):
        await until(redis_client, "last")

    assert telemetry.LOOP_BROKEN in caplog.text
    assert len(comparing.since) >= 2


async def test_a_clock_that_was_set_back_does_not_stop_the_schedule(redis_client: Redis) -> None:
    ahead = await server_ms(redis_client) + 400 * DAY_MS
    await redis_client.hset(PREFIX + "head", mapping={"slot_ms": ahead, "tried_ms": ahead, "began_ms": ahead})

    await scheduled(redis_client, Comparing(redis_client))._run("take", "me", 1_000, 0, 0)

    assert int(cast("str", await redis_client.hget(PREFIX + "head", "slot_ms"))) <= await server_ms(redis_client)


@pytest.mark.parametrize("text", ["", "nonsense", "[]", '"text"', "[" * 100_000])
async def test_a_kept_report_that_cannot_be_read_counts_as_none(redis_client: Redis, text: str) -> None:
    await redis_client.set(PREFIX + "last", text)

    assert await last_report(redis_client, "partsbox") is None


async def test_something_else_in_the_place_of_the_report_counts_as_none(redis_client: Redis) -> None:
    await redis_client.lpush(PREFIX + "last", "a list")

    assert await last_report(redis_client, "partsbox") is None


def long_report(size: int) -> Report:
    difference = Difference(Finding.CHANGED, "part p", "changed", "part p", "k" * 20, "part.update", "x" * size, "y")
    gap = Uncompared("part q", "refused")
    return Report("partsbox", 1, 2, 3, 4, 0, (difference,) * 700, (gap,) * 700)


@pytest.mark.parametrize(("size", "kept_count"), [(10, KEPT_DIFFERENCES), (100_000, 9)], ids=["many", "large"])
def test_what_is_kept_is_bounded_and_counts_all(size: int, kept_count: int) -> None:
    kept_report = long_report(size).kept()

    assert len(kept_report["differences"]) == kept_count
    assert len(json.dumps(kept_report)) < 1_200_000
    assert (kept_report["counts"]["changed"], kept_report["uncompared_total"]) == (700, 700)


def test_a_report_is_told_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    tell(Report("partsbox", 1, 2, 3, 4, 0))
    tell(Report("partsbox", 1, 2, 3, 4, 0, long_report(1).differences[:2]))

    lines = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert lines == [
        ("INFO", telemetry.VENDOR_RECONCILED),
        ("WARNING", telemetry.VENDOR_RECONCILED),
        ("WARNING", telemetry.DIFFERENCE_FOUND),
        ("WARNING", telemetry.DIFFERENCE_FOUND),
    ]
    assert (vars(caplog.records[1])["changed"], vars(caplog.records[2])["key"]) == (2, "k" * 20)


@pytest.mark.parametrize(("text", "minutes"), [("00:00", 0), ("02:30", 150), ("23:59", 1439), ("off", None)])
def test_a_time_of_day_is_read(text: str, minutes: int | None) -> None:
    assert minutes_of(text) == minutes


@pytest.mark.parametrize("text", ["24:00", "2:30", "02:60", "02:30Z", "never", ""])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a time of day"):
        minutes_of(text)
