"""dramatiq with its AsyncIO middleware: coroutine actors on one loop, each waited for by a thread."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import dramatiq  # type: ignore[import-not-found]  # in the peers' environment alone
import uvloop
from dramatiq.brokers.redis import RedisBroker  # type: ignore[import-not-found]
from dramatiq.middleware import AsyncIO  # type: ignore[import-not-found]

from tests.benchmarks.peers.awaited import work
from tests.benchmarks.peers.calls import BROKER

if TYPE_CHECKING:
    from collections.abc import Iterable

asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
broker = RedisBroker(url=BROKER)
broker.add_middleware(AsyncIO())
dramatiq.set_broker(broker)


@dramatiq.actor  # type: ignore[untyped-decorator]  # not in the environment of the type checker
async def task(number: int, calls: int) -> None:
    """Make the calls."""
    await work(number, calls)


def enqueue(numbers: Iterable[int], calls: int) -> None:
    """Send a message for each number."""
    for number in numbers:
        task.send(number, calls)
