"""What comes out of a file: rows, rows that are refused, rows that are left out, or a file that cannot be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tasks.errors import StockrelayError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: A cell longer than this is a quote that was never closed, or no table.
MAX_CELL_CHARACTERS: Final = 65_536
#: Above every price list and parts list; more is a mistake in the delimiter.
MAX_COLUMNS: Final = 200
#: What is quoted back of a value or a row in one line for people.
_SHOWN_CHARACTERS: Final = 80


class FileProblem(StockrelayError):  # noqa: N818  what is wrong with a file, said to people
    """The whole file cannot be used; nothing of it may be booked. `line` is where, 0 where no line is to blame.

    It may come after good rows: a cut file shows itself at its end.
    """

    def __init__(self, reason: str, *, line: int = 0) -> None:
        super().__init__(f"line {line}: {reason}" if line else reason)
        self.reason = reason
        self.line = line


@dataclass(frozen=True, slots=True)
class Record:
    """One record as its format gives it.

    `line`, from 1: of the text or of the sheet, in EDI the segment, in JSON and XML the record.
    """

    line: int
    values: Mapping[str, str]
    text: str


@dataclass(frozen=True, slots=True)
class Fault:
    """A record that its format does not allow."""

    line: int
    column: str
    value: str
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Omission:
    """A record that says itself that it is not meant."""

    line: int
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """One row; `number` counts every record of the file from 1, the same for the same content."""

    number: int
    line: int
    values: Mapping[str, str]
    #: The row as it stands in the file, for the report.
    text: str


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that becomes no command: where, what stands there, why not and what to do."""

    number: int
    line: int
    #: The column's name in the file; empty where the whole row is at fault.
    column: str
    value: str
    reason: str
    text: str

    def __str__(self) -> str:
        column = f", column {self.column}" if self.column else ""
        value = f" (got {shown(self.value)})" if self.value else ""
        return f"line {self.line}{column}: {self.reason}{value}"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A row that the feed's `when` and `unless`, or the row itself, keep out; it is no error."""

    number: int
    line: int
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """An opened file. `columns` is None where each record names its own values."""

    columns: tuple[str, ...] | None
    records: Iterator[Record | Fault | Omission]
    #: How it is read, for people: encoding, delimiter, sheet, line of the header.
    traits: Mapping[str, str]


def shown(value: str) -> str:
    """Quote a value in one short line, safe to print."""
    short = value if len(value) <= _SHOWN_CHARACTERS else value[:_SHOWN_CHARACTERS] + "…"
    return ascii(short) if not short.isprintable() else f'"{short}"'
