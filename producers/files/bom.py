"""Bills of materials as KiCad, Altium and others export them: CSV with many names for the same columns.

Beside its own columns a record has those of `SYNONYMS` under the names given there; `reference` is the list of
designators, one blank between them.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from producers.files.delimited import DELIMITERS, Lines, find_delimiter, read_header, records
from producers.files.encodings import find_encoding, opened_text
from producers.files.header import folded, name_columns, spelling
from producers.files.rows import Fault, FileProblem, Omission, Record, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from producers.files.feeds import Feed

#: What the columns are called, folded; the first name that a file has counts.
SYNONYMS: Final[Mapping[str, tuple[str, ...]]] = {
    name: tuple(synonyms.split(", "))
    for name, synonyms in {
        "reference": "reference, references, reference(s), designator, designators, ref, refs, refdes, ref des, parts, "
        "part reference, bauteil, bezeichner",
        "quantity": "quantity, qty, qty., qnty, quant, quantity per pcb, count, anzahl, menge",
        "value": "value, val, comment, designation, wert",
        "footprint": "footprint, package, pattern, pcb footprint, case, gehäuse",
        "dnp": "dnp, do not populate, do not place, dnf, dni, fitted, populate, exclude from bom",
        "manufacturer_part": "mpn, manufacturer part number, manufacturer part number 1, manufacturer_part_number, "
        "manufacturer part, mfr part number, mfr. part #, mfr_pn, mfg part number, part number, libref",
        "manufacturer": "manufacturer, manufacturer 1, manufacturer_name, mfr, mfg, hersteller",
        "supplier_part": "supplier part number, supplier part number 1, supplier_part, supplier and ref, sku, lcsc, "
        "lcsc part, lcsc part #, digikey, digi-key part number, mouser, mouser part number",
        "description": "description, desc, beschreibung",
    }.items()
}
#: Lines before the header: date, tool, source.
_MAX_PREAMBLE_LINES: Final = 50
#: So many known names make a line a header, one of them that of the designators.
_ENOUGH_NAMES: Final = 2
_NOT_FITTED: Final = frozenset(
    {"dnp", "dnf", "dni", "dnm", "do not populate", "do not place", "not fitted", "exclude from bom"}
)
_NO: Final = frozenset({"", "0", "no", "false", "n", "-", "nein"})
#: Columns that say that a part is fitted, the other way round.
_FITTED_COLUMNS: Final = frozenset({"fitted", "populate"})
_DESIGNATOR_GAP: Final = re.compile(r"[\s,;]+")
#: R1-R4 is four parts; J1-2 is one.
_RANGE: Final = re.compile(r"([A-Za-z_]+)([0-9]{1,5})-([A-Za-z_]+)([0-9]{1,5})")
#: A board has fewer of one part.
_MAX_DESIGNATORS: Final = 1_000
_COUNT: Final = re.compile(r"[0-9]{1,9}")


@contextmanager
def bom_table(path: Path, feed: Feed) -> Iterator[Table]:
    """Open a bill of materials; raises FileProblem, also while it is read."""
    encoding = find_encoding(path, feed.encoding)
    with opened_text(path, encoding) as file:
        lines = Lines(file)
        delimiter = _to_header(lines, feed)
        header = lines.number + 1
        cells = read_header(lines, delimiter)
        known = _known_columns(cells)
        if "reference" not in known:
            raise FileProblem("no column of designators; declare header_row, or read it as csv", line=header)
        # a bill of materials without quantities has one part for each designator
        columns = name_columns(cells, feed, header, known={*known, "quantity"})
        parts = _Parts(columns, known, spelling(feed))
        found = (parts.part(record) for record in records(lines, delimiter, columns))
        traits = {"encoding": encoding, "delimiter": delimiter, "header": f"line {header}"}
        yield Table((*columns, *sorted(parts.added)), found, traits)


def _to_header(lines: Lines, feed: Feed) -> str:
    """Go to the header; gives the delimiter."""
    if feed.header_row is not None:
        for _ in range(feed.header_row - 1):
            next(lines, None)
        first = next(lines, "")
        lines.push_back([first] if first else [])
        return feed.delimiter or find_delimiter([first], lines.number + 1)
    for _ in range(_MAX_PREAMBLE_LINES):
        line = next(lines, None)
        if line is None:
            break
        for delimiter in feed.delimiter or DELIMITERS:
            names = _known_columns([cell.strip().strip('"') for cell in line.split(delimiter)])
            if "reference" in names and len(names) >= _ENOUGH_NAMES:
                lines.push_back([line])
                return delimiter
    raise FileProblem("no line looks like the header of a bill of materials; declare header_row, or read it as csv")


def _known_columns(cells: Sequence[str]) -> dict[str, int]:
    """Find the columns of known names: the name they get, and their place."""
    places: dict[str, int] = {}
    for place, cell in enumerate(cells):
        places.setdefault(folded(cell), place)
    return {
        name: next(places[synonym] for synonym in synonyms if synonym in places)
        for name, synonyms in SYNONYMS.items()
        if not places.keys().isdisjoint(synonyms)
    }


class _Parts:
    """Turns the records of one file into parts with known names."""

    def __init__(self, columns: tuple[str, ...], known: Mapping[str, int], spelled: Mapping[str, str]) -> None:
        self._known = {name: (spelled.get(name, name), columns[place]) for name, place in known.items()}
        self._quantity = spelled.get("quantity", "quantity")
        #: What it gives beside the file's own columns.
        self.added = {self._quantity, *(name for name, _ in self._known.values())} - {*columns}
        self._says_fitted = "dnp" in known and folded(columns[known["dnp"]]) in _FITTED_COLUMNS

    def part(self, record: Record | Fault) -> Record | Fault | Omission:
        """Give one record its known names; leaves out what is not fitted."""
        if isinstance(record, Fault):
            return record
        values = dict(record.values)
        for spelled, column in self._known.values():
            values[spelled] = record.values[column]
        if self._is_left_out(record):
            return Omission(record.line, "not fitted (DNP)", record.text)
        reference_name, column = self._known["reference"]
        designators = split_designators(record.values[column])
        if len(designators) > _MAX_DESIGNATORS:
            return self._fault(record, column, f"{len(designators)} designators, {_MAX_DESIGNATORS} at most")
        values[reference_name] = " ".join(designators)
        if "quantity" not in self._known:
            values[self._quantity] = str(len(designators))
            return Record(record.line, values, record.text)
        column = self._known["quantity"][1]
        given = record.values[column].strip()
        if designators and _COUNT.fullmatch(given) and int(given) != len(designators):
            return self._fault(
                record,
                column,
                f"{len(designators)} designators, but another quantity; correct one of them",
            )
        return Record(record.line, values, record.text)

    def _is_left_out(self, record: Record) -> bool:
        if "dnp" in self._known:
            said = folded(record.values[self._known["dnp"][1]])
            if self._says_fitted:
                return said in (_NO - {""}) or said in _NOT_FITTED
            if said not in _NO:
                return True
        return "value" in self._known and folded(record.values[self._known["value"][1]]) in _NOT_FITTED

    @staticmethod
    def _fault(record: Record, column: str, reason: str) -> Fault:
        return Fault(record.line, column, record.values[column][:100], reason, record.text)


def split_designators(cell: str) -> list[str]:
    """List the designators of a cell: `R1, R2;R5-R8` is R1 R2 R5 R6 R7 R8."""
    found: list[str] = []
    for each in _DESIGNATOR_GAP.split(cell):
        span = _RANGE.fullmatch(each)
        if span is not None and span[1] == span[3] and 0 < int(span[4]) - int(span[2]) < _MAX_DESIGNATORS:
            found.extend(f"{span[1]}{number}" for number in range(int(span[2]), int(span[4]) + 1))
        elif each:
            found.append(each)
    return found
