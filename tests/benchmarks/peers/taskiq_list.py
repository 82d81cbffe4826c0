"""taskiq on a Redis list, which cannot acknowledge: what a killed worker had popped is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskiq_redis import ListQueueBroker  # type: ignore[import-not-found]  # in the peers' environment alone

from tests.benchmarks.peers import taskiq_tasks
from tests.benchmarks.peers.calls import BROKER

if TYPE_CHECKING:
    from collections.abc import Iterable

# redis-py gives up a read after some seconds: a worker that is frozen while others run would wake up to that
broker = ListQueueBroker(BROKER, socket_timeout=None)
task = broker.register_task(taskiq_tasks.task, task_name="taskiq.task")


def enqueue(numbers: Iterable[int], calls: int) -> None:
    """Send a task for each number."""
    taskiq_tasks.enqueue_by(broker, task, numbers, calls)
