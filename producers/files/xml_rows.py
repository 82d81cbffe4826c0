"""XML files: a record is an element, its values named by their way into it (`Part.Number`, `@id`, `Lot`, `Lot.2`)."""

from __future__ import annotations

from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, Final

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from producers.files.bounded import Bounded
from producers.files.nesting import MAX_DEPTH, Values, as_text
from producers.files.rows import MAX_COLUMNS, Fault, FileProblem, Record, Table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from producers.files.feeds import Feed

#: Of one record; more are a `record` that names too much of the document.
_MAX_ELEMENTS: Final = 2_000


@contextmanager
def xml_table(path: Path, feed: Feed) -> Iterator[Table]:
    """Open an XML file; every element at `feed.record` is a record. Raises FileProblem, also while it is read.

    Namespaces do not count. Values that stand before a record in the elements around it come with it by their full
    names, from the root on: `Order.Number`, `Order.@id`.
    """
    way = tuple((feed.record or "").split("."))
    try:
        with path.open("rb") as file:
            yield Table(None, _XmlReader(way).records(file), {"record": ".".join(way)})
    except OSError as error:
        raise FileProblem(f"cannot be read: {error.strerror}") from error


class _XmlReader:
    """Follows the elements of one document; holds one record at a time."""

    def __init__(self, way: tuple[str, ...]) -> None:
        self._way = way
        #: The elements that are open, from the root on.
        self._open: list[Any] = []
        self._names: list[str] = []
        #: How many are open where a record begins; 0 outside of records.
        self._start = 0
        self._elements = 0
        self._count = 0
        self._outer: dict[str, str] = {}

    def records(self, file: IO[bytes]) -> Iterator[Record | Fault]:
        """Read the document; raises FileProblem for what is no plain XML, and where it has no record."""
        try:
            for event, element in ElementTree.iterparse(Bounded(file, b">"), events=("start", "end"), forbid_dtd=True):
                if event == "start":
                    self._begin(element)
                elif (done := self._end(element)) is not None:
                    yield done
        except DefusedXmlException as error:
            raise FileProblem("has a document type (DTD) or entities; send plain XML without them") from error
        except (ElementTree.ParseError, ValueError, LookupError) as error:
            raise FileProblem(f"not XML after record {self._count}: {error}; correct the file") from error
        if not self._count:
            raise FileProblem(
                f"no element {'.'.join(self._way)}; name the element that is one row in the feed's record"
            )

    def _begin(self, element: Any) -> None:
        self._open.append(element)
        self._names.append(_local(element.tag))
        if len(self._open) > MAX_DEPTH + len(self._way):
            raise FileProblem(f"nested deeper than {MAX_DEPTH} levels; this is no list of records")
        if self._start:
            self._elements += 1
            if self._elements > _MAX_ELEMENTS:
                raise FileProblem(f"a record with more than {_MAX_ELEMENTS} elements; name a smaller one in record")
        elif tuple(self._names[-len(self._way) :]) == self._way:
            self._start, self._elements = len(self._open), 0
        else:
            self._enter(element)

    def _enter(self, element: Any) -> None:
        """Open an element outside of records: what was known of the last one of its name no longer holds."""
        place = ".".join(self._names)
        self._outer = {name: value for name, value in self._outer.items() if not name.startswith(f"{place}.")}
        for name, value in element.attrib.items():
            self._keep(f"{place}.@{_local(name)}", value)

    def _keep(self, name: str, value: str) -> None:
        if len(self._outer) < MAX_COLUMNS:
            self._outer[name] = value

    def _end(self, element: Any) -> Record | Fault | None:
        done = None
        if self._start == len(self._open):
            self._start = 0
            done = self._record(element)
        elif not self._start and len(element) == 0 and (element.text or "").strip():
            self._keep(".".join(self._names), element.text.strip())
        self._open.pop()
        self._names.pop()
        if not self._start and self._open:
            # what was read is not needed again, and would fill the memory
            self._open[-1].remove(element)
        return done

    def _record(self, element: Any) -> Record | Fault:
        self._count += 1
        values = Values()
        _flatten(element, "", values)
        text = as_text(values.found)
        for name, value in self._outer.items():
            values.found.setdefault(name, value)
        return (
            Record(self._count, values.found, text) if values.fault is None else Fault(self._count, *values.fault, text)
        )


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _flatten(element: Any, place: str, values: Values) -> None:
    prefix = f"{place}." if place else ""
    for name, value in element.attrib.items():
        values.put(f"{prefix}@{_local(name)}", value)
    text = (element.text or "").strip()
    if len(element) == 0 and place:
        values.put(place, text)
    elif text:
        values.put(f"{prefix}#text", text)
    seen: dict[str, int] = {}
    for child in element:
        name = _local(child.tag)
        seen[name] = seen.get(name, 0) + 1
        again = f".{seen[name]}" if seen[name] > 1 else ""
        _flatten(child, f"{prefix}{name}{again}", values)
