"""What the tasks need of a vendor: ports that an adapter implements, and the plain records they speak in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from decimal import Decimal

    from tasks.errors import Exchange
    from tasks.orders import ReceiveLine
    from tasks.stock import AddStock, CorrectStock, MoveStock, RemoveStock


@dataclass(frozen=True, slots=True)
class StockEntry:
    """One entry of a part's stock history; part and timestamp together are its identity.

    `status` None means on hand; any other word is kept as it came and never counts as on hand.
    """

    part_id: str
    timestamp_ms: int
    quantity: int
    storage_id: str | None = None
    lot_id: str | None = None
    status: str | None = None
    comments: str = ""
    user: str | None = None
    stock_id: str | None = None
    order_id: str | None = None
    price: Decimal | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """An order and its lines that are still to be received (entries with status `ordered`)."""

    order_id: str
    #: open, ordered, received; None when the vendor does not say.
    status: str | None
    open_lines: tuple[StockEntry, ...]


class Sending(Protocol):
    """The sender's side of one write, handed to the adapter."""

    #: The command's idempotency key; also the name of its concurrency slot.
    key: str

    async def permitted(self) -> None:
        """Be told that the limiter let the write through; its first byte follows when this returns."""

    def may_leave(self) -> bool:
        """Say in the moment of writing whether the first byte may still leave: not in a process that was frozen."""


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


class OrderPort(Protocol):
    """Purchase orders of a vendor. Errors as for stock."""

    async def order(self, order_id: str) -> Order:
        """Read an order and its open lines."""

    async def receive_line(self, command: ReceiveLine, sending: Sending) -> Exchange:
        """Send one order/receive that names exactly one line, with the command's marker in its comment."""


class VendorPort(StockPort, OrderPort, Protocol):
    """Everything the tasks ask of a vendor."""
