"""`--edit FIELD=VALUE`: text where the field takes text, JSON where it does not."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.records import CommandRecord
from tasks.registry import InvalidCommandError, parse_command
from workers.cli.edits import corrected, parse_edit

PART = "0123456789abcdefghjkmnpqrs"
STORAGE = "1123456789abcdefghjkmnpqrs"


def record(kind: str = "stock.add", **fields: Any) -> CommandRecord:
    payload = {"stock_timestamp": 1_790_000_000_000, "part_id": PART, "storage_id": STORAGE, "quantity": 5, **fields}
    text = parse_command(kind, payload).model_dump_json(exclude_none=True)
    return stored(kind, text)


def stored(kind: str, text: str) -> CommandRecord:
    return CommandRecord.from_hash("a" * 20, "partsbox", {"kind": kind, "state": "rejected", "command": text})


@pytest.mark.parametrize(
    ("edit", "field", "value"),
    [
        ("quantity=12", "quantity", 12),
        ("comments=12", "comments", "12"),
        ("comments=", "comments", ""),
        ("comments=a=b", "comments", "a=b"),
        ("vendor_sku=true", "vendor_sku", "true"),
        ('lot={"name": "B7"}', "lot", {"name": "B7", "tags": []}),
        (f"storage_id={PART}", "storage_id", PART),
        ("storage_id=" + "2" * 26, "storage_id", "2" * 26),
    ],
)
def test_a_value_takes_the_type_of_its_field(edit: str, field: str, value: object) -> None:
    command = corrected(record(comments="old"), dict([parse_edit(edit)]))

    assert command.model_dump(mode="json", exclude_none=True)[field] == value


def test_null_takes_a_field_out() -> None:
    command = corrected(record(price="1.50", currency="eur"), {"price": "null", "currency": "null"})

    assert "price" not in command.model_dump(exclude_none=True)


def test_fields_that_are_not_edited_stay_as_they_are() -> None:
    before = record(price="1.50", currency="eur", comments="kept")

    command = corrected(before, {"quantity": "7"})

    assert command == parse_command("stock.add", {**_asked(before), "quantity": 7})


def _asked(before: CommandRecord) -> dict[str, Any]:
    return parse_command(before.kind, before.command.encode()).model_dump(mode="json", exclude_none=True)


@pytest.mark.parametrize("edits", [{"quantity": "five"}, {"quantity": "5.5"}, {"quantity": '{"a": 1}'}, {"lot": "B7"}])
def test_a_value_of_the_wrong_type_names_its_field(edits: dict[str, str]) -> None:
    with pytest.raises(InvalidCommandError) as caught:
        corrected(record(), edits)

    assert {problem.field for problem in caught.value.problems} == set(edits)


@pytest.mark.parametrize("text", ["", "{", "[1]"])
def test_an_unreadable_command_cannot_be_corrected(text: str) -> None:
    with pytest.raises(InvalidCommandError, match="unreadable"):
        corrected(stored("stock.add", text), {"quantity": "5"})
