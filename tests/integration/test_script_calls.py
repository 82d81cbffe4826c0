"""Calls that share a round trip: each for itself, whatever happens to the others."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as NoConnectionError
from redis.exceptions import ResponseError

from tasks.script_calls import MAX_CALLS, ScriptCalls, Together

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Adds to a counter and says what it was told; fails on request.
SCRIPT: Final = """
if ARGV[1] == 'fail' then return redis.error_reply('told to fail') end
redis.call('INCR', KEYS[1])
return ARGV[1]
"""
COUNTER: Final = "calls"


def calls_of(redis: Redis) -> ScriptCalls:
    return ScriptCalls(redis, redis.register_script(SCRIPT), [COUNTER])


async def results(calls: ScriptCalls, words: Sequence[str]) -> list[object]:
    found: list[object] = await asyncio.gather(*(calls.run([word]) for word in words), return_exceptions=True)
    return found


async def test_each_call_gets_its_own_answer_and_runs_once(redis_client: Redis) -> None:
    words = [str(number) for number in range(3 * MAX_CALLS + 1)]

    assert await results(calls_of(redis_client), words) == words
    assert int(await redis_client.get(COUNTER) or 0) == len(words)


async def test_calls_of_one_moment_share_round_trips(redis_client: Redis) -> None:
    calls = calls_of(redis_client)
    await calls.run(["the first"])
    before = (await redis_client.info("stats"))["total_reads_processed"]

    await results(calls, ["word"] * MAX_CALLS)

    after = (await redis_client.info("stats"))["total_reads_processed"]
    assert after - before <= 3  # the calls, and the two questions


async def test_a_call_that_fails_fails_alone(redis_client: Redis) -> None:
    first, failed, last = await results(calls_of(redis_client), ["a", "fail", "b"])

    assert (first, last) == ("a", "b")
    assert isinstance(failed, ResponseError)


async def test_a_server_that_forgot_the_script_gets_it_again_and_runs_each_call_once(redis_client: Redis) -> None:
    calls = calls_of(redis_client)
    await calls.run(["a"])
    await redis_client.script_flush()

    assert await results(calls, ["b", "c", "d"]) == ["b", "c", "d"]
    assert int(await redis_client.get(COUNTER) or 0) == 4


async def test_a_call_that_is_cancelled_before_it_leaves_is_not_made(redis_client: Redis) -> None:
    calls = calls_of(redis_client)
    kept, dropped = asyncio.create_task(calls.run(["kept"])), asyncio.create_task(calls.run(["dropped"]))
    await asyncio.sleep(0)
    dropped.cancel()

    assert await kept == "kept"
    with pytest.raises(asyncio.CancelledError):
        await dropped
    assert int(await redis_client.get(COUNTER) or 0) == 1


async def test_without_a_server_every_call_gets_the_error_and_the_next_ones_run() -> None:
    redis = Redis(host="127.0.0.1", port=1, decode_responses=True)
    calls = calls_of(redis)
    try:
        for _ in range(2):
            found = await results(calls, ["a", "b", "c"])
            assert [type(error) for error in found] == [NoConnectionError] * 3
    finally:
        await redis.aclose()


async def test_callers_of_one_failed_round_trip_made_each_others_traceback_longer() -> None:
    async with Redis(host="127.0.0.1", port=1) as nobody:
        errors = await results(calls_of(nobody), ["a", "b", "c"])

    assert len({id(error) for error in errors}) == 3
    assert {type(error) for error in errors} == {NoConnectionError}
    assert len({str(error) for error in errors}) == 1


async def test_a_call_made_in_the_moment_in_which_all_others_end_is_not_forgotten() -> None:
    async def ask(words: Sequence[str]) -> Sequence[str]:
        await asyncio.sleep(0)
        return words

    together: Together[str, str] = Together(ask, round_trips=2)

    async def caller(turns: int) -> int:
        for turn in range(200):
            for _ in range(turn % turns):
                await asyncio.sleep(0)
            assert await together.call(str(turn)) == str(turn)
        return turns

    callers = [caller(turns) for turns in (1, 2, 3, 5, 7)]
    assert await asyncio.wait_for(asyncio.gather(*callers), 60) == [1, 2, 3, 5, 7]
