"""Two workers under load that are killed, frozen and cut off, on a server that dies as well: each command once."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import redis

from tasks.ledger import Ledger
from tasks.redis_client import open_redis
from tests.drills.bookings import VENDOR, Bookings, Books

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.benchmarks.crew import Crew

COMMANDS: Final = 4_000
KILLS: Final = 40
#: Longer than a lease, so that another worker takes over while the frozen one still thinks it holds it.
FROZEN_SECONDS: Final = 3.0
SETTINGS: Final = {"STOCKRELAY_WORKER_LEASE_SECONDS": "2", "STOCKRELAY_PARTSBOX_SETTLE_SECONDS": "1"}
#: Between two troubles, by chance.
GAP_SECONDS: Final = (0.5, 2.5)


@dataclass(frozen=True, slots=True)
class Findings:
    """What came of it."""

    seed: int
    seconds: float
    troubles: dict[str, int]
    books: Books

    @property
    def is_right(self) -> bool:
        return self.books.is_right and self.troubles["killed"] >= KILLS

    def lines(self) -> list[str]:
        """Tell it to a person."""
        troubles = ", ".join(f"{name} {count}" for name, count in self.troubles.items())
        first = f"{self.books.commands} commands in {self.seconds:.0f} s, seed {self.seed}: {troubles}"
        return [first, *self.books.lines()]


def run(folder: Path, commands: int = COMMANDS) -> Findings:
    """Play the drill; raises TimeoutError when the commands are not applied."""
    seed = random.randrange(10_000)
    chance, happened = random.Random(seed), Counter[str]()
    ways: dict[str, Callable[[Crew], None]] = {
        "killed": _kill,
        "frozen": _freeze,
        "frozen, then killed": _freeze_and_kill,
        "connections cut": _cut,
        "Redis restarted": lambda crew: crew.stack.restart_valkey(),
    }
    with Bookings(folder, commands, SETTINGS) as bookings:
        # 40 kills, and each of the others eight times among them, while there is work
        turns = [*(["killed"] * KILLS), *([name for name in ways if name != "killed"] * (KILLS // 5))]
        chance.shuffle(turns)
        while not bookings.are_done():
            happened["replayed by a person after five lost workers"] += asyncio.run(_replay_held(bookings.crew))
            time.sleep(chance.uniform(*GAP_SECONDS))
            if turns:
                name = turns.pop()
                ways[name](bookings.crew)
                happened[name] += 1
        return Findings(seed, bookings.seconds(), dict(happened), bookings.judge())


async def _replay_held(crew: Crew) -> int:
    """Be the person who looks after what was held because its workers died; it would keep its lane for ever."""
    client = open_redis(crew.stack.redis_url)
    try:
        ledger = Ledger(client, VENDOR)
        held = [record.key for record in await ledger.dead_letters()]
        for key in held:
            await ledger.replay(key, "drill")
        return len(held)
    finally:
        await client.aclose()


def _kill(crew: Crew) -> None:
    crew.workers.pop(0).kill()
    crew.hire(1)


def _freeze(crew: Crew) -> None:
    frozen = crew.workers[0]
    frozen.stop_signal()
    time.sleep(FROZEN_SECONDS)
    frozen.cont()


def _freeze_and_kill(crew: Crew) -> None:
    crew.workers[0].stop_signal()
    time.sleep(FROZEN_SECONDS)
    _kill(crew)


def _cut(crew: Crew) -> None:
    with contextlib.closing(redis.Redis.from_url(crew.stack.redis_url)) as client:
        client.client_kill_filter(_type="normal", skipme=True)
