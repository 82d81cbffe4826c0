"""XLSX workbooks: one sheet, read by calamine.

calamine holds the whole sheet in memory, about 90 bytes a cell: the flat memory of the other formats is not had here.
"""

from __future__ import annotations

import posixpath
import zipfile
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import IO, TYPE_CHECKING, Any, Final

import python_calamine
from defusedxml import ElementTree

from producers.files.header import name_columns
from producers.files.rows import MAX_CELL_CHARACTERS, Fault, FileProblem, Record, Table
from producers.files.sheet_parts import Place, judge_parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from producers.files.feeds import Feed
    from producers.files.numbers import NumberStyle

Cell = int | float | str | bool | time | date | datetime | timedelta

#: A spreadsheet keeps so many digits of a number; a longer one was changed already.
_EXACT: Final = 10**15
_LOST: Final = "more than 15 digits, of which a spreadsheet keeps 15; format the column as text and enter it again"


@contextmanager
def spreadsheet_table(path: Path, feed: Feed) -> Iterator[Table]:
    """Open one sheet of an XLSX file; raises FileProblem."""
    header = feed.header_row or 1
    parts = judge_parts(path, feed.max_rows + header)
    with _workbook(path) as workbook:
        name = _sheet_name(workbook.sheet_names, feed.sheet)
        part = parts.get(_member_of(path, name))
        if part is None:
            raise FileProblem(f"does not say where sheet {name!r} is; save it again as .xlsx")
        rows, first_column = _loaded(workbook, name)
        columns: Sequence[str]
        if feed.columns is None:
            columns = name_columns(_header(rows, header, feed), feed, header)
        else:
            columns = name_columns(feed.columns, feed, 1)
        reader = _SheetReader(columns, feed, first_column, part.faults)
        skipped = 0 if feed.columns is not None else header
        traits = {"sheet": name, "header": "none" if feed.columns else f"row {header}"}
        yield Table(tuple(columns), reader.records(rows, skipped), traits)


@contextmanager
def _workbook(path: Path) -> Iterator[python_calamine.CalamineWorkbook]:
    try:
        workbook = python_calamine.CalamineWorkbook.from_path(path)
    except (python_calamine.CalamineError, OSError) as error:
        raise FileProblem(f"not a whole XLSX file: {error}; save it again as .xlsx") from error
    with workbook:
        yield workbook


def _loaded(workbook: python_calamine.CalamineWorkbook, name: str) -> tuple[Iterator[list[Cell]], int]:
    """Give the rows from the sheet's first one on, and the number of the column that they begin with."""
    try:
        sheet = workbook.get_sheet_by_name(name)
        return sheet.iter_rows(), sheet.start[1] + 1 if sheet.start is not None else 1
    except python_calamine.CalamineError as error:
        raise FileProblem(f"sheet {name!r} cannot be read: {error}; save the file again as .xlsx") from error


def _sheet_name(names: Sequence[str], wanted: str | None) -> str:
    listed = ", ".join(repr(name) for name in names[:20])
    if wanted is not None and wanted not in names:
        raise FileProblem(f"no sheet {wanted!r}; there are {listed}")
    if wanted is None and len(names) != 1:
        raise FileProblem(
            f"{len(names)} sheets ({listed}); name one in the feed, as sheet = {names[0]!r}" if names else "no sheet"
        )
    return wanted or names[0]


def _header(rows: Iterator[list[Cell]], number: int, feed: Feed) -> list[str]:
    for place, row in enumerate(rows, 1):
        if place == number:
            cells = [_text(cell, feed.number_style) for cell in row]
            while cells and not cells[-1].strip():
                cells.pop()
            return cells
    raise FileProblem(f"no row {number}, where the column names should be")


class _SheetReader:
    """Turns rows of cells into records."""

    def __init__(self, columns: Sequence[str], feed: Feed, first_column: int, faults: Mapping[Place, str]) -> None:
        self._columns = tuple(columns)
        self._first_column = first_column
        self._style = feed.number_style
        self._faults = faults
        used = {name for names in feed.used_columns() for name in names}
        self._used = {place: name for place, name in enumerate(self._columns) if name in used}

    def records(self, rows: Iterator[list[Cell]], skipped: int) -> Iterator[Record | Fault]:
        for line, cells in enumerate(rows, skipped + 1):
            if self._is_blank(line, cells):
                continue
            texts = [_text(cell, self._style) for cell in cells[: len(self._columns)]]
            texts += [""] * (len(self._columns) - len(texts))
            text = "\t".join(texts)
            beside = [cell for cell in cells[len(self._columns) :] if cell != ""]
            fault = self._fault(line, cells, texts)
            if beside and fault is None:
                fault = (
                    "",
                    _text(beside[0], self._style),
                    "a value beside the named columns; name its column or delete it",
                )
            if fault is None:
                yield Record(line, dict(zip(self._columns, texts, strict=True)), text)
            else:
                yield Fault(line, *fault, text)

    def _is_blank(self, line: int, cells: list[Cell]) -> bool:
        return all(cell == "" for cell in cells) and not any(
            (line, place + self._first_column) in self._faults for place in self._used
        )

    def _fault(self, line: int, cells: list[Cell], texts: list[str]) -> tuple[str, str, str] | None:
        """Give column, value and reason of a cell that is read and has no usable value."""
        for place, name in self._used.items():
            cell = cells[place] if place < len(cells) else ""
            reason = self._faults.get((line, place + self._first_column))
            if reason is None and isinstance(cell, int | float) and not abs(cell) < _EXACT:
                reason = _LOST
            if reason is None and len(texts[place]) > MAX_CELL_CHARACTERS:
                reason = f"more than {MAX_CELL_CHARACTERS} characters; shorten it"
            if reason is not None:
                return name, texts[place][:100], reason
        return None


def _text(cell: Cell, style: NumberStyle) -> str:
    """Write a cell as the feed's text files would."""
    match cell:
        case str():
            return cell
        case bool():
            return "true" if cell else "false"
        case int() | float():
            return _number_text(cell, style)
        case datetime() | date() | time():
            return cell.isoformat()
        case _:
            return str(cell)


def _number_text(number: float, style: NumberStyle) -> str:
    if not abs(number) < _EXACT:
        return str(number)
    if number == int(number):
        return str(int(number))
    return style.write(format(Decimal(format(number, ".15g")), "f"))


def _member_of(path: Path, sheet: str) -> str:
    """Find the part of the file that holds a sheet; empty where its table of contents does not say."""
    try:
        with zipfile.ZipFile(path) as archive:
            with archive.open("xl/workbook.xml") as stream:
                relation = _attribute_of(stream, "sheet", "name", sheet, "id")
            with archive.open("xl/_rels/workbook.xml.rels") as stream:
                target = _attribute_of(stream, "Relationship", "Id", relation, "Target")
    except (LookupError, ElementTree.ParseError, ValueError):
        return ""
    return posixpath.normpath(posixpath.join("/xl", target)).lstrip("/")


def _attribute_of(stream: IO[bytes], tag: str, key: str, value: str, wanted: str) -> str:
    root: Any = ElementTree.parse(stream, forbid_dtd=True).getroot()
    for element in root.iter():
        if element.tag.rpartition("}")[2] == tag and element.get(key) == value:
            for name, found in element.attrib.items():
                if name.rpartition("}")[2] == wanted:
                    return str(found)
    raise KeyError(value)
