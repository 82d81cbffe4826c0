"""What happens on the warehouse day: the scans, the calls, and the bookings they must end in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.sandbox.partsbox import id_for

STATIONS = {"ST-01": "token-of-station-one", "ST-02": "token-of-station-two", "ST-03": "token-of-station-three"}
SHELF_PARTS = ("R-10R", "R-100R", "R-1K", "R-10K")
BIN_PARTS = ("C-10N", "C-100N", "C-1U", "C-10U")
ORDER_PARTS = ("R-100K", "R-1M", "C-47U", "C-100U")
#: Pieces on each line of the sandbox's orders.
LINE_PIECES = 100
#: Every this many, a call is made twice, as a sender does that missed the answer.
REPEAT_EVERY = 3


@dataclass(frozen=True, order=True, slots=True)
class Booking:
    """One entry that must appear in the vendor's stock history, once."""

    operation: str
    part: str
    storage: str
    quantity: int


@dataclass(slots=True)
class Day:
    """The plan: scans by station, API calls, and every booking they amount to."""

    scans: dict[str, list[str]] = field(default_factory=dict)
    calls: list[dict[str, Any]] = field(default_factory=list)
    bookings: list[Booking] = field(default_factory=list)
    #: Orders scanned: each is a command more, which writes nothing itself.
    orders: int = 0
    #: Commands that write, by kind; an order counts as its lines.
    commands: dict[str, int] = field(default_factory=dict)

    def _count(self, kind: str, bookings: list[Booking]) -> None:
        self.commands[kind] = self.commands.get(kind, 0) + 1
        self.bookings += bookings

    def move(self, station: str, part: str, source: str, destination: str, quantity: int) -> None:
        """Scan one move."""
        self.scans.setdefault(station, ["CMD:MOVE"]).extend(
            [label("storage", source), label("part", part), f"Q{quantity}", label("storage", destination)]
        )
        self._count(
            "stock.move",
            [Booking("stock/move", part, source, -quantity), Booking("stock/move", part, destination, quantity)],
        )

    def receive(self, station: str, order: str, storage: str) -> None:
        """Scan the receipt of an order."""
        self.scans.setdefault(station, ["CMD:RECEIVE"]).extend([label("order", order), label("storage", storage)])
        self.orders += 1
        for part in ORDER_PARTS:
            self._count("order.receive_line", [Booking("order/receive", part, storage, LINE_PIECES)])

    def call(self, kind: str, part: str, storage: str, quantity: int, moment_ms: int) -> None:
        """Post one command; every few are posted twice."""
        body = {
            "kind": kind,
            "part_id": id_for("part", part),
            "storage_id": id_for("storage", storage),
            "quantity": quantity,
            "stock_timestamp": moment_ms,
            "comments": f"kanban card {len(self.calls) + 1}",
        }
        self.calls += [body, body] if len(self.calls) % REPEAT_EVERY == 0 else [body]
        operation, signed = ("stock/add", quantity) if kind == "stock.add" else ("stock/remove", -quantity)
        self._count(kind, [Booking(operation, part, storage, signed)])


def label(kind: str, name: str) -> str:
    """Give what a printed label of the thing holds."""
    return f"https://partsbox.com/I{id_for(kind, name)}"


def plan_day(start_ms: int) -> Day:
    """Plan the day: two stations move, one receives, a kanban system adds and removes."""
    day = Day()
    for turn in range(3):
        for number, part in enumerate(SHELF_PARTS):
            day.move("ST-01", part, "shelf-1", "line-1", 10 + 4 * turn + number)
        for number, part in enumerate(BIN_PARTS):
            day.move("ST-02", part, "shelf-2", "line-2", 5 + 4 * turn + number)
    day.receive("ST-03", "SO-1", "goods-in")
    day.receive("ST-03", "SO-2", "shelf-3")
    for turn in range(4):
        for number, (shelf_part, bin_part) in enumerate(zip(SHELF_PARTS, BIN_PARTS, strict=True)):
            moment = start_ms + 100 * turn + 10 * number
            day.call("stock.add", bin_part, "shelf-3", 30 + 4 * turn + number, moment)
            day.call("stock.remove", shelf_part, "shelf-1", 2 + 4 * turn + number, moment + 1)
    return day
