"""Where our workers are measured: one durable server, lean vendors, and workers as the Procfile starts them."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any, Final, Self

import requests

from tests.backing import ROOT, SANDBOX_SECRETS, url_name
from tests.benchmarks.ledger import VendorLedger
from tests.process import Process, accepts, free_port
from tests.stack import read_procfile
from tests.valkey import ValkeyServer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: The vendor answers every call after this.
VENDOR_MS: Final = 20
#: No limit that could hold a worker up: it is the worker that is measured.
UNLIMITED: Final = {"RATES": "10000/1s+1000", "CONCURRENCY": "1000", "SETTLE_SECONDS": "60"}
#: The Celery application that the Procfile names.
WORKERS: Final = "workers.main"


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


class Relay(VendorLedger):
    """One of our workers and its ledger, on a database of its own."""

    def __init__(self, vendor: str, process: Process, redis_url: str) -> None:
        super().__init__(vendor, redis_url)
        self.process = process


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
        relay = Relay(vendor, process, url)
        self.cleanup.callback(relay.close)
        return relay

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
