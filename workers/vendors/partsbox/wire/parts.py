"""The JSON of parts and of where their stock is: the document's field names on one side, plain records on the other."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from tasks.commands import Tag
from tasks.parts import Part, PartType, StockSource
from workers.vendors.models import AnswerModel, Request, Text, Whole, Word
from workers.vendors.partsbox.wire.envelope import data_of


def _shown_fields(value: object) -> object:
    """Take the form seen in real answers, a list of keys and values; what has another one counts as not shown."""
    if not isinstance(value, list):
        return None
    rows = [row for row in value if isinstance(row, dict)]
    pairs = [(row.get("key"), row.get("value")) for row in rows]
    return {key: text for key, text in pairs if isinstance(key, str) and isinstance(text, str)}


class _Attrition(AnswerModel):
    #: Bounded, so that it can be rounded.
    percentage: Annotated[Decimal, Field(ge=0, le=1_000_000)] | None = None
    quantity: Whole | None = None


class _LowStock(AnswerModel):
    report: Whole | None = None


class _Part(AnswerModel):
    id: Text = Field(alias="part/id")
    name: Text | None = Field(default=None, alias="part/name")
    type: Word | None = Field(default=None, alias="part/type")
    description: Text | None = Field(default=None, alias="part/description")
    notes: Text | None = Field(default=None, alias="part/notes")
    footprint: Text | None = Field(default=None, alias="part/footprint")
    manufacturer: Text | None = Field(default=None, alias="part/manufacturer")
    mpn: Text | None = Field(default=None, alias="part/mpn")
    linked_id: Text | None = Field(default=None, alias="part/linked-id")
    created: Whole | None = Field(default=None, alias="part/created")
    tags: tuple[Text, ...] | None = Field(default=None, alias="part/tags")
    attrition: _Attrition | None = Field(default=None, alias="part/attrition")
    low_stock: _LowStock | None = Field(default=None, alias="part/low-stock")
    member_ids: tuple[Text, ...] | None = Field(default=None, alias="part/part-ids")
    substitute_ids: tuple[Text, ...] | None = Field(default=None, alias="part/substitute-ids")
    custom_fields: Annotated[dict[Text, Text] | None, BeforeValidator(_shown_fields)] = Field(
        default=None, alias="part/custom-fields"
    )

    def record(self) -> Part:
        attrition = self.attrition or _Attrition()
        return Part(
            part_id=self.id,
            name=self.name or "",
            part_type=self.type,
            description=self.description or "",
            notes=self.notes or "",
            footprint=self.footprint or "",
            manufacturer=self.manufacturer,
            mpn=self.mpn,
            linked_id=self.linked_id,
            created_ms=self.created,
            tags=self.tags or (),
            attrition_percentage=attrition.percentage,
            attrition_quantity=attrition.quantity,
            low_stock=None if self.low_stock is None else self.low_stock.report,
            member_ids=self.member_ids or (),
            substitute_ids=self.substitute_ids or (),
            custom_fields=self.custom_fields,
        )


class _Parts(AnswerModel):
    data: tuple[_Part, ...]


class _Source(AnswerModel):
    quantity: Whole = Field(alias="source/quantity")
    part_id: Text | None = Field(default=None, alias="source/part-id")
    storage_id: Text | None = Field(default=None, alias="source/storage-id")
    lot_id: Text | None = Field(default=None, alias="source/lot-id")
    status: Word | None = Field(default=None, alias="source/status")
    first: Whole | None = Field(default=None, alias="source/first-timestamp")
    last: Whole | None = Field(default=None, alias="source/last-timestamp")


class _Sources(AnswerModel):
    data: tuple[_Source, ...]


class _Total(AnswerModel):
    quantity: Whole = Field(alias="source/quantity")


def part(body: dict[str, Any]) -> Part:
    """Read a part/get answer; ValueError when it is no part."""
    return _Part.model_validate(data_of(body, "part/")).record()


def parts(body: dict[str, Any]) -> tuple[Part, ...]:
    """Read a part/all answer; ValueError when it can't be."""
    return tuple(row.record() for row in _Parts.model_validate(body).data)


def sources(body: dict[str, Any], part_id: str | None = None, storage_id: str | None = None) -> tuple[StockSource, ...]:
    """Read where stock is; what was asked by fills what the vendor leaves out. ValueError when it can't be."""
    return tuple(
        StockSource(
            quantity=row.quantity,
            part_id=row.part_id or part_id,
            storage_id=row.storage_id or storage_id,
            lot_id=row.lot_id,
            status=row.status,
            first_ms=row.first,
            last_ms=row.last,
        )
        for row in _Sources.model_validate(body).data
    )


def total(body: dict[str, Any]) -> int:
    """Read a part/stock answer, the quantity under `data` or at the top level; ValueError when it is in neither."""
    return _Total.model_validate(data_of(body, "source/")).quantity


class PartId(Request):
    """Operations on one part that need only its id."""

    part_id: str = Field(alias="part/id")


class PartStock(Request):
    """part/stock."""

    part_id: str = Field(alias="part/id")
    storage_id: str | None = Field(alias="storage/id")


class Attrition(Request):
    """How much of a part is wasted in production."""

    percentage: Decimal
    quantity: int


class LowStock(Request):
    """When a part is on the low-stock report."""

    report: int


class _PartFields(Request):
    description: str | None = Field(alias="part/description")
    notes: str | None = Field(alias="part/notes")
    footprint: str | None = Field(alias="part/footprint")
    tags: tuple[Tag, ...] | None = Field(alias="part/tags")
    attrition: Attrition | None = Field(alias="part/attrition")
    low_stock: LowStock | None = Field(alias="part/low-stock")


class CreatePart(_PartFields):
    """part/create."""

    type: PartType = Field(alias="part/type")
    name: str = Field(alias="part/name")


class UpdatePart(_PartFields):
    """part/update."""

    part_id: str = Field(alias="part/id")
    name: str | None = Field(alias="part/name")


class MemberIds(Request):
    """part/add-meta-part-ids and part/remove-meta-part-ids."""

    part_id: str = Field(alias="part/id")
    ids: tuple[str, ...] = Field(alias="part/part-ids")


class SubstituteIds(Request):
    """part/add-substitute-ids."""

    part_id: str = Field(alias="part/id")
    ids: tuple[str, ...] = Field(alias="part/substitute-ids")


class SubstituteIdsToRemove(SubstituteIds):
    """part/remove-substitute-ids: the document's own name for the list, and its sibling's in case that is a typo."""

    same_ids: tuple[str, ...] = Field(alias="part/part-substitute-ids")


class CustomField(Request):
    """One custom field; these names have no prefix in the document."""

    key: str
    value: str


class CustomFields(Request):
    """part/update-custom-fields."""

    part_id: str = Field(alias="part/id")
    fields: tuple[CustomField, ...] = Field(alias="custom-fields")


class CustomFieldToDelete(Request):
    """part/delete-custom-field."""

    part_id: str = Field(alias="part/id")
    key: str = Field(alias="custom-field-key")
