"""Making and using limiters: several with a client each stand for as many processes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from workers.limiter import Limiter, LimitPolicy, LimitSnapshot, PausedError, Permit, Rate

if TYPE_CHECKING:
    from collections.abc import Callable


#: For conditions that hold soon or never.
SOON_SECONDS = 60.0
KEYS = "sr:{vendor}:limit:"


class MakeLimiter(Protocol):
    """Makes a limiter with a client of its own, as another process has: `make(policy, max_wait_seconds=1)`."""

    def __call__(self, policy: LimitPolicy, *, url: str | None = None, **options: Any) -> Limiter: ...


def policy_of(*rates: str, concurrency: int = 100, slot_seconds: float = 60.0) -> LimitPolicy:
    return LimitPolicy(tuple(Rate.parse(rate) for rate in rates), concurrency, slot_seconds)


async def use(limiter: Limiter, slot_id: str, work_seconds: float = 0.0) -> Permit:
    permit = await limiter.acquire(slot_id)
    await asyncio.sleep(work_seconds)
    await limiter.release(slot_id)
    return permit


async def until(limiter: Limiter, condition: Callable[[LimitSnapshot], bool]) -> LimitSnapshot:
    async with asyncio.timeout(SOON_SECONDS):
        while not condition(found := await limiter.snapshot()):  # noqa: ASYNC110 - Redis has no event for it
            await asyncio.sleep(0.01)
    return found


async def refused(limiter: Limiter, slot_id: str = "refused") -> PausedError:
    with pytest.raises(PausedError) as caught:
        await limiter.acquire(slot_id)
    return caught.value
