"""The file of an outbox: its lock, its schema, the settings that make a commit durable, damage, and old versions.

Statements below are SQLite; the promise rests on `synchronous = FULL` in WAL mode (https://sqlite.org/pragma.html).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import os
import sqlite3
from typing import TYPE_CHECKING, Final

from producers.outbox_records import OutboxDamagedNotice, OutboxError, OutboxFullError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Marks the file as an outbox ("SRob"), so that another program's database is refused.
_APPLICATION_ID: Final = 0x5352_6F62
_SCHEMA_VERSION: Final = 2
#: What `PRAGMA synchronous` reads back for FULL.
_FULL: Final = 2
#: A backup program, or somebody who looks into the outbox, may hold the file for a moment.
_BUSY_SECONDS: Final = 5.0
#: What SQLite keeps beside the file; a journal holds commits that are nowhere else.
_BESIDE: Final = ("-wal", "-shm")

_TABLE: Final = """
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
    result TEXT,
    lanes TEXT NOT NULL DEFAULT '[]',
    origin TEXT NOT NULL DEFAULT '{}',
    offered INTEGER NOT NULL DEFAULT 0,
    behind INTEGER NOT NULL DEFAULT 0
);
"""
#: Version 1 had one lane, whose head kept back all others: an entry without lanes is just that. Nobody noted what was
#: offered, so all of it may have been.
_FROM_VERSION_1: Final = """
ALTER TABLE outbox ADD COLUMN lanes TEXT NOT NULL DEFAULT '[]';
ALTER TABLE outbox ADD COLUMN origin TEXT NOT NULL DEFAULT '{}';
ALTER TABLE outbox ADD COLUMN offered INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN behind INTEGER NOT NULL DEFAULT 0;
UPDATE outbox SET offered = 1;
DROP INDEX by_state;
"""
_AROUND: Final = """
CREATE TABLE lane (name TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (name, seq)) WITHOUT ROWID;
CREATE TABLE note (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX by_state ON outbox (state);
CREATE INDEX fronts ON outbox (seq, next_at_ms) WHERE state = 'stored' AND behind = 0 AND lanes != '[]';
CREATE INDEX barriers ON outbox (seq) WHERE state = 'stored' AND lanes = '[]';
"""


@contextlib.contextmanager
def errors_named() -> Iterator[None]:
    """Turn what SQLite raises into OutboxError; a full disk into OutboxFullError."""
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            raise OutboxFullError("outbox: the disk is full; make room on it, then do it again") from error
        raise OutboxError(f"outbox: {error}") from error


def lock(path: Path) -> tuple[int, bool]:
    """Hold the lock file until this process ends, however it ends; tell whether there was one before.

    Raises OutboxError when another process holds it.
    """
    beside = path.with_name(f"{path.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        was_there = beside.exists()
        descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise OutboxError(f"outbox {path}: cannot be created: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise OutboxError(f"outbox {path}: another process uses it; each producer needs its own") from error
    return descriptor, was_there


def open_file(path: Path, *, was_ours: bool, moment_ms: int) -> tuple[sqlite3.Connection, OutboxDamagedNotice | None]:
    """Open or begin the file that the caller has locked.

    A damaged one is put aside as `<name>.damaged-<time>`, and a new one begun. What is no database at all counts as
    damaged only where an outbox was before (`was_ours`); else it is somebody's file, which stays as it is.
    """
    try:
        return _open(path), None
    except _DamagedError as error:
        if not (error.is_database or was_ours):
            raise OutboxError(f"outbox {path}: not an outbox ({error}); name another file") from error
        notice = OutboxDamagedNotice(_put_aside(path, moment_ms), str(error))
    return _open(path), notice


def open_beside(path: Path) -> sqlite3.Connection:
    """Open the file of an outbox that perhaps another process owns; it must be there, and of this version."""
    if not path.exists():
        raise OutboxError(f"outbox {path}: there is none")
    with errors_named():
        database = _connect(f"{path.absolute().as_uri()}?mode=rw")
        try:
            _require_ours(database, path)
            _make_durable(database, path)
        except BaseException:
            database.close()
            raise
    return database


def _require_ours(database: sqlite3.Connection, path: Path) -> None:
    if _marks(database) != (_APPLICATION_ID, _SCHEMA_VERSION):
        raise OutboxError(f"outbox {path}: not an outbox of this version; start its producer once")


class _DamagedError(Exception):
    def __init__(self, problem: str, *, is_database: bool) -> None:
        super().__init__(problem)
        self.is_database = is_database


def _connect(uri: str) -> sqlite3.Connection:
    # The writer's thread and the event loop share the connection; the outbox lets one at a time use it.
    return sqlite3.connect(uri, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=True)


def _open(path: Path) -> sqlite3.Connection:
    is_new = not path.exists()
    try:
        # SQLite gives its journal files the mode of the database; so the file comes first, readable by us alone.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        path.chmod(0o600)
    except OSError as error:
        raise OutboxError(f"outbox {path}: cannot be opened: {error.strerror}") from error
    with errors_named():
        database = _connect(path.absolute().as_uri())
        try:
            with _damage_named():
                _prepare(database, path)
        except BaseException:
            database.close()
            raise
    if is_new:
        _sync_folder(path.parent)
    return database


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    is_empty = not database.execute("SELECT name FROM sqlite_master").fetchall()
    identity, version = _marks(database)
    if not is_empty and (identity != _APPLICATION_ID or version not in (1, _SCHEMA_VERSION)):
        raise OutboxError(f"outbox {path}: not an outbox of this version")
    _make_durable(database, path)
    verdict = _pragma(database, "quick_check(1)")
    if verdict != "ok":
        raise _DamagedError(str(verdict), is_database=True)
    if is_empty:
        _build(database, _TABLE)
    elif version == 1:
        _build(database, _FROM_VERSION_1)


def _build(database: sqlite3.Connection, first: str) -> None:
    """Create or convert everything in one transaction."""
    marks = f"PRAGMA application_id = {_APPLICATION_ID}; PRAGMA user_version = {_SCHEMA_VERSION};"
    try:
        database.executescript(f"BEGIN IMMEDIATE; {first} {_AROUND} {marks} COMMIT;")
    except sqlite3.Error:
        if database.in_transaction:
            database.rollback()
        raise


def _make_durable(database: sqlite3.Connection, path: Path) -> None:
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    # Read back: a library or a distribution may have been built to override it.
    if (_pragma(database, "journal_mode"), _pragma(database, "synchronous")) != ("wal", _FULL):
        raise OutboxError(
            f"outbox {path}: SQLite does not accept WAL with synchronous = FULL; a power cut would lose data"
        )


@contextlib.contextmanager
def _damage_named() -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        # the primary code is the low byte; see https://sqlite.org/rescode.html
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise
        raise _DamagedError(str(error), is_database=code == sqlite3.SQLITE_CORRUPT) from error


def _put_aside(path: Path, moment_ms: int) -> Path:
    """Rename the file together with its journal, so that both can be looked at as they were."""
    moment = dt.datetime.fromtimestamp(moment_ms / 1000, dt.UTC)
    kept_as = path.with_name(f"{path.name}.damaged-{moment:%Y%m%dT%H%M%S}")
    number = 1
    while kept_as.exists():
        number += 1
        kept_as = path.with_name(f"{path.name}.damaged-{moment:%Y%m%dT%H%M%S}-{number}")
    try:
        for ending in ("", *_BESIDE):
            with contextlib.suppress(FileNotFoundError):
                path.with_name(path.name + ending).rename(kept_as.with_name(kept_as.name + ending))
        _sync_folder(path.parent)
    except OSError as error:
        raise OutboxError(f"outbox {path}: damaged, and cannot be put aside: {error.strerror}") from error
    return kept_as


def _pragma(database: sqlite3.Connection, name: str) -> object:
    return database.execute(f"PRAGMA {name}").fetchone()[0]


def _marks(database: sqlite3.Connection) -> tuple[object, object]:
    return _pragma(database, "application_id"), _pragma(database, "user_version")


def _sync_folder(folder: Path) -> None:
    """Make a file's name durable, not only its contents."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
