"""What a person at the dead-letter desk sees and decides, as plain records."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from tasks.records import DamagedRecord, State, lane_names
from tasks.registry import command_type, kinds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.effects import Effect
    from tasks.records import CommandRecord


class LetterState(StrEnum):
    """Why a command is a dead letter."""

    #: The vendor refused it; its lane went on.
    REJECTED = "rejected"
    #: Nobody could decide about it; its lane waits.
    HELD = "held"
    #: Its record cannot be read: it can be looked at and discarded only.
    DAMAGED = "damaged"


class Place(StrEnum):
    """Where in its lanes a replayed command goes."""

    #: Before all that wait, behind what runs or may run now.
    HEAD = "head"
    #: Behind all that were accepted so far.
    TAIL = "tail"


class RedriveState(StrEnum):
    """Where a bulk replay is in its life."""

    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which dead letters; all that is given must fit. Texts are searched without regard to capitals."""

    vendor: str | None = None
    kind: str | None = None
    state: LetterState | None = None
    #: Stands in the reason.
    reason: str = ""
    #: Stands in the key, the summary, or the name of a lane.
    text: str = ""
    #: Died at or after this moment, UTC milliseconds.
    since_ms: int | None = None
    #: Died before this moment, UTC milliseconds.
    until_ms: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Give what was asked for, ready for JSON."""
        return {name: value for name, value in asdict(self).items() if value not in (None, "")}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave; what a later version adds is left out."""
        known = {name: found[name] for name in (field.name for field in fields(cls)) if name in found}
        if "state" in known:
            known["state"] = LetterState(known["state"])
        return cls(**known)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One dead letter."""

    record: CommandRecord | DamagedRecord
    #: When it was rejected or held, UTC milliseconds of Redis' clock.
    died_ms: int
    #: Changes with every death, replay and correction; a decision names the revision that was looked at.
    revision: str

    @property
    def key(self) -> str:
        return self.record.key

    @property
    def vendor(self) -> str:
        return self.record.vendor

    @property
    def kind(self) -> str:
        return self.record.kind

    @property
    def summary(self) -> str:
        """Say in one line what a replay would ask."""
        corrected = None if isinstance(self.record, DamagedRecord) else self.record.corrected_summary
        return corrected or self.record.summary

    @property
    def state(self) -> LetterState:
        if isinstance(self.record, DamagedRecord):
            return LetterState.DAMAGED
        return LetterState.HELD if self.record.state is State.HELD else LetterState.REJECTED

    @property
    def reason(self) -> str:
        return self.record.problem if isinstance(self.record, DamagedRecord) else self.record.reason

    @property
    def lanes(self) -> tuple[str, ...]:
        """Name the lanes it will stand in when it is replayed, as far as they can be read."""
        if isinstance(self.record, DamagedRecord):
            return lane_names(self.record.fields.get("lanes")) or ()
        return self.record.lanes if self.record.corrected is None else self.record.corrected_lanes

    @property
    def leaves_its_lanes(self) -> bool:
        """Tell that a kept correction puts it into other lanes: a replay of a held one needs to be told its place."""
        if isinstance(self.record, DamagedRecord) or self.record.corrected is None:
            return False
        return self.record.corrected_lanes != self.record.lanes

    @property
    def effect(self) -> Effect | None:
        """Tell how a write of its kind behaves when it is repeated; None where the kind is not known."""
        return command_type(self.kind).effect if self.kind in kinds() else None

    def public(self) -> dict[str, Any]:
        """Give it ready for JSON; what cannot be read of a damaged one is null."""
        record = None if isinstance(self.record, DamagedRecord) else self.record
        return {
            "key": self.key,
            "kind": self.kind,
            "vendor": self.vendor,
            "state": self.state.value,
            "summary": self.summary,
            "reason": self.reason,
            "attempts": record and record.attempts,
            "doubted": record and record.doubted,
            "accepted_ms": record and record.accepted_ms,
            "died_ms": self.died_ms,
            "revision": self.revision,
            "edited_by": record and record.edited_by,
            "lanes": list(self.lanes),
            "effect": self.effect and self.effect.value,
        }


@dataclass(frozen=True, slots=True)
class Page:
    """Dead letters, newest first."""

    letters: tuple[DeadLetter, ...]
    #: Ask on with it; None at the end. A page may be short, or empty, and go on: few fitted of those looked at.
    after: str | None
    #: All dead letters of the filter's vendors, whether they fit the rest of the filter or not.
    total: int

    def public(self) -> dict[str, Any]:
        """Give it ready for JSON."""
        return {"total": self.total, "after": self.after, "dead_letters": [letter.public() for letter in self.letters]}


@dataclass(frozen=True, slots=True)
class Change:
    """One field of a correction. None: not given."""

    field: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class Diff:
    """What a correction changes; nothing when `changes` is empty."""

    changes: tuple[Change, ...]
    old_summary: str
    new_summary: str
    #: What the command is serial with, now and corrected.
    old_lanes: tuple[str, ...]
    new_lanes: tuple[str, ...]
    #: The revision of the dead letter that was looked at.
    revision: str

    @property
    def leaves_its_lanes(self) -> bool:
        """Tell that a replay needs to be told its place: the corrected command stands in other lanes."""
        return self.old_lanes != self.new_lanes

    def public(self) -> dict[str, Any]:
        """Give it ready for JSON."""
        return {**asdict(self), "leaves_its_lanes": self.leaves_its_lanes}


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A command in the same lane."""

    key: str
    #: A state of the ledger, or "damaged".
    state: str
    summary: str


@dataclass(frozen=True, slots=True)
class Lane:
    """One lane of a dead letter. A rejected one stands in none, so that all are behind nothing."""

    name: str
    #: How many commands are in it, this one included where it stands there.
    length: int
    #: The first of them, in their order.
    first: tuple[Neighbour, ...]


@dataclass(frozen=True, slots=True)
class Skipped:
    """A dead letter that a bulk replay left alone."""

    key: str
    why: str


@dataclass(frozen=True, slots=True)
class Redrive:
    """A bulk replay at one vendor: durable, moved on at its rate by whichever worker serves the vendor."""

    id: str
    vendor: str
    state: RedriveState
    by: str
    filter: Filter
    #: Replays a second, at most.
    per_second: float
    total: int
    replayed: int
    #: Changed, replayed or closed by a person meanwhile.
    skipped: int
    #: The first hundred of them.
    left_alone: tuple[Skipped, ...]
    created_ms: int
    ended_ms: int | None
    cancelled_by: str | None

    @property
    def left(self) -> int:
        """Count what is still to be replayed; what a cancel left behind is not."""
        return self.total - self.replayed - self.skipped if self.state is RedriveState.RUNNING else 0

    def public(self) -> dict[str, Any]:
        """Give it ready for JSON."""
        return {**asdict(self), "filter": self.filter.to_json(), "left": self.left}
