"""One file from `work/` to its place: read to its end first, then its rows stored, and its reports beside it.

Every step may be repeated: a process that dies in the middle goes on behind the last row that is durable.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import logging
import stat
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from producers.files.folders import given_name, put_away
from producers.files.formats import open_rows
from producers.files.ledger import DroppedFile, FileState, within_bounds
from producers.files.mapping import codes_of, to_command
from producers.files.reports import write_reports
from producers.files.rows import BadRow, FileProblem, LeftOut, Row
from producers.metrics import FILES_ENDED
from producers.outbox_records import Capture, OutboxError
from tasks.errors import StockrelayError
from tasks.telemetry import FILE_DONE, FILE_FAILED

if TYPE_CHECKING:
    import os
    import threading
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    from producers.files.feeds import Feed
    from producers.files.folders import Folders
    from producers.files.ledger import FileLedger
    from producers.outbox import Outbox
    from tasks.commands import Command
    from tasks.directory import Thing

#: Rows of one transaction: a disk flush costs about as much as parsing so many.
BATCH_ROWS: Final = 500
#: Of the digest in a row's key: 128 bits.
KEY_DIGEST_CHARACTERS: Final = 32
#: Part numbers remembered of one file.
_KNOWN_CODES: Final = 20_000
_READ_BYTES: Final = 1 << 20
_CHANGED: Final = "somebody wrote into it while it was read; drop it again when it is complete"

logger = logging.getLogger(__name__)


class StoppedError(StockrelayError):
    """The process is to end; the file goes on at the next start."""


class LookupAwayError(StockrelayError):
    """The directory of part numbers cannot be asked; the file waits."""


class _RefusedError(FileProblem):
    """Nothing of the file may be stored: what it is then, and the rows to blame."""

    def __init__(self, reason: str, outcome: FileState = FileState.FAILED, rows: Sequence[BadRow] = ()) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.rows = rows


class Processing:
    """Processes the files of one feed, one after the other, in a thread of its own.

    `look_up` gives the parts of part numbers. OutboxError, StoppedError and LookupAwayError leave
    the file as it is: process it again later.
    """

    def __init__(
        self,
        feed: Feed,
        folders: Folders,
        outbox: Outbox,
        ledger: FileLedger,
        *,
        look_up: Callable[[Sequence[str]], Mapping[str, Sequence[Thing]]],
        stopping: threading.Event,
        stored: Callable[[], None],
        clock_ms: Callable[[], int],
    ) -> None:
        self._feed = feed
        self._folders = folders
        self._outbox = outbox
        self._ledger = ledger
        self._look_up = look_up
        self._stopping = stopping
        self._stored = stored
        self._clock_ms = clock_ms
        self._known: dict[str, Sequence[Thing]] = {}
        #: The file at hand as it was when its digest was right.
        self._seen: tuple[int, int, int] = (0, 0, 0)

    def begin(self, file_id: str, path: Path) -> DroppedFile:
        """Note a file that lies in `work/`."""
        found = path.lstat()
        sha256, problem = self._digest(path, found)
        file = DroppedFile(
            id=file_id,
            feed=self._feed.name,
            name=given_name(path),
            sha256=sha256,
            size=found.st_size,
            first_seen_ms=self._clock_ms(),
            run=1,
            state=FileState.CLAIMED,
            outcome="",
            checkpoint=0,
            stored=0,
            known=0,
            refused=0,
            left_out=0,
            problem=problem,
            ended_ms=None,
            place=None,
        )
        self._ledger.begin(file)
        return file

    def process(self, file: DroppedFile, path: Path, progress: Callable[[int], None]) -> DroppedFile:
        """Bring a file to its end and say what it is then; `progress` is told the number of rows dealt with."""
        self._known.clear()
        if file.state is FileState.ENDING:
            return self._put_away(file, path)
        try:
            if file.state is FileState.CLAIMED:
                file = self._checked(file, path)
            else:
                self._require_same(file, path)
            self._store(file, path, progress)
        except _RefusedError as error:
            return self._end(file, path, error.outcome, str(error), error.rows)
        except FileProblem as error:
            return self._end(file, path, FileState.FAILED, str(error))
        except (StoppedError, LookupAwayError, OutboxError, OSError):
            raise
        except Exception as error:
            # whatever it is, it is about this file: the next start would meet it again
            logger.exception(FILE_FAILED, extra={"feed": file.feed, "file": file.name})
            return self._end(file, path, FileState.FAILED, f"cannot be read ({type(error).__name__}); report it")
        return self._end(file, path, FileState.DONE, "")

    def _checked(self, file: DroppedFile, path: Path) -> DroppedFile:
        """Read the file to its end; FileProblem when nothing of it may be stored."""
        if file.problem:
            raise _RefusedError(file.problem)
        before = self._ledger.same_content(file.feed, file.sha256)
        if before and self._feed.on_duplicate == "refuse":
            first = before[0]
            reason = f"the same content was processed already as {first.name} ({first.id}); nothing is stored again"
            raise _RefusedError(reason, FileState.DUPLICATE)
        self._require_same(file, path)
        bad = self._first_reading(file, path)
        if bad:
            reason = f"{len(bad)} rows cannot be used, so none is stored; mend them and drop it again"
            raise _RefusedError(reason, rows=bad)
        return replace(file, run=len(before) + 1)

    def _require_same(self, file: DroppedFile, path: Path) -> None:
        """Refuse a file that is not what it was when its digest became the name of its rows."""
        self._seen = _identity(path)
        sha256, problem = self._digest(path, path.lstat())
        if problem:
            raise FileProblem(problem)
        if sha256 != file.sha256:
            raise FileProblem(_CHANGED)

    def _first_reading(self, file: DroppedFile, path: Path) -> list[BadRow]:
        """Find what would stop the whole file: damage, and bad rows where all or none are taken."""
        bad: list[BadRow] = []
        for rows in self._batches(path, after=0):
            if self._feed.policy == "all-or-nothing":
                bad += [made for _, made in self._commands(file, rows) if isinstance(made, BadRow)]
                kept = list(within_bounds(bad, 0, 0))
                if len(kept) < len(bad):
                    reason = f"more than {len(kept)} rows cannot be used, so none is stored; is it the feed's format?"
                    raise _RefusedError(reason, rows=kept)
        return bad

    def _store(self, file: DroppedFile, path: Path, progress: Callable[[int], None]) -> None:
        for rows in self._batches(path, after=file.checkpoint):
            made = self._commands(file, rows)
            refused = [one for _, one in made if isinstance(one, BadRow)]
            captures = [self._capture(file, row, one) for row, one in made if not isinstance(one, BadRow)]
            with self._outbox.changing() as database:
                news = self._outbox.add(database, *captures)
                self._ledger.advance(
                    database,
                    file,
                    checkpoint=rows[-1].number,
                    stored=sum(news),
                    known=len(news) - sum(news),
                    left_out=sum(isinstance(row, LeftOut) for row in rows),
                    refused=refused,
                )
            self._stored()
            progress(rows[-1].number)

    def _commands(
        self, file: DroppedFile, rows: Sequence[Row | BadRow | LeftOut]
    ) -> list[tuple[Row | BadRow, Command | BadRow]]:
        # a file that was begun under another name of the feed keeps the names of its rows
        feed = self._feed if file.feed == self._feed.name else self._feed.model_copy(update={"name": file.feed})
        codes = {code for row in rows if isinstance(row, Row) for code in codes_of(row, feed)}
        self._learn(sorted(codes - self._known.keys()))
        made: list[tuple[Row | BadRow, Command | BadRow]] = []
        for row in rows:
            if isinstance(row, BadRow):
                made.append((row, row))
            elif isinstance(row, Row):
                command = to_command(
                    row,
                    feed,
                    digest=file.sha256,
                    first_seen_ms=file.first_seen_ms,
                    lookup=lambda code: self._known.get(code, ()),
                )
                made.append((row, command))
        return made

    def _learn(self, codes: Sequence[str]) -> None:
        if not codes:
            return
        if len(self._known) > _KNOWN_CODES:
            self._known.clear()
        self._known.update(self._look_up(codes))

    def _capture(self, file: DroppedFile, row: Row | BadRow, command: Command) -> Capture:
        # the same row of the same content is the same entry, whatever file it comes in
        again = f":{file.run}" if file.run > 1 else ""
        key = f"{file.feed}:{file.sha256[:KEY_DIGEST_CHARACTERS]}:{row.number}{again}"
        fields = {"kind": command.kind, **command.model_dump(mode="json", exclude_none=True)}
        place = {"feed": file.feed, "file": file.id, "name": file.name, "row": row.number, "line": row.line}
        origin = {**place, "stored_ms": self._clock_ms()}
        return Capture(
            key=key,
            lanes=command.lanes(),
            stock_timestamp=command.stock_timestamp,
            body=json.dumps({**fields, "idempotency_key": key}, separators=(",", ":")),
            summary=command.summary(),
            origin=json.dumps(origin),
        )

    def _batches(self, path: Path, *, after: int) -> Iterator[list[Row | BadRow | LeftOut]]:
        """Read rows behind `after` in batches; the file must stay what it is meanwhile."""
        with contextlib.closing(_rows(path, self._feed)) as rows:
            wanted = (row for row in rows if row.number > after)
            while batch := list(itertools.islice(wanted, BATCH_ROWS)):
                if self._stopping.is_set():
                    raise StoppedError("stopping")
                if _identity(path) != self._seen:
                    raise FileProblem(_CHANGED)
                yield batch

    def _end(
        self, file: DroppedFile, path: Path, outcome: FileState, problem: str, refused: Sequence[BadRow] = ()
    ) -> DroppedFile:
        """Decide what the file is, durably, then put it away."""
        ended_ms = self._clock_ms()
        place = self._folders.target(file.id, file.name, ended_ms, failed=outcome is FileState.FAILED)
        with self._outbox.changing():
            so_far = self._ledger.find(file.id)
            if problem and so_far is not None and so_far.checkpoint:
                problem = f"{problem}; {so_far.checkpoint} rows of it were dealt with"
            ending = self._ledger.end(file, outcome, problem, refused, ended_ms=ended_ms, place=place)
        return self._put_away(ending, path)

    def _put_away(self, file: DroppedFile, path: Path) -> DroppedFile:
        self.report(file)
        put_away(path, Path(file.place or ""))
        self._ledger.set_state(file.id, FileState(file.outcome))
        ended = replace(file, state=FileState(file.outcome))
        FILES_ENDED.labels(file.feed, ended.state.value).inc()
        event, level = (FILE_DONE, logging.INFO) if ended.state is FileState.DONE else (FILE_FAILED, logging.WARNING)
        fields = {"feed": file.feed, "file": file.name, "rows_stored": file.stored, "rows_refused": file.refused}
        logger.log(level, event, extra={**fields, "problem": file.problem, "place": file.place})
        return ended

    def report(self, file: DroppedFile) -> None:
        """Write the reports of a file that is over, or will be in a moment."""
        if file.place is not None:
            delimiter = self._feed.delimiter or ","
            write_reports(file, Path(file.place), self._ledger.refusals(file.id), delimiter=delimiter)

    def _digest(self, path: Path, found: os.stat_result) -> tuple[str, str]:
        """Give the sha256 of a file, or why there is none."""
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            return "", "not a plain file of its own (a link, a pipe, or one with a second name); drop a copy"
        digest = hashlib.sha256()
        try:
            with path.open("rb") as file:
                while chunk := file.read(_READ_BYTES):
                    if self._stopping.is_set():
                        raise StoppedError("stopping")
                    digest.update(chunk)
        except OSError as error:
            return "", f"cannot be read: {error.strerror}"
        return digest.hexdigest(), ""


def _rows(path: Path, feed: Feed) -> Generator[Row | BadRow | LeftOut]:
    try:
        yield from open_rows(path, feed)
    except OSError as error:
        raise FileProblem(f"cannot be read: {error.strerror}") from error


def _identity(path: Path) -> tuple[int, int, int]:
    try:
        found: os.stat_result = path.lstat()
    except OSError as error:
        raise FileProblem(f"vanished from work/: {error.strerror}") from error
    return found.st_ino, found.st_size, found.st_mtime_ns
