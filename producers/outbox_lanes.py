"""Which entries of an outbox may be handed over: each behind every earlier one that it shares a lane with.

The table `lane` holds the lanes of the undelivered entries only. `outbox.behind` counts the lanes of an entry in which
an earlier one waits, so that those that wait for none are found by an index, however many stand behind them.
An entry without lanes is a barrier: it waits for all before it, and all after it wait for it.
"""

from __future__ import annotations

import heapq
import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from producers.outbox_records import OutboxError, OutboxState, Stored

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

_NAMES: Final = tuple(field.name for field in fields(Stored))
COLUMNS: Final = ", ".join(_NAMES)
#: Nobody postpones an entry further; one that is was postponed before the clock was set back.
MAX_POSTPONE_SECONDS: Final = 600
#: The largest row number of SQLite.
_END: Final = 2**63 - 1


def to_stored(row: tuple[Any, ...]) -> Stored:
    """Read a row of COLUMNS; raises OutboxError for one that nobody of ours has written."""
    values = dict(zip(_NAMES, row, strict=True))
    try:
        lanes, state = tuple(json.loads(values["lanes"])), OutboxState(values["state"])
    except (ValueError, TypeError, RecursionError) as error:
        raise OutboxError(f"entry {values['seq']}: lanes or state cannot be read: {error}") from error
    return Stored(**{**values, "lanes": lanes, "state": state, "offered": bool(values["offered"])})


def enter(database: sqlite3.Connection, seq: int, lanes: Iterable[str]) -> None:
    """Put an undelivered entry into its lanes, at the place that its number gives it."""
    behind = 0
    for lane in lanes:
        if _has_earlier(database, lane, seq):
            behind += 1
        else:
            _add_behind(database, _next_in(database, lane, seq), 1)
        database.execute("INSERT INTO lane (name, seq) VALUES (?, ?)", (lane, seq))
    if behind:
        _add_behind(database, seq, behind)


def leave(database: sqlite3.Connection, seq: int, lanes: Iterable[str]) -> None:
    """Take an entry out of its lanes; the next of each moves up."""
    for lane in lanes:
        database.execute("DELETE FROM lane WHERE name = ? AND seq = ?", (lane, seq))
        if not _has_earlier(database, lane, seq):
            _add_behind(database, _next_in(database, lane, seq), -1)
    database.execute("UPDATE outbox SET behind = 0 WHERE seq = ?", (seq,))


def pick(database: sqlite3.Connection, limit: int, now_ms: int) -> tuple[Stored, ...]:
    """Give the oldest entries that may be handed over together, in their order; each start of the list may be, too."""
    picked = _Picking(database, limit, now_ms)
    start = 0
    while True:
        barrier = _first_barrier(database, start)
        before = len(picked.chosen)
        picked.take_between(start, _END if barrier is None else barrier)
        taken = len(picked.chosen) - before
        if barrier is None or not picked.has_room or _count(database, start, barrier, taken + 1) > taken:
            return tuple(picked.chosen)
        if not picked.take(barrier):
            return tuple(picked.chosen)
        start = barrier


def next_due_ms(database: sqlite3.Connection) -> int | None:
    """Tell the earliest moment at which an entry that waits for no other may be tried; None when there is none."""
    barrier = _first_barrier(database, 0)
    (due_ms,) = database.execute(
        "SELECT MIN(next_at_ms) FROM outbox INDEXED BY fronts"
        " WHERE state = 'stored' AND behind = 0 AND lanes != '[]' AND seq < ?",
        (_END if barrier is None else barrier,),
    ).fetchone()
    if due_ms is None and barrier is not None:
        (due_ms,) = database.execute("SELECT next_at_ms FROM outbox WHERE seq = ?", (barrier,)).fetchone()
    return None if due_ms is None else int(due_ms)


class _Picking:
    """Chooses entries by their number; choosing one frees those that stood behind it alone."""

    def __init__(self, database: sqlite3.Connection, limit: int, now_ms: int) -> None:
        self.chosen: list[Stored] = []
        self._database = database
        self._limit = limit
        self._later = (now_ms + 1, now_ms + MAX_POSTPONE_SECONDS * 1000)
        self._free: list[int] = []
        #: In how many lanes an entry is still behind, where something in front of it is chosen.
        self._behind: dict[int, int] = {}

    @property
    def has_room(self) -> bool:
        return len(self.chosen) < self._limit

    def take_between(self, start: int, end: int) -> None:
        """Choose what is free between two barriers."""
        fronts = self._database.execute(
            "SELECT seq FROM outbox INDEXED BY fronts WHERE state = 'stored' AND behind = 0 AND lanes != '[]'"
            " AND seq > ? AND seq < ? AND next_at_ms NOT BETWEEN ? AND ? ORDER BY seq LIMIT ?",
            (start, end, *self._later, self._limit - len(self.chosen)),
        ).fetchall()
        for (seq,) in fronts:
            heapq.heappush(self._free, seq)
        while self._free and self._free[0] < end and self.has_room:
            self.take(heapq.heappop(self._free))

    def take(self, seq: int) -> bool:
        """Choose one; False when it is postponed."""
        row = self._database.execute(f"SELECT {COLUMNS} FROM outbox WHERE seq = ?", (seq,)).fetchone()  # noqa: S608  fixed text
        stored = to_stored(row)
        if self._later[0] <= stored.next_at_ms <= self._later[1]:
            return False
        self.chosen.append(stored)
        for lane in stored.lanes:
            self._move_up(_next_in(self._database, lane, seq))
        return True

    def _move_up(self, seq: int | None) -> None:
        if seq is None:
            return
        if seq not in self._behind:
            (self._behind[seq],) = self._database.execute("SELECT behind FROM outbox WHERE seq = ?", (seq,)).fetchone()
        self._behind[seq] -= 1
        if self._behind[seq] == 0:
            heapq.heappush(self._free, seq)


def _has_earlier(database: sqlite3.Connection, lane: str, seq: int) -> bool:
    found = database.execute("SELECT 1 FROM lane WHERE name = ? AND seq < ? LIMIT 1", (lane, seq)).fetchone()
    return found is not None


def _next_in(database: sqlite3.Connection, lane: str, seq: int) -> int | None:
    found = database.execute(
        "SELECT seq FROM lane WHERE name = ? AND seq > ? ORDER BY seq LIMIT 1", (lane, seq)
    ).fetchone()
    return None if found is None else int(found[0])


def _add_behind(database: sqlite3.Connection, seq: int | None, change: int) -> None:
    database.execute("UPDATE outbox SET behind = behind + ? WHERE seq = ?", (change, seq))


def _first_barrier(database: sqlite3.Connection, behind: int) -> int | None:
    found = database.execute(
        "SELECT seq FROM outbox INDEXED BY barriers WHERE state = 'stored' AND lanes = '[]' AND seq > ?"
        " ORDER BY seq LIMIT 1",
        (behind,),
    ).fetchone()
    return None if found is None else int(found[0])


def _count(database: sqlite3.Connection, start: int, end: int, most: int) -> int:
    (count,) = database.execute(
        "SELECT COUNT(*) FROM (SELECT 1 FROM outbox WHERE state = 'stored' AND seq > ? AND seq < ? LIMIT ?)",
        (start, end, most),
    ).fetchone()
    return int(count)
