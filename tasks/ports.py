"""What the tasks and the vendors speak in: plain records of what is there, and the sender's side of a write.

What a task asks of a vendor is a port, declared beside the task (`tasks.stock.StockPort`); an adapter implements it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from decimal import Decimal


class Found(Protocol):
    """Something read at a vendor that proves, or disproves, that a command landed."""

    def identity(self) -> dict[str, Any]:
        """Give what names it there, for the receipt; JSON."""

    def shown(self) -> dict[str, Any]:
        """Give what identifies and proves it, for the evidence; JSON without secrets."""


@dataclass(frozen=True, slots=True)
class Record:
    """A vendor's record as far as a command is about it: its noun, its id there, and those fields as JSON values."""

    noun: str
    record_id: str
    fields: dict[str, Any] = field(default_factory=dict)

    def identity(self) -> dict[str, Any]:
        return {f"{self.noun}_id": self.record_id}

    def shown(self) -> dict[str, Any]:
        return {**self.identity(), **self.fields}


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

    def identity(self) -> dict[str, Any]:
        return {"part_id": self.part_id, "timestamp_ms": self.timestamp_ms, "quantity": self.quantity}

    def shown(self) -> dict[str, Any]:
        return {
            **self.identity(),
            "storage_id": self.storage_id,
            "lot_id": self.lot_id,
            "comments": self.comments,
            "user": self.user,
        }


@dataclass(frozen=True, slots=True)
class Order:
    """An order and its lines that are still to be received (entries with status `ordered`)."""

    order_id: str
    #: open, ordered, received; None when the vendor does not say.
    status: str | None
    open_lines: tuple[StockEntry, ...]


class Grant(NamedTuple):
    """Where Redis tells a permit that was granted: the field of this hash begins with this text from then on."""

    key: str
    field: str
    begins: str


class Sending(Protocol):
    """The sender's side of one write, handed to the adapter."""

    #: The command's idempotency key; also the name of its concurrency slot.
    key: str

    def ahead(self, grant: Grant) -> None:
        """Be told that the limiter is being asked; what is only to hold if it grants this may share the round trip."""

    async def permitted(self) -> None:
        """Be told that the limiter let the write through; its first byte follows when this returns."""

    def may_leave(self) -> bool:
        """Say in the moment of writing whether the first byte may still leave: not in a process that was frozen."""
