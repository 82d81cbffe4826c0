"""Files by their format: opened, checked against the limits, read row by row with flat memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from producers.files.bom import bom_table
from producers.files.delimited import delimited_table
from producers.files.edifact import edifact_table
from producers.files.json_rows import json_table, ndjson_table
from producers.files.rows import BadRow, Fault, FileProblem, LeftOut, Omission, Record, Row, Table
from producers.files.spreadsheet import spreadsheet_table
from producers.files.x12 import x12_table
from producers.files.xml_rows import xml_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from producers.files.feeds import Feed

_READERS: Final[Mapping[str, Callable[[Path, Feed], AbstractContextManager[Table]]]] = {
    "csv": delimited_table,
    "tsv": delimited_table,
    "xlsx": spreadsheet_table,
    "json": json_table,
    "ndjson": ndjson_table,
    "xml": xml_table,
    "x12-856": x12_table,
    "edifact-desadv": edifact_table,
    "bom": bom_table,
}


def open_rows(path: Path, feed: Feed) -> Iterator[Row | BadRow | LeftOut]:
    """Read a file row by row; the same content gives the same rows with the same numbers.

    Raises FileProblem where the whole file cannot be used. That may be after good rows (a cut file, wrong counts in an
    EDI envelope), so who books nothing of a damaged file reads it to its end first. Closing the iterator closes the
    file.
    """
    with open_table(path, feed) as table:
        yield from number_rows(table, feed)


def open_table(path: Path, feed: Feed) -> AbstractContextManager[Table]:
    """Open a file as its feed says; raises FileProblem."""
    try:
        size = path.stat().st_size
    except (OSError, ValueError) as error:
        raise FileProblem(f"cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if size > feed.max_bytes:
        raise FileProblem(f"{size} bytes, {feed.max_bytes} at most; split the file")
    if size == 0:
        raise FileProblem("empty; nothing is in it")
    return _READERS[feed.format](path, feed)


def number_rows(table: Table, feed: Feed) -> Iterator[Row | BadRow | LeftOut]:
    """Give numbers to the records of an opened file, and leave out those that the feed does not want."""
    for number, record in enumerate(table.records, 1):
        if number > feed.max_rows:
            raise FileProblem(f"more than {feed.max_rows} rows; split the file", line=record.line)
        match record:
            case Record(line, values, text):
                reason = _why_unwanted(values, feed)
                yield LeftOut(number, line, reason, text) if reason else Row(number, line, values, text)
            case Fault(line, column, value, reason, text):
                yield BadRow(number, line, column, value, reason, text)
            case Omission(line, reason, text):
                yield LeftOut(number, line, reason, text)


def _why_unwanted(values: Mapping[str, str], feed: Feed) -> str:
    for column, wanted in feed.when.items():
        if values.get(column, "").strip() not in wanted:
            return f"{column} is none of the feed's when"
    for column, unwanted in feed.unless.items():
        if values.get(column, "").strip() in unwanted:
            return f"{column} is one of the feed's unless"
    return ""
