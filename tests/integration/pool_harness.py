"""A broker and Celery workers for the tests of the worker pool, all of them real."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import redis
from celery import Celery

from tests.integration.pool_app import QUEUE
from tests.process import Process, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.valkey import ValkeyServer

ROOT = Path(__file__).parents[2]

#: how long a condition may take to come true before a test gives up on it: generous, the machine may be busy
PATIENCE_SECONDS = 60.0

STOCK_CONSUMER = {"POOL_TEST_CONSUMER": "celery.worker.consumer:Consumer"}


def until(condition: Callable[[], object], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Return when the condition is true; TimeoutError, naming `what`, if that takes too long."""
    wait_until(lambda: bool(condition()), what, seconds)


class Broker:
    """A server as the tests see it: a stock producer, which knows names of tasks and nothing else, and the notes."""

    def __init__(self, server: ValkeyServer, client: Any, producer: Celery) -> None:
        self.server = server
        self.client = client
        self.producer = producer

    def send(self, name: str, *args: object, **options: Any) -> None:
        self.producer.send_task(f"pool.{name}", args=args, queue=QUEUE, **options)

    def notes(self, event: str) -> dict[str, str]:
        """Return what the tasks of pool_app noted for an event, by key."""
        return dict(self.client.hgetall(event))

    def noted(self, event: str, key: str) -> bool:
        return bool(self.client.hexists(event, key))

    def count(self, event: str) -> int:
        return int(self.client.hlen(event))

    @property
    def queued(self) -> int:
        return int(self.client.llen(QUEUE))

    @property
    def unacked(self) -> int:
        return int(self.client.hlen("unacked"))

    @property
    def settled(self) -> bool:
        """Whether no message is queued or unacked."""
        return not self.queued and not self.unacked


@contextmanager
def open_broker(server: ValkeyServer) -> Iterator[Broker]:
    client = redis.Redis.from_url(server.url, decode_responses=True, socket_timeout=5)
    with closing(client), closing(Celery(broker=server.url, set_as_current=False)) as producer:
        yield Broker(server, client, producer)


class Worker(Process):
    """One `celery worker` process of tests/integration/pool_app.py."""

    def __init__(self, broker: Broker, folder: Path, name: str, *options: str, env: dict[str, str]) -> None:
        self.host = f"{name}@test"
        command = [sys.executable, "-m", "celery", "-A", "tests.integration.pool_app", "worker", "-n", self.host]
        command += ["--without-mingle", "--without-gossip", "-l", "INFO", *options]
        environment = {**os.environ, "POOL_TEST_BROKER": broker.server.url, **env}
        super().__init__(
            name,
            command,
            log=folder / f"{name}.log",
            ready=lambda: self.printed(f"{self.host} ready."),
            environment=environment,
            folder=ROOT,
        )

    def quit(self) -> None:
        """Send SIGQUIT: a cold shutdown."""
        os.kill(self.pid, signal.SIGQUIT)


class Events:
    """What Flower would see: every event since `with`, from a receiver in a thread."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self.seen: list[dict[str, Any]] = []
        self._thread = threading.Thread(target=self._capture)

    def _capture(self) -> None:
        with self._app.connection_for_read() as connection:
            self._receiver = self._app.events.Receiver(connection, handlers={"*": self.seen.append})
            self._receiver.capture(wakeup=True)

    def __enter__(self) -> Self:
        self._thread.start()
        until(lambda: self.of("worker-heartbeat"), "a heartbeat, so that the receiver listens")
        return self

    def __exit__(self, *_: object) -> None:
        self._receiver.should_stop = True
        self._thread.join()

    def of(self, kind: str, task_id: str | None = None) -> list[dict[str, Any]]:
        return [event for event in list(self.seen) if event["type"] == kind and event.get("uuid") in {task_id, None}]

    def until(self, kind: str, task_id: str) -> dict[str, Any]:
        until(lambda: self.of(kind, task_id), f"{kind} of {task_id}")
        return self.of(kind, task_id)[0]
