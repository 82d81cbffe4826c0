"""The outbox's limits: what has no room is refused loudly and whole, and what is in it still goes out."""

from __future__ import annotations

import shutil
from collections import namedtuple
from typing import TYPE_CHECKING

import pytest

from producers.outbox import Capture, Outbox, OutboxFullError

if TYPE_CHECKING:
    from pathlib import Path

DAY_MS = 86_400_000
START_MS = 1_800_000_000_000
SMALL = Capture("small", (), START_MS, "{}", "")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ST-01.sqlite3"


def _fill(outbox: Outbox) -> None:
    for number in range(1_000):
        outbox.store(Capture(str(number), (), START_MS, "x" * 10_000, ""))


def test_beyond_its_limit_it_refuses_what_is_new_whole_and_still_delivers(path: Path) -> None:
    with Outbox(path, "ST-01", max_bytes=300_000) as outbox:
        with pytest.raises(OutboxFullError, match=r"0\.3 MiB are allowed"):
            _fill(outbox)
        stored = outbox.count_undelivered()
        assert 10 < stored < 30
        with pytest.raises(OutboxFullError):
            outbox.store(SMALL, Capture("large", (), START_MS, "x" * 300_000, ""))
        assert outbox.find("small") is None
        assert outbox.store(Capture("0", (), START_MS, "x" * 10_000, "")) == (False,)
        assert outbox.count_undelivered() == stored
        outbox.mark_sent(*outbox.due(500))
        assert outbox.count_undelivered() == 0


def test_when_it_is_full_of_delivered_entries_the_older_ones_make_room(path: Path) -> None:
    now_ms = START_MS
    with Outbox(path, "ST-01", clock_ms=lambda: now_ms, max_bytes=300_000) as outbox:
        for day in range(100):
            now_ms = START_MS + day * DAY_MS // 4
            outbox.store(Capture(str(day), (), START_MS, "x" * 10_000, ""))
            outbox.mark_sent(*outbox.due(1))

        kept = [int(stored.key) for stored in outbox.every_row()]
        assert kept[-4:] == [96, 97, 98, 99]
        assert len(kept) < 30


def test_a_disk_without_room_is_refused_with_what_to_do(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "free")  # noqa: PYI024  as shutil gives it
    with Outbox(path, "ST-01") as outbox:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(150_000_000))
        with pytest.raises(OutboxFullError, match="only 150 MB left; make room"):
            outbox.store(SMALL)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(250_000_000))
        outbox.store(SMALL)


def test_a_full_disk_that_only_sqlite_notices_is_the_same_error(path: Path) -> None:
    with Outbox(path, "ST-01") as outbox:
        with outbox.changing() as database:
            pages = database.execute("PRAGMA page_count").fetchone()[0]
            database.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(OutboxFullError, match="make room"):
            outbox.store(Capture("large", (), START_MS, "x" * 1_000_000, ""))

        assert outbox.find("large") is None
