"""A vendor's limiter that lets nothing new through once the worker stops."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from workers.work import WorkerStoppingError

if TYPE_CHECKING:
    from workers.limiter import Limiter
    from workers.limits import Permit


class StoppableLimiter:
    """Passes requests on to the limiter; a waiting or new `acquire` raises WorkerStoppingError when the worker stops.

    What is in flight ends as it would: its slot is released or kept as always.
    """

    def __init__(self, limiter: Limiter, stopping: asyncio.Event) -> None:
        self._limiter = limiter
        self._stopping = stopping

    async def acquire(self, slot_id: str) -> Permit:
        if self._stopping.is_set():
            raise WorkerStoppingError
        granting = asyncio.ensure_future(self._limiter.acquire(slot_id))
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({granting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await self._give_up(granting, slot_id)
            raise
        finally:
            stopping.cancel()
        if granting.done():
            return granting.result()
        await self._give_up(granting, slot_id)
        raise WorkerStoppingError

    async def _give_up(self, granting: asyncio.Future[Permit], slot_id: str) -> None:
        """End a wait; a grant that came in the same moment reaches nobody and must not keep its slot."""
        granting.cancel()
        await asyncio.wait({granting})
        if not granting.cancelled() and granting.exception() is None:
            await self._limiter.release(slot_id)

    async def release(self, slot_id: str) -> None:
        await self._limiter.release(slot_id)

    async def ghost(self, slot_id: str, seconds: float) -> None:
        await self._limiter.ghost(slot_id, seconds)

    async def reward(self) -> None:
        await self._limiter.reward()
