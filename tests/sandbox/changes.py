"""Waiting for something to become true without polling."""

import asyncio
from collections.abc import Callable


class Changes:
    """A bell that everything rings when it changed, and that waiters listen to."""

    def __init__(self) -> None:
        self._bell = asyncio.Event()

    def announce(self) -> None:
        """Wake every waiter so that it looks again."""
        self._bell.set()
        self._bell = asyncio.Event()

    async def until(self, condition: Callable[[], bool], timeout_seconds: float | None = None) -> None:
        """Return when the condition holds; raises TimeoutError after `timeout_seconds`."""
        async with asyncio.timeout(timeout_seconds):
            while not condition():
                await self._bell.wait()
