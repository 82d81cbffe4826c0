"""Everything a worker process holds open, opened and closed in one place."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from redis.exceptions import ResponseError

from tasks import telemetry
from tasks.ledger import Ledger
from tasks.redis_client import durability_of, open_redis
from workers.executor import Executor
from workers.leases import Leases
from workers.limiter import Limiter
from workers.outcomes import Outcomes
from workers.recovery import recover_for_ever
from workers.settings import SettingsError
from workers.stoppable import StoppableLimiter
from workers.vendors.base import Endpoint, open_session
from workers.vendors.partsbox import PartsBox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    import aiohttp
    from redis.asyncio import Redis

    from workers.settings import PartsBoxSettings, Settings

logger = logging.getLogger(__name__)


class WeakRedisError(Exception):
    """The Redis server would lose accepted commands."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """What the worker's tasks need: an executor for each vendor that this process serves."""

    executors: dict[str, Executor]


async def check_durability(redis: Redis, *, allow_weak: bool) -> None:
    """Refuse a Redis that does not keep what it acknowledged; with `allow_weak` warn instead.

    Raises WeakRedisError naming each setting, what it is and what the promise needs.
    """
    try:
        durability = await durability_of(redis)
    except ResponseError:  # CONFIG is often forbidden on managed servers
        logger.warning(telemetry.REDIS_NOT_DURABLE, extra={"found": "CONFIG GET is not allowed: cannot be checked"})
        return
    if durability.is_durable:
        return
    if not allow_weak:
        raise WeakRedisError(
            f"Redis would lose accepted commands: {durability}; or allow it: LEDGER_ALLOW_WEAK_REDIS=1"
        )
    logger.warning(telemetry.REDIS_NOT_DURABLE, extra={"found": str(durability)})


@asynccontextmanager
async def open_runtime(settings: Settings, served: Collection[str], stopping: asyncio.Event) -> AsyncIterator[Runtime]:
    """Open Redis, the vendors' sessions and the background loops; close them in reverse order.

    Raises SettingsError when a vendor that is to be served has no key, WeakRedisError when Redis is not durable.
    """
    redis = open_redis(settings.redis_url)
    background: list[asyncio.Task[None]] = []
    try:
        await check_durability(redis, allow_weak=settings.ledger.allow_weak_redis)
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
    if vendor != "partsbox" or settings.partsbox is None:
        raise SettingsError(f"STOCKRELAY_{vendor.upper()}_API_KEY: missing; this worker is to serve {vendor}")
    chosen: PartsBoxSettings = settings.partsbox
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
