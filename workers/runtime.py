"""Everything a worker process holds open, opened and closed in one place."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tasks import telemetry
from tasks.ledger import Ledger
from tasks.redis_client import open_redis
from workers.executor import Executor
from workers.leases import Leases
from workers.limiter import Limiter
from workers.outcomes import Outcomes
from workers.recovery import recover_for_ever
from workers.stoppable import StoppableLimiter
from workers.vendors.base import Endpoint, open_session
from workers.vendors.partsbox import PartsBox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence

    import aiohttp
    from redis.asyncio import Redis

    from workers.settings import Settings

logger = logging.getLogger(__name__)

#: A loop that did not end within this time has missed its cancel.
LOST_CANCEL_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Runtime:
    """What the worker's tasks need: an executor for each vendor that this process serves."""

    executors: dict[str, Executor]


async def end_loops(loops: Sequence[asyncio.Task[None]]) -> None:
    """Cancel until they have ended: one cancel is lost when it meets the end of a write to Redis.

    redis-py writes under `asyncio.wait_for`, which in Python 3.11 then returns the result instead of being cancelled.
    """
    while running := [loop for loop in loops if not loop.done()]:
        for loop in running:
            loop.cancel()
        await asyncio.wait(running, timeout=LOST_CANCEL_SECONDS)


@asynccontextmanager
async def open_runtime(settings: Settings, served: Collection[str], stopping: asyncio.Event) -> AsyncIterator[Runtime]:
    """Open Redis, the vendors' sessions and the background loops; close them in reverse order.

    Raises SettingsError when a vendor that is to be served has no key. Redis was judged before (`workers.startup`).
    """
    redis = open_redis(settings.redis_url)
    background: list[asyncio.Task[None]] = []
    try:
        async with open_session() as session:
            executors = {}
            for vendor in served:
                executor = _open_vendor(vendor, settings, redis, session, stopping)
                executors[vendor] = executor
                background += [
                    asyncio.create_task(
                        recover_for_ever(executor.leases.ledger, executor.outcomes.limiter),
                        name=f"recovery of {vendor}",
                    ),
                    asyncio.create_task(executor.leases.keep(), name=f"leases of {vendor}"),
                ]
            try:
                yield Runtime(executors)
            finally:
                await end_loops(background)
    finally:
        await redis.aclose()


def _open_vendor(
    vendor: str, settings: Settings, redis: Redis, session: aiohttp.ClientSession, stopping: asyncio.Event
) -> Executor:
    chosen = settings.served(vendor)
    policy = chosen.limit_policy()
    ledger = Ledger(
        redis,
        vendor,
        retention_days=settings.ledger.retention_days,
        request_seconds=chosen.timeout_seconds,
    )
    limiter = Limiter(redis, vendor, policy)
    endpoint = Endpoint(
        base_url=chosen.url,
        secret_headers=PartsBox.secret_headers(chosen.api_key),
        timeout_seconds=chosen.timeout_seconds,
        settle_seconds=chosen.settle_seconds,
    )
    logger.info(
        telemetry.VENDOR_SERVED,
        extra={
            "vendor": vendor,
            "rates": ",".join(str(rate) for rate in policy.rates),
            "concurrency": policy.concurrency,
            "settle_seconds": chosen.settle_seconds,
            "lease_seconds": settings.worker.lease_seconds,
        },
    )
    return Executor(
        port=PartsBox(session, StoppableLimiter(limiter, stopping), endpoint),
        leases=Leases(ledger, settings.worker.lease_seconds),
        outcomes=Outcomes(ledger, limiter),
        settle_seconds=chosen.settle_seconds,
        user=chosen.user,
        stopping=stopping,
    )
