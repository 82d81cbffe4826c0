"""Whether a dropped file is complete: two looks at it, and what the kernel knows about its writers. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from producers.files.leases import Writers

#: Names that other programs give to what they are still writing, or to notes of their own.
_TEMPORARY_ENDS: Final = (".part", ".tmp", ".filepart", ".writing", ".crdownload", ".partial", ".swp", "~")
_TEMPORARY_STARTS: Final = (".", "~$", "@eadir", "thumbs.db", "desktop.ini")
#: Lies beside a file that its sender has finished.
MARKER_SUFFIX: Final = ".done"


#: Inode, size and moment of the last change (nanoseconds): what changes when somebody writes.
Seen = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Look:
    """A file as it was seen, and since when it has looked so (monotonic seconds)."""

    seen: Seen
    since: float

    @property
    def size(self) -> int:
        return self.seen[1]

    @property
    def modified_ns(self) -> int:
        return self.seen[2]

    @classmethod
    def at(cls, seen: Seen, now: float, before: Look | None) -> Look:
        """Look again; what is unchanged has been so since before."""
        return before if before is not None and before.seen == seen else cls(seen, now)


def is_unfinished_name(name: str) -> bool:
    """Tell the names of files that are still written, or that nobody dropped."""
    lower = name.lower()
    return lower.startswith(_TEMPORARY_STARTS) or lower.endswith(_TEMPORARY_ENDS)


def is_complete(before: Look | None, look: Look, writers: Writers, *, now: float, settle_seconds: float) -> bool:
    """Tell whether nobody writes the file any more.

    `before` is the look before this one. Where the kernel knows that nobody has it open, two equal looks are enough;
    else it has to rest for the settle time. An empty file rests too: many programs make it first and fill it later.
    """
    if before is None or look.since != before.since or writers is Writers.SOME:
        return False
    if writers is Writers.NONE and look.size > 0:
        return True
    return now - look.since >= settle_seconds
