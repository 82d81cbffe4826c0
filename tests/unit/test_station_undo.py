"""UNDO: what it takes back, how, and what it refuses, whatever has become of the entry meanwhile."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from producers.outbox import Outbox, OutboxState
from producers.scanner.flows import Tone
from producers.scanner.station import SCHEMA
from tests.unit.station_desk import Desk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from producers.outbox import Stored

SHELF, BIN, OPAMP = ("a" * 25 + "1", "b" * 25 + "1", "p" * 25 + "3")
ENTRIES = {
    "stock.move": ("!MOVE", "@shelf", "@opamp", "=5", "@bin"),
    "stock.add": ("!ADD", "@opamp", "=5", "@bin"),
    "stock.remove": ("!REMOVE", "@opamp", "=5", "@bin"),
    "order.receive": ("!RECEIVE", "@order", "@bin"),
}
OPPOSITES = {
    "stock.move": ("stock.move", {"from_storage_id": BIN, "to_storage_id": SHELF}),
    "stock.add": ("stock.remove", {"storage_id": BIN}),
    "stock.remove": ("stock.add", {"storage_id": BIN}),
}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Outbox(tmp_path / "outbox.sqlite3", "ST-01", schema=SCHEMA) as outbox:
        yield Desk(outbox)


def _entry(desk: Desk, kind: str, state: OutboxState | None = None) -> Stored:
    """Store an entry of this kind and let that become of it."""
    desk.scan(*ENTRIES[kind])
    stored = desk.outbox.rows(limit=1, newest_first=True)[0]
    if state is None:
        return stored
    desk.outbox.offer([stored])
    if state is OutboxState.REFUSED:
        desk.outbox.mark_refused(stored, "not ours")
    elif state is not OutboxState.STORED:
        desk.outbox.mark_sent(stored)
        if state is not OutboxState.SENT:
            desk.outbox.mark_answered(stored.key, state, "")
    return stored


def _bodies(desk: Desk, after: Stored) -> list[dict[str, Any]]:
    return [json.loads(row.body) for row in desk.outbox.rows(after_seq=after.seq)]


@pytest.mark.parametrize("kind", ENTRIES)
def test_an_entry_that_has_not_left_is_withdrawn_and_nothing_else_is_stored(desk: Desk, kind: str) -> None:
    stored = _entry(desk, kind)

    (feedback,) = desk.scan("!UNDO")

    assert (feedback.tone, feedback.key) == (Tone.UNDONE, None)
    assert stored.summary in feedback.detail
    assert [row.state for row in desk.outbox.rows()] == [OutboxState.WITHDRAWN]


@pytest.mark.parametrize("kind", OPPOSITES)
def test_a_booked_entry_is_undone_by_its_opposite_behind_it(desk: Desk, kind: str) -> None:
    stored = _entry(desk, kind, OutboxState.APPLIED)

    (feedback,) = desk.scan("!UNDO")

    (row,) = desk.outbox.rows(after_seq=stored.seq)
    body = json.loads(row.body)
    opposite, places = OPPOSITES[kind]
    assert (feedback.tone, feedback.key) == (Tone.UNDONE, row.key)
    assert body["kind"] == opposite
    assert {name: body[name] for name in places} == places
    assert (body["part_id"], body["quantity"]) == (OPAMP, 5)
    assert body["stock_timestamp"] > stored.stock_timestamp
    assert body["comments"] == row.summary == f"UNDO {stored.summary}"
    assert json.loads(row.origin)["undoes"] == stored.key


@pytest.mark.parametrize("state", [OutboxState.REFUSED, OutboxState.REJECTED, OutboxState.CANCELLED])
def test_what_was_never_booked_needs_no_opposite(desk: Desk, state: OutboxState) -> None:
    stored = _entry(desk, "stock.move", state)

    (feedback,) = desk.scan("!UNDO")

    assert feedback.tone is Tone.UNDONE
    assert f"never booked ({state.value})" in feedback.detail
    assert _bodies(desk, stored) == []


@pytest.mark.parametrize("state", [OutboxState.STORED, OutboxState.SENT])
def test_undo_of_what_is_on_its_way_waits_and_follows_when_it_is_booked(desk: Desk, state: OutboxState) -> None:
    stored = _entry(desk, "stock.add", state)

    (feedback,) = desk.scan("!UNDO")
    early = desk.station.settle(stored.key)
    desk.outbox.mark_answered(stored.key, OutboxState.APPLIED, "")
    desk.restarted()
    (late,) = desk.station.settle_all()

    assert (feedback.tone, feedback.key) == (Tone.UNDONE, None)
    assert feedback.message.startswith("UNDO WAITS: ")
    assert early is None
    (body,) = _bodies(desk, stored)
    assert (body["kind"], body["storage_id"], body["quantity"]) == ("stock.remove", BIN, 5)
    assert late.key is not None
    assert desk.station.settle(stored.key) is None
    assert desk.station.settle_all() == ()


def test_undo_of_what_the_vendor_then_refuses_books_nothing(desk: Desk) -> None:
    stored = _entry(desk, "stock.move", OutboxState.SENT)

    desk.scan("!UNDO")
    desk.outbox.mark_answered(stored.key, OutboxState.REJECTED, "not enough stock")
    feedback = desk.station.settle(stored.key)

    assert feedback is not None
    assert (feedback.tone, feedback.key) == (Tone.UNDONE, None)
    assert _bodies(desk, stored) == []


def test_undo_of_what_ends_held_goes_on_waiting_for_the_person_who_decides(desk: Desk) -> None:
    stored = _entry(desk, "stock.add", OutboxState.SENT)

    desk.scan("!UNDO")
    desk.outbox.mark_answered(stored.key, OutboxState.HELD, "")
    while_held = desk.station.settle(stored.key)
    desk.outbox.mark_answered(stored.key, OutboxState.APPLIED, "")

    assert while_held is None
    assert desk.station.settle(stored.key) is not None
    assert [body["kind"] for body in _bodies(desk, stored)] == ["stock.remove"]


@pytest.mark.parametrize(
    ("kind", "state", "because"),
    [
        ("order.receive", OutboxState.SENT, "a received order cannot be taken back"),
        ("order.receive", OutboxState.APPLIED, "a received order cannot be taken back"),
        ("stock.add", OutboxState.HELD, "a person decides first"),
    ],
)
def test_undo_says_why_it_refuses_and_changes_nothing(desk: Desk, kind: str, state: OutboxState, because: str) -> None:
    stored = _entry(desk, kind, state)

    (feedback,) = desk.scan("!UNDO")
    (again,) = desk.scan("!UNDO")

    assert feedback.tone is again.tone is Tone.ERROR
    assert because in feedback.detail
    assert _bodies(desk, stored) == []


def test_undo_goes_ten_entries_deep_and_never_undoes_an_undo(desk: Desk) -> None:
    for _ in range(12):
        _entry(desk, "stock.add", OutboxState.APPLIED)
    told = desk.scan(*["!UNDO"] * 12)

    assert [one.tone for one in told] == [Tone.UNDONE] * 10 + [Tone.NOTE] * 2
    undone = [json.loads(row.origin)["undoes"] for row in desk.outbox.rows()[12:]]
    assert undone == [row.key for row in reversed(desk.outbox.rows()[2:12])]


def test_undo_reaches_back_over_a_restart(desk: Desk) -> None:
    _entry(desk, "stock.add")
    desk.restarted()

    (feedback,) = desk.scan("!UNDO")

    assert feedback.message == "UNDONE: ADDED 5 x LM358BIDDFR -> B-11"
    assert [row.state for row in desk.outbox.rows()] == [OutboxState.WITHDRAWN]
