"""Looking into an outbox, and having an entry tried again: what is safe beside the process that owns it."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Final, Self

from producers.outbox_file import errors_named, open_beside
from producers.outbox_lanes import COLUMNS, enter, to_stored
from producers.outbox_records import OutboxError, OutboxState, Stored

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping
    from pathlib import Path

#: Rows of one read while all are gone through.
_PAGE: Final = 500


class OutboxView:
    """An outbox as seen from outside: for `outbox ls|show|retry|export` while its producer runs, or not.

    OutboxError when there is none at the path, or it cannot be read. Several threads may use it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._guard = threading.RLock()
        self._database = open_beside(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; nothing is lost by not doing it."""
        with self._guard:
            self._database.close()

    @contextlib.contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """Make one durable transaction of what is done inside, with the outbox's methods or the owner's statements.

        It is on disk when the block is left, and undone when an error leaves it: let errors through. A block inside
        another joins it. Never await inside: other threads wait for it.
        """
        with self._guard, errors_named():
            if self._database.in_transaction:
                yield self._database
                return
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    def find(self, key: str) -> Stored | None:
        """Look an entry up by its key."""
        return self._first("key = ?", key)

    def latest(self) -> Stored | None:
        """Give the entry stored last, whatever became of it."""
        return self._first("TRUE ORDER BY seq DESC")

    def rows(
        self, *states: OutboxState, limit: int = 100, after_seq: int = 0, newest_first: bool = False
    ) -> tuple[Stored, ...]:
        """List the entries in these states (all, without any) by age: the oldest behind `after_seq`, or the newest."""
        wanted = f"state IN ({', '.join('?' * len(states))})" if states else "TRUE"
        order = "DESC" if newest_first else "ASC"
        return self._rows(f"{wanted} AND seq > ? ORDER BY seq {order} LIMIT ?", *states, after_seq, limit)

    def every_row(self, *states: OutboxState) -> Iterator[Stored]:
        """Go through all entries in these states (all, without any), oldest first, in flat memory."""
        page = self.rows(*states, limit=_PAGE)
        while page:
            yield from page
            page = self.rows(*states, limit=_PAGE, after_seq=page[-1].seq)

    def counts(self) -> Mapping[OutboxState, int]:
        """Count the entries by state; a state without any is left out."""
        with self._reading() as database:
            found = database.execute("SELECT state, COUNT(*) FROM outbox GROUP BY state").fetchall()
        try:
            return {OutboxState(state): count for state, count in found}
        except ValueError as error:
            raise OutboxError(f"an entry has a state that cannot be read: {error}") from error

    def count_undelivered(self) -> int:
        """Count what the relay has not taken yet."""
        with self._reading() as database:
            (count,) = database.execute("SELECT COUNT(*) FROM outbox WHERE state = 'stored'").fetchone()
        return int(count)

    def first_undelivered(self) -> Stored | None:
        """Give the oldest entry that the relay has not taken yet."""
        return self._first("state = 'stored' ORDER BY seq")

    def recall(self, name: str) -> str | None:
        """Give what was kept with `remember`."""
        with self._reading() as database:
            found = database.execute("SELECT value FROM note WHERE name = ?", (name,)).fetchone()
        return None if found is None else str(found[0])

    def retry(self, key: str) -> bool:
        """Have a refused entry handed over again, or a postponed one now; False when it is neither.

        It keeps its number, so it comes before whatever still waits in its lanes; what went on meanwhile is ahead.
        """
        with self.changing() as database:
            stored = self.find(key)
            if stored is None or stored.state not in (OutboxState.REFUSED, OutboxState.STORED):
                return False
            database.execute(
                "UPDATE outbox SET state = 'stored', next_at_ms = 0, result = NULL WHERE seq = ?", (stored.seq,)
            )
            if stored.state is OutboxState.REFUSED:
                enter(database, stored.seq, stored.lanes)
        return True

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._guard, errors_named():
            yield self._database

    def _rows(self, condition: str, *values: object) -> tuple[Stored, ...]:
        with self._reading() as database:
            found = database.execute(f"SELECT {COLUMNS} FROM outbox WHERE {condition}", values).fetchall()  # noqa: S608  fixed text
        return tuple(map(to_stored, found))

    def _first(self, condition: str, *values: object) -> Stored | None:
        return next(iter(self._rows(f"{condition} LIMIT 1", *values)), None)
