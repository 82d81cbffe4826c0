"""What a run leaves to be judged: what was asked for, the vendors' books and what the ledgers tell; no I/O here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tasks.effects import Effect

#: JSON as the control API of a sandbox gives it.
Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """One accepted command, what it became included, and how its effect is known among the vendor's."""

    key: str
    vendor: str
    kind: str
    #: Names of what it is serial with; within each, effects must come in the order of `place`.
    lanes: tuple[str, ...]
    #: Where it stands in the order of acceptance: any number that grows, within a vendor.
    place: int
    #: What it is about, one of the subjects of its effect in the journal; of an EXPAND command the subject of a read
    #: that must have been answered, or nothing.
    subject: str = ""
    #: What the vendor's effect carries exactly once and no other command's does: our marker, a value or a word of a
    #: value, or for what has neither `<operation> <subject>`. Empty for an EXPAND command.
    fingerprint: str = ""
    effect: Effect
    #: What a stock movement adds: storage id and pieces of each leg, sorted. Empty where the pieces are not compared.
    legs: tuple[tuple[str, int], ...] = ()
    #: Key of the command that this one was made by.
    parent: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


@dataclass(frozen=True, slots=True)
class VendorBooks:
    """What a sandbox's control API gives at the end: `GET /journal`, `/limits`, `/state` and `/faults`."""

    vendor: str
    journal: Json
    limits: Json
    state: Json = field(default_factory=dict)
    #: Switches with how often they `fired`; a trouble that is no switch is put here in the same form.
    faults: Sequence[Json] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """One command as its ledger has it."""

    vendor: str
    key: str
    kind: str
    state: str
    reason: str = ""
    parent: str = ""
    #: Sends that were spent on it.
    attempts: int = 1

    def __str__(self) -> str:
        return f"{self.kind} {self.key} is {self.state}" + (f": {self.reason}" if self.reason else "")


@dataclass(frozen=True, slots=True)
class Step:
    """A change of a command's state, from the ledger's event stream."""

    key: str
    state: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """What a vendor's ledger tells: every command, and every step in its order."""

    entries: Sequence[Entry] = ()
    steps: Sequence[Step] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that `tests.checker.judge.judge` needs of one run."""

    expected: Sequence[Expected]
    #: By vendor; one that is no vendor (`routing`) has none.
    books: Mapping[str, VendorBooks]
    #: By vendor, routing included.
    told: Mapping[str, Told]
