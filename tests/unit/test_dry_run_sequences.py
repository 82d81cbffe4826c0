"""Commands that run dry one after the other: each sees what those before it leave, and nothing that was supposed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tasks.registry import parse_command
from tasks.routes import Routes
from tests.command_examples import GOOD
from tests.unit.dry_run_harness import BIN, EVENT_MS, LINE, PART, SHELF, a_part, dry, moved, writes
from workers.dry_run.assumptions import read_assumptions
from workers.dry_run.running import Outcome, open_dry_runner

ADD: dict[str, Any] = {"kind": "stock.add", "part_id": PART, "storage_id": SHELF, "quantity": 3}
REMOVE: dict[str, Any] = {**ADD, "kind": "stock.remove"}
UPSERT: dict[str, Any] = {"kind": "part.upsert", "name": "R-10R", "description": "thick film"}
#: What the commands of `command_examples` are about.
WAREHOUSE: dict[str, Any] = {
    "partsbox": {
        "parts": [{"part/id": PART, "part/name": "R-1R"}],
        "storages": [{"storage/id": SHELF, "storage/name": "shelf-1"}],
        "lots": [{"lot/id": PART}],
        "projects": [{"project/id": PART, "project/entries": [{"entry/id": LINE, "entry/quantity": 1}]}],
        "builds": [{"build/id": PART}],
    },
    "partium": {"parts": [{"part_id": "P-1"}], "assemblies": [{"ass_id": "A-0"}, {"ass_id": "A-1"}]},
}
#: What becomes of the same command when it comes again as another event.
AGAIN = {
    **dict.fromkeys(
        (
            "part.update",
            "part.add_members",
            "part.add_substitutes",
            "part.set_custom_fields",
            "lot.update",
            "storage.update",
            "storage.rename",
            "storage.change_setting",
            "storage.archive",
            "project.update",
            "project.archive",
            "project.update_entries",
            "build.update",
        ),
        Outcome.NOTHING_TO_SEND,
    ),
    **dict.fromkeys(
        (
            "part.delete",
            "project.create",
            "project.delete",
            "project.delete_entries",
            "catalog.delete_part",
            "catalog.delete_assembly",
        ),
        Outcome.REJECTED,
    ),
    **dict.fromkeys(
        ("project.add_entries", "part.delete_custom_field", "catalog.upsert_part", "catalog.upsert_assembly"),
        Outcome.SENT,
    ),
}


async def test_each_command_sees_what_those_before_it_leave() -> None:
    runs = await dry(REMOVE, REMOVE, ADD, REMOVE, assume={"partsbox": {"parts": [a_part(shelf=5)]}})

    assert [run.outcome for run in runs] == [Outcome.SENT, Outcome.REJECTED, Outcome.SENT, Outcome.SENT]
    assert [moved(run) for run in runs] == [
        [(PART, SHELF, 5, -3, 2)],
        [],
        [(PART, SHELF, 2, 3, 5)],
        [(PART, SHELF, 5, -3, 2)],
    ]
    assert "not enough stock: 2 there" in runs[1].reason


async def test_what_is_supposed_for_one_command_is_supposed_anew_for_the_next() -> None:
    archive = {"kind": "storage.archive", "storage_id": SHELF}
    runs = await dry(archive, archive, {**archive, "kind": "storage.restore"})

    assert [run.outcome for run in runs] == [Outcome.SENT] * 3
    assert all(run.supposed for run in runs)


@pytest.mark.parametrize("kind", AGAIN)
async def test_a_write_on_a_record_that_is_known_is_seen_by_the_next_command(kind: str) -> None:
    asked = {name: value for name, value in GOOD[kind].items() if name != "stock_timestamp"}
    given = json.dumps(WAREHOUSE)
    assumptions = read_assumptions(given.encode())

    first, second = await dry({"kind": kind, **asked}, {"kind": kind, **asked}, assume=WAREHOUSE)

    assert (first.outcome, second.outcome) == (Outcome.SENT, AGAIN[kind]), second.reason
    assert (first.supposed, second.supposed) == ((), ())
    async with open_dry_runner({}, Routes(), assumptions) as runner:
        await runner.submit(parse_command(kind, GOOD[kind]))
    assert assumptions == read_assumptions(given.encode())


async def test_the_same_event_twice_counts_once() -> None:
    event = {**ADD, "stock_timestamp": EVENT_MS}
    first, second = await dry(event, event)

    assert (first.outcome, second.outcome) == (Outcome.SENT, Outcome.NOTHING_TO_SEND)
    assert (first.key, second.requests, second.stock) == (second.key, (), ())


async def test_another_command_under_the_same_key_is_refused() -> None:
    event = {**ADD, "stock_timestamp": EVENT_MS}
    _, second = await dry(event, {**event, "comments": "another one"})

    assert (second.outcome, second.requests) == (Outcome.REJECTED, ())
    assert "different command" in second.reason


@pytest.mark.parametrize(
    ("kind", "field", "named", "linked"),
    [
        ("part.remove_members", "part/part-ids", "member_ids", [SHELF, BIN]),
        ("part.remove_substitutes", "part/substitute-ids", "substitute_ids", [SHELF, BIN]),
    ],
    ids=["members", "substitutes"],
)
async def test_a_link_that_was_removed_is_gone(kind: str, field: str, named: str, linked: list[str]) -> None:
    remove = {"kind": kind, "part_id": PART, named: [SHELF]}
    assume = {"partsbox": {"parts": [{**a_part(), field: linked}]}}

    runs = await dry(remove, remove, {**remove, named: [BIN]}, assume=assume)

    assert [run.outcome for run in runs] == [Outcome.SENT, Outcome.NOTHING_TO_SEND, Outcome.SENT]


async def test_the_id_of_a_new_part_is_never_invented() -> None:
    first, second = await dry(UPSERT, {**UPSERT, "description": "thin film"}, assume={"partsbox": {"parts": []}})

    (created,), (updated,) = first.children, second.children
    assert (writes(created)[0][0], created.unknown) == ("part/create", ())
    assert writes(updated) == [
        ("part/update", {"part/description": "thin film", "part/id": "<the id of the new part R-10R>"})
    ]
    assert (updated.key, updated.unknown) == (None, ("the id of the new part R-10R",))
