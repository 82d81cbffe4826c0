"""What the ledger knows of one command, as plain records."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Self

from tasks.errors import DamagedRecordError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: So much of a damaged value is shown.
SHOWN_LENGTH: Final = 40


class State(StrEnum):
    """Where a command is in its life (design section 2)."""

    WAITING = "waiting"
    READY = "ready"
    SENDING = "sending"
    DELAYED = "delayed"
    IN_DOUBT = "in_doubt"
    APPLIED = "applied"
    REJECTED = "rejected"
    HELD = "held"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """True for a state no worker leaves on its own."""
        return self in (State.APPLIED, State.REJECTED, State.HELD, State.CANCELLED)


class Verdict(StrEnum):
    """What a claim found."""

    FRESH = "fresh"
    IN_DOUBT = "in_doubt"
    HELD_BY_OTHER = "held_by_other"
    NOT_READY = "not_ready"
    SETTLED = "settled"
    UNKNOWN = "unknown"
    #: The record cannot be read; the command is held for a person.
    DAMAGED = "damaged"


#: What a worker must understand to run a command, beside its kind and fields; a record without a format has this one.
FORMAT: Final = 1
#: More is no moment, and Python reads no more than 4,300.
_MOMENT_DIGITS: Final = 16


@dataclass(frozen=True, slots=True)
class DamagedRecord:
    """What the ledger keeps under a key, where that cannot be read as a command."""

    key: str
    vendor: str
    #: Which field is wrong and how, in words.
    problem: str
    fields: Mapping[str, str]

    @property
    def summary(self) -> str:
        return self.fields.get("summary", "")

    @property
    def kind(self) -> str:
        return self.fields.get("kind", "")

    @property
    def updated_ms(self) -> int | None:
        text = self.fields.get("updated_ms", "")
        return int(text) if text.isdecimal() and len(text) <= _MOMENT_DIGITS else None


def lane_names(text: str | None) -> tuple[str, ...] | None:
    """Read a list of names as the ledger keeps it; None where it is none."""
    try:
        found = json.loads(text or "")
    except (ValueError, RecursionError):
        return None
    if not (isinstance(found, list | dict) and all(isinstance(name, str) for name in found)):
        return None
    return tuple(found) if isinstance(found, list) or not found else None


@dataclass(frozen=True, slots=True)
class _Fields:
    """The hash of one command; what cannot be read raises DamagedRecordError naming the field."""

    key: str
    vendor: str
    fields: Mapping[str, str]

    def damaged(self, name: str, how: str) -> DamagedRecordError:
        return DamagedRecordError(DamagedRecord(self.key, self.vendor, f"field {name}: {how}", dict(self.fields)))

    def state(self) -> State:
        text = self.fields.get("state")
        if not text:
            raise self.damaged("state", "missing")
        try:
            return State(text)
        except ValueError:
            raise self.damaged("state", f"unknown: {text[:SHOWN_LENGTH]}") from None

    def text(self, name: str) -> str:
        text = self.fields.get(name)
        if not text:
            raise self.damaged(name, "missing")
        return text

    def maybe(self, name: str) -> int | None:
        text = self.fields.get(name)
        try:
            return int(float(text)) if text else None
        except (ValueError, OverflowError):
            raise self.damaged(name, "not a number") from None

    def number(self, name: str) -> int:
        return self.maybe(name) or 0

    def mapping(self, name: str) -> dict[str, Any] | None:
        text = self.fields.get(name)
        if not text:
            return None
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise self.damaged(name, "not a JSON object")
        return found

    def names(self, name: str) -> tuple[str, ...]:
        text = self.fields.get(name)
        found = lane_names(text) if text else ()
        if found is None:
            raise self.damaged(name, "not a list of names")
        return found


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """A command in the ledger: what was asked, its state and its counters. Times are Redis' clock, UTC milliseconds."""

    key: str
    vendor: str
    kind: str
    state: State
    summary: str
    client: str
    command: str
    lanes: tuple[str, ...]
    accepted_ms: int
    updated_ms: int
    reason: str
    #: Sends at the vendor; a 429 or maintenance answer is not counted.
    attempts: int
    waits: int
    looks: int
    failed_looks: int
    crashes: int
    #: True once the outcome of a send was unknown; a later refusal then proves nothing by itself.
    doubted: bool
    doubt_ms: int | None
    due_ms: int | None
    now_ms: int | None
    image: dict[str, Any] | None
    receipt: dict[str, Any] | None
    refusal: dict[str, Any] | None
    #: The vendor has confirmed the send that is in doubt: it is never sent again, whatever the reads show.
    confirmed: bool
    parent: str | None
    children: tuple[str, ...]
    total: int
    done: int
    failed: int
    original: str | None
    #: The command as a person corrected it, for the next replay, and the lanes it will stand in.
    corrected: str | None
    corrected_summary: str | None
    corrected_lanes: tuple[str, ...]
    edited_by: str | None
    discarded_by: str | None
    replayed_by: str | None
    #: Its place among the commands accepted by this vendor's ledger; those of one moment are told apart by it.
    accepted_place: int
    #: Above FORMAT: a newer release wrote it, and this one must leave it alone.
    format: int
    #: The `traceparent` of who asked for it; empty where its trace follows from its key, or from its parent's.
    trace: str = ""

    @classmethod
    def from_hash(cls, key: str, vendor: str, fields: Mapping[str, str]) -> Self:
        """Read the ledger's hash; raises DamagedRecordError naming the field that cannot be read."""
        read = _Fields(key, vendor, fields)
        return cls(
            key=key,
            vendor=vendor,
            kind=read.text("kind"),
            state=read.state(),
            summary=fields.get("summary", ""),
            client=fields.get("client", ""),
            command=fields.get("command", ""),
            lanes=read.names("lanes"),
            accepted_ms=read.number("accepted_ms"),
            updated_ms=read.number("updated_ms"),
            reason=fields.get("reason", ""),
            attempts=read.number("attempts"),
            waits=read.number("waits"),
            looks=read.number("looks"),
            failed_looks=read.number("failed_looks"),
            crashes=read.number("crashes"),
            doubted=fields.get("doubted") == "1",
            doubt_ms=read.maybe("doubt_ms"),
            due_ms=read.maybe("due_ms"),
            now_ms=read.maybe("now_ms"),
            image=read.mapping("image"),
            receipt=read.mapping("receipt"),
            refusal=read.mapping("refusal"),
            confirmed=fields.get("confirmed") == "1",
            parent=fields.get("parent"),
            children=read.names("children"),
            total=read.number("total"),
            done=read.number("done"),
            failed=read.number("failed"),
            original=fields.get("original"),
            corrected=fields.get("corrected"),
            corrected_summary=fields.get("corrected_summary"),
            corrected_lanes=read.names("corrected_lanes"),
            edited_by=fields.get("edited_by"),
            discarded_by=fields.get("discarded_by"),
            replayed_by=fields.get("replayed_by"),
            accepted_place=read.maybe("accepted_place") or read.number("place"),
            format=read.maybe("format") or FORMAT,
            trace=fields.get("trace", ""),
        )

    def public(self) -> dict[str, Any]:
        """Give what the one who submitted it may see, ready for JSON."""
        shown: dict[str, Any] = {
            "key": self.key,
            "kind": self.kind,
            "vendor": self.vendor,
            "state": self.state.value,
            "summary": self.summary,
            "attempts": self.attempts,
            "accepted_ms": self.accepted_ms,
            "updated_ms": self.updated_ms,
            "reason": self.reason,
            "receipt": self.receipt,
        }
        if self.total:
            shown["progress"] = {"done": self.done, "total": self.total, "failed": self.failed}
            shown["children"] = list(self.children)
        if self.parent:
            shown["parent"] = self.parent
        return shown


@dataclass(frozen=True, slots=True)
class Claim:
    """The answer to a claim; the record is there for FRESH and IN_DOUBT only."""

    verdict: Verdict
    record: CommandRecord | None = None


@dataclass(frozen=True, slots=True)
class Admission:
    """What became of one submitted command."""

    key: str
    state: State
    fresh: bool
    #: The key is known, with another command.
    conflict: bool


@dataclass(frozen=True, slots=True)
class Promotion:
    """What one look at the clock moved."""

    promoted: int
    recovered: int
    hinted: int
    republished: int
    #: Ended children whose parents, at other vendors, have not been told yet.
    closed: int
    #: Milliseconds until something is due; None when nothing waits for the clock.
    next_in_ms: int | None


@dataclass(frozen=True, slots=True)
class RedriveMove:
    """What one look at the bulk replays moved."""

    replayed: int
    skipped: int
    #: Bulk replays that have ended with this look.
    ended: int
    #: Milliseconds until one has something due; None when none is running.
    next_in_ms: int | None


@dataclass(frozen=True, slots=True)
class NewCommand:
    """A validated command on its way into the ledger."""

    key: str
    kind: str
    command: str
    summary: str
    lanes: tuple[str, ...]
    digest: str
    client: str = ""
    #: Hash of the sender's own Idempotency-Key; using it for another command is a conflict.
    alias: str = ""
    #: The parent at another vendor, as `vendor:key`; one at the same vendor is set when it expands.
    parent: str = ""
    #: Its children are admitted at other vendors beside it.
    family: bool = False
    #: The `traceparent` of who asks for it (W3C Trace Context).
    trace: str = ""


@dataclass(frozen=True, slots=True)
class Closing:
    """A child that ended for good, to be told to its parent at another vendor."""

    vendor: str
    parent: str
    child: str
    applied: bool
    #: As the ledger keeps it.
    text: str

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what the ledger noted."""
        found = json.loads(text)
        vendor, _, parent = found["parent"].partition(":")
        return cls(vendor, parent, found["child"], found["applied"], text)
