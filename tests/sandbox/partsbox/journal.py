"""Append-only books of the sandbox: every committed effect, and every request seen."""

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.sandbox.partsbox.changes import Changes
from tests.sandbox.partsbox.state import StockEntry

#: the token that a client puts into a comment to recognise its own entry (vendors.md G1)
MARKER = re.compile(r"\[cmd:[^\]\s]+\]")

IN_FLIGHT = "in flight"


def marker_in(text: str | None) -> str | None:
    """Find the whole bracketed token in a text."""
    found = MARKER.search(text or "")
    return found.group() if found else None


@dataclass(frozen=True)
class Leg:
    """One change of one stock entry, as stored."""

    part_id: str
    storage_id: str | None
    lot_id: str | None
    #: what the entry added to its storage; for stock/update the difference
    quantity: int
    #: what the entry holds now
    stored_quantity: int
    timestamp_ms: int
    #: as stored, which a fault may have cut
    comments: str | None
    order_id: str | None = None
    #: stock/id of the order line that was received
    line_id: str | None = None


def leg_of(entry: StockEntry, quantity: int | None = None, line_id: str | None = None) -> Leg:
    """Note an entry for the journal, with the difference it made when that is not its quantity."""
    return Leg(
        part_id=entry.part_id,
        storage_id=entry.storage_id,
        lot_id=entry.lot_id,
        quantity=entry.quantity if quantity is None else quantity,
        stored_quantity=entry.quantity,
        timestamp_ms=entry.timestamp_ms,
        comments=entry.comments,
        order_id=entry.order_id,
        line_id=line_id,
    )


@dataclass(frozen=True)
class Booking:
    """What an operation did, before the journal numbers it."""

    #: as sent, so that a cut comment can still be traced
    comment: str | None
    legs: tuple[Leg, ...]
    order_id: str | None = None


@dataclass(frozen=True)
class Effect:
    """One committed write."""

    seq: int
    committed_ms: int
    operation: str
    user: str
    #: made by someone who is not the client under test
    foreign: bool
    #: the request that caused it; None for what the control API wrote
    request_seq: int | None
    comment: str | None
    #: `[cmd:...]` of the comment as sent
    marker: str | None
    legs: tuple[Leg, ...]
    order_id: str | None

    def describe(self) -> dict[str, Any]:
        """Give the effect as JSON, with the ids of its legs gathered."""
        return {
            **asdict(self),
            "part_ids": sorted({leg.part_id for leg in self.legs}),
            "storage_ids": sorted({leg.storage_id for leg in self.legs if leg.storage_id}),
            "line_ids": [leg.line_id for leg in self.legs if leg.line_id],
            "timestamps_ms": [leg.timestamp_ms for leg in self.legs],
        }


@dataclass
class RequestRecord:
    """One request, from arrival to its end on the server."""

    seq: int
    arrived_ms: int
    operation: str
    method: str
    body_sha256: str = ""
    marker: str | None = None
    part_id: str | None = None
    #: IN_FLIGHT, the category answered, or what was done instead of an answer
    outcome: str = IN_FLIGHT
    status: int | None = None
    faults: list[str] = field(default_factory=list)
    effects: list[int] = field(default_factory=list)
    client_left: bool = False
    finished_ms: int | None = None


class Journal:
    """The books; entries are only ever added."""

    def __init__(self, changes: Changes, now_ms: Callable[[], int]) -> None:
        self.effects: list[Effect] = []
        self.requests: list[RequestRecord] = []
        self._changes = changes
        self._now_ms = now_ms

    def commit(
        self, operation: str, booking: Booking, user: str, *, foreign: bool, request: RequestRecord | None
    ) -> Effect:
        """Number and keep what was done."""
        effect = Effect(
            seq=len(self.effects) + 1,
            committed_ms=self._now_ms(),
            operation=operation,
            user=user,
            foreign=foreign,
            request_seq=request.seq if request else None,
            comment=booking.comment,
            marker=marker_in(booking.comment),
            legs=booking.legs,
            order_id=booking.order_id,
        )
        self.effects.append(effect)
        if request:
            request.effects.append(effect.seq)
        self._changes.announce()
        return effect

    def arrived(self, operation: str, method: str) -> RequestRecord:
        """Open the record of a request."""
        record = RequestRecord(len(self.requests) + 1, self._now_ms(), operation, method)
        self.requests.append(record)
        self._changes.announce()
        return record

    def finished(self, record: RequestRecord) -> None:
        """Close the record of a request; one without an outcome was given up when the sandbox stopped."""
        if record.outcome == IN_FLIGHT:
            record.outcome = "given up"
        record.finished_ms = self._now_ms()
        self._changes.announce()

    def own_effects(self, marker: str | None = None) -> list[Effect]:
        """List what the client under test caused, one marker only when given."""
        return [e for e in self.effects if not e.foreign and marker in (None, e.marker)]

    def requests_of(self, operation: str) -> list[RequestRecord]:
        """List the requests of one operation."""
        return [record for record in self.requests if record.operation == operation]

    async def until_effects(self, count: int, timeout_seconds: float = 10) -> list[Effect]:
        """Wait for this many effects; raises TimeoutError."""
        await self._changes.until(lambda: len(self.effects) >= count, timeout_seconds)
        return self.effects

    async def until_requests(self, count: int, operation: str | None = None, timeout_seconds: float = 10) -> None:
        """Wait until this many requests (of one operation) have arrived; raises TimeoutError."""
        await self._changes.until(
            lambda: sum(operation in (None, record.operation) for record in self.requests) >= count, timeout_seconds
        )

    def describe(self) -> dict[str, Any]:
        """Give both books as JSON."""
        return {
            "effects": [effect.describe() for effect in self.effects],
            "requests": [asdict(record) for record in self.requests],
        }
