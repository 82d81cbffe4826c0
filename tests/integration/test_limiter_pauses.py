"""What slows the limiter down and speeds it up again: pauses, 429s, and a policy changed live."""

from __future__ import annotations

import asyncio
import math
from itertools import pairwise
from typing import TYPE_CHECKING

from tests.integration.limiter_harness import KEYS, SOON_SECONDS, MakeLimiter, policy_of, refused, until, use

if TYPE_CHECKING:
    from redis.asyncio import Redis

# pauses and 429s


async def test_a_pause_stops_every_process_and_never_shortens_a_longer_one(make_limiter: MakeLimiter) -> None:
    policy = policy_of()
    here, there = make_limiter(policy), make_limiter(policy)
    await here.pause(600.0, "maintenance")
    await there.pause(5.0, "503")

    error = await refused(there)

    assert error.reason == "maintenance"
    assert 590 < error.retry_after_seconds <= 600
    found = await here.snapshot()
    assert found.pause_reason == "maintenance"
    assert found.paused_until_ms is not None


async def test_a_short_pause_is_waited_out(make_limiter: MakeLimiter) -> None:
    limiter = make_limiter(policy_of())
    await limiter.pause(0.3, "503")
    until_ms = (await limiter.snapshot()).paused_until_ms
    assert until_ms is not None

    permit = await limiter.acquire("a")

    assert permit.granted_at_us >= until_ms * 1000


async def test_an_operators_pause_has_no_end_until_resumed(make_limiter: MakeLimiter) -> None:
    policy = policy_of()
    here, there = make_limiter(policy), make_limiter(policy)
    await here.pause(0.01, "503")
    await here.pause(None, "stocktaking")
    found = await there.snapshot()
    assert (found.operator_paused, found.paused_until_ms, found.pause_reason) == (True, None, "stocktaking")
    assert (await refused(there)).reason == "stocktaking"

    await there.resume()

    await here.acquire("a")
    assert (await here.snapshot()).pause_reason is None


async def test_a_resume_in_another_process_reaches_those_who_wait(make_limiter: MakeLimiter) -> None:
    napping = asyncio.Event()

    async def sleep(seconds: float) -> None:
        napping.set()
        await asyncio.sleep(seconds)

    policy = policy_of()
    here, there = make_limiter(policy, max_pause_seconds=60.0, sleep=sleep), make_limiter(policy)
    await there.pause(30.0, "maintenance")
    waiting = asyncio.create_task(here.acquire("a"))
    await asyncio.wait_for(napping.wait(), SOON_SECONDS)

    await there.resume()

    await asyncio.wait_for(waiting, SOON_SECONDS)


async def test_a_retry_after_is_kept_to(make_limiter: MakeLimiter) -> None:
    limiter = make_limiter(policy_of())

    assert await limiter.penalise(120.0) == 120.0

    assert 110 < (await refused(limiter)).retry_after_seconds <= 120


async def test_429s_without_a_usable_retry_after_pause_longer_each_time_up_to_a_cap(
    make_limiter: MakeLimiter, redis_client: Redis
) -> None:
    limiter = make_limiter(policy_of())
    pauses = []
    for garbage in (None, math.nan, 0.0, -5.0):
        pauses.append(await limiter.penalise(garbage))
        await limiter.resume()
    await redis_client.hset(f"{KEYS}state", "streak", "25")
    pauses.append(await limiter.penalise(math.inf))

    for pause, expected in zip(pauses, [1, 2, 4, 8, 60], strict=True):
        assert expected <= pause <= expected * 1.25


async def test_the_429s_of_one_moment_count_once(make_limiter: MakeLimiter) -> None:
    limiter = make_limiter(policy_of())

    pauses = [await limiter.penalise(None) for _ in range(5)]

    assert (await limiter.snapshot()).factor == 0.5
    assert pauses == sorted(pauses, reverse=True)


async def test_a_longer_retry_after_of_the_same_moment_still_counts(make_limiter: MakeLimiter) -> None:
    limiter = make_limiter(policy_of())
    await limiter.penalise(10.0)

    assert await limiter.penalise(60.0) == 60.0
    assert (await limiter.snapshot()).factor == 0.5


async def test_a_429_during_maintenance_does_not_shorten_it(make_limiter: MakeLimiter) -> None:
    limiter = make_limiter(policy_of())
    await limiter.pause(300.0, "maintenance")

    assert 290 < await limiter.penalise(1.0) <= 300
    assert (await limiter.snapshot()).factor == 0.5


async def test_a_429_during_maintenance_counts_even_after_an_earlier_429(make_limiter: MakeLimiter) -> None:
    limiter = make_limiter(policy_of())
    await limiter.penalise(0.01)
    await until(limiter, lambda found: found.paused_until_ms is None)
    await limiter.pause(300.0, "maintenance")

    await limiter.penalise(1.0)

    assert (await limiter.snapshot()).factor == 0.25


async def test_a_lowered_factor_stretches_the_rate_and_has_a_floor(make_limiter: MakeLimiter) -> None:
    limiter = make_limiter(policy_of("100/1s"))
    for _ in range(6):
        await limiter.penalise(1.0)
        await limiter.resume()
    found = await limiter.snapshot()
    assert (found.factor, found.probing) == (0.1, True)

    permits = [await use(limiter, f"s{i}") for i in range(3)]

    gaps = [after.granted_at_us - before.granted_at_us for before, after in pairwise(permits)]
    assert min(gaps) >= 100_000


async def test_after_a_429_requests_go_one_at_a_time_until_one_is_accepted(make_limiter: MakeLimiter) -> None:
    policy = policy_of(concurrency=10)
    here, there = make_limiter(policy, max_wait_seconds=0.1), make_limiter(policy, max_wait_seconds=0.1)
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


async def test_an_answer_from_before_the_429_does_not_end_the_caution(make_limiter: MakeLimiter) -> None:
    limiter = make_limiter(policy_of())
    await limiter.penalise(60.0)

    await limiter.reward()
    await limiter.resume()
    await limiter.reward()

    found = await limiter.snapshot()
    assert (found.factor, found.probing) == (0.5, True)


async def test_accepted_requests_ramp_the_factor_back_to_one_slowly(
    make_limiter: MakeLimiter, redis_client: Redis
) -> None:
    now = 0.0
    limiter = make_limiter(policy_of(), clock=lambda: now)
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


async def test_another_process_learns_of_a_429_with_its_next_permit(make_limiter: MakeLimiter) -> None:
    policy = policy_of()
    here, there = make_limiter(policy), make_limiter(policy)
    await there.penalise(0.01)

    await use(here, "a")
    await here.reward()

    assert not (await there.snapshot()).probing


# live changes


async def test_a_policy_set_live_rules_every_process_until_taken_back(make_limiter: MakeLimiter) -> None:
    policy = policy_of("2/1s", concurrency=1)
    here, there = make_limiter(policy, max_wait_seconds=0.1), make_limiter(policy)
    await here.acquire("a")
    await refused(here)
    wider = policy_of("1000/1s+10", concurrency=3, slot_seconds=30.0)

    await there.configure(wider)

    found = await here.snapshot()
    assert (found.rates, found.concurrency, found.live) == (wider.rates, 3, True)
    await here.acquire("b")
    await here.acquire("c")

    await there.configure(None)

    found = await here.snapshot()
    assert (found.rates, found.concurrency, found.live) == (policy.rates, 1, False)
    await refused(here)


async def test_a_change_of_policy_reaches_those_who_already_wait(make_limiter: MakeLimiter) -> None:
    policy = policy_of(concurrency=1)
    here, there = make_limiter(policy, max_wait_seconds=60.0), make_limiter(policy)
    await here.acquire("a")
    waiting = asyncio.create_task(here.acquire("b"))
    await asyncio.sleep(0)

    await there.configure(policy_of(concurrency=2))

    await asyncio.wait_for(waiting, SOON_SECONDS)


async def test_a_rate_taken_out_and_put_back_has_not_forgotten_its_grants(
    make_limiter: MakeLimiter, redis_client: Redis
) -> None:
    limiter = make_limiter(policy_of("1/1h+2"), max_wait_seconds=0.1)
    await use(limiter, "a")
    await use(limiter, "b")

    await limiter.configure(policy_of("100/1s"))
    await use(limiter, "c")
    await limiter.configure(None)

    assert await redis_client.pttl(f"{KEYS}rates") > 3_600_000  # nor will it soon
    assert (await refused(limiter)).reason == "rate limit"


async def test_a_faster_rate_is_not_held_up_by_the_debts_of_a_slow_one(make_limiter: MakeLimiter) -> None:
    limiter = make_limiter(policy_of("1/1h"))
    await use(limiter, "a")

    await limiter.configure(policy_of("36000/1h"))

    await use(limiter, "b")


async def test_a_pause_is_told_from_a_turn_that_is_far_away(make_limiter: MakeLimiter) -> None:
    limiter = make_limiter(policy_of("1/1h"))
    await use(limiter, "first")
    assert not await limiter.paused()
    assert not (await refused(limiter)).paused

    await limiter.pause(None, "stocktaking")
    assert await limiter.paused()
    assert (await refused(limiter)).paused

    await limiter.resume()
    assert not await limiter.paused()


async def test_a_pause_that_is_longer_than_its_patience_is_refused_though_a_turn_would_be_waited_for(
    make_limiter: MakeLimiter,
) -> None:
    limiter = make_limiter(policy_of(), max_pause_seconds=0.1)
    await limiter.pause(30.0, "maintenance")

    error = await refused(limiter)

    assert error.paused
    assert 20 < error.retry_after_seconds <= 30
