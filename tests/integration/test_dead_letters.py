"""Deciding at the dead-letter desk, on a real server: corrected, replayed, discarded."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tasks.dead_letter_records import Change, Filter, LetterState, Place
from tasks.errors import DamagedRecordError, TransitionRefusedError
from tasks.ledger import prefix_of
from tasks.records import State
from tasks.registry import InvalidCommandError
from tests.command_examples import NOW_MS, PART, SHELF
from tests.integration.dead_letter_harness import OTHER_PART, Bench
from tests.integration.ledger_harness import dump

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from redis.asyncio import Redis

    from tasks.dead_letters import DeadLetters

DAY_MS = 86_400_000
SUMMARY = "add 3 of part pppppppp… to ssssssss…"


@pytest.fixture
def bench(redis_client: Redis) -> Bench:
    return Bench.at(redis_client)


async def refused(bench: Bench, error: type[Exception], step: Callable[[], Awaitable[Any]], said: str) -> None:
    before = await dump(bench.redis)
    with pytest.raises(error, match=said):
        await step()
    assert await dump(bench.redis) == before


async def test_a_preview_says_what_would_change_and_keeps_nothing(bench: Bench) -> None:
    key = await bench.dead(price="1.5", currency="eur")
    before = await dump(bench.redis)

    diff = await bench.desk.preview(key, {"quantity": 7, "price": None, "currency": None, "comments": "counted"})

    assert set(map(_plain, diff.changes)) == {
        ("comments", '""', '"counted"'),
        ("currency", '"eur"', "null"),
        ("price", '"1.5"', "null"),
        ("quantity", "3", "7"),
    }
    assert (diff.old_summary, diff.new_summary) == (SUMMARY, SUMMARY.replace("3", "7"))
    assert not diff.leaves_its_lanes
    assert await dump(bench.redis) == before
    assert (await bench.desk.preview(key, {"part_id": OTHER_PART})).leaves_its_lanes
    assert (await bench.desk.preview(key, {"quantity": 3})).changes == ()


def _plain(change: Change) -> tuple[str, str, str]:
    return change.field, json.dumps(change.old), json.dumps(change.new)


async def test_corrections_add_up_until_the_replay_and_the_original_stays(bench: Bench) -> None:
    key = await bench.dead()
    asked = (await bench.ledgers["partsbox"].find(key)).command  # type: ignore[union-attr]

    first = await bench.desk.edit(key, "anna", {"quantity": 7})
    second = await bench.desk.edit(key, "berta", {"comments": "counted"})

    assert [asdict(change) for change in second.changes] == [{"field": "comments", "old": "", "new": "counted"}]
    letter = await bench.desk.read(key)
    assert first.revision != second.revision != letter.revision
    assert letter.public()["edited_by"] == "berta"
    assert letter.summary == SUMMARY.replace("3", "7")
    assert letter.state is LetterState.REJECTED
    assert await bench.desk.replay(key, "carla") is State.READY
    record = await bench.ledgers["partsbox"].find(key)
    assert record is not None
    said = json.loads(record.command)
    assert (said["quantity"], said["comments"], record.original) == (7, "counted", asked)


async def test_a_correction_that_leads_back_is_taken_back(bench: Bench) -> None:
    key = await bench.dead()
    await bench.desk.edit(key, "anna", {"quantity": 7})

    await bench.desk.edit(key, "berta", {"quantity": 3})

    record = await bench.ledgers["partsbox"].find(key)
    assert record is not None
    assert (record.corrected, record.edited_by, record.original) == (None, None, None)
    assert [entry["what"] for entry in await bench.desk.evidence(key)] == ["edited", "edited"]


async def test_a_replay_that_leads_back_from_a_kept_correction_leaves_no_original(bench: Bench) -> None:
    key = await bench.dead()
    asked = (await bench.ledgers["partsbox"].find(key)).command  # type: ignore[union-attr]
    await bench.desk.edit(key, "anna", {"quantity": 7})

    await bench.desk.replay(key, "berta", {"quantity": 3})

    record = await bench.ledgers["partsbox"].find(key)
    assert record is not None
    assert (record.command, record.corrected, record.original) == (asked, None, None)


async def test_a_replay_corrects_first_and_says_so_in_the_evidence(bench: Bench) -> None:
    key = await bench.dead()

    assert await bench.desk.replay(key, " anna ", {"quantity": 7}) is State.READY

    edited, replayed = await bench.ledgers["partsbox"].evidence(key)
    assert (edited["what"], edited["by"]) == ("edited", "anna")
    assert (replayed["what"], replayed["by"], replayed["edited"]) == ("replayed", "anna", True)


@pytest.mark.parametrize(
    ("state", "at", "state_now", "order"),
    [
        pytest.param(State.HELD, None, State.READY, "xab", id="held stays"),
        pytest.param(State.HELD, Place.HEAD, State.READY, "xab", id="held at the head"),
        pytest.param(State.HELD, Place.TAIL, State.WAITING, "abx", id="held at the tail"),
        pytest.param(State.REJECTED, None, State.WAITING, "abx", id="rejected joins the tail"),
        pytest.param(State.REJECTED, Place.TAIL, State.WAITING, "abx", id="rejected at the tail"),
        pytest.param(State.REJECTED, Place.HEAD, State.WAITING, "axb", id="rejected at the head"),
    ],
)
@pytest.mark.parametrize("edits", [None, {"quantity": 9}], ids=["as it is", "corrected"])
async def test_a_replay_goes_where_it_is_told(
    bench: Bench, state: State, at: Place | None, state_now: State, order: str, edits: dict[str, Any] | None
) -> None:
    keys = {"x": await bench.dead(state=state), "a": await bench.admit(), "b": await bench.admit()}

    assert await bench.desk.replay(keys["x"], "anna", edits, at) is state_now

    assert await bench.lane() == [keys[name] for name in order]


async def test_a_held_letter_that_moves_to_other_lanes_needs_a_place(bench: Bench) -> None:
    held, behind, there = await bench.dead(state=State.HELD), await bench.admit(), await bench.admit(part_id=OTHER_PART)
    edits = {"part_id": OTHER_PART}

    await refused(
        bench, TransitionRefusedError, lambda: bench.desk.replay(held, "anna", edits), "at the head or the tail"
    )
    await bench.desk.edit(held, "anna", edits)
    await refused(bench, TransitionRefusedError, lambda: bench.desk.replay(held, "anna"), "at the head or the tail")

    assert await bench.state(behind) is State.WAITING
    assert await bench.desk.replay(held, "anna", at=Place.TAIL) is State.WAITING
    assert await bench.state(behind) is State.READY
    assert await bench.lane(OTHER_PART) == [there, held]


async def test_a_lane_of_another_type_refuses_the_replay_and_changes_nothing(bench: Bench) -> None:
    held = await bench.dead(state=State.HELD)
    await bench.redis.set(f"{prefix_of('partsbox')}lane:part:{OTHER_PART}", "text")

    await refused(
        bench,
        TransitionRefusedError,
        lambda: bench.desk.replay(held, "anna", {"part_id": OTHER_PART}, Place.TAIL),
        "its lane is a string, not a list",
    )


@pytest.mark.parametrize(
    ("edits", "fields"),
    [
        pytest.param({"quantity": -1, "colour": "red"}, ["colour", "quantity"], id="each field"),
        pytest.param({"quantity": "7"}, ["quantity"], id="type"),
        pytest.param({"part_id": None}, ["part_id"], id="needed"),
        pytest.param({"stock_timestamp": NOW_MS}, ["stock_timestamp"], id="the event"),
        pytest.param({"source": "x", "stock_timestamp": 1}, ["source", "stock_timestamp"], id="the whole event"),
        pytest.param({"quantity": 3}, ["edits"], id="nothing"),
        pytest.param({"quantity": {"a": [1]}}, ["quantity"], id="nested"),
    ],
)
async def test_a_wrong_correction_names_its_fields_and_changes_nothing(
    bench: Bench, edits: dict[str, Any], fields: list[str]
) -> None:
    key = await bench.dead()
    before = await dump(bench.redis)

    for step in (bench.desk.edit, bench.desk.replay):
        with pytest.raises(InvalidCommandError) as caught:
            await step(key, "anna", edits)
        assert sorted(problem.field for problem in caught.value.problems) == fields
    assert await dump(bench.redis) == before


async def test_a_stored_command_that_cannot_be_read_is_replayed_or_discarded_but_not_corrected(bench: Bench) -> None:
    key = await bench.dead()
    await bench.spoil(key, "command", "{")

    with pytest.raises(InvalidCommandError, match="unreadable"):
        await bench.desk.preview(key, {"quantity": 5})
    assert await bench.desk.replay(key, "anna") is State.READY


@pytest.mark.parametrize("by", ["", "  ", "a\x1b[2J", "x" * 65], ids=["empty", "blank", "control", "long"])
async def test_who_decides_must_have_a_name(bench: Bench, by: str) -> None:
    key = await bench.dead()
    steps: list[Callable[[DeadLetters], Awaitable[Any]]] = [
        lambda desk: desk.replay(key, by),
        lambda desk: desk.edit(key, by, {"quantity": 5}),
        lambda desk: desk.discard(key, by, "old"),
        lambda desk: desk.redrive(Filter(), by, 1.0),
        lambda desk: desk.cancel_redrive("x", by),
    ]
    before = await dump(bench.redis)

    for step in steps:
        with pytest.raises(InvalidCommandError, match="by: "):
            await step(bench.desk)
    assert await dump(bench.redis) == before


async def test_a_discard_keeps_its_reason_and_frees_the_lane(bench: Bench) -> None:
    held, behind = await bench.dead(state=State.HELD), await bench.admit()

    with pytest.raises(InvalidCommandError, match="reason: is empty"):
        await bench.desk.discard(held, "anna", " ")
    await bench.desk.discard(held, "anna", "counted by hand")

    record = await bench.ledgers["partsbox"].find(held)
    assert record is not None
    assert (record.state, record.discarded_by, record.reason) == (
        State.REJECTED,
        "anna",
        "discarded by anna: counted by hand",
    )
    assert await bench.state(behind) is State.READY
    assert (await bench.desk.find(Filter())).letters == ()


async def test_what_changed_since_it_was_shown_is_not_decided_about(bench: Bench) -> None:
    key = await bench.dead()
    shown = (await bench.desk.read(key)).revision
    await bench.desk.edit(key, "berta", {"quantity": 7}, revision=shown)
    steps: list[Callable[[], Awaitable[Any]]] = [
        lambda: bench.desk.replay(key, "anna", revision=shown),
        lambda: bench.desk.replay(key, "anna", {"quantity": 8}, revision=shown),
        lambda: bench.desk.edit(key, "anna", {"quantity": 8}, revision=shown),
        lambda: bench.desk.discard(key, "anna", "old", revision=shown),
    ]

    for step in steps:
        await refused(bench, TransitionRefusedError, step, "has changed since it was looked at")


async def test_the_schema_says_which_fields_never_change(bench: Bench) -> None:
    schema = bench.desk.schema("stock.move")

    assert {name for name, field in schema["properties"].items() if field.get("readOnly")} == {
        "stock_timestamp",
        "source",
    }
    assert schema["additionalProperties"] is False
    assert {"part_id", "quantity"} <= set(schema["required"])
    for kind in ("order.receive_line", "catalog.route_part", "project.update_entries"):
        assert json.dumps(bench.desk.schema(kind))
    with pytest.raises(InvalidCommandError, match="kind: unknown"):
        bench.desk.schema("stock.ad")


async def test_a_letter_of_every_place_still_moves_between_shelves(bench: Bench) -> None:
    """A correction is a command of its kind: its own rules about several fields hold."""
    key = await bench.dead("stock.move")

    with pytest.raises(InvalidCommandError, match="to_storage_id"):
        await bench.desk.preview(key, {"to_storage_id": SHELF})


async def test_what_is_damaged_is_listed_named_and_only_discarded(bench: Bench) -> None:
    spoiled, gone, other = [await bench.dead(part_id=f"{number:026d}") for number in range(3)]
    await bench.spoil(spoiled, "state", "applied")
    await bench.redis.delete(f"{prefix_of('partsbox')}cmd:{gone}")
    await bench.redis.delete(f"{prefix_of('partsbox')}cmd:{other}")
    await bench.redis.set(f"{prefix_of('partsbox')}cmd:{other}", "text")

    letters = {letter.key: letter for letter in (await bench.desk.find(Filter())).letters}

    assert {key: (letter.state, letter.reason) for key, letter in letters.items()} == {
        spoiled: (LetterState.DAMAGED, "field state: applied does not fit a dead letter"),
        gone: (LetterState.DAMAGED, "it is not there"),
        other: (LetterState.DAMAGED, "it is a string, not a hash"),
    }
    for key, letter in letters.items():
        assert json.dumps(letter.public())
        await refused(bench, DamagedRecordError, partial(bench.desk.replay, key, "anna"), "damaged record")
        await refused(bench, DamagedRecordError, partial(bench.desk.preview, key, {}), "damaged record")
        await bench.desk.discard(key, "anna", "entered by hand", revision=letter.revision)
    assert (await bench.desk.find(Filter())).letters == ()


async def test_bytes_that_no_answer_can_carry_are_shown_as_damage(bench: Bench) -> None:
    spoiled, sound = await bench.dead(), await bench.dead(part_id=OTHER_PART)
    await bench.redis.hset(f"{prefix_of('partsbox')}cmd:{spoiled}", "summary", b"add \xff")

    letters = {letter.key: letter for letter in (await bench.desk.find(Filter())).letters}

    assert (letters[spoiled].reason, letters[spoiled].summary) == ("field summary: not UTF-8", "add ?")
    assert letters[sound].state is LetterState.REJECTED
    await bench.desk.discard(spoiled, "anna", "entered by hand")


async def test_what_the_ledger_cannot_decide_about_is_not_replayed_and_says_why(bench: Bench) -> None:
    key = await bench.dead()
    await bench.redis.delete(f"{prefix_of('partsbox')}lane:part:{PART}")
    await bench.redis.set(f"{prefix_of('partsbox')}lane:part:{PART}", "text")

    for step in (partial(bench.desk.replay, key, "anna"), partial(bench.desk.edit, key, "anna", {"quantity": 7})):
        await refused(bench, TransitionRefusedError, step, "damaged: its lane is a string, not a list")


async def test_two_corrections_in_one_moment_never_undo_each_other(bench: Bench) -> None:
    key = await bench.dead()
    edits: list[dict[str, Any]] = [{"quantity": 7}, {"comments": "counted"}]

    answers = await asyncio.gather(*(bench.desk.edit(key, "anna", one) for one in edits), return_exceptions=True)

    refusals = [answer for answer in answers if isinstance(answer, BaseException)]
    assert all(isinstance(refusal, TransitionRefusedError) for refusal in refusals)
    record = await bench.ledgers["partsbox"].find(key)
    assert record is not None
    kept = json.loads(record.corrected or "{}")
    made = [one for one, answer in zip(edits, answers, strict=True) if not isinstance(answer, BaseException)]
    assert made
    assert {name: kept[name] for one in made for name in one} == {name: one[name] for one in made for name in one}
