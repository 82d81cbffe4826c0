"""Project commands at the door: what is refused with its field, what they are serial with, what makes two the same."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.commands import MAX_LINE, MAX_LONG_TEXT, MAX_QUANTITY
from tasks.effects import Effect
from tasks.identity import marker_of
from tasks.project_entries import (
    MAX_CHANGED_ENTRIES,
    MAX_DESIGNATORS,
    MAX_ENTRIES,
    MAX_ORDER,
    AddEntries,
    DeleteEntries,
    UpdateEntries,
)
from tasks.projects import ArchiveProject, CreateProject, DeleteProject, RestoreProject, UpdateProject
from tasks.registry import command_type, parse_command, submittable_kinds
from tests.unit.command_checks import assert_refused, assert_survives_the_ledger

PROJECT, PART, ENTRY = "2" * 26, "3" * 26, "4" * 26
NOW_MS = 1_775_698_680_652
EVENT = {"stock_timestamp": NOW_MS}
ONE = {**EVENT, "project_id": PROJECT}
LINE = {"part_id": PART, "quantity": 2}
CHANGE = {"entry_id": ENTRY, "quantity": 2}

GOOD: dict[str, dict[str, Any]] = {
    "project.create": {**EVENT, "name": "Lamp 2", "description": "d", "notes": "# Lamp\nwith a shade"},
    "project.update": {**ONE, "name": "Lamp 3", "description": "", "notes": ""},
    "project.delete": ONE,
    "project.archive": ONE,
    "project.restore": ONE,
    "project.add_entries": {
        **ONE,
        "entries": [
            {
                **LINE,
                "name": "R 10k",
                "comments": "c",
                "designators": ["R1", "R 2"],
                "order": 7,
                "cad_footprint": "0603",
            },
            LINE,
        ],
    },
    "project.update_entries": {**ONE, "entries": [{**CHANGE, "name": "", "designators": []}]},
    "project.delete_entries": {**ONE, "entry_ids": [ENTRY, PART]},
}

ADD, UPDATE, DELETE = "project.add_entries", "project.update_entries", "project.delete_entries"
BAD: list[tuple[str, dict[str, Any], str, str]] = [
    ("project.create", {"name": ""}, "name", "at least 1 character"),
    ("project.create", {"name": " Lamp"}, "name", "blank"),
    ("project.create", {"name": "Lamp\n2"}, "name", "lines"),
    ("project.create", {"name": "x" * (MAX_LINE + 1)}, "name", "200 characters"),
    ("project.create", {"notes": "x" * (MAX_LONG_TEXT + 1)}, "notes", "20000 characters"),
    ("project.create", {"notes": f"n {marker_of('a' * 20)}"}, "notes", "reserved"),
    ("project.create", {"description": "x" * 1_001}, "description", "1000 characters"),
    ("project.create", {"description": "bell \x07"}, "description", "control characters"),
    ("project.create", {"entries": [LINE]}, "entries", "not permitted"),
    ("project.update", {"name": None, "description": None, "notes": None}, "name", "at least one of name, description"),
    ("project.update", {"name": ""}, "name", "at least 1 character"),
    ("project.update", {"notes": f"n {marker_of('a' * 20)}"}, "notes", "reserved"),
    ("project.update", {"project_id": "lamp"}, "project_id", "pattern"),
    ("project.delete", {"project_id": PROJECT + "\n"}, "project_id", "pattern"),
    ("project.archive", {"archived": True}, "archived", "not permitted"),
    (ADD, {"entries": []}, "entries", "at least 1 item"),
    (ADD, {"entries": [LINE] * (MAX_ENTRIES + 1)}, "entries", "at most 500 items"),
    (ADD, {"entries": [{"part_id": PART}]}, "entries.0.quantity", "required"),
    (ADD, {"entries": [{**LINE, "quantity": 0}]}, "entries.0.quantity", "greater than 0"),
    (ADD, {"entries": [{**LINE, "quantity": 1.5}]}, "entries.0.quantity", "integer"),
    (ADD, {"entries": [{**LINE, "quantity": MAX_QUANTITY + 1}]}, "entries.0.quantity", "less than or equal"),
    (ADD, {"entries": [{**LINE, "part_id": "R1"}]}, "entries.0.part_id", "pattern"),
    (ADD, {"entries": [{**LINE, "comments": marker_of("a" * 20)}]}, "entries.0.comments", "reserved"),
    (ADD, {"entries": [{**LINE, "comments": "x" * 1_001}]}, "entries.0.comments", "1000 characters"),
    (ADD, {"entries": [{**LINE, "name": "x" * 201}]}, "entries.0.name", "200 characters"),
    (ADD, {"entries": [{**LINE, "cad_footprint": "a\nb"}]}, "entries.0.cad_footprint", "lines"),
    (ADD, {"entries": [{**LINE, "designators": ["R1", "R2", "R1"]}]}, "entries.0.designators", "R1 twice"),
    (ADD, {"entries": [{**LINE, "designators": [""]}]}, "entries.0.designators.0", "pattern"),
    (ADD, {"entries": [{**LINE, "designators": [" R1"]}]}, "entries.0.designators.0", "pattern"),
    (ADD, {"entries": [{**LINE, "designators": ["R1\n"]}]}, "entries.0.designators.0", "pattern"),
    (ADD, {"entries": [{**LINE, "designators": ["x" * 51]}]}, "entries.0.designators.0", "pattern"),
    (
        ADD,
        {"entries": [{**LINE, "designators": [f"R{n}" for n in range(MAX_DESIGNATORS + 1)]}]},
        "entries.0.designators",
        "at most 1000 items",
    ),
    (ADD, {"entries": [{**LINE, "order": -1}]}, "entries.0.order", "greater than or equal to 0"),
    (ADD, {"entries": [{**LINE, "order": MAX_ORDER + 1}]}, "entries.0.order", "less than or equal"),
    (ADD, {"entries": [{**LINE, "colour": "red"}]}, "entries.0.colour", "not permitted"),
    (UPDATE, {"entries": []}, "entries", "at least 1 item"),
    (UPDATE, {"entries": [{"entry_id": ENTRY}]}, "entries.0", "give at least one field beside entry_id"),
    (UPDATE, {"entries": [{"quantity": 2}]}, "entries.0.entry_id", "required"),
    (UPDATE, {"entries": [CHANGE, {**CHANGE, "name": "n"}]}, "entries", "twice"),
    (
        UPDATE,
        {"entries": [{**CHANGE, "entry_id": f"{n:026}"} for n in range(MAX_CHANGED_ENTRIES + 1)]},
        "entries",
        "at most 100 items",
    ),
    (DELETE, {"entry_ids": []}, "entry_ids", "at least 1 item"),
    (DELETE, {"entry_ids": [ENTRY, ENTRY]}, "entry_ids", "twice"),
    (DELETE, {"entry_ids": [f"{n:026}" for n in range(MAX_ENTRIES + 1)]}, "entry_ids", "at most 500 items"),
    (DELETE, {"entry_ids": ["x"]}, "entry_ids.0", "pattern"),
]


@pytest.mark.parametrize(("kind", "change", "field", "reason"), BAD)
def test_bad_input_is_refused_with_its_field_and_a_reason(
    kind: str, change: dict[str, Any], field: str, reason: str
) -> None:
    assert_refused(kind, {**GOOD[kind], **change}, field, reason)


@pytest.mark.parametrize("kind", GOOD)
def test_good_input_is_a_command_and_survives_the_ledger(kind: str) -> None:
    assert_survives_the_ledger(kind, GOOD[kind])


@pytest.mark.parametrize("kind", GOOD)
def test_a_client_may_submit_it_for_the_vendor_that_has_projects(kind: str) -> None:
    assert kind in submittable_kinds()
    assert command_type(kind).vendor == "partsbox"


@pytest.mark.parametrize("kind", sorted(GOOD.keys() - {"project.create"}))
def test_all_changes_of_a_project_and_its_entries_are_serial(kind: str) -> None:
    assert f"project:{PROJECT}" in parse_command(kind, GOOD[kind]).lanes()


def test_two_creations_of_one_name_are_serial_and_so_is_a_renaming_to_it() -> None:
    create = CreateProject(stock_timestamp=NOW_MS, name="Lamp")
    rename = UpdateProject(stock_timestamp=NOW_MS, project_id=PROJECT, name="Lamp")
    describe = UpdateProject(stock_timestamp=NOW_MS, project_id=PROJECT, description="Lamp")

    assert create.lanes() == ("project-name:Lamp",)
    assert rename.lanes() == (f"project:{PROJECT}", "project-name:Lamp")
    assert describe.lanes() == (f"project:{PROJECT}",)


@pytest.mark.parametrize(
    ("model", "fields", "effect"),
    [
        (CreateProject, {"name", "description", "notes"}, Effect.CREATE),
        (UpdateProject, {"project_id", "name", "description", "notes"}, Effect.SET),
        (DeleteProject, {"project_id"}, Effect.GUARDED),
        (ArchiveProject, {"project_id"}, Effect.GUARDED),
        (RestoreProject, {"project_id"}, Effect.GUARDED),
        (AddEntries, {"project_id", "entries"}, Effect.CREATE),
        (UpdateEntries, {"project_id", "entries"}, Effect.SET),
        (DeleteEntries, {"project_id", "entry_ids"}, Effect.GUARDED),
    ],
)
def test_the_identity_and_the_effect_of_a_command(model: type[CreateProject], fields: set[str], effect: Effect) -> None:
    assert set(model.identity_fields()) == {"stock_timestamp", "source"} | fields
    assert model.effect is effect


def test_the_same_scan_is_one_command_and_a_comment_does_not_change_that() -> None:
    first = parse_command("project.delete", ONE)

    assert parse_command("project.delete", {**ONE, "comments": "again"}).key() == first.key()
    assert parse_command("project.archive", ONE).key() != first.key()


def test_a_summary_says_what_and_where_in_one_line() -> None:
    said = {kind: parse_command(kind, payload).summary() for kind, payload in GOOD.items()}

    assert said == {
        "project.create": "create project Lamp 2",
        "project.update": "update name, description, notes of project 22222222…",
        "project.delete": "delete project 22222222…",
        "project.archive": "archive project 22222222…",
        "project.restore": "restore project 22222222…",
        "project.add_entries": "add 2 entries to project 22222222…",
        "project.update_entries": "update 1 entry of project 22222222…",
        "project.delete_entries": "delete 2 entries of project 22222222…",
    }
