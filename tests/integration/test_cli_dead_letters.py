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
    died = [letter["died_ms"] for letter in listed["dead_letters"]]
    assert died == sorted(died, reverse=True)
    assert "2 of 3; --limit shows more" in text
    assert "quantity: not enough stock" in text


async def test_an_empty_list_says_so(person: Operator) -> None:
    assert (await person.run("dead-letters", "list")).stdout == "No dead letters.\n"
    assert await person.json("dead-letters", "list") == {
        "total": 0,
        "after": None,
        "dead_letters": [],
    }


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


async def test_a_correction_may_send_a_held_command_to_another_lane_when_it_is_told_where(person: Operator) -> None:
    held = await person.dead(command(1), State.HELD)
    (behind,) = await person.admit(command(2))
    words = ("dead-letters", "replay", held, "--edit", f"part_id={OTHER_PART}")

    assert "say where in them, at the head or the tail" in (await person.run(*words, code=1)).stderr
    assert (await found(person, behind)).state is State.WAITING
    await person.run(*words, "--at", "tail")

    assert (await found(person, held)).lanes == (f"part:{OTHER_PART}",)
    assert (await found(person, behind)).state is State.READY


async def test_the_advice_for_a_held_one_that_leaves_its_lane_is_not_refused(person: Operator) -> None:
    key = await person.dead(command(1), State.HELD, reason="outcome unknown")
    await person.run("dead-letters", "edit", key, f"part_id={OTHER_PART}", "--by", "ada")

    advice = (await person.run("dead-letters", "show", key)).stdout
    (line,) = [line for line in advice.splitlines() if line.lstrip().startswith("again ")]

    await person.run(*line.split("stockrelay ")[1].split())


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
        ("quantity=5", "change nothing"),
        ("price=2", "currency: missing"),
        ("part_id=null", "part_id: Field required"),
        ("kind=stock.remove", "kind: Extra inputs"),
    ],
)
async def test_a_correction_that_cannot_be_is_wrong_usage(person: Operator, edit: str, said: str) -> None:
    key = await person.dead(command(1))

    assert said in (await person.run("dead-letters", "replay", key, "--edit", edit, code=2)).stderr
    assert (await found(person, key)).state is State.REJECTED


async def test_the_list_is_filtered_and_goes_on_behind_a_cursor(person: Operator) -> None:
    held = await person.dead(command(1, comments="x"), State.HELD, reason="nobody knows")
    rejected = [await person.dead(command(number, part_id=f"{number:026d}")) for number in (2, 3)]

    async def keys(*words: str) -> list[str]:
        return [letter["key"] for letter in (await person.json("dead-letters", "list", *words))["dead_letters"]]

    assert await keys("--state", "held") == [held]
    assert await keys("--reason", "NOBODY", "--kind", "stock.add") == [held]
    assert await keys("--text", f"part:{3:026d}") == [rejected[1]]
    assert set(await keys("--since", "1h", "--until", "2100-01-01T08:30")) == {*rejected, held}
    assert await keys("--until", "2d") == []
    first = await person.json("dead-letters", "list", "--limit", "2")
    assert await keys("--after", first["after"]) == (await keys())[2:]
    assert "None of 3 dead letters fits." in (await person.run("dead-letters", "list", "--kind", "stock.move")).stdout
    some = (await person.run("dead-letters", "list", "--state", "rejected", "--limit", "1")).stdout
    assert "more may fit; --limit shows more" in some


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--since", "yesterday"), "is no moment"),
        (("--since", "2026-13-01"), "is no moment"),
        (("--after", "nonsense"), "after: not what a page gave"),
        (("--since", "1h", "--until", "2h"), "until_ms: not after since_ms"),
        (("--state", "applied"), "'applied' is not one of"),
        (("--kind", "stock.ad"), "'stock.ad' is not one of"),
    ],
)
async def test_a_list_that_cannot_be_is_wrong_usage(person: Operator, words: tuple[str, ...], said: str) -> None:
    assert said in (await person.run("dead-letters", "list", *words, code=2)).stderr


async def test_a_long_list_is_collected_from_several_pages(person: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.dead_letter_search.MAX_LOOKED", 2)
    keys = [await person.dead(command(number, part_id=f"{number:026d}")) for number in range(7)]

    listed = await person.json("dead-letters", "list", "--limit", "6")

    whole = await person.json("dead-letters", "list")
    assert {letter["key"] for letter in whole["dead_letters"]} == set(keys)
    assert listed["dead_letters"] == whole["dead_letters"][:6]


async def test_a_correction_is_shown_kept_and_sent_by_the_replay(person: Operator) -> None:
    key = await person.dead(command(1))

    shown = (await person.run("dead-letters", "edit", key, "quantity=4", "--diff")).stdout
    assert "would change" in shown
    assert "5 -> 4" in shown
    assert (await found(person, key)).corrected is None
    kept = await person.json("dead-letters", "edit", key, "quantity=4", "--by", "Ada")
    assert (kept["key"], kept["kept"], kept["changes"]) == (key, True, [{"field": "quantity", "old": 5, "new": 4}])
    assert "corrected by Ada, not replayed yet" in (await person.run("dead-letters", "list")).stdout
    story = await person.json("dead-letters", "show", key)
    assert (story["command"]["quantity"], story["corrected"]["quantity"], story["edited_by"]) == (5, 4, "Ada")
    text = (await person.run("show", key)).stdout
    assert "Corrected by Ada, for the next replay\n  quantity  4\n" in text
    replayed = await person.json("dead-letters", "replay", key, "--by", "Bea")
    assert replayed == {"key": key, "state": "ready", "summary": (await found(person, key)).summary}
    assert replayed["summary"].startswith("add 4 of part")


async def test_a_diff_of_nothing_says_so_and_an_edit_of_nothing_is_refused(person: Operator) -> None:
    key = await person.dead(command(1))

    assert (await person.run("dead-letters", "edit", key, "quantity=5", "--diff")).stdout == "Nothing changes.\n"
    assert "change nothing" in (await person.run("dead-letters", "edit", key, "quantity=5", code=2)).stderr
    await person.run("dead-letters", "edit", key, code=2)


async def test_a_rejected_command_is_replayed_at_the_head_when_it_is_told_so(person: Operator) -> None:
    rejected = await person.dead(command(1))
    running, waiting = await person.admit(command(2), command(3))

    await person.run("dead-letters", "replay", rejected, "--at", "head")

    assert await person.ledger.lane(f"part:{PART}", 5) == (3, [running, rejected, waiting])


async def test_a_discard_tells_programs_what_became_of_it(person: Operator) -> None:
    key = await person.dead(command(1))

    said = await person.json("dead-letters", "discard", key, "--reason", "old")

    assert (said["key"], said["state"]) == (key, "discarded")


async def test_replaying_what_sets_a_value_warns_of_newer_ones(person: Operator) -> None:
    fields = {"description": "left wall", "quantity": None, "part_id": None}
    key = await person.dead(command(1, "storage.update", **fields))

    assert "overwrites whatever was set after it" in (await person.run("dead-letters", "show", key)).stdout


@pytest.mark.parametrize(
    "decision", [("replay",), ("discard", "--reason", "old"), ("edit", "quantity=7")], ids=" ".join
)
async def test_a_decision_about_a_letter_that_somebody_has_changed_since_is_refused(
    person: Operator, decision: tuple[str, ...]
) -> None:
    key = await person.dead(command(1))
    (seen,) = (await person.json("dead-letters", "list"))["dead_letters"]
    assert f"--revision {seen['revision']}:" in (await person.run("dead-letters", "show", key)).stdout
    await person.run("dead-letters", "edit", key, "quantity=6", "--by", "Ada")
    verb, *rest = decision

    late = await person.run("dead-letters", verb, key, *rest, "--revision", seen["revision"], code=1)

    assert "has changed since" in late.stderr
    (left,) = (await person.json("dead-letters", "list"))["dead_letters"]
    assert left["edited_by"] == "Ada"
    await person.run("dead-letters", verb, key, *rest, "--revision", left["revision"])


async def test_a_bulk_replay_is_begun_watched_and_cancelled(person: Operator) -> None:
    for number in range(3):
        await person.dead(command(number, part_id=f"{number:026d}"))

    (begun,) = await person.json("dead-letters", "redrive", "start", "--kind", "stock.add", "--per-second", "0.001")
    await person.ledger.move_redrives()

    assert (begun["total"], begun["state"], begun["filter"]) == (3, "running", {"kind": "stock.add"})
    text = (await person.run("dead-letters", "redrive", "ls")).stdout
    assert "1 of 3 replayed" in text
    assert "kind stock.add" in text
    cancelled = await person.run("dead-letters", "redrive", "cancel", begun["id"], "--by", "Ada")
    assert cancelled.stdout == f"{begun['id']} cancelled: 1 of 3 replayed\n"
    (listed,) = await person.json("dead-letters", "redrive", "ls")
    assert (listed["state"], listed["cancelled_by"], listed["left"]) == ("cancelled", "Ada", 0)
    assert (await person.json("dead-letters", "list"))["total"] == 2


async def test_what_a_bulk_replay_left_alone_is_said(person: Operator) -> None:
    key = await person.dead(command(1))
    await person.json("dead-letters", "redrive", "start", "--all")
    await person.run("dead-letters", "discard", key, "--reason", "old")
    await person.ledger.move_redrives()

    text = (await person.run("dead-letters", "redrive", "ls")).stdout

    assert "0 of 1 replayed, 1 left alone: rejected" in " ".join(text.split())


async def test_a_bulk_replay_of_everything_must_be_meant(person: Operator) -> None:
    await person.dead(command(1))

    assert "or --all" in (await person.run("dead-letters", "redrive", "start", code=2)).stderr
    wrong = await person.run("dead-letters", "redrive", "start", "--all", "--per-second", "1000", code=2)
    assert "per_second: not between" in wrong.stderr
    nothing = await person.run("dead-letters", "redrive", "start", "--state", "held", code=1)
    assert "no dead letter that can be replayed fits" in nothing.stderr
    assert await person.json("dead-letters", "redrive", "start", "--state", "held", code=1) == []
    assert (await person.run("dead-letters", "redrive", "ls")).stdout == "No bulk replays.\n"
    assert "no such bulk replay" in (await person.run("dead-letters", "redrive", "cancel", "x", code=1)).stderr


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
