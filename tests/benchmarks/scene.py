"""Where our workers are measured: one durable server, lean vendors, and workers as the Procfile starts them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any, Final, Self

import redis
import requests

from tasks.ledger import prefix_of
from tasks.redis_client import open_redis
from tasks.submit import Submitter
from tests.backing import ROOT, SANDBOX_SECRETS, url_name
from tests.process import Process, accepts, free_port, wait_until
from tests.stack import read_procfile
from tests.valkey import ValkeyServer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tasks.commands import Command

#: The vendor answers every call after this.
VENDOR_MS: Final = 20
#: No limit that could hold a worker up: it is the worker that is measured.
UNLIMITED: Final = {"RATES": "10000/1s+1000", "CONCURRENCY": "1000", "SETTLE_SECONDS": "60"}
#: The Celery application that the Procfile names.
WORKERS: Final = "workers.main"
#: Submitted at once: fewer than Redis' client opens connections for.
CHUNK: Final = 64
ENDS: Final = ("applied", "rejected", "held")


class LeanVendor(Process):
    """`tests.benchmarks.vendor` as a process; `options` are its command line."""

    def __init__(self, folder: Path, *options: str, port: int | None = None) -> None:
        self.port = port or free_port()
        super().__init__(
            "vendor",
            [sys.executable, "-m", "tests.benchmarks.vendor", "--port", str(self.port), *options],
            log=folder / f"vendor-{self.port}.log",
            ready=lambda: accepts(self.port),
            folder=ROOT,
        )
        self._session = requests.Session()

    @property
    def url(self) -> str:
        """Its address without a path."""
        return f"http://127.0.0.1:{self.port}"

    def books(self) -> dict[str, Any]:
        """Ask what it has carried out; costs it no more than a request."""
        found: dict[str, Any] = self._session.get(f"{self.url}/books", timeout=30).json()
        return found


class Relay:
    """One of our workers and its ledger, on database `database` of the server."""

    def __init__(self, scene: Scene, vendor: str, process: Process, redis_url: str) -> None:
        self.vendor = vendor
        self.process = process
        self.redis_url = redis_url
        self._ledger: Any = redis.Redis.from_url(redis_url, decode_responses=True)
        scene.cleanup.callback(self._ledger.close)

    def submit(self, commands: Sequence[Command]) -> list[str]:
        """Put the commands into the ledger; gives their keys."""
        return asyncio.run(_submit(self.redis_url, commands))

    def counts(self) -> dict[str, int]:
        """Count the commands by state."""
        found: Mapping[str, str] = self._ledger.hgetall(f"{prefix_of(self.vendor)}counts")
        return {state: int(count) for state, count in found.items()}

    def ended(self) -> int:
        """Count the commands that have ended, however."""
        counts = self.counts()
        return sum(counts.get(end, 0) for end in ENDS)

    def until_ended(self, count: int, seconds: float) -> None:
        """Return when so many commands have ended since the ledger began."""
        wait_until(lambda: self.ended() >= count, f"{count} commands of {self.vendor} end", seconds)

    def fields(self, keys: Sequence[str], *names: str) -> list[list[str | None]]:
        """Read these fields of the commands' records."""
        pipeline = self._ledger.pipeline(transaction=False)
        for key in keys:
            pipeline.hmget(f"{prefix_of(self.vendor)}cmd:{key}", *names)
        return list(pipeline.execute())


class Scene:
    """A server, and vendors and workers as they are asked for: `with Scene(folder) as scene`; killed afterwards."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.valkey = ValkeyServer(folder / "valkey")
        self.cleanup = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self.cleanup.enter_context(self.valkey)
        return self

    def __exit__(self, *_: object) -> None:
        self.cleanup.close()

    def redis_url(self, database: int) -> str:
        """Give the address of one database: two workers on different ones share nothing but the server."""
        return f"redis://127.0.0.1:{self.valkey.port}/{database}"

    def lean_vendor(self, *options: str, port: int | None = None) -> LeanVendor:
        """Start a vendor that answers after VENDOR_MS unless `options` say otherwise."""
        vendor = LeanVendor(self.folder, *(options or ("--latency-ms", str(VENDOR_MS))), port=port)
        self.cleanup.enter_context(vendor)
        return vendor

    def launch(self, process: Process) -> Process:
        """Start a process and have it killed in the end; returns once it is ready."""
        self.cleanup.callback(process.kill)
        return process.start()

    def relay(
        self,
        vendor: str,
        lean: LeanVendor,
        *,
        module: str = WORKERS,
        concurrency: int | None = None,
        settings: Mapping[str, str] | None = None,
        database: int = 0,
    ) -> Relay:
        """Start one of our workers at a vendor; `module` is its Celery application, `settings` replace UNLIMITED."""
        url, name = self.redis_url(database), f"{vendor}-{database}"
        command = f"{read_procfile()[vendor].replace(WORKERS, module)} -n {name}@%h"
        if concurrency is not None:
            command += f" -c {concurrency}"  # the last one counts
        process = Process(
            name,
            ["/bin/sh", "-c", command],
            log=self.folder / f"{name}.log",
            ready=lambda: process.printed(" ready."),
            environment=self.environment(vendor, lean, url, settings),
            folder=ROOT,
        )
        self.launch(process)
        return Relay(self, vendor, process, url)

    @staticmethod
    def environment(
        vendor: str, lean: LeanVendor, redis_url: str, settings: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """Give the settings of a worker at a lean vendor, on top of an environment with this project's programs."""
        given = UNLIMITED if settings is None else settings
        return {
            **with_programs(os.environ, sys.executable),
            "REDIS_URL": redis_url,
            url_name(vendor): f"{lean.url}/{vendor}",
            **SANDBOX_SECRETS[vendor],
            **{f"STOCKRELAY_{vendor.upper()}_{name}": value for name, value in given.items()},
            **({"STOCKRELAY_PARTSBOX_DIRECTORY_SECONDS": "86400"} if vendor == "partsbox" else {}),
        }


def with_programs(environment: Mapping[str, str], python: str | Path) -> dict[str, str]:
    """Put the programs beside an interpreter first."""
    path = os.pathsep.join([os.path.dirname(python), environment.get("PATH", os.defpath)])  # noqa: PTH120
    return {**environment, "PATH": path, "PYTHONUNBUFFERED": "1"}


async def _submit(url: str, commands: Sequence[Command]) -> list[str]:
    client = open_redis(url)
    try:
        submitter = Submitter(client)
        keys: list[str] = []
        for start in range(0, len(commands), CHUNK):
            accepted = await asyncio.gather(*map(submitter.submit, commands[start : start + CHUNK]))
            keys += [one.key for one in accepted]
        return keys
    finally:
        await client.aclose()
