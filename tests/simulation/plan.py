"""What is played: commands that are submitted and troubles that befall them, each at its moment, as plain data."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Self

#: The virtual time at which every play begins: 2026-03-02 08:00:00 UTC, a Monday, in milliseconds.
START_MS: Final = 1_772_438_400_000


@dataclass(frozen=True, slots=True)
class Submit:
    """One command that a producer asks for."""

    #: Milliseconds of virtual time since the play began.
    at_ms: int
    vendor: str
    kind: str
    #: The command's fields, without `stock_timestamp` and `source`.
    fields: dict[str, Any]
    #: Who saw the event; each source sends its events one after the other.
    source: str
    #: The moment of the physical event in milliseconds of virtual time; equal for every submission of one event.
    event_ms: int

    @property
    def body(self) -> dict[str, Any]:
        """Give what the producer sends: kind, moment, source and fields."""
        return {"kind": self.kind, "stock_timestamp": START_MS + self.event_ms, "source": self.source, **self.fields}


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that goes wrong; `what` is a name of `TROUBLES`, `options` are its own."""

    #: Milliseconds of virtual time since the play began.
    at_ms: int
    what: str
    options: dict[str, Any] = field(default_factory=dict)


Event = Submit | Trouble

#: Every trouble with the options that it must have; those of `vendor_fault` may have more, which are the sandbox's own.
TROUBLES: Final[dict[str, frozenset[str]]] = {
    # a switch of the sandbox: vendor, kind (of fault), operation, and what `Faults.add` takes
    "vendor_fault": frozenset({"vendor", "kind", "operation"}),
    # a worker dies between two steps of its coroutines; a new one starts
    "kill": frozenset({"process", "after_steps"}),
    # it stands still and goes on later, without knowing
    "freeze": frozenset({"process", "seconds"}),
    # it is told to end, and ends in its own time; a new one starts
    "stop": frozenset({"process"}),
    # so many calls of one worker to the store fail, `when` is before or after they were executed
    "store_cut": frozenset({"process", "when", "calls"}),
    # the store refuses all connections
    "store_away": frozenset({"seconds"}),
    # it comes up again from its file: connections and cached scripts are gone, unanswered writes are lost
    "store_restart": frozenset(),
    # its clock is set, by positive or negative milliseconds
    "store_clock": frozenset({"step_ms"}),
    # the deliveries that lie in the vendor's queue get lost
    "hints_lost": frozenset({"vendor"}),
    # or are there twice
    "hints_doubled": frozenset({"vendor"}),
    # Partium answers 503 to every write
    "maintenance": frozenset({"seconds"}),
    # OpenBOM forgets every token it gave out
    "tokens_expired": frozenset(),
    # a colleague writes on the same subject as our next write
    "second_writer": frozenset({"vendor", "operation"}),
    # the vendor's clock is set
    "vendor_clock": frozenset({"vendor", "step_ms"}),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """One play: equal plans give equal traces, to the byte."""

    #: Decides what the plan leaves open: latencies, the order of what is ready at one moment.
    seed: int
    #: How many workers there are at any time.
    processes: int
    #: In the order of their moments.
    events: tuple[Event, ...]

    @property
    def submits(self) -> list[Submit]:
        """Give the commands, in the order in which they are submitted."""
        return [event for event in self.events if isinstance(event, Submit)]

    @property
    def troubles(self) -> list[Trouble]:
        """Give what goes wrong, in order."""
        return [event for event in self.events if isinstance(event, Trouble)]

    def to_json(self) -> str:
        """Write it down on one line; `from_json` reads it back."""
        events = [{"event": type(event).__name__.lower(), **asdict(event)} for event in self.events]
        return json.dumps({"seed": self.seed, "processes": self.processes, "events": events}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote; ValueError for a trouble that does not exist or lacks an option."""
        read = json.loads(text)
        return cls(read["seed"], read["processes"], tuple(_event(fields) for fields in read["events"]))


def _event(fields: dict[str, Any]) -> Event:
    rest = {name: value for name, value in fields.items() if name != "event"}
    match fields["event"]:
        case "submit":
            return Submit(**rest)
        case "trouble":
            return _checked(Trouble(**rest))
        case other:
            raise ValueError(f"no event {other!r}; there are submit and trouble")


def _checked(trouble: Trouble) -> Trouble:
    if trouble.what not in TROUBLES:
        raise ValueError(f"no trouble {trouble.what!r}; there are {', '.join(TROUBLES)}")
    if missing := TROUBLES[trouble.what] - trouble.options.keys():
        raise ValueError(f"{trouble.what} lacks {', '.join(sorted(missing))}")
    return trouble
