"""A station: bounces, timestamps fixed at capture, and nothing called stored that is not."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from producers.outbox import Outbox, OutboxError
from producers.scanner.codes import CodeReader
from producers.scanner.flows import Flows, Tone
from producers.scanner.station import Station
from tasks.registry import parse_command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHELF, BIN, PART = ("a" * 26, "b" * 26, "p" * 26)
MOVE_OF_5 = ("CMD:MOVE", SHELF, PART, "5", BIN)
START_MS = 1_800_000_000_000


@dataclass
class Clock:
    """Both clocks of a station, turned by hand."""

    seconds: float = 0.0
    ms: int = START_MS


@dataclass
class Desk:
    """A station with its clock and outbox."""

    outbox: Outbox
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.station = Station(
            "ST-01",
            self.outbox,
            CodeReader(),
            Flows(),
            clock=lambda: self.clock.seconds,
            clock_ms=lambda: self.clock.ms,
        )

    def scan(self, *scans: str | bytes) -> list[tuple[Tone, str]]:
        replies = []
        for scan in scans:
            feedback = self.station.scan(scan.encode() if isinstance(scan, str) else scan)
            replies.append((feedback.tone, feedback.message))
        return replies


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with Outbox(tmp_path / "outbox.sqlite3", "ST-01") as outbox:
        yield outbox


@pytest.fixture
def desk(outbox: Outbox) -> Desk:
    return Desk(outbox)


def test_a_stored_entry_is_on_disk_as_the_command_the_relay_will_know_it_by(desk: Desk) -> None:
    *_, (tone, message) = desk.scan(*MOVE_OF_5)

    (stored,) = desk.outbox.undelivered()
    fields = json.loads(stored.body)
    assert tone is Tone.STORED
    assert message == stored.summary == "move 5 of part pppppppp… from aaaaaaaa… to bbbbbbbb…"
    assert fields == {
        "kind": "stock.move",
        "part_id": PART,
        "from_storage_id": SHELF,
        "to_storage_id": BIN,
        "quantity": 5,
        "stock_timestamp": START_MS,
        "source": "ST-01",
    }
    assert stored.key == parse_command(fields.pop("kind"), fields).key()


def test_two_entries_within_one_millisecond_are_two_commands(desk: Desk) -> None:
    desk.scan(*MOVE_OF_5, *MOVE_OF_5)

    first, second = desk.outbox.undelivered()
    assert (first.stock_timestamp, second.stock_timestamp) == (START_MS, START_MS + 1)
    assert first.key != second.key


def test_a_clock_set_back_or_a_restart_never_repeats_a_timestamp(desk: Desk) -> None:
    desk.scan(*MOVE_OF_5)
    desk.clock.ms -= 3_600_000
    desk.scan(*MOVE_OF_5)
    restarted = Desk(desk.outbox, Clock(ms=START_MS - 7_200_000))
    restarted.scan(*MOVE_OF_5)

    stamps = [stored.stock_timestamp for stored in desk.outbox.undelivered()]
    assert stamps == [START_MS, START_MS + 1, START_MS + 2]


def test_the_same_code_at_once_counts_once_and_is_said(desk: Desk) -> None:
    desk.scan("CMD:MOVE", SHELF)
    desk.clock.seconds += 0.69

    ((tone, message),) = desk.scan(SHELF.upper())

    assert tone is Tone.NOTE
    assert "counted once" in message


def test_a_bouncing_trigger_is_ignored_until_it_rests(desk: Desk) -> None:
    desk.scan("CMD:RECEIVE")
    tones = []
    for _ in range(5):
        desk.clock.seconds += 0.5
        tones.append(desk.scan("junk")[0][0])
    desk.clock.seconds += 0.7
    tones.append(desk.scan("junk")[0][0])

    assert tones == [Tone.ERROR, Tone.NOTE, Tone.NOTE, Tone.NOTE, Tone.NOTE, Tone.ERROR]


def test_another_code_between_two_equal_ones_makes_both_count(desk: Desk) -> None:
    tones = [tone for tone, _ in desk.scan("CMD:MOVE", SHELF, PART, "5", BIN, BIN.upper(), SHELF)]

    assert tones == [Tone.OK, Tone.OK, Tone.OK, Tone.OK, Tone.STORED, Tone.NOTE, Tone.OK]


def test_a_full_disk_is_said_and_the_same_last_scan_works_once_there_is_room(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**_: object) -> None:
        raise OutboxError("outbox: database or disk is full")

    desk.scan(*MOVE_OF_5[:-1])
    with monkeypatch.context() as patch:
        patch.setattr(desk.outbox, "store", full)
        ((tone, message),) = desk.scan(BIN)
    desk.clock.seconds += 1
    (again,) = desk.scan(BIN)

    assert tone is Tone.ERROR
    assert message.startswith("NOT STORED")
    assert again[0] is Tone.STORED
    assert desk.outbox.count_undelivered() == 1


def test_a_clock_that_was_never_set_is_said_instead_of_storing_a_wrong_moment(desk: Desk) -> None:
    desk.clock.ms = 5_000

    *_, (tone, message) = desk.scan(*MOVE_OF_5)

    assert tone is Tone.ERROR
    assert message.startswith("NOT STORED, stock_timestamp")
    assert desk.outbox.count_undelivered() == 0


def test_every_feedback_shows_the_mode_and_the_next_scan(desk: Desk) -> None:
    greeting = desk.station.greet()
    desk.scan("CMD:RECEIVE")
    feedback = desk.station.scan(b"\xff")

    assert (greeting.mode, greeting.prompt) == ("no mode", "scan CMD:MOVE or CMD:RECEIVE")
    assert (feedback.mode, feedback.prompt) == ("RECEIVE", "scan the order")


_SCANS = st.one_of(
    st.sampled_from([*MOVE_OF_5, "CMD:RECEIVE", "CMD:CANCEL", "Q7", "]Q1" + PART]).map(str.encode),
    st.binary(max_size=60),
    st.just(b"x" * 5_000),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.lists(_SCANS, max_size=30))
def test_no_scan_ever_raises_and_each_stored_one_is_in_the_outbox(outbox: Outbox, scans: list[bytes]) -> None:
    desk = Desk(outbox)

    for scan in scans:
        before = outbox.count_undelivered()
        desk.clock.seconds += 1
        feedback = desk.station.scan(scan)

        assert feedback.message.isprintable()
        stored = feedback.key is not None
        assert stored == (feedback.tone is Tone.STORED)
        assert outbox.count_undelivered() - before == stored
