"""What happens on the warehouse day: scans, calls, and the writes at every vendor that they must end in."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from producers.scanner.commands import Instruction, QuantityCode, encode
from tests.sandbox.partsbox import id_for

PARTSBOX, PARTIUM, OPENBOM, PARTBOLT, ROUTING = "partsbox", "partium", "openbom", "partbolt", "routing"
#: Who has a worker, and a column in the count. The first one's is killed.
VENDORS: Final = (PARTSBOX, PARTIUM, OPENBOM, PARTBOLT, ROUTING)

STATIONS = {"ST-01": "token-of-station-one", "ST-02": "token-of-station-two", "ST-03": "token-of-station-three"}
SHELF_PARTS = ("R-10R", "R-100R", "R-1K", "R-10K")
BIN_PARTS = ("C-10N", "C-100N", "C-1U", "C-10U")
ORDER_PARTS = ("R-100K", "R-1M", "C-47U", "C-100U")
MOVE, RECEIVE = encode(Instruction.MOVE), encode(Instruction.RECEIVE)
#: What the dropped file books: returns from the line.
RETURNED_PARTS = ("R-10R", "C-10N", "R-1K", "C-1U", "R-100R", "C-100N", "R-10K", "C-10U")
#: Pieces on each line of the sandbox's orders.
LINE_PIECES = 100
#: Every this many, a kanban call is made twice, as a sender does that missed the answer.
REPEAT_EVERY = 3


@dataclass(frozen=True, order=True, slots=True)
class Write:
    """One write that must appear in a vendor's journal, once."""

    vendor: str
    operation: str
    #: What it is about, in the words of `tests/demo/books.py`: `R-1K in shelf-1`, `part SP-007`.
    subject: str
    #: What is there then; of stock the pieces added, as +5; empty for what is deleted.
    value: str

    def __str__(self) -> str:
        return f"{self.operation} of {self.subject}: {self.value or 'gone'}"

    @property
    def moves_stock(self) -> bool:
        """Tell what adds to what is there from what replaces it."""
        return self.operation.startswith("stock/") or self.operation == "order/receive"


@dataclass(slots=True)
class Day:
    """The plan: scans by station, calls by sender, and every command and write that they amount to."""

    scans: dict[str, list[str]] = field(default_factory=dict)
    #: Bodies, in the order in which each sender posts its own.
    calls: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    #: Events that a kanban system sends as signed webhooks, each with its id.
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    #: The rows of the dropped file: part, place, pieces.
    rows: list[tuple[str, str, int]] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    #: By vendor and kind. What a command becomes counts, and so does the command itself.
    commands: Counter[tuple[str, str]] = field(default_factory=Counter)

    def scan(self, station: str, mode: str, *codes: str) -> None:
        """Scan something; the station is switched to the mode first."""
        self.scans.setdefault(station, [mode]).extend(codes)

    def call(self, sender: str, kind: str, fields: dict[str, Any], moment_ms: int, *, twice: bool = False) -> None:
        """Post one command; `twice` for a sender that missed the answer."""
        body = {"kind": kind, "stock_timestamp": moment_ms, **fields}
        self.calls.setdefault(sender, []).extend([body, body] if twice else [body])

    def expect(self, vendor: str, kind: str, *writes: Write) -> None:
        """Expect a command at a vendor, and what it writes there."""
        self.commands[vendor, kind] += 1
        self.writes += writes


def label(kind: str, name: str) -> str:
    """Give what a printed label of the thing holds."""
    return f"https://partsbox.com/I{id_for(kind, name)}"


def stock(operation: str, part: str, storage: str, pieces: int) -> Write:
    """Describe one entry in the stock history of PartsBox."""
    return Write(PARTSBOX, operation, f"{part} in {storage}", f"{pieces:+d}")


def plan_stock(day: Day, start_ms: int) -> None:
    """Plan the movements: two stations move, one receives, a kanban system adds and removes, a file brings returns."""
    for turn in range(3):
        for number, part in enumerate(SHELF_PARTS):
            _move(day, "ST-01", part, "shelf-1", "line-1", 10 + 4 * turn + number)
        for number, part in enumerate(BIN_PARTS):
            _move(day, "ST-02", part, "shelf-2", "line-2", 5 + 4 * turn + number)
    _receive(day, "ST-03", "SO-1", "goods-in")
    _receive(day, "ST-03", "SO-2", "shelf-3")
    for turn in range(4):
        for number, (shelf_part, bin_part) in enumerate(zip(SHELF_PARTS, BIN_PARTS, strict=True)):
            moment = start_ms + 100 * turn + 10 * number
            _kanban(day, "stock.add", bin_part, "shelf-3", 30 + 4 * turn + number, moment)
            _kanban(day, "stock.remove", shelf_part, "shelf-1", 2 + 4 * turn + number, moment + 1)
    for number, part in enumerate(RETURNED_PARTS * 3):
        _return(day, part, "shelf-2", 20 + number)


def _move(day: Day, station: str, part: str, source: str, target: str, pieces: int) -> None:
    places = label("storage", source), label("storage", target)
    day.scan(station, MOVE, places[0], label("part", part), encode(QuantityCode(pieces)), places[1])
    legs = stock("stock/move", part, source, -pieces), stock("stock/move", part, target, pieces)
    day.expect(PARTSBOX, "stock.move", *legs)


def _receive(day: Day, station: str, order: str, storage: str) -> None:
    day.scan(station, RECEIVE, label("order", order), label("storage", storage))
    day.expect(PARTSBOX, "order.receive")
    for part in ORDER_PARTS:
        day.expect(PARTSBOX, "order.receive_line", stock("order/receive", part, storage, LINE_PIECES))


def _kanban(day: Day, kind: str, part: str, storage: str, pieces: int, moment_ms: int) -> None:
    """Have the kanban system tell of a card; some events come twice, as from a sender that missed the answer."""
    card = len({name for name, _ in day.events}) + 1
    event = {"type": kind, "card": card, "part": part, "place": storage, "pieces": pieces, "at_ms": moment_ms}
    copies = 2 if card % REPEAT_EVERY == 1 else 1
    day.events += [(f"card-{card}-{moment_ms}", event)] * copies
    day.expect(PARTSBOX, kind, stock(kind.replace(".", "/"), part, storage, pieces if kind == "stock.add" else -pieces))


def _return(day: Day, part: str, storage: str, pieces: int) -> None:
    day.rows.append((part, storage, pieces))
    day.expect(PARTSBOX, "stock.add", stock("stock/add", part, storage, pieces))
