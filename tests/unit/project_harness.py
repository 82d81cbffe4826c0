"""A vendor's projects in memory, and one command before it, step by step as the executor takes them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from tasks.errors import Exchange, RejectedError
from tasks.identity import marker_of, with_marker
from tasks.lookup import Absent, Finding, Image, Undecidable, Why
from tasks.project_entries import NewEntry, ProjectEntry
from tasks.projects import ArchiveProject, CreateProject, DeleteProject, Project, RestoreProject, UpdateProject
from tasks.registry import task_of
from tasks.task import Target

if TYPE_CHECKING:
    from tasks.commands import Command
    from tasks.ports import Sending
    from tasks.task import Task

KEY, OTHER_KEY = "a" * 20, "b" * 20
OURS, THEIRS = marker_of(KEY), marker_of(OTHER_KEY)
NOW_MS = 1_775_698_680_652
LAMP, DESK = "2" * 26, "3" * 26
R, C = "6" * 26, "7" * 26
SENDING = cast("Sending", None)


def eid(number: int) -> str:
    return f"{number:026}"


@dataclass
class Vendor:
    """A vendor's projects and their entries in memory. `keeps` says how many of the next added entries it stores."""

    all: dict[str, Project] = field(default_factory=dict)
    entries: dict[str, list[ProjectEntry]] = field(default_factory=dict)
    keeps: int = 1_000
    marks: bool = True
    sent: list[Any] = field(default_factory=list)

    async def project(self, project_id: str) -> Project | None:
        return self.all.get(project_id)

    async def projects(self) -> tuple[Project, ...]:
        return tuple(self.all.values())

    async def project_entries(self, project_id: str) -> tuple[ProjectEntry, ...] | None:
        found = self.entries.get(project_id)
        return None if found is None else tuple(found)

    async def create_project(self, command: CreateProject, _: Sending) -> Exchange:
        notes = with_marker(command.notes, KEY) if self.marks else command.notes
        project_id = eid(len(self.all))
        self.all[project_id] = Project(project_id, command.name, command.description, notes)
        return Exchange("project/create")

    async def update_project(self, command: UpdateProject, notes: str | None, _: Sending) -> Exchange:
        given = {"name": command.name, "description": command.description, "notes": notes}
        changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        self.all[command.project_id] = replace(self.all[command.project_id], **changes)
        return Exchange("project/update")

    async def delete_project(self, command: DeleteProject, _: Sending) -> Exchange:
        del self.all[command.project_id]
        return Exchange("project/delete")

    async def archive_project(self, command: ArchiveProject, _: Sending) -> Exchange:
        return self._archived(command.project_id, archived=True)

    async def restore_project(self, command: RestoreProject, _: Sending) -> Exchange:
        return self._archived(command.project_id, archived=False)

    def _archived(self, project_id: str, *, archived: bool) -> Exchange:
        self.sent.append(archived)
        self.all[project_id] = replace(self.all[project_id], archived=archived)
        return Exchange("project/archive")

    async def add_entries(self, project_id: str, entries: tuple[NewEntry, ...], _: Sending) -> Exchange:
        self.sent.append(entries)
        for new in entries[: self.keeps]:
            self.entries[project_id].append(self._stored(new))
        return Exchange("project/add-entries")

    def _stored(self, new: NewEntry) -> ProjectEntry:
        number = 100 + sum(map(len, self.entries.values()))
        comments = with_marker(new.comments, KEY) if self.marks else new.comments
        return ProjectEntry(eid(number), new.part_id, new.quantity, new.name, comments, new.designators)

    async def update_entries(self, project_id: str, entries: tuple[ProjectEntry, ...], _: Sending) -> Exchange:
        self.sent.append(entries)
        whole = {entry.entry_id: entry for entry in entries}
        self.entries[project_id] = [whole.get(entry.entry_id, entry) for entry in self.entries[project_id]]
        return Exchange("project/update-entries")

    async def delete_entries(self, project_id: str, entry_ids: tuple[str, ...], _: Sending) -> Exchange:
        self.sent.append(entry_ids)
        gone = entry_ids[: self.keeps]
        self.entries[project_id] = [entry for entry in self.entries[project_id] if entry.entry_id not in gone]
        return Exchange("project/delete-entries")


@dataclass
class Try:
    """One command before one vendor, step by step as the executor takes them."""

    command: Command
    vendor: Vendor
    doubted: bool = False
    image: Image = field(default_factory=Image)

    @property
    def task(self) -> Task[Any]:
        return task_of(self.command.kind)

    @property
    def target(self) -> Target[Any]:
        return Target(self.vendor, KEY, doubted=self.doubted, image=self.image)

    async def before(self) -> Finding:
        before = await self.task.before(self.command, Target(self.vendor, KEY, doubted=self.doubted))
        # as the ledger gives it back after a crash
        self.image = Image.model_validate_json(before.image.model_dump_json())
        return before.finding

    async def send(self) -> None:
        assert await self.before() == Absent()
        await self.task.send(self.command, self.target, SENDING)

    async def look(self) -> Finding:
        return await self.task.look(self.command, self.target)

    async def proof(self) -> Finding:
        return await self.task.proof(self.command, self.target)

    async def refusal(self) -> RejectedError:
        with pytest.raises(RejectedError) as caught:
            await self.before()
        return caught.value


def why(finding: Finding) -> Why:
    assert isinstance(finding, Undecidable), finding
    return finding.why


def projects(*found: Project) -> Vendor:
    return Vendor({project.project_id: project for project in found})
