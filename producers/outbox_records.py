"""What goes into an outbox, what stands in it, and what can be wrong with it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class OutboxError(Exception):
    """The outbox cannot be opened or written; nothing of the failed step is stored."""


class OutboxFullError(OutboxError):
    """The outbox takes nothing more, by its own limit or the disk's; what is in it stays and is delivered."""


@dataclass(frozen=True, slots=True)
class OutboxDamagedNotice:
    """A damaged file was found at the start and put aside whole; a new outbox was begun in its place."""

    kept_as: Path
    problem: str

    def __str__(self) -> str:
        """Say what a person must know and do."""
        return (
            f"the outbox was damaged ({self.problem}) and is kept as {self.kept_as}; a new one was begun. "
            "What waited in the old one was NOT delivered: keep the file and call for help"
        )


class OutboxState(StrEnum):
    """Where an entry is, as its producer knows it."""

    #: On this disk only, as far as is known.
    STORED = "stored"
    #: The relay has it; what became of it is asked for a while.
    SENT = "sent"
    #: The relay has it, and gave no final answer while it was asked.
    UNANSWERED = "unanswered"
    APPLIED = "applied"
    REJECTED = "rejected"
    HELD = "held"
    CANCELLED = "cancelled"
    #: The relay did not take it and never will: a dead letter, until somebody has it tried again.
    REFUSED = "refused"
    #: Taken back here before the relay could see it.
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Capture:
    """One thing to keep and hand over.

    `key` is unique in its outbox: the command's key, or the id of a delivery. Entries that share a lane are handed over
    in the order in which they were stored; one without lanes keeps its place among all others. `body` is the JSON that
    the relay gets, always the same; `origin` is JSON for people and for replay: device, operator, raw scan, file, row.
    """

    key: str
    lanes: tuple[str, ...]
    stock_timestamp: int
    body: str
    summary: str
    origin: str = "{}"


@dataclass(frozen=True, slots=True)
class Stored:
    """One entry of an outbox. Times are UTC milliseconds of this machine."""

    seq: int
    key: str
    lanes: tuple[str, ...]
    stock_timestamp: int
    body: str
    summary: str
    origin: str
    state: OutboxState
    #: Failed tries to hand it over.
    attempts: int
    next_at_ms: int
    last_error: str | None
    #: Why it was refused, or what the relay finally said.
    result: str | None
    sent_at_ms: int | None
    #: The relay was asked to take it and may have it, whatever the answer was.
    offered: bool


def now_ms() -> int:
    """Tell the time of this machine in UTC milliseconds."""
    return time.time_ns() // 1_000_000
