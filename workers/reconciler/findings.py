"""What a comparison of the ledger with a vendor found, and the command that would put it right."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from tasks.records import State
from tasks.registry import InvalidCommandError, parse_command

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

#: Told one by one of a report that is kept or logged; the others are counted.
KEPT_DIFFERENCES: Final = 500
#: Of their JSON, in a report that is kept in Redis: one difference may be about a record of a quarter of a megabyte.
_KEPT_CHARS: Final = 1_000_000
#: Of one argument of a program: Linux takes 128 KiB.
_LONGEST_WORD_BYTES: Final = 100_000
#: Of a value that stands in a sentence.
_SHOWN_LENGTH: Final = 80
#: States of a command that did nothing, and will not.
CAME_TO_NOTHING: Final = (State.REJECTED, State.CANCELLED)


class Finding(StrEnum):
    """The four ways in which ledger and vendor can differ."""

    #: Applied in the ledger, and not at the vendor.
    MISSING = "missing"
    #: At the vendor more than once.
    DOUBLE = "double"
    #: At the vendor, and not accounted for by the ledger.
    FOREIGN = "foreign"
    #: At the vendor, and not as it was applied.
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Offer:
    """A command that would put a difference right; a person decides, nothing here submits it."""

    kind: str
    #: The command's fields as JSON. Its stock timestamp is that of what it puts right: however many reports offer it,
    #: and whoever submits it, it is one command.
    fields: dict[str, Any]

    def key(self) -> str:
        """Give the key under which it is accepted; raises InvalidCommandError where it would be refused."""
        return parse_command(self.kind, json.dumps(self.fields).encode()).key()

    def anew(self) -> Offer:
        """Give the same as another command, where this one came to nothing."""
        return replace(self, fields={**self.fields, "stock_timestamp": self.fields["stock_timestamp"] + 1})

    def line(self) -> str:
        """Write it as a line for a shell; empty where that would be too long for one."""
        given = [f"{name}={value if isinstance(value, str) else _json(value)}" for name, value in self.fields.items()]
        if max(len(word.encode()) for word in given) > _LONGEST_WORD_BYTES:
            return ""
        return shlex.join(["stockrelay", "submit", self.kind, *given])


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not at the vendor as the ledger says."""

    finding: Finding
    #: What it is about, as the vendor names it: "part …", "row … of bom …".
    subject: str
    #: One sentence for people.
    detail: str
    #: What was read to see it; a second look reads it again.
    place: str
    #: The command that it is about, where there is one.
    key: str = ""
    kind: str = ""
    expected: Any = None
    found: Any = None
    offers: tuple[Offer, ...] = ()
    #: What people call it, where that was read.
    name: str = ""

    def public(self) -> dict[str, Any]:
        """Give it ready for JSON, each offer with its line."""
        shown = asdict(self)
        del shown["place"]
        return {**shown, "offers": [{**asdict(offer), "line": offer.line()} for offer in self.offers]}


@dataclass(frozen=True, slots=True)
class Uncompared:
    """Something that could not be compared, and why."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Report:
    """What one comparison of a vendor found. Times are UTC milliseconds of the Redis server."""

    vendor: str
    since_ms: int
    began_ms: int
    ended_ms: int
    #: Applied commands that still stand, not replaced by later ones, and whose effect was looked at.
    compared: int
    #: Commands that have not ended, or that a person is to decide about: their effect may be there or not.
    undecided: int
    differences: tuple[Difference, ...] = ()
    uncompared: tuple[Uncompared, ...] = ()
    #: What this vendor's reads cannot tell.
    note: str = ""
    #: The vendor could not be asked at all, or not to the end: worth another try soon.
    gave_up: bool = False

    def counts(self) -> dict[Finding, int]:
        """Count the differences by what they are."""
        found = Counter(difference.finding for difference in self.differences)
        return {finding: found[finding] for finding in Finding}

    def public(self) -> dict[str, Any]:
        """Give it ready for JSON."""
        return self._with(self.differences, self.uncompared)

    def kept(self) -> dict[str, Any]:
        """Give as much of it as is kept in Redis: the counts still count all of it."""
        differences, size = [], 0
        for difference in self.differences[:KEPT_DIFFERENCES]:
            size += len(json.dumps(difference.public(), default=str))
            if size > _KEPT_CHARS:
                break
            differences.append(difference)
        return self._with(differences, self.uncompared[:KEPT_DIFFERENCES])

    def _with(self, differences: Sequence[Difference], uncompared: Sequence[Uncompared]) -> dict[str, Any]:
        return {
            "vendor": self.vendor,
            "since_ms": self.since_ms,
            "began_ms": self.began_ms,
            "ended_ms": self.ended_ms,
            "compared": self.compared,
            "undecided": self.undecided,
            "counts": {finding.value: count for finding, count in self.counts().items()},
            "differences": [difference.public() for difference in differences],
            "uncompared_total": len(self.uncompared),
            "uncompared": [asdict(gap) for gap in uncompared],
            "note": self.note,
            "gave_up": self.gave_up,
        }


@dataclass(slots=True)
class Findings:
    """Collects what a comparison finds."""

    #: The moment of the comparison, in UTC milliseconds.
    at_ms: int
    #: Of every command that is remembered; None where its record cannot be read.
    states: Mapping[str, State | None] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    uncompared: list[Uncompared] = field(default_factory=list)
    #: Keys of the commands that were looked at.
    compared: set[str] = field(default_factory=set)

    def add(
        self,
        finding: Finding,
        subject: str,
        detail: str,
        *,
        offers: Iterable[Offer] = (),
        counted: Collection[str] = (),
        **more: Any,
    ) -> None:
        """Note a difference, unless all that would put it right has been submitted, as an earlier report offered it.

        `counted` are keys of such commands whose effect is part of what was compared: the offers are for the rest.
        """
        given = [useful for offer in offers if (useful := self._useful(offer, counted)) is not None]
        left = tuple(offer for key, offer in given if key not in self.states)
        if left or not given:
            self.differences.append(Difference(finding, subject, detail, offers=left, **more))
        for key, _ in given:
            if key in self.states and self.states[key] is not State.APPLIED:
                self.skip(subject, on_its_way(key))

    def _useful(self, offer: Offer, counted: Collection[str]) -> tuple[str, Offer] | None:
        """Give it as it can be submitted, behind its key; None where the vendor's own data make no command."""
        try:
            while (key := offer.key()) in counted or self.states.get(key) in CAME_TO_NOTHING:
                offer = offer.anew()
        except InvalidCommandError:
            return None
        return key, offer

    def skip(self, what: str, why: object) -> None:
        """Note what could not be compared."""
        self.uncompared.append(Uncompared(what, str(why)))


def shown(value: object) -> str:
    """Write a value for a sentence: short, and as JSON."""
    text = _json(value)
    return text if len(text) <= _SHOWN_LENGTH else f"{text[:_SHOWN_LENGTH]}…"


def on_its_way(*keys: str) -> str:
    """Say what is to put a difference right, and has not ended."""
    return f"command {', '.join(keys)} would put it right, and has not ended or waits for a person"


def moment_of(timestamp_ms: int) -> str:
    """Write a vendor's time for a sentence, exact to the millisecond that names an entry."""
    try:
        at = datetime.fromtimestamp(timestamp_ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return str(timestamp_ms)
    return f"{at:%Y-%m-%d %H:%M:%S}.{timestamp_ms % 1000:03d} UTC"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
