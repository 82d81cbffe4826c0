"""Running the same tasks on Celery's own pools: a thread or child process waits for one background loop."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from concurrent.futures import Future
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextlib import AbstractAsyncContextManager

logger = logging.getLogger(__name__)

#: Leaving the lifespan closes connections and waits for nothing else.
CLOSE_SECONDS: Final = 5.0


class BackgroundLoop:
    """An asyncio loop in a daemon thread, inside one lifespan, for callers that block.

    Made before Celery forks and started after it, in each child: a thread and its connections do not survive a fork.
    """

    def __init__(self, lifespan: Callable[[asyncio.Event], AbstractAsyncContextManager[None]]) -> None:
        self._lifespan = lifespan
        #: Written to once and never read: from then on it is readable in every process that was forked.
        self._stop_reader, self._stop_writer = os.pipe()
        self._stopping = asyncio.Event()
        self._leave = asyncio.Event()
        self._jobs: set[asyncio.Task[str]] = set()
        #: What the lifespan has set there is seen by every coroutine that runs here.
        self._context: Future[Context] = Future()
        self._thread = threading.Thread(target=self._main, name="background loop", daemon=True)
        # made in the thread, before `_context` has its result
        self._loop: asyncio.AbstractEventLoop

    @property
    def stopping(self) -> bool:
        """Whether the loop has heard that the worker stops."""
        return self._stopping.is_set()

    def start(self) -> None:
        """Enter the lifespan; raises what that raises."""
        self._thread.start()
        self._context.result()

    def run(self, coroutine: Coroutine[object, object, str]) -> str:
        """Run the coroutine on the loop and wait for its result."""
        # the loop's context is entered here only to be copied into the task
        context = self._context.result().copy()
        return context.run(asyncio.run_coroutine_threadsafe, self._job(coroutine), self._loop).result()

    def announce_stop(self) -> None:
        """Set the `stopping` event of the loops of this process and its children. Safe inside a signal handler."""
        os.write(self._stop_writer, b"\0")

    def close(self) -> None:
        """Cancel what still runs, leave the lifespan and end the thread; nothing happens when it does not run."""
        if not self._thread.is_alive():
            return
        self._loop.call_soon_threadsafe(self._leave.set)
        self._thread.join(CLOSE_SECONDS)
        if self._thread.is_alive():
            logger.warning("the background loop did not end within %s s and is abandoned", CLOSE_SECONDS)

    # the loop's side

    def _main(self) -> None:
        with asyncio.Runner() as runner:
            self._loop = runner.get_loop()
            runner.run(self._live())

    async def _live(self) -> None:
        self._loop.add_reader(self._stop_reader, self._stop)
        try:
            async with self._lifespan(self._stopping):
                self._context.set_result(copy_context())
                await self._leave.wait()
                await self._end_jobs()
        except BaseException as failure:
            if self._context.done():
                raise
            self._context.set_exception(failure)

    def _stop(self) -> None:
        self._loop.remove_reader(self._stop_reader)
        self._stopping.set()

    async def _job(self, coroutine: Coroutine[object, object, str]) -> str:
        job = asyncio.ensure_future(coroutine)
        self._jobs.add(job)
        try:
            return await job
        finally:
            self._jobs.discard(job)

    async def _end_jobs(self) -> None:
        self._stopping.set()
        for job in self._jobs:
            job.cancel()
        if self._jobs:
            await asyncio.wait(self._jobs)
