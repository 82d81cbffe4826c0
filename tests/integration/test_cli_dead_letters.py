"""`stockrelay dead-letters` on a real server: listed, corrected, replayed, discarded."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

import pytest

from tasks.records import State
from tests.integration.cli_harness import EVENT_MS, OTHER_PART, PART, STORAGE, Operator, command, operator

if TYPE_CHECKING:
    import redis.asyncio

    from tasks.records import CommandRecord
    from tests.conftest import SharedValkey


@pytest.fixture
def person(valkey: SharedValkey, redis_client: redis.asyncio.Redis) -> Operator:
    return operator(valkey.url, redis_client)


async def found(person: Operator, key: str) -> CommandRecord:
    record = await person.ledger.find(key)
    assert record is not None
    return record


async def test_the_list_is_newest_first_with_reasons_and_says_what_it_leaves_out(person: Operator) -> None:
    parts = (PART, OTHER_PART, STORAGE)
    keys = [await person.dead(command(number, part_id=part)) for number, part in enumerate(parts)]

    listed = await person.json("dead-letters", "list", "--limit", "2", "--vendor", "partsbox")
    text = (await person.run("dead-letters", "list", "--limit", "2")).stdout

    assert listed["total"] == 3
    assert {letter["key"] for letter in listed["dead_letters"]} < set(keys)
    assert [letter["reason"] for letter in listed["dead_letters"]] == ["quantity: not enough stock"] * 2
    died = [letter["updated_ms"] for letter in listed["dead_letters"]]
    assert died == sorted(died, reverse=True)
    assert "2 of 3; --limit shows more" in text
    assert "quantity: not enough stock" in text


async def test_an_empty_list_says_so(person: Operator) -> None:
    assert (await person.run("dead-letters", "list")).stdout == "No dead letters.\n"
    assert await person.json("dead-letters", "list") == {"total": 0, "dead_letters": []}


async def test_show_says_what_can_be_done(person: Operator) -> None:
    rejected = await person.dead(command(1))
    held = await person.dead(command(2, part_id=OTHER_PART), State.HELD, reason="outcome unknown")

    assert f"stockrelay dead-letters replay {rejected}" in (await person.run("dead-letters", "show", rejected)).stdout
    text = (await person.run("dead-letters", "show", held)).stdout
    assert "see what partsbox has" in text
    assert f"stockrelay dead-letters discard {held} --reason TEXT" in text
    assert (await person.json("dead-letters", "show", held))["state"] == "held"


async def test_only_dead_letters_are_shown_replayed_or_discarded(person: Operator) -> None:
    (key,) = await person.admit(command(1))

    for words in (("show", key), ("replay", key), ("discard", key, "--reason", "old")):
        assert f"{key} is ready, not a dead letter" in (await person.run("dead-letters", *words, code=1)).stderr


async def test_a_replay_makes_the_same_command_ready_under_its_key(person: Operator) -> None:
    key = await person.dead(command(1))
    before = await found(person, key)

    await person.run("dead-letters", "replay", key)

    record = await found(person, key)
    assert (record.state, record.command, record.original) == (State.READY, before.command, None)
    assert record.replayed_by == getpass.getuser()
    assert (await person.json("dead-letters", "list"))["total"] == 0


async def test_a_corrected_replay_keeps_the_original_and_who_corrected_it(person: Operator) -> None:
    key = await person.dead(command(1, comments="first"))
    before = await found(person, key)

    result = await person.run(
        "dead-letters", "replay", key, "--edit", "quantity=4", "--edit", "comments=7", "--by", "Ada"
    )

    record = await found(person, key)
    shown = await person.json("show", key)
    assert "now ready: add 4 of part" in result.stdout
    assert (record.state, record.original, record.replayed_by) == (State.READY, before.command, "Ada")
    assert (shown["command"]["quantity"], shown["command"]["comments"]) == (4, "7")
    assert shown["command"]["stock_timestamp"] == EVENT_MS + 1
    assert record.summary.startswith("add 4 of part")
    text = (await person.run("show", key)).stdout
    assert "4  (originally 5)" in text
    assert "replayed  by Ada" in text


async def test_a_correction_may_send_a_held_command_to_another_lane(person: Operator) -> None:
    held = await person.dead(command(1), State.HELD)
    (behind,) = await person.admit(command(2))

    await person.run("dead-letters", "replay", held, "--edit", f"part_id={OTHER_PART}")

    assert (await found(person, held)).lanes == (f"part:{OTHER_PART}",)
    assert (await found(person, behind)).state is State.READY


async def test_a_wrong_correction_names_every_field_and_changes_nothing(person: Operator) -> None:
    key = await person.dead(command(1))
    before = await found(person, key)

    result = await person.run(
        *("dead-letters", "replay", key, "--edit", "quantity=-4", "--edit", "colour=red", "--edit", "price=2"), code=2
    )

    assert "  quantity: Input should be greater than 0 (got -4)" in result.stderr
    assert "  colour: Extra inputs are not permitted" in result.stderr
    assert await found(person, key) == before


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ("quantity", "is not FIELD=VALUE"),
        ("=5", "is not FIELD=VALUE"),
        ("stock_timestamp=1790000000000", "never changes"),
        ("source=other", "never changes"),
        ("quantity=5", "changes nothing"),
        ("price=2", "currency: missing"),
        ("part_id=null", "part_id: Field required"),
        ("kind=stock.remove", "kind: Extra inputs"),
    ],
)
async def test_a_correction_that_cannot_be_is_wrong_usage(person: Operator, edit: str, said: str) -> None:
    key = await person.dead(command(1))

    assert said in (await person.run("dead-letters", "replay", key, "--edit", edit, code=2)).stderr
    assert (await found(person, key)).state is State.REJECTED


async def test_discard_closes_a_held_command_and_frees_its_lane(person: Operator) -> None:
    held = await person.dead(command(1), State.HELD)
    (behind,) = await person.admit(command(2))

    await person.run("dead-letters", "discard", held, "--reason", "counted by hand", "--by", "Ada")

    record = await found(person, held)
    assert (record.state, record.discarded_by, record.reason) == (
        State.REJECTED,
        "Ada",
        "discarded by Ada: counted by hand",
    )
    assert (await found(person, behind)).state is State.READY
    again = await person.run("dead-letters", "replay", held, code=1)
    assert "is discarded, not a dead letter" in again.stderr


@pytest.mark.parametrize("words", [(), ("--reason", " "), ("--reason", "a\x1b[2J"), ("--reason", "x" * 121)])
async def test_discard_wants_a_reason_in_one_plain_line(person: Operator, words: tuple[str, ...]) -> None:
    key = await person.dead(command(1))

    await person.run("dead-letters", "discard", key, *words, code=2)

    assert (await found(person, key)).discarded_by is None
