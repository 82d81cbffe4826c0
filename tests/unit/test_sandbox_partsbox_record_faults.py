"""Faults of the commit meet the PartsBox sandbox's writes of records as they meet its stock."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.sandbox.partsbox import API_KEY, PartsBoxSandbox, id_for
from tests.sandbox.partsbox.faults import BATCHES
from tests.sandbox.probe import Probe

PART, TEN_K, THIN, META = (id_for("part", name) for name in ("R-1K", "R-10K", "R-10K-THIN", "R-10K-ANY"))
LAMP, ENTRIES = id_for("project", "lamp"), [id_for("entry", f"lamp/{position}") for position in (1, 2, 3)]
SHELVES = [id_for("storage", f"shelf-{number}") for number in (1, 2, 3)]
NEW_PART = {"part/type": "local", "part/name": "L-10U", "part/notes": "coil [cmd:k1]"}
NEW_PROJECT = {"project/name": "radio", "project/notes": "FM [cmd:k1]"}
NEW_ENTRIES = {
    "project/id": LAMP,
    "entries": [{"entry/name": name, "entry/quantity": 1, "entry/comments": f"{name} [cmd:k1]"} for name in "abc"],
}


@pytest.fixture
async def sandbox() -> AsyncIterator[PartsBoxSandbox]:
    async with PartsBoxSandbox.running(
        seed_fixture="warehouse", seed=1, read_latency_seconds=(0, 0), write_latency_seconds=(0, 0)
    ) as running:
        yield running


@pytest.fixture
async def vendor(sandbox: PartsBoxSandbox) -> AsyncIterator[Probe]:
    async with Probe.to(sandbox.url, {"Authorization": f"APIKey {API_KEY}"}) as probe:
        yield probe


def notes(sandbox: PartsBoxSandbox, name: str) -> list[str | None]:
    return [part.get("part/notes") for part in sandbox.state.parts.values() if part["part/name"] == name]


@pytest.mark.parametrize(
    ("place", "status", "stored", "foreign"),
    [("before_commit", 409, "coil", [True]), ("after_commit", 200, "coil [cmd:k1]", [False])],
)
async def test_of_two_writers_of_one_name_the_first_wins(
    sandbox: PartsBoxSandbox, vendor: Probe, place: str, status: int, stored: str, foreign: list[bool]
) -> None:
    sandbox.faults.add("second_writer", "part/create", place=place)
    assert (await vendor.post("part/create", NEW_PART)).status == status
    assert notes(sandbox, "L-10U") == [stored]
    assert [effect.foreign for effect in sandbox.journal.effects] == foreign


async def test_a_second_writer_makes_the_same_part_without_a_marker_where_names_may_repeat(
    sandbox: PartsBoxSandbox, vendor: Probe
) -> None:
    sandbox.load.load({"unique_part_names": False})
    sandbox.faults.add("second_writer", "part/create")
    await vendor.post("part/create", NEW_PART)
    assert notes(sandbox, "L-10U") == ["coil [cmd:k1]", "coil"]
    ours, theirs = sandbox.journal.effects
    assert (ours.marker, theirs.marker, theirs.user) == ("[cmd:k1]", None, "colleague")
    assert set(ours.subjects).isdisjoint(theirs.subjects)


async def test_a_second_writer_adds_the_same_entries_without_markers(sandbox: PartsBoxSandbox, vendor: Probe) -> None:
    sandbox.faults.add("second_writer", "project/add-entries", place="before_commit")
    await vendor.post("project/add-entries", NEW_ENTRIES)
    stored = [entry["entry/comments"] for entry in list(sandbox.state.project_entries[LAMP].values())[3:]]
    assert stored == ["a", "b", "c", "a [cmd:k1]", "b [cmd:k1]", "c [cmd:k1]"]


async def test_a_second_writer_can_delete_first(sandbox: PartsBoxSandbox, vendor: Probe) -> None:
    sandbox.faults.add("second_writer", "project/delete", place="before_commit")
    assert (await vendor.post("project/delete", {"project/id": LAMP})).status == 404
    assert [effect.foreign for effect in sandbox.journal.effects] == [True]


@pytest.mark.parametrize(("unique", "made"), [(False, 2), (True, 1)])
async def test_a_duplicate_commit_makes_two_parts_unless_names_are_unique(
    sandbox: PartsBoxSandbox, vendor: Probe, made: int, *, unique: bool
) -> None:
    sandbox.load.load({"unique_part_names": unique})
    sandbox.faults.add("duplicate_commit", "part/create")
    seen = await vendor.post("part/create", NEW_PART)
    assert len(notes(sandbox, "L-10U")) == len(sandbox.journal.own_effects("[cmd:k1]")) == made
    assert f"part:{seen.json['data']['part/id']}" in sandbox.journal.effects[0].subjects
    assert ("the second commit was refused" in sandbox.journal.requests[0].faults) == unique


async def test_a_duplicate_commit_makes_two_projects_and_twice_the_entries(
    sandbox: PartsBoxSandbox, vendor: Probe
) -> None:
    sandbox.faults.add("duplicate_commit", count=2)
    await vendor.post("project/create", NEW_PROJECT)
    await vendor.post("project/add-entries", NEW_ENTRIES)
    assert [one["project/name"] for one in sandbox.state.projects.values()] == ["lamp", "clock", "radio", "radio"]
    assert len(sandbox.state.project_entries[LAMP]) == 9


async def test_a_late_commit_of_a_record_comes_after_the_connection_was_closed(
    sandbox: PartsBoxSandbox, vendor: Probe
) -> None:
    sandbox.faults.add("late_commit", "project/create", delay_seconds=0.05)
    with pytest.raises((aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
        await vendor.post("project/create", NEW_PROJECT)
    assert len(sandbox.state.projects) == 2
    (effect,) = await sandbox.journal.until_effects(1)
    assert (effect.marker, len(sandbox.state.projects)) == ("[cmd:k1]", 3)


@pytest.mark.parametrize(
    ("operation", "params", "field"),
    [
        ("part/create", NEW_PART, "part/notes"),
        ("part/update", {"part/id": PART, "part/notes": "n [cmd:k1]"}, "part/notes"),
        ("project/create", NEW_PROJECT, "project/notes"),
        ("project/update", {"project/id": LAMP, "project/notes": "n [cmd:k1]"}, "project/notes"),
        ("project/add-entries", NEW_ENTRIES, "entry/comments"),
        (
            "project/update-entries",
            {"project/id": LAMP, "entries": [{"entry/id": ENTRIES[0], "entry/comments": "c [cmd:k1]"}]},
            "entry/comments",
        ),
        ("lot/update", {"lot/id": id_for("lot", "L-2024-07"), "lot/comments": "c [cmd:k1]"}, "lot/comments"),
        ("build/update", {"build/id": id_for("build", "lamp/1"), "build/comments": "c [cmd:k1]"}, "build/comments"),
    ],
)
async def test_a_stripped_comment_is_not_stored_but_still_in_the_journal(
    sandbox: PartsBoxSandbox, vendor: Probe, operation: str, params: dict[str, Any], field: str
) -> None:
    sandbox.faults.add("comment_stripped", operation)
    assert (await vendor.post(operation, params)).status == 200
    (effect,) = sandbox.journal.own_effects("[cmd:k1]")
    assert not [record for record in effect.details["after"].values() if field in record]
    assert "[cmd:k1]" not in str(sandbox.describe_state())


@pytest.mark.parametrize(
    ("kind", "options", "set_on"),
    [("batch_cut", {"kept": 2}, [True, True, None]), ("batch_gap", {"position": 2}, [True, None, True])],
)
async def test_a_setting_can_be_left_out_for_some_storages_with_an_ok(
    sandbox: PartsBoxSandbox, vendor: Probe, kind: str, options: dict[str, Any], set_on: list[bool | None]
) -> None:
    sandbox.faults.add(kind, "storage/change-settings", **options)
    body = {"ids": SHELVES, "param": "full?", "value": True}
    assert (await vendor.post("storage/change-settings", body)).status == 200
    assert [sandbox.state.storage(shelf).get("storage/full?") for shelf in SHELVES] == set_on
    reached = [f"storage:{shelf}" for shelf, value in zip(SHELVES, set_on, strict=True) if value]
    assert sorted(sandbox.journal.effects[0].subjects) == sorted(reached)
    assert (await vendor.post("storage/change-settings", body)).status == 200
    assert all(sandbox.state.storage(shelf)["storage/full?"] for shelf in SHELVES)


@pytest.mark.parametrize("operation", ["project/add-entries", "project/create"])
async def test_only_the_first_entries_of_a_list_can_be_stored(
    sandbox: PartsBoxSandbox, vendor: Probe, operation: str
) -> None:
    sandbox.faults.add("batch_cut", operation, kept=1)
    body = {"project/name": "radio", **NEW_ENTRIES}
    seen = await vendor.post(operation, body)
    stored = sandbox.state.project_entries[seen.json.get("project/id", LAMP)]
    assert [entry["entry/name"] for entry in stored.values() if "entry/name" in entry] == ["a"]


@pytest.mark.parametrize(
    ("operation", "params", "reached"),
    [
        (
            "project/update-entries",
            {"project/id": LAMP, "entries": [{"entry/id": entry, "entry/quantity": 9} for entry in ENTRIES]},
            lambda state: [state.project_entries[LAMP][entry]["entry/quantity"] == 9 for entry in ENTRIES],
        ),
        (
            "project/delete-entries",
            {"project/id": LAMP, "ids": ENTRIES},
            lambda state: [entry not in state.project_entries[LAMP] for entry in ENTRIES],
        ),
        (
            "part/add-substitute-ids",
            {"part/id": PART, "part/substitute-ids": [TEN_K, THIN, META]},
            lambda state: [one in state.parts[PART]["part/substitute-ids"] for one in (TEN_K, THIN, META)],
        ),
        (
            "part/update-custom-fields",
            {"part/id": PART, "custom-fields": [{"key": key, "value": "v"} for key in "abc"]},
            lambda state: [{"key": key, "value": "v"} in state.parts[PART]["part/custom-fields"] for key in "abc"],
        ),
    ],
)
async def test_every_list_can_have_a_gap(
    sandbox: PartsBoxSandbox, vendor: Probe, operation: str, params: dict[str, Any], reached: Any
) -> None:
    sandbox.faults.add("batch_gap", operation, position=2)
    assert (await vendor.post(operation, params)).status == 200
    assert reached(sandbox.state) == [True, False, True]


def test_a_batch_is_cut_only_where_there_is_one() -> None:
    sandbox = PartsBoxSandbox()
    for operation in BATCHES:
        sandbox.faults.add("batch_cut", operation)
    with pytest.raises(ValueError, match="cannot hit"):
        sandbox.faults.add("batch_cut", "stock/add")


async def test_writes_to_one_record_in_flight_are_counted_as_they_are_for_a_part(
    sandbox: PartsBoxSandbox, vendor: Probe
) -> None:
    sandbox.faults.add("gate", "storage/change-settings")
    waiting = vendor.post("storage/change-settings", {"ids": SHELVES, "param": "full?", "value": True})
    task = asyncio.create_task(waiting)
    await sandbox.gates["gate"].until_arrived()
    await vendor.post("storage/get", {"storage/id": SHELVES[1]})
    assert sandbox.limits.max_writes_in_flight_per_subject == 1
    await vendor.post("storage/archive", {"storage/id": SHELVES[1]})
    sandbox.gates["gate"].open()
    assert (await task).status == 200
    assert sandbox.limits.max_writes_in_flight_per_subject == 2
