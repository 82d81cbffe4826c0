"""How custom fields of a part are set and deleted where the vendor need not show them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tasks.errors import RejectedError
from tasks.lookup import Absent, Image, Landed, Proof, Undecidable, Why
from tasks.ports import Record
from tasks.registry import parse_command, task_of
from tasks.task import Before
from tests.unit.part_harness import DELETE_CUSTOM, LOCAL, PART, SET_CUSTOM, before, look, proof, target


async def test_an_empty_custom_field_that_is_not_shown_is_not_missing() -> None:
    now = replace(LOCAL, custom_fields={"b": "2"})
    found = (Record("part", PART, {"b": "2", "a": None}),)

    assert await proof("part.set_custom_fields", SET_CUSTOM, LOCAL, now) == Landed(found, Proof.ANSWER)


@pytest.mark.parametrize("shown", [None, {}, {"z": "9"}])
async def test_custom_fields_that_are_not_shown_are_proved_by_the_answer(shown: dict[str, str] | None) -> None:
    part = replace(LOCAL, custom_fields=shown)

    assert (await before("part.set_custom_fields", SET_CUSTOM, part)).finding == Absent()
    assert await proof("part.set_custom_fields", SET_CUSTOM, part, part) == Absent()
    assert await look("part.set_custom_fields", SET_CUSTOM, part, part) == Absent()


@pytest.mark.parametrize("shown", [{"a": "old"}, {"a": "old", "b": "2"}], ids=["one of them", "all of them"])
async def test_a_confirmed_custom_field_that_still_shows_its_old_value_was_ignored(shown: dict[str, str]) -> None:
    part = replace(LOCAL, custom_fields=shown)

    assert await proof("part.set_custom_fields", SET_CUSTOM, part, part) == Undecidable(Why.IGNORED)


@pytest.mark.parametrize("shown", [None, {}, {"z": "9"}, {"a": "x"}])
async def test_a_custom_field_is_deleted_though_it_is_not_shown(shown: dict[str, str] | None) -> None:
    found = await before("part.delete_custom_field", DELETE_CUSTOM, replace(LOCAL, custom_fields=shown))

    assert found == Before(Image(fields={"a": (shown or {}).get("a")}), Absent())


async def test_a_deleted_custom_field_is_proved_by_its_absence() -> None:
    there, last = replace(LOCAL, custom_fields={"a": "x"}), replace(LOCAL, custom_fields=None)
    gone = Landed((Record("part", PART, {"a": None}),), Proof.STATE)

    assert (await before("part.delete_custom_field", DELETE_CUSTOM, last, doubted=True)).finding == gone
    assert await look("part.delete_custom_field", DELETE_CUSTOM, there, last) == gone
    assert await look("part.delete_custom_field", DELETE_CUSTOM, there, there) == Absent()
    assert await proof("part.delete_custom_field", DELETE_CUSTOM, there, last) == gone
    assert await proof("part.delete_custom_field", DELETE_CUSTOM, there, there) == Undecidable(Why.IGNORED)


@pytest.mark.parametrize("shown", [None, {}, {"z": "9"}])
async def test_a_lost_deletion_of_a_custom_field_that_was_never_shown_is_not_taken_for_done(
    shown: dict[str, str] | None,
) -> None:
    part = replace(LOCAL, custom_fields=shown)
    seen = (Record("part", PART, {"a": None}),)

    assert await look("part.delete_custom_field", DELETE_CUSTOM, part, part) == Undecidable(Why.IGNORED, seen)
    assert await proof("part.delete_custom_field", DELETE_CUSTOM, part, part) == Landed(seen, Proof.ANSWER)


async def test_the_deletion_of_a_custom_field_that_was_never_shown_is_sent_again_when_a_person_says_so() -> None:
    command, never = parse_command("part.delete_custom_field", DELETE_CUSTOM), Image(fields={"a": None})

    found = await task_of("part.delete_custom_field").before(command, target(LOCAL, image=never, doubted=True))

    assert found == Before(never, Absent())


async def test_a_custom_field_of_a_part_that_is_not_there_is_refused() -> None:
    with pytest.raises(RejectedError, match=r"^part_id: there is no"):
        await before("part.delete_custom_field", DELETE_CUSTOM, None)
