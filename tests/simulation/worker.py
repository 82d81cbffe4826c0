"""One worker process of a play: the runtime of the real one on a loop that can be killed, frozen and told to stop."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, Final, cast

from redis.exceptions import RedisError

from tasks.envelope import queue_of
from tests.simulation.loop import VirtualLoop
from tests.simulation.network import Session
from tests.simulation.redis_client import StoreClient
from workers.runtime import Outside, running

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import aiohttp

    from tests.simulation.clock import Scheduler
    from tests.simulation.network import Network
    from tests.simulation.store import Store
    from workers.executor import Executor
    from workers.runtime import Runtime
    from workers.settings import Settings

#: Deliveries at once; as many hints are taken as there is room for.
CONCURRENCY: Final = 32
#: How long the consumer leaves a store alone that does not answer.
ERROR_GAP_SECONDS: Final = 1.0


#: KEYS queues, ARGV[1] how many messages of each at most; by queue those taken, oldest first.
_TAKE: Final = """
local found = {}
for place = 1, #KEYS - 1 do found[place] = redis.call('RPOP', KEYS[place], ARGV[1]) or {} end
return found
"""


class Worker:
    """One process from its start to its end; `ended` is called when it has ended by itself."""

    def __init__(
        self,
        name: str,
        scheduler: Scheduler,
        store: Store,
        network: Network,
        settings: Settings,
        random: Random,
    ) -> None:
        self.name = name
        self.loop = VirtualLoop(scheduler, name)
        self._store = store
        self._network = network
        self._settings = settings
        self._random = random
        self._redis = StoreClient(store, self.loop)
        self._taking = self._redis.register_script(_TAKE)
        self._stopping = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()

    def start(self, served: Sequence[str], ended: Callable[[], None]) -> None:
        """Begin to serve the vendors."""
        self.loop.create_task(self._live(served, ended), name="worker")

    def stop(self) -> None:
        """Tell it to stop: it ends what it has begun."""
        self.loop.call_soon(self._stopping.set)
        self.loop.call_soon(self._wake.set)

    def die(self) -> None:
        """End it at once; its connections close, what it was about to do never happens."""
        self.loop.kill()
        self._network.lost(self.name)

    async def _live(self, served: Sequence[str], ended: Callable[[], None]) -> None:
        session = cast("aiohttp.ClientSession", Session(self._network, self.loop))
        clock = self.loop.time
        outside = Outside(self._redis, session, clock, Random(self._random.random()), self.name)
        async with running(self._settings, served, self._stopping, outside) as runtime:
            await self._consume(runtime)
            if self._running:
                await asyncio.wait(self._running)
        self.die()
        ended()

    async def _consume(self, runtime: Runtime) -> None:
        executors = {queue_of(vendor): executor for vendor, executor in runtime.executors.items()}
        while not self._stopping.is_set():
            self._wake.clear()
            if len(self._running) < CONCURRENCY:
                # asked for before the look: what comes in between is not missed
                self._store.when_hungry(lambda: self.loop.call_soon(self._wake.set))
                await self._take(executors)
            await self._wake.wait()

    async def _take(self, executors: dict[str, Executor]) -> None:
        """Take what there is room for out of the queues; when it is not all, the store wakes us again."""
        room = CONCURRENCY - len(self._running)
        try:
            found = await self._taking(keys=list(executors), args=[room])
        except RedisError:
            await asyncio.sleep(ERROR_GAP_SECONDS)
            self._wake.set()
            return
        for executor, messages in zip(executors.values(), found, strict=True):
            for message in messages or ():
                self._deliver(executor, json.loads(message)["headers"]["id"])

    def _deliver(self, executor: Executor, key: str) -> None:
        delivery = self.loop.create_task(_delivery(executor, key), name=f"delivery of {key}")
        self._running.add(delivery)
        delivery.add_done_callback(self._delivered)

    def _delivered(self, delivery: asyncio.Task[None]) -> None:
        if len(self._running) >= CONCURRENCY:
            self._wake.set()
        self._running.discard(delivery)


async def _delivery(executor: Executor, key: str) -> None:
    with suppress(RedisError):  # the command stays in the ledger; its lease brings it back
        await executor.deliver(key)
