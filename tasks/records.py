"""What the ledger knows of one command, as plain records."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping


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


def _json(text: str | None) -> Any:
    return json.loads(text) if text else None


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
    parent: str | None
    children: tuple[str, ...]
    total: int
    done: int
    failed: int
    original: str | None
    discarded_by: str | None
    replayed_by: str | None

    @classmethod
    def from_hash(cls, key: str, vendor: str, fields: Mapping[str, str]) -> Self:
        """Read the ledger's hash."""

        def number(name: str) -> int:
            return int(float(fields.get(name) or 0))

        def maybe(name: str) -> int | None:
            return int(float(fields[name])) if fields.get(name) else None

        return cls(
            key=key,
            vendor=vendor,
            kind=fields["kind"],
            state=State(fields["state"]),
            summary=fields.get("summary", ""),
            client=fields.get("client", ""),
            command=fields.get("command", ""),
            lanes=tuple(_json(fields.get("lanes")) or ()),
            accepted_ms=number("accepted_ms"),
            updated_ms=number("updated_ms"),
            reason=fields.get("reason", ""),
            attempts=number("attempts"),
            waits=number("waits"),
            looks=number("looks"),
            failed_looks=number("failed_looks"),
            crashes=number("crashes"),
            doubted=fields.get("doubted") == "1",
            doubt_ms=maybe("doubt_ms"),
            due_ms=maybe("due_ms"),
            now_ms=maybe("now_ms"),
            image=_json(fields.get("image")),
            receipt=_json(fields.get("receipt")),
            refusal=_json(fields.get("refusal")),
            parent=fields.get("parent"),
            children=tuple(_json(fields.get("children")) or ()),
            total=number("total"),
            done=number("done"),
            failed=number("failed"),
            original=fields.get("original"),
            discarded_by=fields.get("discarded_by"),
            replayed_by=fields.get("replayed_by"),
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
    #: Milliseconds until something is due; None when nothing waits for the clock.
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
