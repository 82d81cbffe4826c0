"""JSON and NDJSON files: a record is an object, its values named by their keys (`part.number`, `lots.0`)."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, Final

import ijson  # type: ignore[import-untyped]

from producers.files.bounded import Bounded
from producers.files.delimited import Lines
from producers.files.encodings import opened_text
from producers.files.nesting import MAX_DEPTH, Values, as_text
from producers.files.rows import MAX_COLUMNS, Fault, FileProblem, Record, Table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from producers.files.feeds import Feed
    from producers.files.numbers import NumberStyle

_OPENING: Final = frozenset({"start_map", "start_array"})
_CLOSING: Final = frozenset({"end_map", "end_array"})


@contextmanager
def ndjson_table(path: Path, feed: Feed) -> Iterator[Table]:
    """Open a file with one JSON object a line (UTF-8, RFC 8259); raises FileProblem, also while it is read."""
    with opened_text(path, "utf-8-sig") as file:
        yield Table(None, _ndjson_records(Lines(file), feed.number_style), {"encoding": "utf-8"})


@contextmanager
def json_table(path: Path, feed: Feed) -> Iterator[Table]:
    """Open a JSON file whose records are in the array (or are the object) at `feed.record`, at the top without one.

    Values that stand before the records, outside of them, come with each by their full names.
    """
    try:
        with path.open("rb") as file:
            if file.read(3) != b"\xef\xbb\xbf":
                file.seek(0)
            reader = _JsonReader(tuple(feed.record.split(".")) if feed.record else (), feed.number_style)
            traits = {"encoding": "utf-8", "record": feed.record or "(top)"}
            yield Table(None, reader.records(file), traits)
    except OSError as error:
        raise FileProblem(f"cannot be read: {error.strerror}") from error


def _ndjson_records(lines: Lines, style: NumberStyle) -> Iterator[Record | Fault]:
    while True:
        number = lines.begin()
        line = next(lines, None)
        if line is None:
            return
        text = line.strip()
        if not text:
            continue
        values = Values()
        try:
            # numbers stay as they are written: 1E5 is for the number parser to refuse
            item = json.loads(
                text, object_pairs_hook=_Pairs, parse_int=_Number, parse_float=_Number, parse_constant=_Number
            )
            _flatten(item, "", values, style, 0)
        except (ValueError, RecursionError) as error:
            yield Fault(number, "", "", f"not JSON: {error}; send one object a line", text)
            continue
        if not isinstance(item, _Pairs):
            values.wrong("", text[:100], "not an object; send one object a line")
        yield _record(number, values, text)


class _Pairs(list[tuple[str, Any]]):
    """The members of an object, a repeated one as well."""


class _Number(str):
    """A number as it is written."""

    __slots__ = ()


def _flatten(item: Any, name: str, values: Values, style: NumberStyle, depth: int) -> None:
    if depth > MAX_DEPTH:
        values.wrong(name, "", f"nested deeper than {MAX_DEPTH} levels")
    elif isinstance(item, list):
        pairs = item if isinstance(item, _Pairs) else ((str(place), each) for place, each in enumerate(item))
        for key, each in pairs:
            _flatten(each, f"{name}.{key}" if name else key, values, style, depth + 1)
    else:
        values.put(name, _text(item, style))


def _text(value: Any, style: NumberStyle) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and not isinstance(value, _Number):
        return value
    return style.write(str(value))


def _record(line: int, values: Values, text: str) -> Record | Fault:
    return Record(line, values.found, text) if values.fault is None else Fault(line, *values.fault, text)


class _JsonReader:
    """Follows the events of one JSON document; holds one record at a time, however long the document is."""

    def __init__(self, way: tuple[str, ...], style: NumberStyle) -> None:
        self._way = way
        self._style = style
        #: Keys from the top to where it is; a place in an array is a number.
        self._path: list[str | int] = []
        self._outer: dict[str, str] = {}
        self._values: Values | None = None
        #: How deep the record begins that is being read.
        self._start = 0
        self._count = 0
        self._reached = False

    def records(self, file: IO[bytes]) -> Iterator[Record | Fault]:
        """Read the document; raises FileProblem where it is none, or has nothing at the way to the records."""
        try:
            for event, value in ijson.basic_parse(Bounded(file, b'"', digits=True)):
                done = self._take(event, value)
                if done is not None:
                    yield done
        except ArithmeticError as error:
            raise FileProblem(f"a number that nothing can have after record {self._count}; correct the file") from error
        except (ijson.JSONError, UnicodeDecodeError, ValueError) as error:
            raise FileProblem(f"not JSON after record {self._count}: {str(error)[:200]}; correct the file") from error
        if not self._reached:
            raise FileProblem(f"nothing at {'.'.join(self._way) or 'the top'}; name the array in the feed's record")

    def _take(self, event: str, value: Any) -> Record | Fault | None:
        if event == "map_key":
            self._path[-1] = value
            return None
        if event in _CLOSING:
            self._path.pop()
            done = self._end() if self._values is not None and len(self._path) == self._start else None
            self._advance()
            return done
        if event in _OPENING:
            self._open(event)
            return None
        done = self._scalar(value)
        self._advance()
        return done

    def _open(self, event: str) -> None:
        if self._values is None and self._is_record(event):
            self._values, self._start = Values(), len(self._path)
        if event == "start_array" and self._values is None and self._is_way():
            self._reached = True
        # beyond any sense, and every level costs memory
        if len(self._path) > MAX_DEPTH + len(self._way):
            raise FileProblem(f"nested deeper than {MAX_DEPTH} levels; this is no list of records")
        self._path.append("" if event == "start_map" else 0)

    def _is_way(self) -> bool:
        return tuple(self._path) == self._way

    def _is_record(self, event: str) -> bool:
        """Tell an object at the way, or an element of the array there."""
        if self._is_way():
            return event == "start_map"
        return (
            len(self._path) == len(self._way) + 1
            and isinstance(self._path[-1], int)
            and tuple(self._path[:-1]) == self._way
        )

    def _scalar(self, value: Any) -> Record | Fault | None:
        text = _text(value, self._style)
        if self._values is not None:
            self._values.put(".".join(map(str, self._path[self._start :])), text)
        elif self._is_record(""):
            self._count += 1
            return Fault(self._count, "", text[:100], "not an object; send an object for each record", text[:1000])
        elif len(self._outer) < MAX_COLUMNS:
            self._outer[".".join(map(str, self._path))] = text
        return None

    def _end(self) -> Record | Fault:
        values, self._values = self._values or Values(), None
        self._reached = True
        self._count += 1
        text = as_text(values.found)
        for name, value in self._outer.items():
            values.found.setdefault(name, value)
        return _record(self._count, values, text)

    def _advance(self) -> None:
        if self._path and isinstance(self._path[-1], int):
            self._path[-1] += 1
