"""What lies in a feed's `in/` folder: which files are complete, and how soon to look again."""

from __future__ import annotations

import contextlib
import fnmatch
import logging
import os
import stat
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from producers.files.leases import Writers, writers_of
from producers.files.readiness import MARKER_SUFFIX, Look, Seen, is_complete, is_unfinished_name
from producers.plain_text import plain
from tasks.telemetry import FILE_IGNORED, FILE_WAITS

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from producers.files.feeds import Feed

#: Between two looks at a file that may be complete: the second one decides.
SECOND_LOOK_SECONDS: Final = 0.2
#: A file that waits longer than this and its settle time is spoken of.
LONG_SECONDS: Final = 60.0
#: The pause after a look, in looks: a folder of 60,000 unfinished files must not take a whole processor.
_REST_LOOKS: Final = 4

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Arrival:
    look: Look
    #: When it was first seen, by the monotonic clock.
    since: float
    why_waiting: str = ""
    is_told: bool = False


class Arrivals:
    """Looks at `in/`. `sees_writers`: every writer is on this machine, where the kernel knows of it."""

    def __init__(self, feed: Feed, folder: Path, *, sees_writers: bool) -> None:
        self._feed = feed
        self._folder = folder
        self._sees_writers = sees_writers
        self._arrivals: dict[str, _Arrival] = {}
        self._ignored: set[str] = set()
        self._gap_seconds = SECOND_LOOK_SECONDS
        self._look_seconds = 0.0
        #: Names that are there and not complete yet.
        self.pending = 0

    def rest_seconds(self) -> float:
        """Give the pause before the next look while files are pending: short while something changes, then longer."""
        gap = max(min(self._gap_seconds, self._feed.poll_seconds), _REST_LOOKS * self._look_seconds)
        self._gap_seconds = min(self._gap_seconds * 2, self._feed.poll_seconds)
        return gap

    def forget(self, name: str) -> None:
        """Take the next file of this name for a new one."""
        self._arrivals.pop(name, None)

    def complete_names(self) -> list[str]:
        """Look, and list what is complete, oldest first. OSError when the folder cannot be read."""
        now = time.monotonic()
        present, found = self._list()
        arrivals: dict[str, _Arrival] = {}
        complete: list[tuple[int, str]] = []
        for name, seen in found:
            before = self._arrivals.get(name)
            look = Look.at(seen, now, before.look if before else None)
            arrival = arrivals[name] = _Arrival(look, now) if before is None else before
            arrival.why_waiting = self._why_waiting(name, arrival, look, now, present)
            arrival.look = look
            if look.since == now:
                self._gap_seconds = SECOND_LOOK_SECONDS
            if not arrival.why_waiting:
                complete.append((look.modified_ns, name))
        self._arrivals = arrivals
        self._ignored &= present
        self.pending = len(arrivals) - len(complete)
        self._tell_long(now)
        self._look_seconds = time.monotonic() - now
        return [name for _, name in sorted(complete)]

    def _list(self) -> tuple[set[str], list[tuple[str, Seen]]]:
        """List all names, and what may be a file of the feed; little is kept of each, since there may be many."""
        present: set[str] = set()
        found: list[tuple[str, Seen]] = []
        with os.scandir(self._folder) as entries:
            for entry in entries:
                present.add(entry.name)
                seen = self._seen(entry)
                if seen is not None:
                    found.append((entry.name, seen))
        return present, found

    def _seen(self, entry: os.DirEntry[str]) -> Seen | None:
        is_marker = self._feed.done_marker and entry.name.endswith(MARKER_SUFFIX)
        if is_unfinished_name(entry.name) or is_marker:
            return None
        try:
            found = entry.stat(follow_symlinks=False)
        except FileNotFoundError:  # its sender renamed it
            return None
        if stat.S_ISDIR(found.st_mode) or not fnmatch.fnmatch(entry.name.lower(), self._feed.pattern.lower()):
            self._ignore(entry.name)
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _why_waiting(self, name: str, arrival: _Arrival, look: Look, now: float, present: AbstractSet[str]) -> str:
        """Say why a file is not taken yet; nothing when it is complete."""
        if self._feed.done_marker:
            return "" if name + MARKER_SUFFIX in present else f"there is no {MARKER_SUFFIX} beside it"
        if now in (arrival.since, look.since):
            return "it still changes"
        writers = Writers.UNKNOWN
        if self._sees_writers:
            with contextlib.suppress(OSError):  # what cannot be opened rests for its time, and is refused then
                writers = writers_of(self._folder / name)
        if is_complete(arrival.look, look, writers, now=now, settle_seconds=self._feed.settle_seconds):
            return ""
        return "a process has it open for writing" if writers is Writers.SOME else "it has to rest"

    def _ignore(self, name: str) -> None:
        if name not in self._ignored:
            self._ignored.add(name)
            fields = {"feed": self._feed.name, "file": plain(name), "pattern": self._feed.pattern}
            logger.info(FILE_IGNORED, extra=fields)

    def _tell_long(self, now: float) -> None:
        """Say once of each file that it waits unusually long; of many in one line."""
        limit = LONG_SECONDS + self._feed.settle_seconds
        late = [
            (name, one)
            for name, one in self._arrivals.items()
            if one.why_waiting and not one.is_told and now - one.since >= limit
        ]
        if not late:
            return
        for _, one in late:
            one.is_told = True
        name, first = late[0]
        fields = {"feed": self._feed.name, "file": plain(name), "files": len(late), "reason": first.why_waiting}
        logger.warning(FILE_WAITS, extra=fields)
