"""The thread with the asyncio loop on which coroutine tasks run."""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

import uvloop
from celery.platforms import EX_FAILURE
from celery.worker import state

from workers.mailbox import Mailbox
from workers.pool_job import Outcome, SoftLimit, recordable

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from workers.pool_job import Job

logger = logging.getLogger(__name__)

#: how often a wait for the loop's start looks whether the worker was told to stop meanwhile
START_POLL_SECONDS = 0.1

_stopping: ContextVar[asyncio.Event] = ContextVar("worker_is_stopping")


class Post(Protocol):
    """Hands a call to the hub thread, where everything of Celery and kombu runs."""

    def __call__(self, function: Callable[..., object], *args: Any) -> None: ...


def stopping() -> asyncio.Event:
    """Return the event that is set as soon as this worker begins to stop, warm or cold.

    For coroutine tasks and the lifespan, on the pool's loop; RuntimeError elsewhere.
    """
    try:
        return _stopping.get()
    except LookupError:
        raise RuntimeError("stopping() was called outside the worker pool's loop") from None


class LoopThread:
    """An asyncio loop in its own thread, inside one lifespan.

    The public methods are for the hub thread. Jobs run in a copy of the lifespan's context: a ContextVar set while
    the lifespan is entered is seen by every job.
    """

    def __init__(self, lifespan: Callable[[], AbstractAsyncContextManager[object]], post: Post) -> None:
        self._lifespan = lifespan
        self._post = post
        self._inbox: Mailbox[Job] = Mailbox(lambda: self._call(self._start_jobs))
        self._thread = threading.Thread(target=self._main, name="pool-loop", daemon=True)
        self._opened = threading.Event()
        self._closing = False
        self._failure: BaseException | None = None
        # these are made in the thread, before `_opened` is set
        self._loop: asyncio.AbstractEventLoop
        self._context: Context
        self._stop_event: asyncio.Event
        self._close_event: asyncio.Event

    # -- the hub thread's side

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def start(self) -> BaseException | None:
        """Start the thread, wait until the lifespan is entered, and return what went wrong with that if anything."""
        self._thread.start()
        while not self._opened.wait(START_POLL_SECONDS):
            state.maybe_shutdown()
        return self._failure

    def submit(self, job: Job) -> None:
        """Run a coroutine job."""
        self._inbox.put(job)

    def stop_job(self, job: Job) -> None:
        """Cancel a job that is marked as stopped. Safe inside a signal handler."""
        self._call(job.cancel)

    def announce_stop(self) -> None:
        """Set the `stopping()` event. Safe inside a signal handler."""
        if self._opened.is_set():
            self._call(self._stop_event.set)

    def close(self, seconds: float) -> None:
        """Leave the lifespan and end the thread, waiting up to so many seconds."""
        self._closing = True
        self._call(self._close_event.set)
        self.join(seconds)
        if self.alive:
            logger.warning("the worker's loop did not end within %s s and is abandoned", seconds)

    def join(self, seconds: float) -> None:
        """Wait for the end of the thread, up to so many seconds."""
        self._thread.join(seconds)

    def _call(self, function: Callable[..., object], *args: Any) -> None:
        if self._opened.is_set():
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(function, *args)

    # -- the loop thread's side

    def _main(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            self._loop = runner.get_loop()
            life = self._loop.create_task(self._live())
            while not life.done():
                try:
                    self._loop.run_until_complete(life)
                except BaseException as error:  # noqa: BLE001 - SystemExit in a child task or a callback of a job
                    if not life.done():
                        logger.critical("%s in a callback on the worker's loop; it goes on", type(error).__name__)
            self._end(asyncio.CancelledError() if life.cancelled() else life.exception())

    def _end(self, failure: BaseException | None) -> None:
        if not self._opened.is_set():
            self._failure = failure
            self._opened.set()
            return
        if failure is not None:
            logger.error("the worker's clean-up failed", exc_info=failure)
        if not self._closing:
            logger.critical("the worker's loop ended; the worker stops")
            state.should_stop = EX_FAILURE

    async def _live(self) -> None:
        self._stop_event = asyncio.Event()
        self._close_event = asyncio.Event()
        _stopping.set(self._stop_event)
        async with self._lifespan():
            self._context = copy_context()
            self._opened.set()
            await self._close_event.wait()

    def _start_jobs(self) -> None:
        for job in self._inbox.empty():
            coroutine: Any = self._perform(job)
            if job.soft_seconds:
                coroutine = job.soft_limit = SoftLimit(coroutine, job.soft_seconds)
            job.task = self._loop.create_task(coroutine, context=self._context.copy())

    async def _perform(self, job: Job) -> None:
        job.begun = True
        outcome = None
        if not job.stopped:
            limits = [
                self._loop.call_later(seconds, function, job)
                for seconds, function in ((job.soft_seconds, self._soft_limit), (job.hard_seconds, self._hard_limit))
                if seconds
            ]
            outcome = await self._outcome(job)
            for limit in limits:
                limit.cancel()
        self._post(job.on_end, job, outcome)

    @staticmethod
    async def _outcome(job: Job) -> Outcome | None:
        """Await the job's work. None if it ended because it was stopped, unless it finished all the same."""
        started = monotonic()
        try:
            value = await job.work()
        except BaseException as error:  # noqa: BLE001 - nothing that a task raises may end the loop
            stopped = job.stopped or job.timed_out
            return None if stopped else Outcome(None, recordable(error), started, monotonic())
        # Celery has already recorded the failure of a job over its hard limit
        return None if job.timed_out else Outcome(value, None, started, monotonic())

    def _soft_limit(self, job: Job) -> None:
        if not job.stopped and job.soft_limit is not None and job.task is not None:
            self._post(job.on_timeout, True, job.soft_seconds)
            job.soft_limit.due = True
            job.task.cancel()

    def _hard_limit(self, job: Job) -> None:
        if not job.stopped:
            self._post(job.on_timeout, False, job.hard_seconds)
            job.timed_out = True
            job.cancel()
