"""A batch: one command of every kind, each on a part of its own, and one behind each in its lane."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final

from tasks.orders import LineToReceive, ReceiveOrder
from tasks.stock import AddStock, CorrectStock, MoveStock, RemoveStock
from tasks.submit import now_ms
from tests.sandbox.partsbox import id_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasks.commands import Command

#: Kinds that write at the vendor -> the operation they write with.
OPERATIONS: Final = {
    "stock.add": "stock/add",
    "stock.remove": "stock/remove",
    "stock.move": "stock/move",
    "stock.correct": "stock/update",
    "order.receive_line": "order/receive",
}
WRITING: Final = tuple(OPERATIONS)
#: The one kind that becomes others; what it becomes writes as order.receive_line.
EXPANDING: Final = "order.receive"
KINDS: Final = (*WRITING, EXPANDING)
#: Kinds whose effect carries our marker.
MARKED: Final = tuple(kind for kind in WRITING if kind != "stock.correct")

SHELF, LINE = id_for("storage", "shelf-1"), id_for("storage", "line-1")
STOCK: Final = 1000
PIECES: Final = 40
#: The vendor's time of the entry that corrections change.
ENTRY_MS: Final = 1_700_000_000_000
_moments = itertools.count(now_ms())


class Batch:
    """Commands that nobody else's can be mistaken for: parts, orders and sources are named after the batch."""

    def __init__(self, name: str, kinds: Sequence[str] = KINDS) -> None:
        self.name = name
        self.kinds = tuple(kinds)

    def part(self, kind: str) -> str:
        return id_for("part", f"{self.name}-{kind}")

    def source(self, kind: str) -> str:
        return f"{self.name}.{kind}"

    def order(self, kind: str) -> str:
        return id_for("order", self._number(kind))

    @property
    def writing(self) -> tuple[str, ...]:
        """Its kinds that write themselves."""
        return tuple(kind for kind in self.kinds if kind in OPERATIONS)

    def mark(self, kind: str) -> str:
        """What every write of this kind's commands, and of no other's, has among its parameters."""
        return self.order(kind) if kind.startswith("order.") else self.part(kind)

    def fixture(self) -> dict[str, Any]:
        """Everything the commands need at the vendor, as the sandbox loads it."""
        parts = {kind: f"{self.name}-{kind}" for kind in self.kinds}
        entry = {"storage": "shelf-1", "stock/quantity": STOCK, "stock/timestamp": ENTRY_MS}
        return {
            "parts": [{"part/name": part} for part in parts.values()],
            "stock": [{"part": part, **entry} for part in parts.values()],
            "orders": [
                {"order/number": self._number(kind), "order/entries": [{"part": part, "stock/quantity": 100}]}
                for kind, part in parts.items()
                if kind.startswith("order.")
            ],
        }

    def command(self, kind: str) -> Command:
        """The command under test; one of kind `order.receive_line` is born of the parent that this gives."""
        part_id, moment, source = self.part(kind), next(_moments), self.source(kind)
        match kind:
            case "stock.add":
                return AddStock(
                    part_id=part_id, storage_id=SHELF, quantity=PIECES, stock_timestamp=moment, source=source
                )
            case "stock.remove":
                return RemoveStock(
                    part_id=part_id, storage_id=SHELF, quantity=PIECES, stock_timestamp=moment, source=source
                )
            case "stock.move":
                return MoveStock(
                    part_id=part_id,
                    from_storage_id=SHELF,
                    to_storage_id=LINE,
                    quantity=PIECES,
                    stock_timestamp=moment,
                    source=source,
                )
            case "stock.correct":
                return CorrectStock(
                    part_id=part_id,
                    entry_timestamp=ENTRY_MS,
                    quantity=STOCK + PIECES,
                    stock_timestamp=moment,
                    source=source,
                )
        line = LineToReceive(stock_id=id_for("line", f"{self._number(kind)}/1"), quantity=PIECES)
        return ReceiveOrder(
            order_id=self.order(kind), storage_id=SHELF, lines=(line,), stock_timestamp=moment, source=source
        )

    def follower(self, kind: str) -> Command:
        """A later command in the same lane."""
        if kind.startswith("order."):
            line = LineToReceive(stock_id=id_for("line", f"{self._number(kind)}/1"), quantity=7)
            moment, source = next(_moments), f"{self.name}.later"
            return ReceiveOrder(
                order_id=self.order(kind), storage_id=LINE, lines=(line,), stock_timestamp=moment, source=source
            )
        return AddStock(
            part_id=self.part(kind),
            storage_id=LINE,
            quantity=7,
            stock_timestamp=next(_moments),
            source=f"{self.name}.later",
        )

    def operations(self, kind: str) -> tuple[str, str]:
        """What the vendor must have seen on the kind's part, in this order, once each."""
        return (
            OPERATIONS.get(kind, OPERATIONS["order.receive_line"]),
            "order/receive" if kind.startswith("order.") else "stock/add",
        )

    def _number(self, kind: str) -> str:
        return f"SO-{self.name}-{kind}"
