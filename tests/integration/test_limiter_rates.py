"""The rates of the limiter on a real server: no window ever holds a grant too many."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from tests.integration.limiter_harness import KEYS, MakeLimiter, policy_of, refused, use
from workers.limiter import PausedError, Permit, Rate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis


def excess(grants_us: Sequence[int], rate: Rate) -> float:
    """Return by how many grants the worst window of all is above `limit * w / period + burst`; 0 or less is right."""
    interval_us = rate.period_seconds * 1e6 / rate.limit
    # A window from grant i to grant j holds j - i + 1; the worst start for each end is a running minimum.
    worst, credit = -math.inf, math.inf
    for index, at in enumerate(sorted(grants_us)):
        credit = min(credit, index - at / interval_us)
        worst = max(worst, index + 1 - at / interval_us - credit - rate.burst)
    return round(worst, 6)


def test_the_check_of_windows_sees_one_grant_too_many() -> None:
    rate = Rate.parse("10/1s+2")
    allowed = [0, 0, 100_000, 200_000, 300_000]

    assert excess(allowed, rate) == 0
    assert excess([*allowed, 399_000], rate) > 0
    assert excess([0, 0, 0], rate) == 1


async def test_two_processes_together_never_exceed_the_rate_in_any_window(make_limiter: MakeLimiter) -> None:
    policy = policy_of("50/1s+5")
    limiters = [make_limiter(policy), make_limiter(policy)]

    permits = await asyncio.gather(*(use(limiters[i % 2], f"s{i}") for i in range(80)))

    grants = [permit.granted_at_us for permit in permits]
    assert excess(grants, policy.rates[0]) <= 0


async def test_a_burst_comes_at_once_and_the_rest_is_spaced(make_limiter: MakeLimiter) -> None:
    policy = policy_of("10/1s+3")
    limiter = make_limiter(policy)

    permits = await asyncio.gather(*(use(limiter, f"s{i}") for i in range(6)))

    grants = [permit.granted_at_us for permit in permits]
    assert grants[0] == grants[1] == grants[2]
    assert grants[3] - grants[2] >= 100_000
    assert excess(grants, policy.rates[0]) <= 0


async def test_stacked_rates_hold_together(make_limiter: MakeLimiter) -> None:
    policy = policy_of("200/1s+20", "20/400ms", "100/10s+30")
    limiter = make_limiter(policy)

    permits = await asyncio.gather(*(use(limiter, f"s{i}") for i in range(45)))

    grants = [permit.granted_at_us for permit in permits]
    assert [excess(grants, rate) <= 0 for rate in policy.rates] == [True, True, True]


async def test_no_permit_is_handed_out_before_its_time(make_limiter: MakeLimiter, redis_client: Redis) -> None:
    limiter = make_limiter(policy_of("100/1s"))

    for i in range(20):
        permit = await limiter.acquire(f"s{i}")
        seconds, micros = await redis_client.time()
        assert seconds * 1_000_000 + micros >= permit.granted_at_us
        assert permit.fresh()


async def test_a_wait_that_would_be_too_long_is_refused_at_once_with_the_time_to_come_back(
    make_limiter: MakeLimiter,
) -> None:
    limiter = make_limiter(policy_of("1/1h"), max_wait_seconds=1.0)
    await use(limiter, "first")

    error = await refused(limiter)

    assert error.reason == "rate limit"
    assert 3500 < error.retry_after_seconds <= 3600


async def test_those_far_back_in_the_queue_are_refused_and_the_others_are_served(make_limiter: MakeLimiter) -> None:
    limiter = make_limiter(policy_of("10/1s"), max_wait_seconds=0.55)

    results = await asyncio.gather(*(use(limiter, f"s{i}") for i in range(20)), return_exceptions=True)

    served = [isinstance(result, Permit) for result in results]
    assert served == sorted(served, reverse=True)
    assert 0 < sum(served) < 10
    later = [result.retry_after_seconds for result in results if isinstance(result, PausedError)]
    assert later == sorted(later)
    assert later[-1] - later[0] > 0.5  # each is told its own time, not all the same


async def test_one_process_serves_in_the_order_of_asking(make_limiter: MakeLimiter) -> None:
    limiter = make_limiter(policy_of("100/1s", concurrency=2))

    async def take(number: int) -> int:
        permit = await limiter.acquire(f"s{number}")
        await limiter.release(f"s{number}")
        return permit.granted_at_us

    granted = await asyncio.gather(*(take(i) for i in range(30)))

    assert granted == sorted(granted)


async def test_a_clock_that_went_back_delays_but_does_not_stop_the_vendor(
    make_limiter: MakeLimiter, redis_client: Redis
) -> None:
    limiter = make_limiter(policy_of("5/1s"))
    first = await use(limiter, "first")
    hour_ahead = first.granted_at_us + 3_600_000_000
    await redis_client.hset(f"{KEYS}rates", "1000000:1", str(hour_ahead))

    second = await use(limiter, "second")

    assert 200_000 <= second.granted_at_us - first.granted_at_us < 3_600_000_000
