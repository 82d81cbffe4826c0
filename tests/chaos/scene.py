"""A real system to break: server, vendor and workers as processes."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING, Any, Final, Self

import requests

from tests.backing import ROOT
from tests.chaos.batch import EXPANDING, OPERATIONS
from tests.chaos.books import Books, eventually
from tests.process import Process
from tests.stack import WORKER, read_procfile

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from redis.asyncio import Redis

    from tests.chaos.batch import Batch
    from tests.stack import Stack

LEASE_SECONDS: Final = 2.0
SETTLE_SECONDS: Final = 1.5
#: Small waits, and limits that nothing here comes near.
QUICK: Final = {
    "STOCKRELAY_WORKER_LEASE_SECONDS": str(LEASE_SECONDS),
    "STOCKRELAY_PARTSBOX_SETTLE_SECONDS": str(SETTLE_SECONDS),
    "STOCKRELAY_PARTSBOX_TIMEOUT_SECONDS": "6",
    "STOCKRELAY_PARTSBOX_RATES": "1000/1s+200",
    "STOCKRELAY_PARTSBOX_CONCURRENCY": "100",
    "STOCKRELAY_PARTSBOX_USER": "relay",
}
_CONTROL_SECONDS: Final = 30


class Scene(Books):
    """One test's view of the running stack: `with Scene(...) as scene`. Workers started here die with the test."""

    def __init__(self, stack: Stack, redis: Redis, folder: Path) -> None:
        super().__init__(redis)
        self.stack = stack
        self._folder = folder
        self._workers: list[Process] = []
        self._cleanup = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()
        self.control("DELETE", "faults")

    # workers

    def worker(self, *, module: str = "workers.main", options: str = "", **settings: str) -> Process:
        """Start a worker as the Procfile does, with more `options` and variables of its own; return when ready."""
        name = f"{WORKER}-{len(self._workers) + 1}"
        command = read_procfile()[WORKER].replace("workers.main", module)
        process = Process(
            name,
            ["/bin/sh", "-c", f"{command} -n {name}@%h {options}"],
            log=self._folder / f"{name}.log",
            ready=lambda: process.printed(" ready."),
            environment={**self.stack.environment, **settings},
            folder=ROOT,
        )
        self._workers.append(process)
        self._cleanup.callback(process.kill)
        return process.start()

    def surroundings(self) -> str:
        ends = ", ".join(f"{worker.name}: {worker.returncode}" for worker in self._workers)
        return f"exit codes: {ends}\n{self._workers[-1].log_tail()}"

    def breaking_worker(
        self, boundary: str, batch: Batch, kinds: Iterable[str], number: signal.Signals = signal.SIGKILL
    ) -> Process:
        """Start a worker that sends itself the signal when the batch's commands of these kinds are at the boundary."""
        return self.worker(
            module="tests.chaos.breaking_worker",
            CHAOS_BOUNDARY=boundary,
            CHAOS_BATCH=batch.name,
            CHAOS_KINDS=",".join(kinds),
            CHAOS_SIGNAL=number.name,
        )

    def attentive_worker(self) -> Process:
        """Start a worker that misses a lost hint after one second already."""
        return self.worker(module="tests.chaos.breaking_worker", CHAOS_STALE_HINT_SECONDS="1")

    # the vendor

    def load(self, fixture: dict[str, Any]) -> None:
        self.control("POST", "fixture", fixture)

    def effects(self, part_id: str) -> list[tuple[str, str | None]]:
        return [
            (effect["operation"], effect["marker"])
            for effect in self.control("GET", "journal")["effects"]
            if part_id in effect["part_ids"] and not effect["foreign"]
        ]

    def control(self, method: str, path: str, json: Any = None) -> Any:
        """Call the sandbox's control API."""
        answer = requests.request(method, f"{self.stack.control_url}/{path}", json=json, timeout=_CONTROL_SECONDS)
        answer.raise_for_status()
        return answer.json()

    def fault(self, kind: str, operation: str, **options: Any) -> None:
        self.control("POST", "faults", {"kind": kind, "operation": operation, **options})

    def fault_writes(self, kind: str, batch: Batch, **options: Any) -> None:
        """Set the fault for the first write of each kind."""
        for written in batch.writing:
            self.fault(kind, OPERATIONS[written], match=batch.mark(written), **options)

    def gate_step(self, step: str, batch: Batch) -> int:
        """Stop every command of the batch in this step at the gate of its name; returns how many will come there."""
        if step == "write":
            self.fault_writes("gate", batch, gate=batch.name)
            return len(batch.writing)
        if step == "look-up":
            self.fault_writes("accept_then_drop", batch)
        for kind in batch.writing:  # the first read is the before-image
            self.fault("gate", "part/get", match=batch.part(kind), gate=batch.name, skip=int(step != "before-image"))
        if step == "before-image":
            self.fault("gate", "order/get", match=batch.order(EXPANDING), gate=batch.name)
            return len(batch.writing) + 1
        return len(batch.writing)

    def open_gate(self, name: str) -> None:
        self.control("POST", f"gates/{name}", {"open": True})

    async def until_at_gate(self, name: str, count: int) -> None:
        """Wait until so many requests stand at the gate."""
        await eventually(lambda: self.control("GET", f"gates/{name}")["waiting"] >= count, f"{count} are at {name}")
