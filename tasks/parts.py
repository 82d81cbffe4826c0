"""Part commands: what can be asked about the record of one part, and how each is proved at the vendor."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Protocol, Self

from pydantic import Field, model_validator

from tasks.absolute import Removal, Setting
from tasks.commands import MAX_QUANTITY, Command, Line, LongText, Name, Percentage, PlainText, Tags, VendorId
from tasks.effects import Effect
from tasks.identity import IDENTITY
from tasks.ports import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.custom_fields import DeleteCustomField, SetCustomFields
    from tasks.errors import Exchange
    from tasks.part_links import AddMembers, AddSubstitutes, RemoveMembers, RemoveSubstitutes
    from tasks.part_upsert import CreatePart
    from tasks.ports import Sending
    from tasks.task import Target, Task

#: The vendor keeps a binary float: equal within what can be asked for.
_PERCENTAGE_STEP: Final = Decimal("0.0001")

Pieces = Annotated[int, Field(ge=0, le=MAX_QUANTITY)]


class PartType(StrEnum):
    """The types of part that can be created; a linked part is a local one that a person linked."""

    LOCAL = "local"
    META = "meta"


@dataclass(frozen=True, slots=True)
class Part:
    """A part as the vendor shows it, without its stock history; a text or list that is not there is empty."""

    part_id: str
    name: str
    #: local, meta, linked, sub-assembly, or a word that is not known yet.
    part_type: str | None = None
    description: str = ""
    notes: str = ""
    footprint: str = ""
    manufacturer: str | None = None
    mpn: str | None = None
    linked_id: str | None = None
    created_ms: int | None = None
    tags: tuple[str, ...] = ()
    attrition_percentage: Decimal | None = None
    attrition_quantity: int | None = None
    low_stock: int | None = None
    #: The parts that a meta-part stands for.
    member_ids: tuple[str, ...] = ()
    substitute_ids: tuple[str, ...] = ()
    #: None where the vendor shows none: the part has none, or they are not shown.
    custom_fields: Mapping[str, str] | None = None

    def values(self) -> dict[str, Any]:
        """Give the fields that a command may set, as JSON in one form: tags sorted, the percentage as text."""
        return {
            "name": self.name,
            "description": self.description,
            "notes": self.notes,
            "footprint": self.footprint,
            "tags": sorted(set(self.tags)),
            "attrition_percentage": _percentage_text(self.attrition_percentage),
            "attrition_quantity": self.attrition_quantity,
            "low_stock": self.low_stock,
        }


@dataclass(frozen=True, slots=True)
class StockSource:
    """Pieces of a part at one place, as the vendor sums them up; `status` None means on hand."""

    quantity: int
    part_id: str | None = None
    storage_id: str | None = None
    lot_id: str | None = None
    status: str | None = None
    #: The oldest and the newest of the stock entries that are summed up.
    first_ms: int | None = None
    last_ms: int | None = None


class PartPort(Protocol):
    """The parts of a vendor. Every method raises the vendor errors of `tasks.errors`; none retries."""

    async def parts(self) -> tuple[Part, ...]:
        """Read every part: one answer, however large."""

    async def part(self, part_id: str) -> Part | None:
        """Read a part; None when there is none."""

    async def part_storage(self, part_id: str) -> tuple[StockSource, ...]:
        """Read where a part is, one source per storage location."""

    async def part_lots(self, part_id: str) -> tuple[StockSource, ...]:
        """Read where a part is, one source per lot."""

    async def part_stock(self, part_id: str, storage_id: str | None = None) -> int:
        """Read how many pieces of a part the vendor counts, everywhere or in one storage location."""

    async def create_part(self, command: CreatePart, sending: Sending) -> Exchange:
        """Send one part/create."""

    async def update_part(self, command: UpdatePart, sending: Sending) -> Exchange:
        """Send one part/update with the fields given."""

    async def delete_part(self, command: DeletePart, sending: Sending) -> Exchange:
        """Send one part/delete."""

    async def add_members(self, command: AddMembers, sending: Sending) -> Exchange:
        """Send one part/add-meta-part-ids."""

    async def remove_members(self, command: RemoveMembers, sending: Sending) -> Exchange:
        """Send one part/remove-meta-part-ids."""

    async def add_substitutes(self, command: AddSubstitutes, sending: Sending) -> Exchange:
        """Send one part/add-substitute-ids."""

    async def remove_substitutes(self, command: RemoveSubstitutes, sending: Sending) -> Exchange:
        """Send one part/remove-substitute-ids."""

    async def set_custom_fields(self, command: SetCustomFields, sending: Sending) -> Exchange:
        """Send one part/update-custom-fields."""

    async def delete_custom_field(self, command: DeleteCustomField, sending: Sending) -> Exchange:
        """Send one part/delete-custom-field."""


class PartCommand(Command):
    """A change of one part's record; in one lane with its stock.

    So a part is deleted behind the stock commands accepted before, and those that come after are refused, not lost.
    """

    vendor: ClassVar[str] = "partsbox"
    part_id: Annotated[VendorId, IDENTITY]

    def lanes(self) -> tuple[str, ...]:
        return (f"part:{self.part_id}",)


class PartFields(Command):
    """What can be said of a part; each is set when given, and left alone when not."""

    vendor: ClassVar[str] = "partsbox"

    description: Annotated[PlainText | None, IDENTITY] = None
    notes: Annotated[LongText | None, IDENTITY] = None
    footprint: Annotated[Line | None, IDENTITY] = None
    #: All of them: those not named are taken away.
    tags: Annotated[Tags | None, IDENTITY] = None
    #: How much of the part is wasted in production; both or neither.
    attrition_percentage: Annotated[Percentage | None, IDENTITY] = None
    attrition_quantity: Annotated[Pieces | None, IDENTITY] = None
    #: On the low-stock report when fewer pieces are on hand.
    low_stock: Annotated[Pieces | None, IDENTITY] = None

    def wanted(self) -> dict[str, Any]:
        """Give the fields to set in the form of `Part.values`."""
        given = {
            "description": self.description,
            "notes": self.notes,
            "footprint": self.footprint,
            "tags": None if self.tags is None else sorted(set(self.tags)),
            "attrition_percentage": _percentage_text(self.attrition_percentage),
            "attrition_quantity": self.attrition_quantity,
            "low_stock": self.low_stock,
        }
        return {name: value for name, value in given.items() if value is not None}

    @model_validator(mode="after")
    def _whole_attrition(self) -> Self:
        if self.attrition_quantity is not None and self.attrition_percentage is None:
            raise ValueError("attrition_percentage: missing; the vendor keeps both or neither, 0 is allowed")
        if self.attrition_percentage is not None and self.attrition_quantity is None:
            raise ValueError("attrition_quantity: missing; the vendor keeps both or neither, 0 is allowed")
        return self


class NamedPart(PartFields):
    """A part that the command knows by its exact name."""

    name: Annotated[Name, IDENTITY]
    #: Local when left out. It can't be changed: a part of the other type refuses the command.
    part_type: Annotated[PartType | None, IDENTITY] = None

    def lanes(self) -> tuple[str, ...]:
        return (f"part-name:{self.name}",)


class UpdatePart(PartFields):
    """Set fields of one part to absolute values (PartsBox part/update)."""

    kind: ClassVar[str] = "part.update"
    effect: ClassVar[Effect] = Effect.SET

    part_id: Annotated[VendorId, IDENTITY]
    name: Annotated[Name | None, IDENTITY] = None

    def lanes(self) -> tuple[str, ...]:
        part = f"part:{self.part_id}"
        # a later upsert of the new name must find this part instead of creating a second one
        return (part,) if self.name is None else (part, f"part-name:{self.name}")

    def summary(self) -> str:
        return f"set {', '.join(self.wanted())} of part {self.part_id[:8]}…"

    def wanted(self) -> dict[str, Any]:
        given = super().wanted()
        return given if self.name is None else {"name": self.name, **given}

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.wanted():
            raise ValueError(
                "name: missing; give at least one of name, description, notes, footprint, tags, "
                "attrition_percentage with attrition_quantity, low_stock"
            )
        return self


class DeletePart(PartCommand):
    """Delete one part (PartsBox part/delete). Dangerous: builds, orders and projects may depend on its history."""

    kind: ClassVar[str] = "part.delete"
    effect: ClassVar[Effect] = Effect.GUARDED

    def summary(self) -> str:
        return f"delete part {self.part_id[:8]}…"


def _percentage_text(value: Decimal | None) -> str | None:
    return None if value is None else format(value.quantize(_PERCENTAGE_STEP).normalize(), "f")


class PartUpdate(Setting[UpdatePart]):
    """Applies part.update: only the fields given, compared with what the part has."""

    noun = "part"
    names_it = "part_id"

    async def values(self, command: UpdatePart, target: Target[PartPort]) -> dict[str, Any] | None:
        part = await target.port.part(command.part_id)
        return None if part is None else part.values()

    def wanted(self, command: UpdatePart) -> dict[str, Any]:
        return command.wanted()

    async def send(self, command: UpdatePart, target: Target[PartPort], sending: Sending) -> Exchange:
        return await target.port.update_part(command, sending)


class PartRemoval(Removal[DeletePart]):
    """Applies part.delete."""

    names_it = "part_id"

    async def read(self, command: DeletePart, target: Target[PartPort]) -> Record | None:
        part = await target.port.part(command.part_id)
        if part is None:
            return None
        return Record("part", part.part_id, {"name": part.name, "part_type": part.part_type})

    async def send(self, command: DeletePart, target: Target[PartPort], sending: Sending) -> Exchange:
        return await target.port.delete_part(command, sending)


TASKS: Final[Mapping[type[Command], Task[Any]]] = {UpdatePart: PartUpdate(), DeletePart: PartRemoval()}
