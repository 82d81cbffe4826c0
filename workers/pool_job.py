"""One job of the worker pool: what to run, whom to tell, and how it can be stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from celery.exceptions import SoftTimeLimitExceeded

if TYPE_CHECKING:
    from collections.abc import Callable


class AbortedTaskError(Exception):
    """A task ended with something Celery cannot record as a failure: SystemExit, a stray CancelledError, no memory."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended by itself. The two times are `time.monotonic()` seconds around the task's own code."""

    value: Any
    error: Exception | None
    started: float
    ended: float


def recordable(error: BaseException) -> Exception:
    """Return the error if Celery records it as a failed task, else an AbortedTaskError that names it.

    Celery's own handling of the rest would end the loop (SystemExit), or the whole worker (MemoryError), or never
    answer for the message (CancelledError).
    """
    if isinstance(error, Exception) and not isinstance(error, MemoryError):
        return error
    aborted = AbortedTaskError(f"the task ended with {type(error).__name__}")
    aborted.__cause__ = error
    return aborted


@dataclass(eq=False, slots=True, weakref_slot=True)
class Job:
    """A request on its way through the pool.

    `work` runs on the loop (and returns an awaitable) or, for plain functions, in a thread. The functions starting
    with `on_` run in the hub thread only.
    """

    #: what Celery takes for the process id of the job, in `inspect active` and in `terminate_job`
    number: int
    work: Callable[[], Any]
    on_accepted: Callable[[int, float], object]
    on_timeout: Callable[[bool, float], object]
    #: called once, last; None if the job ended because it was stopped: its message is then left to Celery
    on_end: Callable[[Job, Outcome | None], object]
    #: Celery calls `terminate` on what `apply_async` returned
    stop: Callable[[Job], object]
    soft_seconds: float | None = None
    hard_seconds: float | None = None

    #: set by the hub thread: the task is revoked, or the worker stops cold
    stopped: bool = field(default=False, init=False)

    # the loop thread's
    begun: bool = field(default=False, init=False)
    timed_out: bool = field(default=False, init=False)
    task: asyncio.Task[None] | None = field(default=None, init=False)
    soft_limit: SoftLimit | None = field(default=None, init=False)

    def terminate(self, signal: object = None) -> None:
        """Stop the job (Celery's name for it; the signal is for processes and means nothing here)."""
        del signal
        self.stop(self)

    def cancel(self) -> None:
        """Cancel the asyncio task. On the loop only; a job that has not begun sees that it is stopped."""
        if self.soft_limit is not None:
            self.soft_limit.due = False
        if self.begun and self.task is not None:
            self.task.cancel()


class SoftLimit(Coroutine[Any, Any, None]):
    """A coroutine whose next cancellation arrives inside as SoftTimeLimitExceeded, while `due` is set.

    `Task.cancel()` can only throw CancelledError, so this stands between the task and the real coroutine.
    """

    __slots__ = ("_coroutine", "_seconds", "due")

    def __init__(self, coroutine: Coroutine[Any, Any, None], seconds: float) -> None:
        self._coroutine = coroutine
        self._seconds = seconds
        self.due = False

    def send(self, value: Any, /) -> Any:
        return self._coroutine.send(value)

    def throw(self, error: Any, value: Any = None, traceback: Any = None, /) -> Any:
        del value, traceback  # asyncio passes an exception, never the old triple
        if self.due and isinstance(error, asyncio.CancelledError):
            self.due = False
            current = asyncio.current_task()
            if current is not None:
                current.uncancel()  # else asyncio.timeout() and TaskGroup inside take it for a cancellation
            return self._coroutine.throw(SoftTimeLimitExceeded(self._seconds))
        return self._coroutine.throw(error)

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> Any:
        return self._coroutine.__await__()
