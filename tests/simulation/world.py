"""The world of a play: everything real but time, chance and wires; the same plan gives the same trace, to the byte."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import RedisError

from tasks.ledger import Ledger
from tasks.registry import vendors as all_vendors
from tasks.settings import LedgerSettings
from tests.checker.evidence import Evidence
from tests.simulation.chance import stream
from tests.simulation.clock import Scheduler
from tests.simulation.crew import Crew
from tests.simulation.expect import expected
from tests.simulation.ledgers import FINAL, Ledgers
from tests.simulation.link import link
from tests.simulation.loop import VirtualLoop
from tests.simulation.misfortune import RELAY, Misfortune
from tests.simulation.network import Network
from tests.simulation.producers import Producers
from tests.simulation.redis_client import StoreClient
from tests.simulation.store import Store
from tests.simulation.surroundings import Surroundings, silence, surroundings
from tests.simulation.trace import Trace
from tests.simulation.vendors import Vendors, settings_of
from tests.simulation.warehouse import FIXTURES, ROUTES
from workers.settings import Settings, WorkerSettings

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Generator, Sequence

    from tests.simulation.link import Question
    from tests.simulation.plan import Plan, Trouble

#: When nothing goes wrong any more everything must have ended within this virtual time.
PATIENCE_SECONDS: Final = 7200.0
#: Plays that go on side by side: a round trip to the real server costs more than what is asked in it.
AT_ONCE: Final = 24
#: Between two looks whether everything has ended.
LOOK_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Played:
    """What a play leaves."""

    #: Everything that happened; written when it is read.
    happened: Trace
    evidence: Evidence
    virtual_seconds: float
    #: Commands that had not ended when the world lost patience.
    stuck: list[str]

    @property
    def trace(self) -> list[str]:
        """Give the lines of the trace."""
        return self.happened.lines

    @property
    def digest(self) -> str:
        """Give the SHA-256 of the trace."""
        return self.happened.digest


def play(plan: Plan) -> Played:
    """Play a plan to its end; raises what breaks the world, BrokenError among it."""
    (played,) = play_together([plan])
    if isinstance(played, Exception):
        raise played
    return played


def play_together(plans: Sequence[Plan]) -> list[Played | Exception]:
    """Play plans side by side, of which none notices the others; gives what each leaves, or what broke its world.

    They share their round trips to the real server, which are what costs most.
    """
    found: dict[int, Played | Exception] = {}
    waiting, free = deque(enumerate(plans)), list(range(AT_ONCE))
    going: list[_Play] = []
    with surroundings() as around:
        while waiting or going:
            while waiting and free:
                number, plan = waiting.popleft()
                going.append(_Play(number, plan, free.pop(), around))
            _go_on(going)
            for over in [each for each in going if each.question is None]:
                going.remove(over)
                free.append(over.database)
                found[over.number] = over.left
    return [found[number] for number in range(len(plans))]


def _go_on(plays: Sequence[_Play]) -> None:
    """Let each play go on to its next question or its end; then ask all of them."""
    for each in plays:
        each.go_on()
    asking = [each for each in plays if each.question is not None]
    found = link().ask_together([each.question for each in asking if each.question is not None])
    for each, answers in zip(asking, found, strict=True):
        each.answers = answers


class _Play:
    """A play that goes on beside others, from one question to the real server to the next."""

    def __init__(self, number: int, plan: Plan, database: int, around: Surroundings) -> None:
        self.number = number
        self.database = database
        self.question: Question | None = None
        #: What the real server answered to its question.
        self.answers: list[Any] = []
        #: What it leaves, once there is no further question.
        self.left: Played | Exception
        self._plan = plan
        self._ids = stream(plan.seed, "ids")
        self._failures: list[Exception] = []
        self._around = around
        self._steps = self._play()

    def go_on(self) -> None:
        """Take the answers, and go on to the next question or the end."""
        self._around.turn_to(self._ids, self._failures)
        try:
            self.question = next(self._steps) if self.question is None else self._steps.send(self.answers)
        except StopIteration as end:
            self.question, self.left = None, end.value

    def _play(self) -> Generator[Question, list[Any], Played | Exception]:
        world = _World(self._plan, self.database)
        world.scheduler.failures = self._failures
        try:
            yield from world.steps()
            return world.played()
        except Exception as error:  # noqa: BLE001  it breaks this play and none beside it
            return error
        finally:
            with silence():
                world.dispose()


class _World:
    def __init__(self, plan: Plan, database: int) -> None:
        self.scheduler = Scheduler()
        self._plan = plan
        self._trace = Trace(self.scheduler)
        self._outside = VirtualLoop(self.scheduler, "world")
        self._vendors_loop = VirtualLoop(self.scheduler, "vendors")
        self._store = Store(self.scheduler, self._outside, stream(plan.seed, "store"), self._trace, database)
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

    def steps(self) -> Generator[Question, list[Any], None]:
        """Let everything happen, until all has ended or patience is at its end: as a scheduler's steps."""
        self._crew.start(self._plan.processes)
        self._producers.start(self._plan.submits)
        for trouble in self._plan.troubles:
            self._outside.call_at(trouble.at_ms / 1000, self._bring, trouble)
        self._outside.call_later(LOOK_SECONDS, self._look)
        yield from self.scheduler.steps(lambda: self._over)

    def played(self) -> Played:
        """Gather what is left."""
        told = self._ledgers.told()
        books = {**self._vendors.books(), RELAY: self._misfortune.books()}
        evidence = Evidence(expected(self._plan, told), books, told)
        open_ones = [str(entry) for ledger in told.values() for entry in ledger.entries if entry.state not in FINAL]
        return Played(self._trace, evidence, self.scheduler.now, open_ones)

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
        open_states = self._ledgers.open_states()
        if open_states == {"waiting"} and (self._discarding is None or self._discarding.done()):
            self._discarding = self._outside.create_task(self._discard_held())
        return not open_states

    async def _discard_held(self) -> None:
        """Be the person who decides, when nobody goes on but behind held commands."""
        for entry in self._ledgers.undecided():
            ledger = Ledger(self._person, entry.vendor)
            with suppress(RedisError):
                await ledger.discard(entry.key, "the world", "nobody else would")
