"""A Celery worker pool that runs coroutine tasks on one asyncio loop (`worker_pool = "workers.pool:AsyncioPool"`).

Two threads. The worker's main thread, the hub thread, runs everything of Celery and kombu: it receives messages,
applies jobs, records outcomes, sends events and acks. The loop thread only awaits coroutines, so that a broker that
does not answer never delays a vendor's. Jobs go one way and calls the other way through a Mailbox each: one wake-up,
many items.
"""

from __future__ import annotations

import itertools
import logging
import math
import select
import socket
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar

from billiard.einfo import ExceptionInfo
from celery import _state, signals
from celery.concurrency.base import BasePool
from celery.exceptions import ImproperlyConfigured, WorkerShutdown
from celery.platforms import EX_FAILURE
from celery.utils import log as celery_log
from celery.worker import state
from kombu.serialization import loads, prepare_accept_content

from workers.mailbox import Mailbox
from workers.pool_context import move_to_context
from workers.pool_job import Job, Outcome
from workers.pool_loop import LoopThread, stopping
from workers.pool_replay import Replay
from workers.pool_slots import Slots
from workers.pool_threads import SyncThreads

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("AsyncioPool", "stopping")

logger = logging.getLogger(__name__)

#: plain `def` tasks are an exception here (Celery's own, a script's): a few threads do
SYNC_THREADS = 4

#: how long leaving the lifespan may take at a warm shutdown: closing connections, not waiting for anything
CLEANUP_SECONDS = 5.0

#: a cold shutdown gives cancelled jobs this long to note where they were, then again for leaving the lifespan
COLD_SECONDS = 1.0

#: how often a shutdown that waits for jobs looks whether it has become a cold one
WAIT_POLL_MS = 100

#: job numbers stand where Celery expects process ids; above every real one (Linux allows 2**22)
_numbers = itertools.count(1 << 31)


class AsyncioPool(BasePool):  # type: ignore[misc]  # Celery ships no types
    """Runs `async def` tasks on one loop, up to `--concurrency` at once, and plain ones in a few threads.

    Time limits and `revoke(terminate=True)` cancel the asyncio task (a soft limit raises SoftTimeLimitExceeded inside
    it); neither can stop a plain function. A warm shutdown waits for what runs. A cold one cancels it and leaves its
    messages unacked, which Celery then restores.
    """

    #: Entered on the loop before the first job and left after the last one. Jobs see the ContextVars it sets. If it
    #: cannot be entered, the worker exits with status 1. Set it before the worker starts.
    lifespan: ClassVar[Callable[[], AbstractAsyncContextManager[object]]] = nullcontext

    limit: int
    body_can_be_buffer = True
    signal_safe = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.options.get("threads"):
            raise ImproperlyConfigured("the asyncio pool needs a broker with Celery's event loop, such as redis://")
        self._hub: Any = None
        self._stopping = False
        #: those that run, by number
        self._jobs: dict[int, Job] = {}
        self._replays: dict[str, Replay] = {}
        self._accept = prepare_accept_content(self.app.conf.accept_content)  # type: ignore[no-untyped-call]  # kombu
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        self._calls: Mailbox[tuple[Callable[..., object], tuple[Any, ...]]] = Mailbox(self._wake_hub)
        self._loop = LoopThread(type(self).lifespan, self._post)
        self._loop_slots = Slots(self.limit, partial(self._begin, self._loop.submit))
        self._threads = SyncThreads(SYNC_THREADS, self._post)
        self._thread_slots = Slots(SYNC_THREADS, partial(self._begin, self._threads.submit))

    # -- start and stop

    def on_start(self) -> None:
        move_to_context(_state._task_stack, "task_stack")  # noqa: SLF001 - behind celery.current_task, no public name
        hostname = self.options["initargs"][1]
        for name, task in self.app.tasks.items():
            if Replay.accepts(task):
                self._replays[name] = Replay(self.app, task, hostname)
        self._threads.start()
        failure = self._loop.start()
        if failure is not None:
            logger.critical("the worker does not start: its lifespan could not be entered", exc_info=failure)
            raise WorkerShutdown(EX_FAILURE)
        signals.worker_shutting_down.connect(self._announce_stop, weak=False)

    def register_with_event_loop(self, loop: Any) -> None:
        """Listen for calls of the other threads. Called again after every reconnect, which empties the hub.

        A reader and not `hub.call_soon`: the acks that the calls make with `call_soon` run in the hub's next turn
        when asked for by a reader, but only after its next poll, up to a second later, when asked for by a callback.
        """
        self._hub = loop
        loop.add_reader(self._wake_reader.fileno(), self._run_calls)

    def on_close(self) -> None:
        self._announce_stop()

    def on_stop(self) -> None:
        if celery_log._in_sighandler:  # noqa: SLF001 - no public way to ask
            # Celery's SIGQUIT handler, on top of whatever this thread was doing: no callbacks now, no waiting
            self._stop_jobs()
            return
        self._await_jobs(math.inf)
        self._release(CLEANUP_SECONDS)

    def on_terminate(self) -> None:
        self._stop_jobs()
        self._await_jobs(COLD_SECONDS)
        self._release(COLD_SECONDS)

    def _announce_stop(self, **_: Any) -> None:
        # with the signal already, since the hub may be waiting for the broker when it comes
        self._stopping = True
        self._loop.announce_stop()
        self._wake_hub()  # its poll would go on for up to a second: Python retries what a signal interrupts

    def _stop_jobs(self) -> None:
        for job in tuple(self._jobs.values()):
            self._stop(job)

    def _await_jobs(self, patience_seconds: float) -> None:
        """Wait until no job is left, doing for them what the hub did while it ran."""
        give_up_at = monotonic() + patience_seconds
        poller = select.poll()
        poller.register(self._wake_reader, select.POLLIN)
        while self._jobs and self._loop.alive:
            if state.should_terminate:  # set by SIGQUIT, perhaps while this waits
                give_up_at = min(give_up_at, monotonic() + COLD_SECONDS)
            if monotonic() >= give_up_at:
                logger.warning("%d job(s) did not end when cancelled and are abandoned", len(self._jobs))
                return
            poller.poll(WAIT_POLL_MS)
            self._run_calls()
            self._run_hub_callbacks()

    def _run_hub_callbacks(self) -> None:
        # the acks of jobs that end now: not to be lost if one that runs on is killed later
        for callback in self._hub._pop_ready() if self._hub else ():  # noqa: SLF001 - the hub itself no longer runs
            try:
                callback()
            except Exception:
                logger.exception("a callback failed while the worker stopped")

    def _release(self, seconds: float) -> None:
        signals.worker_shutting_down.disconnect(self._announce_stop)
        self._loop.close(seconds)
        if self._hub is not None:
            self._hub.remove_reader(self._wake_reader.fileno())
        self._wake_reader.close()
        self._wake_writer.close()

    # -- calls from the other threads

    def _post(self, function: Callable[..., object], *args: Any) -> None:
        self._calls.put((function, args))

    def _wake_hub(self) -> None:
        with suppress(OSError):  # the worker has stopped
            self._wake_writer.send(b"\0")

    def _run_calls(self) -> None:
        with suppress(BlockingIOError):
            self._wake_reader.recv(64)
        for function, args in self._calls.empty():
            try:
                function(*args)
            except Exception:
                logger.exception("Celery could not take note of a job")

    # -- jobs

    def on_apply(self, target: Callable[..., Any], args: Any = (), kwargs: Any = None, **options: Any) -> Job:
        """Take a job from the hub thread. `target` is Celery's tracer for plain tasks."""
        name, _, request, body, content_type, content_encoding = args
        replay = self._replays.get(name)
        if replay is None:
            work, record = partial(target, *args, **(kwargs or {})), _recorded
        else:
            if content_type:
                body = loads(body, content_type, content_encoding, accept=self._accept)  # type: ignore[no-untyped-call]  # kombu
            request.update({"args": body[0], "kwargs": body[1], "is_eager": False}, **body[2] or {})
            work, record = partial(replay.run, request), partial(replay.record, request)
        slots = self._thread_slots if replay is None else self._loop_slots
        job = Job(
            number=next(_numbers),
            work=work,
            on_accepted=options["accept_callback"],
            on_timeout=options["timeout_callback"],
            on_end=partial(self._end, slots, record, options["callback"], options["error_callback"]),
            stop=self._stop,
            soft_seconds=options.get("soft_timeout") or self.options.get("soft_timeout"),
            hard_seconds=options.get("timeout") or self.options.get("timeout"),
        )
        slots.add(job)
        return job

    def _begin(self, submit: Callable[[Job], None], job: Job) -> bool:
        if self._stopping:
            return False  # left unacked, so that Celery restores it for another worker
        self._jobs[job.number] = job
        begun = False
        try:
            # even if it is stopped already: only then does Celery announce that it is revoked, and ack
            job.on_accepted(job.number, monotonic())
            if not job.stopped:
                submit(job)
                begun = True
        finally:
            if not begun:
                del self._jobs[job.number]
        return begun

    def _end(
        self,
        slots: Slots,
        record: Callable[[Outcome], Any],
        on_result: Callable[[Any], object],
        on_error: Callable[[ExceptionInfo], object],
        job: Job,
        outcome: Outcome | None,
    ) -> None:
        del self._jobs[job.number]
        try:
            if outcome is not None:
                self._report(record, on_result, on_error, outcome)
        finally:
            slots.end()

    @staticmethod
    def _report(
        record: Callable[[Outcome], Any],
        on_result: Callable[[Any], object],
        on_error: Callable[[ExceptionInfo], object],
        outcome: Outcome,
    ) -> None:
        try:
            result = record(outcome)
        except Exception:  # noqa: BLE001 - Reject from a hook, a result backend's: Celery decides
            on_error(ExceptionInfo())
        else:
            on_result(result)

    def terminate_job(self, pid: int, signal: object = None) -> None:
        """Stop the job of this number. A plain function that already runs goes on, and is recorded when it ends."""
        del signal
        job = self._jobs.get(pid)
        if job is not None:
            self._stop(job)

    def _stop(self, job: Job) -> None:
        if not job.stopped:
            job.stopped = True
            self._loop.stop_job(job)

    # -- size

    def grow(self, n: int = 1) -> None:
        """Allow so many more coroutine jobs at once."""
        self._resize(self.limit + n)

    def shrink(self, n: int = 1) -> None:
        """Allow so many fewer; those running go on. ValueError if fewer than one would be left."""
        self._resize(self.limit - n)

    def _resize(self, limit: int) -> None:
        if limit < 1:
            raise ValueError(f"the pool cannot be smaller than 1, asked for {limit}")
        self.limit = self._loop_slots.limit = limit
        self._loop_slots.fill()

    def _get_info(self) -> dict[str, Any]:
        info: dict[str, Any] = super()._get_info()
        return info | {
            "running": self._loop_slots.running,
            "waiting": len(self._loop_slots.waiting),
            "threads": len(self._threads),
            "threads-running": self._thread_slots.running,
        }


def _recorded(outcome: Outcome) -> Any:
    """Return what Celery's tracer returned in its thread, or raise what it raised."""
    if outcome.error is not None:
        raise outcome.error
    return outcome.value
