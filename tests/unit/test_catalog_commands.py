"""Catalog commands: what is refused at the door, with its field and a reason, and what makes two the same one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.catalog import MAX_COMMAND_BYTES, DeleteAssembly, DeletePart, UpsertAssembly, UpsertPart
from tasks.effects import Effect
from tasks.registry import InvalidCommandError, parse_command, submittable_kinds
from workers.packing import Item
from workers.vendors.partium import wire

NOW_MS = 1_700_000_000_000
ATTRIBUTE: dict[str, Any] = {"attribute_id": "weight", "values": [{"organization": "", "value": {"en": "5 g"}}]}
PART: dict[str, Any] = {
    "stock_timestamp": NOW_MS,
    "part_id": "part1",
    "name": {"en": "Screw", "de": "Schraube"},
    "attributes": [ATTRIBUTE],
}
ASSEMBLY: dict[str, Any] = {"stock_timestamp": NOW_MS, "ass_id": "ass2", "parent_id": "ass1", "name": {"en": "Engine"}}
DELETED: dict[str, Any] = {"stock_timestamp": NOW_MS, "part_id": "part1"}


def attribute(**changes: Any) -> list[dict[str, Any]]:
    return [ATTRIBUTE | changes]


BAD: list[tuple[str, dict[str, Any], dict[str, Any], str, str]] = [
    ("upsert_part", PART, {"part_id": ""}, "part_id", "at least 1"),
    ("upsert_part", PART, {"part_id": "x" * 201}, "part_id", "at most 200"),
    ("upsert_part", PART, {"part_id": " part1"}, "part_id", "trimmed"),
    ("upsert_part", PART, {"part_id": "part1\n"}, "part_id", "trimmed"),
    ("upsert_part", PART, {"part_id": "part\x001"}, "part_id", "control"),
    ("upsert_part", PART, {"part_id": 5}, "part_id", "string"),
    ("upsert_part", PART, {"name": {}}, "name", "at least 1"),
    ("upsert_part", PART, {"name": "Screw"}, "name", "object"),
    ("upsert_part", PART, {"name": {"": "x"}}, "name..[key]", "pattern"),
    ("upsert_part", PART, {"name": {"EN": "x"}}, "name.EN.[key]", "pattern"),
    ("upsert_part", PART, {"name": {"english": "x"}}, "name.english.[key]", "pattern"),
    ("upsert_part", PART, {"name": {"de_AT": "x"}}, "name.de_AT.[key]", "pattern"),
    ("upsert_part", PART, {"name": {"en\n": "x"}}, "name.en\n.[key]", "pattern"),
    ("upsert_part", PART, {"name": {"en": ""}}, "name.en", "at least 1"),
    ("upsert_part", PART, {"name": {"en": None}}, "name.en", "string"),
    ("upsert_part", PART, {"name": {"en": "x" * 20_001}}, "name.en", "at most 20000"),
    ("upsert_part", PART, {"attributes": [ATTRIBUTE, ATTRIBUTE]}, "attributes", "twice"),
    ("upsert_part", PART, {"attributes": attribute(values=[])}, "attributes.0.values", "at least 1"),
    ("upsert_part", PART, {"attributes": attribute(attribute_id="")}, "attributes.0.attribute_id", "at least 1"),
    ("upsert_part", PART, {"attributes": attribute(values=[{"value": {}}])}, "attributes.0.values.0.value", "at least"),
    ("upsert_part", PART, {"attributes": attribute(unit="g")}, "attributes.0.unit", "not permitted"),
    ("upsert_part", PART, {"colour": "red"}, "colour", "not permitted"),
    ("upsert_assembly", ASSEMBLY, {"parent_id": "ass2"}, "parent_id", "equals ass_id"),
    ("upsert_assembly", ASSEMBLY, {"parent_id": None}, "parent_id", "string"),
    ("upsert_assembly", ASSEMBLY, {"parent_id": " "}, "parent_id", "trimmed"),
    ("upsert_assembly", ASSEMBLY, {"ass_id": ""}, "ass_id", "at least 1"),
    ("delete_part", DELETED, {"part_id": ""}, "part_id", "at least 1"),
    ("delete_part", DELETED, {"name": {"en": "x"}}, "name", "not permitted"),
]


@pytest.mark.parametrize(("kind", "base", "changes", "field", "message"), BAD)
def test_what_is_wrong_is_refused_with_its_field_and_a_reason(
    kind: str, base: dict[str, Any], changes: dict[str, Any], field: str, message: str
) -> None:
    with pytest.raises(InvalidCommandError) as caught:
        parse_command(f"catalog.{kind}", base | changes)

    (problem,) = caught.value.problems
    assert problem.field == field
    assert message in problem.message


def test_a_parent_that_was_forgotten_does_not_make_a_root() -> None:
    with pytest.raises(InvalidCommandError, match="parent_id"):
        parse_command("catalog.upsert_assembly", {name: ASSEMBLY[name] for name in ASSEMBLY if name != "parent_id"})


@pytest.mark.parametrize("language", ["en", "de-AT", "zh-Hant-TW", "deu", "sl-rozaj-biske"])
def test_languages_are_named_as_bcp_47_does(language: str) -> None:
    command = parse_command("catalog.upsert_part", PART | {"name": {language: "x"}})

    assert isinstance(command, UpsertPart)
    assert command.name == {language: "x"}


def test_a_command_is_bounded_as_a_whole() -> None:
    def part(length: int) -> dict[str, Any]:
        languages = [f"de-{number:03}" for number in range(14)]
        return PART | {"name": dict.fromkeys(languages, "x" * length), "attributes": []}

    largest = max(length for length in range(18_000, 19_000) if len(json.dumps(part(length))) < MAX_COMMAND_BYTES - 100)
    command: Any = parse_command("catalog.upsert_part", part(largest))
    assert Item.of("x", wire.part(command)).size <= MAX_COMMAND_BYTES

    with pytest.raises(InvalidCommandError, match="bytes of JSON in the command, 262144 at most") as caught:
        parse_command("catalog.upsert_part", part(largest + 200))
    assert caught.value.problems[0].field == "attributes"


def test_text_counts_as_it_is_sent() -> None:
    with pytest.raises(InvalidCommandError, match="bytes of JSON"):
        parse_command("catalog.upsert_assembly", ASSEMBLY | {"name": {f"de-{n}": "☃" * 20_000 for n in range(3)}})


def test_all_kinds_may_be_submitted_and_are_the_catalogs() -> None:
    kinds = {kind for kind in submittable_kinds() if kind.startswith("catalog.")}

    assert kinds >= {
        "catalog.upsert_part",
        "catalog.delete_part",
        "catalog.upsert_assembly",
        "catalog.delete_assembly",
    }
    assert {command.vendor for command in (UpsertPart, DeletePart, UpsertAssembly, DeleteAssembly)} == {"partium"}
    assert [command.effect for command in (UpsertPart, DeletePart, UpsertAssembly, DeleteAssembly)] == [
        Effect.UPSERT,
        Effect.GUARDED,
        Effect.UPSERT,
        Effect.GUARDED,
    ]


@pytest.mark.parametrize(
    ("command", "fields"),
    [
        (UpsertPart, ("stock_timestamp", "source", "part_id", "name", "attributes")),
        (DeletePart, ("stock_timestamp", "source", "part_id")),
        (UpsertAssembly, ("stock_timestamp", "source", "ass_id", "parent_id", "name")),
        (DeleteAssembly, ("stock_timestamp", "source", "ass_id")),
    ],
)
def test_what_shall_be_done_is_identity(command: Any, fields: tuple[str, ...]) -> None:
    assert command.identity_fields() == fields


@pytest.mark.parametrize(
    "changes",
    [
        {"part_id": "part2"},
        {"name": {"en": "Screw"}},
        {"attributes": []},
        {"attributes": attribute(values=[{"organization": "o", "value": {"en": "5 g"}}])},
        {"stock_timestamp": NOW_MS + 1},
    ],
)
def test_other_contents_are_another_command_and_comments_are_not(changes: dict[str, Any]) -> None:
    key = parse_command("catalog.upsert_part", PART).key()

    assert parse_command("catalog.upsert_part", PART | changes).key() != key
    assert parse_command("catalog.upsert_part", PART | {"comments": "again"}).key() == key
    assert parse_command("catalog.upsert_part", json.dumps(PART).encode()).key() == key


def test_a_record_and_its_deletion_are_serial_and_a_part_is_no_assembly() -> None:
    written, deleted = parse_command("catalog.upsert_part", PART), parse_command("catalog.delete_part", DELETED)
    assembly = parse_command("catalog.upsert_assembly", ASSEMBLY | {"ass_id": "part1"})
    gone = parse_command("catalog.delete_assembly", {"stock_timestamp": NOW_MS, "ass_id": "part1"})

    assert written.lanes() == deleted.lanes() == ("catalog-part:part1",)
    assert assembly.lanes() == gone.lanes() == ("assembly:part1",)


@given(st.text(min_size=1, max_size=200))
def test_any_id_is_refused_or_shown_in_one_line(record_id: str) -> None:
    try:
        commands = [
            parse_command("catalog.upsert_part", PART | {"part_id": record_id}),
            parse_command("catalog.delete_assembly", {"stock_timestamp": NOW_MS, "ass_id": record_id}),
        ]
    except InvalidCommandError:
        return

    for command in commands:
        assert len(command.summary().splitlines()) == 1
        assert len(command.summary()) < 100
