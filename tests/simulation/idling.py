"""Idle looks left out: a loop that polls sleeps on, in whole steps, while its look would certainly find nothing.

A worker's recovery loop looks four times a second for what has come due. Nearly all of a play's calls would be these;
none of them changes anything, so that the play is the same without them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from tests.simulation.plan import START_MS
from workers.directory import LONGEST_GAP_SECONDS as DIRECTORY_GAP_SECONDS
from workers.recovery import LONGEST_GAP_SECONDS as RECOVERY_GAP_SECONDS
from workers.redrive import LONGEST_GAP_SECONDS as REDRIVE_GAP_SECONDS

if TYPE_CHECKING:
    from tests.simulation.clock import Handle, Scheduler

#: How a worker names a loop, before the vendor's name.
RECOVERY: Final = "recovery of "
#: Loops for which a play has nothing to do, once they have looked: nobody asks for bulk replays, no scan misses an id.
UNASKED: Final = ("redrive of ", "directory of ")
#: How long these loops pause at most, and how long they sleep here.
POLLS: Final = frozenset({RECOVERY_GAP_SECONDS, REDRIVE_GAP_SECONDS, DIRECTORY_GAP_SECONDS})
UNASKED_SECONDS: Final = 600.0
#: However sure it is that nothing is to be found.
LONGEST_SECONDS: Final = 60.0
NEVER: Final = "never"


class Idling:
    """Knows for each vendor when something comes due, and lets sleepers sleep until then."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        #: By vendor; from the last time that somebody looked.
        self._due: dict[str, float] = {}
        #: By vendor: the handle that ends the sleep, since when it sleeps and in which steps.
        self._sleepers: dict[str, list[tuple[Handle, float, float]]] = {}

    def takes(self, name: str, handle: Handle, step_seconds: float) -> bool:
        """Take over the end of a loop's pause, by the name of its task; false for what is no idle look."""
        if name.startswith(RECOVERY) and step_seconds == RECOVERY_GAP_SECONDS:
            self._sleep(name.removeprefix(RECOVERY), handle, step_seconds)
        elif name.startswith(UNASKED):
            handle.at = self._scheduler.now + UNASKED_SECONDS
            self._scheduler.at(handle.at, handle)
        else:
            return False
        return True

    def _sleep(self, vendor: str, handle: Handle, step_seconds: float) -> None:
        """Let a loop sleep until the step that follows on the vendor's next due time."""
        sleepers = self._sleepers.setdefault(vendor, [])
        sleepers[:] = [sleeper for sleeper in sleepers if sleeper[0].callback is not None]
        sleepers.append((handle, self._scheduler.now, step_seconds))
        self._wake_at(vendor, *sleepers[-1])

    def watches(self, vendor: str) -> bool:
        """Tell whether anybody sleeps."""
        return bool(self._sleepers.get(vendor))

    def learn(self, vendor: str, due_ms: str, offset_us: int) -> None:
        """Hear when something comes due, by the store's clock: after every step of the vendor's ledger."""
        due = math.inf if due_ms == NEVER else (int(due_ms) - START_MS) / 1000 - offset_us / 1_000_000
        self._due[vendor] = due
        for sleeper in self._sleepers.get(vendor, ()):
            self._wake_at(vendor, *sleeper)

    def wake_all(self) -> None:
        """Let everybody look: the store's clock was set."""
        for vendor in self._sleepers:
            self.learn(vendor, "0", 0)

    def _wake_at(self, vendor: str, handle: Handle, since: float, step_seconds: float) -> None:
        left = min(self._due.get(vendor, 0.0) - since, LONGEST_SECONDS)
        passed = (self._scheduler.now - since) / step_seconds
        steps = max(math.ceil(left / step_seconds), math.floor(passed) + 1, 1)
        when = since + steps * step_seconds
        if when != handle.at and handle.callback is not None:
            handle.at = when
            self._scheduler.at(when, handle)
