"""Comparing one vendor with its ledger: every difference is looked at a second time before it is told."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from tasks.ledger import Ledger
from workers.reconciler.books import read_books
from workers.reconciler.comparison import Look, places_of
from workers.reconciler.findings import Difference, Findings, Report, Uncompared
from workers.reconciler.openbom import NOTE as OPENBOM_NOTE
from workers.reconciler.openbom import compare_openbom
from workers.reconciler.partium import NOTE as PARTIUM_NOTE
from workers.reconciler.partium import compare_partium
from workers.reconciler.partsbox import NOTE as PARTSBOX_NOTE
from workers.reconciler.partsbox import compare_partsbox
from workers.reconciler.reads import PATIENCE_SECONDS, PatientReads

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from redis.asyncio import Redis

    from tasks.errors import VendorError
    from workers.limits import PausedError
    from workers.reconciler.books import Books

_NOTES: Final = {"partsbox": PARTSBOX_NOTE, "partium": PARTIUM_NOTE, "openbom": OPENBOM_NOTE}
#: Before a difference is looked at again: longer than what was just written needs to show itself.
SECOND_LOOK_SECONDS: Final = 1.0
#: A command is forgotten so long after it has ended; what is older cannot be told from a stranger's.
MARGIN_MS: Final = 3_600_000


@dataclass(slots=True)
class Reconciler:
    """Compares one vendor with its ledger, and changes nothing."""

    redis: Redis
    vendor: str
    #: What the vendor is read through, with its own limiter behind it.
    port: Any
    #: Told of what the vendor answers to all alike, as `Outcomes.pause` is.
    pause: Callable[[VendorError | PausedError], Awaitable[object]]
    retention_days: float
    #: The vendor's name of our API user, where it is known.
    user: str | None = None
    patience_seconds: float = PATIENCE_SECONDS
    second_look_seconds: float = SECOND_LOOK_SECONDS
    _reads: PatientReads = field(init=False)

    async def run(self, since_ms: int) -> Report:
        """Compare what was applied since a moment; raises Redis errors, and WorkerStoppingError, as they are."""
        began_ms = await self._now_ms()
        since_ms = max(since_ms, began_ms - int(self.retention_days * 86_400_000) + MARGIN_MS)
        self._reads = PatientReads(self.redis, self.vendor, self.pause, patience_seconds=self.patience_seconds)
        books = await read_books(self.redis, self.vendor, since_ms)
        findings = Findings(began_ms, books.states)
        for key, problem in sorted(books.damaged.items()):
            findings.skip(f"command {key}", problem)
        await self._compare(Look(books, self._reads, findings, since_ms))
        differences: tuple[Difference, ...] = ()
        if findings.differences:
            differences = await self._look_again(findings, since_ms)
        return Report(
            vendor=self.vendor,
            since_ms=since_ms,
            began_ms=began_ms,
            ended_ms=await self._now_ms(),
            compared=len(findings.compared),
            undecided=len(books.undecided),
            differences=differences,
            uncompared=tuple(dict.fromkeys(findings.uncompared)),
            note=_NOTES[self.vendor],
            gave_up=bool(self._reads.gave_up),
        )

    async def _compare(self, look: Look) -> None:
        match self.vendor:
            case "partsbox":
                await compare_partsbox(look, self.port, self.user)
            case "partium":
                await compare_partium(look, self.port, Ledger(self.redis, self.vendor))
            case "openbom":
                await compare_openbom(look, self.port)

    async def _look_again(self, first: Findings, since_ms: int) -> tuple[Difference, ...]:
        """Give the differences that are there in a second look too, and that no command touched meanwhile.

        A first look may be mistaken: commands go on while it reads, and what was just written may not show itself yet.
        """
        await asyncio.sleep(self.second_look_seconds)
        places = frozenset(difference.place for difference in first.differences)
        books = await read_books(self.redis, self.vendor, since_ms)
        second = replace(first, states=books.states, differences=[], uncompared=[], compared=set())
        await self._compare(Look(books, self._reads, second, since_ms, places))
        first.uncompared += second.uncompared
        touched = _touched(books, after := await read_books(self.redis, self.vendor, since_ms))
        for place in sorted(touched & {difference.place for difference in second.differences}):
            first.uncompared.append(Uncompared(place, "commands went on there while it was compared"))
        return tuple(
            difference
            for difference in second.differences
            if difference.place not in touched and not _is_known_by_now(difference, books, after)
        )

    async def _now_ms(self) -> int:
        seconds, micros = await self.redis.time()
        return int(seconds) * 1000 + int(micros) // 1000


def _touched(before: Books, after: Books) -> frozenset[str]:
    """Name the places at which a command was accepted, sent or settled between two readings of the ledger."""
    known = {(told.key, told.state, told.settled_ms) for told in (*before.applied, *before.undecided)}
    moved = (
        told for told in (*after.applied, *after.undecided) if (told.key, told.state, told.settled_ms) not in known
    )
    return frozenset(place for told in moved for place in places_of(told))


def _is_known_by_now(difference: Difference, before: Books, after: Books) -> bool:
    """Tell a stranger whose command was accepted while it was looked at."""
    return bool(difference.key) and difference.key not in before.states and difference.key in after.states
