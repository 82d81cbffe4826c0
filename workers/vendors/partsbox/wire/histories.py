"""The JSON of parts with their stock: part/get, and part/all, which in real answers shows the stock of each part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field

from workers.vendors.models import AnswerModel
from workers.vendors.partsbox.wire import parts, stock

if TYPE_CHECKING:
    from tasks.parts import Part
    from tasks.ports import StockEntry


@dataclass(frozen=True, slots=True)
class PartHistory:
    """A part and its whole stock history, oldest first; None where the vendor shows none of it here."""

    part: Part
    entries: tuple[StockEntry, ...] | None


class _Listed(AnswerModel):
    """Told apart: a list that leaves the stock out from a part that never had any."""

    stock: list[dict[str, Any]] | None = Field(default=None, alias="part/stock")


class _Parts(AnswerModel):
    data: tuple[dict[str, Any], ...]


def history(body: dict[str, Any], part_id: str) -> PartHistory:
    """Read a part/get answer; ValueError when it is no part."""
    return PartHistory(parts.part(body), stock.stock_entries(body, part_id))


def histories(body: dict[str, Any]) -> tuple[PartHistory, ...]:
    """Read a part/all answer; ValueError when it can't be."""
    return tuple(_listed(row) for row in _Parts.model_validate(body).data)


def _listed(row: dict[str, Any]) -> PartHistory:
    whole = {"data": row}
    part = parts.part(whole)
    shows_stock = _Listed.model_validate(row).stock is not None
    return PartHistory(part, stock.stock_entries(whole, part.part_id) if shows_stock else None)
