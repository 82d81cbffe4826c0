"""Commands about the entries of a project (its bill of materials), and how each is proved."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Protocol, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from tasks.absolute import ListSetting, Removal, ignored_if_unmoved
from tasks.commands import Command, Line, Model, PlainText, Quantity, VendorId
from tasks.effects import Effect
from tasks.entry_lookup import find_missing, judge_entries, marked_by
from tasks.errors import RejectedError
from tasks.identity import IDENTITY
from tasks.lookup import Absent, Finding, Image, Landed, Proof, Undecidable, Why
from tasks.ports import Record
from tasks.projects import ProjectCommand, keeping_markers, without_markers
from tasks.task import Before, Target, Task

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tasks.errors import Exchange
    from tasks.ports import Sending

#: The vendor documents no limit; a request of so many entries stays well below a megabyte.
MAX_ENTRIES: Final = 500
#: Fewer, because each is kept as it was until the outcome is known.
MAX_CHANGED_ENTRIES: Final = 100
#: One line of a bill of materials never has more of one part.
MAX_DESIGNATORS: Final = 1_000
#: Entries are numbered; a larger number is a mistake.
MAX_ORDER: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class ProjectEntry:
    """One entry of a project as the vendor shows it. A quantity may be broken: parts can have a unit."""

    entry_id: str
    part_id: str | None = None
    quantity: float | None = None
    name: str | None = None
    comments: str | None = None
    designators: tuple[str, ...] | None = None
    order: int | None = None
    cad_footprint: str | None = None

    def identity(self) -> dict[str, Any]:
        return {"entry_id": self.entry_id, "part_id": self.part_id, "quantity": self.quantity}

    def shown(self) -> dict[str, Any]:
        return {**self.identity(), "name": self.name, "comments": self.comments}


class ProjectEntryPort(Protocol):
    """Entries of a vendor's projects. Errors as for projects."""

    async def project_entries(self, project_id: str) -> tuple[ProjectEntry, ...] | None:
        """Read the entries of a project's current version; None when there is no such project."""

    async def add_entries(self, project_id: str, entries: tuple[NewEntry, ...], sending: Sending) -> Exchange:
        """Send one project/add-entries with the command's marker in the comment of each."""

    async def update_entries(self, project_id: str, entries: tuple[ProjectEntry, ...], sending: Sending) -> Exchange:
        """Send one project/update-entries with every field of each entry."""

    async def delete_entries(self, project_id: str, entry_ids: tuple[str, ...], sending: Sending) -> Exchange:
        """Send one project/delete-entries."""


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"names {twice[0]} twice; send it once")
    return names


def _counted(items: Sequence[object]) -> str:
    return "1 entry" if len(items) == 1 else f"{len(items)} entries"


#: Where on the board a piece goes: R1, C12.
Designator = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x20\x7f](?:[^\x00-\x1f\x7f]{0,48}[^\x00-\x20\x7f])?$")]
Designators = Annotated[tuple[Designator, ...], Field(max_length=MAX_DESIGNATORS), AfterValidator(_each_once)]
Order = Annotated[int, Field(ge=0, le=MAX_ORDER)]


class NewEntry(Model):
    """One entry to be added: how many of a part, under which name in the bill of materials."""

    part_id: VendorId
    quantity: Quantity
    name: Line = ""
    comments: PlainText = ""
    designators: Designators = ()
    order: Order | None = None
    cad_footprint: Line = ""


class EntryChange(Model):
    """Fields of one entry to be set to absolute values; the others stay. An empty text or list clears the field."""

    entry_id: VendorId
    part_id: VendorId | None = None
    quantity: Quantity | None = None
    name: Line | None = None
    comments: PlainText | None = None
    designators: Designators | None = None
    order: Order | None = None
    cad_footprint: Line | None = None

    def given(self) -> dict[str, Any]:
        """Give the fields to be set."""
        return {name: value for name, value in self if name != "entry_id" and value is not None}

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.given():
            raise ValueError("changes nothing; give at least one field beside entry_id")
        return self


class AddEntries(ProjectCommand):
    """Add entries to a project (PartsBox project/add-entries)."""

    kind: ClassVar[str] = "project.add_entries"
    effect: ClassVar[Effect] = Effect.CREATE

    entries: Annotated[tuple[NewEntry, ...], Field(min_length=1, max_length=MAX_ENTRIES), IDENTITY]

    def summary(self) -> str:
        return f"add {_counted(self.entries)} to project {self.project_id[:8]}…"


class UpdateEntries(ProjectCommand):
    """Set fields of a project's entries to absolute values (PartsBox project/update-entries)."""

    kind: ClassVar[str] = "project.update_entries"
    effect: ClassVar[Effect] = Effect.SET

    entries: Annotated[tuple[EntryChange, ...], Field(min_length=1, max_length=MAX_CHANGED_ENTRIES), IDENTITY]

    def summary(self) -> str:
        return f"update {_counted(self.entries)} of project {self.project_id[:8]}…"

    @model_validator(mode="after")
    def _each_entry_once(self) -> Self:
        named = [change.entry_id for change in self.entries]
        if len(named) != len(set(named)):
            raise ValueError("entries: names an entry_id twice; put its changes together")
        return self


class DeleteEntries(ProjectCommand):
    """Delete entries of a project (PartsBox project/delete-entries)."""

    kind: ClassVar[str] = "project.delete_entries"
    effect: ClassVar[Effect] = Effect.GUARDED

    entry_ids: Annotated[
        tuple[VendorId, ...], Field(min_length=1, max_length=MAX_ENTRIES), AfterValidator(_each_once), IDENTITY
    ]

    def summary(self) -> str:
        return f"delete {_counted(self.entry_ids)} of project {self.project_id[:8]}…"


def _no_project(project_id: str) -> RejectedError:
    return RejectedError(f"project_id: there is no {project_id}", code="not-found")


def _no_entries(project_id: str, gone: Sequence[str]) -> RejectedError:
    more = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
    return RejectedError(f"project {project_id} has no entry {gone[0]}{more}", code="not-found")


class EntryAddition:
    """Applies project.add_entries: what carries the marker is there, only the rest is sent."""

    async def before(self, command: AddEntries, target: Target[ProjectEntryPort]) -> Before:
        entries = await target.port.project_entries(command.project_id)
        if entries is None:
            raise RejectedError(f"project_id: there is no {command.project_id}", code="not-found")
        marked = marked_by(target.key, entries)
        missing = find_missing(command.entries, marked)
        image = Image(record_ids=frozenset(entry.entry_id for entry in entries))
        if isinstance(missing, Undecidable):
            return Before(image, missing)
        if not missing:
            return Before(image, Landed(marked))
        return Before(image.model_copy(update={"fields": {"missing": list(missing)}}))

    async def send(self, command: AddEntries, target: Target[ProjectEntryPort], sending: Sending) -> Exchange:
        missing = (target.image.fields or {})["missing"]
        entries = tuple(command.entries[place] for place in missing)
        return await target.port.add_entries(command.project_id, entries, sending)

    async def proof(self, command: AddEntries, target: Target[ProjectEntryPort]) -> Finding:
        entries = await target.port.project_entries(command.project_id)
        if entries is None:
            return Undecidable(Why.CHANGED)
        return judge_entries(command.entries, entries, target.key, target.image)

    async def look(self, command: AddEntries, target: Target[ProjectEntryPort]) -> Finding:
        return await self.proof(command, target)


class EntryUpdate(ListSetting[UpdateEntries]):
    """Applies project.update_entries.

    Whole entries are sent, as they were but for the changes: the document does not say whether a field that is left
    out is kept. A marker in a comment is kept.
    """

    names_it = "project_id"

    async def before(self, command: UpdateEntries, target: Target[ProjectEntryPort]) -> Before:
        before = await super().before(command, target)
        fields = before.image.fields or {}
        if gone := [change.entry_id for change in command.entries if change.entry_id not in fields]:
            raise _no_entries(command.project_id, gone)
        return before

    async def read(self, command: UpdateEntries, target: Target[ProjectEntryPort]) -> Record | None:
        entries = await target.port.project_entries(command.project_id)
        if entries is None:
            return None
        named = {change.entry_id for change in command.entries}
        found = {entry.entry_id: _kept(entry) for entry in entries if entry.entry_id in named}
        return Record("project", command.project_id, found)

    async def send(self, command: UpdateEntries, target: Target[ProjectEntryPort], sending: Sending) -> Exchange:
        fields = target.image.fields or {}
        changed = tuple(_changed(change, fields[change.entry_id]) for change in command.entries)
        return await target.port.update_entries(command.project_id, changed, sending)

    def items(self, fields: Mapping[str, Any], command: UpdateEntries) -> dict[str, tuple[Any, bool]]:
        entries = ((change, fields.get(change.entry_id)) for change in command.entries)
        return {change.entry_id: (found, found is not None and _is_as(change, found)) for change, found in entries}


def _kept(entry: ProjectEntry) -> dict[str, Any]:
    fields = asdict(entry)
    del fields["entry_id"]
    return fields | {"designators": None if entry.designators is None else list(entry.designators)}


def _changed(change: EntryChange, was: Mapping[str, Any]) -> ProjectEntry:
    fields = {**was, **change.given()}
    if change.comments is not None:
        fields["comments"] = keeping_markers(change.comments, was["comments"] or "")
    if fields["designators"] is not None:
        fields["designators"] = tuple(fields["designators"])
    return ProjectEntry(change.entry_id, **fields)


def _is_as(change: EntryChange, found: Mapping[str, Any]) -> bool:
    for name, value in change.given().items():
        match name:
            case "comments":
                same = without_markers(found[name] or "") == value.strip()
            case "designators":
                same = set(found[name] or ()) == set(value)
            case "name" | "cad_footprint":
                same = (found[name] or "") == value
            case _:
                same = found[name] == value
        if not same:
            return False
    return True


class EntryRemoval(Removal[DeleteEntries]):
    """Applies project.delete_entries; behind a lost send only those that are still there are named again."""

    names_it = "entry_ids"

    async def before(self, command: DeleteEntries, target: Target[ProjectEntryPort]) -> Before:
        before = await super().before(command, target)
        there = (before.image.fields or {}).get("entry_ids", [])
        gone = [entry_id for entry_id in command.entry_ids if entry_id not in there]
        if gone and not target.doubted:
            raise _no_entries(command.project_id, gone)
        return before

    async def read(self, command: DeleteEntries, target: Target[ProjectEntryPort]) -> Record | None:
        entries = await target.port.project_entries(command.project_id)
        found = {entry.entry_id for entry in entries or ()}
        there = [entry_id for entry_id in command.entry_ids if entry_id in found]
        return Record("project", command.project_id, {"entry_ids": there}) if there else None

    async def send(self, command: DeleteEntries, target: Target[ProjectEntryPort], sending: Sending) -> Exchange:
        there = (target.image.fields or {})["entry_ids"]
        return await target.port.delete_entries(command.project_id, tuple(there), sending)

    async def proof(self, command: DeleteEntries, target: Target[ProjectEntryPort]) -> Finding:
        return ignored_if_unmoved(await super().proof(command, target), target.image)

    async def look(self, command: DeleteEntries, target: Target[ProjectEntryPort]) -> Finding:
        record = await self.read(command, target)
        if record is None:
            return Landed((), Proof.STATE)
        # some may be gone by an earlier send: whoever refuses the rest does not bring them back
        untouched = len(record.fields["entry_ids"]) == len(command.entry_ids)
        return Absent() if untouched else Undecidable(Why.INCOMPLETE, (record,))

    def not_there(self, command: DeleteEntries) -> RejectedError:
        return _no_entries(command.project_id, command.entry_ids)


TASKS: Final[Mapping[type[Command], Task[Any]]] = {
    AddEntries: EntryAddition(),
    UpdateEntries: EntryUpdate(),
    DeleteEntries: EntryRemoval(),
}
