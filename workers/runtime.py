"""Everything a worker process holds open, opened and closed in one place."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tasks import telemetry
from tasks.ledger import Ledger
from tasks.redis_client import open_redis
from tasks.routes import ROUTING
from workers.adapters import close_adapter, open_adapter
from workers.directory import DirectoryKeeper
from workers.executor import Executor
from workers.leases import Leases
from workers.limiter import Limiter
from workers.outcomes import Outcomes
from workers.recovery import recover_for_ever
from workers.retries import Budgets
from workers.settings import ROUTING_POLICY
from workers.stoppable import StoppableLimiter
from workers.vendor_settings import PartsBoxSettings, VendorSettings
from workers.vendors.base import open_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Coroutine, Sequence

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
                    asyncio.create_task(loop, name=f"{name} of {vendor}")
                    for name, loop in _loops(executor, settings, redis).items()
                ]
            try:
                yield Runtime(executors)
            finally:
                await end_loops(background)
                for executor in executors.values():
                    await close_adapter(executor.port)
    finally:
        await redis.aclose()


def _loops(executor: Executor, settings: Settings, redis: Redis) -> dict[str, Coroutine[Any, Any, None]]:
    """Give what runs beside a vendor's commands, by name."""
    ledger = executor.leases.ledger
    loops = {
        "recovery": recover_for_ever(ledger, executor.outcomes.limiter, executor.ledger_of),
        "leases": executor.leases.keep(),
    }
    chosen = settings.vendors.get(ledger.vendor)
    if isinstance(chosen, PartsBoxSettings):
        keeper = DirectoryKeeper(
            redis, executor.port, executor.outcomes.pause, refresh_seconds=chosen.directory_seconds
        )
        loops["directory"] = keeper.keep_for_ever()
    return loops


def _open_vendor(
    vendor: str, settings: Settings, redis: Redis, session: aiohttp.ClientSession, stopping: asyncio.Event
) -> Executor:
    if vendor == ROUTING:
        return _executor(vendor, settings, redis, Limiter(redis, vendor, ROUTING_POLICY), stopping)
    chosen = settings.served(vendor)
    policy = chosen.limit_policy()
    limiter = Limiter(redis, vendor, policy)
    executor = _executor(vendor, settings, redis, limiter, stopping, chosen)
    executor.port = open_adapter(chosen, session, StoppableLimiter(limiter, stopping), redis)
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
    return executor


def _executor(
    vendor: str,
    settings: Settings,
    redis: Redis,
    limiter: Limiter,
    stopping: asyncio.Event,
    chosen: VendorSettings | None = None,
) -> Executor:
    ledger_of = partial(Ledger, redis, retention_days=settings.ledger.retention_days)
    ledger = ledger_of(vendor, request_seconds=0.0 if chosen is None else chosen.timeout_seconds)
    return Executor(
        port=None,
        leases=Leases(ledger, settings.worker.lease_seconds),
        outcomes=Outcomes(ledger, limiter, Budgets() if chosen is None else Budgets(attempts=chosen.attempts)),
        settle_seconds=0.0 if chosen is None else chosen.settle_seconds,
        ledger_of=ledger_of,
        user=chosen.user if isinstance(chosen, PartsBoxSettings) else None,
        routes=settings.routes,
        stopping=stopping,
    )
