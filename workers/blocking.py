"""Running the same tasks on Celery's own pools: a thread or child process waits for one background loop."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextlib import AbstractAsyncContextManager


class BackgroundLoop:
    """An asyncio loop in a daemon thread, inside one lifespan, for callers that block."""

    def __init__(self, lifespan: Callable[[asyncio.Event], AbstractAsyncContextManager[None]]) -> None:
        self._lifespan = lifespan
        self._loop = asyncio.new_event_loop()
        #: What the lifespan sets in its context is seen by every coroutine that runs here.
        self._context = contextvars.copy_context()
        self._started: Future[None] = Future()
        threading.Thread(target=self._main, name="background loop", daemon=True).start()
        self._started.result()

    def _main(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._loop.create_task(self._live(), context=self._context))

    async def _live(self) -> None:
        try:
            async with self._lifespan(asyncio.Event()):
                self._started.set_result(None)
                await asyncio.Event().wait()
        except BaseException as failure:
            if self._started.done():
                raise
            self._started.set_exception(failure)

    def run(self, coroutine: Coroutine[Any, Any, str]) -> str:
        """Run the coroutine on the loop and wait for its result."""
        outcome: Future[str] = Future()

        async def relay() -> None:
            try:
                outcome.set_result(await coroutine)
            except BaseException as failure:  # noqa: BLE001  raised where the result is awaited
                outcome.set_exception(failure)

        self._loop.call_soon_threadsafe(lambda: self._loop.create_task(relay(), context=self._context))
        return outcome.result()


class BackgroundLoops:
    """One background loop a process: a forked child must not use its parent's."""

    def __init__(self, lifespan: Callable[[asyncio.Event], AbstractAsyncContextManager[None]]) -> None:
        self._lifespan = lifespan
        self._lock = threading.Lock()
        self._loops: dict[int, BackgroundLoop] = {}

    def mine(self) -> BackgroundLoop:
        """Give this process's loop; start it on first use."""
        with self._lock:
            if os.getpid() not in self._loops:
                self._loops[os.getpid()] = BackgroundLoop(self._lifespan)
            return self._loops[os.getpid()]
