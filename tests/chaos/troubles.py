"""Trouble with the processes: workers and the webhooks server, Redis, and what vendors do to everybody at once."""

from __future__ import annotations

import itertools
import random
import threading
from typing import TYPE_CHECKING, Any, Final, TypeVar

import redis
import requests

from tests.chaos.record import StoppedError
from tests.process import ProcessError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.chaos.record import Record
    from tests.process import Process
    from tests.stack import Stack

Way = TypeVar("Way")

#: Each must happen in a run.
CLASSES: Final = (
    "killed",
    "stopped",
    "frozen",
    "Redis restarted",
    "Redis frozen",
    "connections cut",
    "maintenance",
    "tokens expired",
)
#: Longer than a worker's lease: whoever is frozen for so long has lost what it had.
LONGEST_FREEZE_SECONDS: Final = 5.0
#: Redis is everybody's trouble: it comes so many times as often as that of one program.
REDIS_SHARE: Final = 2
#: A program that will not start while Redis is away is started again, as a supervisor does.
STARTS: Final = 20
CONTROL_SECONDS: Final = 30


class Troubles:
    """Makes trouble, the same for a seed, until told to end; the threads are `loops`."""

    def __init__(self, stack: Stack, record: Record, seed: int, gap_seconds: float) -> None:
        self._stack = stack
        self._record = record
        self._seed = seed
        #: Between two troubles of one loop, about.
        self._gap_seconds = gap_seconds
        self._ending = threading.Event()
        self._leaving = threading.Event()

    def end(self) -> None:
        """Make no more trouble than each class once; what is stopped or killed is brought back first."""
        self._ending.set()

    def leave(self) -> None:
        """Make no more trouble at all: the run is given up."""
        self._leaving.set()
        self._ending.set()

    @property
    def loops(self) -> Sequence[Callable[[], None]]:
        """What to run, each in a thread; they return after `end`."""
        return (self._programs, self._redis, self._vendors)

    # workers and the webhooks server

    def _programs(self) -> None:
        chance = random.Random(f"{self._seed} programs")
        ways = (self._kill, self._freeze, self._stop)
        names = list(self._stack.processes)
        for number, name in enumerate(self._turns(chance, names, at_least=len(ways))):
            ways[number % len(ways)](self._stack.processes[name], chance)

    def _kill(self, process: Process, chance: random.Random) -> None:
        self._record.happened("killed", process.name)
        process.kill()
        self._ending.wait(chance.uniform(0, 1))
        self._start(process)

    def _stop(self, process: Process, _chance: random.Random) -> None:
        self._record.happened("stopped", process.name)
        try:
            process.stop()
        except ProcessError as error:
            self._record.went_wrong(f"told to stop: {error}")
        self._start(process)

    def _freeze(self, process: Process, chance: random.Random) -> None:
        self._record.happened("frozen", process.name)
        process.stop_signal()
        self._ending.wait(chance.uniform(0.5, LONGEST_FREEZE_SECONDS))
        process.cont()

    def _start(self, process: Process) -> None:
        for _ in range(STARTS - 1):
            try:
                process.start()
            except ProcessError:
                self._ending.wait(0.5)
            else:
                return
        process.start()

    # Redis

    def _redis(self) -> None:
        chance = random.Random(f"{self._seed} redis")
        ways = (self._restart, self._take_away, self._hold_up, self._cut)
        for way in self._turns(chance, ways, at_least=len(ways), gap_seconds=self._gap_seconds / REDIS_SHARE):
            way(chance)

    def _restart(self, _chance: random.Random) -> None:
        self._record.happened("Redis restarted", "at once")
        self._stack.restart_valkey()

    def _take_away(self, chance: random.Random) -> None:
        self._record.happened("Redis restarted", "after a while")
        self._stack.valkey.kill()
        self._ending.wait(chance.uniform(0.5, 2.5))
        self._stack.valkey.start()

    def _hold_up(self, chance: random.Random) -> None:
        self._record.happened("Redis frozen", "")
        self._stack.valkey.stop_signal()
        self._ending.wait(chance.uniform(0.3, 2))
        self._stack.valkey.cont()

    def _cut(self, _chance: random.Random) -> None:
        self._record.happened("connections cut", "")
        with redis.Redis.from_url(self._stack.redis_url, socket_timeout=CONTROL_SECONDS) as client:
            client.client_kill_filter(_type="normal", skipme=True)

    # vendors

    def _vendors(self) -> None:
        chance = random.Random(f"{self._seed} vendors")
        ways = (self._maintain, self._expire_tokens)
        for way in self._turns(chance, ways, at_least=len(ways)):
            way(chance)

    def _maintain(self, chance: random.Random) -> None:
        self._record.happened("maintenance", "partium")
        self._control("partium", "maintenance", {"on": True, "retry_after_seconds": 1})
        self._ending.wait(chance.uniform(1, 2.5))
        self._control("partium", "maintenance", {"on": False})

    def _expire_tokens(self, _chance: random.Random) -> None:
        self._control("openbom", "tokens/expire", {})
        self._record.happened("tokens expired", "openbom")

    def _control(self, vendor: str, path: str, body: Any) -> None:
        answer = requests.post(f"{self._stack.control_urls[vendor]}/{path}", json=body, timeout=CONTROL_SECONDS)
        answer.raise_for_status()

    def _turns(
        self, chance: random.Random, ways: Sequence[Way], *, at_least: int, gap_seconds: float | None = None
    ) -> Iterator[Way]:
        """Give every way once in a random order, then again, with a gap before each.

        It ends with the troubles, but not before `at_least` so many turns: a class of trouble that never happened would
        show nothing.
        """
        for number in itertools.count():
            if number % len(ways) == 0:
                turns = chance.sample(ways, len(ways))
            ended = self._ending.wait(chance.uniform(0.5, 1.5) * (gap_seconds or self._gap_seconds))
            if self._leaving.is_set() or (ended and number >= at_least):
                return
            yield turns[number % len(ways)]


def until_stopped(loop: Callable[[], None]) -> None:
    """Run a loop or a sender; being told to stop is its good end."""
    try:
        loop()
    except StoppedError:
        return
