"""The worker's Celery application: `celery -A workers.main worker -Q vendor.partsbox`.

One Celery task per kind of command, on the asyncio pool. A task gets its command's key as its id and nothing else.
Celery's own pools: `-P threads`, `-P solo`, `-P processes` (to Celery `-P prefork` means the application's default).
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
from contextlib import ExitStack, asynccontextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from celery.concurrency.prefork import TaskPool as PreforkPool
from celery.exceptions import Reject, WorkerShutdown
from celery.platforms import EX_FAILURE
from celery.signals import (
    celeryd_after_setup,
    setup_logging,
    worker_init,
    worker_process_init,
    worker_process_shutdown,
    worker_ready,
    worker_shutdown,
    worker_shutting_down,
)
from redis.exceptions import RedisError

from tasks import telemetry, tracing
from tasks.app import EX_USAGE, app
from tasks.envelope import queue_of
from tasks.errors import own_error
from tasks.metrics import serving_metrics
from tasks.registry import command_type, kinds, vendors
from tasks.routes import ROUTING
from tasks.telemetry import configure_logging
from workers.blocking import BackgroundLoop
from workers.newer import stand_in
from workers.pool import AsyncioPool, stopping
from workers.runtime import Runtime, open_runtime
from workers.settings import Settings, SettingsError
from workers.startup import WeakRedisError, await_redis

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

logger = logging.getLogger(__name__)

#: So many new objects before the collector looks at them: those of a few commands are gone by themselves.
YOUNG_OBJECTS: Final = 10_000

_runtime: ContextVar[Runtime] = ContextVar("runtime")
_metrics = ExitStack()


def served_vendors() -> tuple[str, ...]:
    """List the vendors whose queues this worker consumes."""
    return tuple(vendor for vendor in vendors() if queue_of(vendor) in app.amqp.queues.consume_from)


@asynccontextmanager
async def lifespan(stopping: asyncio.Event) -> AsyncIterator[None]:
    """Open the worker's runtime before its first command, and close it after the last."""
    with tracing.opened("stockrelay-worker", os.environ):
        async with open_runtime(Settings.from_environment(os.environ), served_vendors(), stopping) as runtime:
            _runtime.set(runtime)
            _spare_collector()
            yield


def _spare_collector() -> None:
    """Keep what a worker is made of, some 300,000 objects, out of the garbage collector's rounds."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])


#: Task -> vendor: one for each kind, and for each vendor one that stands in for kinds of a newer release.
_VENDORS: Final = {
    **{kind: command_type(kind).vendor for kind in kinds()},
    **{stand_in(queue_of(vendor)): vendor for vendor in vendors()},
}


async def _deliver(task: str, key: str) -> str:
    """Run one delivery, and raise an error of its own.

    Celery clears every frame of a failed task's traceback. In that of an error which several deliveries were told,
    there may be frames of one that goes on: it would never end.
    """
    try:
        return await _runtime.get().executors[_VENDORS[task]].deliver(key)
    except Exception as error:
        if not isinstance(error, RedisError):
            logger.exception(telemetry.COMMAND_BROKEN, extra={"key": key, "kind": task})
        raise own_error(error) from None


def _register(task: str) -> None:
    # a Redis that is away is everybody's: one line for each, no traceback
    @app.task(name=task, bind=True, throws=(RedisError,))
    async def run(self: Any) -> str:
        return await _deliver(task, self.request.id)


def _register_all() -> None:
    for task in _VENDORS:
        _register(task)


@setup_logging.connect
def _log(loglevel: Any = None, **_: Any) -> None:
    configure_logging(logging.getLevelName(loglevel) if isinstance(loglevel, int) else loglevel or "INFO")


@worker_init.connect
def _check_start(sender: Any, **_: Any) -> None:
    """Refuse wrong settings and a Redis that loses commands, in one line; wait for a Redis that is not there yet."""
    _log(sender.loglevel)
    try:
        settings = Settings.from_environment(os.environ)
        for vendor in served_vendors():
            if vendor != ROUTING:
                settings.served(vendor)
        tracing.is_wanted(os.environ)
        asyncio.run(await_redis(settings))
    except (SettingsError, WeakRedisError) as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(EX_USAGE) from None


@celeryd_after_setup.connect
def _serve_metrics(instance: Any, **_: Any) -> None:
    """Serve this process's numbers, where a port is given; those of `-P processes` are in its children."""
    if issubclass(instance.pool_cls, PreforkPool):
        return
    try:
        _metrics.enter_context(serving_metrics(os.environ))
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(EX_USAGE) from None


@celeryd_after_setup.connect
def _serve_other_pools(instance: Any, **_: Any) -> None:
    """Let a stock threads, solo or prefork worker run the same tasks, each waiting for a background loop."""
    if issubclass(instance.pool_cls, AsyncioPool):
        return
    loop = BackgroundLoop(lifespan)
    for task in _VENDORS:
        _block(app.tasks[task], loop)
    forks = issubclass(instance.pool_cls, PreforkPool)
    (worker_process_init if forks else worker_ready).connect(lambda **_: _start(loop), weak=False)
    (worker_process_shutdown if forks else worker_shutdown).connect(lambda **_: loop.close(), weak=False)
    worker_shutting_down.connect(lambda **_: loop.announce_stop(), weak=False)
    app.loader.on_worker_shutdown = loop.announce_stop  # a stop by remote control sends no such signal


def _block(task: Any, loop: BackgroundLoop) -> None:
    def run() -> str:
        if loop.stopping:
            # Celery fetches on until its loop sees the stop: the hint is for the next worker, at the cost of a log line
            raise Reject("the worker stops", requeue=True)
        return loop.run(_deliver(task.name, task.request.id))

    task.run = run


def _start(loop: BackgroundLoop) -> None:
    try:
        loop.start()
    except Exception:
        logger.critical("the worker does not start: its lifespan could not be entered", exc_info=True)
        raise WorkerShutdown(EX_FAILURE) from None


_register_all()
AsyncioPool.lifespan = lambda: lifespan(stopping())
app.conf.worker_pool = "workers.pool:AsyncioPool"
app.conf.worker_consumer = "workers.transport:BatchConsumer"
