"""The outcome of a coroutine, replayed to Celery's own tracer so that none of its code is copied.

Celery's tracer calls a task and records what it returned or raised: state, events, callbacks, results, signals, log
lines. It cannot await. So the coroutine is awaited first; then the tracer runs with a stand-in for the task's `run`
that returns, or raises, what the coroutine did, and with a clock that shows when it did.

What follows from that: `task_prerun`, `before_start` and the STARTED state of `track_started` come when the coroutine
has ended, and cannot keep it from running.
"""

from __future__ import annotations

import inspect
from contextvars import ContextVar, copy_context
from functools import wraps
from time import monotonic
from typing import TYPE_CHECKING, Any

from celery import _state
from celery.app.task import Context
from celery.app.trace import build_tracer

from workers.pool_context import move_to_context

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from workers.pool_job import Outcome

    #: failed (1 or 0), the return value's text or an ExceptionInfo, and the runtime in seconds
    Result = tuple[int, Any, float]

_outcome: ContextVar[Outcome | None] = ContextVar("replayed_outcome", default=None)
#: what the tracer's clock shows, last reading first
_readings: ContextVar[list[float] | None] = ContextVar("replayed_readings", default=None)


def _clock() -> float:
    readings = _readings.get()
    return readings.pop() if readings else monotonic()


class Replay:
    """One coroutine task of an app: runs it, and records how a run ended.

    From its creation on, `task.run` gives the replayed outcome to the tracer and the coroutine to everyone else.
    """

    def __init__(self, app: Any, task: Any, hostname: str) -> None:
        self._app = app
        self._task = task
        self._hostname = hostname
        self._tracer: Callable[..., Any] | None = None
        move_to_context(task.request_stack, f"request_stack of {task.name}")
        # autoretry's wrapper is `run` and looks `_orig_run` up at every call (celery/app/autoretry.py)
        attribute = "_orig_run" if hasattr(task, "_orig_run") else "run"
        self._run: Callable[..., Awaitable[Any]] = getattr(task, attribute)
        setattr(task, attribute, self._replaying(self._run))

    @staticmethod
    def accepts(task: Any) -> bool:
        """Return whether the task is an `async def`."""
        return inspect.iscoroutinefunction(inspect.unwrap(getattr(task, "_orig_run", task.run)))

    @staticmethod
    def _replaying(run: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
        @wraps(run)
        def replay_or_run(*args: Any, **kwargs: Any) -> Any:
            outcome = _outcome.get()
            if outcome is None:
                return run(*args, **kwargs)
            _outcome.set(None)
            if outcome.error is not None:
                raise outcome.error
            return outcome.value

        return replay_or_run

    async def run(self, request: dict[str, Any]) -> Any:
        """Await the coroutine, with `self.request` and `current_task` set in this context."""
        task = self._task
        task.request_stack.push(Context(request, called_directly=False))
        _state._task_stack.push(task)  # noqa: SLF001 - the stack behind celery.current_task has no public name
        try:
            return await self._run(*request["args"], **request["kwargs"])
        finally:
            _state._task_stack.pop()  # noqa: SLF001 - the same
            task.request_stack.pop()

    def record(self, request: dict[str, Any], outcome: Outcome) -> Result:
        """Let Celery's tracer record an outcome. Synchronous, may talk to a result backend: hub thread only."""
        if self._tracer is None:
            self._tracer = build_tracer(
                self._task.name, self._task, self._app.loader, self._hostname, app=self._app, monotonic=_clock
            )
        # a copy, so that what the tracer leaves behind never meets another replay
        return copy_context().run(self._record, self._tracer, request, outcome)

    @staticmethod
    def _record(tracer: Callable[..., Any], request: dict[str, Any], outcome: Outcome) -> Result:
        _outcome.set(outcome)
        _readings.set([outcome.ended, outcome.started])
        value, info, runtime, text = tracer(request["id"], request["args"], request["kwargs"], request)
        return (1, value, runtime) if info else (0, text, runtime)
