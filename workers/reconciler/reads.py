"""Reading a vendor behind everything else: one read at a time, after commands that wait, patient with trouble."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeVar

from tasks.errors import RejectedError, StockrelayError, VendorError
from tasks.ledger import prefix_of
from workers.limits import PausedError
from workers.outcomes import is_vendors_trouble

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from redis.asyncio import Redis

R = TypeVar("R")

#: A read waits so long for commands that are on their way; then its turn comes, or under load there would be no report.
YIELD_SECONDS: Final = 5.0
#: Between two looks whether commands wait.
YIELD_GAP_SECONDS: Final = 0.1
#: Spent on waiting for a vendor in trouble in one comparison; then the rest is left out.
PATIENCE_SECONDS: Final = 300.0
#: Tries of one read whose answer cannot be understood.
TRIES: Final = 3
#: Between those tries, and at least before a vendor in trouble is asked again.
TRY_GAP_SECONDS: Final = 1.0


class UnreadError(StockrelayError):
    """The vendor could not be read; the message says why."""


class PatientReads:
    """The reads of one comparison. `pause` is told of what the vendor answers to all alike, as `Outcomes.pause` is."""

    def __init__(
        self,
        redis: Redis,
        vendor: str,
        pause: Callable[[VendorError | PausedError], Awaitable[object]],
        *,
        patience_seconds: float = PATIENCE_SECONDS,
        yield_seconds: float = YIELD_SECONDS,
    ) -> None:
        self._redis = redis
        self._prefix = prefix_of(vendor)
        self._pause = pause
        self._patience_seconds = patience_seconds
        self._yield_seconds = yield_seconds
        #: Why the vendor is not asked any more.
        self.gave_up = ""
        #: That is in the report.
        self.told = False

    async def read(self, ask: Callable[[], Awaitable[R]]) -> R:
        """Read once, or again where that may help; raises UnreadError, and Redis errors and WorkerStoppingError."""
        tries = 1
        while True:
            try:
                return await self._ask(ask)
            except VendorError as error:
                if isinstance(error, RejectedError) or tries == TRIES:
                    raise UnreadError(str(error)) from error
            tries += 1
            await asyncio.sleep(TRY_GAP_SECONDS)

    async def _ask(self, ask: Callable[[], Awaitable[R]]) -> R:
        """Ask until the vendor takes requests, or patience is over."""
        while True:
            if self.gave_up:
                raise UnreadError(self.gave_up)
            await self._yield_to_commands()
            try:
                return await ask()
            except (VendorError, PausedError) as error:
                if not is_vendors_trouble(error):
                    raise
                await self._pause(error)
                await self._wait_for_vendor(error)

    async def _wait_for_vendor(self, error: VendorError | PausedError) -> None:
        asked = getattr(error, "retry_after_seconds", None) or 0.0
        seconds = max(asked, TRY_GAP_SECONDS)
        if seconds > self._patience_seconds:
            self.gave_up = str(error)
            return
        self._patience_seconds -= seconds
        await asyncio.sleep(seconds)

    async def _yield_to_commands(self) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._yield_seconds
        while await self._commands_wait() and loop.time() < until:  # noqa: ASYNC110  Redis tells nobody
            await asyncio.sleep(YIELD_GAP_SECONDS)

    async def _commands_wait(self) -> bool:
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.zcard(self._prefix + "ready")
            pipeline.zcard(self._prefix + "sending")
            return any(await pipeline.execute())
