"""The parts of an XLSX file, judged before a reader that trusts them sees them (ECMA-376 part 1, 18.3).

A sheet of some kilobytes that names one cell far down makes a reader ask for terabytes, which ends the process.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, Final
from xml.parsers import expat

from producers.files.rows import MAX_COLUMNS, FileProblem

if TYPE_CHECKING:
    from pathlib import Path

#: A workbook of a million full rows stays below.
MAX_UNCOMPRESSED_BYTES: Final = 200_000_000
#: Repeated rows compress to a twentieth; a bomb to a thousandth.
MAX_RATIO: Final = 100
#: A small file of few words may compress better.
_RATIO_COUNTS_FROM_BYTES: Final = 1_000_000
_MAX_MEMBERS: Final = 5_000
#: calamine needs about 90 bytes for each, so this is half a gigabyte.
_MAX_CELLS: Final = 5_000_000
#: Faults kept by their place; a sheet with more is refused.
_MAX_FAULTS: Final = 10_000
_CHUNK_BYTES: Final = 1 << 18
_REFERENCE: Final = re.compile(r"([A-Za-z]{1,3})([0-9]{1,7})")
_LETTERS: Final = 26

#: Row and column, from 1.
Place = tuple[int, int]


@dataclass(slots=True)
class SheetPart:
    """What one part of the file says about the size of a sheet, and its cells without a usable value."""

    max_rows: int
    row: int = 0
    column: int = 0
    last_row: int = 0
    last_column: int = 0
    inside: bool = False
    pending: Place | None = None
    faults: dict[Place, str] = field(default_factory=dict)

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Take one opening tag."""
        name = tag.rpartition(":")[2]
        if name == "sheetData":
            self.inside = True
        elif not self.inside:
            return
        elif name == "row":
            self._start_row(attributes.get("r"))
        elif name == "c":
            self._start_cell(attributes)
        elif name == "f":
            # until its value follows
            self.pending = (self.row, self.column)
        elif name in ("v", "is"):
            self.pending = None

    def settle(self) -> None:
        """Note a formula that no program has worked out."""
        if self.pending is not None:
            self._note(self.pending, "a formula without its result; open and save the file in a spreadsheet")
            self.pending = None

    def _start_row(self, given: str | None) -> None:
        self.settle()
        self.row = int(given) if given is not None and given.isascii() and given.isdecimal() else self.row + 1
        self.column = 0
        self._measure()

    def _start_cell(self, attributes: dict[str, str]) -> None:
        self.settle()
        reference = attributes.get("r")
        if reference is None:
            self.column += 1
        else:
            found = _REFERENCE.fullmatch(reference)
            if found is None:
                raise FileProblem(f"damaged: a cell is called {reference[:20]!r}")
            self.row, self.column = int(found[2]), _column_number(found[1])
        self._measure()
        if attributes.get("t") == "e":
            self._note((self.row, self.column), "an error instead of a value; correct the formula")

    def _measure(self) -> None:
        self.last_row, self.last_column = max(self.last_row, self.row), max(self.last_column, self.column)
        if self.last_row > self.max_rows:
            raise FileProblem(f"a sheet reaches to row {self.last_row}, {self.max_rows} at most; delete unused rows")
        if self.last_column > MAX_COLUMNS:
            raise FileProblem(
                f"a sheet reaches to column {self.last_column}, {MAX_COLUMNS} at most; delete unused columns"
            )
        if self.last_row * self.last_column > _MAX_CELLS:
            raise FileProblem(f"a sheet has more than {_MAX_CELLS} cells; delete unused rows and columns")

    def _note(self, place: Place, reason: str) -> None:
        self.faults[place] = reason
        if len(self.faults) > _MAX_FAULTS:
            raise FileProblem(f"more than {_MAX_FAULTS} cells without a value; correct the formulas")


def judge_parts(path: Path, max_rows: int) -> dict[str, SheetPart]:
    """Check every part of an XLSX file; gives what was found in those with cells. Raises FileProblem."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _must_be_workbook(members)
            _must_fit(members)
            found = {member.filename: _judge(archive, member, max_rows) for member in members}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise FileProblem(f"not a whole XLSX file: {error}; save it again as .xlsx") from error
    except OSError as error:
        raise FileProblem(f"cannot be read: {error.strerror or error}") from error
    return {name: part for name, part in found.items() if part is not None}


def _must_be_workbook(members: list[zipfile.ZipInfo]) -> None:
    names = [member.filename for member in members]
    if len(names) > _MAX_MEMBERS or len(set(names)) < len(names):
        raise FileProblem("not a whole XLSX file: too many parts, or two of one name; save it again as .xlsx")
    if "xl/workbook.xml" not in names:
        raise FileProblem("no XLSX workbook; save the file as .xlsx")


def _must_fit(members: list[zipfile.ZipInfo]) -> None:
    size = sum(member.file_size for member in members)
    packed = max(1, sum(member.compress_size for member in members))
    if size > MAX_UNCOMPRESSED_BYTES:
        raise FileProblem(f"{size} bytes when unpacked, {MAX_UNCOMPRESSED_BYTES} at most; split the file")
    if size > _RATIO_COUNTS_FROM_BYTES and size / packed > MAX_RATIO:
        raise FileProblem(f"packed {size // packed} times, {MAX_RATIO} at most: a zip bomb? send it as CSV")


def _judge(archive: zipfile.ZipFile, member: zipfile.ZipInfo, max_rows: int) -> SheetPart | None:
    """Read one part to its end, which checks its checksum as well."""
    part = SheetPart(max_rows)
    # whatever the part declares: the reader takes it for UTF-8
    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler = part.start
    parser.StartDoctypeDeclHandler = _refuse_doctype
    with archive.open(member) as stream:
        error, has_cells = _feed(parser, stream, member.file_size)
    part.settle()
    if error is not None and has_cells:
        raise FileProblem(f"damaged: {member.filename[:60]!r} is no XML: {error}; save it again as .xlsx")
    return part if has_cells else None


def _feed(parser: expat.XMLParserType, stream: IO[bytes], size: int) -> tuple[expat.ExpatError | None, bool]:
    """Parse a part; tells why it is no XML, and whether it speaks of cells."""
    error: expat.ExpatError | None = None
    tail, read, has_cells = b"", 0, False
    while chunk := stream.read(_CHUNK_BYTES):
        read += len(chunk)
        if read > size:
            raise FileProblem("not a whole XLSX file: a part is longer than it says; save it again as .xlsx")
        has_cells = has_cells or b"sheetData" in tail + chunk
        tail = chunk[-16:]
        if error is None:
            try:
                parser.Parse(chunk)
            except expat.ExpatError as found:
                error = found
    if error is None:
        try:
            parser.Parse(b"", True)
        except expat.ExpatError as found:
            error = found
    return error, has_cells


def _refuse_doctype(*_: Any) -> None:
    raise FileProblem("has a document type (DTD), which no spreadsheet writes; save it again as .xlsx")


def _column_number(letters: str) -> int:
    number = 0
    for letter in letters.upper():
        number = number * _LETTERS + ord(letter) - ord("A") + 1
    return number
