"""`FIELD=VALUE`: text where the field takes text, JSON where it does not."""

from __future__ import annotations

from typing import Any

import click
import pytest

from tasks.dead_letter_edits import corrected
from tasks.dead_letter_records import Change, Diff
from tasks.records import CommandRecord
from tasks.registry import InvalidCommandError, parse_command
from workers.cli.edits import diff_lines, refusals, values_of
from workers.cli.field_values import field_pair

PART = "0123456789abcdefghjkmnpqrs"
STORAGE = "1123456789abcdefghjkmnpqrs"


def record(kind: str = "stock.add", **fields: Any) -> CommandRecord:
    payload = {"stock_timestamp": 1_790_000_000_000, "part_id": PART, "storage_id": STORAGE, "quantity": 5, **fields}
    text = parse_command(kind, payload).model_dump_json(exclude_none=True)
    return CommandRecord.from_hash("a" * 20, "partsbox", {"kind": kind, "state": "rejected", "command": text})


@pytest.mark.parametrize(
    ("edit", "field", "value"),
    [
        ("quantity=12", "quantity", 12),
        ("comments=12", "comments", "12"),
        ("comments=", "comments", ""),
        ("comments=a=b", "comments", "a=b"),
        ("vendor_sku=true", "vendor_sku", "true"),
        ('lot={"name": "B7"}', "lot", {"name": "B7"}),
        ("price=null", "price", None),
        (f"storage_id={PART}", "storage_id", PART),
        ("storage_id=" + "2" * 26, "storage_id", "2" * 26),
        ("quantity=five", "quantity", "five"),
    ],
)
def test_a_value_takes_the_type_of_its_field(edit: str, field: str, value: object) -> None:
    assert values_of(record(comments="old"), [field_pair(edit)]) == {field: value}


@pytest.mark.parametrize("edits", [{"quantity": "five"}, {"quantity": "5.5"}, {"quantity": '{"a": 1}'}, {"lot": "B7"}])
def test_a_value_of_the_wrong_type_stays_wrong(edits: dict[str, str]) -> None:
    with pytest.raises(InvalidCommandError) as caught:
        corrected(record(), values_of(record(), list(edits.items())))

    assert {problem.field for problem in caught.value.problems} == set(edits)


@pytest.mark.parametrize("text", ["quantity", "=5", ""])
def test_what_is_no_pair_is_wrong_usage(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not FIELD=VALUE"):
        field_pair(text)


def test_a_field_that_is_given_twice_is_refused_and_not_the_last_one_taken() -> None:
    with pytest.raises(click.UsageError, match="a field is given twice"):
        values_of(record(), [("quantity", "1"), ("quantity", "2")])


def test_bytes_that_are_no_text_are_refused_with_the_field_they_were_given_for() -> None:
    with pytest.raises(click.BadParameter, match="'comments': the value is not UTF-8"):
        field_pair(b"comments=\xff".decode(errors="surrogateescape"))


@pytest.mark.parametrize("text", ['{"name": "a", "name": "b"}', "NaN", "[" * 100_000], ids=["twice", "NaN", "deep"])
def test_json_that_means_no_one_thing_stays_a_text_and_is_refused(text: str) -> None:
    values = values_of(record(), [("lot", text)])

    assert values == {"lot": text}
    with pytest.raises(InvalidCommandError):
        corrected(record(), values)


def test_a_diff_is_told_in_words() -> None:
    diff = Diff(
        (Change("quantity", 5, 4), Change("price", None, "1.5"), Change("comments", "old", "")),
        *("add 5", "add 4", ("part:a",), ("part:b", "lot:c"), "1.0"),
    )

    assert list(diff_lines(diff)) == [
        ("quantity", "5 -> 4"),
        ("price", "not given -> 1.5"),
        ("comments", 'old -> ""'),
        ("what", "add 5 -> add 4"),
        ("lanes", "part:a -> part:b, lot:c"),
    ]


def test_a_refusal_names_every_field_and_shows_no_control_characters() -> None:
    with pytest.raises(click.UsageError) as caught, refusals("the corrected command"):
        corrected(record(), {"quantity": -1, "a\x1bb": 1})

    assert "the corrected command is refused:\n" in caught.value.message
    assert "  quantity: " in caught.value.message
    assert "  a\\x1bb: " in caught.value.message
