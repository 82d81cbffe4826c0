"""The workers of a play: how many run, which die or freeze, and that a new one takes each one's place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.simulation.chance import stream
from tests.simulation.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.simulation.clock import Scheduler
    from tests.simulation.loop import VirtualLoop
    from tests.simulation.network import Network
    from tests.simulation.store import Store
    from workers.settings import Settings

#: Until a supervisor has started a new process.
START_SECONDS: Final = (0.2, 3.0)


class Crew:
    """The workers, by their place; a place's worker is followed by another."""

    def __init__(
        self,
        scheduler: Scheduler,
        outside: VirtualLoop,
        store: Store,
        network: Network,
        settings: Settings,
        served: Sequence[str],
        seed: int,
        tell: Callable[[str], None],
    ) -> None:
        self._scheduler = scheduler
        self._outside = outside
        self._store = store
        self._network = network
        self._settings = settings
        self._served = served
        self._random = stream(seed, "workers")
        self._tell = tell
        self._started = 0
        #: By place; None between the end of one and the start of the next.
        self._workers: list[Worker | None] = []
        self._all: list[Worker] = []

    def start(self, places: int) -> None:
        """Start so many."""
        self._workers = [None] * places
        for place in range(places):
            self._start(place)

    @property
    def complete(self) -> bool:
        """Tell whether at every place a worker runs."""
        return all(worker is not None and not worker.loop.frozen for worker in self._workers)

    def name_of(self, process: int) -> str:
        """Name the worker at a place; a plan may know more places than there are."""
        worker = self._workers[process % len(self._workers)]
        return "" if worker is None else worker.name

    def kill(self, process: int, after_steps: int) -> None:
        """Let a worker die when it has gone on for so many steps."""
        worker = self._at(process)
        if worker is not None:
            worker.loop.after_steps(after_steps, lambda: self._killed(worker))

    def freeze(self, process: int, seconds: float) -> None:
        """Let a worker stand still for so long."""
        worker = self._at(process)
        if worker is not None:
            self._tell(f"{worker.name} freezes for {seconds:g} s")
            worker.loop.freeze()
            self._outside.call_later(seconds, worker.loop.thaw)

    def stop(self, process: int) -> None:
        """Tell a worker to end in its own time."""
        worker = self._at(process)
        if worker is not None:
            self._tell(f"{worker.name} is told to stop")
            worker.stop()

    def dispose(self) -> None:
        """End all of them and let go of what they had begun."""
        for worker in self._all:
            worker.loop.kill()
        for worker in self._all:
            worker.loop.dispose()

    def _at(self, process: int) -> Worker | None:
        return self._workers[process % len(self._workers)]

    def _start(self, place: int) -> None:
        self._started += 1
        name = f"worker-{self._started}"
        worker = Worker(name, self._scheduler, self._store, self._network, self._settings, self._random)
        self._workers[place] = worker
        self._all.append(worker)
        self._tell(f"{name} starts")
        worker.start(self._served, lambda: self._ended(worker))

    def _killed(self, worker: Worker) -> None:
        self._tell(f"{worker.name} is killed")
        worker.die()
        self._ended(worker)

    def _ended(self, worker: Worker) -> None:
        place = self._workers.index(worker)
        self._workers[place] = None
        self._outside.call_later(self._random.uniform(*START_SECONDS), self._start, place)
