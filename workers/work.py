"""One command in the hands of this worker: its record, its model, and how far it has come."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import RedisError

from tasks import telemetry
from tasks.errors import told

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tasks.commands import Command
    from tasks.errors import Exchange
    from tasks.lookup import Image, Landed
    from tasks.ports import Found, Grant
    from tasks.records import CommandRecord
    from tasks.task import Target
    from workers.leases import Leases

logger = logging.getLogger(__name__)

#: A ledger write after the vendor's answer is tried this long; then the lease runs out and the command is looked up.
PERSIST_SECONDS: Final = 30.0
#: The longest pause between those tries.
PERSIST_GAP_SECONDS: Final = 2.0


class WorkerStoppingError(Exception):
    """The worker stops: nothing new is sent, the command goes back to the ledger."""


@dataclass(slots=True)
class Work:
    """A claimed command. `sent` is true from the durable intent on: from then its outcome may be unknown."""

    record: CommandRecord
    owner: str
    command: Command
    target: Target[Any]
    #: The claim is for a look-up: the outcome of an earlier send is unknown.
    in_doubt: bool = False
    sent: bool = False
    #: The intent may be durable already, and nothing was sent.
    ahead: bool = False
    #: When this process took it, by its own clock.
    began: float = field(default_factory=time.monotonic)

    @property
    def image(self) -> Image:
        """What was there before the write."""
        return self.target.image

    @property
    def key(self) -> str:
        return self.record.key

    @property
    def attempt(self) -> int:
        """Count the attempts, the one under way included."""
        return self.record.attempts + (0 if self.in_doubt else 1)

    @property
    def doubt_seconds(self) -> float:
        """Tell how long the outcome was unknown when this delivery began, by Redis' clock."""
        began = self.record.now_ms or 0
        return (began - (self.record.doubt_ms or began)) / 1000

    @property
    def age_seconds(self) -> float:
        """Tell how long ago the command was accepted, by Redis' clock up to the claim."""
        until_claim = (self.record.now_ms or self.record.accepted_ms) - self.record.accepted_ms
        return until_claim / 1000 + time.monotonic() - self.began

    def log_fields(self, **fields: Any) -> dict[str, Any]:
        """Give the fields of a log line about this command."""
        return {"key": self.key, "kind": self.record.kind, "vendor": self.record.vendor, **fields}


@dataclass(slots=True)
class Intent:
    """The sender's side of one write: makes the intent durable when the limiter has let the write through."""

    work: Work
    leases: Leases
    stopping: asyncio.Event
    key: str
    _noted: Callable[[], Awaitable[bool]] | None = None

    def ahead(self, grant: Grant) -> None:
        """Let the intent share a round trip with the question for its permit: it is written only if that is granted."""
        if self._noted is None and not self.work.sent:
            self.work.ahead = True
            self._noted = self.leases.ledger.intent_if(grant, self.key, self.work.owner, self._image())

    async def permitted(self) -> None:
        """Write the intent, with the before-image; refuse when the worker stops or has lost the command."""
        if self.stopping.is_set():
            raise WorkerStoppingError
        if self._noted is None or not await self._noted():
            await self.leases.ledger.intent(self.key, self.work.owner, self._image())
        self.work.sent, self.work.ahead = True, False

    def may_leave(self) -> bool:
        return self.leases.holds(self.work.owner)

    def _image(self) -> dict[str, Any]:
        return self.work.image.model_dump(mode="json")


async def persist(step: Callable[[], Awaitable[None]]) -> None:
    """Make a ledger step, again while Redis is away: an outcome that is known must not become a doubt.

    Raises the Redis error when PERSIST_SECONDS have not been enough; the ledger's refusals come through at once.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PERSIST_SECONDS
    gap = 0.1
    while True:
        try:
            return await step()
        except RedisError as error:
            if loop.time() + gap > deadline:
                raise
            logger.warning(telemetry.LEDGER_UNREACHABLE, extra={"error": told(error)})
        await asyncio.sleep(gap)
        gap = min(gap * 2, PERSIST_GAP_SECONDS)


def evidence_of(
    what: str,
    work: Work,
    *,
    exchange: Exchange | None = None,
    entries: tuple[Found, ...] = (),
    note: str = "",
) -> dict[str, Any]:
    """Give one step's evidence: what was there before, what was sent and answered, what is there now."""
    shown: dict[str, Any] = {"what": what, "attempt": work.attempt, "owner": work.owner}
    if note:
        shown["note"] = note
    if work.sent or work.in_doubt:
        # the timestamps themselves are in the image while they are needed: a long history is not evidence
        shown["before"] = {
            **({"stock_entries": len(work.image.timestamps)} if work.image.timestamps else {}),
            **work.image.model_dump(mode="json", exclude_defaults=True, exclude={"timestamps"}),
        }
    if exchange is not None:
        shown["exchange"] = {
            "operation": exchange.operation,
            "request": exchange.request,
            "status": exchange.status,
            "answer": exchange.answer,
            "elapsed_ms": exchange.elapsed_ms,
        }
    if entries:
        shown["after"] = [entry.shown() for entry in entries]
    return shown


def receipt_of(finding: Landed) -> dict[str, Any]:
    """Give the proof that a command landed: how it is known, and what at the vendor proves it."""
    return {"proof": finding.proof.value, "entries": [entry.identity() for entry in finding.entries]}
