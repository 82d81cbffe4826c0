"""The files' ledger: which files were seen and how far each is, in the same SQLite file as the rows that wait."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from producers.files.rows import BadRow
    from producers.outbox_view import OutboxView

#: Rows of `bad_row` kept of one file: enough to mend a column, and no file can fill the disk with its mistakes.
MAX_BAD_ROWS: Final = 10_000
#: The same in characters, of the rows and of the values that are at fault.
MAX_BAD_CHARACTERS: Final = 4_000_000
#: Refused rows are kept this long; the reports beside the file stay.
KEEP_DAYS: Final = 30
_DAY_MS: Final = 86_400_000

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS file (
    id TEXT PRIMARY KEY,
    feed TEXT NOT NULL,
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    first_seen_ms INTEGER NOT NULL,
    run INTEGER NOT NULL,
    state TEXT NOT NULL,
    outcome TEXT NOT NULL DEFAULT '',
    checkpoint INTEGER NOT NULL DEFAULT 0,
    stored INTEGER NOT NULL DEFAULT 0,
    known INTEGER NOT NULL DEFAULT 0,
    refused INTEGER NOT NULL DEFAULT 0,
    left_out INTEGER NOT NULL DEFAULT 0,
    problem TEXT NOT NULL DEFAULT '',
    ended_ms INTEGER,
    place TEXT
);
CREATE INDEX IF NOT EXISTS file_by_content ON file (feed, sha256);
CREATE TABLE IF NOT EXISTS bad_row (
    file TEXT NOT NULL,
    number INTEGER NOT NULL,
    line INTEGER NOT NULL,
    shown_column TEXT NOT NULL,
    value TEXT NOT NULL,
    reason TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (file, number)
);
"""


class FileState(StrEnum):
    """Where a file is."""

    #: In `work/`; nothing of it is stored.
    CLAIMED = "claimed"
    #: Read to its end: rows are being stored.
    STORING = "storing"
    #: Decided, and on its way to its place.
    ENDING = "ending"
    #: Every row is stored or refused.
    DONE = "done"
    #: Nothing of it was stored.
    FAILED = "failed"
    #: The same content was there before; nothing of it was stored again.
    DUPLICATE = "duplicate"


#: Nothing happens to a file any more.
OVER: Final = frozenset({FileState.DONE, FileState.FAILED, FileState.DUPLICATE})


@dataclass(frozen=True, slots=True)
class DroppedFile:
    """One file. Times are UTC milliseconds; `checkpoint` is the number of the last row that is dealt with."""

    id: str
    feed: str
    name: str
    sha256: str
    size: int
    first_seen_ms: int
    #: How often this content is processed: 1, or more where the feed takes the same content again.
    run: int
    state: FileState
    #: What an ending file will be; empty before.
    outcome: str
    checkpoint: int
    stored: int
    #: Rows that were stored before, from a file with the same content.
    known: int
    refused: int
    left_out: int
    #: Why the whole file was not taken.
    problem: str
    ended_ms: int | None
    #: Where it lies now, with its reports beside it.
    place: str | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row of a file that became no command, and why."""

    number: int
    line: int
    column: str
    value: str
    reason: str
    text: str


_COLUMNS: Final = ", ".join(field.name for field in fields(DroppedFile))


class FileLedger:
    """Reads and writes the files' part of an outbox opened with SCHEMA. OutboxError comes through."""

    def __init__(self, outbox: OutboxView) -> None:
        self._outbox = outbox

    def begin(self, file: DroppedFile) -> None:
        """Note a claimed file."""
        with self._outbox.changing() as database:
            marks = ", ".join("?" * len(fields(DroppedFile)))
            values = tuple(getattr(file, field.name) for field in fields(DroppedFile))
            database.execute(f"INSERT INTO file ({_COLUMNS}) VALUES ({marks})", values)  # noqa: S608  fixed text

    def find(self, file_id: str) -> DroppedFile | None:
        """Look a file up by its id."""
        return next(iter(self._select("id = ?", file_id)), None)

    def same_content(self, feed: str, sha256: str) -> tuple[DroppedFile, ...]:
        """List the files of a feed with this content that were stored, wholly or so far; oldest first."""
        return self._select(
            "feed = ? AND sha256 = ? AND (state IN ('storing', 'done') OR outcome = 'done') ORDER BY first_seen_ms",
            feed,
            sha256,
        )

    def unfinished(self, feed: str) -> tuple[DroppedFile, ...]:
        """List the files that are not over, oldest first."""
        return self._select(
            "feed = ? AND state NOT IN ('done', 'failed', 'duplicate') ORDER BY first_seen_ms, rowid", feed
        )

    def latest(self, limit: int, *, name: str = "") -> tuple[DroppedFile, ...]:
        """List the newest files, of one name where one is given."""
        return self._select("? IN ('', name, id) ORDER BY first_seen_ms DESC, rowid DESC LIMIT ?", name, limit)

    def unfinished_elsewhere(self, feeds: Collection[str]) -> tuple[DroppedFile, ...]:
        """List the files that are not over and belong to none of these feeds."""
        marks = ", ".join("?" * len(feeds))
        return self._select(f"state NOT IN ('done', 'failed', 'duplicate') AND feed NOT IN ({marks})", *feeds)

    def set_state(self, file_id: str, state: FileState) -> None:
        """Note where a file is now."""
        with self._outbox.changing() as database:
            database.execute("UPDATE file SET state = ? WHERE id = ?", (state, file_id))

    def advance(
        self,
        database: sqlite3.Connection,
        file: DroppedFile,
        *,
        checkpoint: int,
        stored: int,
        known: int,
        left_out: int,
        refused: Sequence[BadRow],
    ) -> None:
        """Note how far a file is, in the transaction that stores its commands: what this step adds to its counts."""
        # added here and not to what the caller knows: refuse_late changes the counts meanwhile
        database.execute(
            "UPDATE file SET state = ?, run = ?, checkpoint = ?, stored = stored + ?, known = known + ?,"
            " refused = refused + ?, left_out = left_out + ? WHERE id = ?",
            (FileState.STORING, file.run, checkpoint, stored, known, len(refused), left_out, file.id),
        )
        self._keep_all(database, file.id, refused)

    def end(
        self,
        file: DroppedFile,
        outcome: FileState,
        problem: str,
        refused: Sequence[BadRow],
        *,
        ended_ms: int,
        place: Path,
    ) -> DroppedFile:
        """Note what a file is in the end, and where it is to lie."""
        with self._outbox.changing() as database:
            database.execute(
                "UPDATE file SET state = ?, run = ?, outcome = ?, problem = ?, ended_ms = ?, place = ?,"
                " refused = refused + ? WHERE id = ?",
                (FileState.ENDING, file.run, outcome, problem, ended_ms, str(place), len(refused), file.id),
            )
            self._keep_all(database, file.id, refused)
            return self._get(file.id)

    def refuse_late(self, file_id: str, refusal: Refusal, *, now_ms: int) -> bool:
        """Note a row that was stored and that the relay will never take; false when that is known."""
        with self._outbox.changing() as database:
            file = self.find(file_id)
            is_old = file is not None and file.ended_ms is not None and file.ended_ms < now_ms - KEEP_DAYS * _DAY_MS
            if file is None or is_old or not _keep(database, file_id, refusal):
                return False
            database.execute(
                "UPDATE file SET stored = MAX(0, stored - 1), refused = refused + 1 WHERE id = ?", (file_id,)
            )
        return True

    def forget_old(self, now_ms: int) -> None:
        """Delete the refused rows of files that ended long ago; the files stay known."""
        with self._outbox.changing() as database:
            database.execute(
                "DELETE FROM bad_row WHERE file IN (SELECT id FROM file WHERE ended_ms < ?)",
                (now_ms - KEEP_DAYS * _DAY_MS,),
            )

    def _keep_all(self, database: sqlite3.Connection, file_id: str, refused: Sequence[BadRow]) -> None:
        if not refused:
            return
        kept, characters = database.execute(
            "SELECT COUNT(*), COALESCE(SUM(LENGTH(value) + LENGTH(text)), 0) FROM bad_row WHERE file = ?", (file_id,)
        ).fetchone()
        for row in within_bounds(refused, kept, characters):
            _keep(database, file_id, Refusal(row.number, row.line, row.column, row.value, row.reason, row.text))

    def refusals(self, file_id: str) -> tuple[Refusal, ...]:
        """List the rows of a file that became no command."""
        with self._outbox.changing() as database:
            found = database.execute(
                "SELECT number, line, shown_column, value, reason, text FROM bad_row WHERE file = ? ORDER BY number",
                (file_id,),
            ).fetchall()
        return tuple(Refusal(*row) for row in found)

    def _get(self, file_id: str) -> DroppedFile:
        (file,) = self._select("id = ?", file_id)
        return file

    def _select(self, condition: str, *values: object) -> tuple[DroppedFile, ...]:
        with self._outbox.changing() as database:
            found = database.execute(f"SELECT {_COLUMNS} FROM file WHERE {condition}", values).fetchall()  # noqa: S608  fixed text
        names = [field.name for field in fields(DroppedFile)]
        return tuple(
            DroppedFile(**{**dict(zip(names, row, strict=True)), "state": FileState(row[names.index("state")])})
            for row in found
        )


def within_bounds(refused: Iterable[BadRow], kept: int, characters: int) -> Iterator[BadRow]:
    """Give as many refused rows as may still be kept of a file, where so many rows and characters are kept."""
    for row in refused:
        kept, characters = kept + 1, characters + len(row.value) + len(row.text)
        if kept > MAX_BAD_ROWS or characters > MAX_BAD_CHARACTERS:
            return
        yield row


def _plain(value: object) -> object:
    """Make a text storable: a damaged file may hold lone surrogates."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _keep(database: sqlite3.Connection, file_id: str, refusal: Refusal) -> bool:
    values = (getattr(refusal, field.name) for field in fields(Refusal))
    found = database.execute(
        "INSERT INTO bad_row VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", (file_id, *map(_plain, values))
    )
    return bool(found.rowcount)
