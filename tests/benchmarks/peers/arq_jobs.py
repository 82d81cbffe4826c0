"""arq: coroutine jobs, run again by another worker when one dies; no results kept."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar

import uvloop
from arq import create_pool  # type: ignore[import-not-found]  # in the peers' environment alone
from arq.connections import RedisSettings  # type: ignore[import-not-found]

from tests.benchmarks.peers.awaited import work
from tests.benchmarks.peers.calls import BROKER

if TYPE_CHECKING:
    from collections.abc import Iterable

# arq's worker asks for the loop of its thread when it is made
asyncio.set_event_loop(uvloop.new_event_loop())
#: By default it logs two lines a job.
QUIET = {"version": 1, "disable_existing_loggers": False, "root": {"level": "WARNING"}}
#: Enqueued at once by the benchmark's client.
CHUNK = 64


async def task(_: Any, number: int, calls: int) -> None:
    """Make the calls."""
    await work(number, calls)


class WorkerSettings:
    """What `arq` reads. It polls twice a second by default, and would wait more than it works."""

    functions: ClassVar[list[Any]] = [task]
    redis_settings = RedisSettings.from_dsn(BROKER)
    max_jobs = 200
    keep_result = 0
    poll_delay = 0.02
    log_results = False


def enqueue(numbers: Iterable[int], calls: int) -> None:
    """Enqueue a job for each number."""
    asyncio.run(_enqueue(tuple(numbers), calls))


async def _enqueue(numbers: tuple[int, ...], calls: int) -> None:
    pool = await create_pool(WorkerSettings.redis_settings)
    for start in range(0, len(numbers), CHUNK):
        chunk = numbers[start : start + CHUNK]
        await asyncio.gather(*[pool.enqueue_job("task", number, calls) for number in chunk])
    await pool.aclose()
