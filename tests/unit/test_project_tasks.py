"""How changes of a project are proved at a vendor that loses, doubles or forgets what it is sent."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from tasks.lookup import Absent, Landed, Proof, Undecidable, Why
from tasks.project_entries import (
    AddEntries,
    DeleteEntries,
    EntryChange,
    NewEntry,
    UpdateEntries,
)
from tasks.projects import (
    ArchiveProject,
    CreateProject,
    DeleteProject,
    Project,
    RestoreProject,
    UpdateProject,
    keeping_markers,
    without_markers,
)
from tests.unit.project_harness import DESK, LAMP, NOW_MS, OURS, THEIRS, R, Try, Vendor, eid, projects, why

if TYPE_CHECKING:
    from tasks.commands import Command


def create(name: str = "Lamp", notes: str = "") -> CreateProject:
    return CreateProject(stock_timestamp=NOW_MS, name=name, notes=notes)


# project.create


async def test_a_created_project_is_proved_by_its_marker() -> None:
    attempt = Try(create(notes="with a shade"), projects(Project(DESK, "Desk")))

    await attempt.send()

    found = attempt.vendor.all[eid(1)]
    assert found.notes == f"with a shade {OURS}"
    assert await attempt.proof() == await attempt.look() == Landed((found,))
    assert found.identity() == {"project_id": eid(1)}


@pytest.mark.parametrize("notes", ["", THEIRS])
async def test_a_name_that_is_taken_is_refused_before_the_first_send(notes: str) -> None:
    refused = await Try(create(), projects(Project(LAMP, "Lamp", notes=notes))).refusal()

    assert refused.code == "conflict"
    assert str(refused) == f"name: there is a project of this name already: {LAMP}"


async def test_a_project_with_our_marker_is_there_already_whatever_its_name_is_now() -> None:
    renamed = Project(LAMP, "Lamp 2", notes=OURS)

    assert await Try(create(), projects(renamed, Project(DESK, "Lamp"))).before() == Landed((renamed,))


async def test_two_projects_with_our_marker_are_for_a_person() -> None:
    attempt = Try(create(), projects(Project(LAMP, "Lamp", notes=OURS), Project(DESK, "Lamp", notes=OURS)))

    assert why(await attempt.before()) is Why.DOUBLE
    assert why(await attempt.look()) is Why.DOUBLE


async def test_a_lost_creation_is_absent() -> None:
    attempt = Try(create(), projects(Project(DESK, "Desk")))
    await attempt.before()

    assert await attempt.look() == Absent()


@pytest.mark.parametrize("notes", ["", f"cut {OURS[:-1]}"])
async def test_a_new_project_of_the_name_without_a_marker_is_for_a_person(notes: str) -> None:
    attempt = Try(create(), projects(), doubted=False)
    await attempt.before()
    attempt.vendor.all[LAMP] = Project(LAMP, "Lamp", notes=notes)

    assert await attempt.look() == Undecidable(Why.UNMARKED, (attempt.vendor.all[LAMP],))


async def test_behind_a_lost_send_a_project_of_the_name_may_be_ours() -> None:
    attempt = Try(create(), projects(Project(LAMP, "Lamp")), doubted=True)

    assert why(await attempt.before()) is Why.UNMARKED


async def test_a_project_that_another_command_made_meanwhile_is_not_ours() -> None:
    attempt = Try(create(), projects())
    await attempt.before()
    attempt.vendor.all[LAMP] = Project(LAMP, "Lamp", notes=THEIRS)

    assert await attempt.look() == Absent()
    attempt.doubted = True
    assert (await attempt.refusal()).code == "conflict"


async def test_a_vendor_that_drops_the_marker_leaves_an_unmarked_project() -> None:
    attempt = Try(create(), Vendor(marks=False))
    await attempt.send()

    assert why(await attempt.proof()) is Why.UNMARKED


# project.update


async def test_an_update_of_the_notes_keeps_the_marker_of_the_creation() -> None:
    vendor = projects(Project(LAMP, "Lamp", notes=f"old {THEIRS}"))
    attempt = Try(UpdateProject(stock_timestamp=NOW_MS, project_id=LAMP, notes="new"), vendor)

    await attempt.send()

    assert vendor.all[LAMP].notes == f"new {THEIRS}"
    assert await attempt.proof() == Landed(
        (await cast("Any", attempt.task).read(attempt.command, attempt.target),), Proof.STATE
    )


async def test_cleared_notes_are_the_marker_alone() -> None:
    vendor = projects(Project(LAMP, "Lamp", notes=f"old {THEIRS}"))
    attempt = Try(UpdateProject(stock_timestamp=NOW_MS, project_id=LAMP, notes=""), vendor)

    await attempt.send()

    assert vendor.all[LAMP].notes == THEIRS
    assert isinstance(await attempt.look(), Landed)


async def test_notes_that_are_as_wanted_beside_a_marker_are_not_sent_again() -> None:
    vendor = projects(Project(LAMP, "Lamp", notes=f"as wanted {THEIRS}"))
    attempt = Try(UpdateProject(stock_timestamp=NOW_MS, project_id=LAMP, notes="as wanted"), vendor)

    assert isinstance(await attempt.before(), Landed)


async def test_an_update_sets_what_is_given_and_only_that_is_compared() -> None:
    vendor = projects(Project(LAMP, "Lamp", "old", "notes"))
    attempt = Try(UpdateProject(stock_timestamp=NOW_MS, project_id=LAMP, name="Lamp 2", description=""), vendor)
    await attempt.before()
    assert attempt.image.fields == {"name": "Lamp", "description": "old"}

    vendor.all[LAMP] = replace(vendor.all[LAMP], notes="someone else's")
    assert await attempt.look() == Absent()
    vendor.all[LAMP] = replace(vendor.all[LAMP], name="Lamp 2")
    assert why(await attempt.look()) is Why.CHANGED
    vendor.all[LAMP] = replace(vendor.all[LAMP], description="")
    assert isinstance(await attempt.look(), Landed)


async def test_a_confirmed_update_that_changed_nothing_is_not_believed() -> None:
    attempt = Try(UpdateProject(stock_timestamp=NOW_MS, project_id=LAMP, name="x"), projects(Project(LAMP, "Lamp")))
    await attempt.before()

    assert why(await attempt.proof()) is Why.IGNORED


@pytest.mark.parametrize(
    "command",
    [
        UpdateProject(stock_timestamp=NOW_MS, project_id=LAMP, name="x"),
        DeleteProject(stock_timestamp=NOW_MS, project_id=LAMP),
        ArchiveProject(stock_timestamp=NOW_MS, project_id=LAMP),
        RestoreProject(stock_timestamp=NOW_MS, project_id=LAMP),
        AddEntries(stock_timestamp=NOW_MS, project_id=LAMP, entries=(NewEntry(part_id=R, quantity=1),)),
        UpdateEntries(stock_timestamp=NOW_MS, project_id=LAMP, entries=(EntryChange(entry_id=R, quantity=1),)),
        DeleteEntries(stock_timestamp=NOW_MS, project_id=LAMP, entry_ids=(R,)),
    ],
    ids=lambda command: command.kind,
)
async def test_a_project_that_is_not_there_is_refused(command: Command) -> None:
    refused = await Try(command, projects(Project(DESK))).refusal()

    assert refused.code == "not-found"
    assert LAMP in str(refused)


def test_markers_are_found_and_kept_in_their_order_and_the_rest_is_human_text() -> None:
    text = f"a {THEIRS} b {OURS}"

    assert without_markers(text) == "a  b"
    assert keeping_markers("new", text) == f"new {THEIRS} {OURS}"
    assert without_markers(keeping_markers("new", text)) == "new"
    assert keeping_markers("new", "no marker [cmd:short]") == "new"


# project.delete, archive, restore


async def test_a_deleted_project_is_proved_by_its_absence_and_its_name_is_kept() -> None:
    attempt = Try(DeleteProject(stock_timestamp=NOW_MS, project_id=LAMP), projects(Project(LAMP, "Lamp")))

    await attempt.before()
    assert attempt.image.fields == {"name": "Lamp"}
    assert await attempt.look() == Absent()
    await attempt.send()
    assert await attempt.proof() == Landed((), Proof.STATE)


async def test_behind_a_lost_deletion_a_missing_project_is_a_success() -> None:
    attempt = Try(DeleteProject(stock_timestamp=NOW_MS, project_id=LAMP), projects(), doubted=True)

    assert await attempt.before() == Landed((), Proof.STATE)


@pytest.mark.parametrize(("kind", "wanted"), [(ArchiveProject, True), (RestoreProject, False)])
async def test_archive_and_restore_are_sent_unless_it_is_so_already(
    kind: type[ArchiveProject | RestoreProject], *, wanted: bool
) -> None:
    vendor = projects(Project(LAMP, archived=not wanted))
    attempt = Try(kind(stock_timestamp=NOW_MS, project_id=LAMP), vendor)

    await attempt.send()

    assert vendor.sent == [wanted]
    assert isinstance(await attempt.proof(), Landed)
    assert isinstance(await attempt.before(), Landed)
