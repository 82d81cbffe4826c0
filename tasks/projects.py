"""Project commands: what can be asked about a project itself, and how each is proved; its entries are next door."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Protocol, Self

from pydantic import model_validator

from tasks.absolute import Absolute, Removal
from tasks.commands import Command, LongText, Name, PlainText, VendorId
from tasks.effects import Effect
from tasks.errors import RejectedError
from tasks.identity import IDENTITY, marker_of, markers_in, with_marker
from tasks.lookup import Absent, Finding, Image, Landed, Undecidable, Why
from tasks.ports import Record
from tasks.task import Before, Target, Task

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.errors import Exchange
    from tasks.ports import Sending


@dataclass(frozen=True, slots=True)
class Project:
    """A project as the vendor shows it; `notes` may end in the marker of the command that created it."""

    project_id: str
    name: str = ""
    description: str = ""
    notes: str = ""
    archived: bool = False

    def identity(self) -> dict[str, Any]:
        return {"project_id": self.project_id}

    def shown(self) -> dict[str, Any]:
        return {**self.identity(), "name": self.name, "notes": self.notes}


class ProjectPort(Protocol):
    """Projects of a vendor. Every method raises the vendor errors of `tasks.errors`; none retries."""

    async def project(self, project_id: str) -> Project | None:
        """Read one project; None when there is no such one."""

    async def projects(self) -> tuple[Project, ...]:
        """Read all projects."""

    async def create_project(self, command: CreateProject, sending: Sending) -> Exchange:
        """Send one project/create without entries, with the command's marker in its notes."""

    async def update_project(self, command: UpdateProject, notes: str | None, sending: Sending) -> Exchange:
        """Send one project/update; `notes` is the whole text to store, None to leave it."""

    async def delete_project(self, command: DeleteProject, sending: Sending) -> Exchange:
        """Send one project/delete."""

    async def archive_project(self, command: ArchiveProject, sending: Sending) -> Exchange:
        """Send one project/archive."""

    async def restore_project(self, command: RestoreProject, sending: Sending) -> Exchange:
        """Send one project/restore."""


def _name_lane(name: str) -> str:
    return f"project-name:{name}"


class CreateProject(Command):
    """Create an empty project (PartsBox project/create); its entries follow by project.add_entries."""

    kind: ClassVar[str] = "project.create"
    vendor: ClassVar[str] = "partsbox"
    effect: ClassVar[Effect] = Effect.CREATE

    name: Annotated[Name, IDENTITY]
    description: Annotated[PlainText, IDENTITY] = ""
    notes: Annotated[LongText, IDENTITY] = ""

    def lanes(self) -> tuple[str, ...]:
        return (_name_lane(self.name),)

    def summary(self) -> str:
        return f"create project {self.name}"


class ProjectCommand(Command):
    """A change of one project; serial with every other change of it and of its entries."""

    vendor: ClassVar[str] = "partsbox"
    project_id: Annotated[VendorId, IDENTITY]

    def lanes(self) -> tuple[str, ...]:
        return (f"project:{self.project_id}",)


class UpdateProject(ProjectCommand):
    """Set fields of a project to absolute values (PartsBox project/update)."""

    kind: ClassVar[str] = "project.update"
    effect: ClassVar[Effect] = Effect.SET

    name: Annotated[Name | None, IDENTITY] = None
    #: Empty to clear it; so are the notes, except for the marker that the project was created with.
    description: Annotated[PlainText | None, IDENTITY] = None
    notes: Annotated[LongText | None, IDENTITY] = None

    def lanes(self) -> tuple[str, ...]:
        # a project.create of the same name would take the renamed one for its own, without a marker
        return super().lanes() if self.name is None else (*super().lanes(), _name_lane(self.name))

    def summary(self) -> str:
        return f"update {', '.join(self.given())} of project {self.project_id[:8]}…"

    def given(self) -> tuple[str, ...]:
        """List the fields to be set."""
        return tuple(name for name in ("name", "description", "notes") if getattr(self, name) is not None)

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.given():
            raise ValueError("name: missing; give at least one of name, description, notes")
        return self


class DeleteProject(ProjectCommand):
    """Delete a project with its entries (PartsBox project/delete)."""

    kind: ClassVar[str] = "project.delete"
    effect: ClassVar[Effect] = Effect.GUARDED

    def summary(self) -> str:
        return f"delete project {self.project_id[:8]}…"


class ArchiveProject(ProjectCommand):
    """Hide a project that is no longer used (PartsBox project/archive); it can still be read by its id."""

    kind: ClassVar[str] = "project.archive"
    effect: ClassVar[Effect] = Effect.GUARDED

    def summary(self) -> str:
        return f"archive project {self.project_id[:8]}…"


class RestoreProject(ProjectCommand):
    """Take a project back from the archive (PartsBox project/restore)."""

    kind: ClassVar[str] = "project.restore"
    effect: ClassVar[Effect] = Effect.GUARDED

    def summary(self) -> str:
        return f"restore project {self.project_id[:8]}…"


def without_markers(text: str) -> str:
    """Give the human text of a vendor's comment or notes, without blanks at its ends."""
    for key in markers_in(text):
        text = text.replace(marker_of(key), "")
    return text.strip()


def keeping_markers(text: str, was: str) -> str:
    """Put new text in the place of the human text of `was`: its markers stay, so that what made it is still known."""
    for key in sorted(markers_in(was), key=lambda key: was.index(marker_of(key))):
        text = with_marker(text, key)
    return text


class ProjectCreation:
    """Applies project.create: found again by the marker in its notes, and by its name."""

    async def before(self, command: CreateProject, target: Target[ProjectPort]) -> Before:
        projects = await target.port.projects()
        named = frozenset(project.project_id for project in projects if project.name == command.name)
        # a first send must not find its name taken; behind a lost one, a project of the name may be ours
        image = Image() if target.doubted else Image(record_ids=named)
        finding = _judge(projects, command, target.key, image)
        if isinstance(finding, Absent) and named:
            taken = ", ".join(sorted(named))
            raise RejectedError(f"name: there is a project of this name already: {taken}", code="conflict")
        return Before(image, finding)

    async def send(self, command: CreateProject, target: Target[ProjectPort], sending: Sending) -> Exchange:
        return await target.port.create_project(command, sending)

    async def proof(self, command: CreateProject, target: Target[ProjectPort]) -> Finding:
        return await self.look(command, target)

    async def look(self, command: CreateProject, target: Target[ProjectPort]) -> Finding:
        return _judge(await target.port.projects(), command, target.key, target.image)


def _judge(projects: tuple[Project, ...], command: CreateProject, key: str, image: Image) -> Finding:
    marked = tuple(project for project in projects if key in markers_in(project.notes))
    if marked:
        return Landed(marked) if len(marked) == 1 else Undecidable(Why.DOUBLE, marked)
    unmarked = tuple(
        project
        for project in projects
        if project.name == command.name and project.project_id not in image.record_ids and not markers_in(project.notes)
    )
    return Undecidable(Why.UNMARKED, unmarked) if unmarked else Absent()


class ProjectUpdate(Absolute[UpdateProject]):
    """Applies project.update; a marker in the notes is kept."""

    names_it = "project_id"

    async def read(self, command: UpdateProject, target: Target[ProjectPort]) -> Record | None:
        project = await target.port.project(command.project_id)
        if project is None:
            return None
        return Record("project", project.project_id, {name: getattr(project, name) for name in command.given()})

    async def send(self, command: UpdateProject, target: Target[ProjectPort], sending: Sending) -> Exchange:
        was = (target.image.fields or {}).get("notes", "")
        notes = None if command.notes is None else keeping_markers(command.notes, was)
        return await target.port.update_project(command, notes, sending)

    def holds(self, record: Record, command: UpdateProject) -> bool:
        return all(without_markers(record.fields[name]) == getattr(command, name).strip() for name in command.given())


class ProjectRemoval(Removal[DeleteProject]):
    """Applies project.delete; what it was is kept as evidence."""

    names_it = "project_id"

    async def read(self, command: DeleteProject, target: Target[ProjectPort]) -> Record | None:
        project = await target.port.project(command.project_id)
        return None if project is None else Record("project", project.project_id, {"name": project.name})

    async def send(self, command: DeleteProject, target: Target[ProjectPort], sending: Sending) -> Exchange:
        return await target.port.delete_project(command, sending)


class ProjectArchival(Absolute[ArchiveProject | RestoreProject]):
    """Applies project.archive and project.restore."""

    names_it = "project_id"

    async def read(self, command: ArchiveProject | RestoreProject, target: Target[ProjectPort]) -> Record | None:
        project = await target.port.project(command.project_id)
        return None if project is None else Record("project", project.project_id, {"archived": project.archived})

    async def send(
        self, command: ArchiveProject | RestoreProject, target: Target[ProjectPort], sending: Sending
    ) -> Exchange:
        match command:
            case ArchiveProject():
                return await target.port.archive_project(command, sending)
            case RestoreProject():
                return await target.port.restore_project(command, sending)

    def holds(self, record: Record, command: ArchiveProject | RestoreProject) -> bool:
        return bool(record.fields["archived"] == isinstance(command, ArchiveProject))


TASKS: Final[Mapping[type[Command], Task[Any]]] = {
    CreateProject: ProjectCreation(),
    UpdateProject: ProjectUpdate(),
    DeleteProject: ProjectRemoval(),
    ArchiveProject: ProjectArchival(),
    RestoreProject: ProjectArchival(),
}
