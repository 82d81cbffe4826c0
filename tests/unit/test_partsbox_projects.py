"""Project operations of PartsBox: the document's requests, and answers as they come."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tasks.errors import RejectedError, RetryableError
from tasks.project_entries import NewEntry, ProjectEntry
from tasks.projects import ArchiveProject, CreateProject, DeleteProject, Project, RestoreProject, UpdateProject
from tests.scripted_vendor import API_KEY, KEY, OK, Limiter, Permission, Session, make
from workers.vendors.partsbox.projects import PartsBoxProjects
from workers.vendors.partsbox.wire import projects as wire

PROJECT, BUILD, PART, ENTRY = "2" * 26, "5" * 26, "3" * 26, "4" * 26
MARKER = f"[cmd:{KEY}]"
EVENT: dict[str, Any] = {"stock_timestamp": 1_775_698_680_652}
NOT_FOUND = {"partsbox.status/category": "not-found", "partsbox.status/message": "?"}


def answering(answer: dict[str, Any], status: int = 200) -> tuple[PartsBoxProjects, Session]:
    session = Session(status=status, body=json.dumps(OK | answer).replace("/", "\\/").encode())
    return PartsBoxProjects(make(session)), session


def asked(session: Session) -> tuple[str, str, Any]:
    (request,) = session.sent
    return request["method"], request["url"].removeprefix("https://vendor.test/api/1/"), json.loads(request["data"])


# reads

#: The shape of a real answer, its values replaced.
REAL_PROJECT = {
    "project/created": 1_700_000_000_000,
    "project/description": "a lamp",
    "project/id": PROJECT,
    "project/name": "Lamp",
    "project/owner": "8" * 26,
    "project/timestamp": 1_700_000_000_001,
    "project/pricing-options": {"quantity": 5},
}


async def test_a_project_is_read_by_its_id() -> None:
    projects, session = answering({"data": REAL_PROJECT | {"project/notes": "n", "project/archived?": True}})

    assert await projects.project(PROJECT) == Project(PROJECT, "Lamp", "a lamp", "n", archived=True)
    assert asked(session) == ("POST", "project/get", {"project/id": PROJECT})


async def test_a_project_that_was_never_archived_and_has_no_notes_is_read() -> None:
    projects, _ = answering(REAL_PROJECT)  # at the top level, as the document has some answers

    assert await projects.project(PROJECT) == Project(PROJECT, "Lamp", "a lamp")


async def test_all_projects_are_read() -> None:
    projects, session = answering({"data": [REAL_PROJECT, {"project/id": BUILD, "project/name": None}]})

    assert await projects.projects() == (Project(PROJECT, "Lamp", "a lamp"), Project(BUILD))
    assert asked(session) == ("POST", "project/all", {})


ENTRY_JSON = {
    "entry/id": ENTRY,
    "entry/part-id": PART,
    "entry/quantity": 2,
    "entry/name": "R",
    "entry/comments": f"c {MARKER}",
    "entry/designators": ["R1", "R2"],
    "entry/order": 3,
    "entry/cad-footprint": "0603",
    "entry/new-in-the-future": {},
}
ENTRY_RECORD = ProjectEntry(ENTRY, PART, 2, "R", f"c {MARKER}", ("R1", "R2"), 3, "0603")


@pytest.mark.parametrize(("build_id", "named"), [(None, {}), (BUILD, {"build/id": BUILD})])
async def test_entries_are_read_of_the_project_or_of_one_build(build_id: str | None, named: dict[str, str]) -> None:
    projects, session = answering({"data": [ENTRY_JSON, {"entry/id": PART}]})

    assert await projects.project_entries(PROJECT, build_id) == (ENTRY_RECORD, ProjectEntry(PART))
    assert asked(session) == ("POST", "project/get-entries", {"project/id": PROJECT} | named)


async def test_a_project_without_entries_has_none() -> None:
    projects, _ = answering({"data": []})

    assert await projects.project_entries(PROJECT) == ()


@pytest.mark.parametrize(("sent", "read"), [(2, 2), (2.0, 2), (0.5, 0.5), (None, None)])
def test_a_quantity_may_be_broken(sent: float | None, read: float | None) -> None:
    (entry,) = wire.entries({"data": [{"entry/id": ENTRY, "entry/quantity": sent}]})

    assert (entry.quantity, type(entry.quantity)) == (read, type(read))


@pytest.mark.parametrize("quantity", [True, "2", float("nan"), [], {}])
def test_what_is_no_quantity_is_refused(quantity: object) -> None:
    with pytest.raises(ValueError, match="quantity"):
        wire.entries({"data": [{"entry/id": ENTRY, "entry/quantity": quantity}]})


@pytest.mark.parametrize("status", [200, 404])
async def test_what_is_not_found_is_none(status: int) -> None:
    projects, _ = answering(NOT_FOUND, status)

    assert await projects.project(PROJECT) is None
    assert await projects.project_entries(PROJECT) is None


async def test_another_refusal_is_none_of_that() -> None:
    projects, _ = answering({}, 403)

    with pytest.raises(RejectedError, match="forbidden"):
        await projects.project(PROJECT)
    with pytest.raises(RejectedError, match="forbidden"):
        await projects.project_entries(PROJECT)


@pytest.mark.parametrize("answer", [{}, {"data": None}, {"data": "text"}, {"data": {"part/id": PART}}, {"data": [[]]}])
async def test_an_answer_that_says_nothing_is_not_taken_for_an_empty_one(answer: dict[str, Any]) -> None:
    projects, _ = answering(answer)

    with pytest.raises(RetryableError, match="project/get: answer not understood"):
        await projects.project(PROJECT)
    with pytest.raises(RetryableError, match="project/all: answer not understood"):
        await projects.projects()
    with pytest.raises(RetryableError, match="project/get-entries: answer not understood"):
        await projects.project_entries(PROJECT)


async def test_a_key_in_a_name_is_taken_out() -> None:
    projects, _ = answering({"data": [{"project/id": PROJECT, "project/name": f"for {API_KEY}"}]})

    assert await projects.projects() == (Project(PROJECT, "for [removed]"),)


# writes

PERMISSION = Permission(Limiter())


async def test_a_project_is_created_empty_with_the_marker_behind_its_notes() -> None:
    projects, session = answering({"project/id": PROJECT})

    exchange = await projects.create_project(
        CreateProject(**EVENT, name="Lamp", description="d", notes="# n"), PERMISSION
    )

    body = {"project/name": "Lamp", "project/description": "d", "project/notes": f"# n {MARKER}"}
    assert asked(session) == ("POST", "project/create", body)
    assert exchange.answer["project/id"] == PROJECT


async def test_a_created_project_without_notes_has_the_marker_alone() -> None:
    projects, session = answering({"data": {"project/id": PROJECT}})

    await projects.create_project(CreateProject(**EVENT, name="Lamp"), PERMISSION)

    assert asked(session)[2] == {"project/name": "Lamp", "project/notes": MARKER}


async def test_an_update_sends_what_is_given_and_an_empty_text_clears() -> None:
    projects, session = answering({})
    command = UpdateProject(**EVENT, project_id=PROJECT, description="", notes="n")

    await projects.update_project(command, f"n {MARKER}", PERMISSION)

    body = {"project/id": PROJECT, "project/description": "", "project/notes": f"n {MARKER}"}
    assert asked(session) == ("POST", "project/update", body)


@pytest.mark.parametrize("verb", ["delete", "archive", "restore"])
async def test_a_project_is_named_by_its_id(verb: str) -> None:
    projects, session = answering({})
    command = {"delete": DeleteProject, "archive": ArchiveProject, "restore": RestoreProject}[verb]

    await getattr(projects, f"{verb}_project")(command(**EVENT, project_id=PROJECT), PERMISSION)

    assert asked(session) == ("POST", f"project/{verb}", {"project/id": PROJECT})


async def test_every_added_entry_carries_the_marker() -> None:
    projects, session = answering({})
    whole = NewEntry(
        part_id=PART, quantity=2, name="R", comments="c", designators=("R1",), order=0, cad_footprint="0603"
    )

    await projects.add_entries(PROJECT, (whole, NewEntry(part_id=PART, quantity=1)), PERMISSION)

    first = {
        "entry/part-id": PART,
        "entry/quantity": 2,
        "entry/name": "R",
        "entry/comments": f"c {MARKER}",
        "entry/designators": ["R1"],
        "entry/order": 0,
        "entry/cad-footprint": "0603",
    }
    second = {"entry/part-id": PART, "entry/quantity": 1, "entry/comments": MARKER}
    body = {"project/id": PROJECT, "entries": [first, second]}
    assert asked(session) == ("POST", "project/add-entries", body)


async def test_changed_entries_are_sent_whole_by_their_id() -> None:
    projects, session = answering({})
    cleared = ProjectEntry(PART, name="", comments="", designators=(), quantity=0.5)

    await projects.update_entries(PROJECT, (ENTRY_RECORD, cleared), PERMISSION)

    known = {name: value for name, value in ENTRY_JSON.items() if name != "entry/new-in-the-future"}
    empty = {
        "entry/id": PART,
        "entry/name": "",
        "entry/comments": "",
        "entry/designators": [],
        "entry/quantity": 0.5,
    }
    body = {"project/id": PROJECT, "entries": [known, empty]}
    assert asked(session) == ("POST", "project/update-entries", body)


async def test_deleted_entries_are_named_by_their_ids() -> None:
    projects, session = answering({})

    await projects.delete_entries(PROJECT, (ENTRY, PART), PERMISSION)

    assert asked(session) == ("POST", "project/delete-entries", {"project/id": PROJECT, "ids": [ENTRY, PART]})
