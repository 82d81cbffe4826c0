"""The station's own tables in the outbox's file: every scan as it came, every entry, every label that was booked."""

from __future__ import annotations

import base64
import json
import secrets
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from producers.scanner.modes import UNDO_DEPTH

if TYPE_CHECKING:
    import sqlite3

    from producers.outbox import Outbox

#: Scans are kept for ever: with the raw text, every later improvement of the label reader can be replayed.
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS scan (
    seq INTEGER PRIMARY KEY, scan_id TEXT NOT NULL UNIQUE, station TEXT NOT NULL, device TEXT NOT NULL,
    operator TEXT NOT NULL, captured_at_ms INTEGER NOT NULL, raw TEXT NOT NULL, aim TEXT NOT NULL,
    repairs TEXT NOT NULL, tone TEXT NOT NULL, message TEXT NOT NULL, key TEXT
);
CREATE TABLE IF NOT EXISTS entry (
    number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, seq INTEGER NOT NULL, kind TEXT NOT NULL,
    fields TEXT NOT NULL, summary TEXT NOT NULL, undo TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS undo_wanted ON entry (number) WHERE undo = 'wanted';
CREATE TABLE IF NOT EXISTS label (
    scope TEXT NOT NULL, identity TEXT NOT NULL, key TEXT NOT NULL, booked_at_ms INTEGER NOT NULL,
    PRIMARY KEY (scope, identity)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS label_of ON label (key);
"""
_VERSION_7: Final = 0x7000
_VARIANT: Final = 0b10 << 62


@dataclass(frozen=True, slots=True)
class ScanRecord:
    """One scan as it came. `seq` has no gap within a station; `captured_at_ms` only grows."""

    seq: int
    scan_id: str
    station: str
    device: str
    operator: str
    captured_at_ms: int
    raw: bytes
    aim: str = ""
    repairs: tuple[str, ...] = ()

    def origin(self) -> dict[str, Any]:
        """Give it as JSON for the command that it completed."""
        return {
            "scan_id": self.scan_id,
            "seq": self.seq,
            "station": self.station,
            "device": self.device,
            "operator": self.operator,
            "captured_at_ms": self.captured_at_ms,
            "raw": base64.b64encode(self.raw).decode(),
            "aim": self.aim,
            "repairs": list(self.repairs),
        }


@dataclass(frozen=True, slots=True)
class BookedEntry:
    """One stored entry, as far as taking it back needs it."""

    key: str
    kind: str
    fields: dict[str, Any]
    summary: str


def scan_id(moment_ms: int) -> str:
    """Make a UUIDv7 (RFC 9562 section 5.7): it sorts by its moment."""
    high = (moment_ms & (1 << 48) - 1) << 16 | _VERSION_7 | secrets.randbits(12)
    return str(uuid.UUID(int=high << 64 | _VARIANT | secrets.randbits(62)))


class Captures:
    """The station's tables. What takes a `database` belongs inside of `Outbox.changing`."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    def last(self) -> tuple[int, int]:
        """Give number and moment of the last scan; zeros when there was none."""
        with self._outbox.changing() as database:
            row = database.execute("SELECT seq, captured_at_ms FROM scan ORDER BY seq DESC LIMIT 1").fetchone()
        return (0, 0) if row is None else (int(row[0]), int(row[1]))

    def add_scan(
        self, database: sqlite3.Connection, scan: ScanRecord, tone: str, message: str, key: str | None
    ) -> None:
        """Keep a scan and what the operator was told."""
        origin = scan.origin()
        values = (*origin.values(), tone, message, key)
        columns = ", ".join([*origin, "tone", "message", "key"])
        places = ", ".join("?" * len(values))
        database.execute(
            f"INSERT INTO scan ({columns}) VALUES ({places})",  # noqa: S608  names of our own
            tuple(json.dumps(value) if isinstance(value, list) else value for value in values),
        )

    def add_entry(self, database: sqlite3.Connection, entry: BookedEntry, seq: int) -> None:
        """Remember a stored entry, so that it can be taken back."""
        database.execute(
            "INSERT INTO entry (key, seq, kind, fields, summary) VALUES (?, ?, ?, ?, ?)",
            (entry.key, seq, entry.kind, json.dumps(entry.fields), entry.summary),
        )

    def add_label(self, database: sqlite3.Connection, scope: str, identity: str, key: str, moment_ms: int) -> None:
        """Remember a label that was booked."""
        database.execute("INSERT OR REPLACE INTO label VALUES (?, ?, ?, ?)", (scope, identity, key, moment_ms))

    def label_booked_at(self, scope: str, identity: str) -> int | None:
        """Tell when a label was booked last (UTC milliseconds); None when it never was, or was taken back."""
        with self._outbox.changing() as database:
            row = database.execute(
                "SELECT booked_at_ms FROM label WHERE scope = ? AND identity = ?", (scope, identity)
            ).fetchone()
        return None if row is None else int(row[0])

    def last_entry(self) -> BookedEntry | None:
        """Give the newest entry that is not taken back yet; None when the ten newest are."""
        newest = "number > (SELECT COALESCE(MAX(number), 0) FROM entry) - ?"
        return self._entry(newest + " AND undo = '' ORDER BY number DESC", UNDO_DEPTH)

    def wanted_back(self) -> tuple[str, ...]:
        """List the keys of entries that are to be taken back once it is known that they were booked."""
        with self._outbox.changing() as database:
            return tuple(key for (key,) in database.execute("SELECT key FROM entry WHERE undo = 'wanted'"))

    def entry_wanted_back(self, key: str) -> BookedEntry | None:
        """Give the entry when it is one of them."""
        return self._entry("undo = 'wanted' AND key = ?", key)

    def mark_undo(self, database: sqlite3.Connection, key: str, undo: str) -> None:
        """Note that an entry is `undone`, or `wanted` back; its label may be booked again."""
        database.execute("UPDATE entry SET undo = ? WHERE key = ?", (undo, key))
        database.execute("DELETE FROM label WHERE key = ?", (key,))

    def _entry(self, condition: str, *values: object) -> BookedEntry | None:
        with self._outbox.changing() as database:
            row = database.execute(
                f"SELECT key, kind, fields, summary FROM entry WHERE {condition} LIMIT 1",  # noqa: S608  fixed text
                values,
            ).fetchone()
        return None if row is None else BookedEntry(row[0], row[1], json.loads(row[2]), row[3])
