"""The project operations of PartsBox: reads, changes of a project, and changes of its entries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.identity import with_marker
from workers.vendors.partsbox.client import Capability
from workers.vendors.partsbox.wire import projects as wire
from workers.vendors.partsbox.wire.envelope import Nothing

if TYPE_CHECKING:
    from tasks.errors import Exchange
    from tasks.ports import Sending
    from tasks.project_entries import NewEntry, ProjectEntry
    from tasks.projects import (
        ArchiveProject,
        CreateProject,
        DeleteProject,
        Project,
        RestoreProject,
        UpdateProject,
    )


class PartsBoxProjects(Capability):
    """Projects and their entries at PartsBox; see `tasks.projects.ProjectPort` and `ProjectEntryPort`."""

    async def project(self, project_id: str) -> Project | None:
        return await self._client.find("project/get", wire.ProjectId(project_id=project_id), wire.project)

    async def projects(self) -> tuple[Project, ...]:
        return await self._client.ask("project/all", Nothing(), wire.projects)

    async def project_entries(self, project_id: str, build_id: str | None = None) -> tuple[ProjectEntry, ...] | None:
        """Read the entries of a project, or those it had in a build; None when there is no such one."""
        request = wire.GetEntries(project_id=project_id, build_id=build_id)
        return await self._client.find("project/get-entries", request, wire.entries)

    async def create_project(self, command: CreateProject, sending: Sending) -> Exchange:
        request = wire.CreateProject(
            name=command.name,
            description=command.description or None,
            notes=with_marker(command.notes, sending.key),
        )
        return await self._client.change("project/create", request, sending)

    async def update_project(self, command: UpdateProject, notes: str | None, sending: Sending) -> Exchange:
        request = wire.UpdateProject(
            project_id=command.project_id, name=command.name, description=command.description, notes=notes
        )
        return await self._client.change("project/update", request, sending)

    async def delete_project(self, command: DeleteProject, sending: Sending) -> Exchange:
        return await self._client.change("project/delete", wire.ProjectId(project_id=command.project_id), sending)

    async def archive_project(self, command: ArchiveProject, sending: Sending) -> Exchange:
        return await self._client.change("project/archive", wire.ProjectId(project_id=command.project_id), sending)

    async def restore_project(self, command: RestoreProject, sending: Sending) -> Exchange:
        return await self._client.change("project/restore", wire.ProjectId(project_id=command.project_id), sending)

    async def add_entries(self, project_id: str, entries: tuple[NewEntry, ...], sending: Sending) -> Exchange:
        added = tuple(_added(entry, sending.key) for entry in entries)
        request = wire.AddEntries(project_id=project_id, entries=added)
        return await self._client.change("project/add-entries", request, sending)

    async def update_entries(self, project_id: str, entries: tuple[ProjectEntry, ...], sending: Sending) -> Exchange:
        request = wire.UpdateEntries(project_id=project_id, entries=tuple(map(_changed, entries)))
        return await self._client.change("project/update-entries", request, sending)

    async def delete_entries(self, project_id: str, entry_ids: tuple[str, ...], sending: Sending) -> Exchange:
        request = wire.DeleteEntries(project_id=project_id, ids=entry_ids)
        return await self._client.change("project/delete-entries", request, sending)


def _added(entry: NewEntry, key: str) -> wire.AddedEntry:
    return wire.AddedEntry(
        part_id=entry.part_id,
        quantity=entry.quantity,
        name=entry.name or None,
        comments=with_marker(entry.comments, key),
        designators=entry.designators or None,
        order=entry.order,
        cad_footprint=entry.cad_footprint or None,
    )


def _changed(entry: ProjectEntry) -> wire.ChangedEntry:
    return wire.ChangedEntry(
        id=entry.entry_id,
        part_id=entry.part_id,
        quantity=entry.quantity,
        name=entry.name,
        comments=entry.comments,
        designators=entry.designators,
        order=entry.order,
        cad_footprint=entry.cad_footprint,
    )
