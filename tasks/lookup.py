"""Judging a read of the vendor's stock history: did this command land? Pure, no vendor, no clock.

The rules are G1 to G7 of the vendor reference: the marker is searched in the full list, unmarked candidates only among
entries that were not there before, by sets of timestamps and never by a clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from tasks.identity import markers_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tasks.ports import Found, StockEntry


class Image(BaseModel):
    """What the vendor's data looked like before the write: durable with the intent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: Every stock timestamp of the part.
    timestamps: frozenset[int] = frozenset()
    #: Pieces still open on the order line.
    line_open: int | None = None
    #: The vendor's id of the record that is changed, where the command names it otherwise.
    record_id: str | None = None
    #: The fields that the command changes, as they were.
    fields: dict[str, Any] | None = None
    #: Every record of the same name.
    record_ids: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Leg:
    """One entry a command writes: how many pieces, where; negative when taken out."""

    storage_id: str
    quantity: int
    lot_id: str | None = None

    def fits(self, entry: StockEntry) -> bool:
        """Tell whether the entry is at this leg's place and in its direction."""
        return (
            entry.status is None
            and entry.storage_id == self.storage_id
            and (entry.quantity < 0) == (self.quantity < 0)
            and (self.lot_id is None or entry.lot_id is None or entry.lot_id == self.lot_id)
        )


class Why(StrEnum):
    """Why a look-up cannot decide."""

    PARTIAL = "the marker is there in part only"
    DOUBLE = "it is there more than once"
    MISPLACED = "the marker is on an entry that is not ours"
    UNMARKED = "an entry like ours appeared without a marker"
    CHANGED = "someone else changed the record meanwhile"
    UNREADABLE = "the vendor refused to show the record"
    AMBIGUOUS = "several records answer to the name"
    IGNORED = "the record is as it was"
    #: What is missing may be sent, unless the vendor refuses it.
    INCOMPLETE = "only a part of it is there"


class Proof(StrEnum):
    """By what a command is known to have landed."""

    #: Our key was read back inside the vendor's data.
    MARKER = "marker"
    #: What was read back is what was wanted: by us or anyone, the state is equal.
    STATE = "state"
    #: The vendor's confirmation; nothing was read back.
    ANSWER = "answer"


@dataclass(frozen=True, slots=True)
class Landed:
    """The write is there; `entries` prove it."""

    entries: tuple[Found, ...]
    proof: Proof = Proof.MARKER
    #: It may have been like this before: then the send can still arrive, behind a later one.
    maybe_before: bool = False


@dataclass(frozen=True, slots=True)
class Absent:
    """The write is not there now."""


@dataclass(frozen=True, slots=True)
class Undecidable:
    """A person must look; nothing may be sent."""

    why: Why
    entries: tuple[Found, ...] = ()


Finding = Landed | Absent | Undecidable


def judge(entries: Iterable[StockEntry], key: str, legs: Sequence[Leg], image: Image, user: str | None) -> Finding:
    """Decide from the full history of a part whether the command's legs are there.

    `user` is the vendor's name of our API user where it is known: another user's unmarked entry is then not ours.
    """
    history = tuple(entries)
    marked = tuple(entry for entry in history if key in markers_in(entry.comments))
    if marked:
        return _judge_marked(marked, legs)
    unmarked = tuple(
        entry
        for entry in history
        if entry.timestamp_ms not in image.timestamps
        and not markers_in(entry.comments)
        and (user is None or entry.user is None or entry.user == user)
        and any(leg.fits(entry) and entry.quantity == leg.quantity for leg in legs)
    )
    return Undecidable(Why.UNMARKED, unmarked) if unmarked else Absent()


def _judge_marked(marked: tuple[StockEntry, ...], legs: Sequence[Leg]) -> Finding:
    sums = [sum(entry.quantity for entry in marked if leg.fits(entry)) for leg in legs]
    if not all(any(leg.fits(entry) for leg in legs) for entry in marked):
        return Undecidable(Why.MISPLACED, marked)
    if all(total == leg.quantity for total, leg in zip(sums, legs, strict=True)):
        return Landed(marked)
    if any(abs(total) > abs(leg.quantity) for total, leg in zip(sums, legs, strict=True)):
        return Undecidable(Why.DOUBLE, marked)
    return Undecidable(Why.PARTIAL, marked)
