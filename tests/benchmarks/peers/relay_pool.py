"""Our pool and transport under an application that is not ours: no ledger, no lanes, no limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery import Celery

from tests.benchmarks.peers.awaited import work
from tests.benchmarks.peers.calls import BROKER
from tests.benchmarks.peers.celery_settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterable

app = Celery("pool", broker=BROKER)
app.conf.update(SETTINGS)
app.conf.update(worker_pool="workers.pool:AsyncioPool", worker_consumer="workers.transport:BatchConsumer")


@app.task(name="pool.task")  # type: ignore[untyped-decorator]  # Celery ships no types
async def task(number: int, calls: int) -> None:
    """Make the calls."""
    await work(number, calls)


def enqueue(numbers: Iterable[int], calls: int) -> None:
    """Publish a task for each number."""
    for number in numbers:
        task.delay(number, calls)
