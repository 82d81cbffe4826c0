"""Which jobs may run: so many at once, the others wait."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.pool_job import Job


class Slots:
    """Begins jobs while fewer than `limit` run, in the order they came. Hub thread only."""

    def __init__(self, limit: int, begin: Callable[[Job], bool]) -> None:
        """`begin` returns whether the job now runs and will be told to `end`."""
        self.limit = limit
        self.running = 0
        self.waiting: deque[Job] = deque()
        self._begin = begin

    def add(self, job: Job) -> None:
        """Begin a job, now or when its turn comes."""
        self.waiting.append(job)
        self.fill()

    def end(self) -> None:
        """Note that a job has ended, and begin the next."""
        self.running -= 1
        self.fill()

    def fill(self) -> None:
        """Begin waiting jobs while there is room."""
        while self.waiting and self.running < self.limit:
            self.running += self._begin(self.waiting.popleft())
