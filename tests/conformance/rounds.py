"""A round: every case at once against the sandboxes, each with its own disturbance, until each has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tasks.effects import Effect
from tasks.endings import end_loops
from tasks.records import CommandRecord, State
from tasks.redis_client import open_redis
from tasks.registry import command_type
from tasks.submit import to_new_command
from tests.conformance.catalogue import CASES, ROUTES, Case, Scene, Vendors
from tests.relay import consuming, open_relay, settings_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from redis.asyncio import Redis

    from tests.conformance.fault_classes import FaultClass
    from tests.relay import Relay
    from tests.sandbox.faults import Fault
    from workers.vendor_settings import VendorSettings

#: Four times as long as the latest commit, so that a machine that does something else for a while breaks no promise.
SETTLE_SECONDS = 1.2
#: Long enough for a machine that does something else: a read that times out costs an attempt.
TIMEOUT_SECONDS = 15.0
#: A request that hangs is given up sooner; aiohttp waits two thirds of it for an answer.
HANGING_SECONDS = 6.0
#: Of a whole round, on such a machine.
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Seen:
    """What became of one case."""

    #: Of the command that writes.
    record: CommandRecord
    #: Of the command that was submitted.
    parent: State
    effects: int
    found: Any
    wanted: Any
    #: How often its disturbance came about.
    fired: int
    #: A person sees it among the dead letters.
    dead: bool
    #: What a colleague made of it meanwhile.
    left: Any = None

    def __str__(self) -> str:
        return f"{self.record.state} “{self.record.reason}”, {self.record.attempts} attempts, {self.record.waits} waits"


@dataclass
class Round:
    """The cases that are played, set up at the vendors."""

    redis: Redis
    vendors: Vendors
    relay: Relay
    scenes: dict[Case, Scene]

    def switch(self, case: Case, kind: str, **options: Any) -> Fault:
        """Set a fault that hits the write of one case."""
        faults = self.vendors.of(case.vendor).faults
        return faults.add(kind, case.operation, match=self.scenes[case].about, **options)

    def disturb(self, case: Case, fault: FaultClass) -> Fault:
        """Let this happen to the write of one case."""
        item = {fault.item_option: self.scenes[case].about} if fault.item_option else {}
        return self.switch(case, fault.kind, count=fault.count, **fault.options, **item)

    async def admit(self, case: Case) -> str:
        """Put the command into its ledger, an internal kind too."""
        command = self.scenes[case].command
        new = to_new_command(command, command.key(), "conformance")
        (admission,) = await self.relay.ledger_of(command.vendor).admit([new])
        return admission.key

    async def writer(self, case: Case) -> str:
        """Find the command that writes: the case's own, or the descendant that it becomes."""
        key = self.scenes[case].command.key()
        while True:
            record = await self.relay.find(key)
            assert record is not None
            if record.kind == case.writer or (record.state.is_final and not record.children):
                return record.key
            children = [child for child in [await self.relay.find(name) for name in record.children] if child]
            wanted = [child for child in children if child.kind == case.writer]
            wanted += [child for child in children if command_type(child.kind).effect is Effect.EXPAND]
            key = wanted[0].key if wanted else key
            await asyncio.sleep(0.01)

    async def ended(self, case: Case, switch: Fault | None = None) -> Seen:
        """Wait for the end of a case, and see what is there."""
        scene = self.scenes[case]
        record = await self.relay.until(await self.writer(case), timeout_seconds=PATIENCE_SECONDS)
        parent = scene.command.key()
        last = await (
            self.relay.until(parent, timeout_seconds=PATIENCE_SECONDS)
            if record.state is State.APPLIED
            else self.relay.find(parent)
        )
        assert last is not None
        dead = record.key in {letter.key for letter in await self.relay.ledger_of(record.vendor).dead_letters()}
        fired = switch.fired if switch else 0
        effects = len(case.effects(self.vendors, scene))
        return Seen(record, last.state, effects, scene.found(), scene.wanted, fired, dead)

    async def endings(self, switches: Mapping[Case, Fault] | None = None) -> dict[str, Seen | Exception]:
        """Wait for the end of all cases; give what became of each by its name."""
        given = switches or {}
        return {case.name: await _or_error(self.ended(case, given.get(case))) for case in self.scenes}


@asynccontextmanager
async def opened(
    redis_url: str, cases: Iterable[Case] = CASES.values(), *, timeout_seconds: float = TIMEOUT_SECONDS
) -> AsyncIterator[Round]:
    """Open a round on an emptied server; its relay takes nothing yet."""
    redis = open_redis(redis_url)
    try:
        await redis.flushall()
        async with (
            Vendors.running() as vendors,
            open_relay(redis, _settings(vendors, timeout_seconds), routes=ROUTES) as relay,
        ):
            yield Round(redis, vendors, relay, {case: case.prepare(vendors) for case in cases})
    finally:
        await redis.aclose()


#: Plays a round, and gives what became of each case by its name.
Play = Callable[[str], Awaitable["dict[str, Seen | Exception]"]]


class Rounds:
    """The rounds that were played in this session: a round costs as much as one case alone, or a little more."""

    def __init__(self, redis_url: str) -> None:
        self._redis_url = redis_url
        self._played: dict[str, dict[str, Seen | Exception] | Exception] = {}

    async def seen(self, name: str, play: Play, case: Case) -> Seen:
        """Give what became of one case in the round of this name."""
        if name not in self._played:
            try:
                self._played[name] = await play(self._redis_url)
            except Exception as error:  # noqa: BLE001  every test of this round fails with it
                self._played[name] = error
        played = self._played[name]
        seen = played[case.name] if isinstance(played, dict) else played
        if isinstance(seen, Exception):
            raise seen
        return seen


def _settings(vendors: Vendors, timeout_seconds: float) -> list[VendorSettings]:
    times: dict[str, Any] = {"settle_seconds": SETTLE_SECONDS, "timeout_seconds": timeout_seconds}
    # every case at once, and the slots that lost requests keep
    wide = {"concurrency": 2 * len(CASES), **times}
    return [
        settings_of(vendors.partsbox, **wide),
        settings_of(vendors.partium, **wide),
        settings_of(vendors.openbom, **times),
        settings_of(vendors.partbolt, **times),
    ]


async def disturbed(fault: FaultClass, redis_url: str) -> dict[str, Seen | Exception]:
    """Play a round in which each case is hit by this fault alone."""
    seconds = HANGING_SECONDS if fault.kind == "hang" else TIMEOUT_SECONDS
    async with opened(redis_url, fault.cases(), timeout_seconds=seconds) as played:
        switches = {case: played.disturb(case, fault) for case in played.scenes}
        for case in played.scenes:
            await played.admit(case)
        async with consuming(played.relay), reopening(played.relay):
            return await played.endings(switches)


@asynccontextmanager
async def reopening(relay: Relay) -> AsyncIterator[None]:
    """Be the operator who resumes every vendor as soon as it is paused."""

    async def resume() -> None:
        while True:
            for executor in relay.executors.values():
                if await executor.outcomes.limiter.paused():
                    await executor.outcomes.limiter.resume()
            await asyncio.sleep(0.05)

    loop = asyncio.create_task(resume())
    try:
        yield
    finally:
        await end_loops([loop])


async def _or_error(ending: Awaitable[Seen]) -> Seen | Exception:
    try:
        return await ending
    except Exception as error:  # noqa: BLE001  the tests of this case fail with it, those of the others do not
        return error
