"""What is noted while a chaos run goes on: when which trouble was made, and the commands by state."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field


class StoppedError(Exception):
    """The run is over, or was given up: a thread of it has nothing more to do."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Trouble that was made: seconds since the run began, its class, and what exactly."""

    at_seconds: float
    trouble: str
    what: str


@dataclass(frozen=True, slots=True)
class Sample:
    """The commands by state, all vendors together, and those that a producer was promised."""

    at_seconds: float
    states: dict[str, int]
    promised: int


@dataclass
class Record:
    """The notes of one run; any thread may write."""

    started: float = field(default_factory=time.monotonic)
    #: The wall clock at the same moment, which the vendors' journals are in.
    started_ms: int = field(default_factory=lambda: time.time_ns() // 1_000_000)
    marks: list[Mark] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    promised: int = 0
    #: Posts beyond one for each command: no answer, or none that promised.
    repeated_posts: int = 0
    refused: list[str] = field(default_factory=list)
    #: What our programs did wrong besides: one that did not end when told to.
    wrongs: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def now(self) -> float:
        """Give the seconds since the run began."""
        return time.monotonic() - self.started

    def happened(self, trouble: str, what: str) -> None:
        """Note trouble that was just made."""
        with self._lock:
            self.marks.append(Mark(self.now(), trouble, what))

    def saw(self, states: Counter[str]) -> None:
        """Note how many commands are in each state."""
        with self._lock:
            self.samples.append(Sample(self.now(), dict(states), self.promised))

    def was_promised(self, posts: int) -> None:
        """Note a command that was accepted, after so many posts."""
        with self._lock:
            self.promised += 1
            self.repeated_posts += posts - 1

    def was_refused(self, what: str) -> None:
        """Note a command that nobody will take."""
        with self._lock:
            self.refused.append(what)

    def went_wrong(self, what: str) -> None:
        """Note what no program may do."""
        with self._lock:
            self.wrongs.append(what)

    def troubles(self) -> Counter[str]:
        """Count the troubles by class."""
        with self._lock:
            return Counter(mark.trouble for mark in self.marks)
