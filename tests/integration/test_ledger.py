"""Into the ledger and out of the queue: admitting, lanes, claiming, what is recorded, many at once."""

from __future__ import annotations

import asyncio
import json
import math
import random
from typing import TYPE_CHECKING, Any

import pytest
from redis.exceptions import OutOfMemoryError

from tasks.records import State, Verdict
from tests.integration.ledger_harness import (
    LONG_SECONDS,
    QUEUE,
    VENDOR,
    Desk,
    command,
    dump,
    refused,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


# admitting


async def test_an_admitted_command_is_ready_and_hinted_at_in_one_step(desk: Desk) -> None:
    new = command("part:a")
    (admission,) = await desk.ledger.admit([new])
    assert (admission.key, admission.state, admission.fresh, admission.conflict) == (new.key, State.READY, True, False)
    assert await desk.hints() == [new.key]
    record = await desk.ledger.find(new.key)
    assert record is not None
    assert (record.kind, record.command, record.summary, record.lanes) == (
        new.kind,
        new.command,
        new.summary,
        ("part:a",),
    )
    assert (record.client, record.attempts, record.crashes, record.vendor) == ("test", 0, 0, VENDOR)
    assert await desk.events(new.key) == ["accepted", "ready"]


async def test_the_same_command_five_times_is_one(desk: Desk) -> None:
    new = command("part:a")
    await desk.ledger.admit([new])
    before = await dump(desk.redis)
    for admission in await desk.ledger.admit([new] * 4):
        assert (admission.fresh, admission.conflict, admission.state) == (False, False, State.READY)
    assert await dump(desk.redis) == before


async def test_a_key_twice_in_one_call_is_one_command(desk: Desk) -> None:
    new = command("part:a")
    first, second = await desk.ledger.admit([new, new])
    assert (first.fresh, second.fresh) == (True, False)


async def test_a_known_key_with_another_command_is_a_conflict_and_changes_nothing(desk: Desk) -> None:
    new = command("part:a", digest="one")
    await desk.ledger.admit([new])
    before = await dump(desk.redis)
    (admission,) = await desk.ledger.admit([command("part:b", key=new.key, digest="two")])
    assert (admission.fresh, admission.conflict) == (False, True)
    assert await dump(desk.redis) == before


async def test_nothing_to_admit_is_no_error(desk: Desk) -> None:
    assert await desk.ledger.admit([]) == ()


async def test_a_command_is_recognised_until_its_retention_ends(desk: Desk) -> None:
    new = command("part:a")
    await desk.ledger.admit([new])
    await desk.finish(new.key, State.APPLIED)
    (again,) = await desk.ledger.admit([new])
    assert (again.fresh, again.state) == (False, State.APPLIED)
    assert await desk.hints() == [new.key]


# lanes


async def test_one_lane_runs_one_at_a_time_in_the_order_accepted(desk: Desk) -> None:
    keys = [await desk.admit("part:a") for _ in range(3)]
    assert [await desk.state(key) for key in keys] == [State.READY, State.WAITING, State.WAITING]
    for number, key in enumerate(keys):
        assert await desk.take_hint() == key
        assert await desk.take_hint() is None
        await desk.finish(key, State.APPLIED)
        assert await desk.lane("part:a") == keys[number + 1 :]


async def test_a_command_of_two_lanes_waits_for_both(desk: Desk) -> None:
    first, second = await desk.admit("part:a"), await desk.admit("part:b")
    both = await desk.admit("part:a", "part:b")
    behind = await desk.admit("part:b")
    await desk.finish(second, State.APPLIED)
    assert await desk.state(both) is State.WAITING
    assert await desk.state(behind) is State.WAITING
    await desk.finish(first, State.APPLIED)
    assert await desk.state(both) is State.READY
    assert await desk.state(behind) is State.WAITING
    await desk.finish(both, State.APPLIED)
    assert await desk.state(behind) is State.READY


async def test_a_held_command_blocks_its_own_lane_only(desk: Desk) -> None:
    held, behind, other = await desk.admit("part:a"), await desk.admit("part:a"), await desk.admit("part:b")
    await desk.finish(held, State.HELD)
    assert await desk.state(behind) is State.WAITING
    assert await desk.state(other) is State.READY


async def test_a_rejected_command_lets_its_lane_go_on(desk: Desk) -> None:
    rejected, behind = await desk.admit("part:a"), await desk.admit("part:a")
    await desk.finish(rejected, State.REJECTED)
    assert await desk.state(behind) is State.READY


@pytest.mark.parametrize("state", [State.DELAYED, State.IN_DOUBT])
async def test_a_command_that_waits_for_its_time_keeps_its_lane(desk: Desk, state: State) -> None:
    first, behind = await desk.admit("part:a"), await desk.admit("part:a")
    owner = await desk.sent(first)
    if state is State.DELAYED:
        await desk.ledger.delay(first, owner, LONG_SECONDS, spent=True, reason="refused connection")
    else:
        await desk.ledger.doubt(first, owner, LONG_SECONDS, reason="cut")
    assert await desk.state(first) is state
    assert await desk.state(behind) is State.WAITING


# claiming


async def test_the_verdicts_of_a_claim(desk: Desk) -> None:
    ready, waiting = await desk.admit("part:a"), await desk.admit("part:a")
    delayed, doubtful, applied = await desk.admit("part:b"), await desk.admit("part:c"), await desk.admit("part:d")
    await desk.ledger.delay(delayed, await desk.claimed(delayed), LONG_SECONDS, spent=False, reason="429")
    await desk.ledger.doubt(doubtful, await desk.sent(doubtful), LONG_SECONDS, reason="cut")
    await desk.finish(applied, State.APPLIED)
    found = {key: (await desk.claim(key))[1].verdict for key in (ready, waiting, delayed, doubtful, applied)}
    assert found == {
        ready: Verdict.FRESH,
        waiting: Verdict.NOT_READY,
        delayed: Verdict.NOT_READY,
        doubtful: Verdict.NOT_READY,
        applied: Verdict.SETTLED,
    }
    assert (await desk.claim(ready))[1].verdict is Verdict.HELD_BY_OTHER
    assert (await desk.claim("a" * 20))[1].verdict is Verdict.UNKNOWN
    await desk.come_due(delayed)
    await desk.come_due(doubtful)
    assert (await desk.claim(delayed))[1].verdict is Verdict.FRESH
    assert (await desk.claim(doubtful))[1].verdict is Verdict.IN_DOUBT


async def test_a_claim_that_gives_nothing_changes_nothing(desk: Desk) -> None:
    running, waiting = await desk.admit("part:a"), await desk.admit("part:a")
    await desk.claimed(running)
    before = await dump(desk.redis)
    for key in (running, waiting, "a" * 20):
        assert (await desk.claim(key))[1].record is None
    assert await dump(desk.redis) == before


async def test_of_many_claims_at_once_one_wins(desk: Desk) -> None:
    key = await desk.admit("part:a")
    claims = await asyncio.gather(*(desk.claim(key) for _ in range(20)))
    assert sum(claim.record is not None for _, claim in claims) == 1


# what is recorded


async def test_the_events_tell_the_whole_life_in_order(desk: Desk) -> None:
    key = await desk.admit("part:a")
    await desk.in_doubt(key)
    await desk.ledger.absent(key, await desk.claimed(key))
    await desk.ledger.delay(key, await desk.claimed(key), 0, spent=True, reason="no connection")
    await desk.ledger.promote()
    await desk.finish(key, State.APPLIED)
    assert await desk.events(key) == [
        "accepted",
        "ready",
        "sending",
        "in_doubt",
        "ready",
        "sending",
        "delayed",
        "ready",
        "sending",
        "applied",
    ]
    assert await desk.ledger.counts() == {State.APPLIED: 1}


HARD_ANSWERS = [
    pytest.param({"number": math.nan}, id="not a number"),
    pytest.param({"number": math.inf}, id="infinite"),
    pytest.param({"empty": [], "none": None}, id="empty list"),
    pytest.param({"text": "\ud800 half a pair"}, id="lone surrogate"),
    pytest.param({"text": 'quotes " and \\ and \x00 and ü and 🙂'}, id="special characters"),
    pytest.param({"number": 12345678901234567890}, id="twenty digits"),
    pytest.param({"price": 0.06280000000000001}, id="seventeen digits"),
]


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("answer", [*HARD_ANSWERS, pytest.param({"deep": nested(900)}, id="deep")])
async def test_an_answer_that_lua_cannot_write_does_not_leave_the_lane_blocked(desk: Desk, answer: Any) -> None:
    key, behind = await desk.admit("part:a"), await desk.admit("part:a")
    owner = await desk.sent(key)
    await desk.ledger.settle(key, owner, State.APPLIED, receipt=answer, evidence={"answer": answer})
    assert (await desk.state(key), await desk.state(behind)) == (State.APPLIED, State.READY)
    (entry,) = await desk.ledger.evidence(key)
    expected = json.dumps(answer).replace("\\ud800", "?")
    assert json.dumps(entry["answer"]) == expected


async def test_a_reason_of_half_a_character_is_kept_without_it(desk: Desk) -> None:
    key = await desk.admit("part:a")
    await desk.ledger.settle(key, await desk.sent(key), State.REJECTED, reason="no stock \ud800")
    record = await desk.ledger.find(key)
    assert record is not None
    assert record.reason == "no stock ?"


async def test_a_summary_cannot_change_its_hint(desk: Desk) -> None:
    new = command("part:a")
    tricky = type(new)(new.key, new.kind, new.command, '"}, @key@ @tag@ %1 %% \\', new.lanes, new.digest)
    await desk.ledger.admit([tricky])
    message = json.loads(str(await desk.redis.lindex(QUEUE, 0)))
    assert message["headers"]["argsrepr"] == tricky.summary
    assert message["headers"]["id"] == new.key


async def test_a_full_server_refuses_a_step_as_a_whole(desk: Desk) -> None:
    key = await desk.admit("part:a")
    owner = await desk.sent(key)
    steps: list[Callable[[], Awaitable[Any]]] = [
        lambda: desk.ledger.admit([command("part:b")]),
        lambda: desk.ledger.settle(key, owner, State.APPLIED, evidence={"what": "applied"}),
        lambda: desk.ledger.doubt(key, owner, 0, reason="cut", evidence={"what": "doubt"}),
    ]
    await desk.redis.config_set("maxmemory", "1")
    try:
        for step in steps:
            await refused(desk, OutOfMemoryError, step)
    finally:
        await desk.redis.config_set("maxmemory", "0")
    await desk.ledger.settle(key, owner, State.APPLIED)


# many at once


async def test_a_thousand_commands_by_many_workers_are_each_applied_once_in_their_lanes_order(desk: Desk) -> None:
    chance = random.Random(7)
    new = [
        command(*chance.sample([f"part:{number}" for number in range(40)], chance.choice([1, 1, 2])))
        for _ in range(1_000)
    ]
    for start in range(0, 1_000, 50):
        await desk.ledger.admit(new[start : start + 50])
    applied: list[str] = []

    async def work(number: int) -> None:
        while len(applied) < len(new):
            key = await desk.take_hint()
            if key is None:
                await asyncio.sleep(0)
                continue
            owner, claim = await desk.claim(key, f"worker{number}:{chance.random()}")
            if claim.record is None:
                continue
            if chance.random() < 0.2:
                # a duplicate hint, as a lost acknowledgement makes one
                await desk.claim(key)
            await desk.ledger.intent(key, owner, {})
            applied.append(key)
            await desk.ledger.settle(key, owner, State.APPLIED)

    async with asyncio.timeout(60):
        await asyncio.gather(*(work(number) for number in range(32)))
    assert sorted(applied) == sorted(one.key for one in new)
    for lane in {lane for one in new for lane in one.lanes}:
        accepted = [one.key for one in new if lane in one.lanes]
        assert [key for key in applied if key in set(accepted)] == accepted
    assert await desk.ledger.counts() == {State.APPLIED: 1_000}
