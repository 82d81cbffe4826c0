"""The event loop that one process of a play sees: it may be frozen or killed without the others noticing."""

from __future__ import annotations

import asyncio
import math
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Final, cast

from tests.simulation.clock import Handle, enter
from tests.simulation.idling import POLLS

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextvars import Context

    from tests.simulation.clock import Scheduler

#: Blocks inside one another that may each wait once more when a coroutine is ended.
MOST_FINALLYS: Final = 50


class VirtualLoop:
    """As much of an event loop as asyncio's tasks, futures, sleeps and timeouts ask for; nothing real is behind it.

    Nothing of a killed one ever runs again: no `finally`, no callback.
    """

    def __init__(self, scheduler: Scheduler, name: str) -> None:
        self.scheduler = scheduler
        self.name = name
        self.dead = False
        self.frozen = False
        #: What came due while it was frozen.
        self.parked: list[Handle] = []
        #: Its callbacks are counted: behind the last one something happens to it.
        self.is_doomed = False
        self._steps_left = 0
        self._on_last_step: Callable[[], None] | None = None
        self._tasks: list[asyncio.Task[Any]] = []

    def after_steps(self, steps: int, last: Callable[[], None]) -> None:
        """Call `last` behind so many more callbacks."""
        self._steps_left, self._on_last_step, self.is_doomed = steps, last, True

    def stepped(self) -> None:
        """Count a callback that has run."""
        self._steps_left -= 1
        if self._steps_left <= 0 and self._on_last_step is not None:
            self.is_doomed = False
            self._on_last_step()

    def kill(self) -> None:
        """End it between two callbacks, for good."""
        self.dead = True
        self.parked.clear()

    def freeze(self) -> None:
        """Stop it: what comes due waits."""
        self.frozen = True

    def thaw(self) -> None:
        """Let it go on with what came due meanwhile."""
        self.frozen = False
        self.scheduler.ready.extend(self.parked)
        self.parked.clear()

    def dispose(self) -> None:
        """Let go of what is half done, once it is dead, without letting any of it act."""
        enter(self)
        try:
            for task in self._tasks:
                if not task.done():
                    task._log_destroy_pending = False  # type: ignore[attr-defined]
                    _close(task.get_coro())
        finally:
            enter(None)
        self._tasks.clear()

    # what asyncio asks of a loop

    def time(self) -> float:
        return self.scheduler.now

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Handle:
        handle = Handle(self, callback, args, context or copy_context(), self.scheduler.now)
        self.scheduler.ready.append(handle)
        return handle

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Handle:
        idling = self.scheduler.idling
        if delay in POLLS and idling is not None:
            task = asyncio.current_task(self._as_asyncio_has_it())
            handle = Handle(self, callback, args, context or copy_context(), math.nan)
            if task is not None and idling.takes(task, handle, delay):
                return handle
        return self.call_at(self.scheduler.now + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Handle:
        handle = Handle(self, callback, args, context or copy_context(), when)
        self.scheduler.at(when, handle)
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self._as_asyncio_has_it())

    def create_task(
        self, coro: Coroutine[Any, Any, Any], *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[Any]:
        if self.dead:  # asked by a `finally` that must not act
            coro.close()
            return cast("asyncio.Task[Any]", self.create_future())
        task = asyncio.Task(coro, loop=self._as_asyncio_has_it(), name=name or "task", context=context)
        self._tasks.append(task)
        return task

    def get_debug(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Pass over errors that nobody asked for: what goes wrong in a worker is told by its log."""

    def _as_asyncio_has_it(self) -> asyncio.AbstractEventLoop:
        return cast("asyncio.AbstractEventLoop", self)


def _close(coro: Any) -> None:
    """End a coroutine; one whose `finally` waits for something is ended there as well."""
    for _ in range(MOST_FINALLYS):
        try:
            coro.close()
        except RuntimeError:  # it awaits in a `finally`
            continue
        except Exception:  # noqa: BLE001  nobody is left to hear of it
            return
        return
