"""A station on a desk: its clock turned by hand, a small warehouse behind it, and scans written as short tokens."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from producers.scanner.codes import CodeReader
from producers.scanner.commands import Badge, Instruction, QuantityCode, encode
from producers.scanner.lookups import Absence
from producers.scanner.station import Feedback, Station
from tasks.directory import Thing, ThingType, code_of

if TYPE_CHECKING:
    from producers.outbox import Outbox
    from producers.scanner.codes import Code

FLOWS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "fixtures" / "station_flows.json").read_text())
START_MS = 1_800_000_000_000


@dataclass
class Warehouse:
    """The directory of the fixture; `is_away` makes it know nothing."""

    things: dict[str, Thing] = field(default_factory=dict)
    codes: dict[str, tuple[Thing, ...]] = field(default_factory=dict)
    is_away: bool = False
    #: Part numbers that could not be asked about.
    parts_away: set[str] = field(default_factory=set)

    async def prepare(self, code: Code) -> None:
        pass

    def thing(self, vendor_id: str) -> Thing | Absence:
        if self.is_away:
            return Absence.OFFLINE
        return self.things.get(vendor_id, Absence.UNKNOWN)

    def parts(self, code: str) -> tuple[Thing, ...] | Absence:
        if self.is_away or code_of(code) in self.parts_away:
            return Absence.OFFLINE
        return self.codes.get(code_of(code)) or Absence.UNKNOWN


def warehouse() -> Warehouse:
    by_name = {
        name: Thing(one["id"], ThingType(one["type"]), one["name"], one.get("archived", False))
        for name, one in FLOWS["things"].items()
    }
    codes = {code_of(code): tuple(by_name[name] for name in names) for code, names in FLOWS["codes"].items()}
    return Warehouse({thing.id: thing for thing in by_name.values()}, codes)


def raw_of(token: str) -> bytes:
    """Turn a token into what the scanner sends."""
    sign, rest = token[0], token[1:]
    match sign:
        case "!":
            return encode(Instruction[rest]).encode()
        case "=":
            return encode(QuantityCode(int(rest))).encode()
        case "*":
            return encode(Badge(rest)).encode()
        case "@":
            return str(FLOWS["things"][rest]["id"]).encode()
        case "#":
            return str(FLOWS["labels"][rest]).encode()
        case "~":
            return rest.encode()
    raise ValueError(token)


@dataclass
class Desk:
    """A station, its clock and its outbox."""

    outbox: Outbox
    ms: int = START_MS
    warehouse: Warehouse = field(default_factory=warehouse)

    def __post_init__(self) -> None:
        self.station = self.restarted()

    def restarted(self) -> Station:
        self.station = Station("ST-01", self.outbox, CodeReader(), self.warehouse, clock_ms=lambda: self.ms)
        return self.station

    def wait(self, seconds: float) -> Feedback | None:
        """Let time pass and the station notice."""
        self.ms += int(seconds * 1000)
        return self.station.tick()

    def scan(self, *tokens: str) -> list[Feedback]:
        """Scan tokens, each a second after the one before."""
        told = []
        for token in tokens:
            self.ms += 1000
            told.append(self.station.scan(raw_of(token), "desk", self.ms))
        return told

    def stored(self) -> list[dict[str, Any]]:
        """Give the bodies in the outbox, oldest first."""
        return [json.loads(row.body) for row in self.outbox.rows(limit=1000)]
