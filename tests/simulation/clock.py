"""Virtual time: one scheduler for all processes of a world, which lets time jump to whatever comes next."""

from __future__ import annotations

import heapq
from asyncio import events
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, cast

from tests.simulation.link import link
from tests.simulation.plan import START_MS

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Generator
    from contextvars import Context

    from tests.simulation.idling import Idling
    from tests.simulation.link import Question
    from tests.simulation.loop import VirtualLoop

#: Callbacks at one virtual moment; beyond it something calls itself without letting time pass.
MAX_CALLBACKS_AT_ONCE: Final = 200_000


class StandstillError(Exception):
    """Time does not pass any more: something calls itself for ever, or nothing is left to wait for."""


class Handle:
    """A callback that waits for its turn; asyncio takes it for a handle of its own."""

    __slots__ = ("args", "at", "callback", "context", "loop")

    def __init__(
        self, loop: VirtualLoop, callback: Callable[..., object], args: tuple[Any, ...], context: Context, at: float
    ) -> None:
        self.loop = loop
        #: None when it has been called or cancelled.
        self.callback: Callable[..., object] | None = callback
        self.args = args
        self.context = context
        #: Its moment; an earlier entry among the timers is out of date.
        self.at = at

    def cancel(self) -> None:
        self.callback, self.args = None, ()

    def cancelled(self) -> bool:
        return self.callback is None

    def when(self) -> float:
        return self.at


class Scheduler:
    """Runs what is due, in an order that depends on nothing but what was asked, and lets time jump to the next."""

    def __init__(self) -> None:
        #: Seconds since the play began.
        self.now = 0.0
        self.ready: deque[Handle] = deque()
        #: Raised out of `run` as soon as there is one.
        self.failures: list[Exception] = []
        #: Leaves out looks that find nothing, where it is given.
        self.idling: Idling | None = None
        #: Set by the callback that asks: nothing else happens until it is answered.
        self.question: Question | None = None
        self._timers: list[tuple[float, int, Handle]] = []
        self._asked = 0

    def now_ms(self) -> int:
        """Tell the true time in UTC milliseconds."""
        return START_MS + int(self.now * 1000)

    def at(self, when: float, handle: Handle) -> None:
        """Have a callback run at a moment; of several at one moment the one that was asked for first."""
        self._asked += 1
        heapq.heappush(self._timers, (when, self._asked, handle))

    def run(self, over: Callable[[], bool]) -> None:
        """Run until `over` says so; raises what a callback of the world raised, and StandstillError."""
        steps = self.steps(over)
        with suppress(StopIteration):
            question = next(steps)
            while True:
                question = steps.send(link().ask_together([question])[0])

    def steps(self, over: Callable[[], bool]) -> Generator[Question, list[Any], None]:
        """Run as `run` does; gives what has to be asked of the real server, and goes on with the answers."""
        before = events._get_running_loop()
        try:
            while True:
                yield from self._run_ready(before)
                if self.failures:
                    raise self.failures[0]
                if over():
                    return
                self._let_time_pass()
        finally:
            events._set_running_loop(before)

    def _run_ready(self, outer: AbstractEventLoop | None) -> Generator[Question, list[Any], None]:
        ready, left = self.ready, MAX_CALLBACKS_AT_ONCE
        running: VirtualLoop | None = None
        while ready:
            handle = ready.popleft()
            loop, callback = handle.loop, handle.callback
            if callback is None or loop.dead:
                continue
            if loop.frozen:
                loop.parked.append(handle)
                continue
            if loop is not running:
                running = loop
                enter(loop)
            handle.callback = None
            handle.context.run(callback, *handle.args)
            if self.question is not None:
                question, self.question, running = self.question, None, None
                events._set_running_loop(outer)
                question.answered((yield question))
            if loop.is_doomed:
                loop.stepped()
            left -= 1
            if not left:
                raise StandstillError(f"at {self.now:.6f} s {callback!r} and others go on without time passing")

    def _let_time_pass(self) -> None:
        timers = self._timers
        while timers and (timers[0][2].callback is None or timers[0][2].at != timers[0][0]):
            heapq.heappop(timers)  # cancelled, or put off
        if not timers:
            raise StandstillError(f"at {self.now:.6f} s nothing is left to wait for")
        self.now = max(self.now, timers[0][0])
        while timers and timers[0][0] <= self.now:
            when, _, handle = heapq.heappop(timers)
            if when == handle.at:
                self.ready.append(handle)


def enter(loop: VirtualLoop | None) -> None:
    """Make a loop the running one, as far as asyncio knows."""
    events._set_running_loop(cast("AbstractEventLoop | None", loop))
