"""Everything a worker process holds open, opened and closed in one place."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
    from collections.abc import AsyncIterator, Collection

    import aiohttp
    from redis.asyncio import Redis

    from workers.settings import Settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Runtime:
    """What the worker's tasks need: an executor for each vendor that this process serves."""

    executors: dict[str, Executor]


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
                for task in background:
                    task.cancel()
                await asyncio.gather(*background, return_exceptions=True)
    finally:
        await redis.aclose()


def _open_vendor(
    vendor: str, settings: Settings, redis: Redis, session: aiohttp.ClientSession, stopping: asyncio.Event
) -> Executor:
    chosen = settings.served(vendor)
    policy = chosen.limit_policy()
    ledger = Ledger(redis, vendor, retention_days=settings.ledger.retention_days)
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
