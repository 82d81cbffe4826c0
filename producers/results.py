"""The second acknowledgement: what finally became of what was delivered, from the relay's stream or by asking."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING, Final

from producers.handover import Gap, Opened, Told, Unavailable
from producers.outbox import OutboxError, OutboxState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from producers.handover import Announce, Relay, ResultStream, Status
    from producers.outbox import Outbox, Stored

#: First and largest ceiling of the full-jitter backoff: a relay that restarts is found soon, one that is away is
#: not flooded by every producer at once.
BACKOFF_FIRST_SECONDS: Final = 0.5
BACKOFF_MAX_SECONDS: Final = 60.0
#: Doubling further changes nothing; it only keeps the power small.
_BACKOFF_DOUBLINGS: Final = 7
#: Gaps between two looks for results where no stream tells them.
ASK_FIRST_SECONDS: Final = 0.25
ASK_MAX_SECONDS: Final = 5.0
#: The same beside a stream, which tells everything; this finds what a faulty one does not.
ASK_BESIDE_STREAM_SECONDS: Final = 60.0
#: What `GET /v1/commands?keys=` takes.
_ASKED_AT_ONCE: Final = 100
#: The outbox's disk is full or broken: nothing can be noted meanwhile.
DISK_TROUBLE_SECONDS: Final = 5.0
#: Where the stream was left, kept beside the entries.
_POSITION: Final = "stream position"
#: So many events that change nothing here are read again at most after a restart; each note costs a flush.
_EVENTS_UNNOTED: Final = 200

_FINAL: Final = {
    state.value: state for state in (OutboxState.APPLIED, OutboxState.REJECTED, OutboxState.HELD, OutboxState.CANCELLED)
}


def backoff_seconds(attempts: int, uniform: Callable[[float, float], float] = random.uniform) -> float:
    """Give the wait after this many failed tries: anything up to a ceiling that doubles (full jitter)."""
    ceiling = BACKOFF_FIRST_SECONDS * 2 ** min(attempts, _BACKOFF_DOUBLINGS)
    return uniform(0.0, min(BACKOFF_MAX_SECONDS, ceiling))


class Results:
    """Follows what was delivered until each has a final answer or its time (`seconds`; 0: never) is over.

    With a stream an answer that comes later than that is still noted. `tell` is called after it is on disk.
    """

    def __init__(
        self,
        outbox: Outbox,
        relay: Relay,
        tell: Announce,
        *,
        stream: ResultStream | None,
        seconds: float,
        clock_ms: Callable[[], int],
    ) -> None:
        self._outbox = outbox
        self._relay = relay
        self._tell = tell
        self._stream = stream
        self._seconds = seconds
        self._clock_ms = clock_ms
        self._is_live = False
        self._position: str | None = None
        self._unnoted = 0
        self._sent = asyncio.Event()
        self._look = asyncio.Event()

    def wake(self) -> None:
        """Tell that something was delivered."""
        self._sent.set()

    def is_waiting(self) -> bool:
        """Tell whether something that was delivered still has no answer and is asked for."""
        return self._seconds > 0 and bool(self._outbox.unanswered(limit=1))

    async def follow(self) -> None:
        """Note the results as they come; runs until cancelled, or returns at once where none are wanted."""
        if self._seconds <= 0:
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(self._ask())
            if self._stream is not None:
                group.create_task(self._listen(self._stream))

    async def _listen(self, stream: ResultStream) -> None:
        failures = 0
        while True:
            try:
                if await self._listen_once(stream):
                    failures = 0
            except OutboxError:
                # Not noted, so told again by the next connection.
                await asyncio.sleep(DISK_TROUBLE_SECONDS)
            self._is_live = False
            self._look.set()
            await asyncio.sleep(backoff_seconds(failures))
            failures += 1

    async def _listen_once(self, stream: ResultStream) -> bool:
        """Follow one connection to its end; False when there was no stream."""
        if self._position is None:
            self._position = self._outbox.recall(_POSITION)
        async with contextlib.aclosing(stream.listen(self._position)) as news:
            async for one in news:
                match one:
                    case Opened():
                        self._is_live = True
                        if not self._position:
                            self._look.set()  # what came before is not told
                    case Gap():
                        self._outbox.remember(_POSITION, one.position)
                        self._position = one.position
                        self._look.set()
                    case Told():
                        self._take(one)
        return self._is_live

    def _take(self, told: Told) -> None:
        state = None if told.status is None else _FINAL.get(told.status.state)
        reason = "" if told.status is None else told.status.reason
        stored = None
        self._unnoted += 1
        with self._outbox.changing():
            if state is not None:
                stored = self._outbox.mark_answered(told.key, state, reason)
            if stored is not None or self._unnoted >= _EVENTS_UNNOTED:
                self._outbox.remember(_POSITION, told.position)
                self._unnoted = 0
        self._position = told.position
        if stored is not None:
            self._tell(stored, state, reason)

    async def _ask(self) -> None:
        gap = ASK_FIRST_SECONDS
        while True:
            self._look.clear()
            try:
                news, waiting = await self._ask_once()
            except OutboxError:
                await asyncio.sleep(DISK_TROUBLE_SECONDS)
                continue
            if not waiting:
                await self._sent.wait()
            fresh = self._sent.is_set()
            self._sent.clear()
            gap = ASK_FIRST_SECONDS if news or fresh else min(gap * 2, ASK_MAX_SECONDS)
            seconds = min(ASK_BESIDE_STREAM_SECONDS, self._seconds) if self._is_live else gap
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._look.wait()

    async def _ask_once(self) -> tuple[bool, bool]:
        """Ask once for each; tell whether there was news, and whether some still have no answer.

        Who is too late is given up only after it was asked for: this process may have been away all the time.
        """
        began_ms = self._clock_ms()
        answered, place = 0, 0
        while page := self._outbox.unanswered(after_seq=place, limit=_ASKED_AT_ONCE):
            statuses = await self._relay.status([stored.key for stored in page])
            if isinstance(statuses, Unavailable):
                return answered > 0, True
            answered += sum(self._note(stored, statuses) for stored in page)
            place = page[-1].seq
        while late := self._outbox.stop_asking(before_ms=began_ms - int(self._seconds * 1000)):
            for stored in late:
                self._tell(stored, OutboxState.UNANSWERED, "no final answer yet")
        return answered > 0, bool(self._outbox.unanswered(limit=1))

    def _note(self, stored: Stored, statuses: Mapping[str, Status]) -> bool:
        status = statuses.get(stored.key)
        state = None if status is None else _FINAL.get(status.state)
        if status is None or state is None:
            return False
        if self._outbox.mark_answered(stored.key, state, status.reason) is not None:
            self._tell(stored, state, status.reason)
        return True
