"""The world of a play: everything real but time, chance and wires; the same plan gives the same trace, to the byte."""

from __future__ import annotations

import gc
import logging
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from redis.exceptions import RedisError

from tasks.ledger import Ledger
from tasks.registry import vendors as all_vendors
from tasks.settings import LedgerSettings
from tests.checker.evidence import Evidence
from tests.simulation.chance import own_chance, stream
from tests.simulation.clock import Scheduler
from tests.simulation.crew import Crew
from tests.simulation.expect import expected
from tests.simulation.ledgers import FINAL, Ledgers
from tests.simulation.loop import VirtualLoop
from tests.simulation.misfortune import RELAY, Misfortune
from tests.simulation.network import Network
from tests.simulation.producers import Producers
from tests.simulation.redis_client import StoreClient
from tests.simulation.store import Store
from tests.simulation.trace import Trace
from tests.simulation.vendors import Vendors, settings_of
from tests.simulation.warehouse import FIXTURES, ROUTES
from workers.settings import Settings, WorkerSettings

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from tests.simulation.plan import Plan, Trouble

#: When nothing goes wrong any more everything must have ended within this virtual time.
PATIENCE_SECONDS: Final = 7200.0
#: Between two looks whether everything has ended.
LOOK_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Played:
    """What a play leaves."""

    trace: list[str]
    #: SHA-256 of the trace.
    digest: str
    evidence: Evidence
    virtual_seconds: float
    #: Commands that had not ended when the world lost patience.
    stuck: list[str]


class BrokenError(Exception):
    """A worker has logged an error of its own: the text of the log, its traceback included."""


def play(plan: Plan) -> Played:
    """Play a plan to its end; raises what breaks the world, BrokenError among it."""
    with own_chance(plan.seed):
        world = _World(plan)
        try:
            with _errors_told(world.scheduler), _no_collection():
                world.run()
            return world.played()
        finally:
            with _silence():
                world.dispose()


class _World:
    def __init__(self, plan: Plan) -> None:
        self.scheduler = Scheduler()
        self._plan = plan
        self._trace = Trace(self.scheduler)
        self._outside = VirtualLoop(self.scheduler, "world")
        self._vendors_loop = VirtualLoop(self.scheduler, "vendors")
        self._store = Store(self.scheduler, self._outside, stream(plan.seed, "store"), self._trace)
        self._network = Network(self.scheduler, self._vendors_loop, stream(plan.seed, "network"), self._trace.tell)
        self._vendors = Vendors(self.scheduler, self._network, plan.seed)
        self._ledgers = Ledgers(self._store, all_vendors())
        settings = Settings(
            redis_url="",
            ledger=LedgerSettings(),
            worker=WorkerSettings(),
            routes=ROUTES,
            vendors={vendor: settings_of(vendor) for vendor in FIXTURES},
        )
        self._crew = Crew(
            self.scheduler,
            self._outside,
            self._store,
            self._network,
            settings,
            all_vendors(),
            plan.seed,
            self._trace.tell,
        )
        self._producers = Producers(self.scheduler, self._outside, self._store, self._trace.tell)
        self._misfortune = Misfortune(self._outside, self._store, self._vendors, self._crew)
        self._troubles_left = len(plan.troubles)
        self._over = False
        self._person = StoreClient(self._store, self._outside)
        self._discarding: asyncio.Task[None] | None = None

    def run(self) -> None:
        """Let everything happen, until all has ended or patience is at its end."""
        self._crew.start(self._plan.processes)
        self._producers.start(self._plan.submits)
        for trouble in self._plan.troubles:
            self._outside.call_at(trouble.at_ms / 1000, self._bring, trouble)
        self._outside.call_later(LOOK_SECONDS, self._look)
        self.scheduler.run(lambda: self._over)

    def played(self) -> Played:
        """Gather what is left."""
        told = self._ledgers.told()
        books = {**self._vendors.books(), RELAY: self._misfortune.books()}
        evidence = Evidence(expected(self._plan, told), books, told)
        open_ones = [str(entry) for ledger in told.values() for entry in ledger.entries if entry.state not in FINAL]
        return Played(self._trace.lines, self._trace.digest, evidence, self.scheduler.now, open_ones)

    def dispose(self) -> None:
        """Let go of everything, and let nothing of it act."""
        self._crew.dispose()
        for loop in (self._outside, self._vendors_loop):
            loop.kill()
            loop.dispose()

    def _bring(self, trouble: Trouble) -> None:
        self._troubles_left -= 1
        self._trace.tell(f"trouble {trouble.what} {trouble.options}")
        self._misfortune.bring(trouble)

    def _look(self) -> None:
        """End the play when all has ended; let a person decide about what holds the others up."""
        if self._has_ended() or self.scheduler.now > self._last_moment():
            self._over = True
            return
        self._outside.call_later(LOOK_SECONDS, self._look)

    def _last_moment(self) -> float:
        return max((event.at_ms for event in self._plan.events), default=0) / 1000 + PATIENCE_SECONDS

    def _has_ended(self) -> bool:
        if not (self._producers.done and not self._troubles_left and self._crew.complete and self._vendors.quiet):
            return False
        if not self._ledgers.open_states():
            return True
        if self._discarding is None or self._discarding.done():
            self._discarding = self._outside.create_task(self._discard_held())
        return False

    async def _discard_held(self) -> None:
        """Be the person who decides, when nobody goes on but behind held commands."""
        if self._ledgers.open_states() != {"waiting"}:
            return
        for entry in self._ledgers.undecided():
            ledger = Ledger(self._person, entry.vendor)
            with suppress(RedisError):
                await ledger.discard(entry.key, "the world", "nobody else would")


@contextmanager
def _errors_told(scheduler: Scheduler) -> Iterator[None]:
    """Break the play by what a worker logs as an error; leave out all other logging, which costs most of the time."""
    handler = _Breaking(scheduler)
    root, before = logging.getLogger(), logging.root.manager.disable
    root.addHandler(handler)
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
        root.removeHandler(handler)


class _Breaking(logging.Handler):
    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__(logging.ERROR)
        self._scheduler = scheduler

    def emit(self, record: logging.LogRecord) -> None:
        self._scheduler.failures.append(BrokenError(self.format(record)))


@contextmanager
def _silence() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the garbage collector out: when it runs must not decide anything."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
