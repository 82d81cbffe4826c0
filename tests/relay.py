"""The real executor, ledger, limiter and adapter in this process, fed from the real queue without Celery."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import SecretStr

from tasks.envelope import queue_of
from tasks.ledger import Ledger
from tasks.records import State
from tasks.submit import Submitter
from tests.sandbox.partsbox import API_KEY, API_USER
from workers.executor import Executor
from workers.leases import Leases
from workers.limiter import Limiter
from workers.limits import LimitPolicy, Rate
from workers.outcomes import Outcomes
from workers.recovery import recover_for_ever
from workers.retries import Budgets
from workers.runtime import end_loops
from workers.stoppable import StoppableLimiter
from workers.vendors.base import Endpoint, open_session
from workers.vendors.partsbox import PartsBox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import aiohttp
    from redis.asyncio import Redis

    from tasks.commands import Command
    from tasks.records import CommandRecord
    from tests.sandbox.partsbox import PartsBoxSandbox

VENDOR = "partsbox"


@dataclass
class Relay:
    """One vendor's worker without Celery: takes hints from the queue and delivers them until it is closed."""

    redis: Redis
    executor: Executor
    ledger: Ledger
    limiter: Limiter
    submitter: Submitter
    _running: set[asyncio.Task[str]] = field(default_factory=set)

    async def submit(self, command: Command) -> str:
        return (await self.submitter.submit(command)).key

    async def consume(self) -> None:
        while True:
            taken = await self.redis.brpop([queue_of(VENDOR)], timeout=1)
            if taken is not None:
                key = json.loads(taken[1])["headers"]["id"]
                delivery = asyncio.create_task(self.executor.deliver(key))
                self._running.add(delivery)
                delivery.add_done_callback(self._running.discard)

    async def until(self, key: str, *states: State, timeout_seconds: float = 20) -> CommandRecord:
        """Wait until the command is in one of the states, by default any final one."""
        wanted = states or tuple(state for state in State if state.is_final)
        async with asyncio.timeout(timeout_seconds):
            while True:
                record = await self.ledger.find(key)
                if record is not None and record.state in wanted:
                    return record
                await asyncio.sleep(0.01)

    async def drain(self, timeout_seconds: float = 20) -> None:
        """Wait until every delivery that was begun has ended; raise with the stack of one that does not."""
        if not self._running:
            return
        _, stuck = await asyncio.wait(self._running, timeout=timeout_seconds)
        for delivery in stuck:
            delivery.print_stack()
        if stuck:
            raise TimeoutError(f"{len(stuck)} deliveries do not end")


def build_executor(
    redis: Redis,
    session: aiohttp.ClientSession,
    url: str,
    *,
    settle_seconds: float = 0.6,
    timeout_seconds: float = 1.0,
    lease_seconds: float = 5.0,
    user: str | None = API_USER,
    budgets: Budgets | None = None,
    rates: tuple[Rate, ...] = (),
    concurrency: int = 8,
) -> tuple[Executor, Limiter]:
    """Wire one executor as the worker's runtime does."""
    stopping = asyncio.Event()
    ledger = Ledger(redis, VENDOR, stale_hint_seconds=0.5, request_seconds=timeout_seconds)
    limiter = Limiter(redis, VENDOR, LimitPolicy(rates, concurrency, timeout_seconds + settle_seconds + 5))
    headers = PartsBox.secret_headers(SecretStr(API_KEY))
    endpoint = Endpoint(url, headers, timeout_seconds=timeout_seconds, settle_seconds=settle_seconds)
    executor = Executor(
        port=PartsBox(session, StoppableLimiter(limiter, stopping), endpoint),
        leases=Leases(ledger, lease_seconds),
        outcomes=Outcomes(ledger, limiter, budgets or Budgets(first_backoff_seconds=0.05, longest_backoff_seconds=0.2)),
        settle_seconds=settle_seconds,
        user=user,
        stopping=stopping,
    )
    return executor, limiter


@asynccontextmanager
async def running_relay(
    redis: Redis,
    sandbox: PartsBoxSandbox,
    *,
    settle_seconds: float = 0.6,
    timeout_seconds: float = 1.0,
    user: str | None = API_USER,
    budgets: Budgets | None = None,
    rates: tuple[Rate, ...] = (),
) -> AsyncIterator[Relay]:
    """Run a relay against the sandbox until the block ends."""
    async with open_session() as session:
        executor, limiter = build_executor(
            redis,
            session,
            sandbox.url,
            settle_seconds=settle_seconds,
            timeout_seconds=timeout_seconds,
            user=user,
            budgets=budgets,
            rates=rates,
        )
        relay = Relay(redis, executor, executor.leases.ledger, limiter, Submitter(redis))
        loops = [
            asyncio.create_task(relay.consume()),
            asyncio.create_task(recover_for_ever(relay.ledger, limiter)),
            asyncio.create_task(executor.leases.keep()),
        ]
        try:
            yield relay
        finally:
            await end_loops(loops)
            await relay.drain()
