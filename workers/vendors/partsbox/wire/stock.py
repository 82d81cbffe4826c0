"""The JSON of PartsBox: the document's field names on one side, commands and plain records on the other."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter

from tasks.commands import Currency, Tag
from tasks.identity import with_marker
from tasks.ports import Order, StockEntry

if TYPE_CHECKING:
    from tasks.stock import NewLot

#: Whole numbers above this are not exact as JSON numbers (RFC 8259, 6); a quantity or a time never is.
_MAX_EXACT: Final = 2**53
#: The status of an order line that is still to be received.
_ORDERED: Final = "ordered"


def _whole(value: object) -> object:
    """Take 12 and 12.0 (the newer document announces floats), not 12.5, true or "12"."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _MAX_EXACT:
        raise ValueError("not a whole number")
    return value


def _unbroken(value: object) -> object:
    """Mend text whose emoji was cut in two: half of a surrogate pair can't be stored anywhere."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _word(value: object) -> object:
    """Keep a status of a form that nobody foresaw as text: it must not look like none, which means on hand."""
    return value if value is None or isinstance(value, str) else str(value)


_Whole = Annotated[int, BeforeValidator(_whole)]
_Text = Annotated[str, BeforeValidator(_unbroken)]
_Word = Annotated[_Text, BeforeValidator(_word)]


class _Answer(BaseModel):
    """What the vendor sends: fields we do not know are left out, known ones must be what they are."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _Entry(_Answer):
    quantity: _Whole = Field(alias="stock/quantity")
    timestamp: _Whole = Field(alias="stock/timestamp")
    id: _Text | None = Field(default=None, alias="stock/id")
    part_id: _Text | None = Field(default=None, alias="stock/part-id")
    storage_id: _Text | None = Field(default=None, alias="stock/storage-id")
    lot_id: _Text | None = Field(default=None, alias="stock/lot-id")
    status: _Word | None = Field(default=None, alias="stock/status")
    comments: _Text | None = Field(default=None, alias="stock/comments")
    user: _Text | None = Field(default=None, alias="stock/user")
    order_id: _Text | None = Field(default=None, alias="stock/order-id")
    price: Decimal | None = Field(default=None, alias="stock/price")
    currency: _Text | None = Field(default=None, alias="stock/currency")

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
    part_id: _Text = Field(alias="stock/part-id")


class _Part(_Answer):
    #: Required: without it any object would read as a part that never had stock.
    id: _Text = Field(alias="part/id")
    stock: tuple[_Entry, ...] | None = Field(default=None, alias="part/stock")


class _OrderHead(_Answer):
    status: _Word | None = Field(default=None, alias="order/status")


_LINES: Final = TypeAdapter(tuple[_Line, ...])


def _data(body: dict[str, Any], prefix: str) -> Any:
    """Find what was asked for: under `data`, else at the top level (the document has both)."""
    if body.get("data") is not None:
        return body["data"]
    if any(name.startswith(prefix) for name in body):
        return body
    raise ValueError("data is missing")


def stock_entries(body: dict[str, Any], part_id: str) -> tuple[StockEntry, ...]:
    """Read a part/get answer as the part's stock history, oldest first; ValueError when it can't be."""
    part = _Part.model_validate(_data(body, "part/"))
    return tuple(sorted((entry.record(part_id) for entry in part.stock or ()), key=lambda entry: entry.timestamp_ms))


def order_status(body: dict[str, Any]) -> str | None:
    """Read an order/get answer; None when it has no status. ValueError when it is no order."""
    return _OrderHead.model_validate(_data(body, "order/")).status


def order_entries(body: dict[str, Any]) -> tuple[StockEntry, ...]:
    """Read an order/get-entries answer; ValueError when it can't be."""
    return tuple(line.record(line.part_id) for line in _LINES.validate_python(_data(body, "data")))


def order(order_id: str, status: str | None, entries: tuple[StockEntry, ...]) -> Order:
    """Put an order together of its two reads."""
    return Order(order_id, status, tuple(entry for entry in entries if entry.status == _ORDERED))


class Request(BaseModel):
    """What we send: exactly the document's fields, of exactly its types; what is None is left out."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_by_name=True, validate_by_alias=False)

    def body(self) -> dict[str, Any]:
        """Give the JSON object; a price stays a Decimal."""
        return self.model_dump(by_alias=True, exclude_none=True)


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
