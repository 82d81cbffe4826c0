"""Catalog commands: the part types and assemblies of a parts catalog, written whole or deleted."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Generic, Protocol, Self, TypeVar

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from tasks.absolute import Removal
from tasks.commands import Command, Line, LongText, Model, Name
from tasks.effects import Effect
from tasks.identity import IDENTITY
from tasks.lookup import Absent, Finding, Image, Landed, Proof
from tasks.ports import Record
from tasks.task import Before, Target, Task

if TYPE_CHECKING:
    from tasks.errors import Exchange
    from tasks.ports import Sending

#: Of one command as JSON: sixteen of the largest fit into one request of 4 MiB (vendor reference 1.3).
MAX_COMMAND_BYTES: Final = 256 * 1024
#: An id is shown in one line of a table.
_SHOWN_ID: Final = 40

#: As BCP 47 writes the common ones: en, de-AT, zh-Hant-TW.
LanguageCode = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{1,8})*$", max_length=35)]
#: What there is no text for is left out.
FilledText = Annotated[LongText, Field(min_length=1)]


def _in_one_order(texts: Mapping[str, str]) -> Mapping[str, str]:
    return dict(sorted(texts.items()))


#: The same text in one or more languages; in which order they come is no difference.
Wording = Annotated[
    Mapping[LanguageCode, FilledText], Field(min_length=1, max_length=100), AfterValidator(_in_one_order)
]


class CatalogPort(Protocol):
    """A catalog at a vendor. Every method raises the vendor errors of `tasks.errors`; none waits.

    A record's fields are what a command can set: `name`, with `attributes` of a part or `parent_id` of an assembly.
    """

    async def part(self, part_id: str) -> Record | None:
        """Read a part type; None when there is none."""

    async def upsert_part(self, command: UpsertPart, sending: Sending) -> Exchange:
        """Create the part type or replace it."""

    async def delete_part(self, command: DeletePart, sending: Sending) -> Exchange:
        """Delete a part type; InDoubtError where that is refused and the part is gone all the same."""

    async def assembly(self, ass_id: str) -> Record | None:
        """Read an assembly; None when there is none."""

    async def upsert_assembly(self, command: UpsertAssembly, sending: Sending) -> Exchange:
        """Create the assembly or replace it; RetryableError where its parent is not there yet."""

    async def delete_assembly(self, command: DeleteAssembly, parent_id: str, sending: Sending) -> Exchange:
        """Delete an assembly that now hangs below `parent_id`; RetryableError while others hang below it.

        InDoubtError where it is refused and the assembly is gone all the same.
        """


class AttributeValue(Model):
    """One value of an attribute; `organization` empty for all of them."""

    organization: Line = ""
    value: Wording


class Attribute(Model):
    """An attribute of the catalog's ontology, and its values on one part."""

    attribute_id: Name
    values: Annotated[tuple[AttributeValue, ...], Field(min_length=1, max_length=1000)]


def _must_fit(command: Command, longest: str) -> None:
    size = len(json.dumps(command.model_dump(mode="json")))
    if size > MAX_COMMAND_BYTES:
        raise ValueError(f"{longest}: {size} bytes of JSON in the command, {MAX_COMMAND_BYTES} at most; send less text")


class UpsertPart(Command):
    """Create a part type, or replace its name and all its attributes (Partium POST /1/catalog/parts)."""

    kind: ClassVar[str] = "catalog.upsert_part"
    vendor: ClassVar[str] = "partium"
    effect: ClassVar[Effect] = Effect.UPSERT

    part_id: Annotated[Name, IDENTITY]
    name: Annotated[Wording, IDENTITY]
    #: All of them: what is left out may be dropped by the vendor.
    attributes: Annotated[tuple[Attribute, ...], Field(max_length=1000), IDENTITY] = ()

    def lanes(self) -> tuple[str, ...]:
        return (f"catalog-part:{self.part_id}",)

    def summary(self) -> str:
        return f"write catalog part {_shown(self.part_id)} with {len(self.attributes)} attributes"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        named = [attribute.attribute_id for attribute in self.attributes]
        if len(named) != len(set(named)):
            raise ValueError("attributes: names an attribute_id twice; put its values together")
        _must_fit(self, "attributes")
        return self


class DeletePart(Command):
    """Delete a part type (Partium DELETE /1/catalog/parts); the vendor refuses it while anything refers to it."""

    kind: ClassVar[str] = "catalog.delete_part"
    vendor: ClassVar[str] = "partium"
    effect: ClassVar[Effect] = Effect.GUARDED

    part_id: Annotated[Name, IDENTITY]

    def lanes(self) -> tuple[str, ...]:
        return (f"catalog-part:{self.part_id}",)

    def summary(self) -> str:
        return f"delete catalog part {_shown(self.part_id)}"


class UpsertAssembly(Command):
    """Create an assembly, or replace its place and its name (Partium POST /1/catalog/assemblies)."""

    kind: ClassVar[str] = "catalog.upsert_assembly"
    vendor: ClassVar[str] = "partium"
    effect: ClassVar[Effect] = Effect.UPSERT

    ass_id: Annotated[Name, IDENTITY]
    #: Empty for a root. It has no default: forgotten, it would move the assembly to the top.
    parent_id: Annotated[Line, IDENTITY]
    name: Annotated[Wording, IDENTITY]

    def lanes(self) -> tuple[str, ...]:
        return (f"assembly:{self.ass_id}",)

    def summary(self) -> str:
        below = f"below {_shown(self.parent_id)}" if self.parent_id else "as a root"
        return f"write assembly {_shown(self.ass_id)} {below}"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.parent_id == self.ass_id:
            raise ValueError('parent_id: equals ass_id; name another assembly, or send "" for a root')
        _must_fit(self, "name")
        return self


class DeleteAssembly(Command):
    """Delete an assembly (Partium DELETE /1/catalog/assemblies); what hangs below it must be deleted first."""

    kind: ClassVar[str] = "catalog.delete_assembly"
    vendor: ClassVar[str] = "partium"
    effect: ClassVar[Effect] = Effect.GUARDED

    ass_id: Annotated[Name, IDENTITY]

    def lanes(self) -> tuple[str, ...]:
        return (f"assembly:{self.ass_id}",)

    def summary(self) -> str:
        return f"delete assembly {_shown(self.ass_id)}"


def _shown(record_id: str) -> str:
    return record_id if len(record_id) <= _SHOWN_ID else record_id[:_SHOWN_ID] + "…"


C = TypeVar("C", bound=Command)


class _WholeUpsert(ABC, Generic[C]):
    """Writes a whole record, so that writing it again changes nothing.

    Nothing is read before it and nothing after a confirmation. "Applied" means that the vendor took it: what is
    written becomes searchable there with the next import (vendor reference 3.4).
    """

    @abstractmethod
    async def read(self, command: C, target: Target[CatalogPort]) -> Record | None:
        """Read the record; None when there is none."""

    @abstractmethod
    async def send(self, command: C, target: Target[CatalogPort], sending: Sending) -> Exchange:
        """Send the write once."""

    @abstractmethod
    def wanted(self, command: C) -> Record:
        """Give the record as it shall be, with every field that the vendor reads back."""

    async def before(self, _command: C, _target: Target[CatalogPort]) -> Before:
        return Before(Image())

    async def proof(self, command: C, _target: Target[CatalogPort]) -> Finding:
        return _confirmed(self.wanted(command))

    async def look(self, command: C, target: Target[CatalogPort]) -> Finding:
        record = await self.read(command, target)
        if record is not None and comparable(record.fields) == comparable(self.wanted(command).fields):
            return Landed((record,), Proof.STATE, maybe_before=True)
        return Absent()


class PartUpsert(_WholeUpsert[UpsertPart]):
    """Applies catalog.upsert_part."""

    async def read(self, command: UpsertPart, target: Target[CatalogPort]) -> Record | None:
        return await target.port.part(command.part_id)

    async def send(self, command: UpsertPart, target: Target[CatalogPort], sending: Sending) -> Exchange:
        return await target.port.upsert_part(command, sending)

    def wanted(self, command: UpsertPart) -> Record:
        return Record("part", command.part_id, command.model_dump(mode="json", include={"name", "attributes"}))


class AssemblyUpsert(_WholeUpsert[UpsertAssembly]):
    """Applies catalog.upsert_assembly."""

    async def read(self, command: UpsertAssembly, target: Target[CatalogPort]) -> Record | None:
        return await target.port.assembly(command.ass_id)

    async def send(self, command: UpsertAssembly, target: Target[CatalogPort], sending: Sending) -> Exchange:
        return await target.port.upsert_assembly(command, sending)

    def wanted(self, command: UpsertAssembly) -> Record:
        return Record("assembly", command.ass_id, command.model_dump(mode="json", include={"name", "parent_id"}))


class PartRemoval(Removal[DeletePart]):
    """Applies catalog.delete_part."""

    names_it = "part_id"

    async def read(self, command: DeletePart, target: Target[CatalogPort]) -> Record | None:
        return await target.port.part(command.part_id)

    async def send(self, command: DeletePart, target: Target[CatalogPort], sending: Sending) -> Exchange:
        return await target.port.delete_part(command, sending)

    async def proof(self, command: DeletePart, _target: Target[CatalogPort]) -> Finding:
        return _confirmed(Record("part", command.part_id))


class AssemblyRemoval(Removal[DeleteAssembly]):
    """Applies catalog.delete_assembly."""

    names_it = "ass_id"

    async def read(self, command: DeleteAssembly, target: Target[CatalogPort]) -> Record | None:
        return await target.port.assembly(command.ass_id)

    async def send(self, command: DeleteAssembly, target: Target[CatalogPort], sending: Sending) -> Exchange:
        parent_id = (target.image.fields or {}).get("parent_id") or ""
        return await target.port.delete_assembly(command, parent_id, sending)

    async def proof(self, command: DeleteAssembly, _target: Target[CatalogPort]) -> Finding:
        return _confirmed(Record("assembly", command.ass_id))


def _confirmed(record: Record) -> Landed:
    """Take the vendor's answer, which names each record that it wrote or deleted, for the proof."""
    return Landed((Record(record.noun, record.record_id),), Proof.ANSWER)


def comparable(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Put attributes and their values in one order: the vendor documents none."""
    attributes = [
        {**attribute, "values": sorted(attribute["values"], key=_text)} for attribute in fields.get("attributes", ())
    ]
    return {**fields, "attributes": sorted(attributes, key=_text)}


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True)


TASKS: Final[Mapping[type[Command], Task[Any]]] = {
    UpsertPart: PartUpsert(),
    DeletePart: PartRemoval(),
    UpsertAssembly: AssemblyUpsert(),
    DeleteAssembly: AssemblyRemoval(),
}
