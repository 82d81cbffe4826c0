"""What can be asked about storage locations: wrong input is refused with its field, and what matters is identity."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.effects import Effect
from tasks.registry import command_type, parse_command
from tasks.storage import StorageCommand, StorageSetting
from tests.unit.command_checks import assert_refused, assert_survives_the_ledger

SHELF, OTHER = "2" * 26, "3" * 26
NOW_MS = 1_700_000_000_000

BARE = {"stock_timestamp": NOW_MS, "storage_id": SHELF}
GOOD: dict[str, dict[str, Any]] = {
    "storage.update": {**BARE, "description": "by the door", "tags": ["cold", "dry"]},
    "storage.rename": {**BARE, "name": "shelf 7"},
    "storage.change_setting": {**BARE, "setting": "single-part", "value": True},
    "storage.archive": BARE,
    "storage.restore": BARE,
}

BAD: list[tuple[str, dict[str, Any], str, str]] = [
    *((kind, {"storage_id": "shelf 7"}, "storage_id", "pattern") for kind in GOOD),
    *((kind, {"storage_ids": [OTHER]}, "storage_ids", "not permitted") for kind in GOOD),
    ("storage.update", {"description": "x" * 1_001}, "description", "1000 characters"),
    ("storage.update", {"description": "bell \x07"}, "description", "control characters"),
    ("storage.update", {"tags": ["no spaces"]}, "tags.0", "pattern"),
    ("storage.update", {"tags": [f"t{number}" for number in range(101)]}, "tags", "at most 100"),
    ("storage.update", {"tags": "cold"}, "tags", "array"),
    ("storage.update", {"name": "shelf 7"}, "name", "not permitted"),
    ("storage.update", {"description": None, "tags": None}, "description", "at least one of"),
    ("storage.rename", {"name": ""}, "name", "at least 1"),
    ("storage.rename", {"name": None}, "name", "string"),
    ("storage.rename", {"name": "shelf 7 "}, "name", "trimmed"),
    ("storage.rename", {"name": "x" * 201}, "name", "200 characters"),
    ("storage.change_setting", {"setting": "full?"}, "setting", "'full', 'single-part' or 'existing-parts-only'"),
    ("storage.change_setting", {"setting": None}, "setting", "'full'"),
    ("storage.change_setting", {"value": "yes"}, "value", "boolean"),
    ("storage.change_setting", {"value": 1}, "value", "boolean"),
    ("storage.change_setting", {"value": None}, "value", "boolean"),
    ("storage.archive", {"value": True}, "value", "not permitted"),
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
    ("kind", "effect", "lanes", "words"),
    [
        ("storage.update", Effect.SET, (f"storage:{SHELF}",), "set description, tags of storage 22222222…"),
        (
            "storage.rename",
            Effect.SET,
            (f"storage:{SHELF}", "storage-name:shelf 7"),
            "rename storage 22222222… to shelf 7",
        ),
        (
            "storage.change_setting",
            Effect.SET,
            (f"storage:{SHELF}",),
            "set single-part of storage 22222222… to true",
        ),
        ("storage.archive", Effect.GUARDED, (f"storage:{SHELF}",), "archive storage 22222222…"),
        ("storage.restore", Effect.GUARDED, (f"storage:{SHELF}",), "restore storage 22222222…"),
    ],
)
def test_the_effect_the_lanes_and_the_summary_of_each_kind(
    kind: str, effect: Effect, lanes: tuple[str, ...], words: str
) -> None:
    command = parse_command(kind, GOOD[kind])

    assert command_type(kind).effect is effect
    assert command_type(kind).vendor == "partsbox"
    assert command.lanes() == lanes
    assert command.summary() == words


@pytest.mark.parametrize(
    ("kind", "payload", "wanted"),
    [
        ("storage.update", {**BARE, "description": ""}, {"description": ""}),
        ("storage.update", {**BARE, "tags": []}, {"tags": []}),
        ("storage.update", {**BARE, "tags": ["b", "a", "b"]}, {"tags": ["a", "b"]}),
        ("storage.rename", GOOD["storage.rename"], {"name": "shelf 7"}),
        *(
            (
                "storage.change_setting",
                {**BARE, "setting": setting.value, "value": value},
                {setting.value: value},
            )
            for setting in StorageSetting
            for value in (True, False)
        ),
        ("storage.archive", BARE, {"archived": True}),
        ("storage.restore", BARE, {"archived": False}),
    ],
)
def test_what_each_command_wants(kind: str, payload: dict[str, Any], wanted: dict[str, Any]) -> None:
    command = parse_command(kind, payload)

    assert isinstance(command, StorageCommand)
    assert command.wanted() == wanted


CHANGES: dict[str, Any] = {
    "stock_timestamp": NOW_MS + 1,
    "source": "other",
    "storage_id": OTHER,
    "description": "other",
    "tags": ["other"],
    "name": "other",
    "setting": "full",
    "value": False,
}


@pytest.mark.parametrize("kind", GOOD)
def test_every_field_but_the_comment_makes_another_command(kind: str) -> None:
    names = set(command_type(kind).model_fields) - {"comments"}
    keys = {parse_command(kind, GOOD[kind]).key()}

    for name in names:
        keys.add(parse_command(kind, {**GOOD[kind], name: CHANGES[name]}).key())

    assert len(keys) == len(names) + 1
    assert parse_command(kind, {**GOOD[kind], "comments": "other"}).key() in keys


def test_archiving_and_restoring_are_two_commands() -> None:
    assert parse_command("storage.archive", BARE).key() != parse_command("storage.restore", BARE).key()
