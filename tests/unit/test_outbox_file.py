"""The file of an outbox: durable settings, one owner, old versions, damage, files that are somebody else's."""

from __future__ import annotations

import json
import sqlite3
import stat
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from producers.outbox import Capture, Outbox, OutboxError, OutboxState, OutboxView

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

START_MS = 1_800_000_000_000

#: What version 0.1 of this project made.
VERSION_1 = """
CREATE TABLE producer (name TEXT NOT NULL);
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    stock_timestamp INTEGER NOT NULL,
    body TEXT NOT NULL,
    summary TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'stored',
    attempts INTEGER NOT NULL DEFAULT 0,
    next_at_ms INTEGER NOT NULL DEFAULT 0,
    sent_at_ms INTEGER,
    last_error TEXT,
    result TEXT
);
CREATE INDEX by_state ON outbox (state, seq);
INSERT INTO producer VALUES ('ST-01');
INSERT INTO outbox (key, stock_timestamp, body, summary, state, sent_at_ms, result) VALUES
    ('applied', 1, '{}', 'move 1', 'applied', 1800000000000, ''), ('refused', 2, '{}', 'move 2', 'refused', NULL, 'no');
INSERT INTO outbox (key, stock_timestamp, body, summary, attempts, next_at_ms, last_error) VALUES
    ('first', 3, '{"n":1}', 'move 3', 2, 99, 'away'), ('second', 4, '{"n":2}', 'move 4', 0, 0, NULL);
PRAGMA application_id = 1397911394;
PRAGMA user_version = 1;
"""


def _store(outbox: Outbox, *names: str) -> None:
    outbox.store(*(Capture(name, (name,), START_MS, "{}", name) for name in names))


def _begin(path: Path, script: str) -> None:
    path.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(path)) as database:
        database.executescript(script)


def _spoil(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096 * 4 : 4096 * 12] = b"\xff" * (4096 * 8)
    path.write_bytes(content)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool" / "ST-01.sqlite3"


def test_every_commit_is_synced_to_the_disk_however_sqlite_was_built(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect: Callable[..., sqlite3.Connection] = sqlite3.connect

    def careless(*args: Any, **options: Any) -> sqlite3.Connection:
        database = connect(*args, **options)
        database.execute("PRAGMA synchronous = OFF")
        return database

    monkeypatch.setattr(sqlite3, "connect", careless)
    with Outbox(path, "ST-01") as outbox, OutboxView(path) as view:
        for opened in (outbox, view):
            with opened.changing() as database:
                assert database.execute("PRAGMA synchronous").fetchone() == (2,)
                assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_only_its_owner_may_read_the_files(path: Path) -> None:
    with Outbox(path, "ST-01") as outbox:
        _store(outbox, "one")
        files = sorted(path.parent.iterdir())

        assert len(files) == 4  # the database, its journal, its shared memory, the lock
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


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


def test_an_outbox_of_version_1_is_taken_over_in_its_strict_order(path: Path) -> None:
    _begin(path, VERSION_1)

    for _ in range(2):
        with Outbox(path, "ST-01", clock_ms=lambda: START_MS) as outbox:
            assert outbox.damaged is None
            assert [(stored.key, stored.state.value, stored.result) for stored in outbox.rows(limit=2)] == [
                ("applied", "applied", ""),
                ("refused", "refused", "no"),
            ]
            first, second = outbox.due(10)
            assert (first.key, first.body, first.attempts, first.last_error, first.lanes) == (
                "first",
                '{"n":1}',
                2,
                "away",
                (),
            )
            assert second.key == "second"
            assert not outbox.withdraw("first")  # nobody noted whether the relay was asked
    with Outbox(path, "ST-01", clock_ms=lambda: START_MS) as outbox:
        _store(outbox, "new")
        outbox.postpone(first, 30, "away")
        assert outbox.due(10) == ()
        outbox.mark_sent(first)
        assert [stored.key for stored in outbox.due(10)] == ["second", "new"]
        assert outbox.withdraw("new")


def test_a_conversion_that_fails_leaves_the_old_file_as_it_was(path: Path) -> None:
    # what stands in the way comes last, behind every other step
    _begin(path, VERSION_1 + "CREATE TABLE barriers (x);")

    with pytest.raises(OutboxError, match="barriers"):
        Outbox(path, "ST-01")

    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (1,)
        assert len(database.execute("SELECT * FROM outbox").description) == 11
        database.execute("DROP TABLE barriers")
    with Outbox(path, "ST-01") as outbox:
        assert len(outbox.due(10)) == 2


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TABLE theirs (x);",
        VERSION_1 + "PRAGMA user_version = 3;",
        VERSION_1 + "PRAGMA application_id = 7;",
    ],
)
def test_another_programs_or_a_later_versions_database_is_left_alone(path: Path, script: str) -> None:
    _begin(path, script)
    before = path.read_bytes()

    with pytest.raises(OutboxError, match="not an outbox of this version"):
        Outbox(path, "ST-01")
    with pytest.raises(OutboxError, match="not an outbox of this version"):
        OutboxView(path)
    assert path.read_bytes() == before


def test_a_file_that_never_was_an_outbox_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"notes of the shift" * 100)

    with pytest.raises(OutboxError, match=r"not an outbox .*name another file"):
        Outbox(path, "ST-01")
    assert path.read_bytes() == b"notes of the shift" * 100


def test_a_damaged_outbox_is_kept_aside_and_told_and_a_new_one_begun(path: Path) -> None:
    with Outbox(path, "ST-01") as outbox:
        _store(outbox, *(f"{number:020d}" for number in range(300)))
    _spoil(path)
    damaged = path.read_bytes()

    with Outbox(path, "ST-01", clock_ms=lambda: START_MS) as outbox:
        assert outbox.damaged is not None
        kept_as = outbox.damaged.kept_as
        assert str(kept_as) in str(outbox.damaged)
        assert "NOT delivered" in str(outbox.damaged)
        assert outbox.count_undelivered() == 0
        _store(outbox, "one")
    assert kept_as == path.with_name("ST-01.sqlite3.damaged-20270115T080000")
    assert kept_as.read_bytes() == damaged
    with Outbox(path, "ST-01") as outbox:
        assert outbox.damaged is None
        assert [stored.key for stored in outbox.due(10)] == ["one"]


def test_an_outbox_whose_first_page_is_gone_is_kept_aside_each_time_under_another_name(path: Path) -> None:
    for ending in ("", "-2"):
        with Outbox(path, "ST-01") as outbox:
            _store(outbox, "one")
        path.write_bytes(b"\0" * 4096 + path.read_bytes()[4096:])
        with Outbox(path, "ST-01", clock_ms=lambda: START_MS) as outbox:
            assert outbox.damaged is not None
            assert outbox.damaged.kept_as.name == f"ST-01.sqlite3.damaged-20270115T080000{ending}"
            assert outbox.due(10) == ()


def test_the_journal_of_a_damaged_outbox_goes_with_it_and_never_into_the_new_one(path: Path) -> None:
    with Outbox(path, "ST-01") as outbox:
        _store(outbox, *(f"{number:020d}" for number in range(300)))
        view = OutboxView(path)  # somebody looks into it, so that the journal stays
    with view:
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        _spoil(path)
        journal = path.with_name(f"{path.name}-wal").read_bytes()
        assert journal
        with Outbox(path, "ST-01") as outbox:
            assert outbox.damaged is not None
            kept_as = outbox.damaged.kept_as
            assert kept_as.with_name(f"{kept_as.name}-wal").read_bytes() == journal
            assert outbox.count_undelivered() == 0


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(OutboxError, match="cannot be created"):
        Outbox(tmp_path / "file" / "ST-01.sqlite3", "ST-01")


def test_a_view_of_nothing_makes_nothing(path: Path) -> None:
    path.parent.mkdir()
    with pytest.raises(OutboxError, match="there is none"):
        OutboxView(path)
    assert list(path.parent.iterdir()) == []


def test_a_mistake_in_the_owners_tables_stops_the_start_and_frees_the_lock(path: Path) -> None:
    with pytest.raises(OutboxError, match="syntax"):
        Outbox(path, "ST-01", schema="CREATE TABEL scan (raw TEXT);")
    with Outbox(path, "ST-01") as outbox:
        _store(outbox, "one")


def test_the_states_are_words_that_a_script_may_rely_on(path: Path) -> None:
    with Outbox(path, "ST-01") as outbox:
        _store(outbox, "one")
    with closing(sqlite3.connect(path)) as database:
        lanes, state = database.execute("SELECT lanes, state FROM outbox").fetchone()
    assert (json.loads(lanes), OutboxState(state)) == (["one"], OutboxState.STORED)
