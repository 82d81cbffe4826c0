"""Admitted in the same moment: one step of the ledger for many callers, and each of them for itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from redis.exceptions import OutOfMemoryError, ResponseError

from tasks.ledger import Ledger
from tasks.records import State
from tests.integration.ledger_harness import PREFIX, VENDOR, Desk, command

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from tasks.records import NewCommand


async def _runs(redis: Redis) -> int:
    """Count how often a script was run."""
    stats = await redis.info("commandstats")
    return sum(stats[name]["calls"] for name in ("cmdstat_evalsha", "cmdstat_eval") if name in stats)


async def _admit_at_once(ledger: Ledger, *calls: list[NewCommand]) -> list[Any]:
    return await asyncio.gather(*(ledger.admit(commands) for commands in calls), return_exceptions=True)


async def test_many_admitted_in_one_moment_share_a_step_and_stand_in_the_order_they_were_asked_in(desk: Desk) -> None:
    new = [command("part:a") for _ in range(40)]
    await desk.admit("part:b")
    before = await _runs(desk.redis)

    answers = await _admit_at_once(desk.ledger, *([one] for one in new))

    assert await _runs(desk.redis) - before <= 2
    assert [answer[0].key for answer in answers] == [one.key for one in new]
    assert [answer[0].state for answer in answers] == [State.READY] + [State.WAITING] * 39
    assert await desk.redis.lrange(PREFIX + "lane:part:a", 0, -1) == [one.key for one in new]


async def test_the_same_command_of_several_callers_is_fresh_for_the_first_and_a_conflict_for_another_one(
    desk: Desk,
) -> None:
    new = command("part:a")
    other = command("part:a", key=new.key, digest="other")

    first, again, conflict = await _admit_at_once(desk.ledger, [new], [new], [other])

    assert [(answer[0].fresh, answer[0].conflict) for answer in (first, again, conflict)] == [
        (True, False),
        (False, False),
        (False, True),
    ]


async def test_what_cannot_be_stored_fails_its_own_call_and_no_other(redis_client: Redis) -> None:
    ledger = Ledger(redis_client, VENDOR)
    await redis_client.set(PREFIX + "lane:part:broken", "not a list")
    first, last, behind = command("part:a"), command("part:a"), command("part:b")

    answers = await _admit_at_once(ledger, [first], [command("part:broken"), behind], [last])

    assert isinstance(answers[1], ResponseError)
    assert "WRONGTYPE" in str(answers[1])
    assert [answers[0][0].fresh, answers[2][0].fresh] == [True, True]
    assert await redis_client.lrange(PREFIX + "lane:part:a", 0, -1) == [first.key, last.key]
    # what stands behind it in the same call must not overtake it
    assert not await ledger.knows(behind.key)


async def test_what_could_not_enter_all_its_lanes_stands_in_none(redis_client: Redis) -> None:
    desk = Desk.at(redis_client)
    await redis_client.set(PREFIX + "lane:part:broken", "not a list")
    new, behind = command("part:a", "part:b", "part:broken"), command("part:a", "part:b")

    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await desk.ledger.admit([new])
    await desk.ledger.admit([behind])

    assert [await desk.lane(name) for name in ("part:a", "part:b")] == [[behind.key], [behind.key]]
    assert await desk.state(behind.key) is State.READY
    assert not await desk.ledger.knows(new.key)
    assert await desk.ledger.counts() == {State.READY: 1}


async def test_a_full_server_says_so_to_every_caller_and_takes_the_same_commands_later(desk: Desk) -> None:
    new = [command("part:a") for _ in range(3)]
    await desk.redis.config_set("maxmemory", "1")
    try:
        answers = await _admit_at_once(desk.ledger, *([one] for one in new))
        with pytest.raises(OutOfMemoryError):
            await desk.ledger.admit(new)
    finally:
        await desk.redis.config_set("maxmemory", "0")

    assert [type(answer) for answer in answers] == [OutOfMemoryError] * 3
    assert [one.fresh for one in await desk.ledger.admit(new)] == [True] * 3


async def test_nothing_to_admit_is_no_error(desk: Desk) -> None:
    assert await desk.ledger.admit([]) == ()


async def test_a_caller_that_gave_up_before_its_command_left_has_not_admitted_it(desk: Desk) -> None:
    kept, dropped = command("part:a"), command("part:a")
    keeping = asyncio.create_task(desk.ledger.admit([kept]))
    dropping = asyncio.create_task(desk.ledger.admit([dropped]))
    await asyncio.sleep(0)
    dropping.cancel()

    (admission,) = await keeping
    with pytest.raises(asyncio.CancelledError):
        await dropping
    assert admission.fresh
    assert not await desk.ledger.knows(dropped.key)
