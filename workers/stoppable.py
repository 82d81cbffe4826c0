"""A vendor's limiter that lets nothing new through once the worker stops, or while it does not reach the vendor."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from workers.work import WorkerStoppingError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tasks.ports import Grant
    from workers.limiter import Limiter
    from workers.limits import Permit
    from workers.reach import Reach


class StoppableLimiter:
    """Passes requests on to the limiter; a waiting or new `acquire` raises WorkerStoppingError when the worker stops.

    It raises PausedError while this process does not reach the vendor, and takes no turn of the limits then.

    What is in flight ends as it would: its slot is released or kept as always.
    """

    def __init__(self, limiter: Limiter, stopping: asyncio.Event, reach: Reach) -> None:
        self._limiter = limiter
        self._reach = reach
        self._stopping = stopping
        self._watching: asyncio.Task[None] | None = None

    async def acquire(self, slot_id: str, ahead: Callable[[Grant], None] | None = None) -> Permit:
        if self._watching is None:
            self._watching = asyncio.get_running_loop().create_task(self._refuse_at_stop(), name="stop of a limiter")
        if not self._stopping.is_set():
            await self._reach.await_turn(slot_id)
        if self._stopping.is_set():
            raise WorkerStoppingError
        try:
            return await self._limiter.acquire(slot_id, ahead)
        except BaseException:
            self._reach.left(slot_id, was_heard=False)
            raise

    async def _refuse_at_stop(self) -> None:
        await self._stopping.wait()
        self._reach.end_waiting()
        self._limiter.refuse(WorkerStoppingError)

    def leave(self, slot_id: str, *, ghost_seconds: float = 0.0, taken: bool = False) -> None:
        self._reach.left(slot_id, was_heard=taken)
        self._limiter.leave(slot_id, ghost_seconds=ghost_seconds, taken=taken)
