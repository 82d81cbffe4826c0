"""Stock commands: what can be asked about the stock of a part, and how each is proved at the vendor."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Protocol, Self

from pydantic import model_validator

from tasks.absolute import Absolute
from tasks.commands import (
    Command,
    Currency,
    Model,
    PlainText,
    Price,
    Quantity,
    ShortText,
    SignedQuantity,
    Tag,
    TimestampMs,
    VendorId,
)
from tasks.effects import Effect
from tasks.identity import IDENTITY
from tasks.lookup import Finding, Image, Leg, judge
from tasks.ports import Record
from tasks.task import Before, Target, Task

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.errors import Exchange
    from tasks.ports import Sending, StockEntry

#: Vendor prices are binary floats (0.06280000000000001): equal within half of the smallest price.
_PRICE_TOLERANCE: Final = Decimal("0.000000005")


class StockPort(Protocol):
    """Stock of a vendor. Every method raises the vendor errors of `tasks.errors`; none retries."""

    async def stock_entries(self, part_id: str) -> tuple[StockEntry, ...]:
        """Read a part's whole stock history, oldest first."""

    async def add_stock(self, command: AddStock, sending: Sending) -> Exchange:
        """Send one stock/add with the command's marker in its comment."""

    async def remove_stock(self, command: RemoveStock, sending: Sending) -> Exchange:
        """Send one stock/remove with the command's marker in its comment."""

    async def move_stock(self, command: MoveStock, sending: Sending) -> Exchange:
        """Send one stock/move with the command's marker in its comment."""

    async def correct_stock(self, command: CorrectStock, sending: Sending) -> Exchange:
        """Send one stock/update; the entry's comment gets no marker."""


class NewLot(Model):
    """A lot the vendor creates with the movement (PartsBox LOT; plans with lot control)."""

    name: ShortText | None = None
    description: PlainText | None = None
    comments: PlainText | None = None
    created_ms: TimestampMs | None = None
    expiration_ms: TimestampMs | None = None
    tags: tuple[Tag, ...] = ()


class NewOrder(Model):
    """An order the vendor creates with an addition (PartsBox stock/add `order`)."""

    vendor_name: ShortText | None = None
    number: ShortText | None = None
    invoice_number: ShortText | None = None
    #: Left out, it becomes the command's key, so that the order can be found again.
    po_number: ShortText | None = None
    comments: PlainText | None = None
    notes: PlainText | None = None
    tags: tuple[Tag, ...] = ()
    created_ms: TimestampMs | None = None
    arriving_ms: TimestampMs | None = None


class StockCommand(Command):
    """A change of one part's stock; serial with every other change of that part."""

    vendor: ClassVar[str] = "partsbox"
    part_id: Annotated[VendorId, IDENTITY]

    def lanes(self) -> tuple[str, ...]:
        return (f"part:{self.part_id}",)


def _price_needs_currency(price: object, currency: object) -> None:
    if price is not None and currency is None:
        raise ValueError("currency: missing; a price needs its currency")
    if currency is not None and price is None:
        raise ValueError("price: missing; a currency needs its price")


class AddStock(StockCommand):
    """Add pieces of a part to a storage location (PartsBox stock/add)."""

    kind: ClassVar[str] = "stock.add"
    effect: ClassVar[Effect] = Effect.RELATIVE

    storage_id: Annotated[VendorId, IDENTITY]
    quantity: Annotated[Quantity, IDENTITY]
    price: Price | None = None
    currency: Currency | None = None
    order_id: Annotated[VendorId | None, IDENTITY] = None
    vendor_sku: ShortText | None = None
    order: NewOrder | None = None
    lot: NewLot | None = None

    def summary(self) -> str:
        return f"add {self.quantity} of part {self.part_id[:8]}… to {self.storage_id[:8]}…"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _price_needs_currency(self.price, self.currency)
        if self.order_id is not None and self.order is not None:
            raise ValueError("order: not allowed together with order_id; name an order or create one")
        if (self.order_id is not None or self.order is not None) and self.vendor_sku is None:
            raise ValueError("vendor_sku: missing; stock linked to an order needs the vendor's SKU")
        return self


class RemoveStock(StockCommand):
    """Take pieces of a part out of a storage location (PartsBox stock/remove)."""

    kind: ClassVar[str] = "stock.remove"
    effect: ClassVar[Effect] = Effect.RELATIVE

    storage_id: Annotated[VendorId, IDENTITY]
    lot_id: Annotated[VendorId | None, IDENTITY] = None
    quantity: Annotated[Quantity, IDENTITY]

    def summary(self) -> str:
        return f"remove {self.quantity} of part {self.part_id[:8]}… from {self.storage_id[:8]}…"


class MoveStock(StockCommand):
    """Move pieces of a part from one storage location to another (PartsBox stock/move)."""

    kind: ClassVar[str] = "stock.move"
    effect: ClassVar[Effect] = Effect.RELATIVE

    from_storage_id: Annotated[VendorId, IDENTITY]
    to_storage_id: Annotated[VendorId, IDENTITY]
    lot_id: Annotated[VendorId | None, IDENTITY] = None
    quantity: Annotated[Quantity, IDENTITY]
    split_lot: bool = False
    lot: NewLot | None = None

    def summary(self) -> str:
        return (
            f"move {self.quantity} of part {self.part_id[:8]}… "
            f"from {self.from_storage_id[:8]}… to {self.to_storage_id[:8]}…"
        )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.from_storage_id == self.to_storage_id:
            raise ValueError("to_storage_id: equals from_storage_id; scan a different destination")
        if self.lot is not None and not self.split_lot:
            raise ValueError("lot: only allowed with split_lot=true")
        return self


class CorrectStock(StockCommand):
    """Set fields of one stock entry to absolute values (PartsBox stock/update).

    The entry is named by its part and `entry_timestamp`, the vendor's own `stock/timestamp`.
    """

    kind: ClassVar[str] = "stock.correct"
    effect: ClassVar[Effect] = Effect.SET

    entry_timestamp: Annotated[TimestampMs, IDENTITY]
    #: Signed as the entry is: a removal's quantity is negative. Zero is allowed.
    quantity: Annotated[SignedQuantity | None, IDENTITY] = None
    price: Annotated[Price | None, IDENTITY] = None
    currency: Annotated[Currency | None, IDENTITY] = None
    #: The entry's comment is set only when this is given; no marker is added to it.
    new_comments: Annotated[PlainText | None, IDENTITY] = None

    def summary(self) -> str:
        return f"correct entry {self.entry_timestamp} of part {self.part_id[:8]}…"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _price_needs_currency(self.price, self.currency)
        if self.quantity is None and self.price is None and self.new_comments is None:
            raise ValueError("quantity: missing; give at least one of quantity, price with currency, new_comments")
        return self


#: The relative writes.
Movement = AddStock | RemoveStock | MoveStock


def legs_of(command: Movement) -> tuple[Leg, ...]:
    """List the entries that a movement writes."""
    match command:
        case AddStock():
            return (Leg(command.storage_id, command.quantity),)
        case RemoveStock():
            return (Leg(command.storage_id, -command.quantity, command.lot_id),)
        case MoveStock():
            arriving = None if command.split_lot else command.lot_id
            return (
                Leg(command.from_storage_id, -command.quantity, command.lot_id),
                Leg(command.to_storage_id, command.quantity, arriving),
            )


class StockMovement:
    """Applies stock.add, stock.remove and stock.move: relative writes, proved by their marker."""

    async def before(self, command: Movement, target: Target[StockPort]) -> Before:
        entries = await target.port.stock_entries(command.part_id)
        image = Image(timestamps=frozenset(entry.timestamp_ms for entry in entries))
        return Before(image, judge(entries, target.key, legs_of(command), image, target.user))

    async def send(self, command: Movement, target: Target[StockPort], sending: Sending) -> Exchange:
        match command:
            case AddStock():
                return await target.port.add_stock(command, sending)
            case RemoveStock():
                return await target.port.remove_stock(command, sending)
            case MoveStock():
                return await target.port.move_stock(command, sending)

    async def proof(self, command: Movement, target: Target[StockPort]) -> Finding:
        return await self.look(command, target)

    async def look(self, command: Movement, target: Target[StockPort]) -> Finding:
        entries = await target.port.stock_entries(command.part_id)
        return judge(entries, target.key, legs_of(command), target.image, target.user)


class StockCorrection(Absolute[CorrectStock]):
    """Applies stock.correct to the entry that has the command's timestamp."""

    names_it = "entry_timestamp"

    async def read(self, command: CorrectStock, target: Target[StockPort]) -> Record | None:
        entries = await target.port.stock_entries(command.part_id)
        entry = next((entry for entry in entries if entry.timestamp_ms == command.entry_timestamp), None)
        return None if entry is None else Record("entry", f"{entry.part_id}:{entry.timestamp_ms}", _fields(entry))

    async def send(self, command: CorrectStock, target: Target[StockPort], sending: Sending) -> Exchange:
        return await target.port.correct_stock(command, sending)

    def holds(self, record: Record, command: CorrectStock) -> bool:
        fields = record.fields
        if command.quantity is not None and fields["quantity"] != command.quantity:
            return False
        if command.new_comments is not None and fields["comments"] != command.new_comments:
            return False
        if command.price is None:
            return True
        return (
            fields["price"] is not None
            and abs(Decimal(fields["price"]) - command.price) <= _PRICE_TOLERANCE
            and fields["currency"] == command.currency
        )


def _fields(entry: StockEntry) -> dict[str, Any]:
    return {
        "quantity": entry.quantity,
        "price": None if entry.price is None else str(entry.price),
        "currency": entry.currency,
        "comments": entry.comments,
    }


TASKS: Final[Mapping[type[Command], Task[Any]]] = {
    AddStock: StockMovement(),
    RemoveStock: StockMovement(),
    MoveStock: StockMovement(),
    CorrectStock: StockCorrection(),
}
