"""What a person decides: cancel, replay, discard."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tasks.dead_letter_records import Place
from tasks.errors import TransitionRefusedError
from tasks.records import State, Verdict
from tests.integration.ledger_harness import (
    LONG_SECONDS,
    PREFIX,
    Desk,
    child_of,
    command,
    refused,
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
    assert await desk.ledger.replay(held, "anna", command("part:b"), at=Place.TAIL) is State.WAITING
    assert await desk.state(behind) is State.READY
    assert await desk.lane("part:b") == [elsewhere, held]
    record = await desk.ledger.find(held)
    assert record is not None
    assert (record.original, record.lanes) == (original.command, ("part:b",))
    (entry,) = await desk.ledger.evidence(held)
    assert (entry["what"], entry["by"], entry["edited"]) == ("replayed", "anna", True)


async def test_a_held_command_that_is_corrected_keeps_its_place(desk: Desk) -> None:
    held, behind = await desk.admit("part:a"), await desk.admit("part:a")
    await desk.finish(held, State.HELD)

    assert await desk.ledger.replay(held, "anna", command("part:a")) is State.READY

    assert await desk.lane("part:a") == [held, behind]
    assert await desk.state(behind) is State.WAITING


async def test_a_held_command_that_would_be_in_other_lanes_is_told_to_say_where(desk: Desk) -> None:
    held = await desk.admit("part:a")
    await desk.finish(held, State.HELD)

    await refused(desk, TransitionRefusedError, lambda: desk.ledger.replay(held, "anna", command("part:b")))
    with pytest.raises(TransitionRefusedError, match="say where in them, at the head or the tail"):
        await desk.ledger.replay(held, "anna", command("part:b"))


async def test_at_the_head_a_command_stands_before_all_that_wait_and_behind_what_runs(desk: Desk) -> None:
    rejected, running, waiting = [await desk.admit("part:a") for _ in range(3)]
    await desk.finish(rejected, State.REJECTED)
    owner = await desk.claimed(running)

    assert await desk.ledger.replay(rejected, "anna", at=Place.HEAD) is State.WAITING

    assert await desk.lane("part:a") == [running, rejected, waiting]
    await desk.ledger.settle(running, owner, State.APPLIED)
    assert await desk.state(rejected) is State.READY


async def test_at_the_head_of_a_lane_whose_first_waits_elsewhere_a_command_runs_at_once(desk: Desk) -> None:
    rejected = await desk.admit("part:b")
    await desk.finish(rejected, State.REJECTED)
    busy, in_both = await desk.admit("part:a"), await desk.admit("part:a", "part:b")

    assert await desk.ledger.replay(rejected, "anna", at=Place.HEAD) is State.READY

    assert await desk.lane("part:b") == [rejected, in_both]
    await desk.finish(busy, State.APPLIED)
    assert await desk.state(in_both) is State.WAITING
    await desk.finish(rejected, State.APPLIED)
    assert await desk.state(in_both) is State.READY


async def test_two_commands_at_the_heads_of_the_same_lanes_never_wait_for_each_other(desk: Desk) -> None:
    first, second = await desk.admit("part:a", "part:b"), await desk.admit("part:b", "part:a")
    for key in (first, second):
        await desk.finish(key, State.REJECTED)
    busy = [await desk.admit("part:a"), await desk.admit("part:b")]

    for key in (first, second):
        await desk.ledger.replay(key, "anna", at=Place.HEAD)

    assert await desk.lane("part:a") == [busy[0], second, first]
    assert await desk.lane("part:b") == [busy[1], second, first]
    for key in (*busy, second, first):
        await desk.finish(key, State.APPLIED)


async def test_children_of_an_earlier_parent_come_behind_a_command_at_the_head(desk: Desk) -> None:
    rejected = await desk.admit("part:a")
    await desk.finish(rejected, State.REJECTED)
    busy, parent = await desk.admit("part:a"), await desk.admit("order:x", kind="order.receive")
    await desk.ledger.replay(rejected, "anna", at=Place.HEAD)
    child = child_of("order:x", "part:a")

    await desk.ledger.expand(parent, await desk.claimed(parent), [child])

    assert await desk.lane("part:a") == [busy, rejected, child.key]


async def test_a_held_command_may_be_sent_to_the_tail_so_that_its_lane_goes_on(desk: Desk) -> None:
    held, behind = await desk.admit("part:a"), await desk.admit("part:a")
    await desk.finish(held, State.HELD)

    assert await desk.ledger.replay(held, "anna", at=Place.TAIL) is State.WAITING

    assert await desk.lane("part:a") == [behind, held]
    assert await desk.state(behind) is State.READY


async def test_a_kept_correction_is_what_the_next_replay_runs(desk: Desk) -> None:
    key = await desk.admit("part:a")
    await desk.finish(key, State.REJECTED)
    original = await desk.ledger.find(key)
    kept = replace(command("part:b"), command='{"quantity": 2}', summary="add 2")

    await desk.ledger.edit(key, "anna", kept, changes=[{"field": "quantity", "old": 1, "new": 2}])

    record = await desk.ledger.find(key)
    assert record is not None
    assert original is not None
    assert (record.state, record.command, record.corrected) == (State.REJECTED, original.command, kept.command)
    assert (record.edited_by, record.corrected_lanes, record.lanes) == ("anna", ("part:b",), ("part:a",))
    assert await desk.ledger.replay(key, "berta") is State.READY
    record = await desk.ledger.find(key)
    assert record is not None
    assert (record.command, record.original, record.summary) == (kept.command, original.command, "add 2")
    assert (record.lanes, record.corrected, record.edited_by) == (("part:b",), None, None)
    edited, replayed = await desk.ledger.evidence(key)
    assert (edited["what"], edited["by"], edited["changes"]) == (
        "edited",
        "anna",
        [{"field": "quantity", "old": 1, "new": 2}],
    )
    assert (replayed["by"], replayed["edited"], replayed["replaced"]) == ("berta", True, original.command)


async def test_a_decision_about_an_earlier_revision_changes_nothing(desk: Desk) -> None:
    key = await desk.admit("part:a")
    await desk.finish(key, State.REJECTED)
    score = await desk.redis.zscore(PREFIX + "dead", key)
    assert score is not None
    died_ms = int(score)
    await desk.ledger.edit(key, "anna", command("part:a"), revision=f"{died_ms}.0")

    for step in (
        lambda: desk.ledger.replay(key, "berta", revision=f"{died_ms}.0"),
        lambda: desk.ledger.edit(key, "berta", None, revision=f"{died_ms}.0"),
        lambda: desk.ledger.discard(key, "berta", "old", revision=f"{died_ms}.0"),
        lambda: desk.ledger.replay(key, "berta", revision=f"{died_ms - 1}.1"),
    ):
        await refused(desk, TransitionRefusedError, step)
    assert await desk.ledger.replay(key, "berta", revision=f"{died_ms}.1") is State.READY


async def test_a_parent_of_commands_at_other_vendors_is_replayed_but_never_corrected(desk: Desk) -> None:
    parent = replace(command("part:a"), family=True)
    await desk.ledger.admit([parent])
    await desk.finish(parent.key, State.REJECTED)

    await refused(desk, TransitionRefusedError, lambda: desk.ledger.edit(parent.key, "anna", command("part:a")))
    await refused(desk, TransitionRefusedError, lambda: desk.ledger.replay(parent.key, "anna", command("part:a")))
    assert await desk.ledger.replay(parent.key, "anna") is State.READY


async def test_a_parent_that_was_damaged_while_its_children_run_is_not_replayed(desk: Desk) -> None:
    parent = await desk.admit("order:x", kind="order.receive")
    child = child_of("order:x", "part:a")
    await desk.ledger.expand(parent, await desk.claimed(parent), [child])
    await desk.redis.hset(PREFIX + "cmd:" + parent, "kind", "")
    await desk.finish(child.key, State.APPLIED)
    await desk.redis.hset(PREFIX + "cmd:" + parent, "kind", "order.receive")
    assert await desk.state(parent) is State.HELD

    await refused(desk, TransitionRefusedError, lambda: desk.ledger.replay(parent, "anna"))

    await desk.ledger.discard(parent, "anna", "counted")


async def test_what_a_second_correction_replaces_is_kept_as_evidence(desk: Desk) -> None:
    key = await desk.admit("part:a")
    corrections = [replace(command("part:a"), command=f'{{"quantity": {number}}}') for number in (2, 3)]
    for correction in corrections:
        await desk.finish(key, State.REJECTED)
        await desk.ledger.replay(key, "anna", correction)
    replaced = [entry["replaced"] for entry in await desk.ledger.evidence(key)]
    assert replaced == ['{"quantity": 1}', corrections[0].command]
    record = await desk.ledger.find(key)
    assert record is not None
    assert record.original == '{"quantity": 1}'


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
