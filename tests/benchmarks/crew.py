"""A vendor's worker processes for a measurement: started together, and given more work than they can do."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import requests

from tests.backing import ROOT
from tests.benchmarks.ledger import VendorLedger
from tests.benchmarks.scene import WORKERS
from tests.process import Process
from tests.stack import Stack, read_procfile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@dataclass
class Crew:
    """Workers of one vendor on servers of their own: `with Crew(...) as crew`; afterwards everything is killed.

    `module` is the Celery application, `options` come behind those of the Procfile.
    """

    folder: Path
    vendor: str
    count: int
    settings: Mapping[str, str]
    sandbox_options: Sequence[str]
    module: str = WORKERS
    options: str = ""
    workers: list[Process] = field(default_factory=list)
    _cleanup: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @cached_property
    def stack(self) -> Stack:
        """Server and vendor."""
        return Stack(
            self.folder,
            vendors=(self.vendor,),
            workers=0,
            webhooks=False,
            settings=self.settings,
            sandbox_options={self.vendor: self.sandbox_options},
            environment={},
        )

    @cached_property
    def ledger(self) -> VendorLedger:
        """The ledger that they work on."""
        ledger = VendorLedger(self.vendor, self.stack.redis_url)
        self._cleanup.callback(ledger.close)
        return ledger

    def __enter__(self) -> Self:
        try:
            self._cleanup.enter_context(self.stack)
            self.hire(self.count)
        except BaseException:  # an interrupt while one of them starts must not leave the others behind
            self._cleanup.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    def hire(self, count: int) -> list[Process]:
        """Start so many more workers side by side; return once they are ready."""
        new = [self._worker(len(self.workers) + number) for number in range(1, count + 1)]
        self.workers += new
        for worker in new:
            self._cleanup.callback(worker.kill)
            worker.launch()
        for worker in new:
            worker.wait_ready()
        return new

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Call the sandbox's control API."""
        answer = requests.request(method, f"{self.stack.control_url}/{path}", json=body, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def _worker(self, number: int) -> Process:
        # a node name of its own: two of one name on one machine answer each other's remote control
        name = f"{self.vendor}-{number}"
        command = read_procfile()[self.vendor].replace(WORKERS, self.module)
        process = Process(
            name,
            ["/bin/sh", "-c", f"{command} {self.options} -n {name}@%h"],
            log=self.folder / f"{name}.log",
            ready=lambda: process.printed(" ready."),
            environment=self.stack.environment,
            folder=ROOT,
        )
        return process
