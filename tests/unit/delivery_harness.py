"""A relay for the tests of the delivery, which answers as planned, and what the operator is told."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from producers import delivery as delivery_module
from producers import results as results_module
from producers.delivery import Delivery
from producers.handover import Answer, Gap, Opened, Status, Taken, Told, Unavailable
from producers.outbox import Capture, Outbox, OutboxState, Stored

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
    from pathlib import Path


AWAY = Unavailable("away")
STUCK = Unavailable("not this one", alone=True)
TAKEN = Taken(duplicate=False)


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with Outbox(tmp_path / "outbox.sqlite3", "ST-01") as outbox:
        yield outbox


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results_module, "BACKOFF_FIRST_SECONDS", 0.001)
    monkeypatch.setattr(results_module, "BACKOFF_MAX_SECONDS", 0.01)
    monkeypatch.setattr(results_module, "ASK_FIRST_SECONDS", 0.001)
    monkeypatch.setattr(results_module, "ASK_MAX_SECONDS", 0.01)
    monkeypatch.setattr(results_module, "DISK_TROUBLE_SECONDS", 0.001)
    monkeypatch.setattr(delivery_module, "LOOK_AGAIN_SECONDS", 0.05)


@dataclass
class FakeRelay:
    """Answers each entry with the next of `answers` for its key, then takes it; `hears` are events of the stream."""

    answers: dict[str, list[Answer]] = field(default_factory=lambda: defaultdict(list))
    states: dict[str, list[Status] | None] = field(default_factory=dict)
    batches: list[list[str]] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    asked: list[list[str]] = field(default_factory=list)
    was_asked: asyncio.Event = field(default_factory=asyncio.Event)
    status_away: int = 0
    positions: list[str | None] = field(default_factory=list)
    has_stream: bool = True
    hears: asyncio.Queue[Told | Gap | None] = field(default_factory=asyncio.Queue)

    async def submit(self, batch: Sequence[Stored]) -> Sequence[Answer]:
        self.batches.append([stored.key for stored in batch])
        await asyncio.sleep(0)
        return [self._answer(stored) for stored in batch]

    def _answer(self, stored: Stored) -> Answer:
        planned = self.answers[stored.key]
        answer = planned.pop(0) if planned else TAKEN
        if isinstance(answer, Taken):
            self.taken.append(stored.key)
        return answer

    async def status(self, keys: Sequence[str]) -> Mapping[str, Status] | Unavailable:
        self.asked.append(list(keys))
        self.was_asked.set()
        await asyncio.sleep(0)
        if self.status_away:
            self.status_away -= 1
            return AWAY
        found = {}
        for key in keys:
            planned = self.states.get(key)
            if planned:
                found[key] = planned.pop(0) if len(planned) > 1 else planned[0]
        return found

    async def listen(self, position: str | None) -> AsyncGenerator[Opened | Told | Gap, None]:
        self.positions.append(position)
        if not self.has_stream:
            return
        yield Opened()
        while (news := await self.hears.get()) is not None:
            yield news


@dataclass
class News:
    """Everything the operator was told."""

    lines: list[tuple[str, OutboxState | None, str]] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, stored: Stored, state: OutboxState | None, reason: str) -> None:
        self.lines.append((stored.key, state, reason))
        self.arrived.set()

    @property
    def states(self) -> list[tuple[str, OutboxState | None]]:
        return [(key, state) for key, state, _ in self.lines]

    async def until(self, key: str, state: OutboxState | None) -> None:
        while (key, state) not in self.states:
            self.arrived.clear()
            await self.arrived.wait()


def store(outbox: Outbox, *names: str, lane: str = "") -> None:
    outbox.store(*(Capture(name, (lane or f"lane of {name}",), 1, f'"{name}"', name) for name in names))


@contextlib.asynccontextmanager
async def running(delivery: Delivery) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(delivery.deliver()), asyncio.create_task(delivery.follow())]
    try:
        async with asyncio.timeout(60):
            yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def run(outbox: Outbox, relay: FakeRelay, results_seconds: float = 0) -> tuple[News, Delivery]:
    news = News()
    delivery = Delivery(outbox, relay, news, results_seconds=results_seconds)
    async with running(delivery):
        await delivery.finish()
    return news, delivery
