"""Correcting a dead letter: what is kept of it, what is checked, what the diff says."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.dead_letter_edits import FIXED_FIELDS, asked_of, corrected, diff_of, schema_of
from tasks.dead_letter_records import Change
from tasks.records import CommandRecord
from tasks.registry import InvalidCommandError, command_type, kinds, parse_command
from tests.command_examples import GOOD


def record(kind: str = "stock.add", **fields: str) -> CommandRecord:
    command = parse_command(kind, GOOD[kind])
    kept = {"kind": kind, "state": "rejected", "command": command.model_dump_json(exclude_none=True), **fields}
    return CommandRecord.from_hash("a" * 20, command.vendor, {**kept, "summary": command.summary(), "lanes": "[]"})


def test_fields_that_are_not_edited_stay_as_they_are() -> None:
    assert corrected(record(), {"quantity": 7}) == parse_command("stock.add", {**GOOD["stock.add"], "quantity": 7})


def test_none_takes_a_field_out() -> None:
    before = corrected(record(), {"price": "1.50", "currency": "eur"})
    priced = record(command=before.model_dump_json(exclude_none=True))

    assert corrected(priced, {"price": None, "currency": None}) == parse_command("stock.add", GOOD["stock.add"])


def test_a_kept_correction_is_what_is_corrected_further() -> None:
    kept = corrected(record(), {"quantity": 7}).model_dump_json(exclude_none=True)
    letter = record(corrected=kept, corrected_summary="add 7")

    diff = diff_of(letter, corrected(letter, {"comments": "counted"}), "1.1")

    assert asked_of(letter)["quantity"] == 7
    assert diff.changes == (Change("comments", "", "counted"),)
    assert diff.old_summary == "add 7"


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "[" * 100_000], ids=["none", "cut", "list", "null", "deep"])
def test_an_unreadable_command_cannot_be_corrected(text: str) -> None:
    with pytest.raises(InvalidCommandError, match="unreadable, so it cannot be corrected"):
        corrected(record(command=text), {"quantity": 5})


@pytest.mark.parametrize("kind", kinds())
def test_every_kind_can_be_corrected_by_its_schema(kind: str) -> None:
    schema = schema_of(kind)
    letter = record(kind)

    same = corrected(letter, {})

    assert diff_of(letter, same, "1.0").changes == ()
    assert set(schema["properties"]) == set(command_type(kind).model_fields)
    assert set(FIXED_FIELDS) == {name for name, field in schema["properties"].items() if field.get("readOnly")}
    assert diff_of(letter, corrected(letter, {"comments": "seen"}), "1.0").changes == (Change("comments", "", "seen"),)


@pytest.mark.parametrize("value", [1_700_000_000_000, None, "x" * 500], ids=["number", "nothing", "long"])
def test_the_event_never_changes(value: Any) -> None:
    with pytest.raises(InvalidCommandError, match="says which event it was and never changes") as caught:
        corrected(record(), {"stock_timestamp": value, "quantity": 5})

    (problem,) = caught.value.problems
    assert len(problem.value) <= 80
