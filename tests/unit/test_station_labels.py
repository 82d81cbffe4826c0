"""Damaged labels at a real station: whatever separator is lost, nothing wrong is stored without being asked about."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from producers.outbox import Outbox
from producers.scanner.commands import Instruction, encode
from producers.scanner.flows import Tone
from producers.scanner.modes import REPEAT_SECONDS
from producers.scanner.station import SCHEMA
from tasks.directory import Thing, ThingType, code_of
from tests.unit.labels_harness import CLEAN_ISO, Sample, directory, one_separator_lost, part_of
from tests.unit.station_desk import Desk, Warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from producers.scanner.station import Feedback

SHELF = "s" * 26
#: Nobody knows this one's supplier, so that even the intact label is asked about.
ASKED_INTACT = 1


def _id_of(name: str) -> str:
    """Give the part of the labels' directory an id such as the vendor's."""
    return "p" + str(int(hashlib.sha256(name.encode()).hexdigest(), 16))[:25]


def _knows_every_number() -> Warehouse:
    codes = {
        code_of(code): tuple(Thing(_id_of(part), ThingType.PART, code) for part in parts)
        for code, parts in directory().items()
    }
    return Warehouse({SHELF: Thing(SHELF, ThingType.STORAGE, "A-1")}, codes)


@dataclass
class Counted:
    """What came of the scans of damaged labels."""

    tones: dict[Tone, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Outbox(tmp_path / "outbox.sqlite3", "ST-01", schema=SCHEMA) as outbox:
        yield Desk(outbox, warehouse=_knows_every_number())


def _scan_into_shelf(desk: Desk, scan: str) -> Feedback:
    """Open an entry of its own for the label, long after the one before."""
    desk.ms += int(REPEAT_SECONDS * 1000) + 1000
    for raw in (encode(Instruction.ADD), SHELF):
        desk.station.scan(raw.encode(), "desk", desk.ms)
    return desk.station.scan(scan.encode(), "desk", desk.ms)


def _count(desk: Desk, sample: Sample, scans: Iterator[str], counted: Counted) -> None:
    true = (_id_of(str(part_of(sample.label))), sample.label.quantity)
    for scan in scans:
        feedback = _scan_into_shelf(desk, scan)
        counted.tones[feedback.tone] = counted.tones.get(feedback.tone, 0) + 1
        if feedback.tone is Tone.STORED:
            stored = desk.outbox.find(str(feedback.key))
            assert stored is not None
            body = json.loads(stored.body)
            if (body["part_id"], body["quantity"]) != true:
                counted.wrong.append(scan)


def test_intact_labels_are_stored_at_once_with_their_part_and_quantity(desk: Desk) -> None:
    counted = Counted()
    for sample in CLEAN_ISO:
        _count(desk, sample, iter((sample.clean,)), counted)

    assert counted.wrong == []
    assert counted.tones == {Tone.STORED: len(CLEAN_ISO) - ASKED_INTACT, Tone.ASK: ASKED_INTACT}


def test_no_label_that_lost_a_separator_is_stored_wrong_without_being_asked_about(desk: Desk) -> None:
    counted = Counted()
    for sample in CLEAN_ISO:
        _count(desk, sample, one_separator_lost(sample.clean), counted)

    assert counted.wrong == []
    assert counted.tones == {Tone.ASK: 176, Tone.ERROR: 58}
