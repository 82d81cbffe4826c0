"""Eight processes that always want permits, 250,000 of them, one killed and one frozen on the way: the worst window.

Run with arguments, this module is one such process.
"""

from __future__ import annotations

import array
import asyncio
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from redis.asyncio import Redis

from tests.backing import ROOT
from tests.integration.limiter_books import excess
from tests.process import Process, wait_until
from tests.valkey import ValkeyServer
from workers.limiter import Limiter, LimitPolicy, PausedError, Rate
from workers.limits import PERMIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

PROCESSES: Final = 8
GRANTS: Final = 250_000
#: Two rates that bind in turn, and few slots for so many who ask.
POLICY: Final = LimitPolicy((Rate.parse("5000/1s+50"), Rate.parse("80000/20s+500")), 30, 3.0)
LANES: Final = 40
#: A number of each record: when it was granted (server, us), when it left and when it was done (monotonic, us).
RECORD_NUMBERS: Final = 3
#: The slowest that this may be on a busy machine.
PATIENCE_SECONDS: Final = 1_800.0
FROZEN_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Sent:
    """One request that a permit let through."""

    granted_us: int
    left_us: int
    done_us: int


@dataclass(slots=True)
class Findings:
    """What the books of all processes amount to; everything but the first two must be 0 or less."""

    grants: int
    seconds: float
    over_rate: dict[str, float] = field(default_factory=dict)
    over_rate_when_sent: dict[str, float] = field(default_factory=dict)
    over_concurrency: int = 0

    @property
    def is_right(self) -> bool:
        return max(*self.over_rate.values(), *self.over_rate_when_sent.values(), self.over_concurrency) <= 0

    def lines(self) -> list[str]:
        """Tell it to a person."""
        found = [f"{self.grants} grants to {PROCESSES} processes in {self.seconds:.0f} s"]
        for rate, over in self.over_rate.items():
            found.append(
                f"{rate}: worst window of grants {over:+.2f} against the limit, "
                f"of sends {self.over_rate_when_sent[rate]:+.2f}"
            )
        return [*found, f"most in flight {POLICY.concurrency + self.over_concurrency} of {POLICY.concurrency}"]


def run(folder: Path) -> Findings:
    """Play the drill; raises TimeoutError when the grants do not come."""
    with ValkeyServer(folder / "valkey", {"appendonly": "no"}) as server:
        started = time.monotonic()
        workers = [_worker(folder, server.url, number) for number in range(PROCESSES)]
        try:
            for worker in workers:
                worker.launch()
            wait_until(lambda: _count(folder) > GRANTS // 3, "a third of the grants", PATIENCE_SECONDS)
            workers[0].kill()
            workers[1].stop_signal()
            frozen_until = time.monotonic() + FROZEN_SECONDS
            workers.append(_worker(folder, server.url, PROCESSES).launch())
            wait_until(lambda: time.monotonic() > frozen_until, "the frozen one goes on", PATIENCE_SECONDS)
            workers[1].cont()
            wait_until(lambda: _count(folder) > GRANTS, "all grants", PATIENCE_SECONDS)
            seconds = time.monotonic() - started
        finally:
            for worker in workers:
                worker.kill()
    return judge(_sent(folder), seconds)


def judge(sent: Sequence[Sent], seconds: float) -> Findings:
    """Look for the worst window of every length, and the most at one time."""
    found = Findings(len(sent), seconds)
    for rate in POLICY.rates:
        found.over_rate[str(rate)] = excess([one.granted_us for one in sent], rate)
        found.over_rate_when_sent[str(rate)] = excess([one.left_us for one in sent], rate, late_seconds=PERMIT_SECONDS)
    steps = sorted([(one.left_us, 1) for one in sent] + [(one.done_us, -1) for one in sent])
    now = most = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    found.over_concurrency = most - POLICY.concurrency
    return found


def _worker(folder: Path, url: str, number: int) -> Process:
    book = folder / f"{number}.book"
    command = [sys.executable, "-m", "tests.drills.limiter", url, str(book)]
    return Process(f"limiter-{number}", command, log=folder / f"{number}.log", ready=lambda: True, folder=ROOT)


def _count(folder: Path) -> int:
    return sum(book.stat().st_size for book in folder.glob("*.book")) // (8 * RECORD_NUMBERS)


def _sent(folder: Path) -> list[Sent]:
    found = []
    for book in folder.glob("*.book"):
        numbers = array.array("q")
        whole = book.stat().st_size // (8 * RECORD_NUMBERS) * RECORD_NUMBERS
        with book.open("rb") as file:
            numbers.fromfile(file, whole)
        found += [Sent(*numbers[place : place + RECORD_NUMBERS]) for place in range(0, whole, RECORD_NUMBERS)]
    return found


async def _ask(url: str, book: Path) -> None:
    client = Redis.from_url(url, decode_responses=True)
    limiter = Limiter(client, "vendor", POLICY)
    with book.open("ab", buffering=0) as file:

        async def keep_sending(lane: str) -> None:
            number = 0
            while True:
                number += 1
                slot_id = f"{book.stem}-{lane}-{number}"
                try:
                    permit = await limiter.acquire(slot_id)
                except PausedError:
                    continue
                if permit.fresh():
                    left = time.monotonic_ns() // 1000
                    await asyncio.sleep(0)
                    # at once: the book of a killed process counts too
                    file.write(array.array("q", (permit.granted_at_us, left, time.monotonic_ns() // 1000)).tobytes())
                await limiter.release(slot_id)

        async with asyncio.TaskGroup() as group:
            for lane in range(LANES):
                group.create_task(keep_sending(str(lane)))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    asyncio.run(_ask(sys.argv[1], Path(sys.argv[2])))
