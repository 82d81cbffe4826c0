"""A small Celery app for the tests of the worker pool: the settings of production, tasks that note their runs."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import redis.asyncio
from celery import Celery, current_task
from celery.exceptions import SoftTimeLimitExceeded
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff

from workers.pool import AsyncioPool, stopping

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

QUEUE = "pool-test"
URL = os.environ.get("POOL_TEST_BROKER", "redis://127.0.0.1:1/0")

app = Celery("pool_test", broker=URL)
app.conf.update(
    task_default_queue=QUEUE,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    worker_pool="workers.pool:AsyncioPool",
    worker_consumer=os.environ.get("POOL_TEST_CONSUMER", "workers.transport:BatchConsumer"),
    worker_prefetch_multiplier=1,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_channel_error_retry=True,
    broker_pool_acquire_timeout=5,
    broker_transport_options={
        "visibility_timeout": 120,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "unacked_mutex_expire": 30,
        "socket_timeout": 10,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "health_check_interval": 10,
        "priority_steps": [0],
    },
)

Function = TypeVar("Function")


def task(name: str, **options: Any) -> Callable[[Function], Function]:
    """`app.task`, with types."""
    decorate: Callable[[Function], Function] = app.task(name=name, **options)
    return decorate


NOTES: ContextVar[redis.asyncio.Redis] = ContextVar("notes")


@asynccontextmanager
async def lifespan() -> AsyncIterator[None]:
    if os.environ.get("POOL_TEST_LIFESPAN") == "fails":
        raise RuntimeError("no such vendor")
    # the server may be restarted in between
    async with redis.asyncio.Redis.from_url(URL, retry=Retry(ConstantBackoff(0.1), 10)) as notes:
        NOTES.set(notes)
        yield
        await notes.rpush("lifespan", "left")


AsyncioPool.lifespan = lifespan


async def note(event: str, key: str) -> None:
    await NOTES.get().hincrby(event, key, 1)


@task("pool.call")
async def call(key: str, seconds: float = 0.0) -> str:
    """Take so long, as a vendor does, and note the start and the end."""
    await note("started", key)
    await asyncio.sleep(seconds)
    await note("ended", key)
    return key


@task("pool.fail")
async def fail(key: str) -> None:
    await note("started", key)
    raise ValueError(f"refused {key}")


@task("pool.plain")
def plain(key: str) -> str:
    with redis.Redis.from_url(URL) as notes:
        notes.hincrby("started", key, 1)
        notes.hincrby("ended", key, 1)
    return key


@task("pool.cancelled")
async def cancelled(key: str) -> None:
    """Run until cancelled, and note with what."""
    await note("started", key)
    try:
        await asyncio.Event().wait()
    except BaseException as error:
        await NOTES.get().hset("error", key, type(error).__name__)
        raise


@task("pool.stubborn")
async def stubborn(key: str) -> None:
    """Refuse to be cancelled."""
    await note("started", key)
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await note("refused", key)


@task("pool.survives_soft_limit")
async def survives_soft_limit(key: str) -> None:
    await note("started", key)
    try:
        async with asyncio.timeout(60):
            await asyncio.Event().wait()
    except SoftTimeLimitExceeded:
        await note("ended", key)


@task("pool.exits")
async def exits(key: str) -> None:
    await note("started", key)
    raise SystemExit(3)


@task("pool.child_exits")
async def child_exits(key: str) -> None:
    async def child() -> None:
        raise SystemExit(3)

    await asyncio.gather(asyncio.create_task(child()), return_exceptions=True)
    await note("ended", key)


class UnpicklableError(Exception):
    def __reduce__(self) -> Any:
        raise TypeError("never pickle me")

    def __repr__(self) -> str:
        raise TypeError("never show me")


@task("pool.unpicklable_error")
async def unpicklable_error(key: str) -> None:
    await note("started", key)
    raise UnpicklableError


@task("pool.unpicklable_result")
async def unpicklable_result(key: str) -> UnpicklableError:
    await note("started", key)
    return UnpicklableError()


@task("pool.request", bind=True)
async def request(self: Any, key: str) -> None:
    """Note whose request is seen, before and after others ran, and in a child task."""
    await asyncio.sleep(0.05)

    async def child() -> str:
        return f"{current_task.request.id}"

    seen = [self.request.id, await asyncio.create_task(child()), current_task.request.kwargs.get("key")]
    await NOTES.get().hset("seen", key, ",".join(map(str, seen)))


@task("pool.until_stopping")
async def until_stopping(key: str) -> None:
    await note("started", key)
    await stopping().wait()
    await note("ended", key)


@task("pool.out_of_memory")
async def out_of_memory(key: str) -> None:
    await note("started", key)
    raise MemoryError


@task("pool.ticks")
async def ticks(path: str) -> None:
    """Grow a file by a byte every 50 ms until the worker stops."""
    while not stopping().is_set():
        with Path(path).open("ab") as file:  # noqa: ASYNC230 - a byte
            file.write(b".")
        await asyncio.sleep(0.05)
