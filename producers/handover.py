"""What a producer and a relay say to each other: the answers to what is handed over, and what became of it later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from producers.outbox import OutboxState, Stored


@dataclass(frozen=True, slots=True)
class Taken:
    """The relay has it, now or since an earlier time."""

    duplicate: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """The relay will never take it, by its own word about this one."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Nothing is known or nothing was taken: hand the same over again.

    `alone`: the relay answers, and only this one (and what shares a lane with it) has to wait; else the relay as a
    whole is away. `unreached`: it was certainly not asked, so that the entry can still be withdrawn.
    """

    reason: str
    retry_after_seconds: float = 0.0
    alone: bool = False
    unreached: bool = False


Answer = Taken | Refused | Unavailable


@dataclass(frozen=True, slots=True)
class Status:
    """What the relay says of a command: a state of the ledger, or `unknown` when it knows none under the key."""

    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class Opened:
    """The relay's stream of results is open."""


@dataclass(frozen=True, slots=True)
class Told:
    """One event of the stream. `position` is its id; `key` and `status` are there when it is about a command."""

    position: str
    key: str = ""
    status: Status | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """Events before this position are lost: what is open must be asked for."""

    position: str


class Relay(Protocol):
    """Takes over what an outbox holds. Its methods raise nothing for an answer or a network error."""

    async def submit(self, batch: Sequence[Stored]) -> Sequence[Answer]:
        """Hand these over, in order per lane; one answer for each, in their order.

        One that is behind an Unavailable one in a lane is Unavailable too.
        """

    async def status(self, keys: Sequence[str]) -> Mapping[str, Status] | Unavailable:
        """Ask what became of these commands; a key without an answer may be left out."""


class ResultStream(Protocol):
    """Tells results as they come."""

    def listen(self, position: str | None) -> AsyncGenerator[Opened | Told | Gap, None]:
        """Go on behind this position, or from now on; ends, without an error, when the connection does.

        It gives Opened first, unless there is no stream to be had.
        """


class Announce(Protocol):
    """Tells the operator what became of an entry: its new state (None: still waiting) and the reason."""

    def __call__(self, stored: Stored, state: OutboxState | None, reason: str) -> None: ...
