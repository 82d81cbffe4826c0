"""Build commands: what can be asked about a build of a project."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Protocol

from tasks.absolute import Absolute
from tasks.commands import Command, PlainText, VendorId
from tasks.effects import Effect
from tasks.identity import IDENTITY
from tasks.ports import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.errors import Exchange
    from tasks.ports import Sending
    from tasks.task import Target, Task


@dataclass(frozen=True, slots=True)
class Build:
    """One build of a project as the vendor shows it. A quantity may be broken: parts can have a unit."""

    build_id: str
    project_id: str | None = None
    quantity: float | None = None
    comments: str = ""


class BuildPort(Protocol):
    """Builds of a vendor's projects. Every method raises the vendor errors of `tasks.errors`; none retries."""

    async def build(self, build_id: str) -> Build | None:
        """Read one build; None when there is no such one."""

    async def update_build(self, command: UpdateBuild, sending: Sending) -> Exchange:
        """Send one build/update; the comment gets no marker."""


class UpdateBuild(Command):
    """Set the comment of a build (PartsBox build/update)."""

    kind: ClassVar[str] = "build.update"
    vendor: ClassVar[str] = "partsbox"
    effect: ClassVar[Effect] = Effect.SET

    build_id: Annotated[VendorId, IDENTITY]
    #: Empty to clear it; `comments` stay with the command and are not sent.
    new_comments: Annotated[PlainText, IDENTITY]

    def lanes(self) -> tuple[str, ...]:
        return (f"build:{self.build_id}",)

    def summary(self) -> str:
        return f"comment on build {self.build_id[:8]}…"


class BuildUpdate(Absolute[UpdateBuild]):
    """Applies build.update."""

    names_it = "build_id"

    async def read(self, command: UpdateBuild, target: Target[BuildPort]) -> Record | None:
        build = await target.port.build(command.build_id)
        return None if build is None else Record("build", build.build_id, {"comments": build.comments})

    async def send(self, command: UpdateBuild, target: Target[BuildPort], sending: Sending) -> Exchange:
        return await target.port.update_build(command, sending)

    def holds(self, record: Record, command: UpdateBuild) -> bool:
        return bool(record.fields["comments"] == command.new_comments)


TASKS: Final[Mapping[type[Command], Task[Any]]] = {UpdateBuild: BuildUpdate()}
