"""X12 856 ship notices: each item of a shipment is a record (X12 856, HL levels S, O, T, P, I).

A record has the values of `options.DESPATCH_VALUES` that the item, and the levels round it, give. `line` is the number
of the item's HL segment in the file.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from producers.files.encodings import find_encoding, opened_text
from producers.files.envelopes import X12Envelopes, must_match
from producers.files.nesting import MAX_DEPTH, Values
from producers.files.rows import Fault, FileProblem, Record, Table, shown
from producers.files.segments import Segment, Separators, read_messages, split_segments

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import TextIO

    from producers.files.feeds import Feed

#: The interchange header has fixed places (X12.5): element separator 3, component separator 104, terminator 105.
_ISA_CHARACTERS: Final = 106
_ISA_ELEMENTS: Final = 17
#: Item identification of LIN (element 235).
_LIN: Final = {
    "BP": "buyer_part",
    "IN": "buyer_part",
    "VP": "supplier_part",
    "VN": "supplier_part",
    "MG": "manufacturer_part",
    "MF": "manufacturer_part",
    "MP": "manufacturer_part",
    "UP": "gtin",
    "EN": "gtin",
    "UK": "gtin",
    "LT": "lot",
    "SN": "serial",
}
_REF: Final = {"LT": "lot", "SE": "serial"}
#: BSN01: a new notice. Others cancel, replace or change one that may have been booked already.
_ORIGINAL: Final = "00"


@contextmanager
def x12_table(path: Path, feed: Feed) -> Iterator[Table]:
    """Open a file of X12 856 interchanges; raises FileProblem, also while it is read and for wrong counts."""
    encoding = find_encoding(path, feed.encoding)
    with opened_text(path, encoding) as file:
        separators = read_separators(file)
        traits = {
            "encoding": encoding,
            "separators": f"{separators.element} {separators.component} {separators.terminator!r}",
        }
        yield Table(None, _records(file, separators), traits)


def read_separators(file: TextIO) -> Separators:
    """Read the separators from their places in the interchange header."""
    head = file.read(_ISA_CHARACTERS + 20).lstrip("\ufeff\r\n ")[:_ISA_CHARACTERS]
    if len(head) < _ISA_CHARACTERS or not head.startswith("ISA"):
        raise FileProblem("does not begin with an X12 interchange header (ISA, 106 characters); check the format")
    found = Separators(head[3], head[104], head[105])
    if len({found.element, found.component, found.terminator}) < len("*:~") or any(
        each.isalnum() or each == " " for each in (found.element, found.component, found.terminator)
    ):
        raise FileProblem("the interchange header (ISA) has no usable separators at characters 4, 105 and 106")
    if head.count(found.element) != _ISA_ELEMENTS - 1:
        raise FileProblem("the interchange header (ISA) has not 16 elements of fixed length; ask for the file again")
    file.seek(0)
    return found


@dataclass(slots=True)
class _Level:
    """One HL loop: what it and the levels above it say."""

    number: str
    line: int
    above: dict[str, str]
    values: Values = field(default_factory=Values)
    texts: list[str] = field(default_factory=list)


def _records(file: TextIO, separators: Separators) -> Iterator[Record | Fault]:
    segments = split_segments(file, separators)
    return read_messages(segments, X12Envelopes(), ("ST", "SE"), lambda: _Notice(separators))


class _Notice:
    """Follows one transaction set."""

    def __init__(self, separators: Separators) -> None:
        self._terminator = separators.terminator
        self._head: dict[str, str] = {}
        self._purpose = ""
        #: The levels that are open, from the shipment down; parents come before their children.
        self._open: list[_Level] = []
        self._count = 0
        #: An item is complete when a level begins that is not below it: packages may be.
        self._item: _Level | None = None

    def take(self, segment: Segment) -> Iterator[Record | Fault]:
        """Take one segment; gives the item that is complete now."""
        if segment.tag == "BSN":
            self._purpose = segment.get(1)
            self._head["message_number"] = segment.get(2)
        elif segment.tag == "HL":
            yield from self._begin(segment)
        elif segment.tag == "CTT":
            must_match(segment, 1, self._count, "the number of HL segments")
        elif self._open:
            # what stands below an item is about it
            _fill((self._item or self._open[-1]).values, segment)
        if self._item is not None and segment.tag != "CTT":
            self._item.texts.append(segment.text + self._terminator.strip())

    def end(self, segment: Segment) -> Iterator[Record | Fault]:
        """Take the end of the set; gives its last item."""
        if not self._count:
            raise FileProblem("a ship notice without HL levels; ask for it again", line=segment.number)
        yield from self._complete()

    def _begin(self, segment: Segment) -> Iterator[Record | Fault]:
        parent = segment.get(2)
        self._count += 1
        while self._open and self._open[-1].number != parent:
            if self._open.pop() is self._item:
                yield from self._complete()
        if parent and not self._open:
            raise FileProblem(
                f"HL names the parent {shown(parent)}, which is not open; ask for it again", line=segment.number
            )
        above = self._open[-1] if self._open else None
        inherited = {**above.above, **above.values.found} if above is not None else dict(self._head)
        self._open.append(_Level(segment.get(1), segment.number, inherited))
        if len(self._open) > MAX_DEPTH:
            raise FileProblem(f"HL levels deeper than {MAX_DEPTH}; ask for it again", line=segment.number)
        if segment.get(3) == "I" and self._item is None:
            self._item = self._open[-1]

    def _complete(self) -> Iterator[Record | Fault]:
        item, self._item = self._item, None
        if item is None:
            return
        text = "".join(item.texts)
        values = {**item.above, **item.values.found}
        fault = item.values.fault
        if self._purpose != _ORIGINAL:
            fault = (
                "BSN01",
                self._purpose,
                "not an original notice (00): it changes or cancels another; book it by hand",
            )
        yield Record(item.line, values, text) if fault is None else Fault(item.line, *fault, text)


def _fill(values: Values, segment: Segment) -> None:
    match segment.tag:
        case "LIN":
            _put(values, "po_line", segment.get(1))
            for place in range(2, len(segment.elements), 2):
                _put(values, _LIN.get(segment.get(place), ""), segment.get(place + 1))
        case "SN1":
            if "quantity" in values.found:
                values.wrong("quantity", segment.get(2), "a second quantity (SN1) of one item; ask the sender")
            _put(values, "quantity", segment.get(2))
            _put(values, "unit", segment.get(3))
        case "PRF":
            _put(values, "po_number", segment.get(1))
        case "REF":
            _put(values, _REF.get(segment.get(1), ""), segment.get(2))
        case "MAN" if segment.get(1) == "GM":
            _put(values, "package", segment.get(2))
        case "PID":
            _put(values, "description", segment.get(5))


def _put(values: Values, name: str, value: str) -> None:
    if name and value:
        values.put_next(name, value)
