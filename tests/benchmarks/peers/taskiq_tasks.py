"""What both brokers of taskiq share: the task, and how it is enqueued."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tests.benchmarks.peers.awaited import work

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Enqueued at once by the benchmark's client.
CHUNK = 64


async def task(number: int, calls: int) -> None:
    """Make the calls."""
    await work(number, calls)


def enqueue_by(broker: Any, kicker: Any, numbers: Iterable[int], calls: int) -> None:
    """Send a task for each number."""
    asyncio.run(_enqueue(broker, kicker, tuple(numbers), calls))


async def _enqueue(broker: Any, kicker: Any, numbers: tuple[int, ...], calls: int) -> None:
    await broker.startup()
    for start in range(0, len(numbers), CHUNK):
        await asyncio.gather(*[kicker.kiq(number, calls) for number in numbers[start : start + CHUNK]])
    await broker.shutdown()
