"""What a file would become: read to its end, nothing booked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from producers.files.formats import number_rows, open_table
from producers.files.mapping import to_command
from producers.files.rows import BadRow, LeftOut, Row
from tasks.commands import MIN_TIMESTAMP_MS, Command
from tasks.directory import Thing, ThingType

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from producers.files.feeds import Feed, Filling
    from producers.files.mapping import Lookup

T = TypeVar("T")

#: Commands and errors shown; the counts are of all.
SHOWN_ROWS: Final = 10
#: Where no directory is asked, each part number counts as known.
_STAND_IN: Final = Thing("0" * 26, ThingType.PART, "not looked up")
_NO_DIGEST: Final = "0" * 64


@dataclass(slots=True)
class Tally(Generic[T]):
    """How many there are, and the first of them."""

    count: int = 0
    first: list[T] = field(default_factory=list)

    def add(self, item: T) -> None:
        """Count one more."""
        self.count += 1
        if len(self.first) < SHOWN_ROWS:
            self.first.append(item)


@dataclass(frozen=True, slots=True)
class Description:
    """How a file is read and what its rows become; for people who set up a feed."""

    #: Encoding, delimiter, sheet, line of the header.
    traits: Mapping[str, str]
    #: None where each record names its own values.
    columns: tuple[str, ...] | None
    #: Field = where its value comes from.
    filling: Mapping[str, str]
    #: Their timestamp and source are not those that they would get.
    commands: Tally[Command]
    bad: Tally[BadRow]
    left_out: Tally[LeftOut]
    notes: tuple[str, ...]

    @property
    def rows(self) -> int:
        """Count all rows."""
        return self.commands.count + self.bad.count + self.left_out.count


def describe(
    path: Path, feed: Feed, *, lookup: Lookup | None = None, on_row: Callable[[int], None] | None = None
) -> Description:
    """Read a file to its end and tell what would be asked for; raises FileProblem.

    Without a `lookup` part numbers are not looked up, and a note says so. `on_row` is told how many rows were read.
    """
    commands, bad, left_out = Tally[Command](), Tally[BadRow](), Tally[LeftOut]()
    unseen = {column for columns in feed.used_columns() for column in columns}
    with open_table(path, feed) as table:
        for row in number_rows(table, feed):
            if isinstance(row, Row):
                unseen.difference_update(row.values)
            match _judge(row, feed, lookup or _stand_in):
                case Command() as command:
                    commands.add(command)
                case BadRow() as found:
                    bad.add(found)
                case LeftOut() as found_out:
                    left_out.add(found_out)
            if on_row is not None:
                on_row(row.number)
        filling = {name: _source_of(filling, table.columns) for name, filling in feed.fields.items()}
        return Description(
            table.traits, table.columns, filling, commands, bad, left_out, tuple(_notes(feed, lookup, unseen))
        )


def _judge(row: Row | BadRow | LeftOut, feed: Feed, lookup: Lookup) -> Command | BadRow | LeftOut:
    if not isinstance(row, Row):
        return row
    return to_command(row, feed, digest=_NO_DIGEST, first_seen_ms=MIN_TIMESTAMP_MS, lookup=lookup)


def _stand_in(code: str, /) -> tuple[Thing, ...]:
    return (_STAND_IN,) if code else ()


def _source_of(filling: Filling, columns: tuple[str, ...] | None) -> str:
    if filling.column is None:
        return f"always {filling.value!r}"
    there = [column for column in filling.column if columns is None or column in columns]
    looked_up = ", looked up" if filling.lookup else ""
    return f"column {there[0]}{looked_up}"


def _notes(feed: Feed, lookup: Lookup | None, unseen: Collection[str]) -> list[str]:
    notes = [
        f"no row has {' or '.join(columns)}; check its spelling"
        for columns in dict.fromkeys(feed.used_columns())
        if all(column in unseen for column in columns)
    ]
    if lookup is None and any(filling.lookup for filling in feed.fields.values()):
        notes.append("part numbers were not looked up; a number that the directory does not know is refused")
    if feed.format == "xlsx":
        notes.append("of formulas the result counts that was saved last")
    return notes
