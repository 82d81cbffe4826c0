"""EDIFACT DESADV despatch advices: each line (LIN) is a record (UN/EDIFACT D.96A and later).

A record has the values of `options.DESPATCH_VALUES` that the line, and the message and the package round it, give.
`line` is the number of the LIN segment in the file.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from producers.files.encodings import find_encoding, opened_text
from producers.files.envelopes import EdifactEnvelopes
from producers.files.nesting import Values
from producers.files.rows import Fault, FileProblem, Record, Table
from producers.files.segments import Segment, Separators, read_messages, split_segments

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import TextIO

    from producers.files.feeds import Feed

_STANDARD: Final = Separators("+", ":", "'", "?")
_UNA_CHARACTERS: Final = 9
#: ISO 9735: the syntax identifiers that name one character set. A and B are ASCII, which the usual rule reads.
_CHARACTER_SETS: Final = {
    "UNOC": "iso8859-1",
    "UNOD": "iso8859-2",
    "UNOE": "iso8859-5",
    "UNOF": "iso8859-7",
    "UNOY": "utf-8",
    "UNOW": "utf-8",
}
_HEAD_BYTES: Final = 64
#: Item number type (7143) of LIN and PIA.
_ITEM: Final = {
    "BP": "buyer_part",
    "IN": "buyer_part",
    "SA": "supplier_part",
    "VN": "supplier_part",
    "VP": "supplier_part",
    "MF": "manufacturer_part",
    "MP": "manufacturer_part",
    "EN": "gtin",
    "UP": "gtin",
    "SRV": "gtin",
    "NB": "lot",
    "SN": "serial",
}
#: Identity number qualifier (7405) of GIN.
_GIN: Final = {"BX": "lot", "BN": "serial", "SN": "serial", "BJ": "package"}
_DESPATCHED: Final = "12"
#: Message function (1225): an original, or none given. Others cancel, replace or repeat another.
_ORIGINAL: Final = ("9", "")


@contextmanager
def edifact_table(path: Path, feed: Feed) -> Iterator[Table]:
    """Open a file of DESADV messages; raises FileProblem, also while it is read and for wrong counts at its end."""
    encoding = find_encoding(path, _declared_set(path) or feed.encoding)
    with opened_text(path, encoding) as file:
        separators = read_separators(file)
        traits = {
            "encoding": encoding,
            "separators": f"{separators.element} {separators.component} {separators.terminator!r}",
        }
        yield Table(None, _records(file, separators), traits)


def _declared_set(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise FileProblem(f"cannot be read: {error.strerror}") from error
    found = re.search(rb"UNB.(UNO[A-Z])", head)
    return _CHARACTER_SETS.get(found[1].decode("ascii")) if found else None


def read_separators(file: TextIO) -> Separators:
    """Read the separators from the service string advice (UNA); the standard ones without it."""
    head = file.read(_UNA_CHARACTERS)
    if head.startswith("UNA") and len(head) == _UNA_CHARACTERS:
        component, element, _, release, _, terminator = tuple(head[3:])
        found = Separators(element, component, terminator, release.strip())
        if len({*head[3:5], terminator, release}) < len(":+'?") or any(
            each.isalnum() for each in (element, component, terminator)
        ):
            raise FileProblem(f"the service string advice (UNA) has no usable separators: {head[3:]!r}")
        return found
    if not head.lstrip().startswith("UNB"):
        raise FileProblem("does not begin with an EDIFACT interchange header (UNA or UNB); check the format")
    file.seek(0)
    return _STANDARD


def _records(file: TextIO, separators: Separators) -> Iterator[Record | Fault]:
    segments = split_segments(file, separators)
    return read_messages(segments, EdifactEnvelopes(), ("UNH", "UNT"), lambda: _Advice(separators))


class _Advice:
    """Follows one message."""

    def __init__(self, separators: Separators) -> None:
        self._terminator = separators.terminator
        self._function = ""
        self._head = Values()
        self._package = Values()
        self._line: Values | None = None
        self._number = 0
        self._texts: list[str] = []

    def take(self, segment: Segment) -> Iterator[Record | Fault]:
        """Take one segment; gives the line that is complete now."""
        match segment.tag:
            case "BGM":
                # one element in early versions, a composite in later ones
                _put(self._head, "message_number", segment.get(2))
                self._function = segment.get(3)
            case "CPS":
                yield from self._complete()
                self._package = Values()
            case "LIN":
                yield from self._complete()
                self._line, self._number, self._texts = Values(), segment.number, []
                _put(self._line, _ITEM.get(segment.get(3, 2), ""), segment.get(3))
            case _:
                self._fill(segment)
        if self._line is not None:
            self._texts.append(segment.text + self._terminator)

    def end(self, _segment: Segment) -> Iterator[Record | Fault]:
        """Take the end of the message; gives its last line."""
        yield from self._complete()

    def _complete(self) -> Iterator[Record | Fault]:
        line, self._line = self._line, None
        if line is None:
            return
        values = {**self._head.found, **self._package.found, **line.found}
        fault = line.fault
        if self._function not in _ORIGINAL:
            fault = (
                "BGM 1225",
                self._function,
                "not an original (9): it changes, cancels or repeats another; book it by hand",
            )
        text = "".join(self._texts)
        yield Record(self._number, values, text) if fault is None else Fault(self._number, *fault, text)

    def _fill(self, segment: Segment) -> None:
        values = self._line or self._package
        match segment.tag:
            case "PIA":
                for place in range(2, len(segment.elements) + 1):
                    _put(values, _ITEM.get(segment.get(place, 2), ""), segment.get(place))
            case "QTY" if segment.get(1) == _DESPATCHED and self._line is not None:
                if "quantity" in values.found:
                    values.wrong(
                        "quantity",
                        segment.get(1, 2),
                        "a second despatched quantity (QTY+12) of one line; ask the sender",
                    )
                # ISO 9735 allows both marks, whatever UNA says, and no thousands
                _put(values, "quantity", segment.get(1, 2).replace(",", "."))
                _put(values, "unit", segment.get(1, 3))
            case "RFF" if segment.get(1) == "ON":
                about = self._line if self._line is not None else self._head
                _put(about, "po_number", segment.get(1, 2))
                _put(about, "po_line", segment.get(1, 3))
            case "GIN":
                for place in range(2, len(segment.elements) + 1):
                    _put(values, _GIN.get(segment.get(1), ""), segment.get(place))
            case "IMD":
                _put(values, "description", segment.get(3, 4))


def _put(values: Values, name: str, value: str) -> None:
    if name and value:
        values.put_next(name, value)
