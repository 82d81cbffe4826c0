"""A producer's outbox: what it captured, on disk before anybody is told so, until the relay has taken it.

One implementation for the scanner station, the spool of the webhooks and the files.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from typing import TYPE_CHECKING, Final

from producers import outbox_lanes
from producers.outbox_file import errors_named, lock, open_file
from producers.outbox_records import (
    Capture,
    OutboxDamagedNotice,
    OutboxError,
    OutboxFullError,
    OutboxState,
    Stored,
    now_ms,
)
from producers.outbox_view import OutboxView

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = [
    "Capture",
    "Outbox",
    "OutboxDamagedNotice",
    "OutboxError",
    "OutboxFullError",
    "OutboxState",
    "OutboxView",
    "Stored",
    "now_ms",
]

#: Delivered entries are kept this long for people who ask what happened; then they are deleted.
KEEP_DAYS: Final = 30
#: When the outbox is full, what was delivered longer ago than this goes before anything new is refused.
KEEP_DAYS_WHEN_FULL: Final = 1
#: Half a million to two million entries; more is a relay that has been away for months.
MAX_BYTES: Final = 2**30
#: What is left on the disk for the journal, and for the machine to go on with.
MIN_FREE_BYTES: Final = 200_000_000
_DAY_MS: Final = 86_400_000
#: Looked at in one go, of each state, so that nobody waits for it.
_FORGOTTEN_AT_ONCE: Final = 1_000
#: What a final answer still changes.
_OPEN: Final = frozenset({OutboxState.STORED, OutboxState.SENT, OutboxState.UNANSWERED, OutboxState.HELD})
#: Delivered, and nobody has to look at it any more.
_FORGETTABLE: Final = (
    OutboxState.SENT,
    OutboxState.UNANSWERED,
    OutboxState.APPLIED,
    OutboxState.CANCELLED,
    OutboxState.WITHDRAWN,
)


class Outbox(OutboxView):
    """The outbox of one producer, which only one process at a time may open; several threads may use it.

    Every method that changes something has it on disk when it returns (`changing` makes one step of several), and
    raises OutboxError when it cannot. `schema` holds further tables of the owner, as `CREATE TABLE IF NOT EXISTS …;`,
    to be changed with `changing` in one step with the entries. `damaged` is there when a damaged file was put aside at
    the start: show it.
    """

    def __init__(
        self,
        path: Path,
        producer: str,
        *,
        schema: str = "",
        clock_ms: Callable[[], int] = now_ms,
        max_bytes: int = MAX_BYTES,
        min_free_bytes: int = MIN_FREE_BYTES,
    ) -> None:
        self.path = path
        self.damaged: OutboxDamagedNotice | None = None
        self._clock_ms = clock_ms
        self._max_bytes = max_bytes
        self._min_free_bytes = min_free_bytes
        self._guard = threading.RLock()
        self._lock, was_ours = lock(path)
        try:
            self._database, self.damaged = open_file(path, was_ours=was_ours, moment_ms=clock_ms())
            try:
                self._begin(producer, schema)
            except BaseException:
                self._database.close()
                raise
        except BaseException:
            os.close(self._lock)
            raise

    def close(self) -> None:
        """Close the file and let another process open it."""
        with self._guard:
            if self._lock < 0:
                return
            self._database.close()
            os.close(self._lock)
            self._lock = -1

    def store(self, *captures: Capture) -> tuple[bool, ...]:
        """Keep what was captured; when this returns, it survives a power cut.

        Tells of each whether it is new; one whose key is there already changes nothing. OutboxFullError when there is
        no room for what is new: then nothing is stored.
        """
        with self.changing() as database:
            return self.add(database, *captures)

    def add(self, database: sqlite3.Connection, *captures: Capture) -> tuple[bool, ...]:
        """Do the same inside of `changing`; its errors must leave the block."""
        keys = json.dumps([one.key for one in captures])
        found = database.execute("SELECT key FROM outbox WHERE key IN (SELECT value FROM json_each(?))", (keys,))
        known = {key for (key,) in found}
        new = sum(len(one.body) + len(one.origin) for one in captures if one.key not in known)
        if new:
            self._require_room(database, new)
        return tuple(_insert(database, capture) for capture in captures)

    def due(self, limit: int) -> tuple[Stored, ...]:
        """Give the oldest entries that are ready to hand over, in their order.

        None of them has an earlier undelivered one in a lane of its own that is not in the result before it; so every
        start of the result may be handed over alone.
        """
        with self._reading() as database:
            return outbox_lanes.pick(database, limit, self._clock_ms())

    def next_due_ms(self) -> int | None:
        """Tell when the next entry may be tried (UTC milliseconds, perhaps past); None when none waits."""
        with self._reading() as database:
            return outbox_lanes.next_due_ms(database)

    def offer(self, batch: Sequence[Stored]) -> tuple[Stored, ...]:
        """Note that the relay is about to be asked; gives those that are still to be handed over.

        From here on they cannot be withdrawn, whatever becomes of the request.
        """
        with self.changing() as database:
            fresh = [(one.seq,) for one in batch if not one.offered]
            database.executemany("UPDATE outbox SET offered = 1 WHERE seq = ? AND state = 'stored'", fresh)
            waiting = "SELECT 1 FROM outbox WHERE seq = ? AND state = 'stored'"
            return tuple(one for one in batch if database.execute(waiting, (one.seq,)).fetchone())

    def take_offer_back(self, batch: Sequence[Stored]) -> None:
        """Note that the relay was certainly never reached with these, as they were before `offer`."""
        with self.changing() as database:
            fresh = [(one.seq,) for one in batch if not one.offered]
            database.executemany("UPDATE outbox SET offered = 0 WHERE seq = ? AND state = 'stored'", fresh)

    def mark_sent(self, *batch: Stored) -> tuple[bool, ...]:
        """Note that the relay has taken these; False for one that no longer waited, as when its result came first."""
        with self.changing() as database:
            return tuple(self._deliver(database, stored, OutboxState.SENT, None) for stored in batch)

    def mark_refused(self, stored: Stored, reason: str) -> bool:
        """Note that the relay will never take this one, and why; False when it no longer waited."""
        with self.changing() as database:
            return self._deliver(database, stored, OutboxState.REFUSED, reason)

    def postpone(self, stored: Stored, seconds: float, error: str) -> None:
        """Note a failed try and when to try again, within ten minutes; what shares a lane with it waits too."""
        due_ms = self._clock_ms() + int(min(seconds, outbox_lanes.MAX_POSTPONE_SECONDS) * 1000)
        with self.changing() as database:
            database.execute(
                "UPDATE outbox SET attempts = attempts + 1, next_at_ms = ?, last_error = ?"
                " WHERE seq = ? AND state = 'stored'",
                (due_ms, error, stored.seq),
            )

    def withdraw(self, key: str) -> bool:
        """Take an entry back; False when it is unknown, delivered, or the relay was asked and may have it."""
        with self.changing() as database:
            stored = self.find(key)
            if stored is None or stored.state is not OutboxState.STORED or stored.offered:
                return False
            self._deliver(database, stored, OutboxState.WITHDRAWN, None)
        return True

    def mark_answered(self, key: str, state: OutboxState, reason: str) -> Stored | None:
        """Note what finally became of a command; gives the entry when that is news.

        An entry that nobody noted as sent is thereby: the answer proves it. A held one may still end otherwise.
        """
        with self.changing() as database:
            stored = self.find(key)
            if stored is None or stored.state is state or stored.state not in _OPEN:
                return None
            if stored.state is OutboxState.STORED:
                self._deliver(database, stored, OutboxState.SENT, None)
            database.execute("UPDATE outbox SET state = ?, result = ? WHERE seq = ?", (state, reason, stored.seq))
        return stored

    def unanswered(self, *, after_seq: int = 0, limit: int = 100) -> tuple[Stored, ...]:
        """List what was delivered and has no final answer yet, oldest first."""
        return self._rows("state = 'sent' AND seq > ? ORDER BY seq LIMIT ?", after_seq, limit)

    def stop_asking(self, *, before_ms: int, limit: int = 100) -> tuple[Stored, ...]:
        """Give and mark the delivered entries that found no final answer in time, so many at once."""
        with self.changing() as database:
            late = self._rows("state = 'sent' AND sent_at_ms < ? ORDER BY seq LIMIT ?", before_ms, limit)
            database.executemany(
                "UPDATE outbox SET state = 'unanswered' WHERE seq = ?", [(stored.seq,) for stored in late]
            )
        return late

    def remember(self, name: str, value: str) -> None:
        """Keep a short text of the owner under a name, in place of what was there."""
        with self.changing() as database:
            database.execute("INSERT OR REPLACE INTO note (name, value) VALUES (?, ?)", (name, value))

    def forget_old(self) -> int:
        """Delete what was delivered more than KEEP_DAYS ago, up to some thousands of entries; tells how many.

        Dead letters stay: somebody has to look at them.
        """
        with self.changing() as database:
            return _forget(database, self._clock_ms() - KEEP_DAYS * _DAY_MS)

    def _begin(self, producer: str, schema: str) -> None:
        with self.changing() as database:
            self._bind(database, producer)
            # The clock may have been wrong when they were postponed.
            database.execute("UPDATE outbox SET next_at_ms = 0 WHERE state = 'stored' AND next_at_ms > 0")
        if schema:
            with errors_named():
                self._database.executescript(f"BEGIN IMMEDIATE; {schema} COMMIT;")
        self.forget_old()

    def _bind(self, database: sqlite3.Connection, producer: str) -> None:
        """Tie the outbox to its producer: what it holds carries that name, and no other may send it."""
        owner = database.execute("SELECT name FROM producer").fetchone()
        if owner is None:
            database.execute("INSERT INTO producer (name) VALUES (?)", (producer,))
        elif owner != (producer,):
            raise OutboxError(f"outbox {self.path}: belongs to {owner[0]}, not to {producer}; give {producer} its own")

    def _deliver(self, database: sqlite3.Connection, stored: Stored, state: OutboxState, result: str | None) -> bool:
        """End the waiting of an entry, unless something else has ended it already."""
        sent_at_ms = self._clock_ms() if state is OutboxState.SENT else None
        changed = database.execute(
            "UPDATE outbox SET state = ?, result = ?, sent_at_ms = ?,"
            " last_error = CASE ? WHEN 'sent' THEN NULL ELSE last_error END WHERE seq = ? AND state = 'stored'",
            (state, result, sent_at_ms, state, stored.seq),
        )
        if not changed.rowcount:
            return False
        outbox_lanes.leave(database, stored.seq, stored.lanes)
        return True

    def _require_room(self, database: sqlite3.Connection, new_bytes: int) -> None:
        if _used_bytes(database) + new_bytes > self._max_bytes:
            _forget(database, self._clock_ms() - KEEP_DAYS_WHEN_FULL * _DAY_MS)
            used = _used_bytes(database)
            if used + new_bytes > self._max_bytes:
                raise OutboxFullError(
                    f"outbox {self.path}: full: {used / 2**20:.1f} MiB are used and {self._max_bytes / 2**20:.1f} MiB"
                    " are allowed; have what waits delivered"
                )
        free = shutil.disk_usage(self.path.parent).free
        if free < self._min_free_bytes + new_bytes:
            raise OutboxFullError(
                f"outbox {self.path}: the disk has only {free / 10**6:.0f} MB left; make room on it, then do it again"
            )


def _insert(database: sqlite3.Connection, capture: Capture) -> bool:
    lanes = tuple(dict.fromkeys(capture.lanes))
    added = database.execute(
        "INSERT INTO outbox (key, lanes, stock_timestamp, body, summary, origin) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (key) DO NOTHING",
        (capture.key, json.dumps(lanes), capture.stock_timestamp, capture.body, capture.summary, capture.origin),
    )
    if not added.rowcount or added.lastrowid is None:
        return False
    outbox_lanes.enter(database, added.lastrowid, lanes)
    return True


def _forget(database: sqlite3.Connection, before_ms: int) -> int:
    # The newest entry stays: it carries the last stock timestamp, which the next must exceed.
    forget = (
        "DELETE FROM outbox WHERE COALESCE(sent_at_ms, stock_timestamp) < ? AND seq < (SELECT MAX(seq) FROM outbox)"
        " AND seq IN (SELECT seq FROM outbox WHERE state = ? ORDER BY seq LIMIT ?)"
    )
    return sum(database.execute(forget, (before_ms, state, _FORGOTTEN_AT_ONCE)).rowcount for state in _FORGETTABLE)


def _used_bytes(database: sqlite3.Connection) -> int:
    pages, free, size = (
        int(database.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size
