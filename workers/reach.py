"""Whether this process reaches its vendor. Where only this one does not, the others go on, and it keeps out of the way.

A failed connection says nothing about the vendor: a route, a name server or a proxy of this machine may be gone. So it
is this process that waits, 1, 2, 4, 8 seconds, and then tries with one request. What it has taken meanwhile waits in
place for a while, so that it takes no more, and then goes back for others to take.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final

from workers.limits import PausedError

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_GAP_SECONDS: Final = 1.0
LONGEST_GAP_SECONDS: Final = 8.0
#: A command waits here for so long times those that do: the more this process takes, the slower it takes more.
HOLD_SECONDS: Final = 0.1
LONGEST_HOLD_SECONDS: Final = 2.0
#: Then it comes back to whoever asks first, and no longer to the one that has just let it go. Where nobody reaches the
#: vendor that would be in vain: it comes back after the longest gap, so that an outage spends few of its waits.
BACK_SECONDS: Final = 0.5
#: Whoever tried in vain says so within this time, so that the next one does not try as well.
SAID_SECONDS: Final = 0.25
#: A try that nobody has heard of for so long is over.
TRY_SECONDS: Final = 60.0


class Standing(Enum):
    """What a failed connection says."""

    #: Nothing new: it began before the one that was counted.
    KNOWN = "known"
    #: This process does not reach the vendor; others may.
    ALONE = "alone"
    #: Nobody has got anything applied since the last one failed.
    AWAY = "away"


@dataclass(slots=True)
class Reach:
    """One process's way to one vendor."""

    clock: Callable[[], float] = time.monotonic
    #: Between two tries; 0 while the vendor is reached, as far as anybody knows.
    _gap: float = 0.0
    #: Nobody tries before.
    _until: float = 0.0
    #: The slot of the request that tries.
    _trying: str | None = None
    #: A try has ended since a failure was counted: the next failure is one more.
    _has_tried: bool = False
    #: Nobody else reached it either, when this one last failed.
    _is_away: bool = False
    #: Requests that wait for their turn.
    _waiting: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    #: How many commands other processes had applied when this one last failed.
    _others_applied: int | None = None

    async def await_turn(self, slot_id: str) -> None:
        """Return when a request may go; raises PausedError when that takes longer than one command should wait."""
        self._waiting += 1
        try:
            await self._await_turn(slot_id, self.clock() + min(HOLD_SECONDS * self._waiting, LONGEST_HOLD_SECONDS))
        finally:
            self._waiting -= 1

    async def _await_turn(self, slot_id: str, gives_up: float) -> None:
        while self._gap and slot_id != self._trying:
            now = self.clock()
            if now >= self._until:
                self._trying, self._until = slot_id, now + TRY_SECONDS
            elif now >= gives_up:
                back = LONGEST_GAP_SECONDS if self._is_away else BACK_SECONDS
                raise PausedError(back, "this worker does not reach the vendor")
            else:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), min(self._until, gives_up) - now)

    def left(self, slot_id: str, *, was_heard: bool) -> None:
        """Note that a request has ended, or has come to nothing; `was_heard`: the vendor has taken it.

        After anything else the next one tries: one request at a time until one is taken.
        """
        if self._gap and was_heard:
            self._gap, self._trying, self._has_tried, self._others_applied = 0.0, None, False, None
            self._wake()
        elif self._gap and slot_id == self._trying:
            self._wait(SAID_SECONDS)
            self._has_tried = True

    def failed(self, others_applied: int) -> Standing:
        """Note a failed connection; `others_applied` counts what other processes have ever applied at the vendor."""
        if self._gap and not self._has_tried:
            return Standing.KNOWN
        before, self._others_applied = self._others_applied, others_applied
        self._gap = min(max(self._gap * 2, FIRST_GAP_SECONDS), LONGEST_GAP_SECONDS)
        self._wait(self._gap)
        self._has_tried = False
        self._is_away = before is not None and others_applied <= before
        return Standing.AWAY if self._is_away else Standing.ALONE

    def end_waiting(self) -> None:
        """Let everybody go on who waits for a turn: the worker stops."""
        self.left("", was_heard=True)

    def _wait(self, seconds: float) -> None:
        self._until, self._trying = self.clock() + seconds, None
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
