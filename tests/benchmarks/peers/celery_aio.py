"""celery-aio-pool: coroutine tasks on Celery, by the custom pool that its documentation prefers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery import Celery

from tests.benchmarks.peers.awaited import work
from tests.benchmarks.peers.calls import BROKER
from tests.benchmarks.peers.celery_settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterable

app = Celery("aio", broker=BROKER)
app.conf.update(SETTINGS)


@app.task(name="aio.task")  # type: ignore[untyped-decorator]  # Celery ships no types
async def task(number: int, calls: int) -> None:
    """Make the calls."""
    await work(number, calls)


def enqueue(numbers: Iterable[int], calls: int) -> None:
    """Publish a task for each number."""
    for number in numbers:
        task.delay(number, calls)
