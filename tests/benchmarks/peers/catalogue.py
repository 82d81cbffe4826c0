"""Which peers there are and how each worker is started, at the best settings that its documentation gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

PACKAGE: Final = "tests.benchmarks.peers"
_CELERY: Final = ("celery", "-q", "-A")
_QUIET: Final = ("--without-mingle", "--without-gossip", "--without-heartbeat", "--loglevel", "WARNING")


@dataclass(frozen=True, slots=True)
class Peer:
    """A worker that does the same calls without our promises."""

    name: str
    #: In this package; has `task` and `enqueue`.
    module: str
    #: A program of the environment and what it is told.
    worker: tuple[str, ...]
    #: What becomes of the tasks in hand of a worker that is killed.
    promise: str = "at least once"
    #: Our own code: in the project's environment.
    ours: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)


def _celery(name: str, module: str, *options: str, ours: bool = False, **settings: str) -> Peer:
    worker = (*_CELERY, f"{PACKAGE}.{module}", "worker", *_QUIET, *options, "-n", f"{name.replace(' ', '-')}@%h")
    return Peer(name, module, worker, ours=ours, settings=settings)


def _taskiq(kind: str, promise: str) -> Peer:
    module = f"taskiq_{kind}"
    options = ("--workers", "1", "--max-async-tasks", "200", "--ack-type", "when_executed")
    worker = ("taskiq", "worker", f"{PACKAGE}.{module}:broker", *options, "--log-level", "WARNING")
    return Peer(f"taskiq {kind}", module, worker, promise)


#: What the environment of the peers is asked about.
PACKAGES: Final = (
    *("aiohttp", "arq", "celery", "celery-aio-pool", "dramatiq", "gevent", "hiredis", "huey", "kombu", "redis"),
    *("taskiq", "taskiq-redis", "urllib3", "uvloop"),
)
PEERS: Final = (
    _celery("pool and transport", "relay_pool", "-c", "200", ours=True),
    _taskiq("stream", "at least once"),
    _taskiq("list", "at most once"),
    Peer(
        "dramatiq asyncio",
        "dramatiq_async",
        ("dramatiq", f"{PACKAGE}.dramatiq_async", "--processes", "1", "--threads", "64"),
    ),
    Peer(
        "arq",
        "arq_jobs",
        ("arq", f"{PACKAGE}.arq_jobs.WorkerSettings", "--custom-log-dict", f"{PACKAGE}.arq_jobs.QUIET"),
    ),
    Peer(
        "huey threads",
        "huey_threads",
        ("huey_consumer", f"{PACKAGE}.huey_threads.huey", "-k", "thread", "-w", "64", "-n", "-q"),
        "at most once",
    ),
    _celery("celery prefork", "celery_stock", "-P", "prefork", "-c", "8"),
    _celery("celery threads", "celery_stock", "-P", "threads", "-c", "64"),
    _celery("celery gevent", "celery_stock", "-P", "gevent", "-c", "100"),
    _celery(
        "celery-aio-pool",
        "celery_aio",
        *("-P", "custom", "-c", "100"),
        CELERY_CUSTOM_WORKER_POOL="celery_aio_pool.pool:AsyncIOPool",
    ),
)
