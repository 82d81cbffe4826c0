"""The order of an outbox against a plain model: no entry overtakes another of its lanes, and all are delivered."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from producers.outbox import Capture, Outbox, OutboxState, Stored

if TYPE_CHECKING:
    from collections.abc import Callable

START_MS = 1_800_000_000_000
LANES = st.lists(st.sampled_from("abcd"), max_size=3, unique=True)


def _shares(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    return not one or not other or not set(one).isdisjoint(other)


def expected(rows: list[Stored], limit: int, now_ms: int) -> list[int]:
    """Choose by the words of `due` alone."""
    chosen: list[int] = []
    passed: list[Stored] = []
    for row in rows:
        if len(chosen) == limit:
            break
        if row.next_at_ms <= now_ms and not any(_shares(row.lanes, before.lanes) for before in passed):
            chosen.append(row.seq)
        else:
            passed.append(row)
    return chosen


class OutboxOrder(RuleBasedStateMachine):
    """Everything that can happen to entries, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self._now_ms = START_MS
        self._next = 0
        self._outbox = self._open()

    def _open(self) -> Outbox:
        return Outbox(Path(self._folder.name) / "o.sqlite3", "P", clock_ms=lambda: self._now_ms)

    def teardown(self) -> None:
        while batch := self._outbox.due(3):
            self._outbox.mark_sent(*self._outbox.offer(batch))
        self._now_ms += 60_000
        while batch := self._outbox.due(3):
            self._outbox.mark_sent(*self._outbox.offer(batch))
        left = self._outbox.count_undelivered()
        with self._outbox.changing() as database:
            assert database.execute("SELECT COUNT(*) FROM lane").fetchone() == (0,)
        self._outbox.close()
        self._folder.cleanup()
        assert left == 0

    @rule(lanes=st.lists(LANES, min_size=1, max_size=5))
    def store(self, lanes: list[list[str]]) -> None:
        captures = [Capture(str(self._next + place), tuple(one), 1, "{}", "") for place, one in enumerate(lanes)]
        self._next += len(lanes)
        assert all(self._outbox.store(*captures))

    @rule(place=st.integers(0, 30), seconds=st.integers(1, 20))
    def postpone(self, place: int, seconds: int) -> None:
        self._with_undelivered(place, lambda one: self._outbox.postpone(one, seconds, "away"))

    @rule(place=st.integers(0, 30))
    def refuse(self, place: int) -> None:
        self._with_undelivered(place, lambda one: self._outbox.mark_refused(one, "no"))

    @rule(place=st.integers(0, 30))
    def withdraw(self, place: int) -> None:
        self._with_undelivered(place, lambda one: self._outbox.withdraw(one.key))

    @rule(place=st.integers(0, 30))
    def answer(self, place: int) -> None:
        self._with_undelivered(place, lambda one: self._outbox.mark_answered(one.key, OutboxState.APPLIED, ""))

    @rule(count=st.integers(1, 4))
    def deliver(self, count: int) -> None:
        self._outbox.mark_sent(*self._outbox.offer(self._outbox.due(count)))

    @rule(place=st.integers(0, 5))
    def retry(self, place: int) -> None:
        refused = self._outbox.rows(OutboxState.REFUSED)
        if refused:
            assert self._outbox.retry(refused[place % len(refused)].key)

    @rule(seconds=st.integers(1, 15))
    def wait(self, seconds: int) -> None:
        self._now_ms += seconds * 1000

    @rule()
    def reopen(self) -> None:
        self._outbox.close()
        self._outbox = self._open()

    @invariant()
    def gives_what_the_words_say(self) -> None:
        rows = list(self._outbox.every_row(OutboxState.STORED))
        for limit in (1, 2, 500):
            assert [one.seq for one in self._outbox.due(limit)] == expected(rows, limit, self._now_ms)
        next_ms = self._outbox.next_due_ms()
        assert (next_ms is None) == (not rows)
        # never a moment that has come while nothing is due: who waits for it would spin
        assert next_ms is None or (next_ms <= self._now_ms) == bool(self._outbox.due(1))

    def _with_undelivered(self, place: int, change: Callable[[Stored], object]) -> None:
        rows = self._outbox.rows(OutboxState.STORED)
        if rows:
            change(rows[place % len(rows)])


OutboxOrder.TestCase.settings = settings(max_examples=30, stateful_step_count=25, deadline=None, database=None)
TestOutboxOrder = OutboxOrder.TestCase


@pytest.mark.parametrize("seed", range(3))
def test_a_long_queue_with_stuck_entries_is_delivered_in_order_whatever_the_batch(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    now_ms = START_MS
    delivered: list[Stored] = []
    with Outbox(tmp_path / "o.sqlite3", "P", clock_ms=lambda: now_ms) as outbox:
        outbox.store(*(Capture(str(number), _lanes(chance), 1, "{}", "") for number in range(400)))
        while outbox.count_undelivered():
            with outbox.changing():
                for one in outbox.offer(outbox.due(chance.randrange(1, 60))):
                    if chance.random() < 0.2:
                        outbox.postpone(one, chance.random() * 10, "away")
                        break
                    outbox.mark_sent(one)
                    delivered.append(one)
            now_ms += 500

    assert sorted(one.seq for one in delivered) == list(range(1, 401))
    for place, one in enumerate(delivered):
        assert not any(_shares(one.lanes, later.lanes) and later.seq < one.seq for later in delivered[place:])


def _lanes(chance: random.Random) -> tuple[str, ...]:
    return tuple(f"part:{chance.randrange(12)}" for _ in range(0 if chance.random() < 0.03 else chance.randrange(1, 3)))
