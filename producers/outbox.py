"""A producer's outbox: what it captured, on disk before anybody is told so, until the relay has taken it.

Statements below are SQLite; the promise rests on `synchronous = FULL` in WAL mode (https://sqlite.org/pragma.html).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import time
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

#: Marks the file as an outbox ("SRob"), so that another program's database is refused.
_APPLICATION_ID: Final = 0x5352_6F62
_SCHEMA_VERSION: Final = 1
#: What `PRAGMA synchronous` reads back for FULL.
_FULL: Final = 2
#: A backup program may hold the file for a moment.
_BUSY_SECONDS: Final = 5.0
#: Delivered rows are kept this long for people who ask what happened; then they are deleted.
KEEP_DAYS: Final = 30
_DAY_MS: Final = 86_400_000

_SCHEMA: Final = """
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
"""


class OutboxError(Exception):
    """The outbox cannot be opened or written; nothing of the failed step is stored."""


class OutboxState(StrEnum):
    """Where a captured command is, as its producer knows it."""

    #: On this disk only.
    STORED = "stored"
    #: The relay has it; what became of it is asked for a while.
    SENT = "sent"
    #: The relay has it, and gave no final answer while it was asked.
    UNANSWERED = "unanswered"
    APPLIED = "applied"
    REJECTED = "rejected"
    HELD = "held"
    CANCELLED = "cancelled"
    #: The relay did not take it and never will.
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Stored:
    """One row of the outbox. `body` is the JSON to deliver; times are UTC milliseconds of this machine."""

    seq: int
    key: str
    stock_timestamp: int
    body: str
    summary: str
    state: OutboxState
    attempts: int
    next_at_ms: int
    last_error: str | None


_COLUMNS: Final = ", ".join(field.name for field in fields(Stored))


def now_ms() -> int:
    """Tell the time of this machine in UTC milliseconds."""
    return time.time_ns() // 1_000_000


class Outbox:
    """The outbox of one producer, which only one process at a time may open.

    Every method that changes something has it on disk when it returns, and raises OutboxError when it cannot.
    """

    def __init__(self, path: Path, producer: str, *, clock_ms: Callable[[], int] = now_ms) -> None:
        self._clock_ms = clock_ms
        self._lock = _lock(path)
        try:
            self._database = _open(path)
            with self._changing() as database:
                _bind(database, producer)
                database.execute("UPDATE outbox SET next_at_ms = 0 WHERE state = 'stored'")
                _forget_old(database, clock_ms() - KEEP_DAYS * _DAY_MS)
        except BaseException:
            os.close(self._lock)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()
        os.close(self._lock)

    def store(self, *, key: str, stock_timestamp: int, body: str, summary: str) -> None:
        """Keep a captured command; when this returns, it survives a power cut."""
        with self._changing() as database:
            database.execute(
                "INSERT INTO outbox (key, stock_timestamp, body, summary) VALUES (?, ?, ?, ?)",
                (key, stock_timestamp, body, summary),
            )

    def next_to_send(self) -> Stored | None:
        """Give the oldest command that is not delivered; its successors wait for it."""
        return next(iter(self._rows("state = 'stored' ORDER BY seq LIMIT 1")), None)

    def undelivered(self) -> tuple[Stored, ...]:
        """List what the relay has not taken yet, oldest first."""
        return self._rows("state = 'stored' ORDER BY seq")

    def count_undelivered(self) -> int:
        """Count what the relay has not taken yet."""
        with _errors_named():
            (count,) = self._database.execute("SELECT COUNT(*) FROM outbox WHERE state = 'stored'").fetchone()
        return int(count)

    def unanswered(self, *, since_ms: int) -> tuple[Stored, ...]:
        """List what was delivered since then and has no final answer yet."""
        return self._rows("state = 'sent' AND sent_at_ms >= ? ORDER BY seq", since_ms)

    def mark_sent(self, stored: Stored) -> None:
        """Note that the relay has taken the command."""
        self._set(stored, "state = ?, sent_at_ms = ?, last_error = NULL", OutboxState.SENT, self._clock_ms())

    def mark_refused(self, stored: Stored, reason: str) -> None:
        """Note that the relay will never take the command, and why."""
        self._set(stored, "state = ?, result = ?", OutboxState.REFUSED, reason)

    def postpone(self, stored: Stored, seconds: float, error: str) -> None:
        """Note a failed delivery and when to try again."""
        due_ms = self._clock_ms() + int(seconds * 1000)
        self._set(stored, "attempts = attempts + 1, next_at_ms = ?, last_error = ?", due_ms, error)

    def mark_answered(self, stored: Stored, state: OutboxState, reason: str) -> None:
        """Note what finally became of a delivered command."""
        self._set(stored, "state = ?, result = ?", state, reason)

    def stop_asking(self, *, before_ms: int) -> tuple[Stored, ...]:
        """Give and mark the delivered commands that found no final answer in time."""
        late = self._rows("state = 'sent' AND sent_at_ms < ? ORDER BY seq", before_ms)
        for stored in late:
            self._set(stored, "state = ?", OutboxState.UNANSWERED)
        return late

    def latest(self) -> Stored | None:
        """Give the command captured last, whatever became of it."""
        return next(iter(self._rows("TRUE ORDER BY seq DESC LIMIT 1")), None)

    def _set(self, stored: Stored, change: str, *values: object) -> None:
        with self._changing() as database:
            database.execute(f"UPDATE outbox SET {change} WHERE seq = ?", (*values, stored.seq))  # noqa: S608  fixed text

    def _rows(self, condition: str, *values: object) -> tuple[Stored, ...]:
        with _errors_named():
            found = self._database.execute(f"SELECT {_COLUMNS} FROM outbox WHERE {condition}", values).fetchall()  # noqa: S608  fixed text
        return tuple(map(_stored, found))

    @contextlib.contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        with _errors_named(), self._database:
            self._database.execute("BEGIN IMMEDIATE")
            yield self._database


def _stored(row: tuple[Any, ...]) -> Stored:
    values = dict(zip((field.name for field in fields(Stored)), row, strict=True))
    return Stored(**{**values, "state": OutboxState(values["state"])})


@contextlib.contextmanager
def _errors_named() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise OutboxError(f"outbox: {error}") from error


def _lock(path: Path) -> int:
    """Hold the lock file until this process ends, however it ends."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise OutboxError(f"outbox {path}: cannot be created: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise OutboxError(f"outbox {path}: another process uses it; each station needs its own") from error
    return descriptor


def _open(path: Path) -> sqlite3.Connection:
    is_new = not path.exists()
    try:
        # SQLite gives its journal files the mode of the database; so the file comes first, readable by us alone.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        path.chmod(0o600)
    except OSError as error:
        raise OutboxError(f"outbox {path}: cannot be opened: {error.strerror}") from error
    with _errors_named():
        database = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
        try:
            _prepare(database, path)
        except BaseException:
            database.close()
            raise
    if is_new:
        _sync_folder(path.parent)
    return database


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    is_empty = not database.execute("SELECT name FROM sqlite_master").fetchall()
    if not is_empty and _marks(database) != (_APPLICATION_ID, _SCHEMA_VERSION):
        raise OutboxError(f"outbox {path}: not an outbox of this version")
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    # Read back: a library or a distribution may have been built to override it.
    if _pragma(database, "synchronous") != _FULL:
        raise OutboxError(f"outbox {path}: SQLite does not accept synchronous = FULL; a power cut would lose scans")
    if is_empty:
        marks = f"PRAGMA application_id = {_APPLICATION_ID}; PRAGMA user_version = {_SCHEMA_VERSION};"
        database.executescript(f"BEGIN; {_SCHEMA} {marks} COMMIT;")
    verdict = _pragma(database, "quick_check(1)")
    if verdict != "ok":
        raise OutboxError(f"outbox {path}: damaged ({verdict}); move it away, keep it, and start again")


def _pragma(database: sqlite3.Connection, name: str) -> object:
    return database.execute(f"PRAGMA {name}").fetchone()[0]


def _marks(database: sqlite3.Connection) -> tuple[object, object]:
    return _pragma(database, "application_id"), _pragma(database, "user_version")


def _bind(database: sqlite3.Connection, producer: str) -> None:
    """Tie the outbox to its producer: what it holds carries that name, and no other may send it."""
    owner = database.execute("SELECT name FROM producer").fetchone()
    if owner is None:
        database.execute("INSERT INTO producer (name) VALUES (?)", (producer,))
    elif owner != (producer,):
        raise OutboxError(f"outbox: belongs to {owner[0]}, not to {producer}; give {producer} its own")


def _forget_old(database: sqlite3.Connection, before_ms: int) -> None:
    # The newest row stays: it carries the last stock timestamp, which the next must exceed.
    database.execute(
        "DELETE FROM outbox WHERE state NOT IN ('stored', 'refused', 'rejected', 'held') AND sent_at_ms < ?"
        " AND seq < (SELECT MAX(seq) FROM outbox)",
        (before_ms,),
    )


def _sync_folder(folder: Path) -> None:
    """Make the new file's name durable, not only its contents."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
