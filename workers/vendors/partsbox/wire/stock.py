"""The JSON of stock, its orders and lots: the document's field names on one side, plain records on the other."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import AliasChoices, BeforeValidator, Field, TypeAdapter

from tasks.commands import Currency, Tag
from tasks.directory import OrderHead
from tasks.identity import with_marker
from tasks.ports import Order, StockEntry
from workers.vendors.models import AnswerModel, Request, Text, Whole, Word
from workers.vendors.partsbox.wire.envelope import data_of

if TYPE_CHECKING:
    from tasks.stock import NewLot

#: The status of an order line that is still to be received.
_ORDERED: Final = "ordered"


class _Entry(AnswerModel):
    quantity: Whole = Field(alias="stock/quantity")
    timestamp: Whole = Field(alias="stock/timestamp")
    id: Text | None = Field(default=None, alias="stock/id")
    part_id: Text | None = Field(default=None, alias="stock/part-id")
    storage_id: Text | None = Field(default=None, alias="stock/storage-id")
    lot_id: Text | None = Field(default=None, alias="stock/lot-id")
    status: Word | None = Field(default=None, alias="stock/status")
    comments: Text | None = Field(default=None, alias="stock/comments")
    user: Text | None = Field(default=None, alias="stock/user")
    order_id: Text | None = Field(default=None, alias="stock/order-id")
    price: Decimal | None = Field(default=None, alias="stock/price")
    currency: Text | None = Field(default=None, alias="stock/currency")

    def record(self, part_id: str) -> StockEntry:
        return StockEntry(
            part_id=self.part_id or part_id,
            timestamp_ms=self.timestamp,
            quantity=self.quantity,
            storage_id=self.storage_id,
            lot_id=self.lot_id,
            status=self.status,
            comments=self.comments or "",
            user=self.user,
            stock_id=self.id,
            order_id=self.order_id,
            price=self.price,
            currency=self.currency,
        )


class _Line(_Entry):
    part_id: Text = Field(alias="stock/part-id")


class _Part(AnswerModel):
    #: Required: without it any object would read as a part that never had stock.
    id: Text = Field(alias="part/id")
    stock: tuple[_Entry, ...] | None = Field(default=None, alias="part/stock")


class _OrderHead(AnswerModel):
    status: Word | None = Field(default=None, alias="order/status")


_LINES: Final = TypeAdapter(tuple[_Line, ...])


def _objects(value: object) -> object:
    """Take the objects of a list; the document does not say what a list of orders shows of their lines."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else ()


class _Sku(AnswerModel):
    """What was ordered on one line, as a stock entry or as the order entry of the newer document."""

    part_id: Text | None = Field(default=None, validation_alias=AliasChoices("stock/part-id", "order-entry/part-id"))
    sku: Word | None = Field(default=None, validation_alias=AliasChoices("stock/vendor-sku", "order-entry/vendor-sku"))


class _ListedOrder(_OrderHead):
    id: Text = Field(alias="order/id")
    number: Word | None = Field(default=None, alias="order/number")
    po_number: Word | None = Field(default=None, alias="order/po-number")
    vendor_name: Word | None = Field(default=None, alias="order/vendor-name")
    lines: Annotated[tuple[_Sku, ...], BeforeValidator(_objects)] = Field(default=(), alias="order/entries")

    def record(self) -> OrderHead:
        name = " ".join(filter(None, (self.vendor_name, self.number or self.po_number)))
        return OrderHead(self.id, self.status, name, _skus(self.lines))


_SKUS: Final = TypeAdapter(tuple[_Sku, ...])
_ORDERS: Final = TypeAdapter(tuple[_ListedOrder, ...])


def _skus(lines: tuple[_Sku, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((line.sku, line.part_id) for line in lines if line.sku and line.part_id)


def stock_entries(body: dict[str, Any], part_id: str) -> tuple[StockEntry, ...]:
    """Read a part/get answer as the part's stock history, oldest first; ValueError when it can't be."""
    part = _Part.model_validate(data_of(body, "part/"))
    return tuple(sorted((entry.record(part_id) for entry in part.stock or ()), key=lambda entry: entry.timestamp_ms))


def order_status(body: dict[str, Any]) -> str | None:
    """Read an order/get answer; None when it has no status. ValueError when it is no order."""
    return _OrderHead.model_validate(data_of(body, "order/")).status


def order_entries(body: dict[str, Any]) -> tuple[StockEntry, ...]:
    """Read an order/get-entries answer; ValueError when it can't be."""
    return tuple(line.record(line.part_id) for line in _LINES.validate_python(data_of(body, "data")))


def order_skus(body: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """Read an order/get-entries answer as vendor SKUs with their part ids; ValueError when it can't be."""
    return _skus(_SKUS.validate_python(data_of(body, "data")))


def orders(body: dict[str, Any]) -> tuple[OrderHead, ...]:
    """Read an order/all answer; ValueError when it can't be."""
    return tuple(row.record() for row in _ORDERS.validate_python(data_of(body, "data")))


def order(order_id: str, status: str | None, entries: tuple[StockEntry, ...]) -> Order:
    """Put an order together of its two reads."""
    return Order(order_id, status, tuple(entry for entry in entries if entry.status == _ORDERED))


class GetPart(Request):
    """part/get."""

    part_id: str = Field(alias="part/id")


class GetOrder(Request):
    """order/get and order/get-entries."""

    order_id: str = Field(alias="order/id")


class Lot(Request):
    """A lot that is created with a movement."""

    comments: str = Field(alias="lot/comments")
    name: str | None = Field(alias="lot/name")
    description: str | None = Field(alias="lot/description")
    created: int | None = Field(alias="lot/created")
    expiration_date: int | None = Field(alias="lot/expiration-date")
    tags: tuple[Tag, ...] | None = Field(alias="lot/tags")


class CreatedOrder(Request):
    """An order that stock/add creates."""

    po_number: str = Field(alias="order/po-number")
    vendor_name: str | None = Field(alias="order/vendor-name")
    number: str | None = Field(alias="order/number")
    invoice_number: str | None = Field(alias="order/invoice-number")
    comments: str | None = Field(alias="order/comments")
    notes: str | None = Field(alias="order/notes")
    created: int | None = Field(alias="order/created")
    arriving: int | None = Field(alias="order/arriving")
    tags: tuple[Tag, ...] | None = Field(alias="order/tags")


class StockSource(Request):
    """Where stock is taken from: only the fields that identify it; the other five summarise, in answers."""

    part_id: str = Field(alias="source/part-id")
    storage_id: str = Field(alias="source/storage-id")
    lot_id: str | None = Field(alias="source/lot-id")


class Add(Request):
    """stock/add."""

    part_id: str = Field(alias="stock/part-id")
    storage_id: str = Field(alias="stock/storage-id")
    quantity: int = Field(alias="stock/quantity")
    comments: str = Field(alias="stock/comments")
    price: Decimal | None = Field(alias="stock/price")
    currency: Currency | None = Field(alias="stock/currency")
    order_id: str | None = Field(alias="stock/order-id")
    vendor_sku: str | None = Field(alias="stock/vendor-sku")
    order: CreatedOrder | None
    lot: Lot | None


class Remove(Request):
    """stock/remove."""

    source: StockSource = Field(alias="stock/source")
    quantity: int = Field(alias="stock/quantity")
    comments: str = Field(alias="stock/comments")


class Move(Request):
    """stock/move; `storage_id` is the target."""

    source: StockSource = Field(alias="stock/source")
    quantity: int = Field(alias="stock/quantity")
    comments: str = Field(alias="stock/comments")
    storage_id: str = Field(alias="stock/storage-id")
    split_lot: bool | None = Field(alias="split-lot?")
    lot: Lot | None


class Update(Request):
    """stock/update."""

    part_id: str = Field(alias="stock/part-id")
    timestamp: int = Field(alias="stock/timestamp")
    comments: str | None = Field(alias="stock/comments")
    quantity: int | None = Field(alias="stock/quantity")
    price: Decimal | None = Field(alias="stock/price")
    currency: Currency | None = Field(alias="stock/currency")


class ReceivedEntry(Request):
    """One line of order/receive."""

    stock_id: str = Field(alias="stock/id")
    quantity: int = Field(alias="stock/quantity")


class Receive(Request):
    """order/receive of exactly one line: without the list it would receive everything that is open."""

    order_id: str = Field(alias="order/id")
    storage_id: str = Field(alias="storage/id")
    entries: tuple[ReceivedEntry] = Field(alias="stock-entries")
    comments: str = Field(alias="stock/comments")
    lot: Lot | None


def lot_request(lot: NewLot | None, key: str) -> Lot | None:
    """Describe a new lot, with the marker in its comment: a lot that a lost answer hides can be found."""
    if lot is None:
        return None
    return Lot(
        comments=with_marker(lot.comments or "", key),
        name=lot.name,
        description=lot.description,
        created=lot.created_ms,
        expiration_date=lot.expiration_ms,
        tags=lot.tags or None,
    )
