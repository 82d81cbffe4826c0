"""Everything a worker process holds open, opened and closed in one place."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

from tasks import telemetry
from tasks.endings import end_loops
from tasks.ledger import Ledger
from tasks.presence import present
from tasks.redis_client import open_redis
from tasks.routes import ROUTING
from workers import metrics
from workers.adapters import close_adapter, open_adapter
from workers.directory import DirectoryKeeper
from workers.executor import Executor, process_name
from workers.leases import Leases
from workers.limiter import Limiter
from workers.outcomes import Outcomes
from workers.reach import Reach
from workers.reconciler import RECONCILED
from workers.reconciler.reconciling import Reconciler
from workers.reconciler_schedule import ScheduledReconciler, minutes_of
from workers.recovery import recover_for_ever
from workers.redrive import redrive_for_ever
from workers.retries import Budgets
from workers.settings import ROUTING_POLICY
from workers.stoppable import StoppableLimiter
from workers.vendor_settings import PartsBoxSettings, VendorSettings
from workers.vendors.base import open_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Sequence

    import aiohttp
    from redis.asyncio import Redis

    from workers.limits import LimitPolicy
    from workers.settings import Settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Runtime:
    """What the worker's tasks need: an executor for each vendor that this process serves."""

    executors: dict[str, Executor]


@dataclass(frozen=True, slots=True)
class Outside:
    """What a process has of the world outside; a simulation passes its own in."""

    redis: Redis
    session: aiohttp.ClientSession
    #: Seconds that only ever grow.
    clock: Callable[[], float] = time.monotonic
    random: Random = field(default_factory=Random)
    #: Names the process in the ledger, unlike any other.
    process: str = field(default_factory=process_name)


@asynccontextmanager
async def open_runtime(settings: Settings, served: Sequence[str], stopping: asyncio.Event) -> AsyncIterator[Runtime]:
    """Open Redis, the vendors' sessions and the background loops; close them in reverse order.

    Raises SettingsError when a vendor that is to be served has no key. Redis was judged before (`workers.startup`).
    """
    redis = open_redis(settings.redis_url)
    try:
        async with (
            present(redis, "worker", served),
            open_session() as session,
            running(settings, served, stopping, Outside(redis, session)) as runtime,
        ):
            yield runtime
    finally:
        await redis.aclose()


@asynccontextmanager
async def running(
    settings: Settings, served: Collection[str], stopping: asyncio.Event, outside: Outside
) -> AsyncIterator[Runtime]:
    """Run the vendors' background loops until the block ends; raises as `open_runtime`."""
    background: list[asyncio.Task[None]] = []
    executors = {}
    try:
        for vendor in served:
            executor = executors[vendor] = _open_vendor(vendor, settings, outside, stopping)
            background += [
                asyncio.create_task(loop, name=f"{name} of {vendor}")
                for name, loop in _loops(executor, settings, outside.redis).items()
            ]
        yield Runtime(executors)
    finally:
        await end_loops(background)
        for executor in executors.values():
            await close_adapter(executor.port)
            await executor.outcomes.limiter.aclose()


def _loops(executor: Executor, settings: Settings, redis: Redis) -> dict[str, Coroutine[Any, Any, None]]:
    """Give what runs beside a vendor's commands, by name."""
    ledger = executor.leases.ledger
    loops = {
        "recovery": recover_for_ever(ledger, executor.outcomes.limiter, executor.ledger_of),
        "leases": executor.leases.keep(),
        "redrive": redrive_for_ever(ledger, executor.outcomes.limiter),
    }
    chosen = settings.vendors.get(ledger.vendor)
    if isinstance(chosen, PartsBoxSettings):
        keeper = DirectoryKeeper(
            redis, executor.port, executor.outcomes.pause, refresh_seconds=chosen.directory_seconds
        )
        loops["directory"] = keeper.keep_for_ever()
    at_minutes = minutes_of(settings.worker.reconcile_at)
    if at_minutes is not None and ledger.vendor in RECONCILED:
        reconciler = Reconciler(
            redis,
            ledger.vendor,
            executor.port,
            executor.outcomes.pause,
            retention_days=settings.ledger.retention_days,
            user=executor.user,
        )
        scheduled = ScheduledReconciler(redis, reconciler, at_minutes=at_minutes, days=settings.worker.reconcile_days)
        loops["reconciler"] = scheduled.keep_for_ever()
    return loops


def _open_vendor(vendor: str, settings: Settings, outside: Outside, stopping: asyncio.Event) -> Executor:
    if vendor == ROUTING:
        return _executor(vendor, settings, outside, _limiter(vendor, ROUTING_POLICY, outside), stopping)
    chosen = settings.served(vendor)
    policy = chosen.limit_policy()
    limiter = _limiter(vendor, policy, outside)
    executor = _executor(vendor, settings, outside, limiter, stopping, chosen)
    stoppable = StoppableLimiter(limiter, stopping, executor.outcomes.reach)
    executor.port = open_adapter(chosen, outside.session, stoppable, outside.redis, clock=outside.clock)
    metrics.begin(vendor, chosen.settle_seconds)
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


def _limiter(vendor: str, policy: LimitPolicy, outside: Outside) -> Limiter:
    return Limiter(outside.redis, vendor, policy, clock=outside.clock, rng=outside.random)


def _executor(
    vendor: str,
    settings: Settings,
    outside: Outside,
    limiter: Limiter,
    stopping: asyncio.Event,
    chosen: VendorSettings | None = None,
) -> Executor:
    ledger_of = partial(Ledger, outside.redis, retention_days=settings.ledger.retention_days)
    ledger = Ledger(
        outside.redis,
        vendor,
        retention_days=settings.ledger.retention_days,
        request_seconds=0.0 if chosen is None else chosen.timeout_seconds,
    )
    budgets = Budgets() if chosen is None else Budgets(attempts=chosen.attempts)
    return Executor(
        port=None,
        leases=Leases(ledger, settings.worker.lease_seconds, clock=outside.clock),
        outcomes=Outcomes(ledger, limiter, budgets, outside.random, Reach(outside.clock)),
        settle_seconds=0.0 if chosen is None else chosen.settle_seconds,
        ledger_of=ledger_of,
        user=chosen.user if isinstance(chosen, PartsBoxSettings) else None,
        routes=settings.routes,
        stopping=stopping,
        process=outside.process,
    )
