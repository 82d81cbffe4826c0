"""From an outbox to its relay: in order per lane, again and again until taken, then what became of each entry."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from producers import results
from producers.handover import Refused, Taken, Unavailable
from producers.outbox import OutboxError, OutboxState, now_ms
from producers.results import Results, backoff_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from producers.handover import Announce, Answer, Relay, ResultStream
    from producers.outbox import Outbox, Stored

#: What `POST /v1/scans` takes at once.
BATCH_ENTRIES: Final = 500
#: Half of what the relay reads of a body; 500 entries of a usual size are less.
BATCH_BYTES: Final = 500_000
#: Another process may have an entry tried again; it is noticed this late.
LOOK_AGAIN_SECONDS: Final = 5.0
#: Between two looks for delivered entries that are old enough to go.
_FORGET_SECONDS: Final = 3600.0


class Delivery:
    """Delivers one outbox. Cancelling it at any point is safe: what was under way is handed over again, unchanged.

    `results_seconds` is how long the result of a delivered entry is asked for, 0 never; with a `stream` it is told, and
    asked for only where the stream cannot tell it. The methods belong to one event loop.
    """

    def __init__(
        self,
        outbox: Outbox,
        relay: Relay,
        announce: Announce,
        *,
        results_seconds: float = 0.0,
        stream: ResultStream | None = None,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._outbox = outbox
        self._relay = relay
        self._announce = announce
        self._clock_ms = clock_ms
        self._results = Results(outbox, relay, self._tell, stream=stream, seconds=results_seconds, clock_ms=clock_ms)
        self._something_stored = asyncio.Event()
        self._progress = asyncio.Event()
        self._failures = 0
        #: After a failure one entry feels its way, then twice as many each time: a single one that the relay chokes on
        #: is found, and the others pass it.
        self._most = BATCH_ENTRIES
        self._forget_at = 0.0
        #: How many entries the relay refused since this process started.
        self.refused = 0
        #: Why the relay is away; empty while it answers.
        self.trouble = ""

    def wake(self) -> None:
        """Tell that something was stored, or is to be tried again."""
        self._something_stored.set()

    async def finish(self) -> None:
        """Return when everything is delivered and no result is waited for any more."""
        while self._outbox.first_undelivered() is not None or self._results.is_waiting():
            self._progress.clear()
            with contextlib.suppress(TimeoutError):  # somebody may withdraw the last one
                async with asyncio.timeout(LOOK_AGAIN_SECONDS):
                    await self._progress.wait()

    async def deliver(self) -> None:
        """Hand over what is stored, oldest first; runs until cancelled."""
        while True:
            try:
                await self._deliver_some()
            except OutboxError as error:
                # The relay may have taken it; being told again is harmless.
                await self._disk_trouble(error)

    async def follow(self) -> None:
        """Note and tell the results of what was delivered; runs until cancelled."""
        await self._results.follow()

    async def _deliver_some(self) -> None:
        self._something_stored.clear()
        batch = _within_bytes(self._outbox.due(self._most))
        if not batch:
            await self._rest()
            return
        offered = self._outbox.offer(batch)
        answers = await self._relay.submit(offered)
        away = self._note(offered, answers)
        if away is None:
            self._failures, self._most, self.trouble = 0, min(self._most * 2, BATCH_ENTRIES), ""
            return
        stored, reason, seconds = away
        self._failures, self._most, self.trouble = self._failures + 1, 1, reason
        self._announce_waiting(stored, reason, seconds)
        await asyncio.sleep(seconds)

    def _note(self, batch: Sequence[Stored], answers: Sequence[Answer]) -> tuple[Stored, str, float] | None:
        """Note all answers in one step; gives the entry for which the relay is away, why, and how long to wait."""
        news: list[tuple[Stored, OutboxState, str]] = []
        postponed: list[tuple[Stored, str, float]] = []
        away: list[tuple[Stored, Unavailable]] = []
        stuck = _Lanes()
        with self._outbox.changing():
            for stored, answer in zip(batch, answers, strict=True):
                match answer:
                    case Taken() if any(self._outbox.mark_sent(stored)):
                        news.append((stored, OutboxState.SENT, ""))
                    case Refused(reason) if self._outbox.mark_refused(stored, reason):
                        news.append((stored, OutboxState.REFUSED, reason))
                    case Unavailable(alone=False):
                        away.append((stored, answer))
                    case Unavailable() if not stuck.has_any_of(stored):
                        # one behind it only waits for it, and is not to be late itself
                        stuck.put(stored)
                        seconds = max(backoff_seconds(stored.attempts), answer.retry_after_seconds)
                        self._outbox.postpone(stored, seconds, answer.reason)
                        postponed.append((stored, answer.reason, seconds))
            self._outbox.take_offer_back([stored for stored, answer in away if answer.unreached])
            gone = self._note_away(away, alone=len(batch) == 1)
        for stored, state, reason in news:
            self.refused += state is OutboxState.REFUSED
            self._tell(stored, state, reason)
        for stored, reason, seconds in postponed:
            self._announce_waiting(stored, reason, seconds)
        return gone

    def _note_away(
        self, away: Sequence[tuple[Stored, Unavailable]], *, alone: bool
    ) -> tuple[Stored, str, float] | None:
        if not away:
            return None
        stored, answer = away[0]
        # the one that was alone is perhaps what the relay chokes on: another one shall be next
        self._outbox.postpone(stored, backoff_seconds(stored.attempts) if alone else 0.0, answer.reason)
        return stored, answer.reason, max(backoff_seconds(self._failures), answer.retry_after_seconds)

    async def _rest(self) -> None:
        """Wait until something is stored or due; somebody may also have a dead letter tried again."""
        now = asyncio.get_running_loop().time()
        if now >= self._forget_at:
            self._outbox.forget_old()
            self._forget_at = now + _FORGET_SECONDS
        next_ms = self._outbox.next_due_ms()
        seconds = LOOK_AGAIN_SECONDS
        if next_ms is not None:
            # Bounded, since a clock that is set back must not stop the deliveries.
            seconds = min(max((next_ms - self._clock_ms()) / 1000, 0.0), LOOK_AGAIN_SECONDS)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._something_stored.wait()

    def _tell(self, stored: Stored, state: OutboxState | None, reason: str) -> None:
        self._progress.set()
        if state is OutboxState.SENT:
            self._results.wake()
        self._announce(stored, state, reason)

    def _announce_waiting(self, stored: Stored, reason: str, seconds: float) -> None:
        waiting = self._outbox.count_undelivered()
        self._announce(stored, None, f"{reason}; {waiting} waiting, next try in {seconds:.0f} s")

    async def _disk_trouble(self, error: OutboxError) -> None:
        with contextlib.suppress(OutboxError):
            stored = self._outbox.first_undelivered()
            if stored is not None:
                self._announce(stored, None, str(error))
        await asyncio.sleep(results.DISK_TROUBLE_SECONDS)


class _Lanes:
    """Lanes in which something is stuck; an entry without lanes is in all of them."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._is_all = False

    def has_any_of(self, stored: Stored) -> bool:
        if self._is_all:
            return True
        return not self._names.isdisjoint(stored.lanes) if stored.lanes else bool(self._names)

    def put(self, stored: Stored) -> None:
        self._names.update(stored.lanes)
        self._is_all = self._is_all or not stored.lanes


def _within_bytes(batch: Sequence[Stored]) -> Sequence[Stored]:
    """Cut a batch so that it fits into one request; one entry is always taken."""
    total = 0
    for place, stored in enumerate(batch):
        total += len(stored.body.encode())
        if total > BATCH_BYTES and place:
            return batch[:place]
    return batch
