"""The writer: many tasks share a flush, each gets its own answer, and a mistake of one is nobody else's."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from producers.outbox import Capture, Outbox, OutboxError, OutboxFullError
from producers.outbox_writer import MOST_TOGETHER, OutboxWriter

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path


class CountingOutbox(Outbox):
    """Counts its transactions; while `gate` is shut, storing waits at it."""

    def __init__(self, path: Path, **limits: Any) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.waits_at_gate = threading.Event()
        self.together: list[int] = []
        super().__init__(path, "P", **limits)

    def add(self, database: sqlite3.Connection, *captures: Capture) -> tuple[bool, ...]:
        self.waits_at_gate.set()
        assert self.gate.wait(60)
        changes = database.total_changes
        try:
            return super().add(database, *captures)
        finally:
            self.together.append(database.total_changes - changes)


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[CountingOutbox]:
    with CountingOutbox(tmp_path / "o.sqlite3", max_bytes=2_000_000) as outbox:
        yield outbox


def _capture(name: str) -> Capture:
    return Capture(name, ("a",), 1, "{}", name)


async def test_each_task_gets_its_own_answer_after_the_flush(outbox: CountingOutbox) -> None:
    outbox.store(_capture("there"))
    async with OutboxWriter(outbox) as writer:
        answers = await asyncio.gather(
            writer.store(_capture("one"), _capture("two")),
            writer.store(_capture("there")),
            *(writer.store(_capture(str(number))) for number in range(200)),
        )

    assert answers == [(True, True), (False,), *[(True,)] * 200]
    assert [stored.key for stored in outbox.due(500)] == ["there", "one", "two", *map(str, range(200))]


async def test_what_arrives_during_a_flush_shares_the_next_one(outbox: CountingOutbox) -> None:
    begun = 0
    original = outbox.changing

    def counting() -> Any:
        nonlocal begun
        begun += 1
        return original()

    outbox.changing = counting  # type: ignore[method-assign]
    async with OutboxWriter(outbox) as writer:
        outbox.gate.clear()
        first = asyncio.create_task(writer.store(_capture("first")))
        assert await asyncio.to_thread(outbox.waits_at_gate.wait, 60)
        others = [asyncio.create_task(writer.store(_capture(str(number)))) for number in range(MOST_TOGETHER + 1)]
        await asyncio.sleep(0)  # each has put its request
        outbox.gate.set()
        await asyncio.gather(first, *others)

    assert begun == 3


async def test_one_that_cannot_be_stored_fails_alone(outbox: CountingOutbox) -> None:
    async with OutboxWriter(outbox) as writer:
        outbox.gate.clear()
        tasks = [asyncio.create_task(writer.store(_capture("before")))]
        assert await asyncio.to_thread(outbox.waits_at_gate.wait, 60)
        tasks += [
            asyncio.create_task(writer.store(_capture("good"))),
            asyncio.create_task(writer.store(Capture("large", (), 1, "x" * 3_000_000, ""))),
            asyncio.create_task(writer.store(Capture("wrong", (), None, "{}", ""))),  # type: ignore[arg-type]
            asyncio.create_task(writer.store(_capture("good too"))),
        ]
        await asyncio.sleep(0)
        outbox.gate.set()
        before, good, large, wrong, too = await asyncio.gather(*tasks, return_exceptions=True)

    assert (before, good, too) == ((True,),) * 3
    assert isinstance(large, OutboxFullError)
    assert isinstance(wrong, OutboxError)
    assert not isinstance(wrong, OutboxFullError)
    assert [stored.key for stored in outbox.due(500)] == ["before", "good", "good too"]


async def test_a_task_that_is_cancelled_disturbs_nobody(outbox: CountingOutbox) -> None:
    async with OutboxWriter(outbox) as writer:
        outbox.gate.clear()
        gone = asyncio.create_task(writer.store(_capture("gone")))
        assert await asyncio.to_thread(outbox.waits_at_gate.wait, 60)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        outbox.gate.set()
        assert await writer.store(_capture("next")) == (True,)

    assert [stored.key for stored in outbox.due(500)] == ["gone", "next"]


async def test_what_was_asked_before_the_end_is_stored_and_what_comes_after_is_refused(outbox: CountingOutbox) -> None:
    async with OutboxWriter(outbox) as writer:
        tasks = [asyncio.create_task(writer.store(_capture(str(number)))) for number in range(100)]
        await asyncio.sleep(0)

    assert await asyncio.gather(*tasks) == [(True,)] * 100
    with pytest.raises(OutboxError, match="closed"):
        await writer.store(_capture("late"))
