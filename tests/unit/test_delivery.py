"""Delivery: in order, never giving up, refused only for the command's own fault, results asked for a while."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from producers.outbox import Outbox, OutboxError, OutboxState, Stored
from producers.scanner import delivery as delivery_module
from producers.scanner.delivery import Delivery, backoff_seconds
from producers.scanner.receiver import Refused, Status, Taken, Unavailable, classify

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

KEY = "a" * 20
TAKEN = json.dumps({"key": KEY, "kind": "stock.move", "state": "ready", "duplicate": False}).encode()


@dataclass
class FakeRelay:
    """Answers each submission with the next of `answers` for its body, then takes it."""

    answers: dict[str, list[Taken | Refused | Unavailable]] = field(default_factory=lambda: defaultdict(list))
    states: dict[str, list[Status | Unavailable]] = field(default_factory=dict)
    bodies: list[str] = field(default_factory=list)

    async def submit(self, body: str) -> Taken | Refused | Unavailable:
        self.bodies.append(body)
        await asyncio.sleep(0)
        planned = self.answers[body]
        return planned.pop(0) if planned else Taken(duplicate=False)

    async def status(self, key: str) -> Status | Unavailable:
        await asyncio.sleep(0)
        planned = self.states[key]
        return planned.pop(0) if len(planned) > 1 else planned[0]


@dataclass
class News:
    """Everything the operator was told."""

    lines: list[tuple[str, OutboxState | None, str]] = field(default_factory=list)

    def __call__(self, stored: Stored, state: OutboxState | None, reason: str) -> None:
        self.lines.append((stored.key, state, reason))

    @property
    def states(self) -> list[tuple[str, OutboxState | None]]:
        return [(key, state) for key, state, _ in self.lines]


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with Outbox(tmp_path / "outbox.sqlite3", "ST-01") as outbox:
        yield outbox


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery_module, "BACKOFF_FIRST_SECONDS", 0.001)
    monkeypatch.setattr(delivery_module, "BACKOFF_MAX_SECONDS", 0.01)
    monkeypatch.setattr(delivery_module, "ASK_FIRST_SECONDS", 0.001)
    monkeypatch.setattr(delivery_module, "ASK_MAX_SECONDS", 0.01)
    monkeypatch.setattr(delivery_module, "_DISK_TROUBLE_SECONDS", 0.001)


def _store(outbox: Outbox, *names: str) -> None:
    for name in names:
        outbox.store(key=name, stock_timestamp=1, body=name, summary=name)


@contextlib.asynccontextmanager
async def _running(delivery: Delivery) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(delivery.deliver()), asyncio.create_task(delivery.follow())]
    try:
        async with asyncio.timeout(10):
            yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_failing_head_is_repeated_unchanged_before_its_successors(outbox: Outbox) -> None:
    _store(outbox, "one", "two")
    relay, news = FakeRelay(), News()
    relay.answers["one"] = [Unavailable("away"), Unavailable("away"), Taken(duplicate=True)]

    delivery = Delivery(outbox, relay, news, results_seconds=0)
    async with _running(delivery):
        await delivery.finish()

    assert relay.bodies == ["one", "one", "one", "two"]
    assert news.states == [
        ("one", None),
        ("one", None),
        ("one", OutboxState.SENT),
        ("two", OutboxState.SENT),
    ]
    assert "2 waiting" in news.lines[0][2]


async def test_a_refused_command_is_told_and_lets_the_next_through(outbox: Outbox) -> None:
    _store(outbox, "one", "two")
    relay, news = FakeRelay(), News()
    relay.answers["one"] = [Refused("status 422: part_id: unknown")]

    delivery = Delivery(outbox, relay, news, results_seconds=0)
    async with _running(delivery):
        await delivery.finish()

    assert news.lines[0] == ("one", OutboxState.REFUSED, "status 422: part_id: unknown")
    assert news.states[1] == ("two", OutboxState.SENT)
    assert delivery.refused == 1


async def test_what_is_stored_while_nothing_waits_is_sent_at_once(outbox: Outbox) -> None:
    relay = FakeRelay()
    delivery = Delivery(outbox, relay, News(), results_seconds=0)

    async with _running(delivery):
        await delivery.finish()
        await asyncio.sleep(0.01)
        _store(outbox, "late")
        delivery.wake()
        await delivery.finish()

    assert relay.bodies == ["late"]


async def test_the_results_of_delivered_commands_are_told_with_the_vendors_reason(outbox: Outbox) -> None:
    _store(outbox, "one", "two")
    relay, news = FakeRelay(), News()
    relay.states["one"] = [Status("sending", ""), Unavailable("away"), Status("applied", "")]
    relay.states["two"] = [Status("ready", ""), Status("rejected", "not enough stock")]

    delivery = Delivery(outbox, relay, news, results_seconds=60)
    async with _running(delivery):
        await delivery.finish()

    assert ("one", OutboxState.APPLIED, "") in news.lines
    assert ("two", OutboxState.REJECTED, "not enough stock") in news.lines
    assert outbox.unanswered(since_ms=0) == ()


async def test_a_result_that_never_comes_ends_as_unanswered(outbox: Outbox) -> None:
    _store(outbox, "one")
    relay, news = FakeRelay(), News()
    relay.states["one"] = [Status("waiting", "")]

    delivery = Delivery(outbox, relay, news, results_seconds=0.05)
    async with _running(delivery):
        await delivery.finish()

    assert news.states[-1] == ("one", OutboxState.UNANSWERED)


async def test_a_disk_that_cannot_note_the_delivery_makes_it_repeat_not_stop(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    _store(outbox, "one")
    relay, news = FakeRelay(), News()
    failures = 2
    mark_sent = outbox.mark_sent

    def failing(stored: Stored) -> None:
        nonlocal failures
        if failures:
            failures -= 1
            raise OutboxError("outbox: database or disk is full")
        mark_sent(stored)

    monkeypatch.setattr(outbox, "mark_sent", failing)
    delivery = Delivery(outbox, relay, news, results_seconds=0)
    async with _running(delivery):
        await delivery.finish()

    assert relay.bodies == ["one", "one", "one"]
    assert news.lines[0][2] == "outbox: database or disk is full"


def test_the_backoff_doubles_to_a_ceiling_and_is_spread_from_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    ranges = [backoff_seconds(attempts, lambda low, high: low + high) for attempts in (0, 1, 2, 6, 7, 8, 1_000_000)]

    assert ranges == [0.5, 1.0, 2.0, 32.0, 60.0, 60.0, 60.0]
    assert backoff_seconds(5, lambda low, _: low) == 0.0


@pytest.mark.parametrize("status", [200, 202])
def test_the_relays_own_answer_counts_as_taken(status: int) -> None:
    assert classify(status, {}, TAKEN) == Taken(duplicate=False)
    assert classify(status, {}, TAKEN.replace(b"false", b"true")) == Taken(duplicate=True)


@pytest.mark.parametrize(
    "body", [b"", b"<html>Welcome to the guest network</html>", b"{}", b'{"key": 5}', b"[1]", b"\xff"]
)
def test_a_strangers_200_is_not_taken_for_the_relays(body: bytes) -> None:
    assert isinstance(classify(200, {}, body), Unavailable)


@pytest.mark.parametrize(
    "status", [201, 204, 301, 302, 307, 401, 403, 404, 405, 408, 409, 425, 429, 500, 502, 503, 504]
)
def test_what_says_nothing_against_the_command_keeps_it(status: int) -> None:
    assert isinstance(classify(status, {}, b""), Unavailable)


@pytest.mark.parametrize("status", [400, 410, 413, 415, 422])
def test_what_is_said_against_the_command_refuses_it_with_the_reason(status: int) -> None:
    problem = {"title": "Unprocessable", "errors": [{"field": "quantity", "value": "0", "message": "too small"}]}

    answer = classify(status, {}, json.dumps(problem).encode())

    assert answer == Refused(f"status {status}: quantity: too small")


@pytest.mark.parametrize("problem", [{"errors": 5}, {"errors": [5]}, {"detail": {}}, {"detail": "a\x1b[31m\nb"}, {}])
def test_a_strange_problem_document_still_gives_a_printable_reason(problem: object) -> None:
    answer = classify(422, {}, json.dumps(problem).encode())

    assert isinstance(answer, Refused)
    assert answer.reason.isprintable()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("5", 5.0),
        ("0", 0.0),
        ("3600", 60.0),
        ("999999999", 0.0),
        ("-1", 0.0),
        ("٣", 0.0),
        ("Wed, 21 Oct 2026", 0.0),
        ("", 0.0),
    ],
)
def test_a_retry_after_is_kept_to_within_a_minute(value: str, seconds: float) -> None:
    answer = classify(503, {"Retry-After": value}, b"")

    assert isinstance(answer, Unavailable)
    assert answer.retry_after_seconds == seconds
