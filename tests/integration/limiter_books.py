"""What processes asked of a limiter and what the vendor saw of them, and the verdicts over both."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from workers.limiter import LimitPolicy, Rate

#: A process asks again so much before a permit is free, or more: timers are late, and that must not cost a permit.
AHEAD_US = 20_000
#: A slot that another process frees is noticed this late at most: nobody is told when that will be.
POLL_US = 20_000
#: Who has waited so much longer goes first, as long as it comes back this soon after it was to.
PATIENCE_US, GRACE_US = 250_000, 300_000


@dataclass(frozen=True)
class Event:
    """`start` and `finish` of a request as the vendor sees them; `stale`: a permit that was too old to be used.

    `released`: its slot is free by then.
    """

    kind: str
    worker: str
    slot_id: str
    granted_at_us: int
    at_us: int

    @classmethod
    def read(cls, text: str) -> Self:
        kind, worker, slot_id, granted, at = text.split()
        return cls(kind, worker, slot_id, int(granted), int(at))


def excess(times_us: Sequence[int], rate: Rate, late_seconds: float = 0.0) -> float:
    """Return how many too many the worst window holds: above `limit * (w + late) / period + burst`."""
    per_us = rate.limit / rate.period_seconds / 1e6
    times = sorted(times_us)
    worst, lowest = 0.0, math.inf
    for number, at_us in enumerate(times):
        # the window that ends here and began where most was left over
        ahead = number - (at_us - times[0]) * per_us
        lowest = min(lowest, ahead)
        worst = max(worst, ahead - lowest + 1)
    return round(worst - rate.burst - late_seconds * 1e6 * per_us, 6)


def most_in_flight(events: Sequence[Event], slot_seconds: float) -> int:
    """Return the most requests at the vendor at one time.

    One counts as long as its slot at most: what has no end by then, or a later one, is not the limiter's to count.
    """
    ends = {(event.slot_id, event.granted_at_us): event.at_us for event in events if event.kind == "finish"}
    steps = []
    for event in events:
        if event.kind == "start":
            slot_ends = event.granted_at_us + round(slot_seconds * 1e6)
            ended = min(ends.get((event.slot_id, event.granted_at_us), slot_ends), slot_ends)
            steps += [(event.at_us, 1), (max(event.at_us, ended), -1)]
    return max(itertools.accumulate(step for _, step in sorted(steps)))


@dataclass(frozen=True)
class Ask:
    """One call of a process for those of it who wait, and what it was answered, on the clock of the server."""

    worker: str
    now_us: int
    #: 0: nobody was refused.
    wait_us: int
    reason: str
    #: Slot id -> time of the grant.
    granted: dict[str, int]
    #: How long the process then slept before it asked again.
    naps: list[float] = field(default_factory=list)


class Wasted:
    """Goes through what all processes asked, in order, and names every permit that was free and not given."""

    def __init__(self, policy: LimitPolicy, events: Sequence[Event]) -> None:
        (rate,) = policy.rates
        assert rate.burst == 1, "the next permit is then free at one moment: an interval after the last"
        self._policy = policy
        self._interval_us = round(rate.period_seconds / rate.limit * 1e6)
        self._free_us = 0
        self._released = {event.slot_id: event.at_us for event in events if event.kind == "released"}
        self._taken: dict[str, int] = {}  # slot id -> when
        self._waits: dict[str, int] = {}  # process -> since when it has got nothing
        self._back: dict[str, int] = {}  # process -> when it was to ask again

    def faults(self, asks: Iterable[Ask]) -> list[str]:
        """Name what was wasted; nothing, if every permit was given at the first asking after it was free."""
        found = []
        for ask in sorted(asks, key=lambda one: one.now_us):
            for slot_id, at_us in ask.granted.items():
                if at_us > max(ask.now_us, self._free_us):
                    found.append(f"{ask}: granted {at_us - max(ask.now_us, self._free_us)} us late")
                self._free_us = max(self._free_us, at_us) + self._interval_us
                self._taken[slot_id] = ask.now_us
            if ask.wait_us and (fault := self._refused(ask)):
                found.append(f"{ask}: {fault}")
            found += [f"{ask}: slept {nap} s" for nap in ask.naps if nap > ask.wait_us / 1e6]
            self._note(ask)
        return found

    def _refused(self, ask: Ask) -> str:
        ahead_us = self._free_us - ask.now_us
        match ask.reason:
            case "rate limit":
                return "" if ask.wait_us <= ahead_us - AHEAD_US else f"a permit is free in {ahead_us} us"
            case "all slots taken":
                if self._slots_at(ask.now_us) < self._policy.concurrency:
                    return "a slot is free"
                return "" if ask.wait_us <= max(POLL_US, ahead_us) else "another's slot would be noticed too late"
            case "another process first":
                elders = (
                    self._back[name] + GRACE_US >= ask.now_us > since + PATIENCE_US
                    for name, since in self._waits.items()
                    if name != ask.worker
                )
                return "" if any(elders) and ask.wait_us <= POLL_US else "nobody has waited so long"
        return "nothing here gives such a reason"

    def _slots_at(self, now_us: int) -> int:
        """Count the slots that may be taken: until it is known that they were freed."""
        return sum(self._released.get(slot_id, now_us) >= now_us for slot_id in self._taken)

    def _note(self, ask: Ask) -> None:
        self._back[ask.worker] = max(self._back.get(ask.worker, 0), ask.now_us + ask.wait_us)
        if not ask.wait_us:
            self._waits.pop(ask.worker, None)
        elif ask.granted:
            self._waits[ask.worker] = ask.now_us
        else:
            self._waits.setdefault(ask.worker, ask.now_us)
