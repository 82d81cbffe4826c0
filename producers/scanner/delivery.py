"""From the outbox to the relay: in order, again and again until taken, then asking what became of each command."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Final, Protocol

from producers.outbox import OutboxError, OutboxState, now_ms
from producers.scanner.receiver import Refused, Status, Taken, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from producers.outbox import Outbox, Stored

#: First and largest ceiling of the full-jitter backoff: a relay that restarts is found soon, one that is away is
#: not flooded by every station at once.
BACKOFF_FIRST_SECONDS: Final = 0.5
BACKOFF_MAX_SECONDS: Final = 60.0
#: Doubling further changes nothing; it only keeps the power small.
_BACKOFF_DOUBLINGS: Final = 7
#: Gaps between two looks for results.
ASK_FIRST_SECONDS: Final = 0.25
ASK_MAX_SECONDS: Final = 5.0
#: The outbox's disk is full or broken: nothing can be noted, so nothing is delivered meanwhile.
_DISK_TROUBLE_SECONDS: Final = 5.0

_FINAL: Final = {
    state.value: state for state in (OutboxState.APPLIED, OutboxState.REJECTED, OutboxState.HELD, OutboxState.CANCELLED)
}


class Relay(Protocol):
    """What the delivery needs of the relay."""

    async def submit(self, body: str) -> Taken | Refused | Unavailable:
        """Hand one command over."""

    async def status(self, key: str) -> Status | Unavailable:
        """Ask what became of a command."""


class Announce(Protocol):
    """Tells the operator what became of a command: its new state (None: still waiting) and the reason."""

    def __call__(self, stored: Stored, state: OutboxState | None, reason: str) -> None: ...


def backoff_seconds(attempts: int, uniform: Callable[[float, float], float] = random.uniform) -> float:
    """Give the wait after this many failed tries: anything up to a ceiling that doubles (full jitter)."""
    ceiling = BACKOFF_FIRST_SECONDS * 2 ** min(attempts, _BACKOFF_DOUBLINGS)
    return uniform(0.0, min(BACKOFF_MAX_SECONDS, ceiling))


class Delivery:
    """Delivers one outbox. Cancelling it at any point is safe: what was under way is sent again, unchanged.

    `results_seconds` is how long the result of a delivered command is asked for; 0 never asks.
    """

    def __init__(
        self,
        outbox: Outbox,
        relay: Relay,
        announce: Announce,
        *,
        results_seconds: float,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._outbox = outbox
        self._relay = relay
        self._announce = announce
        self._results_ms = int(results_seconds * 1000)
        self._clock_ms = clock_ms
        self._something_stored = asyncio.Event()
        self._something_sent = asyncio.Event()
        self._progress = asyncio.Event()
        #: How many commands the relay refused since this process started.
        self.refused = 0

    def wake(self) -> None:
        """Tell that something was stored."""
        self._something_stored.set()

    async def finish(self) -> None:
        """Return when everything is delivered and no result is waited for any more."""
        while not self._is_finished():
            self._progress.clear()
            await self._progress.wait()

    def _is_finished(self) -> bool:
        is_delivered = self._outbox.next_to_send() is None
        return is_delivered and (self._results_ms == 0 or not self._outbox.unanswered(since_ms=0))

    async def deliver(self) -> None:
        """Hand over the commands one by one, oldest first; runs until cancelled."""
        while True:
            try:
                await self._deliver_next()
            except OutboxError as error:
                # The relay may have taken it; being told again is harmless.
                await self._disk_trouble(error)

    async def follow(self) -> None:
        """Ask for the results of delivered commands until each has one or its time is over; runs until cancelled."""
        gap = ASK_FIRST_SECONDS
        while self._results_ms > 0:
            try:
                news, waiting = await self._ask_once()
            except OutboxError as error:
                await self._disk_trouble(error)
                continue
            if not waiting:
                await self._something_sent.wait()
            fresh = self._something_sent.is_set()
            self._something_sent.clear()
            gap = ASK_FIRST_SECONDS if news or fresh else min(gap * 2, ASK_MAX_SECONDS)
            await asyncio.sleep(gap)

    async def _deliver_next(self) -> None:
        self._something_stored.clear()
        stored = self._outbox.next_to_send()
        if stored is None:
            await self._something_stored.wait()
            return
        # Bounded, since a clock that is set back must not stop the deliveries.
        wait_seconds = (stored.next_at_ms - self._clock_ms()) / 1000
        await asyncio.sleep(min(max(wait_seconds, 0.0), BACKOFF_MAX_SECONDS))
        match await self._relay.submit(stored.body):
            case Taken():
                self._outbox.mark_sent(stored)
                self._tell(stored, OutboxState.SENT, "")
                self._something_sent.set()
            case Refused(reason):
                self._outbox.mark_refused(stored, reason)
                self.refused += 1
                self._tell(stored, OutboxState.REFUSED, reason)
            case Unavailable(reason, retry_after_seconds):
                wait = max(backoff_seconds(stored.attempts), retry_after_seconds)
                self._outbox.postpone(stored, wait, reason)
                waiting = self._outbox.count_undelivered()
                self._announce(stored, None, f"{reason}; {waiting} waiting, next try in {wait:.0f} s")

    async def _ask_once(self) -> tuple[bool, bool]:
        """Ask once for each; tell whether there was news, and whether some still have no answer."""
        since_ms = self._clock_ms() - self._results_ms
        for late in self._outbox.stop_asking(before_ms=since_ms):
            self._tell(late, OutboxState.UNANSWERED, "no final answer yet")
        open_commands = self._outbox.unanswered(since_ms=since_ms)
        answered = 0
        for stored in open_commands:
            answer = await self._relay.status(stored.key)
            if isinstance(answer, Unavailable):
                break
            state = _FINAL.get(answer.state)
            if state is not None:
                self._outbox.mark_answered(stored, state, answer.reason)
                self._tell(stored, state, answer.reason)
                answered += 1
        return answered > 0, answered < len(open_commands)

    def _tell(self, stored: Stored, state: OutboxState, reason: str) -> None:
        self._progress.set()
        self._announce(stored, state, reason)

    async def _disk_trouble(self, error: OutboxError) -> None:
        stored = self._outbox_head()
        if stored is not None:
            self._announce(stored, None, str(error))
        await asyncio.sleep(_DISK_TROUBLE_SECONDS)

    def _outbox_head(self) -> Stored | None:
        try:
            return self._outbox.next_to_send()
        except OutboxError:
            return None
