"""One round of one worker: tasks that waited while it was frozen, from its first moment to the vendor's last book."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import redis

from tests.benchmarks.measure import family_cpu_seconds, family_rss_mib

if TYPE_CHECKING:
    from tests.benchmarks.contenders import Contender
    from tests.benchmarks.scene import LeanVendor

#: The last tasks are acknowledged after the vendor has counted them: that is part of their cost.
AFTERWARDS_SECONDS: Final = 0.5
#: Between two looks: the vendor says itself when the last came.
LOOK_SECONDS: Final = 0.05
WARM_UP_TASKS: Final = 100
#: Before each round: a worker that was frozen for minutes first does what has become due meanwhile.
AWAKE_TASKS: Final = 20
WARM_UP_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Round:
    """What a worker did of the tasks that it was given, and what it cost."""

    tasks: int
    done: int
    #: Calls that came to the vendor more than once.
    repeated: int
    seconds: float
    per_second: float
    cpu_ms: float
    rss_mib: float


class Track:
    """The vendor whose books count, and one worker at a time that is not frozen."""

    def __init__(self, vendor: LeanVendor) -> None:
        self._vendor = vendor

    def admit(self, contender: Contender) -> None:
        """Start a worker if it does not run, let it warm up, and freeze it; TimeoutError if it does nothing."""
        if not contender.process.running:
            contender.process.start()
        for calls in contender.calls:
            self._warm_up(contender, WARM_UP_TASKS, calls)
        time.sleep(AFTERWARDS_SECONDS)
        contender.process.stop_signal()

    def readmit(self, contender: Contender) -> None:
        """Start a worker anew that did not do its round, with nothing left to do."""
        contender.process.kill()
        with redis.Redis.from_url(contender.redis_url) as client:
            client.flushdb()
        self.admit(contender)

    def round(self, contender: Contender, tasks: int, calls: int, seconds: float) -> Round:
        """Let a frozen worker loose on so many tasks, for so many seconds at most; it is frozen again afterwards."""
        process = contender.process
        process.cont()
        self._warm_up(contender, AWAKE_TASKS, calls)
        process.stop_signal()
        contender.enqueue(tasks, calls)
        counted, repeated = self._counted(contender), len(self._vendor.books()["repeated"])
        cpu, began = family_cpu_seconds(process.pid), time.monotonic()
        process.cont()
        ended = self._watch(contender, counted + tasks * contender.noted(calls), seconds)
        took = (time.monotonic() if ended is None else ended) - began
        time.sleep(AFTERWARDS_SECONDS)
        done = (self._counted(contender) - counted) // contender.noted(calls)
        if not process.running:
            raise RuntimeError(f"{contender.name} ended in its round\n{process.log_tail()}")
        cpu, rss = family_cpu_seconds(process.pid) - cpu, family_rss_mib(process.pid)
        process.stop_signal()
        return Round(
            tasks=tasks,
            done=done,
            repeated=len(self._vendor.books()["repeated"]) - repeated,
            seconds=round(took, 3),
            per_second=round(done / took, 1),
            cpu_ms=round(cpu * 1000 / max(done, 1), 3),
            rss_mib=round(rss, 1),
        )

    def _warm_up(self, contender: Contender, tasks: int, calls: int) -> None:
        counted = self._counted(contender) + tasks * contender.noted(calls)
        contender.enqueue(tasks, calls)
        if self._watch(contender, counted, WARM_UP_SECONDS) is None:
            raise TimeoutError(f"{contender.name} did not warm up\n{contender.process.log_tail()}")

    def _counted(self, contender: Contender) -> int:
        count: int = self._vendor.books()[contender.book]
        return count

    def _watch(self, contender: Contender, counted: int, seconds: float) -> float | None:
        """Give the moment when the vendor has counted so many; None if that takes too long or the worker ends.

        A worker with books of its own is watched until these agree: it is measured to its last settlement.
        """
        deadline = time.monotonic() + seconds
        while self._counted(contender) < counted:
            if time.monotonic() > deadline or not contender.process.running:
                return None
            time.sleep(LOOK_SECONDS)
        ended: float = self._vendor.books()["last_seconds"]
        while contender.unsettled():
            if time.monotonic() > deadline:
                return None
            time.sleep(LOOK_SECONDS / 10)
            ended = time.monotonic()
        return ended
