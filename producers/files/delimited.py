"""CSV and TSV files (RFC 4180, and what spreadsheets make of it), record by record."""

from __future__ import annotations

import csv
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from producers.files.encodings import find_encoding, opened_text
from producers.files.header import name_columns
from producers.files.rows import MAX_CELL_CHARACTERS, Fault, FileProblem, Record, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import TextIO

    from producers.files.feeds import Feed

#: Without a declared one, the one that stands most often in the header wins.
DELIMITERS: Final = ";\t,|"
#: No line of a table is longer; without line ends a file would be read into memory whole.
_MAX_LINE_CHARACTERS: Final = 1 << 20
#: Column names may have line ends; more than this is a quote that was never closed.
_MAX_HEADER_LINES: Final = 20
_QUOTED: Final = re.compile(r'"[^"]*"')
#: Excel writes and reads it as the first line.
_SEP_LINE: Final = re.compile(r'"?sep=(.)"?[;,]*\r?\n?', re.IGNORECASE)


class Lines:
    """The lines of a text with their ends; remembers where it is, and what was taken since `begin`."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._ahead: list[str] = []
        self._taken: list[str] = []
        #: Of the line taken last, from 1.
        self.number = 0

    def __iter__(self) -> Lines:
        return self

    def __next__(self) -> str:
        line = self._ahead.pop() if self._ahead else self._file.readline(_MAX_LINE_CHARACTERS + 1)
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) > _MAX_LINE_CHARACTERS:
            raise FileProblem(f"longer than {_MAX_LINE_CHARACTERS} characters; this is no table", line=self.number)
        self._taken.append(line)
        return line

    def begin(self) -> int:
        """Forget what was taken; gives the number of the next line."""
        self._taken.clear()
        return self.number + 1

    def taken(self) -> str:
        """Give what was taken since `begin`, without the last line end."""
        return "".join(self._taken).rstrip("\r\n")

    def push_back(self, lines: Sequence[str]) -> None:
        """Make lines that were taken come again."""
        self._ahead.extend(reversed(lines))
        self.number -= len(lines)


@contextmanager
def delimited_table(path: Path, feed: Feed) -> Iterator[Table]:
    """Open a CSV or TSV file; raises FileProblem, also while it is read."""
    encoding = find_encoding(path, feed.encoding)
    with opened_text(path, encoding) as file:
        lines = Lines(file)
        declared = _declared_delimiter(lines, feed)
        for _ in range((feed.header_row or 1) - lines.number - 1):
            next(lines, None)
        first = next_filled(lines)
        delimiter = declared or find_delimiter(first, lines.number)
        lines.push_back(first)
        header = lines.number + 1
        if feed.columns is None:
            cells = read_header(lines, delimiter)
            columns = name_columns(cells, feed, header)
        else:
            columns = name_columns(feed.columns, feed, header)
        traits = {"encoding": encoding, "delimiter": delimiter, "header": "none" if feed.columns else f"line {header}"}
        yield Table(columns, records(lines, delimiter, columns), traits)


def _declared_delimiter(lines: Lines, feed: Feed) -> str | None:
    """Give the delimiter that the feed or the file's first line declares."""
    declared = "\t" if feed.format == "tsv" else feed.delimiter
    first = next(lines, None)
    if first is None:
        raise FileProblem("empty; nothing is in it")
    said = _SEP_LINE.fullmatch(first)
    if said is None:
        lines.push_back([first])
        return declared
    if declared not in (None, said[1]):
        raise FileProblem(f"says sep={said[1]}, the feed says {declared!r}; correct one of them", line=1)
    return said[1]


def next_filled(lines: Lines) -> list[str]:
    """Take the lines of the next record that is not blank, as far as open quotes tell."""
    for line in lines:
        if line.strip():
            taken = [line]
            while "".join(taken).count('"') % 2 and len(taken) < _MAX_HEADER_LINES:
                following = next(lines, None)
                if following is None:
                    break
                taken.append(following)
            return taken
    raise FileProblem("no header and no row; nothing is in it")


def find_delimiter(header: Sequence[str], line: int) -> str:
    """Find the delimiter that stands most often in the header outside quotes; a comma in a header of one column."""
    bare = _QUOTED.sub("", "".join(header))
    counts = {delimiter: bare.count(delimiter) for delimiter in DELIMITERS}
    most = max(counts.values())
    if most == 0:
        return ","
    winners = [delimiter for delimiter, count in counts.items() if count == most]
    if len(winners) > 1:
        raise FileProblem("two delimiters stand in the header equally often; declare the feed's delimiter", line=line)
    return winners[0]


def read_header(lines: Lines, delimiter: str) -> list[str]:
    """Take the column names."""
    line = lines.begin()
    try:
        return next(csv.reader(lines, delimiter=delimiter, strict=True))
    except (csv.Error, StopIteration) as error:
        raise FileProblem(f"the header cannot be read: {error}; check its quotes", line=line) from None


def records(lines: Lines, delimiter: str, columns: tuple[str, ...]) -> Iterator[Record | Fault]:
    """Take the records; blank ones are none."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        line = lines.begin()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield _unreadable(lines, line, error)
            continue
        if not any(cells):
            continue
        text = lines.taken()
        fault = _fault_of(cells, columns, text)
        if fault is None:
            yield Record(line, dict(zip(columns, cells, strict=False)), text)
        else:
            yield Fault(line, *fault, text)


def _unreadable(lines: Lines, line: int, error: csv.Error) -> Fault:
    """Say what is wrong with one line; an open quote has swallowed rows that nobody can tell any more."""
    if lines.number > line or "end of data" in str(error):
        raise FileProblem("a quote is opened here and not closed; correct the file", line=line) from None
    return Fault(line, "", "", f"not readable: {error}; double the quotes inside a cell", lines.taken())


def _fault_of(cells: list[str], columns: tuple[str, ...], text: str) -> tuple[str, str, str] | None:
    """Give column, value and reason of what a row may not have."""
    if "\0" in text:
        return "", "", "has NUL characters; the file is damaged, or its encoding is another"
    if len(cells) != len(columns):
        if len(cells) < len(columns) or any(cells[len(columns) :]):
            return (
                "",
                "",
                f"{len(cells)} cells where the header has {len(columns)} columns; quote cells with delimiters",
            )
        del cells[len(columns) :]
    if len(text) > MAX_CELL_CHARACTERS:
        for column, cell in zip(columns, cells, strict=True):
            if len(cell) > MAX_CELL_CHARACTERS:
                return column, cell[:100], f"{len(cell)} characters, {MAX_CELL_CHARACTERS} at most; shorten it"
    return None
