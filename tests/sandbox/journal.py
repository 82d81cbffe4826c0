"""Append-only books of a sandbox: every committed effect, and every request seen."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from tests.sandbox.changes import Changes

IN_FLIGHT = "in flight"


@dataclass(frozen=True, kw_only=True)
class Effect:
    """One committed write; a vendor that has more to tell adds fields."""

    operation: str
    user: str
    #: made by someone who is not the client under test
    foreign: bool = False
    #: ids of what was written
    subjects: tuple[str, ...] = ()
    #: the client's own token in what was sent, where the vendor has a place for one
    marker: str | None = None
    #: what is stored now, or whatever else a test wants to compare
    details: dict[str, Any] = field(default_factory=dict)
    # The journal numbers and dates it.
    seq: int = 0
    committed_ms: int = 0
    #: the request that caused it; None for what the control API wrote
    request_seq: int | None = None

    def describe(self) -> dict[str, Any]:
        """Give the effect as JSON; what is inside is the effect's own, not to be changed."""
        return dict(vars(self))


@dataclass
class RequestRecord:
    """One request, from arrival to its end on the server."""

    seq: int
    arrived_ms: int
    operation: str
    method: str
    body_sha256: str = ""
    marker: str | None = None
    #: ids of what it is about, as far as it tells
    subjects: list[str] = field(default_factory=list)
    #: IN_FLIGHT, the vendor's word for the answer, or what was done instead of an answer
    outcome: str = IN_FLIGHT
    status: int | None = None
    faults: list[str] = field(default_factory=list)
    effects: list[int] = field(default_factory=list)
    client_left: bool = False
    finished_ms: int | None = None


EffectT = TypeVar("EffectT", bound=Effect)


class Journal(Generic[EffectT]):
    """The books; entries are only ever added."""

    def __init__(self, changes: Changes, now_ms: Callable[[], int]) -> None:
        self.effects: list[EffectT] = []
        self.requests: list[RequestRecord] = []
        self._changes = changes
        self._now_ms = now_ms

    def enter(self, effect: EffectT, request: RequestRecord | None) -> EffectT:
        """Number, date and keep what was done."""
        numbered = replace(
            effect,
            seq=len(self.effects) + 1,
            committed_ms=self._now_ms(),
            request_seq=request.seq if request else None,
        )
        self.effects.append(numbered)
        if request:
            request.effects.append(numbered.seq)
        self._changes.announce()
        return numbered

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

    def own_effects(self, marker: str | None = None) -> list[EffectT]:
        """List what the client under test caused, one marker only when given."""
        return [e for e in self.effects if not e.foreign and marker in (None, e.marker)]

    def effects_on(self, subject: str) -> list[EffectT]:
        """List everything written to one subject, in the order committed."""
        return [effect for effect in self.effects if subject in effect.subjects]

    def requests_of(self, operation: str) -> list[RequestRecord]:
        """List the requests of one operation."""
        return [record for record in self.requests if record.operation == operation]

    async def until_effects(self, count: int, timeout_seconds: float = 10) -> list[EffectT]:
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
            "requests": [dict(vars(record)) for record in self.requests],
        }
