"""huey on threads. It pops before it executes: what a killed worker had popped is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from huey import RedisHuey  # type: ignore[import-not-found]  # in the peers' environment alone

from tests.benchmarks.peers.blocking import work
from tests.benchmarks.peers.calls import BROKER

if TYPE_CHECKING:
    from collections.abc import Iterable

huey = RedisHuey("bench", url=BROKER, results=False)


@huey.task()  # type: ignore[untyped-decorator]  # not in the environment of the type checker
def task(number: int, calls: int) -> None:
    """Make the calls."""
    work(number, calls)


def enqueue(numbers: Iterable[int], calls: int) -> None:
    """Enqueue a task for each number."""
    for number in numbers:
        task(number, calls)
