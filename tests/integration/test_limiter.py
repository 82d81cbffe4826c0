"""The limiter on a real server: several limiters with a client each stand for as many processes."""

from __future__ import annotations

import asyncio
import contextlib
import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol

import pytest
import redis.exceptions
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from workers.limiter import Limiter, LimitPolicy, LimitSnapshot, PausedError, Permit, Rate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from tests.conftest import MakeValkey, SharedValkey

#: For conditions that hold soon or never.
SOON_SECONDS = 10.0
KEYS = "sr:{vendor}:limit:"


class MakeLimiter(Protocol):
    """Makes a limiter with a client of its own, as another process has: `make(policy, max_wait_seconds=1)`."""

    def __call__(self, policy: LimitPolicy, *, url: str | None = None, **options: Any) -> Limiter: ...


@pytest.fixture
async def make(valkey: SharedValkey) -> AsyncIterator[MakeLimiter]:
    async with contextlib.AsyncExitStack() as clients:

        def make_limiter(policy: LimitPolicy, *, url: str | None = None, **options: Any) -> Limiter:
            client = Redis.from_url(url or valkey.url, retry=Retry(NoBackoff(), 0))
            clients.push_async_callback(client.aclose)
            return Limiter(client, "vendor", policy, **options)

        yield make_limiter


def policy_of(*rates: str, concurrency: int = 100, slot_seconds: float = 60.0) -> LimitPolicy:
    return LimitPolicy(tuple(Rate.parse(rate) for rate in rates), concurrency, slot_seconds)


def excess(grants_us: Sequence[int], rate: Rate) -> float:
    """Return by how many grants the worst window of all is above `limit * w / period + burst`; 0 or less is right."""
    interval_us = rate.period_seconds * 1e6 / rate.limit
    # A window from grant i to grant j holds j - i + 1; the worst start for each end is a running minimum.
    worst, credit = -math.inf, math.inf
    for index, at in enumerate(sorted(grants_us)):
        credit = min(credit, index - at / interval_us)
        worst = max(worst, index + 1 - at / interval_us - credit - rate.burst)
    return round(worst, 6)


async def use(limiter: Limiter, slot_id: str, work_seconds: float = 0.0) -> Permit:
    permit = await limiter.acquire(slot_id)
    await asyncio.sleep(work_seconds)
    await limiter.release(slot_id)
    return permit


async def until(limiter: Limiter, condition: Callable[[LimitSnapshot], bool]) -> LimitSnapshot:
    async with asyncio.timeout(SOON_SECONDS):
        while not condition(found := await limiter.snapshot()):  # noqa: ASYNC110 - Redis has no event for it
            await asyncio.sleep(0.01)
    return found


async def refused(limiter: Limiter, slot_id: str = "refused") -> PausedError:
    with pytest.raises(PausedError) as caught:
        await limiter.acquire(slot_id)
    return caught.value


# --- rates


def test_the_check_of_windows_sees_one_grant_too_many() -> None:
    rate = Rate.parse("10/1s+2")
    allowed = [0, 0, 100_000, 200_000, 300_000]

    assert excess(allowed, rate) == 0
    assert excess([*allowed, 399_000], rate) > 0
    assert excess([0, 0, 0], rate) == 1


async def test_two_processes_together_never_exceed_the_rate_in_any_window(make: MakeLimiter) -> None:
    policy = policy_of("50/1s+5")
    limiters = [make(policy), make(policy)]

    permits = await asyncio.gather(*(use(limiters[i % 2], f"s{i}") for i in range(80)))

    grants = [permit.granted_at_us for permit in permits]
    assert excess(grants, policy.rates[0]) <= 0


async def test_a_burst_comes_at_once_and_the_rest_is_spaced(make: MakeLimiter) -> None:
    policy = policy_of("10/1s+3")
    limiter = make(policy)

    permits = await asyncio.gather(*(use(limiter, f"s{i}") for i in range(6)))

    grants = [permit.granted_at_us for permit in permits]
    assert grants[0] == grants[1] == grants[2]
    assert grants[3] - grants[2] >= 100_000
    assert excess(grants, policy.rates[0]) <= 0


async def test_stacked_rates_hold_together(make: MakeLimiter) -> None:
    policy = policy_of("200/1s+20", "20/400ms", "100/10s+30")
    limiter = make(policy)

    permits = await asyncio.gather(*(use(limiter, f"s{i}") for i in range(45)))

    grants = [permit.granted_at_us for permit in permits]
    assert [excess(grants, rate) <= 0 for rate in policy.rates] == [True, True, True]


async def test_no_permit_is_handed_out_before_its_time(make: MakeLimiter, redis_client: Redis) -> None:
    limiter = make(policy_of("100/1s"))

    for i in range(20):
        permit = await limiter.acquire(f"s{i}")
        seconds, micros = await redis_client.time()
        assert seconds * 1_000_000 + micros >= permit.granted_at_us
        assert permit.fresh()


async def test_a_wait_that_would_be_too_long_is_refused_at_once_with_the_time_to_come_back(make: MakeLimiter) -> None:
    limiter = make(policy_of("1/1h"), max_wait_seconds=1.0)
    await use(limiter, "first")

    error = await refused(limiter)

    assert error.reason == "rate limit"
    assert 3500 < error.retry_after_seconds <= 3600


async def test_those_far_back_in_the_queue_are_refused_and_the_others_are_served(make: MakeLimiter) -> None:
    limiter = make(policy_of("10/1s"), max_wait_seconds=0.55)

    results = await asyncio.gather(*(use(limiter, f"s{i}") for i in range(20)), return_exceptions=True)

    served = [isinstance(result, Permit) for result in results]
    assert served == sorted(served, reverse=True)
    assert 0 < sum(served) < 10
    later = [result.retry_after_seconds for result in results if isinstance(result, PausedError)]
    assert later == sorted(later)
    assert later[-1] - later[0] > 0.5  # each is told its own time, not all the same


async def test_one_process_serves_in_the_order_of_asking(make: MakeLimiter) -> None:
    limiter = make(policy_of("100/1s", concurrency=2))
    served: list[int] = []

    async def take(number: int) -> None:
        await limiter.acquire(f"s{number}")
        served.append(number)
        await limiter.release(f"s{number}")

    await asyncio.gather(*(take(i) for i in range(30)))

    assert served == list(range(30))


async def test_a_clock_that_went_back_delays_but_does_not_stop_the_vendor(
    make: MakeLimiter, redis_client: Redis
) -> None:
    limiter = make(policy_of("5/1s"))
    first = await use(limiter, "first")
    hour_ahead = first.granted_at_us + 3_600_000_000
    await redis_client.hset(f"{KEYS}rates", "1000000:1", str(hour_ahead))

    second = await use(limiter, "second")

    assert 200_000 <= second.granted_at_us - first.granted_at_us < 3_600_000_000


# --- slots


async def test_two_processes_together_never_take_more_slots_than_allowed(make: MakeLimiter) -> None:
    policy = policy_of(concurrency=3)
    limiters = [make(policy, max_wait_seconds=SOON_SECONDS), make(policy, max_wait_seconds=SOON_SECONDS)]
    in_flight = 0
    seen: list[int] = []

    async def work(number: int) -> None:
        nonlocal in_flight
        limiter = limiters[number % 2]
        await limiter.acquire(f"s{number}")
        in_flight += 1
        seen.append(in_flight)
        await asyncio.sleep(0.005)
        in_flight -= 1
        await limiter.release(f"s{number}")

    await asyncio.gather(*(work(i) for i in range(60)))

    assert max(seen) == 3


async def test_a_release_wakes_a_waiter_of_the_same_process_without_a_poll(make: MakeLimiter) -> None:
    naps = asyncio.Queue[float]()

    async def sleep_for_ever(seconds: float) -> None:
        naps.put_nowait(seconds)
        await asyncio.Event().wait()

    limiter = make(policy_of(concurrency=1), sleep=sleep_for_ever)
    await limiter.acquire("first")
    waiting = asyncio.create_task(limiter.acquire("second"))
    await asyncio.wait_for(naps.get(), SOON_SECONDS)

    await limiter.release("first")

    assert (await asyncio.wait_for(waiting, SOON_SECONDS)).slot_id == "second"


async def test_a_slot_freed_by_another_process_is_noticed_by_polls_that_do_not_hammer(make: MakeLimiter) -> None:
    naps: list[float] = []
    enough = asyncio.Event()

    async def sleep(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 5:
            enough.set()
        await asyncio.sleep(seconds)

    policy = policy_of(concurrency=1)
    here, there = make(policy, sleep=sleep), make(policy)
    await there.acquire("theirs")
    waiting = [asyncio.create_task(use(here, f"s{i}")) for i in range(10)]
    await asyncio.wait_for(enough.wait(), SOON_SECONDS)
    assert min(naps) >= 0.01  # ten waiters share one poller
    assert max(naps) <= 0.025

    await there.release("theirs")

    await asyncio.wait_for(asyncio.gather(*waiting), SOON_SECONDS)


async def test_a_process_that_keeps_the_slots_busy_does_not_starve_the_others(make: MakeLimiter) -> None:
    policy = policy_of(concurrency=1)
    busy, patient = make(policy, max_wait_seconds=SOON_SECONDS), make(policy, max_wait_seconds=1.5)
    stop = asyncio.Event()

    async def never_pause(name: str) -> None:
        while not stop.is_set():
            await use(busy, name, work_seconds=0.15)

    hogs = [asyncio.create_task(never_pause(f"hog{i}")) for i in range(5)]
    await until(busy, lambda found: found.granted_total > 1)

    for i in range(3):
        await use(patient, f"s{i}")

    stop.set()
    await asyncio.gather(*hogs)


async def test_a_process_that_has_waited_much_longer_goes_first(make: MakeLimiter, redis_client: Redis) -> None:
    limiter = make(policy_of(concurrency=1), max_wait_seconds=0.1)
    now = int((await redis_client.time())[0]) * 1_000_000
    await redis_client.zadd(f"{KEYS}turns", {"elder": now - 1_000_000})
    await redis_client.zadd(f"{KEYS}promises", {"elder": now + 60_000_000})

    error = await refused(limiter)

    assert error.reason == "another process first"


async def test_a_process_that_waits_and_dies_does_not_block_the_others(make: MakeLimiter, redis_client: Redis) -> None:
    limiter = make(policy_of(concurrency=1))
    await limiter.acquire("first")
    waiting = asyncio.create_task(use(limiter, "second"))
    now = int((await redis_client.time())[0]) * 1_000_000
    # What a process leaves that was killed while it waited: the oldest turn, and a promise not kept.
    await redis_client.zadd(f"{KEYS}turns", {"dead": now - 60_000_000})
    await redis_client.zadd(f"{KEYS}promises", {"dead": now + 1_200_000})

    await limiter.release("first")

    assert (await asyncio.wait_for(waiting, SOON_SECONDS)).slot_id == "second"


async def test_the_slot_of_a_killed_holder_is_free_after_its_time(make: MakeLimiter) -> None:
    policy = policy_of(concurrency=2, slot_seconds=0.6)
    killed, other = make(policy), make(policy, max_wait_seconds=SOON_SECONDS)
    first = await killed.acquire("first")
    await other.ghost("long", 60.0)

    second = await other.acquire("second")

    assert second.granted_at_us - first.granted_at_us >= 600_000


async def test_waiting_for_a_slot_ends_with_a_refusal(make: MakeLimiter) -> None:
    limiter = make(policy_of(concurrency=1), max_wait_seconds=0.2)
    await limiter.acquire("first")

    error = await refused(limiter, "second")

    assert error.reason == "all slots taken"
    assert error.retry_after_seconds > 0
    assert (await limiter.snapshot()).in_flight == 1


# --- ghosts


async def test_a_ghost_keeps_the_slot_until_it_is_released_by_any_process(make: MakeLimiter) -> None:
    policy = policy_of(concurrency=1)
    crashed, finder = make(policy), make(policy, max_wait_seconds=0.1)
    await crashed.acquire("doubtful")
    await finder.ghost("doubtful", 60.0)  # taken over: the holder's own process is gone
    assert ((await finder.snapshot()).in_flight, (await finder.snapshot()).ghosts) == (0, 1)
    await refused(finder)

    await finder.release("doubtful")

    await finder.acquire("next")
    assert (await finder.snapshot()).ghosts == 0


async def test_a_ghost_ends_by_itself(make: MakeLimiter) -> None:
    limiter = make(policy_of(concurrency=1))
    first = await limiter.acquire("first")
    await limiter.ghost("first", 0.3)

    second = await limiter.acquire("second")

    assert second.granted_at_us - first.granted_at_us >= 300_000
    assert (await limiter.snapshot()).ghosts == 0


async def test_a_ghost_counts_even_when_its_slot_had_run_out(make: MakeLimiter) -> None:
    limiter = make(policy_of(concurrency=1, slot_seconds=0.6), max_wait_seconds=0.1)
    await limiter.acquire("slow")
    await until(limiter, lambda found: found.in_flight == 0)

    await limiter.ghost("slow", 60.0)

    await refused(limiter)


async def test_a_ghost_is_the_same_slot_when_its_command_is_sent_again(make: MakeLimiter) -> None:
    limiter = make(policy_of(concurrency=1))
    await limiter.acquire("doubtful")
    await limiter.ghost("doubtful", 60.0)

    await limiter.acquire("doubtful")

    found = await limiter.snapshot()
    assert (found.in_flight, found.ghosts) == (1, 0)


# --- take-over


async def test_a_held_slot_is_taken_over_and_the_rate_is_charged(make: MakeLimiter) -> None:
    policy = policy_of("10/1s", concurrency=1)
    crashed, successor = make(policy), make(policy)
    first = await crashed.acquire("command")

    second = await successor.acquire("command")

    assert (await successor.snapshot()).in_flight == 1
    assert second.granted_at_us - first.granted_at_us >= 100_000


@pytest.mark.parametrize("ghosted", [True, False])
async def test_a_process_that_overslept_cannot_free_the_slot_that_was_taken_over(
    make: MakeLimiter, *, ghosted: bool
) -> None:
    policy = policy_of(concurrency=1)
    overslept, successor = make(policy), make(policy, max_wait_seconds=0.1)
    await overslept.acquire("command")
    await successor.acquire("command")

    if ghosted:
        await overslept.ghost("command", 0.01)
    await overslept.release("command")
    await overslept.release("command")
    await refused(successor)

    found = await successor.snapshot()
    assert (found.in_flight, found.ghosts) == (1, 0)


async def test_a_take_over_does_not_queue_behind_those_who_wait_for_its_slot(make: MakeLimiter) -> None:
    limiter = make(policy_of(concurrency=1), max_wait_seconds=SOON_SECONDS)
    await limiter.acquire("command")
    queued = [asyncio.create_task(limiter.acquire(f"s{i}")) for i in range(3)]
    await asyncio.sleep(0)

    await asyncio.wait_for(limiter.acquire("command"), SOON_SECONDS / 2)

    assert not any(task.done() for task in queued)
    for task in queued:
        task.cancel()
    await asyncio.gather(*queued, return_exceptions=True)


# --- pauses


async def test_a_pause_stops_every_process_and_never_shortens_a_longer_one(make: MakeLimiter) -> None:
    policy = policy_of()
    here, there = make(policy), make(policy)
    await here.pause(600.0, "maintenance")
    await there.pause(5.0, "503")

    error = await refused(there)

    assert error.reason == "maintenance"
    assert 590 < error.retry_after_seconds <= 600
    found = await here.snapshot()
    assert found.pause_reason == "maintenance"
    assert found.paused_until_ms is not None


async def test_a_short_pause_is_waited_out(make: MakeLimiter) -> None:
    limiter = make(policy_of())
    await limiter.pause(0.3, "503")
    until_ms = (await limiter.snapshot()).paused_until_ms
    assert until_ms is not None

    permit = await limiter.acquire("a")

    assert permit.granted_at_us >= until_ms * 1000


async def test_an_operators_pause_has_no_end_until_resumed(make: MakeLimiter) -> None:
    policy = policy_of()
    here, there = make(policy), make(policy)
    await here.pause(0.01, "503")
    await here.pause(None, "stocktaking")
    found = await there.snapshot()
    assert (found.operator_paused, found.paused_until_ms, found.pause_reason) == (True, None, "stocktaking")
    assert (await refused(there)).reason == "stocktaking"

    await there.resume()

    await here.acquire("a")
    assert (await here.snapshot()).pause_reason is None


async def test_a_resume_in_another_process_reaches_those_who_wait(make: MakeLimiter) -> None:
    napping = asyncio.Event()

    async def sleep(seconds: float) -> None:
        napping.set()
        await asyncio.sleep(seconds)

    policy = policy_of()
    here, there = make(policy, max_wait_seconds=60.0, sleep=sleep), make(policy)
    await there.pause(30.0, "maintenance")
    waiting = asyncio.create_task(here.acquire("a"))
    await asyncio.wait_for(napping.wait(), SOON_SECONDS)

    await there.resume()

    await asyncio.wait_for(waiting, SOON_SECONDS)


async def test_a_retry_after_is_kept_to(make: MakeLimiter) -> None:
    limiter = make(policy_of())

    assert await limiter.penalise(120.0) == 120.0

    assert 110 < (await refused(limiter)).retry_after_seconds <= 120


async def test_429s_without_a_usable_retry_after_pause_longer_each_time_up_to_a_cap(
    make: MakeLimiter, redis_client: Redis
) -> None:
    limiter = make(policy_of())
    pauses = []
    for garbage in (None, math.nan, 0.0, -5.0):
        pauses.append(await limiter.penalise(garbage))
        await limiter.resume()
    await redis_client.hset(f"{KEYS}state", "streak", "25")
    pauses.append(await limiter.penalise(math.inf))

    for pause, expected in zip(pauses, [1, 2, 4, 8, 60], strict=True):
        assert expected <= pause <= expected * 1.25


async def test_the_429s_of_one_moment_count_once(make: MakeLimiter) -> None:
    limiter = make(policy_of())

    pauses = [await limiter.penalise(None) for _ in range(5)]

    assert (await limiter.snapshot()).factor == 0.5
    assert pauses == sorted(pauses, reverse=True)


async def test_a_longer_retry_after_of_the_same_moment_still_counts(make: MakeLimiter) -> None:
    limiter = make(policy_of())
    await limiter.penalise(10.0)

    assert await limiter.penalise(60.0) == 60.0
    assert (await limiter.snapshot()).factor == 0.5


async def test_a_429_during_maintenance_does_not_shorten_it(make: MakeLimiter) -> None:
    limiter = make(policy_of())
    await limiter.pause(300.0, "maintenance")

    assert 290 < await limiter.penalise(1.0) <= 300
    assert (await limiter.snapshot()).factor == 0.5


async def test_a_429_during_maintenance_counts_even_after_an_earlier_429(make: MakeLimiter) -> None:
    limiter = make(policy_of())
    await limiter.penalise(0.01)
    await until(limiter, lambda found: found.paused_until_ms is None)
    await limiter.pause(300.0, "maintenance")

    await limiter.penalise(1.0)

    assert (await limiter.snapshot()).factor == 0.25


async def test_a_lowered_factor_stretches_the_rate_and_has_a_floor(make: MakeLimiter) -> None:
    limiter = make(policy_of("100/1s"))
    for _ in range(6):
        await limiter.penalise(1.0)
        await limiter.resume()
    found = await limiter.snapshot()
    assert (found.factor, found.probing) == (0.1, True)

    permits = [await use(limiter, f"s{i}") for i in range(3)]

    gaps = [after.granted_at_us - before.granted_at_us for before, after in pairwise(permits)]
    assert min(gaps) >= 100_000


async def test_after_a_429_requests_go_one_at_a_time_until_one_is_accepted(make: MakeLimiter) -> None:
    policy = policy_of(concurrency=10)
    here, there = make(policy, max_wait_seconds=0.1), make(policy, max_wait_seconds=0.1)
    await here.penalise(0.05)
    await until(here, lambda found: found.paused_until_ms is None)
    await here.acquire("probe")
    assert (await refused(there)).reason == "probing after a 429"

    await here.release("probe")  # without a word from the vendor
    await there.acquire("second probe")
    await refused(here)
    await there.reward()

    await here.acquire("a")
    await there.acquire("b")


async def test_an_answer_from_before_the_429_does_not_end_the_caution(make: MakeLimiter) -> None:
    limiter = make(policy_of())
    await limiter.penalise(60.0)

    await limiter.reward()
    await limiter.resume()
    await limiter.reward()

    found = await limiter.snapshot()
    assert (found.factor, found.probing) == (0.5, True)


async def test_accepted_requests_ramp_the_factor_back_to_one_slowly(make: MakeLimiter, redis_client: Redis) -> None:
    now = 0.0
    limiter = make(policy_of(), clock=lambda: now)
    await limiter.penalise(0.01)
    factors = []

    for i in range(12):
        await use(limiter, f"s{i}")
        await limiter.reward()
        await limiter.reward()
        factors.append((await limiter.snapshot()).factor)
        await redis_client.hset(f"{KEYS}state", "ramped_us", "0")  # a second passes, for Redis
        now += 1.0  # and here

    assert factors == [0.5, *(0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0), 1.0]


async def test_another_process_learns_of_a_429_with_its_next_permit(make: MakeLimiter) -> None:
    policy = policy_of()
    here, there = make(policy), make(policy)
    await there.penalise(0.01)

    await use(here, "a")
    await here.reward()

    assert not (await there.snapshot()).probing


# --- live changes


async def test_a_policy_set_live_rules_every_process_until_taken_back(make: MakeLimiter) -> None:
    policy = policy_of("2/1s", concurrency=1)
    here, there = make(policy, max_wait_seconds=0.1), make(policy)
    await here.acquire("a")
    await refused(here)
    wider = policy_of("1000/1s+10", concurrency=3, slot_seconds=30.0)

    await there.configure(wider)

    found = await here.snapshot()
    assert (found.rates, found.concurrency, found.slot_seconds, found.live) == (wider.rates, 3, 30.0, True)
    await here.acquire("b")
    await here.acquire("c")

    await there.configure(None)

    found = await here.snapshot()
    assert (found.rates, found.concurrency, found.live) == (policy.rates, 1, False)
    await refused(here)


async def test_a_change_of_policy_reaches_those_who_already_wait(make: MakeLimiter) -> None:
    policy = policy_of(concurrency=1)
    here, there = make(policy, max_wait_seconds=60.0), make(policy)
    await here.acquire("a")
    waiting = asyncio.create_task(here.acquire("b"))
    await asyncio.sleep(0)

    await there.configure(policy_of(concurrency=2))

    await asyncio.wait_for(waiting, SOON_SECONDS)


async def test_a_rate_taken_out_and_put_back_has_not_forgotten_its_grants(
    make: MakeLimiter, redis_client: Redis
) -> None:
    limiter = make(policy_of("1/1h+2"), max_wait_seconds=0.1)
    await use(limiter, "a")
    await use(limiter, "b")

    await limiter.configure(policy_of("100/1s"))
    await use(limiter, "c")
    await limiter.configure(None)

    assert await redis_client.pttl(f"{KEYS}rates") > 3_600_000  # nor will it soon
    assert (await refused(limiter)).reason == "rate limit"


async def test_a_faster_rate_is_not_held_up_by_the_debts_of_a_slow_one(make: MakeLimiter) -> None:
    limiter = make(policy_of("1/1h"))
    await use(limiter, "a")

    await limiter.configure(policy_of("36000/1h"))

    await use(limiter, "b")


# --- cancellation


@pytest.mark.parametrize("ticks", range(12))
async def test_a_cancelled_waiter_leaves_neither_slot_nor_charge(make: MakeLimiter, ticks: int) -> None:
    limiter = make(policy_of("1/1h", concurrency=1), max_wait_seconds=1.0)
    await limiter.snapshot()  # connected, so that a few ticks reach well into the call
    waiter = asyncio.create_task(limiter.acquire("cancelled"))
    for _ in range(ticks):
        await asyncio.sleep(0)
    waiter.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await waiter
        await limiter.release("cancelled")
        return  # it had been granted before: nothing to undo

    await limiter.acquire("next")


async def test_a_waiter_cancelled_after_its_grant_arrived_leaves_neither_slot_nor_charge(make: MakeLimiter) -> None:
    sleeping = asyncio.Event()

    async def sleep(seconds: float) -> None:
        sleeping.set()
        await asyncio.sleep(seconds)

    # The second permit is reserved a little ahead: its waiter sleeps with the grant in its hands.
    limiter = make(policy_of("50/1s", "2/1h+2", concurrency=1), sleep=sleep, max_wait_seconds=1.0)
    await use(limiter, "first")
    waiter = asyncio.create_task(limiter.acquire("cancelled"))
    await asyncio.wait_for(sleeping.wait(), SOON_SECONDS)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter

    await limiter.acquire("third")

    assert (await limiter.snapshot()).in_flight == 1


async def test_a_waiter_cancelled_in_the_queue_lets_the_others_pass(make: MakeLimiter) -> None:
    limiter = make(policy_of(concurrency=1))
    await limiter.acquire("a")
    waiting = [asyncio.create_task(limiter.acquire(name)) for name in ("b", "c")]
    await asyncio.sleep(0.05)
    waiting[0].cancel()

    await limiter.release("a")

    assert (await asyncio.wait_for(waiting[1], SOON_SECONDS)).slot_id == "c"
    assert (await limiter.snapshot()).in_flight == 1


# --- the connection


class CutProxy:
    """Stands between a client and the server; while `cut`, passes requests on and drops the connection instead of
    answering."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._handlers: set[asyncio.Task[None]] = set()
        self.cut = 0

    async def serve(self) -> asyncio.Server:
        return await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            while request := await reader.read(65536):
                up_writer.write(request)
                answer = await up_reader.read(65536)
                if b"acquire" in request and self.cut:
                    self.cut -= 1
                    return
                writer.write(answer)
        finally:
            for end in (writer, up_writer):
                end.close()


@pytest.fixture
async def proxy(valkey: SharedValkey) -> AsyncIterator[tuple[CutProxy, str]]:
    proxy = CutProxy(int(valkey.url.rsplit(":", 1)[1].split("/")[0]))
    server = await proxy.serve()
    yield proxy, f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    server.close()


async def test_a_grant_in_a_lost_answer_is_given_back(make: MakeLimiter, proxy: tuple[CutProxy, str]) -> None:
    cutter, url = proxy
    limiter = make(policy_of("1/1h", concurrency=1), url=url, max_wait_seconds=0.5)
    await limiter.snapshot()
    cutter.cut = 1
    with pytest.raises(redis.exceptions.ConnectionError):
        await limiter.acquire("lost")
    assert (await limiter.snapshot()).in_flight == 1  # so the test is about something

    await limiter.acquire("next")

    assert (await limiter.snapshot()).in_flight == 1


async def test_a_call_repeated_by_the_client_library_is_granted_and_charged_once(
    valkey: SharedValkey, proxy: tuple[CutProxy, str]
) -> None:
    cutter, url = proxy
    async with Redis.from_url(url, retry=Retry(NoBackoff(), 3), decode_responses=True) as client:
        limiter = Limiter(client, "vendor", policy_of("2/1h+2", concurrency=1), max_wait_seconds=0.5)
        await limiter.snapshot()
        cutter.cut = 2

        await use(limiter, "first")

        assert (await limiter.snapshot()).granted_total == 1
        await use(limiter, "second")
        await refused(limiter)


async def test_an_unreachable_server_grants_nothing_and_everyone_hears_of_it(make_valkey: MakeValkey) -> None:
    server = make_valkey()
    async with Redis.from_url(server.url, retry=Retry(NoBackoff(), 0)) as client:
        limiter = Limiter(client, "vendor", policy_of(concurrency=1))
        await limiter.acquire("a")
        waiting = [asyncio.create_task(limiter.acquire(f"s{i}")) for i in range(3)]
        await asyncio.sleep(0.05)

        server.kill()

        results = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), SOON_SECONDS)
        assert all(isinstance(result, redis.exceptions.ConnectionError) for result in results)
        with pytest.raises(redis.exceptions.ConnectionError):
            await limiter.release("a")

        server.start()

        await limiter.release("a")  # the state survived: the slot was still taken, and is ours to free
        await limiter.acquire("b")
        assert (await limiter.snapshot()).in_flight == 1


async def test_a_server_that_lost_its_scripts_is_taught_again(make: MakeLimiter, redis_client: Redis) -> None:
    limiter = make(policy_of())
    await limiter.acquire("a")

    await redis_client.script_flush()

    await limiter.acquire("b")


# --- what stays in Redis


async def test_nothing_but_one_small_hash_stays_behind(make: MakeLimiter, redis_client: Redis) -> None:
    policy = policy_of("2000/1s", concurrency=5, slot_seconds=0.6)
    limiters = [make(policy, max_wait_seconds=SOON_SECONDS), make(policy, max_wait_seconds=SOON_SECONDS)]
    await asyncio.gather(*(use(limiters[i % 2], f"s{i}") for i in range(300)))
    await asyncio.gather(*(limiters[0].acquire(f"leaked{i}") for i in range(8)))  # five, and three after those ran out
    await limiters[0].ghost("ghost", 0.1)
    await limiters[0].penalise(0.01)
    await limiters[0].pause(0.01, "503")

    keys = set(await redis_client.keys("*"))
    assert keys <= {f"{KEYS}{name}" for name in ("state", "rates", "slots", "owners", "turns", "promises")}
    for key in keys - {f"{KEYS}state"}:
        assert 0 < await redis_client.pttl(key) < 10_000
    assert await redis_client.zcard(f"{KEYS}slots") == await redis_client.hlen(f"{KEYS}owners")
    assert await redis_client.hlen(f"{KEYS}rates") == 2
    assert await redis_client.hlen(f"{KEYS}state") <= 14
