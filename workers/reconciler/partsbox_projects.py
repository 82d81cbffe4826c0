"""Comparing the projects of PartsBox and their entries: what commands have created is found by its markers."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from tasks.entry_lookup import find_missing, marked_by
from tasks.identity import markers_in
from tasks.lookup import Undecidable
from tasks.project_entries import AddEntries, DeleteEntries, UpdateEntries
from tasks.projects import CreateProject, DeleteProject, without_markers
from workers.reconciler.cells import compare
from workers.reconciler.claims import project_subject
from workers.reconciler.findings import Finding
from workers.reconciler.offers import entries_added, entries_removed, removed, repeated

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tasks.project_entries import ProjectEntry
    from tasks.projects import Project
    from workers.reconciler.books import Told
    from workers.reconciler.comparison import Look


async def compare_projects(look: Look, port: Any) -> None:
    """Compare every project that commands are about, and the entries of each."""
    created, added = _created(look), _added(look)
    standing = look.of("project")
    if standing or created:
        listed = await look.read("every project", port.projects)
        if listed is not None:
            found = {project.project_id: _fields(project) for project in listed[0]}
            for subject, each in standing.items():
                compare(look.findings, subject, each, found.get(subject.id), place=str(subject))
            for told in created:
                _compare_created(look, told, listed[0])
    held = {subject.within.removeprefix("project ") for subject in look.of("project entry")}
    for project_id in sorted(held | added.keys()):
        place = str(project_subject(project_id))
        read = await look.read(f"the entries of {place}", partial(port.project_entries, project_id))
        if read is not None:
            _compare_entries(look, project_id, read[0], added.get(project_id, []))


def _created(look: Look) -> list[Told]:
    """Give those that created a project, but for projects that were deleted since."""
    gone = {told.command.project_id for told in look.applied if isinstance(told.command, DeleteProject)}
    return [
        told
        for told in look.applied
        if isinstance(told.command, CreateProject)
        and not gone & {entry.get("project_id") for entry in told.entries}
        and (look.places is None or any(look.looks_at(place) for place in _places(told)))
    ]


def _places(told: Told) -> list[str]:
    return [
        _place(told),
        *(str(project_subject(entry["project_id"])) for entry in told.entries if "project_id" in entry),
    ]


def _place(told: Told) -> str:
    return f"the project of {told.key}"


def _fields(project: Project) -> dict[str, Any]:
    return {
        "name": project.name,
        "description": project.description.strip(),
        "notes": without_markers(project.notes),
        "archived": project.archived,
    }


def _compare_created(look: Look, told: Told, projects: Sequence[Project]) -> None:
    look.findings.compared.add(told.key)
    marked = [project.project_id for project in projects if told.key in markers_in(project.notes)]
    named = [entry["project_id"] for entry in told.entries if "project_id" in entry]
    if len(marked) > 1:
        others = [project_id for project_id in marked if project_id not in named[:1]][: len(marked) - 1]
        look.findings.add(
            Finding.DOUBLE,
            f"project {(named or marked)[0]}",
            f"its marker is on {len(marked)} projects",
            place=_place(told),
            key=told.key,
            kind=told.command.kind,
            found=marked,
            offers=tuple(removed(DeleteProject, "project_id", one, told) for one in others),
        )
    elif not marked and not named:
        look.findings.add(
            Finding.MISSING,
            f"project {getattr(told.command, 'name', '')}",
            "no project has its marker",
            place=_place(told),
            key=told.key,
            kind=told.command.kind,
            offers=(repeated(told),),
        )
    elif not marked and any(project.project_id in named for project in projects):
        look.findings.add(
            Finding.CHANGED,
            f"project {named[0]}",
            "its notes have lost its marker",
            place=_place(told),
            key=told.key,
            kind=told.command.kind,
        )


def _added(look: Look) -> dict[str, list[Told]]:
    """Give those that added entries, by project, but for projects that were deleted since."""
    found: dict[str, list[Told]] = defaultdict(list)
    for told in look.applied:
        command = told.command
        if isinstance(command, DeleteProject):
            found.pop(command.project_id, None)
        elif isinstance(command, AddEntries) and look.looks_at(str(project_subject(command.project_id))):
            found[command.project_id].append(told)
    return found


def _compare_entries(
    look: Look, project_id: str, entries: Iterable[ProjectEntry] | None, added: Sequence[Told]
) -> None:
    place = str(project_subject(project_id))
    if entries is None:
        _entries_gone(look, place, added)
        return
    found = {entry.entry_id: entry for entry in entries}
    for subject, standing in look.of("project entry").items():
        if subject.within == place:
            shown = _entry_fields(found[subject.id]) if subject.id in found else None
            compare(look.findings, subject, standing, shown, place=place)
    changed_since = any(
        isinstance(told.command, UpdateEntries | DeleteEntries) and told.command.project_id == project_id
        for told in (*look.applied, *look.books.undecided)
    )
    for told in added:
        _compare_added(look, told, tuple(found.values()), place, changed_since=changed_since)


def _entries_gone(look: Look, place: str, added: Sequence[Told]) -> None:
    standing = {subject: each for subject, each in look.of("project entry").items() if subject.within == place}
    tellers = {key for each in standing.values() for key in each.tellers()} | {told.key for told in added}
    look.findings.compared |= tellers
    if any(each.cells and not each.unsure for each in standing.values()) or added:
        look.findings.add(
            Finding.MISSING,
            place,
            f"the project is not there, and with it the entries of {len(tellers)} commands",
            place=place,
            key=added[-1].key if added else min(tellers),
            expected=sorted(tellers),
        )


def _entry_fields(entry: ProjectEntry) -> dict[str, Any]:
    return {
        "part_id": entry.part_id,
        "quantity": entry.quantity,
        "name": entry.name or "",
        "comments": without_markers(entry.comments or ""),
        "designators": sorted(set(entry.designators or ())),
        "order": entry.order,
        "cad_footprint": entry.cad_footprint or "",
    }


def _compare_added(
    look: Look, told: Told, entries: tuple[ProjectEntry, ...], place: str, *, changed_since: bool
) -> None:
    """Count the entries with a command's marker."""
    command = cast("AddEntries", told.command)
    look.findings.compared.add(told.key)
    marked = marked_by(told.key, entries)
    named = {entry["entry_id"] for entry in told.entries if "entry_id" in entry}
    extra = [entry.entry_id for entry in marked if entry.entry_id not in named] if named else []
    if not named and len(marked) > len(command.entries):
        extra = [entry.entry_id for entry in marked[len(command.entries) :]]
    about: dict[str, Any] = {
        "place": place,
        "key": told.key,
        "kind": command.kind,
        "found": [entry.shown() for entry in marked],
    }
    if extra:
        offer = entries_removed(command.project_id, extra, told)
        text = f"its marker is on {len(marked)} entries, {len(command.entries)} were added"
        look.findings.add(Finding.DOUBLE, place, text, **about, offers=(offer,))
    elif not named and not changed_since:
        missing = find_missing(command.entries, marked)
        if isinstance(missing, Undecidable):
            look.findings.add(Finding.CHANGED, place, f"of its entries {missing.why.value}", **about)
        elif missing:
            wanted = [command.entries[one] for one in missing]
            offer = entries_added(command.project_id, wanted, told)
            text = f"{len(missing)} of {len(command.entries)} entries are not there"
            look.findings.add(Finding.MISSING, place, text, **about, offers=(offer,))
