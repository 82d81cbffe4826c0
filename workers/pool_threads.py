"""The threads on which plain `def` tasks run."""

from __future__ import annotations

import threading
from contextvars import Context
from queue import SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING

from workers.pool_job import Outcome, recordable

if TYPE_CHECKING:
    from workers.pool_job import Job
    from workers.pool_loop import Post


class SyncThreads:
    """A few daemon threads that run one job each at a time.

    Daemons, unlike those of ThreadPoolExecutor: a plain function cannot be cancelled, and a cold shutdown must not
    wait for one. Nothing here takes a lock that a signal handler could find taken.
    """

    def __init__(self, size: int, post: Post) -> None:
        self._post = post
        self._jobs: SimpleQueue[Job] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._main, name=f"pool-thread-{number}", daemon=True) for number in range(size)
        ]

    def __len__(self) -> int:
        return len(self._threads)

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def submit(self, job: Job) -> None:
        """Run a job in a free thread."""
        self._jobs.put(job)

    def _main(self) -> None:
        while True:
            job = self._jobs.get()
            Context().run(self._perform, job)

    def _perform(self, job: Job) -> None:
        started = monotonic()
        try:
            outcome = Outcome(job.work(), None, started, monotonic())
        except BaseException as error:  # noqa: BLE001 - nothing that a task raises may end the thread
            outcome = Outcome(None, recordable(error), started, monotonic())
        self._post(job.on_end, job, outcome)
