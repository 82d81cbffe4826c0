"""The limiter under four processes with always-waiting work, one of them killed and one stopped with a permit in hand.

Run as a module, this file is one such process: `python -m tests.integration.test_limiter_processes URL NAME MODE`.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis
from redis.asyncio import Redis

from tests.integration.limiter_books import Ask, Event, Wasted, excess, most_in_flight
from tests.process import Process, wait_until
from workers.limiter import Limiter, LimitPolicy, PausedError, Rate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from redis.commands.core import AsyncScript

    from tests.conftest import MakeValkey

ROOT = Path(__file__).resolve().parents[2]
EVENTS = "events"
GO_ON = "go-on"
LANE = "lane "
#: As long as a vendor's call takes here.
WORK_SECONDS = 0.03
#: Sends of a worker that is to die or to be stopped, before that.
NORMAL_SENDS = 5
#: On the clock of the server, like the grants.
RECORD = """
local t = redis.call('TIME')
return redis.call('RPUSH', KEYS[1], ARGV[1] .. ' ' .. string.format('%.0f', t[1] * 1000000 + t[2]))
"""


# --- the worker process


class Overheard(Limiter):
    """A limiter that prints what it asks for permits, and what it is answered."""

    def _post(self, operation: str, *arguments: str | int) -> asyncio.Future[Any]:
        told = super()._post(operation, *arguments)
        if operation == "acquire":
            told.add_done_callback(lambda told: self._print(arguments[2::3], told.result()))
        return told

    @staticmethod
    def _print(slot_ids: Sequence[str | int], answer: list[Any]) -> None:
        granted = {slot_id: int(at) for slot_id, at in zip(slot_ids, answer[6:], strict=True) if int(at)}
        asked = {"now_us": int(answer[0]), "wait_us": int(answer[1]), "reason": answer[2], "granted": granted}
        print(json.dumps(asked), flush=True)


async def nap(seconds: float) -> None:
    """Sleep, and print it where the limiter does so between two calls, and not for one who has a permit."""
    task = asyncio.current_task()
    if task is not None and not task.get_name().startswith(LANE):
        print(json.dumps({"nap": seconds}), flush=True)
    await asyncio.sleep(seconds)


class Worker:
    """Sends requests to a vendor that is only a list of events."""

    def __init__(self, client: Redis, name: str, policy: LimitPolicy) -> None:
        self._client = client
        self._name = name
        #: Set: what is under way ends, and nothing else is sent.
        self.ending = asyncio.Event()
        self._limiter = Overheard(client, "vendor", policy, sleep=nap)
        self._record: AsyncScript = client.register_script(RECORD)

    async def note(self, kind: str, slot_id: str, granted_at_us: int) -> None:
        await self._record(keys=[EVENTS], args=[f"{kind} {self._name} {slot_id} {granted_at_us}"])

    async def send(self, slot_id: str, *, hang: bool = False, dawdle: bool = False) -> None:
        permit = await self._limiter.acquire(slot_id)
        if dawdle:
            print("permit in hand", flush=True)
            await self._client.blpop([GO_ON])
        while not permit.fresh():
            await self.note("stale", slot_id, permit.granted_at_us)
            permit = await self._limiter.acquire(slot_id)
        await self.note("start", slot_id, permit.granted_at_us)
        if hang:
            print("request sent", flush=True)
            await asyncio.Event().wait()
        await asyncio.sleep(WORK_SECONDS)
        await self.note("finish", slot_id, permit.granted_at_us)
        await self._limiter.release(slot_id)
        await self.note("released", slot_id, permit.granted_at_us)

    async def keep_sending(self, lane: int, mode: str) -> None:
        for number in itertools.count():
            if self.ending.is_set():
                return
            special = number == NORMAL_SENDS
            with contextlib.suppress(PausedError):  # then the next one, at once: always-waiting work
                await self.send(
                    f"{self._name}-{lane}-{number}",
                    hang=special and mode == "dies",
                    dawdle=special and mode == "sleeps",
                )


async def main(url: str, name: str, mode: str, policy: str) -> None:
    async with Redis.from_url(url, decode_responses=True, socket_timeout=None) as client:
        worker = Worker(client, name, LimitPolicy.from_json(policy))
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.ending.set)
        lanes = 6 if mode == "busy" else 1
        async with asyncio.TaskGroup() as group:
            for lane in range(lanes):
                group.create_task(worker.keep_sending(lane, mode), name=f"{LANE}{lane}")


# --- the tests


class Fleet:
    """Worker processes on one server, and what they did."""

    def __init__(self, url: str, policy: LimitPolicy, folder: Path) -> None:
        self._url = url
        self._policy = policy
        self._folder = folder
        self.client = redis.Redis.from_url(url, decode_responses=True)

    def worker(self, name: str, mode: str, ready: str = "") -> Process:
        command = [sys.executable, "-m", "tests.integration.test_limiter_processes", self._url, name, mode]
        log = self._folder / f"{name}.log"
        return Process(
            name,
            [*command, self._policy.to_json()],
            log=log,
            ready=lambda: ready in log.read_text(),
            folder=ROOT,
        )

    def events(self) -> list[Event]:
        return [Event.read(str(text)) for text in self.client.lrange(EVENTS, 0, -1)]

    def asks(self) -> list[Ask]:
        """Return what the processes have asked, as they printed it."""
        found = []
        for log in self._folder.glob("*.log"):
            own: list[Ask] = []
            for line in log.read_text().splitlines():
                said = json.loads(line)
                if "nap" in said:
                    own[-1].naps.append(said["nap"])
                else:
                    own.append(Ask(log.stem, **said))
            found += own
        return found

    def starts(self) -> list[Event]:
        return [event for event in self.events() if event.kind == "start"]

    def wait_for_starts(self, count: int) -> None:
        wanted = len(self.starts()) + count
        wait_until(lambda: len(self.starts()) >= wanted, f"{count} more requests", 60)


@contextlib.contextmanager
def running(*workers: Process) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for worker in workers:
            stack.callback(worker.kill)
            worker.launch()
        for worker in workers:
            worker.wait_ready()
        yield


@pytest.fixture
def fleet(make_valkey: MakeValkey, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Fleet]:
    fleet = Fleet(make_valkey().url, request.param, tmp_path)
    with contextlib.closing(fleet.client):
        yield fleet


def test_the_checks_see_one_too_many() -> None:
    rate = Rate.parse("10/1s")
    assert excess([0, 100_000, 200_000], rate) == 0
    assert excess([0, 100_000, 199_000], rate) > 0
    assert excess([0, 100_000, 199_000], rate, late_seconds=0.001) == 0

    two = [Event("start", "w", "a", 0, 10), Event("start", "w", "b", 0, 20), Event("finish", "w", "a", 0, 30)]
    assert most_in_flight(two, 1.0) == 2
    assert most_in_flight([*two, Event("start", "w", "c", 40, 40)], 1.0) == 2
    assert most_in_flight([*two, Event("start", "w", "c", 25, 25)], 1.0) == 3


#: More often than it can be had is asked for both, permits and slots.
BUSY = LimitPolicy((Rate.parse("50/1s"),), 20, 5.0)


@pytest.mark.parametrize("fleet", [BUSY], indirect=True)
def test_four_processes_use_the_whole_rate_and_never_more(fleet: Fleet) -> None:
    names = ("w0", "w1", "w2", "w3")
    workers = [fleet.worker(name, "busy") for name in names]
    with running(*workers):
        wait_until(lambda: {event.worker for event in fleet.starts()} == {*names}, "all at work", 60)
        already = len(fleet.starts())
        fleet.wait_for_starts(200)
        for worker in workers:
            worker.terminate()
        assert [worker.wait(60) for worker in workers] == [0, 0, 0, 0]

    events, rate = fleet.events(), BUSY.rates[0]
    starts = [event for event in events if event.kind == "start"]
    assert excess([event.granted_at_us for event in starts], rate) <= 0
    assert excess([event.at_us for event in starts], rate, late_seconds=0.5) <= 0
    assert most_in_flight(events, BUSY.slot_seconds) <= BUSY.concurrency
    assert {event.worker for event in starts[already:]} == {*names}
    asks = fleet.asks()
    print(f"asked {len(asks)} times, refused by", Counter(ask.reason for ask in asks if ask.wait_us))
    assert Wasted(BUSY, events).faults(asks) == []
    assert {event.granted_at_us for event in events} == {at for ask in asks for at in ask.granted.values()}


@pytest.mark.parametrize("fleet", [LimitPolicy((Rate.parse("100/1s+2"),), 3, 1.5)], indirect=True)
def test_a_killed_holder_and_a_stopped_one_break_no_limit(fleet: Fleet) -> None:
    busy = [fleet.worker("busy0", "busy"), fleet.worker("busy1", "busy")]
    dies, sleeps = fleet.worker("dies", "dies", "request sent"), fleet.worker("sleeps", "sleeps", "permit in hand")
    with running(*busy, dies, sleeps):
        sleeps.stop_signal()
        dies.kill()
        fleet.client.rpush(GO_ON, "now")
        slot_id = f"sleeps-0-{NORMAL_SENDS}"
        wait_until(lambda: fleet.client.zscore("sr:{vendor}:limit:slots", slot_id) is None, "the slot runs out", 30)
        fleet.wait_for_starts(30)
        sleeps.cont()
        wait_until(lambda: any(event.slot_id == slot_id for event in fleet.starts()), "the sleeper sends", 30)
        fleet.wait_for_starts(30)

    events, rate = fleet.events(), Rate.parse("100/1s+2")
    assert excess([event.granted_at_us for event in events if event.kind == "start"], rate) <= 0
    assert excess([event.at_us for event in events if event.kind == "start"], rate, late_seconds=0.5) <= 0
    assert most_in_flight(events, 1.5) == 3  # never above, and the limit was reached
    old, *_, new = (event for event in events if event.slot_id == slot_id and event.kind in {"stale", "start"})
    assert (old.kind, new.kind) == ("stale", "start")
    assert new.granted_at_us - old.granted_at_us >= 1_500_000
    hung = max((event for event in events if event.worker == "dies"), key=lambda event: event.at_us)
    assert hung.kind == "start"
    free_again = hung.granted_at_us + 1_500_000
    assert most_in_flight([event for event in events if event.granted_at_us >= free_again], 1.5) == 3


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
