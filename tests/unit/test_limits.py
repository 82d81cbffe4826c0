"""The limiter's values: what a rate, a policy and a permit mean, and which ones are refused."""

from __future__ import annotations

import math
import pickle
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from redis.asyncio import Redis

from workers import limiter
from workers.limiter import Limiter, LimitPolicy, PausedError, Permit, Rate

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

POLICY = LimitPolicy((Rate.parse("2/1s"),), concurrency=2, slot_seconds=60.0)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("2/1s", Rate(2, 1.0)),
        ("5000/1d", Rate(5000, 86_400.0)),
        ("2/1s+5", Rate(2, 1.0, 5)),
        ("10/500ms", Rate(10, 0.5)),
        ("30/1m", Rate(30, 60.0)),
        ("100/2h+10", Rate(100, 7_200.0, 10)),
        ("1/1.5s", Rate(1, 1.5)),
    ],
)
def test_a_rate_is_read_from_its_text_and_written_back(text: str, rate: Rate) -> None:
    assert Rate.parse(text) == rate
    assert Rate.parse(str(rate)) == rate


@pytest.mark.parametrize("unit", ["ms", "s", "m", "h", "d"])
def test_the_text_of_a_rate_means_the_same_rate(unit: str) -> None:
    for count in (*range(1, 130), "1.5", "2.125"):
        for burst in (1, 2, 7):
            rate = Rate.parse(f"3/{count}{unit}+{burst}")
            assert Rate.parse(str(rate)) == rate


@pytest.mark.parametrize(
    "text",
    [
        *("", "2", "2/", "/1s", "2/s", "2/1", "2/1w", "2 / 1s", "-2/1s", "2/-1s", "2/1s+", "2/1s+-1", "1e3/1s", "2/1S"),
        *("0/1s", "2/0s", "2/1s+0", "nan/1s", "2/nans", "٢/1s", "2/1s\n", "2/1s 5/1m", "2/400d", "20000/1s"),
        "1/1d+400",
    ],
)
def test_a_text_that_is_no_sensible_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"rate|period|per second"):
        Rate.parse(text)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Rate(0, 1.0),
        lambda: Rate(1, math.nan),
        lambda: Rate(1, math.inf),
        lambda: Rate(1, -1.0),
        lambda: Rate(1, 1.0, 0),
        lambda: Rate(10_001, 1.0),
        lambda: LimitPolicy((), 0, 60.0),
        lambda: LimitPolicy((), 1, math.nan),
        lambda: LimitPolicy((), 1, 0.0),
        lambda: LimitPolicy((), 1, 0.4),  # the slot would be gone while its permit is still fresh
    ],
)
def test_values_that_make_no_sense_are_refused_where_they_are_made(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"not|above"):
        make()


def test_a_policy_survives_its_way_through_redis() -> None:
    policy = LimitPolicy((Rate.parse("3/1s+5"), Rate.parse("4000/1d+1000")), concurrency=4, slot_seconds=90.5)

    assert LimitPolicy.from_json(policy.to_json()) == policy


def test_a_permit_is_fresh_until_its_time_is_over() -> None:
    now = 100.0
    permit = Permit("a", granted_at=100.0, granted_at_us=1, valid_seconds=0.5, clock=lambda: now)

    assert permit.fresh()
    now = 100.5
    assert permit.fresh()
    now = 100.6
    assert not permit.fresh()


def test_a_pause_survives_pickling_and_says_when_to_come_back() -> None:
    error = pickle.loads(pickle.dumps(PausedError(2.5, "maintenance")))  # noqa: S301 - our own bytes

    assert (error.retry_after_seconds, error.reason) == (2.5, "maintenance")
    assert str(error) == "maintenance; try again in 2.500 s"


@pytest.mark.parametrize("vendor", ["", "Parts", "a b", "a{b}", "a:b", "a\n"])
def test_a_name_that_would_break_the_hash_tag_is_refused(vendor: str) -> None:
    with pytest.raises(ValueError, match="vendor"):
        Limiter(Redis(), vendor, POLICY)


@pytest.mark.parametrize("seconds", [0.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize(
    "call",
    [lambda nowhere, seconds: nowhere.pause(seconds, "why"), lambda nowhere, seconds: nowhere.ghost("a", seconds)],
    ids=["pause", "ghost"],
)
async def test_a_duration_that_makes_no_sense_is_refused_before_redis_is_asked(
    call: Callable[[Limiter, float], Coroutine[None, None, None]], seconds: float
) -> None:
    nowhere = Limiter(Redis(port=1), "vendor", POLICY)

    with pytest.raises(ValueError, match="duration"):
        await call(nowhere, seconds)


async def test_a_reward_at_full_speed_asks_nothing_of_redis() -> None:
    nowhere = Limiter(Redis(port=1), "vendor", POLICY)  # nothing listens there: a call would fail

    await nowhere.reward()


def test_the_script_and_its_caller_agree_on_the_times_that_both_need() -> None:
    script = Path(limiter.__file__).with_suffix(".lua").read_text(encoding="utf-8")

    assert f"local NAP = {limiter.MAX_NAP_SECONDS * 1e6:.0f}\n" in script
    assert re.search(rf"RAMP_EVERY = .*, {limiter.RAMP_SECONDS * 1e6:.0f}\n", script)
