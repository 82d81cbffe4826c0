"""`stockrelay limits`, `pause` and `resume` on a real server, as a limiter of a worker sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tasks.redis_client import server_ms
from tests.integration.cli_harness import VENDOR, Operator, operator
from workers.limiter import Limiter
from workers.limits import LimitPolicy, PausedError, Rate

if TYPE_CHECKING:
    import redis.asyncio

    from tests.conftest import SharedValkey

WORKERS_OWN = LimitPolicy((Rate(10, 1.0, 10),), 3, 95)


@pytest.fixture
def person(valkey: SharedValkey, redis_client: redis.asyncio.Redis) -> Operator:
    return operator(valkey.url, redis_client)


@pytest.fixture
def limiter(redis_client: redis.asyncio.Redis) -> Limiter:
    return Limiter(redis_client, VENDOR, WORKERS_OWN, max_wait_seconds=0.1)


async def test_without_a_change_the_settings_of_this_environment_are_shown_without_a_key(person: Operator) -> None:
    default = (await person.run("limits")).stdout
    given = {"STOCKRELAY_PARTSBOX_RATES": "7/1s", "STOCKRELAY_PARTSBOX_API_KEY_FILE": "not-there"}
    configured = (await person.run("limits", VENDOR, env=given)).stdout

    assert "2/1s+5 (by the settings here)" in default
    assert "7/1s (by the settings here)" in configured


async def test_a_change_holds_at_once_for_a_running_worker(person: Operator, limiter: Limiter) -> None:
    await limiter.acquire("one")

    (shown,) = await person.json("limits", VENDOR, "--rates", "4/1s+2, 5000/1d", "--concurrency", "1")

    assert (shown["rates"], shown["concurrency"], shown["live"]) == (["4/1s+2", "5000/1d"], 1, True)
    found = await limiter.snapshot()
    assert (found.rates, found.concurrency) == ((Rate(4, 1.0, 2), Rate(5000, 86_400.0)), 1)
    with pytest.raises(PausedError, match="all slots taken"):
        await limiter.acquire("two")


async def test_a_change_of_one_limit_keeps_the_other(person: Operator) -> None:
    await person.run("limits", VENDOR, "--rates", "4/1s", "--concurrency", "2")

    (shown,) = await person.json("limits", VENDOR, "--concurrency", "6")

    assert (shown["rates"], shown["concurrency"]) == (["4/1s"], 6)


async def test_a_change_from_another_environment_leaves_the_workers_slots_as_long_as_they_were(
    person: Operator, limiter: Limiter, redis_client: redis.asyncio.Redis
) -> None:
    await person.run("limits", VENDOR, "--concurrency", "2", env={"STOCKRELAY_PARTSBOX_TIMEOUT_SECONDS": "1"})

    before = await server_ms(redis_client)
    await limiter.acquire("one")

    free_again_us = await redis_client.zscore(f"sr:{{{VENDOR}}}:limit:slots", "one")
    assert free_again_us is not None
    assert free_again_us >= (before + 95_000) * 1000
    assert (await limiter.snapshot()).slot_seconds == WORKERS_OWN.slot_seconds


async def test_reset_gives_the_workers_their_own_limits_back(person: Operator, limiter: Limiter) -> None:
    await person.run("limits", VENDOR, "--concurrency", "9")

    (shown,) = await person.json("limits", VENDOR, "--reset")

    assert shown["live"] is False
    assert (await limiter.snapshot()).concurrency == WORKERS_OWN.concurrency


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--concurrency", "2"), "name the vendor"),
        (("--reset",), "name the vendor"),
        ((VENDOR, "--rates", ""), "not a rate"),
        ((VENDOR, "--rates", "2/s"), "not a rate like 2/1s"),
        ((VENDOR, "--rates", "0/1s"), "at least 1"),
        ((VENDOR, "--concurrency", "0"), "1<=x"),
        ((VENDOR, "--reset", "--concurrency", "2"), "--reset goes with neither"),
        (("nobody",), "'nobody' is not one of 'partsbox', 'partium', 'openbom', 'partbolt', 'routing'"),
    ],
)
async def test_a_wrong_change_is_wrong_usage_and_changes_nothing(
    person: Operator, limiter: Limiter, words: tuple[str, ...], said: str
) -> None:
    assert said in (await person.run("limits", *words, code=2)).stderr
    assert (await limiter.snapshot()).live is False


async def test_a_pause_lasts_until_resume_and_says_who_and_why(person: Operator, limiter: Limiter) -> None:
    result = await person.run("pause", VENDOR, "--reason", "stock take", "--by", "Ada")

    assert "until `stockrelay resume partsbox`: paused by Ada: stock take" in result.stdout
    with pytest.raises(PausedError, match="paused by Ada: stock take"):
        await limiter.acquire("one")
    assert (await person.run("resume", VENDOR)).stdout == "partsbox goes on\n"
    assert (await limiter.acquire("one")).fresh()
    assert (await person.run("resume", VENDOR)).stdout == "partsbox was not paused\n"


async def test_a_pause_with_seconds_ends_by_itself_and_shortens_none(person: Operator, limiter: Limiter) -> None:
    await person.run("pause", VENDOR, "--seconds", "3600")
    first = (await limiter.snapshot()).paused_until_ms

    result = await person.run("pause", VENDOR, "--seconds", "1")

    (shown,) = await person.json("limits", VENDOR)
    assert first is not None
    assert (shown["paused"], shown["paused_until_ms"], shown["operator_paused"]) == (True, first, False)
    assert "(in 1 h 0 min)" in result.stdout or "(in 59 min " in result.stdout


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "soon"])
async def test_a_pause_of_no_time_is_wrong_usage(person: Operator, limiter: Limiter, seconds: str) -> None:
    await person.run("pause", VENDOR, "--seconds", seconds, code=2)

    assert (await limiter.snapshot()).paused_until_ms is None


async def test_slowed_down_rates_are_named(person: Operator, limiter: Limiter) -> None:
    await limiter.penalise(60)

    text = (await person.run("limits")).stdout

    assert "50% of the rates after too many requests (429), one request at a time" in text
    assert "too many requests (429)" in text
