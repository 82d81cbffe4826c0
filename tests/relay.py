"""The real executors, ledgers, limiters and adapters in this process, fed from the real queues without Celery."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from tasks.endings import end_loops
from tasks.envelope import queue_of
from tasks.ledger import Ledger
from tasks.records import State
from tasks.routes import ROUTING, Routes
from tasks.submit import Submitter
from tests.sandbox import openbom, partbolt, partium, partsbox
from workers.adapters import close_adapter, open_adapter
from workers.executor import Executor
from workers.leases import Leases
from workers.limiter import Limiter
from workers.outcomes import Outcomes
from workers.reach import Reach
from workers.recovery import recover_for_ever
from workers.retries import Budgets
from workers.settings import ROUTING_POLICY
from workers.stoppable import StoppableLimiter
from workers.vendor_settings import (
    VENDOR_SETTINGS,
    OpenBomSettings,
    PartBoltSettings,
    PartiumSettings,
    PartsBoxSettings,
    VendorSettings,
)
from workers.vendors.base import open_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    import aiohttp
    from redis.asyncio import Redis

    from tasks.commands import Command
    from tasks.records import CommandRecord
    from tests.sandbox.server import Sandbox

_VENDORS = {settings: vendor for vendor, settings in VENDOR_SETTINGS.items()}


@dataclass
class Relay:
    """The vendors' workers without Celery: takes hints from the queues and delivers them until it is closed."""

    redis: Redis
    #: By vendor.
    executors: dict[str, Executor]
    submitter: Submitter
    _running: set[asyncio.Task[str]] = field(default_factory=set)

    @property
    def executor(self) -> Executor:
        """The executor of the only vendor."""
        (executor,) = self.executors.values()
        return executor

    @property
    def ledger(self) -> Ledger:
        """The ledger of the only vendor."""
        return self.executor.leases.ledger

    @property
    def limiter(self) -> Limiter:
        """The limiter of the only vendor."""
        return self.executor.outcomes.limiter

    def ledger_of(self, vendor: str) -> Ledger:
        return self.executors[vendor].leases.ledger

    def limiter_of(self, vendor: str) -> Limiter:
        return self.executors[vendor].outcomes.limiter

    async def submit(self, command: Command) -> str:
        return (await self.submitter.submit(command)).key

    async def consume(self) -> None:
        vendors = {queue_of(vendor): vendor for vendor in self.executors}
        while True:
            taken = await self.redis.brpop(list(vendors), timeout=1)
            if taken is not None:
                queue, message = map(str, taken)
                key = json.loads(message)["headers"]["id"]
                delivery = asyncio.create_task(self.executors[vendors[queue]].deliver(key))
                self._running.add(delivery)
                delivery.add_done_callback(self._running.discard)

    async def find(self, key: str) -> CommandRecord | None:
        """Look a command up at every vendor that is served here; `key` may be `vendor:key`, as a parent names it."""
        for vendor in self.executors:
            record = await self.ledger_of(vendor).find(key.rpartition(":")[2])
            if record is not None:
                return record
        return None

    async def until(self, key: str, *states: State, timeout_seconds: float = 60) -> CommandRecord:
        """Wait until the command is in one of the states, by default any final one."""
        wanted = states or tuple(state for state in State if state.is_final)
        async with asyncio.timeout(timeout_seconds):
            while True:
                record = await self.find(key)
                if record is not None and record.state in wanted:
                    return record
                await asyncio.sleep(0.02)

    async def cancel(self) -> None:
        """Break off every delivery that runs now, and wait until each has left its command to others."""
        for delivery in (deliveries := list(self._running)):
            delivery.cancel()
        await asyncio.gather(*deliveries, return_exceptions=True)

    async def drain(self, timeout_seconds: float = 60) -> None:
        """Wait until every delivery that was begun has ended; raise with the stack of one that does not."""
        if not self._running:
            return
        _, stuck = await asyncio.wait(self._running, timeout=timeout_seconds)
        for delivery in stuck:
            delivery.print_stack()
        if stuck:
            raise TimeoutError(f"{len(stuck)} deliveries do not end")


def settings_of(
    sandbox: Sandbox[Any], *, settle_seconds: float = 0.6, timeout_seconds: float = 10.0, **changes: Any
) -> VendorSettings:
    """Give a worker's settings for a sandbox: its key, short times, no rate."""
    given = {
        "url": sandbox.url,
        "rates": (),
        "settle_seconds": settle_seconds,
        "timeout_seconds": timeout_seconds,
        **changes,
    }
    match sandbox:
        case partsbox.PartsBoxSandbox():
            key, more = SecretStr(partsbox.API_KEY), {"user": partsbox.API_USER, "concurrency": 8}
            return PartsBoxSettings(**{"api_key": key, **more, **given})
        case partium.PartiumSandbox():
            return PartiumSettings(**{"api_key": SecretStr(partium.API_KEY), **given})
        case openbom.OpenBomSandbox():
            named = {"app_key": openbom.APP_KEY, "username": openbom.EMAIL, "password": openbom.PASSWORD}
            return OpenBomSettings(**{**{name: SecretStr(text) for name, text in named.items()}, **given})
        case partbolt.PartBoltSandbox():
            return PartBoltSettings(**{"token": SecretStr(partbolt.TOKEN), **given})
    raise TypeError(f"no settings for {type(sandbox).__name__}")


def build_executor(
    redis: Redis,
    session: aiohttp.ClientSession,
    chosen: VendorSettings | None,
    *,
    lease_seconds: float = 5.0,
    budgets: Budgets | None = None,
    routes: Routes | None = None,
) -> Executor:
    """Wire one executor as the worker's runtime does; without settings that of commands for several vendors."""
    vendor = ROUTING if chosen is None else _VENDORS[type(chosen)]
    stopping = asyncio.Event()
    limiter = Limiter(redis, vendor, ROUTING_POLICY if chosen is None else chosen.limit_policy())
    ledger = Ledger(
        redis, vendor, stale_hint_seconds=0.5, request_seconds=0.0 if chosen is None else chosen.timeout_seconds
    )
    attempts = Budgets().attempts if chosen is None else chosen.attempts
    quick = Budgets(attempts=attempts, first_backoff_seconds=0.05, longest_backoff_seconds=0.2)
    reach = Reach()
    stoppable = StoppableLimiter(limiter, stopping, reach)
    port = None if chosen is None else open_adapter(chosen, session, stoppable, redis)
    return Executor(
        port=port,
        leases=Leases(ledger, lease_seconds),
        outcomes=Outcomes(ledger, limiter, budgets or quick, reach=reach),
        settle_seconds=0.0 if chosen is None else chosen.settle_seconds,
        ledger_of=partial(Ledger, redis),
        user=chosen.user if isinstance(chosen, PartsBoxSettings) else None,
        routes=Routes() if routes is None else routes,
        stopping=stopping,
    )


@asynccontextmanager
async def open_relay(
    redis: Redis,
    served: Sequence[VendorSettings],
    *,
    routes: Routes | None = None,
    lease_seconds: float = 5.0,
    budgets: Budgets | None = None,
) -> AsyncIterator[Relay]:
    """Wire a relay that takes nothing yet; with `routes` it serves commands for several vendors too."""
    async with open_session() as session:
        executors = [
            build_executor(redis, session, chosen, lease_seconds=lease_seconds, budgets=budgets, routes=routes)
            for chosen in (*served, *([] if routes is None else [None]))
        ]
        by_vendor = {executor.leases.ledger.vendor: executor for executor in executors}
        try:
            yield Relay(redis, by_vendor, Submitter(redis, routes=routes))
        finally:
            for executor in executors:
                await close_adapter(executor.port)
                await executor.outcomes.limiter.aclose()


@asynccontextmanager
async def consuming(relay: Relay) -> AsyncIterator[None]:
    """Take hints, recover, and keep leases until the block ends."""
    loops = [asyncio.create_task(relay.consume())]
    for executor in relay.executors.values():
        ledger, limiter = executor.leases.ledger, executor.outcomes.limiter
        loops += [
            asyncio.create_task(recover_for_ever(ledger, limiter, executor.ledger_of)),
            asyncio.create_task(executor.leases.keep()),
        ]
    try:
        yield
    finally:
        await end_loops(loops)
        await relay.drain()


@asynccontextmanager
async def running_relay(
    redis: Redis,
    *sandboxes: Sandbox[Any],
    routes: Routes | None = None,
    lease_seconds: float = 5.0,
    budgets: Budgets | None = None,
    **changes: Any,
) -> AsyncIterator[Relay]:
    """Run a relay against the sandboxes until the block ends; `changes` are those of `settings_of`."""
    served = [settings_of(sandbox, **changes) for sandbox in sandboxes]
    async with (
        open_relay(redis, served, routes=routes, lease_seconds=lease_seconds, budgets=budgets) as relay,
        consuming(relay),
    ):
        yield relay
