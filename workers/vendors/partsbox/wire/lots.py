"""The JSON of lots: the document's field names on one side, plain records on the other."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from tasks.commands import Tag
from tasks.lots import Lot
from workers.vendors.models import AnswerModel, Request, Text, Whole
from workers.vendors.partsbox.wire.envelope import data_of


class _Lot(AnswerModel):
    id: Text = Field(alias="lot/id")
    name: Text | None = Field(default=None, alias="lot/name")
    description: Text | None = Field(default=None, alias="lot/description")
    comments: Text | None = Field(default=None, alias="lot/comments")
    created: Whole | None = Field(default=None, alias="lot/created")
    expiration_date: Whole | None = Field(default=None, alias="lot/expiration-date")
    tags: tuple[Text, ...] | None = Field(default=None, alias="lot/tags")
    part_id: Text | None = Field(default=None, alias="lot/part-id")
    order_id: Text | None = Field(default=None, alias="lot/order-id")
    previous_id: Text | None = Field(default=None, alias="lot/previous-id")

    def record(self) -> Lot:
        return Lot(
            lot_id=self.id,
            name=self.name or "",
            description=self.description or "",
            comments=self.comments or "",
            created_ms=self.created,
            expiration_ms=self.expiration_date,
            tags=self.tags or (),
            part_id=self.part_id,
            order_id=self.order_id,
            previous_id=self.previous_id,
        )


class _Lots(AnswerModel):
    data: tuple[_Lot, ...]


def lot(body: dict[str, Any]) -> Lot:
    """Read a lot/get answer; ValueError when it is no lot."""
    return _Lot.model_validate(data_of(body, "lot/")).record()


def lots(body: dict[str, Any]) -> tuple[Lot, ...]:
    """Read a lot/all answer; ValueError when it can't be."""
    return tuple(row.record() for row in _Lots.model_validate(body).data)


class LotId(Request):
    """lot/get."""

    lot_id: str = Field(alias="lot/id")


class UpdateLot(Request):
    """lot/update."""

    lot_id: str = Field(alias="lot/id")
    created: int | None = Field(alias="lot/created")
    name: str | None = Field(alias="lot/name")
    description: str | None = Field(alias="lot/description")
    comments: str | None = Field(alias="lot/comments")
    expiration_date: int | None = Field(alias="lot/expiration-date")
    tags: tuple[Tag, ...] | None = Field(alias="lot/tags")
