"""The two books that every verdict is read from: the vendor's journal and the ledger."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final

from tasks.identity import marker_of
from tasks.ledger import Ledger, prefix_of
from tasks.records import State
from tasks.submit import Submitter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from redis.asyncio import Redis

    from tasks.commands import Command
    from tasks.records import CommandRecord
    from tests.chaos.batch import Batch

VENDOR: Final = "partsbox"
#: Far more than anything here takes, on a busy machine.
PATIENCE_SECONDS: Final = 60.0

#: kind -> the keys of its command and of the one behind it
Keys = dict[str, tuple[str, str]]


async def eventually(condition: Callable[[], Any], what: str) -> None:
    """Wait until the condition, a function or a coroutine function, holds; raise TimeoutError naming `what`."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        holds = condition()
        if asyncio.iscoroutine(holds):
            holds = await holds
        if holds:
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {PATIENCE_SECONDS:g} s")
        await asyncio.sleep(0.02)


class Books(ABC):
    """What a test knows of its commands, from the ledger and from the vendor."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.ledger = Ledger(redis, VENDOR)
        self._submitter = Submitter(redis)

    # the vendor's

    @abstractmethod
    def load(self, fixture: dict[str, Any]) -> None:
        """Put parts, stock and orders into the vendor."""

    @abstractmethod
    def effects(self, part_id: str) -> list[tuple[str, str | None]]:
        """Operation and marker of everything we changed at a part, in the order committed."""

    def surroundings(self) -> str:
        """What a failure should show of everything around."""
        return "all in this process"

    # the ledger's

    async def submit(self, command: Command) -> str:
        return (await self._submitter.submit(command)).key

    async def submit_batch(self, batch: Batch) -> Keys:
        """Load what the batch needs and submit for each kind its command and the one behind it."""
        self.load(batch.fixture())
        first = {kind: await self.submit(batch.command(kind)) for kind in batch.kinds}
        return {kind: (first[kind], await self.submit(batch.follower(kind))) for kind in batch.kinds}

    async def record(self, key: str) -> CommandRecord:
        found = await self.ledger.find(key)
        assert found is not None, f"the ledger lost {key}"
        return found

    async def state(self, key: str) -> State:
        return (await self.record(key)).state

    async def until_state(self, state: State, *keys: str) -> None:
        """Wait until every one of the commands is in the state; raise AssertionError showing those that are not."""
        records: list[CommandRecord] = []

        async def all_there() -> bool:
            records[:] = [await self.record(key) for key in keys]
            return all(record.state is state for record in records)

        try:
            await eventually(all_there, f"every command is {state}")
        except TimeoutError as error:
            others = [(record.kind, record.state, record.reason) for record in records if record.state is not state]
            raise AssertionError(f"not {state}: {others}; {self.surroundings()}") from error

    async def writers(self, key: str) -> tuple[str, ...]:
        """The keys under which a command writes: its own, or those of what it became."""
        record = await self.record(key)
        return record.children if record.total else (key,)

    async def now_ms(self) -> int:
        """The server's clock, which the ledger's times are of."""
        seconds, micros = await self.redis.time()
        return int(seconds) * 1000 + int(micros) // 1000

    # the verdict

    async def assert_each_once_in_order(self, batch: Batch, keys: Mapping[str, tuple[str, str]]) -> None:
        """Both books agree: every command applied, one effect each, in the order accepted, and nothing is left over."""
        await self.until_state(State.APPLIED, *(key for pair in keys.values() for key in pair))
        seen, wanted = {}, {}
        for kind, pair in keys.items():
            writers = [writer for key in pair for writer in await self.writers(key)]
            marked = [None if kind == "stock.correct" else marker_of(writers[0]), marker_of(writers[1])]
            wanted[kind] = [State.APPLIED, *zip(batch.operations(kind), marked, strict=True)]
            seen[kind] = [*{await self.state(writer) for writer in writers}, *self.effects(batch.part(kind))]
        assert seen == wanted, {kind: (seen[kind], wanted[kind]) for kind in keys if seen[kind] != wanted[kind]}
        await self.assert_at_rest()

    async def assert_at_rest(self) -> None:
        """Nothing waits, runs or is in doubt, and no lane is taken."""
        prefix = prefix_of(VENDOR)
        indexes = ("ready", "sending", "delayed", "doubt")
        left = {name: await self.redis.zrange(prefix + name, 0, -1) for name in indexes}
        assert not any(left.values()), left
        assert not [key async for key in self.redis.scan_iter(match=f"{prefix}lane:*")]
