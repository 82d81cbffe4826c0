"""What an applied command claims about a vendor's records: which fields have which values, or that one is gone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch
from typing import TYPE_CHECKING, Any

from tasks.boms import SetBomProperty, SetCatalogProperty, SetProperty
from tasks.builds import UpdateBuild
from tasks.catalog import DeleteAssembly, UpsertAssembly
from tasks.catalog import DeletePart as DeleteCatalogPart
from tasks.catalog import UpsertPart as UpsertCatalogPart
from tasks.custom_fields import DeleteCustomField, SetCustomFields
from tasks.lots import UpdateLot
from tasks.part_links import AddMembers, AddSubstitutes, RemoveMembers, RemoveSubstitutes
from tasks.part_upsert import CreatePart
from tasks.parts import DeletePart, UpdatePart
from tasks.project_entries import AddEntries, DeleteEntries, UpdateEntries
from tasks.projects import ArchiveProject, CreateProject, DeleteProject, RestoreProject, UpdateProject
from tasks.stock import CorrectStock
from tasks.storage import StorageCommand

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tasks.commands import Command
    from tasks.project_entries import EntryChange


@dataclass(frozen=True, slots=True)
class Subject:
    """A record at the vendor: its noun, its id there, and the record that it goes with."""

    noun: str
    id: str
    within: str = ""

    def __str__(self) -> str:
        return f"{self.noun} {self.id}" + (f" of {self.within}" if self.within else "")


@dataclass(frozen=True, slots=True)
class Claim:
    """What one command says of one record: these fields, or none at all (`fields` is None)."""

    subject: Subject
    fields: Mapping[str, Any] | None
    #: The record answers to this other name from now on.
    renamed: Subject | None = None


@singledispatch
def claims_of(command: Command, entries: Sequence[Mapping[str, Any]]) -> tuple[Claim, ...]:  # noqa: ARG001  a kind's own
    """List what a command claims once it is applied; `entries` are those of its receipt. Movements claim nothing."""
    return ()


def part_subject(part_id: str) -> Subject:
    """Name a part."""
    return Subject("part", part_id)


def entry_subject(part_id: str, timestamp_ms: int) -> Subject:
    """Name an entry of a part's stock history."""
    return Subject("stock entry", str(timestamp_ms), str(part_subject(part_id)))


def project_subject(project_id: str) -> Subject:
    """Name a project."""
    return Subject("project", project_id)


def _entry_of(project_id: str, entry_id: str) -> Subject:
    return Subject("project entry", entry_id, str(project_subject(project_id)))


@claims_of.register(CorrectStock)
def _(command: CorrectStock, _entries: Sequence[Mapping[str, Any]]) -> tuple[Claim, ...]:
    given = {
        "quantity": command.quantity,
        "comments": command.new_comments,
        "price": command.price,
        "currency": command.currency,
    }
    fields = {name: value for name, value in given.items() if value is not None}
    return (Claim(entry_subject(command.part_id, command.entry_timestamp), fields),)


@claims_of.register(UpdatePart)
def _(command: UpdatePart, _entries: Sequence[Mapping[str, Any]]) -> tuple[Claim, ...]:
    return (Claim(part_subject(command.part_id), command.wanted()),)


@claims_of.register(CreatePart)
def _(command: CreatePart, entries: Sequence[Mapping[str, Any]]) -> tuple[Claim, ...]:
    wanted = {"name": command.name, **command.wanted()}
    return tuple(Claim(part_subject(entry["part_id"]), wanted) for entry in entries[:1] if "part_id" in entry)


@claims_of.register(DeletePart)
def _(command: DeletePart, _entries: Sequence[Mapping[str, Any]]) -> tuple[Claim, ...]:
    return (Claim(part_subject(command.part_id), None),)


@claims_of.register(AddMembers)
@claims_of.register(RemoveMembers)
def _(command: AddMembers | RemoveMembers, _entries: Sequence[Mapping[str, Any]]) -> tuple[Claim, ...]:
    there = isinstance(command, AddMembers)
    return (Claim(part_subject(command.part_id), {f"member {one}": there for one in command.member_ids}),)


@claims_of.register(AddSubstitutes)
@claims_of.register(RemoveSubstitutes)
def _(command: AddSubstitutes | RemoveSubstitutes, _entries: Sequence[Mapping[str, Any]]) -> tuple[Claim, ...]:
    there = isinstance(command, AddSubstitutes)
    return (Claim(part_subject(command.part_id), {f"substitute {one}": there for one in command.substitute_ids}),)


@claims_of.register(SetCustomFields)
@claims_of.register(DeleteCustomField)
def _(command: SetCustomFields | DeleteCustomField, _entries: Sequence[Mapping[str, Any]]) -> tuple[Claim, ...]:
    fields = {f"custom field {name}": value for name, value in command.wanted().items()}
    return (Claim(part_subject(command.part_id), fields),)


@claims_of.register(UpdateLot)
def _(command: UpdateLot, _entries: Sequence[Mapping[str, Any]]) -> tuple[Claim, ...]:
    return (Claim(Subject("lot", command.lot_id), command.wanted()),)


@claims_of.register(StorageCommand)
def _(command: StorageCommand, _entries: Sequence[Mapping[str, Any]]) -> tuple[Claim, ...]:
    return (Claim(Subject("storage", command.storage_id), command.wanted()),)


@claims_of.register(UpdateBuild)
def _(command: UpdateBuild, _entries: Sequence[Mapping[str, Any]]) -> tuple[Claim, ...]:
    return (Claim(Subject("build", command.build_id), {"comments": command.new_comments}),)


@claims_of.register(CreateProject)
def _(command: CreateProject, entries: Sequence[Mapping[str, Any]]) -> tuple[Claim, ...]:
    wanted = {name: getattr(command, name).strip() for name in ("name", "description", "notes")}
    return tuple(Claim(project_subject(entry["project_id"]), wanted) for entry in entries[:1] if "project_id" in entry)


@claims_of.register(UpdateProject)
def _(command: UpdateProject, _entries: Sequence[Mapping[str, Any]]) -> tuple[Claim, ...]:
    wanted = {name: getattr(command, name).strip() for name in command.given()}
    return (Claim(project_subject(command.project_id), wanted),)


@claims_of.register(DeleteProject)
def _(command: DeleteProject, _entries: Sequence[Mapping[str, Any]]) -> tuple[Claim, ...]:
    return (Claim(project_subject(command.project_id), None),)


@claims_of.register(ArchiveProject)
@claims_of.register(RestoreProject)
def _(command: ArchiveProject | RestoreProject, _entries: Sequence[Mapping[str, Any]]) -> tuple[Claim, ...]:
    return (Claim(project_subject(command.project_id), {"archived": isinstance(command, ArchiveProject)}),)


@claims_of.register(AddEntries)
def _(command: AddEntries, entries: Sequence[Mapping[str, Any]]) -> tuple[Claim, ...]:
    return tuple(
        Claim(
            _entry_of(command.project_id, entry["entry_id"]),
            {name: entry.get(name) for name in ("part_id", "quantity")},
        )
        for entry in entries
        if "entry_id" in entry
    )


@claims_of.register(UpdateEntries)
def _(command: UpdateEntries, _entries: Sequence[Mapping[str, Any]]) -> tuple[Claim, ...]:
    return tuple(Claim(_entry_of(command.project_id, change.entry_id), _changed(change)) for change in command.entries)


def _changed(change: EntryChange) -> dict[str, Any]:
    fields = change.given()
    if "comments" in fields:
        fields["comments"] = fields["comments"].strip()
    if "designators" in fields:
        fields["designators"] = sorted(set(fields["designators"]))
    return fields


@claims_of.register(DeleteEntries)
def _(command: DeleteEntries, _entries: Sequence[Mapping[str, Any]]) -> tuple[Claim, ...]:
    return tuple(Claim(_entry_of(command.project_id, entry_id), None) for entry_id in command.entry_ids)


@claims_of.register(UpsertCatalogPart)
def _(command: UpsertCatalogPart, _entries: Sequence[Mapping[str, Any]]) -> tuple[Claim, ...]:
    return (
        Claim(
            Subject("catalog part", command.part_id), command.model_dump(mode="json", include={"name", "attributes"})
        ),
    )


@claims_of.register(DeleteCatalogPart)
def _(command: DeleteCatalogPart, _entries: Sequence[Mapping[str, Any]]) -> tuple[Claim, ...]:
    return (Claim(Subject("catalog part", command.part_id), None),)


@claims_of.register(UpsertAssembly)
def _(command: UpsertAssembly, _entries: Sequence[Mapping[str, Any]]) -> tuple[Claim, ...]:
    return (Claim(Subject("assembly", command.ass_id), command.model_dump(mode="json", include={"name", "parent_id"})),)


@claims_of.register(DeleteAssembly)
def _(command: DeleteAssembly, _entries: Sequence[Mapping[str, Any]]) -> tuple[Claim, ...]:
    return (Claim(Subject("assembly", command.ass_id), None),)


@claims_of.register(SetBomProperty)
@claims_of.register(SetCatalogProperty)
def _(command: SetBomProperty | SetCatalogProperty, _entries: Sequence[Mapping[str, Any]]) -> tuple[Claim, ...]:
    number, *renamed = (row_subject(command, row) for row in command.rows())
    return (Claim(number, {command.property: command.value}, *renamed),)


def row_subject(command: SetProperty, number: str) -> Subject:
    """Name a row of a document by the part number in it, and by the property that part numbers stand in."""
    document = f"bom {command.bom_id}" if isinstance(command, SetBomProperty) else f"catalog {command.catalog_id}"  # type: ignore[attr-defined]
    return Subject(f"row {command.part_number_property}", number, document)
