"""Idle looks left out: a loop that polls sleeps on, in whole steps, while its look would certainly find nothing.

A worker's recovery loop looks four times a second for what has come due, and a limiter that has no slot left fifty
times for a free one. Nearly all of a play's calls would be these; none of them changes anything, so that the play is
the same without them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from tests.simulation.plan import START_MS
from workers.directory import LONGEST_GAP_SECONDS as DIRECTORY_GAP_SECONDS
from workers.limiter import NAP_OF
from workers.recovery import LONGEST_GAP_SECONDS as RECOVERY_GAP_SECONDS
from workers.redrive import LONGEST_GAP_SECONDS as REDRIVE_GAP_SECONDS

if TYPE_CHECKING:
    import asyncio

    from tests.simulation.clock import Handle, Scheduler

#: How a worker names a loop, before the vendor's name.
RECOVERY: Final = "recovery of "
#: Loops for which a play has nothing to do, once they have looked: nobody asks for bulk replays, no scan misses an id.
UNASKED: Final = ("redrive of ", "directory of ")
#: Between two questions of a limiter for a slot (POLL of limiter.lua).
SLOT_GAP_US: Final = 20_000
SLOT_GAP_SECONDS: Final = SLOT_GAP_US / 1_000_000
#: How long these loops pause at most, and how long they sleep here.
POLLS: Final = frozenset({RECOVERY_GAP_SECONDS, REDRIVE_GAP_SECONDS, DIRECTORY_GAP_SECONDS, SLOT_GAP_SECONDS})
UNASKED_SECONDS: Final = 600.0
#: However sure it is that nothing is to be found.
LONGEST_SECONDS: Final = 60.0
#: A limiter that does not ask for longer may lose its turn to another process (GRACE of limiter.lua, half used up).
LONGEST_NAP_SECONDS: Final = 0.16
NEVER: Final = "never"
LIMITER: Final = ":limit:state"
#: Answers of a limiter that stay the same until another call changes something, or a slot's life ends.
_SLOTS_TAKEN: Final = ("all slots taken", "probing after a 429")


class Idling:
    """Knows for each vendor when something comes due, and lets sleepers sleep until then."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        #: By vendor, or by a limiter's key; from the last time that somebody looked.
        self._due: dict[str, float] = {}
        #: By the same: the handle that ends the sleep, since when it sleeps, in which steps and how long at most.
        self._sleepers: dict[str, list[tuple[Handle, float, float, float]]] = {}

    def takes(self, task: asyncio.Task[Any], handle: Handle, step_seconds: float) -> bool:
        """Take over the end of a loop's pause, by its task; false for what is no idle look."""
        name = task.get_name()
        if name.startswith(RECOVERY) and step_seconds == RECOVERY_GAP_SECONDS:
            self._sleep(name.removeprefix(RECOVERY), handle, step_seconds, LONGEST_SECONDS)
        elif name.startswith(UNASKED):
            handle.at = self._scheduler.now + UNASKED_SECONDS
            self._scheduler.at(handle.at, handle)
        elif step_seconds == SLOT_GAP_SECONDS and name.startswith(NAP_OF):
            self._sleep(name.removeprefix(NAP_OF), handle, step_seconds, LONGEST_NAP_SECONDS)
        else:
            return False
        return True

    def _sleep(self, whose: str, handle: Handle, step_seconds: float, longest_seconds: float) -> None:
        """Let a loop sleep until the step that follows on the next due time."""
        sleepers = self._sleepers.setdefault(whose, [])
        sleepers[:] = [sleeper for sleeper in sleepers if sleeper[0].callback is not None]
        sleepers.append((handle, self._scheduler.now, step_seconds, longest_seconds))
        self._wake_at(whose, *sleepers[-1])

    def watches(self, vendor: str) -> bool:
        """Tell whether anybody sleeps."""
        return bool(self._sleepers.get(vendor))

    def learn(self, whose: str, due_ms: str, offset_us: int) -> None:
        """Hear when something comes due, by the store's clock: after every step of a ledger or call of a limiter."""
        due = math.inf if due_ms == NEVER else (int(due_ms) - START_MS) / 1000 - offset_us / 1_000_000
        self._due[whose] = due
        for sleeper in self._sleepers.get(whose, ()):
            self._wake_at(whose, *sleeper)

    def wake_all(self) -> None:
        """Let everybody look: the store's clock was set."""
        for whose in self._sleepers:
            self.learn(whose, "0", 0)

    def _wake_at(self, whose: str, handle: Handle, since: float, step_seconds: float, longest_seconds: float) -> None:
        left = min(self._due.get(whose, 0.0) - since, longest_seconds)
        passed = (self._scheduler.now - since) / step_seconds
        steps = max(math.ceil(left / step_seconds), math.floor(passed) + 1, 1)
        when = since + steps * step_seconds
        if when != handle.at and handle.callback is not None:
            handle.at = when
            self._scheduler.at(when, handle)


def slots_stay_taken(answer: Any) -> bool:
    """Tell by the answer to a limiter's question that asking again soon gets the same answer."""
    return isinstance(answer, list) and answer[1:2] == [SLOT_GAP_US] and answer[2] in _SLOTS_TAKEN
