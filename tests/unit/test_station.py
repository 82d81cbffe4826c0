"""A station and its disk: moments, records of scans, doubtful labels, full disks; what it calls stored is stored."""

from __future__ import annotations

import base64
import json
import sqlite3
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from producers.outbox import Outbox, OutboxFullError
from producers.scanner.commands import Instruction, encode
from producers.scanner.flows import Tone
from producers.scanner.labels import Label, read_label
from producers.scanner.station import SCHEMA
from tasks.directory import Thing, ThingType, code_of
from tasks.registry import parse_command
from tests.unit.station_desk import START_MS, Desk, Warehouse, raw_of

if TYPE_CHECKING:
    from collections.abc import Iterator

SHELF, BIN, PART = ("a" * 25 + "1", "b" * 25 + "1", "p" * 25 + "3")
MOVE_OF_5 = ("!MOVE", "@shelf", "@opamp", "=5", "@bin")
LABELS = json.loads((Path(__file__).parents[1] / "fixtures" / "labels.json").read_text())["labels"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.sqlite3"


@pytest.fixture
def outbox(path: Path) -> Iterator[Outbox]:
    with Outbox(path, "ST-01", schema=SCHEMA) as outbox:
        yield outbox


@pytest.fixture
def desk(outbox: Outbox) -> Desk:
    return Desk(outbox)


def _scans(path: Path) -> list[dict[str, Any]]:
    with sqlite3.connect(path) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute("SELECT * FROM scan ORDER BY seq")]


def test_a_stored_entry_is_on_disk_as_the_command_the_relay_will_know_it_by(desk: Desk) -> None:
    *_, feedback = desk.scan("*Ada", *MOVE_OF_5)

    (stored,) = desk.outbox.rows()
    fields = json.loads(stored.body)
    assert feedback.tone is Tone.STORED
    assert feedback.key == stored.key
    assert stored.summary == "MOVED 5 x LM358BIDDFR -> B-11 (from A-03-2)"
    assert fields == {
        "kind": "stock.move",
        "part_id": PART,
        "from_storage_id": SHELF,
        "to_storage_id": BIN,
        "quantity": 5,
        "stock_timestamp": START_MS + 6000,
        "source": "ST-01",
        "comments": "by Ada",
    }
    command = parse_command(fields.pop("kind"), fields)
    assert stored.key == command.key()
    assert stored.lanes == command.lanes()


def test_a_scan_is_recorded_as_it_came_with_who_where_when_and_what_was_said(desk: Desk, path: Path) -> None:
    desk.scan("*Ada", "!ADD", "#bag", "@bin", "~\x00junk")

    scans = _scans(path)
    (stored,) = desk.outbox.rows()
    bag, place = scans[2], scans[3]
    assert [scan["seq"] for scan in scans] == [1, 2, 3, 4, 5]
    assert [scan["captured_at_ms"] for scan in scans] == [START_MS + 1000 * number for number in range(1, 6)]
    assert base64.b64decode(bag["raw"]).startswith(b"[)>\x1e06\x1dKP0-1337")
    assert (bag["station"], bag["device"], bag["operator"]) == ("ST-01", "desk", "Ada")
    assert (place["key"], place["tone"], place["message"]) == (
        stored.key,
        "stored",
        "ADDED 3 x MC34063ADR -> B-11 (waiting)",
    )
    assert json.loads(stored.origin)["scan_id"] == place["scan_id"]
    assert [uuid.UUID(scan["scan_id"]).version for scan in scans] == [7] * 5
    assert sorted(scan["scan_id"] for scan in scans) == [scan["scan_id"] for scan in scans]


def test_aim_and_repairs_are_recorded(desk: Desk, path: Path) -> None:
    desk.scan("!ADD", "~]d1[)>^06]KP0-1337]14K011]1PMC34063ADR]Q3]11K073121337]4LMX]1VTI^^d")

    scan = _scans(path)[-1]
    assert scan["aim"] == "]d1"
    assert json.loads(scan["repairs"]) != []


def test_numbers_and_moments_go_on_after_a_restart_without_gap_or_repetition(desk: Desk, path: Path) -> None:
    desk.scan(*MOVE_OF_5)
    desk.ms -= 3_600_000  # a clock that was set back
    desk.restarted()
    desk.scan(*MOVE_OF_5)

    first, second = desk.outbox.rows()
    scans = _scans(path)
    assert [scan["seq"] for scan in scans] == list(range(1, 11))
    assert second.stock_timestamp > first.stock_timestamp
    moments = [scan["captured_at_ms"] for scan in scans]
    assert moments == sorted(set(moments))


def test_two_entries_within_one_millisecond_are_two_commands(desk: Desk) -> None:
    desk.scan("!ADD", "@shelf", "@opamp")
    moment = desk.ms + 5_000
    for token in ("=5", "@opamp", "=6"):
        desk.station.scan(raw_of(token), "desk", moment)

    first, second = desk.outbox.rows()
    assert second.stock_timestamp == first.stock_timestamp + 2
    assert first.key != second.key


def test_a_full_disk_is_said_nothing_changes_and_the_same_scan_works_once_there_is_room(
    desk: Desk, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OutboxFullError("outbox: the disk is full")

    desk.scan(*MOVE_OF_5[:-1])
    with monkeypatch.context() as patch:
        patch.setattr(desk.outbox, "_require_room", full)
        (refused,) = desk.scan("@bin")
    (again,) = desk.scan("@bin")

    assert (refused.tone, refused.message) == (Tone.ERROR, "NOT STORED, CALL FOR HELP")
    assert "the disk is full" in refused.detail
    assert again.tone is Tone.STORED
    assert [scan["seq"] for scan in _scans(path)] == [1, 2, 3, 4, 5]
    assert len(desk.outbox.rows()) == 1


def test_a_clock_that_was_never_set_is_said_instead_of_storing_a_wrong_moment(desk: Desk) -> None:
    desk.ms = 5_000

    *_, feedback = desk.scan(*MOVE_OF_5)

    assert (feedback.tone, feedback.message) == (Tone.ERROR, "NOT STORED, CALL FOR HELP")
    assert "stock_timestamp" in feedback.detail
    assert desk.outbox.rows() == ()


def test_a_clock_set_back_makes_no_later_scan_a_bounce_and_expires_nothing(desk: Desk) -> None:
    desk.scan("!ADD", "@shelf", "@opamp")
    desk.ms -= 86_400_000
    told = desk.scan("@opamp", "@regulator", "=5")

    assert [one.tone for one in told] == [Tone.ERROR, Tone.ERROR, Tone.STORED]


@pytest.mark.parametrize(("gap_ms", "tone"), [(0, Tone.BOUNCE), (699, Tone.BOUNCE), (700, Tone.ERROR)])
def test_the_same_raw_scan_is_a_bounce_within_700_ms_of_the_last_end(desk: Desk, gap_ms: int, tone: Tone) -> None:
    desk.scan("!MOVE", "@shelf")

    for _ in range(2):  # each bounce begins the window anew
        desk.ms += gap_ms
        feedback = desk.station.scan(SHELF.encode(), "desk", desk.ms)
        assert feedback.tone is tone
    assert desk.station.bounces.swallowed == (2 if tone is Tone.BOUNCE else 0)


def test_two_devices_that_read_the_same_code_at_once_are_no_bounce(desk: Desk) -> None:
    desk.scan("!MOVE", "@shelf")

    assert desk.station.scan(SHELF.encode(), "other", desk.ms).tone is Tone.ERROR


def test_the_same_label_is_remembered_over_a_restart(desk: Desk) -> None:
    desk.scan("!RECEIVE", "#unique reel", "@shelf", "#bag", "@shelf")
    desk.restarted()
    told = desk.scan("!ADD", "#unique reel", "#bag")

    assert [one.tone for one in told] == [Tone.OK, Tone.ERROR, Tone.ASK]
    assert "this very bag was booked on 20" in told[1].detail
    assert "CONFIRM only for a second bag" in told[2].detail


def test_a_label_of_one_mode_says_nothing_about_another(desk: Desk) -> None:
    *_, feedback = desk.scan("!RECEIVE", "#bag", "@shelf", "!MOVE", "@shelf", "#bag")

    assert feedback.tone is Tone.OK


def test_offline_an_id_is_asked_about_and_a_label_is_not_taken(desk: Desk) -> None:
    desk.warehouse.is_away = True

    told = desk.scan("!MOVE", "@shelf", "!CANCEL", "#bag")

    assert [one.tone for one in told] == [Tone.OK, Tone.ASK, Tone.NOTE, Tone.ERROR]
    assert told[1].detail == "the directory cannot be asked now"
    assert told[3].detail == "the directory cannot be asked now: scan the part's own code"


def test_the_lot_of_a_label_goes_into_the_comment_made_harmless(desk: Desk) -> None:
    desk.warehouse.codes[code_of("REF-1")] = (Thing(PART, ThingType.PART, "REF-1"),)
    desk.scan("!ADD", "~[)>\x1e06\x1d1PREF-1\x1dQ5\x1d1TL[cmd:0]7\x1e\x04", "!CONFIRM", "@bin")

    (body,) = desk.stored()
    assert body["comments"] == "lot L(cmd:0]7"


def test_every_feedback_shows_the_mode_and_the_next_scan(desk: Desk) -> None:
    greeting = desk.station.greet()
    feedback = desk.scan("!RECEIVE", "~\x01")[-1]

    assert (greeting.mode, greeting.message) == ("no mode", "STATION ST-01 READY")
    assert greeting.prompt == "scan a mode: RECEIVE, MOVE, ADD, REMOVE"
    assert (feedback.mode, feedback.prompt) == ("RECEIVE", "scan the part, destination or order")


def test_an_entry_that_expired_between_two_looks_at_the_clock_is_not_gone_on_with(desk: Desk) -> None:
    desk.scan("!ADD", "@opamp", "=5")
    desk.ms += 120_000
    (feedback,) = desk.scan("@bin")

    assert feedback.message == "DESTINATION B-11"
    assert feedback.detail == "the unfinished entry had expired"
    assert desk.outbox.rows() == ()


@pytest.mark.parametrize("mode", [Instruction.RECEIVE, Instruction.ADD])
@pytest.mark.parametrize("entry", LABELS, ids=lambda entry: entry["id"])
def test_every_label_books_the_right_part_and_quantity_or_asks_or_refuses(
    outbox: Outbox, entry: dict[str, Any], mode: Instruction
) -> None:
    said = entry.get("normalized", {})
    right = Thing("p" * 25 + "9", ThingType.PART, "right")
    wrong = Thing("p" * 25 + "8", ThingType.PART, "wrong")
    desk = Desk(outbox, warehouse=Warehouse({BIN: Thing(BIN, ThingType.STORAGE, "B-11")}))
    label = read_label(_raw(entry))
    for code in label.codes_to_check if isinstance(label, Label) else ():
        expected = {said.get(name) for name in ("mpn", "supplier_sku", "customer_part", "gtin")}
        desk.warehouse.codes[code_of(code)] = (right if code in expected else wrong,)

    desk.ms += 1000
    desk.station.scan(encode(mode).encode(), "desk", desk.ms)
    desk.ms += 1000
    first = desk.station.scan(_raw(entry), "desk", desk.ms)
    desk.ms += 1000
    desk.station.scan(BIN.encode(), "desk", desk.ms)

    stored = desk.stored()
    if not entry["accept"]:
        assert first.tone in (Tone.ERROR, Tone.ASK)
    if stored:
        assert first.tone is Tone.OK
        assert entry["accept"]
        assert [(body["part_id"], body["quantity"]) for body in stored] == [(right.id, said["quantity"])]


def _raw(entry: dict[str, Any]) -> bytes:
    return f"{entry.get('aim', '')}{entry['raw']}".encode()


def test_most_labels_that_can_be_vouched_for_are_booked_without_a_question(outbox: Outbox) -> None:
    booked = 0
    for number, entry in enumerate(LABELS):
        label = read_label(_raw(entry))
        if not isinstance(label, Label) or label.doubts or not label.codes_to_check or label.quantity is None:
            continue
        things = {BIN: Thing(BIN, ThingType.STORAGE, "B-11")}
        desk = Desk(outbox, START_MS + number * 100_000, Warehouse(things))
        for code in label.codes_to_check:
            desk.warehouse.codes[code_of(code)] = (Thing(PART, ThingType.PART, "part"),)
        desk.scan("!ADD")
        desk.station.scan(_raw(entry), "desk", desk.ms + 1000)
        booked += desk.station.scan(BIN.encode(), "desk", desk.ms + 2000).tone is Tone.STORED

    assert booked >= 10
