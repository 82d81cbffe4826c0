"""Time passes in the ledger: lost workers, due times, lost hints."""

from __future__ import annotations

import json

import pytest

from tasks.ledger import MAX_CRASHES
from tasks.records import State, Verdict
from tests.integration.ledger_harness import (
    LONG_SECONDS,
    PREFIX,
    QUEUE,
    Desk,
)

# recovery


async def test_a_worker_lost_before_it_sent_makes_the_command_ready_again(desk: Desk) -> None:
    key = await desk.admit("part:a")
    await desk.claimed(key)
    await desk.take_hints()
    await desk.end_lease(key)
    assert (await desk.ledger.promote()).recovered == 1
    assert await desk.state(key) is State.READY
    assert await desk.hints() == [key]


async def test_a_worker_lost_after_the_intent_leaves_doubt(desk: Desk) -> None:
    key = await desk.admit("part:a")
    await desk.sent(key)
    await desk.take_hints()
    await desk.end_lease(key)
    promotion = await desk.ledger.promote()
    assert (promotion.recovered, promotion.hinted) == (1, 1)
    assert await desk.state(key) is State.IN_DOUBT
    _, claim = await desk.claim(key)
    assert claim.verdict is Verdict.IN_DOUBT
    assert claim.record is not None
    assert claim.record.doubted
    assert claim.record.doubt_ms is not None
    assert claim.record.image == {"timestamps": [1]}


async def test_a_claim_recovers_an_ended_lease_itself(desk: Desk) -> None:
    before, behind = await desk.admit("part:a"), await desk.admit("part:b")
    await desk.claimed(before)
    await desk.sent(behind)
    for key in (before, behind):
        await desk.end_lease(key)
    assert (await desk.claim(before))[1].verdict is Verdict.FRESH
    assert (await desk.claim(behind))[1].verdict is Verdict.IN_DOUBT


@pytest.mark.parametrize("sent", [False, True])
async def test_a_command_that_kills_its_workers_is_held_and_keeps_its_lane(desk: Desk, *, sent: bool) -> None:
    key, behind = await desk.admit("part:a"), await desk.admit("part:a")
    for crash in range(MAX_CRASHES):
        assert await desk.state(key) is not State.HELD, crash
        if sent and crash == 0:
            await desk.sent(key)
        else:
            await desk.claimed(key)
        await desk.end_lease(key)
        await desk.ledger.promote()
    assert (await desk.state(key), await desk.state(behind)) == (State.HELD, State.WAITING)
    assert (await desk.claim(key))[1].verdict is Verdict.SETTLED


async def test_crashes_count_in_a_row_only(desk: Desk) -> None:
    key = await desk.admit("part:a")
    for _ in range(MAX_CRASHES + 1):
        await desk.claimed(key)
        await desk.end_lease(key)
        await desk.ledger.promote()
        await desk.ledger.delay(key, await desk.claimed(key), 0, spent=False, reason="429")
        await desk.come_due(key)
        await desk.ledger.promote()
    assert await desk.state(key) is State.READY


# time


async def test_what_is_due_becomes_ready_and_the_rest_stays(desk: Desk) -> None:
    due, later = await desk.admit("part:a"), await desk.admit("part:b")
    for key, seconds in ((due, 0.0), (later, LONG_SECONDS)):
        await desk.ledger.delay(key, await desk.claimed(key), seconds, spent=False, reason="429")
    await desk.take_hints()
    promotion = await desk.ledger.promote()
    assert promotion.promoted == 1
    assert promotion.next_in_ms is not None
    assert LONG_SECONDS * 900 < promotion.next_in_ms <= LONG_SECONDS * 1000
    assert (await desk.state(due), await desk.state(later)) == (State.READY, State.DELAYED)
    assert await desk.hints() == [due]


async def test_without_anything_to_wait_for_there_is_no_next_time(desk: Desk) -> None:
    await desk.admit("part:a")
    assert (await desk.ledger.promote()).next_in_ms is None


async def test_a_look_up_is_hinted_at_when_it_is_due_and_again_when_that_hint_is_lost(desk: Desk) -> None:
    key = await desk.admit("part:a")
    await desk.ledger.doubt(key, await desk.sent(key), LONG_SECONDS, reason="cut")
    await desk.take_hints()
    assert (await desk.ledger.promote()).hinted == 0
    await desk.come_due(key)
    assert (await desk.ledger.promote()).hinted == 1
    assert (await desk.ledger.promote()).hinted == 0
    await desk.take_hints()
    await desk.age_hint(key)
    assert (await desk.ledger.promote()).hinted == 1
    assert await desk.hints() == [key]


async def test_a_lost_hint_is_published_again(desk: Desk) -> None:
    lost, taken = await desk.admit("part:a"), await desk.admit("part:b")
    await desk.take_hints()
    assert (await desk.ledger.promote()).republished == 0
    await desk.age_hint(lost)
    assert (await desk.ledger.promote()).republished == 1
    assert await desk.hints() == [lost]
    assert (await desk.ledger.promote()).republished == 0
    assert await desk.state(taken) is State.READY


async def age_oldest_hint(desk: Desk) -> None:
    """Let the oldest message in the queue look as if it waited since long ago."""
    text = await desk.redis.lindex(QUEUE, -1)
    message = json.loads(str(text))
    tag: list[str] = message["properties"]["delivery_tag"].split(":")
    message["properties"]["delivery_tag"] = f"{tag[0]}:1:{tag[2]}"
    await desk.redis.lset(QUEUE, -1, json.dumps(message))


async def test_a_long_queue_that_just_waits_is_not_published_again(desk: Desk) -> None:
    keys = [await desk.admit(f"part:{number}") for number in range(5)]
    doubtful = await desk.admit("part:doubt")
    await desk.in_doubt(doubtful)
    await desk.ledger.promote()
    await age_oldest_hint(desk)
    before = await desk.hints()
    for key in (*keys, doubtful):
        await desk.age_hint(key)
    promotion = await desk.ledger.promote()
    assert (promotion.republished, promotion.hinted) == (0, 0)
    assert await desk.hints() == before
    # the old ones are gone from the queue: what is still not claimed was lost
    await desk.take_hints()
    await desk.redis.zadd(PREFIX + "doubt", {doubtful: 1}, xx=True)
    promotion = await desk.ledger.promote()
    assert (promotion.republished, promotion.hinted) == (5, 1)


async def test_a_foreign_message_at_the_end_of_the_queue_does_not_stop_time(desk: Desk) -> None:
    key = await desk.admit("part:a")
    await desk.age_hint(key)
    await desk.redis.rpush(QUEUE, "not json at all")
    assert (await desk.ledger.promote()).republished == 0
    await desk.redis.rpop(QUEUE)
    await desk.take_hints()
    assert (await desk.ledger.promote()).republished == 1


async def test_one_look_moves_no_more_than_its_limit(desk: Desk) -> None:
    keys = [await desk.admit(f"part:{number}") for number in range(5)]
    for key in keys:
        await desk.claimed(key)
        await desk.end_lease(key)
    assert [(await desk.ledger.promote(limit=2)).recovered for _ in range(4)] == [2, 2, 1, 0]
