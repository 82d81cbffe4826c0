"""What can be asked about parts: wrong input is refused with its field, and every value that matters is identity."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tasks.commands import MAX_LINE, MAX_LONG_TEXT, MAX_QUANTITY
from tasks.effects import Effect
from tasks.identity import marker_of
from tasks.part_links import MAX_LINKED
from tasks.part_upsert import CreatePart, UpsertPart
from tasks.parts import UpdatePart
from tasks.registry import command_type, parse_command, submittable_kinds
from tests.unit.command_checks import assert_refused, assert_survives_the_ledger

PART, OTHER, THIRD = "2" * 26, "3" * 26, "4" * 26
NOW_MS = 1_700_000_000_000
WHEN = {"stock_timestamp": NOW_MS}

FIELDS = {
    "description": "50 V, 10 nF",
    "notes": "# Notes\n\n- see the [data](sheet)",
    "footprint": "0603",
    "tags": ["smd", "c-0603"],
    "attrition_percentage": "2.5",
    "attrition_quantity": 3,
    "low_stock": 10,
}
UPSERT = {**WHEN, **FIELDS, "name": "C0603 10n", "part_type": "local"}
UPDATE = {**WHEN, **FIELDS, "part_id": PART, "name": "C0603 10n"}
DELETE = {**WHEN, "part_id": PART}
MEMBERS = {**WHEN, "part_id": PART, "member_ids": [OTHER, THIRD]}
SUBSTITUTES = {**WHEN, "part_id": PART, "substitute_ids": [OTHER, THIRD]}
SET_CUSTOM = {**WHEN, "part_id": PART, "custom_fields": [{"key": "Lead time", "value": "6 weeks"}]}
DELETE_CUSTOM = {**WHEN, "part_id": PART, "field_key": "Lead time"}
GOOD: dict[str, dict[str, Any]] = {
    "part.upsert": UPSERT,
    "part.create": UPSERT,
    "part.update": UPDATE,
    "part.delete": DELETE,
    "part.add_members": MEMBERS,
    "part.remove_members": MEMBERS,
    "part.add_substitutes": SUBSTITUTES,
    "part.remove_substitutes": SUBSTITUTES,
    "part.set_custom_fields": SET_CUSTOM,
    "part.delete_custom_field": DELETE_CUSTOM,
}


def many(count: int) -> list[str]:
    digits = "0123456789abcdefghjkmnpqrstvwxyz"
    return [digits[number // 32] + digits[number % 32] + "z" * 24 for number in range(count)]


#: Refused in part.upsert and part.update alike.
BAD_FIELDS: list[tuple[dict[str, Any], str, str]] = [
    ({"name": ""}, "name", "at least 1 character"),
    ({"name": " C0603"}, "name", "trimmed"),
    ({"name": "C0603\t"}, "name", "trimmed"),
    ({"name": "two\nlines"}, "name", "several lines"),
    ({"name": "two\u2028lines"}, "name", "several lines"),
    ({"name": "x" * (MAX_LINE + 1)}, "name", "200 characters"),
    ({"name": 7}, "name", "string"),
    ({"name": "bell \x07"}, "name", "control characters"),
    ({"name": f"C {marker_of('a' * 20)}"}, "name", "reserved"),
    ({"description": "x" * 1_001}, "description", "1000 characters"),
    ({"description": 7}, "description", "string"),
    ({"notes": "x" * (MAX_LONG_TEXT + 1)}, "notes", "20000 characters"),
    ({"notes": f"see {marker_of('a' * 20)}"}, "notes", "reserved"),
    ({"footprint": "two\nlines"}, "footprint", "several lines"),
    ({"footprint": "x" * (MAX_LINE + 1)}, "footprint", "200 characters"),
    ({"tags": "smd"}, "tags", "array"),
    ({"tags": ["two words"]}, "tags.0", "pattern"),
    ({"tags": ["x" * 101]}, "tags.0", "pattern"),
    ({"tags": [f"t{number}" for number in range(101)]}, "tags", "at most 100"),
    ({"attrition_percentage": "-1"}, "attrition_percentage", "greater than or equal to 0"),
    ({"attrition_percentage": "100.1"}, "attrition_percentage", "less than or equal to 100"),
    ({"attrition_percentage": "0.00001"}, "attrition_percentage", "4 decimal places"),
    ({"attrition_percentage": "much"}, "attrition_percentage", "not a decimal number"),
    ({"attrition_percentage": True}, "attrition_percentage", "Decimal"),
    ({"attrition_percentage": None}, "attrition_percentage", "both or neither"),
    ({"attrition_quantity": None}, "attrition_quantity", "both or neither"),
    ({"attrition_quantity": -1}, "attrition_quantity", "greater than or equal to 0"),
    ({"attrition_quantity": 1.5}, "attrition_quantity", "integer"),
    ({"attrition_quantity": MAX_QUANTITY + 1}, "attrition_quantity", "less than or equal to"),
    ({"low_stock": -1}, "low_stock", "greater than or equal to 0"),
    ({"low_stock": "10"}, "low_stock", "integer"),
    ({"low_stock": MAX_QUANTITY + 1}, "low_stock", "less than or equal to"),
    ({"colour": "red"}, "colour", "not permitted"),
]
BAD: list[tuple[str, dict[str, Any], str, str]] = [
    *(("part.upsert", *row) for row in BAD_FIELDS),
    *(("part.update", *row) for row in BAD_FIELDS),
    ("part.upsert", {"name": None}, "name", "string"),
    ("part.upsert", {"part_type": "linked"}, "part_type", "'local' or 'meta'"),
    ("part.upsert", {"part_id": PART}, "part_id", "not permitted"),
    ("part.update", {"part_type": "local"}, "part_type", "not permitted"),
    ("part.update", {"part_id": "C0603"}, "part_id", "pattern"),
    ("part.update", dict.fromkeys([*FIELDS, "name"]), "name", "at least one of"),
    ("part.delete", {"part_id": PART[1:]}, "part_id", "pattern"),
    ("part.delete", {"name": "C0603"}, "name", "not permitted"),
    ("part.add_members", {"member_ids": []}, "member_ids", "at least 1"),
    ("part.add_members", {"member_ids": many(MAX_LINKED + 1)}, "member_ids", "at most 200"),
    ("part.add_members", {"member_ids": ["C0603"]}, "member_ids.0", "pattern"),
    ("part.add_members", {"member_ids": [OTHER, OTHER]}, "member_ids", "twice"),
    ("part.add_members", {"member_ids": [OTHER, PART]}, "member_ids", "the part itself"),
    ("part.remove_members", {"member_ids": None}, "member_ids", "array"),
    ("part.remove_members", {"part_id": "meta"}, "part_id", "pattern"),
    ("part.add_substitutes", {"substitute_ids": []}, "substitute_ids", "at least 1"),
    ("part.add_substitutes", {"substitute_ids": many(MAX_LINKED + 1)}, "substitute_ids", "at most 200"),
    ("part.add_substitutes", {"substitute_ids": [PART]}, "substitute_ids", "the part itself"),
    ("part.remove_substitutes", {"substitute_ids": [OTHER, OTHER]}, "substitute_ids", "twice"),
    ("part.remove_substitutes", {"member_ids": [OTHER]}, "member_ids", "not permitted"),
    ("part.set_custom_fields", {"custom_fields": []}, "custom_fields", "at least 1"),
    (
        "part.set_custom_fields",
        {"custom_fields": [{"key": f"k{number}", "value": ""} for number in range(101)]},
        "custom_fields",
        "at most 100",
    ),
    ("part.set_custom_fields", {"custom_fields": {"Lead time": "6"}}, "custom_fields", "array"),
    ("part.set_custom_fields", {"custom_fields": [{"key": "", "value": ""}]}, "custom_fields.0.key", "at least 1"),
    (
        "part.set_custom_fields",
        {"custom_fields": [{"key": "x" * 257, "value": ""}]},
        "custom_fields.0.key",
        "256 characters",
    ),
    ("part.set_custom_fields", {"custom_fields": [{"key": " x", "value": ""}]}, "custom_fields.0.key", "trimmed"),
    (
        "part.set_custom_fields",
        {"custom_fields": [{"key": "x", "value": "y" * 1_025}]},
        "custom_fields.0.value",
        "1024 characters",
    ),
    ("part.set_custom_fields", {"custom_fields": [{"key": "x", "value": 6}]}, "custom_fields.0.value", "string"),
    ("part.set_custom_fields", {"custom_fields": [{"key": "x"}]}, "custom_fields.0.value", "required"),
    (
        "part.set_custom_fields",
        {"custom_fields": [{"key": "x", "value": "1"}, {"key": "x", "value": "2"}]},
        "custom_fields",
        "key twice",
    ),
    ("part.delete_custom_field", {"field_key": "x" * 257}, "field_key", "256 characters"),
    ("part.delete_custom_field", {"field_key": ""}, "field_key", "at least 1"),
]


@pytest.mark.parametrize(("kind", "change", "field", "reason"), BAD)
def test_bad_input_is_refused_with_its_field_and_a_reason(
    kind: str, change: dict[str, Any], field: str, reason: str
) -> None:
    assert_refused(kind, {**GOOD[kind], **change}, field, reason)


@pytest.mark.parametrize("kind", GOOD)
def test_good_input_is_a_command_and_survives_the_ledger(kind: str) -> None:
    assert_survives_the_ledger(kind, GOOD[kind])


@pytest.mark.parametrize(
    "change",
    [
        {"description": ""},
        {"notes": ""},
        {"footprint": ""},
        {"tags": []},
        {"low_stock": 0},
        {"attrition_percentage": "0", "attrition_quantity": 0},
    ],
)
def test_a_field_can_be_cleared_and_that_is_a_change(change: dict[str, Any]) -> None:
    command = parse_command("part.update", {**DELETE, **change})

    assert isinstance(command, UpdatePart)
    assert set(command.wanted()) == set(change)


def test_the_longest_of_everything_is_taken() -> None:
    longest = {"name": "x" * MAX_LINE, "notes": "y" * MAX_LONG_TEXT, "tags": [f"t{number}" for number in range(100)]}

    assert parse_command("part.update", {**UPDATE, **longest})
    assert parse_command("part.add_members", {**MEMBERS, "member_ids": many(MAX_LINKED)})


@pytest.mark.parametrize(
    ("kind", "effect"),
    [
        ("part.upsert", Effect.EXPAND),
        ("part.create", Effect.CREATE),
        ("part.update", Effect.SET),
        ("part.delete", Effect.GUARDED),
        ("part.add_members", Effect.SET),
        ("part.remove_members", Effect.SET),
        ("part.add_substitutes", Effect.SET),
        ("part.remove_substitutes", Effect.SET),
        ("part.set_custom_fields", Effect.SET),
        ("part.delete_custom_field", Effect.GUARDED),
    ],
)
def test_the_effect_of_each_kind(kind: str, effect: Effect) -> None:
    assert command_type(kind).effect is effect
    assert command_type(kind).vendor == "partsbox"


@pytest.mark.parametrize("kind", [kind for kind in GOOD if kind not in ("part.upsert", "part.create", "part.update")])
def test_a_change_of_a_part_is_serial_with_the_parts_stock(kind: str) -> None:
    move = {**WHEN, "part_id": PART, "storage_id": OTHER, "quantity": 1}

    assert parse_command(kind, GOOD[kind]).lanes() == parse_command("stock.add", move).lanes() == (f"part:{PART}",)


def test_a_rename_is_serial_with_an_upsert_of_the_new_name_too() -> None:
    name = "part-name:C0603 10n"

    assert parse_command("part.upsert", UPSERT).lanes() == (name,)
    assert parse_command("part.create", UPSERT).lanes() == (name,)
    assert parse_command("part.update", UPDATE).lanes() == (f"part:{PART}", name)
    assert parse_command("part.update", {**UPDATE, "name": None}).lanes() == (f"part:{PART}",)


def test_a_creation_can_only_follow_from_an_upsert() -> None:
    assert "part.upsert" in submittable_kinds()
    assert "part.create" not in submittable_kinds()


#: Another value of each identity field; several where they go together.
CHANGES: dict[str, Any] = {
    "stock_timestamp": NOW_MS + 1,
    "source": "other",
    "part_id": "5" * 26,
    "name": "other",
    "part_type": "meta",
    "description": "other",
    "notes": "other",
    "footprint": "other",
    "tags": ["other"],
    "attrition_percentage": "7",
    "attrition_quantity": 7,
    "low_stock": 7,
    "member_ids": [OTHER],
    "substitute_ids": [OTHER],
    "custom_fields": [{"key": "Lead time", "value": "7 weeks"}],
    "field_key": "other",
}


@pytest.mark.parametrize("kind", GOOD)
def test_every_field_but_the_comment_makes_another_command(kind: str) -> None:
    names = set(command_type(kind).model_fields) - {"comments"}
    keys = {parse_command(kind, GOOD[kind]).key()}

    for name in names:
        keys.add(parse_command(kind, {**GOOD[kind], name: CHANGES[name]}).key())

    assert len(keys) == len(names) + 1
    assert parse_command(kind, {**GOOD[kind], "comments": "other"}).key() in keys


def test_what_is_wanted_has_one_form() -> None:
    changes = {"tags": ["b", "a", "b"], "attrition_percentage": "2.50"}

    command = parse_command("part.update", {**UPDATE, **changes})

    assert isinstance(command, UpdatePart)
    assert command.wanted() == {
        "name": "C0603 10n",
        "description": "50 V, 10 nF",
        "notes": "# Notes\n\n- see the [data](sheet)",
        "footprint": "0603",
        "tags": ["a", "b"],
        "attrition_percentage": "2.5",
        "attrition_quantity": 3,
        "low_stock": 10,
    }
    assert json.loads(json.dumps(command.wanted())) == command.wanted()


def test_summaries_say_what_is_asked() -> None:
    assert UpsertPart(stock_timestamp=NOW_MS, name="R 10k").summary() == "create or update the part named R 10k"
    assert CreatePart(stock_timestamp=NOW_MS, name="R 10k").summary() == "create the part named R 10k"
    some = {"name": None, "description": None, "notes": None, "attrition_percentage": None, "attrition_quantity": None}
    update = parse_command("part.update", {**UPDATE, **some})
    assert update.summary() == "set footprint, tags, low_stock of part 22222222…"
    for kind, words in {
        "part.delete": "delete part 22222222…",
        "part.add_members": "add 2 members to meta-part 22222222…",
        "part.remove_members": "remove 2 members from meta-part 22222222…",
        "part.add_substitutes": "add 2 substitutes to part 22222222…",
        "part.remove_substitutes": "remove 2 substitutes from part 22222222…",
        "part.set_custom_fields": "set 1 custom fields of part 22222222…",
        "part.delete_custom_field": "delete custom field Lead time of part 22222222…",
    }.items():
        assert parse_command(kind, GOOD[kind]).summary() == words
