"""Cases of PartsBox's projects, their entries and their builds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tasks.builds import UpdateBuild
from tasks.project_entries import AddEntries, DeleteEntries, EntryChange, NewEntry, UpdateEntries
from tasks.projects import ArchiveProject, CreateProject, DeleteProject, RestoreProject, UpdateProject
from tests.conformance.catalogue.case import COLLEAGUE, Scene, Vendors, case, event
from tests.sandbox.partsbox import id_for

if TYPE_CHECKING:
    from collections.abc import Callable

R_10K, C_100N = id_for("part", "R-10K"), id_for("part", "C-100N")
#: Of the command that made a project or an entry; it must outlive every later change.
MARKER = "[cmd:abcdefghijklmnopqrst]"


def _project(vendors: Vendors, name: str, **fields: Any) -> tuple[str, dict[str, Any]]:
    project, _ = vendors.partsbox.load.project(name, **fields)
    return project, vendors.partsbox.state.projects[project]


def _with_entries(vendors: Vendors, name: str) -> tuple[str, list[str], Callable[[], list[tuple[str | None, int]]]]:
    """Add a project of three entries, each of one piece."""
    given = [{"entry/part-id": R_10K, "entry/name": f"{name} {number}", "entry/quantity": 1} for number in range(3)]
    project, entries = vendors.partsbox.load.project(name, given)
    present = vendors.partsbox.state.project_entries[project]
    return project, entries, lambda: [(entry.get("entry/name"), entry["entry/quantity"]) for entry in present.values()]


@case("project.create", "project/create")
def _create(vendors: Vendors) -> Scene:
    name = "project.create"
    return Scene(
        CreateProject(name=name, notes="ours", **event()),
        about=name,
        found=lambda: [p["project/name"] for p in vendors.partsbox.state.projects.values() if name in str(p)],
        wanted=[name],
    )


@case("project.update", "project/update", read="project/get")
def _update(vendors: Vendors) -> Scene:
    project, record = _project(vendors, "project.update", description="before", notes=f"made {MARKER}")
    theirs = {"project/id": project, "project/description": "theirs"}
    return Scene(
        UpdateProject(project_id=project, description="after", notes="seen", **event()),
        about=project,
        found=lambda: (record["project/description"], record["project/notes"]),
        wanted=("after", f"seen {MARKER}"),
        meddle=lambda: vendors.partsbox.write_as(COLLEAGUE, "project/update", theirs),
    )


@case("project.delete", "project/delete", read="project/get")
def _delete(vendors: Vendors) -> Scene:
    project, _ = _project(vendors, "project.delete")
    return Scene(
        DeleteProject(project_id=project, **event()),
        about=project,
        found=lambda: project in vendors.partsbox.state.projects,
        wanted=False,
    )


@case("project.archive", "project/archive", read="project/get")
def _archive(vendors: Vendors) -> Scene:
    project, record = _project(vendors, "project.archive")
    return Scene(
        ArchiveProject(project_id=project, **event()),
        about=project,
        found=lambda: record.get("project/archived?"),
        wanted=True,
    )


@case("project.restore", "project/restore", read="project/get")
def _restore(vendors: Vendors) -> Scene:
    project, record = _project(vendors, "project.restore", **{"archived?": True})
    return Scene(
        RestoreProject(project_id=project, **event()),
        about=project,
        found=lambda: record.get("project/archived?"),
        wanted=False,
    )


@case("project.add_entries", "project/add-entries", read="project/get-entries")
def _add_entries(vendors: Vendors) -> Scene:
    project, _, found = _with_entries(vendors, "entries")
    added = tuple(NewEntry(part_id=part, quantity=2, name="added") for part in (R_10K, C_100N))
    return Scene(
        AddEntries(project_id=project, entries=added, **event()),
        about=project,
        found=found,
        wanted=[("entries 0", 1), ("entries 1", 1), ("entries 2", 1), ("added", 2), ("added", 2)],
    )


@case("project.update_entries", "project/update-entries", read="project/get-entries")
def _update_entries(vendors: Vendors) -> Scene:
    project, (first, second, _), quantities = _with_entries(vendors, "updated")
    entry = vendors.partsbox.state.project_entries[project][first]
    entry["entry/comments"] = f"made {MARKER}"
    theirs = {"project/id": project, "entries": [{"entry/id": first, "entry/quantity": 7}]}
    changes = (EntryChange(entry_id=first, quantity=5, comments="seen"), EntryChange(entry_id=second, quantity=6))
    return Scene(
        UpdateEntries(project_id=project, entries=changes, **event()),
        about=project,
        found=lambda: [*quantities(), entry["entry/comments"]],
        wanted=[("updated 0", 5), ("updated 1", 6), ("updated 2", 1), f"seen {MARKER}"],
        meddle=lambda: vendors.partsbox.write_as(COLLEAGUE, "project/update-entries", theirs),
    )


@case("project.delete_entries", "project/delete-entries", read="project/get-entries")
def _delete_entries(vendors: Vendors) -> Scene:
    project, (first, second, _), found = _with_entries(vendors, "deleted")
    return Scene(
        DeleteEntries(project_id=project, entry_ids=(first, second), **event()),
        about=project,
        found=found,
        wanted=[("deleted 2", 1)],
    )


@case("build.update", "build/update", read="build/get")
def _build(vendors: Vendors) -> Scene:
    project, _ = _project(vendors, "build.update")
    build = vendors.partsbox.load.build(project, 5, comments="before")
    return Scene(
        UpdateBuild(build_id=build, new_comments="after", **event()),
        about=build,
        found=lambda: vendors.partsbox.state.builds[build]["build/comments"],
        wanted="after",
        meddle=lambda: vendors.partsbox.write_as(
            COLLEAGUE, "build/update", {"build/id": build, "build/comments": "theirs"}
        ),
    )
