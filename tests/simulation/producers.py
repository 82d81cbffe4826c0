"""The producers of a play: each source sends its events one after the other, again until they are accepted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from redis.exceptions import RedisError

from tasks.submit import Submitter
from tests.simulation.expect import command_of
from tests.simulation.redis_client import StoreClient
from tests.simulation.warehouse import ROUTES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.simulation.clock import Scheduler
    from tests.simulation.loop import VirtualLoop
    from tests.simulation.plan import Submit
    from tests.simulation.store import Store

#: After a store that did not answer.
AGAIN_SECONDS: Final = 0.5


class Producers:
    """All sources; they never die, as what they hold is on their disk."""

    def __init__(self, scheduler: Scheduler, loop: VirtualLoop, store: Store, tell: Callable[[str], None]) -> None:
        self._scheduler = scheduler
        self._loop = loop
        self._tell = tell
        self._submitter = Submitter(StoreClient(store, loop), routes=ROUTES, clock_ms=scheduler.now_ms)
        self._sending: list[asyncio.Task[None]] = []

    @property
    def done(self) -> bool:
        """Tell whether everything has been accepted; raises what broke a source."""
        for sending in self._sending:
            if sending.done():
                sending.result()
        return all(sending.done() for sending in self._sending)

    def start(self, submits: Sequence[Submit]) -> None:
        """Let every source begin."""
        for source in dict.fromkeys(submit.source for submit in submits):
            own = [submit for submit in submits if submit.source == source]
            self._sending.append(self._loop.create_task(self._send(own), name=source))

    async def _send(self, submits: Sequence[Submit]) -> None:
        for submit in submits:
            await asyncio.sleep(max(0.0, submit.at_ms / 1000 - self._loop.time()))
            command = command_of(submit)
            while True:
                try:
                    accepted = await self._submitter.submit(command, client=submit.source)
                except RedisError:
                    await asyncio.sleep(AGAIN_SECONDS)
                else:
                    break
            again = " once more" if accepted.duplicate else ""
            self._tell(f"{submit.source} has {accepted.kind} {accepted.key} accepted{again}")
