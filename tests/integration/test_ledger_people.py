"""What a person decides: cancel, replay, discard."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tasks.records import State, Verdict
from tests.integration.ledger_harness import (
    LONG_SECONDS,
    Desk,
    command,
)


async def test_cancelling_in_the_middle_of_a_lane_leaves_the_others_in_order(desk: Desk) -> None:
    first, middle, last = [await desk.admit("part:a") for _ in range(3)]
    await desk.ledger.cancel(middle, "anna")
    assert await desk.lane("part:a") == [first, last]
    await desk.finish(first, State.APPLIED)
    assert await desk.state(last) is State.READY
    assert (await desk.claim(middle))[1].verdict is Verdict.SETTLED


@pytest.mark.parametrize("delayed", [False, True])
async def test_cancelling_the_head_of_a_lane_lets_the_next_one_run(desk: Desk, *, delayed: bool) -> None:
    head, following = await desk.admit("part:a"), await desk.admit("part:a")
    if delayed:
        await desk.ledger.delay(head, await desk.claimed(head), LONG_SECONDS, spent=False, reason="429")
    await desk.ledger.cancel(head, "anna")
    assert await desk.state(following) is State.READY
    record = await desk.ledger.find(head)
    assert record is not None
    assert (record.state, record.reason) == (State.CANCELLED, "cancelled by anna")


async def test_a_held_command_is_replayed_in_its_place(desk: Desk) -> None:
    held, behind = await desk.admit("part:a"), await desk.admit("part:a")
    await desk.in_doubt(held)
    await desk.ledger.settle(held, await desk.claimed(held), State.HELD, reason="outcome unknown")
    assert await desk.ledger.replay(held, "anna") is State.READY
    assert await desk.lane("part:a") == [held, behind]
    record = await desk.ledger.find(held)
    assert record is not None
    assert (record.attempts, record.crashes, record.replayed_by, record.doubt_ms) == (0, 0, "anna", None)
    assert record.doubted


async def test_a_rejected_command_is_replayed_at_the_tail(desk: Desk) -> None:
    rejected, behind = await desk.admit("part:a"), await desk.admit("part:a")
    await desk.finish(rejected, State.REJECTED)
    assert await desk.ledger.replay(rejected, "anna") is State.WAITING
    assert await desk.lane("part:a") == [behind, rejected]
    await desk.finish(behind, State.APPLIED)
    assert await desk.state(rejected) is State.READY


async def test_an_edited_command_keeps_its_key_and_original_and_goes_to_the_tail_of_its_new_lane(desk: Desk) -> None:
    held, behind, elsewhere = await desk.admit("part:a"), await desk.admit("part:a"), await desk.admit("part:b")
    await desk.finish(held, State.HELD)
    original = await desk.ledger.find(held)
    assert original is not None
    assert await desk.ledger.replay(held, "anna", command("part:b")) is State.WAITING
    assert await desk.state(behind) is State.READY
    assert await desk.lane("part:b") == [elsewhere, held]
    record = await desk.ledger.find(held)
    assert record is not None
    assert (record.original, record.lanes) == (original.command, ("part:b",))
    (entry,) = await desk.ledger.evidence(held)
    assert (entry["what"], entry["by"], entry["edited"]) == ("replayed", "anna", True)


async def test_what_a_second_correction_replaces_is_kept_as_evidence(desk: Desk) -> None:
    key = await desk.admit("part:a")
    corrections = [replace(command("part:a"), command=f'{{"quantity": {number}}}') for number in (2, 3)]
    for correction in corrections:
        await desk.finish(key, State.REJECTED)
        await desk.ledger.replay(key, "anna", correction)
    replaced = [entry["replaced"] for entry in await desk.ledger.evidence(key)]
    assert replaced == ['{"quantity": 1}', corrections[0].command]


async def test_a_discarded_command_stays_undone_with_its_reason(desk: Desk) -> None:
    held, behind = await desk.admit("part:a"), await desk.admit("part:a")
    await desk.finish(held, State.HELD)
    await desk.ledger.discard(held, "anna", "counted by hand")
    assert await desk.state(behind) is State.READY
    record = await desk.ledger.find(held)
    assert record is not None
    assert (record.state, record.discarded_by, record.reason) == (
        State.REJECTED,
        "anna",
        "discarded by anna: counted by hand",
    )
    (entry,) = await desk.ledger.evidence(held)
    assert (entry["what"], entry["reason"], entry["was"]) == ("discarded", "counted by hand", "held")
