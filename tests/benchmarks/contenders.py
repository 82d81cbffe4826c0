"""Who takes part in the comparison: each peer's worker, and ours on its whole path."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from tests.backing import ROOT
from tests.benchmarks.commands import COMMANDS
from tests.benchmarks.peers.catalogue import PACKAGE, PEERS
from tests.benchmarks.scene import WORKERS, with_programs
from tests.process import Process

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.benchmarks.peers.catalogue import Peer
    from tests.benchmarks.scene import LeanVendor, Scene

OWN: Final = "stockrelay"
#: Commands of one call: as shipped, many of them share a request to the vendor.
SHARED: Final = "stockrelay, requests shared"
#: Made by `make bench` from requirements/peers.txt.
PEERS_PYTHON: Final = ROOT / ".venv-peers" / "bin" / "python"
#: As many at once as the other coroutine workers.
CONCURRENCY: Final = 200
ENQUEUE_SECONDS: Final = 120.0


class Contender(Protocol):
    """A worker to be measured: how it is given work, and how that is found in the vendor's books."""

    name: str
    promise: str
    process: Process
    redis_url: str
    #: How many calls its tasks may be asked for.
    calls: tuple[int, ...]
    #: What the vendor counts of it.
    book: str

    def enqueue(self, count: int, calls: int) -> None:
        """Give it so many tasks of so many calls each; returns when the broker has them."""

    def noted(self, calls: int) -> int:
        """Tell how often `book` counts a task of so many calls."""

    def unsettled(self) -> int:
        """Count what it was given and has not ended by its own books."""


class Rival:
    """A peer: its worker, and its own client in a process of its own."""

    calls: tuple[int, ...] = (1, 3)
    book = "work"

    def __init__(self, peer: Peer, scene: Scene, vendor: LeanVendor, database: int) -> None:
        self.name = peer.name
        self.promise = peer.promise
        self.redis_url = scene.redis_url(database)
        self._module = peer.module
        self._first = database * 10_000_000  # the books find a task that is done twice by its number
        python = Path(sys.executable) if peer.ours else PEERS_PYTHON
        self._python = str(python)
        self._environment = {
            **with_programs(os.environ, python),
            **peer.settings,
            "BENCH_BROKER": self.redis_url,
            "BENCH_VENDOR": vendor.url,
        }
        self.process = Process(
            peer.name,
            [str(python.parent / peer.worker[0]), *peer.worker[1:]],
            log=scene.folder / f"{peer.name.replace(' ', '-')}.log",
            ready=lambda: True,  # it is when it has done its warm-up
            environment=self._environment,
            folder=ROOT,
        )

    def enqueue(self, count: int, calls: int) -> None:
        first, self._first = self._first, self._first + count
        command = [self._python, "-m", PACKAGE, self._module, *map(str, (first, count, calls))]
        run = subprocess.run(
            command, cwd=ROOT, env=self._environment, capture_output=True, text=True, check=False,
            timeout=ENQUEUE_SECONDS,
        )  # fmt: skip
        if run.returncode:
            raise RuntimeError(f"{self.name}: its client could not enqueue: {run.stderr[-2000:]}")

    def noted(self, calls: int) -> int:
        return calls

    def unsettled(self) -> int:
        return 0


class Own:
    """Our worker on its whole path: ledger, lane, limiter, durable intent, settlement."""

    promise = "exactly once"

    def __init__(self, scene: Scene, vendor: LeanVendor, calls: int, database: int, module: str = WORKERS) -> None:
        at, self._make = COMMANDS[calls]
        self._relay = scene.relay(at, vendor, module=module, concurrency=CONCURRENCY, database=database)
        self.name = SHARED if calls == 1 else OWN
        self.process = self._relay.process
        self.redis_url = self._relay.redis_url
        self.calls: tuple[int, ...] = (calls,)
        self.book = "upserts" if calls == 1 else "additions"

    def enqueue(self, count: int, calls: int) -> None:
        assert calls in self.calls
        self._relay.submit(self._make(count))

    def noted(self, calls: int) -> int:
        del calls
        return 1  # the write; what is read is not in the books

    def unsettled(self) -> int:
        return sum(count for state, count in self._relay.counts().items() if state != "applied")


def contenders(scene: Scene, vendor: LeanVendor) -> dict[str, Callable[[], Contender]]:
    """Give by name what makes each of them, every one on a database of its own; ours run when they are made."""
    makers: dict[str, Callable[[], Contender]] = {}
    for name, calls in ((OWN, 3), (f"{OWN}-shared", 1)):
        makers[name] = functools.partial(Own, scene, vendor, calls, len(makers))
    for peer in PEERS:
        makers[peer.name.replace(" ", "-")] = functools.partial(Rival, peer, scene, vendor, len(makers))
    return makers
