"""Celery's own pools: prefork, threads and gevent, by the options that its worker is started with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery import Celery

from tests.benchmarks.peers.blocking import work
from tests.benchmarks.peers.calls import BROKER
from tests.benchmarks.peers.celery_settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterable

app = Celery("stock", broker=BROKER)
app.conf.update(SETTINGS)


@app.task(name="stock.task")  # type: ignore[untyped-decorator]  # Celery ships no types
def task(number: int, calls: int) -> None:
    """Make the calls."""
    work(number, calls)


def enqueue(numbers: Iterable[int], calls: int) -> None:
    """Publish a task for each number."""
    for number in numbers:
        task.delay(number, calls)
