"""What the journal of the PartsBox sandbox notes of a write: the stock entries it changed, and its comment."""

import re
from dataclasses import dataclass, field
from typing import Any

from tests.sandbox import journal
from tests.sandbox.journal import RequestRecord
from tests.sandbox.partsbox.state import StockEntry

#: the token that a client puts into a comment to recognise its own entry (vendors.md G1)
MARKER = re.compile(r"\[cmd:[^\]\s]+\]")


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
    legs: tuple[Leg, ...] = ()
    order_id: str | None = None
    #: `noun:id` of what was written that has no leg, such as a storage or a project
    subjects: tuple[str, ...] = ()
    #: what has no leg, before and after, by subject
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Effect(journal.Effect):
    """One committed write; its subjects are the parts of its legs and what the booking names."""

    comment: str | None
    legs: tuple[Leg, ...]
    order_id: str | None

    def describe(self) -> dict[str, Any]:
        """Give the effect as JSON, with the ids of its legs gathered."""
        return {
            **super().describe(),
            "legs": tuple(dict(vars(leg)) for leg in self.legs),
            "part_ids": sorted({leg.part_id for leg in self.legs}),
            "storage_ids": sorted({leg.storage_id for leg in self.legs if leg.storage_id}),
            "line_ids": [leg.line_id for leg in self.legs if leg.line_id],
            "timestamps_ms": [leg.timestamp_ms for leg in self.legs],
        }


class Journal(journal.Journal[Effect]):
    """The books of bookings."""

    def commit(
        self, operation: str, booking: Booking, user: str, *, foreign: bool, request: RequestRecord | None
    ) -> Effect:
        """Keep what was done."""
        effect = Effect(
            operation=operation,
            user=user,
            foreign=foreign,
            subjects=tuple(sorted({f"part:{leg.part_id}" for leg in booking.legs} | set(booking.subjects))),
            marker=marker_in(booking.comment),
            details=booking.details,
            comment=booking.comment,
            legs=booking.legs,
            order_id=booking.order_id,
        )
        return self.enter(effect, request)
