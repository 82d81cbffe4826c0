"""The outbox: what was stored is still there, in order, for its producer only."""

from __future__ import annotations

import sqlite3
import stat
from typing import TYPE_CHECKING

import pytest

from producers.outbox import KEEP_DAYS, Outbox, OutboxError, OutboxState

if TYPE_CHECKING:
    from pathlib import Path

DAY_MS = 86_400_000
START_MS = 1_800_000_000_000


def _store(outbox: Outbox, *names: str, at_ms: int = START_MS) -> None:
    for place, name in enumerate(names):
        outbox.store(key=name, stock_timestamp=at_ms + place, body=f'{{"name":"{name}"}}', summary=f"move {name}")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool" / "ST-01.sqlite3"


def test_what_was_stored_is_there_after_reopening_in_the_order_of_capture(path: Path) -> None:
    with Outbox(path, "ST-01") as outbox:
        _store(outbox, "one", "two", "three")

    with Outbox(path, "ST-01") as outbox:
        assert [stored.key for stored in outbox.undelivered()] == ["one", "two", "three"]
        assert outbox.count_undelivered() == 3
        head = outbox.next_to_send()
        assert head is not None
        assert (head.key, head.body, head.summary, head.stock_timestamp, head.state) == (
            "one",
            '{"name":"one"}',
            "move one",
            START_MS,
            OutboxState.STORED,
        )


def test_every_commit_is_synced_to_the_disk(path: Path) -> None:
    with Outbox(path, "ST-01") as outbox:
        database = outbox._database
        assert database.execute("PRAGMA synchronous").fetchone() == (2,)
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_only_its_owner_may_read_the_files(path: Path) -> None:
    with Outbox(path, "ST-01") as outbox:
        _store(outbox, "one")
        files = sorted(path.parent.iterdir())

        assert len(files) == 4  # the database, its journal, its shared memory, the lock
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_a_key_is_stored_once(path: Path) -> None:
    with Outbox(path, "ST-01") as outbox:
        _store(outbox, "one")
        with pytest.raises(OutboxError, match="UNIQUE"):
            _store(outbox, "one")
        assert outbox.count_undelivered() == 1


def test_the_successor_waits_until_the_head_is_sent_or_refused(path: Path) -> None:
    with Outbox(path, "ST-01", clock_ms=lambda: START_MS) as outbox:
        _store(outbox, "one", "two", "three")
        seen = []
        head = outbox.next_to_send()
        assert head is not None
        outbox.postpone(head, 30.0, "relay away")
        head = outbox.next_to_send()
        while head is not None:
            seen.append((head.key, head.attempts, head.next_at_ms))
            if head.key == "two":
                outbox.mark_refused(head, "quantity: wrong")
            else:
                outbox.mark_sent(head)
            head = outbox.next_to_send()

    assert seen == [("one", 1, START_MS + 30_000), ("two", 0, 0), ("three", 0, 0)]


def test_a_restart_tries_at_once_whatever_the_clock_said_before(path: Path) -> None:
    with Outbox(path, "ST-01", clock_ms=lambda: START_MS + 365 * DAY_MS) as outbox:
        _store(outbox, "one")
        head = outbox.next_to_send()
        assert head is not None
        outbox.postpone(head, 60.0, "relay away")

    with Outbox(path, "ST-01", clock_ms=lambda: START_MS) as outbox:
        head = outbox.next_to_send()
        assert head is not None
        assert (head.next_at_ms, head.attempts, head.last_error) == (0, 1, "relay away")


def test_a_delivered_command_is_asked_about_until_its_time_is_over(path: Path) -> None:
    with Outbox(path, "ST-01", clock_ms=lambda: START_MS) as outbox:
        _store(outbox, "one", "two")
        for stored in outbox.undelivered():
            outbox.mark_sent(stored)
        first, _ = outbox.unanswered(since_ms=START_MS)
        outbox.mark_answered(first, OutboxState.APPLIED, "")

        assert [stored.key for stored in outbox.unanswered(since_ms=START_MS)] == ["two"]
        assert outbox.stop_asking(before_ms=START_MS) == ()
        assert [stored.key for stored in outbox.stop_asking(before_ms=START_MS + 1)] == ["two"]
        assert outbox.unanswered(since_ms=0) == ()


def test_old_delivered_rows_go_but_nothing_undelivered_refused_or_newest_does(path: Path) -> None:
    with Outbox(path, "ST-01", clock_ms=lambda: START_MS) as outbox:
        _store(outbox, "refused", "rejected", "sent", "stored", "newest")
        rows = {stored.key: stored for stored in outbox.undelivered()}
        for key in ("rejected", "sent", "newest"):
            outbox.mark_sent(rows[key])
        outbox.mark_answered(rows["rejected"], OutboxState.REJECTED, "no stock")
        outbox.mark_refused(rows["refused"], "wrong")

    with Outbox(path, "ST-01", clock_ms=lambda: START_MS + (KEEP_DAYS + 1) * DAY_MS):
        pass

    with sqlite3.connect(path) as database:
        left = [key for (key,) in database.execute("SELECT key FROM outbox ORDER BY seq")]
    database.close()
    assert left == ["refused", "rejected", "stored", "newest"]


def test_a_second_process_cannot_open_the_same_outbox(path: Path) -> None:
    with Outbox(path, "ST-01"), pytest.raises(OutboxError, match="another process uses it"):
        Outbox(path, "ST-01")

    with Outbox(path, "ST-01"):
        pass


def test_another_station_cannot_take_an_outbox_over(path: Path) -> None:
    with Outbox(path, "ST-01"):
        pass

    with pytest.raises(OutboxError, match="belongs to ST-01, not to ST-02"):
        Outbox(path, "ST-02")
    with Outbox(path, "ST-01"):
        pass


def test_another_programs_database_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE theirs (x)")
    database.close()
    before = path.read_bytes()

    with pytest.raises(OutboxError, match="not an outbox"):
        Outbox(path, "ST-01")
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"notes of the shift" * 100)

    with pytest.raises(OutboxError, match="not a database"):
        Outbox(path, "ST-01")
    assert path.read_bytes() == b"notes of the shift" * 100


def test_a_damaged_outbox_stops_the_start(path: Path) -> None:
    with Outbox(path, "ST-01") as outbox:
        _store(outbox, *(f"{number:020d}" for number in range(300)))
    content = bytearray(path.read_bytes())
    content[4096 * 4 : 4096 * 12] = b"\xff" * (4096 * 8)
    path.write_bytes(content)

    with pytest.raises(OutboxError, match=r"damaged|malformed"):
        Outbox(path, "ST-01")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(OutboxError, match="cannot be created"):
        Outbox(tmp_path / "file" / "ST-01.sqlite3", "ST-01")
